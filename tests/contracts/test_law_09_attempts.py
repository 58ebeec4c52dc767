"""Law 9: an attempt is written before its I/O; what may have been taken is uncertain, and not sent blindly again."""

from __future__ import annotations

import asyncio

from model.event import EventType
from tests.contracts.conftest import Make
from tests.rigs import email
from tests.rigs.daemon import House, Points
from tests.rigs.http import Drop, Got, Hang, Refuse
from tests.rigs.office import Office
from tests.rigs.ways import Form, Hook, Mail, Way


async def test_an_attempt_is_committed_before_anything_is_sent(
    house: House, office: Office, points: Points, way: Way
) -> None:
    """The attempt's commit is held: nobody hears anything."""
    with points.held("attempt.before_commit") as arrived:
        await way.bring(house, 1, office=office)
        await arrived()
        await asyncio.sleep(0.1)
        assert not office.heard and not office.tickets.requests
        assert points.hits["send.before"] == 0
    await house.idle()
    assert points.hits["send.before"] == len(await house.rows("attempt"))


async def test_the_far_side_that_asks_finds_the_attempt(house: House, office: Office) -> None:
    found: list[list[dict[str, object]]] = []

    async def look(got: Got) -> None:
        attempts = await house.rows("attempt")
        keys = {one["id"]: one["key"] for one in await house.rows("delivery")}
        key = got.headers["idempotency-key"]
        found.append([one for one in attempts if keys[one["delivery"]] == key])

    office.chat.on_request = look
    await Hook().bring(house, 1, office=office)
    await house.idle()
    ((attempt,),) = found
    assert (attempt["n"], attempt["outcome"]) == (1, None)


async def test_mail_that_may_have_been_taken_is_sent_once_more_with_the_same_id(
    house: House, office: Office
) -> None:
    way = Mail()
    office.smtp.next(email.Drop("dot"))
    await way.bring(house, 1, office=office)
    await house.until(lambda: len(office.smtp.accepted) == 2)
    await house.idle()

    first, second = way.got(office, 1)
    assert first == second
    (ack,) = await house.deliveries("acknowledgement")
    assert (ack["state"], ack["attempts"]) == ("delivered", 2)

    # In doubt twice: an answer is held for a person, and not sent a third time.
    (record,) = await house.records()
    office.smtp.next(email.Drop("dot"), email.Drop("dot"))
    await house.reply(record["reference"], "We mended it.")
    await house.until(lambda: _state(house, "reply", "held"))
    assert len(way.got(office, 1)) == 4
    # An automatic message in doubt twice is dropped, with its row.
    office.smtp.next(email.Drop("dot"), email.Drop("dot"))
    await way.bring(house, 2, office=office)
    await house.until(lambda: len(office.smtp.accepted) == 6)
    await house.idle()
    dropped = (await house.deliveries("acknowledgement"))[0]
    assert (dropped["state"], dropped["detail"]) == ("cancelled", "may have been delivered; not sent again")


async def test_a_chat_that_may_have_got_it_is_asked_by_a_person_only(house: House, office: Office) -> None:
    way = Hook()
    office.chat.next(Drop())
    await way.bring(house, 1, office=office)
    await house.idle()
    (ack,) = await house.deliveries("acknowledgement")
    assert (ack["state"], ack["detail"]) == ("cancelled", "may have been delivered; not sent again")

    (record,) = await house.records()
    office.chat.next(Drop())
    await house.reply(record["reference"], "We mended it.")
    await house.until(lambda: _state(house, "reply", "held"))
    (reply,) = await house.deliveries("reply")
    assert reply["detail"] == "may have been delivered; a person decides"
    assert len(office.chat.keys) == 2, "nothing was sent again"
    told = await house.ask("GET", f"/v1/records/{record['reference']}/timeline")
    (shown,) = [one for one in told["deliveries"] if one["purpose"] == "reply"]
    assert shown["certainty"] == "unknown"

    # The person found out that it was not there.
    await house.ask("POST", "/v1/outbox/release", {"ids": [reply["id"]]})
    await house.idle()
    assert office.chat.keys[-1] == reply["key"] == office.chat.keys[-2]


async def test_a_hand_over_bears_the_same_key_on_every_try(house: House, office: Office) -> None:
    office.tickets.next(Refuse(503), Refuse(429, {"retry-after": "1"}), Drop(), Drop(takes=False))
    began = asyncio.get_running_loop().time()
    await Form().bring(house, 1, office=office)
    await house.idle(20)
    # In doubt twice: no person is asked, for the store knows its key again.
    assert len(set(office.tickets.keys)) == 1
    assert len(office.tickets.keys) == 5
    assert asyncio.get_running_loop().time() - began >= 1.0, "Retry-After was honoured"
    assert len(office.tickets.tickets) == 1
    (after,) = await house.deliveries("hand_over")
    assert (after["state"], after["remote_id"]) == ("delivered", "T-1")


async def test_a_target_that_is_down_opens_its_circuit_and_is_tried_by_one(
    make: Make, office: Office
) -> None:
    circuit = {"failures": 3, "pause": 0.5, "pause_last": 0.5}
    async with make(outbox={"circuit": circuit}) as house:
        office.tickets.always(Refuse(503))
        for n in range(20):
            await Form().bring(house, n, office=office)
        await house.until(lambda: len(office.tickets.requests) >= 3)
        await asyncio.sleep(0.3)
        before = len(office.tickets.requests)
        assert before <= 12, "twenty waited, only what was under way went out"
        office.tickets.always(None)
        await house.idle(20)
        assert len(office.tickets.tickets) == 20
        assert set(office.tickets.tries.values()) == {1}


async def test_no_answer_at_all_is_uncertain_after_the_time_for_it(make: Make, office: Office) -> None:
    reply = {"timeout": 0.3}
    async with make(channels={"hook": {"reply": reply}}) as house:
        office.chat.next(Hang())
        await Hook().bring(house, 1, office=office)
        await house.idle()
        (attempt,) = [one for one in await house.rows("attempt") if one["outcome"] != "delivered"]
        assert attempt["outcome"] == "uncertain"
        assert office.chat.tries[office.chat.keys[0]] == 1


async def _state(house: House, purpose: str, state: str) -> bool:
    return [one["state"] for one in await house.deliveries(purpose)] == [state]


async def test_what_a_page_of_ours_shows_is_delivered_by_the_commit_of_its_record(
    make: Make, office: Office
) -> None:
    """No I/O, so nothing to announce; the try and the event are there as for any other delivery."""
    async with make(channels={"form": {"reply_via": None}}) as house:
        await Form().bring(house, 1, office=office)
        await house.idle()
        (ack,) = await house.deliveries("acknowledgement")
        assert (ack["state"], ack["attempts"]) == ("delivered", 1)
        tries = await house.rows("attempt")
        (ours,) = [one for one in tries if one["delivery"] == ack["id"]]
        assert (ours["n"], ours["outcome"]) == (1, "delivered")
        told = [one["type"] for one in await house.rows("event")]
        assert told[:2] == [EventType.REGISTERED.value, EventType.DELIVERY_DELIVERED.value]
        assert ours["started_at"] == ours["ended_at"]
        (record,) = await house.records()
        assert (await house.reply(record["reference"], "We mended it."))[0] == 202
        await house.idle()
        (reply,) = await house.deliveries("reply")
        assert reply["state"] == "delivered"
