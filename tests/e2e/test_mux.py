"""Control sockets: adit as the master of ssh, ssh as the master of adit, and clients that mean no good."""
import array
import os
import re
import socket
import stat
import struct
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from harness import client as client_module
from harness import servers, traffic
from harness.control import (ADIT, ALIVE, CLOSE, EXIT, FAILURE, HELLO, NEW_SESSION, OK, OPEN, OPENED, PAIRS, PROXY, S_ALIVE,
                             SSH, STDIO, STOP, Control, Raw, is_socket, links, message, session, string)
from harness.wait import wait_until


@pytest.fixture
def sshd(start):
    return start(servers.Sshd, log_level="INFO")


@pytest.fixture
def control(kit, sshd):
    return Control(kit, sshd)


@pytest.mark.quick
@PAIRS
def test_check_and_exit(control, master, guest):
    """-O check names the master's process, -O exit ends it; the socket is private, and gone afterwards."""
    m = control.master(master, "-N")
    assert is_socket(control.path) and stat.S_IMODE(os.stat(control.path).st_mode) == 0o600
    done = control.ask(guest, "check")
    assert done.stderr == b"Master running (pid=%d)\r\n" % m.pid and done.stdout == b""
    assert control.ask(guest, "exit").stderr == b"Exit request sent.\r\n"
    m.finish()
    assert not control.path.exists()
    done = control.ask(guest, "check", status=255)
    assert b"Control socket connect(%s): No such file or directory" % bytes(control.path) in done.stderr


@PAIRS
def test_session(control, master, guest):
    """A command through the master: bytes, both outputs, the end of stdin and the exit status; one login alone."""
    control.master(master, "-N")
    mark = control.server.mark()
    data = os.urandom(3_000_000)
    done = control.run(guest, to=["cat; echo err >&2; exit 7"], data=data)
    assert (done.returncode, done.stdout == data, done.stderr) == (7, True, b"err\n")
    assert control.run(guest, to=["kill -9 $$"]).returncode == 255
    assert control.run(guest, data=b"echo in a shell; exit 4\n").returncode == 4
    assert control.run(guest, "-s", to=["nosuch"]).returncode == 255
    assert "Accepted" not in control.server.text(mark)


@PAIRS
def test_agent(control, master, guest, ssh_agent, user_key):
    """With -A at both, a guest has the agent; one without -A has not (before: sshd keeps it for the connection)."""
    path = str(ssh_agent(user_key))
    m = client_module.Client(control.argv(master, "-M", "-N", "-A"), control.kit.env(SSH_AUTH_SOCK=path))
    control.kit.clients.append(m)
    wait_until(control.path.exists, 15, lambda: m.err.text)
    env = {"SSH_AUTH_SOCK": path}
    assert control.run(guest, "-a", to=["test -z \"$SSH_AUTH_SOCK\""], env=env).returncode == 0
    assert b"ssh-ed25519" in control.run(guest, "-A", to=["ssh-add -L"], env=env, status=0).stdout


@PAIRS
def test_sessions_side_by_side(control, master, guest):
    """Many guests at once do not wait for each other."""
    control.master(master, "-N")
    argv = control.argv(guest, to=["read x; echo got $x; exit 3"])
    running = [subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=control.kit.env())
               for _ in range(8)]
    for i, p in reversed(list(enumerate(running))):
        assert p.communicate(b"%d\n" % i, timeout=20)[0] == b"got %d\n" % i and p.returncode == 3


@PAIRS
def test_forwards(control, master, guest, echo):
    """-O forward and -O cancel of -L, -R and -D; the port that the server chose is told."""
    control.master(master, "-N")
    port = traffic.free_port_both()
    spec = f"{port}:{echo.target}"
    control.ask(guest, "forward", "-L", spec)
    control.ask(guest, "forward", "-L", spec)
    with traffic.connect(("127.0.0.1", port)) as s:
        s.sendall(b"hello")
        assert s.recv(5, socket.MSG_WAITALL) == b"hello"
        control.ask(guest, "cancel", "-L", spec)
        s.sendall(b"still")
        assert s.recv(5, socket.MSG_WAITALL) == b"still"
    with pytest.raises(OSError):
        traffic.connect(("127.0.0.1", port))
    assert b"port not forwarded" in control.ask(guest, "cancel", "-L", spec).stderr
    done = control.ask(guest, "forward", "-R", f"127.0.0.1:0:{echo.target}")
    chosen = int(done.stdout)
    with traffic.connect(("127.0.0.1", chosen)) as s:
        s.sendall(b"again")
        assert s.recv(5, socket.MSG_WAITALL) == b"again"
    control.ask(guest, "forward", "-D", str(port))
    wait_until(lambda: traffic.listeners(port), 5, "the SOCKS port")
    control.ask(guest, "cancel", "-D", str(port))
    wait_until(lambda: not traffic.listeners(port), 5, "no SOCKS port")


