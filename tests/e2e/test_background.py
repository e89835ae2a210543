"""-f: the command returns when the connection stands; what stays needs no terminal."""
import os
import signal
import socket
import subprocess

import pytest

from harness import keys, servers, traffic
from harness.client import ADIT, Client
from harness.terminal import Terminal
from harness.wait import wait_until

pytestmark = pytest.mark.usefixtures("adit_only")


def pid_of(port):
    """Who listens on a port of 127.0.0.1."""
    out = subprocess.run(["ss", "-Hltnp", f"sport = :{port}"], capture_output=True, text=True, check=False).stdout
    return int(out.split("pid=")[1].split(",")[0]) if "pid=" in out else None


def session_of(pid):
    return int(open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[3])


@pytest.fixture
def forward(kit, sshd, echo):
    """Starts -f -N -L and gives (client, port); what stays in the background ends with the test."""
    ports = []

    def run(*args, face=ADIT, how=("-f",), **kw):
        kit.trust(sshd)
        ports.append(traffic.free_port_both())
        client = Client([face, *kit.base(), "-p", str(sshd.port), "-l", sshd.user, *how, "-N", "-L",
                         f"127.0.0.1:{ports[-1]}:{echo.target}", *args, "127.0.0.1"], kit.env(), **kw)
        kit.clients.append(client)
        return client, ports[-1]

    yield run
    for port in ports:
        if pid := pid_of(port):
            os.kill(pid, signal.SIGTERM)
            wait_until(lambda: not traffic.listeners(port), 15, "the end of the one in the background")


@pytest.fixture
def link(kit):
    path = kit.folder / "ssh"
    path.symlink_to(ADIT)
    return str(path)


@pytest.mark.quick
@pytest.mark.parametrize("how", [("-f",), ("-o", "ForkAfterAuthentication=yes")], ids=" ".join)
def test_returns_when_the_forward_is_up(forward, link, how):
    """0, both outputs closed, and the forward works at once."""
    client, port = forward(face=link, how=how)
    assert client.finish() == 0
    assert (client.out.text, client.err.text) == ("", "")
    assert client.out.ended and client.err.ended
    assert traffic.ask(("127.0.0.1", port)) == b"ping"


def test_who_stays(forward):
    """Another process, the leader of a session without a terminal; stdin, stdout and stderr are /dev/null; the folder
    stays."""
    client, port = forward(cwd="/usr")
    assert client.finish() == 0
    pid = pid_of(port)
    assert pid != client.pid and session_of(pid) == pid
    assert [os.readlink(f"/proc/{pid}/fd/{n}") for n in range(3)] == ["/dev/null"] * 3
    assert os.readlink(f"/proc/{pid}/cwd") == "/usr"


def test_listening_lines_come_first(forward):
    """Called adit, the lines are on stdout before the command returns."""
    client, port = forward()
    assert client.finish() == 0
    assert client.out.text.startswith(f"listening L 127.0.0.1:{port} ")


def test_log_file_goes_on(kit, forward):
    """-E: what happens later is in the file, too."""
    log = kit.folder / "log"
    client, port = forward("-v", "-E", str(log))
    assert client.finish() == 0 and client.err.text == ""
    before = len(log.read_text())
    assert traffic.ask(("127.0.0.1", port)) == b"ping"
    wait_until(lambda: len(log.read_text()) > before, 10, "more text")


def test_failed_forward(forward, link):
    """With ExitOnForwardFailure a port that is taken: 255 and the reason, and nobody stays."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        client, port = forward("-o", "ExitOnForwardFailure=yes", "-L", f"127.0.0.1:{s.getsockname()[1]}:h:1", face=link)
        assert client.finish() == 255
        assert client.err.text != "" and not traffic.listeners(port)


def test_failed_remote_forward(forward, link):
    """The same where the server refuses: the command has waited for its answer."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        client, port = forward("-o", "ExitOnForwardFailure=yes", "-R", f"127.0.0.1:{s.getsockname()[1]}:h:1", face=link)
        assert client.finish() == 255
        assert client.err.text != "" and not traffic.listeners(port)


@pytest.mark.quick
def test_failed_connection(kit, link):
    """Nobody listens, and a login that fails: 255 with the message; AditExitCodes holds, too."""
    target = [*kit.base(), "-fN", "-p", str(traffic.free_port()), "127.0.0.1"]
    for args, code in (([link, *target], 255), ([ADIT, "-o", "AditExitCodes=yes", *target], 5)):
        client = Client(args, kit.env())
        assert client.finish() == code
        assert "refused" in client.err.text


def test_failed_login(kit, start, link, tmp_path_factory):
    """No key fits: 255 and "Permission denied"."""
    other = keys.keygen(tmp_path_factory.mktemp("key") / "other")
    server = start(servers.Sshd)
    client = kit.connect(server, "-f", "-N", "-D", "127.0.0.1:0", key=other)
    assert client.finish() == 255 and "Permission denied" in client.err.text


