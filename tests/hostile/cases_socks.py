"""Clients of a -D listener, and of a tunnel's in the daemon, which knows credentials and HTTP CONNECT: RFC 1928, RFC 1929,
the SOCKS4 memos, RFC 9110. Whatever one of them says, that one is refused; the listener, the other connections and the
session carry on: after each attack an honest client of the same listener gets its bytes."""
import asyncio
import base64
import contextlib
import socket

from .case import CARRY_ON, REFUSE, Table
from .visitor import Visitor, at_once, must

HELLO, NONE = b"\5\1\0", b"\5\0"
GRANTED = b"\5\0\0\1\0\0\0\0\0\0"


def request(name=b"echo.test", port=7, command=1, kind=3, version=5, reserved=0):
    address = bytes([len(name)]) + name if kind == 3 else name
    return bytes([version, command, reserved, kind]) + address + port.to_bytes(2, "big")


def reply(code):
    return bytes([5, code, 0, 1]) + bytes(6)


async def come(p):
    return Visitor(await p.client.connect(kind=b"D"))


async def honest(p):
    v = await come(p)
    await v.say(HELLO + request())
    must(await v.hear(12) == NONE + GRANTED, "an honest client got another answer")
    await v.echoes()
    v.end()


def attack(visit, socks=honest):
    """A row's do: an honest client is connected before, the attack, the same one goes on, and a new one comes."""
    async def do(p):
        p.visited = False
        before = await come(p)
        await before.say(p.hello)
        await before.hear(len(p.granted))
        await visit(p)
        await before.echoes()
        before.end()
        await socks(p)
        p.visited = True
        return
        yield

    def start(p, m):
        p.hello, p.granted = HELLO + request(), NONE + GRANTED
        return do(p)
    return start


def refused(data, answer, then=b""):
    """It says this, is answered that, and ended."""
    async def visit(p):
        v = await come(p)
        await v.say(data)
        got = await v.rest()
        must(got == answer, f"answered by {got[:80]!r}")
    return attack(visit)


def closed(data):
    """Whatever is answered (what was not read yet makes the end a reset): it is ended, and nothing was granted."""
    async def visit(p):
        v = await come(p)
        await v.say(data)
        must(b"\5\0\0\1" not in (await v.rest())[2:], "it was granted")
    return attack(visit)


def table(state, requires, prefix="socks-", client="socks", **more):
    return Table(prefix=prefix, state=state, requires=requires, at="open", client=client, only="adit", proof=lambda p: p.visited, **more)


# ---- SOCKS 5: the greeting ----

G = table("socks/greeting", "RFC 1928 §3", expect=REFUSE)
for version in [0, 1, 2, 3, 6, 22, 0x16, 0x80, 255]:
    if version != 0x16:
        G.row(f"version-{version}", f"version {version}", do=refused(bytes([version]) + b"\1\0", b""))
G.row("tls", "a TLS ClientHello", do=refused(b"\x16\3\1\2\0\1\0\1\xfc\3\3" + bytes(500), b""))
G.row("http", "an HTTP request, where HTTP is not taken", do=refused(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b""))
G.row("connect", "an HTTP CONNECT, where HTTP is not taken", do=refused(b"CONNECT x:1 HTTP/1.1\r\n\r\n", b""))
G.row("ssh", "an SSH client", do=refused(b"SSH-2.0-x\r\n", b""))
G.row("no-methods", "no method", do=refused(b"\5\0", b"\5\xff"))
G.row("methods-others", "every method but the one without credentials", do=refused(b"\5\xff" + bytes(range(1, 256)), b"\5\xff"))
G.row("methods-password", "a password alone", do=refused(b"\5\1\2", b"\5\xff"))
G.row("methods-gssapi", "GSSAPI alone", do=refused(b"\5\1\1", b"\5\xff"))
G.row("methods-ff", "the method that means none", do=refused(b"\5\1\xff", b"\5\xff"))
G.row("methods-255-none", "255 times no credentials", expect=CARRY_ON,
      do=attack(lambda p: greeted(p, b"\5\xff" + bytes(255))))


