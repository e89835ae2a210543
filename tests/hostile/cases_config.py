"""ssh_config files that are damaged, endless, include each other or are none (ssh_config(5)), and adit.conf with its like
(adit.conf(5)): a bad line is told with its file and number, and nothing is begun; what is only odd is no hindrance."""
import collections
import os

from .case import CARRY_ON, ERROR, Table
from .files import NO_FILES, place, told

S = Table(prefix="ssh-config-", state="file/ssh_config", at="setup", only="adit")
MAN = "ssh_config(5)"
BAD_LINE = r"/config:? line {}: .*({})(.|\n)*terminating, \d+ bad configuration options"


def lay_out(make, *others, mode=0o600, owner=None, includes=False):
    """make: bytes, (folder) -> bytes, or what a path becomes (with of_path). others: more files, (name, bytes or function)."""
    async def setup(play):
        for name, text in others:
            place(play.folder / name, text(play.folder) if callable(text) and not hasattr(text, "of_path") else text)
        text = make(play.folder) if callable(make) and not hasattr(make, "of_path") else make
        path = place(play.folder / "config", text)
        if includes:
            path = path.rename(play.folder / "inner")
            path.chmod(mode)
            if owner:
                os.chown(path, owner, owner)
            path = place(play.folder / "config", b"Include %b/inner\n" % bytes(play.folder))
        play.options.append(f"-F{path}")
    return setup


def of_path(make):
    def made(path):
        return make(path)
    made.of_path = True
    return made


def bad(name, sends, make, why, *others, at=1, document=MAN, **more):
    S.row(name, sends, document, ERROR, setup=lay_out(make, *others), says=BAD_LINE.format(at, why), **more)


def fine(name, sends, make, *others, document=MAN, **more):
    S.row(name, sends, document, CARRY_ON, setup=lay_out(make, *others), **more)


# ---- lines ----

bad("endless-line", "a line of a megabyte without an end", b"Host *\nUser " + b"x" * 2**20, "too long", at=2)
bad("line-16-kib", "a line of 16 KiB", b"Host " + b"x" * 16384 + b"\n", "too long")
bad("nul", "a NUL in a line", b"User a\0b\n", "zero byte")
bad("nul-everywhere", "NULs alone", bytes(100000) + b"\n", "zero byte|too long")
bad("binary", "every byte", bytes(range(1, 256)) * 4, ".")
bad("utf-16", "UTF-16", "Host *\nUser x\n".encode("utf-16"), "zero byte|no keyword|argument|Bad configuration option")
bad("keyword-long", "a keyword of 5,000 letters", b"x" * 5000 + b" y\n", "too long|Bad configuration option")
bad("keyword-unknown", "a keyword that nobody knows", b"Host *\n\nNothing yes\n", "Bad configuration option: nothing", at=3)
bad("keyword-escapes", "escapes in a keyword", b"\x1b[2J\x1b]0;x\x07 yes\n", "Bad configuration option|no keyword")
bad("keyword-alone", "a keyword without a value", b"Host *\nUser\n", "argument|no value|missing", at=2)
bad("5000-bad", "5,000 lines of keywords that nobody knows", b"Nothing yes\n" * 5000, "Bad configuration option")
for name, text in {"open": b'User "alice\n', "open-host": b'Host "x\n', "open-escape": b'Host "x\\"\n', "single": b"Host 'x\n", "middle": b'Host x"y\n'}.items():
    bad(f"quotes-{name}", f"a quote that stays open: {name}", text, "quote|argument")
fine("crlf", "lines with CR LF", b"Host *\r\n    User alice\r\n")
fine("no-end", "the last line without its end", b"Host *\n User alice")
fine("empty", "an empty file", b"")
fine("comments-3-mb", "3 MB of comments", b"# \x1b[2J comment of nothing at all \xff\n" * 100000)
fine("20000-hosts", "20,000 blocks of other hosts", b"".join(b"Host other%d\n    Port 9\n" % i for i in range(20000)))
fine("20000-lines", "20,000 right lines", b"User alice\n" * 20000)
fine("many-stars", "patterns with many stars", b"Host %b\n    User bob\n" % (b"*a*a*a*a*a*a*a*a*a*a*b " * 400))
fine("500-words", "a line of 500 words", b"Host " + b"x " * 500 + b"\n User bob\n")
bad("9000-words", "a line of more words than fit", b"SendEnv " + b"x " * 7000 + b"\n", "too many|words|argument")
S.row("10-mb", "10 MB of right lines", MAN, ERROR, setup=lay_out(b"# nothing at all\n" * 620000), says="Can't open user config file .*/config: too large")

