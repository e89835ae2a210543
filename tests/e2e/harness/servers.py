"""Real SSH servers on loopback ports: OpenSSH (two versions), dropbear, asyncssh, and the relay."""
import contextlib
import json
import os
import pwd
import re
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

from . import keys, traffic
from .wait import wait_until

ROOT = Path(__file__).resolve().parents[3]
ME = pwd.getpwuid(os.getuid()).pw_name


def descendants(pid):
    """Process ids below pid, from /proc."""
    parent = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                stat = open(f"/proc/{entry}/stat").read()
                parent[int(entry)] = int(stat.rsplit(")", 1)[1].split()[1])
            except (OSError, IndexError):
                pass
    found, todo = [], [pid]
    while todo:
        up = todo.pop()
        children = [p for p, pp in parent.items() if pp == up]
        found += children
        todo += children
    return found


def kill_tree(proc):
    """Ends a process that we started and everything below it."""
    for pid in [*descendants(proc.pid), proc.pid]:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    proc.wait()


class Server:
    """A server process with a log that can be searched from a mark on."""
    user = ME

    def __init__(self, folder):
        self.folder = Path(folder)
        self.log_path = self.folder / "log"
        self.proc = None
        self.port = None
        self.host_keys = []

    def launch(self, argv, env=None):
        self.log = open(self.log_path, "ab")
        self.proc = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, env=env,
                                     start_new_session=True)

    def text(self, since=0):
        return self.log_path.read_bytes()[since:].decode(errors="replace")

    def mark(self):
        return self.log_path.stat().st_size

    def wait_log(self, regex, since=0, timeout=10, count=1):
        return wait_until(lambda: len(re.findall(regex, self.text(since))) >= count and self.text(since), timeout,
                          lambda: f"{count} x {regex!r} in the server's log:\n{self.text(since)[-3000:]}")

    def wait_up(self, regex):
        wait_until(lambda: self.proc.poll() is not None or re.search(regex, self.text()), 20,
                   lambda: f"server start: {self.text()}")
        assert self.proc.poll() is None, f"the server ended at once:\n{self.text()}"

    def is_up(self):
        return self.proc is not None and self.proc.poll() is None

    def sessions(self):
        """Processes below the listening one."""
        return descendants(self.proc.pid)

    def signal_sessions(self, number):
        signal_all(self.sessions(), number)

    def known_hosts_lines(self, host="127.0.0.1"):
        return "".join(f"[{host}]:{self.port} {keys.public(k)}\n" for k in self.host_keys)

    def stop(self):
        if self.proc is not None:
            kill_tree(self.proc)
            self.log.close()
            self.proc = None


def is_locked(user):
    """An account that sshd without PAM refuses."""
    try:
        for line in open("/etc/shadow"):
            fields = line.split(":")
            if fields[0] == user:
                return fields[1].startswith("!")
    except OSError:
        pass
    return False


def signal_all(pids, number):
    """To each that is still there: with one of a session's processes, others end."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


class Sshd(Server):
    """OpenSSH's sshd. options: sshd_config keyword -> value or list of values."""

    def __init__(self, folder, key_folder, authorized, options=None, host_types=("ed25519",), tree=None, user=ME,
                 hosts=None, log_level="DEBUG1"):
        super().__init__(folder)
        self.user, self.tree = user, tree
        self.binary = f"{tree}/usr/sbin/sshd" if tree else "/usr/sbin/sshd"
        self.host_keys = [keys.make(key_folder, t) for t in host_types]
        self.port = traffic.free_port()
        self._write(authorized, options or {}, log_level)
        if os.getuid() == 0:
            os.makedirs("/run/sshd", mode=0o755, exist_ok=True)
        argv = [self.binary, "-D", "-e", "-f", str(self.folder / "sshd_config")]
        self.launch(self._own_hosts(argv, hosts) if hosts else argv)
        wait_until(lambda: self.proc.poll() is not None or traffic.listeners(self.port), 20, self.text)
        assert self.proc.poll() is None, f"sshd ended at once:\n{self.text()}"

    def _write(self, authorized, options, log_level):
        keys_file = self.folder / "authorized_keys"
        keys_file.write_text("".join(f"{line}\n" for line in authorized))
        if self.user == ME:  # an empty home: what a person's own start-up files do and print is no part of a test
            home = self.folder / "home"
            home.mkdir(exist_ok=True)
            options = {**options, "SetEnv": " ".join(filter(None, [f"HOME={home}", options.get("SetEnv")]))}
        base = {
            "Port": self.port, "ListenAddress": "127.0.0.1", "PidFile": "none", "LogLevel": log_level,
            "AuthorizedKeysFile": keys_file, "StrictModes": "no", "UsePAM": "yes" if is_locked(self.user) else "no",
            "PasswordAuthentication": "no", "KbdInteractiveAuthentication": "no", "PermitRootLogin": "yes",
            "MaxStartups": "500", "UseDNS": "no",
            "LoginGraceTime": "60", "HostKey": [str(k) for k in self.host_keys],
        }
        if self.tree:
            lib = f"{self.tree}/usr/lib/openssh"
            base.update({"SshdSessionPath": f"{lib}/sshd-session", "SshdAuthPath": f"{lib}/sshd-auth"})
        base.update(options)
        with open(self.folder / "sshd_config", "w") as f:
            for key, values in base.items():
                for value in values if isinstance(values, (list, tuple)) else [values]:
                    f.write(f"{key} {value}\n")

    def _own_hosts(self, argv, hosts):
        """sshd in a mount namespace with its own /etc/hosts: names that only the server knows."""
        path = self.folder / "hosts"
        path.write_text("127.0.0.1 localhost\n::1 localhost\n" + "".join(f"{ip} {n}\n" for n, ip in hosts.items()))
        return ["unshare", "-m", "sh", "-c", 'mount --bind "$0" /etc/hosts && exec "$@"', str(path), *argv]


