"""Key exchange: KEXINIT's lists, shares, signatures, host keys and certificates, and a re-exchange in mid-data."""
from cryptography.hazmat.primitives import hashes

from . import keys, wire
from .case import CARRY_ON, ERROR, Table
from .keys import Certificate, mpint, now, option
from .wire import msg, string

# ---- KEXINIT: RFC 4253 §7.1 ----

LIST = Table(prefix="kexinit-", state="kex", at="kexinit")
NAMES = {"kex": "key exchange", "host_key": "host key", "cipher_in": "cipher", "cipher_out": "cipher", "mac_in": "MAC", "mac_out": "MAC",
         "comp_in": "compression", "comp_out": "compression"}
for which, words in NAMES.items():
    # AES-GCM has no MAC of its own: what the lists of MACs say matters only with another cipher (RFC 5647 §5.1).
    suite = "mac" if which.startswith("mac") else "gcm"
    for name, value in {"unknown": "nobody@knows.this", "empty": ""}.items():
        LIST.row(f"{which.replace('_', '-')}-{name}", f"no {words} in common ({name})", "RFC 4253 §7.1", ERROR, suite=suite,  # [RFC 4253 7.1c 7.1f 7.1g 7.1h 7.1i 7.1j]
                 twist={"lists": {which: value}}, do=lambda p, m: [m], says="no common")
T = Table(prefix="kexinit-", state="kex")
T.row("names-unknown-too", "unknown names among the known", "RFC 4253 §7.1", CARRY_ON, at="open", do=lambda p, m: [],
      twist={"lists": {"kex": "a@b,curve25519-sha256,c@d,ext-info-s,kex-strict-s-v00@openssh.com"}})
T.row("languages", "language tags", "RFC 4253 §7.1", CARRY_ON, at="open", do=lambda p, m: [], twist={"lists": {"lang_in": "en,de", "lang_out": "x"}})  # [RFC 4253 7.1r]
T.row("list-long", "a list of 8,000 bytes", "RFC 4253 §7.1", CARRY_ON, at="open", do=lambda p, m: [],
      twist={"lists": {"lang_in": ",".join(["x" * 63] * 125)}})
T.row("list-longer", "a list of 30,000 bytes, more than anybody has names", "RFC 4251 §9.3.5", ERROR, at="kexinit", do=lambda p, m: [m],
      twist={"lists": {"lang_in": ",".join(["x" * 63] * 470)}}, says="KEXINIT")
T.row("list-of-controls", "control characters in a list", "RFC 4251 §6", ERROR, at="kexinit", do=lambda p, m: [m],  # [RFC 4251 5h]
      twist={"lists": {"kex": "\x1b[2J\x07\u202e"}}, says="no common|name")
T.row("only-weak", "a cipher that adit does not have", "RFC 4253 §7.1", ERROR, at="kexinit", do=lambda p, m: [m],
      twist={"lists": {"cipher_in": "3des-cbc,arcfour", "cipher_out": "3des-cbc,arcfour"}}, says="no common")
T.row("trailing", "bytes behind the end of KEXINIT", "RFC 4253 §7.1", ERROR, at="kexinit", do=lambda p, m: [m], twist={"kexinit": lambda p, m: m + b"x"},
      says="KEXINIT")
T.row("reserved", "a reserved field that is not zero", "RFC 4253 §7.1", CARRY_ON, at="open", do=lambda p, m: [], twist={"kexinit": lambda p, m: m[:-4] + b"\0\0\0\1"})  # [RFC 4253 7.1r]
T.row("list-lies", "a list longer than the message", "RFC 4251 §5", ERROR, at="kexinit", do=lambda p, m: [m],  # [RFC 4251 5j]
      twist={"kexinit": lambda p, m: m[:17] + b"\xff\xff\xff\xff" + m[21:]}, says="KEXINIT")
T.row("guess-wrong", "first_kex_packet_follows, and a guess that is wrong: to be ignored", "RFC 4253 §7", CARRY_ON, at="kexinit", strict=False,  # [RFC 4253 7b]
      twist={"kexinit": lambda p, m: m[:-5] + b"\1" + m[-4:], "lists": {"kex": "ecdh-sha2-nistp256@no,curve25519-sha256,ext-info-s"}},
      do=lambda p, m: [m, msg(wire.KEX_REPLY, "guess", "guess", "guess")])
