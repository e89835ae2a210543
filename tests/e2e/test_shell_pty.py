"""A shell on a terminal: its modes, size and end, and the escape sequences."""
import os
import re
import shutil
import signal
import subprocess

import pytest

from harness import client as client_module
from harness import servers
from harness.screen import Screen
from harness.wait import wait_until


@pytest.fixture
def sshd(start):
    """With a quiet log, and a shell that says little."""
    return start(servers.Sshd, log_level="INFO", options={"PrintMotd": "no", "PrintLastLog": "no", "AcceptEnv": "*"})


@pytest.fixture(params=["sshd", "openssh10", "dropbear"])
def server(request, start):
    if request.param == "openssh10":
        return start(servers.Sshd, tree=request.getfixturevalue("openssh10"), log_level="INFO",
                     options={"PrintMotd": "no", "PrintLastLog": "no", "AcceptEnv": "*"})
    if request.param == "dropbear":
        return start(servers.Dropbear, request.getfixturevalue("system_user"))
    return request.getfixturevalue("sshd")


def argv(kit, server, *args, port=None):
    """The whole command line; what stands behind the destination follows it."""
    kit.trust(server, port)
    return [client_module.ADIT, *kit.base(), "-p", str(port or server.port), "-l", server.user, *args]


@pytest.fixture
def screen():
    """Makes screens: screen(argv, env)."""
    made = []

    def make(*a, **kw):
        made.append(Screen(*a, **kw))
        return made[-1]

    yield make
    for s in made:
        s.close()


@pytest.fixture
def shell(kit, screen):
    """A shell at the server that is ready: shell(server, flags...)."""
    def make(server, *flags, port=None):
        s = screen(argv(kit, server, *flags, "127.0.0.1", port=port), kit.env(TERM="vt220"))
        s.wait_prompt()
        s.type("PS1=; stty -echo; echo re''ady\r")
        s.wait("ready\r\n")
        return s
    return make


def said(screen, command, regex):
    """Types a command and waits for its answer, which must be new."""
    at = len(screen.text)
    screen.type(command + "\r")
    return wait_until(lambda: re.search(regex, screen.text[at:]), 15, lambda: repr(screen.text[at:]))


def test_shell_and_its_end(shell, server):
    """A prompt, a command, the exit status; the terminal is raw meanwhile and as before afterwards."""
    s = shell(server)
    assert s.is_raw()
    said(s, "echo $((6*7)) $TERM", "42 vt220")
    s.type("exit 5\r")
    assert s.finish() == 5
    assert s.settings() == s.before
    s.wait("Connection to 127.0.0.1 closed.\r\n")


@pytest.mark.quick
def test_size_and_its_change(shell, sshd):
    """The size at the start, and each new one while it runs."""
    s = shell(sshd)
    said(s, "stty size", "24 80")
    s.resize(41, 117)
    os.kill(s.proc.pid, signal.SIGWINCH)
    wait_until(lambda: "41 117" in said(s, "stty size", r"\d+ \d+").group(0), 15)


# [RFC 4254 8b]
@pytest.mark.quick
def test_terminal_modes(kit, screen, sshd):
    """Special characters and flags of our terminal are the remote one's."""
    line = " ".join(argv(kit, sshd, "-t", "127.0.0.1", "'stty -a'"))
    s = screen(["sh", "-c", f"stty intr ^B erase ^H -ixon; {line}"], kit.env())
    assert s.finish() == 0
    s.wait("Connection to 127.0.0.1 closed")
    assert "intr = ^B" in s.text and "erase = ^H" in s.text and " -ixon" in s.text


@pytest.mark.quick
def test_interrupt_reaches_the_remote_side(shell, sshd):
    """^C is the remote program's affair."""
    s = shell(sshd)
    s.type("echo beg''un; sleep 60\r")
    s.wait("begun")
    s.type("\x03")
    said(s, "echo st''ill", "still")


@pytest.mark.quick
@pytest.mark.parametrize("flags,stdin,wanted", [
    ((), "tty", False), (("-t",), "tty", True), (("-t",), "null", False), (("-tt",), "null", True), (("-T",), "tty", False),
    (("-o", "RequestTTY=yes"), "tty", True), (("-o", "RequestTTY=force"), "null", True)])
