"""How it ends: at once, in order, and without leaving anything at the server."""
import contextlib
import fcntl
import os
import re
import signal
import subprocess
import time

import pytest

from harness import servers, traffic
from harness.client import ADIT, Client
from harness.wait import wait_until


@pytest.mark.quick
@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT])
def test_idle_tunnel_ends_at_once(kit, sshd, echo, sig):
    """Nothing to drain: the process ends within a second and the server sees DISCONNECT (11)."""
    mark = sshd.mark()
    client, addr = kit.local(sshd, echo)
    assert traffic.ask(addr) == b"ping"
    wait_until(lambda: echo.active == 0, 10, "closed")
    start = time.monotonic()
    client.stop(sig)
    assert time.monotonic() - start < 1.5
    sshd.wait_log(r"Received disconnect from 127\.0\.0\.1 port \d+:11", mark)
    assert traffic.is_refused(addr)


@pytest.mark.quick
@pytest.mark.parametrize("option, sig, status", [("no", signal.SIGTERM, 0), ("no", signal.SIGINT, 255),
                                                 ("yes", signal.SIGTERM, 143), ("yes", signal.SIGINT, 130)])
def test_exit_status_after_a_signal(kit, sshd, echo, option, sig, status, adit_only):
    """As ssh: 255, but SIGTERM is how a tunnel is ended (-N): 0. With AditExitCodes 128 and the signal's number."""
    client, addr = kit.local(sshd, echo, "-o", f"AditExitCodes={option}")
    assert traffic.ask(addr) == b"ping"
    assert client.stop(sig) == status


@pytest.mark.quick
def test_what_is_said_of_a_signal(kit, sshd, adit_only):
    """Called as ssh nothing, but with -v, as ssh: whoever runs it as a helper has ended it on purpose."""
    link = kit.folder / "ssh"
    link.symlink_to(ADIT)
    for program, flags, said in (("/usr/bin/ssh", [], False), (link, [], False), ("/usr/bin/ssh", ["-v"], True),
                                 (link, ["-v"], True), (ADIT, [], True)):
        kit.trust(sshd)
        argv = [program, *kit.base(), "-p", sshd.port, "-l", sshd.user, *flags, "127.0.0.1", "echo up; sleep 60"]
        client = Client(argv, kit.env())
        kit.clients.append(client)
        client.wait_out("up")
        assert client.stop(signal.SIGTERM) == 255
        assert ("Killed by signal 15." in client.err.text) == said, (argv, client.err.text)


@pytest.mark.quick
@pytest.mark.parametrize("sig, status", [(signal.SIGTERM, 0), (signal.SIGINT, 255)])
def test_a_tunnel_ends_as_with_ssh(kit, sshd, echo, sig, status, adit_only):
    """Called as ssh: at once, whatever is open, with ssh's exit status and without a word."""
    link = kit.folder / "ssh"
    link.symlink_to(ADIT)
    for program in ("/usr/bin/ssh", link):
        kit.trust(sshd)
        port = traffic.free_port()
        client = Client([program, *kit.base(), "-p", sshd.port, "-l", sshd.user, "-N", "-L", f"{port}:{echo.target}",
                         "127.0.0.1"], kit.env())
        kit.clients.append(client)
        wait_until(lambda: traffic.listeners(port), 15, "the listener")
        with traffic.connect(("127.0.0.1", port)) as s:
            s.sendall(b"ping")
            assert s.recv(4) == b"ping"
            assert client.stop(sig, 3) == status, program
        assert client.err.text == "", program


@pytest.mark.quick
def test_transport_lives_as_long_as_a_connection(kit, sshd, echo, adit_only):
    """After SIGTERM: ending connection A leaves B working; when B ends the transport is closed within a second."""
    mark = sshd.mark()
    client, addr = kit.local(sshd, echo)
    a, b = traffic.connect(addr), traffic.connect(addr)
    for s in (a, b):
        s.sendall(b"1")
        assert s.recv(1) == b"1"
    client.proc.send_signal(signal.SIGTERM)
    wait_until(lambda: not traffic.listeners(addr[1]), 2, "no new connections")
    a.close()
    wait_until(lambda: echo.active == 1, 2, "A is closed at the target")
    b.sendall(b"2")
    assert b.recv(1) == b"2"
    b.close()
    start = time.monotonic()
    client.finish(5)
    assert time.monotonic() - start < 1.0
    sshd.wait_log(r"Received disconnect from", mark)


