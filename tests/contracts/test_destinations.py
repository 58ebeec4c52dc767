"""The contract of destinations, over every kind of ticket store, in the whole house.

A record becomes one ticket there, whatever happens to answers on the way; what follows is added to it; what agents
write to the customer leaves by the customer's channel, and what they write to one another never does.
"""

from __future__ import annotations

import json
import random
from collections.abc import AsyncIterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from outbox import send
from store.schema import TABLES
from tests.rigs import email, form, webhook
from tests.rigs.daemon import House, MovedClock, Points
from tests.rigs.desks import chatwoot, http, rt, zammad, zendesk
from tests.rigs.desks.desk import Desk, Ticket
from tests.rigs.http import Drop, Hang, Refuse
from tests.rigs.office import TIMES, TOKEN, merge
from tests.rigs.ways import Form, Hook, mails
from tests.rigs.wire import Wire

#: A way in that needs no office.
NOBODY: Any = None
DESKS: tuple[type[Desk], ...] = (http.Store, chatwoot.Chatwoot, rt.Rt, zammad.Zammad, zendesk.Zendesk)


class Scene:
    """A ticket store, a mail server, and a house between the two."""

    def __init__(
        self, desk: Desk, smtp: email.Sink, wire: Wire, config: dict[str, Any], folder: Path
    ) -> None:
        self.desk, self.smtp, self.wire = desk, smtp, wire
        self._config, self._folder = config, folder
        self.points, self.clock = Points(), MovedClock()
        self.house = self._made()

    def _made(self, **more: Any) -> House:
        made = House(merge(self._config, more), self._folder, points=self.points, clock=self.clock)
        self.desk.house = made
        return made

    async def again(self) -> None:
        """Stop the house and start it on the same data."""
        await self.house.stop()
        self.house = self._made()
        await self.house.start()

    async def writes(self, n: int, text: str = "", file: tuple[str, bytes] | None = None) -> str:
        """The n-th customer fills in a form; the number that they are told."""
        fields = {**form.fields(n), **({"message": text} if text else {})}
        if file is None:
            told = await Form().post(self.house, json.dumps(fields).encode())
        else:
            body = form.multipart(fields.items(), [("photo", file[0], file[1])])
            told = await Form().post(
                self.house, body, content_type=f"multipart/form-data; boundary={form.BOUNDARY}"
            )
        assert told.taken, told
        return told.reference

    async def writes_again(self, n: int, text: str, file: tuple[str, bytes] | None = None) -> None:
        """The n-th customer answers the acknowledgement by mail."""
        (ack, *_) = [one for one in self.smtp.accepted if one.recipients == (f"customer{n}@example.com",)]
        mail = EmailMessage()
        mail["From"], mail["To"] = f"customer{n}@example.com", email.ADDRESS
        mail["Subject"] = "Re: your message"
        mail["Message-ID"] = f"<again-{n}-{len(text)}@example.com>"
        mail.set_content(text)
        if file is not None:
            mail.add_attachment(file[1], maintype="text", subtype="plain", filename=file[0])
        raw = f"In-Reply-To: {ack.id}\r\n".encode() + mail.as_bytes()
        answer = await email.bring(self.house.port("mail"), raw, sender=f"customer{n}@example.com")
        assert answer.startswith("250"), answer

    def got(self, n: int) -> list[str]:
        """What the n-th customer got from people."""
        office: Any = self
        return [one.text for one in mails(office, n) if not one.automatic]

    async def record(self, reference: str) -> Any:
        return await self.house.ask("GET", f"/v1/records/{reference}")

    async def timeline(self, reference: str) -> list[str]:
        told = await self.house.ask("GET", f"/v1/records/{reference}/timeline")
        return [one["type"] for one in told["events"]]

    async def ticket(self, reference: str) -> Ticket:
        """The one ticket of a record, once the house knows that it is there."""

        async def there() -> bool:
            every = await self.house.deliveries("hand_over")
            mine = [one for one in every if one["reference"] == reference and one["target"] == "desk"]
            return bool(mine) and all(one["state"] == "delivered" for one in mine)

        await self.house.until(there)
        return self.desk.of(reference)


@pytest.fixture(params=DESKS, ids=lambda kind: kind.kind)
async def desk(request: pytest.FixtureRequest) -> AsyncIterator[Desk]:
    async with request.param() as opened:
        yield opened


@pytest.fixture
def more() -> dict[str, Any]:
    """Further configuration; parametrized by tests."""
    return {}