def test_forward_that_may_fail(forward):
    """Without ExitOnForwardFailure it is said, and the rest stays, as ssh has it."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        client, port = forward("-L", f"127.0.0.1:{s.getsockname()[1]}:h:1")
        assert client.finish() == 0
        assert "in use" in client.err.text
        assert traffic.ask(("127.0.0.1", port)) == b"ping"


def test_signal_before_it_is_up(kit, link):
    """SIGTERM to the command while it still connects ends both; SIGKILL leaves nobody behind either."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        for number, codes in ((signal.SIGTERM, {255}), (signal.SIGKILL, {-9})):
            client = Client([link, *kit.base(), "-fN", "-p", str(s.getsockname()[1]), "127.0.0.1"], kit.env())
            peer, _ = s.accept()
            with peer:
                peer.settimeout(15)
                assert peer.recv(4) == b"SSH-"
                client.proc.send_signal(number)
                assert client.finish() in codes
                while peer.recv(4096):  # its end: the process that connected is gone
                    pass


def test_questions_before_it_goes(kit, sshd, echo):
    """A host key is asked about on the terminal, then the command returns and the forward stays."""
    port = traffic.free_port_both()
    terminal = Terminal(kit, *kit.base(batch=False), "-p", str(sshd.port), "-l", sshd.user, "-f", "-N", "-L",
                        f"127.0.0.1:{port}:{echo.target}", "127.0.0.1")
    try:
        terminal.wait(r"continue connecting")
        terminal.type("yes\n")
        assert terminal.client.finish() == 0
        assert traffic.ask(("127.0.0.1", port)) == b"ping"
    finally:
        if pid := pid_of(port):
            os.kill(pid, signal.SIGTERM)
        terminal.close()


def test_stdio_forward_goes_on(kit, link, sshd):
    """-f with -W: what the far end says still arrives at the standard output that the command was started with."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        kit.trust(sshd)
        client = Client([link, *kit.base(), "-p", str(sshd.port), "-l", sshd.user, "-f", "-W",
                         f"127.0.0.1:{s.getsockname()[1]}", "127.0.0.1"], kit.env())
        kit.clients.append(client)
        peer, _ = s.accept()
        with peer:
            wait_until(lambda: not client.running(), 15, "the command's return")
            assert client.proc.returncode == 0
            peer.sendall(b"hello")
            wait_until(lambda: client.out.text == "hello", 15, "the data")
        wait_until(lambda: client.out.ended, 15, "the end of the data")


# ---- with a command


@pytest.fixture
def gate(tmp_path):
    """What the far command waits for: it goes on when something is written there, and when the test has ended."""
    path = tmp_path / "gate"
    os.mkfifo(path)
    yield path
    fd = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    os.write(fd, b"end\n")
    os.close(fd)


@pytest.fixture
def command(kit, link, start):
    """Starts -f with a command, and waits for its return."""
    sshd = start(servers.Sshd, log_level="INFO")

    def run(face, *args, **kw):
        kit.trust(sshd)
        client = Client([link if face == "adit" else face, *kit.base(), "-p", str(sshd.port), "-l", sshd.user, "-f", *args[:-1],
                         "127.0.0.1", args[-1]], kit.env(), **kw)
        kit.clients.append(client)
        wait_until(lambda: not client.running(), 15, "the command's return")
        return client
    return run


@pytest.mark.parametrize("face", ["adit", "/usr/bin/ssh"])
def test_command_goes_on(command, gate, face):
    """-f with a command: 0 before it is done; its output and its errors still come, its input is empty, its status is
    nobody's."""
    client = command(face, f"read word <{gate}; echo got $word; wc -c; echo aside >&2; exit 7", stdin=subprocess.PIPE)
    assert client.proc.returncode == 0 and client.out.text == ""
    gate.write_text("it\n")
    wait_until(lambda: client.out.ended and client.err.ended, 15, "the end of the command")
    assert (client.out.text, client.err.text) == ("got it\n0\n", "aside\n")


@pytest.mark.parametrize("face", ["adit", "/usr/bin/ssh"])
def test_forward_for_as_long_as_it_is_used(command, gate, echo, face):
    """-f -L ... host "sleep 10", as scripts have it: the command's end is the end of the tunnel, but for a connection that
    is open then."""
    port = traffic.free_port_both()
    client = command(face, "-L", f"127.0.0.1:{port}:{echo.target}", f"read word <{gate}; echo over")
    assert client.proc.returncode == 0
    with traffic.connect(("127.0.0.1", port)) as s:
        for word in (b"before", b"and after"):
            s.sendall(word)
            assert traffic.recv_exact(s, len(word)) == word
            if word == b"before":
                gate.write_text("it\n")
                wait_until(lambda: client.out.text == "over\n", 15, "the end of the command")
    wait_until(lambda: not traffic.listeners(port) and client.out.ended, 15, "the end of the tunnel")


def test_command_without_a_terminal_around(command, tmp_path):
    """What -f starts outlives the shell that ran it, and needs none of its descriptors."""
    client = command("adit", f"echo done >{tmp_path}/file", stdin=subprocess.DEVNULL)
    assert client.proc.returncode == 0
    wait_until(lambda: (tmp_path / "file").exists() and client.out.ended, 15, "the file")
