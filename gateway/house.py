"""The house put together: one straight line from settings to rooms. Nothing runs yet when it is built."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from casework import life
from casework.contacts import ContactVerbs
from config.load import Loaded
from connectors.channel import Channel
from console.links import Links
from gateway.logs import channel_log
from inbox.accept import Acceptor
from inbox.door import Door
from inbox.errands import Runner
from inbox.hot import HotQueue
from inbox.imports.run import Importer
from inbox.imports.verbs import ImportVerbs
from inbox.process import Processor
from inbox.reading import Reader
from inbox.verbs import InboxVerbs
from model.tools import Clock, Ids, Log
from normalizer.catalog import CATALOG as READERS
from outbox.answers import Answers
from outbox.carry import DestinationState
from outbox.plan import Planner
from outbox.send import Dispatcher
from outbox.settle import Settler
from outbox.slots import Slots
from outbox.targets import Target
from outbox.templates import Templates
from outbox.unseen import Unseen
from outbox.verbs import OutboxVerbs
from outbox.windows import Windows
from store import views
from store.store import Store
from store.units import Unit, Update

Hook = Callable[[str], None]


@dataclass(slots=True)
class Counters:
    """What the rooms report as it happens; metrics replace these by counters of their own."""

    envelope: Callable[[str, str], None] = lambda channel, outcome: None
    errand: Callable[[str, str], None] = lambda channel, outcome: None
    delivery: Callable[[str, str, str], None] = lambda target, purpose, outcome: None


@dataclass(slots=True, kw_only=True)
class House:
    """Every room, wired. `channels`, `destinations` and `targets` change on reload; the rest stays."""

    loaded: Loaded
    store: Store
    clock: Clock
    ids: Ids
    log: Log
    links: Links
    templates: Templates
    channels: dict[str, Channel] = field(default_factory=dict)
    destinations: dict[str, DestinationState] = field(default_factory=dict)
    targets: dict[str, Target] = field(default_factory=dict)
    reload_trouble: str | None = None
    """Why the last reload changed nothing, or None."""
    counted: Callable[[str, str], None] = lambda channel, outcome: None
    """Counts what came in by another door than the channel's own."""
    # Filled in by `build`:
    slots: Slots = field(init=False)
    hot: HotQueue = field(init=False)
    reader: Reader = field(init=False)
    acceptor: Acceptor = field(init=False)
    door: Door = field(init=False)
    settler: Settler = field(init=False)
    windows: Windows = field(init=False)
    dispatcher: Dispatcher = field(init=False)
    planner: Planner = field(init=False)
    errands: Runner = field(init=False)
    processor: Processor = field(init=False)
    answers: Answers = field(init=False)
    unseen: Unseen = field(init=False)
    importer: Importer = field(init=False)
    inbox: InboxVerbs = field(init=False)
    imports: ImportVerbs = field(init=False)
    outbox: OutboxVerbs = field(init=False)
    contacts: ContactVerbs = field(init=False)

    async def describe(self, record_id: str) -> Mapping[str, Any]:
        """The canonical record as it is now; what destinations are handed."""
        found = await self.store.read(lambda c: views.canonical_by_id(c, record_id, self.links))
        return found.model_dump(mode="json", by_alias=True)

    async def keep_response(self, envelope: str, response: Mapping[str, Any]) -> None:
        """Keep a door's answer, for redeliveries of the same message."""
        change = Update("envelope", {"id": envelope}, {"response": dict(response)})
        await self.store.submit(Unit(None, (), (change,), label="response"))


