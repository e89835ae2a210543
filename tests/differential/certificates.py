"""Certificates: what is in one and whether its signature is right, as `ssh-keygen -L` reads it. A file has many."""
import base64
import re
import time

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, utils

from . import make
from .make import mpint, string, u32, u64

ROUNDS = 12
CERTS = 25
FOREVER = 2**64 - 1
OPTIONS = ["force-command", "source-address", "verify-required", "permit-pty", "permit-X11-forwarding", "no-touch-required", "x@y", ""]


class Authority:
    def __init__(self, rng):
        self.kind = rng.choice(["ed25519", "ed25519", "ecdsa", "rsa"])
        if self.kind == "ed25519":
            self.secret = ed25519.Ed25519PrivateKey.from_private_bytes(rng.randbytes(32))
            raw = self.secret.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
            self.blob = string("ssh-ed25519") + string(raw)
        elif self.kind == "ecdsa":
            self.curve = rng.choice(list(make.CURVES))
            self.secret = ec.derive_private_key(rng.getrandbits(250) + 1, make.CURVES[self.curve])
            point = self.secret.public_key().public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
            self.blob = string(f"ecdsa-sha2-{self.curve}") + string(self.curve) + string(point)
        else:
            self.secret = make.rsa_secret(rng.choice(["rsa", "rsa4096"]))
            n = self.secret.public_key().public_numbers()
            self.blob = string("ssh-rsa") + mpint(n.e) + mpint(n.n)

    def sign(self, rng, data):
        """A signature blob; at times under another hash's name."""
        if self.kind == "ed25519":
            return string("ssh-ed25519") + string(self.secret.sign(data))
        if self.kind == "ecdsa":
            digest = {"nistp256": hashes.SHA256(), "nistp384": hashes.SHA384(), "nistp521": hashes.SHA512()}[self.curve]
            r, s = utils.decode_dss_signature(self.secret.sign(data, ec.ECDSA(digest)))
            return string(f"ecdsa-sha2-{self.curve}") + string(mpint(r) + mpint(s))
        name, digest = rng.choice([("rsa-sha2-512", hashes.SHA512()), ("rsa-sha2-256", hashes.SHA256()), ("ssh-rsa", hashes.SHA1())])
        said = name if rng.random() < 0.9 else rng.choice(["rsa-sha2-512", "ssh-rsa", "rsa-sha2-512-cert-v01@openssh.com"])
        return string(said) + string(self.secret.sign(data, padding.PKCS1v15(), digest))


def options(rng):
    names = [rng.choice(OPTIONS) for _ in range(rng.choice([0, 0, 1, 2, 4]))]
    if rng.random() < 0.7:
        names = sorted(set(names))
    data = {"force-command": string("x"), "source-address": string("10.0.0.0/8"), "x@y": rng.choice([b"", b"raw"])}
    return b"".join(string(n) + string(data.get(n, b"")) for n in names)


def when(rng):
    return rng.choice([0, 1, FOREVER, FOREVER - 1, 2**63, 2**63 - 1, 2**32, 2**31, 1600000000, 1900000000, rng.getrandbits(33)])


def certificate(rng):
    """(type, blob)"""
    kind, plain = rng.choice([make.ed25519, make.ed25519, make.ecdsa, make.rsa, lambda r: r.choice(make.PLAIN)])(rng)
    kind = kind.replace("@openssh.com", "") + "-cert-v01@openssh.com"
    authority = Authority(rng)
    fields = b"".join(map(string, make.strings(plain)[1:]))
    principals = b"".join(string(rng.choice(["host", "*.example", "", "a b", "\x1b[0m", "h\xc3"])) for _ in range(rng.choice([0, 1, 2, 5])))
    parts = [string(kind), string(rng.randbytes(rng.choice([32, 32, 16, 0, 64]))), fields, u64(rng.choice([0, 1, FOREVER, rng.getrandbits(64)])),
             u32(rng.choice([1, 2, 1, 2, 1, 2, 0, 3, 1 << 31])), string(rng.choice(["id", "", "an id", "\x1b]0;x\x07", "\xc3\xbc", "a\"b",
                                                                                    "nul\0x"])),
             string(principals), u64(when(rng)), u64(when(rng)), string(options(rng)), string(options(rng)), string(rng.choice([b"", b"", b"x"])),
             string(authority.blob)]
    odd = rng.random()
    if odd < 0.15:
        at = rng.randrange(2, len(parts))
        parts[at] = rng.choice([make.mutated(rng, parts[at]), b"", string(parts[at]), make.mutated_blob(rng, parts[at])])
    body = b"".join(parts)
    signature = authority.sign(rng, body)
    if 0.15 < odd < 0.3:
        signature = make.mutated_blob(rng, signature)
    if 0.3 < odd < 0.35:
        body = make.mutated(rng, body)
    return kind, body + string(signature) + (b"x" if odd > 0.98 else b"")


def asked(rng):
    kind, blob = certificate(rng) if rng.random() < 0.85 else rng.choice(make.CERTS)
    if rng.random() < 0.1:
        blob = make.mutated(rng, blob)
    return kind, blob