T.row("guess-wrong-twice", "two packets behind a wrong guess: only the first is ignored", "RFC 4253 §7", ERROR, at="kexinit",  # [RFC 4253 7.1m]
      twist={"kexinit": lambda p, m: m[:-5] + b"\1" + m[-4:], "lists": {"kex": "ecdh-sha2-nistp256@no,curve25519-sha256,ext-info-s"}},
      do=lambda p, m: [m, msg(wire.KEX_REPLY, "guess", "guess", "guess"), msg(wire.KEX_REPLY, "guess", "guess", "guess")],
      says=r"KEX|host key|lengths|RFC")

# ---- shares: RFC 8731 §3, RFC 5656 §4 ----

P25519 = 2**255 - 19
SMALL = {"zero": 0, "one": 1, "order-8-a": 325606250916557431795983626356110631294008115727848805560023387167927233504,
         "order-8-b": 39382357235489614581723060781553021112529911719440698176882885853963445705823,
         "p-1": P25519 - 1, "p": P25519, "p-plus-1": P25519 + 1}
SHARE = Table(prefix="share-", state="kex", at="kex_reply", do=lambda p, m: [m], says="public value|share|not valid|KEX")
for name, n in SMALL.items():
    SHARE.row(f"x25519-{name}", f"a point of small order ({name})", "RFC 8731 §3", ERROR, twist={"share": lambda p, s, n=n: n.to_bytes(32, "little")})  # [RFC 8731 3b]
for n in (0, 1, 31, 33, 64):
    SHARE.row(f"x25519-length-{n}", f"a share of {n} bytes", "RFC 8731 §3", ERROR, twist={"share": lambda p, s, n=n: bytes([9]) * n})  # [RFC 8731 3a]
SHARE.row("x25519-huge", "a share of 32 KiB", "RFC 8731 §3", ERROR, twist={"share": lambda p, s: bytes(32768)})
SHARE.row("x25519-other", "a share that is not the one hashed into what is signed", "RFC 4253 §8", ERROR, says="signature",  # [RFC 4253 8c]
          twist={"signature": lambda p, h: p.host_key().sign(p.algorithm, h[::-1])})