async def greeted(p, hello):
    v = await come(p)
    await v.say(hello)
    must(await v.hear(2) == NONE, "not the method without credentials")
    await v.say(request())
    must(await v.hear(10) == GRANTED, "not granted")
    await v.echoes()
    v.end()


# ---- SOCKS 5: the request ----

R = table("socks/request", "RFC 1928 §4", expect=REFUSE)
for version in (0, 1, 4, 6, 255):
    R.row(f"request-version-{version}", f"a request of version {version}", do=refused(HELLO + request(version=version)[:4], NONE + reply(1)))
for command, what in {0: "nothing", 2: "BIND", 3: "UDP ASSOCIATE", 4: "command 4", 0x80: "command 128", 0xf0: "Tor's RESOLVE", 255: "command 255"}.items():
    R.row(f"command-{command}", what, do=refused(HELLO + request(command=command), NONE + reply(7)))
    R.row(f"command-{command}-ipv4", f"{what}, of an address", do=refused(HELLO + request(b"\x7f\0\0\1", command=command, kind=1), NONE + reply(7)))
    R.row(f"command-{command}-ipv6", f"{what}, of an IPv6 address", do=refused(HELLO + request(bytes(16), command=command, kind=4), NONE + reply(7)))
for kind in (0, 2, 5, 127, 255):
    R.row(f"address-type-{kind}", f"an address of type {kind}", do=refused(HELLO + bytes([5, 1, 0, kind]), NONE + reply(8)))
    R.row(f"address-type-{kind}-bind", f"BIND of an address of type {kind}", do=refused(HELLO + bytes([5, 2, 0, kind]), NONE + reply(7)))
NAMES = {"empty": b"", "zero": b"\0", "zero-inside": b"echo.test\0.evil.test", "zero-end": b"echo.test\0", "newline": b"echo\n.test", "return": b"echo\r\ntest", "blank": b"echo test",
         "tab": b"echo\ttest", "escape": b"\x1b[2J\x1b]0;x\x07", "delete": b"echo\x7f", "controls": bytes(range(1, 32)), "zeros-255": bytes(255)}
for name, text in NAMES.items():
    R.row(f"name-{name}", f"a name: {name.replace('-', ' ')}", do=refused(HELLO + request(text), NONE + reply(1)))
TAKEN = {"reserved": request(reserved=255), "name-255": request(b"a" * 255), "name-1": request(b"a"), "name-c1": request(b"a\x9b2Jb\xc2\x9bc"),
         "name-bidi": request("a\u202e\u2066b".encode()), "name-utf-8": request(b"\xff\xfe\xc0\xaf\xed\xa0\x80"), "name-percent": request(b"%s%n%x%1000d"),
         "name-dots": request(b"..."), "name-dash": request(b"-oProxyCommand=x"), "name-shell": request(b"$(id);`id`|id&"), "name-slash": request(b"../../etc/passwd"),
         "name-brackets": request(b"[::1]"), "port-0": request(port=0), "port-65535": request(port=65535), "ipv4-0": request(bytes(4), kind=1),
         "ipv4-255": request(b"\xff" * 4, kind=1), "ipv6-0": request(bytes(16), kind=4), "ipv6-mapped": request(bytes(10) + b"\xff\xff\x7f\0\0\1", kind=4),
         "ipv6-255": request(b"\xff" * 16, kind=4)}
T = table("socks/request", "RFC 1928 §4, §5", expect=CARRY_ON, options=("-vvv",))
for name, data in TAKEN.items():
    T.row(f"taken-{name}", f"a request that only the server can judge: {name.replace('-', ' ')}", do=attack(lambda p, d=data: taken(p, d)))


