"""Tables as lines of cells: CSV in any encoding and dialect, workbooks, JSON Lines."""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from inbox.imports import formats, names, values, workbook
from inbox.imports.formats import Refused
from inbox.imports.limits import Limits

#: Lines in which the headings are looked for, and characters in which the delimiter is.
_HEADING_LINES, _SAMPLE = 20, 65_536
#: JSON objects whose members are looked at for the columns.
_OBJECTS = 200


@dataclass(slots=True)
class Line:
    """One line of a table with its number in the file, from 1; `error` where it cannot be read."""

    n: int
    cells: Sequence[str]
    error: str | None = None
    event: bytes | None = None
    share: float = 0.0
    """How much of the file has been read, 0 to 1."""


@dataclass(slots=True)
class Table:
    """A table that is open."""

    columns: list[str]
    lines: Iterator[Line | float]
    """The lines below the headings that are not empty; a number, the share read, now and then when many are."""
    facts: dict[str, Any] = field(default_factory=dict)
    epoch: datetime | None = None
    """Day 0 of dates that are written as numbers, where it is not the usual one."""


def open_table(path: Path, format_: str, options: dict[str, Any], limits: Limits) -> Table:
    """The table of a file. `options` may name encoding, delimiter, sheet and header. Raises Refused."""
    if format_ == "xlsx":
        return _workbook(path, options, limits)
    if format_ == "jsonl":
        return _json_lines(path, options, limits)
    return _separated(path, options, limits)


# ---- CSV


def _separated(path: Path, options: dict[str, Any], limits: Limits) -> Table:
    given = options.get("encoding")
    encoding = formats.known_encoding(given) if given else formats.encoding_of(path)
    with path.open(encoding=encoding, errors="replace", newline="") as text:
        sample = text.read(_SAMPLE)
    delimiter = options.get("delimiter") or formats.delimiter_of(sample)
    said = sample[:4].lower() == "sep="
    csv.field_size_limit(limits.cell_characters)

    def lines() -> Iterator[Line]:
        size = max(path.stat().st_size, 1)
        with path.open("rb") as raw, io.TextIOWrapper(raw, encoding, errors="replace", newline="") as text:
            reader = csv.reader(text, delimiter=delimiter, strict=False)
            for n in itertools.count(1):
                try:
                    cells = next(reader, None)
                except csv.Error as error:
                    yield Line(n, (), _csv_error(error, limits), share=raw.tell() / size)
                    continue
                if cells is None:
                    return
                if said and n == 1:
                    continue
                yield Line(n, [values.text(_unguarded(cell)) for cell in cells], share=raw.tell() / size)

    facts = {"encoding": encoding, "delimiter": delimiter}
    return _headed(lines(), options.get("header"), facts, limits)


def _csv_error(error: csv.Error, limits: Limits) -> str:
    if "field larger" in str(error):
        return f"a cell is longer than {limits.cell_characters} characters (imports.cell_characters)"
    return f"the line is no CSV: {error}"


def _unguarded(cell: str) -> str:
    """Without the mark that keeps spreadsheet programs from running a text; see `errors.guarded`."""
    return cell[1:] if cell[:1] == "'" and cell[1:2] in ("=", "+", "-", "@", "\t", "\r") else cell


# ---- workbooks


def _workbook(path: Path, options: dict[str, Any], limits: Limits) -> Table:
    book = workbook.Workbook(path)
    chosen = book.find(options.get("sheet"))

    def lines() -> Iterator[Line | float]:
        for share, rows in book.rows(chosen):
            for n, cells in rows:
                yield Line(n, [_unguarded(values.text(cell)) for cell in cells], share=share)
            if not rows:
                yield share

    told = [{"name": one.name, "hidden": one.hidden} for one in book.sheets]
    facts = {"sheet": chosen.name, "sheets": told}
    table = _headed(lines(), options.get("header"), facts, limits)
    table.epoch = book.epoch
    return table


# ---- JSON Lines


