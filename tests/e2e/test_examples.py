"""The scripts in examples/, as they are, by password and by key."""
import contextlib
import os
import signal
import subprocess

import pytest

from harness import servers, traffic
from harness.client import ADIT, IS_SSH
from harness.servers import ROOT

pytestmark = pytest.mark.skipif(IS_SSH, reason="of adit alone")


@pytest.fixture(params=["password", "key"])
def example(request, kit, start, system_user, user_key):
    """example(name, argument...) -> a process with the environment that examples want."""
    server = start(servers.Sshd, {"PasswordAuthentication": "yes"}, user=system_user.name)
    env = {**os.environ, "HOME": str(kit.home), "ADIT": ADIT, "ADIT_KNOWN_HOSTS": server.known_hosts_lines(),
           "SSH_HOST": "127.0.0.1", "SSH_PORT": str(server.port), "SSH_USER": system_user.name}
    for name in ("SSH_AUTH_SOCK", "SSH_PASSWORD", "ADIT_KEY"):
        env.pop(name, None)
    if request.param == "password":
        env["SSH_PASSWORD"] = system_user.password
    else:
        env["ADIT_KEY"] = user_key.read_text()
    running = []

    def run(name, *args, **popen):
        running.append(subprocess.Popen([ROOT / "examples" / name, *map(str, args)], env={**env, **popen.pop("env", {})},
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                        start_new_session=True, **popen))
        return running[-1]

    yield run
    for process in running:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def test_with_service(example, service):
    """The command reaches the service, does not see the password, and its status is ours."""
    greeter = service(traffic.greeter, "hello")
    script = 'test -z "${SSH_PASSWORD:-}${ADIT_KEY:-}" || exit 3; exec 3<>/dev/tcp/$ADIT_SERVICE_HOST/$ADIT_SERVICE_PORT; head -c 5 <&3; exit 7'
    done = example("with-service.sh", greeter.target, "bash", "-c", script, stdin=subprocess.DEVNULL)
    out, err = done.communicate(timeout=60)
    assert (out, done.returncode) == ("hello", 7), err


def test_fetch(example, service):
    page = service(traffic.greeter, "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello")
    done = example("fetch.sh", f"http://{page.target}/", stdin=subprocess.DEVNULL)
    out, err = done.communicate(timeout=60)
    assert (out, done.returncode) == ("hello", 0), err


def test_show_port(example, echo):
    process = example("show-port.sh", echo.port, stdin=subprocess.DEVNULL)
    words = process.stdout.readline().split()
    assert words[:2] == ["listening", "R"] and words[3] == f"localhost:{echo.port}", process.stderr.read()
    host, _, port = words[2].rpartition(":")
    with traffic.connect((host, int(port)), 60) as s:
        s.sendall(b"there and back")
        assert traffic.recv_exact(s, 14) == b"there and back"
    process.terminate()
    assert process.wait(60) == 0


def test_stdio(example, service):
    done = example("stdio.sh", service(traffic.greeter, "hello").target, stdin=subprocess.DEVNULL)
    out, err = done.communicate(timeout=60)
    assert (out, done.returncode) == ("hello", 0), err


def test_nothing_said(example):
    """Which server is asked for in words."""
    done = example("stdio.sh", "127.0.0.1:1", env={"SSH_HOST": ""}, stdin=subprocess.DEVNULL)
    assert "Set SSH_HOST" in done.communicate(timeout=60)[1] and done.returncode != 0
