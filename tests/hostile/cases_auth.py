"""Service and authentication: RFC 4252, RFC 4256."""
from . import wire
from .case import CARRY_ON, ERROR, Table
from .wire import msg, string

DENIED = "Permission denied|did not accept|gave up"


def failure(methods, partial=False):
    return msg(wire.USERAUTH_FAILURE, string(methods), partial)


# ---- failures ----

F = Table(prefix="auth-failure-", state="auth", at="auth_failure")


def always(payload):
    """Every request fails with this."""
    return dict(do=lambda p, m: [payload], twist={"rejects": True, "always": {"auth_failure": payload}})


for method in ("publickey", "password", "keyboard-interactive"):
    F.row(f"for-ever-{method}", f"every {method} request fails", "RFC 4252 §5.1", ERROR, auth=method, says=DENIED, **always(failure(method)))
    F.row(f"partial-for-ever-{method}", f"{method}: partial success, again and again", "RFC 4252 §5.1", ERROR, auth=method, says=DENIED,  # [RFC 4252 5.1h]
          **always(failure(method, True)))
    F.row(f"no-method-{method}", "no method can continue", "RFC 4252 §5.1", ERROR, auth=method, says=DENIED, **always(failure("")))
    F.row(f"unknown-methods-{method}", "methods that nobody knows", "RFC 4252 §5.1", ERROR, auth=method, says=DENIED, **always(failure("gssapi-no,hostbased,x@y")))
    F.row(f"many-methods-{method}", "8,000 bytes of methods", "RFC 4252 §5.1", ERROR, auth=method, says=DENIED, **always(failure(",".join(["x" * 63] * 125))))
    F.row(f"nasty-methods-{method}", "escape sequences in the names of methods", "RFC 4251 §6", ERROR, auth=method, says="USERAUTH_FAILURE", **always(failure(b"\x1b[2J\x07,\xff\xfe")))
    F.row(f"twice-{method}", "two failures for one request", "RFC 4252 §5.1", ERROR, auth=method, says="without a request|Permission denied",
          do=lambda p, m: [m, m], twist={"rejects": True})
    F.row(f"then-success-{method}", "failure, and success behind it unasked", "RFC 4252 §5.1", ERROR, auth=method, says="without a request|Permission denied",
          do=lambda p, m: [failure("none"), msg(wire.USERAUTH_SUCCESS)], twist={"rejects": True})
F.row("none-then-success", "success for what was never asked, after the methods ended", "RFC 4252 §5.1", ERROR, says="without a request|Permission denied",  # [RFC 4252 5.1f]
      do=lambda p, m: [failure(""), msg(wire.USERAUTH_SUCCESS)], twist={"rejects": True})

# ---- success ----

S = Table(prefix="auth-success-", state="auth", at="auth_success")
for method in ("publickey", "password", "keyboard-interactive"):
    S.row(f"trailing-{method}", "bytes behind USERAUTH_SUCCESS", "RFC 4252 §5.1", ERROR, auth=method, do=lambda p, m: [m + b"x"], says="USERAUTH_SUCCESS")
    S.row(f"twice-{method}", "two of them", "RFC 4252 §5.1", ERROR, auth=method, do=lambda p, m: [m, m], says="out of place")
S.row("none", "success for `none`: the peer lets anybody in", "RFC 4252 §5.2", CARRY_ON, at="open", do=lambda p, m: [], auth="publickey", twist={"accepts": "none"})

# ---- password: RFC 4252 §8 ----

P = Table(prefix="auth-password-", state="auth", at="auth_success", auth="password")
CHANGE = msg(wire.PASSWD_CHANGEREQ, "Your password has expired", "en")
P.row("change", "a request to change it", "RFC 4252 §8", CARRY_ON, do=lambda p, m: [CHANGE])  # [RFC 4252 8d]
P.row("change-for-ever", "that request, again and again", "RFC 4252 §8", ERROR, do=lambda p, m: [CHANGE], twist={"always": {"auth_success": CHANGE}}, says="password changed")
P.row("change-twice", "two of them for one request", "RFC 4252 §8", ERROR, do=lambda p, m: [CHANGE, CHANGE], says="message 60|CHANGEREQ|message 52 is out of place|password changed")
P.row("change-lies", "a length in it that lies", "RFC 4251 §5", ERROR, do=lambda p, m: [bytes([60]) + b"\xff\xff\xff\xffx"], says="PASSWD_CHANGEREQ")
P.row("change-huge", "200,000 bytes of prompt", "RFC 4252 §8", CARRY_ON, do=lambda p, m: [msg(wire.PASSWD_CHANGEREQ, "x" * 200000, "")])

