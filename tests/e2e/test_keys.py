"""Private keys: every format and source, and every way in which one is unusable."""
import base64
import os
import subprocess

import pytest

from harness import keys, servers, traffic


@pytest.fixture(scope="session")
def formats(key_folder):
    """name -> key file in that format."""
    folder = key_folder / "formats"
    folder.mkdir()

    def make(name, kind, bits=None, *extra, passphrase=""):
        return keys.keygen(folder / name, kind, bits, passphrase, extra)

    return {
        "openssh-ed25519": make("openssh-ed25519", "ed25519"),
        "openssh-rsa": make("openssh-rsa", "rsa", 2048),
        "openssh-ecdsa256": make("openssh-ecdsa256", "ecdsa", 256),
        "openssh-ecdsa384": make("openssh-ecdsa384", "ecdsa", 384),
        "openssh-ecdsa521": make("openssh-ecdsa521", "ecdsa", 521),
        "pkcs1-rsa": make("pkcs1-rsa", "rsa", 2048, "-m", "PEM"),
        "pkcs8-rsa": make("pkcs8-rsa", "rsa", 3072, "-m", "PKCS8"),
        "pkcs8-ecdsa": make("pkcs8-ecdsa", "ecdsa", 256, "-m", "PKCS8"),
        "pkcs8-ecdsa521": make("pkcs8-ecdsa521", "ecdsa", 521, "-m", "PKCS8"),
        "sec1-ecdsa": make("sec1-ecdsa", "ecdsa", 384, "-m", "PEM"),
        "locked-ctr": make("locked-ctr", "ed25519", None, passphrase="pass phrase"),
        "locked-cbc": make("locked-cbc", "rsa", 2048, "-Z", "aes256-cbc", passphrase="pass phrase"),
        "locked-pem": make("locked-pem", "rsa", 2048, "-m", "PEM", passphrase="pass phrase"),
        "locked-pkcs8": make("locked-pkcs8", "ecdsa", 384, "-m", "PKCS8", passphrase="pass phrase"),
        "locked-gcm": make("locked-gcm", "ecdsa", 256, "-Z", "aes256-gcm@openssh.com", passphrase="pass phrase"),
    }


PLAIN = ["openssh-ed25519", "openssh-rsa", "openssh-ecdsa256", "openssh-ecdsa384", "openssh-ecdsa521", "pkcs1-rsa",
         "pkcs8-rsa", "pkcs8-ecdsa", "pkcs8-ecdsa521", "sec1-ecdsa"]
LOCKED = ["locked-ctr", "locked-cbc", "locked-gcm", "locked-pem", "locked-pkcs8"]


@pytest.fixture
def server(start, formats):
    return start(servers.Sshd, authorized=[keys.public(k) for k in formats.values()])


@pytest.fixture
def askpass(kit):
    def make(text):
        script = kit.folder / "askpass"
        script.write_text(f"#!/bin/sh\necho asked >>{kit.folder}/asked\necho '{text}'\n")
        script.chmod(0o755)
        return {"SSH_ASKPASS": str(script), "SSH_ASKPASS_REQUIRE": "force"}

    return make


def works(kit, server, echo, *args, **kw):
    _, addr = kit.local(server, echo, *args, **kw)
    assert traffic.ask(addr) == b"ping"


@pytest.mark.parametrize("name", PLAIN)
def test_plain_formats(kit, server, echo, formats, name):
    """Each key format logs in, without the public file beside it."""
    works(kit, server, echo, key=keys.copy_private(formats[name], kit.folder / "alone"))


@pytest.mark.parametrize("name", LOCKED)
def test_passphrase(kit, server, echo, formats, name, askpass):
    """Each cipher of an encrypted key file, with the passphrase by SSH_ASKPASS."""
    key = keys.copy_private(formats[name], kit.folder / "locked")
    works(kit, server, echo, key=key, batch=False, env=askpass("pass phrase"))


OPENSSH_CIPHERS = ["aes128-ctr", "aes192-ctr", "aes128-cbc", "aes192-cbc", "3des-cbc", "aes128-gcm@openssh.com"]
PEM_CIPHERS = ["-aes128", "-aes192", "-aes256", "-des3"]
PKCS8_WAYS = [["-v2", "aes-128-cbc"], ["-v2", "aes-192-cbc"], ["-v2", "aes-256-cbc"], ["-v2", "des3"], ["-v2", "aes-256-cbc", "-v2prf", "hmacWithSHA1"],
              ["-v2", "aes-256-cbc", "-v2prf", "hmacWithSHA512"], ["-scrypt"], ["-scrypt", "-scrypt_N", "1024", "-scrypt_r", "8", "-scrypt_p", "4"],
              ["-v1", "PBE-SHA1-3DES"]]


def read_by_ssh_keygen(path):
    return subprocess.run(["ssh-keygen", "-y", "-P", "pass phrase", "-f", str(path)], stdin=subprocess.DEVNULL, capture_output=True,
                          check=False).returncode == 0


