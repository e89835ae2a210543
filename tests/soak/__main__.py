"""The soak: adit as a client that connects again, as one whose connection lasts, and as a daemon, under constant churn for a long time. Memory,
descriptors and threads are sampled all the time, and at rest every twenty seconds; what they do over the last three quarters of the
run is the verdict (see series.py).

    soak [--minutes 20] [--out FOLDER] [--only client|steady|daemon] [--seed N] [--every SECONDS]
    soak --rounds N [...]     a short one: N times churn and rest, judged by descriptors and threads alone
    soak --judge FILE.csv     the verdict on what an earlier run has written
"""
import argparse
import resource
import signal
import sys
import threading
import time
from pathlib import Path

sys.dont_write_bytecode = True
HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "e2e")]

import series  # noqa: E402
from churn import Churn, elapsed  # noqa: E402
from harness.wait import wait_until  # noqa: E402
from subjects import BusyDaemon, LastingClient, SteadyClient, World, process_sample  # noqa: E402

SUBJECTS = {s.name: s for s in (LastingClient, SteadyClient, BusyDaemon)}
SAMPLE_S = 5
REST_SAMPLES, REST_SAMPLE_S = 40, 0.1


class Record:
    """The samples of one process."""

    def __init__(self, subject, clock):
        self.subject, self.clock, self.samples = subject, clock, []

    def look(self, is_quiet=False):
        return process_sample(self.subject.pid, self.clock(), is_quiet)

    def take(self):
        self.samples.append(self.look())

    def counts(self):
        now = self.look()
        return now.fds, now.threads

    def come_to_rest(self):
        """Connected anew, nobody served, with the descriptors and threads of the first rest; or what they are when
        that does not come (which is then the finding)."""
        self.subject.refresh()
        wait_until(lambda: self.subject.unrest() is None, 120, lambda: f"{self.subject.name}: {self.subject.unrest()}")
        quiet = [s for s in self.samples if s.is_quiet]
        try:
            if quiet:
                wait_until(lambda: self.counts() == (quiet[0].fds, quiet[0].threads), 60)
            else:
                settle(self.counts)
        except AssertionError:
            pass


def rest(records):
    """All at rest, and looked at for a while. The least is what is held: a daemon checks its tunnels then, too, and the last of
    the churn is given back within seconds."""
    for r in records:
        r.come_to_rest()
        assert r.subject.is_alive(), f"{r.subject.name} is gone"
    seen = []
    for _ in range(REST_SAMPLES):
        seen.append([r.look(True) for r in records])
        time.sleep(REST_SAMPLE_S)
    for r, samples in zip(records, zip(*seen)):
        r.samples.append(min(samples, key=lambda s: (s.fds + s.threads, s.rss_kb)))


def settle(value):
    """The same twice, a second apart."""
    pause, before = threading.Event(), None
    while (now := value()) != before:
        before = now
        pause.wait(1)


def sample_all(records, over):
    while not over.wait(SAMPLE_S):
        for r in records:
            r.take()


def run(subjects, args):
    """Churn for so long, or for so many rounds; the records and the churn."""
    seconds, rounds = args.minutes * 60, 0
    clock, churn, over = elapsed(), Churn(args.seed), threading.Event()
    records = [Record(s, clock) for s in subjects]
    for s in subjects:
        s.add_to(churn)
    churn.begin()
    sampler = threading.Thread(target=sample_all, args=(records, over), daemon=True)
    sampler.start()
    try:
        while rounds < args.rounds if args.rounds else clock() < seconds:
            over.wait(args.every if args.rounds else min(args.every, max(seconds - clock(), 0)))
            churn.pause(200)
            rest(records)
            print_progress(clock(), records)
            assert not churn.broken, churn.broken
            churn.resume()
            rounds += 1
    finally:
        over.set()
        churn.end()
        sampler.join()
    return records, churn


def print_progress(now_s, records):
    last = [(r.subject.name, [s for s in r.samples if s.is_quiet][-1]) for r in records]
    print(f"{now_s / 60:5.1f} min  " + "   ".join(f"{n}: {s.rss_kb} kB, {s.fds} descriptors, {s.threads} threads"
                                                 for n, s in last), flush=True)


def judge(name, samples, out, is_short=False):
    """Prints and writes what there is to see of one process; whether it is good."""
    verdict = series.Verdict(samples, is_short)
    print(f"\n== {name}\n{series.graph(samples)}")
    for line in verdict.lines():
        print(line)
    if out:
        series.write_csv(out / f"{name}.csv", samples)
        (out / f"{name}.svg").write_text(series.svg(f"{name}: resident memory", samples))
    return not verdict.failures


def all_was_done(churn):
    """A soak whose operations do not work shows nothing: each was done now and then, and most of all were."""
    never = [n for n in {*churn.done, *churn.failed} if churn.done[n] == 0]
    if never:
        print(f"FAILED: never done: {sorted(never)}")
    return not never


def words():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--minutes", type=float, default=20)
    p.add_argument("--out", type=Path)
    p.add_argument("--only", choices=SUBJECTS)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--rounds", type=int, default=0)
    p.add_argument("--every", type=float, default=20)
    p.add_argument("--judge", type=Path)
    return p.parse_args()


def main():
    args = words()
    if args.judge:
        return 0 if judge(args.judge.stem, series.read_csv(args.judge), None) else 1
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if args.out:
        args.out.mkdir(parents=True, exist_ok=True)
    world, subjects = World(), []
    try:
        for name, kind in SUBJECTS.items():
            if args.only in (None, name):
                subjects.append(kind(world))
        records, churn = run(subjects, args)
    finally:
        for s in subjects:
            s.stop()
        world.close()
    good = [judge(r.subject.name, r.samples, args.out, bool(args.rounds)) for r in records]
    print("\n== churn")
    for line in churn.lines():
        print(line)
    return 0 if all(good) and (args.rounds or all_was_done(churn)) else 1


if __name__ == "__main__":
    sys.exit(main())
