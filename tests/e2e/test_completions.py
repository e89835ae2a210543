"""What the shells complete behind `adit`: doc/completions/. bash is driven as readline drives it, without bash-completion;
zsh is driven at a terminal of its own, fish asked by `complete -C`."""
import re
import subprocess

import pytest
from test_documents import table_rows, TABLE

from harness import servers
from harness.client import ADIT
from harness.daemon import Daemon

pytestmark = [pytest.mark.usefixtures("adit_only"), pytest.mark.quick]
FOLDER = servers.ROOT / "doc/completions"
FILES = {"bash": FOLDER / "adit.bash", "zsh": FOLDER / "_adit", "fish": FOLDER / "adit.fish"}
BREAKS = " \t\n\"'><=;|&(:@"  # readline's, in bash: where it cuts words

# Called as readline does: the words, cut at COMP_WORDBREAKS, and what of the last one is replaced.
DRIVER = r"""
. "$1"; shift
piece=$1 program=$2; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
_adit "$program" "$piece" "${COMP_WORDS[COMP_CWORD - 1]}"
printf '%s\n' "${COMPREPLY[@]}"
"""


def cut(word):
    """A word as COMP_WORDS has it: breaking characters stand by themselves."""
    return [piece for piece in re.split(r"([=:@]+)", word) if piece] or [""]


def complete(home, *line, program=ADIT):
    """What bash offers for the last word of the line, as readline would put it behind what stays."""
    words = [program]
    for word in line:
        words += cut(word)
    stays = line[-1][:max(line[-1].rfind(c) for c in "=:@") + 1]
    piece = line[-1][len(stays):]
    run = subprocess.run(["bash", "--norc", "-c", DRIVER, "bash", str(FILES["bash"]), piece, *words],
                         env={"HOME": str(home), "PATH": "/usr/bin:/bin", "LC_ALL": "C", "ADIT_SOCK": str(home / "no.sock")}, capture_output=True, text=True, check=True, timeout=60)
    assert run.stderr == ""
    return [stays + said for said in run.stdout.splitlines() if said]


@pytest.fixture
def home(tmp_path):
    folder = tmp_path / "user"
    (folder / ".ssh/conf.d").mkdir(parents=True)
    (folder / ".ssh/config").write_text(
        "# Host comment\nInclude conf.d/*\nHost bastion *.example !not web-1 # rest\n  HostName x\nHOST=\"build\"\n"
        "Host bad$(touch${IFS}ran) -oProxyCommand=x `id` ok\n\tHost\ttabbed\r\nMatch host matched\nInclude config ~/.ssh/more /nowhere\nHost last")
    (folder / ".ssh/conf.d/one").write_text("Host included\n")
    (folder / ".ssh/more").write_text("Host more\n")
    (folder / "other").write_text("Host elsewhere\n")
    return folder


def usage_flags():
    text = subprocess.run([ADIT, "-h"], capture_output=True, text=True, check=True).stdout
    plain = "".join(re.findall(r"\[-(\w{2,})\]", text))
    valued = re.findall(r"\[-(\w) ", text)
    assert len(plain) > 15 and len(valued) > 15
    return set(plain), set(valued), set(plain) | set(valued) | set(re.findall(r"(?<= )-(\w)(?= )", text)) | {"h", "V"}


def keywords_built():
    """Those that do something."""
    return {name for name, state in table_rows().items() if state == "BUILT"}


# ---- all three

def flags_of(shell):
    text = FILES[shell].read_text()
    if shell == "bash":
        return set(re.search(r"^_adit_plain=(\w+)$", text, re.M)[1] + re.search(r"^_adit_valued=(\w+)$", text, re.M)[1])
    pattern = r"^        '\*?-(\w)\+?\[" if shell == "zsh" else r"^complete -c adit -n 'not __adit_has_verb' -s (\w) "
    return set(re.findall(pattern, text, re.M))


@pytest.mark.parametrize("shell", FILES)
def test_every_flag(shell):
    assert flags_of(shell) == usage_flags()[2]


