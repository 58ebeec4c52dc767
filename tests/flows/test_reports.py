"""The report in the real daemon: figures of what came in by a form, and its way by mail, once, on both databases."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest

from casework.periods import Period
from tests import databases
from tests.flows.conftest import Make
from tests.flows.test_care import CARING
from tests.flows.test_import_pages import log_in, page, post
from tests.rigs.daemon import House, MovedClock, Points
from tests.rigs.office import Office, merge
from tests.rigs.ways import Form

HEAD = "head@office.example"


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Mapping[str, Any]:
    return {"url": databases.migrated_database()} if request.param == "postgresql" else {}


def reporting(**more: Any) -> dict[str, Any]:
    told = {"ask": None, "follow_up": None, "report": {"channel": "mail", "to": [HEAD], **more}}
    merged: dict[str, Any] = merge(CARING, told)
    return merged


def reports(office: Office) -> list[EmailMessage]:
    """The reports that were sent."""
    sent = [one.data for one in office.smtp.accepted if one.recipients == (HEAD,)]
    return [message_from_bytes(data, policy=policy.default) for data in sent]  # type: ignore[misc]


async def _counted(house: House, period: Period, n: int) -> Any:
    told = await house.ask("GET", f"/v1/report?period={period}")
    return told if told["received"] == n else None


async def test_what_comes_in_and_is_solved_stands_in_the_report(make: Make, office: Office) -> None:
    async with make(office=reporting(), rules={"default": {"destinations": []}}) as house:
        for n in (1, 2):
            await Form().bring(house, n, office=office)
        await house.idle()
        period = Period.around(house.now().date(), "month")
        assert (await _counted(house, period, 2))["counts"]["result"] == {"open": 2}
        reference = (await house.records())[0]["reference"]
        await log_in(house)
        path = f"/desk/records/{reference}"
        shown = await page(house, path)
        await post(house, f"{path}/case", shown, verb="hand_over", seen="registered", departments="product")
        solved = {"verb": "solve", "seen": "handed_over", "words": "a new motor"}
        await post(house, f"{path}/case", await page(house, path), **solved, cause="defect", outcome="solved")
        told = await _counted(house, period, 2)
        assert told["rates"]["timeliness"] == {"share": 1.0, "part": 1, "whole": 1}
        assert told["counts"]["cause"] == {"defect": 1, "": 1}
        assert told["counts"]["result"] == {"solved": 1, "open": 1}
        listed = await house.ask("GET", f"/v1/records?period={period}&figure=cause&value=defect")
        assert [one["reference"] for one in listed["records"]] == [reference]


async def test_the_report_of_a_month_goes_out_once_when_it_is_over(
    make: Make, office: Office, moved: MovedClock, points: Points, database: Mapping[str, Any]
) -> None:
    settings = {"office": reporting(language="zh-CN", periods=["month"]), "database": database}
    async with make(**settings, rules={"default": {"destinations": []}}) as house:
        await Form().bring(house, 1, office=office)
        await house.idle()
        over = Period.around(house.now().date(), "month")
        assert reports(office) == []
        # The ninth hour of the first day after it, in any time zone.
        moved.by = timedelta(days=(over.last - house.now().date()).days + 2)
    for _ in range(2):  # started anew it is looked at once more, and is there already
        async with make(**settings, rules={"default": {"destinations": []}}) as house:
            await house.until(lambda: _sent(office))
            await house.idle()
    (mail,) = reports(office)
    assert mail["Subject"] == f"{over.year}年{over.month}月统计报告"
    assert "及时率" in mail.get_body().get_content()  # type: ignore[union-attr]
    files = {one.get_filename(): one.get_payload(decode=True) for one in mail.iter_attachments()}
    assert set(files) == {f"report-{over}.pdf", f"report-{over}.xlsx"}
    assert files[f"report-{over}.pdf"].startswith(b"%PDF")  # type: ignore[union-attr]


async def _sent(office: Office) -> Any:
    return reports(office)
