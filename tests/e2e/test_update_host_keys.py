"""UpdateHostKeys: known_hosts follows the keys that a server shows, line by line as the real ssh does it."""
import re
import subprocess

import pytest

from harness import keys, servers, traffic
from harness.client import Client
from harness.terminal import Terminal
from harness.wait import wait_until

CHANGED = r"Learned new hostkey|Deprecating obsolete hostkey"
SKIPPED = r"skipping UserKnownHostsFile update|no new or deprecated keys from server"


@pytest.fixture(scope="module")
def many(start):
    """A server with a key of each type."""
    return start(servers.Sshd, host_types=("ed25519", "rsa", "ecdsa256"))


@pytest.fixture(scope="module")
def old_key(key_folder):
    """One that the server had once."""
    return keys.keygen(key_folder / "rotated", "rsa", 2048)


def args(kit, server, *options):
    return ["-F", "none", "-v", *[a for a in kit.base(known_hosts=True) if a not in ("-F", "none")], "-o", "UpdateHostKeys=yes",
            *options, "-N", "-o", "ExitOnForwardFailure=yes", "-L", f"{traffic.free_port()}:127.0.0.1:1", "-p", str(server.port),
            "-l", server.user, "127.0.0.1"]


def line(server, key, name=None):
    return f"{name or f'[127.0.0.1]:{server.port}'} {keys.public(key)}\n"


def shown(text):
    """What can be compared: the salts of hashed names are everybody's own."""
    return re.sub(r"^\|1\|\S+", "|1|", text, flags=re.M)


SCENARIOS = {
    # what stands in the file, by s: server, k: its keys, o: the old one; options; whether it changes
    "learns": (lambda s, k, o: line(s, k[0]), (), True),
    "keeps_the_rest": (lambda s, k, o: "# a comment\n\n" + line(s, o, "other.example") + "bad line\n" + line(s, k[0])
                       + "\t # last\n", (), True),
    "no_last_newline": (lambda s, k, o: line(s, k[0])[:-1] + " some comment", (), True),
    "removes": (lambda s, k, o: line(s, k[0]) + line(s, o) + "# c\n" + line(s, k[1]) + line(s, k[2]), (), True),
    "rotates": (lambda s, k, o: line(s, o) + line(s, k[0]), (), True),
    "hashes": (lambda s, k, o: line(s, k[0]), ("-o", "HashKnownHosts=yes"), True),
    "only_these_algorithms": (lambda s, k, o: line(s, k[0]) + line(s, k[1]), ("-o", "HostKeyAlgorithms=ssh-ed25519"), True),
    "two_names": (lambda s, k, o: line(s, k[0], f"b,[127.0.0.1]:{s.port}"), (), True),
    "nothing_new": (lambda s, k, o: "".join(line(s, x) for x in k), (), False),
    "three_names": (lambda s, k, o: line(s, k[0], f"a,b,[127.0.0.1]:{s.port}"), (), False),
    "a_pattern": (lambda s, k, o: line(s, k[0], f"[127.0.0.*]:{s.port}"), (), False),
    "an_authority": (lambda s, k, o: line(s, k[0]) + "@cert-authority " + line(s, o, "*"), (), False),
    "a_revoked_one": (lambda s, k, o: line(s, k[0]) + "@revoked " + line(s, o, "*"), (), False),
    "new_under_other_name": (lambda s, k, o: line(s, k[0]) + line(s, k[1], "b.example"), (), False),
    "old_under_other_name": (lambda s, k, o: line(s, k[0]) + line(s, o) + line(s, o, "b.example"), (), False),
}


def update(kit, client, regex):
    """Runs it until it has said what it does; it ends only when that is done."""
    kit.clients.append(client)
    client.wait_err(regex)
    client.stop()


@pytest.mark.parametrize("name", SCENARIOS)
def test_as_ssh(kit, many, old_key, name, adit_only):
    """The same file goes through ssh and through the client: the same lines come out."""
    before, options, changes = SCENARIOS[name]
    text = before(many, many.host_keys, old_key)
    results = []
    for program in ("/usr/bin/ssh", None):
        kit.known_hosts.write_text(text)
        argv = args(kit, many, *options)
        client = Client([program, *argv], kit.env()) if program else kit.run(*argv)
        update(kit, client, CHANGED if changes else SKIPPED)
        results.append(kit.known_hosts.read_text())
    assert shown(results[0]) == shown(results[1])
    assert (results[1] != text) == changes
    assert results[1].count("\n") == len(results[1].splitlines())


def test_hashed_stays_hashed(kit, many, adit_only):
    """What ssh-keygen -H has hashed is found, and what is added with HashKnownHosts shows no name."""
    kit.known_hosts.write_text(line(many, many.host_keys[0]))
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", str(kit.known_hosts)], check=True, capture_output=True)
    update(kit, kit.run(*args(kit, many, "-o", "HashKnownHosts=yes")), CHANGED)
    lines = kit.known_hosts.read_text().splitlines()
    assert len(lines) == 3 and all(x.startswith("|1|") for x in lines)
    found = subprocess.run(["ssh-keygen", "-F", f"[127.0.0.1]:{many.port}", "-f", str(kit.known_hosts)],
                           capture_output=True, text=True)
    assert all(keys.public(k) in found.stdout for k in many.host_keys)