@pytest.mark.parametrize("shell", FILES)
def test_values_of_flags(shell):
    """Which flags take a value."""
    text = FILES[shell].read_text()
    if shell == "bash":
        found = set(re.search(r"^_adit_valued=(\w+)$", text, re.M)[1])
    elif shell == "zsh":
        found = set(re.findall(r"^        '\*?-(\w)\+\[", text, re.M))
    else:
        found = set(re.findall(r"^complete -c adit -n 'not __adit_has_verb' -s (\w) -[xr] ", text, re.M))
    assert found == usage_flags()[1]


@pytest.mark.parametrize("shell", FILES)
def test_every_keyword(shell):
    text = FILES[shell].read_text()
    lists = {"bash": r"_adit_keywords='([\w\s]+)'", "zsh": r"keywords=\(([\w\s]+)\)", "fish": r"__adit_keywords ([\w\s\\]+?)\n\n"}
    assert sorted(re.findall(r"\w+", re.search(lists[shell], text)[1])) == sorted(keywords_built())


@pytest.mark.parametrize("shell", FILES)
def test_syntax(shell):
    run = subprocess.run([shell, "-n", str(FILES[shell])], capture_output=True, text=True, check=False, timeout=60)
    assert (run.returncode, run.stderr) == (0, "")


# ---- bash

def test_flags(home):
    assert {word[1:] for word in complete(home, "-")} == usage_flags()[2]
    assert complete(home, "-N") == ["-N"] and complete(home, "-Nqf") == ["-Nqf"]
    assert complete(home, "--", "-") == []


HOSTS = {"included", "bastion", "web-1", "build", "ok", "tabbed", "more", "last"}


def test_hosts(home):
    """The literal ones; nothing of a file is run."""
    assert set(complete(home, "")) == HOSTS | set(verbs())
    assert complete(home, "b") == ["bastion", "build"]
    assert complete(home, "alice@b") == ["alice@bastion", "alice@build"]
    assert set(complete(home, "alice@")) == {"alice@" + host for host in HOSTS}
    assert complete(home, "-J", "me@bastion,w") == ["me@bastion,web-1"]
    assert complete(home, "-Jinc") == ["-Jincluded"]
    assert complete(home, "-oProxyJump=inc") == ["-oProxyJump=included"]
    assert not (home / "ran").exists()


def test_other_configuration(home):
    assert complete(home, "-F", str(home / "other"), "") == ["elsewhere"]
    assert complete(home, "-NF~/other", "") == ["elsewhere"]
    assert complete(home, "-F", "none", "") == []


def test_no_configuration(tmp_path):
    assert complete(tmp_path, "x") == [] and complete(tmp_path, "-N", "") == []


def test_one_destination(home):
    """Behind it are flags, and then the command, which is another program's."""
    assert complete(home, "-N", "-L", "8080:intranet.example:80", "we") == ["web-1"]
    assert complete(home, "-NL", "[::1]:8080:h:80", "-p22", "we") == ["web-1"]
    assert complete(home, "-p", "we") == []
    assert complete(home, "-w", "we") == []
    assert complete(home, "bastion", "we") == []
    assert complete(home, "me@bastion", "-J", "we") == ["web-1"]
    assert complete(home, "--", "we") == ["web-1"]
    assert complete(home, "bastion", "ls", "-J", "we") == []


def test_keywords(home):
    assert set(complete(home, "-o", "")) == {name + "=" for name in keywords_built()}
    assert complete(home, "-o", "ServerAliveI") == ["ServerAliveInterval="]
    assert complete(home, "-o", "serveralivei") == ["ServerAliveInterval="]
    assert complete(home, "-NoExitOn") == ["-NoExitOnForwardFailure="]


def answers(name):
    return subprocess.run([ADIT, "-Q", name], capture_output=True, text=True, check=True).stdout.split()


def test_algorithms(home):
    """What this program answers to -Q."""
    assert complete(home, "-c", "aes128") == [c for c in answers("cipher") if c.startswith("aes128")] != []
    assert complete(home, "-c", "aes128-ctr,aes256-gcm@") == ["aes128-ctr,aes256-gcm@openssh.com"]
    assert complete(home, "-m", "") == answers("mac")
    assert complete(home, "-o", "KexAlgorithms=curve") == ["KexAlgorithms=" + k for k in answers("kex") if k.startswith("curve")]
    assert complete(home, "-Q", "") == answers("help")
    assert complete(home, "-Q", "", program=str(home / "no-such-program")) == []


