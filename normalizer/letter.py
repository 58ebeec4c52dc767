"""From the lines of a letter to a draft: its fields, how to answer it, and whether a clerk must look first. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

from model import address
from model.draft import Draft, Identity, Part, Thread
from normalizer import identity, language, letter_fields, text
from normalizer.contract import Source
from normalizer.letter_fields import Field
from normalizer.scan import lines as scanned
from normalizer.scan.lines import Line

_SUBJECT, _NAME, _ADDRESS = 500, 200, 400
#: Fields that a clerk may correct, beside the text.
CORRECTED = ("name", "address", "postcode", "phone", "email", "date", "subject")
#: Fields without which no answer can go out; any one of them will do.
_WAYS = ("email", "phone", "address")
#: Why a clerk must look first; the desk has words for each.
DOUBTS = (
    NO_TEXT := "no text was recognised on it",
    WEAK := "its text is recognised with a confidence below hold_below",
    DOUBTFUL := "not sure about",
    NO_WAY := "no way to answer its writer was found in it",
    NO_NAME := "the name of its writer was not found in it",
)


def draft(
    pages: Sequence[Sequence[Line]],
    source: Source,
    *,
    parts: tuple[Part, ...] = (),
    tokens: tuple[str, ...] = (),
    facts: Mapping[str, Any] | None = None,
) -> Draft:
    """The letter on these pages. What a clerk corrected (`meta.corrected`) goes before what was found."""
    options = source.options
    whole = [line for page in pages for line in page]
    regions = [str(options.get("region", "CN")), *map(str, options.get("other_regions", ("GB", "US")))]
    own = [str(one) for one in options.get("own", ())]
    fields = letter_fields.find(whole, regions=regions, own=own, received=source.received_at.date())
    confidence = round(scanned.confidence(whole), 3)
    corrected: Mapping[str, Any] = source.meta.get("corrected") or {}
    found = {name: _value(name, one, corrected, regions[0]) for name, one in fields.each().items()}
    full = text.clean("\n\n".join(scanned.paragraphs(page) for page in pages if page))
    body = text.clean(scanned.paragraphs(whole[slice(*fields.body)])) if len(pages) == 1 else full
    said = str(corrected["text"]) if corrected.get("text") else body or full
    identities, reply_to = _ways(found, fields.prefers)
    told = {name: one.value for name, one in found.items() if one.value and name in ("address", "postcode")}
    made = Draft(
        subject=text.one_line(found["subject"].value, _SUBJECT),
        text=said,
        full_text=said if corrected.get("text") and len(full) < len(said) else full,
        language=language.detect(said),
        sent_at=_sent(found["date"].value, source.received_at),
        name=text.one_line(found["name"].value, _NAME),
        identities=identities,
        reply_to=reply_to,
        thread=Thread(tokens=tokens),
        parts=parts,
        # A sheet of ours that came back is known by its code: whose it is need not be read.
        suspicious=None if corrected or tokens else _doubt(whole, confidence, found, options),
        extra={
            **(facts or {}),
            **told,
            "confidence": confidence,
            "fields": {name: one.confidence for name, one in found.items() if one.value},
            **({"letter_date": found["date"].value} if found["date"].value else {}),
            **({"prefers": fields.prefers} if fields.prefers else {}),
        },
        omissions=() if whole else (NO_TEXT,),
    )
    return replace(made, shown=_shown(made, float(options.get("hold_below", 0.8))))


def _shown(found: Draft, least: float) -> dict[str, Any]:
    """What a clerk is shown of a letter that is held, to be corrected."""
    known = {one.kind: one.value for one in found.identities}
    values = {
        "name": found.name,
        "address": str(found.extra.get("address", "")),
        "postcode": str(found.extra.get("postcode", "")),
        "phone": known.get("phone", ""),
        "email": known.get("email", ""),
        "date": str(found.extra.get("letter_date", "")),
        "subject": found.subject,
    }
    return {
        "values": values,
        "confidence": dict(found.extra.get("fields", {})),
        "text": found.full_text,
        "hold_below": least,
        "sure": found.extra.get("confidence", 0.0),
        "pages": found.extra.get("pages", 0),
    }


def _value(name: str, found: Field, corrected: Mapping[str, Any], region: str) -> Field:
    """The clerk's word where there is one, in the form in which it is compared."""
    if name not in corrected:
        return found
    given = text.one_line(str(corrected[name]), _ADDRESS)
    if name == "email":
        given = one.value if given and (one := identity.email(given)) else ""
    if name == "phone":
        given = letter_fields.number(given, [region]) or given if given else ""
    return Field(given, 1.0 if given else 0.0)


def _ways(found: Mapping[str, Field], prefers: str) -> tuple[tuple[Identity, ...], tuple[Identity, ...]]:
    """Who wrote, as the identities that were left, and where an answer can go, what they asked for first."""
    ways = {
        kind: Identity(kind, found[kind].value)
        for kind in ("email", "phone")
        if found[kind].value and (kind == "email" or found[kind].value.startswith("+"))
    }
    if found["address"].value:
        written = found["address"].value
        # What stands in one line here has lines of its own on an envelope.
        place = written.replace(", ", "\n") if written.isascii() else written
        place = "\n".join(filter(None, (place, found["postcode"].value)))
        if kept := address.tidy(place, found["name"].value):
            ways["address"] = Identity(address.KIND, kept)
    order = [kind for kind in (prefers, *_WAYS) if kind in ways]
    return tuple(ways.values()), tuple(dict.fromkeys(ways[kind] for kind in order))


def _sent(written: str, received_at: datetime) -> datetime | None:
    """The letter's own date at midnight UTC; None where there is none, or one to come."""
    try:
        day = date.fromisoformat(written)
    except ValueError:
        return None
    at = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return at if at <= received_at else None


def _doubt(
    lines: Sequence[Line], confidence: float, found: Mapping[str, Field], options: Mapping[str, Any]
) -> str | None:
    """Why a clerk must look before it is registered; None when all is sure enough."""
    least = float(options.get("hold_below", 0.8))
    if not lines:
        return NO_TEXT
    if confidence < least:
        return f"{WEAK}: {confidence:.2f} < {least:g}"
    doubtful = [name for name in ("name", *_WAYS) if found[name].value and found[name].confidence < least]
    sure = [name for name in _WAYS if found[name].value and found[name].confidence >= least]
    if doubtful and ("name" in doubtful or not sure):
        return f"{DOUBTFUL}: {', '.join(doubtful)}"
    if options.get("hold_without_sender", True):
        if not any(found[name].value for name in _WAYS):
            return NO_WAY
        if not found["name"].value:
            return NO_NAME
    return None
