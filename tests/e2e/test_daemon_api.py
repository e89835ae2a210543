"""The HTTP API of a daemon with a real server behind it: as programs drive it, and as strangers try to."""
import itertools
import os
import re
import resource
import socket

import pytest

from harness import traffic
from harness.daemon import Daemon
from harness.http import Api, Events
from harness.wait import wait_until

pytestmark = pytest.mark.usefixtures("adit_only")


@pytest.fixture
def d(kit, sshd):
    daemon = Daemon(kit, sshd, "Listen 127.0.0.1:0\n").start()
    yield daemon
    assert daemon.stop() == 0


@pytest.fixture
def api(d):
    return Api(d.socket)


@pytest.fixture
def tcp(d):
    host, port = re.search(r"listen=http://([\d.]+):(\d+)/", d.ready_line()).groups()
    return Api((host, int(port)), (d.state / "token").read_text().strip())


def definition(echo, name="web", **more):
    host, port = echo.target.rsplit(":", 1)
    return {"name": name, "host": "bastion", "port": None, "profile_id": "default", "jump_host_id": None,
            "jump_session_id": None, "forward_type": "local", "local_port": 0, "bind_address": "127.0.0.1",
            "remote_host": host, "remote_port": int(port), "auto_start": False, "auto_reconnect": True,
            "max_retries": 5, **more}


def address(t):
    host, _, port = t["listen"][0].rpartition(":")
    return host, int(port)


def code(answer):
    error = answer.json["error"]
    assert set(error) == {"code", "message", "field"}
    return answer.status, error["code"], error["field"]


@pytest.mark.parametrize("over", ["api", "tcp"])
def test_a_tunnels_life(over, request, echo):
    """Made, started, used, counted, changed, stopped, removed: the same over both."""
    a = request.getfixturevalue(over)
    made = a.ask("POST", "/tunnels", definition(echo))
    assert made.status == 201 and made.json["status"] == "disconnected", made
    path = made.headers["Location"]
    assert path == "/tunnels/" + made.json["id"] and re.fullmatch(r"/tunnels/tunnel_\d+_[0-9a-f]{8}", path)
    started = a.ask("POST", path + "/start?wait=60")
    assert started.status == 200 and started.json["state"] == "connected", started
    assert traffic.ask(address(started.json), b"x" * 70000) == b"x" * 70000
    counts = ("bytes_sent", "bytes_received", "connections_total", "connections_active")

    def now():
        t = a.ask("GET", path).json
        return [t[k] for k in counts]

    wait_until(lambda: now() == [70000, 70000, 1, 0], 20, now)
    assert code(a.ask("POST", path + "/start")) == (409, "running", None)
    assert a.ask("POST", path + "/start?idempotent=1").status == 200
    status = a.ask("GET", "/tunnels/status").json
    assert (status["up"], status["failed"]) == (1, 0) and status["tunnels"][0]["state"] == "connected"
    with socket.create_connection(address(started.json)) as s:
        s.sendall(b"hold")
        assert s.recv(4) == b"hold"
        listed = a.ask("GET", path + "/connections").json["connections"]
        assert [c["target"] for c in listed] == [echo.target]
        assert listed[0]["client"] == "127.0.0.1:%d" % s.getsockname()[1]
        assert listed[0]["bytes_sent"] == 4
    assert a.ask("POST", path + "/reconnect?wait=60").json["state"] == "connected"
    changed = a.ask("PUT", path, {"description": "the echo", "state": "failed"})
    assert changed.status == 200 and changed.json["description"] == "the echo", changed
    assert changed.json["state"] == "connected"  # that needs no restart
    stopped = a.ask("POST", path + "/stop")
    assert stopped.status == 200 and stopped.json["state"] == "disconnected" and stopped.json["listen"] == []
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address(started.json))
    assert a.ask("DELETE", path).status == 204
    assert code(a.ask("GET", path)) == (404, "not_found", None)
    assert a.ask("GET", "/tunnels").json == {"tunnels": []}


def test_all_with_auto_start(api, echo):
    ids = [api.ask("POST", "/tunnels", definition(echo, f"t{i}", auto_start=i > 0)).json["id"] for i in range(3)]
    done = api.ask("POST", "/tunnels/start-all").json
    assert sorted(done["started"]) == sorted(ids[1:]) and done["running"] == [] and done["failed"] == []
    wait_until(lambda: api.ask("GET", "/readyz").status == 200, 20)
    assert sorted(api.ask("POST", "/tunnels/start-all").json["running"]) == sorted(ids[1:])
    assert sorted(api.ask("POST", "/tunnels/stop-all").json["stopped"]) == sorted(ids[1:])
    not_ready = api.ask("GET", "/readyz")
    assert not_ready.status == 503 and sorted(not_ready.json["not_ready"]) == ["t1", "t2"]


