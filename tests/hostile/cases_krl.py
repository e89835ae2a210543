"""Lists of revoked keys that lie or are cut (OpenSSH's PROTOCOL.krl; ssh-keygen(1), KEY REVOCATION LISTS). ssh_config(5): a list that
cannot be read revokes all keys; so one that is damaged anywhere ends the connection, and says which file it is."""
import base64
import hashlib
import struct

from .case import CARRY_ON, ERROR, Table
from .files import NO_FILES, Pair, krl, lies, place, section
from .keys import Certificate
from .wire import mpint, string, u32

R = Table(prefix="krl-", state="file/krl", at="setup", only="adit")
OTHER = Pair("ed25519")
HEAD = len(krl())


def lay_out(make, more=()):
    async def setup(play):
        path = place(play.folder / "krl", make if isinstance(make, bytes) or getattr(make, "of_path", False) else make(play.world))
        play.options += [f"RevokedHostKeys={path}", *more]
    return setup


def row(name, sends, expect, make, requires="OpenSSH PROTOCOL.krl", **more):
    R.row(name, sends, requires, expect, setup=lay_out(make), **more)


def bad(name, sends, make, why=".", requires="OpenSSH PROTOCOL.krl", **more):
    row(name, sends, ERROR, make, requires, says=f"revoked keys file .*/krl: (line \\d+: )?.*({why})(.|\n)*list of revoked keys is damaged", **more)


def certificates(*parts, authority=b"", reserved=b""):
    return section(1, string(authority) + string(reserved) + b"".join(parts))


def revokes(name, sends, make, **more):
    row(f"revoked-{name}", sends, ERROR, make, says="revoked by file .*/krl", **more)


FULL = krl(certificates(section(0x20, struct.pack(">QQ", 1, 2)), section(0x21, struct.pack(">QQ", 5, 9)), section(0x22, struct.pack(">Q", 20) + mpint(5)),
                        section(0x23, string("id") + string("other"))), section(2, string(OTHER.blob())), section(3, string(b"h" * 20)), section(5, string(b"h" * 32)))
row("right", "a list of all there is, about others", CARRY_ON, FULL)
row("empty-list", "a list of nothing", CARRY_ON, krl())
row("empty-file", "an empty file", CARRY_ON, b"")
# At each byte of the header, and of the sections by fives: the fields of a few bytes are hit, and each place that a section ends at.
WHOLE = {HEAD}  # where a section ends the list is whole
for _ in range(4):
    end = max(WHOLE)
    WHOLE.add(end + 5 + struct.unpack(">I", FULL[end + 1:end + 5])[0])
for n in sorted((set(range(8, HEAD)) | set(range(HEAD + 1, len(FULL), 5))) - WHOLE):
    bad(f"cut-{n}", f"cut behind {n} of {len(FULL)} bytes", FULL[:n])
row("magic-cut", "its first bytes alone: no list of this form, and no key", ERROR, FULL[:7], says="damaged, so that all|damaged")
for name, make in (("version-0", krl(version=0)), ("version-2", krl(version=2)), ("version-2-32-1", krl(version=2**32 - 1))):
    bad(name, f"the format's {name}", make, "version")
row("flags", "flags that nobody has defined", CARRY_ON, krl(flags=2**64 - 1))
for kind, body, name in ((1, string(b"") + string(b""), "certificates"), (2, string(OTHER.blob()), "keys"), (3, string(b"h" * 20), "sha1"), (5, string(b"h" * 32), "sha256"),
                         (255, string("x@y") + b"\0" + string(b""), "extension")):
    for lie in (0, 1, len(body) - 1, len(body) + 1, 2**31, 2**32 - 1):
        if lie != len(body) and not (lie == 0 and kind in (2, 3, 5)):
            bad(f"length-{name}-{lie}", f"section {name} says {lie} of {len(body)} bytes", krl(bytes([kind]) + u32(lie) + body))
    for i, (field, lie, text) in enumerate(lies([body[4:4 + struct.unpack(">I", body[:4])[0]]])):
        if kind != 255 and lie:
            bad(f"inner-{name}-{i}", f"section {name}: an inner length says {lie}", krl(section(kind, text + body[len(text):])))
for kind in (0, 6, 7, 100, 254):
    bad(f"section-{kind}", f"a section of the unknown kind {kind}", krl(section(kind, b"x")), "not known")
bad("extension-critical", "a critical extension that nobody knows", krl(section(255, string("x@y") + b"\1" + string(b""))), "critical")
row("extension", "another extension that nobody knows", CARRY_ON, krl(section(255, string("x@y\x1b[2J") + b"\0" + string(b"x" * 9))))
for kind in (0, 0x1F, 0x24, 0x38, 0xFF):
    bad(f"certificates-{kind}", f"a part about certificates of the unknown kind {kind}", krl(certificates(section(kind, b""))), "not known")
