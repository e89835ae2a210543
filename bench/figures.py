"""What a figure is, and the list of all of them."""
from dataclasses import dataclass
from typing import Callable

import bulk
import footprint
import streams
import trips
from clients import CIPHERS, Setting


@dataclass(frozen=True)
class Figure:
    """One row of the table. better: "more" or "less"."""
    key: str
    unit: str
    better: str


@dataclass(frozen=True)
class Measure:
    """What is measured at one time, and gives one or more figures.

    run(world, program, setting, plan) returns the values by the figures' keys.
    programs: the names of those that are asked; needs: the kind of forward; connections: how many at the same time.
    parallel: what is measured is no matter of CPU time, so that all programs may run at the same moment."""
    name: str
    section: str
    run: Callable
    figures: tuple
    setting: Setting = Setting()
    programs: tuple = ("adit", "ssh", "dbclient", "relay rw", "relay splice")
    needs: str = "L"
    connections: int = 0
    parallel: bool = False

    def row(self, figure):
        return f"{self.name}: {figure.key}"


@dataclass(frozen=True)
class Plan:
    """How long and how much."""
    reps: int = 5
    seconds: float = 0.6      # a figure on loopback
    warm: float = 0.2
    far_seconds: float = 1.2  # a bulk figure over the long line
    far_warm: float = 1.5
    slow_seconds: float = 4.0  # beside a bulk transfer on the slow line
    slow_warm: float = 3.0
    slow_mbit: int = 2
    reader: float = 3.0       # under a slow reader
    execs: int = 5
    stream: int = 200 << 20   # bytes of a remote command's input or output
    hold: float = 1.0         # idle connections
    settle: float = 1.2       # until a client is idle
    crowds: tuple = (1000, 5000)
    burst: int = 1000
    verify: int = 4 << 20
    others: bool = True       # the programs besides adit and ssh, where these are not needed for a ratio
    hurry: bool = False       # programs run at the same moment wherever that only blurs the figures


QUICK = Plan(reps=1, seconds=0.2, warm=0.1, far_seconds=0.3, far_warm=0.3, slow_seconds=0.3, slow_warm=0.3, slow_mbit=40,
             reader=0.5, execs=1, stream=16 << 20, hold=0.1, settle=0.2, crowds=(100, 300), burst=200, verify=1 << 20, others=False, hurry=True)

RATE = (Figure("rate", "MB/s", "more"), Figure("CPU", "s/GB", "less"))
PEAK = (*RATE, Figure("peak memory", "kB", "less"))
TRIP = (Figure("p50", "µs", "less"), Figure("p99", "µs", "less"), Figure("rate", "1/s", "more"))
BESIDE = (Figure("p50", "µs", "less"), Figure("p99", "µs", "less"), Figure("rate of the bulk", "MB/s", "more"))
OPENS = (Figure("rate", "1/s", "more"), Figure("p99", "µs", "less"))
CROWD = (Figure("time to open", "s", "less"), Figure("memory each", "B", "less"), Figure("CPU", "s", "less"))
EXEC = (Figure("time", "ms", "less"), Figure("CPU", "ms", "less"))
OPEN_KINDS = ((1, "echo", "one by one"), (32, "echo", "32 at once"), (1, "greet", "one by one, the far end speaks first"),
              (32, "greet", "32 at once, the far end speaks first"))
ONE = Setting(forwards="L")
SSH = ("adit", "ssh", "dbclient")
PAIR = ("adit", "ssh")
FAR = Setting(line="long")
JUMP = Setting(forwards="L", jump=True)
FAR_TITLE = "Over a line of 100 ms round trip"


def bulk_measures(plan):
    for cipher in CIPHERS:
        for kind in bulk.KINDS.values():
            # Without a cipher there is nothing to repeat, and nothing but -L. dbclient's default is chacha20-poly1305.
            others = ("relay rw", "relay splice") if cipher == "default" and kind.needs == "L" else ()
            clients = PAIR if kind.streams > 1 and cipher != "default" else SSH
            what = f"{cipher} cipher" if cipher == "default" else cipher
            yield Measure(f"{kind.name}, {what}", f"Bulk transfer, {what}", kind.run, RATE,
                          Setting(cipher=cipher), clients + others, kind.needs)


