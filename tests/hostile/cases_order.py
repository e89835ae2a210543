"""Messages where they may not come: RFC 4253 §7.1, §10 and §11, RFC 4252 §5.1 and §6, RFC 8308 §2.4, strict-kex."""
from . import wire
from .case import CARRY_ON, END, ERROR, RESET, Table
from .wire import msg, string

# Well formed, each of them.
MESSAGES = {
    "service-request": msg(wire.SERVICE_REQUEST, "ssh-userauth"),
    "service-accept": msg(wire.SERVICE_ACCEPT, "ssh-userauth"),
    "ext-info": msg(wire.EXT_INFO, 0),
    "newkeys": msg(wire.NEWKEYS),
    "kex-init": msg(wire.KEX_INIT, string(b"\x09" * 32)),
    "kex-reply": msg(wire.KEX_REPLY, string(b"k"), string(b"\x09" * 32), string(b"s")),
    "userauth-request": msg(wire.USERAUTH_REQUEST, "u", "ssh-connection", "none"),
    "userauth-failure": msg(wire.USERAUTH_FAILURE, "publickey", False),
    "userauth-success": msg(wire.USERAUTH_SUCCESS),
    "userauth-banner": msg(wire.USERAUTH_BANNER, "hello", ""),
    "pk-ok": msg(wire.PK_OK, "ssh-ed25519", string(b"k")),
    "info-response": msg(wire.INFO_RESPONSE, 0),
    "global-request": msg(wire.GLOBAL_REQUEST, "x@y", True),
    "request-success": msg(wire.REQUEST_SUCCESS),
    "request-failure": msg(wire.REQUEST_FAILURE),
    "channel-open": msg(wire.CHANNEL_OPEN, "session", 0, 1000, 1000),
    "open-confirmation": msg(wire.OPEN_CONFIRMATION, 0, 0, 1000, 1000),
    "open-failure": msg(wire.OPEN_FAILURE, 0, 1, "no", ""),
    "window-adjust": msg(wire.WINDOW_ADJUST, 0, 1),
    "data": msg(wire.DATA, 0, "x"),
    "extended-data": msg(wire.EXTENDED_DATA, 0, 1, "x"),
    "eof": msg(wire.EOF, 0),
    "close": msg(wire.CLOSE, 0),
    "channel-request": msg(wire.CHANNEL_REQUEST, 0, "x@y", True),
    "channel-success": msg(wire.CHANNEL_SUCCESS, 0),
    "channel-failure": msg(wire.CHANNEL_FAILURE, 0),
}
CONNECTION = [n for n, m in MESSAGES.items() if m[0] >= 80]
AUTHENTICATION = [n for n, m in MESSAGES.items() if 50 <= m[0] < 80]
NO_PLACE = "out of place|before the key exchange|without|unasked|unknown|did not ask|no open|never|not "


def at(state, moment, names, requires, where, **more):
    """Each of these, before the honest message of that moment."""
    table = Table(prefix=f"order-{where}-", state=state, at=moment, **more)
    for name in names:
        table.row(name, f"{name} {where.replace('-', ' ')}", requires, ERROR, says=NO_PLACE,
                  do=lambda p, honest, m=MESSAGES[name]: [m, honest] if honest else [m])


at("kex", "kexinit", [n for n in MESSAGES], "RFC 4253 §7.1", "before-kexinit")
at("kex", "kex_reply", [n for n in MESSAGES if n != "kex-reply"], "RFC 4253 §7.1", "in-kex")
at("newkeys", "newkeys", [n for n in MESSAGES if n != "newkeys"], "RFC 4253 §7.3", "before-newkeys")
at("service", "service_accept", [n for n in MESSAGES if n not in ("service-accept", "ext-info")], "RFC 4253 §10", "before-service")
at("auth", "auth_success", [n for n in MESSAGES if n not in (  # [RFC 4252 6a]
    "ext-info", "userauth-banner", "userauth-success", "userauth-failure")], "RFC 4252 §6", "in-auth")
at("open", "open", ["service-request", "service-accept", "ext-info", "newkeys", "kex-init", "kex-reply"] + AUTHENTICATION,
   "RFC 4252 §6", "after-auth")
at("rekey", "kex_reply:2", ["service-request", "service-accept", "ext-info", "kex-init"] + AUTHENTICATION,  # [RFC 4253 7.1o]
   "RFC 4253 §7.1", "in-rekey")

# ---- kexinit and newkeys out of order ----

T = Table(prefix="order-", says=NO_PLACE)
T.row("kexinit-twice", "KEXINIT inside an exchange", "RFC 4253 §7.1", ERROR, state="kex", at="kex_reply",  # [RFC 4253 7.1p]
      do=lambda p, m: [p.i_s, m], says="KEXINIT")
T.row("kexinit-twice-in-rekey", "KEXINIT inside a re-exchange", "RFC 4253 §7.1", ERROR, state="rekey", at="kex_reply:2",
      do=lambda p, m: [p.i_s, m], says="KEXINIT")
T.row("kex-reply-twice", "two replies", "RFC 4253 §7.1", ERROR, state="newkeys", at="newkeys", do=lambda p, m: [p.last_reply, m])
T.row("newkeys-twice", "NEWKEYS twice", "RFC 4253 §7.3", ERROR, state="newkeys", at="newkeys", do=lambda p, m: [m, m], says="[Pp]acket length|padding|MAC|NEWKEYS")
T.row("newkeys-missing", "no NEWKEYS: what follows is protected by new keys", "RFC 4253 §7.3", ERROR, state="newkeys", at="newkeys",  # [RFC 4253 7.3a]
      do=lambda p, m: [], says="[Pp]acket length|padding|MAC|out of place")
