"""When operators must look: a pure judgement of what was observed, and the pattern that silence is held against."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from config.settings import AlertSettings, PatternSettings
from model.health import Health, HealthState

HOUR = timedelta(hours=1)
WEEK = timedelta(weeks=1)
#: Fills in the sentence about an alert; JSON values, kept with the state of the notifier.
Facts = Mapping[str, str | int | float]
#: Envelopes received by a channel in each hour (its beginning, UTC) from one time to another.
History = Callable[[str, datetime, datetime], Awaitable[Mapping[datetime, int]]]


class AlertKind(StrEnum):
    """What is wrong."""

    FAILING = "failing"
    SILENT = "silent"
    QUIET = "quiet"
    AUTHORISATION = "authorisation"
    DEAD = "dead"
    QUARANTINED = "quarantined"
    DISK = "disk"
    BACKLOG = "backlog"
    WINDOW = "window"
    SURGE = "surge"
    LOOP = "loop"


@dataclass(frozen=True, slots=True)
class Alert:
    """One thing that is wrong now. `subject` is the channel or destination, or empty for the whole house."""

    kind: AlertKind
    subject: str = ""
    facts: Facts = field(default_factory=dict)

    @property
    def key(self) -> str:
        """What stays the same while the alert lasts."""
        return f"{self.kind}:{self.subject}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """A channel or destination as it was seen. Times are aware; a destination leaves out what it lacks."""

    name: str
    health: Health
    failing_since: datetime | None = None
    last_in: datetime | None = None
    """When its latest envelope was received, or None when none ever was."""
    watched_since: datetime | None = None
    """When it was first configured; silence counts from here while nothing came."""
    silent_after: timedelta | None = None
    authorised_until: datetime | None = None
    history: Mapping[datetime, int] = field(default_factory=dict)
    """Envelopes an hour (its beginning, UTC) over the weeks before; empty when silence is not watched."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observations:
    """The whole house as it was seen at one time."""

    observed: Sequence[Observed] = ()
    """Enabled channels and destinations; a paused or disabled one is silent on purpose."""
    dead: int = 0
    quarantined: int = 0
    loops: int = 0
    """Automatic messages that were withheld in the last hour as rounds of a loop; of the latest, why and from whom."""
    loop_why: str = ""
    loop_with: str = ""
    disk_free: int | None = None
    """Bytes free where the data folder is."""
    windows_closing: Mapping[str, int] = field(default_factory=dict)
    """By channel, customers who wait for an answer and can soon no longer be answered."""
    surges: int = 0
    """Matters that many customers bring at once, and that nobody answered."""
    oldest_waiting: datetime | None = None
    """Since when the envelope or due delivery that has waited longest waits."""


def evaluate(seen: Observations, now: datetime, settings: AlertSettings) -> dict[str, Alert]:
    """The alerts that hold at `now`, by key. Pure: the same observations give the same alerts."""
    found = [alert for one in seen.observed for alert in _about(one, now, settings)]
    if seen.dead > settings.dead:
        found.append(Alert(AlertKind.DEAD, facts={"n": seen.dead}))
    if seen.quarantined > settings.quarantined:
        found.append(Alert(AlertKind.QUARANTINED, facts={"n": seen.quarantined}))
    if seen.loops > settings.loops:
        why: Facts = {"n": seen.loops, "why": seen.loop_why, "with": seen.loop_with}
        found.append(Alert(AlertKind.LOOP, facts=why))
    if seen.disk_free is not None and seen.disk_free < settings.disk_free_bytes:
        found.append(Alert(AlertKind.DISK, facts={"free_mb": seen.disk_free // 1_000_000}))
    if seen.surges:
        found.append(Alert(AlertKind.SURGE, facts={"n": seen.surges}))
    found += [Alert(AlertKind.WINDOW, name, {"n": n}) for name, n in seen.windows_closing.items() if n]
    waited = now - seen.oldest_waiting if seen.oldest_waiting else timedelta()
    if waited > settings.backlog_age:
        found.append(Alert(AlertKind.BACKLOG, facts={"minutes": int(waited.total_seconds() // 60)}))
    return {alert.key: alert for alert in found}


def _about(one: Observed, now: datetime, settings: AlertSettings) -> Iterator[Alert]:
    failing = one.health.state is HealthState.FAILING
    if failing and one.failing_since is not None and now - one.failing_since >= settings.failing_for:
        why: Facts = {"detail": one.health.detail, "repair": one.health.repair}
        yield Alert(AlertKind.FAILING, one.name, why)
    elif not failing:  # that a failing channel is silent too is no news
        yield from _silence(one, now, settings.pattern)
    until = one.authorised_until
    if until is not None and until - now <= settings.authorisation_before:
        yield Alert(AlertKind.AUTHORISATION, one.name, {"until": stamp(until)})


def _silence(one: Observed, now: datetime, pattern: PatternSettings) -> Iterator[Alert]:
    since = one.last_in or one.watched_since
    if since is None:
        return
    hours = round((now - since) / HOUR, 1)
    if one.silent_after is not None and now - since > one.silent_after:
        yield Alert(AlertKind.SILENT, one.name, {"since": stamp(since), "hours": hours})
    elif pattern.enabled and one.last_in is not None:
        missed = expected(one.history, one.last_in, now, pattern.weeks)
        if missed >= pattern.expected:
            facts: Facts = {"since": stamp(since), "hours": hours, "expected": round(missed)}
            yield Alert(AlertKind.QUIET, one.name, facts)


def expected(history: Mapping[datetime, int], since: datetime, now: datetime, weeks: int) -> float:
    """How many messages usually come in this stretch of the week: the mean of the same stretch in past weeks.

    Zero unless something came in every one of those weeks: a channel too young to judge, or one that is
    sometimes quiet at this time, is not held against its mean. A stretch is cut to a week, so that it is
    never compared with itself.
    """
    since = max(since, now - WEEK)
    counts = [_count(history, since - WEEK * n, now - WEEK * n) for n in range(1, weeks + 1)]
    return sum(counts) / weeks if all(counts) else 0.0


def _count(history: Mapping[datetime, int], start: datetime, end: datetime) -> float:
    """Messages between two times; of an hour that lies only partly between them, that part."""
    total = 0.0
    hour = start.replace(minute=0, second=0, microsecond=0)
    while hour < end:
        inside = min(end, hour + HOUR) - max(start, hour)
        total += history.get(hour, 0) * (inside / HOUR)
        hour += HOUR
    return total


def stamp(at: datetime) -> str:
    """A time as operators read it."""
    return f"{at:%Y-%m-%d %H:%M} {at:%Z}".rstrip()


class Pattern:
    """What channels received in the past weeks, asked for once an hour."""

    def __init__(self, history: History, weeks: int) -> None:
        self._history = history
        self._weeks = weeks
        self._known: dict[str, tuple[datetime, Mapping[datetime, int]]] = {}

    async def of(self, channel: str, now: datetime) -> Mapping[datetime, int]:
        """Counts an hour; long enough back that a week's stretch finds its match in every week."""
        hour = now.replace(minute=0, second=0, microsecond=0)
        at, counts = self._known.get(channel, (None, {}))
        if at != hour:
            counts = await self._history(channel, hour - WEEK * (self._weeks + 1), hour)
            self._known[channel] = (hour, counts)
        return counts

    def keep(self, channels: Sequence[str]) -> None:
        """Forget channels that are no longer configured."""
        self._known = {name: known for name, known in self._known.items() if name in channels}
