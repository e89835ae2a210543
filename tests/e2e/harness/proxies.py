"""Programs for ProxyCommand, written into a test's folder; and proxies for AditProxy."""
import base64
import socket
import sys
import threading
from pathlib import Path

NETCAT = """
import os, socket, sys, threading
s = socket.create_connection((sys.argv[1], int(sys.argv[2])))
def down():
    while piece := s.recv(65536):
        os.write(1, piece)
    os._exit(0)
threading.Thread(target=down, daemon=True).start()
while piece := os.read(0, 65536):
    s.sendall(piece)
s.shutdown(socket.SHUT_WR)
os.read(0, 1)
threading.Event().wait(5)
"""

PASS_FD = """
import array, socket, sys
s = socket.create_connection((sys.argv[1], int(sys.argv[2])))
out = socket.socket(fileno=1)
out.sendmsg([b"\\0"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [s.fileno()]))])
"""


def write(folder, name, text):
    """The command line of a Python program."""
    path = Path(folder) / name
    path.write_text(text)
    return f"{sys.executable} {path}"


def netcat(folder):
    """'netcat HOST PORT': standard input and output to a port."""
    return write(folder, "netcat.py", NETCAT)


def pass_fd(folder):
    """'pass_fd HOST PORT': connects and hands the socket over on its standard output."""
    return write(folder, "pass_fd.py", PASS_FD)


class Damage:
    """A way to a port of 127.0.0.1 that changes one bit, in byte `at` of what comes back."""

    def __init__(self, port, at):
        self.target, self.at = port, at
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self):
        self.listener.close()

    def _serve(self):
        with self.listener.accept()[0] as client, socket.create_connection(("127.0.0.1", self.target)) as server:
            threading.Thread(target=_pump, args=(client, server), daemon=True).start()
            self._back(server, client)

    def _back(self, server, client):
        done = 0
        try:
            while piece := bytearray(server.recv(65536)):
                if done <= self.at < done + len(piece):
                    piece[self.at - done] ^= 0x10
                done += len(piece)
                client.sendall(piece)
        except OSError:  # the client is gone
            pass


# ---- Proxies for AditProxy

class Proxy:
    """A proxy in a thread of this process. seen: what each client said before its stream began. The stream's first
    bytes are held back until the server has spoken, and sent in one piece with the proxy's answer: together is on."""

    def __init__(self, user=None, password=None, answer=None, together=False):
        self.user, self.password, self.answer, self.together = user, password, answer, together
        self.seen, self.targets = [], []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self):
        self.listener.close()

    def _serve(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._one, args=(client,), daemon=True).start()

    def _one(self, client):
        try:
            if (target := self.handshake(client)) is not None:
                self._relay(client, target)
        except (OSError, EOFError):
            pass
        finally:
            client.close()

    def _relay(self, client, target):
        self.targets.append(target)
        with socket.create_connection(target) as server:
            granted = self.granted()
            if self.together:
                granted += server.recv(100)
            client.sendall(granted)
            back = threading.Thread(target=_pump, args=(server, client), daemon=True)
            back.start()
            _pump(client, server)
            back.join()


def _pump(source, sink):
    try:
        while piece := source.recv(65536):
            sink.sendall(piece)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def _exactly(s, n):
    data = b""
    while len(data) < n:
        if not (piece := s.recv(n - len(data))):
            raise EOFError
        data += piece
    return data


class HttpProxy(Proxy):
    def granted(self):
        return b"HTTP/1.1 200 Connection established\r\nX-Long: " + b"x" * 3000 + b"\r\n\r\n"

    def handshake(self, client):
        text = b""
        while not text.endswith(b"\r\n\r\n"):
            text += _exactly(client, 1)
        self.seen.append(text)
        if self.answer is not None:
            client.sendall(self.answer)
            return None
        if self.user is not None:
            wanted = base64.b64encode(f"{self.user}:{self.password}".encode())
            if b"Proxy-Authorization: Basic " + wanted + b"\r\n" not in text:
                client.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
                return None
        host, port = text.split()[1].decode().rsplit(":", 1)
        return host.strip("[]"), int(port)


class SocksProxy(Proxy):
    def granted(self):
        return b"\x05\x00\x00\x03\x09localhost\x12\x34"

    def handshake(self, client):
        version, count = _exactly(client, 2)
        methods = _exactly(client, count)
        self.seen.append(bytes([version, count]) + methods)
        method = 0 if self.user is None else 2
        if self.answer is not None or method not in methods:
            client.sendall(b"\x05\xff" if self.answer is None else self.answer)
            return None
        client.sendall(bytes([5, method]))
        if method == 2:
            user = _exactly(client, _exactly(client, 2)[1])
            password = _exactly(client, _exactly(client, 1)[0])
            fine = (user.decode(), password.decode()) == (self.user, self.password)
            client.sendall(b"\x01\x00" if fine else b"\x01\x01")
            if not fine:
                return None
        kind = _exactly(client, 4)[3]
        host = (socket.inet_ntoa(_exactly(client, 4)) if kind == 1 else
                socket.inet_ntop(socket.AF_INET6, _exactly(client, 16)) if kind == 4 else
                _exactly(client, _exactly(client, 1)[0]).decode())
        return host, int.from_bytes(_exactly(client, 2), "big")
