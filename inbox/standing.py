"""What somebody lets us know about messages of ours: that they shut us out, let us in again, or said STOP. Pure.

It is no message, and needs no record: the address is marked all the same.
"""

from __future__ import annotations

from datetime import datetime

from inbox.placing import Reading
from store import optouts
from store.lookups import Findings
from store.units import Insert, Update

#: The platform takes nothing more for them: they unfollowed the account, or blocked the bot.
SHUT = "unfollowed"
#: Acts that only somebody can do who hears us.
OPEN = frozenset({"followed", "scanned", "menu"})
#: Words by which they end all messages of a channel's kind, and take that back.
STOPPED, STARTED = "stopped", "started"


def told(
    reading: Reading, found: Findings, secret: bytes, at: datetime
) -> tuple[tuple[Insert, ...], tuple[Update, ...]]:
    """The changes that a signal of the person's own brings."""
    signal, person = reading.draft.signal, reading.person
    if signal is None or person is None:
        return (), ()
    if signal == SHUT or signal in OPEN:
        return (), _reachable(reading, found, signal != SHUT)
    if signal == STOPPED:
        return optouts.stopped(secret, person, reading.envelope.kind, reading.envelope.channel, at)
    if signal == STARTED:
        return (), optouts.started(secret, person, reading.envelope.kind, at)
    return (), ()


def _reachable(reading: Reading, found: Findings, can: bool) -> tuple[Update, ...]:
    """The identity marked at its contact, or the mark taken away; nothing for somebody who is no contact."""
    person = reading.person
    assert person is not None
    contact = found.contacts.get((person.kind, person.value))
    if contact is None:
        return ()
    refused = found.unreachable.get(contact, [])
    if (person.value not in refused) is can:
        return ()
    left = [one for one in refused if one != person.value]
    found.unreachable[contact] = left if can else [*left, person.value]
    return (Update("contact", {"id": contact}, {"unreachable": list(found.unreachable[contact])}),)
