"""The report at the desk and by the API: its numbers, the lists behind them, its files, in both languages."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import Any

import pypdfium2
import pytest
from openpyxl import load_workbook

from casework.periods import Period
from casework.report import Report, made
from console import report_view
from gateway.reports.service import file
from store.reports import What
from tests.console.house import READER, House
from tests.console.test_desk import Client, clerk, client

__all__ = ["clerk", "client"]

CHOICES: dict[str, Any] = {
    "departments": {"product": {"title": {"en": "Product", "zh": "产品部"}}},
    "titles": {"leak": {"en": "a leak", "zh": "漏水"}},
}
SUMS = {
    ("all", ""): 4,
    ("repeat", ""): 1,
    ("channel", "form"): 3,
    ("channel", "=cmd|' /C calc'!A0"): 1,
    ("nature", "complaint"): 3,
    ("nature", ""): 1,
    ("cause", "leak"): 3,
    ("department", "product"): 4,
    ("urgency", "urgent"): 1,
    ("urgency", "normal"): 3,
    ("result", "solved"): 3,
    ("result", "open"): 1,
    ("handled", "in_time"): 2,
    ("handled", "late"): 1,
    ("followed", "satisfied"): 1,
    ("issue", "complaint / leak"): 3,
}


def report(sums: dict[tuple[str, str], int] = SUMS) -> Report:
    """A report of October 2026."""
    return made(
        Period.of("2026-10"),
        sums=sums,
        before={(What.ALL.value, ""): 2, ("handled", "late"): 1, ("issue", "complaint / leak"): 1},
        months=[
            ("2026-09", "all", "", 2),
            ("2026-09", "handled", "late", 1),
            *(("2026-10", what, value, n) for (what, value), n in sums.items()),
        ],
        again=[{"reference": "FB-261001-7K3FQ", "subject": '=HYPERLINK("http://x")', "n": 2}],
        recurring_from=3,
        made_at=datetime(2026, 11, 1, 8, tzinfo=UTC),
        running=False,
        behind=0,
    )


def test_words_of_both_languages_and_titles_of_the_office() -> None:
    english = report_view.view(report(), "en", CHOICES)
    assert english.period == "October 2026" and english.title == "Report"
    assert [(one.label, one.text, one.before) for one in english.rates] == [
        ("Timeliness", "66.7 %", "0.0 %"),
        ("Satisfaction", "100.0 %", ""),
        ("Repeat rate", "25.0 %", "0.0 %"),
    ]
    chinese = report_view.view(report(), "zh-CN", CHOICES)
    assert chinese.period == "2026年10月"
    assert [one.label for one in chinese.rates] == ["及时率", "满意度", "重复率"]
    found = dict(chinese.sections)
    assert [(one.label, one.n) for one in found["按原因"]] == [("漏水", 3)]
    assert [(one.label, one.n) for one in found["按部门"]] == [("产品部", 4)]
    assert [(one.label, one.n) for one in found["按性质"]] == [("投诉", 3), ("未填写", 1)]
    assert [(one.label, one.figure.n, one.before) for one in chinese.issues] == [("投诉 · 漏水", 3, 1)]


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_the_workbook_has_every_number_and_no_formula(language: str) -> None:
    shown = report_view.view(report(), language, CHOICES)
    book = load_workbook(io.BytesIO(file(shown, "xlsx")))
    cells = [cell for sheet in book for row in sheet.iter_rows() for cell in row if cell.value is not None]
    assert not [cell for cell in cells if cell.data_type == "f"]
    texts = {cell.value for cell in cells}
    for _, counts in shown.sections:
        assert {one.label for one in counts} <= texts
    assert 2 / 3 in texts and '=HYPERLINK("http://x")' in texts
    assert sum(len(sheet._charts) for sheet in book) == 2 + 6  # type: ignore[attr-defined]  # two of the trend, one a count


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_the_pdf_says_what_the_page_says(language: str) -> None:
    shown = report_view.view(report(), language, CHOICES)
    document = pypdfium2.PdfDocument(file(shown, "pdf"))
    text = "".join(page.get_textpage().get_text_bounded() for page in document)
    for said in (shown.title, shown.period, "66.7 %", *(title for title, _ in shown.sections)):
        assert said in text
    assert document.get_metadata_dict()["Title"] == f"{shown.title} {shown.period}"


@pytest.mark.parametrize("format_", ["pdf", "xlsx"])
def test_a_long_and_an_empty_report_can_be_made(format_: str) -> None:
    many: dict[tuple[str, str], int] = {("all", ""): 300}
    for n in range(150):
        many["channel", f"channel-{n}" + "x" * n] = 2
        many["issue", f"nature {n} / cause {n}"] = 3
    for sums in (many, {}):
        assert len(file(report_view.view(report(sums), "en", CHOICES), format_)) > 2_000


async def test_the_page_leads_to_the_records_behind_each_number(house: House, clerk: Client) -> None:
    reference = "FB-261122-AAAA2"
    id_ = await house.record(reference, nature=["complaint"], urgency="urgent")
    await house.put(
        "event", id="e1", type="record.registered", record=id_, reference=reference, at=house.clock.now(),
        actor="forebay", data={},
    )  # fmt: skip
    page = await (await clerk.get("/desk/report")).text()
    assert "November 2026" in page and "not over" in page
    link = "/desk/records?period=2026-11&amp;figure=nature&amp;value=complaint"
    assert link in page
    listed = await (await clerk.get(link.replace("&amp;", "&"))).text()
    assert reference in listed and "November 2026 · nature · complaint" in listed
    other = await (await clerk.get("/desk/records?period=2026-11&figure=nature&value=praise")).text()
    assert reference not in other
    assert (await clerk.get("/desk/report?period=tomorrow")).status == 422
    wrong = await clerk.get("/desk/records?period=2026-11&figure=mood")
    assert "must be one of" in await wrong.text()


async def test_the_api_gives_the_figures_and_the_files(house: House, client: Client) -> None:
    await house.record("FB-261122-AAAA2")
    headers = {"Authorization": f"Bearer {READER}"}
    told = await (await client.get("/v1/report?period=2026-Q4", headers=headers)).json()
    assert told["period"] == "2026-Q4" and told["rates"]["timeliness"] == {
        "share": None,
        "part": 0,
        "whole": 0,
    }
    for format_, begin in (("pdf", b"%PDF"), ("xlsx", b"PK")):
        answer = await client.get(f"/v1/report?period=2026-11&format={format_}&language=zh", headers=headers)
        assert (await answer.read()).startswith(begin)
        assert f'filename="report-2026-11.{format_}"' in answer.headers["Content-Disposition"]
    for query in ("format=doc", "period=2026-13"):
        assert (await client.get(f"/v1/report?{query}", headers=headers)).status == 422
    assert (await client.get("/v1/report")).status == 401
