"""Private keys that lie, are cut, are others or are none: OpenSSH's PROTOCOL.key, RFC 7468, 5208, 5915, 8017, 8410. Each is named with
what is wrong, and passed over; the right key behind it lets us in. A file of many of them is one row, as a hundred fit on a
command line."""
import asyncio
import base64
import re

from cryptography.hazmat.primitives import serialization

from . import files
from .case import CARRY_ON, ERROR, Table
from .files import FORMS, NO_FILES, Pair, armour, envelope, lies, openssh, place, secret_part, unarmour, wire_mpint
from .wire import string, u32

K = Table(prefix="key-", state="file/key", at="setup", only="adit", twist={"peer": files.Strict})
PROTOCOL = "OpenSSH PROTOCOL.key"
KINDS = ("ed25519", "p256", "p384", "p521", "rsa")
PAIRS = {kind: Pair(kind) for kind in KINDS}
OTHERS = {kind: Pair(kind) for kind in KINDS}
AT_ONCE = 90  # ssh and adit take a hundred


def lay_out(texts, beside=None, more=()):
    """texts: bytes, or what a path becomes. beside: {end of a name: bytes} for each."""
    async def setup(play):
        for i, text in enumerate(texts):
            path = place(play.folder / f"k{i:03}", text)
            for end, other in (beside or {}).items():
                place(play.folder / f"k{i:03}{end}", other)
            play.options.append(f"IdentityFile={path}")
        play.options += more
    return setup


def passed_over(count, why):
    """Each of them is told once, as what it is, and none has signed."""
    return lambda play: all(len(re.findall(rf'/k{i:03}": ({why})', play.said())) == 1 for i in range(count))


def bad(name, sends, texts, why, requires=PROTOCOL, **more):
    """Keys of which none can be used."""
    texts = list(texts)
    for part in range(0, len(texts), AT_ONCE):
        some = texts[part:part + AT_ONCE]
        K.row(name + (f"-{part // AT_ONCE + 1}" if len(texts) > AT_ONCE else ""), sends, requires, CARRY_ON, setup=lay_out(some), holds=r'k000": ',
              proof=passed_over(len(some), why), options=("-v",), **more)


def any_end(name, sends, texts, requires, **more):
    """Some of them may be right keys of others: no matter which, the right one behind them lets us in."""
    texts = list(texts)
    for part in range(0, len(texts), AT_ONCE):
        K.row(f"{name}-{part // AT_ONCE + 1}", sends, requires, CARRY_ON, setup=lay_out(texts[part:part + AT_ONCE]), options=("-v",), **more)


DAMAGED = "the key file is damaged: .*"

# ---- openssh-key-v1: its envelope ----

ED = PAIRS["ed25519"]
FIELDS = [b"none", b"none", b""]
bad("cut", "cut at every byte of the envelope", [armour(b"OPENSSH PRIVATE KEY", envelope(ED)[:n]) for n in range(len(envelope(ED)))], DAMAGED + "|the key is of a type.*")
bad("text-cut", "its text cut at every fifth letter", [openssh(ED)[:n] for n in range(0, len(openssh(ED)) - 1, 5)], DAMAGED)
bad("envelope-lengths", "the lengths of cipher, KDF and options lie", [
    armour(b"OPENSSH PRIVATE KEY", b"openssh-key-v1\0" + lie + u32(1) + string(ED.blob()) + string(secret_part(ED))) for _, _, lie in lies(FIELDS)],
    DAMAGED + "|.*cipher is not known.*|.*KDF is not known.*")
bad("outer-lengths", "the lengths of both halves lie", [
    armour(b"OPENSSH PRIVATE KEY", b"openssh-key-v1\0" + b"".join(map(string, FIELDS)) + u32(1) + lie) for _, _, lie in lies([ED.blob(), secret_part(ED)])],
    DAMAGED + "|the key is of a type.*")
