"""What colleagues type at the desk and say to customers: notes, call-backs with their outcome, answers as wished."""

from __future__ import annotations

import asyncio
import json
import re
from datetime import timedelta
from typing import Any

import pytest

from console import spoken
from tests.flows.conftest import Make
from tests.rigs import notes
from tests.rigs.daemon import House, MovedClock
from tests.rigs.desk import Desk
from tests.rigs.office import TOKEN, Office
from tests.rigs.ways import Form, mails

SAID = {"text": "The lift in house 7 stands still.", "phone": "138 0000 0001", "name": "王伟"}


async def note(house: House, channel: str = "call", **fields: str) -> Any:
    return await house.ask("POST", "/v1/records", {"channel": channel, **SAID, **fields})


async def tasks(house: House) -> list[Any]:
    return list((await house.ask("GET", "/v1/callbacks"))["callbacks"])


async def answered(house: House, **fields: str) -> tuple[Any, list[Any]]:
    """The record of a note that was answered, and what colleagues are to say."""
    told = await note(house, **fields)
    await house.until(house.records)
    await house.idle()
    status, queued = await house.reply(told["reference"], "It runs again.")
    assert status == 202, queued
    await house.idle()
    (record,) = await house.records()
    return record, await tasks(house)


# ---- the form


@pytest.mark.parametrize("channel", ["call", "visit"])
async def test_a_note_is_typed_without_a_script_and_its_reference_is_shown_to_be_read_out(
    house: House, channel: str
) -> None:
    desk = Desk(house)
    await desk.log_in()
    shown = await desk.page("/desk/note", channel=channel, place="Hall 2")
    place, _ = await desk.post("/desk/note", shown, place="Hall 2", email="customer1@example.com", **SAID)
    (record,) = await house.until(house.records)
    assert place == f"/desk/note/{record['reference']}?channel={channel}"
    assert record["channel"] == {"name": channel, "kind": channel}
    assert record["extra"] == {"place": "Hall 2", "taken_by": "admin"}
    noted = await desk.page(place)
    for group, aloud in spoken.reference(record["reference"], "en"):
        assert f">{group}</span>" in noted and aloud in noted
    await house.idle()


async def test_the_form_sent_twice_is_one_note(house: House) -> None:
    desk = Desk(house)
    await desk.log_in()
    shown = await desk.page("/desk/note")
    places = {(await desk.post("/desk/note", shown, **SAID))[0] for _ in range(2)}
    assert len(places) == 1
    await house.idle()
    assert len(await house.records()) == 1


async def test_what_was_typed_is_not_lost_with_a_refusal(make: Make) -> None:
    async with make(channels={"call": {"required": ["text", "phone"]}}) as house:
        desk = Desk(house, "zh-CN")
        await desk.log_in()
        shown = await desk.page("/desk/note", channel="call")
        _, told = await desk.post("/desk/note", shown, 422, text="电梯坏了", name="王伟")
        assert "电梯坏了" in told and 'value="王伟"' in told and 'role="alert"' in told
        assert re.search(r'name="key" value="[\w-]+"', told)
        assert await house.envelopes() == []


@pytest.mark.parametrize(
    "typed",
    [
        "138 0000 0001",
        "13800000001",
        "138",
        "1380000",
        "+86 138 0000",
        "0086138",
        "86138",
        "１３８００",
        "138-0000-0001",
    ],
)
async def test_who_is_meant_is_found_while_the_number_is_typed(house: House, typed: str) -> None:
    first = await note(house, company="Acme", email="customer1@example.com")
    await house.until(house.records)
    desk = Desk(house)
    await desk.log_in()
    told = await desk.asked("/desk/note/people", await desk.page("/desk/note"), q=typed, channel="call")
    (person,) = told["people"]
    assert (person["name"], person["company"], person["phone"]) == ("王伟", "Acme", "+8613800000001")
    assert [one["reference"] for one in person["records"]] == [first["reference"]]
    await house.idle()


