"""Law 7: acknowledgement and hand-over go by the outbox; a dead far side never stops or doubles intake."""

from __future__ import annotations

import asyncio
import json

import pytest

from tests.contracts.conftest import Make
from tests.rigs.daemon import House, Points
from tests.rigs.office import Office
from tests.rigs.ways import Box, Hook, Way


async def test_with_everything_down_intake_goes_on_and_each_message_leaves_once(
    house: House, office: Office, way: Way
) -> None:
    for wire in (*office.to_customers, office.to_tickets):
        if wire is not office.to_wecom:  # what is fetched comes by the same wire
            await wire.cut()
    told = await way.bring(house, 1, office=office)
    (record,) = await house.until(house.records)
    if way.answers:
        assert told.taken
    if way.answers and way.names:
        assert told.reference == record["reference"]
    if isinstance(way, Box):
        await house.until(lambda: way.flagged(office) == [True])

    async def refused() -> bool:
        every = await house.deliveries()
        return all(one["attempts"] >= 2 or one["state"] == "delivered" for one in every)

    await house.until(refused)
    assert not office.smtp.accepted and not office.chat.requests and not office.tickets.requests
    for wire in (*office.to_customers, office.to_tickets):
        await wire.mend()
    await house.idle()

    (got,) = way.got(office, 1)
    assert record["reference"] in got.text
    assert list(office.tickets.tries.values()) == [1]
    # A refused connection leaves no doubt: each of its tries was a definite failure (law 9).
    outcomes = {one["outcome"] for one in await house.rows("attempt")}
    assert outcomes == {"temporary", "delivered"}
    (after,) = await house.records()
    assert after["state"] == "handed_over"


RESPOND = {
    "answer_within": 5,
    "respond": {"body": {"say": "{{ message.text }}"}},
}


@pytest.mark.usefixtures("patient_doors")
async def test_an_acknowledgement_rides_on_the_open_answer_and_a_redelivery_gets_the_same(
    make: Make, office: Office
) -> None:
    async with make(channels={"hook": RESPOND}) as house:
        told = await Hook().bring(house, 1, office=office)
        (record,) = await house.records()
        assert told.status == 200
        assert record["reference"] in json.loads(told.body)["say"]
        again = await Hook().bring(house, 1, office=office)
        assert (again.status, again.body) == (told.status, told.body)
        await house.idle()
        (ack,) = await house.deliveries("acknowledgement")
        assert (ack["state"], ack["attempts"]) == ("delivered", 1)
        assert office.chat.keys == [], "it did not go the other way too"


async def test_when_the_slot_is_closed_the_acknowledgement_is_sent_as_usual(
    make: Make, office: Office, points: Points
) -> None:
    async with make(channels={"hook": {**RESPOND, "answer_within": 0.2}}) as house:
        with points.held("process.registered.before_commit") as arrived:
            bringing = asyncio.create_task(Hook().bring(house, 1, office=office))
            await arrived()
            told = await bringing
        assert told.status == 202 and told.reference
        await house.idle()
        assert len(office.chat.keys) == 1


async def test_while_much_waits_to_be_processed_no_door_waits_for_its_acknowledgement(
    make: Make, office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with make(channels={"hook": {**RESPOND, "answer_within": 30}}) as house:
        monkeypatch.setattr(house.daemon.house.door, "_behind", lambda: 60.0)
        async with asyncio.timeout(15):
            told = await Hook().bring(house, 1, office=office)
        assert told.status == 202 and told.reference
        await house.idle()
        assert len(office.chat.keys) == 1


async def test_a_source_that_hung_up_gets_its_acknowledgement_by_the_ordinary_way_or_not_twice(
    make: Make, office: Office, points: Points
) -> None:
    async with make(channels={"hook": RESPOND}) as house:
        with points.held("process.registered.before_commit") as arrived:
            bringing = asyncio.create_task(Hook().bring(house, 1, office=office))
            await arrived()
            bringing.cancel()
            await asyncio.gather(bringing, return_exceptions=True)
        await house.idle()
        (ack,) = await house.deliveries("acknowledgement")
        assert ack["state"] in ("delivered", "cancelled")
        assert len(office.chat.keys) <= 1
        # The redelivery hears of its acceptance, with the same reference.
        again = await Hook().bring(house, 1, office=office)
        assert again.taken
        assert len(await house.records()) == 1
