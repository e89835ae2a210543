"""ObscureKeystrokeTiming: what is typed on a terminal goes at fixed intervals, with chaff behind it where the server knows
ping@openssh.com (OpenSSH 9.5 and later), and nothing else is held up."""
import hashlib
import re
import subprocess
import time

import pytest

from harness import servers
from harness.wait import wait_until
from test_shell_pty import argv, said, screen, shell, sshd  # noqa: F401 (fixtures)

SENT = r"stopping: (.+) \((\d+) chaff packets sent\)"


@pytest.fixture
def ten(start, openssh10):
    return start(servers.Sshd, tree=openssh10, log_level="INFO",
                 options={"PrintMotd": "no", "PrintLastLog": "no", "AcceptEnv": "*"})


def records(link, since):
    """When the client has sent something since then, in microseconds."""
    return [int(at) for who, _, at in (line.split() for line in link.trace.read_text().splitlines()[since:]) if who == "C"]


def mark(link):
    return len(link.trace.read_text().splitlines())


def quiet(s):
    """No run is going on: each that has begun has ended."""
    return wait_until(lambda: s.text.count("starting: interval") == len(re.findall(SENT, s.text)) and s.text, 15,
                      lambda: s.text[-2000:])


def test_chaff(shell, ten):
    """A key begins it; for a second at the least after the last one something goes at each interval."""
    s = shell(ten, "-vvv")
    quiet(s)
    begun = len(re.findall(SENT, s.text))
    s.type("x")
    wait_until(lambda: len(re.findall(SENT, s.text)) > begun, 15, lambda: s.text[-2000:])
    assert "starting: interval ~20ms" in s.text
    why, count = re.findall(SENT, s.text)[begun]
    assert why == "chaff time expired"
    # A machine that is busy looks later, and makes up for nothing: fewer, never more than there are intervals.
    assert 5 <= int(count) <= 3072 / 18
    said(s, "\x15echo st''ill", "still")


@pytest.mark.quick
def test_together(shell, sshd, relay, tmp_path):
    """Keys that are typed within an interval go together, without chaff where the server has no ping."""
    counts = {}
    for value in ("no", "interval:1000"):
        link = relay(sshd.port, trace=tmp_path / f"trace-{value}")
        s = shell(sshd, "-vvv", "-o", f"ObscureKeystrokeTiming={value}", port=link.port)
        quiet(s)
        since = mark(link)
        for key in ":abcdefg":
            before = len(records(link, since))
            s.type(key)
            if value == "no":
                wait_until(lambda: len(records(link, since)) > before, 15)
            else:
                time.sleep(0.03)
        wait_until(lambda: records(link, since), 15)
        if value == "no":
            assert "obfuscate_keystroke_timing" not in s.text
        else:
            assert "(0 chaff packets sent)" in quiet(s)
        said(s, "", "\n|$")
        counts[value] = len(records(link, since))
        s.type("\r~.")
        s.finish()
    assert counts["no"] >= 8 and counts["interval:1000"] <= 4


@pytest.mark.quick
def test_a_paste_is_not_held_up(shell, ten):
    """What nobody types ends a run, and all of it arrives."""
    s = shell(ten, "-vvv", "-o", "ObscureKeystrokeTiming=interval:1000")
    quiet(s)
    said(s, "stty raw; echo ra''w; head -c 30000 | md5sum; stty -raw", "raw")
    text = "".join(chr(ord("a") + i % 26) for i in range(30000))
    began = len(re.findall("starting: interval", s.text))
    for at in range(0, len(text), 1000):
        s.type(text[at:at + 1000])
    s.wait(hashlib.md5(text.encode()).hexdigest())
    assert "output buffer filling" in s.text
    assert len(re.findall("starting: interval", s.text)) <= began + 5


@pytest.mark.quick
def test_without_a_terminal(kit, sshd):
    """A command's input is nobody's typing."""
    done = subprocess.run(argv(kit, sshd, "-vvv", "-T", "127.0.0.1", "cat"), input=b"abc", capture_output=True,
                          env=kit.env(), timeout=30, check=True)
    assert done.stdout == b"abc" and b"obfuscate" not in done.stderr
