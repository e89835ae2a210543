"""Base64, strict: adit's decoder against Python's, with the rules of RFC 4648 §3.5 and §4 written out."""
import base64
import re

from . import make

ROUNDS = 20
TEXTS = 100


def text(rng):
    data = base64.b64encode(rng.randbytes(rng.choice([0, 1, 2, 3, 4, 5, 17, 32, 33, 34, 100, 255])))
    if rng.random() < 0.6:
        data = make.mutated(rng, data, b"=Aa09+/-_ \t\r\n\0\x80\x0b")
    if rng.random() < 0.2:
        at = rng.randrange(len(data) + 1)
        data = data[:at] + rng.choice([b" ", b"\n", b"\r\n", b"\t ", b"="]) + data[at:]
    return data


def theirs(data, is_loose):
    """The bytes, or None: the canonical form alone, padding included; blanks and line ends anywhere when loose."""
    if is_loose:
        data = re.sub(rb"[ \t\r\n]", b"", data)
    if not re.fullmatch(rb"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?", data):
        return None
    found = base64.b64decode(data, validate=True)
    return found if base64.b64encode(found) == data else None


def play(world, rng, result):
    for _ in range(TEXTS):
        data, is_loose = text(rng), rng.random() < 0.5
        said = world.ask("base64", "x" if is_loose else "", data)[0].decode().split(" ")
        result.compare("base64", (data, is_loose), bytes.fromhex(said[1]) if said[0] == "ok" else None, theirs(data, is_loose))
