"""A client on a terminal that is all it has, as a person's: what it shows, what is typed, how the terminal is left."""
import fcntl
import os
import pty
import signal
import struct
import subprocess
import termios
import re

from .client import ADIT, Output
from .wait import wait_until


class Screen:
    """A program (adit, or a shell that starts it) whose stdin, stdout and stderr are one terminal."""

    def __init__(self, argv, env, size=(24, 80)):
        self.master, self.slave = pty.openpty()
        self.resize(*size)
        self.before = self.settings()

        def control():
            fcntl.ioctl(self.slave, termios.TIOCSCTTY, 0)

        self.proc = subprocess.Popen([str(a) for a in argv], stdin=self.slave, stdout=self.slave, stderr=self.slave, env=env,
                                     start_new_session=True, preexec_fn=control)
        self.seen = Output(os.fdopen(os.dup(self.master), "rb", buffering=0), quiet=True)

    def settings(self):
        return termios.tcgetattr(self.slave)

    def is_raw(self):
        return not self.settings()[3] & (termios.ICANON | termios.ECHO)

    def resize(self, rows, columns):
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    @property
    def text(self):
        return self.seen.text

    def wait(self, regex, timeout=15):
        return wait_until(lambda: re.search(regex, self.text), timeout, lambda: f"{regex!r} on the screen: {self.text!r}")

    def wait_prompt(self):
        """A shell's is the last thing there; with -v a line of the log may come behind it."""
        return self.wait(r"[$#%>] ?(debug\d: .*\s+)*$")

    def type(self, text):
        os.write(self.master, text.encode())

    def finish(self, timeout=15):
        """The exit status."""
        return self.proc.wait(timeout)

    def close(self):
        if self.proc.poll() is None:
            os.killpg(self.proc.pid, signal.SIGKILL)
            self.proc.wait()
        os.close(self.slave)
        os.close(self.master)
