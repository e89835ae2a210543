"""The daemon's manual pages say what the program has: aditd(8) every verb and its options, adit-api(7) every request, field,
error and metric. The tables of the sources are the measure."""
import json
import re
import shutil
import subprocess

import pytest

from harness import servers
from harness.client import ADIT

pytestmark = [pytest.mark.usefixtures("adit_only"), pytest.mark.quick]
DOC = servers.ROOT / "doc"
DAEMON = servers.ROOT / "daemon"
ADITD, API = (DOC / "aditd.8").read_text(), (DOC / "adit-api.7").read_text()


@pytest.mark.parametrize("page", sorted(p.name for p in DOC.glob("*.[1-8]")))
def test_lint(page):
    """No warning of mandoc's (matters of style, as long lines, are no warnings)."""
    mandoc = shutil.which("mandoc")
    if mandoc is None:
        pytest.skip("mandoc is not installed")
    run = subprocess.run([mandoc, "-T", "lint", "-W", "warning", str(DOC / page)], capture_output=True, text=True, check=False, timeout=60)
    assert run.stdout == ""


# ---- aditd(8)

def verbs():
    """{verb: usage} of the program."""
    text = (servers.ROOT / "cli/verb.c").read_text()
    names = re.findall(r'^    \{"(\w+)", verb_\w+', text[text.index("verbs[] = {"):], re.M)
    assert len(names) > 10
    return {name: subprocess.run([ADIT, name, "-h"], capture_output=True, text=True, check=True).stdout.splitlines()[0] for name in names}


def item_of(verb):
    """Its head line in the section VERBS; the daemon's is the synopsis and the list of options."""
    if verb == "daemon":
        return ADITD[:ADITD.index(".Sh VERBS")]
    found = re.search(rf"^\.It Cm {verb}(?: .*)?$", ADITD[ADITD.index(".Sh VERBS"):], re.M)
    assert found, verb
    return found[0]


def test_every_verb_and_option():
    for verb, usage in verbs().items():
        item = item_of(verb)
        flags = {flag for group in re.findall(r"(?<=[\[| ])-(\w+)", usage) for flag in group} | set(re.findall(r"--([\w-]+)", usage))
        said = {flag for line in re.findall(r"Fl ((?:-?[\w-]+(?: \| )?)+)", item) for flag in
                (f for word in re.findall(r"-?[\w-]+", line) for f in ([word[1:]] if word.startswith("-") else word))}
        assert flags - said - {"socket"} == set(), verb
    assert ".Op Fl -socket Ar path" in ADITD


def test_edit_says_the_fields():
    item = re.search(r"^\.It Cm edit .*?(?=^\.It )", ADITD, re.M | re.S)[0]
    for name in written_fields():
        assert re.search(rf"\b{name}\b", item), name


def test_signals_are_those_of_the_daemon():
    taken = set(re.findall(r"sigaddset\(&set, (SIG\w+)\)", (DAEMON / "daemon_loop.c").read_text()))
    section = ADITD[ADITD.index(".Sh SIGNALS"):ADITD.index(".Sh ENVIRONMENT")]
    assert taken and set(re.findall(r"SIG[A-Z0-9]+", section[len(".Sh SIGNALS"):])) == taken


# ---- adit-api(7)

def routes():
    found = re.findall(r'^    \{"(GET|POST|PUT|DELETE)", "([^"]+)"(.*)', (DAEMON / "api_routes.c").read_text(), re.M)
    assert len(found) > 20
    return {(method, path): rest for method, path, rest in found}


def items(page):
    """{(method, path): its text}"""
    parts = re.split(r"^\.It Cm (GET|POST|PUT|DELETE) Li (\S+)$", page, flags=re.M)
    return {(parts[i], parts[i + 1]): parts[i + 2] for i in range(1, len(parts), 3)}


def test_every_route():
    assert set(items(API)) == set(routes())


def test_routes_of_the_socket_alone():
    for route, rest in routes().items():
        assert ("LOCAL" in rest) == ("(socket)" in items(API)[route].split("\n.It ")[0].split("\n.El")[0]), route


def written_fields():
    text = (DAEMON / "definition_json.c").read_text()
    return re.findall(r'^    \{"(\w+)", take_', text, re.M)


def test_every_field():
    """Of a tunnel, in the section of its own: those that openapi.json has."""
    schema = json.loads((DAEMON / "openapi.json").read_text())["components"]["schemas"]["Tunnel"]
    section = API[API.index(".Sh TUNNEL"):API.index(".Sh ERROR CODES")]
    said = [name for line in re.findall(r"^\.It Cm (.*)$", section, re.M) for name in line.split(" , ")]
    assert sorted(said) == sorted(set(schema["properties"]))
    written = section[:section.index(".Ss Read fields")]
    assert {name for line in re.findall(r"^\.It Cm (.*)$", written, re.M) for name in line.split(" , ")} == set(written_fields())


def test_every_error():
    codes = dict(re.findall(r'^    \{"(\w+)", (\d{3})\}', (DAEMON / "httpd_reply.c").read_text(), re.M))
    section = API[API.index(".Sh ERROR CODES"):API.index(".Sh METRICS")]
    parts = re.split(r"^\.It (\d{3})$", section, flags=re.M)
    said = {status: text for status, text in zip(parts[1::2], parts[2::2])}
    for code, status in codes.items():
        assert re.search(rf"\b{code}\b", said[status]), code
    assert set(said) == set(codes.values()) | {"500"}


def test_every_metric():
    names = set(re.findall(r'"((?:adit|process)_[a-z_]+)"', (DAEMON / "api_metrics.c").read_text()))
    assert len(names) > 10
    assert set(re.findall(r"\b(?:adit|process)_[a-z_]+\b", API[API.index(".Sh METRICS"):])) == names