T.row("newkeys-missing-in-rekey", "no NEWKEYS in a re-exchange", "RFC 4253 §7.3", ERROR, state="rekey", at="newkeys:2",  # [RFC 4253 7.3b]
      do=lambda p, m: [], says="[Pp]acket length|padding|MAC")
T.row("newkeys-before-reply", "NEWKEYS instead of the reply", "RFC 4253 §7.3", ERROR, state="kex", at="kex_reply",
      do=lambda p, m: [msg(wire.NEWKEYS)])
T.row("success-without-request", "USERAUTH_SUCCESS before the service is accepted", "RFC 4252 §5.1", ERROR, state="service",
      at="service_accept", do=lambda p, m: [msg(wire.USERAUTH_SUCCESS), m])
T.row("success-twice", "USERAUTH_SUCCESS twice", "RFC 4252 §5.1", ERROR, state="auth", at="auth_success",  # [RFC 4252 5.1e]
      do=lambda p, m: [m, m])
T.row("service-wrong", "SERVICE_ACCEPT for ssh-connection", "RFC 4253 §10", ERROR, state="service", at="service_accept",  # [RFC 4253 10d]
      do=lambda p, m: [msg(wire.SERVICE_ACCEPT, "ssh-connection")], says="SERVICE_ACCEPT")
T.row("service-twice", "SERVICE_ACCEPT twice", "RFC 4253 §10", ERROR, state="service", at="service_accept", do=lambda p, m: [m, m])

# ---- strict-kex and Terrapin ----

S = Table(prefix="strict-", state="newkeys")
for name, m in {"ignore": msg(wire.IGNORE, "x"), "debug": msg(wire.DEBUG, False, "x", ""), "unimplemented": msg(wire.UNIMPLEMENTED, 0),
                "unknown": bytes([200]), "ping": msg(wire.PING, "x")}.items():
    for where in ("kex_reply", "newkeys"):
        S.row(f"{name}-before-{where.replace('_', '-')}", f"{name} inside the first exchange", "strict-kex (OpenSSH PROTOCOL §1.9)",
              ERROR, at=where, do=lambda p, honest, m=m: [m, honest], says="out of place|strict")
    S.row(f"{name}-first", f"{name} before KEXINIT", "strict-kex (OpenSSH PROTOCOL §1.9)", ERROR, at="kexinit",
          do=lambda p, honest, m=m: [m, honest], says="out of place|strict")
S.row("terrapin", "IGNORE before NEWKEYS, and the first packet behind it dropped: numbers fit again", "strict-kex (OpenSSH PROTOCOL §1.9)",
      ERROR, at="newkeys", suite="chacha", do=lambda p, m: [msg(wire.IGNORE, "x"), m], says="out of place|strict")
S.row("no-reset", "sequence numbers that go on behind NEWKEYS", "strict-kex (OpenSSH PROTOCOL §1.9)", ERROR, at="ext_info", suite="chacha",
      do=lambda p, m: [setattr(p, "tx_seq", 3) or m], says="MAC|[Pp]acket length")
L = Table(prefix="lax-", state="newkeys", strict=False)
for name, m in {"ignore": msg(wire.IGNORE, "x"), "debug": msg(wire.DEBUG, False, "x", ""), "unimplemented": msg(wire.UNIMPLEMENTED, 0)}.items():
    for where in ("kexinit", "kex_reply", "newkeys"):
        L.row(f"{name}-before-{where.replace('_', '-')}", f"{name} inside the first exchange of a peer that is not strict", "RFC 4253 §7.1",  # [RFC 4253 11.2a]
              CARRY_ON, at=where, do=lambda p, honest, m=m: [m, honest])

# ---- unknown numbers ----

U = Table(prefix="unknown-", state="open", at="open")
for n in (0, 8, 19, 22, 29, 32, 49, 54, 59, 62, 79, 83, 89, 101, 127, 128, 191, 192, 194, 255):
    U.row(str(n), f"message {n}, which nobody knows: UNIMPLEMENTED is the answer", "RFC 4253 §11.4", CARRY_ON,  # [RFC 4253 11.4a 11.4b]
          do=lambda p, m, n=n: [bytes([n]) + b"\0\0\0\1x"], proof=lambda p: p.got[wire.UNIMPLEMENTED] == 1 or p.got[wire.PONG] == 1)

# ---- the end ----

E = Table(prefix="end-", says="closed|reset|disconnect|EOF")
MOMENTS = {"kexinit": "kex", "kex_reply": "kex", "newkeys": "newkeys", "service_accept": "service", "auth_failure": "auth",
           "auth_success": "auth", "open": "open", "channel": "channel", "kexinit:2": "rekey", "kex_reply:2": "rekey", "newkeys:2": "rekey"}
for moment, state in MOMENTS.items():
    for how, items in {"close": [END], "reset": [RESET], "disconnect": [msg(wire.DISCONNECT, 11, "go away", ""), END],
                       "disconnect-short": [bytes([wire.DISCONNECT]), END]}.items():
        E.row(f"{how}-at-{moment.replace('_', '-').replace(':', '-')}", f"{how.replace('-', ' ')} instead of {moment}",  # [RFC 4253 11.1a]
              "RFC 4253 §11.1", ERROR, state=state, at=moment, do=lambda p, m, items=items: items,
              twist={"rejects": moment == "auth_failure"})
