"""A poor host: a full disk, a home that may only be read, no /proc, no /dev, few descriptors, little address space, a clock of 1970, a
kernel without getrandom or IPv6. A tunnel, a command and a daemon go on where they can, or end with one clear error."""
import ctypes
import os
import platform
import re
import resource
import signal
import socket
import struct
import subprocess

import pytest

from harness import keys, servers, traffic
from harness.daemon import Daemon
from harness.wait import wait_until

pytestmark = pytest.mark.usefixtures("adit_only")
X86 = pytest.mark.skipif(platform.machine() != "x86_64", reason="numbers of system calls of x86-64")


# ---- a world of its own ----


def within(script, *words):
    """What to put before a command: a mount namespace in which script was run, with words as $1, $2, ..."""
    return ["unshare", "-m", "sh", "-c", f'set -e; {script}; shift {len(words)}; exec "$@"', "sh", *map(str, words)]


def seen(client, path):
    """The same path as the client sees it."""
    return f"/proc/{client.pid}/root{path}"


FULL = 'mkdir -p "$1"; mount -t tmpfs -o size=16k tmpfs "$1"; [ -z "$2" ] || cp "$2" "$1"; dd if=/dev/zero of="$1/full" bs=4k 2>/dev/null || true'


def command(kit, server, *options, words=("echo", "done"), known_hosts=True, **more):
    if known_hosts:
        kit.trust(server)
    return kit.run(*kit.base(known_hosts=known_hosts), "-o", "WarnWeakCrypto=no", *options, "-p", str(server.port), "-l", server.user, "127.0.0.1",
                   *words, **more)


def ends_well(client):
    assert client.finish(30) == 0 and client.out.text == "done\n", client.err.text
    return client.err.text


def tunnel(kit, server, echo, **more):
    """A tunnel that carries, and ends in order."""
    client, addr = kit.local(server, echo, **more)
    assert traffic.ask(addr) == b"ping"
    return client


def daemon_carries(kit, server, echo, wrap=(), preexec=None):
    """A daemon with a tunnel that carries."""
    kit.trust(server)
    d = Daemon(kit, server, f"Tunnel t\n Via bastion\n LocalForward 0 {echo.target}\n AutoStart yes\n")
    d.client = kit.run(*d.argv(), wrap=wrap, preexec=preexec)
    d.client.wait_err(r"^adit: ready ")
    d.wait_state("t", "connected")
    assert d.carries("t")
    return d


def in_all_ways(kit, server, echo, **more):
    ends_well(command(kit, server, **more))
    tunnel(kit, server, echo, **more).stop()
    d = daemon_carries(kit, server, echo, **more)
    assert d.stop() == 0


# ---- disks ----


@pytest.fixture
def known(kit, user_key):
    file = kit.folder / "known"
    file.write_text(f"other.example {keys.public(user_key)}\n")
    return file


def test_full_disk_for_known_hosts(kit, sshd, needs_root, known):
    """The new line is not there, the old ones are, nothing lies beside them, and the command runs."""
    full = kit.folder / "full"
    look = ["sh", "-c", '"$@"; code=$?; ls "$0" >&2; cat "$0/known" >&2; exit $code', str(full)]
    client = command(kit, sshd, "-o", f"UserKnownHostsFile={full}/known", "-o", "StrictHostKeyChecking=accept-new", known_hosts=False,
                     wrap=[*within(FULL, full, known), *look])
    err = ends_well(client)
    assert re.findall("Failed to add the host to the list of known hosts: .*: (.*)", err) == ["No space left on device"]
    assert err.endswith("full\nknown\n" + known.read_text())


def test_full_disk_for_the_log(kit, sshd, needs_root):
    full = kit.folder / "full"
    ends_well(command(kit, sshd, "-v", "-E", f"{full}/log", wrap=within(FULL, full, "")))
    ends_well(command(kit, sshd, "-v", "-E", "/dev/full"))


def test_full_disk_for_the_control_socket(kit, sshd, needs_root):
    """As any ControlPath that cannot be listened at: one error, and the end."""
    full = kit.folder / "full"
    client = command(kit, sshd, "-o", "ControlMaster=yes", "-o", f"ControlPath={full}/s",
                     wrap=within('mkdir "$1"; mount -t tmpfs -o nr_inodes=1 tmpfs "$1"', full))
    assert client.finish(30) == 255
    assert len(re.findall("No space left on device", client.err.text)) == 1, client.err.text


def test_full_disk_for_the_state(kit, sshd, echo, needs_root):
    """What cannot be kept is refused; the tunnel works on; with room again it is kept."""
    state = kit.folder / "state"
    d = daemon_carries(kit, sshd, echo, wrap=within(FULL + '; chmod 700 "$1"', state, ""))
    refused = d.verb("add", "other", "bastion", "-D", "0")
    assert refused.code == 1 and "No space left on device" in refused.err
    assert d.carries("t") and "other" not in d.verb("list").out
    os.unlink(seen(d.client, f"{state}/full"))
    assert d.verb("add", "other", "bastion", "-D", "0").code == 0
    assert '"other"' in open(seen(d.client, f"{state}/state.json")).read()
    assert d.stop() == 0


