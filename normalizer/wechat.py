"""Messages and events in WeChat's XML, which WeCom and Weibo write, too: what was said, shown, or done.

Source: WeChat "Receive messages" and "Receive event pushes", WeCom "Receive messages and events".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from model.draft import Draft, Fate, Part, Report
from model.failures import Reason
from model.message_xml import Tree
from model.message_xml import text as at
from normalizer import filename, text

#: What every push has, and what has a place of its own in a draft.
_HEAD = frozenset({"ToUserName", "FromUserName", "CreateTime", "MsgId", "Content", "Recognition", "Encrypt"})
_SHORT, _LONG, _MOST = 200, 2_000, 60
#: Files by MsgType: name and media type, where the push tells none.
_FILES: Mapping[str, tuple[str, str]] = {
    "image": ("picture.jpg", "image/jpeg"),
    "voice": ("voice.amr", "audio/amr"),
    "video": ("film.mp4", "video/mp4"),
    "shortvideo": ("film.mp4", "video/mp4"),
    "file": ("file", "application/octet-stream"),
}
#: Voice formats by the name that the push gives.
_VOICES = {"amr": "audio/amr", "speex": "audio/speex", "mp3": "audio/mpeg", "silk": "audio/silk"}

#: Events, in lower case, that say nothing: the signal that each is, and the window that it opens.
EVENTS: Mapping[str, tuple[str, str]] = {
    "subscribe": ("followed", "follow"),
    "unsubscribe": ("unfollowed", ""),
    "scan": ("scanned", "scan"),
    "click": ("menu", "menu"),
    "view": ("menu", ""),
    "view_miniprogram": ("menu", ""),
    "scancode_push": ("menu", "menu"),
    "scancode_waitmsg": ("menu", "menu"),
    "pic_sysphoto": ("menu", ""),
    "pic_photo_or_album": ("menu", ""),
    "pic_weixin": ("menu", ""),
    "location_select": ("menu", ""),
    "location": ("location", ""),
    "enter_agent": ("entered", ""),
    "masssendjobfinish": ("broadcast", ""),
    "publishjobfinish": ("broadcast", ""),
    "templatesendjobfinish": ("reports", ""),
    "subscribe_msg_popup_event": ("consent", ""),
    "subscribe_msg_change_event": ("consent", ""),
    "subscribe_msg_sent_event": ("reports", ""),
    "kf_create_session": ("staff", ""),
    "kf_close_session": ("staff", ""),
    "kf_switch_session": ("staff", ""),
    "user_info_modified": ("profile", ""),
    "user_authorization_revoke": ("revoked", ""),
    "user_authorization_cancellation": ("revoked", ""),
}
#: What nobody wrote and is no signal either gets no automatic answer.
UNKNOWN = "an event that this release does not know"


def draft(told: Tree, options: Mapping[str, Any]) -> Draft:
    """All of a draft but who wrote, in which conversation, and when."""
    kind = at(told, "MsgType").lower()
    if kind == "event" or kind not in _SAID:
        return _event(told, options) if at(told, "Event") else _unknown(told, f"[{kind or '?'}]", ())
    words = text.clean(_SAID[kind](told)).strip()
    return Draft(text=words, full_text=words, parts=_parts(told, kind), extra=fields(told))


def moment(told: Tree) -> datetime | None:
    """CreateTime, in seconds, as aware UTC."""
    try:
        return datetime.fromtimestamp(int(at(told, "CreateTime")), UTC)
    except (ValueError, OverflowError, OSError):
        return None


def fields(told: Tree) -> dict[str, str]:
    """Every other field by its name, tags inside tags by a dotted one."""
    found: dict[str, str] = {}
    _flatten({name: value for name, value in told.items() if name not in _HEAD}, "", found)
    return found


def _flatten(value: Any, path: str, found: dict[str, str]) -> None:
    if len(found) >= _MOST:
        return
    if isinstance(value, Mapping):
        for name, inner in value.items():
            _flatten(inner, f"{path}.{name}" if path else name, found)
    elif isinstance(value, list):
        for n, inner in enumerate(value):
            _flatten(inner, f"{path}.{n}", found)
    elif words := text.clean(value).strip()[:_LONG]:
        found[text.one_line(path, _SHORT)] = words


def _link(told: Tree) -> str:
    return "\n".join(filter(None, (at(told, one) for one in ("Title", "Description", "Url"))))


def _place(told: Tree) -> str:
    where = f"{at(told, 'Location_X')}, {at(told, 'Location_Y')}"  # X is the latitude
    label = at(told, "Label")
    return f"{label} ({where})" if label else where


def _page(told: Tree) -> str:
    return " ".join(filter(None, ("[小程序]", at(told, "Title"), at(told, "PagePath"))))


#: What a message says, by MsgType.
_SAID: Mapping[str, Callable[[Tree], str]] = {
    "text": lambda told: at(told, "Content"),
    "image": lambda told: "",
    "voice": lambda told: at(told, "Recognition"),
    "video": lambda told: "",
    "shortvideo": lambda told: "",
    "file": lambda told: at(told, "Title"),
    "location": _place,
    "link": _link,
    "miniprogrampage": _page,
}


def _parts(told: Tree, kind: str) -> tuple[Part, ...]:
    media = at(told, "MediaId")
    if kind not in _FILES or not media:
        return ()
    name, media_type = _FILES[kind]
    if kind == "voice":
        media_type = _VOICES.get(at(told, "Format").lower(), media_type)
    name = at(told, "FileName") or at(told, "Title") or name if kind == "file" else name
    return (Part(filename.safe(name), media_type, None, reference=media),)


def _event(told: Tree, options: Mapping[str, Any]) -> Draft:
    event = at(told, "Event").lower()
    signal, opens = EVENTS.get(event, ("", ""))
    if not signal:
        return _unknown(told, f"[{event}]", (UNKNOWN,))
    if event == "subscribe" and at(told, "EventKey"):
        signal = "scanned"
    found = fields(told)
    texts: Mapping[str, str] = options.get("menu_texts") or {}
    said = texts.get(at(told, "EventKey"))
    if signal == "menu" and (said is not None or (options.get("menu") == "message" and event == "click")):
        words = said if said is not None else f"[{at(told, 'EventKey')}]"
        return Draft(text=words, full_text=words, opens=opens, extra=found)
    return Draft(signal=signal, opens=opens, extra=found, reports=_reports(told, event))


def _unknown(told: Tree, title: str, mute: tuple[str, ...]) -> Draft:
    """What nobody here knows, with everything that it holds, for a person to read."""
    found = fields(told)
    lines = [title, at(told, "Content"), *(f"{name}: {value}" for name, value in found.items())]
    words = text.clean("\n".join(filter(None, lines))).strip()
    return Draft(text=words, full_text=words, opens="" if mute else "message", mute=mute, extra=found)


def _reports(told: Tree, event: str) -> tuple[Report, ...]:
    """What became of notices of ours."""
    if event == "templatesendjobfinish":
        status = at(told, "Status")
        return (_report(at(told, "MsgID"), status.lower() == "success", status),)
    if event == "subscribe_msg_sent_event":
        sent = told.get("SubscribeMsgSentEvent")
        listed: Any = sent.get("List") if isinstance(sent, Mapping) else None
        items = listed if isinstance(listed, list) else [listed]
        return tuple(
            _report(at(one, "MsgID"), at(one, "ErrorCode") == "0", at(one, "ErrorStatus"))
            for one in items
            if isinstance(one, Mapping)
        )
    return ()


def _report(number: str, arrived: bool, status: str) -> Report:
    status = text.one_line(status, 100)
    if arrived:
        return Report(fate=Fate.DELIVERED, remote_id=number or None)
    refused = "block" in status.lower() or "refuse" in status.lower()
    return Report(
        fate=Fate.FAILED,
        remote_id=number or None,
        reason=Reason.RECIPIENT if refused else Reason.SERVER,
        detail=status,
    )
