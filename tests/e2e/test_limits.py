"""Many, slow, dead and broken peers: what is bounded stays bounded, what is alone stays alone."""
import asyncio
import fcntl
import resource
import signal
import socket
import statistics
import struct
import termios
import threading
import time

import pytest

from harness import servers, traffic
from harness.client import Kit
from harness.wait import holds_for, wait_until


def many(addr, count):
    socks = []
    for _ in range(count):
        socks.append(traffic.connect(addr, 30))
    return socks


def test_a_thousand_connections_at_once(kit, sshd, echo):
    """1,000 connections open at the same time each carry their own bytes, and end one by one."""
    _, addr = kit.local(sshd, echo)
    socks = many(addr, 1000)
    for i, s in enumerate(socks):
        s.sendall(b"%06d" % i)
    assert all(traffic.recv_exact(s, 6) == b"%06d" % i for i, s in enumerate(socks))
    assert echo.active == 1000
    for s in socks:
        s.close()
    wait_until(lambda: echo.active == 0, 20, lambda: f"{echo.active} still open at the target")


def test_burst_of_connects(kit, sshd, echo):
    """500 connects that come before the first is served all get through."""
    _, addr = kit.local(sshd, echo)
    socks = []
    for _ in range(500):
        s = socket.socket()
        s.setblocking(False)
        s.connect_ex(addr)
        socks.append(s)
    for s in socks:
        s.settimeout(20)
        s.sendall(b"x")
    assert all(s.recv(1) == b"x" for s in socks)
    for s in socks:
        s.close()


@pytest.mark.quick
def test_slow_reader_costs_bounded_memory(kit, sshd, service, release):
    """A local client that never reads: what is held grows to the window at the most, and stays there."""
    client, addr = kit.local(sshd, service(traffic.endless))
    before = client.rss_kb()
    with traffic.connect(addr) as s:
        assert s.recv(1)
        highest = settled_rss(client)
        assert highest - before < 9 * 1024, f"{before} kB grew to {highest} kB"


def settled(value, seconds=1.0):
    """The highest value() once it has not grown for so long."""
    highest, since = value(), time.monotonic()
    while time.monotonic() - since < seconds:
        now = value()
        if now > highest:
            highest, since = now, time.monotonic()
        time.sleep(0.02)
    return highest


def settled_rss(client):
    return settled(client.rss_kb)


def unread(s):
    """Bytes that wait in a socket."""
    return struct.unpack("i", fcntl.ioctl(s, termios.FIONREAD, b"\0" * 4))[0]


def test_twenty_slow_readers_stay_in_the_budget(kit, sshd, service, release):
    """20 clients that never read: all together stay under the budget of 32 MiB and its 1 MiB of slack."""
    client, addr = kit.local(sshd, service(traffic.endless))
    before = client.rss_kb()
    socks = many(addr, 20)
    for s in socks:
        assert s.recv(1)
    highest = settled_rss(client)
    for s in socks:
        s.close()
    assert highest - before < 33 * 1024, f"{before} kB grew to {highest} kB"


def test_slow_target_stops_the_sender(kit, sshd, service, release):
    """A target that never reads: the sender is pushed back, and memory stays flat."""
    client, addr = kit.local(sshd, service(traffic.never_reader))
    before = client.rss_kb()
    with traffic.connect(addr) as s:
        s.settimeout(1.0)
        sent = 0
        with pytest.raises(TimeoutError):
            while sent < (1 << 30):
                sent += s.send(traffic.BLOCK)
        assert client.rss_kb() - before < 2 * 1024
    assert sent < 200 << 20


@pytest.mark.parametrize("half_grants", [False, True])
def test_calls_itself_openssh_but_grants_late(kit, start, service, half_grants):
    """A server that is no OpenSSH and waits until half of its window is used up: everything arrives all the same,
    also when its reader was slow at first."""
    server = start(servers.Asyncssh, version="OpenSSH_9.9", half_grants=half_grants)
    _, addr = kit.local(server, service(traffic.changing_reader, 12 << 20))
    assert traffic.upload(addr, 24 << 20) == (24 << 20, traffic.pattern_sha(24 << 20))


def rate(addr, seconds=0.5):
    """Bytes a second of a download, over a stretch of time."""
    with traffic.connect(addr) as s:
        start, got = time.monotonic(), 0
        while time.monotonic() - start < seconds:
            got += len(s.recv(1 << 18))
        return got / (time.monotonic() - start)


