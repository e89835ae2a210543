"""Where adit is meant to differ from OpenSSH: (topic, name, reason, which). Anything else that differs is a fault of one of
the two."""
import base64
import re

from cryptography.hazmat.primitives.asymmetric import ec

from .make import CURVES, string, strings


def blob_in(text):
    """The key blob that stands in a line, as far as it can be read."""
    text = text.encode("latin-1") if isinstance(text, str) else text
    for word in re.findall(rb"AAAA[A-Za-z0-9+/=\x0b\x0c\r]+", text):
        try:
            return base64.b64decode(re.sub(rb"[^A-Za-z0-9+/]", b"", word) + b"==")
        except ValueError:
            pass
    return b""


def is_odd_rsa(blob):
    """Numbers that no RSA key has."""
    parts = strings(blob)
    if len(parts) < 3 or parts[0] != b"ssh-rsa":
        return False
    e, n = (int.from_bytes(p, "big") for p in parts[1:3])
    return n % 2 == 0 or e % 2 == 0 or e < 3 or e.bit_length() > 64


def has_needless_zeros(blob):
    """A number with a zero byte in front that it does not need; ssh takes it away."""
    return any(p[:1] == b"\0" and (len(p) == 1 or p[1] < 0x80) for p in strings(blob)[1:3] if blob[4:11] == b"ssh-rsa")


def has_zero_in_name(blob):
    """Of the type or the curve."""
    return any(p.endswith(b"\0") for p in strings(blob)[:2] if len(p) < 30)


def has_odd_rsa_within(cert):
    """A certificate's own key, or its authority's."""
    keys = [cert[m.start():] for m in re.finditer(rb"\0\0\0\x07ssh-rsa", cert)]
    if cert.startswith(b"\0\0\0\x1cssh-rsa-cert"):
        keys.append(string("ssh-rsa") + b"".join(map(string, strings(cert)[2:4])))
    return any(is_odd_rsa(k) or has_needless_zeros(k) for k in keys)


def has_text_before_zero(cert):
    """A string of letters and one zero byte at its end."""
    return re.search(rb"\0\0\0[\x02-\x40][ -~]+\0", cert) and any(
        cert[i + 4:i + 3 + cert[i + 3]].isascii() and cert[i + 4:i + 3 + cert[i + 3]].isalnum() and cert[i + 3 + cert[i + 3]] == 0
        for i in range(len(cert) - 72) if cert[i:i + 3] == b"\0\0\0" and 2 <= cert[i + 3] <= 64)


def is_off_curve(blob):
    parts = strings(blob)
    curve = CURVES.get(parts[1].decode("latin-1")) if len(parts) == 3 else None
    try:
        return curve is not None and not ec.EllipticCurvePublicKey.from_encoded_point(curve, parts[2])
    except ValueError:
        return True


def is_dsa(blob):
    return blob[4:11] == b"ssh-dss"


def refused(difference):
    """adit does not take what OpenSSH takes."""
    return not difference.ours and bool(difference.theirs)


def taken(difference):
    return bool(difference.ours) and not difference.theirs


def says(*words):
    """One of these stands in what either has said of it."""
    return lambda d: any(w in d.note for w in words)


def keyword(d):
    """That of a configuration line, or of the last of several."""
    text = d.question if isinstance(d.question, str) else (d.question or [""])[-1]
    return re.split(r"[\s=]", text.strip().lower().strip('"'))[0]


def line_of(*names):
    return lambda d: d.kind in ("line", "given up") and keyword(d) in names


def both(*tests):
    return lambda d: all(t(d) for t in tests)


def text_of(d):
    return d.question[1] if isinstance(d.question, tuple) else d.question


def has(pattern):
    """The question, or one of its words, has this."""
    return lambda d: any(re.search(pattern, x) for x in ([d.question] if isinstance(d.question, str) else map(str, d.question)))


LISTS = ("ciphers", "macs", "kexalgorithms", "hostkeyalgorithms", "pubkeyacceptedalgorithms", "casignaturealgorithms", "hostbasedacceptedalgorithms",
         "pubkeyacceptedkeytypes", "hostbasedkeytypes")
