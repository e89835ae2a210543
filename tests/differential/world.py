"""What a round has to ask: adit's answers (answer.c), adit itself under the name ssh, and OpenSSH's programs."""
import os
import pwd
import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

LIMIT_S = 120  # no question takes a second; a machine may be slow


class Stopped(Exception):
    """adit's side died: worse than any difference."""


def short(value):
    """For a person: runs of one letter, and the middle of what is long, left out."""
    text = re.sub(r"(.)\1{29,}", lambda m: f"{m[1] * 5}[{len(m[0]) - 5} more]", repr(value))
    return text if len(text) <= 300 else f"{text[:200]} ... {text[-80:]}"


@dataclass
class Difference:
    place: str  # which question of the round: the same with every peer
    kind: str  # what is asked
    question: object
    ours: object
    theirs: object
    note: str = ""  # why, in the words of either

    def __str__(self):
        note = f"\n    said: {self.note}" if self.note else ""
        return f"{self.kind} {short(self.question)}\n    adit: {short(self.ours)}\n    ssh:  {short(self.theirs)}{note}"


@dataclass
class Result:
    compared: int = 0
    differences: list = field(default_factory=list)

    def compare(self, kind, question, ours, theirs, note=""):
        self.compared += 1
        if ours != theirs:
            self.differences.append(Difference(str(self.compared), kind, question, ours, theirs, note))

    def add(self, other):
        for d in other.differences:
            d.place = f"{self.compared}/{d.place}"
        self.compared += other.compared
        self.differences += other.differences


def word(data):
    data = data.encode() if isinstance(data, str) else data
    return data.hex() or "-"


class Answerer:
    """answer.c, as long as there are questions."""

    def __init__(self, program):
        self.program = program
        self.start()

    def start(self):
        self.process = subprocess.Popen([self.program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        env={"ASAN_OPTIONS": "detect_stack_use_after_return=1", "UBSAN_OPTIONS": "print_stacktrace=1"})

    def ask(self, kind, *words):
        self.process.stdin.write(" ".join([kind, *map(word, words)]).encode() + b"\n")
        self.process.stdin.flush()
        lines = []
        for line in self.process.stdout:
            if line == b".\n":
                return lines
            lines.append(line.rstrip(b"\n"))
        said = self.process.stderr.read().decode(errors="replace")
        self.start()
        raise Stopped(f"{kind} {' '.join(map(word, words))}\n{said}")

    def close(self):
        self.process.stdin.close()
        self.process.wait(LIMIT_S)
        self.process.stdout.close()
        self.process.stderr.close()


class World:
    def __init__(self, build, folder, program=None):
        build = Path(build).resolve()
        self.folder, self.keys = Path(folder), Path(__file__).parent.parent / "keys"
        self.answerer = Answerer(str(build / "asan/tests/differential/answer"))
        self.link = self.folder / "bin/ssh"
        self.link.parent.mkdir()
        self.link.symlink_to(Path(program).resolve() if program else build / "adit")
        self.trees = ["/"] + [str(build / "openssh10")] * os.access(build / "openssh10/usr/bin/ssh", os.X_OK)
        self.tree = self.trees[0]
        # The real ssh takes the home folder of the user database, whatever HOME says.
        self.user = pwd.getpwuid(os.getuid()).pw_name
        self.env = {"HOME": pwd.getpwuid(os.getuid()).pw_dir, "PATH": "/usr/bin:/bin", "LC_ALL": "C"}

    def ask(self, kind, *words):
        return self.answerer.ask(kind, *words)

    def run(self, program, *args, data=b""):
        """(status, stdout, stderr). A program that dies by a signal is no answer."""
        run = subprocess.run([program, *args], env=self.env, input=data, capture_output=True, timeout=LIMIT_S, check=False)
        if run.returncode < 0 or b"Sanitizer" in run.stderr:
            raise Stopped(f"{program} {args!r}: {run.returncode}\n{run.stderr.decode(errors='replace')}")
        return run.returncode, run.stdout, run.stderr

    def adit(self, *args):
        return self.run(str(self.link), *args)

    def ssh(self, *args):
        return self.run(os.path.join(self.tree, "usr/bin/ssh"), *args)

    def keygen(self, *args, data=b""):
        return self.run(os.path.join(self.tree, "usr/bin/ssh-keygen"), *args, data=data)

    def put(self, name, data):
        path = self.folder / name
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        path.chmod(0o600)
        return str(path)
