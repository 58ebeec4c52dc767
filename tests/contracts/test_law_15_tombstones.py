"""Law 15: what was purged leaves a tombstone; when its source brings it again it is a duplicate."""

from __future__ import annotations

from store import retention
from tests.rigs.daemon import House, MovedClock
from tests.rigs.office import Office
from tests.rigs.ways import Way


async def test_what_was_purged_comes_again_as_a_duplicate(
    house: House, office: Office, way: Way, moved: MovedClock
) -> None:
    await way.bring(house, 1, text="hold this advertisement", office=office)
    (held,) = await house.until(lambda: house.envelopes("held"))
    await house.ask("POST", "/v1/inbox/ignore", {"ids": [held["id"]], "reason": "advertising"})
    settings = house.loaded.settings.retention
    moved.by = settings.ignored * 1.1
    await retention.purge(house.store, settings)
    assert await house.envelopes() == []

    await way.bring(house, 1, text="hold this advertisement", office=office)
    (again,) = await house.until(lambda: house.envelopes("duplicate"))
    assert again["reason"] == "erased or purged before"
    assert await house.records() == [] and way.got(office, 1) == []
