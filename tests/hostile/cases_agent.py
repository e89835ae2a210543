"""An agent that lies: draft-miller-ssh-agent, OpenSSH's PROTOCOL.agent. It may cost its own keys and no more: the key of a
file is used then, as when there is no agent. SSH_AUTH_SOCK leads to it; the server looks at each signature (agent.Verifier)."""
import asyncio
import os
import signal

from . import agent, wire
from .agent import FAILURE, KEYS, SIGNATURE, SUCCESS, Verifier, frame, keys, with_agent
from .beside import dripping, endless
from .case import CARRY_ON, END, ERROR, HANG, REFUSE, RESET, Table
from .cases_text import NASTY
from .keys import Ecdsa, Ed25519, Rsa, mpint, string, u32
from .wire import msg

DRAFT = "draft-miller-ssh-agent"
ANY = (lambda play: play.peer.accepted is not None)
BY_FILE, BY_AGENT = (lambda play: play.peer.accepted == "file"), (lambda play: play.peer.accepted == "held")
OPTIONS = ("IdentitiesOnly=no", "-v")
UNUSED = "agent is not used"
SLOW = 10000  # agent_conn.h: AGENT_LIST_MS


def table(prefix, state, section, **more):
    return Table(prefix=f"agent-{prefix}-", state=state, requires=f"{DRAFT} {section}", at="setup", only="adit",
                 **{"expect": CARRY_ON, "options": OPTIONS, "proof": BY_FILE, "twist": {"peer": Verifier}, **more})


def lies(add, at, make):
    """What can be wrong with any answer: make(agent, honest payload) is a whole one."""
    def row(name, sends, do, **more):
        add(name, sends, with_agent(at, do), **more)

    for n in (0, 2**18 + 1, 2**31, 2**32 - 1):
        row(f"length-{n}", f"a length of {n}, and the honest bytes", lambda a, h, n=n: frame(make(a, h[4:]), n))
    row("length-less", "a length one byte below what comes", lambda a, h: frame(make(a, h[4:]), len(make(a, h[4:])) - 1))
    row("length-1", "the type alone", lambda a, h: frame(make(a, h[4:])[:1]))
    for n in (0, 1, 3, 4, 5, 8, 16, 33, 60):
        row(f"closed-after-{n}", f"the first {n} bytes, and the end", lambda a, h, n=n: [h[:n], END])
    row("closed-before-last", "all but the last byte, and the end", lambda a, h: [h[:-1], END])
    row("reset", "a reset in the answer", lambda a, h: [h[:7], RESET])
    row("trailing", "a byte too many", lambda a, h: frame(make(a, h[4:]) + b"\0"))
    row("twice", "the answer twice in one", lambda a, h: frame(make(a, h[4:]) * 2))
    row("two-messages", "two answers, of which the first counts", lambda a, h: h + h, proof=ANY)
    row("unasked-before", "an answer that was not asked for, and the honest one", lambda a, h: frame(bytes([SUCCESS])) + h)
    row("largest", "256 KiB of zeros", lambda a, h: frame(bytes(2**18)))
    row("endless", "64 MiB without a sense", lambda a, h: endless(b"\xff\0\1\2"))
    row("endless-frames", "answers without end", lambda a, h: endless(h), proof=ANY)
    for number in (0, 1, 2, 11, 13, 28, 30, 102, 127, 255):
        row(f"number-{number}", f"message {number}", lambda a, h, n=number: frame(bytes([n]) + make(a, h[4:])[1:]))
    row("failure", "SSH_AGENT_FAILURE", lambda a, h: frame(bytes([FAILURE])))
    row("failure-trailing", "SSH_AGENT_FAILURE with 1,000 bytes", lambda a, h: frame(bytes([FAILURE]) + bytes(1000)))
    row("text", "words of a person", lambda a, h: b"\x1b[31mno such agent\r\n" * 3)


# ---- the list of keys ----

L = table("list", "agent/list", "§4.4")


def of_list(name, sends, setup, **more):
    L.row(name, sends, setup=setup, **more)


lies(of_list, "list", lambda a, p: p)
for cut in range(5, 68):
    L.row(f"cut-{cut}", f"a list that ends after {cut} bytes and says so", setup=with_agent("list", lambda a, h, n=cut: frame(h[4:4 + n])), holds=UNUSED)
for count in (0, 2, 2048, 2049, 2**16, 2**31, 2**32 - 1):
    L.row(f"count-{count}", f"one key, and a count of {count}", holds=UNUSED,
          setup=with_agent("list", lambda a, h, n=count: frame(keys((a.key.public(), "held"), count=n))))