async def taken(p, data):
    v = await come(p)
    await v.say(HELLO + data)
    must(await v.hear(12) == NONE + GRANTED, "another answer")
    await v.echoes()
    v.end()


# ---- SOCKS 4 and 4a ----

def four(address=b"\0\0\0\1", port=7, command=1, user=b"", name=b"echo.test\0"):
    return bytes([4, command]) + port.to_bytes(2, "big") + address + user + b"\0" + name


NO_FOUR = b"\0\x5b" + bytes(6)
F = table("socks/request", "SOCKS 4A", expect=REFUSE)
for command in (0, 2, 3, 255):
    F.row(f"four-command-{command}", f"SOCKS 4, command {command}", do=refused(four(command=command), NO_FOUR))
for name, text in {k: v for k, v in NAMES.items() if b"\0" not in v}.items():
    F.row(f"four-name-{name}", f"SOCKS 4A, a name: {name.replace('-', ' ')}", do=refused(four(name=text + b"\0"), NO_FOUR))
F.row("four-name-256", "a name of 256 bytes", do=refused(four(name=b"a" * 256 + b"\0"), NO_FOUR))
F.row("four-name-endless", "a name without an end", do=closed(four(name=b"a" * 100000)))
F.row("four-user-endless", "a user id without an end", do=closed(b"\4\1\0\7\0\0\0\1" + b"u" * 100000))
F.row("four-user-257", "a user id of 257 bytes", expect=CARRY_ON, do=attack(lambda p: fourth(p, four(user=b"u" * 257))))
F.row("four-user-controls", "a user id of control characters", expect=CARRY_ON, do=attack(lambda p: fourth(p, four(user=bytes(range(1, 256))))))


async def fourth(p, data):
    v = await come(p)
    await v.say(data)
    must(await v.hear(8) == b"\0\x5a" + bytes(6), "not granted")
    await v.echoes()
    v.end()


# ---- cut, slow, silent, many ----

WHOLE = {"five": HELLO + request(), "five-ipv6": HELLO + request(bytes(15) + b"\1", kind=4), "four": four(user=b"u"), "four-ipv4": four(b"\x0a\0\0\1", name=b"")}
C = table("socks/greeting", "RFC 1928 §3, §4", expect=CARRY_ON)


def cut(data, how):
    async def one(p, n):
        v = await come(p)
        await v.say(data[:n])
        if how == "half":  # no more comes, but it would still hear
            v.end_sending()
            await v.rest()
        else:
            getattr(v, how)()
    return attack(lambda p: at_once(len(data), lambda n: one(p, n)))


async def in_bytes(p, data, after):
    v = await come(p)
    for b in data:
        await v.say(bytes([b]))
        await asyncio.sleep(0.01)
    await v.hear(after)
    await v.echoes()
    v.end()


for name, data in WHOLE.items():
    for how in ("end", "reset", "half"):
        C.row(f"{name}-cut-{how}", f"every prefix of a request, and {'a reset' if how == 'reset' else 'the end'}" + (" of sending" if how == "half" else ""), do=cut(data, how))
    C.row(f"{name}-bytes", "a request, a byte each 10 ms", do=attack(lambda p, d=data: in_bytes(p, d, 12 if d[0] == 5 else 8)))

LATE = 30000  # handshake.c: HANDSHAKE_MS


async def half_open(p, count, data):
    """So many that say this and no more: each is ended in time."""
    visitors = await at_once(count, lambda i: come(p))
    for i, v in enumerate(visitors):
        v.writer.write(data[:i % len(data)])
    await honest(p)
    await asyncio.gather(*(v.rest(LATE / 1000 + 20) for v in visitors))


async def bounded(p, count, data):
    """So many at once, which then go away."""
    port, visitors = await p.client.address(b"D"), []
    try:
        for i in range(count):
            s = socket.socket()
            s.setblocking(False)
            visitors.append(s)
            await asyncio.get_running_loop().sock_connect(s, ("127.0.0.1", port))
            with contextlib.suppress(ConnectionError):
                s.send(data)
        await honest(p)
    finally:
        for s in visitors:
            s.close()


