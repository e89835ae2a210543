"""What adit does while a call fails. A scenario plays one use of it by a Run (play.py); what is in it is struck."""
import asyncio
import contextlib
import dataclasses
import itertools
import json
import re
import select
import shlex
import signal
import socket
import subprocess

from harness import http, keys, servers, socks, traffic
from harness.client import ADIT

from . import answers
from .play import DATA, LIMIT_S, Wrong

ALL = []


@dataclasses.dataclass
class Scenario:
    name: str
    play: object
    statuses: tuple = (255,)  # of an end with an error
    says: str = ""  # lines of stderr that an honest run has, too
    face: str = "adit: "  # how the line of its end begins
    lines_more: int = 0
    check_files: object = None
    limit_s: int = LIMIT_S  # a tool of MCP waits 30 s by itself
    retries: bool = False  # where nothing works any more, it says so and tries again
    writes_file: bool = False  # its output, which is no pipe
    is_daemon: bool = False  # it logs, and once it is ready it stays


def scenario(name=None, **fields):
    def take(f):
        ALL.append(Scenario(name or f.__name__.replace("_", "-"), f, **fields))
        return f
    return take


HOST = "127.0.0.1"
HERE = ("-o", "ExitOnForwardFailure=yes")


# ---- forwards ----

@scenario()
def local(run):
    c = run.adit(*HERE, "-N", "-L", f"0:{run.world.echo.target}", HOST)
    addr = run.listening(c)
    run.use(c, lambda: run.echo(addr))
    run.stop(c)


@scenario()
def remote(run):
    c = run.adit(*HERE, "-N", "-R", f"127.0.0.1:0:{run.world.echo.target}", HOST)
    addr = run.listening(c)
    run.use(c, lambda: run.echo(addr))
    run.stop(c)


def socks5(run):
    def first(s):
        s.sendall(b"\5\1\0")
        if traffic.recv_exact(s, 2) != b"\5\0":
            return "no greeting"
        s.sendall(socks.request5(run.world.echo.host, run.world.echo.port))
        head = traffic.recv_exact(s, 10)
        return "" if len(head) == 10 and head[1] == 0 else f"refused: {head!r}"
    return first


@scenario()
def dynamic(run):
    c = run.adit(*HERE, "-N", "-D", "0", HOST)
    addr = run.listening(c)
    run.use(c, lambda: run.echo(addr, first=socks5(run)))
    run.stop(c)


@scenario("remote-dynamic")
def remote_dynamic(run):
    c = run.adit(*HERE, "-N", "-R", "127.0.0.1:0", HOST)
    addr = run.listening(c)
    run.use(c, lambda: run.echo(addr, first=socks5(run)))
    run.stop(c)


@scenario("unix-sockets")
def unix_sockets(run):
    path = run.kit.folder / "listen.sock"
    c = run.adit(*HERE, "-N", "-L", f"{path}:{run.world.echo.target}", HOST)
    run.listening(c)
    run.use(c, lambda: run.echo(str(path)))
    run.stop(c)


@scenario()
def stdio(run):
    c = run.adit("-W", run.world.echo.target, HOST, stdin=subprocess.PIPE)
    feed(c)
    run.done(c, 0, DATA)


def feed(client, data=DATA):
    try:
        client.proc.stdin.write(data)
        client.proc.stdin.close()
    except BrokenPipeError:
        pass


# ---- commands ----

@scenario()
def command(run):
    c = run.adit(HOST, "cat; exit 7", stdin=subprocess.PIPE)
    feed(c)
    run.done(c, 7, DATA)


@scenario("slow-reader", statuses=(255, 128 + signal.SIGPIPE), face="adit: |standard output: ")
def slow_reader(run):
    """What is not taken of a command's output at once is kept, for which there must be memory."""
    much = 1_000_000
    argv = shlex.join(str(x) for x in [ADIT, *run.base(), HOST, f"head -c {much} /dev/zero | tr '\\0' x"])
    c = run.begin(["bash", "-c", f"set -o pipefail; {argv} | (sleep 0.3; cat)"])
    run.done(c, 0, b"x" * much)


