"""README's and the manual's keywords are those of the options table, and of ssh_config(5): none is missing, none is too many,
and what a row says of a keyword is what the program does with it."""
import gzip
import os
import re
import subprocess
from pathlib import Path

import pytest

from harness import servers
from harness.client import ADIT

pytestmark = [pytest.mark.usefixtures("adit_only"), pytest.mark.quick]
BLOCKS = {"Host", "Match", "Include"}
TABLE = (servers.ROOT / "client/options_table.c").read_text()
# Debian's ssh has the patches for GSSAPI key exchange; the manual of the project itself does not.
README = (servers.ROOT / "README.md").read_text()
MANUAL = (servers.ROOT / "doc/adit.1").read_text()


def table_rows():
    """Each keyword's state in the options table: BUILT, SESSION, NOTED, LOW, PENDING or FORGET."""
    rows = TABLE[TABLE.index("option_rows[] = {"):TABLE.index("old_names[] = {")]
    rows = re.sub(r"/\*.*?\*/", "", rows, flags=re.S)
    found = {}
    for name, rest in re.findall(r'(?:[A-Z_]+|\{ROW)\("(\w+)"(.*?)(?=(?:[A-Z_]+|\{ROW)\("|$)', rows, re.S):
        states = re.findall(r"\b(BUILT|PENDING|SESSION|NOTED|LOW)\b", rest)
        found[name] = states[0] if states else "FORGET"
    return found


def old_names():
    return set(re.findall(r'\{"(\w+)", "\w+"\}', TABLE[TABLE.index("old_names[] = {"):]))


def readme_rows():
    """[(keywords, what is said of them)] of the table."""
    section = README[README.index("### Keyword by keyword"):README.index("### Differences from ssh")]
    rows = re.findall(r"^\| (`.*?) \| (.*) \|$", section, re.M)
    return [(re.findall(r"`(\w+)`", names), says) for names, says in rows]


def of_manual_page(path):
    """The keywords of ssh_config(5)."""
    with gzip.open(path, "rt") as f:
        text = f.read()
    return {name for name in re.findall(r"^\.It Cm ([A-Z]\w+)", text, re.M)}


def of_dump(program):
    out = subprocess.run([program, "-F", "none", "-G", "h"], capture_output=True, text=True, check=True).stdout
    return {line.split(" ")[0].lower() for line in out.splitlines()}


def test_readme_has_the_options_table():
    listed = [name for names, _ in readme_rows() for name in names]
    assert len(listed) == len(set(listed)), [n for n in listed if listed.count(n) > 1]
    assert set(listed) == set(table_rows()) | old_names() | BLOCKS


def test_rows_say_what_the_table_does():
    """Accepted without effect: those that have a note. Refused: those that are not there yet."""
    states = table_rows()
    for names, says in readme_rows():
        for name in set(names) & set(states):
            state = states[name]
            assert (state == "NOTED") == says.startswith("accepted without effect, with a note"), name
            assert (state == "LOW") == says.startswith("the same, with a note only under `-v`"), name
            assert (state == "FORGET") == says.startswith("accepted without effect: ssh has given them up"), name
            assert (state in ("SESSION", "PENDING")) == says.startswith("refused"), name


def test_nothing_of_ssh_is_missing():
    """Each keyword of ssh_config(5), and each that -G prints, of both releases."""
    ten = Path(servers.openssh10_tree() or "/nowhere")
    known = {name.lower() for name in table_rows()} | {name.lower() for name in BLOCKS | old_names()}
    looked = 0
    for page in ("/usr/share/man/man5/ssh_config.5.gz", ten / "usr/share/man/man5/ssh_config.5.gz"):
        if os.access(page, os.R_OK):
            keywords = {name.lower() for name in of_manual_page(page)}
            assert len(keywords) > 90 and keywords - known == set()
            looked += 1
    for program in ("/usr/bin/ssh", ten / "usr/bin/ssh"):
        if os.access(program, os.X_OK):
            assert of_dump(str(program)) - known == set()
            looked += 1
    assert looked > 0


def test_the_manual_has_every_keyword():
    """But old names and those that ssh has given up."""
    said = set(re.findall(r"\b[A-Z]\w+", MANUAL))
    wanted = {name for name, state in table_rows().items() if state != "FORGET" and not name.startswith("GSSAPI")}
    assert wanted - said == set()
    assert "begin with\n.Cm GSSAPI" in MANUAL


def accepts(*options):
    run = subprocess.run([ADIT, "-F", "none", *[x for o in options for x in ("-o", o)], "-G", "h"], capture_output=True, text=True, check=False)
    return run.returncode == 0, run.stderr