for n in (0, 1, 50, 52, 2**14, 2**18, 2**31, 2**32 - 5, 2**32 - 1):
    L.row(f"blob-says-{n}", f"a key whose length says {n}",
          setup=with_agent("list", lambda a, h, n=n: frame(bytes([KEYS]) + u32(1) + u32(n) + a.key.public() + string("held"))))
for n in (0, 3, 5, 2**14, 2**31, 2**32 - 1):
    L.row(f"comment-says-{n}", f"a comment whose length says {n}", holds=UNUSED,
          setup=with_agent("list", lambda a, h, n=n: frame(bytes([KEYS]) + u32(1) + string(a.key.public()) + u32(n) + b"held")))
L.row("none", "no key", setup=with_agent("list", lambda a, h: frame(keys())))
L.row("same-key-100", "the same key a hundred times", proof=BY_AGENT, setup=with_agent("list", lambda a, h: frame(keys(*[(a.key.public(), "held")] * 100))))
L.row("keys-30", "thirty keys that the server does not know", setup=with_agent("list", lambda a, h: frame(keys(*[(Ed25519().public(), str(i)) for i in range(30)]))))
L.row("keys-2048", "2,048 keys that the server does not know", expect=ERROR, says="gave up after 128", proof=None, timeout_ms=15000,  # 128 requests take their time
      setup=with_agent("list", lambda a, h: frame(keys(*[(string("ssh-ed25519") + string(i.to_bytes(32, "little")), "") for i in range(2048)]))))
L.row("comment-huge", "a comment of 200,000 bytes", proof=BY_AGENT, setup=with_agent("list", lambda a, h: frame(keys((a.key.public(), bytes(200000))))))
L.row("silence", "nothing", setup=with_agent("list", lambda a, h: [HANG]), timeout_ms=SLOW, holds=UNUSED)
L.row("silence-inside", "the half of an answer", setup=with_agent("list", lambda a, h: [h[:30], HANG]), timeout_ms=SLOW, holds=UNUSED)
L.row("slow", "one byte a second", setup=with_agent("list", lambda a, h: dripping(h, 1)), timeout_ms=SLOW, holds=UNUSED)

CURVE, RSA = Ecdsa(), Rsa(2048)
OFF_CURVE = bytes([4]) + bytes(31) + b"\1" + bytes(31) + b"\2"
BLOBS = {
    "empty": b"", "one-byte": b"\0", "zeros": bytes(51), "no-type": string(""), "type-alone": string("ssh-ed25519"), "unknown-type": string("ssh-foo@x") + string("x"),
    "type-escape": string(b"\x1b[2Jssh-ed25519") + string(bytes(32)), "type-8k": string("a" * 8192) + string(bytes(32)),
    **{f"ed25519-{n}": string("ssh-ed25519") + string(bytes(n)) for n in (0, 1, 31, 33, 64, 10000)},
    "ed25519-trailing": string("ssh-ed25519") + string(bytes(32)) + b"\0", "ed25519-huge": string("ssh-ed25519") + string(bytes(32)) + bytes(16000),
    "ecdsa-off-curve": string("ecdsa-sha2-nistp256") + string("nistp256") + string(OFF_CURVE),
    "ecdsa-infinity": string("ecdsa-sha2-nistp256") + string("nistp256") + string(b"\0"),
    "ecdsa-other-curve": string("ecdsa-sha2-nistp256") + string("nistp384") + string(CURVE.raw),
    "ecdsa-short": string("ecdsa-sha2-nistp521") + string("nistp521") + string(CURVE.raw),
    "rsa-zero": string("ssh-rsa") + mpint(65537) + string(b""), "rsa-one": string("ssh-rsa") + mpint(65537) + mpint(1),
    "rsa-negative": string("ssh-rsa") + mpint(65537) + string(b"\xff" * 256), "rsa-e-zero": string("ssh-rsa") + mpint(0) + mpint(RSA.n),
    "rsa-e-even": string("ssh-rsa") + mpint(2) + mpint(RSA.n), "rsa-e-huge": string("ssh-rsa") + mpint(2**4096 + 1) + mpint(RSA.n),
    "rsa-512": string("ssh-rsa") + mpint(65537) + mpint(2**511 + 9), "rsa-1024": string("ssh-rsa") + mpint(65537) + mpint(2**1023 + 9),
    "rsa-16384": string("ssh-rsa") + mpint(65537) + mpint(2**16383 + 9), "rsa-32768": string("ssh-rsa") + mpint(65537) + mpint(2**32767 + 9),
    "rsa-padded": string("ssh-rsa") + mpint(65537) + string(bytes(200) + RSA.n.to_bytes(256, "big")),
    "dsa": string("ssh-dss") + mpint(2**1023 + 9) + mpint(2**159 + 9) + mpint(2) + mpint(3),
    "certificate-cut": string("ssh-ed25519-cert-v01@openssh.com") + string(bytes(32)) + string(bytes(32)),
    "certificate-zeros": string("ssh-ed25519-cert-v01@openssh.com") + bytes(400),
    "sk-cut": string("sk-ssh-ed25519@openssh.com") + string(bytes(32)), "webauthn": string("webauthn-sk-ecdsa-sha2-nistp256@openssh.com") + string("x"),
}
for name, blob in BLOBS.items():
    L.row(f"key-{name}", f"a key that is none, and an honest one: {name.replace('-', ' ')}", proof=BY_AGENT,
          setup=with_agent("list", lambda a, h, b=blob: frame(keys((b, "first"), (a.key.public(), "held")))))
