"""rsync, scp, sftp, tar and ssh-copy-id: each with a link named ssh to adit."""
import shutil
import subprocess

import pytest


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
