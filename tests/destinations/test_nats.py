"""Events in a real JetStream: each once, in order within a conversation, and what the servers' trouble means."""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from destinations.contract import Destination
from destinations.nats import SPEC, NatsSettings
from model.failures import PermanentFailure, Reason, TemporaryFailure
from tests.rigs import form
from tests.rigs import http as rig
from tests.rigs.daemon import House
from tests.rigs.nats import Nats
from tests.rigs.office import TIMES, TOKEN
from tests.rigs.tools import Workbench
from tests.rigs.waiting import until
from tests.rigs.ways import Form


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Nats]:
    with Nats(tmp_path) as started:
        yield started


@pytest.fixture
async def bench() -> AsyncIterator[Workbench]:
    async with Workbench() as opened:
        yield opened


def build(bench: Workbench, settings: dict[str, Any]) -> Destination:
    return SPEC.build(NatsSettings.model_validate(settings), bench.tools("stream"))


async def test_an_event_is_stored_once_however_often_it_is_handed_over(
    bench: Workbench, server: Nats
) -> None:
    async with build(bench, server.settings()) as stream:
        first = await stream.deliver(rig.hand_over(1))
        again = await stream.deliver(rig.hand_over(1))
        await stream.deliver(rig.hand_over(2))
        assert first.remote_id == again.remote_id == "FOREBAY:1"
        assert (await stream.probe()).ok
    one, two = await server.events()
    assert (one.id, two.id) == ("key-1", "key-2")
    assert one.event["id"] == "key-1" and one.event["type"] == "forebay.record.registered"
    assert one.event["data"]["record"]["text"] == "第 1 封 letter"


async def test_the_subject_is_the_conversation(bench: Workbench, server: Nats) -> None:
    record = {"channel": {"name": "form"}, "conversation": {"id": None}, "id": "r.1 *"}
    async with build(bench, server.settings(subject="a.b")) as stream:
        await stream.deliver(replace(rig.hand_over(1), record=record))
        await stream.deliver(replace(rig.hand_over(2), record={**record, "conversation": {"id": "c1"}}))
    assert [one.subject for one in await server.events()] == ["a.b.form.r_1__", "a.b.form.c1"]


async def test_a_server_that_is_gone_is_unreachable_and_then_there_again(
    bench: Workbench, server: Nats
) -> None:
    async with build(bench, server.settings()) as stream:
        await stream.deliver(rig.hand_over(1))
        server.stop()
        with pytest.raises((TemporaryFailure, Exception)) as failed:
            await stream.deliver(rig.hand_over(2))
        assert getattr(failed.value, "reason", Reason.UNREACHABLE) is Reason.UNREACHABLE
        assert not (await stream.probe()).ok
        server.start()
        await stream.deliver(rig.hand_over(2))
    assert [one.id for one in await server.events()] == ["key-1", "key-2"]


async def test_wrong_credentials_and_a_missing_stream_are_the_operators(
    bench: Workbench, tmp_path: Path
) -> None:
    with Nats(tmp_path, "--user", "forebay", "--pass", "right") as server:
        async with build(bench, server.settings(user="forebay", password="wrong")) as stream:
            with pytest.raises(TemporaryFailure) as failed:
                await stream.deliver(rig.hand_over(1))
            assert failed.value.reason is Reason.AUTH
        async with build(bench, server.settings(user="forebay", password="right", create=False)) as stream:
            with pytest.raises(TemporaryFailure) as failed:
                await stream.deliver(rig.hand_over(1))
            assert failed.value.reason is Reason.CONFIG


async def test_a_long_record_goes_without_its_longest_renderings(bench: Workbench, server: Nats) -> None:
    record = {"reference": "FB-1", "text": "short", "full_text": "x" * 900_000, "html": "y" * 900_000}
    async with build(bench, server.settings()) as stream:
        await stream.deliver(replace(rig.hand_over(1), record=record))
        with pytest.raises(PermanentFailure):
            await stream.deliver(replace(rig.hand_over(2), record={"text": "z" * 2_000_000}))
    (one,) = await server.events()
    assert one.event["data"]["left_out"] is True
    assert (one.event["data"]["record"]["text"], one.event["data"]["record"]["html"]) == ("short", None)


