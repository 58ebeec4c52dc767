"""A mailbox read over IMAP: what is new after the cursor, and telling the server once it is stored here.

The cursor is {folder: place}; `places` knows what a place holds. When the server starts its UIDs anew, the folder is
read again from the day that was wanted on; what was stored before is recognised by its content.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from connectors.contract import Batch
from connectors.email import ImapSettings, identity, places
from connectors.email.imap import Folder, Session
from connectors.email.outgoing import tls_context
from connectors.email.places import Place
from connectors.email.tunnel import Tunnel
from connectors.wire.oauth import Tokens
from model.envelope import Envelope
from model.failures import Reason, TemporaryFailure
from model.health import Health, HealthState
from model.tools import Tools

#: UIDs named in one command at the most: longer lists meet limits of servers.
MANY = 200
REPAIR = {
    Reason.AUTH: "check imap.user and imap.password; QQ, 163 and Exmail want a client authorisation code "
    "[授权码], which a changed password makes void",
    Reason.CONFIG: "check imap.security, imap.port, imap.folders and ca_file",
    Reason.THROTTLED: "the server wants fewer connections or less traffic; it will be tried again by itself",
}
#: What may go wrong with one mail alone, and so must not be tried for ever.
ONE_MAIL = frozenset({Reason.SERVER, Reason.TIMEOUT, Reason.UNREACHABLE})


class Mailbox:
    """Fetches from one account over one connection, which is opened when needed and kept."""

    def __init__(
        self,
        settings: ImapSettings,
        account: str,
        limit: int,
        tools: Tools,
        ca_file: str | None,
        tunnel: Tunnel | None,
        tokens: Tokens | None = None,
    ) -> None:
        self._settings = settings
        self._account = account
        self._limit = limit
        self._name = tools.name
        self._clock = tools.clock
        self._spool = tools.spool
        self._log = tools.log
        self._ca_file = ca_file
        self._tunnel = tunnel
        self._tokens = tokens
        self._tls: ssl.SSLContext | None = None
        self._session: Session | None = None
        self._using = asyncio.Lock()
        self._turn = 0
        self._begun: set[str] = set()
        self._lost: dict[str, str] = {}
        """Folders that cannot be entered, and why; the others are read all the same."""
        self._narrow: int | None = None
        """Mails fetched at a time after a fetch failed, until it is known which of them does it."""
        self._tries: Counter[tuple[str, int, int]] = Counter()
        self._ahead: dict[tuple[str, int, str], list[int]] = {}
        """UIDs that a search found and that were not fetched yet: a full mailbox is not searched for each chunk."""

    async def open(self) -> None:
        """Load the authorities; the connection is opened by the first fetch."""
        if self._tls is None and self._settings.security != "none":
            self._tls = await asyncio.to_thread(tls_context, self._ca_file)

    async def close(self) -> None:
        """Log out; safe to repeat."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def probe(self) -> Health:
        """Log in on a connection of its own, as the other may be waiting at the server, and count what is there."""
        try:
            session = await self._logged_in()
            try:
                told = [await self._told(session, name) for name in self._settings.folders]
            finally:
                await session.close()
        except TemporaryFailure as error:
            return Health(HealthState.FAILING, error.detail, error.repair)
        return Health(HealthState.OK, "; ".join(told))

    async def _told(self, session: Session, name: str) -> str:
        """How many mails a folder holds, and what a first connection would do with them."""
        there = f"{name}: {await session.there(name):,} mails there"
        start = self._settings.start
        if name in self._begun:
            return there
        if start == "now":
            return (
                f"{there}; a first connection leaves them and takes what comes from then on (imap.start: now). "
                f"`forebay backfill {self._name} --since DATE` fetches older ones"
            )
        wanted = "all of them" if start == "all" else f"those since {start}"
        return f"{there}; a first connection takes {wanted} (imap.start)"

    async def fetch(self, cursor: Mapping[str, Any] | None, wait: timedelta) -> Batch:
        """The next mails of the first folder that has any; waits in IDLE when there are none, looking now and then."""
        async with self._using:
            known: dict[str, Place] = dict(cursor or {})
            left = wait.total_seconds()
            while True:
                batch = await self._look(known)
                if batch is not None:
                    return replace(batch, health=self._health())
                stretch = min(left, self._settings.idle_seconds, self._settings.poll_seconds)
                if stretch <= 0 or not await self._idle(stretch):
                    return Batch(health=self._health())
                left -= stretch

    async def survey(self, since: date) -> Mapping[str, int]:
        """How many mails came into each folder since a day, counted on a connection of its own."""
        session = await self._logged_in()
        try:
            found = {}
            for name in self._settings.folders:
                await session.select(name)
                found[name] = len(await session.search(*places.since_words(since.isoformat())))
            return found
        finally:
            await session.close()

    def rewind(self, cursor: Mapping[str, Any] | None, since: date) -> Mapping[str, Any]:
        """The cursor from which everything since a day is read as well."""
        known: dict[str, Place] = dict(cursor or {})
        return {**known, **{name: places.rewound(known.get(name), since) for name in self._settings.folders}}

    async def confirm(self, handles: Sequence[Any]) -> None:
        """Flag, move or delete what is stored here. Handles of UIDs and folders that are gone are passed over."""
        if self._settings.after == "nothing" or not handles:
            return
        grouped: dict[tuple[str, int], list[int]] = {}
        for folder, uidvalidity, uid in handles:
            grouped.setdefault((str(folder), int(uidvalidity)), []).append(int(uid))
        async with self._using:
            session = await self._connected()
            for (name, uidvalidity), uids in grouped.items():
                folder = await self._enter(session, name)
                if folder is None or folder.uidvalidity != uidvalidity:
                    continue
                for i in range(0, len(uids), MANY):
                    await self._settle(session, uids[i : i + MANY], folder.keywords)

    async def _settle(self, session: Session, uids: Sequence[int], keywords: bool) -> None:
        after = self._settings.after
        if after == "flag":
            await session.store(uids, "(\\Seen)")
        elif after == "keyword" and keywords:  # elsewhere it would not be kept: our store is what counts
            await session.store(uids, f"({self._settings.keyword})")
        elif after == "move" and self._settings.move_to:
            try:
                await session.move(uids, self._settings.move_to)
            except TemporaryFailure as error:
                if error.reason is not Reason.CONFIG:
                    raise
                await session.create(self._settings.move_to)  # mostly it is not there yet
                await session.move(uids, self._settings.move_to)
        elif after == "delete":
            await session.remove(uids)

    async def _connected(self) -> Session:
        if self._session is None or not self._session.alive:
            self._session = await self._logged_in()
        return self._session

    async def _logged_in(self) -> Session:
        """A new connection; TemporaryFailure with the repair step."""
        try:
            if self._tokens is None:
                return await self._opened(None)
            token = await self._tokens.get()
            try:
                return await self._opened(token)
            except TemporaryFailure as error:
                if error.reason is not Reason.AUTH:
                    raise
            # It may have been withdrawn before its time: a fresh one is tried, once.
            return await self._opened(await self._tokens.renew(token))
        except TemporaryFailure as error:
            error.repair = error.repair or self._repair(error.reason)
            raise

    async def _opened(self, token: str | None) -> Session:
        return await Session.open(self._settings, self._account, self._tls, self._tunnel, token)

    def _repair(self, reason: Reason) -> str:
        if reason is Reason.AUTH and self._tokens is not None:
            why = "the server refuses a fresh token: imap.user must be the mailbox that it is for"
            return f"{why}; {self._tokens.repair}"
        return REPAIR.get(reason, f"check that {self._settings.host} can be reached from here")

    def _health(self) -> Health | None:
        """What is wrong with the account as a whole when it can be read: folders that cannot be entered."""
        if not self._lost:
            return None
        return Health(HealthState.FAILING, "; ".join(self._lost.values()), REPAIR[Reason.CONFIG])

    async def _enter(self, session: Session, name: str) -> Folder | None:
        """Select a folder. None for one that cannot be entered, as long as there are others."""
        try:
            folder = await session.select(name)
        except TemporaryFailure as error:
            if error.reason is not Reason.CONFIG or not session.alive:
                raise
            if name not in self._settings.folders:  # a handle of a folder that is no longer read
                return None
            self._lost[name] = error.detail
            if set(self._lost) >= set(self._settings.folders):
                error.repair = REPAIR[Reason.CONFIG]
                raise
            return None
        self._lost.pop(name, None)
        return folder

    async def _look(self, known: dict[str, Place]) -> Batch | None:
        """One look at every folder, beginning with another one each time; None when nothing is new."""
        session = await self._connected()
        folders = self._settings.folders
        turn = self._turn % len(folders)
        moved = False
        order = (*folders[turn:], *folders[:turn])
        for name in order:
            folder = await self._enter(session, name)
            if folder is None:
                continue
            before = known.get(name)
            place, found = await self._news(session, name, folder, before)
            if found:
                self._turn += 1
                envelopes, handles, taken = await self._take(session, name, folder.uidvalidity, found)
                return self._batch(envelopes, handles, {**known, name: places.passed(place, taken)})
            known[name] = place
            moved = moved or place != before
        for name in order:
            if (known.get(name) or {}).get("back") and name not in self._lost:
                self._turn += 1
                return await self._older(session, name, known)
        return Batch(cursor=known) if moved else None

    async def _news(
        self, session: Session, name: str, folder: Folder, place: Place | None
    ) -> tuple[Place, list[int]]:
        """Where we stand in a folder, and the UIDs after that, the lowest first."""
        uidnext = folder.uidnext
        if place is None:
            start = self._settings.start
            if start == "now" and uidnext is None:
                uidnext = max(await session.search("UID", "*"), default=0) + 1
            place = places.first(folder.uidvalidity, uidnext, start, self._clock.now().astimezone(UTC).date())
            self._log.info("mailbox.first", folder=name, there=folder.there, start=str(start))
        elif place["uidvalidity"] != folder.uidvalidity:
            place = places.renumbered(place, folder.uidvalidity, uidnext)
            self._log.warning("mailbox.renumbered", folder=name, there=folder.there)
        self._begun.add(name)
        key = (name, folder.uidvalidity, "new")
        found = places.new(place, self._ahead.pop(key, []))
        if not found:
            found = places.new(place, await session.search(*places.criteria(place)))
        if not found:
            return places.settled(place, uidnext), []
        self._ahead[key] = found
        return place, found

    async def _older(self, session: Session, name: str, known: Mapping[str, Place]) -> Batch:
        """The next of the older mails that an operator asked for; in the end the place forgets of them."""
        folder = await self._enter(session, name)
        place = known[name]
        back = place["back"]
        found: list[int] = []
        key = (name, int(place["uidvalidity"]), back["since"])
        if folder is not None and int(back["uid"]) < int(back["until"]):
            found = [uid for uid in self._ahead.pop(key, []) if uid > int(back["uid"])] or [
                uid for uid in await session.search(*places.back_criteria(back)) if uid > int(back["uid"])
            ]
        if folder is None or not found:
            self._log.info("mailbox.backfilled", folder=name)
            return Batch(cursor={**known, name: {**place, "back": None}})
        self._ahead[key] = found
        envelopes, handles, taken = await self._take(session, name, folder.uidvalidity, found)
        after = {**place, "back": {**back, "uid": max(taken)}}
        return self._batch(envelopes, handles, {**known, name: after})

    def _batch(self, envelopes: list[Envelope], handles: list[Any], cursor: Mapping[str, Place]) -> Batch:
        return Batch(
            envelopes=envelopes,
            cursor=cursor,
            handles=handles if self._settings.after != "nothing" else [],
        )

    async def _take(
        self, session: Session, name: str, uidvalidity: int, new: Sequence[int]
    ) -> tuple[list[Envelope], list[Any], list[int]]:
        """Fetch the first of these mails, as many as the bounds allow: envelopes, handles, and the UIDs passed."""
        bound = min(self._settings.chunk, MANY, self._narrow or MANY)
        wanted = list(new[:bound])
        if self._tries[name, uidvalidity, wanted[0]] >= self._settings.give_up:
            return [self._withheld(name, uidvalidity, wanted[0])], [], wanted[:1]
        try:
            taken = await self._fetched(session, name, uidvalidity, wanted)
        except TemporaryFailure as error:
            if error.reason in ONE_MAIL:  # perhaps one of them does it: fewer at a time will tell which
                self._narrow = max(1, len(wanted) // 4)
                if len(wanted) == 1:
                    self._tries[name, uidvalidity, wanted[0]] += 1
            raise
        if self._narrow is not None:
            self._narrow = self._narrow * 2 if self._narrow < self._settings.chunk else None
        return taken

    async def _fetched(
        self, session: Session, name: str, uidvalidity: int, wanted: list[int]
    ) -> tuple[list[Envelope], list[Any], list[int]]:
        sizes = await session.sizes(wanted)
        chunk: list[int] = []
        room = self._settings.chunk_bytes
        for uid in wanted:
            size = sizes.get(uid, 0)  # gone since: the fetch will not find it either
            if size > room:
                break
            chunk.append(uid)
            room -= size
        if not chunk:
            large = await self._large(session, name, wanted[0], sizes[wanted[0]])
            handles = [[name, uidvalidity, wanted[0]]] if large.hold is None else []
            return [large], handles, wanted[:1]
        envelopes: list[Envelope] = []
        handles = []
        for mail in await session.bodies(chunk, self._settings.chunk_bytes - room):
            if mail.uid in chunk and mail.body is not None:
                envelopes.append(self._envelope(name, mail.body, mail.arrived))
                handles.append([name, uidvalidity, mail.uid])
        missing = sorted({*chunk} & {*sizes} - {uid for _, _, uid in handles})
        # Those that are still there are not gone but withheld; passed over, nobody would know of them.
        for uid in sorted(await session.sizes(missing)) if missing else ():
            envelopes.append(self._withheld(name, uidvalidity, uid))
        return envelopes, handles, chunk

    def _envelope(self, folder: str, body: bytes, arrived: datetime | None) -> Envelope:
        return identity.envelope(self._account, body, sent_at=arrived, meta={"folder": folder})

    def _withheld(self, folder: str, uidvalidity: int, uid: int) -> Envelope:
        """A mail that the server lists and does not give: a person must look, and nothing is done to it there."""
        where = {"folder": folder, "uidvalidity": uidvalidity, "uid": uid}
        hold = f"the server lists this mail in {folder} (UID {uid}) and does not give its content; it is still there"
        empty = identity.envelope(self._account, b"", meta=where, hold=hold)
        return replace(empty, source_id=f"withheld:{folder}:{uidvalidity}:{uid}")

    async def _large(self, session: Session, folder: str, uid: int, size: int) -> Envelope:
        """A mail too large for one fetch, in pieces through the spool; over the limit only its beginning.

        Of a mail that is cut nothing is flagged, moved or deleted at the server: the rest is only there.
        """
        arrived = await session.arrival(uid)
        taken = identity.Fingerprint()

        async def chunks() -> AsyncIterator[bytes]:
            async for piece in session.pieces(uid, self._limit):
                taken.feed(piece)
                yield piece

        raw = await self._spool.keep(chunks(), self._limit)
        cut = size > self._limit and taken.size >= self._limit
        meta: dict[str, Any] = {"folder": folder}
        hold = None
        if cut:
            meta |= {"truncated": True, "size": size}
            hold = (
                f"the mail has {size} bytes, more than limits.body_bytes ({self._limit}); "
                f"the whole of it is still in {folder}"
            )
        return identity.envelope(
            self._account, raw, print_of=taken.finish(), sent_at=arrived, meta=meta, hold=hold
        )

    async def _idle(self, seconds: float) -> bool:
        """Wait for news of the first folder; whether there is reason to look again."""
        session = await self._connected()
        if not self._settings.idle or not session.has("IDLE"):
            return False
        if len(self._settings.folders) > 1:
            await self._enter(session, next(one for one in self._settings.folders if one not in self._lost))
        await session.idle(seconds)
        return True
