"""-R: a port at the server whose connections come out here."""
import re
import signal
import socket

import pytest

from harness import servers, traffic
from harness.wait import holds_for, wait_until


@pytest.mark.quick
def test_bytes_come_back(kit, sshd, echo):
    """The server listens on the port asked for and connections reach the local target."""
    port = traffic.free_port()
    kit.connect(sshd, "-N", "-R", f"127.0.0.1:{port}:{echo.target}")
    wait_until(lambda: traffic.listeners(port) == {"127.0.0.1"}, 10, "listener at the server")
    assert traffic.ask(("127.0.0.1", port), b"hello") == b"hello"


@pytest.mark.quick
def test_port_zero_is_printed(kit, sshd, echo, adit_only):
    """Port 0: the server picks, and stdout has it in one line that a program can read."""
    client = kit.connect(sshd, "-N", "-R", f"0:{echo.target}")
    line = client.listening(1)[0]
    assert (line.kind, line.target) == ("R", f"127.0.0.1:{echo.port}")
    assert line.port > 0
    assert traffic.ask(("127.0.0.1", line.port)) == b"ping"


@pytest.mark.quick
def test_port_zero_without_N_is_in_ssh_words(kit, sshd, echo):
    """Together with -W the bound port is said on stderr as ssh says it; stdout belongs to the stream."""
    client = kit.connect(sshd, "-o", "ClearAllForwardings=no", "-W", echo.target, "-R", f"0:{echo.target}", stdin=-1)
    port = int(client.wait_err(r"Allocated port (\d+) for remote forward to 127\.0\.0\.1:\d+").group(1))
    assert traffic.ask(("127.0.0.1", port)) == b"ping"
    client.proc.stdin.close()
    assert client.finish() == 0
    assert client.out.text == ""


def test_two_forwards_reach_two_targets(kit, sshd, service):
    """Two -R on two ports: each reaches its own target."""
    a, b = service(traffic.greeter, "a"), service(traffic.greeter, "b")
    pa, pb = traffic.free_port(), traffic.free_port()
    kit.connect(sshd, "-N", "-R", f"{pa}:{a.target}", "-R", f"{pb}:{b.target}")
    wait_until(lambda: traffic.listeners(pa) and traffic.listeners(pb), 10, "listeners")
    assert traffic.greeting(("127.0.0.1", pa)) == "a"
    assert traffic.greeting(("127.0.0.1", pb)) == "b"


def test_one_port_two_addresses_two_targets(kit, start, service):
    """Two binds of one port with different addresses reach their own targets (the server honours the addresses)."""
    server = start(servers.Sshd, {"GatewayPorts": "clientspecified"})
    a, b = service(traffic.greeter, "a"), service(traffic.greeter, "b")
    port = traffic.free_port()
    kit.connect(server, "-N", "-R", f"127.0.0.1:{port}:{a.target}", "-R", f"127.0.0.2:{port}:{b.target}")
    wait_until(lambda: traffic.listeners(port) == {"127.0.0.1", "127.0.0.2"}, 10, "both listeners")
    assert traffic.greeting(("127.0.0.1", port)) == "a"
    assert traffic.greeting(("127.0.0.2", port)) == "b"


def test_three_at_once_many_connections(kit, sshd, service):
    """Several -R on one connection, each with connections at the same time."""
    targets = [service(traffic.greeter, str(i)) for i in range(3)]
    ports = [traffic.free_port() for _ in targets]
    kit.connect(sshd, "-N", *[x for p, t in zip(ports, targets) for x in ("-R", f"{p}:{t.target}")])
    wait_until(lambda: all(traffic.listeners(p) for p in ports), 10, "listeners")
    socks = [traffic.connect(("127.0.0.1", p)) for p in ports * 5]
    assert [traffic.recv_exact(s, 1).decode() for s in socks] == ["0", "1", "2"] * 5
    for s in socks:
        s.close()


@pytest.mark.quick
def test_target_down_refuses_that_connection_only(kit, sshd, service, adit_only):
    """No local service: the connection is refused with a log line, and works as soon as the service is there."""
    target = traffic.free_port()
    client = kit.connect(sshd, "-N", "-R", f"127.0.0.1:0:127.0.0.1:{target}")
    addr = client.listening(1)[0].addr
    assert traffic.closes_without_data(addr)
    client.wait_err(rf"no local service for 127\.0\.0\.1:{target}")
    service(traffic.echo, port=target)
    assert traffic.ask(addr) == b"ping"


def test_local_target_by_name(kit, sshd, echo):
    """The target of -R is looked up on this side."""
    _, addr = kit.remote(sshd, echo)
    client = kit.connect(sshd, "-N", "-R", f"127.0.0.1:{(port := traffic.free_port())}:localhost:{echo.port}")
    wait_until(lambda: traffic.listeners(port), 10, client.err.text)
    assert traffic.ask(("127.0.0.1", port)) == b"ping"
    assert traffic.ask(addr) == b"ping"


@pytest.mark.parametrize("bind, expected", [("0.0.0.0:", {"0.0.0.0"}), ("*:", {"0.0.0.0", "::"}), ("", {"127.0.0.1", "::1"}),
                                            ("localhost:", {"127.0.0.1", "::1"}), ("127.0.0.3:", {"127.0.0.3"}),
                                            ("[::1]:", {"::1"}), (":", {"0.0.0.0", "::"})])
