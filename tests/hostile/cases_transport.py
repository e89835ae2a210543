"""Identification strings and packets: RFC 4253 §4.2 and §6, RFC 4344, RFC 5647, OpenSSH's PROTOCOL.chacha20poly1305."""
from . import wire
from .case import CARRY_ON, END, ERROR, Frame, Raw, Table
from .wire import msg, string

# ---- version: RFC 4253 §4.2 ----

VERSION = Table(prefix="version-", state="version")


def line(name, data, expect, sends, says=None, requires="RFC 4253 §4.2", then=()):
    """The peer's identification string is this."""
    if expect == CARRY_ON:
        VERSION.row(name, sends, requires, expect, at="open", do=lambda p, m: [], twist={"version": data})
    else:
        VERSION.row(name, sends, requires, expect, at="version", do=lambda p, m: [Raw(data), *then], says=says)


line("1-5", b"SSH-1.5-Old\r\n", ERROR, "protocol 1.5", "version|protocol")
line("1-99", b"SSH-1.99-Both\r\n", CARRY_ON, "1.99, which stands for 2.0", requires="RFC 4253 §5.1")  # [RFC 4253 5.1a]
line("3-0", b"SSH-3.0-New\r\n", ERROR, "a protocol that does not exist", "version|protocol")
line("2-00", b"SSH-2.00-x\r\n", ERROR, "2.00", "version|protocol")
line("no-dash", b"SSH-2.0\r\n", ERROR, "no software version", "version|protocol|line")
line("lower-case", b"ssh-2.0-x\r\n", ERROR, "ssh- in lower case, and the end", "version|closed|reset", then=[END])
line("nul", b"SSH-2.0-a\0b\r\n", ERROR, "a null character", "version|line|character")  # [RFC 4253 4.2d]
line("escape", b"SSH-2.0-\x1b[2Jx\r\n", CARRY_ON, "an escape sequence, which nobody sees")
line("255", b"SSH-2.0-" + b"a" * 245 + b"\r\n", CARRY_ON, "the longest line there may be, 255 bytes")
line("256", b"SSH-2.0-" + b"a" * 246 + b"\r\n", ERROR, "256 bytes", "version|line|long")  # [RFC 4253 4.2e]
line("endless", b"SSH-2.0-" + b"a" * 200000, ERROR, "a line that does not end", "version|line|long")
line("no-cr", b"SSH-2.0-x\n", CARRY_ON, "a line feed alone, as some servers do")  # [RFC 4253 4.2c]
line("comment", b"SSH-2.0-x some words - and\r\n", CARRY_ON, "a comment")
line("lines-before", b"Hello\r\nmore\r\nSSH-2.0-x\r\n", CARRY_ON, "other lines before it")  # [RFC 4253 4.2f]
line("empty-lines", b"\r\n" * 100 + b"SSH-2.0-x\r\n", CARRY_ON, "a hundred empty lines before it")
line("lines-endless", b"noise\r\n" * 30000, ERROR, "lines without end", "version|line")
line("long-line-before", b"x" * 70000 + b"\r\nSSH-2.0-x\r\n", ERROR, "a line of 70,000 bytes before it", "version|line|long")
line("http", b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", ERROR, "a web server's answer", "version|closed|reset", then=[END])
line("nothing", b"", ERROR, "the end of the connection at once", "version|closed|reset", then=[END])
line("half", b"SSH-2.0-x", ERROR, "half a line and the end", "version|closed|reset", then=[END])
line("binary", bytes(range(256)) * 8, ERROR, "bytes that are no text", "version|line|closed|reset", then=[END])
line("twice", b"SSH-2.0-x\r\nSSH-2.0-x\r\n", ERROR, "the line twice: the second one is no packet", "[Pp]acket|length",
     requires="RFC 4253 §6")  # [RFC 4253 4.2j]

# ---- packets: RFC 4253 §6. Before there are keys, and with each kind of protection ----

PAYLOAD = msg(wire.IGNORE, "fifteen letters")


def spoilt(at):
    """One bit of the sealed packet."""
    def spoil(sealed):
        i = at if at >= 0 else len(sealed) + at
        return sealed[:i] + bytes([sealed[i] ^ 1]) + sealed[i + 1:]
    return spoil


LENGTHS = {"0": 0, "1": 1, "4": 4, "5": 5, "odd": 33, "35001": 35001, "2-20": 2**20, "2-31": 2**31, "2-32-1": 2**32 - 1}
SECTIONS = {"plain": "RFC 4253 §6", "gcm": "RFC 5647 §7", "chacha": "OpenSSH PROTOCOL.chacha20poly1305",
            "mac": "RFC 4253 §6.4", "etm": "OpenSSH PROTOCOL §1.1"}


def more():
    """What follows a lie: enough that nobody waits for the rest of a packet."""
    return Raw(bytes(300000))


def packets(kind, **at):
    table = Table(prefix=f"packet-{kind}-", **at)
    section = SECTIONS[kind]
    bad = r"[Pp]acket length|padding|MAC|[Bb]ad packet|Corrupted"
    for name, n in LENGTHS.items():
        table.row("length-" + name, f"packet_length {n}", "RFC 4253 §6", ERROR, says=bad,  # [RFC 4253 6.1c]
                  do=lambda p, m, n=n: [Frame(PAYLOAD, length=n), more()])
    table.row("length-longer", "packet_length one block too large, then more", "RFC 4253 §6", ERROR, says=bad,
              do=lambda p, m: [Frame(PAYLOAD, length=32 + p.tx.block), more()])
    for n in (0, 1, 2, 3):
        table.row(f"padding-{n}", f"padding_length {n}: less than four", "RFC 4253 §6", ERROR, says=bad,  # [RFC 4253 6b]
                  do=lambda p, m, n=n: [Frame(PAYLOAD, padding_length=n)])
    table.row("padding-all", "padding_length larger than the packet", "RFC 4253 §6", ERROR, says=bad,
              do=lambda p, m: [Frame(PAYLOAD, padding_length=255)])
    table.row("empty", "a packet without a payload", "RFC 4253 §6", ERROR, says=bad + "|empty|out of place",
              do=lambda p, m: [Frame(b"")])
    table.row("cut", "half a packet and the end", section, ERROR, says="closed|reset",
              do=lambda p, m: [Frame(PAYLOAD, spoil=lambda s: s[:len(s) // 2]), END])


def sealed_packets(suite):
    at = dict(state="open", at="open", suite=suite)
    packets(suite, **at)
    table = Table(prefix=f"packet-{suite}-", **at)
    section = SECTIONS[suite]
    bad = r"MAC|[Pp]acket length|padding"
    for name, i in {"length": 1, "first": 4, "middle": 20, "before-tag": -17 if suite in ("gcm", "chacha") else -33,
                    "tag-first": -16 if suite in ("gcm", "chacha") else -32, "tag-last": -1}.items():
        table.row("bit-" + name, f"a packet with one bit changed ({name})", section, ERROR, says=bad,  # [RFC 4253 6.4f]
                  do=lambda p, m, i=i: [Frame(PAYLOAD, spoil=spoilt(i))] + [more()] * (i < 4))
    tag = 16 if suite in ("gcm", "chacha") else 32
    table.row("tag-zero", "a tag of zeros", section, ERROR, says=bad,
              do=lambda p, m: [Frame(PAYLOAD, spoil=lambda s: s[:-tag] + bytes(tag))])
    table.row("tag-missing", "no tag", section, ERROR, says=bad,
              do=lambda p, m: [Frame(PAYLOAD, spoil=lambda s: s[:-tag]), more()])
    table.row("replay", "the same packet twice", "RFC 4253 §6.4", ERROR, says=bad,
              do=lambda p, m: [Frame(PAYLOAD, spoil=lambda s: s + s)])
    table.row("gap", "a packet lost: the next one has its number", "RFC 4253 §6.4", ERROR, says=bad,  # [RFC 4253 6.4b]
              do=lambda p, m: [Frame(PAYLOAD, spoil=lambda s: b""), PAYLOAD])
    table.row("reorder", "two packets in the wrong order", "RFC 4253 §6.4", ERROR, says=bad, do=reorder)
    table.row("plain", "an unprotected packet behind the keys", section, ERROR, says=bad,
              do=lambda p, m: [Raw(wire.frame(wire.Plain(), PAYLOAD)), more()])
    table.row("padding-255", "the longest padding", "RFC 4253 §6", CARRY_ON, do=lambda p, m: [long_padding(p)])  # [RFC 4253 6d]
    table.row("largest", "a packet of 35,000 bytes in all", "RFC 4253 §6.1", CARRY_ON,  # [RFC 4253 6.1a 6.1b] [RFC 4254 5.2d]
              do=lambda p, m: [msg(wire.IGNORE, string(bytes(34900)))])
    table.row("single-bytes", "a packet in pieces of one byte", "RFC 4253 §6", CARRY_ON, do=in_pieces)


def reorder(p, _m):
    held = []

    def hold(sealed):
        held.append(sealed)
        return b""
    yield Frame(PAYLOAD, spoil=hold)
    yield Frame(msg(wire.IGNORE, "another one"), spoil=lambda s: s + held[0])


def long_padding(p):
    head = 1 if p.tx.clear else 5
    return Frame(PAYLOAD, padding=max(n for n in range(4, 256) if (head + len(PAYLOAD) + n) % p.tx.block == 0))


async def in_pieces(p, _m):
    held = []

    def hold(sealed):
        held.append(sealed)
        return b""
    yield Frame(PAYLOAD, spoil=hold)
    for i in range(len(held[0])):
        yield Raw(held[0][i:i + 1])


packets("plain", state="kex", at="kex_reply")
for suite_name in wire.SUITES:
    sealed_packets(suite_name)


# ---- the worst of them in each later state: what is read there is read by the same code, and is it? ----

STATES = {"service": dict(at="service_accept"), "auth": dict(at="auth_success"), "auth-password": dict(state="auth", at="auth_success", auth="password"),
          "auth-prompts": dict(state="auth", at="info_request", auth="keyboard-interactive"), "channel": dict(at="channel"), "exec": dict(at="exec", client="exec"),
          "rekey": dict(at="kex_reply:2"), "rekey-newkeys": dict(state="rekey", at="newkeys:2"), "rekeyed": dict(state="rekey", at="rekeyed"),
          "newkeys": dict(at="newkeys"), "forward": dict(state="open", at="forward", client="remote")}
BAD = r"[Pp]acket length|padding|MAC|[Bb]ad packet|Corrupted|empty|out of place"
for word, where in STATES.items():
    T = Table(prefix=f"packet-in-{word}-", **{"state": word, **where})
    for name, n in {"0": 0, "1": 1, "odd": 33, "35001": 35001, "2-32-1": 2**32 - 1}.items():
        T.row("length-" + name, f"packet_length {n}", "RFC 4253 §6", ERROR, says=BAD, do=lambda p, m, n=n: [Frame(PAYLOAD, length=n), more()])
    T.row("padding-0", "no padding", "RFC 4253 §6", ERROR, says=BAD, do=lambda p, m: [Frame(PAYLOAD, padding_length=0)])
    T.row("padding-all", "padding_length larger than the packet", "RFC 4253 §6", ERROR, says=BAD, do=lambda p, m: [Frame(PAYLOAD, padding_length=255)])
    T.row("empty", "a packet without a payload", "RFC 4253 §6", ERROR, says=BAD, do=lambda p, m: [Frame(b"")])
    T.row("cut", "half a packet and the end", "RFC 4253 §6", ERROR, says="closed|reset", do=lambda p, m: [Frame(PAYLOAD, spoil=lambda s: s[:len(s) // 2]), END])
    if word == "newkeys":
        continue  # no keys yet
    T.row("bit", "one bit of the tag changed", "RFC 5647 §7", ERROR, says=BAD, do=lambda p, m: [Frame(PAYLOAD, spoil=spoilt(-1))])
    T.row("replay", "the same packet twice", "RFC 4253 §6.4", ERROR, says=BAD, do=lambda p, m: [Frame(PAYLOAD, spoil=lambda s: s + s)])
    T.row("reorder", "two packets in the wrong order", "RFC 4253 §6.4", ERROR, says=BAD, do=reorder)
    T.row("plain", "an unprotected packet", "RFC 5647 §7", ERROR, says=BAD, do=lambda p, m: [Raw(wire.frame(wire.Plain(), PAYLOAD)), more()])
