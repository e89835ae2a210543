"""The connection protocol: RFC 4254, OpenSSH's PROTOCOL. c below is the client's number of its first channel."""
import asyncio
import os
import zlib

from . import wire
from .case import CARRY_ON, ERROR, REFUSE, Frame, Table
from .wire import msg, string


def on(make):
    """Messages for the client's first channel."""
    return lambda p, m: make(p.first.theirs)


# ---- channels that are not there ----

UNKNOWN = Table(prefix="channel-unknown-", state="open", at="open", says="channel")
CLOSED = Table(prefix="channel-closed-", state="close", at="channel", says="channel")
OF_CHANNELS = {
    "confirmation": lambda c: msg(wire.OPEN_CONFIRMATION, c, 7, 1000, 1000), "open-failure": lambda c: msg(wire.OPEN_FAILURE, c, 1, "no", ""),
    "window-adjust": lambda c: msg(wire.WINDOW_ADJUST, c, 1), "data": lambda c: msg(wire.DATA, c, "x"),
    "extended-data": lambda c: msg(wire.EXTENDED_DATA, c, 1, "x"), "eof": lambda c: msg(wire.EOF, c), "close": lambda c: msg(wire.CLOSE, c),
    "request": lambda c: msg(wire.CHANNEL_REQUEST, c, "x@y", True), "success": lambda c: msg(wire.CHANNEL_SUCCESS, c),
    "failure": lambda c: msg(wire.CHANNEL_FAILURE, c)}


async def when_closed(p, make):
    yield msg(wire.CLOSE, p.first.theirs)
    p.first.close_sent = True
    while not p.first.closed:
        await asyncio.sleep(0.002)
    yield make(p.first.theirs)


for name, make in OF_CHANNELS.items():
    for number in (77, 2**31, 2**32 - 1):
        UNKNOWN.row(f"{name}-{number}", f"{name} for channel {number}, which never was", "RFC 4254 §5", ERROR, do=lambda p, m, make=make, n=number: [make(n)])  # [RFC 4254 5b]
    CLOSED.row(name, f"{name} for a channel that both sides have closed", "RFC 4254 §5.3", ERROR, do=lambda p, m, make=make: when_closed(p, make))

# ---- double and out of order ----

D = Table(prefix="channel-", state="channel", at="channel")
D.row("confirm-twice", "the open is confirmed again", "RFC 4254 §5.1", ERROR, do=on(lambda c: [OF_CHANNELS["confirmation"](c)]), says="CONFIRMATION|channel")
D.row("fail-after-confirm", "the open fails after it was confirmed", "RFC 4254 §5.1", ERROR, do=on(lambda c: [OF_CHANNELS["open-failure"](c)]), says="OPEN_FAILURE|channel")
D.row("eof-twice", "EOF twice", "RFC 4254 §5.3", ERROR, do=on(lambda c: [msg(wire.EOF, c)] * 2), says="EOF")
D.row("close-twice", "CLOSE twice", "RFC 4254 §5.3", ERROR, do=on(lambda c: [msg(wire.CLOSE, c)] * 2), says="CLOSE|channel")
D.row("data-after-eof", "data behind EOF", "RFC 4254 §5.3", ERROR, do=on(lambda c: [msg(wire.EOF, c), msg(wire.DATA, c, "late")]), says="EOF|data")
D.row("data-after-close", "data behind CLOSE", "RFC 4254 §5.3", ERROR, do=on(lambda c: [msg(wire.CLOSE, c), msg(wire.DATA, c, "late")]), says="CLOSE|channel|data")
D.row("eof-after-close", "EOF behind CLOSE", "RFC 4254 §5.3", ERROR, do=on(lambda c: [msg(wire.CLOSE, c), msg(wire.EOF, c)]), says="CLOSE|channel|EOF")
D.row("close-at-once", "CLOSE without EOF", "RFC 4254 §5.3", REFUSE,  # [RFC 4254 5.3b]
      do=lambda p, m: [setattr(p.first, "close_sent", True) or msg(wire.CLOSE, p.first.theirs)], proof=lambda p: p.got[wire.CLOSE] >= 1)
