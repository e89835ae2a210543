"""The flags of ssh: what is printed where, with which exit status, called as adit and through a link named ssh. Where the
real ssh is on the machine its answers are compared."""
import os
import shutil
import socket

import pytest

from harness import servers, traffic
from harness.client import ADIT, Client

pytestmark = pytest.mark.usefixtures("adit_only")
REAL = "/usr/bin/ssh"


@pytest.fixture
def link(kit):
    """A link named ssh."""
    path = kit.folder / "bin" / "ssh"
    path.parent.mkdir()
    path.symlink_to(ADIT)
    return str(path)


def says(kit, program, *args, **kw):
    """(exit status, stdout, stderr) of a run that ends by itself."""
    client = Client([program, *args], kit.env(), **kw)
    kit.clients.append(client)
    code = client.finish()
    return code, client.out.text, client.err.text.replace("\r", "")


@pytest.fixture
def real_ssh():
    if not os.access(REAL, os.X_OK):
        pytest.skip("no ssh to compare with")
    return REAL


BAD = [("-z", "h"), ("-p",), ("-l",), ("-p", "0", "h"), ("-p", "65536", "h"), ("-p", "131073", "h"), ("-p", "2000blah", "h"),
       ("-p", "blah2000", "h"), ("-c", "foo", "h"), ("-m", "foo", "h"), ("-1", "h"), ("-Q", "foo"), ("-Q", "CIPHER"),
       ("-f", "h"), ("-O", "foo", "h"), ("-E", "x", "-y", "h"), ("h;x",), ("@h",), ("ssh://h/path",), ("ssh://h:0",), (),
       ("-N", "-J", "a", "-J", "b", "h"), ("-N", "-o", "ProxyCommand=x", "-J", "a", "h"), ("-l", "a;b", "-N", "h"),
       ("-W", "a:1", "-W", "b:1", "h"), ("-o", "NoSuch=1", "h"), ("-N", "-s", "h"), ("-s", "h"),
       ("-s", "-N", "h"), ("-e", "xx", "h")]


@pytest.mark.parametrize("args", BAD, ids=" ".join)
@pytest.mark.quick
def test_errors_are_those_of_ssh(kit, link, real_ssh, args):
    """The first line and the status of the real ssh; the usage text where it shows its own."""
    theirs, ours = says(kit, real_ssh, "-F", "none", *args), says(kit, link, "-F", "none", *args)
    assert ours[0] == theirs[0] == 255 and ours[1] == theirs[1] == ""
    wanted = theirs[2].splitlines()[0]
    if wanted.startswith("usage:"):
        assert "usage: ssh [-46AaC" in ours[2]
        return
    assert ("usage:" in theirs[2]) == ("usage:" in ours[2])
    if "ProxyCommand" in " ".join(args) or "-J" in args:
        return  # the order in which two mistakes are told is not ssh's
    assert wanted.rstrip(".").lower() in ours[2].splitlines()[0].lower()


@pytest.mark.parametrize("flag, text, wanted", [("-L", "x", "Bad local forwarding specification 'x'"),
                                                ("-D", "x", "Bad dynamic forwarding specification 'x'"),
                                                ("-R", "a:b:c:d:e", "Bad remote forwarding specification 'a:b:c:d:e'"),
                                                ("-W", "x", "Bad stdio forwarding specification 'x'")])
@pytest.mark.quick
def test_bad_forwards(kit, link, real_ssh, flag, text, wanted):
    """ssh's words for a forward that cannot be understood, and then why."""
    for program in (link, real_ssh):
        code, out, err = says(kit, program, "-N", flag, text, "h")
        assert (code, out) == (255, "") and err.startswith(wanted)


@pytest.mark.parametrize("args, name", [(["-I", "lib", "h"], "PKCS#11"), (["-w", "0:0", "h"], "-w"), (["-O", "proxy", "h"], "-O")])
@pytest.mark.quick
def test_what_is_refused_by_name(kit, link, args, name):
    """An option of ssh that is not there is named and refused, never ignored."""
    for program in (ADIT, link):
        code, out, err = says(kit, program, "-N", *args)
        assert code == 255 and out == "" and name in err
    assert says(kit, ADIT, "-o", "AditExitCodes=yes", "-N", *args)[0] == 2


@pytest.mark.parametrize("name", ["cipher", "cipher-auth", "mac", "kex", "key", "key-cert", "key-plain", "key-sig", "sig",
                                  "compression", "protocol-version", "KEXALGORITHMS", "hostkeyalgorithms", "macs"])