@pytest.fixture
async def scene(
    desk: Desk, more: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Scene]:
    monkeypatch.setattr(send, "_RESOLVE_EVERY", 0.1)
    async with email.Sink() as smtp, Wire(desk.port) as wire:
        there = desk.settings(poll=0.1, priority=None)
        there["url"] = there["url"].replace(f":{desk.port}", f":{wire.port}")
        config = merge(
            {
                "listen": {"port": 0},
                "data": str(tmp_path / "data"),
                "api": {"admin_token": TOKEN},
                "database": {"min_free_bytes": 0},
                "channels": {
                    "form": form.settings(reply_via={"email": "mail"}),
                    "mail": email.settings(smtp),
                    "hook": webhook.settings(order="data.conversation_id"),
                },
                "destinations": {"desk": {key: value for key, value in there.items() if value is not None}},
                "rules": {
                    "natures": ["lifts"],
                    "rules": [
                        {
                            "name": "danger",
                            "when": 'record.full_text.contains("danger")',
                            "set": {"urgency": "urgent", "nature": ["lifts"]},
                        },
                    ],
                    "default": {"destinations": ["desk"], "acknowledgement": "acknowledgement"},
                },
                **TIMES,
            },
            more,
        )
        scene = Scene(desk, smtp, wire, config, tmp_path)
        await scene.house.start()
        try:
            yield scene
            await scene.house.balanced()
        finally:
            await scene.house.stop()


# ---- there


async def test_a_record_becomes_one_ticket_with_all_that_it_says(scene: Scene) -> None:
    said = "The lift is a danger. 电梯很危险"
    reference = await scene.writes(1, said, ("照片.txt", b"pixels"))
    ticket = await scene.ticket(reference)
    assert (ticket.subject, ticket.email) == ("Matter 1", "customer1@example.com")
    assert said in ticket.text
    assert ticket.name == "顾客 1"
    assert "lifts" in ticket.tags
    assert ticket.priority == scene.desk.urgent
    if scene.desk.carries_files:
        assert ticket.files == [("照片.txt", b"pixels")]
        assert reference in ticket.text
    assert (await scene.record(reference))["state"] == "handed_over"
    (delivery,) = await scene.house.deliveries("hand_over")
    assert delivery["attempts"] == 1


async def test_no_ticket_is_made_twice_though_answers_are_lost_after_it_was_made(scene: Scene) -> None:
    chance = random.Random(7)
    scene.desk.next(*(Drop() if chance.random() < 0.3 else Drop(takes=False) for _ in range(4)))
    references = [await scene.writes(n, f"The lift in house {n} is out of order.") for n in range(12)]
    await scene.house.idle(60)
    for reference in references:
        await scene.ticket(reference)
    assert scene.desk.made == dict.fromkeys(references, 1)
    states = {one["state"] for one in await scene.house.deliveries("hand_over")}
    assert states == {"delivered"}


async def test_what_the_customer_writes_next_is_added_once_and_opens_a_finished_ticket(scene: Scene) -> None:
    reference = await scene.writes(1)
    ticket = await scene.ticket(reference)
    await scene.house.idle()
    await scene.desk.moves(ticket, scene.desk.closed)
    await scene.house.until(lambda: _is(scene, reference, scene.desk.closed_state))
    scene.desk.next(Drop())
    await scene.writes_again(1, "It stands still again. 又坏了", ("又一张.txt", b"more pixels"))
    await scene.house.until(lambda: ticket.comments)
    await scene.house.idle()
    (comment,) = ticket.comments
    assert "It stands still again. 又坏了" in comment.text
    assert comment.by_customer or not comment.public
    if scene.desk.carries_files:
        assert comment.files == [("又一张.txt", b"more pixels")]
    if scene.desk.reopens:
        assert ticket.state == scene.desk.open
    assert scene.desk.made == {reference: 1}
    assert scene.got(1) == [], "what was added there is no answer"


async def test_a_correction_is_added(scene: Scene) -> None:
    reference = await scene.writes(1, "The lift stands still.")
    ticket = await scene.ticket(reference)
    await scene.house.idle()
    table = TABLES["record"]
    values = {"text": "wrong", "full_text": "wrong"}
    await scene.house.store.run(lambda c: c.execute(table.update().values(**values)), "test")
    (envelope,) = await scene.house.envelopes()
    await scene.house.ask("POST", "/v1/inbox/replay", {"ids": [envelope["id"]]})
    await scene.house.until(lambda: ticket.comments)
    await scene.house.idle()
    (comment,) = ticket.comments
    assert "The lift stands still." in comment.text


