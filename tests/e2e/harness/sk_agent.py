"""An agent (draft-miller-ssh-agent) that holds security keys made in software: they sign as a real one does when it is
touched (OpenSSH's PROTOCOL.u2f), and each signature that is asked for is counted."""
import hashlib
import os
import socket
import struct
import threading
from base64 import b64encode

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, utils

FAILURE, REQUEST_IDENTITIES, IDENTITIES, SIGN_REQUEST, SIGN_RESPONSE = 5, 11, 12, 13, 14
APPLICATION, TOUCHED = b"ssh:", 1


def string(data):
    return struct.pack(">I", len(data)) + data


def mpint(number):
    return string(number.to_bytes(number.bit_length() // 8 + 1, "big"))


def take(data):
    size, = struct.unpack_from(">I", data)
    assert len(data) >= 4 + size
    return data[4:4 + size], data[4 + size:]


class Ed25519:
    type = b"sk-ssh-ed25519@openssh.com"

    def __init__(self):
        self.key = ed25519.Ed25519PrivateKey.generate()
        raw = self.key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        self.blob = string(self.type) + string(raw) + string(APPLICATION)

    def sign(self, data):
        return self.key.sign(data)


class Ecdsa:
    type = b"sk-ecdsa-sha2-nistp256@openssh.com"

    def __init__(self):
        self.key = ec.generate_private_key(ec.SECP256R1())
        point = self.key.public_key().public_bytes(serialization.Encoding.X962,
                                                   serialization.PublicFormat.UncompressedPoint)
        self.blob = string(self.type) + string(b"nistp256") + string(point) + string(APPLICATION)

    def sign(self, data):
        r, s = utils.decode_dss_signature(self.key.sign(data, ec.ECDSA(hashes.SHA256())))
        return mpint(r) + mpint(s)


KINDS = {"ed25519": Ed25519, "ecdsa": Ecdsa}


class SkAgent:
    """Listens at path; close() ends it. public[i] is the line for authorized_keys, touches counts signatures."""

    def __init__(self, path, *kinds):
        self.keys = [KINDS[kind]() for kind in kinds]
        self.public = [f"{k.type.decode()} {b64encode(k.blob).decode()}" for k in self.keys]
        self.path, self.touches = str(path), 0
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(peer,), daemon=True).start()

    def _serve(self, peer):
        with peer, peer.makefile("rb") as words:
            while len(head := words.read(4)) == 4:
                peer.sendall(string(self._answer(words.read(struct.unpack(">I", head)[0]))))

    def _answer(self, request):
        if request[0] == REQUEST_IDENTITIES:
            all_keys = b"".join(string(k.blob) + string(b"touch me") for k in self.keys)
            return struct.pack(">BI", IDENTITIES, len(self.keys)) + all_keys
        if request[0] == SIGN_REQUEST:
            return self._sign(request[1:])
        return bytes([FAILURE])

    def _sign(self, request):
        blob, request = take(request)
        data, _ = take(request)
        self.touches += 1
        key = next(k for k in self.keys if k.blob == blob)
        counter = struct.pack(">BI", TOUCHED, self.touches)
        signed = hashlib.sha256(APPLICATION).digest() + counter + hashlib.sha256(data).digest()
        return bytes([SIGN_RESPONSE]) + string(string(key.type) + string(key.sign(signed)) + counter)

    def close(self):
        self.listener.close()
        os.unlink(self.path)
