"""The verbs against a real daemon and a real server: what they print, and their exit statuses."""
import json
import os
import shutil
import signal
import socket
import subprocess

import pytest

from harness import keys, servers, traffic
from harness.client import ADIT
from harness.daemon import Daemon, Verb, established, pid_of_lock
from harness.terminal import Terminal
from harness.wait import wait_until

pytestmark = pytest.mark.usefixtures("adit_only")


@pytest.fixture
def d(kit, sshd):
    daemon = Daemon(kit, sshd).start()
    yield daemon
    if daemon.client.running():
        assert daemon.stop() == 0


def add(d, echo, name="web", *more, port=0):
    done = d.verb("add", name, "bastion", "-L", f"{port}:{echo.target}", *more)
    assert done.code == 0, done
    return done


def test_several_forwards(d, echo):
    """add with a forward of each kind: all carry, all are shown, an edit and the daemon's death leave them, and a port
    that counts up is the next free one."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", traffic.free_port()))
        taken.listen()
        port = taken.getsockname()[1]
        done = d.verb("add", "all", "bastion", "-L", f"0:{echo.target}", "-L", f"{port}+:{echo.target}", "-R",
                      f"0:127.0.0.1:{echo.port}", "--auto-start", "--up")
        assert done.code == 0, done

        def all_carry():
            forwards = d.tunnel("all")["forwards"]
            assert [f["type"] for f in forwards] == ["local", "local", "remote"]
            assert [f["state"] for f in forwards] == ["up"] * 3
            assert forwards[1]["bound_port"] > port
            return all(traffic.ask(("127.0.0.1", f["bound_port"])) == b"ping" for f in forwards)

        assert all_carry()
        written = d.tunnel("all")["more_forwards"]
        assert [(f["forward_type"], f["local_port"]) for f in written] == [("local", f"{port}+"), ("remote", echo.port)]
        assert d.verb("edit", "all", "description=three", "remote_host=localhost").code == 0
        assert d.verb("wait", "all").code == 0 and d.tunnel("all")["more_forwards"] == written and all_carry()
        d.stop(signal.SIGKILL)
        d.start()
        assert d.verb("wait", "all").code == 0 and d.tunnel("all")["more_forwards"] == written and all_carry()
    wrong = d.verb("add", "twice", "bastion", "-D", "1080", "-D", "1080")
    assert wrong.code == 2 and "port 1080 is that of another forward" in wrong.err


@pytest.mark.quick
def test_first_run(d, echo):
    """add, up, traffic, list, status, addr, wait, logs, down, rm."""
    port = traffic.free_port_both()
    done = add(d, echo, port=port)
    spec = f"L :{port} -> {echo.target}"
    assert done.out == f"added web: {spec} via bastion\n"
    assert d.tunnel("web")["state"] == "disconnected"
    done = d.verb("up", "web")
    assert (done.code, done.out, done.err) == (0, f"web connected 127.0.0.1:{port}\n", "")
    assert traffic.ask(("127.0.0.1", port)) == b"ping"

    header, row = d.verb("list", env={"LC_ALL": "C"}).out.splitlines()
    assert header.split() == ["NAME", "STATE", "SPEC", "VIA", "UPTIME", "INFO"]
    cells = [cell for cell in row.split("  ") if cell]
    assert [c.strip() for c in cells][:4] == ["web", "connected", spec, "bastion"]
    assert f"L :{port} → {echo.target}" in d.verb("list").out

    status = d.verb("status")
    assert status.code == 0 and status.out.splitlines()[0] == "1 up, 0 failed"
    assert d.verb("addr", "web").out == f"127.0.0.1:{port}\n"
    assert d.verb("wait", "web").code == 0
    logs = d.verb("logs", "web").out
    assert "INFO tunnel=web state connecting -> connected" in logs

    assert d.verb("down", "web").code == 0
    with socket.socket() as s:  # at once
        s.bind(("127.0.0.1", port))
    assert d.tunnel("web")["state"] == "disconnected"
    assert d.verb("addr", "web").code == 1
    assert d.verb("rm", "web").code == 0
    assert json.loads(d.verb("list", "--json").out) == {"tunnels": []}


def test_destinations(d, echo):
    """DEST of `add`: as ssh has it, and as Via has it."""
    port = d.sshd.port
    for i, (to, host, shown) in enumerate(((f"ssh://me@127.0.0.1:{port}", "me@127.0.0.1", port), (f"127.0.0.1:{port}", "127.0.0.1", port),
                                           (f"me@[::1]:{port}", "me@::1", port), ("::1", "::1", 22), ("me@bastion", "me@bastion", 22))):
        done = d.verb("add", f"t{i}", to, "-L", f"0:{echo.target}")
        assert done.code == 0, (to, done)
        t = d.tunnel(f"t{i}")
        assert (t["host"], t["port"]) == (host, shown), t


def test_lookup_by_id(d, echo):
    add(d, echo)
    name = d.tunnel("web")["id"]
    assert d.verb("up", name).code == 0 and d.carries(name)
    assert d.verb("rm", name).code == 0


def test_filter(d, echo):
    """FILTER: a part of the name or of the spec."""
    add(d, echo, "one")
    add(d, echo, "two")
    assert [line.split()[0] for line in d.verb("list", "two").out.splitlines()] == ["NAME", "two"]
    assert len(d.verb("list", str(echo.addr[1])).out.splitlines()) == 3
    assert len(d.verb("list", "nothing").out.splitlines()) == 1
    assert [t["name"] for t in json.loads(d.verb("list", "one", "--json").out)["tunnels"]] == ["one"]


def test_types(d, echo):
    """-D and -R, too; addr of -R is what the server has bound."""
    assert d.verb("add", "socks", "bastion", "-D", "0", "--up").code == 0
    assert d.verb("add", "back", "bastion", "-R", f"127.0.0.1:0:{echo.target}", "--up").code == 0
    assert traffic.ask(d.address("back")) == b"ping"
    out = d.verb("list", env={"LC_ALL": "C"}).out
    assert " SOCKS5 " in out and "R :" in out
    assert established(d.sshd.port) == 1  # equal keys, one connection


def test_restart(d, echo):
    add(d, echo, "web", "--up")
    port = d.address("web")[1]
    done = d.verb("restart", "web")
    assert done.code == 0, done
    assert d.carries("web") and d.address("web")[1] > 0 and port > 0


def test_all(d, echo):
    add(d, echo, "one")
    add(d, echo, "two")
    assert d.verb("up", "--all").code == 0
    assert d.verb("status").out.splitlines()[0] == "2 up, 0 failed"
    assert d.verb("down", "--all").code == 0
    assert d.verb("status").out.splitlines()[0] == "0 up, 0 failed"


def test_edit(d, echo):
    """Fields as the API has them; a name keeps the connection, wrong ones change nothing."""
    add(d, echo, "web", "--up")
    assert d.verb("edit", "web", "name=other", "description=").code == 0
    assert d.carries("other")
    for field, code in (("bogus=1", 2), ("port=x", 2), ("bind_address=0.0.0.0", 2), ("novalue", 2)):
        assert d.verb("edit", "other", field).code == code, field
    assert d.verb("edit", "nobody", "port=1").code == 1


def test_exit_statuses(d, echo, kit, sshd, key_folder):
    """0 1 2 3 5 6 7 8 9; 4 is the host key's test."""
    add(d, echo)
    assert d.verb("add", "web", "bastion", "-L", f"0:{echo.target}").code == 1  # exists
    assert d.verb("up", "nobody").code == 1
    for words in (["up"], ["up", "--bogus", "web"], ["list", "a", "b"], ["add", "x"], ["up", "--timeout", "soon", "web"],
                  ["add", "x", "bastion"], ["add", "x", "-oProxyCommand=x", "-D", "1"], ["daemon", "word"]):
        assert d.verb(*words).code == 2, words
    assert d.verb("add", "refused", "no-such-user@bastion", "-D", "0").code == 0
    done = d.verb("up", "refused")
    assert done.code == 3, done
    closed = traffic.free_port()
    assert d.verb("add", "closed", f"ssh://127.0.0.1:{closed}", "-D", "0", "--max-retries", "1").code == 0
    assert d.verb("up", "closed").code == 8
    assert d.verb("wait", "closed").code == 8
    assert d.verb("status").code == 1
    assert d.verb("add", "busy", "bastion", "-L", f"{closed}:{echo.target}").code == 0
    assert d.verb("add", "away", f"ssh://127.0.0.1:{traffic.free_port()}", "-D", "0", "--max-retries", "0").code == 0
    wait_until(lambda: d.verb("up", "away", "--timeout", "1").code == 5, 60, "a try that failed")
    assert d.verb("wait", "away", "--timeout", "0").code == 7  # whoever only waits: its time is over, that is all
    assert d.verb("wait", "web", "--timeout", "0").code == 7
    with socket.socket() as s:
        s.bind(("127.0.0.1", closed))
        s.listen()
        wait_until(lambda: d.verb("up", "busy", "--timeout", "1").code == 6, 60, "a port that is taken")
    d.stop()
    done = d.verb("list")
    assert done.code == 9
    assert done.err == (f"adit: no daemon at {d.socket}: start one with 'adit daemon -f' or 'systemctl --user start "
                        "aditd'\n")


