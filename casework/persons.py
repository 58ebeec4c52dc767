"""Everything that is kept of one person: shown, given out as a file, erased.

Source: Regulation (EU) 2016/679, articles 15, 17 and 20; Personal Information Protection Law of the PRC, 45 and 47.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import sqlite3
import zipfile
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from model.ids import token
from model.tools import Clock, Ids, Log
from store import leases, people, persons, sweep, views
from store.persons import Mentions, Person
from store.retention import Purge
from store.settings import RetentionSettings
from store.store import Store
from store.units import Insert, Unit

Facts = Mapping[str, Any]

#: Records that are erased in one transaction, messages that are looked through at once, and steps of merging the index
#: at the most.
_AT_ONCE, _LOOK, _MERGES = 20, 200, 10_000
_LEASE = timedelta(minutes=2)
#: What a file's name may have on every system.
_PLAIN = re.compile(r"[^\w.-]+")


class PersonVerbs:
    """What may be done with a person's data."""

    def __init__(
        self,
        store: Store,
        settings: Callable[[], RetentionSettings],
        links: views.Links,
        *,
        clock: Clock,
        ids: Ids,
        log: Log,
    ) -> None:
        self._store = store
        self._settings = settings
        self._links = links
        self._clock = clock
        self._ids = ids
        self._log = log
        self._one = asyncio.Lock()

    async def show(self, named: str) -> Facts:
        """What there is of a person: contacts, identities, numbers of records, messages that became no record, and
        scans or files that hold theirs beside others'. LookupError for nobody."""
        person = await self._person(named)
        return await self._told(person, await self._loose(person))

    async def _told(self, person: Person, loose: Sequence[Facts]) -> Facts:
        found = await self._store.read(lambda c: persons.records(c, person.contacts))
        return {
            "contacts": list(person.contacts),
            "identities": [{"kind": kind, "value": value} for kind, value in person.identities],
            "records": [row["reference"] for row in found],
            "loose": len(loose),
            "with_others": await self._store.read(lambda c: persons.parents(c, person.contacts)),
        }

    async def export(self, named: str, folder: Path, *, actor: str) -> Path:
        """A ZIP in a folder with everything: `person.json`, and for each record its JSON and all files, as they came
        and as they went. The caller deletes it. LookupError for nobody."""
        person = await self._person(named)
        found = await self._store.read(lambda c: persons.records(c, person.contacts))
        loose = await self._loose(person)
        await self._note(person, "person.export", actor)
        path = folder / f"person-{self._ids.new()}.zip"
        await asyncio.to_thread(folder.mkdir, 0o700, True, True)
        packed = await asyncio.to_thread(zipfile.ZipFile, path, "w", zipfile.ZIP_DEFLATED)
        try:
            who = await self._store.read(lambda c: people.show(c, person.contacts[0]))
            await _write(
                packed, "person.json", {**(who or {}), "records": [row["reference"] for row in found]}
            )
            for row in found:
                await self._record(packed, row)
            for one in loose:
                await self._file(packed, f"other/{one['id']}.bin", one["blob"])
        except BaseException:
            await asyncio.to_thread(packed.close)
            path.unlink(missing_ok=True)
            raise
        await asyncio.to_thread(packed.close)
        return path

    async def erase(self, named: str, *, dry_run: bool, actor: str) -> Facts:
        """Erase everything of a person, for good; with `dry_run`, only tell what it would be. LookupError for nobody.

        What does not end in this call (the process dies, another replica has erasures in hand) goes on with `resume`;
        `erased` says whether it ended.
        """
        person = await self._person(named)
        loose = await self._loose(person)
        told = await self._told(person, loose)
        if dry_run:
            return {**told, "erased": False}
        envelopes = [one["id"] for one in loose]
        id_, at = self._ids.new(), self._clock.now()
        # Before what is deleted: the trail says that somebody was erased, by a keyed hash and without the person.
        await self._note(person, "person.erase", actor)
        await self._store.run(
            lambda c: persons.begin(c, id_, person, envelopes, at.isoformat()), "person.begin"
        )
        await self.resume()
        return {
            "erased": id_ not in await self._store.read(persons.jobs),
            "records": len(told["records"]),
            "loose": told["loose"],
            "with_others": told["with_others"],
        }

    async def resume(self) -> int:
        """Go on with erasures that are not done; how many were finished. One process at a time does."""
        async with self._one:
            return await self._resume()

    async def _resume(self) -> int:
        every = await self._store.read(persons.jobs)
        if not every:
            return 0
        if not await self._ours():
            return 0
        self._store.expect_graves()
        for id_ in every:
            if not await self._finish(id_):
                return 0
        await asyncio.to_thread(self._empty_log)
        owner = self._store.owner
        await self._store.run(lambda c: leases.give_back(c, "erasure", owner), "lease")
        self._log.info("persons.erased", erasures=len(every))
        return len(every)

    async def _ours(self) -> bool:
        """Whether this process has the erasures in hand, for a while more."""
        owner, now = self._store.owner, self._clock.now()
        taken = await self._store.run(lambda c: leases.take(c, "erasure", owner, _LEASE, now), "lease")
        return taken is not None

    async def _finish(self, id_: str) -> bool:
        """All that is left of one erasure, in short transactions; any of them may be the last of this process.

        False when another process took it over meanwhile.
        """
        store = self._store
        purge = Purge(self._settings(), store.secret, self._clock.now())
        while await store.run(lambda c: persons.erase_some(c, id_, purge, _AT_ONCE), "person.erase"):
            if not await self._ours():
                return False
        merged = await store.run(lambda c: persons.merge_index(c, True), "person.index")
        for _ in range(_MERGES):
            if not merged:
                break
            merged = await store.run(lambda c: persons.merge_index(c, False), "person.index")
        sent = await store.read(sweep.in_deliveries)
        files = await store.run(lambda c: persons.erase_bytes(c, id_, sent), "person.bytes")
        ahead = self._clock.now() + timedelta(days=1)
        for sha256 in files:
            await asyncio.to_thread(store.blobs.delete, sha256, ahead)
        return True

    # ----

    async def _person(self, named: str) -> Person:
        found = await self._store.read(lambda c: persons.find(c, named.strip()))
        if found is None:
            raise LookupError("nobody is known by this; give a contact's id, an address, or kind:value")
        return found

    async def _loose(self, person: Person) -> list[Facts]:
        """The messages that became no record and name the person by an address or a number of theirs."""
        found: list[Facts] = []
        after = ""
        while page := await self._store.read(partial(persons.loose, after=after, limit=_LOOK)):
            after = page[-1]["id"]
            for one in page:
                if await self._mentions(one["blob"], person.values):
                    found.append(one)
        return found

    async def _mentions(self, sha256: str, values: list[str]) -> bool:
        source = await self._store.open_blob(sha256)
        if source is None or not values:
            return False
        looking = Mentions(values)
        async for chunk in source:
            if await asyncio.to_thread(looking.see, chunk):
                return True
        return looking.see(b"", last=True)

    async def _note(self, person: Person, verb: str, actor: str) -> None:
        hashed = token(self._store.secret, "person", *sorted(person.contacts))
        row = {
            "id": self._ids.new(), "at": self._clock.now(), "actor": actor, "verb": verb, "target": hashed, "data": {},
        }  # fmt: skip
        await self._store.submit(Unit(None, (Insert("audit", row),), label="person"))

    async def _record(self, packed: zipfile.ZipFile, row: Facts) -> None:
        place, links = f"records/{row['reference']}", self._links

        def read(connection: Connection) -> Facts:
            return {
                "record": views.canonical(connection, row, links).model_dump(mode="json", by_alias=True),
                "timeline": views.timeline(connection, row["id"], limit=100_000),
                "sent": persons.deliveries(connection, row["id"]),
                "messages": views.messages(connection, row["id"]),
                "files": views.rows(connection, views.files_of(row["id"])),
            }

        found = await self._store.read(read)
        await _write(
            packed, f"{place}/record.json", {name: found[name] for name in ("record", "timeline", "sent")}
        )
        for one in found["messages"]:
            await self._file(
                packed, f"{place}/messages/{one['reference']}.{_ending(one['media_type'])}", one["blob"]
            )
        for one in found["files"]:
            if one["sha256"]:
                name = f"{place}/files/{one['envelope']}-{one['n']}-{_safe(one['filename'])}"
                await self._file(packed, name, one["sha256"])
        for sent in found["sent"]:
            for n, file in enumerate(sent["body"].get("files", ())):
                if file.get("sha256"):
                    name = f"{place}/sent/{sent['id']}-{n}-{_safe(file['filename'])}"
                    await self._file(packed, name, file["sha256"])

    async def _file(self, packed: zipfile.ZipFile, name: str, sha256: str) -> None:
        source = await self._store.open_blob(sha256) if sha256 else None
        if source is None:
            return
        with packed.open(name, "w", force_zip64=True) as member:
            async for chunk in source:
                await asyncio.to_thread(member.write, chunk)

    def _empty_log(self) -> None:
        """Let SQLite's log go into the database and be cut, so that it holds no older pages; readers may delay it."""
        if self._store.database is None:
            return
        with sqlite3.connect(self._store.database, timeout=30) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.close()


def _safe(name: str) -> str:
    return _PLAIN.sub("_", name)[-100:] or "file"


def _ending(media_type: str) -> str:
    return {"message/rfc822": "eml", "application/json": "json", "text/xml": "xml"}.get(media_type, "bin")


async def _write(packed: zipfile.ZipFile, name: str, value: Any) -> None:
    text = json.dumps(value, ensure_ascii=False, indent=2, default=_plain)
    await asyncio.to_thread(packed.writestr, name, text)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return hashlib.sha256(value).hexdigest() if isinstance(value, bytes) else str(value)