@pytest.mark.parametrize("typed", ["王伟", "王", "customer1@", "Customer1@Example"])
async def test_who_is_meant_is_found_by_name_or_address(house: House, typed: str) -> None:
    await note(house, email="customer1@example.com")
    await house.until(house.records)
    desk = Desk(house)
    await desk.log_in()
    told = await desk.asked("/desk/note/people", await desk.page("/desk/note"), q=typed, channel="call")
    found = [one["name"] for one in told["people"]]
    assert found == (["王伟"] if len(typed) > 1 else []), "one character names nobody"
    await house.idle()


@pytest.mark.parametrize(
    "typed", ["", "1", "%", "__", "'; DROP TABLE record", "9" * 5000, "\x00\ud7ff", "+", "()()"]
)
async def test_whatever_is_typed_finds_nobody_it_should_not(house: House, typed: str) -> None:
    await note(house)
    await house.until(house.records)
    desk = Desk(house)
    await desk.log_in()
    told = await desk.asked("/desk/note/people", await desk.page("/desk/note"), q=typed, channel="call")
    assert told["people"] == []
    await house.idle()


async def test_a_note_goes_on_with_an_earlier_record(house: House) -> None:
    first = await note(house)
    await house.until(house.records)
    desk = Desk(house)
    await desk.log_in()
    shown = await desk.page("/desk/note")
    _, looked = await desk.post("/desk/note", shown, 200, look="yes", **SAID)
    assert first["reference"] in looked and 'name="continues"' in looked
    await desk.post(
        "/desk/note", looked, **{**SAID, "text": "It has begun to smoke."}, continues=first["reference"]
    )
    await house.idle()
    (record,) = await house.records()
    assert record["reference"] == first["reference"]
    line = await house.ask("GET", f"/v1/records/{first['reference']}/timeline")
    (joined,) = [one for one in line["events"] if one["type"] == "message.joined"]
    assert joined["data"]["text"] == "It has begun to smoke."


async def test_nobody_notes_without_leave(house: House) -> None:
    for path in ("/desk/note", "/desk/callbacks", "/desk/note/calls"):
        async with house.session.get(house.url + path, allow_redirects=False) as answer:
            assert answer.status in (303, 401)
    for path in ("/desk/note", "/desk/note/people"):
        async with house.session.post(house.url + path, data={"q": "138"}, allow_redirects=False) as answer:
            assert answer.status in (303, 401, 403)
    desk = Desk(house)
    await desk.log_in()
    await desk.page("/desk/note")
    form = {"csrf": "forged", "channel": "call", **SAID}
    async with house.session.post(f"{house.url}/desk/note", data=form) as answer:
        assert answer.status == 403
    assert await house.envelopes() == []


# ---- the API


async def test_a_program_notes_by_the_api_once_for_each_key(house: House) -> None:
    body = {"channel": "visit", **SAID}
    status, told = await house.api("POST", "/v1/records", body, Idempotency_Key="n1")
    assert (status, told["repeat"]) == (201, False)
    status_url = told["status_url"].replace(house.loaded.settings.address, house.url)
    async with house.session.get(status_url) as page:
        assert page.status == 200 and told["reference"] in await page.text()
    status, again = await house.api("POST", "/v1/records", body, Idempotency_Key="n1")
    assert (status, again["repeat"], again["reference"]) == (200, True, told["reference"])
    assert (await house.api("POST", "/v1/records", body))[0] == 201, "without a key it is another"
    await house.idle()
    assert len(await house.records()) == 2


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ({"text": "x"}, "channel"),
        ({"channel": "form", "text": "x"}, "takes no notes"),
        ({"channel": "call"}, "text"),
        ({"channel": "call", "text": "  "}, "text"),
        ({"channel": "call", "text": "x", "urgency": "very"}, "urgency"),
        ({"channel": "call", "text": "x", "answer_by": "pigeon"}, "answer_by"),
        ({"channel": "call", "text": "x" * 20_001}, "longer than 20000"),
        ({"channel": "call", "text": ["x"]}, "must be a text"),
    ],
)
async def test_a_note_that_cannot_be_is_refused_in_words(house: House, body: Any, why: str) -> None:
    status, told = await house.api("POST", "/v1/records", body)
    assert status in (404, 422) and why in json.dumps(told), told
    assert await house.envelopes() == []


