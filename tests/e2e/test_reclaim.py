"""AditReclaim: a port of -R that a stale session of our own holds is had again, and nothing else is ended for it."""
import contextlib
import os
import select
import signal
import socket
import threading

import pytest

from harness import keys, servers, traffic
from harness.daemon import Daemon
from harness.wait import wait_until
from test_reconnect import wait_states

pytestmark = pytest.mark.usefixtures("adit_only")
LASTING = ("-N", "-v", "-o", "AditReconnect=yes", "-o", "AditBackoff=1s 1s")
KNOWN = r"AditReclaim: this session is process (\d+) of the server"


class Path:
    """Carries connections to a port. Those that are there can be frozen: nothing of them comes through any more, not
    even their end, while others pass."""

    def __init__(self, port):
        self.target = port
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.generation, self.frozen = 0, []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                near, _ = self.listener.accept()
                threading.Thread(target=self._carry, args=(near, self.generation), daemon=True).start()

    def _carry(self, near, generation):
        far = socket.create_connection(("127.0.0.1", self.target))
        other = {near: far, far: near}
        with contextlib.suppress(OSError):
            while True:
                for s in select.select([near, far], [], [])[0]:
                    piece = s.recv(65536)
                    if generation < self.generation:
                        self.frozen += [near, far]  # open, and nobody looks at them
                        return
                    if not piece:
                        raise OSError("over")
                    other[s].sendall(piece)
        near.close()
        far.close()

    def freeze(self):
        self.generation += 1

    def close(self):
        self.listener.close()
        for s in self.frozen:
            s.close()


@pytest.fixture
def path():
    made = []

    def make(server):
        made.append(Path(server.port))
        return made[-1]

    yield make
    for p in made:
        p.close()


def is_there(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def begin(kit, server, way, echo, reclaim="yes"):
    """A client with -R of a port behind way; (client, port)."""
    port = traffic.free_port()
    client = kit.connect(server, *LASTING, "-o", f"AditReclaim={reclaim}", "-R", f"127.0.0.1:{port}:{echo.target}",
                         port=way.port)
    client.listening()
    return client, port


def lose(client, way):
    """The path is gone, and a fresh connection is made."""
    way.freeze()
    client.proc.send_signal(signal.SIGUSR1)


def holder(client):
    return int(client.wait_err(KNOWN).group(1))


@pytest.fixture(params=["root", "user"])
def server(request, start):
    """One whose sessions are root's own, and one with an account that may do little."""
    if request.param == "root":
        return start(servers.Sshd)
    return start(servers.Sshd, user=request.getfixturevalue("system_user").name)


@pytest.mark.quick
def test_port_is_reclaimed(kit, server, echo, path):
    """The old session's process is ended, that of the new one carries the port."""
    way, mark = path(server), server.mark()
    client, port = begin(kit, server, way, echo)
    old = holder(client)
    lose(client, way)
    client.wait_err(rf"AditReclaim: ended our stale session \(process {old} of the server\)")
    wait_states(client, "connected", "connected")
    assert "no-more-sessions" not in server.text(mark)
    assert traffic.ask(("127.0.0.1", port)) == b"ping"
    assert not is_there(old)
    assert client.stop() == 0
    # A session that begins (we ask who it is) has the server's sockets until it has become the command.
    wait_until(lambda: not traffic.listeners(port), 15, "a free port")


def test_without_it(kit, start, echo, path):
    """It is not the default: no command is run, and the forward is missing until the old session is gone."""
    server = start(servers.Sshd)
    way = path(server)
    client, port = begin(kit, server, way, echo, reclaim="no")
    lose(client, way)
    wait_states(client, "connected", "degraded")
    assert traffic.listeners(port)
    assert "AditReclaim" not in client.err.text


# Says once that its parent was started at another time, as that of a process id that was given again would be.
LIAR = """#!/bin/sh
set -C
if echo >{flag}; then
    read -r l </proc/$PPID/stat
    set -- ${{l##*)}}
    echo "adit-reclaim: $PPID $2 9${{20}}"
    exit
fi 2>{out}
exec /bin/sh "$@"
"""


def test_process_is_another_one(kit, start, echo, path, tmp_path):
    """The process id is that of one with another start: it is left alone, and the reason is told."""
    shell = tmp_path / "bin/sh"
    shell.parent.mkdir()
    shell.write_text(LIAR.format(flag=tmp_path / "asked", out=tmp_path / "noise"))
    shell.chmod(0o755)
    server = start(servers.Sshd, fresh=True, options={"SetEnv": f"PATH={shell.parent}:/usr/bin:/bin"})
    way = path(server)
    client, port = begin(kit, server, way, echo)
    old = holder(client)
    lose(client, way)
    client.wait_err(rf"listen port {port}: .*; AditReclaim: its process id is another one's now, which is left alone")
    wait_states(client, "connected", "degraded")
    assert is_there(old)
    assert traffic.listeners(port)
    os.kill(old, signal.SIGKILL)
    wait_states(client, "degraded", "connected")
    assert traffic.ask(("127.0.0.1", port)) == b"ping"


def test_forced_command(kit, start, echo, path, tmp_path, user_key):
    """It is run once, whatever becomes of the connection; and nothing is ended then."""
    runs = tmp_path / "runs"
    line = f'command="echo run >>{runs}; echo welcome" {keys.public(user_key)}'
    server = start(servers.Sshd, fresh=True, authorized=[line])
    way = path(server)
    client, port = begin(kit, server, way, echo)
    client.wait_err(rf"AditReclaim is off for {server.user}@127.0.0.1:{way.port}: another command was run there")
    for round_ in (1, 2):
        mark = server.mark()
        lose(client, way)
        server.wait_log(r"Accepted publickey", mark)
        wait_until(lambda: client.err.text.count("-> degraded") >= round_, 20, lambda: client.err.text)
    assert traffic.listeners(port)
    assert runs.read_text() == "run\n"


def test_no_session_is_had(kit, start, echo, path):
    """MaxSessions 0: nothing can be asked, and the forward serves."""
    server = start(servers.Sshd, options={"MaxSessions": "0"})
    way = path(server)
    client, port = begin(kit, server, way, echo)
    client.wait_err(r"AditReclaim: the server refused a session for it")
    assert traffic.ask(("127.0.0.1", port)) == b"ping"
    assert "AditReclaim is off" not in client.err.text


def test_tunnel_of_the_daemon(kit, start, echo, path):
    """The same as a keyword of a Tunnel."""
    server = start(servers.Sshd)
    way = path(server)
    port = traffic.free_port()
    kit.trust(server, way.port)
    daemon = Daemon(kit, server, f"Tunnel back\n    Via {server.user}@127.0.0.1:{way.port}\n    AditReclaim yes\n"
                    f"    RemoteForward 127.0.0.1:{port} {echo.target}\n", args=["-v"], trust=False).start()
    try:
        assert daemon.verb("up", "back").code == 0
        old = holder(daemon.client)
        lose(daemon.client, way)
        daemon.client.wait_err(rf"AditReclaim: ended our stale session \(process {old} of the server\)")
        daemon.wait_state("back", "connected")
        assert traffic.ask(("127.0.0.1", port)) == b"ping"
    finally:
        assert daemon.stop() == 0
