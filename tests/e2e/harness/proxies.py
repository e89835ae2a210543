"""Programs for ProxyCommand, written into a test's folder."""
import sys
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
