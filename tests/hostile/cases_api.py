"""Clients of the daemon's API, on its Unix socket and on TCP: RFC 9110, RFC 9112, RFC 8259, adit-api(7). Whatever one of them
says, the daemon answers others, its tunnel carries bytes, and its memory stays: after each attack an honest client asks on both
ways, and the verbs that show names are run, whose output the runner looks at."""
import asyncio
import json

from .case import CARRY_ON, REFUSE, Table, Unmet
from .cases_text import NASTY
from .visitor import ANSWER_S, Visitor, at_once, must

REQUEST_MS = 10000  # httpd.h: HTTPD_REQUEST_MS


async def unix(p):
    try:
        return Visitor(await asyncio.open_unix_connection(str(p.client.folder / "sock")))
    except BlockingIOError:  # as many wait as the kernel lets wait
        await asyncio.sleep(0.01)
        return await unix(p)


async def tcp(p):
    return Visitor(await asyncio.open_connection("127.0.0.1", p.client.api))


def http(method="GET", path="/version", headers=(), body=b"", host=None, token=None):
    """host and token: (p) -> str; None of them is sent when it is not given."""
    def make(p):
        lines = [f"{method} {path} HTTP/1.1"]
        if host != "":
            lines.append(f"Host: {host or '127.0.0.1'}" + (f":{p.client.api}" if host is None else ""))
        if token != "":
            lines.append(f"Authorization: {token or 'Bearer ' + p.client.token}")
        if body and not any(h.lower().startswith(("content-length", "transfer-encoding")) for h in headers):
            lines.append(f"Content-Length: {len(body)}")
        if body and not any(h.lower().startswith("content-type") for h in headers):
            lines.append("Content-Type: application/json")
        lines += [h.replace("PORT", str(p.client.api)) for h in headers]
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + body
    return make


async def answer(v):
    """Status and body of one answer with a Content-Length."""
    head = await asyncio.wait_for(v.reader.readuntil(b"\r\n\r\n"), ANSWER_S)
    lines = head.decode("latin-1").split("\r\n")
    length = next((int(line.split(":")[1]) for line in lines if line.lower().startswith("content-length:")), 0)
    return int(lines[0].split()[1]), await v.hear(length)


async def ask(p, way, request):
    v = await way(p)
    try:
        await v.say(request(p))
        return await answer(v)
    except (asyncio.IncompleteReadError, asyncio.TimeoutError, ConnectionError) as e:
        raise Unmet(f"an honest request got no answer: {e!r}") from None
    finally:
        v.end()


async def honest(p):
    for way in (unix, tcp):
        status, body = await ask(p, way, http())
        must(status == 200 and json.loads(body)["api"] == 1, f"an honest request got {status}")


async def shown(p):
    """Names as a person sees them."""
    for words in (("list",), ("status",), ("logs",)):
        await p.client.verb(*words)


def attack(visit, shows=False):
    async def do(p):
        p.visited = False
        await p.client.address()
        p.client.api = int((await p.client.said(rb"listen=http://127\.0\.0\.1:(\d+)", p.client.err))[1])
        p.client.token = (p.client.folder / "state" / "token").read_text().strip()
        await visit(p)
        await honest(p)
        if shows:
            await shown(p)
        p.visited = True
        return
        yield
    return lambda p, m: do(p)


def answered(request, status, way=tcp, **more):
    """It gets this status (a set of them; 0: the end without a word). The end of what it sends may be seen only when the time
    for a request is over."""
    statuses = {status} if isinstance(status, int) else set(status)

    async def visit(p):
        v = await way(p)
        await v.say(request(p) if callable(request) else request)
        if 0 in statuses:
            v.end_sending()
        try:
            head = await asyncio.wait_for(v.reader.readuntil(b" "), REQUEST_MS / 1000 + 3)
            got = int(await v.reader.readexactly(3)) if head.startswith(b"HTTP/1.") else -1
        except (asyncio.IncompleteReadError, ConnectionError):
            got = 0
        except asyncio.TimeoutError:
            raise Unmet("neither an answer nor an end") from None
        v.end()
        must(got in statuses, f"answered by {got}")
    return attack(visit, **more)


