"""A line of a table, by its mapping, as what a channel takes: with fields, a time, and an identity that stays."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson

from inbox.imports import names, values
from inbox.imports.tables import Line, Table
from inbox.imports.values import Wrong
from normalizer import identity

#: Longer ids of a table are hashed: they go into an index.
_LONGEST_ID = 200
#: Between the cells of several columns that are one field.
_JOINED = {"message": "\n\n", "subject": " ", "name": " ", "company": " "}


class Rows:
    """Makes rows of lines. Equal lines without an id are told apart by counting them, so it must see all of them."""

    def __init__(self, table: Table, mapping: Mapping[str, str | None], options: Mapping[str, Any]) -> None:
        self._columns = table.columns
        self._fields: list[str | None] = [mapping.get(one) or "" for one in table.columns]
        if table.columns and table.columns[-1] == names.ERROR:
            self._fields[-1] = None  # ours, in a file of bad rows that was corrected
        self._region = str(options.get("region") or "CN")
        self._zone = options.get("timezone")
        self._dates = str(options.get("dates") or "")
        self._strict = bool(options.get("strict"))
        self._events = bool(options.get("events"))
        self._epoch = {} if table.epoch is None else {"epoch": table.epoch}
        self._seen: dict[int, int] = {}

    def of(self, line: Line) -> dict[str, Any]:
        """The row as JSON values: `fields`, `extra`, identity and time; or `error`."""
        cells = [*line.cells[: len(self._columns)], *[""] * (len(self._columns) - len(line.cells))]
        made: dict[str, Any] = {"n": line.n, "cells": cells, "share": line.share}
        if line.event is not None:
            made["cells"] = [line.event.decode()]
        if line.error:
            return made | {"error": line.error, "cells": list(line.cells)}
        if beyond := [cell for cell in line.cells[len(self._columns) :] if cell.strip()]:
            return made | {"error": f"the line has {len(beyond)} cells more than there are headings"}
        if any("\ufffd" in cell for cell in cells):
            return made | {
                "error": "the line has characters that the file's encoding does not know; see --encoding"
            }
        try:
            return made | self._read(line, cells)
        except Wrong as error:
            return made | {"error": str(error)}

    def skip(self, line: Line) -> None:
        """Pass over a line that an earlier process has read, but count it."""
        if not line.error:
            cells = [*line.cells[: len(self._columns)], *[""] * (len(self._columns) - len(line.cells))]
            if not self._id(cells):
                self._count(self._print(line, cells))

    def _read(self, line: Line, cells: Sequence[str]) -> dict[str, Any]:
        parts: dict[str, list[str]] = {}
        extra: dict[str, str] = {}
        notes: list[str] = []
        sent_at: datetime | None = None
        for column, field, cell in zip(self._columns, self._fields, cells, strict=True):
            text = cell.strip()
            if field is None or field == names.LEFT_OUT or not text:
                continue
            if field == "sent_at":
                sent_at = self._moment(column, text) or sent_at
            elif field in ("phone", "email"):
                found, left = self._reached(column, field, text)
                parts.setdefault(field, []).extend(found)
                if left:
                    notes.append(f"{column}: {left[:100]!r} is no {_WORDS[field]}")
                    extra[column] = left
            elif field == "id":
                continue
            elif field:
                parts.setdefault(field, []).append(text)
            else:
                extra[column] = text
        fields = _joined(parts)
        id_, fingerprint = self._identity(line, cells, fields)
        return {
            "fields": fields,
            "extra": extra,
            "id": id_,
            "print": fingerprint,
            "sent_at": sent_at.isoformat() if sent_at else None,
            "event": line.event.decode() if line.event is not None and self._events else None,
            "notes": notes,
        }

    def _moment(self, column: str, text: str) -> datetime | None:
        try:
            return values.moment(text, self._zone, self._dates, **self._epoch)
        except Wrong as error:
            raise Wrong(f"{column}: {error}") from None

    def _reached(self, column: str, field: str, text: str) -> tuple[list[str], str]:
        """Numbers or addresses of a cell, and what is none; an error where the import is strict."""
        try:
            if field == "phone":
                found, left = values.phones(text, self._region)
            else:
                one = identity.email(text)
                nothing = text.lower() in values.NOTHING
                found, left = ([one.value], "") if one else ([], "" if nothing else text)
        except Wrong as error:
            raise Wrong(f"{column}: {error}") from None
        if left and self._strict and not found:
            raise Wrong(f"{column}: {left[:100]!r} is no {_WORDS[field]}")
        return found, left

    # ---- identity

    def _id(self, cells: Sequence[str]) -> str:
        return " ".join(
            cell.strip()
            for field, cell in zip(self._fields, cells, strict=True)
            if field == "id" and cell.strip()
        )

    def _identity(self, line: Line, cells: Sequence[str], fields: Mapping[str, str]) -> tuple[str, str]:
        """Source id and fingerprint: by the table's own id and what was said, else by all that the line holds.

        A later export has the same id and words, and another status: it is known. Two rows with one id and
        different words are two messages, as the parts of one ticket are.
        """
        if id_ := self._id(cells):
            said = [" ".join(fields.get(name, "").split()) for name in ("subject", "message")]
            short = id_ if len(id_) <= _LONGEST_ID else hashlib.sha256(id_.encode()).hexdigest()
            return f"row:{short}", _digest(["id", id_, *said])
        content = self._print(line, cells)
        return f"row:{content[:32]}:{self._count(content)}", content

    def _print(self, line: Line, cells: Sequence[str]) -> str:
        if line.event is not None:
            return _digest(orjson.loads(line.event))
        held = sorted(
            (column, cell.strip())
            for column, field, cell in zip(self._columns, self._fields, cells, strict=True)
            if field is not None and cell.strip()
        )
        return _digest(held)

    def _count(self, content: str) -> int:
        """How many equal lines came before. Eight bytes of the digest tell a million lines apart."""
        key = int(content[:16], 16)
        before = self._seen.get(key, 0)
        self._seen[key] = before + 1
        return before


_WORDS = {"phone": "telephone number", "email": "e-mail address"}


def _joined(parts: Mapping[str, Sequence[str]]) -> dict[str, str]:
    fields = {}
    for name, texts in parts.items():
        first, *more = dict.fromkeys(texts) or [""]
        if name in ("phone", "email"):
            if first:
                fields[name] = first
            if more:
                parts_ = [*(fields.get("contact", "").split("; ") if "contact" in fields else []), *more]
                fields["contact"] = "; ".join(parts_)
        else:
            joined = _JOINED.get(name, "; ").join([first, *more])
            fields[name] = f"{fields[name]}; {joined}" if name == "contact" and name in fields else joined
    return fields


def _digest(value: Any) -> str:
    return hashlib.sha256(orjson.dumps(value, option=orjson.OPT_SORT_KEYS)).hexdigest()
