"""The daemon's state folder as a bad disk, a bad copy or another program leaves it: aditd(8), FILES. What cannot be read ends the daemon
before anything is begun, with its file and place, and the file stays as it is, to the byte: nothing is lost. What is only old, or a
token, is replaced and said."""
import json
import os

from .case import CARRY_ON, ERROR, Table
from .files import NO_FILES, place

T = Table(prefix="state-", state="file/state", at="setup", only="adit", client="words", status=2)
MAN = "aditd(8)"
RIGHT = {"version": 1, "tunnels": [{"id": "tunnel_1_00000001", "name": "web", "host": "127.0.0.1", "port": 9, "profile_id": "default", "forward_type": "local", "local_port": 0,
                                    "remote_host": "x", "remote_port": 80, "auto_start": False, "created_at": 1}]}
TEXT = json.dumps(RIGHT).encode()


def lay_out(files, more=()):
    async def setup(play):
        state = play.folder / "state"
        state.mkdir(0o700)
        for name, what in files.items():
            place(state / name, what)
        place(play.folder / "conf", b"")
        play.options[:] = ["daemon", "-c", str(play.folder / "conf"), "-F", "none", "--socket", str(play.folder / "s"), "--state", str(state), *more]
    return setup


def kept(text):
    """The bad file is there as it was, and nothing beside it but the lock."""
    return lambda play: (play.folder / "state" / "state.json").read_bytes() == text and sorted(os.listdir(play.folder / "state")) == ["lock", "state.json"]


def bad(name, sends, text, why, **more):
    T.row(name, sends, MAN, ERROR, setup=lay_out({"state.json": text}), says=f"/state/state.json(:\\d+:\\d+)?: .*({why})", proof=kept(text), **more)


def changed(**different):
    return json.dumps({**RIGHT, **different}).encode()


def tunnel(**different):
    return changed(tunnels=[{**RIGHT["tunnels"][0], **different}])


T.row("right", "a right one", MAN, CARRY_ON, setup=lay_out({"state.json": TEXT}), holds="adit: ready .* tunnels=1", proof=lambda play: (play.folder / "state/state.json").read_bytes() == TEXT)
for n in range(0, len(TEXT) - 1, 6):
    bad(f"cut-{n}", f"cut behind {n} of {len(TEXT)} bytes", TEXT[:n], ".")
bad("tail", "more behind its end", TEXT + b"x", "end of file|expected")
bad("two", "two documents", TEXT + TEXT, "end of file|expected")
for name, text, why in (("nul", bytes(300), "."), ("binary", bytes(range(256)), "."), ("utf-16", TEXT.decode().encode("utf-16"), "."), ("utf-8", TEXT.replace(b"web", b"\xff\xfe"), "decode"),
                        ("escapes", b"\x1b[2J\x1b]0;x\x07", "."), ("escapes-inside", TEXT.replace(b'"name"', b'"\x1b[2J\x07"'), "."), ("bom", b"\xef\xbb\xbf" + TEXT, ".")):
    bad(name, f"bytes that are no JSON: {name}", text, why)
for name, text in (("list", b"[]"), ("null", b"null"), ("number", b"1"), ("text", b'"x"'), ("empty", b"{}"), ("version-text", changed(version="1")), ("version-0", changed(version=0)),
                   ("version-negative", changed(version=-1)), ("version-real", changed(version=1.0)), ("version-null", changed(version=None)), ("no-version", b'{"tunnels":[]}'),
                   ("tunnels-object", changed(tunnels={})), ("tunnels-null", changed(tunnels=None)), ("no-tunnels", b'{"version":1}'), ("tunnels-texts", changed(tunnels=["x"])),
                   ("tunnels-null-inside", changed(tunnels=[None])), ("tunnels-nested", changed(tunnels=[RIGHT["tunnels"]]))):
    bad(f"type-{name}", f"of another shape: {name}", text, "version|tunnels|object|expected|integer")
for version in (2, 2**31, 2**63 - 1):
    bad(f"version-{version}", f"version {version}", changed(version=version), "newer")
