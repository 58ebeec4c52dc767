"""What the readers of Meta's kinds share: finding the event, words for what has none, drafts of what nobody said."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from model import meta_events, strict_json
from model.draft import Draft, Fate, Identity, Report, Thread
from model.failures import Malformed
from model.meta_events import Event
from normalizer import text
from normalizer.contract import Source

#: Longest piece of an event that is kept with a record whose type is not known here, characters.
_RAW = 2_000
_SHORT = 300

#: What stands for content without words, in both languages: the desk's clerks read it, rules may look for it.
_WORDS = {
    "image": "图片 image",
    "video": "视频 video",
    "audio": "语音 audio",
    "voice": "语音 voice message",
    "file": "文件 file",
    "document": "文件 document",
    "sticker": "表情 sticker",
    "location": "位置 location",
    "contacts": "名片 contacts",
    "order": "订单 order",
    "share": "分享 shared post",
    "story_mention": "快拍提及 mention in a story",
    "story_reply": "快拍回复 reply to a story",
    "deleted": "消息已撤回 message taken back",
    "reaction": "回应 reaction",
    "reaction_removed": "取消回应 reaction taken back",
    "template": "模板 template",
    "unsupported": "暂不支持的消息 unsupported message",
    "mention": "评论提及 mention in a comment",
    "number_changed": "号码变更 number changed",
    "identity_changed": "身份变更 identity changed",
    "post": "帖子 post",
}


def found(source: Source) -> Event:
    """The event of an envelope: at its place in the body, or the first one of a body that came without."""
    body = strict_json.load(source.raw)
    place = source.meta.get("place")
    if place is None:
        known = meta_events.places(body)
        if not known:
            raise Malformed("there is no event in it")
        place = known[0]
    event = meta_events.event(body, place)
    if event.what == "unreadable":
        raise Malformed("the event is not of the form that Meta's have")
    return event


def foreign(source: Source, event: Event) -> bool:
    """Whether it is for another account of the same app: Meta posts them all to one address."""
    ours = source.options.get("account")
    return bool(ours and event.account and event.account != ours)


def elsewhere(event: Event) -> Draft:
    """What is not for this channel: kept as a row that says so, and nothing else."""
    return Draft(signal="other_account", opens="", extra={"account": event.account}, sent_at=event.sent_at)


def label(name: str, *more: Any) -> str:
    """A mark in brackets for content without words, with what is known of it."""
    known = " ".join(text.one_line(str(one), _SHORT) for one in more if one not in (None, ""))
    return f"[{_WORDS.get(name, name)}]" + (f" {known}" if known else "")


def unknown(name: str, data: Any) -> tuple[str, dict[str, Any]]:
    """A mark for a type that is not known here, and the piece of the event as it came."""
    raw = json.dumps(data, ensure_ascii=False)
    return label("unsupported", name), {"unsupported": text.clean(raw)[:_RAW]}


def words(value: Any) -> str:
    """Text that somebody typed."""
    return text.clean(value).strip() if isinstance(value, str) else ""


def plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """The facts that are there, on one line each."""
    kept: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, bool) or (isinstance(value, int | float) and value == value):
            kept[name] = value
        elif isinstance(value, str) and value.strip():
            kept[name] = text.one_line(value, _SHORT)
    return kept


def mapping(value: Any) -> Mapping[str, Any]:
    """The object, or an empty one."""
    return value if isinstance(value, Mapping) else {}


def listed(value: Any) -> Sequence[Mapping[str, Any]]:
    """The objects of a list."""
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else ()


def happened(base: Draft, name: str, shown: str = "", *, about: str = "", opens: str = "") -> Draft:
    """Something happened and nobody said anything: shown in the timeline of the record, if there is one."""
    thread = Thread(replies_to=(about,)) if about else Thread()
    return replace(base, signal=name, full_text=shown, thread=thread, opens=opens)


def told(base: Draft, name: str, reports: Sequence[Report], shown: str = "") -> Draft:
    """What became of messages of ours."""
    return replace(base, signal=name, full_text=shown, reports=tuple(reports), opens="")


def echo(base: Draft, number: Any, key: Any, shown: str) -> Draft:
    """A message of ours, or of a colleague in Meta's own inbox: never a customer's."""
    report = Report(
        fate=Fate.DELIVERED,
        remote_id=number if isinstance(number, str) else None,
        key=key if isinstance(key, str) else None,
    )
    return told(base, "echo", [report] if report.remote_id or report.key else [], shown)


def identities(*known: Identity | None) -> tuple[Identity, ...]:
    """Those that are there, once each."""
    return tuple(dict.fromkeys(one for one in known if one is not None))
