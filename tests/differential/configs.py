"""Configuration files: which lines are refused, and what is made of the others, keyword by keyword: `ssh -G`. A file has many
lines; of one that the two read differently the lines that play no part are taken out."""
import re
from collections import defaultdict

ROUNDS = 6
LINES = 60

FLAG = ["yes", "no", "true", "false", "YES", "No", "on", "off", "1", "0", "", "maybe", "ask", "none", "auto"]
NUMBER = ["0", "1", "3", "22", "65535", "65536", "-1", "+5", "007", "0x10", "1.5", "1k", "2147483647", "2147483648", "4294967296", "99999999999",
          "5x", "none"]
TIME = ["0", "1", "10s", "1h30m", "1w2d", "1M", "90", "-1", "1.5", "10x", "none", "NONE", "s", "5m5", "1h1h", "2147483647", "2147483648", "3551w",
        "1d1d", "00010"]
TEXT = ["a", "none", "NONE", "x y", "a,b", "%h", "%%", "%n-%p", "${HOME}", "~/x", "/x/y", "a:b", "[a]", "yes", "@", "-", "~", "~root/x", "a=b",
        "%d/%u", "%C", "%q", "%", "$X", "${", "${NOPE}"]
FORWARD = ["80", "8080", "0", "65535", "65536", "-1", "http", "h:80", "[::1]:80", "::1:80", "*:80", ":80", "localhost:80", "/s", "/s/t", "a/80",
           "::1/80", "[/s]", "1.2.3.4:80", "h:http",
           "80:h:80", "a:b:c:d", "h:0", "h:65536", "h:", "", "[h]:80", "%h:80", "/s/%h", "${HOME}/s", "h\\:1:80"]
ALGOS = ["aes128-ctr", "aes256-ctr,aes128-ctr", "+aes128-ctr", "-aes*", "^aes128-ctr", "nope", "aes128-ctr,nope", "*", "", "+", "-*ctr",
         "hmac-sha2-256", "-hmac*", "curve25519-sha256",
         "^curve25519*", "ssh-ed25519", "+ssh-rsa", "-ssh-*", "rsa-sha2-512,ssh-ed25519", "^rsa*", "aes128-ctr,,aes256-ctr", ",aes128-ctr",
         "aes128-ctr,"]
WORDS = {
    "AddressFamily": ["any", "inet", "INET6", "inet4"], "AddKeysToAgent": [*FLAG, "confirm", "confirm 5m", "5m", "confirm x"],
    "CanonicalDomains": ["a.b", "a b", "none", "A.B", ".a", "a..b", "a.", "-a", "*"],
    "CanonicalizePermittedCNAMEs": ["none", "none a:b", "a", "a:"], "ControlMaster": [*FLAG, "autoask"], "ControlPersist": [*FLAG, *TIME],
    "EscapeChar": ["~", "none", "NONE", "^a", "^", "^?", "ab", "^ab", "^["], "FingerprintHash": ["md5", "SHA256", "sha1", "sha512", "none"],
    "ForwardAgent": [*FLAG, "/x", "$SSH_AUTH_SOCK", "$"], "IPQoS": ["lowdelay", "af11 ef", "none", "0", "255", "256", "cs8", "ef ef ef", "le none",
                                                                    "0x10", "010"],
    "LogLevel": ["QUIET", "debug", "DEBUG1", "debug4", "Info", "none"], "PermitRemoteOpen": ["any", "none", "h:80", "h:80 *:*", "h", "h:0",
                                                                                             "any h:80", "[::1]:80", ":80", "h:x"],
    "PreferredAuthentications": ["publickey", "password,publickey", "none", "x", "publickey,,password"], "PubkeyAuthentication": [*FLAG, "unbound",
        "host-bound"],
    "RekeyLimit": ["0", "16", "15", "1G 1h", "default none", "default", "none", "4K", "1t", "1.5G", "1G x", "8388608G", "1024 1 1", "1g 1H",
                   "default 1h"],
    "RequestTTY": [*FLAG, "force"], "SendEnv": ["A", "A B", "-A", "LC_* LANG", "A=b", "-*", "A A", "?"], "SessionType": ["none", "subsystem",
        "default", "exec"],
    "SetEnv": ["A=b", "A", "=b", "A=", "A=b B=c", "A=b A=c", 'A="b c"', "A=b=c", "A=%h"], "StreamLocalBindMask": ["0177", "177", "0", "0777",
        "1777", "8", "-1"],
    "StrictHostKeyChecking": [*FLAG, "accept-new", "ACCEPT-NEW"], "SyslogFacility": ["DAEMON", "user", "AUTHPRIV", "local7", "LOCAL8"],
    "Tunnel": [*FLAG, "ethernet", "point-to-point"],
    "TunnelDevice": ["any", "any:any", "0", "0:1", "x", "0:x", "-1", "any:3"], "UpdateHostKeys": FLAG, "VerifyHostKeyDNS": FLAG,
    "LogVerbose": ["a:b:1", "none", "a b", "none a"],
    "User": ["a", "a b", "%u", "${HOME}", "a;b", "-a", "%q", "a\\b", "dom\\me"], "HostName": ["a", "%h.x", "%n", "10.0.0.1", "A.B", "a b", "%%h",
                                                                                              "-a", "::1", "%p"],
    "ProxyJump": ["a", "none", "a,b", "u@a", "u@a:22", "ssh://u@a:22", "a:0", "a:x", "[::1]:22", "::1", "u@", "@a", "a,,b", "ssh://a/p", "-a",
                  "NONE", "a,none", "u@b@c", "a:65535", "a:65536"],
    "IgnoreUnknown": ["Foo*", "*", "a,b", "!x,*", "Foo", "foo,bar"], "IdentityAgent": [*TEXT, "SSH_AUTH_SOCK", "$SSH_AUTH_SOCK", "$", "$a-b"],
    "Foo": ["x", ""], "Bar": ["x"],
    "CanonicalizeHostname": ["no", "No", "none", "maybe", "false"],
}
KINDS = {}
KINDS |= dict.fromkeys(
    "BatchMode CanonicalizeFallbackLocal CheckHostIP ClearAllForwardings Compression EnableEscapeCommandline EnableSSHKeysign "
    "ExitOnForwardFailure ForkAfterAuthentication ForwardX11 ForwardX11Trusted GatewayPorts HashKnownHosts HostbasedAuthentication "
    "IdentitiesOnly KbdInteractiveAuthentication NoHostAuthenticationForLocalhost PasswordAuthentication PermitLocalCommand "
    "ProxyUseFdpass StdinNull StreamLocalBindUnlink TCPKeepAlive VisualHostKey KeepAlive ChallengeResponseAuthentication "
    "DSAAuthentication UseRoaming Cipher Protocol".split(), FLAG)