for name, text in NASTY.items():
    L.row(f"comment-{name}", f"the comment of a key: {name}", proof=BY_AGENT, holds="plain", options=OPTIONS[:1] + ("-vvv",),
          setup=with_agent("list", lambda a, h, t=text: frame(keys((a.key.public(), t)))))

# ---- signatures ----

S = table("sign", "agent/sign", "§4.5")


def of_sign(name, sends, setup, **more):
    S.row(name, sends, setup=setup, **more)


lies(of_sign, "sign", lambda a, p: p)


def signature(*parts, name="ssh-ed25519"):
    """A SIGN_RESPONSE of these bytes behind the algorithm's name."""
    return frame(bytes([SIGNATURE]) + string(string(name) + b"".join(parts)))


for cut in range(5, 88):
    S.row(f"cut-{cut}", f"a signature that ends after {cut} bytes and says so", setup=with_agent("sign", lambda a, h, n=cut: frame(h[4:4 + n])))
for n in (0, 1, 82, 84, 4096, 4097, 2**18, 2**31, 2**32 - 1):
    S.row(f"blob-says-{n}", f"a signature whose length says {n}",
          setup=with_agent("sign", lambda a, h, n=n: frame(h[4:5] + u32(n) + h[9:])))
for n in (0, 1, 10, 12, 2**31, 2**32 - 1):
    S.row(f"name-says-{n}", f"an algorithm's name whose length says {n}", setup=with_agent("sign", lambda a, h, n=n: frame(h[4:9] + u32(n) + h[13:])))
    S.row(f"value-says-{n}", f"a value whose length says {n}", setup=with_agent("sign", lambda a, h, n=n: frame(h[4:24] + u32(n) + h[28:])))
VALUES = {
    "zeros": lambda a: signature(string(bytes(64))), "ones": lambda a: signature(string(b"\xff" * 64)), "empty": lambda a: signature(string(b"")),
    "nothing": lambda a: frame(bytes([SIGNATURE]) + string(b"")), "63": lambda a: signature(string(bytes(63))), "65": lambda a: signature(string(bytes(65))),
    "4000": lambda a: signature(string(bytes(4000))), "5000": lambda a: signature(string(bytes(5000))), "200000": lambda a: signature(string(bytes(200000))),
    "trailing-inside": lambda a: signature(string(a.key.secret.sign(a.data)), b"\0"), "of-other-key": lambda a: signature(string(Ed25519().secret.sign(a.data))),
    "of-other-data": lambda a: signature(string(a.key.secret.sign(a.data + b"x"))), "of-nothing": lambda a: signature(string(a.key.secret.sign(b""))),
    "flipped": lambda a: signature(string(bytes(b ^ (i == 40) for i, b in enumerate(a.key.secret.sign(a.data))))),
    **{f"as-{n.split('@')[0]}": lambda a, n=n: signature(string(a.key.secret.sign(a.data)), name=n)
       for n in ("ssh-rsa", "rsa-sha2-256", "rsa-sha2-512", "ssh-dss", "ecdsa-sha2-nistp256", "ssh-ed25519-cert-v01@openssh.com", "sk-ssh-ed25519@openssh.com",
                 "ssh-ed2551", "ssh-ed25519x")},
    "as-capitals": lambda a: signature(string(a.key.secret.sign(a.data)), name="SSH-ED25519"),
    "as-two": lambda a: signature(string(a.key.secret.sign(a.data)), name="ssh-ed25519,ssh-rsa"),
    "as-zero-byte": lambda a: signature(string(a.key.secret.sign(a.data)), name="ssh-ed25519\0"),
    "as-nobody": lambda a: signature(string(a.key.secret.sign(a.data)), name=""),
    "as-escape": lambda a: signature(string(a.key.secret.sign(a.data)), name="\x1b[2J\x1b]0;x\x07\u202e\n"),
}
ALONE = table("sign-alone", "agent/sign", "§4.5", expect=ERROR, proof=None, says="[Pp]ermission denied|denied", twist={"peer": Verifier, "knows": ("held",)})
for name, make in VALUES.items():
    S.row(f"value-{name}", f"a signature: {name.replace('-', ' ')}", setup=with_agent("sign", lambda a, h, make=make: make(a)))
    ALONE.row(f"value-{name}", f"a signature, and no other key: {name.replace('-', ' ')}", setup=with_agent("sign", lambda a, h, make=make: make(a)))
