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


class Slow(Exception):
    """Reading it takes long: it is to be read again apart, where it holds up no other."""


class Reader:
    """Reads one envelope after another; workers start when needed and end when idle.

    What takes longer than `reader_patience` is given up with Slow, and read again with the whole
    `reader_deadline` when its turn comes apart: a place of its own, beside those of all others.
    """

    def __init__(self, settings: InboxSettings, readers: Mapping[str, ReaderSpec], spool: Path) -> None:
        self._settings = settings
        self._readers = readers
        self._spool = spool
        self._free: list[_Worker] = []
        self._places = asyncio.Semaphore(settings.reader_workers)
        self._apart = asyncio.Semaphore(1)
        self._reaper: asyncio.Task[None] | None = None

    def is_hostile(self, kind: str) -> bool:
        """Whether envelopes of that kind are read in a worker, which takes large ones from their file."""
        spec = self._readers.get(kind)
        return spec is not None and spec.hostile

    async def read(
        self, envelope: StoredEnvelope, raw: bytes | Path, options: Mapping[str, Any], *, apart: bool = False
    ) -> Draft:
        """The draft of an envelope, whose bytes may be in a file of the store.

        Raises Malformed when nothing can be made of it, or it killed its reader; Slow when it takes long and is
        not read apart already.
        """
        spec = self._readers.get(envelope.kind)
        if spec is None:
            raise Malformed(f"this release has no reader for kind {envelope.kind}")
        if not spec.hostile:
            return spec.load()(
                Source(
                    raw=raw if isinstance(raw, bytes) else await asyncio.to_thread(raw.read_bytes),
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
            "path": str(raw) if isinstance(raw, Path) else None,
        }
        question = worker.frame(header, raw if isinstance(raw, bytes) else b"")
        async with self._apart if apart else self._places:
            return await self._in_worker(question, apart)

    async def _in_worker(self, question: bytes, apart: bool) -> Draft:
        limit = self._settings.reader_deadline
        if not apart:
            limit = min(limit, self._settings.reader_patience)
        used = bool(self._free)
        one = self._free.pop() if used else await _Worker.start(self._spool)
        try:
            async with asyncio.timeout(self._settings.reader_deadline.total_seconds()) as timer:
                answer = await one.ask(question)
                if not answer:  # the reader is loaded: from here on the time is the envelope's
                    timer.reschedule(asyncio.get_running_loop().time() + limit.total_seconds())
                    answer = await one.answer()
        except TimeoutError:
            await one.kill()
            if limit < self._settings.reader_deadline:
                raise Slow from None
            raise Malformed(f"reading it took longer than {limit.total_seconds():g} s") from None
        except (EOFError, ConnectionError):
            await one.kill()
            if used:
                # It may have died while nobody read: only a fresh one proves that this envelope kills.
                return await self._in_worker(question, apart)
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
        """The first answer to one frame, empty while it is only begun; EOFError when the process died."""
        assert self._process.stdin is not None
        self._process.stdin.write(question)
        await self._process.stdin.drain()
        return await self.answer()

    async def answer(self) -> bytes:
        """What it answers next; EOFError when the process died."""
        assert self._process.stdout is not None
        try:
            length = int.from_bytes(await self._process.stdout.readexactly(4), "big")
            return await self._process.stdout.readexactly(length)
        except asyncio.IncompleteReadError:
            raise EOFError from None

    async def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()
