"""The ends of the measurements against themselves, without any SSH: they tell right data from wrong."""
import json
import os
import socket
import struct
import subprocess
import threading
from pathlib import Path

import pytest

from harness.servers import ROOT

pytestmark = pytest.mark.quick
TRAFFIC = str(Path(os.environ.get("ADIT_TOOLS", ROOT / "build/tools")) / "traffic")


def run(*args):
    return subprocess.run([TRAFFIC, *map(str, args)], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=60)


def figures(*args):
    """What a client measured: it must have succeeded, and marked the bounds of the time if it has any."""
    done = run(*args)
    assert done.returncode == 0, done.stderr
    *marks, last = done.stdout.splitlines()
    assert marks in ([], ["begin", "end"])
    return json.loads(last)


def fails(word, *args):
    done = run(*args)
    assert done.returncode == 1 and word in done.stderr, (done.returncode, done.stdout, done.stderr)


@pytest.fixture
def server():
    """Starts one: server('serve') gives its ports."""
    made = []

    def start(*args):
        made.append(subprocess.Popen([TRAFFIC, *args], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        return json.loads(made[-1].stdout.readline())

    yield start
    for proc in made:
        proc.stdin.close()
        assert proc.wait(10) == 0
        proc.stdout.close()


@pytest.fixture
def ports(server):
    return server("serve")


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as s:
        return s.getsockname()[1]


class Between:
    """A relay of one connection; change(bytes, offset) has its way with what comes from `side`; None cuts."""

    def __init__(self, port, side, change):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port, self.target, self.side, self.change = self.listener.getsockname()[1], port, side, change
        self.main = threading.Thread(target=self.serve)
        self.main.start()

    def serve(self):
        client, _ = self.listener.accept()
        with client, socket.create_connection(("127.0.0.1", self.target)) as far:
            other = threading.Thread(target=self.pump, args=(far, client, self.side == "far"))
            other.start()
            self.pump(client, far, self.side == "near")
            other.join()

    def pump(self, source, drain, changes):
        offset = 0
        try:
            while data := source.recv(65536):
                sent = self.change(data, offset) if changes else data
                offset += len(data)
                if sent is None:
                    break
                drain.sendall(sent)
            drain.shutdown(socket.SHUT_WR)
            if data:
                source.shutdown(socket.SHUT_RDWR)
        except OSError:
            for s in (source, drain):
                try:
                    s.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def close(self):
        self.main.join(20)
        self.listener.close()
        assert not self.main.is_alive()


@pytest.fixture
def between():
    made = []

    def make(*args):
        made.append(Between(*args))
        return made[-1].port

    yield make
    for b in made:
        b.close()


def damage(data, offset, at=1_234_567):
    """One bit of the byte at `at`."""
    if not offset <= at < offset + len(data):
        return data
    return data[:at - offset] + bytes([data[at - offset] ^ 1]) + data[at - offset + 1:]


def lose(data, offset, at=700_001):
    """The byte at `at`."""
    return data[:at - offset] + data[at - offset + 1:] if offset <= at < offset + len(data) else data


def cut(data, offset):
    return data if offset < 1_000_000 else None


@pytest.mark.parametrize("kind", ["direct", "rw", "splice"])
@pytest.mark.parametrize("size", [1, 65536, 5_000_003])
def test_right_data(server, ports, kind, size):
    source, sink = ports["source"], ports["sink"]
    if kind != "direct":
        source, sink = (server("relay", kind, "0", "127.0.0.1", str(p))["port"] for p in (source, sink))
    assert figures("down", source, "--verify", size)["bytes"] == size
    assert figures("up", sink, "--verify", size) | {"seconds": 0} == {"bytes": size, "ok": True, "seconds": 0}


@pytest.mark.parametrize("change, word", [(damage, "wrong data"), (lose, "wrong data"), (cut, "connection")])
def test_wrong_data_down(ports, between, change, word):
    fails(word, "down", between(ports["source"], "far", change), "--verify", 3_000_000)


@pytest.mark.parametrize("change, word", [(damage, "wrong data"), (lose, "received 3000000 bytes of 3000001"),
                                          (cut, "")])
def test_wrong_data_up(ports, between, change, word):
    fails(word, "up", between(ports["sink"], "near", change), "--verify", 3_000_000)


def test_a_lost_mebibyte_is_noticed(ports, between):
    """The pattern does not repeat where its table does."""
    def skip(data, offset, gap=1 << 20, at=100_000):
        first, last = max(at - offset, 0), min(max(at + gap - offset, 0), len(data))
        return data[:first] + data[last:] if last > first else data

    fails("wrong data", "down", between(ports["source"], "far", skip), "--verify", 3_000_000)


@pytest.mark.parametrize("first, right", [(b"D", 0), (b"V", 0)])
def test_sink_answers_at_the_end(ports, first, right):
    """So many bytes, and not right: zeros are not the pattern."""
    with socket.create_connection(("127.0.0.1", ports["sink"]), timeout=20) as s:
        s.sendall(first + bytes(100_000))
        s.shutdown(socket.SHUT_WR)
        with s.makefile("rb") as answer:
            assert struct.unpack("<QQ", answer.read()) == (100_001, right)


def test_rates(ports):
    for args in (["down", ports["source"]], ["up", ports["sink"]], ["up", ports["sink"], "--warm", 0.05]):
        f = figures(*args, "--seconds", 0.1, "--streams", 3)
        assert f["bytes"] > 0 and f["seconds"] >= 0.1
        assert f["mb_per_s"] == pytest.approx(f["bytes"] / f["seconds"] / 1e6, rel=1e-3)
    f = figures("both", ports["source"], ports["sink"], "--seconds", 0.1)
    assert f["down_mb_per_s"] > 0 and f["up_mb_per_s"] > 0
    assert (f["down_mb_per_s"] + f["up_mb_per_s"]) * f["seconds"] * 1e6 == pytest.approx(f["bytes"], rel=1e-3)


def test_round_trips(ports):
    for size in (1, 1024, 65536):
        f = figures("rtt", ports["echo"], "--size", size, "--seconds", 0.1)
        assert 0 < f["p50_us"] <= f["p90_us"] <= f["p99_us"] <= f["max_us"] and f["count"] > 0


@pytest.mark.parametrize("at_once", [1, 32])
def test_opens(ports, at_once):
    f = figures("opens", ports["echo"], "--at-once", at_once, "--seconds", 0.2)
    assert f["count"] > 0 and 0 < f["p50_us"] <= f["p99_us"]


def test_opens_where_the_far_end_speaks_first(ports):
    f = figures("opens", ports["greet"], "--greeted", "--seconds", 0.2)
    assert f["count"] > 0 and 0 < f["p50_us"] <= f["p99_us"]
    with socket.create_connection(("127.0.0.1", ports["greet"])) as s:
        assert s.recv(2) == b"x"


def test_burst(ports):
    f = figures("burst", ports["echo"], "--count", 200)
    assert (f["count"], f["failed"]) == (200, 0) and 0 < f["p50_us"] <= f["p99_us"]


def test_idle_holds(ports):
    with subprocess.Popen([TRAFFIC, "idle", str(ports["echo"]), "--count", "300"], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, text=True) as proc:
        assert json.loads(proc.stdout.readline())["count"] == 300
        assert len(os.listdir(f"/proc/{proc.pid}/fd")) > 300
        proc.stdin.close()
        assert proc.wait(10) == 0


@pytest.mark.parametrize("command", ["down", "up", "rtt", "opens", "burst", "idle", "slow"])
def test_nobody_listens(command):
    fails("refused", command, free_port())


def test_nothing_moves(ports):
    fails("nothing moved", "down", ports["stuck"], "--seconds", 0.1)


def test_cut_while_measured(ports, between):
    fails("connection", "down", between(ports["source"], "far", cut), "--seconds", 20)
