"""Cells as texts, times and telephone numbers."""

from __future__ import annotations

from datetime import UTC, date, datetime, time

import pytest

from inbox.imports import values
from inbox.imports.values import Wrong

SHANGHAI = "Asia/Shanghai"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2026-03-02", "2026-03-01T16:00"),
        ("2026-03-02 13:05", "2026-03-02T05:05"),
        ("2026-03-02T03:04:05Z", "2026-03-02T03:04:05"),
        ("2026-03-02 03:04:05 UTC", "2026-03-02T03:04:05"),
        ("2026-03-02 03:04:05 +0100", "2026-03-02T02:04:05"),
        ("2026/3/2 13:05", "2026-03-02T05:05"),
        ("2026.3.2", "2026-03-01T16:00"),
        ("2026年3月2日", "2026-03-01T16:00"),
        ("2026年3月2日 13时05分", "2026-03-02T05:05"),
        ("2026年3月2日下午1:05", "2026-03-02T05:05"),
        ("2026/3/2 星期一 上午8:00", "2026-03-02T00:00"),
        ("20260302", "2026-03-01T16:00"),
        ("20260302130500", "2026-03-02T05:05"),
        ("46083.545138888891", "2026-03-02T05:05"),  # the serial number of spreadsheet programs
        ("1772427900", "2026-03-02T05:05"),
        ("1772427900000", "2026-03-02T05:05"),
        ("Mar 2, 2026 1:05 PM", "2026-03-02T05:05"),
        ("2 March 2026", "2026-03-01T16:00"),
        ("Mon, 2 Mar 2026 09:00:00 +0800", "2026-03-02T01:00"),
        ("13/02/2026", "2026-02-12T16:00"),
        ("02/13/2026", "2026-02-12T16:00"),
        ("２０２６－０３－０２", "2026-03-01T16:00"),
    ],
)
def test_a_time_is_read_as_people_and_programs_write_it(written: str, meant: str) -> None:
    assert values.moment(written, SHANGHAI, "") == datetime.fromisoformat(meant).replace(tzinfo=UTC)


@pytest.mark.parametrize("written", ["", " ", "-", "无", "不详", "N/A"])
def test_nothing_is_no_time(written: str) -> None:
    assert values.moment(written, SHANGHAI, "") is None


@pytest.mark.parametrize(
    "written", ["gestern", "3月", "2026-13-45", "12", "2026-03-02 25:99", "9" * 400, "99/99/2026"]
)
def test_what_is_no_time_is_told(written: str) -> None:
    with pytest.raises(Wrong):
        values.moment(written, SHANGHAI, "")


def test_a_date_that_may_be_two_is_not_guessed() -> None:
    with pytest.raises(Wrong, match="may be two dates"):
        values.moment("3/4/2026", SHANGHAI, "")
    assert values.moment("3/4/2026", "UTC", "dmy") == datetime(2026, 4, 3, tzinfo=UTC)
    assert values.moment("3/4/2026", "UTC", "mdy") == datetime(2026, 3, 4, tzinfo=UTC)


def test_a_column_tells_the_order_of_its_dates_by_those_that_can_be_but_one() -> None:
    assert values.day_order(["3/4/2026", "25/4/2026", ""]) == "dmy"
    assert values.day_order(["3/4/2026", "4/25/2026"]) == "mdy"
    assert values.day_order(["3/4/2026", "5/6/2026"]) == ""
    assert values.day_order(["25/4/2026", "4/25/2026"]) == ""


@pytest.mark.parametrize(
    ("written", "region", "numbers", "left"),
    [
        ("13812345678", "CN", ["+8613812345678"], ""),
        ("138 1234 5678", "CN", ["+8613812345678"], ""),
        ("138-1234-5678", "CN", ["+8613812345678"], ""),
        ("(+86)138-1234-5678", "CN", ["+8613812345678"], ""),
        ("0086 13812345678", "CN", ["+8613812345678"], ""),
        ("１３８１２３４５６７８", "CN", ["+8613812345678"], ""),
        ("'13812345678", "CN", ["+8613812345678"], ""),
        ("13812345678.0", "CN", ["+8613812345678"], ""),
        ("1.3812345678E+10", "CN", ["+8613812345678"], ""),
        ("tel:13812345678", "CN", ["+8613812345678"], ""),
        ("13812345678/13912345678", "CN", ["+8613812345678", "+8613912345678"], ""),
        ("13812345678，13912345678", "CN", ["+8613812345678", "+8613912345678"], ""),
        ("010-62345678", "CN", ["+861062345678"], ""),
        ("010-62345678转801", "CN", ["+861062345678"], "010-62345678转801"),
        ("(021) 6234 5678", "CN", ["+862162345678"], ""),
        ("(212) 555-0123", "US", ["+12125550123"], ""),
        ("212.555.0123 ext. 45", "US", ["+12125550123"], "212.555.0123 ext. 45"),
        ("+1 212 555 0123", "CN", ["+12125550123"], ""),
        ("030/901820", "DE", ["+4930901820"], ""),
        ("+49 (0)30 901820", "CN", ["+4930901820"], ""),
        ("020 7946 0958", "GB", ["+442079460958"], ""),
        ("06 12 34 56 78", "FR", ["+33612345678"], ""),
        ("2345 6789", "HK", ["+85223456789"], ""),
        ("0912-345-678", "TW", ["+886912345678"], ""),
        ("03-1234-5678", "JP", ["+81312345678"], ""),
        ("8 (495) 123-45-67", "RU", ["+74951234567"], ""),
        ("无", "CN", [], ""),
        ("12345", "CN", [], "12345"),
        ("微信同号", "CN", [], "微信同号"),
    ],
)
def test_a_number_is_read_in_every_national_habit(
    written: str, region: str, numbers: list[str], left: str
) -> None:
    assert values.phones(written, region) == (numbers, left)


def test_digits_that_a_spreadsheet_has_lost_are_told() -> None:
    with pytest.raises(Wrong, match="has lost its digits"):
        values.phones("1.38E+10", "CN")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""), (True, "TRUE"), (13812345678.0, "13812345678"), (1.5, "1.5"), (7, "7"),
        (datetime(2026, 3, 2), "2026-03-02"), (datetime(2026, 3, 2, 13, 5), "2026-03-02 13:05:00"),
        (date(2026, 3, 2), "2026-03-02"), (time(13, 5), "13:05:00"), ("#N/A", ""), ("a\0b", "a\ufffdb"),
        ("\ud800", "?"),
    ],
)  # fmt: skip
def test_a_cell_has_one_text(value: object, text: str) -> None:
    assert values.text(value) == text