bad("version-2-64", "version 2^64", changed(version=2**64), "too big|integer")
for member in RIGHT["tunnels"][0]:
    for name, value in (("list", []), ("object", {}), ("true", True), ("real", 1.5), ("huge", 2**62), ("negative", -1), ("long", "x" * 5000), ("escapes", "\x1b[2J\x07"), ("nul", "a\0b")):
        odd_but_fine = (member, name) in {("auto_start", "true"), ("created_at", "huge"), ("created_at", "negative"), ("remote_host", "long"), ("id", "escapes")}
        if not odd_but_fine:
            bad(f"member-{member.replace('_', '-')}-{name}", f"{member} is {name}", tunnel(**{member: value}), member + "|tunnels|u0000|NUL")
bad("number-1000-digits", "a number of 1,000 digits", TEXT.replace(b'"port": 9', b'"port": ' + b"9" * 1000), ".")
bad("number-exponent", "1e400", TEXT.replace(b'"port": 9', b'"port": 1e400'), ".")
bad("member-twice", "a member that stands twice", TEXT.replace(b'"port": 9', b'"port": 9, "port": 10'), "duplicate")
bad("version-twice", "two versions", b'{"version":1,' + TEXT[1:], "duplicate")
bad("id-twice", "two tunnels of one id", changed(tunnels=RIGHT["tunnels"] * 2), "same")
bad("deep-lists", "100,000 lists in lists", b'{"version":1,"x":' + b"[" * 100000 + b"]" * 100000 + b"}", "depth|nest")
bad("deep-objects", "100,000 objects in objects", b'{"version":1,"x":' + b'{"a":' * 100000 + b"1" + b"}" * 100000 + b"}", "depth|nest")
bad("deep-open", "a million lists that stay open", b"[" * 10**6, "depth|nest")
T.row("deep-1000", "a member that nobody knows, a thousand levels deep", MAN, CARRY_ON, setup=lay_out({"state.json": changed(x=json.loads("[" * 900 + "]" * 900))}), holds="adit: ready ")
T.row("300-tunnels", "300 tunnels", MAN, CARRY_ON, setup=lay_out({"state.json": changed(tunnels=[{**RIGHT["tunnels"][0], "id": f"t{i}", "name": f"n{i}"} for i in range(300)])}),
      holds="adit: ready .* tunnels=300")
for name, (make, why) in NO_FILES.items():
    T.row(f"is-{name}", f"no file but: {name}", MAN, ERROR, status=2 if name == "huge" else 1, setup=lay_out({"state.json": make}), says="/state/state.json: ")
    T.row(f"token-is-{name}", f"the token is no file but: {name}", MAN, CARRY_ON, setup=lay_out({"token": make}, more=("--listen", "127.0.0.1:0")), holds="adit: ready .*listen=http")
    if name in ("huge", "fifo"):
        T.row(f"lock-is-{name}", f"the lock is no file but: {name}", MAN, CARRY_ON, setup=lay_out({"lock": make}), holds="adit: ready ")
    else:
        T.row(f"lock-is-{name}", f"the lock is no file but: {name}", MAN, ERROR, status=1, setup=lay_out({"lock": make}), says="/state/lock: ")
for name, token in (("empty", b""), ("short", b"0" * 63), ("long", b"0" * 65), ("huge", b"0" * 10**6), ("binary", bytes(64)), ("capitals", b"A" * 64), ("blank", b" " * 64), ("escapes", b"\x1b[2J" + b"0" * 60)):
    T.row(f"token-{name}", f"a token: {name}", MAN, CARRY_ON, setup=lay_out({"token": token}, more=("--listen", "127.0.0.1:0")), holds="the token (was damaged|could not be read): a new one was made(.|\n)*adit: ready ",
          proof=lambda play: len((play.folder / "state/token").read_bytes()) == 64)
for name, lock in (("number", b"1\n"), ("rubbish", b"x" * 5000), ("negative", b"-1\n"), ("huge", b"9" * 5000)):
    T.row(f"lock-{name}", f"a lock that nobody holds says: {name}", MAN, CARRY_ON, setup=lay_out({"lock": lock}), holds="adit: ready ")
T.row("left-behind", "what a killed one left", MAN, CARRY_ON, setup=lay_out({"state.json": TEXT, "state.json.new": TEXT[:40], "token.new": b"x"}), holds="adit: ready .* tunnels=1")