def test_home_that_may_only_be_read(kit, sshd, echo, needs_root):
    """The key is not remembered and the command runs; a daemon has its tunnels and keeps nothing."""
    readonly = within('mount --bind "$1" "$1"; mount -o remount,bind,ro "$1"', kit.home)
    (kit.home / ".ssh").mkdir()
    err = ends_well(command(kit, sshd, "-o", "StrictHostKeyChecking=accept-new", "-o", f"UserKnownHostsFile={kit.home}/.ssh/known_hosts", known_hosts=False,
                            wrap=readonly))
    assert re.findall("Failed to add the host to the list of known hosts: .*: (.*)", err) == ["Read-only file system"]
    tunnel(kit, sshd, echo, wrap=readonly).stop()
    kit.trust(sshd)
    d = Daemon(kit, sshd, f"Tunnel t\n Via bastion\n LocalForward 0 {echo.target}\n AutoStart yes\n")
    d.state = kit.home / "state"
    d.client = kit.run(*d.argv(), wrap=readonly)
    d.client.wait_err(r"^adit: ready ")
    d.wait_state("t", "connected")
    assert d.carries("t")
    refused = d.verb("add", "other", "bastion", "-D", "0")
    assert refused.code == 1 and "read" in refused.err, refused
    assert d.stop() == 0


# ---- folders of the system ----


def test_no_proc(kit, sshd, echo, needs_root):
    in_all_ways(kit, sshd, echo, wrap=within("mount -t tmpfs tmpfs /proc"))


def test_no_dev(kit, sshd, echo, needs_root):
    """No device at all: no terminal to ask on, no /dev/null."""
    nothing = within("mount -t tmpfs tmpfs /dev")
    in_all_ways(kit, sshd, echo, wrap=nothing)
    client = kit.run("-F", "none", "-o", "GlobalKnownHostsFile=none", "-o", f"UserKnownHostsFile={kit.folder}/none", "-i", str(kit.key), "-p", str(sshd.port), "-N",
                     "-l", sshd.user, "127.0.0.1", wrap=nothing)
    assert client.finish(30) == 255
    assert "nobody answered, or there is no terminal to ask on" in client.err.text


# ---- descriptors and memory ----


def limit(kind, value):
    return lambda: resource.setrlimit(kind, (value, value))


def test_sixteen_descriptors(kit, sshd, echo):
    few = limit(resource.RLIMIT_NOFILE, 16)
    ends_well(command(kit, sshd, preexec=few))
    client, addr = kit.local(sshd, echo, preexec=few)
    socks = [traffic.connect(addr) for _ in range(30)]
    for s in socks:
        s.sendall(b"x")
    wait_until(lambda: client.fds() >= 15, 10, lambda: f"{client.fds()} descriptors")
    for s in socks:
        s.close()
    wait_until(lambda: echo.active == 0, 20, "all end")
    assert traffic.ask(addr) == b"ping"
    client.stop()


def test_few_descriptors_for_a_daemon(kit, sshd, echo):
    """Sixteen are too few to be talked to as well: said. With thirty-two it works."""
    d = Daemon(kit, sshd)
    d.client = kit.run(*d.argv(), preexec=limit(resource.RLIMIT_NOFILE, 16))
    assert d.client.finish(30) == 1
    assert d.client.err.text == "adit: a limit of 16 open files is too low for a daemon: 32 at least\n"
    d = daemon_carries(kit, sshd, echo, preexec=limit(resource.RLIMIT_NOFILE, 32))
    assert d.verb("list").code == 0
    assert d.stop() == 0


def test_no_descriptors_while_a_daemon_reconnects(kit, start, echo):
    """What cannot be opened then is no wrong configuration: it is tried again, and carries."""
    server = start(servers.Sshd, fresh=True)
    d = daemon_carries(kit, server, echo)
    pid, before = d.client.pid, resource.prlimit(d.client.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, before[1]))
    server.signal_sessions(signal.SIGKILL)
    d.client.wait_err(r"No file descriptors available", 20)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
    d.wait_state("t", "connected", 40)
    assert d.carries("t")
    assert d.stop() == 0


