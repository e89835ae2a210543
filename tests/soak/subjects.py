"""The two processes under soak, with their servers and all that is done to them: a plain client that connects again, and
a daemon with its tunnels. Everything goes through relays, so that a path can be cut, frozen and reset."""
import asyncio
import os
import signal
import socket
import struct
import subprocess
import tempfile
import time
from pathlib import Path

from harness import keys, servers, socks, traffic
from harness.client import ADIT, Kit
from harness.daemon import Daemon
from harness.http import Api, Events
from harness.wait import wait_until
from series import Sample


def process_sample(pid, at_s, is_quiet):
    """Of resident memory what is held: pages that were given back (MADV_FREE) stand there until the kernel wants them."""
    rollup = dict(line.split(":") for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:])
    kb = {name: int(value.split()[0]) for name, value in rollup.items()}
    return Sample(at_s, is_quiet, kb["Rss"] - kb["LazyFree"], kb["Pss"], len(os.listdir(f"/proc/{pid}/fd")),
                  len(os.listdir(f"/proc/{pid}/task")))


class Way:
    """A way to a server that can be cut: what listens is a relay at a port that stays."""

    def __init__(self, server):
        self.server, self.port = server, traffic.free_port()
        self.relay = servers.Relay(server.port, "-p", str(self.port))

    def cut(self):
        """Every connection ends at once; the next one finds the way."""
        self.relay.stop()
        self.relay = servers.Relay(self.server.port, "-p", str(self.port))

    def stop(self):
        self.relay.stop()


async def mute_for_a_while(_, writer):
    """Takes nothing, and then is gone."""
    await asyncio.sleep(1)
    writer.transport.abort()


class World:
    """Keys, services to talk to, a folder that goes away."""

    def __init__(self):
        self.holder = tempfile.TemporaryDirectory(prefix="adit-soak-")
        self.folder = Path(self.holder.name)
        self.folder.chmod(0o755)
        self.key = keys.keygen(self.folder / "user")
        self.echo = traffic.echo()
        self.source = traffic.source(2 << 20)
        self.sink = traffic.sink()
        self.endless = traffic.endless()
        self.resetter = traffic.resetter()
        self.mute = traffic.Service(mute_for_a_while)
        self.page = traffic.http(b"fine")
        self.closed = traffic.free_port()

    def sshd(self, name):
        folder = self.folder / name
        folder.mkdir()
        return servers.Sshd(folder, self.folder, [keys.public(self.key)], log_level="ERROR")

    def kit(self, name):
        folder = self.folder / name
        folder.mkdir()
        return Kit(folder, self.key)

    def served(self):
        """How many connections the services still have, by name: a server's end of a forward ends last."""
        names = ("echo", "source", "sink", "endless", "resetter", "mute")
        return {n: getattr(self, n).active for n in names if getattr(self, n).active}

    def close(self):
        self.holder.cleanup()


# ---- What is done to a forward

def abort(s):
    """A reset, instead of an end."""
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()


def talk(addr, dice):
    data = dice.randbytes(dice.choice((1, 100, 5000, 100_000)))
    assert traffic.ask(addr, data, timeout=15) == data


def talk_and_leave(addr, dice):
    """In the middle of it."""
    s = traffic.connect(addr, 15)
    s.sendall(dice.randbytes(20_000))
    traffic.recv_exact(s, dice.randrange(1, 10_000))
    abort(s)


def half_close(addr, dice):
    with traffic.connect(addr, 15) as s:
        data = dice.randbytes(dice.randrange(1, 60_000))
        s.sendall(data)
        s.shutdown(socket.SHUT_WR)
        assert traffic.recv_all(s) == data


def load(addr, _):
    """2 MiB, in which keys are exchanged again."""
    assert traffic.download(addr, timeout=30)[0] == 2 << 20


def store(addr, dice):
    assert traffic.upload(addr, 1 << 20, timeout=30)[0] == 1 << 20


def slow_reader(addr, _):
    """A small buffer, some pieces, with rests between; then it is gone, with much under way."""
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.settimeout(15)
        s.connect(addr)
        for _ in range(10):
            if not s.recv(512):
                raise EOFError
            time.sleep(0.1)  # its pace
        abort(s)


