"""Certificates: of users (beside a key, named, in the agent) and of hosts (@cert-authority, and everything that makes one
wrong)."""
import shutil
import subprocess

import pytest

from harness import keys, servers, sk_agent, traffic
from harness.wait import wait_until
from test_hostkeys import args, connects


@pytest.fixture(scope="session")
def ca(key_folder):
    return keys.keygen(key_folder / "ca")


@pytest.fixture(scope="session")
def other_ca(key_folder):
    return keys.keygen(key_folder / "other_ca", "ecdsa", 384)


def certify(authority, public, target, *options, name="test"):
    """A certificate of the key in the file `public`, as the file target."""
    folder = target.parent / "making"
    folder.mkdir(exist_ok=True)
    shutil.copy(public, folder / "k.pub")
    subprocess.run(["ssh-keygen", "-q", "-s", str(authority), *(["-I", name] if "-I" not in options else []), *options, str(folder / "k.pub")], check=True,
                   stdin=subprocess.DEVNULL, capture_output=True)
    shutil.move(folder / "k-cert.pub", target)
    return target


# ---- users -----------------------------------------------------------------------------------------------------------

@pytest.fixture
def trusting(start, ca):
    """An sshd that takes nothing but certificates of this authority."""
    return start(servers.Sshd, {"TrustedUserCAKeys": str(ca) + ".pub"}, authorized=["# none"])


@pytest.fixture(params=list(keys.HOST_TYPES))
def typed_key(request, kit, key_folder):
    """A key of each type, without its public file, in a folder of its own."""
    return keys.copy_private(keys.make(key_folder, request.param), kit.folder / "id"), \
        f"{keys.make(key_folder, request.param)}.pub"


def works(kit, server, echo, *options, **kw):
    client, addr = kit.local(server, echo, *options, **kw)
    assert traffic.ask(addr) == b"ping"
    return client


def test_certificate_beside_a_key(kit, trusting, echo, ca, typed_key):
    """KEY-cert.pub is found by itself, also without KEY.pub, for every type of key."""
    key, public = typed_key
    certify(ca, public, kit.folder / "id-cert.pub", "-n", servers.ME)
    mark = trusting.mark()
    works(kit, trusting, echo, key=key)
    assert "-CERT" in trusting.text(mark)


@pytest.mark.quick
def test_the_certificate_comes_before_its_key(kit, start, echo, ca, user_key, adit_only):
    """A server that takes both is logged in to with the certificate; one that does not know the authority, with the key."""
    key = keys.copy_private(user_key, kit.folder / "id")
    certify(ca, f"{user_key}.pub", kit.folder / "id-cert.pub", "-n", servers.ME)
    both = start(servers.Sshd, {"TrustedUserCAKeys": str(ca) + ".pub"})
    mark = both.mark()
    works(kit, both, echo, key=key)
    assert "Accepted publickey" in both.text(mark) and "ED25519-CERT" in both.text(mark).split("Accepted publickey")[1]
    plain = start(servers.Sshd)
    works(kit, plain, echo, key=key)


@pytest.mark.quick
def test_certificate_file(kit, trusting, echo, ca, other_ca, user_key):
    """CertificateFile names one that lies elsewhere, and then none is looked for beside the key."""
    key = keys.copy_private(user_key, kit.folder / "id")
    certify(other_ca, f"{user_key}.pub", kit.folder / "id-cert.pub", "-n", servers.ME)
    assert kit.connect(trusting, "-N", key=key).finish() == 255
    named = certify(ca, f"{user_key}.pub", kit.folder / "elsewhere", "-n", servers.ME)
    works(kit, trusting, echo, "-o", f"CertificateFile={named}", key=key)


def test_certificate_with_the_key_in_the_agent(kit, trusting, echo, ca, user_key, ssh_agent):
    """The key is in the agent alone; its public file and its certificate are on disk."""
    shutil.copy(f"{user_key}.pub", kit.folder / "id.pub")
    certify(ca, f"{user_key}.pub", kit.folder / "id-cert.pub", "-n", servers.ME)
    works(kit, trusting, echo, key=kit.folder / "id", env={"SSH_AUTH_SOCK": ssh_agent(user_key)})


def test_certificate_in_the_agent(kit, trusting, echo, ca, user_key, ssh_agent):
    """ssh-add has put the certificate into the agent; no file is there."""
    key = keys.copy_private(user_key, kit.folder / "added")
    shutil.copy(f"{user_key}.pub", kit.folder / "added.pub")
    certify(ca, f"{user_key}.pub", kit.folder / "added-cert.pub", "-n", servers.ME)
    socket = ssh_agent(key)
    (kit.folder / "added-cert.pub").unlink()
    works(kit, trusting, echo, "-i", str(kit.folder / "none"), key=False, env={"SSH_AUTH_SOCK": socket})


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa"])
def test_certificate_of_a_security_key(kit, trusting, echo, service, ca, kind):
    """A security key in the agent, its certificate in a file: signed once."""
    held = service(sk_agent.SkAgent, kit.folder / "sk", kind)
    (kit.folder / "id.pub").write_text(held.public[0] + "\n")
    certify(ca, kit.folder / "id.pub", kit.folder / "id-cert.pub", "-n", servers.ME)
    works(kit, trusting, echo, key=kit.folder / "id", env={"SSH_AUTH_SOCK": held.path})
    assert held.touches == 1


