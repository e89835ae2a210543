"""What programs and scripts take for granted of ssh, and its manual does not say: the same through a link named ssh, and
where the real ssh is there, beside it."""
import os
import pwd
import re
import signal
import socket
import subprocess

import pytest

from harness import proxies, servers, traffic
from harness.client import ADIT
from harness.wait import wait_until

pytestmark = pytest.mark.usefixtures("adit_only")
REAL = "/usr/bin/ssh"
SIGNAL_DEADLINE_S = 10  # cli/signals.h: SIGNALS_HANG_S
BOTH = pytest.mark.parametrize("program", ["link", REAL], ids=["adit", "ssh"])


@pytest.fixture
def run(kit):
    """run(program, ...): to its end. `link` is the program for a link named ssh."""
    (kit.folder / "bin").mkdir()
    (kit.folder / "bin/ssh").symlink_to(ADIT)

    def runner(program, *words, data=b"", env=None):
        if program == REAL and not os.access(REAL, os.X_OK):
            pytest.skip("no ssh to compare with")
        argv = [str(kit.folder / "bin/ssh") if program == "link" else program, *map(str, words)]
        return subprocess.run(argv, input=data, capture_output=True, env=kit.env(**(env or {})), timeout=60)
    return runner


@pytest.fixture
def to(kit):
    """The words for a server, and its name."""
    def words(server, *more, port=None):
        kit.trust(server, port)
        return [*kit.base(), "-p", str(port or server.port), "-l", server.user, *more, "127.0.0.1"]
    return words


# ---- the command line

BUNDLES = [("-GqF", "FILE", "h"), ("-qGF", "FILE", "h"), ("-GFFILE", "h"), ("-vvvnNfGF", "FILE", "h"), ("-sGF", "FILE", "h", "sub"),
           ("-GMSpath", "-F", "FILE", "h"), ("-4CGtF", "FILE", "h"), ("-GF", "FILE", "-oPort=22", "h"),
           ("-G", "-F", "FILE", "-oPORT 23", "h"), ("-GFFILE", "-o", "pOrT=24", "h"), ("-GFFILE", "-o", "Port = 25", "h"),
           ("-GFFILE", "-o", "port\t26", "h"), ("-GFFILE", "-o", 'Port "27"', "h"), ("-GFFILE", "h", "-p28"),
           ("-GFFILE", "h", "-oPort=29", "-l", "me"), ("-GFFILE", "--", "h"), ("-GFFILE", "h", "--", "-p30"),
           ("-GFFILE", "h", "-p31", "cmd", "-p32"), ("-GFFILE", "-W", "a:1", "h"), ("-GFFILE", "-W", "a:1", "-oClearAllForwardings=no",
                                                                                "-oExitOnForwardFailure=no", "h"),
           ("-GFFILE", "user:style@h"), ("-GFFILE", "ssh://user@h:33/"), ("-GFFILE", "-l", "over", "user@h")]
# What hangs on the version, on Debian or on what is built in.
OWN = re.compile(r"(ciphers|macs|kexalgorithms|.*acceptedalgorithms|hostkeyalgorithms|casignaturealgorithms|gssapi\w*|identityfile|"
                 r"warnweakcrypto|refuseconnection|versionaddendum|channeltimeout|requiredrsasize|enableescapecommandline|"
                 r"obscurekeystroketiming|adit\w*|tag) ")


def settings(text):
    return [line for line in text.decode().splitlines() if not OWN.match(line + " ")]


@pytest.mark.quick
@pytest.mark.parametrize("words", BUNDLES, ids=" ".join)
def test_bundles(run, kit, words):
    """Flags in one word, glued values, options after the host: -G says what they came to."""
    file = kit.folder / "file"
    file.write_text("Port 4022\nLogLevel DEBUG3\nServerAliveInterval 7\n")
    words = [w.replace("FILE", str(file)) for w in words]
    home = {"HOME": pwd.getpwuid(os.getuid()).pw_dir}  # the real ssh asks the user database alone
    ours, theirs = run("link", *words, env=home), run(REAL, *words, env=home)
    assert (ours.returncode, theirs.returncode) == (0, 0), (ours.stderr, theirs.stderr)
    assert set(settings(theirs.stdout)) - set(settings(ours.stdout)) == set()


@pytest.mark.quick
@pytest.mark.parametrize("name", ["KexAlgorithms", "Ciphers", "MACs", "HostKeyAlgorithms", "PubkeyAcceptedAlgorithms",
                                  "HostbasedAcceptedAlgorithms", "PubkeyAcceptedKeyTypes", "HostbasedKeyTypes",
                                  "HostbasedAcceptedKeyTypes", "key-plain"])
def test_queries_by_keyword(run, name):
    """-Q takes the keywords that have such a list; what is listed the real ssh knows, but for what is newer."""
    ours, theirs = run("link", "-Q", name), run(REAL, "-Q", name)
    assert ours.returncode == theirs.returncode == 0, (ours.stderr, theirs.stderr)
    newer = {"mlkem768x25519-sha256"}
    assert ours.stdout and set(ours.stdout.decode().split()) <= set(theirs.stdout.decode().split()) | newer


