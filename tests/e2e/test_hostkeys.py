"""Whom the client trusts: known_hosts in every form, StrictHostKeyChecking, changed and pinned keys."""
import os
import re
import subprocess

import pytest

from harness import keys, servers, traffic
from harness.client import IS_SSH
from harness.terminal import Terminal
from harness.wait import wait_until


def connects(client):
    """True when the client got as far as its listener."""
    port = int(client.argv[client.argv.index("-L") + 1].split(":")[0])
    if not port:
        return client.wait_out(r"^listening ") is not None
    return wait_until(lambda: traffic.listeners(port) or not client.running(), 15, "a listener") and client.running()


def forward():
    return f"{traffic.free_port_both() if IS_SSH else 0}:127.0.0.1:1"


def args(kit, server, *options):
    """A tunnel with these host key options only."""
    return [*kit.base(known_hosts=True), *options, "-N", "-L", forward(), "-p", str(server.port), "-l",
            server.user, "127.0.0.1"]


@pytest.fixture
def other_key(key_folder):
    return keys.keygen(key_folder / "other")


# [RFC 4251 4.1b]
@pytest.mark.quick
def test_unknown_key_is_refused(kit, sshd):
    """Nothing known and nobody to ask: exit 255, the reason, and no authentication was tried."""
    mark = sshd.mark()
    client = kit.run(*args(kit, sshd))
    assert client.finish() == 255
    assert "Host key verification failed" in client.err.text
    assert "userauth" not in sshd.text(mark)
    assert not kit.known_hosts.exists()


@pytest.mark.quick
def test_unknown_key_has_its_own_exit_code(kit, sshd, adit_only):
    """With AditExitCodes=yes: 4."""
    assert kit.run("-o", "AditExitCodes=yes", *args(kit, sshd)).finish() == 4


@pytest.mark.quick
def test_known_key(kit, sshd):
    """A plain entry matches, also with StrictHostKeyChecking=yes."""
    kit.trust(sshd)
    assert connects(kit.run(*args(kit, sshd, "-o", "StrictHostKeyChecking=yes")))


# [RFC 4253 8d] [RFC 4254 11a]
@pytest.mark.quick
@pytest.mark.parametrize("strict", ["yes", "ask", "accept-new", "no"])
def test_changed_key_stops_everything(kit, sshd, other_key, strict, adit_only):
    """A changed key: exit 255, nothing is authenticated, and the message names file and line."""
    kit.known_hosts.write_text(f"# a comment\n[127.0.0.1]:{sshd.port} {keys.public(other_key)}\n")
    before = kit.known_hosts.read_bytes()
    mark = sshd.mark()
    client = kit.run(*args(kit, sshd, "-o", f"StrictHostKeyChecking={strict}"))
    assert client.finish() == 255
    assert f"{kit.known_hosts}:2" in client.err.text
    assert "Accepted" not in sshd.text(mark)
    assert kit.known_hosts.read_bytes() == before


@pytest.mark.quick
def test_accept_new_adds_a_line(kit, sshd, adit_only):
    """accept-new: the key is written, keeps what was there, completes a last line without an end, keeps the mode;
    the next connection finds it."""
    kit.known_hosts.write_text("other.example ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIC0Z")
    os.chmod(kit.known_hosts, 0o640)
    client = kit.run(*args(kit, sshd, "-o", "StrictHostKeyChecking=accept-new"))
    assert connects(client)
    lines = kit.known_hosts.read_text().splitlines()
    assert lines[0].startswith("other.example ssh-ed25519")
    assert f"[127.0.0.1]:{sshd.port} {keys.public(sshd.host_keys[0])}" in lines[1]
    assert len(lines) == 2 and kit.known_hosts.read_text().endswith("\n")
    assert kit.known_hosts.stat().st_mode & 0o777 == 0o640
    assert os.listdir(kit.known_hosts.parent).count("known_hosts") == 1
    assert not [n for n in os.listdir(kit.folder) if n.startswith("known_hosts.") or n.startswith(".known_hosts")]
    assert connects(kit.run(*args(kit, sshd, "-o", "StrictHostKeyChecking=yes")))


