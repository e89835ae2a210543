"""Tunnels of the daemon: which share a connection, when they give up, what they count, and their health checks."""
import contextlib
import signal
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from harness import servers, traffic
from harness.daemon import Daemon, established
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


def reload(d, text):
    d.configure(text)
    done = d.verb("reload")
    assert done.code == 0, done


def kill_sessions(server):
    server.signal_sessions(signal.SIGKILL)


def test_equal_tunnels_share_a_connection(d, server, echo):
    """A forward and a SOCKS server by one TCP connection, which goes with the last of them."""
    reload(d, f"Tunnel one\n Via bastion\n LocalForward 0 {echo.target}\nTunnel two\n Via bastion\n DynamicForward 0\n")
    assert d.verb("up", "one", "two").code == 0
    assert established(server.port) == 1
    assert d.verb("down", "one").code == 0
    assert d.tunnel("two")["state"] == "connected" and established(server.port) == 1
    assert d.verb("up", "one").code == 0 and d.carries("one")
    assert established(server.port) == 1
    assert d.verb("down", "--all").code == 0
    wait_until(lambda: established(server.port) == 0, 20)


def test_an_alias_says_only_how_to_connect(d, kit, server, echo):
    """What ssh_config has an alias forward, run or share is left to ssh."""
    port, ran, shared = traffic.free_port(), kit.folder / "ran", kit.folder / "shared"
    more = (f" LocalForward {port} {echo.target}\n RemoteForward 0 {echo.target}\n RemoteCommand touch {ran}\n PermitLocalCommand yes\n"
            f" LocalCommand touch {ran}\n ControlMaster auto\n ControlPath {shared}\n")
    d.ssh_config.write_text(d.ssh_config.read_text().replace("Host bastion\n", "Host bastion\n" + more, 1))
    reload(d, f"Tunnel one\n Via bastion\n LocalForward 0 {echo.target}\n")
    assert d.verb("up", "one").code == 0 and d.carries("one")
    assert len(d.tunnel("one")["forwards"]) == 1
    assert not traffic.listeners(port) and not shared.exists()
    assert d.verb("down", "one").code == 0
    assert not ran.exists()


def test_many_come_back_by_one_handshake(d, server, echo):
    names = [f"t{i}" for i in range(50)]
    reload(d, "".join(f"Tunnel {n}\n Via bastion\n Backoff 1s 1s\n LocalForward 0 {echo.target}\n" for n in names))
    assert d.verb("up", "--all").code == 0
    before = server.text().count("Accepted publickey")
    kill_sessions(server)
    wait_until(lambda: server.text().count("Accepted publickey") > before, 30)
    for name in names:
        d.wait_state(name, "connected")
    assert server.text().count("Accepted publickey") == before + 1
    assert all(d.carries(name) for name in ("t0", "t49"))


def test_counters_are_exact(d, echo):
    """What went through is counted, in each direction, and stays when the tunnel is stopped."""
    reload(d, f"Tunnel one\n Via bastion\n LocalForward 0 {echo.target}\n")
    assert d.verb("up", "one").code == 0
    address = d.address("one")
    for size in (1, 1000, 70000):
        assert traffic.ask(address, b"x" * size) == b"x" * size

    def counts():
        t = d.tunnel("one")
        return [t[k] for k in ("bytes_sent", "bytes_received", "connections_total", "connections_active", "errors_total")]

    wait_until(lambda: counts() == [71001, 71001, 3, 0, 0], 20, counts)
    assert d.verb("down", "one").code == 0
    assert counts() == [71001, 71001, 3, 0, 0]
    assert d.verb("up", "one").code == 0 and d.carries("one")
    wait_until(lambda: counts()[:3] == [71005, 71005, 4], 20, counts)