def test_root_starts_none(kit, sshd, echo, needs_root):
    """For root no daemon is started behind one's back: 9."""
    d = Daemon(kit, sshd)
    for words in (["up", "web"], ["add", "web", "bastion", "-L", f"0:{echo.target}"], ["ui", "--print"], ["logs"]):
        done = d.verb(*words)
        assert done.code == 9 and done.err.startswith(f"adit: no daemon at {d.socket}: "), done
    assert not d.socket.exists()


def test_help_and_words(d):
    """-h of each verb; a verb is one only as the first word, and not under ssh's name."""
    for verb in ("daemon", "up", "down", "restart", "list", "status", "wait", "addr", "logs", "reload", "check", "add",
                 "edit", "rm", "open", "run", "ui"):
        done = d.verb(verb, "-h")
        assert done.code == 0 and done.out.startswith(f"usage: adit {verb}"), done
    done = d.verb("-oAditExitCodes=yes", "-oBatchMode=yes", "-F", "none", "-p", traffic.free_port(), "list")
    assert done.code == 5


def test_ssh_has_no_verbs(kit, d):
    link = kit.folder / "ssh"
    link.symlink_to(ADIT)
    done = subprocess.run([link, "list", "-h"], env=kit.env(), capture_output=True, text=True, check=False)
    assert "usage: adit list" not in done.stdout


