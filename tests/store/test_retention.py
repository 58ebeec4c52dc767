"""Retention: what is old enough goes with all that hangs on it, counted, buried, and nothing else."""

from __future__ import annotations

import hashlib
import os
from datetime import timedelta
from typing import Any

import pytest

from store import balance
from store.acceptance import Acceptance, NewEnvelope
from store.erasure import tombstone
from store.retention import purge
from store.settings import RetentionSettings
from store.store import Store
from store.sweep import sweep
from tests.rigs.tools import CountingIds, FixedClock
from tests.store.rows import Maker

YEAR = timedelta(days=365)
DAY = 86_400


@pytest.fixture
def maker(store: Store, ids: CountingIds, clock: FixedClock) -> Maker:
    return Maker(store, ids, clock)


def settings(**values: Any) -> RetentionSettings:
    return RetentionSettings(**{"records": YEAR, "batch": 2, **values})


async def balanced(maker: Maker) -> bool:
    return all(line.difference == 0 for line in await maker.store.read(balance.balance))


async def full_record(maker: Maker, source_id: str, raw: bytes = b"hello") -> tuple[str, str]:
    """A closed record with everything that a record can have."""
    envelope, record = await maker.register(source_id, raw, state="closed")
    await maker.accept(source_id, raw)  # a repeat
    sent = maker.delivery(record=record, state="delivered", settled_at=maker.clock.now())
    await maker.add("delivery", sent)
    await maker.add("attempt", maker.attempt(sent["id"], 1, "c1", "delivered"))
    await maker.add("thread_key", {"key": f"<{source_id}>", "record": record, "since": maker.clock.now()})
    file = {"record": record, "envelope": envelope, "n": 0, "filename": "a.txt", "media_type": "text/plain"}
    await maker.add("attachment", file | {"size": 1, "sha256": None, "omitted": "too large"})
    from store.units import Unit

    await maker.store.submit(Unit(inserts=(maker.event(record),)))
    return envelope, record


OF_A_RECORD = ("record", "envelope", "sighting", "delivery", "attempt", "thread_key", "attachment", "event")


async def test_a_closed_record_goes_with_all_that_hangs_on_it(maker: Maker) -> None:
    for n in range(5):
        await full_record(maker, f"m{n}")
    await maker.register("open", b"open")
    maker.clock.advance(366 * DAY)
    done = await purge(maker.store, settings())
    assert done["records"] == 5
    assert {table: await maker.count(table) for table in OF_A_RECORD} == {
        **dict.fromkeys(OF_A_RECORD, 0),
        "record": 1,
        "envelope": 1,
    }
    assert await balanced(maker)
    (line,) = await maker.store.read(balance.balance)
    assert line.by_state == {"registered": 6, "duplicate": 5}


async def test_nothing_goes_without_a_setting_or_before_its_time(maker: Maker) -> None:
    await full_record(maker, "m1")
    maker.clock.advance(366 * DAY)
    await purge(maker.store, settings(records=None))
    assert await maker.count("record") == 1
    await purge(maker.store, settings(records=timedelta(days=367)))
    assert await maker.count("record") == 1


async def test_a_channel_has_its_own_time(maker: Maker) -> None:
    await maker.register("m1", b"1", state="closed", channel="form")
    await maker.register("m2", b"2", state="closed", channel="mail")
    maker.clock.advance(40 * DAY)
    await purge(maker.store, settings(channels={"mail": timedelta(days=30)}))
    assert [row["channel"] for row in await maker.all("record")] == ["form"]
    maker.clock.advance(366 * DAY)
    await purge(maker.store, settings(records=None, channels={"form": YEAR}))
    assert await maker.count("record") == 0


@pytest.mark.parametrize("state", ["waiting", "claimed", "uncertain"])
async def test_a_record_with_something_on_its_way_stays(maker: Maker, state: str) -> None:
    _, record = await maker.register("m1", state="closed")
    await maker.add("delivery", maker.delivery(record=record, state=state, claim="c", owner="me"))
    maker.clock.advance(366 * DAY)
    await purge(maker.store, settings())
    assert await maker.count("record") == 1


async def test_what_was_purged_and_comes_again_is_a_duplicate(maker: Maker) -> None:
    await full_record(maker, "m1")
    maker.clock.advance(366 * DAY)
    await purge(maker.store, settings())
    again = await maker.accept("m1", owner="me")
    assert not again.claimed
    assert [row["state"] for row in await maker.all("envelope")] == ["duplicate"]
    assert await balanced(maker)
    # The duplicate goes in its turn, and its tombstone lasts longer for it.
    maker.clock.advance(31 * DAY)
    await purge(maker.store, settings())
    assert await maker.count("envelope") == 0 and await balanced(maker)
    maker.clock.advance(399 * DAY)
    await purge(maker.store, settings())
    assert await maker.count("tombstone") == 1
    maker.clock.advance(2 * DAY)
    await purge(maker.store, settings())
    assert await maker.count("tombstone") == 0