KINDS |= dict.fromkeys(
    "CanonicalizeMaxDots ConnectionAttempts NumberOfPasswordPrompts RequiredRSASize ServerAliveCountMax Port CompressionLevel".split(), NUMBER)
KINDS |= dict.fromkeys(
    "ConnectTimeout ForwardX11Timeout ServerAliveInterval".split(), TIME)
KINDS |= dict.fromkeys(
    "BindAddress BindInterface HostKeyAlias KbdInteractiveDevices XAuthLocation PKCS11Provider SecurityKeyProvider ControlPath "
    "ProxyCommand RemoteCommand LocalCommand KnownHostsCommand UserKnownHostsFile GlobalKnownHostsFile IdentityFile CertificateFile "
    "RevokedHostKeys".split(), TEXT)
KINDS |= dict.fromkeys(
    "LocalForward RemoteForward DynamicForward".split(), FORWARD)
KINDS |= dict.fromkeys(
    "Ciphers MACs KexAlgorithms HostKeyAlgorithms PubkeyAcceptedAlgorithms CASignatureAlgorithms HostbasedAcceptedAlgorithms "
    "PubkeyAcceptedKeyTypes".split(), ALGOS)
KINDS |= WORDS
# What 9.2 does not know yet.
NEWER = {"ChannelTimeout": ["none", "none a=1", "session=1", "session", "=1", "session=x", "x=1", "*=1m b=2"], "ObscureKeystrokeTiming": [*FLAG,
    "interval:20", "interval:0", "interval:", "20"],
         "VersionAddendum": TEXT, "Tag": TEXT}
LETTERS = "\"'\\ #=,:%$~*?!@[]{}-+0aZ\t;/."
# Lists of algorithms hang on what a program can do (the e2e tests compare them as far as they can be), GSSAPI on Debian.
SKIPPED = re.compile(r"(ciphers|macs|kexalgorithms|.*acceptedalgorithms|hostkeyalgorithms|casignaturealgorithms|gssapi.*|adit.*|warnweakcrypto)")


def damaged(rng, text):
    for _ in range(rng.choice([1, 1, 2, 3])):
        at = rng.randrange(len(text) + 1)
        text = rng.choice([text[:at] + rng.choice(LETTERS) + text[at:], text[:at] + text[at + 1:], text[:at] + rng.choice(LETTERS) + text[at + 1:],
                           text + " " + text])
    return text


