"""A build of less: without RSA keys, without compression, without the daemon. It is smaller, says what it lacks, and
does the rest as ever."""
import os
import subprocess

import pytest

from harness import client as client_module, keys, traffic
from harness.client import ADIT, IS_SSH, is_sanitized
from harness.servers import ROOT

pytestmark = pytest.mark.skipif(IS_SSH, reason="of adit alone")


def query(binary, what):
    return subprocess.run([binary, "-Q", what], capture_output=True, text=True, check=True).stdout.split()


@pytest.fixture(scope="module")
def less():
    if is_sanitized():
        pytest.skip("another build is under test")
    subprocess.run(["make", "-s", "-C", str(ROOT), "WITH_RSA=0", "WITH_ZLIB=0", "DAEMON=0"], check=True,
                   stdout=subprocess.DEVNULL)
    return str(ROOT / "build-norsa-nozlib/adit")


def test_features_of_the_whole(adit_only):
    assert query(ADIT, "features") == ["client", "daemon", "rsa", "zlib"]


@pytest.mark.slow
def test_what_it_has(less):
    nodaemon = os.environ["ADIT_NODAEMON"]
    subprocess.run(["make", "-s", "-C", str(ROOT), "DAEMON=0", "build/release/adit-nodaemon"], check=True)
    assert query(nodaemon, "features") == ["client", "rsa", "zlib"]
    assert query(less, "features") == ["client"]
    assert query(less, "compression") == ["none"]
    for what in ("key", "key-cert", "sig", "HostKeyAlgorithms"):
        assert not [name for name in query(less, what) if "rsa" in name]


def test_it_is_smaller(less, tmp_path):
    whole = tmp_path / "whole"
    subprocess.run(["strip", "-o", whole, os.environ["ADIT_NODAEMON"]], check=True)
    assert os.path.getsize(less) < whole.stat().st_size - 30_000


def test_it_carries(less, kit, sshd, service, monkeypatch):
    """Compression is asked for in vain, and that is said."""
    monkeypatch.setattr(client_module, "ADIT", less)
    client = kit.connect(sshd, "-C", "-W", service(traffic.greeter, "hello").target)
    client.wait_out("hello")
    assert "made without zlib" in client.err.text


def test_rsa_key_is_left_out(less, kit, sshd, start, key_folder, monkeypatch):
    """Not a crash, not a wrong signature: the key is not offered, and who has no other is told so."""
    monkeypatch.setattr(client_module, "ADIT", less)
    rsa = keys.keygen(key_folder / "less-rsa", "rsa", 2048)
    client = kit.connect(sshd, "-o", "IdentitiesOnly=yes", "-N", key=rsa)
    assert client.finish() == 255
    assert "Permission denied" in client.err.text
