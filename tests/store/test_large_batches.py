"""A source that delivers very much at once, and all of it again, stops nobody."""

from __future__ import annotations

import pytest

from store import balance
from store.acceptance import Acceptance
from store.store import Store
from tests.rigs.tools import CountingIds, FixedClock
from tests.store.rows import Maker


@pytest.mark.parametrize("many", [1500])
async def test_a_batch_of_thousands_is_taken_in_and_known_again(
    store: Store, ids: CountingIds, clock: FixedClock, many: int
) -> None:
    maker = Maker(store, ids, clock)
    for repeat in (False, True):
        rows = tuple(maker.arrival(f"m{n}", f"{n}".encode(), order_key=f"chat-{n}") for n in range(many))
        stored = await store.accept(Acceptance(rows))
        assert {one.repeat for one in stored} == {repeat}
    assert await maker.count("envelope") == await maker.count("sighting") == many
    (line,) = await store.read(balance.balance)
    assert (line.received, line.difference) == (2 * many, 0)
