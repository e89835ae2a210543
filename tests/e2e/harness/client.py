"""Running the client under test, and reading what it says.

ADIT names another client: with /usr/bin/ssh the harness itself can be tried where both behave alike."""
import contextlib
import functools
import os
import re
import signal
import subprocess
import threading
from pathlib import Path

from . import traffic
from .servers import ROOT, kill_tree
from .wait import wait_until

ADIT = os.environ.get("ADIT", str(ROOT / "build/adit"))
IS_SSH = os.path.basename(ADIT) == "ssh"


REPORT = re.compile(r"ERROR: (Address|Leak)Sanitizer|WARNING: ThreadSanitizer|runtime error: ")


@functools.lru_cache(None)
def has_sanitizer(binary):
    with open(binary, "rb") as f:
        text = f.read()
    return any(word in text for word in (b"__asan_init", b"__tsan_init", b"__ubsan_handle"))


def is_sanitized(argv=(ADIT,)):
    """Whether a client's command line runs a sanitizer's build: its memory is not the product's."""
    return any(os.path.basename(a).startswith("adit") and os.path.isfile(a) and has_sanitizer(a) for a in argv)


class Listener:
    """One `listening` line: what, where, and to whom."""

    def __init__(self, line):
        self.line = line
        _, self.kind, self.bound, self.target = line.split(" ")
        host, _, port = self.bound.rpartition(":")
        self.host, self.port = (None, None) if "/" in self.bound else (host.strip("[]"), int(port))

    @property
    def addr(self):
        """What traffic.connect takes: a host and port, or the path of a socket."""
        return self.bound if self.host is None else (self.host, self.port)


class Output:
    """Everything that came on a pipe, readable while it still comes."""

    def __init__(self, pipe, quiet=False):
        self.data, self.ended, self.quiet = bytearray(), False, quiet
        self.thread = threading.Thread(target=self._read, args=(pipe,), daemon=True)
        self.thread.start()

    def _read(self, pipe):
        try:
            while piece := os.read(pipe.fileno(), 1 << 16):
                self.data += piece
        except OSError:
            if not self.quiet:  # a terminal whose other side is gone says EIO
                raise
        self.ended = True
        pipe.close()

    @property
    def text(self):
        return bytes(self.data).decode(errors="replace")


class Client:
    """A running client. stdin is /dev/null unless asked for."""

    def __init__(self, argv, env, stdin=subprocess.DEVNULL, cwd=None, pass_fds=(), session=True, preexec=None):
        self.argv = [str(a) for a in argv]
        self.proc = subprocess.Popen(self.argv, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env,
                                     cwd=cwd, pass_fds=pass_fds, start_new_session=session, preexec_fn=preexec)
        self.out, self.err = Output(self.proc.stdout), Output(self.proc.stderr)
        self.fixed = []  # listeners that the harness knows from the command line (ssh prints none)

    @property
    def pid(self):
        return self.proc.pid

    def running(self):
        return self.proc.poll() is None

    def wait_out(self, regex, timeout=15):
        return self._wait(self.out, regex, timeout)

    def wait_err(self, regex, timeout=15):
        return self._wait(self.err, regex, timeout)

    def _wait(self, output, regex, timeout):
        def found():
            return re.search(regex, output.text, re.M) or (output.ended and not self.running() and "ended")

        hit = wait_until(found, timeout, lambda: f"{regex!r} from {self.argv}\nstdout: {self.out.text[-2000:]}\n"
                         f"stderr: {self.err.text[-2000:]}")
        if hit == "ended":
            hit = re.search(regex, output.text, re.M)
            assert hit, f"ended with {self.proc.poll()} before {regex!r}: {self.argv}\n{self.err.text[-3000:]}"
        return hit

    def listening(self, count=1, timeout=15):
        """The listeners, once all `count` lines are there."""
        if IS_SSH:
            wait_until(lambda: not self.running() or all(traffic.listeners(f.port) for f in self.fixed), timeout,
                       "listeners of ssh")
            assert self.running(), self.err.text
            return self.fixed
        self._wait(self.out, r"(^listening .*\n){%d}" % count, timeout)
        return [Listener(line) for line in self.out.text.splitlines() if line.startswith("listening ")]

    def finish(self, timeout=15):
        """Waits for the end; returns the exit status, with both outputs complete."""
        try:
            code = self.proc.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {timeout} s: {self.argv}\n{self.err.text[-3000:]}") from None
        self.out.thread.join(5)
        self.err.thread.join(5)
        return code

    def stop(self, sig=signal.SIGTERM, timeout=10):
        if self.running():
            self.proc.send_signal(sig)
        return self.finish(timeout)

    def end_in_order(self):
        """By two signals, so that nothing is waited for: leaks are looked for at the end of a process."""
        for _ in range(2):
            if self.running():
                self.proc.send_signal(signal.SIGTERM)
        try:
            self.proc.wait(10)
        except subprocess.TimeoutExpired:
            pass

    def kill(self):
        """Ends it and what it runs (under strace the client is a child)."""
        if self.running():
            kill_tree(self.proc)
        if self.proc.stdin:
            try:
                self.proc.stdin.close()
            except OSError:
                pass

    def status(self, field):
        """A number of /proc/PID/status, in kB where it has a unit."""
        for line in open(f"/proc/{self.pid}/status"):
            if line.startswith(field + ":"):
                return int(line.split()[1])
        raise KeyError(field)

    def rss_kb(self):
        return self.status("VmRSS")

    def cpu_ms(self):
        fields = open(f"/proc/{self.pid}/stat").read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) * 1000 // os.sysconf("SC_CLK_TCK")

    def fds(self):
        """How many descriptors, but for that of Landlock's rules: it is made after whoever waits for a connection was told."""
        folder, count = f"/proc/{self.pid}/fd", 0
        for fd in os.listdir(folder):
            with contextlib.suppress(FileNotFoundError):  # closed meanwhile
                count += "landlock" not in os.readlink(f"{folder}/{fd}")
        return count


