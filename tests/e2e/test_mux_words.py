"""Side by side: what adit says and returns as a guest and as a master is what ssh does with itself."""
import re
import signal
import socket
import subprocess

import pytest

from harness import servers, traffic
from harness.control import ADIT, SSH, Control
from harness.wait import wait_until


@pytest.fixture
def sshd(start):
    return start(servers.Sshd, log_level="INFO")


class Side:
    """One pair of programs at one server; what they do is written down."""

    def __init__(self, kit, server, echo, master, guest):
        self.control, self.programs, self.log, self.ports = Control(kit, server), (master, guest), [], {}
        self.path = self.control.path
        self.path.unlink(missing_ok=True)
        self.server, self.echo, self.m = server, echo, None

    def port(self, name):
        return self.ports.setdefault(name, traffic.free_port_both())

    def plain(self, data):
        """Without what differs from run to run."""
        text = data.decode(errors="replace").replace(str(self.path), "PATH").replace("\r\n", "\n")
        for name, port in self.ports.items():
            text = re.sub(rf"\b{port}\b", name, text)
        text = re.sub(r"pid=\d+", "pid=N", text)
        return re.sub(r"^Allocated port \d+", "Allocated port N", text, flags=re.M)

    def master(self, *words, to=("-N",), **popen):
        program = self.programs[0]
        self.m = self.control.master(program, *(w for w in to if w == "-N"), *words, to=[w for w in to if w != "-N"], **popen)

    def guest(self, *words, to=(), data=b"", out=True):
        done = self.control.run(self.programs[1], *words, to=to, data=data)
        self.log.append((self.plain(' '.join(words).encode()), to, done.returncode, self.plain(done.stdout) if out else "", self.plain(done.stderr)))
        return done

    def masters_end(self):
        self.log.append(("master", self.m.finish(20), self.plain(bytes(self.m.err.data))))

    def note(self, *what):
        self.log.append(what)


def check(side):
    side.guest("-O", "check")
    side.master()
    side.guest("-O", "check")
    side.guest("-q", "-O", "check")
    side.guest("-O", "Check")


def ends(side):
    side.master()
    side.guest("-O", "exit")
    side.masters_end()
    side.guest("-O", "exit")
    side.master()
    side.guest("-q", "-O", "exit")
    side.masters_end()


def ends_with_a_command(side):
    """Its own command runs, and a guest's too."""
    side.master(to=["echo up; cat"], stdin=subprocess.PIPE)
    side.m.wait_out("up")
    p = subprocess.Popen(side.control.argv(side.programs[1], to=["echo up; exec cat"]), stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=side.control.kit.env())
    assert p.stdout.readline() == b"up\n"
    side.guest("-O", "exit")
    side.masters_end()
    out, err = p.communicate(timeout=20)
    side.note("guest", p.returncode, out, side.plain(err))


def stop(side):
    side.master()
    side.guest("-O", "stop")
    side.masters_end()
    side.guest("-O", "stop")
    side.master("-q")
    side.guest("-q", "-O", "stop")
    side.masters_end()


def stop_with_guests(side):
    """One with -N ends with its last guest."""
    side.master()
    p = subprocess.Popen(side.control.argv(side.programs[1], to=["echo up; read x; exit 3"]), stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=side.control.kit.env())
    assert p.stdout.readline() == b"up\n"
    side.guest("-O", "stop")
    side.guest("-O", "check")
    side.note("runs", side.m.running())
    side.note("guest", p.communicate(b"\n", timeout=20), p.returncode)
    side.masters_end()


def stop_with_a_command(side):
    """One with a command of its own goes on."""
    side.master(to=["echo up; read x; exit 4"], stdin=subprocess.PIPE)
    side.m.wait_out("up")
    side.guest("-O", "stop")
    side.note("runs", side.m.running())
    side.m.proc.stdin.write(b"\n")
    side.m.proc.stdin.close()
    side.masters_end()


def stop_of_a_persistent(side):
    options = ["-o", "ControlMaster=auto", "-o", "ControlPersist=yes"]
    done = side.control.run(side.programs[0], *options, to=["exit 3"])
    side.note(done.returncode, side.plain(done.stdout), side.plain(done.stderr))
    check = side.guest("-O", "check")
    pid = int(re.search(rb"pid=(\d+)", check.stderr).group(1))
    side.guest("-O", "stop")
    wait_until(lambda: not is_alive(pid), 10, "the master's end")


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def forwards(side):
    side.master()
    near, far = side.port("NEAR"), side.port("FAR")
    side.guest("-O", "forward")
    side.guest("-O", "forward", "-L", f"{near}:127.0.0.1:9")
    side.guest("-O", "forward", "-L", f"{near}:127.0.0.1:9")
    side.guest("-O", "forward", "-R", f"{far}:127.0.0.1:9")
    side.guest("-O", "forward", "-R", "0:127.0.0.1:9", out=False)
    side.guest("-O", "forward", "-D", f"{near}")  # taken
    side.guest("-O", "forward", "-R", f"{side.server.port}:127.0.0.1:9")  # taken
    side.guest("-q", "-O", "forward", "-D", f"{near}")
    side.guest("-O", "cancel", "-L", f"{near}:127.0.0.1:9")
    side.guest("-O", "cancel", "-L", f"{near}:127.0.0.1:9")
    side.guest("-O", "cancel", "-R", f"{far}:127.0.0.1:9")
    side.guest("-O", "cancel", "-D", "127.0.0.1:1")
    side.guest("-O", "cancel")


