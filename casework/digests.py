"""What departments are told of deadlines that come near or passed: one message for many records. Pure.

A digest names records by their numbers and leads to the desk; it holds nothing that a customer said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

#: Bytes of UTF-8 that a WeCom group robot takes as one text.
#: Source: developer.work.weixin.qq.com/document/path/91770
WECOM_BYTES = 2048


class Level(StrEnum):
    """How pressing it is."""

    BEFORE = "before"
    OVER = "over"
    LONG = "long"


#: The most pressing first, as a reader needs them.
_ORDER = (Level.LONG, Level.OVER, Level.BEFORE)


@dataclass(frozen=True, slots=True)
class Item:
    """One stage of one record of which somebody is told."""

    record: str
    reference: str
    urgency: str
    stage: str
    level: Level
    due_at: datetime
    departments: tuple[str, ...]
    """Who has it in hand; the coordinator where nobody has."""

    @property
    def key(self) -> str:
        """What tells this notice from every other one."""
        return f"{self.record} {self.stage} {self.level} {self.due_at.isoformat()}"


@dataclass(frozen=True, slots=True)
class Paper:
    """How digests look: language, the office's time zone, where the desk is, what departments are called."""

    language: str
    zone: ZoneInfo
    desk: str
    titles: Mapping[str, str]
    lines: int
    """How many records are named at the most; of further ones only their number is told."""


_WORDS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "subject": "Deadlines: {counts}",
        "long": "{n} long overdue",
        "over": "{n} overdue",
        "before": "{n} due soon",
        "head.long": "Long overdue",
        "head.over": "Overdue",
        "head.before": "Due soon",
        "line": "{reference}: {stage} by {due} ({departments}){urgency}",
        "urgent": ", urgent",
        "important": ", important",
        "normal": "",
        "more": "… and {n} more",
        "desk": "All records: {url}",
        "hand_over": "hand over",
        "analyse": "look into",
        "solve": "solve",
        "answer": "answer",
        "comma": ", ",
    },
    "zh-CN": {
        "subject": "办理时限：{counts}",
        "long": "{n} 件严重超期",
        "over": "{n} 件已超期",
        "before": "{n} 件即将到期",
        "head.long": "严重超期",
        "head.over": "已超期",
        "head.before": "即将到期",
        "line": "{reference}：须于 {due} 前{stage}（{departments}）{urgency}",
        "urgent": "，紧急",
        "important": "，重要",
        "normal": "",
        "more": "……另有 {n} 件",
        "desk": "全部记录：{url}",
        "hand_over": "转办",
        "analyse": "完成分析",
        "solve": "办结",
        "answer": "答复客户",
        "comma": "、",
    },
}


def subject(items: Sequence[Item], paper: Paper) -> str:
    """What a digest is about, as one line."""
    words = _WORDS[paper.language]
    counts = [words[level].format(n=n) for level in _ORDER if (n := sum(one.level is level for one in items))]
    return words["subject"].format(counts=words["comma"].join(counts))


def text(items: Sequence[Item], paper: Paper, limit: int | None = None) -> str:
    """A digest as plain text, of at most `limit` bytes of UTF-8 where a far side takes no more."""
    shown = sorted(items, key=lambda one: (_ORDER.index(one.level), one.due_at, one.reference))
    for n in range(min(len(shown), paper.lines), -1, -1):
        told = _text(shown, n, paper)
        if limit is None or n == 0 or len(told.encode()) <= limit:
            return told
    return ""


def _text(items: Sequence[Item], n: int, paper: Paper) -> str:
    words = _WORDS[paper.language]
    lines = [subject(items, paper)]
    level = None
    for one in items[:n]:
        if one.level is not level:
            level = one.level
            lines += ["", words[f"head.{level}"]]
        lines += [f"- {_line(one, paper)}", f"  {paper.desk}/records/{one.reference}"]
    if len(items) > n:
        lines += ["", words["more"].format(n=len(items) - n)]
    return "\n".join([*lines, "", words["desk"].format(url=f"{paper.desk}/records")])


def _line(one: Item, paper: Paper) -> str:
    words = _WORDS[paper.language]
    return words["line"].format(
        reference=one.reference,
        stage=words[one.stage],
        due=one.due_at.astimezone(paper.zone).strftime("%Y-%m-%d %H:%M"),
        departments=words["comma"].join(paper.titles.get(name, name) for name in one.departments),
        urgency=words[one.urgency],
    )


def hook(items: Sequence[Item], paper: Paper) -> dict[str, Any]:
    """A digest as the JSON object that a web hook gets."""
    return {
        "text": text(items, paper),
        "records": [
            {
                "reference": one.reference,
                "stage": one.stage,
                "level": one.level.value,
                "due_at": one.due_at.isoformat(),
                "urgency": one.urgency,
                "departments": list(one.departments),
                "url": f"{paper.desk}/records/{one.reference}",
            }
            for one in items
        ],
    }


def robot(items: Sequence[Item], paper: Paper) -> dict[str, Any]:
    """A digest as a WeCom group robot takes it."""
    return {"msgtype": "text", "text": {"content": text(items, paper, WECOM_BYTES)}}