def test_little_address_space(kit, sshd, echo, service, release):
    """8 MiB beside what it has at its start: what does not fit is refused, and the rest works."""
    client, addr = kit.local(sshd, echo)
    first = client.status("VmPeak") * 1024
    client.stop()
    room = limit(resource.RLIMIT_AS, first + 8 * 1024 * 1024)
    ends_well(command(kit, sshd, preexec=room))
    client, addr = kit.local(sshd, echo, preexec=room)
    socks = []
    for _ in range(200):  # each with a window's bytes that nobody reads
        try:
            s = traffic.connect(addr)
            s.setblocking(False)
            s.send(bytes(200_000))
            socks.append(s)
        except OSError:
            pass
    assert socks
    for s in socks:
        s.close()
    wait_until(lambda: echo.active == 0 or not client.running(), 30, "all end")
    if client.running():
        assert traffic.ask(addr) == b"ping"
        client.stop()
    else:
        assert client.finish() == 255 and "memory" in client.err.text, client.err.text
    d = daemon_carries(kit, sshd, echo, preexec=limit(resource.RLIMIT_AS, first + 16 * 1024 * 1024))
    assert d.stop() == 0


# ---- what a kernel lacks ----


def without(*rules):
    """A filter of system calls: (number, first argument or None, error)."""
    def instruction(code, jt, jf, k):
        return struct.pack("=HBBI", code, jt, jf, k)

    program = []
    for number, argument, error in rules:
        program += [instruction(0x20, 0, 0, 0), instruction(0x15, 0, 1 if argument is None else 3, number)]
        if argument is not None:
            program += [instruction(0x20, 0, 0, 16), instruction(0x15, 0, 1, argument)]
        program += [instruction(0x06, 0, 0, 0x00050000 | error)]
    program += [instruction(0x06, 0, 0, 0x7FFF0000)]
    code = b"".join(program)

    def install():
        room = ctypes.create_string_buffer(code)
        head = ctypes.create_string_buffer(struct.pack("=HxxxxxxQ", len(program), ctypes.addressof(room)))
        libc = ctypes.CDLL(None)
        if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, head, 0, 0):
            os._exit(99)
    return install


@X86
def test_clock_of_1970(kit, sshd, echo):
    """As a router has it until it has asked for the time. What is not valid yet is said to be so, and nothing else is odd."""
    past = [f"{os.environ['ADIT_TOOLS']}/past", "100"]
    in_all_ways(kit, sshd, echo, wrap=past)
    d = daemon_carries(kit, sshd, echo, wrap=past)
    assert re.search(r"(?m)^1970-01-01T00:0\d:", d.client.err.text), d.client.err.text
    assert d.tunnel("t")["uptime"] < 3600
    assert d.stop() == 0


GETRANDOM, SOCKET = 318, 41


@X86
def test_no_getrandom(kit, sshd, echo):
    """A kernel before 3.17: the devices take its place, also behind the sandbox, for the salt of a name that is hashed."""
    old = without((GETRANDOM, None, 38))
    in_all_ways(kit, sshd, echo, preexec=old)
    ends_well(command(kit, sshd, "-o", "StrictHostKeyChecking=accept-new", "-o", "HashKnownHosts=yes", "-o", f"UserKnownHostsFile={kit.folder}/hashed", known_hosts=False,
                      preexec=old))
    assert (kit.folder / "hashed").read_text().startswith("|1|")


@X86
@pytest.mark.parametrize("device", ["none", "a file"])
def test_no_randomness_at_all(kit, sshd, needs_root, device):
    """Nothing is sent that would need some."""
    script = "mount -t tmpfs tmpfs /dev" + ("; echo 4 >/dev/random; echo 4 >/dev/urandom" if device == "a file" else "")
    mark = sshd.mark()
    client = command(kit, sshd, wrap=within(script), preexec=without((GETRANDOM, None, 38)))
    assert client.finish(30) == 255
    assert len(re.findall("no randomness: /dev/random", client.err.text)) == 1, client.err.text
    assert "Accepted" not in sshd.text(mark)


@X86
def test_no_ipv6(kit, sshd, echo):
    """A kernel without it: the listeners of 127.0.0.1 alone, and no word of it."""
    client = tunnel(kit, sshd, echo, preexec=without((SOCKET, socket.AF_INET6, 97)))
    assert [x.host for x in client.listening(1)] == ["127.0.0.1"] and "family" not in client.err.text
    client.stop()
    in_all_ways(kit, sshd, echo, preexec=without((SOCKET, socket.AF_INET6, 97)))


def test_ipv6_turned_off(kit, start, needs_root):
    """disable_ipv6: there is no ::1 to listen at."""
    sshd = start(servers.Sshd)
    kit.trust(sshd)
    off = ["unshare", "-n", "sh", "-c", 'ip link set lo up; sysctl -qw net.ipv6.conf.all.disable_ipv6=1; exec "$@"', "sh"]
    client = kit.run(*kit.base(), "-o", f"HostKeyAlias=[127.0.0.1]:{sshd.port}", "-o", f"ProxyCommand=/usr/sbin/sshd -i -e -f {sshd.folder}/sshd_config 2>/dev/null", "-N", "-L",
                     "0:127.0.0.1:9", "-l", sshd.user, "127.0.0.1", wrap=off)
    assert [x.host for x in client.listening(1)] == ["127.0.0.1"], client.err.text
    assert client.stop() in (0, 255, 143, -15)
