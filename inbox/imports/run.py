"""Imports at work: one after another, behind everything that comes in meanwhile, from where the last process was."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from connectors.channel import Channel
from connectors.contract import Batch, Busy, MailImporter, RowImporter
from inbox.accept import Acceptor
from inbox.imports import items, source
from inbox.imports.formats import Refused
from inbox.imports.settings import ImportSettings
from model.envelope import Envelope
from model.imported import META, UNTOLD, ImportState
from model.tools import Clock, Ids, Log, Spooled
from store import imports, leases
from store.errors import LeaseLost, StoreBusy
from store.imports import Progress
from store.settings import LeaseSettings
from store.store import Store

#: How often it is looked whether there is something to import, or whether there is room again, seconds.
_LOOK, _GLANCE = 2.0, 0.02
_LEASE = "imports"


def takes(channel: Channel) -> list[str]:
    """What of history a channel takes: `rows` of tables, `mails` of archives."""
    roles = {"rows": RowImporter, "mails": MailImporter}
    return [name for name, role in roles.items() if isinstance(channel.connector, role)]


class Importer:
    """Works on the imports that wait. Of all processes on a store, one does, by lease."""

    def __init__(
        self,
        store: Store,
        channels: Mapping[str, Channel],
        acceptor: Acceptor,
        settings: ImportSettings,
        lease: LeaseSettings,
        spool: Path,
        *,
        clock: Clock,
        ids: Ids,
        log: Log,
        busy: Callable[[], bool] = lambda: False,
        hook: Callable[[str], None] | None = None,
    ) -> None:
        self._store = store
        self._channels = channels
        self._acceptor = acceptor
        self._settings = settings
        self._lease = lease
        self.spool = spool
        self._clock = clock
        self._ids = ids
        self._log = log
        self._busy = busy
        self._hook = hook or (lambda name: None)
        self._woken = asyncio.Event()
        self._stopping = False
        self._begun: set[asyncio.Task[None]] = set()
        self._renewed = float("-inf")
        self.processing = False
        """Whether this process registers what was taken, so that there is something to give way to."""

    # ---- life

    async def run(self) -> None:
        """Import until stopped; what is begun goes on in the next process."""
        self.processing = True
        try:
            while not self._stopping:
                if not await self._next():
                    self._woken.clear()
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(_LOOK):
                            await self._woken.wait()
        finally:
            with contextlib.suppress(StoreBusy):
                await self._store.run(lambda c: leases.give_back(c, _LEASE, self._store.owner), "lease")

    def stop(self) -> None:
        """Finish the batch in hand and end."""
        self._stopping = True
        self._woken.set()

    def wake(self) -> None:
        """Something is to be imported."""
        self._woken.set()

    def begin(self, id_: str) -> None:
        """Work on one import beside whatever else is done; where `run` runs, that does it."""
        if self.processing:
            self.wake()
            return
        task = asyncio.create_task(self.work(id_))
        self._begun.add(task)
        task.add_done_callback(self._begun.discard)

    async def close(self) -> None:
        """Stop what `begin` began; it can be gone on with."""
        self.stop()
        if self._begun:
            await asyncio.wait(self._begun)

    async def _next(self) -> bool:
        """Work on the import that is due; False when there is none, or another process has the lease."""
        if self._store.on_hold:
            return False
        try:
            due = await self._store.read(imports.due)
            if due is None or not await self._own():
                return False
            await self.work(due)
        except StoreBusy as error:
            self._log.warning("import.waits", why=str(error))
            return False
        return True

    async def _own(self) -> bool:
        """Take or renew the lease, when it is time."""
        if self._clock.monotonic() - self._renewed < self._lease.renew.total_seconds():
            return True
        owner, ttl = self._store.owner, self._lease.ttl
        now = self._clock.now()
        mine = await self._store.run(lambda c: leases.take(c, _LEASE, owner, ttl, now), "lease")
        self._renewed = self._clock.monotonic() if mine is not None else float("-inf")
        return mine is not None

    # ---- one import

    async def work(self, id_: str) -> None:
        """Import one file from where it is to its end."""
        row = await self._claim(id_)
        if row is None:
            return
        self._log.info("import.begun", id=id_, channel=row["channel"], at=row["rows"])
        state, reason = ImportState.DONE, None
        try:
            if not await self._read(row):
                return  # told to stop: it stays as running, and is gone on with
        except LeaseLost:
            self._log.info("import.left", id=id_)
            return
        except Refused as error:
            state, reason = ImportState.FAILED, str(error)
        except (StoreBusy, asyncio.CancelledError):
            raise
        except Exception as error:
            self._log.error("import.failed", id=id_, exc_info=error)
            state, reason = ImportState.FAILED, f"an error of ours: {type(error).__name__}; the log says more"
        self._hook("import.before_end")
        now, share = self._clock.now(), {"share": 1.0} if state is ImportState.DONE else {}
        await self._store.run(
            lambda c: imports.change(c, id_, state, now, reason=reason, ended_at=now, claim=None, **share),
            "import.end",
        )
        self._log.info("import.ended", id=id_, state=state.value)

    async def _claim(self, id_: str) -> dict[str, Any] | None:
        now, claim = self._clock.now(), self._ids.new()

        def step(connection: Any) -> dict[str, Any] | None:
            row = imports.get(connection, id_)
            if row is None:
                return None
            begun = row["started_at"] or now
            again = {"claim": claim, "started_at": begun, "reason": None, "ended_at": None}
            mine = imports.change(connection, id_, ImportState.RUNNING, now, **again)
            return imports.get(connection, id_) if mine else None

        return await self._store.run(step, "import.claim")

    async def _read(self, row: Mapping[str, Any]) -> bool:
        """Read on and store batch by batch; False when told to stop before the end."""
        channel = self._channels.get(row["channel"])
        if channel is None:
            raise Refused(f"there is no channel {row['channel']} any more")
        errors = int(row["errors"])
        async with self.file(row["blob"]) as path:
            frames = source.read(
                path,
                row["name"],
                items.pinned(row["options"], row["layout"]),
                takes=takes(channel),
                spool=self.spool,
                settings=self._settings,
                position=row["position"],
            )
            async with contextlib.aclosing(items.batches(frames, self._settings.batch)) as found:
                async for batch in found:
                    if self._stopping or not await self._own():
                        return False
                    await self._give_way()
                    errors += await self._store_batch(channel, row, batch)
                    if errors > self._settings.errors:
                        raise Refused(
                            f"more than {self._settings.errors} rows cannot be taken; look at the mapping, "
                            "then start it again (imports.errors)"
                        )
        return True

    async def _store_batch(self, channel: Channel, row: Mapping[str, Any], batch: items.Items) -> int:
        """Envelopes, bad rows and position in one transaction; how many rows were bad."""
        begun, was_busy = self._clock.monotonic(), self._busy()
        envelopes, bad = await items.envelopes(channel, batch)
        marks: dict[str, Any] = {META: row["id"]} | ({} if row["acknowledge"] else {UNTOLD: True})
        envelopes = [replace(one, meta={**one.meta, **marks}) for one in envelopes]
        step = Progress(
            id=row["id"],
            claim=row["claim"],
            position=batch.position,
            share=batch.share,
            rows=batch.rows,
            bad=tuple(bad),
            notes=batch.notes,
            at=self._clock.now(),
        )
        if row["dry_run"]:
            await self._rehearse(envelopes, step)
        else:
            await self._accept(channel, envelopes, step)
        rest = (self._clock.monotonic() - begun) * (1 / self._settings.share - 1)
        if was_busy or self._busy():
            await self._clock.sleep(min(rest, 1.0))
        return len(bad)

    async def _accept(self, channel: Channel, envelopes: Sequence[Envelope], step: Progress) -> None:
        while True:
            try:
                await self._acceptor.accept(channel, Batch(envelopes=envelopes), progress=step)
                return
            except Busy as error:
                self._log.warning("import.waits", id=step.id, why=str(error))
                await self._clock.sleep(error.retry_after.total_seconds())
                if self._stopping:
                    raise LeaseLost("told to stop") from None

    async def _rehearse(self, envelopes: Sequence[Envelope], step: Progress) -> None:
        """Count what would be new and what is known, and change nothing else."""
        for one in envelopes:
            if isinstance(one.raw, Spooled):
                one.raw.path.unlink(missing_ok=True)
        identities = [(one.account, one.source_id, one.fingerprint) for one in envelopes]

        def apply(connection: Any) -> bool:
            there = imports.known(connection, identities) if identities else set()
            known = sum(one in there for one in identities)
            if not imports.advance(connection, step):
                return False
            imports.count(connection, step.id, taken=len(identities) - known, known=known)
            return True

        if not await self._store.run(apply, "import.rehearse"):
            raise LeaseLost("the import is somebody else's by now")

    async def _give_way(self) -> None:
        """Wait until few enough of what is stored waits to be processed: what comes in now waits behind it."""
        most = self._settings.ahead
        while self.processing and not self._stopping:
            if await self._store.read(lambda c: imports.waiting_envelopes(c, most + 1)) <= most:
                return
            await self._clock.sleep(_GLANCE)

    @contextlib.asynccontextmanager
    async def file(self, blob: str) -> AsyncIterator[Path]:
        """The uploaded file, as a file: a small one lies in the database. Refused when it is gone."""
        path = await self._store.blob_file(blob) if blob else None
        if path is not None:
            yield path
            return
        data = await self._store.load_blob(blob) if blob else None
        if data is None:
            raise Refused("the file is not kept any more; upload it again")
        own = self.spool / f"import-{self._ids.new()}"
        await asyncio.to_thread(own.write_bytes, data)
        try:
            yield own
        finally:
            own.unlink(missing_ok=True)


def forget_before(settings: ImportSettings, clock: Clock) -> Any:
    """A step that lets go of the files of imports that ended long ago."""
    before = clock.now() - max(settings.keep, timedelta(0))
    return lambda connection: imports.forget(connection, before)
