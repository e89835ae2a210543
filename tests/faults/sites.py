"""What inject.c saw and what it is told: its table of sites, and the ways in which a call of each kind fails."""
import collections
import dataclasses
import errno
import os
import re
import socket
import struct
import subprocess

MAGIC, SITES, FRAMES = 0x46414c54, 4096, 14
HEAD, SITE = struct.Struct("<IIII"), struct.Struct(f"<QII24s{FRAMES}Q")
SHORT = 1000  # a transfer of one byte

# By enum kind of inject.c: (how, whether all later calls of the kind fail as well).
WAYS = collections.OrderedDict(
    alloc=[(errno.ENOMEM, 0), (errno.ENOMEM, 1)],
    read=[(errno.ECONNRESET, 0), (errno.EINTR, 0), (errno.EAGAIN, 0), (SHORT, 0)],
    write=[(errno.EPIPE, 0), (errno.EINTR, 0), (errno.EAGAIN, 0), (SHORT, 0)],
    connect=[(errno.ENETUNREACH, 0), (errno.EINTR, 0)],
    accept=[(errno.EMFILE, 0), (errno.ECONNABORTED, 0), (errno.EINTR, 0)],
    bind=[(errno.EADDRINUSE, 0)],
    descriptor=[(errno.EMFILE, 0), (errno.EMFILE, 1)],
    epoll_ctl=[(errno.ENOSPC, 0), (errno.ENOMEM, 1)],
    wait=[(errno.EINTR, 0)],
    poll=[(errno.EINTR, 0), (errno.ENOMEM, 0)],
    open=[(errno.EMFILE, 0), (errno.EACCES, 0), (errno.EMFILE, 1)],
    files=[(errno.EROFS, 0), (errno.EIO, 1)],
    sync=[(errno.EIO, 0)],
    process=[(errno.EAGAIN, 0)],
    thread=[(errno.EAGAIN, 0), (errno.EAGAIN, 1)],
    random=[(errno.EINTR, 0), (errno.ENOSYS, 1)],
    map=[(errno.ENOMEM, 0)],
    lock=[(errno.ENOMEM, 0), (errno.EPERM, 1)],
    names=[(errno.ENOMEM, 0)],
    lookup=[(errno.ENOMEM, 0), (socket.EAI_AGAIN, 0), (socket.EAI_MEMORY, 0)],
    stat=[(errno.EIO, 0)],
    socket_option=[(errno.ENOBUFS, 0)],
)
KINDS = list(WAYS)
HARMLESS = (errno.EINTR, errno.EAGAIN, SHORT)  # for who reads or writes: nothing may be seen of them


@dataclasses.dataclass(frozen=True)
class Site:
    id: int
    kind: str
    name: str
    count: int
    frames: tuple


@dataclasses.dataclass(frozen=True)
class Fault:
    site: Site
    nth: int
    how: int
    for_ever: int

    @property
    def environment(self):
        return f"{self.site.id:x} {self.nth} {self.how} {self.for_ever}"

    @property
    def is_harmless(self):
        """A program that is right shows nothing of it."""
        return self.how in HARMLESS and self.site.kind in ("read", "write", "wait", "poll", "accept", "connect", "random")

    def __str__(self):
        how = "short" if self.how == SHORT else errno.errorcode.get(self.how, str(self.how))
        return f"{self.site.name}#{self.nth} {how}{' and all later' if self.for_ever else ''} [{self.environment}]"


class Table:
    """The file that a run and what it starts write into."""

    def __init__(self, path):
        self.path = path
        with open(path, "wb") as f:
            f.write(HEAD.pack(MAGIC, 0, 0, 0))
            f.truncate(HEAD.size + SITES * SITE.size)

    def read(self):
        """(how often the fault happened, the sites)."""
        with open(self.path, "rb") as f:
            data = f.read()
        _, fired, lost, _ = HEAD.unpack_from(data)
        assert lost == 0, "the table of sites is full"
        sites = []
        for at in range(HEAD.size, len(data), SITE.size):
            if data[at:at + 8] != bytes(8):
                number, kind, count, name, *frames = SITE.unpack_from(data, at)
                sites.append(Site(number, KINDS[kind], name.rstrip(b"\0").decode(), count,
                                  tuple(f for f in frames if f)))
        return fired, sites