def no_master(side):
    """A file that is none, a socket whose master is gone, a path that cannot be."""
    side.path.write_text("")
    side.guest("-O", "check")
    side.guest(to=["echo own"])
    side.path.unlink()
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(str(side.path))
    side.guest("-O", "check")
    side.guest("-O", "exit")
    side.guest(to=["echo own"])
    side.guest("-o", "ControlMaster=auto", to=["echo own"])
    side.note(side.path.exists())
    side.guest("-S", "/nonexistent/folder/socket", "-O", "stop")
    side.guest("-S", "/nonexistent/folder/socket", to=["echo own"])
    side.guest("-S", "none", "-O", "check")


def too_long(side):
    for n in (107, 108, 150):
        side.guest("-S", "/" + "x" * (n - 1), "-O", "check")
        side.guest("-S", "/" + "x" * (n - 1), to=["echo own"])


def words(side):
    side.guest("-O", "nonsense")
    side.guest("-O", "check", "-O", "exit")


def sessions(side):
    side.master()
    side.guest(to=["echo out; echo err >&2; exit 7"])
    side.guest("-n", to=["cat; echo end"], data=b"not read")
    side.guest(to=["kill -9 $$"])
    side.guest("-s", to=["nosuch"])
    side.guest("-t", to=["tty"])
    side.guest("-T", to=["tty"])
    side.guest("-q", to=["exit 256"])
    side.guest(to=["exit 255"])
    side.guest("-o", "RemoteCommand=echo remote")
    side.guest(data=b"echo shell\nexit 2\n")
    side.guest("-o", "StdinNull=yes", data=b"echo shell\nexit 2\n")


def terminals(side):
    side.master()
    side.guest("-tt", to=["stty -opost; test -t 0 && test -t 1 && test -t 2; echo $?; exit 3"])
    side.guest("-q", "-tt", to=["exit 3"])


def forwards_of_a_session(side):
    """They are set up in the master, and stay; where they cannot be had the guest connects by itself."""
    side.master()
    near = side.port("NEAR")
    side.guest("-L", f"{near}:127.0.0.1:9", to=["exit 3"])
    side.note(bool(traffic.listeners(near)))
    side.guest("-q", "-D", f"{near}", to=["exit 4"])
    side.guest("-R", "0:127.0.0.1:9", to=["exit 5"])
    side.guest("-q", "-o", "ExitOnForwardFailure=yes", "-D", f"{near}", to=["exit 6"])


def stdio(side):
    side.master()
    side.ports["ECHO"] = side.echo.port
    side.guest("-W", side.echo.target, data=b"")
    side.guest("-n", "-W", side.echo.target, data=b"not sent")
    side.guest("-W", "127.0.0.1:1", data=b"")


def in_the_background(side):
    """-f: back at once with 0; the command goes on."""
    side.master()
    p = subprocess.Popen(side.control.argv(side.programs[1], "-f", to=["read x; echo got $x; sleep 1; echo end"]),
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=side.control.kit.env())
    side.note(p.wait(20), p.communicate(timeout=20))
    side.guest("-f")


def taken(side):
    """A second master."""
    side.master()
    side.guest("-M", to=["exit 3"])
    side.guest("-M", "-o", "ControlPersist=yes", to=["exit 4"])
    side.guest("-o", "ControlMaster=auto", to=["exit 5"])


def minds(pid, number):
    """Whether a process catches a signal, or holds it back to read it."""
    with open(f"/proc/{pid}/status") as f:
        masks = re.findall(r"^Sig(?:Cgt|Blk):\s*([0-9a-f]+)", f.read(), flags=re.M)
    return any(int(mask, 16) >> (number - 1) & 1 for mask in masks)


def killed(side):
    """A signal to the master, and to a guest. (What the command says comes by the master: the guest may not be ready yet.)"""
    side.master()
    p = subprocess.Popen(side.control.argv(side.programs[1], to=["echo up; exec cat"]), stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=side.control.kit.env())
    assert p.stdout.readline() == b"up\n"
    wait_until(lambda: minds(p.pid, signal.SIGTERM), 20, "the guest's signals")
    p.send_signal(signal.SIGTERM)
    side.note("guest", p.wait(20), p.communicate()[1])
    p = subprocess.Popen(side.control.argv(side.programs[1], to=["echo up; exec cat"]), stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=side.control.kit.env())
    assert p.stdout.readline() == b"up\n"
    side.m.proc.kill()
    out, err = p.communicate(timeout=20)
    side.note("guest", p.returncode, out, side.plain(err))
    side.note(side.path.exists())


SCENES = [check, ends, ends_with_a_command, stop, stop_with_guests, stop_with_a_command, stop_of_a_persistent, forwards, no_master,
          too_long, words, sessions, terminals, forwards_of_a_session, stdio, in_the_background, taken, killed]
KNOWN = {}


@pytest.fixture
def adit(kit):
    """Called as ssh, it says no name of its own."""
    link = kit.folder / "ssh"
    link.symlink_to(ADIT)
    return str(link)


def play(kit, sshd, echo, scene, master, guest):
    side = Side(kit, sshd, echo, master, guest)
    scene(side)
    return side.log


@pytest.mark.parametrize("pair", ["adit-adit", "adit-ssh", "ssh-adit"])
@pytest.mark.parametrize("scene", SCENES, ids=[s.__name__ for s in SCENES])
def test_as_ssh(kit, sshd, echo, adit, scene, pair):
    if scene not in KNOWN:
        KNOWN[scene] = play(kit, sshd, echo, scene, SSH, SSH)
        for c in kit.clients:
            c.stop()
    master, guest = ({"adit": adit, "ssh": SSH}[name] for name in pair.split("-"))
    assert play(kit, sshd, echo, scene, master, guest) == KNOWN[scene]
