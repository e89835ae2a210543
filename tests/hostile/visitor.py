"""Who comes to a listener of the client: a SOCKS client, an HTTP client, a mux client. A row's `do` is an async
generator that attacks by these; what the client does wrong is raised as Unmet."""
import asyncio
import contextlib
import socket
import struct

from .case import Unmet

ANSWER_S = 15  # for each answer, and for each end; how long an attack of many of them takes is not judged
ECHO = bytes(range(256)) * 16


class Visitor:
    """One connection."""

    def __init__(self, connection):
        if connection is None:
            raise Unmet("the client has ended")
        self.reader, self.writer = connection

    async def say(self, data):
        self.writer.write(data)
        with contextlib.suppress(ConnectionError):
            await self.writer.drain()

    async def hear(self, n):
        """Exactly n bytes."""
        try:
            return await asyncio.wait_for(self.reader.readexactly(n), ANSWER_S)
        except asyncio.TimeoutError:
            raise Unmet(f"no answer of {n} bytes") from None
        except (asyncio.IncompleteReadError, ConnectionError) as e:
            raise Unmet(f"the end instead of {n} bytes: {getattr(e, 'partial', e)!r}") from None

    async def rest(self, within_s=ANSWER_S):
        """All that comes until the end, which must come."""
        got = bytearray()
        try:
            while data := await asyncio.wait_for(self.reader.read(65536), within_s):
                got += data
        except asyncio.TimeoutError:
            raise Unmet(f"still open {within_s} s later, having said {bytes(got[:80])!r}") from None
        except ConnectionError:
            pass
        finally:
            self.writer.close()
        return bytes(got)

    def end(self):
        self.writer.close()

    def end_sending(self):
        with contextlib.suppress(OSError):
            self.writer.write_eof()

    def reset(self):
        with contextlib.suppress(OSError):
            self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def echoes(self):
        """Bytes go through it and back."""
        await self.say(ECHO)
        if await self.hear(len(ECHO)) != ECHO:
            raise Unmet("bytes came back changed")


async def at_once(count, visit, jobs=64):
    """visit(i) for each i, so many at one time."""
    gate = asyncio.Semaphore(jobs)

    async def one(i):
        async with gate:
            return await visit(i)

    return await asyncio.gather(*(one(i) for i in range(count)))


def must(right, words):
    if not right:
        raise Unmet(words)


__all__ = ["Visitor", "at_once", "must"]