@scenario("default-algorithms")
def default_algorithms(run):
    c = run.begin([ADIT, *run.kit.base(), "-p", run.world.sshd.port, "-l", run.world.sshd.user, "-C", HOST, "cat"],
                  stdin=subprocess.PIPE)
    feed(c)
    run.done(c, 0, DATA)


@scenario("terminal-asked", says="^Connection to .* closed")
def terminal_asked(run):
    c = run.adit("-tt", "-o", "SetEnv=LC_X=1", HOST, "echo hi; exit 3")
    run.done(c, 3, b"hi\r\n")


@scenario("jump-host")
def jump_host(run):
    w = run.world
    conf = run.kit.folder / "config"
    conf.write_text(f"Host hop\n HostName 127.0.0.1\n Port {w.other.port}\n User {w.other.user}\n"
                    f"Host *\n IdentityFile {w.key}\n IdentitiesOnly yes\n BatchMode yes\n UpdateHostKeys no\n"
                    f" UserKnownHostsFile {run.kit.known_hosts}\n GlobalKnownHostsFile none\n"
                    " KexAlgorithms curve25519-sha256\n WarnWeakCrypto no\n")
    c = run.begin([ADIT, "-F", conf, "-J", "hop", "-p", w.sshd.port, "-l", w.sshd.user, HOST, "cat"], stdin=subprocess.PIPE)
    feed(c)
    run.done(c, 0, DATA)


@scenario("proxy-command")
def proxy_command(run):
    c = run.adit("-o", f"ProxyCommand={run.world.netcat} %h %p", HOST, "cat", stdin=subprocess.PIPE)
    feed(c)
    run.done(c, 0, DATA)


@scenario("socks-proxy")
def socks_proxy(run):
    c = run.adit("-o", f"AditProxy=socks5://127.0.0.1:{run.world.socks.port}", HOST, "cat", stdin=subprocess.PIPE)
    feed(c)
    run.done(c, 0, DATA)


@scenario("name-lookup")
def name_lookup(run):
    c = run.adit("-o", f"HostKeyAlias=[127.0.0.1]:{run.world.sshd.port}", "localhost", "cat", stdin=subprocess.PIPE)
    feed(c)
    run.done(c, 0, DATA)


@scenario("command-to-file", writes_file=True)
def command_to_file(run):
    """Where the output is a file, a full disk is told of."""
    path = run.kit.folder / "output"
    c = run.begin(["/bin/sh", "-c", 'exec "$@" >$0', path, ADIT, *run.base(), HOST, "cat"], stdin=subprocess.PIPE)
    feed(c)
    status, got = run.finish(c), path.read_bytes()
    if not DATA.startswith(got) or (status == 0 and got != DATA and not run.lines(c)):
        raise Wrong(f"output is not what the command wrote: {len(got)} bytes")
    if status != 0:
        run.ended(c)
    run.goes_on(c)


# ---- keys ----

@scenario()
def agent(run):
    c = run.adit(HOST, "cat", stdin=subprocess.PIPE, key=False, env={"SSH_AUTH_SOCK": run.world.agent})
    feed(c)
    run.done(c, 0, DATA)


@scenario("agent-forwarding", says="error fetching identities")
def agent_forwarding(run):
    c = run.adit("-A", HOST, "(ssh-add -L || ssh-add -L) | cut -c1-11", env={"SSH_AUTH_SOCK": run.world.agent})
    run.done(c, 0, b"ssh-ed25519\n")


@scenario("encrypted-key")
def encrypted_key(run):
    c = run.adit(HOST, "cat", stdin=subprocess.PIPE, key=run.world.locked_key, batch=False,
                 env={"SSH_ASKPASS": run.world.askpass, "SSH_ASKPASS_REQUIRE": "force"})
    feed(c)
    run.done(c, 0, DATA)


@scenario("key-from-environment")
def key_from_environment(run):
    c = run.adit(HOST, "cat", stdin=subprocess.PIPE, key=False, env={"ADIT_KEY": run.world.key.read_text()})
    feed(c)
    run.done(c, 0, DATA)