def table(state, requires, **more):
    return Table(prefix="api-", state=state, requires=requires, at="open", client="daemon", only="adit", proof=lambda p: p.visited,
                 **{"expect": REFUSE, **more})


# ---- what is no HTTP, or not all of it ----

C = table("api/connection", "RFC 9112 §2.2, §3")
RUBBISH = {"tls": b"\x16\3\1\2\0\1\0\1\xfc\3\3" + bytes(500), "ssh": b"SSH-2.0-x\r\n\r\n", "socks": b"\5\1\0\r\n\r\n", "http-2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "http-0-9": b"GET /version\r\n\r\n",
           "http-3-0": b"GET /version HTTP/3.0\r\n\r\n", "words": b"hello there how are you\r\n\r\n", "zeros": bytes(1000) + b"\r\n\r\n", "blank-lines": b"\r\n" * 100 + b"x\r\n\r\n", "escapes": b"\x1b[2J\x1b]0;x\x07 / HTTP/1.1\r\n\r\n"}
for name, data in RUBBISH.items():
    for word, way in (("tcp", tcp), ("unix", unix)):
        C.row(f"rubbish-{name}-{word}", f"what is no request: {name}", do=answered(data, {0, 200, 400, 401, 403, 404, 405, 505} - {200}, way, shows=name == "escapes"))
for word, way in (("tcp", tcp), ("unix", unix)):
    async def prefixes(p, way, how):
        data = http("POST", "/tunnels", body=b'{"name": "x"}')(p)

        async def one(n):
            v = await way(p)
            await v.say(data[:n])
            getattr(v, how)()
        await at_once(len(data), one, jobs=32)

    for how in ("end", "reset"):
        C.row(f"cut-{word}-{how}", f"every prefix of a request, and {how}", expect=CARRY_ON, do=attack(lambda p, way=way, how=how: prefixes(p, way, how)))

    async def silent(p, way, data, count):
        visitors = await at_once(count, lambda i: way(p), jobs=32)
        for v in visitors:
            v.writer.write(data)
        await ask(p, unix, http())
        await asyncio.gather(*(v.rest(REQUEST_MS / 1000 + 5) for v in visitors))

    for name, data in {"nothing": b"", "line": b"GET /version HTT", "headers": b"GET /version HTTP/1.1\r\nHost: ", "body": b"POST /tunnels HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"}.items():
        C.row(f"silence-{name}-{word}", f"twenty that say no more than: {name}", timeout_ms=REQUEST_MS, do=attack(lambda p, way=way, data=data: silent(p, way, data, 20)))

    async def drip(p, way):
        """A byte each tenth of a second: the request as a whole has its time."""
        async def one(_):
            v = await way(p)
            ended = asyncio.ensure_future(v.rest(REQUEST_MS / 1000 + 5))
            for b in b"GET /version HTTP/1.1\r\nA: " + b"b" * 1000:
                v.writer.write(bytes([b]))
                done, _ = await asyncio.wait({ended}, timeout=0.1)
                if done:
                    break
            await ended
        await at_once(20, one)

    C.row(f"slow-{word}", "twenty requests, a byte each tenth of a second", timeout_ms=REQUEST_MS, do=attack(lambda p, way=way: drip(p, way)))

    async def crowd(p, way, count, data):
        """More than there are places for; those of the other way have theirs."""
        visitors = []
        try:
            for _ in range(count):
                v = await asyncio.wait_for(way(p), 0.2)
                v.writer.write(data)
                visitors.append(v)
        except asyncio.TimeoutError:  # nobody takes them any more: so it should be
            pass
        await ask(p, unix if way is tcp else tcp, http())
        for v in visitors:
            v.reset()

    for name, data in {"silent": b"", "asking": b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", "headers-30k": b"GET / HTTP/1.1\r\nA: " + b"b" * 30000,
                       "body-1m": b"POST /tunnels HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n" + b" " * 999000}.items():
        C.row(f"crowd-{name}-{word}", f"700 connections at once: {name}", expect=CARRY_ON, do=attack(lambda p, way=way, data=data: crowd(p, way, 700 if len(data) < 50000 else 60, data)))

    async def pipeline(p, way, count):
        v = await way(p)
        writing = asyncio.create_task(v.say(http("GET", "/tunnels")(p) * count))
        for _ in range(count):
            must((await answer(v))[0] == 200, "one of many requests in a row failed")
        await writing
        v.end()

    C.row(f"pipeline-{word}", "300 requests in one go", requires="RFC 9112 §9.3.2", expect=CARRY_ON, do=attack(lambda p, way=way: pipeline(p, way, 300)))

    async def unread(p, way):
        """Answers that nobody reads."""
        visitors = await at_once(10, lambda i: way(p))
        for v in visitors:
            v.reader._transport.pause_reading()
            v.writer.write(http("GET", "/openapi.json")(p) * 20)
        await ask(p, unix, http())
        for v in visitors:
            v.reset()

    C.row(f"unread-{word}", "ten that ask twenty times for the longest answer and read none", expect=CARRY_ON, do=attack(lambda p, way=way: unread(p, way)))

