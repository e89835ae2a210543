"""known_hosts files: which lines are for a name, and whose key they hold: `ssh-keygen -lF NAME`. A file has many lines."""
import base64
import hashlib
import hmac
import re

from . import make

ROUNDS = 25
LINES, NAMES = 40, 6
HOSTS = ["a", "ab", "abc", "host", "host.example", "www.host.example", "HOST.Example", "10.0.0.1", "10.0.0.10", "::1", "fe80::1%eth0",
         "2001:db8::1", "x" * 200, "a_b", "a.b", "h-1", "xn--bcher-kva.example", "[host]", "h\xc3\xbc"]


def lower(name):
    """Of ASCII alone, as ssh."""
    return "".join(c.lower() if c < "\x80" else c for c in name)


def host(rng):
    name = rng.choice(HOSTS)
    return f"[{name}]:{rng.choice([22, 222, 2222])}" if rng.random() < 0.3 else name


def pattern(rng, name):
    """A name with wildcards in it, in other letters, cut, longer."""
    for _ in range(rng.choice([0, 0, 1, 1, 2, 4])):
        at = rng.randrange(len(name) + 1)
        name = rng.choice([name[:at] + "*" + name[at:], name[:at] + "?" + name[at + 1:], name[:at] + "*", "*" + name[at:],
                           name[:at] + name[at + 1:], name.upper(), name.title(), name + rng.choice("\\[]{}.!*?:"), name[:at] + "**" + name[at + 1:]])
    if rng.random() < 0.02:
        name += rng.choice("*xa") * rng.choice([800, 1022, 1023, 1024, 1100])
    return rng.choice(["", "", "", "", "!", "!!", " "][:6 if rng.random() < 0.9 else 7]) + name


def hashed(rng, name):
    salt = rng.randbytes(rng.choice([20] * 8 + [0, 19, 21]))
    digest = hmac.new(salt, name.encode("latin-1"), hashlib.sha1).digest()
    text = "|1|" + base64.b64encode(salt).decode() + "|" + base64.b64encode(digest[:rng.choice([20] * 9 + [19])]).decode()
    if rng.random() < 0.15:
        return rng.choice([text + ",a", text.replace("|1|", "|2|"), text[:-1], text + "|", "a," + text, text + "=", text.rstrip("="),
                           text.lower(), "|1|", "|1", "|", text + "|x", "!" + text])
    return text


def names(rng):
    if rng.random() < 0.25:
        return hashed(rng, lower(host(rng)))
    return rng.choice([",", ",", ",", ",,"]).join(pattern(rng, host(rng)) for _ in range(rng.choice([1, 1, 2, 3, 6])))


def key_words(rng):
    kind, blob = make.public_key(rng)
    text = base64.b64encode(blob).decode()
    if rng.random() < 0.2:
        text = base64.b64encode(make.mutated_blob(rng, blob)).decode()
    if rng.random() < 0.1:
        text = rng.choice([text[:-1], text + "=", text.rstrip("="), text[:9] + " " + text[9:], text + "A", text.replace("A", "_", 1), "", "A", "====",
                           text[:12], text + "\x0b", text + "\t"])
    if rng.random() < 0.1:
        kind = rng.choice(["ssh-rsa", "ssh-dss", "ssh-ed25519", "SSH-ED25519", "1024", "1024 35", "", "ssh-foo", "rsa-sha2-512",
                           "ecdsa-sha2-nistp256",
                           "ed25519", "ssh-ed25519,x"])
    return kind, text


def line(rng):
    if rng.random() < 0.05:
        return rng.choice(["", "#", "# a b c", "   ", "\t", "a", "a b", "@revoked", "@cert-authority a", "\0", "a ssh-rsa", "#a ssh-ed25519 AAAA",
                           "\x0c"])
    marker = rng.choice([""] * 12 + ["@revoked ", "@cert-authority ", "@cert-authority\t", "@REVOKED ", "@unknown ", "@revoked  ", "@",
                                     "@cert-authority @revoked "])
    blanks = [rng.choice([" "] * 9 + ["\t", "  ", " \t ", "\x0b"]) for _ in range(3)]
    kind, text = key_words(rng)
    comment = rng.choice(["", "", "me@box", "two words", "# no", "  spaces  ", "\xff"])
    front = rng.choice([""] * 9 + [" ", "\t", "  \t"])
    return front + marker + names(rng) + blanks[0] + kind + blanks[1] + text + (blanks[2] + comment if comment else "")


def theirs(world, path, name):
    """[(line, marker, fingerprint)]"""
    _, out, _ = world.keygen("-l", "-F", lower(name).encode("latin-1"), "-f", path)
    found, head = [], None
    for said in out.split(b"\n"):
        match = re.match(rb"# Host .* found: line (\d+) ?(\w*)\s*$", said)
        if match:
            head = (int(match[1]), match[2].decode() or "-")
        elif head:
            found.append((*head, re.search(rb"SHA256:\S+", said)[0].decode()))
            head = None
    return found


def ours(world, text, name):
    found = []
    for said in world.ask("known", lower(name).encode("latin-1"), text):
        words = said.decode(errors="replace").split(" ")
        if words[0] == "line":
            found.append((int(words[1]), words[2], words[3]))
    return found


def compare(world, result, text, name):
    """A comparison is one line of the file and one name."""
    path = world.put("known_hosts", text)
    mine, real = ours(world, text, name), theirs(world, path, name)
    for number, line_text in enumerate(text.split(b"\n"), 1):
        result.compare("known_hosts line", (name, line_text), [x for x in mine if x[0] == number], [x for x in real if x[0] == number])


def play(world, rng, result):
    ends = rng.choice(["\n"] * 8 + ["\r\n", "\n\n"])
    text = ends.join(line(rng) for _ in range(LINES)).encode("latin-1") + ends.encode() * (rng.random() < 0.9)
    if rng.random() < 0.2:
        text = make.mutated(rng, text, b" ,*?!|@#\n\r\tAa=")
    for _ in range(NAMES):
        compare(world, result, text, host(rng))
