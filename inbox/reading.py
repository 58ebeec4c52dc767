"""Reads envelopes: harmless kinds here, hostile ones in worker processes with a deadline."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from inbox import transfer, worker
from inbox.settings import InboxSettings
from model.draft import Draft
from model.envelope import StoredEnvelope
from model.failures import Malformed
from normalizer.contract import ReaderSpec, Source


class Reader:
    """Reads one envelope after another; workers start when needed and end when idle."""

    def __init__(self, settings: InboxSettings, readers: Mapping[str, ReaderSpec], spool: Path) -> None:
        self._settings = settings
        self._readers = readers
        self._spool = spool
        self._free: list[_Worker] = []
        self._places = asyncio.Semaphore(settings.reader_workers)
        self._reaper: asyncio.Task[None] | None = None

    async def read(self, envelope: StoredEnvelope, raw: bytes, options: Mapping[str, Any]) -> Draft:
        """The draft of an envelope. Raises Malformed when nothing can be made of it, or it killed its reader."""
        spec = self._readers.get(envelope.kind)
        if spec is None:
            raise Malformed(f"this release has no reader for kind {envelope.kind}")
        if not spec.hostile:
            return spec.load()(
                Source(
                    raw=raw,
                    media_type=envelope.media_type,
                    received_at=envelope.received_at,
                    sent_at=envelope.sent_at,
                    meta=envelope.meta,
                    options=options,
                )
            )
        header = {
            "kind": envelope.kind,
            "media_type": envelope.media_type,
            "received_at": envelope.received_at.isoformat(),
            "sent_at": envelope.sent_at.isoformat() if envelope.sent_at else None,
            "meta": dict(envelope.meta),
            "options": dict(options),
            "path": None,
        }
        async with self._places:
            return await self._in_worker(header, raw)

    async def _in_worker(self, header: dict[str, Any], raw: bytes) -> Draft:
        used = bool(self._free)
        one = self._free.pop() if used else await _Worker.start(self._spool)
        try:
            async with asyncio.timeout(self._settings.reader_deadline.total_seconds()):
                answer = await one.ask(worker.frame(header, raw))
        except TimeoutError:
            await one.kill()
            seconds = self._settings.reader_deadline.total_seconds()
            raise Malformed(f"reading it took longer than {seconds:g} s") from None
        except (EOFError, ConnectionError):
            await one.kill()
            if used:
                # It may have died while nobody read: only a fresh one proves that this envelope kills.
                return await self._in_worker(header, raw)
            raise Malformed("the reader died on it") from None
        except BaseException:
            await one.kill()
            raise
        self._free.append(one)
        self._watch()
        tree = orjson.loads(answer)
        if "malformed" in tree:
            raise Malformed(tree["malformed"])
        return transfer.load(answer, self._spool)

    def _watch(self) -> None:
        """End idle workers after a while: a parser's memory is not worth keeping."""
        if self._reaper is not None:
            self._reaper.cancel()
        self._reaper = asyncio.create_task(self._reap())

    async def _reap(self) -> None:
        await asyncio.sleep(self._settings.reader_idle.total_seconds())
        await self._end_all()

    async def _end_all(self) -> None:
        idle, self._free = self._free, []
        for one in idle:
            await one.kill()

    async def close(self) -> None:
        if self._reaper is not None:
            self._reaper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._reaper
        await self._end_all()


class _Worker:
    """One worker process and its pipes."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, spool: Path) -> _Worker:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "inbox.worker",
            str(spool),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=1 << 20,
        )
        return cls(process)

    async def ask(self, question: bytes) -> bytes:
        """The answer to one frame; EOFError when the process died."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(question)
        await self._process.stdin.drain()
        try:
            length = int.from_bytes(await self._process.stdout.readexactly(4), "big")
            return await self._process.stdout.readexactly(length)
        except asyncio.IncompleteReadError:
            raise EOFError from None

    async def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()
