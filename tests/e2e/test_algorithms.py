"""Every key exchange, cipher, MAC and host key that both sides speak, against four servers."""
import re

import pytest

from harness import keys, servers, traffic

KEX = ["curve25519-sha256", "curve25519-sha256@libssh.org", "ecdh-sha2-nistp256", "ecdh-sha2-nistp384",
       "ecdh-sha2-nistp521"]
AEAD = ["chacha20-poly1305@openssh.com", "aes128-gcm@openssh.com", "aes256-gcm@openssh.com"]
CTR = ["aes128-ctr", "aes192-ctr", "aes256-ctr"]
MACS = ["hmac-sha2-256", "hmac-sha2-512", "hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com"]
HOST = {"ssh-ed25519": "ed25519", "ecdsa-sha2-nistp256": "ecdsa256", "ecdsa-sha2-nistp384": "ecdsa384",
        "ecdsa-sha2-nistp521": "ecdsa521", "rsa-sha2-512": "rsa", "rsa-sha2-256": "rsa"}
SNTRUP = ["sntrup761x25519-sha512@openssh.com", "sntrup761x25519-sha512"]  # OpenSSH before 9.9 has the first name alone
DATA = b"".join(traffic.pattern(300_000, 9))

PEERS = {  # what each server speaks of ours
    "openssh": dict(kex=[*SNTRUP[:1], *KEX], cipher=AEAD + CTR, mac=MACS, host=list(HOST)),
    "openssh10": dict(kex=["mlkem768x25519-sha256", *SNTRUP, *KEX], cipher=AEAD + CTR, mac=MACS, host=list(HOST)),
    "dropbear": dict(kex=KEX, cipher=["chacha20-poly1305@openssh.com", "aes128-ctr", "aes256-ctr"],
                     mac=["hmac-sha2-256"], host=["ssh-ed25519", "ecdsa-sha2-nistp256", "rsa-sha2-256"]),
    "asyncssh": dict(kex=KEX, cipher=AEAD + CTR, mac=MACS, host=list(HOST)),
}
CASES = [(peer, kind, name) for peer, lists in PEERS.items() for kind, names in lists.items() for name in names]


@pytest.fixture
def peer(start, request):
    def make(name):
        if name == "dropbear":
            return start(servers.Dropbear, request.getfixturevalue("system_user"),
                         host_types=("ed25519", "ecdsa256", "rsa"))
        if name == "asyncssh":
            return start(servers.Asyncssh, host_types=tuple(keys.HOST_TYPES))
        tree = request.getfixturevalue("openssh10") if name == "openssh10" else None
        return start(servers.Sshd, host_types=tuple(keys.HOST_TYPES), tree=tree)

    return make


def options(kind, name):
    if kind == "kex":
        return ["-o", f"KexAlgorithms={name}"]
    if kind == "cipher":
        return ["-o", f"Ciphers={name}"]
    if kind == "mac":
        return ["-o", "Ciphers=aes128-ctr", "-o", f"MACs={name}"]
    return ["-o", f"HostKeyAlgorithms={name}"]


# [RFC 4253 7.1e 7.2a 7.2b 8c] [RFC 5656 4c 4d 6.1a 6.3a 10.1a] [RFC 8731 3.1a]
@pytest.mark.parametrize("name, kind, algorithm", CASES)
def test_speaks(kit, peer, echo, name, kind, algorithm):
    """A tunnel with exactly this algorithm carries 300 kB both ways; OpenSSH's log names the algorithm."""
    server = peer(name)
    mark = server.mark()
    _, addr = kit.local(server, echo, *options(kind, algorithm))
    assert traffic.ask(addr, DATA) == DATA
    if name.startswith("openssh"):
        log = server.text(mark)
        if kind == "kex":
            assert f"kex: algorithm: {algorithm}" in log
        elif kind == "host":
            assert f"kex: host key algorithm: {algorithm}" in log
        else:
            assert len(re.findall(rf"kex: .*{re.escape(algorithm)}\b", log)) == 2


# [RFC 4253 7.2c]
@pytest.mark.quick
def test_keys_longer_than_the_hash(kit, sshd, echo):
    """64 bytes of key from a hash of 32: the second half is made from the first."""
    _, addr = kit.local(sshd, echo, "-o", "KexAlgorithms=curve25519-sha256", "-o", "Ciphers=chacha20-poly1305@openssh.com")
    assert traffic.ask(addr, DATA) == DATA