def shown(lines):
    """ssh-keygen's paragraph as {name: text}; lists stay lists."""
    found, name = {}, ""
    for line in lines:
        if line.startswith(b" " * 16):
            found.setdefault(name, []).append(line[16:])
        elif line.startswith(b" " * 8):
            head, _, rest = line.strip().partition(b":")
            name = head.decode("latin-1")
            found[name] = [] if rest.strip() in (b"", b"(none)") else rest.strip()
    return found


def theirs(world, lines):
    """({line: paragraph}, {line: why not}). ssh-keygen gives up where it cannot show an option's data: then each line is asked about alone, and
    one that it has taken but cannot show is True."""
    _, out, err = world.keygen("-L", "-f", world.put("certs.pub", "".join(lines)))
    if b"show_options" not in err:
        return read(out), {int(n): why.decode() for n, why in re.findall(rb":(\d+): (invalid key.*)\r", err)}
    if len(lines) == 1:
        return {1: True}, {}
    alone = [theirs(world, [line]) for line in lines]
    return tuple({number: a[part][1] for number, a in enumerate(alone, 1) if a[part]} for part in range(2))


def read(out):
    found, lines, number = {}, [], 0
    for line in out.split(b"\n") + [b"end:0:"]:
        if line.startswith(b" "):
            lines.append(line)
            continue
        if lines:
            found[number] = shown(lines)
        match = re.search(rb":(\d+):$", line)
        number, lines = int(match[1]) if match else 1, []
    return found


def clock(seconds):
    # ssh-keygen has a signed number of seconds.
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(min(seconds, 2**63 - 1))) if seconds < 2**40 else "far"


def valid(start, end):
    if start == 0 and end == FOREVER:
        return "forever"
    if start == 0:
        return f"before {clock(end)}"
    if end == FOREVER:
        return f"after {clock(start)}"
    return f"from {clock(start)} to {clock(end)}"


def text_of(data):
    """As ssh-keygen's terminal filter writes bytes: not compared where it has changed any."""
    return data if all(0x20 <= b < 0x7f and b not in b'\\"' for b in data) else None


def ours(world, blob):
    """(the same paragraph, or None; why)"""
    said = world.ask("cert", blob)
    if said[0] == b"bad":
        return None, "malformed"
    rows = {}
    for line in said:
        name, _, rest = line.decode("latin-1").partition(" ")
        rows.setdefault(name, []).append(rest)
    signature, algorithm = rows["signature"][0].rsplit(" ", 1)
    if signature != "right":
        return None, f"{signature} ({algorithm})"
    kind, short, digest = rows["key"][0].split(" ")

    def names(key):
        found = [bytes.fromhex(x.split(" ")[0]) for x in rows.get(key, [])]
        return found

    ca_short, ca_digest = rows["ca"][0].split(" ")
    return {"Type": f"{kind} {'user' if rows['kind'][0] == '1' else 'host'} certificate".encode(),
            "Public key": f"{short}-CERT {digest}".encode(), "Signing CA": f"{ca_short} {ca_digest} (using {algorithm})".encode(),
            "Key ID": bytes.fromhex(rows["id"][0]), "Serial": rows["serial"][0].encode(),
            "Valid": valid(int(rows["from"][0]), int(rows["to"][0])).encode(), "Principals": names("principal"),
            "Critical Options": names("critical"), "Extensions": names("extension")}, ""


def comparable(mine, real):
    """What differs, without what either shows in letters of its own: bytes that are no text, data of options, years behind
    9999."""
    mine, real = dict(mine), dict(real)
    if text_of(mine["Key ID"]) is None or b"\\" in real.get("Key ID", b""):
        mine["Key ID"] = real["Key ID"] = b""
    else:
        mine["Key ID"] = b'"' + mine["Key ID"] + b'"'
    for name in ("Critical Options", "Extensions"):
        mine[name] = [x.split(b" ")[0] for x in mine[name]]
        real[name] = [x.split(b" ")[0] for x in real[name] if not x.startswith(b"00000")]
        real[name] = [b"" if x == b"UNKNOWN" else x for x in real[name]]
    if b"far" in mine["Valid"]:
        mine["Valid"] = real["Valid"] = b""
    if any(b"\n" in x for x in mine["Principals"]):
        mine["Principals"] = real["Principals"] = []
    return {k: v for k, v in mine.items() if v != real.get(k)}, {k: v for k, v in real.items() if v != mine.get(k)}


def play(world, rng, result):
    certs = [asked(rng) for _ in range(CERTS)]
    all_real, errors = theirs(world, [f"{k} {base64.b64encode(b).decode()} L\n" for k, b in certs])
    for number, (kind, blob) in enumerate(certs, 1):
        (mine, why), real = ours(world, blob), all_real.get(number)
        if mine and real is True:
            real = mine
        elif mine and real:
            mine, real = comparable(mine, real)
        result.compare("certificate", (kind, base64.b64encode(blob).decode()), mine, real, why or errors.get(number, ""))
