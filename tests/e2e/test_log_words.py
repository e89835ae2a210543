"""What scripts look for in the log, in ssh's words: algorithms, keys, authentication; and the warning about weak
key exchange."""
import re
import shutil

import pytest

from harness import servers, traffic
from harness.client import ADIT, Client
from harness.wait import wait_until

WARNING = "** WARNING: connection is not using a post-quantum key exchange algorithm."
CLASSIC = ["-o", "KexAlgorithms=curve25519-sha256"]

# One line each at -vvv, once an exchange but the last, which comes once.
ONCE_AN_EXCHANGE = [
    r"^debug1: kex: algorithm: \S+$",
    r"^debug1: kex: host key algorithm: ssh-ed25519$",
    r"^debug1: kex: server->client cipher: \S+ MAC: \S+ compression: none$",
    r"^debug1: kex: client->server cipher: \S+ MAC: \S+ compression: none$",
    r"^debug1: SSH2_MSG_NEWKEYS sent$",
    r"^debug1: SSH2_MSG_NEWKEYS received$",
]
AUTHENTICATED = r'^Authenticated to 127\.0\.0\.1 \(\[127\.0\.0\.1\]:%d\) using "publickey"\.'


def count(text, regex):
    return len(re.findall(regex, text.replace("\r", ""), re.M))


@pytest.mark.quick
@pytest.mark.parametrize("program", ["adit", "ssh"])
def test_words_of_an_exchange(kit, sshd, echo, program):
    """-vvv: the lines of one exchange, once each; the same list holds for the installed ssh."""
    binary = shutil.which("ssh") if program == "ssh" else None
    if program == "ssh" and binary is None:
        pytest.skip("no ssh here")
    port = traffic.free_port()
    argv = ["-vvv", "-N", "-p", str(sshd.port), "-l", sshd.user, "-L", f"127.0.0.1:{port}:{echo.target}"]
    kit.trust(sshd)
    client = Client([binary or ADIT, *kit.base(), *argv, "127.0.0.1"], kit.env())
    kit.clients.append(client)
    client.wait_err(AUTHENTICATED % sshd.port)
    wait_until(lambda: traffic.listeners(port), 10, "the listener")
    assert traffic.ask(("127.0.0.1", port)) == b"ping"
    for regex in [*ONCE_AN_EXCHANGE, AUTHENTICATED % sshd.port]:
        assert count(client.err.text, regex) == 1, regex


def test_words_of_every_exchange(kit, sshd, service):
    """With new keys every mebibyte: as many lines as the server counts exchanges."""
    source = service(traffic.source, 6 << 20, 1)
    mark = sshd.mark()
    client, addr = kit.local(sshd, source, "-vvv", "-o", "RekeyLimit=1M")
    assert traffic.download(addr) == (6 << 20, traffic.pattern_sha(6 << 20, 1))
    client.stop()
    theirs = sshd.text(mark).count("SSH2_MSG_NEWKEYS received")
    assert theirs >= 4
    for regex in ONCE_AN_EXCHANGE:
        assert abs(count(client.err.text, regex) - theirs) <= 1, regex
    assert count(client.err.text, ONCE_AN_EXCHANGE[-1]) == count(client.err.text, ONCE_AN_EXCHANGE[-2])
    assert count(client.err.text, AUTHENTICATED % sshd.port) == 1


@pytest.mark.quick
@pytest.mark.parametrize("args, is_warned", [
    (CLASSIC, True), ([*CLASSIC, "-o", "WarnWeakCrypto=yes"], True), ([*CLASSIC, "-o", "WarnWeakCrypto=no"], False),
    ([*CLASSIC, "-q"], False), ([*CLASSIC, "-o", "LogLevel=ERROR"], False),
    (["-o", "KexAlgorithms=sntrup761x25519-sha512@openssh.com"], False), ([], False)])
def test_warning_of_weak_key_exchange(kit, sshd, echo, adit_only, args, is_warned):
    """Three lines at INFO when the exchange was not post-quantum, before anything is authenticated; else none."""
    client, addr = kit.local(sshd, echo, *args)
    assert traffic.ask(addr) == b"ping"
    client.stop()
    lines = client.err.text.replace("\r", "").splitlines()
    assert [x for x in lines if x.startswith("** ")][:1] == ([WARNING] if is_warned else [])
    assert sum(x.startswith("** ") for x in lines) == (3 if is_warned else 0)


def test_warning_comes_once(kit, start, service, adit_only):
    """New keys later on do not repeat it."""
    server = start(servers.Sshd, {"KexAlgorithms": "ecdh-sha2-nistp256"})
    source = service(traffic.source, 4 << 20, 1)
    client, addr = kit.local(server, source, "-v", "-o", "RekeyLimit=1M")
    assert traffic.download(addr) == (4 << 20, traffic.pattern_sha(4 << 20, 1))
    assert count(client.err.text, ONCE_AN_EXCHANGE[-1]) >= 3
    assert client.err.text.count(WARNING) == 1


def test_subsystems(kit, sshd):
    """ADIT_LOG: level[,subsystem=level]; it wins over -q, and a wrong one ends it all."""
    wanted = {"kex": "debug1: kex: algorithm: ", "auth": "debug1: Offering public key: ",
              "forward": "debug1: forward up: "}
    for name, words in wanted.items():
        client = kit.connect(sshd, "-q", "-N", "-D", "0", env={"ADIT_LOG": f"error,{name}=debug1"})
        client.listening()
        client.stop()
        for other, its_words in wanted.items():
            assert (its_words in client.err.text) == (other == name), (name, client.err.text)
    client = kit.connect(sshd, "-N", env={"ADIT_LOG": "kex=loud"})
    assert client.finish() == 255 and "ADIT_LOG: 'kex=loud'" in client.err.text
