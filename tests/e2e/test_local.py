"""-L: a local port whose connections come out at the server."""
import re
import signal
import socket
import struct
import subprocess

import pytest

from harness import servers, traffic
from harness.client import ADIT
from harness.wait import wait_until


@pytest.mark.quick
def test_bytes_come_back(kit, sshd, echo):
    """A connection to the local port reaches the target and bytes flow both ways."""
    _, addr = kit.local(sshd, echo)
    assert traffic.ask(addr, b"hello") == b"hello"


@pytest.mark.quick
def test_each_connection_opens_one_channel(kit, sshd, echo):
    """Three connections: the server sees three direct-tcpip opens to the given host and port."""
    mark = sshd.mark()
    _, addr = kit.local(sshd, echo)
    for i in range(3):
        assert traffic.ask(addr) == b"ping"
    seen = re.findall(rf"direct_tcpip: originator \S+ port \d+, target {echo.host} port {echo.port}", sshd.text(mark))
    assert len(seen) == 3


def test_name_known_only_to_the_server(kit, start, needs_root, echo):
    """The target's name is looked up by the server: it does not resolve here."""
    server = start(servers.Sshd, hosts={"only.server.test": "127.0.0.1"})
    with pytest.raises(OSError):
        socket.getaddrinfo("only.server.test", 1)
    client = kit.connect(server, "-N", "-L", f"0:only.server.test:{echo.port}")
    assert traffic.ask(client.listening(1)[0].addr) == b"ping"


@pytest.mark.quick
def test_originator_is_the_true_peer(kit, sshd, echo):
    """The originator address and port that the server is told are those of the local client's socket."""
    mark = sshd.mark()
    _, addr = kit.local(sshd, echo)
    with traffic.connect(addr) as s:
        s.sendall(b"x")
        assert s.recv(1) == b"x"
        host, port = s.getsockname()[:2]
    assert f"originator {host} port {port}, target" in sshd.text(mark)


def test_one_login_for_all_connections(kit, sshd, echo):
    """200 connections one after the other use one TCP connection and one authentication."""
    mark = sshd.mark()
    _, addr = kit.local(sshd, echo)
    for i in range(200):
        assert traffic.ask(addr) == b"ping"
    log = sshd.text(mark)
    assert len(re.findall(r"Connection from 127\.0\.0\.1", log)) == 1
    assert len(re.findall(r"Accepted publickey", log)) == 1


@pytest.mark.quick
def test_half_close_client_first(kit, sshd, service):
    """A client that ends its side after 100,000 bytes still receives the whole 1 MB answer."""
    _, addr = kit.local(sshd, service(traffic.half_closer))
    with traffic.connect(addr) as s:
        s.sendall(b"a" * 100_000)
        s.shutdown(socket.SHUT_WR)
        answer = traffic.recv_all(s)
    assert struct.unpack(">Q", answer[:8])[0] == 100_000
    assert answer[8:] == b"".join(traffic.pattern(1_000_000))


def test_half_close_server_first(kit, sshd, service):
    """A server that ends its side first still receives what the client sends afterwards."""
    got = []

    async def speak_then_listen(reader, writer):
        writer.write(b"bye")
        writer.write_eof()
        got.append(len(await reader.read(-1)))

    target = service(lambda: traffic.Service(speak_then_listen))
    _, addr = kit.local(sshd, target)
    with traffic.connect(addr) as s:
        assert traffic.recv_all(s) == b"bye"
        s.sendall(b"b" * 300_000)
        s.shutdown(socket.SHUT_WR)
        wait_until(lambda: got == [300_000], 10, lambda: f"300,000 bytes at the target, got {got}")


@pytest.mark.quick
def test_reset_of_the_target_closes_the_connection(kit, sshd, service, echo):
    """A target that resets ends that connection; others go on."""
    client, addr = kit.local(sshd, service(traffic.resetter), "-L", f"0:{echo.target}")
    with traffic.connect(addr) as s:
        s.sendall(b"x")
        try:
            assert s.recv(1) == b""
        except ConnectionResetError:
            pass
    other = next(x for x in client.listening(2) if x.target.endswith(f":{echo.port}")) if client.out.text else \
        client.fixed[1]
    assert traffic.ask(other.addr) == b"ping"


def test_resets_of_clients_are_not_noise(kit, sshd, echo, adit_only):
    """100 connections that are reset by the client leave no line in the log, and the tunnel works on."""
    client, addr = kit.local(sshd, echo)
    for i in range(100):
        s = traffic.connect(addr)
        s.sendall(b"x")
        assert s.recv(1) == b"x"
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        s.close()
    wait_until(lambda: echo.active == 0, 10, "the target's side of all 100 ended")
    assert traffic.ask(addr) == b"ping"
    assert client.err.text == ""


