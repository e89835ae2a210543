"""adit run: a command with tunnels of its own, without any daemon."""
import signal

import pytest

from harness import traffic
from harness.wait import wait_until

pytestmark = pytest.mark.usefixtures("adit_only")


@pytest.fixture
def run(kit, sshd):
    """run(words of ssh..., command=[...])"""
    def start(*words, command, **kw):
        kit.trust(sshd)
        return kit.run("run", *kit.base(), "-p", str(sshd.port), "-l", sshd.user, "127.0.0.1", *words, "--", *command, **kw)

    return start


@pytest.mark.quick
def test_variables(run, echo):
    """ADIT_<NAME>_ADDR, _HOST, _PORT, _URL; unnamed: L1, D1, R1."""
    client = run("-L", f"my-db=0:{echo.target}", "-L", "0:h:443", "-D", "0", "-R", f"127.0.0.1:0:{echo.target}",
                 command=["env"])
    assert client.finish() == 0, client.err.text
    env = dict(line.split("=", 1) for line in client.out.text.splitlines() if line.startswith("ADIT_"))
    port = env["ADIT_MY_DB_PORT"]
    assert env["ADIT_MY_DB_ADDR"] == f"127.0.0.1:{port}" and env["ADIT_MY_DB_HOST"] == "127.0.0.1"
    assert env["ADIT_MY_DB_URL"] == f"http://127.0.0.1:{port}"
    assert env["ADIT_L2_URL"] == f"https://{env['ADIT_L2_ADDR']}"
    assert env["ADIT_D1_URL"] == f"socks5h://{env['ADIT_D1_ADDR']}"
    assert int(env["ADIT_R1_PORT"]) > 0


def test_traffic_and_end(run, echo, kit):
    """It carries while the command runs, and nothing stays when that has ended."""
    client = run("-L", f"0:{echo.target}", command=["sh", "-c", 'echo "$ADIT_L1_PORT"; read x'], stdin=-1)
    port = int(client.wait_out(r"^(\d+)$").group(1))
    assert traffic.ask(("127.0.0.1", port)) == b"ping"
    client.proc.stdin.close()
    assert client.finish() == 1  # of `read`
    assert not traffic.listeners(port)


@pytest.mark.parametrize("command, code", [(["true"], 0), (["sh", "-c", "exit 7"], 7), (["sh", "-c", "kill -KILL $$"], 137),
                                           (["/nonexistent/x"], 127), (["no-such-program-here"], 127), (["/etc"], 126)],
                         ids=lambda v: str(v)[:30])
def test_exit_statuses(run, echo, command, code):
    assert run("-L", f"0:{echo.target}", command=command).finish() == code


def test_nothing_is_said_at_the_end(run, echo):
    """The command's words alone: that its tunnels end with it is no news."""
    client = run("-L", f"0:{echo.target}", command=["true"])
    assert client.finish() == 0
    assert "signal" not in client.err.text


def test_not_up(run, echo, kit):
    """A failure before the command: its exit status by the list of errors, and the command does not run."""
    port = traffic.free_port()
    client = kit.run("run", *kit.base(), "-p", str(port), "127.0.0.1", "-L", f"0:{echo.target}", "--", "echo", "ran")
    assert client.finish() == 5
    assert client.out.text == ""
    assert kit.run("run", "-D", "0", "host").finish() == 2
    assert kit.run("run", "host", "--", "true").finish() == 2


def test_silent_server(run, echo, kit, service):
    """--timeout: 7."""
    silent = service(traffic.never_reader)
    client = kit.run("run", *kit.base(), "-p", str(silent.addr[1]), "127.0.0.1", "-L", f"0:{echo.target}", "--timeout",
                     "1s", "--", "echo", "ran")
    assert client.finish() == 7
    assert client.out.text == ""


def test_signal(run, echo):
    """SIGTERM goes to the command; its status is ours."""
    client = run("-L", f"0:{echo.target}", command=["sh", "-c", 'echo "$ADIT_L1_PORT"; exec sleep 1000'])
    port = int(client.wait_out(r"^(\d+)$").group(1))
    client.proc.send_signal(signal.SIGTERM)
    assert client.finish() == 143
    wait_until(lambda: not traffic.listeners(port), 10, "the end of the tunnels")
