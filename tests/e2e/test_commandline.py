"""~C: forwards that come and go in a session that runs, and programs of this side."""
import re
import socket

import pytest

from harness import traffic
from harness.wait import wait_until
from test_shell_pty import argv, said, screen, shell, sshd  # noqa: F401 (fixtures)

ON = ("-o", "EnableEscapeCommandline=yes")


def command(s, line, regex):
    """~C and a line; its answer, and a terminal that is raw again."""
    at = len(s.text)
    s.type("\r~C")
    wait_until(lambda: "ssh> " in s.text[at:] and not s.is_raw(), 15, lambda: repr(s.text[at:]))
    s.type(line + "\r")
    found = wait_until(lambda: re.search(regex, s.text[at:]), 15, lambda: repr(s.text[at:]))
    wait_until(s.is_raw, 15)
    return found


def answers(port):
    try:
        with socket.create_connection(("127.0.0.1", port), 5) as c:
            c.sendall(b"ping")
            return c.recv(4) == b"ping"
    except OSError:
        return False


def test_help_and_mistakes(shell, sshd):
    s = shell(sshd, *ON)
    s.type("\r~?")
    s.wait("~C   - open a command line")
    command(s, "-h", "-KD.*Cancel dynamic forward")
    assert "Execute local command" not in s.text
    command(s, "-X", "Invalid command.")
    command(s, "!ls", "Invalid command.")
    command(s, "-L nonsense", "Bad local forwarding specification.")
    command(s, "-R nonsense", "Bad remote forwarding specification.")
    command(s, "-KL a:b:c", "Bad forwarding close specification.")
    command(s, "-KL 1", "Unknown port forwarding.")
    at = len(s.text)
    s.type("\r~C")
    wait_until(lambda: "ssh> " in s.text[at:], 15)
    s.type("\r")
    wait_until(s.is_raw, 15)
    said(s, "echo st''ill", "still")
    s.type("exit 3\r")
    assert s.finish() == 3
    assert s.settings() == s.before


def test_forwards(shell, sshd, service):
    """-L, -D and -R, used and taken away again."""
    echo = service(traffic.echo)
    s = shell(sshd, *ON)
    local, dynamic = traffic.free_port(), traffic.free_port()
    command(s, f"-L {local}:127.0.0.1:{echo.port}", "Forwarding port.")
    assert answers(local)
    command(s, f"-L {local}:127.0.0.1:{echo.port}1", "Bad local|Port forwarding failed")
    command(s, f"-D {dynamic}", "Forwarding port.")
    assert traffic.listeners(dynamic)
    remote = int(command(s, f"-R 0:127.0.0.1:{echo.port}", r"Allocated port (\d+) .*\s+Forwarding port.").group(1))
    assert answers(remote)
    command(s, f"-KR {remote}", "Canceled forwarding.")
    wait_until(lambda: not traffic.listeners(remote), 15)
    command(s, f"-KL {local}", "Canceled forwarding.")
    assert not traffic.listeners(local)
    command(s, f"-KD {dynamic}", "Canceled forwarding.")
    assert not traffic.listeners(dynamic)
    said(s, "echo st''ill", "still")


def test_of_the_command_line(shell, sshd, service):
    """A forward that was asked for with -L can be taken away; a port that is taken fails."""
    echo = service(traffic.echo)
    port = traffic.free_port()
    s = shell(sshd, *ON, "-L", f"{port}:127.0.0.1:{echo.port}")
    assert answers(port)
    command(s, f"-KL {port}", "Canceled forwarding.")
    assert not traffic.listeners(port)
    command(s, f"-L 127.0.0.1:{echo.port}:127.0.0.1:{echo.port}", "Port forwarding failed.")


@pytest.mark.quick
def test_program(shell, sshd, tmp_path):
    """!: with PermitLocalCommand, on the terminal as it was."""
    s = shell(sshd, *ON, "-o", "PermitLocalCommand=yes")
    command(s, f"!stty -a > {tmp_path}/stty; echo do''ne", "done")
    assert " icanon" in (tmp_path / "stty").read_text()
    s.type("\r~.")
    s.finish()
    assert s.settings() == s.before
