"""What somebody only has in hand: a letter that is printed, a call to be made."""

from __future__ import annotations

from typing import Any

import pytest

from tests.rigs import talk
from tests.rigs.daemon import House


@pytest.fixture
async def house(talking: House) -> House:
    return talking


async def entrusted(house: House, far: talk.Far) -> tuple[str, Any]:
    """A record whose answer is in somebody's hands: reference, and the answer's delivery."""
    told = await talk.post(house, talk.event(1, text="The lift stands still."))
    await house.idle()
    far.keeps = True
    await house.reply(told["reference"], "We come.")
    await house.until(lambda: house.deliveries("reply", state="entrusted"))
    (delivery,) = await house.deliveries("reply")
    return told["reference"], delivery


async def state(house: House) -> str:
    (record,) = await house.records()
    return str(record["state"])


async def test_it_is_neither_delivered_nor_sent_again_and_moves_nothing(house: House, far: talk.Far) -> None:
    reference, delivery = await entrusted(house, far)
    assert delivery["settled_at"] is None
    timeline = await house.ask("GET", f"/v1/records/{reference}/timeline")
    assert [one["certainty"] for one in timeline["deliveries"] if one["purpose"] == "reply"] == ["pending"]
    assert await state(house) == "handed_over"
    assert len(await talk.told(house, reference, "delivery.entrusted")) == 1
    assert (await house.ask("POST", "/v1/outbox/redrive", {"ids": [delivery["id"]]}))["redriven"] == 0
    # Nothing waits behind it.
    far.keeps = False
    await house.reply(reference, "And here is the bill.")
    await house.until(lambda: house.deliveries("reply", state="delivered"))
    assert far.tries[delivery["key"]] == 1


@pytest.mark.parametrize(
    ("fate", "ends", "record"),
    [
        ("delivered", "delivered", "answered"),
        ("failed", "dead", "handed_over"),
    ],
)
async def test_a_report_ends_it(house: House, far: talk.Far, fate: str, ends: str, record: str) -> None:
    _, delivery = await entrusted(house, far)
    report = {"fate": fate, "remote_id": delivery["remote_id"], "reason": "recipient"}
    if fate == "delivered":
        del report["reason"]
    await talk.post(house, talk.event(2, signal="reports", reports=[report]))
    await house.until(lambda: house.deliveries("reply", state=ends))
    assert await state(house) == record


@pytest.mark.parametrize(
    ("delivered", "ends", "record"),
    [
        (True, "delivered", "answered"),
        (False, "dead", "handed_over"),
    ],
)
async def test_a_person_ends_it(house: House, far: talk.Far, delivered: bool, ends: str, record: str) -> None:
    reference, delivery = await entrusted(house, far)
    verb = {"ids": [delivery["id"]], "delivered": delivered}
    assert (await house.ask("POST", "/v1/outbox/resolve", verb))["resolved"] == 1
    (after,) = await house.deliveries("reply")
    assert after["state"] == ends and after["settled_at"]
    assert await state(house) == record
    (data,) = await talk.told(house, reference, f"delivery.{ends}") if ends == "dead" else [None]
    assert data is None or data["detail"].startswith("resolved by")
    assert len(far.taken) == 2, "the acknowledgement and one answer"


async def test_it_can_be_taken_back(house: House, far: talk.Far) -> None:
    _, delivery = await entrusted(house, far)
    assert (await house.ask("POST", "/v1/outbox/cancel", {"ids": [delivery["id"]]}))["cancelled"] == 1
    (after,) = await house.deliveries("reply")
    assert after["state"] == "cancelled"


@pytest.mark.parametrize("settings", [{"dear": True}])
async def test_a_dear_far_side_carries_answers_and_no_acknowledgements(house: House, far: talk.Far) -> None:
    told = await talk.post(house, talk.event(1, text="The lift stands still."))
    await house.idle()
    (row,) = await house.deliveries("acknowledgement")
    assert (row["state"], row["reason"]) == ("cancelled", "channel acknowledges nothing")
    status, _ = await house.reply(told["reference"], "We come.")
    assert status == 202
    await house.until(lambda: house.deliveries("reply", state="delivered"))


@pytest.mark.parametrize("settings", [{"deaf": "nobody lives there"}])
async def test_what_cannot_be_reached_is_told_before_anybody_writes(house: House, far: talk.Far) -> None:
    told = await talk.post(house, talk.event(1, text="The lift stands still."))
    await house.idle()
    status, answer = await house.reply(told["reference"], "We come.")
    assert status == 422 and "nobody lives there" in answer["detail"]
    assert await house.deliveries("reply") == []
