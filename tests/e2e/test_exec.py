"""Commands, subsystems and shells without a terminal: bytes, ends, exit status, and what is shared with the parent."""
import fcntl
import hashlib
import os
import signal
import socket
import subprocess

import pytest

from harness import client as client_module
from harness import servers, traffic


@pytest.fixture
def sshd(start):
    """The stock sshd, but with a quiet log: at DEBUG1 it writes some of it to the session's stderr."""
    return start(servers.Sshd, log_level="INFO")


@pytest.fixture(params=["sshd", "openssh10", "dropbear", "asyncssh"])
def server(request, start):
    """Each kind of server that runs commands."""
    if request.param == "openssh10":
        return start(servers.Sshd, tree=request.getfixturevalue("openssh10"), log_level="INFO")
    if request.param == "dropbear":
        return start(servers.Dropbear, request.getfixturevalue("system_user"))
    if request.param == "asyncssh":
        return start(servers.Asyncssh, commands=True)
    return request.getfixturevalue("sshd")


def argv(kit, server, *words):
    """The client's whole command line, for those who start it by themselves."""
    kit.trust(server)
    return [client_module.ADIT, *kit.base(), "-o", "WarnWeakCrypto=no", "-p", str(server.port), "-l", server.user, "127.0.0.1", *words]


def run(kit, server, *words, data=b"", **popen):
    """(status, stdout, stderr) of a command with that input."""
    done = subprocess.run(argv(kit, server, *words), input=data, capture_output=True, env=kit.env(), timeout=60, **popen)
    return done.returncode, done.stdout, done.stderr


def test_output_errors_and_status(kit, server):
    """stdout, stderr and the exit status, each on its own."""
    assert run(kit, server, "echo out; echo err >&2; exit 7") == (7, b"out\n", b"err\n"), server.text()


def test_input_with_its_end(kit, server):
    """The end of stdin reaches the command; everything it says afterwards arrives."""
    lines = b"".join(b"%d\n" % (i * 7919 % 20000) for i in range(20000))
    status, out, _ = run(kit, server, "sort -n; echo done", data=lines)
    assert status == 0
    assert out == b"".join(b"%d\n" % i for i in range(20000)) + b"done\n"


def test_standard_descriptors_that_fail(kit, sshd):
    """A full disk, and an input that cannot be read: what is missing is told, and the status is the command's."""
    folder = os.open("/", os.O_RDONLY)
    try:
        with open("/dev/full", "wb") as full:
            done = subprocess.run(argv(kit, sshd, "cat; echo out; exit 3"), stdin=folder, stdout=full, stderr=subprocess.PIPE,
                                  env=kit.env(), timeout=60)
    finally:
        os.close(folder)
    assert done.returncode == 3
    assert done.stderr.splitlines() == [b"standard input: cannot read: Is a directory", b"standard output: cannot write: No space left on device"]


def test_standard_input_of_nohup(kit, sshd):
    """nohup(1) opens /dev/null for writing alone where the standard input was a terminal: an empty one, and no word of it."""
    with open("/dev/null", "wb") as null:
        done = subprocess.run(argv(kit, sshd, "cat; echo out"), stdin=null, capture_output=True, env=kit.env(), timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"out\n", b"")


@pytest.mark.quick
def test_words_are_joined_by_blanks(kit, sshd):
    """As ssh does: the words become one line, which the remote shell splits again."""
    assert run(kit, sshd, "echo", "a  b", "'c  d'")[1] == b"a b c  d\n"


def test_shell_without_a_terminal(kit, server):
    """No command: the user's shell, which reads its script from stdin."""
    status, out, _ = run(kit, server, data=b"echo in the shell\nexit 5\n")
    assert status == 5 and out.endswith(b"in the shell\n")


# [RFC 4254 6.10a]
def test_ended_by_a_signal(kit, server):
    """A command that a signal ends: 255, and nothing on stdout, as ssh."""
    assert run(kit, server, "exec sh -c 'kill -9 $$'")[:2] in ((255, b""), (137, b""))


@pytest.mark.quick
def test_subsystems(kit, start):
    """-s asks for the subsystem of that name; one that is not there is an error of ours."""
    server = start(servers.Sshd, options={"Subsystem": "upper tr a-z A-Z"}, log_level="INFO")
    assert run(kit, server, "-s", "upper", data=b"hello\n") == (0, b"HELLO\n", b"")
    status, out, err = run(kit, server, "-s", "nosuch")
    assert status == 255 and out == b"" and b"subsystem request failed on channel 0" in err


