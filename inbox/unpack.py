"""From a claimed envelope to its reading: the raw bytes are fetched and read, what cannot be read is set aside."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from connectors.channel import Channel
from inbox import errands
from inbox.aside import Aside
from inbox.hot import Hot
from inbox.placing import File, Reading
from inbox.reading import Reader, Slow
from inbox.split import Splitter
from model.draft import Draft, Part
from model.failures import Malformed
from model.imported import UNTOLD
from model.states import EnvelopeState
from model.tools import Log, Spooled
from normalizer import own
from store.errors import StoreBusy
from store.store import Store

#: Raw bytes up to this size are fetched for a whole batch together.
_SMALL = 65_536


class Unpacker:
    """Reads the envelopes of a batch."""

    def __init__(
        self,
        store: Store,
        channels: Mapping[str, Channel],
        reader: Reader,
        aside: Aside,
        splitter: Splitter,
        *,
        log: Log,
        hook: Callable[[str], None] | None,
    ) -> None:
        self._store = store
        self._channels = channels
        self._reader = reader
        self._aside = aside
        self._splitter = splitter
        self._log = log
        self._hook = hook

    async def read(self, batch: Sequence[Hot], *, patient: bool) -> tuple[list[Reading], list[Hot]]:
        """What could be read, and what is slow to read and must have its turn apart; the rest was set aside.

        `patient`: nobody waits behind it, so that it has all the time there is.
        """
        at_hand = await self._small_ones(batch)
        readings: list[Reading] = []
        slow: list[Hot] = []
        for hot in batch:
            if not patient and self._reader.is_slow(hot.envelope.kind):
                slow.append(hot)  # known before its bytes are fetched
                continue
            try:
                reading = await self._read(hot, at_hand, patient)
            except Slow:
                slow.append(hot)
                continue
            if reading is not None:
                readings.append(reading)
        return readings, slow

    async def _small_ones(self, batch: Sequence[Hot]) -> Mapping[str, bytes]:
        """Raw bytes by digest, of those small enough to be all in memory at once and not yet there."""
        small = [hot.envelope for hot in batch if hot.raw is None and hot.envelope.size <= _SMALL]
        return await self._store.load_blobs([one.blob for one in small]) if small else {}

    async def _read(self, hot: Hot, at_hand: Mapping[str, bytes], patient: bool) -> Reading | None:
        """Read one envelope; None when it was set aside."""
        envelope = hot.envelope
        raw: bytes | Path | None = hot.raw if hot.raw is not None else at_hand.get(envelope.blob)
        if raw is None and self._reader.is_hostile(envelope.kind):
            raw = await self._store.blob_file(envelope.blob)  # the worker reads it from there
        if raw is None:
            raw = await self._store.load_blob(envelope.blob)
        channel = self._channels.get(envelope.channel)
        options = channel.settings.reading() if channel else {}
        if self._hook:
            self._hook("process.before_read")
        try:
            if raw is None:
                raise Malformed("its raw bytes are gone")
            draft = await self._reader.read(envelope, raw, options, apart=patient)
        except Malformed as error:
            await self._aside.put(envelope, EnvelopeState.QUARANTINED, error.detail)
            return None
        except (StoreBusy, Slow):
            raise
        except Exception as error:
            self._log.error("envelope.unreadable", envelope=envelope.id, exc_info=error)
            await self._aside.put(
                envelope, EnvelopeState.QUARANTINED, f"its reader failed: {type(error).__name__}"
            )
            return None
        if draft.children:
            await self._splitter.split(envelope, draft.children)
            return None
        if draft.suspicious and not envelope.meta.get("released"):
            await self._aside.put(envelope, EnvelopeState.HELD, draft.suspicious, draft.shown)
            return None
        files = tuple([await self._keep(part) for part in draft.parts])
        # Of what people say in a chat; a mail's sender and a form's fields are known without.
        given = own.given(draft.text) if draft.conversation and draft.text and not draft.automatic else ()
        if envelope.meta.get(UNTOLD):
            draft = replace(draft, mute=(UNTOLD, *draft.mute))
        return Reading(envelope=envelope, draft=_without_bytes(draft), files=files, given=given)

    async def _keep(self, part: Part) -> File:
        if part.data is None:
            omitted = part.omitted or (errands.PENDING if part.reference else None)
            return File(part.filename, part.media_type, 0, None, part.content_id, omitted, part.reference)
        sha256, size = await self._store.put_blob(part.data)
        if isinstance(part.data, Spooled):
            part.data.path.unlink(missing_ok=True)
        return File(part.filename, part.media_type, size, sha256, part.content_id, part.omitted)


def _without_bytes(draft: Draft) -> Draft:
    """The bytes of attachments are in the store by now; nothing later needs them in memory."""
    if not draft.parts:
        return draft
    return replace(draft, parts=tuple(replace(part, data=None) for part in draft.parts))
