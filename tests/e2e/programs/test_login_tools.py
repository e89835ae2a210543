"""Programs that drive an interactive ssh: sshpass, mosh, lftp, and those that log in to many hosts."""
import subprocess

import pytest

from harness import keys, servers
from harness.wait import wait_until


@pytest.fixture
def passwords(start, system_user):
    """A server that takes passwords alone."""
    return start(servers.Sshd, user=system_user.name, fresh=True,
                 options={"PasswordAuthentication": "yes", "UsePAM": "yes", "PubkeyAuthentication": "no"})


@pytest.fixture
def sshpass(run, passwords, kit):
    kit.trust(passwords)

    def runner(password, known=kit.known_hosts, **kw):
        return run("sshpass", "-p", password, "ssh", "-F", "none", "-p", passwords.port, "-l", passwords.user, "-o",
                   f"UserKnownHostsFile={known}", "127.0.0.1", "echo in", **kw)
    return runner


def test_sshpass(sshpass, system_user):
    """It waits for "assword" on a terminal of its own, and knows a second question as a wrong password (status 5)."""
    assert sshpass(system_user.password).stdout == b"in\n"
    assert sshpass("wrong", check=False).returncode == 5


def test_sshpass_and_an_unknown_host(sshpass, system_user):
    """"The authenticity of host" is what it looks for (status 6)."""
    assert sshpass(system_user.password, "/dev/null", check=False).returncode == 6


def test_ssh_copy_id(run, start, system_user, tmp_path):
    """ssh-copy-id where it has something to copy, with sshpass around it; then the key alone gets in."""
    server = start(servers.Sshd, user=system_user.name, fresh=True,
                   options={"PasswordAuthentication": "yes", "UsePAM": "yes", "AuthorizedKeysFile": ".ssh/authorized_keys"})
    key = keys.keygen(tmp_path / "new")
    (tmp_path / "known").write_text(server.known_hosts_lines())
    to = ("-p", server.port, "-o", f"UserKnownHostsFile={tmp_path}/known", f"{server.user}@127.0.0.1")
    done = run("sshpass", "-p", system_user.password, "ssh-copy-id", "-i", f"{key}.pub", *to)
    assert b"Number of key(s) added: 1" in done.stdout
    line = keys.public(key)
    assert (system_user.home / ".ssh/authorized_keys").read_text().count(line) == 1
    assert run("ssh", "-i", key, "-oBatchMode=yes", *to, "echo in").stdout == b"in\n"


def test_lftp(run, box, kit, tmp_path, big):
    """lftp's sftp, which runs ssh with -a -x -s on a terminal of its own."""
    run("lftp", "-c", f"set net:max-retries 1; open -u {box.user},unused sftp://box:{box.port}; get {big} -o back; "
        f"put back -o {tmp_path}/there")
    assert (tmp_path / "there").read_bytes() == big.read_bytes()


def test_parallel_ssh(run, box, tmp_path):
    """parallel-ssh: output, errors and status of each host."""
    done = run("parallel-ssh", "-H", "box", "-H", "box", "-i", "-t", "20", "echo from-there; echo aside >&2")
    assert done.stdout.count(b"[SUCCESS] box") == 2 and done.stdout.count(b"from-there") == 2
    done = run("parallel-ssh", "-H", "box", "-i", "exit 7", check=False)
    assert b"Exited with error code 7" in done.stdout


@pytest.mark.parametrize("how", ["proxy", "remote", "local"])
def test_mosh(run, box, tmp_path, how):
    """mosh starts its server by `ssh -n -tt` with itself as ProxyCommand (or asks for $SSH_CONNECTION), reads the lines that
    it prints, and goes on by UDP."""
    there = tmp_path / "there"
    (tmp_path / "program").write_text(f"#!/bin/sh\nstty size >{there}\nexec cat\n")
    (tmp_path / "program").chmod(0o755)
    mosh = f"stty rows 33 cols 77; exec mosh --experimental-remote-ip={how} --ssh='ssh -o ServerAliveInterval=30' " \
           f"{'127.0.0.1' if how == 'local' else 'box'} -- {tmp_path}/program"
    with open(tmp_path / "home/.ssh/config", "a") as config:
        config.write((tmp_path / "home/.ssh/config").read_text().replace("Host box", "Host 127.0.0.1"))
    script = subprocess.Popen(["script", "-qec", mosh, "/dev/null"], env=run.env(TERM="xterm"), stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        wait_until(lambda: there.exists() and there.read_text() or script.poll() is not None, 20, "mosh's program")
        script.stdin.write(b"a word from here\n\x04")
        script.stdin.flush()
        out, _ = script.communicate(timeout=20)
    finally:
        script.kill()
    assert b"a word from here" in out and b"[mosh is exiting.]" in out, out
    assert there.read_text() == "33 77\n"