C.row("silence", "nothing, or a part of a request, by sixty of them", do=attack(lambda p: half_open(p, 60, HELLO + request())), timeout_ms=LATE)
for name, data in {"nothing": b"", "cut": HELLO + request()[:-1], "four": four(user=b"u" * 250)[:-1]}.items():
    C.row(f"flood-{name}", f"2,000 connections that say no more than: {name}", do=attack(lambda p, d=data: bounded(p, 2000, d)))


async def churn(p, count, data):
    async def one(i):
        v = await come(p)
        await v.say(data)
        v.reset() if i % 2 else v.end()
    await at_once(count, one)


C.row("churn", "1,000 that come and go", do=attack(lambda p: churn(p, 1000, b"")))
C.row("churn-requests", "300 that ask and go before they are answered", do=attack(lambda p: churn(p, 300, HELLO + request())))


async def pipelined(p, n):
    """What stands behind the request is the target's."""
    v = await come(p)
    await v.say(HELLO + request() + (HELLO + request()) * n)
    must(await v.hear(12) == NONE + GRANTED, "another answer")
    must(await v.hear(n * len(HELLO + request())) == (HELLO + request()) * n, "what stood behind the request was changed")
    v.end()


async def eager(p):
    """Four MiB at once, read only when all is written."""
    v = await come(p)
    data = HELLO + request() + bytes(4 * 2**20)
    writing = asyncio.create_task(v.say(data))
    must(await v.hear(12) == NONE + GRANTED, "another answer")
    for _ in range(64):
        await v.hear(65536)
    await writing
    v.end()


C.row("pipelined", "a thousand requests in one go", do=attack(lambda p: pipelined(p, 1000)))
C.row("eager", "4 MiB behind the request, before it is answered", do=attack(eager))
C.row("nothing-read", "a hundred that read none of their answers", do=attack(lambda p: unread(p)))


async def unread(p):
    visitors = await at_once(100, lambda i: come(p))
    for v in visitors:
        v.reader._transport.pause_reading()
        v.writer.write(HELLO + request() + bytes(16384))
    await honest(p)
    for v in visitors:
        v.reset()


# ---- with credentials, and HTTP CONNECT: a tunnel of the daemon ----

WORD = "wrong horse battery"


async def with_credentials(play):
    path = play.folder / "socks-password"
    path.write_text(WORD + "\n")
    path.chmod(0o600)
    play.options += ["DynamicForward 127.0.0.1:0", "SocksUser alice", f"SocksPasswordFile {path}"]


async def with_dynamic(play):
    play.options += ["DynamicForward 127.0.0.1:0"]


def login(user=b"alice", word=WORD.encode(), version=1):
    return bytes([version, len(user)]) + user + bytes([len(word)]) + word


def named(hello, answer):
    """An honest client of such a listener."""
    async def visit(p):
        v = await come(p)
        await v.say(hello)
        must(await v.hear(len(answer)) == answer, "an honest client got another answer")
        await v.echoes()
        v.end()
    return visit


BASIC = base64.b64encode(b"alice:" + WORD.encode()).decode()
OK = b"HTTP/1.1 200 Connection established\r\n\r\n"
LOGIN = (b"\5\1\2" + login() + request(), b"\5\2\1\0" + GRANTED)


def attack_on(honest_one, visit):
    async def do(p):
        p.visited = False
        before = await come(p)
        await before.say(honest_one[0])
        must(await before.hear(len(honest_one[1])) == honest_one[1], "an honest client got another answer")
        await visit(p)
        await before.echoes()
        before.end()
        await named(*honest_one)(p)
        p.visited = True
        return
        yield
    return lambda p, m: do(p)