for name, different in {"two": dict(count=2), "none": dict(count=0), "many": dict(count=2**32 - 1), "magic": dict(magic=b"openssh-key-v2\0"), "tail": dict(tail=b"x"),
                        "checks": dict(secret=secret_part(ED, checks=(7, 8))), "no-secret": dict(secret=b""), "secret-odd": dict(secret=secret_part(ED)[:-1]),
                        "padding": dict(secret=secret_part(ED, padding=b"\1\2\3\4\5\6\7\7"[:len(secret_part(ED)) - len(secret_part(ED, padding=b""))][:-1] + b"\0")),
                        "padding-long": dict(secret=secret_part(ED) + bytes(range(1, 9))), "kdf-alone": dict(kdf=b"bcrypt", options=string(b"s" * 16) + u32(16)),
                        "options-alone": dict(options=b"x" * 20)}.items():
    bad(name, f"openssh-key-v1: {name}", [openssh(ED, **different)], DAMAGED)
for name, cipher, why in (("cipher-unknown", b"rot13", "the key file's cipher is not known.*"), ("cipher-long", b"aes256-ctr" * 1000, "the key file's cipher is not known.*"),
                          ("cipher-escapes", b"\x1b[2J", "the key file's cipher is not known.*")):
    bad(name, f"a cipher that nobody has: {name}", [openssh(ED, cipher=cipher)], why)

# Locked: what cannot be opened is not asked about twice, and no answer takes long.
LOCKED = secret_part(ED, block=16)
for name, kdf, options, why in (
        ("rounds-2-32-1", b"bcrypt", string(b"s" * 16) + u32(2**32 - 1), "the key file asks for too many KDF rounds.*"),
        ("rounds-0", b"bcrypt", string(b"s" * 16) + u32(0), DAMAGED), ("salt-empty", b"bcrypt", string(b"") + u32(16), DAMAGED),
        ("salt-lies", b"bcrypt", u32(2**32 - 1) + b"s" * 16 + u32(16), DAMAGED), ("options-cut", b"bcrypt", string(b"s" * 16), DAMAGED),
        ("options-more", b"bcrypt", string(b"s" * 16) + u32(16) + b"x", DAMAGED), ("kdf-unknown", b"md5", string(b"s" * 16) + u32(16), "the key file's KDF is not known.*"),
        ("kdf-none", b"none", b"", "the key file's KDF is not known.*")):
    bad(name, f"a locked key: {name}", [openssh(ED, secret=LOCKED, cipher=b"aes256-ctr", kdf=kdf, options=options)], why)
for cipher in (b"aes256-ctr", b"aes128-cbc", b"3des-cbc"):
    K.row(f"locked-rubbish-{cipher.decode()}", "a locked key that is rubbish, under any passphrase", PROTOCOL, CARRY_ON, options=("-v",),
          setup=lay_out([openssh(ED, secret=LOCKED, cipher=cipher, kdf=b"bcrypt", options=string(b"s" * 16) + u32(1))]), holds="wrong passphrase")
K.row("locked-gcm-cut", "a locked key whose tag is missing", PROTOCOL, CARRY_ON, options=("-v",), holds=DAMAGED,
      setup=lay_out([openssh(ED, secret=LOCKED, cipher=b"aes256-gcm@openssh.com", kdf=b"bcrypt", options=string(b"s" * 16) + u32(1))]))

# ---- openssh-key-v1: its numbers ----

