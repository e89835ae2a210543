"""An asyncssh server for the tests. Its one argument is JSON: host_keys, authorized, password,
rounds (keyboard-interactive: [[prompt, echo, answer]...] a round), kex, ciphers, macs, sig_algs, banner, rekey_bytes, unasked ([[host, port]...]), unasked_paths,
open_agent, requests ([[name, want_reply]...]: global requests once somebody is logged in), version (what it calls itself),
host_certs, forge ([old, new]: bytes of the certificates that are changed after they were signed), commands (runs them), no_status (and closes
their channels without one),
tell_keys (the file that gets each derived key, in hex),
half_grants (window is granted again only while less than half of it is left, but then every byte that was taken)."""
import asyncio
import json
import sys

import asyncssh
from asyncssh.packet import Boolean, String, UInt32

config = json.loads(sys.argv[1])


class Server(asyncssh.SSHServer):
    def connection_made(self, conn):
        self.conn, self.round = conn, 0
        print("CONNECTION", flush=True)

    def connection_lost(self, exc):
        print("LOST", type(exc).__name__, exc, flush=True)

    def begin_auth(self, username):
        if config.get("banner"):
            self.conn.send_auth_banner(config["banner"])
        print("BEGIN", username, flush=True)
        return True

    def password_auth_supported(self):
        return "password" in config

    def validate_password(self, username, password):
        return password == config["password"]

    def kbdint_auth_supported(self):
        return "rounds" in config

    def _challenge(self):
        prompts = [(p, echo) for p, echo, _ in config["rounds"][self.round]]
        return ("Login", f"round {self.round + 1}", "en", prompts)

    def get_kbdint_challenge(self, username, lang, submethods):
        self.round = 0
        print("SUBMETHODS", submethods, flush=True)
        return self._challenge()

    def validate_kbdint_response(self, username, responses):
        expected = [answer for _, _, answer in config["rounds"][self.round]]
        print("ANSWERS", json.dumps(responses), flush=True)
        if list(responses) != expected:
            return False
        self.round += 1
        return True if self.round == len(config["rounds"]) else self._challenge()

    def auth_completed(self):
        for host, port in config.get("unasked", []):
            asyncio.get_event_loop().create_task(self._unasked(host, port))
        for path in config.get("unasked_paths", []):
            asyncio.get_event_loop().create_task(self._unasked_path(path))
        if config.get("open_agent"):
            asyncio.get_event_loop().create_task(self._open_agent())
        if config.get("requests"):
            asyncio.get_event_loop().create_task(self._request(config["requests"]))

    async def _request(self, requests):
        """An answer that was not wanted would be a protocol error to asyncssh, and end the connection."""
        for name, want_reply in requests:
            if want_reply:
                answer, _ = await self.conn._make_global_request(name.encode())
                print("ANSWER", name, answer, flush=True)
            else:
                self.conn.send_packet(80, String(name), Boolean(False))

    async def _unasked(self, host, port):
        """Opens a forwarded-tcpip channel that nobody asked for."""
        try:
            await self.conn.create_connection(asyncssh.SSHTCPSession, host, port, "127.0.0.1", 4)
            print("UNASKED accepted", flush=True)
        except asyncssh.ChannelOpenError as e:
            print("UNASKED refused", e.code, e.reason, flush=True)

    async def _open_agent(self):
        """An agent channel that nobody asked for."""
        try:
            await asyncssh.channel.SSHAgentChannel(self.conn, asyncio.get_event_loop(), None, "strict", 1 << 20, 1 << 15).open(
                asyncssh.SSHUNIXSession)
            print("AGENT accepted", flush=True)
        except asyncssh.ChannelOpenError as e:
            print("AGENT refused", e.code, e.reason, flush=True)

    def connection_requested(self, dest_host, dest_port, orig_host, orig_port):
        print("DIRECT", dest_host, dest_port, orig_host, orig_port, flush=True)
        return True

    async def _unasked_path(self, path):
        """The same with forwarded-streamlocal."""
        try:
            await self.conn.create_unix_connection(asyncssh.SSHUNIXSession, path)
            print("UNASKED accepted", flush=True)
        except asyncssh.ChannelOpenError as e:
            print("UNASKED refused", e.code, e.reason, flush=True)

    def unix_connection_requested(self, dest_path):
        print("DIRECT", dest_path, flush=True)
        return True

    def unix_server_requested(self, listen_path):
        print("FORWARD", listen_path, flush=True)
        return True

    def server_requested(self, listen_host, listen_port):
        print("FORWARD", listen_host, listen_port, flush=True)
        return True


