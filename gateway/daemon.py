"""The daemon: opens the store, builds the house, runs it, and ends it in good order."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

from casework.escalation import Escalation, Mail
from config.load import Loaded
from console.services import Services
from gateway import metrics as metrics_room
from gateway import tuning
from gateway.house import Counters, Hook, House, build
from gateway.http import ClientHttp
from gateway.internal_mail import internal_mail
from gateway.logs import set_up
from gateway.openings import Openings
from gateway.reload import Reload
from gateway.reports.service import ReportMail
from gateway.server import Server
from gateway.services import admin_token, make_services
from gateway.tools import FileSpool, SystemClock, SystemIds
from gateway.watch import Watch
from inbox.imports.run import forget_before
from store import archive, deliveries, envelopes, facts, leases, retention, sweep
from store.errors import StoreBusy
from store.store import Store
from store.units import Insert

#: What the shell reads when the disk broke under us: EX_IOERR of sysexits.h.
EXIT_IO = 74
#: How often it is looked which reply windows close soon, seconds.
_LOOK_AT_WINDOWS = 20.0
_LOOK_AT_OFFICE = 60.0
#: How often it is looked whether records are still to be read into the archive or counted, seconds; how many are
#: read in at once, and the pause in which others have the writer.
_READ_IN_EVERY, _READ_IN, _BETWEEN = 5.0, 50, 0.02
#: Restarts of one task within its life before the process gives up and lets its supervisor start it anew.
_RESTARTS = 20


async def run(
    loaded: Loaded, *, hook: Hook | None = None, ready: Callable[[str, str | None], None] | None = None
) -> int:
    """Serve until told to stop; the exit code. `ready` gets the address, and the token when it is new."""
    set_up(loaded.settings.log)
    stopping = asyncio.Event()
    fatal: list[BaseException] = []
    loop = asyncio.get_running_loop()

    def give_up(error: BaseException) -> None:
        # After a failed sync nobody knows what is on the disk: leave at once, and recover at the start.
        fatal.append(error)
        os.write(2, f"forebay: the disk failed, stopping: {error}\n".encode())
        os._exit(EXIT_IO)

    store = await _store(loaded, give_up, hook).open()
    try:
        token, new = admin_token(loaded, store.folder)
        daemon = Daemon(loaded, store, token, hook)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, lambda: _stop(stopping))
        loop.add_signal_handler(signal.SIGHUP, daemon.reload.soon)
        await daemon.start()
        if ready:
            ready(daemon.server.url, token if new else None)
        daemon.broken.add_done_callback(lambda _: stopping.set())
        await stopping.wait()
        await daemon.stop()
        return 1 if daemon.broken.done() else 0
    finally:
        await store.close()


def _stop(stopping: asyncio.Event) -> None:
    if stopping.is_set():
        os._exit(130)  # told twice: leave now, which is safe at any point
    stopping.set()


def _store(loaded: Loaded, on_fatal: Callable[[BaseException], None], hook: Hook | None = None) -> Store:
    settings = loaded.settings
    return Store(settings.database, settings.data, SystemClock(), SystemIds(), on_fatal=on_fatal, hook=hook)


@contextlib.asynccontextmanager
async def open_offline(loaded: Loaded) -> AsyncIterator[Services]:
    """The verbs of a daemon that does not run. Raises FolderInUse when one does."""

    def give_up(error: BaseException) -> None:
        raise SystemExit(f"forebay: the disk failed: {error}")

    store = await _store(loaded, give_up).open()
    try:
        house = build(loaded, store, clock=store.clock, ids=SystemIds())
        openings = Openings(house, None, lambda channel, outcome: None)
        openings.build_only()
        token, _ = admin_token(loaded, store.folder)
        try:
            yield make_services(house, openings, token, _no_reload)
        finally:
            await house.importer.close()
            await openings.close()
            await house.reader.close()
    finally:
        await store.close()


async def _no_reload(_actor: str) -> dict[str, Any]:
    raise ValueError("no daemon runs with this data folder; the configuration is read when one starts")


class Daemon:
    """A running house."""

    def __init__(self, loaded: Loaded, store: Store, token: str, hook: Hook | None) -> None:
        self.metrics = metrics_room.Metrics()
        counters = Counters(self.metrics.envelope, self.metrics.errand, self.metrics.delivery)
        self.house = build(loaded, store, clock=store.clock, ids=SystemIds(), hook=hook, counters=counters)
        self.openings = Openings(self.house, hook, self.metrics.envelope)
        self.reload = Reload(self.house, self.openings, self.metrics)
        self._http = ClientHttp()
        self.watch = Watch(self.house, self._http)
        self.escalation = _escalation(self.house, self._http)
        self._reports = ReportMail(self.house)
        self.server = Server(
            self.house,
            make_services(self.house, self.openings, token, self.reload),
            self.metrics,
        )
        self.broken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done when a room could not be kept running."""
        self._rooms: dict[str, asyncio.Task[None]] = {}
        self._ticks: list[asyncio.Task[None]] = []
        self._alive: list[asyncio.Task[None]] = []

    # ---- life

    async def start(self) -> None:
        """Recover what an earlier process left, open the doors, and begin."""
        house, settings = self.house, self.house.loaded.settings
        FileSpool(house.store.folder / "spool").clear()
        every = self._every
        await self._live()
        # At once: with many channels it takes longer to open them than a lease lasts.
        self._alive = [every(settings.leases.renew.total_seconds(), self._live, "lease")]
        await self._recover()
        if house.store.on_hold:
            house.log.warning("store.on_hold", repair="look at `forebay release`, which shows what waits")
        await house.rounds.begin()
        await house.recognition.begin()
        # The channels first: how an envelope is read, and who is answered, stands in their settings.
        await self.openings.start()
        self._rooms["processor"] = self._keep(house.processor.run, "processor")
        self._rooms["errands"] = self._keep(house.errands.run, "errands")
        self._rooms["importer"] = self._keep(house.importer.run, "importer")
        self._rooms["bundles"] = self._keep(house.bundles.run, "bundles")
        self._rooms["dispatcher"] = self._keep(house.dispatcher.run, "dispatcher")
        await self.server.start()
        self._write_place()
        self._ticks = [
            every(settings.leases.recover.total_seconds(), self._recover, "recovery"),
            every(settings.alerts.every.total_seconds(), self.watch.tick, "alerts"),
            every(5.0, house.store.check_room, "room"),
            every(_LOOK_AT_WINDOWS, self.watch.windows, "windows"),
            every(_LOOK_AT_OFFICE, self._office, "office"),
            every(settings.office.look_every, house.rounds.run, "rounds"),
            every(settings.office.look_every, house.recognition.run, "recognition"),
            every(settings.office.look_every, house.review.go_on, "review"),
            every(settings.office.look_every, self.escalation.run, "escalation"),
            every(10.0, self._gauges, "gauges"),
            every(settings.retention.every.total_seconds(), self._purge, "retention"),
            every(3600.0, house.store.renew_mark, "mark"),
            every(_READ_IN_EVERY, self._read_in, "archive"),
            every(_READ_IN_EVERY, self._count, "figures"),
            every(settings.office.look_every, self._reports.run, "reports"),
            every(_LOOK_AT_OFFICE, house.persons.resume, "erasure"),
            every(tuning.TIDY_EVERY, self._tidy, "memory"),
        ]
        house.log.info("daemon.started", url=self.server.url, channels=sorted(house.channels))

    async def _tidy(self) -> None:
        tuning.tidy()

    async def _office(self) -> None:
        """Keep deadlines to the calendar, and see departments that went while they held records."""
        self.house.office_trouble = await self.house.recount.trouble()
        self.house.office_notice = self.house.recount.notice()
        await self.house.recount.run()

    async def stop(self) -> None:
        """Stop taking in, finish what is in hand, give back the rest (law 10)."""
        house = self.house
        house.log.info("daemon.stopping")
        self.server.ready = False
        await _end(self._ticks)
        await self.openings.stop_fetching()
        await self.server.stop()
        house.importer.stop()
        house.processor.stop()
        house.dispatcher.stop()
        house.errands.stop()
        house.bundles.stop()
        patience = house.loaded.settings.inbox.shutdown.total_seconds()
        _, late = await asyncio.wait(self._rooms.values(), timeout=patience)
        await _end(list(late))
        await self.openings.close()
        await house.reader.close()
        await self._http.close()
        # Not sooner: without the lease, replicas would take what is still being sent for a dead process's.
        await _end(self._alive)
        with contextlib.suppress(StoreBusy):
            await house.store.run(lambda c: envelopes.release(c, house.store.owner), "release")
            await house.store.run(lambda c: deliveries.release(c, house.store.owner), "release")
            await house.store.run(lambda c: leases.forget_process(c, house.store.owner), "lease")
        self._place.unlink(missing_ok=True)
        house.log.info("daemon.stopped")

    def _keep(self, room: Callable[[], Awaitable[None]], name: str) -> asyncio.Task[None]:
        """Run a room, and again when it falls over; a room that keeps falling ends the process."""

        async def run() -> None:
            for _ in range(_RESTARTS):
                try:
                    await room()
                    return
                except Exception as error:
                    self.house.log.error("room.failed", room=name, exc_info=error)
                    await asyncio.sleep(1.0)
            if not self.broken.done():
                self.broken.set_result(None)

        return asyncio.create_task(run(), name=name)

    def _every(self, seconds: float, tick: Callable[[], Awaitable[Any]], name: str) -> asyncio.Task[None]:
        async def run() -> None:
            while True:
                await asyncio.sleep(seconds)
                try:
                    await tick()
                except StoreBusy as error:
                    self.house.log.warning("tick.waits", tick=name, why=str(error))
                except Exception as error:
                    self.house.log.error("tick.failed", tick=name, exc_info=error)

        return asyncio.create_task(run(), name=name)

    # ---- ticks

    async def _live(self) -> None:
        """Say that this process lives; its claims are safe for as long."""
        store, ttl = self.house.store, self.house.loaded.settings.leases.ttl
        now = self.house.clock.now()
        await store.run(lambda c: leases.own_process(c, store.owner, ttl, now), "lease")
        if store.on_hold and await store.read(lambda c: facts.get(c, "hold")) is None:
            store.on_hold = False  # released at another replica
            self.house.dispatcher.wake()

    async def _recover(self) -> None:
        """Free what dead processes had claimed, and what we claimed and lost sight of (law 11)."""
        house, store = self.house, self.house.store
        settings = house.loaded.settings
        now = house.clock.now()
        idle_before = now - 3 * settings.leases.ttl
        held = {hot.envelope.id for hot in house.hot.items()} | house.processor.working
        sending = house.dispatcher.working

        def recover(connection: Any) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
            # An embedded store has one process by lock: whoever else stands in it is dead.
            living = set() if store.embedded else leases.living(connection, now)
            return (
                envelopes.recover(
                    connection,
                    living=living,
                    me=store.owner,
                    working=held,
                    max_claims=settings.inbox.max_claims,
                    now=now,
                    idle_before=idle_before,
                ),
                deliveries.recover(
                    connection,
                    living=living,
                    me=store.owner,
                    working=sending,
                    max_claims=settings.outbox.max_claims,
                    idle_before=idle_before,
                ),
            )

        freed, due = await store.run(recover, "recover")
        if freed or due:
            house.log.warning("claims.recovered", envelopes=len(freed), deliveries=len(due))
            house.hot.wake()
            house.dispatcher.wake()

    async def _gauges(self) -> None:
        await metrics_room.refresh(self.metrics, self.house)

    async def _read_in(self) -> None:
        """Read what was registered before there was an index into the archive, a little at a time."""
        store = self.house.store
        while await store.read(lambda c: archive.unread(c, 1)):
            if not await store.run(lambda c: archive.catch_up(c, _READ_IN), "archive"):
                return  # another replica has them in hand
            await asyncio.sleep(_BETWEEN)

    async def _count(self) -> None:
        """Keep the figures of reports up to date; while messages wait, a little at a time."""
        house = self.house
        while await house.reporting.count():
            if len(house.hot) or house.store.writer.arriving:
                return
            await asyncio.sleep(_BETWEEN)

    async def _purge(self) -> None:
        settings = self.house.loaded.settings.retention
        store = self.house.store
        ours = await store.run(
            lambda c: leases.take(c, "purge", store.owner, settings.every, self.house.clock.now()), "lease"
        )
        if ours is not None:
            await retention.purge(store, settings)
            await store.run(forget_before(self.house.loaded.settings.imports, self.house.clock), "imports")
            await sweep.sweep(store, settings)

    # ---- where the command line finds us

    @property
    def _place(self) -> Path:
        return self.house.store.folder / "daemon.json"

    def _write_place(self) -> None:
        handle = os.open(self._place, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w") as out:
            started = self.house.clock.now().isoformat()
            json.dump({"pid": os.getpid(), "url": self.server.url, "started_at": started}, out)


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _escalation(house: House, http: ClientHttp) -> Escalation:
    def mail(one: Mail) -> Insert:
        return internal_mail(
            house,
            key=f"digest:{one.key}",
            channel=one.channel,
            to=one.to,
            subject=one.subject,
            text=one.text,
            language=one.language,
        )

    return Escalation(
        house.store,
        house.deadlines,
        lambda: house.loaded.settings.office,
        http,
        mail,
        house.dispatcher.wake,
        clock=house.clock,
        ids=house.ids,
        log=house.log,
        desk=f"{house.links.public_url}/desk",
    )
