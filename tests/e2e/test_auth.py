"""Who we are: keys, agent, password, keyboard-interactive, partial success, banners, tries."""
import json
import os
import re
import socket as socket_module
import subprocess

import pytest

from harness import keys, servers, sk_agent, traffic
from harness.client import IS_SSH
from harness.terminal import Terminal
from harness.wait import wait_until


@pytest.fixture(scope="session")
def user_keys(key_folder):
    """Keys of every type, and all of them as authorized."""
    folder = key_folder / "users"
    folder.mkdir()
    made = {name: keys.make(folder, name) for name in keys.HOST_TYPES}
    made["rsa4096"] = keys.keygen(folder / "rsa4096", "rsa", 4096)
    made["rsa3072"] = keys.keygen(folder / "rsa3072", "rsa", 3072)
    return made


@pytest.fixture
def all_keys(start, user_keys):
    return start(servers.Sshd, authorized=[keys.public(k) for k in user_keys.values()])


def answers(path):
    with socket_module.socket(socket_module.AF_UNIX) as s:
        return s.connect_ex(path) == 0


@pytest.fixture
def agent(kit):
    """An ssh-agent; agent(key...) adds keys. Its socket is agent.socket."""
    socket = str(kit.folder / "agent")
    proc = subprocess.Popen(["ssh-agent", "-D", "-a", socket], stdout=subprocess.DEVNULL)

    def add(*paths):
        wait_until(lambda: answers(socket), 5, "the agent")
        for path in paths:
            subprocess.run(["ssh-add", "-q", str(path)], env={"SSH_AUTH_SOCK": socket, "PATH": os.environ["PATH"]},
                           check=True, capture_output=True)

    add.socket = socket
    yield add
    proc.kill()
    proc.wait()


@pytest.fixture
def askpass(kit):
    """A program that answers; askpass('text') gives the environment that makes the client ask it."""

    def make(*answers):
        script, count, log = kit.folder / "askpass", kit.folder / "count", kit.folder / "asked"
        for i, answer in enumerate(answers, 1):
            (kit.folder / f"answer{i}").write_text(answer + "\n")
        script.write_text(f"""#!/bin/sh
n=$(($(cat {count} 2>/dev/null || echo 0) + 1)); echo $n >{count}; echo "$1" >>{log}
[ -f {kit.folder}/answer$n ] || n={len(answers)}
cat {kit.folder}/answer$n
""")
        script.chmod(0o755)
        make.log = log
        return {"SSH_ASKPASS": str(script), "SSH_ASKPASS_REQUIRE": "force", "DISPLAY": None}

    return make


def works(kit, server, echo, *args, **kw):
    """A tunnel that carries bytes."""
    client = kit.connect(server, "-N", "-L", f"0:{echo.target}", *args, **kw)
    assert traffic.ask(client.listening(1)[0].addr) == b"ping"
    return client


# [RFC 4252 7a] [RFC 5656 6.2a]
@pytest.mark.parametrize("name", [*keys.HOST_TYPES, "rsa3072", "rsa4096"])
def test_each_key_type(kit, all_keys, user_keys, echo, name):
    """Every type of key logs in (RSA with SHA-2: this sshd takes no other signature)."""
    mark = all_keys.mark()
    works(kit, all_keys, echo, key=user_keys[name])
    assert "Accepted publickey" in all_keys.text(mark)


@pytest.mark.quick
def test_key_not_accepted(kit, sshd, user_keys):
    """A key the server does not know: exit 255 and 'Permission denied (publickey)'."""
    client = kit.connect(sshd, "-N", key=user_keys["ed25519"])
    assert client.finish() == 255
    assert "Permission denied" in client.err.text and "publickey" in client.err.text


@pytest.mark.quick
def test_key_not_accepted_has_its_exit_code(kit, sshd, user_keys, adit_only):
    """With AditExitCodes=yes: 3."""
    assert kit.connect(sshd, "-N", "-o", "AditExitCodes=yes", key=user_keys["ed25519"]).finish() == 3


