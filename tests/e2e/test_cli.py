"""The command line: forms, errors by name, exit codes, what is printed and where."""
import os
import re
import socket
import subprocess

import pytest

from harness import servers, traffic
from harness.client import ADIT
from harness.wait import wait_until

pytestmark = pytest.mark.usefixtures("adit_only")


def says(kit, *args, **kw):
    """(exit status, stdout, stderr) of a run that ends by itself."""
    client = kit.run(*args, **kw)
    code = client.finish()
    return code, client.out.text, client.err.text


@pytest.mark.quick
def test_version(kit):
    """-V: one line on stderr, exit 0, as ssh does."""
    code, out, err = says(kit, "-V")
    assert code == 0 and out == ""
    assert re.fullmatch(r"adit[_ ]\d+\.\d+\S*.*\n", err)


@pytest.mark.quick
def test_help(kit):
    """-h and --help: the usage on stdout, exit 0."""
    code, out, err = says(kit, "-h")
    assert code == 0 and "-L" in out and err == ""


@pytest.mark.quick
@pytest.mark.parametrize("args", [[], ["-N"], ["-p"], ["-L"], ["-p", "0", "h"], ["-p", "65536", "h"], ["-p", "131073", "h"],
                                  ["-p", "2000blah", "h"], ["-p", "blah2000", "h"], ["-o", "NoSuchOption=1", "h"],
                                  ["-o", "Port=", "h"], ["-o", "BatchMode=perhaps", "h"], ["ssh://u@h:22/path"],
                                  ["ssh://u@h:99999"], ["--", "-oX"], ["bad;host"], ["-l", "a`b`", "h"], ["-Ñ", "h"],
                                  ["-!", "h"]])
def test_usage_errors(kit, args):
    """Wrong arguments: exit 255 as ssh, 2 with AditExitCodes, one line that names what is wrong; nothing is opened."""
    code, out, err = says(kit, *args)
    assert code == 255 and out == "" and err != ""
    code, _, _ = says(kit, "-o", "AditExitCodes=yes", *args)
    assert code == 2


@pytest.mark.quick
@pytest.mark.parametrize("spec", ["", ":", "x", "1", "70000:h:1", "1:h:70000", "1:h:0", "1:[::1:2", "1:::1:2", "a:b:c:d:e",
                                  "-1:h:1", "1:h:1x", "1 :h:1", "::::"])
def test_bad_forward_specifications(kit, spec):
    """A forward that cannot be understood is refused with the text in the message."""
    code, _, err = says(kit, "-N", "-L", spec, "host")
    assert code == 255
    assert "-L" in err or "forwarding" in err or "port" in err


def test_bundled_flags_and_options_after_the_host(kit, sshd, echo):
    """-NTvp22, -oKey=val, -o 'Key val', flags after the host and -- all work."""
    kit.trust(sshd)
    base = kit.base()
    client = kit.run(*base, f"-NTxap{sshd.port}", "127.0.0.1", f"-l{sshd.user}", "-oServerAliveInterval=30", "-o",
                     "connecttimeout 5", "-o", 'LogLevel = "INFO"', f"-L0:{echo.target}", "--")
    assert traffic.ask(client.listening(1)[0].addr) == b"ping"


@pytest.mark.parametrize("form", ["{u}@127.0.0.1", "ssh://{u}@127.0.0.1:{p}", "ssh://{u}@127.0.0.1:{p}/", "{u}@localhost"])
def test_destinations(kit, sshd, echo, form):
    """Each way to write a destination."""
    kit.known_hosts.write_text(sshd.known_hosts_lines() + sshd.known_hosts_lines("localhost"))
    port = [] if "{p}" in form else ["-p", str(sshd.port)]
    client = kit.run(*kit.base(), *port, "-N", "-L", f"0:{echo.target}", form.format(u=sshd.user, p=sshd.port))
    assert traffic.ask(client.listening(1)[0].addr) == b"ping"


@pytest.mark.quick
def test_first_value_wins(kit, sshd, echo):
    """Of two -p the first counts; an option beats the URI."""
    kit.trust(sshd)
    client = kit.run(*kit.base(), "-p", str(sshd.port), "-p", "1", "-N", "-L", f"0:{echo.target}", "-l", sshd.user,
                     "ssh://nobody@127.0.0.1:1")
    assert traffic.ask(client.listening(1)[0].addr) == b"ping"


