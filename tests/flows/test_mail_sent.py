"""Mail that the house sends: who gets it, what it answers, and how an answer to it finds its record."""

from __future__ import annotations

import re
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from tests.flows.conftest import Make
from tests.rigs import email
from tests.rigs.daemon import House
from tests.rigs.office import Office
from tests.rigs.ways import Mail

WAY = Mail()


def sent(office: Office) -> list[EmailMessage]:
    """What the mail server took, oldest first."""
    return [message_from_bytes(one.data, policy=policy.default) for one in office.smtp.accepted]  # type: ignore[misc]


async def write(house: House, office: Office, n: int, text: str, references: str = "", **fields: str) -> None:
    id_ = f"{n}-{re.sub(r'[^a-z]', '', text)}"
    raw = WAY.mail(n, id_, text, **fields)
    if references:  # the standard library would encode an id that does not fit into a line
        raw = f"References: {references}\r\n".encode() + raw
    told = await WAY.bring_raw(house, office, raw, n)
    assert told.taken
    await house.idle()


async def answer(house: House, text: str, cc: tuple[str, ...] = ()) -> dict[str, Any]:
    record = (await house.records())[0]
    path = f"/v1/records/{record['reference']}/replies"
    await house.ask("POST", path, {"text": text, "cc": list(cc)})
    await house.idle()
    return dict(record)


async def test_a_copy_that_is_put_off_is_tried_again_alone(make: Make, office: Office) -> None:
    async with make(outbox={"reply": {"pauses": [0.1], "max_age": 60}}) as house:
        await write(house, office, 1, "The lift stands still.")
        office.smtp.next(email.Refuse("rcpt", 452, "4.5.3 too many recipients", only="wang@example.com"))
        await answer(house, "We mended it.", ("wang@example.com", "zhao@example.com"))
        await house.until(lambda: len(office.smtp.accepted) == 3)
        _, first, second = office.smtp.accepted
        assert first.recipients == ("customer1@example.com", "zhao@example.com")
        assert second.recipients == ("wang@example.com",)
        assert first.id == second.id
        await house.idle()
        replies = await house.deliveries("reply")
        assert [one["state"] for one in replies] == ["delivered", "delivered"]
        assert {one["address"] for one in replies} == {"customer1@example.com", "wang@example.com"}


async def test_a_copy_that_nobody_has_is_told_and_touches_nothing_else(make: Make, office: Office) -> None:
    async with make() as house:
        await write(house, office, 1, "The lift stands still.")
        office.smtp.next(email.Refuse("rcpt", 550, "5.1.1 unknown", only="gone@example.com"))
        record = await answer(house, "We mended it.", ("gone@example.com",))
        assert len(office.smtp.accepted) == 2
        found = await house.ask("GET", f"/v1/records/{record['reference']}/timeline")
        told = [one["data"].get("data", {}).get("refused") for one in found["events"]]
        assert {"gone@example.com": "550 5.1.1 unknown"} in told


async def test_an_answer_goes_below_the_last_mail_quotes_it_and_copies_by_setting(
    make: Make, office: Office
) -> None:
    channels = {"mail": {"keep_copies": True, "aliases": ["info@office.example"]}}
    async with make(channels=channels) as house:
        others = f"{email.ADDRESS}, info+x@office.example, Wang <wang@example.com>, box@office.example"
        await write(house, office, 1, "The lift stands still.", To=others)
        thanks = sent(office)[0]
        await write(house, office, 1, "It smells, too.", To=others, references=thanks["Message-ID"])
        await answer(house, "We mended it.")
        mail = sent(office)[-1]
        assert mail["In-Reply-To"] == "<mail-1-tsmellstoo@example.com>"
        assert office.smtp.accepted[-1].recipients == ("customer1@example.com", "wang@example.com")
        text = mail.get_content()
        assert "> It smells, too." in text
        assert "stands still" not in text
        assert mail["In-Reply-To"] in mail["References"]
        assert "Auto-Submitted" not in mail
        assert thanks["Auto-Submitted"] == "auto-replied"
        assert thanks["Cc"] is None


async def test_an_answer_finds_its_record_by_the_token_alone_and_a_forged_one_does_not(
    make: Make, office: Office
) -> None:
    async with make(channels={"mail": {"plus_addressing": True}}) as house:
        await write(house, office, 1, "The lift stands still.")
        thanks = sent(office)[0]
        tagged = thanks["Reply-To"].addresses[0].addr_spec
        token = tagged.partition("+")[2].partition("@")[0]
        assert token in thanks["Message-ID"]
        # A stranger's mail program dropped the thread, and the subject is another.
        await write(house, office, 7, "More of it.", To=tagged.upper(), Subject="hello")
        # A mail server in between gave our mail another id, which keeps the token.
        await write(house, office, 8, "And more.", references=f"<fb.{'a' * 26}.{token}@office.example>")
        assert len(await house.records()) == 1
        forged = token[:-1] + ("a" if token[-1] != "a" else "b")
        await write(house, office, 9, "Forged.", To=tagged.replace(token, forged))
        await write(house, office, 10, "Forged too.", references=f"<fb.{'a' * 26}.{forged}@office.example>")
        assert len(await house.records()) == 3
        assert re.fullmatch(r"[a-z0-9]{42}", token)
