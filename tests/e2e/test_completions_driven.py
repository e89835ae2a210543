"""What zsh and fish really offer behind `adit`: zsh's completion runs at a terminal, as a person's tab would make it, and tells
what it adds; fish is asked by `complete -C`. test_completions has bash, and what the three files say."""
import os
import pty
import re
import subprocess
import tempfile
from pathlib import Path

import pytest
from test_completions import FILES, FOLDER, HOSTS, home, keywords_built, usage_flags, verbs  # noqa: F401

from harness.client import ADIT
from harness.daemon import Daemon
from harness.wait import wait_until

pytestmark = [pytest.mark.usefixtures("adit_only"), pytest.mark.quick]

# $OUT gets what is added, and "=" behind each question. What compadd is to tell (-O, -A, -D) goes to its caller alone.
ZSHRC = r"""
PS1= PS2= RPS1=
unsetopt beep list_beep
LISTMAX=0
fpath=($FOLDER $fpath)
autoload -Uz compinit && compinit -u -D
compadd() {
    local -a found
    local words="${(j: :)@[1,(i)(-|--)]} "
    if [[ " $words" != *' -'[OAD]' '* ]]; then
        builtin compadd -O found "$@"
        print -rl -- $found >>$OUT
    fi
    builtin compadd "$@"
}
probe() { _main_complete; compstate[list]= compstate[insert]=; print -r -- = >>$OUT }
zle -C probe list-choices probe
bindkey '^T' probe
zle-line-init() { print -r -- = >>$OUT }
zle -N zle-line-init
"""


class Zsh:
    """An interactive one."""

    def __init__(self, env):
        self.folder = Path(tempfile.mkdtemp(dir=env["HOME"]))
        (self.folder / ".zshrc").write_text(ZSHRC)
        self.out = self.folder / "out"
        self.out.write_text("")
        self.master, slave = pty.openpty()
        self.proc = subprocess.Popen(["zsh", "-d", "-i"], stdin=slave, stdout=slave, stderr=subprocess.STDOUT, start_new_session=True,
                                     env={**env, "ZDOTDIR": str(self.folder), "OUT": str(self.out), "FOLDER": str(FOLDER), "TERM": "dumb"})
        os.close(slave)
        self.answers = 0
        self.answer()

    def answer(self):
        """What came since the last one."""
        self.answers += 1
        wait_until(lambda: self.out.read_text().split("\n").count("=") >= self.answers, 30, self.out.read_text)
        return [word for word in self.out.read_text().split("=\n")[self.answers - 1].split("\n") if word]

    def complete(self, line):
        os.write(self.master, ("\x15" + line + "\x14").encode())
        return self.answer()

    def close(self):
        self.proc.kill()
        self.proc.wait()
        os.close(self.master)


class Fish:
    def __init__(self, env):
        self.env = {**env, "XDG_CONFIG_HOME": env["HOME"] + "/config", "XDG_DATA_HOME": env["HOME"] + "/data"}

    def complete(self, line):
        run = subprocess.run(["fish", "--no-config", "-c", "source $argv[1]; complete -C $argv[2]", str(FILES["fish"]), line],
                             env=self.env, capture_output=True, text=True, check=True, timeout=60)
        assert run.stderr == ""
        return [said.split("\t")[0] for said in run.stdout.splitlines()]

    def close(self):
        pass


@pytest.fixture(params=["zsh", "fish"])
def shell(request, home, kit):  # noqa: F811
    """With `adit` in its PATH, and no daemon but one that a line names."""
    folder = home / "bin"
    folder.mkdir()
    (folder / "adit").symlink_to(ADIT)
    made = {"zsh": Zsh, "fish": Fish}[request.param](kit.env(HOME=str(home), PATH=f"{folder}:/usr/bin:/bin",
                                                             ADIT_SOCK=str(home / "no.sock")))
    yield made
    made.close()


def test_words(shell, home, kit, sshd):  # noqa: F811
    def offered(line):
        return set(shell.complete(line))

    # the flags, and behind them what their values may be
    assert {word.removeprefix("-").rstrip("=") for word in offered("adit -")} == usage_flags()[2]
    assert {word.rstrip("=") for word in offered("adit -o ")} == keywords_built()
    assert {word.rstrip("=") for word in offered("adit -o ServerAliveI")} == {"ServerAliveInterval"}
    ciphers = subprocess.run([ADIT, "-Q", "cipher"], capture_output=True, text=True, check=True).stdout.split()
    assert offered("adit -c ") == set(ciphers)
    assert offered("adit -O ") == {"check", "forward", "cancel", "exit", "stop"}
    # hosts, and verbs as the first word alone; nothing of a file is run
    assert offered("adit ") >= HOSTS | set(verbs())
    assert {word.split("@")[-1] for word in offered("adit alice@b")} == {"bastion", "build"}
    assert {word.split(",")[-1].split("@")[-1] for word in offered("adit -J me@bastion,w")} == {"web-1"}
    assert "list" not in offered("adit -N li") and offered("adit -N we") == {"web-1"}
    assert not (home / "ran").exists()
    # verbs
    usage = verbs()["up"]
    assert {w.rstrip("=") for w in offered("adit up --")} >= set(re.findall(r"--[\w-]+", usage))
    assert {w.rstrip("=") for w in offered("adit edit web max")} == {"max_retries"}
    assert offered("adit up ") == set()
    daemon = Daemon(kit, sshd, "".join(f"Tunnel {name}\n Via bastion\n DynamicForward 0\n" for name in ("web", "db"))).start()
    try:
        for verb in ("up", "addr"):
            assert offered(f"adit {verb} --socket {daemon.socket} ") == {"web", "db"}
    finally:
        assert daemon.stop() == 0
