"""The runner: /usr/bin/python3 -m tests.hostile --build build [-k WORD] [--list] [--table FILE]

Plays every case of the tables against build/adit and build/asan/adit, many at once, and ends with "N passed, M
failed". --table runs ssh and dbclient too and writes what the three do."""
import argparse
import asyncio
import os
import resource
import sys
import tempfile

from . import table
from .case import ALL, CARRY_ON, Case
from .client import World, is_program
from .play import Outcome, Play
from . import cases  # noqa: F401: fills ALL

AT_ONCE = 12  # cases that compute; as many of those that wait for a timeout run beside them


def quiet(client):
    """An honest session, idle: what memory is compared with."""
    return Case("quiet", "open", "nothing at all", "RFC 4254 §5", CARRY_ON, at="open", do=lambda p, _: [], client=client)


class Runner:
    def __init__(self, args):
        self.args, self.busy, self.waiting = args, asyncio.Semaphore(args.jobs), asyncio.Semaphore(args.jobs)
        self.tools = os.path.abspath(f"{args.build}/tools")
        self.seam = os.path.abspath(f"{args.build}/asan/tests/hostile/seam")
        self.world = World(args.folder, os.path.abspath(f"{args.build}/asan/tests/hostile/server"))

    async def one(self, case, program, name, idle_kib):
        program = self.seam if case.seam else program
        async with self.waiting if case.timeout_ms else self.busy:
            try:
                return await Play(case, program, name, self.world, self.tools, idle_kib).run()
            except Exception as e:
                return Outcome(case, f"the runner failed: {e!r}")

    async def idle(self, program, name, client):
        """The resident peak of a session that nothing happens to: the least of three."""
        outcomes = [await Play(quiet(client), program, name, self.world, self.tools, 0).run() for _ in range(3)]
        bad = [o.wrong for o in outcomes if o.wrong]
        if bad:
            sys.exit(f"hostile: an honest session fails against {program}: {bad[0]}")
        return min(o.kib for o in outcomes)

    async def all(self, cases, program, name, measured):
        """The outcomes, and what an idle session has. A daemon is compared with an idle daemon."""
        idle = {"forward": await self.idle(program, name, "forward")}
        if any(c.client == "daemon" for c in cases):
            idle["daemon"] = await self.idle(program, name, "daemon")
        outcomes = await asyncio.gather(*(self.one(c, program, name, idle.get(c.client, idle["forward"]) if measured else 0) for c in cases))
        return outcomes, idle


def chosen(args):
    """The cases, after a look at each: one that lacks a field is no case."""
    seen, bad = set(), []
    for c in ALL:
        wrong = "a name of its own" if c.name in seen else c.check()
        seen.add(c.name)
        if wrong:
            bad.append(f"{c.name}: every case needs {wrong}")
    if bad:
        sys.exit("hostile: " + "\nhostile: ".join(bad))
    return [c for c in ALL if all(k in c.name or k == c.state for k in args.k)]


def tell(label, outcomes, idle, args):
    failed = [o for o in outcomes if o.wrong]
    for o in outcomes if args.v else failed:
        print(f"hostile: {label}: {o.case.name}: {'FAILED: ' + o.wrong if o.wrong else 'ok'} "
              f"[{o.ms} ms, {o.kib} KiB, status {o.status}] {o.said[:150] if args.v else ''}")
    slowest = max(outcomes, key=lambda o: o.ms - o.case.timeout_ms, default=None)
    largest = max((o for o in outcomes if o.case.client != "daemon"), key=lambda o: o.kib, default=slowest)
    daemons = [o.kib for o in outcomes if o.case.client == "daemon"]
    if slowest:
        print(f"hostile: {label}: {len(outcomes) - len(failed)} of {len(outcomes)} right; slowest {slowest.ms} ms "
              f"({slowest.case.name}); idle {idle['forward']} KiB, most {largest.kib} KiB ({largest.case.name})" +
              (f"; a daemon {idle['daemon']} KiB, most {max(daemons)} KiB" if daemons else ""))
    return len(failed)


async def run(args):
    cases = chosen(args)
    runner = Runner(args)
    if args.table:
        return await table.write(args, runner, cases)
    passed = failed = 0
    for label, program in (("plain", args.plain), ("asan", args.asan)):
        if label in args.skip:
            continue
        if not is_program(program):
            sys.exit(f"hostile: {program} is missing: make it first")
        fit = [c for c in cases if label == "asan" or not c.seam]
        outcomes, idle = await runner.all(fit, program, "adit", label == "plain")
        bad = tell(label, outcomes, idle, args)
        passed, failed = passed + len(outcomes) - bad, failed + bad
    if args.v:
        print(f"hostile: {resource.getrusage(resource.RUSAGE_SELF).ru_utime:.1f} s of CPU for the peers")
    print(f"hostile: {passed} passed, {failed} failed ({len(cases)} cases)")
    return failed == 0 and passed > 0


def main():
    p = argparse.ArgumentParser(prog="hostile")
    p.add_argument("--build", default="build")
    p.add_argument("--plain")
    p.add_argument("--asan")
    p.add_argument("--skip", action="append", default=[], choices=("plain", "asan"))
    p.add_argument("-k", action="append", default=[], help="a part of a case's name, or its state")
    p.add_argument("-j", dest="jobs", type=int, default=AT_ONCE)
    p.add_argument("-v", action="store_true")
    p.add_argument("--list", action="store_true")
    p.add_argument("--table", metavar="FILE", help="run ssh and dbclient too, and write the table of the three")
    args = p.parse_args()
    args.plain = os.path.abspath(args.plain or f"{args.build}/adit")
    args.asan = os.path.abspath(args.asan or f"{args.build}/asan/adit")
    if args.list:
        for c in chosen(args):
            print(f"{c.name:48} {c.state:8} {c.expect:15} {c.requires}: {c.sends}")
        return 0
    with tempfile.TemporaryDirectory(prefix="adit-hostile-") as folder:
        args.folder = folder
        return 0 if asyncio.run(run(args)) else 1


if __name__ == "__main__":
    sys.exit(main())
