"""Answers in parts, reply windows, and what carries an answer when the window is closed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from model.failures import PermanentFailure, Reason, TemporaryFailure
from tests.rigs import talk
from tests.rigs.daemon import House, MovedClock
from tests.rigs.office import Office

NO_ACK = {"acknowledge": False}
TWO_DAYS = {"windows": {"message": {"lasts": 172_800, "messages": 2}, "menu": {"lasts": 60, "messages": 1}}}
PLAIN = [{**NO_ACK, **TWO_DAYS}]


@pytest.fixture
async def house(talking: House) -> House:
    return talking


async def written(house: House, **more: Any) -> str:
    """The first customer writes; the reference."""
    told = await talk.post(house, talk.event(1, text="The lift stands still.", **more))
    await house.until(house.records)
    await house.idle()
    return str(told["reference"])


async def answer(house: House, reference: str, text: str) -> Any:
    status, told = await house.reply(reference, text)
    assert status == 202, told
    return told


async def replies(house: House) -> list[Any]:
    """The deliveries of answers, oldest first."""
    return list(reversed(await house.deliveries("reply")))


# ---- parts


@pytest.mark.parametrize("settings", [{"longest": 10}], ids=["parts"])
async def test_a_long_answer_is_one_delivery_for_each_part_in_order(house: House, far: talk.Far) -> None:
    reference = await written(house)
    before = len(far.taken)
    told = await answer(house, reference, "0123456789abcdefghijKLMNO")
    await house.idle()
    assert far.texts[before:] == ["0123456789", "abcdefghij", "KLMNO"]
    sent = await replies(house)
    assert [one["key"].rpartition(":")[2] for one in sent] == ["1", "2", "3"]
    assert told["parts"] == 3
    (record,) = await house.records()
    assert record["state"] == "answered"
    (queued,) = await talk.told(house, reference, "reply.queued")
    assert queued["parts"] == 3
    timeline = await house.ask("GET", f"/v1/records/{reference}/timeline")
    parts = [one["part"] for one in timeline["deliveries"] if one["purpose"] == "reply"]
    assert sorted((one["n"], one["of"]) for one in parts) == [(1, 3), (2, 3), (3, 3)]
    assert len({one["answer"] for one in parts}) == 1


@pytest.mark.parametrize("settings", [{"longest": 10, **NO_ACK}], ids=["parts"])
async def test_a_part_that_is_refused_for_good_stops_those_after_it(house: House, far: talk.Far) -> None:
    reference = await written(house)
    far.fails += [None, PermanentFailure(Reason.REQUEST, "not this")]
    await answer(house, reference, "0123456789abcdefghijKLMNO")
    await house.idle()
    assert far.texts == ["0123456789"]
    assert [(one["state"], one["reason"]) for one in await replies(house)] == [
        ("delivered", None),
        ("dead", "request"),
        ("dead", "request"),
    ]
    (record,) = await house.records()
    assert record["state"] != "answered"
    # A person sends the refused one again: those after it go along.
    dead = (await replies(house))[1]
    await house.ask("POST", "/v1/outbox/redrive", {"ids": [dead["id"]]})
    await house.idle()
    assert far.texts == ["0123456789", "abcdefghij", "KLMNO"]


@pytest.mark.parametrize("settings", [{"longest": 10, **NO_ACK}], ids=["parts"])
@pytest.mark.parametrize("more", [{"outbox": {"head_wait": 0.1}}], ids=["impatient"])
async def test_a_part_waits_for_the_one_before_it_however_long_that_is_stuck(
    house: House, far: talk.Far
) -> None:
    reference = await written(house)
    far.fails += [TemporaryFailure(Reason.SERVER, "later")] * 3
    await answer(house, reference, "0123456789abcde")
    await house.idle()
    assert far.texts == ["0123456789", "abcde"]


# ---- windows


@pytest.mark.parametrize("settings", PLAIN, ids=["windows"])
async def test_it_is_told_before_writing_how_long_the_window_stays_open(
    house: House, moved: MovedClock
) -> None:
    reference = await written(house, at=talk.at(house.now() - timedelta(hours=47)))
    way = await house.ask("GET", f"/v1/records/{reference}/way")
    assert way["window"]["open"] and way["window"]["messages_left"] == 2
    assert way["window"]["closes_in_minutes"] in (59, 60), "counted from the platform's time"
    assert way["carried_by"] == "window" and not way["held"]
    moved.by += timedelta(hours=2)
    way = await house.ask("GET", f"/v1/records/{reference}/way")
    assert not way["window"]["open"] and way["held"] and way["carried_by"] is None


@pytest.mark.parametrize("settings", PLAIN, ids=["windows"])
async def test_an_answer_outside_the_window_is_held_and_goes_when_the_customer_writes_again(
    house: House, far: talk.Far, moved: MovedClock
) -> None:
    reference = await written(house)
    moved.by += timedelta(hours=49)
    told = await answer(house, reference, "We came.")
    assert told["held"] and not told["window"]["open"]
    await house.until(lambda: house.deliveries("reply", state="held"))
    (held,) = await replies(house)
    assert (held["reason"], held["attempts"]) == ("window", 0)
    assert far.taken == []
    await talk.post(house, talk.event(2, text="Hello?"))
    await house.until(lambda: house.deliveries("reply", state="delivered"))
    assert far.texts == ["We came."]
    assert len(await talk.told(house, reference, "delivery.released")) == 1


@pytest.mark.parametrize("settings", PLAIN, ids=["windows"])
async def test_a_window_carries_so_many_messages_and_a_new_act_carries_more(
    house: House, far: talk.Far
) -> None:
    reference = await written(house)
    for text in ("one", "two", "three"):
        await answer(house, reference, text)
    await house.until(lambda: house.deliveries("reply", state="held"))
    await house.idle()
    assert far.texts == ["one", "two"]
    # A click opens a narrower window, which carries one and shortens nothing.
    await talk.post(house, talk.event(2, signal="menu", opens="menu"))
    await house.until(lambda: far.texts == ["one", "two", "three"])
    await house.idle()
    way = await house.ask("GET", f"/v1/records/{reference}/way")
    assert not way["window"]["open"]


@pytest.mark.parametrize("settings", PLAIN, ids=["windows"])
async def test_a_try_that_surely_failed_does_not_count(house: House, far: talk.Far) -> None:
    reference = await written(house)
    far.fails += [TemporaryFailure(Reason.SERVER, "later")] * 2
    await answer(house, reference, "one")
    await house.idle()
    way = await house.ask("GET", f"/v1/records/{reference}/way")
    assert far.texts == ["one"] and way["window"]["messages_left"] == 1


RESPONDS = {**TWO_DAYS, "responds": True, "answer_within": 5}


@pytest.mark.usefixtures("patient_doors")
@pytest.mark.parametrize("settings", [RESPONDS], ids=["responds"])
async def test_what_rides_on_the_open_answer_is_not_counted(house: House, far: talk.Far) -> None:
    told = await talk.post(house, talk.event(1, text="The lift stands still."))
    assert "say" in told and far.taken == []
    (record,) = await house.records()
    way = await house.ask("GET", f"/v1/records/{record['reference']}/way")
    assert way["window"]["messages_left"] == 2


TEMPLATE = {**NO_ACK, **TWO_DAYS, "outside": True, "longest": 10, "fallback": ["template"]}


@pytest.mark.parametrize("settings", [TEMPLATE], ids=["template"])
async def test_what_the_platform_allows_outside_the_window_carries_the_answer(
    house: House, far: talk.Far, moved: MovedClock
) -> None:
    reference = await written(house)
    moved.by += timedelta(hours=49)
    told = await answer(house, reference, "0123456789abcde")
    assert told["carried_by"] == "template" and not told["held"]
    await house.idle()
    assert [(one.text, one.outside_window) for one in far.taken] == [("0123456789", True)]
    (step,) = await talk.told(house, reference, "delivery.rerouted")
    assert (step["step"], step["taken"]) == ("template", True)
    assert {one["state"] for one in await replies(house)} == {"delivered", "cancelled"}


CHAIN = {**NO_ACK, **TWO_DAYS, "longest": 10, "fallback": ["template", "mail"]}


@pytest.mark.parametrize("settings", [CHAIN], ids=["chain"])
async def test_a_channel_that_reaches_another_identity_of_the_contact_carries_all_of_it(
    house: House, far: talk.Far, office: Office, moved: MovedClock
) -> None:
    reference = await written(house)
    await talk.post(house, talk.event(2, text="my e-mail is customer1@example.com"))
    await house.idle()
    moved.by += timedelta(hours=49)
    way = await house.ask("GET", f"/v1/records/{reference}/way")
    assert [(one["step"], one["can"]) for one in way["fallback"]] == [("template", False), ("mail", True)]
    await answer(house, reference, "0123456789abcde")
    await house.until(lambda: len(office.smtp.accepted) == 1)
    await house.idle()
    assert b"0123456789abcde" in office.smtp.accepted[0].data
    assert far.taken == []
    steps = await talk.told(house, reference, "delivery.rerouted")
    assert [(one["step"], one["taken"]) for one in steps] == [("template", False), ("mail", True)]
    (record,) = await house.records()
    assert record["state"] == "answered"


@pytest.mark.parametrize("settings", [CHAIN], ids=["chain"])
async def test_a_window_that_the_far_side_calls_closed_goes_the_same_way(
    house: House, far: talk.Far, office: Office
) -> None:
    reference = await written(house)
    far.fails.append(PermanentFailure(Reason.WINDOW, "45015"))
    await answer(house, reference, "We come.")
    await house.until(lambda: house.deliveries("reply", state="held"))
    (held,) = await replies(house)
    assert (held["reason"], held["detail"], held["attempts"]) == ("window", "45015", 1)
    assert far.tries[held["key"]] == 1


async def _closing(house: House, reference: str) -> list[Any]:
    await house.daemon.watch.windows()
    return await talk.told(house, reference, "window.closes")


@pytest.mark.parametrize("settings", PLAIN, ids=["windows"])
async def test_it_is_told_once_that_a_window_closes_soon(house: House, moved: MovedClock) -> None:
    reference = await written(house)
    assert await _closing(house, reference) == []
    moved.by += timedelta(hours=47, minutes=22, seconds=30)
    for _ in range(2):
        (told,) = await _closing(house, reference)
        assert told["minutes"] == 37
    async with house.session.get(f"{house.url}/metrics") as answer:
        await house.daemon._gauges()
    async with house.session.get(f"{house.url}/metrics") as answer:
        assert 'forebay_windows_closing{channel="talk"} 1.0' in await answer.text()


# ---- bursts


BURST = [{"burst": 5, **TWO_DAYS}]


@pytest.mark.parametrize("settings", BURST, ids=["burst"])
@pytest.mark.parametrize(
    "more",
    [
        {
            "rules": {
                "rules": [{"name": "greeting", "when": 'record.text == "Hello"', "set": {"in_scope": False}}],
            }
        }
    ],
    ids=["greeting"],
)
async def test_a_burst_of_short_messages_is_one_record_decided_as_one(house: House, far: talk.Far) -> None:
    start = house.now() - timedelta(minutes=1)
    for n, text in enumerate(("Hello", "The lift", "stands still."), 1):
        await talk.post(house, talk.event(n, text=text, at=talk.at(start + timedelta(seconds=3 * n))))
        await house.idle()
    (record,) = await house.records()
    assert record["text"] == "Hello\nThe lift\nstands still."
    assert record["in_scope"]
    assert len(far.taken) == 1, "one acknowledgement"
    assert len(await talk.told(house, record["reference"], "message.joined")) == 2


@pytest.mark.parametrize("settings", BURST, ids=["burst"])
async def test_later_messages_follow_up_the_open_record_and_leave_its_text(house: House) -> None:
    start = house.now() - timedelta(minutes=1)
    for n, text in enumerate(("The lift stands still.", "And now?"), 1):
        await talk.post(house, talk.event(n, text=text, at=talk.at(start + timedelta(seconds=20 * n))))
        await house.idle()
    (record,) = await house.records()
    assert record["text"] == "The lift stands still."
    (joined,) = await talk.told(house, record["reference"], "message.joined")
    assert joined["why"] == "conversation"