def logs_in_with(kit, server, echo, askpass, path):
    """What ssh itself reads does, and without the public file beside it."""
    path.chmod(0o600)
    assert read_by_ssh_keygen(path)
    works(kit, server, echo, key=path, batch=False, env=askpass("pass phrase"))


@pytest.mark.parametrize("cipher", OPENSSH_CIPHERS)
def test_ciphers_of_openssh_files(kit, server, echo, formats, askpass, cipher):
    path = keys.copy_private(formats["openssh-ecdsa256"], kit.folder / "sealed")
    subprocess.run(["ssh-keygen", "-q", "-p", "-Z", cipher, "-P", "", "-N", "pass phrase", "-f", str(path)], check=True, capture_output=True)
    logs_in_with(kit, server, echo, askpass, path)


@pytest.mark.parametrize("cipher", PEM_CIPHERS)
@pytest.mark.parametrize("name", ["pkcs1-rsa", "sec1-ecdsa"])
def test_ciphers_of_pem_files(kit, server, echo, formats, askpass, name, cipher):
    """openssl's own encryption below DEK-Info."""
    path = kit.folder / "sealed"
    command = ["openssl", "rsa", "-traditional"] if "rsa" in name else ["openssl", "ec"]
    subprocess.run([*command, cipher, "-passout", "pass:pass phrase", "-in", str(formats[name]), "-out", str(path)], check=True, capture_output=True)
    assert "DEK-Info" in path.read_text()
    logs_in_with(kit, server, echo, askpass, path)


@pytest.mark.parametrize("way", PKCS8_WAYS, ids=lambda w: "".join(w).strip("-"))
def test_ciphers_of_pkcs8_files(kit, server, echo, formats, askpass, way):
    """Each derivation and cipher that openssl writes and ssh reads."""
    path = kit.folder / "sealed"
    subprocess.run(["openssl", "pkcs8", "-topk8", *way, "-passout", "pass:pass phrase", "-in", str(formats["pkcs8-ecdsa"]), "-out", str(path)],
                   check=True, capture_output=True)
    logs_in_with(kit, server, echo, askpass, path)


def test_scrypt_that_costs_too_much(kit, server, formats, askpass):
    """More memory than OpenSSL itself would take: refused, with what to do."""
    path = kit.folder / "sealed"
    subprocess.run(["openssl", "pkcs8", "-topk8", "-scrypt", "-scrypt_N", "16384", "-scrypt_r", "8", "-scrypt_p", "1", "-passout", "pass:pass phrase", "-in",
                    str(formats["pkcs8-ecdsa"]), "-out", str(path)], check=True, capture_output=True)
    lines = path.read_text().splitlines()
    der = base64.b64decode("".join(lines[1:-1])).replace(b"\x02\x02\x40\x00\x02\x01\x08", b"\x02\x02\x40\x00\x02\x01\x7f")
    path.write_text(f"{lines[0]}\n{base64.b64encode(der).decode()}\n{lines[-1]}\n")
    path.chmod(0o600)
    client = kit.connect(server, "-N", key=path, batch=False, env=askpass("pass phrase"))
    assert client.finish() == 255
    assert "encryption is not known" in client.err.text and "ssh-keygen -p" in client.err.text
    assert not read_by_ssh_keygen(path)


@pytest.mark.quick
def test_wrong_passphrase(kit, server, formats, askpass):
    """A wrong passphrase is asked for three times at the most, then the key is left out: exit 255."""
    key = keys.copy_private(formats["locked-ctr"], kit.folder / "locked")
    client = kit.connect(server, "-N", key=key, batch=False, env=askpass("wrong"))
    assert client.finish(30) == 255
    assert 1 <= len((kit.folder / "asked").read_text().splitlines()) <= 3


@pytest.mark.quick
def test_locked_key_in_batch_mode(kit, server, formats, askpass):
    """BatchMode: no passphrase is asked for."""
    client = kit.connect(server, "-N", key=keys.copy_private(formats["locked-ctr"], kit.folder / "locked"),
                         env=askpass("pass phrase"))
    assert client.finish() == 255
    assert not (kit.folder / "asked").exists()


def test_no_passphrase_for_a_key_that_is_refused(kit, sshd, formats, askpass):
    """A key that the server does not want: nobody is asked to unlock it (its public file says what it is)."""
    client = kit.connect(sshd, "-N", key=formats["locked-ctr"], batch=False, env=askpass("pass phrase"))
    assert client.finish() == 255
    assert not (kit.folder / "asked").exists()


@pytest.mark.quick
@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660])
def test_key_that_others_can_read(kit, sshd, user_key, mode):
    """A key file open to others is refused with its name and mode, as ssh refuses it."""
    key = keys.copy_private(user_key, kit.folder / "open", mode)
    client = kit.connect(sshd, "-N", key=key)
    assert client.finish() == 255
    assert str(key) in client.err.text and "0%o" % mode in client.err.text and "too open" in client.err.text


