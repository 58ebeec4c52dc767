"""What the desk tells before an answer is written, answers in parts, and who is who."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from store.schema import TABLES
from tests.console.house import House
from tests.console.test_desk import Client, clerk, client, hidden

__all__ = ["clerk", "client"]

REFERENCE = "FB-261122-AAAA2"


async def page(clerk: Client) -> str:
    return await (await clerk.get(f"/desk/records/{REFERENCE}")).text()


@pytest.mark.parametrize(
    ("window", "words"),
    [
        (
            {"window": {"open": True, "closes_in_minutes": 37, "messages_left": 3}, "carried_by": "window"},
            ["Reply window: closes in 37 minutes", "carries 3 more"],
        ),
        (
            {"window": {"open": False}, "carried_by": "mail"},
            ["Reply window closed", "an answer goes by mail"],
        ),
        (
            {"window": {"open": False}, "carried_by": None, "held": True},
            ["Reply window closed", "an answer is held until the customer writes again"],
        ),
    ],
    ids=["open", "another way", "held"],
)
async def test_the_page_tells_before_writing_how_an_answer_would_go(
    house: House, clerk: Client, window: dict[str, Any], words: list[str]
) -> None:
    await house.record(REFERENCE)
    house.outbox.window = {"held": False, **window}
    html = await page(clerk)
    assert all(html.index(one) < html.index('name="text"') for one in words)


@pytest.mark.parametrize(
    ("preview", "words"),
    [
        (
            {"messages": 2, "size": 90, "unit": "UCS-2, 70 (67 in several)", "text": "", "refused": ""},
            ["2 text messages", "90", "UCS-2"],
        ),
        (
            {"messages": 1, "size": 30, "unit": "characters", "text": "您的反馈已有回复", "refused": ""},
            ["1 text messages", "您的反馈已有回复"],
        ),
        (
            {
                "messages": 1,
                "size": 90,
                "unit": "characters",
                "text": "",
                "refused": "text has 90 characters",
            },
            ["It cannot go as it is", "text has 90 characters"],
        ),
    ],
    ids=["counted", "template", "refused"],
)
async def test_a_draft_is_tried_before_it_is_sent(
    house: House, clerk: Client, preview: dict[str, Any], words: list[str]
) -> None:
    await house.record(REFERENCE)
    house.outbox.window = {"window": None, "carried_by": "window", "held": False, "counts": True}
    html = await page(clerk)
    assert "See how it would go" in html
    house.outbox.window |= {"preview": preview}
    form = {"csrf": hidden(html, "csrf"), "key": "k", "text": "The draft of the clerk", "verb": "check"}
    response = await clerk.post(f"/desk/records/{REFERENCE}/replies", data=form)
    html = await response.text()
    assert response.status == 200 and all(one in html for one in words)
    assert ">The draft of the clerk</textarea>" in html, "nothing that was written is lost"
    assert not house.outbox.calls, "nothing was sent"


async def test_an_address_that_refused_us_is_told(house: House, clerk: Client) -> None:
    await house.record(REFERENCE)
    refusal = {"refused_before": True, "to": "+8613800138000", "refusal": "the customer asked for no more"}
    house.outbox.window = {"window": None, "held": False, **refusal}
    assert "+8613800138000: the customer asked for no more." in await page(clerk)


async def test_the_list_shows_how_long_somebody_who_waits_can_be_answered(
    house: House, clerk: Client
) -> None:
    await house.record(REFERENCE, conversation="talk-1")
    now = house.clock.now()
    until = now + timedelta(minutes=37, seconds=5)
    await house.put(
        "opening", conversation="talk-1", envelope="e", name="message", at=now, until=until, messages=None
    )
    assert "closes in 37 minutes" in await (await clerk.get("/desk/records")).text()


async def test_an_answer_in_parts_is_one_answer(house: House, clerk: Client) -> None:
    id_ = await house.record(REFERENCE)
    for n, (text, state) in enumerate((("We have looked, ", "delivered"), ("and it works.", "waiting")), 1):
        part = {"n": n, "of": 2, "answer": "reply:1", "before": None, "after": []}
        await house.delivery(id_, "reply", state=state, body={"text": text, "part": part})
    html = await page(clerk)
    assert "We have looked, and it works." in html and "in 2 parts" in html
    assert 'class="chip certainty-pending"' in html and "certainty-delivered" not in html


async def test_a_proposal_is_decided_on_the_record_s_page(house: House, clerk: Client) -> None:
    await house.record(REFERENCE, name="Wang", identities={"email": "wang@example.com"})
    await house.record("FB-261122-AAAA3", name="Wang Fang", identities={"phone": "+8613800138000"})
    contact = TABLES["contact"]
    one, two = await house.store.read(lambda c: c.scalars(select(contact.c.id).order_by(contact.c.id)).all())
    await house.put(
        "link", id="link-1", contact=two, other=one, kind="phone", value="+8613800138000", at=house.clock.now(),
        evidence="both gave it", state="proposed", actor="forebay",
    )  # fmt: skip
    html = await page(clerk)
    assert "Same person?" in html and "both gave it" in html
    for verb, called in (("same", "link"), ("refuse", "unlink")):
        form = {"csrf": hidden(html, "csrf"), "link": "link-1", "verb": verb}
        response = await clerk.post(f"/desk/records/{REFERENCE}/contact", data=form, allow_redirects=False)
        assert response.status == 303
        name, given = house.contacts.calls[-1]
        assert (name, given["link"], given["actor"]) == (called, "link-1", "admin")


@pytest.mark.parametrize("proof", ["weak", None])
async def test_a_source_that_proves_too_little_is_said_at_the_record(
    house: House, clerk: Client, proof: str | None
) -> None:
    await house.record(REFERENCE, extra={"proof": proof} if proof else {})
    assert ("Source not proven" in await page(clerk)) is (proof is not None)