class IsolatedSshd(Sshd):
    """An sshd for each connection (sshd -i) in a network of its own, behind a router of its own that answers what it
    cannot reach: 10.9.0.0/16 with "host unreachable", 10.8.0.0/16 with silence (given up after three seconds), everything
    else with "network unreachable". The connection itself is handed in from outside. Network namespaces: root alone can make them."""

    SET_UP = """
unshare -n sleep 600 >/dev/null 2>&1 & router=$!
until [ "$(readlink /proc/$router/ns/net)" != "$(readlink /proc/$$/ns/net)" ]; do :; done
ip link set lo up && ip link add v0 type veth peer name v1 && ip link set v1 netns $router
ip address add 10.1.0.1/24 dev v0 && ip link set v0 up && ip route add default via 10.1.0.2
nsenter -t $router -n sh -c 'ip address add 10.1.0.2/24 dev v1; ip link set v1 up; ip link set lo up
    echo 1 >/proc/sys/net/ipv4/ip_forward; ip route add unreachable 10.9.0.0/16; ip route add blackhole 10.8.0.0/16'
echo 1 >/proc/sys/net/ipv4/tcp_syn_retries
exec "$@"
"""

    def __init__(self, folder, key_folder, authorized, **kw):
        Server.__init__(self, folder)
        self.tree, self.children = None, []
        self.host_keys = [keys.make(key_folder, "ed25519")]
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self._write(authorized, {}, "DEBUG1")
        os.makedirs("/run/sshd", mode=0o755, exist_ok=True)
        self.log = open(self.log_path, "ab")
        threading.Thread(target=self._serve, daemon=True).start()

    def is_up(self):
        return True

    def _serve(self):
        command = ["unshare", "-n", "sh", "-c", self.SET_UP, "sh", "/usr/sbin/sshd", "-i", "-e", "-f",
                   str(self.folder / "sshd_config")]
        while True:
            try:
                conn, _ = self.listener.accept()
            except OSError:
                return
            self.proc = subprocess.Popen(command, stdin=conn, stdout=conn, stderr=self.log, start_new_session=True)
            self.children.append(self.proc)
            conn.close()

    def stop(self):
        self.listener.close()
        for child in self.children:
            try:
                os.killpg(child.pid, signal.SIGKILL)  # the router's sleep is no child of sshd any more
            except ProcessLookupError:
                pass
            kill_tree(child)
        self.log.close()


