"""-D: a SOCKS server here whose connections come out at the server."""
import shutil
import subprocess

import pytest

from harness import servers, socks, traffic
from harness.wait import wait_until


def curl(*args):
    if shutil.which("curl") is None:
        pytest.skip("no curl")
    return subprocess.run(["curl", "-sS", "--max-time", "20", *args], capture_output=True, text=True, check=True,
                          env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent"}).stdout


@pytest.mark.quick
def test_curl_by_address_and_by_name(kit, sshd, service):
    """curl --socks5, --socks5-hostname, --socks4 and --socks4a all fetch a page."""
    web = service(traffic.http, b"page")
    _, (host, port) = kit.dynamic(sshd)
    proxy = f"{host}:{port}"
    for how, name in (("--socks5", "127.0.0.1"), ("--socks5-hostname", "localhost"), ("--socks4", "127.0.0.1"),
                      ("--socks4a", "localhost")):
        assert curl(how, proxy, f"http://{name}:{web.port}/") == "page"


def test_name_known_only_to_the_server(kit, start, needs_root, service):
    """A name is looked up by the server, also for SOCKS4a and ALL_PROXY=socks5h."""
    server = start(servers.Sshd, hosts={"only.server.test": "127.0.0.1"})
    web = service(traffic.http, b"inside")
    _, (host, port) = kit.dynamic(server)
    url = f"http://only.server.test:{web.port}/"
    assert curl("--socks5-hostname", f"{host}:{port}", url) == "inside"
    assert curl("--socks4a", f"{host}:{port}", url) == "inside"
    assert curl("--proxy", f"socks5h://{host}:{port}", url) == "inside"


@pytest.mark.quick
def test_default_bind_is_loopback(kit, sshd):
    """Without an address the SOCKS port listens on 127.0.0.1 and ::1 alone."""
    _, addr = kit.dynamic(sshd)
    assert traffic.listeners(addr[1]) == {"127.0.0.1", "::1"}


@pytest.mark.quick
def test_listening_line(kit, sshd, adit_only):
    """The line of -D has - for its target."""
    client = kit.connect(sshd, "-N", "-D", "127.0.0.1:0")
    line = client.listening(1)[0]
    assert (line.kind, line.host, line.target) == ("D", "127.0.0.1", "-")


def test_close_frees_the_port(kit, sshd):
    """The SOCKS port is gone with the process."""
    client, addr = kit.dynamic(sshd)
    client.stop()
    assert traffic.is_refused(addr)


def test_other_destinations_at_the_same_time(kit, sshd, service):
    """The destination is per connection."""
    _, addr = kit.dynamic(sshd)
    targets = [service(traffic.greeter, name) for name in "abc"]
    open_now = [socks.connect5(addr, t.host, t.port) for t in targets]
    assert [code for _, code in open_now] == [0, 0, 0]
    assert [traffic.recv_exact(s, 1).decode() for s, _ in open_now] == list("abc")
    for s, _ in open_now:
        s.close()


def test_large_transfer_keeps_its_hash(kit, sshd, service):
    """64 MiB through the proxy arrive unchanged."""
    size = 64 << 20
    source = service(traffic.source, size, 8)
    _, addr = kit.dynamic(sshd)
    s, code = socks.connect5(addr, source.host, source.port)
    with s:
        assert code == socks.OK
        import hashlib
        h = hashlib.sha256()
        while piece := s.recv(1 << 18):
            h.update(piece)
    assert h.hexdigest() == traffic.pattern_sha(size, 8)


def test_success_only_after_the_server_confirmed(kit, sshd, relay, echo):
    """While the server's answer is on its way the client has no reply: success is never said in advance."""
    slow = relay(sshd.port, "-d", "150")
    _, addr = kit.dynamic(sshd, port=slow.port)
    slow.freeze()
    with traffic.connect(addr, 0.5) as s:
        s.sendall(b"\5\1\0")
        assert traffic.recv_exact(s, 2) == b"\5\0"
        s.sendall(socks.request5(echo.host, echo.port))
        with pytest.raises(TimeoutError):
            s.recv(1)
        slow.thaw()
        s.settimeout(10)
        assert socks.reply5(s)[0] == socks.OK
        s.sendall(b"ping")
        assert traffic.recv_exact(s, 4) == b"ping"
    wait_until(lambda: echo.active == 0, 10, "the target's side ended")
