"""ProxyCommand: another program is the transport."""
import os
import re
import shlex
import subprocess

import pytest

from harness import proxies, servers, traffic
from harness.wait import wait_until


def through(command):
    return ["-o", f"ProxyCommand={command}"]


@pytest.fixture
def netcat(tmp_path):
    return proxies.netcat(tmp_path)


@pytest.mark.quick
def test_tokens(kit, sshd, echo, netcat, tmp_path):
    """%h %n %p %r %%; the name that was given is never looked up."""
    kit.known_hosts.write_text(sshd.known_hosts_lines())
    _, addr = kit.local(sshd, echo, "-o", "HostName=127.0.0.1", "-o", f"HostKeyAlias=[127.0.0.1]:{sshd.port}",
                        *through(f"sh -c 'echo %h %n %p %r 100%% >{tmp_path}/said; exec {netcat} %h %p'"), host="name.invalid",
                        trust=False)
    assert traffic.ask(addr) == b"ping"
    assert (tmp_path / "said").read_text() == f"127.0.0.1 name.invalid {sshd.port} {sshd.user} 100%\n"


@pytest.mark.quick
def test_pipeline_and_quotes(kit, sshd, echo, netcat, tmp_path):
    """It is a shell's command line: pipelines, quotes and redirections work. Blanks before it do not count."""
    _, addr = kit.local(sshd, echo, *through(f"   {netcat} '%h' \"%p\" 2>{tmp_path}/errors | cat | cat"))
    assert traffic.ask(addr, b"x" * 200_000) == b"x" * 200_000


@pytest.mark.quick
def test_sshd_in_inetd_mode(kit, sshd, echo):
    """The command may be the server itself."""
    _, addr = kit.local(sshd, echo, *through(f"/usr/sbin/sshd -i -f {sshd.folder}/sshd_config"))
    assert traffic.ask(addr) == b"ping"


def test_through_itself(kit, sshd, start, echo, adit_only):
    """adit -W %h:%p as the proxy of adit."""
    from harness import client
    inner = " ".join([shlex.quote(client.ADIT), *kit.base(), "-p", str(sshd.port), "-l", sshd.user, "-W", "%h:%p",
                      "127.0.0.1"])
    _, addr = kit.local(sshd, echo, *through(inner))
    assert traffic.ask(addr) == b"ping"


@pytest.mark.quick
def test_shell(kit, sshd, tmp_path, netcat):
    """$SHELL runs it, with -c and an exec before it."""
    shell = tmp_path / "shell"
    shell.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >{tmp_path}/args\nexec /bin/sh "$@"\n')
    shell.chmod(0o755)
    client = kit.connect(sshd, "-v", "-N", *through(f"{netcat} %h %p"), env={"SHELL": str(shell)})
    client.wait_err("Authentication succeeded|Authenticated to")
    assert (tmp_path / "args").read_text() == f"-c\nexec {netcat} 127.0.0.1 {sshd.port}\n"


@pytest.mark.quick
def test_standard_error_is_ours(kit, sshd):
    """What it says on standard error is seen; that it ends is an error."""
    client = kit.connect(sshd, "-N", *through("sh -c 'echo no way through >&2; exit 3'"))
    assert client.finish() == 255
    assert "no way through\n" in client.err.text


@pytest.mark.quick
@pytest.mark.parametrize("command", ["/nonexistent/program", "exit 1", "true"])
def test_it_ends_at_once(kit, sshd, command):
    """A program that is not there or does nothing: 255 and a reason."""
    client = kit.connect(sshd, "-N", *through(command))
    assert client.finish() == 255
    assert re.search("[Cc]losed|reset", client.err.text)


@pytest.mark.quick
@pytest.mark.parametrize("options", [["ProxyCommand=none", "ProxyCommand=false"], ["ProxyCommand=NONE", "ProxyJump=h"],
                                     ["ProxyJump=none", "ProxyCommand=false"]])
def test_none_and_the_first_wins(kit, sshd, echo, options):
    """ProxyCommand and ProxyJump are one question: whichever comes first answers it."""
    args = [word for o in options for word in ("-o", o)]
    _, addr = kit.local(sshd, echo, *args)
    assert traffic.ask(addr) == b"ping"


