"""Things to talk to, and ways to talk: echo, source, sink and friends, all in one asyncio thread."""
import asyncio
import hashlib
import os
import random
import socket
import struct
import threading

BLOCK = random.Random(7).randbytes(1 << 20)


def pattern(size, seed=0):
    """Deterministic bytes in pieces of at most 1 MiB; every piece differs, so that order matters."""
    done = 0
    while done < size:
        head = struct.pack(">QQ", seed, done)
        piece = (head + BLOCK[16:])[: size - done]
        done += len(piece)
        yield piece


def pattern_sha(size, seed=0):
    h = hashlib.sha256()
    for piece in pattern(size, seed):
        h.update(piece)
    return h.hexdigest()


class _Loop:
    """One event loop in one thread for all helper servers of the run."""
    loop = None

    @classmethod
    def get(cls):
        if cls.loop is None:
            cls.loop = asyncio.new_event_loop()
            threading.Thread(target=cls.loop.run_forever, daemon=True, name="traffic").start()
        return cls.loop

    @classmethod
    def run(cls, coro, timeout=20):
        return asyncio.run_coroutine_threadsafe(coro, cls.get()).result(timeout)


class Service:
    """A TCP server on a free loopback port, or one at the path of a Unix socket. handler is a coroutine of (reader,
    writer)."""

    def __init__(self, handler, host="127.0.0.1", port=0, limit=1 << 16, path=None, backlog=2048):
        self.handler, self.limit, self.path, self.backlog = handler, limit, path and str(path), backlog
        self.peers, self.active, self.tasks = [], 0, set()
        self.server = _Loop.run(self._start(host, port))
        if path is None:
            self.host, self.port = self.server.sockets[0].getsockname()[:2]

    async def _start(self, host, port):
        if self.path:
            return await asyncio.start_unix_server(self._serve, self.path, backlog=self.backlog, limit=self.limit)
        return await asyncio.start_server(self._serve, host, port, backlog=2048, limit=self.limit)

    async def _serve(self, reader, writer):
        self.peers.append(writer.get_extra_info("peername"))
        self.active += 1
        task = asyncio.current_task()
        self.tasks.add(task)
        try:
            await self.handler(reader, writer)
        except (ConnectionError, OSError, asyncio.CancelledError, asyncio.IncompleteReadError):
            pass
        finally:
            self.tasks.discard(task)
            self.active -= 1
            writer.close()

    async def _close(self):
        self.server.close()
        for task in list(self.tasks):
            task.cancel()
        await self.server.wait_closed()

    def close(self):
        _Loop.run(self._close())

    @property
    def addr(self):
        return self.path or (self.host, self.port)

    @property
    def target(self):
        if self.path:
            return self.path
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


async def _echo(reader, writer):
    while data := await reader.read(1 << 16):
        writer.write(data)
        await writer.drain()
    writer.write_eof()


async def _half_close(reader, writer):
    """Reads to the end, then answers with as many bytes as it was told: 1,000,000."""
    got = 0
    while data := await reader.read(1 << 16):
        got += len(data)
    writer.write(struct.pack(">Q", got))
    for piece in pattern(1_000_000):
        writer.write(piece)
        await writer.drain()
    writer.write_eof()


async def _sink(reader, writer):
    """Reads to the end, then answers with the count and the hash."""
    h, got = hashlib.sha256(), 0
    while data := await reader.read(1 << 18):
        h.update(data)
        got += len(data)
    writer.write(f"{got} {h.hexdigest()}\n".encode())
    writer.write_eof()


async def _never_read(reader, writer):
    await asyncio.Event().wait()


async def _stall(reader, writer):
    """Sends without end and reads nothing."""
    while True:
        writer.write(BLOCK)
        await writer.drain()


async def _reset(reader, writer):
    await reader.read(1)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def echo(**kw):
    return Service(_echo, **kw)


def half_closer(**kw):
    return Service(_half_close, **kw)


def sink(**kw):
    return Service(_sink, limit=1 << 20, **kw)


def changing_reader(slow, **kw):
    """Takes the first bytes slowly, and then all as fast as it can; a sink else."""

    async def handler(reader, writer):
        h, got = hashlib.sha256(), 0
        while data := await reader.read(1 << 16):
            h.update(data)
            got += len(data)
            if got < slow:
                await asyncio.sleep(0.002)
        writer.write(f"{got} {h.hexdigest()}\n".encode())
        writer.write_eof()

    return Service(handler, **kw)


def never_reader(**kw):
    return Service(_never_read, **kw)


def resetter(**kw):
    return Service(_reset, **kw)