async def test_an_answer_written_in_our_desk_is_told(scene: Scene) -> None:
    reference = await scene.writes(1)
    ticket = await scene.ticket(reference)
    await scene.house.reply(reference, "The mechanic comes on Friday.")
    await scene.house.until(lambda: ticket.comments)
    await scene.house.idle()
    (comment,) = ticket.comments
    assert "The mechanic comes on Friday." in comment.text and not comment.public
    assert len(scene.got(1)) == 1, "it left once, by us"


# ---- and back


async def test_an_agents_answer_leaves_by_the_customers_channel_and_a_note_never_does(scene: Scene) -> None:
    reference = await scene.writes(1)
    ticket = await scene.ticket(reference)
    await scene.desk.notes(ticket, "This customer always complains.")
    await scene.desk.answers(ticket, "We have mended it. 已修好。", [("bill.txt", b"0.00")])
    await scene.house.until(lambda: scene.got(1))
    await scene.house.idle()
    (text,) = scene.got(1)
    assert "We have mended it. 已修好。" in text
    assert "complains" not in str([one.data for one in scene.smtp.accepted])
    assert b"bill.txt" in scene.smtp.accepted[-1].data
    assert (await scene.record(reference))["state"] == "answered"
    await scene.house.until(lambda: _told(scene, reference, "note.added"))
    # It is not told to the store that it came from, and nothing goes twice however often it is told.
    if scene.desk.kind == "http":
        await scene.desk.tells_again()
        await scene.again()
    else:
        await scene.house.stop()
        await scene.house.start_store()
        await scene.desk.tells_again()
        await scene.house.store.close()
        await scene.house.start()
    await scene.writes(2)
    await scene.house.idle()
    assert len(scene.got(1)) == 1
    assert ticket.comments == []


async def test_what_happens_while_nobody_looks_is_not_lost(scene: Scene) -> None:
    if scene.desk.kind == "http":
        pytest.skip("it posts again by itself until it is taken")
    reference = await scene.writes(1)
    ticket = await scene.ticket(reference)
    await scene.house.idle()
    await scene.house.stop()
    await scene.desk.answers(ticket, "First.")
    await scene.desk.answers(ticket, "Second.")
    await scene.house.start()
    await scene.house.until(lambda: len(scene.got(1)) == 2)
    assert ["First." in text for text in scene.got(1)] == [True, False]


async def test_states_come_back_in_our_words(scene: Scene) -> None:
    reference = await scene.writes(1)
    ticket = await scene.ticket(reference)
    await scene.house.idle()
    await scene.desk.moves(ticket, scene.desk.open)
    await scene.house.until(lambda: _is(scene, reference, "taken"))
    await scene.desk.moves(ticket, scene.desk.closed)
    await scene.house.until(lambda: _is(scene, reference, scene.desk.closed_state))
    assert (await scene.timeline(reference)).count("ticket.changed") == 2
    assert ticket.comments == [], "what the store did is not told to it"


async def test_a_merged_ticket_is_followed(scene: Scene) -> None:
    if not scene.desk.merges_tickets:
        pytest.skip("it merges none")
    first, second = await scene.writes(1), await scene.writes(2)
    ticket, into = await scene.ticket(first), await scene.ticket(second)
    await scene.house.idle()
    await scene.desk.merges(ticket, into)
    await scene.house.until(lambda: _told(scene, first, "ticket.merged"))
    await scene.writes_again(1, "Is anybody there?")
    await scene.house.until(lambda: into.comments)
    assert "Is anybody there?" in into.comments[-1].text
    await scene.desk.answers(into, "Both lifts are mended.")
    await scene.house.until(lambda: scene.got(1) and scene.got(2))
    await scene.house.idle()
    assert len(scene.got(1)) == len(scene.got(2)) == 1, "everybody behind the ticket is answered"
    assert scene.desk.made == {first: 1, second: 1}


async def test_an_answer_in_a_ticket_that_was_split_off_reaches_the_customer(scene: Scene) -> None:
    if not scene.desk.splits_tickets:
        pytest.skip("it splits none")
    reference = await scene.writes(1)
    ticket = await scene.ticket(reference)
    await scene.house.idle()
    part = await scene.desk.splits(ticket)
    await scene.house.until(lambda: _told(scene, reference, "ticket.split"))
    await scene.desk.answers(part, "The second matter is settled, too.")
    await scene.house.until(lambda: scene.got(1))
    assert "second matter" in scene.got(1)[0]


