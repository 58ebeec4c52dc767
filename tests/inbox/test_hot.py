"""What waits in memory is bounded, by number and by bytes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from inbox.hot import Hot, HotQueue
from model.envelope import StoredEnvelope
from model.states import EnvelopeState


def hot(raw: bytes) -> Hot:
    names: dict[str, Any] = dict.fromkeys(StoredEnvelope.__dataclass_fields__)
    made = replace(
        StoredEnvelope(**names), received_at=datetime(2026, 1, 1, tzinfo=UTC), state=EnvelopeState.CLAIMED
    )
    return Hot(made, raw)


async def test_bytes_beyond_the_room_are_left_to_the_store_and_the_room_comes_back() -> None:
    queue = HotQueue(10, 100)

    async def through(*sizes: int) -> list[int | None]:
        for size in sizes:
            assert queue.reserve()
            queue.put(hot(b"x" * size))
        return [None if one.raw is None else len(one.raw) for one in await queue.take(10, 0)]

    assert await through(60, 60, 40, 1) == [60, None, 40, None]
    assert await through(100) == [100]


async def test_there_are_so_many_places() -> None:
    queue = HotQueue(2)
    assert [queue.reserve() for _ in range(3)] == [True, True, False]
    queue.give_back()
    assert queue.reserve()


async def test_for_how_long_the_next_one_has_waited() -> None:
    queue, later = HotQueue(2), datetime(2026, 1, 1, 0, 0, 3, tzinfo=UTC)
    assert queue.waited(later) == 0.0
    for _ in range(2):
        queue.reserve()
        queue.put(hot(b""))
    assert queue.waited(later) == 3.0