D.row("success-unasked", "CHANNEL_SUCCESS for no request", "RFC 4254 §5.4", CARRY_ON, do=on(lambda c: [msg(wire.CHANNEL_SUCCESS, c)]))
D.row("failure-unasked", "CHANNEL_FAILURE for no request", "RFC 4254 §5.4", CARRY_ON, do=on(lambda c: [msg(wire.CHANNEL_FAILURE, c)]))
D.row("request-success-unasked", "REQUEST_SUCCESS for no request", "RFC 4254 §4", ERROR, do=on(lambda c: [msg(wire.REQUEST_SUCCESS)]), says="REQUEST_SUCCESS|reply|request")
D.row("request-failure-unasked", "REQUEST_FAILURE for no request", "RFC 4254 §4", ERROR, do=on(lambda c: [msg(wire.REQUEST_FAILURE)]), says="REQUEST_|reply|request")

# ---- windows and sizes: RFC 4254 §5.2 ----

W = Table(prefix="window-", state="channel", at="channel")
W.row("overflow", "adjusted beyond 2^32-1", "RFC 4254 §5.2", ERROR, do=on(lambda c: [msg(wire.WINDOW_ADJUST, c, 2**32 - 1)] * 2), says="[Ww]indow|WINDOW")  # [RFC 4254 5.2b]
W.row("overflow-slowly", "2^31 twice, and the first grant", "RFC 4254 §5.2", ERROR, do=on(lambda c: [msg(wire.WINDOW_ADJUST, c, 2**31)] * 2), says="[Ww]indow|WINDOW")
W.row("adjust-0", "adjusted by nothing", "RFC 4254 §5.2", CARRY_ON, do=on(lambda c: [msg(wire.WINDOW_ADJUST, c, 0)] * 100))
W.row("data-beyond", "24 MiB to a reader that does not read", "RFC 4254 §5.2", ERROR, do=on(lambda c: [msg(wire.DATA, c, string(bytes(32768)))] * 768),
      twist={"user": "stalled"}, says="[Ww]indow")
W.row("packet-beyond", "data larger than the packets that it takes", "RFC 4254 §5.2", ERROR, do=on(lambda c: [msg(wire.DATA, c, string(bytes(32769)))]), says="DATA|window|packet")  # [RFC 4254 5.2c]
W.row("packet-200k", "200,000 bytes of data in one packet", "RFC 4254 §5.2", ERROR, do=on(lambda c: [msg(wire.DATA, c, string(bytes(200000)))]), says="DATA|window|packet")
W.row("data-empty", "a thousand empty DATA", "RFC 4254 §5.2", CARRY_ON, do=on(lambda c: [msg(wire.DATA, c, "")] * 1000))
W.row("extended-0", "extended data of type 0", "RFC 4254 §5.2", CARRY_ON, do=on(lambda c: [msg(wire.EXTENDED_DATA, c, 0, "x")]))
W.row("extended-unknown", "extended data of type 2^32-1", "RFC 4254 §5.2", CARRY_ON, do=on(lambda c: [msg(wire.EXTENDED_DATA, c, 2**32 - 1, "x")]))
W.row("extended-stderr", "stderr on a forward", "RFC 4254 §5.2", CARRY_ON, do=on(lambda c: [msg(wire.EXTENDED_DATA, c, 1, "x" * 1000)] * 100))


def confirm(window, packet):
    return dict(state="channel", at="open_confirm",
                do=lambda p, m: [setattr(p.first, "mute", window == 0) or msg(wire.OPEN_CONFIRMATION, p.first.theirs, p.first.mine, window, packet)])


