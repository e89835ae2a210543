"""OpenSSH's extensions (its PROTOCOL): forwarded Unix sockets, agents and X11, hostkeys-00 and its proofs, pings, compression."""
import asyncio
import os
import pathlib
import zlib

from . import wire
from .case import CARRY_ON, END, ERROR, REFUSE, Frame, Table
from .cases_connection import ends, opening, packed, unread
from .wire import msg, string

refused = lambda p: len(p.refused) == 1  # noqa: E731

# ---- forwarded-streamlocal: PROTOCOL §2.4. -R of a path was asked for ----

PATH = "/run/hostile.sock"
STREAMLOCAL = dict(state="open", at="forward", options=(f"-R{PATH}:127.0.0.1:9",))
S = Table(prefix="streamlocal-", **STREAMLOCAL)
SECTION = "OpenSSH PROTOCOL §2.4"
KIND = "forwarded-streamlocal@openssh.com"
for name, path in {"other": "/run/other.sock", "empty": "", "prefix": PATH[:-1], "longer": PATH + "x", "dots": "/run/../run/hostile.sock", "nul": PATH + "\0x",
                   "escapes": "\x1b[2J", "long": "/" + "x" * 1000}.items():
    S.row(f"path-{name}", f"a connection to another path than the one asked for: {name}", SECTION, REFUSE, do=lambda p, m, t=path: [opening(KIND, t, "")], proof=refused)
S.row("target-down", "a connection whose target does not listen", SECTION, REFUSE, do=lambda p, m: [opening(KIND, PATH, "")], proof=refused)
S.row("reserved", "something in the reserved field", SECTION, REFUSE, do=lambda p, m: [opening(KIND, PATH, "anything")], proof=refused)
S.row("tcpip", "a connection to a TCP port, which nobody asked for", "RFC 4254 §7.2", REFUSE, do=lambda p, m: [opening("forwarded-tcpip", PATH, 0, "x", 1)], proof=refused)
S.row("flood", "500 of them", SECTION, REFUSE, do=lambda p, m: [opening(KIND, PATH, "", number=i) for i in range(500)], proof=lambda p: len(p.refused) == 500)
S.row("short", "one without its fields", SECTION, ERROR, do=lambda p, m: [opening(KIND)], says="CHANNEL_OPEN")
S.row("trailing", "one with a byte too many", SECTION, ERROR, do=lambda p, m: [opening(KIND, PATH, "") + b"x"], says="CHANNEL_OPEN")
G = Table(prefix="streamlocal-", **{**STREAMLOCAL, "at": "global_reply"})
G.row("refused", "the listener is refused: the session goes on without it", SECTION, CARRY_ON, do=lambda p, m: [msg(wire.REQUEST_FAILURE)])
G.row("answer-twice", "two answers", "RFC 4254 §4", ERROR, do=lambda p, m: [m, m], says="REQUEST_SUCCESS|reply|request")
G.row("answer-with-port", "an answer with a port behind it", SECTION, CARRY_ON, do=lambda p, m: [msg(wire.REQUEST_SUCCESS, 4242)])

# ---- agent and X11 channels that nobody asked for, cut off and lying ----

O = Table(prefix="open-", state="open", at="open")
for name, message in {"agent": opening("auth-agent@openssh.com"), "x11": opening("x11", "192.0.2.1", 999), "session": opening("session")}.items():
    O.row(f"{name}-cut", f"CHANNEL_OPEN of {name} cut off in its head", "RFC 4254 §5.1", ERROR, do=lambda p, m, x=message: [x[:1 + 4 + x[4] + 11]], says="CHANNEL_OPEN")
    O.row(f"{name}-flood", f"500 channels of {name}", "RFC 4254 §5.1", REFUSE, proof=lambda p: len(p.refused) == 500,
          do=lambda p, m, x=message: [x.replace(wire.u32(5), wire.u32(1000 + i), 1) for i in range(500)])
O.row("x11-short", "x11 without its fields: it is refused, asked for or not", "RFC 4254 §6.3.2", REFUSE, do=lambda p, m: [opening("x11")], proof=refused)
E = Table(prefix="command-open-", state="exec", at="exec", client="exec")
for name, message in {"agent": opening("auth-agent@openssh.com"), "x11": opening("x11", "192.0.2.1", 999), "session": opening("session"),
                      "direct-tcpip": opening("direct-tcpip", "localhost", 22, "x", 1)}.items():
    async def while_it_runs(p, _m, message=message):
        yield message
        while not p.refused:
            await asyncio.sleep(0.002)
        await p.finish(p.first)
    E.row(name, f"{name} while a command runs that asked for no such thing", "RFC 4254 §6.3.2" if name == "x11" else "RFC 4254 §6.1" if name == "session" else "OpenSSH PROTOCOL.agent",
          CARRY_ON, do=while_it_runs, proof=refused)