def endless(**kw):
    return Service(_stall, **kw)


def greeter(text, **kw):
    """Says text to everybody at once and waits for their end."""

    async def handler(reader, writer):
        writer.write(text.encode())
        await writer.drain()
        await reader.read()

    return Service(handler, **kw)


def source(size, seed=0, **kw):
    async def handler(reader, writer):
        for piece in pattern(size, seed):
            writer.write(piece)
            await writer.drain()
        writer.write_eof()

    return Service(handler, **kw)


def http(body, **kw):
    """A web server with one page."""

    async def handler(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.0 200 OK\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body)
        await writer.drain()

    return Service(handler, **kw)


# ---- clients -------------------------------------------------------------------------------------

def connect(addr, timeout=20):
    """addr: (host, port), or the path of a Unix socket."""
    if isinstance(addr, str):
        s = socket.socket(socket.AF_UNIX)
        s.connect(addr)  # blocking: a full backlog is waited for
        s.settimeout(timeout)
        return s
    s = socket.create_connection(addr[:2], timeout=timeout)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return s


def recv_exact(s, n):
    out = bytearray()
    while len(out) < n:
        piece = s.recv(min(n - len(out), 1 << 18))
        if not piece:
            break
        out += piece
    return bytes(out)


def recv_all(s):
    out = bytearray()
    while piece := s.recv(1 << 18):
        out += piece
    return bytes(out)


def ask(addr, data=b"ping", timeout=20):
    """Sends data, then reads as many bytes back."""
    with connect(addr, timeout) as s:
        s.sendall(data)
        return recv_exact(s, len(data))


def greeting(addr, timeout=20):
    with connect(addr, timeout) as s:
        s.shutdown(socket.SHUT_WR)
        return recv_all(s).decode()


def download(addr, timeout=120):
    """(bytes, sha256) of everything that comes."""
    h, got = hashlib.sha256(), 0
    with connect(addr, timeout) as s:
        while piece := s.recv(1 << 18):
            h.update(piece)
            got += len(piece)
    return got, h.hexdigest()


def upload(addr, size, seed=0, timeout=120):
    """What a sink answers: (bytes, sha256)."""
    with connect(addr, timeout) as s:
        for piece in pattern(size, seed):
            s.sendall(piece)
        s.shutdown(socket.SHUT_WR)
        got, sha = recv_all(s).decode().split()
        return int(got), sha


def is_refused(addr):
    """True when nobody listens there."""
    try:
        connect(addr, 2).close()
        return False
    except OSError:
        return True


def closes_without_data(addr, timeout=20):
    """True when the connection is accepted and then ended without a byte."""
    with connect(addr, timeout) as s:
        try:
            return s.recv(1) == b""
        except ConnectionResetError:
            return True


GIVEN = set()  # by free_port: also those that nobody listens at yet
# Tests run side by side in several processes (pytest-xdist): each gives out ports of its own.
SHARES = 8
SHARE = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % SHARES


def free_port(host="127.0.0.1"):
    """Free now, given to nobody else, and outside of the range from which the system takes ports for connections (where
    that leaves enough): what is to listen there will have it, and can have it again."""
    first = int(open("/proc/sys/net/ipv4/ip_local_port_range").read().split()[0])
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    while True:
        port = random.randrange(10000 + SHARE, first if first >= 20000 else 60000, SHARES)
        try:
            with socket.socket(family) as s:
                s.bind((host, port))
        except OSError:
            continue
        if port not in GIVEN:
            GIVEN.add(port)
            return port


def free_port_both():
    """Free on 127.0.0.1 and ::1 alike."""
    while True:
        port = free_port()
        try:
            with socket.socket(socket.AF_INET6) as s:
                s.bind(("::1", port))
            return port
        except OSError:
            continue


def listeners(port=None, pid=None):
    """Addresses that listen on a TCP port, from /proc/net."""
    found = set()
    for name, family in (("tcp", socket.AF_INET), ("tcp6", socket.AF_INET6)):
        for line in open(f"/proc/net/{name}").read().splitlines()[1:]:
            fields = line.split()
            if fields[3] != "0A":
                continue
            host, hex_port = fields[1].split(":")
            if port is not None and int(hex_port, 16) != port:
                continue
            raw = b"".join(struct.pack("=I", int(host[i:i + 8], 16)) for i in range(0, len(host), 8))
            found.add(socket.inet_ntop(family, raw))
    return found


def unix_answers(path):
    """True when somebody listens at a Unix socket."""
    with socket.socket(socket.AF_UNIX) as s:
        return s.connect_ex(str(path)) == 0