bad("certificates-extension", "a critical extension about certificates", krl(certificates(section(0x39, string("x") + b"\1" + string(b"")))), "critical")
bad("serials-odd", "a serial number of 7 bytes", krl(certificates(section(0x20, b"x" * 7))))
bad("range-upside-down", "a range that ends before it begins", krl(certificates(section(0x21, struct.pack(">QQ", 9, 8)))))
bad("serial-0", "the serial number of who does not number", krl(certificates(section(0x20, struct.pack(">QQ", 0, 2)))))
bad("range-0", "a range that begins with it", krl(certificates(section(0x21, struct.pack(">QQ", 0, 2)))))
bad("bitmap-0", "a bitmap that has it", krl(certificates(section(0x22, struct.pack(">Q", 0) + mpint(1)))))
bad("range-short", "a range of one number", krl(certificates(section(0x21, struct.pack(">Q", 9)))))
bad("range-long", "a range of three numbers", krl(certificates(section(0x21, struct.pack(">QQQ", 1, 2, 3)))))
bad("bitmap-short", "a bitmap without its bits", krl(certificates(section(0x22, struct.pack(">Q", 1)))))
bad("bitmap-negative", "a bitmap that is a negative number", krl(certificates(section(0x22, struct.pack(">Q", 1) + string(b"\xff\xff")))))
bad("ids-lie", "a key id whose length lies", krl(certificates(section(0x23, u32(2**32 - 1) + b"x"))))
bad("hash-short", "a fingerprint of 19 bytes", krl(section(3, string(b"h" * 19))))
bad("hash-wrong-kind", "a SHA-1 among the SHA-256", krl(section(5, string(b"h" * 20))))
bad("tail", "a byte behind the last section", FULL + b"\2")
bad("signature-cut", "a signature that is cut", FULL + section(4, string(OTHER.blob())) + u32(400) + b"x")
row("signature", "a signature that is rubbish: the file itself is trusted, by where it lies", CARRY_ON, FULL + section(4, string(b"rubbish")) + string(b"x" * 64))
row("signature-long", "a signature of 500 KB", CARRY_ON, FULL + section(4, string(OTHER.blob())) + string(b"x" * 500000))
row("ranges-10000", "10,000 ranges", CARRY_ON, krl(*(certificates(section(0x21, struct.pack(">QQ", i + 1, 2**63 + i))) for i in range(10000))))
row("keys-5000", "5,000 keys of others", CARRY_ON, krl(section(2, b"".join(string(OTHER.blob()[:-2] + struct.pack(">H", i)) for i in range(5000)))))
row("hashes-50000", "50,000 fingerprints of others", CARRY_ON, krl(section(5, b"".join(string(hashlib.sha256(b"%d" % i).digest()) for i in range(50000)))))
row("bitmap-1-mb", "a bitmap of a megabyte", CARRY_ON, krl(certificates(section(0x22, struct.pack(">Q", 1) + string(b"\x7f" * 2**20)))))

# ---- the key is in it, whatever else is ----

revokes("key", "the server's key", lambda w: krl(section(2, string(w.keys["ed25519"].public()))))
revokes("sha1", "its SHA-1", lambda w: krl(section(3, string(hashlib.sha1(w.keys["ed25519"].public()).digest()))))
revokes("sha256", "its SHA-256", lambda w: krl(section(5, string(hashlib.sha256(w.keys["ed25519"].public()).digest()))))
revokes("last", "its key behind all else", lambda w: FULL + section(2, string(w.keys["ed25519"].public())))
revokes("text", "its line in a text", lambda w: b"# list\n\n" + OTHER.line() + w.line("x", w.keys["ed25519"]).split(b" ", 1)[1], requires="sshd(8)")
revokes("text-no-end", "its line in a text, without an end", lambda w: w.line("x", w.keys["ed25519"]).split(b" ", 1)[1].rstrip(b"\n"), requires="sshd(8)")
revokes("text-crlf", "its line in a text, with CR LF", lambda w: w.line("x", w.keys["ed25519"]).split(b" ", 1)[1].replace(b"\n", b"\r\n"), requires="sshd(8)")
bad("behind-damage", "its key behind a damaged section", lambda w: krl(section(3, b"xx")) + section(2, string(w.keys["ed25519"].public())))

# A certificate's serial number, id and authority.


def certified(name, make, **different):
    made = {}

    def host_key(peer):
        made.setdefault(id(peer), Certificate(peer.keys["authority"], serial=7, key_id="web", **different))
        return made[id(peer)]
    revokes(f"certificate-{name}", f"the server's certificate: {name}", make, twist={"host_key": host_key})


for name, part in (("serial", section(0x20, struct.pack(">QQ", 1, 7))), ("range", section(0x21, struct.pack(">QQ", 1, 2**64 - 1))), ("range-exact", section(0x21, struct.pack(">QQ", 7, 7))),
                   ("bitmap", section(0x22, struct.pack(">Q", 0) + mpint(1 << 7))), ("id", section(0x23, string("other") + string("web")))):
    certified(name, lambda w, p=part: krl(certificates(p, authority=w.keys["authority"].public())))
    certified(f"{name}-any-authority", lambda w, p=part: krl(certificates(p)))
certified("authority", lambda w: krl(section(2, string(w.keys["authority"].public()))))

# ---- texts ----

for name, text in {"rubbish": b"rubbish\n", "escapes": b"\x1b[2J\x1b]0;x\x07 y\n", "nul": b"ssh-ed25519 AAAA\0\n", "cut": OTHER.line()[:50] + b"\n", "type-lies": b"ssh-rsa " + OTHER.line().split()[1] + b"\n",
                   "endless": b"ssh-ed25519 " + b"A" * 900001, "second-line": OTHER.line() + b"ssh-ed25519 AAA\n", "serial-file": b"serial: 1-5\n", "utf-16": OTHER.line().decode().encode("utf-16")}.items():
    bad(f"text-{name}", f"a text: {name}", text, "no public key", "sshd(8)")
row("text-20000", "20,000 lines of others", CARRY_ON, OTHER.line() * 20000, "sshd(8)")

# ---- no files ----


def of_path(make):
    def made(path):
        return make(path)
    made.of_path = True
    return made


for name, (make, why) in NO_FILES.items():
    row(f"is-{name}", f"no file but: {name}", ERROR, of_path(make), "ssh_config(5), RevokedHostKeys", says=f"RevokedHostKeys: .*/krl: .*({why})(.|\n)*cannot be read, so that all")
row("missing", "no such file", ERROR, b"", "ssh_config(5), RevokedHostKeys", says="RevokedHostKeys: .*No such file", options=("RevokedHostKeys=/nowhere/krl",))