@pytest.mark.parametrize("options", [["-n", "somebody-else"], ["-V", "-2d:-1d", "-n", servers.ME],
                                     ["-h", "-n", servers.ME]])
def test_user_certificates_that_will_not_do(kit, trusting, ca, user_key, options):
    """Another principal, expired, a host's: the server refuses (or it is not offered), and we end in order."""
    key = keys.copy_private(user_key, kit.folder / "id")
    certify(ca, f"{user_key}.pub", kit.folder / "id-cert.pub", *options)
    client = kit.connect(trusting, "-N", key=key)
    assert client.finish() == 255
    assert "Permission denied" in client.err.text


@pytest.mark.parametrize("listed, works_with", [("ssh-ed25519", False), ("ssh-ed25519-cert-v01@openssh.com", True)])
def test_accepted_algorithms(kit, trusting, echo, ca, user_key, listed, works_with):
    """PubkeyAcceptedAlgorithms knows the names of certificates, and keeps out what it does not name."""
    key = keys.copy_private(user_key, kit.folder / "id")
    certify(ca, f"{user_key}.pub", kit.folder / "id-cert.pub", "-n", servers.ME)
    option = ["-o", f"PubkeyAcceptedAlgorithms={listed}"]
    if works_with:
        works(kit, trusting, echo, *option, key=key)
    else:
        assert kit.connect(trusting, "-N", *option, key=key).finish() == 255


def test_locked_key_is_asked_for_once(kit, trusting, echo, ca, key_folder):
    """A certificate of an encrypted key: one question."""
    locked = keys.keygen(key_folder / "locked_for_cert", passphrase="pass phrase")
    key = keys.copy_private(locked, kit.folder / "id")
    certify(ca, f"{locked}.pub", kit.folder / "id-cert.pub", "-n", servers.ME)
    script = kit.folder / "askpass"
    script.write_text(f"#!/bin/sh\necho asked >>{kit.folder}/asked\necho 'pass phrase'\n")
    script.chmod(0o755)
    works(kit, trusting, echo, key=key, batch=False, env={"SSH_ASKPASS": str(script), "SSH_ASKPASS_REQUIRE": "force"})
    assert (kit.folder / "asked").read_text().count("asked") == 1


def test_user_certificate_with_asyncssh(kit, start, echo, ca, user_key):
    """asyncssh takes it by a cert-authority line."""
    server = start(servers.Asyncssh, authorized=[f"cert-authority {keys.public(ca)}"])
    key = keys.copy_private(user_key, kit.folder / "id")
    certify(ca, f"{user_key}.pub", kit.folder / "id-cert.pub", "-n", server.user)
    works(kit, server, echo, key=key)


# ---- hosts -----------------------------------------------------------------------------------------------------------

DAY = ["-V", "-1d:+1d"]


@pytest.fixture
def certified(start, base, key_folder, ca):
    """certified(*ssh-keygen options): an sshd with a certificate of its key."""
    def make(*options, kind="ed25519", authority=ca, alter=None):
        target = base / "host-certs" / f"{abs(hash((options, kind, str(authority), alter)))}.pub"
        target.parent.mkdir(exist_ok=True)
        certify(authority, f"{keys.make(key_folder, kind)}.pub", target, "-h", *options)
        if alter:
            alter(target)
        return start(servers.Sshd, {"HostCertificate": str(target)}, host_types=(kind,))
    return make


def trusts(kit, authority, names="*"):
    kit.known_hosts.write_text(f"@cert-authority {names} {keys.public(authority)}\n")


@pytest.mark.parametrize("kind", list(keys.HOST_TYPES))
def test_host_certificate(kit, certified, ca, kind):
    """A host of a trusted authority needs no line of its own, whatever the type of its key."""
    server = certified("-n", "127.0.0.1", *DAY, kind=kind)
    trusts(kit, ca)
    mark = server.mark()
    client = kit.run("-v", *args(kit, server, "-o", "StrictHostKeyChecking=yes"))
    assert connects(client)
    assert "-cert-v01@openssh.com" in client.err.text
    assert "publickey" in server.wait_log("Accepted", mark)


