"""Setting letters in a process of its own: `python -m connectors.letter.press`.

A font with Chinese is large and PDFs that are enclosed come from anywhere: what takes memory, hangs or dies here costs
one letter its try, and not the daemon. Frames both ways are a length and a JSON object, then bytes. It ends by itself
when nothing was asked for a while.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import datetime
import os
import resource
import select
import struct
import sys
import traceback
from collections.abc import Mapping
from typing import Any

import orjson

from connectors.letter.printing import PrintFolder
from model.failures import PermanentFailure, Reason, TemporaryFailure

_LENGTHS = struct.Struct("!II")
#: Address space of the process, bytes, and how long it waits for the next letter, seconds.
_MEMORY, _IDLE = 2 * 1024**3, 60.0
#: Largest answer, bytes: far more than the pages of a letter have.
_MOST = 512 * 1024**2


class Press:
    """Sets one letter after another; the process starts when there is one."""

    def __init__(self, settings: PrintFolder) -> None:
        self._settings = settings
        self._process: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()

    async def set(self, what: str, job: Mapping[str, Any]) -> tuple[Mapping[str, Any], bytes]:
        """Facts and PDF of a `letter` or a `list`; PermanentFailure for what cannot be printed."""
        question = orjson.dumps(
            {"what": what, "job": job, "settings": self._settings.model_dump(mode="json")}
        )
        async with self._turn:
            try:
                async with asyncio.timeout(self._settings.timeout):
                    told, pdf = await self._asked(question)
            except TimeoutError:
                await self._end()
                raise PermanentFailure(
                    Reason.REQUEST, f"it could not be set within {self._settings.timeout:g} seconds"
                ) from None
            except BaseException:
                await self._end()
                raise
        if "refused" in told:
            raise PermanentFailure(Reason.REQUEST, told["refused"])
        if "failed" in told:
            raise TemporaryFailure(Reason.SERVER, f"setting it failed: {told['failed']}")
        return told, pdf

    async def close(self) -> None:
        async with self._turn:
            await self._end()

    async def _asked(self, question: bytes) -> tuple[Mapping[str, Any], bytes]:
        for fresh in (False, True):
            process = await self._running(fresh)
            assert process.stdin is not None and process.stdout is not None
            try:
                process.stdin.write(_LENGTHS.pack(len(question), 0) + question)
                await process.stdin.drain()
                head, body = _LENGTHS.unpack(await process.stdout.readexactly(_LENGTHS.size))
                if head + body > _MOST:
                    raise TemporaryFailure(Reason.SERVER, "what was set is too large")
                told = orjson.loads(await process.stdout.readexactly(head))
                return told, await process.stdout.readexactly(body)
            except (asyncio.IncompleteReadError, ConnectionError):
                await self._end()
                if fresh:  # an old one may just have gone by itself
                    break
        raise PermanentFailure(Reason.REQUEST, "the process that sets letters died of it")

    async def _running(self, fresh: bool) -> asyncio.subprocess.Process:
        if self._process is None or self._process.returncode is not None or fresh:
            await self._end()
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "connectors.letter.press",
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
            )
        return self._process

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


# ---- the process


def _made(question: Mapping[str, Any]) -> tuple[dict[str, Any], bytes]:
    from connectors.letter import cover, sheet
    from connectors.letter.enclosed import Enclosure

    settings, job = PrintFolder.model_validate(question["settings"]), dict(question["job"])
    job["day"] = datetime.date.fromisoformat(job["day"])
    if question["what"] == "list":
        rows = tuple(cover.Row(**row) for row in job.pop("rows"))
        made = cover.typeset(cover.List(rows=rows, **job), settings)
    else:
        files = [
            Enclosure(one["filename"], one["media_type"], base64.b64decode(one["data"]))
            for one in job.pop("files")
        ]
        made = sheet.typeset(sheet.Letter(files=tuple(files), **job), settings)
    return {"pages": made.pages, "replaced": made.replaced}, made.pdf


def _answer(question: bytes) -> tuple[dict[str, Any], bytes]:
    try:
        return _made(orjson.loads(question))
    except ValueError as error:
        return {"refused": str(error)[:300]}, b""
    except Exception as error:
        # Where it happened and not what it says: an error's own words may quote the letter.
        sys.stderr.write("".join(traceback.format_tb(error.__traceback__)) + f"{type(error).__name__}\n")
        return {"failed": type(error).__name__}, b""


def _read(stream: _Whole) -> bytes | None:
    lengths = stream.read(_LENGTHS.size)
    if len(lengths) < _LENGTHS.size:
        return None
    head, _ = _LENGTHS.unpack(lengths)
    return stream.read(head)


def main() -> None:
    """Answer until standard input ends, or nothing was asked for a while."""
    os.nice(5)
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    # Unbuffered, so that waiting for the next question sees what is there.
    stdin, stdout = os.fdopen(0, "rb", buffering=0), sys.stdout.buffer
    with contextlib.suppress(BrokenPipeError):
        while select.select([stdin], [], [], _IDLE)[0]:
            question = _read(_Whole(stdin))
            if question is None:
                return
            facts, pdf = _answer(question)
            head = orjson.dumps(facts)
            stdout.write(_LENGTHS.pack(len(head), len(pdf)) + head + pdf)
            stdout.flush()


class _Whole:
    """Reads as many bytes as asked for from a pipe without a buffer."""

    def __init__(self, pipe: Any) -> None:
        self._pipe = pipe

    def read(self, size: int) -> bytes:
        parts = []
        while size > 0 and (part := self._pipe.read(min(size, 1 << 20))):
            parts.append(part)
            size -= len(part)
        return b"".join(parts)


if __name__ == "__main__":
    main()
