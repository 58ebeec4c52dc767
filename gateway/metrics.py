"""The figures at /metrics: counted as things happen, and gauges that are read from the store at intervals."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, generate_latest

from gateway.house import House
from model.health import HealthState
from store import boxes, errands, figures, windows

#: Seconds from a request at a door to its answer; the target is 50 ms for 99 of 100.
_DOOR_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
#: Stands for every channel name that a stranger made up: each series takes memory for good.
UNKNOWN = "unknown"

T = TypeVar("T", Counter, Histogram)


class Metrics:
    """All figures of one daemon, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry(auto_describe=True)
        self._channels: set[str] = set()
        self._written = (0, 0)
        self._series: dict[tuple[object, ...], Counter | Histogram] = {}

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"forebay_{name}", text, labels, registry=registry)

        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(f"forebay_{name}", text, labels, registry=registry)

        self._envelopes = counter(
            "envelopes", "What came in, by channel and what became of it.", "channel", "outcome"
        )
        self._deliveries = counter(
            "deliveries",
            "Tries to send, by how each ended: delivered, entrusted, uncertain, stopped (the customer said STOP), "
            "or the reason of its failure.",
            "target",
            "purpose",
            "outcome",
        )
        self._errands = counter(
            "errands",
            "Files and profiles that were fetched after registering, by how each ended.",
            "channel",
            "outcome",
        )
        self._closing = gauge(
            "windows_closing",
            "Customers who wait for an answer, and whose reply window closes within `alerts.window_before`.",
            "channel",
        )
        self._to_fetch = gauge("errands_open", "Files and profiles that are still to be fetched.")
        self._door = Histogram(
            "forebay_door_request_seconds",
            "From a request at a door to its answer.",
            ("channel",),
            buckets=_DOOR_BUCKETS,
            registry=registry,
        )
        self._commits = counter("commits", "Commits of the store's writer.")
        self._units = counter("commit_units", "Units of work in them; by commits, the mean size of a group.")
        self._queue = gauge("queue_units", "What waits in memory: for the writer, the processor.", "queue")
        self._open = gauge("envelopes_open", "Envelopes that are not settled, by state.", "state")
        self._owed = gauge("deliveries_open", "Deliveries that are not settled, by state.", "state")
        self._waiting = gauge("deliveries_waiting", "Deliveries that wait, by target.", "target")
        self._mend = gauge("to_mend", "Envelopes and deliveries that only a person can move on.")
        self._backlog = gauge(
            "backlog_age_seconds", "Since when the longest waiting envelope or due delivery waits."
        )
        self._healthy = gauge(
            "channel_health",
            "1 for the state that a channel or destination is in.",
            "name",
            "role",
            "kind",
            "state",
        )
        self._last_in = gauge("channel_last_in_timestamp_seconds", "When something last came in.", "channel")
        self._hold = gauge("on_hold", "1 while a restored or copied store waits for `forebay release`.")
        self._disk = gauge("disk_free_bytes", "Free where the data folder lies.")
        self._reload = gauge("config_reload_success", "1 when the last reload of the configuration worked.")
        self._reload.set(1)
        Info("forebay_build", "What runs.", registry=registry).info({"version": release()})

    def envelope(self, channel: str, outcome: str) -> None:
        """Count one envelope, or one request at a door, of a configured channel."""
        self._channels.add(channel)
        self._one(self._envelopes, channel, outcome).inc()

    def delivery(self, target: str, purpose: str, outcome: str) -> None:
        """Count one try to send."""
        self._one(self._deliveries, target, purpose, outcome).inc()

    def errand(self, channel: str, outcome: str) -> None:
        """Count the end of one errand."""
        self._errands.labels(channel, outcome).inc()

    def conversations(self, closing: Mapping[str, int], to_fetch: int) -> None:
        """Set whose windows close soon, by channel, and what is still to be fetched."""
        _set_all(self._closing, closing)
        self._to_fetch.set(to_fetch)

    def door_seconds(self, channel: str, seconds: float) -> None:
        """Note how long a door took; a name that belongs to no channel is not taken for a label."""
        self._one(self._door, channel if channel in self._channels else UNKNOWN).observe(seconds)

    def _one(self, figure: T, *labels: str) -> T:
        """The series with these labels; kept, because finding it costs more than counting."""
        found: T | None = self._series.get((figure, *labels))  # type: ignore[assignment]
        if found is None:
            found = self._series[figure, *labels] = figure.labels(*labels)
        return found

    def reload_ok(self, ok: bool) -> None:
        """Note how the last reload went."""
        self._reload.set(ok)

    def render(self) -> bytes:
        """Everything in the text format 0.0.4 of Prometheus."""
        return generate_latest(self.registry)

    # ---- what `refresh` sets

    def wrote(self, commits: int, units: int) -> None:
        """Set the writer's counts since the start."""
        self._commits.inc(max(commits - self._written[0], 0))
        self._units.inc(max(units - self._written[1], 0))
        self._written = (commits, units)

    def queues(self, depths: Mapping[str, int]) -> None:
        _set_all(self._queue, depths)

    def stands(
        self, counts: Mapping[str, Mapping[str, int]], waiting: Mapping[str, int], age: float, disk: int
    ) -> None:
        """Set what is not settled, by state and by target, the age of the oldest, and the bytes left for more."""
        _set_all(self._open, counts["envelopes"])
        _set_all(self._owed, counts["deliveries"])
        _set_all(self._waiting, waiting)
        self._mend.set(boxes.waiting_for_a_person(counts))
        self._backlog.set(age)
        self._disk.set(disk)

    def health(self, house: House) -> None:
        """Set the health of everything that is configured now, and of nothing else."""
        self._channels.update(house.channels)
        self._hold.set(house.store.on_hold)
        self._healthy.clear()
        self._last_in.clear()
        for channel in house.channels.values():
            self._healthy_is(channel.name, "channel", channel.kind, channel.health.state, channel.paused)
            if channel.last_in_at is not None:
                self._last_in.labels(channel.name).set(channel.last_in_at.timestamp())
        for one in house.destinations.values():
            self._healthy_is(one.name, "destination", one.spec.kind, one.health.state, one.paused)

    def _healthy_is(self, name: str, role: str, kind: str, state: HealthState, paused: str | None) -> None:
        now = "paused" if paused else state.value
        for one in (*(known.value for known in HealthState), "paused"):
            self._healthy.labels(name, role, kind, one).set(one == now)


async def refresh(metrics: Metrics, house: House) -> None:
    """Set the gauges to what the house and its store say now."""
    store, now = house.store, house.clock.now()
    counts = await store.read(boxes.counts)
    waiting = await store.read(figures.waiting_by_target)
    oldest = await store.read(lambda connection: figures.oldest_waiting(connection, now))
    age = max((now - oldest).total_seconds(), 0.0) if oldest else 0.0
    metrics.stands(counts, waiting, age, shutil.disk_usage(store.folder).free)
    metrics.queues({"writer": store.writer.depth, "processor": len(house.hot)})
    metrics.wrote(store.writer.flushes, store.writer.units)
    metrics.health(house)
    soon = now + house.loaded.settings.alerts.window_before
    closing = await store.read(lambda connection: windows.waiting_for(connection, now, soon))
    metrics.conversations(closing, await store.read(errands.open_ones))


def release() -> str:
    """The version that is installed."""
    try:
        return version("forebay")
    except PackageNotFoundError:
        return "unknown"


def _set_all(gauge: Gauge, values: Mapping[str, int]) -> None:
    """Set these values, and forget those that are no longer there."""
    gauge.clear()
    for label, value in values.items():
        gauge.labels(label).set(value)