def denied(data, answer, honest_one=LOGIN):
    async def visit(p):
        v = await come(p)
        await v.say(data)
        got = await v.rest()
        must(got == answer if isinstance(answer, bytes) else answer(got), f"answered by {got[:100]!r}")
    return attack_on(honest_one, visit)


U = table("socks/login", "RFC 1929 §2", client="daemon", setup=with_credentials, expect=REFUSE)
U.row("login-not-offered", "no credentials are offered", do=denied(HELLO, b"\5\xff"))
U.row("login-skipped", "the request without the credentials", do=denied(b"\5\1\2" + request(), b"\5\2\1\1"))
for name, data in {"user": login(b"alicf"), "password": login(word=b"x"), "empty-user": login(b""), "empty-password": login(word=b""), "both-empty": login(b"", b""),
                   "user-longer": login(b"alice\0"), "password-longer": login(word=WORD.encode() + b"\0"), "password-shorter": login(word=WORD.encode()[:-1]),
                   "longest": login(b"u" * 255, b"p" * 255), "swapped": login(WORD.encode(), b"alice"), "zeros": login(bytes(5), bytes(len(WORD)))}.items():
    U.row(f"login-{name}", f"credentials: {name.replace('-', ' ')}", do=denied(b"\5\1\2" + data, b"\5\2\1\1"))
for version in (0, 2, 5, 255):
    U.row(f"login-version-{version}", f"credentials of version {version}", do=denied(b"\5\1\2" + login(version=version)[:2], b"\5\2\1\1"))
U.row("login-four", "SOCKS 4, which has none", requires="SOCKS 4", do=denied(four(), NO_FOUR))
U.row("login-methods-both", "both methods: the one with credentials is taken", expect=CARRY_ON,
      do=attack_on(LOGIN, named(b"\5\2\0\2" + login() + request(), b"\5\2\1\0" + GRANTED)))


def connect(target="echo.test:7", *lines, version="HTTP/1.1", method="CONNECT", end="\r\n"):
    text = end.join([f"{method} {target} {version}", *lines, "", ""])
    return text.encode("latin-1")


AUTHORIZED = f"Proxy-Authorization: Basic {BASIC}"
H = table("connect/headers", "RFC 7617 §2", prefix="connect-", client="daemon", setup=with_credentials, expect=REFUSE)


def is_407(got):
    return got.startswith(b"HTTP/1.1 407 ")


for name, line in {"none": "Host: x", "other-scheme": "Proxy-Authorization: Digest x", "no-scheme": "Proxy-Authorization: x", "empty": "Proxy-Authorization:", "not-base64": "Proxy-Authorization: Basic !!!!",
                   "base64-cut": f"Proxy-Authorization: Basic {BASIC[:-1]}", "no-colon": "Proxy-Authorization: Basic " + base64.b64encode(b"alice").decode(),
                   "wrong": "Proxy-Authorization: Basic " + base64.b64encode(b"alice:x").decode(), "zero": "Proxy-Authorization: Basic " + base64.b64encode(b"alice\0:" + WORD.encode()).decode(),
                   "as-authorization": f"Authorization: Basic {BASIC}", "twice": AUTHORIZED + "\r\nProxy-Authorization: Basic YTpi", "huge": "Proxy-Authorization: Basic " + "A" * 4000}.items():
    H.row(f"login-{name}", f"credentials: {name.replace('-', ' ')}", do=denied(connect("echo.test:7", line), is_407))
H.row("login-right", "right credentials", expect=CARRY_ON, do=attack_on(LOGIN, named(connect("echo.test:7", AUTHORIZED), OK)))

PLAIN = (connect(), OK)
K = table("connect/line", "RFC 9110 §9.3.6; RFC 9112 §3", prefix="connect-", client="daemon", setup=with_dynamic, expect=REFUSE)


def is_400(got):
    return got.startswith(b"HTTP/1.1 400 ")


