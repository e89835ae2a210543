"""adit mcp: tunnels for a program that speaks the Model Context Protocol on standard input and output: its own ones,
and a daemon's."""
import itertools
import json
import os
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from harness import servers, socks, traffic
from harness.client import ADIT
from harness.wait import wait_until


class Mcp:
    """A running `adit mcp` and the JSON lines to and from it. Its ssh_config knows the server as `box`. With
    has_daemon a daemon runs there too, and has the tunnels."""

    def __init__(self, kit, sshd, *args, config="", tunnels="", has_daemon=False):
        kit.trust(sshd)
        ssh = kit.folder / "ssh_config"
        ssh.write_text(f"Host box\n HostName 127.0.0.1\n Port {sshd.port}\n User {sshd.user}\n"
                       f"Host *\n IdentityFile {kit.key}\n IdentitiesOnly yes\n UserKnownHostsFile {kit.known_hosts}\n"
                       f" GlobalKnownHostsFile none\n{config}")
        conf = kit.folder / "adit.conf"
        conf.write_text(f"SshConfig {ssh}\nSocket {kit.folder}/adit.sock\nStateDir {kit.folder}/state\n{tunnels}")
        if has_daemon:
            self.daemon = kit.run("daemon", "-c", conf)
            self.daemon.wait_err(r"^adit: ready ")
        self.ids = itertools.count(1)
        self.client = kit.run("mcp", "-c", conf, *args, stdin=subprocess.PIPE)
        self.used = 0
        answer = self.ask("initialize", {"protocolVersion": "2025-06-18", "capabilities": {},
                                         "clientInfo": {"name": "test", "version": "1"}})
        assert answer["result"]["protocolVersion"] == "2025-06-18"
        self.send({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def send(self, message):
        self.client.proc.stdin.write(json.dumps(message).encode() + b"\n")
        self.client.proc.stdin.flush()

    def line(self, timeout=40):
        """The next line of its standard output."""
        out = self.client.out
        wait_until(lambda: b"\n" in out.data[self.used:], timeout, lambda: f"an answer\n{self.client.err.text}")
        end = out.data.index(b"\n", self.used)
        text, self.used = bytes(out.data[self.used:end]), end + 1
        return json.loads(text)

    def ask(self, method, params=None):
        number = next(self.ids)
        self.send({"jsonrpc": "2.0", "id": number, "method": method, **({"params": params} if params else {})})
        answer = self.line()
        assert answer["id"] == number and answer["jsonrpc"] == "2.0"
        return answer

    def call(self, tool, **arguments):
        """The structured content of a result that is none of an error."""
        result = self.ask("tools/call", {"name": tool, "arguments": arguments})["result"]
        assert not result["isError"], result
        assert json.loads(result["content"][0]["text"]) == result["structuredContent"]
        return result["structuredContent"]

    def fails(self, tool, **arguments):
        """(kind, message) of a result that is an error."""
        result = self.ask("tools/call", {"name": tool, "arguments": arguments})["result"]
        assert result["isError"] and result["content"][0]["text"] == result["structuredContent"]["error"]["message"]
        return result["structuredContent"]["error"]["kind"], result["content"][0]["text"]

    def end(self):
        """Closes its standard input, which ends it; returns the exit status."""
        self.client.proc.stdin.close()
        return self.client.proc.wait(20)


@pytest.fixture(params=["own", "daemon"])
def has_daemon(request):
    return request.param == "daemon"


@pytest.fixture
def mcp(kit, sshd, has_daemon):
    """mcp(argument, ...): one that may reach the stock server."""
    def begin(*args, **kw):
        return Mcp(kit, sshd, *args, has_daemon=has_daemon, **kw)
    return begin


@pytest.fixture
def mcp_daemon(kit, sshd):
    """The same with a daemon."""
    def begin(*args, **kw):
        return Mcp(kit, sshd, *args, has_daemon=True, **kw)
    return begin


def of_daemon(kit):
    """{name: origin} of the daemon's tunnels."""
    answer = subprocess.run([ADIT, "list", "--json", "--socket", kit.folder / "adit.sock"], env=kit.env(), check=True,
                            capture_output=True, timeout=60).stdout
    return {t["name"]: t["origin"] for t in json.loads(answer)["tunnels"]}


BOTH = "--tools=read,tunnel"
PROGRAMS = Path(__file__).parent / "programs"


def test_a_local_tunnel(mcp, sshd, echo):
    """create waits until it carries; the counters are exact; close frees the port; a second close is no error."""
    m = mcp(BOTH, "--allow", f"{echo.host}:{echo.port}")
    info = m.call("ssh_tunnel_create", server="box", type="local", localPort=0, remoteHost=echo.host,
                  remotePort=echo.port, name="web")
    port = info["config"]["localPort"]
    assert info["state"] == "active" and info["listen"] == [f"127.0.0.1:{port}"] and info["server"] == "box"
    assert traffic.ask(("127.0.0.1", port), b"x" * 1000) == b"x" * 1000

    def status():
        return m.call("ssh_tunnel_status", tunnel_id=info["id"])

    wait_until(lambda: status()["activeConnections"] == 0, 10)
    now = status()
    assert (now["bytesSent"], now["bytesReceived"], now["stats"]["bytesTransferred"]) == (1000, 1000, 2000)
    assert (now["stats"]["connectionsTotal"], now["stats"]["errors"]) == (1, 0)
    assert [t["id"] for t in m.call("ssh_tunnel_list", server="box")["tunnels"]] == [info["id"]]
    assert m.call("ssh_tunnel_list", server="other")["count"] == 0
    assert m.call("ssh_tunnel_wait", tunnel_id="web", timeout=5)["id"] == info["id"]
    assert m.call("ssh_tunnel_close", tunnel_id=info["id"]) == {"closed": 1, "ids": [info["id"]]}
    assert not traffic.listeners(port)
    assert m.call("ssh_tunnel_list")["tunnels"] == []
    assert m.call("ssh_tunnel_close", tunnel_id=info["id"])["closed"] == 0
    assert m.fails("ssh_tunnel_status", tunnel_id=info["id"])[1] == f"Tunnel {info['id']} not found"
    assert m.end() == 0


def test_a_remote_and_a_dynamic_tunnel(mcp, echo, service):
    """-R leads to an allowed local target alone; each SOCKS request is judged; all of a server close at once."""
    other = service(traffic.echo)
    m = mcp(BOTH, "--allow", f"{echo.host}:{echo.port}", "--allow-local", f"{echo.host}:{echo.port}")
    remote = m.call("ssh_tunnel_create", server="box", type="remote", localHost=echo.host, localPort=echo.port,
                    remoteHost="127.0.0.1", remotePort=0)
    port = remote["config"]["remotePort"]
    assert port > 0 and traffic.ask(("127.0.0.1", port)) == b"ping"
    assert m.fails("ssh_tunnel_create", server="box", type="remote", localPort=other.port, remoteHost="127.0.0.1",
                   remotePort=0)[1].startswith(f"destination not allowed: 127.0.0.1:{other.port} ")
    dynamic = m.call("ssh_tunnel_create", server="box", type="dynamic", localPort=0)
    addr = ("127.0.0.1", dynamic["config"]["localPort"])
    s, code = socks.connect5(addr, echo.host, echo.port)
    with s:
        assert code == 0
        s.sendall(b"ping")
        assert traffic.recv_exact(s, 4) == b"ping"
    s, code = socks.connect5(addr, other.host, other.port)
    s.close()
    assert code == 2
    assert m.call("ssh_tunnel_close", server="box")["closed"] == 2
    wait_until(lambda: not traffic.listeners(port) and not traffic.listeners(addr[1]), 10)


def test_what_is_refused(mcp, kit, echo):
    """The texts of wrong arguments; a destination or server that is not allowed; nothing is left in the list."""
    m = mcp(BOTH)
    local = {"server": "box", "type": "local", "localPort": 0, "remoteHost": echo.host, "remotePort": echo.port}

    def without(*names, **more):
        return m.fails("ssh_tunnel_create", **{k: v for k, v in {**local, **more}.items() if k not in names})[1]

    assert without(type="tun") == "Invalid tunnel type: tun"
    assert without("remotePort") == "Remote host and port required for port forwarding"
    assert without("localPort") == "Local port required"
    at = f"{echo.host}:{echo.port}"
    assert without() == f"destination not allowed: {at} (start adit mcp with --allow {at})"
    assert "not allowed" in without(server="127.0.0.1")
    assert m.fails("ssh_tunnel_close", tunnel_id="tunnel_0_00000000")[1] == "Tunnel tunnel_0_00000000 not found"
    assert m.call("ssh_tunnel_list")["tunnels"] == []


def test_only_reading_unless_more_is_asked_for(mcp):
    """Without --tools nothing can be made."""
    m = mcp()
    tools = m.ask("tools/list")["result"]["tools"]
    assert [t["name"] for t in tools] == ["ssh_tunnel_list", "ssh_tunnel_status", "ssh_tunnel_wait"]
    assert all(t["annotations"]["readOnlyHint"] for t in tools)
    answer = m.ask("tools/call", {"name": "ssh_tunnel_create", "arguments": {}})
    assert answer["error"]["code"] == -32602


def test_no_word_reaches_a_shell(mcp, kit, echo):
    """Hosts that would be commands or options, under a ProxyCommand that gets them: refused before anything runs."""
    mark = kit.folder / "mark"
    m = mcp(BOTH, "--allow", "*:*", "--allow-server", "*", config=f" ProxyCommand touch {mark}-ran; exec false %h\n")
    for server in (f"x;touch {mark}", f"-oProxyCommand=touch {mark}", f"$(touch {mark})", f"`touch {mark}`",
                   f"a@b|touch {mark}", f"x\ntouch {mark}", f"-l{mark}@x", "x\n", ""):
        kind, text = m.fails("ssh_tunnel_create", server=server, type="local", localPort=0, remoteHost=echo.host,
                             remotePort=echo.port)
        assert kind == "unsupported", text
        kind, text = m.fails("ssh_tunnel_create", server="box", type="local", localPort=0, remoteHost=f"{server}",
                             remotePort=echo.port)
        assert kind == "unsupported", text
    assert not [p.name for p in kit.folder.iterdir() if p.name.startswith("mark")]


def test_a_failure_leaves_nothing(mcp, kit, sshd, echo):
    """A key that is not trusted, and a local port that is taken: an error with its kind, and no tunnel."""
    m = mcp(BOTH, "--allow", "*:*")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        kind, text = m.fails("ssh_tunnel_create", server="box", type="local", localPort=port, remoteHost=echo.host,
                             remotePort=echo.port)
        assert kind == "forwarding" and str(port) in text
    kit.known_hosts.write_text("")
    kind, _ = m.fails("ssh_tunnel_create", server="box", type="dynamic", localPort=0)
    assert kind == "host-key"
    assert m.call("ssh_tunnel_list")["tunnels"] == []


def test_the_end_of_input_ends_it(mcp, sshd, echo):
    """Its tunnels, with a connection open in one of them, are closed and the process ends with status 0."""
    m = mcp(BOTH, "--allow", "*:*")
    info = m.call("ssh_tunnel_create", server="box", type="local", localPort=0, remoteHost=echo.host,
                  remotePort=echo.port)
    port = info["config"]["localPort"]
    with traffic.connect(("127.0.0.1", port)) as s:
        s.sendall(b"ping")
        assert traffic.recv_exact(s, 4) == b"ping"
        assert m.end() == 0
    wait_until(lambda: not traffic.listeners(port), 10)  # a daemon sees the end a moment later


def test_the_ttl_ends_a_tunnel(mcp, echo):
    """A tunnel with a ttl of one second is gone by itself, and its port with it."""
    m = mcp(BOTH, "--allow", "*:*", "--max-ttl", "2s")
    info = m.call("ssh_tunnel_create", server="box", type="local", localPort=0, remoteHost=echo.host,
                  remotePort=echo.port)
    wait_until(lambda: not traffic.listeners(info["config"]["localPort"]), 20)
    assert m.call("ssh_tunnel_list")["tunnels"] == []


def test_it_connects_again_by_itself(kit, start, echo, has_daemon):
    """The server's session is killed: the tunnel is active again without any call, and carries."""
    server = start(servers.Sshd, fresh=True)
    m = Mcp(kit, server, BOTH, "--allow", "*:*", has_daemon=has_daemon)
    info = m.call("ssh_tunnel_create", server="box", type="local", localPort=0, remoteHost=echo.host,
                  remotePort=echo.port)
    mark = server.mark()
    server.signal_sessions(signal.SIGKILL)
    server.wait_log("Accepted publickey", mark, 30)
    again = m.call("ssh_tunnel_wait", tunnel_id=info["id"])
    assert again["state"] == "active" and again["lastError"]
    assert traffic.ask(("127.0.0.1", info["config"]["localPort"])) == b"ping"


def test_a_tunnel_of_the_configuration_as_server(mcp, kit, sshd, echo):
    """Its way is gone, with its own keywords: without them the key would not be found."""
    way = f"Tunnel way\n Via {sshd.user}@127.0.0.1:{sshd.port}\n IdentityFile {kit.key}\n LocalForward 0 a:1\n"
    m = mcp(BOTH, "--allow", "*:*", tunnels=way)
    info = m.call("ssh_tunnel_create", server="way", type="local", localPort=0, remoteHost=echo.host,
                  remotePort=echo.port)
    assert info["server"] == "way" and traffic.ask(("127.0.0.1", info["config"]["localPort"])) == b"ping"
    assert m.call("ssh_tunnel_list")["count"] == 1


@pytest.mark.parametrize("version, has_daemon", [("2024-11-05", True), ("2025-03-26", False), ("2025-06-18", True)])
def test_a_client_library(kit, sshd, echo, service, version, has_daemon):
    """The client library that programs use: each tool, refusals, the ttl; in each version of the protocol."""
    Mcp(kit, sshd, has_daemon=has_daemon).end()  # for its files, and the daemon
    modules = os.environ.get("ADIT_NODE_MODULES", "")
    assert os.path.isdir(modules), "scripts/npm-packages has not installed the client library"
    what = {"command": ADIT, "env": {k: str(v) for k, v in kit.env().items()}, "version": version, "host": echo.host,
            "port": echo.port, "other": service(traffic.echo).port,
            "args": ["mcp", "-c", str(kit.folder / "adit.conf"), BOTH, "--allow", f"{echo.host}:{echo.port}",
                     "--max-ttl", "60s"]}
    done = subprocess.run(["node", PROGRAMS / "mcp_client.mjs", json.dumps(what)], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0 and done.stdout == "all of it\n", done.stdout + done.stderr


def test_a_killed_one_leaves_nothing_in_the_daemon(mcp_daemon, kit, echo):
    """What was made is a tunnel of the daemon's, of origin mcp, beside others that only can be seen; kill -9 takes away
    what was made."""
    m = mcp_daemon(BOTH, "--allow", "*:*", tunnels="Tunnel other\n Via box\n AutoStart yes\n DynamicForward 0\n")
    info = m.call("ssh_tunnel_create", server="box", type="local", localPort=0, remoteHost=echo.host,
                  remotePort=echo.port, name="web")
    assert of_daemon(kit) == {"other": "file", "web": "mcp"}
    assert m.call("ssh_tunnel_wait", tunnel_id="other")["expires"] is None
    assert {t["name"] for t in m.call("ssh_tunnel_list")["tunnels"]} == {"other", "web"}
    assert m.fails("ssh_tunnel_close", tunnel_id="other")[1] == "Tunnel other was not made here: it cannot be closed here"
    assert m.call("ssh_tunnel_close", server="box")["ids"] == [info["id"]]
    info = m.call("ssh_tunnel_create", server="box", type="dynamic", localPort=0)
    m.client.proc.kill()
    wait_until(lambda: of_daemon(kit) == {"other": "file"}, 20)
    wait_until(lambda: not traffic.listeners(info["config"]["localPort"]), 10)


def test_the_daemon_ends(mcp_daemon, kit, echo):
    """Its tunnels are gone, and each call says so, until there is a daemon again."""
    m = mcp_daemon(BOTH, "--allow", "*:*")
    m.call("ssh_tunnel_create", server="box", type="dynamic", localPort=0)
    m.daemon.proc.kill()
    m.daemon.proc.wait(20)
    kind, text = m.fails("ssh_tunnel_list")
    assert kind == "transport" and text.startswith(f"no daemon at {kit.folder}/adit.sock any more: the tunnels ")
    assert m.fails("ssh_tunnel_create", server="box", type="dynamic", localPort=0)[0] == "transport"
    kit.run("daemon", "-c", kit.folder / "adit.conf").wait_err(r"^adit: ready ")
    assert m.call("ssh_tunnel_list") == {"count": 0, "tunnels": []}
    assert m.end() == 0


@pytest.mark.parametrize("args", [("--tools=write",), ("--allow", "nowhere"), ("--max-ttl", "never"), ("word",),
                                  ("--allow-server", ""), ("-c", "/nonexistent")])
def test_usage_errors(kit, args):
    """A wrong option ends it at once with status 2, and nothing on standard output."""
    client = kit.run("mcp", *args)
    assert client.finish() == 2
    assert client.out.text == "" and "adit: " in client.err.text