def test_files_are_read_only(kit, sshd, echo):
    """A tunnel of adit.conf: rm and edit name the place; reload and check say the difference."""
    d = Daemon(kit, sshd, f"Tunnel web\n    Via bastion\n    LocalForward 0 {echo.target}\n").start()
    for words in (["rm", "web"], ["edit", "web", "port=1"]):
        done = d.verb(*words)
        assert done.code == 1 and f"{d.conf}:1" in done.err, done
    text = d.conf.read_text()
    assert d.verb("check").out == "0 added, 0 removed, 0 changed, 1 unchanged\n"
    d.configure(text + f"Tunnel more\n    Via bastion\n    DynamicForward 0\n")
    assert d.verb("check").out == "1 added, 0 removed, 0 changed, 1 unchanged\n"
    assert len(json.loads(d.verb("list", "--json").out)["tunnels"]) == 1  # check changes nothing
    assert d.verb("reload").out == "1 added, 0 removed, 0 changed, 1 unchanged\n"
    assert json.loads(d.verb("reload", "--json").out) == {"added": 0, "removed": 0, "changed": 0, "unchanged": 2}
    d.configure(text + "Bogus\n")
    for verb in ("check", "reload"):
        done = d.verb(verb)
        assert done.code == 2 and f"{d.conf}:4: Bogus" in done.err, done
    assert d.verb("list").code == 0
    other = kit.folder / "other.conf"
    other.write_text("")
    assert d.verb("check", other).out == "0 added, 2 removed, 0 changed, 0 unchanged\n"
    assert d.stop() == 0


def test_names_that_are_words_of_the_api(kit, sshd, echo):
    """A file's id is its name, also where the API has something else of that name."""
    names = ("status", "start-all", "stop-all")
    d = Daemon(kit, sshd, "".join(f"Tunnel {name}\n    Via bastion\n    LocalForward 0 {echo.target}\n" for name in names)).start()
    for name in names:
        assert d.verb("up", name).code == 0
        assert d.carries(name)
        assert d.verb("down", name).code == 0
        done = d.verb("rm", name)
        assert done.code == 1 and f"{d.conf}:" in done.err, done
    assert d.stop() == 0


def test_logs_follow(d, echo):
    """-f: the lines that come; -n: only the last ones."""
    add(d, echo)
    follower = d.verb_begin("logs", "web", "-f")
    assert d.verb("up", "web").code == 0
    follower.wait_out(r"tunnel=web state .* -> connected")
    assert len(d.verb("logs", "-n", "1").out.splitlines()) == 1
    assert d.verb("logs", "-n", "0").out == ""
    lines = d.verb("logs", "-n", "2", "--json").out
    assert lines.endswith("}\n") and len(json.loads(lines)["lines"]) == 2


# ---- Questions and keys ----

def test_unknown_host_key(kit, sshd, echo):
    """Without a terminal: exit 4, which key it is, and the command that accepts exactly this one; it does."""
    d = Daemon(kit, sshd, trust=False).start()
    add(d, echo)
    done = d.verb("up", "web")
    assert done.code == 4, done
    command = [line for line in done.err.splitlines() if "adit up --trust SHA256:" in line][0].split("adit up ", 1)[1]
    fingerprint = command.split()[1]
    assert f"{fingerprint}" in done.err.splitlines()[-2]
    assert d.verb("up", "--trust", "SHA256:" + "A" * 43, "web").code != 0
    done = d.verb("up", "--trust", fingerprint, "web")
    assert done.code == 0, done
    assert d.carries("web")
    assert d.stop() == 0


