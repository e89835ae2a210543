"""AditProxy: through an HTTP or SOCKS proxy, without another program."""
import re

import pytest

from harness import proxies, servers, traffic

SCHEMES = {"http": proxies.HttpProxy, "socks5": proxies.SocksProxy}

pytestmark = pytest.mark.usefixtures("adit_only")


def through(scheme, proxy, who=""):
    return ["-o", f"AditProxy={scheme}://{who}127.0.0.1:{proxy.port}"]


@pytest.mark.quick
@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_connects(kit, sshd, echo, service, scheme, together):
    """A stream through it, unchanged; also when the server's first bytes come along with the proxy's answer."""
    proxy = service(SCHEMES[scheme], together=together)
    client, addr = kit.local(sshd, echo, *through(scheme, proxy))
    assert traffic.ask(addr, b"x" * 300_000) == b"x" * 300_000
    assert proxy.targets == [("127.0.0.1", sshd.port)]
    assert servers.descendants(client.pid) == []


@pytest.mark.quick
@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_proxy_looks_the_name_up(kit, sshd, echo, service, scheme):
    """A name that only the proxy knows."""
    proxy = service(SCHEMES[scheme])
    kit.trust(sshd)
    client = kit.run(*kit.base(), *through(scheme, proxy), "-p", str(sshd.port), "-l", sshd.user, "-N", "only.there.test")
    assert client.finish() == 255  # this proxy knows it as little as we do
    assert proxy.targets == [("only.there.test", sshd.port)]


@pytest.mark.quick
@pytest.mark.parametrize("scheme", SCHEMES)
def test_credentials(kit, sshd, echo, service, scheme):
    """User and password, percent-encoded."""
    proxy = service(SCHEMES[scheme], user="me@home", password="a:b/c%")
    client, addr = kit.local(sshd, echo, *through(scheme, proxy, "me%40home:a%3Ab%2fc%25@"))
    assert traffic.ask(addr) == b"ping"
    client.stop()


@pytest.mark.quick
@pytest.mark.parametrize("who, text", [("", "wants credentials"), ("me:wrong-secret@", "refused the user name")])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_wrong_credentials(kit, sshd, service, scheme, who, text):
    """None, or wrong ones: 255, the proxy's name, and nothing secret in any output."""
    proxy = service(SCHEMES[scheme], user="me", password="right-secret")
    client = kit.connect(sshd, "-vvv", "-N", *through(scheme, proxy, who))
    assert client.finish() == 255
    assert f"proxy 127.0.0.1 port {proxy.port}: the proxy " in client.err.text and text in client.err.text
    assert "wrong-secret" not in client.err.text + client.out.text


@pytest.mark.quick
@pytest.mark.parametrize("scheme", SCHEMES)
def test_secrets_stay_secret(kit, sshd, echo, service, tmp_path, scheme):
    """From a file: neither the log at -vvv nor the process's arguments and environment show them."""
    proxy = service(SCHEMES[scheme], user="me", password="planted-secret")
    config = tmp_path / "config"
    config.write_text(f"IgnoreUnknown Adit*\nAditProxy {scheme}://me:planted-secret@127.0.0.1:{proxy.port}\n")
    config.chmod(0o600)
    kit.trust(sshd)
    base = kit.base()
    client = kit.run("-F", str(config), *base[2:], "-vvv", "-p", str(sshd.port), "-l", sshd.user, "-N", "-L",
                     f"0:{echo.target}", "127.0.0.1")
    assert traffic.ask(client.listening(1)[0].addr) == b"ping"
    for name in ("cmdline", "environ"):
        assert b"planted-secret" not in open(f"/proc/{client.pid}/{name}", "rb").read()
    client.stop()
    encoded = "bWU6cGxhbnRlZC1zZWNyZXQ"
    for text in (client.err.text, client.out.text):
        assert "planted-secret" not in text and encoded not in text


