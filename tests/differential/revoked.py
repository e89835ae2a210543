"""Lists of revoked keys: made by `ssh-keygen -k`, by hand after PROTOCOL.krl, and damaged; what `ssh-keygen -Q` says of keys
and certificates. (It knows no lists that are text.)"""
import base64
import hashlib
import re

from . import make
from .make import string, u32, u64

ROUNDS = 15
MAGIC = b"SSHKRL\n\0"
FOREVER = 2**64 - 1
SERIALS = [0, 1, 2, 7, 41, 42, 43, 64, 100, 2**32, 2**63, FOREVER]


def files():
    return sorted(p for p in make.KEYS.glob("*.pub") if p.stem != "dsa")


def authorities():
    """The blobs of the keys that have signed the certificates."""
    found = [base64.b64decode((make.KEYS / f"{name}.pub").read_text().split()[1]) for name in ("ca", "rsa", "ecdsa256", "ed25519", "ecdsa384")]
    return found


def numbers(rng):
    low = rng.choice(SERIALS)
    return low, rng.choice([low, min(low + rng.choice([1, 5, 60, 1000]), FOREVER), rng.choice(SERIALS)])


def bitmap(rng):
    bits = rng.choice([1, 3, 0x80, 1 << 42, (1 << 42) | 5, rng.getrandbits(64), rng.getrandbits(200)])
    raw = bits.to_bytes(bits.bit_length() // 8 + 1, "big")
    return u64(rng.choice([0, 1, 7, 40, FOREVER, FOREVER - 3])) + string(raw if rng.random() < 0.8 else rng.choice([b"\0" + raw, b"", b"\xff",
        raw.lstrip(b"\0")]))


def cert_section(rng):
    """KRL_SECTION_CERTIFICATES: an authority or none, and what of its certificates."""
    body = string(rng.choice([*authorities(), b""])) + string(rng.choice([b""] * 5 + [b"x"]))
    for _ in range(rng.choice([0, 1, 1, 2, 4])):
        kind = rng.choice([0x20, 0x21, 0x22, 0x23, 0x20, 0x21, 0x22, 0x23, 0x24, 0x39])
        if kind == 0x20:
            data = b"".join(u64(rng.choice(SERIALS)) for _ in range(rng.choice([1, 1, 3])))
        elif kind == 0x21:
            data = b"".join(u64(n) for n in numbers(rng))
        elif kind == 0x22:
            data = bitmap(rng)
        elif kind == 0x23:
            data = b"".join(string(rng.choice(["host-id", "user one", "rsa", "sk", "nobody", ""])) for _ in range(rng.choice([1, 2])))
        else:
            data = string("x@y") + (rng.choice([b"\0", b"\1"]) + string(b"") if kind == 0x39 else b"")
        if rng.random() < 0.08:
            data = make.mutated(rng, data)
        body += bytes([kind]) + string(data)
    return 1, body


def key_section(rng):
    """Explicit keys, SHA-1 or SHA-256 hashes of them."""
    kind = rng.choice([2, 3, 5])
    blobs = [rng.choice(make.PLAIN)[1] for _ in range(rng.choice([0, 1, 2, 6]))]
    rows = {2: blobs, 3: [hashlib.sha1(b).digest() for b in blobs], 5: [hashlib.sha256(b).digest() for b in blobs]}[kind]
    return kind, b"".join(string(make.mutated(rng, r) if rng.random() < 0.05 else r) for r in rows)


def by_hand(rng):
    """A whole list."""
    head = MAGIC + u32(rng.choice([1] * 12 + [0, 2])) + u64(rng.choice([0, 1, FOREVER]))
    head += u64(1600000000) + u64(rng.choice([0] * 12 + [1])) + string(rng.choice([b""] * 8 + [b"x"])) + string(rng.choice(["", "a list"]))
    for _ in range(rng.choice([0, 1, 1, 2, 5])):
        kind, body = rng.choice([cert_section, cert_section, key_section])(rng)
        if rng.random() < 0.04:
            kind = rng.choice([0, 6, 9, 200, 255])
        if kind == 255 and rng.random() < 0.7:
            body = string("x@y") + rng.choice([b"\0", b"\1"]) + string("z")
        head += bytes([kind]) + string(body)
    return head


def by_keygen(world, rng):
    lines = []
    for _ in range(rng.choice([1, 2, 4, 12])):
        low, high = sorted(numbers(rng))
        path = rng.choice(files())
        lines.append(rng.choice([f"serial: {low}", f"serial: {low}-{high}" if low else "serial: 5", f"id: {rng.choice(['host-id', 'user one', 'x'])}",
                                 f"key: {path.read_text()}", f"sha1: {path.read_text()}", f"sha256: {path.read_text()}"]).strip())
    ca = ["-s", str(make.KEYS / f"{rng.choice(['ca', 'rsa'])}.pub")] if rng.random() < 0.9 else []
    world.keygen("-k", "-f", str(world.folder / "list"), *ca, world.put("lines", "\n".join(lines) + "\n"))
    path = world.folder / "list"
    data = path.read_bytes() if path.exists() else b""
    path.unlink(missing_ok=True)
    return data


def theirs(world, path, names):
    """"fine", "revoked" or, of a list that cannot be read, "bad", a key."""
    code, out, err = world.keygen("-Q", "-f", path, *map(str, names))
    if b"ok\n" not in out and b"REVOKED\n" not in out:
        return ["bad"] * len(names), err.decode(errors="replace").strip()
    said = {m[1]: m[2] for m in re.finditer(rb"^(\S+) .*?(ok|REVOKED)$", out, re.M)}
    words = {b"ok": "fine", b"REVOKED": "revoked", None: "bad"}
    return [words[said.get(str(n).encode())] for n in names], err.decode(errors="replace").strip()


def play(world, rng, result):
    data = rng.choice([by_hand, by_hand, lambda r: by_keygen(world, r)])(rng)
    if rng.random() < 0.2:
        data = make.mutated(rng, data)
    if not data.startswith(MAGIC):
        return  # a text for adit
    names = rng.sample(files(), 16)
    said = [x.decode() for x in world.ask("revoked", data, *(n.read_bytes().strip() for n in names))]
    mine = [x if x in ("fine", "revoked") else "bad" for x in said]
    real, why = theirs(world, world.put("krl", data), names)
    why += " | " + next((x for x in said if x not in ("fine", "revoked")), "")
    for name, ours, its in zip(names, mine, real):
        result.compare("revoked", (name.name, data), ours, its, why)