@pytest.mark.quick
def test_command_before_jump(kit, sshd, echo, netcat):
    """A ProxyCommand that came first beats a later ProxyJump."""
    _, addr = kit.local(sshd, echo, *through(f"{netcat} %h %p"), "-o", "ProxyJump=nowhere.invalid")
    assert traffic.ask(addr) == b"ping"


@pytest.mark.quick
@pytest.mark.parametrize("command", ["x %z", "x %", "x %d"])
def test_unknown_token(kit, command):
    client = kit.run(*kit.base(), *through(command), "-N", "host.invalid")
    assert client.finish() == 255
    assert client.err.text != ""


@pytest.mark.parametrize("stubborn", [False, True])
def test_end(kit, sshd, echo, tmp_path, stubborn, adit_only):
    """At the end it is ended and reaped: also one that neither an end of input nor SIGHUP can move."""
    program = proxies.write(tmp_path, "stays.py", ("import signal\nsignal.signal(signal.SIGHUP, signal.SIG_IGN)\n" if
                                                   stubborn else "") + proxies.NETCAT.replace("wait(5)", "wait()"))
    client, addr = kit.local(sshd, echo, *through(f"{program} %h %p"))
    assert traffic.ask(addr) == b"ping"
    child, = servers.descendants(client.pid)
    client.stop()
    wait_until(lambda: not os.path.exists(f"/proc/{child}"), 5, "the end of the proxy command")


def test_nothing_but_three_descriptors(kit, sshd, tmp_path, netcat):
    """It inherits standard input, output and error and nothing else."""
    client = kit.connect(sshd, "-v", "-N", *through(f"sh -c 'ls -l /proc/self/fd >{tmp_path}/fds; exec {netcat} %h %p'"))
    client.wait_err("Authentication succeeded|Authenticated to")
    fds = re.findall(r" (\d+) -> (\S+)", (tmp_path / "fds").read_text())
    assert [fd for fd, to in fds if int(fd) > 2 and not to.startswith("/proc/")] == []


@pytest.mark.quick
def test_descriptor_passing(kit, sshd, echo, tmp_path):
    """ProxyUseFdpass: the program connects, hands the socket over and is not needed any more."""
    client, addr = kit.local(sshd, echo, "-o", "ProxyUseFdpass=yes", *through(f"{proxies.pass_fd(tmp_path)} %h %p"))
    assert traffic.ask(addr) == b"ping"
    assert client.stop() in (0, 255)


@pytest.mark.quick
@pytest.mark.parametrize("command", ["true", "echo text", "sh -c 'exec >&- <&-; sleep 1'"])
def test_no_descriptor(kit, sshd, command):
    """It ends, or says something else: 255."""
    client = kit.connect(sshd, "-N", "-o", "ProxyUseFdpass=yes", *through(command))
    assert client.finish() == 255
    assert client.err.text != ""


def test_no_descriptor_in_time(kit, sshd, adit_only):
    """ConnectTimeout and a signal end the wait for it."""
    client = kit.connect(sshd, "-N", "-o", "ConnectTimeout=1", "-o", "ProxyUseFdpass=yes", *through("sleep 60"))
    assert client.finish() == 255
    assert "within 1 s" in client.err.text
    client = kit.connect(sshd, "-v", "-N", "-o", "ProxyUseFdpass=yes", *through("sh -c 'echo begun >&2; exec sleep 60'"))
    client.wait_err("begun")
    assert client.stop() == 255


@pytest.mark.quick
@pytest.mark.parametrize("args", [["a;id"], ["$(id)"], ["`id`"], ["-oX"], ["-l", "u;id", "h"], ["u`id`@h"], ["a\nb"],
                                  ["-l", "-x", "h"]])
def test_shell_characters(kit, tmp_path, args):
    """What a shell would take apart never gets into the command."""
    client = kit.run(*kit.base(), *through(f"touch {tmp_path}/ran %h %r"), "-N", "--" if args[0] == "-oX" else "-N",
                     *args)
    assert client.finish() == 255
    assert not (tmp_path / "ran").exists()