async def test_a_program_with_a_key_of_the_channel_notes_at_its_door(house: House) -> None:
    async with house.session.post(
        f"{house.url}/in/call", data=json.dumps(SAID), headers=notes.headers("n1")
    ) as answer:
        told = await answer.json()
        assert answer.status == 202 and told["reference"].startswith("FB-")
    for bearer in ("", "somebody else's key 123"):
        async with house.session.post(
            f"{house.url}/in/call", data=json.dumps(SAID), headers=notes.headers("n2", bearer)
        ) as answer:
            assert answer.status == 401
    await house.idle()
    assert len(await house.records()) == 1


# ---- answers by word of mouth


async def test_an_answer_is_a_task_with_a_deadline_and_its_outcome_ends_it(
    make: Make, moved: MovedClock
) -> None:
    async with make(channels={"call": {"call_back": {"within": 3600}}}) as house:
        record, (task,) = await answered(house)
        assert (task["number"], task["text"]) == ("+8613800000001", "It runs again.")
        assert not task["overdue"] and task["tries"] == 0
        (reply,) = await house.deliveries("reply")
        assert reply["state"] == "entrusted"
        moved.by += timedelta(hours=2)
        assert (await tasks(house))[0]["overdue"]
        told = await house.ask(
            "POST", f"/v1/callbacks/{task['id']}", {"outcome": "reached", "note": "She is glad."}
        )
        assert told["state"] == "delivered"
        await house.idle()
        assert await tasks(house) == []
        assert (await house.ask("GET", f"/v1/records/{record['reference']}"))["state"] == "answered"
        status, again = await house.api("POST", f"/v1/callbacks/{task['id']}", {"outcome": "reached"})
        assert status in (409, 422) and "not open any more" in json.dumps(again)


async def test_who_is_not_reached_is_called_again_and_after_the_last_try_it_has_failed(
    make: Make, moved: MovedClock
) -> None:
    async with make(channels={"call": {"call_back": {"tries": 2, "again_after": "PT30M"}}}) as house:
        _, (task,) = await answered(house)
        first = await house.ask("POST", f"/v1/callbacks/{task['id']}", {"outcome": "not_reached"})
        assert (first["state"], first["tries"]) == ("entrusted", 1)
        (again,) = await tasks(house)
        assert again["tries"] == 1 and again["due"] == first["due"]
        last = await house.ask("POST", f"/v1/callbacks/{task['id']}", {"outcome": "not_reached"})
        assert (last["state"], last["tries"]) == ("dead", 2)
        (reply,) = await house.deliveries("reply")
        assert (reply["state"], reply["reason"]) == ("dead", "unreachable")
        assert await tasks(house) == []


@pytest.mark.parametrize(("outcome", "state"), [("wrong_number", "dead"), ("declined", "cancelled")])
async def test_other_ends_of_a_call(house: House, outcome: str, state: str) -> None:
    _, (task,) = await answered(house)
    told = await house.ask("POST", f"/v1/callbacks/{task['id']}", {"outcome": outcome})
    assert told["state"] == state
    await house.idle()
    (reply,) = await house.deliveries("reply")
    assert reply["state"] == state and await tasks(house) == []


async def test_the_outcome_is_told_at_the_desk_and_a_time_to_try_again(house: House) -> None:
    await answered(house)
    desk = Desk(house)
    await desk.log_in()
    (task,) = await tasks(house)
    shown = await desk.page("/desk/callbacks")
    assert "tel:+8613800000001" in shown and "It runs again." in shown
    path = f"/desk/callbacks/{task['id']}"
    await desk.post(path, shown, outcome="not_reached", note="engaged", again_at="2031-01-02T09:30")
    (again,) = await tasks(house)
    assert again["due"].startswith("2031-01-02T") and again["last"] == "not_reached: engaged"
    await desk.post(path, shown, 422, outcome="not_reached", again_at="tomorrow")
    place, _ = await desk.post(path, shown, outcome="reached")
    assert place.startswith("/desk/callbacks?done=FB-")
    assert "It runs again." not in await desk.page("/desk/callbacks")


async def test_of_two_colleagues_who_tell_at_once_one_is_heard(house: House) -> None:
    _, (task,) = await answered(house)
    path = f"/v1/callbacks/{task['id']}"
    told = await asyncio.gather(
        house.api("POST", path, {"outcome": "reached"}), house.api("POST", path, {"outcome": "wrong_number"})
    )
    assert sorted(status < 300 for status, _ in told) == [False, True], told


