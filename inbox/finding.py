"""What a record is found by in the archive's index: the words of each message, as it is registered. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from inbox.placing import Place, Reading
from model import searching
from model.registration import Registration
from store.units import Found


def of_message(
    reading: Reading, registration: Registration, place: Place | None, names: Sequence[str]
) -> tuple[Found, ...]:
    """The index row of a new record, or what its record gains by a message that joined; `names` are the contact's."""
    draft = reading.draft
    if place is not None and (
        draft.signal or draft.automatic or draft.bounce or place.why == "other account"
    ):
        return ()
    files = [one.filename for one in reading.files]
    terms = searching.terms(draft.subject, draft.full_text, draft.name, draft.company, *names, *files)
    return (Found(registration.record, tuple(terms), new=place is None),)


def of_text(record: str, *texts: str) -> tuple[Found, ...]:
    """What a record gains by words that are added to it."""
    terms = searching.terms(*texts)
    return (Found(record, tuple(terms)),) if terms else ()
