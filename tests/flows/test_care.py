"""A customer who is asked, told, answered and asked again, in the real daemon: mail for the form, a chat for digits."""

from __future__ import annotations

import html
import re
from datetime import timedelta
from typing import Any

import aiohttp

from tests.flows.conftest import Make
from tests.flows.test_import_pages import log_in, page, post
from tests.flows.test_passing import OFFICE, _text
from tests.rigs.daemon import House, MovedClock
from tests.rigs.office import Office
from tests.rigs.ways import Form, Hook, mails

#: An office that never closes, so that the tests need not know which day it is.
_DAY = ["00:00-24:00"]
CARING: dict[str, Any] = {
    **OFFICE,
    "worktime": {
        "hours": dict.fromkeys(("monday", "tuesday", "wednesday", "thursday", "friday"), _DAY)
        | {"saturday": _DAY, "sunday": _DAY}
    },
    "ask": {"remind_after": "1 hour", "go_on_after": "5 days"},
    "follow_up": {"ask_after": "1 hour", "close_after": "2 days"},
    "look_every": 0.1,
}
#: Whoever says nothing of a picture is asked for one.
RULES: dict[str, Any] = {
    "rules": [
        {
            "name": "no picture",
            "when": 'record.text.contains("picture")',
            "continue": True,
            "set": {"missing": ["attachment", "subject"]},
        }
    ],
    "default": {"destinations": []},
}


async def _record(house: House, state: str | None = None) -> Any:
    found = [one for one in await house.records() if state in (None, one["state"])]
    return found[-1]


async def _care(house: House, reference: str) -> Any:
    return await house.ask("GET", f"/v1/records/{reference}/care")


async def test_what_is_missing_is_asked_for_once_and_the_answer_fills_it_while_the_clock_stands(
    make: Make, office: Office, moved: MovedClock
) -> None:
    async with make(office=CARING, rules=RULES) as house:
        event = Hook().event(1, "the picture is torn", conversation="c1")
        await Hook().post(house, event, "msg_1")
        await house.idle()
        record = await _record(house)
        reference = record["reference"]
        paused = await house.until(lambda: _paused(house, reference))
        assert paused["missing"] == ["attachment", "subject"]
        moved.by += timedelta(hours=2)
        await house.until(lambda: _notice(office, "still need|We asked you for something"))
        event = Hook().event(1, "Lift of house 7", conversation="c1")
        await Hook().post(house, event, "msg_2")
        await house.until(lambda: _goes_on(house, reference))
        told = await house.ask("GET", f"/v1/records/{reference}")
        assert told["missing"] == ["attachment"] and told["subject"] == "Lift of house 7"
        assert told["deadlines"]["solve"] > record["deadlines"]["solve"]
        (pause,) = (await _care(house, reference))["pauses"]
        assert (pause["state"], pause["why"]) == ("ended", "answered") and pause["reminded_at"]


async def test_without_an_answer_the_work_goes_on(make: Make, office: Office, moved: MovedClock) -> None:
    async with make(office=CARING, rules=RULES) as house:
        await Form().bring(house, 1, text="the picture is torn", office=office)
        await house.idle()
        reference = (await _record(house))["reference"]
        await house.until(lambda: _paused(house, reference))
        moved.by += timedelta(days=6)
        await house.until(lambda: _goes_on(house, reference))
        (pause,) = (await _care(house, reference))["pauses"]
        assert pause["why"] == "no answer"


async def test_a_clerk_asks_tells_and_extends_at_the_desk(make: Make, office: Office) -> None:
    async with make(office=CARING, rules={"default": {"destinations": []}}) as house:
        await Form().bring(house, 1, office=office)
        await house.idle()
        record = await _record(house)
        path = f"/desk/records/{record['reference']}"
        await log_in(house)
        shown = await page(house, path)
        act = {"seen": "registered"}
        await post(house, f"{path}/case", shown, **act, verb="ask", missing="contact", words="Which floor?")
        assert "waits for the customer" in await _text(house, path)
        assert "等待客户" in await _text(house, path, "zh-CN")
        _, told = await post(house, f"{path}/case", shown, 422, **act, verb="ask", missing="contact")
        assert "was asked already" in told
        await post(house, f"{path}/case", shown, **act, verb="resume")
        await post(house, f"{path}/case", shown, **act, verb="progress", words="A part is on its way.")
        due = (house.now() + timedelta(days=60)).strftime("%Y-%m-%dT%H:%M")
        await post(house, f"{path}/case", shown, **act, verb="extend", words="The part is late.", due=due)
        await house.idle()
        assert [one.automatic for one in mails(office, 1)] == [True] * 4
        text = "\n".join(one.text for one in mails(office, 1))
        for said in ("Which floor?", "how we can reach you", "A part is on its way.", "The part is late."):
            assert said in text
        told = await house.ask("GET", f"/v1/records/{record['reference']}")
        assert told["deadlines"]["solve"][:10] == due[:10]
        shown = await _text(house, path)
        assert "Deadline extended: The part is late." in shown and "Told of the progress" in shown
        status, told = await house.api(
            "POST",
            f"/v1/records/{record['reference']}/extend",
            {"until": house.now().isoformat(), "reason": "x"},
        )
        assert status == 422 and "must lie after the old one" in told["detail"]


