"""Silence, slowness, and what does not end. timeout_ms is the configured timeout that ends the case."""
import asyncio

from . import wire
from .case import CARRY_ON, ERROR, HANG, MUTE, Raw, Table
from .wire import msg

CONNECT = dict(options=("ConnectTimeout=3",), timeout_ms=3000, says="[Tt]imed out|[Tt]imeout")
ALIVE = dict(options=("ServerAliveInterval=2", "ServerAliveCountMax=1"), timeout_ms=4000, says="[Tt]imeout|not responding")
S = Table(prefix="silence-")
for at, state in {"version": "version", "kexinit": "kex", "kex_reply": "kex", "newkeys": "newkeys",
                  "service_accept": "service"}.items():
    for word, how in (("", HANG), ("-but-reading", MUTE)):
        S.row(f"at-{at.replace('_', '-')}{word}", f"nothing instead of {at}", "ssh_config(5) ConnectTimeout", ERROR, state=state, at=at,
              do=lambda p, m, how=how: [how], **CONNECT)
for at, state in {"open": "open", "channel": "channel", "kexinit:2": "rekey", "kex_reply:2": "rekey", "newkeys:2": "rekey"}.items():
    for word, how in (("", HANG), ("-but-reading", MUTE)):
        S.row(f"at-{at.replace('_', '-').replace(':', '-')}{word}", f"nothing more from {at} on", "ssh_config(5) ServerAliveInterval", ERROR, state=state, at=at,
              do=lambda p, m, how=how: [how], **ALIVE)


async def dripping(data, every_s):
    for i in range(len(data)):
        yield Raw(data[i:i + 1])
        await asyncio.sleep(every_s)


D = Table(prefix="slow-")
D.row("version", "the version line, two bytes a second", "ssh_config(5) ConnectTimeout", ERROR, state="version", at="version",
      do=lambda p, m: dripping(b"SSH-2.0-slow\r\n", 0.5), **CONNECT)
D.row("lines-before", "lines before the version line, for ever, one each 0.2 s", "ssh_config(5) ConnectTimeout", ERROR, state="version", at="version",
      do=lambda p, m: lines(), **CONNECT)
D.row("kexinit", "KEXINIT, ten bytes a second", "ssh_config(5) ConnectTimeout", ERROR, state="kex", at="kexinit",
      do=lambda p, m: dripping(wire.frame(p.tx, m)[:60], 0.1), **CONNECT)
D.row("kex-ignores", "IGNORE, ten a second, instead of an answer", "ssh_config(5) ConnectTimeout", ERROR, state="kex", at="kex_reply", strict=False,
      do=lambda p, m: ignores(60), **CONNECT)
D.row("packet", "one packet behind the keys in single bytes", "RFC 4253 §6", CARRY_ON, state="open", at="open", timeout_ms=2000,
      do=lambda p, m: in_bytes(p))


async def lines():
    for _ in range(30):
        yield Raw(b"wait\r\n")
        await asyncio.sleep(0.2)


async def ignores(count):
    for _ in range(count):
        yield msg(wire.IGNORE, "x")
        await asyncio.sleep(0.1)


async def in_bytes(p):
    sealed = p.tx.seal(wire.frame(p.tx, msg(wire.IGNORE, "slow")), p.tx_seq)
    p.tx_seq += 1
    async for item in dripping(sealed, 0.02):
        yield item
