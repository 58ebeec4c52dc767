"""How much automatic mail went out in the last hour: counted in the database now and then, and followed in between."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from model.delivery import LOOPS
from model.registration import Planned
from model.tools import Clock
from store import lookups
from store.lookups import Findings
from store.store import Store

#: How old the counts may be, all and by domain, seconds.
_AGE = 10.0


class Lately:
    """The counts of the last hour: a domain may have very many messages, too many to count for each batch."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._counted_at = float("-inf")
        self.total = 0
        self._domains: dict[str, int] = {}
        """What went to each mail domain, as old as the total."""
        self._looping: dict[str, int] = {}
        """What each mail domain did not get, as rounds of a loop; as old as the others."""

    async def refresh(self, now: datetime) -> None:
        """Count all anew when the counts are too old; domains are asked for as they come."""
        if self._clock.monotonic() - self._counted_at > _AGE:
            self.total = await self._store.read(lambda c: lookups.sent_in_the_last_hour(c, now))
            self._counted_at = self._clock.monotonic()
            self._domains, self._looping = {}, {}

    def unknown(self, domains: Collection[str]) -> set[str]:
        """Which of the domains must be counted in the database."""
        return set(domains) - self._domains.keys()

    def learn(self, asked: Collection[str], found: Findings) -> None:
        """Keep what was counted for the domains, and put what is known of all into the findings."""
        self._domains |= dict.fromkeys(asked, 0) | found.domain_hour
        self._looping |= dict.fromkeys(asked, 0) | found.domain_loops
        found.domain_hour, found.domain_loops = self._domains, self._looping

    def note(self, planned: Planned) -> None:
        """Count what was just committed."""
        for row in planned.rows:
            if row["purpose"] == "acknowledgement":
                self.total += 1
                if (domain := row["domain"]) in self._domains:
                    self._domains[domain] += row["state"] != "cancelled"
                    self._looping[domain] += row["reason"] in LOOPS
