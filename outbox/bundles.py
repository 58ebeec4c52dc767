"""Messages that are printed: bundles of them, and what becomes of each when people have posted them.

A bundle is named in one transaction, then laid out in the folder, then marked: a death between is made good by the next
look, and no message is in two bundles that are not posted. Of all processes on a store one looks after them, by lease.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any

from sqlalchemy import Connection

from connectors.channel import Channel
from connectors.contract import Bundle, Bundled, Printer
from model.delivery import Delivery, Message
from model.event import EventType
from model.failures import SendFailure
from model.states import DeliveryState
from model.tools import Clock, Ids, Log
from outbox.carry import Load, message_of, with_bytes
from outbox.settle import Settler
from store import bundles, deliveries, flush, leases
from store.errors import StoreBusy
from store.store import Store
from store.units import Insert

Facts = Mapping[str, Any]
_LEASE = "bundles"
#: How often it is looked whether a bundle is due, and how often the folder is tidied.
_LOOK, _TIDY = 5.0, timedelta(hours=1)
#: Files that no message wants are left for so long: somebody may be looking at them.
_LEFT = timedelta(days=1)
#: Bundles that were posted are remembered for so long.
_REMEMBERED = timedelta(days=400)


@dataclass(frozen=True, slots=True)
class Gathering:
    """When a channel's messages are bundled by themselves: at a time of the day, and when there are so many."""

    at: time | None
    letters: int | None


