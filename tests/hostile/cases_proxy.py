"""What stands between the client and its server: a ProxyCommand (proxy.py is run as one), with and without ProxyUseFdpass
(ssh_config(5)), and the proxy of AditProxy (RFC 1928, RFC 1929, RFC 9110)."""
import asyncio
import contextlib
import os
import signal
import socket
import sys

from .beside import Beside, dripping, endless
from .case import CARRY_ON, END, ERROR, HANG, RESET, Table

PYTHON = sys.executable
PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "proxy.py")
SLOW = dict(options=("ConnectTimeout=2",), timeout_ms=2000, says="[Tt]imed? ?out|in time|within 2 s")
GONE = "version|closed|reset|proxy|identification|ended|Broken pipe"


def by_command(how, number=0, *more, before=""):
    """before: of the shell's, in front of the program."""
    async def setup(play):
        told, place = play.folder / "told", play.folder / "place"
        play.is_telling = True
        await asyncio.get_running_loop().create_datagram_endpoint(lambda: Told(play), local_addr=str(told), family=socket.AF_UNIX)
        actor = await asyncio.create_subprocess_exec(PYTHON, "-ISE", PROGRAM, how, str(play.port), str(number), str(place), str(told),
                                                     stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL)
        play.tasks.append(asyncio.create_task(until_cancelled(actor)))
        await actor.stdout.readline()
        lend = f"{play.client.tools}/lend {place}"
        play.options += ["ProxyCommand=" + (f"sh -c '{before} exec {lend}'" if before else lend), *more]
    return setup


async def until_cancelled(process):
    try:
        await process.wait()
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
            await process.wait()


def by_shell(line):
    """A program that needs no more than a shell; % is doubled."""
    async def setup(play):
        play.options += [f"ProxyCommand=sh -c '{line}'"]
    return setup


class Told(asyncio.DatagramProtocol):
    """The program says when it misbehaves."""

    def __init__(self, play):
        self.play = play

    def datagram_received(self, data, addr):
        self.play.tell()


def table(state, prefix="proxy-", **more):
    return Table(prefix=prefix, state=state, requires="ssh_config(5) ProxyCommand", at="setup", only="adit", **{"expect": ERROR, **more})


# ---- it ends, or is never there ----

UNTOLD_MS = 5000  # a shell does not tell when it misbehaves: from the start of the client on, which has its time too
P = table("proxy/start", says=GONE, timeout_ms=UNTOLD_MS)
for status in (0, 1, 127, 255):
    P.row(f"exit-{status}", f"it ends at once, with status {status}", setup=by_shell(f"exit {status}"))
for s in (signal.SIGHUP, signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV, signal.SIGPIPE):
    P.row(f"signal-{s.name.lower()}", f"it ends at once, by {s.name}", setup=by_shell(f"kill -{int(s)} $$"))
for name, command in {"missing": "/nowhere/at/all", "folder": "/", "syntax": "if ( ;;", "false": "false", "exit-in-shell": "exit 3"}.items():
    async def given(play, command=command):
        play.options += [f"ProxyCommand={command}"]
    P.row(f"command-{name}", f"a command that is none: {name.replace('-', ' ')}", setup=given)
P.row("stopped", "it stops itself", setup=by_shell(f"kill -{int(signal.SIGSTOP)} $$"), **{**SLOW, "timeout_ms": 3000 + UNTOLD_MS})
for name in ("silent", "close-stdin", "close-stdout"):
    P.row(name, f"it says nothing: {name.replace('-', ' ')}", setup=by_command(name), **SLOW)
P.row("shut-in", "it reads no more, and says nothing", setup=by_command("shut-in"), **{**SLOW, "says": f"{GONE}|{SLOW['says']}"})
for name in ("close-both", "shut-out"):
    P.row(name, f"it ends its side and stays: {name.replace('-', ' ')}", setup=by_command(name))
P.row("fork", "it is gone, and a child of it has the pipes", setup=by_shell("sleep 4 2>/dev/null & exit 0"), **{**SLOW, "timeout_ms": 2000 + UNTOLD_MS})

# ---- what it says in place of a banner ----

B = table("proxy/banner", says=GONE)
for n in (1, 10, 254, 255, 256, 1000, 65536):
    B.row(f"rubbish-{n}", f"{n} bytes without a sense, and the end", setup=by_command("rubbish-end", n))
