"""Looks at the house at intervals: room on the disk, gauges, alerts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from config.settings import AlertSettings
from gateway import notifier
from gateway.alerts import HOUR, Observations, Observed, Pattern, evaluate
from gateway.house import House
from gateway.http import ClientHttp
from gateway.internal_mail import internal_mail
from gateway.notifier import AlertMail, Notifier
from gateway.operate import authorised_until
from model.event import EventType
from model.health import HealthState
from store import boxes, facts, figures, leases, lookups, windows
from store.units import Insert, Unit, Update

_STATE = "alerts"
_FIRST_SEEN = "channels_since"


class Watch:
    """Observes, evaluates and tells."""

    def __init__(self, house: House, http: ClientHttp) -> None:
        self._house = house
        self._http = http
        self._failing_since: dict[str, datetime] = {}
        self._settings = house.loaded.settings.alerts
        self._notifier = self._make(self._settings)
        self._pattern = Pattern(self._history, self._settings.pattern.weeks)

    async def tick(self) -> None:
        """One look, and what follows from it."""
        settings = self._house.loaded.settings.alerts
        if settings != self._settings:
            self._settings, self._notifier = settings, self._make(settings)
            self._pattern = Pattern(self._history, settings.pattern.weeks)
        now = self._house.clock.now()
        seen = await self._observe(now)
        await self._notifier.tick(evaluate(seen, now, settings), now)

    async def windows(self) -> None:
        """Tell once, in its timeline, that a customer who waits can soon no longer be answered."""
        house, store = self._house, self._house.store
        now = house.clock.now()
        until = now + house.loaded.settings.alerts.window_before
        found = [
            one for one in await store.read(lambda c: windows.closing(c, now, until)) if one.told_at is None
        ]
        if not found:
            return
        ours = await store.run(
            lambda c: leases.take(c, "windows", store.owner, house.loaded.settings.leases.ttl, now), "lease"
        )
        if ours is None:
            return
        for one in found:
            minutes = int((one.until - now).total_seconds() // 60)
            row = {
                "id": house.ids.new(),
                "type": EventType.WINDOW_CLOSES.value,
                "record": one.record,
                "reference": one.reference,
                "at": now,
                "actor": "forebay",
                "data": {"channel": one.channel, "closes_at": one.until.isoformat(), "minutes": minutes},
            }
            told = Update(
                "opening", {"conversation": one.conversation, "envelope": one.envelope}, {"told_at": now}
            )
            await store.submit(Unit(None, (Insert("event", row),), (told,), label="window"))

    def _make(self, settings: AlertSettings) -> Notifier:
        ways: dict[str, notifier.Send] = {}
        if settings.email is not None:
            ways["email"] = notifier.by_email(self._enqueue, settings.email.channel, settings.email.to)
        if settings.webhook is not None:
            ways["webhook"] = notifier.by_webhook(self._http, settings.webhook)
        return Notifier(settings, ways, self._load, self._save, self._house.log)

    async def _load(self) -> Any:
        return await self._house.store.read(lambda c: facts.get(c, _STATE))

    async def _save(self, state: Any) -> None:
        await self._house.store.run(lambda c: facts.put(c, _STATE, state), "alerts")

    async def _history(self, channel: str, since: datetime, until: datetime) -> Mapping[datetime, int]:
        return await self._house.store.read(lambda c: figures.hourly(c, channel, since, until))

    async def _enqueue(self, mail: AlertMail) -> None:
        """An alert by e-mail goes the way of every message."""
        row = internal_mail(
            self._house,
            key=f"alert:{mail.key}",
            channel=mail.channel,
            to=mail.to,
            subject=mail.subject,
            text=mail.text,
        )
        await self._house.store.submit(Unit(None, (row,), label="alert"))
        self._house.dispatcher.wake()

    # ---- observing

    async def _observe(self, now: datetime) -> Observations:
        store = self._house.store
        counts = await store.read(boxes.counts)
        oldest = await store.read(lambda c: figures.oldest_waiting(c, now))
        last_in = await store.read(figures.last_in)
        loops, loop_why, loop_with = await store.read(lambda c: lookups.loops(c, now - HOUR))
        since = await self._first_seen(now)
        observed = [await self._channel(name, last_in, since, now) for name in list(self._house.channels)]
        observed += [self._destination(name, now) for name in list(self._house.destinations)]
        return Observations(
            observed=[one for one in observed if one is not None],
            dead=counts["deliveries"].get("dead", 0),
            quarantined=counts["envelopes"].get("quarantined", 0),
            loops=loops,
            loop_why=loop_why,
            loop_with=loop_with,
            disk_free=await store.check_room(),
            windows_closing=await store.read(
                lambda c: windows.waiting_for(c, now, now + self._settings.window_before)
            ),
            surges=await self._house.surges.active(),
            oldest_waiting=oldest,
        )

    async def _channel(
        self, name: str, last_in: Mapping[str, datetime], since: Mapping[str, str], now: datetime
    ) -> Observed | None:
        channel = self._house.channels.get(name)
        if channel is None or not channel.open:
            return None
        pattern = self._settings.pattern.enabled
        return Observed(
            name=name,
            health=channel.health,
            failing_since=self._since(name, channel.health.state, now),
            last_in=last_in.get(name),
            watched_since=datetime.fromisoformat(since[name]) if name in since else None,
            silent_after=channel.settings.silent_after,
            authorised_until=authorised_until(channel),
            history=await self._pattern.of(name, now) if pattern else {},
        )

    def _destination(self, name: str, now: datetime) -> Observed | None:
        state = self._house.destinations.get(name)
        if state is None or not state.open:
            return None
        since = self._since(name, state.health.state, now)
        return Observed(name=name, health=state.health, failing_since=since)

    def _since(self, name: str, state: HealthState, now: datetime) -> datetime | None:
        if state is not HealthState.FAILING:
            self._failing_since.pop(name, None)
            return None
        return self._failing_since.setdefault(name, now)

    async def _first_seen(self, now: datetime) -> Mapping[str, str]:
        """When each channel was first configured: silence counts from then while nothing came."""
        known: dict[str, str] = await self._house.store.read(lambda c: facts.get(c, _FIRST_SEEN, {}))
        new = {name: now.isoformat() for name in self._house.channels if name not in known}
        if new:
            known = {**known, **new}
            await self._house.store.run(lambda c: facts.put(c, _FIRST_SEEN, known), "alerts")
        return known
