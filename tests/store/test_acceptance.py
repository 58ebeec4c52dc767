"""Laws 1 and 2 at the store's face: insert first, one row for one message, repeats are sighted."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any

import pytest
from sqlalchemy import func, select

from store import envelopes, leases, schema
from store.acceptance import Acceptance, CursorMove, NewEnvelope, Stored
from store.errors import LeaseLost
from store.store import Store
from tests.rigs.tools import CountingIds, FixedClock


def envelope(
    ids: CountingIds,
    clock: FixedClock,
    source_id: str = "m1",
    *,
    raw: bytes = b"hello",
    order_key: str | None = None,
    reference: str | None = None,
    owner: str | None = None,
    account: str = "office",
) -> NewEnvelope:
    """One envelope as acceptance hands it to the store."""
    id_ = ids.new()
    values: dict[str, Any] = {
        "id": id_,
        "account": account,
        "channel": "form",
        "kind": "form",
        "source_id": source_id,
        "fingerprint": hashlib.sha256(raw).hexdigest(),
        "order_key": order_key,
        "received_at": clock.now(),
        "sent_at": None,
        "state": "claimed" if owner else "waiting",
        "reason": None,
        "claim": ids.new() if owner else None,
        "owner": owner,
        "reference": reference or f"FB-261122-{id_[-12:]}",
        "blob": hashlib.sha256(raw).hexdigest(),
        "size": len(raw),
        "media_type": "text/plain",
        "meta": {},
        "updated_at": clock.now(),
    }
    blob = {"sha256": values["blob"], "size": len(raw), "place": "row", "data": raw, "stored_at": clock.now()}
    return NewEnvelope(
        values, blob, f"tomb-{account}-{source_id}-{values['fingerprint']}", ids.new(), f"FB-{ids.new()}"
    )


async def accept(store: Store, *rows: NewEnvelope) -> list[Stored]:
    return list(await store.accept(Acceptance(tuple(rows))))


async def count(store: Store, table: Any) -> int:
    return await store.read(lambda c: int(c.scalar(select(func.count()).select_from(table)) or 0))


async def test_the_same_message_twice_is_one_envelope_and_a_sighting(
    store: Store, ids: CountingIds, clock: FixedClock
) -> None:
    (first,) = await accept(store, envelope(ids, clock))
    (second,) = await accept(store, envelope(ids, clock))
    assert second.repeat and second.id == first.id and second.reference == first.reference
    assert await count(store, schema.envelope) == 1
    assert await count(store, schema.sighting) == 1


async def test_the_same_id_with_other_content_is_a_new_message(
    store: Store, ids: CountingIds, clock: FixedClock
) -> None:
    await accept(store, envelope(ids, clock))
    (other,) = await accept(store, envelope(ids, clock, raw=b"other words"))
    assert not other.repeat
    assert await count(store, schema.envelope) == 2


async def test_a_thousand_concurrent_copies_give_one_envelope(
    store: Store, ids: CountingIds, clock: FixedClock
) -> None:
    stored = await asyncio.gather(*(accept(store, envelope(ids, clock)) for _ in range(1000)))
    assert len({one.id for (one,) in stored}) == 1
    assert sum(not one.repeat for (one,) in stored) == 1
    assert await count(store, schema.sighting) == 999


async def test_a_reference_that_is_taken_is_replaced_by_the_spare(
    store: Store, ids: CountingIds, clock: FixedClock
) -> None:
    await accept(store, envelope(ids, clock, reference="FB-261122-AAAAA"))
    row = envelope(ids, clock, "m2", reference="FB-261122-AAAAA", owner="me")
    (second,) = await accept(store, row)
    assert second.reference == row.spare and not second.repeat and not second.claimed
    assert await count(store, schema.envelope) == 2


async def test_one_bad_envelope_does_not_fail_its_neighbours(
    store: Store, ids: CountingIds, clock: FixedClock
) -> None:
    bad = envelope(ids, clock, "bad")
    broken = NewEnvelope({**bad.values, "channel": None}, bad.blob, bad.tombstone, bad.sighting, bad.spare)
    results = await asyncio.gather(
        *(accept(store, envelope(ids, clock, f"m{n}")) for n in range(20)),
        accept(store, broken),
        return_exceptions=True,
    )
    assert isinstance(results[-1], Exception)
    assert not any(isinstance(result, BaseException) for result in results[:-1])
    assert await count(store, schema.envelope) == 20


async def test_a_nul_and_an_emoji_survive(store: Store, ids: CountingIds, clock: FixedClock) -> None:
    row = envelope(ids, clock)
    odd = NewEnvelope({**row.values, "reason": "a\x00b😀"}, row.blob, row.tombstone, row.sighting, row.spare)
    await accept(store, odd)
    assert await store.read(lambda c: c.scalar(select(schema.envelope.c.reason))) == "a\ufffdb😀"


async def test_envelopes_of_one_order_key_are_claimed_one_at_a_time_and_in_order(
    store: Store, ids: CountingIds, clock: FixedClock
) -> None:
    rows = [envelope(ids, clock, f"m{n}", order_key="chat-1", owner="me") for n in range(3)]
    first, second, third = [(await accept(store, row))[0] for row in rows]
    assert (first.claimed, second.claimed, third.claimed) == (True, False, False)

    async def claim() -> list[str]:
        found = await store.run(
            lambda c: envelopes.claim(
                c, owner="me", token=ids.new(), limit=10, recovered=False, now=clock.now()
            )
        )
        return [one.id for one in found]

    assert await claim() == []
    await store.run(
        lambda c: c.execute(
            schema.envelope.update().where(schema.envelope.c.id == first.id).values(state="registered")
        )
    )
    assert await claim() == [second.id]
    assert await claim() == []


async def test_a_poller_that_lost_its_lease_stores_nothing(
    store: Store, ids: CountingIds, clock: FixedClock
) -> None:
    await store.run(lambda c: leases.take_cursor(c, "mail", 1))
    await store.run(lambda c: leases.take_cursor(c, "mail", 2))

    def move(epoch: int) -> CursorMove:
        return CursorMove("mail", epoch, {"uid": 7}, [["INBOX", 1, 7]], clock.now())

    with pytest.raises(LeaseLost):
        await store.accept(Acceptance((envelope(ids, clock),), move(1)))
    assert await count(store, schema.envelope) == 0
    await store.accept(Acceptance((envelope(ids, clock),), move(2)))
    row = await store.read(lambda c: c.execute(select(schema.cursor)).one())
    assert row.value == {"uid": 7} and row.pending == [["INBOX", 1, 7]]


async def test_what_was_erased_comes_back_as_a_duplicate(
    store: Store, ids: CountingIds, clock: FixedClock
) -> None:
    row = envelope(ids, clock, owner="me")
    store.expect_graves()
    await store.run(
        lambda c: c.execute(schema.tombstone.insert().values(hash=row.tombstone, until=clock.now()))
    )
    (stored,) = await accept(store, row)
    assert not stored.claimed
    state = await store.read(lambda c: c.scalar(select(schema.envelope.c.state)))
    assert state == "duplicate"
