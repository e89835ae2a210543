"""sshfs -o ssh_command=: a folder of the server mounted here."""
import hashlib
import os
import shutil
import signal
import subprocess

import pytest

from harness.wait import wait_until


@pytest.fixture(scope="session")
def fuse():
    try:
        os.close(os.open("/dev/fuse", os.O_RDWR))
    except OSError as e:
        pytest.skip(f"/dev/fuse cannot be opened: {e.strerror}")


@pytest.fixture
def there(tmp_path):
    (tmp_path / "there").mkdir()
    return tmp_path / "there"


@pytest.fixture
def mount(fuse, spawn, link, there, tmp_path):
    """Mounts the folder `there` at `here`, in the foreground."""
    here = tmp_path / "here"
    here.mkdir()

    def mounter(*words, host="box"):
        client = spawn("sshfs", "-f", "-o", f"ssh_command={link}/ssh", *words, f"{host}:{there}", here)
        wait_until(lambda: os.path.ismount(here) or not client.running(), 20, lambda: client.err.text)
        assert client.running(), client.err.text
        return client, here

    yield mounter
    subprocess.run(["fusermount3", "-uqz", str(here)], check=False)


def test_files(mount, there, big):
    """Written here and read there, and the other way round; names, modes, links, folders; then unmounted in order."""
    client, here = mount("-o", "cache=no")
    shutil.copy(big, here / "file")
    assert (there / "file").read_bytes() == big.read_bytes()
    (here / "file").chmod(0o640)
    (here / "file").rename(here / "renamed")
    (here / "link").symlink_to("renamed")
    (here / "folder/in").mkdir(parents=True)
    (there / "folder/in/short").write_text("from there\n")
    assert (here / "folder/in/short").read_text() == "from there\n"
    assert hashlib.sha256((here / "link").read_bytes()).digest() == hashlib.sha256(big.read_bytes()).digest()
    assert (there / "renamed").stat().st_mode & 0o777 == 0o640
    assert sorted(os.listdir(here)) == ["folder", "link", "renamed"]
    shutil.rmtree(here / "folder")
    (here / "renamed").unlink()
    assert os.listdir(there) == ["link"]
    subprocess.run(["fusermount3", "-u", str(here)], check=True)
    assert client.finish() == 0


def test_options(mount, there, box, kit):
    """Without a configuration: all is said by sshfs's own words, which become -o and -p."""
    _, here = mount("-F", "none", "-p", box.port, "-o", "compression=yes,ServerAliveInterval=15,BatchMode=yes,"
                    f"IdentityFile={kit.key},UserKnownHostsFile={kit.known_hosts}", host=f"{box.user}@127.0.0.1")
    (here / "word").write_text("through zlib\n" * 1000)
    assert (there / "word").read_text() == "through zlib\n" * 1000


def test_reconnect(mount, there, box):
    """-o reconnect: the server's end is killed, and the mount works on."""
    _, here = mount("-o", "reconnect,cache=no")
    (there / "one").write_text("1")
    assert (here / "one").read_text() == "1"
    box.signal_sessions(signal.SIGKILL)
    (there / "two").write_text("2")

    def reads():
        try:
            return (here / "two").read_text() == "2"
        except OSError:  # what was under way when the connection ended
            return False
    wait_until(reads, 20, "the second connection")
