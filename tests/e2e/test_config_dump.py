"""Configuration files: `adit -G` through a link named ssh prints what the real `ssh -G` prints, keyword by keyword, and
refuses what it refuses, at the same file and line. The files are those of configs/: a comment at the head says with
which arguments (args), and whether the peer must be OpenSSH 10 for it (peer). @DIR@ stands for the folder."""
import os
import pwd
import re
import subprocess
from collections import defaultdict
from pathlib import Path

import pytest

from harness.client import ADIT

pytestmark = pytest.mark.usefixtures("adit_only")
CONFIGS = Path(__file__).parent / "configs"
GOOD = sorted(CONFIGS.glob("*.conf"))
BAD = sorted((CONFIGS / "bad").glob("*.conf"))
# Lists of algorithms hang on what a program can do; GSSAPI is compiled in by Debian alone.
LISTS = {"ciphers", "macs", "kexalgorithms", "hostkeyalgorithms", "hostbasedacceptedalgorithms", "pubkeyacceptedalgorithms",
         "casignaturealgorithms"}


def head(path):
    """The `# key: value` lines at the head of a file."""
    found = {}
    for line in path.read_bytes().decode().split("\n"):
        match = re.match(r"# (\w+): (.*)$", line)
        if not match:
            break
        found[match[1]] = match[2].strip()
    return found


@pytest.fixture
def configs(tmp_path):
    """A copy of the files that only we can write to, with the folder's name filled in."""
    for path in [*GOOD, *BAD, *(CONFIGS / "include").iterdir()]:
        copy = tmp_path / path.relative_to(CONFIGS)
        copy.parent.mkdir(exist_ok=True)
        copy.write_bytes(path.read_bytes().replace(b"@DIR@", str(tmp_path).encode()))
        copy.chmod(0o644)
    return tmp_path


@pytest.fixture
def link(tmp_path):
    path = tmp_path / "ssh"
    path.symlink_to(ADIT)
    return str(path)


def peers(wants):
    """The real ssh of the machine, and OpenSSH 10 where it is."""
    ten = Path(os.environ.get("ADIT_OPENSSH10", "/nowhere")) / "usr/bin/ssh"
    found = [] if wants == "10" else ["/usr/bin/ssh"]
    found += [str(ten)]
    found = [program for program in found if os.access(program, os.X_OK)]
    if not found:
        pytest.skip("no ssh to compare with")
    return found


def dump(program, path, args):
    """(status, stdout, stderr) of -G. The real ssh takes the home folder of the user database, whatever HOME says."""
    env = {"HOME": pwd.getpwuid(os.getuid()).pw_dir, "PATH": os.environ["PATH"]}
    run = subprocess.run([program, "-F", str(path), "-G", *args], env=env, stdin=subprocess.DEVNULL, capture_output=True,
                         text=True, timeout=60, check=False)
    return run.returncode, run.stdout, run.stderr


def by_keyword(text):
    """The values of each keyword. OpenSSH 10 has forgotten DSA and with it one default file; where BatchMode is yes
    Debian's ssh has a ServerAliveInterval of its own."""
    found = defaultdict(list)
    for line in text.splitlines():
        keyword, _, value = line.partition(" ")
        if not keyword.startswith("gssapi") and line != "identityfile ~/.ssh/id_dsa":
            found[keyword].append(value)
    if found["batchmode"] == ["yes"] and found["serveraliveinterval"] == ["300"]:
        found["serveraliveinterval"] = ["0"]
    return dict(found)


def args_of(path):
    return head(path).get("args", "h").split()


@pytest.mark.quick
@pytest.mark.parametrize("path", GOOD, ids=lambda p: p.stem)
def test_the_same_lines(configs, link, path):
    """Each keyword that the real ssh prints has the same values in the same order."""
    about = head(path)
    ours = dump(link, configs / path.name, args_of(path))
    assert ours[0] == 0, ours[2]
    mine = by_keyword(ours[1])
    for program in peers(about.get("peer")):
        code, out, err = dump(program, configs / path.name, args_of(path))
        assert code == 0, err
        theirs = {k: v for k, v in by_keyword(out).items() if k != about.get("skip")}
        assert set(theirs) - set(mine) == set()
        skipped = set() if "lists" in about else LISTS
        wrong = {k: (v, mine[k]) for k, v in theirs.items() if k not in skipped and mine[k] != v}
        assert wrong == {}, program


@pytest.mark.quick
def test_the_same_order(configs, link):
    """The lines come in the order of the real ssh's."""
    path = configs / "02-basics.conf"
    for program in peers(None):
        theirs = [k for k in by_keyword(dump(program, path, ["h"])[1])]
        ours = [k for k in by_keyword(dump(link, path, ["h"])[1]) if k in theirs]
        assert ours == theirs


