"""kill -9 at any instant: known_hosts keeps every line that was there, whole, and what is left beside it goes at the next change. The
instants are found with strace, which kills at each call that touches the file, its copy or the folder; and at random, among many."""
import random
import re
import shutil
import signal
import subprocess
import time

import pytest

from harness import keys, servers
from harness.client import ADIT
from harness.wait import wait_until

pytestmark = pytest.mark.usefixtures("adit_only")


@pytest.fixture(scope="module")
def many(start):
    """A server with a key of each type."""
    return start(servers.Sshd, host_types=("ed25519", "rsa", "ecdsa256"))


@pytest.fixture
def hosts(kit, user_key):
    """The file in a folder of its own, with lines of others that must stay. The last one has no end."""
    folder = kit.folder / "hosts"
    folder.mkdir()
    file = folder / "known_hosts"
    file.write_text("".join(f"host{i}.example {keys.public(user_key)}\n" for i in range(200)) + "# the last")
    return file


def argv(kit, hosts, server, *options):
    return ["-v", *kit.base(known_hosts=False), "-o", f"UserKnownHostsFile={hosts}", *options, "-p", str(server.port), "-l", server.user, "127.0.0.1", "cat"]


def learned(server):
    """The first key is known, and the others are to be learned."""
    return f"\n[127.0.0.1]:{server.port} {keys.public(server.host_keys[0])}\n"


WAYS = {
    "new": (("StrictHostKeyChecking=accept-new", "UpdateHostKeys=no"), None, "Permanently added"),
    "hashed": (("StrictHostKeyChecking=accept-new", "UpdateHostKeys=no", "HashKnownHosts=yes"), None, "Permanently added"),
    "update": (("StrictHostKeyChecking=yes", "UpdateHostKeys=yes"), learned, "Learned new hostkey"),
}


def changes(kit, hosts, words, word, wrap=()):
    """A run that nobody kills: it ends when the file is another. (Its command waits: what is learned is learned beside it.)"""
    before = hosts.read_text()
    client = kit.run(*words, wrap=wrap, stdin=subprocess.PIPE)
    client.wait_err(word, 60)
    wait_until(lambda: hosts.read_text() != before, 60, "another known_hosts")
    client.proc.stdin.close()
    assert client.finish(60) == 0, client.err.text
    return hosts.read_text()


TRACED = "openat,open,write,writev,fchmod,fchown,fsync,rename,renameat,unlink,unlinkat,flock,ftruncate,close"


def traced(hosts, log, *more):
    return ["strace", "-f", "-o", str(log), "-P", str(hosts), "-P", f"{hosts}.adit-new", "-P", str(hosts.parent), *more]


def instants(log):
    """(call, which of its kind on that thread) from the lock on: before it nothing is changed."""
    seen, found, is_locked = {}, [], False
    for thread, call in re.findall(r"(?m)^(\d+) +(\w+)\(", log.read_text()):
        seen[thread, call] = seen.get((thread, call), 0) + 1
        is_locked = is_locked or call == "flock"
        if is_locked:
            found.append((call, seen[thread, call]))
    return found


@pytest.mark.parametrize("way", WAYS)
def test_killed_at_each_call(kit, many, hosts, way):
    if shutil.which("strace") is None:
        pytest.skip("no strace")
    options, prepare, word = WAYS[way]
    if prepare:
        hosts.write_text(hosts.read_text() + prepare(many))
    before, log = hosts.read_text(), kit.folder / "calls"
    words = argv(kit, hosts, many, *(x for o in options for x in ("-o", o)))
    after = changes(kit, hosts, words, word, traced(hosts, log, "-e", f"trace={TRACED}"))
    assert after.startswith(before) and len(after) > len(before)
    calls = instants(log)
    assert {"unlink", "write", "fsync", "rename"} <= {call.removesuffix("at") for call, _ in calls}, calls
    states = set()
    for call, number in calls:
        hosts.write_text(before)
        killed = kit.run(*words, wrap=traced(hosts, log, "-e", f"trace={TRACED}", "-e", f"inject={call}:signal=KILL:when={number}"), stdin=subprocess.PIPE)
        assert killed.finish(60) == -signal.SIGKILL, (call, number, killed.err.text)
        left = hosts.read_text()
        assert left == before or same(left, after), (call, number)
        states.add(left == before)
        assert {p.name for p in hosts.parent.iterdir()} <= {"known_hosts", "known_hosts.adit-new"}
        hosts.write_text(before)  # what was left beside it lies there still
    assert states == {True, False}, "kills before the change and behind it"
    (hosts.parent / "known_hosts.adit-new").write_text("half a li")
    assert same(changes(kit, hosts, words, word), after)
    assert [p.name for p in hosts.parent.iterdir()] == ["known_hosts"]


def same(a, b):
    """But for the salts of hashed names."""
    def shown(text):
        return re.sub(r"^\|1\|\S+", "|1|", text, flags=re.M)
    return shown(a) == shown(b)


def test_killed_among_many(kit, many, hosts):
    """Twelve at once, of which half are killed at any instant: who has said that its line is there has not lied."""
    before, rng = hosts.read_text() + "\n", random.Random(7)
    key = keys.public(many.host_keys[0])
    for turn in range(3):
        names = [f"turn{turn}-{i}" for i in range(12)]
        started = [subprocess.Popen([ADIT, *argv(kit, hosts, many, "-o", "StrictHostKeyChecking=accept-new", "-o", "UpdateHostKeys=no",
                                                 "-o", f"HostKeyAlias={name}", "-o", f"HashKnownHosts={'no' if i % 3 else 'yes'}")],
                                    env=kit.env(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
                   for i, name in enumerate(names)]
        for p in started[::2]:
            time.sleep(rng.uniform(0, 0.03))  # the instant; any will do
            p.kill()
        said = {name: p.communicate(timeout=60)[1] for name, p in zip(names, started)}
        assert not any(p.returncode for p in started[1::2]), said
        text = hosts.read_text()
        assert text.startswith(before)
        known = text[len(before):].splitlines()
        assert all(line.endswith(key) for line in known)
        for i, name in enumerate(names):
            found = subprocess.run(["ssh-keygen", "-F", name, "-f", str(hosts)], capture_output=True, check=False).returncode == 0
            assert found or "Permanently added" not in said[name], name
            assert found or i % 2 == 0, name
        before = text
        assert {p.name for p in hosts.parent.iterdir()} <= {"known_hosts", "known_hosts.adit-new"}
    assert kit.run(*argv(kit, hosts, many, "-o", "StrictHostKeyChecking=accept-new", "-o", "HostKeyAlias=last")).finish(60) == 0
    assert [p.name for p in hosts.parent.iterdir()] == ["known_hosts"]