for kind in KINDS:
    pair, other = PAIRS[kind], OTHERS[kind]
    bad(f"public-lengths-{kind}", f"{kind}: the lengths in the public half lie", [openssh(pair, public=lie) for _, _, lie in lies(pair.public)],
        DAMAGED + "|the key is of a type.*")
    fields = [*pair.private, b"comment"]
    bad(f"secret-lengths-{kind}", f"{kind}: the lengths in the secret half lie", [
        openssh(pair, secret=(u32(7) * 2 + lie) + bytes(i + 1 for i in range(-(8 + len(lie)) % 8))) for i, n, lie in lies(fields)
        if (i, n) != (len(fields) - 1, 8)], DAMAGED)  # a padding of one byte would be a letter of the comment
    bad(f"of-another-{kind}", f"{kind}: the public half of another key", [openssh(pair, public=other.blob())], DAMAGED)
    bad(f"fields-missing-{kind}", f"{kind}: one field fewer", [
        openssh(pair, secret=secret_part(pair, b"".join(map(string, fields[:i] + fields[i + 1:-1])))) for i in range(len(fields) - 1)], DAMAGED)
    bad(f"fields-empty-{kind}", f"{kind}: one field empty", [
        openssh(pair, secret=secret_part(pair, b"".join(map(string, fields[:i] + [b""] + fields[i + 1:-1])))) for i in range(len(fields) - 1)
        if not (kind.startswith("p") and i in (1, 2))], DAMAGED)
    bad(f"other-type-{kind}", f"{kind}: the secret half of another type", [
        openssh(pair, secret=secret_part(PAIRS[k])) for k in KINDS if k != kind], DAMAGED)
POINT = {"zero": b"\4" + bytes(64), "off": PAIRS["p256"].public[2][:-1] + bytes([PAIRS["p256"].public[2][-1] ^ 1]), "infinity": b"\0",
         "compressed": b"\2" + PAIRS["p256"].public[2][1:33], "p384": PAIRS["p384"].public[2], "form": b"\6" + PAIRS["p256"].public[2][1:]}
for name, point in POINT.items():
    pair = PAIRS["p256"]
    head = [pair.public[0], pair.public[1], point]
    public = b"".join(map(string, head))
    bad(f"point-{name}", f"nistp256 with a point: {name}", [openssh(pair, public=public, secret=secret_part(pair, b"".join(map(string, [*head, pair.private[3]]))))], DAMAGED, "RFC 5656 §3.1")
for name, curve in (("curve-other", b"nistp384"), ("curve-unknown", b"secp256k1"), ("curve-empty", b"")):
    pair = PAIRS["p256"]
    head = [pair.public[0], curve, pair.public[2]]
    bad(name, f"nistp256 under another name: {curve.decode()}", [openssh(pair, public=b"".join(map(string, head)), secret=secret_part(pair, b"".join(map(string, [*head, pair.private[3]]))))],
        DAMAGED + "|the key is of a type.*", "RFC 5656 §3.1")
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
for name, scalar in (("zero", b"\0"), ("order", wire_mpint(ORDER)), ("over", wire_mpint(ORDER + 1)), ("long", b"\1" * 40), ("negative", b"\xff" * 32)):
    bad(f"scalar-{name}", f"nistp256 with a secret number: {name}", [openssh(PAIRS["p256"], secret=secret_part(PAIRS["p256"], b"".join(map(string, [*PAIRS["p256"].public, scalar]))))],
        DAMAGED, "SEC 1 §3.2.1")
bad("ed25519-halves", "Ed25519: the copy of the public half is another's", [openssh(ED, secret=secret_part(ED, b"".join(map(string, [
    ED.public[0], ED.public[1], ED.private[2][:32] + OTHERS["ed25519"].public[1]]))))], DAMAGED)

# ---- RSA's numbers: RFC 8017 §3 ----


def rsa_key(**different):
    v = PAIRS["rsa"].secret.private_numbers()
    have = {"n": v.public_numbers.n, "e": v.public_numbers.e, "d": v.d, "iqmp": v.iqmp, "p": v.p, "q": v.q, **different}
    public = string("ssh-rsa") + string(wire_mpint(have["e"])) + string(wire_mpint(have["n"]))
    private = string("ssh-rsa") + b"".join(string(wire_mpint(have[k])) for k in ("n", "e", "d", "iqmp", "p", "q"))
    return openssh(PAIRS["rsa"], public=public, secret=secret_part(PAIRS["rsa"], private))