def test_draining_takes_five_seconds_at_most(kit, sshd, echo, adit_only):
    """A connection that never ends is cut after five seconds."""
    client, addr = kit.local(sshd, echo)
    with traffic.connect(addr) as s:
        s.sendall(b"1")
        assert s.recv(1) == b"1"
        start = time.monotonic()
        client.stop(timeout=8)
        assert 4 < time.monotonic() - start < 7
        try:
            assert s.recv(1) == b""
        except ConnectionResetError:
            pass


@pytest.mark.quick
@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT])
def test_second_signal_ends_it_at_once(kit, sshd, echo, sig, adit_only):
    """The second signal does not wait for open connections."""
    client, addr = kit.local(sshd, echo)
    with traffic.connect(addr) as s:
        s.sendall(b"1")
        assert s.recv(1) == b"1"
        client.proc.send_signal(sig)
        wait_until(lambda: not traffic.listeners(addr[1]), 2, "draining")
        start = time.monotonic()
        client.stop(sig)
        assert time.monotonic() - start < 1.0


@pytest.mark.quick
def test_signal_while_connecting(kit, service):
    """A signal while the server is silent ends it at once."""
    mute = service(traffic.never_reader)
    client = kit.run(*kit.base(), "-p", str(mute.port), "-N", "127.0.0.1")
    wait_until(lambda: mute.active == 1, 5, "connected")
    start = time.monotonic()
    assert client.stop() != 0
    assert time.monotonic() - start < 1.5


def test_signal_while_looking_up_a_name(kit, mute_dns, adit_only):
    """A name lookup that does not come back cannot hold up the end."""
    client = kit.run(*kit.base(), "-vvv", "-N", "-D", f"127.0.0.1:{(port := traffic.free_port())}", "slow.example",
                     wrap=mute_dns)
    wait_until(lambda: traffic.listeners(port), 10, "it has begun: listeners come first")
    start = time.monotonic()
    client.stop()
    assert time.monotonic() - start < 1.5


def test_a_slow_lookup_of_a_target_holds_up_nobody(kit, sshd, mute_dns, echo, adit_only):
    """-R to a name that cannot be looked up: other connections go on meanwhile, and so does the end."""
    client = kit.connect(sshd, "-N", "-R", "127.0.0.1:0:slow.example:80", "-L", f"127.0.0.1:0:{echo.target}",
                         wrap=mute_dns)
    slow, quick = (x.addr for x in client.listening(2))
    with traffic.connect(slow) as s:
        s.sendall(b"x")
        for _ in range(20):
            assert traffic.ask(quick) == b"ping"
        client.proc.send_signal(signal.SIGTERM)
        wait_until(lambda: not traffic.listeners(quick[1]), 2, "draining")
        start = time.monotonic()
        client.stop()
        assert time.monotonic() - start < 1.5


def test_remote_port_is_free_after_the_end(kit, sshd, echo):
    """The server's port of -R is free when the process has gone, and another client gets it."""
    port = traffic.free_port()
    for _ in range(3):
        client = kit.connect(sshd, "-N", "-o", "ExitOnForwardFailure=yes", "-R", f"127.0.0.1:{port}:{echo.target}")
        wait_until(lambda: traffic.listeners(port) or not client.running(), 10, "listener")
        assert traffic.ask(("127.0.0.1", port)) == b"ping"
        client.stop()
        wait_until(lambda: not traffic.listeners(port), 5, "freed")


def test_broken_pipe_is_no_death(kit, sshd, echo):
    """SIGPIPE is ignored: a reader of the listening lines that goes away changes nothing."""
    port = traffic.free_port()
    client = kit.connect(sshd, "-N", "-L", f"127.0.0.1:{port}:{echo.target}")
    wait_until(lambda: traffic.listeners(port), 10, "listener")
    client.proc.send_signal(signal.SIGPIPE)
    assert traffic.ask(("127.0.0.1", port)) == b"ping"


