"""Each step that a peer takes, the small ones too: it says nothing for a while and then what is due, sends it slowly, or ends
instead. What ends a silence is a timeout of the client (cases_time.py); in the authentication there is none, as a person may be
asked at the other end."""
import asyncio

from . import wire
from .case import CARRY_ON, END, ERROR, MUTE, RESET, Raw, Table
from .wire import msg

# ---- a public key that is asked about before it is used: RFC 4252 §7 ----


async def locked(play):
    """Its passphrase is asked for (by SSH_ASKPASS) only when the server takes it."""
    play.options.append("IdentityFile=" + play.world.locked)


PROBED = dict(auth="publickey", setup=locked, only="openssh")
P = Table(prefix="auth-pk-ok-", state="auth", at="pk_ok", **PROBED)
OTHER = wire.string("ssh-ed25519") + wire.string(bytes(32))
P.row("honest", "the key is asked about, and then used", "RFC 4252 §7", CARRY_ON, do=lambda p, m: [m])
P.row("other-key", "another key than the one asked about would do", "RFC 4252 §7", ERROR, do=lambda p, m: [msg(wire.PK_OK, "ssh-ed25519", wire.string(OTHER))],
      says="PK_OK")
P.row("other-algorithm", "that key with another algorithm", "RFC 4252 §7", ERROR, do=lambda p, m: [m.replace(b"ssh-ed25519", b"ssh-ed25520", 1)], says="PK_OK")
P.row("trailing", "bytes behind it", "RFC 4252 §7", ERROR, do=lambda p, m: [m + b"x"], says="PK_OK")
P.row("twice", "two answers to one question", "RFC 4252 §7", ERROR, do=lambda p, m: [m, m], says="message 60|PK_OK|message 52 is out of place")
P.row("success-at-once", "success for a question: nobody has signed yet", "RFC 4252 §7", ERROR, do=lambda p, m: [msg(wire.USERAUTH_SUCCESS)],
      says="without a request|out of place|SUCCESS")
P.row("failure", "the key is not wanted, nothing else is left", "RFC 4252 §5.1", ERROR, do=lambda p, m: [msg(wire.USERAUTH_FAILURE, "publickey", False)],
      says="Permission denied", options=("IdentityFile=none",), twist={"rejects": True, "always": {"auth_failure": msg(wire.USERAUTH_FAILURE, "publickey", False)}},
      at="auth_failure")
P.row("prompts", "keyboard-interactive's request for an answer", "RFC 4252 §6", ERROR, do=lambda p, m: [msg(wire.INFO_REQUEST, "n", "i", "", 1, "Code: ", False)],
      says="PK_OK")
SAMPLE = 1 + 4 + 11 + 4 + 51
for n in range(1, SAMPLE):
    P.row(f"cut-{n:02}", f"PK_OK cut off behind {n} bytes", "RFC 4252 §7", ERROR, do=lambda p, m, n=n: [m[:n]], says="PK_OK")

# ---- the steps: (moment, state, its client and authentication) ----

EXEC, REMOTE = dict(client="exec"), dict(client="remote")
STEPS = {
    "version": ("version", {}), "kexinit": ("kex", {}), "kex_reply": ("kex", {}), "newkeys": ("newkeys", {}), "ext_info": ("service", {}),
    "service_accept": ("service", {}), "banner": ("auth", {}), "pk_ok": ("auth", PROBED), "auth_failure": ("auth", dict(twist={"rejects": True})),
    "info_request": ("auth", dict(auth="keyboard-interactive")), "auth_success": ("auth", {}),
    "auth_success password": ("auth", dict(auth="password")), "auth_success keyboard-interactive": ("auth", dict(auth="keyboard-interactive")),
    "global_reply": ("open", REMOTE), "open_confirm": ("channel", {}), "data": ("channel", {}),
    "open_confirm exec": ("exec", EXEC), "request_answer": ("exec", EXEC), "data exec": ("exec", EXEC), "exit_status": ("exec", EXEC), "eof exec": ("exec", EXEC),
    "close exec": ("exec", EXEC),
    "kexinit:2": ("rekey", {}), "kex_reply:2": ("rekey", {}), "newkeys:2": ("rekey", {})}
SECTIONS = {"version": "RFC 4253 §4.2", "kex": "RFC 4253 §7.1", "newkeys": "RFC 4253 §7.3", "service": "RFC 4253 §10", "auth": "RFC 4252 §5.1",
            "open": "RFC 4254 §7.1", "channel": "RFC 4254 §5", "exec": "RFC 4254 §6", "rekey": "RFC 4253 §9"}