@pytest.mark.quick
def test_short_form(kit, sshd, echo):
    """-L 8080:80 means localhost:80 at the server."""
    client = kit.connect(sshd, "-N", "-L", f"0:{echo.port}")
    line = client.listening(1)[0]
    assert line.target == f"localhost:{echo.port}"
    assert traffic.ask(line.addr) == b"ping"


@pytest.mark.quick
def test_listening_lines(kit, sshd, echo):
    """-N: stdout holds exactly one line a listener, when all are up: type, bound address, target."""
    client = kit.connect(sshd, "-N", "-L", f"127.0.0.1:0:{echo.target}", "-D", "[::1]:0", "-R", f"0:{echo.target}")
    lines = client.listening(3)
    assert [x.kind for x in lines] == ["L", "D", "R"]
    assert re.fullmatch(rf"listening L 127\.0\.0\.1:\d+ 127\.0\.0\.1:{echo.port}\n"
                        rf"listening D \[::1\]:\d+ -\n"
                        rf"listening R \S+:\d+ 127\.0\.0\.1:{echo.port}\n", client.out.text)
    assert client.err.text == ""


@pytest.mark.parametrize("bind, shown", [("", "localhost"), ("127.0.0.3:", "127.0.0.3"), ("localhost:", "localhost"),
                                         ("[::1]:", "[::1]"), ("*:", "*"), (":", "*"), ("0.0.0.0:", "0.0.0.0"),
                                         ("[::]:", "[::]")])
@pytest.mark.parametrize("any_port", [False, True])
def test_listening_lines_of_remote_forwards(kit, start, echo, bind, shown, any_port):
    """-R: what the server was asked for, with the port that it bound, in each form of the address."""
    server = start(servers.Sshd, {"GatewayPorts": "clientspecified", "AddressFamily": "any"})
    port = 0 if any_port else traffic.free_port_both()
    client = kit.connect(server, "-N", "-R", f"{bind}{port}:{echo.target}")
    line, = client.listening(1)
    assert client.out.text == f"listening R {shown}:{line.port} 127.0.0.1:{echo.port}\n"
    assert line.port == port if port else line.port > 0
    assert traffic.listeners(line.port)


@pytest.mark.quick
def test_ready_descriptor(kit, sshd, echo):
    """AditReadyFd=N: the same lines there, then its end, once everything listens."""
    r, w = os.pipe()
    client = kit.connect(sshd, "-N", "-o", f"AditReadyFd={w}", "-L", f"127.0.0.1:0:{echo.target}", pass_fds=(w,))
    os.close(w)
    with os.fdopen(r) as f:
        text = f.read()
    assert re.fullmatch(rf"listening L 127\.0\.0\.1:\d+ 127\.0\.0\.1:{echo.port}\n", text)
    addr = ("127.0.0.1", int(text.split()[2].split(":")[1]))
    assert traffic.ask(addr) == b"ping"
    assert client.running()


def test_ready_descriptor_that_is_not_open(kit):
    """A descriptor that nobody opened is an error of the command line: nothing is connected."""
    args = [*kit.base(), "-N", "-o", "AditReadyFd=99", "-D", "127.0.0.1:0", "-p", str(traffic.free_port()), "127.0.0.1"]
    code, out, err = says(kit, "-o", "AditExitCodes=yes", *args)
    assert (code, out) == (2, "") and "AditReadyFd" in err and "99" in err


def test_ready_descriptor_ends_on_failure(kit, sshd):
    """When nothing comes up the descriptor ends without a line: a script does not hang."""
    r, w = os.pipe()
    client = kit.run(*kit.base(), "-N", "-o", f"AditReadyFd={w}", "-p", str(traffic.free_port()), "-D", "0", "127.0.0.1",
                     pass_fds=(w,))
    os.close(w)
    with os.fdopen(r) as f:
        assert f.read() == ""
    assert client.finish() == 255


