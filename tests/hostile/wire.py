"""Bytes of SSH (RFC 4251 §5), packets (RFC 4253 §6) and their protection, written from the documents and not
from adit: what both ends of adit's own machine would get wrong together does not agree with this."""
import hashlib
import hmac
import os
import struct

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.poly1305 import Poly1305

(DISCONNECT, IGNORE, UNIMPLEMENTED, DEBUG, SERVICE_REQUEST, SERVICE_ACCEPT, EXT_INFO) = range(1, 8)
KEXINIT, NEWKEYS, KEX_INIT, KEX_REPLY = 20, 21, 30, 31
(USERAUTH_REQUEST, USERAUTH_FAILURE, USERAUTH_SUCCESS, USERAUTH_BANNER) = range(50, 54)
PK_OK = PASSWD_CHANGEREQ = INFO_REQUEST = 60
INFO_RESPONSE = 61
GLOBAL_REQUEST, REQUEST_SUCCESS, REQUEST_FAILURE = range(80, 83)
(CHANNEL_OPEN, OPEN_CONFIRMATION, OPEN_FAILURE, WINDOW_ADJUST, DATA, EXTENDED_DATA, EOF, CLOSE, CHANNEL_REQUEST,
 CHANNEL_SUCCESS, CHANNEL_FAILURE) = range(90, 101)
PING, PONG = 192, 193


def u32(n):
    return struct.pack(">I", n)


def string(data):
    data = data.encode() if isinstance(data, str) else data
    return u32(len(data)) + data


def boolean(b):
    return b"\1" if b else b"\0"


def mpint(n):
    """Of an integer that is not negative, or of its big-endian bytes."""
    n = int.from_bytes(n, "big") if isinstance(n, bytes) else n
    return string(n.to_bytes(n.bit_length() // 8 + 1, "big") if n else b"")


def msg(number, *parts):
    """A message: integers are uint32, booleans boolean, texts string; bytes stand as they are."""
    out = bytes([number])
    for p in parts:
        out += boolean(p) if isinstance(p, bool) else u32(p) if isinstance(p, int) else \
            string(p) if isinstance(p, str) else p
    return out


class Reader:
    """What an honest peer says is well formed: anything else is adit's fault, and an exception."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, n):
        assert self.at + n <= len(self.data), "the client sent a message that is cut off"
        self.at += n
        return self.data[self.at - n:self.at]

    def u8(self):
        return self.take(1)[0]

    def u32(self):
        return int.from_bytes(self.take(4), "big")

    def string(self):
        return self.take(self.u32())

    def text(self):
        return self.string().decode()

    def rest(self):
        return self.take(len(self.data) - self.at)


# ---- protection: seal(plain, seq) and open. plain is a whole packet: length, padding length, payload, padding. ----

class Plain:
    block, clear = 8, False  # clear: the length is outside of what is padded
    tag = 0

    def seal(self, plain, seq):
        return plain

    async def read(self, take, seq):
        head = await take(4)
        return head + await take(int.from_bytes(head, "big"))


class Gcm:
    """aes256-gcm@openssh.com (RFC 5647 §7): the length is in the clear and authenticated."""
    block, clear, key_len, iv_len, mac_len = 16, True, 32, 12, 0

    def __init__(self, key, iv, _mac):
        self.aead, self.iv = AESGCM(key), iv

    def nonce(self):
        iv = self.iv
        self.iv = iv[:4] + ((int.from_bytes(iv[4:], "big") + 1) % 2**64).to_bytes(8, "big")
        return iv

    def seal(self, plain, seq):
        return plain[:4] + self.aead.encrypt(self.nonce(), plain[4:], plain[:4])

    async def read(self, take, seq):
        head = await take(4)
        body = await take(int.from_bytes(head, "big") + 16)
        return head + self.aead.decrypt(self.nonce(), body, head)


class Chacha:
    """chacha20-poly1305@openssh.com (OpenSSH's PROTOCOL.chacha20poly1305)."""
    block, clear, key_len, iv_len, mac_len = 8, True, 64, 0, 0

    def __init__(self, key, _iv, _mac):
        self.main, self.head = key[:32], key[32:]

    @staticmethod
    def stream(key, seq, counter, data):
        nonce = struct.pack("<Q", counter) + struct.pack(">Q", seq)
        return Cipher(algorithms.ChaCha20(key, nonce), None).encryptor().update(data)

    def tag_of(self, seq, sealed):
        return Poly1305.generate_tag(self.stream(self.main, seq, 0, bytes(32)), sealed)

    def seal(self, plain, seq):
        out = self.stream(self.head, seq, 0, plain[:4]) + self.stream(self.main, seq, 1, plain[4:])
        return out + self.tag_of(seq, out)

    async def read(self, take, seq):
        head = await take(4)
        length = self.stream(self.head, seq, 0, head)
        body = await take(int.from_bytes(length, "big") + 16)
        if self.tag_of(seq, head + body[:-16]) != body[-16:]:
            raise InvalidTag
        return length + self.stream(self.main, seq, 1, body[:-16])


class CtrMac:
    """aes128-ctr with hmac-sha2-256 (RFC 4253 §6.4: over the plain packet)."""
    block, clear, key_len, iv_len, mac_len = 16, False, 16, 16, 32

    def __init__(self, key, iv, mac):
        self.stream = Cipher(algorithms.AES(key), modes.CTR(iv)).encryptor()
        self.key = mac

    def mac_of(self, seq, data):
        return hmac.new(self.key, u32(seq) + data, hashlib.sha256).digest()

    def seal(self, plain, seq):
        return self.stream.update(plain) + self.mac_of(seq, plain)

    async def read(self, take, seq):
        first = self.stream.update(await take(16))
        rest = self.stream.update(await take(int.from_bytes(first[:4], "big") - 12))
        plain = first + rest
        if await take(32) != self.mac_of(seq, plain):
            raise InvalidTag
        return plain


class CtrEtm(CtrMac):
    """aes128-ctr with hmac-sha2-256-etm@openssh.com: over the sealed packet, the length in the clear."""
    clear = True

    def seal(self, plain, seq):
        sealed = plain[:4] + self.stream.update(plain[4:])
        return sealed + self.mac_of(seq, sealed)

    async def read(self, take, seq):
        head = await take(4)
        body = await take(int.from_bytes(head, "big"))
        if await take(32) != self.mac_of(seq, head + body):
            raise InvalidTag
        return head + self.stream.update(body)


SUITES = {  # name: cipher, MAC, class
    "gcm": ("aes256-gcm@openssh.com", "hmac-sha2-256", Gcm),
    "chacha": ("chacha20-poly1305@openssh.com", "hmac-sha2-256", Chacha),
    "mac": ("aes128-ctr", "hmac-sha2-256", CtrMac),
    "etm": ("aes128-ctr", "hmac-sha2-256-etm@openssh.com", CtrEtm),
}


def frame(guard, payload, padding=None, length=None, padding_length=None):
    """RFC 4253 §6's packet before its protection; padding (its number of bytes), length and padding_length lie
    where they are given."""
    if padding is None:
        head = 1 if guard.clear else 5
        padding = guard.block - (head + len(payload)) % guard.block
        padding += guard.block if padding < 4 else 0
    body = payload + os.urandom(padding)
    length = 1 + len(body) if length is None else length
    return u32(length) + bytes([(padding if padding_length is None else padding_length) & 255]) + body
