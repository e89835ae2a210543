"""Value by value: what `ssh -G -o "Keyword value"` takes, refuses and prints, adit under the name ssh does too. Where the
releases of OpenSSH differ, either will do. DIFFERENT are the values where adit is meant to differ, and must."""
import os
import subprocess
from pathlib import Path

import pytest

from harness import servers
from harness.client import ADIT

pytestmark = pytest.mark.usefixtures("adit_only")

FLAGS = ["yes", "no", "true", "False", "YES", "on", "1", "", '""', '"yes"', "yes ", "yes no", "yes # c", "ask", "none"]
CHOICES = [*FLAGS, "accept-new", "ASK", "off", "force", "auto", "Auto", "autoask", "always", "inet", "INET6", "any", "none",
           "subsystem", "default", "ethernet", "point-to-point", "unbound", "host-bound"]
NUMBERS = ["0", "1", "-1", "-0", "+5", "007", "0x10", "1.5", "1k", "2147483647", "2147483648", "4294967296", "99999999999",
           "none", '""', '" 5"', "5x", "5 6"]
TIMES = ["0", "1", "10s", "1h30m", "1w", "-1", "1.5", "10x", "none", "NONE", '""', "2147483647", "2147483648", "3551w", "1M",
         "s", "1 1", "5m5"]
TEXTS = ["a", "none", "NONE", '""', "a b", '"a b"', "'a b'", "a\\ b", '"a', "it's", 'a"b"c', "a#b", "a #b", "%%"]
FILES = [*TEXTS, "a a", "none b", "b none", 'a "b c" d']
FORWARDS = ["80", "80 h:80", "h:80 h:80", "[::1]:80 h:80", "*:80 h:80", "80 h", "80:h:80", "80 h:0", "80 h:65536", "65536 h:80",
            "80 /sock", "/sock h:80", "/sock /sock2", '""', "80 h:80 x", "::1/80 ::1/81", "80 [::1]:81", "80 h:http",
            "a:b:c:d:e", "80 h:-1", "80 h:80 # c"]

VALUES = {}


def values(keywords, which):
    VALUES.update(dict.fromkeys(keywords.split(), which))


values("BatchMode CanonicalizeFallbackLocal CheckHostIP ClearAllForwardings Compression EnableEscapeCommandline EnableSSHKeysign "
       "ExitOnForwardFailure ForkAfterAuthentication ForwardX11 ForwardX11Trusted GatewayPorts HashKnownHosts "
       "HostbasedAuthentication IdentitiesOnly KbdInteractiveAuthentication NoHostAuthenticationForLocalhost "
       "PasswordAuthentication PermitLocalCommand ProxyUseFdpass StdinNull StreamLocalBindUnlink TCPKeepAlive VisualHostKey", FLAGS)
values("AddressFamily CanonicalizeHostname ControlMaster RequestTTY SessionType StrictHostKeyChecking Tunnel UpdateHostKeys "
       "VerifyHostKeyDNS PubkeyAuthentication", CHOICES)
values("CanonicalizeMaxDots ConnectionAttempts NumberOfPasswordPrompts RequiredRSASize ServerAliveCountMax", NUMBERS)
values("Port", [*NUMBERS, "65535", "65536", "http", "22 "])
values("ConnectTimeout ForwardX11Timeout ServerAliveInterval", TIMES)
values("BindAddress BindInterface HostKeyAlias HostName PreferredAuthentications KbdInteractiveDevices XAuthLocation "
       "PKCS11Provider SecurityKeyProvider ControlPath IgnoreUnknown ProxyCommand RemoteCommand LocalCommand KnownHostsCommand", TEXTS)