@scenario("certificate")
def certificate(run):
    c = run.adit("-o", f"CertificateFile={run.world.certificate}", HOST, "cat", stdin=subprocess.PIPE)
    feed(c)
    run.done(c, 0, DATA)


# ---- known_hosts ----

OLD_LINES = "# a comment\nexample.test ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHVudXNlZC11bnVzZWQtdW51c2VkLXVudXNlZC11c2Vk\n"


def hosts_are_whole(run):
    """The old lines, and none or all of the new ones, each whole."""
    text = run.kit.known_hosts.read_text()
    new = text[len(OLD_LINES):]
    if not text.startswith(OLD_LINES) or (new and not new.endswith("\n")):
        return f"known_hosts is not whole: {text!r}"
    for line in new.splitlines():
        if " ".join(line.split()[1:3]) not in run.world.host_keys:
            return f"known_hosts has a line of no key: {line!r}"
    return ""


@scenario("known-hosts-new", says="Permanently added", check_files=hosts_are_whole)
def known_hosts_new(run):
    run.kit.known_hosts.write_text(OLD_LINES)
    c = run.adit("-o", "StrictHostKeyChecking=accept-new", "-o", "HashKnownHosts=yes", HOST, "cat", stdin=subprocess.PIPE)
    feed(c)
    run.done(c, 0, DATA)


@scenario("known-hosts-update", check_files=hosts_are_whole)
def known_hosts_update(run):
    """A server that has another key as well, and one that it has no more."""
    w = run.world
    run.kit.known_hosts.write_text(OLD_LINES + w.two.known_hosts_lines().splitlines()[0] + "\n" +
                                   f"[127.0.0.1]:{w.two.port} {keys.public(w.key)}\n")
    c = run.adit("-o", "UpdateHostKeys=yes", HOST, "cat", server=w.two, stdin=subprocess.PIPE)
    feed(c)
    run.done(c, 0, DATA)


# Behind what is wrong in a file ssh says how many lines are.
@scenario("configuration", says="terminating, 1 bad configuration options$")
def configuration(run):
    w, folder = run.world, run.kit.folder
    (folder / "included").write_text(f"Host box\n HostName 127.0.0.1\n Port {w.sshd.port}\n User {w.sshd.user}\n")
    (folder / "config").write_text(
        f"Include {folder}/incl*\nMatch exec \"test %n = box\"\n IdentityFile {w.key}\n IdentitiesOnly yes\n"
        f"Host *\n BatchMode yes\n UserKnownHostsFile {run.kit.known_hosts}\n GlobalKnownHostsFile none\n UpdateHostKeys no\n"
        f" KnownHostsCommand /bin/cat {run.kit.known_hosts}\n KexAlgorithms curve25519-sha256\n WarnWeakCrypto no\n LocalCommand true\n PermitLocalCommand yes\n")
    c = run.begin([ADIT, "-F", folder / "config", "box", "cat"], stdin=subprocess.PIPE)
    feed(c)
    run.done(c, 0, DATA)


# ---- one connection for several ----

def control_words(run):
    return ["-S", run.kit.folder / "ctl"]


def guest_echo(run, is_struck):
    c = run.adit(*control_words(run), HOST, "cat; exit 5", stdin=subprocess.PIPE, is_struck=is_struck)
    feed(c)
    return c


@scenario("mux-master", face="adit: |Control socket |poll: |pipe: |out of memory|muxclient: ")
def mux_master(run):
    """The master is struck. A guest of it is served, told of an error, or connects by itself."""
    path = run.kit.folder / "ctl"
    m = run.adit("-M", "-N", *control_words(run), HOST)
    run.wait(m, path.exists, "its control socket")

    def session():
        g = guest_echo(run, False)
        status, out = run.finish(g), bytes(g.out.data)
        if not DATA.startswith(out):
            raise Wrong("a guest's bytes are not what was sent")
        return "ok" if status == 5 and out == DATA else f"{status} {g.err.text}"

    run.use(m, session)
    run.stop(m)


