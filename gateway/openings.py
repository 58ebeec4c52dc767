"""Opens channels and destinations, keeps them open, and swaps them on reload without dropping anything."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

from connectors.catalog import CATALOG as CONNECTORS
from connectors.channel import Channel
from connectors.contract import ChannelSettings, ConnectorSpec, Fetcher, Listener
from destinations.catalog import CATALOG as DESTINATIONS
from destinations.contract import DestinationSettings, DestinationSpec, Returner
from gateway.house import House
from gateway.http import ClientHttp
from gateway.logs import channel_log
from gateway.tools import FileSpool, StoreVault
from inbox.pull import Puller
from inbox.returns.look import Looker, Place
from model.failures import Failure
from model.health import Health, HealthState
from model.tools import Tools
from outbox.carry import DestinationState, channel_target, destination_target
from outbox.settings import OutboxSettings
from store import facts, figures

#: How long a channel that could not be opened waits before the next try, seconds: doubled up to the last.
_FIRST, _LAST = 1.0, 60.0
#: How long a replaced connector may finish what it is sending, seconds.
_FINISH = 30.0
#: Raw bytes that the spool keeps in memory.
_SPOOL_MEMORY = 1_048_576


class Openings:
    """The channels and destinations of a running house."""

    def __init__(
        self, house: House, hook: Callable[[str], None] | None, count: Callable[[str, str], None]
    ) -> None:
        self._house = house
        self._hook = hook
        self._count = count
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._https: dict[str, ClientHttp] = {}
        self._paused: dict[str, str] = {}
        self._closing: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Open everything that the settings name; what cannot be opened is tried again beside the rest."""
        self._paused = await self._house.store.read(lambda c: facts.get(c, "paused", {}))
        settings = self._house.loaded.settings
        last_in = await self._house.store.read(figures.last_in)
        for name, channel in settings.channels.items():
            made = self.make_channel(name, channel)
            made.last_in_at = last_in.get(name)
            await self.open_channel(made)
        for name, destination in settings.destinations.items():
            await self.open_destination(self.make_destination(name, destination))

    def build_only(self) -> None:
        """Make channels and destinations without opening any: for the verbs of a stopped daemon."""
        settings = self._house.loaded.settings
        for name, channel in settings.channels.items():
            self._house.channels[name] = self.make_channel(name, channel)
        for name, destination in settings.destinations.items():
            self._house.destinations[name] = self.make_destination(name, destination)

    async def stop_fetching(self) -> None:
        """Fetch loops end and give their leases back."""
        tasks, self._tasks = list(self._tasks.values()), {}
        await _end(tasks)

    async def close(self) -> None:
        """Close every connector and destination."""
        await self.stop_fetching()
        # What a reload replaced need not wait any longer: nothing is being sent by now.
        await asyncio.sleep(0)  # so that each has begun, and closes when it is cancelled
        await _end(list(self._closing))
        for channel in self._house.channels.values():
            await self._close_quietly(channel.name, channel.connector)
        for state in self._house.destinations.values():
            await self._close_quietly(state.name, state.destination)
        for http in self._https.values():
            await http.close()

    # ---- channels

    async def open_channel(self, channel: Channel) -> None:
        """Open a channel, in place of the one with its name if there is one."""
        name = channel.name
        old = self._house.channels.get(name)
        task = self._tasks.pop(name, None)
        if task is not None:
            await _end([task])
        if old is not None and isinstance(old.connector, Listener):
            # Two cannot listen at one port: the senders' servers try again in between.
            await self._close_quietly(name, old.connector)
        self._house.channels[name] = channel
        self._house.targets[name] = channel_target(
            channel, self._house.slots, self._house.store.load_blob, self._outbox, self._house.clock
        )
        if old is not None and not isinstance(old.connector, Listener):
            self._close_later(name, old.connector)
        if channel.settings.enabled:
            self._tasks[name] = asyncio.create_task(self._keep_open(channel), name=f"channel:{name}")
            # Give it the chance to be open at once: a form must not answer 503 for a scheduling delay.
            await asyncio.sleep(0)

    async def close_channel(self, name: str) -> None:
        """Take a channel out; what still waits for it stays in the store."""
        task = self._tasks.pop(name, None)
        if task is not None:
            await _end([task])
        channel = self._house.channels.pop(name)
        self._house.targets.pop(name, None)
        self._close_later(name, channel.connector)

    def make_channel(self, name: str, settings: ChannelSettings) -> Channel:
        """Build a channel, not open yet. ValueError or ImportError, with the remedy, when it cannot be built."""
        spec: ConnectorSpec = CONNECTORS[settings.kind]
        tools = self._tools(name, spec.kind, settings.proxy, settings.ca_file)
        connector = spec.build(settings, tools)
        return Channel(
            name=name, spec=spec, settings=settings, connector=connector, paused=self._paused.get(name)
        )

    async def _keep_open(self, channel: Channel) -> None:
        """Open the connector and let it work; whatever falls over is told, and tried again after a while."""
        wait = _FIRST
        while True:
            began = self._house.clock.monotonic()
            try:
                await self._work(channel)
                return
            except Exception as error:
                self._tell(channel, error)
            if self._house.clock.monotonic() - began > _LAST:
                wait = _FIRST
            await asyncio.sleep(wait)
            wait = min(wait * 2, _LAST)

    async def _work(self, channel: Channel) -> None:
        """Open the connector; then let it listen, or fetch from it for as long as it lives."""
        await channel.connector.__aenter__()
        if isinstance(channel.connector, Listener):
            await channel.connector.listen(lambda batch: self._house.acceptor.accept(channel, batch))
        if channel.health.state is HealthState.FAILING:
            channel.health = Health(HealthState.UNKNOWN)
        if isinstance(channel.connector, Fetcher):
            settings = self._house.loaded.settings
            puller = Puller(
                channel,
                self._house.store,
                self._house.acceptor,
                settings.inbox,
                settings.leases,
                clock=self._house.clock,
                log=self._house.log,
                hook=self._hook,
                count=self._count,
            )
            await puller.run()

    def _tell(self, channel: Channel, error: Exception) -> None:
        detail = error.detail if isinstance(error, Failure) else str(error) or type(error).__name__
        repair = "check the channel's settings; it is tried again by itself"
        channel.health = Health(HealthState.FAILING, detail[:300], repair)
        known = isinstance(error, Failure | OSError)
        self._house.log.error(
            "channel.closed", channel=channel.name, why=detail[:300], **({} if known else {"exc_info": error})
        )

    # ---- destinations

    async def open_destination(self, state: DestinationState) -> None:
        """Open a destination, in place of the one with its name if there is one."""
        name = state.name
        old = self._house.destinations.get(name)
        with contextlib.suppress(Failure, OSError):
            await state.destination.__aenter__()
        self._house.destinations[name] = state
        self._house.targets[name] = destination_target(
            state, self._house.describe, self._house.store.load_blob, self._outbox
        )
        if old is not None:
            self._close_later(name, old.destination)
        await self._look_at(state)

    async def _look_at(self, state: DestinationState) -> None:
        """Begin to look what agents do there, where that can be asked; in place of who looked before."""
        task = self._tasks.pop(f"returns:{state.name}", None)
        if task is not None:
            await _end([task])
        if not (state.settings.enabled and isinstance(state.destination, Returner)):
            return
        house, target = self._house, self._house.targets[state.name]
        settings = house.loaded.settings
        place = Place(
            name=state.name,
            returner=state.destination,
            poll=state.settings.poll,
            open=lambda: state.open and target.circuit.closed(house.clock.now()),
            woken=state.woken,
            state_of=state.settings.record_state,
            told=target.told,
        )
        looker = Looker(
            place,
            house.store,
            house.returns,
            settings.leases,
            longest_pause=settings.inbox.backoff_last,
            clock=house.clock,
            log=house.log,
            count=self._count,
        )
        self._tasks[f"returns:{state.name}"] = asyncio.create_task(looker.run(), name=f"returns:{state.name}")

    async def close_destination(self, name: str) -> None:
        """Take a destination out; what still waits for it stays in the store."""
        if (task := self._tasks.pop(f"returns:{name}", None)) is not None:
            await _end([task])
        state = self._house.destinations.pop(name)
        self._house.targets.pop(name, None)
        self._close_later(name, state.destination)

    def make_destination(self, name: str, settings: DestinationSettings) -> DestinationState:
        """Build a destination, not open yet; fails as `make_channel` does."""
        spec: DestinationSpec = DESTINATIONS[settings.kind]
        tools = self._tools(name, spec.kind, settings.proxy, settings.ca_file)
        state = DestinationState(name, spec, settings, spec.build(settings, tools))
        state.paused = self._paused.get(name)
        return state

    # ---- pausing

    async def pause(self, name: str, why: str | None) -> None:
        """Pause or resume a channel or destination; remembered over restarts."""
        one: Channel | DestinationState | None = self._house.channels.get(
            name
        ) or self._house.destinations.get(name)
        if one is None:
            raise LookupError(f"there is no channel or destination {name}")
        one.paused = why
        self._paused.pop(name, None)
        if why is not None:
            self._paused[name] = why
        paused = dict(self._paused)
        await self._house.store.run(lambda c: facts.put(c, "paused", paused), "paused")
        target = self._house.targets.get(name)
        if target is not None and why is None:
            target.circuit.close()
        self._house.dispatcher.wake()

    # ----

    @property
    def _outbox(self) -> OutboxSettings:
        return self._house.loaded.settings.outbox

    def _tools(self, name: str, kind: str, proxy: str | None, ca_file: str | None) -> Tools:
        house = self._house
        previous = self._https.get(name)
        if previous is not None:
            self._closing.add(task := asyncio.get_running_loop().create_task(_close_after(previous, _FINISH)))
            task.add_done_callback(self._closing.discard)
        spool = FileSpool(house.store.folder / "spool", _SPOOL_MEMORY)
        http = self._https[name] = ClientHttp(proxy=proxy, ca_file=ca_file, spool=spool)
        return Tools(
            name=name,
            clock=house.clock,
            ids=house.ids,
            http=http,
            spool=spool,
            vault=StoreVault(house.store, name, house.loaded.settings.leases),
            log=channel_log(name, kind),
            secret=house.store.secret,
        )

    def _close_later(self, name: str, thing: Any) -> None:
        """Close what was replaced, once it had the time to finish what it is sending."""

        async def close() -> None:
            try:
                for _ in range(int(_FINISH * 10)):
                    if not self._house.dispatcher.busy_with(name):
                        break
                    await asyncio.sleep(0.1)
            finally:
                await self._close_quietly(name, thing)

        self._closing.add(task := asyncio.create_task(close()))
        task.add_done_callback(self._closing.discard)

    async def _close_quietly(self, name: str, thing: Any) -> None:
        try:
            await thing.__aexit__(None, None, None)
        except Exception as error:
            self._house.log.warning("close.failed", channel=name, why=type(error).__name__)


async def _close_after(http: ClientHttp, seconds: float) -> None:
    try:
        await asyncio.sleep(seconds)
    finally:
        await http.close()


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
