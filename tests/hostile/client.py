"""The client under test: its command line, its process, and what it said. adit, OpenSSH's ssh, dropbear's dbclient."""
import asyncio
import base64
import contextlib
import os
import pathlib
import re
import signal
import socket
import stat
import subprocess
import tempfile

from cryptography.hazmat.primitives import serialization

from . import keys
from .machine import host_key

ECHO = "echo.test:7"


class Shown:
    """A public key alone."""
    name = "ssh-ed25519"

    def __init__(self, blob):
        self.blob = blob

    def public(self):
        return self.blob


class World:
    """Keys and files that all cases share."""

    def __init__(self, folder, machine):
        self.folder, self.machine = pathlib.Path(folder), machine  # machine: server.c's program
        self.keys = {"ed25519": keys.Ed25519(), "ecdsa": keys.Ecdsa(), "rsa": keys.Rsa(), "other": keys.Ed25519(),
                     "authority": keys.Ed25519(), "stranger": keys.Ed25519(), "held": keys.Ed25519()}
        user = keys.Ed25519().secret
        self.identity = self.write("id", user.private_bytes(serialization.Encoding.PEM,
                                                            serialization.PrivateFormat.OpenSSH,
                                                            serialization.NoEncryption()), 0o600)
        public = user.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
        self.identity_blob = base64.b64decode(public.split()[1])
        self.write("id.pub", public + b"\n", 0o644)
        self.locked = self.write("locked", user.private_bytes(  # the passphrase is askpass's word
            serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH,
            serialization.PrivateFormat.OpenSSH.encryption_builder().kdf_rounds(1).build(b"secret")), 0o600)
        self.write("locked.pub", public + b"\n", 0o644)
        self.known_hosts = self.write("known_hosts", b"".join(
            self.line("hostile", self.keys[k]) for k in ("ed25519", "ecdsa", "rsa")) +
            self.line("hostile", Shown(host_key(machine))) + b"@cert-authority " + self.line("hostile", self.keys["authority"]), 0o600)
        (self.folder / ".ssh").mkdir(mode=0o700)  # dbclient's, which knows no ports
        self.write(".ssh/known_hosts", b"".join(self.line("127.0.0.1", self.keys[k]) for k in ("ed25519", "ecdsa", "rsa")) +
                   self.line("127.0.0.1", Shown(host_key(machine))), 0o600)
        self.askpass = self.write("askpass", b"#!/bin/sh\necho secret\n", 0o755)

    def write(self, name, data, mode):
        path = self.folder / name
        path.write_bytes(data)
        path.chmod(mode)
        return str(path)

    @staticmethod
    def line(host, key):
        return f"{host} {key.name} ".encode() + base64.b64encode(key.public()) + b"\n"

    def environment(self):
        return {"PATH": "/usr/bin:/bin", "HOME": str(self.folder), "USER": "alice", "LC_ALL": "C.UTF-8",
                "SSH_ASKPASS": self.askpass, "SSH_ASKPASS_REQUIRE": "force", "DISPLAY": ":0",
                "DROPBEAR_PASSWORD": "secret",
                "ASAN_OPTIONS": "quarantine_size_mb=4:exitcode=99", "UBSAN_OPTIONS": "print_stacktrace=1:exitcode=98"}


