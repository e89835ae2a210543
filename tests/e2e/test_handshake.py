"""How many round trips it takes, counted by a relay that sees who speaks when."""
import subprocess

import pytest

from harness import keys, servers, traffic
from harness.wait import wait_until

pytestmark = pytest.mark.usefixtures("adit_only")


def turns_to(kit, server, relay, target, data, expected, *args, key=True):
    """Round trips from connect to the first answer of target: those the relay counted, and one for TCP itself."""
    trace = kit.folder / "trace"
    path = relay(server.port, "-d", "60", trace=trace)
    client = kit.connect(server, *args, "-W", target.target, port=path.port, stdin=subprocess.PIPE, key=key)
    client.proc.stdin.write(data)
    client.proc.stdin.flush()
    client.wait_out(expected, 20)
    turns = path.turns()
    client.proc.stdin.close()
    client.finish()
    return turns + 1


@pytest.mark.quick
def test_four_to_a_confirmed_channel(kit, sshd, relay, service):
    """TCP, KEXINIT, key exchange, authentication with the open: the target's first words come with the fourth."""
    assert turns_to(kit, sshd, relay, service(traffic.greeter, "hello"), b"", "hello") == 4


@pytest.mark.quick
def test_five_to_the_first_echoed_byte(kit, sshd, relay, echo):
    """Data we send goes out once the channel is confirmed and is back with the fifth."""
    assert turns_to(kit, sshd, relay, echo, b"x", "x") == 5


def test_four_with_openssh10(kit, start, relay, service, openssh10):
    """The same against OpenSSH 10 with the hybrid exchange."""
    server = start(servers.Sshd, tree=openssh10)
    assert turns_to(kit, server, relay, service(traffic.greeter, "hello"), b"", "hello") == 4


def test_refused_first_key_still_works(kit, sshd, relay, service, key_folder):
    """The open that rode with a refused key is repeated after the key that is accepted; nothing is lost."""
    wrong = keys.keygen(key_folder / "refused")
    turns = turns_to(kit, sshd, relay, service(traffic.greeter, "hello"), b"", "hello", "-i", str(kit.key), key=wrong)
    assert 4 < turns <= 7


@pytest.mark.parametrize("name, turns", [("asyncssh", 5), ("dropbear", 4)])
def test_other_servers_are_not_rushed(kit, start, relay, service, request, name, turns):
    """asyncssh and dropbear do not bear an early open: they get it after the authentication, one round trip later.
    (dropbear sends its KEXINIT unasked, which saves one elsewhere.)"""
    if name == "asyncssh":
        server = start(servers.Asyncssh)
    else:
        server = start(servers.Dropbear, request.getfixturevalue("system_user"))
    assert turns_to(kit, server, relay, service(traffic.greeter, "hello"), b"", "hello") == turns


def test_password_never_rides_with_an_open(kit, start, system_user, relay, service):
    """With a password the open waits for the verdict: the server never sees UNIMPLEMENTED traffic before it."""
    server = start(servers.Sshd, {"PasswordAuthentication": "yes", "PubkeyAuthentication": "no"}, user=system_user.name,
                   log_level="DEBUG3")
    script = kit.folder / "askpass"
    script.write_text(f"#!/bin/sh\necho '{system_user.password}'\n")
    script.chmod(0o755)
    mark = server.mark()
    target = service(traffic.greeter, "hello")
    client = kit.connect(server, "-W", target.target, stdin=subprocess.PIPE, key=False, batch=False,
                         env={"SSH_ASKPASS": str(script), "SSH_ASKPASS_REQUIRE": "force"})
    client.wait_out("hello")
    client.proc.stdin.close()
    client.finish()
    assert "Accepted password" in server.text(mark)
    assert "dispatch_protocol_error" not in server.text(mark)


def test_nobody_is_asked_to_unlock_for_a_refused_key(kit, sshd, relay, service, key_folder):
    """A locked key is probed first (that costs a round trip): no passphrase is asked for when it is refused."""
    locked = keys.keygen(key_folder / "handshake-locked", passphrase="x")
    script = kit.folder / "askpass"
    script.write_text(f"#!/bin/sh\necho asked >>{kit.folder}/asked\necho x\n")
    script.chmod(0o755)
    client = kit.connect(sshd, "-N", key=locked, batch=False,
                         env={"SSH_ASKPASS": str(script), "SSH_ASKPASS_REQUIRE": "force"})
    assert client.finish() == 255
    assert not (kit.folder / "asked").exists()


def test_tunnel_is_ready_without_the_server_waiting(kit, sshd, relay, echo):
    """Listeners of -L are bound before the connection is made."""
    path = relay(sshd.port)
    path.freeze()
    port = traffic.free_port()
    kit.connect(sshd, "-N", "-L", f"127.0.0.1:{port}:{echo.target}", port=path.port)
    wait_until(lambda: traffic.listeners(port), 5, "the listener, while the server is silent")
    path.thaw()
    assert traffic.ask(("127.0.0.1", port)) == b"ping"


def test_version_addendum(kit, sshd, service):
    """VersionAddendum stands behind our version, with its tokens, as ssh 10 sends it; a text that cannot stand there
    ends it before anything is sent."""
    mark = sshd.mark()
    client = kit.connect(sshd, "-o", "VersionAddendum=to %n:%p (x)", "-W", service(traffic.greeter, "hello").target)
    client.wait_out("hello")
    seen = sshd.wait_log(r"remote software version \S+ .*", mark)
    assert f"to 127.0.0.1:{sshd.port} (x)" in seen
    mark = sshd.mark()
    refused = kit.connect(sshd, "-o", "VersionAddendum=a\tb", "-N", "-L", "0:127.0.0.1:1")
    assert refused.finish() == 255
    assert "version" in refused.err.text and "remote software version" not in sshd.text(mark)
