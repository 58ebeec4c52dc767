"""Messenger, Instagram and WhatsApp through the whole house: in, acknowledged, answered, and told what became of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.rigs import graph
from tests.rigs.daemon import House, MovedClock
from tests.rigs.graph import Graph
from tests.rigs.http import Drop
from tests.rigs.office import Office

KINDS = ("messenger", "instagram", "whatsapp")
TEMPLATE = {"name": "answer_ready", "language": "zh_CN"}


@pytest.fixture
async def far() -> AsyncIterator[Graph]:
    async with Graph(lambda: datetime.now(UTC)) as far:
        yield far


class Meta:
    """A house with the three channels, and Meta, which posts to it."""

    def __init__(self, house: House, far: Graph) -> None:
        self.house = house
        self.far = far

    async def post(self, kind: str, body: Any) -> None:
        raw = graph.written(body)
        headers = {"X-Hub-Signature-256": graph.signature(raw), "Content-Type": "application/json"}
        async with self.house.session.post(
            f"{self.house.url}/in/{kind}", data=raw, headers=headers
        ) as answer:
            assert (answer.status, await answer.read()) == (200, b"EVENT_RECEIVED")

    async def says(self, kind: str, n: int, text: str, **fields: Any) -> None:
        """The n-th customer writes."""
        at = self.house.now()
        self.far.wrote(kind, graph.person(kind, n), at)
        await self.post(kind, graph.body(kind, graph.message(kind, n, text, at=at, **fields)))

    async def tells(self, kind: str) -> None:
        """Meta posts what it has to tell about messages of ours: twice, and the last first."""
        for _ in range(2):
            for event in reversed(self.far.events):
                await self.post(kind, graph.body(kind, event))
        self.far.events.clear()

    async def timeline(self, reference: str) -> list[tuple[str, Any]]:
        told = await self.house.ask("GET", f"/v1/records/{reference}/timeline")
        return [(one["type"], one["data"]) for one in told["events"]]


@pytest.fixture
async def meta(office: Office, far: Graph, tmp_path: Path, moved: MovedClock) -> AsyncIterator[Meta]:
    mail = office.channels()["mail"]
    own: dict[str, dict[str, Any]] = {
        "messenger": {"human_agent": True, "fallback": ["template"]},
        "instagram": {},
        "whatsapp": {"template": TEMPLATE, "fallback": ["template"]},
    }
    channels = {kind: graph.settings(far, kind, **more) for kind, more in own.items()}
    config = office.config(tmp_path / "data", channels=channels | {"mail": mail}, inbox={"report_wait": 2})
    config["channels"] = {
        name: one for name, one in config["channels"].items() if name in (*channels, "mail")
    }
    async with House(config, tmp_path, clock=moved) as house:
        yield Meta(house, far)


@pytest.mark.parametrize("kind", KINDS)
async def test_there_and_back(meta: Meta, far: Graph, kind: str) -> None:
    house = meta.house
    await meta.says(kind, 1, "The lift is broken. 电梯坏了。")
    (record,) = await house.until(house.records)
    await house.idle()
    who = graph.person(kind, 1)
    assert record["channel"]["kind"] == kind and record["text"] == "The lift is broken. 电梯坏了。"
    ack = far.got[who][0].text
    assert record["reference"] in ack and len(far.got[who]) == 1
    status, _ = await house.reply(record["reference"], "It runs again. " * 200)
    assert status == 202
    await house.idle()
    pieces = [one.text for one in far.got[who][1:]]
    assert len(pieces) == {"messenger": 2, "instagram": 4, "whatsapp": 1}[kind]
    assert pieces[0].startswith("(1/" if len(pieces) > 1 else "It runs")
    await meta.tells(kind)
    await house.idle()
    states = {(one["purpose"], one["state"]) for one in await house.deliveries()}
    assert {state for purpose, state in states} == {"delivered"}, states
    assert len(await house.records()) == 1, "what Meta tells of ours is no customer's message"
    told = await meta.timeline(record["reference"])
    fates = {data["fate"] for type_, data in told if type_ == "delivery.reported"}
    assert fates == ({"sent", "delivered", "read"} if kind == "whatsapp" else {"delivered"})


async def test_a_message_in_doubt_is_settled_by_its_status(meta: Meta, far: Graph) -> None:
    await meta.says("whatsapp", 1, "The lift is broken.")
    (record,) = await meta.house.until(meta.house.records)
    await meta.house.idle()
    far.next(Drop(takes=True))
    await meta.house.reply(record["reference"], "It runs again.")
    await meta.house.until(lambda: _states(meta.house, "held"))
    await meta.tells("whatsapp")
    await meta.house.until(lambda: _states(meta.house, "delivered"))
    assert len(far.got[graph.person("whatsapp", 1)]) == 2
    after = await meta.house.ask("GET", f"/v1/records/{record['reference']}")
    assert after["state"] == "answered"


async def _states(house: House, state: str) -> bool:
    return {one["state"] for one in await house.deliveries("reply")} == {state}


async def test_outside_the_window_the_template_and_the_tag_carry_the_answer(
    meta: Meta, far: Graph, moved: MovedClock
) -> None:
    house = meta.house
    for kind in KINDS:
        await meta.says(kind, 1, f"The lift is broken, says {kind}.")
    await house.until(lambda: _count(house, 3))
    await house.idle()
    moved.by += timedelta(hours=25)
    far._now = moved.now
    for record in await house.records():
        status, _ = await house.reply(record["reference"], "It runs again.")
        assert status == 202
    await house.until(lambda: _held(house, 1))
    last = {kind: far.got[graph.person(kind, 1)][-1] for kind in KINDS}
    assert last["messenger"].tag == "HUMAN_AGENT" and last["messenger"].text == "It runs again."
    assert last["whatsapp"].type == "template" and last["whatsapp"].text.endswith("| It runs again.")
    assert "runs again" not in last["instagram"].text
    # The customer writes: the window is open, and what was held goes.
    await meta.says("instagram", 1, "Any news?", id="second")
    await house.until(lambda: _said(far, graph.person("instagram", 1), "It runs again."))


async def _count(house: House, n: int) -> bool:
    return len(await house.records()) == n


async def _held(house: House, n: int) -> bool:
    rows = await house.deliveries("reply")
    return [one["state"] for one in rows].count("held") == n and all(
        one["state"] in ("held", "delivered") for one in rows
    )


async def _said(far: Graph, who: str, text: str) -> bool:
    return any(one.text == text for one in far.got[who])


async def test_files_and_names_are_fetched_after_the_acknowledgement(meta: Meta, far: Graph) -> None:
    house = meta.house
    far.files["77"] = ("image/png", b"a picture of the lift")
    far.profiles[graph.person("messenger", 1)] = {"first_name": "Wei", "last_name": "Li"}
    await meta.says(
        "whatsapp", 1, "", type="image", image={"id": "77", "mime_type": "image/jpeg", "caption": "see"}
    )
    files = [{"type": "image", "payload": {"url": f"{far.url}/cdn/page/77"}}]
    await meta.says("messenger", 1, "see", attachments=files)

    async def whole() -> Any:
        found = await house.records()
        return len(found) == 2 and all(one["attachments"][0]["size"] == 21 for one in found) and found

    records = {one["channel"]["kind"]: one for one in await house.until(whole)}
    assert records["whatsapp"]["attachments"][0]["media_type"] == "image/png"
    assert records["whatsapp"]["contact"]["name"] == "顾客 1"

    async def named() -> bool:
        (one,) = [one for one in await house.records() if one["channel"]["kind"] == "messenger"]
        return bool(one["contact"]["name"] == "Wei Li")

    await house.until(named)


async def test_what_a_colleague_types_in_metas_inbox_joins_the_conversation(meta: Meta, far: Graph) -> None:
    house = meta.house
    await meta.says("messenger", 1, "The lift is broken.")
    (record,) = await house.until(house.records)
    await house.idle()
    message = {"mid": "m_typed", "is_echo": True, "text": "A colleague is on the way."}
    echo = graph.happening("messenger", 1, at=house.now(), echo=True, message=message)
    await meta.post("messenger", graph.body("messenger", echo))

    async def joined() -> bool:
        told = await meta.timeline(record["reference"])
        return any(
            data.get("signal") == "echo" and "on the way" in data.get("full_text", "") for _, data in told
        )

    await house.until(joined)
    assert len(await house.records()) == 1 and len(far.got[graph.person("messenger", 1)]) == 1


async def test_a_comment_is_answered_below_it_and_gets_no_acknowledgement(meta: Meta, far: Graph) -> None:
    house = meta.house
    await meta.post("messenger", graph.comment("messenger", 1))
    (record,) = await house.until(house.records)
    await house.idle()
    assert record["contact"]["name"] == "顾客 1" and not far.got
    await house.reply(record["reference"], "We mend it today.")
    await house.idle()
    assert [one.text for one in far.got["55_1"]] == ["We mend it today."]


async def test_an_ended_token_pauses_the_channel_and_loses_nothing(meta: Meta, far: Graph) -> None:
    house = meta.house
    await meta.says("whatsapp", 1, "The lift is broken.")
    (record,) = await house.until(house.records)
    await house.idle()
    far.token = "another"
    await house.reply(record["reference"], "It runs again.")

    async def paused() -> bool:
        return bool((await house.health("whatsapp"))["state"] == "failing")

    await house.until(paused)
    told = await house.health("whatsapp")
    assert "190/463" in told["detail"] and graph.TOKEN not in house.log.getvalue()
    await house.until(lambda: _states(house, "waiting"))
