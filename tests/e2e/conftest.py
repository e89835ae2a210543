"""Fixtures of the end-to-end tests. Every server and client is a process of its own in a temporary folder;
nothing under the real home folder is read or written. ADIT names another client binary, ADIT_OPENSSH10 the
folder of an unpacked OpenSSH 10."""
import itertools
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).parent))

import pytest  # noqa: E402

from harness import client, keys, servers, traffic  # noqa: E402
from harness.wait import wait_until  # noqa: E402


# A thousand connections are open at once: in this process, in the client and in the server.
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
# A run that is told to stop ends its servers and clients too.
signal.signal(signal.SIGTERM, signal.default_int_handler)


def pytest_collection_modifyitems(items):
    """Files with slow tests come first: a run side by side ends when its last file does. What makes no sense for
    another client than adit is marked so by the fixture `adit_only`."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)
    for item in items:
        if client.IS_SSH and "adit_only" in item.fixturenames:
            item.add_marker(pytest.mark.skip(reason="of adit alone"))


@pytest.fixture
def release():
    """For budgets of memory and size: those of the product, not of a sanitizer's build."""
    if client.IS_SSH or client.is_sanitized():
        pytest.skip("not the release build")


@pytest.fixture
def adit_only():
    pass


@pytest.fixture(scope="session")
def base():
    """The run's folder; other users may pass through it (sshd reads authorized_keys as the user)."""
    folder = Path(tempfile.mkdtemp(prefix="adit-e2e-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def key_folder(base):
    folder = base / "keys"
    folder.mkdir()
    return folder


@pytest.fixture(scope="session")
def user_key(key_folder):
    return keys.keygen(key_folder / "user")


@pytest.fixture(scope="session")
def start(base, key_folder, user_key):
    """Starts servers: start(Class, ..., authorized=[...]). Equal calls share one server for the whole run unless
    fresh=True."""
    running, shared, count = [], {}, itertools.count()

    def starter(cls, *args, authorized=None, fresh=False, **kw):
        mark = repr((cls, args, authorized, sorted(kw.items())))
        if not fresh and mark in shared and shared[mark].is_up():
            return shared[mark]
        folder = base / f"server{next(count)}"
        folder.mkdir()
        if cls is servers.Dropbear:
            server = cls(folder, *args, **kw)
        else:
            server = cls(folder, key_folder, authorized or [keys.public(user_key)], *args, **kw)
        running.append(server)
        shared[mark] = server
        return server

    yield starter
    for server in running:
        server.stop()


@pytest.fixture(scope="session")
def sshd(start):
    """The stock sshd that most tests use."""
    return start(servers.Sshd)


@pytest.fixture(scope="session")
def needs_root():
    if os.getuid() != 0:
        pytest.skip("needs root: a throw-away system user or a mount namespace")


@pytest.fixture(scope="session")
def system_user(base, user_key, needs_root):
    user = servers.SystemUser(base, [keys.public(user_key)])
    yield user
    user.remove()


@pytest.fixture(scope="session")
def openssh10():
    tree = servers.openssh10_tree()
    if tree is None:
        pytest.skip("no OpenSSH 10: set ADIT_OPENSSH10 to its unpacked tree")
    return tree


@pytest.fixture
def kit(tmp_path, user_key):
    kit = client.Kit(tmp_path, user_key)
    yield kit
    kit.close()


@pytest.fixture
def ssh_agent(kit):
    """ssh_agent(key, ...) starts OpenSSH's agent with these keys and says where it listens."""
    running = []

    def begin(*paths):
        path = kit.folder / f"agent{len(running)}"
        running.append(subprocess.Popen(["ssh-agent", "-D", "-a", str(path)], stdout=subprocess.DEVNULL))
        wait_until(lambda: traffic.unix_answers(path), 5, "the agent")
        for key in paths:
            subprocess.run(["ssh-add", "-q", str(key)], env={"SSH_AUTH_SOCK": str(path), "PATH": os.environ["PATH"]},
                           check=True, capture_output=True)
        return str(path)

    yield begin
    for proc in running:
        proc.kill()
        proc.wait()


@pytest.fixture
def service():
    """Makes helper servers that end with the test: service(traffic.echo)."""
    made = []

    def make(kind, *args, **kw):
        made.append(kind(*args, **kw))
        return made[-1]

    yield make
    for s in made:
        s.close()


@pytest.fixture
def mute_dns(tmp_path, needs_root):
    """What to put before a command so that its name server never answers: a mount namespace with a resolv.conf."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        address = f"127.0.0.{153 + traffic.SHARE}"
        try:
            server.bind((address, 53))
        except OSError:
            pytest.skip(f"port 53 of {address} cannot be bound here")
        (tmp_path / "resolv.conf").write_text(f"nameserver {address}\noptions timeout:30 attempts:2\n")
        yield ["unshare", "-m", "sh", "-c", 'mount --bind "$0" /etc/resolv.conf && exec "$@"',
               str(tmp_path / "resolv.conf")]


@pytest.fixture
def echo(service):
    return service(traffic.echo)


@pytest.fixture
def relay():
    """Makes relays: relay(port, '-d', '50')."""
    made = []

    def make(*args, **kw):
        made.append(servers.Relay(*args, **kw))
        return made[-1]

    yield make
    for r in made:
        r.stop()