@PAIRS
def test_forward_refused(control, master, guest):
    """A forward that cannot be had is an error of the client's alone."""
    control.master(master, "-N")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = control.ask(guest, "forward", "-L", f"127.0.0.1:{taken.getsockname()[1]}:127.0.0.1:9", status=255)
        assert b"forwarding request failed: Port forwarding failed" in done.stderr
        spec = f"127.0.0.1:{taken.getsockname()[1]}:127.0.0.1:9"
        done = control.ask(guest, "forward", "-R", spec, status=255)
        assert b"remote port forwarding failed for listen port" in done.stderr
    control.ask(guest, "check")


@PAIRS
def test_stdio_forward(control, master, guest, echo):
    """-W through the master."""
    control.master(master, "-N")
    p = subprocess.Popen(control.argv(guest, "-W", echo.target), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                         env=control.kit.env())
    p.stdin.write(b"ping")
    p.stdin.flush()
    assert p.stdout.read(4) == b"ping"
    p.stdin.close()
    assert p.stdout.read() == b"" and p.wait(20) == 0


@PAIRS
def test_terminal(control, master, guest):
    """A terminal of the guest's own, with its size; both sides of it end well."""
    control.master(master, "-N")
    argv = control.argv(guest, "-tt", to=["tty; stty size; exit 5"])
    words = " ".join("'" + a.replace("'", "'\\''") + "'" for a in argv)
    done = subprocess.run(["script", "-qec", f"stty rows 33 cols 77; exec {words}", "/dev/null"], env=control.kit.env(),
                          capture_output=True, timeout=30, stdin=subprocess.DEVNULL)
    assert done.returncode == 5 and b"/dev/pts/" in done.stdout and b"33 77" in done.stdout
    assert b"Shared connection to 127.0.0.1 closed." in done.stdout


@PAIRS
def test_guest_killed(control, master, guest):
    """A guest that dies takes its session with it; the master has no descriptor more than before."""
    m = control.master(master, "-N")
    control.ask(guest, "check")
    before = wait_until(m.fds, 5, "")
    p = subprocess.Popen(control.argv(guest, to=["echo up; exec cat"]), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                         env=control.kit.env())
    assert p.stdout.readline() == b"up\n"
    p.kill()
    p.wait()
    wait_until(lambda: m.fds() <= before, 10, lambda: f"{before} descriptors, now {m.fds()}")
    control.ask(guest, "check")


@PAIRS
def test_stop(control, master, guest):
    """-O stop: no new clients, but what there is goes on."""
    m = control.master(master, "-N")
    p = subprocess.Popen(control.argv(guest, to=["echo up; read x; echo $x"]), stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE, env=control.kit.env())
    assert p.stdout.readline() == b"up\n"
    assert control.ask(guest, "stop").stderr == b"Stop listening request sent.\r\n"
    wait_until(lambda: not control.path.exists(), 5, "no socket")
    assert p.communicate(b"word\n", timeout=10)[0] == b"word\n" and p.returncode == 0
    m.finish()  # although it has -N


def has_ended(pid):
    """Also while nobody has asked for its status yet."""
    try:
        return open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


@PAIRS
@pytest.mark.parametrize("persist", ["60", "yes"])
def test_stop_ends_a_persistent_master(control, master, guest, persist):
    """A master in the background that nobody can reach any more ends when its last session does."""
    options = ["-o", "ControlMaster=auto", "-o", f"ControlPersist={persist}"]
    control.run(master, *options, to=["exit 0"], status=0)
    pid = int(re.search(rb"pid=(\d+)", control.ask(guest, "check").stderr).group(1))
    p = subprocess.Popen(control.argv(guest, to=["echo up; read x; echo $x"]), stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE, env=control.kit.env())
    assert p.stdout.readline() == b"up\n"
    control.ask(guest, "stop")
    assert p.communicate(b"word\n", timeout=10)[0] == b"word\n" and p.returncode == 0
    wait_until(lambda: has_ended(pid), 10, "the master's end")


