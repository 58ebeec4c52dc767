"""Reads envelopes: harmless kinds here, hostile ones in worker processes with a deadline."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import sys
from collections.abc import Mapping
from datetime import timedelta
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
    `reader_deadline` when its turn comes apart: a place of its own, beside those of all others. Kinds that are slow by
    their nature are read apart from the beginning, by workers of their own, with `page_deadline` for each piece.
    """

    def __init__(self, settings: InboxSettings, readers: Mapping[str, ReaderSpec], spool: Path) -> None:
        self._settings = settings
        self._readers = readers
        self._plain = _Pool(spool, settings.reader_workers, settings.reader_idle)
        self._slow = _Pool(spool, settings.slow_workers, settings.slow_reader_idle)
        self._drawing = _Pool(spool, 1, settings.slow_reader_idle)
        self._spool = spool
        self._apart = asyncio.Semaphore(1)

    def is_hostile(self, kind: str) -> bool:
        """Whether envelopes of that kind are read in a worker, which takes large ones from their file."""
        spec = self._readers.get(kind)
        return spec is not None and spec.hostile

    def is_slow(self, kind: str) -> bool:
        """Whether envelopes of that kind take seconds by their nature, and have a lane of their own."""
        spec = self._readers.get(kind)
        return spec is not None and spec.slow

    async def read(
        self, envelope: StoredEnvelope, raw: bytes | Path, options: Mapping[str, Any], *, apart: bool = False
    ) -> Draft:
        """The draft of an envelope, whose bytes may be in a file of the store.

        Raises Malformed when nothing can be made of it, or it killed its reader; Slow when it takes long and is
        not read apart already.
        """
        spec = self._spec(envelope)
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
        if spec.slow and not apart:
            raise Slow
        question = _question(envelope, raw, options)
        if spec.slow:
            limits = (self._settings.page_deadline, self._settings.page_deadline)
            answer = await self._slow.ask(question, spec, *limits, deaths=2)
        else:
            whole = self._settings.reader_deadline
            limit = whole if apart else min(whole, self._settings.reader_patience)
            gate = self._apart if apart else self._plain.places
            answer = await self._plain.ask(question, spec, whole, limit, gate=gate)
        return transfer.load(answer, self._spool)

    async def picture(
        self, envelope: StoredEnvelope, raw: bytes | Path, options: Mapping[str, Any], page: int
    ) -> bytes:
        """One page of an envelope as a JPEG, for a person to look at; page 0 is the first.

        LookupError when its kind has no pages; Malformed when that page cannot be drawn.
        """
        spec = self._spec(envelope)
        if spec.picture is None:
            raise LookupError(f"an envelope of kind {envelope.kind} has no pages to be drawn")
        limit = self._settings.page_deadline
        answer = await self._drawing.ask(_question(envelope, raw, options, page=page), spec, limit, limit)
        return base64.b64decode(orjson.loads(answer)["picture"])

    def _spec(self, envelope: StoredEnvelope) -> ReaderSpec:
        spec = self._readers.get(envelope.kind)
        if spec is None:
            raise Malformed(f"this release has no reader for kind {envelope.kind}")
        return spec

    async def close(self) -> None:
        for pool in (self._plain, self._slow, self._drawing):
            await pool.close()


def _question(envelope: StoredEnvelope, raw: bytes | Path, options: Mapping[str, Any], **more: Any) -> bytes:
    header = {
        "kind": envelope.kind,
        "media_type": envelope.media_type,
        "received_at": envelope.received_at.isoformat(),
        "sent_at": envelope.sent_at.isoformat() if envelope.sent_at else None,
        "meta": dict(envelope.meta),
        "options": dict(options),
        "path": str(raw) if isinstance(raw, Path) else None,
        **more,
    }
    return worker.frame(header, raw if isinstance(raw, bytes) else b"")


class _Pool:
    """Workers for one sort of work: started when needed, at most so many at a time, ended when idle."""

    def __init__(self, spool: Path, places: int, idle: timedelta) -> None:
        self._spool = spool
        self._idle = idle
        self._free: list[_Worker] = []
        self._reaper: asyncio.Task[None] | None = None
        self.places = asyncio.Semaphore(places)

    async def ask(
        self,
        question: bytes,
        spec: ReaderSpec,
        loading: timedelta,
        limit: timedelta,
        *,
        gate: asyncio.Semaphore | None = None,
        deaths: int = 1,
    ) -> bytes:
        """The answer to a question. `loading` is for the reader to be there, `limit` for each piece of its work.

        Malformed when it dies on it `deaths` times, each time a fresh one; Slow when a limit shorter than `loading`
        is over.
        """
        async with gate or self.places:
            while True:
                used = bool(self._free)
                one = self._free.pop() if used else await _Worker.start(self._spool, spec)
                try:
                    answer = await _ask(one, question, loading, limit)
                except (EOFError, ConnectionError):
                    await one.kill()
                    # It may have died while nobody read: only fresh ones prove that this envelope kills.
                    deaths -= not used
                    if deaths:
                        continue
                    raise Malformed("the reader died on it") from None
                except BaseException:
                    await one.kill()
                    raise
                self._free.append(one)
                self._watch()
                tree = orjson.loads(answer)
                if "malformed" in tree:
                    raise Malformed(tree["malformed"])
                return answer

    def _watch(self) -> None:
        """End idle workers after a while: a parser's memory is not worth keeping."""
        if self._reaper is not None:
            self._reaper.cancel()
        self._reaper = asyncio.create_task(self._reap())

    async def _reap(self) -> None:
        await asyncio.sleep(self._idle.total_seconds())
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


async def _ask(one: _Worker, question: bytes, loading: timedelta, limit: timedelta) -> bytes:
    """One try at one worker. Every sign of life before the answer starts the time anew."""
    clock = asyncio.get_running_loop().time
    try:
        async with asyncio.timeout(loading.total_seconds()) as timer:
            answer = await one.ask(question)
            while not answer:  # the reader is loaded, or done with a piece: the time is the next piece's
                timer.reschedule(clock() + limit.total_seconds())
                answer = await one.answer()
            return answer
    except TimeoutError:
        if limit < loading:
            raise Slow from None
        raise Malformed(f"reading it took longer than {limit.total_seconds():g} s") from None


class _Worker:
    """One worker process and its pipes."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, spool: Path, spec: ReaderSpec) -> _Worker:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "inbox.worker",
            str(spool),
            str(spec.memory),
            str(spec.nice),
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
