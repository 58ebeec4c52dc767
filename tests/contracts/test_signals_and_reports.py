"""What happens though nobody said anything: signals, and what a source tells of messages of ours."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from model.failures import Uncertain
from tests.rigs import talk
from tests.rigs.daemon import House, MovedClock, Points
from tests.rigs.office import Office

NO_ACK = {"rules": {"default": {"acknowledgement": None}}}


@pytest.fixture
async def house(talking: House) -> House:
    return talking


async def events(house: House, reference: str) -> list[Any]:
    return list((await house.ask("GET", f"/v1/records/{reference}/timeline"))["events"])


async def of_type(house: House, reference: str, type_: str) -> list[Any]:
    return [one["data"] for one in await events(house, reference) if one["type"] == type_]


async def answered(house: House, far: talk.Far, text: str = "We come.") -> tuple[str, Any]:
    """A record that has its answer: reference, and the answer's delivery."""
    told = await talk.post(house, talk.event(1, text="The lift stands still."))
    await house.idle()
    status, _ = await house.reply(told["reference"], text)
    assert status == 202
    await house.idle()
    (delivery,) = await house.deliveries("reply")
    return told["reference"], delivery


# ---- signals


async def test_a_signal_is_an_event_of_the_conversations_open_record_and_changes_nothing(
    house: House, far: talk.Far
) -> None:
    told = await talk.post(house, talk.event(1, text="The lift stands still."))
    await house.idle()
    (before,) = await house.records()
    taken = len(far.taken)
    await talk.post(house, talk.event(2, signal="menu"))
    await house.idle()
    (data,) = await of_type(house, told["reference"], "message.signal")
    assert (data["signal"], data["channel"]) == ("menu", "talk")
    (after,) = await house.records()
    assert after["state"] == before["state"]
    assert len(far.taken) == taken, "nobody is acknowledged for it"
    assert len(await house.envelopes("joined")) == 1


async def test_a_signal_without_a_record_is_ignored_with_a_row_that_says_what_it_was(house: House) -> None:
    await talk.post(house, talk.event(1, signal="followed"))
    await house.idle()
    (row,) = await house.envelopes("ignored")
    assert row["reason"] == "signal: followed"
    assert await house.records() == [] and await house.deliveries() == []


async def test_a_signal_with_text_joins_and_tells_the_destinations_or_is_registered(
    house: House, far: talk.Far, office: Office
) -> None:
    first = await talk.post(house, talk.event(1, text="The lfit stands still."))
    await house.idle()
    await talk.post(house, talk.event(2, signal="edited", text="The lift stands still."))
    await talk.post(house, talk.event(3, chat="chat-2", signal="edited", text="Nobody knows this chat."))
    await house.idle()
    (data,) = await of_type(house, first["reference"], "message.signal")
    assert data["text"] == "The lift stands still."
    assert [one["target"] for one in await house.deliveries("update")] == ["tickets"]
    assert {one["text"] for one in await house.records()} == {
        "The lfit stands still.",
        "Nobody knows this chat.",
    }


# ---- reports


async def test_a_failure_told_later_makes_the_delivery_dead_and_the_person_unreachable(
    house: House, far: talk.Far
) -> None:
    reference, delivery = await answered(house, far)
    report = {
        "fate": "failed",
        "remote_id": delivery["remote_id"],
        "reason": "recipient",
        "detail": "blocked",
    }
    await talk.post(house, talk.event(2, signal="reports", reports=[report]))
    await house.idle()
    (after,) = await house.deliveries("reply")
    assert (after["state"], after["reason"], after["detail"]) == ("dead", "recipient", "blocked")
    (data,) = await of_type(house, reference, "delivery.dead")
    assert (data["fate"], data["delivery"]) == ("failed", delivery["id"])
    (contact,) = await house.rows("contact")
    assert contact["unreachable"] == ["person-1"]
    # Who writes again can be reached again.
    await talk.post(house, talk.event(3, text="Sorry, I had blocked you."))
    await house.idle()
    (contact,) = await house.rows("contact")
    assert contact["unreachable"] == []


@pytest.mark.parametrize("fate", ["delivered", "read"])
async def test_a_message_in_doubt_is_settled_by_what_the_far_side_tells(
    house: House, far: talk.Far, fate: str
) -> None:
    told = await talk.post(house, talk.event(1, text="The lift stands still."))
    await house.idle()
    far.fails.append(Uncertain("no answer"))
    await house.reply(told["reference"], "We come.")
    (delivery,) = await house.deliveries("reply")

    async def in_doubt() -> bool:
        return (await house.deliveries("reply"))[0]["state"] in ("uncertain", "held")

    await house.until(in_doubt)
    report = {"fate": fate, "key": delivery["key"], "remote_id": "theirs"}
    await talk.post(house, talk.event(2, signal="reports", reports=[report]))
    await house.until(lambda: house.deliveries("reply", state="delivered"))
    (after,) = await house.deliveries("reply")
    assert after["remote_id"] == "theirs"
    (record,) = await house.records()
    assert record["state"] == "answered"
    await house.idle()
    assert far.texts.count("We come.") == 0, "it was not sent again"