async def test_a_deleted_ticket_is_made_again_when_there_is_more_to_say(scene: Scene) -> None:
    if scene.desk.kind == "http":
        pytest.skip("what a deletion means is the system's own affair")
    reference = await scene.writes(1)
    ticket = await scene.ticket(reference)
    await scene.house.idle()
    await scene.desk.deletes(ticket)
    if scene.desk.tells_deletions:
        await scene.house.until(lambda: _told(scene, reference, "ticket.deleted"))
    scene.desk.next(Drop())
    await scene.writes_again(1, "Is anybody there?")
    await scene.house.idle()
    again = scene.desk.of(reference)
    assert again.id != ticket.id
    assert [one.text for one in again.comments if "Is anybody there?" in one.text]
    assert scene.desk.made == {reference: 2}


async def test_an_answer_that_cannot_be_sent_is_told_in_the_ticket(scene: Scene) -> None:
    told = await Hook().bring(scene.house, 1, office=NOBODY)
    ticket = await scene.ticket(told.reference)
    await scene.desk.answers(ticket, "We mended it.")
    await scene.house.until(lambda: ticket.comments)
    assert "customer left no address" in ticket.comments[0].text


@pytest.mark.parametrize("more", [{"destinations": {"desk": {"poll": 3600}}}], ids=[""])
async def test_a_signed_web_hook_lets_it_be_looked_at_once(scene: Scene) -> None:
    body = b'{"event": "what the store says"}'
    headers = scene.desk.hook(body)
    if headers is None:
        pytest.skip("it has no web hook, or one that tells all by itself")
    reference = await scene.writes(1)
    ticket = await scene.ticket(reference)
    await scene.desk.answers(ticket, "We mended it.")

    async def call(body: bytes, headers: dict[str, str]) -> int:
        url = f"{scene.house.url}/back/desk"
        async with scene.house.session.post(url, data=body, headers=headers) as answer:
            return answer.status

    for wrong in (body + b" ", b""):
        assert await call(wrong, headers) == 401
    for name in headers:
        assert await call(body, {**headers, name: "wr\u00f6ng"}) == 401
    assert await call(body, {}) == 401
    assert scene.got(1) == []
    assert await call(body, headers) == 204
    await scene.house.until(lambda: scene.got(1))


# ---- trouble


@pytest.mark.parametrize(
    "trouble", [Refuse(429, {"Retry-After": "1"}), Refuse(503), Hang(), Hang(takes=False)], ids=repr
)
@pytest.mark.parametrize("more", [{"destinations": {"desk": {"timeout": 0.5}}}], ids=[""])
async def test_a_store_in_trouble_holds_up_nobody_and_gets_everything_once(
    scene: Scene, trouble: Refuse | Hang
) -> None:
    scene.desk.always(trouble)
    reference = await scene.writes(1)
    await scene.house.until(lambda: len(scene.smtp.accepted) == 1)
    assert reference in scene.smtp.accepted[0].data.decode(), "acknowledged, with the number"
    await scene.house.until(lambda: _tried(scene))
    assert (await scene.house.deliveries("hand_over"))[0]["state"] != "delivered"
    scene.desk.always(None)
    await scene.house.idle()
    assert (await scene.ticket(reference)).reference == reference
    assert scene.desk.made == {reference: 1}


async def test_a_store_that_is_not_there_gets_everything_in_order_when_it_is(scene: Scene) -> None:
    await scene.wire.cut()
    reference = await scene.writes(1)
    await scene.house.until(lambda: len(scene.smtp.accepted) == 1)
    await scene.writes_again(1, "Is anybody there?")
    others = [await scene.writes(n) for n in range(2, 6)]
    await scene.house.until(lambda: _failing(scene))
    await scene.wire.mend()
    await scene.house.idle()
    ticket = await scene.ticket(reference)
    assert ["Is anybody there?" in one.text for one in ticket.comments] == [True]
    assert scene.desk.made == dict.fromkeys([reference, *others], 1)
    assert (await scene.house.health("desk"))["state"] == "ok"


async def test_credentials_that_are_refused_cost_no_record_its_place(scene: Scene) -> None:
    scene.desk.always(Refuse(401))
    reference = await scene.writes(1)
    await scene.house.until(lambda: _failing(scene))
    scene.desk.always(None)
    await scene.house.idle()
    await scene.ticket(reference)
    assert {one["state"] for one in await scene.house.deliveries("hand_over")} == {"delivered"}


async def _tried(scene: Scene) -> bool:
    return all(one["attempts"] for one in await scene.house.deliveries("hand_over"))


async def _is(scene: Scene, reference: str, state: str) -> bool:
    return bool((await scene.record(reference))["state"] == state)


async def _told(scene: Scene, reference: str, type_: str) -> bool:
    return type_ in await scene.timeline(reference)


async def _failing(scene: Scene) -> bool:
    found = await scene.house.health("desk")
    return bool(found and found["state"] == "failing" and found["repair"])
