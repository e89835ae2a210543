"""known_hosts files that lie, are cut, or are none: sshd(8), SSH_KNOWN_HOSTS FILE FORMAT. What is wrong is told with its file and
line and passed over; what is right beside it still counts; and no line that should keep a host away is lost."""
import asyncio
import base64
import hashlib
import hmac

from . import files
from .case import CARRY_ON, ERROR, Table
from .client import World
from .wire import string, u32

FORMAT = "sshd(8), SSH_KNOWN_HOSTS FILE FORMAT"
H = Table(prefix="known-hosts-", state="file/known_hosts", at="setup", only="adit")
SKIPPED = r"hosts:{}: .*; the line is skipped"


def good_lines(world):
    return open(world.known_hosts, "rb").read()


def line(world, key, host=b"hostile"):
    return World.line(host.decode("latin-1"), world.keys[key])


def setup(make, then_good=True, name="hosts", option="UserKnownHostsFile", more=()):
    """make: bytes, or (world) -> bytes, or a function of the path for what is no file. The good lines come from a second file."""
    async def lay_out(play):
        what = make(play.world) if callable(make) and getattr(make, "of_world", True) else make
        path = files.place(play.folder / name, what)
        quoted = f'"{path}"' if " " in str(path) else str(path)
        other = play.world.known_hosts if then_good else ""
        if option != "UserKnownHostsFile":
            play.options.append(f"UserKnownHostsFile={other or 'none'}")
            other = ""
        play.options += [f"{option}={quoted} {other}".strip(), *more]
    return lay_out


def raw(make):
    """A function of the path."""
    make = make if not isinstance(make, bytes) else (lambda path, b=make: files.place(path, b))

    def of_path(path):
        return make(path)
    of_path.of_world = False
    return of_path


def bad(name, sends, make, why, count=1, at=1, **more):
    """Lines that are passed over, and told: count of them, the first at line `at`."""
    H.row(name, sends, FORMAT, CARRY_ON, setup=setup(make), holds=SKIPPED.format(at).replace(".*", f".*({why}).*"),
          proof=files.told(count, r"hosts:\d+: .*; the line is skipped"), **more)


# ---- fields ----

for name, text, why in (
        ("one-field", b"hostile\n", "fewer than three"), ("two-fields", b"hostile ssh-ed25519\n", "fewer than three"),
        ("blank-fields", b"hostile  \t \n", "fewer than three"), ("number", b"hostile 1024 35 1234567\n", "protocol version 1"),
        ("other-type", None, "damaged"), ("no-base64", b"hostile ssh-ed25519 !!!!\n", "damaged"),
        ("comma", b", ssh-ed25519 AAAA\n", "damaged"), ("type-alone", b"hostile ssh-ed25519 AAAAC3NzaC1lZDI1NTE5\n", "damaged"),
        ("nul-in-key", b"hostile ssh-ed25519 AAAA\0AAAA\n", "damaged"), ("nul-everywhere", b"\0" * 500 + b"\n", "fewer than three"),
        ("lone-cr", b"hostile\rssh-ed25519\rAAAA\r\n", "fewer than three"), ("utf-16", "hostile ssh-ed25519 AAAA".encode("utf-16"), "damaged"),
        ("bytes", bytes(range(11, 256)) + b"\n", "fewer than three|damaged"), ("escapes", b"\x1b[2J\x1b]0;x\x07 ssh-ed25519 AAAA\n", "damaged")):
    bad(name, f"a line: {name}", text or (lambda w: line(w, "other").replace(b"ssh-ed25519", b"ecdsa-sha2-nistp256")), why)
