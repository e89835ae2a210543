"""adit daemon: its socket, its state, its signals, and what becomes of tunnels when it ends or is killed."""
import grp
import json
import os
import signal
import socket
import stat

import pytest

from harness import daemon, traffic
from harness.daemon import Daemon
from harness.wait import wait_until

pytestmark = pytest.mark.usefixtures("adit_only")


@pytest.fixture
def make(kit, sshd):
    """Makes daemons of this test's folder: make(conf); whatever goes to the background ends with the test."""
    made = []

    def begin(conf="", **kw):
        made.append(Daemon(kit, sshd, conf, **kw))
        return made[-1]

    yield begin
    for d in made:
        pid = daemon.pid_of_lock(d.state)
        if d.client is None and pid is not None and os.path.exists(f"/proc/{pid}"):
            os.kill(pid, signal.SIGTERM)
            wait_until(lambda pid=pid: not os.path.exists(f"/proc/{pid}"), 15, "the daemon's end")


def web(echo, name="web", port=0):
    return f"Tunnel {name}\n    Via bastion\n    LocalForward {port} {echo.target}\n"


@pytest.mark.quick
def test_ready_and_end(make):
    """The line on stderr; the socket is 0600, the state folder 0700; SIGTERM: exit 0, and the socket is gone."""
    d = make().start()
    assert d.ready_line() == f"adit: ready socket={d.socket} listen=- tunnels=0"
    assert stat.S_IMODE(os.lstat(d.socket).st_mode) == 0o600
    assert stat.S_IMODE(os.stat(d.state).st_mode) == 0o700
    assert d.stop() == 0
    assert not d.socket.exists()


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT])
def test_end_frees_ports(make, echo, sig):
    """Its end stops all tunnels: nobody listens any more."""
    d = make(web(echo) + "    AutoStart yes\n").start()
    assert d.verb("wait", "web").code == 0
    port = d.address("web")[1]
    assert d.carries("web")
    assert d.stop(sig) == 0
    assert not traffic.listeners(port)


def test_remote_forward_is_cancelled(make, echo):
    """An orderly end takes a remote forward back: the server's port is free for the next."""
    d = make(f"Tunnel back\n    Via bastion\n    RemoteForward 127.0.0.1:0 {echo.target}\n    AutoStart yes\n").start()
    assert d.verb("wait", "back").code == 0
    addr = d.address("back")
    assert traffic.ask(addr) == b"ping"
    assert d.stop() == 0
    wait_until(lambda: not traffic.listeners(addr[1]), 10, "the server's listener to go")


@pytest.mark.quick
def test_second_daemon(make):
    """Another one on the same state: exit 1, and who holds it; the first goes on."""
    d = make().start()
    second = d.kit.run(*d.argv("--socket", str(d.kit.folder / "other.sock")))
    assert second.finish() == 1
    assert f"adit: another daemon (pid {d.client.pid}) holds " in second.err.text
    assert d.verb("status").code == 0
    assert not (d.kit.folder / "other.sock").exists()


def test_live_socket_is_not_taken(make):
    """With another state but the same socket: refused, too."""
    d = make().start()
    second = d.kit.run(*d.argv("--state", str(d.kit.folder / "other")))
    assert second.finish() == 1 and str(d.socket) in second.err.text
    assert d.verb("status").code == 0


def test_dead_socket_is_replaced(make):
    d = make().start()
    d.stop(signal.SIGKILL)
    assert d.socket.exists()
    d.start()
    assert d.verb("status").code == 0


def test_foreign_file_is_not_replaced(make):
    d = make()
    d.socket.write_text("mine")
    client = d.kit.run(*d.argv())
    assert client.finish() == 1
    assert d.socket.read_text() == "mine"


@pytest.mark.quick
def test_background(make):
    """-f: 0 when the socket answers."""
    d = make()
    client = d.kit.run(*d.argv("-f"))
    assert client.finish() == 0
    assert client.err.text == f"adit: ready socket={d.socket} listen=- tunnels=0\n"
    done = d.verb("status")
    assert (done.code, done.out) == (0, "0 up, 0 failed\n")


def test_background_failure(make):
    """-f with a wrong configuration: its exit status, and nothing stays."""
    d = make("Tunnel x\n    Bogus yes\n")
    client = d.kit.run(*d.argv("-f"))
    assert client.finish() == 2
    assert f"{d.conf}:2: Bogus" in client.err.text
    assert not d.socket.exists()


def test_configuration_errors(make):
    """FILE:LINE: KEYWORD: what; exit 2."""
    d = make("LogLevel info\nHost x\n")
    client = d.kit.run(*d.argv())
    assert client.finish() == 2
    assert f"adit: {d.conf}:2: Host" in client.err.text