@pytest.mark.quick
def test_closed_target_is_reported_and_the_listener_stays(kit, sshd, adit_only, service):
    """A target nobody listens on: that connection is closed, one log line has the reason; once the target is there
    the next connection works."""
    port = traffic.free_port()
    client = kit.connect(sshd, "-N", "-L", f"0:127.0.0.1:{port}")
    addr = client.listening(1)[0].addr
    assert traffic.closes_without_data(addr)
    client.wait_err(r"open failed: connect failed: Connection refused")
    service(traffic.echo, port=port)
    assert traffic.ask(addr) == b"ping"


def test_refusal_reasons_differ(kit, start, echo, adit_only):
    """'The server may not' and 'the server cannot reach it' are told apart in the log."""
    forbidden = start(servers.Sshd, {"PermitOpen": "127.0.0.1:1"})
    client, addr = kit.local(forbidden, echo)
    assert traffic.closes_without_data(addr)
    client.wait_err(r"administratively prohibited")
    client = kit.connect(forbidden, "-N", "-L", "0:127.0.0.1:1")
    assert traffic.closes_without_data(client.listening(1)[0].addr)
    client.wait_err(r"connect failed")
    assert "prohibited" not in client.err.text


@pytest.mark.quick
def test_default_bind_is_loopback_only(kit, sshd, echo):
    """Without a bind address the port listens on 127.0.0.1 and ::1 and nowhere else."""
    _, addr = kit.local(sshd, echo)
    assert traffic.listeners(addr[1]) == {"127.0.0.1", "::1"}


@pytest.mark.quick
def test_port_zero_gives_one_port_on_both_families(kit, sshd, echo, adit_only):
    """-L 0:...: the same free port on 127.0.0.1 and ::1, printed once."""
    client = kit.connect(sshd, "-N", "-L", f"0:{echo.target}")
    line, = client.listening(1)
    assert (line.kind, line.host, line.target) == ("L", "127.0.0.1", f"127.0.0.1:{echo.port}")
    assert client.out.text.count("\n") == 1
    for host in ("127.0.0.1", "::1"):
        assert traffic.ask((host, line.port)) == b"ping"


@pytest.mark.parametrize("bind, expected", [
    ("*:", {"0.0.0.0", "::"}), (":", {"0.0.0.0", "::"}), ("localhost:", {"127.0.0.1", "::1"}),
    ("127.0.0.1:", {"127.0.0.1"}), ("127.0.0.7:", {"127.0.0.7"}), ("[::1]:", {"::1"}), ("0.0.0.0:", {"0.0.0.0"})])
def test_bind_addresses(kit, sshd, echo, bind, expected):
    """Each form of a bind address binds exactly what ssh binds for it."""
    port = traffic.free_port_both()
    client = kit.connect(sshd, "-N", "-L", f"{bind}{port}:{echo.target}")
    wait_until(lambda: traffic.listeners(port) or not client.running(), 10, "a listener")
    wait_until(lambda: traffic.listeners(port) == expected, 5, lambda: str(traffic.listeners(port)))


def test_ipv6_target(kit, sshd, service):
    """A target in brackets is an IPv6 address."""
    target = service(traffic.echo, host="::1")
    client = kit.connect(sshd, "-N", "-L", f"0:[::1]:{target.port}")
    assert traffic.ask(client.listening(1)[0].addr) == b"ping"


def test_many_forwards_on_one_connection(kit, sshd, service):
    """Three forwards in one process share one transport and each reaches its own target."""
    mark = sshd.mark()
    targets = [service(traffic.greeter, name) for name in ("one", "two", "three")]
    ports = [traffic.free_port_both() for _ in targets]
    args = [x for p, t in zip(ports, targets) for x in ("-L", f"127.0.0.1:{p}:{t.target}")]
    client = kit.connect(sshd, "-N", *args)
    if client.fixed or client.argv[0].endswith("adit"):
        client.listening(3)
    for port, name in zip(ports, ("one", "two", "three")):
        wait_until(lambda: traffic.listeners(port), 10, "listener")
        assert traffic.greeting(("127.0.0.1", port)) == name
    assert len(re.findall(r"Accepted publickey", sshd.text(mark))) == 1


@pytest.mark.quick
def test_stop_frees_the_port_at_once(kit, sshd, echo):
    """After the end another process can bind the port immediately, also with connections made before."""
    client, addr = kit.local(sshd, echo)
    assert traffic.ask(addr) == b"ping"
    client.stop()
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(addr[:2])
        s.listen()


