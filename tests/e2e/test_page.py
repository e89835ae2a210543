"""The daemon's page in a real browser, with a real daemon and server behind it: what it shows, each thing that can be done
there, and what it never does. One Chromium serves all; each test has a page, cookies and storage of its own."""
import re
import subprocess

import pytest
from test_daemon_api import address, definition

from harness import client, traffic
from harness.browser import Browser
from harness.daemon import Daemon
from harness.http import Api, Events

pytestmark = pytest.mark.usefixtures("adit_only")

BUTTONS = ["Start", "Stop", "Reconnect", "Copy local address", "Edit", "Delete"]
FIELDS = ["Name", "Host", "Port", "Profile", "Jump host", "Forward type", "Bind address", "Local port", "Remote host",
          "Remote port", "Max retries", "Description", "Auto-start", "Auto-reconnect"]
MARKUP = "<img onerror=alert(1) src=x>"
NOBODYS_KEY = "AAAAC3NzaC1lZDI1NTE5AAAAIDtq8ePbPBP0d0a3VhzHsp3qIK9RZTbC1N3E3yZ3Vh4L\n"
REFUSED = "Failed to load resource"  # how the browser tells of an answer that is an error


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    browser = Browser(tmp_path_factory.mktemp("browser"))
    yield browser
    browser.close()


@pytest.fixture(scope="module")
def d(tmp_path_factory, user_key, sshd):
    """A daemon that listens where it will listen again, with a tunnel of its file and hosts that fail each in its way."""
    kit = client.Kit(tmp_path_factory.mktemp("daemon"), user_key)
    daemon = Daemon(kit, sshd, f"Listen 127.0.0.1:{traffic.free_port()}\nProfile ops\n User {sshd.user}\n"
                    'Tunnel "from a file"\n Via bastion\n DynamicForward 0\n')
    hosts = daemon.ssh_config.read_text()
    daemon.ssh_config.write_text(
        f"Host other\n HostName 127.0.0.1\n Port {sshd.port}\n User {sshd.user}\nHost nobody\n HostName 127.0.0.1\n Port 1\n"
        f"Host stranger changed\n HostName localhost\n AddressFamily inet\n Port {sshd.port}\n User {sshd.user}\n"
        f"Host stranger\n UserKnownHostsFile {kit.folder}/none_known\nHost changed\n UserKnownHostsFile {kit.folder}/another_known\n" + hosts)
    (kit.folder / "another_known").write_text(f"[localhost]:{sshd.port} ssh-ed25519 " + NOBODYS_KEY)
    daemon.start()
    yield daemon
    assert daemon.stop() == 0
    kit.close()


@pytest.fixture(scope="module")
def url(d):
    return d.verb("ui", "--print").out.strip()


@pytest.fixture
def api(d):
    return Api(d.socket)


@pytest.fixture
def make(api, echo):
    """make(name, start=False, **fields) -> T; all that the API made is gone after the test."""
    def maker(name="web", start=False, **fields):
        made = api.ask("POST", "/tunnels", definition(echo, name, **fields))
        assert made.status == 201, made
        if start:
            api.ask("POST", made.headers["Location"] + "/start")
        return made.json

    yield maker
    for t in api.ask("GET", "/tunnels").json["tunnels"]:
        if t["origin"] == "api":
            assert api.ask("DELETE", "/tunnels/" + t["id"]).status == 204


@pytest.fixture
def open_page(chromium):
    """open_page(url, **options). Whatever a test does: nothing is run that is not the page's, no cookie is set or sent,
    nothing is asked of others."""
    pages = []

    def opener(where, **options):
        pages.append((chromium.open(where, **options), re.match(r"http://[^/]+/", where)[0]))
        return pages[-1][0]

    yield opener
    for page, home in pages:
        seen = page.seen()
        page.close()
        assert [m for m in seen["console"] if REFUSED not in m] == [] and seen["errors"] == [] and seen["dialogs"] == 0
        assert all(address.startswith(home) for _, address, _ in seen["requests"])
        assert not [a for a in seen["answers"] if "set-cookie" in a[2]]
        for method, address, headers in seen["requests"]:
            assert "cookie" not in headers or address == home, (method, address)