@PAIRS
def test_auto_and_persist(control, master, guest):
    """ControlMaster auto and ControlPersist: the first makes the master, which stays; the others are its guests."""
    options = ["-o", "ControlMaster=auto", "-o", "ControlPersist=60"]
    mark = control.server.mark()
    done = control.run(master, *options, to=["cat; exit 3"], data=b"first")
    assert (done.returncode, done.stdout) == (3, b"first")
    pid = int(re.search(rb"pid=(\d+)", control.ask(guest, "check").stderr).group(1))
    done = control.run(guest, *options, to=["cat; exit 4"], data=b"second")
    assert (done.returncode, done.stdout) == (4, b"second")
    assert control.server.text(mark).count("Accepted") == 1
    control.ask(guest, "exit")
    wait_until(lambda: not control.path.exists() and not os.path.exists(f"/proc/{pid}"), 10, "the master's end")


@pytest.mark.quick
def test_persist_ends(control):
    """After ControlPersist's time without a session the master is gone, and its socket with it."""
    control.run(ADIT, "-o", "ControlMaster=auto", "-o", "ControlPersist=1", to=["exit 0"], status=0)
    wait_until(lambda: not control.path.exists(), 15, "the end of the master")


def test_persist_ends_after_a_forwarded_connection(control, echo):
    """A forwarded connection that outlives its client puts the end off, and its own end begins ControlPersist's time."""
    port = traffic.free_port_both()
    argv = control.argv(ADIT, "-o", "ControlMaster=auto", "-o", "ControlPersist=1", "-L", f"{port}:{echo.target}",
                        to=["cat"])
    first = client_module.Client(argv, control.kit.env(), stdin=subprocess.PIPE)
    control.kit.clients.append(first)
    wait_until(lambda: traffic.listeners(port), 15, lambda: first.err.text)
    with traffic.connect(("127.0.0.1", port)) as s:
        def say(text):
            s.sendall(text)
            assert s.recv(len(text), socket.MSG_WAITALL) == text
        say(b"open")
        first.proc.kill()  # alone: the master is its child
        say(b"twice, so that")
        say(b"the master has seen it go")
        begin = time.monotonic()
        wait_until(lambda: time.monotonic() > begin + 2, 10, "more than ControlPersist's time")
        assert control.path.exists()
        say(b"still")
    wait_until(lambda: not control.path.exists(), 15, "the end of the master")


@pytest.mark.parametrize("program", [ADIT, SSH], ids=["adit", "ssh"])
def test_persist_without_a_session(control, program):
    """With -N the command returns when the master stands, which is in the background then."""
    control.run(program, "-N", "-o", "ControlMaster=auto", "-o", "ControlPersist=60", status=0)
    assert control.run(ADIT, to=["exit 3"]).returncode == 3
    control.ask(ADIT, "exit")
    wait_until(lambda: not control.path.exists(), 10, "the master's end")


@pytest.mark.parametrize("master", [ADIT, SSH], ids=["adit", "ssh"])
def test_guest_without_a_session(control, master, echo):
    """-N as a guest: no shell, whatever is typed; the forwards are the master's, and it stays as long as that."""
    m = control.master(master, "-N")
    port = traffic.free_port_both()
    argv = control.argv(ADIT, "-N", "-L", f"{port}:{echo.target}")
    p = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=control.kit.env())
    wait_until(lambda: traffic.listeners(port), 15, "the forward")
    p.stdin.write(b"echo a shell\n")
    p.stdin.close()
    with traffic.connect(("127.0.0.1", port)) as s:
        s.sendall(b"hello")
        assert s.recv(5, socket.MSG_WAITALL) == b"hello"
    assert p.poll() is None
    done = control.run(ADIT, "-N", "-f", status=0)  # back at once
    assert (done.stdout, done.stderr) == (b"", b"")
    control.ask(ADIT, "exit")
    assert p.wait(20) == 0 and p.stdout.read() == b""
    m.finish()