def value(rng, keyword, kinds):
    text = rng.choice(kinds[keyword])
    if keyword in ("LocalForward", "RemoteForward", "DynamicForward"):
        text = " ".join(rng.choice(FORWARD) for _ in range(rng.choice([1, 2, 2, 2, 3])))
    if rng.random() < 0.15:
        text = damaged(rng, text)
    if rng.random() < 0.08:
        text = rng.choice([f'"{text}"', f"'{text}'", f'"{text}', f"{text} #x", f"{text}#x", f"{text} extra", f" {text} ", f'{text[:1]}"{text[1:]}"'])
    return text


def line(rng, kinds):
    if rng.random() < 0.06:
        return rng.choice(["Host h", "Host h", "Host other", "Match all", "Match host h", "Host *", "Match host other", "# x", "", "   ",
                           "Include none-*", "Host !h *", "=", "\"Port\" 22",
                           "Include sub-?", "Match canonical", "Match final all", "Host", "Match"])
    keyword = rng.choice(list(kinds))
    between = rng.choice([" "] * 8 + ["=", " = ", "\t", "  ", " =", "= ", "=="])
    shown = rng.choice([keyword] * 5 + [keyword.lower(), keyword.upper()])
    return rng.choice([""] * 8 + ["  ", "\t"]) + shown + between + value(rng, keyword, kinds) + rng.choice([""] * 9 + [" ", "\t", "\r", " # c"])


def values(text):
    found = defaultdict(list)
    for said in text.splitlines():
        keyword, _, rest = said.partition(" ")
        # OpenSSH 10 has forgotten DSA and with it one default file.
        if not SKIPPED.fullmatch(keyword) and said != "identityfile ~/.ssh/id_dsa":
            found[keyword].append(rest)
    # Debian's ssh has a ServerAliveInterval of its own there.
    if found["batchmode"] == ["yes"] and found["serveraliveinterval"] == ["300"]:
        found["serveraliveinterval"] = ["0"]
    return dict(found)


def dump(world, run, lines):
    """(status, {bad line}, {keyword: values}, what it says, whether it stopped before the end of the file)"""
    path = world.put("config", "\n".join(lines).encode("latin-1") + b"\n")
    code, out, err = run("-F", path, "-G", "h")
    said = [x for x in err.decode("latin-1").replace(path,
                                                     "FILE").splitlines() if not re.search(r"(Unsupp|unsupp|Deprec|deprec)\w+ option \"\w+\"$", x)]
    bad = {int(n) for n in re.findall(r"FILE:? line (\d+)", "\n".join(said))} if code else set()
    stopped = code != 0 and not any("terminating, " in x for x in said)
    return code, bad, values(out.decode("latin-1")) if code == 0 else {}, said, stopped


def smallest(world, lines, differs):
    """The lines without which there is no difference."""
    at = 0
    while at < len(lines):
        rest = lines[:at] + lines[at + 1:]
        if differs(dump(world, world.adit, rest), dump(world, world.ssh, rest)):
            lines = rest
        else:
            at += 1
    return lines


def compare_values(world, lines, result, ours, theirs):
    for keyword in theirs[2]:
        mine, real = ours[2].get(keyword), theirs[2][keyword]
        why = lines
        if mine != real:
            why = smallest(world, lines, lambda a, b, k=keyword: a[0] == b[0] == 0 and k in b[2] and a[2].get(k) != b[2][k])
        result.compare(keyword, why, mine, real)


def compare_stopped(world, lines, result):
    """One of them gives up, in the middle or behind the last line: over which lines, and does the other? Without the last of
    them it goes on."""
    why = smallest(world, lines, lambda a, b: a[4] or b[4])
    ours, theirs = dump(world, world.adit, why), dump(world, world.ssh, why)
    result.compare("given up", why, ours[0], theirs[0], " | ".join(ours[3] + theirs[3]))
    last = len(lines) - 1 - lines[::-1].index(why[-1]) if why else 0
    return lines[:last] + lines[last + 1:]


def compare(world, lines, result):
    """The lines that both take, after all that one of them refuses was compared and taken out."""
    while lines:
        ours, theirs = dump(world, world.adit, lines), dump(world, world.ssh, lines)
        if ours[4] or theirs[4]:
            lines = compare_stopped(world, lines, result)
            continue
        bad = ours[1] | theirs[1]
        if not bad:
            compare_values(world, lines, result, ours, theirs)
            return
        for number in sorted(bad):
            why = " | ".join(x for x in ours[3] + theirs[3] if f"line {number}:" in x)
            result.compare("line", lines[number - 1], number in ours[1], number in theirs[1], why)
        lines = [text for number, text in enumerate(lines, 1) if number not in bad]


def play(world, rng, result):
    kinds = KINDS
    if rng.random() < 0.3 and len(world.trees) > 1:
        kinds, world.tree = {**KINDS, **NEWER}, world.trees[-1]
    lines = [line(rng, kinds) for _ in range(LINES)]
    compare(world, lines, result)
    result.compared += len(lines)
