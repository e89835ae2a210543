"""proxychains4 and curl through -D: programs that know SOCKS, and programs that know nothing of it."""
import pytest

from harness import servers, traffic

PAGE = b"page of the server's side"


@pytest.fixture
def sshd(start, needs_root):
    """Its hosts file knows a name that is unknown here."""
    return start(servers.Sshd, hosts={"only.server.test": "127.0.0.1", "six.server.test": "::1"})


@pytest.fixture
def proxy(spawn):
    port = traffic.free_port_both()
    client = spawn("ssh", "-v", "-N", "-D", str(port), "-o", "ExitOnForwardFailure=yes", "box")
    client.wait_err("^Authenticated to ")
    return "127.0.0.1", port


@pytest.fixture
def webs(service):
    """The same page by IPv4 and by IPv6, on one port each."""
    return {4: service(traffic.http, PAGE), 6: service(traffic.http, PAGE, host="::1")}


TARGETS = pytest.mark.parametrize("host, family", [
    ("127.0.0.1", 4), ("[::1]", 6), ("only.server.test", 4), ("six.server.test", 6)])


@TARGETS
@pytest.mark.parametrize("how", ["--socks5", "--socks5-hostname", "--proxy"])
def test_curl(run, proxy, webs, how, host, family):
    """--socks5 looks names up here (and finds none), the others there."""
    address = f"socks5h://{proxy[0]}:{proxy[1]}" if how == "--proxy" else f"{proxy[0]}:{proxy[1]}"
    done = run("curl", "-sS", "--max-time", "20", how, address, f"http://{host}:{webs[family].port}/", check=False)
    if how == "--socks5" and host.endswith(".test"):
        assert done.returncode in (5, 6, 97)  # no address here
    else:
        assert (done.returncode, done.stdout) == (0, PAGE), done.stderr


@pytest.fixture
def chains(run, proxy, tmp_path):
    """proxychains4 PROGRAM, with the names left to the proxy."""
    path = tmp_path / "proxychains.conf"
    path.write_text(f"strict_chain\nproxy_dns\nremote_dns_subnet 224\n[ProxyList]\nsocks5 {proxy[0]} {proxy[1]}\n")

    def runner(*argv, **kw):
        return run("proxychains4", "-q", "-f", path, *argv, **kw)
    return runner


@TARGETS
def test_proxychains(chains, webs, host, family):
    """curl without a word about a proxy."""
    done = chains("curl", "-sS", "--max-time", "20", "--noproxy", "*", f"http://{host}:{webs[family].port}/")
    assert done.stdout == PAGE


def test_proxychains_with_nobody_there(chains):
    """A refused connection is one for the program, too."""
    assert chains("curl", "-sS", "http://127.0.0.1:9/", check=False).returncode == 7


def test_a_stream_both_ways(chains, service):
    """A program's own sockets: a half-close, and many bytes."""
    target = service(traffic.sink)
    program = ("import socket,sys; s=socket.create_connection(('only.server.test', int(sys.argv[1])))\n"
               "for i in range(64): s.sendall(b'x' * 65536)\n"
               "s.shutdown(socket.SHUT_WR); print(s.makefile().read().split()[0])")
    assert chains("/usr/bin/python3", "-c", program, str(target.port)).stdout == b"4194304\n"
