"""Unix sockets at either end of -L and -R, at -W and at -D; whose file it is, and its mode."""
import os
import re
import signal
import socket
import stat
import subprocess
import tempfile

import pytest

from harness import servers, socks, traffic
from harness.wait import holds_for, wait_until


@pytest.fixture
def folder():
    """A short path (a socket's is at most 107 bytes) that servers of other users may pass through."""
    with tempfile.TemporaryDirectory(prefix="adit-un-") as name:
        os.chmod(name, 0o777)
        yield name


@pytest.fixture(params=["sshd", "asyncssh"])
def server(request, start):
    return start(servers.Sshd) if request.param == "sshd" else start(servers.Asyncssh)


def is_socket(path):
    return os.path.exists(path) and stat.S_ISSOCK(os.lstat(path).st_mode)


COMBINATIONS = [("port", "path"), ("path", "port"), ("path", "path"), ("port", "port")]


@pytest.fixture
def forward(kit, folder, service):
    """forward(server, way, combination, kind) -> (client, where to connect). The listener is ready."""

    def make(server, way, combination, kind=traffic.echo, *args):
        listen, target = combination
        made = service(kind, **({"path": f"{folder}/target"} if target == "path" else {}))
        # (asyncssh names its clients' port 0 when that was asked for.)
        port = traffic.free_port() if way == "-R" else 0
        where = f"{folder}/listen" if listen == "path" else f"127.0.0.1:{port}"
        client = kit.connect(server, "-N", way, f"{where}:{made.target}", *args)
        line = client.listening(1)[0]
        assert line.line == f"listening {way[1]} {line.bound} {made.target}"
        assert line.bound == where or line.bound.startswith("127.0.0.1:")
        return client, line.addr

    return make


@pytest.mark.quick
@pytest.mark.parametrize("way", ["-L", "-R"])
@pytest.mark.parametrize("combination", COMBINATIONS)
def test_four_combinations(forward, server, way, combination, adit_only):
    """Each end a port or a path: bytes go and come, and the `listening` line names both ends."""
    _, addr = forward(server, way, combination)
    for text in (b"hello", b"again"):
        assert traffic.ask(addr, text) == text


@pytest.mark.parametrize("way", ["-L", "-R"])
@pytest.mark.parametrize("combination", COMBINATIONS[:3])
def test_half_close(forward, sshd, way, combination, adit_only):
    """End of data passes through while the other direction goes on."""
    _, addr = forward(sshd, way, combination, traffic.half_closer)
    with traffic.connect(addr) as s:
        s.sendall(b"a" * 100_000)
        s.shutdown(socket.SHUT_WR)
        assert len(traffic.recv_all(s)) == 1_000_008


@pytest.mark.parametrize("way", ["-L", "-R"])
def test_a_lot_both_ways(forward, sshd, way, adit_only):
    """32 MiB arrive unchanged, from a path to a path."""
    size = 32 << 20
    client, addr = forward(sshd, way, ("path", "path"), traffic.sink)
    assert traffic.upload(addr, size, 6) == (size, traffic.pattern_sha(size, 6))
    assert client.running()


@pytest.mark.parametrize("way", ["-L", "-R"])
def test_a_thousand_connections(kit, sshd, service, folder, way, adit_only):
    """A thousand at once; afterwards nothing is left open. With -R the target's backlog is short: when it is full
    adit waits (sshd, with -L, gives up)."""
    target = service(traffic.echo, path=f"{folder}/target", backlog=2048 if way == "-L" else 5)
    client = kit.connect(sshd, "-N", way, f"{folder}/listen:{target.target}")
    addr = client.listening(1)[0].addr
    before = client.fds()
    opened = []
    for i in range(1000):
        s = traffic.connect(addr)
        s.sendall(b"%04d" % i)
        opened.append(s)
    assert [traffic.recv_exact(s, 4) for s in opened] == [b"%04d" % i for i in range(1000)]
    for s in opened:
        s.close()
    wait_until(lambda: client.fds() <= before, 20, lambda: f"{client.fds()} descriptors, {before} before")