bad("line-64-kib", "a line of more than 64 KiB", b"hostile " + b"x" * 65536 + b"\n", "too long")
bad("endless-line", "3 MB without a line's end", b"hostile ssh-ed25519 " + b"A" * 3_000_000, "too long")
bad("last-line-cut", "the last line without its end", b"# fine\nhostile ssh-ed25519 AAAAC3", "damaged", at=2)
H.row("crlf", "right lines with CR LF", FORMAT, CARRY_ON, setup=setup(lambda w: good_lines(w).replace(b"\n", b"\r\n"), then_good=False))
H.row("blanks", "right lines behind blanks and tabs, with comments", FORMAT, CARRY_ON,
      setup=setup(lambda w: b"# \x1b[2J\n\n \t\n" + good_lines(w).replace(b"hostile ", b" \thostile\t ").replace(b"\n", b" a comment \x1b[2J\n"), then_good=False))
H.row("nul-in-name", "a NUL in a name: it is no name of ours", FORMAT, ERROR, says="not known",
      setup=setup(lambda w: line(w, "ed25519", b"hostile\0"), then_good=False))
H.row("2000-bad-lines", "2,000 lines of rubbish", FORMAT, CARRY_ON, setup=setup(b"rubbish\n" * 2000), holds=SKIPPED.format(1))
H.row("3-mb", "10,000 other hosts", FORMAT, CARRY_ON, setup=setup(lambda w: b"".join(line(w, "ecdsa", b"host%d" % i) for i in range(10000))))
H.row("many-patterns", "64 KiB of patterns with many stars", FORMAT, CARRY_ON,
      setup=setup(lambda w: b"\n".join([b"*o*s*t*i*l*x," * 4900 + line(w, "other", b"x")] * 20)))
H.row("empty", "an empty file, and nothing else", FORMAT, ERROR, says="not known", setup=setup(b"", then_good=False))

# ---- keys: each cut, each length that lies ----


def cuts(world):
    out = []
    for key in ("ed25519", "ecdsa"):
        text = line(world, key, b"other").rstrip(b"\n")
        start = text.rindex(b" ") + 1
        out += [text[:n] for n in range(start, len(text))]
    return b"\n".join(out) + b"\n"


def lying(kind):
    pair = files.Pair(kind)
    return [b"other " + pair.public[0] + b" " + base64.b64encode(b) for _, _, b in files.lies(pair.public)]


bad("key-cut", "keys that are cut at every letter", cuts, "damaged|fewer than three", count=68 + 140)
for kind in ("ed25519", "rsa", "p256", "p384", "p521"):
    lines = lying(kind)
    bad(f"lengths-{kind}", f"{kind}: each inner length lies", b"\n".join(lines) + b"\n", "damaged", count=len(lines))
bad("key-trailing", "a byte behind a key", lambda w: b"other ssh-ed25519 " + base64.b64encode(w.keys["other"].public() + b"x") + b"\n", "damaged")
bad("key-16-kib", "a key of 48 KB", b"other ssh-ed25519 " + base64.b64encode(string("ssh-ed25519") + string(b"x" * 36000)) + b"\n", "damaged")
bad("key-off-curve", "a point of no curve's form", lambda w: b"other ecdsa-sha2-nistp256 " + base64.b64encode(
    string("ecdsa-sha2-nistp256") + string("nistp256") + string(b"\5" + b"\1" * 64)) + b"\n", "damaged")
H.row("type-unknown", "a kind of key that nobody knows", FORMAT, CARRY_ON,
      setup=setup(b"hostile new-key@x " + base64.b64encode(string("new-key@x") + u32(7)) + b"\n"))

# ---- markers ----

for name, marker in (("unknown", b"@nothing"), ("capitals", b"@REVOKED"), ("alone", b"@"), ("long", b"@" + b"r" * 9000), ("escapes", b"@\x1b[2Jrevoked")):
    bad(f"marker-{name}", f"a marker: {name}", lambda w, m=marker: m + b" " + line(w, "other"), "unknown marker")
for name, markers in (("twice", b"@revoked @revoked"), ("both", b"@cert-authority @revoked")):
    bad(f"marker-{name}", f"two markers: {name}", lambda w, m=markers: m + b" " + line(w, "other"), "damaged")
