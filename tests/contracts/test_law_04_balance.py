"""Law 4: received = waiting + held + registered + joined + duplicate + quarantined + ignored, by channel and day."""

from __future__ import annotations

from collections import Counter

from tests.rigs.daemon import House
from tests.rigs.office import Office
from tests.rigs.ways import WAYS, Box, Way


async def test_the_counts_balance_after_everything_that_can_happen(house: House, office: Office) -> None:
    for way in WAYS:
        await _everything(house, office, way)
    await house.until(lambda: _arrived(house))
    await house.idle()
    held = [one["id"] for one in await house.envelopes("held")]
    bad = [one["id"] for one in await house.envelopes("quarantined")]
    assert (len(held), len(bad)) == (2 * len(WAYS), len(WAYS))
    await house.ask("POST", "/v1/inbox/release", {"ids": held[::2]})
    await house.ask("POST", "/v1/inbox/ignore", {"ids": [*held[1::2], bad[0]], "reason": "advertising"})
    await house.idle()

    told = await house.balanced()
    total: Counter[str] = Counter()
    for line in told["lines"]:
        assert line["received"] == sum(line["by_state"].values()), line
        total.update(line["by_state"])
    assert total == {
        "registered": 2 * len(WAYS),
        "duplicate": len(WAYS),
        "ignored": len(WAYS) + 1,
        "quarantined": len(WAYS) - 1,
    }
    assert sum(line["received"] for line in told["lines"]) == 5 * len(WAYS)


async def _everything(house: House, office: Office, way: Way) -> None:
    await way.bring(house, 1, office=office)
    await way.bring(house, 1, office=office)  # the same again
    await way.bring_unreadable(house, office)
    await way.bring(house, 2, text="hold this one", office=office)
    await way.bring(house, 3, text="hold this other one", office=office)
    if isinstance(way, Box):
        await house.until(lambda: way.flagged(office) == [True] * 5)


async def _arrived(house: House) -> bool:
    return len(await house.rows("sighting")) == len(WAYS)