@scenario("mux-guest", face="adit: |Control socket |poll: |pipe: |out of memory|muxclient: ")
def mux_guest(run):
    path = run.kit.folder / "ctl"
    m = run.adit("-M", "-N", *control_words(run), HOST, is_struck=False)
    run.wait(m, path.exists, "its control socket")
    run.done(guest_echo(run, True), 5, DATA)
    run.stop(m)


@scenario("mux-forward", face="adit: |Control socket |poll: |pipe: |out of memory|muxclient: ")
def mux_forward(run):
    path = run.kit.folder / "ctl"
    m = run.adit("-M", "-N", *control_words(run), HOST, is_struck=False)
    run.wait(m, path.exists, "its control socket")
    port = run.port()
    c = run.adit(*control_words(run), "-O", "forward", "-L", f"127.0.0.1:{port}:{run.world.echo.target}", HOST)
    run.done(c, 0)
    run.use(m, lambda: run.echo((HOST, port)))
    run.stop(m)


# ---- what lasts ----

class Relay(traffic.Service):
    """A way to a port that can be cut."""

    def __init__(self, port):
        super().__init__(self.relay)
        self.to, self.user = port, servers.ME

    async def relay(self, reader, writer):
        there, back = await asyncio.open_connection(HOST, self.to)
        try:
            await asyncio.wait({asyncio.ensure_future(self.pump(reader, back)), asyncio.ensure_future(self.pump(there, writer))},
                               return_when=asyncio.FIRST_COMPLETED)
        finally:
            back.close()

    @staticmethod
    async def pump(reader, writer):
        with contextlib.suppress(OSError):
            while data := await reader.read(1 << 16):
                writer.write(data)
                await writer.drain()

    def cut(self):
        for task in list(self.tasks):
            traffic._Loop.get().call_soon_threadsafe(task.cancel)

    def shut(self):
        """Cut, and nobody gets through until it is opened: its port is kept, and refuses."""
        self.close()
        self.kept = socket.socket()
        self.kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.kept.bind((HOST, self.port))

    def open(self):
        self.server = traffic._Loop.run(asyncio.start_server(self._serve, sock=self.kept))


@scenario("reconnect", says="^state ", lines_more=1, retries=True)
def reconnect(run):
    """The connection is cut, and made again."""
    relay = Relay(run.world.sshd.port)
    run.services.append(relay.close)
    run.kit.known_hosts.write_text(run.world.sshd.known_hosts_lines().replace(f":{run.world.sshd.port} ", f":{relay.port} "))
    c = run.adit("-o", "AditReconnect=yes", "-o", "AditBackoff=1s 1s", *HERE, "-N", "-L", f"0:{run.world.echo.target}", HOST,
                 server=relay)
    addr = run.listening(c)
    run.use(c, lambda: run.echo(addr))
    relay.cut()
    run.use(c, lambda: run.echo(addr))
    run.stop(c)


@scenario("autossh", says="^autossh: ssh exited prematurely|^state ", statuses=(255, 1),
          face="ssh: |autossh: |command-line|out of memory", lines_more=2)
def autossh(run):
    link = run.kit.folder / "autossh"
    link.symlink_to(ADIT)
    port = run.port()
    c = run.begin([link, "-M", "0", *run.base(), *HERE, "-N", "-L", f"127.0.0.1:{port}:{run.world.echo.target}", HOST])
    run.wait(c, lambda: traffic.listeners(port), "listening")
    run.use(c, lambda: run.echo((HOST, port)))
    run.stop(c)


PINGS = """
import os, socket, sys, time
for _ in range(int(sys.argv[1])):
    try:
        with socket.create_connection((os.environ["ADIT_L1_HOST"], int(os.environ["ADIT_L1_PORT"]))) as s:
            s.sendall(b"ping")
            if said := s.recv(4):
                print(said.decode())
                sys.exit()
    except OSError:
        pass
    time.sleep(0.3)  # what the tunnels have to say comes before their end
sys.exit("the command had no connection")
"""


@scenario("run-verb", says="run: the tunnels ended before they were up|the command had no connection",
          face="adit: |channel open failed: |.*a connection was closed", statuses=(255, 1, 2, 3, 4, 5, 6, 7, 126, 127))
