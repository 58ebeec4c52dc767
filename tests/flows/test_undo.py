"""An answer of the desk that is taken back before it leaves, or was too late; and one whose daemon dies meanwhile."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from tests import databases
from tests.flows.conftest import Make
from tests.flows.test_import_pages import log_in, page
from tests.rigs.daemon import House, MovedClock
from tests.rigs.office import Office
from tests.rigs.ways import Chat, Form, mails


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Mapping[str, Any]:
    return {"url": databases.migrated_database()} if request.param == "postgresql" else {}


def waiting(database: Mapping[str, Any]) -> dict[str, Any]:
    """Answers wait an hour of the house's clock, which the tests move."""
    return {"database": database, "desk": {"undo": 600}}


async def answer(house: House, reference: str, text: str = "It goes again.") -> str:
    """Answer at the desk; the page after it."""
    path = f"/desk/records/{reference}"
    csrf = _csrf(await page(house, path))
    form = {"csrf": csrf, "text": text, "key": "k1"}
    async with house.session.post(f"{house.url}{path}/replies", data=form) as sent:
        assert sent.status == 200
        return await sent.text()


async def undo(house: House, reference: str, shown: str) -> tuple[int, str]:
    (delivery,) = re.findall(r'name="delivery" value="([\w-]+)"', shown)
    form = {"csrf": _csrf(shown), "delivery": delivery}
    async with house.session.post(f"{house.url}/desk/records/{reference}/undo", data=form) as told:
        return told.status, await told.text()


def _csrf(shown: str) -> str:
    return re.findall(r'name="csrf" value="(\w+)"', shown)[0]


def told(office: Office) -> list[str]:
    """What the ticket store was told of answers."""
    return [one.body.decode() for one in office.tickets.taken if b"reply.queued" in one.body]


async def test_an_answer_is_taken_back_and_nobody_hears_of_it(
    make: Make, office: Office, moved: MovedClock, database: Mapping[str, Any]
) -> None:
    async with make(**waiting(database)) as house:
        await Form().bring(house, 1, office=office)
        await house.until(lambda: mails(office, 1) and office.tickets.taken)
        (record,) = await house.records()
        await log_in(house)
        shown = await answer(house, record["reference"])
        assert "Take it back" in shown and "It leaves in 5" in shown
        status, again = await undo(house, record["reference"], shown)
        assert status == 200 and "Taken back" in again
        assert re.search(r"<textarea[^>]*>It goes again\.</textarea>", again), "its text is in the box again"
        moved.by += timedelta(hours=1)
        await house.idle()
        assert len(mails(office, 1)) == 1 and told(office) == []
        (reply,) = await house.deliveries("reply")
        assert reply["state"] == "cancelled"
        # Taken back a second time, or long after: it is told, and nothing happens.
        assert (await undo(house, record["reference"], shown))[0] == 409


async def test_what_has_left_cannot_be_taken_back(
    make: Make, office: Office, moved: MovedClock, database: Mapping[str, Any]
) -> None:
    async with make(**waiting(database)) as house:
        await Form().bring(house, 1, office=office)
        await house.until(lambda: mails(office, 1) and office.tickets.taken)
        (record,) = await house.records()
        await log_in(house)
        shown = await answer(house, record["reference"])
        moved.by += timedelta(minutes=11)
        await house.until(lambda: len(mails(office, 1)) == 2 and told(office))
        status, again = await undo(house, record["reference"], shown)
        assert status == 409 and "It has left already" in again


async def test_an_answer_is_taken_back_at_its_own_record_alone(make: Make, office: Office) -> None:
    async with make(**waiting({})) as house:
        await Form().bring(house, 1, office=office)
        await Form().bring(house, 2, office=office)
        await house.until(lambda: mails(office, 1) and mails(office, 2))
        other, record = await house.records()
        await log_in(house)
        shown = await answer(house, record["reference"])
        assert (await undo(house, other["reference"], shown))[0] == 404
        (reply,) = await house.deliveries("reply")
        assert reply["state"] == "waiting"


async def test_an_answer_outlives_the_daemon_in_which_it_waits(
    make: Make, office: Office, moved: MovedClock, database: Mapping[str, Any]
) -> None:
    async with make(**waiting(database)) as house:
        await Form().bring(house, 1, office=office)
        await house.until(lambda: mails(office, 1))
        (record,) = await house.records()
        await log_in(house)
        await answer(house, record["reference"])
    async with make(**waiting(database)) as house:
        assert len(mails(office, 1)) == 1
        moved.by += timedelta(minutes=11)
        await house.until(lambda: len(mails(office, 1)) == 2)
        await house.idle()
        assert len(mails(office, 1)) == 2


async def test_a_chat_does_not_wait(make: Make, office: Office) -> None:
    async with make(**waiting({})) as house:
        await Chat().bring(house, 1, office=office)
        await house.until(lambda: Chat().got(office, 1))
        (record,) = await house.records()
        await log_in(house)
        shown = await answer(house, record["reference"])
        assert "Take it back" not in shown
        await house.until(lambda: [one.text for one in Chat().got(office, 1)][-1] == "It goes again.")


async def test_a_ready_made_answer_comes_into_the_box_in_the_customers_language(
    make: Make, office: Office
) -> None:
    async with make() as house:
        await Form().bring(house, 1, text="电梯又坏了，请尽快修理，谢谢你们。", office=office)
        await house.until(lambda: mails(office, 1))
        (record,) = await house.records()
        await log_in(house)
        path = f"/desk/records/{record['reference']}"
        shown = await page(house, path)
        assert "We are looking into it" in shown and "正在核查" in await page(house, path, "zh-CN")
        form = {"csrf": _csrf(shown), "text": "PS", "verb": "ready", "ready": "answer-looking"}
        async with house.session.post(f"{house.url}{path}/replies", data=form) as told:
            box = re.findall(r"<textarea id=\"text\"[^>]*>([^<]*)</textarea>", await told.text())[0]
        assert box.startswith("PS") and "受理编号" in box and record["reference"] in box and "顾客 1" in box
        async with house.session.post(
            f"{house.url}{path}/replies", data={**form, "ready": "satisfaction"}
        ) as told:
            assert told.status == 404 and "no ready-made answer" in await told.text()
        assert not await house.deliveries("reply")