def fill(addr, dice):
    """To somebody who never reads: all windows and buffers are full when we leave."""
    with traffic.connect(addr, 0.5) as s:
        try:
            while True:
                s.sendall(bytes(1 << 16))
        except TimeoutError:
            abort(s)


def refused(addr, _):
    """A target where nobody listens, or that resets: an end without a byte."""
    s = traffic.connect(addr, 15)
    s.sendall(b"x")
    try:
        assert s.recv(1) == b""
    except ConnectionResetError:
        pass
    s.close()


def over_socks(addr, dice, port):
    """By address and by name, and what is refused."""
    host = dice.choice(("127.0.0.1", "localhost"))
    s, code = socks.connect5(addr, host, port, timeout=15)
    with s:
        if code == socks.OK:
            s.sendall(b"ping")
            assert traffic.recv_exact(s, 4) == b"ping"


def not_socks(addr, dice):
    with traffic.connect(addr, 15) as s:
        s.sendall(dice.choice((b"\5\0", b"GET / HTTP/1.1\r\n\r\n", b"\4\1", b"\xff" * 300, b"\5\1\2")))
        s.shutdown(socket.SHUT_WR)
        try:
            traffic.recv_all(s)
        except ConnectionResetError:
            pass


def add_traffic(churn, who, world, at):
    """at: name -> address of the forwards to world's services."""
    over = {"talk": (talk, "echo", 0.02), "leave": (talk_and_leave, "echo", 0.05), "half": (half_close, "echo", 0.1),
            "load": (load, "source", 0.2), "store": (store, "sink", 0.5), "slow reader": (slow_reader, "endless", 0.3),
            "fill": (fill, "mute", 1), "refused": (refused, "closed", 0.2), "reset": (refused, "resetter", 0.2),
            "not socks": (not_socks, "socks", 0.3)}
    for name, (operation, service, rest_s) in over.items():
        churn.add(f"{who}: {name}", lambda d, o=operation, s=service: o(at()[s], d), rest_s)
    churn.add(f"{who}: socks", lambda d: over_socks(at()["socks"], d, d.choice((world.echo.port, world.closed))), 0.1, 2)


# ---- The plain client

class LastingClient:
    """A client whose connection is lost all the time."""
    name = "client"
    is_disturbed = True
    order = ("echo", "source", "sink", "endless", "resetter", "mute", "closed", "socks")

    def __init__(self, world):
        self.world, self.server, self.kit = world, world.sshd(f"sshd-{self.name}"), world.kit(self.name)
        self.path = Way(self.server)
        self.back = traffic.free_port()
        targets = [getattr(world, n).target for n in self.order[:6]] + [f"127.0.0.1:{world.closed}"]
        forwards = [a for t in targets for a in ("-L", f"0:{t}")]
        self.client = self.kit.connect(
            self.server, "-N", "-v", "-o", "AditReconnect=yes", "-o", "AditDetect=fast", "-o", "AditBackoff=1s 1s",
            "-o", "RekeyLimit=1M", *forwards, "-D", "0", "-R", f"127.0.0.1:{self.back}:localhost:{world.echo.port}",
            port=self.path.port)
        lines = self.client.listening(len(self.order) + 1)
        self.addresses = dict(zip(self.order, (x.addr for x in lines)))
        self.pid = self.client.pid

    def add_to(self, churn):
        add_traffic(churn, self.name, self.world, lambda: self.addresses)
        churn.add(f"{self.name}: talk back", lambda d: talk(("127.0.0.1", self.back), d), 0.1)
        if self.is_disturbed:
            churn.add(f"{self.name}: disturb", self.disturb, 6)

    def refresh(self):
        """A connection that is new: what an old one still holds of its heaviest load is given back."""
        before = self.connections()
        if self.is_disturbed:
            self.client.proc.send_signal(signal.SIGUSR1)
            wait_until(lambda: self.connections() > before, 60, lambda: f"asked: {self.client.err.text[-1500:]}")

    def disturb(self, dice):
        """A connection is lost, in one of the ways in which that happens; it returns when there is a new one."""
        before = self.connections()
        way = dice.choice(("killed", "cut", "frozen", "asked"))
        if way == "killed":
            self.server.signal_sessions(signal.SIGKILL)
        elif way == "cut":
            self.path.cut()
        elif way == "frozen":
            losses = self.said("reconnecting")
            self.path.relay.freeze()
            try:
                wait_until(lambda: self.said("reconnecting") > losses, 30, "the loss is not seen")
            finally:
                self.path.cut()
        else:
            self.client.proc.send_signal(signal.SIGUSR1)
        wait_until(lambda: self.connections() > before, 30, lambda: f"{way}: {self.client.err.text[-1500:]}")

    def said(self, state):
        return self.client.err.text.count(f"-> {state}: ")

    def connections(self):
        return self.said("connected")

    def unrest(self):
        """What keeps it from rest; None."""
        if self.world.served():
            return f"still served: {self.world.served()}"
        works = talk_works(self.addresses["echo"]) and talk_works(("127.0.0.1", self.back))
        return None if works else self.client.err.text[-1500:]

    def is_alive(self):
        return self.client.running()

    def stop(self):
        self.client.stop()
        self.kit.close()
        self.path.stop()
        self.server.stop()


