"""One whole tunnel of each kind under valgrind and under the sanitizers: no invalid access, no leak, no race."""
import shutil
import subprocess

import pytest

from harness import client as client_module
from harness import socks, traffic
from harness.client import IS_SSH, is_sanitized
from harness.servers import ROOT

VALGRIND = ["valgrind", "-q", "--error-exitcode=99", "--leak-check=full", "--errors-for-leak-kinds=definite,possible",
            "--child-silent-after-fork=yes"]
# How each tool's build is called, made and run. TSan cannot live with much address space randomisation.
TOOLS = {"valgrind": ("build/unit/adit", ["build/unit/adit"], VALGRIND),
         "asan": ("build/asan/adit", ["SAN=address,undefined"], []),
         "tsan": ("build/tsan/adit", ["SAN=thread"], ["setarch", "-R"])}


@pytest.fixture(scope="module", params=TOOLS)
def tool(request):
    """(binary, what runs it): built here unless it is there."""
    if shutil.which("valgrind") is None and request.param == "valgrind":
        pytest.skip("no valgrind")
    if IS_SSH or is_sanitized():
        pytest.skip("another build is under test")
    name, target, wrap = TOOLS[request.param]
    subprocess.run(["make", "-s", "-C", str(ROOT), *target], check=True, stdout=subprocess.DEVNULL)
    if wrap and subprocess.run([*wrap, "true"], capture_output=True).returncode != 0:
        wrap = []
    return str(ROOT / name), wrap


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["L", "R", "D"])
def test_clean(kit, sshd, service, tool, monkeypatch, kind):
    """Connect, move 1 MiB each way under new keys, refuse one, end by a signal: the tool finds nothing."""
    binary, wrap = tool
    monkeypatch.setattr(client_module, "ADIT", binary)
    echo, size = service(traffic.echo), 1 << 20
    data = b"".join(traffic.pattern(size))
    forward = {"L": f"127.0.0.1:0:{echo.target}", "R": f"127.0.0.1:0:{echo.target}", "D": "127.0.0.1:0"}[kind]
    client = kit.connect(sshd, "-N", "-o", "RekeyLimit=256k", f"-{kind}", forward, wrap=wrap)
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
    client.stop(timeout=60)
    assert client.proc.returncode not in (99, 66) and "==" not in client.err.text, client.err.text
