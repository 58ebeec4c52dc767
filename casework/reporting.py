"""Makes reports, keeps their figures up to date, and says which are to be sent now."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, time, timedelta

from sqlalchemy import Connection

from casework import report
from casework.deadlines import Deadlines
from casework.periods import LENGTHS, Period
from casework.report import Report
from casework.settings import OfficeSettings
from model.tools import Clock
from store import reports
from store.store import Store

#: Events that are counted in one transaction.
_AT_ONCE = 200
_AGAIN = 20
#: Portions that are counted for a report at the most.
_MOST = 20
#: A report that was not sent for so long (a setting made later, a daemon that stood) is sent no more.
_STALE = timedelta(days=7)


class Reporting:
    """Figures of the office, by periods of its calendar."""

    def __init__(
        self, store: Store, deadlines: Deadlines, settings: Callable[[], OfficeSettings], *, clock: Clock
    ) -> None:
        self._store = store
        self._deadlines = deadlines
        self._settings = settings
        self._clock = clock

    def now(self) -> datetime:
        """Now, in the office's time zone."""
        return self._clock.now().astimezone(self._deadlines.worktime.zone)

    async def count(self) -> bool:
        """Count some of what happened; False when nothing is left."""
        zone = self._deadlines.worktime.zone
        return await self._store.run(lambda c: reports.read_on(c, zone, _AT_ONCE), "figures") == _AT_ONCE

    async def counted(self) -> bool:
        """Count what happened just now; False when there is too much for one go."""
        for _ in range(_MOST):
            if not await self.count():
                return True
        return False

    async def report(self, period: Period) -> Report:
        """The report of a period, over what was counted so far; what it still lacks it tells."""
        await self.counted()
        first, last = period.first.isoformat(), period.last.isoformat()
        before, earliest = period.moved(-1), period.trend()[0].first.isoformat()
        now, least = self.now(), self._settings().report.recurring_from

        def read(connection: Connection) -> Report:
            return report.made(
                period,
                sums=reports.totals(connection, first, last),
                before=reports.totals(connection, before.first.isoformat(), before.last.isoformat()),
                months=reports.by_month(connection, earliest, last, report.TREND),
                again=reports.brought_again(connection, first, last, _AGAIN),
                recurring_from=least,
                made_at=now,
                running=now.date() <= period.last,
                behind=reports.behind(connection),
            )

        return await self._store.read(read)

    def due(self) -> list[Period]:
        """The periods whose reports are to be sent by now: over, and not for long."""
        settings, now = self._settings().report, self.now()
        hours, minutes = divmod(settings.at, 60)
        found = []
        for length in LENGTHS:
            if length not in settings.periods:
                continue
            over = Period.around(now.date(), length).moved(-1)
            when = datetime.combine(over.last + timedelta(days=1), time(hours, minutes), now.tzinfo)
            if when <= now < when + _STALE:
                found.append(over)
        return found
