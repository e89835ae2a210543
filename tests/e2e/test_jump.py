"""-J and ProxyJump: a chain of connections in one process."""
import hashlib
import re
import signal
import subprocess

import pytest

from harness import client as client_module
from harness import keys, proxies, servers, traffic
from harness.wait import wait_until

HOST_KEYS = [("ed25519",), ("ecdsa256",), ("rsa",)]


@pytest.fixture
def jumps(start, kit, key_folder):
    """jumps(2): so many jump hosts, each with a host key and one user key of its own; what a jump host may use lies in
    the home folder, for the options of the destination are not its."""
    def make(count, options=None, trust=True, fresh=False):
        ssh = kit.home / ".ssh"
        ssh.mkdir(exist_ok=True)
        made = []
        for i in range(count):
            kind = ["ed25519", "ecdsa", "rsa"][i]
            key = keys.keygen(key_folder / f"jump{i}", kind)
            keys.copy_private(key, ssh / f"id_{kind}")
            made.append(start(servers.Sshd, options or {}, HOST_KEYS[i], authorized=[keys.public(key)], fresh=fresh))
        (ssh / "known_hosts").write_text("".join(s.known_hosts_lines() for s in made) if trust else "")
        return made
    return make


def spec(*made):
    return ",".join(f"{s.user}@127.0.0.1:{s.port}" for s in made)


@pytest.mark.quick
@pytest.mark.parametrize("count", [1, 2, 3])
def test_hops(kit, sshd, jumps, echo, count, adit_only):
    """One, two, three jump hosts, each with its own user key and host key: no other program is started, and every hop
    is taken leave of in order."""
    made = jumps(count)
    marks = [s.mark() for s in made]
    client, addr = kit.local(sshd, echo, "-J", spec(*made))
    assert traffic.ask(addr, b"through " * 1000) == b"through " * 1000
    assert servers.descendants(client.pid) == []
    client.stop()
    for s, mark in zip(made, marks):
        s.wait_log("disconnected by user", mark)
        assert s.text(mark).count("Accepted publickey") == 1


@pytest.mark.quick
def test_as_an_option(kit, sshd, jumps, echo):
    """-o ProxyJump, also as a URI; the first one wins; none."""
    hop, = jumps(1)
    _, addr = kit.local(sshd, echo, "-o", f"ProxyJump=ssh://{hop.user}@127.0.0.1:{hop.port}", "-o", "ProxyJump=nowhere")
    assert traffic.ask(addr) == b"ping"
    _, addr = kit.local(sshd, echo, "-o", "ProxyJump=none", "-o", f"ProxyJump={spec(hop)}")
    assert traffic.ask(addr) == b"ping"


def test_large_stream(kit, sshd, jumps, service, tmp_path, adit_only):
    """32 MiB through two jump hosts and back, every byte of it."""
    size = 32 << 20
    made = jumps(2)
    source = tmp_path / "in"
    with open(source, "wb") as f:
        for piece in traffic.pattern(size, 2):
            f.write(piece)
    echo = service(traffic.echo)
    kit.trust(sshd)
    with open(source, "rb") as i, open(tmp_path / "out", "wb") as o:
        subprocess.run([client_module.ADIT, *kit.base(), "-J", spec(*made), "-p", str(sshd.port), "-l", sshd.user, "-W",
                        echo.target, "127.0.0.1"], stdin=i, stdout=o, env=kit.env(), check=True, timeout=90)
    assert hashlib.sha256((tmp_path / "out").read_bytes()).hexdigest() == traffic.pattern_sha(size, 2)


@pytest.mark.quick
def test_log_lines_name_the_hop(kit, sshd, jumps, adit_only):
    """At -v each line of a jump host begins with its name, those of the destination do not."""
    made = jumps(2)
    client = kit.connect(sshd, "-v", "-J", spec(*made), "-N")
    client.wait_err(r"^debug1: Authentication succeeded")
    client.stop()
    for s in made:
        name = re.escape(f"[{spec(s)}]")
        assert re.search(rf"^debug1: {name} Server host key: ", client.err.text, re.M)
        assert re.search(rf"^debug1: {name} Authentication succeeded \(publickey\)", client.err.text, re.M)
    assert len(re.findall(r"^debug1: Server host key: ", client.err.text, re.M)) == 1


def check_end(client, text, server):
    assert client.finish() == 255
    assert f"jump host {spec(server)}: " in client.err.text
    assert re.search(text, client.err.text), client.err.text