# ---- who may ask: TCP ----

A = table("api/headers", "adit-api(7)")
for name, host in {"missing": "", "other": "evil.test:PORT", "no-port": "127.0.0.1", "other-port": "127.0.0.1:1", "longer": "127.0.0.1.evil.test:PORT", "user": "x@127.0.0.1:PORT", "zero-address": "0.0.0.0:PORT",
                   "number": "2130706433:PORT", "mapped": "[::ffff:127.0.0.1]:PORT", "dot": "localhost.:PORT", "port-zeros": "127.0.0.1:0PORT", "blank": "127.0.0.1 :PORT", "list": "127.0.0.1:PORT, evil.test",
                   "name-longer": "localhost.evil.test:PORT", "escape": "\x1b[2J:PORT"}.items():
    lines = [f"Host: {host}"] if host else []
    A.row(f"host-{name}", f"Host: {name.replace('-', ' ')}", do=answered(http(host="", headers=lines), {400, 403}))
A.row("host-twice", "Host twice", do=answered(http(headers=["Host: evil.test"]), {400, 403}))
A.row("host-twice-before", "Host twice, the wrong one first", do=answered(http(host="", headers=["Host: evil.test", "Host: 127.0.0.1:PORT"]), {400, 403}))
for name, origin in {"other": "http://evil.test", "null": "null", "https": "https://127.0.0.1:PORT", "other-port": "http://127.0.0.1:1", "longer": "http://127.0.0.1:PORT.evil.test", "path": "http://127.0.0.1:PORT/", "empty": "",
                     "file": "file://", "user": "http://127.0.0.1:PORT@evil.test"}.items():
    A.row(f"origin-{name}", f"Origin: {name.replace('-', ' ')}", do=answered(http(headers=[f"Origin: {origin}"]), 403))
A.row("origin-twice", "Origin twice", do=answered(http(headers=["Origin: http://127.0.0.1:PORT", "Origin: http://evil.test"]), 403))
for name, token in {"missing": "", "empty": "Bearer ", "wrong": "Bearer " + "0" * 64, "zeros": "Bearer 0", "long": "Bearer " + "a" * 5000, "basic": "Basic YTpi", "scheme-alone": "Bearer", "no-scheme": "0" * 64,
                    "escape": "Bearer \x1b[2J", "high": "Bearer \xff\xfe"}.items():
    A.row(f"token-{name}", f"a token: {name.replace('-', ' ')}", do=answered(http(token=token), 401))
for name, change in {"cut": lambda t: t[:-1], "longer": lambda t: t + "0", "first": lambda t: ("1" if t[0] == "0" else "0") + t[1:], "last": lambda t: t[:-1] + ("1" if t[-1] == "0" else "0"), "capitals": lambda t: t.upper() + "A"}.items():
    A.row(f"token-{name}", f"the token, changed: {name}", do=answered(lambda p, c=change: http(token="Bearer " + c(p.client.token))(p), 401))
A.row("token-in-query", "the token where logs would have it", do=answered(lambda p: http(path=f"/version?token={p.client.token}", token="")(p), 401))
A.row("token-in-cookie", "the token in a cookie", do=answered(lambda p: http(token="", headers=[f"Cookie: token={p.client.token}"])(p), 401))
for name, body in {"small": b"{}", "1m": b" " * 2**20}.items():
    A.row(f"token-missing-body-{name}", "a body without the token", do=answered(http("POST", "/tunnels", token="", body=body), 401))

