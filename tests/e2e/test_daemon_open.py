"""adit open: tunnels in the daemon that live as long as the process."""
import json
import signal
import socket

import pytest

from harness import keys, servers, traffic
from harness.daemon import Daemon
from harness.terminal import Terminal
from harness.wait import wait_until

pytestmark = pytest.mark.usefixtures("adit_only")


@pytest.fixture
def d(kit, sshd):
    daemon = Daemon(kit, sshd).start()
    yield daemon
    if daemon.client.running():
        assert daemon.stop() == 0


def sessions(d):
    return [t for t in json.loads(d.verb("list", "--json").out)["tunnels"] if t["origin"] == "session"]


@pytest.mark.quick
def test_lives_with_the_process(d, echo):
    """`listening` lines as -N has them; SIGTERM: 0, and the tunnels are gone."""
    client = d.verb_begin("open", "bastion", "-L", f"0:{echo.target}", "-N", "-D", "0", "-R", f"127.0.0.1:0:{echo.target}")
    lines = client.listening(3)
    assert [line.kind for line in lines] == ["L", "D", "R"] and lines[0].target == echo.target
    assert traffic.ask(lines[0].addr) == traffic.ask(lines[2].addr) == b"ping"
    assert len(sessions(d)) == 3
    assert d.verb("rm", sessions(d)[0]["id"]).code == 1  # the session's
    assert client.stop() == 0
    wait_until(lambda: not sessions(d), 10, lambda: sessions(d))
    assert not traffic.listeners(lines[0].port)


def test_killed(d, echo):
    """kill -9 of the process: gone as well."""
    client = d.verb_begin("open", "bastion", "-L", f"0:{echo.target}")
    line = client.listening(1)[0]
    client.stop(signal.SIGKILL)
    wait_until(lambda: not sessions(d) and not traffic.listeners(line.port), 10, lambda: sessions(d))


def test_options(d, kit, sshd, echo):
    """ssh's flags say how to connect."""
    client = d.verb_begin("open", "-p", str(sshd.port), "-l", sshd.user, "-i", str(kit.key), "-oCompression=yes", "-4",
                          "127.0.0.1", "-L", f"0:{echo.target}")
    assert traffic.ask(client.listening(1)[0].addr) == b"ping"
    assert client.stop() == 0


def test_failures(d, echo):
    """255 and why."""
    for words in (["-p", str(traffic.free_port()), "127.0.0.1", "-D", "0"], ["no-such-user@bastion", "-D", "0"], ["bastion"],
                  ["bastion", "-X", "-D", "0"], ["bastion", "-oBogus=1", "-D", "0"], ["-D", "0", "-oProxyCommand"]):
        done = d.verb("open", *words)
        assert done.code in (255, 2) and done.err.startswith("adit: "), (words, done)
    assert not sessions(d)


def test_exit_codes(d, echo):
    """AditExitCodes: why, as the command line has it."""
    codes = ["-oAditExitCodes=yes"]
    for code, words in ((5, ["-p", str(traffic.free_port()), "127.0.0.1"]), (3, ["no-such-user@bastion"]),
                        (4, ["-oUserKnownHostsFile=none", "bastion"])):  # nobody is there to be asked
        done = d.verb("open", *codes, *words, "-D", "0")
        assert done.code == code and done.err.startswith("adit: "), (words, done)


def test_busy_port(d, echo):
    """It is said, and the port is taken when it is free; with ExitOnForwardFailure that is the end."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        spec = f"127.0.0.1:{port}:{echo.target}"
        for more, code in (((), 255), (("-oAditExitCodes=yes",), 6)):
            done = d.verb("open", "-oExitOnForwardFailure=yes", *more, "bastion", "-L", spec)
            assert done.code == code and f"127.0.0.1:{port}: Address already in use" in done.err, done
        client = d.verb_begin("open", "bastion", "-L", spec)
        client.wait_err(f"127.0.0.1:{port}: Address already in use")
    client.wait_out("^listening L ")
    assert traffic.ask(("127.0.0.1", port)) == b"ping"
    assert client.stop() == 0


def test_daemon_ends(d, echo):
    client = d.verb_begin("open", "bastion", "-L", f"0:{echo.target}")
    client.listening(1)
    assert d.stop() == 0
    assert client.finish() == 255


def test_passphrase(kit, start, echo):
    """What its connection asks is asked on the terminal."""
    key = keys.keygen(kit.folder / "locked", passphrase="geheim")
    server = start(servers.Sshd, authorized=[keys.public(key)], fresh=True)
    kit.key = key
    d = Daemon(kit, server).start()
    t = Terminal(kit, "open", "bastion", "-L", f"0:{echo.target}", env={"ADIT_SOCK": str(d.socket)})
    t.wait(r"passphrase")
    t.type("geheim\n")
    assert traffic.ask(t.client.listening(1)[0].addr) == b"ping"
    assert t.client.stop() == 0
    t.close()
    assert d.stop() == 0