def damaged(good):
    lines = good.decode().splitlines()
    body = "".join(lines[1:-1])
    return {
        "empty": b"",
        "not a key": b"hello\n",
        "cut": good[: len(good) // 2],
        "bad base64": good.replace(body[10:14].encode(), b"!!!!", 1),
        "bytes changed": good.replace(body[60:64].encode(), b"AAAA", 1),
        "no end line": good[: good.rindex(b"-----END")],
        "binary": bytes(range(256)) * 40,
        "huge": b"-----BEGIN OPENSSH PRIVATE KEY-----\n" + b"A" * 3_000_000,
    }


@pytest.mark.quick
@pytest.mark.parametrize("what", ["empty", "not a key", "cut", "bad base64", "bytes changed", "no end line", "binary", "huge"])
def test_corrupt_key(kit, sshd, user_key, what):
    """A damaged key is named and left out; the connection fails in order (no crash, no hang)."""
    key = kit.folder / "corrupt"
    key.write_bytes(damaged(user_key.read_bytes())[what])
    key.chmod(0o600)
    client = kit.connect(sshd, "-N", key=key)
    assert client.finish() == 255
    assert str(key) in client.err.text


def test_corrupt_key_then_a_good_one(kit, sshd, echo, user_key):
    """After a key that cannot be used the next one is tried."""
    key = kit.folder / "corrupt"
    key.write_text("nonsense\n")
    key.chmod(0o600)
    works(kit, sshd, echo, "-i", str(user_key), key=key)


@pytest.mark.quick
def test_missing_key(kit, sshd, echo, user_key):
    """A key file that is not there is a warning with its name; others are tried."""
    client, addr = kit.local(sshd, echo, "-i", str(user_key), key=kit.folder / "missing")
    assert traffic.ask(addr) == b"ping"
    assert f"{kit.folder}/missing" in client.err.text


def test_rsa_too_large(kit, sshd, adit_only):
    """An RSA key above 4096 bits is beyond what is built in: said clearly."""
    key = keys.keygen(kit.folder / "large", "rsa", 4608)
    client = kit.connect(sshd, "-N", key=key)
    assert client.finish() == 255
    assert str(key) in client.err.text and "4096" in client.err.text


@pytest.mark.quick
def test_key_from_the_environment(kit, sshd, echo, user_key, adit_only):
    """-i env:VAR: the key's text in a variable, no file on disk."""
    works(kit, sshd, echo, "-i", "env:DEPLOY_KEY", "-o", "IdentitiesOnly=yes", key=False,
          env={"DEPLOY_KEY": user_key.read_text()})


@pytest.mark.quick
def test_key_in_adit_key(kit, sshd, echo, user_key, adit_only):
    """$ADIT_KEY is tried first, without any -i."""
    works(kit, sshd, echo, key=False, env={"ADIT_KEY": user_key.read_text()})


def test_adit_key_comes_before_files(kit, sshd, echo, user_key, formats, adit_only):
    """$ADIT_KEY goes before the -i files."""
    mark = sshd.mark()
    works(kit, sshd, echo, key=formats["openssh-ed25519"], env={"ADIT_KEY": user_key.read_text()})
    assert keys.fingerprint(formats["openssh-ed25519"]) not in sshd.text(mark)


@pytest.mark.quick
def test_key_from_a_descriptor(kit, sshd, echo, user_key, adit_only):
    """-i fd:N: the key's text from an open descriptor, read to its end."""
    r, w = os.pipe()
    os.write(w, user_key.read_bytes())
    os.close(w)
    works(kit, sshd, echo, "-i", f"fd:{r}", "-o", "IdentitiesOnly=yes", key=False, pass_fds=(r,))
    os.close(r)


@pytest.mark.parametrize("spec", ["env:NOT_THERE", "fd:99", "fd:x", "env:"])
def test_bad_sources(kit, sshd, spec, adit_only):
    """A variable or descriptor that is not there is named."""
    client = kit.connect(sshd, "-N", "-i", spec, "-o", "IdentitiesOnly=yes", key=False)
    assert client.finish() == 255
    assert f"Identity {spec}" in client.err.text


def test_default_files_of_home(kit, sshd, echo, user_key, adit_only):
    """Without -i the usual names under ~/.ssh are tried."""
    (kit.home / ".ssh").mkdir(mode=0o700)
    keys.copy_private(user_key, kit.home / ".ssh/id_ed25519")
    works(kit, sshd, echo, key=False)


def test_tilde_in_an_option(kit, sshd, echo, user_key, adit_only):
    """~ and %d in IdentityFile are the home folder."""
    keys.copy_private(user_key, kit.home / "mykey")
    works(kit, sshd, echo, "-o", "IdentityFile=~/mykey", key=False)
    works(kit, sshd, echo, "-o", "IdentityFile=%d/mykey", key=False)


def test_windows_line_ends_and_blanks(kit, sshd, echo, user_key, adit_only):
    """A key pasted with CR LF and blank lines around it still loads."""
    key = kit.folder / "pasted"
    key.write_bytes(b"\n" + user_key.read_bytes().replace(b"\n", b"\r\n") + b"\r\n\r\n")
    key.chmod(0o600)
    works(kit, sshd, echo, key=key)
