"""A SOCKS client that shows every byte: requests as bytes, replies as codes."""
import socket
import struct

from . import traffic

OK, GENERAL, PROHIBITED, NET, HOST, REFUSED, TTL, COMMAND, ADDRESS = range(9)


def address5(host):
    """ATYP and address: IPv4 and IPv6 literals as such, anything else as a name."""
    for family, kind in ((socket.AF_INET, 1), (socket.AF_INET6, 4)):
        try:
            return bytes([kind]) + socket.inet_pton(family, host)
        except OSError:
            pass
    return bytes([3, len(host)]) + host.encode()


def request5(host, port, command=1):
    return bytes([5, command, 0]) + address5(host) + struct.pack(">H", port)


def request4(host, port, command=1, user=b"me"):
    """SOCKS4 for an IPv4 literal, 4a for a name."""
    try:
        return struct.pack(">BBH", 4, command, port) + socket.inet_aton(host) + user + b"\0"
    except OSError:
        return struct.pack(">BBH", 4, command, port) + b"\0\0\0\1" + user + b"\0" + host.encode() + b"\0"


def reply5(s):
    """(code, atyp, address bytes, port) of a SOCKS5 reply."""
    head = traffic.recv_exact(s, 4)
    assert len(head) == 4, f"no whole reply: {head!r}"
    assert head[0] == 5 and head[2] == 0, head
    size = {1: 4, 4: 16}.get(head[3])
    if size is None:
        size = traffic.recv_exact(s, 1)[0]
    rest = traffic.recv_exact(s, size + 2)
    return head[1], head[3], rest[:-2], struct.unpack(">H", rest[-2:])[0]


def connect5(addr, host, port, command=1, timeout=20):
    """A socket with the handshake done, and the reply code."""
    s = traffic.connect(addr, timeout)
    s.sendall(b"\5\1\0")
    assert traffic.recv_exact(s, 2) == b"\5\0"
    s.sendall(request5(host, port, command))
    return s, reply5(s)[0]


def connect4(addr, host, port, command=1, timeout=20):
    s = traffic.connect(addr, timeout)
    s.sendall(request4(host, port, command))
    reply = traffic.recv_exact(s, 8)
    assert len(reply) == 8 and reply[0] == 0, reply
    return s, reply[1]
