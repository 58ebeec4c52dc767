"""Hand-overs by HTTP: against a sink that counts what it took and checks signatures on its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError

from destinations.catalog import CATALOG
from destinations.contract import Destination
from destinations.http import SPEC, HttpSettings
from model.delivery import OnUncertain
from model.failures import PermanentFailure, Reason, TemporaryFailure, Uncertain
from tests.rigs import http as rig
from tests.rigs.http import SECRET, Drop, Hang, Refuse, Sink
from tests.rigs.tools import NOW, Workbench

Make = Callable[..., Destination]


@pytest.fixture
async def bench() -> Any:
    async with Workbench() as opened:
        yield opened


@pytest.fixture
async def sink() -> Any:
    async with Sink() as opened:
        yield opened


@pytest.fixture
def make(bench: Workbench, sink: Sink) -> Make:
    def build(**more: Any) -> Destination:
        return SPEC.build(HttpSettings.model_validate({**rig.settings(sink), **more}), bench.tools("tickets"))

    return build


async def test_a_record_arrives_as_a_cloudevent_and_its_ticket_comes_back(make: Make, sink: Sink) -> None:
    async with make() as destination:
        receipt = await destination.deliver(rig.hand_over(1))
    assert (receipt.remote_id, receipt.accepted_at) == ("T-1", NOW)
    assert receipt.data == {"status": 201, "remote_id": "T-1"}
    (got,) = sink.requests
    assert got.headers["content-type"] == "application/cloudevents+json; charset=utf-8"
    assert got.headers["idempotency-key"] == got.headers["webhook-id"] == "key-1"
    assert got.json() == {
        "specversion": "1.0",
        "id": "key-1",
        "source": "/forebay",
        "type": "forebay.record.registered",
        "subject": "FB-261122-00001",
        "time": "2026-11-22T00:00:00Z",
        "datacontenttype": "application/json",
        "data": {
            "record": {
                "reference": "FB-261122-00001",
                "text": "第 1 封 letter",
                "received_at": "2026-11-22T00:00:00Z",
            },
            "update": {},
        },
    }


async def test_the_far_sides_own_number_goes_along_with_updates(make: Make, sink: Sink) -> None:
    update = replace(
        rig.hand_over(1), type="record.state_changed", update={"state": "closed"}, remote_id="T-9"
    )
    sink.next(Refuse(204))
    receipt = await make().deliver(update)
    assert receipt.remote_id == "T-9"
    assert sink.requests[0].json()["data"]["remote_id"] == "T-9"
    assert sink.requests[0].json()["data"]["update"] == {"state": "closed"}


async def test_every_try_bears_the_same_key_and_the_sink_takes_it_once(
    make: Make, sink: Sink, bench: Workbench
) -> None:
    destination = make()
    sink.next(Drop(), Refuse(503, {"Retry-After": "30"}))
    with pytest.raises(Uncertain):
        await destination.deliver(rig.hand_over(1))
    bench.clock.advance(60)
    with pytest.raises(TemporaryFailure) as failed:
        await destination.deliver(rig.hand_over(1))
    assert failed.value.retry_after is not None
    assert (await destination.deliver(rig.hand_over(1))).remote_id == "T-1"
    assert sink.tickets == {"key-1": "T-1"}
    assert len({got.headers["webhook-timestamp"] for got in sink.requests}) == 2, "the time is the attempt's"
    assert sink.forged == 0


@pytest.mark.parametrize(
    ("status", "failure", "reason"),
    [
        (400, PermanentFailure, Reason.REQUEST),
        (401, TemporaryFailure, Reason.AUTH),
        (404, TemporaryFailure, Reason.CONFIG),
        (410, TemporaryFailure, Reason.CONFIG),
        (429, TemporaryFailure, Reason.THROTTLED),
        (502, TemporaryFailure, Reason.SERVER),
    ],
)
async def test_a_refusal_is_a_failure_with_its_reason(
    make: Make, sink: Sink, status: int, failure: type[Any], reason: Reason
) -> None:
    sink.next(Refuse(status, body="第 1 封"))
    with pytest.raises(failure) as failed:
        await make().deliver(rig.hand_over(1))
    assert failed.value.reason is reason
    assert "第" not in str(failed.value)


async def test_silence_is_uncertain_and_a_closed_port_is_not(make: Make, sink: Sink) -> None:
    sink.next(Hang())
    with pytest.raises(Uncertain):
        await make(timeout=0.2).deliver(rig.hand_over(1))
    with pytest.raises(TemporaryFailure) as failed:
        await make(url="http://127.0.0.1:1/").deliver(rig.hand_over(1))
    assert failed.value.reason is Reason.UNREACHABLE


@pytest.mark.parametrize(
    "body", ["", "ok", "[" * 100_000, '{"ticket": {"id": null}}', '{"ticket": {"id": {}}}']
)
async def test_a_taken_hand_over_without_a_readable_ticket_stays_taken(
    make: Make, sink: Sink, body: str
) -> None:
    sink.next(Refuse(200, body=body))
    receipt = await make().deliver(rig.hand_over(1))
    assert (receipt.remote_id, receipt.data) == ("key-1", {"status": 200})


async def test_a_wrong_secret_is_refused_by_the_independent_library(make: Make, sink: Sink) -> None:
    other = "whsec_YW5vdGhlciBrZXkgb2YgdGhpcnR5IHR3byBieXRlcyE="
    with pytest.raises(TemporaryFailure) as failed:
        await make(secret=other).deliver(rig.hand_over(1))
    assert failed.value.reason is Reason.AUTH
    assert (sink.forged, sink.tickets) == (1, {})


async def test_own_headers_are_sent_and_shown_to_nobody(make: Make, sink: Sink) -> None:
    await make(headers={"Authorization": "Bearer s3cret\r\nX-Evil: 1"}).deliver(rig.hand_over(1))
    assert sink.requests[0].headers["authorization"] == "Bearer s3cret X-Evil: 1"
    settings = HttpSettings.model_validate({**rig.settings(sink), "headers": {"Authorization": "s3cret"}})
    shown = repr(settings) + settings.model_dump_json()
    assert "s3cret" not in shown
    assert SECRET not in shown


async def test_text_that_no_charset_has_is_still_delivered(make: Make, sink: Sink) -> None:
    await make().deliver(replace(rig.hand_over(1), record={"text": "a\ud800", "n": 10**30}))
    assert sink.requests[0].json()["data"]["record"] == {"text": "a?", "n": 10**30}


@pytest.mark.parametrize(
    ("status", "ok"), [(200, True), (404, True), (405, True), (401, False), (503, False)]
)
async def test_a_probe_is_a_real_round_trip(make: Make, sink: Sink, status: int, ok: bool) -> None:
    sink.next(Refuse(status))
    health = await make().probe()
    assert health.ok is ok
    assert ok or health.repair
    assert [got.method for got in sink.requests] == ["HEAD"]
    assert sink.tickets == {}


async def test_a_probe_of_nothing_fails_with_a_repair(make: Make) -> None:
    health = await make(url="http://127.0.0.1:1/").probe()
    assert not health.ok
    assert health.repair


def test_the_catalogue_knows_it_and_a_resend_is_safe() -> None:
    assert CATALOG["http"] is SPEC
    assert SPEC.on_uncertain is OnUncertain.RESEND


@pytest.mark.parametrize(
    ("settings", "place"),
    [
        ({"url": "ftp://x"}, "url"),
        ({"url": "https://user:pass@x/"}, "url"),
        ({"secret": "x"}, "secret"),
        ({"remote_id": "a["}, "remote_id"),
        ({"probe": {"method": "POST"}}, "probe.method"),
        ({"timeout": 0}, "timeout"),
    ],
)
def test_wrong_settings_are_refused_by_name(settings: dict[str, Any], place: str) -> None:
    with pytest.raises(ValidationError) as refused:
        HttpSettings.model_validate({"kind": "http", "url": "https://x/", **settings})
    assert place in str(refused.value)
    assert "pass@" not in str(refused.value)


def test_every_setting_is_described() -> None:
    schema = HttpSettings.model_json_schema()
    for model in (schema, *schema["$defs"].values()):
        for name, field in model.get("properties", {}).items():
            assert field.get("description") or "$ref" in field, name
