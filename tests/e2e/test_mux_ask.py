"""ControlMaster ask and autoask: nothing is done for a guest unless SSH_ASKPASS agrees."""
import os
import select
import socket
import struct
import subprocess

import pytest

from harness import servers, traffic
from harness.control import (ADIT, ALIVE, DENIED, OPEN, OPENED, PAIRS, PORT, S_ALIVE, SSH, TERMINATE, Control, Raw, links, message,
                             session, string)
from harness.wait import wait_until


# One process: were there another that reads, it would outlive one that is given up, and take the next one's answer.
PROGRAM = """#!/bin/sh
echo "$SSH_ASKPASS_PROMPT $1" >> "$ASKED"
while IFS= read -r line; do
    printf '%s\\n' "$line"
done < "$ANSWER"
printf %s "$line"
read -r status < "$ANSWER.status"
exit "$status"
"""


@pytest.fixture
def sshd(start):
    return start(servers.Sshd, log_level="INFO")


class Asked:
    """A program to ask; what it says, and what it was asked."""

    def __init__(self, folder):
        self.program, self.log, self.file = folder / "askpass", folder / "asked", folder / "answer"
        self.program.write_text(PROGRAM)
        self.program.chmod(0o755)
        self.says("")

    def says(self, line, status=0):
        self.file.write_text(line)
        (self.file.parent / "answer.status").write_text(f"{status}\n")

    def env(self, **more):
        return {"SSH_ASKPASS": str(self.program), "DISPLAY": ":9", "ASKED": str(self.log), "ANSWER": str(self.file), **more}

    def questions(self):
        text = self.log.read_text() if self.log.exists() else ""
        self.log.unlink(missing_ok=True)
        return text.splitlines()


@pytest.fixture
def asked(kit):
    return Asked(kit.folder)


@pytest.fixture
def control(kit, sshd, asked):
    """Every program may ask; only a master does."""
    control = Control(kit, sshd)
    plain = kit.env
    kit.env = lambda **extra: plain(**{**asked.env(), **extra})
    return control


def start_master(control, program):
    return control.master(program, "-M", "-N")  # -M twice


@pytest.mark.quick
@PAIRS
def test_agreed(control, asked, master, guest, echo):
    """Each request is one question, in ssh's words; an empty line or "yes" agrees. A check asks nobody."""
    start_master(control, master)
    control.ask(guest, "check")
    assert asked.questions() == []
    for word in ("", "yes\n", "YES"):
        asked.says(word)
        done = control.run(guest, to=["cat; exit 7"], data=b"through")
        assert (done.returncode, done.stdout) == (7, b"through")
        assert asked.questions() == ["confirm Allow shared connection to 127.0.0.1? "]
    assert control.run(guest, "-W", echo.target, data=b"").returncode == 0
    assert asked.questions() == [f"confirm Allow forward to {echo.target}? "]
    port = traffic.free_port_both()
    spec = f"{port}:{echo.target}"
    for _ in range(2):  # what is there already is no question
        control.ask(guest, "forward", "-L", spec)
    with traffic.connect(("127.0.0.1", port)) as s:
        s.sendall(b"hello")
        assert s.recv(5, socket.MSG_WAITALL) == b"hello"
    assert asked.questions() == [f"confirm Open local forward LOCALHOST:{port} -> {echo.target} on 127.0.0.1?"]
    control.ask(guest, "cancel", "-L", spec)
    assert asked.questions() == []
    control.ask(guest, "forward", "-D", f"127.0.0.1:{port}")
    assert asked.questions() == [f"confirm Open dynamic forward 127.0.0.1:{port} -> * on 127.0.0.1?"]
    control.ask(guest, "forward", "-R", f"127.0.0.1:0:{echo.target}")
    assert asked.questions() == [f"confirm Open remote forward 127.0.0.1:0 -> {echo.target} on 127.0.0.1?"]
    control.ask(guest, "stop")
    assert asked.questions() == ["confirm Disable further multiplexing on shared connection to 127.0.0.1? "]


@PAIRS
def test_refused(control, asked, master, guest):
    """Any other word, or another exit status, refuses; a guest says so in ssh's words and connects by itself."""
    m = start_master(control, master)
    refusals = {("-O", "exit"): b"Master refused termination request: Permission denied",
                ("-O", "stop"): b"Master refused stop listening request: Permission denied",
                ("-O", "forward", "-R", "0:127.0.0.1:9"): b"Master refused forwarding request: Permission denied",
                ("-W", "127.0.0.1:9"): b"Master refused stdio forwarding request: Permission denied"}
    for answer, status in (("no\n", 0), ("y", 0), ("yes indeed", 0), ("", 1), ("yes", 3)):
        asked.says(answer, status)
        for words, text in refusals.items():
            done = control.run(guest, *words)
            assert done.returncode == 255 and text in done.stderr, (words, done.stderr)
            assert len(asked.questions()) == 1
    mark = control.server.mark()
    done = control.run(guest, to=["echo own; exit 4"])
    assert (done.returncode, done.stdout) == (4, b"own\n")
    assert b"Master refused session request: Permission denied" in done.stderr
    assert control.server.text(mark).count("Accepted") == 1
    assert b"pid=%d" % m.pid in control.ask(guest, "check").stderr


