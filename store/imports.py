"""Imports in SQL: their rows, and how far they have come, moved in the transaction of what they brought."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Text, delete, func, or_, select, type_coerce, update
from sqlalchemy.dialects import postgresql, sqlite

from model.imported import IMPORT_TRANSITIONS, ImportState
from model.states import sources
from store.conditions import one_of, stands
from store.schema import envelope
from store.schema_imports import import_, import_error

S = ImportState


@dataclass(frozen=True, slots=True)
class Bad:
    """A row that could not be taken, and why; `cells` as they stood."""

    row: int
    error: str
    cells: Sequence[str]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an import comes with one batch. `claim` fences off a process that has lost it, or was told to stop."""

    id: str
    claim: str
    position: Any
    share: float
    rows: int
    bad: tuple[Bad, ...]
    notes: int
    at: datetime


def advance(connection: Connection, step: Progress) -> bool:
    """Move an import on; False when it is somebody else's by now, or cancelled."""
    i = import_
    moved = connection.execute(
        update(i)
        .where(i.c.id == step.id, i.c.claim == step.claim, i.c.state == S.RUNNING.value)
        .values(
            position=step.position,
            share=step.share,
            rows=i.c.rows + step.rows,
            errors=i.c.errors + len(step.bad),
            notes=i.c.notes + step.notes,
            updated_at=step.at,
        )
    )
    if moved.rowcount != 1:
        return False
    if step.bad:
        module: Any = sqlite if connection.dialect.name == "sqlite" else postgresql
        rows = [
            {"import": step.id, "row": one.row, "error": one.error, "cells": list(one.cells)}
            for one in step.bad
        ]
        connection.execute(module.insert(import_error).on_conflict_do_nothing(), rows)
    return True


def count(connection: Connection, id_: str, *, taken: int, known: int) -> None:
    """Add what became of a batch's envelopes."""
    i = import_
    added = {"taken": i.c.taken + taken, "known": i.c.known + known}
    connection.execute(update(i).where(i.c.id == id_).values(added))


def create(connection: Connection, values: Mapping[str, Any]) -> None:
    """A new import."""
    zeros = dict.fromkeys(("rows", "taken", "known", "errors", "notes"), 0)
    connection.execute(import_.insert().values(share=0.0, **zeros, **values))


def get(connection: Connection, id_: str) -> dict[str, Any] | None:
    """One import."""
    found = connection.execute(select(import_).where(import_.c.id == id_)).mappings().first()
    return None if found is None else dict(found)


def newest(connection: Connection, limit: int, channel: str | None = None) -> list[dict[str, Any]]:
    """Imports, newest first."""
    query = select(import_).order_by(import_.c.created_at.desc(), import_.c.id.desc()).limit(limit)
    if channel is not None:
        query = query.where(import_.c.channel == channel)
    return [dict(row) for row in connection.execute(query).mappings()]


def same_file(connection: Connection, channel: str, blob: str) -> dict[str, Any] | None:
    """The newest import of the same bytes into the same channel that has not come to its end."""
    open_ = [S.DRAFT.value, S.WAITING.value, S.RUNNING.value, S.FAILED.value, S.CANCELLED.value]
    query = (
        select(import_)
        .where(import_.c.channel == channel, import_.c.blob == blob, import_.c.state.in_(open_))
        .order_by(import_.c.created_at.desc(), import_.c.id.desc())
        .limit(1)
    )
    found = connection.execute(query).mappings().first()
    return None if found is None else dict(found)


def last_mapping(connection: Connection, channel: str, columns: Sequence[str]) -> Mapping[str, str] | None:
    """How the columns were mapped when the last file with the same ones was imported into the channel."""
    for row in newest(connection, 50, channel):
        layout = row["layout"] or {}
        started = row["state"] not in (S.DRAFT.value, S.CANCELLED.value) and not row["options"].get("events")
        before = [one["name"] for one in layout.get("columns", ())]
        if started and before and _without_error(before) == _without_error(columns):
            return {one["name"]: one["field"] or "" for one in layout["columns"] if one["name"] in columns}
    return None


