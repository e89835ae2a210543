"""ssh-agent and ssh-add: what they are told, and what they hold back."""
import os
import subprocess

import pytest

from harness import keys, servers, traffic
from harness.wait import wait_until


@pytest.fixture
def asks(tmp_path):
    """A program that answers for the user: the text of a file, its questions go to another."""
    answer, questions, path = tmp_path / "answer", tmp_path / "questions", tmp_path / "asks"
    path.write_text(f'#!/bin/sh\necho "$1" >>{questions}\ncat {answer}\n')
    path.chmod(0o755)
    questions.write_text("")

    def say(text):
        answer.write_text(text + "\n")
        return {"SSH_ASKPASS": str(path), "SSH_ASKPASS_REQUIRE": "force"}
    say.questions = questions
    return say


@pytest.fixture
def agent(kit, asks):
    """OpenSSH's agent, which asks as `asks` does; says where it listens."""
    path = kit.folder / "agent"
    proc = subprocess.Popen(["ssh-agent", "-D", "-a", str(path)], stdout=subprocess.DEVNULL, env=kit.env(**asks("")))
    wait_until(lambda: traffic.unix_answers(path), 5, "the agent")
    yield str(path)
    proc.kill()
    proc.wait()


@pytest.fixture
def add(run, agent):
    def runner(*words, **kw):
        more = {"SSH_AUTH_SOCK": agent, **kw.pop("more", {})}
        return run("/usr/bin/ssh-add", *words, more=more, **kw)
    return runner


@pytest.fixture
def login(run, agent, tmp_path):
    """Logs in with the agent's keys alone: the configuration's file is the public one."""
    def runner(*words, host="box", **kw):
        only = ["-F", tmp_path / "public-config"]
        text = (tmp_path / "home/.ssh/config").read_text()
        (tmp_path / "public-config").write_text(text.replace("IdentitiesOnly yes", "").replace("IdentityFile", "#"))
        return run("ssh", *only, *words, host, "echo in", more={"SSH_AUTH_SOCK": agent}, **kw)
    return runner


@pytest.mark.parametrize("kind", ["openssh", "pem", "nameless", "sealed"])
def test_added_key_as_ssh_adds_it(run, add, agent, asks, start, block, tmp_path, kind):
    """AddKeysToAgent: ssh-add -l shows the same line as after the real ssh, comment and all."""
    key = tmp_path / "key"
    extra = {"openssh": ["-t", "ed25519", "-C", "a comment"], "pem": ["-t", "rsa", "-b", "2048", "-m", "PEM"],
             "nameless": ["-t", "ecdsa", "-C", ""], "sealed": ["-t", "ed25519", "-C", "locked", "-N", "secret"]}[kind]
    subprocess.run(["ssh-keygen", "-q", "-f", str(key), "-N", "", *extra], check=True)
    server = block("own", start(servers.Sshd, authorized=[keys.public(key)]))
    seen = []
    for program in ("/usr/bin/ssh", "ssh"):
        run(program, "-F", "none", "-p", server.port, "-l", server.user, "-i", key, "-oIdentitiesOnly=yes",
            f"-oUserKnownHostsFile={tmp_path}/known_hosts", "-oAddKeysToAgent=yes", "127.0.0.1", "true",
            more={"SSH_AUTH_SOCK": agent, **asks("secret")})
        seen.append(add("-l").stdout)
        add("-D")
    assert seen[0] == seen[1] and keys.fingerprint(key).encode() in seen[0]


def test_confirmed_key(add, login, kit, asks):
    """ssh-add -c: each use is asked for; what is refused is no login."""
    add("-q", "-c", kit.key)
    asks("yes")
    assert login().stdout == b"in\n"
    assert len(asks.questions.read_text().splitlines()) == 2  # "Allow use of key ...?" and its fingerprint
    asks("no")
    done = login(check=False)
    assert done.returncode == 255 and b"Permission denied (publickey)" in done.stderr


def test_refused_key_then_another(add, login, kit, asks, start, block, user_key, tmp_path_factory):
    """A key that the agent does not sign with: the next one is tried."""
    other = keys.keygen(tmp_path_factory.mktemp("key") / "other")
    block("two", start(servers.Sshd, authorized=[keys.public(other), keys.public(user_key)]))
    add("-q", "-c", other)
    add("-q", kit.key)
    asks("no")
    assert login(host="two").stdout == b"in\n"


