"""The archive's index over both engines: written with the record, grown, looked through, paged and forgotten."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, delete, insert, text

from model import searching
from store import archive, search
from store.schema import record
from store.search import Wanted
from store.store import Store
from store.units import Found, Guard, Insert, Unit, Update
from tests.rigs.tools import CountingIds, FixedClock
from tests.store.rows import Maker


class Register:
    """Registers records as the inbox does, in short."""

    def __init__(self, store: Store, ids: CountingIds, clock: FixedClock) -> None:
        self.store, self.make = store, Maker(store, ids, clock)

    async def record(self, words: str, **values: Any) -> str:
        row = self.make.record("e", subject="", full_text=words, **values)
        found = Found(row["id"], tuple(searching.terms(words)), new=True)
        assert await self.store.submit(Unit(inserts=(Insert("record", row),), found=(found,)))
        return str(row["id"])

    async def search(self, typed: str | None, limit: int = 50, **wanted: Any) -> list[str]:
        asked = Wanted(text=typed, **wanted)
        return [
            row["id"] for row in (await self.store.read(lambda c: search.page(c, asked, limit=limit))).rows
        ]


@pytest.fixture
def register(store: Store, ids: CountingIds, clock: FixedClock) -> Register:
    return Register(store, ids, clock)


async def test_a_record_is_found_as_soon_as_it_is_registered(register: Register) -> None:
    id_ = await register.record("客户投诉：the parcel came late")
    for typed in ("投诉", "户", "parcel 投诉", "PARC", "投诉：the"):
        assert await register.search(typed) == [id_], typed
    assert await register.search("arcel") == [] and await register.search("诉投") == []


@pytest.mark.parametrize("near", [1, 3, 20_000])
async def test_pages_of_hits_meet_without_gap_or_overlap(
    register: Register, monkeypatch: pytest.MonkeyPatch, near: int
) -> None:
    # However many of the newest are looked through before an index is asked, and so where the two meet.
    monkeypatch.setattr(search, "_NEAR", near)
    made = [await register.record(f"退款 {n}" if n % 2 else f"退货 {n}") for n in range(13)]
    seen: list[str] = []
    before = None
    while True:
        page = await register.store.read(
            lambda c, at=before: search.page(c, Wanted(text="退款"), limit=2, before=at)  # type: ignore[misc]
        )
        seen += [row["id"] for row in page.rows]
        if (before := page.following) is None:
            break
    assert seen == [id_ for n, id_ in reversed(list(enumerate(made))) if n % 2]


async def test_a_page_begins_where_the_last_one_ended_though_that_record_is_gone(register: Register) -> None:
    made = [await register.record(f"refund {n}") for n in range(4)]

    def gone(connection: Connection) -> None:
        archive.forget(connection, [made[2]])
        connection.execute(delete(record).where(record.c.id == made[2]))

    await register.store.run(gone)
    page = await register.store.read(lambda c: search.page(c, Wanted(text="refund"), limit=9, before=made[2]))
    assert [row["id"] for row in page.rows] == [made[1], made[0]]


async def test_what_is_proposed_and_does_not_hold_is_looked_through_in_portions(
    register: Register, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "_STEP", 3)
    monkeypatch.setattr(search, "_MOST", 6)
    first = await register.record("投诉产品")
    for _ in range(9):
        await register.record("产品好，投诉产")  # has 投诉, 诉产 and 产品, but apart
    page = await register.store.read(lambda c: search.page(c, Wanted(text="投诉产品"), limit=2))
    assert page.rows == [] and page.following is not None  # it says where to go on
    following: str | None = page.following
    found: list[str] = []
    while following:
        page = await register.store.read(
            lambda c, at=following: search.page(c, Wanted(text="投诉产品"), limit=2, before=at)  # type: ignore[misc]
        )
        found += [row["id"] for row in page.rows]
        following = page.following
    assert found == [first]


async def test_words_and_conditions_together(register: Register, clock: FixedClock) -> None:
    now = clock.now()
    old = await register.record(
        "refund one", channel="mail", received_at=now - timedelta(days=40), nature=["price", "complaint"]
    )
    new = await register.record("refund two", urgency="urgent", department="sales", state="taken")
    assert await register.search("refund") == [new, old]
    assert await register.search("refund", channel="mail") == [old]
    assert (
        await register.search("refund", nature="complaint")
        == [old]
        == await register.search(None, nature="price")
    )
    assert await register.search("refund", urgency="urgent", department="sales", state="taken") == [new]
    assert await register.search("refund", since=now) == [new]
    assert await register.search("refund", until=now) == [old]
    assert await register.search("refund", nature='"') == []


async def test_a_record_grows_by_what_is_added_in_the_same_step_too(register: Register) -> None:
    id_ = await register.record("broken lamp")
    event = {"id": "e1", "type": "message.joined", "record": id_, "reference": "FB-1",
             "at": register.make.clock.now(), "actor": "customer"}  # fmt: skip
    said = [Insert("event", {**event, "id": f"e{n}", "data": {"full_text": text}}) for n, text in
            enumerate(("still broken, 很失望", "and the cable"))]  # fmt: skip
    await register.store.submit(
        Unit(
            inserts=tuple(said),
            found=(
                Found(id_, ("still", "broken", "很失", "很", "失望")),
                Found(id_, ("and", "the", "cable")),
            ),
        )
    )
    assert await register.search("失望") == [id_] == await register.search("lamp cable 失望")
    await _whole(register)


async def test_units_that_lose_their_guard_leave_no_words(register: Register) -> None:
    id_ = await register.record("lamp")
    lost = Guard("envelope", {"id": "nobody", "claim": "x"}, {"state": "registered"})
    assert not await register.store.submit(
        Unit(lost, found=(Found(id_, ("ghost",)), Found("r", ("g",), new=True)))
    )
    assert await _proposals(register, "ghost") == []


async def test_the_forgotten_leave_nothing_in_the_index(register: Register) -> None:
    kept, gone = await register.record("lamp one"), await register.record("lamp two")
    await register.store.run(lambda c: archive.forget(c, [gone]))
    assert await _proposals(register, "lamp") == [kept]
    await _whole(register)


async def test_older_records_are_read_in_and_grow_in_between_without_loss(register: Register) -> None:
    made = []
    for n in range(5):
        row = register.make.record("e", subject=f"旧记录 {n}", full_text="old matter")
        await register.store.submit(Unit(inserts=(Insert("record", row),)))
        await register.store.run(
            lambda c, id_=row["id"]: c.execute(insert(archive.archive).values(record=id_))
        )  # type: ignore[misc]
        made.append(row["id"])
    assert await register.search("matter") == []
    assert await register.store.read(search.unread) == 5
    # Adding to a row that is not read in yet changes nothing: it is read in whole later.
    await register.store.submit(
        Unit(
            updates=(Update("record", {"id": made[0]}, {"subject": "changed"}),),
            found=(Found(made[0], ("changed",)),),
        )
    )
    assert await register.store.run(lambda c: archive.catch_up(c, 3)) == 3
    assert await register.search("matter") == made[:1:-1]
    assert await register.store.run(lambda c: archive.catch_up(c, 3)) == 2
    assert await register.store.run(lambda c: archive.catch_up(c, 3)) == 0
    assert await register.search("matter") == made[::-1] and await register.search("changed") == made[:1]
    assert await register.search("记录 4") == made[4:]
    await _whole(register)


async def test_a_text_without_end_is_registered_and_grows_up_to_a_bound(register: Register) -> None:
    endless = " ".join(f"字{n:x}{'é' * 35}" for n in range(9_000))
    id_ = await register.record(endless)
    for n in range(4):
        more = tuple(f"w{n}-{i}{'é' * 30}".replace("-", "x") for i in range(4_000))
        assert await register.store.submit(Unit(found=(Found(id_, more),)))
    size = await register.store.read(lambda c: c.scalar(text("SELECT size FROM archive")))
    assert 100_000 < size <= 700_000
    await _whole(register)


async def _proposals(register: Register, typed: str) -> Sequence[str]:
    terms = searching.parse(typed).terms
    return await register.store.read(
        lambda c: [one for some in search._proposals(c, terms, [], None, 9) for one in some]
    )


async def _whole(register: Register) -> None:
    """The full text index of SQLite has what its table has."""
    if register.store.embedded:
        check = text("INSERT INTO archive_index(archive_index, rank) VALUES ('integrity-check', 1)")
        await register.store.run(lambda c: c.execute(check) and None)