def build(
    loaded: Loaded,
    store: Store,
    *,
    clock: Clock,
    ids: Ids,
    hook: Hook | None = None,
    counters: Counters | None = None,
) -> House:
    """Wire the rooms. Channels and destinations are opened by whoever runs the house."""
    settings = loaded.settings
    log = channel_log("", "gateway")
    links = Links(settings.address, store.secret)
    counters = counters or Counters()
    house = House(
        loaded=loaded, store=store, clock=clock, ids=ids, log=log, links=links, templates=loaded.templates
    )
    house.counted = lambda channel, outcome: counters.envelope(channel, outcome)
    house.slots = Slots()
    house.hot = HotQueue(settings.inbox.hot_queue)
    spool = store.folder / "spool"
    spool.mkdir(exist_ok=True, mode=0o700)
    house.reader = Reader(settings.inbox, READERS, spool)
    house.acceptor = Acceptor(store, clock, ids, settings.inbox, house.hot)
    house.door = Door(
        house.channels,
        house.acceptor,
        house.slots,
        clock=clock,
        log=log,
        status_url=links.status,
        keep_response=house.keep_response,
        count=lambda channel, outcome: counters.envelope(channel, outcome),
        trusted_proxies=list(settings.trusted_proxies),
        behind=lambda: len(house.hot) > 4 * settings.inbox.process_batch,
    )
    house.settler = Settler(store, settings.outbox, clock=clock, ids=ids, after_delivery=life.after_delivery)
    house.windows = Windows(store, house.channels, house.settler, clock=clock, ids=ids)
    house.dispatcher = Dispatcher(
        store,
        house.targets,
        settings.outbox,
        house.settler,
        clock=clock,
        ids=ids,
        log=log,
        windows=house.windows,
        hook=hook,
        count=lambda target, purpose, outcome: counters.delivery(target, purpose, outcome),
    )
    house.planner = Planner(
        store,
        house.channels,
        house.dispatcher,
        settings.outbox,
        ids=ids,
        templates=lambda: house.templates,
        destinations=lambda: list(house.destinations),
        language=settings.language,
        status_url=links.status,
    )
    house.errands = Runner(
        store,
        house.channels,
        house.planner,
        settings.inbox,
        clock=clock,
        ids=ids,
        log=log,
        hook=hook,
        count=lambda channel, outcome: counters.errand(channel, outcome),
    )
    house.processor = Processor(
        store,
        house.channels,
        house.hot,
        house.reader,
        house.planner,
        settings.inbox,
        rules=lambda: house.loaded.rules,
        clock=clock,
        ids=ids,
        log=log,
        after_message=life.after_message,
        after_delivery=life.after_delivery,
        errand=house.errands.wake,
        hook=hook,
        count=lambda channel, outcome: counters.envelope(channel, outcome),
        nothing_rides=house.slots.nothing,
        pressure=lambda: store.writer.crowd() > settings.database.batch // 4,
    )
    house.answers = Answers(house.channels, clock, ids, store.secret)
    house.contacts = ContactVerbs(store, clock=clock, ids=ids)
    house.importer = Importer(
        store,
        house.channels,
        house.acceptor,
        settings.imports,
        settings.leases,
        spool,
        clock=clock,
        ids=ids,
        log=log,
        busy=lambda: bool(len(house.hot) or store.writer.arriving),
        hook=hook,
    )
    house.imports = ImportVerbs(
        store, house.channels, house.reader, house.importer, settings.imports, clock=clock, ids=ids
    )
    house.inbox = InboxVerbs(store, house.channels, house.reader, clock=clock, ids=ids, wake=house.hot.wake)
    house.unseen = Unseen(store, house.channels, clock, ids)
    house.outbox = OutboxVerbs(
        store,
        house.settler,
        house.answers,
        house.windows,
        house.unseen,
        clock=clock,
        ids=ids,
        wake=house.dispatcher.wake,
    )
    return house


async def wait_for_commit(store: Store, seconds: float) -> None:
    """Return when this process committed something, after a second at the latest for replicas' commits."""
    before = store.writer.units
    waited = 0.0
    while waited < min(seconds, 1.0) and store.writer.units == before:
        await asyncio.sleep(0.05)
        waited += 0.05
