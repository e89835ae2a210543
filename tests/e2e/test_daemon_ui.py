"""adit ui: the address of the page, or a browser that is led there."""
import os
import re
import stat
import urllib.error
import urllib.request

import pytest

from harness.daemon import Daemon

pytestmark = pytest.mark.usefixtures("adit_only")


@pytest.fixture
def d(kit, sshd):
    daemon = Daemon(kit, sshd).start()
    yield daemon
    assert daemon.stop() == 0


def status_of(url, token=None):
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"} if token else {})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status
    except urllib.error.HTTPError as e:
        return e.code


def test_print(d):
    """A loopback listener is made where there is none; the token in the address opens the API, and nothing else does."""
    done = d.verb("ui", "--print")
    assert done.code == 0, done
    base, token = re.fullmatch(r"(http://127\.0\.0\.1:\d+/)#token=([0-9a-f]{64})\n", done.out).groups()
    assert status_of(base) == 200
    assert status_of(base + "tunnels", token) == 200
    assert (d.state / "token").read_text() == token
    assert status_of(base + "tunnels") == 401
    assert d.verb("ui", "--print").out == done.out  # the same one again
    assert token not in d.client.err.text and token not in d.verb("logs").out


def test_browser(d, kit):
    """The browser gets a file of our user's that leads there: the token is in no command line."""
    programs = kit.folder / "bin"
    programs.mkdir()
    (programs / "xdg-open").write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >"{kit.folder}/words"\n')
    os.chmod(programs / "xdg-open", 0o755)
    env = {"PATH": f"{programs}:{os.environ['PATH']}", "DISPLAY": ":99"}
    done = d.verb("ui", env=env)
    assert (done.code, done.out, done.err) == (0, "", ""), done
    path = (kit.folder / "words").read_text().strip()
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    url = d.verb("ui", "--print").out.strip()
    assert f'content="0; url={url}"' in open(path, encoding="utf-8").read()
    (programs / "xdg-open").write_text("#!/bin/sh\nexit 3\n")
    assert d.verb("ui", env=env).out.strip() == url  # it can still be opened by hand
    assert d.verb("ui").out.strip() == url  # no display
