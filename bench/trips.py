"""Small things: round trips, also beside a bulk transfer; channel opens; a burst; from exec to the first byte."""
import concurrent.futures
import contextlib
import os
import select
import signal
import statistics
import subprocess
import time

import bulk
from clients import Failed, Tunnel
from load import Load


def _latency_seconds(setting, plan):
    return {"loopback": plan.seconds, "long": plan.far_seconds, "slow": plan.slow_seconds}[setting.line]


def round_trips(size):
    def run(world, program, setting, plan):
        with world.fresh(program, setting) as tunnel:
            r = Load(world.tool, "rtt", tunnel.ports["echo"], "--size", size, "--seconds",
                     _latency_seconds(setting, plan)).finish()
        return {"p50": r["p50_us"], "p99": r["p99_us"], "rate": r["per_second"]}
    return run


def beside(kind):
    """Round trips of 1 KiB while a bulk transfer goes on, which is taken up again as long as they last."""
    def run(world, program, setting, plan):
        tunnel = world.tunnel(program, setting)
        warm, seconds = bulk.times(setting, plan)
        # Seconds of a slow line fit into the buffers on the way: without --warm it counts what has come out at the sink.
        first = ("--warm", warm) if setting.line != "slow" else ()
        args = (world.tool, *bulk.KINDS[kind].args(world, tunnel), "--seconds", seconds * (1.25 if first else 3))
        load = Load(*args, *first)
        load.begin()
        if not first:
            time.sleep(warm)
        trips = Load(world.tool, "rtt", tunnel.ports["echo"], "--size", 1024, "--seconds", seconds)
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            future = pool.submit(trips.finish)
            results = [load.finish()]
            while not future.done():
                results.append(Load(*args).finish())
        r = future.result()
        return {"p50": r["p50_us"], "p99": r["p99_us"],
                "rate of the bulk": sum(b["bytes"] for b in results) / sum(b["seconds"] for b in results) / 1e6}
    return run


def opens(count, service="echo"):
    """greet: the far end speaks first, so that the server has two small packets for us, one after the other."""
    greeted = ("--greeted",) if service == "greet" else ()
    def run(world, program, setting, plan):
        with world.fresh(program, setting) as tunnel:
            r = Load(world.tool, "opens", tunnel.ports[service], *greeted, "--at-once", count, "--seconds",
                     _latency_seconds(setting, plan)).finish()
        return {"rate": r["per_second"], "p99": r["p99_us"]}
    return run


def burst(world, program, setting, plan):
    with world.fresh(program, setting) as tunnel:
        r = Load(world.tool, "burst", tunnel.ports["echo"], "--count", plan.burst).finish()
    return {"time": r["seconds"]}


def exec_to_first_byte(world, program, setting, plan):
    """-W to an echo: the client is started, a byte written at once, and read when it comes back. CPU: until its end."""
    line = Tunnel()
    try:
        port = world.port_of_line(setting.line, world.sshd.port, line)
        world.trust(port)
        argv = program.stdio_argv(port, world.services.ports["echo"], setting)
        runs = [_exec_once(world, program, argv) for _ in range(1 if setting.line == "long" else plan.execs)]
    finally:
        line.stop()
    return {"time": statistics.median(wall for wall, _ in runs), "CPU": statistics.median(cpu for _, cpu in runs)}


def _exec_once(world, program, argv):
    """(ms to the byte, ms of CPU)"""
    start = time.perf_counter()
    proc = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=world.env())
    try:
        with contextlib.suppress(BrokenPipeError):  # it has ended already: what it said is read below
            os.write(proc.stdin.fileno(), b"x")
        ready, _, _ = select.select([proc.stdout], [], [], 30)
        byte = os.read(proc.stdout.fileno(), 1) if ready else b""
        wall = time.perf_counter() - start
        proc.stdin.close()
        if byte != b"x":
            if not ready:
                raise Failed("no byte after 30 s")
            raise program.refusal(proc.stderr.read().decode(errors="replace").strip())
        return wall * 1e3, reap(proc) * 1e3
    finally:
        if proc.returncode is None:
            proc.kill()
            proc.wait()
        proc.stdout.close()
        proc.stderr.close()


def reap(proc):
    """Waits for its end (a few have to be asked); returns its CPU seconds, with those of its children."""
    asked, end = False, time.monotonic() + 5
    while True:
        pid, status, usage = os.wait4(proc.pid, os.WNOHANG)
        if pid:
            proc.returncode = os.waitstatus_to_exitcode(status)
            return usage.ru_utime + usage.ru_stime
        if time.monotonic() > end and not asked:
            asked = True
            proc.send_signal(signal.SIGTERM)
        if time.monotonic() > end + 5:
            raise Failed("it does not end")
        time.sleep(0.002)
