"""The tour (scripts/demo): it works, says what it does, and leaves nothing behind, however it ends."""
import os
import re
import signal
import subprocess

import pytest

from harness.client import ADIT, IS_SSH, Output
from harness.servers import ROOT
from harness.wait import wait_until

pytestmark = pytest.mark.skipif(IS_SSH, reason="of adit alone")


class Tour:
    """A running demo whose temporary folder and home are ours to look into."""

    def __init__(self, folder):
        self.tmp, self.home = folder / "tmp", folder / "home"
        self.tmp.mkdir()
        self.home.mkdir()
        self.had_run_sshd = os.path.isdir("/run/sshd")
        cache = os.environ.get("ADIT_CACHE", os.path.expanduser("~/.cache/adit"))
        env = {**os.environ, "TMPDIR": str(self.tmp), "HOME": str(self.home), "ADIT_CACHE": cache, "ADIT": ADIT}
        self.proc = subprocess.Popen([str(ROOT / "scripts/demo")], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                     stderr=subprocess.STDOUT, env=env, start_new_session=True, cwd=folder)
        self.out = Output(self.proc.stdout)

    def wait(self, regex, timeout=120):
        wait_until(lambda: re.search(regex, self.out.text) or self.proc.poll() is not None, timeout,
                   lambda: self.out.text)
        assert re.search(regex, self.out.text), self.out.text

    def finish(self, timeout=120):
        code = self.proc.wait(timeout)
        self.out.thread.join(5)
        return code

    def leftovers(self):
        """Files, and processes that have our folder in their command line or environment."""
        found = [str(p) for p in [*self.tmp.iterdir(), *self.home.iterdir()]]
        for entry in os.listdir("/proc"):
            if entry.isdigit() and int(entry) != os.getpid():
                try:
                    text = open(f"/proc/{entry}/cmdline", "rb").read() + open(f"/proc/{entry}/environ", "rb").read()
                except OSError:
                    continue
                if str(self.tmp).encode() in text:
                    found.append(text.decode(errors="replace")[:200])
        if not self.had_run_sshd and os.path.isdir("/run/sshd"):
            found.append("/run/sshd")
        return found


@pytest.fixture
def tour(tmp_path):
    tour = Tour(tmp_path)
    yield tour
    if tour.proc.poll() is None:
        os.killpg(tour.proc.pid, signal.SIGKILL)
        tour.proc.wait()


@pytest.mark.slow
def test_from_beginning_to_end(tour):
    """Every step is told, every hash is right, exit 0, nothing is left."""
    code = tour.finish()
    assert code == 0, tour.out.text
    for n in range(1, 10):
        assert f"== {n}. " in tour.out.text
    assert len(re.findall(r"64 MiB in .* is right", tour.out.text)) == 3
    for kind in "LRD":
        assert re.search(rf"listening {kind} 127\.0\.0\.1:\d+", tour.out.text)
    assert tour.leftovers() == []


@pytest.mark.slow
@pytest.mark.parametrize("where", [r"== 3\.", r"listening D", r"== 6\.", r"== 8\."])
@pytest.mark.parametrize("how", ["process", "group"])
def test_interrupted(tour, where, how):
    """SIGINT to the script alone, or to all of its group as Ctrl-C does: it ends with 130 and nothing is left."""
    tour.wait(where)
    if how == "process":
        tour.proc.send_signal(signal.SIGINT)
    else:
        os.killpg(tour.proc.pid, signal.SIGINT)
    assert tour.finish(20) == 130, tour.out.text
    wait_until(lambda: tour.leftovers() == [], 5, lambda: str(tour.leftovers()))


@pytest.mark.slow
def test_terminated(tour):
    """SIGTERM is as good: 143."""
    tour.wait(r"== 7\.")
    tour.proc.terminate()
    assert tour.finish(20) == 143
    wait_until(lambda: tour.leftovers() == [], 5, lambda: str(tour.leftovers()))


@pytest.mark.slow
def test_failing(tour):
    """The server dies in the middle: the tour says so, ends with an error and leaves nothing."""
    tour.wait(r"listening D")
    victims = [int(p) for p in os.listdir("/proc") if p.isdigit() and is_sshd_of(p, tour.tmp)]
    assert victims
    for pid in victims:
        from harness.servers import descendants
        for below in [*descendants(pid), pid]:
            try:
                os.kill(below, signal.SIGKILL)
            except ProcessLookupError:
                pass
    assert tour.finish(60) not in (0, 130)
    assert "demo: stopped" in tour.out.text
    wait_until(lambda: tour.leftovers() == [], 5, lambda: str(tour.leftovers()))


def is_sshd_of(pid, folder):
    try:
        words = open(f"/proc/{pid}/cmdline", "rb").read().decode(errors="replace")
    except OSError:
        return False
    return "sshd" in words and "-D" in words and str(folder) in words