def test_a_server_without_unix_sockets(kit, start, system_user, echo, folder, adit_only):
    """dropbear 2022.83 knows none of it: each refusal is told with its path, and the session goes on."""
    server = start(servers.Dropbear, system_user)
    client = kit.connect(server, "-N", "-L", f"0:{folder}/far", "-R", f"{folder}/far:{echo.target}", "-L",
                         f"{folder}/near:{echo.target}")
    client.wait_err(f"remote port forwarding failed for listen path {folder}/far: the server refused it")
    local, near = client.listening(2)
    assert traffic.closes_without_data(local.addr)
    client.wait_err(f"forward to {folder}/far: channel open failed: ")
    assert traffic.ask(near.addr) == b"ping"


# ---- whose file it is ------------------------------------------------------------------------------------------

@pytest.mark.quick
@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_our_file_goes_with_us(forward, sshd, stop, adit_only):
    client, addr = forward(sshd, "-L", ("path", "port"))
    assert is_socket(addr)
    client.stop(stop)
    assert not os.path.lexists(addr)


def test_our_file_goes_when_the_server_dies(forward, start, adit_only):
    server = start(servers.Sshd, fresh=True)
    client, addr = forward(server, "-L", ("path", "port"))
    server.stop()
    client.finish()
    assert not os.path.lexists(addr)


@pytest.mark.quick
def test_a_file_that_took_its_place_stays(forward, sshd, adit_only):
    """Somebody replaced our socket: what is there now is not ours to remove."""
    client, addr = forward(sshd, "-L", ("path", "port"))
    os.unlink(addr)
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(addr)
        client.stop()
        assert is_socket(addr)


@pytest.mark.quick
@pytest.mark.parametrize("unlink", ["no", "yes"])
def test_a_foreign_file_is_not_removed(kit, sshd, echo, folder, unlink, adit_only):
    """A regular file, a folder and a link in the way: the forward fails, and nothing is touched."""
    open(f"{folder}/file", "w").write("precious")
    os.mkdir(f"{folder}/folder")
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(f"{folder}/socket")
        os.symlink(f"{folder}/socket", f"{folder}/link")
        for name in ("file", "folder", "link"):
            client = kit.connect(sshd, "-N", "-o", f"StreamLocalBindUnlink={unlink}", "-o", "ExitOnForwardFailure=yes",
                                 "-L", f"{folder}/{name}:{echo.target}")
            assert client.finish() == 255
            assert f"cannot listen on {folder}/{name}: " in client.err.text
        assert open(f"{folder}/file").read() == "precious"
        assert os.path.isdir(f"{folder}/folder") and os.path.islink(f"{folder}/link") and is_socket(f"{folder}/socket")


def left_over(path):
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(path)


def test_a_left_over_socket(kit, sshd, echo, folder, adit_only):
    """After a kill -9 the file is there: without StreamLocalBindUnlink it stands in the way, with it it is replaced."""
    path = f"{folder}/listen"
    left_over(path)
    spec = ("-N", "-o", "ExitOnForwardFailure=yes", "-L", f"{path}:{echo.target}")
    client = kit.connect(sshd, *spec)
    assert client.finish() == 255
    assert f"cannot listen on {path}: Address already in use" in client.err.text
    client = kit.connect(sshd, "-o", "StreamLocalBindUnlink=yes", *spec)
    client.listening(1)
    assert traffic.ask(path) == b"ping"
    client.stop()
    assert not os.path.lexists(path)


def test_another_users_left_over_socket(kit, sshd, echo, folder, system_user, adit_only):
    """StreamLocalBindUnlink removes a socket of one's own alone."""
    path = f"{folder}/listen"
    left_over(path)
    os.chown(path, 12345, 12345)
    client = kit.connect(sshd, "-N", "-o", "StreamLocalBindUnlink=yes", "-o", "ExitOnForwardFailure=yes", "-L",
                         f"{path}:{echo.target}")
    assert client.finish() == 255
    assert f"cannot listen on {path}: the socket there is another user's" in client.err.text
    assert is_socket(path)