# ssh's own lines of these cannot be read back: the second SetEnv would lose, a control character is written as \\^X, an
# interval without its name.
NOT_READ_BACK = {"setenv", "escapechar", "obscurekeystroketiming"}


@pytest.mark.quick
@pytest.mark.parametrize("path", [p for p in GOOD if "readback" not in head(p)], ids=lambda p: p.stem)
def test_read_back(configs, link, path):
    """The lines as a configuration file give the same lines again."""
    first = [line for line in dump(link, configs / path.name, args_of(path))[1].splitlines()
             if line.split(" ")[0] not in NOT_READ_BACK and "[socks]" not in line]
    again = configs / "again.conf"
    again.write_text("".join(line + "\n" for line in first))
    code, out, err = dump(link, again, [first[0].split(" ")[1]])
    assert code == 0, err
    assert [line for line in out.splitlines() if line.split(" ")[0] not in NOT_READ_BACK] == first


@pytest.mark.quick
@pytest.mark.parametrize("path", BAD, ids=lambda p: p.stem)
def test_the_same_errors(configs, link, path):
    """Status 255, nothing on stdout, and the file and line of the real ssh."""
    about = head(path)
    where = configs / "bad" / path.name
    place = rf"{re.escape(str(configs / 'include' / about['file']) if about.get('file') else str(where))}:? line {about['line']}\b"
    ours = dump(link, where, ["h"])
    assert ours[:2] == (255, "")
    if about["line"] != "0":
        assert re.search(place, ours[2]), ours[2]
    else:
        assert "Too many recursive configuration includes" in ours[2]
    for program in peers(about.get("peer")):
        code, out, err = dump(program, where, ["h"])
        assert (code, out) == (255, ""), program
        assert about["line"] == "0" or re.search(place, err), err


@pytest.mark.quick
def test_modes(configs, link):
    """An included file that others may write to is refused; one of -F is not looked at, as in ssh."""
    open_file = configs / "01-empty.conf"
    open_file.chmod(0o666)
    outer = configs / "outer.conf"
    outer.write_text(f"Include {open_file}\n")
    for program in [link, *peers(None)]:
        assert dump(program, open_file, ["h"])[0] == 0
        code, out, err = dump(program, outer, ["h"])
        assert (code, out) == (255, "") and "Bad owner or permissions on" in err


@pytest.mark.quick
def test_folder_among_includes(configs, link):
    """A folder that an Include's pattern finds is passed over; not so one that others may write to."""
    (configs / "parts" / "old").mkdir(parents=True)
    (configs / "parts" / "zed").write_text("Port 4022\n")
    outer = configs / "outer.conf"
    outer.write_text(f"Include {configs}/parts/*\nInclude {configs}/parts\n")
    for program in [link, *peers(None)]:
        (configs / "parts" / "old").chmod(0o755)
        code, out, err = dump(program, outer, ["h"])
        assert code == 0 and "\nport 4022\n" in out, err
        (configs / "parts" / "old").chmod(0o777)
        code, out, err = dump(program, outer, ["h"])
        assert (code, out) == (255, "") and "Bad owner or permissions on" in err


@pytest.mark.quick
def test_missing_file(configs, link):
    for program in [link, *peers(None)]:
        code, out, err = dump(program, configs / "no-such.conf", ["h"])
        assert (code, out) == (255, "") and "Can't open user config file" in err


@pytest.mark.quick
def test_own_files(configs, link):
    """~/.ssh/config of the home folder, with an Include that is relative to it, is read before the system's."""
    home = configs / "home"
    (home / ".ssh").mkdir(parents=True)
    (home / ".ssh" / "config").write_text("Include more\nHost h\n    User mine\n")
    (home / ".ssh" / "more").write_text("Port 4022\n")
    for path in (home / ".ssh").iterdir():
        path.chmod(0o600)
    env = {"HOME": str(home), "PATH": os.environ["PATH"]}
    run = subprocess.run([link, "-G", "h"], env=env, capture_output=True, text=True, timeout=60, check=True)
    lines = by_keyword(run.stdout)
    assert lines["user"] == ["mine"] and lines["port"] == ["4022"]
    (home / ".ssh" / "config").chmod(0o662)
    run = subprocess.run([link, "-G", "h"], env=env, capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 255 and "Bad owner or permissions on" in run.stderr


@pytest.mark.quick
def test_a_password_is_not_shown(link):
    """What AditProxy holds does not appear."""
    run = subprocess.run([link, "-F", "none", "-o", "AditProxy=http://user:s3cret@proxy:3128", "-G", "h"],
                         env={"HOME": "/", "PATH": os.environ["PATH"]}, capture_output=True, text=True, timeout=60, check=True)
    assert "s3cret" not in run.stdout + run.stderr