def _json_lines(path: Path, options: dict[str, Any], limits: Limits) -> Table:
    given = options.get("encoding")
    encoding = formats.known_encoding(given) if given else formats.encoding_of(path)

    def objects() -> Iterator[tuple[int, bytes, dict[str, Any] | None, float]]:
        size = max(path.stat().st_size, 1)
        with path.open("rb") as raw, io.TextIOWrapper(raw, encoding, errors="replace") as text:
            for n in itertools.count(1):
                line = text.readline(limits.cell_characters + 1)
                if not line:
                    return
                whole = len(line) <= limits.cell_characters
                while not whole and line and not line.endswith("\n"):
                    line = text.readline(limits.cell_characters + 1)
                if whole and not line.strip():
                    continue
                data = line.strip().encode("utf-8", "replace")
                try:
                    value = orjson.loads(data) if whole else None
                except orjson.JSONDecodeError:
                    value = None
                yield n, data, value if isinstance(value, dict) else None, raw.tell() / size

    columns: dict[str, None] = {}
    for _, _, value, _ in itertools.islice(objects(), _OBJECTS):
        columns |= dict.fromkeys(list(value or {})[: limits.columns])
    if list(columns)[-1:] == [names.ERROR]:
        columns.pop(names.ERROR)
    headings = list(columns)[: limits.columns]
    if not headings:
        raise Refused("the file has no JSON objects, one a line")

    def lines() -> Iterator[Line]:
        for n, data, value, share in objects():
            if value is None:
                yield Line(
                    n, (data.decode("utf-8", "replace")[:1000],), "the line is no JSON object", share=share
                )
                continue
            if names.ERROR in value and names.UNREADABLE in value:
                kept = str(value[names.UNREADABLE])
                yield Line(n, (kept,), "the line still is no JSON object", share=share)
                continue
            known = [_member(value.get(name)) for name in headings]
            if list(value)[-1:] == [names.ERROR]:  # ours, in a file of bad rows that was corrected
                value.pop(names.ERROR)
            yield Line(n, known, event=orjson.dumps(value), share=share)

    return Table(headings, lines(), {"encoding": encoding})


def _member(value: Any) -> str:
    if isinstance(value, dict | list):
        return orjson.dumps(value).decode()
    return values.text(value)


# ---- headings


def _headed(
    lines: Iterable[Line | float], header: int | None, facts: dict[str, Any], limits: Limits
) -> Table:
    """Find the line of headings; above it stand titles, and cells that are merged over several columns."""
    source = iter(lines)
    first: list[Line] = []
    for one in source:
        if isinstance(one, Line) and (one.error or any(cell.strip() for cell in one.cells)):
            first.append(one)
        if len(first) >= _HEADING_LINES or (header and first and first[-1].n >= header):
            break
    if not first:
        raise Refused("the table is empty")
    at = _heading(first, header)
    columns = _columns(first[: at + 1], limits)
    below = first[at + 1 :]

    def rest() -> Iterator[Line | float]:
        for one in itertools.chain(below, source):
            if isinstance(one, float) or one.error or any(cell.strip() for cell in one.cells):
                yield one

    return Table(columns, rest(), facts | {"header": first[at].n})


def _heading(first: list[Line], header: int | None) -> int:
    if header:
        for at, one in enumerate(first):
            if one.n == header:
                return at
        raise Refused(f"line {header} is no line of headings: it is empty")
    scores = [(names.known(one.cells), -at) for at, one in enumerate(first)]
    best, negative = max(scores)
    if best:
        return _lower(first, -negative)
    # No heading that we know: the first line that is not one merged title.
    return next((at for at, one in enumerate(first) if sum(bool(c.strip()) for c in one.cells) > 1), 0)


def _lower(first: list[Line], at: int) -> int:
    """The second of two lines of headings, where one cell above stands for several below it."""
    below = [cell for cell in first[at + 1].cells if cell.strip()] if at + 1 < len(first) else []
    return at + 1 if below and names.known(below) == len(below) else at


def _columns(above: list[Line], limits: Limits) -> list[str]:
    """Names of the columns: of one whose heading is merged with what is above it, that; each name once."""
    *higher, last = above
    if len(last.cells) > limits.columns:
        filled = max((n for n, cell in enumerate(last.cells, 1) if cell.strip()), default=0)
        if filled > limits.columns:
            raise Refused(f"the table has more than {limits.columns} columns (imports.columns)")
    names_: list[str] = []
    width = max((n for line in above for n, cell in enumerate(line.cells, 1) if cell.strip()), default=0)
    for n in range(min(width, limits.columns)):
        own = " ".join(_cell(last, n).split())
        # Only a heading that is next to it, not the title of the whole sheet, which stands alone in its line.
        if not own and higher and sum(bool(cell.strip()) for cell in higher[-1].cells) > 1:
            own = " ".join(_cell(higher[-1], n).split())
        name = own[:200] or f"column {_letters(n)}"
        times = itertools.count(2)
        unique = name
        while unique in names_:
            unique = f"{name} ({next(times)})"
        names_.append(unique)
    return names_


def _cell(line: Line, n: int) -> str:
    return line.cells[n] if n < len(line.cells) else ""


def _letters(n: int) -> str:
    """The name of a column in spreadsheet programs: A, B, …, Z, AA."""
    letters = ""
    n += 1
    while n:
        n, rest = divmod(n - 1, 26)
        letters = chr(65 + rest) + letters
    return letters
