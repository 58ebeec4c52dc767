"""What the reading process tells, as batches, and these as envelopes of a channel."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from connectors.channel import Channel
from connectors.contract import MailImporter, RowImporter
from inbox.imports.source import Frame
from model.envelope import Envelope
from model.failures import Malformed
from model.imported import Row
from model.tools import Raw, Spooled
from store.imports import Bad

#: Bytes of mails in one batch: a few large ones are enough.
_BATCH_BYTES = 8_388_608


@dataclass(slots=True)
class Items:
    """Rows or mails that are stored together, and where to go on after them."""

    rows: int = 0
    good: list[tuple[int, Row | Raw, list[str]]] = field(default_factory=list)
    """With the number and the cells of each, should the channel refuse it."""
    bad: list[Bad] = field(default_factory=list)
    notes: int = 0
    position: Any = None
    share: float = 0.0
    size: int = 0


async def batches(frames: AsyncGenerator[Frame, None], most: int) -> AsyncGenerator[Items, None]:
    """Batches of up to `most` rows or mails."""
    items = Items()
    async with contextlib.aclosing(frames):
        async for head, raw in frames:
            if "mail" in head:
                _add_mail(items, head["mail"], raw)
            for row in head.get("rows", ()):
                _add_row(items, row)
                if items.rows >= most:
                    yield items
                    items = Items()
            if items.rows >= most or items.size >= _BATCH_BYTES:
                yield items
                items = Items()
        if items.rows:
            yield items


def _add_row(items: Items, row: Mapping[str, Any]) -> None:
    items.rows += 1
    items.position, items.share = {"n": row["n"]}, row["share"]
    if "error" in row:
        items.bad.append(Bad(row["n"], row["error"], row["cells"]))
        return
    items.notes += len(row["notes"])
    items.good.append((row["n"], row_of(row), row["cells"]))


def row_of(told: Mapping[str, Any]) -> Row:
    """A row as the process told it."""
    return Row(
        fields=told["fields"],
        extra=told["extra"],
        source_id=told["id"],
        fingerprint=told["print"],
        sent_at=datetime.fromisoformat(told["sent_at"]) if told["sent_at"] else None,
        event=told["event"].encode() if told["event"] is not None else None,
    )


def _add_mail(items: Items, mail: Mapping[str, Any], raw: bytes) -> None:
    items.rows += 1
    items.position, items.share = mail["next"], mail["share"]
    if "error" in mail:
        items.bad.append(Bad(mail["n"], mail["error"], mail["cells"]))
        return
    kept = raw_of(mail, raw)
    items.size += len(kept) if isinstance(kept, bytes) else kept.size
    items.good.append((mail["n"], kept, [mail["place"]]))


def raw_of(mail: Mapping[str, Any], raw: bytes) -> Raw:
    """The bytes of a mail, which lie in a file when they are many."""
    return Spooled(Path(mail["path"]), mail["size"], mail["sha256"]) if "path" in mail else raw


async def envelopes(channel: Channel, items: Items) -> tuple[list[Envelope], list[Bad]]:
    """The envelopes of a batch, and all its bad rows, those that the channel refuses included."""
    made, bad = [], list(items.bad)
    for n, one, cells in items.good:
        try:
            made.append(await envelope(channel, one))
        except Malformed as error:
            bad.append(Bad(n, error.detail, cells))
    return made, bad


async def envelope(channel: Channel, one: Row | Raw) -> Envelope:
    """What the channel makes of a row or a mail; Malformed in words for whoever imports."""
    connector = channel.connector
    if isinstance(one, Row):
        assert isinstance(connector, RowImporter)
        return connector.import_row(one)
    assert isinstance(connector, MailImporter)
    if isinstance(one, bytes):
        return connector.import_mail(one)
    return await asyncio.to_thread(connector.import_mail, one)


def pinned(options: Mapping[str, Any], layout: Mapping[str, Any]) -> dict[str, Any]:
    """How the file is read: as it was found when a person looked at it, so that it is read the same every time."""
    found = {name: layout[name] for name in ("format", "encoding", "delimiter", "sheet", "header", "dates", "timezone")
             if layout.get(name)}  # fmt: skip
    mapping = {one["name"]: one["field"] or "" for one in layout.get("columns", ())}
    return {**options, **found, "mapping": mapping, "whole": True}