class Bundles:
    """Makes bundles, lays them out, and settles what is in those that were posted."""

    def __init__(
        self,
        store: Store,
        channels: Mapping[str, Channel],
        settler: Settler,
        load: Load,
        gathering: Callable[[], Mapping[str, Gathering]],
        ttl: timedelta,
        *,
        clock: Clock,
        ids: Ids,
        log: Log,
        hook: Callable[[str], None] | None = None,
    ) -> None:
        self._store = store
        self._channels = channels
        self._settler = settler
        self._load = load
        self._gathering = gathering
        """The channels that print, as they are configured now."""
        self._ttl = ttl
        self._clock = clock
        self._ids = ids
        self._log = log
        self._hook = hook or (lambda name: None)
        self._stopping = asyncio.Event()
        self._turn = asyncio.Lock()
        self._tidied: dict[str, datetime] = {}

    # ---- by itself

    async def run(self) -> None:
        """Look after the bundles until stopped."""
        try:
            while not self._stopping.is_set():
                try:
                    await self.look()
                except StoreBusy as error:
                    self._log.warning("bundles.wait", why=str(error))
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_LOOK):
                        await self._stopping.wait()
        finally:
            with contextlib.suppress(StoreBusy):
                await self._store.run(lambda c: leases.give_back(c, _LEASE, self._store.owner), "lease")

    def stop(self) -> None:
        self._stopping.set()

    async def look(self) -> None:
        """Close bundles that are due, and finish those that are not finished."""
        if self._store.on_hold:
            return
        for name, when in self._gathering().items():
            channel = self._channels.get(name)
            if channel is None or channel.printer is None or not channel.open:
                continue
            waiting = await self._store.read(_waiting(name))
            if self._due(when, waiting):
                await self._close(name, "forebay")
            await self._finish(name, channel.printer)
            await self._tidy(name, channel.printer)

    def _due(self, when: Gathering, waiting: Sequence[Facts]) -> bool:
        if not waiting:
            return False
        if when.letters is not None and len(waiting) >= when.letters:
            return True
        if when.at is None:
            return False
        now = self._clock.now().astimezone()
        closing = now.replace(hour=when.at.hour, minute=when.at.minute, second=0, microsecond=0)
        if closing > now:
            closing -= timedelta(days=1)
        return any(one["since"] < closing for one in waiting)

    async def _ours(self) -> bool:
        """Take or renew the lease."""
        owner, now = self._store.owner, self._clock.now()
        return (
            await self._store.run(lambda c: leases.take(c, _LEASE, owner, self._ttl, now), "lease")
            is not None
        )

    async def _close(self, channel: str, actor: str) -> Facts | None:
        id_, now = self._ids.new(), self._clock.now()
        day = now.astimezone().date().isoformat()

        def step(connection: Connection) -> dict[str, Any] | None:
            made = bundles.close(connection, id_=id_, channel=channel, day=day, actor=actor, now=now)
            if made is not None:
                self._audit(connection, "close", id_, actor, {"letters": made["letters"]})
            return made

        if not await self._ours():
            return None
        return await self._store.run(step, "bundle.close")

    async def _finish(self, name: str, printer: Printer) -> None:
        """Lay out what was closed, and settle what was posted; one that cannot be holds up no other."""
        async with self._turn:
            found = await self._store.read(lambda c: bundles.unfinished(c, name))
            if not found or not await self._ours():
                return
            for one in found:
                try:
                    if one["state"] == "closed":
                        await self._lay_out(one, printer)
                    else:
                        await self._settle(one, printer)
                except SendFailure as error:
                    self._log.error("bundle.stuck", bundle=one["name"], channel=name, why=str(error))

    async def _lay_out(self, one: Facts, printer: Printer) -> None:
        rows = [
            row for row in await self._store.read(lambda c: bundles.letters(c, one["id"])) if _stands(row)
        ]
        by_key = {bundles.as_delivery(row).key: bundles.as_delivery(row) for row in rows}

        async def message(key: str) -> Message:
            return await with_bytes(message_of(by_key[key]), self._load)

        self._hook("bundle.before")
        pages = await printer.bind(
            Bundle(name=one["name"], at=one["created_at"], letters=_list(rows)), message
        )
        self._hook("bundle.after")
        counted = {by_key[key].id: n for key, n in pages.items()}
        now = self._clock.now()
        await self._store.run(lambda c: bundles.ready(c, one["id"], counted, now), "bundle.ready")

    async def _settle(self, one: Facts, printer: Printer) -> None:
        """What lies in a posted bundle is on its way; what somebody took back or took out meanwhile is not."""
        for row in await self._store.read(lambda c: bundles.letters(c, one["id"])):
            if _stands(row):
                await self._settler.came_to(
                    bundles.as_delivery(row),
                    DeliveryState.DELIVERED,
                    at=one["posted_at"],
                    actor=one["posted_by"],
                    detail=f"posted with bundle {one['name']}",
                    data={"bundle": one["name"]},
                )
        await printer.put_away(one["name"])
        await self._store.run(lambda c: bundles.posted(c, one["id"]), "bundle.posted")

    async def _tidy(self, name: str, printer: Printer) -> None:
        now = self._clock.now()
        if now - self._tidied.get(name, now - _TIDY) < _TIDY:
            return
        self._tidied[name] = now
        wanted = await self._store.read(lambda c: bundles.wanted(c, name))
        try:
            await printer.tidy(wanted, now - _LEFT)
        except SendFailure as error:
            self._log.warning("bundles.untidy", channel=name, why=str(error))
        await self._store.run(lambda c: bundles.purge(c, now - _REMEMBERED), "purge.bundles")

    # ---- by people

    def channels(self) -> Sequence[str]:
        """The channels that print, as they are configured now."""
        return list(self._gathering())

    async def list(self, *, channel: str | None, limit: int) -> Facts:
        """What waits for a bundle, by channel, and the bundles, those that are not posted first."""
        names = [name for name in self._gathering() if channel in (None, name)]
        found = await self._store.read(lambda c: bundles.listed(c, names, limit))
        waiting = {name: await self._store.read(_waiting(name)) for name in names}
        return {
            "waiting": [_waits(name, row) for name, rows in waiting.items() for row in rows],
            "bundles": [_plain(row) for row in found],
            "channels": names,
        }

    async def show(self, named: str) -> Facts:
        """A bundle with its letters, by id or name."""
        one = await self._found(named)
        rows = await self._store.read(lambda c: bundles.letters(c, one["id"]))
        standing = [row for row in rows if row["left_at"] is None]
        pages = sum(row["pages"] or 0 for row in standing)
        return _plain(one) | {
            "letters": len(standing),
            "pages": pages,
            "list": [_letter(row) for row in rows],
        }

    async def file(self, named: str, *, list_only: bool = False) -> tuple[str, bytes]:
        """A bundle as one PDF, or its list alone: name and bytes."""
        one = await self._found(named)
        data = await self._printer(one["channel"]).whole(one["name"], list_only=list_only)
        return f"{one['channel']}-{one['name']}{'-list' if list_only else ''}.pdf", data

    async def close(self, channel: str, *, actor: str) -> Facts:
        """Make a bundle of what waits, now; ValueError when nothing does."""
        printer = self._printer(channel)
        if self._store.on_hold:
            raise ValueError("the store is on hold: `forebay release` shows what waits")
        made = await self._close(channel, actor)
        if made is None:
            raise ValueError("no letter waits to be bundled")
        await self._finish(channel, printer)
        return await self.show(made["id"])

    async def posted(self, named: str, *, without: Sequence[str], at: datetime | None, actor: str) -> Facts:
        """Somebody posted a bundle, but for letters named by delivery or reference, which the next one has."""
        one = await self._found(named)
        rows = await self._store.read(lambda c: bundles.letters(c, one["id"]))
        apart = [_chosen(rows, name, one["name"]) for name in without]
        when = at or self._clock.now()

        def step(connection: Connection) -> bool:
            held = bundles.posting(connection, one["id"], apart, when, actor)
            if held:
                self._audit(connection, "posted", one["id"], actor, {"without": apart})
            return held

        if not await self._store.run(step, "bundle.posting"):
            raise ValueError(_NOT_READY.get(one["state"], "it was posted just now"))
        await self._finish(one["channel"], self._printer(one["channel"]))
        return await self.show(one["id"])

    async def again(self, named: str, *, actor: str) -> Facts:
        """Take a letter out of its bundle, so that the next one has it; it is never in two.

        By delivery, or by the reference of a record with one letter in hand. ValueError for one that was posted.
        """
        found = await self._in_hand(named)
        now = self._clock.now()
        event = {
            "id": self._ids.new(),
            "type": EventType.DELIVERY_REPORTED.value,
            "record": found.record,
            "reference": found.body.get("reference"),
            "at": now,
            "actor": actor,
            "data": {
                "delivery": found.id,
                "purpose": found.purpose.value,
                "target": found.target,
                "outcome": "printed_again",
            },
        }

        def step(connection: Connection) -> dict[str, Any] | None:
            one = bundles.standing(connection, found.id)
            if (
                one is None
                or one["state"] == "posting"
                or not bundles.take_out(connection, one["id"], found.id, now)
            ):
                return None
            self._audit(connection, "again", found.id, actor, {"bundle": one["name"]})
            if found.record:
                flush.insert_events(connection, [Insert("event", event)])
            return one

        one = await self._store.run(step, "bundle.again")
        if one is None:
            raise ValueError("it is in no bundle that is not posted: the next one has it already")
        return {"delivery": found.id, "reference": found.body.get("reference"), "bundle": one["name"]}

    # ----

    async def _in_hand(self, named: str) -> Delivery:
        found = await self._store.read(
            lambda c: deliveries.by_ids(c, [named]) or bundles.of_reference(c, named)
        )
        of_ours = [one for one in found if one.target in self._gathering()]
        if not of_ours:
            raise LookupError(f"there is no letter {named}")
        held = [one for one in of_ours if one.state is DeliveryState.ENTRUSTED]
        if not held:
            raise ValueError(f"no letter of {named} is in hand: it is {of_ours[-1].state.value}")
        if len(held) > 1:
            raise ValueError(
                f"{named} has {len(held)} letters in hand; name one of {', '.join(one.id for one in held)}"
            )
        return held[0]

    async def _found(self, named: str) -> Facts:
        found = await self._store.read(lambda c: bundles.show(c, named) or bundles.by_name(c, named))
        if found is None or found["channel"] not in self._gathering():
            raise LookupError(f"there is no bundle {named}")
        return found

    def _printer(self, name: str) -> Printer:
        channel = self._channels.get(name)
        if channel is None or channel.printer is None:
            printing = ", ".join(self._gathering()) or "none"
            raise LookupError(f"channel {name} prints nothing; these do: {printing}")
        return channel.printer

    def _audit(self, connection: Connection, verb: str, target: str, actor: str, data: Facts) -> None:
        row = {
            "id": self._ids.new(),
            "at": self._clock.now(),
            "actor": actor,
            "verb": f"bundle.{verb}",
            "target": target,
            "data": dict(data),
        }
        flush.insert_all(connection, [Insert("audit", row)])