def test_events(api, echo):
    """Each change is told once, in order; who comes back with the last id has missed nothing."""
    events = Events(api, "GET", "/events")
    path = api.ask("POST", "/tunnels", definition(echo)).headers["Location"]
    name, first, t = events.next()
    assert name == "tunnel" and t["name"] == "web"
    api.ask("POST", path + "/start?wait=60")
    seen = events.until(lambda name, at, t: t["state"] == "connected")
    assert api.ask("DELETE", path).status == 204
    gone = events.until(lambda name, at, t: name == "removed")
    assert gone[2] == {"id": t["id"]}
    events.close()
    again = Events(api, "GET", "/events", headers={"Last-Event-ID": str(first)})
    ids = []
    while not ids or ids[-1] != gone[1]:
        ids.append(again.next()[1])
    assert ids == list(range(first + 1, gone[1] + 1)) and seen[1] in ids
    again.close()
    lost = Events(api, "GET", "/events", headers={"Last-Event-ID": "999999"})
    assert lost.next()[0] == "reset"
    lost.close()


def test_events_of_an_earlier_daemon(api, d, echo):
    """Who comes back with the last id of a daemon that has gone is told that he has missed something."""
    events = Events(api, "GET", "/events")
    api.ask("POST", "/tunnels", definition(echo))
    last = events.next()[1]
    events.close()
    d.stop()
    d.start()
    lost = Events(api, "GET", "/events", headers={"Last-Event-ID": str(last)})
    name, now, _ = lost.next()
    assert name == "reset" and now > last
    lost.close()


def test_session(api, echo):
    """Its tunnels carry bytes as long as the stream is read, and are gone with it."""
    one = definition(echo)
    forwards = [{k: one[k] for k in ("forward_type", "local_port", "bind_address", "remote_host", "remote_port")}]
    forwards[0]["enabled"] = None  # null is the default
    forwards += [{**forwards[0], "enabled": False}]
    session = Events(api, "POST", "/sessions", {"host": "bastion", "port": None, "profile_id": "default",
                                                "forwards": forwards})
    name, _, t = session.next()
    assert name == "session" and t["origin"] == "session" and t["id"].startswith("session:tunnel_")
    assert re.fullmatch(r"Session forward :\d+", t["name"])
    if t["state"] != "connected":
        t = session.until(lambda name, at, t: t["state"] == "connected")[2]
    assert traffic.ask(address(t)) == b"ping"
    assert len(api.ask("GET", "/tunnels").json["tunnels"]) == 1
    assert code(api.ask("DELETE", "/tunnels/" + t["id"]))[:2] == (409, "read_only")
    session.close()
    wait_until(lambda: api.ask("GET", "/tunnels").json["tunnels"] == [], 20)


def test_strangers(tcp, d):
    """What a web page could make a browser send: none of it passes, and nothing hands out what would."""
    here = "%s:%d" % tcp.where
    stranger = Api(tcp.where)
    assert code(stranger.ask("GET", "/tunnels")) == (401, "unauthorized", None)
    assert code(stranger.ask("GET", "/tunnels", headers={"Authorization": "Bearer " + "0" * 64}))[0] == 401
    for host in ("evil.example", "evil.example:%d" % tcp.where[1], "127.0.0.1", ""):
        for path in ("/", "/healthz", "/tunnels"):
            assert code(tcp.ask("GET", path, headers={"Host": host})) == (403, "forbidden_host", None)
    for origin in ("http://evil.example", "null", "https://" + here):
        assert code(tcp.ask("GET", "/tunnels", headers={"Origin": origin})) == (403, "forbidden_origin", None)
    assert tcp.ask("GET", "/tunnels", headers={"Origin": "http://" + here}).status == 200
    assert stranger.ask("GET", "/healthz").json == {"status": "ok"}
    assert stranger.ask("GET", "/").status == 200
    assert tcp.ask("OPTIONS", "/tunnels", headers={"Origin": "http://" + here}).status == 405
    assert tcp.ask("POST", "/ui").status == 404 and tcp.ask("POST", "/reload").status == 404
    for answer in tcp.answers + stranger.answers:
        assert not [h for h in answer.headers if h.lower() == "set-cookie" or h.lower().startswith("access-control-")]
        assert tcp.token.encode() not in answer.body


@pytest.mark.parametrize("host", ["x;touch {0}", "$(touch {0})", "-oProxyCommand=touch {0}", "`touch {0}`", "a|touch {0}",
                                  "u@-oProxyCommand=x", "a\nb"])