def test_accept_new_hashed(kit, sshd):
    """HashKnownHosts=yes writes a |1| line, and it is found again, by ssh too."""
    assert connects(kit.run(*args(kit, sshd, "-o", "StrictHostKeyChecking=accept-new", "-o", "HashKnownHosts=yes")))
    assert kit.known_hosts.read_text().startswith("|1|")
    assert "127.0.0.1" not in kit.known_hosts.read_text()
    assert connects(kit.run(*args(kit, sshd, "-o", "StrictHostKeyChecking=yes")))
    found = subprocess.run(["ssh-keygen", "-F", f"[127.0.0.1]:{sshd.port}", "-f", str(kit.known_hosts)],
                           capture_output=True, text=True)
    assert found.returncode == 0


def test_hashed_by_ssh_keygen(kit, sshd):
    """Lines that ssh-keygen -H hashed match."""
    kit.trust(sshd)
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", str(kit.known_hosts)], check=True, capture_output=True)
    assert kit.known_hosts.read_text().startswith("|1|")
    assert connects(kit.run(*args(kit, sshd, "-o", "StrictHostKeyChecking=yes")))


@pytest.mark.parametrize("names, known", [
    ("[127.0.0.?]:{p}", True), ("*", True), ("[*]:{p}", True), ("a.example,[127.0.0.1]:{p},b", True),
    ("!other,[127.0.0.1]:{p}", True), ("*,![127.0.0.1]:{p},!127.0.0.1", False), ("127.0.0.1", True), ("[127.0.0.1]:1", False),
    ("[128.0.0.*]:{p}", False)])
def test_patterns(kit, sshd, names, known):
    """Wildcards, negation, comma lists and [host]:port match as ssh matches them; a line without a port counts
    for any port when none has the port."""
    kit.known_hosts.write_text(f"{names.format(p=sshd.port)} {keys.public(sshd.host_keys[0])}\n")
    client = kit.run(*args(kit, sshd, "-o", "StrictHostKeyChecking=yes"))
    if known:
        assert connects(client)
    else:
        assert client.finish() == 255


@pytest.mark.quick
@pytest.mark.parametrize("strict", ["yes", "accept-new"] if IS_SSH else ["yes", "accept-new", "no"])
def test_revoked_wins(kit, sshd, strict):
    """A @revoked line beats a matching one, before or after it."""
    public = keys.public(sshd.host_keys[0])
    good = f"[127.0.0.1]:{sshd.port} {public}\n"
    for text in (good + f"@revoked * {public}\n", f"@revoked * {public}\n" + good):
        kit.known_hosts.write_text(text)
        client = kit.run(*args(kit, sshd, "-o", f"StrictHostKeyChecking={strict}"))
        assert client.finish() == 255
        assert "revoked" in client.err.text.lower()


def test_authority_lines_are_no_plain_keys(kit, sshd):
    """The key of a @cert-authority line is not a host key by itself."""
    kit.known_hosts.write_text(f"@cert-authority * {keys.public(sshd.host_keys[0])}\n")
    assert kit.run(*args(kit, sshd, "-o", "StrictHostKeyChecking=yes")).finish() == 255


def test_several_files(kit, sshd):
    """Each of several files is read; a missing one is fine."""
    kit.trust(sshd)
    both = f"UserKnownHostsFile={kit.folder}/missing {kit.known_hosts}"
    assert connects(kit.run(*kit.base(known_hosts=False), "-o", both, "-N", "-L", forward(), "-p", str(sshd.port),
                            "-l", sshd.user, "127.0.0.1"))


def test_host_key_alias(kit, sshd):
    """HostKeyAlias: the line of that name counts, without the port, and new keys are written under it."""
    kit.known_hosts.write_text(f"the-alias {keys.public(sshd.host_keys[0])}\n")
    assert connects(kit.run(*args(kit, sshd, "-o", "HostKeyAlias=the-alias", "-o", "StrictHostKeyChecking=yes")))
    kit.known_hosts.unlink()
    assert connects(kit.run(*args(kit, sshd, "-o", "HostKeyAlias=other", "-o", "StrictHostKeyChecking=accept-new")))
    assert kit.known_hosts.read_text().startswith("other ssh-ed25519 ")


def test_a_bad_line_is_a_warning(kit, sshd, adit_only):
    """A damaged line is named with file:line and does not stop anything."""
    kit.trust(sshd)
    good = kit.known_hosts.read_text()
    kit.known_hosts.write_text(f"[127.0.0.1]:{sshd.port} ssh-ed25519 !!!notbase64\n\0\xff garbage\n{good}")
    client = kit.run(*args(kit, sshd, "-o", "StrictHostKeyChecking=yes"))
    assert connects(client) and client.wait_err(re.escape(f"{kit.known_hosts}:1"))


