"""The queries behind the pages, over both engines."""

from __future__ import annotations

import pytest
from sqlalchemy import event, insert

from console.links import Links
from store import boxes, idempotency, search, views
from store.schema import attempt
from store.store import Store
from tests.console import scenes
from tests.console.house import House
from tests.rigs.tools import NOW, SECRET, CountingIds, FixedClock

LINKS = Links("http://feedback.example", SECRET)


@pytest.fixture
def filled(store: Store, clock: FixedClock, ids: CountingIds) -> House:
    return House(store, clock, ids)


async def test_pages_of_records_meet_without_gap_or_overlap(filled: House) -> None:
    for n in range(7):
        await filled.record(f"FB-261122-{n:05}", channel="mail" if n % 2 else "form", state="taken")
    seen: list[str] = []
    before = None
    while page := await filled.store.read(
        lambda c, at=before: search.page(c, search.Wanted(), limit=3, before=at).rows
    ):  # type: ignore[misc]
        seen += [row["reference"][-1] for row in page]
        before = page[-1]["id"]
    assert seen == list("6543210")
    mail = await filled.store.read(
        lambda c: search.page(c, search.Wanted(channel="mail", state="taken"), limit=9).rows
    )
    assert [row["reference"][-1] for row in mail] == list("531")


async def test_words_are_found_whatever_their_case_and_signs_mean_themselves(filled: House) -> None:
    await filled.record("FB-261122-AAAA2", text="100% of the Invoice", full_text="100% of the Invoice")
    await filled.record("FB-261122-AAAA3", subject="报表不一致")

    async def found(text: str) -> list[str]:
        rows = await filled.store.read(lambda c: search.page(c, search.Wanted(text=text), limit=9).rows)
        return [row["reference"][-1] for row in rows]

    assert await found("invoice") == ["2"] and await found("100%") == ["2"] and await found("报表") == ["3"]
    assert await found("1_0%") == [] and await found("fb-261122-aaaa3 ") == ["3"]


async def test_many_canonical_records_cost_as_many_queries_as_one(filled: House) -> None:
    await scenes.fill(filled)
    counts = []
    for limit in (1, 50):

        def ask(connection, limit: int = limit) -> int:  # type: ignore[no-untyped-def]
            asked: list[str] = []
            note = lambda *given: asked.append(given[2])  # noqa: E731
            event.listen(connection, "before_cursor_execute", note)
            found = views.canonicals(
                connection, search.page(connection, search.Wanted(), limit=limit).rows, LINKS
            )
            event.remove(connection, "before_cursor_execute", note)
            assert len(found) == min(limit, 4)
            return len(asked)

        counts.append(await filled.store.read(ask))
    assert counts[0] == counts[1]


async def test_a_canonical_record_is_whole(filled: House) -> None:
    reference = await scenes.fill(filled)

    def ask(connection):  # type: ignore[no-untyped-def]
        row = views.record(connection, reference)
        assert row is not None
        return views.canonical(connection, row, LINKS), views.canonical_by_id(connection, row["id"], LINKS)

    found, by_id = await filled.store.read(ask)
    assert found == by_id
    assert [one.kind for one in found.contact.identities] == ["email", "phone"]
    assert [one.filename for one in found.attachments] == ["后台截图 2026-11-20.png", "对账表.xlsx"]
    assert found.raw.url and found.attachments[0].url and found.deadlines["answer"].tzinfo


async def test_files_whose_bytes_are_gone_have_no_link(filled: House) -> None:
    id_ = await filled.record("FB-261122-AAAA2", raw_sha256="0" * 64)
    found = await filled.store.read(lambda c: views.canonical_by_id(c, id_, LINKS))
    assert found.raw.url is None


async def test_boxes_count_and_show_what_waits(filled: House) -> None:
    await scenes.fill(filled)
    await filled.envelope("FB-261122-WAIT2", state="waiting")
    found = await filled.store.read(boxes.to_mend)
    assert found["counts"]["envelopes"] == {"held": 1, "quarantined": 1, "waiting": 1}
    assert found["counts"]["deliveries"] == {"uncertain": 1, "dead": 1, "expired": 1, "held": 1}
    assert boxes.waiting_for_a_person(found["counts"]) == 6
    [dead] = found["deliveries"]["dead"]
    assert (
        dead["reference"] == "FB-261122-7K3FQ" and dead["certainty"] == "failed" and len(dead["tries"]) == 1
    )
    assert found["envelopes"]["held"][0]["reference"] == "FB-261122-P2CMA"