@pytest.mark.quick
def test_keys_are_tried_in_order(kit, sshd, user_keys, echo):
    """The first key is refused, the second accepted: both were tried in the order given."""
    mark = sshd.mark()
    works(kit, sshd, echo, "-i", str(kit.key), key=user_keys["ed25519"])
    log = sshd.text(mark)
    first, second = (log.find(keys.fingerprint(k)) for k in (user_keys["ed25519"], kit.key))
    assert second > 0 and (first < second)


@pytest.mark.quick
@pytest.mark.parametrize("name", ["ed25519", "rsa", "ecdsa256", "ecdsa521"])
def test_key_in_the_agent(kit, all_keys, user_keys, echo, agent, name):
    """Keys of an agent at SSH_AUTH_SOCK sign, without any key file."""
    agent(user_keys[name])
    works(kit, all_keys, echo, "-i", str(kit.folder / "none"), key=False, env={"SSH_AUTH_SOCK": agent.socket})


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa"])
@pytest.mark.parametrize("is_named", [False, True])
def test_security_key_in_the_agent(kit, start, echo, service, kind, is_named):
    """A security key signs through the agent, once, and only after the server said that it takes it: the other key,
    which comes first and is not authorized, is never touched."""
    held = service(sk_agent.SkAgent, kit.folder / "sk", "ed25519", kind)
    server = start(servers.Sshd, authorized=[held.public[1]], fresh=True)
    named = []
    for i, line in enumerate(held.public):
        (kit.folder / f"sk{i}.pub").write_text(line + "\n")
        named += ["-i", str(kit.folder / f"sk{i}.pub")]
    if is_named:
        named += ["-o", "IdentitiesOnly=yes"]
    else:
        named = ["-i", str(kit.folder / "none")]
    works(kit, server, echo, *named, key=False, env={"SSH_AUTH_SOCK": held.path})
    log = server.text()
    assert "Postponed publickey" in log and "Accepted publickey" in log
    assert held.touches == 1
    server.stop()


def test_public_file_names_the_agents_key(kit, all_keys, user_keys, echo, agent):
    """-i KEY.pub whose private half is only in the agent, with IdentitiesOnly."""
    agent(user_keys["ecdsa384"], user_keys["ed25519"])
    public = kit.folder / "only.pub"
    public.write_text(keys.public(user_keys["ed25519"]) + "\n")
    mark = all_keys.mark()
    works(kit, all_keys, echo, key=public, env={"SSH_AUTH_SOCK": agent.socket})
    assert keys.fingerprint(user_keys["ecdsa384"]) not in all_keys.text(mark)


@pytest.mark.quick
def test_identities_only_leaves_the_agent_out(kit, sshd, user_keys, agent):
    """IdentitiesOnly: an agent key that would be accepted is not offered when no file names it."""
    agent(kit.key)
    client = kit.connect(sshd, "-N", key=user_keys["ed25519"], env={"SSH_AUTH_SOCK": agent.socket})
    assert client.finish() == 255


@pytest.mark.quick
@pytest.mark.parametrize("socket", [None, "/nonexistent/agent"])
def test_no_agent_is_no_obstacle(kit, sshd, echo, socket):
    """Without an agent, or with one that does not answer, the key file is used."""
    works(kit, sshd, echo, "-o", "IdentitiesOnly=no", env={"SSH_AUTH_SOCK": socket})


@pytest.mark.parametrize("socket, reason", [(None, r"(?i)no agent.*SSH_AUTH_SOCK"),
                                            ("/nonexistent/agent", r"(?i)agent.*/nonexistent/agent.*No such file")])
def test_a_missing_agent_is_said_with_v(kit, sshd, echo, socket, reason, adit_only):
    """-v has a line with the reason why no agent is used; without it nothing is said."""
    env = {"SSH_AUTH_SOCK": socket}
    works(kit, sshd, echo, "-v", "-o", "IdentitiesOnly=no", env=env).wait_err(reason)
    assert works(kit, sshd, echo, "-o", "IdentitiesOnly=no", env=env).err.text == ""


def test_too_many_keys(kit, sshd, key_folder, agent):
    """More agent keys than the server tolerates end with its words; IdentitiesOnly with the right key works."""
    folder = key_folder / "crowd"
    folder.mkdir(exist_ok=True)
    agent(*[keys.keygen(folder / f"k{i}") for i in range(8)])
    # a key that comes after the agent's: none of the eight is authorized
    client = kit.connect(sshd, "-N", key=False, env={"SSH_AUTH_SOCK": agent.socket})
    assert client.finish() == 255
    assert "Too many authentication failures" in client.err.text