def test_bind_addresses_at_the_server(kit, start, echo, bind, expected):
    """With GatewayPorts clientspecified each bind address is what the server binds."""
    server = start(servers.Sshd, {"GatewayPorts": "clientspecified", "AddressFamily": "any"})
    port = traffic.free_port_both()
    kit.connect(server, "-N", "-R", f"{bind}{port}:{echo.target}")
    wait_until(lambda: traffic.listeners(port) == expected, 10, lambda: str(traffic.listeners(port)))


def test_a_server_that_says_no_to_the_address(kit, sshd, echo, adit_only):
    """GatewayPorts no: the server binds loopback whatever is asked; nothing of ours claims 0.0.0.0 elsewhere."""
    port = traffic.free_port_both()
    kit.connect(sshd, "-N", "-R", f"0.0.0.0:{port}:{echo.target}").listening(1)
    assert traffic.listeners(port) <= {"127.0.0.1", "::1"}


@pytest.mark.quick
def test_busy_port_at_the_server(kit, sshd, echo):
    """A port the server cannot bind: a warning and the rest goes on; with ExitOnForwardFailure exit 255."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        busy = s.getsockname()[1]
        spec = f"127.0.0.1:{busy}:{echo.target}"
        client = kit.connect(sshd, "-N", "-o", "ExitOnForwardFailure=yes", "-R", spec)
        assert client.finish() == 255
        assert f"remote port forwarding failed for listen port {busy}" in client.err.text
        client = kit.connect(sshd, "-N", "-R", spec, "-R", f"127.0.0.1:{(good := traffic.free_port())}:{echo.target}")
        client.wait_err(rf"remote port forwarding failed for listen port {busy}")
        wait_until(lambda: traffic.listeners(good), 10, "the other forward")
        assert traffic.ask(("127.0.0.1", good)) == b"ping"


def test_forwarding_forbidden(kit, start, echo):
    """AllowTcpForwarding no: the refusal is reported."""
    server = start(servers.Sshd, {"AllowTcpForwarding": "no"})
    client = kit.connect(server, "-N", "-o", "ExitOnForwardFailure=yes", "-R", f"{traffic.free_port()}:{echo.target}")
    assert client.finish() == 255


@pytest.mark.quick
def test_stop_cancels_at_the_server(kit, sshd, echo, adit_only):
    """A clean stop sends cancel-tcpip-forward: the server's port is free while the transport still drains."""
    client, addr = kit.remote(sshd, echo)
    mark = sshd.mark()
    with traffic.connect(addr) as s:
        s.sendall(b"1")
        assert s.recv(1) == b"1"
        client.proc.send_signal(signal.SIGTERM)
        sshd.wait_log(r"cancel-tcpip-forward", mark)
        wait_until(lambda: not traffic.listeners(addr[1]), 5, "the server's listener is gone")
        s.sendall(b"2")
        assert s.recv(1) == b"2"
        assert client.running()
    client.finish(4)


def test_half_close(kit, sshd, service):
    """End of data passes through while the other direction goes on."""
    _, addr = kit.remote(sshd, service(traffic.half_closer))
    with traffic.connect(addr) as s:
        s.sendall(b"a" * 100_000)
        s.shutdown(socket.SHUT_WR)
        assert len(traffic.recv_all(s)) == 1_000_008


def test_download_and_upload_keep_their_hash(kit, sshd, service):
    """64 MiB each way arrive unchanged."""
    size = 64 << 20
    _, addr = kit.remote(sshd, service(traffic.source, size, 5))
    assert traffic.download(addr) == (size, traffic.pattern_sha(size, 5))
    _, addr = kit.remote(sshd, service(traffic.sink))
    assert traffic.upload(addr, size, 6) == (size, traffic.pattern_sha(size, 6))


def test_a_flood_of_unasked_forwards_does_not_fill_the_log(kit, start, echo, adit_only):
    """Each is refused, and counted; the log says some of them, and that it says no more."""
    server = start(servers.Asyncssh, unasked=[["127.0.0.1", 4242]] * 600)
    client, addr = kit.local(server, echo)
    server.wait_log("UNASKED refused", timeout=30, count=600)
    assert traffic.ask(addr) == b"ping"
    assert client.err.text.count("\n") < 300
    assert client.err.text.count("too many messages") == 1


# [RFC 4254 7.2a]
def test_an_unasked_forward_is_refused(kit, start, echo, adit_only):
    """A forwarded-tcpip for a port that we never asked for is refused; the session goes on."""
    server = start(servers.Asyncssh, unasked=[["127.0.0.1", 4242]])
    client, addr = kit.local(server, echo)
    server.wait_log(r"UNASKED refused")
    assert traffic.ask(addr) == b"ping"
    holds_for(client.running, 0.2, "session after an unasked forward")


# [RFC 4251 4.3c]
@pytest.mark.quick
@pytest.mark.parametrize("option", [(), ("-o", "ForwardAgent=yes")], ids=["without -A", "without a session"])
def test_an_unasked_agent_channel_is_refused(kit, start, echo, ssh_agent, user_key, option, adit_only):
    """There is an agent, but no session has offered it to this server: it gets no channel to it."""
    server = start(servers.Asyncssh, open_agent=True, fresh=True)
    client, addr = kit.local(server, echo, *option, env={"SSH_AUTH_SOCK": ssh_agent(user_key)})
    server.wait_log(r"AGENT refused")
    client.wait_err(r"^(adit: )?refused a channel of type auth-agent@openssh\.com: ")
    assert traffic.ask(addr) == b"ping"
    assert "AGENT accepted" not in server.text()