values("UserKnownHostsFile GlobalKnownHostsFile IdentityFile CertificateFile", FILES)
values("LocalForward RemoteForward DynamicForward", FORWARDS)
VALUES |= {
    "FingerprintHash": ["md5", "MD5", "sha1", "SHA256", "sha384", "sha512", "sha2", "none", '""', "md5 sha256"],
    "LogLevel": ["quiet", "SILENT", "fatal", "error", "info", "verbose", "debug", "DEBUG1", "debug3", "DEBUG4", "none", '""', "1"],
    "SyslogFacility": ["DAEMON", "user", "AUTH", "AUTHPRIV", "local7", "LOCAL8", "KERN", "none", '""'],
    "IdentityAgent": [*TEXTS, "SSH_AUTH_SOCK", "$SSH_AUTH_SOCK", "$", "$a-b"],
    "ForwardAgent": [*FLAGS, "/x", "$SSH_AUTH_SOCK", "$"],
    "AddKeysToAgent": [*FLAGS, *TIMES, "confirm", "confirm 5m", "confirm x", "CONFIRM", "5m confirm"],
    "ControlPersist": [*FLAGS, *TIMES],
    "RekeyLimit": ["0", "15", "16", "-0", "-16", "default", "DEFAULT", "default 1h", "default none", "none", "1G 1h", "4K", "1t", "1.5G",
                   "9223372036854775807", "9223372036854775808", "8388608G", "1G x", "1G none", "1024 1 1", "1x"],
    "IPQoS": ["lowdelay", "AF11", "ef", "cs7", "cs8", "le", "none", "none ef", "0", "255", "256", "-1", "ef ef ef", '""', "va"],
    "EscapeChar": ["~", "none", "NONE", "^a", "^A", "^?", "^1", "^@", "^", "^[", "^ab", "ab", '""', "1"],
    "StreamLocalBindMask": ["0177", "177", "0", "0777", "1777", "8", "-1", "none", '""'],
    "ObscureKeystrokeTiming": [*FLAGS, "interval:20", "interval:0", "interval:1000", "interval:1001", "interval:", "INTERVAL:20", "20"],
    "ChannelTimeout": ["none", "none a=1", "session=1", "session", "=1", "session=x", "x=1", "session:*=5", "*=1m b=2", '""'],
    "PermitRemoteOpen": ["any", "none", "any none", "h:80", "h:*", "*:80", "*:*", "h", "h:", "h:0", "h:65536", ":80", "[::1]:80", "h:x",
                         "h:80 i:81", "any h:80", '""', "a/8:80"],
    "SendEnv": ["A", "A B", "-A", "LC_* LANG", "A=b", '""'],
    "SetEnv": ["A=b", "A", "=b", "A=", "A=b B=c", 'A="b c"', "A=b=c", "A=b A=c", '""'],
    "TunnelDevice": ["any", "ANY", "any:any", "0", "0:1", "x", "0:x", "-1", '""', "0:1:2", "1:"],
    "LogVerbose": ["none", "a:b:1", "a b", "none a", '""'],
    "CanonicalDomains": ["a.b", "a b", "none", "none a", "A.B", ".a", "a..b", "a.", "-a", "_a", "a/b", '""', "*"],
    "CanonicalizePermittedCNAMEs": ["a:b", "*:b", "none", "NONE", "none a:b", "a", "a:", ":b", "a,b:c,d", '""'],
    "ProxyJump": ["a", "none", "a,b", "u@a", "u@a:22", "ssh://u@a:22", "a:0", "a:x", "[::1]:22", "::1", "u@", "@a", "a,,b", "ssh://a/p",
                  "-a"],
    "VersionAddendum": ["a", "none", '"a b"', '""', "%h", "%q", "${HOME}", "x" * 300],
    "User": ["a", '""', "a b", "%u", "${HOME}", "%q", "a;b", "-a"],
}
# Algorithms: whether a list is taken; what is in it is compared as far as adit has it.
LISTS = {"Ciphers": "aes128-ctr", "MACs": "hmac-sha2-256", "KexAlgorithms": "curve25519-sha256"} | dict.fromkeys(
    ["HostKeyAlgorithms", "PubkeyAcceptedAlgorithms", "CASignatureAlgorithms", "HostbasedAcceptedAlgorithms"], "ssh-ed25519")
