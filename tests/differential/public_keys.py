"""Public keys, a line each: size, fingerprints (SHA-256, MD5) and their pictures, as `ssh-keygen -lv` shows them."""
import base64
import re

from . import make

ROUNDS = 15
LINES = 60


def line(rng, number):
    kind, blob = make.public_key(rng)
    if rng.random() < 0.4:
        blob = make.mutated_blob(rng, blob)
    text = base64.b64encode(blob).decode()
    if rng.random() < 0.15:
        at = rng.randrange(len(text) + 1)
        text = rng.choice([text[:-1], text + "=", text.rstrip("="), text[:at] + rng.choice("=-_*!\x0b\x01\xff") + text[at:], text + "AAAA",
                           text[:at]])
    if rng.random() < 0.05:
        kind = rng.choice(["ssh-rsa", "ssh-dss", "ssh-ed25519", "rsa-sha2-512", "rsa-sha2-256", "ssh-foo", kind.upper(), "ed25519", "RSA"])
    blanks = rng.choice([" "] * 9 + ["\t", "  ", " \t"])
    return f"{kind}{blanks}{text or '='}{rng.choice([' '] * 9 + ['  '])}L{number}{rng.choice(['', '', ' more', ' x y'])}"


def theirs(world, path, digest):
    """{line: [bits, digest, type, comment, picture]}"""
    _, out, _ = world.keygen("-lv", "-E", digest, "-f", path)
    lines, found = out.decode("latin-1").split("\n"), {}
    for at, said in enumerate(lines):
        match = re.fullmatch(r"(\d+) (\S+) +(L(\d+).*) \((\S+)\)", said)
        if match:
            found[int(match[4])] = [match[1], match[2], match[5], match[3], lines[at + 1:at + 12]]
    return found


def ours(world, text, at):
    """The same of one line, of SHA-256 or of MD5."""
    said = [x.decode("latin-1") for x in world.ask("public", text)][12 * at:12 * at + 12]
    if not said:
        return None
    bits, digest, kind, comment = said[0].split(" ")
    return [bits, digest, kind, bytes.fromhex(comment).decode("latin-1"), said[1:]]


def play(world, rng, result):
    lines = [line(rng, n) for n in range(LINES)]
    path = world.put("keys.pub", "".join(x + "\n" for x in lines).encode("latin-1"))
    for at, digest in enumerate(("sha256", "md5")):
        real = theirs(world, path, digest)
        for n, text in enumerate(lines):
            result.compare(f"public key, {digest}", text, ours(world, text.encode("latin-1"), at), real.get(n))
