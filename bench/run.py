#!/usr/bin/env python3
"""bench/run.py - adit beside OpenSSH's ssh, dropbear's dbclient and two plain TCP relays, against one stock sshd.

All programs are measured in one run, interleaved: for every figure the repetitions go round the programs in turn. Before
the first figure of a tunnel it moves data of which every byte is checked. Exit status 1 when a figure failed.

    --quick          every figure of adit and ssh once, short: shows that it works, not how fast
    --only REGEX     the figures whose name matches
    --reps N         repetitions (5)
    --seconds S      of one figure on loopback (0.6)
    --json FILE      the result (build/bench.json; with --quick build/bench-quick.json)
    --markdown FILE  the README's tables: into FILE, or where it has the lines of table.BEGIN and table.END, between them
    --from FILE      measure nothing: tables from such a JSON
    --check          every figure of adit and of ssh must be a number: exit status 1 else

ADIT names the binary, ADIT_TOOLS the folder of the tools `traffic` and `relay`. Run it on an idle machine."""
import argparse
import concurrent.futures
import dataclasses
import datetime
import json
import os
import re
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.dont_write_bytecode = True
sys.path[:0] = [str(ROOT / "bench"), str(ROOT / "tests/e2e")]

import clients  # noqa: E402
import figures  # noqa: E402
import table  # noqa: E402
from world import World, machine  # noqa: E402


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", default="")
    parser.add_argument("--reps", type=int)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--markdown", type=Path)
    parser.add_argument("--from", dest="source", type=Path)
    parser.add_argument("--check", action="store_true")
    args = parser.parse_args()
    args.json = args.json or ROOT / ("build/bench-quick.json" if args.quick else "build/bench.json")
    return args


def plan_of(args):
    plan = figures.QUICK if args.quick else figures.Plan()
    given = {k: getattr(args, k) for k in ("reps", "seconds") if getattr(args, k) is not None}
    return dataclasses.replace(plan, **given)


def wanted(measures, only):
    """The measures of which a figure is asked for."""
    return [m for m in measures if any(re.search(only, m.row(f)) for f in m.figures)]


def programs_for(measure, plan, programs):
    """Those that take part. Without the others the relay still gives what AGAINST_RELAY divides by."""
    divisors = {row for _, _, _, row in table.AGAINST_RELAY}
    is_divisor = any(measure.row(f) in divisors for f in measure.figures)
    return [p for p in programs if p.name in measure.programs
            and (plan.others or p.name in figures.PAIR or (is_divisor and p.name == "relay rw"))]


def at_once(call, programs):
    with concurrent.futures.ThreadPoolExecutor(len(programs)) as pool:
        list(pool.map(call, programs))


class Bench:
    def __init__(self, world, plan):
        self.world, self.plan, self.results = world, plan, table.Results()
        self.programs = [cls(world) for cls in clients.PROGRAMS]
        self.out = set()  # (program, measure) that failed or is absent

    def announce(self, measures):
        for m in measures:
            names = [p.name for p in programs_for(m, self.plan, self.programs)]
            for f in m.figures:
                self.results.announce(m.row(f), m.section, f.unit, f.better, names)

    def run(self, measures):
        self.announce(measures)
        setting = None
        for i, m in enumerate(measures):
            if m.setting != setting:
                self.world.close_tunnels()
                setting = m.setting
                if self.plan.hurry and setting != figures.ONE and not m.connections:
                    at_once(lambda p: self.warm_up(setting, p), programs_for(m, self.plan, self.programs))
            start = time.monotonic()
            self.measure(m)
            print(f"[{i + 1}/{len(measures)}] {m.name}  {time.monotonic() - start:.1f} s", file=sys.stderr, flush=True)

    def warm_up(self, setting, program):
        """Opens the tunnel that the figures of this setting share. What fails now fails at the first figure, and is told."""
        try:
            program.check(setting)
            self.world.tunnel(program, setting)
        except Exception:
            self.world.drop(program, setting)

    def measure(self, m):
        programs = programs_for(m, self.plan, self.programs)
        for rep in range(self.plan.reps):
            # Another one begins each time: what comes after whom is no advantage.
            order = programs[rep % len(programs):] + programs[:rep % len(programs)]
            if m.parallel or (self.plan.hurry and m.setting not in (figures.Setting(), figures.JUMP)):
                at_once(lambda p: self.once(m, p), order)
            else:
                for p in order:
                    self.once(m, p)

    def once(self, m, program):
        if (program.name, m.name) in self.out:
            return
        try:
            program.check(m.setting, m.needs, m.connections)
            values = m.run(self.world, program, m.setting, self.plan)
        except clients.Absent as e:
            self.give_up(m, program, table.Absence(e))
        except Exception as e:  # every failure is a line in the table
            self.give_up(m, program, table.Failure(" ".join(str(e).split())[:200] or type(e).__name__))
        else:
            for f in m.figures:
                self.results.add(m.row(f), program.name, values[f.key])

    def give_up(self, m, program, why):
        self.out.add((program.name, m.name))
        self.world.drop(program, m.setting)
        for f in m.figures:
            self.results.add(m.row(f), program.name, why)

    def report(self, date):
        return {"date": date, "reps": self.plan.reps, "seconds": self.plan.seconds,
                "machine": machine(self.world, self.programs), "figures": self.results.figures()}


def tool():
    path = Path(os.environ.get("ADIT_TOOLS", ROOT / "build/tools")) / "traffic"
    if not path.exists():
        sys.exit(f"{path} is not there: run make bench")
    return path


def measured(args):
    """(report, failures)"""
    plan = plan_of(args)
    measures = wanted(figures.all_measures(plan), args.only)
    if not measures:
        sys.exit(f"no figure matches {args.only!r}")
    world = World(tool(), plan)
    try:
        world.start()
        bench = Bench(world, plan)
        bench.run(measures)
        report = bench.report(datetime.date.today().isoformat())
        return report, list(bench.results.failures())
    finally:
        world.stop()


def not_numbers(report):
    """What is neither a number above zero nor, with its reason, absent. Memory that a crowd takes may be nothing."""
    for figure in report["figures"]:
        for program in figures.PAIR:
            cell = figure["programs"].get(program, {"failed": "not measured"})
            if "absent" not in cell and not ("median" in cell and (cell["median"] > 0 or figure["unit"] == "B")):
                yield f"{figure['name']}, {program}: {table.cell_text(cell)}"


def main():
    args = arguments()
    if args.source:
        report, failures = json.loads(args.source.read_text()), []
    else:
        report, failures = measured(args)
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json.dumps(report, indent=1) + "\n")
    print(table.text(report))
    if args.markdown:
        old = args.markdown.read_text() if args.markdown.exists() else ""
        args.markdown.write_text(table.put_between(old, table.markdown(report)))
    for name, program, why in failures:
        print(f"failed: {name}, {program}: {why}")
    wrong = list(not_numbers(report)) if args.check else []
    for line in wrong:
        print(f"no number: {line}")
    if args.check:
        # The runner of the checks reads this line.
        bad = len(failures) + len(wrong)
        print(f"{len(report['figures']) - len(wrong)} passed: figures that are there" + (f", {bad} failed" if bad else ""))
    return 1 if failures or wrong else 0


if __name__ == "__main__":
    sys.exit(main())
