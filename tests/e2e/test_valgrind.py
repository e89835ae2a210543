"""One whole tunnel of each kind under valgrind: no invalid access, no leak, no descriptor left open."""
import shutil
import subprocess

import pytest

from harness import socks, traffic
from harness.client import ADIT, IS_SSH
from harness.servers import ROOT

VALGRIND = ["valgrind", "-q", "--error-exitcode=99", "--leak-check=full", "--errors-for-leak-kinds=definite,possible",
            "--child-silent-after-fork=yes"]


@pytest.fixture(scope="module")
def plain_build():
    """adit against glibc without sanitizers: what valgrind can look into."""
    if shutil.which("valgrind") is None:
        pytest.skip("no valgrind")
    if IS_SSH or "asan" in ADIT or "tsan" in ADIT:
        pytest.skip("another build is under test")
    subprocess.run(["make", "-s", "-C", str(ROOT), "build/unit/adit"], check=True, stdout=subprocess.DEVNULL)
    return str(ROOT / "build/unit/adit")


def under_valgrind(kit, monkeypatch, binary):
    from harness import client
    monkeypatch.setattr(client, "ADIT", binary)
    return VALGRIND


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["L", "R", "D"])
def test_clean(kit, sshd, service, plain_build, monkeypatch, kind):
    """Connect, move 1 MiB each way, refuse one, end by a signal: valgrind finds nothing."""
    wrap = under_valgrind(kit, monkeypatch, plain_build)
    echo, size = service(traffic.echo), 1 << 20
    data = b"".join(traffic.pattern(size))
    forward = {"L": f"127.0.0.1:0:{echo.target}", "R": f"127.0.0.1:0:{echo.target}", "D": "127.0.0.1:0"}[kind]
    client = kit.connect(sshd, "-N", f"-{kind}", forward, wrap=wrap)
    addr = client.listening(1, timeout=60)[0].addr
    with (socks.connect5(addr, echo.host, echo.port, timeout=60)[0] if kind == "D" else traffic.connect(addr, 60)) as s:
        import threading
        sender = threading.Thread(target=s.sendall, args=(data,))
        sender.start()
        assert traffic.recv_exact(s, size) == data
        sender.join()
    echo.close()
    if kind == "D":
        s, code = socks.connect5(addr, echo.host, echo.port, timeout=60)
        s.close()
        assert code == socks.REFUSED
    else:
        assert traffic.closes_without_data(addr, 60)
    assert client.stop(timeout=60) != 99, client.err.text
    assert "==" not in client.err.text, client.err.text