async def test_delayed_and_read_are_lines_of_the_timeline(house: House, far: talk.Far) -> None:
    reference, delivery = await answered(house, far)
    for n, fate in enumerate(("delayed", "read"), 2):
        report = {"fate": fate, "remote_id": delivery["remote_id"]}
        await talk.post(house, talk.event(n, signal="reports", reports=[report]))
    await house.idle()
    assert [one["fate"] for one in await of_type(house, reference, "delivery.reported")] == [
        "delayed",
        "read",
    ]
    assert (await house.deliveries("reply"))[0]["state"] == "delivered"


async def test_a_copy_that_did_not_arrive_leaves_the_answer_delivered(house: House, far: talk.Far) -> None:
    reference, delivery = await answered(house, far)
    report = {
        "fate": "failed",
        "remote_id": delivery["remote_id"],
        "reason": "recipient",
        "to": {"kind": "email", "value": "boss@example.com"},
    }
    await talk.post(house, talk.event(2, signal="reports", reports=[report]))
    await house.idle()
    assert (await house.deliveries("reply"))[0]["state"] == "delivered"
    (data,) = await of_type(house, reference, "delivery.reported")
    assert data["to"]["value"] == "boss@example.com"
    (contact,) = await house.rows("contact")
    assert contact["unreachable"] == ["boss@example.com"]


async def test_a_report_finds_its_message_by_the_token_that_it_carried(house: House, far: talk.Far) -> None:
    await answered(house, far)
    report = {"fate": "failed", "token": far.taken[-1].token, "reason": "recipient"}
    await talk.post(house, talk.event(2, signal="reports", reports=[report]))
    await house.idle()
    assert (await house.deliveries("reply"))[0]["state"] == "dead"
    assert (await house.deliveries("acknowledgement"))[0]["state"] == "delivered", "the last one is meant"


async def test_a_report_that_comes_before_the_receipt_is_stored_is_not_lost(
    house: House, far: talk.Far, points: Points
) -> None:
    told = await talk.post(house, talk.event(1, text="The lift stands still."))
    await house.idle()
    with points.held("settle.before_commit") as arrived:
        await house.reply(told["reference"], "We come.")
        await arrived()
        key = far.taken[-1].key
        report = {"fate": "failed", "remote_id": f"m:{key}", "reason": "recipient"}
        event = talk.event(2, signal="reports", reports=[report])
        posting = asyncio.create_task(talk.post(house, event))
        await asyncio.sleep(0.1)  # so that it has its chance to overtake the receipt
    await posting
    await house.until(lambda: house.deliveries("reply", state="dead"))
    (row,) = await house.envelopes("joined")
    assert row["source_id"] == "e2"


async def test_a_report_of_nothing_of_ours_is_ignored_with_a_row_after_a_while(
    house: House, moved: MovedClock
) -> None:
    report = {"fate": "read", "remote_id": "nobody knows"}
    await talk.post(house, talk.event(1, signal="reports", reports=[report]))
    await house.until(lambda: house.rows("envelope"))

    async def waits() -> bool:
        (row,) = await house.rows("envelope")
        return row["state"] == "waiting" and row["not_before"] is not None

    await house.until(waits)
    # Others of the same chat do not wait for it.
    told = await talk.post(house, talk.event(2, text="The lift stands still."))
    await house.until(house.records)
    assert told["reference"]
    moved.by += timedelta(minutes=3)
    await house.until(lambda: house.envelopes("ignored"))
    (row,) = await house.envelopes("ignored")
    assert row["reason"].startswith("signal: reports; no record of ours")


# ---- what somebody lets us know about messages of ours


async def test_who_unfollows_is_marked_and_passed_over_until_they_are_back(
    house: House, far: talk.Far
) -> None:
    told = await talk.post(house, talk.event(1, text="The lift stands still."))
    await house.until(house.records)
    await house.idle()
    path = f"/v1/records/{told['reference']}/way"
    assert not (await house.ask("GET", path))["refused_before"]
    for n, signal, refused in (
        (2, "unfollowed", True),
        (3, "unfollowed", True),
        (4, "followed", False),
        (5, "unfollowed", True),
        (6, "menu", False),
        (7, "unfollowed", True),
        (8, None, False),
    ):
        more = {"signal": signal} if signal else {"text": "Hello?"}
        await talk.post(house, talk.event(n, **more))
        await house.idle()
        way = await house.ask("GET", path)
        assert way["refused_before"] is refused, (n, signal)
        assert bool(way["refusal"]) is refused
        (contact,) = await house.rows("contact")
        assert contact["unreachable"] == (["person-1"] if refused else [])


async def test_an_unfollow_by_somebody_unknown_changes_nothing(house: House, far: talk.Far) -> None:
    await talk.post(house, talk.event(1, signal="unfollowed"))
    await house.until(lambda: house.envelopes("ignored"))
    assert not await house.rows("contact")


# ---- a source that only says that there is something


@pytest.mark.parametrize("settings", [{"polls": True}])
async def test_a_word_from_the_source_lets_its_messages_be_fetched_at_once(
    house: House, far: talk.Far, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.until(lambda: far.looks >= 1)
    far.waiting.append(talk.event(1, text="The lift stands still."))
    await talk.post(house, "wake")
    await house.until(house.records)
