"""Words of the peer that a person may see: escape sequences (ECMA-48), control characters, bidirectional controls, invalid UTF-8
and line breaks in each of them. What the client writes holds none of these (play.UNFIT looks at every case), and holds the
plain word beside them where it shows the text at all."""
from . import wire
from .case import CARRY_ON, END, ERROR, REFUSE, Table
from .keys import Certificate
from .wire import msg, string

NASTY = {
    "escape": b"\x1b[31mplain\x1b[0m\x1b[2J\x1b]0;title\x07\x1b]52;c;aGk=\x1b\\", "c1": b"\xc2\x9b31mplain\xc2\x9d0;title\xc2\x9c",
    "c1-raw": b"\x9b31mplain\x9d0;title\x9c", "control": b"\1\b\b\bplain\0\x7f\x0b\x0c\x0e\x0f\a", "bidi": "\u202e\u2066plain\u2069\u200f\u061c".encode(),
    "utf-8": b"\xff\xfe\xc0\xafplain\xed\xa0\x80\xf4\x90\x80\x80\xe2\x82", "lines": b"plain\r\nadit: all is well\rfake\n\n\nroot# ",
    "long": b"plain" + b"\xe2\x80\xae" * 3000}
VERBOSE = ("-vvv",)


def texts(field, state, at, requires, make, expect=CARRY_ON, shown=True, **more):
    """make(peer, text): the message with that text in the field."""
    table = Table(prefix=f"text-{field}-", state=state, at=at, options=VERBOSE + more.pop("options", ()), **more)
    for name, text in NASTY.items():
        fields = {"says" if expect == ERROR else "holds": "plain" if shown else "adit|debug"} if expect != REFUSE else {"proof": lambda p: len(p.refused) == 1}
        table.row(name, f"{field.replace('-', ' ')}: {name}", requires, expect, do=lambda p, m, t=text: make(p, t), **fields)


texts("disconnect", "open", "open", "RFC 4253 §11.1", lambda p, t: [msg(wire.DISCONNECT, 11, string(t), ""), END], expect=ERROR)  # [RFC 4253 11.1d]
texts("disconnect-in-kex", "kex", "kex_reply", "RFC 4253 §11.1", lambda p, t: [msg(wire.DISCONNECT, 11, string(t), ""), END], expect=ERROR)
texts("debug", "open", "open", "RFC 4253 §11.3", lambda p, t: [msg(wire.DEBUG, True, string(t), "")])  # [RFC 4253 11.3b]
texts("debug-quiet", "open", "open", "RFC 4253 §11.3", lambda p, t: [msg(wire.DEBUG, False, string(t), "")])
texts("banner", "auth", "banner", "RFC 4252 §5.4", lambda p, t: [msg(wire.USERAUTH_BANNER, string(t), string(t))])  # [RFC 4251 9.2a] [RFC 4252 5.4b]
texts("prompt", "auth", "info_request", "RFC 4256 §3.3", lambda p, t: [msg(wire.INFO_REQUEST, string(t), string(t), string(t), 1, string(t), False)],  # [RFC 4256 3.3a 3.3c]
      auth="keyboard-interactive")
texts("password-change", "auth", "auth_success", "RFC 4252 §8", lambda p, t: [msg(wire.PASSWD_CHANGEREQ, string(t), "")], auth="password")
texts("methods", "auth", "auth_failure", "RFC 4251 §6", lambda p, t: [msg(wire.USERAUTH_FAILURE, string(t.replace(b",", b"")), False)], expect=ERROR, shown=False,
      twist={"rejects": True})
texts("open-failure", "channel", "open_confirm", "RFC 4254 §5.1", lambda p, t: [msg(wire.OPEN_FAILURE, p.first.theirs, 1, string(t), "")])  # [RFC 4254 5.1b]
texts("channel-type", "open", "open", "RFC 4254 §5.1", lambda p, t: [msg(wire.CHANNEL_OPEN, string(t[:200]), 5, 9, 9)], expect=REFUSE)
texts("request-name", "open", "open", "RFC 4254 §4", lambda p, t: [msg(wire.GLOBAL_REQUEST, string(t[:200]), True)], shown=False)
texts("channel-request-name", "channel", "channel", "RFC 4254 §5.4", lambda p, t: [msg(wire.CHANNEL_REQUEST, p.first.theirs, string(t[:200]), True)], shown=False)
texts("originator", "open", "forward", "RFC 4254 §7.2", lambda p, t: [msg(wire.CHANNEL_OPEN, "forwarded-tcpip", 5, 9, 9, "localhost", 4242, string(t[:200]), 9)],
      expect=REFUSE, client="remote")
texts("address", "open", "open", "RFC 4254 §7.2", lambda p, t: [msg(wire.CHANNEL_OPEN, "forwarded-tcpip", 5, 9, 9, string(t[:200]), 4242, "x", 9)], expect=REFUSE)
texts("path", "open", "open", "OpenSSH PROTOCOL §2.4", lambda p, t: [msg(wire.CHANNEL_OPEN, "forwarded-streamlocal@openssh.com", 5, 9, 9, string(t[:200]), "")], expect=REFUSE)
texts("sig-algs", "service", "ext_info", "RFC 8308 §3.1", lambda p, t: [msg(wire.EXT_INFO, 1, "server-sig-algs", string(t[:900]))], shown=False)
texts("service", "service", "service_accept", "RFC 4253 §10", lambda p, t: [msg(wire.SERVICE_ACCEPT, string(t))], expect=ERROR, shown=False)
for name, text in NASTY.items():
    line = bytes(b for b in text[:200] if b not in b"\r\n\0")
    T = Table(prefix="text-", state="version", at="open", options=VERBOSE, holds="plain", do=lambda p, m: [])
    T.row(f"version-{name}", f"software version: {name}", "RFC 4253 §4.2", CARRY_ON, twist={"version": b"SSH-2.0-" + line + b"\r\n"})
    T.row(f"version-before-{name}", f"a line before the version: {name}", "RFC 4253 §4.2", CARRY_ON, twist={"version": line + b"\r\nSSH-2.0-plain\r\n"})
    K = Table(prefix="text-", state="kex", options=VERBOSE)
    K.row(f"kex-names-{name}", f"names of methods that nobody has: {name}", "RFC 4251 §6", ERROR, at="kexinit", do=lambda p, m: [m],
          twist={"lists": {"kex": text.decode("latin-1")}}, says="KEXINIT|no common")
    K.row(f"certificate-{name}", f"key id and principals of a certificate: {name}", "OpenSSH PROTOCOL.certkeys", ERROR, at="kex_reply", do=lambda p, m: [m],
          says="ertificate|verification failed|host key is malformed",
          twist={"host_key": lambda p, t=text: setattr(p, "made", getattr(p, "made", None) or Certificate(p.keys["authority"], key_id=t, principals=(t[:60],))) or p.made})
    E = Table(prefix="text-", state="exec", client="exec", at="exec", options=VERBOSE)
    E.row(f"exit-signal-{name}", f"name and words of a signal: {name}", "RFC 4254 §6.10", ERROR, says="debug",
          do=lambda p, m, t=text: [msg(wire.CHANNEL_REQUEST, p.first.theirs, "exit-signal", False, string(t), False, string(t), ""), msg(wire.CLOSE, p.first.theirs)])  # [RFC 4254 6.10b]
