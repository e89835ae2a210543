"""A remote command's input and output: MB/s, and CPU seconds of the client a GB. What it costs to connect is not counted in
the rate: a download's time begins with its first bytes, an upload's when the command says that it reads."""
import os
import subprocess
import time

from clients import Failed
from trips import reap

PIECE = bytes(1 << 20)


def run(upload):
    def measure(world, program, setting, plan):
        world.trust(world.sshd.port)
        length = plan.stream
        command = "echo; wc -c" if upload else f"head -c {length} /dev/zero"
        argv = [*program.base(world.sshd.port, setting), "127.0.0.1", command]
        with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=world.env()) as proc:
            try:
                seconds, moved = (_up if upload else _down)(proc, length)
                used = reap(proc)
            finally:
                if proc.returncode is None:
                    proc.kill()
            if moved != length or proc.returncode != 0:
                raise Failed(f"{moved} of {length} bytes: {proc.stderr.read().decode(errors='replace').strip()[-200:]}")
        return {"rate": length / seconds / 1e6, "CPU": used / (length / 1e9)}
    return measure


def _down(proc, length):
    got = len(os.read(proc.stdout.fileno(), len(PIECE)))
    start, first = time.perf_counter(), got
    while piece := os.read(proc.stdout.fileno(), len(PIECE)):
        got += len(piece)
    seconds = time.perf_counter() - start
    return seconds * length / max(length - first, 1), got


def _up(proc, length):
    """The far end's count of the bytes is the end of it, and the proof."""
    if os.read(proc.stdout.fileno(), 1) != b"\n":
        return 1, 0
    start, left = time.perf_counter(), length
    while left > 0:
        left -= os.write(proc.stdin.fileno(), PIECE[:left])
    proc.stdin.close()
    count = proc.stdout.read()
    return time.perf_counter() - start, int(count or 0)