def test_when_there_is_a_terminal(kit, screen, sshd, flags, stdin, wanted):
    """-t, -tt, -T and RequestTTY as ssh takes them."""
    words = argv(kit, sshd, *flags, "127.0.0.1", "tty; exit 3")
    if stdin == "tty":
        s = screen(words, kit.env())
        status = s.finish()
        s.wait("closed" if wanted else "not a tty")
        text = s.text
    else:
        done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, env=kit.env(), timeout=30)
        status, text = done.returncode, (done.stdout + done.stderr).decode()
        if flags == ("-t",):
            assert "Pseudo-terminal will not be allocated because stdin is not a terminal." in text
    assert status == 3
    assert ("/dev/pts/" in text) == wanted


@pytest.mark.quick
def test_server_without_terminals(kit, screen, start):
    """PermitTTY no: said, and the shell runs all the same."""
    server = start(servers.Sshd, log_level="INFO", options={"PermitTTY": "no"})
    s = screen(argv(kit, server, "127.0.0.1"), kit.env())
    s.wait("PTY allocation request failed on channel 0")
    s.type("echo $((6*7)); exit 4\n")
    assert s.finish() == 4
    assert s.settings() == s.before


# ---- the ways out


@pytest.mark.quick
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT])
def test_restored_after_signals(shell, sshd, number):
    s = shell(sshd)
    s.proc.send_signal(number)
    assert s.finish() == 255
    assert s.settings() == s.before


@pytest.mark.quick
def test_restored_when_the_server_dies(shell, sshd):
    """kill -9 of the server's end: 255, and a terminal as before."""
    s = shell(sshd)
    pid = int(said(s, "ps -o ppid= -p $$ | tr -d ' ' | sed 's/.*/pid<&>/'", r"pid<(\d+)>").group(1))
    os.kill(pid, signal.SIGKILL)
    assert s.finish() == 255
    assert s.settings() == s.before


@pytest.mark.quick
def test_quit(shell, sshd):
    """~. ends it at once, also when nothing comes from the server any more."""
    s = shell(sshd)
    s.type("\r~.")
    assert s.finish() == 255
    assert s.settings() == s.before
    s.wait(r"~\.\r\n")


@pytest.mark.quick
def test_quit_of_a_frozen_connection(shell, sshd, relay):
    """The network stands still: ~. still works."""
    link = relay(sshd.port)
    s = shell(sshd, port=link.port)
    link.freeze()
    s.type("cat /dev/zero\r\r~.")
    assert s.finish() == 255
    assert s.settings() == s.before


# ---- other escape sequences


@pytest.mark.quick
def test_escapes(shell, sshd):
    s = shell(sshd)
    s.type("\r~?")
    s.wait(r"Supported escape sequences:\r\n ~\.")
    s.type("\r~#")
    s.wait(r"The following connections are open:\r\n")
    s.type("\r~v")
    s.wait(r"~v \[LogLevel VERBOSE\]\r\n")
    s.type("~V~V")
    s.wait(r"~V \[LogLevel ERROR\]\r\n")
    s.type("~C")
    s.wait("commandline disabled")
    s.type("~B")
    s.wait(r"~B\r\n")
    said(s, "\r~~/../../../../../../../../bin/echo til''de", "tilde")


@pytest.mark.quick
def test_rekey(shell, sshd):
    s = shell(sshd, "-v")
    before = s.text.count("kex: algorithm:")
    s.type("\r~R")
    wait_until(lambda: s.text.count("kex: algorithm:") == before + 1, 15, lambda: s.text)
    said(s, "echo st''ill", "still")


@pytest.mark.quick
def test_another_escape_character(shell, sshd):
    s = shell(sshd, "-e", "%")
    said(s, "\r~.", "not found")
    s.type("\r%.")
    assert s.finish() == 255


@pytest.mark.quick
def test_no_escape_character(shell, sshd):
    """-e none: everything goes through."""
    s = shell(sshd, "-e", "none")
    said(s, "\r~.", "not found")
    s.type("exit\r")
    assert s.finish() == 127


