"""Escape sequences at a guest's terminal: the master looks for them, and does what it can do for that guest alone."""
import hashlib
import re
import socket
import struct
import subprocess

import pytest

from harness import servers, traffic
from harness.control import ADIT, ALIVE, PAIRS, S_ALIVE, SSH, Control, Raw, message, session
from harness.screen import Screen
from harness.wait import wait_until

HELP = """~?
Supported escape sequences:
 ~.   - terminate session
 ~B   - send a BREAK to the remote system
 ~R   - request rekey
 ~#   - list forwarded connections
 ~?   - this message
 ~~   - send the escape character by typing it twice
(Note that escapes are only recognized immediately after newline.)
""".replace("\n", "\r\n")


@pytest.fixture
def sshd(start):
    return start(servers.Sshd, log_level="INFO", options={"PrintMotd": "no", "PrintLastLog": "no"})


@pytest.fixture
def control(kit, sshd):
    return Control(kit, sshd)


@pytest.fixture
def shell(control):
    """A guest's shell that is ready: shell(program, flags...)."""
    made = []

    def make(guest, *flags):
        s = Screen(control.argv(guest, *flags), control.kit.env(TERM="vt220"))
        made.append(s)
        s.wait_prompt()
        s.type("PS1=; stty -echo; echo re''ady\r")
        s.wait("ready\r\n")
        return s

    yield make
    for s in made:
        s.close()


def said(screen, typed, regex):
    """Types something and waits for what it brings, which must be new."""
    at = len(screen.text)
    screen.type(typed)
    return wait_until(lambda: re.search(regex, screen.text[at:]), 15, lambda: repr(screen.text[at:]))


@pytest.mark.quick
@PAIRS
def test_escapes(control, shell, master, guest):
    """What they say is ssh's, letter by letter, whoever the master is."""
    m = control.master(master, "-N")
    s = shell(guest)
    said(s, "\r~?", re.escape(HELP))
    for typed, name in (("C", "C"), ("V", "V"), ("v", "v"), ("&", "&"), ("\x1a", "^Z")):
        said(s, "~" + typed, re.escape(f"~{name} escape not available to multiplexed sessions\r\n"))
    said(s, "~B", r"~B\r\n")
    said(s, "~#", r"~#\r\nThe following connections are open:\r\n  #\d ")
    said(s, "\r~~/../../../../../../../../bin/echo til''de\r", "tilde")
    said(s, "\r~x\r", "~x")
    said(s, "echo a~.''b\r", r"a~\.b")
    said(s, "\r~.", "Shared connection to 127.0.0.1 closed")
    assert s.finish() == 255 and s.settings() == s.before
    assert control.run(guest, to=["exit 3"]).returncode == 3 and m.running()


@PAIRS
def test_other_characters(control, shell, master, guest):
    control.master(master, "-N")
    s = shell(guest, "-e", "%")
    said(s, "\r~?\r", "~")
    said(s, "\r%?", r"%\.   - terminate session\r\n")
    said(s, "\r%.", "Shared connection")
    assert s.finish() == 255
    s = shell(guest, "-e", "none")
    said(s, "\r~?\r", "not found|No such file")
    s.type("exit 6\r")
    assert s.finish() == 6


def test_connections(control, shell, echo):
    """~# names sessions and forwarded connections, and which is one's own."""
    port = traffic.free_port_both()
    control.master(ADIT, "-N", "-L", f"{port}:{echo.target}")
    s = shell(SSH)
    with traffic.connect(("127.0.0.1", port)) as c:
        c.sendall(b"x")
        assert c.recv(1) == b"x"
        said(s, "\r~#", rf"  #\d direct-tcpip {re.escape(echo.target)}\r\n")
        said(s, "\r~#", r"  #\d session \(this one\)\r\n")


def test_rekey(control, shell):
    m = control.master(ADIT, "-N", "-v")
    s = shell(SSH)
    before = m.err.text.count("kex: algorithm:")
    s.type("\r~R")
    wait_until(lambda: m.err.text.count("kex: algorithm:") == before + 1, 15, lambda: m.err.text)
    said(s, "echo st''ill\r", "still")


@pytest.mark.quick
@pytest.mark.parametrize("guest", [SSH, ADIT], ids=["ssh", "adit"])
def test_quit_of_a_frozen_connection(control, shell, sshd, relay, guest):
    """The network stands still: ~. ends the guest all the same."""
    link = relay(sshd.port)
    control.kit.trust(sshd, link.port)
    plain = control.argv
    control.argv = lambda *a, **kw: [str(link.port) if w == str(sshd.port) else w for w in plain(*a, **kw)]
    control.master(ADIT, "-N")
    s = shell(guest)
    link.freeze()
    said(s, "cat /dev/zero\r\r~.", "Shared connection")
    assert s.finish() == 255 and s.settings() == s.before


@PAIRS
def test_bytes_go_through(control, master, guest):
    """A terminal without one here (-tt), fed by a pipe: every byte, though an escape character stands at lines' starts."""
    control.master(master, "-N")
    data = (b"a line\n~~ a tilde\n~x\n" + bytes(range(128, 256)) + b"~~\n") * 3000
    far = data.replace(b"\n~~", b"\n~")
    command = f"stty raw -echo; echo ready; head -c {len(far)} | sha256sum; exit 9"
    argv = control.argv(guest, "-tt", to=[command])
    p = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=control.kit.env())
    assert p.stdout.readline() == b"ready\n"
    out, _ = p.communicate(data, timeout=60)
    assert hashlib.sha256(far).hexdigest() in out.decode() and p.returncode == 9


def terminal_guest(control, command):
    """A client of our own whose three descriptors are a stream each that we have the other end of."""
    raw = Raw(control.path)
    ends = [socket.socketpair() for _ in range(3)]
    raw.send(session(command, tty=1, escape=ord("~")))
    for near, far in ends:
        raw.descriptors(far.fileno())
        far.close()
    raw.read()
    return raw, [near for near, _ in ends]


def test_nobody_reads(control):
    """What a guest is told and does not read is dropped at last: the master does not wait, nor grow."""
    m = control.master(ADIT, "-N")
    raw, (typed, _, told) = terminal_guest(control, b"cat >/dev/null")
    told.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    for _ in range(3000):
        typed.sendall(b"\r~?~#")
    control.ask(SSH, "check")
    assert m.running()
    raw.s.close()


def test_quit_of_a_raw_client(control):
    """~. closes the client's socket; all descriptors are given back. So are those of one that just goes."""
    m = control.master(ADIT, "-N")
    control.ask(ADIT, "check")
    before = m.fds()
    raw, ends = terminal_guest(control, b"cat")
    ends[0].sendall(b"\r~.")
    assert raw.over()
    wait_until(lambda: m.fds() <= before, 10, "the descriptors")
    raw, ends = terminal_guest(control, b"cat")
    for end in ends:
        end.close()
    raw.s.close()
    wait_until(lambda: m.fds() <= before, 10, "the descriptors")


def test_asked_in_the_middle(control):
    """A byte at a time is the same."""
    control.master(ADIT, "-N")
    raw, (typed, _, told) = terminal_guest(control, b"cat")
    for byte in b"\r~?":
        typed.sendall(bytes([byte]))
    text = b""
    while not text.endswith(b"after newline.)\r\n"):
        text += told.recv(100)
    assert text.decode() == HELP
    raw.send(message(ALIVE, struct.pack(">I", 5)))
    assert raw.read()[0] == S_ALIVE
    raw.s.close()
