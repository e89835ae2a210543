"""AditReconnect: the connection is made again, and the local ports never go away."""
import os
import re
import signal
import socket

import pytest

from harness import servers, traffic
from harness.terminal import Terminal
from harness.wait import wait_until
from test_background import pid_of

pytestmark = pytest.mark.usefixtures("adit_only")
LASTING = ("-o", "AditReconnect=yes", "-o", "AditBackoff=1s 2s", "-o", "AditExitCodes=yes")


@pytest.fixture
def server(start):
    """One that a test may end."""
    return start(servers.Sshd, fresh=True)


def begin_again(server):
    """The same sshd at the same port."""
    server.launch([server.binary, "-D", "-e", "-f", str(server.folder / "sshd_config")])
    wait_until(lambda: traffic.listeners(server.port), 20, server.text)


def lasting(kit, server, echo, *args, **kw):
    return kit.local(server, echo, *LASTING, *args, **kw)


def states(client):
    """What the `state OLD -> NEW` lines say, in order; each begins where the one before ended."""
    lines = re.findall(r"^state (\S+) -> (\S+): \S", client.err.text, re.M)
    assert all(a[1] == b[0] for a, b in zip(lines, lines[1:]))
    return [new for _, new in lines]


def wait_states(client, *wanted):
    """All of them came, in this order, and the last is the present one."""
    def found():
        seen = iter(states(client))
        return all(s in seen for s in wanted) and states(client)[-1] == wanted[-1]
    wait_until(found, 30, lambda: f"{wanted} in\n{client.err.text}")


def test_each_reason_is_told_once(kit, server, echo):
    """Why the tries fail, when it is something else than before."""
    client, _ = lasting(kit, server, echo)
    wait_states(client, "connected")
    server.stop()
    refused = "still reconnecting: connect to host .* port .*: Connection refused"
    client.wait_err(refused)
    with socket.create_server(("127.0.0.1", server.port)) as other:
        for _ in range(3):
            with other.accept()[0] as silent:
                silent.shutdown(socket.SHUT_WR)
                while silent.recv(4096):
                    pass
        reasons = re.findall("^still reconnecting: .* port [0-9]+: (.*)", client.err.text, re.M)
        assert reasons == ["Connection refused", "the connection was closed before the peer's version line came "
                           "(before authentication)"], client.err.text
        assert client.stop() == 128 + signal.SIGTERM


@pytest.mark.quick
def test_session_is_killed(kit, server, echo):
    """The server's processes for the connection die: the same local port serves again, and is told of once."""
    client, addr = lasting(kit, server, echo)
    assert traffic.ask(addr) == b"ping"
    wait_states(client, "connecting", "connected")
    server.signal_sessions(signal.SIGKILL)
    wait_states(client, "connected", "reconnecting", "connected")
    assert traffic.ask(addr) == b"ping"
    assert client.out.text.count("listening ") == 1
    assert client.stop() == 128 + signal.SIGTERM


def test_server_is_stopped_and_started(kit, server, echo):
    """While it is away a client is held, and served by the new one."""
    client, addr = lasting(kit, server, echo)
    server.stop()
    wait_states(client, "connected", "reconnecting")
    with traffic.connect(addr) as s:
        s.sendall(b"held")
        begin_again(server)
        assert traffic.recv_exact(s, 4) == b"held"
    wait_states(client, "reconnecting", "connected")


def test_server_comes_later(kit, server, echo):
    """Nobody is there at the start: that is no error, and the lines come when the forwards are up."""
    server.stop()
    client = kit.connect(server, "-N", *LASTING, "-L", f"0:{echo.target}")
    wait_states(client, "connecting", "reconnecting")
    assert client.out.text == ""
    begin_again(server)
    assert traffic.ask(client.listening()[0].addr) == b"ping"


def test_dead_path(kit, server, echo, relay):
    """AditDetect=fast: a path that swallows everything is suspected, and left."""
    path = relay(server.port)
    client = kit.connect(server, "-N", *LASTING, "-o", "AditDetect=fast", "-L", f"0:{echo.target}", port=path.port)
    addr = client.listening()[0].addr
    path.freeze()
    wait_states(client, "connected", "suspect", "reconnecting")
    path.thaw()
    wait_states(client, "reconnecting", "connected")
    assert traffic.ask(addr) == b"ping"


def test_remote_forward_returns(kit, server, echo):
    """-R of a fixed port is asked for again."""
    port = traffic.free_port()
    client = kit.connect(server, "-N", *LASTING, "-R", f"127.0.0.1:{port}:{echo.target}")
    client.listening()
    assert traffic.ask(("127.0.0.1", port)) == b"ping"
    server.signal_sessions(signal.SIGKILL)
    wait_states(client, "connected", "reconnecting", "connected")
    assert traffic.ask(("127.0.0.1", port)) == b"ping"


@pytest.mark.quick
def test_asked_for(kit, server, echo):
    """SIGUSR1: a fresh connection now, whatever the back-off."""
    client, addr = kit.local(server, echo, "-o", "AditReconnect=yes", "-o", "AditBackoff=1h 1h")
    mark = server.mark()
    client.proc.send_signal(signal.SIGUSR1)
    server.wait_log(r"Accepted publickey", mark)
    wait_states(client, "connected", "connected")
    assert traffic.ask(addr) == b"ping"
    assert client.stop() == 0  # as ssh: a connection that only forwards ends in order by it


