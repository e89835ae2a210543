"""Security keys as host keys (OpenSSH's PROTOCOL.u2f): an sshd whose key is in an agent that signs as a token does, and
certificates of such keys. The real ssh is asked too."""
import subprocess

import pytest

from harness import keys, servers, sk_agent, traffic
from test_certs import certify


@pytest.fixture(params=["ed25519", "ecdsa"])
def token(request, kit):
    agent = sk_agent.SkAgent(kit.folder / "token", request.param)
    agent.kind = request.param
    (kit.folder / "sk.pub").write_text(agent.public[0] + "\n")
    yield agent
    agent.close()


def sshd_of(start, kit, token, **more):
    return start(servers.Sshd, {"HostKey": str(kit.folder / "sk.pub"), "HostKeyAgent": token.path, **more}, host_types=(),
                 fresh=True)


def ssh_connects(server, kit):
    """What the real ssh makes of it."""
    argv = ["/usr/bin/ssh", *kit.base(), "-p", str(server.port), "-l", server.user, "127.0.0.1", "true"]
    return subprocess.run(argv, env=kit.env(), stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False).returncode == 0


@pytest.mark.quick
def test_known(kit, start, token, echo):
    """In known_hosts; and a wrong one there is refused."""
    server = sshd_of(start, kit, token)
    kit.known_hosts.write_text(f"[127.0.0.1]:{server.port} {token.public[0]}\n")
    client, addr = kit.local(server, echo, trust=False)
    assert traffic.ask(addr) == b"ping"
    assert token.touches > 0 and ssh_connects(server, kit)
    other = sk_agent.SkAgent(kit.folder / "other", token.kind)
    other.close()
    kit.known_hosts.write_text(f"[127.0.0.1]:{server.port} {other.public[0]}\n")
    refused = kit.connect(server, "-N", "-L", "0:127.0.0.1:1", trust=False)
    assert refused.finish() == 255 and "HOST IDENTIFICATION HAS CHANGED" in refused.err.text
    assert not ssh_connects(server, kit)


def test_new(kit, start, token, echo, adit_only):
    """accept-new writes it down, and it is the one that counts from then on. One of P-256 must be asked for at first."""
    server = sshd_of(start, kit, token)
    kit.known_hosts.write_text("")
    new = ["-o", "StrictHostKeyChecking=accept-new"]
    if token.kind == "ecdsa":
        refused = kit.connect(server, *new, "-N", trust=False)
        assert refused.finish() == 255
        assert "the peer's are sk-ecdsa-sha2-nistp256@openssh.com" in refused.err.text
        new += ["-o", "HostKeyAlgorithms=+sk-ecdsa-*"]
    _, addr = kit.local(server, echo, *new, trust=False)
    assert traffic.ask(addr) == b"ping"
    assert kit.known_hosts.read_text() == f"[127.0.0.1]:{server.port} {token.public[0]}\n"
    _, addr = kit.local(server, echo, trust=False)
    assert traffic.ask(addr) == b"ping"
    assert ssh_connects(server, kit)


def test_certified(kit, start, token, echo, key_folder):
    """A host certificate of such a key."""
    ca = keys.keygen(key_folder / "ca")
    cert = certify(ca, kit.folder / "sk.pub", kit.folder / "sk-cert.pub", "-h", "-n", "127.0.0.1")
    server = sshd_of(start, kit, token, HostCertificate=str(cert))
    kit.known_hosts.write_text(f"@cert-authority * {keys.public(ca)}\n")
    client, addr = kit.local(server, echo, trust=False)
    assert traffic.ask(addr) == b"ping"
    assert ssh_connects(server, kit)


def test_not_wanted(kit, start, token):
    """HostKeyAlgorithms without them: nothing in common."""
    server = sshd_of(start, kit, token)
    client = kit.connect(server, "-o", "HostKeyAlgorithms=-sk-*", "-N", "-L", "0:127.0.0.1:1", trust=False)
    assert client.finish() == 255
    assert "sk-" in client.err.text
