"""Records as those see them who need to know nobody: no names, no addresses, no files, nothing as it was designed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from console.story import Chapter
from model import masking
from model import record as canon
from model.event import EventType


def record(whole: canon.Record) -> canon.Record:
    """A record without its people."""
    contact = whole.contact
    names = _names(whole)

    def text(value: str) -> str:
        return masking.text(value, *names)

    return whole.model_copy(
        update={
            "contact": contact.model_copy(
                update={
                    "name": masking.name(contact.name),
                    "company": masking.name(contact.company),
                    "identities": [
                        one.model_copy(update={"value": masking.value(one.kind, one.value)})
                        for one in contact.identities
                    ],
                }
            ),
            "subject": text(whole.subject),
            "text": text(whole.text),
            "full_text": text(whole.full_text),
            "html": None,
            "attachments": [
                one.model_copy(update={"filename": text(one.filename), "url": None})
                for one in whole.attachments
            ],
            "omissions": [text(one) for one in whole.omissions],
            "raw": whole.raw.model_copy(update={"url": None}),
            "extra": {},
        }
    )


def story(chapters: Iterable[Chapter], whole: canon.Record) -> list[Chapter]:
    """What happened to a record, without its people; `whole` is the record with them."""
    names, found = _names(whole), []
    for one in chapters:
        shown = replace(one, text=masking.text(one.text, *names))
        if one.what == EventType.CORRECTED:
            # What stood there and what stands there now may be names, one of which is known no more.
            shown = replace(shown, text="")
        if one.side == "customer":
            shown = replace(shown, who=masking.name(one.who))
        if one.delivery is not None:
            to = masking.value("email", one.delivery["address"] or "") if one.delivery["address"] else None
            body = {**one.delivery["body"], "files": []}
            detail = masking.text(one.delivery["detail"] or "", *names) or None
            shown = replace(shown, delivery={**one.delivery, "address": to, "body": body, "detail": detail})
        found.append(shown)
    return found


def _names(whole: canon.Record) -> tuple[str, ...]:
    """What a record's texts may not say, beside what looks like an address."""
    return (whole.contact.name, whole.contact.company, *(one.value for one in whole.contact.identities))