@pytest.mark.parametrize("how", ["accept-new", "global", "command", "pin", "unset", "no"])
def test_not_when_trusted_otherwise(kit, many, how, adit_only):
    """The key is known from elsewhere than the user's files, or nobody has said yes to it, or the option is not
    asked for: the file stays as it was."""
    key = many.host_keys[0]
    other = kit.folder / "global_hosts"
    other.write_text(line(many, key))
    argv = args(kit, many)
    off = argv.index("UpdateHostKeys=yes")
    if how == "accept-new":
        argv[:0] = ["-o", "StrictHostKeyChecking=accept-new", "-o", "HostKeyAlgorithms=ssh-ed25519"]
        before = ""
    else:
        before = line(many, key, "unrelated.example") if how in ("global", "command", "pin") else line(many, key)
    if how == "global":
        argv[:0] = ["-o", f"GlobalKnownHostsFile={other}"]
    if how == "command":
        argv[:0] = ["-o", f"KnownHostsCommand=/bin/cat {other}"]
    if how == "pin":
        argv[:0] = ["-o", f"AditHostKeyFingerprint={keys.fingerprint(key)}"]
    if how == "unset":
        del argv[off - 1:off + 1]
    if how == "no":
        argv[off] = "UpdateHostKeys=no"
    kit.known_hosts.write_text(before)
    mark = many.mark()
    client = kit.run(*argv)
    with traffic.connect(client.listening()[0].addr) as c:  # an answer to this comes behind the keys
        assert c.recv(1) == b""
    if how in ("accept-new", "global", "command"):
        client.wait_err("no UpdateHostKeys")
    client.stop()
    assert "hostkeys-prove" not in many.text(mark)
    after = kit.known_hosts.read_text()
    assert after == (line(many, key) if how == "accept-new" else before)


def test_ask(kit, many, old_key, adit_only):
    """ask: the changes are shown and nothing happens before somebody has said yes; no is no."""
    before = line(many, many.host_keys[0]) + line(many, old_key)
    for answers, changes in ((["what?", "yes"], True), (["no"], False)):
        kit.known_hosts.write_text(before)
        argv = ["UpdateHostKeys=ask" if a == "UpdateHostKeys=yes" else a for a in args(kit, many)]
        argv = [a for i, a in enumerate(argv) if "BatchMode" not in a and not (a == "-o" and "BatchMode" in argv[i + 1])]
        terminal = Terminal(kit, *argv)
        for i, answer in enumerate(answers):
            wait_until(lambda: terminal.seen.text.count("Accept updated hostkeys?") > i, 15, lambda: terminal.client.err.text)
            assert kit.known_hosts.read_text() == before
            terminal.type(answer + "\n")
        if changes:
            wait_until(lambda: kit.known_hosts.read_text() != before, 15, "the change")
        terminal.client.stop()
        text = terminal.client.err.text
        assert "Learned new hostkey: RSA" in text and "Deprecating obsolete hostkey: RSA" in text
        expected = line(many, many.host_keys[0]) + "".join(line(many, k) for k in many.host_keys[1:])
        assert kit.known_hosts.read_text() == (expected if changes else before)
        terminal.close()


@pytest.mark.parametrize("name", ["learns", "rotates", "nothing_new"])
def test_openssh10(kit, start, old_key, openssh10, name, adit_only):
    """The same with the keys and proofs of OpenSSH 10."""
    server = start(servers.Sshd, host_types=("ed25519", "rsa", "ecdsa256"), tree=openssh10)
    before, options, changes = SCENARIOS[name]
    kit.known_hosts.write_text(before(server, server.host_keys, old_key))
    update(kit, kit.run(*args(kit, server, *options)), CHANGED if changes else SKIPPED)
    assert kit.known_hosts.read_text() == "".join(line(server, k) for k in server.host_keys)


def test_rsa_in_use(kit, many, adit_only):
    """The exchange was signed by RSA, and the others are learned."""
    kit.known_hosts.write_text(line(many, many.host_keys[1]))
    update(kit, kit.run(*args(kit, many)), CHANGED)
    ed25519, rsa, ecdsa = many.host_keys
    assert kit.known_hosts.read_text() == line(many, rsa) + line(many, ed25519) + line(many, ecdsa)


def test_too_many_keys(kit, start, key_folder, adit_only):
    """A server with 70 keys: none of them is learned, and it is said; the forward works on."""
    more = [keys.keygen(key_folder / f"many{i}") for i in range(70)]
    server = start(servers.Sshd, options={"HostKey": [str(k) for k in more]}, fresh=True)
    before = line(server, more[0])
    kit.known_hosts.write_text(before)
    client = kit.run(*args(kit, server))
    client.wait_err("too many host keys")
    with traffic.connect(client.listening()[0].addr) as c:
        assert c.recv(1) == b""
    client.stop()
    assert kit.known_hosts.read_text() == before