def run_verb(run):
    """A command that tries again, where that is of use."""
    tries = 1 if run.fault and run.fault.for_ever else 3
    c = run.begin([ADIT, "run", *run.base(), HOST, "-L", f"0:{run.world.echo.target}", "--", "python3", "-c", PINGS, tries])
    run.done(c, 0, b"ping\n")


# ---- the daemon ----

def state_is_whole(run, names=None):
    """names: of the tunnels in it, where they are known."""
    path = run.kit.folder / "state/state.json"
    if not path.exists():
        return "there is no state.json" if names else ""
    try:
        document = json.loads(path.read_text())
        listed = {t["name"] for t in document["tunnels"]}
        return "" if listed <= {"added"} and (names is None or listed == names) else f"state.json holds {document}"
    except (ValueError, KeyError) as e:
        return f"state.json is not whole: {e!r}: {path.read_text()!r}"


CONF = "Tunnel web\n Via box\n AutoStart yes\n Backoff 1s 1s\n LocalForward 127.0.0.1:0 {target}\n"


class Daemon:
    """A daemon whose only tunnel, `web`, connects by itself."""

    def __init__(self, run, is_struck=True, server=None, conf=CONF):
        w, folder = run.world, run.kit.folder
        server_port = server.port if server else w.sshd.port
        run.kit.known_hosts.write_text(w.sshd.known_hosts_lines().replace(f":{w.sshd.port} ", f":{server_port} "))
        (folder / "ssh_config").write_text(
            f"Host box\n HostName 127.0.0.1\n Port {server_port}\n User {w.sshd.user}\nHost *\n IdentityFile {w.key}\n"
            f" IdentitiesOnly yes\n UserKnownHostsFile {run.kit.known_hosts}\n GlobalKnownHostsFile none\n UpdateHostKeys no\n"
            " KexAlgorithms curve25519-sha256\n WarnWeakCrypto no\n")
        self.run, self.conf, self.is_again, self.names = run, folder / "adit.conf", False, set(re.findall("^Tunnel (.*)", conf, re.M))
        self.conf.write_text(f"SshConfig {folder}/ssh_config\nSocket {folder}/adit.sock\nStateDir {folder}/state\n" +
                             conf.format(target=w.echo.target))
        self.process = run.begin([ADIT, "daemon", "-c", self.conf], is_struck=is_struck)
        run.wait(self.process, lambda: "adit: ready " in self.process.err.text, "ready")
        run.must_live = is_struck
        self.api = http.Api(folder / "adit.sock")

    def ask(self, method, path, body=None, right=(200,), again=()):
        """An act of Run.use: a request, and what it answered is kept in `answer`. again: also right the second time."""
        tries = itertools.count()

        def act():
            nth, self.status = next(tries), None
            try:
                got = self.api.ask(method, path, body)
                self.status = got.status
            except (OSError, http.http.client.HTTPException) as e:
                if isinstance(e, http.http.client.RemoteDisconnected) and self.is_short_of_memory():
                    raise Wrong(f"{method} {path} was read, and not answered") from None
                return f"no answer to {method} {path}: {e!r}"
            if got.status in right + (again if nth > 0 else ()):
                self.changed(method, path, body, got)
                self.whole(method, path, got)
                return "ok"
            if got.status == 503 and nth > 0 and self.run.fault and self.run.fault.site.name in ("open", "openat", "fchmod", "mkdir", "flock"):
                return "ok"  # found out at the start, and said at each change
            error = got.json.get("error") if got.body.startswith(b"{") else None
            if error is None or not error["code"] or not error["message"]:
                raise Wrong(f"{method} {path} was answered {got}")
            return f"{got.status} {error['message']}"

        self.run.use(self.process, act)

    def changed(self, method, path, body, got):
        """What there is now is in state.json, too."""
        if (method, path) == ("POST", "/tunnels") and got.status in (201, 409):
            self.names.add(body["name"])
        elif method == "DELETE":
            self.names.discard(path.rpartition("/")[2])
        if method in ("POST", "PUT", "DELETE") and got.status < 300 and (wrong := state_is_whole(self.run, self.names - {"web"})):
            raise Wrong(f"{method} {path} was answered {got.status}, and {wrong}")

    def whole(self, method, path, got):
        fault = self.run.fault
        if path == "/profiles" and fault and fault.site.kind != "alloc":
            return got  # an ssh_config that cannot be read names no hosts
        if lack := answers.lacks(path, got, self.names):
            raise Wrong(f"{method} {path}: {lack}: {got}")
        return got

    def tunnel(self, name):
        """What the API says of it now; KeyError: it says none."""
        got = self.api.ask("GET", f"/tunnels/{name}")
        if got.status != 200:
            raise KeyError(got)
        return self.whole("GET", f"/tunnels/{name}", got).json

    def is_short_of_memory(self):
        """Once: what has a connection has an answer, be it that there is no memory for the one that was asked for."""
        fault = self.run.fault
        return fault and self.process.is_struck and fault.site.kind == "alloc" and not fault.for_ever

    def adds(self):
        """Not where that cannot be saved, which was said: nothing has changed then."""
        self.ask("POST", "/tunnels", ADDED, (201,), (409,))
        return self.status not in (500, 503)

    def carries(self, name, first=None):
        def act():
            try:
                t = self.tunnel(name)
                if self.run.fault and not self.is_again and (t["state"] == "failed" or
                                                             (t["state"] == "connected" and not t["listen"])):
                    if t["state"] == "failed":  # it says why, or its log does, and who starts it again has it
                        self.run.names([t["last_error"], *self.run.lines(self.process)])
                    self.is_again = True
                    self.api.ask("POST", f"/tunnels/{name}/stop")
                    self.api.ask("POST", f"/tunnels/{name}/start")
                if t["state"] != "connected":
                    return f"not connected: {t['state']} {t['last_error']}"
                host, _, port = t["listen"][0].rpartition(":")
            except (OSError, ValueError, KeyError, IndexError, http.http.client.HTTPException) as e:
                return f"no answer: {e!r}"
            return self.run.echo((host, int(port)), first=first)

        self.run.use(self.process, act, is_patient=True)

    def holds(self, name):
        """A client of a tunnel that has lost its connection and gets none yet; None where the fault kept it out."""
        held = []

        def act():
            try:
                t = self.tunnel(name)
                if t["state"] == "connected":
                    return "still connected"
                if t["state"] == "failed":
                    return "ok"
                if held and is_cut(held[0]):
                    held.pop().close()
                if held:
                    return "ok" if t["connections_active"] > 0 else "not seen yet"
                host, _, port = t["listen"][0].rpartition(":")
                held.append(traffic.connect((host, int(port)), LIMIT_S))
                return "connected just now"
            except (OSError, ValueError, KeyError, IndexError, http.http.client.HTTPException) as e:
                return f"no answer: {e!r}"

        self.run.use(self.process, act, is_patient=True)
        return held[0] if held else None

    def serves(self, held):
        """Or lets it go, if something failed."""
        said, fault = self.run.exchange(held), self.run.fault
        if said != "ok" and (fault is None or fault.is_harmless):
            raise Wrong(f"who was held was cut: {said}")

    def stop(self):
        self.run.stop(self.process)