@pytest.fixture
def page(open_page, url):
    page = open_page(url)
    row_of(page, "from a file").wait()
    return page


def row_of(page, what):
    """By id, or by the name where it is in no other."""
    return page.css(f'[data-tunnel="{what["id"]}"]') if isinstance(what, dict) else page.css("[data-tunnel]").saying(what)


def wait_status(page, t, status):
    return page.css(f'[data-tunnel="{t["id"]}"][data-status={status}]').wait()


def buttons_of(row):
    return [b for b in [*BUTTONS, "Trust this key"] if row.role("button", b).count() and row.role("button", b).is_visible()]


# ---- Coming in

def test_comes_in_by_the_fragment(d, url, open_page):
    page = open_page(url)
    row_of(page, "from a file").wait()
    home, token = url.split("#token=")
    assert page.page("url") == home
    assert page.evaluate("Object.entries({...sessionStorage})") == [["token", token]]
    assert page.evaluate("localStorage.length + document.cookie.length") == 0
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "Search tunnels"
    page.page("reload")
    row_of(page, "from a file").wait()  # this tab knows it
    for _, address, headers in page.seen()["requests"]:
        assert token not in address and "referer" not in headers


def test_what_the_page_may(d, url, open_page):
    """Its policy, to the letter; and the browser holds it to that."""
    page = open_page(url)
    headers = next(a[2] for a in page.seen()["answers"] if a[1] == url.split("#")[0])
    policy = (r"default-src 'none'; script-src 'sha256-[\w+/]{43}='; style-src 'sha256-[\w+/]{43}='; connect-src 'self'; "
              r"frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
    assert re.fullmatch(policy, headers["content-security-policy"])
    assert headers["x-content-type-options"] == "nosniff" and headers["cache-control"] == "no-store"
    assert page.css("link, img, iframe, script[src]").count() == 0


@pytest.mark.parametrize("fragment", ["", "#token=" + "0" * 64])
def test_without_the_token(url, open_page, fragment):
    page = open_page(url.split("#")[0] + fragment)
    page.role("alert", "", exact=False).saying("token").wait()
    assert "adit ui" in page.role("alert", "", exact=False).text() and page.css("[data-tunnel]").count() == 0


def test_cookies_of_others(url, open_page, make):
    """Programs behind a tunnel set cookies for 127.0.0.1, whatever the port: the page sends them nowhere."""
    page = open_page(url)
    row_of(page, "from a file").wait()
    page.context("addCookies", [{"name": "theirs", "value": "1", "domain": "127.0.0.1", "path": "/"}])
    t = make("after", start=True)
    wait_status(page, t, "connected")
    row_of(page, t).role("button", "Stop").click()
    wait_status(page, t, "disconnected")
    assert [c["name"] for c in page.seen()["cookies"]] == ["theirs"]  # open_page looks at the requests


def test_nothing_there(kit, sshd, open_page):
    daemon = Daemon(kit, sshd).start()
    page = open_page(daemon.verb("ui", "--print").out.strip())
    page.css(".empty").saying("adit add web bastion -L 8443:10.0.0.5:443").wait()
    assert page.css("[data-badge]").text() == "0" and page.css("[data-badge]").attribute("data-failed") is None
    assert not page.role("heading", "Session Tunnels").count()
    assert daemon.stop() == 0
    page.role("alert", "", exact=False).saying("Trying again").wait()


# ---- What is done to a tunnel

def test_a_tunnels_life(page, url, api, echo):
    """Made in the form, started, used, copied, reconnected, changed, stopped, deleted, and taken back."""
    page.context("grantPermissions", ["clipboard-read", "clipboard-write"])
    host, port = echo.target.rsplit(":", 1)
    page.role("button", "New tunnel").click()
    for name, text in (("Name", "web"), ("Host", "bastion"), ("Local port", "0"), ("Remote host", host),
                       ("Remote port", port), ("Description", "the echo")):
        page.label(name).fill(text)
    page.role("button", "Save").click()
    page.role("dialog", "New tunnel").wait("hidden")
    row = row_of(page, "the echo").wait()
    t = api.ask("GET", "/tunnels/web").json
    assert row.attribute("data-tunnel") == t["id"] and row.attribute("data-status") == "disconnected"
    assert {k: t[k] for k in ("host", "profile_id", "jump_host_id", "jump_session_id", "forward_type", "bind_address",
                              "auto_start", "auto_reconnect", "max_retries")} == \
        {"host": "bastion", "profile_id": "default", "jump_host_id": None, "jump_session_id": None,
         "forward_type": "local", "bind_address": "127.0.0.1", "auto_start": False, "auto_reconnect": True, "max_retries": 5}
    row = row_of(page, t)
    assert t["spec"] in row.text() and "via bastion" in row.text()
    assert buttons_of(row) == ["Start", "Copy local address", "Edit", "Delete"]
    row.role("button", "Start").click()
    wait_status(page, t, "connected")
    assert buttons_of(row) == ["Stop", "Reconnect", "Copy local address", "Edit", "Delete"]
    page.css("[data-badge]").saying("1").wait()
    where = address(api.ask("GET", "/tunnels/web").json)
    assert traffic.ask(where, b"x" * 70000) == b"x" * 70000
    row.saying("↑ 70 kB").saying("↓ 70 kB").wait()
    row.css("svg polyline[points]").wait("attached")
    assert re.search(r"\bup \d+[sm]\b", row.text())
    row.role("button", "Copy local address").click()
    page.css("#toast").saying("127.0.0.1:%d" % where[1]).wait()
    assert page.evaluate("navigator.clipboard.readText()") == "127.0.0.1:%d" % where[1]
    events = Events(api, "GET", "/events")
    row.role("button", "Reconnect").click()
    events.until(lambda name, at, t: t["state"] != "connected")
    events.until(lambda name, at, t: t["state"] == "connected")
    events.close()
    wait_status(page, t, "connected")
    row.role("button", "Edit").click()
    page.role("dialog", "Edit tunnel").wait()
    assert page.label("Name").do("inputValue") == "web" and page.label("Remote port").do("inputValue") == port
    page.label("Description").fill("another word")
    page.role("button", "Save").click()
    row.saying("another word").wait()
    assert api.ask("GET", "/tunnels/web").json["description"] == "another word"
    row.role("button", "Stop").click()
    wait_status(page, t, "disconnected")
    page.css("[data-badge]").saying("0").wait()
    row.role("button", "Delete").click()
    row.wait("detached")
    assert api.ask("GET", "/tunnels/web").status == 404
    page.role("button", "Undo").click()
    row_of(page, "another word").wait()
    again = api.ask("GET", "/tunnels/web").json
    assert again["remote_port"] == int(port) and again["status"] == "disconnected"
    assert api.ask("DELETE", "/tunnels/web").status == 204
    row_of(page, "another word").wait("detached")


def test_undo_brings_back_every_forward(page, make, api):
    make("several", more_forwards=[{"forward_type": "dynamic", "local_port": 0, "bind_address": "127.0.0.1"}])
    before = api.ask("GET", "/tunnels/several").json["more_forwards"]
    row = row_of(page, "several")
    row.wait()
    row.role("button", "Delete").click()
    row.wait("detached")
    page.role("button", "Undo").click()
    row_of(page, "several").wait()
    assert api.ask("GET", "/tunnels/several").json["more_forwards"] == before


def test_types_of_forwards(page, api):
    """Each type has its fields, and becomes what it says."""
    local, remote = traffic.free_port(), traffic.free_port()
    for kind, fields, spec in (("Dynamic", {"Local port": str(local)}, f"D :{local} SOCKS5"),
                               ("Remote", {"Local port": str(local), "Remote port": str(remote)}, f"R :{remote} -> localhost:{local}")):
        page.role("button", "New tunnel").click()
        page.label("Forward type").choose(kind)
        assert page.label("Remote port").is_visible() == (kind == "Remote")
        for name, text in {"Name": kind, "Host": "bastion", **fields}.items():
            page.label(name).fill(text)
        page.label("Auto-start").click()
        page.role("button", "Save").click()
        row = row_of(page, kind).saying(spec).wait()
        row.css(".auto").saying("auto-start").wait()
        t = api.ask("GET", "/tunnels/" + kind).json
        assert t["forward_type"] == kind.lower() and t["auto_start"]
        row.role("button", "Delete").click()
        row_of(page, t).wait("detached")


def test_host_key(page, make, d, sshd):
    """An unknown key is shown, and accepted by its button; one that has changed has none."""
    t, changed = make("new", start=True, host="stranger"), make("old", start=True, host="changed", profile_id="ops")
    row = wait_status(page, t, "failed")
    shown = subprocess.run(["ssh-keygen", "-lf", sshd.host_keys[0]], capture_output=True, text=True, check=True).stdout.split()[1]
    assert row_of(page, t).css("code").text() == shown
    wait_status(page, changed, "failed")
    assert "Trust this key" not in buttons_of(row_of(page, changed))
    badge = page.css("[data-badge][data-failed]").saying("2").wait()
    assert "2 failed" in badge.attribute("aria-label")
    row.role("button", "Trust this key").click()
    wait_status(page, t, "connected")
    assert f"[localhost]:{sshd.port}" in (d.kit.folder / "none_known").read_text()
    (d.kit.folder / "none_known").unlink()


def test_errors_are_told(page, make):
    """What keeps a tunnel down, and how often it was tried; what the daemon refuses."""
    t = make("down", start=True, host="nobody", max_retries=50)
    row = row_of(page, t)
    row.css(".error").saying("refused").wait()
    row.saying("retry").wait()
    assert row.attribute("data-status") == "reconnecting"
    page.css("[data-badge]").saying("0").wait()
    once = make("once", start=True, host="nobody", auto_reconnect=False)
    wait_status(page, once, "failed").css(".error").saying("refused").wait()
    page.css("[data-badge][data-failed]").saying("1").wait()
    row_of(page, once).role("button", "Delete").click()
    page.css("[data-badge]:not([data-failed])").wait()


# ---- The form

def test_form(page):
    page.role("button", "New tunnel").click()
    dialog = page.role("dialog", "New tunnel").wait()
    for name in FIELDS:
        assert dialog.label(name).is_visible(), name
    assert page.evaluate("document.activeElement.name") == "name"
    assert dialog.label("Jump host").css("option:checked").text() == "Inherit from profile"
    assert {"default", "ops", "bastion"} <= set(dialog.label("Profile").css("option").texts())
    assert dialog.label("Profile").do("inputValue") == "default"
    page.press("Escape")
    dialog.wait("hidden")
    page.role("button", "New tunnel").click()
    page.role("button", "Cancel").click()
    dialog.wait("hidden")


LOOPBACK = "Bind address must be a loopback address"
GOOD = {"Name": "web", "Host": "bastion", "Bind address": "127.0.0.1", "Local port": "0", "Remote port": "80", "Max retries": "5"}
WRONG = [  # field, what is put in, what is said (None: the daemon's words)
    ("Name", "", "Name is required"), ("Host", "", "Host is required"), ("Local port", "", "Local port is required"),
    *[("Bind address", text, LOOPBACK) for text in ("0.0.0.0", "::", "192.168.1.10", "::ffff:127.0.0.1", "127.0.0.1.example.org",
                                                    "128.0.0.1", "127.0.0.256")],
    ("Name", "from a file", "Tunnel from a file already exists"), ("Host", "-oProxyCommand=x", None),
    ("Local port", "70000", None), ("Remote port", "", None), ("Max retries", "many", None)]


def test_refused_in_the_form(page, api):
    """It stays open, says what is wrong, and shows where; mended, it is taken."""
    page.role("button", "New tunnel").click()
    form = page.role("dialog", "New tunnel").wait()
    for name, value in GOOD.items():
        form.label(name).fill(value)
    for field, text, problem in WRONG:
        form.label(field).fill(text)
        page.role("button", "Save").click()
        form.css(f"#{form.label(field).attribute('id')}[aria-invalid=true][aria-describedby=problem]:focus").wait()
        said = form.role("alert", "", exact=False).text()
        assert said == problem if problem else said, field
        assert form.is_visible() and form.css("[aria-invalid=true]").count() == 1
        form.label(field).fill(GOOD[field])
    assert len(api.ask("GET", "/tunnels").json["tunnels"]) == 1
    page.role("button", "Save").click()
    form.wait("hidden")
    assert api.ask("DELETE", "/tunnels/web").status == 204


# ---- What is shown

def test_names_are_text(page, make):
    t = make(MARKUP, description="<b>bold</b>", start=True)
    wait_status(page, t, "connected")
    row = row_of(page, t)
    assert row.css("b").texts() == [MARKUP] and "<b>bold</b>" in row.text() and page.css("img").count() == 0
    page.role("button", "New tunnel").click()  # names are also in the list of jump hosts
    page.role("dialog", "New tunnel").wait()
    assert "as tunnel " + MARKUP in page.label("Jump host").css("option").texts()
    page.press("Escape")
    row.role("button", "Delete").click()
    page.css("#toast").saying("Deleted " + MARKUP).wait()
    assert page.css("img").count() == 0


def test_search(page, make):
    """By name, spec and host; what is found is marked by nothing but being there."""
    web, db = make("web", local_port=traffic.free_port()), make("database", description="orders")
    box = page.role("searchbox", "Search tunnels")
    row_of(page, db).wait()
    for text, found in (("web", [web]), ("DATA", [db]), (str(web["local_port"]), [web]), ("orders", [db]),
                        ("bastion data", [db])):
        box.fill(text)
        for t in (web, db):
            row_of(page, t).wait("attached" if t in found else "detached")
    box.fill("nothing like it")
    page.css(".empty").saying("No tunnel matches").wait()
    box.fill("")
    row_of(page, web).wait()
    row_of(page, db).wait()


def test_groups(page, make, api, echo):
    """Own tunnels, and under each host those of sessions, which can be read alone."""
    mine = make("mine")
    one = definition(echo)
    forward = {k: one[k] for k in ("forward_type", "local_port", "bind_address", "remote_host", "remote_port")}
    sessions = [Events(api, "POST", "/sessions", {"host": host, "port": None, "profile_id": "default", "forwards": forwards})
                for host, forwards in (("bastion", [forward, forward]), ("other", [forward]))]
    first = sessions[0].next()[2]
    wait_status(page, first, "connected")
    page.css("#guests [data-tunnel]").saying("via other").wait()
    assert page.css("h2").texts() and page.role("heading", "Tunnels").is_visible()
    assert page.role("heading", "Session Tunnels").is_visible()
    assert page.css("#guests h3").texts() == ["bastion", "other"]
    assert [page.css(f"#guests ul:nth-of-type({i}) [data-tunnel]").count() for i in (1, 2)] == [2, 1]
    assert buttons_of(row_of(page, first)) == ["Copy local address"]
    assert page.css("#own").css(f'[data-tunnel="{mine["id"]}"]').count() == 1
    fixed = row_of(page, "from a file")
    assert fixed.role("button", "Edit").do("isDisabled") and fixed.role("button", "Delete").do("isDisabled")
    for s in sessions:
        s.close()
    page.role("heading", "Session Tunnels").wait("hidden")


def test_uptime(page):
    words = page.evaluate("[0, 59, 60, 3599, 3600, 86399, 86400, 86400 * 30].map(s => age(s))")
    assert words == ["0s", "59s", "1m", "59m", "1h", "23h", "1d", "30d"]


def test_daemon_comes_back(page, d, make, api):
    """What happened meanwhile is there, by itself."""
    make("before")
    row_of(page, "before").wait()
    assert d.stop() == 0
    page.role("alert", "", exact=False).saying("Trying again").wait()
    d.start()
    make("after")
    row_of(page, "after").wait()
    page.role("alert", "", exact=False).wait("hidden")
    assert row_of(page, "before").count() == 1
    assert api.ask("DELETE", "/tunnels/before").status == 204
    row_of(page, "before").wait("detached")  # events again


# ---- How it looks

@pytest.fixture
def crowd(make, page):
    """Tunnels of every kind of row."""
    rows = [make(MARKUP, start=True, auto_start=True, description="switch UI"), make("down", start=True, host="nobody"),
            make("n" * 64, description="word " * 30), make("new", start=True, host="stranger"),
            make("socks", forward_type="dynamic", remote_host=None, remote_port=None)]
    wait_status(page, rows[0], "connected")
    wait_status(page, rows[3], "failed")
    row_of(page, rows[1]).css(".error").saying("refused").wait()
    return rows


def no_scroll(page):
    return page.evaluate("document.documentElement.scrollWidth <= innerWidth && "
                         "[...document.querySelectorAll('button, input, select, b, .spec, .error')].filter(e => e.offsetParent)"
                         ".every(e => { const r = e.getBoundingClientRect(); return r.left >= 0 && r.right <= innerWidth; })")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everyone_can_use_it(page, crowd, scheme):
    """axe-core finds nothing, and nothing must be scrolled for sideways, at both widths: list, form, refusal, empty."""
    page.page("emulateMedia", {"colorScheme": scheme})
    for width in (360, 1440):
        page.page("setViewportSize", {"width": width, "height": 800})
        assert no_scroll(page), width
        assert page.axe() == []
        page.role("button", "New tunnel").click()
        page.label("Bind address").fill("0.0.0.0")
        page.label("Name").fill("x")
        page.label("Host").fill("x")
        page.role("button", "Save").click()
        page.css("#problem").wait()
        assert no_scroll(page), width
        assert page.axe() == []
        page.press("Escape")
    page.role("searchbox", "Search tunnels").fill("nothing like it")
    page.css(".empty").wait()
    assert page.axe() == []


WATCH = """{
  window.touched = new Map();
  const row = n => (n.nodeType === 1 ? n : n.parentElement).closest("[data-tunnel]");
  new MutationObserver(list => {
    for (const m of list) { const id = row(m.target)?.dataset.tunnel ?? "-"; touched.set(id, (touched.get(id) || 0) + 1); }
  }).observe(document.querySelector("main"), {subtree: true, childList: true, attributes: true, characterData: true});
}"""


SEEN_ALL = """(async () => {
  const frame = () => new Promise(requestAnimationFrame);
  for (const at of [document.documentElement.scrollHeight, 0]) { scrollTo(0, at); for (let i = 0; i < 3; i++) await frame(); }
})()"""


def test_a_hundred(page, make, api):
    """Among a hundred tunnels, one that changes costs a few nodes of its own row, and the others nothing."""
    many = [make(f"t{i}") for i in range(100)]
    row_of(page, many[-1]).wait()
    page.evaluate(WATCH)
    assert api.ask("PUT", "/tunnels/" + many[40]["id"], {"description": "another"}).status == 200
    row_of(page, many[40]).saying("another").wait()
    (at, count), = page.evaluate("[...touched]")
    assert at == many[40]["id"] and count <= 5
    page.evaluate(SEEN_ALL)
    page.page("setViewportSize", {"width": 360, "height": 800})  # most are out of sight, and were drawn for another width
    page.evaluate(SEEN_ALL)
    assert no_scroll(page)
