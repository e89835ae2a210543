"""The terminal while the client is stopped, continued, put into the background, or asks something: whose it is, and how it
is left."""
import os
import shutil
import signal
import socket
import subprocess

import pytest

from harness import keys, servers, traffic
from harness.client import is_sanitized
from harness.wait import wait_until
from test_shell_pty import argv, said, screen, shell, sshd  # noqa: F401 (fixtures)


def children(pid):
    return [p for p in servers.descendants(pid)]


def local_shell(kit, screen):
    """A shell of this side that knows jobs, and leaves the terminal as it is while it reads."""
    s = screen(["bash", "--norc", "--noediting", "-i"], kit.env(PS1="local: ", TERM="vt220"))
    s.wait("local: ")
    return s


def start_in(s, kit, server, *flags):
    """The client in that shell, at the server's prompt; its process id."""
    s.type(" ".join(argv(kit, server, *flags, "127.0.0.1")) + "\r")
    wait_until(s.is_raw, 15, lambda: s.text)
    said(s, "PS1=; stty -echo; echo re''ady", "ready\r\n")
    pid, = children(s.proc.pid)
    return pid


@pytest.mark.quick
@pytest.mark.parametrize("number", [signal.SIGTSTP, signal.SIGSTOP])
def test_stopped_from_outside(kit, screen, sshd, number):
    """kill -TSTP gives the terminal back before it stops; fg takes it again, with its size. SIGSTOP leaves no time for
    that, but what comes after it is the same."""
    s = local_shell(kit, screen)
    pid = start_in(s, kit, sshd)
    os.kill(pid, number)
    s.wait("Stopped")
    assert s.settings() == s.before
    said(s, "echo he''re", "here")
    s.resize(33, 99)
    s.type("fg\r")
    wait_until(s.is_raw, 15)
    wait_until(lambda: "33 99" in said(s, "stty size", r"\d+ \d+").group(0), 15)
    s.type("exit 6\r")
    s.wait("Connection to 127.0.0.1 closed")
    said(s, "echo status=$?", "status=6")
    assert s.settings() == s.before


@pytest.mark.quick
def test_continued_before_it_stopped(shell, sshd):
    """Where nobody could continue it (no shell with jobs) it does not stop, and is raw again."""
    s = shell(sshd)
    for _ in range(3):
        s.proc.send_signal(signal.SIGTSTP)
        s.proc.send_signal(signal.SIGCONT)
    wait_until(s.is_raw, 15)
    said(s, "echo st''ill", "still")
    s.type("exit 2\r")
    assert s.finish() == 2
    assert s.settings() == s.before


@pytest.mark.quick
def test_background(kit, screen, sshd, service):
    """~&: the local shell has its prompt again, what is forwarded goes on, nothing new is, and the process ends with the
    last of it, for the server's shell is told of an end of input in a terminal's way."""
    echo = service(traffic.echo)
    port = traffic.free_port()
    s = local_shell(kit, screen)
    pid = start_in(s, kit, sshd, "-L", f"127.0.0.1:{port}:127.0.0.1:{echo.port}")
    with socket.create_connection(("127.0.0.1", port), 10) as c:
        c.sendall(b"a")
        assert c.recv(1) == b"a"
        s.type("\r~&")
        s.wait(r"~& \[backgrounded\]")
        said(s, "echo status=$?", "status=0")
        assert s.settings() == s.before
        assert not os.path.exists(f"/proc/{pid}")
        for _ in range(20):
            c.sendall(b"b" * 1000)
            assert len(traffic.recv_exact(c, 1000)) == 1000
        assert traffic.is_refused(("127.0.0.1", port))
        left = [p for p in os.listdir("/proc") if p.isdigit() and is_ours(p, sshd.port)]
        assert len(left) == 1
    wait_until(lambda: not os.path.exists(f"/proc/{left[0]}"), 15, "the end of what was in the background")


def is_ours(pid, port):
    """A client that is connected to our server."""
    try:
        line = open(f"/proc/{pid}/cmdline", "rb").read().split(b"\0")
    except OSError:
        return False
    return str(port).encode() in line and b"-p" in line


def test_asked_while_a_shell_has_it(kit, screen, start):
    """UpdateHostKeys=ask: the question comes when the shell has begun; it is asked as any other, and then the shell goes
    on. Also without an escape character."""
    server = start(servers.Sshd, host_types=("ed25519", "rsa"), log_level="INFO",
                   options={"PrintMotd": "no", "PrintLastLog": "no"})
    lines = [f"[127.0.0.1]:{server.port} {keys.public(k)}\n" for k in server.host_keys]
    for flags in ((), ("-e", "none")):
        words = argv(kit, server, "-o", "UpdateHostKeys=ask", *flags, "127.0.0.1")
        words = [w for i, w in enumerate(words)
                 if "BatchMode" not in w and not (w == "-o" and "BatchMode" in words[i + 1])]
        kit.known_hosts.write_text(lines[0])
        s = screen(words, kit.env(TERM="vt220"))
        s.wait(r"Accept updated hostkeys\? \(yes/no\): ")
        wait_until(lambda: not s.is_raw(), 15)
        s.type("yes\r")
        wait_until(lambda: kit.known_hosts.read_text() == "".join(lines), 15, kit.known_hosts.read_text)
        wait_until(s.is_raw, 15)
        said(s, "echo st''ill", "still")
        s.type("exit 4\r")
        assert s.finish() == 4
        assert s.settings() == s.before


@pytest.mark.skipif(not shutil.which("tmux"), reason="needs tmux")
def test_server_killed_in_tmux(kit, sshd, tmp_path):
    """kill -9 of the server's end of the session: stty -a says the same before and after."""
    def tmux(*words):
        return subprocess.run(["tmux", "-S", str(tmp_path / "socket"), *words], env=kit.env(TERM="xterm", LC_ALL="C.UTF-8"),
                              capture_output=True, text=True, timeout=30, check=True).stdout

    def wait(text):
        wait_until(lambda: text in tmux("capture-pane", "-p"), 20, lambda: f"{text!r} in {tmux('capture-pane', '-p')}")

    tmux("-f", "/dev/null", "new-session", "-d", "-x", "120", "-y", "40", "env PS1='local> ' sh -i")
    try:
        wait("local>")
        tmux("send-keys", f"stty -a > {tmp_path}/before", "Enter")
        tmux("send-keys", " ".join(argv(kit, sshd, "127.0.0.1")), "Enter")
        tmux("send-keys", f"ps -o ppid= -p $$ > {tmp_path}/pid; echo re''ady", "Enter")
        wait_until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().strip(), 20)
        wait("ready")
        os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)
        wait("closed")
        tmux("send-keys", f"echo status=$?; stty -a > {tmp_path}/after; echo do''ne", "Enter")
        wait("done")
        wait("status=255")
        assert (tmp_path / "after").read_text() == (tmp_path / "before").read_text()
        assert " -raw" in (tmp_path / "before").read_text() or " icanon" in (tmp_path / "before").read_text()
    finally:
        tmux("kill-server")


@pytest.mark.quick
@pytest.mark.skipif(is_sanitized(), reason="a sanitizer reports at such an end")
def test_killed_itself(kit, screen, sshd):
    """kill -9 of the client cannot be tidied up: the flags of the descriptors are as before all the same, and the shell
    puts the terminal in order."""
    s = local_shell(kit, screen)
    pid = start_in(s, kit, sshd)
    os.kill(pid, signal.SIGKILL)
    s.wait("Killed")
    said(s, "grep flags /proc/self/fdinfo/0", r"flags:\s+0*2\r|flags:\s+0?100002\r")
