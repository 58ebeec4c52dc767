"""Reads one event of a web hook."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote, urlsplit
from zoneinfo import ZoneInfo

from model import body, ids
from model.draft import Draft, Identity, Part
from model.expression import as_text, scalar, search
from model.failures import Malformed
from normalizer import filename, identity, language, text
from normalizer.contract import Source

#: Who wrote, by the names that systems commonly use for an object about a person.
_PEOPLE = ("customer", "user", "contact", "sender", "from", "author", "client", "visitor")
#: Usual places of each part, tried in order in the event and then in its `data`, where Standard Webhooks has it.
USUAL: Mapping[str, Sequence[str]] = {
    "subject": ("subject", "title", "summary"),
    "text": ("text", "message", "message.text", "body", "content", "description", "comment", "feedback"),
    "html": ("html", "body_html", "html_body"),
    "name": ("name", "full_name", *(f"{one}.name" for one in _PEOPLE), "customer_name", "username"),
    "company": ("company", "organization", *(f"{one}.company" for one in _PEOPLE)),
    "email": ("email", "email_address", *(f"{one}.email" for one in _PEOPLE)),
    "phone": ("phone", "mobile", "tel", "phone_number", *(f"{one}.phone" for one in _PEOPLE)),
    "sent_at": ("sent_at", "created_at", "submitted_at", "timestamp", "time", "date"),
    "conversation": ("conversation_id", "conversation.id", "chat_id", "chat.id", "thread_id"),
    "attachments": ("attachments", "files"),
}
_SHORT, _SUBJECT, _LONGEST_KEY = 200, 500, 200
#: Members of an event that become extra fields by themselves, and files that are named.
_MOST_EXTRA, _MOST_FILES = 50, 50
#: What a record of an unproven source says of itself, for rules, destinations and people.
_PROOF = {"proof": "weak"}
#: Smaller numbers are dates written as digits, not seconds since 1970.
_FIRST_UNIX_TIME = 1e8


def read(source: Source) -> Draft:
    """An event as a draft; Malformed when the body, or the event's place in it, cannot be read."""
    event = _event(source)
    fields: Mapping[str, Any] = source.options.get("fields") or {}
    if source.meta.get("row") == "table":
        fields = {}  # the columns were mapped when the table was imported
    found = {name: _find(event, fields, name) for name in USUAL}
    html, words, notes = _words(found["html"], found["text"])
    identities = _identities(event, fields, found, str(source.options.get("region", "CN")))
    subject = text.one_line(found["subject"], _SUBJECT)
    extra = _extra(event, fields, set(found.values()))
    if not words and not subject:
        words = "\n".join(f"{name}: {value}" for name, value in extra.items())
    conversation = _key(found["conversation"])
    weak = bool(source.options.get("weak")) and not source.meta.get(
        "row"
    )  # a file that a person of ours imports
    return Draft(
        subject=subject,
        text=words,
        full_text=words,
        html=html,
        language=language.detect(words or subject),
        sent_at=_moment(found["sent_at"], str(source.options.get("timezone", "UTC"))) or source.sent_at,
        name=text.one_line(found["name"], _SHORT),
        company=text.one_line(found["company"], _SHORT),
        identities=identities,
        reply_to=tuple(one for one in identities if one.kind in ("email", "phone")),
        conversation=conversation,
        parts=_parts(event, fields),
        extra={**extra, **_PROOF} if weak else extra,
        weak=weak,
        omissions=notes,
        envelope_to=_thread(event, fields, conversation, subject),
    )


def _event(source: Source) -> Any:
    """The event that this envelope stands for: the body, or one of the list that `events` finds in it."""
    if source.meta.get("row"):
        return body.load_event(source.media_type, source.raw)
    data = body.load_event(source.media_type, source.raw, member=source.options.get("member"))
    expression = source.options.get("events")
    if not expression:
        return data
    found = search(expression, data)
    events = found if isinstance(found, list) else [found]
    part = source.meta.get("part", 0)
    if found is None or not 0 <= part < len(events):
        raise Malformed("the expression `events` finds nothing in the body")
    return events[part]


def _find(event: Any, fields: Mapping[str, Any], name: str) -> str:
    """One part as text: by its expression alone where the settings have one, else by usual names."""
    if name in fields:
        return scalar(fields[name], event) or ""
    if isinstance(event, str):
        return event if name == "text" else ""
    inner = event.get("data") if isinstance(event, dict) else None
    for data in (event, inner):
        if isinstance(data, dict):
            for place in USUAL[name]:
                if (value := as_text(_at(data, place))) is not None:
                    return value
    return ""