class Kit:
    """What a test runs clients with: a home of its own, the test's key, the server's known_hosts."""

    def __init__(self, folder, key):
        self.folder, self.key = Path(folder), key
        self.home = self.folder / "home"
        self.home.mkdir()
        self.known_hosts = self.folder / "known_hosts"
        self.clients = []

    def env(self, **extra):
        base = {"HOME": str(self.home), "PATH": os.environ["PATH"], "USER": os.environ.get("USER", "root"),
                "TMPDIR": str(self.folder), "LC_ALL": "C.UTF-8"}
        for name in os.environ:  # what sanitizers and valgrind need
            if name.endswith("SAN_OPTIONS"):
                base[name] = os.environ[name]
        return {k: v for k, v in {**base, **extra}.items() if v is not None}

    def trust(self, server, port=None):
        text = server.known_hosts_lines()
        self.known_hosts.write_text(text.replace(f":{server.port} ", f":{port} ") if port else text)

    def base(self, key=True, known_hosts=True, batch=True):
        args = ["-F", "none", "-o", "GlobalKnownHostsFile=none"]
        if known_hosts:
            args += ["-o", f"UserKnownHostsFile={self.known_hosts}"]
        if batch:
            args += ["-o", "BatchMode=yes"]
        if key:
            args += ["-i", str(self.key if key is True else key), "-o", "IdentitiesOnly=yes"]
        return args

    def run(self, *args, env=None, wrap=(), **popen):
        """A client with exactly these arguments."""
        client = Client([*wrap, ADIT, *args], self.env(**(env or {})), **popen)
        self.clients.append(client)
        return client

    def connect(self, server, *args, key=True, batch=True, port=None, trust=True, host="127.0.0.1", env=None, wrap=(),
                known_hosts=True, **popen):
        """A client that connects to server with the usual options."""
        if trust:
            self.trust(server, port)
        fixed, real = [], list(args)
        for i, arg in enumerate(real[1:], 1):
            if IS_SSH and real[i - 1] in ("-L", "-D") and str(arg).split(":")[0] == "0":
                number = traffic.free_port_both()
                real[i] = re.sub(r"^0", str(number), arg)
                line = f"listening {real[i - 1][1]} 127.0.0.1:{number} {real[i].partition(':')[2] or '-'}"
                fixed.append(Listener(line))
        client = self.run(*self.base(key, known_hosts, batch), "-p", str(port or server.port), "-l", server.user, *real,
                          host, env=env, wrap=wrap, **popen)
        client.fixed = fixed
        return client

    def local(self, server, service, *args, **kw):
        """-N -L of a free port to service; returns (client, address)."""
        client = self.connect(server, "-N", "-L", f"0:{service.target}", *args, **kw)
        return client, client.listening(1)[0].addr

    def dynamic(self, server, *args, **kw):
        client = self.connect(server, "-N", "-D", "0", *args, **kw)
        return client, client.listening(1)[0].addr

    def remote(self, server, service, *args, **kw):
        """-N -R of a port that the server picks to service; returns (client, address at the server)."""
        client = self.connect(server, "-N", "-R", f"127.0.0.1:0:{service.target}", *args, **kw)
        if IS_SSH:
            port = int(client.wait_err(r"Allocated port (\d+)").group(1))
            return client, ("127.0.0.1", port)
        return client, client.listening(1)[0].addr

    def close(self):
        """Ends what still runs, and fails when a sanitizer has said something in any of them."""
        reports = []
        for client in self.clients:
            if is_sanitized(client.argv) and client.running():
                client.end_in_order()
            client.kill()
            client.err.thread.join(5)
            reports += [client.err.text] if REPORT.search(client.err.text) else []
        assert not reports, reports[0][-6000:]