# ---- values ----

NASTY = b"\x1b[2J\x1b]0;x\x07\xff\xe2\x80\xae"
for keyword in ("Port", "AddressFamily", "Ciphers", "MACs", "KexAlgorithms", "HostKeyAlgorithms", "PubkeyAcceptedAlgorithms", "CASignatureAlgorithms", "LogLevel", "RekeyLimit",
                "StrictHostKeyChecking", "ConnectTimeout", "ConnectionAttempts", "Compression", "IPQoS", "RequestTTY", "SessionType", "TCPKeepAlive", "UpdateHostKeys", "LocalForward", "RemoteForward",
                "DynamicForward", "CanonicalizeHostname", "CanonicalizeMaxDots", "EscapeChar", "ObscureKeystrokeTiming", "Match", "FingerprintHash", "ControlPersist", "ForwardX11", "Tunnel",
                "BatchMode", "ServerAliveInterval", "NumberOfPasswordPrompts", "StreamLocalBindMask", "AddKeysToAgent", "PubkeyAuthentication", "RequiredRSASize", "ProxyJump", "PermitRemoteOpen",
                "ChannelTimeout", "SyslogFacility", "GatewayPorts", "AditDetect", "AditReconnect", "AditBackoff", "AditProxy", "CanonicalizePermittedCNAMEs"):
    bad(f"value-{keyword.lower()}", f"escapes in the value of {keyword}", b"%b %b\n" % (keyword.encode(), NASTY), ".", document="ECMA-48")
RANGES = collections.Counter()
for keyword, value in (("Port", "0"), ("Port", "65536"), ("Port", "-1"), ("Port", "9" * 40), ("Port", "22x"), ("Port", "0x16"), ("ConnectTimeout", "9" * 40), ("ConnectTimeout", "-5"),
                       ("ServerAliveInterval", "99999999999"), ("ServerAliveCountMax", "-1"), ("RekeyLimit", "9" * 30 + "G"), ("RekeyLimit", "1"), ("RekeyLimit", "1G 9" + "9" * 30),
                       ("NumberOfPasswordPrompts", "2147483648"), ("RequiredRSASize", "-1"), ("StreamLocalBindMask", "9"), ("StreamLocalBindMask", "77777777777"), ("IPQoS", "9999"),
                       ("CanonicalizeMaxDots", "-9"), ("ControlPersist", "9" * 30), ("LocalForward", "99999 x:1"), ("LocalForward", "1 x"), ("LocalForward", "1 " + "x" * 3000 + ":1"),
                       ("DynamicForward", "[::1"), ("ProxyJump", ",".join(["h"] * 40)), ("Ciphers", ",".join(["x%d" % i for i in range(900)])), ("KexAlgorithms", ","),
                       ("MACs", ""), ("SetEnv", "noequals"), ("Match", "exec"), ("Match", "nothing x"), ("Match", "host"), ("EscapeChar", "abc"), ("AditBackoff", "9" * 30)):
    RANGES[keyword] += 1
    bad(f"range-{keyword.lower()}-{RANGES[keyword]}", f"{keyword} {value[:30]}", f"{keyword} {value}\n".encode(), ".")

# ---- tokens and the environment ----

for name, text, why in (("token-identity", b"IdentityFile %Q", "%Q is not known"), ("token-end", b"IdentityFile x%", "%"), ("token-proxy", b"ProxyCommand nc %Q", "%Q"),
                        ("token-hostname", b"HostName %z", "%z"), ("token-revoked", b"RevokedHostKeys %Q", "%Q"), ("token-certificate", b"CertificateFile %Q", "%Q"),
                        ("token-command", b"KnownHostsCommand /bin/true %Q", "%Q"), ("token-escapes", b"IdentityFile %\x1b", "%"), ("environment", b"IdentityFile ${NO_SUCH_VARIABLE}", "NO_SUCH_VARIABLE"),
                        ("environment-open", b"IdentityFile ${HOME", "HOME"), ("environment-nested", b"IdentityFile ${${HOME}}", "HOME"), ("environment-empty", b"IdentityFile ${}", r"\$\{"),
                        ("environment-include", b"Include ${NO_SUCH_VARIABLE}/x", "NO_SUCH_VARIABLE"), ("expands-long", b"IdentityFile " + b"%d" * 4000, "too long"),
                        ("tilde-nobody", b"IdentityFile ~nobody-of-that-name/x", "nobody-of-that-name")):
    S.row(name, f"what cannot be expanded: {name}", "ssh_config(5), TOKENS", ERROR, setup=lay_out(text + b"\n"), says=why)