@pytest.mark.quick
def test_pinned_fingerprint(kit, sshd, other_key, adit_only):
    """A pinned SHA-256 fingerprint decides without any known_hosts file; a wrong one ends with the host-key code."""
    bare = ["-o", "UserKnownHostsFile=none", "-N", "-L", forward(), "-p", str(sshd.port), "-l", sshd.user,
            "127.0.0.1"]
    right = f"AditHostKeyFingerprint={keys.fingerprint(sshd.host_keys[0])}"
    wrong = f"AditHostKeyFingerprint={keys.fingerprint(other_key)}"
    assert connects(kit.run(*kit.base(known_hosts=False), "-o", right, *bare))
    client = kit.run(*kit.base(known_hosts=False), "-o", wrong, "-o", "AditExitCodes=yes", *bare)
    assert client.finish() == 4
    assert keys.fingerprint(sshd.host_keys[0]) in client.err.text


def test_a_wrong_pin_beats_known_hosts(kit, sshd, other_key, adit_only):
    """A pin that does not match refuses a key that known_hosts has, also with checking off."""
    kit.trust(sshd)
    wrong = f"AditHostKeyFingerprint={keys.fingerprint(other_key)}"
    assert kit.run(*args(kit, sshd, "-o", wrong)).finish() == 255
    assert kit.run(*args(kit, sshd, "-o", wrong, "-o", "StrictHostKeyChecking=no")).finish() == 255


@pytest.mark.parametrize("known", ["rsa", "ecdsa256", "ed25519", "ecdsa384", "ecdsa521"])
def test_known_types_are_preferred(kit, start, known):
    """A server with several keys of which one is known: that one is asked for."""
    server = start(servers.Sshd, host_types=tuple(keys.HOST_TYPES))
    path = next(p for p in server.host_keys if p.name == known)
    kit.known_hosts.write_text(f"[127.0.0.1]:{server.port} {keys.public(path)}\n")
    assert connects(kit.run(*args(kit, server, "-o", "StrictHostKeyChecking=yes")))


@pytest.mark.quick
def test_known_hosts_from_the_environment(kit, sshd, adit_only):
    """$ADIT_KNOWN_HOSTS is one more file: its text decides as a file's would."""
    client = kit.run(*args(kit, sshd, "-o", "StrictHostKeyChecking=yes"),
                     env={"ADIT_KNOWN_HOSTS": sshd.known_hosts_lines()})
    assert connects(client)
    assert not kit.known_hosts.exists()


def test_home_known_hosts_is_the_default(kit, sshd, adit_only):
    """Without an option ~/.ssh/known_hosts of the HOME in use is read, and a changed key there is refused."""
    (kit.home / ".ssh").mkdir(mode=0o700)
    (kit.home / ".ssh/known_hosts").write_text(sshd.known_hosts_lines())
    client = kit.run(*kit.base(known_hosts=False), "-o", "StrictHostKeyChecking=yes", "-N", "-L", forward(), "-p",
                     str(sshd.port), "-l", sshd.user, "127.0.0.1")
    assert connects(client)


def ask_args(kit, server):
    return [*kit.base(batch=False), "-N", "-L", forward(), "-p", str(server.port), "-l", server.user, "127.0.0.1"]


@pytest.mark.parametrize("answer", ["yes", "fingerprint"])
def test_asked_and_accepted(kit, sshd, answer):
    """On a terminal the fingerprint is shown; 'yes', or the fingerprint itself, accepts and records the key."""
    terminal = Terminal(kit, *ask_args(kit, sshd))
    shown = keys.fingerprint(sshd.host_keys[0])
    terminal.wait(r"yes/no")
    assert shown in terminal.seen.text + terminal.client.err.text
    terminal.type((shown if answer == "fingerprint" else "yes") + "\n")
    assert connects(terminal.client)
    assert keys.public(sshd.host_keys[0]) in kit.known_hosts.read_text()
    terminal.close()


def test_asked_and_refused(kit, sshd):
    """'no' ends it; an unclear answer is asked again; nothing is recorded."""
    terminal = Terminal(kit, *ask_args(kit, sshd))
    terminal.wait(r"yes/no")
    terminal.type("maybe\n")
    terminal.wait(r"(?s)maybe.*(yes|fingerprint)")
    terminal.type("no\n")
    assert terminal.client.finish() == 255
    assert not kit.known_hosts.exists()
    terminal.close()