def test_names_never_reach_a_shell(api, d, echo, tmp_path, host):
    d.ssh_config.write_text(d.ssh_config.read_text() + "Host *\n ProxyCommand echo %h\n")
    mark = tmp_path / "touched"
    for more in ({"host": host.format(mark)}, {"jump_host_id": host.format(mark)}):
        assert code(api.ask("POST", "/tunnels?start=1", definition(echo, **more)))[:2] == (400, "invalid_value")
    assert code(api.ask("POST", "/sessions", {"host": host.format(mark), "forwards": [
        {"forward_type": "dynamic", "local_port": 0}]}))[:2] == (400, "invalid_value")
    assert not mark.exists()


def leave_descriptors(d, free):
    """The daemon may open so many more; None: as many as ever."""
    pid, most = d.client.pid, resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    taken = {int(fd) for fd in os.listdir(f"/proc/{pid}/fd")}
    unused = (fd for fd in itertools.count() if fd not in taken)  # the lowest is the next one
    limit = most if free is None else next(itertools.islice(unused, free, None))
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (limit, most))


def test_a_start_without_descriptors(d, api, echo):
    """Whatever lacks: it is not what was asked for, and with descriptors it works."""
    path = api.ask("POST", "/tunnels", definition(echo)).headers["Location"]
    said = []
    for free in range(2, 12):  # the request has one
        leave_descriptors(d, free)
        answer = api.ask("POST", path + "/start")
        said.append(answer.status if answer.status == 200 else code(answer)[:2])
        leave_descriptors(d, None)
        if answer.status == 200:
            assert api.ask("POST", path + "/stop").status == 200
    assert set(said) <= {200, (500, "internal")} and (500, "internal") in said, said
    assert api.ask("POST", path + "/start?wait=60").json["status"] == "connected"


def test_an_auto_start_without_descriptors(d, api, echo):
    """Nobody waits for it: it is tried again."""
    states = []
    for free in range(2, 8):
        text, name = d.conf.read_text(), f"t{free}"
        d.configure(text + f"Tunnel {name}\n Via bastion\n LocalForward 0 {echo.target}\n AutoStart yes\n")
        leave_descriptors(d, free)
        answer = api.ask("POST", "/reload")
        leave_descriptors(d, None)
        if answer.status == 200:
            states.append(d.tunnel(name))
        else:
            assert code(answer)[:2] == (500, "internal"), answer
            d.configure(text)
    failed = [t for t in states if t["state"] == "failed"]
    assert failed and not any(t["permanent"] for t in failed) and all(t["next_retry_at"] for t in failed), states
    for t in states:
        d.wait_state(t["name"], "connected")


def profile_ids(api):
    answer = api.ask("GET", "/profiles")
    assert answer.status == 200, answer
    return {p["id"] for p in answer.json["profiles"]}


def test_profiles_beside_too_many_files(d, api, kit):
    """A pattern that looks at more names than are looked at hides no one else's."""
    crowd = kit.folder / "crowd"
    crowd.mkdir()
    for i in range(17000):
        (crowd / str(i)).symlink_to("/dev/null")
    d.configure(d.conf.read_text() + "Profile ops\n User bob\n")
    assert api.ask("POST", "/reload").status == 200
    d.ssh_config.write_text(d.ssh_config.read_text() + f"Include {crowd}/*\n")
    assert {"default", "ops", "bastion"} <= profile_ids(api)


def test_a_profile_of_the_given_ssh_config(d, api, echo):
    """What GET /profiles lists may be named by a tunnel of the configuration."""
    assert "bastion" in profile_ids(api)
    d.configure(d.conf.read_text() + f"Tunnel web\n Via bastion\n Profile bastion\n LocalForward 0 {echo.target}\n")
    answer = api.ask("POST", "/reload")
    assert answer.status == 200, answer
    assert api.ask("POST", "/tunnels/web/start?wait=60").json["status"] == "connected"


@pytest.mark.parametrize("path, body, headers, expected", [
    ("/tunnels", b"{}", {}, (415, "unsupported_media_type", None)),
    ("/tunnels", b"{}", {"Content-Type": "text/plain"}, (415, "unsupported_media_type", None)),
    ("/tunnels", b"{", {"Content-Type": "application/json"}, (400, "invalid_value", None)),
    ("/tunnels", b"[" * 17 + b"]" * 17, {"Content-Type": "application/json"}, (400, "invalid_value", None)),
    ("/tunnels", b" " * (1024 * 1024 + 1), {"Content-Type": "application/json"}, (413, "too_large", None)),
    ("/tunnels", b"{}", {"Content-Type": "application/json"}, (400, "missing_field", "name")),
    ("/nothing", b"{}", {"Content-Type": "application/json"}, (404, "not_found", None)),
    ("/healthz", b"{}", {"Content-Type": "application/json"}, (405, "method_not_allowed", None)),
])
def test_requests_that_are_wrong(api, path, body, headers, expected):
    assert code(api.ask("POST", path, body, headers)) == expected
    assert api.ask("GET", "/healthz").status == 200