@scenario("daemon-start", statuses=(1, 2, 5, 6), is_daemon=True, check_files=state_is_whole)
def daemon_start(run):
    d = Daemon(run)
    d.carries("web")
    d.stop()


def is_cut(client):
    return bool(select.select([client], [], [], 0)[0])  # nothing was sent on it: what is there to read is its end


ADDED = {"name": "added", "host": "box", "profile_id": "default", "forward_type": "dynamic", "local_port": 0}


@scenario("daemon-requests", statuses=(1, 2, 5, 6), is_daemon=True, check_files=state_is_whole)
def daemon_requests(run):
    d = Daemon(run, conf="")
    is_there = d.adds()
    if is_there:
        d.ask("PUT", "/tunnels/added", {**ADDED, "description": "more"})
        d.ask("GET", "/tunnels/added/connections")
    for path in ("/tunnels", "/tunnels/status", "/profiles", "/version", "/healthz", "/readyz", "/metrics", "/openapi.json"):
        d.ask("GET", path, right=(200, 503) if path == "/readyz" else (200,))
    if is_there:
        d.ask("DELETE", "/tunnels/added", right=(204,), again=(404,))
    d.ask("POST", "/tunnels", {"name": "bad"}, (400,))
    d.stop()


@scenario("daemon-tunnel", statuses=(1, 2, 5, 6), is_daemon=True, check_files=state_is_whole)
def daemon_tunnel(run):
    d = Daemon(run, conf="")
    if d.adds():
        d.ask("POST", "/tunnels/added/start?wait=10&idempotent=1")
        d.carries("added", first=socks5(run))
        d.ask("POST", "/tunnels/added/reconnect?wait=10")
        d.carries("added", first=socks5(run))
        d.ask("POST", "/tunnels/added/stop")
    d.stop()