def test_max_retries(d, server, echo):
    """N tries after the first one that failed; then failed, and its listener is gone."""
    port = traffic.free_port()
    server.stop()
    reload(d, f"Tunnel one\n Via bastion\n LocalForward {port} {echo.target}\n MaxRetries 2\n Backoff 1s 1s\n BackoffJitter 0\n")
    assert d.verb("up", "one").code == 8
    t = d.tunnel("one")
    assert (t["state"], t["retry_count"], t["permanent"], t["listening"]) == ("failed", 2, False, False)
    assert t["last_error_kind"] == "transport" and t["last_error"]
    assert not traffic.listeners(port)


def test_key_that_is_taken_away(d, kit, server, echo):
    """Without its key it has failed for good; it comes back when the key does."""
    mine = kit.folder / "mine"
    mine.write_bytes(open(kit.key, "rb").read())
    mine.chmod(0o600)
    d.ssh_config.write_text(d.ssh_config.read_text().replace(str(kit.key), str(mine)))
    reload(d, f"Tunnel one\n Via bastion\n LocalForward 0 {echo.target}\n Backoff 1s 1s\n")
    assert d.verb("up", "one").code == 0
    away = mine.rename(kit.folder / "away")
    kill_sessions(server)
    d.wait_state("one", "failed")
    t = d.tunnel("one")
    assert t["permanent"] and t["last_error_kind"] == "authentication", t
    away.rename(mine)
    d.wait_state("one", "connected")
    assert d.carries("one")


class Service(BaseHTTPRequestHandler):
    """Answers /health by what the test wants."""
    status = 200

    def do_GET(self):
        self.send_response(self.status if self.path == "/health" else 404)
        self.end_headers()
        self.wfile.write(b"x" * 1000)

    def log_message(self, *_):
        pass


@pytest.fixture
def web():
    Service.status = 200
    http = ThreadingHTTPServer(("127.0.0.1", 0), Service)
    thread = threading.Thread(target=http.serve_forever)
    thread.start()
    yield http
    http.shutdown()
    thread.join()
    http.server_close()


def test_health_by_http(d, server, web):
    """A service that fails makes the tunnel degraded, and a new connection is made; one that is well again makes it
    connected."""
    reload(d, f"Tunnel one\n Via bastion\n LocalForward 0 127.0.0.1:{web.server_address[1]}\n"
              " HealthCheck http /health 1s\n Backoff 1s 1s\n")
    assert d.verb("up", "one").code == 0
    before = server.text().count("Accepted publickey")
    Service.status = 503
    wait_until(lambda: d.tunnel("one")["status"] == "reconnecting", 30, lambda: d.tunnel("one"))
    wait_until(lambda: server.text().count("Accepted publickey") > before, 30)
    Service.status = 200
    d.wait_state("one", "connected", 30)
    assert "health check failed: status 503 (3 of 3)" in d.verb("logs", "one", "-n", "2000").out


def test_health_by_tcp(d):
    """Nobody listens behind the tunnel: degraded, until somebody does."""
    port = traffic.free_port()
    reload(d, f"Tunnel one\n Via bastion\n LocalForward 0 127.0.0.1:{port}\n HealthCheck tcp 1s\n Backoff 1s 1s\n")
    assert d.verb("up", "one", "--no-wait").code == 0
    wait_until(lambda: "(3 of 3)" in d.verb("logs", "one", "-n", "2000").out, 30,
               lambda: d.verb("logs", "-n", "2000").out)
    assert d.tunnel("one")["status"] == "reconnecting"
    with contextlib.closing(traffic.greeter("hello", port=port)):
        d.wait_state("one", "connected", 40)


def test_health_check_is_no_client(d):
    """Allow names others alone: the check gets through all the same, and nobody else does."""
    with contextlib.closing(traffic.greeter("hello")) as service:
        reload(d, f"Tunnel one\n Via bastion\n LocalForward 127.0.0.2:0 {service.target}\n Allow 192.0.2.0/24\n"
                  " HealthCheck tcp 1s\n")
        assert d.verb("up", "one").code == 0
        wait_until(lambda: d.tunnel("one")["connections_total"] >= 2, 20, lambda: d.verb("logs", "-n", "2000").out)
        t = d.tunnel("one")
        assert t["state"] == "connected" and t["errors"]["denied"] == 0
        assert "health check failed" not in d.verb("logs", "one", "-n", "2000").out
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            traffic.ask(d.address("one"))


