"""Least privilege once the connection is up: what the kernel says of each thread, what fails, and what goes on."""
import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from harness import keys, proxies, servers, traffic
from harness.daemon import Daemon
from harness.wait import wait_until

pytestmark = pytest.mark.usefixtures("adit_only", "release")
LASTING = ("-o", "AditReconnect=yes", "-o", "AditBackoff=1s 1s")
PASSPHRASE, PASSWORD, SOCKS_PASSWORD = "planted passphrase 7f3a", "planted-password-91c2", "planted-socks-55d0"
ENTERED = r"(?:^debug1:|DEBUG1) sandbox: (.*)$"


@pytest.fixture
def server(start):
    return start(servers.Sshd, fresh=True)


def threads(pid):
    """(seccomp's mode, no_new_privs) of each."""
    def field(text, name):
        return int(re.search(rf"^{name}:\s*(\d+)", text, re.M)[1])
    texts = [(t / "status").read_text() for t in Path(f"/proc/{pid}/task").iterdir()]
    return [(field(t, "Seccomp"), field(t, "NoNewPrivs")) for t in texts]


def entered(client):
    """What it said of its sandbox. A kernel without these parts has nothing to show here."""
    client.wait_err(ENTERED)
    said = re.search(ENTERED, client.err.text, re.M)[1]
    if "no seccomp" in said or "no Landlock" in said:
        pytest.skip(said)
    return said


def lose(server, client, times=1):
    """Its sessions die, and it connects again."""
    server.signal_sessions(signal.SIGKILL)
    wait_until(lambda: client.err.text.count("reconnecting -> connected") >= times, 30, lambda: client.err.text)


def test_plain_connection(kit, sshd, echo):
    client, addr = kit.local(sshd, echo, "-v")
    assert entered(client).endswith("no new privileges; no files, no programs")
    assert len(threads(client.pid)) > 1 and set(threads(client.pid)) == {(2, 1)}
    assert traffic.ask(addr) == b"ping"


def test_turned_off(kit, sshd, echo):
    client, addr = kit.local(sshd, echo, "-v", "-o", "AditSandbox=no")
    assert traffic.ask(addr) == b"ping"
    assert set(threads(client.pid)) == {(0, 0)} and "sandbox" not in client.err.text


def test_tunnels_of_a_command(kit, sshd, echo):
    """`run`: they are a process of their own, which is confined; the command is not."""
    kit.trust(sshd)
    client = kit.run("run", *kit.base(), "-v", "-p", str(sshd.port), "-l", sshd.user, "127.0.0.1", "-L", f"0:{echo.target}",
                     "--", "sh", "-c", "echo up; cat", stdin=subprocess.PIPE)
    client.wait_out("up")
    entered(client)
    children = Path(f"/proc/{client.pid}/task/{client.pid}/children").read_text().split()
    is_ours = {int(p): Path(f"/proc/{p}/comm").read_text() == "adit\n" for p in children}
    assert sorted(is_ours.values()) == [False, True]
    for pid, ours in is_ours.items():
        assert set(threads(pid)) == ({(2, 1)} if ours else {(0, 0)})
    client.proc.stdin.close()
    assert client.finish() == 0


def test_names_are_still_looked_up(kit, sshd, echo):
    """-R to a name: the files of the resolver stay."""
    client, addr = kit.remote(sshd, echo, "-v")
    assert "; some files, no programs" in entered(client)
    assert traffic.ask(addr) == b"ping"


def test_reconnect_with_another_key(kit, server, echo, tmp_path):
    """The key's file is replaced, by one that the server takes as well; all of the configuration is read again."""
    key, other = keys.copy_private(kit.key, tmp_path / "id"), keys.keygen(tmp_path / "new")
    shutil.copy(f"{kit.key}.pub", f"{key}.pub")
    with (server.folder / "authorized_keys").open("a") as f:
        f.write(keys.public(other) + "\n")
    kit.key = key
    client, addr = kit.local(server, echo, "-v", *LASTING)
    assert "; some files, no programs" in entered(client)
    for suffix in ("", ".pub"):
        Path(f"{other}{suffix}").replace(f"{key}{suffix}")
    lose(server, client)
    assert traffic.ask(addr) == b"ping"
    assert set(threads(client.pid)) == {(2, 1)}