# ---- headers and framing ----

F = table("api/headers", "RFC 9112 §3, §5, §6")
POST = ("POST", "/tunnels")
for way_name, way in (("tcp", tcp), ("unix", unix)):
    for name, (lines, body) in {
            "length-negative": (["Content-Length: -1"], b"{}"), "length-words": (["Content-Length: two"], b"{}"), "length-2-64": (["Content-Length: 18446744073709551616"], b"{}"),
            "length-2-64-1": (["Content-Length: 18446744073709551615"], b"{}"), "length-2-63": (["Content-Length: 9223372036854775808"], b"{}"), "length-plus": (["Content-Length: +2"], b"{}"),
            "length-hex": (["Content-Length: 0x2"], b"{}"), "length-list": (["Content-Length: 2, 2"], b"{}"), "length-differs": (["Content-Length: 2", "Content-Length: 200"], b"{}"),
            "length-empty": (["Content-Length:"], b"{}"), "length-and-chunked": (["Content-Length: 2", "Transfer-Encoding: chunked"], b"2\r\n{}\r\n0\r\n\r\n"),
            "chunk-negative": (["Transfer-Encoding: chunked"], b"-1\r\n{}\r\n0\r\n\r\n"), "chunk-words": (["Transfer-Encoding: chunked"], b"zz\r\n{}\r\n0\r\n\r\n"), "chunk-2-64": (["Transfer-Encoding: chunked"], b"10000000000000000\r\n{}\r\n0\r\n\r\n"),
            "chunk-huge": (["Transfer-Encoding: chunked"], b"ffffffffffffffff\r\n{}\r\n0\r\n\r\n"), "chunk-no-end": (["Transfer-Encoding: chunked"], b"2\r\n{}xx\r\n0\r\n\r\n"), "chunk-empty-line": (["Transfer-Encoding: chunked"], b"\r\n\r\n"),
            "chunk-extension-long": (["Transfer-Encoding: chunked"], b"2;" + b"x" * 100000 + b"\r\n{}\r\n0\r\n\r\n"), "encoding-gzip": (["Transfer-Encoding: gzip"], b"\x1f\x8b\x08"), "encoding-twice": (["Transfer-Encoding: chunked, chunked"], b"2\r\n{}\r\n0\r\n\r\n"),
            "encoding-identity": (["Transfer-Encoding: identity"], b"{}"), "encoding-unknown": (["Transfer-Encoding: \x1b[2J"], b"{}")}.items():
        F.row(f"{name}-{way_name}", f"a body's frame: {name.replace('-', ' ')}", do=answered(http(*POST, headers=lines, body=body), {0, 400, 401, 413, 415, 501}, way))
    for name, request in {
            "line-40k": http(path="/" + "a" * 40000), "query-40k": http(path="/version?" + "a=b&" * 10000), "header-40k": http(headers=["A: " + "b" * 40000]), "headers-5000": http(headers=["A: b"] * 5000),
            "header-no-colon": http(headers=["what is this"]), "header-blank": http(headers=["A : b"]), "header-empty": http(headers=[": b"]), "header-zero": http(headers=["A: b\0c"]), "header-folded": http(headers=["A: b", " c"]),
            "header-control": http(headers=["A\x01: b"]), "header-return": http(headers=["A: b\rc"]), "method-long": http("A" * 3000), "method-empty": http(""), "method-control": http("\x01"), "method-trace": http("TRACE"), "method-connect": http("CONNECT", "127.0.0.1:1"),
            "method-small": http("get"), "method-options": http("OPTIONS", "*"), "method-patch": http("PATCH", "/tunnels"), "path-none": http(path=""), "path-relative": http(path="version"), "path-url": http(path="http://evil.test/version"),
            "path-dots": http(path="/../../etc/passwd"), "path-percent": http(path="/tunnels/%"), "path-percent-zero": http(path="/tunnels/%00"), "path-percent-high": http(path="/tunnels/%ff%fe"), "path-percent-dots": http(path="/tunnels/..%2f..%2f"),
            "path-escape": http(path="/tunnels/%1b%5b2J"), "path-30k": http(path="/tunnels/" + "%41" * 8000), "expect-other": http(*POST, headers=["Expect: 42"], body=b"[]"), "upgrade": http(headers=["Connection: Upgrade", "Upgrade: websocket"])}.items():
        F.row(f"{name}-{way_name}", f"a request: {name.replace('-', ' ')}", do=answered(request, set(range(400, 506)) | {0} | ({200} if name in (
            "header-folded", "header-blank", "header-empty", "header-control", "header-no-colon", "header-return", "upgrade", "header-zero", "query-40k", "path-url", "path-relative", "headers-5000") else set()), way, shows="escape" in name))

