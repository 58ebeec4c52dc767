"""Reads what a partner brings in of what a customer of theirs says."""

from __future__ import annotations

from model import body
from model.draft import Draft, Part, Thread
from normalizer import filename, identity, language, text
from normalizer.contract import Source

_KNOWN = frozenset(
    {"reference", "key", "name", "phone", "email", "company", "language", "subject", "urgency", "text"}
)
_SHORT, _SUBJECT = 200, 500


def read(source: Source) -> Draft:
    """A partner's post as a draft; the partner's own reference ties together what comes under it again."""
    form = body.load_form(source.media_type, source.raw)
    region, partner = str(source.options.get("region", "CN")), str(source.meta.get("partner", ""))
    words = text.clean(form.first("text")).strip()
    own = text.one_line(form.first("reference"), _SHORT)
    left = (identity.email(form.first("email")), identity.phone(form.first("phone"), region))
    identities = tuple(one for one in left if one is not None)
    extra = {"partner_reference": own}
    for raw_name, raw_value in form.fields:
        name, value = text.one_line(raw_name, _SHORT), text.clean(raw_value).strip()
        if raw_name not in _KNOWN and name and value:
            extra.setdefault(name, value)
    return Draft(
        subject=text.one_line(form.first("subject"), _SUBJECT),
        text=words,
        full_text=words,
        language=form.first("language").strip()[:35] or language.detect(words),
        sent_at=source.sent_at,
        name=text.one_line(form.first("name"), _SHORT),
        company=text.one_line(form.first("company"), _SHORT) or str(source.options.get("company", "")),
        identities=identities,
        reply_to=identities if source.options.get("to_customer", True) else (),
        # Under its own name a later post joins the record; the other is what the desk finds it by.
        thread=Thread(replies_to=(f"{partner}/{own}",), ids=(f"{partner}/{own}", f"own:{own}"))
        if own
        else Thread(),
        # Where the partner gets the answers, its matter is the conversation: no address of anybody's is needed.
        conversation=own if own and not source.options.get("to_customer", True) else None,
        parts=tuple(Part(filename.safe(file.filename), file.media_type, file.data) for file in form.files),
        urgency=form.first("urgency").strip() or None,
        extra={name: value for name, value in extra.items() if value},
        omissions=form.notes,
        envelope_to={"partner_reference": own} if own else {},
    )
