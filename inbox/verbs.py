"""The operator's verbs on envelopes: look, replay, release, ignore. Each change is in the audit trail."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from connectors.channel import Channel
from inbox.errands import Updates
from inbox.reading import Reader
from model.draft import Draft
from model.envelope import StoredEnvelope
from model.event import EventType
from model.failures import Malformed
from model.states import EnvelopeState
from model.tools import Clock, Ids
from store import envelopes, errands
from store.store import Store
from store.units import Guard, Insert, Unit, Update

Facts = Mapping[str, Any]

#: Characters of a corrected field that the timeline tells of, before and after.
_TOLD = 500

#: States from which a replay puts an envelope back into the line.
_BACK = (EnvelopeState.QUARANTINED, EnvelopeState.HELD, EnvelopeState.IGNORED)
#: Fields of a record that a second reading may change. Decisions and states are people's by then.
_CONTENT = ("subject", "text", "full_text", "html", "language", "automatic", "bounce", "omissions", "extra")


class InboxVerbs:
    """What operators can do with envelopes."""

    def __init__(
        self,
        store: Store,
        channels: Mapping[str, Channel],
        reader: Reader,
        *,
        clock: Clock,
        ids: Ids,
        wake: Callable[[], None],
        outbox: Updates,
    ) -> None:
        self._store = store
        self._channels = channels
        self._reader = reader
        self._clock = clock
        self._ids = ids
        self._wake = wake
        self._outbox = outbox

    async def list(
        self, *, states: Sequence[str], channel: str | None, since: datetime | None, limit: int
    ) -> Sequence[Facts]:
        """Envelopes, newest first."""
        rows = await self._store.read(lambda c: envelopes.search(c, states, channel, since, limit))
        return [_facts(row) for row in rows]

    async def show(self, envelope: str) -> Facts:
        """One envelope, by id or reference, with its sightings."""
        found = await self._find(envelope)
        seen = await self._store.read(lambda c: envelopes.sightings(c, found.id))
        return {**_facts(found), "sightings": [at.isoformat() for at in seen], "meta": dict(found.meta)}

    async def replay(self, ids: Sequence[str], *, dry_run: bool, actor: str) -> Facts:
        """Read envelopes again.

        Those set aside go back into the line. Of registered ones the record's content is renewed; an
        acknowledgement or hand-over is never repeated. `dry_run` only shows which fields would change.
        """
        result = []
        for id_ in ids:
            found = await self._find(id_)
            if found.record is not None and found.state is EnvelopeState.REGISTERED:
                result.append(await self._read_again(found, dry_run=dry_run, actor=actor))
            elif found.state in _BACK:
                result.append(await self._back(found, dry_run=dry_run, actor=actor))
            else:
                result.append(
                    {"id": found.id, "reference": found.reference, "left": f"it is {found.state.value}"}
                )
        self._wake()
        return {"replayed": result, "dry_run": dry_run}

    async def release(self, ids: Sequence[str], *, actor: str) -> Facts:
        """Let held envelopes go on: a person has looked."""
        done = 0
        for id_ in ids:
            found = await self._find(id_)
            meta = _released(found)
            done += await self._move(
                found, (EnvelopeState.HELD,), EnvelopeState.WAITING, "release", actor, meta=meta
            )
        self._wake()
        return {"released": done, "left": len(ids) - done}

    async def correct(self, envelope: str, values: Facts, *, actor: str) -> Facts:
        """Put right what was read of a held envelope, and let it go on.

        `values` are the fields of what was shown and `text`; what is the same as shown is no change. Each change is
        told in the record's timeline. LookupError when there is no such envelope; `corrected` is False when it is
        held no longer.
        """
        found = await self._find(envelope)
        shown: Facts = found.meta.get("shown") or {}
        before = {**shown.get("values", {}), "text": shown.get("text", "")}
        given = {name: str(value).strip() for name, value in values.items() if name in before}
        changed = {name: value for name, value in given.items() if value != before[name].strip()}
        meta = _released(found)
        if changed:
            earlier: Facts = (found.meta.get("correction") or {}).get("changes", {})
            changes = {name: [before[name][:_TOLD], value[:_TOLD]] for name, value in changed.items()}
            meta["corrected"] = {**(found.meta.get("corrected") or {}), **changed}
            meta["correction"] = {
                "by": actor,
                "at": self._clock.now().isoformat(),
                "changes": {**earlier, **changes},
            }
        held = (EnvelopeState.HELD,)
        done = await self._move(found, held, EnvelopeState.WAITING, "correct", actor, meta=meta)
        self._wake()
        return {"corrected": done, "changes": sorted(changed)}

    async def picture(self, envelope: str, page: int) -> bytes:
        """One page of an envelope as a JPEG; page 0 is the first. LookupError where there is none."""
        found = await self._find(envelope)
        raw: bytes | Path | None = await self._store.blob_file(found.blob)
        if raw is None:
            raw = await self._store.load_blob(found.blob)
        if raw is None:
            raise LookupError("its raw bytes are gone")
        channel = self._channels.get(found.channel)
        options = channel.settings.reading() if channel else {}
        try:
            return await self._reader.picture(found, raw, options, page)
        except Malformed as error:
            raise LookupError(error.detail) from None

    async def ignore(self, ids: Sequence[str], *, reason: str, actor: str) -> Facts:
        """Set envelopes aside for good, with the reason; the row stays."""
        done = 0
        for id_ in ids:
            found = await self._find(id_)
            states = (EnvelopeState.HELD, EnvelopeState.QUARANTINED)
            done += await self._move(found, states, EnvelopeState.IGNORED, "ignore", actor, reason=reason)
        return {"ignored": done, "left": len(ids) - done}

    # ----

    async def _find(self, id_: str) -> StoredEnvelope:
        found = await self._store.read(lambda c: envelopes.find(c, id_))
        if found is None:
            raise LookupError(f"there is no envelope {id_}")
        return found

    async def _move(
        self,
        found: StoredEnvelope,
        states: Sequence[EnvelopeState],
        new: EnvelopeState,
        verb: str,
        actor: str,
        **values: Any,
    ) -> bool:
        if found.state not in states:
            return False
        now = self._clock.now()
        changed = {"state": new.value, "reason": None, "updated_at": now, "claims": 0, **values}
        guard = Guard("envelope", {"id": found.id, "state": found.state.value}, changed)
        return await self._store.submit(Unit(guard, (self._audit(actor, verb, found.id, {}),), label="verb"))

    async def _back(self, found: StoredEnvelope, *, dry_run: bool, actor: str) -> Facts:
        facts: dict[str, Any] = {"id": found.id, "reference": found.reference}
        if dry_run:
            try:
                draft = await self._read(found)
            except Malformed as error:
                return {**facts, "error": error.detail}
            return {**facts, "changes": {"subject": [None, draft.subject], "text": [None, draft.text]}}
        meta = _released(found) if found.state is EnvelopeState.HELD else found.meta
        moved = await self._move(found, _BACK, EnvelopeState.WAITING, "replay", actor, meta=meta)
        return {**facts, "back": moved}

    async def _read_again(self, found: StoredEnvelope, *, dry_run: bool, actor: str) -> Facts:
        facts: dict[str, Any] = {"id": found.id, "reference": found.reference}
        try:
            draft = await self._read(found)
        except Malformed as error:
            return {**facts, "error": error.detail}
        old = await self._store.read(lambda c: envelopes.record_content(c, found.record or "", _CONTENT))
        new = _fresh(draft)
        changes = {name: [old[name], new[name]] for name in _CONTENT if old[name] != new[name]}
        if dry_run or not changes:
            return {**facts, "changes": changes}
        now = self._clock.now()
        values = {name: new[name] for name in changes} | {"updated_at": now}
        event = {
            "id": self._ids.new(),
            "type": EventType.READ_AGAIN.value,
            "record": found.record,
            "reference": found.reference,
            "at": now,
            "actor": actor,
            "data": {"fields": sorted(changes)},
        }
        record = found.record or ""
        reference, names = await self._store.read(lambda c: errands.destinations(c, record))
        told = self._outbox.update(
            record,
            reference or found.reference,
            names,
            f"read_again:{event['id']}",
            EventType.READ_AGAIN.value,
            {"fields": sorted(changes)},
        )
        inserts = (
            Insert("event", event),
            self._audit(actor, "replay", found.id, {"fields": sorted(changes)}),
            *(Insert("delivery", row) for row in told.rows),
        )
        held = await self._store.submit(
            Unit(None, inserts, (Update("record", {"id": record}, values),), label="verb")
        )
        self._outbox.release(told, held)
        return {**facts, "changes": changes}

    async def _read(self, found: StoredEnvelope) -> Draft:
        raw = await self._store.load_blob(found.blob)
        if raw is None:
            raise Malformed("its raw bytes are gone")
        channel = self._channels.get(found.channel)
        options = channel.settings.reading() if channel else {}
        return await self._reader.read(found, raw, options, apart=True)

    def _audit(self, actor: str, verb: str, target: str, data: Facts) -> Insert:
        row = {
            "id": self._ids.new(),
            "at": self._clock.now(),
            "actor": actor,
            "verb": f"inbox.{verb}",
            "target": target,
            "data": dict(data),
        }
        return Insert("audit", row)


def _released(found: StoredEnvelope) -> dict[str, Any]:
    """The facts of an envelope that a person has looked at; what was shown has done its work."""
    return {name: value for name, value in found.meta.items() if name != "shown"} | {"released": True}


def _fresh(draft: Draft) -> dict[str, Any]:
    values = {name: getattr(draft, name) for name in _CONTENT}
    return values | {"omissions": [*draft.omissions], "extra": dict(draft.extra)}


def _facts(found: StoredEnvelope) -> dict[str, Any]:
    return {
        "id": found.id,
        "reference": found.reference,
        "channel": found.channel,
        "kind": found.kind,
        "state": found.state.value,
        "reason": found.reason,
        "received_at": found.received_at.isoformat(),
        "sent_at": found.sent_at.isoformat() if found.sent_at else None,
        "source_id": found.source_id,
        "size": found.size,
        "media_type": found.media_type,
        "claims": found.claims,
        "record": found.record,
    }
