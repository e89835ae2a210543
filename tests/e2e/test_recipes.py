"""The recipes of README.md, run as they stand there. Only what cannot be had on one machine is exchanged: where the
bastion is (an option before the words of the recipe), and the port numbers on this side and at the server."""
import os
import re
import shutil
import subprocess

import pytest

from harness import keys, servers, traffic
from harness.client import ADIT, IS_SSH, Client
from harness.servers import ROOT

pytestmark = pytest.mark.skipif(IS_SSH, reason="of adit alone")

HOSTS = {"db.internal": "127.88.0.1", "cache.internal": "127.88.0.2", "web.internal": "127.88.0.3",
         "wiki.internal": "127.88.0.4", "inner.internal": "127.88.0.5"}


def recipes():
    """title -> its commands, of README.md's section `Recipes`."""
    text = (ROOT / "README.md").read_text()
    section = text[text.index("## Recipes"):text.index("## From boot on")]
    found = {}
    for part in section.split("\n### ")[1:]:
        title, _, body = part.partition("\n")
        found[title.strip()] = re.findall(r"^    (\S.*)$", body, re.M)
    return found


ALL = recipes() if (ROOT / "README.md").exists() else {}
TITLES = {
    "PostgreSQL", "MySQL", "Redis", "A web server, plain and TLS", "Show a development server", "Receive webhooks",
    "A debugger", "A proxy for everything", "As ssh's way through a bastion", "In a CI job, with nothing on disk",
    "A pinned host key", "In a script: any free port, and knowing when it is up"}


class Bench:
    """A home folder, a PATH on which adit and ssh know where the bastion is, and the bastion."""

    def __init__(self, kit, start, user_key, service):
        self.kit, self.service = kit, service
        self.server = start(servers.Sshd, {"GatewayPorts": "clientspecified", "ListenAddress": "0.0.0.0"}, hosts=HOSTS)
        self.key = user_key
        ssh = kit.home / ".ssh"
        ssh.mkdir(mode=0o700)
        keys.copy_private(user_key, ssh / "id_ed25519")
        (ssh / "known_hosts").write_text(self.server.known_hosts_lines())
        self.bin = kit.folder / "bin"
        self.bin.mkdir()
        self.program("adit", f"exec {ADIT} -p {self.server.port} -l {self.server.user} -o HostName=127.0.0.1 \"$@\"")
        self.program("ssh", f"exec {shutil.which('ssh')} -F none -i {user_key} -o IdentitiesOnly=yes "
                     f"-o StrictHostKeyChecking=yes -o UserKnownHostsFile={kit.folder}/inner_hosts "
                     f"-l {self.server.user} -p {self.server.port} \"$@\"")
        (kit.folder / "inner_hosts").write_text(
            self.server.known_hosts_lines().replace("[127.0.0.1]", "[inner.internal]"))
        self.ports = {}

    def program(self, name, line):
        path = self.bin / name
        path.write_text(f"#!/bin/sh\n{line}\n")
        path.chmod(0o755)

    def env(self, **extra):
        return self.kit.env(PATH=f"{self.bin}:{os.environ['PATH']}", **extra)

    def at(self, name, port, text):
        """A service inside, at its own address and its true port number."""
        return self.service(traffic.greeter, text, host=HOSTS[name], port=port)

    def own_port(self, number):
        """The number that stands for one of the recipe in this run."""
        return self.ports.setdefault(number, str(traffic.free_port_both()))

    def local(self, command):
        """-L and -D ports on this side, also where they are used."""
        command = re.sub(r"(-L |-D |127\.0\.0\.1:)([1-9]\d+)\b", lambda m: m[1] + self.own_port(m[2]), command)
        return command

    def remote(self, command, target):
        """The server's port of -R, and the port of the local target."""
        command = re.sub(r"(-R (?:0\.0\.0\.0:)?)(\d+):", lambda m: m[1] + self.own_port(m[2]) + ":", command)
        return re.sub(r"(:localhost:)\d+", lambda m: m[1] + str(target.port), command)

    def tunnel(self, command, lines, env=None):
        assert "adit -N" in command
        kept = Client(["bash", "-c", command if "=" in command.split()[0] else "exec " + command],
                      self.env(**(env or {})), cwd=self.kit.folder)
        self.kit.clients.append(kept)
        return kept.listening(lines)

    def sh(self, text):
        done = subprocess.run(["bash", "-c", text], env=self.env(), cwd=self.kit.folder, capture_output=True, text=True,
                              timeout=30, stdin=subprocess.DEVNULL)
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture
def bench(kit, start, user_key, service, needs_root):
    return Bench(kit, start, user_key, service)