@pytest.fixture
def password_server(start, system_user):
    return start(servers.Sshd, {"PasswordAuthentication": "yes", "PubkeyAuthentication": "no", "MaxAuthTries": "20"},
                 user=system_user.name)


@pytest.mark.quick
def test_password_by_askpass(kit, password_server, system_user, echo, askpass):
    """SSH_ASKPASS with SSH_ASKPASS_REQUIRE=force gives the password."""
    works(kit, password_server, echo, batch=False, env=askpass(system_user.password))


def test_wrong_password_three_times(kit, password_server, askpass):
    """Three wrong passwords and it is over: exit 255."""
    client = kit.connect(password_server, "-N", batch=False, env=askpass("wrong"))
    assert client.finish(30) == 255
    assert len(askpass.log.read_text().splitlines()) == 3
    assert "Permission denied" in client.err.text


@pytest.mark.quick
@pytest.mark.parametrize("option", ["NumberOfPasswordPrompts=1", "PasswordAuthentication=no"])
def test_fewer_questions(kit, password_server, askpass, option):
    """NumberOfPasswordPrompts, and a method that is not wanted."""
    env = askpass("wrong")
    client = kit.connect(password_server, "-N", "-o", option, "-o", "KbdInteractiveAuthentication=no", batch=False, env=env)
    assert client.finish(30) == 255 and "Permission denied" in client.err.text
    asked = askpass.log.read_text().splitlines() if askpass.log.exists() else []
    assert len(asked) == (1 if "=1" in option else 0)


def test_second_password_is_right(kit, password_server, system_user, echo, askpass):
    """After a wrong password it is asked again."""
    works(kit, password_server, echo, batch=False, env=askpass("wrong", system_user.password))


@pytest.mark.quick
def test_batch_mode_never_asks(kit, password_server, askpass):
    """BatchMode: no password is asked for."""
    client = kit.connect(password_server, "-N", env=askpass("never"))
    assert client.finish() == 255
    assert not askpass.log.exists()


@pytest.mark.parametrize("extra, asked", [
    ({"SSH_ASKPASS_REQUIRE": "never", "DISPLAY": ":9"}, False), ({"SSH_ASKPASS_REQUIRE": None, "DISPLAY": None}, False),
    ({"SSH_ASKPASS_REQUIRE": None, "DISPLAY": ":9"}, True), ({"SSH_ASKPASS_REQUIRE": "prefer", "DISPLAY": ":9"}, True)])
def test_when_askpass_is_used(kit, password_server, askpass, extra, asked):
    """Without a terminal: SSH_ASKPASS_REQUIRE and DISPLAY decide, as with ssh."""
    client = kit.connect(password_server, "-N", key=False, batch=False, env={**askpass("wrong"), **extra})
    assert client.finish(30) == 255
    assert askpass.log.exists() == asked


def test_preferred_authentications(kit, start, system_user, echo, askpass):
    """PreferredAuthentications=password goes before a key that would do."""
    server = start(servers.Sshd, {"PasswordAuthentication": "yes"}, user=system_user.name)
    mark = server.mark()
    works(kit, server, echo, "-o", "PreferredAuthentications=password", batch=False, env=askpass(system_user.password))
    assert "Accepted password" in server.text(mark)


def test_password_on_a_terminal(kit, password_server, system_user, adit_only):
    """The password is typed at /dev/tty without echo and the terminal is as before afterwards."""
    kit.trust(password_server)
    terminal = Terminal(kit, *kit.base(key=False, batch=False), "-N", "-L", "0:127.0.0.1:1", "-p",
                        str(password_server.port), "-l", system_user.name, "127.0.0.1")
    terminal.wait(r"(?i)password: ?$")
    assert not terminal.is_echoing()
    terminal.type(system_user.password + "\n")
    terminal.client.wait_out("listening")
    assert terminal.is_echoing()
    assert system_user.password not in terminal.seen.text
    terminal.close()


