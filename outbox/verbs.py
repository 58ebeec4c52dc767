"""The verbs on deliveries: look, redrive, cancel, hold, release, resolve, and answer a customer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from model.delivery import Delivery, Message, Purpose
from model.draft import Identity
from model.event import EventType
from model.failures import Reason
from model.registration import Planned
from model.states import DeliveryState
from model.tools import Clock, Ids
from outbox import parts, reaching
from outbox.answers import Answers, Way
from outbox.settle import Settler
from outbox.unseen import Unseen
from outbox.windows import Windows
from store import boxes, deliveries, tickets, views
from store.people import Reach
from store.store import Store
from store.units import Guard, Insert, Unit, Update

Facts = Mapping[str, Any]
D = DeliveryState
#: Deliveries that tell destinations about a record: record, reference, destinations, key, type, what changed.
Tell = Callable[[str, str, Sequence[str], str, str, Facts], Planned]


class OutboxVerbs:
    """What operators and clerks can do with deliveries."""

    def __init__(
        self,
        store: Store,
        settler: Settler,
        answers: Answers,
        windows: Windows,
        unseen: Unseen,
        *,
        clock: Clock,
        ids: Ids,
        wake: Callable[[], None],
        update: Tell,
    ) -> None:
        self._store = store
        self._settler = settler
        self._answers = answers
        self._windows = windows
        self._unseen = unseen
        self._clock = clock
        self._ids = ids
        self._wake = wake
        self._update = update

    async def list(
        self,
        *,
        states: Sequence[str],
        target: str | None,
        purpose: str | None,
        suppressed: bool,
        limit: int,
    ) -> Sequence[Facts]:
        """Deliveries, newest first; `suppressed` lists the automatic answers that were not sent, and why."""
        rows = await self._store.read(
            lambda c: deliveries.search(
                c, states=states, target=target, purpose=purpose, suppressed=suppressed, limit=limit
            )
        )
        return [_plain(row) for row in rows]

    async def show(self, delivery: str) -> Facts:
        """One delivery with its attempts, by id."""
        rows = await self._store.read(lambda c: boxes.with_attempts(c, deliveries.rows_by_id(c, [delivery])))
        if not rows:
            raise LookupError(f"there is no delivery {delivery}")
        return _plain(rows[0])

    async def redrive(self, ids: Sequence[str], *, actor: str) -> Facts:
        """Send dead, expired, held or uncertain deliveries again, now; the same message with the same key."""
        values = {"next_at": self._clock.now(), "expires_at": None, "claims": 0, "settled_at": None}
        done = await self._each(
            ids, (D.DEAD, D.EXPIRED, D.HELD, D.UNCERTAIN), D.WAITING, "redrive", actor, values
        )
        self._wake()
        return {"redriven": done, "left": len(ids) - done}

    async def cancel(self, ids: Sequence[str], *, actor: str) -> Facts:
        """Never send them."""
        states = (D.WAITING, D.HELD, D.DEAD, D.UNCERTAIN, D.ENTRUSTED)
        values = {"settled_at": self._clock.now()}
        done = await self._each(ids, states, D.CANCELLED, "cancel", actor, values)
        return {"cancelled": done, "left": len(ids) - done}

    async def hold(self, ids: Sequence[str], *, actor: str) -> Facts:
        """Keep them back until released."""
        done = await self._each(ids, (D.WAITING, D.UNCERTAIN), D.HELD, "hold", actor, {})
        return {"held": done, "left": len(ids) - done}

    async def release(self, ids: Sequence[str], *, actor: str) -> Facts:
        """Let held ones go."""
        values = {"next_at": self._clock.now(), "claims": 0}
        done = await self._each(ids, (D.HELD,), D.WAITING, "release", actor, values)
        self._wake()
        return {"released": done, "left": len(ids) - done}

    async def resolve(self, ids: Sequence[str], *, delivered: bool, actor: str) -> Facts:
        """A person found out how an uncertain delivery ended: it arrived, or it is sent again.

        One in somebody's hands arrived, or failed: who had it does not take it a second time.
        """
        now, detail = self._clock.now(), f"resolved by {actor}"
        found = await self._store.read(lambda c: deliveries.by_ids(c, ids))
        entrusted = [one for one in found if one.state is D.ENTRUSTED]
        told = D.DELIVERED if delivered else D.DEAD
        reason = None if delivered else Reason.REQUEST
        done = 0
        for one in entrusted:
            audit = self._audit(one, "resolve", actor)
            done += await self._settler.came_to(
                one, told, at=now, actor=actor, reason=reason, detail=detail, inserts=(audit,)
            )
        rest = [id_ for id_ in ids if id_ not in {one.id for one in entrusted}]
        if delivered:
            new, values = D.DELIVERED, {"settled_at": now, "detail": detail}
        else:
            new, values = D.WAITING, {"next_at": now, "detail": detail}
        done += await self._each(rest, (D.UNCERTAIN, D.HELD), new, "resolve", actor, values)
        self._wake()
        return {"resolved": done, "left": len(ids) - done}

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
        wait: timedelta = timedelta(),
    ) -> Facts:
        """Put an answer in the outbox; the same `key` twice gives the same delivery. It leaves after `wait` at the
        earliest, but in a chat, where somebody looks at the page; until then it can be withdrawn.

        The destinations that have the record are told, but for the one that it came from, `origin`.

        Raises LookupError for an unknown reference, and ValueError when there is nothing to say or no way.
        """
        record = await self._store.read(lambda c: views.record(c, reference))
        if record is None:
            raise LookupError(f"there is no record {reference}")
        if not text.strip() and not html:
            raise ValueError("an answer needs a text")
        reach = await reaching.of(self._store, record["id"])
        way: Way = self._answers.way(record, channel, _known(reach))
        kept = [await self._keep(file) for file in files]
        name = await self._store.read(lambda c: deliveries.contact_name(c, record["id"]))
        last = await self._store.read(lambda c: views.last_message(c, record["id"]))
        rows = self._answers.rows(
            record, way, text=text, html=html, files=kept, cc=cc, name=name, actor=actor, key=key, last=last
        )
        row = rows[0]
        message = parts.message_of(row["key"], Purpose.REPLY, parts.whole_of(row["body"]))
        look = await self._windows.look(record, way.channel, way.to, message)
        event = {
            "id": self._ids.new(),
            "type": EventType.REPLY_QUEUED.value,
            "record": record["id"],
            "reference": record["reference"],
            "at": row["created_at"],
            "actor": actor,
            "data": {"delivery": row["id"], "target": row["target"], "expects_answer": expects_answer},
        }
        if len(rows) > 1:
            event["data"]["parts"] = len(rows)
        copy = await self._unseen.copy(record, {**row, "body": parts.whole_of(row["body"])})
        names = await self._store.read(lambda c: tickets.parties(c, record["id"]))
        told = self._update(
            record["id"],
            record["reference"],
            [name for name in names if name != origin],
            f"answered:{row['key']}",
            EventType.REPLY_QUEUED.value,
            {"text": text, "channel": row["target"], "actor": actor},
        )
        every = [*rows, *told.rows]
        if wait and self._answers.kind_of(way.channel) != _TALK:
            every = [{**one, "next_at": one["next_at"] + wait} for one in every]
        fresh = await self._store.run(lambda c: deliveries.insert_once(c, every, event, copy), "reply")
        self._wake()
        stored = await self._store.read(lambda c: deliveries.by_key(c, row["key"]))
        assert stored is not None
        return {
            "id": stored.id,
            "reference": record["reference"],
            "channel": stored.target,
            "state": stored.state.value,
            "certainty": boxes.certainty(stored.state.value),
            "repeat": not fresh,
            "parts": len(rows),
            **look.facts(self._clock.now()),
        }

    async def tell(
        self, record: str, reference: str, names: Sequence[str], key: str, type_: str, update: Facts
    ) -> None:
        """Tell destinations about a record that they have; once a key."""
        planned = self._update(record, reference, names, key, type_, update)
        inserts = tuple(Insert("delivery", row, ignore=True) for row in planned.rows)
        await self._store.submit(Unit(None, inserts, label="tell"))
        self._wake()

    async def way(self, reference: str, channel: str | None, text: str | None = None) -> Facts:
        """How an answer would go now, to be told before it is written.

        Whether the customer's reply window is open, until when, and what carries the answer when it is not; of a text
        that is given also as how many messages it would go, or why what carries it does not take it.
        Raises LookupError for an unknown reference, and ValueError when there is no way at all.
        """
        record = await self._store.read(lambda c: views.record(c, reference))
        if record is None:
            raise LookupError(f"there is no record {reference}")
        reach = await reaching.of(self._store, record["id"])
        way = self._answers.way(record, channel, _known(reach))
        message = await self._would_be(record, way, text) if text else None
        look = await self._windows.look(record, way.channel, way.to, message)
        return {
            "reference": record["reference"],
            "channel": way.channel,
            "to": way.to.value if way.to else None,
            "files_as_links": not self._answers.carries_files(way.channel),
            **self._refusal(reach, way),
            **look.facts(self._clock.now()),
        }

    async def ways(self, reference: str) -> Sequence[Facts]:
        """Every channel that could carry an answer: channel, to, and whether that address refused us before."""
        record = await self._store.read(lambda c: views.record(c, reference))
        if record is None:
            raise LookupError(f"there is no record {reference}")
        reach = await reaching.of(self._store, record["id"])
        return [
            {
                "channel": one.channel,
                "to": one.to.value if one.to else None,
                **self._refusal(reach, one),
            }
            for one in self._answers.ways(record, _known(reach))
        ]

    # ----

    async def _would_be(self, record: Facts, way: Way, text: str) -> Message:
        """The message that a text would become."""
        name = await self._store.read(lambda c: deliveries.contact_name(c, record["id"]))
        rows = self._answers.rows(
            record, way, text=text, html=None, files=(), cc=(), name=name, actor="", key="look"
        )
        return parts.message_of(rows[0]["key"], Purpose.REPLY, parts.whole_of(rows[0]["body"]))

    def _refusal(self, reach: Reach, way: Way) -> Facts:
        why = reaching.refusal(reach, self._answers.kind_of(way.channel), way.to)
        return {"refused_before": bool(why), "refusal": why or None}

    async def _keep(self, file: Facts) -> Facts:
        sha256, size = await self._store.put_blob(file["data"])
        return {
            "filename": file["filename"],
            "media_type": file["media_type"],
            "size": size,
            "sha256": sha256,
        }

    async def withdraw(self, reference: str, delivery: str, *, actor: str) -> Facts:
        """Take an answer to a record back that has not left: `withdrawn`, and its `text`. Destinations are not told of
        it either.

        Raises LookupError for what is no answer to this record.
        """
        id_ = await self._store.read(lambda c: views.resolve(c, reference))
        found = await self._store.read(lambda c: deliveries.by_ids(c, [delivery]))
        if not found or found[0].purpose is not Purpose.REPLY or id_ is None or found[0].record != id_:
            raise LookupError(f"there is no answer {delivery} to {reference}")
        first = found[0]
        names = await self._store.read(lambda c: tickets.parties(c, first.record or ""))
        keys = [*parts.later_keys([first]), *(f"answered:{first.key}:{name}" for name in names)]
        with_it = await self._store.read(lambda c: deliveries.by_keys(c, keys))
        gone = {"state": D.CANCELLED.value, "settled_at": self._clock.now()}
        guard = Guard("delivery", {"id": first.id, "state": D.WAITING.value, "attempts": 0}, gone)
        told = self._settler.event(first, D.CANCELLED, {"by": actor}, actor)
        also = tuple(Update("delivery", {"id": one.id, "state": D.WAITING.value}, gone) for one in with_it)
        unit = Unit(guard, (self._audit(first, "withdraw", actor), *told), also, label="verb")
        done = await self._store.submit(unit)
        return {"withdrawn": done, "text": str(parts.whole_of(first.body).get("text") or "")}

    async def _each(
        self,
        ids: Sequence[str],
        states: Sequence[DeliveryState],
        new: DeliveryState,
        verb: str,
        actor: str,
        values: Facts,
    ) -> int:
        found = await self._store.read(lambda c: deliveries.by_ids(c, ids))
        # A part takes those after it along: they are of no use without it.
        later = parts.later_keys(found)
        if later:
            known = {one.id for one in found}
            more = await self._store.read(lambda c: deliveries.by_keys(c, later))
            found += [one for one in more if one.id not in known]
        if missing := set(ids) - {one.id for one in found}:
            raise LookupError(f"there is no delivery {sorted(missing)[0]}")
        done = 0
        for one in found:
            if one.state in states:
                done += await self._move(one, new, verb, actor, values)
        return done

    async def _move(self, one: Delivery, new: DeliveryState, verb: str, actor: str, values: Facts) -> bool:
        guard = Guard("delivery", {"id": one.id, "state": one.state.value}, {"state": new.value, **values})
        told = () if new is D.WAITING else self._settler.event(one, new, {"by": actor}, actor)
        return await self._store.submit(Unit(guard, (self._audit(one, verb, actor), *told), label="verb"))

    def _audit(self, one: Delivery, verb: str, actor: str) -> Insert:
        row = {
            "id": self._ids.new(),
            "at": self._clock.now(),
            "actor": actor,
            "verb": f"outbox.{verb}",
            "target": one.id,
            "data": {"from": one.state.value},
        }
        return Insert("audit", row)


#: The kind whose customers look at their page while they are answered.
_TALK = "chat"


def _known(reach: Reach) -> list[Identity]:
    return [Identity(kind, value) for kind, value in reach.identities]


#: The working columns, which stay inside.
_HIDDEN = frozenset({"claim", "owner", "order_key", "seq"})


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row as JSON-like values."""
    # The database library's names are texts of a kind of its own, which no JSON writer takes for keys.
    return {str(name): _value(value) for name, value in row.items() if name not in _HIDDEN}


def _value(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(one) if isinstance(one, Mapping) else one for one in value]
    return value.isoformat() if hasattr(value, "isoformat") else value
