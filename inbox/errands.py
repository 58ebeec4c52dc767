"""Errands: files that a message only names, and who somebody is, fetched after the message was registered.

Nobody waits for them: the acknowledgement and the hand-over go out first. An errand is a row, committed with
the record; a claim on it ends by itself, so that one whose process died is run again.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from connectors.channel import Channel
from connectors.contract import Media, Profile
from inbox import finding, links
from inbox.placing import Reading
from inbox.settings import InboxSettings
from model.draft import Identity
from model.event import EventType
from model.failures import PAUSING, PermanentFailure, Reason, SendFailure, TemporaryFailure
from model.registration import Planned, Registration
from model.tools import Clock, Ids, Log, Spooled
from store import errands, people
from store.errands import Errand
from store.errors import StoreBusy
from store.store import Store
from store.units import Guard, Insert, Unit, Update

FILE, PROFILE = "file", "profile"
#: What stands at an attachment that is still to be fetched.
PENDING = "not fetched yet"
_NAME = 300


class Updates(Protocol):
    """What errands need from the way out."""

    def update(
        self,
        record: str,
        reference: str,
        names: Sequence[str],
        key: str,
        type_: str,
        update: Mapping[str, Any],
    ) -> Planned:
        """Deliveries that tell destinations what changed about a record they have."""

    def release(self, planned: Planned, committed: bool) -> None: ...


# ---- when a message is registered


def wanted(
    reading: Reading, registration: Registration, channel: Channel | None, unknown: bool, made: Ids
) -> list[Insert]:
    """The errands of a message: its named files, and its sender's profile where the person is new or nameless."""
    if channel is None:
        return []
    found = []
    if channel.downloader is not None:
        for n, file in enumerate(reading.files):
            if file.reference is not None and file.sha256 is None:
                found.append(_row(reading, registration, made, FILE, n, file.reference, None))
    person = reading.person
    if unknown and channel.profiler is not None and person is not None:
        found.append(_row(reading, registration, made, PROFILE, 0, person.value, person.kind))
    return found


def _row(
    reading: Reading,
    registration: Registration,
    made: Ids,
    what: str,
    n: int,
    reference: str,
    kind: str | None,
) -> Insert:
    row = {
        "id": made.new(),
        "what": what,
        "channel": reading.envelope.channel,
        "record": registration.record,
        "envelope": reading.envelope.id,
        "n": n,
        "reference": reference,
        "kind": kind,
        "state": "waiting",
        "created_at": registration.at,
        "next_at": registration.at,
    }
    return Insert("errand", row, ignore=True)


# ---- later


@dataclass(frozen=True, slots=True)
class _Told:
    """What an errand changes."""

    inserts: tuple[Insert, ...] = ()
    updates: tuple[Update, ...] = ()
    event: tuple[EventType, Mapping[str, Any]] | None = None
    words: tuple[str, ...] = ()
    """What the record is found by from now on."""