Z = Table(prefix="window-")
Z.row("zero-for-ever", "a window of 0 that never grows: that channel waits, others do not", "RFC 4254 §5.2", CARRY_ON, **confirm(0, 32768))  # [RFC 4254 5a]
Z.row("first-1", "a window of one byte", "RFC 4254 §5.2", CARRY_ON, **confirm(1, 32768))
Z.row("packet-1", "packets of at most one byte", "RFC 4254 §5.2", CARRY_ON, **confirm(2**31, 1))
Z.row("packet-0", "packets of at most no byte: data could never be sent", "RFC 4254 §5.2", ERROR, says="packet size", **confirm(2**31, 0))
Z.row("packet-2-32-1", "packets of any size", "RFC 4254 §5.2", CARRY_ON, **confirm(2**32 - 1, 2**32 - 1))  # [RFC 4254 5.2a 5.2f]
Z.row("never-confirmed", "an open without an answer: that one waits, others do not", "RFC 4254 §5.1", CARRY_ON, state="channel", at="open_confirm", do=lambda p, m: [])
Z.row("refused", "an open refused", "RFC 4254 §5.1", CARRY_ON, state="channel", at="open_confirm",
      do=lambda p, m: [msg(wire.OPEN_FAILURE, p.first.theirs, 1, "no", "")])
Z.row("refused-reason-unknown", "an open refused for reason 2^32-1", "RFC 4254 §5.1", CARRY_ON, state="channel", at="open_confirm",
      do=lambda p, m: [msg(wire.OPEN_FAILURE, p.first.theirs, 2**32 - 1, "no", "")])
Z.row("refused-twice", "an open refused twice", "RFC 4254 §5.1", ERROR, state="channel", at="open_confirm",
      do=lambda p, m: [msg(wire.OPEN_FAILURE, p.first.theirs, 1, "no", "")] * 2, says="channel")
Z.row("data-before-confirm", "data before the open is confirmed", "RFC 4254 §5.1", ERROR, state="channel", at="open_confirm",
      do=lambda p, m: [msg(wire.DATA, p.first.theirs, "x"), m], says="channel|DATA|confirm")
Z.row("adjust-before-confirm", "a window adjusted before the open is confirmed", "RFC 4254 §5.1", ERROR, state="channel", at="open_confirm",
      do=lambda p, m: [msg(wire.WINDOW_ADJUST, p.first.theirs, 1), m], says="channel|WINDOW|confirm")
Z.row("close-before-confirm", "closed before the open is confirmed", "RFC 4254 §5.1", ERROR, state="channel", at="open_confirm",
      do=lambda p, m: [msg(wire.CLOSE, p.first.theirs), m], says="channel|CLOSE|confirm")

# ---- what the peer opens: RFC 4254 §5.1, §7.2; OpenSSH PROTOCOL §2.4 ----


def opening(kind, *extra, number=5, window=2**20, packet=32768):
    return msg(wire.CHANNEL_OPEN, kind, number, window, packet, *extra)


TCP = ("localhost", 4242, "192.0.2.1", 999)
O = Table(prefix="open-", state="open", at="open")
PROHIBITED, UNKNOWN_TYPE = 1, 3
SERVED = ("forwarded-tcpip", "forwarded-streamlocal@openssh.com", "auth-agent@openssh.com")
refused = lambda p: len(p.refused) == 1  # noqa: E731
for name, message in {
        "forwarded-tcpip": opening("forwarded-tcpip", *TCP), "forwarded-streamlocal": opening("forwarded-streamlocal@openssh.com", "/tmp/s", ""),
        "session": opening("session"), "x11": opening("x11", "192.0.2.1", 999), "agent": opening("auth-agent@openssh.com"), "agent-old": opening("auth-agent"),
        "direct-tcpip": opening("direct-tcpip", *TCP), "direct-streamlocal": opening("direct-streamlocal@openssh.com", "/tmp/s", "", 0),
        "tun": opening("tun@openssh.com", 1, 2**32 - 1), "unknown": opening("nobody@example"), "empty": opening(""),
        "binary": opening("\x1b[2J\u202e"), "window-0": opening("forwarded-tcpip", *TCP, window=0),
        "window-all": opening("forwarded-tcpip", *TCP, window=2**32 - 1, packet=2**32 - 1),
        "number-all": opening("forwarded-tcpip", *TCP, number=2**32 - 1)}.items():
    kind = message[5:5 + int.from_bytes(message[1:5], "big")]
    why = PROHIBITED if kind.decode("latin-1") in SERVED else UNKNOWN_TYPE
    O.row(f"{name}-unasked", f"a channel that nobody asked for: {name}", "RFC 4254 §5.1", REFUSE, do=lambda p, m, o=message: [o],  # [RFC 4251 4.3b] [RFC 4254 5.1a 5.1c 6.1a 6.3.2a 6.3.2b 7.2a 7.2b 7.2d]
          proof=lambda p, r=why: [reason for _, reason in p.refused] == [r])