V = PAIRS["rsa"].secret.private_numbers()
N = V.public_numbers.n
for name, different in {"n-even": dict(n=N - 1), "n-zero": dict(n=0), "n-small": dict(n=15, p=3, q=5), "n-1024": dict(n=N >> 1024), "n-4097": dict(n=N << 2049 | 1),
                        "n-16384": dict(n=1 << 16383 | 1), "e-1": dict(e=1), "e-zero": dict(e=0), "e-even": dict(e=65536), "e-huge": dict(e=N)}.items():
    bad(f"rsa-{name}", f"RSA: {name}", [rsa_key(**different)], DAMAGED + "|an RSA key of .*", "RFC 8017 §3.1")
for name, different in {"p-even": dict(p=V.p + 1), "p-1": dict(p=1), "p-zero": dict(p=0), "q-is-p": dict(q=V.p), "d-zero": dict(d=0), "d-1": dict(d=1), "d-off": dict(d=V.d + 2),
                        "iqmp-off": dict(iqmp=V.iqmp + 1), "iqmp-zero": dict(iqmp=0), "p-other": dict(p=V.p + 2), "p-long": dict(p=N), "swapped": dict(p=V.q, q=V.p)}.items():
    K.row(f"rsa-{name}", f"RSA: {name}; a wrong signature would give the key away", "RFC 8017 §3.2", CARRY_ON, setup=lay_out([rsa_key(**different)]), options=("-v",),
          proof=lambda play: "k000" in play.said() and play.peer.got["wrong"] == 0)

# ---- PEM and PKCS#8 ----

# Each byte; of the longer ones some, and of those whose numbers take their time fewer still.
FORMATS = {"ed25519-pkcs8": ("ed25519", "pkcs8", 1), "p256-sec1": ("p256", "sec1", 1), "p256-pkcs8": ("p256", "pkcs8", 2), "p521-sec1": ("p521", "sec1", 31),
           "rsa-pkcs1": ("rsa", "pkcs1", 41), "rsa-pkcs8": ("rsa", "pkcs8", 59)}
DER = "the key file is damaged.*|the key is of a type or size.*|an RSA key of .*"
for name, (kind, form, step) in FORMATS.items():
    label, der = unarmour(PAIRS[kind].pem(FORMS[form]))
    document = {"pkcs8": "RFC 5208 §5", "sec1": "RFC 5915 §3", "pkcs1": "RFC 8017 §A.1.2"}[form]
    bad(f"der-cut-{name}", f"{name}: cut {'at every byte' if step == 1 else f'at every byte that {step} divides'}", [armour(label, der[:n]) for n in range(0, len(der), step)], DER, document)
    for bit, what in ((0xFF, "inverted"), (0x01, "one more or less")):
        any_end(f"der-byte-{name}-{bit}", f"{name}: a byte is {what}", [
            armour(label, der[:n] + bytes([der[n] ^ bit]) + der[n + 1:]) for n in range(0, len(der), step)], document)
    bad(f"der-tail-{name}", f"{name}: a byte behind it", [armour(label, der + b"\0")], DER, document)
    bad(f"der-label-{name}", f"{name}: under another label", [armour(wrong, der) for wrong in (b"RSA PRIVATE KEY", b"EC PRIVATE KEY", b"PRIVATE KEY", b"DSA PRIVATE KEY",
        b"OPENSSH PRIVATE KEY", b"ENCRYPTED PRIVATE KEY") if wrong != label], DER + "|.*encryption is not known.*", document)
DEEP = b"\x30\x80" * 40000
bad("der-deep", "sequences in sequences without end", [armour(b"PRIVATE KEY", DEEP)], DER, "RFC 5208 §5")
bad("der-lengths", "lengths of lengths that lie", [armour(b"PRIVATE KEY", b"\x30" + head + b"\2\1\0" + b"\x30" * 40) for head in (
    b"\x84\xff\xff\xff\xff", b"\x88" + b"\xff" * 8, b"\xff", b"\x80", b"\x82\0\1", b"\x81\5", b"\x85\0\0\0\0\x30", b"\x84\x80\0\0\0")], DER, "RFC 5208 §5")