def only(title, *starts):
    commands = ALL[title]
    assert len(commands) == max(len(starts), 1), commands
    return commands


@pytest.mark.quick
def test_every_recipe_has_a_test():
    """The list of README.md and the tests here are the same."""
    assert set(ALL) == TITLES


@pytest.mark.parametrize("title, host, port", [("PostgreSQL", "db.internal", 5432), ("MySQL", "db.internal", 3306),
                                               ("Redis", "cache.internal", 6379)])
def test_data_bases(bench, title, host, port):
    """The service's own protocol begins on the local port."""
    bench.at(host, port, f"I am {title}")
    command, = only(title)
    bench.tunnel(bench.local(command), 1)
    assert traffic.greeting(("127.0.0.1", int(bench.own_port(str(port))))) == f"I am {title}"


def test_web(bench):
    """Both ports of a web server."""
    bench.at("web.internal", 80, "plain")
    bench.at("web.internal", 443, "tls")
    command, = only("A web server, plain and TLS")
    bench.tunnel(bench.local(command), 2)
    assert traffic.greeting(("127.0.0.1", int(bench.own_port("8080")))) == "plain"
    assert traffic.greeting(("::1", int(bench.own_port("8443")))) == "tls"


@pytest.mark.parametrize("title, port", [("Show a development server", "8080"), ("A debugger", "9229")])
def test_remote(bench, title, port):
    """The server's port reaches ours, and only its loopback listens."""
    here = bench.service(traffic.greeter, title)
    command, = only(title)
    bench.tunnel(bench.remote(command, here), 1)
    number = int(bench.own_port(port))
    assert traffic.greeting(("127.0.0.1", number)) == title
    assert traffic.listeners(number) <= {"127.0.0.1", "::1"}


def test_webhook(bench):
    """The server listens on every IPv4 address of its own."""
    here = bench.service(traffic.greeter, "hook")
    command, = only("Receive webhooks")
    bench.tunnel(bench.remote(command, here), 1)
    number = int(bench.own_port("9000"))
    assert traffic.listeners(number) == {"0.0.0.0"}
    assert traffic.greeting(("127.9.9.9", number)) == "hook"


def test_proxy(bench):
    """curl, as the recipe has it, reaches a name that only the server knows."""
    bench.service(traffic.http, b"wiki page", host=HOSTS["wiki.internal"], port=80)
    tunnel, first, second = only("A proxy for everything", 1, 2, 3)
    bench.tunnel(bench.local(tunnel), 1)
    assert bench.sh(bench.local(first)) == "wiki page"
    assert bench.sh(bench.local(second)) == "wiki page"


def test_proxy_command(bench):
    """ssh logs in to the inner host through adit."""
    command, = only("As ssh's way through a bastion")
    assert bench.sh(command).strip() == os.uname().nodename


def test_ci(bench):
    """Key and known hosts from the environment, no file in the home folder."""
    shutil.rmtree(bench.kit.home / ".ssh")
    bench.at("db.internal", 5432, "data")
    command, = only("In a CI job, with nothing on disk")
    bench.tunnel(bench.local(command), 1, {"DEPLOY_KEY": bench.key.read_text(),
                                           "DEPLOY_KNOWN_HOSTS": bench.server.known_hosts_lines()})
    assert traffic.greeting(("127.0.0.1", int(bench.own_port("5432")))) == "data"
    assert not (bench.kit.home / ".ssh").exists()


def test_pinned(bench):
    """The fingerprint of the true key is enough, that of the recipe (another key's) is refused."""
    (bench.kit.home / ".ssh/known_hosts").unlink()
    bench.at("db.internal", 5432, "data")
    command, = only("A pinned host key")
    refused = Client(["bash", "-c", "exec " + bench.local(command)], bench.env())
    assert refused.finish() == 255
    right = re.sub(r"SHA256:\S+", keys.fingerprint(bench.server.host_keys[0]), bench.local(command))
    bench.tunnel(right, 1)
    assert traffic.greeting(("127.0.0.1", int(bench.own_port("5432")))) == "data"


def test_script(bench):
    """The whole script: it learns the address, and the tunnel works until it ends it."""
    bench.at("db.internal", 5432, "data")
    lines = ALL["In a script: any free port, and knowing when it is up"]
    assert lines[-1] == "kill $!"
    talk = 'exec 5<>"/dev/tcp/${address%:*}/${address##*:}"; head -c 4 <&5; exec 5>&-'
    said = bench.sh("\n".join([*lines[:-1], talk, lines[-1], "wait; true"]))
    assert re.fullmatch(r"the database is at 127\.0\.0\.1:\d+\ndata", said)
