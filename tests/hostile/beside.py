"""What the client meets beside its server: an agent, a proxy, a master. Each is a server on a socket of the case's
folder that is honest up to one moment, as peer.py is; here is what they share."""
import asyncio
import contextlib
import socket
import struct

from .case import END, HANG, MUTE, RESET, Signal

ENDLESS_MAX = 64 * 2**20  # of what does not end: then it does, and the client has read it all


class Beside:
    """One of them, for one case. `at` names what it answers otherwise, and do(self, honest) says how: bytes, or signals of
    case.py, or an async generator of both. `times`: how often (None: always)."""

    def __init__(self, play, at="", do=None, times=None):
        self.play, self.at, self.do, self.times = play, at, do, times
        self.asked = {}  # name -> how often
        self.wrong = None
        play.is_telling = do is not None

    async def listen(self, path):
        """On a Unix socket; without one, on a TCP port, which is returned."""
        async def serve(reader, writer):
            self.play.tasks.append(asyncio.current_task())
            try:
                await self.serve(reader, writer)
            except (ConnectionError, asyncio.IncompleteReadError):
                pass
            except Exception as e:  # a fault of the case: shown by the runner
                self.play.fault = e
            finally:
                writer.close()

        if path:
            await asyncio.start_unix_server(serve, str(path), limit=2**20)
            return None
        server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=2**20)
        return server.sockets[0].getsockname()[1]

    async def answer(self, writer, name, honest):
        """False: that was the end of this connection."""
        self.asked[name] = self.asked.get(name, 0) + 1
        if name != self.at or self.do is None or (self.times is not None and self.asked[name] > self.times):
            writer.write(honest)
            await writer.drain()
            return True
        self.play.tell()
        try:
            return await self.say(writer, self.do(self, honest))
        finally:
            self.play.tell()

    async def say(self, writer, items):
        if hasattr(items, "__aiter__"):
            async for item in items:
                if not await self.act(writer, item):
                    return False
            return True
        for item in [items] if isinstance(items, (bytes, Signal)) else items:
            if not await self.act(writer, item):
                return False
        return True

    async def act(self, writer, item):
        if item is END:
            writer.close()
            return False
        if item is RESET:
            with contextlib.suppress(OSError):
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
            return False
        if item in (HANG, MUTE):
            self.play.tell()
            if item is HANG:
                writer.transport.pause_reading()
            await asyncio.Event().wait()
        writer.write(item)
        await writer.drain()
        return True


async def dripping(data, every_s):
    for i in range(len(data)):
        yield data[i:i + 1]
        await asyncio.sleep(every_s)


async def endless(data, limit=ENDLESS_MAX):
    """data again and again, as fast as it is taken."""
    block = data * max(1, 65536 // len(data))
    for _ in range(limit // len(block)):
        yield block


__all__ = ["Beside", "dripping", "endless"]
