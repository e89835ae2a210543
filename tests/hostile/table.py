"""What adit, OpenSSH's ssh and dropbear's dbclient do with the same cases: make hostile-table writes it.

Verdicts are kept, a line each, in build/hostile-table.jsonl: a run that was cut off goes on where it was, and one of a client or
a case that has changed begins anew. Each client has a limit of memory and of time, and each case one of its own. A verdict against
a client stands when it fell three times: under load one may be too late."""
import asyncio
import dataclasses
import hashlib
import json
import pathlib
import shutil
import subprocess

from . import pages
from .case import CARRY_ON, Case
from .play import Outcome, Play

MEMORY_KIB, CPU_S, CASE_S, TRIES, SLOWLY = 2**20, 60, 200, 3, 10


def version(words):
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return done.stdout.split("\n", maxsplit=1)[0].split(",")[0].strip()


class Contender:
    """One of the clients: its name, what it is called in the table, and a program that may only use so much."""

    def __init__(self, name, label, program, folder):
        self.name, self.label = name, label
        self.mark = f"{name} {hashlib.sha256(pathlib.Path(program).read_bytes()).hexdigest()[:16]}"
        self.program = program
        if name != "adit":
            self.program = f"{folder}/limited-{name}"
            pathlib.Path(self.program).write_text(f'#!/bin/sh\nulimit -v {MEMORY_KIB}\nulimit -t {CPU_S}\nexec {program} "$@"\n')
            pathlib.Path(self.program).chmod(0o755)


def contenders(args):
    found = [Contender("adit", version([args.plain, "-V"]), args.plain, args.folder)]
    for name, words in (("ssh", ["ssh", "-V"]), ("dbclient", ["dbclient", "-V"])):
        if shutil.which(name):
            found.append(Contender(name, version(words), shutil.which(name), args.folder))
    return found


QUIET = Case("quiet", "open", "nothing at all", "RFC 4254 §5", CARRY_ON, at="open", do=lambda p, _: [])


def suits(case, name):
    """A case of adit alone is no question to others, and one of who is no server (a state with a stroke) not of this table. dbclient has neither the options that some cases need, nor certificates, AES-GCM,
    encrypt-then-MAC and compression that is asked for; and its known_hosts holds one key of a kind, not the machine's as well."""
    if case.seam or "/" in case.state or (name != "adit" and (case.only == "adit" or (case.setup and case.only == "all"))):
        return False
    if name == "dbclient":
        return case.only == "all" and not case.options and not case.machine and not any(w in case.name for w in ("certificate", "-gcm", "-etm"))
    return True


def fit(case, name):
    """The same with a cipher that the client has."""
    return dataclasses.replace(case, suite="chacha") if name == "dbclient" and case.suite == "gcm" else case


def digest(case):
    fields = [getattr(case, f) for f in ("state", "sends", "requires", "expect", "at", "says", "ms", "timeout_ms", "memory_kib", "client", "options",
                                         "suite", "auth", "strict", "holds", "machine")]
    return hashlib.sha256(repr(fields).encode()).hexdigest()[:16]


class Shelf:
    """The verdicts that there are: {(mark, case): record}."""

    def __init__(self, path):
        self.path, self.records = pathlib.Path(path), {}
        if self.path.exists():
            for line in self.path.read_text(encoding="utf-8").splitlines():
                record = json.loads(line)
                self.records[record["client"], record["case"]] = record

    def get(self, contender, case):
        record = self.records.get((contender.mark, case.name))
        return record if record and record["of"] == digest(fit(case, contender.name)) else None

    def put(self, contender, outcome, tries):
        record = {"client": contender.mark, "case": outcome.case.name, "of": digest(outcome.case), "wrong": outcome.wrong[:2000], "tries": tries,
                  "ms": outcome.ms, "kib": outcome.kib, "status": outcome.status}
        self.records[contender.mark, outcome.case.name] = record
        with self.path.open("a", encoding="utf-8") as f:
            f.write(json.dumps(record) + "\n")


class Contest:
    def __init__(self, args, runner, shelf):
        self.args, self.runner, self.shelf = args, runner, shelf
        self.many, self.few = asyncio.Semaphore(args.jobs), asyncio.Semaphore(SLOWLY)

    async def play(self, contender, case, idle_kib):
        try:
            case = fit(case, contender.name)
            return await asyncio.wait_for(Play(case, contender.program, contender.name, self.runner.world, self.runner.tools, idle_kib).run(), CASE_S)
        except asyncio.TimeoutError:
            return Outcome(case, f"not over after {CASE_S} s")
        except Exception as e:
            return Outcome(case, f"the runner failed: {e!r}")

    async def idle(self, contender):
        """The resident peak of a session that nothing happens to: the least of three."""
        outcomes = [await self.play(contender, QUIET, 0) for _ in range(3)]
        if any(o.wrong for o in outcomes):
            raise SystemExit(f"hostile: an honest session fails against {contender.label}: {outcomes[-1].wrong}")
        return min(o.kib for o in outcomes)

    async def one(self, contender, case, idle_kib):
        async with self.many:
            outcome = await self.play(contender, case, idle_kib)
        tries = 1
        while outcome.wrong and tries < TRIES:
            async with self.few:
                outcome = await self.play(contender, case, idle_kib)
            tries += 1
        self.shelf.put(contender, outcome, tries)

    async def all(self, contender, cases):
        todo = [c for c in cases if suits(c, contender.name) and not self.shelf.get(contender, c)]
        if todo:
            idle_kib = await self.idle(contender)
            await asyncio.gather(*(self.one(contender, c, idle_kib) for c in todo))
        records = {c.name: self.shelf.get(contender, c) for c in cases if suits(c, contender.name)}
        wrong = [r for r in records.values() if r["wrong"]]
        print(f"hostile: {contender.label}: {len(records) - len(wrong)} of {len(records)} right ({len(todo)} played now)", flush=True)
        return records


async def write(args, runner, cases):
    """Every case, with each client; true when adit is always right and each deviation of the others is explained."""
    contest = Contest(args, runner, Shelf(f"{args.build}/hostile-table.jsonl"))
    found = contenders(args)
    results = {c.name: await contest.all(c, cases) for c in found}
    text, unexplained = pages.page(found, results, cases)
    pathlib.Path(args.table).write_text(text, encoding="utf-8")
    for line in unexplained:
        print(f"hostile: not explained: {line}")
    return not unexplained and not any(r["wrong"] for r in results["adit"].values())