@pytest.mark.quick
@pytest.mark.parametrize("user", ["a;b", "a b", "a\tb", "a\nb", "a'b", 'a"b', "a`b", "a$b", "a\\", "a|b", "a&b", "a<b", "-a", "a(b",
                                  "a{b", "a\x1bb", "a.b-c_d+e", "dom\\me", "a@b", "a:b", "\xc3\xbcser"])
def test_users_with_characters_of_a_shell(run, user):
    """A user of the command line that a shell could take apart is refused, and no other."""
    for words in (("-l", user, "h"), (f"{user}@h",)):
        ours, theirs = run("link", "-F", "none", "-G", *words), run(REAL, "-F", "none", "-G", *words)
        assert ours.returncode == theirs.returncode, (words, ours.stderr, theirs.stderr)
        if theirs.returncode == 0:
            assert [x for x in settings(ours.stdout) if x.startswith("user ")] == [
                x for x in settings(theirs.stdout) if x.startswith("user ")]


# ---- what goes where


def test_standard_error_is_the_server_s(run, to, kit, start):
    """With -E: a banner of 100,000 bytes in one message and what the command says there, byte for byte, and nothing of
    ours; a second run is appended to the file."""
    banner = kit.folder / "banner"
    banner.write_text("".join(f"line {i:06d}\n" for i in range(100_000 // 12)))
    server = start(servers.Sshd, {"Banner": str(banner)}, log_level="INFO", fresh=True)
    log = kit.folder / "log"
    for _ in range(2):
        done = run("link", "-vvv", "-E", log, *to(server), "printf 'a\\033b\\377' >&2; echo out")
        assert (done.returncode, done.stdout) == (0, b"out\n")
        assert done.stderr == banner.read_bytes() + b"a\x1bb\xff"
    assert log.read_text().count("debug1: kex: algorithm:") == 2
    server.stop()


def test_quiet_beats_the_file(run, kit, start):
    """-q hides the banner and all of our text, whatever LogLevel a file has."""
    (kit.folder / "banner").write_text("a banner\n")
    server = start(servers.Sshd, {"Banner": str(kit.folder / "banner")}, log_level="INFO", fresh=True)
    kit.trust(server)
    file = kit.folder / "file"
    file.write_text(f"Host h\nHostName 127.0.0.1\nPort {server.port}\nUser {server.user}\nIdentityFile {kit.key}\nIdentitiesOnly yes\n"
                    f"UserKnownHostsFile {kit.known_hosts}\nLogLevel DEBUG3\n")
    for words in (("-qF", file), ("-F", file, "-q")):
        done = run("link", *words, "h", "echo err >&2; exit 4")
        assert (done.returncode, done.stdout, done.stderr) == (4, b"", b"err\n")
    server.stop()


# ---- ends


@BOTH
def test_closed_without_a_status(run, to, start, program):
    """A server that closes the channel and says no exit status: 255, with all that it had said."""
    server = start(servers.Asyncssh, commands=True, no_status=True)
    done = run(program, *to(server), "echo said")
    assert (done.returncode, done.stdout) == (255, b"said\n")


DAMAGED = re.compile(r"Bad packet length|Corrupted MAC on input|message authentication code incorrect")


@BOTH
@pytest.mark.parametrize("how", ["-caes128-gcm@openssh.com", "-cchacha20-poly1305@openssh.com", "-caes128-ctr -mhmac-sha2-256",
                                 "-caes128-ctr -mhmac-sha2-256-etm@openssh.com"])
@pytest.mark.parametrize("at", [20_000, 50_001, 77_777])
def test_damaged_stream(run, to, kit, sshd, service, program, how, at):
    """One bit on the way here: 255, ssh's words for it, and not a byte of the damaged packet."""
    data = b"".join(traffic.pattern(400_000))
    (kit.folder / "data").write_bytes(data)
    proxy = service(proxies.Damage, sshd.port, at)
    done = run(program, *how.split(), *to(sshd, port=proxy.port), f"cat {kit.folder}/data")
    assert done.returncode == 255 and DAMAGED.search(done.stderr.decode()), done.stderr
    assert data.startswith(done.stdout) and len(done.stdout) < at


# ---- new keys


@pytest.mark.parametrize("limit", ["16", "1k", "256k"])
def test_tiny_rekey_limits(run, to, start, limit):
    """RekeyLimit of a few bytes: new keys after every packet, if need be, and every byte arrives; 256k is counted."""
    server = start(servers.Sshd)
    data = b"".join(traffic.pattern(1_500_000))
    mark = server.mark()
    done = run("link", "-o", f"RekeyLimit={limit}", *to(server), "cat", data=data)
    assert done.returncode == 0 and done.stdout == data
    wait_until(lambda: "Closing connection" in server.text(mark) or "Disconnected" in server.text(mark), 10, "the log's end")
    assert server.text(mark).count("SSH2_MSG_NEWKEYS received") >= 6


# ---- the environment


@pytest.mark.parametrize("master, guest", [("link", REAL), ("link", "link"), (REAL, "link")])
def test_environment_over_a_shared_connection(run, to, start, kit, master, guest):
    """Each session's own: what SendEnv of the guest names, and with a master of ours SetEnv, whose first value wins. (A
    master of ssh's takes what it is sent, and then sets its own SetEnv for all.)"""
    server = start(servers.Sshd, {"AcceptEnv": "*"}, log_level="INFO")
    control = ["-S", kit.folder / "c"]
    done = run(master, *control, "-o", "SetEnv=AA=master", "-o", "SendEnv=*", "-o", "ControlMaster=yes", "-o",
               "ControlPersist=60", *to(server), "echo $AA")
    assert done.stdout == b"master\n", done.stderr
    words = ["-o", "SetEnv=AA=first AB=two", "-o", "SetEnv=AA=late", "-o", "SendEnv=B? BEE", "-o", "SendEnv=-BE*"]
    env = {"BB": "sent", "BEE": "not", "C": "not"}
    done = run(guest, *control, *words, *to(server), "echo $AA,$AB,$BB,$BEE,$C", env=env)
    assert done.stdout == (b"first,two,sent,,\n" if master == "link" else b"master,two,sent,,\n"), done.stderr
    assert run(guest, *control, *to(server), "echo [$AA]").stdout == (b"[]\n" if master == "link" else b"[master]\n")
    run(guest, *control, "-O", "exit", *to(server))


# ---- known hosts


@BOTH
def test_a_new_key_goes_to_the_first_file(run, kit, sshd, program):
    """UserKnownHostsFile a b: both are read, a is written, and made where it is not there."""
    first, second = kit.folder / "first", kit.folder / "second"
    second.write_text("# nothing yet")
    words = [*kit.base(known_hosts=False), "-o", "StrictHostKeyChecking=accept-new", "-o",
             f"UserKnownHostsFile={first} {second}", "-p", sshd.port, "-l", sshd.user, "127.0.0.1", "true"]
    assert run(program, *words).returncode == 0
    assert len(first.read_text().splitlines()) == 1 and second.read_text() == "# nothing yet"
    first.rename(second)
    assert run(program, *words).returncode == 0 and not first.exists()


# ---- when something goes wrong on this side

@BOTH
def test_words_of_a_taken_port(run, to, sshd, program):
    """The system's words as the GNU library has them, and ssh's last line: when no listener of any forward could be had, and
    with ExitOnForwardFailure when one could not."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        forward = f"127.0.0.1:{port}:h:1"
        last = b"Could not request local forwarding."
        done = run(program, *to(sshd, "-L", forward), "exit 3")
        assert done.returncode == 3 and b"Address already in use" in done.stderr and done.stderr.count(last) == 1
        done = run(program, *to(sshd, "-D", f"127.0.0.1:{port}", "-o", "ExitOnForwardFailure=yes"), "exit 3")
        assert done.returncode == 255 and done.stderr.count(last) == 1
    with socket.create_server(("127.0.0.1", 0)) as taken, socket.create_server(("127.0.0.1", 0)) as free:
        port, other = taken.getsockname()[1], free.getsockname()[1]
        free.close()  # and so it is again
        done = run(program, *to(sshd, "-L", f"127.0.0.1:{port}:h:1", "-L", f"127.0.0.1:{other}:h:1"), "exit 3")
        assert done.returncode == 3 and b"Address already in use" in done.stderr and last not in done.stderr


@pytest.mark.quick
@BOTH
@pytest.mark.parametrize("host, words", [("255.255.255.255", b"port 22: Network is unreachable"),
                                         ("name.invalid", b"Could not resolve hostname name.invalid: ")])
def test_words_of_an_address_without_a_way(run, program, host, words):
    """The system's words, as scripts know them."""
    done = run(program, "-F", "none", "-o", "BatchMode=yes", host, "true")
    assert done.returncode == 255 and words in done.stderr
    assert b"does not resolve" not in done.stderr


def test_signal_while_a_local_command_hangs(kit, to, sshd):
    """SIGTERM is not put off by it: long before the last deadline for a main thread that hangs."""
    (kit.folder / "ssh").symlink_to(ADIT)
    up = kit.folder / "up"
    os.mkfifo(up)
    hangs = f"LocalCommand=echo $$ >{up}; exec sleep 600"
    client = subprocess.Popen([kit.folder / "ssh", *to(sshd, "-o", "PermitLocalCommand=yes", "-o", hangs), "true"], env=kit.env(),
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    command = int(up.read_text())
    try:
        client.send_signal(signal.SIGTERM)
        assert client.wait(SIGNAL_DEADLINE_S - 1) == 255
    finally:
        os.kill(command, signal.SIGKILL)
        client.kill()
        client.communicate()


@BOTH
def test_server_that_goes_away(run, to, sshd, program):
    """What a script that reboots a machine sees."""
    done = run(program, *to(sshd), "kill -9 $PPID")
    assert done.returncode == 255
    said = [line for line in done.stderr.splitlines() if not line.startswith(b"debug")]
    own = [[b"client_loop: send disconnect: Broken pipe"]] if program == "ssh" else []  # when it writes before it reads the end
    assert said in [[b"Connection to 127.0.0.1 closed by remote host."], *own]