def test_locked_agent(add, login, run, kit, asks):
    """ssh-add -x: there is no key, and a key file does; after -X the keys are there again."""
    add("-q", kit.key)
    add("-x", more=asks("secret"))
    done = login(check=False)
    assert done.returncode == 255 and b"Permission denied" in done.stderr
    assert login("-i", kit.key).stdout == b"in\n"
    add("-X", more=asks("secret"))
    assert login().stdout == b"in\n"


def test_adding_to_a_locked_agent(add, run, kit, asks, agent):
    """AddKeysToAgent with an agent that takes nothing is no obstacle."""
    add("-x", more=asks("secret"))
    done = run("ssh", "-o", "AddKeysToAgent=yes", "box", "echo in", more={"SSH_AUTH_SOCK": agent})
    assert done.stdout == b"in\n"


def test_lifetime(add, login, kit):
    """ssh-add -t: a key is there for so long."""
    add("-q", "-t", "600", kit.key)
    assert login().stdout == b"in\n"
    add("-q", "-t", "1", kit.key)
    wait_until(lambda: add("-l", check=False).returncode == 1, 10, "the end of the key")
    assert login(check=False).returncode == 255


@pytest.fixture
def hops(block, start, user_key):
    """Two servers with keys of their own: `box` takes us to `far`."""
    line = keys.public(user_key)
    return block("far", start(servers.Sshd, authorized=[line], host_types=("ecdsa256",)))


def restricted(add, kit, box, far, *words):
    """The key for these ways alone. What the agent is told are keys of hosts, which the file names."""
    known = kit.folder / "agent_hosts"
    known.write_text("".join(f"{name} {keys.public(server.host_keys[0])}\n" for name, server in (("box", box), ("far", far))))
    add("-q", "-H", known, *(w for word in words for w in ("-h", word)), kit.key)


def test_key_for_a_way(add, login, hops, kit, box, run, agent):
    """ssh-add -h box -h 'box>far': the forwarded agent signs at box for far, and for nobody from here at once; bound to
    both sessions by us and by whatever goes on from box."""
    restricted(add, kit, box, hops, "box", "box>far")
    assert login().stdout == b"in\n"
    assert login(host="far", check=False).returncode == 255
    onward = ["-p", hops.port, "-l", hops.user, "-F", "none", "-o", f"UserKnownHostsFile={kit.known_hosts}",
              "-o", "BatchMode=yes", "127.0.0.1", "echo through"]
    for program in ("/usr/bin/ssh", os.path.realpath(kit.folder / "bin/ssh")):
        done = run("ssh", "-A", "-i", f"{kit.key}.pub", "box", " ".join(map(quoted, [program, *onward])),
                   more={"SSH_AUTH_SOCK": agent})
        assert done.stdout == b"through\n"


def quoted(word):
    return f"'{word}'"


def test_key_for_a_way_is_not_for_another(add, hops, kit, box, run, agent):
    """ssh-add -h box alone: the forwarded agent does not sign for what lies behind."""
    restricted(add, kit, box, hops, "box")
    onward = ["/usr/bin/ssh", "-p", hops.port, "-l", hops.user, "-F", "none", "-o", f"UserKnownHostsFile={kit.known_hosts}",
              "-o", "BatchMode=yes", "127.0.0.1", "echo through"]
    done = run("ssh", "-A", "-i", f"{kit.key}.pub", "box", " ".join(map(quoted, onward)), more={"SSH_AUTH_SOCK": agent},
               check=False)
    assert done.returncode == 255 and b"Permission denied" in done.stderr and done.stdout == b""


def test_key_for_a_jump(add, login, hops, kit, box):
    """-J: both logins are ours, so that both hosts are named, and the agent is bound to one session each."""
    restricted(add, kit, box, hops, "box", "far")
    assert login("-J", "box", host="far").stdout == b"in\n"
    add("-D")
    restricted(add, kit, box, hops, "far")
    assert login("-J", "box", host="far", check=False).returncode == 255