async def large_environment(play):
    play.environment["LARGE"] = "x" * 100000
    await lay_out(b"IdentityFile ${LARGE}\n")(play)


S.row("environment-100-kb", "a variable of 100,000 bytes", "ssh_config(5), ENVIRONMENT", ERROR, setup=large_environment, says="too long")

# ---- Include ----

bad("include-itself", "a file that includes itself", lambda folder: b"Include %b/config\n" % bytes(folder), "[Tt]oo many recursive|terminating")
bad("include-itself-often", "a file that includes itself twenty times", lambda folder: b"Include %b/config\n" % bytes(folder) * 20, "[Tt]oo many recursive|terminating")
bad("include-each-other", "two files that include each other", lambda folder: b"Include %b/other\n" % bytes(folder), "[Tt]oo many recursive|terminating",
    ("other", lambda folder: b"Include %b/config\n" % bytes(folder)))
bad("include-link", "a file that includes itself by another name", lambda folder: b"Include %b/*\n" % bytes(folder), "[Tt]oo many recursive|terminating", ("x", b"# nothing\n"))


def doubling(levels, times):
    """Each file includes the next one several times: no loop, and no end."""
    return [(f"l{i}", lambda folder, i=i: b"Include %b/l%d\n" % (bytes(folder), i + 1) * times) for i in range(levels)] + [(f"l{levels}", b"User alice\n")]


S.row("include-doubling", "14 files, each of which includes the next one eight times", MAN, ERROR, setup=lay_out(lambda folder: b"Include %b/l0\n" % bytes(folder), *doubling(13, 8)),
      says="more than 1024 files of configuration")
fine("include-often", "500 files that are included", lambda folder: b"Include %b/i*\n" % bytes(folder), *[(f"i{n}", b"User alice\n") for n in range(500)])
fine("include-nothing", "files that are not there", b"Include /nowhere/*/* ~/nothing nothing/[\nInclude /nowhere\n")
fine("include-folder", "a folder", lambda folder: b"Include %b\n" % bytes(folder))
for name, (make, why) in NO_FILES.items():
    S.row(f"is-{name}", f"no file but: {name}", MAN, ERROR, setup=lay_out(of_path(make)), says=f"Can't open user config file .*/config.*({why})")
    if name not in ("folder", "loop"):
        bad(f"include-{name}", f"an included one that is no file but: {name}", lambda folder: b"# one\nInclude %b/inner\n" % bytes(folder), why, ("inner", of_path(make)), at=2)


def links(path):
    """A folder that has itself inside, ten times."""
    path.mkdir()
    for i in range(10):
        (path / f"l{i}").symlink_to(".")


for stars in (30,):
    S.row(f"include-stars-{stars}", f"a pattern with {stars} stars, which matches 10^{stars} paths", MAN, ERROR,
          setup=lay_out(lambda folder, n=stars: b"# one\nInclude %b/deep%b\n" % (bytes(folder), b"/*" * n), ("deep", of_path(links))), says="config line 2: glob failed for .*too many names")
fine("include-long", "a pattern of 3,000 stars", lambda folder: b"Include %b/none/" % bytes(folder) + b"*" * 3000 + b"x\n")
fine("include-set", "a set of 3,000 letters that stays open", lambda folder: b"Include %b/none[" % bytes(folder) + b"a-" * 1500 + b"\n")
for name, mode in (("group", 0o620), ("all", 0o602)):
    S.row(f"mode-{name}", f"an included file that {name} may write to", MAN, ERROR, setup=lay_out(b"User alice\n", mode=mode, includes=True), says="Bad owner or permissions on .*/inner")
S.row("owner", "an included file of another user", MAN, ERROR, setup=lay_out(b"User alice\n", owner=65534, includes=True), says="Bad owner or permissions on .*/inner")

# ---- adit.conf ----

A = Table(prefix="adit-conf-", state="file/adit.conf", at="setup", only="adit", client="words", status=2)
CONF = "adit.conf(5)"


def daemon(make, *others):
    async def setup(play):
        await lay_out(make, *others)(play)
        play.options[:] = ["daemon", "-c", str(play.folder / "config"), "-F", "none", "--socket", str(play.folder / "s"), "--state", str(play.folder / "state")]
    return setup


def bad_conf(name, sends, make, why, *others, at=1, **more):
    A.row(name, sends, CONF, ERROR, setup=daemon(make, *others), says=rf"/config:{at}: .*({why})", **more)