@pytest.mark.quick
@pytest.mark.parametrize("which", [0, 1])
def test_unknown_host_key(kit, sshd, jumps, which, adit_only):
    """The known_hosts of the destination's options are not the jump host's: an unknown key ends everything, and the
    server behind it never hears of us."""
    made = jumps(2)
    known = kit.home / ".ssh/known_hosts"
    known.write_text("".join(s.known_hosts_lines() for i, s in enumerate(made) if i != which))
    mark = sshd.mark()
    client = kit.connect(sshd, "-J", spec(*made), "-N", stdin=subprocess.DEVNULL)
    check_end(client, "[Hh]ost key", made[which])
    assert sshd.text(mark) == ""


def test_changed_host_key(kit, sshd, jumps, key_folder, adit_only):
    """A jump host whose key changed is refused with the warning."""
    hop, = jumps(1)
    other = keys.keygen(key_folder / "another")
    (kit.home / ".ssh/known_hosts").write_text(f"[127.0.0.1]:{hop.port} {keys.public(other)}\n")
    client = kit.connect(sshd, "-J", spec(hop), "-N")
    check_end(client, "IDENTIFICATION HAS CHANGED", hop)


@pytest.mark.quick
@pytest.mark.parametrize("which", [0, 1])
def test_refused_login(kit, sshd, jumps, which, adit_only):
    """A jump host that takes no key of ours: 255, and its name."""
    made = jumps(2)
    (kit.home / ".ssh" / ["id_ed25519", "id_ecdsa"][which]).unlink()
    check_end(kit.connect(sshd, "-o", "IdentityAgent=none", "-J", spec(*made), "-N"), "Permission denied", made[which])


def test_refused_forward(kit, sshd, jumps, adit_only):
    """A jump host that forwards nothing: 255, its name and its reason."""
    hop, = jumps(1, {"AllowTcpForwarding": "no"})
    client = kit.connect(sshd, "-J", spec(hop), "-N")
    check_end(client, rf"cannot reach 127.0.0.1:{sshd.port} through it: administratively prohibited", hop)


@pytest.mark.quick
def test_nobody_there(kit, sshd, jumps, adit_only):
    """A hop that is down, as seen from here and as seen from the hop before it."""
    hop, = jumps(1)
    port = traffic.free_port()
    client = kit.connect(sshd, "-J", f"x@127.0.0.1:{port}", "-N")
    assert client.finish() == 255
    assert re.search(rf"jump host x@127.0.0.1:{port}: .*refused", client.err.text)
    client = kit.connect(sshd, "-J", f"{spec(hop)},x@127.0.0.1:{port}", "-N")
    check_end(client, rf"cannot reach 127.0.0.1:{port} through it: connect failed: Connection refused", hop)


def test_destination_refuses(kit, start, jumps, key_folder, adit_only):
    """The destination's own error names no jump host."""
    hop, = jumps(1)
    other = keys.keygen(key_folder / "nobody")
    closed = start(servers.Sshd, authorized=[keys.public(other)])
    client = kit.connect(closed, "-J", spec(hop), "-N")
    assert client.finish() == 255
    assert "Permission denied" in client.err.text and "jump host" not in client.err.text


@pytest.mark.parametrize("which", [0, 1])
def test_hop_dies(kit, sshd, jumps, echo, which, adit_only):
    """The connection of a hop is cut: everything ends with 255 and that hop's name."""
    made = jumps(2, fresh=True)
    client, addr = kit.local(sshd, echo, "-J", spec(*made))
    assert traffic.ask(addr) == b"ping"
    made[which].signal_sessions(signal.SIGKILL)
    check_end(client, "closed|reset", made[which])


def test_killed_client(kit, sshd, jumps, echo, adit_only):
    """After SIGKILL nothing is left on any hop."""
    made = jumps(2, fresh=True)
    client, addr = kit.local(sshd, echo, "-J", spec(*made))
    assert traffic.ask(addr) == b"ping"
    client.kill()
    for s in made:
        wait_until(lambda: not s.sessions(), 10, "the hop's sessions")


def test_signal_while_a_hop_is_silent(kit, sshd, jumps, service, adit_only):
    """A stop while the second hop says nothing: all ends at once."""
    hop, = jumps(1)
    mute = service(traffic.never_reader)
    client = kit.connect(sshd, "-v", "-J", f"{spec(hop)},127.0.0.1:{mute.port}", "-N")
    client.wait_err(rf"\[127.0.0.1:{mute.port}\] Connection established")
    assert client.stop() == 255


