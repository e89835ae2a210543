"""Called as autossh: its flags, its environment, its signals and its exit statuses."""
import os
import signal

import pytest

from harness import servers, traffic
from harness.client import ADIT, Client
from harness.wait import wait_until
from test_reconnect import wait_states

pytestmark = [pytest.mark.usefixtures("adit_only"), pytest.mark.quick]


@pytest.fixture
def face(kit):
    """face(arguments..., VARIABLE=value): nothing but these, through a link of that name."""
    link = kit.folder / "autossh"
    link.symlink_to(ADIT)

    def run(*args, **env):
        client = Client([str(link), *args], kit.env(**env))
        kit.clients.append(client)
        return client

    return run


@pytest.fixture
def autossh(kit, face):
    """The same to a server, or to a port at which nobody listens."""
    def run(server, *args, command=(), **env):
        if server is not None:
            kit.trust(server)
        where = ["-p", str(server.port), "-l", server.user] if server else ["-p", str(traffic.free_port())]
        return face(*args, *kit.base(batch=False), *where, "127.0.0.1", *command, **env)

    return run


@pytest.fixture
def server(start):
    return start(servers.Sshd, fresh=True)


def forward(echo):
    port = traffic.free_port_both()
    return ["-L", f"{port}:{echo.target}"], ("127.0.0.1", port)


def works(address):
    try:
        return traffic.ask(address) == b"ping"
    except OSError:  # not yet
        return False


def test_forwards_come_again(autossh, server, echo):
    """The server's processes are killed: the same port serves again. SIGTERM: 1, as autossh, and the port is free."""
    args, address = forward(echo)
    client = autossh(server, "-M", "0", "-N", *args, AUTOSSH_GATETIME="0")
    wait_until(lambda: works(address), 20, lambda: client.err.text)
    server.signal_sessions(signal.SIGKILL)
    wait_states(client, "connected", "reconnecting", "connected")
    assert traffic.ask(address) == b"ping"
    assert client.out.text == ""
    assert client.stop() == 1
    assert traffic.is_refused(address)


def test_signals(autossh, server, echo):
    """SIGUSR1: a fresh connection; SIGHUP and SIGUSR2 end nothing. It is no failure that the gate would count."""
    args, address = forward(echo)
    client = autossh(server, "-NM0", *args)
    wait_until(lambda: works(address), 20, lambda: client.err.text)
    mark = server.mark()
    for number in (signal.SIGHUP, signal.SIGUSR2, signal.SIGUSR1):
        client.proc.send_signal(number)
    server.wait_log(r"Accepted publickey", mark)
    wait_states(client, "connected", "connected")
    assert traffic.ask(address) == b"ping"
    assert client.stop(signal.SIGINT) == 1


@pytest.mark.parametrize("flags, command", [(["-N"], []), ([], ["true"])], ids=["forwards", "command"])
def test_gate(autossh, flags, command):
    """A first connection that fails at once is given up; not with AUTOSSH_GATETIME=0, and then there may be only so many."""
    early = autossh(None, "-M", "0", *flags, command=command, AUTOSSH_GATETIME="3600")
    assert early.finish() == 1
    assert "exited prematurely" in early.err.text and "Connection refused" in early.err.text
    twice = autossh(None, "-M", "0", "-o", "AditBackoff=1s 1s", *flags, command=command, AUTOSSH_GATETIME="0",
                    AUTOSSH_MAXSTART="2")
    assert twice.finish() == 0
    assert "max start count reached" in twice.err.text


def test_at_once_in_the_background(autossh, kit):
    """-f waits for nothing; the process is in its file, its lines are in another, and the first is gone with it."""
    pid_file, log_file = kit.folder / "pid", kit.folder / "log"
    client = autossh(None, "-fNM", "0", AUTOSSH_PIDFILE=str(pid_file), AUTOSSH_LOGFILE=str(log_file))
    assert client.finish() == 0
    wait_until(lambda: log_file.exists() and "-> reconnecting" in log_file.read_text(), 15, "its log")
    pid = int(pid_file.read_text())
    assert pid != client.proc.pid
    os.kill(pid, signal.SIGTERM)
    wait_until(lambda: not pid_file.exists(), 15, "its end")


