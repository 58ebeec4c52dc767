"""Law 14: times come from the provider where it gives one, aware and in UTC; ours stands beside them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tests.rigs.daemon import House
from tests.rigs.office import Office
from tests.rigs.ways import Way

#: What each source says about when its message was made.
SAID = {
    "form": None,
    "hook": datetime(2026, 11, 22, tzinfo=UTC),
    "mail": datetime(2026, 11, 22, tzinfo=UTC),
    # When it came into the box, which its Date cannot be long after.
    "box": datetime(2026, 11, 1, tzinfo=UTC),
}


async def test_the_providers_time_is_kept_beside_our_own(house: House, office: Office, way: Way) -> None:
    began = datetime.now(UTC)
    await way.bring(house, 1, office=office)
    (record,) = await house.until(house.records)
    sent, received = record["sent_at"], datetime.fromisoformat(record["received_at"])

    assert received.utcoffset() == timedelta()
    assert began <= received <= datetime.now(UTC)
    assert (sent and datetime.fromisoformat(sent)) == SAID[way.channel]
    if sent:
        assert datetime.fromisoformat(sent).utcoffset() == timedelta()
    await house.idle()
