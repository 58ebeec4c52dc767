"""Where an envelope belongs: what must be looked up for it, and which record it joins, if any. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from inbox import reports
from inbox.reports import Told
from inbox.settings import InboxSettings
from model import ids, subject
from model.draft import Draft, Identity
from model.envelope import StoredEnvelope
from model.registration import Sent
from model.states import RecordState
from store.lookups import Findings, Known, Questions, Twin

#: Record states in which a conversation's next message belongs to the same matter.
_OPEN = frozenset(RecordState) - {RecordState.CLOSED, RecordState.OUT_OF_SCOPE}


@dataclass(frozen=True, slots=True)
class File:
    """An attachment whose bytes are in the store, or the reason why not."""

    filename: str
    media_type: str
    size: int
    sha256: str | None
    content_id: str | None
    omitted: str | None
    reference: str | None = None
    """What the connector fetches it by, where the source only named it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One envelope that was read."""

    envelope: StoredEnvelope
    draft: Draft
    files: tuple[File, ...]
    given: tuple[Identity, ...] = ()
    """Addresses that the text gives as its writer's own."""

    @property
    def told(self) -> tuple[Identity, ...]:
        """Identities of the sender beside the best known one: what they filled in, and what they wrote."""
        return tuple(dict.fromkeys((*self.draft.identities[1:], *self.given)))

    @property
    def person(self) -> Identity | None:
        """The identity that the sender is best known by."""
        return self.draft.identities[0] if self.draft.identities else None

    @property
    def conversation(self) -> str | None:
        """Id of the conversation, the same on every machine."""
        key = self.draft.conversation
        return ids.derived("conversation", self.envelope.channel, key) if key else None


def ask(reading: Reading, secret: bytes) -> Questions:
    """What must be looked up for one envelope."""
    draft, envelope = reading.draft, reading.envelope
    asked = Questions(fingerprints={envelope.fingerprint})
    asked.identities = {(one.kind, one.value) for one in (*draft.identities, *reading.given)}
    asked.thread_keys = {ids.thread_key(envelope.kind, key) for key in draft.thread.replies_to}
    opened = (ids.unseal(secret, "thread", token) for token in draft.thread.tokens)
    asked.records = {record for record in opened if record}
    asked.references = {ids.tidy_reference(text) for text in draft.thread.mentioned}
    if reading.conversation:
        asked.conversations = {reading.conversation}
    if draft.reports:
        reports.ask(draft.reports, asked, secret)
    for one in _answered_at(draft):
        asked.addresses.add(one.value)
        if one.kind == "email":
            asked.domains.add(one.value.rpartition("@")[2])
    return asked


def merge(questions: Sequence[Questions]) -> Questions:
    """The questions of a whole batch."""
    every = Questions()
    for asked in questions:
        for name in Questions.__dataclass_fields__:
            getattr(every, name).update(getattr(asked, name))
    return every


@dataclass(frozen=True, slots=True)
class Place:
    """The record that an envelope joins, and how that is known."""

    record: Known
    why: str
    delivery: str | None = None
    """The message of ours that it answers or bounces."""


def place(
    reading: Reading,
    found: Findings,
    settings: InboxSettings,
    secret: bytes,
    reported: Sequence[Told] = (),
    in_burst: bool = False,
) -> Place | None:
    """The record that an envelope belongs to, surest evidence first; None when it is a matter of its own."""
    draft, envelope = reading.draft, reading.envelope
    for said in reported:
        known = found.records.get(said.sent.record or "")
        if known:
            return Place(known, "report", said.sent.id)
    for token in draft.thread.tokens:
        known = found.records.get(ids.unseal(secret, "thread", token) or "")
        if known:
            return Place(known, "token", _answered(reading, found))
    for key in draft.thread.replies_to:
        hit = found.threads.get(ids.thread_key(envelope.kind, key))
        if hit and hit[0] in found.records:
            return Place(found.records[hit[0]], "thread", hit[1])
    for twin in found.twins.get(envelope.fingerprint, ()):
        if _is_same_message(twin, envelope, settings):
            return Place(found.records[twin.record], "other account")
    person = reading.person
    contact = found.contacts.get((person.kind, person.value)) if person else None
    for text in draft.thread.mentioned:
        known = found.records.get(found.by_reference.get(ids.tidy_reference(text), ""))
        if known and contact is not None and known.contact == contact:
            return Place(known, "reference")
    if reading.conversation:
        known = found.records.get(found.by_conversation.get(reading.conversation, ""))
        if known and in_burst:
            return Place(known, "burst")
        recent = known is not None and known.updated_at > envelope.received_at - settings.follow_up_within
        if known and recent and RecordState(known.state) in _OPEN:
            return Place(known, "conversation")
    return None


def says_nothing(draft: Draft) -> bool:
    """Whether something happened and nobody said anything: such a thing makes no record of its own."""
    # A recording waits for the note of its call: it is told of again then.
    kept = draft.parts and draft.call is None
    return draft.signal is not None and not draft.text.strip() and not kept


def _answered(reading: Reading, found: Findings) -> str | None:
    hits = (
        found.threads.get(ids.thread_key(reading.envelope.kind, key))
        for key in reading.draft.thread.replies_to
    )
    return next((hit[1] for hit in hits if hit and hit[1]), None)


def _is_same_message(twin: Twin, envelope: StoredEnvelope, settings: InboxSettings) -> bool:
    return (
        twin.account != envelope.account
        and twin.source_id == envelope.source_id
        and envelope.received_at - twin.received_at <= settings.join_within
    )


def repeat_of(reading: Reading, found: Findings, contact: str | None) -> Twin | None:
    """The first envelope with the same content from the same sender: registered too, and linked."""
    for twin in found.twins.get(reading.envelope.fingerprint, ()):
        known = found.records.get(twin.record)
        if known and contact is not None and known.contact == contact:
            return twin
    return None


def contact_of(reading: Reading, found: Findings) -> str | None:
    """The contact who wrote: the known one, else one whose id follows from the identity."""
    person = reading.person
    if person is None:
        return None
    return found.contacts.get((person.kind, person.value)) or ids.derived(
        "contact", person.kind, person.value
    )


def sent_to(draft: Draft, found: Findings, total: int) -> Sent:
    """How much automatic mail the one to be answered got lately."""
    to = next(iter(_answered_at(draft)), None)
    if to is None:
        return Sent(total_hour=total)
    domain = to.value.rpartition("@")[2]
    about = subject.matter(draft.subject)
    return Sent(
        found.address_hour.get(to.value, 0),
        found.address_day.get(to.value, 0),
        found.domain_hour.get(domain, 0),
        total,
        tuple(at for at, said in found.matters.get(to.value, ()) if about and subject.matter(said) == about),
        found.domain_loops.get(domain, 0),
    )


def _answered_at(draft: Draft) -> list[Identity]:
    """Where an automatic answer may go: to the sender, before an address that is only named for answers."""
    kinds = {one.kind for one in draft.reply_to}
    return [*(one for one in draft.identities if one.kind in kinds), *draft.reply_to]