def test_a_slow_answer_is_no_timeout(kit, sshd):
    """ConnectTimeout pauses while a person is asked."""
    import time
    terminal = Terminal(kit, "-o", "ConnectTimeout=1", *ask_args(kit, sshd))
    terminal.wait(r"yes/no")
    time.sleep(2.0)  # the person thinks: this is the behaviour, not a wait for something
    terminal.type("yes\n")
    assert connects(terminal.client)
    terminal.close()


@pytest.mark.quick
def test_empty_or_foreign_options_do_not_disable_checking(kit, sshd):
    """No spelling but StrictHostKeyChecking=no (or off) accepts an unknown key without a question."""
    for value in ("yes", "ask", "YES", "true"):
        client = kit.run(*args(kit, sshd, "-o", f"StrictHostKeyChecking={value}"))
        assert client.finish() == 255


def test_checking_off_is_explicit(kit, sshd):
    """StrictHostKeyChecking=no accepts an unknown key, says so, and records it."""
    client = kit.run(*args(kit, sshd, "-o", "StrictHostKeyChecking=no"))
    assert connects(client)
    assert keys.public(sshd.host_keys[0]) in kit.known_hosts.read_text()


@pytest.mark.parametrize("kind", ["sha256", "md5"])
def test_picture_of_the_key(kit, sshd, kind, adit_only):
    """VisualHostKey and FingerprintHash: ssh-keygen's text and picture in the question, and later whenever the key is shown;
    that fingerprint is an answer to the question."""
    shown = subprocess.run(["ssh-keygen", "-E", kind, "-lvf", f"{sshd.host_keys[0]}.pub"], capture_output=True, text=True,
                           check=True).stdout
    line, picture = shown.split("\n", 1)
    text = line.split()[1]
    more = ["-o", "VisualHostKey=yes", "-o", f"FingerprintHash={kind}"]
    terminal = Terminal(kit, *more, *ask_args(kit, sshd))
    terminal.wait(r"yes/no")
    assert f"key fingerprint is {text}.\n{picture}" in terminal.seen.text.replace("\r", "")
    terminal.type(text + "\n")
    assert connects(terminal.client)
    terminal.close()
    client = kit.run(*args(kit, sshd, *more))
    assert connects(client)
    wait_until(lambda: f"Host key fingerprint is {text}\n{picture}" in client.err.text, 10, lambda: client.err.text)


def test_known_hosts_command(kit, sshd, adit_only):
    """KnownHostsCommand: asked for the order and about the key, without a shell; a failure ends the connection."""
    log, script = kit.folder / "asked", kit.folder / "command"
    script.write_text(f"#!/bin/sh\necho \"$*\" >>{log}\ncat {kit.folder}/lines\n")
    script.chmod(0o755)
    (kit.folder / "lines").write_text(sshd.known_hosts_lines())
    option = ["-o", "StrictHostKeyChecking=yes", "-o", f"KnownHostsCommand={script} %I %H %t %f"]
    assert connects(kit.run(*args(kit, sshd, *option)))
    fingerprint = keys.fingerprint(sshd.host_keys[0])
    assert log.read_text() == (f"ORDER [127.0.0.1]:{sshd.port} NONE NONE\n"
                               f"HOSTNAME [127.0.0.1]:{sshd.port} ssh-ed25519 {fingerprint}\n")
    kit.trust(sshd)
    client = kit.run(*args(kit, sshd, "-o", "KnownHostsCommand=/bin/false"))
    assert client.finish() == 255 and "KnownHostsCommand failed" in client.err.text
    client = kit.run(*args(kit, sshd, "-o", "KnownHostsCommand=/nonexistent/command"))
    assert connects(client) and client.wait_err('Could not stat KnownHostsCommand-HOSTNAME "/nonexistent/command"')


def test_localhost_may_be_let_in(kit, sshd, other_key, adit_only):
    """NoHostAuthenticationForLocalhost: no key is asked about or remembered where the other end is this machine."""
    client = kit.run(*args(kit, sshd, "-o", "NoHostAuthenticationForLocalhost=yes"))
    assert connects(client)
    assert client.err.text == "" and not kit.known_hosts.exists()