@pytest.mark.quick
def test_status_comes_after_the_end_of_output(kit, sshd):
    """The remote side closes everything long before it exits: its status is waited for."""
    assert run(kit, sshd, "exec >&- 2>&- <&-; sleep 1; exit 9") == (9, b"", b"")


@pytest.mark.quick
def test_a_reader_that_goes_away(kit, sshd):
    """Nobody takes the output any more: the remote command gets its broken pipe and ends."""
    proc = subprocess.Popen(argv(kit, sshd, "yes; exit 8"), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, env=kit.env())
    assert proc.stdout.read(4) == b"y\ny\n"
    proc.stdout.close()
    assert proc.stderr.read() == b""
    assert proc.wait(20) == 8


@pytest.mark.quick
def test_a_command_that_reads_nothing(kit, sshd):
    """Input that the command does not want does not hold up its end."""
    with open("/dev/zero", "rb") as zero:
        done = subprocess.run(argv(kit, sshd, "echo fine; exit 3"), stdin=zero, capture_output=True, env=kit.env(),
                              timeout=30)
    assert (done.returncode, done.stdout) == (3, b"fine\n")


@pytest.mark.parametrize("command", ["cat", "cat >&2"])
def test_large_streams(kit, server, tmp_path, command):
    """32 MiB from a file through the command into a file, unchanged."""
    size = 32 << 20
    with open(tmp_path / "in", "wb") as f:
        for piece in traffic.pattern(size, 3):
            f.write(piece)
    with open(tmp_path / "in", "rb") as i, open(tmp_path / "out", "wb") as o, open(tmp_path / "err", "wb") as e:
        subprocess.run(argv(kit, server, command), stdin=i, stdout=o, stderr=e, env=kit.env(), check=True, timeout=120)
    full, empty = ("out", "err") if command == "cat" else ("err", "out")
    assert hashlib.sha256((tmp_path / full).read_bytes()).hexdigest() == traffic.pattern_sha(size, 3)
    assert (tmp_path / empty).read_bytes() == b""


@pytest.mark.quick
def test_a_slow_reader_gets_everything(kit, sshd):
    """Output is held back, not lost, while nobody reads it; the server ends the session long before."""
    proc = subprocess.Popen(argv(kit, sshd, "head -c 300000 /dev/zero"), stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, env=kit.env())
    assert proc.stdout.read(10) == bytes(10)
    assert len(proc.stdout.read()) == 299990
    assert proc.wait(20) == 0


# Says who its sshd is when that has read all of the output: what is said after it, is sent after it.
OUTPUT_IS_TAKEN = """
import fcntl, os, struct, termios, time
os.write(1, bytes(120000))
while struct.unpack("i", fcntl.ioctl(1, termios.FIONREAD, bytes(4)))[0] > 0:
    time.sleep(0.001)
os.write(2, b"%d\\n" % os.getppid())
time.sleep(60)
"""


@pytest.mark.quick
def test_connection_that_dies_under_a_slow_reader(kit, start):
    """What had come is still delivered when the connection is gone, and then the failure is told."""
    server = start(servers.Sshd, fresh=True, log_level="INFO")
    r, w = os.pipe()
    proc = subprocess.Popen(argv(kit, server, f"exec python3 -c '{OUTPUT_IS_TAKEN}'"),
                            stdin=subprocess.DEVNULL, stdout=w, stderr=subprocess.PIPE, env=kit.env())
    os.close(w)
    pid = int(proc.stderr.readline())
    os.kill(pid, signal.SIGKILL)
    with os.fdopen(r, "rb") as f:
        assert len(f.read()) == 120000
    assert proc.wait(20) == 255


@pytest.mark.quick
def test_no_input(kit, sshd):
    """-n: stdin is /dev/null and ours is left alone."""
    r, w = os.pipe()
    os.write(w, b"untouched")
    done = subprocess.run(argv(kit, sshd, "-n", "cat; echo over"), stdin=r, capture_output=True, env=kit.env(), timeout=30)
    assert done.stdout == b"over\n"
    assert os.read(r, 100) == b"untouched"
    os.close(r)
    os.close(w)


@pytest.mark.quick
@pytest.mark.parametrize("killed", [False, True])
def test_descriptors_are_as_before(kit, sshd, killed):
    """The flags of stdin, stdout and stderr are shared with the parent: never touched, not even for a moment."""
    pipes = [os.pipe() for _ in range(3)]
    ours = [pipes[0][0], pipes[1][1], pipes[2][1]]
    before = [fcntl.fcntl(fd, fcntl.F_GETFL) for fd in ours]
    proc = subprocess.Popen(argv(kit, sshd, "cat"), stdin=ours[0], stdout=ours[1], stderr=ours[2], env=kit.env())
    os.write(pipes[0][1], b"x")
    assert os.read(pipes[1][0], 1) == b"x"
    assert [fcntl.fcntl(fd, fcntl.F_GETFL) for fd in ours] == before
    if killed:
        proc.kill()
    os.close(pipes[0][1])
    assert proc.wait(20) == (-signal.SIGKILL if killed else 0)
    assert [fcntl.fcntl(fd, fcntl.F_GETFL) for fd in ours] == before
    for fd in (*ours, pipes[1][0], pipes[2][0]):
        os.close(fd)


