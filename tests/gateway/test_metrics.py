"""Figures: counted as they happen, gauges as the store says, and no label that a stranger chose."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families

from config.settings import AlertSettings
from gateway import metrics as room
from gateway.house import House
from gateway.metrics import Metrics
from model.health import Health, HealthState
from store.store import Store
from tests.rigs.tools import NOW, CountingIds, FixedClock
from tests.store.rows import Maker


def samples(metrics: Metrics) -> dict[str, float]:
    """Every sample as `name{label=value,…}`."""
    return {
        f"{one.name}{{{','.join(f'{k}={v}' for k, v in sorted(one.labels.items()))}}}": one.value
        for family in text_string_to_metric_families(metrics.render().decode())
        for one in family.samples
    }


def channel(name: str, state: HealthState, paused: str | None = None) -> Any:
    return SimpleNamespace(name=name, kind="form", health=Health(state), paused=paused, last_in_at=NOW)


def house(store: Store, *channels: Any) -> House:
    built = SimpleNamespace(
        store=store,
        clock=store.clock,
        channels={one.name: one for one in channels},
        destinations={},
        hot=[1, 2],
        loaded=SimpleNamespace(settings=SimpleNamespace(alerts=AlertSettings())),
    )
    return cast(House, built)


def test_counts_are_kept_by_what_happened() -> None:
    metrics = Metrics()
    metrics.envelope("form", "accepted")
    metrics.envelope("form", "accepted")
    metrics.delivery("mail", "reply", "unreachable")
    found = samples(metrics)
    assert found["forebay_envelopes_total{channel=form,outcome=accepted}"] == 2
    assert found["forebay_deliveries_total{outcome=unreachable,purpose=reply,target=mail}"] == 1


def test_a_channel_name_that_a_stranger_made_up_is_no_label() -> None:
    metrics = Metrics()
    metrics.envelope("form", "accepted")
    metrics.door_seconds("form", 0.003)
    for n in range(50):
        metrics.door_seconds(f"made-up-{n}", 0.1)
    found = samples(metrics)
    assert found["forebay_door_request_seconds_count{channel=form}"] == 1
    assert found["forebay_door_request_seconds_count{channel=unknown}"] == 50
    assert not any("made-up" in name for name in found)


def test_two_daemons_in_one_process_share_nothing() -> None:
    one, other = Metrics(), Metrics()
    one.envelope("form", "accepted")
    assert "forebay_envelopes_total{channel=form,outcome=accepted}" not in samples(other)
    assert not any(family.name.startswith("forebay") for family in REGISTRY.collect())


def test_a_refused_reload_is_seen() -> None:
    metrics = Metrics()
    assert samples(metrics)["forebay_config_reload_success{}"] == 1
    metrics.reload_ok(False)
    assert samples(metrics)["forebay_config_reload_success{}"] == 0


def test_the_build_is_named() -> None:
    assert any(name.startswith("forebay_build_info{version=") for name in samples(Metrics()))


async def test_gauges_say_what_the_store_says(store: Store, ids: CountingIds, clock: FixedClock) -> None:
    made = Maker(store, ids, clock)
    await made.accept("one")
    two = await made.accept("two")
    await made.set("envelope", two.id, state="quarantined")
    await made.add("delivery", made.delivery(target="mail"), made.delivery(target="mail", state="dead"))
    clock.advance(90)
    metrics = Metrics()
    here = house(store, channel("form", HealthState.OK), channel("mail", HealthState.OK, "paused by admin"))
    await room.refresh(metrics, here)
    found = samples(metrics)
    assert found["forebay_envelopes_open{state=waiting}"] == 1
    assert found["forebay_envelopes_open{state=quarantined}"] == 1
    assert found["forebay_deliveries_open{state=dead}"] == 1
    assert found["forebay_deliveries_waiting{target=mail}"] == 1
    assert found["forebay_to_mend{}"] == 2
    assert found["forebay_backlog_age_seconds{}"] == 90
    assert found["forebay_queue_units{queue=processor}"] == 2
    assert found["forebay_disk_free_bytes{}"] > 0
    assert found["forebay_channel_health{kind=form,name=form,role=channel,state=ok}"] == 1
    assert found["forebay_channel_health{kind=form,name=mail,role=channel,state=ok}"] == 0
    assert found["forebay_channel_health{kind=form,name=mail,role=channel,state=paused}"] == 1
    assert found["forebay_commits_total{}"] == store.writer.flushes > 0
    assert found["forebay_commit_units_total{}"] == store.writer.units
    assert found["forebay_on_hold{}"] == 0


async def test_what_is_settled_or_removed_leaves_the_gauges(
    store: Store, ids: CountingIds, clock: FixedClock
) -> None:
    made = Maker(store, ids, clock)
    one = await made.accept("one")
    metrics = Metrics()
    await room.refresh(metrics, house(store, channel("form", HealthState.FAILING)))
    await made.set("envelope", one.id, state="registered")
    await room.refresh(metrics, house(store))
    found = samples(metrics)
    assert not any(name.startswith(("forebay_envelopes_open", "forebay_channel_")) for name in found)
    assert found["forebay_backlog_age_seconds{}"] == 0
    assert found["forebay_commits_total{}"] == store.writer.flushes
