"""Private key files: which ones open, with which passphrase, to which public key and comment: `ssh-keygen -y`."""
import base64

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from . import make
from .make import mpint, string, u32

ROUNDS = 5
FILES = 25
RSA = ["rsa", "rsa4096", "rsa_pkcs1", "rsa1024"]
SEALED = ["ed25519_cbc", "ed25519_ctr", "ecdsa256_gcm", "rsa_ctr", "ecdsa256_pem_des3", "ecdsa384_pem_aes256", "ecdsa521_pem_aes192",
          "ecdsa256_pkcs8_scrypt",
          "ecdsa256_pkcs8_sha1", "rsa_pem_sealed", "rsa_pkcs8_sealed"]
PEM, OPENSSH = serialization.Encoding.PEM, "OPENSSH PRIVATE KEY"


def secret_key(rng):
    what = rng.randrange(4)
    if what == 0:
        return make.rsa_secret(rng.choice(RSA))
    if what == 1:
        return ed25519.Ed25519PrivateKey.from_private_bytes(rng.randbytes(32))
    curve = rng.choice(list(make.CURVES.values()))
    return ec.derive_private_key((rng.getrandbits(250) if rng.random() < 0.95 else rng.getrandbits(8)) + 1, curve)


def fields(rng, key):
    """(public blob, the strings of the secret part) as PROTOCOL.key has them."""
    if isinstance(key, ed25519.Ed25519PrivateKey):
        raw = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        seed = key.private_bytes(serialization.Encoding.Raw, serialization.PrivateFormat.Raw, serialization.NoEncryption())
        return string("ssh-ed25519") + string(raw), [b"ssh-ed25519", raw, seed + raw]
    if isinstance(key, ec.EllipticCurvePrivateKey):
        curve = {v.name: k for k, v in make.CURVES.items()}[key.curve.name]
        point = key.public_key().public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
        name = f"ecdsa-sha2-{curve}".encode()
        return string(name) + string(curve) + string(point), [name, curve.encode(), point, mpint(key.private_numbers().private_value)[4:]]
    n = key.private_numbers()
    e, m = n.public_numbers.e, n.public_numbers.n
    return string("ssh-rsa") + mpint(e) + mpint(m), [b"ssh-rsa", *(mpint(x)[4:] for x in (m, e, n.d, n.iqmp, n.p, n.q))]


def envelope(rng, label, data):
    """PEM, of the usual width or another."""
    text = base64.b64encode(data).decode()
    width = rng.choice([70] * 6 + [64, 76, 1, 1000000])
    lines = [text[i:i + width] for i in range(0, len(text), width)] if width > 1 or len(text) < 3000 else [text]
    return f"-----BEGIN {label}-----\n" + "\n".join(lines) + f"\n-----END {label}-----\n"


def openssh(rng):
    """A file of openssh-key-v1 without a passphrase, mostly with something odd in it."""
    public, secret = fields(rng, secret_key(rng))
    odd = rng.choice(["", "", "check", "pad", "pad value", "comment", "field", "field", "public", "blob", "cipher", "kdf", "count", "magic",
                      "behind", "short",
                      "other key", "type"])
    comment = rng.choice([b"me@box", b"", b"two words", b"\x1b[31mred", b"\xc3\xbc", b"nul\0here", b"x" * 300]) if odd == "comment" else b"me@box"
    if odd == "field":
        at = rng.randrange(len(secret))
        secret[at] = rng.choice([make.mutated(rng, secret[at]), b"\0" + secret[at], secret[at][1:], b"", secret[at] + b"\0"])
    if odd == "type":
        secret[0] = rng.choice([b"ssh-rsa", b"ssh-ed25519", b"ssh-dss", b"ecdsa-sha2-nistp256", b"ssh-ed25519-cert-v01@openssh.com", b"x"])
    if odd == "other key":
        public, _ = fields(rng, secret_key(rng))
    if odd == "public":
        public = make.mutated_blob(rng, public)
    check = rng.randbytes(4)
    inner = check + (check if odd != "check" else rng.randbytes(4)) + b"".join(map(string, secret)) + string(comment)
    padding = bytes(range(1, 256))[:-len(inner) % 8]
    if odd == "pad":
        padding = bytes(range(1, 256))[:rng.choice([-len(inner) % 16, len(padding) + 8, 0, -len(inner) % 32])]
    if odd == "pad value":
        padding = rng.choice([bytes(len(padding)), padding[::-1], b"\1" * len(padding)])
    inner += padding
    cipher, kdf, options = b"none", b"none", b""
    if odd == "cipher":
        cipher = rng.choice([b"aes256-ctr", b"", b"None", b"none\0", b"aes256-gcm@openssh.com"])
    if odd == "kdf":
        kdf, options = rng.choice([(b"bcrypt", b""), (b"", b""), (b"none", b"x"), (b"bcrypt", string(b"salt") + u32(1)), (b"none", string(b"")),
                                   (b"foo", b"")])
    count = 1 if odd != "count" else rng.choice([0, 2, 1 << 31])
    magic = b"openssh-key-v1\0" if odd != "magic" else rng.choice([b"openssh-key-v2\0", b"openssh-key-v1 ", b"", b"OPENSSH-KEY-V1\0"])
    blob = magic + string(cipher) + string(kdf) + string(options) + u32(count) + string(public) + string(inner)
    if odd == "behind":
        blob += rng.randbytes(rng.choice([1, 8, 16]))
    if odd == "short":
        blob = blob[:-rng.randrange(1, 40)]
    if odd == "blob":
        blob = make.mutated(rng, blob)
    return envelope(rng, OPENSSH, blob)