async def later(items, seconds):
    await asyncio.sleep(seconds)  # the silence that is the case
    for item in items:
        yield item


async def in_bytes(p, payload):
    """Its packet (or its line), a byte at a time at its beginning and its end."""
    if isinstance(payload, Raw):
        whole = payload.data
    else:
        whole = p.tx.seal(wire.frame(p.tx, payload), p.tx_seq)
        p.tx_seq = (p.tx_seq + 1) % 2**32
    for i in (*range(24), *range(max(24, len(whole) - 24), len(whole))):  # the middle of a long one in one piece
        yield Raw(whole[i:i + 1] if i != 23 else whole[23:max(24, len(whole) - 24)])
        await asyncio.sleep(0.001)


for step, (state, more) in STEPS.items():
    at, word = step.split()[0], step.replace("_", "-").replace(":", "-").replace(" ", "-")
    section = SECTIONS[state]
    T = Table(state=state, at=at, **more)
    if at != "auth_failure":
        T.row(f"late-{word}", f"nothing for a second and a half, then {at}", section, CARRY_ON, timeout_ms=1500, options=("ConnectTimeout=60",),
              do=lambda p, m: later([m], 1.5))
        T.row(f"bytes-{word}", f"{at} in single bytes", "RFC 4253 §6", CARRY_ON, timeout_ms=4000, do=in_bytes)
    if word == "close-exec":
        continue  # the status is known by then: nothing is lost
    for how, items in {"close": [END], "reset": [RESET], "disconnect": [msg(wire.DISCONNECT, 2, "go away", ""), END]}.items():
        if at != "version" or how != "disconnect":
            T.row(f"gone-{how}-at-{word}", f"{how} instead of {at}", "RFC 4253 §11.1", ERROR, do=lambda p, m, items=items: items,
                  says="closed|reset|disconnect|EOF|Permission denied")

# ---- one byte, and then nothing or one a second: what is configured ends it ----

CONNECT = dict(options=("ConnectTimeout=2",), timeout_ms=2000, says="[Tt]imed out|[Tt]imeout")
ALIVE = dict(options=("ServerAliveInterval=1", "ServerAliveCountMax=2"), timeout_ms=3000, says="[Tt]imeout|not responding")


async def dripping(p, payload):
    """A packet of which a byte comes each second, for longer than anybody waits."""
    whole = payload.data if isinstance(payload, Raw) else p.tx.seal(wire.frame(p.tx, payload), p.tx_seq)
    p.tx_seq += 1
    yield MUTE
    for i in range(min(len(whole) - 1, 12)):
        yield Raw(whole[i:i + 1])
        await asyncio.sleep(1)


for step in ("version", "kexinit", "kex_reply", "newkeys", "service_accept", "ext_info"):
    Table(state=STEPS[step][0], at=step).row(f"drip-{step.replace('_', '-')}", f"{step}, a byte a second", "ssh_config(5) ConnectTimeout", ERROR, do=dripping, **CONNECT)
for step in ("open_confirm", "data", "kexinit:2", "kex_reply:2", "newkeys:2"):
    Table(state=STEPS[step][0], at=step).row(f"drip-{step.replace('_', '-').replace(':', '-')}", f"{step}, a byte a second: no answer to what asks whether it lives",
                                             "ssh_config(5) ServerAliveInterval", ERROR, do=dripping, **ALIVE)
Table(state="open", at="open").row("drip-ignore", "one packet, a byte a second", "ssh_config(5) ServerAliveInterval", ERROR, do=lambda p, m: dripping(p, msg(wire.IGNORE, "x" * 40)),
                                   **ALIVE)
Table(state="exec", at="data", client="exec").row("drip-data-exec", "a command's output, a byte a second", "ssh_config(5) ServerAliveInterval", ERROR, do=dripping, **ALIVE)

# ---- the end of a channel, by halves: that channel waits, the others work ----

C = Table(prefix="close-", state="close", at="channel")


def ends(*messages):
    async def do(p, _m):
        p.first.mute = p.first.eof_sent = p.first.close_sent = True
        for number in messages:
            yield msg(number, p.first.theirs)
    return do


C.row("eof-alone", "EOF, and never a CLOSE", "RFC 4254 §5.3", CARRY_ON, do=ends(wire.EOF))
C.row("never-answered", "no answer to the client's CLOSE", "RFC 4254 §5.3", CARRY_ON, do=ends())
C.row("eof-and-close", "EOF and CLOSE in one go, while the client sends", "RFC 4254 §5.3", CARRY_ON, do=ends(wire.EOF, wire.CLOSE))
