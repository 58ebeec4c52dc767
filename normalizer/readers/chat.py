"""Reads a message of our chat widget."""

from __future__ import annotations

from model import body
from model.draft import Draft, Identity, Part
from normalizer import filename, identity, language, text
from normalizer.contract import Source

_SHORT, _CONTACT = 200, 2_000


def read(source: Source) -> Draft:
    """A message as a draft. The visitor is the sender, and whatever they left to be reached by is theirs too."""
    form = body.load_form(source.media_type, source.raw)
    visitor = str(source.meta.get("visitor", ""))
    words = text.clean(form.first("message")).strip()
    contact = form.first("contact")[:_CONTACT]
    left = identity.find(contact, str(source.options.get("region", "CN"))) if contact.strip() else ()
    extra = {"page": text.one_line(form.first("page"), _SHORT)} if form.first("page") else {}
    if contact.strip() and not left:
        extra["contact"] = text.one_line(contact, _SHORT)  # a room number may still help a person
    return Draft(
        text=words,
        full_text=words,
        language=language.detect(words) or language.accepted(str(source.meta.get("accept_language", ""))),
        sent_at=source.sent_at,
        name=text.one_line(form.first("name"), _SHORT),
        identities=(*((Identity("visitor", visitor),) if visitor else ()), *left),
        conversation=visitor or None,
        parts=tuple(Part(filename.safe(file.filename), file.media_type, file.data) for file in form.files),
        extra=extra,
        omissions=form.notes,
    )
