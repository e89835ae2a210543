"""An agent that is honest up to one answer (draft-miller-ssh-agent; OpenSSH's PROTOCOL.agent), and a server that looks at
the signatures, as peer.py alone does not."""
import struct

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ed25519

from . import wire
from .beside import Beside
from .keys import Ed25519, string, u32
from .peer import Peer
from .wire import Reader, msg

FAILURE, SUCCESS, LIST, KEYS, SIGN, SIGNATURE, ADD, ADD_CONSTRAINED, EXTENSION = 5, 6, 11, 12, 13, 14, 17, 25, 27
NAMES = {LIST: "list", SIGN: "sign", ADD: "add", ADD_CONSTRAINED: "add", EXTENSION: "bind"}


def frame(payload, length=None):
    return u32(len(payload) if length is None else length) + payload


def keys(*pairs, count=None):
    """An IDENTITIES_ANSWER of (blob, comment)."""
    return bytes([KEYS]) + u32(len(pairs) if count is None else count) + b"".join(string(b) + string(c) for b, c in pairs)


class Agent(Beside):
    """It holds one Ed25519 key."""

    def __init__(self, play, at="", do=None, held=True, times=None):
        super().__init__(play, at, do, times)
        self.key, self.held, self.forwarded = play.world.keys["held"], held, b""

    async def serve(self, reader, writer):
        while True:
            payload = await reader.readexactly(struct.unpack(">I", await reader.readexactly(4))[0])
            name = NAMES.get(payload[0], "other")
            if not await self.answer(writer, name, frame(self.honest(name, payload))):
                return

    def honest(self, name, payload):
        if name == "list":
            return keys(*([(self.key.public(), b"held")] if self.held else []))
        if name == "sign":
            r = Reader(payload[1:])
            blob, data = r.string(), r.string()
            self.data = data
            return bytes([SIGNATURE]) + string(self.key.sign("ssh-ed25519", data)) if blob == self.key.public() else bytes([FAILURE])
        return bytes([SUCCESS if name in ("add", "bind") else FAILURE])


class Verifier(Peer):
    """It accepts the keys that its case names (twist `knows`: held, file) when they sign what RFC 4252 §7 says."""

    accepted = None

    def known(self):
        world = self.client.world
        return {name: {"held": world.keys["held"].public(), "file": world.identity_blob}[name] for name in self.twist.get("knows", ("held", "file"))}

    async def on_userauth_request(self, r, payload):
        r.string(), r.string()
        if r.text() != "publickey":
            await self.fail_authentication()
            return
        signed, algorithm, blob = r.u8(), r.string(), r.string()
        name = next((n for n, b in self.known().items() if b == blob), None)
        if name is None:
            await self.fail_authentication()
        elif not signed:
            await self.send("pk_ok", msg(wire.PK_OK, string(algorithm), string(blob)))
        elif self.is_signed(Reader(r.string()), blob, payload):
            self.accepted = name
            await self.authenticated()
        else:
            await self.fail_authentication()

    def is_signed(self, signature, blob, payload):
        try:
            name, value = signature.string(), signature.string()
            data = string(self.session_id) + payload[:-(4 + 4 + len(name) + 4 + len(value))]
            ed25519.Ed25519PublicKey.from_public_bytes(blob[-32:]).verify(value, data)
            return name == b"ssh-ed25519"
        except (InvalidSignature, ValueError, AssertionError):
            return False

    HANDLERS = {**Peer.HANDLERS, wire.USERAUTH_REQUEST: on_userauth_request}


def with_agent(at="", do=None, **more):
    """A row's setup: the client finds this agent in SSH_AUTH_SOCK."""
    async def setup(play):
        play.beside = Agent(play, at, do, **more)
        path = play.folder / "agent"
        await play.beside.listen(path)
        play.environment["SSH_AUTH_SOCK"] = str(path)
    return setup


__all__ = ["Agent", "Ed25519", "Verifier", "frame", "keys", "with_agent"]