async def test_who_was_answered_is_asked_once_and_a_bad_mark_makes_a_linked_record(
    make: Make, office: Office, moved: MovedClock
) -> None:
    async with make(office=CARING, rules={"default": {"destinations": []}}) as house:
        await Form().bring(house, 1, office=office)
        await house.idle()
        reference = (await _record(house))["reference"]
        await house.reply(reference, "It runs.")
        address = await _question(house, office, moved, reference)
        async with aiohttp.ClientSession() as anybody:
            async with anybody.get(address) as answer:
                assert answer.status == 200 and "Are you satisfied?" in await answer.text()
            async with anybody.post(address, data={"remarks": "no mark"}) as answer:
                assert answer.status == 422 and "no mark" in await answer.text()
            said = {"mark": "1", "remarks": "It stopped again."}
            async with anybody.post(address, data=said) as answer:
                assert answer.status == 200 and "Thank you." in await answer.text()
            async with anybody.post(address, data={"mark": "5"}) as answer:
                assert "was answered, or is over" in html.unescape(await answer.text())
            async with anybody.get(address[:-1] + "x") as answer:
                assert answer.status == 404
        assert (await house.ask("GET", f"/v1/records/{reference}"))["state"] == "followed_up"
        linked = await _record(house, "registered")
        assert linked["in_reply_to"] == reference and linked["text"] == "It stopped again."
        assert "complaint" in linked["nature"]
        (asked,) = (await _care(house, reference))["follow_ups"]
        assert (asked["mark"], asked["satisfied"], asked["by"]) == (1, False, "page")
        await house.reply(linked["reference"], "We are sorry.")
        await house.idle()
        assert any("We are sorry." in one.text for one in mails(office, 1))
        moved.by += timedelta(days=3)
        await house.until(lambda: _is(house, reference, "closed"))


async def test_without_a_mark_the_record_is_closed_by_itself(
    make: Make, office: Office, moved: MovedClock
) -> None:
    async with make(office=CARING, rules={"default": {"destinations": []}}) as house:
        await Form().bring(house, 1, office=office)
        await house.idle()
        reference = (await _record(house))["reference"]
        await house.reply(reference, "It runs.")
        await _question(house, office, moved, reference)
        moved.by += timedelta(days=3)
        await house.until(lambda: _is(house, reference, "closed"))
        (asked,) = (await _care(house, reference))["follow_ups"]
        assert asked["state"] == "ended" and asked["mark"] is None


async def test_in_a_chat_a_digit_is_the_mark(make: Make, office: Office, moved: MovedClock) -> None:
    async with make(office=CARING, rules={"default": {"destinations": []}}) as house:
        await Hook().post(house, Hook().event(1, "the lift is stuck", conversation="c1"), "msg_1")
        await house.idle()
        reference = (await _record(house))["reference"]
        await house.reply(reference, "It runs.")
        await house.until(lambda: _planned(house, reference))
        moved.by += timedelta(hours=2)
        await house.until(lambda: _notice(office, "Answer with one digit"))
        await Hook().post(house, Hook().event(1, " 5 ", conversation="c1"), "msg_2")
        await house.until(lambda: _is(house, reference, "followed_up"))
        (asked,) = (await _care(house, reference))["follow_ups"]
        assert (asked["mark"], asked["satisfied"], asked["by"]) == (5, True, "chat")
        assert len(await house.records()) == 1


# ----


async def _paused(house: House, reference: str) -> Any:
    found = (await _care(house, reference))["pauses"]
    return next((one for one in found if one["state"] == "open"), None)


async def _goes_on(house: House, reference: str) -> bool:
    told = await _care(house, reference)
    return bool(told["pauses"]) and not told["waits"]


async def _planned(house: House, reference: str) -> bool:
    return bool((await _care(house, reference))["follow_ups"])


async def _is(house: House, reference: str, state: str) -> bool:
    return bool((await house.ask("GET", f"/v1/records/{reference}"))["state"] == state)


def _notice(office: Office, pattern: str) -> bool:
    return any(re.search(pattern, one.json()["text"]) for one in office.chat.taken)


async def _question(house: House, office: Office, moved: MovedClock, reference: str) -> str:
    """The address of the page that a customer was sent."""
    await house.until(lambda: _planned(house, reference))
    moved.by += timedelta(hours=2)

    def found() -> Any:
        texts = [one.text for one in mails(office, 1)]
        return next((hit for text in texts if (hit := re.search(r"http\S+/q/\S+", text))), None)

    hit = await house.until(found)
    return f"{house.url}/q/{hit[0].rpartition('/')[2]}"
