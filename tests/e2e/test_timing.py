"""The stopwatch for secrets (bench/timing): it finds what is planted, and measures all that it should. What it says of
our own code is a matter of statistics and of a quiet machine: `make timing`, not a test."""
import os
import re
import subprocess
from pathlib import Path

import pytest

from harness.servers import ROOT

pytestmark = pytest.mark.quick
TIMING = str(Path(os.environ.get("ADIT_TOOLS", ROOT / "build/tools")) / "timing")


def run(*args):
    return subprocess.run([TIMING, *args], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)


def test_planted_difference_is_found():
    done = run("--seconds", "0.5", "planted")
    assert done.returncode == 0 and re.search(r"^planted.* found$", done.stdout, re.M), done.stdout


def test_difference_is_a_failure():
    """Where nothing can be said the planted one is missing, and that is an error."""
    done = run("--seconds", "0.0001", "planted")
    assert done.returncode == 1 and "too few" in done.stdout


def test_all_subjects_are_measured():
    done = run("--seconds", "0.02")
    names = [line[:52].strip() for line in done.stdout.splitlines()[1:]]
    for word in ("comparison of tags", "chacha20", "aes128-gcm", "aes256-gcm", "hmac-sha2-256-etm", "hmac-sha2-512",
                 "seal, portable", "wrong tag", "RSA", "sntrup761, key pair", "sntrup761, decapsulation"):
        assert any(word in name for name in names), done.stdout