O.row("type-huge", "a type of 30,000 bytes: names have at most 64", "RFC 4251 §6", ERROR, do=lambda p, m: [opening("x" * 30000)], says="CHANNEL_OPEN")
O.row("packet-0", "packets of at most no byte", "RFC 4254 §5.1", ERROR, do=lambda p, m: [opening("forwarded-tcpip", *TCP, packet=0)], says="packet size")
O.row("tcpip-short", "a forwarded-tcpip without its fields", "RFC 4254 §7.2", ERROR, do=lambda p, m: [opening("forwarded-tcpip")], says="CHANNEL_OPEN")
O.row("tcpip-trailing", "a forwarded-tcpip with more fields", "RFC 4254 §7.2", ERROR, do=lambda p, m: [opening("forwarded-tcpip", *TCP, "more")], says="CHANNEL_OPEN")
O.row("tcpip-host-huge", "an address of 1,000 bytes", "RFC 4254 §7.2", ERROR, do=lambda p, m: [opening("forwarded-tcpip", "x" * 1000, 1, "y", 2)], says="CHANNEL_OPEN")
O.row("streamlocal-short", "a forwarded-streamlocal without its fields", "OpenSSH PROTOCOL §2.4", ERROR,
      do=lambda p, m: [opening("forwarded-streamlocal@openssh.com")], says="CHANNEL_OPEN")
O.row("flood", "1,000 opens, all refused", "RFC 4254 §5.1", REFUSE, do=lambda p, m: [opening("forwarded-tcpip", *TCP, number=i) for i in range(1000)],
      proof=lambda p: len(p.refused) == 1000)
O.row("flood-unread", "2,000 opens by a peer that does not read the answers until they are out", "RFC 4254 §5.1", REFUSE,
      do=lambda p, m: unread(p, [opening("forwarded-tcpip", *TCP, number=i) for i in range(2000)]), proof=lambda p: len(p.refused) == 2000)


async def unread(p, items):
    """TCP may hold all of it; where it does not, reading goes on before the writing would wait for ever."""
    p.reader._transport.pause_reading()
    for i, item in enumerate(items):
        if i == len(items) // 2:
            p.reader._transport.resume_reading()
        yield item


R = Table(prefix="remote-", state="open", at="forward", client="remote")
for name, message in {"port-other": opening("forwarded-tcpip", "localhost", 4243, "192.0.2.1", 999),
                      "port-0": opening("forwarded-tcpip", "localhost", 0, "192.0.2.1", 999),
                      "port-65536": opening("forwarded-tcpip", "localhost", 65536 + 4242, "192.0.2.1", 999),
                      "port-2-32-1": opening("forwarded-tcpip", "localhost", 2**32 - 1, "192.0.2.1", 999),
                      "streamlocal": opening("forwarded-streamlocal@openssh.com", "/tmp/s", "")}.items():
    R.row(name, f"a connection to another listener than the one asked for: {name}", "RFC 4254 §7.2", REFUSE, do=lambda p, m, o=message: [o], proof=refused)  # [RFC 4254 7.2a]
R.row("target-down", "a connection whose target does not listen", "RFC 4254 §7.2", REFUSE, do=lambda p, m: [opening("forwarded-tcpip", *TCP)], proof=refused)
R.row("same-number-twice", "two opens with one number", "RFC 4254 §5.1", REFUSE, do=lambda p, m: [opening("forwarded-tcpip", *TCP)] * 2, proof=lambda p: len(p.refused) == 2)
R.row("flood", "500 connections whose target does not listen", "RFC 4254 §7.2", REFUSE,
      do=lambda p, m: [opening("forwarded-tcpip", *TCP, number=i) for i in range(500)], proof=lambda p: len(p.refused) == 500)
