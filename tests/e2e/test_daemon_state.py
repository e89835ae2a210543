"""The daemon's state folder: what was said to be kept is kept, and what cannot be read is left alone."""
import json
import os
import random
import resource
import signal
import stat
import subprocess
import time

import pytest

from harness.client import ADIT
from harness.daemon import Daemon

pytestmark = pytest.mark.usefixtures("adit_only")


@pytest.fixture
def daemon(kit, sshd):
    """A daemon that is not running yet."""
    return Daemon(kit, sshd)


def names(state):
    """The names in state.json, which must be whole."""
    document = json.loads((state / "state.json").read_text())
    assert document["version"] == 1
    return {tunnel["name"] for tunnel in document["tunnels"]}


@pytest.mark.quick
def test_added_is_on_the_disk(daemon):
    """When `add` ends, the file has it, with mode 0600; so it is there after kill -9."""
    d = daemon.start()
    assert d.verb("add", "web", "bastion", "-L", "0:127.0.0.1:1").code == 0
    assert names(d.state) == {"web"}
    assert stat.S_IMODE(os.stat(d.state / "state.json").st_mode) == 0o600
    before = d.tunnel("web")
    d.stop(signal.SIGKILL)
    d.start()
    after = d.tunnel("web")
    assert after["id"] == before["id"] and after["created_at"] == before["created_at"]
    assert d.verb("rm", "web").code == 0
    assert names(d.state) == set()


def post(d, name):
    """A POST on its way; it prints the status that was answered, or 000."""
    body = {"name": name, "host": "bastion", "profile_id": "default", "forward_type": "dynamic", "local_port": 0}
    return subprocess.Popen(["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "--unix-socket", str(d.socket),
                             "-H", "Content-Type: application/json", "-d", json.dumps(body), "http://localhost/tunnels"],
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)


def test_killed_in_the_midst_of_adding(daemon):
    """kill -9 at random instants of a row of additions: each one that was answered is there."""
    rng, known = random.Random(1), set()
    for turn in range(15):
        d = daemon.start()
        assert names(d.state) >= known if (d.state / "state.json").exists() else not known
        posts = {f"t{turn}-{i}": post(d, f"t{turn}-{i}") for i in range(4)}
        time.sleep(rng.uniform(0, 0.03))  # the instant; any will do
        d.stop(signal.SIGKILL)
        done = {name for name, p in posts.items() if p.communicate(timeout=30)[0] == "201"}
        found = names(d.state) if (d.state / "state.json").exists() else set()
        assert known | done <= found <= known | set(posts)
        known = found


@pytest.mark.parametrize("text, complaint", [
    ('{"version":1,\n"tunnels":[}', "state.json:2:"),
    ('{"version":2,"tunnels":[]}', "newer"),
    ('{"version":1,"tunnels":[{"id":"x","name":"x"}]}', "tunnels[0]: host"),
])
def test_state_that_cannot_be_read(daemon, text, complaint):
    """The daemon says where it is wrong and does not begin; the file stays as it is."""
    daemon.state.mkdir(mode=0o700)
    file = daemon.state / "state.json"
    file.write_text(text)
    client = daemon.kit.run(*daemon.argv())
    assert client.finish() == 2
    assert complaint in client.err.text and str(file) in client.err.text
    assert file.read_text() == text


def test_unknown_members_are_kept(daemon):
    """What a newer one has added stands in the file after a change, too."""
    d = daemon.start()
    assert d.verb("add", "web", "bastion", "-D", "0").code == 0
    assert d.stop() == 0
    document = json.loads((d.state / "state.json").read_text())
    document["later"] = {"a": [1, None]}
    document["tunnels"][0]["colour"] = "red"
    (d.state / "state.json").write_text(json.dumps(document))
    d.start()
    assert d.verb("add", "other", "bastion", "-D", "0").code == 0
    document = json.loads((d.state / "state.json").read_text())
    assert document["later"] == {"a": [1, None]} and document["tunnels"][0]["colour"] == "red"
    assert names(d.state) == {"web", "other"}


def test_full_disk(daemon):
    """What cannot be saved is refused; the daemon, the old file and its tunnel stay, and later there is room again."""
    d = daemon.start()
    assert d.verb("add", "web", "bastion", "-D", "0").code == 0
    before = (d.state / "state.json").read_bytes()
    resource.prlimit(d.client.pid, resource.RLIMIT_FSIZE, (len(before) // 2, resource.RLIM_INFINITY))
    done = d.verb("add", "other", "bastion", "-D", "0")
    assert done.code == 1 and "state.json" in done.err
    assert (d.state / "state.json").read_bytes() == before
    assert d.verb("list").out.count("web") == 1 and "other" not in d.verb("list").out
    resource.prlimit(d.client.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
    assert d.verb("add", "other", "bastion", "-D", "0").code == 0
    assert names(d.state) == {"web", "other"}


def test_log_that_nobody_reads(daemon):
    """Standard error's reader has gone: the daemon goes on."""
    d = daemon
    process = subprocess.Popen([ADIT, *d.argv()], env=d.kit.env(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.PIPE, text=True)
    try:
        while not process.stderr.readline().startswith("adit: ready "):
            assert process.poll() is None
        process.stderr.close()
        assert d.verb("add", "web", "bastion", "-D", "0").code == 0
        assert d.verb("reload").code == 0
        process.send_signal(signal.SIGUSR2)
        assert d.verb("list").code == 0
        assert process.poll() is None
    finally:
        process.terminate()
        assert process.wait(15) == 0
