"""Law 14: times come from the provider where it gives one, aware and in UTC; ours stands beside them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

from tests.rigs.daemon import House
from tests.rigs.office import Office
from tests.rigs.ways import Box, Mail, Way

#: What the sources say; the mailbox of the rig tells when its mails came in, and a Date must fit to that.
HOOK = datetime(2026, 11, 22, tzinfo=UTC)
BOX = datetime(2026, 10, 31, 23, 30, tzinfo=UTC)


async def test_the_providers_time_is_kept_beside_our_own(house: House, office: Office, way: Way) -> None:
    began = datetime.now(UTC)
    said: datetime | None = {"hook": HOOK}.get(way.channel)
    if isinstance(way, Mail):
        said = BOX if isinstance(way, Box) else began.replace(microsecond=0) - timedelta(hours=1)
        await way.bring_raw(house, office, way.mail(1, Date=format_datetime(said)), 1)
    else:
        await way.bring(house, 1, office=office)
        said = said or way.said
    (record,) = await house.until(house.records)
    sent, received = record["sent_at"], datetime.fromisoformat(record["received_at"])

    assert received.utcoffset() == timedelta()
    assert began <= received <= datetime.now(UTC)
    assert (sent and datetime.fromisoformat(sent)) == said
    if sent:
        assert datetime.fromisoformat(sent).utcoffset() == timedelta()
    await house.idle()