@scenario("daemon-events", statuses=(1, 2, 5, 6), is_daemon=True, check_files=state_is_whole)
def daemon_events(run):
    d = Daemon(run, conf="")
    api = http.Api(d.api.where)
    # Less than the comments' 15 s: an event that was lost never comes.
    api.connection = lambda: http.UnixConnection(api.where, 5)

    def stream():
        try:
            events = http.Events(api, "GET", "/events")
            try:
                if not d.adds():
                    return "ok"
                d.ask("DELETE", "/tunnels/added", right=(204,), again=(404,))
                return "ok" if events.next() else "no event"
            finally:
                events.close()
        except (OSError, http.http.client.HTTPException, ValueError, AssertionError) as e:
            return f"no events: {e!r}"

    run.use(d.process, stream)
    d.stop()


@scenario("daemon-reload", statuses=(1, 2, 5, 6), is_daemon=True, check_files=state_is_whole)
def daemon_reload(run):
    d = Daemon(run)
    d.carries("web")
    text = d.conf.read_text()
    d.conf.write_text(text + "Tunnel more\n Via box\n DynamicForward 127.0.0.1:0\n")

    def reload():
        d.process.proc.send_signal(signal.SIGHUP)
        try:
            got = d.api.ask("GET", "/tunnels/more")
        except (OSError, http.http.client.HTTPException) as e:
            return f"no answer: {e!r}"
        if got.status == 200:
            d.names.add("more")
            d.whole("GET", "/tunnels/more", got)
            return "ok"
        return "not there yet"

    run.use(d.process, reload, is_patient=True)
    d.carries("web")
    d.stop()


@scenario("daemon-reconnects", statuses=(1, 2, 5, 6), is_daemon=True, check_files=state_is_whole)
def daemon_reconnects(run):
    """Its connection is cut, and made again; who comes meanwhile is held, and served by the new one."""
    relay = Relay(run.world.sshd.port)
    run.services.append(relay.close)
    d = Daemon(run, server=relay)
    d.carries("web")
    relay.shut()
    held = d.holds("web")
    d.ask("GET", "/readyz", right=(503,))
    relay.open()
    if held:
        d.serves(held)
    d.carries("web")
    d.stop()


# ---- verbs, of a daemon without a fault ----

VERB_ENDS = (1, 2, 3, 4, 5, 6, 7, 8, 9)


def verb(run, *words, output=None, status=0):
    folder = run.kit.folder
    c = run.begin([ADIT, *words, "--socket", folder / "adit.sock"])
    got = run.finish(c)
    if got != status:
        run.ended(c)
    if output is not None and output not in c.out.text:
        raise Wrong(f"{words}: ended well without its output: {c.out.text!r} {c.err.text!r}")
    run.goes_on(c)


@scenario("verb-list", statuses=VERB_ENDS)
def verb_list(run):
    Daemon(run, is_struck=False).carries("web")
    verb(run, "list", output="web")


@scenario("verb-add", statuses=VERB_ENDS, check_files=state_is_whole)
def verb_add(run):
    Daemon(run, is_struck=False, conf="")
    verb(run, "add", "added", "box", "-D", "0")


@scenario("verb-up", statuses=VERB_ENDS)
def verb_up(run):
    Daemon(run, is_struck=False, conf=CONF.replace("AutoStart yes", "AutoStart no"))
    verb(run, "up", "web")


