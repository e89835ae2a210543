"""autossh starts ssh again when it ends, and when what it sends through a loop of -L and -R does not come back."""
import signal
import socket

import pytest

from harness import servers, traffic
from harness.wait import wait_until


@pytest.fixture
def sshd(start):
    return start(servers.Sshd, log_level="INFO", fresh=True)


def logins(server):
    return server.text().count("Accepted ")


@pytest.fixture
def autossh(spawn, link, echo):
    """Runs autossh with one forward to the echo; gives it and the forward's address."""
    running = []

    def run(*words, **more):
        port = traffic.free_port_both()
        client = spawn("autossh", *words, "-N", "-L", f"{port}:{echo.target}", "box",
                       more={"AUTOSSH_PATH": f"{link}/ssh", "AUTOSSH_GATETIME": "0", "AUTOSSH_DEBUG": "1", **more})
        running.append(client)
        return client, ("127.0.0.1", port)

    yield run
    for client in running:
        client.stop()  # in order: where its ssh were killed it would start another one


def works(address):
    try:
        return traffic.ask(address) == b"ping"
    except OSError:  # between two connections
        return False


def test_without_monitor(autossh, box):
    """-M 0: the server's end of the session is killed, twice; each time a new one is made."""
    client, address = autossh("-M", "0", "-o", "ServerAliveInterval=5", "-o", "ExitOnForwardFailure=yes")
    for count in (1, 2, 3):
        wait_until(lambda: works(address), 20, lambda: client.err.text)
        assert logins(box) == count
        if count < 3:
            box.signal_sessions(signal.SIGKILL)


def two_ports():
    """Two neighbours that are free, as autossh's monitor takes them."""
    while True:
        port = traffic.free_port_both()
        try:
            with socket.create_server(("127.0.0.1", port + 1)):
                return port
        except OSError:
            continue


def test_monitor(autossh, box):
    """-M PORT: a frozen server is found out by the monitor, and the next connection is made."""
    client, address = autossh("-M", str(two_ports()), AUTOSSH_POLL="1", AUTOSSH_FIRST_POLL="1")
    wait_until(lambda: works(address), 20, lambda: client.err.text)
    frozen = box.sessions()
    servers.signal_all(frozen, signal.SIGSTOP)
    try:
        wait_until(lambda: logins(box) == 2 and works(address), 60, lambda: client.err.text)
    finally:
        servers.signal_all(frozen, signal.SIGKILL)


def test_end(autossh):
    """autossh is told to end: so is its ssh, and the port is free."""
    client, address = autossh("-M", "0")
    wait_until(lambda: works(address), 20, lambda: client.err.text)
    client.stop()
    wait_until(lambda: traffic.is_refused(address), 10, "the end of the forward")
