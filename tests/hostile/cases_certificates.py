"""Certificates beside a key (KEY-cert.pub) and by CertificateFile: OpenSSH's PROTOCOL.certkeys. One that is damaged, of another key or
not for users is passed over, and the plain key still lets us in."""
import base64
import struct

from . import files
from .case import CARRY_ON, Table
from .files import Pair, lies, openssh, place
from .keys import Ed25519, now, option
from .wire import string, u32

C = Table(prefix="user-certificate-", state="file/certificate", at="setup", only="adit", options=("-v",))
PROTOCOL = "OpenSSH PROTOCOL.certkeys"
OWN, OTHER, AUTHORITY = Pair("ed25519"), Pair("ed25519"), Ed25519()
NAME = b"ssh-ed25519-cert-v01@openssh.com"


def fields(pair=OWN, name=NAME, kind=1, principals=string("alice"), after=0, before=2**64 - 1, critical=b"", extensions=b"", reserved=b"", authority=None, key_id=b"id",
           nonce=b"n" * 32):
    """The parts, and which of them have a length."""
    return [name, nonce, pair.public[1]], struct.pack(">QI", 1, kind), [key_id, principals], struct.pack(">QQ", after, before), \
        [critical, extensions, reserved, (authority or AUTHORITY).public()]


def signed(body, forge=False):
    signature = AUTHORITY.sign("ssh-ed25519", body)
    return body + string(signature[:-1] + bytes([signature[-1] ^ forge]))


def blob(**different):
    forge, tail = different.pop("forge", False), different.pop("tail", b"")
    return signed(b"".join(b"".join(map(string, part)) if isinstance(part, list) else part for part in fields(**different)), forge) + tail


def line(data, name=NAME):
    return name + b" " + base64.b64encode(data) + b" comment\n"


def lying():
    parts = fields()
    for at, part in enumerate(parts):
        if isinstance(part, list):
            for _, lie, text in lies(part):
                yield signed(b"".join(text if i == at else b"".join(map(string, p)) if isinstance(p, list) else p for i, p in enumerate(parts)))
    body = blob()[:-len(string(AUTHORITY.sign("ssh-ed25519", b"")))]
    for lie in files.LIES:
        yield body + u32(lie) + b"x" * 83


def lay_out(texts, key=True, named=False):
    async def setup(play):
        for i, text in enumerate(texts):
            path = play.folder / f"c{i:03}"
            if key:
                place(path, openssh(OWN))
            place(path.with_name(path.name + "-cert.pub"), text)
            play.options += [f"CertificateFile={path}-cert.pub"] if named else []
            play.options += [f"IdentityFile={path}"] if key else []
    return setup


def used(play):
    return "CERT" in play.said().partition("Will attempt key")[2]


def unused(name, sends, texts, requires=PROTOCOL, **more):
    for named in (False, True):
        C.row(name + ("-named" if named else ""), sends + (" (CertificateFile)" if named else ""), requires, CARRY_ON, setup=lay_out(texts[:90], named=named),
              twist={"peer": files.Strict}, holds="c000", proof=lambda play: not used(play) and "Will attempt key" in play.said(), **more)


C.row("right", "a right one", PROTOCOL, CARRY_ON, setup=lay_out([line(blob())]), proof=used)
C.row("right-named", "a right one, by CertificateFile", PROTOCOL, CARRY_ON, setup=lay_out([line(blob())], named=True), proof=used)
WHOLE = line(blob())
unused("cut", "cut at every fifth letter", [WHOLE[:n] for n in range(0, len(WHOLE) - 12, 6)])
unused("lengths", "each inner length lies", [line(x) for x in lying()])
unused("other-key", "of another key", [line(blob(pair=OTHER))])
unused("host", "for a host", [line(blob(kind=2))])
unused("kind-0", "for neither", [line(blob(kind=0))])
unused("kind-2-32-1", "for 2^32-1", [line(blob(kind=2**32 - 1))])
unused("name-lies", "under the name of another kind", [b"ssh-rsa-cert-v01@openssh.com " + WHOLE.split()[1] + b"\n", b"ssh-ed25519 " + WHOLE.split()[1] + b"\n"])
unused("tail", "a byte behind it", [line(blob(tail=b"x"))])
unused("authority-is-certificate", "signed by a certificate", [line(blob(authority=type("A", (), {"public": staticmethod(blob)})))])
unused("authority-rubbish", "signed by nobody", [line(blob(authority=type("A", (), {"public": staticmethod(lambda: b"rubbish")})))])
unused("principals-lie", "a principal whose length lies", [line(blob(principals=u32(2**32 - 1) + b"x"))])
unused("options-lie", "an option whose length lies", [line(blob(critical=u32(900) + b"x")), line(blob(extensions=u32(900) + b"x"))])
unused("unknown-kind", "of a kind that nobody knows", [line(string("new-cert@x") + string(b"n" * 32), b"new-cert@x")])
for name, text in {"empty": b"", "nul": bytes(300), "rubbish": b"rubbish\n", "escapes": b"\x1b[2J \x1b]0;x\x07\n", "endless": NAME + b" " + b"A" * 900000, "key": OWN.line(), "two-lines": b"\n" + WHOLE}.items():
    unused(f"text-{name}", f"its text: {name}", [text], "ssh(1), -i")
# What the server judges is offered as it is: nothing in it may hurt us.
for name, different in {"expired": dict(before=now() - 9), "not-yet": dict(after=now() + 9999), "never": dict(after=9, before=8), "critical-unknown": dict(critical=option("x@y", b"z")),
                        "extension-unknown": dict(extensions=option("x@y")), "no-principals": dict(principals=b""), "1000-principals": dict(principals=string("alice") * 1000),
                        "id-escapes": dict(key_id=b"\x1b[2J\x07\xff"), "id-long": dict(key_id=b"i" * 9000), "reserved": dict(reserved=b"x" * 99), "nonce-empty": dict(nonce=b""),
                        "forged": dict(forge=True)}.items():
    C.row(f"offered-{name}", f"the server is to judge: {name}", PROTOCOL, CARRY_ON, setup=lay_out([line(blob(**different))]), twist={"peer": files.Strict}, holds="c000")
C.row("alone", "a certificate without its key", PROTOCOL, CARRY_ON, setup=lay_out([WHOLE], key=False, named=True), twist={"peer": files.Strict}, proof=lambda play: not used(play))
