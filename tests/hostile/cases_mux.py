"""Clients of our control socket, and a master that our guest finds behind it: OpenSSH's PROTOCOL.mux. A client costs itself at
most: behind each attack an honest client is served, one that was there before is served too, and the master's own forward
carries bytes. A master costs its guest a clear error, or a connection of its own."""
import array
import asyncio
import contextlib
import os
import socket
import struct

from .beside import Beside, dripping, endless
from .case import CARRY_ON, END, ERROR, HANG, REFUSE, RESET, Table, Unmet
from .cases_text import NASTY
from .keys import string, u32
from .visitor import ANSWER_S, at_once, must


HELLO, SESSION, ALIVE, TERMINATE, OPEN, CLOSE, STDIO, STOP, PROXY = 1, 0x10000002, 0x10000004, 0x10000005, 0x10000006, 0x10000007, 0x10000008, 0x10000009, 0x1000000f
S_OK, S_DENIED, S_FAILURE, S_EXIT, S_ALIVE, S_OPENED, S_PORT, S_NO_TTY = (0x80000001 + i for i in range(8))
MUX = "OpenSSH PROTOCOL.mux"


def message(kind, *parts):
    body = u32(kind) + b"".join(u32(p) if isinstance(p, int) else string(p) if isinstance(p, str) else p for p in parts)
    return u32(len(body)) + body


GREETING = message(HELLO, 4)


def session(command="true", env=b"", term="xterm", flags=(0, 0, 0, 0), escape=2**32 - 1, number=7):
    return message(SESSION, number, "", *flags, escape, term, command, env)


def stdio(host="echo.test", port=7, number=7):
    return message(STDIO, number, "", host, port)


def forward(kind=1, listen="127.0.0.1", listen_port=0, host="echo.test", port=7, number=7, what=OPEN):
    return message(what, number, kind, listen, listen_port, host, port)


class Guest:
    """One connection to the master's socket; blocking calls are not used."""

    def __init__(self, s):
        self.s, self.loop = s, asyncio.get_running_loop()

    async def say(self, data):
        with contextlib.suppress(ConnectionError):
            await asyncio.wait_for(self.loop.sock_sendall(self.s, data), ANSWER_S)

    def pass_fds(self, *fds):
        """One message with these descriptors."""
        with contextlib.suppress(ConnectionError, BlockingIOError):
            self.s.sendmsg([b"\0"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))])

    async def hear(self):
        """The next message: type and the rest of it; None at the end."""
        try:
            head = await self.exactly(4)
            body = await self.exactly(struct.unpack(">I", head)[0])
        except (EOFError, ConnectionError):
            return None
        return struct.unpack(">I", body[:4])[0], body[4:]

    async def exactly(self, n):
        got = b""
        while len(got) < n:
            try:
                data = await asyncio.wait_for(self.loop.sock_recv(self.s, n - len(got)), ANSWER_S)
            except asyncio.TimeoutError:
                raise Unmet("the master says nothing") from None
            if not data:
                raise EOFError
            got += data
        return got

    async def greet(self):
        must(await self.hear() == (HELLO, u32(4)), "the master did not say hello")
        await self.say(GREETING)
        return self

    async def until_over(self):
        """All that it says until it ends the connection."""
        heard = []
        while (m := await self.hear()) is not None:
            heard.append(m)
        self.s.close()
        return heard

    async def alive(self):
        await self.say(message(ALIVE, 99))
        while True:
            m = await self.hear()
            must(m is not None, "the master ended an honest client's connection")
            if m[0] == S_ALIVE:
                return


async def come(p):
    s = socket.socket(socket.AF_UNIX)
    s.setblocking(False)
    while True:
        try:
            s.connect(p.control)
            return Guest(s)
        except BlockingIOError:
            await asyncio.sleep(0.005)


async def setup(play):
    play.options += [f"ControlPath={play.folder}/mux", "ControlMaster=yes"]
    play.client.control = f"{play.folder}/mux"


def attack(visit):
    async def do(p):
        p.visited, p.control = False, p.client.control
        await p.client.address()
        while not os.path.exists(p.control):  # it comes with the connection
            await asyncio.sleep(0.005)
        before = await (await come(p)).greet()
        await visit(p)
        await before.alive()
        before.s.close()
        await (await (await come(p)).greet()).alive()
        p.visited = True
        return
        yield
    return lambda p, m: do(p)


