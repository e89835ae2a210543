"""A headless Chromium, led through programs/browser.mjs (playwright-core). Every step waits by itself until the page is so
far: a click for its button, a text for its element."""
import json
import os
import subprocess

from .servers import ROOT

CHROMIUM = "/usr/bin/chromium"


class Browser:
    def __init__(self, folder):
        """folder: where it may write."""
        env = {**os.environ, "HOME": str(folder), "TMPDIR": str(folder)}
        env.pop("DISPLAY", None)
        env.setdefault("ADIT_NODE_MODULES", str(ROOT / "build/npm/node_modules"))
        self.log = open(folder / "browser.log", "w+", encoding="utf-8")
        self.proc = subprocess.Popen(["node", str(ROOT / "tests/e2e/programs/browser.mjs"), CHROMIUM], env=env, text=True,
                                     stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log)

    def order(self, **order):
        print(json.dumps(order), file=self.proc.stdin, flush=True)
        line = self.proc.stdout.readline()
        if not line:
            self.log.seek(0)
            raise AssertionError(f"the browser is gone: {self.log.read()[-3000:]}")
        answer = json.loads(line)
        assert "error" not in answer, answer["error"]
        return answer["value"]

    def open(self, url, **options):
        """A page with cookies and storage of its own. options: playwright's of a context."""
        page = Page(self, self.order(open=options))
        page.page("goto", url)
        return page

    def close(self):
        self.proc.stdin.close()
        self.proc.wait(20)
        self.proc.stdout.close()
        self.log.close()


class Node:
    """What a path of playwright's locators leads to: css("..."), role("button", "Start"), label("Name")."""

    def __init__(self, browser, number, at=()):
        self.browser, self.number, self.at = browser, number, list(at)

    def to(self, *step):
        return Node(self.browser, self.number, [*self.at, step])

    def css(self, selector, **options):
        return self.to("locator", selector, options)

    def role(self, role, name, exact=True):
        return self.to("getByRole", role, {"name": name, "exact": exact})

    def label(self, text):
        return self.to("getByLabel", text, {"exact": True})

    def saying(self, text):
        """Those of them that have this text in them."""
        return self.to("filter", {"hasText": text})

    def do(self, *words):
        return self.browser.order(page=self.number, at=self.at, do=words)

    def click(self):
        self.do("click")

    def fill(self, text):
        self.do("fill", text)

    def choose(self, text):
        self.do("selectOption", {"label": text})

    def text(self):
        return self.do("innerText")

    def texts(self):
        return self.do("allInnerTexts")

    def count(self):
        return self.do("count")

    def attribute(self, name):
        return self.do("getAttribute", name)

    def is_visible(self):
        return self.do("isVisible")

    def wait(self, state="visible"):
        """visible, hidden, attached or detached."""
        self.do("waitFor", {"state": state})
        return self


class Page(Node):
    def page(self, *words):
        return self.browser.order(page=self.number, at=[], do=words)

    def context(self, *words):
        return self.browser.order(page=self.number, context=True, at=[], do=words)

    def evaluate(self, script):
        return self.page("evaluate", script)

    def press(self, key):
        self.css(":focus").do("press", key)

    def cdp(self, method, **parameters):
        return self.browser.order(page=self.number, cdp=[method, parameters])

    def axe(self):
        return self.browser.order(page=self.number, axe=True)

    def seen(self):
        """{console, errors, dialogs, requests: [method, url, headers], answers: [status, url, headers], cookies}"""
        return self.browser.order(page=self.number, seen=True)

    def close(self):
        self.browser.order(page=self.number, shut=True)