def _without_error(columns: Sequence[str]) -> list[str]:
    """A file of bad rows has one column more."""
    return list(columns[:-1] if columns[-1:] and columns[-1] == "error" else columns)


def change(connection: Connection, id_: str, state: ImportState | None, at: datetime, **values: Any) -> bool:
    """Change an import, and its state if that may follow on the one it is in; False when it may not."""
    where = [import_.c.id == id_]
    if state is not None:
        where.append(import_.c.state.in_([one.value for one in sources(IMPORT_TRANSITIONS, state)]))
        values["state"] = state.value
    changed = connection.execute(update(import_).where(*where).values(updated_at=at, **values))
    return changed.rowcount == 1


def restart(connection: Connection, id_: str) -> None:
    """Forget how far an import came: it is to be read otherwise. What was taken is known when it comes again."""
    zeros: dict[str, Any] = dict.fromkeys(("rows", "taken", "known", "errors", "notes"), 0)
    connection.execute(delete(import_error).where(import_error.c["import"] == id_))
    connection.execute(update(import_).where(import_.c.id == id_).values(position=None, share=0.0, **zeros))


def discard(connection: Connection, id_: str) -> bool:
    """Forget a file that was uploaded and never imported."""
    i = import_
    gone = connection.execute(delete(i).where(i.c.id == id_, i.c.state == S.DRAFT.value))
    return gone.rowcount == 1


def due(connection: Connection) -> str | None:
    """The import that is to be worked on next: the oldest that waits or whose process died."""
    at_work = or_(import_.c.state == S.WAITING.value, import_.c.state == S.RUNNING.value)
    query = select(import_.c.id).where(at_work).order_by(import_.c.created_at, import_.c.id).limit(1)
    found: str | None = connection.scalar(query)
    return found


def waiting_envelopes(connection: Connection, most: int) -> int:
    """How many envelopes wait to be processed, counted up to `most`."""
    some = select(envelope.c.id).where(stands(envelope.c.state, "waiting")).limit(most).subquery()
    return int(connection.scalar(select(func.count()).select_from(some)) or 0)


def known(connection: Connection, identities: Sequence[tuple[str, str, str]]) -> set[tuple[str, str, str]]:
    """Which of these (account, source id, fingerprint) are stored already."""
    e = envelope.c
    rows = sorted({(fingerprint, source_id, account) for account, source_id, fingerprint in identities})
    query = select(e.account, e.source_id, e.fingerprint)
    found = connection.execute(query.where(one_of((e.fingerprint, e.source_id, e.account), rows)))
    return {(row[0], row[1], row[2]) for row in found}


def became(connection: Connection, row: Mapping[str, Any]) -> dict[str, int]:
    """What became of the envelopes of an import, by state. Looks at all of its channel since it began."""
    if row["started_at"] is None:
        return {}
    e = envelope.c
    mine = type_coerce(e.meta, Text).contains(f'"{row["id"]}"', autoescape=True)
    query = select(e.state, func.count()).where(
        e.channel == row["channel"], e.received_at >= row["started_at"], mine
    )
    return {state: int(n) for state, n in connection.execute(query.group_by(e.state))}


def errors(connection: Connection, id_: str, after: int, limit: int) -> list[Bad]:
    """Rows that could not be taken, in the order of the file, after a row."""
    e = import_error
    query = select(e.c.row, e.c.error, e.c.cells).where(e.c["import"] == id_, e.c.row > after)
    return [
        Bad(row.row, row.error, row.cells) for row in connection.execute(query.order_by(e.c.row).limit(limit))
    ]


def forget(connection: Connection, ended_before: datetime) -> int:
    """Let go of the files and the bad rows of imports that ended before a time; how many. Their counts stay."""
    i = import_
    idle = [S.DRAFT.value, S.DONE.value, S.FAILED.value, S.CANCELLED.value]
    old = [i.c.updated_at < ended_before, i.c.state.in_(idle), i.c.blob != ""]
    gone = select(i.c.id).where(*old)
    connection.execute(delete(import_error).where(import_error.c["import"].in_(gone)))
    return int(connection.execute(update(i).where(*old).values(blob="")).rowcount)