def test_jump_through_a_tunnel(d, server, echo):
    """jump_session_id: the other tunnel's host is the hop."""
    hop = d.verb("add", "hop", "bastion", "-L", f"0:{echo.target}")
    assert hop.code == 0, hop
    ident = d.tunnel("hop")["id"]
    d.ssh_config.write_text(d.ssh_config.read_text().replace("Host bastion", "Host bastion inner"))
    done = d.verb("add", "far", "inner", "-L", f"0:{echo.target}")
    assert done.code == 0, done
    done = d.verb("edit", "far", f"jump_session_id={ident}")
    assert done.code == 0, done
    assert d.verb("edit", "hop", "jump_session_id=far").code != 0  # a circle
    assert d.verb("up", "far").code == 0
    assert d.carries("far")
    assert established(server.port) >= 2  # to the hop, and from there


def test_a_hop_with_its_own_profile(d, kit, start, server, echo):
    """The hop's password is the hop's alone; the destination takes the key."""
    hop = start(servers.Asyncssh, password="hop-password-7", no_keys=True)
    kit.known_hosts.write_text(server.known_hosts_lines() + hop.known_hosts_lines())
    secret = kit.folder / "hop.pass"
    secret.write_text("hop-password-7\n")
    secret.chmod(0o600)
    reload(d, f"Profile pw\n User guest\n Auth password\n PasswordFile {secret}\n")
    done = d.verb("add", "hop", f"ssh://127.0.0.1:{hop.port}", "-L", f"0:{echo.target}", "--profile", "pw")
    assert done.code == 0, done
    done = d.verb("add", "far", "bastion", "-L", f"0:{echo.target}")
    assert done.code == 0, done
    done = d.verb("edit", "far", "jump_session_id=hop")
    assert done.code == 0, done
    done = d.verb("up", "far")
    assert done.code == 0, done
    assert d.carries("far") and established(hop.port) == 1


def test_changed_key_of_a_hop(d, kit, start, server, echo):
    """As at a terminal: refused for good, with the hop's name; and who trusts it by its fingerprint is refused, too."""
    hop = start(servers.Sshd, fresh=True)
    kit.known_hosts.write_text(f"{server.known_hosts_lines()}[127.0.0.1]:{hop.port} {kit.key.with_suffix('.pub').read_text()}")
    d.ssh_config.write_text(f"Host hop\n HostName 127.0.0.1\n Port {hop.port}\n User {hop.user}\n" + d.ssh_config.read_text())
    reload(d, f"Tunnel far\n Via bastion\n ProxyJump hop\n LocalForward 0 {echo.target}\n")
    done = d.verb("up", "far")
    assert done.code == 4 and "jump host hop" in done.err and "has changed" in done.err, done
    t = d.tunnel("far")
    assert (t["state"], t["last_error_kind"], t["permanent"]) == ("failed", "host-key", True)
    assert d.verb("up", "--trust", t["host_key"]["fingerprint"], "far").code != 0
    kit.known_hosts.write_text(server.known_hosts_lines() + hop.known_hosts_lines())
    assert d.verb("up", "far").code == 0 and d.carries("far")


def test_no_password_found(d, echo):
    """Before anything is sent; and a start by itself has failed with the reason."""
    reload(d, f"Profile pw\n Auth password\n PasswordEnv ADIT_NOT_SET\n"
              f"Tunnel one\n Via bastion\n Profile pw\n LocalForward 0 {echo.target}\n")
    done = d.verb("up", "one")
    assert done.code == 2 and "No password found" in done.err, done
    assert d.tunnel("one")["state"] == "disconnected"
    reload(d, f"Profile pw\n Auth password\n PasswordEnv ADIT_NOT_SET\n"
              f"Tunnel one\n Via bastion\n Profile pw\n AutoStart yes\n LocalForward 0 {echo.target}\n")
    t = d.tunnel("one")
    assert (t["state"], t["permanent"], t["last_error"]) == ("failed", True, "No password found")
