"""git: by the link in PATH and by GIT_SSH_COMMAND."""
import shutil

import pytest


@pytest.fixture
def git(run):
    def runner(*words, more={}, **kw):
        return run("git", *words, more={"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_AUTHOR_NAME": "a", "GIT_COMMITTER_NAME": "a",
                                        "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_EMAIL": "a@b", **more}, **kw)
    return runner


@pytest.fixture
def bare(git, tmp_path):
    git("init", "-q", "--bare", "-b", "main", tmp_path / "bare")
    return tmp_path / "bare"


def commit(git, folder, file, word):
    shutil.copy(file, folder / word)
    git("-C", folder, "add", word)
    git("-C", folder, "commit", "-qm", word)


def test_git(git, bare, tmp_path, big):
    """clone, commit, push and fetch, by the link in PATH and by GIT_SSH_COMMAND."""
    git("clone", "-q", f"box:{bare}", "one")
    git("-C", "one", "checkout", "-q", "-b", "main")
    commit(git, tmp_path / "one", big, "file")
    git("-C", "one", "push", "-q", "origin", "main")
    git("clone", "-q", f"ssh://box{bare}", "two",
        more={"GIT_SSH_COMMAND": f"{tmp_path}/bin/ssh -o ServerAliveInterval=30"})
    assert (tmp_path / "two/file").read_bytes() == big.read_bytes()
    assert git("ls-remote", "box:/nonexistent", check=False).returncode == 128


def test_shared_connection(git, run, box, bare, tmp_path, big):
    """ControlMaster auto: the first call logs in, what follows goes over its connection, and git does not wait for the
    master that stays."""
    ssh = f"ssh -o ControlMaster=auto -o ControlPersist=60 -o ControlPath={tmp_path}/c"
    more = {"GIT_SSH_COMMAND": ssh}
    mark = box.mark()
    git("clone", "-q", f"ssh://box{bare}", "one", more=more)
    git("-C", "one", "checkout", "-q", "-b", "main")
    for word in ("first", "second"):
        commit(git, tmp_path / "one", big, word)
        git("-C", "one", "push", "-q", "origin", "main", more=more)
    git("clone", "-q", f"ssh://box{bare}", "two", more=more)
    git("-C", "two", "fetch", "-q", more=more)
    assert (tmp_path / "two/second").read_bytes() == big.read_bytes()
    assert box.text(mark).count("Accepted ") == 1
    run("ssh", "-O", "exit", "-S", tmp_path / "c", "box")


def test_how_git_asks(git, bare, tmp_path):
    """GIT_SSH with a program of another name: git asks it by -G whether it knows OpenSSH's options, and gives port and
    protocol only then."""
    (tmp_path / "mine").symlink_to(tmp_path / "bin/ssh")
    port = run_port(tmp_path)
    done = git("-c", "protocol.version=2", "ls-remote", f"ssh://box:{port}{bare}",
               more={"GIT_SSH": str(tmp_path / "mine"), "GIT_TRACE": "1"})
    assert b" -G " in done.stderr and b"SendEnv=GIT_PROTOCOL" in done.stderr and b"-p %d" % port in done.stderr


def run_port(folder):
    """The server's port, from the configuration."""
    return int((folder / "home/.ssh/config").read_text().split("Port ")[1].split()[0])
