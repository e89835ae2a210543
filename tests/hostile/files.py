"""Files as rows of a table lay them out: keys as OpenSSH writes them (PROTOCOL.key), in PEM and PKCS#8, lists of revoked keys
(PROTOCOL.krl), and what is no file at all."""
import asyncio
import base64
import os
import re
import socket
import struct

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

from . import wire
from .peer import Peer
from .wire import Reader, mpint, string, u32

LIES = (0, 1, 2**31, 2**32 - 1)  # and the right length, give or take one


def lies(fields):
    """What fields, a list of strings without their lengths, become when one of the lengths lies: (which, lie, bytes)."""
    for i, field in enumerate(fields):
        for lie in sorted({*LIES, len(field) - 1, len(field) + 1} - {len(field)}):
            if 0 <= lie:
                yield i, lie, b"".join(string(f) for f in fields[:i]) + u32(lie) + field + b"".join(string(f) for f in fields[i + 1:])


# ---- keys ----

CURVES = {"p256": (ec.SECP256R1, "nistp256"), "p384": (ec.SECP384R1, "nistp384"), "p521": (ec.SECP521R1, "nistp521")}


def wire_mpint(n):
    return mpint(n)[4:]


class Pair:
    """A key pair as the fields of its public and of its secret half."""

    def __init__(self, kind):
        self.kind = kind
        if kind == "ed25519":
            self.secret = ed25519.Ed25519PrivateKey.generate()
            raw = self.secret.private_bytes(serialization.Encoding.Raw, serialization.PrivateFormat.Raw, serialization.NoEncryption())
            point = self.secret.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
            self.public, self.private = [b"ssh-ed25519", point], [b"ssh-ed25519", point, raw + point]
        elif kind == "rsa":
            self.secret = rsa.generate_private_key(65537, 2048)
            v = self.secret.private_numbers()
            n, e = v.public_numbers.n, v.public_numbers.e
            self.public = [b"ssh-rsa", wire_mpint(e), wire_mpint(n)]
            self.private = [b"ssh-rsa", *map(wire_mpint, (n, e, v.d, v.iqmp, v.p, v.q))]
        else:
            curve, name = CURVES[kind]
            self.secret = ec.generate_private_key(curve())
            point = self.secret.public_key().public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
            head = [b"ecdsa-sha2-" + name.encode(), name.encode(), point]
            self.public, self.private = head, [*head, wire_mpint(self.secret.private_numbers().private_value)]

    def blob(self):
        return b"".join(map(string, self.public))

    def line(self):
        return self.public[0] + b" " + base64.b64encode(self.blob()) + b" comment\n"

    def pem(self, form, encryption=None):
        return self.secret.private_bytes(serialization.Encoding.PEM, form, encryption or serialization.NoEncryption())


FORMS = {"pkcs1": serialization.PrivateFormat.TraditionalOpenSSL, "sec1": serialization.PrivateFormat.TraditionalOpenSSL,
         "pkcs8": serialization.PrivateFormat.PKCS8}


def armour(label, data):
    text = base64.b64encode(data)
    lines = b"\n".join(text[i:i + 70] for i in range(0, len(text), 70))
    return b"-----BEGIN %b-----\n%b\n-----END %b-----\n" % (label, lines, label)


def unarmour(pem):
    lines = pem.splitlines()
    return lines[0][11:-5], base64.b64decode(b"".join(lines[1:-1]))


def secret_part(pair, private=None, checks=(7, 7), comment=b"comment", padding=None, block=8):
    body = u32(checks[0]) + u32(checks[1]) + (private if private is not None else b"".join(map(string, pair.private))) + string(comment)
    pad = bytes(i + 1 for i in range(-len(body) % block)) if padding is None else padding
    return body + pad


def envelope(pair, secret=None, public=None, cipher=b"none", kdf=b"none", options=b"", count=1, magic=b"openssh-key-v1\0", tail=b""):
    public = [public if public is not None else pair.blob()] * min(count, 2)
    return magic + string(cipher) + string(kdf) + string(options) + u32(count) + b"".join(map(string, public)) + \
        string(secret_part(pair) if secret is None else secret) + tail


