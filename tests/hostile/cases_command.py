"""A remote command's session: RFC 4254 §5 and §6."""
from . import wire
from .case import CARRY_ON, END, ERROR, Table
from .cases_connection import ends, on, request
from .wire import msg, string

VERBOSE = ("-v",)  # as ssh, it says how a command ended only when it is asked to
X = Table(prefix="command-", state="exec", at="exec", client="exec")

# ---- how it ended: RFC 4254 §6.10 ----

STATUS = request("exit-status", 0)
X.row("status-twice", "the exit status twice", "RFC 4254 §6.10", CARRY_ON, do=ends(STATUS))
X.row("status-and-then-other", "another exit status before the one that counts", "RFC 4254 §6.10", CARRY_ON, do=ends(request("exit-status", 7)))
X.row("status-answer-wanted", "an exit status that wants an answer", "RFC 4254 §6.10", CARRY_ON, do=ends(request("exit-status", 0, wants=True)))
X.row("status-before-output", "the exit status before the output", "RFC 4254 §6.10", CARRY_ON, do=ends(STATUS, lambda c: msg(wire.WINDOW_ADJUST, c, 1)))
X.row("status-after-eof", "the exit status behind EOF", "RFC 4254 §6.10", CARRY_ON, do=on(lambda c: [
    msg(wire.DATA, c, "done\n"), msg(wire.EOF, c), STATUS(c), msg(wire.CLOSE, c)]))
OVER = dict(options=VERBOSE, says="ended without a status|CLOSE|channel")  # all is over with CLOSE, or what follows it is too much
X.row("status-after-close", "the exit status behind CLOSE", "RFC 4254 §5.3", ERROR, **OVER, do=on(lambda c: [
    msg(wire.DATA, c, "done\n"), msg(wire.EOF, c), msg(wire.CLOSE, c), STATUS(c)]))
X.row("status-2-32-1", "the status 2^32-1", "RFC 4254 §6.10", ERROR, options=VERBOSE, says="status 4294967295", do=on(lambda c: [
    request("exit-status", 2**32 - 1)(c), msg(wire.EOF, c), msg(wire.CLOSE, c)]))
X.row("signal-then-status", "killed, and a status of 0 behind it: the last word counts", "RFC 4254 §6.10", CARRY_ON,
      do=ends(request("exit-signal", "TERM", False, "bye", "")))
X.row("status-then-signal", "a status of 0, and killed behind it", "RFC 4254 §6.10", ERROR, options=VERBOSE, says="ended: TERM", do=on(lambda c: [
    STATUS(c), request("exit-signal", "TERM", False, "bye", "")(c), msg(wire.EOF, c), msg(wire.CLOSE, c)]))
X.row("signal-trailing", "an exit signal with a byte too many", "RFC 4254 §6.10", ERROR, says="exit-signal|exit-status",
      do=on(lambda c: [request("exit-signal", "TERM", False, "bye", "", b"x")(c)]))
X.row("signal-huge", "an exit signal with 100,000 bytes of words", "RFC 4254 §6.10", ERROR, options=VERBOSE, says="ended: TERM",
      do=on(lambda c: [request("exit-signal", "TERM", True, "x" * 100000, "en")(c), msg(wire.CLOSE, c)]))
X.row("signal-name-empty", "an exit signal without a name", "RFC 4254 §6.10", ERROR, options=VERBOSE, says="ended: ",
      do=on(lambda c: [request("exit-signal", "", False, "", "")(c), msg(wire.CLOSE, c)]))
for name, text in {"escape": b"\x1b[31mTERM\x1b[2J\x07", "bidi": "\u202eTERM\u2066".encode(), "utf-8": b"\xff\xfe\xc0\xaf", "lines": b"TERM\r\nadit: all is well\n"}.items():
    X.row(f"signal-name-{name}", f"an exit signal of a nasty name: {name}", "RFC 4254 §6.10", ERROR, options=VERBOSE, says="ended: ",  # [RFC 4254 6.10a]
          do=on(lambda c, t=text: [msg(wire.CHANNEL_REQUEST, c, "exit-signal", False, string(t), False, string(t), string(t)), msg(wire.CLOSE, c)]))
X.row("closed-without-status", "closed without a status", "RFC 4254 §6.10", ERROR, options=VERBOSE, says="ended without a status",
      do=on(lambda c: [msg(wire.EOF, c), msg(wire.CLOSE, c)]))
X.row("gone-behind-status", "the connection ends behind the status, without CLOSE", "RFC 4253 §11.1", ERROR, says="closed|reset",
      do=on(lambda c: [STATUS(c), END]))

# ---- output: RFC 4254 §5.2, §5.3 ----

