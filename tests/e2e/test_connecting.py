"""From a name to a connection: Happy Eyeballs, where from, how often, and how its packets are marked."""
import re
import socket
import subprocess

import pytest

from harness import client as client_module
from harness import traffic
from harness.wait import wait_until


class Blackhole:
    """A listener whose queue is full: a further SYN is thrown away, as on a path that leads nowhere."""

    def __init__(self, host, port):
        self.listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if ":" in host:
            self.listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        self.listener.bind((host, port))
        self.listener.listen(0)
        self.port = self.listener.getsockname()[1]
        self.waiting = []
        while self._fits(host):
            pass

    def _fits(self, host):
        s = socket.socket(self.listener.family)
        s.settimeout(0.3)
        self.waiting.append(s)
        try:
            s.connect((host, self.port))
            return True
        except TimeoutError:
            return False

    def close(self):
        for s in [*self.waiting, self.listener]:
            s.close()


@pytest.fixture
def blackhole():
    made = []

    def make(host, port=0):
        made.append(Blackhole(host, port))
        return made[-1]

    yield make
    for b in made:
        b.close()


@pytest.fixture
def hosts(tmp_path, needs_root):
    """hosts("::1 127.0.0.1"): what to put before a command so that `many.test` has these addresses."""
    def make(addresses):
        path = tmp_path / "hosts"
        # With the dot: an absolute name, as it is looked up to be made canonical.
        path.write_text("".join(f"{a} many.test many.test.\n" for a in addresses.split()))
        return ["unshare", "-m", "sh", "-c", 'mount --bind "$0" /etc/hosts && exec "$@"', str(path)]
    return make


def args(kit, server, *more):
    return [*kit.base(), "-v", "-o", f"HostKeyAlias=[127.0.0.1]:{server.port}", "-p", str(server.port), "-l", server.user,
            *more, "-N", "many.test"]


@pytest.mark.quick
def test_silent_first_address(kit, sshd, hosts, blackhole, adit_only):
    """An address that says nothing does not hold up the next one, which wins. (IPv6 is first by RFC 6724.)"""
    blackhole("::1", sshd.port)
    kit.trust(sshd)
    client = kit.run(*args(kit, sshd), wrap=hosts("127.0.0.1 ::1"))
    client.wait_err(r"^debug1: Authentication succeeded")
    found = re.findall(r"^debug1: Connecting to many\.test \[(.*)\]\.$", client.err.text, re.M)
    assert found == [f"[::1]:{sshd.port}", f"127.0.0.1:{sshd.port}"]
    wait_until(lambda: len(traffic_sockets(client, sshd.port)) == 1, 5, "one connection, the other one closed")
    assert client.stop() == 0


def traffic_sockets(client, port):
    """The client's TCP sockets to that port, in any state."""
    out = subprocess.run(["ss", "-tanpH", "dport", "=", f":{port}"], capture_output=True, text=True, check=True).stdout
    return [line for line in out.splitlines() if f"pid={client.pid}," in line]


@pytest.mark.quick
def test_refused_first_address(kit, sshd, hosts, adit_only):
    """A refused one is passed over at once."""
    kit.trust(sshd)
    client = kit.run(*args(kit, sshd), wrap=hosts("127.0.0.1 ::1"))
    client.wait_err(r"^debug1: Authentication succeeded")
    assert re.search(r"many\.test \[\[::1\]:\d+\]\.\n.*(refused|Cannot assign).*\n.*many\.test \[127\.0\.0\.1:\d+\]\.\n",
                     client.err.text), client.err.text
    client.stop()


@pytest.mark.quick
def test_all_addresses_fail(kit, hosts, adit_only):
    """When none answers, that is an error; each has been tried once."""
    port = traffic.free_port()
    client = kit.run(*kit.base(), "-v", "-p", str(port), "-N", "many.test", wrap=hosts("127.0.0.1 127.0.0.2"))
    assert client.finish() == 255
    assert "refused" in client.err.text and client.err.text.count("Connecting to many.test") == 2


@pytest.mark.quick
def test_address_family(kit, sshd, hosts):
    """-4 and -6 leave the other family out."""
    kit.trust(sshd)
    client = kit.run(*args(kit, sshd, "-4"), wrap=hosts("::1 127.0.0.1"))
    client.wait_err("Authentication succeeded|Authenticated to")
    assert "::1" not in client.err.text
    client.stop()
    client = kit.run(*args(kit, sshd, "-6"), wrap=hosts("::1 127.0.0.1"))
    assert client.finish() == 255
    assert "127.0.0.1 port" not in client.err.text


def test_timeout_beside_silent_addresses(kit, hosts, blackhole, adit_only):
    """ConnectTimeout counts for all addresses together."""
    port = blackhole("127.0.0.2").port
    blackhole("127.0.0.1", port)
    client = kit.run(*kit.base(), "-v", "-o", "ConnectTimeout=1", "-p", str(port), "-N", "many.test",
                     wrap=hosts("127.0.0.2 127.0.0.1"))
    assert client.finish() == 255
    assert "timed out after 1 s" in client.err.text and client.err.text.count("Connecting to many.test") == 2


def test_attempts(kit, adit_only):
    """ConnectionAttempts: all again after a second, until one answers or they are used up."""
    port = traffic.free_port()
    client = kit.run(*kit.base(), "-v", "-o", "ConnectionAttempts=3", "-p", str(port), "-N", "127.0.0.1")
    assert client.finish() == 255
    assert client.err.text.count("Connecting to 127.0.0.1") == 3
    client = kit.run(*kit.base(), "-v", "-o", "ConnectionAttempts=100", "-p", str(port), "-N", "127.0.0.1")
    client.wait_err("Trying again")
    with socket.create_server(("127.0.0.1", port)) as listener:
        listener.settimeout(10)
        listener.accept()[0].close()
    assert client.finish() == 255


