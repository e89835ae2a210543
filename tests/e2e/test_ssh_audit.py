"""What ssh-audit says of the offer that adit makes to a server of which it knows nothing."""
import os
import re
import shutil
import subprocess

import pytest

from harness import traffic
from harness.wait import wait_until

pytestmark = pytest.mark.usefixtures("adit_only")

# What it may complain of, and no more: the curves of NIST, which many servers have alone; MACs without etm, for dropbear has no
# other; the hybrid key exchange that it calls experimental.
EXCEPTIONS = ("ecdh-sha2-nistp", "ecdsa-sha2-nistp", "sntrup761")
EXCEPTIONS_WHOLE = {"hmac-sha2-256", "hmac-sha2-512"}
UNKNOWN = "unknown algorithm"


def audit(kit, *options):
    """name -> [(level, text)] for all that it has seen offered."""
    port = traffic.free_port()
    auditor = subprocess.Popen(["ssh-audit", "-c", "-n", "-t", "60", "-p", str(port)], stdout=subprocess.PIPE, text=True,
                               stderr=subprocess.STDOUT, env={"PATH": os.environ["PATH"], "PYTHONUNBUFFERED": "1"})
    try:
        wait_until(lambda: auditor.poll() is not None or traffic.listeners(port), 30, "ssh-audit listens")
        client = kit.run("-F", "none", *options, "-N", "-p", str(port), "127.0.0.1")
        text = auditor.communicate(timeout=60)[0]
        assert client.finish() == 255
    finally:
        auditor.kill()
        auditor.wait()
    return parse(text)


def parse(text):
    said, name = {}, None
    for line in text.splitlines():
        head = re.match(r"\((kex|key|enc|mac)\) (\S+)", line)
        name = head[2] if head else name if line.startswith(" ") else None
        remark = re.search(r"(?:--|`-) \[(\w+)\] (.*)", line)
        if name:
            said.setdefault(name, []).extend([remark.groups()] if remark else [])
    return said


def complaints(said):
    """Names with a failure or a warning that is more than: never heard of."""
    return {name for name, remarks in said.items()
            if any(level in ("fail", "warn") and text != UNKNOWN for level, text in remarks)}


def beyond_the_exceptions(said):
    return {name for name in complaints(said) if not name.startswith(EXCEPTIONS) and name not in EXCEPTIONS_WHOLE}


@pytest.fixture(autouse=True)
def auditor():
    if not shutil.which("ssh-audit"):
        pytest.skip("no ssh-audit")


def test_default_offer(kit):
    said = audit(kit)
    assert {"curve25519-sha256", "ssh-ed25519", "chacha20-poly1305@openssh.com", "hmac-sha2-256-etm@openssh.com"} <= set(said)
    assert "ecdh-sha2-nistp256" in complaints(said)
    assert beyond_the_exceptions(said) == set()
    levels = {level for remarks in said.values() for level, _ in remarks}
    assert levels <= {"info", "warn", "fail"}, said


def test_what_it_complains_of_is_seen(kit):
    """A name that the default offer leaves out for its sake."""
    sk = "sk-ecdsa-sha2-nistp256@openssh.com"
    said = audit(kit, "-o", f"HostKeyAlgorithms=ssh-ed25519,{sk}")
    assert beyond_the_exceptions(said) == {sk}
