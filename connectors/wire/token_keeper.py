"""Keeps the access token of one app: one owner at a time over all replicas, and one forced refresh when refused.

    keeper = TokenKeeper(tools, "access_token", fetch)
    token = await keeper.get()
    token = await keeper.refused(token)      # the far side said 40001 or 42001 to it

The token is in the vault before it is used, so that replicas share it. A token that is refused although it
should still live, while the platform gives out another one, was killed by another system that asks for tokens
of the same app: `stolen_at` says when that was last seen.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from model.failures import Reason, TemporaryFailure, Uncertain
from model.tools import Tools

#: Forced refreshes that are remembered: those of the last day.
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Fresh:
    """A token as the platform gave it."""

    value: str
    lasts: timedelta


@dataclass(frozen=True, slots=True)
class _Kept:
    """What is in the vault."""

    value: str
    since: datetime
    until: datetime
    forced: tuple[datetime, ...] = ()
    stolen: datetime | None = None

    def dump(self) -> str:
        return json.dumps(
            {
                "value": self.value,
                "since": self.since.isoformat(),
                "until": self.until.isoformat(),
                "forced": [one.isoformat() for one in self.forced],
                "stolen": self.stolen.isoformat() if self.stolen else None,
            }
        )

    @classmethod
    def load(cls, text: str) -> _Kept | None:
        """What was dumped; None when it is of another release."""
        try:
            told: Any = json.loads(text)
            return cls(
                told["value"],
                datetime.fromisoformat(told["since"]),
                datetime.fromisoformat(told["until"]),
                tuple(datetime.fromisoformat(one) for one in told["forced"]),
                datetime.fromisoformat(told["stolen"]) if told["stolen"] else None,
            )
        except (ValueError, TypeError, KeyError):
            return None


class TokenKeeper:
    """The one that asks the platform for tokens of an app."""

    def __init__(
        self,
        tools: Tools,
        name: str,
        fetch: Callable[[bool], Awaitable[Fresh]],
        *,
        early: timedelta = timedelta(minutes=5),
        force_every: timedelta = timedelta(seconds=30),
        force_a_day: int = 20,
    ) -> None:
        """`fetch(force)` asks the platform once. A token is renewed so much `early`; `force_every` and
        `force_a_day` are the platform's bounds for forcing it."""
        self._tools = tools
        self._name = name
        self._fetch = fetch
        self._early = early
        self._force_every = force_every
        self._force_a_day = force_a_day
        self._kept: _Kept | None = None

    @property
    def stolen_at(self) -> datetime | None:
        """When another system was last seen to have replaced a token of ours."""
        return self._kept.stolen if self._kept else None

    async def get(self) -> str:
        """The token in use, fetched when there is none or it ends soon. Raises what `fetch` does."""
        if not self._lives(self._kept):
            self._kept = await self._load()
        if self._kept is None or not self._lives(self._kept):
            self._kept = await self._renewed(refused=None)
        return self._kept.value

    async def refused(self, value: str) -> str:
        """Another token than the refused one. TemporaryFailure (auth) when the platform has none for us."""
        self._kept = await self._renewed(refused=value)
        return self._kept.value

    def _lives(self, kept: _Kept | None) -> bool:
        if kept is None:
            return False
        early = min(self._early, (kept.until - kept.since) / 2)
        return self._tools.clock.now() < kept.until - early

    async def _load(self) -> _Kept | None:
        text = await self._tools.vault.get(self._name)
        return _Kept.load(text) if text else None

    async def _renewed(self, refused: str | None) -> _Kept:
        async with self._tools.vault.alone(self._name):
            before = await self._load()
            if before is not None and before.value != refused and self._lives(before):
                return before  # another process was here first
            try:
                kept = await self._fetched(before, refused)
            except Uncertain as error:  # nothing was sent to a customer, so nothing is uncertain
                raise TemporaryFailure(Reason.UNREACHABLE, error.detail) from None
            await self._tools.vault.put(self._name, kept.dump())
            return kept

    async def _fetched(self, before: _Kept | None, refused: str | None) -> _Kept:
        now = self._tools.clock.now()
        forced = tuple(one for one in (before.forced if before else ()) if one > now - _DAY)
        stolen = before.stolen if before else None
        fresh = await self._fetch(False)
        if refused is not None and fresh.value != refused:
            if before is not None and before.value == refused and self._lives(before):
                stolen = now
                self._tools.log.warning("token.replaced_by_another_system", token=self._name)
        elif refused is not None:
            if (forced and now - forced[-1] < self._force_every) or len(forced) >= self._force_a_day:
                raise TemporaryFailure(
                    Reason.THROTTLED,
                    "the platform refuses its own token, and may not be asked for another one yet",
                    retry_after=self._force_every,
                )
            fresh, forced = await self._fetch(True), (*forced, now)
        return _Kept(fresh.value, now.astimezone(UTC), now.astimezone(UTC) + fresh.lasts, forced, stolen)