def test_master_waits_for_guests(control):
    """A master whose own command is over stays until its guests are done, and has its own exit status."""
    m = control.master(ADIT, to=["read x; exit 9"], stdin=subprocess.PIPE)
    p = subprocess.Popen(control.argv(SSH, to=["echo up; read x; echo $x; exit 2"]), stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE, env=control.kit.env())
    assert p.stdout.readline() == b"up\n"
    m.proc.stdin.write(b"\n")
    m.proc.stdin.close()
    wait_until(lambda: not control.path.exists(), 10, "the socket's end")
    assert p.communicate(b"late\n", timeout=10)[0] == b"late\n" and p.returncode == 2
    assert m.finish() == 9


def test_second_master(control):
    """A path that is taken: said, and the connection works without sharing; the first keeps its socket."""
    first = control.master(ADIT, "-N")
    done = control.run(ADIT, "-M", to=["echo own"], status=0)
    assert done.stdout == b"own\n" and b"ControlSocket %s already exists" % bytes(control.path) in done.stderr
    assert b"pid=%d" % first.pid in control.ask(SSH, "check").stderr


def test_stale_socket(control):
    """A socket that a killed master left makes way for a new one with ControlMaster auto."""
    first = control.master(ADIT, "-N")
    first.proc.kill()
    first.proc.wait()
    assert is_socket(control.path)
    done = control.run(ADIT, "-o", "ControlMaster=auto", "-o", "ControlPersist=30", to=["echo new"], status=0)
    assert done.stdout == b"new\n"
    control.ask(ADIT, "exit")


def test_path_tokens(control, kit):
    """%-tokens in ControlPath, as ssh replaces them."""
    folder = Path(tempfile.mkdtemp(prefix="m"))  # a short path: a socket's has an end
    control.path = folder / "c-%C"
    m = client_module.Client(control.argv(ADIT, "-M", "-N"), kit.env())
    kit.clients.append(m)
    wait_until(lambda: [p for p in folder.iterdir() if re.fullmatch("c-[0-9a-f]{40}", p.name)], 10,
               lambda: m.err.text)
    assert b"pid=%d" % m.pid in control.ask(ADIT, "check").stderr
    assert b"pid=%d" % m.pid in control.ask(SSH, "check").stderr
    control.ask(SSH, "exit")
    wait_until(lambda: not list(folder.iterdir()), 10, "an empty folder")
    folder.rmdir()


def test_words(control):
    """What is refused before anything is connected."""
    done = subprocess.run([ADIT, *control.kit.base(), "-O", "check", "nowhere"], capture_output=True,
                          env=control.kit.env(), timeout=10)
    assert done.returncode == 255 and b'No ControlPath specified for "-O" command' in done.stderr
    assert b"Invalid multiplex command" in control.run(ADIT, "-O", "nonsense", status=255).stderr


# ---- Clients that break the protocol

def damaged():
    """Each must end the connection."""
    ok = session(b"true")
    yield "too long", struct.pack(">I", 1 << 30)
    yield "longest and one", struct.pack(">I", 256 * 1024 + 1)
    yield "too short", struct.pack(">I", 3) + b"abc"
    yield "empty", struct.pack(">I", 0)
    yield "session cut", string(ok[4:-9])
    yield "string beyond", message(NEW_SESSION, struct.pack(">I", 1) + struct.pack(">I", 0xffffffff))
    yield "zero in the command", session(b"tr\0ue")
    yield "environment cut", session(b"true", env=struct.pack(">I", 50) + b"A=b")
    yield "forward cut", message(OPEN, struct.pack(">III", 1, 1, 900) + b"x")
    yield "hello twice", message(HELLO, struct.pack(">I", 4))
    yield "other version", message(HELLO, struct.pack(">I", 3))
    yield "more behind", message(ALIVE, struct.pack(">II", 1, 2))
    yield "no id", message(ALIVE)


@pytest.fixture
def master(control):
    """adit, and a check at the end that it is whole: answers, and holds no descriptor of those who came."""
    m = control.master(ADIT, "-N")
    control.ask(ADIT, "check")
    before = m.fds()
    yield m
    control.ask(SSH, "check")
    wait_until(lambda: m.fds() <= before, 10, lambda: f"{before} descriptors at first, now {links(m)}")
    assert m.stop() == 0
    assert not control.path.exists()


@pytest.mark.parametrize("name,data", list(damaged()), ids=[n for n, _ in damaged()])
def test_damaged(control, master, name, data):
    raw = Raw(control.path)
    raw.send(data)
    if data.startswith(session(b"true")[:8]):
        try:
            raw.descriptors(0, 1)
        except OSError:
            pass
    assert raw.over()


