"""Acceptance: store first, then let the source be answered (laws 1, 2 and 7)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from connectors.channel import Channel
from connectors.contract import Batch, Busy, Request
from inbox.hot import Hot, HotQueue
from inbox.settings import InboxSettings
from model.envelope import Accepted, Envelope, StoredEnvelope
from model.ids import REFERENCE_LENGTH, mint_reference
from model.states import EnvelopeState
from model.tools import Clock, Ids, Spooled
from store import leases
from store.acceptance import BY_CONTENT, Acceptance, CursorMove, NewEnvelope, Stored
from store.erasure import tombstone
from store.errors import StoreBusy
from store.imports import Progress
from store.store import Store

#: Characters of the reference that is used when a short one is taken.
_SPARE_LENGTH = REFERENCE_LENGTH + 6


class Acceptor:
    """Turns batches into stored envelopes with references."""

    def __init__(self, store: Store, clock: Clock, ids: Ids, settings: InboxSettings, hot: HotQueue) -> None:
        self._store = store
        self._clock = clock
        self._ids = ids
        self._settings = settings
        self._hot = hot

    async def accept(
        self,
        channel: Channel,
        batch: Batch,
        cursor: CursorMove | None = None,
        progress: Progress | None = None,
    ) -> Sequence[Accepted]:
        """Store a batch; durable when it returns. With `progress` it is of an import: it lets all others go first.

        Raises Busy when the house cannot take it now, and LeaseLost when another process owns the cursor.
        """
        if batch.wake:
            await self.wake(channel)
        now = self._clock.now()
        reserved = 0
        try:
            rows = []
            for envelope in batch.envelopes:
                claimed = progress is None and envelope.hold is None and self._hot.reserve()
                reserved += claimed
                rows.append(await self._row(channel, envelope, now, claimed=claimed))
            if not rows and cursor is None and progress is None:
                return ()
            whole = Acceptance(tuple(rows), cursor, f"accept.{channel.kind}")
            if progress is not None:
                whole = Acceptance(tuple(rows), label="accept.import", progress=progress)
            stored = await self._store.accept(whole)
        except StoreBusy as error:
            self._release(reserved)
            raise Busy(str(error), retry_after=timedelta(seconds=5)) from error
        except BaseException:
            self._release(reserved)
            raise
        if rows and progress is None:  # what is imported is no sign of life of the channel
            channel.last_in_at = now
        self._go_on(rows, batch.envelopes, stored)
        _discard_spooled(batch.envelopes)
        return [Accepted(one.id, one.reference, one.repeat, one.response) for one in stored]

    async def wake(self, channel: Channel) -> None:
        """Let whoever fetches the channel look at once: this process, or on a shared store another one."""
        channel.woken.set()
        if not self._store.embedded:
            ring, now = self._ids.new(), self._clock.now()
            await self._store.run(lambda c: leases.ring(c, f"poll:{channel.name}", ring, now), "lease")

    async def child(
        self, channel: Channel, envelope: Envelope, parent: StoredEnvelope, now: datetime
    ) -> NewEnvelope:
        """The row of an envelope that another one holds: it arrived with that, and waits for its turn."""
        row = await self._row(channel, envelope, now, claimed=False)
        values = {**row.values, "parent": parent.id, "received_at": parent.received_at}
        return replace(row, values=values)

    async def quarantine(self, channel: Channel, request: Request, reason: str) -> Accepted:
        """Keep a request that came from the source and cannot be read."""
        fingerprint = hashlib.sha256(request.body).hexdigest()
        envelope = Envelope(
            account=f"{channel.kind}:{channel.name}",
            source_id=f"unreadable:{fingerprint}",
            fingerprint=fingerprint,
            raw=request.body,
            media_type=request.headers.get("content-type", "application/octet-stream")[:200],
            meta={"path": request.path, "remote": request.remote},
        )
        row = await self._row(channel, envelope, self._clock.now(), claimed=False)
        values = {**row.values, "state": EnvelopeState.QUARANTINED.value, "reason": reason}
        kept = NewEnvelope(values, row.blob, row.tombstone, row.sighting, row.spare)
        try:
            (stored,) = await self._store.accept(Acceptance((kept,), None, f"accept.{channel.kind}"))
        except StoreBusy as error:
            raise Busy(str(error)) from error
        return Accepted(stored.id, stored.reference, stored.repeat)

    def _order_key(self, envelope: Envelope) -> str | None:
        """The source's key; without one, on a shared database, the content: of two copies that arrive together
        at two replicas the second finds the first. One process alone sees to that in its processing, cheaper.
        """
        if envelope.order_key:
            return _plain(envelope.order_key)
        return None if self._store.embedded else BY_CONTENT + envelope.fingerprint

    def _release(self, reserved: int) -> None:
        for _ in range(reserved):
            self._hot.give_back()

    def _go_on(
        self, rows: Sequence[NewEnvelope], envelopes: Sequence[Envelope], stored: Sequence[Stored]
    ) -> None:
        """Hand what is claimed to the processor; let it look for what is not."""
        for row, envelope, one in zip(rows, envelopes, stored, strict=True):
            if row.values["claim"] is not None:
                if one.claimed:
                    # What lies in a file by now is read from there: a queue of large ones would fill the memory.
                    raw = envelope.raw if row.blob["place"] == "row" else None
                    assert not isinstance(raw, Spooled)
                    self._hot.put(Hot(_stored(row.values, one), raw))
                else:
                    self._hot.give_back()
            if not one.claimed and not one.repeat:
                self._hot.wake()

    async def _row(
        self, channel: Channel, envelope: Envelope, now: datetime, *, claimed: bool
    ) -> NewEnvelope:
        blob = await self._store.blobs.prepare(envelope.raw, now)
        account, source_id = _plain(envelope.account), _plain(envelope.source_id)
        prefix, id_ = self._settings.reference_prefix, self._ids.new()
        # Nobody without the key can foretell it from the id or from earlier references.
        chance = hashlib.blake2b(id_.encode(), key=self._store.secret, person=b"reference").digest()
        # Minted once: the short one is its beginning.
        spare = mint_reference(prefix, now, chance, _SPARE_LENGTH)
        state = EnvelopeState.CLAIMED if claimed else EnvelopeState.WAITING
        if envelope.hold is not None:
            state = EnvelopeState.HELD
        values: dict[str, Any] = {
            "id": id_,
            "account": account,
            "channel": channel.name,
            "kind": channel.kind,
            "source_id": source_id,
            "fingerprint": envelope.fingerprint,
            "order_key": self._order_key(envelope),
            "received_at": now,
            "sent_at": envelope.sent_at,
            "state": state.value,
            "reason": envelope.hold,
            "claim": id_ if claimed else None,  # nothing was ever claimed by it: as fresh as any
            "owner": self._store.owner if claimed else None,
            "reference": spare[: REFERENCE_LENGTH - _SPARE_LENGTH],
            "blob": blob["sha256"],
            "size": blob["size"],
            "media_type": envelope.media_type,
            "meta": dict(envelope.meta),
            "updated_at": now,
        }
        return NewEnvelope(
            values,
            blob,
            tombstone(self._store.secret, account, source_id, envelope.fingerprint),
            id_,  # a repeat needs it for nothing else
            spare,
        )


def _plain(text: str) -> str:
    """Without NUL, which no database column can hold; an identity stays the same for the same text."""
    return text.replace("\x00", "\ufffd")


def _stored(values: Any, one: Stored) -> StoredEnvelope:
    names = ("id", "account", "channel", "kind", "source_id", "fingerprint", "order_key", "received_at")
    more = ("sent_at", "claim", "blob", "size", "media_type", "meta")
    return StoredEnvelope(
        **{name: values[name] for name in (*names, *more)},
        state=EnvelopeState.CLAIMED,
        reason=None,
        claims=0,
        record=None,
        parent=None,
        reference=one.reference,
    )


def _discard_spooled(envelopes: Sequence[Envelope]) -> None:
    """The store has copied spooled bytes to its blobs; the spool files have done their work."""
    for envelope in envelopes:
        if isinstance(envelope.raw, Spooled):
            envelope.raw.path.unlink(missing_ok=True)