@pytest.mark.quick
def test_first_choice_with_openssh10(kit, peer, echo, adit_only):
    """The default with OpenSSH 10 is the hybrid post-quantum exchange, under strict key exchange."""
    server = peer("openssh10")
    mark = server.mark()
    client, addr = kit.local(server, echo, "-v")
    assert traffic.ask(addr) == b"ping"
    assert "kex: algorithm: mlkem768x25519-sha256" in server.text(mark)
    assert "kex: algorithm: mlkem768x25519-sha256" in client.err.text


# [RFC 4251 4.3a] [RFC 4253 7.1a]
@pytest.mark.quick
@pytest.mark.parametrize("spec, expected", [("^ecdh-sha2-nistp384", "ecdh-sha2-nistp384"),
                                            ("-curve25519*,mlkem*,sntrup*", "ecdh-sha2-nistp256"),
                                            ("ecdh-sha2-nistp521,curve25519-sha256", "ecdh-sha2-nistp521")])
def test_list_changes(kit, sshd, echo, spec, expected):
    """+, -, ^, wildcards and plain lists change the default."""
    mark = sshd.mark()
    _, addr = kit.local(sshd, echo, "-o", f"KexAlgorithms={spec}")
    assert traffic.ask(addr) == b"ping"
    assert f"kex: algorithm: {expected}" in sshd.text(mark)


@pytest.mark.quick
@pytest.mark.parametrize("keyword, ours, server_side, theirs", [
    ("Ciphers", "aes256-ctr", "Ciphers", "aes128-ctr"), ("KexAlgorithms", "ecdh-sha2-nistp256", "KexAlgorithms",
                                                         "curve25519-sha256"),
    ("HostKeyAlgorithms", "ecdsa-sha2-nistp521", "HostKeyAlgorithms", "ssh-ed25519")])
def test_nothing_in_common(kit, start, keyword, ours, server_side, theirs):
    """No common algorithm: exit 255 with the server's list, and ours, in the message."""
    server = start(servers.Sshd, {server_side: theirs})
    client = kit.connect(server, "-N", "-o", f"{keyword}={ours}")
    assert client.finish() == 255
    assert theirs in client.err.text
    from harness.client import IS_SSH
    if not IS_SSH:
        assert ours in client.err.text


@pytest.mark.quick
@pytest.mark.parametrize("option", ["KexAlgorithms=nonsense", "Ciphers=3des-cbc", "MACs=+nope", "Ciphers=-*",
                                    "HostKeyAlgorithms=ssh-dss,x"])
def test_unknown_names(kit, sshd, option, adit_only):
    """A name that does not exist, or a list of nothing, is refused before connecting, and named."""
    mark = sshd.mark()
    client = kit.connect(sshd, "-N", "-o", option)
    assert client.finish() == 255
    assert option.split("=")[0] in client.err.text or option.split("=")[1].strip("+-") in client.err.text
    assert "Connection from" not in sshd.text(mark)


def test_old_style_server_lists(kit, start, echo):
    """A server with one kex, ctr and plain HMAC only, as appliances have."""
    server = start(servers.Sshd, {"KexAlgorithms": "curve25519-sha256@libssh.org", "Ciphers": "aes128-ctr",
                                  "MACs": "hmac-sha2-256", "HostKeyAlgorithms": "rsa-sha2-256"}, host_types=("rsa",))
    _, addr = kit.local(server, echo)
    assert traffic.ask(addr, DATA) == DATA


@pytest.mark.quick
def test_a_changed_list_keeps_the_order(kit, sshd, echo, adit_only):
    """A name taken out of the list changes nothing about the order of the others, which depends on the CPU."""
    chosen = []
    for option in ([], ["-o", "Ciphers=-aes128-gcm@openssh.com"]):
        client, addr = kit.local(sshd, echo, "-v", *option)
        assert traffic.ask(addr, b"x") == b"x"
        chosen.append(re.search(r"client->server cipher: (\S+)", client.err.text).group(1))
        client.stop()
    assert chosen[0] == chosen[1]