# ---- hostkeys-00 and hostkeys-prove-00: PROTOCOL §2.5 ----


async def own_hosts(play):
    """A known_hosts of one line that may be written; the peer's other keys are not in it."""
    hosts = play.folder / "known_hosts"
    hosts.write_bytes(play.world.line("hostile", play.world.keys["ed25519"]))
    play.client.hosts = hosts
    play.options += [f"UserKnownHostsFile={hosts}", "UpdateHostKeys=yes"]


def shown(p, *names):
    """The peer shows these of its keys."""
    return msg(wire.GLOBAL_REQUEST, "hostkeys-00@openssh.com", False, *[string(p.keys[n].public()) for n in names])


def lines(p):
    return pathlib.Path(p.client.hosts).read_bytes().count(b"\n")


HOSTKEYS = dict(state="open", setup=own_hosts, only="openssh")
H = Table(prefix="hostkeys-", at="prove_answer", **HOSTKEYS)


class Proof:
    """The answer to the question for proofs. Two keys are shown behind the success; nothing may be learned but from an honest answer."""

    def __init__(self, answer):
        self.answer = answer

    def row(self, name, sends, expect=CARRY_ON, learned=False, **more):
        def do(p, m):
            return self.answer(p, m)
        proof = (lambda p: lines(p) == 3) if learned else (lambda p: lines(p) == 1)
        H.row(name, sends, "OpenSSH PROTOCOL §2.5", expect, do=do, twist={"shows": lambda p: shown(p, "ed25519", "ecdsa", "rsa")},
              **({"proof": proof} if expect == CARRY_ON else {}), **more)


def proofs(p, **more):
    return [p.prove(k, **more) for k in p.asked_keys]


def answer(*signatures):
    return [msg(wire.REQUEST_SUCCESS, *[string(s) for s in signatures])]


Proof(lambda p, m: [m]).row("honest", "each key proves itself: they are learned", learned=True)
Proof(lambda p, m: [msg(wire.REQUEST_FAILURE)]).row("refused", "the proof is refused")
Proof(lambda p, m: [msg(wire.REQUEST_SUCCESS)]).row("empty", "an answer without a signature")
Proof(lambda p, m: answer(*[p.prove(k, key=p.keys["rsa" if b"ecdsa" in k else "ecdsa"]) for k in p.asked_keys])).row("swapped", "each key's signature by the other one")
Proof(lambda p, m: [m + string(proofs(p)[0])]).row("one-more", "a signature too many")
Proof(lambda p, m: [m + b"\0"]).row("trailing", "a byte behind the signatures")
Proof(lambda p, m: [m[:-1]]).row("cut", "the last signature cut off")
Proof(lambda p, m: [m[:1] + b"\xff\xff\xff\xff" + m[5:]]).row("lies", "a length of 2^32-1")
Proof(lambda p, m: answer(*proofs(p, session_id=bytes(32)))).row("other-session", "signatures of another session")
Proof(lambda p, m: answer(*proofs(p, key=p.keys["ed25519"]))).row("by-known-key", "signatures of the known key instead of those shown")
Proof(lambda p, m: answer(*[s[:-1] + bytes([s[-1] ^ 1]) for s in proofs(p)])).row("flipped", "a bit changed in each")
Proof(lambda p, m: answer(*[s[:-1] + bytes([s[-1] ^ 1]) for s in proofs(p)])).row(  # adit asks for each key by itself
    "one-flipped", "one right, one not: all or nothing", at="prove_answer:2", only="adit")
Proof(lambda p, m: [msg(wire.REQUEST_FAILURE)]).row("one-refused", "one right, one refused: all or nothing", at="prove_answer:2", only="adit")
Proof(lambda p, m: answer(*[b""] * 2)).row("blank", "empty signatures")
Proof(lambda p, m: [msg(wire.REQUEST_SUCCESS, bytes(200000))]).row("huge", "an answer of 200,000 bytes")
Proof(lambda p, m: [m, m]).row("twice", "two answers to one question", ERROR, says="REQUEST_SUCCESS|reply|request")
Proof(lambda p, m: []).row("never", "no answer at all")
Proof(lambda p, m: [END]).row("gone", "the connection ends instead", ERROR, says="closed|reset")
N = Table(prefix="hostkeys-", at="open", **HOSTKEYS)
KEYS = string(string("ssh-ed25519") + string(bytes(32)))
for n in range(1, len(KEYS)):
    N.row(f"cut-{n:03}", f"the list of keys cut off behind {n} bytes: it says nothing", "OpenSSH PROTOCOL §2.5", CARRY_ON,
          do=lambda p, m, n=n: [msg(wire.GLOBAL_REQUEST, "hostkeys-00@openssh.com", False, KEYS[:n])], proof=lambda p: lines(p) == 1)
