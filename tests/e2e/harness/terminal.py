"""A client on a terminal of its own: prompts go to /dev/tty, answers are typed."""
import fcntl
import os
import pty
import re
import termios

from .client import ADIT, Client, Output
from .wait import wait_until


class Terminal:
    """What a person would see and type."""

    def __init__(self, kit, *args, env=None):
        self.master, slave = pty.openpty()

        def control():
            fcntl.ioctl(slave, termios.TIOCSCTTY, 0)

        self.client = Client([ADIT, *args], kit.env(**(env or {})), stdin=slave, preexec=control)
        kit.clients.append(self.client)
        os.close(slave)
        self.seen = Output(os.fdopen(os.dup(self.master), "rb", buffering=0), quiet=True)

    def wait(self, regex, timeout=15):
        return wait_until(lambda: re.search(regex, self.seen.text), timeout,
                          lambda: f"{regex!r} on the terminal: {self.seen.text!r}\n{self.client.err.text}")

    def type(self, text):
        os.write(self.master, text.encode())

    def is_echoing(self):
        return bool(termios.tcgetattr(self.master)[3] & termios.ECHO)

    def close(self):
        os.close(self.master)
