"""Every message that a server sends, cut off at every byte and with a byte too many (RFC 4251 §5). In a re-exchange, and with a
certificate, the reply of the key exchange is cut at so many places from its first byte to its last."""
from . import wire
from .case import CARRY_ON, ERROR, Table
from .keys import Certificate
from .wire import msg, string

WORDS = {wire.KEXINIT: "KEXINIT", wire.KEX_REPLY: "KEX_ECDH_REPLY|public value|host key|signature", wire.NEWKEYS: "NEWKEYS", wire.EXT_INFO: "EXT_INFO",
         wire.SERVICE_ACCEPT: "SERVICE_ACCEPT", wire.USERAUTH_FAILURE: "USERAUTH_FAILURE", wire.USERAUTH_BANNER: "USERAUTH_BANNER",
         wire.INFO_REQUEST: "INFO_REQUEST|CHANGEREQ", wire.GLOBAL_REQUEST: "GLOBAL_REQUEST", wire.DISCONNECT: "disconnected", wire.DEBUG: "DEBUG",
         wire.UNIMPLEMENTED: "UNIMPLEMENTED", wire.USERAUTH_SUCCESS: "USERAUTH_SUCCESS"}


def cut_at(message, i, count):
    """The i-th of count cuts, the first of which leaves the number alone and the last all but one byte."""
    assert count < len(message)
    n = 1 + i * (len(message) - 2) // max(1, count - 1)
    return message[:n]


def cuts(name, state, at, sample, section, make=None, says=None, trailing=ERROR, places=None, **more):
    """sample: the honest message, or None for that of the moment; make: it, from the peer; places: how many, or all."""
    table = Table(prefix=f"cut-{name}-", state=state, at=at, **more)
    count = places or len(sample) - 1
    words = says or WORDS.get(sample[0] if sample else 0) or "CHANNEL"

    def send(change):
        return lambda p, m: [change(make(p) if make else sample or m)]
    for i in range(count):
        table.row(f"{i:02}", f"{name} cut off: place {i + 1} of {count}", section, ERROR, says=words, do=send(lambda m, i=i: cut_at(m, i, count)))
    if trailing:
        table.row("trailing", f"{name} with a byte too many", section, trailing, do=send(lambda m: m + b"\0"),
                  **({"says": words} if trailing == ERROR else {}))


KEXINIT_LEN, REPLY_LEN = 208, 179  # of an honest peer, which fails when a message is shorter
cuts("kexinit", "kex", "kexinit", None, "RFC 4253 §7.1", says="KEXINIT", places=KEXINIT_LEN - 1)
cuts("kex-reply", "kex", "kex_reply", None, "RFC 5656 §4", says=WORDS[wire.KEX_REPLY], places=REPLY_LEN - 1)
cuts("kex-reply-in-rekey", "rekey", "kex_reply:2", None, "RFC 5656 §4", says=WORDS[wire.KEX_REPLY], places=24)
cuts("kexinit-in-rekey", "rekey", "kexinit:2", None, "RFC 4253 §7.1", says="KEXINIT", places=24)
cuts("certificate", "kex", "kex_reply", None, "OpenSSH PROTOCOL.certkeys", says=WORDS[wire.KEX_REPLY] + "|ertificate", places=48,
     twist={"host_key": lambda p: setattr(p, "made", getattr(p, "made", None) or Certificate(p.keys["authority"])) or p.made})