@pytest.mark.quick
def test_suspend(kit, screen, sshd):
    """~^Z gives the terminal back to the local shell, and fg goes on."""
    s = screen(["bash", "--norc", "-i"], kit.env(PS1="local: ", TERM="vt220"))
    s.wait("local: ")
    s.type(" ".join(argv(kit, sshd, "127.0.0.1")) + "\r")
    s.wait_prompt()
    wait_until(s.is_raw, 15)
    s.type("\r~\x1a")
    s.wait(r"\[suspend ssh\]")
    said(s, "echo he''re", "here")
    s.type("fg\r")
    wait_until(s.is_raw, 15)
    said(s, "echo the''re", "there")
    s.type("exit 6\r")
    s.wait("Connection to 127.0.0.1 closed")
    said(s, "echo status=$?", "status=6")


# ---- what goes along


def test_environment(kit, sshd):
    """SendEnv's patterns and SetEnv; SetEnv wins, and its first value."""
    def run(*flags):
        done = subprocess.run(argv(kit, sshd, *flags, "127.0.0.1", "echo $AA $AB $B"), capture_output=True, timeout=30,
                              env=kit.env(AA="1", AB="2", B="3"), stdin=subprocess.DEVNULL)
        return done.stdout.decode().strip()
    assert run() == ""
    assert run("-o", "SendEnv=A*") == "1 2"
    assert run("-o", "SendEnv=A? B", "-o", "SendEnv=-A*") == "3"
    assert run("-o", "SendEnv=A*", "-o", "SetEnv=AB=set", "-o", "SetEnv=AB=late") == "1 set"


def test_remote_command(kit, sshd):
    """RemoteCommand with its tokens; not together with words of the command line."""
    words = argv(kit, sshd, "-o", "RemoteCommand=echo %n %r 100%%", "127.0.0.1")
    done = subprocess.run(words, capture_output=True, env=kit.env(), stdin=subprocess.DEVNULL, timeout=30)
    assert done.stdout.decode() == f"127.0.0.1 {sshd.user} 100%\n"
    done = subprocess.run([*words, "ls"], capture_output=True, env=kit.env(), stdin=subprocess.DEVNULL, timeout=30)
    assert done.returncode == 255 and b"Cannot execute command-line and remote command." in done.stderr


def test_local_command(kit, sshd, tmp_path):
    """LocalCommand runs before the session and is waited for, when PermitLocalCommand says so."""
    local = ["-o", f"LocalCommand=sleep 0.3; echo %n %p > {tmp_path}/local"]
    for permit in (False, True):
        words = argv(kit, sshd, *local, "-o", f"PermitLocalCommand={'yes' if permit else 'no'}", "127.0.0.1",
                     f"cat {tmp_path}/local; exit 2")
        done = subprocess.run(words, capture_output=True, env=kit.env(), stdin=subprocess.DEVNULL, timeout=30)
        assert done.returncode == 2
        assert done.stdout.decode() == (f"127.0.0.1 {sshd.port}\n" if permit else "")


# ---- a person's tools


@pytest.mark.skipif(not (shutil.which("tmux") and shutil.which("vim")), reason="needs tmux and vim")
def test_vim_in_tmux(kit, sshd, tmp_path):
    """vim opens, writes, sees the window grow, quits; then the pane is the local shell's again."""
    def tmux(*words):
        return subprocess.run(["tmux", "-S", str(tmp_path / "socket"), *words], env=kit.env(TERM="xterm", LC_ALL="C.UTF-8"),
                              capture_output=True, text=True, timeout=30, check=True).stdout

    def pane():
        return tmux("capture-pane", "-p")

    def wait(text):
        wait_until(lambda: text in pane(), 20, lambda: f"{text!r} in {pane()}")

    tmux("-f", "/dev/null", "new-session", "-d", "-x", "80", "-y", "24", "env PS1='local> ' sh -i")
    try:
        wait("local>")
        tmux("send-keys", " ".join(argv(kit, sshd, "-t", "127.0.0.1", f"'vim -u NONE {tmp_path}/file'")), "Enter")
        wait("~")
        tmux("send-keys", "i", "hello from vim", "Escape")
        wait("hello from vim")
        tmux("resize-window", "-x", "100", "-y", "40")
        tmux("send-keys", ":put=&lines.'x'.&columns", "Enter")
        wait("40x100")
        tmux("send-keys", ":wq", "Enter")
        wait("closed.")
        tmux("send-keys", "stty -a", "Enter")
        wait(" echo ")
        assert (tmp_path / "file").read_text() == "hello from vim\n40x100\n"
    finally:
        tmux("kill-server")
