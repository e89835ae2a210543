"""Tunnels of the daemon when something breaks: they say so, and come back by themselves."""
import signal
import socket

import pytest

from harness import servers, traffic
from harness.daemon import Daemon
from harness.wait import wait_until

pytestmark = pytest.mark.usefixtures("adit_only")


@pytest.fixture
def server(start):
    return start(servers.Sshd, fresh=True)


@pytest.fixture
def d(kit, server):
    daemon = Daemon(kit, server, "", args=["-v"]).start()
    yield daemon
    if daemon.client.running():
        assert daemon.stop() == 0


def conf(echo, more="", port=0):
    return f"Tunnel web\n    Via bastion\n    Backoff 1s 1s\n    LocalForward 127.0.0.1:{port} {echo.target}\n{more}"


def kill_sessions(server):
    server.signal_sessions(signal.SIGKILL)


def states(d):
    return [line.split("state ", 1)[1].split(":")[0] for line in d.verb("logs", "web", "-n", "2000").out.splitlines()
            if " state " in line]


def test_server_lost(d, server, echo):
    """The connection is killed: reconnecting, its listener stays, connected again."""
    d.configure(conf(echo, port=traffic.free_port()))
    assert d.verb("reload").code == 0
    assert d.verb("up", "web").code == 0
    address = d.address("web")
    kill_sessions(server)
    wait_until(lambda: states(d)[-1].endswith("-> connected") and any("-> reconnecting" in s for s in states(d)), 30,
               lambda: states(d))
    assert d.address("web") == address
    assert traffic.ask(address) == b"ping"
    assert d.tunnel("web")["last_error_kind"] == "transport"


def test_auto_reconnect_off(d, server, echo):
    """AutoReconnect no: failed, the listener is gone, the exact words."""
    d.configure(conf(echo, "    AutoReconnect no\n"))
    assert d.verb("reload").code == 0
    assert d.verb("up", "web").code == 0
    port = d.address("web")[1]
    kill_sessions(server)
    d.wait_state("web", "failed")
    assert d.tunnel("web")["last_error"] == "Connection lost (auto_reconnect disabled)"
    assert not traffic.listeners(port)
    assert d.verb("status").code == 1
    assert d.verb("up", "web").code == 0 and d.carries("web")


def test_busy_port(d, echo):
    """Another program has the port: degraded and never connected; connected once it is free."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        d.configure(conf(echo, port=s.getsockname()[1]))
        assert d.verb("reload").code == 0
        assert d.verb("up", "web", "--no-wait").code == 0
        d.wait_state("web", "degraded")
        assert d.verb("status").out.startswith("0 up, 0 failed\n")
    d.wait_state("web", "connected", 40)
    assert d.carries("web")


def test_down_while_reconnecting(d, server, echo):
    """Stopped in a back-off: disconnected at once, and the port is free."""
    d.configure(conf(echo, port=traffic.free_port()))
    assert d.verb("reload").code == 0
    assert d.verb("up", "web").code == 0
    port = d.address("web")[1]
    server.stop()
    wait_until(lambda: d.tunnel("web")["state"] == "reconnecting" and d.tunnel("web")["retry_count"] > 0, 30,
               lambda: d.tunnel("web"))
    assert traffic.listeners(port)
    assert d.verb("down", "web").code == 0
    assert d.tunnel("web")["state"] == "disconnected"
    assert not traffic.listeners(port)


def test_no_server_at_start(kit, server, echo):
    """Nobody listens at the start: not an error; the daemon tries again, and says what it waits for."""
    d = Daemon(kit, server, conf(echo, "    AutoStart yes\n"))
    server.stop()
    d.start()
    wait_until(lambda: d.tunnel("web")["state"] == "reconnecting" and d.tunnel("web")["last_error"], 30,
               lambda: d.tunnel("web"))
    assert "retry" in d.verb("list").out
    assert d.stop() == 0


def test_start_while_its_connection_waits(kit, server, echo):
    """A tunnel joins the connection of another one, which is not due for long: a try at once tells it why."""
    slow = "    Backoff 10m 10m\n    BackoffJitter 0\n"
    d = Daemon(kit, server, "".join(f"Tunnel {name}\n    Via bastion\n    LocalForward 0 {echo.target}\n{slow}"
                                    for name in ("one", "two")))
    server.stop()
    d.start()
    assert d.verb("up", "one", "--no-wait").code == 0
    wait_until(lambda: d.tunnel("one")["next_retry_at"], 30, lambda: d.tunnel("one"))
    done = d.verb("up", "two", "--timeout", "5s")
    assert done.code == 5, done
    assert d.tunnel("two")["last_error_kind"] == "transport"
    assert d.stop() == 0


def test_end_while_the_server_is_frozen(d, server, echo):
    """A server that answers nothing any more does not keep the daemon: it ends in order, within its five seconds."""
    d.configure(conf(echo) + f"Tunnel back\n    Via bastion\n    RemoteForward 127.0.0.1:0 {echo.target}\n")
    assert d.verb("reload").code == 0
    assert d.verb("up", "--all").code == 0
    frozen = server.sessions()
    servers.signal_all(frozen, signal.SIGSTOP)
    try:
        assert d.stop() == 0
        assert not d.socket.exists()
    finally:
        servers.signal_all(frozen, signal.SIGCONT)


def test_nothing_is_left_behind(d, server, echo, release):
    """Started, used and stopped again and again: as many descriptors and threads as before."""
    threads = d.client.status("Threads")
    d.configure(conf(echo))
    assert d.verb("reload").code == 0

    def round_trip():
        assert d.verb("up", "web").code == 0 and d.carries("web")
        assert d.verb("down", "web").code == 0

    round_trip()  # what is made once
    wait_until(lambda: d.client.status("Threads") == threads, 10, "the connection's threads to end")
    before = d.client.fds()
    for _ in range(5):
        round_trip()
    wait_until(lambda: (d.client.fds(), d.client.status("Threads")) == (before, threads), 10,
               lambda: f"{d.client.fds()} {d.client.status('Threads')} instead of {before} {threads}")