ALONE.row("failure", "SSH_AGENT_FAILURE, and no other key", setup=with_agent("sign", lambda a, h: frame(bytes([FAILURE]))))
ALONE.row("closed", "the end instead of a signature, and no other key", setup=with_agent("sign", lambda a, h: [END]))


async def after_a_person(a, h):
    """Somebody has to touch a token first."""
    await asyncio.sleep(1.5)
    yield h


async def until_killed(a, first):
    yield first
    a.play.tell()
    os.kill(a.play.client.pid, signal.SIGTERM)
    await asyncio.Event().wait()


# Nothing ends the wait for a person (agent_conn.h: two minutes) but the person: it must be he who can.
W = table("sign-silence", "agent/sign", "§4.5")
for at in ("sign", "bind"):
    W.row(f"at-{at}-for-a-while", f"{at} is answered after a while", proof=BY_AGENT, setup=with_agent(at, after_a_person))
    W.row(f"at-{at}", f"no answer to {at}, until SIGTERM", expect=ERROR, proof=None, says="signal", setup=with_agent(at, lambda a, h: until_killed(a, b"")))
    W.row(f"inside-{at}", f"the half of an answer to {at}, until SIGTERM", expect=ERROR, proof=None, says="signal", setup=with_agent(at, lambda a, h: until_killed(a, h[:4])))

# ---- session-bind@openssh.com, before it ----

B = table("bind", "agent/sign", "§4.7; OpenSSH PROTOCOL.agent §1", proof=ANY)


def of_bind(name, sends, setup, **more):
    B.row(name, sends, setup=setup, **more)


lies(of_bind, "bind", lambda a, p: p)
B.row("refused", "SSH_AGENT_EXTENSION_FAILURE", proof=BY_AGENT, setup=with_agent("bind", lambda a, h: frame(bytes([28]))))
B.row("closed-each-time", "the connection ends at each session-bind", proof=BY_AGENT, setup=with_agent("bind", lambda a, h: [END]))

# ---- a key is added ----

A = table("add", "agent/add", "§4.2", options=OPTIONS + ("AddKeysToAgent=yes",))


def of_add(name, sends, setup, **more):
    A.row(name, sends, setup=setup, **more)


def lies_of_add(add):
    def setup_add(name, sends, setup, **more):
        async def without_keys(play):
            await setup(play)
            play.beside.held = False
        add(name, sends, without_keys, **more)
    return setup_add


lies(lies_of_add(of_add), "add", lambda a, p: p)
lies_of_add(of_add)("silence", "no answer", with_agent("add", lambda a, h: [HANG]), timeout_ms=SLOW)
lies_of_add(of_add)("slow", "a long answer, a byte a second", with_agent("add", lambda a, h: dripping(frame(bytes(100)), 1)), timeout_ms=SLOW)

# ---- channels to the agent: OpenSSH's PROTOCOL §2.2 ----

F = Table(prefix="agent-forward-", state="agent/forward", requires="OpenSSH PROTOCOL.agent §1", at="exec", client="exec", only="adit")


