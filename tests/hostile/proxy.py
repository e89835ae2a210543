"""A ProxyCommand that is honest up to one moment: proxy.py HOW PORT NUMBER PLACE TOLD. It waits on the Unix socket PLACE for
tests/tools/lend, which the client runs and whose standard descriptors it takes over (a client is measured together with the
programs that it runs, and this one is large). Input and output are one socket; it carries bytes to the server at
127.0.0.1:PORT. The socket TOLD hears when it misbehaves. When it ends, lend ends."""
import array
import os
import select
import socket
import sys
import time

IN, OUT = 0, 1
RUBBISH = b"\xde\xad\xbe\xef"


def write(data):
    while data:
        data = data[os.write(OUT, data):]


def tell():
    socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b"x", sys.argv[5])


def connected(port):
    return socket.create_connection(("127.0.0.1", port))


def relay(port, most=None, step=None):
    """Until one side ends, or so many bytes of the server have been carried. step: how many at a time."""
    server, carried = connected(port), 0
    while most is None or carried < most:
        ready, _, _ = select.select([server, IN], [], [])
        if IN in ready:
            data = os.read(IN, 65536)
            if not data:
                return
            server.sendall(data)
        if server in ready:
            data = server.recv(65536 if most is None else most - carried)
            if not data:
                return
            carried += len(data)
            for i in range(0, len(data), step or len(data)):
                write(data[i:i + (step or len(data))])
    tell()


def silent():
    while True:
        time.sleep(60)


def loud(port, number):
    """Much on stderr, and an honest relay beside it."""
    if os.fork() == 0:
        for _ in range(number):
            os.write(2, b"proxy: all is as well as it was before\n" * 100)
        os._exit(0)
    relay(port)


def endless(data):
    while True:
        write(data * max(1, 65536 // len(data)))


def pass_fds(*fds):
    socket.socket(fileno=OUT).sendmsg([b"\0"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))])


def listener(kind=socket.SOCK_STREAM):
    s = socket.socket(socket.AF_INET, kind)
    s.bind(("127.0.0.1", 0))
    if kind == socket.SOCK_STREAM:
        s.listen()
    return s


def ended_pair():
    ours, theirs = socket.socketpair()
    theirs.close()
    return ours


KINDS = {"null": lambda: os.open("/dev/null", os.O_RDWR), "zero": lambda: os.open("/dev/zero", os.O_RDWR), "folder": lambda: os.open("/", os.O_RDONLY), "file": lambda: os.open(__file__, os.O_RDONLY),
         "pipe-end": lambda: os.pipe()[0], "pipe-start": lambda: os.pipe()[1], "listener": lambda: listener().detach(), "datagrams": lambda: listener(socket.SOCK_DGRAM).detach(), "ended": lambda: ended_pair().detach(),
         "not-connected": lambda: socket.socket().detach(), "itself": lambda: OUT, "path": lambda: os.open("/", os.O_PATH), "epoll": lambda: select.epoll().fileno()}
WAYS = {
    "honest": lambda port, n: relay(port), "bytes": lambda port, n: relay(port, step=1), "end": lambda port, n: None, "after": lambda port, n: relay(port, n), "after-silent": lambda port, n: (relay(port, n), silent()),
    "after-rubbish": lambda port, n: (relay(port, n), write(RUBBISH), silent()),
    "rubbish": lambda port, n: (write((RUBBISH * (n // 4 + 1))[:n]), silent()), "rubbish-end": lambda port, n: write((RUBBISH * (n // 4 + 1))[:n]), "zeros": lambda port, n: endless(b"\0"), "endless": lambda port, n: endless(b"x"), "endless-lines": lambda port, n: endless(b"wait\r\n"),
    "endless-short": lambda port, n: endless(b"\n"), "banner": lambda port, n: (write(b"SSH-2.0-proxy\r\n"), silent()), "half-banner": lambda port, n: (write(b"SSH-2.0-pro"), silent()), "half-banner-end": lambda port, n: write(b"SSH-2.0-pro"),
    "banner-end": lambda port, n: write(b"SSH-2.0-proxy\r\n"), "escape-lines": lambda port, n: write(b"\x1b[2J\x1b]0;x\x07 refused\r\n\xff\xfe\xc2\x9b2J\r\n"), "html": lambda port, n: write(b"HTTP/1.1 403 Forbidden\r\n\r\n<html>\r\n" * 3),
    "silent": lambda port, n: silent(), "close-stdin": lambda port, n: (os.close(IN), silent()), "close-stdout": lambda port, n: (os.close(OUT), silent()), "close-both": lambda port, n: (os.close(IN), os.close(OUT), silent()),
    "shut-out": lambda port, n: (socket.socket(fileno=os.dup(OUT)).shutdown(socket.SHUT_WR), silent()), "shut-in": lambda port, n: (socket.socket(fileno=os.dup(IN)).shutdown(socket.SHUT_RD), silent()),
    "stubborn": lambda port, n: (relay(port), silent()), "loud": loud, "loud-before": lambda port, n: (os.write(2, b"proxy: here it comes\n"), relay(port)),
    "fd": lambda port, n: pass_fds(connected(port).detach()), "fd-two": lambda port, n: pass_fds(connected(port).detach(), KINDS["null"]()), "fd-twice": lambda port, n: (pass_fds(connected(port).detach()), pass_fds(KINDS["null"]())),
    "fd-250": lambda port, n: pass_fds(connected(port).detach(), *[KINDS["null"]() for _ in range(249)]), "fd-data": lambda port, n: (write(b"\0"), silent()), "fd-data-then": lambda port, n: (write(b"SSH-2.0-x\r\n"), pass_fds(connected(port).detach())),
    "fd-silent": lambda port, n: silent(), **{f"fd-{k}": lambda port, n, k=k: (pass_fds(KINDS[k]()), time.sleep(0.2)) for k in KINDS},
}


def take_place(path):
    """The connection to lend, and its descriptors as ours."""
    place = socket.socket(socket.AF_UNIX)
    place.bind(path)
    place.listen()
    print("ready", flush=True)
    lend, _ = place.accept()
    _, control, _, _ = lend.recvmsg(1, 1024)
    for to, fd in enumerate(array.array("i", control[0][2])):
        if to < 2 or sys.argv[1].startswith("loud"):  # who has it keeps its reader waiting
            os.dup2(fd, to)
        os.close(fd)
    return lend


if __name__ == "__main__":
    lent = take_place(sys.argv[4])
    try:
        tell()
        WAYS[sys.argv[1]](int(sys.argv[2]), int(sys.argv[3]))
    except OSError:  # the client has gone, as it should
        pass
