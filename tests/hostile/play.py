"""One case played against one client, and the judgement."""
import asyncio
import contextlib
import dataclasses
import os
import pathlib
import re
import tempfile
import time

from .case import CARRY_ON, ERROR, LOCAL_STATES, REFUSE, Case, Unmet
from .client import Client
from .machine import Machine
from .peer import Peer

ARRIVAL_S = 60  # the moment of the offence must come within this
ATTACK_S = 120  # visitor.py's must be over within this
TRANSFER = bytes(range(256)) * 256  # 64 KiB
REPORTS = re.compile(rb"AddressSanitizer|LeakSanitizer|runtime error:")
# What must not reach a terminal: control characters but newline and tab, C1, bidirectional ones.
UNFIT = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


@dataclasses.dataclass
class Outcome:
    case: Case
    wrong: str = ""  # empty: right
    ms: int = 0
    kib: int = 0
    status: int = 0
    said: str = ""


def starved_s(pid):
    """For how long its threads wanted a processor and had none."""
    total = 0
    with contextlib.suppress(OSError):  # it may be gone at any of these
        for task in os.listdir(f"/proc/{pid}/task"):
            total += int(pathlib.Path(f"/proc/{pid}/task/{task}/schedstat").read_text().split()[1])
    return total / 1e9


class Wrong(Exception):
    pass


