"""The daemon's metrics, read by Prometheus's own parser: every name with its type and labels, and counts that are exact."""
import pytest
from prometheus_client.parser import text_string_to_metric_families
from test_daemon_api import address, definition

from harness import traffic
from harness.daemon import Daemon
from harness.http import Api, Events
from harness.wait import wait_until

pytestmark = pytest.mark.usefixtures("adit_only")

TUNNEL, TRANSPORT = {"tunnel"}, {"transport"}
SAMPLES = {  # name: type, labels
    "adit_build_info": ("gauge", {"version"}), "adit_tunnel_up": ("gauge", {"tunnel", "type"}),
    "adit_tunnel_state": ("gauge", {"tunnel", "state"}), "adit_tunnel_bytes_total": ("counter", {"tunnel", "direction"}),
    "adit_tunnel_connections_active": ("gauge", TUNNEL), "adit_tunnel_connections_total": ("counter", TUNNEL),
    "adit_tunnel_connection_failures_total": ("counter", {"tunnel", "reason"}), "adit_forward_bound": ("gauge", TUNNEL),
    "adit_tunnel_last_probe_timestamp_seconds": ("gauge", TUNNEL),
    "adit_transport_reconnects_total": ("counter", TRANSPORT), "adit_transport_rtt_seconds": ("gauge", TRANSPORT),
    "adit_transport_connected_timestamp_seconds": ("gauge", TRANSPORT), "adit_transport_rekeys_total": ("counter", TRANSPORT),
    "adit_auth_failures_total": ("counter", set()), "process_resident_memory_bytes": ("gauge", set()),
    "process_open_fds": ("gauge", set()), "process_start_time_seconds": ("gauge", set()),
}
STATES = {"disconnected", "idle", "connecting", "connected", "suspect", "degraded", "reconnecting", "failed"}
REASONS = {"refused", "prohibited", "timeout", "resolve", "local_refused", "denied"}
NAME = 'a "b" \\ ü {c="d"}'  # what a label must escape


@pytest.fixture
def d(kit, sshd):
    daemon = Daemon(kit, sshd)
    hosts = daemon.ssh_config.read_text()
    daemon.ssh_config.write_text(f"Host nobody\n HostName 127.0.0.1\n Port {sshd.port}\n User {sshd.user}\n"
                                 " IdentityFile /nowhere\n IdentitiesOnly yes\n PreferredAuthentications publickey\n"
                                 f" UserKnownHostsFile {kit.known_hosts}\n" + hosts.replace("Host *", "Host bastion"))
    daemon.start()
    yield daemon
    assert daemon.stop() == 0


@pytest.fixture
def read(d):
    def reader():
        """{sample: [(labels, value)]}; the text is one that the parser takes whole, with a type and a help of each family."""
        answer = Api(d.socket).ask("GET", "/metrics")
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        found = {}
        for family in text_string_to_metric_families(answer.body.decode()):
            assert family.documentation
            for s in family.samples:
                assert family.type == SAMPLES[s.name][0] and set(s.labels) == SAMPLES[s.name][1], s
                found.setdefault(s.name, []).append((s.labels, s.value))
        return found
    return reader


def of(found, name, **labels):
    """The one sample that has these labels."""
    (value,) = [v for have, v in found[name] if labels.items() <= have.items()]
    return value


def test_before_a_tunnel(read):
    found = read()
    assert set(found) == {"adit_build_info", "adit_auth_failures_total", "process_resident_memory_bytes", "process_open_fds",
                          "process_start_time_seconds"}
    assert of(found, "adit_build_info") == 1 and of(found, "adit_auth_failures_total") == 0


def test_all(d, read, echo, service):
    api = Api(d.socket)
    path = api.ask("POST", "/tunnels", definition(echo, NAME)).headers["Location"]
    t = api.ask("POST", path + "/start?wait=60").json
    for size in (1, 70000, 300001):
        assert len(traffic.ask(address(t), b"x" * size)) == size
    away = definition(echo, "away", remote_port=traffic.free_port())
    away = api.ask("POST", "/tunnels", away).headers["Location"]
    to_nobody = api.ask("POST", away + "/start?wait=60").json
    assert traffic.closes_without_data(address(to_nobody))
    with traffic.connect(address(t)) as s:
        s.sendall(b"hold")
        assert traffic.recv_exact(s, 4) == b"hold"
        total = 370002 + 4
        wait_until(lambda: of(read(), "adit_tunnel_bytes_total", tunnel=NAME, direction="received") == total, 20, read)
        found = read()
        assert of(found, "adit_tunnel_connections_active", tunnel=NAME) == 1
    assert set(SAMPLES) == set(found)
    assert of(found, "adit_tunnel_bytes_total", tunnel=NAME, direction="sent") == total
    assert {have["direction"] for have, _ in found["adit_tunnel_bytes_total"]} == {"sent", "received"}
    assert of(found, "adit_tunnel_connections_total", tunnel=NAME) == 4
    assert of(found, "adit_tunnel_up", tunnel=NAME, type="local") == 1 and of(found, "adit_forward_bound", tunnel=NAME) == 1
    states = {have["state"]: v for have, v in found["adit_tunnel_state"] if have["tunnel"] == NAME}
    assert states == {state: float(state == "connected") for state in STATES}
    wait_until(lambda: of(read(), "adit_tunnel_connection_failures_total", tunnel="away", reason="refused") == 1, 20, read)
    failures = {have["reason"]: v for have, v in read()["adit_tunnel_connection_failures_total"] if have["tunnel"] == "away"}
    assert failures == {reason: float(reason == "refused") for reason in REASONS}
    assert of(found, "adit_transport_reconnects_total") == 0 and of(found, "adit_transport_rekeys_total") == 0  # one transport for both
    start = of(found, "process_start_time_seconds")
    assert start <= of(found, "adit_transport_connected_timestamp_seconds") <= start + 600
    assert 100 * 1024 < of(found, "process_resident_memory_bytes") < 1 << 30 and of(found, "process_open_fds") > 5
    assert api.ask("POST", path + "/reconnect?wait=60").json["state"] == "connected"
    wait_until(lambda: of(read(), "adit_transport_reconnects_total") == 1, 20, read)
    refused = api.ask("POST", "/tunnels", definition(echo, "refused", host="nobody", profile_id="nobody")).headers["Location"]
    assert api.ask("POST", refused + "/start?wait=60").json["last_error_kind"] == "authentication"
    assert of(read(), "adit_auth_failures_total") == 1
    assert api.ask("DELETE", refused).status == 204
    assert all(have.get("tunnel") != "refused" for samples in read().values() for have, _ in samples)


def test_sessions_of_one_name(d, read, echo):
    """Two samples of one name and the same labels are an error: what is called alike has its id there."""
    api = Api(d.socket)
    host, port = echo.target.rsplit(":", 1)
    forward = {"forward_type": "local", "local_port": 0, "remote_host": host, "remote_port": int(port)}
    session = Events(api, "POST", "/sessions", {"host": "bastion", "forwards": [forward, forward]})
    both = [session.next()[2] for _ in range(2)]
    assert both[0]["name"] == both[1]["name"]
    for name, samples in read().items():
        labels = [sorted(have.items()) for have, _ in samples]
        assert not [one for one in labels if labels.count(one) > 1], name
    told = {have["tunnel"] for have, _ in read()["adit_tunnel_up"]}
    assert told == {both[0]["name"], both[1]["id"]}
    session.close()