@pytest.mark.quick
def test_queries(kit, link, real_ssh, name):
    """-Q: one name a line on stdout; but for the newest ones the real ssh knows each of them."""
    code, out, err = says(kit, link, "-Q", name)
    assert code == 0 and err == "" and (out.endswith("\n") or name == "key-cert")
    known = set(says(kit, real_ssh, "-Q", name)[1].splitlines()) | {"mlkem768x25519-sha256"}
    assert set(out.splitlines()) <= known
    assert says(kit, ADIT, "-Q", name)[1] == out


@pytest.mark.quick
def test_every_query_is_listed(kit, link):
    """-Q help names the lists, and each can be asked for."""
    _, out, _ = says(kit, link, "-Q", "help")
    assert {"cipher", "key-ca-sign", "protocol-version", "sig"} <= set(out.split())
    for name in out.split():
        assert says(kit, link, "-Q", name)[0] == 0


@pytest.mark.quick
def test_a_query_opens_no_log_file(kit, link):
    """-E with -Q: the answer is on stdout, and nothing is logged."""
    log = kit.folder / "log"
    for args in (["-E", log, "-Q", "key-plain"], ["-Q", "key-plain", "-E", log]):
        code, out, err = says(kit, link, *args)
        assert code == 0 and "ssh-ed25519\n" in out and err == ""
    assert not log.exists()


@pytest.mark.quick
def test_version_goes_to_stderr(kit, link):
    """-V: on stderr, 0, whatever follows."""
    for program in (ADIT, link):
        code, out, err = says(kit, program, "-NV", "-z")
        assert code == 0 and out == "" and err.startswith("adit ")


@pytest.mark.parametrize("form", [["-E{}", "HOST"], ["-E", "{}", "HOST"], ["HOST", "-E", "{}"], ["HOST", "-vE{}"]])
def test_log_file(kit, link, sshd, form):
    """-E in each form: appended, all of our text there, none on stderr."""
    log = kit.folder / "log"
    log.write_text("before\n")
    args = [a.replace("{}", str(log)).replace("HOST", "127.0.0.1") for a in form]
    code, out, err = says(kit, link, *kit.base(), "-N", "-p", str(traffic.free_port()), *args)
    assert (code, out, err) == (255, "", "")
    text = log.read_text()
    assert text.startswith("before\n") and "Connection refused" in text


def test_log_file_and_banner(kit, link, start):
    """With -E stderr holds the banner and nothing else; with -q it holds nothing."""
    banner = kit.folder / "banner"
    banner.write_text("a banner\nof two lines\n")
    server = start(servers.Sshd, {"Banner": str(banner)}, fresh=True)
    kit.trust(server)
    log = kit.folder / "log"
    target = [*kit.base(), "-p", str(server.port), "-l", server.user, "-W", f"127.0.0.1:{server.port}", "127.0.0.1"]
    code, out, err = says(kit, link, "-vvv", "-E", log, *target)
    assert code == 0 and err == "a banner\nof two lines\n" and out.startswith("SSH-2.0-")
    assert "debug1: kex: algorithm:" in log.read_text()
    assert says(kit, link, "-q", *target)[2] == ""
    assert says(kit, link, "-q", "-o", "LogLevel=DEBUG3", *target)[2] == ""


@pytest.mark.quick
def test_log_file_that_cannot_be_opened(kit, link):
    """Said as ssh says it; nothing is connected."""
    code, _, err = says(kit, link, "-N", "-E", "/nonexistent/x", "h")
    assert code == 255 and err == "Couldn't open logfile /nonexistent/x: No such file or directory\n"


@pytest.mark.parametrize("facility, number", [(None, 10), ("LOCAL3", 154)])
def test_syslog(kit, link, facility, number):
    """-y: the text goes to the system's log, with our name, and none to stderr; SyslogFacility says to whom there."""
    if os.getuid() != 0 or os.path.exists("/dev/log"):
        pytest.skip("/dev/log is not ours to listen on")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.bind("/dev/log")
        try:
            s.settimeout(10)
            code, out, err = says(kit, link, *kit.base(), "-N", "-y", "-p", str(traffic.free_port()),
                                  *(["-o", f"SyslogFacility={facility}"] if facility else []), "127.0.0.1")
            text = s.recv(65536).decode()
        finally:
            os.unlink("/dev/log")
    assert (code, out, err) == (255, "", "")
    assert "ssh[" in text and "Connection refused" in text and text.startswith(f"<{number}>")  # USER.crit, LOCAL3.crit


def test_last_level_counts(kit, link):
    """-q and -v in the order given, as ssh has it."""
    target = [*kit.base(), "-N", "-p", str(traffic.free_port()), "127.0.0.1"]
    assert says(kit, link, "-v", "-q", *target)[2] == ""
    assert "debug1: " in says(kit, link, "-q", "-v", *target)[2]


