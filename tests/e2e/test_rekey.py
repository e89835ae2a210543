"""New keys in the middle of everything: by bytes, by time, by either side, and both at once."""
import re
import threading

import pytest

from harness import servers, traffic
from harness.wait import wait_until

SIZE = 256 << 20
NEWKEYS = r"SSH2_MSG_NEWKEYS received|expecting SSH2_MSG_NEWKEYS"


def exchanges(server, mark):
    return server.text(mark).count("SSH2_MSG_NEWKEYS received")


def both_ways(kit, server, service, size, *args):
    """A download and an upload of size bytes at the same time over one connection, hashes compared."""
    down, up = service(traffic.source, size, 1), service(traffic.sink)
    ports = [traffic.free_port(), traffic.free_port()]
    client = kit.connect(server, "-N", *args, "-L", f"127.0.0.1:{ports[0]}:{down.target}", "-L",
                         f"127.0.0.1:{ports[1]}:{up.target}")
    wait_until(lambda: all(traffic.listeners(p) for p in ports), 15, "listeners")
    got = {}

    def upload():
        got["up"] = traffic.upload(("127.0.0.1", ports[1]), size, 2)

    thread = threading.Thread(target=upload)
    thread.start()
    got["down"] = traffic.download(("127.0.0.1", ports[0]))
    thread.join(120)
    assert got["down"] == (size, traffic.pattern_sha(size, 1))
    assert got["up"] == (size, traffic.pattern_sha(size, 2))
    return client


@pytest.mark.slow
def test_every_mebibyte_at_our_wish(kit, sshd, service):
    """256 MiB each way at the same time with new keys after every 1 MiB: both hashes are right."""
    mark = sshd.mark()
    both_ways(kit, sshd, service, SIZE, "-o", "RekeyLimit=1M")
    assert exchanges(sshd, mark) >= 100


@pytest.mark.slow
def test_at_both_sides_wish(kit, start, service):
    """Server and client both want new keys every 1 MiB: starts collide, nothing is lost."""
    server = start(servers.Sshd, {"RekeyLimit": "1M"})
    mark = server.mark()
    both_ways(kit, server, service, SIZE // 4, "-o", "RekeyLimit=1M")
    assert exchanges(server, mark) >= 30


# [RFC 4253 9a]
@pytest.mark.parametrize("cipher", ["chacha20-poly1305@openssh.com", "aes128-gcm@openssh.com", "aes256-ctr"])
def test_at_the_servers_wish(kit, start, service, cipher):
    """The server starts every exchange; each kind of cipher survives it."""
    server = start(servers.Sshd, {"RekeyLimit": "1M"})
    mark = server.mark()
    both_ways(kit, server, service, SIZE // 16, "-o", f"Ciphers={cipher}")
    assert exchanges(server, mark) >= 10


def test_with_asyncssh(kit, start, service):
    """asyncssh as the one that wants new keys, and as the one that is asked."""
    server = start(servers.Asyncssh, rekey_bytes=1 << 20)
    both_ways(kit, server, service, 8 << 20)
    both_ways(kit, start(servers.Asyncssh), service, 8 << 20, "-o", "RekeyLimit=1M")


def test_with_dropbear(kit, start, service, system_user):
    """dropbear answers our exchanges."""
    both_ways(kit, start(servers.Dropbear, system_user), service, 16 << 20, "-o", "RekeyLimit=1M")


def test_with_openssh10(kit, start, service, openssh10):
    """The hybrid exchange again and again, with 64 MiB each way."""
    server = start(servers.Sshd, tree=openssh10)
    mark = server.mark()
    both_ways(kit, server, service, SIZE // 4, "-o", "RekeyLimit=1M")
    assert exchanges(server, mark) >= 30


def test_by_time_while_idle(kit, sshd, echo):
    """RekeyLimit with a time: an idle connection exchanges keys, and works on."""
    mark = sshd.mark()
    _, addr = kit.local(sshd, echo, "-o", "RekeyLimit=default 1")
    if exchanges(sshd, mark) < 3:
        with traffic.connect(addr) as s:
            sshd.wait_log(r"SSH2_MSG_NEWKEYS received", mark, 10, 2)
            s.sendall(b"1")
            assert s.recv(1) == b"1"
    sshd.wait_log(r"SSH2_MSG_NEWKEYS received", mark, 10, 3)
    assert traffic.ask(addr) == b"ping"


# [RFC 4253 7.1q]
def test_many_small_channels_meanwhile(kit, sshd, echo):
    """Opens, data and closes of 100 connections fall into exchanges every 16 kB."""
    mark = sshd.mark()
    _, addr = kit.local(sshd, echo, "-o", "RekeyLimit=16k")
    for i in range(100):
        data = bytes([i % 256]) * 2000
        assert traffic.ask(addr, data) == data
    assert exchanges(sshd, mark) >= 10