def fine_conf(name, sends, make, *others):
    A.row(name, sends, CONF, CARRY_ON, setup=daemon(make, *others), holds="adit: ready ")


bad_conf("endless-line", "a line of 256 KiB without an end", b"LogLevel info\nDescription " + b"x" * 2**18, "too long", at=2)
bad_conf("nul", "a NUL in a line", b"LogLevel a\0b\n", "zero byte|NUL")
bad_conf("binary", "every byte", bytes(range(1, 256)) * 4, ".")
bad_conf("keyword-unknown", "a keyword that nobody knows", b"\n\nNothing yes\n", "Nothing: unknown keyword", at=3)
bad_conf("keyword-escapes", "escapes in a keyword", b"\x1b[2J\x1b]0;x\x07 yes\n", "unknown keyword|no keyword")
bad_conf("quotes", "a quote that stays open", b'Tunnel "x\n', "quote")
bad_conf("5000-bad", "5,000 lines of keywords that nobody knows", b"Nothing yes\n" * 5000, "unknown keyword")
bad_conf("name-escapes", "escapes in a name", b'Tunnel "\x1b[2J"\n', "is no name")
bad_conf("name-long", "a name of 5,000 letters", b"Tunnel " + b"x" * 5000 + b"\n", "is no name")
bad_conf("twice", "two tunnels of one name", b"Tunnel x\n Via h\n DynamicForward 0\nTunnel x\n Via h\n DynamicForward 0\n", r"already defined at .*/config:1", at=4)
for i, (keyword, value) in enumerate((("Via", "-oProxyCommand=x"), ("Via", "a b"), ("Via", "h:99999"), ("LocalForward", "x"), ("LocalForward", "1 " + "x" * 5000 + ":1"), ("DynamicForward", "9" * 40),
                                      ("MaxRetries", "-1"), ("MaxRetries", "9" * 40), ("Backoff", "60s 1s"), ("Backoff", "1s " + "9" * 40), ("BackoffJitter", "101"), ("HealthCheck", "ftp"),
                                      ("HealthCheck", "http x"), ("Lazy", "perhaps"), ("HoldMax", "9" * 40), ("Detect", "soon"), ("Allow", "1.2.3.4/99"), ("Allow", "\x1b[2J"), ("Destinations", "\x1b]0;\x07"),
                                      ("Description", "\x1b[2J"), ("IdleExit", "9" * 40), ("SocksPasswordFile", "/nowhere"), ("Ciphers", "\x1b[2J"), ("Port", "\x1b[2J"))):
    A.row(f"value-{keyword.lower()}-{i}", f"{keyword} {value[:30]!r}", CONF, ERROR, setup=daemon(f"Tunnel t\n Via h\n DynamicForward 0\n {keyword} {value}\n".encode()),
          says=r"/config:[1-4]: ")
bad_conf("include-itself", "a file that includes itself", lambda folder: b"Include %b/config\n" % bytes(folder), "levels of Include")
A.row("include-doubling", "14 files, each of which includes the next one eight times", CONF, ERROR, setup=daemon(lambda folder: b"Include %b/l0\n" % bytes(folder), *doubling(13, 8)[:-1], ("l13", b"")),
      says="more than 1024 files of configuration")
bad_conf("include-stars", "a pattern which matches 10^20 paths", lambda folder: b"# one\nInclude %b/deep%b\n" % (bytes(folder), b"/*" * 20), "too many names", ("deep", of_path(links)), at=2)
for name, (make, why) in NO_FILES.items():
    A.row(f"is-{name}", f"no file but: {name}", CONF, ERROR, setup=daemon(of_path(make)), says=f"/config: .*({why})")
    if name != "loop":
        bad_conf(f"include-{name}", f"an included one that is no file but: {name}", lambda folder: b"# one\nInclude %b/inner\n" % bytes(folder), why, ("inner", of_path(make)), at=2)
A.row("10-mb", "10 MB of right lines", CONF, ERROR, setup=daemon(b"# nothing at all\n" * 620000), says="/config: too large")
fine_conf("comments-3-mb", "3 MB of comments", b"# \x1b[2J comment of nothing at all \xff\n" * 80000)
fine_conf("300-tunnels", "300 tunnels", b"".join(b"Tunnel t%d\n Via h\n DynamicForward 0\n" % i for i in range(300)))
A.row("told-once", "one bad line is one line of error", CONF, ERROR, setup=daemon(b"Nothing yes\n"), says="unknown keyword", proof=told(1, "unknown keyword"))