G = Table(prefix="remote-", state="open", at="global_reply", client="remote")
G.row("port-missing", "success for port 0 that does not say which", "RFC 4254 §7.1", ERROR, do=lambda p, m: [msg(wire.REQUEST_SUCCESS)], says="REQUEST_SUCCESS|port|forward")  # [RFC 4254 7.1b]
G.row("port-short", "success with half a port", "RFC 4254 §7.1", ERROR, do=lambda p, m: [msg(wire.REQUEST_SUCCESS) + b"\0\1"], says="REQUEST_SUCCESS|port|forward")
G.row("port-70000", "success with port 70,000", "RFC 4254 §7.1", ERROR, do=lambda p, m: [msg(wire.REQUEST_SUCCESS, 70000)], says="REQUEST_SUCCESS|port|forward")
G.row("answer-twice", "two answers", "RFC 4254 §4", ERROR, do=lambda p, m: [m, m], says="REQUEST_SUCCESS|reply|request")
G.row("failure", "refused: the session goes on without that forward", "RFC 4254 §7.1", CARRY_ON, do=lambda p, m: [msg(wire.REQUEST_FAILURE)])

# ---- requests: RFC 4254 §4, §5.4 ----

Q = Table(prefix="global-", state="open", at="open")
for name in ("nobody@example", "tcpip-forward", "cancel-tcpip-forward", "streamlocal-forward@openssh.com", "no-more-sessions@openssh.com", "keepalive@openssh.com",
             "hostkeys-prove-00@openssh.com", "\x1b[2J", ""):
    word = "binary" if "\x1b" in name else name.split("@")[0] or "empty"
    Q.row(f"{word}-answered", f"a global request that it does not know or serve ({name!r}): FAILURE", "RFC 4254 §4", CARRY_ON,  # [RFC 4254 4a 4b 7.1a]
          do=lambda p, m, n=name: [msg(wire.GLOBAL_REQUEST, n, True)], proof=lambda p: p.got[wire.REQUEST_FAILURE] == 1)
    Q.row(f"{word}-unanswered", f"the same without a wish for an answer ({name!r})", "RFC 4254 §4", CARRY_ON,  # [RFC 4254 4d]
          do=lambda p, m, n=name: [msg(wire.GLOBAL_REQUEST, n, False)], proof=lambda p: p.got[wire.REQUEST_FAILURE] == 0)
Q.row("flood", "2,000 requests, each answered", "RFC 4254 §4", CARRY_ON, do=lambda p, m: [msg(wire.GLOBAL_REQUEST, "x@y", True)] * 2000,
      proof=lambda p: p.got[wire.REQUEST_FAILURE] == 2000)
Q.row("flood-unread", "5,000 requests by a peer that reads no answer until half are out", "RFC 4254 §4", CARRY_ON,
      do=lambda p, m: unread(p, [msg(wire.GLOBAL_REQUEST, "x@y", True)] * 5000), proof=lambda p: p.got[wire.REQUEST_FAILURE] == 5000)
Q.row("huge", "a request of 200,000 bytes", "RFC 4254 §4", CARRY_ON, do=lambda p, m: [msg(wire.GLOBAL_REQUEST, "x@y", True, string(bytes(200000)))])
HOSTKEYS = {"garbage": b"\xff" * 100, "empty": b"", "lies": b"\xff\xff\xff\xff", "many": string(b"k" * 50) * 2000, "unknown": string(string("ssh-none") + b"x")}
for name, data in HOSTKEYS.items():
    Q.row(f"hostkeys-{name}", f"hostkeys-00@openssh.com: {name}", "OpenSSH PROTOCOL §2.5", CARRY_ON, options=("UpdateHostKeys=yes",),
          do=lambda p, m, d=data: [msg(wire.GLOBAL_REQUEST, "hostkeys-00@openssh.com", False, d)])