FORWARDS = ("localforward", "remoteforward", "dynamicforward")

# Of the files of keys, three topics:
KEYS = [
    ("white space within base64", "base64 is read strictly; the line is told of as a bad one", lambda d: refused(d) and re.search(r"[\x0b\x0c\r]",
        latin(text_of(d)))),
    ("impossible RSA numbers", "an even modulus or exponent, an exponent below 3 or over 64 bits: no key has them",
     lambda d: refused(d) and is_odd_rsa(blob_in(text_of(d)))),
    ("needless zeros", "RFC 4251 5: MUST NOT be included; ssh takes them away", lambda d: refused(d) and has_needless_zeros(blob_in(text_of(d)))),
    ("zero behind a name", "ssh reads the names of types and curves as texts of C", lambda d: refused(d) and has_zero_in_name(blob_in(text_of(d)))),
    ("short names", "ssh takes ED25519 for ssh-ed25519 in any case", lambda d: refused(d) and re.search(r"(?i)(^|\s)(ed25519|rsa|dsa)(-sk)?\s",
        latin(text_of(d)))),
    ("DSA", "is not there", lambda d: refused(d) and is_dsa(blob_in(text_of(d)))),
]


def latin(text):
    return text if isinstance(text, str) else text.decode("latin-1")


KNOWN = [(topic, *row) for topic in ("known_hosts", "public_keys") for row in KEYS] + [
    ("known_hosts", "damaged keys of a type that is not there", "are looked at no further", lambda d: taken(d) and is_dsa(blob_in(d.question[1]))),
    ("known_hosts", "a point off its curve", "no server can show such a key; that of a server is looked at",
     lambda d: taken(d) and is_off_curve(blob_in(d.question[1]))),
    ("known_hosts", "tab behind a marker",
     "sshd(8) has fields that blanks divide; ssh takes a tab there only in a line without a space, and passes over "
     "the line, a revocation included", lambda d: taken(d) and re.match(rb"\s*@(revoked|cert-authority)\t", d.question[1])),
    # private keys
    ("keyfiles", "no line end behind END", "ssh wants one; a key from a variable has none",
     lambda d: taken(d) and b"END OPENSSH PRIVATE KEY-----" == d.question[0].rstrip(b" \t\0")[-31:][-28:]),
    ("keyfiles", "size of RSA keys", "2048 to 4096 bits are used", both(refused, says("bits is not used", "of a type or size that is not used"))),
    ("keyfiles", "secret scalar of few bits", "ssh wants more than half of the curve's; the key is as right as any", both(taken,
        says("error in libcrypto", "invalid format", "invalid elliptic curve value", "point is too large"))),
    ("keyfiles", "the public key's copy beside the secret one", "is not read: the secret key gives it", both(taken,
        says("elliptic curve does not match"))),
    ("keyfiles", "a cipher's name with a zero behind it", "ssh reads it as a text of C", both(refused, says("cipher is not known"))),
    ("keyfiles", "padding of more than a block", "PROTOCOL.key pads to the next block", both(refused, says("its padding"))),
    ("keyfiles", "a byte order mark", "OpenSSL takes one before PEM; no key program writes it",
     lambda d: refused(d) and d.question[0].startswith(b"\xef\xbb\xbf")),
    ("keyfiles", "impossible RSA numbers, needless zeros", "as in public keys", both(refused, says("damaged: the public key"))),
    ("keyfiles", "a KDF without a cipher", "ssh does not look at it", both(refused, says("a KDF without a cipher"))),
    ("keyfiles", "secret and public key differ", "ssh compares less", both(refused, says("is not that of the public key",
                                                                                         "the numbers of the secret key"))),
    ("keyfiles", "comments are shown without control characters", "they go to a terminal",
     lambda d: d.ours and d.theirs and d.ours[0] == d.theirs[0]),
    # certificates
    ("certificates", "SHA-1", "a signature with it is none", both(refused, says("algorithm that is not used (ssh-rsa)"))),
    ("certificates", "a zero at the end of a text", "no text has one; ssh takes it away", both(refused, says("malformed"),
                                                                                       lambda d: has_text_before_zero(base64.b64decode(d.question[1])))),
    ("certificates", "impossible RSA numbers, needless zeros", "as in plain keys", both(refused, says("malformed"),
                                                                                      lambda d: has_odd_rsa_within(base64.b64decode(d.question[1])))),
    # configuration
    ("patterns", "an empty pattern in a Host line", "ssh does not see one that stands behind a negated match",
     lambda d: d.ours and re.search(r'(?i)^host\b.*""', d.question[1])),
    ("configs", "blanks in a list of algorithms", "are taken away", both(line_of(*LISTS), lambda d: " " in d.question.split("'")[-2:][0])),
    ("configs", "RekeyLimit twice", "ssh takes the time of a later line where the first said none", lambda d: d.kind == "rekeylimit"),
    ("configs", "an address that is none", "is refused when it is read", both(line_of(*FORWARDS), says("the bind address is no address"))),
    ("configs", "ProxyUseFdpass beside ProxyJump", "has no effect; ssh's -G says no", lambda d: d.kind == "proxyusefdpass"),
    ("configs", "canonical names in the last pass", "ssh has filled in their defaults by then", both(has("(?i)match final"),
        lambda d: d.kind.startswith("canonical"))),
    ("configs", "letters of a user in the configuration", "9.2 takes all, 10.0 not", both(line_of("user"), says("remote username contains invalid"))),
    ("configs", "~ alone", "is the home folder without a slash behind it", both(has(r"~($|\s)"),
                                                                                lambda d: d.ours == [x.rstrip("/") for x in d.theirs])),
    ("configs", "sizes without digits", "ssh takes them for 0", both(line_of("rekeylimit"), lambda d: d.ours)),
    ("configs", "several files with RevokedHostKeys", "are read, each of them", both(line_of("revokedhostkeys"), lambda d: d.theirs)),
    ("configs", "SyslogFacility of another host", "is another host's; ssh takes it all the same", lambda d: d.kind == "syslogfacility"),
    ("configs", "a CNAME rule without a name", "is refused where it stands", both(line_of("canonicalizepermittedcnames"), lambda d: d.ours)),
    ("configs", "port 0", "any free port", lambda d: taken_line(d) and keyword(d) in FORWARDS and re.search(r"(^|[\s=:/\"'\]])0+([\s:/\"'#]|$)",
        d.question)),
    ("configs", "nothing is left of a list", "it is refused when it is read", both(line_of(*LISTS), lambda d: d.ours)),
    ("configs", "the socket of ForwardAgent", "is looked at when it is used, not by -G", both(line_of("forwardagent", "exitonforwardfailure"),
                                                                                              says("Cannot forward agent socket path"))),
    ("configs", "jump hosts for a shell", "ssh judges their letters when it runs them", both(line_of("proxyjump"), lambda d: d.ours,
                                                                                             says("holds characters that are not allowed",
                                                                                                  "is missing"))),
    ("configs", "a target without a host", "ssh finds out when it connects", both(line_of(*FORWARDS), lambda d: d.ours, says("host is missing",
        "a path ", "no host name"))),
    ("configs", "ConnectionAttempts 0", "ssh refuses it behind the last line", line_of("connectionattempts")),
    ("configs", "an argument that is a comment, of a keyword without effect", "is none", both(says("no argument after keyword"), lambda d: d.ours)),
    ("configs", "a mask with more behind it", "ssh does not look there", both(line_of("streamlocalbindmask"), lambda d: d.ours)),
    ("configs", "variables of IdentityAgent and ForwardAgent", "are looked up when they are used", line_of("identityagent", "forwardagent")),
    ("configs", "sockets' forwards are DynamicForwards, too", "in ssh's -G",
     lambda d: d.kind == "dynamicforward" and has("(?i)(local|remote)forward.*/")(d)),
    ("configs", "ClearAllForwardings clears Tunnel", "which adit does not have", lambda d: d.kind in ("tunnel", "tunneldevice")),
    ("configs", "numbers of IPQoS with a zero in front", "octal for 9.2, decimal for 10.0", lambda d: d.kind == "ipqos"),
    # forwards
    ("forwards", "port 0", "any free port", both(taken, has(r"(^|[:/ \]])0+([:/ ]|$)"))),
    ("forwards", "a sign before a port", "is no port", both(refused, has(r"\+\d"))),
    ("forwards", "a path where a host or a port is wanted", "ssh takes it for the name of a host, or drops what stands behind it",
     both(refused, says("a path stands where", "a path to listen on stands alone", "parts are missing"))),
    ("forwards", "a target without a host", "ssh finds out when it connects", both(refused, says("the target's host is missing"))),
    ("forwards", "-W without a host", "ssh takes it as if it had not been given", lambda d: d.kind == "-W" and refused(d)),
    ("forwards", "sockets' forwards are DynamicForwards, too", "in ssh's -G",
     lambda d: d.ours and d.theirs and d.ours == [x for x in d.theirs if not x.startswith("dynamicforward ")]),
    ("forwards", "blanks", "ssh passes over those in front, and takes a name that has some", has(r"[ \t]")),
    ("forwards", "an empty address", "is * in -G", lambda d: d.ours and d.theirs and d.ours == [x.replace(" []:", " [*]:") for x in d.theirs]),
    ("forwards", "a slash behind a backslash", "makes a path of it, too", has(r"\\/")),
    ("forwards", "a colon at the end", "has nothing behind it", both(refused, has(":$"))),
    ("forwards", "variables", "are for paths", has(r"\$\{HOME\}(?!/)")),
    # destinations
    ("destinations", "an address in brackets", "is that address; ssh wants it without, and in a URI not at all", has(r"\[")),
    ("destinations", "capitals of a name with a colon or %", "ssh takes it for an address",
     lambda d: d.ours and d.theirs and folded(d.ours) == folded(d.theirs)),
    ("destinations", "a name of over 255 bytes", "no host has one", both(refused, has("x{200}"))),
    ("globs", "a backslash at the end", "is itself, as in OpenSSH's own glob; POSIX leaves it open", lambda d: d.question[0].endswith("\\")),
    ("destinations", "letters of a URI's host", "adit judges them as those of any host", both(lambda d: d.ours, has("(?i)ssh://"))),
    ("destinations", "a sign before a port", "is no port", both(refused, has(r":\+\d"))),
    ("destinations", "a colon without a port", "ssh takes it as if there were none", both(refused, has(":(,|/?$)"), says("the port is not one of",
        "ssh [-Q"))),
    ("destinations", "parameters in a URI", "ssh passes over what a ; in the user begins", both(refused, has("(?i)ssh://[^@]*;"))),
    ("destinations", "no destination", "an empty one is none", both(refused, has("^$|@$"))),
    ("destinations", "addresses as a C library writes them", "::1:2222 is ::0.1.34.34 to glibc",
     lambda d: d.ours and d.theirs and without_name(d.ours) == without_name(d.theirs)
     and re.fullmatch(r"hostname (.*[:%].*|[0-9.]+)", d.theirs[2])),
    ("destinations", "a destination's user beside -l", "is judged, too", both(refused, has("^-l$"), says("remote username contains", "ssh [-Q"))),
    ("destinations", "jump hosts for a shell", "ssh judges their letters when it runs them", both(refused, says("Invalid -J argument",
        "holds characters that are not allowed"))),
]


def without_name(lines):
    return [x for x in lines if not x.startswith("hostname ")]


def folded(lines):
    return [x.lower() for x in lines]


def taken_line(d):
    """A line that adit takes and OpenSSH does not."""
    return d.kind == "line" and not d.ours


def name_of(topic, difference):
    """The name of the row that has this difference, or None."""
    for its, name, _, which in KNOWN:
        if its == topic and which(difference):
            return name
    return None
