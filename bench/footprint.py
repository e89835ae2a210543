"""What it takes to be there: memory, files, CPU of connections on which nothing happens. Each in a fresh client."""
import os
import shutil
import time

import cpu
from load import Load


class Fresh:
    """with Fresh(...) as tunnel: one of its own, which has carried a byte and has been left alone since."""

    def __init__(self, world, program, setting, plan):
        self.world, self.plan = world, plan
        self.tunnel = program.open(setting)

    def __enter__(self):
        try:
            Load(self.world.tool, "idle", self.tunnel.ports["echo"], "--count", 1).finish()
            time.sleep(self.plan.settle)
        except BaseException:
            self.tunnel.stop()
            raise
        return self.tunnel

    def __exit__(self, *_):
        self.tunnel.stop()


def crowd(count):
    def run(world, program, setting, plan):
        with Fresh(world, program, setting, plan) as tunnel:
            memory, used = cpu.rss(tunnel.pids), cpu.seconds(tunnel.pids)
            load = Load(world.tool, "idle", tunnel.ports["echo"], "--count", count)
            load.begin()
            time.sleep(plan.hold)
            memory, used = cpu.rss(tunnel.pids) - memory, cpu.seconds(tunnel.pids) - used
            load.stop()
            load.check()
            return {"time to open": load.result["seconds"], "memory each": memory / count, "CPU": used}
    return run


def idle(world, program, setting, plan):
    with Fresh(world, program, setting, plan) as tunnel:
        return {"resident memory": cpu.rss(tunnel.pids) / 1e3,
                "resident memory, shared pages by share": cpu.pss(tunnel.pids) / 1e3,
                "binary": os.path.getsize(os.path.realpath(shutil.which(program.binary))) / 1e3,
                "binary and all it maps": cpu.mapped_bytes(tunnel.pids) / 1e3}


def slow_reader(world, program, setting, plan):
    """One connection reads 100 kB/s of an endless source, for some seconds."""
    with Fresh(world, program, setting, plan) as tunnel:
        cpu.peak_reset(tunnel.pids)
        load = Load(world.tool, "slow", tunnel.ports["source"], "--rate", 100_000)
        time.sleep(plan.reader)
        memory = cpu.peak(tunnel.pids)
        load.stop()
        load.check()
        return {"peak memory": memory / 1e3}