@pytest.mark.parametrize("listen", ["0.0.0.0:0", "nonsense"])
def test_listen_off_loopback(make, listen):
    d = make(args=["--listen", listen])
    assert d.kit.run(*d.argv()).finish() == 2


def test_log_json(make, echo):
    """Each change of state is one line; JSON lines hold what the text holds."""
    d = make(web(echo) + "    AutoStart yes\n", args=["--log-format", "json"]).start()
    assert d.verb("wait", "web").code == 0
    lines = [json.loads(line) for line in d.client.err.text.splitlines() if line.startswith("{")]
    assert any(line["level"] == "INFO" and line.get("tunnel") == "web" and " -> connected" in line["msg"] and
               line["msg"].startswith("state ") for line in lines), lines


def test_log_file_and_filter(make):
    """-E: lines go to the file alone; ADIT_LOG chooses them."""
    d = make(args=["-E", "log"])
    d.args[1] = str(d.kit.folder / "log")
    d.client = d.kit.run(*d.argv(), env={"ADIT_LOG": "quiet"})
    d.client.wait_err("^adit: ready ")
    d.client.proc.send_signal(signal.SIGUSR2)
    assert d.stop() == 0
    assert (d.kit.folder / "log").read_text() == ""
    client = d.kit.run(*d.argv(), env={"ADIT_LOG": "loud"})
    assert client.finish() == 2 and "ADIT_LOG" in client.err.text


def test_log_subsystems(make, echo):
    """ADIT_LOG: each line by what it is about; a subsystem that nobody asked for stays at the level of all. Lines
    of connections are made, though no flag or file asked for them."""
    d = make(web(echo), args=["--log-format", "json"])
    d.client = d.kit.run(*d.argv(), env={"ADIT_LOG": "error,kex=debug1,api=debug1"})
    d.client.wait_err("^adit: ready ")
    assert d.verb("up", "web").code == 0
    assert d.stop() == 0
    lines = [json.loads(line)["msg"] for line in d.client.err.text.splitlines() if line.startswith("{")]
    for start in ("kex: algorithm: ", "Connecting to ", "GET /tunnels/%77eb", "POST /tunnels/%77eb/start"):
        assert any(line.startswith(start) for line in lines), (start, lines)
    for word in ("state ", "forward up", "dentity", "Authenticated", "ending"):
        assert not any(word in line for line in lines), (word, lines)


def test_log_kind(make, echo):
    """JSON: a change for the worse says of what kind the error is."""
    d = make(f"SshConfig none\nTunnel web\n    Via 127.0.0.1:{traffic.free_port()}\n    LocalForward 0 {echo.target}\n"
             "    AutoStart yes\n", args=["--log-format", "json"]).start()
    d.client.wait_err('"state connecting -> reconnecting: .*"kind":"transport"')
    assert d.stop() == 0


def test_status_by_signal(make, echo):
    """SIGUSR2: the state of all, in the log."""
    d = make(web(echo)).start()
    d.client.proc.send_signal(signal.SIGUSR2)
    d.client.wait_err(r" INFO 0 up, 0 failed\n(.*\n)*.* INFO tunnel=web disconnected L :0 -> ")


def test_reconnect_by_signal(make, echo):
    """SIGUSR1: all connect anew."""
    d = make(web(echo) + "    AutoStart yes\n").start()
    assert d.verb("wait", "web").code == 0
    d.client.proc.send_signal(signal.SIGUSR1)
    d.client.wait_err(r"(?s)-> connected.*connected -> .*-> connected")
    assert d.carries("web")


def test_killed(make, echo):
    """kill -9: what the API made is there after a restart; what runs is what starts by itself."""
    d = make(web(echo, "file")).start()
    for name, *more in (("one",), ("two", "--auto-start")):
        assert d.verb("add", name, "bastion", "-L", f"0:{echo.target}", *more).code == 0
    assert d.verb("up", "one").code == 0
    d.stop(signal.SIGKILL)
    d.start()
    assert [d.tunnel(n)["origin"] for n in ("file", "one", "two")] == ["file", "api", "api"]
    assert d.verb("wait", "two").code == 0
    assert d.tunnel("one")["state"] == "disconnected"
    assert d.carries("two")


def test_reload_by_signal(make, echo):
    """SIGHUP: the difference; what has not changed keeps its connection."""
    d = make(web(echo) + "    AutoStart yes\n").start()
    assert d.verb("wait", "web").code == 0
    with traffic.connect(d.address("web")) as s:
        s.sendall(b"one")
        assert traffic.recv_exact(s, 3) == b"one"
        d.configure(d.conf.read_text() + web(echo, "more"))
        d.client.proc.send_signal(signal.SIGHUP)
        d.client.wait_err(r"reloaded: 1 added, 0 removed, 0 changed, 1 unchanged")
        s.sendall(b"two")
        assert traffic.recv_exact(s, 3) == b"two"