def test_daemon_reconnects_with_another_key(kit, server, echo, tmp_path):
    """The same, of a daemon: the only key that the server still takes is the new one."""
    key, other = keys.copy_private(kit.key, tmp_path / "id"), keys.keygen(tmp_path / "new")
    shutil.copy(f"{kit.key}.pub", f"{key}.pub")
    kit.key = key
    d = Daemon(kit, server, f"Tunnel web\n Via bastion\n LocalForward 0 127.0.0.1:{echo.port}\n AutoStart yes\n Backoff 1s 1s\n")
    d.start("-v")
    entered(d.client)
    d.wait_state("web", "connected")
    (server.folder / "authorized_keys").write_text(keys.public(other) + "\n")
    for suffix in ("", ".pub"):
        Path(f"{other}{suffix}").replace(f"{key}{suffix}")
    server.signal_sessions(signal.SIGKILL)
    wait_until(lambda: len(re.findall("state .*-> connected", d.client.err.text)) > 1, 30, lambda: d.client.err.text)
    assert d.carries("web")


def test_file_that_was_not_named_before(kit, server, echo, base):
    """A file that lies elsewhere, since: it is not read, and adit says why that may be."""
    near, far, link = kit.folder / "hosts", base / "elsewhere" / "hosts", kit.folder / "link"
    far.parent.mkdir(exist_ok=True)
    near.write_text("")
    far.write_text("")
    link.symlink_to(near)
    kit.trust(server)
    client, addr = kit.local(server, echo, "-v", "-o", f"UserKnownHostsFile={kit.known_hosts} {link}", *LASTING,
                             known_hosts=False)
    entered(client)
    link.unlink()
    link.symlink_to(far)
    lose(server, client)
    assert f"{link}: Permission denied (AditSandbox?)" in client.err.text
    assert traffic.ask(addr) == b"ping"


def test_proxy_command_is_started_again(kit, server, echo):
    """Programs stay: the threads that speak with servers are confined alone."""
    proxy = f"{proxies.netcat(kit.folder)} %h %p"
    client, addr = kit.local(server, echo, "-v", "-o", f"ProxyCommand={proxy}", *LASTING)
    assert entered(client).endswith("for the sessions' threads; programs may be started (ProxyCommand)")
    assert {(0, 0), (2, 1)} == set(threads(client.pid))
    lose(server, client)
    assert traffic.ask(addr) == b"ping"
    assert {(0, 0), (2, 1)} == set(threads(client.pid))


def test_daemon(kit, server, echo):
    d = Daemon(kit, server, f"Tunnel web\n Via bastion\n LocalForward 0 127.0.0.1:{echo.port}\n AutoStart yes\n")
    d.start("-v")
    d.wait_state("web", "connected")
    d.client.wait_err(r"sandbox: seccomp")
    wait_until(lambda: set(threads(d.client.pid)) == {(2, 1)}, 10, lambda: threads(d.client.pid))
    assert d.carries("web")
    assert d.verb("add", "more", "bastion", "-D", "0", "--up").code == 0
    assert d.stop() == 0
    assert not d.socket.exists()


def test_daemon_whose_hosts_need_programs(kit, server, echo):
    d = Daemon(kit, server, "")
    d.ssh_config.write_text(d.ssh_config.read_text() + "Host elsewhere\n ProxyCommand nc %h %p\n")
    d.start("-v")
    d.client.wait_err(r"programs may be started \(ProxyCommand\)")
    assert d.verb("add", "web", "bastion", "-L", f"0:127.0.0.1:{echo.port}", "--up").code == 0
    wait_until(lambda: (2, 1) in threads(d.client.pid) and (0, 0) in threads(d.client.pid), 10)


def conf_line(d, word):
    return next(n for n, line in enumerate(d.conf.read_text().splitlines(), 1) if word in line)


def test_daemon_reloads_what_it_gave_up(kit, server, echo, base):
    """A key in a new folder, a program, the sandbox itself: an error with its place and what to do, and all goes on as it was.
    After a restart it is there."""
    (base / "elsewhere-keys").mkdir()
    key = keys.keygen(base / "elsewhere-keys" / "id")
    with (server.folder / "authorized_keys").open("a") as f:
        f.write(keys.public(key) + "\n")
    web = f"Tunnel web\n Via bastion\n LocalForward 0 127.0.0.1:{echo.port}\n AutoStart yes\n"
    d = Daemon(kit, server, web)
    d.start("-v")
    entered(d.client)
    d.wait_state("web", "connected")
    address = d.address("web")
    new = {f"{web} IdentityFile {key}\n": "IdentityFile", f"{web} ProxyCommand {proxies.netcat(kit.folder)} %h %p\n": "ProxyCommand"}
    for text, word in new.items():
        d.configure(text)
        for verb in ("check", "reload"):
            done = d.verb(verb)
            assert done.code == 2 and f"{d.conf}:{conf_line(d, word)}: " in done.err and "needs a restart" in done.err, done
        assert d.address("web") == address and d.carries("web")
    d.configure(f"Sandbox no\n{web}")
    assert "adit.conf:1: Sandbox: to turn it on or off needs a restart" in d.verb("reload").err
    d.configure(web)
    assert d.verb("reload").code == 0
    for text in new:
        d.configure(text)
        assert d.stop() == 0
        d.start("-v")
        d.wait_state("web", "connected")
        assert d.carries("web") and d.verb("reload").code == 0


