"""What every program is given: a server, a link `ssh` to adit, and a configuration that knows the server as `box`."""
import os
import subprocess

import pytest

from harness import client as client_module
from harness import servers, traffic


@pytest.fixture
def sshd(start):
    return start(servers.Sshd, log_level="INFO", options={"Subsystem": "sftp internal-sftp"})


@pytest.fixture
def block(kit):
    """Writes a Host block of the user's own configuration."""
    folder = kit.home / ".ssh"
    folder.mkdir(mode=0o700)

    def write(name, server, *lines):
        with open(kit.known_hosts, "a") as known:
            known.write(server.known_hosts_lines())
        with open(folder / "config", "a") as config:
            config.write(f"Host {name}\n" + "".join(f"    {line}\n" for line in (
                "HostName 127.0.0.1", f"Port {server.port}", f"User {server.user}", f"IdentityFile {kit.key}",
                "IdentitiesOnly yes", f"UserKnownHostsFile {kit.known_hosts}", "BatchMode yes", *lines)))
        return server

    return write


@pytest.fixture
def box(block, sshd):
    return block("box", sshd)


@pytest.fixture
def link(tmp_path, adit_only):
    """A folder with nothing in it but a link `ssh`."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "ssh").symlink_to(client_module.ADIT)
    return folder


@pytest.fixture
def env(kit, link):
    """The environment of a program: a home of its own, and the link first in PATH."""
    def make(**more):
        return kit.env(PATH=f"{link}:{os.environ['PATH']}", **more)
    return make


@pytest.fixture
def run(env, box, tmp_path):
    """Runs a program to its end, which must be a good one."""
    def runner(*argv, check=True, more={}, timeout=60, **kw):
        done = subprocess.run([str(a) for a in argv], env=env(**more), capture_output=True, timeout=timeout, cwd=tmp_path,
                              **kw)
        assert not check or done.returncode == 0, (argv, done.returncode, done.stdout[-2000:], done.stderr[-2000:])
        return done
    runner.env = env
    return runner


@pytest.fixture
def spawn(kit, env, box):
    """Starts a program that is ended with the test, and what it has started with it."""
    def start(*argv, more={}, **kw):
        client = client_module.Client(argv, env(**more), **kw)
        kit.clients.append(client)
        return client
    return start


@pytest.fixture
def big(tmp_path):
    path = tmp_path / "big"
    with open(path, "wb") as f:
        for piece in traffic.pattern(8 << 20, 5):
            f.write(piece)
    return path