def test_interrupt_at_the_password_prompt(kit, password_server, system_user):
    """Ctrl-C at the prompt ends the client and gives the terminal its echo back."""
    kit.trust(password_server)
    terminal = Terminal(kit, *kit.base(key=False, batch=False), "-N", "-p", str(password_server.port), "-l",
                        system_user.name, "127.0.0.1")
    terminal.wait(r"(?i)password: ?$")
    terminal.type("\x03")
    assert terminal.client.finish(10) != 0
    assert terminal.is_echoing()
    terminal.close()


# [RFC 4256 3.2a 3.4d]
def test_keyboard_interactive_two_prompts_two_rounds(kit, start, echo, askpass):
    """Several prompts in a round and several rounds, with asyncssh."""
    rounds = [[["User code: ", True, "alpha"], ["PIN: ", False, "1234"]], [["Once more: ", False, "omega"]]]
    server = start(servers.Asyncssh, rounds=rounds, no_keys=True)
    mark = server.mark()
    works(kit, server, echo, key=False, batch=False, env=askpass("alpha", "1234", "omega"))
    answers = [json.loads(x) for x in re.findall(r"ANSWERS (.*)", server.text(mark))]
    assert answers == [["alpha", "1234"], ["omega"]]


def test_key_then_keyboard_interactive(kit, start, system_user, echo, askpass):
    """AuthenticationMethods publickey,keyboard-interactive: partial success, then the code (PAM)."""
    server = start(servers.Sshd, {"AuthenticationMethods": "publickey,keyboard-interactive", "UsePAM": "yes",
                                  "KbdInteractiveAuthentication": "yes"}, user=system_user.name)
    mark = server.mark()
    works(kit, server, echo, batch=False, env=askpass(system_user.password))
    assert "Partial publickey" in server.text(mark) and "Accepted keyboard-interactive" in server.text(mark)


def test_key_then_password(kit, start, system_user, echo, askpass):
    """AuthenticationMethods publickey,password."""
    server = start(servers.Sshd, {"AuthenticationMethods": "publickey,password", "PasswordAuthentication": "yes"},
                   user=system_user.name)
    works(kit, server, echo, batch=False, env=askpass(system_user.password))


def test_two_keys(kit, start, user_keys, echo):
    """AuthenticationMethods publickey,publickey: the second key is another one than the first."""
    pair = [user_keys["ed25519"], user_keys["ecdsa256"]]
    server = start(servers.Sshd, {"AuthenticationMethods": "publickey,publickey"},
                   authorized=[keys.public(k) for k in pair])
    works(kit, server, echo, "-i", str(pair[1]), key=pair[0])


def test_asyncssh_password(kit, start, echo, askpass):
    """Password against asyncssh."""
    server = start(servers.Asyncssh, password="s3cret", no_keys=True)
    works(kit, server, echo, key=False, batch=False, env=askpass("s3cret"))


def test_dropbear_password(kit, start, system_user, echo, askpass):
    """Password against dropbear."""
    server = start(servers.Dropbear, system_user)
    works(kit, server, echo, key=False, batch=False, env=askpass(system_user.password))


@pytest.mark.parametrize("name", ["ed25519", "ecdsa256", "rsa"])
def test_asyncssh_keys(kit, start, user_keys, echo, name):
    """Each key type against asyncssh."""
    server = start(servers.Asyncssh, authorized=[keys.public(k) for k in user_keys.values()])
    works(kit, server, echo, key=user_keys[name])


def test_dropbear_key(kit, start, system_user, echo):
    """A key against dropbear."""
    works(kit, start(servers.Dropbear, system_user), echo)


# [RFC 4252 5.4a 5.4b]
@pytest.mark.quick
def test_banner_is_shown_and_filtered(kit, start, echo):
    """A banner goes to stderr without its escape sequences; -q hides it."""
    server = start(servers.Asyncssh, banner="Welcome\n\x1b[31mred\x1b[0m \x1b]0;title\x07 end\n")
    client = works(kit, server, echo)
    assert "Welcome\n" in client.err.text and "red" in client.err.text
    if not IS_SSH:
        assert "\x1b" not in client.err.text and "title" not in client.err.text
    client = works(kit, server, echo, "-q")
    assert "Welcome" not in client.err.text


