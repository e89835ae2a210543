"""ChannelTimeout: connections without traffic are closed, by their type and all together."""
import time

import pytest

from harness import traffic
from harness.wait import wait_until


def ends_after(s):
    """Seconds until the other side ends the connection in order."""
    start = time.monotonic()
    s.settimeout(20)
    assert s.recv(1) == b""
    return time.monotonic() - start


@pytest.mark.quick
@pytest.mark.parametrize("rule", ["direct-tcpip=1", "direct-*=1s", "*=1", "session=9 direct-tcpip=1 direct-tcpip=99"])
def test_a_silent_connection_is_closed(kit, sshd, echo, rule, adit_only):
    """The first rule that matches decides; the session and new connections go on."""
    client, addr = kit.local(sshd, echo, "-o", f"ChannelTimeout={rule}", "-v")
    with traffic.connect(addr) as s:
        s.sendall(b"x")
        assert s.recv(1) == b"x"
        assert 0.9 <= ends_after(s)
    client.wait_err(r"channel \d+: direct-tcpip: closed after 1 s without traffic")
    assert traffic.ask(addr) == b"ping"


def test_traffic_keeps_it_open(kit, sshd, echo, adit_only):
    """A byte twice in the time, in either direction, is enough."""
    _, addr = kit.local(sshd, echo, "-o", "ChannelTimeout=direct-tcpip=2")
    with traffic.connect(addr) as s:
        for _ in range(5):
            time.sleep(0.9)
            s.sendall(b"x")
            assert s.recv(1) == b"x"
        assert 1.9 <= ends_after(s)


def test_other_types_stay(kit, sshd, echo, service, tmp_path, adit_only):
    """-R has a type of its own, and so has a path; global is no type, and 0 is never."""
    target = service(traffic.echo, path=f"{tmp_path}/t")
    port = traffic.free_port()
    rules = "forwarded-tcpip=1 direct-streamlocal@openssh.com=0 direct-*=1 global=0"
    client = kit.connect(sshd, "-N", "-o", f"ChannelTimeout={rules}", "-L", f"0:{echo.target}", "-L", f"0:{target.path}",
                         "-R", f"127.0.0.1:{port}:{echo.target}")
    tcp, unix, remote = (x.addr for x in client.listening(3))
    with traffic.connect(tcp) as a, traffic.connect(remote) as b, traffic.connect(unix) as c:
        for s in (a, b, c):
            s.sendall(b"x")
            assert s.recv(1) == b"x"
        ends_after(a)
        ends_after(b)
        c.sendall(b"y")
        assert c.recv(1) == b"y"


def test_global(kit, sshd, echo, adit_only):
    """All are closed when none of them moves; traffic on one keeps the others; patterns do not mean it."""
    client, addr = kit.local(sshd, echo, "-o", "ChannelTimeout=global=2 session*=1")
    with traffic.connect(addr) as busy, traffic.connect(addr) as silent:
        for _ in range(4):
            time.sleep(0.8)
            busy.sendall(b"x")
            assert busy.recv(1) == b"x"
        silent.sendall(b"y")
        assert silent.recv(1) == b"y"
        assert 1.9 <= ends_after(silent)
        assert ends_after(busy) < 1
    assert client.running()
    assert traffic.ask(addr) == b"ping"


def test_sessions_are_a_type(kit, sshd, adit_only):
    """A command is no forwarded connection; and has a time of its own."""
    client = kit.connect(sshd, "-o", "ChannelTimeout=direct-*=1 forwarded-*=1",
                         "-o", "RemoteCommand=sleep 3; echo still; exit 3")
    assert client.finish() == 3 and client.out.text == "still\n"
    client = kit.connect(sshd, "-v", "-o", "ChannelTimeout=session=1", "-o", "RemoteCommand=sleep 100")
    client.wait_err(r"channel \d+: session: closed after 1 s without traffic")
    assert client.finish() == 255


def test_nothing_is_left(kit, sshd, echo, adit_only):
    client, addr = kit.local(sshd, echo, "-o", "ChannelTimeout=*=1")
    before = client.fds()
    opened = [traffic.connect(addr) for _ in range(50)]
    for s in opened:
        ends_after(s)
        s.close()
    wait_until(lambda: client.fds() <= before, 10, lambda: f"{client.fds()} descriptors, {before} before")