def ended(data, fds=None, greets=True):
    """It says this, and its connection ends. fds: descriptors behind it, each message's in a tuple of its own."""
    async def visit(p):
        g = await come(p)
        if greets:
            await g.greet()
        await g.say(data)
        for some in fds or ():
            with_pipes(g, some)
        await g.until_over()
    return attack(visit)


def with_pipes(g, kinds):
    opened = [os.open("/dev/null", os.O_RDWR) if k == "null" else k for k in kinds]
    g.pass_fds(*opened)
    for fd in opened:
        with contextlib.suppress(OSError):
            os.close(fd)


def refused(data, fds=(), words=b""):
    """It is refused, with an answer, and the connection goes on."""
    async def visit(p):
        g = await (await come(p)).greet()
        await g.say(data)
        for some in fds:
            with_pipes(g, some)
        m = await g.hear()
        must(m is not None and m[0] in (S_FAILURE, S_DENIED) and words in m[1], f"answered by {m}")
        await g.alive()
        g.s.close()
    return attack(visit)


def table(state, section, **more):
    return Table(prefix="mux-", state=state, requires=f"{MUX} {section}", at="open", only="adit", setup=setup, proof=lambda p: p.visited, **{"expect": REFUSE, **more})


# ---- hello ----

H = table("mux/hello", "§1")
for version in (0, 1, 3, 5, 2**31, 2**32 - 1):
    H.row(f"hello-version-{version}", f"version {version}", do=ended(message(HELLO, version), greets=False))
H.row("hello-twice", "HELLO twice", do=ended(GREETING))
H.row("hello-missing", "a request without a HELLO", do=ended(message(ALIVE, 1), greets=False))
H.row("hello-empty", "HELLO without a version", do=ended(message(HELLO), greets=False))
H.row("hello-extension-cut", "an extension that is cut off", do=ended(message(HELLO, 4, u32(100) + b"x"), greets=False))
H.row("hello-extensions", "a thousand extensions", expect=CARRY_ON, do=attack(lambda p: hello_with(p, (string("name@x") + string("value")) * 1000)))
for name, data in {"http": b"GET / HTTP/1.1\r\n\r\n", "ssh": b"SSH-2.0-x\r\n", "zeros": bytes(100), "ones": b"\xff" * 100}.items():
    H.row(f"hello-{name}", f"what is no HELLO: {name}", do=ended(data, greets=False))


async def hello_with(p, extensions):
    g = await come(p)
    await g.hear()
    await g.say(message(HELLO, 4, extensions))
    await g.alive()
    g.s.close()


# ---- messages ----

M = table("mux/request", "§2 to §11")
for n in (0, 1, 3, 2**18 + 1, 2**31, 2**32 - 1):
    M.row(f"length-{n}", f"a length of {n}", do=ended(u32(n) + bytes(64)))
M.row("length-largest", "256 KiB of no known type", do=refused(u32(2**18) + u32(0x10000077) + u32(1) + bytes(2**18 - 8)))
for kind in (0, 2, 0x10000001, 0x10000003, 0x1000000a, 0x7fffffff, S_OK, S_ALIVE, S_EXIT + 100, 2**32 - 1):
    M.row(f"type-{kind:x}", f"a request of type {kind:x}", do=refused(message(kind, 1, *([1] if kind == S_ALIVE else []))))
for kind in (S_EXIT, S_NO_TTY):
    M.row(f"type-{kind:x}", f"what a master says: {kind:x}", do=refused(message(kind, 1, *([1] if kind == S_EXIT else []))))
