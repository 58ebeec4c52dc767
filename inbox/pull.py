"""Fetch loops: one for each polled channel, owned by lease; the only place that reconnects.

An operator's wish for older mail (`forebay backfill`) lies in the store, so that whichever process polls the channel
finds it: with the next sign of life, while a fetch may still be waiting at its source.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from tenacity import RetryCallState, wait_exponential_jitter

from connectors.channel import Channel
from connectors.contract import Backfiller, Batch, Busy, Fetcher, Listener
from inbox.accept import Acceptor
from inbox.settings import InboxSettings
from model.failures import PAUSING, Failure, PermanentFailure, SendFailure, TemporaryFailure
from model.health import OK, Health, HealthState
from model.tools import Clock, Log
from store import backfill, leases
from store.acceptance import CursorMove
from store.errors import LeaseLost, StoreBusy
from store.settings import LeaseSettings
from store.store import Store
from store.units import Guard, Unit

#: A fetch that comes back empty within this, seconds, did not wait for anything.
_AT_ONCE = 1.0
#: How often one listens whether another process rang, seconds.
_LISTEN = 1.0
#: What the operator can do about each kind of trouble.
_REPAIR = {
    "auth": "check the user name and the password or authorisation code of the channel, then resume it",
    "config": "check the channel's settings against the far side, then reload",
    "unreachable": "check the host, the port and the network; it is tried again by itself",
    "throttled": "nothing to do: the far side asked for a pause",
}


class Puller:
    """Fetches one channel for as long as it is ours."""

    def __init__(
        self,
        channel: Channel,
        store: Store,
        acceptor: Acceptor,
        settings: InboxSettings,
        lease: LeaseSettings,
        *,
        clock: Clock,
        log: Log,
        hook: Callable[[str], None] | None = None,
        count: Callable[[str, str], None] | None = None,
    ) -> None:
        assert isinstance(channel.connector, Fetcher)
        self._channel = channel
        self._fetcher: Fetcher = channel.connector
        self._store = store
        self._acceptor = acceptor
        self._settings = settings
        self._lease = lease
        self._clock = clock
        self._log = log
        self._hook = hook or (lambda name: None)
        self._count = count
        self._failures = 0
        self._wanted = asyncio.Event()
        """Somebody wants older mail."""
        self._rung: str | None = None
        """The last ring that was heard: whoever begins to listen looks once more than it must."""
        self._backoff = wait_exponential_jitter(
            multiplier=settings.backoff_first.total_seconds(),
            max=settings.backoff_last.total_seconds(),
            jitter=1,
        )

    @property
    def _name(self) -> str:
        return f"poll:{self._channel.name}"

    async def run(self) -> None:
        """Take the lease, fetch, and take it again when it was lost; until cancelled."""
        try:
            while True:
                epoch = await self._take()
                if epoch is None:
                    await self._clock.sleep(self._lease.renew.total_seconds())
                    continue
                await self._own(epoch)
        finally:
            with contextlib.suppress(StoreBusy):
                await self._store.run(lambda c: leases.give_back(c, self._name, self._store.owner), "lease")

    async def _take(self) -> int | None:
        try:
            return await self._store.run(
                lambda c: leases.take(c, self._name, self._store.owner, self._lease.ttl, self._clock.now()),
                "lease",
            )
        except StoreBusy:
            return None

    async def _own(self, epoch: int) -> None:
        """Fetch while renewing the lease beside it; ends when the lease is lost."""
        fetching = asyncio.create_task(self._fetch_on(epoch))
        try:
            while not fetching.done():
                await asyncio.wait({fetching}, timeout=self._lease.renew.total_seconds())
                if not fetching.done() and await self._take() != epoch:
                    self._log.warning("lease.lost", channel=self._channel.name)
                    return
                await self._listen()
            await fetching
        except LeaseLost:
            self._log.warning("lease.lost", channel=self._channel.name)
        finally:
            fetching.cancel()
            # Waited for and not awaited: a cancellation of ours that comes meanwhile must not be taken for its own.
            await asyncio.wait({fetching})
            if not fetching.cancelled():
                fetching.exception()  # heard already, or of no use to who has lost the lease

    async def _listen(self) -> None:
        """Look whether somebody wants older mail."""
        if not isinstance(self._fetcher, Backfiller):
            return
        with contextlib.suppress(StoreBusy):
            if await self._store.read(lambda c: backfill.get(c, self._channel.name)) is not None:
                self._wanted.set()

    async def _rewound(self, epoch: int, cursor: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
        """The cursor with the wish in it; both change in one transaction."""
        self._wanted.clear()
        fetcher, name = self._fetcher, self._channel.name
        since = await self._store.read(lambda c: backfill.get(c, name))
        if since is None or not isinstance(fetcher, Backfiller):
            return cursor
        value = fetcher.rewind(cursor, since)
        if not await self._store.run(lambda c: backfill.grant(c, name, epoch, value), "backfill"):
            raise LeaseLost("another process polls this account now")
        self._log.info("fetch.rewound", channel=name, since=since.isoformat())
        return value

    async def _fetched(self, cursor: Mapping[str, Any] | None) -> Batch | None:
        """One fetch; None when somebody wants older mail meanwhile: it goes on from another cursor then."""
        fetching = asyncio.ensure_future(self._fetcher.fetch(cursor, self._settings.fetch_wait))
        wanted = asyncio.ensure_future(self._wanted.wait())
        try:
            await asyncio.wait({fetching, wanted}, return_when=asyncio.FIRST_COMPLETED)
            return fetching.result() if fetching.done() else None
        finally:
            wanted.cancel()
            fetching.cancel()
            await asyncio.wait({fetching})
            if not fetching.cancelled():
                fetching.exception()  # raised above, or of no use any more

    async def _fetch_on(self, epoch: int) -> None:
        state = await self._store.run(lambda c: leases.take_cursor(c, self._channel.name, epoch), "cursor")
        cursor: Mapping[str, Any] | None = state.get("value")
        pending: list[Any] = list(state.get("pending") or ())
        await self._listen()
        while True:
            if not self._channel.open or self._store.on_hold:
                await self._clock.sleep(1.0)
                continue
            try:
                if pending:
                    await self._confirm(epoch, pending)
                    pending = []
                if self._wanted.is_set():
                    cursor = await self._rewound(epoch, cursor)
                self._channel.woken.clear()  # from here on: what comes during the look asks for another
                asked = self._clock.monotonic()
                batch = await self._fetched(cursor)
                if batch is None:
                    continue
                waited = self._clock.monotonic() - asked
                self._well(batch.health)
                if batch.envelopes or batch.handles or batch.cursor is not None:
                    await self._accept(batch, epoch, pending)
                    cursor = batch.cursor if batch.cursor is not None else cursor
                    pending = list(batch.handles)
                elif waited < _AT_ONCE:
                    # It cannot wait at its source: wait here, so that the source is not hammered.
                    await self._pause()
            except (LeaseLost, asyncio.CancelledError):
                raise
            except Exception as error:
                await self._trouble(error)

    async def _pause(self) -> None:
        """Wait for the next look; no longer than until the source says that there is something."""
        sleeping = asyncio.create_task(self._clock.sleep(self._settings.fetch_pause.total_seconds()))
        waking = asyncio.create_task(self._woken())
        try:
            await asyncio.wait({sleeping, waking}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (sleeping, waking):
                task.cancel()
            await asyncio.wait({sleeping, waking})
            if not waking.cancelled():
                waking.exception()  # a store that is busy is met again by the next step

    async def _woken(self) -> None:
        """Return when this process heard from the source, or another one did and rang."""
        if self._store.embedded:
            await self._channel.woken.wait()
            return
        while not self._channel.woken.is_set():
            rung = await self._store.read(lambda c: leases.last_ring(c, self._name))
            if rung != self._rung:
                self._rung = rung
                return
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LISTEN):
                    await self._channel.woken.wait()

    async def _accept(self, batch: Batch, epoch: int, pending: Sequence[Any]) -> None:
        """Law 1: envelopes, cursor and handles in one transaction. A full house pauses the poller."""
        move = CursorMove(
            self._channel.name, epoch, batch.cursor, [*pending, *batch.handles], self._clock.now()
        )
        while True:
            try:
                accepted = await self._acceptor.accept(self._channel, batch, move)
            except Busy as error:
                self._log.warning("fetch.waits", channel=self._channel.name, why=str(error))
                await self._clock.sleep(error.retry_after.total_seconds())
                continue
            if self._count:
                for one in accepted:
                    self._count(self._channel.name, "repeat" if one.repeat else "accepted")
            return

    async def _confirm(self, epoch: int, handles: Sequence[Any]) -> None:
        """Tell the source, then forget the handles; told twice when we die between."""
        self._hook("confirm.before")
        await self._fetcher.confirm(handles)
        self._hook("confirm.after")
        guard = Guard("cursor", {"channel": self._channel.name, "epoch": epoch}, {"pending": []})
        if not await self._store.submit(Unit(guard, label="confirm")):
            raise LeaseLost("another process polls this account now")

    def _well(self, told: Health | None) -> None:
        self._failures = 0
        self._channel.health = told or OK
        self._channel.last_ok_at = self._clock.now()

    async def _trouble(self, error: Exception) -> None:
        """Say what is wrong, close the connector, wait longer each time, and open it again."""
        self._failures += 1
        reason = error.reason.value if isinstance(error, TemporaryFailure | PermanentFailure) else "server"
        detail = error.detail if isinstance(error, Failure) else type(error).__name__
        repair = error.repair if isinstance(error, SendFailure) else ""
        self._channel.health = Health(HealthState.FAILING, detail, repair or _REPAIR.get(reason, ""))
        if isinstance(error, Failure | StoreBusy):
            self._log.warning("fetch.failed", channel=self._channel.name, reason=reason, why=detail)
        else:
            self._log.error("fetch.failed", channel=self._channel.name, exc_info=error)
        wait = self._wait(error)
        # A door of the same channel stays open: those who come to it have nothing to do with this trouble.
        closes = not isinstance(self._channel.connector, Listener)
        if closes:
            with contextlib.suppress(Exception):
                await self._channel.connector.__aexit__(None, None, None)
        await self._wait_or_mended(wait.total_seconds())
        if closes:
            with contextlib.suppress(Exception):
                await self._channel.connector.__aenter__()

    async def _wait_or_mended(self, seconds: float) -> None:
        """Wait before the next try, no longer than until an operator mended something."""
        mended = self._channel.mended
        mended.clear()
        sleeping = asyncio.create_task(self._clock.sleep(seconds))
        waiting = asyncio.create_task(mended.wait())
        try:
            await asyncio.wait({sleeping, waiting}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (sleeping, waiting):
                task.cancel()
            await asyncio.wait({sleeping, waiting})

    def _wait(self, error: Exception) -> timedelta:
        state = RetryCallState(retry_object=None, fn=None, args=(), kwargs={})  # type: ignore[arg-type]
        state.attempt_number = self._failures
        wait = timedelta(seconds=self._backoff(state))
        if isinstance(error, TemporaryFailure):
            if error.retry_after:
                wait = max(wait, error.retry_after)
            if error.reason in PAUSING:
                # Log-in failures lock accounts: never hammer.
                wait = max(wait, min(timedelta(minutes=1), self._settings.backoff_last))
        return wait
