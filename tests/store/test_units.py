"""Law 5: a unit is applied as a whole or not at all, alone or among others."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError

from store import flush, schema
from store.store import Store
from store.units import Count, Guard, Insert, Unit, Update
from tests.rigs.tools import CountingIds, FixedClock
from tests.store.rows import Maker


@pytest.fixture
def maker(store: Store, ids: CountingIds, clock: FixedClock) -> Maker:
    return Maker(store, ids, clock)


async def claimed(maker: Maker, source_id: str = "m1") -> Guard:
    """A claimed envelope, as the guard of the unit that registers it."""
    stored = await maker.accept(source_id, source_id.encode(), owner="me")
    (row,) = [row for row in await maker.all("envelope") if row["id"] == stored.id]
    where = {"id": stored.id, "state": "claimed", "claim": row["claim"]}
    return Guard("envelope", where, {"state": "registered", "claim": None, "owner": None, "record": "r"})


def key(name: str, since: datetime = datetime(2026, 11, 22, tzinfo=UTC), **values: Any) -> Insert:
    ignore = values.pop("ignore", False)
    return Insert("thread_key", {"key": name, "record": "r", "since": since, **values}, ignore)


async def keys(maker: Maker) -> list[str]:
    return [row["key"] for row in await maker.all("thread_key")]


async def test_a_guard_that_holds_brings_all_consequences(maker: Maker) -> None:
    guard = await claimed(maker)
    unit = Unit(
        guard,
        inserts=(key("a"), maker.event()),
        updates=(Update("envelope", {"id": guard.where["id"]}, {"reason": "also this"}),),
        counts=(Count("2026-11-22", "form", "seen", 2),),
    )
    assert await maker.store.submit(unit)
    (row,) = await maker.all("envelope")
    assert (row["state"], row["claim"], row["record"], row["reason"]) == (
        "registered",
        None,
        "r",
        "also this",
    )
    assert await keys(maker) == ["a"] and await maker.count("event") == 1
    assert [(t["state"], t["n"]) for t in await maker.all("tally")] == [("received", 1), ("seen", 2)]


@pytest.mark.parametrize("wrong", [{"claim": "another"}, {"state": "waiting"}, {"id": "unknown"}])
async def test_a_guard_that_does_not_hold_brings_none(maker: Maker, wrong: dict[str, str]) -> None:
    guard = await claimed(maker)
    unit = Unit(
        Guard("envelope", {**guard.where, **wrong}, guard.values),
        inserts=(key("a"), maker.event()),
        updates=(Update("envelope", {"id": guard.where["id"]}, {"reason": "never"}),),
        counts=(Count("2026-11-22", "form", "seen"),),
    )
    before = await maker.all("envelope")
    assert not await maker.store.submit(unit)
    assert await maker.all("envelope") == before
    assert await keys(maker) == [] and await maker.count("event") == 0 and await maker.count("tally") == 1


async def test_of_many_with_one_claim_only_one_goes_through(maker: Maker) -> None:
    """Two guards on one row never meet in one flush, where both would see the row as it was."""
    guard = await claimed(maker)
    units = [Unit(guard, inserts=(key(f"k{n}"),)) for n in range(50)]
    held = await asyncio.gather(*(maker.store.submit(unit) for unit in units))
    assert sum(held) == 1
    assert await keys(maker) == [f"k{held.index(True)}"]


async def test_guards_that_follow_one_another_are_applied_in_their_order(maker: Maker) -> None:
    if not maker.store.embedded:
        pytest.skip("several writers promise an order only to a caller that waits")
    guard = await claimed(maker)
    id_ = guard.where["id"]
    steps = [("claimed", "held"), ("held", "waiting"), ("waiting", "claimed"), ("claimed", "ignored")]
    units = [Unit(Guard("envelope", {"id": id_, "state": old}, {"state": new})) for old, new in steps]
    assert await asyncio.gather(*(maker.store.submit(unit) for unit in units)) == [True] * 4
    assert (await maker.all("envelope"))[0]["state"] == "ignored"


async def test_one_bad_unit_fails_alone(maker: Maker) -> None:
    guards = [await claimed(maker, f"m{n}") for n in range(20)]
    units = [Unit(guard, inserts=(key(f"k{n}"), maker.event())) for n, guard in enumerate(guards)]
    units[7] = Unit(guards[7], inserts=(key("bad", record=None), maker.event()))
    results = await asyncio.gather(*(maker.store.submit(unit) for unit in units), return_exceptions=True)
    assert isinstance(results[7], IntegrityError)
    assert [result for n, result in enumerate(results) if n != 7] == [True] * 19
    states = [row["state"] for row in await maker.all("envelope")]
    assert states.count("registered") == 19 and states.count("claimed") == 1
    assert await maker.count("thread_key") == 19 and await maker.count("event") == 19


async def test_a_row_that_exists_fails_its_unit_or_is_left_as_it_is(maker: Maker) -> None:
    await maker.store.submit(Unit(inserts=(key("a"),)))
    with pytest.raises(IntegrityError):
        await maker.store.submit(Unit(inserts=(key("b"), key("a", record="other"))))
    assert await maker.store.submit(Unit(inserts=(key("b"), key("a", record="other", ignore=True))))
    assert {row["key"]: row["record"] for row in await maker.all("thread_key")} == {"a": "r", "b": "r"}


async def test_of_two_changes_of_one_row_the_later_counts(maker: Maker) -> None:
    await maker.store.submit(Unit(inserts=(key("a"),)))
    changes = tuple(Update("thread_key", {"key": "a"}, {"record": f"r{n}"}) for n in range(5))
    assert await maker.store.submit(Unit(updates=changes))
    assert (await maker.all("thread_key"))[0]["record"] == "r4"


async def test_events_stand_in_the_feed_in_the_order_of_their_unit(maker: Maker) -> None:
    events = tuple(maker.event(type=f"t{n}") for n in range(30))
    await maker.store.submit(Unit(inserts=events))
    assert [row["type"] for row in await maker.all("event")] == [f"t{n}" for n in range(30)]


async def test_rows_with_different_columns_go_in_together(maker: Maker) -> None:
    unit = Unit(inserts=(key("a"), key("b", delivery="d1"), key("c")))
    assert await maker.store.submit(unit)
    assert [row["delivery"] for row in await maker.all("thread_key")] == [None, "d1", None]


@pytest.mark.parametrize(
    "guard",
    [
        Guard("envelope", {"claim": "c"}, {"state": "held"}),
        Guard("envelope", {"id": "e", "claim": None}, {"state": "held"}),
    ],
)
async def test_a_guard_that_could_never_hold_is_refused_at_once(maker: Maker, guard: Guard) -> None:
    with pytest.raises(ValueError, match="guard"):
        await maker.store.submit(Unit(guard))
    assert await maker.store.submit(Unit()), "and the writer lives on"


async def test_what_no_json_can_say_is_told_to_its_caller_only(maker: Maker) -> None:
    results = await asyncio.gather(
        maker.store.submit(Unit(inserts=(key("a", record=object()),))),
        maker.store.submit(Unit(inserts=(key("b"),))),
        return_exceptions=True,
    )
    assert isinstance(results[0], TypeError) and results[1] is True


async def test_strangers_half_characters_and_endless_numbers_are_stored(maker: Maker) -> None:
    data = {"half\ud83d": ["\udfff", 2**70, {"deep": "\ud800"}], "whole": "😀", "nul": "a\x00b"}
    await maker.store.submit(Unit(inserts=(maker.event(data=data, actor="x\udc80y"),)))
    (row,) = await maker.all("event")
    assert row["actor"] == "x\ufffdy"
    assert row["data"] == {
        "half\ufffd": ["\ufffd", str(2**70), {"deep": "\ufffd"}],
        "whole": "😀",
        "nul": "a\ufffdb",
    }


async def test_times_and_flags_come_back_as_they_went(maker: Maker) -> None:
    at = datetime(2026, 2, 28, 23, 59, 59, 999_999, tzinfo=UTC)
    await maker.store.submit(Unit(inserts=(key("a", at),)))
    await maker.add("record", maker.record("e", bounce=True, in_scope=False, deadlines={"answer": None}))
    (row,), (record,) = await maker.all("thread_key"), await maker.all("record")
    assert row["since"] == at
    assert (record["bounce"], record["in_scope"], record["deadlines"]) == (True, False, {"answer": None})


def test_every_table_has_a_primary_key_that_guards_can_name() -> None:
    assert all(table.primary_key.columns for table in schema.TABLES.values())
    assert flush.FEED_LOCK < 2**63