def test_beside_a_slow_consumer(kit, sshd, service, adit_only):
    """A channel keeps at least 90 % of its rate while another one's reader stands still."""
    source = service(traffic.endless)
    _, addr = kit.local(sshd, source)
    pairs = []  # measured one after the other, so that other load on the machine falls on both alike
    while len(pairs) < 7 or (share := statistics.median(b / a for a, b in pairs)) < 0.9:
        assert len(pairs) < 21, f"{share:.2f} of the rate alone: {pairs}"
        alone = rate(addr)
        with traffic.connect(addr) as stalled:
            assert stalled.recv(1)
            settled(lambda: unread(stalled), 0.2)
            pairs.append((alone, rate(addr)))


def test_small_channel_beside_a_bulk_download(kit, sshd, service, echo):
    """While a bulk download runs, a small connection is answered all the time."""
    client = kit.connect(sshd, "-N", "-L", f"0:{service(traffic.endless).target}", "-L", f"0:{echo.target}")
    bulk, small = client.listening(2)[0], client.listening(2)[1]
    stop, got = threading.Event(), [0]

    def drain():
        with traffic.connect(bulk.addr) as s:
            while not stop.is_set():
                got[0] += len(s.recv(1 << 18))

    thread = threading.Thread(target=drain)
    thread.start()
    try:
        wait_until(lambda: got[0] > 1 << 20, 10, "bulk flows")
        with traffic.connect(small.addr, 5) as s:
            for _ in range(50):
                s.sendall(b"x" * 1024)
                assert len(traffic.recv_exact(s, 1024)) == 1024
    finally:
        stop.set()
        thread.join()


def test_descriptor_limit(kit, sshd, echo, adit_only):
    """At the limit of open files: no spinning, the open connections work on, and when one ends the next waiting one
    is taken within a second."""
    def few_files():
        resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))

    client, addr = kit.local(sshd, echo, preexec=few_files)
    socks = many(addr, 60)
    served, waiting = [], []
    for s in socks:
        s.sendall(b"x")
    wait_until(lambda: echo.active >= 15, 10, "some are served")
    wait_until(lambda: client.fds() >= 39, 10, lambda: f"{client.fds()} descriptors")
    for s in socks:
        s.settimeout(0.05)
        try:
            assert s.recv(1) == b"x"
            served.append(s)
        except TimeoutError:
            waiting.append(s)
    assert served and waiting
    spent, start = client.cpu_ms(), time.monotonic()
    holds_for(client.running, 1.0)
    assert client.cpu_ms() - spent <= 0.05 * 1000 * (time.monotonic() - start) + 10
    served.pop().close()
    waiting[0].settimeout(1.0)
    assert waiting[0].recv(1) == b"x"
    served[0].settimeout(5)
    served[0].sendall(b"y")
    assert served[0].recv(1) == b"y"
    for s in socks:
        s.close()
    wait_until(lambda: echo.active == 0, 20, "all end")


def test_soft_descriptor_limit(kit, sshd, echo, adit_only):
    """The soft limit of open files is no limit: adit raises it, as far as the hard one lets it."""
    def few_files():
        resource.setrlimit(resource.RLIMIT_NOFILE, (40, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))

    _, addr = kit.local(sshd, echo, preexec=few_files)
    socks = many(addr, 60)
    for s in socks:
        s.sendall(b"x")
    for s in socks:
        assert traffic.recv_exact(s, 1) == b"x"
    for s in socks:
        s.close()
    wait_until(lambda: echo.active == 0, 20, "all end")


@pytest.mark.quick
def test_server_killed_in_mid_transfer(kit, start, service):
    """The server dies while bytes flow: local connections end, the client says so and exits with 255."""
    server = start(servers.Sshd, fresh=True)
    client, addr = kit.local(server, service(traffic.endless))
    with traffic.connect(addr) as s:
        assert len(traffic.recv_exact(s, 1 << 20)) == 1 << 20
        server.signal_sessions(signal.SIGKILL)
        with pytest.raises((ConnectionError, EOFError)):
            while True:
                if not s.recv(1 << 18):
                    raise EOFError
    assert client.finish() == 255
    assert client.err.text != ""
    server.stop()


def test_lost_transport_has_its_exit_code(kit, sshd, relay, service, adit_only):
    """Reset in the middle of a transfer, with AditExitCodes: 5."""
    cut = relay(sshd.port, "-c", str(3 << 20))
    client, addr = kit.local(sshd, service(traffic.endless), "-o", "AditExitCodes=yes", port=cut.port)
    with traffic.connect(addr) as s:
        try:
            while s.recv(1 << 18):
                pass
        except ConnectionError:
            pass
    assert client.finish() == 5


