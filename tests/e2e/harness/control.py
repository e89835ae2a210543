"""Control sockets: masters and guests of either program, and clients of our own that speak PROTOCOL.mux."""
import array
import os
import socket
import stat
import struct
import subprocess

import pytest

from . import client as client_module
from .wait import wait_until

SSH = "/usr/bin/ssh"
ADIT = client_module.ADIT
HELLO, NEW_SESSION, ALIVE, TERMINATE, OPEN, CLOSE, STDIO, STOP, PROXY = (
    1, 0x10000002, 0x10000004, 0x10000005, 0x10000006, 0x10000007, 0x10000008, 0x10000009, 0x1000000f)
OK, DENIED, FAILURE, EXIT, S_ALIVE, OPENED, PORT = (0x80000001, 0x80000002, 0x80000003, 0x80000004, 0x80000005,
                                                    0x80000006, 0x80000007)


class Control:
    """A server, a path, and whoever talks through it."""

    def __init__(self, kit, server):
        self.kit, self.server, self.path = kit, server, kit.folder / "ctl"
        kit.trust(server)

    def argv(self, program, *words, to=()):
        return [program, *self.kit.base(), "-S", str(self.path), "-p", str(self.server.port), "-l", self.server.user,
                *words, "127.0.0.1", *to]

    def master(self, program, *words, to=(), **popen):
        argv = self.argv(program, "-M", *words, to=to)
        c = client_module.Client(argv, self.kit.env(), **popen)
        self.kit.clients.append(c)
        wait_until(lambda: self.path.exists() or not c.running(), 15, lambda: c.err.text)
        assert c.running(), c.err.text
        return c

    def run(self, program, *words, to=(), data=b"", env=None, status=None):
        done = subprocess.run(self.argv(program, *words, to=to), input=data, capture_output=True,
                              env=self.kit.env(**(env or {})), timeout=30)
        if status is not None:
            assert done.returncode == status, (done.returncode, done.stderr)
        return done

    def ask(self, program, what, *words, status=0):
        return self.run(program, "-O", what, *words, status=status)


PAIRS = pytest.mark.parametrize("master,guest", [(ADIT, SSH), (SSH, ADIT), (ADIT, ADIT)],
                                ids=["adit-ssh", "ssh-adit", "adit-adit"])


def links(client):
    """What its descriptors are, for a message."""
    return [os.readlink(f"/proc/{client.pid}/fd/{n}") for n in os.listdir(f"/proc/{client.pid}/fd")]


def is_socket(path):
    return stat.S_ISSOCK(os.stat(path).st_mode)


def string(text):
    return struct.pack(">I", len(text)) + text


def message(kind, body=b""):
    return string(struct.pack(">I", kind) + body)


def session(command, tty=0, env=b"", rid=9, escape=0xffffffff):
    return message(NEW_SESSION, struct.pack(">I", rid) + string(b"") + struct.pack(">IIIII", tty, 0, 0, 0, escape) +
                   string(b"xterm") + string(command) + env)


class Raw:
    """A client of ours, byte by byte."""

    def __init__(self, path, hello=True):
        self.s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.s.settimeout(10)
        self.s.connect(str(path))
        if hello:
            self.send(message(HELLO, struct.pack(">I", 4)))
            assert self.read() == (HELLO, struct.pack(">I", 4))

    def send(self, data):
        try:
            self.s.sendall(data)
        except OSError:
            pass  # the master has closed it by now: what it should do

    def descriptors(self, *fds):
        self.s.sendmsg([b"\0"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))])

    def exactly(self, n):
        data = b""
        while len(data) < n:
            piece = self.s.recv(n - len(data))
            if not piece:
                return None
            data += piece
        return data

    def read(self):
        """(type, rest), or None at the end."""
        try:
            head = self.exactly(4)
            body = head and self.exactly(struct.unpack(">I", head)[0])
        except ConnectionError:
            return None
        return body and (struct.unpack(">I", body[:4])[0], body[4:])

    def over(self):
        """Nothing but its HELLO comes before the end."""
        got = self.read()
        while got and got[0] == HELLO:
            got = self.read()
        self.s.close()
        return got is None
