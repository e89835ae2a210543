"""The programs that are measured, and their tunnels: adit, OpenSSH's ssh, dropbear's dbclient, and two plain relays that
show what the machine can do without SSH."""
import json
import re
import resource
import socket
import subprocess
import threading
import time
from dataclasses import dataclass

import cpu
from harness import servers
from harness.client import Client

ETM = "hmac-sha2-256-etm@openssh.com"
CIPHERS = {"default": None, "aes128-gcm": "aes128-gcm@openssh.com", "aes256-gcm": "aes256-gcm@openssh.com",
           "chacha20-poly1305": "chacha20-poly1305@openssh.com", "aes128-ctr": "aes128-ctr"}
START_S = 30


class Failed(Exception):
    """A figure that could not be measured."""


class Absent(Exception):
    """A figure that this program does not have, and why."""


@dataclass(frozen=True)
class Setting:
    """How a tunnel is set up. line: of World.lines; forwards: of L (echo, greet, source, sink), R (source, sink) and D, those that the program has."""
    cipher: str = "default"
    line: str = "loopback"
    forwards: str = "LRD"
    jump: bool = False


# Below those that the kernel gives to outgoing connections, so that none of these takes one meanwhile. Each is used once.
_ports, _ports_lock = iter(range(20000, 32700)), threading.Lock()


def free_port():
    with _ports_lock:
        for port in _ports:
            with socket.socket() as s:
                try:
                    s.bind(("127.0.0.1", port))
                    return port
                except OSError:
                    pass
    raise Failed("no free port")


def is_listening(port):
    with open("/proc/net/tcp") as f:
        return re.search(rf":{port:04X} 00000000:0000 0A ", f.read()) is not None


class Tunnel:
    """A running client. ports: name -> where to connect: echo, greet, source, sink, R-source, R-sink, socks. pids: whose CPU
    time and memory are its own."""

    def __init__(self):
        self.ports, self.parts, self.pids = {}, [], []

    def is_up(self):
        return all(p.poll() is None for p in self.processes())

    def processes(self):
        return [getattr(p, "proc", p) for p in self.parts]

    def stop(self):
        for p in self.processes():
            if p.poll() is None:
                servers.kill_tree(p)
            if p.stdin:
                p.stdin.close()


class Program:
    """What all clients of SSH have in common."""
    name, binary = "", ""
    has = "LRD"  # the kinds of forwards
    ciphers = tuple(CIPHERS)
    most_connections = 1 << 20
    files_each = 2  # descriptors of one process for a connection
    is_ssh = True

    def __init__(self, world):
        self.world = world

    def open(self, setting):
        """A tunnel that is up."""
        tunnel, world = Tunnel(), self.world
        try:
            port = world.port_of_line(setting.line, world.sshd.port, tunnel)
            world.trust(port)
            forwards = self._forwards(tunnel, setting.forwards, world.services.ports)
            argv = [*self.base(port, setting), "-N", *forwards, "127.0.0.1"]
            client = Client(argv, world.env())
            tunnel.parts.append(client)
            self._wait(client, tunnel.ports.values())
            tunnel.pids = cpu.tree(client.pid)
        except BaseException:
            tunnel.stop()
            raise
        return tunnel

    def _forwards(self, tunnel, kinds, targets):
        args = []

        def add(name, kind, target):
            tunnel.ports[name] = free_port()
            args.extend((f"-{kind}", f"127.0.0.1:{tunnel.ports[name]}" + (f":127.0.0.1:{target}" if target else "")))

        for name in ("echo", "greet", "source", "sink") if "L" in kinds else ():
            add(name, "L", targets[name])
        for name in ("source", "sink") if "R" in kinds else ():  # all that are SSH have -R
            add(f"R-{name}", "R", targets[name])
        if "D" in kinds and "D" in self.has:
            add("socks", "D", None)
        return args

    def _wait(self, client, ports):
        end = time.monotonic() + START_S
        while not all(is_listening(p) for p in ports):
            if not client.running():
                client.err.thread.join(5)
                raise self.refusal(client.err.text.strip())
            if time.monotonic() > end:
                raise Failed(f"{self.name} does not listen after {START_S} s: {client.err.text.strip()[-200:]}")
            time.sleep(0.01)

    def refusal(self, said):
        return Failed(f"{self.name} ended: {said[-200:]}")

    def cipher_args(self, cipher):
        if CIPHERS[cipher] is None:
            return []
        return ["-c", CIPHERS[cipher], *(["-m", self.mac] if cipher.endswith("ctr") else [])]

    def check(self, setting, needs="L", connections=0):
        """Absent, when it cannot do this."""
        if setting.cipher not in self.ciphers:
            raise Absent(f"no {setting.cipher}")
        if needs not in self.has:
            raise Absent(f"no -{needs}")
        if connections > self.most_connections:
            raise Absent(f"at most {self.most_connections:,} connections")
        files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        if connections * self.files_each + 100 > files:
            raise Absent(f"needs more than {files:,} open files")

    def version(self):
        ran = subprocess.run([self.binary, "-V"], capture_output=True, text=True, env=self.world.env())
        return (ran.stdout + ran.stderr).strip().splitlines()[0]