class Dropbear(Server):
    """dropbear takes authorized keys only from the user's home, so it serves the throw-away user."""

    def __init__(self, folder, user, host_types=("ed25519",), args=()):
        super().__init__(folder)
        self.user, self.port = user.name, traffic.free_port()
        command = ["dropbear", "-F", "-E", "-p", f"127.0.0.1:{self.port}", "-P", f"{folder}/pid", *args]
        for t in host_types:
            kind = {"ecdsa256": "ecdsa"}.get(t, t)
            path = self.folder / f"host_{t}"
            subprocess.run(["dropbearkey", "-t", kind, "-f", str(path)], check=True, capture_output=True)
            out = subprocess.run(["dropbearkey", "-y", "-f", str(path)], check=True, capture_output=True, text=True)
            line = next(x for x in out.stdout.splitlines() if x.startswith(("ssh-", "ecdsa-")))
            Path(f"{path}.pub").write_text(line + "\n")
            self.host_keys.append(path)
            command += ["-r", str(path)]
        self.launch(command)
        self.wait_up(r"Not backgrounding")


class Asyncssh(Server):
    """A small asyncssh server (asyncssh_server.py) with the options of its JSON argument."""
    user = "guest"

    def __init__(self, folder, key_folder, authorized, host_types=("ed25519",), **options):
        super().__init__(folder)
        self.host_keys = [keys.make(key_folder, t) for t in host_types]
        keys_file = self.folder / "authorized_keys"
        keys_file.write_text("".join(f"{line}\n" for line in authorized))
        config = {"host_keys": [str(k) for k in self.host_keys], "authorized": str(keys_file), **options}
        script = Path(__file__).with_name("asyncssh_server.py")
        self.launch(["/usr/bin/python3", "-W", "ignore", str(script), json.dumps(config)])
        self.wait_up(r"PORT \d+")
        self.port = int(re.search(r"PORT (\d+)", self.text()).group(1))


class Relay:
    """tests/tools/relay.c between a client and 127.0.0.1:port."""

    def __init__(self, port, *args, trace=None):
        argv = [str(relay_binary()), *args, *(["-t", str(trace)] if trace else []), "127.0.0.1", str(port)]
        self.proc = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
        self.port = int(self.proc.stdout.readline())
        self.trace = trace
        self.delay_ms = int(args[args.index("-d") + 1]) if "-d" in args else 0

    def freeze(self):
        self.proc.send_signal(signal.SIGUSR1)

    def thaw(self):
        self.proc.send_signal(signal.SIGUSR2)

    def turns(self):
        """How many round trips the trace holds: a word of the client, and what it was told a full round trip later or
        more. (What comes sooner was on its way already and is no answer.)"""
        count, asked = 0, None
        for line in self.trace.read_text().splitlines():
            who, _, at = line.split()
            if who == "C" and asked is None:
                asked = int(at)
            if who == "S" and asked is not None and int(at) - asked >= 2000 * self.delay_ms:
                count, asked = count + 1, None
        return count

    def stop(self):
        self.proc.kill()
        self.proc.wait()
        self.proc.stdout.close()


def relay_binary():
    """build/tools/relay, compiled here when make has not done so."""
    source = ROOT / "tests/tools/relay.c"
    binary = Path(os.environ.get("ADIT_TOOLS", ROOT / "build/tools")) / "relay"
    if not binary.exists() or binary.stat().st_mtime < source.stat().st_mtime:
        binary.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cc", "-O2", "-std=gnu11", "-D_GNU_SOURCE", "-o", str(binary), str(source)], check=True)
    return binary


class SystemUser:
    """A throw-away account with a password, a home of its own and no files elsewhere."""
    password = "correct horse battery"

    def __init__(self, base, authorized):
        self.name = f"adit-e2e-{os.getpid()}"
        self.home = Path(base) / "home"
        ssh = self.home / ".ssh"
        ssh.mkdir(parents=True)
        (ssh / "authorized_keys").write_text("".join(f"{line}\n" for line in authorized))
        subprocess.run(["useradd", "-M", "-d", str(self.home), "-s", "/bin/sh", self.name], check=True)
        subprocess.run(["chpasswd"], input=f"{self.name}:{self.password}\n", text=True, check=True)
        entry = pwd.getpwnam(self.name)
        for path in (ssh / "authorized_keys", ssh, self.home):
            os.chown(path, entry.pw_uid, entry.pw_gid)
            os.chmod(path, 0o700 if path.is_dir() else 0o600)

    def remove(self):
        subprocess.run(["userdel", self.name], check=False, capture_output=True)


def openssh10_tree():
    """The unpacked OpenSSH 10, or None."""
    tree = Path(os.environ.get("ADIT_OPENSSH10") or ROOT / "build/openssh10").resolve()
    return str(tree) if os.access(tree / "usr/sbin/sshd", os.X_OK) else None


if __name__ == "__main__":
    sys.exit("a module of the tests")
