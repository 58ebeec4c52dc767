"""Reads a posted form."""

from __future__ import annotations

import re
from collections.abc import Mapping

from model import body, ids
from model.draft import Draft, Identity, Part, Thread
from normalizer import filename, identity, language, text
from normalizer.contract import Source

#: The names that `connectors.form.FieldNames` has by default, for reading files without settings.
_FIELDS = ("name", "contact", "email", "phone", "address", "company", "subject", "message")
#: Fields of ours that say nothing about the customer's matter.
_HIDDEN = frozenset({"key", "token", "reference", "_charset_"})
_SHORT, _SUBJECT, _CONTACT = 200, 500, 2_000
#: What a customer may wish an answer by, and the kind of identity that it goes to.
_WISHES: Mapping[str, str] = {"email": "email", "sms": "phone", "phone": "phone", "letter": "post"}
#: What people write between an address and a number; a bare slash belongs to German numbers.
_SEPARATORS = re.compile(r"[,;，；、|\n]|\s/\s")


def read(source: Source) -> Draft:
    """A form as a draft. HTML in a field is text that somebody typed, and stays so."""
    most = int(source.options.get("max_fields", 1_000))
    form = body.load_form(source.media_type, source.raw, most=most)
    names: Mapping[str, str] = source.options.get("fields") or {name: name for name in _FIELDS}
    region = str(source.options.get("region", "CN"))
    extra = _extra(form, {*names.values(), str(source.options.get("honeypot") or "")})
    if place := source.meta.get("place"):
        extra.setdefault("place", text.one_line(str(place), _SHORT))
    identities = _identities(form, names, region)
    contact = text.one_line(form.first(names["contact"]), _SHORT)
    if contact and not identities:
        extra["contact"] = contact  # a nickname or a room number may still help a person
    address = text.clean(form.first(names.get("address", "address"))).strip()
    if address and not any(one.kind == "post" for one in identities):
        extra["address"] = address[:_CONTACT]  # a person may make something of it
    message = text.clean(form.first(names["message"])).strip()
    words = message or "\n".join(f"{name}: {value}" for name, value in extra.items())
    return Draft(
        subject=text.one_line(form.first(names["subject"]), _SUBJECT),
        text=words,
        full_text=words,
        language=language.detect(words) or language.accepted(str(source.meta.get("accept_language", ""))),
        sent_at=source.sent_at,
        name=text.one_line(form.first(names["name"]), _SHORT),
        company=text.one_line(form.first(names["company"]), _SHORT),
        identities=identities,
        reply_to=_wished(form, identities),
        thread=_thread(form),
        parts=tuple(Part(filename.safe(file.filename), file.media_type, file.data) for file in form.files),
        extra=extra,
        omissions=form.notes,
    )


def _identities(form: body.Form, names: Mapping[str, str], region: str) -> tuple[Identity, ...]:
    """Every way to reach the customer that was left, the fields made for it first."""
    found = [
        identity.email(form.first(names["email"])),
        identity.phone(form.first(names["phone"]), region),
        *(
            one
            for piece in _SEPARATORS.split(form.first(names["contact"])[:_CONTACT])
            for one in identity.find(piece, region)
        ),
        identity.post(form.first(names.get("address", "address")), form.first(names["name"])),
    ]
    return tuple(dict.fromkeys(one for one in found if one is not None))


def _wished(form: body.Form, identities: tuple[Identity, ...]) -> tuple[Identity, ...]:
    """The same, those first by which the customer wishes to be answered (`answer_by`)."""
    kind = _WISHES.get(form.first("answer_by").strip().lower())
    return tuple(sorted(identities, key=lambda one: one.kind != kind)) if kind else identities


def _extra(form: body.Form, known: set[str]) -> dict[str, str]:
    """All other fields by name; several values of one are joined."""
    extra: dict[str, str] = {}
    for raw_name, raw_value in form.fields:
        name, value = text.one_line(raw_name, _SHORT), text.clean(raw_value).strip()
        if raw_name in known or raw_name in _HIDDEN or not name or not value:
            continue
        extra[name] = f"{extra[name]}, {value}" if name in extra else value
    return extra


def _thread(form: body.Form) -> Thread:
    """What the status page's hidden fields say about the record that this one continues."""
    token = form.first("token").strip()[:_SHORT]
    reference = ids.tidy_reference(form.first("reference"))[:50]
    return Thread(tokens=(token,) if token else (), mentioned=(reference,) if reference else ())
