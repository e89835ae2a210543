"""Programs that run ssh: each does its work with a link of that name to adit."""
import os
import shutil
import subprocess

import pytest

from harness import client as client_module
from harness import servers, traffic

pytestmark = pytest.mark.skipif(client_module.IS_SSH, reason="of adit alone")


@pytest.fixture
def sshd(start):
    return start(servers.Sshd, log_level="INFO", options={"Subsystem": "sftp internal-sftp"})


@pytest.fixture
def link(kit, sshd, tmp_path):
    """A folder with a link `ssh`; `box` is the server in the user's own configuration."""
    kit.trust(sshd)
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "ssh").symlink_to(client_module.ADIT)
    ssh = kit.home / ".ssh"
    ssh.mkdir(mode=0o700)
    (ssh / "config").write_text(f"""Host box
    HostName 127.0.0.1
    Port {sshd.port}
    User {sshd.user}
    IdentityFile {kit.key}
    IdentitiesOnly yes
    UserKnownHostsFile {kit.known_hosts}
    BatchMode yes
""")
    return folder


@pytest.fixture
def run(kit, link, tmp_path):
    """Runs a program to its end, which must be a good one, with the link first in PATH."""
    def runner(*argv, check=True, **kw):
        env = kit.env(PATH=f"{link}:{os.environ['PATH']}", GIT_CONFIG_GLOBAL="/dev/null", GIT_AUTHOR_NAME="a",
                      GIT_AUTHOR_EMAIL="a@b", GIT_COMMITTER_NAME="a", GIT_COMMITTER_EMAIL="a@b", **kw.pop("more", {}))
        done = subprocess.run([str(a) for a in argv], env=env, capture_output=True, timeout=60, cwd=tmp_path, **kw)
        assert not check or done.returncode == 0, (argv, done.stdout[-2000:], done.stderr[-2000:])
        return done
    return runner


@pytest.fixture
def big(tmp_path):
    path = tmp_path / "big"
    with open(path, "wb") as f:
        for piece in traffic.pattern(8 << 20, 5):
            f.write(piece)
    return path


def test_git(run, tmp_path, big):
    """clone, commit, push and fetch, by the link in PATH and by GIT_SSH_COMMAND."""
    run("git", "init", "-q", "--bare", "-b", "main", tmp_path / "bare")
    run("git", "clone", "-q", f"box:{tmp_path}/bare", "one")
    shutil.copy(big, tmp_path / "one/file")
    run("git", "-C", "one", "checkout", "-q", "-b", "main")
    run("git", "-C", "one", "add", "file")
    run("git", "-C", "one", "commit", "-qm", "first")
    run("git", "-C", "one", "push", "-q", "origin", "main")
    run("git", "clone", "-q", f"ssh://box{tmp_path}/bare", "two",
        more={"GIT_SSH_COMMAND": f"{tmp_path}/bin/ssh -o ServerAliveInterval=30"})
    assert (tmp_path / "two/file").read_bytes() == big.read_bytes()
    assert run("git", "ls-remote", "box:/nonexistent", check=False).returncode == 128


def test_rsync(run, tmp_path, big):
    """There and back by rsync -e, and its exit status for a folder that is not there."""
    run("rsync", "-a", "-e", f"{tmp_path}/bin/ssh", big, f"box:{tmp_path}/there")
    run("rsync", "-a", "-e", "ssh -x -T", f"box:{tmp_path}/there", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == big.read_bytes()
    assert run("rsync", "-a", "-e", "ssh", "box:/nonexistent", tmp_path / "x", check=False).returncode == 23


@pytest.mark.parametrize("protocol", ["-s", "-O"])
def test_scp(run, tmp_path, big, protocol):
    """scp -S, with both of its protocols, there and back, a folder too."""
    (tmp_path / "folder/in").mkdir(parents=True)
    shutil.copy(big, tmp_path / "folder/in/file")
    run("scp", protocol, "-q", "-S", tmp_path / "bin/ssh", big, f"box:{tmp_path}/there")
    run("scp", protocol, "-q", "-S", tmp_path / "bin/ssh", f"box:{tmp_path}/there", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == big.read_bytes()
    run("scp", protocol, "-qr", "-S", tmp_path / "bin/ssh", "folder", f"box:{tmp_path}/copy")
    assert (tmp_path / "copy/in/file").read_bytes() == big.read_bytes()
    assert run("scp", protocol, "-S", tmp_path / "bin/ssh", "box:/nonexistent", "x", check=False).returncode in (1, 255)


def test_sftp(run, tmp_path, big):
    """sftp -S with a batch of commands."""
    batch = f"put {big} {tmp_path}/there\nget {tmp_path}/there {tmp_path}/back\nls {tmp_path}\nrm {tmp_path}/there\n"
    done = run("sftp", "-S", tmp_path / "bin/ssh", "-b", "-", "box", input=batch.encode())
    assert b"there" in done.stdout
    assert (tmp_path / "back").read_bytes() == big.read_bytes()
    assert not (tmp_path / "there").exists()


def test_tar_through_a_pipe(run, tmp_path, big):
    """tar | ssh tar, and back."""
    (tmp_path / "there").mkdir()
    (tmp_path / "back").mkdir()
    run("sh", "-c", f"tar cf - big | ssh box 'tar xf - -C {tmp_path}/there'")
    run("sh", "-c", f"ssh box 'cd {tmp_path}/there && tar cf - .' | tar xf - -C back")
    assert (tmp_path / "back/big").read_bytes() == big.read_bytes()


def test_ssh_copy_id(run, tmp_path):
    """ssh-copy-id logs in to see whether the key is there already (with what the configuration says it gets in)."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "new")], check=True)
    done = run("ssh-copy-id", "-n", "-i", tmp_path / "new.pub", "box")
    assert b"already exist on the remote system" in done.stderr