def near_measures(plan):
    for name in ("output", "input"):
        yield Measure(f"{name} of a remote command", "A remote command", streams.run(name == "input"), RATE, programs=SSH)
    for name in ("download", "upload"):
        yield Measure(f"1 KiB beside a bulk {name}", "Round trips", trips.beside(name), BESIDE)
    for size, name in ((1, "1 B"), (1024, "1 KiB")):
        yield Measure(f"round trip of {name}", "Round trips", trips.round_trips(size), TRIP, ONE)
    for count, service, name in OPEN_KINDS:
        yield Measure(f"channels opened, {name}", "Connections", trips.opens(count, service), OPENS, ONE)
    yield Measure(f"burst of {plan.burst:,} connects", "Connections", trips.burst, (Figure("time", "s", "less"),), ONE,
                  connections=plan.burst)
    yield Measure("exec to first byte", "Start and size", trips.exec_to_first_byte, EXEC, programs=SSH)
    for count in plan.crowds:
        yield Measure(f"{count:,} idle connections", "Connections", footprint.crowd(count), CROWD,
                      ONE, connections=count)
    yield Measure("idle", "Start and size", footprint.idle,
                  (Figure("resident memory", "kB", "less"), Figure("resident memory, shared pages by share", "kB", "less"),
                   Figure("binary", "kB", "less"), Figure("binary and all it maps", "kB", "less")),
                  ONE, SSH, parallel=True)
    yield Measure("slow reader", "Start and size", footprint.slow_reader, (Figure("peak memory", "kB", "less"),),
                  ONE, SSH, parallel=True)


def far_measures(plan):
    for kind in bulk.KINDS.values():
        programs = SSH + ("relay rw",) if kind.name in ("download", "upload") else PAIR
        yield Measure(f"100 ms: {kind.name}", FAR_TITLE, kind.run, PEAK, FAR, programs, kind.needs)
    for size, name in ((1, "1 B"), (1024, "1 KiB")):
        yield Measure(f"100 ms: round trip of {name}", FAR_TITLE, trips.round_trips(size), TRIP, FAR, SSH, parallel=True)
    for name in ("download", "upload"):
        yield Measure(f"100 ms: 1 KiB beside a bulk {name}", FAR_TITLE, trips.beside(name), BESIDE, FAR, PAIR)
    for count, service, name in OPEN_KINDS:
        yield Measure(f"100 ms: channels opened, {name}", FAR_TITLE, trips.opens(count, service), OPENS, FAR, SSH, parallel=True)
    yield Measure(f"100 ms: burst of {plan.burst:,} connects", FAR_TITLE, trips.burst, (Figure("time", "s", "less"),), FAR,
                  PAIR, connections=plan.burst)
    yield Measure("100 ms: exec to first byte", FAR_TITLE, trips.exec_to_first_byte, EXEC, FAR, SSH, parallel=True)
    for count in plan.crowds:
        yield Measure(f"100 ms: {count:,} idle connections", FAR_TITLE, footprint.crowd(count), CROWD,
                      Setting(line="long", forwards="L"), PAIR, connections=count, parallel=True)
    yield Measure("100 ms: slow reader", FAR_TITLE, footprint.slow_reader, (Figure("peak memory", "kB", "less"),),
                  Setting(line="long", forwards="L"), SSH, parallel=True)


def other_measures(plan):
    for name in ("download", "upload"):
        yield Measure(f"{plan.slow_mbit} Mbit/s: 1 KiB beside a bulk {name}", f"On a line of {plan.slow_mbit} Mbit/s", trips.beside(name), BESIDE,
                      Setting(line="slow", forwards="L"), SSH, parallel=True)
    title = "Through a jump host (-J)"
    for kind in ("download", "upload"):
        yield Measure(f"-J: {kind}", title, bulk.KINDS[kind].run, RATE, JUMP, PAIR)
    yield Measure("-J: round trip of 1 KiB", title, trips.round_trips(1024), TRIP, JUMP, PAIR)
    yield Measure("-J: channels opened, one by one", title, trips.opens(1), OPENS, JUMP, PAIR)
    yield Measure("-J: exec to first byte", title, trips.exec_to_first_byte, EXEC, JUMP, PAIR)


def all_measures(plan):
    for group in (bulk_measures, near_measures, far_measures, other_measures):
        yield from group(plan)