# What is no fault to be told of: (function, how, a function that leads to it), with the reason.
EXCEPT = (
    ("write", errno.EPIPE, "ready_all"),  # who has closed standard output does not wait for its lines
    ("writev", errno.EPIPE, "near_write"),  # nor for a command's output: `adit host command | head`
    ("write", errno.EPIPE, "verb_write"),  # nor for those of `adit list | head`
    ("write", errno.EPIPE, "ready_tell"),  # a daemon whose standard error is closed is there, and is not seen to be
    ("writev", errno.EPIPE, "piece_write"),  # nor for those of `adit mcp`, which ends with its reader
    ("sendmsg", errno.EAGAIN, "control_client_send"),  # who leaves hundreds of answers unread is dropped
    # A signal's byte into our own pipe, which does not wait: what does not fit is not needed, and nothing else happens there.
    *(("write", how, handler) for how in (errno.EPIPE, errno.EINTR, errno.EAGAIN) for handler in ("on_signal ", "on_news ")),
    ("opendir", errno.EACCES, "names_that_match"),  # as with ssh: what a pattern finds in a folder that is closed to us is nothing
    # What cannot be looked at any more may be another's by now: a socket that was listened on stays.
    ("lstat", errno.EIO, "control_stop_listening"),
    ("lstat", errno.EIO, "close_all"),
)


# The short campaign: scenario, what fails, and who calls it; behind a "<" whom that works for (others may stand between; behind
# a "<<" none does).
SHORT = (
    ("local", "calloc", "client_fill < find_hops"),
    ("local", "poll", "serve < connect_somehow"),
    ("local", "open", "file_read < find_file"),
    ("local", "open", "file_read < read_one"),
    ("local", "socket", "stream_open < listen_one"),
    ("local", "bind", "sock_listen < listen_one"),
    ("local", "epoll_create1", "loop_init < session_launch"),
    ("local", "pthread_create", "thread_start"),
    ("local", "connect", "sock_connect_start_on < open_try"),
    ("local", "getrandom", "seed_by_call"),
    ("local", "getrandom", "randombytes_linux_getrandom < _sodium_alloc_init"),
    ("local", "accept4", "accept_any < take_one"),
    ("remote-dynamic", "getpeername", "sock_peer < sock_connect_finish"),
    ("unix-sockets", "lstat", "bind_path"),
    ("jump-host", "sendmsg", "send_or_write < near_write"),
    ("jump-host", "malloc", "text_copy < set_jump"),
    ("agent-forwarding", "shutdown", "sock_shutdown_write < near_shutdown"),
    ("agent-forwarding", "malloc", "memory_alloc < channel_on_open"),
    ("agent-forwarding", "readv", "sock_readv < read_reply"),
    ("agent-forwarding", "socket", "connect_start < agent_is_there"),
    ("encrypted-key", "mmap", "secret_new < keep_secret"),
    ("key-from-environment", "mmap", "secret_new < fill < take_env"),
    ("stdio", "fstat", "file_read < find_file"),
    ("stdio", "readv", "standard_readv < carry_read"),
    ("command-to-file", "writev", "standard_writev < near_write"),
    ("configuration", "opendir", "names_that_match"),
    ("mux-master", "calloc", "control_open"),
    ("mux-master", "lstat", "bind_path"),
    ("mux-master", "recvmsg", "fdpass_take"),
    ("mux-guest", "recv", "receive_all < mux_client_next"),
    ("command", "readv", "sock_readv < conn_input"),
    ("command", "writev", "standard_writev < near_write"),
    ("slow-reader", "malloc", "chunk_new < ring_add_chunk"),
    ("slow-reader", "calloc", "ring_new << conn_events"),
    ("command", "mmap", "secret_new < identity_of_text"),
    ("stdio", "malloc", "memory_alloc < opening_new"),
    ("configuration", "calloc", "session_do < shell_tell"),
    ("configuration", "posix_spawnp", "spawn_with < known_hosts_command_run"),
    ("agent", "calloc", "identity_new < identity_of_agent"),
    ("agent", "socket", "connect_start < agent_call_after"),
    ("agent", "poll", "call_wait < agent_call_after"),
    ("key-from-environment", "calloc", "keep < take_env"),
    ("mux-guest", "poll", "await_end < run_exec"),
    ("reconnect", "poll", "serve < connect_somehow"),
    ("known-hosts-new", "open", "folder_lock < file_append"),
    ("known-hosts-new", "write", "write_all < copy_fill"),
    ("known-hosts-new", "rename", "replace < append_locked"),
    ("known-hosts-new", "fsync", "copy_fill"),
    ("daemon-requests", "malloc", "hashtable_init < state_format"),
    ("daemon-requests", "malloc", "MHD_add_response_entry_no_check_ < add_headers < httpd_reply_buffer"),
    ("daemon-requests", "calloc", "request_new"),
    ("daemon-requests", "write", "write_all < replace_file < store_save"),
    ("daemon-requests", "renameat", "replace_file < store_save"),
    ("daemon-tunnel", "calloc", "letter_try < on_forward_up"),
    ("daemon-tunnel", "malloc", "text_copy < pack < on_forward_up"),
    ("daemon-tunnel", "calloc", "news_new"),
    ("daemon-reconnects", "calloc", "news_new < tell_wanted"),
    ("daemon-tunnel", "calloc", "forwarders_new < forward_letter_added"),
    ("daemon-tunnel", "getsockname", "sock_local < tell_bound"),
    ("daemon-events", "getsockname", "sock_local < sock_find_local < api_listen"),
    ("daemon-events", "faccessat", "writable_check < store_begin"),
    ("daemon-events", "lstat", "bind_path"),
    ("daemon-events", "renameat", "replace_file < store_save"),
    ("mcp", "malloc", "jsonp_strndup < listen_json < info_of"),
    ("mcp", "readv", "standard_readv < questions_read"),
    ("mcp-of-daemon", "malloc", "jsonp_strndup < groups_json"),
    ("mcp-of-daemon", "malloc", "jsonp_strndup < list_of"),
    ("mcp-of-daemon", "realloc", "buffer_reserve < wire_parse"),
    ("verb-add", "realloc", "buffer_reserve < request_text"),
    ("verb-list", "realloc", "reply_add"),
)