B.row("rubbish-silent", "256 KiB without a sense, and silence", says=".", setup=by_command("rubbish", 2**18))
for name in ("zeros", "endless", "endless-lines", "endless-short"):
    B.row(name, f"for ever: {name.replace('-', ' ')}", says="version|identification|lines|banner|long|4253|[Tt]imeout", setup=by_command(name), options=("ConnectTimeout=2",), timeout_ms=2000)
for name in ("half-banner-end", "banner-end", "escape-lines", "html"):
    B.row(name, f"{name.replace('-', ' ')}, and the end", options=("-vvv",), setup=by_command(name))
for name in ("banner", "half-banner"):
    B.row(f"{name}-silent", f"{name.replace('-', ' ')}, and silence", setup=by_command(name), **SLOW)

# ---- in a session ----

S = table("proxy/session", says=GONE)
for n in (1, 5, 12, 20, 100, 500):
    S.row(f"after-{n}", f"the end after {n} bytes of the server", setup=by_command("after", n))
for n in (5, 20, 500):
    S.row(f"after-{n}-silent", f"nothing more after {n} bytes of the server", setup=by_command("after-silent", n), **SLOW)
    S.row(f"after-{n}-rubbish", f"rubbish after {n} bytes of the server", says=".", setup=by_command("after-rubbish", n), options=("ConnectTimeout=2",), timeout_ms=2000)
C = table("proxy/session", expect=CARRY_ON)
C.row("honest", "nothing wrong", setup=by_command("honest"))
C.row("bytes", "each byte of the server by itself", setup=by_command("bytes"), timeout_ms=5000)
C.row("stubborn", "it ignores SIGHUP, SIGTERM, SIGINT and the end of its input, and is ended all the same", setup=by_command("stubborn", before="trap \"\" HUP TERM INT;"))
C.row("loud", "8 MiB on stderr, which are passed on", setup=by_command("loud", 2000), holds="proxy: all is as well")
C.row("loud-before", "a line on stderr, which is passed on", setup=by_command("loud-before"), holds="proxy: here it comes")

# ---- ProxyUseFdpass ----

F = Table(prefix="fdpass-", state="proxy/fdpass", requires="ssh_config(5) ProxyUseFdpass; unix(7)", at="setup", only="adit", expect=ERROR)


def passed(name, sends, how, **more):
    F.row(name, sends, setup=by_command(how, 0, "ProxyUseFdpass=yes"), **{"says": "descriptor|closed|reset|socket|proxy|not|[Ii]nvalid|[Bb]ad|" + GONE, **more})


passed("honest", "a connection", "fd", expect=CARRY_ON)
passed("two", "two descriptors in one message: the first is taken", "fd-two", expect=CARRY_ON)
passed("twice", "two messages with a descriptor: the first is taken", "fd-twice", expect=CARRY_ON)
passed("many", "250 descriptors in one message: the first is taken", "fd-250", expect=CARRY_ON)
passed("none", "the end", "end")
passed("data", "data without a descriptor", "fd-data")
passed("data-first", "data, and then a descriptor", "fd-data-then")
passed("silent", "nothing", "fd-silent", **SLOW)
for kind in ("null", "folder", "file", "pipe-end", "pipe-start", "listener", "datagrams", "ended", "not-connected", "path", "epoll"):
    passed(kind, f"a descriptor of another kind: {kind.replace('-', ' ')}", f"fd-{kind}", options=("ConnectTimeout=2",), timeout_ms=2000, says=".")
passed("zero", "a descriptor of a device that never ends", "fd-zero", options=("ConnectTimeout=2",), timeout_ms=2000, says=".")
passed("itself", "its own standard output", "fd-itself", options=("ConnectTimeout=2",), timeout_ms=2000, says=".")


# ---- AditProxy ----

