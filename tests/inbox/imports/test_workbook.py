"""Workbooks: what is shown is read, and what they may do to who reads them."""

from __future__ import annotations

import datetime as dt
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook

from inbox.imports import formats, tables
from inbox.imports.formats import Refused
from inbox.imports.limits import Limits
from inbox.imports.tables import Line, Table

LIMITS = Limits()


def made(path: Path, fill: Callable[[Any], None]) -> Path:
    book = Workbook()
    fill(book)
    book.save(path)
    return path


def mended(path: Path, change: Callable[[str], str], part: str = "xl/worksheets/sheet1.xml") -> Path:
    """The workbook with one part of it rewritten."""
    other = path.with_suffix(".mended.xlsx")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(other, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            data = old.read(name)
            new.writestr(name, change(data.decode()).encode() if name == part else data)
    return other


def read(path: Path, limits: Limits = LIMITS, **options: Any) -> tuple[Table, list[Line]]:
    format_ = formats.format_of(path, path.name, limits)
    table = tables.open_table(path, format_, options, limits)
    return table, [one for one in table.lines if isinstance(one, Line)]


def test_dates_numbers_and_texts_stand_as_they_are_shown(tmp_path: Path) -> None:
    def fill(book: Any) -> None:
        sheet = book.active
        sheet.append(["姓名", "电话", "日期", "内容", "是否", "时长"])
        at = dt.datetime(2026, 3, 2, 13, 5)
        sheet.append(["张三", 13812345678, at, "电梯坏了", True, dt.time(8, 30)])
        sheet.append(["李四", 13812345678.0, 46083.5, 1.38e10, None, dt.date(2026, 3, 2)])

    _, rows = read(made(tmp_path / "t.xlsx", fill))
    assert rows[0].cells == ["张三", "13812345678", "2026-03-02 13:05:00", "电梯坏了", "TRUE", "08:30:00"]
    assert rows[1].cells == ["李四", "13812345678", "46083.5", "13800000000", "", "2026-03-02"]


def test_a_formula_is_its_stored_value_and_never_its_text(tmp_path: Path) -> None:
    def fill(book: Any) -> None:
        book.active.append(["name", "message"])
        book.active.append(["a", '=HYPERLINK("http://evil.example","x")'])
        book.active.append(["b", "=1+1"])

    path = made(tmp_path / "t.xlsx", fill)
    stored = mended(path, lambda xml: re.sub(r"(<f>1\+1</f>)<v */?>(</v>)?", r"\1<v>2</v>", xml))
    _, rows = read(stored)
    assert [one.cells for one in rows] == [["a"], ["b", "2"]]


def test_the_headings_of_merged_cells_are_put_together(tmp_path: Path) -> None:
    def fill(book: Any) -> None:
        sheet = book.active
        sheet.append(["12345热线工单汇总表"])
        sheet.append(["工单编号", "诉求人信息", None, "诉求内容"])
        sheet.append([None, "姓名", "联系电话", None])
        sheet.append(["A1", "张三", "13812345678", "电梯坏了"])
        for place in ("A1:D1", "A2:A3", "B2:C2", "D2:D3"):
            sheet.merge_cells(place)

    table, rows = read(made(tmp_path / "t.xlsx", fill))
    assert table.columns == ["工单编号", "姓名", "联系电话", "诉求内容"]
    assert [one.n for one in rows] == [4]


def test_hidden_sheets_are_passed_over_and_another_can_be_named(tmp_path: Path) -> None:
    def fill(book: Any) -> None:
        book.active.title = "hidden"
        book.active.append(["secret", "x"])
        book.active.sheet_state = "hidden"
        book.create_sheet("Data").append(["name", "message"])
        book.create_sheet("其他").append(["姓名", "内容"])
        book.active = 1

    path = made(tmp_path / "t.xlsx", fill)
    assert read(path)[0].facts["sheet"] == "Data"
    assert read(path, sheet="其他")[0].columns == ["姓名", "内容"]
    with pytest.raises(Refused, match="there is no sheet 'none'; there are: hidden, Data, 其他"):
        read(path, sheet="none")


def test_empty_rows_are_passed_over_whatever_the_sheet_says_of_its_size(tmp_path: Path) -> None:
    def fill(book: Any) -> None:
        book.active.append(["name", "message"])
        book.active.append(["a", "first"])

    def swell(xml: str) -> str:
        empty = "".join(f'<row r="{n}" ht="15"><c r="A{n}" s="0"/></row>' for n in range(3, 50_003))
        last = '<row r="1048576"><c r="B1048576" t="inlineStr"><is><r><t>la</t></r><r><t>st</t></r></is></c></row>'
        return xml.replace("</sheetData>", f"{empty}{last}</sheetData>").replace("A1:B2", "A1:XFD1048576")

    _, rows = read(mended(made(tmp_path / "t.xlsx", fill), swell))
    assert [(one.n, one.cells) for one in rows] == [(2, ["a", "first"]), (1_048_576, ["", "last"])]


def test_dates_count_from_the_day_that_the_workbook_says(tmp_path: Path) -> None:
    def fill(book: Any) -> None:
        from openpyxl.utils.datetime import CALENDAR_MAC_1904

        book.epoch = CALENDAR_MAC_1904
        book.active.append(["name", "date", "message"])
        book.active.append(["a", dt.datetime(2026, 3, 2), "x"])

    table, rows = read(made(tmp_path / "t.xlsx", fill))
    assert rows[0].cells[1] == "2026-03-02"
    assert table.epoch == dt.datetime(1904, 1, 1)


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "bomb.xlsx"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("xl/sharedStrings.xml", b"\0" * 30_000_000)
    with pytest.raises(Refused, match="perhaps a bomb"):
        formats.format_of(path, path.name, LIMITS)
    with pytest.raises(Refused, match="unpacked_bytes allows"):
        formats.format_of(path, path.name, Limits(unpacked_bytes=1_000_000))


def test_entities_are_refused(tmp_path: Path) -> None:
    def fill(book: Any) -> None:
        book.active.append(["name", "message"])

    laughs = '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><worksheet'
    path = mended(made(tmp_path / "t.xlsx", fill), lambda xml: xml.replace("<worksheet", laughs, 1))
    with pytest.raises(Refused, match="entities"):
        read(path)


def test_a_workbook_that_is_cut_is_refused(tmp_path: Path) -> None:
    def fill(book: Any) -> None:
        for n in range(2_000):
            book.active.append(["name", f"message {n} {n * 7919 % 1000}"])

    path = made(tmp_path / "t.xlsx", fill)
    (tmp_path / "cut.xlsx").write_bytes(path.read_bytes()[:-2_000])
    with pytest.raises(Refused, match="damaged or cut short"):
        read(tmp_path / "cut.xlsx")
    torn = mended(path, lambda xml: xml[: len(xml) // 2])
    with pytest.raises(Refused, match="damaged from here on"):
        read(torn)


def test_more_columns_than_allowed_are_refused(tmp_path: Path) -> None:
    path = made(tmp_path / "t.xlsx", lambda book: book.active.append([f"c{n}" for n in range(201)]))
    with pytest.raises(Refused, match="more than 200 columns"):
        read(path)