async def test_a_tombstone_needs_the_key(maker: Maker) -> None:
    ours = tombstone(maker.store.secret, "a", "b", "c")
    assert ours == tombstone(maker.store.secret, "a", "b", "c")
    assert ours != tombstone(b"another key", "a", "b", "c") != tombstone(b"another key", "a", "bc", "")
    assert len(ours) == 64


async def test_ignored_envelopes_go_and_those_that_wait_for_a_person_stay(maker: Maker) -> None:
    for n, state in enumerate(("ignored", "duplicate", "held", "quarantined", "waiting")):
        stored = await maker.accept(f"m{n}", bytes([n]))
        await maker.set("envelope", stored.id, state=state)
    maker.clock.advance(31 * DAY)
    await purge(maker.store, settings())
    assert sorted(row["state"] for row in await maker.all("envelope")) == ["held", "quarantined", "waiting"]
    assert await balanced(maker)


async def test_a_split_goes_after_its_children(maker: Maker) -> None:
    parent = await maker.accept("batch")
    await maker.set("envelope", parent.id, state="split")
    child = maker.arrival("page")
    await maker.add("envelope", dict(child.values) | {"parent": parent.id, "state": "held"})
    maker.clock.advance(31 * DAY)
    await purge(maker.store, settings())
    assert await maker.count("envelope") == 2
    await maker.set("envelope", child.values["id"], state="ignored")
    for _ in range(2):
        await purge(maker.store, settings())
    assert await maker.count("envelope") == 0
    (line,) = await maker.store.read(balance.balance)
    assert (line.difference, line.children) == (0, 1)


async def test_raw_bytes_go_alone(maker: Maker) -> None:
    envelope, record = await maker.register("m1")
    waiting = await maker.accept("m2", b"waits")
    maker.clock.advance(8 * DAY)
    kept = settings(raw=timedelta(days=7))
    assert (await purge(maker.store, kept))["raw"] == 1
    assert (await sweep(maker.store, kept))["blobs marked"] == 1
    maker.clock.advance(2 * DAY)
    assert (await sweep(maker.store, kept))["blobs"] == 1
    (row,) = await maker.all("record")
    assert row["id"] == record and row["raw_sha256"] == hashlib.sha256(b"hello").hexdigest()
    assert await maker.store.load_blob(row["raw_sha256"]) is None
    assert await maker.store.load_blob(hashlib.sha256(b"waits").hexdigest()) == b"waits"
    assert await maker.store.read(lambda c: balance.check(c, maker.store.blobs)) == []
    assert {r["id"]: bool(r["blob"]) for r in await maker.all("envelope")} == {
        envelope: False,
        waiting.id: True,
    }


async def test_old_attempts_go_but_what_proves_the_end(maker: Maker) -> None:
    sent = maker.delivery(state="delivered", settled_at=maker.clock.now())
    dead = maker.delivery(state="dead", settled_at=maker.clock.now())
    waiting = maker.delivery()
    for row in (sent, dead, waiting):
        await maker.add("delivery", row)
        for n, outcome in enumerate(
            ("temporary", "delivered" if row is sent else "temporary", "permanent"), 1
        ):
            await maker.add("attempt", maker.attempt(row["id"], n, "c", outcome))
    maker.clock.advance(91 * DAY)
    await purge(maker.store, settings())
    left: dict[str, list[int]] = {}
    for row in await maker.all("attempt"):
        left.setdefault(row["delivery"], []).append(row["n"])
    assert left == {sent["id"]: [2, 3], dead["id"]: [3], waiting["id"]: [1, 2, 3]}


async def test_events_and_answers_and_dead_processes_go_by_their_own_time(maker: Maker) -> None:
    from store import idempotency, leases
    from store.units import Unit

    store, clock = maker.store, maker.clock
    await store.submit(Unit(inserts=(maker.event(), maker.event(), maker.event())))
    for n in range(3):
        await store.run(
            lambda c, n=n: idempotency.claim(
                c,
                scope="api",
                key=f"k{n}",
                request_hash="h",
                now=clock.now(),
                until=clock.now() + timedelta(days=1),
            )
        )
    await store.run(lambda c: leases.own_process(c, "dead", timedelta(seconds=20), clock.now()))
    await store.run(lambda c: leases.take(c, "poll:mail", "dead", timedelta(seconds=20), clock.now()))
    clock.advance(30 * DAY)
    await store.submit(Unit(inserts=(maker.event(),)))
    await purge(store, settings(events=timedelta(days=7)))
    assert await maker.count("event") == 1
    assert await maker.count("idempotency") == 0
    if store.embedded:  # on PostgreSQL leases end by the database's clock, which does not stand still here
        assert [row["name"] for row in await maker.all("lease")] == ["poll:mail"]


