"""-W: one connection on standard input and output."""
import hashlib
import os
import subprocess

import pytest

from harness import client as client_module
from harness import traffic
from harness.wait import wait_until


@pytest.mark.quick
def test_bytes_both_ways(kit, sshd, echo):
    """What goes into stdin reaches the target, its answer comes on stdout, and stdin's end ends it all: exit 0."""
    client = kit.connect(sshd, "-W", echo.target, stdin=subprocess.PIPE)
    client.proc.stdin.write(b"hello\n")
    client.proc.stdin.flush()
    client.wait_out("hello")
    client.proc.stdin.close()
    assert client.finish() == 0
    assert client.out.text == "hello\n"


@pytest.mark.quick
def test_half_close(kit, sshd, service):
    """After the end of stdin the rest of the answer still arrives, in full."""
    target = service(traffic.half_closer)
    client = kit.connect(sshd, "-W", target.target, stdin=subprocess.PIPE)
    client.proc.stdin.write(b"a" * 100_000)
    client.proc.stdin.close()
    assert client.finish() == 0
    assert len(client.out.data) == 1_000_008


def test_large_file_from_and_to_regular_files(kit, sshd, service, tmp_path):
    """Regular files as stdin and stdout (which epoll does not take): 32 MiB through an echo, unchanged."""
    size = 32 << 20
    source = tmp_path / "in"
    with open(source, "wb") as f:
        for piece in traffic.pattern(size, 2):
            f.write(piece)
    echo = service(traffic.echo)
    kit.trust(sshd)
    with open(source, "rb") as i, open(tmp_path / "out", "wb") as o:
        subprocess.run([client_module.ADIT, *kit.base(), "-p", str(sshd.port), "-l", sshd.user, "-W", echo.target,
                        "127.0.0.1"], stdin=i, stdout=o, env=kit.env(), check=True, timeout=60)
    assert hashlib.sha256((tmp_path / "out").read_bytes()).hexdigest() == traffic.pattern_sha(size, 2)


def test_blocking_mode_of_stdio_is_left_alone(kit, sshd, echo):
    """stdin and stdout share their description with others: they never become non-blocking."""
    r, w = os.pipe()
    r2, w2 = os.pipe()
    kit.trust(sshd)
    proc = subprocess.Popen([client_module.ADIT, *kit.base(), "-p", str(sshd.port), "-l", sshd.user, "-W", echo.target,
                             "127.0.0.1"], stdin=r, stdout=w2, env=kit.env())
    try:
        os.write(w, b"x")
        assert os.read(r2, 1) == b"x"
        if not client_module.IS_SSH:
            assert os.get_blocking(r) and os.get_blocking(w2)
    finally:
        os.close(w)
        assert proc.wait(10) == 0
        for fd in (r, r2, w2):
            os.close(fd)


def test_refused_target(kit, sshd):
    """A target that the server cannot reach: exit 255 and the reason."""
    client = kit.connect(sshd, "-W", f"127.0.0.1:{traffic.free_port()}")
    assert client.finish() == 255
    assert "open failed" in client.err.text or "forwarding failed" in client.err.text


def test_ipv6_target(kit, sshd, service):
    """-W [::1]:port."""
    target = service(traffic.greeter, "six", host="::1")
    client = kit.connect(sshd, "-W", f"[::1]:{target.port}", stdin=subprocess.PIPE)
    client.wait_out("six")
    client.proc.stdin.close()
    assert client.finish() == 0


@pytest.mark.quick
def test_beside_a_forward_on_one_transport(kit, sshd, service):
    """-W and -L live on the same connection and both work."""
    a, b = service(traffic.greeter, "stdio"), service(traffic.greeter, "forward")
    port = traffic.free_port()
    mark = sshd.mark()
    client = kit.connect(sshd, "-o", "ClearAllForwardings=no", "-W", a.target, "-L", f"127.0.0.1:{port}:{b.target}",
                         stdin=subprocess.PIPE)
    client.wait_out("stdio")
    wait_until(lambda: traffic.listeners(port), 10, "listener")
    assert traffic.greeting(("127.0.0.1", port)) == "forward"
    assert sshd.text(mark).count("Accepted publickey") == 1
    client.proc.stdin.close()
    client.finish()


def test_as_a_proxy_command(kit, sshd, tmp_path):
    """ssh reaches a second hop through `-W %h:%p` as its ProxyCommand."""
    if client_module.IS_SSH:
        pytest.skip("of adit alone")
    kit.trust(sshd)
    proxy = " ".join([client_module.ADIT, *kit.base(), "-p", str(sshd.port), "-l", sshd.user, "-W", "%h:%p",
                      "127.0.0.1"])
    out = subprocess.run(["ssh", *kit.base(), "-o", f"ProxyCommand={proxy}", "-p", str(sshd.port), "-l", sshd.user,
                          "127.0.0.1", "echo through"], env=kit.env(), capture_output=True, text=True, timeout=30)
    assert out.stdout == "through\n", out.stderr


def test_stdout_closed_early(kit, sshd, service, adit_only):
    """A reader that goes away ends the client; it does not spin or stay."""
    target = service(traffic.endless)
    kit.trust(sshd)
    proc = subprocess.Popen([client_module.ADIT, *kit.base(), "-p", str(sshd.port), "-l", sshd.user, "-W",
                             target.target, "127.0.0.1"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                            stderr=subprocess.DEVNULL, env=kit.env())
    assert len(proc.stdout.read(100_000)) == 100_000
    proc.stdout.close()
    proc.wait(15)
    proc.stdin.close()
