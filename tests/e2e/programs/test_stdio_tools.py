"""Programs that speak a protocol of their own through ssh's standard input and output."""
import http.client
import os
import re
import signal
import socket
import subprocess

import pytest

from harness import client as client_module
from harness import servers, traffic
from harness.wait import wait_until


class Pipe:
    """A command whose standard input and output are a connection, as docker, podman and libvirt have it."""

    def __init__(self, argv, env):
        ours, theirs = socket.socketpair()
        self.sock, self.argv = ours, [str(a) for a in argv]
        self.sock.settimeout(20)
        self.proc = subprocess.Popen(self.argv, stdin=theirs, stdout=theirs, stderr=subprocess.PIPE, env=env)
        theirs.close()

    def close(self):
        self.sock.close()
        self.proc.kill()
        self.proc.wait()
        self.proc.stderr.close()


@pytest.fixture
def pipe(env, box):
    made = []

    def start(*argv):
        made.append(Pipe(argv, env()))
        return made[-1]

    yield start
    for one in made:
        one.close()


@pytest.fixture
def far(tmp_path):
    """The server's folder of programs, which has a `docker`: it joins its standard descriptors with the daemon."""
    folder = tmp_path / "far"
    folder.mkdir()
    (folder / "docker").write_text(f'#!/bin/sh\n[ "$*" = "system dial-stdio" ] || exit 64\n'
                                   f'exec socat -t 20 - UNIX-CONNECT:{tmp_path}/daemon\n')
    (folder / "docker").chmod(0o755)
    return folder


@pytest.fixture
def sshd(start, far):
    return start(servers.Sshd, log_level="INFO", fresh=True,
                 options={"Subsystem": "sftp internal-sftp", "SetEnv": f"PATH={far}:{os.environ['PATH']}"})


class OverPipe(http.client.HTTPConnection):
    def __init__(self, pipe):
        super().__init__("docker")
        self.sock = pipe.sock

    def get(self, path):
        self.request("GET", path)
        return self.getresponse().read()


@pytest.fixture
def docker(pipe, box):
    """docker -H ssh://user@host:port, as its connection helper calls ssh."""
    return lambda: pipe("ssh", "-l", box.user, "-p", box.port, "-o", "ConnectTimeout=30", "-T", "--", "box", "docker",
                        "system", "dial-stdio")


def test_docker_requests(docker, service, tmp_path):
    """Requests and answers on several connections at once, each its own ssh."""
    async def daemon(reader, writer):
        while head := await reader.readuntil(b"\r\n\r\n"):
            body = b"you asked for " + head.split()[1]
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    service(traffic.Service, daemon, path=tmp_path / "daemon")
    connections = [OverPipe(docker()) for _ in range(3)]
    for path in ("/_ping", "/v1.41/info"):
        for one in connections:
            assert one.get(path) == b"you asked for " + path.encode()


def test_docker_half_close(docker, service, tmp_path):
    """docker's hijacked streams: our end is over, and all of the answer still comes; then the far end's, and a status."""
    service(traffic.half_closer, path=tmp_path / "daemon")
    one = docker()
    one.sock.sendall(b"x" * 300_000)
    one.sock.shutdown(socket.SHUT_WR)
    answer = traffic.recv_all(one.sock)
    assert int.from_bytes(answer[:8], "big") == 300_000 and len(answer) == 1_000_008
    assert one.proc.wait(20) == 0


def test_docker_without_a_daemon(docker):
    """The far program fails: its words are on standard error, its status is ours, the stream ends."""
    one = docker()
    assert traffic.recv_all(one.sock) == b""
    assert one.proc.wait(20) == 1 and b"No such file" in one.proc.stderr.read()


def test_docker_that_goes_away(docker, service, tmp_path):
    """docker closes the stream and ends its helper by a signal: nothing of it stays at the server."""
    daemon = service(traffic.echo, path=tmp_path / "daemon")
    one = docker()
    one.sock.sendall(b"ping")
    assert traffic.recv_exact(one.sock, 4) == b"ping" and daemon.active == 1
    one.sock.close()
    one.proc.send_signal(signal.SIGTERM)
    one.proc.wait(20)
    wait_until(lambda: daemon.active == 0, 10, "the end at the daemon")


LIBVIRT = "if 'socat' -V 2>&1 | grep -q nothing-of-it; then ARG=-q0; else ARG=; fi; 'socat' $ARG - UNIX-CONNECT:{path}"


def test_libvirt(pipe, box, service, tmp_path):
    """libvirt's and podman's way: one quoted `sh -c` for the far shell, which runs a program for a Unix socket."""
    service(traffic.echo, path=tmp_path / "daemon")
    quoted = LIBVIRT.format(path=f"{tmp_path}/daemon").replace("'", "'\\''")
    one = pipe("ssh", "-T", "-p", box.port, "-l", box.user, "-e", "none", "--", "box", "sh", "-c", f"'{quoted}'")
    data = b"".join(traffic.pattern(200_000))
    one.sock.sendall(data)
    assert traffic.recv_exact(one.sock, len(data)) == data
    one.sock.shutdown(socket.SHUT_WR)
    assert traffic.recv_all(one.sock) == b"" and one.proc.wait(20) == 0


SCRIPT = b"""
echo "%s: running" start-of-script
uname -s
echo "listeningOn==12345=="
echo "end-of-script"
while read -r word; do echo "got $word"; done
"""


def test_editor_s_remote_script(spawn, box, service, tmp_path):
    """An editor's way to a remote host: -T -D PORT, ConnectTimeout, a script for bash on standard input that stays, and
    connections through the SOCKS port meanwhile."""
    web = service(traffic.http, b"the editor's server")
    port = traffic.free_port_both()
    client = spawn("ssh", "-v", "-T", "-D", str(port), "-o", "ConnectTimeout=15", "box", "bash", stdin=subprocess.PIPE)
    client.proc.stdin.write(SCRIPT)
    client.proc.stdin.flush()
    client.wait_out("^end-of-script$")
    assert re.search(r"listeningOn==(\d+)==", client.out.text).group(1) == "12345" and "Linux" in client.out.text
    done = subprocess.run(["curl", "-sS", "--socks5-hostname", f"127.0.0.1:{port}", f"http://localhost:{web.port}/"],
                          capture_output=True, timeout=20)
    assert done.stdout == b"the editor's server", done.stderr
    client.proc.stdin.write(b"more\n")
    client.proc.stdin.flush()
    client.wait_out("^got more$")
    client.proc.stdin.close()
    assert client.finish() == 0
    assert traffic.is_refused(("127.0.0.1", port))


def test_proxy_command_of_ssh(run, block, start, tmp_path, big):
    """The real ssh, and its scp, with adit -W %h:%p as their ProxyCommand, as a jump host's name is in its own file."""
    block("inner", start(servers.Sshd, log_level="INFO", host_types=("ecdsa256",), options={
        "Subsystem": "sftp internal-sftp"}))
    config = tmp_path / "home/.ssh/config"
    words = ["-F", config, "-o", f"ProxyCommand={client_module.ADIT} -F {config} -W %h:%p box"]
    assert run("/usr/bin/ssh", *words, "inner", "cat; exit 3", input=b"through", check=False).stdout == b"through"
    run("/usr/bin/scp", *words, big, f"inner:{tmp_path}/there")
    assert (tmp_path / "there").read_bytes() == big.read_bytes()