@scenario("verb-logs", statuses=VERB_ENDS)
def verb_logs(run):
    Daemon(run, is_struck=False).carries("web")
    verb(run, "logs", "web", output="state")


@scenario("verb-check", statuses=VERB_ENDS)
def verb_check(run):
    d = Daemon(run, is_struck=False, conf="")
    verb(run, "check", d.conf)


# ---- Model Context Protocol ----

class Mcp:
    def __init__(self, run, conf, is_struck=True):
        self.run, self.numbers, self.used, self.unread = run, itertools.count(1), 0, set()
        self.client = run.begin([ADIT, "mcp", "-c", conf, "--tools=read,tunnel", "--allow", run.world.echo.target],
                                stdin=subprocess.PIPE, is_struck=is_struck)

    def send(self, message):
        with contextlib.suppress(BrokenPipeError):
            self.client.proc.stdin.write(json.dumps(message).encode() + b"\n")
            self.client.proc.stdin.flush()

    def ask(self, method, params):
        """A line is answered by a line, be it an error."""
        number = next(self.numbers)
        self.send({"jsonrpc": "2.0", "id": number, "method": method, "params": params})
        answer = self.next_answer(method)
        if answer.get("id") in self.unread:  # what could not be read was the notification before it
            answer = self.next_answer(method)
        if answer.get("id") is None:
            self.unread.add(number)
        elif answer["id"] != number:
            raise Wrong(f"an answer to something else: {answer}")
        return answer

    def next_answer(self, method):
        out = self.client.out
        self.run.wait(self.client, lambda: b"\n" in out.data[self.used:], f"an answer to {method}")
        end = out.data.index(b"\n", self.used)
        text, self.used = bytes(out.data[self.used:end]), end + 1
        try:
            return json.loads(text)
        except ValueError:
            raise Wrong(f"no JSON: {text!r}") from None

    def asked(self, method, params, right):
        def act():
            answer = self.ask(method, params)
            self.result = answer.get("result", {})
            is_refused = "result" not in answer or self.result.get("isError")
            if is_refused and not refused and self.is_short_of_memory():
                self.run.names([json.dumps(answer)])
            refused.append(is_refused)
            return "ok" if not is_refused and right(self.result) else str(answer)
        refused = []
        self.run.use(self.client, act)

    def is_short_of_memory(self):
        fault = self.run.fault
        return fault and fault.site.kind == "alloc" and self.client.is_struck

    def play(self):
        echo = self.run.world.echo
        self.asked("initialize", {"protocolVersion": "2025-06-18", "capabilities": {},
                                  "clientInfo": {"name": "t", "version": "1"}}, lambda r: r["protocolVersion"])
        self.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
        self.asked("tools/list", {}, lambda r: len(r["tools"]) == 5)
        self.asked("tools/call", {"name": "ssh_tunnel_create", "arguments": {
            "server": "box", "type": "local", "localPort": 0, "remoteHost": echo.host, "remotePort": echo.port}},
            lambda r: r["structuredContent"]["state"] == "active")
        if "structuredContent" in self.result and "listen" in self.result["structuredContent"]:
            port = int(self.result["structuredContent"]["listen"][0].rpartition(":")[2])
            self.run.use(self.client, lambda: self.run.echo((HOST, port)))
        self.asked("tools/call", {"name": "ssh_tunnel_list", "arguments": {}}, lambda r: True)
        self.client.proc.stdin.close()
        status = self.run.finish(self.client)
        if status != 0:
            self.run.ended(self.client)
        self.run.goes_on(self.client)


@scenario("mcp", limit_s=60, statuses=(1, 2, 5, 6, 255), is_daemon=True)
def mcp(run):
    d = Daemon(run, is_struck=False, conf="")
    d.process.proc.terminate()
    run.finish(d.process)
    Mcp(run, d.conf).play()


@scenario("mcp-of-daemon", statuses=(1, 2, 5, 6, 255), is_daemon=True)
def mcp_of_daemon(run):
    d = Daemon(run, is_struck=False, conf="")
    Mcp(run, d.conf).play()
    run.stop(d.process)
