"""What a message tells about who somebody is: further identities of its contact, with evidence. Pure.

Nothing is merged on a guess. An address that a person wrote about themselves is theirs while nobody else has
it; one that another contact has is only proposed, for a person to decide.
"""

from __future__ import annotations

from datetime import datetime

from inbox.placing import Reading
from model.draft import Identity
from model.registration import Registration
from model.tools import Ids
from store.lookups import Findings
from store.units import Insert, Update


def learn(reading: Reading, registration: Registration, found: Findings, made: Ids) -> list[Insert]:
    """The new identities of the contact, and proposals where another contact has them."""
    contact, at = registration.contact, registration.at
    if contact is None or reading.draft.automatic or reading.draft.signal or reading.draft.weak:
        return []
    inserts: list[Insert] = []
    for one in reading.told:
        owner = found.contacts.get((one.kind, one.value))
        if owner is None:
            inserts.append(identity(one, contact, f"wrote it in {registration.reference}", at))
        elif owner != contact:
            evidence = f"both gave it, the second one in {registration.reference}"
            inserts.append(proposal(made, owner, contact, one, evidence, at))
    return inserts


def reachable_again(reading: Reading, registration: Registration, found: Findings) -> list[Update]:
    """Who writes to us from an identity that refused our messages can be reached there again."""
    contact, person = registration.contact, reading.person
    refused = found.unreachable.get(contact or "", [])
    if contact is None or person is None or person.value not in refused or reading.draft.signal:
        return []
    if reading.draft.automatic or reading.draft.bounce or reading.draft.weak:
        return []
    left = [one for one in refused if one != person.value]
    return [Update("contact", {"id": contact}, {"unreachable": left})]


def identity(one: Identity, contact: str, evidence: str, at: datetime) -> Insert:
    """An identity of a contact; nothing when somebody has it."""
    row = {"kind": one.kind, "value": one.value, "contact": contact, "evidence": evidence, "since": at}
    return Insert("identity", row, ignore=True)


def proposal(
    made: Ids, contact: str, other: str, one: Identity, evidence: str, at: datetime, state: str = "proposed"
) -> Insert:
    """That two contacts may be, or are, one person; the same is not proposed twice."""
    row = {
        "id": made.new(),
        "contact": contact,
        "other": other,
        "kind": one.kind,
        "value": one.value,
        "evidence": evidence,
        "state": state,
        "at": at,
        "actor": "forebay",
        "undone_at": None,
        "undone_by": None,
    }
    return Insert("link", row, ignore=True)