for name, target in {"no-port": "echo.test", "port-empty": "echo.test:", "port-0": "echo.test:0", "port-65536": "echo.test:65536", "port-huge": "echo.test:99999999999999999999", "port-sign": "echo.test:+7",
                     "port-letters": "echo.test:7x", "no-host": ":7", "empty": "", "url": "http://echo.test:7/", "path": "/", "user": "user@echo.test:7", "two-ports": "a:1:2", "bracket": "[::1:7", "brackets-empty": "[]:7",
                     "brackets-name": "[echo.test]:7", "zone": "[fe80::1%25eth0]:7", "blank": "echo test:7", "tab": "echo\ttest:7", "zero": "echo\0test:7", "escape": "\x1b[2J:7", "query": "echo.test?x:7",
                     "host-256": "a" * 256 + ":7", "host-8000": "a" * 8000 + ":7"}.items():
    K.row(f"target-{name}", f"a target: {name.replace('-', ' ')}", do=denied(connect(target), is_400, PLAIN))
for method in ("GET", "POST", "connect", "CONNECTX", "PRI", "A" * 3000):
    K.row(f"method-{method[:8].lower()}{'-small' if method == 'connect' else ''}", f"method {method[:12]}", do=denied(connect(method=method), lambda got: is_400(got) or got == b"", PLAIN))
for version in ("HTTP/0.9", "HTTP/2.0", "HTTP/1.", "HTTP/1.x", "HTTP/1.11", "http/1.1", "FTP/1.1", ""):
    K.row(f"version-{version.replace('/', '-').replace('.', '-').lower().strip('-') or 'none'}{'-small' if version == 'http/1.1' else ''}", f"version {version!r}", do=denied(connect(version=version), is_400, PLAIN))
B = table("connect/headers", "RFC 9112 §5, §6", prefix="connect-", client="daemon", setup=with_dynamic, expect=REFUSE)
for name, lines in {"chunked": ["Transfer-Encoding: chunked"], "length": ["Content-Length: 5"], "length-twice": ["Content-Length: 0", "Content-Length: 5"], "length-negative": ["Content-Length: -1"], "blank-before-colon": ["Host : x"],
                    "folded": ["A: b", " c: d"], "no-colon": ["what"], "empty-name": [": x"], "control-in-name": ["a\x01b: c"], "zero-in-name": ["a\0b: c"], "lines-10000": ["A: b"] * 10000, "line-100000": ["A: " + "b" * 100000]}.items():
    B.row(f"headers-{name}", f"headers: {name.replace('-', ' ')}", do=denied(connect("echo.test:7", *lines), lambda got: is_400(got) or got == b"", PLAIN))
B.row("headers-lf", "lines that end with LF alone", requires="RFC 9112 §2.2", expect=CARRY_ON, do=attack_on(PLAIN, named(connect(end="\n"), OK)))
B.row("headers-escape", "escapes in a header's value", expect=CARRY_ON, do=attack_on(PLAIN, named(connect("echo.test:7", "User-Agent: \x1b[2J\x1b]0;x\x07"), OK)))


async def connect_cut(p, how):
    data = connect("echo.test:7", "Host: x")

    async def one(n):
        v = await come(p)
        await v.say(data[:n])
        getattr(v, how)()
    await at_once(len(data), one)


for how in ("end", "reset"):
    B.row(f"cut-{how}", f"every prefix of a CONNECT, and {how}", expect=CARRY_ON, do=attack_on(PLAIN, lambda p, how=how: connect_cut(p, how)))
B.row("bytes", "a CONNECT, a byte each 10 ms", expect=CARRY_ON, do=attack_on(PLAIN, lambda p: connect_bytes(p)))


async def connect_bytes(p):
    v = await come(p)
    for b in connect():
        await v.say(bytes([b]))
        await asyncio.sleep(0.01)
    must(await v.hear(len(OK)) == OK, "another answer")
    await v.echoes()
    v.end()


__all__ = ["attack", "come"]
