"""Law 2: the same source message twice gives one record; what only looks the same does not get lost."""

from __future__ import annotations

from tests.rigs.daemon import House
from tests.rigs.office import Office
from tests.rigs.ways import Way


async def test_the_same_message_twice_is_one_record(house: House, office: Office, way: Way) -> None:
    first = await way.bring(house, 1, office=office)
    await house.until(lambda: _count(house, 1))
    await house.idle()
    second = await way.bring(house, 1, office=office)
    await house.until(lambda: _sightings(house, 1))
    await house.idle()

    assert len(await house.records()) == 1
    assert first.reference == second.reference
    assert len(way.got(office, 1)) == 1, "one acknowledgement"


async def _count(house: House, n: int) -> bool:
    return len(await house.records()) == n


async def _sightings(house: House, n: int) -> bool:
    return len(await house.rows("sighting")) == n