@pytest.fixture(scope="module")
def handshake_bytes(sshd, tmp_path_factory, user_key):
    """How many bytes the server sends until a tunnel of nothing is authenticated."""
    kit, trace = Kit(tmp_path_factory.mktemp("count"), user_key), tmp_path_factory.mktemp("trace") / "trace"
    path = servers.Relay(sshd.port, trace=trace)
    mark = sshd.mark()
    kit.connect(sshd, "-N", port=path.port)
    sshd.wait_log(r"Accepted publickey", mark)
    total = sum(int(line.split()[1]) for line in trace.read_text().splitlines() if line.startswith("S "))
    kit.close()
    path.stop()
    return total


@pytest.mark.parametrize("share", [0.005, 0.2, 0.45, 0.6, 0.75, 0.9])
def test_cut_during_the_handshake(kit, sshd, relay, handshake_bytes, share):
    """The connection breaks at some byte of the handshake: exit 255 and a message, no hang."""
    cut = relay(sshd.port, "-c", str(max(int(handshake_bytes * share), 1)))
    client = kit.connect(sshd, "-N", port=cut.port)
    assert client.finish() == 255
    assert client.err.text != ""


@pytest.mark.quick
def test_black_hole_is_found_by_keepalive(kit, sshd, relay, echo):
    """ServerAliveInterval 1, CountMax 2 on a path that goes dead: ends after about three seconds with ssh's words."""
    path = relay(sshd.port)
    client, addr = kit.local(sshd, echo, "-o", "ServerAliveInterval=1", "-o", "ServerAliveCountMax=2", port=path.port)
    assert traffic.ask(addr) == b"ping"
    path.freeze()
    start = time.monotonic()
    assert client.finish(10) == 255
    assert 1.5 < time.monotonic() - start < 6
    assert "Timeout, server 127.0.0.1 not responding." in client.err.text


def test_keepalive_answers_keep_it_up(kit, start, echo):
    """Keepalives in both directions at once: the session stays, on a server that would drop a silent client."""
    server = start(servers.Sshd, {"ClientAliveInterval": "1", "ClientAliveCountMax": "1"})
    client, addr = kit.local(server, echo, "-o", "ServerAliveInterval=1", "-o", "ServerAliveCountMax=1")
    holds_for(client.running, 3.5, "session with keepalives")
    assert traffic.ask(addr) == b"ping"


# [RFC 4254 4a]
def test_global_requests_of_the_server(kit, start, echo, adit_only):
    """RFC 4254 §4: an answer where one is wanted, REQUEST_FAILURE (82) for what is not ours to do, none otherwise."""
    names = ["hostkeys-00@openssh.com", "keepalive@openssh.com", "no-such-request@example"]
    server = start(servers.Asyncssh, requests=[[n, wanted] for wanted in (False, True) for n in names], fresh=True)
    _, addr = kit.local(server, echo)
    server.wait_log(r"ANSWER no-such-request@example 82")
    assert [f"ANSWER {n} 82" for n in names] == [x for x in server.text().splitlines() if x.startswith("ANSWER")]
    assert traffic.ask(addr) == b"ping"
    assert "LOST" not in server.text()
    server.stop()


def test_connect_timeout_covers_the_version_exchange(kit, service):
    """A port that accepts and says nothing: ConnectTimeout=1 ends it."""
    mute = service(traffic.never_reader)
    start = time.monotonic()
    client = kit.run(*kit.base(), "-o", "ConnectTimeout=1", "-p", str(mute.port), "-N", "127.0.0.1")
    assert client.finish(10) == 255
    assert 0.8 < time.monotonic() - start < 4
    assert "timed out" in client.err.text.lower() or "timeout" in client.err.text.lower()


def test_connect_timeout_covers_the_key_exchange(kit, service, adit_only):
    """A server that stops after its version line is not waited for longer either."""
    mute = service(traffic.greeter, "SSH-2.0-mute\r\n")
    start = time.monotonic()
    client = kit.run(*kit.base(), "-o", "ConnectTimeout=1", "-p", str(mute.port), "-N", "127.0.0.1")
    assert client.finish(10) == 255
    assert 0.8 < time.monotonic() - start < 4


@pytest.mark.parametrize("piece", [b"x", b"line\r\n"])
def test_connect_timeout_is_not_put_off(kit, service, piece, adit_only):
    """A server that goes on saying a little, and never its version, gains no time by it."""
    async def drip(reader, writer):
        while not writer.is_closing():
            writer.write(piece)
            await asyncio.sleep(0.1)

    slow = service(lambda: traffic.Service(drip))
    start = time.monotonic()
    client = kit.run(*kit.base(), "-o", "ConnectTimeout=1", "-p", str(slow.port), "-N", "127.0.0.1")
    assert client.finish(10) == 255
    assert 0.8 < time.monotonic() - start < 4
    assert "timed out" in client.err.text


