"""Reads a note that a colleague took down of what somebody said, at a counter or on the telephone."""

from __future__ import annotations

from datetime import datetime

from model import body, ids
from model.draft import NOTED, Call, Draft, Identity, Part, Thread
from model.failures import Malformed
from normalizer import filename, identity, language, text
from normalizer.contract import Source

#: What a note says of itself; everything else is kept as extra fields.
_KNOWN = frozenset(
    {
        *(
            "name",
            "phone",
            "email",
            "address",
            "company",
            "language",
            "place",
            "urgency",
            "subject",
            "text",
            "answer_by",
        ),
        *("call", "reference", "token", "said_at", "key"),
    }
)
_SHORT, _SUBJECT, _ADDRESS = 200, 500, 2_000
#: Why somebody who wishes no answer gets no acknowledgement either.
WISHES_NONE = "wishes no answer"


def read(source: Source) -> Draft:
    """A note as a draft; Malformed when it is no form."""
    form = body.load_form(source.media_type, source.raw)
    words = text.clean(form.first("text")).strip()
    if not words and not form.files:
        raise Malformed("the note says nothing")
    region = str(source.options.get("region", "CN"))
    email, number = identity.email(form.first("email")), form.first("phone").strip()
    phone = identity.phone(number, region) if number else None
    call = identity.call(number, region) if number else None
    name, address = text.one_line(form.first("name"), _SHORT), text.clean(form.first("address")).strip()
    post = identity.post(address, name) if address else None
    wish, heard = form.first("answer_by").strip(), form.first("call").strip()[:_SHORT]
    known = tuple(one for one in (phone, email, post) if one is not None)
    return Draft(
        subject=text.one_line(form.first("subject"), _SUBJECT),
        text=words,
        full_text=words,
        language=form.first("language").strip()[:35] or language.detect(words),
        sent_at=_moment(form.first("said_at")) or source.sent_at,
        name=name,
        company=text.one_line(form.first("company"), _SHORT),
        identities=known,
        reply_to=_wished(wish, phone, email, post, call),
        thread=_thread(form),
        parts=tuple(Part(filename.safe(file.filename), file.media_type, file.data) for file in form.files),
        mute=(WISHES_NONE,) if wish == "none" else (),
        urgency=form.first("urgency").strip() or None,
        call=Call(id=heard, event=NOTED) if heard else None,
        extra=_extra(form, source, number if number and phone is None else "", "" if post else address),
        omissions=form.notes,
    )


def _wished(
    wish: str, phone: Identity | None, email: Identity | None, post: Identity | None, call: Identity | None
) -> tuple[Identity, ...]:
    """Where an answer goes, the wish first; a call-back is what remains when nothing else reaches them."""
    if phone is not None and call is not None and call.value != phone.value:
        phone = None  # behind an extension is somebody to be called, and nobody to get a text message
    ways = {
        "none": (),
        "call_back": (call,),
        "sms": (phone, call),
        "email": (email, call),
        "letter": (post, call),
        "": (email, phone, post, call),
    }
    return tuple(one for one in ways.get(wish, ways[""]) if one is not None)


def _thread(form: body.Form) -> Thread:
    """The call that the note is of; the record that a colleague adds it to, and one that the customer named."""
    call, token = form.first("call").strip()[:_SHORT], form.first("token").strip()[:_SHORT]
    reference = ids.tidy_reference(form.first("reference"))[:50]
    return Thread(
        tokens=(token,) if token else (),
        replies_to=(call,) if call else (),
        ids=(call,) if call else (),
        mentioned=(reference,) if reference else (),
    )


def _extra(form: body.Form, source: Source, number: str, address: str) -> dict[str, str]:
    extra = {
        "place": text.one_line(form.first("place"), _SHORT),
        "answer_by": form.first("answer_by").strip()[:20],
        "number": text.one_line(number, _SHORT),  # it is none that can be compared, but a person may dial it
        "address": address[:_ADDRESS],  # no letter could go there as it stands, but a person may mend it
        "taken_by": text.one_line(str(source.meta.get("by", "")), _SHORT),
    }
    for raw_name, raw_value in form.fields:
        name, value = text.one_line(raw_name, _SHORT), text.clean(raw_value).strip()
        if raw_name not in _KNOWN and name and value:
            extra.setdefault(name, value)
    return {name: value for name, value in extra.items() if value}


def _moment(given: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(given.strip())
    except ValueError:
        return None
    return at if at.tzinfo is not None else None
