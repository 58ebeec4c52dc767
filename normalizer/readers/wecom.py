"""Reads what WeCom brought: a member's message in XML, or an item of customer service as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from model import message_xml, strict_json
from model.draft import Draft, Fate, Identity, Part, Report, Thread
from model.failures import Malformed, Reason
from model.message_xml import text as at
from normalizer import filename, language, text, wechat
from normalizer.contract import Source

_SHORT = 200
_CUSTOMER, _MEMBER = "external_userid", "wecom_userid"
#: Files of customer service by msgtype: name and media type.
_FILES: Mapping[str, tuple[str, str]] = {
    "image": ("picture.jpg", "image/jpeg"),
    "voice": ("voice.amr", "audio/amr"),
    "video": ("film.mp4", "video/mp4"),
    "file": ("file", "application/octet-stream"),
}
#: Events of customer service that say nothing, and the signal that each is.
_EVENTS: Mapping[str, str] = {
    "enter_session": "entered",
    "msg_send_fail": "reports",
    "servicer_status_change": "staff",
    "session_status_change": "staff",
    "servicer_recall_msg": "staff",
    "user_recall_msg": "recalled",
    "reject_customer_msg_switch_change": "consent",
}
#: What a fail_type of msg_send_fail means, as public clients agree on it.
FAIL_TYPES: Mapping[int, Reason] = {
    0: Reason.SERVER,
    1: Reason.CONFIG,
    2: Reason.CONFIG,
    4: Reason.WINDOW,
    5: Reason.WINDOW,
    6: Reason.WINDOW,
    7: Reason.CONFIG,
    8: Reason.CONFIG,
    9: Reason.CONFIG,
    10: Reason.RECIPIENT,
    11: Reason.CONFIG,
    12: Reason.REQUEST,
    13: Reason.REQUEST,
}
#: Who sent an item: 3 a customer, 4 WeCom, 5 a colleague in the WeCom client.
_COLLEAGUE = 5
HISTORY = "it came before the channel was set up"


def read(source: Source) -> Draft:
    """A message or event as a draft; Malformed when it is neither."""
    if source.raw.lstrip()[:1] == b"{":
        item = strict_json.load(source.raw)
        draft = _item(item, source.options)
        if source.meta.get("history"):
            draft = replace(draft, mute=(*draft.mute, HISTORY))
    else:
        draft = _member(message_xml.load(source.raw), source.options)
    return replace(draft, language=language.detect(draft.text), sent_at=draft.sent_at or source.sent_at)


def _member(told: message_xml.Tree, options: Mapping[str, Any]) -> Draft:
    """What a member wrote to the app, or did in it."""
    userid, kind = text.one_line(at(told, "FromUserName"), _SHORT), at(told, "MsgType")
    if not userid or not kind:
        raise Malformed("the XML is no message of WeCom: FromUserName or MsgType is missing")
    draft = wechat.draft(told, options)
    number = at(told, "MsgId")
    identity = (Identity(_MEMBER, f"{text.one_line(at(told, 'ToUserName'), _SHORT)}/{userid}"),)
    return replace(
        draft,
        opens="member" if draft.opens else "",
        sent_at=wechat.moment(told),
        identities=identity,
        reply_to=identity,
        conversation=f"member:{userid}",
        thread=Thread(ids=(number,) if number else ()),
        envelope_to={"userid": userid},
    )


def _item(item: Any, options: Mapping[str, Any]) -> Draft:
    """What customer service gave, or what an app that is pushed JSON was sent."""
    if not isinstance(item, dict) or not isinstance(item.get("msgtype"), str):
        raise Malformed("the JSON is no message of WeCom: msgtype is missing")
    event = _object(item.get("event"))
    customer = _short(item.get("external_userid") or event.get("external_userid"))
    member = _short(_object(item.get("from")).get("userid"))
    account = _short(item.get("open_kfid") or event.get("open_kfid"))
    identity = (
        (Identity(_CUSTOMER, customer),) if customer else (Identity(_MEMBER, f"/{member}"),) if member else ()
    )
    number, when = item.get("msgid"), item.get("send_time")
    draft = _event(event, options) if item["msgtype"] == "event" else _message(item)
    return replace(
        draft,
        sent_at=datetime.fromtimestamp(when, UTC) if isinstance(when, int) and 0 < when < 1e11 else None,
        identities=identity,
        reply_to=identity,
        conversation=f"{account}:{customer}" if customer else f"member:{member}" if member else None,
        thread=replace(draft.thread, ids=(str(number),) if number else ()),
        envelope_to={"open_kfid": account, _CUSTOMER: customer} if customer else {"userid": member},
    )


def _message(item: Mapping[str, Any]) -> Draft:
    kind = str(item["msgtype"])
    inside = _object(item.get(kind))
    extra = {"msgtype": kind, **_extra(inside, {"content", "media_id"})}
    if item.get("origin") == _COLLEAGUE:
        words = text.clean(str(inside.get("content") or "")).strip()
        colleague = _short(item.get("servicer_userid"))
        return Draft(signal="staff", opens="", extra={**extra, "servicer_userid": colleague, "said": words})
    if kind == "text":
        words = str(inside.get("content") or "")
    elif kind == "location":
        where = f"({inside.get('latitude')}, {inside.get('longitude')})"
        words = " ".join(filter(None, (_short(inside.get("name")), _short(inside.get("address")), where)))
    elif kind == "link":
        words = "\n".join(str(inside[name]) for name in ("title", "desc", "url") if inside.get(name))
    elif kind in _FILES:
        words = ""
    else:  # cards, mini-programs, merged records, meetings, notes …: all that they hold, for a person to read
        words = "\n".join([f"[{kind}]", *(f"{name}: {value}" for name, value in extra.items())])
    words = text.clean(words).strip()
    return Draft(text=words, full_text=words, parts=_parts(kind, inside), extra=extra)


def _event(event: Mapping[str, Any], options: Mapping[str, Any]) -> Draft:
    kind = str(event.get("event_type") or "")
    extra = {"event_type": kind, **_extra(event, {"event_type", "welcome_code", "msg_code"})}
    signal = _EVENTS.get(kind)
    if signal is None:
        words = text.clean("\n".join([f"[{kind}]", *(f"{name}: {value}" for name, value in extra.items())]))
        return Draft(text=words, full_text=words, opens="", mute=(wechat.UNKNOWN,), extra=extra)
    recalled = _short(event.get("recall_msgid"))
    return Draft(
        signal=signal,
        opens="",
        thread=Thread(replies_to=(recalled,) if recalled else ()),
        reports=(_failed(event, options),) if kind == "msg_send_fail" else (),
        extra=extra,
    )


def _failed(event: Mapping[str, Any], options: Mapping[str, Any]) -> Report:
    code = event.get("fail_type")
    told: Mapping[str, str] = options.get("fail_types") or {}
    known = FAIL_TYPES.get(code, Reason.SERVER) if isinstance(code, int) else Reason.SERVER
    return Report(
        fate=Fate.FAILED,
        remote_id=_short(event.get("fail_msgid")) or None,
        reason=Reason(told.get(str(code), known)),
        detail=f"fail_type {code}",
    )


def _parts(kind: str, inside: Mapping[str, Any]) -> tuple[Part, ...]:
    media = inside.get("media_id")
    if kind not in _FILES or not media:
        return ()
    name, media_type = _FILES[kind]
    return (Part(filename.safe(str(inside.get("filename") or name)), media_type, None, reference=str(media)),)


def _extra(inside: Mapping[str, Any], without: set[str]) -> dict[str, str]:
    plain = {name: value for name, value in inside.items() if name not in without}
    return wechat.fields({str(name): _texts(value) for name, value in plain.items()})


def _texts(value: Any) -> Any:
    """JSON with every leaf as text, the shape that XML has."""
    if isinstance(value, dict):
        return {str(name): _texts(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_texts(inner) for inner in value]
    return "" if value is None else str(value)


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _short(value: Any) -> str:
    return text.one_line(str(value), _SHORT) if value else ""