M.row("type-proxy", "the proxy mode, which is not built", do=refused(message(PROXY, 1)))
REQUESTS = {"alive": message(ALIVE, 1), "open": forward(), "close": forward(what=CLOSE), "session": session(env=string("A=b")), "stdio": stdio(), "stop": message(STOP, 1), "terminate": message(TERMINATE, 1)}
for name, data in REQUESTS.items():
    if name not in ("session",):  # what stands behind a command is the environment
        M.row(f"trailing-{name}", f"{name} with a byte too many", do=ended(u32(len(data) - 4 + 1) + data[4:] + b"\0"))

    async def cuts(p, data):
        """Each length below the right one, said rightly: none of them is served, all are ended or wait for what is missing."""
        async def one(n):
            g = await (await come(p)).greet()
            await g.say(u32(n) + data[4:4 + n])
            if n + 4 == len(data) or (data[4:8] == u32(SESSION) and n >= len(data) - 4 - 7):
                g.s.close()
            else:
                must(all(m[0] != S_OK for m in await g.until_over()), f"a request of {n} bytes was served")
        await at_once(len(data) - 4, one, jobs=20)

    async def ends(p, data):
        async def one(n):
            g = await (await come(p)).greet()
            await g.say(data[:n])
            g.s.close()
        await at_once(len(data), one, jobs=20)

    M.row(f"cut-{name}", f"{name}, cut at every byte", do=attack(lambda p, d=data: cuts(p, d)))
    M.row(f"end-{name}", f"the end at every byte of {name}", expect=CARRY_ON, do=attack(lambda p, d=data: ends(p, d)))
for n in (0, 1, 8, 10, 2**18, 2**31, 2**32 - 1):
    M.row(f"host-says-{n}", f"a forward's host whose length says {n}", do=ended(message(OPEN, 1, 1, u32(n) + b"127.0.0.1", 0, "x", 7)))
    M.row(f"command-says-{n}", f"a command whose length says {n}", do=ended(message(SESSION, 1, "", 0, 0, 0, 0, 0, "xterm", u32(n) + b"true")) if n != 4 else None)
for name, data in {"type-0": forward(0), "type-4": forward(4), "type-2-32-1": forward(2**32 - 1), "listen-port-65536": forward(listen_port=65536), "listen-port-2-32-1": forward(listen_port=2**32 - 1), "port-0": forward(port=0),
                   "port-65536": forward(port=65536), "no-host": forward(host=""), "no-path": forward(listen="", listen_port=2**32 - 2), "to-no-path": forward(host="", port=2**32 - 2), "listen-nowhere": forward(listen="192.0.2.1"),
                   "listen-name": forward(listen="no.such.name.invalid"), "listen-path-long": forward(listen="/" + "a" * 300, listen_port=2**32 - 2), "listen-path-nowhere": forward(listen="/nowhere/x", listen_port=2**32 - 2),
                   "listen-long": forward(listen="a" * 5000), "close-unknown": forward(listen_port=1, what=CLOSE)}.items():
    M.row(f"forward-{name}", f"a forward that cannot be: {name.replace('-', ' ')}", do=refused(data))
for name, text in NASTY.items():
    if b"\0" not in text:
        M.row(f"text-{name}", f"a forward of strange names: {name}", requires="ECMA-48; Unicode", options=("-vvv",), do=refused(forward(listen=text.decode("latin-1")[:90])))
M.row("zero-in-text", "a zero byte in a host", do=ended(forward(listen="127.0.0.1\0x")))
M.row("alive-2000", "2,000 alive checks, whose answers are read late", do=attack(lambda p: flood(p, message(ALIVE, 1), 2000)))
M.row("alive-unread", "alive checks whose answers nobody reads", do=attack(lambda p: unread(p, message(ALIVE, 1) * 100)))
M.row("forwards-60", "60 forwards, opened and closed", expect=CARRY_ON, do=attack(lambda p: forwards(p, 60)))
M.row("open-unread", "forwards whose answers nobody reads", do=attack(lambda p: unread(p, forward() * 20)))
M.row("clients-300", "300 clients that say nothing", expect=CARRY_ON, do=attack(lambda p: crowd(p, 300, b"")))
M.row("clients-half", "100 clients with the half of a large message each", expect=CARRY_ON, do=attack(lambda p: crowd(p, 100, GREETING + u32(2**18) + bytes(2**17 + 2**16))))
M.row("clients-churn", "500 clients that come and go", expect=CARRY_ON, do=attack(lambda p: churn(p, 500)))
M.row("slow", "a request, a byte each 10 ms", expect=CARRY_ON, do=attack(lambda p: slow(p)))


