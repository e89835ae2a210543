"""How small it is: the file, the memory, the processes."""
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from harness import traffic
from harness.client import ADIT
from harness.wait import wait_until

pytestmark = pytest.mark.usefixtures("adit_only")


def sections(path):
    """(type of the ELF file, program header types, has symbols) read by hand: `file` may not be there."""
    import struct
    data = open(path, "rb").read()
    kind, = struct.unpack_from("<H", data, 16)
    phoff, = struct.unpack_from("<Q", data, 32)
    shoff, = struct.unpack_from("<Q", data, 40)
    phsize, phnum, shsize, shnum = struct.unpack_from("<HHHH", data, 54)
    headers = [struct.unpack_from("<II", data, phoff + i * phsize) for i in range(phnum)]
    types = [struct.unpack_from("<I", data, shoff + i * shsize + 4)[0] for i in range(shnum)]
    return kind, dict(headers), 2 in types


@pytest.mark.quick
def test_static_position_independent_stripped(release):
    """One static file: no interpreter, position-independent, no symbols, no executable stack, RELRO."""
    if os.uname().machine != "x86_64":
        pytest.skip("reads 64-bit little-endian ELF")
    kind, headers, has_symbols = sections(ADIT)
    assert kind == 3, "not position-independent (ET_DYN)"
    assert 3 not in headers, "it asks for an interpreter"
    assert not has_symbols
    assert 0x6474e552 in headers, "no RELRO"
    assert not headers[0x6474e551] & 1, "executable stack"
    if shutil.which("file"):
        out = subprocess.run(["file", "-L", ADIT], capture_output=True, text=True).stdout
        assert "static" in out and "stripped" in out


@pytest.mark.quick
def test_size(release):
    """Under 1.3 MB with everything in it."""
    assert os.stat(ADIT).st_size < 1_300_000


def test_size_without_the_daemon(release, tmp_path):
    """`make DAEMON=0` is under 900 KB, works, and holds nothing of the daemon's libraries."""
    whole = Path(os.environ["ADIT_NODAEMON"])
    bare = tmp_path / "adit"
    subprocess.run(["objcopy", "--strip-all", str(whole), str(bare)], check=True)
    assert bare.stat().st_size < 900_000
    assert subprocess.run([str(bare), "-V"], capture_output=True).returncode == 0
    symbols = subprocess.run(["nm", str(whole)], capture_output=True, text=True, check=True).stdout
    assert " T ssh_" in symbols or " t ssh_" in symbols
    assert not re.search(r" (json_|MHD_)", symbols)


def test_no_other_program_is_started(kit, sshd, echo):
    """strace sees one execve, our own; with PATH=/nonexistent it works as well."""
    if shutil.which("strace") is None:
        pytest.skip("no strace")
    trace = kit.folder / "trace"
    client, addr = kit.local(sshd, echo, wrap=[shutil.which("strace"), "-f", "-e", "trace=execve,execveat,fork,vfork",
                                               "-o", str(trace)], env={"PATH": "/nonexistent"})
    assert traffic.ask(addr) == b"ping"
    client.kill()
    assert len(re.findall(r"exec(ve|veat)\(", trace.read_text())) == 1
    assert "fork(" not in trace.read_text()


@pytest.mark.quick
def test_no_child_processes(kit, sshd, echo):
    """While it carries traffic it has no child process."""
    client, addr = kit.local(sshd, echo, env={"PATH": "/nonexistent"})
    assert traffic.ask(addr) == b"ping"
    assert subprocess.run(["pgrep", "-P", str(client.pid)], capture_output=True).stdout == b""


@pytest.mark.quick
def test_idle_memory(kit, sshd, echo, release):
    """One idle -L: under 2 MB of resident memory."""
    client, addr = kit.local(sshd, echo)
    assert traffic.ask(addr) == b"ping"
    assert client.rss_kb() < 2000, f"{client.rss_kb()} kB"


def test_memory_of_a_thousand_idle_connections(kit, sshd, echo, release):
    """1,000 idle forwarded connections: under 6 MB of resident memory."""
    client, addr = kit.local(sshd, echo)
    socks = [traffic.connect(addr, 30) for _ in range(1000)]
    for s in socks:
        s.sendall(b"x")
    assert all(s.recv(1) == b"x" for s in socks)
    wait_until(lambda: client.rss_kb() < 6000, 5, lambda: f"{client.rss_kb()} kB")
    for s in socks:
        s.close()


def test_memory_goes_back_after_a_bulk_transfer(kit, sshd, service, release):
    """After 64 MiB the buffers are given back: two seconds later the idle budget holds again."""
    client, addr = kit.local(sshd, service(traffic.source, 64 << 20))
    assert traffic.download(addr)[0] == 64 << 20
    wait_until(lambda: client.rss_kb() < 2000, 5, lambda: f"{client.rss_kb()} kB")


def test_idle_costs_no_cpu(kit, sshd, echo):
    """An idle tunnel wakes up (almost) never: no voluntary context switches beyond a few in two seconds."""
    import time
    client, addr = kit.local(sshd, echo)
    assert traffic.ask(addr) == b"ping"

    def switches():
        total = 0
        for task in os.listdir(f"/proc/{client.pid}/task"):
            for line in open(f"/proc/{client.pid}/task/{task}/status"):
                if "ctxt_switches" in line:
                    total += int(line.split()[1])
        return total

    wait_until(lambda: echo.active == 0, 10, "closed")
    time.sleep(1.5)  # what follows a connection (buffers given back) is over
    before = switches()
    time.sleep(2.0)  # the span that is measured
    assert switches() - before <= 6
