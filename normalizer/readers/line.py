"""Reads one event of LINE's Messaging API (https://developers.line.biz/en/reference/messaging-api/)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from model import strict_json
from model.draft import Draft, Identity, Part, Thread
from model.failures import Malformed
from normalizer import filename, language, text
from normalizer.contract import Source

_SHORT = 200
#: Files by the type of their message, with what they are; the far side tells better on fetching.
_FILES: Mapping[str, tuple[str, str]] = {
    "image": ("image/jpeg", "jpg"),
    "video": ("video/mp4", "mp4"),
    "audio": ("audio/x-m4a", "m4a"),
    "file": ("application/octet-stream", "bin"),
}
#: Events that are known by another name here; others keep LINE's.
_SIGNALS: Mapping[str, str] = {
    "follow": "followed",
    "unfollow": "unfollowed",
    "join": "joined",
    "leave": "left",
    "postback": "menu",
    "unsend": "unsent",
}


def read(source: Source) -> Draft:
    """An event as a draft; Malformed when it is none."""
    event = strict_json.load(source.raw)
    if not isinstance(event, dict) or not isinstance(event.get("type"), str):
        raise Malformed("not an event of LINE")
    kind = event["type"]
    if kind == "message":
        message = event.get("message")
        if not isinstance(message, dict):
            raise Malformed("a message of LINE without its content")
        return _message(event, message, source)
    unsent = _object(event.get("unsend")).get("messageId")
    gone = kind in ("unfollow", "leave", "unsend")
    return Draft(
        signal=_SIGNALS.get(kind, text.one_line(kind, _SHORT)),
        sent_at=source.sent_at,
        identities=_identities(event),
        conversation=_conversation(event),
        thread=Thread(replies_to=(str(unsent),) if unsent else ()),
        opens="" if gone else "message",
        extra=_told(event),
        envelope_to=_way_back(event),
    )


def _message(event: Mapping[str, Any], message: Mapping[str, Any], source: Source) -> Draft:
    kind, number = str(message.get("type", "")), str(message.get("id", ""))
    words, parts, notes = "", [], []
    if kind == "text":
        words = str(message.get("text") or "")
    elif kind in _FILES:
        parts.append(_file(kind, number, message))
    elif kind == "location":
        place = (
            message.get("title"),
            message.get("address"),
            f"{message.get('latitude')}, {message.get('longitude')}",
        )
        words = " ".join(("📍", *(str(one) for one in place if one)))
    elif kind == "sticker":
        meant = message.get("keywords")
        known = ", ".join(str(one) for one in meant[:5]) if isinstance(meant, list) else ""
        words = f"[sticker] {message.get('text') or known}"
    else:
        words = f"[{text.one_line(kind, _SHORT)}]"
        notes.append(f"content of a kind that this release does not know: {text.one_line(kind, _SHORT)}")
    notes += [f"{part.filename}: {part.omitted}" for part in parts if part.omitted]
    words = text.clean(words).strip()
    quoted = message.get("quotedMessageId")
    return Draft(
        text=words,
        full_text=words,
        language=language.detect(words),
        sent_at=source.sent_at,
        identities=_identities(event),
        conversation=_conversation(event),
        thread=Thread(ids=(number,) if number else (), replies_to=(str(quoted),) if quoted else ()),
        parts=tuple(parts),
        extra=_told(event),
        omissions=tuple(notes),
        envelope_to=_way_back(event),
    )


def _file(kind: str, number: str, message: Mapping[str, Any]) -> Part:
    media_type, ending = _FILES[kind]
    name = message.get("fileName")
    elsewhere = _object(message.get("contentProvider")).get("type") == "external"
    return Part(
        filename=filename.safe(str(name) if name else f"{kind}-{number}.{ending}"),
        media_type=media_type,
        data=None,
        omitted="not fetched: it lies at an address that the sender chose" if elsewhere else None,
        reference=None if elsewhere else number,
    )


def _conversation(event: Mapping[str, Any]) -> str | None:
    """A person's own chat is one; in a group or room each person has theirs with us."""
    source = _object(event.get("source"))
    place, person = source.get("groupId") or source.get("roomId"), source.get("userId")
    if place:
        return f"{place}:{person or ''}"
    return str(person) if person else None


def _way_back(event: Mapping[str, Any]) -> dict[str, Any]:
    source = _object(event.get("source"))
    way = {"to": source.get("groupId") or source.get("roomId") or source.get("userId")}
    again = _object(event.get("deliveryContext")).get("isRedelivery")
    if not again and isinstance(event.get("replyToken"), str):
        # Of an event that is delivered again the token counts as used.
        way |= {"reply_token": event["replyToken"], "at": event.get("timestamp")}
    return {name: value for name, value in way.items() if value is not None}


def _identities(event: Mapping[str, Any]) -> tuple[Identity, ...]:
    person = _object(event.get("source")).get("userId")
    return (Identity("line", person[:_SHORT]),) if isinstance(person, str) and person else ()


def _told(event: Mapping[str, Any]) -> dict[str, Any]:
    postback = _object(event.get("postback"))
    told = {
        "choice": postback.get("data"),
        "picked": next((str(one) for one in _object(postback.get("params")).values()), None),
        "unblocked": "yes" if _object(event.get("follow")).get("isUnblocked") is True else None,
        "redelivered": "yes" if _object(event.get("deliveryContext")).get("isRedelivery") is True else None,
    }
    return {name: text.one_line(str(value), _SHORT) for name, value in told.items() if value}


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
