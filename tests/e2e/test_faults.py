"""A campaign of faults against many tunnels at once: each reaches the state that the table names, and is connected again
when the fault is over; nothing is left behind. The seed is fixed, and every wait is for a condition."""
import http.client
import json
import os
import random
import shutil
import signal
import socket
import threading

import pytest

from harness import keys, servers, traffic
from harness.client import is_sanitized
from harness.daemon import Daemon
from harness.wait import wait_until

pytestmark = pytest.mark.usefixtures("adit_only")
PATHS, ROUNDS, WAIT = 40, 5, 60


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost")
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


def call(d, method, path):
    """A request of the API; the document that was answered."""
    connection = UnixConnection(d.socket)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        body = answer.read()
        assert answer.status == 200, body
        return json.loads(body)
    finally:
        connection.close()


class Events:
    """What each tunnel said of itself, in order."""

    def __init__(self, d):
        self.seen = {}
        self.connection = UnixConnection(d.socket)
        self.connection.request("GET", "/events")
        self.answer = self.connection.getresponse()
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        while line := self.answer.readline():
            if line.startswith(b"data: {") and b'"state"' in line:
                t = json.loads(line[6:])
                self.seen.setdefault(t["name"], []).append(t)

    def of(self, name):
        return self.seen.setdefault(name, [])

    def close(self):
        self.connection.sock.shutdown(socket.SHUT_RDWR)
        self.thread.join(10)
        self.connection.close()


class Way:
    """A tunnel with a server, a relay, a key and a known_hosts of its own, so that each can break alone."""

    def __init__(self, number, kit, server):
        self.name, self.server = f"way{number}", server
        self.folder = kit.folder / self.name
        self.folder.mkdir()
        self.key, self.hosts = self.folder / "key", self.folder / "known_hosts"
        shutil.copy(kit.key, self.key)
        self.relay = servers.Relay(server.port, "-p", str(traffic.free_port()))
        self.known = server.known_hosts_lines().replace(f":{server.port} ", f":{self.relay.port} ")
        self.hosts.write_text(self.known)
        self.port, self.taken, self.frozen = traffic.free_port(), None, []
        self.authorized = (server.folder / "authorized_keys").read_text()

    def host_block(self):
        return (f"Host {self.name}\n HostName 127.0.0.1\n Port {self.relay.port}\n User {self.server.user}\n"
                f" IdentityFile {self.key}\n UserKnownHostsFile {self.hosts}\n")

    def tunnel_block(self, echo):
        return (f"Tunnel {self.name}\n Via {self.name}\n AutoStart yes\n Backoff 1s 1s\n Detect fast\n"
                f" LocalForward 127.0.0.1:{self.port} {echo.target}\n")

    def kill(self):
        self.server.signal_sessions(signal.SIGKILL)

    def new_relay(self, *args):
        port = self.relay.port
        self.relay.stop()
        self.relay = servers.Relay(self.server.port, "-p", str(port), *args)

    def stop(self):
        self.thaw_processes()
        if self.taken is not None:
            self.taken.close()
        self.relay.stop()

    def thaw_processes(self):
        servers.signal_all(self.frozen, signal.SIGKILL)
        self.frozen = []


# ---- The faults: what breaks, and what makes it whole again.

def session_killed(way, d, rng):
    way.kill()


def session_frozen(way, d, rng):
    way.frozen = way.server.sessions()
    servers.signal_all(way.frozen, signal.SIGSTOP)


def frozen_ends(way, d):
    way.thaw_processes()


def server_stopped(way, d, rng):
    way.server.stop()


def server_begins(way, d):
    way.server.launch([way.server.binary, "-D", "-e", "-f", str(way.server.folder / "sshd_config")])
    wait_until(lambda: traffic.listeners(way.server.port), WAIT, way.server.text)


def path_frozen(way, d, rng):
    way.relay.freeze()


def path_thaws(way, d):
    way.relay.thaw()


def path_cut(way, d, rng):
    """At a byte of the greeting, the key exchange or the authentication of each next connection."""
    way.new_relay("-c", str(rng.randrange(1, 3000)))


def path_whole(way, d):
    way.new_relay()


def path_lost(way, d, rng):
    way.new_relay("-c", "1")


def key_removed(way, d, rng):
    way.key.unlink()
    way.kill()


