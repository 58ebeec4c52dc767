"""Reply windows: what customers opened, how long it stands, and how many messages it still carries."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, and_, exists, func, select

from store.conditions import UNSETTLED_WINDOWS, among
from store.schema import conversation, opening, record
from store.units import Update


@dataclass(frozen=True, slots=True)
class Opening:
    """What a customer opened by one message or act."""

    conversation: str
    envelope: str
    name: str
    at: datetime
    until: datetime
    messages: int | None
    """How many more it carries; None for any number."""

    def spend(self) -> tuple[Update, ...]:
        """One message goes out in it."""
        return self._left(self.messages, -1)

    def refund(self) -> tuple[Update, ...]:
        """The message that was spent did surely not go out."""
        return () if self.messages is None else self._left(self.messages - 1, 1)

    def _left(self, known: int | None, more: int) -> tuple[Update, ...]:
        if known is None:
            return ()
        where = {"conversation": self.conversation, "envelope": self.envelope, "messages": known}
        return (Update("opening", where, {"messages": known + more}),)


def standing(
    connection: Connection, conversations: Collection[str], now: datetime
) -> dict[str, list[Opening]]:
    """What stands open in each conversation, the one that closes last first; of each name the latest counts.

    A narrower act of another name, such as a menu's click, stands beside a message's and shortens nothing.
    """
    o = opening.c
    names = (o.conversation, o.envelope, o.name, o.at, o.until, o.messages)
    query = select(*names).where(o.conversation.in_(list(conversations))).order_by(o.at, o.envelope)
    latest: dict[tuple[str, str], Opening] = {}
    for row in connection.execute(query):
        latest[row.conversation, row.name] = Opening(*row)
    found: dict[str, list[Opening]] = {}
    for one in latest.values():
        if one.until > now:
            found.setdefault(one.conversation, []).append(one)
    for openings in found.values():
        openings.sort(key=lambda one: one.until, reverse=True)
    return found


def carrier(openings: Collection[Opening]) -> Opening | None:
    """The opening that the next message goes in: one that does not count, else the one that closes first."""
    usable = [one for one in openings if one.messages is None or one.messages > 0]
    return min(usable, key=lambda one: (one.messages is not None, one.until), default=None)


@dataclass(frozen=True, slots=True)
class Closing:
    """A conversation whose customer waits for an answer, and whose window closes soon."""

    conversation: str
    envelope: str
    channel: str
    until: datetime
    told_at: datetime | None
    record: str
    reference: str


def closing(connection: Connection, now: datetime, before: datetime) -> list[Closing]:
    """Conversations with an unanswered record whose last opening ends in this time."""
    o, r, c, later = opening.c, record.c, conversation.c, opening.alias("later")
    newer = record.alias("newer")
    query = (
        select(o.conversation, o.envelope, c.channel, o.until, o.told_at, r.id, r.reference)
        .join_from(opening, conversation, c.id == o.conversation)
        .join(record, r.conversation == o.conversation)
        .where(o.until > now, o.until <= before, among(r.state, UNSETTLED_WINDOWS))
        .where(~exists().where(later.c.conversation == o.conversation, later.c.until > o.until))
        .where(~exists().where(and_(newer.c.conversation == o.conversation, newer.c.id > r.id)))
        .order_by(o.until)
        .limit(1000)
    )
    seen: dict[str, Closing] = {}
    for row in connection.execute(query):
        seen.setdefault(row.conversation, Closing(*row))
    return list(seen.values())


def waiting_for(connection: Connection, now: datetime, before: datetime) -> dict[str, int]:
    """By channel, how many conversations with an unanswered record close in this time."""
    counts: dict[str, int] = {}
    for one in closing(connection, now, before):
        counts[one.channel] = counts.get(one.channel, 0) + 1
    return counts


def of_records(connection: Connection, records: Collection[str], now: datetime) -> dict[str, datetime]:
    """Until when the customers of these records can be answered, of those who wait and can; for lists."""
    o, r = opening.c, record.c
    query = (
        select(r.id, func.max(o.until).label("until"))
        .join_from(record, opening, o.conversation == r.conversation)
        .where(r.id.in_(list(records)), among(r.state, UNSETTLED_WINDOWS), o.until > now)
        .group_by(r.id)
    )
    return {row.id: row.until for row in connection.execute(query)}
