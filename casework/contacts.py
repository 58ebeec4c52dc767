"""Who is who, as people see to it: look at a person, say that two contacts are one, and take it back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from model.event import EventType
from model.tools import Clock, Ids
from store import people
from store.store import Store
from store.units import Insert, Unit, Update

Facts = Mapping[str, Any]


class ContactVerbs:
    """What clerks can do with contacts. Nothing is lost by a link: it can be undone."""

    def __init__(self, store: Store, *, clock: Clock, ids: Ids) -> None:
        self._store = store
        self._clock = clock
        self._ids = ids

    async def show(self, named: str) -> Facts:
        """A person with identities, evidence, links, proposals and records; named by id, identity or address."""
        found = await self._store.read(lambda c: people.show(c, _found(c, named)))
        if found is None:
            raise LookupError(f"there is no contact {named}")
        plain: Facts = _plain(found)
        return plain

    async def link(
        self, *, link: str | None, contact: str | None, other: str | None, evidence: str, actor: str
    ) -> Facts:
        """Say that two contacts are one person: by a proposal's id, or by naming both and why.

        Raises LookupError for what does not exist, and ValueError when it cannot be.
        """
        if link is not None:
            row = await self._link(link)
            if row["state"] == "linked":
                return {"link": link, "state": "linked"}
            return await self._join(row["contact"], row["other"], link, row, actor)
        if not contact or not other:
            raise ValueError("name a proposal, or two contacts")
        if not evidence.strip():
            raise ValueError("say by what it is known that they are the same person")
        one, two = await self._store.read(lambda c: (_found(c, contact), _found(c, other)))
        row = {"kind": "said", "value": evidence.strip()[:300], "evidence": f"{evidence.strip()[:300]}"}
        return await self._join(one, two, None, row, actor)

    async def unlink(self, link: str, *, actor: str) -> Facts:
        """Take a link back, or refuse a proposal; the row stays and tells who did it."""
        row = await self._link(link)
        if row["state"] not in ("linked", "proposed"):
            return {"link": link, "state": row["state"]}
        now = self._clock.now()
        state = "undone" if row["state"] == "linked" else "refused"
        updates = [Update("link", {"id": link}, {"state": state, "undone_at": now, "undone_by": actor})]
        inserts = [self._audit(actor, "unlink", link, now)]
        if state == "undone":
            updates.append(Update("contact", {"id": row["other"]}, {"same_as": None}))
            inserts += await self._event(
                EventType.CONTACT_UNLINKED, row["contact"], row["other"], row, actor, now
            )
        await self._store.submit(Unit(None, tuple(inserts), tuple(updates), label="contact"))
        return {"link": link, "state": state}

    async def block(self, named: str, *, why: str, actor: str) -> Facts:
        """Hear somebody no more: what they send by whatever they are known by now is set aside, and counted.

        Raises LookupError for nobody, ValueError for somebody who is known by nothing.
        """
        id_ = await self._store.read(lambda c: _found(c, named))
        found = await self._store.read(lambda c: people.show(c, id_))
        identities = found["identities"] if found else []
        if not identities:
            raise ValueError("nothing is known by which their next message could be told")
        now = self._clock.now()
        common = {"contact": id_, "since": now, "by": actor, "why": why.strip()[:1000]}
        rows = [
            Insert("blocked", {"kind": one["kind"], "value": one["value"], **common}, ignore=True)
            for one in identities
        ]
        await self._store.submit(Unit(None, (*rows, self._audit(actor, "block", id_, now)), label="contact"))
        return {"contact": id_, "blocked": [f"{one['kind']}:{one['value']}" for one in identities]}

    async def unblock(self, named: str, *, actor: str) -> Facts:
        """Hear somebody again. What was set aside meanwhile stays so, until it is replayed."""
        id_ = await self._store.read(lambda c: _found(c, named))
        members = await self._store.read(lambda c: people.group(c, id_))
        n = await self._store.run(lambda c: people.unblock(c, members), "contact")
        if n:
            await self._store.submit(
                Unit(None, (self._audit(actor, "unblock", id_, self._clock.now()),), label="contact")
            )
        return {"contact": id_, "unblocked": n}

    async def blocked(self) -> Facts:
        """Everybody who is heard no more: contact, kind, value, since, by, why."""
        plain: Facts = _plain({"blocked": await self._store.read(people.blocked_of)})
        return plain

    # ----

    async def _link(self, link: str) -> Facts:
        found = await self._store.read(lambda c: people.links_of(c, [link]))
        if not found:
            raise LookupError(f"there is no link {link}")
        return found[0]

    async def _join(self, one: str, two: str, link: str | None, row: Facts, actor: str) -> Facts:
        sizes = await self._store.read(
            lambda c: {id_: (people.root_of(c, id_), len(people.group(c, id_))) for id_ in (one, two)}
        )
        (root, _), (other, size) = sizes[one], sizes[two]
        if root == other:
            raise ValueError("they are known to be one person already")
        if size > 1:
            if sizes[one][1] > 1:
                raise ValueError("each of them stands for others already; undo one of those links first")
            root, other = other, root
        now = self._clock.now()
        values = {"contact": root, "other": other, "state": "linked", "at": now, "actor": actor}
        updates = [Update("contact", {"id": other}, {"same_as": root})]
        inserts = [self._audit(actor, "link", link or other, now)]
        if link is None:
            link = self._ids.new()
            same = {name: row[name] for name in ("kind", "value", "evidence")}
            undone = {"undone_at": None, "undone_by": None}
            inserts.append(Insert("link", {"id": link, **values, **same, **undone}))
        else:
            updates.append(Update("link", {"id": link}, {**values, "undone_at": None, "undone_by": None}))
        inserts += await self._event(EventType.CONTACT_LINKED, root, other, row, actor, now)
        await self._store.submit(Unit(None, tuple(inserts), tuple(updates), label="contact"))
        return {"link": link, "state": "linked", "contact": root, "other": other}

    async def _event(
        self, type_: EventType, root: str, other: str, row: Facts, actor: str, now: datetime
    ) -> list[Insert]:
        """A line in the latest record of each of the two."""
        latest = await self._store.read(lambda c: people.latest_records(c, [root, other]))
        data = {"contact": root, "other": other} | {name: row[name] for name in ("kind", "value", "evidence")}
        return [
            Insert(
                "event",
                {
                    "id": self._ids.new(),
                    "type": type_.value,
                    "record": record,
                    "reference": reference,
                    "at": now,
                    "actor": actor,
                    "data": data,
                },
            )
            for record, reference in latest
        ]

    def _audit(self, actor: str, verb: str, target: str, now: datetime) -> Insert:
        row = {
            "id": self._ids.new(),
            "at": now,
            "actor": actor,
            "verb": f"contact.{verb}",
            "target": target,
            "data": {},
        }
        return Insert("audit", row)


def _found(connection: Connection, named: str) -> str:
    found = people.find(connection, named.strip())
    if found is None:
        raise LookupError(f"there is no contact {named}, or more than one")
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return value.isoformat() if isinstance(value, datetime) else value