def pem(rng):
    key = secret_key(rng)
    kind = rng.choice([serialization.PrivateFormat.TraditionalOpenSSL, serialization.PrivateFormat.PKCS8])
    if isinstance(key, ed25519.Ed25519PrivateKey):
        kind = serialization.PrivateFormat.PKCS8
    text = key.private_bytes(PEM, kind, serialization.NoEncryption()).decode()
    if rng.random() < 0.6:
        return text
    lines = text.split("\n")
    der = make.mutated(rng, base64.b64decode("".join(lines[1:-2])))
    return envelope(rng, lines[0].strip("-").replace("BEGIN ", ""), der)


def sealed(rng):
    return (make.KEYS / rng.choice(SEALED)).read_text()


def edges(rng, text):
    """What an editor, a mail or a hand does to a file."""
    lines = text.split("\n")
    what = rng.randrange(16)
    if what == 0:
        return text.replace("\n", "\r\n")
    if what == 1:
        return rng.choice(["\n", "a comment\n", " ", "\ufeff", "\0", "-----BEGIN X-----\n", "-----BEGIN OPENSSH PRIVATE KEY-----\n"]) + text
    if what == 2:
        return text + rng.choice(["\n", "more", "\n\n# x\n", text])
    if what == 3:
        return text.rstrip("\n")
    if what == 4:
        return "\n".join(rng.choice([" ", "\t"]) + x for x in lines)
    if what == 5:
        return "\n".join(x + rng.choice([" ", "\t", ""]) for x in lines)
    if what == 6:
        return text.replace("PRIVATE KEY", rng.choice(["PRIVATE  KEY", "private key", "PUBLIC KEY", "PRIVATE KEY ", "DSA PRIVATE KEY",
                                                       "RSA PRIVATE KEY"]), rng.choice([1, 2]))
    if what == 7:
        lines.insert(rng.randrange(len(lines)), rng.choice(["", " ", "Comment: x", "# x", "=", "AAAA"]))
        return "\n".join(lines)
    if what == 8:
        return text.replace("-----", rng.choice(["----", "------"]), rng.choice([1, 2, 4]))
    if what == 9:
        at = rng.randrange(len(text))
        return text[:at] + rng.choice(["=", "\n", " ", "!", "A", "\0"]) + text[at + rng.choice([0, 1]):]
    return text


def ours(world, text, passphrase):
    """((public key, comment) or None, why)"""
    said = world.ask("key", text, passphrase)[0].decode(errors="replace")
    words = said.split(" ")
    if words[0] != "ok":
        return None, said
    return (f"{words[1]} {words[2]}", bytes.fromhex(words[3])), ""


def theirs(world, path, passphrase):
    code, out, err = world.keygen("-y", "-P", passphrase, "-f", path)
    if code:
        return None, err.decode(errors="replace").strip()
    kind, text, *comment = out.rstrip(b"\n").split(b" ", 2)
    return (f"{kind.decode()} {text.decode()}", comment[0] if comment else b""), ""


def play(world, rng, result):
    for _ in range(FILES):
        make_file = rng.choice([openssh] * 7 + [pem] * 5) if rng.random() < 0.97 else sealed
        text = edges(rng, make_file(rng)).encode()
        passphrase = rng.choice(["open sesame"] * 3 + ["wrong", "open sesame "])
        path = world.put("key", text)
        (mine, why), (real, error) = ours(world, text, passphrase), theirs(world, path, passphrase)
        result.compare("key file", (text, passphrase), mine, real, why + error)
