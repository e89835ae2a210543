"""Who may use a tunnel's listener, and for what: clients' networks, user and password, destinations, HTTP CONNECT."""
import base64
import json
import subprocess

import pytest

from harness import socks, traffic
from harness.wait import wait_until

pytestmark = pytest.mark.usefixtures("adit_only")

USER, PASSWORD = "proxy-user", "proxy-pass"
BASIC = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


@pytest.fixture
def tunnel(kit, sshd):
    """tunnel(lines): a daemon with one tunnel `t` of these lines, up; its address."""
    state = {}

    def begin(*lines):
        kit.trust(sshd)
        password = kit.folder / "socks-password"
        password.write_text(PASSWORD + "\n")
        password.chmod(0o600)
        common = [f"Via {sshd.user}@127.0.0.1:{sshd.port}", "AutoStart yes", f"IdentityFile {kit.key}",
                  "IdentitiesOnly yes", f"UserKnownHostsFile {kit.known_hosts}", "GlobalKnownHostsFile none"]
        lines = [line.replace("@PASSWORD@", str(password)) for line in lines]
        conf = kit.folder / "adit.conf"
        conf.write_text("SshConfig none\nTunnel t\n" + "".join(f"    {line}\n" for line in [*common, *lines]))
        state["socket"] = str(kit.folder / "adit.sock")
        state["daemon"] = kit.run("daemon", "-c", str(conf), "--socket", state["socket"], "--state",
                                  str(kit.folder / "state"))
        state["daemon"].wait_err(r"^adit: ready ")
        assert state["verb"]("wait", "t", "--timeout", "30s").returncode == 0, state["daemon"].err.text
        host, _, port = state["verb"]("addr", "t").stdout.strip().rpartition(":")
        return host.strip("[]"), int(port)

    def verb(*args):
        return subprocess.run([kit.clients[0].argv[0], *args, "--socket", state["socket"]], env=kit.env(), text=True,
                              capture_output=True, timeout=60)

    def denied():
        answer = json.loads(verb("list", "--json").stdout)
        return answer["tunnels"][0]["errors"]["denied"]

    state["verb"] = verb
    begin.denied = denied
    begin.log = lambda: state["daemon"].err.text + verb("logs", "t").stdout
    return begin


def curl(*args):
    return subprocess.run(["curl", "-sS", "-m", "20", *args], capture_output=True, text=True)


def connect_http(addr, target, credentials=None):
    """A socket behind CONNECT, and the answer's status."""
    s = traffic.connect(addr)
    head = f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n"
    if credentials:
        head += f"Proxy-Authorization: {credentials}\r\n"
    s.sendall((head + "\r\n").encode())
    answer = b""
    while not answer.endswith(b"\r\n\r\n"):
        byte = s.recv(1)
        assert byte, answer
        answer += byte
    return s, int(answer.split()[1])


# [RFC 1929 2c]
def test_user_and_password(tunnel, service):
    """RFC 1929 and Basic: who knows both gets through, nobody else; nothing of them stands in the log."""
    web = service(traffic.http, b"hello")
    host, port = tunnel("DynamicForward 127.0.0.1:0", f"SocksUser {USER}", "SocksPasswordFile @PASSWORD@")
    url = f"http://127.0.0.1:{web.port}/"
    for proxy in (f"socks5h://{USER}:{PASSWORD}@{host}:{port}", f"socks5://{USER}:{PASSWORD}@{host}:{port}"):
        assert curl("-x", proxy, url).stdout == "hello"
    assert curl("-p", "-x", f"http://{USER}:{PASSWORD}@{host}:{port}", url).stdout == "hello"
    assert tunnel.denied() == 0
    assert curl("-x", f"socks5h://{USER}:wrong@{host}:{port}", url).returncode == 97
    assert "407" in curl("-p", "-x", f"http://{USER}:wrong@{host}:{port}", url).stderr
    assert "407" in curl("-p", "-x", f"http://{host}:{port}", url).stderr
    with traffic.connect((host, port)) as s:
        s.sendall(b"\5\1\0")
        assert traffic.recv_all(s) == b"\5\xff"
    s, code = socks.connect4((host, port), "127.0.0.1", web.port)
    with s:
        assert code == 0x5b and traffic.recv_all(s) == b""
    wait_until(lambda: tunnel.denied() == 4, 10, tunnel.denied)
    assert PASSWORD not in tunnel.log() and BASIC[6:] not in tunnel.log()


def test_http_connect(tunnel, echo):
    """On the same port as SOCKS; what is sent behind the request is the target's; other methods are none of ours."""
    addr = tunnel("DynamicForward 127.0.0.1:0")
    s, status = connect_http(addr, f"127.0.0.1:{echo.port}")
    with s:
        assert status == 200
        s.sendall(b"ping")
        assert traffic.recv_exact(s, 4) == b"ping"
    with traffic.connect(addr) as s:
        s.sendall(f"CONNECT 127.0.0.1:{echo.port} HTTP/1.1\r\n\r\nearly".encode())
        assert traffic.recv_exact(s, 39 + 5) == b"HTTP/1.1 200 Connection established\r\n\r\nearly"
    s, status = connect_http(addr, f"127.0.0.1:{traffic.free_port()}")
    with s:
        assert status == 502 and traffic.recv_all(s) == b""
    with traffic.connect(addr) as s:
        s.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert traffic.recv_all(s).startswith(b"HTTP/1.1 400 ")
    s, code = socks.connect5(addr, "127.0.0.1", echo.port)
    with s:
        assert code == socks.OK


def test_destinations(tunnel, echo):
    """What no pattern means is refused: reply 02, and 403."""
    addr = tunnel("DynamicForward 127.0.0.1:0", f"Destinations 127.0.0.?:{echo.port} [::1]:*")
    s, code = socks.connect5(addr, "127.0.0.1", echo.port)
    with s:
        assert code == socks.OK
        s.sendall(b"ping")
        assert traffic.recv_exact(s, 4) == b"ping"
    for host, port in (("localhost", echo.port), ("127.0.0.1", 1), ("127.0.0.11", echo.port)):
        s, code = socks.connect5(addr, host, port)
        with s:
            assert code == socks.PROHIBITED and traffic.recv_all(s) == b""
        s, status = connect_http(addr, f"{host}:{port}")
        with s:
            assert status == 403 and traffic.recv_all(s) == b""
    wait_until(lambda: tunnel.denied() == 6, 10, tunnel.denied)


@pytest.mark.parametrize("kind", ["LocalForward 127.0.0.1:0 {target}", "DynamicForward 127.0.0.1:0"])
def test_other_clients_are_reset(tunnel, echo, kind):
    """A client of no network that is allowed is reset, counted, and its address is in the log."""
    addr = tunnel(kind.format(target=echo.target), "Allow 192.0.2.0/24 2001:db8::/32")
    with pytest.raises(ConnectionResetError), traffic.connect(addr) as s:  # perhaps before connect returns
        s.recv(1)
    wait_until(lambda: tunnel.denied() == 1, 10, tunnel.denied)


def test_own_clients_are_served(tunnel, echo):
    addr = tunnel(f"LocalForward 127.0.0.1:0 {echo.target}", "Allow 192.0.2.0/24,10.0.0.0/8 127.0.0.0/8")
    assert traffic.ask(addr) == b"ping"
    assert tunnel.denied() == 0
