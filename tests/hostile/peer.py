"""An SSH server that is honest up to one moment. It knows nothing of adit: see wire.py.

Every message that it sends goes through send(name, payload); where the case's `at` is that name, the case decides
what is sent instead (Peer.misbehave). The names: version kexinit kex_reply newkeys ext_info service_accept banner
auth_failure pk_ok info_request auth_success open_confirm data eof close exit_status request_answer global_reply prove_answer; "name:2"
is the second of them. The moments behind the authentication, with nothing to send: open (right after the success),
channel (a channel carries data), exec (a command was asked for), forward (an -R was asked for), rekey (a channel
carries data and a re-exchange begins: its messages are kexinit:2, kex_reply:2, newkeys:2), rekeyed (and is over).

A case's twist changes what is honest, before it is hashed and signed: kex (method), kexinit(peer, payload),
host_key(peer), share(peer, share), signature(peer, data), lists (name -> text), version, methods, compression, always (name -> what is sent every time but the one of the case),
rejects (every authentication fails), accepts (a method beside the case's), user ("stalled": who uses the forward does
not read), numbers ("plain" or "keyed", a number: the sequence numbers begin there, or do so behind the first keys), deaf (a
KEXINIT of the client is answered in the first exchange alone), shows(peer) (a message right behind the success).
"""
import asyncio
import collections
import hashlib
import os
import socket
import struct
import time
import zlib

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, x25519

from . import wire
from .case import END, HANG, MUTE, RESET, Frame, Raw
from .wire import Reader, mpint, msg, string, u32

CURVES = {"ecdh-sha2-nistp256": (ec.SECP256R1, hashlib.sha256), "ecdh-sha2-nistp384": (ec.SECP384R1, hashlib.sha384),
          "ecdh-sha2-nistp521": (ec.SECP521R1, hashlib.sha512)}
PACKET = 32768
LISTS = ("kex", "host_key", "cipher_in", "cipher_out", "mac_in", "mac_out", "comp_in", "comp_out", "lang_in", "lang_out")


class Over(Exception):
    """The case has ended the connection."""


class Channel:
    def __init__(self, mine, theirs, window, kind):
        self.mine, self.theirs, self.window, self.kind = mine, theirs, window, kind
        self.waiting = b""  # to be echoed
        self.eof = self.eof_sent = self.close_sent = self.closed = self.mute = False