def test_before_hello(control, master):
    raw = Raw(control.path, hello=False)
    raw.send(message(ALIVE, struct.pack(">I", 1)))
    assert raw.over()


def test_unknown_requests(control, master):
    """Refused by their number; the connection stays."""
    raw = Raw(control.path)
    for kind in (PROXY, 0x10000077, OK, S_ALIVE + 0x100):
        raw.send(message(kind, struct.pack(">I", 77)))
        kind, body = raw.read()
        assert kind == FAILURE and body[:4] == struct.pack(">I", 77)
    bad = [(0, b"", 1, b"h", 1), (4, b"", 1, b"h", 1), (1, b"", 65536, b"h", 1), (1, b"", 1, b"h", 0),
           (1, b"", 1, b"", 5), (1, b"", 0xfffffffe, b"h", 1), (2, b"", 1, b"h", 70000)]
    for kind, host, port, to, to_port in bad:
        body = struct.pack(">II", 78, kind) + string(host) + struct.pack(">I", port) + string(to)
        body += struct.pack(">I", to_port)
        for verb in (OPEN, CLOSE):
            raw.send(message(verb, body))
            assert raw.read()[0] == FAILURE
    raw.send(message(ALIVE, struct.pack(">I", 79)))
    assert raw.read() == (S_ALIVE, struct.pack(">II", 79, master.pid))
    raw.s.close()


def test_descriptors(control, master):
    """Too few, too many, in the wrong place, none at all: no descriptor stays, no session begins."""
    def opened():
        return os.open("/dev/null", os.O_RDWR)

    null = opened()
    raw = Raw(control.path)  # data where a descriptor should be
    raw.send(session(b"true") + b"abc")
    assert raw.over()
    raw = Raw(control.path)  # gone after two of three
    raw.send(session(b"true"))
    raw.descriptors(null)
    raw.descriptors(null)
    raw.s.close()
    raw = Raw(control.path)  # with a message that has none
    many = array.array("i", [null] * 5)
    raw.s.sendmsg([message(ALIVE, struct.pack(">I", 5))], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, many)])
    assert raw.read()[0] == S_ALIVE
    raw.send(session(b"echo out; exit 3"))  # several in each message: the first counts
    for _ in range(3):
        raw.descriptors(null, null, null)
    assert raw.read()[0] == OPENED
    assert raw.read() == (EXIT, struct.pack(">II", 1, 3))
    assert raw.over()
    raw = Raw(control.path)  # one that cannot be written
    side = os.open("/dev/null", os.O_RDONLY)
    raw.send(session(b"echo out"))
    for _ in range(3):
        raw.descriptors(side)
    while raw.read():
        pass
    raw.s.close()
    os.close(side)
    os.close(null)


def test_cancel_and_forward_at_once(control, master):
    """The server's answer to a cancel is not taken for the answer to what was asked next."""
    def forward(kind, rid, path):
        return message(kind, struct.pack(">II", rid, 2) + string(path.encode()) + struct.pack(">I", 0xfffffffe) +
                       string(b"127.0.0.1") + struct.pack(">I", 9))
    good, bad = str(control.path) + ".far", "/nonexistent/far"
    c = Raw(control.path)
    c.send(forward(OPEN, 1, good))
    assert c.read() == (OK, struct.pack(">I", 1))
    between = b"".join(message(ALIVE, struct.pack(">I", n)) for n in range(100, 140))  # more than one turn's
    c.send(forward(CLOSE, 2, good) + between + forward(OPEN, 3, bad))
    got = [c.read() for _ in range(42)]
    assert got[0] == (OK, struct.pack(">I", 2)) and [g[0] for g in got[1:41]] == [S_ALIVE] * 40
    assert got[41] is not None and got[41][0] == FAILURE and got[41][1].startswith(struct.pack(">I", 3))
    c.s.close()


def test_two_sessions_of_one(control, master):
    """One connection, one session, as with ssh."""
    raw = Raw(control.path)
    null = os.open("/dev/null", os.O_RDWR)
    for rid, wanted in ((1, OPENED), (2, FAILURE)):
        raw.send(session(b"sleep 5", rid=rid))
        for _ in range(3):
            raw.descriptors(null)
        kind, body = raw.read()
        assert kind == wanted and body[:4] == struct.pack(">I", rid)
    raw.s.close()
    os.close(null)