def free_port():
    """Only for the clients that cannot choose one themselves: adit is asked for port 0."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def openssh_words(world, case, port, listen, options, adit=False):
    words = ["-F", "none", "-p", str(port)]
    for o in options:
        words += [o] if o.startswith("-") else ["-o", o]
    words += ["-i", world.identity, "-o", "HostKeyAlias=hostile",
             "-o", f"UserKnownHostsFile={world.known_hosts}", "-o", "GlobalKnownHostsFile=/dev/null",
             "-o", "StrictHostKeyChecking=yes", "-o", "IdentitiesOnly=yes", "-o", "UpdateHostKeys=no",
             *(["-o", "WarnWeakCrypto=no"] if adit else []), "-o", "NumberOfPasswordPrompts=1", "-o", f"PreferredAuthentications={case.auth}"]
    if case.client == "exec":
        return words + ["alice@127.0.0.1", "command"]
    words += ["-N", "-L", f"127.0.0.1:{listen}:{ECHO}"]
    if case.client == "remote":
        words += ["-R", "0:127.0.0.1:9"]
    if case.client == "socks":
        words += ["-D", "127.0.0.1:0"]
    return words + ["alice@127.0.0.1"]


def daemon_words(world, folder, port, options):
    """A daemon with one tunnel, and its API on a Unix socket and on TCP. options: lines of its tunnel."""
    (folder / "state").mkdir(mode=0o700)
    lines = ["Tunnel t", f"Via alice@127.0.0.1:{port}", f"IdentityFile {world.identity}", "HostKeyAlias hostile",
             f"UserKnownHostsFile {world.known_hosts}", "StrictHostKeyChecking yes", f"LocalForward 127.0.0.1:0 {ECHO}",
             "AutoStart yes", *options]
    (folder / "adit.conf").write_text("SshConfig none\n" + "\n    ".join(lines) + "\n")
    return ["daemon", "-c", str(folder / "adit.conf"), "--socket", str(folder / "sock"), "--state", str(folder / "state"),
            "--listen", "127.0.0.1:0"]


def dropbear_words(world, case, port, listen):
    words = ["-p", str(port), "-i", dropbear_key(world)]
    if case.client == "exec":
        return words + ["alice@127.0.0.1", "command"]
    words += ["-N", "-L", f"127.0.0.1:{listen}:{ECHO}"]
    if case.client == "remote":
        words += ["-R", "4242:127.0.0.1:9"]
    return words + ["alice@127.0.0.1"]


def dropbear_key(world):
    path = world.folder / "id.dropbear"
    if not path.exists():
        subprocess.run(["dropbearconvert", "openssh", "dropbear", world.identity, str(path)], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return str(path)


class Client:
    """One run of it. name: adit, ssh or dbclient."""

    def __init__(self, program, name, world, tools):
        self.program, self.name, self.world, self.tools, self.peak_tool = program, name, world, tools, f"{tools}/peak"
        self.listen = self.folder = self.listens = None
        self.out, self.err = bytearray(), bytearray()
        self.changed = asyncio.Event()
        self.status = self.kib = self.pid = None
        self.ended = asyncio.Event()
        self.tasks = []

    async def start(self, case, port, options=(), environment=()):
        asked = 0 if self.name == "adit" else free_port()
        if case.client == "words":
            words = list(options)
        elif case.client == "daemon":
            self.folder = pathlib.Path(tempfile.mkdtemp(dir=self.world.folder))
            words = daemon_words(self.world, self.folder, port, options)
        elif self.name == "dbclient":
            words = dropbear_words(self.world, case, port, asked)
        else:
            words = openssh_words(self.world, case, port, asked, options, self.name == "adit")
        read_end, write_end = os.pipe()
        self.process = await asyncio.create_subprocess_exec(
            self.peak_tool, str(write_end), self.program, *words, stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, pass_fds=(write_end,),
            env={**self.world.environment(), **dict(environment)})
        os.close(write_end)
        self.listen = asked or None
        figures = asyncio.StreamReader()
        pipe = os.fdopen(read_end, "rb")
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(figures), pipe)
        self.tasks = [asyncio.create_task(self.collect(self.process.stdout, self.out)),
                      asyncio.create_task(self.collect(self.process.stderr, self.err)),
                      asyncio.create_task(self.watch(figures))]

    async def collect(self, stream, into):
        while data := await stream.read(65536):
            into += data
            self.changed.set()

    async def watch(self, figures):
        self.pid = int(await figures.readline())
        self.status, self.kib = map(int, (await figures.readline()).split())
        await asyncio.gather(*self.tasks[:2])
        self.ended.set()
        self.changed.set()

    async def said(self, pattern, stream):
        """The match of pattern in its output or errors; None when it has ended without."""
        while True:
            self.changed.clear()
            found = re.search(pattern, bytes(stream))
            if found or self.ended.is_set():
                return found
            await self.changed.wait()

    async def address(self, kind=b"L"):
        """Where its forward listens (kind L, or D); None when it has ended before."""
        if self.folder:
            return await self.tunnel_address(kind)
        if kind == b"L" and self.listen:
            return self.listen
        found = await self.said(rb"(?m)^listening %b \S*:(\d+) .*\n" % kind, self.out)
        if found and kind == b"L":
            self.listen = int(found[1])
        return int(found[1]) if found else None

    async def tunnel_address(self, kind):
        """A daemon's: it waits until the tunnel is connected. Its -L is the first."""
        if not await self.said(rb"ready socket=\S+ listen=http://127\.0\.0\.1:(\d+)", self.err):
            return None
        if not self.listens:
            await self.verb("wait", "t")
            status, out = await self.verb("addr", "t")
            if status == 0:
                self.listens = [int(line.rsplit(b":", 1)[1]) for line in out.split()]
        return (self.listens[0] if kind == b"L" else self.listens[-1]) if self.listens else None

    async def verb(self, *words):
        """A verb to the daemon: its status and all that it says. It may show nothing that is not fit for a terminal."""
        verb = await asyncio.create_subprocess_exec(self.program, *words, "--socket", str(self.folder / "sock"),
                                                    stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
                                                    stderr=asyncio.subprocess.STDOUT, env=self.world.environment())
        out, _ = await verb.communicate()
        self.err += out
        return verb.returncode, out

    async def connect(self, buffer=0, kind=b"L"):
        """A connection through the forward (kind L) or to the SOCKS port (D); buffer: bytes that its kernel may hold
        unread. Another client than adit does not say when it listens."""
        port = await self.address(kind)
        while port and not self.ended.is_set():
            s = socket.socket()
            s.setblocking(False)
            if buffer:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
            try:
                await asyncio.get_running_loop().sock_connect(s, ("127.0.0.1", port))
                return await asyncio.open_connection(sock=s)
            except OSError:
                s.close()
                if self.name == "adit":
                    raise
                await asyncio.sleep(0.02)
        return None

    async def stop(self):
        if not self.ended.is_set() and self.pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGTERM)
        in_time = True
        try:
            await asyncio.wait_for(self.ended.wait(), 10)
        except asyncio.TimeoutError:
            in_time = False
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            await self.ended.wait()
        await self.process.wait()
        return in_time


def is_program(path):
    return os.path.isfile(path) and os.stat(path).st_mode & stat.S_IXUSR
