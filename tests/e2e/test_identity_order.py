"""Which keys are offered, and in which order: adit under the name ssh beside the real ssh, as the log of a server that takes
none of them has it."""
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from harness import keys, servers
from harness.client import ADIT
from test_certs import certify

pytestmark = pytest.mark.usefixtures("adit_only")
FAILED = re.compile(r"Failed publickey for \S+ from \S+ port \d+ ssh2: (.*)")


@pytest.fixture
def closed(start):
    """An sshd that takes no key, and waits for many."""
    return start(servers.Sshd, {"MaxAuthTries": "40"}, authorized=["# none"], log_level="VERBOSE")


@pytest.fixture
def link(tmp_path):
    path = tmp_path / "ssh"
    path.symlink_to(ADIT)
    return str(path)


@pytest.fixture
def files(tmp_path, key_folder):
    """Copies of a key of each kind, with their public halves, in a folder of the test's own."""
    made = {}
    for name in ("rsa", "ecdsa256", "ed25519"):
        source = keys.make(key_folder, name)
        made[name] = keys.copy_private(source, tmp_path / name)
        shutil.copy(f"{source}.pub", tmp_path / f"{name}.pub")
    return made


def real():
    ten = Path(servers.openssh10_tree() or "/nowhere") / "usr/bin/ssh"
    return [str(p) for p in ("/usr/bin/ssh", ten) if os.access(p, os.X_OK)]


