"""Sequence numbers that wrap, and keys that have seen too many packets: RFC 4253 §6.4, RFC 4344 §3.1, strict-kex. Nobody can send
2^32 packets in a test: the client is one whose packets were counted from elsewhere (seam.c), and the peer counts as it does."""
from . import wire
from .case import CARRY_ON, ERROR, Frame, Raw, Table
from .wire import msg

LAST = 2**32 - 1
IGNORE = msg(wire.IGNORE, "fifteen letters")
BAD = "MAC|[Pp]acket length|padding"


def counted(when, number, came=0, went=0):
    """The fields of a case in which both sides begin to count there."""
    return {"seam": f"{when} {number} {came} {went}", "twist": {"numbers": (when, number)}}


def wrapped(p):
    return p.tx_seq < 2**31 and p.rx_seq < 2**31


def held(spoils):
    """Keeps the packet as it went out in the list, and sends it or not."""
    kept, sends = spoils

    def spoil(sealed):
        kept.append(sealed)
        return sealed if sends else b""
    return spoil


def replay(p, _m):
    """The packet with the last number again, when numbers are small."""
    kept = []
    yield Frame(IGNORE, spoil=held((kept, True)))
    for _ in range(20):
        yield IGNORE
    yield Raw(kept[0])


def swapped(p, _m):
    """The packets on both sides of the wrap, in the wrong order."""
    kept = []
    while p.tx_seq != LAST:
        yield IGNORE
    yield Frame(IGNORE, spoil=held((kept, False)))
    yield Frame(IGNORE, spoil=lambda sealed: sealed + kept[0])


def lost(p, _m):
    while p.tx_seq != LAST:
        yield IGNORE
    yield Frame(IGNORE, spoil=lambda sealed: b"")
    yield IGNORE


def again(p, _m):
    """The number 2^32-1 twice: the peer's counter does not wrap."""
    while p.tx_seq != LAST:
        yield IGNORE
    yield IGNORE
    p.tx_seq = LAST
    yield IGNORE


def small_again(p, _m):
    """A peer that begins anew with 1 behind the last number."""
    while p.tx_seq != LAST:
        yield IGNORE
    yield IGNORE
    p.tx_seq = 1
    yield IGNORE


async def until_asked(p, _m):
    """Packets by one who is deaf to KEXINIT."""
    for _ in range(60):
        yield IGNORE


for suite in wire.SUITES:
    T = Table(prefix=f"numbers-{suite}-", state="channel", at="channel", suite=suite, strict=False, only="adit")
    T.row("wrap", "numbers wrap in both directions while data flows", "RFC 4253 §6.4", CARRY_ON, **counted("keyed", LAST - 5),  # [RFC 4253 6.4b]
          do=lambda p, m: [IGNORE] * 30, proof=wrapped)
    T.row("wrap-in-authentication", "they wrap right behind NEWKEYS", "RFC 4253 §6.4", CARRY_ON, **counted("keyed", LAST - 1), do=lambda p, m: [IGNORE], proof=wrapped)
    T.row("wrap-in-the-clear", "they wrap before there are keys, and go on behind NEWKEYS as they must without strict-kex", "RFC 4253 §6.4", CARRY_ON,
          **counted("plain", LAST - 1), do=lambda p, m: [IGNORE], proof=wrapped)
    R = Table(prefix=f"numbers-{suite}-", state="open", at="open", suite=suite, strict=False, only="adit")
    for word, do, sends in (("replay-behind-wrap", replay, "the packet from before the wrap, again"), ("swapped-at-wrap", swapped, "the two packets at the wrap swapped"),
                            ("lost-at-wrap", lost, "the packet before the wrap is lost")) + (() if suite == "gcm" else (  # its nonce does not hold the number
                                ("last-twice", again, "the last number twice"), ("wrap-to-1", small_again, "1 behind the last number"))):
        R.row(word, sends, "RFC 4253 §6.4", ERROR, says=BAD, do=do, **counted("keyed", LAST - 12))
    for side, more in (("came", {"came": 2**31 - 16}), ("went", {"went": 2**31 - 4})):
        T.row(f"due-{side}", f"2^31 packets {side} with these keys: the client asks for new ones by itself", "RFC 4344 §3.1", CARRY_ON,
              **counted("keyed", 2**31 - 16, **more), do=lambda p, m: [IGNORE] * 30, proof=lambda p: p.exchanges == 2)
    fields = counted("keyed", LAST - 40, came=LAST - 40)
    fields["twist"]["deaf"] = True
    R.row("overdue", "2^32 packets with the same keys, by a peer that takes no new ones", "RFC 4344 §3.1", ERROR, says="New keys are overdue", do=until_asked,
          **fields)

K = Table(prefix="numbers-", state="kex", only="adit")
K.row("strict-wrap-in-kex", "a strict first exchange that so many packets came before that numbers wrap in it", "strict-kex (OpenSSH PROTOCOL §1.9)", ERROR,
      at="kexinit", do=lambda p, m: [m], says="strict|overdue", **counted("plain", LAST, came=LAST))
K.row("lax-wrap-in-kex", "the same without strict-kex", "strict-kex (OpenSSH PROTOCOL §1.9)", ERROR, strict=False, at="kex_reply", do=lambda p, m: [m], says="overdue",
      **counted("plain", LAST, came=LAST))
S = Table(prefix="numbers-", state="newkeys", at="open", only="adit")
for number in (1, 2**31, LAST - 1, LAST):
    S.row(f"strict-reset-from-{number}", f"a strict NEWKEYS behind number {number}: the next is 0", "strict-kex (OpenSSH PROTOCOL §1.9)", CARRY_ON, suite="chacha",
          do=lambda p, m: [IGNORE], **counted("plain", number))
