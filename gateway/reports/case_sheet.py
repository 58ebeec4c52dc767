"""A case as a workbook, and a list of records as one table."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO

from openpyxl import Workbook
from openpyxl.styles import Alignment

from console.case_view import CaseView
from gateway.reports.sheet import append_row, named, rows, widths

#: Most characters of a cell (Excel's own rule).
_CELL = 32_767


def workbook(shown: CaseView) -> bytes:
    """The case: what is known of it, its story, its files."""
    t, book = shown.t, Workbook()
    first = book.active
    assert first is not None
    named(first, shown.reference)
    rows(first, [shown.reference, shown.subject], [[name, value[:_CELL]] for name, value in shown.facts])
    append_row(first, [t("case.made", at=shown.made), ""])
    widths(first, [24, 80])
    story = book.create_sheet()
    named(story, t("record.story"))
    heads = [t("trail.at"), t("case.who"), t("case.said"), t("case.notes")]
    rows(
        story,
        heads,
        [[one.at, one.head, one.text[:_CELL], " · ".join(one.notes)[:_CELL]] for one in shown.entries],
    )
    widths(story, [18, 28, 90, 40])
    files = book.create_sheet()
    named(files, t("record.files"))
    rows(files, [t("case.file"), t("case.bytes")], [[name, size] for name, size in shown.files])
    widths(files, [60, 14])
    return _made(book)


def table(title: str, heads: Sequence[str], lines: Sequence[Sequence[str]]) -> bytes:
    """One sheet with a line for each record."""
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    named(sheet, title)
    rows(sheet, heads, [[one[:_CELL] for one in line] for line in lines])
    widths(sheet, [18, 17, 14, 14, 12, 20, 18, 20, 24, 40])
    sheet.freeze_panes = "B2"
    return _made(book)


def _made(book: Workbook) -> bytes:
    for sheet in book.worksheets:
        for row in sheet.iter_rows(min_row=2):
            for cell in row:
                cell.alignment = Alignment(wrap_text=True, vertical="top")
    made = BytesIO()
    book.save(made)
    return made.getvalue()