async def test_positions_of_purged_events_are_never_given_again(maker: Maker) -> None:
    from store.units import Unit

    await maker.store.submit(Unit(inserts=(maker.event(), maker.event())))
    (*_, last) = await maker.all("event")
    maker.clock.advance(30 * DAY)
    await purge(maker.store, settings(events=timedelta(days=7)))
    await maker.store.submit(Unit(inserts=(maker.event(),)))
    (row,) = await maker.all("event")
    assert row["position"] > last["position"]


# ---- blobs


async def put_big(maker: Maker, raw: bytes) -> str:
    return (await maker.store.put_blob(raw))[0]


async def test_an_unused_blob_goes_after_its_grace_row_and_file(maker: Maker) -> None:
    store = maker.store
    large, small = await put_big(maker, b"L" * 100_000), await put_big(maker, b"small")
    assert (await sweep(store, settings()))["blobs marked"] == 2
    maker.clock.advance(DAY / 2)
    assert (await sweep(store, settings()))["blobs"] == 0
    maker.clock.advance(DAY)
    assert (await sweep(store, settings()))["blobs"] == 2
    assert await maker.count("blob") == 0
    assert not store.blobs.path(large).exists() and await store.load_blob(small) is None


async def test_a_blob_that_comes_again_is_kept(maker: Maker) -> None:
    sha256 = await put_big(maker, b"L" * 100_000)
    await sweep(maker.store, settings())
    maker.clock.advance(DAY / 2)
    await put_big(maker, b"L" * 100_000)
    maker.clock.advance(DAY * 0.7)
    assert (await sweep(maker.store, settings()))["blobs"] == 0
    assert await maker.store.load_blob(sha256) == b"L" * 100_000


async def test_a_file_touched_between_row_and_file_is_kept(maker: Maker) -> None:
    """The row is gone, and before its file goes the same bytes come again."""
    sha256 = await put_big(maker, b"L" * 100_000)
    before = maker.clock.now() + timedelta(days=1)
    maker.clock.advance(2 * DAY)
    row = await maker.store.blobs.prepare(b"L" * 100_000, maker.clock.now())
    assert not maker.store.blobs.delete(sha256, before)
    assert maker.store.blobs.path(sha256).read_bytes() == b"L" * 100_000 and row["place"] == "file"


@pytest.mark.parametrize("by", ["envelope", "attachment", "delivery", "later delivery"])
async def test_whatever_refers_to_a_blob_keeps_it(maker: Maker, by: str) -> None:
    raw = b"L" * 100_000
    sha256 = await put_big(maker, raw)
    body = {"text": "see there", "files": [{"filename": "a", "media_type": "b", "size": 1, "sha256": sha256}]}
    if by == "envelope":
        row, arrival = await maker.store.blobs.prepare(raw, maker.clock.now()), maker.arrival("m1", raw)
        kept = NewEnvelope(arrival.values, row, arrival.tombstone, arrival.sighting, arrival.spare)
        await maker.store.accept(Acceptance((kept,)))
    elif by == "attachment":
        file = {"record": "r", "envelope": "e", "n": 0, "filename": "a", "media_type": "b", "size": 1}
        await maker.add("attachment", file | {"sha256": sha256})
    elif by == "delivery":
        await maker.add("delivery", maker.delivery(body=body))
    marked = (await sweep(maker.store, settings()))["blobs marked"]
    assert marked == (1 if by == "later delivery" else 0)
    if by == "later delivery":
        await maker.add("delivery", maker.delivery(body=body))
    maker.clock.advance(3 * DAY)
    assert (await sweep(maker.store, settings()))["blobs"] == 0
    assert await maker.store.load_blob(sha256) == raw
    assert [row["unused_since"] for row in await maker.all("blob")] == [None]


async def test_what_crashes_left_lying_goes_after_a_day(maker: Maker) -> None:
    store = maker.store
    known = await put_big(maker, b"K" * 100_000)
    await maker.add("delivery", maker.delivery(body={"files": [{"sha256": known}]}))
    stray = (await store.blobs.prepare(b"S" * 100_000, maker.clock.now()))["sha256"]
    half = store.blobs.path(stray).with_name(f".{stray}.0011")
    spooled = store.folder / "spool" / "one"
    spooled.parent.mkdir()
    for path in (half, spooled):
        path.write_bytes(b"half")
        os.utime(path, (maker.clock.now().timestamp(),) * 2)
    first = await sweep(store, settings())
    assert (first["stray files"], first["temporary files"], first["spooled files"]) == (0, 0, 0)
    maker.clock.advance(DAY + 1)
    second = await sweep(store, settings())
    assert (second["stray files"], second["temporary files"], second["spooled files"]) == (1, 1, 1)
    assert [store.blobs.path(known).exists(), store.blobs.path(stray).exists()] == [True, False]
    assert not half.exists() and not spooled.exists()
