"""The soak (tests/soak, `make soak`): what it would say of series with and without a leak, and a short one that runs."""
import csv
import math
import os
import random
import subprocess
import sys

import pytest

from harness.servers import ROOT

sys.path.append(str(ROOT / "tests/soak"))

import series  # noqa: E402

pytestmark = pytest.mark.usefixtures("adit_only")
MINUTES = 20
WINDOW_S = MINUTES * 60 * series.WINDOW


def samples(kb=lambda at_s: 0, fds=lambda at_s: 60, threads=lambda at_s: 9, noise_kb=300, base_kb=4000):
    """A run of 20 minutes as a real one looks: at rest little noise, in churn much, caches that fill up at first, and what a
    test adds."""
    dice, out = random.Random(3), []
    for i in range(MINUTES * 12):
        at_s, quiet = 5.0 * i, i % 6 == 5
        rss = base_kb - 800 * math.exp(-at_s / 60) + dice.gauss(0, 8) + (0 if quiet else abs(dice.gauss(0, noise_kb)))
        busy = 0 if quiet else dice.randrange(40)
        out.append(series.Sample(at_s, quiet, round(rss + kb(at_s)), round(rss), fds(at_s) + busy, threads(at_s)))
    return out


def failures(**kw):
    return series.Verdict(samples(**kw)).failures


def test_flat():
    assert failures() == []
    assert failures(noise_kb=2000) == []
    assert failures(kb=lambda at_s: -0.1 * at_s) == []  # what is given back is no leak


@pytest.mark.parametrize("percent", [2, 10, 100])
def test_leak(percent):
    """Over the window, of 4,000 kB: a steady one, and one in steps."""
    rate = 40 * percent / WINDOW_S
    (text,) = failures(kb=lambda at_s: rate * at_s)
    assert "memory at rest grows by" in text
    assert failures(kb=lambda at_s: 200 * rate * (at_s // 200)) != []


def test_little_is_no_leak():
    assert failures(kb=lambda at_s: 40 * 0.3 / WINDOW_S * at_s) == []


def test_outliers_do_not_hide_it():
    """A big buffer now and then, early or late: neither makes a leak nor hides one."""
    assert failures(kb=lambda at_s: 2000 if at_s % 200 > 150 else 0) == []
    early = {"kb": lambda at_s: 40 * 5 / WINDOW_S * at_s + (2000 if 300 < at_s < 450 else 0)}
    assert failures(**early) != []
    assert failures(kb=lambda at_s: 2000 if at_s > 1100 else 0) == []


@pytest.mark.parametrize("what", ["fds", "threads"])
def test_one_more(what):
    """A single descriptor or thread more at rest, at the end or for a moment."""
    usual = {"fds": 60, "threads": 9}[what]
    (text,) = failures(**{what: lambda at_s: usual + (at_s > 1000)})
    assert text == f"{what} at rest differ: [{usual}, {usual + 1}]"
    assert failures(**{what: lambda at_s: usual + (at_s == 5.0 * 119)}) != []
    assert failures(**{what: lambda at_s: usual + (at_s < 250)}) == []  # before the window


def test_too_few():
    assert "quiet instants" in series.Verdict([s for s in samples() if not s.is_quiet]).failures[0]


def test_files(tmp_path):
    """What is written is read again, and judged by its own command; the pictures show it."""
    for name, leak in (("good", 0), ("bad", 0.5)):
        run = samples(kb=lambda at_s, leak=leak: leak * at_s)
        series.write_csv(tmp_path / f"{name}.csv", run)
        assert series.read_csv(tmp_path / f"{name}.csv") == run
        done = soak("--judge", tmp_path / f"{name}.csv")
        assert done.returncode == (leak > 0), done
        assert "slope" in done.stdout and (leak == 0 or "FAILED: memory at rest" in done.stdout)
        assert "o" in series.graph(run) and series.svg(name, run).count("<circle") == 40


def soak(*args, **kw):
    return subprocess.run([sys.executable, "-W", "ignore", ROOT / "tests/soak", *map(str, args)], capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, timeout=300, check=False, env={**os.environ, **kw})


def test_short(tmp_path, needs_root, release):
    """Both processes live through some seconds of everything, and come to rest with what they had."""
    done = soak("--rounds", 2, "--every", 2, "--out", tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    for name in ("client", "daemon"):
        with open(tmp_path / f"{name}.csv", encoding="ascii", newline="") as f:
            quiet = [row for row in csv.DictReader(f) if row["is_quiet"] == "1"]
        assert len(quiet) == 2
        assert len({(row["fds"], row["threads"]) for row in quiet}) == 1, quiet
