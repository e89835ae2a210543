"""Host keys and certificates in memory, and signatures as SSH writes them (RFC 4253 §6.6, 5656 §3.1, 8332,
8709; OpenSSH's PROTOCOL.certkeys)."""
import os
import struct
import time

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils

from .wire import mpint, string, u32

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
ED25519_ORDER = 2**252 + 27742317777372353535851937790883648493


class Ed25519:
    name = "ssh-ed25519"
    algorithms = ("ssh-ed25519",)

    def __init__(self):
        self.secret = ed25519.Ed25519PrivateKey.generate()
        self.raw = self.secret.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)

    def public(self):
        return string(self.name) + string(self.raw)

    def raw_sign(self, algorithm, data):
        return self.secret.sign(data)

    def sign(self, algorithm, data):
        return string(algorithm) + string(self.raw_sign(algorithm, data))


class Ecdsa(Ed25519):
    name = "ecdsa-sha2-nistp256"
    algorithms = ("ecdsa-sha2-nistp256",)

    def __init__(self):
        self.secret = ec.generate_private_key(ec.SECP256R1())
        self.raw = self.secret.public_key().public_bytes(serialization.Encoding.X962,
                                                         serialization.PublicFormat.UncompressedPoint)

    def public(self):
        return string(self.name) + string("nistp256") + string(self.raw)

    def numbers(self, data, digest=None):
        return utils.decode_dss_signature(self.secret.sign(data, ec.ECDSA(digest or hashes.SHA256())))

    def raw_sign(self, algorithm, data):
        r, s = self.numbers(data)
        return mpint(r) + mpint(s)


class Rsa(Ed25519):
    name = "ssh-rsa"
    algorithms = ("rsa-sha2-512", "rsa-sha2-256")

    def __init__(self, bits=2048, exponent=65537):
        self.secret = rsa.generate_private_key(exponent, bits)
        n = self.secret.public_key().public_numbers()
        self.e, self.n = n.e, n.n

    def public(self):
        return string(self.name) + mpint(self.e) + mpint(self.n)

    def raw_sign(self, algorithm, data):
        digest = {"ssh-rsa": hashes.SHA1(), "rsa-sha2-256": hashes.SHA256(), "rsa-sha2-512": hashes.SHA512()}
        return self.secret.sign(data, padding.PKCS1v15(), digest[algorithm])


class Certificate:
    """An Ed25519 host key that an authority vouches for. What is given differs from an honest one."""
    name = "ssh-ed25519-cert-v01@openssh.com"
    algorithms = (name,)

    def __init__(self, authority, key=None, kind=2, principals=("hostile",), after=0, before=2**64 - 1,
                 critical=b"", extensions=b"", forge=False, trailing=b"", reserved=b"", serial=1, key_id="hostile",
                 signer_blob=None, sign_as=None):
        self.key = key or Ed25519()
        body = string(self.name) + string(os.urandom(32)) + string(self.key.raw) + struct.pack(">QI", serial, kind) + \
            string(key_id) + string(b"".join(string(p) for p in principals)) + struct.pack(">QQ", after, before) + \
            string(critical) + string(extensions) + string(reserved) + string(signer_blob or authority.public())
        signature = authority.sign(sign_as or authority.algorithms[0], body)
        if forge:
            signature = signature[:-1] + bytes([signature[-1] ^ 1])
        self.blob = body + string(signature) + trailing

    def public(self):
        return self.blob

    def sign(self, algorithm, data):
        return self.key.sign("ssh-ed25519", data)


def now():
    return int(time.time())


def option(name, value=b""):
    return string(name) + string(value)


__all__ = ["Certificate", "Ecdsa", "Ed25519", "Rsa", "mpint", "now", "option", "string", "u32"]
