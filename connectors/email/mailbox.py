"""A mailbox read over IMAP: what is new after the cursor, and telling the server once it is stored here.

The cursor is {folder: {uidvalidity, uid, since, until}}: everything up to `uid` was handed over. When the
server starts its UIDs anew, the folder is read again from the day of the first connection (`since`), up to
the UID that was next then (`until`); what was stored before is recognised by its content.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from connectors.contract import Batch
from connectors.email import ImapSettings, identity
from connectors.email.imap import Session
from connectors.email.imap_text import MONTH_NAMES
from connectors.email.outgoing import tls_context
from connectors.email.tunnel import Tunnel
from model import health
from model.envelope import Envelope
from model.failures import Reason, TemporaryFailure
from model.health import Health, HealthState
from model.tools import Tools

#: What is known of one folder, as JSON in the cursor.
Place = Mapping[str, Any]
#: UIDs named in one command at the most: longer lists meet limits, and answers overflow the library.
MANY = 200
REPAIR = {
    Reason.AUTH: "check imap.user and imap.password; QQ, 163 and Exmail want a client authorisation code "
    "[授权码], which a changed password makes void",
    Reason.CONFIG: "check imap.security, imap.port, imap.folders and ca_file",
    Reason.THROTTLED: "the server wants fewer connections or less traffic; it will be tried again by itself",
}


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
    ) -> None:
        self._settings = settings
        self._account = account
        self._limit = limit
        self._clock = tools.clock
        self._spool = tools.spool
        self._ca_file = ca_file
        self._tunnel = tunnel
        self._tls: ssl.SSLContext | None = None
        self._session: Session | None = None
        self._using = asyncio.Lock()
        self._turn = 0

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
        """Log in on a connection of its own and NOOP: the other one may be waiting at the server."""
        try:
            session = await self._logged_in()
            try:
                await session.noop()
            finally:
                await session.close()
        except TemporaryFailure as error:
            repair = REPAIR.get(error.reason, f"check that {self._settings.host} can be reached from here")
            return Health(HealthState.FAILING, error.detail, repair)
        return health.OK

    async def fetch(self, cursor: Mapping[str, Any] | None, wait: timedelta) -> Batch:
        """The next mails of the first folder that has any; waits in IDLE when there are none."""
        async with self._using:
            places: dict[str, Place] = dict(cursor or {})
            batch = await self._look(places)
            if batch is None and wait > timedelta() and await self._idle(wait):
                batch = await self._look(places)
            return batch or Batch()

    async def confirm(self, handles: Sequence[Any]) -> None:
        """Flag, move or delete what is stored here. Handles of UIDs that are void now are passed over."""
        if self._settings.after == "nothing" or not handles:
            return
        grouped: dict[tuple[str, int], list[int]] = {}
        for folder, uidvalidity, uid in handles:
            grouped.setdefault((str(folder), int(uidvalidity)), []).append(int(uid))
        async with self._using:
            session = await self._connected()
            for (name, uidvalidity), uids in grouped.items():
                folder = await session.select(name)
                if folder.uidvalidity != uidvalidity:
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
            await session.move(uids, self._settings.move_to)
        elif after == "delete":
            await session.remove(uids)

    async def _connected(self) -> Session:
        if self._session is None or not self._session.alive:
            self._session = await self._logged_in()
        return self._session

    async def _logged_in(self) -> Session:
        return await Session.open(self._settings, self._account, self._tls, self._tunnel)

    async def _look(self, places: dict[str, Place]) -> Batch | None:
        """One look at every folder, beginning with another one each time; None when nothing is new."""
        session = await self._connected()
        folders = self._settings.folders
        turn = self._turn % len(folders)
        moved = False
        for name in (*folders[turn:], *folders[:turn]):
            before = places.get(name)
            place, new = await self._news(session, name, before)
            if new:
                self._turn += 1
                return await self._take(session, name, place, new, places)
            places[name] = place
            moved = moved or place != before
        return Batch(cursor=places) if moved else None

    async def _news(self, session: Session, name: str, place: Place | None) -> tuple[Place, list[int]]:
        """Where we stand in a folder, and the UIDs after that, the lowest first."""
        folder = await session.select(name)
        if place is None:
            place = self._beginning(folder.uidvalidity)
            if self._settings.from_ == "now":
                last = (
                    folder.uidnext - 1 if folder.uidnext else max(await session.search("UID", "*"), default=0)
                )
                return {**place, "uid": last}, []
        elif place["uidvalidity"] != folder.uidvalidity:
            # Without UIDNEXT nobody knows where the old ones end; then all are looked at.
            place = {**place, "uidvalidity": folder.uidvalidity, "uid": 0, "until": folder.uidnext or 2**32}
        known = int(place["uid"])
        if folder.uidnext is not None and folder.uidnext <= known + 1:
            return place, []
        criteria = ["UID", f"{known + 1}:*"]
        since = place.get("since")
        if since and known + 1 < int(place.get("until") or 0):
            day = date.fromisoformat(since) - timedelta(days=1)  # the server counts days in a zone of its own
            criteria += ["SINCE", f"{day.day}-{MONTH_NAMES[day.month - 1]}-{day.year}"]
        # `n:*` names the last mail even when its UID is lower (RFC 3501 §6.4.8).
        new = [uid for uid in await session.search(*criteria) if uid > known]
        if not new and folder.uidnext is not None:
            return {**place, "uid": folder.uidnext - 1}, []
        return place, new

    def _beginning(self, uidvalidity: int) -> Place:
        since = (
            self._clock.now().astimezone(UTC).date().isoformat() if self._settings.from_ == "now" else None
        )
        return {"uidvalidity": uidvalidity, "uid": 0, "since": since, "until": None}

    async def _take(
        self, session: Session, name: str, place: Place, new: Sequence[int], places: dict[str, Place]
    ) -> Batch:
        """Fetch the first of the new mails, as many as the bounds allow."""
        wanted = list(new[: min(self._settings.chunk, MANY)])
        sizes = await session.sizes(wanted)
        chunk: list[int] = []
        room = self._settings.chunk_bytes
        for uid in wanted:
            size = sizes.get(uid, 0)  # gone since: the fetch will not find it either
            if size > room:
                break
            chunk.append(uid)
            room -= size
        uidvalidity = int(place["uidvalidity"])
        envelopes: list[Envelope] = []
        handles: list[Any] = []
        if chunk:
            for mail in await session.bodies(chunk):
                if mail.uid in chunk and mail.body is not None:
                    envelopes.append(self._envelope(name, mail.body, mail.arrived))
                    handles.append([name, uidvalidity, mail.uid])
            missing = sorted({*chunk} & {*sizes} - {uid for _, _, uid in handles})
            # Those that are still there are not gone but withheld; passed over, nobody would know of them.
            for uid in sorted(await session.sizes(missing)) if missing else ():
                envelopes.append(self._withheld(name, uidvalidity, uid))
        else:
            chunk = wanted[:1]
            large = await self._large(session, name, chunk[0], sizes[chunk[0]])
            envelopes.append(large)
            if large.hold is None:
                handles.append([name, uidvalidity, chunk[0]])
        return Batch(
            envelopes=envelopes,
            cursor={**places, name: {**place, "uid": chunk[-1]}},
            handles=handles if self._settings.after != "nothing" else [],
        )

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

    async def _idle(self, wait: timedelta) -> bool:
        """Wait for news of the first folder; whether there is reason to look again."""
        session = await self._connected()
        if not self._settings.idle or not session.has("IDLE"):
            return False
        if len(self._settings.folders) > 1:
            await session.select(self._settings.folders[0])
        await session.idle(min(wait.total_seconds(), self._settings.idle_seconds))
        return True