def test_control_commands(home):
    for word in complete(home, "-O", ""):
        run = subprocess.run([ADIT, "-F", "none", "-O", word, "h"], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, timeout=60)
        assert "No ControlPath specified" in run.stderr
    assert complete(home, "-O", "ch") == ["check"]


def test_registered(home):
    """By sourcing the file alone."""
    run = subprocess.run(["bash", "--norc", "-c", '. "$1"; complete -p adit', "bash", str(FILES["bash"])],
                         env={"HOME": str(home), "PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=True, timeout=60)
    assert run.stdout == "complete -F _adit adit\n" and run.stderr == ""


# ---- the verbs, by what the program says of them

def verbs():
    """{verb: usage}, from the table of the sources and the program."""
    text = (servers.ROOT / "cli/verb.c").read_text()
    names = re.findall(r'^    \{"(\w+)", verb_\w+', text[text.index("verbs[] = {"):], re.M)
    assert len(names) > 10
    return {name: subprocess.run([ADIT, name, "-h"], capture_output=True, text=True, check=True).stdout.splitlines()[0] for name in names}


def test_verbs(home):
    """As the first word alone, and not of a program that has none."""
    for verb in verbs():
        assert verb in complete(home, verb[:2])
    assert complete(home, "-N", "statu") == [] and complete(home, "me@statu") == [] and complete(home, "bastion", "statu") == []
    assert complete(home, "statu", program="/bin/true") == []


def test_options_of_verbs(home):
    """Every one of its usage."""
    for verb, usage in verbs().items():
        wanted = {"-" + flag for group in re.findall(r"(?<=[\[| ])-(\w+)", usage) for flag in group} | set(re.findall(r"--[\w-]+", usage)) | {"-h"}
        if "[ssh options]" in usage:
            wanted |= {"-" + flag for flag in usage_flags()[2]}
        assert set(complete(home, verb, "-")) == wanted, verb


def test_values_of_verbs(home):
    assert complete(home, "daemon", "--log-format", "") == ["text", "json"]
    assert complete(home, "daemon", "--log-format=j") == ["--log-format=json"]
    assert complete(home, "open", "-4", "-J", "inc") == ["included"]
    assert complete(home, "run", "-c", "aes256-g") == ["aes256-gcm@openssh.com"]
    assert complete(home, "run", "-oServerAliveI") == ["-oServerAliveInterval="]


def test_hosts_of_verbs(home):
    assert complete(home, "add", "new", "we") == ["web-1"] and complete(home, "add", "we") == []
    assert complete(home, "add", "--description", "a", "new", "-L", "80:h:80", "we") == ["web-1"]
    assert complete(home, "open", "we") == ["web-1"] and complete(home, "run", "--timeout", "5s", "me@we") == ["me@web-1"]
    assert "true" in complete(home, "run", "web-1", "-L", "80:h:80", "--", "tru")


def test_fields_of_edit(home):
    written = re.findall(r'^    \{"(\w+)", take_', (servers.ROOT / "daemon/definition_json.c").read_text(), re.M)
    written.remove("more_forwards")  # a matter of rm and add
    assert complete(home, "edit", "web", "") == [name + "=" for name in written]
    for shell, path in FILES.items():
        assert re.findall(r"\w+", re.search(r"\bname(?:=| ) ?host[\w\s=\\]*?\bidle_exit\b", path.read_text())[0]) == written, shell


def test_tunnels(home, kit, sshd):
    """Names of the daemon that runs; nothing, and no word, where there is none."""
    conf = "".join(f"Tunnel {name}\n Via bastion\n DynamicForward 0\n" for name in ("web", '"web 2"', "db", "NAME"))
    daemon = Daemon(kit, sshd, conf).start()
    try:
        for verb in ("up", "down", "restart", "wait", "status", "addr", "logs", "edit", "rm"):
            assert complete(home, verb, "--socket", str(daemon.socket), "") == ["web", "web\\ 2", "db", "NAME"], verb
        assert complete(home, "up", f"--socket={daemon.socket}", "web", "d") == ["db"]
        assert complete(home, "addr", "--socket", str(daemon.socket), "web", "d") == []
        assert complete(home, "up", "d") == []
    finally:
        assert daemon.stop() == 0
    assert complete(home, "up", "--socket", str(daemon.socket), "") == []