# ---- bodies ----

B = table("api/body", "RFC 8259; adit-api(7)")
T = {"name": "x", "host": "127.0.0.1", "port": 22, "profile_id": "default", "forward_type": "local", "local_port": 0, "remote_host": "echo.test", "remote_port": 7}


def with_field(name, value):
    return json.dumps({**T, name: value}).encode()


def raw_field(name, text):
    """text: the value as it stands there."""
    return json.dumps({k: v for k, v in T.items() if k != name}).encode()[:-1] + b', "' + name.encode() + b'": ' + text + b"}"


BODIES = {
    "empty": b"", "blank": b"   ", "cut": b'{"name": "x"', "array": b"[]", "number": b"1", "text": b'"x"', "null": b"null", "words": b"hello", "two": b"{}{}", "trailing": b"{} x", "bom": b"\xef\xbb\xbf{}", "utf-16": '{"a":1}'.encode("utf-16"),
    "deep-17": b"[" * 17 + b"]" * 17, "deep-17-inside": b'{"a":' * 17 + b"1" + b"}" * 17, "deep-500000": b"[" * 500000, "deep-1m-objects": b'{"a":' * 200000, "deep-in-text": b'{"' + b"[" * 1000 + b'":',
    "duplicate": b'{"name": "a", "name": "b"}', "duplicate-escaped": b'{"name": "a", "n\\u0061me": "b"}', "zero-byte": b'{"name": "a\0b"}', "zero-escaped": b'{"name": "a\\u0000b"}', "zero-key": b'{"na\\u0000me": 1}',
    "surrogate": b'{"name": "\\ud800"}', "surrogate-low": b'{"name": "\\udc00x"}', "utf-8-bad": b'{"name": "\xff\xfe"}', "utf-8-long": b'{"name": "\xc0\xaf"}', "utf-8-surrogate": b'{"name": "\xed\xa0\x80"}', "utf-8-big": b'{"name": "\xf4\x90\x80\x80"}',
    "control": b'{"name": "a\x1b[2J"}', "number-huge": raw_field("port", b"9" * 1000), "number-real-huge": raw_field("port", b"1e999"), "number-minus-0": raw_field("port", b"-0.0"), "nan": raw_field("port", b"NaN"), "members-50000": b"{" + b",".join(
        b'"k%d":1' % i for i in range(50000)) + b"}", "unknown-member": with_field("\x1b[2Jwhat", 1), "comments": b'{/* x */"name": "x"}', "single-quotes": b"{'name': 'x'}", "key-long": b'{"' + b"k" * 900000 + b'": 1}'}
for name, body in BODIES.items():
    for word, way in (("tcp", tcp), ("unix", unix)):
        B.row(f"json-{name}-{word}", f"a body: {name.replace('-', ' ')}", do=answered(http(*POST, body=body, headers=["Content-Type: application/json", f"Content-Length: {len(body)}"]), 400, way, shows=name == "unknown-member"))
for n, status in ((2**20 + 1, 413), (2**22, 413)):
    B.row(f"large-{n}", f"a body of {n} bytes", do=answered(http(*POST, body=b" " * n), status))
for name, kind in {"text": "text/plain", "form": "application/x-www-form-urlencoded", "multipart": "multipart/form-data; boundary=x", "longer": "application/jsonx", "list": "application/json, text/plain", "escape": "\x1b[2J"}.items():
    B.row(f"type-{name}", f"a body of type {kind[:20]!r}", do=answered(http(*POST, body=b"{}", headers=[f"Content-Type: {kind}"]), 415))