class OpenSsh(Program):
    """And what takes its options."""
    name, binary, mac = "ssh", "ssh", ETM
    config = "none"

    def base(self, port, setting):
        jump = ["-J", f"{self.world.sshd.user}@127.0.0.1:{self.world.jump.port}"] if setting.jump else []
        config = str(self.world.ssh_config()) if setting.jump and self.name == "ssh" else "none"
        return [self.binary, "-F", config, "-o", "GlobalKnownHostsFile=none", "-o",
                f"UserKnownHostsFile={self.world.known_hosts}", "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes",
                "-o", "ExitOnForwardFailure=yes", "-i", str(self.world.key), *self.cipher_args(setting.cipher), *jump,
                "-p", str(port), "-l", self.world.sshd.user]

    def stdio_argv(self, port, target, setting):
        return [*self.base(port, setting), "-W", f"127.0.0.1:{target}", "127.0.0.1"]


class Adit(OpenSsh):
    name = "adit"

    def __init__(self, world):
        super().__init__(world)
        self.binary = str(world.adit)

    def base(self, port, setting):
        if setting.jump:
            self.world.jump_home()
        return super().base(port, setting)


class Dbclient(Program):
    name, binary, mac = "dbclient", "dbclient", "hmac-sha2-256"
    has = "LR"
    ciphers = ("default", "chacha20-poly1305", "aes128-ctr")
    most_connections = 1000  # channels

    def base(self, port, setting):
        # -y: takes the host key, and writes it into a home folder of its own.
        return [self.binary, "-y", "-i", str(self.world.dropbear_key()), "-o", "ExitOnForwardFailure=yes",
                *self.cipher_args(setting.cipher), "-p", str(port), "-l", self.world.sshd.user]

    def check(self, setting, needs="L", connections=0):
        super().check(setting, needs, connections)
        if setting.jump:
            raise Absent("not measured")

    def stdio_argv(self, port, target, setting):
        return [*self.base(port, setting), "-B", f"127.0.0.1:{target}", "127.0.0.1"]


class PlainRelay(Program):
    """A TCP relay without SSH: a process for each service, all of them counted."""
    has, ciphers, is_ssh = "L", ("default",), False

    def open(self, setting):
        tunnel = Tunnel()
        try:
            for name in ("echo", "greet", "source", "sink"):
                port = self.world.port_of_line(setting.line, self.world.services.ports[name], tunnel)
                proc = subprocess.Popen([str(self.world.tool), "relay", self.kind, "0", "127.0.0.1", str(port)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
                tunnel.parts.append(proc)
                tunnel.pids.append(proc.pid)
                tunnel.ports[name] = json.loads(proc.stdout.readline())["port"]
        except BaseException:
            tunnel.stop()
            raise
        return tunnel

    def check(self, setting, needs="L", connections=0):
        super().check(setting, needs, connections)
        if setting.jump:
            raise Absent("not SSH")

    def stdio_argv(self, port, target, setting):
        raise Absent("not SSH")

    def version(self):
        return f"bench/traffic.c, {self.kind}"


class RelayRw(PlainRelay):
    name, kind = "relay rw", "rw"


class RelaySplice(PlainRelay):
    name, kind, files_each = "relay splice", "splice", 6  # two pipes


PROGRAMS = (Adit, OpenSsh, Dbclient, RelayRw, RelaySplice)