async def flood(p, data, count):
    g = await (await come(p)).greet()
    sending = asyncio.create_task(g.say(data * count))
    heard = 0
    with contextlib.suppress(Unmet):
        while heard < count and await g.hear() is not None:
            heard += 1
    await sending
    g.s.close()


async def unread(p, data):
    """Until it is ended: nobody keeps answers for who does not read them."""
    g = await (await come(p)).greet()
    try:
        for _ in range(2000):
            await asyncio.wait_for(g.loop.sock_sendall(g.s, data), ANSWER_S)
        raise Unmet("it answers for ever who does not read")
    except ConnectionError:
        g.s.close()
    except asyncio.TimeoutError:
        raise Unmet("neither served nor ended") from None


async def forwards(p, count):
    g = await (await come(p)).greet()
    for i in range(count):
        await g.say(forward(listen=f"{os.path.dirname(p.control)}/f{i}", listen_port=2**32 - 2, number=i))
        m = await g.hear()
        must(m == (S_OK, u32(i)), f"a forward was answered by {m}")
    for i in range(count):
        await g.say(forward(listen=f"{os.path.dirname(p.control)}/f{i}", listen_port=2**32 - 2, number=i, what=CLOSE))
        m = await g.hear()
        must(m == (S_OK, u32(i)), f"the end of a forward was answered by {m}")
    g.s.close()


async def crowd(p, count, data):
    """More than are served: those beyond are sent away, or those that take too much."""
    guests = [await come(p) for _ in range(count)]
    for g in guests:
        with contextlib.suppress(OSError):
            await g.say(data)
    await asyncio.sleep(0)
    for g in guests:
        g.s.close()


async def churn(p, count):
    async def one(i):
        g = await come(p)
        await g.say(GREETING + (message(ALIVE, i) if i % 2 else session()))
        g.s.close()
    await at_once(count, one, jobs=20)


async def slow(p):
    g = await (await come(p)).greet()
    for b in message(ALIVE, 5):
        await g.say(bytes([b]))
        await asyncio.sleep(0.01)
    must(await g.hear() is not None, "no answer")
    g.s.close()


# ---- sessions and their descriptors ----

S = table("mux/session", "§4, §5")
S.row("fds-none-end", "no descriptor, and the end", do=attack(lambda p: cut_session(p, 0)))
for n in (1, 2):
    S.row(f"fds-{n}-end", f"{n} of three descriptors, and the end", do=attack(lambda p, n=n: cut_session(p, n)))
S.row("fds-data", "data instead of descriptors", do=ended(session() + b"x"))
S.row("fds-message", "another request instead of descriptors", do=ended(session() + message(ALIVE, 3)))
S.row("fds-silence", "descriptors that do not come, while others are served", expect=CARRY_ON, do=attack(lambda p: waiting(p)))
S.row("fds-many", "250 descriptors in each message", expect=CARRY_ON, do=attack(lambda p: with_many(p)))
S.row("fds-unasked", "descriptors that nobody asked for", expect=CARRY_ON, do=attack(lambda p: unasked(p)))
S.row("stdio-refused", "a stdio forward to port 0", do=refused(stdio(port=0), fds=[("null",), ("null",)]))
S.row("stdio-no-host", "a stdio forward to nobody", do=refused(stdio(host=""), fds=[("null",), ("null",)]))
S.row("stdio-port", "a stdio forward to port 2^20", do=refused(stdio(port=2**20), fds=[("null",), ("null",)]))
S.row("second-session", "two sessions by one client", do=attack(lambda p: second(p)))
S.row("env-1000", "1,000 variables", expect=CARRY_ON, do=attack(lambda p: asked(p, session(env=b"".join(string(f"V{i}") for i in range(1000))))))
S.row("command-200k", "a command of 200,000 bytes", expect=CARRY_ON, do=attack(lambda p: asked(p, session(command="x" * 200000))))
S.row("terminal-of-null", "a terminal that is none", expect=CARRY_ON, do=attack(lambda p: asked(p, session(flags=(1, 1, 1, 0), escape=0x7e, term="\x1b[2J" * 50))))
S.row("subsystem-empty", "a subsystem without a name", expect=CARRY_ON, do=attack(lambda p: asked(p, session(command="", flags=(0, 0, 0, 1)))))
S.row("sessions-20", "twenty sessions at once", expect=CARRY_ON, do=attack(lambda p: at_once(20, lambda i: asked(p, session()))))
S.row("same-socket", "the connection itself as all three descriptors", expect=CARRY_ON, do=attack(lambda p: own_socket(p)))
S.row("directory", "a folder as all three descriptors", expect=CARRY_ON, do=attack(lambda p: with_folder(p)))