for method, size in {"ecdh-sha2-nistp256": 32, "ecdh-sha2-nistp384": 48, "ecdh-sha2-nistp521": 66}.items():
    short = method[-8:]
    for name, share in {"zero": lambda p, s: bytes(len(s)), "infinity": lambda p, s: b"\0", "off-curve": lambda p, s: s[:-1] + bytes([s[-1] ^ 1]),
                        "compressed": lambda p, s: bytes([2 + s[-1] % 2]) + s[1:1 + (len(s) - 1) // 2], "hybrid": lambda p, s: bytes([6 + s[-1] % 2]) + s[1:],
                        "over-p": lambda p, s: b"\4" + b"\xff" * (len(s) - 1), "short": lambda p, s: s[:-1], "long": lambda p, s: s + b"\0",
                        "empty": lambda p, s: b""}.items():
        SHARE.row(f"{short}-{name}", f"a point of {short}: {name}", "RFC 5656 §4", ERROR, twist={"kex": method, "share": share})  # [RFC 5656 4a 4b]

# ---- signatures over the exchange hash: RFC 4253 §8, RFC 5656 §3.1.2, RFC 8332 §3, RFC 8709 §6 ----

SIGN = Table(prefix="signature-", state="kex", at="kex_reply", do=lambda p, m: [m], says="signature|KEX_ECDH_REPLY")


def signs(name, key, sends, requires, signature, expect=ERROR, **more):
    SIGN.row(f"{key}-{name}", sends, requires, expect, twist={"host_key": lambda p: p.keys[key], "signature": signature}, **more)


def flip(blob, i):
    return blob[:i] + bytes([blob[i] ^ 1]) + blob[i + 1:] if i >= 0 else flip(blob, len(blob) + i)


def ecdsa(r, s, name="ecdsa-sha2-nistp256"):
    return string(name) + string(mpint(r) + mpint(s))


N = keys.P256_ORDER
for kind, section in {"ed25519": "RFC 8709 §6", "ecdsa": "RFC 5656 §3.1.2", "rsa": "RFC 8332 §3"}.items():
    signs("flipped", kind, "one bit changed", section, lambda p, h: flip(p.host_key().sign(p.algorithm, h), -1))
    signs("trailing", kind, "a byte behind the signature", "RFC 4253 §6.6", lambda p, h: p.host_key().sign(p.algorithm, h) + b"\0")  # [RFC 4253 6.6d]
    signs("inner-trailing", kind, "a byte behind the inner signature", section,
          lambda p, h: string(p.algorithm) + string(p.host_key().raw_sign(p.algorithm, h) + b"\0"))
    signs("empty", kind, "no signature", section, lambda p, h: b"")
    signs("inner-empty", kind, "an empty inner signature", section, lambda p, h: string(p.algorithm) + string(b""))
    signs("name-wrong", kind, "the name of another algorithm", "RFC 4253 §6.6", lambda p, h: string("ssh-dss") + string(p.host_key().raw_sign(p.algorithm, h)))  # [RFC 4253 6.6c]
    signs("name-missing", kind, "no name", "RFC 4253 §6.6", lambda p, h: string("") + string(p.host_key().raw_sign(p.algorithm, h)))
    signs("lies", kind, "an inner length that lies", "RFC 4251 §5", lambda p, h: string(p.algorithm) + b"\xff\xff\xff\xff" + bytes(64))
    signs("of-other-data", kind, "of something else", "RFC 4253 §8", lambda p, h: p.host_key().sign(p.algorithm, h + b"x"))  # [RFC 4253 8b]
    signs("by-other-key", kind, "by another key of that type", "RFC 4253 §8", lambda p, h: type(p.host_key())().sign(p.algorithm, h))  # [RFC 4253 8d]
for name, (r, s) in {"r-zero": (0, 1), "s-zero": (1, 0), "both-zero": (0, 0), "r-order": (N, 1), "s-order": (1, N), "r-over": (N + 1, 1),
                     "s-over": (1, 2**256), "huge": (2**2000, 2**2000)}.items():
    signs(name, "ecdsa", f"r = {r if r < 10 else 'order or over'}, s likewise ({name})", "RFC 5656 §3.1.2", lambda p, h, r=r, s=s: ecdsa(r, s))  # [RFC 5656 3.1.2b]
signs("r-plus-order", "ecdsa", "a right signature with the order added to r", "RFC 5656 §3.1.2", lambda p, h: ecdsa(p.host_key().numbers(h)[0] + N, p.host_key().numbers(h)[1]))
signs("sha512", "ecdsa", "made with SHA-512", "RFC 5656 §6.2.1", lambda p, h: ecdsa(*p.host_key().numbers(h, hashes.SHA512())))  # [RFC 5656 6.2.1a]
signs("negative", "ecdsa", "negative numbers", "RFC 4251 §5", lambda p, h: string("ecdsa-sha2-nistp256") + string(string(b"\xff" * 32) + string(b"\xff" * 32)))  # [RFC 5656 3.1.2a]
signs("sha1", "rsa", "ssh-rsa with SHA-1, which was not negotiated", "RFC 8332 §3", lambda p, h: p.host_key().sign("ssh-rsa", h))
signs("sha256-named-512", "rsa", "made with SHA-256 under the name of SHA-512", "RFC 8332 §3", lambda p, h: string(p.algorithm) + string(p.host_key().raw_sign("rsa-sha2-256" if p.algorithm == "rsa-sha2-512" else "rsa-sha2-512", h)))  # [RFC 8332 3b]
signs("other-negotiated", "rsa", "another of rsa-sha2-* than was negotiated", "RFC 8332 §3", lambda p, h: p.host_key().sign("rsa-sha2-256" if p.algorithm == "rsa-sha2-512" else "rsa-sha2-512", h))  # [RFC 8332 3.1a]
signs("short", "rsa", "the leading byte left out", "RFC 8332 §3", lambda p, h: string(p.algorithm) + string(p.host_key().raw_sign(p.algorithm, h)[1:]))
signs("number-over", "rsa", "a number over the modulus", "RFC 8332 §3", lambda p, h: string(p.algorithm) + string(b"\xff" * 256))
signs("s-order", "ed25519", "s with the order added", "RFC 8709 §6", lambda p, h: string("ssh-ed25519") + string(
    p.host_key().raw_sign("", h)[:32] + (int.from_bytes(p.host_key().raw_sign("", h)[32:], "little") + keys.ED25519_ORDER).to_bytes(32, "little")))
signs("zero", "ed25519", "64 zeros", "RFC 8709 §6", lambda p, h: string("ssh-ed25519") + string(bytes(64)))
signs("63", "ed25519", "63 bytes", "RFC 8709 §6", lambda p, h: string("ssh-ed25519") + string(bytes(63)))

# ---- host keys: RFC 4253 §6.6, §8 ----

HOST = Table(prefix="host-key-", state="kex", at="kex_reply", do=lambda p, m: [m])


class Shown:
    """A host key whose public part is shown differently."""

    def __init__(self, key, blob):
        self.key, self.blob, self.algorithms = key, blob, key.algorithms

    def public(self):
        return self.blob

    def sign(self, algorithm, data):
        return self.key.sign(algorithm, data)


def shows(name, key, sends, requires, change, says):
    HOST.row(name, sends, requires, ERROR, says=says, twist={"host_key": lambda p: Shown(p.keys[key], change(p.keys[key].public()))})


BLOB = "host key|key blob|public key|signature|KEX_ECDH_REPLY|Host key|HOST IDENTIFICATION"
shows("empty", "ed25519", "no host key", "RFC 4253 §6.6", lambda b: b"", BLOB)
shows("trailing", "ed25519", "a byte behind the key", "RFC 4253 §6.6", lambda b: b + b"\0", BLOB)  # [RFC 4253 6.6d]
shows("cut", "ed25519", "a key cut off", "RFC 4253 §6.6", lambda b: b[:-1], BLOB)
shows("lies", "ed25519", "an inner length of 2^32-1", "RFC 4251 §5", lambda b: b[:15] + b"\xff\xff\xff\xff" + b[19:], BLOB)
shows("type-other", "ed25519", "a key of another type than was negotiated", "RFC 4253 §8", lambda b: string("ssh-rsa") + mpint(65537) + mpint(2**2047 + 1), BLOB)  # [RFC 4253 6.6b]
shows("type-unknown", "ed25519", "a type that nobody knows", "RFC 4253 §6.6", lambda b: string("ssh-none") + string(b"x"), BLOB)
shows("ed25519-zero", "ed25519", "a key of zeros", "RFC 8709 §4", lambda b: string("ssh-ed25519") + string(bytes(32)), BLOB)
shows("ed25519-31", "ed25519", "a key of 31 bytes", "RFC 8709 §4", lambda b: string("ssh-ed25519") + string(bytes(31)), BLOB)
shows("ecdsa-off-curve", "ecdsa", "a point off the curve", "RFC 5656 §3.1", lambda b: flip(b, -1), BLOB)
shows("ecdsa-curve-other", "ecdsa", "the name of another curve inside", "RFC 5656 §3.1", lambda b: b.replace(b"nistp256", b"nistp384", 2).replace(b"sha2-nistp384", b"sha2-nistp256", 1), BLOB)  # [RFC 5656 3.1a]
shows("ecdsa-infinity", "ecdsa", "the point at infinity", "RFC 5656 §3.1", lambda b: string("ecdsa-sha2-nistp256") + string("nistp256") + string(b"\0"), BLOB)
shows("rsa-512", "rsa", "a modulus of 512 bits", "RFC 8332 §5.1", lambda b: string("ssh-rsa") + mpint(65537) + mpint(2**511 + 1), BLOB + "|RSA|bits")  # [RFC 8332 5.1a]
shows("rsa-even", "rsa", "an even modulus", "RFC 4253 §6.6", lambda b: string("ssh-rsa") + mpint(65537) + mpint(2**2047), BLOB)
shows("rsa-exponent-1", "rsa", "the exponent 1", "RFC 4253 §6.6", lambda b: string("ssh-rsa") + mpint(1) + mpint(2**2047 + 1), BLOB)
shows("rsa-exponent-huge", "rsa", "an exponent of 2,000 bits", "RFC 4253 §6.6", lambda b: string("ssh-rsa") + mpint(2**2000 + 1) + mpint(2**2047 + 1), BLOB)
shows("rsa-32768", "rsa", "a modulus of 32,768 bits", "RFC 4253 §6.6", lambda b: string("ssh-rsa") + mpint(65537) + mpint(2**32767 + 1), BLOB)
shows("rsa-zero", "rsa", "a modulus of zero", "RFC 4253 §6.6", lambda b: string("ssh-rsa") + mpint(65537) + mpint(0), BLOB)
shows("rsa-negative", "rsa", "a negative modulus", "RFC 4251 §5", lambda b: string("ssh-rsa") + mpint(65537) + string(b"\xff" * 256), BLOB)
HOST.row("not-known", "a key that is not the known one", "RFC 4251 §4.1", ERROR, says="IDENTIFICATION|verification failed", twist={"host_key": lambda p: p.keys["stranger"]})  # [RFC 4251 4.1b]
R = Table(prefix="host-key-", state="rekey", at="kex_reply:2", do=lambda p, m: [m])
R.row("changes-at-rekey", "another known key of the host at a re-exchange", "RFC 4253 §9", ERROR, says="host key|changed",
      twist={"host_key": lambda p: p.keys["ecdsa" if p.exchanges else "ed25519"]})
R.row("stranger-at-rekey", "an unknown key at a re-exchange", "RFC 4253 §9", ERROR, says="host key|changed", twist={"host_key": lambda p: p.keys["stranger" if p.exchanges else "ed25519"]})
R.row("signature-at-rekey", "a bad signature at a re-exchange", "RFC 4253 §9", ERROR, says="signature",
      twist={"signature": lambda p, h: flip(p.host_key().sign(p.algorithm, h), -1 if p.exchanges else 0) if p.exchanges else p.host_key().sign(p.algorithm, h)})
R.row("share-at-rekey", "a share of zeros at a re-exchange", "RFC 8731 §3", ERROR, says="public value", twist={"share": lambda p, s: bytes(32) if p.exchanges else s})

# ---- certificates: OpenSSH's PROTOCOL.certkeys ----

CERT = Table(prefix="certificate-", state="kex", at="kex_reply")
CERT_WORDS = "ertificate|authority|Host key|IDENTIFICATION|host key|KEX_ECDH_REPLY|verification failed"


def certificate(name, sends, expect=ERROR, requires="OpenSSH PROTOCOL.certkeys", says=CERT_WORDS, change=None, **fields):
    def key(p):
        if not hasattr(p, "certificate"):
            given = {k: v() if callable(v) else v for k, v in fields.items()}
            p.certificate = Certificate(p.keys[given.pop("by", "authority")], **given)
            if change:
                p.certificate.blob = change(p.certificate.blob)
        return p.certificate
    if expect == CARRY_ON:
        CERT.row(name, sends, requires, expect, at="open", do=lambda p, m: [], twist={"host_key": key})
    else:
        CERT.row(name, sends, requires, expect, do=lambda p, m: [m], says=says, twist={"host_key": key})


certificate("good", "a certificate of the known authority", CARRY_ON)
certificate("expired", "one that has expired", before=lambda: now() - 3600)
certificate("not-yet", "one that is not valid yet", after=lambda: now() + 3600)
certificate("never", "one whose end lies before its beginning", after=lambda: now() + 10, before=lambda: now() - 10)
certificate("principal-wrong", "one for another host", principals=("elsewhere",))
certificate("principal-nul", "a principal that goes on behind a null character", principals=("hostile\0.example",))
certificate("principal-prefix", "a principal that begins like the host", principals=("hostile.example",))
certificate("forged", "a signature of the authority with one bit changed", forge=True)
certificate("stranger", "one of an unknown authority", by="stranger")
certificate("user-kind", "a user's certificate", kind=1)
certificate("kind-3", "a kind that does not exist", kind=3)
certificate("critical-unknown", "a critical option that nobody knows", critical=option("no-such-option@example"))
certificate("critical-force", "a user's critical option", critical=option("force-command", string("id")))
certificate("extension-unknown", "an extension that nobody knows: to be ignored", CARRY_ON, extensions=option("no-such@example"))
certificate("trailing", "bytes behind the certificate", trailing=b"\0\0\0\0")
certificate("critical-lies", "a length inside of the options that lies", critical=b"\0\0\1\0abc")
certificate("principals-lie", "a length inside of the principals that lies", change=lambda b: b.replace(string("hostile"), b"\xff\xff\xff\xffhostile"))
certificate("cut", "one that is cut off", change=lambda b: b[:-20])
certificate("serial-huge", "the largest serial number", CARRY_ON, serial=2**64 - 1)
certificate("key-id-escapes", "escape sequences in the key id", CARRY_ON, key_id=b"\x1b[2J\xff\x07")
certificate("principals-many", "a thousand principals, the last one right", CARRY_ON, principals=tuple(f"h{i}" for i in range(1000)) + ("hostile",))
certificate("at-limits", "valid from 0 to the end of time", CARRY_ON, after=0, before=2**64 - 1)

# ---- ext-info: RFC 8308 ----

EXT = Table(prefix="ext-info-", state="service", at="ext_info")
EXT.row("twice", "EXT_INFO twice behind NEWKEYS", "RFC 8308 §2.4", ERROR, do=lambda p, m: [m, m, m], says="EXT_INFO")
EXT.row("none", "none at all", "RFC 8308 §2.4", CARRY_ON, do=lambda p, m: [])  # [RFC 8308 2.4d]
EXT.row("empty", "no extensions", "RFC 8308 §2.3", CARRY_ON, do=lambda p, m: [msg(wire.EXT_INFO, 0)])  # [RFC 8308 2.2a]
EXT.row("count-lies", "a count of 2^32-1", "RFC 8308 §2.3", ERROR, do=lambda p, m: [msg(wire.EXT_INFO, 2**32 - 1)], says="EXT_INFO")
EXT.row("count-short", "one more than it says", "RFC 8308 §2.3", ERROR, do=lambda p, m: [m + string("x") + string("y")], says="EXT_INFO")
EXT.row("many", "20,000 extensions", "RFC 8308 §2.5", CARRY_ON, do=lambda p, m: [msg(wire.EXT_INFO, 20000, *["x", "y"] * 20000)])  # [RFC 8308 2.5d]
EXT.row("name-twice", "the same extension twice", "RFC 8308 §2.5", CARRY_ON, do=lambda p, m: [msg(wire.EXT_INFO, 2, "server-sig-algs", "ssh-ed25519", "server-sig-algs", "rsa-sha2-256")])
EXT.row("sig-algs-empty", "no signature algorithm", "RFC 8308 §3.1", CARRY_ON, do=lambda p, m: [msg(wire.EXT_INFO, 1, "server-sig-algs", "")])
EXT.row("sig-algs-huge", "30,000 bytes of algorithms", "RFC 8308 §3.1", CARRY_ON, do=lambda p, m: [msg(wire.EXT_INFO, 1, "server-sig-algs", "x," * 15000 + "ssh-ed25519")])
EXT.row("binary", "values that are no text", "RFC 8308 §2.5", CARRY_ON, do=lambda p, m: [msg(wire.EXT_INFO, 2, string(b"\xff\0"), string(bytes(256)), "no-flow-control", "p")])  # [RFC 8308 2.5a 2.5b]
EXT.row("before-success", "a second one right before the success, as it may", "RFC 8308 §2.4", CARRY_ON, at="auth_success", do=lambda p, m: [msg(wire.EXT_INFO, 0), m])  # [RFC 8308 2.4c]

# ---- rekey storms: RFC 4253 §9 ----

Q = Table(prefix="rekey-", state="rekey")
Q.row("in-mid-data", "a re-exchange while data flows", "RFC 4253 §9", CARRY_ON, at="rekey")
Q.row("data-inside", "DATA between the peer's KEXINIT and NEWKEYS: MUST NOT be sent, and some servers do; the old keys protect it", "RFC 4253 §7.1", CARRY_ON,
      at="kex_reply:2", do=lambda p, m: [msg(wire.DATA, p.first.theirs, "late"), m])
for s in ("chacha", "mac", "etm"):
    Q.row(f"in-mid-data-{s}", f"a re-exchange with {s}", "RFC 4253 §9", CARRY_ON, at="rekey", suite=s)
