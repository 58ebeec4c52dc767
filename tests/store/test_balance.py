"""Law 4: counts balance whatever happens to a message, and the audit sees what does not fit."""

from __future__ import annotations

from datetime import date

import pytest
from sqlalchemy import delete

from store import balance, schema
from store.acceptance import Acceptance
from store.store import Store
from store.units import Count, Guard, Insert, Unit
from tests.rigs.tools import CountingIds, FixedClock
from tests.store.rows import Maker


@pytest.fixture
def maker(store: Store, ids: CountingIds, clock: FixedClock) -> Maker:
    return Maker(store, ids, clock)


async def lines(maker: Maker, since: date | None = None) -> list[balance.Line]:
    return await maker.store.read(lambda c: balance.balance(c, since))


async def checks(maker: Maker) -> list[tuple[str, str]]:
    found = await maker.store.read(lambda c: balance.check(c, maker.store.blobs))
    return [(one.check, one.id) for one in found]


async def test_what_arrives_is_counted_on_its_day_and_channel(maker: Maker) -> None:
    await maker.accept("m1")
    await maker.accept("m1")
    maker.clock.advance(86_400)
    await maker.accept("m1")
    await maker.accept("m2", channel="mail")
    found = {(line.day, line.channel): line for line in await lines(maker)}
    assert set(found) == {("2026-11-22", "form"), ("2026-11-23", "form"), ("2026-11-23", "mail")}
    assert found["2026-11-22", "form"].received == 2
    assert found["2026-11-22", "form"].by_state == {"duplicate": 1, "waiting": 1}
    assert found["2026-11-23", "form"].by_state == {"duplicate": 1}
    assert all(line.difference == 0 for line in found.values())
    assert [line.day for line in await lines(maker, date(2026, 11, 23))] == ["2026-11-23", "2026-11-23"]


async def test_a_row_that_vanishes_shows_as_a_difference(maker: Maker) -> None:
    stored = await maker.accept("m1")
    await maker.accept("m2")
    await maker.store.run(
        lambda c: c.execute(delete(schema.envelope).where(schema.envelope.c.id == stored.id)) and None
    )
    (line,) = await lines(maker)
    assert line.difference == 1


async def test_a_row_from_nowhere_shows_as_a_difference(maker: Maker) -> None:
    row = maker.arrival("m1")
    await maker.add("envelope", dict(row.values))
    (line,) = await lines(maker)
    assert line.difference == -1


async def test_children_of_a_split_are_counted_apart(maker: Maker) -> None:
    parent = await maker.accept("batch", owner="me")
    (row,) = await maker.all("envelope")
    children = [dict(maker.arrival(f"page-{n}").values) | {"parent": parent.id} for n in range(3)]
    guard = Guard("envelope", {"id": parent.id, "claim": row["claim"]}, {"state": "split", "claim": None})
    assert await maker.store.submit(Unit(guard, tuple(Insert("envelope", child) for child in children)))
    (line,) = await lines(maker)
    assert (line.received, line.by_state, line.children, line.difference) == (1, {"split": 1}, 3, 0)


async def test_counters_of_several_writers_add_up(maker: Maker) -> None:
    for n in range(5):
        await maker.store.submit(Unit(counts=(Count("2026-01-01", "form", "received", n),)))
    (line,) = await lines(maker)
    assert line.received == 10


async def test_a_sound_store_has_no_findings(maker: Maker) -> None:
    await maker.register("m1")
    big = b"x" * 100_000
    row = await maker.store.blobs.prepare(big, maker.clock.now())
    arrival = maker.arrival("m2", big)
    await maker.store.accept(
        Acceptance((type(arrival)(arrival.values, row, arrival.tombstone, "s", "spare"),))
    )
    await maker.accept("m3", owner="me")
    assert await checks(maker) == []


async def test_what_refers_to_nothing_is_found(maker: Maker) -> None:
    store = maker.store
    envelope, record = await maker.register("m1")
    await maker.set("envelope", envelope, record="nobody")
    lost = maker.record("no-such-envelope")
    await maker.add("record", lost)
    unproved = maker.delivery(state="delivered", record=record)
    told = maker.delivery(state="delivered", remote_id="far-1")
    claimed = maker.delivery(state="claimed", claim=None, owner=None)
    for row in (unproved, told, claimed):
        await maker.add("delivery", row)
    other = await maker.accept("m2", b"raw that goes")
    await maker.set("envelope", other.id, blob="0" * 64)
    big = b"y" * 100_000
    sha256, _ = await store.put_blob(big)
    store.blobs.path(sha256).write_bytes(b"cut short")
    small, _ = await store.put_blob(b"small")
    blob = schema.blob
    await store.run(lambda c: c.execute(blob.update().where(blob.c.sha256 == small).values(size=99)) and None)
    found = await checks(maker)
    assert sorted(found) == sorted(
        [
            ("registered or joined without a record", envelope),
            ("record without its envelope", lost["id"]),
            ("delivered without a delivered attempt or a receipt", unproved["id"]),
            ("delivery claimed by nobody", claimed["id"]),
            ("raw bytes missing", other.id),
            ("file of a blob missing or cut short", sha256),
            ("blob of the wrong size", small),
        ]
    )