# ---- keyboard-interactive: RFC 4256 ----


def ask(count, *parts, name="", instruction=""):
    return msg(wire.INFO_REQUEST, name, instruction, "", count, *parts)


K = Table(prefix="auth-prompts-", state="auth", at="info_request", auth="keyboard-interactive")
NONE = ask(0)
K.row("none", "no prompt at all: an empty answer is due", "RFC 4256 §3.4", CARRY_ON, do=lambda p, m: [NONE])  # [RFC 4256 3.4c]
K.row("none-for-ever", "rounds without a prompt, without end", "RFC 4256 §3.2", ERROR, do=lambda p, m: [NONE],
      twist={"always": {"auth_success": NONE}}, says="INFO_REQUEST|rounds")
K.row("one-for-ever", "rounds with a prompt, without end", "RFC 4256 §3.2", ERROR, do=lambda p, m: [m],
      twist={"always": {"auth_success": ask(1, "Code: ", False)}}, says="INFO_REQUEST|rounds")
K.row("eight", "eight prompts", "RFC 4256 §3.2", CARRY_ON, do=lambda p, m: [ask(8, *["Code: ", False] * 8)])  # [RFC 4256 3.2c]
K.row("hundred", "a hundred prompts", "RFC 4256 §3.2", ERROR, do=lambda p, m: [ask(100, *["Code: ", False] * 100)], says="INFO_REQUEST")
K.row("2-32-1", "2^32-1 prompts", "RFC 4256 §3.2", ERROR, do=lambda p, m: [ask(2**32 - 1)], says="INFO_REQUEST")
K.row("fewer", "one prompt fewer than it says", "RFC 4256 §3.2", ERROR, do=lambda p, m: [ask(2, "Code: ", False)], says="INFO_REQUEST")
K.row("more", "one prompt more than it says", "RFC 4256 §3.2", ERROR, do=lambda p, m: [ask(1, "Code: ", False, "More: ", True)], says="INFO_REQUEST")
K.row("empty", "an empty prompt", "RFC 4256 §3.2", CARRY_ON, do=lambda p, m: [ask(1, "", False)])
K.row("huge", "a prompt of 100,000 bytes", "RFC 4256 §3.2", CARRY_ON, do=lambda p, m: [ask(1, "x" * 100000, False)])
K.row("twice", "two requests, one answer", "RFC 4256 §3.2", ERROR, do=lambda p, m: [m, m], says="message 60|INFO_REQUEST|message 52 is out of place")  # [RFC 4256 3.2b]
K.row("then-change", "a password's message inside of it", "RFC 4252 §6", ERROR, do=lambda p, m: [CHANGE], says="INFO_REQUEST")  # [RFC 4252 6b]
K.row("failure-between", "a request, and a failure before it is answered", "RFC 4256 §3.1", ERROR, do=lambda p, m: [m, failure("none")], says="FAILURE|Permission denied")
K.row("success-between", "a request, and success before it is answered", "RFC 4256 §3.1", ERROR, do=lambda p, m: [m, msg(wire.USERAUTH_SUCCESS)], says="SUCCESS|message 52 is out of place")

# ---- banners: RFC 4252 §5.4 ----

B = Table(prefix="banner-", state="auth", at="banner")
B.row("empty", "an empty one", "RFC 4252 §5.4", CARRY_ON, do=lambda p, m: [msg(wire.USERAUTH_BANNER, "", "")])
B.row("100-kb", "one of 100,000 bytes", "RFC 4252 §5.4", CARRY_ON, do=lambda p, m: [msg(wire.USERAUTH_BANNER, "line\n" * 20000, "en")])
B.row("100", "a hundred", "RFC 4252 §5.4", CARRY_ON, do=lambda p, m: [m] * 100)
B.row("flood", "3,000", "RFC 4252 §5.4", ERROR, do=lambda p, m: [m] * 3000, says="banner")
B.row("flood-of-bytes", "2 MB of them", "RFC 4252 §5.4", ERROR, do=lambda p, m: [msg(wire.USERAUTH_BANNER, "x" * 200000, "")] * 10, says="banner")
B.row("language", "a language tag of 1,000 bytes", "RFC 4252 §5.4", CARRY_ON, do=lambda p, m: [msg(wire.USERAUTH_BANNER, "hi\n", "x" * 1000)])