@pytest.mark.parametrize("env", [{"SSH_ASKPASS_REQUIRE": "never"}, {"DISPLAY": ""}, {"SSH_ASKPASS": "/nonexistent"}],
                         ids=lambda e: "-".join(e))
def test_nobody_to_ask(control, env):
    """Where no program may be asked, or none can, all is refused."""
    plain = control.kit.env
    control.kit.env = lambda **extra: plain(**{**env, **extra})
    m = start_master(control, ADIT)
    done = control.run(SSH, "-O", "exit", status=255)
    assert b"Permission denied" in done.stderr and m.running()


def test_autoask(control, asked):
    """The first is the master, in the background here; the second its guest, when that is agreed to."""
    options = ["-o", "ControlMaster=autoask", "-o", "ControlPersist=60"]
    mark = control.server.mark()
    assert control.run(ADIT, *options, to=["exit 3"]).returncode == 3
    assert control.run(SSH, *options, to=["exit 4"]).returncode == 4
    assert control.server.text(mark).count("Accepted") == 1
    assert set(asked.questions()) == {"confirm Allow shared connection to 127.0.0.1? "}
    control.ask(ADIT, "exit")


def test_ask_connects_by_itself(control, asked):
    """With ControlMaster ask a master that is there is not used: as with yes."""
    start_master(control, ADIT)
    mark = control.server.mark()
    done = control.run(ADIT, "-o", "ControlMaster=ask", to=["echo own"], status=0)
    assert done.stdout == b"own\n" and b"already exists, disabling multiplexing" in done.stderr
    assert control.server.text(mark).count("Accepted") == 1 and asked.questions() == []


# ---- Clients of our own

def waiting(control, asked):
    """A master whose program does not answer yet: it reads a pipe."""
    os.mkfifo(asked.file.parent / "gate")
    asked.file.unlink()
    asked.file.symlink_to(asked.file.parent / "gate")
    return start_master(control, ADIT)


def open_gate(asked, text):
    with open(asked.file.parent / "gate", "w") as f:
        f.write(text)


def test_others_go_on(control, asked):
    """While one waits for its answer others are served; a second question waits for the first one's answer, and what a
    client says behind its request waits too."""
    waiting(control, asked)
    first, second = Raw(control.path), Raw(control.path)
    body = struct.pack(">II", 5, 2) + string(b"127.0.0.1") + struct.pack(">I", 0) + string(b"127.0.0.1") + struct.pack(">I", 9)
    first.send(message(OPEN, body) + message(ALIVE, struct.pack(">I", 6)))
    wait_until(asked.log.exists, 10, "the first question")
    second.send(message(TERMINATE, struct.pack(">I", 7)))
    control.ask(SSH, "check")
    assert len(asked.questions()) == 1
    assert not select.select([first.s], [], [], 0)[0]
    open_gate(asked, "yes")
    assert {first.read()[0] for _ in range(2)} == {PORT, S_ALIVE}
    open_gate(asked, "no")
    assert second.read()[0] == DENIED
    assert asked.questions() == ["confirm Terminate shared connection to 127.0.0.1? "]
    first.s.close()
    second.s.close()


def test_gone_before_the_answer(control, asked):
    """A client that does not wait: its question is withdrawn, nothing is begun, nothing stays; the next is asked."""
    m = waiting(control, asked)
    null = os.open("/dev/null", os.O_RDWR)
    control.ask(ADIT, "check")
    before = m.fds()
    mark = control.kit.folder / "begun"
    raw = Raw(control.path)
    raw.send(session(b"touch " + bytes(mark)))
    for _ in range(3):
        raw.descriptors(null)
    wait_until(asked.log.exists, 10, "the question")
    raw.s.close()
    wait_until(lambda: m.fds() <= before, 10, lambda: links(m))
    asked.questions()
    raw = Raw(control.path)
    raw.send(session(b"exit 5"))
    for _ in range(3):
        raw.descriptors(null)
    wait_until(asked.log.exists, 10, "the next question")
    open_gate(asked, "yes")
    assert raw.read()[0] == OPENED
    assert raw.read()[1][4:] == struct.pack(">I", 5) and raw.over()
    assert not mark.exists()
    os.close(null)


def test_end_while_asking(control, asked):
    """A master that is told to end while somebody is asked ends, and its program with it."""
    m = waiting(control, asked)
    raw = Raw(control.path)
    raw.send(message(TERMINATE, struct.pack(">I", 7)))
    wait_until(asked.log.exists, 10, "the question")
    m.stop()
    left = subprocess.run(["pgrep", "-f", str(asked.program)], capture_output=True).stdout
    assert left == b""
    raw.s.close()


def test_prints_without_end(control, asked):
    """A program that never ends its answer is no agreement."""
    asked.program.write_text("#!/bin/sh\nexec yes ''\n")
    m = start_master(control, ADIT)
    assert b"Permission denied" in control.run(ADIT, "-O", "exit", status=255).stderr
    assert m.running()
