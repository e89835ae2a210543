"""The SOCKS server: versions, address types, slow and hasty clients, and the reply code of each cause."""
import shutil
import struct

import pytest

from harness import servers, socks, traffic


@pytest.fixture
def proxy(kit, sshd):
    return kit.dynamic(sshd)[1]


# [RFC 1928 4b]
@pytest.mark.quick
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
def test_socks5_address_types(proxy, service, host):
    """CONNECT by IPv4 address, name and IPv6 address."""
    target = service(traffic.greeter, "hi", host="::1" if host == "::1" else "127.0.0.1")
    s, code = socks.connect5(proxy, host, target.port)
    with s:
        assert code == socks.OK
        assert traffic.recv_exact(s, 2) == b"hi"


@pytest.mark.quick
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_socks4_and_4a(proxy, echo, host):
    """SOCKS4 by address, 4a by name; success is 90."""
    s, code = socks.connect4(proxy, host, echo.port)
    with s:
        assert code == 90
        s.sendall(b"ping")
        assert traffic.recv_exact(s, 4) == b"ping"


@pytest.mark.parametrize("version", [4, 5])
def test_byte_at_a_time(proxy, echo, version):
    """A client whose every byte comes alone is served as any other."""
    first = b"\5\1\0" if version == 5 else b""
    request = socks.request5("localhost", echo.port) if version == 5 else socks.request4("localhost", echo.port)
    with traffic.connect(proxy) as s:
        for byte in first:
            s.sendall(bytes([byte]))
        if first:
            assert traffic.recv_exact(s, 2) == b"\5\0"
        for byte in request:
            s.sendall(bytes([byte]))
        assert socks.reply5(s)[0] == 0 if version == 5 else traffic.recv_exact(s, 8)[1] == 90
        s.sendall(b"ping")
        assert traffic.recv_exact(s, 4) == b"ping"


@pytest.mark.parametrize("version", [4, 5])
def test_pipelined(proxy, echo, version):
    """A client that sends greeting, request and data in one go loses nothing."""
    data = b"early data" * 100
    with traffic.connect(proxy) as s:
        if version == 5:
            s.sendall(b"\5\1\0" + socks.request5("127.0.0.1", echo.port) + data)
            assert traffic.recv_exact(s, 2) == b"\5\0"
            assert socks.reply5(s)[0] == socks.OK
        else:
            s.sendall(socks.request4("127.0.0.1", echo.port) + data)
            assert traffic.recv_exact(s, 8)[1] == 90
        assert traffic.recv_exact(s, len(data)) == data


# [RFC 1928 6c]
@pytest.mark.quick
@pytest.mark.parametrize("command, code", [(2, socks.COMMAND), (3, socks.COMMAND), (9, socks.COMMAND)])
def test_bind_and_udp(proxy, command, code, adit_only):
    """BIND, UDP ASSOCIATE and unknown commands: 07."""
    s, got = socks.connect5(proxy, "127.0.0.1", 1, command)
    with s:
        assert got == code
        assert s.recv(1) == b""


# [RFC 1928 3a]
@pytest.mark.quick
def test_no_acceptable_method(proxy, adit_only):
    """A client that offers only user name and password: FF, then the end."""
    with traffic.connect(proxy) as s:
        s.sendall(b"\5\1\2")
        assert traffic.recv_exact(s, 2) == b"\5\xff"
        assert s.recv(1) == b""


def test_unknown_address_type(proxy, adit_only):
    """ATYP 2 does not exist: 08."""
    with traffic.connect(proxy) as s:
        s.sendall(b"\5\1\0")
        assert traffic.recv_exact(s, 2) == b"\5\0"
        s.sendall(b"\5\1\0\2\0\0\0\0\0\0")
        assert traffic.recv_exact(s, 2)[1] == socks.ADDRESS


# [RFC 1928 6b]
@pytest.mark.quick
def test_refused_target(proxy, adit_only):
    """Nobody listens at the target: 05; SOCKS4 says 91."""
    port = traffic.free_port()
    s, code = socks.connect5(proxy, "127.0.0.1", port)
    with s:
        assert code == socks.REFUSED
        assert s.recv(1) == b""
    s, code = socks.connect4(proxy, "127.0.0.1", port)
    with s:
        assert code == 91


def test_unresolvable_name(proxy, adit_only):
    """A name that the server cannot resolve: 04."""
    s, code = socks.connect5(proxy, "no-such-name.invalid", 80, timeout=60)
    with s:
        assert code == socks.HOST


@pytest.mark.parametrize("tree", ["stock", "openssh10"])
def test_prohibited(kit, start, request, tree, adit_only):
    """A server that permits no target: 02."""
    root = request.getfixturevalue("openssh10") if tree == "openssh10" else None
    server = start(servers.Sshd, {"PermitOpen": "none"}, tree=root)
    _, addr = kit.dynamic(server)
    s, code = socks.connect5(addr, "127.0.0.1", 80)
    with s:
        assert code == socks.PROHIBITED


@pytest.mark.parametrize("host, code", [("10.9.1.1", socks.HOST), ("192.0.2.1", socks.NET),
                                        ("10.8.1.1", socks.TTL), ("no-such-name.invalid", socks.HOST),
                                        ("127.0.0.1", socks.REFUSED)])
def test_unreachable(kit, start, needs_root, host, code, adit_only):
    """What sshd says of a target that it cannot reach becomes the reply: host 04, network 03, silence 06, a name that
    cannot be looked up 04, nobody there 05."""
    if shutil.which("ip") is None:
        pytest.skip("no ip(8) to make routes that lead nowhere")
    server = start(servers.IsolatedSshd)
    _, addr = kit.dynamic(server)
    s, got = socks.connect5(addr, host, 80, timeout=60)
    with s:
        assert got == code


@pytest.mark.parametrize("bytes_", [b"GET / HTTP/1.1\r\n\r\n", b"\x06\1\0", b"\0" * 32, b"\5\0", b"\4\1\0\0"])
def test_what_is_not_socks_is_ended(proxy, echo, bytes_, adit_only):
    """Other protocols and broken requests get no connection, and the proxy serves on."""
    with traffic.connect(proxy, 5) as s:
        s.sendall(bytes_)
        s.shutdown(1)
        try:
            answer = traffic.recv_all(s)
        except ConnectionResetError:
            answer = b""
    assert not answer.startswith(b"\5\0") and not answer.startswith(b"\0Z")
    s, code = socks.connect5(proxy, echo.host, echo.port)
    with s:
        assert code == socks.OK


def test_a_name_of_255_bytes(proxy, adit_only):
    """The longest name that fits is passed on whole (and fails at the server, not here)."""
    name = ".".join(["a" * 63] * 4)
    assert len(name) == 255
    s, code = socks.connect5(proxy, name, 80, timeout=60)
    with s:
        assert code in (socks.HOST, socks.REFUSED)


def test_socks4_without_an_end_is_bounded(proxy, echo, adit_only):
    """A user name that never ends is cut off, not stored without limit."""
    with traffic.connect(proxy, 10) as s:
        s.sendall(struct.pack(">BBH", 4, 1, 80) + b"\x7f\0\0\1")
        with pytest.raises(OSError):
            for _ in range(1000):
                s.sendall(b"u" * 4096)
            while s.recv(1):
                pass
            raise OSError("ended in order")
    s, code = socks.connect5(proxy, echo.host, echo.port)
    with s:
        assert code == socks.OK
