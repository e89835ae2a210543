"""Least privilege once the connection is up: what the kernel says of each thread, what fails, and what goes on."""
import re
import shutil
import signal
from pathlib import Path

import pytest

from harness import keys, proxies, servers, traffic
from harness.daemon import Daemon
from harness.wait import wait_until

pytestmark = pytest.mark.usefixtures("adit_only", "release")
LASTING = ("-o", "AditReconnect=yes", "-o", "AditBackoff=1s 1s")
ENTERED = r"^debug1: sandbox: (.*)$"


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


def test_daemon_without(kit, server):
    d = Daemon(kit, server, "Sandbox no\n")
    d.start("-v")
    assert set(threads(d.client.pid)) == {(0, 0)} and "sandbox" not in d.client.err.text


def seed_of(path):
    """The private part of an ed25519 key."""
    from cryptography.hazmat.primitives import serialization
    key = serialization.load_ssh_private_key(path.read_bytes(), None)
    return key.private_bytes(serialization.Encoding.Raw, serialization.PrivateFormat.Raw, serialization.NoEncryption())


def image(pid, kept):
    """What a core image would have of a process (kept: what it would not)."""
    found, at, flags = [], None, re.compile(r"^VmFlags:.*\bdd\b", re.M)
    for part in re.split(r"(?m)^(?=[0-9a-f]+-[0-9a-f]+ )", Path(f"/proc/{pid}/smaps").read_text()):
        at = re.match(r"([0-9a-f]+)-([0-9a-f]+) r", part)
        if at and "[vvar" not in part and "[vsyscall]" not in part and bool(flags.search(part)) == kept:
            found.append((int(at[1], 16), int(at[2], 16)))
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as mem:
        return b"".join(read_all(mem, a, b) for a, b in found)


def read_all(mem, a, b):
    mem.seek(a)
    return mem.read(b - a)


@pytest.mark.parametrize("more", [(), LASTING])
def test_key_is_in_no_core_image(kit, server, echo, needs_root, more):
    client, addr = kit.local(server, echo, "-v", *more)
    client.wait_err(ENTERED)
    assert traffic.ask(addr) == b"ping"
    seed = seed_of(Path(kit.key))
    assert seed not in image(client.pid, False)
    if not more:  # it is there, to be used: where no image shows it
        assert seed in image(client.pid, True)
    assert Path(f"/proc/{client.pid}/limits").read_text().split("Max core file size")[1].split()[:2] == ["1", "1"]