@pytest.mark.quick
def test_exit_code_of_a_forward_that_failed(kit, sshd, echo):
    """ExitOnForwardFailure with AditExitCodes: 6."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        client = kit.connect(sshd, "-N", "-o", "AditExitCodes=yes", "-o", "ExitOnForwardFailure=yes", "-L",
                             f"127.0.0.1:{s.getsockname()[1]}:{echo.target}")
        assert client.finish() == 6


@pytest.mark.quick
def test_exit_code_of_a_forward_that_the_server_refused(kit, sshd, echo):
    """The same where it is the server that cannot bind."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        client = kit.connect(sshd, "-N", "-o", "AditExitCodes=yes", "-o", "ExitOnForwardFailure=yes", "-R",
                             f"127.0.0.1:{s.getsockname()[1]}:{echo.target}")
        assert client.finish() == 6


@pytest.mark.quick
def test_exit_code_of_a_refused_connection(kit):
    """Nobody listens: 255, with AditExitCodes 5; the message has host, port and reason."""
    port = traffic.free_port()
    code, _, err = says(kit, *kit.base(), "-p", str(port), "-N", "127.0.0.1")
    assert code == 255 and str(port) in err and "refused" in err.lower() and "127.0.0.1" in err
    assert says(kit, *kit.base(), "-o", "AditExitCodes=yes", "-p", str(port), "-N", "127.0.0.1")[0] == 5


def test_exit_code_of_a_name_that_does_not_exist(kit):
    """A name without an address: 255, with AditExitCodes 5; the name is in the message."""
    code, _, err = says(kit, *kit.base(), "-o", "ConnectTimeout=10", "-N", "no-such-host.invalid")
    assert code == 255 and "no-such-host.invalid" in err
    args = [*kit.base(), "-o", "AditExitCodes=yes", "-o", "ConnectTimeout=10", "-N", "no-such-host.invalid"]
    assert says(kit, *args)[0] == 5


@pytest.mark.quick
def test_messages_are_one_line(kit, sshd):
    """An error is one line on stderr, without debug noise."""
    _, out, err = says(kit, *kit.base(), "-p", str(traffic.free_port()), "-N", "127.0.0.1")
    assert out == "" and len(err.splitlines()) == 1


@pytest.mark.quick
def test_quiet(kit):
    """-q: nothing is said about an error; the exit status says it."""
    code, out, err = says(kit, *kit.base(), "-q", "-p", str(traffic.free_port()), "-N", "127.0.0.1")
    assert (code, out, err) == (255, "", "")


@pytest.mark.quick
def test_verbose_shows_each_step(kit, sshd, echo):
    """-v: negotiated algorithms, authentication and channels, in ssh's words where scripts look for them."""
    client, addr = kit.local(sshd, echo, "-v")
    assert traffic.ask(addr, b"a secret payload") == b"a secret payload"
    for text in (r"debug1: kex: algorithm: \S+", r"debug1: kex: host key algorithm: ssh-ed25519",
                 r"debug1: kex: server->client cipher: \S+ MAC: \S+ compression: none",
                 r"debug1: kex: client->server cipher: \S+ MAC: \S+ compression: none",
                 r"(Authenticated to .* using \"publickey\"|Authentication succeeded \(publickey\))",
                 r"(?i)channel \d+"):
        client.wait_err(text)
    assert "a secret payload" not in client.err.text


def test_payload_is_never_logged(kit, sshd, echo):
    """-vvv shows no payload."""
    client, addr = kit.local(sshd, echo, "-vvv")
    assert traffic.ask(addr, b"a secret payload") == b"a secret payload"
    client.stop()
    assert "secret payload" not in client.err.text
    assert b"a secret payload".hex() not in client.err.text


@pytest.mark.parametrize("flag, host, works", [("-4", "127.0.0.1", True), ("-6", "127.0.0.1", False),
                                               ("-4", "localhost", True)])
def test_address_family(kit, sshd, flag, host, works):
    """-4 and -6 choose the family of the connection."""
    kit.known_hosts.write_text(sshd.known_hosts_lines() + sshd.known_hosts_lines("localhost"))
    client = kit.run(*kit.base(), flag, "-p", str(sshd.port), "-l", sshd.user, "-N", "-D", "127.0.0.1:0", host)
    if works:
        client.listening(1)
    else:
        assert client.finish() == 255


