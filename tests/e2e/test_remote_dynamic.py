"""-R without a target: a SOCKS server at the server's side, whose clients are connected from here."""
import shutil
import socket
import struct
import subprocess
import tempfile

import pytest

from harness import servers, socks, traffic
from harness.wait import wait_until


@pytest.fixture
def proxy(kit):
    """proxy(server, *args) -> (client, address of the SOCKS server at the server's side)"""

    def make(server, *args, **kw):
        port = traffic.free_port()
        client = kit.connect(server, "-N", "-R", f"127.0.0.1:{port}", *args, **kw)
        assert client.listening(1)[0].line == f"listening R 127.0.0.1:{port} -"
        return client, ("127.0.0.1", port)

    return make


@pytest.mark.quick
@pytest.mark.parametrize("kind", ["sshd", "asyncssh"])
def test_curl(proxy, start, service, kind, adit_only):
    """curl --socks5-hostname through the server's port: the name is looked up here."""
    assert shutil.which("curl")
    page = service(traffic.http, b"hello through it")
    _, (host, port) = proxy(start(servers.Sshd) if kind == "sshd" else start(servers.Asyncssh))
    for option, target in (("--socks5-hostname", "localhost"), ("--socks5", "127.0.0.1"), ("--socks4a", "localhost"),
                           ("--socks4", "127.0.0.1")):
        done = subprocess.run(["curl", "-sS", "-m", "10", option, f"{host}:{port}", f"http://{target}:{page.port}/"],
                              capture_output=True, text=True)
        assert (done.stdout, done.stderr) == ("hello through it", ""), option


def test_dropbear(kit, start, system_user, echo, adit_only):
    server = start(servers.Dropbear, system_user)
    port = traffic.free_port()
    client = kit.connect(server, "-N", "-R", str(port))
    client.listening(1)
    s, code = socks.connect5(("127.0.0.1", port), "127.0.0.1", echo.port)
    with s:
        assert code == socks.OK
        s.sendall(b"ping")
        assert traffic.recv_exact(s, 4) == b"ping"


def test_port_zero(kit, sshd, echo, adit_only):
    client = kit.connect(sshd, "-N", "-R", "0")
    line = client.listening(1)[0]
    assert (line.kind, line.target) == ("R", "-") and line.port > 0
    s, code = socks.connect5(("127.0.0.1", line.port), "localhost", echo.port)
    with s:
        assert code == socks.OK
    client = kit.connect(sshd, "-o", "ClearAllForwardings=no", "-W", echo.target, "-R", "0", stdin=subprocess.PIPE)
    client.wait_err(r"Allocated port \d+ for remote forward to socks:0")


@pytest.mark.parametrize("word", ["RemoteForward=PORT", "RemoteForward 127.0.0.1:PORT"])
def test_as_option(kit, sshd, echo, word, adit_only):
    port = traffic.free_port()
    kit.connect(sshd, "-N", "-o", word.replace("PORT", str(port))).listening(1)
    s, code = socks.connect5(("127.0.0.1", port), "127.0.0.1", echo.port)
    with s:
        assert code == socks.OK


def test_on_a_path(kit, sshd, echo, adit_only):
    """-R /path: the SOCKS server listens on a Unix socket of the server."""
    with tempfile.TemporaryDirectory(prefix="adit-un-") as folder:
        client = kit.connect(sshd, "-N", "-R", f"{folder}/socks")
        assert client.listening(1)[0].line == f"listening R {folder}/socks -"
        s, code = socks.connect5(f"{folder}/socks", "127.0.0.1", echo.port)
        with s:
            assert code == socks.OK
            s.sendall(b"ping")
            assert traffic.recv_exact(s, 4) == b"ping"


# [RFC 1928 6b]
@pytest.mark.quick
def test_reply_codes(proxy, sshd, adit_only):
    """05 for nobody there, 04 for a name that nobody knows, 07 for UDP; the client log has the reason."""
    client, addr = proxy(sshd)
    refused = traffic.free_port()
    for host, port, command, code in (("127.0.0.1", refused, 1, 5), ("no-such-name.invalid", 80, 1, 4),
                                      ("127.0.0.1", refused, 3, 7), ("127.0.0.1", refused, 2, 7)):
        s, got = socks.connect5(addr, host, port, command=command)
        with s:
            assert got == code, (host, port, command)
            assert s.recv(1) == b""
    s, got = socks.connect4(addr, "127.0.0.1", refused)
    with s:
        assert got == 91
    client.wait_err(rf"remote SOCKS request for 127\.0\.0\.1 port {refused}: .*refused")
    assert client.running()


