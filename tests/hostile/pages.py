"""doc/hostile-peers.md: the table of the clients, from the verdicts."""
import collections
import re

from .case import ALL
from .reasons import LACKS, REASONS, TASTE, WRONG

CLASSES = (  # what a case is about: the first that fits its name
    ("Text with escapes, controls, bidirectional characters, invalid UTF-8", r"^text-|escapes|-nasty-|list-of-controls|signal-name"),
    ("Certificates", r"^certificate-|^cut-certificate"),
    ("Compression", r"zlib"),
    ("Sequence numbers that wrap, keys used too often", r"^numbers-"),
    ("Strict key exchange, prefix truncation", r"^strict-|^lax-"),
    ("Cut off at every byte, trailing bytes", r"^cut-|-cut-\d|trailing|-short$|-cut$"),
    ("Inner lengths that lie", r"^lie-|lies|-says-|-lie$"),
    ("Frames: length, padding, MAC and tag, replay, order", r"^packet-|^machine-spoilt"),
    ("Shares and points", r"^share-|^machine-(mlkem|sntru)"),
    ("Signatures", r"^signature-"),
    ("Host keys, and their change at a re-exchange", r"^host-key-|^machine-reply"),
    ("hostkeys-00 and its proofs", r"hostkeys-"),
    ("Forwarded Unix sockets", r"^streamlocal-"),
    ("Floods and what does not end", r"flood|for-ever|storm|endless|burst|hundred|many|huge|bomb"),
    ("Silence, slowness", r"^silence-|^slow-|^late-|^bytes-|^drip-|single-bytes"),
    ("The connection ends at a step", r"^end-|^gone-"),
    ("Identification string", r"^version-"),
    ("Negotiation", r"^kexinit-"),
    ("Messages out of order", r"^order-|^unknown-|^machine-"),
    ("Extension info and pings", r"^ext-info-|^ping-"),
    ("Re-exchanges", r"^rekey-"),
    ("Authentication", r"^auth-|^banner-"),
    ("Windows and sizes", r"^window-"),
    ("Channels that are not there, double and late messages", r"^channel-|^close-|twice|after-close|after-eof"),
    ("Channels that nobody asked for, forwards", r"^open-|^remote-"),
    ("A remote command", r"^command-"),
    ("Requests", r"^global-"),
)

HEAD = """# Hostile servers

What {names} do with a server that is honest up to one moment:
{count:,} cases of `tests/hostile/`, each a state, what is sent there, the document that requires something of a client, and
what is right. Made by `make hostile-table`; `make check` plays every case against adit alone, plain and with sanitizers, and those
besides that others cannot be asked: sequence numbers that wrap, its own agents, files and listeners ({all:,} in all).

A client is **right** when it ends with an error and a status that is not 0 (where a case asks for an end; adit: 255, and the words
that the case names), when bytes go through a forward afterwards (where it must carry on), or when that channel alone is refused
and the others work; within 5 seconds of the offence and the timeout that is configured, within 4 MiB above what an idle session of
that client holds, and with nothing on its standard error that a terminal would obey. These are adit's own terms, stricter than
the RFCs in places: where a client does what its RFC allows, the table says *taste*, with the sentence that allows it. A verdict
against a client fell three times, and time that the machine or the runner gave to others does not count. Each client had 1 GiB
of memory and a minute of processor time.

The clients are Debian 12's packages with their default configuration but for what a case names. dbclient is not asked where its
command line has no such option, or it no such algorithm.
"""


def class_of(case):
    return next((title for title, pattern in CLASSES if re.search(pattern, case.name)), "Others")


def reason(name, record):
    """(verdict, words) of a deviation, or None."""
    for who, cases, outcome, verdict, words in REASONS:
        if name in who and re.search(cases, record["case"]) and re.search(outcome, record["wrong"]):
            return verdict, words
    return None


def shorten(names, at_most=4):
    """Names with what they share said once."""
    names = sorted(names)
    return ", ".join(f"`{n}`" for n in names[:at_most]) + (f" and {len(names) - at_most} more" if len(names) > at_most else "")


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(str(cell).replace("|", "/") for cell in row) + " |" for row in rows]) + "\n"


class Judgement:
    """Of one client: how each of its cases counts."""

    def __init__(self, contender, records):
        self.contender, self.records = contender, records
        self.groups, self.verdicts, self.unexplained = collections.defaultdict(list), {}, []
        for name, record in records.items():
            self.verdicts[name] = self.verdict(name, record)

    def verdict(self, name, record):
        if not record["wrong"]:
            return "right"
        why = reason(self.contender.name, record)
        if why is None:
            self.unexplained.append(f"{self.contender.label}: {name}: {record['wrong'].splitlines()[0][:150]}")
            return WRONG
        self.groups[why].append(name)
        return why[0]

    def cell(self, names):
        count = collections.Counter(self.verdicts[n] for n in names if n in self.verdicts)
        asked = sum(count.values()) - count[LACKS]
        if not asked:
            return "-"
        parts = [f"{count['right']} of {asked}"] + [f"{count[v]} {v}" for v in (TASTE, WRONG) if count[v]]
        return ", ".join(parts)


def summary(judged, cases):
    by_class = collections.defaultdict(list)
    for c in cases:
        by_class[class_of(c)].append(c.name)
    order = [title for title, _ in CLASSES if title in by_class] + [t for t in by_class if t == "Others"]
    rows = [(title, len(by_class[title]), *(j.cell(by_class[title]) for j in judged)) for title in order]
    rows.append(("**all**", len(cases), *(f"**{j.cell([c.name for c in cases])}**" for j in judged)))
    return table(("class", "cases", *(j.contender.label for j in judged)), rows)


def deviations(judged, by_name):
    text = []
    for j in judged:
        for verdict, title in ((WRONG, "gets wrong"), (TASTE, "does otherwise, as it may"), (LACKS, "was not asked after all")):
            groups = sorted(((why, names) for why, names in j.groups.items() if why[0] == verdict), key=lambda g: -len(g[1]))
            if groups:
                rows = [(len(names), shorten(names), ", ".join(sorted({by_name[n].requires for n in names})[:3]), why[1]) for why, names in groups]
                text.append(f"\n## What {j.contender.label} {title}\n\n" + table(("cases", "which", "required by", "what it does"), rows))
    return "".join(text)


def page(found, results, cases):
    """The document, and the deviations that reasons.py does not explain."""
    cases = [c for c in cases if any(c.name in records for records in results.values())]
    judged = [Judgement(c, results[c.name]) for c in found]
    names = ", ".join(c.label for c in found[:-1]) + f" and {found[-1].label}"
    unexplained = [line for j in judged for line in j.unexplained]
    text = HEAD.format(names=names, count=len(cases), all=len(ALL)) + "\n## By class\n\n" + summary(judged, cases)
    text += deviations(judged, {c.name: c for c in cases})
    if unexplained:
        text += "\n## Not explained yet\n\n" + "".join(f"- {line}\n" for line in unexplained)
    return text, unexplained
