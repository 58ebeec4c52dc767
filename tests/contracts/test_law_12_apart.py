"""Law 12: one bad channel, token or message never stops another, and what fails is told."""

from __future__ import annotations

from tests.contracts.conftest import Make
from tests.rigs.daemon import Points
from tests.rigs.office import Office
from tests.rigs.ways import Box


async def test_a_fetch_loop_that_falls_over_begins_again(make: Make, office: Office, points: Points) -> None:
    def fail_once() -> None:
        if points.hits["cursor.before_commit"] == 1:
            raise RuntimeError("something that nobody thought of")

    with points.acting("cursor.before_commit", fail_once):
        async with make() as house:
            await Box().bring(house, 1, office=office)
            await house.until(lambda: points.hits["cursor.before_commit"] >= 2)
            await house.until(lambda: Box().flagged(office) == [True])