class SteadyClient(LastingClient):
    """One whose only connection lives for as long as the soak."""
    name = "steady"
    is_disturbed = False


def talk_works(addr):
    try:
        return traffic.ask(addr, b"rest", timeout=5) == b"rest"
    except OSError:
        return False


# ---- The daemon

PAST = 700  # times that a tunnel is stopped and started: each is three lines and some events


class BusyDaemon:
    """Tunnels on four hosts; the connection to the last of them is never disturbed."""
    name = "daemon"
    HOSTS = 4
    BESIDE = 16  # tunnels that are only looked after

    def __init__(self, world):
        self.world, self.kit = world, world.kit("daemon")
        self.servers = [world.sshd(f"sshd-daemon{i}") for i in range(2)]
        self.paths = [Way(self.servers[i == self.HOSTS - 1]) for i in range(self.HOSTS)]
        self.back = traffic.free_port()
        self.daemon = Daemon(self.kit, self.servers[0], self.configuration(""))
        self.kit.known_hosts.write_text("".join(
            s.known_hosts_lines().replace(f":{s.port} ", f":{p.port} ") for p in self.paths for s in [p.server]))
        self.daemon.ssh_config.write_text(
            "".join(f"Host h{i}\n Port {p.port}\n" for i, p in enumerate(self.paths)) +
            f"Host *\n HostName 127.0.0.1\n User {servers.ME}\n IdentityFile {self.kit.key}\n IdentitiesOnly yes\n"
            f" UserKnownHostsFile {self.kit.known_hosts}\n GlobalKnownHostsFile none\n RekeyLimit 1M\n")
        self.daemon.start()
        self.pid, self.api = self.daemon.client.pid, Api(self.daemon.socket)
        self.lasting = {*LastingClient.order, "back", *(f"beside{i}" for i in range(self.BESIDE))}
        wait_until(self.is_connected, 60, self.status)
        self.addresses = {n: ("127.0.0.1", self.daemon.tunnel(n)["bound_port"]) for n in LastingClient.order}

    def configuration(self, more):
        """Tunnels to the same services, those that are only there, and more."""
        w = self.world
        targets = [getattr(w, n).target for n in LastingClient.order[:6]] + [f"127.0.0.1:{w.closed}"]
        forwards = [f"LocalForward 0 {t}" for t in targets] + ["DynamicForward 0"]
        all_of_them = list(zip(LastingClient.order, forwards))
        all_of_them.append(("back", f"RemoteForward 127.0.0.1:{self.back} localhost:{w.echo.port}"))
        all_of_them += [(f"beside{i}", f"LocalForward 0 {w.page.target}\n HealthCheck http / 2s") for i in range(self.BESIDE)]
        return more + "".join(
            f"Tunnel {name}\n Via h{i % self.HOSTS}\n {forward}\n AutoStart yes\n Backoff 1s 1s\n Detect fast\n"
            f" HoldTime 2s\n" for i, (name, forward) in enumerate(all_of_them))

    def configure(self, more):
        """At one stroke: the daemon may be reading it."""
        new = self.daemon.conf.with_suffix(".new")
        new.write_text(self.configuration(more))
        new.replace(self.daemon.conf)

    # -- what is done to it

    def add_to(self, churn):
        add_traffic(churn, self.name, self.world, lambda: self.addresses)
        churn.add(f"{self.name}: talk back", lambda d: talk(("127.0.0.1", self.back), d), 0.1)
        churn.add(f"{self.name}: disturb", self.disturb, 4)
        churn.add(f"{self.name}: polls", self.poll, 0.1, 2)
        churn.add(f"{self.name}: events", self.events, 0.2, 2)
        churn.add(f"{self.name}: tunnels", self.tunnel, 0.2, 2)
        churn.add(f"{self.name}: sessions", self.session, 0.3)
        churn.add(f"{self.name}: reloads", self.reload, 3)
        churn.add(f"{self.name}: verbs", self.verb, 2)
        churn.add(f"{self.name}: mcp", self.mcp, 5)

    def disturb(self, dice):
        i = dice.randrange(self.HOSTS - 1)
        way = dice.choice(("killed", "cut", "frozen", "asked", "restarted"))
        if way == "killed":
            self.paths[i].server.signal_sessions(signal.SIGKILL)
        elif way == "cut":
            self.paths[i].cut()
        elif way == "frozen":
            self.paths[i].relay.freeze()
            try:
                wait_until(lambda: not self.is_connected(), 30, "the loss is not seen")
            finally:
                self.paths[i].cut()
        elif way == "asked":
            self.reconnect(i)
        else:
            at = f"/tunnels/beside{dice.randrange(self.BESIDE)}"
            for what in ("stop", "start"):
                assert self.api.ask("POST", f"{at}/{what}?wait=10").status in (200, 409)
        if way != "restarted":
            wait_until(self.is_connected, 40, lambda: f"{way}: {self.status()}")

    def beside(self, i):
        """One on host i, as all tunnels whose number in the file is the same modulo HOSTS."""
        return f"beside{(i - len(LastingClient.order) - 1) % self.HOSTS}"

    def reconnect(self, i):
        name = self.beside(i)
        assert self.api.ask("POST", f"/tunnels/{name}/reconnect?wait=30").status == 200

    def refresh(self):
        for i in range(self.HOSTS - 1):
            self.reconnect(i)
        self.fill()

    def fill(self):
        """What it keeps of the past (1,000 events, 2,000 lines of the log) is the same at every rest: a tunnel of the connection
        that lasts is stopped and started until nothing else is in there."""
        tunnel = self.daemon.tunnel(self.beside(self.HOSTS - 1))["id"]
        for _ in range(PAST):
            for what in ("stop", "start"):
                answer = self.api.ask("POST", f"/tunnels/{tunnel}/{what}?wait=30")
                assert answer.status == 200, answer
        self.api.answers.clear()

    def poll(self, dice):
        path = dice.choice(("/tunnels", "/tunnels/status", "/metrics", "/healthz", "/readyz", "/profiles", "/version",
                            "/openapi.json", "/", "/tunnels/echo/connections", "/nothing", "/tunnels/nobody"))
        answer = self.api.ask(dice.choice(("GET", "GET", "GET", "GET", "PATCH")), path)
        assert answer.status in (200, 404, 405, 503), answer
        self.api.answers.clear()

    def events(self, dice):
        """Watched for some events, and left; sometimes with those of before."""
        headers = {"Last-Event-ID": str(dice.randrange(1, 2000))} if dice.random() < 0.3 else {}
        stream = Events(self.api, "GET", "/events", headers=headers)
        stream.connection.sock.settimeout(1)
        try:
            for _ in range(dice.randrange(20)):
                stream.next()
        except TimeoutError:
            pass
        stream.close()

    def tunnel(self, dice):
        """Made, changed, started, used, stopped, removed."""
        name = f"made{dice.randrange(1 << 40)}"
        made = self.api.ask("POST", "/tunnels", {
            "name": name, "host": f"h{dice.randrange(self.HOSTS)}", "profile_id": "default", "forward_type": "local",
            "local_port": 0, "remote_host": "127.0.0.1", "remote_port": self.world.echo.port})
        assert made.status == 201, made
        at = "/tunnels/" + made.json["id"]
        try:
            assert self.api.ask("PUT", at, {"description": "x" * dice.randrange(300)}).status == 200
            if dice.random() < 0.8:
                t = self.api.ask("POST", f"{at}/start?wait=10").json
                assert t["state"] == "connected", t
                talk(("127.0.0.1", t["bound_port"]), dice)
        finally:
            assert self.api.ask("DELETE", at).status == 204
            self.api.answers.clear()

    def session(self, dice):
        stream = Events(self.api, "POST", "/sessions", {
            "host": f"h{dice.randrange(self.HOSTS)}", "profile_id": "default", "forwards": [
                {"forward_type": "local", "local_port": 0, "bind_address": "127.0.0.1", "remote_host": "127.0.0.1",
                 "remote_port": self.world.echo.port, "enabled": True}]})
        stream.connection.sock.settimeout(10)
        assert stream.next()[0] == "session"
        stream.close()

    def reload(self, dice):
        """A tunnel more, or one less; sometimes what is refused."""
        more = dice.choice(("", "Tunnel extra\n Via h0\n DynamicForward 0\n", "Tunnel wrong\n Nonsense 1\n"))
        self.configure(more)
        self.daemon.client.proc.send_signal(signal.SIGHUP)
        self.configure("")
        assert self.daemon.verb("reload").code == 0

    def verb(self, dice):
        words = dice.choice((("list",), ("status", "--json"), ("addr", "echo"), ("logs", "-n", "5"), ("status", "nobody")))
        assert self.daemon.verb(*words).code in (0, 1)

    def mcp(self, dice):
        """A guest that says hello, and one that leaves in the middle."""
        hello = (b'{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},'
                 b'"clientInfo":{"name":"soak","version":"1"}}}\n'
                 b'{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"ssh_tunnel_list","arguments":{}}}\n')
        done = subprocess.run([ADIT, "mcp"], env=self.kit.env(ADIT_SOCK=str(self.daemon.socket)), capture_output=True,
                              input=hello[:dice.choice((len(hello), 60))], timeout=60, check=False)
        assert done.returncode == 0, done

    # -- rest

    def status(self):
        return {t["name"]: t["state"] for t in self.api.ask("GET", "/tunnels/status").json["tunnels"]}

    def is_connected(self):
        states = self.status()
        self.api.answers.clear()
        return all(states.get(n) == "connected" for n in self.lasting)

    def unrest(self):
        """What keeps it from rest: what is not connected, what is there and should not be, who is still served."""
        served = self.world.served()
        tunnels = self.api.ask("GET", "/tunnels").json["tunnels"]
        self.api.answers.clear()
        wrong = [f"{t['name']}: {t['state']}, {t['connections_active']} served, {t['last_error']}" for t in tunnels
                 if t["name"] not in self.lasting or t["state"] != "connected" or t["connections_active"] > 0]
        wrong += self.lasting - {t["name"] for t in tunnels}
        wrong += [f"still served: {served}"] if served else []
        for t in tunnels:  # who was stopped, and not started again because something was cut
            if t["state"] == "disconnected":
                self.api.ask("POST", f"/tunnels/{t['id']}/start?idempotent=1")
        if not wrong and not talk_works(self.addresses["echo"]):
            wrong = [f"{self.addresses['echo']} does not answer", str(self.daemon.tunnel("echo"))]
        return "; ".join(wrong) or None

    def is_alive(self):
        return self.daemon.client.running()

    def stop(self):
        self.daemon.stop()
        self.kit.close()
        for one in [*self.paths, *self.servers]:
            one.stop()