@pytest.mark.parametrize("name", sorted(old_names()))
def test_old_names(name):
    """An old name is its new one's: the same complaint about a value that nobody takes."""
    ok, said = accepts(f"{name}=")
    assert not ok and "no argument after keyword" in said


def test_any_other_keyword_is_refused():
    ok, said = accepts("NoSuchKeyword=yes")
    assert not ok and "Bad configuration option: nosuchkeyword" in said


# ---- adit.conf

def conf_rows():
    """The keywords of adit.conf's three tables."""
    return {part: set(re.findall(r'^    \{\.name = "(\w+)"', (servers.ROOT / f"daemon/conf_{part}.c").read_text(), re.M))
            for part in ("daemon", "profile", "tunnel")}


def test_the_manual_of_the_configuration_has_every_keyword():
    """Each in its section, and no other one."""
    page = (servers.ROOT / "doc/adit.conf.5").read_text()
    sections = dict(re.findall(r"^\.Sh ([A-Z ]+)$(.*?)(?=^\.Sh |\Z)", page, re.M | re.S))
    for part, heading in (("daemon", "THE DAEMON"), ("profile", "PROFILES"), ("tunnel", "TUNNELS")):
        rows = conf_rows()[part]
        assert len(rows) > 5
        assert set(re.findall(r"^\.It Cm (\w+)", sections[heading], re.M)) == rows, part


# ---- flags

FLAGS = {  # ssh(1), of 9.2 and 10.0, and what it does not tell of: each flag that its getopt knows, with whether it takes a value
    **dict.fromkeys("1246AaCfGgKkMNnqsTtVvXxYy", False), **dict.fromkeys("BbcDEeFIiJLlmOoPpQRSWw", True)}


def readme_flags():
    """{flag: what is said of it}"""
    section = README[README.index("### Flag by flag"):README.index("### Keyword by keyword")]
    rows = re.findall(r"^\| (`-.*?) \| (.*) \|$", section, re.M)
    return {flag: says for flags, says in rows for flag in re.findall(r"`-(\w)`", flags)}


def test_every_flag_has_its_row():
    """In README, in the manual, and in no other row; ours alone is -h."""
    section = README[README.index("### Flag by flag"):README.index("### Keyword by keyword")]
    cells = [flag for row in re.findall(r"^\| (`-.*?) \|", section, re.M) for flag in re.findall(r"`-(\w)`", row)]
    assert sorted(cells) == sorted([*FLAGS, "h"])
    manual = {c for line in re.findall(r"^\.(?:It )?Fl (.*)$|^\.It Fl (.*)$", MANUAL, re.M) for c in re.findall(r"(?:^|[ ,])(\w)(?= |,|$)", " ".join(line))}
    assert set(FLAGS) - manual == set()


VALUES = {"B": "lo", "b": "127.0.0.1", "c": "aes128-ctr", "D": "1", "E": "/dev/null", "e": "none", "F": "none", "I": "/x", "i": "/dev/null",
          "J": "hop", "L": "1:h:1", "l": "me", "m": "hmac-sha2-256", "O": "check", "o": "Port=1", "P": "tag", "p": "1", "Q": "mac",
          "R": "1:h:1", "S": "none", "W": "h:1", "w": "0:0"}


@pytest.mark.parametrize("flag", sorted(FLAGS))
def test_flag_as_its_row_says(flag):
    """Refused, with a note, or taken without a word."""
    says = readme_flags()[flag]
    words = [f"-{flag}", VALUES[flag]] if FLAGS[flag] else [f"-{flag}"]
    run = client("-G", *words, "h", "true")
    if says.startswith("refused"):
        assert run.returncode == 255 and f"-{flag}" in run.stderr
    elif flag == "V":
        assert run.returncode == 0 and run.stdout == "" and run.stderr.startswith("adit ")
    elif flag == "O":
        for word in ("check", "forward", "cancel", "exit", "stop"):
            assert word in says and "No ControlPath specified" in client("-O", word, "h").stderr
        refused = re.findall(r"`(\w+)`", says)
        assert refused
        for word in refused:
            assert f"-O {word} is not supported" in client("-O", word, "h").stderr
    else:
        assert run.returncode == 0 and run.stdout != "", run.stderr
        run = client(*words, "-G" if flag == "Q" else "-oProxyCommand=exit 1", "h", "true")
        assert ("no effect" in run.stderr) == ("with a note" in says and flag != "K"), run.stderr


def client(*words):
    return subprocess.run([ADIT, "-F", "none", *words], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, timeout=30)
