"""Deadlines that come near and pass: who is told, once each, by mail, web hook and group robot, on both databases."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from tests import databases
from tests.flows.conftest import Make
from tests.flows.test_care import CARING
from tests.flows.test_import_pages import log_in
from tests.flows.test_passing import ALONE, _text
from tests.rigs.daemon import House, MovedClock, Points
from tests.rigs.http import Refuse, Sink
from tests.rigs.office import Office, merge
from tests.rigs.ways import Form

TOOK = Refuse(200, body='{"errcode":0,"errmsg":"ok"}')
BUSY = Refuse(200, body='{"errcode":45009,"errmsg":"api freq out of limit"}')


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Mapping[str, Any]:
    return {"url": databases.migrated_database()} if request.param == "postgresql" else {}


def watched(robot: Sink, hook: Sink, **more: Any) -> dict[str, Any]:
    """The office whose product department has a robot, its coordinator mail, its supervision a web hook."""
    told = {
        "ask": None,
        "follow_up": None,
        "stages": {"hand_over": "4 hours", "analyse": "4 hours"},
        "departments": {
            "desk": {"tell": {"email": ["desk@office.example"]}},
            "product": {"tell": {"wecom": f"{robot.url}?key=5ecret"}},
        },
        "escalation": {
            "channel": "mail",
            "before": "1 hour",
            "long_after": "1 day",
            "every": "PT1S",
            "supervision": {"email": ["head@office.example"], "webhook": hook.url},
            **more,
        },
    }
    merged: dict[str, Any] = merge(CARING, told)
    return merged


def letters(office: Office, to: str) -> list[str]:
    """The digests that reached an address."""
    return [one.data.decode() for one in office.smtp.accepted if one.recipients == (to,)]


async def _on(house: House, moved: MovedClock, by: timedelta, found: Any) -> Any:
    moved.by += by
    return await house.until(found)


async def test_each_level_is_told_once_to_those_it_concerns(
    make: Make, office: Office, moved: MovedClock, database: Mapping[str, Any]
) -> None:
    async with Sink(None) as robot, Sink(None) as hook:
        robot.always(TOOK)
        async with make(office=watched(robot, hook), rules=ALONE, database=database) as house:
            for n in (1, 2):
                await Form().bring(house, n, office=office, text="the secret of a customer")
            await house.idle()
            references = sorted(one["reference"] for one in await house.records())
            status, _ = await house.api(
                "POST", f"/v1/records/{references[0]}/hand-over", {"departments": ["product"]}
            )
            assert status == 200

            # One hour before: the department that has it, and the coordinator for what nobody has.
            (got,) = await _on(house, moved, timedelta(hours=3, minutes=10), lambda: robot.requests)
            content = got.json()["text"]["content"]
            assert references[0] in content and references[1] not in content and "due soon" in content
            (mail,) = await house.until(lambda: letters(office, "desk@office.example"))
            assert references[1] in mail and references[0] not in mail

            # Passed: both at one desk, in one message, and the department again.
            await _on(house, moved, timedelta(hours=1), lambda: len(robot.requests) == 2)
            told = await house.until(lambda: letters(office, "desk@office.example")[1:])
            assert (
                len(told) == 1
                and all(one in told[0] for one in references)
                and "Subject: Deadlines: 2 overdue" in told[0]
            )

            # Long passed: the supervision too; what is told by a robot stays apart.
            await _on(house, moved, timedelta(days=1), lambda: hook.requests)
            (head,) = await house.until(lambda: letters(office, "head@office.example"))
            assert "2 long overdue" in head
            (posted,) = hook.requests
            assert [one["level"] for one in posted.json()["records"]] == ["long", "long"]
            assert posted.headers["webhook-id"]

            # Once each: further rounds have nothing to tell, and nothing holds a customer's words.
            moved.by += timedelta(minutes=10)
            await house.until(lambda: len(robot.requests) == 3)
            await house.idle()
            assert len(letters(office, "desk@office.example")) == 3 and len(hook.requests) == 1
            everything = [one.body.decode() for one in (*robot.requests, *hook.requests)]
            everything += letters(office, "desk@office.example") + letters(office, "head@office.example")
            assert not [one for one in everything if "secret" in one]
            timeline = await house.ask("GET", f"/v1/records/{references[0]}/timeline")
            levels = [
                (one["data"]["level"], one["data"]["target"])
                for one in timeline["events"]
                if one["type"] == "record.escalated"
            ]
            assert levels == [
                ("before", "product"),
                ("over", "product, desk"),
                ("long", "product, desk, supervision"),
            ]
            await log_in(house)
            assert "时限预警" in await _text(house, f"/desk/records/{references[0]}", "zh-CN")
        assert "5ecret" not in house.log.getvalue()


async def test_what_a_robot_does_not_take_is_posted_again_and_what_is_done_is_not_told_of(
    make: Make, office: Office, moved: MovedClock
) -> None:
    async with Sink(None) as robot, Sink(None) as hook:
        robot.always(BUSY)
        async with make(office=watched(robot, hook), rules=ALONE) as house:
            for n in (1, 2):
                await Form().bring(house, n, office=office)
            await house.idle()
            kept, done = sorted(one["reference"] for one in await house.records())
            for one in (kept, done):
                await house.api("POST", f"/v1/records/{one}/hand-over", {"departments": ["product"]})
            await house.api("POST", f"/v1/records/{done}/close", {"reason": "said twice"})
            await _on(house, moved, timedelta(hours=3, minutes=10), lambda: robot.requests)
            robot.always(TOOK)
            _, second = await _on(
                house, moved, timedelta(minutes=2), lambda: robot.requests[1:] and robot.requests
            )
            assert second.headers["webhook-id"] == robot.requests[0].headers["webhook-id"]
            assert kept in second.body.decode() and done not in second.body.decode()
            assert "escalation.not_posted" in house.log.getvalue() and "5ecret" not in house.log.getvalue()


async def test_a_death_between_telling_and_posting_loses_nothing(
    make: Make, office: Office, moved: MovedClock, points: Points
) -> None:
    async with Sink(None) as robot, Sink(None) as hook:
        robot.always(Refuse(503))
        settings = watched(robot, hook, language="zh-CN")
        async with make(office=settings, rules=ALONE) as house:
            await Form().bring(house, 1, office=office)
            await house.idle()
            (record,) = await house.records()
            await house.api(
                "POST", f"/v1/records/{record['reference']}/hand-over", {"departments": ["product"]}
            )
            await _on(house, moved, timedelta(hours=5), lambda: robot.requests)
            await house.idle()
            house.audits = False
        robot.always(TOOK)
        before = len(robot.requests)
        moved.by += timedelta(hours=1)
        async with make(office=settings, rules=ALONE) as house:
            await house.until(lambda: robot.requests[before:])
            await house.idle()
            assert "已超期" in robot.requests[-1].json()["text"]["content"]
            assert len(robot.requests) == before + 1
            assert len(letters(office, "desk@office.example")) == 1
