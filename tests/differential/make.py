"""Material of the questions: names, keys and blobs that are a function of the random source alone; and mutations."""
import base64
import functools
import struct
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

KEYS = Path(__file__).parent.parent / "keys"
CURVES = {"nistp256": ec.SECP256R1(), "nistp384": ec.SECP384R1(), "nistp521": ec.SECP521R1()}


def u32(n):
    return struct.pack(">I", n & 0xffffffff)


def u64(n):
    return struct.pack(">Q", n & 0xffffffffffffffff)


def string(data):
    data = data.encode() if isinstance(data, str) else data
    return u32(len(data)) + data


def mpint(n):
    return string(n.to_bytes(n.bit_length() // 8 + 1, "big") if n else b"")


def strings(blob):
    """A blob that is a list of strings, as a list; what is none at the end is left out."""
    found = []
    while len(blob) >= 4:
        n = struct.unpack(">I", blob[:4])[0]
        found.append(blob[4:4 + n])
        blob = blob[4 + n:]
    return found


def public_files():
    """(type, blob) of each public key of tests/keys, certificates included, in the order of their names."""
    found = []
    for path in sorted(KEYS.glob("*.pub")):
        words = path.read_text().split()
        found.append((words[0], base64.b64decode(words[1])))
    return found


PUBLIC = public_files()
PLAIN = [(t, b) for t, b in PUBLIC if "cert" not in t]
CERTS = [(t, b) for t, b in PUBLIC if "cert" in t]


@functools.cache
def rsa_secret(name):
    """Of tests/keys; to read one takes its time."""
    text = (KEYS / name).read_bytes()
    return (serialization.load_ssh_private_key if b"OPENSSH" in text else serialization.load_pem_private_key)(text, None)


def ed25519(rng):
    return "ssh-ed25519", string("ssh-ed25519") + string(rng.randbytes(32))


def ecdsa(rng):
    curve = rng.choice(list(CURVES))
    secret = ec.derive_private_key(rng.getrandbits(250) + 1, CURVES[curve])
    point = secret.public_key().public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    name = f"ecdsa-sha2-{curve}"
    return name, string(name) + string(curve) + string(point)


def rsa(rng, bits=None):
    bits = bits or rng.choice([512, 768, 1023, 1024, 2047, 2048, 3072, 4096, 8192, 16384])
    n = rng.getrandbits(bits) | 1 << (bits - 1) | 1
    e = rng.choice([3, 5, 17, 35, 257, 65537, 65537, 65537, 2**31 + 1])
    return "ssh-rsa", string("ssh-rsa") + mpint(e) + mpint(n)


def public_key(rng):
    make = rng.choice([ed25519, ed25519, ecdsa, rsa, None, None])
    return make(rng) if make else rng.choice(PLAIN)


def mutated(rng, data, alphabet=None):
    """A few bytes changed, put in, taken out, doubled, swapped."""
    data = bytearray(data)
    for _ in range(rng.choice([1, 1, 1, 2, 3, 8])):
        at = rng.randrange(len(data) + 1)
        byte = rng.choice(alphabet) if alphabet else rng.choice([0, 1, 0x7f, 0x80, 0xff, rng.randrange(256)])
        what = rng.randrange(6)
        if what == 0:
            data.insert(at, byte)
        elif what == 1 and data:
            data[at % len(data)] = byte
        elif what == 2:
            del data[at:at + rng.choice([1, 1, 2, 5])]
        elif what == 3:
            data[at:at] = data[at:at + rng.choice([1, 4, 9])]
        elif what == 4 and data:
            data[at % len(data)] ^= 1 << rng.randrange(8)
        elif data:
            data = data[:at] if rng.random() < 0.3 else data
    return bytes(data)


def mutated_blob(rng, blob):
    """The strings of a blob: one gets longer, shorter, empty, a zero in front, lies about its length."""
    parts = strings(blob)
    if not parts or rng.random() < 0.2:
        return mutated(rng, blob)
    at = rng.randrange(len(parts))
    part, raw = parts[at], None
    what = rng.randrange(9)
    if what == 0:
        part = b"\0" + part
    elif what == 1:
        part = part[1:]
    elif what == 2:
        part = part[:-1]
    elif what == 3:
        part += bytes([rng.randrange(256)])
    elif what == 4:
        part = b""
    elif what == 5:
        raw = u32(len(part) + rng.choice([1, -1, 4, 1 << 31, -len(part) - 1])) + part
    elif what == 6:
        part = rng.choice(parts)
    elif what == 7:
        part = mutated(rng, part)
    else:
        parts.insert(at, rng.choice([b"", b"x", part]))
    parts[at] = part
    return b"".join(raw if raw and i == at else string(p) for i, p in enumerate(parts))
