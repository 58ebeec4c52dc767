"""The events in what Meta posts: one body holds many, of several accounts, and each must stand for itself. Pure.

Sources: Graph API "Webhooks", Messenger Platform "Webhook events", Instagram Platform "Webhook examples",
WhatsApp Cloud API "Webhooks".

    entry[] → messaging[] | standby[]                        pages and Instagram
    entry[] → changes[] → value → messages[] | statuses[]    WhatsApp
    entry[] → changes[] → value                              comments, and news of the account
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from model import strict_json
from model.failures import Malformed

#: Steps from the body down to one event: names of members and places in lists.
Place = tuple[str | int, ...]

#: Longest identity that is kept as it is: it goes into an index.
_LONGEST_ID = 200
#: Lists in a WhatsApp value whose members are events of their own.
_LISTS = ("messages", "statuses", "message_echoes", "errors")
#: Signed addresses change with every delivery of the same message.
_VOLATILE = frozenset({"url"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event, where it stood, and how it is known."""

    place: Place
    what: str
    """`message`, `echo`, `deleted`, `edited`, `read`, `delivery`, `reaction`, `status`, `comment`, or its own name."""
    data: Mapping[str, Any]
    value: Mapping[str, Any] = field(default_factory=dict)
    """What surrounds it: WhatsApp's contacts and metadata."""
    account: str
    """What Meta calls ours: a page, an Instagram account, a phone number's id."""
    person: str | None = None
    """Whom it is with."""
    source_id: str
    fingerprint: str
    sent_at: datetime | None = None


def places(body: Any) -> list[Place]:
    """Where the events of a body stand, in its order; Malformed when it is no body of Meta's."""
    entries = body.get("entry") if isinstance(body, Mapping) else None
    if not isinstance(entries, list):
        raise Malformed("it has no list `entry`, as all that Meta posts has")
    return [place for n, entry in enumerate(entries) for place in _in_entry(("entry", n), entry)]


def _in_entry(place: Place, entry: Any) -> Iterator[Place]:
    if not isinstance(entry, Mapping):
        yield place
        return
    found = False
    for name in ("messaging", "standby"):
        for n, _ in enumerate(_listed(entry.get(name))):
            yield (*place, name, n)
            found = True
    for n, change in enumerate(_listed(entry.get("changes"))):
        yield from _in_change((*place, "changes", n), change)
        found = True
    if "field" in entry:  # apps with Instagram Login get a change without its list
        yield from _in_change(place, entry)
        found = True
    if not found:
        yield place


def _in_change(place: Place, change: Any) -> Iterator[Place]:
    value = change.get("value") if isinstance(change, Mapping) else None
    if isinstance(value, list):
        for n, _ in enumerate(value):
            yield (*place, "value", n)
        return
    found = False
    if isinstance(value, Mapping) and "messaging_product" in value:
        for name in _LISTS:
            # Errors beside messages speak of these messages; alone, of the account.
            if name == "errors" and found:
                continue
            for n, _ in enumerate(_listed(value.get(name))):
                yield (*place, "value", name, n)
                found = True
    if not found:
        yield (*place, "value") if value is not None else place


