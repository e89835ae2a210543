"""The API's description of itself: accepted by a validator of OpenAPI, the same as the table of routes, and true. Every operation
in it is driven, and every answer held against it: its status, its media type, its members."""
import json
import re
import shutil
import subprocess

import jsonschema
import pytest
from test_daemon_api import definition

from harness import servers, traffic
from harness.client import Kit
from harness.daemon import Daemon
from harness.http import Api, Events
from harness.wait import wait_until

pytestmark = pytest.mark.usefixtures("adit_only")
FILE = servers.ROOT / "daemon/openapi.json"
DOC = json.loads(FILE.read_text())
METHODS = ("get", "put", "post", "delete")
OPERATIONS = [(method.upper(), path) for path, item in DOC["paths"].items() for method in METHODS if method in item]


def resolve(node):
    """What a $ref means."""
    while "$ref" in node:
        at = DOC
        for name in node["$ref"][2:].split("/"):
            at = at[name]
        node = at
    return node


def json_schema(node):
    """A schema of OpenAPI 3.0 as one of JSON Schema. An object has no members but those that are described."""
    node = dict(resolve(node))
    if "properties" in node:
        node["properties"] = {k: json_schema(v) for k, v in node["properties"].items()}
        node.setdefault("additionalProperties", False)
    if "items" in node:
        node["items"] = json_schema(node["items"])
    if "anyOf" in node:
        node["anyOf"] = [json_schema(v) for v in node["anyOf"]]
    return {"anyOf": [node, {"type": "null"}]} if node.pop("nullable", False) else node


def check(schema, value):
    jsonschema.Draft7Validator(json_schema(schema), format_checker=jsonschema.draft7_format_checker).validate(value)


def operation(method, path):
    return DOC["paths"][path][method.lower()]


def example(method, path):
    """A body that the document shows, where there is to be one."""
    body = operation(method, path).get("requestBody")
    return resolve(body["content"]["application/json"]["schema"])["example"] if body else None


class Checked:
    """An API whose answers are held against the document. `done` is what was asked so far."""

    def __init__(self, api):
        self.api, self.done = api, set()

    def said(self, method, template, status, media):
        """The schema of an answer, or None for one that is not JSON. media: of the answer that came."""
        self.done.add((method, template, status))
        answers = operation(method, template)["responses"]
        assert str(status) in answers, f"{method} {template} answers {status}"
        content = resolve(answers[str(status)]).get("content", {})
        media = (media or "").split(";")[0]
        assert media in content if content else not media, f"{method} {template} {status}: {media}"
        return content[media]["schema"] if media == "application/json" else None

    def ask(self, method, template, body=None, query="", headers=None, **parts):
        answer = self.api.ask(method, template.format(**parts) + query, body, headers)
        schema = self.said(method, template, answer.status, answer.headers["Content-Type"])
        if schema:
            check(schema, answer.json)
        return answer

    def stream(self, method, template, body=None):
        events = Events(self.api, method, template, body)
        self.said(method, template, events.answer.status, events.answer.headers["Content-Type"])
        return events


@pytest.fixture(scope="module")
def d(tmp_path_factory, user_key, sshd):
    kit = Kit(tmp_path_factory.mktemp("daemon"), user_key)
    daemon = Daemon(kit, sshd, 'Listen 127.0.0.1:0\nTunnel fixed\n Via bastion\n DynamicForward 0\n').start()
    yield daemon
    assert daemon.stop() == 0
    kit.close()


@pytest.fixture
def api(d):
    return Checked(Api(d.socket))


@pytest.fixture
def tcp(d):
    host, port = re.search(r"listen=http://([\d.]+):(\d+)/", d.ready_line()).groups()
    return Checked(Api((host, int(port)), (d.state / "token").read_text().strip()))


def test_is_openapi(tcp):
    assert tcp.ask("GET", "/openapi.json").body == FILE.read_bytes()
    run = subprocess.run(["node", servers.ROOT / "tests/e2e/programs/openapi.mjs"], stdin=open(FILE, "rb"), capture_output=True, text=True,
                         check=False, timeout=60)
    assert run.stdout == "[]\n", run.stdout + run.stderr


