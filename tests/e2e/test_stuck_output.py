"""Outputs that nobody takes: a terminal that is stopped or not read, a full pipe. Whoever else is served goes on."""
import os
import pty
import select
import struct
import subprocess
import termios
import tty

import pytest

from harness import servers, traffic
from harness.control import ADIT, ALIVE, OPENED, S_ALIVE, STDIO, Control, Raw, message, session, string
from harness.wait import wait_until


@pytest.fixture
def control(kit, start):
    c = Control(kit, start(servers.Sshd, log_level="INFO"))
    c.master(ADIT, "-N")
    return c


@pytest.fixture
def descriptors():
    """What is closed with the test."""
    kept = []
    yield kept
    for fd in kept:
        os.close(fd)


@pytest.fixture(params=["terminal", "pipe"])
def output(request, descriptors):
    """(where it can be read, where it goes)"""
    reader, writer = pty.openpty() if request.param == "terminal" else os.pipe()
    descriptors += [reader, writer]
    if request.param == "terminal":
        tty.setraw(writer)
    return reader, writer


@pytest.fixture(params=["session", "stdio"])
def guest(request, control, service, descriptors):
    """Begins what writes without end into a descriptor."""
    null = os.open("/dev/null", os.O_RDWR)
    descriptors.append(null)

    def begin(out):
        raw = Raw(control.path)
        if request.param == "session":
            raw.send(session(b"exec yes"))
            fds = (null, out, null)
        else:
            # Its input does not end: the forward would end with it.
            reader, writer = os.pipe()
            descriptors.extend((reader, writer))
            raw.send(message(STDIO, struct.pack(">I", 9) + string(b"") + string(b"127.0.0.1") +
                             struct.pack(">I", service(traffic.endless).port)))
            fds = (reader, out)
        for fd in fds:
            raw.descriptors(fd)
        assert raw.read()[0] == OPENED
        return raw

    return begin


def serves_others(control):
    raw = Raw(control.path)
    raw.send(message(ALIVE, struct.pack(">I", 5)))
    assert raw.read()[0] == S_ALIVE
    raw.s.close()
    data = os.urandom(1_000_000)
    assert control.run(ADIT, to=["cat"], data=data, status=0).stdout == data


def flows(reader, want):
    got = 0
    while got < want:
        assert select.select([reader], [], [], 15)[0], f"{got} bytes of {want}"
        got += len(os.read(reader, 1 << 16))


def is_full(writer):
    """Not poll(2)'s opinion: a terminal may be said to take something, and then take nothing."""
    own = os.open(f"/proc/self/fd/{writer}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        return os.write(own, b"y\n") == 0
    except BlockingIOError:
        return True
    finally:
        os.close(own)


def test_log_that_nobody_reads(kit, start, output):
    """A master's own terminal is stopped, or what reads its log has stopped: its guests do not notice."""
    reader, writer = output
    control = Control(kit, start(servers.Sshd, log_level="INFO"))
    master = subprocess.Popen(control.argv(ADIT, "-M", "-N", "-vvv"), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=writer, env=kit.env())
    try:
        wait_until(control.path.exists, 15, "a control socket")
        if os.isatty(writer):
            termios.tcflow(writer, termios.TCOOFF)
        else:
            while not is_full(writer):
                pass
        for _ in range(3):
            serves_others(control)
        if os.isatty(writer):
            termios.tcflow(writer, termios.TCOON)
        text = bytearray()

        def is_told():
            control.run(ADIT, to=["true"], status=0)
            while select.select([reader], [], [], 0)[0]:
                text.extend(os.read(reader, 1 << 16))
            return b"lines of the log were left out here" in text

        wait_until(is_told, 20, "how many were left out")
        control.ask(ADIT, "exit")
        assert master.wait(15) == 255  # as ssh says of such an end
    finally:
        master.kill()
        master.wait()


def test_output_that_nobody_reads(control, guest, output):
    reader, writer = output
    raw = guest(writer)
    wait_until(lambda: is_full(writer), 15, "an output that is full")
    serves_others(control)
    flows(reader, 1_000_000)  # and it goes on as soon as somebody reads
    wait_until(lambda: is_full(writer), 15, "an output that is full")
    raw.s.close()
    serves_others(control)


def test_stopped_terminal(control, guest, descriptors):
    """Ctrl-S: read, but stopped."""
    reader, writer = pty.openpty()
    descriptors += [reader, writer]
    tty.setraw(writer)
    raw = guest(writer)
    flows(reader, 10_000)
    termios.tcflow(writer, termios.TCOOFF)
    assert is_full(writer)
    serves_others(control)
    termios.tcflow(writer, termios.TCOON)
    flows(reader, 1_000_000)
    raw.s.close()
    serves_others(control)
