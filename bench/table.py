"""The figures as numbers: medians and ratios, JSON, the table on a terminal and the one of the README."""
import math
import statistics

REFERENCE = "ssh"
BEGIN, END = "<!-- figures: bench/run.py --markdown -->", "<!-- end of the figures -->"
# Rows that compare with the plain relay: (section, name, the row of a client, the row of the relay).
AGAINST_RELAY = [("Against the plain read/write relay", f"CPU of a {kind}, {cipher}: of the relay's",
                  f"{kind}, {cipher}: CPU", f"{kind}, default cipher: CPU")
                 for cipher in ("aes128-gcm", "aes256-gcm") for kind in ("download", "upload")]


class Failure(str):
    """Why a figure could not be measured."""


class Absence(str):
    """Why a program does not have it."""


def summary(values):
    """What the runs of one program give."""
    return {"values": values, "median": statistics.median(values), "min": min(values), "max": max(values)}


def ratio(ours, theirs, better):
    """How much better `ours` is, above 1: better; None when there is nothing to divide by."""
    above, below = (ours, theirs) if better == "more" else (theirs, ours)
    return above / below if above > 0 and below > 0 else None


class Results:
    """Rows in the order in which they were announced. A cell is a list of values, a Failure or an Absence."""

    def __init__(self):
        self.rows = {}

    def announce(self, name, section, unit, better, programs):
        self.rows[name] = {"name": name, "section": section, "unit": unit, "better": better,
                           "cells": {p: [] for p in programs}}

    def add(self, name, program, value):
        cell = self.rows[name]["cells"]
        if isinstance(value, (Failure, Absence)):
            cell[program] = value
        elif isinstance(cell[program], list):
            cell[program].append(value)

    def failures(self):
        """(row, program, why) of everything that was announced and is not there."""
        for row in self.rows.values():
            for program, cell in row["cells"].items():
                if isinstance(cell, Failure):
                    yield row["name"], program, str(cell)
                elif not isinstance(cell, Absence) and (not cell or not all(math.isfinite(v) for v in cell)):
                    yield row["name"], program, f"no number: {cell}"

    def figures(self):
        """As in the JSON."""
        out = [_figure(row) for row in self.rows.values()]
        by_name = {f["name"]: f for f in out}
        return out + [f for f in (_against_relay(by_name, *a) for a in AGAINST_RELAY) if f]


def _figure(row):
    programs = {}
    for program, cell in row["cells"].items():
        if isinstance(cell, Failure):
            programs[program] = {"failed": str(cell)}
        elif isinstance(cell, Absence):
            programs[program] = {"absent": str(cell)}
        else:
            programs[program] = summary(cell) if cell else {"failed": "no value"}
    _add_ratios(programs, row["better"])
    return {k: row[k] for k in ("name", "section", "unit", "better")} | {"programs": programs}


def _add_ratios(programs, better):
    theirs = programs.get(REFERENCE, {}).get("median")
    for name, cell in programs.items():
        if name != REFERENCE and theirs is not None and "median" in cell:
            cell["ratio"] = ratio(cell["median"], theirs, better)


def _against_relay(by_name, section, name, row, relay_row):
    """The clients' cells of a row, divided by the relay's median."""
    relay = by_name.get(relay_row, {"programs": {}})["programs"].get("relay rw", {}).get("median")
    if row not in by_name or not relay:
        return None
    programs = {p: summary([v / relay for v in cell["values"]])
                for p, cell in by_name[row]["programs"].items() if "values" in cell}
    _add_ratios(programs, "less")
    return {"name": name, "section": section, "unit": "x", "better": "less", "programs": programs}


def number(value):
    """Three digits that count."""
    if value == 0:
        return "0"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:,.{min(digits, 4)}f}"


def cell_text(cell, with_range=True):
    if cell is None:
        return ""
    if "failed" in cell:
        return f"failed: {cell['failed']}"
    if "absent" in cell:
        return cell["absent"]
    text = number(cell["median"])
    return f"{text} ({number(cell['min'])}..{number(cell['max'])})" if with_range and len(cell["values"]) > 1 else text


def ratio_text(figure):
    value = figure["programs"].get("adit", {}).get("ratio")
    return "" if value is None else f"{number(value)}x"


def programs_of(figures):
    """The columns."""
    return list(dict.fromkeys(p for f in figures for p in f["programs"]))


def sections(figures):
    """[(title, its figures)], in order."""
    found = {}
    for f in figures:
        found.setdefault(f["section"], []).append(f)
    return list(found.items())


def text(report):
    """For a terminal."""
    lines = [machine_line(report), "median (min..max); ratio: adit to ssh, above 1 is better for adit"]
    for title, figures in sections(report["figures"]):
        programs = programs_of(figures)
        rows = [[title, "unit", *programs, "ratio"]]
        rows += [[f["name"], f["unit"], *(cell_text(f["programs"].get(p)) for p in programs), ratio_text(f)] for f in figures]
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        lines += [""] + ["  ".join(c.ljust(w) for c, w in zip(row, widths)).rstrip() for row in rows]
    return "\n".join(lines) + "\n"


def machine_line(report):
    m = report["machine"]
    agreed = "; ".join(f"{name} {a['cipher']}{'' if a['mac'] == '<implicit>' else ' with ' + a['mac']}"
                       for name, a in m["agreed"].items())
    versions = "; ".join(f"{name}: {v}" for name, v in m["versions"].items() if not name.startswith("relay"))
    return (f"{report['date']}, {m['cpu']}, {m['cores']} cores, {m['kernel']}; sshd: {m['sshd']}; {versions}. "
            f"Default ciphers: {agreed}. {report['reps']} repetitions.")


def markdown(report):
    """The README's table: a row a figure, a column a program."""
    out = [machine_line(report), ""]
    for title, figures in sections(report["figures"]):
        here = programs_of(figures)
        out += [f"| {title} | unit | {' | '.join(here)} | adit to ssh |", "|---|---|" + "---|" * (len(here) + 1)]
        out += [f"| {f['name']} | {f['unit']} | " + " | ".join(cell_text(f["programs"].get(p)) for p in here)
                + f" | {ratio_text(f)} |" for f in figures]
        out.append("")
    return "\n".join(out)


def put_between(text, new):
    """text with `new` between its lines BEGIN and END; `new` alone when it has none."""
    if BEGIN not in text or END not in text:
        return new
    return text[:text.index(BEGIN) + len(BEGIN)] + "\n" + new + text[text.index(END):]