WRONG = {"name": [None, 1, True, [], {}, "", "a" * 65, "a/b", "a\nb", "a\x1b[2J", "\x7f", "\x85", "\u202ea"], "host": [None, 1, "", "-oProxyCommand=x", "a b", "a\nb", "a\x1b[2J", "a" * 5000, "$(id)", "a;b", "a`b"], "port": ["22", 0, -1, 65536, 2**31, 2**63, 1.5, True, []],
         "local_port": ["x", "+10000", "10000", "99999+", "-1+", -1, 65536, 1.5, None, {}], "remote_port": [0, -1, 65536, "7", None, 2**40], "remote_host": [1, "", "a b", "a\nb", "\x1b[2J", "a" * 5000], "profile_id": [None, 1, "nobody", "../x", "a" * 5000, "\x1b[2J"],
         "forward_type": [None, "", "LOCAL", "sideways", 1, []], "bind_address": ["0.0.0.0", "::", "evil.test", "::ffff:127.0.0.1", "192.168.1.1", "127.0.0.1\n", 1, "127.1", "[::1]"], "auto_start": ["yes", 1, 0, []], "max_retries": [-1, "5", 2**40, 1.5],
         "jump_host_id": [1, "-x", "a b", "a\x1b[2J", "a," * 40], "jump_session_id": ["nobody", 1, [], "\x1b[2J"], "user": [1, "-x", "a\x1b[2J", "a\nb", "a" * 5000]}
for field, values in WRONG.items():
    async def wrong(p, field, values):
        for value in values:
            status, body = await ask(p, unix, http(*POST, body=with_field(field, value)))
            must(status in (400, 404), f"{field} {value!r} got {status}")
            error = json.loads(body)["error"]
            must(all(c.isprintable() for c in error["message"]), f"{field} {value!r} got unprintable words")
        status, body = await ask(p, unix, http("GET", "/tunnels"))
        must(len(json.loads(body)["tunnels"]) == 1, "a refused one was made")
    B.row(f"field-{field.replace('_', '-')}", f"wrong values of {field}", requires="adit-api(7)", do=attack(lambda p, f=field, v=values: wrong(p, f, v), shows=True))

# ---- requests that are well formed ----

R = table("api/request", "adit-api(7)", expect=CARRY_ON)
for name, text in NASTY.items():
    async def named(p, text):
        """Wherever a text of a client is taken, a person sees it cleaned."""
        word = text.decode("utf-8", "replace")
        for i, field in enumerate(("name", "description", "host", "remote_host")):
            body = {**T, "name": f"x{i}", field: word[:60]}
            await ask(p, unix, http("POST", "/tunnels?start=1", body=json.dumps(body).encode()))
            await ask(p, unix, http("PUT", "/tunnels/t", body=json.dumps({field: word[:60]}).encode()))
        await ask(p, tcp, http("POST", "/tunnels/x1/start?wait=1"))
        for path in ("/tunnels/", "/logs?name=", "/what/"):
            await ask(p, tcp, http("GET", path + "".join(f"%{b:02x}" for b in text[:60])))
    R.row(f"text-{name}", f"names, descriptions, hosts and paths: {name}", requires="ECMA-48; Unicode", do=attack(lambda p, t=text: named(p, t), shows=True))


async def many_tunnels(p):
    for i in range(15):
        status, body = await ask(p, unix, http("POST", "/tunnels", body=with_field("name", f"n{i}")))
        must(status == 201, f"a tunnel was refused: {status}")
        await ask(p, unix, http("DELETE", f"/tunnels/n{i}"))


async def restless(p):
    """One tunnel, started, stopped and changed as fast as it goes, by five at once."""
    await ask(p, unix, http("POST", "/tunnels", body=json.dumps({**T, "port": 1, "auto_reconnect": False}).encode()))

    async def one(i):
        for n in range(4):
            path = ("/tunnels/x/start", "/tunnels/x/stop", "/tunnels/x/reconnect")[(i + n) % 3]
            await ask(p, unix, http("POST", path))
            await ask(p, unix, http("PUT", "/tunnels/x", body=json.dumps({"description": f"{i} {n}"}).encode()))
    await at_once(5, one)
    await ask(p, unix, http("DELETE", "/tunnels/x"))


