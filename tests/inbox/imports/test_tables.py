"""Tables of any dialect and encoding, with the headings that people make."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inbox.imports import formats, tables
from inbox.imports.formats import Refused
from inbox.imports.limits import Limits
from inbox.imports.tables import Line, Table

LIMITS = Limits()


def read(data: bytes, name: str = "t.csv", **options: Any) -> tuple[Table, list[Line]]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(data)
        table = tables.open_table(path, formats.format_of(path, name, LIMITS), options, LIMITS)
        return table, [one for one in table.lines if isinstance(one, Line)]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_encoding_and_delimiter_are_found(encoding: str, delimiter: str) -> None:
    lines = ["姓名,电话,内容", "张三,13812345678,电梯坏了很久了"]
    table, rows = read("\r\n".join(lines).replace(",", delimiter).encode(encoding))
    assert table.columns == ["姓名", "电话", "内容"]
    assert [one.cells for one in rows] == [["张三", "13812345678", "电梯坏了很久了"]]
    assert table.facts["delimiter"] == delimiter


def test_commas_in_quotes_are_no_delimiters() -> None:
    table, rows = read(b'name;message\r\nA;"one, two, three"\r\nB;"four, five, six; seven"\r\n')
    assert table.columns == ["name", "message"]
    assert rows[1].cells == ["B", "four, five, six; seven"]


def test_a_first_line_may_name_the_delimiter() -> None:
    table, rows = read(b"sep=;\r\nname;message\r\nA;x,y\r\n")
    assert table.columns == ["name", "message"]
    assert rows[0].cells == ["A", "x,y"]


def test_the_headings_are_found_under_titles_and_merged_cells() -> None:
    table, rows = read("反馈登记表,,,\n2026年3月,,,\n姓名,客户信息,,内容\n,电话,邮箱,\n张三,1,2,x\n".encode())
    assert table.columns == ["姓名", "电话", "邮箱", "内容"]
    assert [(one.n, one.cells) for one in rows] == [(5, ["张三", "1", "2", "x"])]


def test_columns_without_or_with_the_same_heading_have_names_of_their_own() -> None:
    table, _ = read("姓名,备注,备注,,内容\n1,2,3,4,5\n".encode())
    assert table.columns == ["姓名", "备注", "备注 (2)", "column D", "内容"]


def test_headings_in_no_language_of_ours_are_the_first_line() -> None:
    table, rows = read(b"nimi,viesti\nAino,Hissi ei toimi\n")
    assert table.columns == ["nimi", "viesti"]
    assert len(rows) == 1


def test_the_line_of_the_headings_can_be_said() -> None:
    table, rows = read(b"a,b\nc,d\ne,f\n", header=2)
    assert table.columns == ["c", "d"]
    assert [one.n for one in rows] == [3]


def test_a_cell_that_is_too_long_costs_its_line_only() -> None:
    long = "x" * (LIMITS.cell_characters + 1)
    _, rows = read(f"name,message\na,{long}\nb,fine\n".encode())
    assert "longer than" in (rows[0].error or "")
    assert rows[-1].cells == ["b", "fine"]


def test_the_mark_before_a_formula_is_taken_away_again() -> None:
    _, rows = read(b"name,message\na,'=1+1\nb,'tis so\n")
    assert [one.cells[1] for one in rows] == ["=1+1", "'tis so"]


def test_json_lines_become_columns() -> None:
    lines = [{"name": "A", "message": "x", "tags": ["a"]}, {"name": "B", "message": "y", "n": 7.0}]
    data = b"\n".join([json.dumps(one).encode() for one in lines] + [b"", b"no json", b"[1]"])
    table, rows = read(data, "t.jsonl")
    assert table.columns == ["name", "message", "tags", "n"]
    assert [one.cells for one in rows[:2]] == [["A", "x", '["a"]', ""], ["B", "y", "", "7"]]
    assert [one.error for one in rows[2:]] == ["the line is no JSON object"] * 2


@pytest.mark.parametrize(
    ("data", "name", "why"),
    [
        (b"", "t.csv", "is empty"),
        (b"\n \n", "t.csv", "is empty"),
        (b"%PDF-1.7", "t.csv", "a PDF"),
        (b"\x1f\x8b\x08", "t.csv.gz", "unpack it"),
        (bytes.fromhex("d0cf11e0a1b11ae1") + b"\0" * 600, "t.xls", "before 2007"),
        (bytes.fromhex("d0cf11e0a1b11ae1") + "EncryptedPackage".encode("utf-16-le"), "t.xlsx", "password"),
        (b"PK\x03\x04 nothing", "t.xlsx", "damaged"),
        (b'[{"a": 1}]', "t.json", "one object a line"),
        (b"a\0b\0\0c" + b"x" * 600, "t.csv", "no text"),
        (b"name,message", "t.csv", None),
    ],
)
def test_what_cannot_be_imported_is_refused_in_words(data: bytes, name: str, why: str | None) -> None:
    if why is None:
        assert read(data, name)[1] == []
        return
    with pytest.raises(Refused, match=why):
        read(data, name)


# ---- whatever is written is read

_TEXT = st.text(st.characters(codec="gb18030", exclude_characters="\0\ufffd\r"), max_size=20)
#: A cell that is guarded, or would be taken for a failed formula, is told apart on purpose.
_CELL = _TEXT.filter(lambda text: not text.startswith("'") and not text.startswith("#"))


@settings(max_examples=150, deadline=None)
@given(
    rows=st.lists(
        st.lists(_CELL, min_size=3, max_size=3).filter(lambda row: any(map(str.strip, row))), max_size=12
    ),
    delimiter=st.sampled_from([",", ";", "\t", "|"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    end=st.sampled_from(["\n", "\r\n"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "gb18030", "utf-16"]),
)
def test_what_is_written_in_any_dialect_is_read(
    rows: list[list[str]], delimiter: str, quoting: int, end: str, encoding: str
) -> None:
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=delimiter, quoting=quoting, lineterminator=end)  # type: ignore[arg-type]
    writer.writerows([["姓名", "电话", "内容"], *rows])
    table, found = read(out.getvalue().encode(encoding), encoding=encoding, delimiter=delimiter, header=1)
    assert table.columns == ["姓名", "电话", "内容"]
    assert [list(one.cells) for one in found] == rows


@settings(max_examples=100, deadline=None)
@given(data=st.binary(max_size=400), name=st.sampled_from(["t.csv", "t.jsonl", "t.xlsx", "t"]))
def test_any_bytes_are_read_or_refused(data: bytes, name: str) -> None:
    with contextlib.suppress(Refused):
        read(data, name)