cuts("kex-reply-ecdsa", "kex", "kex_reply", None, "RFC 5656 §4", says=WORDS[wire.KEX_REPLY], places=24, twist={"host_key": lambda p: p.keys["ecdsa"]})
cuts("kex-reply-rsa", "kex", "kex_reply", None, "RFC 8332 §3", says=WORDS[wire.KEX_REPLY], places=24, twist={"host_key": lambda p: p.keys["rsa"]})
cuts("kex-reply-nistp256", "kex", "kex_reply", None, "RFC 5656 §4", says=WORDS[wire.KEX_REPLY], places=24, twist={"kex": "ecdh-sha2-nistp256"})
cuts("newkeys", "newkeys", "newkeys", msg(wire.NEWKEYS), "RFC 4253 §7.3")
cuts("ext-info", "service", "ext_info", msg(wire.EXT_INFO, 2, "server-sig-algs", "ssh-ed25519,rsa-sha2-256,rsa-sha2-512", "no-flow-control", "p"), "RFC 8308 §2.3")
cuts("service-accept", "service", "service_accept", msg(wire.SERVICE_ACCEPT, "ssh-userauth"), "RFC 4253 §10")
cuts("failure", "auth", "auth_failure", msg(wire.USERAUTH_FAILURE, "publickey", False), "RFC 4252 §5.1", twist={"rejects": True})
cuts("success", "auth", "auth_success", msg(wire.USERAUTH_SUCCESS), "RFC 4252 §5.1")
cuts("banner", "auth", "banner", msg(wire.USERAUTH_BANNER, "hello", "en"), "RFC 4252 §5.4")
cuts("info-request", "auth", "info_request", msg(wire.INFO_REQUEST, "name", "instruction", "en", 2, "Code: ", False, "More: ", True), "RFC 4256 §3.2", auth="keyboard-interactive")
cuts("change-request", "auth", "auth_success", msg(wire.PASSWD_CHANGEREQ, "change", "en"), "RFC 4252 §8", auth="password")
cuts("disconnect", "open", "open", msg(wire.DISCONNECT, 11, "go away", "en"), "RFC 4253 §11.1")
cuts("debug", "open", "open", msg(wire.DEBUG, True, "words", "en"), "RFC 4253 §11.3")
cuts("unimplemented", "open", "open", msg(wire.UNIMPLEMENTED, 7), "RFC 4253 §11.4")
cuts("global-request", "open", "open", msg(wire.GLOBAL_REQUEST, "x@y", True), "RFC 4254 §4", trailing=CARRY_ON)
cuts("open", "open", "open", msg(wire.CHANNEL_OPEN, "forwarded-tcpip", 0, 9, 9, "localhost", 4242, "192.0.2.1", 99), "RFC 4254 §5.1", says="CHANNEL_OPEN")
cuts("open-in-command", "exec", "exec", msg(wire.CHANNEL_OPEN, "forwarded-tcpip", 0, 9, 9, "localhost", 4242, "192.0.2.1", 99), "RFC 4254 §5.1", says="CHANNEL_OPEN", client="exec", places=16)
cuts("open-streamlocal", "open", "open", msg(wire.CHANNEL_OPEN, "forwarded-streamlocal@openssh.com", 0, 9, 9, "/tmp/s", ""), "OpenSSH PROTOCOL §2.4", says="CHANNEL_OPEN")


def of_channel(name, make, section, state="channel", at="channel", **more):
    cuts(name, state, at, make(0), section, make=lambda p: make(p.first.theirs), **more)


of_channel("open-confirmation", lambda c: msg(wire.OPEN_CONFIRMATION, c, 0, 1000, 1000), "RFC 4254 §5.1", at="open_confirm", trailing=None)
of_channel("open-failure", lambda c: msg(wire.OPEN_FAILURE, c, 1, "no", ""), "RFC 4254 §5.1", at="open_confirm")
of_channel("window-adjust", lambda c: msg(wire.WINDOW_ADJUST, c, 1), "RFC 4254 §5.2")
of_channel("data", lambda c: msg(wire.DATA, c, "data"), "RFC 4254 §5.2")
of_channel("extended-data", lambda c: msg(wire.EXTENDED_DATA, c, 1, "data"), "RFC 4254 §5.2")
of_channel("eof", lambda c: msg(wire.EOF, c), "RFC 4254 §5.3")
of_channel("close", lambda c: msg(wire.CLOSE, c), "RFC 4254 §5.3")
of_channel("success-reply", lambda c: msg(wire.CHANNEL_SUCCESS, c), "RFC 4254 §5.4", state="exec", at="request_answer", client="exec")
of_channel("exit-status", lambda c: msg(wire.CHANNEL_REQUEST, c, "exit-status", False, 0), "RFC 4254 §6.10", state="exec", at="exec", client="exec")
of_channel("exit-signal", lambda c: msg(wire.CHANNEL_REQUEST, c, "exit-signal", False, "TERM", False, "bye", ""), "RFC 4254 §6.10", state="exec", at="exec",
           client="exec")