async def test_what_is_held_because_it_may_have_arrived_stands_with_the_uncertain(filled: House) -> None:
    await scenes.fill(filled)
    held = (await filled.store.read(boxes.to_mend))["deliveries"]["held"][0]["id"]
    tried = {
        "delivery": held,
        "n": 7,
        "claim": "c",
        "phase": "ended",
        "outcome": "uncertain",
        "started_at": NOW,
    }
    await filled.store.run(lambda connection: connection.execute(insert(attempt).values(tried)))
    found = await filled.store.read(boxes.to_mend)
    assert found["deliveries"]["held"] == []
    assert held in [row["id"] for row in found["deliveries"]["uncertain"]]
    assert found["counts"]["deliveries"] == {"uncertain": 2, "dead": 1, "expired": 1, "held": 0}


@pytest.mark.parametrize(
    ("state", "outcomes", "certain"),
    [
        ("waiting", ["uncertain"], "pending"),
        ("delivered", ["uncertain"], "delivered"),
        ("dead", ["temporary", "permanent"], "failed"),
        ("dead", ["uncertain", "permanent"], "unknown"),
        ("cancelled", [], "failed"),
        ("uncertain", [None], "unknown"),
        ("held", ["uncertain"], "unknown"),
        ("held", ["temporary"], "pending"),
    ],
)
def test_certainty_claims_no_more_than_the_attempts_prove(
    state: str, outcomes: list[str | None], certain: str
) -> None:
    assert boxes.certainty(state, outcomes) == certain


async def test_a_key_is_claimed_once_settled_and_forgotten(filled: House, clock: FixedClock) -> None:
    async def take(digest: str) -> idempotency.Remembered | None:
        now = clock.now()
        return await filled.store.run(
            lambda c: idempotency.claim(c, scope="s", key="k", request_hash=digest, now=now, until=later), "t"
        )

    clock.advance(60)
    later = clock.now()
    clock.advance(-60)
    assert await take("a") is None
    at_work = await take("b")
    assert at_work is not None and at_work.request_hash == "a" and at_work.status is None
    await filled.store.run(
        lambda c: idempotency.settle(c, scope="s", key="k", status=202, response={"x": 1}, until=later), "t"
    )
    settled = await take("a")
    assert settled is not None and (settled.status, settled.response) == (202, {"x": 1})
    await filled.store.run(lambda c: idempotency.release(c, scope="s", key="k"), "t")
    assert await take("a") == settled
    assert await filled.store.run(lambda c: idempotency.purge(c, clock.now(), 10), "t") == 0
    clock.advance(61)
    assert await filled.store.run(lambda c: idempotency.purge(c, clock.now(), 10), "t") == 1


async def test_the_desk_s_queries_use_their_indexes(filled: House) -> None:
    if not filled.store.embedded:
        pytest.skip("PostgreSQL reads small tables whole, whatever indexes there are")
    await scenes.fill(filled)
    plans: dict[str, str] = {}

    def ask(connection):  # type: ignore[no-untyped-def]
        def explain(conn, cursor, statement, parameters, context, many):  # type: ignore[no-untyped-def]
            if statement.startswith("SELECT"):
                plan = (
                    conn.connection.cursor().execute(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall()
                )
                plans[statement] = "; ".join(str(line[-1]) for line in plan)

        event.listen(connection, "before_cursor_execute", explain)
        search.page(connection, search.Wanted(), limit=5)
        search.page(connection, search.Wanted(text="invoice", channel="mail"), limit=5, before="z")
        search.page(connection, search.Wanted(channel="mail"), limit=5, before="z")
        search.page(connection, search.Wanted(state="taken"), limit=5, before="z")
        found = views.record(connection, "FB-261122-7K3FQ")
        assert found is not None
        views.canonical(connection, found, LINKS)
        views.timeline(connection, found["id"])
        views.events(connection, 0, 10)
        views.messages(connection, found["id"])
        boxes.deliveries_of(connection, found["id"])
        boxes.to_mend(connection)
        boxes.status(connection, "FB-261122-7K3FQ")

    await filled.store.read(ask)
    whole = {s: p for s, p in plans.items() if "SCAN" in p and "USING" not in p}
    # Only the newest records of all may be read in the table's own order.
    assert len(plans) > 12 and whole == {}, whole