C = Table(prefix="channel-request-", state="channel", at="channel")
for name in ("nobody@example", "exec", "shell", "x11-req", "pty-req", "env", "signal", "keepalive@openssh.com", "xon-xoff", "eow@openssh.com"):
    word = name.split("@")[0]
    C.row(f"{word}-answered", f"a channel request that it does not know or serve: {name}", "RFC 4254 §5.4", CARRY_ON,  # [RFC 4254 5.4a 6.2b 6.5a]
          do=lambda p, m, n=name: [msg(wire.CHANNEL_REQUEST, p.first.theirs, n, True)], proof=lambda p: (p.got[wire.CHANNEL_FAILURE], p.got[wire.CHANNEL_SUCCESS]) == (1, 0))
C.row("flood", "2,000 requests", "RFC 4254 §5.4", CARRY_ON, do=lambda p, m: [msg(wire.CHANNEL_REQUEST, p.first.theirs, "x@y", True)] * 2000,
      proof=lambda p: p.got[wire.CHANNEL_FAILURE] == 2000)

# ---- floods: RFC 4253 §11 ----

L = Table(prefix="flood-", state="open", at="open")
for name, message, count in (("ignore", msg(wire.IGNORE, "x" * 100), 3000), ("ignore-large", msg(wire.IGNORE, string(bytes(200000))), 50),
                             ("debug", msg(wire.DEBUG, False, "x" * 100, ""), 2000), ("debug-shown", msg(wire.DEBUG, True, "x" * 100, ""), 2000),
                             ("unimplemented", msg(wire.UNIMPLEMENTED, 0), 3000), ("unknown", bytes([200]) + b"x", 2000), ("ping", msg(wire.PING, "x"), 2000)):
    L.row(name, f"{count} times {name}", "RFC 4253 §11", CARRY_ON, do=lambda p, m, x=message, n=count: [x] * n)
L.row("adjust", "3,000 window adjusts of one byte", "RFC 4254 §5.2", CARRY_ON, state="channel", at="channel", do=on(lambda c: [msg(wire.WINDOW_ADJUST, c, 1)] * 3000))

# ---- a command's channel: RFC 4254 §6 ----

X = Table(prefix="command-", state="exec", at="exec", client="exec")


def ends(*before):
    """A command's output and end, with these before them."""
    async def do(p, _m):
        for make in before:
            yield make(p.first.theirs)
        await p.finish(p.first)
    return do


def request(name, *rest, wants=False):
    return lambda c: msg(wire.CHANNEL_REQUEST, c, name, wants, *rest)


X.row("honest", "nothing wrong", "RFC 4254 §6.10", CARRY_ON, do=ends())
X.row("unknown-request", "a request that nobody knows before the output", "RFC 4254 §5.4", CARRY_ON, do=ends(request("x@y", wants=True)))
X.row("eow", "eow@openssh.com", "OpenSSH PROTOCOL §2.1", CARRY_ON, do=ends(request("eow@openssh.com")))
X.row("empty-data", "empty data", "RFC 4254 §5.2", CARRY_ON, do=ends(lambda c: msg(wire.DATA, c, "")))
X.row("status-short", "an exit status of three bytes", "RFC 4254 §6.10", ERROR, do=ends(request("exit-status", b"\0\0\0")), says="exit-status")
X.row("status-long", "an exit status of five bytes", "RFC 4254 §6.10", ERROR, do=ends(request("exit-status", bytes(5))), says="exit-status")
X.row("signal-lies", "an exit signal whose length lies", "RFC 4254 §6.10", ERROR, do=ends(request("exit-signal", b"\xff\xff\xff\xff")), says="exit-signal|exit-status")
X.row("signal-empty", "an exit signal without its fields", "RFC 4254 §6.10", ERROR, do=ends(request("exit-signal")), says="exit-signal|exit-status")
X.row("data-after-eof", "data behind EOF", "RFC 4254 §5.3", ERROR, do=ends(lambda c: msg(wire.EOF, c), lambda c: msg(wire.DATA, c, "x")), says="EOF|data")
X.row("killed", "ended by a signal", "RFC 4254 §6.10", ERROR, options=("-v",), do=on(lambda c: [request("exit-signal", "TERM", False, "bye", "")(c), msg(wire.CLOSE, c)]), says="ended: TERM")
X.row("answer-twice", "the request is answered twice", "RFC 4254 §5.4", CARRY_ON, do=ends(lambda c: msg(wire.CHANNEL_SUCCESS, c)))
X.row("window-burst", "8 MiB at once, more than was granted", "RFC 4254 §5.2", ERROR, do=ends(*[lambda c: msg(wire.DATA, c, string(bytes(32768)))] * 768), says="[Ww]indow")

