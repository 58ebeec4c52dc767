"""Reads what Weibo's fans service pushed: JSON, or XML in WeChat's manner."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from model import message_xml, strict_json
from model.draft import Draft, Identity, Part, Thread
from model.failures import Malformed
from model.message_xml import text as at
from normalizer import language, text, wechat
from normalizer.contract import Source

#: Events that say nothing, by subtype: the signal that each is, and the window that it opens.
_EVENTS: Mapping[str, tuple[str, str]] = {
    "follow": ("followed", "follow"),
    "unfollow": ("unfollowed", ""),
    "subscribe": ("followed", "follow"),
    "unsubscribe": ("unfollowed", ""),
    "click": ("menu", "menu"),
    "menu": ("menu", "menu"),
    "view": ("menu", ""),
    "scan": ("scanned", "scan"),
    "scan_follow": ("scanned", "scan"),
}
_FILES: Mapping[str, tuple[str, str]] = {
    "image": ("picture.jpg", "image/jpeg"),
    "voice": ("voice.amr", "audio/amr"),
}


def read(source: Source) -> Draft:
    """A push as a draft; Malformed when nobody sent it."""
    if source.raw.lstrip()[:1] == b"<":
        tree = message_xml.load(source.raw)
        uid, number = at(tree, "FromUserName"), at(tree, "MsgId")
        if not uid or not at(tree, "MsgType"):
            raise Malformed("the XML is no message of Weibo: FromUserName or MsgType is missing")
        draft = replace(wechat.draft(tree, source.options), thread=Thread(ids=(number,) if number else ()))
        draft = replace(draft, sent_at=wechat.moment(tree))
    else:
        told = strict_json.load(source.raw)
        if not isinstance(told, dict) or not told.get("sender_id") or not told.get("type"):
            raise Malformed("the JSON is no message of Weibo: sender_id or type is missing")
        uid, draft = str(told["sender_id"]), _push(told)
    uid = text.one_line(uid, 200)
    identity = (Identity("weibo", uid),)
    return replace(
        draft,
        language=language.detect(draft.text),
        sent_at=draft.sent_at or source.sent_at,
        identities=identity,
        reply_to=identity,
        conversation=uid,
        envelope_to={"uid": uid},
    )


def _push(told: Mapping[str, Any]) -> Draft:
    kind = str(told["type"])
    data: Mapping[str, Any] = told["data"] if isinstance(told.get("data"), dict) else {}
    words = text.clean(str(told.get("text") or "")).strip()
    extra = wechat.fields({"type": kind, **{str(name): _text(value) for name, value in data.items()}})
    if kind == "event":
        subtype = str(data.get("subtype") or "").lower()
        signal, opens = _EVENTS.get(subtype, ("", ""))
        if signal:
            return Draft(signal=signal, opens=opens, extra=extra)
        return _unknown(f"[{subtype}]", words, extra, mute=(wechat.UNKNOWN,))
    if kind == "text":
        return Draft(text=words, full_text=words, extra=extra)
    if kind == "mention":  # said in public, by a post or a comment; one answer is allowed
        return Draft(text=words, full_text=words, opens="mention", extra=extra)
    if kind == "position":
        where = f"({data.get('latitude')}, {data.get('longitude')})"
        words = f"{words} {where}".strip()
        return Draft(text=words, full_text=words, extra=extra)
    if kind in _FILES:
        name, media_type = _FILES[kind]
        number = data.get("tovfid") or data.get("vfid")  # of the receiver, who may fetch it
        parts = (Part(name, media_type, None, reference=str(number)),) if number else ()
        return Draft(parts=parts, extra={**extra, **({"text": words} if words else {})})
    return _unknown(f"[{kind}]", words, extra)


def _unknown(title: str, words: str, extra: Mapping[str, str], mute: tuple[str, ...] = ()) -> Draft:
    lines = [title, words, *(f"{name}: {value}" for name, value in extra.items())]
    whole = text.clean("\n".join(filter(None, lines))).strip()
    return Draft(text=whole, full_text=whole, opens="" if mute else "message", mute=mute, extra=dict(extra))


def _text(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(name): _text(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_text(inner) for inner in value]
    return "" if value is None else str(value)
