"""The other peer: adit's own machine in the server role (server.c), told by rules what to do with which message."""
import asyncio
import collections
import contextlib
import subprocess
import time


def host_key(program):
    """The public part of the key that it shows."""
    return bytes.fromhex(subprocess.run([program, "key"], check=True, stdout=subprocess.PIPE, text=True).stdout.strip())


class Machine:
    """As Peer, for the runner: it has played when its last rule was followed."""

    def __init__(self, program, rules):
        self.program, self.rules = program, rules
        self.played, self.here = asyncio.Event(), asyncio.Event()
        self.offended, self.failure, self.point_reached = 0.0, None, False
        self.tasks, self.got, self.refused = [], collections.Counter(), []

    async def start(self):
        """Its port."""
        self.process = await asyncio.create_subprocess_exec(self.program, *self.rules, stdin=asyncio.subprocess.DEVNULL,
                                                            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE)
        port = int((await self.process.stdout.readline()).split()[1])
        self.tasks = [asyncio.create_task(self.listen())]
        return port

    async def listen(self):
        left = len(self.rules)
        while await self.process.stdout.readline():
            left -= 1
            self.offended, self.point_reached = time.monotonic(), True
            if left == 0:
                self.played.set()

    async def stop(self):
        """Its own sanitizer's report, if it made one."""
        if self.process.returncode is None:
            try:
                await asyncio.wait_for(self.process.wait(), 2)
            except asyncio.TimeoutError:
                with contextlib.suppress(ProcessLookupError):
                    self.process.kill()
                await self.process.wait()
        said = await self.process.stderr.read()
        return said if b"Sanitizer" in said or b"runtime error" in said else b""