def opening(count, then=b"", ends=True, finishes=True):
    """The server opens so many channels to the agent, waits for an answer to each, says something in each, and ends the command."""
    async def do(p):
        channels = [p.new_channel(0, 0, "agent") for _ in range(count)]
        for c in channels:
            yield msg(wire.CHANNEL_OPEN, "auth-agent@openssh.com", c.mine, 2**21, 32768)
        while len(p.refused) + len(p.confirmed) < count and finishes:
            await asyncio.sleep(0.005)
        for mine in p.confirmed:
            if then:
                yield msg(wire.DATA, p.theirs[mine], string(then))
            await asyncio.sleep(0)
            c = p.channels[mine]
            if not c.eof_sent and not c.close_sent:
                c.eof_sent, c.close_sent = True, not ends
                yield msg(wire.EOF if ends else wire.CLOSE, c.theirs)
        await p.finish(p.first)
    return lambda p, m: do(p)


class Opener(Verifier):
    """It keeps the client's numbers of the channels that it opened itself."""

    def __init__(self, *words):
        super().__init__(*words)
        self.theirs = {}

    async def on_open_confirmation(self, r, payload):
        mine = r.u32()
        self.confirmed.append(mine)
        self.theirs[mine] = self.channels[mine].theirs = r.u32()

    HANDLERS = {**Verifier.HANDLERS, wire.OPEN_CONFIRMATION: on_open_confirmation}


def forwarding(at="", do=None):
    """-A; the agent is there for the channels alone."""
    async def setup(play):
        await with_agent(at, do)(play)
        play.options += ["-A", "IdentitiesOnly=yes"]
        play.is_telling = False
    return setup


def forward_row(name, sends, expect, setup, do=opening(1), **more):
    F.row(name, sends, expect=expect, setup=setup, do=do, twist={"peer": Opener}, **more)


OPENED, REFUSED = (lambda p: len(p.confirmed) == 1), (lambda p: len(p.refused) == 1)
forward_row("honest", "one channel", CARRY_ON, forwarding(), proof=OPENED)
for name, (sends, answer, expect) in {
        "bind-failure": ("FAILURE to session-bind", lambda a, h: frame(bytes([FAILURE])), CARRY_ON), "bind-1024": ("1,024 bytes", lambda a, h: frame(bytes(1024)), CARRY_ON),
        "bind-1025": ("1,025 bytes", lambda a, h: frame(bytes(1025)), REFUSE), "bind-2-32-1": ("a length of 2^32-1", lambda a, h: u32(2**32 - 1) + h, REFUSE),
        "bind-empty": ("an empty answer", lambda a, h: u32(0), CARRY_ON), "bind-end": ("the end", lambda a, h: [END], REFUSE),
        "bind-cut": ("the half of a length, and the end", lambda a, h: [h[:2], END], REFUSE), "bind-inside": ("a length and the end", lambda a, h: [h[:4], END], REFUSE),
        "bind-reset": ("a reset", lambda a, h: [RESET], REFUSE), "bind-bytes": ("a byte each 10 ms", lambda a, h: dripping(frame(bytes(60)), 0.01), CARRY_ON),
        "bind-endless": ("an answer, and 64 MiB to a window that takes 2", lambda a, h: flooding(h), CARRY_ON)}.items():
    forward_row(name, f"session-bind is answered by {sends}", expect, forwarding("bind", answer), do=opening(1, ends=name != "bind-endless"), proof=OPENED if expect == CARRY_ON else REFUSED)


async def flooding(h):
    yield h
    async for block in endless(b"unasked"):
        yield block


forward_row("bind-silence", "session-bind is not answered, and the command ends", CARRY_ON, forwarding("bind", lambda a, h: [HANG]), do=opening(1, finishes=False), timeout_ms=SLOW)
forward_row("bind-silence-500", "500 channels at once, none of which the agent answers", CARRY_ON, forwarding("bind", lambda a, h: [HANG]), do=opening(500, finishes=False), timeout_ms=SLOW)
forward_row("many", "300 channels at once", CARRY_ON, forwarding(), do=opening(300), proof=lambda p: len(p.confirmed) + len(p.refused) == 300)
forward_row("rubbish", "what is no request, on a channel", CARRY_ON, forwarding(), do=opening(1, then=u32(5) + b"\xff" * 5), proof=OPENED)
forward_row("length-2-32-1", "a request of 2^32-1 bytes, on a channel", CARRY_ON, forwarding(), do=opening(1, then=u32(2**32 - 1) + b"\xff" * 5, ends=False), proof=OPENED)
forward_row("gone", "the agent is gone", REFUSE, lambda play: gone(play), proof=REFUSED)


async def gone(play):
    play.options += ["-A"]
    play.environment["SSH_AUTH_SOCK"] = str(play.folder / "nobody")


__all__ = ["agent"]