class Peer:
    def __init__(self, case, keys, reader, writer):
        self.case, self.keys, self.reader, self.writer = case, keys, reader, writer
        self.twist = case.twist
        self.counts = collections.Counter()
        self.exchanges = 0
        self.tx, self.rx = wire.Plain(), wire.Plain()
        self.tx_seq = self.rx_seq = self.first_number("plain", 0)
        self.session_id = b""
        self.in_exchange = self.started = False
        self.packer = self.unpacker = None
        self.queue = []  # what waits for the end of an exchange
        self.channels, self.next_channel = {}, 0
        self.got = collections.Counter()  # messages by number
        self.refused = []  # OPEN_FAILUREs: (our channel, reason)
        self.confirmed = []  # OPEN_CONFIRMATIONs of ours
        self.disconnect = None
        self.played, self.offended = asyncio.Event(), 0.0
        self.tasks, self.failure = [], None
        self.is_mute = False
        self.point_reached = False
        self.last = None  # the last packet as it went out: for replays

    def first_number(self, when, number):
        """Of the packets that come now."""
        numbers = self.twist.get("numbers", ("", 0))
        return numbers[1] if numbers[0] == when and self.exchanges <= 1 else number

    # ---- out ----

    async def write(self, data):
        self.writer.write(data)
        await self.writer.drain()

    async def put(self, item):
        if isinstance(item, Raw):
            await self.write(item.data)
            return
        if not isinstance(item, Frame):
            item = Frame(item)
        payload = item.payload
        if self.packer:
            payload = self.packer.compress(payload) + self.packer.flush(zlib.Z_PARTIAL_FLUSH)
        sealed = self.tx.seal(wire.frame(self.tx, payload, item.padding, item.length, item.padding_length), self.tx_seq)
        self.tx_seq = (self.tx_seq + 1) % 2**32
        self.last = sealed
        await self.write(item.spoil(sealed) if item.spoil else sealed)

    async def misbehave(self, items):
        """Sends what a case says; it is over with END, RESET and HANG."""
        try:
            if hasattr(items, "__aiter__"):
                async for item in items:
                    await self.act(item)
            else:
                for i, item in enumerate(items):
                    await self.act(item)
                    if i % 16 == 15:  # the other cases' turn
                        await asyncio.sleep(0)
        finally:
            self.offended = time.monotonic()
            self.played.set()

    async def act(self, item):
        if item is END:
            self.writer.close()
            raise Over
        if item is RESET:
            self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.writer.transport.abort()
            raise Over
        if item is MUTE:
            self.is_mute = True
        elif item is HANG:
            self.offended = time.monotonic()
            self.played.set()
            self.reader._transport.pause_reading()
            await asyncio.Event().wait()
        else:
            await self.put(item)

    async def send(self, name, payload):
        if self.is_mute:
            return
        self.counts[name] += 1
        if self.case.at in (name, f"{name}:{self.counts[name]}") and not self.point_reached:
            self.point_reached = True
            await self.misbehave(self.case.do(self, payload))
        else:
            always = self.twist.get("always", {}).get(name)
            await self.put(always or payload)
            if always and self.offended:  # the last of them counts
                self.offended = time.monotonic()

    async def say(self, name, payload):
        """A message of the connection protocol: not in an exchange (RFC 4253 §7.1)."""
        if self.in_exchange:
            self.queue.append((name, payload))
        else:
            await self.send(name, payload)

    def moment(self, name):
        """Those behind the authentication run beside the reading: a client may answer a lot."""
        if self.case.at == name and not self.point_reached:
            self.point_reached = True
            self.spawn(self.misbehave(self.case.do(self, b"")))

    def spawn(self, coroutine):
        async def run():
            try:
                await coroutine
            except (Over, ConnectionError, asyncio.CancelledError):
                pass
            except Exception as e:  # a fault of the case: shown by the runner
                self.failure = e
        self.tasks.append(asyncio.create_task(run()))

    # ---- in ----

    async def read(self):
        plain = await self.rx.read(self.reader.readexactly, self.rx_seq)
        self.rx_seq = (self.rx_seq + 1) % 2**32
        payload = plain[5:len(plain) - plain[4]]
        if self.unpacker:
            payload = self.unpacker.decompress(payload)
        return payload

    async def play(self):
        try:
            await self.send("version", Raw(self.twist.get("version", b"SSH-2.0-Peer_1\r\n")))
            self.v_s = self.twist.get("version", b"SSH-2.0-Peer_1\r\n").rstrip(b"\r\n").split(b"\n")[-1]
            self.v_c = (await self.reader.readuntil(b"\n")).rstrip(b"\r\n")
            await self.start_exchange()
            while True:
                payload = await self.read()
                self.got[payload[0]] += 1
                await self.handle(payload)
                if self.rx_seq % 16 == 0:  # the other cases' turn
                    await asyncio.sleep(0)
        except (Over, ConnectionError, asyncio.IncompleteReadError):
            pass
        except Exception as e:
            self.failure = e
        finally:
            for t in self.tasks:
                t.cancel()
            self.writer.close()

    async def handle(self, payload):
        handler = self.HANDLERS.get(payload[0])
        if handler:
            await handler(self, Reader(payload[1:]), payload)

    # ---- key exchange: RFC 4253 §7, RFC 8731, RFC 5656, strict-kex ----

    def honest_kexinit(self):
        cipher, mac, _ = wire.SUITES[self.case.suite]
        key = self.host_key()
        lists = {"kex": self.twist.get("kex", "curve25519-sha256"), "host_key": ",".join(key.algorithms),
                 "cipher_in": cipher, "cipher_out": cipher, "mac_in": mac, "mac_out": mac,
                 "comp_in": self.twist.get("compression", "none"), "comp_out": self.twist.get("compression", "none"),
                 "lang_in": "", "lang_out": ""}
        if self.exchanges == 0:
            lists["kex"] += ",ext-info-s" + (",kex-strict-s-v00@openssh.com" if self.case.strict else "")
        lists.update(self.twist.get("lists", {}))
        return msg(wire.KEXINIT, os.urandom(16), *[lists[n] for n in LISTS], False, 0)

    def host_key(self):
        return self.twist["host_key"](self) if "host_key" in self.twist else self.keys["ed25519"]

    async def start_exchange(self):
        self.i_s = self.honest_kexinit()
        if "kexinit" in self.twist:
            self.i_s = self.twist["kexinit"](self, self.i_s)
        self.started = self.in_exchange = True
        await self.send("kexinit", self.i_s)

    async def on_kexinit(self, r, payload):
        if self.exchanges and self.twist.get("deaf"):
            return
        self.i_c = payload
        r.take(16)
        names = [r.text().split(",") for _ in range(10)]
        if self.exchanges == 0:
            self.client_strict = "kex-strict-c-v00@openssh.com" in names[0]
            self.client_ext_info = "ext-info-c" in names[0]
            self.client_kex = names[0]
        ours = self.host_key().algorithms
        guesses = bool(r.u8())  # RFC 4253 §7: a wrong guess of the client's is left alone
        kex = self.twist.get("lists", {}).get("kex") or self.twist.get("kex", "curve25519-sha256")
        self.skips_guess = guesses and (names[0][0] != kex.split(",")[0] or names[1][0] != ours[0])
        self.algorithm = next((a for a in names[1] if a in ours), ours[0])
        if not self.started:
            await self.start_exchange()

    def agree(self, client_share):
        """Our share and the secret."""
        method = self.twist.get("kex", "curve25519-sha256")
        if method in CURVES:
            secret = ec.generate_private_key(CURVES[method][0]())
            peer = ec.EllipticCurvePublicKey.from_encoded_point(CURVES[method][0](), client_share)
            share = secret.public_key().public_bytes(serialization.Encoding.X962,
                                                     serialization.PublicFormat.UncompressedPoint)
            return share, secret.exchange(ec.ECDH(), peer)
        secret = x25519.X25519PrivateKey.generate()
        share = secret.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        return share, secret.exchange(x25519.X25519PublicKey.from_public_bytes(client_share))

    async def on_kex_init(self, r, _payload):
        if self.skips_guess:
            self.skips_guess = False
            return
        client_share = r.string()
        share, secret = self.agree(client_share)
        if "share" in self.twist:
            share = self.twist["share"](self, share)
        key = self.host_key()
        self.hash = CURVES.get(self.twist.get("kex"), (None, hashlib.sha256))[1]
        self.k = mpint(secret)
        blob = key.public()
        self.h = self.hash(b"".join(map(string, (self.v_c, self.v_s, self.i_c, self.i_s, blob, client_share, share))) +
                           self.k).digest()
        self.session_id = self.session_id or self.h
        signature = self.twist["signature"](self, self.h) if "signature" in self.twist else key.sign(self.algorithm, self.h)
        self.last_reply = msg(wire.KEX_REPLY, string(blob), string(share), string(signature))
        await self.send("kex_reply", self.last_reply)
        await self.send("newkeys", msg(wire.NEWKEYS))
        self.tx = self.guard("BDF")
        if self.packer:  # RFC 4253 §6.2: the streams begin anew with the keys
            self.packer = zlib.compressobj()
        if self.case.strict and self.client_strict:
            self.tx_seq = 0
        self.exchanges += 1
        self.tx_seq = self.first_number("keyed", self.tx_seq)
        self.started = False
        if self.exchanges > 1:  # the first packet with the new keys
            await self.send("ignore", msg(wire.IGNORE, ""))
        if self.exchanges == 1 and self.client_ext_info:
            await self.send("ext_info", msg(wire.EXT_INFO, 1, "server-sig-algs", "ssh-ed25519,rsa-sha2-256,rsa-sha2-512"))

    def derive(self, letter, n):
        out = b""
        while len(out) < n:
            out += self.hash(self.k + self.h + (out or letter.encode() + self.session_id)).digest()
        return out[:n]

    def guard(self, letters):
        kind = wire.SUITES[self.case.suite][2]
        iv, key, mac = letters
        return kind(self.derive(key, kind.key_len), self.derive(iv, kind.iv_len), self.derive(mac, kind.mac_len))

    async def on_newkeys(self, _r, _payload):
        self.rx = self.guard("ACE")
        if self.unpacker:
            self.unpacker = zlib.decompressobj()
        if self.case.strict and self.client_strict:
            self.rx_seq = 0
        self.rx_seq = self.first_number("keyed", self.rx_seq)
        self.in_exchange = False
        if self.exchanges == 1 and self.twist.get("compression") == "zlib":
            self.compress()
        if self.exchanges > 1 and self.case.at.split(":")[0] not in ("kexinit", "kex_reply", "newkeys", "rekey"):
            self.moment("rekeyed")
        if self.exchanges > 1:
            self.played_if("rekey")
        queue, self.queue = self.queue, []
        for name, payload in queue:
            await self.send(name, payload)

    def played_if(self, name):
        if self.case.at == name:
            self.offended = time.monotonic()
            self.played.set()

    def compress(self):
        self.packer, self.unpacker = zlib.compressobj(), zlib.decompressobj()

    # ---- service and authentication: RFC 4252, RFC 4256 ----

    async def on_service_request(self, r, _payload):
        await self.send("service_accept", msg(wire.SERVICE_ACCEPT, string(r.string())))

    async def on_userauth_request(self, r, _payload):
        r.string(), r.string()
        method = r.text().replace("publickey-hostbound-v00@openssh.com", "publickey")
        self.counts["request " + method] += 1
        if "banner" in self.case.at and self.counts["banner"] == 0:
            await self.send("banner", msg(wire.USERAUTH_BANNER, "welcome\r\n", ""))
        if method == self.twist.get("accepts"):
            await self.authenticated()
        elif method != self.case.auth or self.twist.get("rejects"):
            await self.fail_authentication()
        elif method == "publickey":
            signed, algorithm, blob = r.u8(), r.string(), r.string()
            if signed:
                await self.authenticated()
            else:
                await self.send("pk_ok", msg(wire.PK_OK, string(algorithm), string(blob)))
        elif method == "keyboard-interactive":
            await self.send("info_request", msg(wire.INFO_REQUEST, "", "", "", 1, "Code: ", False))
        else:
            await self.authenticated()

    async def fail_authentication(self):
        await self.send("auth_failure", msg(wire.USERAUTH_FAILURE, self.twist.get("methods", self.case.auth), False))

    async def on_info_response(self, r, _payload):
        await self.authenticated()

    async def authenticated(self):
        await self.send("auth_success", msg(wire.USERAUTH_SUCCESS))
        if self.twist.get("compression") == "zlib@openssh.com":
            self.compress()
        if "shows" in self.twist:
            await self.say("hostkeys", self.twist["shows"](self))
        self.moment("open")

    # ---- connection protocol: RFC 4254 ----

    def new_channel(self, theirs, window, kind):
        c = Channel(self.next_channel, theirs, window, kind)
        self.next_channel += 1
        self.channels[c.mine] = c
        return c

    @property
    def first(self):
        """The first channel that the client opened."""
        return next(iter(self.channels.values()))

    async def on_channel_open(self, r, _payload):
        kind, theirs, window = r.text(), r.u32(), r.u32()
        c = self.new_channel(theirs, window, kind)
        await self.say("open_confirm", msg(wire.OPEN_CONFIRMATION, theirs, c.mine, 2**31 - 1, PACKET))

    async def on_data(self, r, _payload):
        c = self.channels[r.u32()]
        c.waiting += r.string()
        await self.echo(c)
        self.moment("channel")
        if self.case.at.endswith(":2") or self.case.at in ("rekey", "rekeyed"):
            if not self.started and self.exchanges == 1:
                await self.start_exchange()

    async def on_window_adjust(self, r, _payload):
        c = self.channels[r.u32()]
        c.window += r.u32()
        await self.echo(c)

    async def echo(self, c):
        while c.waiting and not c.mute and c.window > 0 and not c.eof_sent and not c.closed and not c.close_sent:
            part = c.waiting[:min(PACKET, c.window)]
            c.waiting = c.waiting[len(part):]
            c.window -= len(part)
            await self.say("data", msg(wire.DATA, c.theirs, string(part)))
        if c.eof and not c.waiting and not c.eof_sent:
            c.eof_sent = True
            await self.say("eof", msg(wire.EOF, c.theirs))
            await self.close(c)

    async def close(self, c):
        if not c.close_sent:
            c.close_sent = True
            await self.say("close", msg(wire.CLOSE, c.theirs))

    async def on_eof(self, r, _payload):
        c = self.channels[r.u32()]
        c.eof = True
        if c.kind != "session":
            await self.echo(c)

    async def on_close(self, r, _payload):
        c = self.channels[r.u32()]
        c.closed = True
        await self.close(c)

    async def on_channel_request(self, r, _payload):
        c = self.channels[r.u32()]
        kind, wants = r.text(), r.u8()
        if wants:
            await self.say("request_answer", msg(wire.CHANNEL_SUCCESS, c.theirs))
        if kind not in ("exec", "shell", "subsystem"):
            return
        if self.case.at == "exec":
            self.moment("exec")
            return
        await self.finish(c)

    async def finish(self, c):
        """A command's honest end."""
        await self.say("data", msg(wire.DATA, c.theirs, "done\n"))
        await self.say("exit_status", msg(wire.CHANNEL_REQUEST, c.theirs, "exit-status", False, 0))
        await self.say("eof", msg(wire.EOF, c.theirs))
        await self.close(c)

    async def on_global_request(self, r, _payload):
        kind, wants = r.text(), r.u8()
        if kind == "tcpip-forward":
            self.asked = (r.string(), r.u32())
            await self.say("global_reply", msg(wire.REQUEST_SUCCESS, *([4242] if self.asked[1] == 0 else [])))
            self.moment("forward")
        elif kind == "streamlocal-forward@openssh.com":
            await self.say("global_reply", msg(wire.REQUEST_SUCCESS))
            self.moment("forward")
        elif kind == "hostkeys-prove-00@openssh.com":
            self.asked_keys = []
            while r.at < len(r.data):
                self.asked_keys.append(r.string())
            known = all(any(k.public() == blob for k in self.keys.values()) for blob in self.asked_keys)
            await self.say("prove_answer", msg(wire.REQUEST_SUCCESS, *[string(self.prove(k)) for k in self.asked_keys]) if known else msg(wire.REQUEST_FAILURE))
        elif wants:
            await self.say("global_reply", msg(wire.REQUEST_FAILURE))

    def prove(self, blob, session_id=None, key=None):
        """RFC 4253's signature over OpenSSH PROTOCOL §2.5's text, by the key of that blob (or another)."""
        key = key or next(k for k in self.keys.values() if k.public() == blob)
        return key.sign(key.algorithms[0], string("hostkeys-prove-00@openssh.com") + string(session_id or self.session_id) + string(blob))

    async def on_open_failure(self, r, _payload):
        self.refused.append((r.u32(), r.u32()))

    async def on_open_confirmation(self, r, _payload):
        self.confirmed.append(r.u32())

    async def on_disconnect(self, r, _payload):
        self.disconnect = (r.u32(), r.string())

    async def on_ping(self, r, _payload):
        await self.put(msg(wire.PONG, string(r.string())))

    HANDLERS = {
        wire.KEXINIT: on_kexinit, wire.KEX_INIT: on_kex_init, wire.NEWKEYS: on_newkeys,
        wire.SERVICE_REQUEST: on_service_request, wire.USERAUTH_REQUEST: on_userauth_request,
        wire.INFO_RESPONSE: on_info_response, wire.CHANNEL_OPEN: on_channel_open, wire.DATA: on_data,
        wire.WINDOW_ADJUST: on_window_adjust, wire.EOF: on_eof, wire.CLOSE: on_close,
        wire.CHANNEL_REQUEST: on_channel_request, wire.GLOBAL_REQUEST: on_global_request,
        wire.OPEN_FAILURE: on_open_failure, wire.OPEN_CONFIRMATION: on_open_confirmation,
        wire.DISCONNECT: on_disconnect, wire.PING: on_ping,
    }


__all__ = ["Peer", "u32"]