async def test_the_example_reads_every_event_once_and_goes_on_where_it_stopped(
    bench: Workbench, server: Nats
) -> None:
    path = Path(__file__).parents[2] / "examples" / "consume_nats.py"
    assert len(path.read_text().splitlines()) <= 25
    spec = importlib.util.spec_from_file_location("consume_nats", path)
    assert spec is not None and spec.loader is not None
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    got: list[str] = []
    async with build(bench, server.settings()) as stream:
        for n in range(6):
            await stream.deliver(rig.hand_over(n))
            if n in (2, 5):
                reading = asyncio.create_task(example.main(server.url, lambda id_, *_: got.append(id_)))
                await until(lambda n=n: len(got) == n + 1)  # type: ignore[misc]  # mypy cannot infer a default's type
                reading.cancel()
                await asyncio.wait({reading})
    assert got == [f"key-{n}" for n in range(6)]


@pytest.mark.parametrize(
    ("settings", "place"),
    [
        ({"servers": []}, "servers"),
        ({"servers": ["http://x"]}, "servers.0"),
        ({"servers": ["nats://me:secret@x"]}, "servers.0"),
        ({"subject": "a.*"}, "subject"),
        ({"proxy": "http://proxy:1"}, "proxy"),
    ],
)
def test_wrong_settings_are_refused(settings: dict[str, Any], place: str) -> None:
    with pytest.raises(ValidationError) as refused:
        NatsSettings.model_validate({"servers": ["nats://x:4222"], **settings})
    assert place.partition(".")[0] in str(refused.value).lower()
    assert "secret" not in str(refused.value)


def config(server: Nats, folder: Path, **destinations: Any) -> dict[str, Any]:
    """A house with a form and the stream, and what else is named."""
    named = {"stream": server.settings(), **destinations}
    return {
        "listen": {"port": 0},
        "data": str(folder / "data"),
        "api": {"admin_token": TOKEN},
        "database": {"min_free_bytes": 0},
        "channels": {"form": form.settings()},
        "destinations": named,
        "rules": {"default": {"destinations": sorted(named), "acknowledgement": "acknowledgement"}},
        **TIMES,
    }


async def test_a_house_publishes_in_order_and_one_destination_that_is_down_holds_up_no_other(
    server: Nats, tmp_path: Path
) -> None:
    dead = {"kind": "http", "url": "http://127.0.0.1:1/hook"}
    async with House(config(server, tmp_path, dead=dead), tmp_path) as house:
        references = []
        for n in range(10):
            told = await Form().post(house, f'{{"message": "The lift in house {n} is out."}}'.encode())
            references.append(told.reference)

        async def published() -> bool:
            return len(await server.events()) == 10

        await house.until(published)
        assert sorted(one.event["subject"] for one in await server.events()) == sorted(references)
        states = {one["target"]: one["state"] for one in await house.deliveries("hand_over")}
        assert states["stream"] == "delivered" and states["dead"] in ("waiting", "claimed")


async def test_what_was_published_is_replayed_and_what_came_before_is_filled_in(
    server: Nats, tmp_path: Path
) -> None:
    before = config(server, tmp_path)
    before["rules"] = {"default": {"destinations": [], "acknowledgement": "acknowledgement"}}
    async with House(before, tmp_path) as house:
        for n in range(3):
            await Form().post(house, f'{{"message": "The lift in house {n} is out."}}'.encode())
        await house.idle()
        assert await server.events() == []
        span = {"from": "2020-01-01T00:00:00Z", "to": "2100-01-01T00:00:00Z"}
        told = await house.ask("POST", "/v1/admin/backfill", {"destination": "stream", **span})
        assert told == {"queued": 3}
        again = await house.ask("POST", "/v1/admin/backfill", {"destination": "stream", **span})
        assert again == {"queued": 0}, "each record once"
        await house.idle()
        events = await server.events()
        assert len(events) == 3

        told = await house.ask("POST", "/v1/admin/replay", {"destination": "stream", **span})
        assert told == {"queued": 3}
        await house.idle()
        assert await server.events() == events, "within the window of repeats the stream knows the ids"
        every = [one for one in await house.deliveries() if one["target"] == "stream"]
        states = {one["state"] for one in every}
        assert states == {"delivered"}

        status, told = await house.api("POST", "/v1/admin/replay", {"destination": "nobody", **span})
        assert status == 404, told
