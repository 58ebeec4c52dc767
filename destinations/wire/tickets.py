"""The life of a ticket, the same in every store: made once, written to, found again after doubt.

A store gives the few verbs of `Desk`, each one or a few requests; this decides which are used when. Our number is
the ticket's mark, a digest of the hand-over's key that of a comment: after a try that may have been taken, what bears
the mark is looked for before anything is made again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Protocol, Self

from destinations.contract import HandOver
from destinations.wire import words
from destinations.wire.settings import TicketSettings
from model.delivery import Receipt
from model.failures import PermanentFailure, Reason, SendFailure, TemporaryFailure
from model.health import Health
from model.http import health_of
from model.tools import Tools

#: The first hand-over of a record.
REGISTERED = "record.registered"


class Gone(PermanentFailure):
    """The ticket that was written to is not there any more."""

    def __init__(self) -> None:
        super().__init__(Reason.REQUEST, "the ticket is not there any more")


@dataclass(frozen=True, slots=True)
class Sent:
    """A file with its bytes."""

    filename: str
    media_type: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Person:
    """Who wrote. `own` is what we call them, where they left nothing that a store knows people by."""

    own: str
    name: str
    email: str | None
    phone: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTicket:
    """A ticket to be made."""

    mark: str
    key: str
    subject: str
    text: str
    person: Person
    tags: Sequence[str]
    priority: str | None
    fields: Mapping[str, Any]
    place: str
    files: Sequence[Sent] = ()
    follows: str | None = None
    """The ticket whose matter it goes on with, where that one takes no more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comment:
    """Something to be added to a ticket; agents see it, the store sends it to nobody."""

    mark: str
    text: str
    person: Person
    by_customer: bool
    files: Sequence[Sent] = field(default_factory=tuple)


class Desk(Protocol):
    """What a ticket store can do. Lookups raise no Uncertain."""

    async def ticket(self, mark: str) -> str | None:
        """The ticket that bears our mark, with all that belongs to it, and that was not deleted."""

    async def make(self, new: NewTicket, doubt: bool) -> str:
        """Make a ticket. `doubt`: an earlier try may have got some way; nothing is made twice."""

    async def said(self, ticket: str, mark: str) -> str | None:
        """The comment that bears our mark."""

    async def say(self, ticket: str, comment: Comment) -> str:
        """Add a comment. Raises Gone when there is no such ticket."""

    async def reopen(self, ticket: str, state: str) -> None:
        """Open a finished ticket again; one that is not finished stays as it is. Raises Gone."""

    async def probe(self) -> Health:
        """The cheapest real question."""


class TicketDestination:
    """A ticket store as a destination."""

    def __init__(self, settings: TicketSettings, tools: Tools, desk: Desk, place: str) -> None:
        self._settings = settings
        self._tools = tools
        self._desk = desk
        self._place = place

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    async def probe(self) -> Health:
        """A real question of ours, with our credentials."""
        try:
            return await self._desk.probe()
        except SendFailure as failure:
            return health_of(failure)

    async def deliver(self, hand_over: HandOver) -> Receipt:
        """One try: a ticket for a record, a comment for an update."""
        if hand_over.type == REGISTERED:
            found = await self._desk.ticket(hand_over.reference) if hand_over.tries else None
            ticket = found or await self._desk.make(await self._new(hand_over), hand_over.tries > 0)
            return self._receipt(ticket, ticket)
        ticket = hand_over.remote_id or await self._again(hand_over)
        if hand_over.tries and (found := await self._desk.said(ticket, mark(hand_over.key))):
            return self._receipt(found, ticket)
        comment = await self._comment(hand_over)
        try:
            said = await self._say(ticket, comment)
        except Gone:
            ticket = await self._again(hand_over, gone=ticket)
            said = await self._say(ticket, comment)
        return self._receipt(said, ticket)

    async def find(self, hand_over: HandOver) -> Receipt | None:
        """Whether a hand-over that nobody knows the end of was taken."""
        ticket = await self._desk.ticket(hand_over.reference)
        if hand_over.type == REGISTERED:
            return None if ticket is None else self._receipt(ticket, ticket)
        ticket = hand_over.remote_id or ticket
        found = await self._desk.said(ticket, mark(hand_over.key)) if ticket else None
        return self._receipt(found, ticket) if found and ticket else None

    async def _say(self, ticket: str, comment: Comment) -> str:
        """Add a comment; the customer's own opens a finished ticket again first, which does no harm twice."""
        if comment.by_customer and self._settings.reopen:
            await self._desk.reopen(ticket, self._settings.reopen)
        return await self._desk.say(ticket, comment)

    async def _again(self, hand_over: HandOver, gone: str | None = None) -> str:
        """The ticket of a record whose number we do not have, or which was deleted: found, or made once more."""
        found = await self._desk.ticket(hand_over.reference)
        if found is not None and found != gone:
            return found
        if gone is None and not hand_over.gone:
            raise TemporaryFailure(Reason.REQUEST, "its ticket has not been made yet")
        return await self._desk.make(await self._new(hand_over, follows=gone), True)

    def _receipt(self, made: str, ticket: str) -> Receipt:
        return Receipt(made, self._tools.clock.now(), {"remote_id": ticket})

    # ---- what is made of a hand-over

    async def _new(self, hand_over: HandOver, follows: str | None = None) -> NewTicket:
        settings, record = self._settings, hand_over.record
        files, missing = await self._files(hand_over)
        urgency: Any = record.get("urgency")
        return NewTicket(
            mark=hand_over.reference,
            key=hand_over.key,
            subject=words.subject(record, settings.language),
            text=words.body(record, settings.language, missing),
            person=person(record),
            tags=settings.tags_of(record),
            priority=settings.priority.get(urgency),
            fields=settings.fields_of(record),
            place=settings.place_of(record, self._place),
            files=files if follows is None else (),
            follows=follows,
        )

    async def _comment(self, hand_over: HandOver) -> Comment:
        files, missing = await self._files(hand_over)
        return Comment(
            mark=mark(hand_over.key),
            text=words.update(hand_over, self._settings.language, missing),
            person=person(hand_over.record),
            by_customer=hand_over.type == "message.joined",
            files=files,
        )

    async def _files(self, hand_over: HandOver) -> tuple[list[Sent], list[str]]:
        limit = self._settings.attachment_bytes
        missing = words.left_out(hand_over.files, hand_over.record, limit)
        sent = []
        for file in hand_over.files:
            if file.sha256 is None or file.size > limit:
                continue
            data = await hand_over.load(file.sha256)
            if data is None:
                missing.append(file.filename)
            else:
                sent.append(Sent(file.filename, file.media_type, data))
        return sent, missing


def mark(key: str) -> str:
    """The mark of a comment: short, and the same on every try."""
    return "fb" + hashlib.sha256(key.encode()).hexdigest()[:16]


def person(record: Mapping[str, Any]) -> Person:
    """Who wrote a record."""
    contact = record.get("contact") or {}
    known: dict[str, str] = {}
    for one in contact.get("identities") or ():
        known.setdefault(one["kind"], one["value"])
    own = contact.get("id") or record.get("id") or record.get("reference")
    first = next(iter(known.values()), "")
    name = contact.get("name") or known.get("email") or first or str(record.get("reference"))
    return Person(f"forebay-{own}", str(name), known.get("email"), known.get("phone"))
