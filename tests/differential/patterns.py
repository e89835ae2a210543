"""Host and Match lines: which blocks are for a host, `ssh -G`. A file has many blocks, each with a name to send."""
import re

from .known_hosts import HOSTS

ROUNDS = 6
BLOCKS = 60


def token(rng, subject):
    """A pattern made from the subject, so that it often matches."""
    for _ in range(rng.choice([0, 1, 1, 2, 3])):
        at = rng.randrange(len(subject) + 1)
        subject = rng.choice([subject[:at] + "*" + subject[at:], subject[:at] + "?" + subject[at + 1:], subject[:at] + "*", "*" + subject[at:],
                              subject[:at] + subject[at + 1:],
                              subject.upper(), subject + rng.choice(".x*?!"), subject[:at] + "**" + subject[at:], "*", "?"])
    if rng.random() < 0.02:
        subject += rng.choice("*x") * rng.choice([800, 1022, 1023, 1024, 1100])
    return rng.choice(["", "", "", "", "!", "!!"]) + subject


def quoted(rng, text):
    return rng.choice([text] * 6 + [f'"{text}"']) if text else '""'


def some(rng, subject, join):
    return join.join(token(rng, rng.choice([subject, subject, rng.choice(HOSTS[:12])])) for _ in range(rng.choice([1, 1, 2, 3])))


def criterion(rng, facts):
    """One of Match's, often true."""
    kind = rng.choice(["host", "originalhost", "user", "localuser", "host", "tagged", "all", "exec"])
    negation = rng.choice(["", "", "", "!"])
    if kind == "all":
        return rng.choice(["all", "all", "ALL", "!all"])
    if kind == "exec":
        return f"{negation}exec {rng.choice(['true', 'false', chr(34) + 'test %h = ' + facts['host'] + chr(34)])}"
    if kind == "tagged":
        kind = rng.choice(["host", "user"])
    name = rng.choice([kind] * 6 + [kind.upper()])
    return f"{negation}{name}{rng.choice([' ', ' ', '='])}{quoted(rng, some(rng, facts[kind], rng.choice([',', ',', ',,'])))}"


def block(rng, facts, number):
    if rng.random() < 0.5:
        words = " ".join(quoted(rng, token(rng, rng.choice([facts["originalhost"], rng.choice(HOSTS[:12])]))) for _ in range(rng.choice([1, 1, 2,
            3])))
        head = f"{rng.choice(['Host', 'Host', 'host', 'HOST'])}{rng.choice([' ', ' ', '=', chr(9)])}{words}"
    else:
        count = rng.choice([1, 1, 2, 3])
        head = "Match " + rng.choice([" ", " ", "  "]).join(criterion(rng, facts) for _ in range(count))
    return f"{head}{rng.choice([''] * 6 + [' ', ' # x'])}\n    SendEnv L{number}\n"


def asked(world, run, path, words):
    """(the bad lines; the blocks that were taken)"""
    code, out, err = run("-F", path, "-G", *words)
    bad = sorted({int(n) for n in re.findall(rb"line (\d+)", err)}) if code else []
    return bad, sorted(int(n) for n in re.findall(rb"^sendenv L(\d+)$", out, re.M))


def play(world, rng, result):
    host = rng.choice([h for h in HOSTS if re.fullmatch(r"[\w.:-]+", h, re.A)])
    user = rng.choice(["me", "Root", "a.b"])
    facts = {"host": host.lower(), "originalhost": host, "user": user, "localuser": world.user}
    blocks = [block(rng, facts, n) for n in range(BLOCKS)]
    for _ in range(3):  # first without what both refuse
        path = world.put("config", "".join(blocks))
        ours, theirs = (asked(world, run, path, ["-l", user, host]) for run in (world.adit, world.ssh))
        if not ours[0] and not theirs[0]:
            break
        for n, text in enumerate(blocks):
            if 2 * n + 1 in ours[0] or 2 * n + 1 in theirs[0]:
                result.compare("a block's line", (host, text), 2 * n + 1 in ours[0], 2 * n + 1 in theirs[0])
        blocks = [b for n, b in enumerate(blocks) if 2 * n + 1 not in ours[0] + theirs[0]]
    for text in blocks:
        number = int(re.search(r"SendEnv L(\d+)", text)[1])
        result.compare("block", (host, user, text), number in ours[1], number in theirs[1])