class Play:
    def __init__(self, case, program, name, world, tools, idle_kib):
        self.case, self.idle_kib, self.world = case, idle_kib, world
        self.client = Client(program, name, world, tools)
        self.peer = self.serving = None
        self.peer_here = asyncio.Event()
        self.options, self.environment, self.tasks, self.begun = list(case.options), {"ADIT_SEAM": case.seam} if case.seam else {}, [], 0.0
        self.client_starved = 0.0
        self.limit_s = (case.ms + case.timeout_ms) / 1000
        self.is_telling, self.told, self.offence = False, asyncio.Event(), 0.0
        self.beside = self.fault = None  # who that is, and what went wrong with it

    def tell(self):
        """For who misbehaves beside the server, of a row with at="setup": now it has. Its setup sets is_telling."""
        self.offence = time.monotonic()
        self.told.set()

    async def run(self):
        outcome = Outcome(self.case)
        server = await asyncio.start_server(self.serve, "127.0.0.1", 0, limit=2**20)
        port = self.port = server.sockets[0].getsockname()[1]
        try:
            if self.case.machine:
                self.peer = Machine(self.world.machine, self.case.machine)
                self.peer_here.set()
                port = await self.peer.start()
            if self.case.setup:
                self.folder = pathlib.Path(tempfile.mkdtemp(dir=self.world.folder))
                await self.case.setup(self)
            self.begun = time.monotonic()
            await self.client.start(self.case, port, self.options, self.environment)
            await self.judge(outcome)
        except Wrong as e:
            outcome.wrong = str(e)
        finally:
            if not await self.client.stop() and not outcome.wrong:
                outcome.wrong = "did not end at SIGTERM"
            server.close()
            if self.case.machine and (report := await self.peer.stop()):
                outcome.wrong = outcome.wrong or f"the server's own report: {report[:2000]!r}"
            for t in filter(None, self.tasks + ([*self.peer.tasks, self.serving] if self.peer else [])):
                t.cancel()
        self.judge_end(outcome)
        return outcome

    async def serve(self, reader, writer):
        if self.peer is None:
            self.peer = self.case.twist.get("peer", Peer)(self.case, self.world.keys, reader, writer)
            self.peer.client = self.client
            self.serving = asyncio.current_task()
            self.peer_here.set()
            await self.peer.play()

    # ---- what is right ----

    async def judge(self, outcome):
        self.starved_before = self.starved()
        user = asyncio.create_task(self.use())
        try:
            await self.arrive()
            if self.case.expect == ERROR:
                await self.judge_error(outcome)
            elif self.case.client == "words":
                await self.judge_words(outcome)
            elif self.case.client == "exec":
                await self.judge_command(outcome)
            else:
                await self.judge_transfer(outcome)
        finally:
            user.cancel()

    async def use(self):
        """What a person's program does meanwhile: a connection through the forward, where the state is one of those."""
        if self.case.client == "exec" or self.case.state not in ("channel", "rekey", "close"):
            return
        with contextlib.suppress(ConnectionError):
            stalled = self.case.twist.get("user") == "stalled"
            connection = await self.client.connect(4096 if stalled else 0)
            if connection:
                reader, writer = connection
                writer.write(b"hello")
                await writer.drain()
                if stalled:
                    reader._transport.pause_reading()
                    await asyncio.Event().wait()
                while await reader.read(65536):
                    pass
                writer.close()

    async def arrive(self):
        """Until the offence has been sent, or the client has ended."""
        if self.case.at == "setup":
            await self.arrive_beside()
            return
        ended = asyncio.create_task(self.client.ended.wait())
        here = asyncio.create_task(self.peer_here.wait())
        await asyncio.wait({ended, here}, timeout=ARRIVAL_S, return_when=asyncio.FIRST_COMPLETED)
        if self.peer is None:
            raise Wrong(f"never connected: {self.last_line()}")
        played = asyncio.create_task(self.peer.played.wait())
        # A sanitizer's report takes its time: the end is what is timed, from here on.
        await asyncio.wait({ended, played}, timeout=self.attack_s(), return_when=asyncio.FIRST_COMPLETED)
        for t in (ended, here, played):
            t.cancel()
        if self.peer.failure:
            raise Wrong(self.failure())
        if not self.peer.point_reached and not self.peer.played.is_set():
            raise Wrong(f"the moment '{self.case.at}' never came: {self.last_line()}")
        if not self.client.ended.is_set() and not self.peer.played.is_set() and self.case.expect != ERROR:
            raise Wrong("the offence was not sent to its end")

    def attack_s(self):
        """Until the offence is out: who attacks a listener speaks and hears for a while. Each answer has its own time."""
        return (ATTACK_S if self.case.state in LOCAL_STATES else ARRIVAL_S) + self.case.timeout_ms / 1000

    async def arrive_beside(self):
        if self.is_telling:
            tasks = [asyncio.create_task(e.wait()) for e in (self.client.ended, self.told)]
            await asyncio.wait(tasks, timeout=ARRIVAL_S, return_when=asyncio.FIRST_COMPLETED)
            for t in tasks:
                t.cancel()
            if not self.told.is_set():
                raise Wrong(f"the moment of the offence never came: {self.last_line()}")

    def failure(self):
        f = self.peer.failure
        return str(f) if isinstance(f, Unmet) else f"the peer itself failed: {f!r}"

    def offended(self):
        """When: 0 as long as it has not happened."""
        return (self.offence or self.begun) if self.case.at == "setup" else self.peer.offended

    def starved(self):
        """What is no time of the client's: a busy machine gave it to others, or the runner needed it for all of its cases."""
        self.client_starved = max(self.client_starved, starved_s(self.client.pid) if self.client.pid else 0.0)
        return starved_s("self") + self.client_starved + time.process_time()

    def left(self):
        """Of the time that the case has."""
        until = (self.offended() or time.monotonic()) + self.limit_s + self.starved() - self.starved_before
        return max(0.001, until - time.monotonic())

    async def in_time(self, task, what):
        """Waits for it; an offence that goes on moves the limit, and not for ever."""
        last = time.monotonic() + 2 * ARRIVAL_S
        try:
            while not task.done():
                until = self.offended()
                await asyncio.wait({task}, timeout=self.left())
                if not task.done() and (self.left() <= 0.001 and self.offended() == until or time.monotonic() > last):
                    raise Wrong(f"{what}: {self.last_line()}")
        finally:
            task.cancel()

    async def client_end(self):
        await self.in_time(asyncio.create_task(self.client.ended.wait()), f"still there {self.limit_s:g} s after the offence")

    async def judge_error(self, outcome):
        await self.client_end()
        outcome.ms = self.since()
        if self.client.name != "adit":  # these have words and numbers of their own
            if self.client.status == 0 or self.client.status > 255:
                raise Wrong(f"status {self.client.status}")
            if self.client.status > 128 and self.client.status != 255:
                raise Wrong(f"ended by signal {self.client.status - 128}")
            return
        if self.client.status != self.case.status:
            raise Wrong(f"status {self.client.status}, not {self.case.status}: {self.last_line()}")
        if not re.search(self.case.says, self.said()):
            raise Wrong(f"'{self.case.says}' is not in what it says: {self.last_line()}")
        if self.case.at == "setup":
            await self.judge_proof()

    async def judge_command(self, outcome):
        await self.client_end()
        outcome.ms = self.since()
        if self.client.status != 0 or bytes(self.client.out) != b"done\n":
            raise Wrong(f"status {self.client.status}, output {bytes(self.client.out)[:60]!r}: {self.last_line()}")
        await self.judge_proof()

    async def judge_words(self, outcome):
        """A program that goes on: it has said what `holds` says, and has not ended with an error."""
        async def said():
            while not re.search(self.case.holds, self.said()) and not self.client.ended.is_set():
                self.client.changed.clear()
                await self.client.changed.wait()
        await self.in_time(asyncio.create_task(said()), f"'{self.case.holds}' was not said in {self.limit_s:g} s")
        if self.client.status:
            raise Wrong(f"ended with {self.client.status}: {self.last_line()}")
        outcome.ms = self.since()
        await self.judge_proof()

    async def judge_transfer(self, outcome):
        transfer = asyncio.create_task(self.transfer())
        try:
            await self.in_time(transfer, f"no transfer within {self.limit_s:g} s")
            transfer.result()
        except ConnectionError as e:
            raise Wrong(f"the transfer failed: {e}: {self.last_line()}") from None
        outcome.ms = self.since()
        await self.judge_proof()

    async def judge_proof(self):
        if self.case.holds and self.client.name == "adit" and not re.search(self.case.holds, self.said()):
            raise Wrong(f"'{self.case.holds}' is not in what it says")
        end = time.monotonic() + self.left()
        shown = self if self.case.at == "setup" else self.peer
        while self.case.proof and not self.case.proof(shown):
            if time.monotonic() > end or self.client.ended.is_set():
                if self.case.at == "setup":
                    raise Wrong(f"not what the row demands: {self.said()[-600:]}")
                raise Wrong(f"the peer saw no refusal: refused {self.peer.refused} got {dict(self.peer.got)}")
            await asyncio.sleep(0.005)

    async def transfer(self):
        connection = await self.client.connect()
        if connection is None:
            raise Wrong(f"ended with status {self.client.status}: {self.last_line()}")
        reader, writer = connection
        writer.write(TRANSFER)
        try:
            got = await reader.readexactly(len(TRANSFER))
        except asyncio.IncompleteReadError as e:
            await asyncio.sleep(0)  # the client's end, if it is that, is told next
            raise Wrong(f"the transfer ended after {len(e.partial)} bytes: {self.last_line()}") from None
        writer.close()
        if got != TRANSFER:
            raise Wrong("the transfer came back changed")

    # ---- for every case ----

    def judge_end(self, outcome):
        outcome.kib, outcome.status, outcome.said = self.client.kib or 0, self.client.status, self.last_line()
        if outcome.wrong:
            return
        if REPORTS.search(self.client.err):
            outcome.wrong = "a sanitizer's report: " + self.said()[:2000]
        elif self.fault:
            outcome.wrong = str(self.fault) if isinstance(self.fault, Unmet) else f"what is beside the peer failed: {self.fault!r}"
        elif self.peer and self.peer.failure:
            outcome.wrong = self.failure()
        elif unfit := self.unfit():
            outcome.wrong = f"what a peer said reached the terminal: {unfit!r}"
        elif self.idle_kib and outcome.kib > self.idle_kib + self.case.memory_kib:
            outcome.wrong = f"{outcome.kib} KiB resident, an idle session {self.idle_kib}"

    def unfit(self):
        try:
            text = bytes(self.client.err).decode()
            text = text if self.client.name == "adit" else text.replace("\r\n", "\n")  # as the others end their own lines
        except UnicodeDecodeError as e:
            return e
        return UNFIT.search(text) and text[:400]

    def since(self):
        return round((time.monotonic() - self.offended()) * 1000) if self.offended() else 0

    def said(self):
        return bytes(self.client.err).decode(errors="replace")

    def last_line(self):
        lines = [x for x in self.said().splitlines() if x.strip()]
        return lines[-1].strip() if lines else "(nothing said)"


__all__ = ["CARRY_ON", "ERROR", "REFUSE", "Outcome", "Play"]