def test_examples():
    """What it shows is what it describes."""
    seen = []

    def walk(node):
        if isinstance(node, dict):
            if "example" in node and "type" in node:
                check(node, node["example"])
                seen.append(node)
            for v in node.values():
                walk(v)
        elif isinstance(node, list):
            for v in node:
                walk(v)

    walk(DOC)
    assert len(seen) >= 5


def test_has_every_route():
    table = (servers.ROOT / "daemon/api_routes.c").read_text()
    assert sorted(re.findall(r'^    \{"(\w+)", "([^"]+)", ', table, re.M)) == sorted(OPERATIONS)
    ids = [operation(*o)["operationId"] for o in OPERATIONS]
    assert len(set(ids)) == len(ids)


def test_every_operation(api, echo):
    """Each with an answer that is no error, and what is refused behind it."""
    events = api.stream("GET", "/events")
    new = definition(echo)
    check(DOC["components"]["schemas"]["TunnelNew"], new)
    t = api.ask("POST", "/tunnels", new).json
    kind, _, told = events.next()
    assert kind == "tunnel" and told["id"] == t["id"]
    check(DOC["components"]["schemas"]["Tunnel"], told)
    one = {"id": t["id"]}
    assert api.ask("POST", "/tunnels/{id}/start", query="?wait=60", **one).json["state"] == "connected"
    assert api.ask("POST", "/tunnels/{id}/start", **one).status == 409
    with socket_to(api.ask("GET", "/tunnels/{id}", **one).json) as s:
        s.sendall(b"hold")
        assert s.recv(4) == b"hold"
        assert len(api.ask("GET", "/tunnels/{id}/connections", **one).json["connections"]) == 1
    for path in ("/", "/tunnels", "/tunnels/status", "/profiles", "/logs", "/healthz", "/readyz", "/version", "/metrics", "/openapi.json"):
        assert api.ask("GET", path).status == 200
    assert api.ask("GET", "/logs", query="?json=1&n=5").json["lines"]
    assert api.ask("PUT", "/tunnels/{id}", DOC["components"]["schemas"]["TunnelChange"]["example"], **one).status == 200
    assert api.ask("POST", "/tunnels/{id}/reconnect", query="?wait=60", **one).status == 200
    assert api.ask("GET", "/tunnels/{id}/prompt", **one).json["prompt"] is None
    assert api.ask("POST", "/tunnels/{id}/prompt", {"id": 1, "answer": None}, **one).status == 409
    assert api.ask("POST", "/tunnels/{id}/trust", {"fingerprint": "SHA256:x"}, **one).status == 409
    for path in ("/tunnels/start-all", "/reload", "/ui"):
        assert api.ask("POST", path).status == 200
    assert api.ask("POST", "/reload", {"check": ""}).json["unchanged"] == 1
    assert api.ask("POST", "/reload", {"check": "/nowhere"}).status == 400
    forward = {k: new[k] for k in ("forward_type", "local_port", "bind_address", "remote_host", "remote_port")}
    session_new = {"host": "bastion", "port": None, "profile_id": "default", "forwards": [forward]}
    check(DOC["components"]["schemas"]["SessionNew"], session_new)
    session = api.stream("POST", "/sessions", session_new)
    kind, _, told = session.next()
    assert kind == "session"
    check(DOC["components"]["schemas"]["Tunnel"], told)
    assert api.ask("DELETE", "/tunnels/{id}", id=told["id"]).status == 409
    session.close()
    mcp = example("POST", "/mcp")
    session = api.stream("POST", "/mcp", mcp)
    listed = api.ask("POST", "/mcp/{id}/call", example("POST", "/mcp/{id}/call"), id=mcp["id"]).json
    assert not listed["isError"] and "web" in listed["content"][0]["text"]
    session.close()
    assert api.ask("POST", "/tunnels/{id}/stop", **one).status == 200
    assert api.ask("POST", "/tunnels/stop-all").status == 200
    assert api.ask("POST", "/tunnels", new).status == 409
    assert api.ask("DELETE", "/tunnels/{id}", id="fixed").status == 409
    assert api.ask("DELETE", "/tunnels/{id}", **one).status == 204
    assert events.until(lambda kind, at, data: kind == "removed" and data["id"] == t["id"])
    events.close()
    for method, path in OPERATIONS:
        if "{id}" in path:
            assert api.ask(method, path, example(method, path), id="gone").status == 404
    good = {(method, path) for method, path, status in api.done if status < 300}
    assert set(OPERATIONS) - good == {("POST", "/tunnels/{id}/prompt"), ("POST", "/tunnels/{id}/trust")}  # another's test: need a question