@pytest.mark.parametrize("flags, command", [(["-N"], []), ([], ["sleep", "1000"])], ids=["forwards", "command"])
def test_lifetime(autossh, server, flags, command):
    """AUTOSSH_MAXLIFETIME: its connection ends, and it is no failure."""
    client = autossh(server, "-M", "0", *flags, command=command, AUTOSSH_MAXLIFETIME="1")
    assert client.finish() == 0
    assert "exceeded maximum time to live" in client.err.text


def test_command_is_run_again(autossh, server, kit):
    """A command that ends with one of ssh's statuses for a failure is run again, until it ends well."""
    runs = kit.folder / "runs"
    again = autossh(server, "-M", "0", command=[f"echo run >>{runs}; test $(wc -l <{runs}) -ge 3 || exit 2"],
                    AUTOSSH_GATETIME="0")
    assert again.finish() == 0
    assert runs.read_text() == "run\n" * 3
    once = autossh(server, "-M", "0", command=["exit", "7"], AUTOSSH_GATETIME="0")
    assert once.finish() == 1
    assert "ssh exited with status 7; autossh exiting" in once.err.text


def test_command_and_signals(autossh, server):
    """The process of the connection ends with it, and SIGUSR1 makes another one."""
    client = autossh(server, "-M", "0", "-tt")
    server.wait_log(r"Accepted publickey")
    (first,) = wait_until(lambda: servers.descendants(client.pid), 10, "its process")
    mark = server.mark()
    client.proc.send_signal(signal.SIGUSR1)
    server.wait_log(r"Accepted publickey", mark)
    (second,) = wait_until(lambda: servers.descendants(client.pid), 10, "its process")
    assert first != second
    assert client.stop() == 1
    assert not os.path.exists(f"/proc/{second}")


def test_what_has_no_meaning(autossh, server, echo):
    """It is taken, and each is told of with -v alone."""
    args, address = forward(echo)
    client = autossh(server, "-M", "20000:7", "-vN", *args, AUTOSSH_PATH="/nowhere/ssh", AUTOSSH_POLL="5", AUTOSSH_FIRST_POLL="5",
                     AUTOSSH_MESSAGE="x", AUTOSSH_NTSERVICE="yes", AUTOSSH_PORT="0")
    wait_until(lambda: works(address), 20, lambda: client.err.text)
    for word in ("AUTOSSH_PATH", "AUTOSSH_POLL", "AUTOSSH_FIRST_POLL", "AUTOSSH_MESSAGE", "AUTOSSH_NTSERVICE",
                 "the monitoring port is not used"):
        assert client.err.text.count(f"debug1: {word}") == 1
    assert client.stop() == 1


@pytest.mark.parametrize("args, env, word", [
    (["-M"], {}, "usage: autossh"), ([], {}, "usage: autossh"), (["-M", "x"], {}, 'invalid port "x"'),
    (["-M", "65535"], {}, 'invalid port "65535"'), (["-M1:0"], {}, 'invalid echo port "0"'),
    (["-M", "0"], {"AUTOSSH_GATETIME": "-1"}, "invalid gate time"), (["-M", "0"], {"AUTOSSH_POLL": "0"}, "invalid poll time"),
    (["-M", "0"], {"AUTOSSH_FIRST_POLL": "x"}, "invalid first poll time"),
    (["-M", "0"], {"AUTOSSH_LOGLEVEL": "8"}, "invalid log level"),
    (["-M", "0"], {"AUTOSSH_MAXSTART": "-2"}, "invalid max start number"),
    (["-M", "0", "-N"], {}, "usage:"), (["-M", "0"], {"AUTOSSH_MAXLIFETIME": "x"}, "invalid max lifetime"), (["-M", "0"], {"AUTOSSH_PORT": "x"}, "invalid port"),
])
def test_what_is_wrong(face, args, env, word):
    client = face(*args, **env)
    assert client.finish() == 1
    assert word in client.err.text


def test_version(face):
    client = face("-V")
    assert client.finish() == 0
    assert client.out.text.startswith("autossh ")