@pytest.mark.parametrize("kind", ["ecdsa", "rsa"])
def test_other_kinds_of_authority(kit, certified, key_folder, kind):
    """ECDSA and RSA authorities."""
    authority = keys.keygen(key_folder / f"ca_{kind}", kind, 2048 if kind == "rsa" else 521)
    server = certified("-n", "127.0.0.1", authority=authority)
    trusts(kit, authority)
    assert connects(kit.run(*args(kit, server, "-o", "StrictHostKeyChecking=yes")))


@pytest.mark.parametrize("options, why", [
    (["-n", "other.example,127.0.0.2"], "not a listed principal"),
    (["-n", "127.0.0.1", "-V", "-2d:-1d"], "expired"),
    (["-n", "127.0.0.1", "-V", "+1d:+2d"], "not yet valid"),
    (["-n", "127.0.0.1", "-O", "critical:new@example.org=1"], "critical option"),
])
def test_host_certificates_that_will_not_do(kit, certified, ca, options, why):
    """Another host's, expired, not yet valid, an option nobody knows: the reason is said, and without a line for the
    key itself there is no connection; with one there is."""
    server = certified(*options)
    trusts(kit, ca)
    mark = server.mark()
    client = kit.run(*args(kit, server, "-o", "StrictHostKeyChecking=yes"))
    assert client.finish() == 255
    assert why in client.err.text and "Host key verification failed" in client.err.text
    assert "Accepted" not in server.text(mark)
    with open(kit.known_hosts, "a") as f:
        f.write(server.known_hosts_lines())
    assert connects(kit.run(*args(kit, server, "-o", "StrictHostKeyChecking=yes")))


def test_principals_with_wildcards(kit, certified, ca, adit_only):
    """A host certificate for 127.0.0.* holds for 127.0.0.1; one without any principal holds for nobody."""
    server = certified("-n", "127.0.0.*")
    trusts(kit, ca)
    assert connects(kit.run(*args(kit, server, "-o", "StrictHostKeyChecking=yes")))
    nobody = certified(*DAY)
    client = kit.run(*args(kit, nobody, "-o", "StrictHostKeyChecking=yes"))
    assert client.finish() == 255 and "not a listed principal" in client.err.text


@pytest.mark.quick
def test_another_authority(kit, certified, other_ca):
    """Signed by an authority that is not the trusted one."""
    server = certified("-n", "127.0.0.1", *DAY)
    trusts(kit, other_ca)
    assert kit.run(*args(kit, server, "-o", "StrictHostKeyChecking=yes")).finish() == 255


def test_authority_for_other_hosts(kit, certified, ca):
    """The authority is trusted for other names only, or for another port."""
    server = certified("-n", "127.0.0.1", *DAY)
    for names in ("*.example", "[127.0.0.1]:1", f"*,![127.0.0.1]:{server.port},!127.0.0.1"):
        trusts(kit, ca, names)
        assert kit.run(*args(kit, server, "-o", "StrictHostKeyChecking=yes")).finish() == 255
    trusts(kit, ca, f"[127.0.0.1]:{server.port}")
    assert connects(kit.run(*args(kit, server, "-o", "StrictHostKeyChecking=yes")))


@pytest.mark.parametrize("whom", ["host", "ca"])
def test_revoked_in_known_hosts(kit, certified, key_folder, ca, whom):
    """@revoked for the host's key, or for the authority."""
    server = certified("-n", "127.0.0.1", *DAY)
    trusts(kit, ca)
    with open(kit.known_hosts, "a") as f:
        f.write(f"@revoked * {keys.public(server.host_keys[0] if whom == 'host' else ca)}\n")
    client = kit.run(*args(kit, server, "-o", "StrictHostKeyChecking=accept-new"))
    assert client.finish() == 255
    assert "revoked" in client.err.text.lower()


def test_signature_algorithms_of_authorities(kit, certified, ca):
    """CASignatureAlgorithms without the one that was used."""
    server = certified("-n", "127.0.0.1", *DAY)
    trusts(kit, ca)
    client = kit.run(*args(kit, server, "-o", "CASignatureAlgorithms=rsa-sha2-512", "-o", "StrictHostKeyChecking=yes"))
    assert client.finish() == 255
    assert "disallowed algorithm" in client.err.text


def test_host_certificate_of_asyncssh(kit, start, base, key_folder, ca):
    """The same from asyncssh."""
    key = keys.make(key_folder, "ed25519")
    cert = certify(ca, f"{key}.pub", base / "asyncssh-cert.pub", "-h", "-n", "127.0.0.1")
    server = start(servers.Asyncssh, host_certs=[str(cert)])
    trusts(kit, ca)
    assert connects(kit.run(*args(kit, server, "-o", "StrictHostKeyChecking=yes")))