N.row("list-twice", "the list twice", "OpenSSH PROTOCOL §2.5", CARRY_ON, do=lambda p, m: [shown(p, "ed25519")] * 2, proof=lambda p: lines(p) == 1)
N.row("list-flood", "300 lists", "OpenSSH PROTOCOL §2.5", CARRY_ON, do=lambda p, m: [shown(p, "ed25519")] * 300, proof=lambda p: lines(p) == 1)
N.row("without-ours", "a list that lacks the key that it has just shown: nothing is taken away without it", "OpenSSH PROTOCOL §2.5", CARRY_ON,
      do=lambda p, m: [shown(p, "stranger")], proof=lambda p: lines(p) >= 1)
N.row("weak", "an RSA key of 1,024 bits", "RFC 8332 §5.1", CARRY_ON,
      do=lambda p, m: [msg(wire.GLOBAL_REQUEST, "hostkeys-00@openssh.com", False, string(p.keys["ed25519"].public()),
                           string(string("ssh-rsa") + wire.mpint(65537) + wire.mpint(2**1023 + 1)))], proof=lambda p: lines(p) == 1)

# ---- ping@openssh.com: PROTOCOL §1.10. adit announces none, and does not know a server's (RFC 4253 §11.4); ssh answers ----

P = Table(prefix="ping-", state="open", at="open")
told = lambda p: p.got[wire.PONG] + p.got[wire.UNIMPLEMENTED] == 1  # noqa: E731
P.row("honest", "a ping that nobody announced: its bytes come back, or UNIMPLEMENTED", "RFC 4253 §11.4", CARRY_ON, do=lambda p, m: [msg(wire.PING, "here?")], proof=told)
P.row("empty", "a ping of nothing", "RFC 4253 §11.4", CARRY_ON, do=lambda p, m: [msg(wire.PING, "")], proof=told)
P.row("huge", "a ping of 200,000 bytes", "RFC 4253 §11.4", CARRY_ON, do=lambda p, m: [msg(wire.PING, string(bytes(200000)))], proof=told)
P.row("flood-huge", "100 pings of 30,000 bytes by a peer that does not read until half are out", "RFC 4253 §11.4", CARRY_ON,
      do=lambda p, m: unread(p, [msg(wire.PING, string(bytes(30000)))] * 100))
P.row("flood-unread", "5,000 pings by a peer that reads no answer until half are out", "RFC 4253 §11.4", CARRY_ON,
      do=lambda p, m: unread(p, [msg(wire.PING, "x")] * 5000))
for n in range(1, 5):
    P.row(f"cut-{n}", f"a ping cut off behind {n} bytes: to who knows it a fault, to others nothing", "RFC 4253 §11.4", CARRY_ON, do=lambda p, m, n=n: [msg(wire.PING, "ping")[:n]],
          proof=told, only="adit")
P.row("pong-unasked", "a pong for no ping", "OpenSSH PROTOCOL §1.10", CARRY_ON, do=lambda p, m: [msg(wire.PONG, "x")])
A = Table(prefix="ping-", state="service", at="ext_info")
for name, value in {"announced": "0", "announced-1": "1", "announced-empty": "", "announced-huge": "x" * 10000}.items():
    A.row(name, f"the server says that it answers pings ({name})", "OpenSSH PROTOCOL §1.10", CARRY_ON, do=lambda p, m, v=value: [msg(wire.EXT_INFO, 1, "ping@openssh.com", v)])

# ---- compression: PROTOCOL §1.2, RFC 4253 §6.2 ----

DELAYED = dict(options=("Compression=yes",), twist={"compression": "zlib@openssh.com"})
WORDS = "ompress|zlib|[Pp]acket"


def deflated(data, flush=zlib.Z_PARTIAL_FLUSH):
    z = zlib.compressobj()
    return z.compress(data) + z.flush(flush)


