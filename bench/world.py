"""What all programs are measured against: one stock sshd on loopback, the far ends, keys of their own, and lines that are
longer or slower than loopback. Everything is in a temporary folder and ends with the run."""
import contextlib
import os
import re
import resource
import shutil
import subprocess
import tempfile
from pathlib import Path

import bulk
import clients
import load
from harness import keys, servers
from harness.client import ADIT

FILES = 65536  # open files: 5,000 connections take two each in a client and in sshd, six in the relay by splice


class World:
    def __init__(self, tool, plan):
        self.tool, self.adit, self.plan = Path(tool), Path(ADIT), plan
        # name -> the options of the line in user space between client and server; None: loopback itself
        self.lines = {"loopback": None, "long": ("-d", "50"), "slow": ("-r", str(plan.slow_mbit * 125000))}
        _need_files()
        self.folder = Path(tempfile.mkdtemp(prefix="adit-bench-"))
        for name in ("server", "hostkeys", "home"):
            (self.folder / name).mkdir()
        self.key = keys.keygen(self.folder / "key")
        self.known_hosts = self.folder / "known_hosts"
        self.trusted, self.tunnels = set(), {}
        self.services = self.sshd = self.jump = None

    def start(self):
        self.services = load.Services(self.tool)
        self.sshd = self._sshd("server", "ERROR")
        self.jump = self._sshd("jump", "ERROR")  # for -J, which wants another server than the last one
        for port in (self.sshd.port, self.jump.port):
            self.trust(port)

    def _sshd(self, name, level):
        (self.folder / name).mkdir(exist_ok=True)
        return servers.Sshd(self.folder / name, self.folder / "hostkeys", [keys.public(self.key)],
                            {"MaxSessions": 10000, "MaxStartups": 10000}, log_level=level)

    def stop(self):
        self.close_tunnels()
        for part in (self.jump, self.sshd, self.services):
            if part:
                part.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def env(self):
        return {"HOME": str(self.folder / "home"), "PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}

    def trust(self, port):
        """A known_hosts line for this port too: all servers here have one key."""
        if port not in self.trusted:
            self.trusted.add(port)
            with open(self.known_hosts, "a") as f:
                f.write(f"[127.0.0.1]:{port} {keys.public(self.sshd.host_keys[0])}\n")

    def ssh_config(self):
        """For ssh -J: the ssh that it starts for the jump host takes its options from a file alone."""
        path = self.folder / "ssh_config"
        path.write_text(f"IdentityFile {self.key}\nIdentitiesOnly yes\nUserKnownHostsFile {self.known_hosts}\n"
                        "GlobalKnownHostsFile none\nBatchMode yes\n")
        return path

    def jump_home(self):
        """For adit -J: the options of a jump host are those of its own name. (dbclient writes to known_hosts.)"""
        folder = self.folder / "home/.ssh"
        folder.mkdir(exist_ok=True)
        keys.copy_private(self.key, folder / "id_ed25519")
        (folder / "known_hosts2").write_text(self.known_hosts.read_text())

    def dropbear_key(self):
        path = self.folder / "key.dropbear"
        if not path.exists():
            subprocess.run(["dropbearconvert", "openssh", "dropbear", str(self.key), str(path)], check=True,
                           capture_output=True)
        return path

    def port_of_line(self, line, port, tunnel):
        """Where to connect for port behind a line, which ends with the tunnel."""
        options = self.lines[line]
        if options is None:
            return port
        relay = servers.Relay(port, *options)
        tunnel.parts.append(relay)
        return relay.port

    def tunnel(self, program, setting):
        """A long-lived one: equal calls share it until close_tunnels. Before its first figure every forward of it has
        carried data of which each byte was checked (on loopback: a line changes nothing about that)."""
        mark = (program.name, setting)
        if mark in self.tunnels and not self.tunnels[mark].is_up():
            self.drop(program, setting)
        if mark not in self.tunnels:
            self.tunnels[mark] = program.open(setting)
            if setting.line == "loopback":
                bulk.verify(self, program, setting, self.tunnels[mark], self.plan.verify)
        return self.tunnels[mark]

    @contextlib.contextmanager
    def fresh(self, program, setting):
        """One that has carried nothing: what a bulk transfer leaves behind in the kernel's TCP (no delayed ACKs any more)
        would make small things quick."""
        tunnel = program.open(setting)
        try:
            yield tunnel
        finally:
            tunnel.stop()

    def drop(self, program, setting):
        """After a failure: the next one starts afresh."""
        old = self.tunnels.pop((program.name, setting), None)
        if old is not None:
            old.stop()

    def close_tunnels(self):
        for t in self.tunnels.values():
            t.stop()
        self.tunnels.clear()

    def agreed(self, program):
        """The cipher and MAC that a program and the server choose by themselves: a server of its own says it."""
        server = self._sshd(f"chatty-{program.name}", "DEBUG1")
        try:
            self.trust(server.port)
            argv = program.stdio_argv(server.port, self.services.ports["echo"], clients.Setting())
            subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, env=self.env(), timeout=30)
            found = re.search(r"kex: client->server cipher: (\S+) MAC: (\S+)", server.text())
            kex = re.search(r"kex: algorithm: (\S+)", server.text())
            if not found or not kex:
                raise clients.Failed(f"{program.name} did not agree on a cipher: {server.text()[-300:]}")
            return {"kex": kex.group(1), "cipher": found.group(1), "mac": found.group(2)}
        finally:
            server.stop()


def _need_files():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(hard, FILES), max(hard, FILES)))
    except (ValueError, PermissionError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def machine(world, programs):
    """Where the figures come from."""
    cpuinfo = Path("/proc/cpuinfo").read_text()
    model = re.search(r"^model name\s*:\s*(.*)$", cpuinfo, re.M)
    sshd = subprocess.run(["/usr/sbin/sshd", "-V"], capture_output=True, text=True).stderr.strip()
    return {"cpu": model.group(1) if model else os.uname().machine, "cores": os.cpu_count(),
            "kernel": f"{os.uname().sysname} {os.uname().release}", "sshd": sshd.splitlines()[-1] if sshd else "?",
            "versions": {p.name: p.version() for p in programs},
            "agreed": {p.name: world.agreed(p) for p in programs if p.is_ssh}}