def test_forged_host_certificate(kit, start, base, key_folder, ca):
    """A certificate whose signature is another's, though it names the trusted authority: refused, also where the key
    itself is known."""
    cert = certify(ca, f"{keys.make(key_folder, 'ed25519')}.pub", base / "forged-cert.pub", "-h", "-n", "127.0.0.2")
    server = start(servers.Asyncssh, host_certs=[str(cert)], forge=["127.0.0.2", "127.0.0.1"])
    trusts(kit, ca)
    with open(kit.known_hosts, "a") as f:
        f.write(server.known_hosts_lines())
    client = kit.run(*args(kit, server, "-o", "StrictHostKeyChecking=yes"))
    assert client.finish() == 255
    wait_until(lambda: "LOST" in server.text(), 5, "the server's word that the connection is over")
    assert "BEGIN" not in server.text()


# ---- lists of revoked keys ---------------------------------------------------------------------------------------------

def revoked(kit, server, path, *options):
    """Refuses, with the file's name."""
    mark = server.mark()
    client = kit.run(*args(kit, server, "-o", f"RevokedHostKeys={path}", "-o", "StrictHostKeyChecking=accept-new", *options))
    assert client.finish() == 255
    assert str(path) in client.err.text and "evoked" in client.err.text
    assert "Accepted" not in server.text(mark)


def krl(path, *specs, authority=None, kind=()):
    """A binary list made by ssh-keygen from lines of its own language."""
    spec = path.parent / "specification"
    spec.write_text("".join(f"{line}\n" for line in specs))
    subprocess.run(["ssh-keygen", "-q", "-k", "-f", str(path), *kind, *(["-s", f"{authority}.pub"] if authority else []),
                    str(spec)], check=True, capture_output=True)
    return path


@pytest.mark.quick
def test_revoked_plain_key(kit, sshd):
    """A key in a list of text, in a binary list, by fingerprint; though it is known."""
    kit.trust(sshd)
    text = kit.folder / "list"
    text.write_text(f"# gone\n{keys.public(sshd.host_keys[0])}\n")
    revoked(kit, sshd, text)
    revoked(kit, sshd, krl(kit.folder / "krl", f"key: {keys.public(sshd.host_keys[0])}"))
    revoked(kit, sshd, krl(kit.folder / "krl256", f"hash: {keys.fingerprint(sshd.host_keys[0])}"))
    revoked(kit, sshd, krl(kit.folder / "krl1", f"sha1: {keys.public(sshd.host_keys[0])}"))


@pytest.mark.parametrize("spec", ["serial: 77", "serial: 70-80", "id: the-host"])
def test_revoked_certificate(kit, certified, ca, key_folder, spec):
    """A certificate by its serial number, a range of them, its id; and not that of the other authority."""
    server = certified("-n", "127.0.0.1", "-z", "77", *DAY)
    by_id = certified("-n", "127.0.0.1", "-I", "the-host", *DAY)
    server = by_id if spec.startswith("id") else server
    trusts(kit, ca)
    revoked(kit, server, krl(kit.folder / "krl", spec, authority=ca))
    other = krl(kit.folder / "other", spec, authority=keys.make(key_folder, "ecdsa256"))
    assert connects(kit.run(*args(kit, server, "-o", f"RevokedHostKeys={other}", "-o", "StrictHostKeyChecking=yes")))


def test_revoked_authority(kit, certified, ca):
    """All that an authority has signed."""
    server = certified("-n", "127.0.0.1", *DAY)
    trusts(kit, ca)
    revoked(kit, server, krl(kit.folder / "krl", f"key: {keys.public(ca)}"))


@pytest.mark.quick
def test_a_list_that_cannot_be_read_revokes_all(kit, sshd):
    """Missing, a folder, damaged: no connection."""
    kit.trust(sshd)
    (kit.folder / "garbage").write_text("hello\n")
    good = krl(kit.folder / "krl", "serial: 1", authority=sshd.host_keys[0]).read_bytes()
    (kit.folder / "cut").write_bytes(good[:-1])
    for name in ("missing", "garbage", "cut", "."):
        revoked(kit, sshd, kit.folder / name if name != "." else kit.folder)
    (kit.folder / "empty").write_text("")
    assert connects(kit.run(*args(kit, sshd, "-o", f"RevokedHostKeys={kit.folder}/empty")))


def test_required_rsa_size(kit, start, key_folder):
    """RequiredRSASize keeps out shorter keys of hosts and users."""
    server = start(servers.Sshd, host_types=("rsa",))
    kit.trust(server)
    assert connects(kit.run(*args(kit, server, "-o", "RequiredRSASize=2048")))
    mark = server.mark()
    client = kit.run(*args(kit, server, "-o", "RequiredRSASize=3072"))
    assert client.finish() == 255
    assert "RequiredRSASize" in client.err.text
    assert "userauth" not in server.text(mark)
