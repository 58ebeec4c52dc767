"""A cable between the house and a far side, which a test can cut and mend: refused, then there again.

async with Wire(sink.port) as wire:
    settings = {..., "port": wire.port}
    await wire.cut()      # connections are refused from here on, and open ones break
    await wire.mend()
    wire.hush()           # what is open stays open and carries nothing any more; new ones are well
"""

from __future__ import annotations

import asyncio
import socket
from types import TracebackType
from typing import Self


class Wire:
    """Forwards a free loopback port, which stays the same, to another one."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._hushed = asyncio.Event()
        # Bound and never listening: while the wire is cut its port refuses, and is given to nobody else.
        self._place = socket.socket()
        self._place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self._place.bind(("127.0.0.1", 0))
        self.port = int(self._place.getsockname()[1])

    async def __aenter__(self) -> Self:
        await self.mend()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.cut()
        self._place.close()

    async def mend(self) -> None:
        """Take connections again, at the same port."""
        if self._server is None:
            self._server = await asyncio.start_server(
                self._join, "127.0.0.1", self.port, limit=1 << 20, reuse_port=True
            )

    async def cut(self) -> None:
        """Refuse connections, and break those that are open."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
        for writer in tuple(self._writers):
            writer.transport.abort()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if server is not None:
            await server.wait_closed()

    def hush(self) -> None:
        """Let the open connections fall silent, as a forgetful router does."""
        self._hushed.set()
        self._hushed = asyncio.Event()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        ends, hushed = [writer], self._hushed
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target, limit=1 << 20)
            ends.append(far_writer)
            self._writers |= set(ends)
            there = asyncio.create_task(_pump(reader, far_writer, hushed))
            back = asyncio.create_task(_pump(far_reader, writer, hushed))
            try:
                await asyncio.wait({there, back}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for one in (there, back):
                    one.cancel()
                await asyncio.gather(there, back, return_exceptions=True)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            for end in ends:
                self._writers.discard(end)
                end.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, hushed: asyncio.Event) -> None:
    try:
        while data := await reader.read(65_536):
            if hushed.is_set():
                continue
            writer.write(data)
            await writer.drain()
    except OSError:
        return
