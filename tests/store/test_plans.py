"""What runs all day long finds its rows by an index, among twenty thousand settled ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, delete, event, text

from store import acceptance, boxes, deliveries, envelopes, imports, search, views
from store.acceptance import Acceptance
from store.conditions import one_of
from store.schema import attempt
from store.store import Store
from tests.rigs.tools import CountingIds, FixedClock
from tests.store.rows import Maker, Step, fill

ROWS = 20_000


@contextmanager
def statements(connection: Connection) -> Iterator[list[tuple[str, Any]]]:
    """The statements that run meanwhile, with their parameters."""
    seen: list[tuple[str, Any]] = []

    def listen(_c: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, many: bool) -> None:
        if not statement.startswith(("SELECT pg_", "SAVEPOINT", "ROLLBACK", "EXPLAIN")):
            seen.append((statement, parameters[0] if many else parameters))

    event.listen(connection, "before_cursor_execute", listen)
    try:
        yield seen
    finally:
        event.remove(connection, "before_cursor_execute", listen)


def plans(connection: Connection, step: Step) -> str:
    """How the engine goes about everything that the step does, without keeping its changes."""
    with statements(connection) as seen:
        point = connection.begin_nested()
        step(connection)
        point.rollback()
    verb = "EXPLAIN QUERY PLAN" if connection.dialect.name == "sqlite" else "EXPLAIN"
    lines = []
    for statement, parameters in seen:
        rows = connection.exec_driver_sql(f"{verb} {statement}", parameters)
        lines += [str(row[-1]) for row in rows]
    return "\n".join(lines)


async def fill_store(maker: Maker) -> None:
    """A year of settled work with a few open pieces among it."""
    clock, ids = maker.clock, maker.ids
    sent = [
        maker.delivery(state="delivered", settled_at=clock.now(), order_key=f"chat-{n % 50}", seq=n)
        for n in range(ROWS)
    ]
    open_ = [maker.delivery(order_key=f"chat-{n}", seq=ROWS + n) for n in range(20)]
    arrived = []
    for n in range(ROWS):
        row = dict(maker.arrival(f"m{n}", order_key=f"chat-{n % 50}").values)
        arrived.append(row | {"state": "registered" if n % 1000 else "waiting", "record": ids.new()})
    known = [maker.record(ids.new(), channel=f"c{n % 5}") for n in range(2000)]

    def step(connection: Connection) -> None:
        fill(connection, "delivery", [row | {"settled_at": None} for row in open_])
        fill(connection, "delivery", sent)
        fill(connection, "envelope", arrived)
        fill(connection, "record", known)
        if connection.dialect.name == "postgresql":
            connection.execute(text("ANALYZE"))

    await maker.store.run(step)


async def test_the_steps_of_every_second_use_their_indexes(
    store: Store, ids: CountingIds, clock: FixedClock
) -> None:
    maker = Maker(store, ids, clock)
    await fill_store(maker)
    now = clock.now()
    dead: dict[str, Any] = {"living": set[str](), "me": "me", "working": set[str](), "max_claims": 3}
    known = (await maker.all("record"))[7]
    # More than one that is known: an engine may look for one row of values by an index, and for two by all.
    batch = [Acceptance((maker.arrival("new", order_key="chat-3"), maker.arrival("m5"), maker.arrival("m6")))]
    keys = [("a", 1), ("b", 2)]
    steps: dict[str, Step] = {
        "claim envelopes": lambda c: envelopes.claim(
            c, owner="me", token="t", limit=32, recovered=False, now=now
        ),
        "claim recovered": lambda c: envelopes.claim(
            c, owner="me", token="t", limit=1, recovered=True, now=now
        ),
        "recover envelopes": lambda c: envelopes.recover(c, **dead, now=now, idle_before=now),
        "backlog": envelopes.backlog,
        "claim deliveries": lambda c: deliveries.claim(
            c, owner="me", token="t", room={"mail": 16}, now=now, head_wait=timedelta(minutes=2)
        ),
        "recover deliveries": lambda c: deliveries.recover(c, **dead, idle_before=now),
        "due targets": lambda c: deliveries.due_targets(c, ["mail", "hook"], now),
        "worth a claim": lambda c: envelopes.any_waiting(c, False, now),
        "worth a claim again": lambda c: envelopes.any_waiting(c, True, now),
        "known rows of an import": lambda c: imports.known(c, [("a", "1", "x"), ("a", "2", "y")]),
        "old attempts": lambda c: c.execute(
            delete(attempt).where(one_of((attempt.c.delivery, attempt.c.n), keys))
        ),
        "next due": deliveries.next_due,
        "uncertain": lambda c: deliveries.uncertain(c, ["mail", "hook"], 50),
        "accept": lambda c: acceptance.apply(c, batch, "w"),
        "newest records": lambda c: search.page(c, search.Wanted(), limit=20),
        "records of a channel": lambda c: search.page(c, search.Wanted(channel="c1"), limit=20),
        "one record": lambda c: views.record(c, known["reference"]),
        "counts": boxes.counts,
        "to mend": lambda c: boxes.to_mend(c),
    }
    full_scans = {}
    again = await store.run(lambda c: plans(c, steps["worth a claim again"]))
    assert "ix_envelope_recovered" in again, again
    # Of a target with a long line, too, those that were claimed before are not sought among all that are due.
    due = await store.run(lambda c: plans(c, steps["claim deliveries"]))
    assert "ix_delivery_recovered" in due, due
    assert "ix_delivery_due" in due, due
    for name, step in steps.items():
        plan = await store.run(lambda c, step=step: plans(c, step))
        scans = [
            line
            for line in plan.splitlines()
            if any(word in line for word in _FULL_SCAN) and "USING" not in line
        ]
        if scans:
            full_scans[name] = plan
    assert not full_scans, "\n\n".join(f"{name}:\n{plan}" for name, plan in full_scans.items())


_FULL_SCAN = (
    *(f"SCAN {table}" for table in ("envelope", "delivery", "record", "other", "attempt")),
    *(f"Seq Scan on {table}" for table in ("envelope", "delivery", "record")),
)


@pytest.mark.parametrize("name", ["synchronous", "journal_mode"])
async def test_nothing_of_the_durability_is_left_to_defaults(store: Store, name: str) -> None:
    """WAL and FULL (2) on the connection that writes; on PostgreSQL a commit waits for the disk."""
    if not store.embedded:
        value = await store.run(lambda c: c.scalar(text("SHOW synchronous_commit")))
        assert value == "on"
        return
    value = await store.run(lambda c: c.scalar(text(f"PRAGMA {name}")))
    assert value == {"synchronous": 2, "journal_mode": "wal"}[name]