bad("marker-without-key", "a marker with nothing behind it", b"@revoked\n", "fewer than three")
for name, make in (("before", lambda w: b"@revoked " + line(w, "ed25519") + good_lines(w)), ("behind", lambda w: good_lines(w) + b"@revoked " + line(w, "ed25519")),
                   ("star", lambda w: good_lines(w) + b"@revoked " + line(w, "ed25519", b"*")), ("crlf", lambda w: good_lines(w) + b"@revoked " + line(w, "ed25519")[:-1] + b"\r\n"),
                   ("no-end", lambda w: good_lines(w) + b"@revoked " + line(w, "ed25519")[:-1]),
                   ("hashed", lambda w: good_lines(w) + b"@revoked " + line(w, "ed25519", hashed(b"hostile")))):
    H.row(f"revoked-{name}", f"the server's key is revoked: {name}", FORMAT, ERROR, says=r"marked @revoked in .*hosts:\d+(.|\n)*the key is revoked",
          setup=setup(make, then_good=False))
H.row("authority-is-no-key", "the server's key as that of an authority", FORMAT, ERROR, says="not known",
      setup=setup(lambda w: b"@cert-authority " + line(w, "ed25519"), then_good=False))
H.row("not-this-host", "a pattern that takes the host out again", FORMAT, ERROR, says="not known",
      setup=setup(lambda w: line(w, "ed25519", b"hostile,!hostile"), then_good=False))
H.row("changed", "another key for the host", FORMAT, ERROR, says=r"HAS CHANGED(.|\n)*hosts:1",
      setup=setup(lambda w: line(w, "other"), then_good=False))
H.row("changed-behind-rubbish", "another key for the host, behind lines that are damaged", FORMAT, ERROR, says=r"HAS CHANGED(.|\n)*hosts:3",
      setup=setup(lambda w: b"rubbish\n" + b"hostile ssh-ed25519 AAAA\n" + line(w, "other"), then_good=False))

# ---- hashed names ----


def hashed(host, salt=b"s" * 20, digest=None):
    made = digest if digest is not None else hmac.new(salt, host, hashlib.sha1).digest()
    return b"|1|" + base64.b64encode(salt) + b"|" + base64.b64encode(made)


RIGHT = hashed(b"hostile")
HASHES = {"empty": b"|1|", "bars": b"|||||||", "version": b"|2|" + RIGHT[3:], "no-hash": b"|1|" + base64.b64encode(b"s" * 20), "no-base64": b"|1|!!!!|!!!!",
          "salt-short": hashed(b"hostile", b"s" * 19), "salt-long": hashed(b"hostile", b"s" * 21), "salt-empty": hashed(b"hostile", b""),
          "hash-short": hashed(b"x", digest=b"h" * 19), "hash-long": hashed(b"x", digest=b"h" * 21), "hash-huge": hashed(b"x", digest=b"h" * 9000),
          "more": RIGHT + b",hostile", "twice": RIGHT + b"|" + base64.b64encode(b"h" * 20), "bar": b"|"}
for name, text in HASHES.items():
    bad(f"hashed-{name}", f"a hashed name: {name}", lambda w, t=text: line(w, "ed25519", t), "hashed name is damaged")
bad("hashed-cut", "a hashed name that is cut at every letter", lambda w: b"".join(line(w, "ed25519", RIGHT[:n]) for n in range(1, len(RIGHT))), "damaged",
    count=len(RIGHT) - 1)
H.row("hashed-10000", "10,000 hashed names of others", FORMAT, CARRY_ON,
      setup=setup(lambda w: b"".join(line(w, "other", hashed(b"x%d" % i)) for i in range(10000))))
H.row("hashed-other-salt", "the right name under a hash of another salt", FORMAT, ERROR, says="not known",
      setup=setup(lambda w: line(w, "ed25519", hashed(b"hostile", b"t" * 20, hmac.new(b"s" * 20, b"hostile", hashlib.sha1).digest())), then_good=False))

# ---- no files ----

