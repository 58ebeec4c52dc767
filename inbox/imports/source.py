"""The daemon's end of the process that reads a file."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson

from inbox.imports.formats import Refused
from inbox.imports.limits import Limits
from inbox.imports.settings import ImportSettings
from inbox.imports.worker import LENGTHS

Frame = tuple[dict[str, Any], bytes]


async def read(
    path: Path,
    name: str,
    options: Mapping[str, Any],
    *,
    takes: Sequence[str],
    spool: Path,
    settings: ImportSettings,
    position: Any = None,
    preview: int | None = None,
) -> AsyncGenerator[Frame, None]:
    """What the process tells of a file, from a position on; see `inbox.imports.worker`.

    Raises Refused, in words for whoever imports, when the file cannot be read (further).
    """
    asked = {
        "path": str(path),
        "name": name,
        "options": dict(options),
        "takes": list(takes),
        "position": position,
        "preview": preview,
        "memory": settings.memory_bytes,
        "limits": asdict(limits(settings)),
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "inbox.imports.worker", str(spool),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=1 << 20,
    )  # fmt: skip
    assert process.stdin is not None and process.stdout is not None
    try:
        process.stdin.write(orjson.dumps(asked) + b"\n")
        await process.stdin.drain()
        while True:
            try:
                async with asyncio.timeout(settings.patience.total_seconds()):
                    head, raw = await _frame(process.stdout)
            except TimeoutError:
                raise Refused(
                    f"reading the file stood still for {settings.patience.total_seconds():g} s (imports.patience)"
                ) from None
            except (asyncio.IncompleteReadError, ConnectionError):
                raise Refused(
                    "the process that reads the file died; it may be too large, or a trap"
                ) from None
            if "refused" in head:
                raise Refused(head["refused"])
            if "end" in head:
                return
            yield head, raw
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def _frame(stream: asyncio.StreamReader) -> Frame:
    head, body = LENGTHS.unpack(await stream.readexactly(LENGTHS.size))
    return orjson.loads(await stream.readexactly(head)), await stream.readexactly(body)


def limits(settings: ImportSettings) -> Limits:
    """The bounds that the process keeps."""
    return Limits(
        unpacked_bytes=settings.unpacked_bytes,
        unpacked_ratio=settings.unpacked_ratio,
        members=settings.members,
        mail_bytes=settings.mail_bytes,
        columns=settings.columns,
        cell_characters=settings.cell_characters,
    )