@pytest.mark.quick
def test_both_directions_on_one_connection(kit, sshd, service):
    """-L and -R in one process both pass data at the same time."""
    there, here = service(traffic.greeter, "there"), service(traffic.greeter, "here")
    port, rport = traffic.free_port(), traffic.free_port()
    kit.connect(sshd, "-N", "-L", f"127.0.0.1:{port}:{there.target}", "-R", f"127.0.0.1:{rport}:{here.target}")
    for p in (port, rport):
        wait_until(lambda: traffic.listeners(p), 10, "listener")
    with traffic.connect(("127.0.0.1", port)) as a, traffic.connect(("127.0.0.1", rport)) as b:
        assert traffic.recv_exact(a, 5) == b"there"
        assert traffic.recv_exact(b, 4) == b"here"


@pytest.mark.quick
def test_a_busy_local_port_is_an_error_before_connecting(kit, sshd, echo, adit_only):
    """The local bind comes first: a port in use ends with exit 255 and names the port; the server sees nobody."""
    mark = sshd.mark()
    busy = traffic.free_port()
    with socket.socket() as s:
        s.bind(("127.0.0.1", busy))
        s.listen()
        client = kit.connect(sshd, "-N", "-o", "ExitOnForwardFailure=yes", "-L", f"127.0.0.1:{busy}:{echo.target}")
        assert client.finish() == 255
    assert str(busy) in client.err.text and "in use" in client.err.text
    assert "Connection from" not in sshd.text(mark)


def test_one_address_is_enough_for_ssh(kit, sshd, echo, tmp_path, adit_only):
    """Under the name ssh, as with it: half a forward is one, none of it is a failure."""
    link = tmp_path / "ssh"
    link.symlink_to(ADIT)
    busy = traffic.free_port_both()
    for address, status, said in (("localhost", 3, False), ("127.0.0.1", 255, True)):
        with socket.socket() as s:
            s.bind(("127.0.0.1", busy))
            s.listen()
            kit.trust(sshd)
            done = subprocess.run([link, *kit.base(), "-o", "ExitOnForwardFailure=yes", "-L", f"{address}:{busy}:{echo.target}", "-p", str(sshd.port),
                                   "-l", sshd.user, "127.0.0.1", "exit 3"], env=kit.env(), stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                  timeout=30, check=False)
        assert done.returncode == status, done.stderr
        assert f"127.0.0.1:{busy}: Address already in use" in done.stderr
        assert ("Could not request local forwarding." in done.stderr) == said, done.stderr


def test_exit_on_forward_failure_counts_every_address(kit, sshd, echo, adit_only):
    """With ExitOnForwardFailure a port that is free on ::1 but busy on 127.0.0.1 is a failure, not half a forward."""
    busy = traffic.free_port_both()
    with socket.socket() as s:
        s.bind(("127.0.0.1", busy))
        s.listen()
        client = kit.connect(sshd, "-N", "-o", "ExitOnForwardFailure=yes", "-L", f"{busy}:{echo.target}")
        assert client.finish() == 255
    assert f"127.0.0.1:{busy}" in client.err.text or f"port {busy}" in client.err.text


def test_download_and_upload_keep_their_hash(kit, sshd, service):
    """64 MiB each way arrive unchanged."""
    size = 64 << 20
    _, addr = kit.local(sshd, service(traffic.source, size, 3))
    assert traffic.download(addr) == (size, traffic.pattern_sha(size, 3))
    _, addr = kit.local(sshd, service(traffic.sink))
    assert traffic.upload(addr, size, 4) == (size, traffic.pattern_sha(size, 4))


@pytest.mark.quick
def test_connection_made_before_the_stop_drains(kit, sshd, echo, adit_only):
    """SIGTERM: the listener is gone at once while an open connection goes on until it ends by itself."""
    client, addr = kit.local(sshd, echo)
    with traffic.connect(addr) as s:
        s.sendall(b"1")
        assert s.recv(1) == b"1"
        client.proc.send_signal(signal.SIGTERM)
        wait_until(lambda: not traffic.listeners(addr[1]), 5, "listener closed")
        s.sendall(b"2")
        assert s.recv(1) == b"2"
    assert client.finish(4) is not None


@pytest.mark.parametrize("flag", ["-L", "-D"])
def test_a_port_that_counts_up(kit, sshd, echo, flag, adit_only):
    """10000+ is the next free port where that one is taken; ssh does not know it."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", traffic.free_port_both()))
        taken.listen()
        port = taken.getsockname()[1]
        client = kit.connect(sshd, "-N", flag, f"{port}+:{echo.target}" if flag == "-L" else f"{port}+")
        first = client.listening(1)[0].addr
        assert first[1] > port
        if flag == "-L":
            assert traffic.ask(first) == b"ping"