async def carry(source, target):
    while data := await source.read(1 << 16):
        target.write(data)
        await target.drain()


async def feed(source, target):
    """What a command does not read any more is nobody's loss."""
    try:
        await carry(source, target)
        target.close()
    except (OSError, asyncssh.Error):
        pass


# asyncssh's own process.redirect() starts a second reader of the same pipe when it is resumed before the first has
# noticed that it was paused: the connection then ends in the middle of a large output.
async def run_command(process):
    """A command as a shell runs it; without one, what comes is the script."""
    child = await asyncio.create_subprocess_exec("/bin/sh", *(["-c", process.command] if process.command else []),
                                                 stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
                                                 stderr=asyncio.subprocess.PIPE)
    feeding = asyncio.create_task(feed(process.stdin, child.stdin))
    await asyncio.gather(carry(child.stdout, process.stdout), carry(child.stderr, process.stderr))
    status = await child.wait()
    feeding.cancel()
    if config.get("no_status"):
        process.close()
    elif status < 0:
        process.exit_with_signal({9: "KILL", 15: "TERM"}.get(-status, "ABRT"))
    else:
        process.exit(status)


def grant_by_halves():
    """asyncssh itself grants all of its window again, and counts only what was taken as used."""
    Channel = asyncssh.channel.SSHChannel
    accept, deliver = Channel._accept_data, Channel._deliver_data

    def accept_and_count(channel, data, datatype=None):
        if not hasattr(channel, "size"):
            channel.size, channel.came, channel.taken, channel.granted = channel._init_recv_window, 0, 0, 0
            channel._init_recv_window, channel._recv_window = 0, 1 << 40  # it grants nothing by itself
        channel.came += len(data)
        accept(channel, data, datatype)

    def deliver_and_grant(channel, data, datatype):
        deliver(channel, data, datatype)
        channel.taken += len(data)
        if channel.came - channel.granted > channel.size / 2:
            channel.send_packet(93, UInt32(channel.taken - channel.granted))
            channel.granted = channel.taken

    Channel._accept_data, Channel._deliver_data = accept_and_count, deliver_and_grant


def tell_keys():
    """Each key that an exchange has given, as `letter hex` (RFC 4253 7.2: A and B are the IVs)."""
    compute_key = asyncssh.kex.Kex.compute_key

    def compute_and_tell(kex, k, h, x, session_id, keylen):
        key = compute_key(kex, k, h, x, session_id, keylen)
        with open(config["tell_keys"], "a", encoding="ascii") as f:
            f.write(f"{x.decode()} {key.hex()}\n")
        return key

    asyncssh.kex.Kex.compute_key = compute_and_tell


def host_certs():
    """asyncssh verifies what it loads, so a forgery is made afterwards."""
    certs = [asyncssh.read_certificate(path) for path in config["host_certs"]]
    if "forge" in config:
        old, new = (text.encode() for text in config["forge"])
        for cert in certs:
            assert old in cert.public_data
            cert.public_data = cert.public_data.replace(old, new)
    return certs


async def main():
    options = {}
    if "host_certs" in config:
        options["server_host_certs"] = host_certs()
    if "version" in config:
        options["server_version"] = config["version"]
    if config.get("commands"):
        options.update(process_factory=run_command, encoding=None)
    if config.get("half_grants"):
        grant_by_halves()
    if "tell_keys" in config:
        tell_keys()
    for name, key in (("kex_algs", "kex"), ("encryption_algs", "ciphers"), ("mac_algs", "macs"),
                      ("signature_algs", "sig_algs"), ("rekey_bytes", "rekey_bytes")):
        if key in config:
            options[name] = config[key]
    server = await asyncssh.create_server(
        Server, "127.0.0.1", 0, server_host_keys=config["host_keys"], compression_algs=config.get("compression"),
        authorized_client_keys=None if config.get("no_keys") else config["authorized"], **options)
    print("PORT", server.sockets[0].getsockname()[1], flush=True)
    await asyncio.Event().wait()


asyncio.run(main())