def test_refused_connection_in_words_of_ssh(kit, link, real_ssh):
    """What scripts look for in a connection that fails: the same line as the real ssh's."""
    target = [*kit.base(), "-N", "-p", str(traffic.free_port()), "127.0.0.1"]
    ours, theirs = says(kit, link, *target), says(kit, real_ssh, *target)
    assert ours == theirs
    assert ours[2].startswith("ssh: connect to host 127.0.0.1 port ")


def test_missing_identity_file(kit, link, real_ssh):
    """-i of a file that is not there: ssh's warning, and the connection is tried."""
    target = [*kit.base(key=False), "-N", "-i", "/nonexistent", "-p", str(traffic.free_port()), "127.0.0.1"]
    ours, theirs = says(kit, link, *target), says(kit, real_ssh, *target)
    assert ours == theirs
    assert ours[2].startswith("Warning: Identity file /nonexistent not accessible: No such file or directory.\n")


def test_missing_identity_file_leaves_the_default_keys(kit, link, sshd):
    """With the only -i missing the keys of ~/.ssh are tried, as with ssh; an IdentityFile that is missing is not worth a
    word."""
    (kit.home / ".ssh").mkdir(mode=0o700)
    shutil.copy(kit.key, kit.home / ".ssh" / "id_ed25519")
    target = ["-p", str(sshd.port), "-l", sshd.user, "-W", f"127.0.0.1:{sshd.port}", "127.0.0.1"]
    kit.trust(sshd)
    code, out, err = says(kit, link, *kit.base(key=False), "-i", "/nonexistent", *target)
    assert code == 0 and out.startswith("SSH-2.0-")
    assert err == "Warning: Identity file /nonexistent not accessible: No such file or directory.\n"
    code, _, err = says(kit, link, *kit.base(key=False), "-o", "IdentityFile=/nonexistent", *target)
    assert code == 255 and "Permission denied" in err and "accessible" not in err


def test_x11_is_accepted_with_a_warning(kit, link, sshd, echo):
    """-X, -Y: one line says that nothing comes of it; -x takes it back."""
    client = kit.connect(sshd, "-N", "-X", "-L", f"127.0.0.1:0:{echo.target}")
    assert traffic.ask(client.listening(1)[0].addr) == b"ping"
    assert "X11" in client.err.text and len(client.err.text.splitlines()) == 1
    client = kit.connect(sshd, "-N", "-Yx", "-L", f"127.0.0.1:0:{echo.target}")
    client.listening(1)
    assert client.err.text == ""


def test_as_ssh_stdout_stays_empty(kit, link, sshd, echo):
    """The listening lines are adit's; ssh prints nothing there, and tells a port of the server's on stderr."""
    kit.trust(sshd)
    port = traffic.free_port()
    client = Client([link, *kit.base(), "-p", str(sshd.port), "-l", sshd.user, "-N", "-L", f"127.0.0.1:{port}:{echo.target}",
                     "-R", f"127.0.0.1:0:{echo.target}", "127.0.0.1"], kit.env())
    kit.clients.append(client)
    client.wait_err(rf"^Allocated port \d+ for remote forward to 127\.0\.0\.1:{echo.port}$")
    assert traffic.ask(("127.0.0.1", port)) == b"ping"
    assert client.stop() == 0
    assert client.out.text == ""


@pytest.mark.quick
def test_as_ssh_has_no_short_form(kit, link):
    """-L 8080:80 is adit's alone, as -h is."""
    code, _, err = says(kit, link, "-N", "-L", "8080:80", "h")
    assert code == 255 and err.startswith("Bad local forwarding specification '8080:80'")
    code, _, err = says(kit, link, "-h")
    assert code == 255 and err.startswith("unknown option -- h\nusage: ssh ")


def test_user_with_a_style(kit, link, sshd):
    """user:style@host reaches the server as it stands: OpenSSH's takes the style off the user."""
    kit.trust(sshd)
    code, out, _ = says(kit, link, *kit.base(), "-p", str(sshd.port), "-W", f"127.0.0.1:{sshd.port}",
                        f"{sshd.user}:style@127.0.0.1")
    assert code == 0 and out.startswith("SSH-2.0-")


@pytest.mark.parametrize("args", [("-L", "10000+:h:80"), ("-D", "10000+")], ids=" ".join)
def test_a_port_that_counts_up_is_not_for_ssh(kit, link, args):
    """Only adit knows 10000+."""
    code, _, err = says(kit, link, "-F", "none", "-N", *args, "h")
    assert code == 255 and err.startswith("Bad ") and "forwarding specification '10000+" in err
