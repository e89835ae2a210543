"""ControlMaster auto: many who start at once, as deployment tools do; whose the socket is; where it is."""
import os
import re
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from harness import servers
from harness.control import ADIT, PAIRS, SSH, Control
from harness.wait import wait_until

PERSIST = ["-o", "ControlMaster=auto", "-o", "ControlPersist=60s"]


@pytest.fixture
def sshd(start):
    return start(servers.Sshd, log_level="INFO", options={"MaxStartups": "100", "MaxSessions": "100"})


@pytest.fixture
def control(kit, sshd):
    control = Control(kit, sshd)
    yield control
    if control.path.exists():
        control.run(SSH, "-O", "exit")


def start(control, program, *words, to=()):
    return subprocess.Popen(control.argv(program, *words, to=to), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, env=control.kit.env())


def masters(control):
    """The processes that have the control path in their command line, but for ourselves."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdigit() and bytes(control.path) in (folder / "cmdline").read_bytes():
                state = (folder / "stat").read_text().rpartition(")")[2].split()[0]
                found += [int(folder.name)] * (state != "Z")
        except OSError:
            pass
    return found


def pid_of(control):
    return int(re.search(rb"pid=(\d+)", control.ask(SSH, "check").stderr).group(1))


@pytest.mark.parametrize("programs,left", [((ADIT,), "nothing"), ((ADIT, SSH), "nothing"), ((ADIT,), "stale")],
                         ids=["adit", "adit-and-ssh", "adit-stale"])
def test_race(control, programs, left):
    """Eight at once, and no master yet: one becomes it, the others run by themselves or as its guests; each has its own
    bytes and status, and none but the one master stays."""
    if left == "stale":
        with socket.socket(socket.AF_UNIX) as s:
            s.bind(str(control.path))
    running = [start(control, programs[i % len(programs)], *PERSIST, to=[f"cat; exit {i + 10}"]) for i in range(8)]
    for i, p in enumerate(running):
        out, err = p.communicate(b"%d" % i * 1000, timeout=60)
        assert (p.returncode, out) == (i + 10, b"%d" % i * 1000), (i, err)
        text = err.decode()
        assert not text or "already exists, disabling multiplexing" in text, text
    assert control.run(ADIT, to=["exit 9"]).returncode == 9
    wait_until(lambda: masters(control) == [pid_of(control)], 15, lambda: f"{masters(control)}")
    assert not [p for p in control.path.parent.iterdir() if p.name.startswith(".")], "a temporary socket is left"


def test_race_without_a_session(control):
    """-N: the one is in the background; the others cannot be found there, and stay in the foreground as ssh does."""
    running = [start(control, ADIT, "-N", *PERSIST) for _ in range(4)]
    wait_until(lambda: sum(p.poll() is not None for p in running) == 1, 30, "the master in the background")
    done = [p for p in running if p.poll() is not None]
    assert done[0].returncode == 0
    others = [p for p in running if p not in done]
    for p in others:
        line = p.stderr.readline()
        assert b"already exists, disabling multiplexing" in line
    control.ask(ADIT, "check")
    assert all(p.poll() is None for p in others)
    for p in others:
        p.terminate()
        assert p.wait(20) == 255
    wait_until(lambda: masters(control) == [pid_of(control)], 15, lambda: f"{masters(control)}")


def test_race_without_persistence(control):
    """Nobody's status is another's, and the socket is gone at the end. All get their input first: the master ends behind its
    guests, where there are some."""
    running = [start(control, ADIT, "-o", "ControlMaster=auto", to=[f"read x; echo $x; exit {i}"]) for i in range(8)]
    for i, p in enumerate(running):
        p.stdin.write(b"%d\n" % i)
        p.stdin.flush()
    for i, p in enumerate(running):
        out, err = p.communicate(timeout=60)
        assert (p.returncode, out) == (i, b"%d\n" % i), err
    wait_until(lambda: not control.path.exists() and not masters(control), 15, "the end of all")


@PAIRS
@pytest.mark.parametrize("tty", [(), ("-tt",)], ids=["plain", "tty"])
def test_as_ansible(control, master, guest, tty):
    """Twenty modules side by side through one master, each with its own program, on stdin where there is no terminal, and
    its own status."""
    options = ["-C", *PERSIST, "-o", "KbdInteractiveAuthentication=no", "-o", "PasswordAuthentication=no",
               "-o", "PreferredAuthentications=gssapi-with-mic,gssapi-keyex,hostbased,publickey", "-o", "ConnectTimeout=10"]
    assert control.run(master, *options, to=["/bin/sh -c 'echo ~ && sleep 0'"]).returncode == 0
    pid = pid_of(control)
    script = "echo begin %d; i=0; while [ $i -lt 300 ]; do echo line $i of %d; i=$((i+1)); done; exit %d\n"
    mark = control.server.mark()
    scripts = [script % (i, i, i) for i in range(20)]
    running = [start(control, guest, *options, *tty, to=[s if tty else "/bin/sh -c '/bin/sh && sleep 0'"]) for s in scripts]
    for i, p in enumerate(running):
        out, err = p.communicate(b"" if tty else scripts[i].encode(), timeout=60)
        lines = out.decode().split()
        assert p.returncode == i, (i, p.returncode, err)
        if tty:  # where the shell's own start may say something, too
            lines = lines[lines.index("begin"):]
        assert lines == f"begin {i}".split() + [w for n in range(300) for w in f"line {n} of {i}".split()]
    assert control.server.text(mark).count("Accepted") == 0
    assert pid_of(control) == pid


def test_persist_counts_from_the_last(control):
    """The time begins when the last guest has gone, whoever it was."""
    options = ["-o", "ControlMaster=auto", "-o", "ControlPersist=2"]
    control.run(ADIT, *options, to=["exit 0"], status=0)
    p = start(control, SSH, *options, to=["sleep 3; exit 5"])
    assert p.wait(20) == 5
    assert control.path.exists()
    wait_until(lambda: not control.path.exists(), 15, "the end of the master")
    wait_until(lambda: not masters(control), 15, "no process")


@pytest.mark.parametrize("time", ["0", "yes"])
def test_persist_without_end(control, time):
    control.run(ADIT, "-o", "ControlMaster=auto", "-o", f"ControlPersist={time}", to=["exit 0"], status=0)
    assert control.ask(SSH, "exit").returncode == 0
    wait_until(lambda: not masters(control), 15, "no process")


# ---- Where the socket is

def test_every_token(control, kit):
    """The same path as ssh's, with every token that may stand there."""
    folder = Path(tempfile.mkdtemp(prefix="m"))
    control.path = folder / "%%-%h-%i-%k-%L-%l-%n-%p-%r-%u"
    m = control.argv(ADIT, "-M", "-N")
    m = subprocess.Popen(m, env=kit.env(), stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    wait_until(lambda: list(folder.iterdir()) or m.poll() is not None, 15, "the socket")
    assert m.poll() is None, m.stderr.read()
    assert b"pid=%d" % m.pid in control.ask(SSH, "check").stderr
    control.ask(SSH, "exit")
    assert m.wait(15) is not None
    assert list(folder.iterdir()) == []
    folder.rmdir()


@pytest.mark.parametrize("length", [92, 107])
def test_long_path(control, length):
    """As long as a socket's path may be: ssh, as a guest, finds it there."""
    control.path = control.path.parent / ("x" * (length - len(str(control.path.parent)) - 1))
    m = control.master(ADIT, "-N")
    assert b"pid=%d" % m.pid in control.ask(SSH, "check").stderr
    assert m.stop() is not None and not control.path.exists()


@pytest.mark.parametrize("words", [("-M",), ("-o", "ControlMaster=auto"), PERSIST, ("-M", "-o", "ControlPersist=1"), (),
                                   ("-O", "check")], ids=lambda w: "-".join(w).replace("-o-", ""))
def test_too_long_a_path(control, words):
    control.path = control.path.parent / ("x" * (108 - len(str(control.path.parent)) - 1))
    done = control.run(ADIT, *words, to=[] if "-O" in words else ["echo own"], status=255)
    assert b"ControlPath too long ('%s' >= 108 bytes)" % bytes(control.path) in done.stderr and done.stdout == b""


@pytest.mark.parametrize("words", [("-M",), PERSIST, ("-M", "-f", "-N")], ids=["master", "auto", "background"])
def test_path_in_no_folder(control, words):
    """Nothing goes on where no master can be, as with ssh."""
    control.path = control.path.parent / "none" / "ctl"
    done = {program: control.run(program, *words, to=[] if "-N" in words else ["echo own"], status=255) for program in (SSH, ADIT)}
    for program, ended in done.items():
        assert b"No such file or directory" in ended.stderr and ended.stdout == b"", program
    assert b"ControlPath %s: " % bytes(control.path) in done[ADIT].stderr


# ---- Whose the socket is

LISTENER = """
import os, socket, sys
s = socket.socket(socket.AF_UNIX)
os.setgid(65534); os.setuid(65534)
s.bind(sys.argv[1]); s.listen(5)
print("up", flush=True)
while True:
    c, _ = s.accept()
    got = c.recv(1)
    print("got", len(got), flush=True)
"""


@pytest.fixture
def strangers(control, needs_root):
    """A socket at the path on which another user listens."""
    control.path = Path(tempfile.mkdtemp(prefix="m")) / "ctl"
    control.path.parent.chmod(0o777)
    p = subprocess.Popen([sys.executable, "-c", LISTENER, str(control.path)], stdout=subprocess.PIPE)
    assert p.stdout.readline() == b"up\n"
    yield p
    p.kill()
    p.wait()
    control.path.unlink(missing_ok=True)
    control.path.parent.rmdir()


def test_another_users_master(control, strangers):
    """It is told nothing: no word, no descriptor; a session connects by itself."""
    words = b"Control socket %s is another user's: not used" % bytes(control.path)
    for what in ("check", "exit"):
        assert words in control.ask(ADIT, what, status=255).stderr
    for options in ((), ("-o", "ControlMaster=auto"), tuple(PERSIST)):
        done = control.run(ADIT, *options, to=["cat; exit 5"], data=b"own")
        assert (done.returncode, done.stdout) == (5, b"own") and words in done.stderr
    for _ in range(5):
        assert strangers.stdout.readline() == b"got 0\n"