for kind in (0, 2, 3, 2**31, 2**32 - 1):
    X.row(f"extended-{kind}", f"extended data of type {kind}, which nobody knows", "RFC 4254 §5.2", CARRY_ON, do=ends(lambda c, k=kind: msg(wire.EXTENDED_DATA, c, k, "what?\n")))
    X.row(f"extended-{kind}-much", f"4 MiB of extended data of type {kind}: its window is given back", "RFC 4254 §5.2", CARRY_ON,
          do=ends(*[lambda c, k=kind: msg(wire.EXTENDED_DATA, c, k, string(bytes(32768)))] * 32))
X.row("extended-after-eof", "extended data behind EOF", "RFC 4254 §5.3", ERROR, says="EOF|data", do=ends(lambda c: msg(wire.EOF, c), lambda c: msg(wire.EXTENDED_DATA, c, 1, "x")))
X.row("extended-empty", "a thousand times no stderr", "RFC 4254 §5.2", CARRY_ON, do=ends(*[lambda c: msg(wire.EXTENDED_DATA, c, 1, "")] * 1000))
X.row("extended-beyond", "extended data larger than the packets that it takes", "RFC 4254 §5.2", ERROR, says="DATA|window|packet",
      do=on(lambda c: [msg(wire.EXTENDED_DATA, c, 1, string(bytes(32769)))]))
X.row("eof-twice", "EOF twice", "RFC 4254 §5.3", ERROR, says="EOF", do=ends(lambda c: msg(wire.EOF, c)))
X.row("close-twice", "CLOSE twice", "RFC 4254 §5.3", ERROR, **OVER, do=on(lambda c: [msg(wire.CLOSE, c)] * 2))
X.row("data-after-close", "output behind CLOSE", "RFC 4254 §5.3", ERROR, **OVER,
      do=on(lambda c: [msg(wire.EOF, c), msg(wire.CLOSE, c), msg(wire.DATA, c, "late\n")]))
X.row("eof-after-close", "EOF behind CLOSE", "RFC 4254 §5.3", ERROR, **OVER, do=on(lambda c: [msg(wire.CLOSE, c), msg(wire.EOF, c)]))

# ---- its requests: RFC 4254 §6.5, §6.7-6.9 ----

R = Table(prefix="command-", state="exec", at="request_answer", client="exec")
R.row("refused", "the command is refused", "RFC 4254 §6.5", ERROR, says="exec request failed", do=on(lambda c: [msg(wire.CHANNEL_FAILURE, c)]))
R.row("refused-then-taken", "it is refused, and then run", "RFC 4254 §5.4", ERROR, says="exec request failed", do=on(lambda c: [msg(wire.CHANNEL_FAILURE, c), msg(wire.CHANNEL_SUCCESS, c)]))
R.row("output-before-answer", "output before it is said that it runs", "RFC 4254 §6.5", CARRY_ON, do=lambda p, m: [msg(wire.EXTENDED_DATA, p.first.theirs, 1, "early\n"), m])
R.row("never-answered", "it runs, and nobody says so", "RFC 4254 §5.4", CARRY_ON, do=lambda p, m: [])
O = Table(prefix="command-", state="exec", at="open_confirm", client="exec")
O.row("session-refused", "the session is refused", "RFC 4254 §5.1", ERROR, says="no sessions|open failed",
      do=on(lambda c: [msg(wire.OPEN_FAILURE, c, 1, "no sessions", "")]))
O.row("session-refused-escapes", "it is refused with escape sequences", "RFC 4254 §5.1", ERROR, says="plain",  # [RFC 4254 5.1b]
      do=on(lambda c: [msg(wire.OPEN_FAILURE, c, 1, string(b"\x1b[2Jplain\x07\xff"), string(b"\x1b[31m"))]))
O.row("session-packet-0", "packets of at most no byte", "RFC 4254 §5.1", ERROR, says="packet size", do=lambda p, m: [msg(wire.OPEN_CONFIRMATION, p.first.theirs, 0, 2**31, 0)])
O.row("session-window-0", "no window: nothing that is sent fits, what comes is read", "RFC 4254 §5.2", CARRY_ON,
      do=lambda p, m: [msg(wire.OPEN_CONFIRMATION, p.first.theirs, 0, 0, 32768)])
for name in ("signal", "xon-xoff", "window-change", "pty-req", "env", "subsystem", "exec", "exit", "\x1b[2J", ""):
    word = "binary" if "\x1b" in name else name or "empty"
    X.row(f"{word}-request", f"a request on its channel that is none of the server's: {word}", "RFC 4254 §5.4", CARRY_ON, do=ends(request(name, b"\1", wants=True)),  # [RFC 4254 5.4a]
          proof=lambda p: p.got[wire.CHANNEL_FAILURE] == 1)
X.row("request-flood", "2,000 requests on its channel", "RFC 4254 §5.4", CARRY_ON, do=ends(*[request("x@y", wants=True)] * 2000))
X.row("open-flood", "500 channels while it runs", "RFC 4254 §5.1", CARRY_ON,
      do=ends(*[lambda c: msg(wire.CHANNEL_OPEN, "auth-agent@openssh.com", 9, 9, 9)] * 500))