@pytest.mark.quick
def test_bind_address(kit, sshd):
    """-b and BindAddress: where the connection comes from; the first one wins."""
    for option in (["-b", "127.0.0.5"], ["-o", "BindAddress=127.0.0.5", "-o", "BindInterface=nosuch0"]):
        mark = sshd.mark()
        client = kit.connect(sshd, "-v", "-N", *option)
        client.wait_err("Authentication succeeded|Authenticated to")
        sshd.wait_log(r"Connection from 127\.0\.0\.5 port", mark)
        client.stop()


@pytest.mark.quick
@pytest.mark.parametrize("option, text", [(["-b", "::1"], "::1"), (["-b", "192.0.2.1"], "192.0.2.1"),
                                          (["-o", "BindInterface=nosuch0"], "nosuch0"), (["-b", "name.invalid"], "name.invalid")])
def test_bind_fails(kit, sshd, option, text):
    """An address of the other family, one that is not here, no interface: an error that names it."""
    client = kit.connect(sshd, "-N", *option)
    assert client.finish() == 255
    assert text in client.err.text


@pytest.mark.quick
def test_bind_interface(kit, sshd):
    mark = sshd.mark()
    client = kit.connect(sshd, "-v", "-N", "-B", "lo")
    client.wait_err("Authentication succeeded|Authenticated to")
    sshd.wait_log(r"Connection from 127\.0\.0\.1 port", mark)
    client.stop()


def tos_of(client, port):
    out = subprocess.run(["ss", "-tnpHO", "--tos", "dport", "=", f":{port}"], capture_output=True, text=True,
                         check=True).stdout
    line, = [l for l in out.splitlines() if f"pid={client.pid}," in l]
    found = re.search(r"tos:(0x[0-9a-f]+)", line)
    return int(found.group(1), 16) if found else 0


@pytest.mark.quick
@pytest.mark.parametrize("option, during, after", [([], 0x10, 0x08), (["-o", "IPQoS=af21 cs1"], 0x48, 0x20),
                                                   (["-o", "IPQoS=none"], 0, 0), (["-o", "IPQoS=ef"], 0xb8, 0xb8)])
def test_qos(kit, sshd, service, option, during, after, adit_only):
    """The first value up to the authentication, the second one after it where there is no terminal."""
    mute = service(traffic.never_reader)
    client = kit.run(*kit.base(), "-v", *option, "-p", str(mute.port), "-N", "127.0.0.1")
    client.wait_err("Connection established")
    assert tos_of(client, mute.port) == during
    client.stop()
    client = kit.connect(sshd, "-v", "-N", *option)
    client.wait_err("Authentication succeeded")
    assert tos_of(client, sshd.port) == after
    client.stop()


@pytest.mark.quick
@pytest.mark.parametrize("flag, wanted", [("-tt", 0x48), ("-T", 0x20)])
@pytest.mark.parametrize("program", ["adit", "ssh"])
def test_qos_of_a_session(kit, sshd, program, flag, wanted):
    """With a terminal it is interactive, as ssh has it."""
    words = [client_module.ADIT if program == "adit" else "/usr/bin/ssh", *kit.base(), "-p", str(sshd.port), "-l",
             sshd.user, "-o", "IPQoS=af21 cs1", flag, "127.0.0.1", "echo up; cat"]
    kit.trust(sshd)
    proc = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=kit.env())
    assert any(b"up" in line for line in proc.stdout)
    assert tos_of(proc, sshd.port) == wanted
    proc.kill()
    proc.communicate()


@pytest.mark.quick
@pytest.mark.parametrize("wanted", ["yes", "no"])
def test_keepalive_of_tcp(kit, sshd, echo, wanted):
    """TCPKeepAlive: the kernel's timer of the connection, which is idle, is that of keepalives (/proc/net/tcp: tr 2)."""
    kit.local(sshd, echo, "-o", f"TCPKeepAlive={wanted}", "-o", "ServerAliveInterval=0")

    def timer():
        with open("/proc/net/tcp", encoding="ascii") as table:
            rows = [line.split() for line in table][1:]
        return [row[5][:2] for row in rows if row[2] == f"0100007F:{sshd.port:04X}" and row[3] == "01"]

    wait_until(lambda: timer() == ["02" if wanted == "yes" else "00"], 10, "nothing else is on the way")


def test_canonical_name(kit, sshd, hosts):
    """CanonicalizeHostname: the first domain in which the name is known, and the file is read again for it."""
    text = sshd.known_hosts_lines().replace("127.0.0.1", "many.test")
    kit.known_hosts.write_text(text)
    config = kit.folder / "config"
    config.write_text(f"CanonicalizeHostname yes\nCanonicalDomains none.invalid test\nCanonicalizeFallbackLocal no\n"
                      f"Match canonical host many.test\nPort {sshd.port}\nUser {sshd.user}\n")
    config.chmod(0o600)
    base = kit.base()
    base[base.index("-F") + 1] = str(config)
    client = kit.run(*base, "many", "exit 9", wrap=hosts("127.0.0.1"))
    assert client.finish() == 9, client.err.text
    client = kit.run(*base, "few", "exit 9", wrap=hosts("127.0.0.1"))
    assert client.finish() == 255 and "few" in client.err.text
