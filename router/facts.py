"""What conditions see of a draft: plain values of bounded size under `record`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from model.draft import Draft, Part

#: The names that a condition may write after `record.`; a name that is not here is refused at load.
FIELDS = frozenset(
    {
        "subject",
        "text",
        "full_text",
        "cut",
        "length",
        "name",
        "company",
        "language",
        "identities",
        "email",
        "domain",
        "has_contact",
        "channel",
        "received_at",
        "automatic",
        "bounce",
        "weak",
        "attachments",
        "extra",
    }
)
#: Names after `record.channel.`.
CHANNEL_FIELDS = frozenset({"name", "kind"})
#: Characters of a message that are looked at when the settings say nothing else.
TEXT_LIMIT = 20_000
#: Characters of any other text.
_SHORT = 2_000
#: Items of any list or mapping, and levels of `extra`: conditions loop over them.
_ITEMS, _LEVELS = 100, 4
_INT64 = 1 << 63

Facts = Mapping[str, Any]


def facts(
    draft: Draft, *, channel: str, kind: str, received_at: datetime, limit: int = TEXT_LIMIT
) -> dict[str, Any]:
    """The facts of a draft, as JSON values; absent texts are "", so that comparing never fails.

    `length` counts the characters of the whole text, `cut` tells that `text` or `full_text` was longer
    than `limit`.
    """
    email = next((one.value for one in (*draft.identities, *draft.reply_to) if one.kind == "email"), "")
    return {
        "subject": _text(draft.subject, _SHORT),
        "text": _text(draft.text, limit),
        "full_text": _text(draft.full_text, limit),
        "cut": max(len(draft.text), len(draft.full_text)) > limit,
        "length": len(draft.text),
        "name": _text(draft.name, _SHORT),
        "company": _text(draft.company, _SHORT),
        "language": draft.language or "",
        "identities": [{"kind": one.kind, "value": one.value} for one in draft.identities[:_ITEMS]],
        "email": email,
        "domain": email.rpartition("@")[2],
        "has_contact": bool(draft.identities or draft.reply_to or draft.conversation),
        "channel": {"name": channel, "kind": kind},
        "received_at": received_at.isoformat(),
        "automatic": draft.automatic is not None,
        "bounce": draft.bounce,
        "weak": draft.weak,
        "attachments": [_attachment(part) for part in draft.parts[:_ITEMS]],
        "extra": _plain(draft.extra, _LEVELS) if draft.extra else {},
    }


def _attachment(part: Part) -> dict[str, Any]:
    size = 0 if part.data is None else len(part.data) if isinstance(part.data, bytes) else part.data.size
    return {"filename": _text(part.filename, _SHORT), "media_type": part.media_type, "size": size}


def _text(text: str, limit: int) -> str:
    text = text[:limit]
    try:
        text.encode()
    except UnicodeEncodeError:  # a lone surrogate, which the condition language cannot hold
        return text.encode(errors="replace").decode()
    return text


def _plain(value: Any, levels: int) -> Any:
    """A JSON value that is at most so many levels deep and whose every part is bounded."""
    match value:
        case None | bool() | float():
            return value
        case int():
            return value if -_INT64 <= value < _INT64 else float(min(max(value, -(10**300)), 10**300))
        case str():
            return _text(value, _SHORT)
        case Mapping() if levels:
            items = list(value.items())[:_ITEMS]
            return {_text(str(key), _SHORT): _plain(one, levels - 1) for key, one in items}
        case Sequence() if levels and not isinstance(value, bytes | bytearray):
            return [_plain(one, levels - 1) for one in value[:_ITEMS]]
        case _:
            return None