@pytest.mark.quick
def test_the_parent_goes_on_with_the_rest(kit, sshd, tmp_path):
    """(adit host cat; cat) < file: what adit did not take is the next one's, and it blocks as before."""
    (tmp_path / "file").write_bytes(b"line\n" * 10000)
    kit.trust(sshd)
    line = " ".join(argv(kit, sshd, "cat"))
    done = subprocess.run(["sh", "-c", f"({line}; cat; echo end) < {tmp_path}/file"], capture_output=True, env=kit.env(),
                          timeout=30)
    assert done.stdout == b"line\n" * 10000 + b"end\n"


@pytest.mark.quick
def test_sockets_as_standard_descriptors(kit, sshd):
    """rsync and others hand over one socket as stdin and stdout: it is not shut down under its other owners."""
    a, b = socket.socketpair()
    proc = subprocess.Popen(argv(kit, sshd, "head -c 4"), stdin=b, stdout=b, env=kit.env())
    a.sendall(b"ping")
    assert a.recv(100) == b"ping"
    assert proc.wait(20) == 0
    b.sendall(b"mine")
    assert a.recv(100) == b"mine"
    a.close()
    b.close()


@pytest.mark.quick
def test_forwards_beside_a_command(kit, sshd, echo):
    """-L works while the command runs; the command's end ends the connection."""
    port = traffic.free_port()
    client = kit.connect(sshd, "-L", f"{port}:{echo.target}", "127.0.0.1", "cat", stdin=subprocess.PIPE, host="")
    client.proc.stdin.write(b"up\n")
    client.proc.stdin.flush()
    client.wait_out("up")
    assert traffic.ask(("127.0.0.1", port), b"hello") == b"hello"
    assert client.out.text == "up\n"
    client.proc.stdin.close()
    assert client.finish() == 0


# [RFC 4254 7.2c]
@pytest.mark.quick
def test_forwarded_connections_outlive_the_command(kit, sshd, echo):
    """As ssh: the command has ended, and the connection stays until the last forwarded one is over."""
    port = traffic.free_port()
    client = kit.connect(sshd, "-L", f"{port}:{echo.target}", "127.0.0.1", "echo up; cat; echo gone",
                         stdin=subprocess.PIPE, host="")
    client.wait_out("up")
    with socket.create_connection(("127.0.0.1", port)) as s:
        s.sendall(b"a")
        assert s.recv(1) == b"a"
        client.proc.stdin.close()
        client.wait_out("gone")
        s.sendall(b"b")
        assert s.recv(1) == b"b"
        assert client.running()
    assert client.finish() == 0


@pytest.mark.quick
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_it_at_once(kit, sshd, number):
    """A command is not waited for: 255, and its name is told."""
    client = kit.connect(sshd, "127.0.0.1", "echo up; sleep 60", host="")
    client.wait_out("up")
    client.proc.send_signal(number)
    assert client.finish(5) == 255


@pytest.mark.quick
def test_a_failed_forward_does_not_hide_the_status(kit, sshd):
    """Without ExitOnForwardFailure the command runs all the same; with it nothing does."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert run(kit, sshd, "-L", f"127.0.0.1:{port}:x:1", "exit 4")[0] == 4
        assert run(kit, sshd, "-o", "ExitOnForwardFailure=yes", "-L", f"127.0.0.1:{port}:x:1", "exit 4")[0] == 255


@pytest.mark.quick
def test_agent_that_has_gone(kit, sshd, adit_only):
    """SSH_AUTH_SOCK of an agent that has ended, as in an old tmux: it is not forwarded, and nothing is said."""
    socket_path = kit.folder / "gone"
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(str(socket_path))
    for path in (socket_path, kit.folder / "never"):
        words = argv(kit, sshd, "echo x$SSH_AUTH_SOCK")
        done = subprocess.run([words[0], "-A", *words[1:]], capture_output=True, env=kit.env(SSH_AUTH_SOCK=str(path)),
                              stdin=subprocess.DEVNULL, timeout=60)
        assert (done.returncode, done.stdout, done.stderr) == (0, b"x\n", b"")