@pytest.mark.quick
@pytest.mark.parametrize("jump, host", [("h", "h"), ("a,b,a", "h"), ("u@a:22,b,u@A:22", "h"), ("h,b", "H")])
def test_loop(kit, jump, host, adit_only):
    """A host that would be reached through itself is an error before anything is opened."""
    client = kit.run(*kit.base(), "-J", jump, "-N", host)
    assert client.finish() == 255
    assert "loop" in client.err.text


@pytest.mark.quick
@pytest.mark.parametrize("jump", ["", ",", "a,", "a,,b", "-oX", "a;b", "u`id`@h", "h:0", "h:x", "h:99999", "u@ b", "@h"])
def test_bad_jump(kit, jump):
    """What is no host is refused, as are characters of a shell."""
    client = kit.run(*kit.base(), "-J", jump, "-N", "host.invalid")
    assert client.finish() == 255 and client.err.text != ""
    assert "resolve" not in client.err.text and "look up" not in client.err.text


# ---- What ~/.ssh/config says of the hops

@pytest.fixture
def config(tmp_path):
    """config(text): the options that read it."""
    def make(text):
        path = tmp_path / "config"
        path.write_text(text)
        return ["-F", str(path), "-o", "GlobalKnownHostsFile=none"]
    return make


def block(name, server, key, known, *more):
    return "\n".join([f"Host {name}", "HostName 127.0.0.1", f"Port {server.port}", f"User {server.user}",
                      f"IdentityFile {key}", "IdentitiesOnly yes", f"UserKnownHostsFile {known}",
                      "GlobalKnownHostsFile none", "BatchMode yes", *more, ""])


@pytest.fixture
def two(start, key_folder, tmp_path):
    """Two servers and a key and a known_hosts file for each of them alone."""
    made = []
    for i in range(2):
        key = keys.keygen(key_folder / f"config{i}")
        server = start(servers.Sshd, {}, HOST_KEYS[i], authorized=[keys.public(key)])
        known = tmp_path / f"known{i}"
        known.write_text(server.known_hosts_lines())
        made.append((server, key, known))
    return made


@pytest.fixture
def destination(sshd, kit):
    kit.trust(sshd)
    return "destination", sshd, kit.key, kit.known_hosts


@pytest.mark.quick
def test_each_hop_by_its_own_block(kit, config, two, destination, echo, adit_only):
    """User, port, keys and known_hosts of each hop stand in its Host block; what else stands there (forwards, commands,
    an agent) is not for a hop."""
    more = ["LocalForward 1 nowhere:1", "RemoteCommand false", "RequestTTY force", "ForwardAgent yes", "ControlMaster auto",
            "ControlPath ~/m-%C", "PermitLocalCommand yes", "LocalCommand false"]
    text = block("first", *two[0], *more) + block("second", *two[1]) + block(*destination)
    client = kit.run(*config(text), "-J", "first,second", "-N", "-L", f"0:{echo.target}", "destination")
    assert traffic.ask(client.listening(1)[0].addr) == b"ping"
    client.stop()


def test_keepalive_of_a_hop(kit, config, two, destination, adit_only):
    """A hop that goes silent is found out by the interval of its own block; the destination has none."""
    text = (block("first", *two[0]) + block("second", *two[1], "ServerAliveInterval 1", "ServerAliveCountMax 1") +
            block(*destination, "ServerAliveInterval 0"))
    client = kit.run(*config(text), "-v", "-J", "first,second", "-N", "destination")
    client.wait_err(r"^debug1: Authentication succeeded")
    frozen = two[1][0].sessions()
    servers.signal_all(frozen, signal.SIGSTOP)
    try:
        assert client.finish() == 255
    finally:
        servers.signal_all(frozen, signal.SIGCONT)
    assert "jump host second: " in client.err.text and re.search(r"Timeout, server .* not responding", client.err.text), client.err.text


@pytest.mark.quick
def test_jumps_of_hops(kit, config, two, destination, echo, adit_only):
    """A hop's own ProxyJump, and tokens in it."""
    text = (block(*destination, "ProxyJump second") + block("second", *two[1], "ProxyJump %n-before") +
            block("second-before", *two[0]))
    client = kit.run(*config(text), "-v", "-N", "-L", f"0:{echo.target}", "destination")
    assert traffic.ask(client.listening(1)[0].addr) == b"ping"
    client.stop()
    names = re.findall(r"^debug1: \[(.*)\] Authentication succeeded", client.err.text, re.M)
    assert names == ["second-before", "second"]