def test_host_that_needs_a_program_now(kit, server, echo):
    """ssh_config is read at every connect: a ProxyCommand that it has got since fails, and says why that may be."""
    d = Daemon(kit, server, f"Tunnel web\n Via bastion\n LocalForward 0 127.0.0.1:{echo.port}\n")
    d.start("-v")
    entered(d.client)
    d.ssh_config.write_text(f"Host bastion\n ProxyCommand nc 127.0.0.1 {server.port}\n" + d.ssh_config.read_text())
    assert d.verb("up", "web", "--timeout", "5").code != 0
    assert re.search(r"cannot run \S+: Operation not permitted \(AditSandbox\?\)", d.tunnel("web")["last_error"])


def test_daemon_without(kit, server):
    d = Daemon(kit, server, "Sandbox no\n")
    d.start("-v")
    assert set(threads(d.client.pid)) == {(0, 0)} and "sandbox" not in d.client.err.text


def secrets_of(path, passphrase=None):
    """Bytes that only the private key has: of an RSA key a piece of each number, of others the one there is."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec, rsa
    key = serialization.load_ssh_private_key(path.read_bytes(), passphrase)
    if isinstance(key, rsa.RSAPrivateKey):
        n = key.private_numbers()
        return [x.to_bytes((x.bit_length() + 7) // 8, "big")[4:36] for x in (n.p, n.q, n.d, n.dmp1, n.dmq1, n.iqmp)]
    if isinstance(key, ec.EllipticCurvePrivateKey):
        x = key.private_numbers().private_value
        return [x.to_bytes((x.bit_length() + 7) // 8, "big")]
    return [key.private_bytes(serialization.Encoding.Raw, serialization.PrivateFormat.Raw, serialization.NoEncryption())]


def may_lock(pid):
    """Whether the system lets it lock as much as it wants (CAP_IPC_LOCK, or a limit that is not the old 64 KiB)."""
    able = int(re.search(r"(?m)^CapEff:\s*(\w+)", Path(f"/proc/{pid}/status").read_text())[1], 16) >> 14 & 1
    limit = Path(f"/proc/{pid}/limits").read_text().split("Max locked memory")[1].split()[0]
    return bool(able) or limit == "unlimited" or int(limit) >= 1 << 20


def image(pid, kept):
    """What a core image or a swap image would have of a process (kept: what neither would)."""
    found, wanted = [], {"dd", "lo"} if may_lock(pid) else {"dd"}
    for part in re.split(r"(?m)^(?=[0-9a-f]+-[0-9a-f]+ )", Path(f"/proc/{pid}/smaps").read_text()):
        at, flags = re.match(r"([0-9a-f]+)-([0-9a-f]+) r", part), re.search(r"(?m)^VmFlags:(.*)", part)
        if at and "[vvar" not in part and "[vsyscall]" not in part and (wanted <= set(flags[1].split())) == kept:
            found.append((int(at[1], 16), int(at[2], 16)))
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as mem:
        return b"".join(read_all(mem, a, b) for a, b in found)


def read_all(mem, a, b):
    mem.seek(a)
    return mem.read(b - a)


def shown(pid, secrets):
    """Which of them such an image would show."""
    seen = image(pid, False)
    return [s for s in secrets if s in seen]


@pytest.mark.parametrize("more", [(), LASTING, ("-o", "AditSandbox=no")], ids=("once", "lasting", "without"))
@pytest.mark.parametrize("kind", ["ed25519", "ecdsa256", "ecdsa521", "rsa"])
def test_key_is_in_no_image(kit, start, ssh_agent, echo, key_folder, tmp_path, needs_root, kind, more):
    """Behind a passphrase, and given to an agent besides."""
    plain = keys.make(key_folder, kind)
    key = keys.copy_private(plain, tmp_path / "id")
    shutil.copy(f"{plain}.pub", f"{key}.pub")
    subprocess.run(["ssh-keygen", "-q", "-p", "-P", "", "-N", PASSPHRASE, "-f", key], check=True, stdin=subprocess.DEVNULL)
    server = start(servers.Sshd, authorized=[keys.public(plain)])
    agent, askpass = ssh_agent(), tmp_path / "askpass"
    askpass.write_text(f"#!/bin/sh\necho '{PASSPHRASE}'\n")
    askpass.chmod(0o700)
    client, addr = kit.local(server, echo, "-o", "AddKeysToAgent=yes", *more, key=key, batch=False,
                             env={"SSH_ASKPASS": str(askpass), "SSH_ASKPASS_REQUIRE": "force", "SSH_AUTH_SOCK": agent})
    assert traffic.ask(addr) == b"ping"
    listed = subprocess.run(["ssh-add", "-L"], env={"SSH_AUTH_SOCK": agent, "PATH": "/usr/bin"}, capture_output=True, text=True,
                            check=True).stdout
    assert keys.public(key) in listed
    secrets = secrets_of(plain)
    assert shown(client.pid, [*secrets, PASSPHRASE.encode()]) == []
    if not more and kind == "ed25519":  # it is there, to be used: where no image shows it
        assert secrets[0] in image(client.pid, True)
    assert Path(f"/proc/{client.pid}/limits").read_text().split("Max core file size")[1].split()[:2] == ["1", "1"]


@pytest.mark.parametrize("more", [(), ("-o", "AditSandbox=no")], ids=("with", "without"))
@pytest.mark.parametrize("cipher", ["aes128-gcm@openssh.com", "chacha20-poly1305@openssh.com", "aes256-ctr"])
def test_session_keys_are_in_no_image(kit, start, echo, tmp_path, needs_root, cipher, more):
    """The keys of ciphers and MACs, of the first exchange and of the last; and the password that was typed."""
    told, askpass = tmp_path / "told", tmp_path / "askpass"
    server = start(servers.Asyncssh, ciphers=[cipher], macs=["hmac-sha2-256-etm@openssh.com"], tell_keys=str(told),
                   password=PASSWORD, no_keys=True, rekey_bytes=400_000, fresh=True)
    askpass.write_text(f"#!/bin/sh\necho '{PASSWORD}'\n")
    askpass.chmod(0o700)
    client, addr = kit.local(server, echo, *more, key=False, batch=False,
                             env={"SSH_ASKPASS": str(askpass), "SSH_ASKPASS_REQUIRE": "force"})
    for _ in range(6):
        assert traffic.ask(addr, bytes(100_000)) == bytes(100_000)
    lines = [line.split() for line in told.read_text().splitlines()]
    session = [bytes.fromhex(rest[0])[:32] for name, *rest in lines if name in "CDEF" and rest]
    assert len(session) >= 4
    assert shown(client.pid, [*session, PASSWORD.encode()]) == []
    kept = image(client.pid, True)
    assert any(key in kept for key in session)  # of a MAC's key nothing is left but hashes of it


def test_secrets_of_the_daemon_are_in_no_image(kit, start, echo, key_folder, tmp_path, needs_root):
    """What its profiles' files hold: a passphrase with its key, a password, a SOCKS password."""
    plain = keys.make(key_folder, "ecdsa256")
    key = keys.copy_private(plain, tmp_path / "id")
    subprocess.run(["ssh-keygen", "-q", "-p", "-P", "", "-N", PASSPHRASE, "-f", key], check=True, stdin=subprocess.DEVNULL)
    server = start(servers.Asyncssh, authorized=[keys.public(plain)], password=PASSWORD, fresh=True)
    files = {"passphrase": PASSPHRASE, "password": PASSWORD, "socks": SOCKS_PASSWORD}
    for name, text in files.items():
        (tmp_path / name).write_text(text + "\n")
        (tmp_path / name).chmod(0o600)
    d = Daemon(kit, server, f"""Profile locked
 Auth key
 IdentityFile {key}
 PassphraseFile {tmp_path}/passphrase
Profile typed
 Auth password
 PasswordFile {tmp_path}/password
Tunnel one
 Via bastion
 Profile locked
 LocalForward 0 127.0.0.1:{echo.port}
 AutoStart yes
Tunnel two
 Via bastion
 Profile typed
 DynamicForward 0
 SocksUser me
 SocksPasswordFile {tmp_path}/socks
 AutoStart yes
""")
    d.start()
    for name in ("one", "two"):
        d.wait_state(name, "connected")
    assert d.carries("one")
    assert shown(d.client.pid, [*secrets_of(plain), *(text.encode() for text in files.values())]) == []
