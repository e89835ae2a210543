"""-n, -t, -tt, -T, -N, RequestTTY, SessionType and StdinNull in combination: the same command line goes to the client and to
the real ssh, and output, messages and status are the same."""
import os
import pwd
import re
import subprocess

import pytest

from harness import client as client_module
from harness import servers
from harness.screen import Screen

pytestmark = [pytest.mark.quick, pytest.mark.usefixtures("adit_only")]
SSH = "/usr/bin/ssh"
WHERE = "test -t 0 && echo in; test -t 1 && echo out; test -t 2 && echo err; exit 3"


@pytest.fixture
def sshd(start):
    return start(servers.Sshd, log_level="INFO", options={"PrintMotd": "no", "PrintLastLog": "no"})


@pytest.fixture
def link(tmp_path):
    """Called as ssh."""
    path = tmp_path / "ssh"
    path.symlink_to(client_module.ADIT)
    return str(path)


def argv(kit, server, program, *words):
    kit.trust(server)
    return [program, *kit.base(), "-p", str(server.port), "-l", server.user, *words]


def lines(text):
    """ssh ends its messages with a carriage return too, terminal or not."""
    return re.sub("\r+\n", "\n", text if isinstance(text, str) else text.decode())


def both(kit, server, link, words, run, ssh=SSH):
    """What run makes of the real ssh's command line and of ours."""
    return [run(argv(kit, server, program, *words)) for program in (ssh, link)]


FLAGS = [(), ("-t",), ("-tt",), ("-T",), ("-n",), ("-n", "-t"), ("-n", "-tt"), ("-t", "-T"), ("-T", "-t"), ("-T", "-tt"),
         ("-q", "-t"), ("-o", "RequestTTY=auto"), ("-o", "RequestTTY=yes"), ("-o", "RequestTTY=force"),
         ("-o", "RequestTTY=no", "-t"), ("-o", "StdinNull=yes"), ("-o", "StdinNull=yes", "-t")]


@pytest.mark.parametrize("flags", FLAGS, ids=" ".join)
def test_without_a_terminal_here(kit, sshd, link, flags):
    """stdin is a pipe: who gets a terminal all the same, and what is said about it."""
    def run(words):
        done = subprocess.run(words, input=b"", capture_output=True, env=kit.env(), timeout=30)
        return done.returncode, done.stdout, lines(done.stderr)
    theirs, ours = both(kit, sshd, link, (*flags, "127.0.0.1", WHERE), run)
    assert ours == theirs
    assert ours[0] == 3


@pytest.mark.parametrize("flags", FLAGS, ids=" ".join)
def test_with_a_terminal_here(kit, sshd, link, flags):
    def run(words):
        s = Screen(words, kit.env(TERM="vt220"))
        status = s.finish()
        s.seen.thread.join(0.2)  # what was written before the end is there
        text, settings = lines(s.text), s.settings() == s.before
        s.close()
        return status, text, settings
    theirs, ours = both(kit, sshd, link, (*flags, "127.0.0.1", WHERE), run)
    assert ours == theirs
    assert ours[0] == 3 and ours[2]


@pytest.mark.parametrize("words", [
    ("-n", "127.0.0.1", "cat; exit 4"), ("-T", "127.0.0.1"), ("-n", "-T", "127.0.0.1"), ("-t", "127.0.0.1"),
    ("-o", "RemoteCommand=cat; exit 5", "127.0.0.1"), ("-o", "RemoteCommand=cat; exit 5", "-T", "127.0.0.1"),
    ("-o", "RemoteCommand=cat; exit 5", "127.0.0.1", "other"), ("-o", "RemoteCommand=none", "127.0.0.1", "cat; exit 6"),
    ("-s", "127.0.0.1", "nosuch"), ("-s", "127.0.0.1"), ("-o", "SessionType=subsystem", "127.0.0.1", "nosuch"),
    ("-o", "SessionType=subsystem", "127.0.0.1"), ("-o", "SessionType=default", "127.0.0.1", "cat; exit 7"),
    ("-N", "-f", "-o", "ExitOnForwardFailure=yes", "-R", "/nosuch/x:127.0.0.1:1", "127.0.0.1"),
], ids=" ".join)
def test_other_words(kit, sshd, link, words):
    """With a few bytes on stdin: subsystems, commands of the configuration, mistakes."""
    def run(line):
        done = subprocess.run(line, input=b"echo in the shell; exit 8\n", capture_output=True, env=kit.env(), timeout=30)
        # Usages are each program's own, and why a forward was refused too.
        message = "" if "usage:" in done.stderr.decode() or "-R" in line else lines(done.stderr)
        return done.returncode, done.stdout, message
    theirs, ours = both(kit, sshd, link, words, run)
    assert ours == theirs


TOKENS = [f"%{c}" for c in "CdhijkLlnpruT%fHIKtXe"]


@pytest.mark.slow
@pytest.mark.parametrize("keyword", ["LocalCommand", "RemoteCommand"])
def test_tokens(kit, sshd, link, openssh10, keyword):
    """Each % expansion: the same text as OpenSSH 10's, or a mistake for both."""
    def run(words):
        done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, timeout=30,
                              env=kit.env(HOME=pwd.getpwuid(os.getuid()).pw_dir))  # ssh's %d
        return done.returncode, done.stdout
    for token in TOKENS:
        command = () if keyword == "RemoteCommand" else ("true",)
        theirs, ours = both(kit, sshd, link, ("-o", "PermitLocalCommand=yes", "-o", f"{keyword}=echo '<{token}>'", "127.0.0.1",
                                              *command), run, f"{openssh10}/usr/bin/ssh")
        assert ours == theirs, token


def test_local_command_comes_once(kit, sshd, link, tmp_path):
    """Before the process goes to the background (-f), and also without a session (-N) or with a stream (-W)."""
    local = ("-o", "PermitLocalCommand=yes", "-o", f"LocalCommand=echo local >> {tmp_path}/said")
    for words in (("-f", *local, "127.0.0.1", "true"),
                  ("-N", "-f", *local, "-o", "ExitOnForwardFailure=yes", "-o", "ControlMaster=yes", "-S",
                   f"{tmp_path}/m", "127.0.0.1"),
                  ("-W", f"127.0.0.1:{sshd.port}", *local, "127.0.0.1"),
                  (*local, "127.0.0.1", "exit 0")):
        for program in (SSH, link):
            (tmp_path / "said").unlink(missing_ok=True)
            subprocess.run(argv(kit, sshd, program, *words), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL, env=kit.env(), timeout=30, check=True)
            assert (tmp_path / "said").read_text() == "local\n", (program, words)
            if "-N" in words:
                subprocess.run(argv(kit, sshd, program, "-S", f"{tmp_path}/m", "-O", "exit", "127.0.0.1"),
                               capture_output=True, env=kit.env(), timeout=30, check=True)