def test_through_a_jump_host(kit, server, start, echo):
    """The jump host's session is made anew; its name is in the reason."""
    behind = start(servers.Sshd, fresh=True)
    kit.known_hosts.write_text(server.known_hosts_lines() + behind.known_hosts_lines())
    config = kit.folder / "config"
    config.write_text(f"Host *\nUserKnownHostsFile {kit.known_hosts}\nGlobalKnownHostsFile none\nBatchMode yes\n"
                      f"IdentityFile {kit.key}\nIdentitiesOnly yes\nUser {server.user}\n")
    client = kit.run("-F", config, "-N", *LASTING, "-J", f"127.0.0.1:{server.port}", "-p", str(behind.port), "-L",
                     f"0:{echo.target}", "127.0.0.1")
    addr = client.listening()[0].addr
    server.signal_sessions(signal.SIGKILL)
    wait_states(client, "connected", "reconnecting", "connected")
    assert f"reconnecting: jump host 127.0.0.1:{server.port}: " in client.err.text
    assert traffic.ask(addr) == b"ping"


def test_proxy_command_is_reaped(kit, server, echo):
    """Each connection has a program of its own, and none is left behind."""
    client, addr = lasting(kit, server, echo, "-o", f"ProxyCommand=socat - TCP:127.0.0.1:{server.port}")
    (first,) = servers.descendants(client.pid)
    server.signal_sessions(signal.SIGKILL)
    wait_states(client, "connected", "reconnecting", "connected")
    assert traffic.ask(addr) == b"ping"
    (second,) = servers.descendants(client.pid)
    assert second != first


def test_in_the_background(kit, server, echo):
    """-f returns when the forwards are up; what stays connects again."""
    port = traffic.free_port_both()
    client = kit.connect(server, "-f", "-N", "-o", "AditReconnect=yes", "-o", "AditBackoff=1s 1s", "-L",
                         f"127.0.0.1:{port}:{echo.target}")
    assert client.finish() == 0
    pid = pid_of(port)
    try:
        server.signal_sessions(signal.SIGKILL)
        assert traffic.ask(("127.0.0.1", port)) == b"ping"
        assert pid_of(port) == pid
    finally:
        os.kill(pid, signal.SIGTERM)
        wait_until(lambda: not traffic.listeners(port), 15, "the end of the one in the background")


def asked(kit, server, echo):
    """On a terminal, at a server that nobody knows."""
    terminal = Terminal(kit, *kit.base(batch=False), "-N", *LASTING, "-p", str(server.port), "-l", server.user, "-L",
                        f"0:{echo.target}", "127.0.0.1")
    terminal.wait(r"yes/no")
    return terminal


def test_a_person_is_asked(kit, server, echo):
    """Once: the next connection knows the key."""
    terminal = asked(kit, server, echo)
    terminal.type("yes\n")
    addr = terminal.client.listening()[0].addr
    server.signal_sessions(signal.SIGKILL)
    wait_states(terminal.client, "connected", "reconnecting", "connected")
    assert traffic.ask(addr) == b"ping"
    terminal.close()


def test_a_question_is_broken_off(kit, server, echo):
    """Ctrl-C while somebody is asked: the terminal echoes again, and it ends."""
    terminal = asked(kit, server, echo)
    terminal.type("\x03")
    assert terminal.client.finish() == 128 + signal.SIGINT
    assert terminal.is_echoing()
    terminal.close()


def test_unix_socket(kit, server, echo):
    """A path with a token, as in any other connection; the file is there while the server is not."""
    path = kit.folder / "s-127.0.0.1"
    client = kit.connect(server, "-N", *LASTING, "-L", f"{kit.folder}/s-%h:{echo.target}")
    client.listening()
    server.stop()
    wait_states(client, "connected", "reconnecting")
    assert path.is_socket()
    begin_again(server)
    assert traffic.ask(str(path)) == b"ping"
    client.stop()
    assert not path.exists()


@pytest.mark.quick
def test_what_no_retry_mends(kit, server, echo, tmp_path):
    """At the start a refused key or an unknown host ends it, with the code of plain connections."""
    args = ("-N", *LASTING, "-L", f"0:{echo.target}")
    assert kit.connect(server, *args, "-o", "PubkeyAuthentication=no").finish() == 3
    empty = tmp_path / "nothing"
    empty.write_text("")
    assert kit.connect(server, "-o", f"UserKnownHostsFile={empty}", *args, known_hosts=False).finish() == 4


@pytest.mark.quick
def test_forward_cannot_be_had(kit, server, echo):
    """ExitOnForwardFailure: 6 at the start. Without it the connection is degraded until the port is free."""
    taken = socket.create_server(("127.0.0.1", 0))
    port = taken.getsockname()[1]
    args = ("-N", *LASTING, "-L", f"127.0.0.1:{port}:{echo.target}")
    assert kit.connect(server, *args, "-o", "ExitOnForwardFailure=yes").finish() == 6
    client = kit.connect(server, *args)
    wait_states(client, "degraded")
    taken.close()
    wait_states(client, "degraded", "connected")
    assert traffic.ask(("127.0.0.1", port)) == b"ping"


@pytest.mark.quick
@pytest.mark.parametrize("args, word", [
    (("true",), "-N"), (("-N", "-W", "127.0.0.1:1"), "-W"), (("-N", "-o", "ControlMaster=yes"), "ControlMaster"),
    (("-N", "-o", "PermitLocalCommand=yes", "-o", "LocalCommand=true"), "LocalCommand"),
    (("-N", "-o", "AditBackoff=5 1"), "AditBackoff"),
], ids=lambda a: a if isinstance(a, str) else None)
def test_what_it_cannot_do(kit, args, word):
    """Refused by name before anything is connected to."""
    command = args[-1:] if args == ("true",) else ()
    flags = args if not command else ()
    client = kit.run(*kit.base(), *LASTING, "-p", str(traffic.free_port()), *flags, "127.0.0.1", *command)
    assert client.finish() == 2
    assert word in client.err.text and "state " not in client.err.text