def test_byte_by_byte(control, master):
    """The same as all at once."""
    raw = Raw(control.path)
    null = os.open("/dev/null", os.O_RDWR)
    for byte in message(ALIVE, struct.pack(">I", 3)) + session(b"exit 6", env=string(b"A=b")):
        raw.send(bytes([byte]))
    for _ in range(3):
        raw.descriptors(null)
    assert [raw.read()[0] for _ in range(2)] == [S_ALIVE, OPENED]
    assert raw.read()[1][4:] == struct.pack(">I", 6)
    assert raw.over()
    os.close(null)


def test_never_reads(control, master):
    """A client that asks and never reads its answers is closed; nothing grows."""
    raw = Raw(control.path)
    ask = message(ALIVE, struct.pack(">I", 3)) * 1000
    deadline = time.monotonic() + 20
    try:
        while time.monotonic() < deadline:
            raw.s.sendall(ask)
    except OSError:
        pass
    assert time.monotonic() < deadline
    raw.s.close()


def test_many_idle_clients(control, master):
    """More than the master takes: the rest is sent away, and all is well when they have gone."""
    raws = [Raw(control.path, hello=False) for _ in range(300)]
    for raw in raws[256:]:
        assert raw.over()
    for raw in raws[:256]:
        raw.s.close()
    wait_until(lambda: control.run(ADIT, "-O", "check").returncode == 0, 10, "an answer")


def test_random_messages(control, master):
    """Anything at all, from a fixed seed: the master lives, and the descriptors are gone (the fixture looks)."""
    import random

    rng = random.Random(20240917)
    null = os.open("/dev/null", os.O_RDWR)
    kinds = [NEW_SESSION, ALIVE, CLOSE, STDIO, STOP + 100, PROXY, HELLO, OK, EXIT]
    for _ in range(150):
        raw = Raw(control.path)
        for _ in range(rng.randrange(1, 6)):
            body = struct.pack(">I", rng.randrange(1 << 32)) + rng.randbytes(rng.randrange(40))
            if rng.random() < 0.3:
                body = session(rng.randbytes(4).replace(b"\0", b"x"), tty=rng.randrange(2))[8:]
            raw.send(message(rng.choice(kinds), body))
            for _ in range(rng.randrange(4)):
                try:
                    raw.descriptors(*[null] * rng.randrange(1, 4))
                except OSError:
                    pass
        raw.s.close()
    os.close(null)


# ---- Masters that break the protocol

def answers(*parts):
    return message(HELLO, struct.pack(">I", 4)) + b"".join(parts)


FAKES = {
    "nothing": b"",
    "half a head": b"\0\0",
    "no end": struct.pack(">I", 1 << 31),
    "too short": struct.pack(">I", 2) + b"ab",
    "other version": message(HELLO, struct.pack(">I", 5)),
    "no hello": message(OK, struct.pack(">I", 1)),
    "no answer": answers(),
    "other id": answers(message(S_ALIVE, struct.pack(">II", 99, 1))),
    "other type": answers(message(OPENED, struct.pack(">II", 1, 1))),
    "everybody's process": answers(message(S_ALIVE, struct.pack(">II", 1, 0xffffffff))),
    "a group's process": answers(message(S_ALIVE, struct.pack(">II", 1, 0x80000005))),
    "no process": answers(message(S_ALIVE, struct.pack(">II", 1, 0))),
    "cut": answers(message(S_ALIVE, struct.pack(">I", 1))),
    "unknown type": answers(message(0x80000055, struct.pack(">I", 1))),
    "refused": answers(message(FAILURE, struct.pack(">I", 1) + string(b"no\x1b[31m\0way"))),
}


@pytest.mark.parametrize("what", FAKES, ids=FAKES)
@pytest.mark.parametrize("words", [("-O", "check"), ("-O", "stop"), ("-O", "forward", "-L", "9:h:9")], ids=lambda w: w[1])
def test_false_master(control, what, words):
    """Whatever a master says: an error, no hang, and none of its control characters."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(control.path))
        listener.listen(1)
        p = subprocess.Popen(control.argv(ADIT, *words), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                             env=control.kit.env())
        s, _ = listener.accept()
        s.sendall(FAKES[what])
        s.shutdown(socket.SHUT_WR)
        out, err = p.communicate(timeout=20)
        s.close()
    assert (p.returncode, out) == (255, b"") and err and b"\x1b" not in err