def _listed(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else ()


def event(body: Any, place: Sequence[str | int]) -> Event:
    """The event at a place; one that is no object stands there as `unreadable`, so that it spoils no other."""
    way = tuple(place)
    steps = [body]
    for step in way:
        try:
            steps.append(steps[-1][step])
        except (KeyError, IndexError, TypeError):
            raise Malformed("there is no event at this place of the body") from None
    data = steps[-1]
    entry = steps[2] if len(steps) > 2 and isinstance(steps[2], Mapping) else {}
    account = str(entry.get("id") or "")
    print_ = hashlib.sha256(strict_json.canonical(_steady(data))).hexdigest()
    known: dict[str, Any] = {"place": way, "account": account, "fingerprint": print_}
    if not isinstance(data, Mapping):
        return Event(**known, what="unreadable", data={}, source_id=f"unreadable:{print_}")
    try:
        if len(way) == 4 and way[2] in ("messaging", "standby"):
            return _messaging(data, known)
        if len(way) >= 2 and way[-2] in _LISTS and isinstance(steps[-3], Mapping):
            return _whatsapp(data, steps[-3], str(way[-2]), known)
        changed = next((one for one in reversed(steps) if isinstance(one, Mapping) and "field" in one), {})
        return _change(data, str(changed.get("field") or "entry"), known, entry)
    except (TypeError, AttributeError):
        return Event(**known, what="unreadable", data=data, source_id=f"unreadable:{print_}")


def _steady(data: Any) -> Any:
    if isinstance(data, Mapping):
        return {name: _steady(value) for name, value in data.items() if name not in _VOLATILE}
    return [_steady(one) for one in data] if isinstance(data, list) else data


# ---- pages and Instagram


#: Members of an event of a conversation that say what it is.
_KINDS = ("message_edit", "reaction", "read", "delivery", "postback", "referral", "optin")


def _messaging(data: Mapping[str, Any], known: Mapping[str, Any]) -> Event:
    sender, recipient = _id(data.get("sender")), _id(data.get("recipient"))
    message = data.get("message")
    print_ = known["fingerprint"]
    if isinstance(message, Mapping):
        what = "deleted" if message.get("is_deleted") else "echo" if message.get("is_echo") else "message"
        mid = str(message.get("mid") or "")
        # An unsent message has the number of the message that it takes away.
        own = f"{mid}:deleted" if what == "deleted" else mid
    else:
        what = next((name for name in _KINDS if isinstance(data.get(name), Mapping)), "") or _other(data)
        detail = data.get(what)
        mid = str(detail.get("mid") or "") if isinstance(detail, Mapping) else ""
        own = mid if what == "postback" else f"{what}:{print_}"
        what = "edited" if what == "message_edit" else what
        mid = mid or print_
    ours = known["account"]
    person = recipient if what == "echo" or (sender == ours and recipient) else sender
    return Event(
        **known,
        what=what,
        data=data,
        person=person or None,
        source_id=_short(own or f"{what}:{print_}"),
        sent_at=moment(data.get("timestamp")),
    )


def _other(data: Mapping[str, Any]) -> str:
    rest = [name for name in data if name not in ("sender", "recipient", "timestamp")]
    return rest[0][:60] if rest else "empty"


def _id(value: Any) -> str:
    found = value.get("id") if isinstance(value, Mapping) else None
    return str(found) if isinstance(found, str | int) else ""


# ---- WhatsApp


def _whatsapp(
    data: Mapping[str, Any], value: Mapping[str, Any], name: str, known: Mapping[str, Any]
) -> Event:
    metadata = value.get("metadata")
    number = metadata.get("phone_number_id") if isinstance(metadata, Mapping) else None
    known = {**known, "account": str(number or known["account"])}
    print_, own = known["fingerprint"], str(data.get("id") or "")
    sent_at = moment(data.get("timestamp"))
    if name == "statuses":
        person = data.get("recipient_user_id") or data.get("recipient_id")
        status = str(data.get("status") or "unknown")
        source = f"{own}:{status}" if own else f"status:{print_}"
        return Event(
            **known,
            what="status",
            data=data,
            value=value,
            person=str(person) if person else None,
            source_id=_short(source),
            sent_at=sent_at,
        )
    if name == "errors":
        return Event(**known, what="errors", data=data, value=value, source_id=f"errors:{print_}")
    echo = name == "message_echoes"
    person = whatsapp_person(data, value, echo=echo)
    type_ = str(data.get("type") or "")
    what = "echo" if echo else {"edit": "edited", "revoke": "deleted"}.get(type_, "message")
    if what == "message" and type_ in ("reaction", "system"):
        what = type_
    return Event(
        **known,
        what=what,
        data=data,
        value=value,
        person=person,
        source_id=_short(own or f"{what}:{print_}"),
        sent_at=sent_at,
    )


def whatsapp_person(data: Mapping[str, Any], value: Mapping[str, Any], *, echo: bool = False) -> str | None:
    """The user id where WhatsApp gives one, else the number: the id stays when the number is hidden."""
    contact = whatsapp_contact(data, value)
    if echo:
        found = data.get("to_user_id") or data.get("to")
    else:
        found = data.get("from_user_id") or contact.get("user_id") or data.get("from") or contact.get("wa_id")
    return str(found) if found else None


def whatsapp_contact(data: Mapping[str, Any], value: Mapping[str, Any]) -> Mapping[str, Any]:
    """Who wrote a message, among the contacts that came with it."""
    contacts = [one for one in _listed(value.get("contacts")) if isinstance(one, Mapping)]
    for name, theirs in (("from_user_id", "user_id"), ("from", "wa_id")):
        wanted = data.get(name)
        for one in contacts:
            if wanted and one.get(theirs) == wanted:
                return one
    return contacts[0] if len(contacts) == 1 else {}


# ---- comments, and news of the account


def _change(data: Mapping[str, Any], name: str, known: Mapping[str, Any], entry: Mapping[str, Any]) -> Event:
    print_ = known["fingerprint"]
    author = _id(data.get("from")) or str(data.get("sender_id") or "")
    sent_at = moment(data.get("created_time")) or moment(entry.get("time"))
    item, verb = str(data.get("item") or ""), str(data.get("verb") or "add")
    if name in ("comments", "live_comments"):
        what, own = "comment", str(data.get("id") or "")
    elif name == "feed" and item == "comment":
        what, own = "comment", str(data.get("comment_id") or "")
    elif name == "feed" and item in ("post", "status", "photo", "video", "share", "link"):
        what, own = "post", str(data.get("post_id") or "")
    else:
        return Event(**known, what=name[:60], data=data, source_id=f"{name[:60]}:{print_}", sent_at=sent_at)
    source = f"{what}:{own}" if own and verb == "add" else f"{what}:{verb}:{print_}"
    if verb != "add":
        what = "comment_removed" if verb in ("remove", "hide", "delete") else "comment_edited"
    return Event(
        **known,
        what=what,
        data=data,
        person=author or None,
        source_id=_short(source),
        sent_at=sent_at,
    )


def comment_conversation(data: Mapping[str, Any]) -> str:
    """The key of a comment's conversation: the thread it stands in and its author, apart from their messages."""
    own = str(data.get("comment_id") or data.get("id") or "")
    post = str(data.get("post_id") or "")
    parent = str(data.get("parent_id") or "")
    root = parent if parent and parent != post else own or post
    return f"comment:{root}:{_id(data.get('from')) or data.get('sender_id') or ''}"


def moment(value: Any) -> datetime | None:
    """Unix time in seconds or milliseconds, as number or digits; None when it is neither."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    if isinstance(value, str) and not (value.isascii() and value.isdigit() and len(value) < 16):
        return None
    number = int(value)
    try:
        return datetime.fromtimestamp(number / 1_000 if number >= 10**11 else number, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _short(own: str) -> str:
    return own if len(own) <= _LONGEST_ID else "sha256:" + hashlib.sha256(own.encode()).hexdigest()