@pytest.mark.quick
def test_no_more_sessions(kit, sshd, echo):
    """With -N the server is told that no session will ever be opened (no-more-sessions@openssh.com)."""
    mark = sshd.mark()
    _, addr = kit.local(sshd, echo)
    assert traffic.ask(addr) == b"ping"
    sshd.wait_log("no-more-sessions@openssh.com", mark)


def test_server_that_disconnects_with_words(kit, start, adit_only):
    """The server's DISCONNECT text is shown, filtered."""
    server = start(servers.Sshd, {"MaxAuthTries": "1"}, authorized=["# nobody"])
    client = kit.connect(server, "-N", key=kit.key)
    assert client.finish() == 255
    assert re.search(r"(?i)too many authentication failures|permission denied", client.err.text)


@pytest.mark.quick
def test_a_file_that_never_comes(kit, sshd, tmp_path, adit_only):
    """known_hosts is a pipe into which nobody writes: a signal ends it all the same."""
    fifo = tmp_path / "never"
    os.mkfifo(fifo)
    client = kit.connect(sshd, "-N", "-o", f"UserKnownHostsFile={fifo}", known_hosts=False)
    writer = []
    # Opening it for writing without waiting works only while somebody opens or holds it for reading.
    wait_until(lambda: opened_for_writing(fifo, writer), 10, "the file is being read")
    try:
        assert client.stop(signal.SIGTERM, 5) != 0
    finally:
        os.close(writer[0])


def opened_for_writing(fifo, into):
    with contextlib.suppress(OSError):
        into.append(os.open(fifo, os.O_WRONLY | os.O_NONBLOCK))
    return into


def test_nobody_reads_what_the_main_thread_says(kit, sshd, adit_only):
    """The pipe is full when a key is offered, which the main thread says: two signals end that too."""
    args = ["-v", "-N", "-D", "127.0.0.1:0"]
    client = kit.connect(sshd, *args)
    client.wait_err(r"debug1: Offering public key: (.*\n)+.*succeeded")
    offer = client.err.text.index("debug1: Offering")
    client.stop()
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    os.write(writer, b"x" * (4096 - offer - 10))
    proc = subprocess.Popen(client.argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=writer, env=kit.env())
    try:
        hangs = f"/proc/{proc.pid}/syscall"
        wait_until(lambda: open(hangs).read().startswith("1 0x2 "), 10, "the main thread in a write to its standard error")
        start = time.monotonic()
        wait_until(lambda: proc.poll() is not None or proc.send_signal(signal.SIGTERM), 6, "the end")
        assert proc.returncode == 255 and time.monotonic() - start > 1
    finally:
        proc.kill()
        proc.wait()
        os.close(reader)
        os.close(writer)


@pytest.mark.quick
def test_nobody_reads_the_log(kit, sshd, echo, adit_only):
    """Standard error is a full pipe, so that the session hangs in a write: the second signal ends it."""
    kit.trust(sshd)
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    os.set_blocking(writer, False)
    with contextlib.suppress(BlockingIOError):
        while os.write(writer, b"x" * 4096):
            pass
    os.set_blocking(writer, True)
    # Without keys nothing is said before the session's thread is there.
    argv = [str(a) for a in (ADIT, *kit.base(), "-o", "PubkeyAuthentication=no", "-vvv", "-p", sshd.port, "-l", sshd.user,
                             "-N", "-L", f"0:{echo.target}", "127.0.0.1")]
    proc = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=writer, env=kit.env())
    try:
        wait_until(lambda: len(os.listdir(f"/proc/{proc.pid}/task")) > 1, 10, "the session's thread")
        # Signals that come close together are one: again, until it has seen two.
        wait_until(lambda: proc.poll() is not None or proc.send_signal(signal.SIGTERM), 6, "the end")
        assert proc.returncode == 255
    finally:
        proc.kill()
        proc.wait()
        os.close(reader)
        os.close(writer)

