"""Survey tools, by the very examples of their page: in, known again, marked where their proof is weak."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from tests.docs.pages import DOCS, blocks
from tests.flows.conftest import Make
from tests.rigs import surveys
from tests.rigs.daemon import House
from tests.rigs.office import Office
from tests.rigs.ways import Form, Hook, mails

MAKERS = {"typeform": surveys.typeform, "wjx": surveys.wjx, "jinshuju": surveys.jinshuju}
WEAK = ("wjx", "jinshuju")


def documented() -> dict[str, Any]:
    """The channels of the page; in place of the tools' own addresses stands where a test calls from."""
    page = (DOCS / "how-to" / "surveys.md").read_text(encoding="utf-8")
    found: dict[str, Any] = {}
    for block in blocks(page):
        if block.language == "yaml":
            found |= yaml.safe_load(block.text)["channels"]
    for channel in found.values():
        schemes = channel["verify"] if isinstance(channel["verify"], list) else [channel["verify"]]
        for scheme in schemes:
            if scheme["scheme"] == "addresses":
                scheme["networks"] = ["127.0.0.1", "::1"]
    return found


@pytest.fixture
async def house(make: Make, monkeypatch: pytest.MonkeyPatch) -> Any:
    for name in ("TYPEFORM_SECRET", "WJX_PUSH_KEY", "JINSHUJU_TOKEN"):
        monkeypatch.setenv(name, surveys.SECRET)
    channels = documented()
    assert channels.keys() == MAKERS.keys()
    for channel in WEAK:
        # Even where an answer could go by itself, none does.
        channels[channel]["reply_via"] = {"phone": "sms"}
    async with make(channels=channels) as house:
        yield house


async def post(house: House, tool: str, posted: surveys.Posted) -> tuple[int, str]:
    body, headers, query = posted
    async with house.session.post(
        f"{house.url}/in/{tool}", data=body, headers=headers, params=query
    ) as answer:
        return answer.status, await answer.text()


async def only(house: House) -> Any:
    (record,) = await house.until(house.records)
    await house.idle()
    return record


@pytest.mark.parametrize("tool", MAKERS)
async def test_an_answered_questionnaire_is_a_record(house: House, tool: str) -> None:
    who = surveys.person(1)
    for _ in range(2):  # a tool that heard nothing posts it again
        status, said = await post(house, tool, MAKERS[tool](1))
        assert status == 202 if tool == "typeform" else (status, said) == (200, "success")
    record = await only(house)
    assert (record["text"], record["contact"]["name"]) == (who["text"], who["name"])
    assert record["channel"] == {"name": tool, "kind": "webhook"}
    assert {"kind": "phone", "value": who["phone"]} in record["contact"]["identities"]
    assert record["sent_at"].startswith("2026-11-22T00:00:00"), "the tool's own time"
    assert record["subject"] and record["subject"] != who["name"]
    assert record["extra"].get("proof") == ("weak" if tool in WEAK else None)


@pytest.mark.parametrize("tool", MAKERS)
async def test_what_proves_nothing_gets_in_nowhere(house: House, tool: str) -> None:
    body, headers, query = MAKERS[tool](1)
    forged = json.loads(body)
    if tool == "wjx":
        forged["sign"] = "0" * 40
    forged["more"] = "x"
    query = {"token": "guessed"} if query else {}
    status, _ = await post(house, tool, (json.dumps(forged).encode(), headers, query))
    assert status == 401
    await house.idle()
    assert not await house.records()


async def test_the_well_signed_one_is_acknowledged(house: House, office: Office) -> None:
    await post(house, "typeform", surveys.typeform(1))
    record = await only(house)
    (mail,) = mails(office, 1)
    assert record["reference"] in mail.text
    assert record["extra"] == {"form": "lT4Z3j", "rating": "2", "order": "A-1"}


async def test_answers_under_a_signature_that_was_seen_are_taken_and_believed_by_nobody(
    house: House, office: Office
) -> None:
    """问卷星's signature holds for any answers: so nothing follows from them by itself."""
    await Form().bring(house, 1, office=office)
    known = await only(house)
    before = len(office.twilio.sent)
    forged = surveys.wjx(1, text="Pay back 1000 to my new account", phone=surveys.person(2)["phone"])
    assert (await post(house, "wjx", forged))[0] == 200
    await house.idle()
    record, _ = await house.records()
    assert (
        record["channel"]["name"] == "wjx"
        and record["extra"]["proof"] == "weak"
        and record["reference"] != known["reference"]
    )
    refused, _ = await house.deliveries("acknowledgement")
    assert (refused["state"], refused["reason"]) == ("cancelled", "weak proof")
    assert len(office.twilio.sent) == before
    # It is at the ticket store, and says there what it is.
    told = [one.json()["data"]["record"] for one in office.tickets.taken]
    assert [one["extra"].get("proof") for one in told] == [None, "weak"]


async def test_a_change_of_an_entry_is_told_of_and_a_repeat_is_not(house: House) -> None:
    for updated in ("2026-11-22T00:00:00.000Z", "2026-11-22T00:00:00.000Z", "2026-11-22T01:00:00.000Z"):
        await post(house, "jinshuju", surveys.jinshuju(1, updated))
    await house.idle()
    assert len(await house.records()) == 2


@pytest.mark.parametrize("weak", [True, False])
async def test_what_nobody_proved_teaches_nothing_about_people(
    make: Make, office: Office, weak: bool
) -> None:
    way = Hook()
    async with make(channels={"hook": {"weak": weak}}) as house:
        await Form().bring(house, 1, office=office)
        known = await only(house)
        event = way.event(1, "my new number")
        event["data"]["user"] |= {"email": "customer1@example.com", "phone": "+8613900000009"}
        await way.post(house, event, "msg_1")
        await house.idle()
        record, _ = await house.records()
        assert record["contact"]["id"] == known["contact"]["id"], "whom it names is found"
        numbers = [one["value"] for one in record["contact"]["identities"] if one["kind"] == "phone"]
        assert ("+8613900000009" in numbers) is not weak
        assert len(way.got(office, 1)) == (0 if weak else 1)