_NOT_READY = {
    "closed": "it is still being put together; look at it again in a moment",
    "posting": "it was posted already",
    "posted": "it was posted already",
}


def _waiting(name: str) -> Callable[[Connection], list[dict[str, Any]]]:
    return lambda connection: bundles.in_hand(connection, name)


def _stands(row: Facts) -> bool:
    return row["left_at"] is None and row["delivery"].state is DeliveryState.ENTRUSTED


def _list(rows: Sequence[Facts]) -> list[Bundled]:
    return [
        Bundled(
            n=row["n"],
            key=row["delivery"].key,
            reference=row["reference"] or str(row["delivery"].body.get("reference", "")),
            name=row["delivery"].body.get("name") or "",
            address=_address(row["delivery"]),
            again=bool(row["again"]),
        )
        for row in rows
    ]


def _address(one: Delivery) -> str:
    return str((one.body.get("to") or {}).get("value") or "")


def _chosen(rows: Sequence[Facts], named: str, bundle: str) -> str:
    found = [
        row["delivery"].id
        for row in rows
        if row["left_at"] is None and named in (row["delivery"].id, row["reference"])
    ]
    if not found:
        raise LookupError(f"there is no letter {named} in bundle {bundle}")
    if len(found) > 1:
        raise ValueError(f"{named} has {len(found)} letters in this bundle; name one of {', '.join(found)}")
    return str(found[0])


def _letter(row: Facts) -> dict[str, Any]:
    one: Delivery = row["delivery"]
    return {
        "n": row["n"],
        "delivery": one.id,
        "reference": row["reference"],
        "name": one.body.get("name") or "",
        "address": _address(one),
        "purpose": one.purpose.value,
        "pages": row["pages"],
        "state": one.state.value,
        "again": bool(row["again"]),
        "taken_out": row["left_at"].isoformat() if row["left_at"] else None,
    }


def _waits(channel: str, row: Facts) -> dict[str, Any]:
    one: Delivery = row["delivery"]
    return {
        "channel": channel,
        "delivery": one.id,
        "reference": row["reference"],
        "name": one.body.get("name") or "",
        "address": _address(one),
        "since": row["since"].isoformat(),
        "again": row["again"],
    }


def _plain(row: Facts) -> dict[str, Any]:
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in row.items()}