async def test_what_was_entrusted_is_still_there_after_a_new_start(make: Make) -> None:
    async with make() as house:
        _, before = await answered(house)
    async with make() as house:
        await house.idle()
        assert [one["id"] for one in await tasks(house)] == [one["id"] for one in before]


# ---- as the customer wishes


@pytest.mark.parametrize(
    ("wish", "email", "mailed", "called"),
    [
        ("", "customer1@example.com", True, False),
        ("email", "customer1@example.com", True, False),
        ("email", "", False, True),
        ("call_back", "customer1@example.com", False, True),
        ("sms", "", False, True),  # no channel sends text messages here: what remains is a call
    ],
)
async def test_the_answer_takes_the_way_that_the_customer_wishes(
    house: House, office: Office, wish: str, email: str, mailed: bool, called: bool
) -> None:
    _, open_ = await answered(house, answer_by=wish, email=email)
    assert bool(open_) == called
    assert [one.text.startswith("It runs") for one in mails(office, 1) if not one.automatic] == [
        True
    ] * mailed
    # The acknowledgement goes by mail or not at all: nobody is called to hear a number that was read out.
    acknowledged = [one for one in mails(office, 1) if one.automatic]
    assert len(acknowledged) == (1 if email and wish != "call_back" else 0)


async def test_who_wishes_no_answer_gets_none(house: House, office: Office) -> None:
    told = await note(house, email="customer1@example.com", answer_by="none")
    await house.until(house.records)
    await house.idle()
    assert mails(office, 1) == []
    status, refused = await house.reply(told["reference"], "Thank you.")
    assert status == 422, refused


async def test_somebody_at_the_counter_who_left_nothing_can_be_told_in_person(house: House) -> None:
    told = await house.ask("POST", "/v1/records", {"channel": "visit", "text": "The door sticks."})
    await house.until(house.records)
    await house.idle()
    assert (await house.reply(told["reference"], "It is oiled."))[0] == 202
    await house.idle()
    (task,) = await tasks(house)
    assert task["number"] is None
    desk = Desk(house, "zh-CN")
    await desk.log_in()
    assert "当面" in await desk.page("/desk/callbacks")


@pytest.mark.parametrize(
    ("typed", "number"),
    [
        ("138 0013 8000", "+8613800138000"),
        ("＋８６ １３８００１３８０００", "+8613800138000"),
        ("0086-138-0013-8000", "+8613800138000"),
        ("(010) 6505 1234 转 8012", "+861065051234;ext=8012"),
        ("010-65051234 分机8012", "+861065051234;ext=8012"),
        ("+49 (0)30 901820", "+4930901820"),
        ("+44 (0) 20 7946 0958 ext. 12", "+442079460958;ext=12"),
        ("+1 (202) 555-0143 x7", "+12025550143;ext=7"),
        ("+33 1 23 45 67 89", "+33123456789"),
        ("+81-3-1234-5678", "+81312345678"),
        ("00852 2123 4567", "+85221234567"),
        ("400-820-8820", "+864008208820"),
        ("8012", "8012"),
        ("12345", "12345"),
    ],
)
async def test_a_number_in_every_national_habit_can_be_called_back(
    house: House, typed: str, number: str
) -> None:
    _, (task,) = await answered(house, phone=typed)
    assert task["number"] == number


async def test_the_token_of_the_tests_is_the_administrators(house: House) -> None:
    """A key of the channel is not good for the API, and the other way about."""
    body = json.dumps({"channel": "call", **SAID})
    for url, token in ((f"{house.url}/v1/records", notes.KEY), (f"{house.url}/in/call", TOKEN)):
        async with house.session.post(url, data=body, headers=notes.headers(None, token)) as answer:
            assert answer.status == 401


async def test_a_form_and_a_call_of_one_number_are_one_person(house: House, office: Office) -> None:
    fields = {"name": "王伟", "contact": "13800000001", "message": "By the form."}
    await Form().post(house, json.dumps(fields).encode(), id="f1")
    await note(house)
    await house.idle()
    records = await house.records()
    assert len({one["contact"]["id"] for one in records}) == 1 and len(records) == 2
