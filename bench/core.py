#!/usr/bin/env python3
"""bench/core.py - adit beside OpenSSH's ssh in the same run, against a stock sshd on loopback, as figures.

    opens/s     sequential connections through -L: connect, one byte there and back, close
    p50, p99    round trip of 1 KiB on an open connection, milliseconds
    down, up    one connection through -L on loopback, MB/s
    100 ms      a download with a round trip of 100 ms (a relay in user space), MB/s

Run it on an idle machine: bench/core.py [SECONDS-A-FIGURE]. ADIT names the binary (default build/adit)."""
import multiprocessing
import socket
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "tests/e2e"))

from harness import client as client_module  # noqa: E402
from harness import keys, servers, traffic  # noqa: E402
from harness.wait import wait_until  # noqa: E402


def targets(pipe):
    """The far ends, in a process of their own."""
    made = [traffic.echo(), traffic.endless(), traffic.sink()]
    pipe.send([s.port for s in made])
    pipe.recv()


def opens(port, seconds):
    start, count = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        with socket.create_connection(("127.0.0.1", port)) as s:
            s.sendall(b"x")
            s.recv(1)
        count += 1
    return count / (time.perf_counter() - start)


def round_trips(port, seconds):
    times, data = [], b"x" * 1024
    with traffic.connect(("127.0.0.1", port)) as s:
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            start = time.perf_counter()
            s.sendall(data)
            traffic.recv_exact(s, 1024)
            times.append((time.perf_counter() - start) * 1000)
    times.sort()
    return times[len(times) // 2], times[len(times) * 99 // 100]


def down(port, seconds, warm=0.0):
    """MB/s, measured after `warm` seconds."""
    with traffic.connect(("127.0.0.1", port), 60) as s:
        buffer, start, got = bytearray(1 << 20), time.perf_counter(), 0
        begin = None
        while True:
            got += s.recv_into(buffer)
            now = time.perf_counter()
            if begin is None and now - start >= warm:
                begin, got = now, 0
            if begin is not None and now - begin >= seconds:
                return got / (now - begin) / 1e6


def up(port, seconds):
    with traffic.connect(("127.0.0.1", port), 60) as s:
        start, sent = time.perf_counter(), 0
        while time.perf_counter() - start < seconds:
            sent += s.send(traffic.BLOCK)
        s.shutdown(socket.SHUT_WR)
        traffic.recv_all(s)
        return sent / (time.perf_counter() - start) / 1e6


class Tunnel:
    def __init__(self, kit, binary, server, ports, port=None):
        kit.trust(server, port)
        self.local = [traffic.free_port() for _ in ports]
        forwards = [x for a, b in zip(self.local, ports) for x in ("-L", f"127.0.0.1:{a}:127.0.0.1:{b}")]
        self.client = client_module.Client([binary, *kit.base(), "-N", "-p", str(port or server.port), "-l", server.user,
                                            *forwards, "127.0.0.1"], kit.env())
        wait_until(lambda: all(traffic.listeners(p) for p in self.local), 10, lambda: self.client.err.text)

    def close(self):
        self.client.kill()


def measure(kit, binary, server, ports, seconds):
    t = Tunnel(kit, binary, server, ports)
    echo, endless, sink = t.local
    try:
        figures = [opens(echo, seconds), *round_trips(echo, seconds), down(endless, seconds), up(sink, seconds)]
    finally:
        t.close()
    relay = servers.Relay(server.port, "-d", "50")
    t = Tunnel(kit, binary, server, ports, relay.port)
    try:
        figures.append(down(t.local[1], max(seconds, 5), warm=3))
    finally:
        t.close()
        relay.stop()
    return figures


def main():
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 3.0
    ours, theirs = multiprocessing.Pipe()
    far = multiprocessing.Process(target=targets, args=(theirs,), daemon=True)
    far.start()
    ports = ours.recv()
    with tempfile.TemporaryDirectory(prefix="adit-bench-") as folder:
        folder = Path(folder)
        key = keys.keygen(folder / "key")
        for name in ("server", "kit", "hostkeys"):
            (folder / name).mkdir()
        server = servers.Sshd(folder / "server", folder / "hostkeys", [keys.public(key)], log_level="ERROR")
        kit = client_module.Kit(folder / "kit", key)
        try:
            print(f"{'':6} {'opens/s':>9} {'p50 ms':>8} {'p99 ms':>8} {'down':>8} {'up':>8} {'100 ms':>8}")
            for name, binary in (("adit", client_module.ADIT), ("ssh", "ssh")):
                o, p50, p99, d, u, far_away = measure(kit, binary, server, ports, seconds)
                print(f"{name:6} {o:9.0f} {p50:8.3f} {p99:8.3f} {d:8.0f} {u:8.0f} {far_away:8.1f}", flush=True)
        finally:
            server.stop()
            far.kill()


if __name__ == "__main__":
    main()