def way(where, place):
    """The functions from the call to the last one of a row's place, or None where the row does not mean this site."""
    names, end = [frame.split(" ")[0].split(".")[0] for frame in where.split(" < ")], 0
    for link, name in re.findall(r"(<*) ?(\w+)", f"<< {place}"):
        if name not in (names[end:] if link == "<" else names[end:end + 1]):
            return None
        end = names.index(name, end) + 1
    return tuple(names[:end])


def faults_of(sites, place, writes_file=False):
    """Every fault of a run that met these: at the first call of each, and, where that one alone fails, at its last.
    writes_file: the output is a file, which does not close: what cannot be written is told of."""
    no_random = {min((s.id for s in sites if s.kind == "random"), default=0)}  # all of them are one

    def is_right(s, how):
        if how == errno.ENOSYS and s.id not in no_random:
            return False
        return not any(s.name == name and how == h and f in place[s.id] and not (writes_file and f == "near_write")
                       for name, h, f in EXCEPT)

    return [Fault(s, nth, how, ever) for s in sorted(sites, key=lambda s: s.id) for how, ever in WAYS[s.kind] if is_right(s, how)
            for nth in sorted({1, s.count if not ever and how not in HARMLESS else 1})]


def places(program, sites):
    """id -> "function file:line < ..." of some sites, by addr2line."""
    frames = sorted({f for s in sites for f in s.frames})
    if not frames:
        return {}
    out = subprocess.run(["addr2line", "-f", "-e", program, *(hex(f - 1) for f in frames)], capture_output=True, text=True,
                         check=True).stdout.splitlines()
    name = {f"{f}": f"{out[2 * i]} {os.path.relpath(out[2 * i + 1].split(' ')[0])}" for i, f in enumerate(frames)}
    return {s.id: " < ".join(name[str(f)] for f in s.frames) for s in sites}