def test_server_over_ipv6(kit, start, echo):
    """The SSH server itself at ::1; in a URI the address stands in brackets."""
    server = start(servers.Sshd, {"ListenAddress": ["127.0.0.1", "::1"]})
    kit.known_hosts.write_text(server.known_hosts_lines("::1"))
    for form in (["-p", str(server.port), f"{server.user}@::1"], [f"ssh://{server.user}@[::1]:{server.port}"]):
        client = kit.run(*kit.base(), "-N", "-L", f"0:{echo.target}", *form)
        assert traffic.ask(client.listening(1)[0].addr) == b"ping"


def test_gateway_ports_flag(kit, sshd, echo):
    """-g: a forward without an address listens on every interface; one with an address keeps it."""
    port = traffic.free_port_both()
    kit.connect(sshd, "-N", "-g", "-L", f"{port}:{echo.target}").listening(1)
    wait_until(lambda: traffic.listeners(port) == {"0.0.0.0", "::"}, 5, lambda: str(traffic.listeners(port)))
    port = traffic.free_port_both()
    kit.connect(sshd, "-N", "-g", "-L", f"127.0.0.1:{port}:{echo.target}").listening(1)
    assert traffic.listeners(port) == {"127.0.0.1"}


def test_forwards_as_options(kit, sshd, echo):
    """LocalForward, RemoteForward, DynamicForward and SessionType=none as -o are the flags' equals."""
    client = kit.connect(sshd, "-o", "SessionType=none", "-o", f"LocalForward 127.0.0.1:0 {echo.target}", "-o",
                         f"RemoteForward=127.0.0.1:0 {echo.target}", "-o", "DynamicForward=127.0.0.1:0")
    lines = client.listening(3)
    assert [x.kind for x in lines] == ["L", "R", "D"]
    for line in lines[:2]:
        assert traffic.ask(line.addr) == b"ping"


def test_clear_all_forwardings(kit, sshd, echo):
    """ClearAllForwardings=yes drops the forwards of the command line, as ssh does."""
    port = traffic.free_port_both()
    client = kit.connect(sshd, "-o", "ClearAllForwardings=yes", "-L", f"{port}:{echo.target}", "-W", echo.target,
                         stdin=subprocess.PIPE)
    client.proc.stdin.write(b"x")
    client.proc.stdin.flush()
    client.wait_out("x")
    assert not traffic.listeners(port)
    client.proc.stdin.close()
    assert client.finish() == 0


def test_ports_by_name(kit, sshd):
    """A port may be a name of /etc/services."""
    with socket.socket() as s:
        try:
            s.bind(("127.0.0.77", socket.getservbyname("http")))
        except OSError:
            pytest.skip("port 80 of 127.0.0.77 cannot be bound here")
        s.listen()
        client = kit.connect(sshd, "-N", "-L", "0:127.0.0.77:http")
        assert client.listening(1)[0].target == "127.0.0.77:80"


def test_closed_stderr_and_stdout(kit, sshd, echo):
    """Started with closed standard descriptors it does not write its messages into a socket."""
    kit.trust(sshd)
    port = traffic.free_port()
    command = " ".join([ADIT, *kit.base(), "-p", str(sshd.port), "-l", sshd.user, "-N", "-v", "-L",
                        f"127.0.0.1:{port}:{echo.target}", "127.0.0.1"])
    proc = subprocess.Popen(["sh", "-c", f"exec {command} <&- >&- 2>&-"], env=kit.env())
    try:
        wait_until(lambda: traffic.listeners(port) or proc.poll() is not None, 10, "listener")
        assert traffic.ask(("127.0.0.1", port)) == b"ping"
    finally:
        proc.kill()
        proc.wait()


def test_nothing_of_the_real_home_is_touched(kit, sshd, echo):
    """With HOME elsewhere no file of another home folder is opened."""
    import shutil
    if shutil.which("strace") is None:
        pytest.skip("no strace")
    trace = kit.folder / "trace"
    client, addr = kit.local(sshd, echo, wrap=["strace", "-f", "-e", "trace=open,openat", "-o", str(trace)])
    assert traffic.ask(addr) == b"ping"
    client.kill()
    assert "/root/.ssh" not in trace.read_text()