class Runner:
    """Runs the errands of this process's channels."""

    def __init__(
        self,
        store: Store,
        channels: Mapping[str, Channel],
        outbox: Updates,
        settings: InboxSettings,
        *,
        clock: Clock,
        ids: Ids,
        log: Log,
        hook: Callable[[str], None] | None = None,
        count: Callable[[str, str], None] | None = None,
    ) -> None:
        self._store = store
        self._channels = channels
        self._outbox = outbox
        self._settings = settings
        self._clock = clock
        self._ids = ids
        self._log = log
        self._hook = hook or (lambda name: None)
        self._count = count
        self._tasks: dict[asyncio.Task[None], str] = {}
        self._wake = asyncio.Event()
        self._stopping = False

    def wake(self) -> None:
        """There is something to fetch."""
        self._wake.set()

    def stop(self) -> None:
        """Begin nothing more."""
        self._stopping = True
        self._wake.set()

    async def run(self) -> None:
        """Fetch until stopped; what is under way then is broken off, and done again by the next process."""
        if self._store.embedded:
            now = self._clock.now()
            await self._store.run(lambda c: errands.free_all(c, now), "errand.free")
        try:
            while not self._stopping:
                if not await self._claim():
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(self._settings.poll.total_seconds()):
                            await self._wake.wait()
                self._wake.clear()
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _claim(self) -> bool:
        room = self._room()
        if not room or self._store.on_hold:
            return False
        now, token = self._clock.now(), self._ids.new()
        until = now + self._settings.errand_timeout + timedelta(seconds=30)
        try:
            due = await self._store.read(lambda c: errands.due(c, room, now))
            room = {name: n for name, n in room.items() if name in due}
            if not room:
                return False
            found = await self._store.run(
                lambda c: errands.claim(c, room=room, token=token, now=now, until=until), "claim.errands"
            )
        except StoreBusy as error:
            self._log.warning("errands.wait", why=str(error))
            return False
        for one in found:
            task = asyncio.create_task(self._safely(one), name=f"errand:{one.id}")
            self._tasks[task] = one.channel
            task.add_done_callback(self._ended)
        return bool(found)

    def _ended(self, task: asyncio.Task[None]) -> None:
        del self._tasks[task]
        if not task.cancelled() and (error := task.exception()) is not None:
            self._log.error("errand.failed", exc_info=error)
        self._wake.set()

    def _room(self) -> dict[str, int]:
        busy = list(self._tasks.values())
        room = {}
        for name, channel in self._channels.items():
            if channel.open and (channel.downloader is not None or channel.profiler is not None):
                free = self._settings.errand_concurrency - busy.count(name)
                if free > 0:
                    room[name] = free
        return room

    # ---- one errand

    async def _safely(self, errand: Errand) -> None:
        try:
            await self._do(errand)
        except asyncio.CancelledError:
            # Being stopped is no failed try: the next process has it at once.
            free = {"claim": None, "next_at": self._clock.now(), "attempts": errand.attempts - 1}
            guard = Guard("errand", {"id": errand.id, "claim": errand.claim}, free)
            with contextlib.suppress(StoreBusy):
                await self._store.submit(Unit(guard, label="errand.again"))
            raise
        except StoreBusy as error:
            self._log.warning("errands.wait", why=str(error))  # its claim ends by itself
        except Exception as error:
            self._log.error("errand.failed", errand=errand.id, channel=errand.channel, exc_info=error)

    async def _do(self, errand: Errand) -> None:
        channel = self._channels.get(errand.channel)
        if channel is None:
            return
        self._hook("errand.before")
        try:
            async with asyncio.timeout(self._settings.errand_timeout.total_seconds()):
                told = await self._fetched(errand, channel)
        except (SendFailure, TimeoutError, OverflowError) as error:
            await self._failed(errand, _failure(error))
            return
        except (StoreBusy, asyncio.CancelledError):
            raise
        except Exception as error:
            self._log.error("errand.error", channel=errand.channel, exc_info=error)
            await self._failed(
                errand, TemporaryFailure(Reason.SERVER, f"{type(error).__name__} in the connector")
            )
            return
        self._hook("errand.after")
        await self._settle(errand, "done", told, {})

    async def _fetched(self, errand: Errand, channel: Channel) -> _Told:
        if errand.what == FILE:
            if channel.downloader is None:
                raise PermanentFailure(Reason.CONFIG, "the channel fetches no files any more")
            return await self._file(errand, channel, await channel.downloader.download(errand.reference))
        if channel.profiler is None:
            raise PermanentFailure(Reason.CONFIG, "the channel asks for no profiles any more")
        person = Identity(errand.kind or "", errand.reference)
        return await self._person(errand, person, await channel.profiler.profile(person))

    async def _file(self, errand: Errand, channel: Channel, media: Media) -> _Told:
        """The bytes at the attachment."""
        size = media.raw.size if isinstance(media.raw, Spooled) else len(media.raw)
        limit = channel.settings.limits.body_bytes
        try:
            if size > limit:
                raise PermanentFailure(Reason.REQUEST, f"the file is larger than {limit} bytes")
            sha256, size = await self._store.put_blob(media.raw)
        finally:
            if isinstance(media.raw, Spooled):
                media.raw.path.unlink(missing_ok=True)
        values: dict[str, Any] = {"sha256": sha256, "size": size, "omitted": None}
        if media.media_type:
            values["media_type"] = media.media_type[:127]
        if media.filename:
            values["filename"] = media.filename[:255]
        where = {"record": errand.record, "envelope": errand.envelope, "n": errand.n}
        data = {"envelope": errand.envelope, "n": errand.n, "size": size, **values}
        told = (EventType.FILE_FETCHED, data)
        return _Told((), (Update("attachment", where, values),), told, (media.filename or "",))

    async def _person(self, errand: Errand, person: Identity, profile: Profile) -> _Told:
        """Name and language where we have none, and the identities that the platform vouches for."""
        now = self._clock.now()
        known = await self._store.read(lambda c: people.owners(c, [person, *profile.identities]))
        contact = known.get((person.kind, person.value))
        if contact is None:
            return _Told()
        updates: list[Update] = []
        if profile.name:
            updates.append(Update("contact", {"id": contact, "name": ""}, {"name": profile.name[:_NAME]}))
        if profile.language:
            row = await self._store.read(lambda c: people.language(c, contact))
            if not row:
                updates.append(Update("contact", {"id": contact}, {"language": profile.language[:35]}))
        inserts: list[Insert] = []
        event: tuple[EventType, Mapping[str, Any]] | None = None
        for one in profile.identities:
            owner = known.get((one.kind, one.value))
            evidence = f"told by {errand.channel}"
            if owner is None:
                inserts.append(links.identity(one, contact, evidence, now))
            elif owner != contact:
                more, moved, event = await self._same(contact, owner, one, evidence, now)
                inserts += more
                updates += moved
        return _Told(tuple(inserts), tuple(updates), event, (profile.name[:_NAME],))

    async def _same(
        self, contact: str, owner: str, one: Identity, evidence: str, now: datetime
    ) -> tuple[list[Insert], list[Update], tuple[EventType, Mapping[str, Any]] | None]:
        """The platform says that two contacts are one person: linked, unless each is somebody else already."""
        free, root, undone = await self._store.read(
            lambda c: people.may_join(c, contact, owner, one.kind, one.value)
        )
        data = {"contact": root, "other": contact, "kind": one.kind, "value": one.value, "evidence": evidence}
        state = "linked" if free and not undone else "proposed"
        link = links.proposal(self._ids, root, contact, one, evidence, now, state)
        if state == "proposed":
            return [link], [], None if undone else (EventType.CONTACT_PROPOSED, data)
        return (
            [link],
            [Update("contact", {"id": contact}, {"same_as": root})],
            (EventType.CONTACT_LINKED, data),
        )

    async def _failed(self, errand: Errand, failure: TemporaryFailure | PermanentFailure) -> None:
        now, age = self._clock.now(), self._clock.now() - errand.created_at
        settings = self._settings
        mine = failure.reason in PAUSING  # the operator's to mend: it waits, up to its age
        lasting = isinstance(failure, PermanentFailure) and not mine
        over = age >= settings.errand_max_age or (errand.attempts >= settings.errand_attempts and not mine)
        facts = {"reason": failure.reason.value, "detail": failure.detail[:500]}
        if not (lasting or over):
            pause = min(settings.errand_pause * 2 ** min(errand.attempts - 1, 16), settings.errand_pause_last)
            if isinstance(failure, TemporaryFailure) and failure.retry_after:
                pause = max(pause, failure.retry_after)
            again = {"claim": None, "next_at": now + pause, **facts}
            guard = Guard("errand", {"id": errand.id, "claim": errand.claim}, again)
            await self._store.submit(Unit(guard, label="errand.again"))
            return
        told = _Told()
        if errand.what == FILE:
            why = f"could not be fetched: {failure.detail}"[:500]
            where = {"record": errand.record, "envelope": errand.envelope, "n": errand.n}
            data = {"envelope": errand.envelope, "n": errand.n, **facts}
            told = _Told(
                (), (Update("attachment", where, {"omitted": why}),), (EventType.FILE_GIVEN_UP, data)
            )
        await self._settle(errand, "given_up", told, facts)

    async def _settle(self, errand: Errand, state: str, told: _Told, facts: Mapping[str, Any]) -> None:
        """One step: the errand's end, what it changed, the line in the timeline, and word to the destinations."""
        now = self._clock.now()
        values = {
            "state": state,
            "claim": None,
            "settled_at": now,
            **(facts or {"reason": None, "detail": None}),
        }
        guard = Guard("errand", {"id": errand.id, "claim": errand.claim}, values)
        inserts = list(told.inserts)
        planned = Planned()
        if told.event is not None:
            type_, data = told.event
            reference, names = await self._store.read(lambda c: errands.destinations(c, errand.record))
            row = {
                "id": self._ids.new(),
                "type": type_.value,
                "record": errand.record,
                "reference": reference,
                "at": now,
                "actor": "forebay",
                "data": dict(data),
            }
            inserts.append(Insert("event", row))
            if reference is not None and errand.what == FILE:
                planned = self._outbox.update(
                    errand.record, reference, names, f"errand:{errand.id}", type_.value, data
                )
                inserts += [Insert("delivery", one) for one in planned.rows]
        held = False
        try:
            found = finding.of_text(errand.record, *told.words)
            held = await self._store.submit(
                Unit(guard, tuple(inserts), told.updates, found=found, label="errand")
            )
        finally:
            self._outbox.release(planned, held)
        if held and self._count:
            self._count(errand.channel, f"{errand.what} {'fetched' if state == 'done' else 'given up'}")


def _failure(error: Exception) -> TemporaryFailure | PermanentFailure:
    if isinstance(error, TemporaryFailure | PermanentFailure):
        return error
    if isinstance(error, OverflowError):
        return PermanentFailure(Reason.REQUEST, "the file is larger than the channel takes")
    return TemporaryFailure(Reason.TIMEOUT, "no whole answer came")