# ---- compression: RFC 4253 §6.2, OpenSSH PROTOCOL §1.2 ----

ZLIB = Table(prefix="zlib-", state="open", at="open", options=("Compression=yes",), twist={"compression": "zlib@openssh.com"}, says="ompress|zlib|[Pp]acket")


def packed(*pieces):
    """These bytes where a compressed payload belongs."""
    def do(p, _m):
        p.packer = None
        return [Frame(x) for x in pieces]
    return do


def deflated(data, flush=zlib.Z_PARTIAL_FLUSH):
    z = zlib.compressobj()
    return z.compress(data) + z.flush(flush)


def raw(p):
    """A piece that goes on with the peer's stream: its state is kept."""
    return lambda data: p.packer.compress(data) + p.packer.flush(zlib.Z_PARTIAL_FLUSH)


ZLIB.row("garbage", "bytes that are no compressed data", "RFC 4253 §6.2", ERROR, do=packed(b"\xff" * 100))
ZLIB.row("random", "random bytes", "RFC 4253 §6.2", ERROR, do=packed(os.urandom(1000)))
ZLIB.row("bomb-100-mb", "100 MB of zeros in one packet", "RFC 4253 §6.2", ERROR, do=packed(deflated(msg(wire.IGNORE, string(bytes(100 * 2**20))))))
ZLIB.row("bomb-300-kb", "a payload of 300,000 bytes: more than a packet may hold", "RFC 4253 §6.2", ERROR, do=packed(deflated(msg(wire.IGNORE, string(bytes(300000))))))
ZLIB.row("bomb-of-many", "200 packets of 200,000 bytes each", "RFC 4253 §6.2", CARRY_ON, do=lambda p, m: [msg(wire.IGNORE, string(bytes(200000)))] * 200)
ZLIB.row("empty", "a packet that holds nothing", "RFC 4253 §6.2", ERROR, do=packed(deflated(b"")))
ZLIB.row("no-flush", "a packet whose data is not flushed", "RFC 4253 §6.2", ERROR, do=packed(deflated(msg(wire.IGNORE, "x"), zlib.Z_NO_FLUSH)))
ZLIB.row("finished", "a stream that says it is over, and a packet behind it", "RFC 4253 §6.2", ERROR,
         do=packed(deflated(msg(wire.IGNORE, "x"), zlib.Z_FINISH), deflated(msg(wire.IGNORE, "x"))))
ZLIB.row("dictionary", "a preset dictionary", "RFC 4253 §6.2", ERROR, do=packed(bytes.fromhex("78bb11223344") + b"\x01\x02"))
ZLIB.row("window-64k", "a window larger than zlib has", "RFC 4253 §6.2", ERROR, do=packed(bytes.fromhex("8819") + b"\x01\x02"))
ZLIB.row("plain", "a packet that is not compressed", "RFC 4253 §6.2", ERROR, do=packed(msg(wire.IGNORE, "x")))

# ---- re-exchanges: RFC 4253 §9 ----

K = Table(prefix="rekey-", state="rekey", at="channel")


async def storm(p, _m, count):
    for _ in range(count):
        await p.start_exchange()
        while p.started or p.in_exchange:
            await asyncio.sleep(0.001)
        yield msg(wire.IGNORE, "")


K.row("storm", "30 re-exchanges, one behind the other", "RFC 4253 §9", CARRY_ON, do=lambda p, m: storm(p, m, 30))
K.row("kexinit-then-data", "KEXINIT, and data for ever instead of the exchange", "RFC 4253 §7.1", ERROR, at="kex_reply:2",
      do=lambda p, m: [msg(wire.KEX_REPLY, "x", "y", "z")], says="KEX|host key|public value|share")
