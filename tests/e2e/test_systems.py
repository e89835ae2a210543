"""The units for systemd and the script for OpenWrt, as far as they can be tried elsewhere."""
import os
import re
import subprocess

import pytest

from harness.client import ADIT
from harness.servers import ROOT

pytestmark = pytest.mark.usefixtures("adit_only")

UNITS = {"aditd.service": 20, "adit@.service": 20}  # the most that systemd-analyze may say against one, times ten


def text(name):
    return (ROOT / "doc" / name).read_text()


def unit(folder, name, as_name=None):
    """A copy that names a program that is there; no manual page is installed."""
    path = folder / (as_name or name)
    path.write_text(re.sub(r"(?m)^Documentation=.*\n", "", text("systemd/" + name).replace("/usr/local/bin/adit", ADIT)))
    return str(path)


@pytest.mark.parametrize("name", UNITS)
def test_unit(tmp_path, name):
    verify = subprocess.run(["systemd-analyze", "verify", unit(tmp_path, name)], capture_output=True, text=True)
    assert (verify.returncode, verify.stdout + verify.stderr) == (0, "")
    subprocess.run(["systemd-analyze", "security", "--offline=true", f"--threshold={UNITS[name]}", tmp_path / name],
                   check=True, capture_output=True)


def test_user_unit(tmp_path):
    more = {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)}
    path = unit(tmp_path, "aditd-user.service", "aditd.service")
    verify = subprocess.run(["systemd-analyze", "--user", "verify", path], capture_output=True, text=True, env=more)
    assert (verify.returncode, verify.stdout + verify.stderr) == (0, "")


def test_instance_command(tmp_path):
    """What adit@.service runs is a command line of ours, for a Host of ssh_config."""
    config = tmp_path / "config"
    config.write_text("Host box\n    HostName 192.0.2.1\n    LocalForward 8443 10.0.0.5:443\n")
    words = re.search(r"(?m)^ExecStart=/usr/local/bin/adit (.*)$", text("systemd/adit@.service"))[1].replace("%i", "box")
    shown = subprocess.run([ADIT, "-F", config, "-G", *words.split()], check=True, capture_output=True, text=True).stdout
    for line in ("hostname 192.0.2.1", "localforward 8443 [10.0.0.5]:443", "exitonforwardfailure yes", "batchmode yes",
                 "sessiontype none", "serveraliveinterval 15"):
        assert line in shown.splitlines()


# What procd and UCI give a script, as far as ours uses them; an instance's command is printed word by word.
FAKES = r"""
logger() { shift 4; echo "log $*"; }
procd_open_instance() { echo "instance $1"; }
procd_set_param() { [ "$1" = command ] && { shift; print_words "$@"; } || echo "$*"; }
procd_append_param() { shift; print_words "$@"; }
procd_close_instance() { echo end; }
print_words() { for word in "$@"; do echo "word $word"; done; }
config_load() { echo "load $1"; }
config_foreach() { local f=$1 type=$2 s; shift 2; for s in $SECTIONS; do [ "${s%%:*}" != "$type" ] || $f "${s#*:}" "$@"; done; }
config_get() { eval "$1=\${$2_$3:-\$4}"; }
"""


def run_init(shell, sections, values):
    lines = [f"{name}={quoted(value)}" for name, value in values.items()]
    script = "\n".join([FAKES, f"ADIT={quoted(ADIT)}", f"SECTIONS={quoted(' '.join(sections))}", *lines,
                        text("openwrt/adit.init"), "start_service"])
    return subprocess.run(shell, input=script, check=True, capture_output=True, text=True).stdout.splitlines()


def quoted(word):
    return "'" + word.replace("'", "'\\''") + "'"


@pytest.mark.parametrize("shell", (["sh"], ["busybox", "ash"]), ids=("sh", "ash"))
def test_openwrt(shell):
    """The package's own kind of configuration: one adit a server with all its tunnels, and the bad ones in the log."""
    said = run_init(shell, ("server:disney", "server:lonely", "server:nameless", "tunnelL:http", "tunnelR:back", "tunnelD:proxy",
                                  "tunnelL:other", "tunnelL:short", "tunnelW:tap"), {
        "disney_hostname": "host.example", "disney_user": "me", "disney_port": "2222", "disney_retrydelay": "1",
        "disney_StrictHostKeyChecking": "accept-new", "disney_ProxyCommand": "nc -x 'a b' %h %p", "disney_LogLevel": "VERBOSE",
        "lonely_hostname": "nobody.example", "http_server": "disney", "http_localport": "1022",
        "http_remoteaddress": "fe80::1", "http_remoteport": "22", "back_server": "disney", "back_remoteport": "8080",
        "back_localaddress": "127.0.0.1", "back_localport": "80", "proxy_server": "disney", "proxy_localaddress": "localhost",
        "proxy_localport": "1080", "other_server": "nameless", "other_localport": "1", "other_remoteport": "1",
        "short_server": "disney", "short_localport": "7"})
    assert [line for line in said if line.startswith("log ")] == [
        "log sshtunnel: tap: tunnelW (a tun or tap device) is not supported",
        "log sshtunnel: short: tunnelL needs localport and remoteport",
        "log sshtunnel: nameless: server needs hostname"]
    assert [line for line in said if line.startswith("instance ")] == ["instance disney"]
    assert "respawn 0 1 0" in said
    words = [line[len("word "):] for line in said if line.startswith("word ")]
    assert words[0] == ADIT
    shown = subprocess.run([ADIT, "-F", "none", "-G", *words[1:]], check=True, capture_output=True, text=True).stdout.splitlines()
    for line in ("hostname host.example", "user me", "port 2222", "batchmode yes", "sessiontype none", "loglevel VERBOSE",
                 "stricthostkeychecking accept-new", "proxycommand nc -x 'a b' %h %p",
                 "localforward [*]:1022 [fe80::1]:22", "remoteforward [*]:8080 [127.0.0.1]:80", "dynamicforward [localhost]:1080"):
        assert line in shown
