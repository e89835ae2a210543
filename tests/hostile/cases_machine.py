"""Cases on adit's own machine in the server role: what the peer of our own lacks (hybrid key exchanges, every cipher), and
each message of an honest session changed. A row's rule is that of server.c."""
from .case import CARRY_ON, ERROR, Table

SECRET = dict(auth="password", options=())


def row(name, state, sends, requires, expect, rule, options=(), **more):
    Table(prefix="machine-").row(name, sends, requires, expect, state=state, at="rule", machine=(rule,), auth="password",
                                 options=options, **more)


# ---- hybrid shares: draft-ietf-sshm-mlkem-hybrid-kex, draft-ietf-sshm-ntruprime-ssh; both on RFC 8731 ----

SHARE = {"mlkem768x25519-sha256": 1088 + 32, "sntrup761x25519-sha512@openssh.com": 1039 + 32}
for method, size in SHARE.items():
    short, kex = method[:5], (f"KexAlgorithms={method}",)
    for word, n in {"empty": 0, "1": 1, "short": size - 1, "long": size + 1, "x25519-alone": 32, "pq-alone": size - 32, "huge": 30000}.items():
        row(f"{short}-{word}", "kex", f"a share of {n} bytes for {method}", "RFC 8731 §3", ERROR, f"31 field 1 resize {n}", kex, says="public value|KEX_ECDH_REPLY")
    row(f"{short}-zero", "kex", "a share of zeros", "RFC 8731 §3", ERROR, "31 field 1 fill 00", kex, says="public value|signature")
    row(f"{short}-x25519-zero", "kex", "a share whose X25519 part is zero", "RFC 8731 §3", ERROR, "31 field 1 tail 32", kex, says="public value")
    row(f"{short}-ones", "kex", "a share of 0xff", "RFC 8731 §3", ERROR, "31 field 1 fill ff", kex, says="public value|signature")
    for at in (0, 500, -40, -32, -1):
        row(f"{short}-flip{at}", "kex", f"one bit of the share changed (byte {at})", "RFC 4253 §8", ERROR, f"31 field 1 flip {at}", kex, says="public value|signature")

# ---- a bit changed in a sealed packet: every cipher and MAC ----

MACS = ("hmac-sha2-256", "hmac-sha2-512", "hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com")
CIPHERS = [("chacha20-poly1305@openssh.com", None), ("aes128-gcm@openssh.com", None), ("aes256-gcm@openssh.com", None)] + [
    (f"aes{bits}-ctr", mac) for bits in (128, 192, 256) for mac in MACS]
for cipher, mac in CIPHERS:
    word = cipher.split("@")[0] + ("-" + mac.split("@")[0] if mac else "")
    options = (f"Ciphers={cipher}",) + ((f"MACs={mac}",) if mac else ())
    for number, what in ((52, "success"), (91, "confirmation")):
        row(f"spoilt-{what}-{word}", "auth" if number == 52 else "channel", f"a bit of the tag of USERAUTH_{what.upper()}" if number == 52 else "a bit of a tag",
            "RFC 4253 §6.4", ERROR, f"{number} spoil -1", options, says="MAC")

# ---- each message of an honest session ----

NO_PLACE = "out of place|KEXINIT|channel|before the key exchange|without"
HONEST = {6: ("service", "SERVICE_ACCEPT", "RFC 4253 §10"), 31: ("kex", "the reply", "RFC 4253 §8"), 21: ("newkeys", "NEWKEYS", "RFC 4253 §7.3"),
          20: ("kex", "KEXINIT", "RFC 4253 §7.1"), 52: ("auth", "USERAUTH_SUCCESS", "RFC 4252 §5.1"), 91: ("channel", "a confirmation", "RFC 4254 §5.1")}
for number, (state, what, section) in HONEST.items():
    row(f"twice-{number}", state, f"{what} twice", section, ERROR, f"{number} twice", says=NO_PLACE + "|MAC|[Pp]acket length|RFC")
    if number != 91:  # what stands behind a confirmation is its type's own
        row(f"trailing-{number}", state, f"{what} with a byte too many", section, ERROR, f"{number} add 00", says="RFC|signature")
    row(f"instead-{number}", state, f"a message of nobody's in place of {what}, and the end", section, ERROR, f"{number} end",
        says="closed|reset|NEWKEYS|[Pp]acket length|out of place")
row("twice-7", "service", "EXT_INFO twice", "RFC 8308 §2.4", CARRY_ON, "7 twice")
row("drop-7", "service", "no EXT_INFO", "RFC 8308 §2.4", CARRY_ON, "7 drop")
for i, what in enumerate(("host key", "share", "signature")):
    for n in (0, 2**31, 2**32 - 1):
        row(f"reply-{what.replace(' ', '-')}-says-{n}", "kex", f"the length of the reply's {what} says {n}", "RFC 4251 §5", ERROR, f"31 length {i} {n}",
            says="KEX_ECDH_REPLY|public value|host key|signature")
    for at in (0, 5, -1):
        row(f"reply-{what.replace(' ', '-')}-flip{at}", "kex", f"a bit of the reply's {what} (byte {at})", "RFC 4253 §8", ERROR, f"31 field {i} flip {at}",
            says="KEX_ECDH_REPLY|public value|[Hh]ost key|signature|KEX")
