"""The arithmetic of bench/: medians, ratios, the tables; what is missing is seen. The figures themselves: make check-bench."""
import json
import os
import re
import subprocess
import sys

import pytest

from harness.servers import ROOT, Relay

sys.path.append(str(ROOT / "bench"))

import clients  # noqa: E402
import cpu  # noqa: E402
import figures  # noqa: E402
import load  # noqa: E402
import run  # noqa: E402
import table  # noqa: E402
import trips  # noqa: E402

pytestmark = pytest.mark.quick


def results(better="more", unit="MB/s", name="download: rate", **cells):
    made = table.Results()
    made.announce(name, "Bulk", unit, better, list(cells))
    for program, values in cells.items():
        for value in values:
            made.add(name, program, value)
    return made


def report_of(made):
    machine = {"cpu": "A CPU", "cores": 2, "kernel": "Linux 6", "sshd": "OpenSSH_9",
               "versions": {"adit": "adit 1", "relay rw": "traffic"}, "agreed": {"adit": {"cipher": "c", "mac": "<implicit>"}}}
    return {"date": "2026-01-01", "reps": 3, "machine": machine, "figures": made.figures()}


def test_median_and_bounds():
    assert table.summary([3, 1, 2]) == {"values": [3, 1, 2], "median": 2, "min": 1, "max": 3}
    assert table.summary([4, 1])["median"] == 2.5


@pytest.mark.parametrize("ours, theirs, better, expected", [
    (200, 100, "more", 2), (100, 200, "more", 0.5), (1, 4, "less", 4), (4, 1, "less", 0.25),
    (0, 1, "less", None), (1, 0, "more", None), (-3, 1, "less", None)])
def test_ratio_above_one_is_better(ours, theirs, better, expected):
    assert table.ratio(ours, theirs, better) == expected


def test_ratio_is_of_the_medians():
    f, = results(adit=[10, 30, 20], ssh=[10, 10, 40], dbclient=[5]).figures()
    assert f["programs"]["adit"]["ratio"] == 2 and f["programs"]["dbclient"]["ratio"] == 0.5
    assert "ratio" not in f["programs"]["ssh"]
    f, = results("less", adit=[2], ssh=[8]).figures()
    assert f["programs"]["adit"]["ratio"] == 4


def test_no_ratio_without_ssh():
    f, = results(adit=[1], ssh=[table.Failure("gone")]).figures()
    assert "ratio" not in f["programs"]["adit"] and f["programs"]["ssh"] == {"failed": "gone"}
    assert table.ratio_text(f) == ""


def test_every_failure_is_listed():
    made = results(adit=[1, table.Failure("it broke"), 3], ssh=[], dbclient=[table.Absence("no -D")], relay=[float("nan")])
    assert [(p, why.split(":")[0]) for _, p, why in made.failures()] == [
        ("adit", "it broke"), ("ssh", "no number"), ("relay", "no number")]
    cells = made.figures()[0]["programs"]
    assert cells["adit"] == {"failed": "it broke"} and cells["dbclient"] == {"absent": "no -D"}
    assert "failed" in cells["ssh"]


def test_against_the_relay():
    """CPU a GB divided by the relay's median, and still to ssh."""
    made = results("less", "s/GB", "download, aes128-gcm: CPU", adit=[0.8, 0.6], ssh=[1.4])
    made.announce("download, default cipher: CPU", "Bulk", "s/GB", "less", ["adit", "relay rw"])
    for value in (0.4, 0.5, 0.3):
        made.add("download, default cipher: CPU", "relay rw", value)
    against = [f for f in made.figures() if f["section"].startswith("Against")]
    assert len(against) == 1
    cells = against[0]["programs"]
    assert cells["adit"]["values"] == pytest.approx([2, 1.5]) and cells["ssh"]["median"] == pytest.approx(3.5)
    assert cells["adit"]["ratio"] == pytest.approx(2)


@pytest.mark.parametrize("value, text", [(0, "0"), (0.01234, "0.0123"), (0.5, "0.500"), (12.34, "12.3"), (123.4, "123"),
                                         (12345.6, "12,346"), (-45.67, "-45.7")])
def test_numbers(value, text):
    assert table.number(value) == text


def test_tables():
    made = results(adit=[10, 20, 30], ssh=[5, 5, 5], dbclient=[table.Absence("no -D")])
    report = json.loads(json.dumps(report_of(made)))
    assert re.search(r"download: rate +MB/s +20.0 \(10.0..30.0\) +5.00 \(5.00..5.00\) +no -D +4.00x\n", table.text(report))
    text = table.markdown(report)
    assert "| download: rate | MB/s | 20.0 (10.0..30.0) | 5.00 (5.00..5.00) | no -D | 4.00x |" in text
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in rows}) == 1
    assert text.startswith("2026-01-01, A CPU, 2 cores")


