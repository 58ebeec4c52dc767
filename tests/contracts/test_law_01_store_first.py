"""Law 1: nobody is answered, and nothing at a source is touched, before the message is committed."""

from __future__ import annotations

import asyncio

from tests.contracts.conftest import Make
from tests.rigs.daemon import House, Points
from tests.rigs.office import Office
from tests.rigs.ways import Box, Way


async def test_nobody_is_answered_or_flagged_before_the_commit(
    house: House, office: Office, points: Points, way: Way
) -> None:
    with points.held(f"accept.{way.kind}.before_commit") as arrived:
        bringing = asyncio.create_task(way.bring(house, 1, office=office))
        await arrived()
        await asyncio.sleep(0.15)  # time in which a wrong answer would get out
        if way.answers:
            assert not bringing.done()
        assert not any("STORE" in line for line in office.imap.log)
        assert await house.rows("envelope") == []

    told = await asyncio.wait_for(bringing, 10)
    assert told.taken in (True, None)
    await house.until(lambda: house.rows("envelope"))
    await house.idle()
    assert len(await house.records()) == 1
    if isinstance(way, Box):
        await house.until(lambda: way.flagged(office) == [True])


async def test_what_a_source_was_not_told_is_told_first_after_a_restart(
    make: Make, office: Office, points: Points
) -> None:
    box = Box()

    def refuse() -> None:
        raise ConnectionError("the test lets nothing be confirmed")

    with points.acting("confirm.before", refuse):
        async with make() as house:
            await box.bring(house, 1, office=office)
            await house.until(lambda: points.hits["confirm.before"])
            await house.idle()
    assert box.flagged(office) == [False]

    office.imap.log.clear()
    async with make() as house:
        await house.until(lambda: box.flagged(office) == [True])
        await house.until(lambda: "IDLE" in office.imap.log)
        verbs = [line.split(" (")[0] for line in office.imap.log if line.startswith(("UID", "IDLE"))]
        assert verbs[0].startswith("UID STORE"), verbs
        assert len(await house.records()) == 1
        assert len(box.got(office, 1)) == 1
