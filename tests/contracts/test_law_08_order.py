"""Law 8: one envelope and one delivery in flight per order key; order is kept, behind a stuck head not for ever."""

from __future__ import annotations

import asyncio

from tests.contracts.conftest import Make
from tests.rigs.daemon import House
from tests.rigs.office import Office
from tests.rigs.ways import Hook, Way


async def test_answers_leave_in_the_order_in_which_they_were_written(
    house: House, office: Office, way: Way
) -> None:
    await way.bring(house, 1, office=office)
    (record,) = await house.until(house.records)
    await house.idle()
    await office.to_smtp.cut()
    await office.to_chat.cut()
    for n in range(4):
        status, _ = await house.reply(record["reference"], f"Answer {n}.")
        assert status == 202
    await house.until(lambda: _tried(house))
    await office.to_smtp.mend()
    await office.to_chat.mend()
    await house.idle()

    # Below an answer by mail stands what the customer had written.
    answers = [one.text.strip().split("\n")[0].strip() for one in way.got(office, 1) if not one.automatic]
    assert answers == [f"Answer {n}." for n in range(4)]


async def _tried(house: House) -> bool:
    return any(one["attempts"] for one in await house.deliveries("reply"))


async def test_later_messages_pass_a_stuck_head_after_a_bounded_wait(make: Make, office: Office) -> None:
    async with make(outbox={"head_wait": 1.0, "circuit": {"failures": 1000}}) as house:
        await Hook().bring(house, 1, office=office)
        (record,) = await house.until(house.records)
        await house.idle()
        office.chat.refuses = {"stuck"}
        begun = asyncio.get_running_loop().time()
        for text in ("stuck one", "second", "third"):
            await house.reply(record["reference"], text)
        await house.until(lambda: len(office.chat.keys) == 3)  # the acknowledgement and two answers
        assert asyncio.get_running_loop().time() - begun >= 0.9, "they waited for the first"
        office.chat.refuses = set()
        await house.idle()
        texts = [one.text for one in Hook().got(office, 1) if not one.automatic]
        assert texts == ["second", "third", "stuck one"]


async def test_messages_of_one_conversation_join_in_the_order_of_arrival(
    house: House, office: Office
) -> None:
    hook = Hook()
    first = await hook.post(house, hook.event(1, "message 0", conversation="talk"), "m0")
    for n in range(1, 8):
        await hook.post(house, hook.event(1, f"message {n}", conversation="talk"), f"m{n}")
    await house.idle()

    (record,) = await house.records()
    assert record["reference"] == first.reference
    told = await house.ask("GET", f"/v1/records/{record['reference']}/timeline")
    joined = [one["data"]["text"] for one in told["events"] if one["type"] == "message.joined"]
    assert joined == [f"message {n}" for n in range(1, 8)]
    updates = [one.json()["data"] for one in office.tickets.requests if one.method == "POST"]
    assert [one["update"].get("text") for one in updates] == [None, *(f"message {n}" for n in range(1, 8))]
