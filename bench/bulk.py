"""Bulk transfers: MB/s, and CPU seconds of the client a GB.

Download is always what comes from the server's side to the client's, upload the reverse: with -R the one who connects is at
the server's side, so that it sends for a download."""
from dataclasses import dataclass

import cpu
from load import Load, LoadError


@dataclass(frozen=True)
class Kind:
    """command: of the traffic tool; ports: the names of the tunnel's ports that it is given."""
    name: str
    command: str
    ports: tuple
    streams: int = 1
    needs: str = "L"

    def args(self, world, tunnel):
        args = [self.command, *(tunnel.ports[p] for p in self.ports)]
        if self.needs == "D":
            args += ["--socks", world.services.ports["source"]]
        return args + (["--streams", self.streams] if self.streams > 1 else [])

    def run(self, world, program, setting, plan):
        tunnel = world.tunnel(program, setting)
        warm, seconds = times(setting, plan)
        cpu.peak_reset(tunnel.pids)
        load = Load(world.tool, *self.args(world, tunnel), "--warm", warm, "--seconds", seconds, pids=tunnel.pids)
        result = load.finish()
        return {"rate": result["bytes"] / result["seconds"] / 1e6, "CPU": load.cpu_s / (result["bytes"] / 1e9),
                "peak memory": cpu.peak(tunnel.pids) / 1e3}


KINDS = {kind.name: kind for kind in (
    Kind("download", "down", ("source",)),
    Kind("upload", "up", ("sink",)),
    Kind("both at once", "both", ("source", "sink")),
    Kind("-R download", "up", ("R-sink",), needs="R"),
    Kind("-R upload", "down", ("R-source",), needs="R"),
    Kind("-D download", "down", ("socks",), needs="D"),
    Kind("download, 8 streams", "down", ("source",), 8),
    Kind("upload, 8 streams", "up", ("sink",), 8),
)}


def times(setting, plan):
    """(warm, seconds): a long line needs a while until the windows have grown."""
    return {"long": (plan.far_warm, plan.far_seconds),
            "slow": (plan.slow_warm, plan.slow_seconds)}.get(setting.line, (plan.warm, plan.seconds))


def verify(world, program, setting, tunnel, length):
    """Every forward moves so many bytes of which each is checked, or this fails."""
    for kind in KINDS.values():
        if kind.needs in program.has and kind.needs in setting.forwards and kind.command != "both" and kind.streams == 1:
            result = Load(world.tool, *kind.args(world, tunnel), "--verify", length).finish()
            if result["bytes"] != length or not result["ok"]:
                raise LoadError(f"integrity, {kind.name}: {result}")
