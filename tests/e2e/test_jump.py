"""-J and ProxyJump: a chain of connections in one process."""
import hashlib
import os
import re
import signal
import subprocess

import pytest

from harness import client as client_module
from harness import keys, servers, traffic
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
    for pid in made[which].sessions():
        os.kill(pid, signal.SIGKILL)
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
@pytest.mark.parametrize("jump", ["", ",", "a,", "a,,b", "-oX", "a;b", "u`id`@h", "h:0", "h:x", "h:99999", "a b", "@h"])
def test_bad_jump(kit, jump):
    """What is no host is refused, as are characters of a shell."""
    client = kit.run(*kit.base(), "-J", jump, "-N", "host.invalid")
    assert client.finish() == 255 and client.err.text != ""
    assert "resolve" not in client.err.text and "look up" not in client.err.text
