"""The file of bad rows: the columns as they stood, and why each row was not taken. Corrected, it can be imported."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from inbox.imports import names
from store.imports import Bad

#: What a spreadsheet program would run as a formula (OWASP, "CSV injection").
_LIVE = ("=", "+", "-", "@", "\t", "\r")
_MEDIA = {
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "jsonl": "application/jsonl",
    "csv": "text/csv; charset=utf-8",
}


def guarded(cell: str) -> str:
    """A cell that no spreadsheet program runs; reading it takes the mark away again."""
    return f"'{cell}" if cell.startswith(_LIVE) else cell


def file_of(name: str, layout: Mapping[str, Any], bad: Sequence[Bad]) -> tuple[str, str, bytes]:
    """Name, media type and bytes of the file: in the format of the imported one, of mails a list as CSV."""
    format_ = str(layout.get("format"))
    ending = format_ if format_ in ("xlsx", "jsonl") else "csv"
    if layout.get("holds") != "rows":
        head = ["number", "file"]
        lines = [[str(one.row), *one.cells[:1], one.error] for one in bad]
    else:
        head = [one["name"] for one in layout.get("columns", ())]
        if head[-1:] == [names.ERROR]:
            head.pop()
        lines = [[*(list(one.cells) + [""] * len(head))[: max(len(head), 1)], one.error] for one in bad]
    if ending == "jsonl":
        data = b"".join(_object(one) for one in bad)
    elif ending == "xlsx":
        data = _workbook([*head, names.ERROR], lines)
    else:
        data = _separated([*head, names.ERROR], lines, str(layout.get("delimiter") or ","))
    return f"{name}.errors.{ending}", _MEDIA[ending], data


def _object(bad: Bad) -> bytes:
    line = bad.cells[0] if bad.cells else ""
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError:
        value = None
    told = {**value} if isinstance(value, dict) else {names.UNREADABLE: line}
    return orjson.dumps(told | {names.ERROR: bad.error}) + b"\n"


def _separated(head: Sequence[str], lines: Sequence[Sequence[str]], delimiter: str) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=delimiter)
    writer.writerows([guarded(cell) for cell in line] for line in (head, *lines))
    return out.getvalue().encode("utf-8-sig")  # by the mark, spreadsheet programs know the encoding


def _workbook(head: Sequence[str], lines: Sequence[Sequence[str]]) -> bytes:
    from openpyxl import Workbook
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

    book = Workbook(write_only=True)
    sheet = book.create_sheet("errors")
    for line in (head, *lines):
        cells = []
        for text in line:
            cell = WriteOnlyCell(sheet, value=ILLEGAL_CHARACTERS_RE.sub("\ufffd", guarded(text))[:32_767])
            cell.data_type = "s"  # text, whatever it looks like
            cells.append(cell)
        sheet.append(cells)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()