def offered(server, program, args, agent=None, home=None):
    """What the server saw, one line a key: its kind and fingerprint, and what a certificate says."""
    mark = server.mark()
    env = {"HOME": str(home or "/nowhere"), "PATH": os.environ["PATH"]}
    if agent:
        env["SSH_AUTH_SOCK"] = agent
    argv = [program, *([] if "-F" in args else ["-F", "none"]), "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "-o",
            "UserKnownHostsFile=/dev/null", "-p", str(server.port), *args, "-l", server.user, "127.0.0.1", "true"]
    run = subprocess.run(argv, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 255 and "Permission denied" in run.stderr, run.stderr
    text = server.wait_log(r"Connection (closed|reset) by|Disconnected from|Received disconnect", mark)
    return FAILED.findall(text)


def same(server, link, args, agent=None):
    """The same keys in the same order as each real ssh; returns them. Two differences are meant: a key is not offered twice,
    and a certificate that lies beside its key comes before it, where ssh offers it behind."""
    ours = offered(server, link, args, agent)
    assert len(set(ours)) == len(ours)
    for program in real():
        theirs = list(dict.fromkeys(offered(server, program, args, agent)))
        assert sorted(ours) == sorted(theirs), program
        assert plain(ours) == plain(theirs), program
    return ours


def plain(lines):
    return [line for line in lines if "-CERT" not in line]


def of(*paths):
    return [keys.fingerprint(p) for p in paths]


def fingerprints(lines):
    return [re.search(r"SHA256:\S+", line)[0] for line in lines]


@pytest.mark.quick
def test_files(closed, link, files):
    seen = same(closed, link, ["-i", files["ed25519"], "-i", files["rsa"], "-i", files["ecdsa256"]])
    assert fingerprints(seen) == of(files["ed25519"], files["rsa"], files["ecdsa256"])


def test_a_file_twice(closed, link, files, tmp_path):
    """By the flag and by a file of configuration, and as a copy under another name."""
    copy = keys.copy_private(files["rsa"], tmp_path / "copy")
    (tmp_path / "conf").write_text(f"IdentityFile {files['rsa']}\nIdentityFile {copy}\nIdentityFile {files['ed25519']}\n")
    seen = same(closed, link, ["-F", tmp_path / "conf", "-i", files["rsa"], "-i", files["rsa"]])
    assert set(fingerprints(seen)) == set(of(files["rsa"], files["ed25519"]))


@pytest.mark.quick
def test_the_agent_first(closed, link, files, ssh_agent):
    """What an agent holds comes before files."""
    agent = ssh_agent(files["rsa"], files["ecdsa256"])
    seen = same(closed, link, ["-i", files["ed25519"]], agent)
    assert fingerprints(seen) == of(files["rsa"], files["ecdsa256"], files["ed25519"])


@pytest.mark.quick
def test_named_agent_keys_before_others(closed, link, files, ssh_agent):
    """An agent's key that a file names too comes before those that none does; then the other files."""
    agent = ssh_agent(files["rsa"], files["ecdsa256"])
    seen = same(closed, link, ["-i", files["ed25519"], "-i", files["ecdsa256"]], agent)
    assert fingerprints(seen) == of(files["ecdsa256"], files["rsa"], files["ed25519"])


def test_two_named_agent_keys(closed, link, files, ssh_agent):
    """Of several, which order counts: the files', or the agent's."""
    agent = ssh_agent(files["rsa"], files["ecdsa256"], files["ed25519"])
    seen = same(closed, link, ["-i", files["ed25519"], "-i", files["rsa"]], agent)
    assert len(seen) == 3


@pytest.mark.quick
def test_identities_only(closed, link, files, ssh_agent):
    agent = ssh_agent(files["rsa"], files["ecdsa256"])
    seen = same(closed, link, ["-o", "IdentitiesOnly=yes", "-i", files["ed25519"], "-i", files["ecdsa256"]], agent)
    assert fingerprints(seen) == of(files["ecdsa256"], files["ed25519"])


def test_a_public_file_names_an_agent_key(closed, link, files, ssh_agent):
    """-i KEY.pub, and a KEY.pub whose KEY is not there."""
    agent = ssh_agent(files["rsa"], files["ecdsa256"], files["ed25519"])
    files["ecdsa256"].unlink()
    same(closed, link, ["-o", "IdentitiesOnly=yes", "-i", f"{files['ed25519']}.pub", "-o", f"IdentityFile={files['ecdsa256']}"], agent)


def test_no_files(closed, link, files, ssh_agent):
    agent = ssh_agent(files["ed25519"], files["rsa"])
    seen = same(closed, link, ["-o", "IdentityFile=none"], agent)
    assert fingerprints(seen) == of(files["ed25519"], files["rsa"])


def test_no_agent(closed, link, files, ssh_agent):
    agent = ssh_agent(files["rsa"])
    seen = same(closed, link, ["-o", "IdentityAgent=none", "-i", files["ed25519"]], agent)
    assert fingerprints(seen) == of(files["ed25519"])


def test_only_some_algorithms(closed, link, files, ssh_agent):
    agent = ssh_agent(files["rsa"], files["ecdsa256"])
    seen = same(closed, link, ["-o", "PubkeyAcceptedAlgorithms=rsa-sha2-512,ssh-ed25519", "-i", files["ed25519"]], agent)
    assert fingerprints(seen) == of(files["rsa"], files["ed25519"])


@pytest.mark.parametrize("names", [(), ("ed25519",), ("rsa", "ed25519")], ids=["none", "first", "both"])
def test_certificates_beside_keys(closed, link, files, tmp_path, key_folder, ssh_agent, names):
    """KEY-cert.pub beside KEY; with the keys in files, and with some in the agent."""
    ca = keys.keygen(key_folder / "ca")
    for name in ("ed25519", "rsa"):
        certify(ca, f"{files[name]}.pub", tmp_path / f"{name}-cert.pub", "-n", servers.ME)
    plain = [keys.copy_private(files[n], tmp_path / f"plain_{n}") for n in names]
    agent = ssh_agent(*plain) if plain else None
    seen = same(closed, link, ["-i", files["ed25519"], "-i", files["ecdsa256"], "-i", files["rsa"]], agent)
    assert sum("-CERT" in line for line in seen) == 2


def test_certificate_files(closed, link, files, tmp_path, key_folder):
    ca = keys.keygen(key_folder / "ca")
    named = certify(ca, f"{files['rsa']}.pub", tmp_path / "named", "-n", servers.ME)
    certify(ca, f"{files['ed25519']}.pub", tmp_path / "ed25519-cert.pub", "-n", servers.ME)
    same(closed, link, ["-o", f"CertificateFile={named}", "-i", files["ed25519"], "-i", files["rsa"]])


def test_certificates_in_the_agent(closed, link, files, tmp_path, key_folder, ssh_agent):
    ca = keys.keygen(key_folder / "ca")
    certify(ca, f"{files['ed25519']}.pub", tmp_path / "ed25519-cert.pub", "-n", servers.ME)
    agent = ssh_agent(files["rsa"], files["ed25519"])  # ssh-add takes the certificate along
    same(closed, link, ["-i", files["ecdsa256"]], agent)
    same(closed, link, ["-i", files["ed25519"]], agent)


def test_sealed_keys(closed, link, tmp_path):
    """The public half of a key under a passphrase is in its file, or beside it: it is offered unopened."""
    new = keys.keygen(tmp_path / "new", passphrase="secret")
    pem = keys.keygen(tmp_path / "pem", "rsa", 2048, "secret", ["-m", "PEM"])
    (tmp_path / "new.pub").rename(tmp_path / "kept.pub")
    seen = same(closed, link, ["-i", pem, "-i", new])
    assert fingerprints(seen) == [*of(pem), *of(tmp_path / "kept")]


def defaults_of(text):
    return [line.split(" ")[1] for line in text.splitlines() if line.startswith("identityfile ")]


@pytest.mark.quick
def test_default_files(closed, link, files, tmp_path):
    """The default files in the real ssh's order, also under adit's own name."""
    home = tmp_path / "home"
    (home / ".ssh").mkdir(parents=True)
    for name, file in {"rsa": "id_rsa", "ecdsa256": "id_ecdsa", "ed25519": "id_ed25519"}.items():
        keys.copy_private(files[name], home / ".ssh" / file)
    seen = fingerprints(offered(closed, link, [], home=home))
    for program in real():
        listed = defaults_of(subprocess.run([program, "-F", "none", "-G", "h"], capture_output=True, text=True, check=True).stdout)
        there = [home / path[2:] for path in listed if (home / path[2:]).exists()]
        expected = [keys.fingerprint(tmp_path / {"id_rsa": "rsa", "id_ecdsa": "ecdsa256", "id_ed25519": "ed25519"}[p.name]) for p in there]
        assert seen == expected
    assert fingerprints(offered(closed, ADIT, [], home=home)) == seen


@pytest.mark.quick
def test_what_v_says(closed, link, files, tmp_path):
    """Programs look for these lines of -v."""
    run = {}
    for program in [link, *real()]:
        argv = [program, "-v", "-F", "none", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
                "-i", str(files["ed25519"]), "-i", str(files["rsa"]), "-p", str(closed.port), "-l", closed.user, "127.0.0.1", "true"]
        text = subprocess.run(argv, env={"HOME": str(tmp_path), "PATH": os.environ["PATH"]}, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=60, check=False).stderr
        words = re.compile(r"debug1: (identity file .* type -?\d+|Will attempt key: .*|Offering public key: .*?)(?: signed)?\r?$", re.M)
        run[program] = [w.strip() for w in words.findall(text)]
    # The real ssh tells what it sees beside each file, a certificate that is not there included.
    for program in real():
        theirs = [line for line in run[program] if "-cert type -1" not in line]
        assert run[link] == theirs, program
