"""Hand-overs of the past: replayed to a destination that had them, and filled in for one that was added later.

Both go by the outbox like everything else: at the destination's pace, in order within a conversation, over restarts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import Connection

from model.delivery import Purpose
from model.event import EventType
from model.tools import Clock, Ids
from outbox import rows
from outbox.targets import Target
from store import feeds
from store.store import Store
from store.units import Insert, Unit

#: Deliveries that are made in one transaction.
_BATCH = 500


class Feeds:
    """Makes deliveries of what is past."""

    def __init__(
        self,
        store: Store,
        targets: Mapping[str, Target],
        replays: Callable[[str], bool],
        *,
        clock: Clock,
        ids: Ids,
        wake: Callable[[], None],
    ) -> None:
        self._store = store
        self._targets = targets
        self._replays = replays
        self._clock = clock
        self._ids = ids
        self._wake = wake

    async def replay(self, destination: str, since: datetime, until: datetime) -> int:
        """Tell a destination again what it was told between two times; each event with the id that it had.

        LookupError for an unknown destination; ValueError for one that would take a repeat for something new.
        """
        self._known(destination)
        if not self._replays(destination):
            raise ValueError(
                f"{destination} is a ticket store: what it was told again would stand there twice"
            )
        run, after, total = self._ids.new(), "", 0
        while found := await self._store.read(partial(_told, destination, since, until, after)):
            made = [self._again(row, f"replay:{run}:{row['key']}") for row in found]
            await self._put(made)
            after, total = found[-1]["id"], total + len(made)
        return total

    async def backfill(self, destination: str, since: datetime, until: datetime, channel: str | None) -> int:
        """Hand over the records that were registered between two times and that a destination has not, with what
        their customers wrote later. LookupError for an unknown destination.
        """
        self._known(destination)
        after, total = "", 0
        while found := await self._store.read(partial(_missing, destination, since, until, channel, after)):
            ids = [row["id"] for row in found]
            later = await self._store.read(partial(_joined, ids))
            for row in found:
                await self._put(self._whole(destination, row, later.get(row["id"], ())))
            after, total = found[-1]["id"], total + len(found)
        return total

    def _known(self, destination: str) -> None:
        target = self._targets.get(destination)
        if target is None or not target.downstream:
            raise LookupError(f"there is no destination {destination}")

    async def _put(self, made: Sequence[Mapping[str, Any]]) -> None:
        inserts = tuple(Insert("delivery", row, ignore=True) for row in made)
        await self._store.submit(Unit(None, inserts, label="feed"))
        self._wake()

    def _again(self, row: Mapping[str, Any], key: str) -> dict[str, Any]:
        """An earlier delivery as a new one, which moves no record."""
        order = (row["order_key"] or "").removeprefix(f"{row['target']}:") or None
        return rows.row(
            self._ids,
            key=key,
            purpose=Purpose.UPDATE,
            target=row["target"],
            record=row["record"],
            at=self._clock.now(),
            body={**row["body"], "event_id": row["key"], "at": row["created_at"].isoformat()},
            order=order,
            envelope=row["envelope"],
        )

    def _whole(
        self, destination: str, record: Mapping[str, Any], later: Sequence[Mapping[str, Any]]
    ) -> list[dict[str, Any]]:
        """A record and the messages that joined it, under the keys that they would have had."""
        made = [
            self._row(destination, record, Purpose.HAND_OVER, "hand_over", record["envelope"], {})
            | {"envelope": record["envelope"]}
        ]
        for event in later:
            told = {"text": event["data"].get("text") or "", "subject": event["data"].get("subject") or ""}
            envelope = event["data"]["envelope"]
            made.append(self._row(destination, record, Purpose.UPDATE, "update", envelope, told))
        return made

    def _row(
        self,
        destination: str,
        record: Mapping[str, Any],
        purpose: Purpose,
        prefix: str,
        envelope: str,
        told: Mapping[str, Any],
    ) -> dict[str, Any]:
        type_ = EventType.REGISTERED if purpose is Purpose.HAND_OVER else EventType.MESSAGE_JOINED
        body: dict[str, Any] = {"type": type_.value, "reference": record["reference"]}
        if told:
            body["update"] = dict(told)
        return rows.row(
            self._ids,
            key=f"{prefix}:{destination}:{envelope}",
            purpose=purpose,
            target=destination,
            record=record["id"],
            at=self._clock.now(),
            body=body,
            order=record["conversation"] or record["id"],
            envelope=envelope,
        )


def _told(
    destination: str, since: datetime, until: datetime, after: str, connection: Connection
) -> list[feeds.Row]:
    return feeds.told(connection, destination, since, until, after, _BATCH)


def _missing(
    destination: str,
    since: datetime,
    until: datetime,
    channel: str | None,
    after: str,
    connection: Connection,
) -> list[feeds.Row]:
    return feeds.missing(connection, destination, since, until, channel, after, _BATCH)


def _joined(records: Sequence[str], connection: Connection) -> dict[str, list[feeds.Row]]:
    return feeds.joined(connection, records)
