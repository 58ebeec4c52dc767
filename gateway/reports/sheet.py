"""A report as a workbook: an overview, the trend with its charts, a sheet of counts with theirs, recurring issues."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from typing import Any

from openpyxl import Workbook
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
from openpyxl.chart import BarChart, LineChart, Reference
from openpyxl.styles import Alignment, Font, PatternFill

from console.report_view import View

_HEAD = Font(bold=True, color="FFFFFF")
_FILL = PatternFill("solid", fgColor="0B6B74")
_TITLE = Font(bold=True, size=14, color="0B6B74")
_PERCENT = "0.0%"
#: Titles of sheets may not have these (Excel's own rule), nor be longer.
_NO_TITLE, _LONGEST_TITLE = r"[]:*?/\ ".replace(" ", ""), 31


def workbook(shown: View) -> bytes:
    """The report as an Office Open XML workbook (ECMA-376)."""
    book = Workbook()
    first = book.active
    assert first is not None
    _overview(shown, first)
    _trend(shown, book.create_sheet())
    for title, counts in shown.sections:
        sheet = book.create_sheet()
        named(sheet, title)
        rows(sheet, [title, shown.t("report.number")], [[one.label, one.n] for one in counts])
        if counts:
            _bars(sheet, title, len(counts))
    _issues(shown, book.create_sheet())
    made = BytesIO()
    book.save(made)
    return made.getvalue()


def _overview(shown: View, sheet: Any) -> None:
    t, report = shown.t, shown.report
    named(sheet, t("report.overview"))
    sheet["A1"] = f"{shown.title} {shown.period}"
    sheet["A1"].font = _TITLE
    sheet["A2"] = "  ".join([t("report.made", at=shown.made), *shown.notes])
    sheet.append([])
    sheet.append([t("report.received"), report.received.n])
    sheet.append([t("report.before", value=""), report.before])
    sheet.append([t("report.handled"), report.handled.n])
    sheet.append([])
    heads = ("report.rate", "report.share", "report.part", "report.whole", "report.meaning")
    _head(sheet, [t(one) for one in heads])
    for one in shown.rates:
        sheet.append([one.label, one.rate.share, one.rate.part.n, one.rate.whole.n, one.meaning])
        sheet.cell(sheet.max_row, 2).number_format = _PERCENT
    widths(sheet, [26, 14, 12, 12, 48])


def _trend(shown: View, sheet: Any) -> None:
    t = shown.t
    named(sheet, t("report.trend"))
    heads = [t("report.period"), t("report.received"), *(one.label for one in shown.rates)]
    rows(sheet, heads, [[one.label, one.received, *one.shares] for one in shown.trend])
    for row in sheet.iter_rows(min_row=2, min_col=3):
        for cell in row:
            cell.number_format = _PERCENT
    widths(sheet, [20, 12, *[14] * len(shown.rates)])
    if not shown.trend:
        return
    last = len(shown.trend) + 1
    names = Reference(sheet, min_col=1, min_row=2, max_row=last)
    columns = BarChart()
    columns.title, columns.legend = t("report.received"), None
    columns.add_data(Reference(sheet, min_col=2, min_row=1, max_row=last), titles_from_data=True)
    columns.set_categories(names)
    lines = LineChart()
    lines.title = t("report.rate")
    lines.y_axis.number_format = "0%"
    width = 2 + len(shown.rates)
    lines.add_data(Reference(sheet, min_col=3, max_col=width, min_row=1, max_row=last), titles_from_data=True)
    lines.set_categories(names)
    for chart, place in ((columns, "G2"), (lines, "G20")):
        chart.height, chart.width = 8.5, 17
        _with_axes(chart)
        sheet.add_chart(chart, place)


def _bars(sheet: Any, title: str, rows: int) -> None:
    chart = BarChart()
    chart.type, chart.title, chart.legend = "bar", title, None
    chart.add_data(Reference(sheet, min_col=2, min_row=1, max_row=rows + 1), titles_from_data=True)
    chart.set_categories(Reference(sheet, min_col=1, min_row=2, max_row=rows + 1))
    chart.height, chart.width = max(5.0, 1.6 + 0.8 * rows), 17
    chart.x_axis.scaling.orientation = "maxMin"  # the first row at the top
    _with_axes(chart)
    sheet.add_chart(chart, "D2")


def _issues(shown: View, sheet: Any) -> None:
    t = shown.t
    named(sheet, t("report.issues"))
    heads = [t("report.issue"), t("report.count"), t("report.count_before")]
    rows(sheet, heads, [[one.label, one.figure.n, one.before] for one in shown.issues])
    if shown.report.again:
        sheet.append([])
        _head(sheet, [t("report.again"), "", t("report.number")])
        for matter in shown.report.again:
            append_row(sheet, [matter.subject, matter.reference, matter.n])
    widths(sheet, [48, 20, 16])


def rows(sheet: Any, heads: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    for n, head in enumerate(heads, 1):
        _headed(sheet.cell(1, n, head))
    for row in rows:
        append_row(sheet, row)
    widths(sheet, [34, 14])
    sheet.freeze_panes = "A2"


def _head(sheet: Any, heads: Sequence[str]) -> None:
    sheet.append(list(heads))
    for cell in sheet[sheet.max_row]:
        _headed(cell)


def _headed(cell: Any) -> None:
    cell.font, cell.fill, cell.alignment = _HEAD, _FILL, Alignment(wrap_text=True, vertical="center")


def widths(sheet: Any, widths: Sequence[int]) -> None:
    for letter, width in zip("ABCDEFGHIJ", widths, strict=False):
        sheet.column_dimensions[letter].width = width


def _with_axes(chart: Any) -> None:
    # Left out by the library's default, which some programs take for "no axis".
    chart.x_axis.delete = chart.y_axis.delete = False


def named(sheet: Any, title: str) -> None:
    sheet.title = "".join(one for one in title if one not in _NO_TITLE)[:_LONGEST_TITLE]


def append_row(sheet: Any, row: Sequence[Any]) -> None:
    """A row whose texts are texts: without what no workbook holds, and never a formula."""
    sheet.append([ILLEGAL_CHARACTERS_RE.sub("", one) if isinstance(one, str) else one for one in row])
    for cell in sheet[sheet.max_row]:
        if cell.data_type == "f":
            cell.data_type = "s"
