"""Rows as the other rooms write them, short enough to read in a test."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, func, insert, select

from store import envelopes
from store.acceptance import Acceptance, NewEnvelope, Stored
from store.erasure import tombstone
from store.schema import TABLES
from store.store import Store
from store.units import Insert, Unit
from tests.rigs.tools import CountingIds, FixedClock


class Maker:
    """Makes rows in one store; ids grow in the order of making."""

    def __init__(self, store: Store, ids: CountingIds, clock: FixedClock) -> None:
        self.store = store
        self.ids = ids
        self.clock = clock

    def arrival(
        self,
        source_id: str,
        raw: bytes = b"hello",
        *,
        order_key: str | None = None,
        owner: str | None = None,
        channel: str = "form",
        reference: str | None = None,
    ) -> NewEnvelope:
        """A small envelope as acceptance hands it to the store; claimed when it has an owner."""
        id_, digest = self.ids.new(), hashlib.sha256(raw).hexdigest()
        now = self.clock.now()
        values: dict[str, Any] = {
            "id": id_,
            "account": "office",
            "channel": channel,
            "kind": "form",
            "source_id": source_id,
            "fingerprint": digest,
            "order_key": order_key,
            "received_at": now,
            "sent_at": None,
            "state": "claimed" if owner else "waiting",
            "reason": None,
            "claim": self.ids.new() if owner else None,
            "owner": owner,
            "reference": reference or f"FB-{id_[-12:]}",
            "blob": digest,
            "size": len(raw),
            "media_type": "text/plain",
            "meta": {},
            "updated_at": now,
        }
        blob = {"sha256": digest, "size": len(raw), "place": "row", "data": raw, "stored_at": now}
        grave = tombstone(self.store.secret, "office", source_id, digest)
        return NewEnvelope(values, blob, grave, self.ids.new(), f"FB-{id_[-12:]}-SPARE")

    async def accept(self, source_id: str, raw: bytes = b"hello", **values: Any) -> Stored:
        (stored,) = await self.store.accept(Acceptance((self.arrival(source_id, raw, **values),)))
        return stored

    def record(self, envelope: str, **values: Any) -> dict[str, Any]:
        """A record as registering writes it."""
        now = self.clock.now()
        id_ = self.ids.new()
        return {
            "id": id_,
            "reference": f"FB-{id_[-12:]}",
            "envelope": envelope,
            "channel": "form",
            "kind": "form",
            "source_id": "m1",
            "received_at": now,
            "registered_at": now,
            "updated_at": now,
            "subject": "Lift",
            "text": "stuck",
            "full_text": "stuck",
            "bounce": False,
            "nature": [],
            "urgency": "normal",
            "in_scope": True,
            "missing": [],
            "deadlines": {},
            "state": "registered",
            "raw_sha256": hashlib.sha256(b"hello").hexdigest(),
            "raw_size": 5,
            "reply_to": [],
            "thread": {},
            "rules": [],
            "omissions": [],
            "extra": {},
            **values,
        }

    def delivery(self, **values: Any) -> dict[str, Any]:
        """A delivery that is due."""
        now = self.clock.now()
        id_ = self.ids.new()
        return {
            "id": id_,
            "key": id_,
            "order_key": None,
            "seq": 0,
            "purpose": "reply",
            "target": "mail",
            "downstream": False,
            "record": None,
            "body": {},
            "state": "waiting",
            "created_at": now,
            "next_at": now,
            **values,
        }

    def attempt(self, delivery: str, n: int, claim: str, outcome: str | None = None) -> dict[str, Any]:
        now = self.clock.now()
        return {
            "delivery": delivery,
            "n": n,
            "claim": claim,
            "phase": "started",
            "outcome": outcome,
            "started_at": now,
            "ended_at": now if outcome else None,
        }

    def event(self, record: str | None = None, **values: Any) -> Insert:
        id_ = self.ids.new()
        return Insert(
            "event",
            {
                "id": id_,
                "type": "note.added",
                "record": record,
                "reference": None,
                "at": self.clock.now(),
                "actor": "test",
                "data": {},
                **values,
            },
        )

    async def add(self, table: str, *rows: dict[str, Any]) -> None:
        assert await self.store.submit(Unit(inserts=tuple(Insert(table, row) for row in rows)))

    async def register(self, source_id: str, raw: bytes = b"hello", **values: Any) -> tuple[str, str]:
        """An accepted envelope and its record; (envelope id, record id)."""
        stored = await self.accept(source_id, raw)
        row = self.record(stored.id, raw_sha256=hashlib.sha256(raw).hexdigest(), **values)
        await self.add("record", row)
        await self.set("envelope", stored.id, state="registered", record=row["id"])
        return stored.id, row["id"]

    async def set(self, table: str, id_: str, **values: Any) -> None:
        t = TABLES[table]
        await self.store.run(lambda c: c.execute(t.update().where(t.c.id == id_).values(**values)) and None)

    async def all(self, table: str) -> list[dict[str, Any]]:
        t = TABLES[table]
        query = select(t).order_by(*t.primary_key.columns)
        return await self.store.read(lambda c: [dict(row) for row in c.execute(query).mappings()])

    async def count(self, table: str) -> int:
        t = TABLES[table]
        return await self.store.read(lambda c: int(c.scalar(select(func.count()).select_from(t)) or 0))

    async def claim(self, owner: str = "me", limit: int = 10, *, recovered: bool = False) -> list[str]:
        """Claim envelopes; their ids."""
        token, now = self.ids.new(), self.clock.now()
        found = await self.store.run(
            lambda c: envelopes.claim(c, owner=owner, token=token, limit=limit, recovered=recovered, now=now)
        )
        return [one.id for one in found]

    def days(self, n: float) -> timedelta:
        return timedelta(days=n)


def fill(connection: Connection, table: str, rows: list[dict[str, Any]]) -> None:
    """Many rows at once, past the flush."""
    connection.execute(insert(TABLES[table]), rows)


Step = Callable[[Connection], Any]