def socket_to(t):
    host, _, port = t["listen"][0].rpartition(":")
    return traffic.connect((host, int(port)))


def test_an_answered_question(kit, sshd, echo):
    """The two that need one: an unknown host key, and a passphrase."""
    key = kit.folder / "locked"
    shutil.copy(kit.key, key)
    subprocess.run(["ssh-keygen", "-q", "-p", "-P", "", "-N", "secret", "-f", key], check=True, capture_output=True)
    daemon = Daemon(kit, sshd, trust=False)
    daemon.ssh_config.write_text(daemon.ssh_config.read_text().replace(f"IdentityFile {kit.key}", f"IdentityFile {key}"))
    daemon.start()
    api = Checked(Api(daemon.socket))
    one = {"id": api.ask("POST", "/tunnels", definition(echo)).json["id"]}
    failed = api.ask("POST", "/tunnels/{id}/start", query="?wait=60", **one).json
    assert failed["last_error_kind"] == "host-key" and failed["permanent"]
    assert api.ask("POST", "/tunnels/{id}/trust", {"fingerprint": failed["host_key"]["fingerprint"]}, **one).status == 200
    api.ask("GET", "/tunnels/{id}/prompt", **one)  # somebody is there to answer
    api.ask("POST", "/tunnels/{id}/start", **one)
    asked = api.ask("GET", "/tunnels/{id}/prompt", query="?wait=30", **one).json["prompt"]
    assert asked["kind"] == "secret" and "passphrase" in asked["text"]
    assert api.ask("POST", "/tunnels/{id}/prompt", {"id": asked["id"], "answer": "secret"}, **one).status == 204
    wait_until(lambda: api.ask("GET", "/tunnels/{id}", **one).json["state"] == "connected", 20)
    assert daemon.stop() == 0


def test_bodies(api, echo):
    """What the document calls wrong is refused, and the field named; what it calls right is taken."""
    new = definition(echo, "bodies")
    schema = DOC["components"]["schemas"]["TunnelNew"]
    for name in schema["required"]:
        answer = api.ask("POST", "/tunnels", {k: v for k, v in new.items() if k != name})
        assert (answer.status, answer.json["error"]["code"], answer.json["error"]["field"]) == (400, "missing_field", name)
    for name in schema["properties"]:
        for value in ({}, [], True, 1.5, -1, "", "x" * 5000, "\x01"):
            body = {**new, name: value}
            try:
                check(schema, body)
            except jsonschema.ValidationError:
                answer = api.ask("POST", "/tunnels", body)
                error = answer.json["error"]
                assert (answer.status, error["field"]) == (400, name) and error["code"] in ("invalid_value", "missing_field"), (name, value, error)
    answer = api.ask("POST", "/tunnels", {**new, "no_such": 1})
    assert (answer.status, answer.json["error"]["code"], answer.json["error"]["field"]) == (400, "unknown_field", "no_such")
    required = {k: new[k] for k in schema["required"]}
    check(schema, required)
    t = api.ask("POST", "/tunnels", {**required, "remote_port": 80})  # of a local one
    assert t.status == 201
    assert api.ask("DELETE", "/tunnels/{id}", id=t.json["id"]).status == 204


def test_strangers(tcp):
    """Every operation that wants the token, without it; those that the document leaves to the Unix socket; other hosts."""
    stranger = Checked(Api(tcp.api.where))
    for method, path in OPERATIONS:
        is_open = operation(method, path).get("security") == []
        answer = stranger.ask(method, path, id="fixed")
        assert answer.status == (200 if is_open else 401), (method, path)
        body = example(method, path)
        assert tcp.ask(method, path, body, headers={"Host": "evil.example"}, id="fixed").status == 403
        if "Unix socket alone" in DOC["paths"][path].get("description", ""):
            assert tcp.api.ask(method, path.format(id="fixed"), body).status == 404
        elif body is not None:
            assert tcp.ask(method, path, b"{}", headers={"Content-Type": "text/plain"}, id="fixed").status == 415
            assert tcp.ask(method, path, b"{}" + b" " * (1 << 20), headers={"Content-Type": "application/json"}, id="fixed").status == 413
