"""Everything at once, at random but from a seed: 24 clients over -L, -R and -D while both sides want new keys."""
import random
import socket
import struct
import threading
import time

import pytest

from harness import servers, socks, traffic
from harness.wait import wait_until

SIZE = 3 << 20


class Crowd:
    """What the clients do. Each action checks what it gets and returns nothing."""

    def __init__(self, kit, sshd, relay, service, delay_ms):
        self.echo, self.source = service(traffic.echo), service(traffic.source, SIZE, 5)
        self.sha = traffic.pattern_sha(SIZE, 5)
        targets = [self.echo, self.source, service(traffic.sink), service(traffic.resetter),
                   service(traffic.half_closer)]
        forwards = [x for t in targets for x in ("-L", f"127.0.0.1:0:{t.target}")]
        path = relay(sshd.port, "-d", str(delay_ms))
        self.client = kit.connect(sshd, "-N", "-o", "RekeyLimit=2M", *forwards, "-R", f"127.0.0.1:0:{self.echo.target}",
                                  "-D", "127.0.0.1:0", "-L", "127.0.0.1:0:127.0.0.1:1", port=path.port)
        (self.to_echo, self.to_source, self.to_sink, self.to_reset, self.to_half, self.from_server, self.proxy,
         self.to_nobody) = (x.addr for x in self.client.listening(8))

    def download(self, rng):
        assert traffic.download(self.to_source, 60) == (SIZE, self.sha)

    def upload(self, rng):
        size = rng.randrange(1, SIZE)
        assert traffic.upload(self.to_sink, size, 1, 60) == (size, traffic.pattern_sha(size, 1))

    def echo_back(self, rng):
        data = rng.randbytes(rng.randrange(1, 200_000))
        with traffic.connect(self.to_echo, 60) as s:
            sender = threading.Thread(target=s.sendall, args=(data,))
            sender.start()
            assert traffic.recv_exact(s, len(data)) == data
            sender.join()

    def leave_by_reset(self, rng):
        s = traffic.connect(rng.choice([self.to_echo, self.to_source, self.to_sink, self.to_half, self.proxy]), 60)
        if rng.random() < 0.5:
            s.send(b"x" * rng.randrange(1, 100))
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        s.close()

    def leave_early(self, rng):
        with traffic.connect(self.to_source, 60) as s:
            s.recv(1000)

    def be_reset(self, rng):
        with traffic.connect(self.to_reset, 60) as s:
            s.send(b"x")
            try:
                assert s.recv(1) == b""
            except ConnectionError:
                pass

    def half_close(self, rng):
        with traffic.connect(self.to_half, 60) as s:
            s.sendall(b"a" * 1000)
            s.shutdown(socket.SHUT_WR)
            assert len(traffic.recv_all(s)) == 1_000_008

    def from_the_server(self, rng):
        assert traffic.ask(self.from_server, b"r" * 5000, 60) == b"r" * 5000

    def by_proxy(self, rng):
        s, code = socks.connect5(self.proxy, "127.0.0.1", rng.choice([1, self.source.port]), timeout=60)
        s.close()
        assert code in (socks.OK, socks.REFUSED)

    def be_refused(self, rng):
        assert traffic.closes_without_data(self.to_nobody, 60)

    def run(self, seed, seconds, failures):
        rng, end = random.Random(seed), time.monotonic() + seconds
        actions = [self.download, self.upload, self.echo_back, self.leave_by_reset, self.leave_early, self.be_reset,
                   self.half_close, self.from_the_server, self.by_proxy, self.be_refused]
        while time.monotonic() < end and not failures:
            action = rng.choice(actions)
            try:
                action(rng)
            except Exception as error:  # a thread's failure is told by the test
                failures.append((seed, action.__name__, repr(error)))


@pytest.mark.slow
@pytest.mark.parametrize("seed, delay_ms", [(1, 0), (2, 5)])
def test_crowd(kit, start, relay, service, seed, delay_ms, adit_only):
    """Five seconds of downloads, uploads, resets, half-closes, refusals and early leavers: every byte is right, the
    client lives, and its descriptors are as before."""
    sshd = start(servers.Sshd, {"RekeyLimit": "3M"}, log_level="ERROR")
    crowd = Crowd(kit, sshd, relay, service, delay_ms)
    fds, failures = crowd.client.fds(), []
    threads = [threading.Thread(target=crowd.run, args=(seed * 1000 + i, 5, failures)) for i in range(24)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert failures == []
    assert crowd.client.running()
    wait_until(lambda: crowd.client.fds() <= fds, 15, lambda: f"{crowd.client.fds()} > {fds} descriptors")
