"""rsync, scp, sftp, tar and ssh-copy-id: each with a link named ssh to adit."""
import shutil
import subprocess

import pytest

from harness import servers


def test_rsync(run, tmp_path, big):
    """There and back by rsync -e, and its exit status for a folder that is not there."""
    run("rsync", "-a", "-e", f"{tmp_path}/bin/ssh", big, f"box:{tmp_path}/there")
    run("rsync", "-a", "-e", "ssh -x -T", f"box:{tmp_path}/there", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == big.read_bytes()
    assert run("rsync", "-a", "-e", "ssh", "box:/nonexistent", tmp_path / "x", check=False).returncode == 23


def test_rsync_with_options(run, box, kit, tmp_path, big):
    """Port, user and files by words of --rsh and of RSYNC_RSH, with a host that the configuration does not know; and the
    blocking I/O that rsync has for remote shells."""
    words = f"ssh -F none -p {box.port} -l {box.user} -i {kit.key} -oUserKnownHostsFile={kit.known_hosts} -o 'BatchMode yes'"
    run("rsync", "-a", f"--rsh={words}", big, f"127.0.0.1:{tmp_path}/there")
    run("rsync", "-a", "--blocking-io", f"127.0.0.1:{tmp_path}/there", tmp_path / "back", more={"RSYNC_RSH": words})
    assert (tmp_path / "back").read_bytes() == big.read_bytes()


@pytest.fixture
def second(block, start):
    """Another server, which is `far`."""
    return block("far", start(servers.Sshd, log_level="VERBOSE", host_types=("ecdsa256",),
                              options={"Subsystem": "sftp internal-sftp"}))


@pytest.mark.parametrize("protocol", ["-s", "-O"])
def test_scp_between_two(run, second, tmp_path, big, protocol):
    """scp -3: two of us at once, from one server to the other."""
    mark = second.mark()
    run("scp", protocol, "-3", "-S", tmp_path / "bin/ssh", f"box:{big}", f"far:{tmp_path}/there")
    assert (tmp_path / "there").read_bytes() == big.read_bytes()
    assert "Accepted publickey" in second.text(mark)


def test_scp_with_options(run, box, kit, tmp_path, big):
    """What scp hands on: port, key, file, options, a jump host, -C, -4, -q; and a rate."""
    words = ("-P", box.port, "-i", kit.key, "-F", "none", "-o", f"UserKnownHostsFile={kit.known_hosts}", "-oBatchMode=yes",
             "-C", "-4", "-q", "-p", "-l", "800000", "-c", "aes128-ctr")
    run("scp", "-S", tmp_path / "bin/ssh", *words, big, f"{box.user}@127.0.0.1:{tmp_path}/there")
    assert (tmp_path / "there").read_bytes() == big.read_bytes()


@pytest.mark.parametrize("program", ["scp", "sftp"])
def test_by_a_jump_host(run, second, box, tmp_path, big, program):
    """-J of scp and sftp."""
    mark = box.mark()
    run(program, "-q", "-S", tmp_path / "bin/ssh", "-J", "box", f"far:{big}", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == big.read_bytes()
    assert "Accepted publickey" in box.text(mark)


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


@pytest.mark.parametrize("words", [("-B", "1000"), ("-B", "261120", "-R", "1024"), ("-R", "1"), ("-C", "-p"), ("-l", "800000")])
def test_sftp_with_large_files(run, tmp_path, big, words):
    """Buffers and requests of other sizes: a batch of files, there and back, and one that is completed."""
    there = tmp_path / "there"
    there.mkdir()
    (there / "partial").write_bytes(big.read_bytes()[:3_000_000])
    for name in "ab":
        shutil.copy(big, tmp_path / f"file-{name}")
    batch = f"put {tmp_path}/file-? {there}\nlmkdir back\nget {there}/file-? back\n" \
            f"-ls /nonexistent\nreput {big} {there}/partial\n"
    run("sftp", "-S", tmp_path / "bin/ssh", *words, "-b", "-", "box", input=batch.encode())
    for path in (tmp_path / "back/file-a", tmp_path / "back/file-b", there / "partial"):
        assert path.read_bytes() == big.read_bytes()


def test_sftp_that_fails(run, tmp_path):
    """A failing command of a batch: 1; a host that is not there: 255."""
    assert run("sftp", "-S", tmp_path / "bin/ssh", "-b", "-", "box", input=b"get /nonexistent x\n", check=False).returncode == 1
    done = run("sftp", "-S", tmp_path / "bin/ssh", "-b", "-", "-P", "1", "127.0.0.1", input=b"", check=False)
    assert done.returncode == 255 and b"Connection refused" in done.stderr


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
