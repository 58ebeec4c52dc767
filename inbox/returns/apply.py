"""Applies what came back from a destination, each thing once.

A customer gets what an agent wrote for them by the channel that they used; what agents say among themselves goes into
the timeline and no further. A ticket that holds records of several people, because it was merged, answers them all.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

from sqlalchemy import Connection

from destinations.contract import Came, Returned, ReturnedFile
from model.event import EventType
from model.states import RECORD_TRANSITIONS, RecordState, may
from model.tools import Clock, Ids, Log, Raw, Spooled
from store import flush, tickets, views
from store.schema import record
from store.store import Store
from store.tickets import Holder
from store.units import Insert

Facts = Mapping[str, Any]
#: Loads a file of an answer.
Load = Callable[[ReturnedFile], Awaitable[Raw]]
#: What an answer says that consists of files alone.
_FILES_ALONE = {"zh": "请见附件。"}
_FILES_ALONE_ELSE = "Please see the attached files."


class Outbox(Protocol):
    """What is needed from the way out."""

    async def reply(
        self,
        reference: str,
        *,
        text: str,
        html: str | None,
        files: Sequence[Facts],
        channel: str | None,
        cc: Sequence[str],
        expects_answer: bool,
        actor: str,
        key: str,
        origin: str | None = None,
    ) -> Facts:
        """Put an answer in the outbox; ValueError when it cannot be sent, LookupError without such a record."""

    async def tell(
        self, record: str, reference: str, names: Sequence[str], key: str, type_: str, update: Facts
    ) -> None:
        """Tell destinations about a record that they have; once a key."""


class Applier:
    """Applies what came back."""

    def __init__(
        self,
        store: Store,
        outbox: Outbox,
        *,
        clock: Clock,
        ids: Ids,
        log: Log,
        hook: Callable[[str], None] | None = None,
    ) -> None:
        self._store = store
        self._outbox = outbox
        self._clock = clock
        self._ids = ids
        self._log = log
        self._hook = hook or (lambda name: None)

    async def apply(
        self,
        destination: str,
        items: Sequence[Returned],
        *,
        state_of: Callable[[str], str | None],
        load: Load,
    ) -> int:
        """Apply what is new among `items`, in their order; how many that was.

        Raises what loading a file raises; everything before that item is applied then.
        """
        ids = [one.source_id for one in items]
        known = await self._store.read(lambda c: tickets.known(c, destination, ids))
        done = 0
        for one in items:
            if one.source_id not in known:
                done += await self._one(destination, one, state_of, load)
        return done

    async def _one(
        self, destination: str, item: Returned, state_of: Callable[[str], str | None], load: Load
    ) -> bool:
        holders = await self._store.read(lambda c: _holders(c, destination, item))
        if not holders:
            return False  # a ticket that is none of ours
        if item.what is Came.REPLY:
            await self._reply(destination, item, holders, load)
        self._hook("returned.before")
        rows = self._timeline(destination, item, holders, state_of)
        return await self._store.run(
            lambda c: self._write(c, destination, item, holders, rows, state_of), "returned"
        )

    # ---- an answer for the customer

    async def _reply(self, destination: str, item: Returned, holders: Sequence[Holder], load: Load) -> None:
        """Send it to everybody behind the ticket; who cannot be reached is told about in the ticket."""
        files = [await self._file(one, load) for one in item.files]
        for holder in _people(holders):
            key = f"{destination}:{item.source_id}"
            language = await self._store.read(partial(_language, holder.record))
            text = item.text.strip() or (_alone(language) if files else "")
            try:
                await self._outbox.reply(
                    holder.reference,
                    text=text,
                    html=None,
                    files=files,
                    channel=None,
                    cc=(),
                    expects_answer=False,
                    actor=f"{destination}/{item.author}" if item.author else destination,
                    key=key,
                    origin=destination,
                )
            except (ValueError, LookupError) as error:
                self._log.warning("answer.not_sent", destination=destination, why=str(error))
                await self._outbox.tell(
                    holder.record,
                    holder.reference,
                    [destination],
                    f"not_sent:{holder.record}:{key}",
                    EventType.REPLY_NOT_SENT.value,
                    {"why": str(error)},
                )

    async def _file(self, file: ReturnedFile, load: Load) -> Facts:
        raw = file.data if file.data is not None else await load(file)
        if isinstance(raw, Spooled):
            try:
                data = raw.path.read_bytes()
            finally:
                raw.path.unlink(missing_ok=True)
        else:
            data = raw
        return {"filename": file.filename, "media_type": file.media_type, "data": data}

    # ---- what stands in the store

    def _write(
        self,
        connection: Connection,
        destination: str,
        item: Returned,
        holders: Sequence[Holder],
        rows: Sequence[Insert],
        state_of: Callable[[str], str | None],
    ) -> bool:
        """One step: what came back is known, and done. False when another process was faster."""
        now = self._clock.now()
        if not tickets.note(connection, destination, item.source_id, holders[0].record, item.what.value, now):
            return False
        match item.what:
            case Came.STATE:
                for holder in holders:
                    if (new := _moved(holder, item, state_of)) is not None:
                        where = (record.c.id == holder.record, record.c.state == holder.state)
                        values = {"state": new.value, "updated_at": now}
                        connection.execute(record.update().where(*where).values(**values))
            case Came.MERGED:
                tickets.move(connection, destination, item.remote_id, {"merged_into": item.other})
            case Came.DELETED:
                tickets.move(connection, destination, item.remote_id, {"gone_at": now})
            case Came.SPLIT if item.other:
                part = tickets.made(destination, item.other, holders[0].record, now).values
                flush.insert_all(connection, [Insert("ticket", {**part, "main": None}, ignore=True)])
        flush.insert_events(connection, list(rows))
        return True

    def _timeline(
        self,
        destination: str,
        item: Returned,
        holders: Sequence[Holder],
        state_of: Callable[[str], str | None],
    ) -> list[Insert]:
        data: dict[str, Any] = {
            "destination": destination,
            "ticket": item.remote_id,
            "by": item.author or None,
        }
        match item.what:
            case Came.REPLY:
                type_ = EventType.TICKET_ANSWERED
            case Came.NOTE:
                type_ = EventType.NOTE_ADDED
                data |= {"text": item.text, "files": [one.filename for one in item.files] or None}
            case Came.STATE:
                type_ = EventType.TICKET_CHANGED
                data |= {"state": item.state}
            case Came.MERGED:
                type_ = EventType.TICKET_MERGED
                data |= {"into": item.other}
            case Came.SPLIT:
                type_ = EventType.TICKET_SPLIT
                data |= {"part": item.other}
            case Came.DELETED:
                type_ = EventType.TICKET_DELETED
        found = []
        for holder in holders:
            found.append(self._event(holder, type_, {k: v for k, v in data.items() if v is not None}))
            if item.what is Came.STATE and (new := _moved(holder, item, state_of)) is not None:
                moved = {"from": holder.state, "to": new.value, "by": destination}
                found.append(self._event(holder, EventType.STATE_CHANGED, moved))
        return found

    def _event(self, holder: Holder, type_: EventType, data: Facts) -> Insert:
        row = {
            "id": self._ids.new(),
            "type": type_.value,
            "record": holder.record,
            "reference": holder.reference,
            "at": self._clock.now(),
            "actor": str(data.get("destination") or data.get("by") or "forebay"),
            "data": dict(data),
        }
        return Insert("event", row)


def _holders(connection: Connection, destination: str, item: Returned) -> list[Holder]:
    """The records behind a ticket; by our number, where the ticket's own was never told."""
    found = tickets.holders(connection, destination, item.remote_id)
    if found or item.reference is None:
        return found
    row = views.record(connection, item.reference)
    if row is None or destination not in tickets.parties(connection, row["id"]):
        return []
    return [Holder(row["id"], row["reference"], row["state"], row["contact"], row["conversation"])]


def _language(record_id: str, connection: Connection) -> str | None:
    return views.language(connection, record_id)


def _people(holders: Sequence[Holder]) -> list[Holder]:
    """One record for each person, or conversation, behind a ticket."""
    found: dict[str, Holder] = {}
    for one in holders:
        found.setdefault(one.contact or one.conversation or one.record, one)
    return list(found.values())


def _moved(holder: Holder, item: Returned, state_of: Callable[[str], str | None]) -> RecordState | None:
    """The state that a record gets; None where it means nothing here, or the table has no such step."""
    told = state_of(item.state or "")
    new = RecordState(told) if told else None
    return new if new and may(RECORD_TRANSITIONS, RecordState(holder.state), new) else None


def _alone(language: str | None) -> str:
    return _FILES_ALONE.get((language or "").partition("-")[0], _FILES_ALONE_ELSE)
