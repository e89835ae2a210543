"""One scenario played with one fault, and the judgement."""
import dataclasses
import errno
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from harness import traffic
from harness.client import ADIT, Client, Kit
from harness.wait import wait_until

from .sites import Table

LIMIT_S = 20  # a hang, not a speed
DATA = bytes(range(256)) * 160  # 40 KiB
SANITIZERS = {"ASAN_OPTIONS": "detect_leaks=1:exitcode=99:log_path={0}:quarantine_size_mb=4:abort_on_error=0",
              "UBSAN_OPTIONS": "print_stacktrace=1:log_path={0}"}


# A key exchange that takes little time, and no questions behind it.
QUICK = ("-o", "UpdateHostKeys=no", "-o", "KexAlgorithms=curve25519-sha256", "-o", "WarnWeakCrypto=no")


class Wrong(Exception):
    pass


class Over(Exception):
    """The program under test has ended, and that was judged: nothing of the scenario is left to do."""


@dataclasses.dataclass
class Outcome:
    scenario: object
    fault: object
    fired: int = 0
    sites: list = dataclasses.field(default_factory=list)
    end: str = ""  # how it went: "all" is done, "line" (all, and a line was said), "error" (one line, and its status)
    wrong: str = ""
    said: str = ""


class Run:
    """What a scenario is handed: a folder with a home, clients with the fault and without."""

    def __init__(self, world, scenario, fault, honest):
        self.world, self.scenario, self.fault, self.honest = world, scenario, fault, honest
        self.folder = pathlib.Path(tempfile.mkdtemp(dir=world.folder))
        self.table = Table(self.folder / "table")
        (self.folder / "kit").mkdir()
        self.kit = Kit(self.folder / "kit", world.key)
        self.kit.known_hosts.write_text(world.sshd.known_hosts_lines() + world.other.known_hosts_lines())
        self.outcome = Outcome(scenario, fault)
        self.ends, self.services, self.ports, self.said, self.must_live = [], [], [], [], False

    # ---- starting ----

    def environment(self, is_struck=True, **extra):
        env = self.kit.env(**{k: v.format(self.folder / "report") for k, v in SANITIZERS.items()}, **extra)
        if is_struck:
            env["ADIT_FAULT_TABLE"] = str(self.folder / "table")
            if self.fault:
                env["ADIT_FAULT"] = self.fault.environment
        return env

    def begin(self, argv, is_struck=True, env=None, **popen):
        client = Client([str(a) for a in argv], self.environment(is_struck, **(env or {})), **popen)
        client.is_struck = is_struck
        self.kit.clients.append(client)
        return client

    def adit(self, *args, server=None, key=True, batch=True, **more):
        """A client that connects to the server."""
        return self.begin([ADIT, *self.base(server, key, batch), *args], **more)

    def base(self, server=None, key=True, batch=True):
        """What it needs to connect to a server, but for the host."""
        server = server or self.world.sshd
        return [*self.kit.base(key, batch=batch), *QUICK, "-p", server.port, "-l", server.user]

    def port(self):
        self.ports.append(traffic.free_port())
        return self.ports[-1]

    # ---- what a program does: an act says "ok" or, where the connection was cut, why ----

    def wait(self, client, condition, what):
        """Until it is so; a struck client may end instead, and that is judged."""
        try:
            wait_until(lambda: condition() or not client.running() or self.has_retried(client), self.scenario.limit_s)
        except AssertionError:
            raise Wrong(f"hangs before {what}: {client.err.text[-500:]!r}") from None
        if self.fault and self.fault.for_ever and self.scenario.retries and not condition() and client.running():
            self.stop(client)  # it tries again, for ever
            raise Over
        client.err.thread.join(0 if client.running() else 5)
        client.out.thread.join(0 if client.running() else 5)
        if not condition():
            self.ended(client, what)
        return condition()

    def has_retried(self, client):
        return self.fault and self.fault.for_ever and self.scenario.retries and len(re.findall("state .* -> reconnecting", client.err.text)) > 0

    def listening(self, client, count=1):
        self.wait(client, lambda: client.out.text.count("listening ") >= count and client.out.text.endswith("\n"),
                  "listening")
        return client.listening(count)[0].addr

    def use(self, client, act, is_patient=False):
        """Done rightly, at once or, when that was cut, a second time; or the client has ended. is_patient: that it takes
        several tries is no fault's doing."""
        said, begun = [], time.monotonic()

        def done():
            said.append(act())
            return said[-1] == "ok"

        try:
            wait_until(lambda: done() or not client.running() or self.is_starved(said, begun), LIMIT_S)
        except AssertionError:
            raise Wrong(f"is of no use any more, and stays: {said[-1]}: {client.err.text[-500:]!r}") from None
        if said[-1] != "ok" and not self.is_starved(said, begun):
            self.ended(client, "use")
        self.said += said
        if said[-1] != "ok" and self.is_starved(said, begun) and not self.is_speechless(said):
            self.names([*client.err.text.splitlines(), *self.said])
        if said[0] != "ok" and self.fault and self.fault.is_harmless and client.is_struck and not is_patient:
            raise Wrong(f"a connection was cut: {said[0]}")

    def is_starved(self, said, begun):
        """Where nothing works any more from then on, nothing is what works: that it stays and says no is right, be it
        often or (a tool that waits for what never comes) after a long time."""
        is_long = len(said) >= 20 or time.monotonic() - begun > LIMIT_S / 2
        return self.fault is not None and self.fault.for_ever and is_long

    def is_speechless(self, said):
        """Who tries again has said that it does, and not why each try fails. Where there is no memory, be it the kernel's,
        libmicrohttpd has none for a connection to say it on."""
        is_unheard = self.scenario.is_daemon and said[-1].startswith(("no answer", "no events"))
        return self.scenario.retries or (is_unheard and self.fault.site.kind in ("alloc", "epoll_ctl"))

    def echo(self, addr, data=DATA, first=None):
        """Through a forward and back; first: what is said on the socket before (a proxy's handshake)."""
        try:
            return self.exchange(traffic.connect(addr, LIMIT_S), data, first)
        except OSError as e:
            return str(e)

    def exchange(self, client, data=DATA, first=None):
        """The same on a socket that is connected."""
        try:
            with client as s:
                if first:
                    refused = first(s)
                    if refused:
                        return refused
                s.sendall(data)
                s.shutdown(socket.SHUT_WR)
                got = bytearray()
                while piece := s.recv(1 << 16):
                    got += piece
        except socket.timeout:
            raise Wrong("a connection hangs") from None
        except OSError as e:
            return str(e)
        if not data.startswith(bytes(got)):
            raise Wrong("bytes are not what was sent")
        return "ok" if len(got) == len(data) else "cut"

    # ---- the end ----

    def finish(self, client):
        try:
            return client.finish(LIMIT_S)
        except AssertionError:
            raise Wrong(f"does not end: {client.err.text[-500:]!r}") from None

    def lines(self, client):
        """What it said, but for what an honest run says."""
        said = [x.rstrip() for x in re.split(r"[\r\n]+", client.err.text) if x.strip()]
        return [x for x in said if not self.scenario.says or not re.search(self.scenario.says, x)]

    def ended(self, client, before="its end"):
        """By itself, with an error: its status and one line that says why."""
        status, lines = self.finish(client), self.lines(client)
        self.outcome.said = client.err.text
        self.ends.append("error")
        if not self.fault or not client.is_struck:
            raise Wrong(f"ended with {status} before {before}: {lines}")
        if self.must_live:
            raise Wrong(f"the daemon ended with {status}: {client.err.text[-1000:]}")
        if self.fault.is_harmless:
            raise Wrong(f"ended with {status}, where nothing should have been seen: {lines}")
        if status not in self.scenario.statuses:
            raise Wrong(f"status {status}, not of {self.scenario.statuses}, before {before}: {lines}")
        last = [x for x in lines if re.match(self.scenario.face, x)]
        most = 3 if self.fault.for_ever else 1  # things that failed one after the other
        if not 1 <= len(last) <= most or len(set(lines)) != len(lines):
            raise Wrong(f"{len(last)} lines of its end, not one, or the same twice: {lines}")
        self.names(lines)
        raise Over

    def names(self, lines):
        """What failed is in one of the lines: the system's words for it, or that memory is short."""
        how, kind = self.fault.how, self.fault.site.kind
        words = {os.strerror(how)} if how > 0 else {"name resolution", "memory", "looked up"}
        if kind in ("alloc", "map", "lookup", "thread"):
            words |= {"memory"}
        if how == errno.EMFILE:
            words |= {"descriptor"}
        if kind in ("read", "write"):
            words |= {"No space", "Input/output", "does not answer", "closed by the peer", "connection was closed"}
        words |= {"read-only", "cannot be saved", "another user"} if kind in ("open", "socket_option", "stat") else set()
        if not any(w.lower() in line.lower() for w in words for line in lines):
            raise Wrong(f"no line says what failed: {lines}")

    def stop(self, client, number=signal.SIGTERM, status=0):
        """Ends it, and it ends well."""
        if client.running():
            client.proc.send_signal(number)
            if self.finish(client) != status and client.running() is False and client.proc.returncode not in self.scenario.statuses:
                raise Wrong(f"status {client.proc.returncode} after signal {number}, not {status}: {self.lines(client)}")
            if client.proc.returncode != status and not client.is_struck:
                raise Wrong(f"status {client.proc.returncode} after signal {number}, not {status}: {self.lines(client)}")
        else:
            self.ended(client)
        self.goes_on(client)

    def done(self, client, status, output=b""):
        """A command's end: all of its output and its status, or an error."""
        got = self.finish(client)
        out = bytes(client.out.data)
        if not output.startswith(out):
            raise Wrong(f"output is not what the command wrote: {out[:200]!r}")
        if got == status and self.fault and not self.fault.is_harmless and self.lines(client):
            self.names(self.lines(client))  # a part of it was cut off, and that was told
        elif got != status or out != output:
            if got == status and client.is_struck and not self.lines(client):
                raise Wrong(f"output is cut ({len(out)} bytes), and nothing says so")
            self.ended(client)
        self.goes_on(client)

    def goes_on(self, client):
        """It did all; one line about what it went without is right."""
        lines = self.lines(client)
        self.outcome.said = client.err.text
        if self.scenario.is_daemon:
            self.ends.append("all")
            return
        if lines and not client.is_struck:
            raise Wrong(f"one without a fault says {lines}")
        most = 0 if not self.fault or self.fault.is_harmless else 99 if self.fault.for_ever else self.scenario.lines_more + 1
        if len(lines) > most:
            raise Wrong(f"did all, and said {len(lines)} lines: {lines}")
        self.ends.append("line" if lines else "all")

    # ---- everything together ----

    def play(self):
        try:
            try:
                self.scenario.play(self)
            except Over:
                pass
            for c in self.kit.clients:
                if not c.is_struck and c.running():
                    c.end_in_order()
            self.outcome.end = "error" if "error" in self.ends else "line" if "line" in self.ends else "all"
            self.nothing_left()
        except Wrong as e:
            self.outcome.wrong = str(e)
        except Exception as e:  # a mistake of the scenario is to be seen, too
            self.outcome.wrong = f"the scenario failed: {type(e).__name__}: {e}"
        finally:
            for c in self.kit.clients:
                c.kill()
            for s in self.services:
                s()
            traffic.GIVEN.difference_update(self.ports)
        self.reports()
        self.outcome.fired, self.outcome.sites = self.table.read()
        if self.outcome.wrong == "" or os.environ.get("FAULTS_KEEP") is None:
            shutil.rmtree(self.folder, ignore_errors=True)
        return self.outcome

    def nothing_left(self):
        """No process, and no file that an honest run does not leave."""
        for c in self.kit.clients:
            try:
                wait_until(lambda c=c: not session_members(c.pid), LIMIT_S)
            except AssertionError:
                raise Wrong(f"left a process: {session_members(c.pid)}") from None
        names = {re.sub(r"\d+", "N", str(p.relative_to(self.kit.folder))) for p in self.kit.folder.rglob("*")}
        self.outcome.names = names
        struck = self.fault.site.name if self.fault else ""
        is_kept = struck.startswith("unlink") or (self.fault and self.fault.for_ever and self.fault.site.kind == "files")
        new = names - (self.honest or names)
        if struck == "lstat":  # whose it is cannot be known any more: it may be another daemon's by now
            new -= {"adit.sock"}
        if new and not is_kept:
            raise Wrong(f"files left behind: {sorted(new)}")
        if self.scenario.check_files and (wrong := self.scenario.check_files(self)):
            raise Wrong(wrong)

    def reports(self):
        for path in sorted(self.folder.glob("report.*")):
            text = path.read_text(errors="replace")
            if text.strip():
                self.outcome.wrong = f"a sanitizer's report: {text[:3500]}" + (f"\n(and: {self.outcome.wrong})" if self.outcome.wrong
                                                                               else "")
        for c in self.kit.clients:
            if c.proc.returncode in (-signal.SIGSEGV, -signal.SIGABRT, -signal.SIGILL, -signal.SIGBUS, -signal.SIGTRAP, 97, 99):
                self.outcome.wrong = f"crashed ({c.proc.returncode}): {self.outcome.wrong}"


def session_members(session):
    """Processes that live on in a session of ours."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat") as f:
                    head, _, rest = f.read().rpartition(")")
            except OSError:
                continue
            fields = rest.split()
            if int(fields[3]) == session and fields[0] != "Z":
                found.append(head)
    return found