@pytest.mark.quick
def test_given_jumps_beat_those_of_the_file(kit, config, two, destination, echo, adit_only):
    """As in ssh: -J a,b makes a the ProxyJump of b, whatever b's block says; a's own counts."""
    text = (block("first", *two[0]) + block("second", *two[1], "ProxyJump nowhere.invalid") +
            block(*destination, "ProxyJump nowhere.invalid"))
    client = kit.run(*config(text), "-J", "first,second", "-N", "-L", f"0:{echo.target}", "destination")
    assert traffic.ask(client.listening(1)[0].addr) == b"ping"


@pytest.mark.quick
def test_a_hop_behind_a_command(kit, config, two, destination, echo, tmp_path, adit_only):
    """The nearest hop may have a ProxyCommand."""
    text = (block("first", *two[0], f"ProxyCommand {proxies.netcat(tmp_path)} %h %p") +
            block(*destination, "ProxyJump first"))
    client = kit.run(*config(text), "-N", "-L", f"0:{echo.target}", "destination")
    assert traffic.ask(client.listening(1)[0].addr) == b"ping"
    client.stop()
    assert servers.descendants(client.pid) == []


@pytest.mark.quick
@pytest.mark.parametrize("text", ["Host *\nProxyJump bastion\n", "Host h\nProxyJump a\nHost a\nProxyJump b\nHost b\nProxyJump a\n",
                                  "Host h\nProxyJump x@h\nHost *\nUser y\n", "Host *\nProxyJump %h\n"])
def test_loop_in_the_file(kit, config, text, adit_only):
    """Hosts that jump through each other."""
    client = kit.run(*config(text), "-N", "h")
    assert client.finish() == 255
    assert "loop" in client.err.text, client.err.text


@pytest.mark.quick
def test_endless_jumps(kit, config, adit_only):
    """Names that grow: no loop, but no end either."""
    client = kit.run(*config("Host *\nProxyJump %h.x\n"), "-N", "h")
    assert client.finish() == 255
    assert "more than 16 jump hosts" in client.err.text


@pytest.mark.quick
def test_errors_of_a_hop_s_block_name_it(kit, config, adit_only):
    client = kit.run(*config("Host hop\nPort none\n"), "-J", "hop", "-N", "h")
    assert client.finish() == 255
    assert "line 2" in client.err.text


def test_another_user(kit, config, start, user_key, system_user, destination, echo, adit_only):
    """A hop where we are somebody else."""
    hop = start(servers.Sshd, user=system_user.name)
    known = kit.folder / "known"
    known.write_text(hop.known_hosts_lines())
    text = block("hop", hop, user_key, known) + block(*destination)
    client = kit.run(*config(text), "-J", "hop", "-N", "-L", f"0:{echo.target}", "destination")
    assert traffic.ask(client.listening(1)[0].addr) == b"ping"
    assert f"for {system_user.name} " in hop.text()


def test_questions_per_hop(kit, config, start, system_user, destination, echo, adit_only):
    """A hop with a password, and behind it a host whose key is unknown: one question after the other, each for its own
    host."""
    hop = start(servers.Sshd, {"PasswordAuthentication": "yes", "PubkeyAuthentication": "no"}, ("rsa",),
                user=system_user.name)
    log, script = kit.folder / "asked", kit.folder / "askpass"
    script.write_text(f'#!/bin/sh\nprintf "%s\\n" "$1" >>{log}\ncase "$1" in *password*) echo "{system_user.password}";; '
                      "*) echo yes;; esac\n")
    script.chmod(0o755)
    name, server, key, _ = destination
    known = kit.folder / "known"
    known.write_text(hop.known_hosts_lines())
    text = (block("hop", hop, "none", known) + block(name, server, key, kit.folder / "nothing")).replace("BatchMode yes", "")
    client = kit.run(*config(text), "-J", "hop", "-N", "-L", f"0:{echo.target}", name, env={
        "SSH_ASKPASS": str(script), "SSH_ASKPASS_REQUIRE": "force", "DISPLAY": None})
    assert traffic.ask(client.listening(1)[0].addr) == b"ping"
    asked = log.read_text()
    assert asked.index(f"{system_user.name}@127.0.0.1's password") < asked.index(f"[127.0.0.1]:{server.port}")
    assert keys.fingerprint(server.host_keys[0]) in asked