def test_long_banner(kit, start, echo, tmp_path):
    """A banner of 100,000 bytes arrives in full."""
    text = "".join(f"line {i:06d}\n" for i in range(100_000 // 12))
    (tmp_path / "banner").write_text(text)
    server = start(servers.Sshd, {"Banner": str(tmp_path / "banner")}, fresh=True)
    client = works(kit, server, echo)
    assert text in client.err.text
    server.stop()


def test_no_secret_in_the_debug_log(kit, password_server, system_user, echo, askpass, key_folder):
    """-vvv shows each step and neither password, passphrase nor key bytes."""
    client = works(kit, password_server, echo, "-vvv", batch=False, env=askpass(system_user.password))
    assert "password" in client.err.text and system_user.password not in client.err.text
    locked = keys.keygen(key_folder / "logged", passphrase="open sesame")
    (kit.folder / "count").unlink()
    client = kit.connect(password_server, "-N", "-vvv", key=locked, batch=False, env=askpass("open sesame", "no"))
    client.finish(30)
    assert "open sesame" not in client.err.text
    private = locked.read_text().splitlines()
    assert not any(line in client.err.text for line in private[1:-1])


def test_user_forms(kit, sshd, echo):
    """-l USER, USER@HOST and ssh://USER@HOST:PORT name the same user."""
    kit.trust(sshd)
    mark = sshd.mark()
    common = [*kit.base(), "-N", "-L", f"127.0.0.1:{{}}:{echo.target}"]
    for form in (["-p", str(sshd.port), "-l", sshd.user, "127.0.0.1"], ["-p", str(sshd.port), f"{sshd.user}@127.0.0.1"],
                 [f"ssh://{sshd.user}@127.0.0.1:{sshd.port}"]):
        port = traffic.free_port()
        kit.run(*[a.format(port) for a in common], *form)
        wait_until(lambda: traffic.listeners(port), 10, f"listener for {form}")
    sshd.wait_log(rf"Accepted publickey for {sshd.user} ", mark, count=3)


# ---- what an agent is told, and what it is given ------------------------------------------------------------------------

def agent_has(socket, key):
    out = subprocess.run(["ssh-add", "-l"], env={"SSH_AUTH_SOCK": socket, "PATH": os.environ["PATH"]}, capture_output=True,
                         text=True).stdout
    return keys.fingerprint(key) in out


@pytest.mark.quick
@pytest.mark.parametrize("value, bound", [("yes", True), ("unbound", False), ("host-bound", True)])
def test_host_bound_requests(kit, start, echo, value, bound):
    """publickey-hostbound-v00@openssh.com where the server knows it, unless PubkeyAuthentication says otherwise."""
    server = start(servers.Sshd)
    mark = server.mark()
    works(kit, server, echo, "-o", f"PubkeyAuthentication={value}")
    assert ("method publickey-hostbound-v00@openssh.com" in server.text(mark)) == bound


def test_host_bound_needs_a_server_that_knows_it(kit, start, echo):
    """asyncssh has never heard of it: host-bound alone finds no method, yes does as before."""
    server = start(servers.Asyncssh)
    works(kit, server, echo)
    client = kit.connect(server, "-N", "-o", "PubkeyAuthentication=host-bound")
    assert client.finish() == 255


@pytest.mark.parametrize("kind", ["ed25519", "rsa"])
def test_key_for_one_destination(kit, start, user_keys, echo, agent, kind):
    """A key that its agent holds for one host signs there (the agent was bound to the session, and the request to the host
    key) and at no other."""
    line = [keys.public(user_keys[kind])]
    right = start(servers.Sshd, authorized=line)
    wrong = start(servers.Sshd, host_types=("ecdsa256",), authorized=line)
    agent()
    known = kit.folder / "hosts_of_the_agent"
    known.write_text(right.known_hosts_lines())
    subprocess.run(["ssh-add", "-q", "-H", str(known), "-h", f"[127.0.0.1]:{right.port}", str(user_keys[kind])], check=True,
                   env={"SSH_AUTH_SOCK": agent.socket, "PATH": os.environ["PATH"]}, capture_output=True)
    only = ["-i", str(kit.folder / "none")]
    works(kit, right, echo, *only, key=False, env={"SSH_AUTH_SOCK": agent.socket})
    assert kit.connect(wrong, "-N", *only, key=False, env={"SSH_AUTH_SOCK": agent.socket}).finish() == 255


@pytest.mark.parametrize("name", [*keys.HOST_TYPES, "rsa4096"])
def test_keys_are_added_to_the_agent(kit, all_keys, user_keys, echo, agent, name):
    """AddKeysToAgent yes: the key that was used is in the agent afterwards, and signs there."""
    agent()
    env = {"SSH_AUTH_SOCK": agent.socket}
    works(kit, all_keys, echo, key=user_keys[name], env=env)
    assert not agent_has(agent.socket, user_keys[name])
    works(kit, all_keys, echo, "-o", "AddKeysToAgent=yes", key=user_keys[name], env=env)
    assert agent_has(agent.socket, user_keys[name])
    works(kit, all_keys, echo, "-i", str(kit.folder / "none"), key=False, env=env)


def test_keys_are_added_for_a_while(kit, sshd, echo, agent):
    """A lifetime: the agent forgets the key by itself."""
    agent()
    works(kit, sshd, echo, "-o", "AddKeysToAgent=2", env={"SSH_AUTH_SOCK": agent.socket})
    assert agent_has(agent.socket, kit.key)
    wait_until(lambda: not agent_has(agent.socket, kit.key), 15, "the agent has forgotten the key")


def test_keys_are_added_to_be_confirmed(kit, sshd, echo, agent):
    """confirm: the agent has the key, and signs nothing with it unasked (nobody can be asked here)."""
    agent()
    env = {"SSH_AUTH_SOCK": agent.socket}
    works(kit, sshd, echo, "-o", "AddKeysToAgent=confirm", env=env)
    assert agent_has(agent.socket, kit.key)
    assert kit.connect(sshd, "-N", "-i", str(kit.folder / "none"), key=False, env=env).finish() == 255


@pytest.mark.parametrize("answer, added", [("yes", True), ("no", False)])
def test_keys_are_added_when_allowed(kit, sshd, echo, agent, askpass, answer, added):
    """ask: the user decides."""
    agent()
    works(kit, sshd, echo, "-o", "AddKeysToAgent=ask", batch=False, env={**askpass(answer), "SSH_AUTH_SOCK": agent.socket})
    assert agent_has(agent.socket, kit.key) == added


def test_no_agent_to_add_to(kit, sshd, echo):
    """AddKeysToAgent without an agent, or with one that is gone, is no obstacle."""
    works(kit, sshd, echo, "-o", "AddKeysToAgent=yes", env={"SSH_AUTH_SOCK": None})
    works(kit, sshd, echo, "-o", "AddKeysToAgent=yes", env={"SSH_AUTH_SOCK": "/nonexistent/agent"})


def test_kbdint_devices(kit, start, echo, askpass):
    """KbdInteractiveDevices is what the server is told."""
    server = start(servers.Asyncssh, rounds=[[["Code: ", False, "1234"]]], no_keys=True)
    mark = server.mark()
    works(kit, server, echo, "-o", "KbdInteractiveDevices=otp,pam", key=False, batch=False, env=askpass("1234"))
    assert "SUBMETHODS otp,pam" in server.text(mark)


def test_two_keys_and_a_certificate(kit, start, user_keys, echo):
    """publickey,publickey: a key that was accepted as a certificate is not offered once more as a key."""
    authority = user_keys["ecdsa521"]
    key = keys.copy_private(user_keys["ed25519"], kit.folder / "id")
    (kit.folder / "id.pub").write_text(keys.public(user_keys["ed25519"]) + "\n")
    subprocess.run(["ssh-keygen", "-q", "-s", str(authority), "-I", "x", "-n", servers.ME, str(kit.folder / "id.pub")],
                   check=True, capture_output=True)
    lines = [keys.public(user_keys["ed25519"]), keys.public(user_keys["ecdsa256"])]
    server = start(servers.Sshd, {"AuthenticationMethods": "publickey,publickey",
                                  "TrustedUserCAKeys": f"{authority}.pub"}, authorized=lines)
    mark = server.mark()
    works(kit, server, echo, "-i", str(user_keys["ecdsa256"]), key=key)
    log = server.text(mark)
    assert log.count("Accepted publickey") == 1 and "Partial publickey" in log
    assert "already used" not in log.lower()
