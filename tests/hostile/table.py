"""What adit, OpenSSH's ssh and dropbear's dbclient do with the same cases: make hostile-table writes it."""
import shutil
import subprocess

from .case import CARRY_ON, ERROR

HEAD = """# Hostile servers

What three clients do with a server that is honest up to one moment. Made by `make hostile-table` from the cases of
`tests/hostile/`, all in one run; `make check` plays them against adit alone, plain and with sanitizers.

A client is right when it ends with an error and a status that is not 0 (*error*; adit: 255, and the words that the case
names), when bytes go through a forward afterwards (*carry on*), or when that channel alone is refused and the others work
(*refuse*); within 5 seconds of the offence and the timeout that is configured, and, adit, within 4 MiB above an idle session.
"""


def version(words):
    try:
        done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        return done.stdout.split("\n")[0].split(",")[0].strip()
    except OSError:
        return words[0]


def clients(args):
    """Name, what it is called in the table, program."""
    found = [("adit", "adit", args.plain)]
    for name, words in (("ssh", ["ssh", "-V"]), ("dbclient", ["dbclient", "-V"])):
        if shutil.which(name):
            found.append((name, version(words), shutil.which(name)))
    return found


def suits(case, name):
    """dbclient has neither the options that some cases need nor certificates and -v."""
    if name == "dbclient" and (case.options or "certificate" in case.name):
        return False
    return case.only in ("all", name)


def cell(outcome):
    if outcome is None:
        return "-"
    return "right" if not outcome.wrong else outcome.wrong.split(":")[0].replace("|", "/")[:60]


async def write(args, runner, cases):
    """Every case, once with each client."""
    results, names = {}, []
    for name, label, program in clients(args):
        outcomes, _ = await runner.all([c for c in cases if suits(c, name)], program, name, name == "adit")
        results[name] = {o.case.name: o for o in outcomes}
        names.append((name, label))
        print(f"hostile: {label}: {sum(not o.wrong for o in outcomes)} of {len(outcomes)} right")
    with open(args.table, "w", encoding="utf-8") as f:
        f.write(HEAD)
        f.write("\n| | " + " | ".join(label for _, label in names) + " |\n|---|" + "---|" * len(names) + "\n")
        for what in (ERROR, CARRY_ON, "refuse_channel"):
            counted = [c for c in cases if c.expect == what]
            f.write(f"| {what.replace('_', ' ')}: {len(counted)} cases | " + " | ".join(
                str(sum(not results[n][c.name].wrong for c in counted if c.name in results[n])) + " right" for n, _ in names) + " |\n")
        f.write("\n## Where one of them is wrong\n\nAll others: all right. A case that two of them get wrong in the same way stands in one line.\n\n")
        f.write("| case | what the server does | requires | right is | " + " | ".join(n for n, _ in names) + " |\n|---|---|---|---|" + "---|" * len(names) + "\n")
        for c in cases:
            row = [results[n].get(c.name) for n, _ in names]
            if any(o and o.wrong for o in row):
                f.write(f"| {c.name} | {c.sends.replace('|', '/')} | {c.requires} | {c.expect.replace('_', ' ')} | " +
                        " | ".join(cell(o) for o in row) + " |\n")
    return all(not o.wrong for o in results["adit"].values())