def test_garbage_and_silence(proxy, sshd, echo, adit_only):
    """What is no SOCKS is closed, and stands in nobody's way; so does a client that leaves in the middle."""
    client, addr = proxy(sshd)
    before = client.fds()
    for text in (b"GET / HTTP/1.0\r\n\r\n", b"\5", b"\5\1", b"\5\1\0\5\1\0\1\x7f", b"\4\1", b""):
        with traffic.connect(addr) as s:
            s.sendall(text)
            s.shutdown(socket.SHUT_WR)
            traffic.recv_all(s)
    s, code = socks.connect5(addr, "127.0.0.1", echo.port)
    with s:
        assert code == socks.OK
    wait_until(lambda: client.fds() <= before, 10, "descriptors are given back")


def request(host, port):
    return b"\5\1\0\5\1\0\3" + bytes([len(host)]) + host.encode() + struct.pack(">H", port)


@pytest.mark.parametrize("chunk", [1, 7, 1 << 20])
def test_hasty_client(proxy, sshd, service, chunk, adit_only):
    """Everything at once, and byte for byte: what comes behind the request is the target's, in order, with its end."""
    target = service(traffic.sink)
    _, addr = proxy(sshd)
    size = 300 if chunk < 100 else 100_000
    data = b"".join(traffic.pattern(size, 3))
    all_of_it = request("localhost", target.port) + data
    with traffic.connect(addr) as s:
        for i in range(0, len(all_of_it), chunk):
            s.sendall(all_of_it[i:i + chunk])
        s.shutdown(socket.SHUT_WR)
        assert traffic.recv_exact(s, 12) == b"\5\0\5\0\0\1" + bytes(6)
        assert traffic.recv_all(s).decode().split() == [str(size), traffic.pattern_sha(size, 3)]


def test_half_close(proxy, sshd, service, adit_only):
    target = service(traffic.half_closer)
    _, addr = proxy(sshd)
    s, code = socks.connect5(addr, "127.0.0.1", target.port)
    with s:
        assert code == socks.OK
        s.sendall(b"x" * 1000)
        s.shutdown(socket.SHUT_WR)
        assert len(traffic.recv_all(s)) == 1_000_008


def test_many_at_once(proxy, sshd, echo, adit_only):
    client, addr = proxy(sshd)
    before = client.fds()
    made = []
    for i in range(300):
        s = traffic.connect(addr)
        s.sendall(request("127.0.0.1", echo.port) + b"%04d" % i)
        made.append(s)
    for i, s in enumerate(made):
        assert traffic.recv_exact(s, 16)[12:] == b"%04d" % i
        s.close()
    wait_until(lambda: client.fds() <= before, 20, "descriptors are given back")


# ---- PermitRemoteOpen ----------------------------------------------------------------------------------------------

@pytest.mark.quick
@pytest.mark.parametrize("rule, host, allowed", [
    ("any", "127.0.0.1", True), ("none", "127.0.0.1", False), ("127.0.0.1:PORT", "127.0.0.1", True),
    ("127.0.0.1:PORT", "localhost", False), ("127.0.0.1:*", "127.0.0.1", True), ("*:PORT", "localhost", True),
    ("*:*", "localhost", True), ("127.*:PORT", "127.0.0.1", False), ("*:1", "127.0.0.1", False),
    ("x:1 localhost:PORT", "localhost", True), ("[::1]:PORT 127.0.0.2:*", "127.0.0.1", False)])
def test_permit_remote_open(proxy, sshd, echo, rule, host, allowed, adit_only):
    """As ssh_config(5) has it: "*" alone for a host or a port, everything else letter by letter. A refusal is 02."""
    client, addr = proxy(sshd, "-o", "PermitRemoteOpen=" + rule.replace("PORT", str(echo.port)))
    s, code = socks.connect5(addr, host, echo.port)
    with s:
        assert code == (socks.OK if allowed else 2)
        if not allowed:
            assert s.recv(1) == b""
            client.wait_err(rf"may not connect to {host} port {echo.port} \(PermitRemoteOpen\)")


def test_permit_remote_open_by_ipv6(proxy, sshd, service, adit_only):
    target = service(traffic.echo, host="::1")
    _, addr = proxy(sshd, "-o", f"PermitRemoteOpen=[::1]:{target.port}")
    s, code = socks.connect5(addr, "::1", target.port)
    with s:
        assert code == socks.OK


def test_exit_on_forward_failure(kit, sshd, adit_only):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        busy = s.getsockname()[1]
        client = kit.connect(sshd, "-N", "-o", "ExitOnForwardFailure=yes", "-R", f"127.0.0.1:{busy}")
        assert client.finish() == 255
        assert f"remote port forwarding failed for listen port {busy}" in client.err.text
