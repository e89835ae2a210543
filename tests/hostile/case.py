"""What a case is. A row says what it does at which state, what which document requires of a client then, and
what is right; a row that leaves one of these out, or its time or memory, does not run (see Case.check)."""
import dataclasses
import re
import typing

ERROR = "error"  # the client ends with a clear error and status 255
CARRY_ON = "carry_on"  # the session keeps working: bytes go through a forward and back afterwards
REFUSE = "refuse_channel"  # that channel is refused or closed, and the session keeps working

STATES = ("version", "kex", "newkeys", "service", "auth", "open", "channel", "exec", "rekey", "close")
# Of who reads a file: which one.
FILE_STATES = ("file/known_hosts", "file/key", "file/public", "file/certificate", "file/krl", "file/ssh_config", "file/adit.conf", "file/state")
# Of who is no server: what it is, and how far it has come.
LOCAL_STATES = ("agent/list", "agent/sign", "agent/add", "agent/forward", "proxy/start", "proxy/banner", "proxy/session", "proxy/fdpass",
                "upstream/http", "upstream/socks", "mux/hello", "mux/request", "mux/session", "mux-master/hello", "mux-master/answer",
                "mux-master/session", "socks/greeting", "socks/login", "socks/request", "socks/open", "connect/line", "connect/headers",
                "api/connection", "api/headers", "api/body", "api/request", "api/stream")
SOURCES = re.compile(r"RFC (4251|4252|4253|4254|4256|4335|4344|5647|5656|8160|8308|8332|8709|8731)\b( §[0-9.]+)?|"
                     r"OpenSSH PROTOCOL(\.\w+)?|strict-kex|FIPS|ssh_config\(5\)|Unicode|ECMA-48|draft-miller-ssh-agent|RFC (1928|1929|7617|8259|9110|9112)|"
                     r"SOCKS 4A?|unix\(7\)|signal\(7\)|adit\(1\)|aditd\(8\)|adit-api\(7\)|"
                     r"sshd\(8\)|ssh\(1\)|adit\.conf\(5\)|RFC (5208|5915|7468|8017|8410)|SEC 1|POSIX")


class Unmet(Exception):
    """Raised by a row's `do`: what the client did not do as it should."""



@dataclasses.dataclass
class Frame:
    """A packet whose frame lies (wire.frame), or whose sealed bytes are spoilt by a function of them."""
    payload: bytes
    padding: typing.Optional[int] = None
    length: typing.Optional[int] = None
    padding_length: typing.Optional[int] = None
    spoil: typing.Optional[typing.Callable] = None


@dataclasses.dataclass
class Raw:
    """These bytes on the wire, unprotected."""
    data: bytes


class Signal:
    def __init__(self, name):
        self.name = name


HANG = Signal("nothing more is said or read")
MUTE = Signal("nothing more is said; what comes is read")
END = Signal("the connection ends")
RESET = Signal("the connection is reset")


@dataclasses.dataclass
class Case:
    name: str
    state: str
    sends: str  # in words
    requires: str  # the document and its section
    expect: str
    at: str  # the message or moment (peer.Peer) where the peer misbehaves; "kexinit:2" is the second one
    do: typing.Optional[typing.Callable] = None  # (peer, honest payload) -> what is sent instead of that
    says: typing.Optional[str] = None  # a regular expression of the error's words
    ms: int = 5000  # to the end (or to the next byte through the forward) after the last offending byte
    timeout_ms: int = 0  # and the configured timeout, where one is what ends it
    memory_kib: int = 4096  # resident, above an idle session's peak in the same run
    # forward: -N -L; remote: and an -R; socks: and a -D; exec: a command; daemon: a tunnel in a daemon; words: play.options, alone
    client: str = "forward"
    options: tuple = ()  # more of the client's
    # async (play): before the client starts. It may start what the client shall meet, write into play.folder, and add to
    # play.options (they win over the runner's own) and play.environment; play.tasks are cancelled at the end. With at="setup"
    # this is the offence itself (a file, an agent), and the server is honest.
    setup: typing.Optional[typing.Callable] = None
    suite: str = "gcm"  # wire.SUITES
    auth: str = "publickey"  # the method that succeeds
    twist: dict = dataclasses.field(default_factory=dict)  # of the key exchange: see peer.Peer
    strict: bool = True  # the peer offers strict key exchange
    # (peer) -> whether it saw what REFUSE (or the row) demands; with at="setup" it gets the play
    proof: typing.Optional[typing.Callable] = None
    status: int = 255  # of the end by an error
    holds: typing.Optional[str] = None  # a regular expression that the client's output holds (carry_on)
    machine: tuple = ()  # rules for server.c: that is the peer then, and `at` and `do` are its rules
    only: str = "all"  # "adit": not for other clients; "openssh": for adit and ssh (a row with a setup is for adit else)
    seam: str = ""  # what seam.c reads: that client is played, and only with sanitizers

    def check(self):
        """Every field that makes a row a case: returns what is wrong, or None."""
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]*", self.name or ""):
            return "a name of lower-case words"
        if self.state not in STATES + FILE_STATES + LOCAL_STATES:
            return f"a state of {STATES + FILE_STATES + LOCAL_STATES}"
        if not self.sends or not self.at:
            return "what is sent, and where"
        if not SOURCES.search(self.requires or ""):
            return "the document that requires it"
        if self.expect not in (ERROR, CARRY_ON, REFUSE):
            return "what is right"
        if not 0 < self.ms <= 5000 or self.timeout_ms < 0:
            return "a time of at most 5 s behind the offence"
        if not 0 < self.memory_kib <= 4096:
            return "a memory of at most 4 MiB above an idle session's"
        if self.expect == ERROR and not self.says:
            return "the words of its error"
        if self.expect == REFUSE and not self.proof:
            return "how the peer sees that a channel was refused"
        return None


ALL = []


class Table:
    """Rows that share fields: row(name, sends, requires, expect, ...) adds one, with these as defaults."""

    def __init__(self, **shared):
        self.shared = shared

    def row(self, name, sends, requires=None, expect=None, **more):
        fields = {"requires": requires, "expect": expect, **self.shared, **more}
        fields.update({k: v for k, v in (("requires", requires), ("expect", expect)) if v})
        prefix = fields.pop("prefix", "")
        ALL.append(Case(prefix + name, sends=sends, **fields))
