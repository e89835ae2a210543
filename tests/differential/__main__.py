"""The runner: /usr/bin/python3 -m tests.differential --build build [--seed S] [--times N] [--first I] [TOPIC...]

Each topic's rounds ask adit and OpenSSH the same, made-up questions and compare what they say. A round is a function of
seed, topic and its number alone: what it prints of a difference is enough to have it again. A difference from OpenSSH
9.2 that 10.0 has, too, or that known.py names with a reason is counted; any other is a failure. Ends with "N passed, M
failed", of rounds."""
import argparse
import random
import sys
import tempfile
import time
from collections import Counter

from . import bases, certificates, configs, destinations, forwards, globs, keyfiles, known, known_hosts, patterns, public_keys, revoked
from .world import Result, Stopped, World

TOPICS = {m.__name__.rsplit(".", 1)[1]: m for m in (known_hosts, public_keys, keyfiles, certificates, revoked, bases, globs, patterns, configs,
                                                    forwards,
                                                    destinations)}


class Topic:
    """What one topic's rounds have come to."""

    def __init__(self, name, world, show):
        self.name, self.module, self.world = name, TOPICS[name], world
        self.counts, self.newer, self.failed, self.compared = Counter(), 0, 0, 0
        self.shown, self.show = 0, show

    def play(self, seed, tree):
        self.world.tree = tree
        result = Result()
        try:
            self.module.play(self.world, random.Random(seed), result)
        except Stopped as e:
            result.compare("stopped", str(e), "stopped", "an answer")
        return result

    def unexplained(self, seed, result):
        left = []
        for d in result.differences:
            name = known.name_of(self.name, d)
            if name:
                self.counts[name] += 1
            else:
                left.append(d)
        for tree in self.world.trees[1:] if left else []:
            also = {d.place for d in self.play(seed, tree).differences}
            self.newer += sum(d.place not in also for d in left)
            left = [d for d in left if d.place in also]
        return left

    def round(self, seed):
        result = self.play(seed, self.world.trees[0])
        self.compared += result.compared
        left = self.unexplained(seed, result)
        self.failed += bool(left)
        for d in left[:self.show - self.shown]:
            print(f"differential: {seed}: {d}")
            self.shown += 1
        return not left

    def line(self, rounds, seconds):
        named = "".join(f", {n} x {name}" for name, n in sorted(self.counts.items()))
        return (f"differential: {self.name}: {self.compared} comparisons in {rounds} rounds ({seconds:.1f} s), {self.failed} rounds differ, "
                f"{self.newer} as OpenSSH 10.0{named}")


def main():
    parser = argparse.ArgumentParser(prog="differential")
    parser.add_argument("--build", default="build")
    parser.add_argument("--adit", help="instead of BUILD/adit")
    parser.add_argument("--seed", default="1")
    parser.add_argument("--first", type=int, default=0, help="the number of the first round")
    parser.add_argument("--times", type=float, default=1, help="so many times the rounds of a short run")
    parser.add_argument("--rounds", type=int, help="so many rounds instead")
    parser.add_argument("--show", type=int, default=5, help="so many differences of a topic")
    parser.add_argument("topics", nargs="*", metavar="TOPIC", help=" ".join(TOPICS))
    args = parser.parse_args()
    unknown = set(args.topics) - set(TOPICS)
    if unknown:
        parser.error(f"no such topic: {' '.join(sorted(unknown))}")
    passed = failed = compared = 0
    with tempfile.TemporaryDirectory() as folder:
        world = World(args.build, folder, args.adit)
        for name in args.topics or TOPICS:
            topic, start = Topic(name, world, args.show), time.monotonic()
            rounds = args.rounds or max(1, int(TOPICS[name].ROUNDS * args.times))
            right = sum(topic.round(f"{args.seed}/{name}/{i}") for i in range(args.first, args.first + rounds))
            passed, failed, compared = passed + right, failed + rounds - right, compared + topic.compared
            print(topic.line(rounds, time.monotonic() - start), flush=True)
        world.answerer.close()
    print(f"differential: {passed} passed, {failed} failed ({compared} comparisons, seed {args.seed})")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