SUCCESS, ACCEPT, FAILURE = msg(wire.USERAUTH_SUCCESS), msg(wire.SERVICE_ACCEPT, "ssh-userauth"), msg(wire.USERAUTH_FAILURE, "publickey", False)
BOMB = deflated(msg(wire.IGNORE, string(bytes(20 * 2**20))))
for at, state, payload in (("service_accept", "service", ACCEPT), ("auth_failure", "auth", FAILURE), ("auth_success", "auth", SUCCESS)):
    twist = {**DELAYED["twist"], "rejects": at == "auth_failure"}
    T = Table(prefix=f"zlib-early-{at.replace('_', '-')}", state=state, at=at, options=DELAYED["options"], twist=twist, says="closed|reset|place")
    T.row("", f"{at} compressed, which begins behind the success, and the end", "OpenSSH PROTOCOL §1.2", ERROR, do=lambda p, m, x=payload: [deflated(x), END])
    T.row("-bomb", f"20 MB of zeros compressed, at {at}: not opened before the success", "OpenSSH PROTOCOL §1.2", ERROR, do=lambda p, m: [BOMB, END])
U = Table(prefix="zlib-unasked-", state="kex", at="kexinit", says="no common")
for name in ("zlib", "zlib@openssh.com"):
    U.row(name.split("@")[0] + ("-delayed" if "@" in name else ""), f"{name} alone, by a client that wants no compression", "RFC 4253 §7.1", ERROR, do=lambda p, m: [m],
          twist={"lists": {"comp_in": name, "comp_out": name}})
Z = Table(prefix="zlib-", state="open", at="open", says=WORDS, **DELAYED)
EMPTY_BLOCK = b"\0\0\0\xff\xff"  # stored, of no byte
Z.row("empty-blocks", "30,000 empty blocks in one packet: nothing comes out of it", "RFC 4253 §6.2", ERROR, do=packed(b"\x78\x9c" + EMPTY_BLOCK * 30000))
Z.row("distance-far", "a reference to before the beginning", "RFC 4253 §6.2", ERROR, do=packed(bytes.fromhex("789c02020000")))
Z.row("header-cut", "the first byte of a stream alone", "RFC 4253 §6.2", ERROR, do=packed(b"\x78"))
Z.row("again-from-the-start", "a new stream in the middle of the old one", "RFC 4253 §6.2", ERROR,
      do=lambda p, m: [msg(wire.IGNORE, "x"), *packed(deflated(msg(wire.IGNORE, "x")))(p, m)])
Z.row("two-messages", "two messages in one payload: the second one is a tail", "RFC 4253 §6", ERROR, says=WORDS + "|DEBUG|lengths",
      do=packed(deflated(msg(wire.DEBUG, False, "x", "") + msg(wire.DEBUG, False, "x", ""))))
Z.row("bomb-in-data", "a bomb in a channel's data: 20 MB in one packet", "RFC 4253 §6.2", ERROR, state="channel", at="channel",
      do=lambda p, m: packed(p.packer.compress(msg(wire.DATA, p.first.theirs, string(bytes(20 * 2**20)))) + p.packer.flush(zlib.Z_PARTIAL_FLUSH))(p, m))
Z.row("random-stream", "a right beginning, and random bytes behind it", "RFC 4253 §6.2", ERROR, do=packed(deflated(msg(wire.IGNORE, "x")), os.urandom(2000)))
Z.row("in-mid-data", "a re-exchange while compressed data flows: the streams begin anew", "RFC 4253 §6.2", CARRY_ON, state="rekey", at="rekey", says=None)
for n in range(1, len(deflated(msg(wire.DEBUG, False, "some words", ""))) - 1):
    Z.row(f"cut-{n:02}", f"a compressed message cut off behind {n} bytes", "RFC 4253 §6.2", ERROR, says=WORDS + "|DEBUG|lengths",
          do=lambda p, m, n=n: packed(deflated(msg(wire.DEBUG, False, "some words", ""))[:n])(p, m))
for n in (4, 5):
    Table(prefix="zlib-", state="open", at="open", **DELAYED).row(f"data-{n}", f"{n} packets of compressed data that grow a thousandfold and fit", "RFC 4253 §6.2", CARRY_ON,
                                                                 do=lambda p, m, n=n: [msg(wire.IGNORE, string(bytes(250000)))] * n)
X = Table(prefix="command-zlib-", state="exec", at="exec", client="exec", **DELAYED)
X.row("honest", "a command's output, compressed", "RFC 4253 §6.2", CARRY_ON, do=ends())
X.row("bomb", "a bomb in a command's output", "RFC 4253 §6.2", ERROR, says=WORDS,
      do=lambda p, m: [Frame(p.packer.compress(msg(wire.DATA, p.first.theirs, string(bytes(20 * 2**20)))) + p.packer.flush(zlib.Z_PARTIAL_FLUSH))])