def key_is_back(way, d):
    with open(os.open(way.key, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as f:
        f.write(d.kit.key.read_bytes())
    call(d, "POST", f"/tunnels/{way.name}/reconnect")


def key_not_authorized(way, d, rng):
    (way.server.folder / "authorized_keys").write_text("")
    way.kill()


def key_authorized(way, d):
    (way.server.folder / "authorized_keys").write_text(way.authorized)
    call(d, "POST", f"/tunnels/{way.name}/reconnect")


def host_changed(way, d, rng):
    other = keys.public(d.kit.key).split()
    way.hosts.write_text(f"[127.0.0.1]:{way.relay.port} {other[0]} {other[1]}\n")
    way.kill()


def host_unknown(way, d, rng):
    way.hosts.write_text("")
    way.kill()


def host_known(way, d):
    way.hosts.write_text(way.known)
    call(d, "POST", f"/tunnels/{way.name}/reconnect")


def port_taken(way, d, rng):
    call(d, "POST", f"/tunnels/{way.name}/stop")
    wait_until(lambda: not traffic.listeners(way.port), WAIT, "the listener to close")
    way.taken = socket.socket()
    way.taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    way.taken.bind(("127.0.0.1", way.port))
    way.taken.listen()
    call(d, "POST", f"/tunnels/{way.name}/start")


def port_free(way, d):
    way.taken.close()
    way.taken = None


def told_to_stop(way, d, rng):
    call(d, "POST", f"/tunnels/{way.name}/stop")


def told_to_start(way, d):
    call(d, "POST", f"/tunnels/{way.name}/start")


def nothing(way, d):
    pass


# fault, what ends it, the state it must reach, the kind of its error, permanent
FAULTS = [
    (session_killed, nothing, "reconnecting", "transport", False),
    (session_frozen, frozen_ends, "reconnecting", "timeout", False),
    (server_stopped, server_begins, "reconnecting", "transport", False),
    (path_frozen, path_thaws, "reconnecting", "timeout", False),
    (path_cut, path_whole, "reconnecting", "transport", False),
    (path_lost, path_whole, "reconnecting", "transport", False),
    (key_removed, key_is_back, "failed", "authentication", True),
    (key_not_authorized, key_authorized, "failed", "authentication", True),
    (host_changed, host_known, "failed", "host-key", True),
    (host_unknown, host_known, "failed", "host-key", True),
    (port_taken, port_free, "degraded", None, False),
    (told_to_stop, told_to_start, "disconnected", None, False),
]


def is_reached(events, mark, state, kind, permanent):
    return any(t["state"] == state and kind in (None, t["last_error_kind"]) and t["permanent"] == permanent
               for t in events[mark:])


def told(events):
    return [(t["state"], t["last_error"], t["last_error_kind"], t["permanent"]) for t in events]


def tunnels(d):
    return {t["name"]: t for t in call(d, "GET", "/tunnels")["tunnels"]}


def all_connected(d, ways, note):
    wait_until(lambda: all(t["state"] == "connected" for t in tunnels(d).values()), WAIT,
               lambda: [(note[n], t["state"], t["last_error"]) for n, t in tunnels(d).items() if t["state"] != "connected"])
    for way in ways:
        assert traffic.ask(("127.0.0.1", way.port)) == b"ping", note[way.name]


def run_round(d, events, ways, chosen, rng):
    """Every tunnel has its fault at the same time."""
    note = {way.name: fault[0].__name__ for way, fault in zip(ways, chosen)}
    marks = {way.name: len(events.of(way.name)) for way in ways}
    for way, fault in zip(ways, chosen):
        fault[0](way, d, rng)
    for way, (_, _, *wanted) in zip(ways, chosen):
        wait_until(lambda: is_reached(events.of(way.name), marks[way.name], *wanted), WAIT,
                   lambda: f"{note[way.name]}: {wanted} in {told(events.of(way.name)[marks[way.name]:])}")
        if wanted[0] in ("failed", "disconnected"):
            wait_until(lambda: not traffic.listeners(way.port), WAIT, f"{note[way.name]}: {wanted[0]} with a listener")
        elif wanted[0] == "reconnecting":
            assert traffic.listeners(way.port), f"{note[way.name]}: no listener while {wanted[0]}"
    for way, fault in zip(ways, chosen):
        fault[1](way, d)
    all_connected(d, ways, note)


@pytest.fixture
def ways(kit, start):
    made = [Way(i, kit, start(servers.Sshd, fresh=True)) for i in range(PATHS)]
    yield made
    for way in made:
        way.stop()
        way.server.stop()


def settled(d):
    """Descriptors and threads."""
    return d.client.fds(), d.client.status("Threads")


def nothing_left(d, before):
    """No more descriptors and threads than before. A sanitizer has threads of its own."""
    fds, threads = settled(d)
    return fds <= before[0] and (threads <= before[1] or is_sanitized())


@pytest.mark.slow
def test_campaign(kit, ways, echo):
    """Two hundred faults, forty at a time; then the daemon itself is killed, and all of them come back with the next."""
    d = Daemon(kit, ways[0].server, "".join(way.tunnel_block(echo) for way in ways))
    d.ssh_config.write_text("".join(way.host_block() for way in ways) +
                            "Host *\n IdentitiesOnly yes\n GlobalKnownHostsFile none\n")
    d.start()
    all_connected(d, ways, {way.name: "start" for way in ways})
    events, rng = Events(d), random.Random(20)
    todo = [FAULTS[i % len(FAULTS)] for i in range(PATHS * ROUNDS)]
    rng.shuffle(todo)
    for turn in range(ROUNDS):
        run_round(d, events, ways, todo[turn * PATHS:][:PATHS], rng)
        if turn == 0:  # what is made once is made
            before, rss = settled(d), d.client.rss_kb()
    wait_until(lambda: nothing_left(d, before), WAIT, lambda: f"{settled(d)} instead of {before}")
    if not is_sanitized():
        assert d.client.rss_kb() - rss <= 1024
    events.close()
    d.stop(signal.SIGKILL)
    d.start()
    all_connected(d, ways, {way.name: "daemon killed" for way in ways})
    assert d.stop() == 0