for name, text in {
        "empty": b"", "blank": b"\n" * 5000, "nul": bytes(5000), "binary": bytes(range(256)) * 40, "no-end": openssh(ED)[:-20], "no-begin": openssh(ED)[5:],
        "two-begins": b"-----BEGIN OPENSSH PRIVATE KEY-----\n" * 1000, "end-first": b"-----END OPENSSH PRIVATE KEY-----\n" + openssh(ED)[36:],
        "one-line": b"-----BEGIN OPENSSH PRIVATE KEY-----" + b"A" * 500000, "text-escapes": b"-----BEGIN \x1b[2J PRIVATE KEY-----\nAAAA\n-----END \x1b[2J PRIVATE KEY-----\n",
        "no-base64": openssh(ED).replace(b"A", b"\xff"), "padding-inside": armour(b"OPENSSH PRIVATE KEY", b"x").replace(b"eA==", b"eA==eA=="),
        "dek-alone": b"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END RSA PRIVATE KEY-----\n",
        "dek-unknown": b"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: ROT-13,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n",
        "dek-iv": b"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC," + b"0" * 3000 + b"\n\nAAAA\n-----END RSA PRIVATE KEY-----\n",
        "headers": b"-----BEGIN RSA PRIVATE KEY-----\n" + b"X-Header: y\n" * 9000 + b"\nAAAA\n-----END RSA PRIVATE KEY-----\n",
        "putty": b"PuTTY-User-Key-File-3: ssh-ed25519\n", "certificate": armour(b"CERTIFICATE", b"\x30\x03\2\1\0"), "public-pem": armour(b"PUBLIC KEY", b"\x30\x03\2\1\0")}.items():
    bad(f"text-{name}", f"its text: {name}", [text], "the key file is damaged.*|the key file's encryption.*|a PuTTY.*|.*not used.*", "RFC 7468 §2")

# PBES2 that costs a day.