@pytest.mark.parametrize("mask, mode", [(None, 0o600), ("0177", 0o600), ("0111", 0o666), ("0077", 0o700), ("0", 0o777)])
def test_mask(kit, sshd, echo, folder, mask, mode, adit_only):
    """StreamLocalBindMask decides on the mode, whatever the umask is."""
    old = os.umask(0o022)
    try:
        client = kit.connect(sshd, "-N", *(["-o", f"StreamLocalBindMask={mask}"] if mask else []), "-L",
                             f"{folder}/listen:{echo.target}")
        client.listening(1)
    finally:
        os.umask(old)
    assert stat.S_IMODE(os.lstat(f"{folder}/listen").st_mode) == mode


# ---- names -----------------------------------------------------------------------------------------------------

def test_tokens_and_variables(kit, sshd, service, folder, adit_only):
    """%-tokens and ${VAR} in the paths of -L and -R; what is unknown ends the call, with its place."""
    target = service(traffic.echo, path=f"{folder}/target-{sshd.user}")
    client = kit.connect(sshd, "-N", "-L", "${WHERE}/%h-%p-%%:${WHERE}/target-%r", env={"WHERE": folder})
    line = client.listening(1)[0]
    assert line.line == f"listening L {folder}/127.0.0.1-{sshd.port}-% {target.path}"
    assert traffic.ask(line.addr) == b"ping"
    for spec, text in (("${NOT_SET}/a:h:1", "not set"), ("/%z:h:1", "%z"), ("/x\n:h:1", "control characters")):
        client = kit.connect(sshd, "-N", "-L", spec)
        assert client.finish() == 255
        assert text in client.err.text


@pytest.mark.quick
def test_too_long_a_path(kit, sshd, echo, adit_only):
    """107 bytes is what a socket's path can have."""
    path = "/tmp/" + "x" * 103
    for spec in (f"{path}:{echo.target}", f"0:{path}"):
        client = kit.connect(sshd, "-N", "-L", spec)
        assert client.finish() == 255
        assert f"the path of a Unix socket is longer than 107 bytes: {path}" in client.err.text


def test_as_option(kit, sshd, service, folder, adit_only):
    """LocalForward and RemoteForward take paths as -L and -R do."""
    target = service(traffic.echo, path=f"{folder}/target")
    client = kit.connect(sshd, "-N", "-o", f"LocalForward={folder}/a {target.path}", "-o",
                         f"RemoteForward {folder}/b {target.path}")
    assert [x.line for x in client.listening(2)] == [f"listening L {folder}/a {target.path}",
                                                     f"listening R {folder}/b {target.path}"]
    assert traffic.ask(f"{folder}/a") == traffic.ask(f"{folder}/b") == b"ping"


# ---- -W and -D ---------------------------------------------------------------------------------------------------

@pytest.mark.quick
def test_stdio_to_a_path(kit, server, service, folder, adit_only):
    target = service(traffic.half_closer, path=f"{folder}/target")
    client = kit.connect(server, "-W", target.path, stdin=subprocess.PIPE)
    client.proc.stdin.write(b"x" * 1000)
    client.proc.stdin.close()
    assert client.finish() == 0
    assert len(client.out.data) == 1_000_008


def test_stdio_to_a_path_without_a_listener(kit, sshd, folder, adit_only):
    client = kit.connect(sshd, "-W", f"{folder}/nobody", stdin=subprocess.PIPE)
    assert client.finish() == 255
    assert "stdio forwarding failed: connect failed" in client.err.text