for name, (make, why) in files.NO_FILES.items():
    H.row(f"is-{name}", f"no file but: {name}", FORMAT, CARRY_ON, setup=setup(raw(make)), holds=f"hosts: .*({why}).*going on without this file")
    H.row(f"is-{name}-alone", f"no file but: {name}, and no other", FORMAT, ERROR, setup=setup(raw(make), then_good=False), says=f"hosts: .*({why})(.|\n)*not known")
    H.row(f"global-is-{name}", f"GlobalKnownHostsFile is no file but: {name}", FORMAT, CARRY_ON, setup=setup(raw(make), option="GlobalKnownHostsFile"),
          holds=f"hosts: .*({why}).*going on without this file")
    H.row(f"add-to-{name}", f"a new key, where known_hosts is no file but: {name}", "ssh_config(5), StrictHostKeyChecking", CARRY_ON,
          setup=setup(raw(make), then_good=False, more=("StrictHostKeyChecking=accept-new",)),
          holds="Permanently added" if name == "zeros" else "Failed to add the host to the list of known hosts")
for option in ("UserKnownHostsFile", "GlobalKnownHostsFile"):
    H.row(f"is-bad-disk-{option.lower()}", "a bad disk: the file may say that the key has changed", FORMAT, ERROR, setup=setup(raw(files.BAD_DISK), option=option),
          says="hosts: (I/O error|Input/output error)")
H.row("is-null", "/dev/null", FORMAT, CARRY_ON, setup=setup(raw(files.link("/dev/null"))))
H.row("name-too-long", "a path of 5,000 bytes", FORMAT, ERROR, setup=setup(b"", name="x"), options=("GlobalKnownHostsFile=/" + "x" * 5000,), says="too long")
H.row("name-in-name", "a file where a folder should be", FORMAT, CARRY_ON, options=("StrictHostKeyChecking=accept-new", "UserKnownHostsFile=/dev/null/x"),
      holds="Failed to add the host to the list of known hosts: .*/dev/null/x: Not a directory",
      setup=setup(b"", name="x"))


async def changing(play):
    """Changed while it is read: by turns cut, rubbish and right. The second file is right always."""
    good = good_lines(play.world)
    path = files.place(play.folder / "hosts", good)
    play.options.append(f"UserKnownHostsFile={path} {play.world.known_hosts}")
    play.tasks.append(asyncio.create_task(files.churn(path, (good, good[:99], b"", b"rubbish\n" * 500, good * 900))))


for i in range(3):
    H.row(f"changing-{i}", "changed all the time", FORMAT, CARRY_ON, setup=changing)

# ---- names that a person sees ----

NASTY = {"escape": "\x1b[2J\x1b]0;title\x07hosts", "bidi": "\u202e\u2066hosts\u200f", "c1": "\x9b2Jhosts", "utf-8": b"\xff\xfehosts".decode("utf-8", "surrogateescape"),
         "blank": "my hosts"}
for name, path in NASTY.items():
    H.row(f"path-{name}", f"a path with: {name}", "ECMA-48", CARRY_ON, setup=setup(b"rubbish\n", name=path), holds="hosts.{0,6}:1: fewer than three", options=("-vv",))

# ---- $ADIT_KNOWN_HOSTS ----


def environment(make):
    async def lay_out(play):
        play.options.append("UserKnownHostsFile=none")
        play.environment["ADIT_KNOWN_HOSTS"] = make(play.world).decode("utf-8", "surrogateescape")
    return lay_out


H.row("environment-rubbish", "rubbish in $ADIT_KNOWN_HOSTS", "adit(1)", CARRY_ON, setup=environment(lambda w: b"rubbish\n\x1b[2J x y\n" + good_lines(w)),
      holds=r"\$ADIT_KNOWN_HOSTS:1: ")
H.row("environment-revoked", "the server's key is revoked in $ADIT_KNOWN_HOSTS", "adit(1)", ERROR, says=r"revoked in \$ADIT_KNOWN_HOSTS:",
      setup=environment(lambda w: good_lines(w) + b"@revoked " + line(w, "ed25519")))
