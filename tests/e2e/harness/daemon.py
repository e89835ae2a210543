"""`adit daemon` in a folder of its own, and the verbs that talk to it."""
import json
import os
import signal
import subprocess

from . import traffic
from .client import ADIT, Client
from .wait import wait_until


class Verb:
    """How a verb ended: `code`, and its two outputs."""

    def __init__(self, done):
        self.code, self.out, self.err = done.returncode, done.stdout, done.stderr

    def __repr__(self):
        return f"exit {self.code}\nstdout: {self.out}\nstderr: {self.err}"


class Daemon:
    """A daemon with its configuration, state and socket in the kit's folder. It reads `ssh_config` there, which
    knows the server as `bastion`."""

    def __init__(self, kit, sshd, conf="", args=(), trust=True):
        self.kit, self.sshd = kit, sshd
        self.socket, self.state = kit.folder / "adit.sock", kit.folder / "state"
        self.conf, self.ssh_config = kit.folder / "adit.conf", kit.folder / "ssh_config"
        self.args, self.client = list(args), None
        if trust:
            kit.trust(sshd)
        self.ssh_config.write_text(
            f"Host bastion\n HostName 127.0.0.1\n Port {sshd.port}\n User {sshd.user}\nHost *\n IdentityFile {kit.key}\n"
            f" IdentitiesOnly yes\n UserKnownHostsFile {kit.known_hosts}\n GlobalKnownHostsFile none\n")
        self.configure(conf)

    def configure(self, text):
        self.conf.write_text(text)

    def argv(self, *more):
        return ["daemon", "-c", str(self.conf), "-F", str(self.ssh_config), "--socket", str(self.socket), "--state",
                str(self.state), *self.args, *more]

    def start(self, *more):
        """Runs it in the foreground, until it is ready."""
        self.client = self.kit.run(*self.argv(*more))
        self.client.wait_err(r"^adit: ready ")
        return self

    def ready_line(self):
        return [line for line in self.client.err.text.splitlines() if line.startswith("adit: ready ")][0]

    def stop(self, sig=signal.SIGTERM):
        return self.client.stop(sig)

    def verb(self, *args, env=None, timeout=60):
        """A verb to its end."""
        return Verb(subprocess.run([ADIT, *map(str, args)], env=self.kit.env(ADIT_SOCK=str(self.socket), **(env or {})),
                                   stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout, check=False,
                                   start_new_session=True))

    def verb_begin(self, *args):
        """A verb that goes on."""
        client = Client([ADIT, *args], self.kit.env(ADIT_SOCK=str(self.socket)))
        self.kit.clients.append(client)
        return client

    def tunnel(self, name):
        """T of one tunnel, as `list --json` shows it."""
        done = self.verb("list", "--json")
        assert done.code == 0, done
        return next(t for t in json.loads(done.out)["tunnels"] if name in (t["id"], t["name"]))

    def wait_state(self, name, state, timeout=20):
        return wait_until(lambda: self.tunnel(name)["state"] == state, timeout, lambda: f"{state}: {self.tunnel(name)}")

    def address(self, name):
        done = self.verb("addr", name)
        assert done.code == 0, done
        host, _, port = done.out.strip().rpartition(":")
        return host.strip("[]"), int(port)

    def carries(self, name):
        return traffic.ask(self.address(name)) == b"ping"


def established(port):
    """Connections of clients to a port of 127.0.0.1."""
    out = subprocess.run(["ss", "-Htn", "state", "established", f"( dport = :{port} )"], capture_output=True, text=True,
                         check=False).stdout
    return len(out.splitlines())


def pid_of_lock(state):
    return int((state / "lock").read_text().split()[0]) if os.path.exists(state / "lock") else None