SPECS = ["{a}", "nope", "{a},nope", "+{a}", "-{a}", "^{a}", "+nope", "-nope", "^nope", "*", "+*", "^*", "+", "-", "^", '""', "{a},{a}",
         "{a} {a}", "-*sha2-512*", "^*sha2*", "+*sha2*", "^*256*", "{a},", ",{a}", "-rsa-*", "-sk-*", "-*cert*", "^*-cert*", "^aes*",
         "-ecdsa*,{a}", "-*@openssh.com", "+ssh-rsa", "^ssh-rsa", "^*gcm*", "-*gcm*", "-+{a}", "{a},,{a}"]

DIFFERENT = {
    ("LocalForward", "0 h:80"): "any free port",
    ("Ciphers", "-*"): "nothing is left: refused at once",
}


def peers():
    ten = Path(servers.openssh10_tree() or "/nowhere") / "usr/bin/ssh"
    found = [str(p) for p in ("/usr/bin/ssh", ten) if os.access(p, os.X_OK)]
    if not found:
        pytest.skip("no ssh to compare with")
    return found


@pytest.fixture
def link(tmp_path):
    path = tmp_path / "ssh"
    path.symlink_to(ADIT)
    return str(path)


def judged(program, keyword, value):
    """None when it is refused, else the lines of -G for the keyword."""
    run = subprocess.run([program, "-F", "none", "-o", f"{keyword}={value}", "-G", "h"], env={"HOME": os.path.expanduser("~"), "PATH": "/bin:/usr/bin"},
                         stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode in (0, 255), run.stderr
    if run.returncode:
        return None
    return [line for line in run.stdout.splitlines() if line.split(" ")[0] == keyword.lower()]


def wrong(link, keyword, value, seen=lambda lines: lines):
    ours = seen(judged(link, keyword, value))
    theirs = [seen(judged(program, keyword, value)) for program in peers()]
    same = ours in theirs
    if same == ((keyword, value) in DIFFERENT):
        return [(keyword, value, ours, theirs)]
    return []


@pytest.mark.parametrize("keyword", list(VALUES))
def test_values(link, keyword):
    of_10 = {"VersionAddendum", "ChannelTimeout", "ObscureKeystrokeTiming"}
    if keyword in of_10 and len(peers()) < 2:
        pytest.skip("the release here does not know the keyword")
    extra = [value for k, value in DIFFERENT if k == keyword]
    assert [w for value in [*VALUES[keyword], *extra] for w in wrong(link, keyword, value)] == []


@pytest.mark.parametrize("keyword", list(LISTS))
def test_lists(link, keyword):
    """The same names in the same order, but for what adit does not have; its order of ciphers is its own."""
    had = set(judged(link, keyword, LISTS[keyword])[0].split(" ")[1].split(",")) | {
        n for line in judged(link, keyword, "-nope") for n in line.split(" ")[1].split(",")}

    def ours_of(lines):
        if lines is None:
            return None
        names = [n for line in lines for n in line.split(" ")[1].split(",") if n in had]
        return sorted(set(names)) if keyword == "Ciphers" else list(dict.fromkeys(names))

    extra = [value for k, value in DIFFERENT if k == keyword]
    assert [w for spec in [*SPECS, *extra] for w in wrong(link, keyword, spec.format(a=LISTS[keyword]), ours_of)] == []


@pytest.mark.quick
def test_defaults_of_lists(link):
    """Of each list the default is that of OpenSSH 10, without what adit does not have."""
    ten = peers()[-1]
    for keyword in LISTS:
        ours = judged(link, keyword, "-nope")[0].split(" ")[1].split(",")
        theirs = [n for n in judged(ten, keyword, "-nope")[0].split(" ")[1].split(",") if n in ours]
        assert sorted(ours) == sorted(set(theirs) | {n for n in ours if n.startswith("mlkem")})
        if keyword != "Ciphers":
            assert [n for n in ours if n in theirs] == theirs


@pytest.mark.quick
@pytest.mark.parametrize("value", ["", "=", " = ", "# c", "  ", "Port", "Port=", "=22", "NoSuch", "NoSuch=1", "Port 22 # x", "Port=22#x", '"Port" 22', " Port = 22 "])
def test_forms_of_o(link, value):
    """Empty ones, comments, blanks: taken or refused as ssh does."""
    codes = [subprocess.run([program, "-F", "none", "-o", value, "-G", "h"], stdin=subprocess.DEVNULL, capture_output=True, check=False).returncode
             for program in [link, *peers()]]
    assert len(set(codes)) == 1, codes


@pytest.mark.quick
def test_each_bad_line_is_told(link, tmp_path):
    """A file with several: ssh's lines about keywords that nobody knows, in its very words; the others at their places;
    and how many there were."""
    path = tmp_path / "bad.conf"
    path.write_text("Foo bar\nPort 22x\nNoSuch\nHost other\n  BAR baz\nMatch\nUser a\nLocalForward 80\nUser\nPort 22 23\n")
    said = {}
    for program in [link, *peers()]:
        run = subprocess.run([program, "-F", path, "-G", "h"], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        assert (run.returncode, run.stdout) == (255, "")
        said[program] = [line.strip() for line in run.stderr.splitlines() if line.strip().startswith(str(path))]
    for program in peers():
        assert len(said[link]) == len(said[program])
        for ours, theirs in zip(said[link], said[program]):
            assert ours.split(" ")[:3] == theirs.split(" ")[:3]
            if "Bad configuration" in theirs or "no argument" in theirs or "extra arguments" in theirs or "terminating" in theirs:
                assert ours == theirs


@pytest.mark.quick
def test_a_host_reached_through_itself(link):
    """-J with the destination's own name, port and user is refused; with another port it is not."""
    for program in [link, *peers()]:
        def dump(*args):
            return subprocess.run([program, "-F", "none", "-G", *args], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)

        loop = dump("-J", "h", "h")
        assert loop.returncode == 255 and "jumphost loop via h" in loop.stderr
        assert dump("-J", "me@h", "-l", "me", "h").returncode == 255
        assert dump("-J", "h:23", "h").returncode == 0
        assert dump("-J", "other@h", "-l", "me", "h").returncode == 0


def test_no_answer_is_waited_for(link, kit, sshd):
    """ServerAliveCountMax 0: the first silent interval ends the connection, whoever lives."""
    kit.trust(sshd)
    for program in [link, *peers()]:
        run = subprocess.run([program, *kit.base(), "-o", "ServerAliveInterval=1", "-o", "ServerAliveCountMax=0", "-p", str(sshd.port), "-l", sshd.user,
                              "127.0.0.1", "sleep 100"], env=kit.env(), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)
        assert run.returncode == 255 and "Timeout, server 127.0.0.1 not responding" in run.stderr


def test_match_version(link, tmp_path):
    """Under both names it is ours: a file for several programs tells them apart."""
    config = tmp_path / "config"
    config.write_text("Match version OpenSSH*\n    Port 1\nMatch version adit_*\n    Port 2\nMatch !version adit_*\n    User no\n")
    for program in (link, ADIT):
        out = subprocess.run([program, "-F", config, "-G", "-l", "me", "h"], capture_output=True, text=True, check=True).stdout
        assert "port 2\n" in out and "user me\n" in out


def test_refused_by_the_configuration(link, tmp_path):
    """RefuseConnection: nothing is connected or run, and -G shows it."""
    config = tmp_path / "config"
    config.write_text(f'Host h\n    RefuseConnection "ask the others first"\n    ProxyCommand touch {tmp_path}/ran\n')
    run = subprocess.run([link, "-F", config, "h"], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert run.returncode == 255 and run.stdout == "" and "ask the others first" in run.stderr
    assert not (tmp_path / "ran").exists()
    out = subprocess.run([link, "-F", config, "-G", "h"], capture_output=True, text=True, check=True).stdout
    assert "refuseconnection ask the others first\n" in out