R.row("tunnels-15", "fifteen tunnels made and removed", do=attack(many_tunnels, shows=True))
R.row("restless", "a tunnel started, stopped, reconnected and changed by five at once", do=attack(restless, shows=True))
for name, path in {"wait-huge": "/tunnels/t/start?idempotent=1&wait=99999999999999999999", "wait-negative": "/tunnels/t/start?wait=-1", "wait-words": "/tunnels/t/start?wait=x", "nobody": "/tunnels/nobody/start", "all-nonsense": "/tunnels/start-all?x=y"}.items():
    R.row(f"start-{name}", f"POST {path}", do=attack(lambda p, path=path: ask(p, unix, http("POST", path))))

# ---- streams ----

S = table("api/stream", "adit-api(7)", expect=CARRY_ON)


async def stream(p, way, last="", reads=True):
    v = await way(p)
    if not reads:
        v.reader._transport.pause_reading()
    await v.say(http("GET", "/events", headers=[f"Last-Event-ID: {last}"] if last else [])(p))
    return v


async def changes(p, count):
    for i in range(count):
        await ask(p, unix, http("PUT", "/tunnels/x", body=json.dumps({"description": f"{i}" + "d" * 400}).encode()))


async def unread_streams(p, way, count):
    visitors = [await stream(p, way, reads=False) for _ in range(count)]
    await ask(p, unix, http("POST", "/tunnels", body=json.dumps(T).encode()))
    await changes(p, 40)
    for v in visitors:
        v.reset()
    await ask(p, unix, http("DELETE", "/tunnels/x"))


S.row("stream-unread-unix", "150 event streams that nobody reads, and 40 changes", do=attack(lambda p: unread_streams(p, unix, 150)))
S.row("stream-unread-tcp", "40 event streams that nobody reads, and 40 changes", do=attack(lambda p: unread_streams(p, tcp, 40)))
for name, last in {"huge": "99999999999999999999", "negative": "-1", "words": "x", "newest": "18446744073709551615", "escape": "\x1b[2J", "long": "1" * 5000}.items():
    async def from_there(p, last):
        v = await stream(p, tcp, last)
        must((await v.hear(15)).startswith(b"HTTP/1.1 200"), "no stream")
        v.end()
    S.row(f"last-{name}", f"Last-Event-ID: {name}", do=attack(lambda p, last=last: from_there(p, last)))


async def too_many(p, way):
    """Streams and waiting answers leave places for others."""
    visitors = []
    for _ in range(80):
        try:
            visitors.append(await asyncio.wait_for(stream(p, way), 0.5))
        except asyncio.TimeoutError:
            break
    await ask(p, way, http())
    for v in visitors:
        v.reset()


async def sessions(p, body, jobs=40):
    async def one(i):
        v = await unix(p)
        await v.say(http("POST", "/sessions", body=body)(p))
        await v.reader.read(20)
        v.reset() if i % 2 else v.end()
    await at_once(40, one, jobs)


SESSION = {"host": "127.0.0.1", "port": 1, "profile_id": "default", "forwards": [{"forward_type": "local", "local_port": 0, "remote_host": "a", "remote_port": 1}]}
S.row("too-many-tcp", "80 streams by TCP: others are answered", do=attack(lambda p: too_many(p, tcp)))
S.row("sessions-churn", "forty session streams that come and go", do=attack(lambda p: sessions(p, json.dumps(SESSION).encode())))
S.row("sessions-forwards-500", "session streams with 500 forwards", do=attack(lambda p: sessions(p, json.dumps({**SESSION, "forwards": SESSION["forwards"] * 500}).encode())))
S.row("sessions-forwards-20", "session streams with 20 forwards, one after the other", do=attack(lambda p: sessions(p, json.dumps({**SESSION, "forwards": SESSION["forwards"] * 20}).encode(), jobs=1)))
S.row("sessions-wrong", "session streams that make no sense", do=attack(lambda p: sessions(p, json.dumps({**SESSION, "forwards": [{"forward_type": []}]}).encode())))

__all__ = ["attack", "honest"]