async def cut_session(p, n):
    g = await (await come(p)).greet()
    await g.say(session())
    for _ in range(n):
        with_pipes(g, ("null",))
    g.s.shutdown(socket.SHUT_WR)
    await g.until_over()


async def waiting(p):
    guests = [await (await come(p)).greet() for _ in range(20)]
    for g in guests:
        await g.say(session())
        with_pipes(g, ("null",))
    await (await (await come(p)).greet()).alive()
    for g in guests:
        g.s.close()


async def with_many(p):
    """All but the first are closed: the master has not more of them afterwards."""
    fds = f"/proc/{p.client.pid}/fd"
    g = await (await come(p)).greet()
    await g.alive()
    before = len(os.listdir(fds))
    await g.say(session())
    for _ in range(3):
        with_pipes(g, ("null",) * 250)
    await g.hear()
    g.s.close()
    await (await (await come(p)).greet()).alive()
    must(len(os.listdir(fds)) < before + 20, f"{len(os.listdir(fds)) - before} descriptors more")


async def unasked(p):
    g = await (await come(p)).greet()
    before = len(os.listdir(f"/proc/{p.client.pid}/fd"))
    for _ in range(50):
        fd = os.open("/dev/null", os.O_RDWR)
        with contextlib.suppress(ConnectionError, BlockingIOError):
            g.s.sendmsg([message(ALIVE, 1)], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))])
        os.close(fd)
        must(await g.hear() is not None, "no answer")
    must(len(os.listdir(f"/proc/{p.client.pid}/fd")) < before + 10, "descriptors that nobody asked for are kept")
    g.s.close()


async def asked(p, data):
    """Served or refused; the connection ends with the session, or has an answer."""
    g = await (await come(p)).greet()
    await g.say(data)
    for _ in range(3):
        with_pipes(g, ("null",))
    await g.hear()
    g.s.close()


async def second(p):
    g = await (await come(p)).greet()
    for number in (1, 2):
        await g.say(session(command="wait", number=number))
        for _ in range(3):
            with_pipes(g, ("null",))
        m = await g.hear()
        while number == 2 and m and m[0] in (S_EXIT, S_OPENED):
            m = await g.hear()
    must(m is None or m[0] == S_FAILURE, f"the second was answered by {m}")
    g.s.close()


async def own_socket(p):
    g = await (await come(p)).greet()
    await g.say(session())
    for _ in range(3):
        g.pass_fds(g.s.fileno())
    await g.hear()
    g.s.close()


async def with_folder(p):
    g = await (await come(p)).greet()
    await g.say(session())
    for _ in range(3):
        fd = os.open("/", os.O_RDONLY)
        g.pass_fds(fd)
        os.close(fd)
    await g.hear()
    g.s.close()


# ---- a master ----

class Master(Beside):
    """It serves guests honestly up to `at`: hello alive session exit. The command prints nothing and ends with 0."""

    async def serve(self, reader, writer):
        if not await self.answer(writer, "hello", GREETING):
            return
        while True:
            body = await reader.readexactly(struct.unpack(">I", await reader.readexactly(4))[0])
            kind, number = struct.unpack(">I", body[:4])[0], body[4:8]
            if kind == HELLO:
                continue
            if kind == ALIVE:
                if not await self.answer(writer, "alive", message(S_ALIVE, number, os.getpid())):
                    return
            elif kind == SESSION:
                await reader.readexactly(3)  # with the descriptors, which nobody takes
                if not await self.answer(writer, "session", message(S_OPENED, number, 1)):
                    return
                if not await self.answer(writer, "exit", message(S_EXIT, 1, 0)):
                    return
                return
            else:
                writer.write(message(S_FAILURE, number, "no"))