def test_tables_of_the_readme_are_replaced():
    before, after = f"above\n{table.BEGIN}\n", f"{table.END}\nbelow\n"
    assert table.put_between(before + "old\n" + after, "new\n") == before + "new\n" + after
    assert table.put_between(before + after, "new\n") == before + "new\n" + after
    assert table.put_between("no place for it", "new\n") == "new\n"
    assert table.put_between((ROOT / "README.md").read_text(), "new\n").count("\nnew\n") == 1


def test_check_wants_a_number_of_both():
    """A failure, a zero, a program that was forgotten: each is found. Absent with its reason is none of these."""
    assert list(run.not_numbers(report_of(results(adit=[1], ssh=[2])))) == []
    assert list(run.not_numbers(report_of(results(adit=[table.Absence("not built yet")], ssh=[2])))) == []
    for cells in ({"adit": [0], "ssh": [1]}, {"adit": [1]}, {"adit": [1], "ssh": []},
                  {"adit": [table.Failure("x")], "ssh": [1]}):
        assert len(list(run.not_numbers(report_of(results(**cells))))) == 1


@pytest.mark.parametrize("plan", [figures.Plan(), figures.QUICK], ids=["full", "quick"])
def test_the_list_of_figures(plan):
    """Every row has a name of its own; quick leaves none out."""
    measures = list(figures.all_measures(plan))
    rows = [m.row(f) for m in measures for f in m.figures]
    assert len(rows) == len(set(rows))
    assert len(rows) == len([f for m in figures.all_measures(figures.Plan()) for f in m.figures])
    assert all(f.better in ("more", "less") for m in measures for f in m.figures)
    assert all({"adit", "ssh"} <= set(m.programs) for m in measures)
    for _, _, row, relay_row in table.AGAINST_RELAY:
        assert row in rows and relay_row in rows


def test_cpu_time_of_a_busy_child():
    """The kernel's accounting sees what a process spends, and nothing of one that sleeps."""
    code = "import time\nwhile time.process_time() < 0.2: pass\nprint('spent', flush=True)\ninput()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout.readline() == "spent\n"
        spent = cpu.seconds([child.pid])
        assert spent >= 0.19
        assert cpu.seconds([child.pid]) - spent < 0.1  # it waits for a line
        assert cpu._ticks_s(child.pid) == pytest.approx(spent, abs=0.05)
        assert 0 < cpu.pss([child.pid]) <= cpu.rss([child.pid]) <= cpu.peak([child.pid])
        assert os.path.realpath(sys.executable) in cpu.mapped_files([child.pid])
        child.stdin.write("\n")
        child.stdin.flush()


def test_a_failing_load_says_why(tmp_path):
    """A load that ends without its JSON is an error with what it said."""
    tool = tmp_path / "tool"
    tool.write_text("#!/bin/sh\necho begin\necho 'traffic: it broke' >&2\nexit 1\n")
    tool.chmod(0o755)
    with pytest.raises(load.LoadError, match="it broke"):
        load.Load(tool, "down", 1).finish()


def test_the_slow_line_keeps_its_rate(service):
    """tests/tools/relay.c -r: a second's worth of bytes takes a second, and not much more is under way before."""
    import time

    from harness import traffic
    rate, size = 1_000_000, 1_000_000
    path = Relay(service(traffic.source, size).port, "-r", str(rate))
    try:
        start = time.monotonic()
        got, _ = traffic.download(("127.0.0.1", path.port))
        assert got == size
        # The line's queue never hands on faster than the rate, whatever the load of this machine is.
        assert time.monotonic() - start >= 0.9 * size / rate
    finally:
        path.stop()


class Refusing:
    """A program, and a world, in which nothing but its refusal is asked for."""

    @staticmethod
    def env():
        return dict(os.environ)

    @staticmethod
    def refusal(said):
        return clients.Failed(f"it says: {said}")


def test_a_refusal_before_the_first_byte_is_told(monkeypatch):
    """The program may have ended before a byte could be written to it: what counts is what it said."""
    def write(fd, data):
        raise BrokenPipeError
    monkeypatch.setattr(trips.os, "write", write)
    with pytest.raises(clients.Failed, match="it says: no such thing"):
        trips._exec_once(Refusing, Refusing, ["sh", "-c", "echo no such thing >&2; exit 2"])