def _at(data: Any, place: str) -> Any:
    """What stands at a usual place; JMESPath would say the same, a hundred times slower in all."""
    for name in place.split("."):
        data = data.get(name) if isinstance(data, dict) else None
    return data


def _words(source: str, plain: str) -> tuple[str | None, str, tuple[str, ...]]:
    """HTML made safe, and the text: as given, else as laid out from the HTML."""
    plain = text.clean(plain).strip()
    if not source:
        return None, plain, ()
    from normalizer import html  # loads a layout engine, which few hooks need

    return html.sanitise(source), plain or text.clean(html.texts(source)[0]), ()


def _identities(
    event: Any, fields: Mapping[str, Any], found: Mapping[str, str], region: str
) -> tuple[Identity, ...]:
    """The source's own identity first, since it is the surest; then address and number."""
    own: Mapping[str, str] | None = fields.get("identity")
    value = scalar(own["value"], event) if own else None
    known = [
        Identity(own["kind"], _key(value) or "") if own and value else None,
        identity.email(found["email"]),
        identity.phone(found["phone"], region),
    ]
    return tuple(dict.fromkeys(one for one in known if one is not None))


def _moment(written: str, timezone: str) -> datetime | None:
    """An ISO 8601 text or a Unix time in seconds or milliseconds, as aware UTC; None when it is neither."""
    try:
        number = float(written)
    except ValueError:
        number = math.nan
    try:
        if abs(number) >= _FIRST_UNIX_TIME:
            return datetime.fromtimestamp(number / 1_000 if abs(number) >= 1e11 else number, UTC)
        moment = datetime.fromisoformat(written.strip())
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=ZoneInfo(timezone))
        return moment.astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _extra(event: Any, fields: Mapping[str, Any], taken: set[str]) -> dict[str, Any]:
    """The facts that the settings name, else the event's plain members that have no place of their own."""
    chosen: Mapping[str, str] | None = fields.get("extra")
    if chosen is not None:
        values = {name: as_text(search(expression, event)) for name, expression in chosen.items()}
    elif isinstance(event, dict):
        values = {text.one_line(name, _SHORT): as_text(value) for name, value in event.items()}
        values = {name: value for name, value in values.items() if value not in taken}
    else:
        values = {}
    kept = [(name, text.clean(value).strip()) for name, value in values.items() if name and value]
    return dict(kept[:_MOST_EXTRA])


def _parts(event: Any, fields: Mapping[str, Any]) -> tuple[Part, ...]:
    """Files that the event only names. They are not fetched: a stranger's URL may point anywhere."""
    expression = fields.get("attachments")
    inner = event.get("data") if isinstance(event, dict) else None
    places = (
        [(expression, event)]
        if expression
        else [(e, d) for d in (event, inner) for e in USUAL["attachments"]]
    )
    listed = next((found for e, d in places if d is not None and isinstance(found := search(e, d), list)), [])
    return tuple(part for one in listed[:_MOST_FILES] if (part := _part(one)) is not None)


def _part(named: Any) -> Part | None:
    url = named if isinstance(named, str) else scalar("url || href || link", named)
    if url is None:
        return None
    given = None if isinstance(named, str) else scalar("filename || name || title", named)
    try:
        path = urlsplit(url).path
    except ValueError:
        path = ""
    media_type = None if isinstance(named, str) else scalar("media_type || content_type || mime_type", named)
    return Part(
        filename=filename.safe(given or unquote(path)),
        media_type=text.one_line(media_type or "application/octet-stream", 100),
        data=None,
        omitted=f"not fetched: {text.one_line(url, 2_000)}",
    )


def _thread(event: Any, fields: Mapping[str, Any], conversation: str | None, subject: str) -> dict[str, Any]:
    """What the templates of a reply may need, by the names that the settings give."""
    chosen: Mapping[str, str] = fields.get("thread") or {}
    values = {name: scalar(expression, event) for name, expression in chosen.items()}
    thread = {"conversation": conversation, "subject": subject or None, **values}
    return {name: text.clean(value) for name, value in thread.items() if value is not None}


def _key(value: str | None) -> str | None:
    """An identifier as a key: clean, and replaced by a digest when no index would take it."""
    if not value:
        return None
    key = text.clean(value).strip()
    return ids.derived(key) if len(key) > _LONGEST_KEY else key
