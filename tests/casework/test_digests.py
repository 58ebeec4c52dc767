"""What digests say, and how much of it a far side takes."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from casework import digests
from casework.digests import Item, Level, Paper
from casework.escalation import grouped
from casework.settings import OfficeSettings


def item(n: int, level: Level = Level.OVER, *departments: str) -> Item:
    return Item(
        record=f"r{n}",
        reference=f"FB-261126-{n:05}",
        urgency="urgent" if n == 0 else "normal",
        stage="solve",
        level=level,
        due_at=datetime(2026, 11, 26, 9, n % 60, tzinfo=UTC),
        departments=departments or ("product",),
    )


def paper(language: str = "zh-CN", lines: int = 100) -> Paper:
    return Paper(
        language, ZoneInfo("Asia/Shanghai"), "https://office.example/desk", {"product": "产品部"}, lines
    )


def test_the_most_pressing_come_first_in_the_office_s_own_time() -> None:
    told = digests.text([item(1, Level.BEFORE), item(0, Level.LONG)], paper())
    assert told.splitlines()[0] == "办理时限：1 件严重超期、1 件即将到期"
    assert told.index("FB-261126-00000：须于 2026-11-26 17:00 前办结（产品部），紧急") < told.index(
        "FB-261126-00001"
    )
    assert "https://office.example/desk/records/FB-261126-00000" in told


def test_no_more_lines_than_are_wanted_and_no_more_bytes_than_a_robot_takes() -> None:
    many = [item(n) for n in range(200)]
    assert "… and 190 more" in digests.text(many, paper("en", 10))
    content = digests.robot(many, paper())["text"]["content"]
    assert len(content.encode()) <= digests.WECOM_BYTES and "另有" in content


OFFICE = {
    "coordinator": "desk",
    "departments": {
        "desk": {"tell": {"email": ["desk@office.example"]}},
        "product": {"tell": {"email": ["desk@office.example"]}},
        "silent": {},
    },
    "escalation": {"channel": "mail"},
}


def test_an_address_gets_one_message_and_who_says_no_way_is_told_of_through_the_coordinator() -> None:
    office = OfficeSettings.model_validate(OFFICE)
    assert office.escalation is not None
    items = [item(1, Level.OVER, "product"), item(2, Level.BEFORE, "silent"), item(3, Level.LONG, "gone")]
    assert grouped(items, office, office.escalation) == {("email", "desk@office.example"): items}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"escalation": {}}, "escalation.channel"),
        ({"coordinator": "silent"}, "departments.silent.tell"),
    ],
)
def test_who_cannot_be_told_is_said_when_the_settings_are_read(change: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        OfficeSettings.model_validate({**OFFICE, **change})