def with_master(at, do):
    async def make(play):
        path = play.folder / "mux"
        play.beside = Master(play, at, do)
        await play.beside.listen(path)
        os.chmod(path, 0o600)
        play.options += [f"ControlPath={path}"]
    return make


G = Table(prefix="mux-master-", at="setup", client="exec", only="adit", requires=f"{MUX} §1 to §4", expect=ERROR)


def lie(at, name, sends, do, says="master|mux|[Cc]ontrol|closed|session", **more):
    G.row(f"{at}-{name}", f"{sends} ({at})", setup=with_master(at, do), state={"hello": "mux-master/hello", "exit": "mux-master/session"}.get(at, "mux-master/answer"),
          **{"says": says, **more})


FALLS_BACK = dict(expect=CARRY_ON)  # the master is not used: the guest makes a connection of its own, as ssh does
for at, falls in (("hello", FALLS_BACK), ("alive", FALLS_BACK), ("session", {**FALLS_BACK, "holds": "request failed|refused"})):
    for n in (0, 1, 3, 2**18 + 1, 2**31, 2**32 - 1):
        lie(at, f"length-{n}", f"a length of {n}", lambda a, h, n=n: u32(n) + h[4:], **falls)
    for n in range(1, 12 if at == "hello" else 16):
        lie(at, f"cut-{n}", f"the first {n} bytes, and the end", lambda a, h, n=n: [h[:n], END], **falls)
    lie(at, "trailing", "a byte too many", lambda a, h: u32(len(h) - 4 + 1) + h[4:] + b"\0", **falls)
    lie(at, "end", "the end", lambda a, h: [END], **falls)
    lie(at, "reset", "a reset", lambda a, h: [RESET], **falls)
    lie(at, "endless", "64 MiB without a sense", lambda a, h: endless(u32(2**18) + b"\xff" * 60), **falls)
    for kind in (2, ALIVE, S_OK, S_PORT, S_EXIT, S_NO_TTY, 2**32 - 1):
        lie(at, f"type-{kind:x}", f"a message of type {kind:x}", lambda a, h, k=kind: message(k, h[8:12], *([0] if k in (S_PORT, S_EXIT) else [])), **falls)
    if at != "hello":
        for number in (0, 77, 2**32 - 1):
            lie(at, f"number-{number}", f"the answer to request {number}", lambda a, h, n=number: h[:8] + u32(n) + h[12:], **falls)
        lie(at, "failure", "FAILURE", lambda a, h: message(S_FAILURE, h[8:12], "no"), **falls)
        lie(at, "denied", "PERMISSION_DENIED", lambda a, h: message(S_DENIED, h[8:12], "no"), **falls)
        for name, text in NASTY.items():
            lie(at, f"text-{name}", f"a refusal's words: {name}", lambda a, h, t=text: message(S_FAILURE, h[8:12], string(t)), **falls)
for version in (0, 3, 5, 2**32 - 1):
    lie("hello", f"version-{version}", f"version {version}", lambda a, h, v=version: message(HELLO, v), **FALLS_BACK)
for pid in (0, 2**31, 2**32 - 1):
    lie("alive", f"pid-{pid}", f"process {pid}", lambda a, h, n=pid: message(S_ALIVE, h[8:12], n), **FALLS_BACK)
for name, do in {"length-0": lambda a, h: u32(0), "length-2-32-1": lambda a, h: u32(2**32 - 1) + h, "cut": lambda a, h: [h[:9], END], "end": lambda a, h: [END], "reset": lambda a, h: [RESET], "type": lambda a, h: message(0x77, 1),
                 "other-session": lambda a, h: message(S_EXIT, 9, 0), "trailing": lambda a, h: u32(13) + h[4:] + b"\0"}.items():
    lie("exit", name, f"instead of the exit status: {name}", do, says="terminated unexpectedly", options=("-vv",))
lie("hello", "silence", "nothing", lambda a, h: [HANG], options=("ConnectTimeout=2",), timeout_ms=2000, **FALLS_BACK)
lie("hello", "slow", "a byte a second", lambda a, h: dripping(h, 1), options=("ConnectTimeout=2",), timeout_ms=4000, **FALLS_BACK)

__all__ = ["Guest", "attack"]