def healthz(port):
    """Whether somebody answers there."""
    try:
        with socket.create_connection(("127.0.0.1", port), 10) as s:
            s.sendall(f"GET /healthz HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n\r\n".encode())
            return s.makefile("rb").readline().startswith(b"HTTP/1.1 200 ")
    except ConnectionRefusedError:
        return False


def test_reload_moves_where_it_listens(make, kit):
    """Listen, Socket, SocketGroup, LogLevel and LogFormat are taken at once; StateDir is refused with its place."""
    one, two = traffic.free_port(), traffic.free_port()
    d = make(f"Listen 127.0.0.1:{one}\n").start()
    assert healthz(one)
    with socket.create_connection(("127.0.0.1", one)) as old:
        d.configure(f"Listen 127.0.0.1:{two}\nSocketGroup daemon\n")
        assert d.verb("reload").code == 0
        assert old.recv(1) == b""  # who came by the old one has to come again
    assert healthz(two) and not healthz(one)
    assert stat.S_IMODE(os.lstat(d.socket).st_mode) == 0o660
    assert os.lstat(d.socket).st_gid == grp.getgrnam("daemon").gr_gid
    d.configure("LogFormat json\nLogLevel debug1\n")
    assert d.verb("reload").code == 0
    assert not healthz(two) and stat.S_IMODE(os.lstat(d.socket).st_mode) == 0o600
    d.client.wait_err(r'^{"ts":.*"msg":"reloaded: ')
    with socket.create_server(("127.0.0.1", one)):
        d.configure(f"LogLevel info\nListen 127.0.0.1:{one}\n")
        done = d.verb("reload")
        assert done.code == 2 and f"{d.conf}:2: Listen: " in done.err, done
    d.configure(f"StateDir {kit.folder}/elsewhere\n")
    assert d.verb("reload").code == 0  # the command line names the folder: the file has no say
    assert d.stop() == 0


def test_reload_with_another_socket_or_state(make, kit):
    d = make()
    d.configure(f"Socket {d.socket}\nStateDir {d.state}\n")
    argv = ["daemon", "-c", str(d.conf), "-F", str(d.ssh_config)]
    d.client = kit.run(*argv)
    d.client.wait_err(r"^adit: ready ")
    other = kit.folder / "other.sock"
    d.configure(f"Socket {other}\nStateDir {d.state}\n")
    assert d.verb("reload").code == 0
    assert not d.socket.exists() and d.verb("status", "--socket", str(other)).code == 0
    d.configure(f"Socket {other}\n\nStateDir {kit.folder}/elsewhere\n")
    for verb in ("check", "reload"):
        done = d.verb(verb, "--socket", str(other))
        assert done.code == 2 and f"{d.conf}:3: StateDir: another folder needs a restart" in done.err, done
    assert d.stop() == 0 and not other.exists()


def test_socket_from_a_manager(make, kit):
    """LISTEN_FDS: the socket that was handed over answers."""
    d = make()
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(str(d.socket))
        s.listen()
        os.chmod(d.socket, 0o600)
        script = f'exec 3<&{s.fileno()}; LISTEN_PID=$$ LISTEN_FDS=1 exec "$@"'
        client = kit.run(*d.argv(), wrap=("bash", "-c", script, "bash"), pass_fds=(s.fileno(),))
        client.wait_err("^adit: ready socket=- ")
    assert d.verb("status").code == 0
    assert client.stop() == 0
    assert d.socket.exists()  # it is the manager's


def test_notify(make, kit):
    """READY, STATUS, RELOADING and STOPPING go to the service manager."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.bind(str(kit.folder / "notify"))
        s.settimeout(15)
        d = make()
        client = kit.run(*d.argv(), env={"NOTIFY_SOCKET": str(kit.folder / "notify")})
        assert s.recv(200) == b"READY=1"
        client.proc.send_signal(signal.SIGHUP)
        assert s.recv(200).startswith(b"RELOADING=1\nMONOTONIC_USEC=")
        assert s.recv(200) == b"READY=1"
        assert d.verb("add", "web", "nobody.invalid", "-L", "0:h:1").code == 0
        assert s.recv(200) == b"STATUS=0 up, 0 failed"
        client.proc.send_signal(signal.SIGTERM)
        assert s.recv(200) == b"STOPPING=1"
        assert client.finish() == 0