def test_changed_host_key(kit, sshd, echo):
    """Exit 4, and nothing invites anybody to accept it; the API refuses to."""
    d = Daemon(kit, sshd, trust=False).start()
    kit.known_hosts.write_text(f"[127.0.0.1]:{sshd.port} {kit.key.with_suffix('.pub').read_text()}")
    add(d, echo)
    done = d.verb("up", "web")
    assert done.code == 4 and "has changed" in done.err, done
    assert "--trust" not in done.err and "not known" not in done.err
    assert d.verb("up", "--trust", d.tunnel("web")["host_key"]["fingerprint"], "web").code != 0
    assert d.stop() == 0


def test_host_key_on_a_terminal(kit, sshd, echo):
    """`up` on a terminal asks the question and goes on."""
    d = Daemon(kit, sshd, trust=False).start()
    add(d, echo)
    t = Terminal(kit, "up", "web", env={"ADIT_SOCK": str(d.socket)})
    t.wait(r"continue connecting")
    t.type("yes\n")
    assert t.client.finish() == 0
    assert d.carries("web")
    t.close()
    assert d.stop() == 0


def test_passphrase_on_a_terminal(kit, start, echo):
    """The passphrase of a key, without echo."""
    key = keys.keygen(kit.folder / "locked", passphrase="geheim")
    server = start(servers.Sshd, authorized=[keys.public(key)], fresh=True)
    kit.key = key
    d = Daemon(kit, server).start()
    add(d, echo)
    assert d.verb("up", "web").code == 3  # nobody to ask
    t = Terminal(kit, "up", "web", env={"ADIT_SOCK": str(d.socket)})
    t.wait(r"passphrase")
    t.type("geheim\n")
    assert t.client.finish() == 0
    assert d.carries("web") and "geheim" not in t.seen.text
    assert "geheim" not in d.client.err.text
    t.close()
    assert d.stop() == 0


# ---- A user's first run: README's first screen ----

@pytest.fixture
def user_shell(system_user, sshd, kit):
    """Runs words as a user who has nothing configured but ssh; the daemon that it may start ends with the test."""
    home = system_user.home
    ssh = home / ".ssh"
    kit.trust(sshd)
    (ssh / "config").write_text(f"Host bastion\n HostName 127.0.0.1\n Port {sshd.port}\n User {sshd.user}\n")
    (ssh / "known_hosts").write_text(kit.known_hosts.read_text())
    (ssh / "id_ed25519").write_bytes(kit.key.read_bytes())
    for name in ("config", "known_hosts", "id_ed25519"):
        os.chmod(ssh / name, 0o600)
        shutil.chown(ssh / name, system_user.name, system_user.name)

    def run(*words):
        return Verb(subprocess.run(["setpriv", "--reuid", system_user.name, "--regid", system_user.name, "--clear-groups",
                                    ADIT, *words], env=kit.env(HOME=str(home), USER=system_user.name), cwd="/",
                                   stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
                                   start_new_session=True))

    yield run
    pid = pid_of_lock(home / ".local/state/adit")
    if pid is not None and os.path.exists(f"/proc/{pid}"):
        os.kill(pid, signal.SIGTERM)
        wait_until(lambda: not os.path.exists(f"/proc/{pid}"), 15, "the daemon's end")
    shutil.rmtree(home / ".local", ignore_errors=True)


def test_first_run_of_a_user(user_shell, system_user, echo):
    """With nothing configured: `add` starts a daemon and says so; its profile is `default`."""
    socket_path = system_user.home / ".local/state/adit/adit.sock"
    assert user_shell("list").code == 9
    done = user_shell("add", "web", "bastion", "-L", f"0:{echo.target}")
    assert done.code == 0, done
    assert done.out == f"added web: L :0 -> {echo.target} via bastion\n"
    assert done.err.splitlines()[-1] == f"adit: started a daemon for you ({socket_path})"
    done = user_shell("up", "web")
    assert (done.code, done.err) == (0, ""), done
    host, _, port = user_shell("addr", "web").out.strip().rpartition(":")
    assert traffic.ask((host, int(port))) == b"ping"
    tunnel = json.loads(user_shell("list", "--json").out)["tunnels"][0]
    assert (tunnel["profile_id"], tunnel["origin"]) == ("default", "api")