def openssh(pair, **different):
    return armour(b"OPENSSH PRIVATE KEY", envelope(pair, **different))


# ---- lists of revoked keys ----


def krl(*sections, version=1, magic=b"SSHKRL\n\0", comment=b"list", flags=0):
    return magic + struct.pack(">IQQQ", version, 1, 0, flags) + string(b"") + string(comment) + b"".join(sections)


def section(kind, body):
    return bytes([kind]) + string(body)


# ---- what is no file ----


def fifo(path):
    os.mkfifo(path, 0o600)


def folder(path):
    path.mkdir()


def loop(path):
    path.symlink_to(path.name)


def unix_socket(path):
    s = socket.socket(socket.AF_UNIX)
    s.bind(str(path))
    s.close()


def sparse(size):
    def make(path):
        with open(path, "wb") as f:
            f.truncate(size)
    return make


def link(to):
    return lambda path: path.symlink_to(to)


# What each is, and what is said about it where it cannot be read.
NO_FILES = {
    "fifo": (fifo, "nobody writes to"), "zeros": (link("/dev/zero"), "too large"), "folder": (folder, "directory"),
    "loop": (loop, "symbolic link|Symbolic link|Too many levels"), "socket": (unix_socket, "No such device"),
    "huge": (sparse(2**40), "too large")}


def place(path, what):
    """Makes what (bytes, or a function of the path) there."""
    if callable(what):
        what(path)
    else:
        path.write_bytes(what)
        path.chmod(0o600)
    return path
BAD_DISK = link("/proc/self/mem")  # fails as one does: what is in the file, nobody knows


async def churn(path, texts):
    """Changes it for ever, by turns in one step and in place."""
    for turn in range(10**9):
        text = texts[turn % len(texts)]
        if turn % 3 == 0:
            path.with_suffix(".next").write_bytes(text)
            path.with_suffix(".next").rename(path)
        else:
            path.write_bytes(text)
        path.chmod(0o600)
        await asyncio.sleep(0)


# ---- what is right ----


class Strict(Peer):
    """Lets in who signs with the identity of the world, and nobody else; whoever asks about another key shall sign with it."""

    async def on_userauth_request(self, r, payload):
        user, service, method = r.string(), r.string(), r.text()
        if not method.startswith("publickey"):
            return await self.fail_authentication()
        signed, algorithm, blob = r.u8(), r.string(), r.string()
        good = base64.b64decode((self.client.world.folder / "id.pub").read_bytes().split()[1])
        if signed and blob.startswith(string("ssh-rsa")):
            self.judge_rsa(blob, string(self.session_id) + payload[:len(payload) - len(r.data) + r.at], r.string())
        if not signed:
            await self.send("pk_ok", self.pk_ok(algorithm, blob))
        elif blob == good:
            await self.authenticated()
        else:
            await self.fail_authentication()

    HANDLERS = {**Peer.HANDLERS, wire.USERAUTH_REQUEST: on_userauth_request}

    def judge_rsa(self, blob, data, signature):
        """A signature that is wrong modulo one prime gives the key away."""
        public, r = Reader(blob), Reader(signature)
        public.string()
        e, n = (int.from_bytes(public.string(), "big") for _ in range(2))
        digest = {b"rsa-sha2-256": hashes.SHA256(), b"rsa-sha2-512": hashes.SHA512()}[bytes(r.string())]
        try:
            rsa.RSAPublicNumbers(e, n).public_key().verify(r.string(), data, padding.PKCS1v15(), digest)
        except (InvalidSignature, ValueError):
            self.got["wrong"] += 1

    @staticmethod
    def pk_ok(algorithm, blob):
        return bytes([60]) + string(algorithm) + string(blob)


def told(count, words):
    """That so many lines say it."""
    return lambda play: len(re.findall(words, play.said())) == count