def test_socks_on_a_path(kit, sshd, echo, folder, adit_only):
    """-D takes a path too; curl knows such a proxy."""
    client = kit.connect(sshd, "-N", "-D", f"{folder}/socks")
    assert client.listening(1)[0].line == f"listening D {folder}/socks -"
    s, code = socks.connect5(f"{folder}/socks", "127.0.0.1", echo.port)
    with s:
        assert code == socks.OK
        s.sendall(b"ping")
        assert traffic.recv_exact(s, 4) == b"ping"


# ---- the server's side -------------------------------------------------------------------------------------------

def test_no_service_at_the_path(kit, sshd, folder, adit_only):
    """-R to a path where nobody listens: that connection is refused, with a line; it works as soon as somebody does."""
    client = kit.connect(sshd, "-N", "-R", f"127.0.0.1:0:{folder}/target")
    addr = client.listening(1)[0].addr
    assert traffic.closes_without_data(addr)
    client.wait_err(rf"no local service for {folder}/target: ")
    made = traffic.echo(path=f"{folder}/target")
    assert traffic.ask(addr) == b"ping"
    made.close()


def test_a_server_that_forbids_it(kit, start, echo, folder, adit_only):
    """AllowStreamLocalForwarding no: both ways fail, with the path in the message."""
    server = start(servers.Sshd, {"AllowStreamLocalForwarding": "no"})
    client = kit.connect(server, "-N", "-o", "ExitOnForwardFailure=yes", "-R", f"{folder}/far:{echo.target}")
    assert client.finish() == 255
    assert f"remote port forwarding failed for listen path {folder}/far: the server refused it" in client.err.text
    client = kit.connect(server, "-N", "-L", f"0:{folder}/x")
    assert traffic.closes_without_data(client.listening(1)[0].addr)
    client.wait_err(rf"forward to {folder}/x: channel open failed: connect failed: open failed")


@pytest.mark.quick
def test_stop_cancels_at_the_server(forward, sshd, adit_only):
    """A clean stop sends cancel-streamlocal-forward while open connections drain."""
    client, addr = forward(sshd, "-R", ("path", "port"))
    mark = sshd.mark()
    with traffic.connect(addr) as s:
        s.sendall(b"1")
        assert s.recv(1) == b"1"
        client.proc.send_signal(signal.SIGTERM)
        sshd.wait_log(r"cancel-streamlocal-forward", mark)
        s.sendall(b"2")
        assert s.recv(1) == b"2"
        assert client.running()
    client.finish(4)


@pytest.mark.quick
def test_an_unasked_path_is_refused(kit, start, echo, folder, adit_only):
    """A forwarded-streamlocal for a path that we never asked for is refused, also while another path, or a port, was
    asked for; the session goes on."""
    server = start(servers.Asyncssh, unasked_paths=["/run/secret", f"{folder}/mine/../mine", ""])
    port = traffic.free_port()
    client = kit.connect(server, "-N", "-R", f"{folder}/mine:{echo.target}", "-R", f"127.0.0.1:{port}:{echo.target}")
    client.listening(2)
    server.wait_log(r"UNASKED refused", count=3)
    assert "UNASKED accepted" not in server.text()
    client.wait_err(r"refused a channel of type forwarded-streamlocal@openssh\.com for /run/secret: ")
    assert traffic.ask(f"{folder}/mine") == b"ping"
    holds_for(client.running, 0.2, "session after an unasked forward")


def test_two_paths_two_targets(kit, server, service, folder, adit_only):
    a, b = service(traffic.greeter, "a"), service(traffic.greeter, "b")
    kit.connect(server, "-N", "-R", f"{folder}/a:{a.target}", "-R", f"{folder}/b:{b.target}").listening(2)
    assert traffic.greeting(f"{folder}/a") == "a"
    assert traffic.greeting(f"{folder}/b") == "b"


def test_log_names_the_path(forward, sshd, adit_only):
    client, addr = forward(sshd, "-L", ("path", "path"), traffic.echo, "-v")
    assert traffic.ask(addr) == b"ping"
    client.wait_err(rf"channel \d+: opening direct-streamlocal to {re.escape(os.path.dirname(addr))}/target")
