"""Reads one event of a WhatsApp number (Cloud API, "Webhooks reference")."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from model import meta_codes, meta_events
from model.draft import Draft, Fate, Identity, Part, Report, Thread
from model.failures import Reason
from model.meta_events import Event
from normalizer import filename, identity, language, meta, text
from normalizer.contract import Source

_NAME = 300
#: What became of a message; `sent` says that WhatsApp has it for good.
_FATES: Mapping[str, Fate] = {
    "sent": Fate.SENT,
    "delivered": Fate.DELIVERED,
    "read": Fate.READ,
    "played": Fate.READ,
    "failed": Fate.FAILED,
}
#: Types that are files, and the endings of their names.
_FILES: Mapping[str, str] = {
    "image": "jpg",
    "video": "mp4",
    "audio": "ogg",
    "voice": "ogg",
    "document": "bin",
    "sticker": "webp",
}


@dataclass(slots=True)
class _Content:
    """What a message holds."""

    typed: str = ""
    label: str = ""
    parts: tuple[Part, ...] = ()
    extra: dict[str, Any] = field(default_factory=dict)


def read(source: Source) -> Draft:
    """An event as a draft."""
    event = meta.found(source)
    if event.value and meta.foreign(source, event):
        return meta.elsewhere(event)
    region = str(source.options.get("region", "CN"))
    base = _base(source, event, region)
    if event.what == "status":
        return _status(base, event)
    if event.what == "echo":
        content = _content(event.data)
        return meta.echo(base, event.data.get("id"), None, _shown(content))
    if event.what == "reaction":
        return _reaction(base, event)
    if event.what == "deleted":
        gone = meta.mapping(event.data.get("revoke")).get("original_message_id")
        return meta.happened(base, "deleted", meta.label("deleted"), about=str(gone or ""))
    if event.what == "system":
        return _system(base, event)
    if event.what in ("message", "edited"):
        return _message(base, event)
    _, raw = meta.unknown(event.what, event.data)
    return replace(meta.happened(base, event.what), extra=raw)


def _base(source: Source, event: Event, region: str) -> Draft:
    """Who it is with. The user id comes first: it stays when the telephone number is hidden."""
    data, value = event.data, event.value
    contact = meta_events.whatsapp_contact(data, value) if event.what != "status" else {}
    user = data.get("from_user_id") or contact.get("user_id")
    number = data.get("from") if event.what != "echo" else data.get("to")
    number = number or contact.get("wa_id")
    number = number if isinstance(number, str) and number.isascii() and number.isdigit() else None
    known = meta.identities(
        Identity("bsuid", user) if isinstance(user, str) and user else None,
        Identity("whatsapp", number) if number else None,
        identity.phone(f"+{number}", region) if number else None,
    )
    thread = {"user": user, "number": number}
    return Draft(
        sent_at=event.sent_at or source.sent_at,
        name=text.one_line(str(meta.mapping(contact.get("profile")).get("name") or ""), _NAME),
        identities=known,
        reply_to=known,
        conversation=event.person,
        envelope_to={name: one for name, one in thread.items() if isinstance(one, str)},
    )


# ---- messages


def _message(base: Draft, event: Event) -> Draft:
    data = event.data
    inner = data
    if event.what == "edited":
        inner = meta.mapping(meta.mapping(data.get("edit")).get("message"))
    content = _content(inner)
    context = meta.mapping(inner.get("context") or data.get("context"))
    answers = context.get("id")
    own = str(data.get("id") or "")
    shown = _shown(content)
    extra = {"type": inner.get("type") or "unknown", **content.extra, **_about(inner, data, context, event)}
    if event.what == "edited":
        first = meta.mapping(data.get("edit")).get("original_message_id")
        thread = (
            Thread(ids=(own,), replies_to=(first,))
            if isinstance(first, str) and first
            else Thread(ids=(own,))
        )
    else:
        thread = Thread(
            ids=(own,) if own else (), replies_to=(answers,) if isinstance(answers, str) and answers else ()
        )
    return replace(
        base,
        signal="edited" if event.what == "edited" else None,
        text=content.typed or shown,
        full_text=shown,
        language=language.detect(content.typed),
        parts=content.parts,
        thread=thread,
        extra=extra,
    )


def _shown(content: _Content) -> str:
    return "\n".join(one for one in (content.label, content.typed) if one)


def _about(
    inner: Mapping[str, Any], data: Mapping[str, Any], context: Mapping[str, Any], event: Event
) -> dict[str, Any]:
    """Facts beside the content: forwarded, an advertisement, a product, what WhatsApp could not hand over."""
    referral = meta.mapping(data.get("referral"))
    product = meta.mapping(context.get("referred_product"))
    errors = meta.listed(inner.get("errors")) or meta.listed(event.value.get("errors"))
    codes = [str(one["code"]) for one in errors if isinstance(one.get("code"), int)]
    return meta.plain(
        {
            "forwarded": bool(context.get("forwarded") or context.get("frequently_forwarded")) or None,
            "forwarded_often": bool(context.get("frequently_forwarded")) or None,
            "referral": referral.get("source_url"),
            "referral_ad": referral.get("source_id"),
            "referral_title": referral.get("headline"),
            "product": product.get("product_retailer_id"),
            "reply_to": context.get("id"),
            "group": data.get("group_id"),
            "errors": ", ".join(codes) or None,
        }
    )


def _content(message: Mapping[str, Any]) -> _Content:
    type_ = str(message.get("type") or "")
    detail = meta.mapping(message.get(type_))
    if type_ == "contacts":
        return _contacts(message)
    if type_ in _FILES:
        return _file(type_, detail)
    reader = _READERS.get(type_)
    if reader is not None and detail:
        return reader(detail)
    about = meta.mapping(message.get("unsupported")).get("type") if type_ == "unsupported" else type_
    mark, raw = meta.unknown(str(about or ""), {name: one for name, one in message.items() if name != "from"})
    return _Content(label=mark, extra=raw)


def _file(type_: str, detail: Mapping[str, Any]) -> _Content:
    number = detail.get("id")
    kind = str(detail.get("mime_type") or "application/octet-stream").partition(";")[0].strip()
    label = "voice" if type_ == "audio" and detail.get("voice") else type_
    named = detail.get("filename")
    name = named if isinstance(named, str) and named else f"{type_}.{_FILES[type_]}"
    part = Part(
        filename.safe(name),
        text.one_line(kind, 100),
        None,
        reference=number if isinstance(number, str) and number else None,
        omitted=None if number else "WhatsApp did not name the file",
    )
    return _Content(meta.words(detail.get("caption")), meta.label(label, named), (part,))


def _location(detail: Mapping[str, Any]) -> _Content:
    place = f"{detail.get('latitude')}, {detail.get('longitude')}"
    mark = meta.label("location", detail.get("name"), detail.get("address"), place, detail.get("url"))
    facts = {"latitude": detail.get("latitude"), "longitude": detail.get("longitude")}
    return _Content(label=mark, extra=meta.plain(facts))


def _contacts(message: Mapping[str, Any]) -> _Content:
    lines = []
    for one in meta.listed(message.get("contacts")):
        name = meta.mapping(one.get("name")).get("formatted_name") or ""
        ways = [str(way.get("phone") or "") for way in meta.listed(one.get("phones"))]
        ways += [str(way.get("email") or "") for way in meta.listed(one.get("emails"))]
        lines.append(meta.label("contacts", name, ", ".join(way for way in ways if way)))
    return _Content(label="\n".join(lines) or meta.label("contacts"))


def _order(detail: Mapping[str, Any]) -> _Content:
    lines = [meta.label("order", detail.get("catalog_id"))]
    for item in meta.listed(detail.get("product_items")):
        price = f"{item.get('item_price')} {item.get('currency') or ''}".strip()
        lines.append(
            text.one_line(f"{item.get('quantity')} × {item.get('product_retailer_id')}, {price}", 300)
        )
    return _Content(meta.words(detail.get("text")), "\n".join(lines))


def _interactive(detail: Mapping[str, Any]) -> _Content:
    for name in ("button_reply", "list_reply"):
        chosen = meta.mapping(detail.get(name))
        if chosen:
            facts = {"choice": chosen.get("id"), "choice_more": chosen.get("description")}
            return _Content(meta.words(chosen.get("title")), extra=meta.plain(facts))
    flow = meta.mapping(detail.get("nfm_reply"))
    if flow:
        answers = flow.get("response_json")
        typed = meta.words(flow.get("body"))
        return _Content(typed, extra=meta.plain({"flow": flow.get("name"), "flow_answers": answers}))
    mark, raw = meta.unknown(str(detail.get("type") or "interactive"), detail)
    return _Content(label=mark, extra=raw)


_READERS: Mapping[str, Callable[[Mapping[str, Any]], _Content]] = {
    "text": lambda detail: _Content(meta.words(detail.get("body"))),
    "button": lambda detail: _Content(
        meta.words(detail.get("text")), extra=meta.plain({"choice": detail.get("payload")})
    ),
    "location": _location,
    "order": _order,
    "interactive": _interactive,
}


# ---- what happened


def _status(base: Draft, event: Event) -> Draft:
    data = event.data
    fate = _FATES.get(str(data.get("status") or ""))
    number, key = data.get("id"), data.get("biz_opaque_callback_data")
    if fate is None or not isinstance(number, str):
        return replace(meta.happened(base, "status"), extra=meta.unknown("status", data)[1])
    errors = meta.listed(data.get("errors"))
    code = errors[0].get("code") if errors else None
    meaning = meta_codes.meaning(code) if isinstance(code, int) else None
    report = Report(
        fate=fate,
        remote_id=number,
        key=key if isinstance(key, str) else None,
        reason=(meaning.reason if meaning else Reason.SERVER) if fate is Fate.FAILED else None,
        detail=meta_codes.named(code) if isinstance(code, int) else "",
    )
    return meta.told(base, "status", [report])


def _reaction(base: Draft, event: Event) -> Draft:
    detail = meta.mapping(event.data.get("reaction"))
    emoji = detail.get("emoji")
    mark = meta.label("reaction", emoji) if emoji else meta.label("reaction_removed")
    draft = meta.happened(base, "reaction", mark, about=str(detail.get("message_id") or ""))
    return replace(
        draft, extra=meta.plain({"type": "reaction", "reply_to": detail.get("message_id"), "emoji": emoji})
    )


def _system(base: Draft, event: Event) -> Draft:
    """A customer has another number or another telephone. Nobody is merged: a clerk sees it in the timeline."""
    detail = meta.mapping(event.data.get("system"))
    type_ = str(detail.get("type") or "")
    name = "identity_changed" if type_ == "customer_identity_changed" else "number_changed"
    new = detail.get("wa_id") or detail.get("new_wa_id")
    facts = {"type": "system", "change": type_, "new_number": new, "new_user": detail.get("user_id")}
    mark = meta.label(name, meta.words(detail.get("body")), new)
    return replace(meta.happened(base, name, mark), extra=meta.plain(facts))
