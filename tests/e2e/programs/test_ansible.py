"""ansible's ssh connection plugin, which shares one connection by ControlPersist and copies files by sftp or dd."""
import re

import pytest

from harness.wait import wait_until

PLAYBOOK = """
- hosts: all
  gather_facts: false
  tasks:
    - name: a word from there
      ansible.builtin.command: echo from-there
      register: said
    - name: a file
      ansible.builtin.copy: {content: "{{ said.stdout }}\\n", dest: "{{ folder }}/file", mode: "0640"}
    - name: a line
      ansible.builtin.lineinfile: {path: "{{ folder }}/file", line: "second line"}
    - name: a shell with a pipe
      ansible.builtin.shell: cat {{ folder }}/file | wc -l
      register: lines
    - ansible.builtin.meta: reset_connection
    - name: back here
      ansible.builtin.fetch: {src: "{{ folder }}/file", dest: "{{ folder }}/fetched", flat: true}
    - ansible.builtin.assert: {that: lines.stdout == "2"}
"""


@pytest.fixture
def ansible(run, box, tmp_path, link):
    """ansible and its siblings, with an inventory of one host; the shared connection is ended with the test."""
    (tmp_path / "inventory").write_text("box ansible_python_interpreter=/usr/bin/python3\n")
    sockets = tmp_path / "cp"

    def runner(program, *words, more={}, **kw):
        settings = {"ANSIBLE_SSH_CONTROL_PATH_DIR": str(sockets), "ANSIBLE_NOCOLOR": "1", "ANSIBLE_LOCALHOST_WARNING": "0",
                    "ANSIBLE_INVENTORY": str(tmp_path / "inventory"), "ANSIBLE_RETRIES": "0",
                    "ANSIBLE_HOME": str(tmp_path / "ansible"), "ANSIBLE_REMOTE_TMP": str(tmp_path / "far"), **more}
        return run(program, *words, more=settings, timeout=300, **kw)

    yield runner
    for path in sockets.glob("*") if sockets.exists() else ():
        run("ssh", "-O", "exit", "-o", f"ControlPath={path}", "box", check=False)
    wait_until(lambda: not box.sessions(), 10, "the end of the shared connections")


def logins(server, mark):
    return server.text(mark).count("Accepted ")


def test_ping(ansible, box, tmp_path):
    """-m ping by the ssh of PATH: several calls over one connection, which stays for the next ones."""
    mark = box.mark()
    assert b'"ping": "pong"' in ansible("ansible", "all", "-m", "ping", "-o").stdout
    assert logins(box, mark) == 1 and len(list((tmp_path / "cp").iterdir())) == 1


@pytest.mark.parametrize("how", ["sftp", "piped"])
def test_copy(ansible, box, tmp_path, link, big, how):
    """A file of some size by each way of copying, with ansible_ssh_executable."""
    done = ansible("ansible", "all", "-m", "copy", "-a", f"src={big} dest={tmp_path}/there mode=0600", "-e",
                   f"ansible_ssh_executable={link}/ssh", more={"ANSIBLE_SSH_TRANSFER_METHOD": how})
    assert b"CHANGED" in done.stdout
    assert (tmp_path / "there").read_bytes() == big.read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("pipelining", ["False", "True"])
def test_playbook(ansible, box, tmp_path, pipelining):
    """Several tasks, with modules copied first or piped into python; over one connection, and another one after reset_connection
    (-O stop), which ends the first."""
    (tmp_path / "play.yml").write_text(PLAYBOOK)
    mark = box.mark()
    done = ansible("ansible-playbook", "-e", f"folder={tmp_path}", "play.yml", more={"ANSIBLE_PIPELINING": pipelining})
    assert re.search(rb"box +: ok=6 .* unreachable=0 +failed=0 ", done.stdout), done.stdout
    assert (tmp_path / "fetched").read_text() == "from-there\nsecond line\n"
    assert logins(box, mark) == 2 and b"Failed to reset" not in done.stdout + done.stderr


def test_unreachable(ansible, box, tmp_path):
    """A server that refuses the login is unreachable, not failed: ansible tells by the status 255."""
    done = ansible("ansible", "all", "-m", "ping", "--ssh-extra-args=-o PubkeyAuthentication=no", check=False)
    assert done.returncode == 4 and b"UNREACHABLE!" in done.stdout and b"Permission denied" in done.stdout
