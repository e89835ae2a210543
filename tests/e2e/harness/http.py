"""The daemon's API as a program speaks to it: over its Unix socket or TCP, by Python's own HTTP client."""
import http.client
import json
import socket


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout=60):
        super().__init__("localhost", timeout=timeout)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Answer:
    def __init__(self, got):
        self.status, self.headers, self.body = got.status, got.headers, got.read()

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"{self.status} {dict(self.headers)} {self.body!r}"


class Api:
    """where: the socket's path, or a (host, port). Every answer is kept in `answers`."""

    def __init__(self, where, token=None):
        self.where, self.token, self.answers = where, token, []

    def connection(self):
        return http.client.HTTPConnection(*self.where, timeout=60) if isinstance(self.where, tuple) \
            else UnixConnection(self.where)

    def open(self, method, path, body=None, headers=None):
        """A connection and the beginning of its answer."""
        connection = self.connection()
        all_headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
            all_headers["Content-Type"] = "application/json"
        all_headers.update(headers or {})
        connection.request(method, path, body, all_headers)
        return connection, connection.getresponse()

    def ask(self, method, path, body=None, headers=None):
        connection, got = self.open(method, path, body, headers)
        answer = Answer(got)
        connection.close()
        self.answers.append(answer)
        return answer


class Events:
    """A stream of server-sent events."""

    def __init__(self, api, method, path, body=None, headers=None):
        self.connection, self.answer = api.open(method, path, body, headers)
        assert self.answer.status == 200, Answer(self.answer)

    def next(self):
        """(name, id or None, data as JSON)"""
        name, at, data = None, None, []
        while True:
            line = self.answer.readline().decode()
            assert line, "the stream is over"
            line = line.rstrip("\n")
            if line == "" and (name or data):
                return name, at, json.loads("\n".join(data))
            if line.startswith("event: "):
                name = line[7:]
            elif line.startswith("id: "):
                at = int(line[4:])
            elif line.startswith("data: "):
                data.append(line[6:])

    def until(self, wanted):
        while True:
            event = self.next()
            if wanted(*event):
                return event

    def close(self):
        self.answer.close()
        self.connection.close()
