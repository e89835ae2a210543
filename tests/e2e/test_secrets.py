"""Planted secrets are looked for in everything that others can see: logs at -vvv, the log file, -G, messages, arguments
and environments of the client and of every program that it starts."""
import json
import os
import signal
import stat

import pytest
from test_access import connect_http

from harness import keys, proxies, servers, traffic
from harness.daemon import Daemon
from harness.http import Api, Events

pytestmark = pytest.mark.usefixtures("adit_only")

PASSPHRASE = "planted passphrase 7f3a"
PASSWORD = "planted-password-91c2"
PROXY_PASSWORD = "planted-proxy-55d0"
PROXY_ENCODED = "bWU6cGxhbnRlZC1wcm94eS01NWQw"  # me:... in base64


def key_lines(path):
    """The lines of a private key's text that say something."""
    return [line for line in path.read_text().splitlines() if not line.startswith("-")]


class Spies:
    """Programs for the client to start: each keeps what it was given in a file, and then does its work."""

    def __init__(self, folder):
        self.folder = folder / "seen"
        self.folder.mkdir()

    def make(self, name, work):
        path = self.folder.parent / f"spy_{name}"
        path.write_text(f"#!/bin/sh\ncat /proc/$$/environ /proc/$$/cmdline /proc/$PPID/cmdline >>{self.folder}/{name}\n{work}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return path

    def saw(self, *names):
        """What they saw; each of these must have run."""
        found = b""
        for name in names:
            text = (self.folder / name).read_bytes()
            assert b"HOME=" in text, name
            found += text
        return found


def must_not_have(secrets, *texts):
    for text in texts:
        text = text.encode() if isinstance(text, str) else text
        for secret in secrets:
            assert secret.encode() not in text


def proc_texts(client):
    """The client's own arguments and environment, as ps shows them."""
    return [open(f"/proc/{client.pid}/{name}", "rb").read() for name in ("cmdline", "environ")]


@pytest.fixture
def log_file(tmp_path):
    return tmp_path / "log"


def outputs(client, log_file):
    return client.out.text, client.err.text, log_file.read_text()


@pytest.mark.parametrize("where", ["ADIT_KEY", "env:", "file"])
def test_key_in_the_environment(kit, sshd, service, user_key, log_file, where):
    """The key's text: not in the environment of a condition, of KnownHostsCommand or of ProxyCommand, and once it was
    taken not in our own either."""
    spies = Spies(kit.folder)
    kit.trust(sshd)
    hosts = spies.make("hosts", f"cat {kit.known_hosts}")
    proxy = spies.make("proxy", f"exec {proxies.netcat(kit.folder)} 127.0.0.1 {sshd.port}")
    condition = spies.make("condition", "exit 0")
    config = kit.folder / "config"
    # The file may name the variable behind the condition, too.
    config.write_text(f"Match exec {condition}\nKnownHostsCommand {hosts}\nProxyCommand {proxy}\nUserKnownHostsFile none\n"
                      "GlobalKnownHostsFile none\nIdentitiesOnly yes\n" +
                      ("IdentityFile env:PLANTED_KEY\n" if where == "file" else ""))
    config.chmod(0o600)
    variable = "ADIT_KEY" if where == "ADIT_KEY" else "PLANTED_KEY"
    identity = ["-i", "env:PLANTED_KEY"] if where == "env:" else []
    client = kit.run("-F", str(config), *identity, "-vvv", "-E", str(log_file), "-o", "BatchMode=yes", "-p", str(sshd.port),
                     "-l", sshd.user, "-N", "-L", f"0:{service(traffic.echo).target}", "127.0.0.1",
                     env={variable: user_key.read_text()})
    assert traffic.ask(client.listening()[0].addr) == b"ping"
    own = proc_texts(client)
    client.stop()
    must_not_have(key_lines(user_key), spies.saw("hosts", "proxy", "condition"), *own, *outputs(client, log_file))


@pytest.mark.parametrize("by", ["ADIT_KEY", "env:", "fd:"])
def test_one_key_for_each_host_on_the_way(kit, sshd, start, service, user_key, log_file, by):
    """A jump host and the destination behind it take the same key text; what is started for the first one does not see
    it, nor the descriptor it came through."""
    hop = start(servers.Sshd, {"ClientAliveCountMax": "4"})
    spies = Spies(kit.folder)
    kit.known_hosts.write_text(hop.known_hosts_lines() + sshd.known_hosts_lines())
    hosts = spies.make("hosts", f"cat {kit.known_hosts}; ls -l /proc/self/fd >>{kit.folder}/seen/fds")
    r, w = os.pipe()
    os.write(w, user_key.read_bytes())
    os.close(w)
    name = {"ADIT_KEY": None, "env:": "env:PLANTED_KEY", "fd:": f"fd:{r}"}[by]
    config = kit.folder / "config"
    config.write_text(f"KnownHostsCommand {hosts}\nUserKnownHostsFile none\nGlobalKnownHostsFile none\n" +
                      (f"IdentityFile {name}\n" if name else "") +
                      f"Host dest\nHostName 127.0.0.1\nHostKeyAlias [127.0.0.1]:{sshd.port}\nPort {sshd.port}\nProxyJump {hop.user}@127.0.0.1:{hop.port}\n")
    config.chmod(0o600)
    variable = {"ADIT_KEY": "ADIT_KEY", "env:": "PLANTED_KEY"}.get(by)
    client = kit.run("-F", str(config), "-vvv", "-E", str(log_file), "-o", "BatchMode=yes", "-l", sshd.user, "-N", "-L",
                     f"0:{service(traffic.echo).target}", "dest", env={variable: user_key.read_text()} if variable else {}, pass_fds=(r,))
    os.close(r)
    assert traffic.ask(client.listening()[0].addr) == b"ping"
    client.stop()
    must_not_have(key_lines(user_key), spies.saw("hosts"), *outputs(client, log_file))
    assert f" {r} -> pipe:" not in (spies.folder / "fds").read_text()


def test_damaged_key_in_the_environment(kit, sshd, user_key, log_file):
    """A message about a key that cannot be read does not show it."""
    text = user_key.read_text().replace("-----END", "!!\n-----END")
    client = kit.connect(sshd, "-vvv", "-E", str(log_file), "-N", "-L", "0:127.0.0.1:1", key=False, env={"ADIT_KEY": text})
    assert client.finish() == 255
    assert "$ADIT_KEY" in log_file.read_text()
    must_not_have(key_lines(user_key), *outputs(client, log_file))


def askpass(spies, *answers):
    count = spies.folder.parent / "count"
    for i, answer in enumerate(answers, 1):
        (spies.folder.parent / f"answer{i}").write_text(answer + "\n")
    program = spies.make("askpass", f"n=$(($(cat {count} 2>/dev/null || echo 0) + 1)); echo $n >{count}\n"
                         f"cat {spies.folder.parent}/answer$n")
    return {"SSH_ASKPASS": str(program), "SSH_ASKPASS_REQUIRE": "force", "DISPLAY": None}


@pytest.mark.parametrize("right", [True, False])
def test_passphrase(kit, start, service, log_file, right):
    """A key's passphrase, right or wrong: it goes from the program that asks to the key, and nowhere else."""
    spies = Spies(kit.folder)
    path = keys.keygen(kit.folder / "sealed", passphrase=PASSPHRASE)
    server = start(servers.Sshd, authorized=[keys.public(path)], fresh=True)
    typed = [PASSPHRASE] if right else [PASSPHRASE + " wrong"] * 3
    client = kit.connect(server, "-vvv", "-E", str(log_file), "-N", "-L", f"0:{service(traffic.echo).target}", key=path,
                         batch=False, env=askpass(spies, *typed))
    own = []
    if right:
        assert traffic.ask(client.listening()[0].addr) == b"ping"
        own = proc_texts(client)
        client.stop()
    else:
        assert client.finish() == 255
    must_not_have([PASSPHRASE], spies.saw("askpass"), *own, *outputs(client, log_file))


def test_password(kit, start, service, log_file):
    """A wrong password and the right one."""
    spies = Spies(kit.folder)
    server = start(servers.Asyncssh, password=PASSWORD, no_keys=True)
    client = kit.connect(server, "-vvv", "-E", str(log_file), "-N", "-L", f"0:{service(traffic.echo).target}", key=False,
                         batch=False, env=askpass(spies, PASSWORD + "-wrong", PASSWORD))
    assert traffic.ask(client.listening()[0].addr) == b"ping"
    own = proc_texts(client)
    client.stop()
    assert "Authenticated" in log_file.read_text()
    must_not_have([PASSWORD], spies.saw("askpass"), *own, *outputs(client, log_file))


def proxy_config(kit, sshd, url, *lines):
    kit.trust(sshd)
    config = kit.folder / "config"
    config.write_text("\n".join([*lines, f"AditProxy {url}", f"UserKnownHostsFile {kit.known_hosts}",
                                 "GlobalKnownHostsFile none", f"IdentityFile {kit.key}", "IdentitiesOnly yes",
                                 f"Port {sshd.port}", f"User {sshd.user}", "BatchMode yes"]) + "\n")
    config.chmod(0o600)
    return str(config)


@pytest.mark.parametrize("scheme, kind", [("http", proxies.HttpProxy), ("socks5", proxies.SocksProxy)])
@pytest.mark.parametrize("right", [True, False])
def test_proxy(kit, sshd, service, log_file, scheme, kind, right):
    """AditProxy's password: accepted or refused; and what KnownHostsCommand gets of it."""
    spies = Spies(kit.folder)
    proxy = service(kind, user="me", password=PROXY_PASSWORD if right else "another")
    hosts = spies.make("hosts", "exit 0")
    config = proxy_config(kit, sshd, f"{scheme}://me:{PROXY_PASSWORD}@127.0.0.1:{proxy.port}", f"KnownHostsCommand {hosts}")
    client = kit.run("-F", config, "-vvv", "-E", str(log_file), "-N", "-L", f"0:{service(traffic.echo).target}", "127.0.0.1")
    own = []
    if right:
        assert traffic.ask(client.listening()[0].addr) == b"ping"
        own = proc_texts(client)
        client.stop()
    else:
        assert client.finish() == 255
    must_not_have([PROXY_PASSWORD, PROXY_ENCODED], spies.saw("hosts"), *own, *outputs(client, log_file))


@pytest.mark.parametrize("url", [
    "http://me:{p}@127.0.0.1:1", "socks5://me:{p}@[::1", "http://me:{p}@:1", "http://me:{p}@h:99999", "ftp://me:{p}@h:1",
    "http://me:{p}%zz@h:1", "http://me:{p}@h:1/path"])
def test_proxy_messages(kit, sshd, url, log_file):
    """A proxy that is not there and URLs that are none: no message repeats them, and -G does not show the password."""
    config = proxy_config(kit, sshd, url.format(p=PROXY_PASSWORD))
    client = kit.run("-F", config, "-vvv", "-E", str(log_file), "-N", "-L", "0:127.0.0.1:1", "127.0.0.1")
    assert client.finish() == 255
    shown = kit.run("-F", config, "-G", "127.0.0.1")
    shown.finish()
    command_line = kit.run("-F", "none", "-o", "AditProxy=" + url.format(p=PROXY_PASSWORD), "-G", "127.0.0.1")
    command_line.finish()
    must_not_have([PROXY_PASSWORD], *outputs(client, log_file), shown.out.text, shown.err.text, command_line.out.text,
                  command_line.err.text)


def test_no_core_file(kit, sshd, service):
    """A crash leaves nothing of a key behind: neither a file nor (a limit of one byte, core(5)) a pipe gets it."""
    client = kit.connect(sshd, "-N", "-L", f"0:{service(traffic.echo).target}", cwd=kit.folder)
    client.listening()
    with open(f"/proc/{client.pid}/limits", encoding="ascii") as limits:
        assert [line.split()[4:6] for line in limits if line.startswith("Max core file size")] == [["1", "1"]]
    os.kill(client.pid, signal.SIGSEGV)
    assert client.finish() == -signal.SIGSEGV
    assert [p.name for p in kit.folder.iterdir() if p.name.startswith("core")] == []


def planted_file(folder, name, text):
    path = folder / name
    path.write_text(text + "\n")
    path.chmod(0o600)
    return path


def test_daemon(kit, start, service, tmp_path):
    """A passphrase and passwords of files, an answer to a question, the token: in no answer, event or line of the log, not
    in what is saved, and not in the arguments."""
    echo = service(traffic.echo).target
    sealed = keys.keygen(kit.folder / "sealed", passphrase=PASSPHRASE)
    server = start(servers.Sshd, authorized=[keys.public(sealed)], fresh=True)
    by_word = start(servers.Asyncssh, password=PASSWORD, no_keys=True)
    conf = f"""LogLevel DEBUG3
Listen 127.0.0.1:0
Profile asked
    IdentityFile {sealed}
Profile sealed
    Auth key
    IdentityFile {sealed}
    PassphraseFile {planted_file(tmp_path, "passphrase", PASSPHRASE)}
Profile word
    User guest
    Auth password
    PasswordFile {planted_file(tmp_path, "password", PASSWORD)}
Tunnel proxy
    Via bastion
    Profile sealed
    DynamicForward 0
    SocksUser me
    SocksPasswordFile {planted_file(tmp_path, "socks", PROXY_PASSWORD)}
Tunnel asked
    Via bastion
    Profile asked
    DynamicForward 0
"""
    d = Daemon(kit, server, conf)
    kit.known_hosts.write_text(server.known_hosts_lines() + by_word.known_hosts_lines())
    d.start()
    api = Api(d.socket)
    events = Events(api, "GET", "/events")
    host, port = echo.rsplit(":", 1)
    made = api.ask("POST", "/tunnels?start=1", {
        "name": "saved", "host": "127.0.0.1", "port": by_word.port, "profile_id": "word", "forward_type": "local", "local_port": 0,
        "remote_host": host, "remote_port": int(port), "auto_start": True})
    assert made.status == 201
    for name in ("saved", "proxy"):
        t = api.ask("POST", f"/tunnels/{name}/start?wait=60&idempotent=1").json
        assert t["state"] == "connected", t
    where = d.address("proxy")
    for credentials, status in ((f"Basic {PROXY_ENCODED}", 200), ("Basic " + PROXY_ENCODED[:-4], 407)):
        s, code = connect_http(where, echo, credentials)
        s.close()
        assert code == status
    api.ask("GET", "/tunnels/asked/prompt")  # somebody is there to answer
    api.ask("POST", "/tunnels/asked/start")
    asked = api.ask("GET", "/tunnels/asked/prompt?wait=30").json["prompt"]
    assert api.ask("POST", "/tunnels/asked/prompt", {"id": asked["id"], "answer": PASSPHRASE}).status == 204
    assert api.ask("POST", "/tunnels/asked/start?wait=60&idempotent=1").json["state"] == "connected"
    told = []
    events.until(lambda kind, at, t: told.append(json.dumps(t)) or (t["name"] == "asked" and t["state"] == "connected"))
    events.close()
    seen = told + [answer.body for answer in api.answers]
    for path in ("/", "/tunnels", "/tunnels/status", "/tunnels/saved/connections", "/profiles", "/logs?n=2000", "/logs?json=1&n=2000",
                 "/version", "/metrics", "/openapi.json"):
        answer = api.ask("GET", path)
        assert answer.status == 200
        seen.append(answer.body)
    token = (d.state / "token").read_text().strip()
    seen += [(d.state / "state.json").read_text(), *proc_texts(d.client)]
    assert d.stop() == 0
    seen.append(d.client.err.text)
    assert "saved" in (d.state / "state.json").read_text() and "DEBUG" in d.client.err.text.upper()
    must_not_have([PASSPHRASE, PASSWORD, PROXY_PASSWORD, PROXY_ENCODED, token], *seen)