def pbes2(iterations, salt=b"s" * 16):
    def der(tag, *parts):
        body = b"".join(parts)
        n = len(body)
        size = bytes([n]) if n < 128 else bytes([0x82]) + n.to_bytes(2, "big")
        return bytes([tag]) + size + body
    number = iterations.to_bytes(iterations.bit_length() // 8 + 1, "big")
    kdf = der(0x30, bytes.fromhex("06092a864886f70d01050c"), der(0x30, der(4, salt), der(2, number)))
    cipher = der(0x30, bytes.fromhex("060960864801650304012a"), der(4, b"i" * 16))
    return armour(b"ENCRYPTED PRIVATE KEY", der(0x30, der(0x30, bytes.fromhex("06092a864886f70d01050d"), der(0x30, kdf, cipher)), der(4, b"x" * 64)))


for name, count in (("2-31-1", 2**31 - 1), ("2-32-1", 2**32 - 1), ("2-64", 2**64), ("0", 0)):
    bad(f"pbkdf2-{name}", f"PKCS#8 with {name} rounds", [pbes2(count)], "the key file is damaged.*|the key file's encryption.*", "RFC 5208 §6")

# ---- no files, modes, changes ----

for name, (make, why) in NO_FILES.items():
    K.row(f"is-{name}", f"no file but: {name}", "ssh_config(5), IdentityFile", CARRY_ON, setup=lay_out([make]), holds=f"k000.*({why})")
    K.row(f"is-{name}-alone", f"no file but: {name}, and no other key", "ssh_config(5), IdentityFile", ERROR, setup=lay_out([make], more=("-oIdentityAgent=none",)),
          says=f"k000.*({why})(.|\n)*Permission denied", twist={"peer": files.Strict, "rejects": True}, auth="none")
    K.row(f"public-is-{name}", f"the public half beside it is no file but: {name}", "ssh(1), -i", CARRY_ON, setup=lay_out([b"rubbish\n"], {".pub": make}), holds="k000")
    K.row(f"certificate-is-{name}", f"the certificate beside it is no file but: {name}", "ssh(1), -i", CARRY_ON, setup=lay_out([openssh(ED)], {"-cert.pub": make}))
K.row("is-bad-disk", "a bad disk: the key is there, and cannot be had", "ssh_config(5), IdentityFile", ERROR, setup=lay_out([files.BAD_DISK]),
      says="k000: (I/O error|Input/output error)")
K.row("is-1-mb", "a megabyte of letters", PROTOCOL, CARRY_ON, setup=lay_out([b"A" * 2**20]), holds="k000")


async def changing(play):
    path = place(play.folder / "k000", openssh(ED))
    play.options.append(f"IdentityFile={path}")
    play.tasks.append(asyncio.create_task(files.churn(path, (openssh(ED), openssh(ED)[:200], b"", b"rubbish", openssh(OTHERS["rsa"])))))


K.row("changing", "changed while it is read", PROTOCOL, CARRY_ON, setup=changing)

# ---- what a person sees ----

NASTY = "\x1b[2J\x1b]0;t\x07\u202e\x9b"
K.row("comment-escapes", "escapes in a comment", "ECMA-48", CARRY_ON, options=("-vvv",), setup=lay_out([openssh(ED, secret=secret_part(ED, comment=NASTY.encode() * 50))]))
K.row("comment-long", "a comment of 500 KB", PROTOCOL, CARRY_ON, options=("-vvv",), setup=lay_out([openssh(ED, secret=secret_part(ED, comment=b"c" * 500000))]))


async def nasty_path(play):
    for i, text in enumerate((openssh(ED), b"rubbish", openssh(ED, secret=LOCKED, cipher=b"aes256-ctr", kdf=b"bcrypt", options=string(b"s" * 16) + u32(1)))):
        play.options.append(f"IdentityFile={place(play.folder / f'{NASTY}k{i}', text)}")


K.row("path-escapes", "escapes in a path, also where a passphrase is asked for", "ECMA-48", CARRY_ON, options=("-vvv",), setup=nasty_path, holds=r'1": the key file')

# ---- .pub files ----

P = Table(prefix="public-", state="file/public", at="setup", only="adit", twist={"peer": files.Strict}, options=("-v",))
LOCKED_OWN = openssh(ED, secret=LOCKED, cipher=b"aes256-ctr", kdf=b"bcrypt", options=string(b"s" * 16) + u32(1))
for name, text in {"other-key": OTHERS["ed25519"].line(), "other-type": PAIRS["rsa"].line(), "cut": ED.line()[:40], "empty": b"", "nul": bytes(200), "endless": b"ssh-ed25519 " + b"A" * 900000,
                   "escapes": b"ssh-ed25519 \x1b[2J\n", "name-lies": b"ssh-rsa " + ED.line().split()[1] + b"\n", "options": b'command="x" ' + ED.line(),
                   "unknown": b"new@x " + base64.b64encode(string("new@x")) + b"\n", "two": ED.line() * 2, "utf-16": ED.line().decode().encode("utf-16")}.items():
    for of, key in (("plain", openssh(ED)), ("locked", LOCKED_OWN), ("damaged", b"rubbish"), ("pem", PAIRS["p256"].pem(FORMS["pkcs8"], serialization.BestAvailableEncryption(b"other")))):
        P.row(f"{of}-{name}", f"a .pub file beside a {of} key: {name}", "ssh(1), -i", CARRY_ON, setup=lay_out([key], {".pub": text}))
for kind in KINDS:
    texts = [PAIRS[kind].public[0] + b" " + base64.b64encode(lie) + b"\n" for _, _, lie in lies(PAIRS[kind].public)]
    P.row(f"lengths-{kind}", f"{kind}: its lengths lie, and the file is named itself", "RFC 4253 §6.6", CARRY_ON, setup=lay_out(texts), holds="k000",
          proof=lambda play, n=len(texts): all(f"k{i:03}" in play.said() for i in range(n)))