class Proxy(Beside):
    """HTTP CONNECT, or SOCKS 5 with its steps method, auth and reply; then it carries bytes to the peer."""

    def __init__(self, play, at, do, kind):
        super().__init__(play, at, do)
        self.kind = kind

    async def serve(self, reader, writer):
        if not await (self.http(reader, writer) if self.kind == "http" else self.socks(reader, writer)):
            return
        ours, theirs = await asyncio.open_connection("127.0.0.1", self.play.port)
        await asyncio.gather(self.carry(reader, theirs), self.carry(ours, writer))

    async def carry(self, reader, writer):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.close()

    async def http(self, reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        return await self.answer(writer, "status", b"HTTP/1.1 200 OK\r\n\r\n")

    async def socks(self, reader, writer):
        methods = (await reader.readexactly(2))[1]
        await reader.readexactly(methods)
        if not await self.answer(writer, "method", b"\5\2" if self.kind == "auth" else b"\5\0"):
            return False
        if self.kind == "auth":
            user = (await reader.readexactly(2))[1]
            await reader.readexactly((await reader.readexactly(user + 1))[-1])
            if not await self.answer(writer, "auth", b"\1\0"):
                return False
        head = await reader.readexactly(5)
        await reader.readexactly({1: 3, 4: 15, 3: head[4]}[head[3]] + 2)
        return await self.answer(writer, "reply", b"\5\0\0\1" + bytes(6))


def through(kind, at, do):
    async def setup(play):
        play.beside = Proxy(play, at, do, kind)
        port = await play.beside.listen(None)
        scheme = "http" if kind == "http" else "socks5"
        user = "user:word@" if kind == "auth" else ""
        play.options += [f"AditProxy={scheme}://{user}127.0.0.1:{port}"]
    return setup


LIMIT = dict(options=("ConnectTimeout=3",), timeout_ms=3000)
H = Table(prefix="upstream-http-", state="upstream/http", requires="RFC 9110 §9.3.6; RFC 9112 §4", at="setup", only="adit", expect=ERROR, says="proxy")


def http(name, sends, do, **more):
    H.row(name, sends, setup=through("http", "status", do), **more)


OK = b"HTTP/1.1 200 OK\r\n\r\n"
for n in range(len(OK)):
    http(f"cut-{n}", f"the first {n} bytes of the answer, and the end", lambda a, h, n=n: [OK[:n], END])
for name, data in {"http-0-9": b"OK\r\n\r\n", "http-2": b"HTTP/2 200\r\n\r\n", "http-9": b"HTTP/9.9 200 OK\r\n\r\n", "ssh": b"SSH-2.0-x\r\n", "html": b"<html>\r\n\r\n", "zeros": bytes(64) + b"\n\n", "status-2": b"HTTP/1.1 20 OK\r\n\r\n", "status-4": b"HTTP/1.1 2000 OK\r\n\r\n",
                   "status-letters": b"HTTP/1.1 2OO OK\r\n\r\n", "status-negative": b"HTTP/1.1 -20 OK\r\n\r\n", "status-zero": b"HTTP/1.1 \x00200 OK\r\n\r\n", "status-000": b"HTTP/1.1 000 OK\r\n\r\n", "status-099": b"HTTP/1.1 099 OK\r\n\r\n", "two-blanks": b"HTTP/1.1  200 OK\r\n\r\n",
                   "no-status": b"HTTP/1.1\r\n\r\n", "blank-first": b"\r\nHTTP/1.1 200 OK\r\n\r\n", "small": b"http/1.1 200 OK\r\n\r\n", **{f"status-{s}": b"HTTP/1.1 %d No\r\n\r\n" % s for s in (300, 301, 400, 403, 404, 407, 500, 502, 504, 999)},
                   "words-escape": b"HTTP/1.1 403 \x1b[2J\x1b]0;x\x07\r\n\r\n", "words-utf-8": b"HTTP/1.1 403 \xff\xfe\xc2\x9b2J\r\n\r\n", "words-long": b"HTTP/1.1 403 " + b"n" * 7000 + b"\r\n\r\n"}.items():
    http(name, f"an answer: {name.replace('-', ' ')}", lambda a, h, d=data: [d, HANG])
for name, (head, data) in {"headers": (OK[:-2], b"A: b\r\n"), "header": (OK[:-2], b"A"), "status-line": (b"HTTP/1.1 200 ", b"x"), "continues": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"), "blank-lines": (b"", b"\r\n")}.items():
    async def without_end(a, h, head=head, data=data):
        yield head
        async for block in endless(data):
            yield block
    http(f"endless-{name}", f"without an end: {name}", without_end)
http("before-asked", "an answer to what was not asked", lambda a, h: [OK + OK, HANG], says=".", **LIMIT)
http("silence", "nothing", lambda a, h: [HANG], **LIMIT)
http("slow", "a byte a second", lambda a, h: dripping(OK, 1), **LIMIT)
http("reset", "a reset", lambda a, h: [RESET])
for name, data in {"headers-100": b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 100 + b"\r\n", "lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551615\r\nTransfer-Encoding: chunked\r\n\r\n", "lf": b"HTTP/1.0 200\n\n", "status-299": b"HTTP/1.1 299 x\r\n\r\n",
                   "continues": b"HTTP/1.1 100 Continue\r\n\r\n" * 5 + OK, "escapes": b"HTTP/1.1 200 \x1b[2J\r\nA: \x1b]0;x\x07\r\n\r\n", "zeros-in-header": b"HTTP/1.1 200 OK\r\nA: \0\0\r\n\r\n"}.items():
    http(f"taken-{name}", f"an answer that is strange and right: {name.replace('-', ' ')}", lambda a, h, d=data: d, expect=CARRY_ON, options=("-vvv",))

for kind, at, honest, wrong in (
        ("socks", "method", b"\5\0", {"version-0": b"\0\0", "version-4": b"\4\0", "version-255": b"\xff\0", "method-1": b"\5\1", "method-2": b"\5\2", "method-127": b"\5\x7f", "method-128": b"\5\x80", "none": b"\5\xff", "http": b"HTTP/1.1 400 No\r\n\r\n", "ssh": b"SSH-2.0-x\r\n"}),
        ("auth", "auth", b"\1\0", {"refused": b"\1\1", "refused-255": b"\1\xff"}),
        ("socks", "reply", b"\5\0\0\1" + bytes(6), {"version-0": b"\0\0\0\1" + bytes(6), "version-4": b"\0\x5a" + bytes(6), **{f"code-{c}": bytes([5, c, 0, 1]) + bytes(6) for c in (1, 2, 3, 4, 5, 6, 7, 8, 9, 127, 255)}, **{f"type-{t}": bytes([5, 0, 0, t]) + bytes(20) for t in (0, 2, 5, 255)}})):
    S5 = Table(prefix=f"upstream-{at}-", state="upstream/socks", requires="RFC 1929 §2" if at == "auth" else "RFC 1928 §3, §6", at="setup", only="adit", expect=ERROR, says="proxy")
    for n in range(len(honest)):
        S5.row(f"cut-{n}", f"the first {n} bytes of the answer, and the end", setup=through(kind, at, lambda a, h, n=n: [h[:n], END]))
    for name, data in wrong.items():
        S5.row(name, f"an answer: {name.replace('-', ' ')}", setup=through(kind, at, lambda a, h, d=data: [d, HANG]))
    S5.row("silence", "nothing", setup=through(kind, at, lambda a, h: [HANG]), **LIMIT)
    S5.row("slow", "a byte each two seconds", setup=through(kind, at, lambda a, h: dripping(h * 3, 2)), **{**LIMIT, "says": "."})
    S5.row("reset", "a reset", setup=through(kind, at, lambda a, h: [RESET]))
    S5.row("endless", "64 MiB without a sense", setup=through(kind, at, lambda a, h: endless(b"\xff")))
    S5.row("more", "an answer and more", setup=through(kind, at, lambda a, h: [h + b"\5\0" * 100, HANG]), options=("ConnectTimeout=3",), timeout_ms=3000, says=".")
T = Table(prefix="upstream-reply-taken-", state="upstream/socks", requires="RFC 1928 §6", at="setup", only="adit", expect=CARRY_ON)
for name, data in {"ipv6": b"\5\0\0\4" + bytes(18), "name": b"\5\0\0\3\5proxy\0\1", "name-empty": b"\5\0\0\3\0\0\0", "name-255": b"\5\0\0\3\xff" + bytes(255) + b"\0\0", "name-escape": b"\5\0\0\3\4\x1b[2J\0\0", "reserved": b"\5\0\xff\1" + bytes(6)}.items():
    T.row(name, f"an address: {name.replace('-', ' ')}", setup=through("socks", "reply", lambda a, h, d=data: d))
for kind in ("http", "socks", "auth"):
    T.row(f"honest-{kind}", f"nothing wrong: {kind}", setup=through(kind, "", None))

__all__ = ["Proxy", "by_command"]
