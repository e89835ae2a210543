"""The runner: /usr/bin/python3 -m tests.faults --build build [-k WORD] [--short] [-v] [--list]

Plays each scenario without a fault, which tells the sites that it meets, and then once for each way in which each of
them can fail, several runs at a time; ends with "N passed, M failed"."""
import argparse
import collections
import concurrent.futures
import os
import pathlib
import random
import shutil
import signal
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
SEED = 6
FRAMES_ALIKE = 4  # what comes from the same four functions fails alike: it is played once


def arguments():
    p = argparse.ArgumentParser(prog="faults")
    p.add_argument("--build", default="build")
    p.add_argument("-k", action="append", default=[], help="a part of a scenario's name")
    p.add_argument("-s", "--site", help="only faults whose words (as they are printed) have this in them")
    p.add_argument("-j", dest="jobs", type=int, default=8)
    p.add_argument("-v", action="store_true")
    p.add_argument("--short", action="store_true", help="the faults that sites.py names: what was mended, and one of each kind")
    p.add_argument("--all", action="store_true", help="each fault in every scenario that meets it, too")
    p.add_argument("--list", action="store_true")
    return p.parse_args()


class Campaign:
    def __init__(self, args, world, scenarios):
        from . import play, sites
        self.args, self.world, self.scenarios = args, world, scenarios
        self.play, self.sites = play, sites
        self.honest, self.outcomes, self.lost = {}, [], 0
        self.sure = set()  # scenario and site: it is met in each run
        self.pool = concurrent.futures.ThreadPoolExecutor(args.jobs)

    def one(self, scenario, fault):
        honest = self.honest[scenario.name].names if fault else None
        outcome = self.play.Run(self.world, scenario, fault, honest).play()
        # A site that this run did not come to, for its threads or its epoll took the other way: that is no run.
        for _ in range(7 if self.args.short else 2):
            if fault is None or outcome.fired or outcome.wrong:
                break
            outcome = self.play.Run(self.world, scenario, fault, honest).play()
        if self.args.short and fault and not outcome.fired and not outcome.wrong:
            outcome.wrong = "eight runs did not come to it: the row shows nothing"
        return outcome

    def baseline(self):
        """Without a fault, twice: what threads may do in two orders is in both."""
        twice = [self.pool.submit(self.one, s, None) for s in self.scenarios for _ in range(2)]
        for s, a, b in zip(self.scenarios, twice[::2], twice[1::2]):
            a, b = a.result(), b.result()
            for o in (a, b):
                if o.wrong:
                    self.pool.shutdown(cancel_futures=True)
                    sys.exit(f"faults: {s.name} fails without a fault: {o.wrong}")
            union = {x.id: x for x in b.sites} | {x.id: x for x in a.sites}
            self.sure |= {(s.name, x.id) for x in a.sites} & {(s.name, x.id) for x in b.sites}
            a.sites, a.names = list(union.values()), a.names | b.names
            self.honest[s.name] = a

    def chosen(self):
        met = {x.id: x for h in self.honest.values() for x in h.sites}
        self.where = self.sites.places(self.world.program, met.values())
        runs, played = [], collections.Counter()
        for s in random.Random(SEED).sample(self.scenarios, len(self.scenarios)):
            for f in self.sites.faults_of(self.honest[s.name].sites, self.where, s.writes_file):
                key = (f.site.name, f.site.frames[:FRAMES_ALIKE], min(f.nth, 2), f.how, f.for_ever)
                played[key] += 1
                if played[key] == 1 or self.args.all:
                    runs.append((s, f))
        if self.args.short:
            runs = self.short()
        if self.args.site:
            runs = [(s, f) for s, f in runs if self.args.site in str(f)]
        random.Random(SEED).shuffle(runs)  # those that wait beside those that compute
        return runs

    def short(self):
        """The rows of SHORT: every way in which the first such site fails."""
        chosen = {s.name: s for s in self.scenarios}
        return [(chosen[row[0]], f) for row in self.sites.SHORT if row[0] in chosen for f in self.row(chosen[row[0]], row)]

    def row(self, s, row):
        """The faults of a row, which means one way of calls: what it names by chance besides would be played in its place."""
        faults, ways = collections.defaultdict(list), set()  # by how sure a run comes there
        for f in self.sites.faults_of(self.honest[s.name].sites, self.where, s.writes_file):
            way = self.sites.way(self.where[f.site.id], row[2]) if f.site.name == row[1] and f.nth == 1 else None
            if way:
                ways.add(way)
                faults[((s.name, f.site.id) not in self.sure, -f.site.count, self.where[f.site.id])].append(f)
        if len(ways) == 1:
            return faults[min(faults)]
        self.lost += 1
        what = "\nfaults:   ".join(["several ways fit it:", *sorted(" < ".join(w) for w in ways)]) if ways else "no run comes to it"
        print(f"faults: the row {row}: {what}")
        return []

    def run(self):
        self.baseline()
        runs, begun = self.chosen(), time.monotonic()
        print(f"faults: {len(runs)} runs", flush=True)
        for future in concurrent.futures.as_completed([self.pool.submit(self.one, s, f) for s, f in runs]):
            o = future.result()
            self.outcomes.append(o)
            if o.wrong:
                print(f"faults: {o.scenario.name}: {o.fault}: FAILED: {o.wrong}")
            elif self.args.v:
                print(f"faults: {o.scenario.name}: {o.fault}: {o.end} {o.said[:200]!r}")
            if o.wrong or self.args.v:
                print(f"faults:   at {self.where[o.fault.site.id]}", flush=True)
        return self.tell(time.monotonic() - begun)

    def tell(self, seconds):
        failed = [o for o in self.outcomes if o.wrong]
        met = [s for h in self.honest.values() for s in h.sites]
        ends = collections.Counter(o.end for o in self.outcomes if not o.wrong)
        missed = sum(1 for o in self.outcomes if not o.fired)
        print(f"faults: {len(self.scenarios)} scenarios, {len({s.id for s in met})} sites of {len({s.name for s in met})} "
              f"functions, {len(self.outcomes)} runs in {seconds:.0f} s: {ends['all']} did all, {ends['line']} did and told of "
              f"it, {ends['error']} ended with one error; {missed} never came to their site")
        print(f"faults: {len(self.outcomes) - len(failed)} passed, {len(failed)} failed")
        return not failed and not self.lost and self.outcomes


def main():
    args = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("faults: ended by a signal"))
    os.environ["ADIT_TOOLS"] = os.path.abspath(f"{args.build}/tools")
    sys.path.insert(0, str(ROOT / "tests/e2e"))
    with tempfile.TemporaryDirectory(prefix="adit-faults-", ignore_cleanup_errors=True) as folder:
        # Its own copy: a make may go on beside it.
        os.environ["ADIT"] = shutil.copy(f"{args.build}/faults/adit", folder)
        return campaign(args, folder)


def campaign(args, folder):
    from . import scenarios, world
    from .sites import SHORT
    rows = {row[0] for row in SHORT}
    if unknown := rows - {s.name for s in scenarios.ALL}:
        sys.exit(f"faults: SHORT names scenarios that are not there: {', '.join(sorted(unknown))}")
    chosen = [s for s in scenarios.ALL if (not args.k or any(k in s.name for k in args.k)) and (not args.short or s.name in rows)]
    if args.list:
        print("\n".join(s.name for s in chosen))
        return 0
    w = world.World(folder)
    w.program = os.environ["ADIT"]
    try:
        return 0 if Campaign(args, w, chosen).run() else 1
    finally:
        w.close()


sys.exit(main())