# ---- inner lengths that lie: RFC 4251 §5. One string of each message says another length than it has. ----


def lies(name, state, at, head, tail, section, says, make=None, **more):
    """head, then a string whose length lies, then tail."""
    table = Table(prefix=f"lie-{name}-", state=state, at=at, **more)
    for word, n in {"0": 0, "1-short": -1, "1-long": 1, "35001": 35001, "2-31": 2**31, "2-32-1": 2**32 - 1}.items():
        length = n if word in ("0", "35001", "2-31", "2-32-1") else len(tail[0]) + n
        table.row(word, f"{name}: a string of {len(tail[0])} bytes that says {length}", section, ERROR, says=says,
                  do=lambda p, m, n=length: [(make(p) if make else head) + n.to_bytes(4, "big") + tail[0] + tail[1]])


def head_of(number, *fields):
    return lambda p: msg(number, p.first.theirs, *fields)


lies("kex-reply-key", "kex", "kex_reply", bytes([wire.KEX_REPLY]), (string("ssh-ed25519") + string(bytes(32)), string(bytes(32)) + string(bytes(64))), "RFC 5656 §4",  # [RFC 4251 5j]
     WORDS[wire.KEX_REPLY])
lies("kex-reply-share", "kex", "kex_reply", bytes([wire.KEX_REPLY]) + string(b"k" * 51), (bytes(32), string(bytes(64))), "RFC 5656 §4", WORDS[wire.KEX_REPLY])
lies("ext-info-name", "service", "ext_info", msg(wire.EXT_INFO, 1), (b"server-sig-algs", string("ssh-ed25519")), "RFC 8308 §2.3", "EXT_INFO")
lies("service", "service", "service_accept", bytes([wire.SERVICE_ACCEPT]), (b"ssh-userauth", b""), "RFC 4253 §10", "SERVICE_ACCEPT")
lies("methods", "auth", "auth_failure", bytes([wire.USERAUTH_FAILURE]), (b"publickey", b"\0"), "RFC 4252 §5.1", "USERAUTH_FAILURE", twist={"rejects": True})
lies("banner", "auth", "banner", bytes([wire.USERAUTH_BANNER]), (b"hello", string("en")), "RFC 4252 §5.4", "USERAUTH_BANNER")
lies("prompt", "auth", "info_request", msg(wire.INFO_REQUEST, "n", "i", "", 1), (b"Code: ", b"\0"), "RFC 4256 §3.2", "INFO_REQUEST", auth="keyboard-interactive")
lies("data", "channel", "channel", None, (b"data", b""), "RFC 4254 §5.2", "DATA", make=head_of(wire.DATA))
lies("extended", "channel", "channel", None, (b"data", b""), "RFC 4254 §5.2", "DATA", make=head_of(wire.EXTENDED_DATA, 1))
lies("debug", "open", "open", msg(wire.DEBUG, True), (b"words", string("en")), "RFC 4253 §11.3", "DEBUG")
lies("open-failure", "channel", "open_confirm", None, (b"no", string("")), "RFC 4254 §5.1", "OPEN_FAILURE", make=head_of(wire.OPEN_FAILURE, 1))
lies("exit-signal", "exec", "exec", None, (b"TERM", b"\0" + string("bye") + string("")), "RFC 4254 §6.10", "exit-signal|CHANNEL_REQUEST",
     make=head_of(wire.CHANNEL_REQUEST, "exit-signal", False), client="exec")
