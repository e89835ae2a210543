"""Compression yes: zlib@openssh.com and zlib, with servers that have them, and with one that does not."""
import re
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness import keys, servers, traffic
from harness.client import ADIT
from harness.wait import wait_until

TEXT = b"".join(b"line %d of a text that packs well\n" % i for i in range(60_000))
NOISE = b"".join(traffic.pattern(1_500_000, 9))
DELAYED = "zlib@openssh.com"
LINES = [r"^debug1: kex: server->client cipher: \S+ MAC: \S+ compression: %s\r?$",
         r"^debug1: kex: client->server cipher: \S+ MAC: \S+ compression: %s\r?$"]


@pytest.fixture
def peer(start, request):
    def make(name, algorithm):
        if name == "dropbear":
            return start(servers.Dropbear, request.getfixturevalue("system_user"))
        if name == "asyncssh":
            return start(servers.Asyncssh, host_types=tuple(keys.HOST_TYPES), compression=[algorithm])
        tree = request.getfixturevalue("openssh10") if name == "openssh10" else None
        return start(servers.Sshd, tree=tree)

    return make


def echoed(addr, data):
    """What comes back of data, read while it is still sent."""
    with traffic.connect(addr, 60) as s:
        sender = threading.Thread(target=s.sendall, args=(data,))
        sender.start()
        got = traffic.recv_exact(s, len(data))
        sender.join(60)
    return got


def logged(client, name, least=1):
    for line in LINES:
        assert len(re.findall(line % re.escape(name), client.err.text, re.M)) >= least, client.err.text


@pytest.mark.parametrize("name, algorithm", [("openssh", DELAYED), ("openssh10", DELAYED), ("dropbear", DELAYED),
                                             ("asyncssh", DELAYED), ("asyncssh", "zlib")])
def test_carries_everything(kit, peer, echo, name, algorithm):
    """Text and noise come back as they went, with new keys in between."""
    client, addr = kit.local(peer(name, algorithm), echo, "-v", "-o", "Compression=yes", "-o", "RekeyLimit=1M")
    for data in (TEXT, NOISE, b"x", TEXT[:100_000]):
        assert echoed(addr, data) == data
    logged(client, algorithm, least=2)


@pytest.mark.quick
@pytest.mark.parametrize("server_says, agreed", [("yes", "zlib@openssh.com"), ("no", "none")])
def test_is_the_servers_choice_too(kit, start, echo, server_says, agreed):
    """A server without compression: none; the connection works."""
    client, addr = kit.local(start(servers.Sshd, {"Compression": server_says}), echo, "-v", "-o", "Compression=yes")
    assert echoed(addr, TEXT[:300_000]) == TEXT[:300_000]
    logged(client, agreed)


@pytest.mark.quick
def test_is_off_by_default(kit, sshd, echo):
    client, addr = kit.local(sshd, echo, "-v")
    assert traffic.ask(addr) == b"ping"
    logged(client, "none")


# [RFC 4253 6.2b]
def test_both_ways_at_once(kit, sshd, service):
    """Downloads and uploads of several connections at the same time, of bytes that do not pack."""
    size = 8 << 20
    down, up = service(traffic.source, size, 1), service(traffic.sink)
    ports = [traffic.free_port(), traffic.free_port()]
    kit.connect(sshd, "-N", "-o", "Compression=yes", "-L", f"127.0.0.1:{ports[0]}:{down.target}", "-L",
                f"127.0.0.1:{ports[1]}:{up.target}")
    wait_until(lambda: all(traffic.listeners(p) for p in ports), 15, "listeners")
    with ThreadPoolExecutor(5) as pool:
        downs = [pool.submit(traffic.download, ("127.0.0.1", ports[0])) for _ in range(3)]
        ups = [pool.submit(traffic.upload, ("127.0.0.1", ports[1]), size, 2) for _ in range(2)]
        assert {d.result(120) for d in downs} == {(size, traffic.pattern_sha(size, 1))}
        assert {u.result(120) for u in ups} == {(size, traffic.pattern_sha(size, 2))}


@pytest.mark.parametrize("peer_name, algorithm", [("openssh", DELAYED), ("openssh10", DELAYED), ("asyncssh", "zlib")])
def test_two_packets_at_once(kit, peer, service, peer_name, algorithm):
    """The cipher whose packets are sealed and opened two at a time: bulk both ways while keys change."""
    size = 16 << 20
    server = peer(peer_name, algorithm)
    down, up = service(traffic.source, size, 1), service(traffic.sink)
    ports = [traffic.free_port(), traffic.free_port()]
    client = kit.connect(server, "-v", "-N", "-C", "-o", "Ciphers=aes128-ctr", "-o", "MACs=hmac-sha2-256-etm@openssh.com",
                         "-o", "RekeyLimit=1M", "-L", f"127.0.0.1:{ports[0]}:{down.target}", "-L",
                         f"127.0.0.1:{ports[1]}:{up.target}")
    wait_until(lambda: all(traffic.listeners(p) for p in ports), 15, "listeners")
    with ThreadPoolExecutor(2) as pool:
        got = pool.submit(traffic.download, ("127.0.0.1", ports[0]))
        put = pool.submit(traffic.upload, ("127.0.0.1", ports[1]), size, 2)
        assert got.result(120) == (size, traffic.pattern_sha(size, 1))
        assert put.result(120) == (size, traffic.pattern_sha(size, 2))
    logged(client, algorithm, least=10)
    assert "cipher: aes128-ctr MAC: hmac-sha2-256-etm@openssh.com compression: " + algorithm in client.err.text


def test_command(kit, start):
    """stdin, stdout and stderr of a command, each in bulk and in its order."""
    server = start(servers.Sshd, log_level="INFO")
    kit.trust(server)
    done = subprocess.run([ADIT, *kit.base(), "-C", "-o", "WarnWeakCrypto=no", "-o", "RekeyLimit=1M", "-p", str(server.port), "-l",
                           server.user, "127.0.0.1", "tee /dev/stderr; exit 3"], input=NOISE + TEXT, capture_output=True,
                          env=kit.env(), timeout=60)
    assert done.returncode == 3
    assert done.stdout == NOISE + TEXT
    assert done.stderr == NOISE + TEXT