@pytest.mark.quick
@pytest.mark.parametrize("scheme, answer, text", [
    ("http", b"HTTP/1.1 403 Forbidden\r\n\r\n", "status 403"), ("http", b"SSH-2.0-OpenSSH_9.2\r\n", "not one of HTTP"),
    ("http", b"", "closed the connection"), ("http", b"HTTP/1.1 200", "closed the connection"),
    ("http", b"HTTP/1.1 200 ok\r\n" + b"A: b\r\n" * 20_000, "too long|reset|closed"),
    ("socks5", b"HTTP/1.1 400 Bad\r\n", "does not speak SOCKS 5"), ("socks5", b"", "closed the connection"),
    ("socks5", b"\x05\x00\x05\x00\x00\x01", "not asked yet")])
def test_answers(kit, sshd, service, scheme, answer, text):
    """What is no grant is an error in words of ours."""
    proxy = service(SCHEMES[scheme], answer=answer)
    client = kit.connect(sshd, "-N", *through(scheme, proxy))
    assert client.finish() == 255
    assert re.search(rf"proxy 127.0.0.1 port {proxy.port}: .*({text})", client.err.text), client.err.text


@pytest.mark.quick
def test_silent_proxy(kit, sshd, service):
    """ConnectTimeout counts for it, and a stop ends the wait."""
    mute = service(traffic.never_reader)
    client = kit.connect(sshd, "-o", "ConnectTimeout=1", "-N", *through("http", mute))
    assert client.finish() == 255
    assert "in time" in client.err.text
    client = kit.connect(sshd, "-v", "-N", *through("socks5", mute))
    client.wait_err("Asking the SOCKS proxy")
    assert client.stop() == 255


@pytest.mark.quick
def test_nobody_there(kit, sshd):
    client = kit.connect(sshd, "-N", "-o", f"AditProxy=http://127.0.0.1:{traffic.free_port()}")
    assert client.finish() == 255
    assert "refused" in client.err.text


@pytest.mark.quick
def test_through_our_own_dynamic_forward(kit, sshd, start, echo):
    """-D of one adit is the proxy of another one."""
    _, (_, port) = kit.dynamic(sshd)
    client, addr = kit.local(sshd, echo, "-o", f"AditProxy=socks5://localhost:{port}")
    assert traffic.ask(addr) == b"ping"


@pytest.mark.quick
@pytest.mark.parametrize("value", ["ftp://h:1", "http://h", "http://u:secret@h", "socks5://u:secret@h:0", "http://u:%zz@h:1"])
def test_bad_values(kit, value):
    """What is no proxy is an error that does not repeat the value."""
    client = kit.run(*kit.base(), "-o", f"AditProxy={value}", "-N", "host.invalid")
    assert client.finish() == 255
    assert "AditProxy" in client.err.text and "secret" not in client.err.text


@pytest.mark.quick
def test_a_jump_host_and_a_proxy(kit, sshd, start, echo, service, tmp_path):
    """The nearest hop goes through the proxy; what comes behind it goes through that hop."""
    proxy = service(proxies.HttpProxy)
    kit.trust(sshd)
    config = tmp_path / "config"
    config.write_text(f"UserKnownHostsFile {kit.known_hosts}\nIdentityFile {kit.key}\nIdentitiesOnly yes\n"
                      f"BatchMode yes\nAditProxy http://127.0.0.1:{proxy.port}\n")
    second = start(servers.Sshd, {}, ("rsa",))
    with open(kit.known_hosts, "a") as f:
        f.write(second.known_hosts_lines())
    client = kit.run("-F", str(config), "-J", f"{sshd.user}@127.0.0.1:{sshd.port}", "-p", str(second.port), "-l",
                     second.user, "-N", "-L", f"0:{echo.target}", "127.0.0.1")
    assert traffic.ask(client.listening(1)[0].addr) == b"ping"
    assert proxy.targets == [("127.0.0.1", sshd.port)]