def test_connect_timeout_covers_the_lookup(kit, mute_dns):
    """A name server that does not answer: ConnectTimeout=1 ends it."""
    start = time.monotonic()
    client = kit.run(*kit.base(), "-o", "ConnectTimeout=1", "-N", "slow.example", wrap=mute_dns)
    assert client.finish(10) == 255
    assert 0.8 < time.monotonic() - start < 4


def test_connect_timeout_covers_tcp(kit):
    """A port whose queue is full answers no SYN: ConnectTimeout=1 ends it."""
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        fillers = []
        for _ in range(4):
            f = socket.socket()
            f.setblocking(False)
            f.connect_ex(full.getsockname())
            fillers.append(f)
        start = time.monotonic()
        client = kit.run(*kit.base(), "-o", "ConnectTimeout=1", "-p", str(full.getsockname()[1]), "-N", "127.0.0.1")
        assert client.finish(10) == 255
        assert 0.8 < time.monotonic() - start < 4
        for f in fillers:
            f.close()


@pytest.mark.quick
@pytest.mark.parametrize("text", ["HTTP/1.1 400 Bad Request\r\n\r\n", "SSH-1.5-old\r\n", "SSH-2.0-" + "x" * 300 + "\r\n",
                                  "SSH-2.0-x\r\n\0\0\0\1\0", "SSH-2.0-x\r\n\x7f\xff\xff\xff" + "y" * 64])
def test_what_is_no_ssh_server(kit, service, text, adit_only):
    """Something else on the port: exit 255 and a line that says what came instead."""
    other = service(traffic.greeter, text)
    client = kit.run(*kit.base(), "-o", "ConnectTimeout=5", "-p", str(other.port), "-N", "127.0.0.1")
    assert client.finish(10) == 255
    assert len(client.err.text.splitlines()) >= 1


# [RFC 4253 4.2f]
def test_lines_before_the_version(kit, sshd, service, echo, adit_only):
    """Lines before the server's version line are skipped (RFC 4253 §4.2), whatever bytes they hold."""
    async def preface(reader, writer):
        r, w = await asyncio.open_connection("127.0.0.1", sshd.port)
        writer.write(b"hello\r\n\x1b[31mcolour\r\nlast\n")

        async def pipe(a, b):
            while data := await a.read(1 << 16):
                b.write(data)
                await b.drain()
            b.close()

        await asyncio.gather(pipe(r, writer), pipe(reader, w))

    front = service(lambda: traffic.Service(preface))
    _, addr = kit.local(sshd, echo, port=front.port)
    assert traffic.ask(addr) == b"ping"


def test_byte_at_a_time_transport(kit, sshd, relay, echo):
    """A path that hands on three bytes at a time changes nothing but speed."""
    path = relay(sshd.port, "-k", "3")
    _, addr = kit.local(sshd, echo, port=path.port)
    data = b"".join(traffic.pattern(100_000))
    assert traffic.ask(addr, data) == data


def test_long_path_keeps_the_hash(kit, sshd, relay, service):
    """At 100 ms of round trip 64 MiB arrive unchanged."""
    size = 64 << 20
    path = relay(sshd.port, "-d", "50")
    _, addr = kit.local(sshd, service(traffic.source, size, 11), port=path.port)
    assert traffic.download(addr) == (size, traffic.pattern_sha(size, 11))


def test_connections_refused_by_the_dozen(kit, sshd, echo, release):
    """200 refused channels in a row leave descriptors and memory as they were."""
    client = kit.connect(sshd, "-N", "-L", f"0:127.0.0.1:{traffic.free_port()}", "-L", f"0:{echo.target}")
    bad, good = client.listening(2)[0], client.listening(2)[1]
    assert traffic.ask(good.addr) == b"ping"
    wait_until(lambda: echo.active == 0, 10, "closed")
    fds = client.fds()
    for _ in range(20):
        assert traffic.closes_without_data(bad.addr)
    rss = client.rss_kb()
    for _ in range(200):
        assert traffic.closes_without_data(bad.addr)
    wait_until(lambda: client.fds() <= fds, 10, lambda: f"{client.fds()} > {fds} descriptors")
    assert client.rss_kb() - rss < 300


def test_no_growth_over_many_connections(kit, sshd, echo, release):
    """2,000 connections one after the other leave descriptors and memory as they were after 200."""
    client, addr = kit.local(sshd, echo)
    for _ in range(200):
        assert traffic.ask(addr) == b"ping"
    rss, fds = client.rss_kb(), client.fds()
    for _ in range(2000):
        assert traffic.ask(addr) == b"ping"
    wait_until(lambda: client.fds() <= fds, 10, lambda: f"{client.fds()} > {fds} descriptors")
    assert client.rss_kb() - rss < 300
