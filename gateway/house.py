"""The house put together: one straight line from settings to rooms. Nothing runs yet when it is built."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from casework import life
from casework.care import CareVerbs
from casework.contacts import ContactVerbs
from casework.deadlines import Deadlines
from casework.following import Following
from casework.joining import Joining
from casework.passing import PassingVerbs
from casework.persons import PersonVerbs
from casework.recognition import Recognition
from casework.recount import Recount
from casework.repeats import Repeats
from casework.reporting import Reporting
from casework.review import Review
from casework.rounds import Rounds
from casework.surges import Surges
from casework.users import UserVerbs
from config.load import Loaded
from connectors.channel import Channel
from connectors.letter import LetterSettings
from console.links import Links
from destinations.contract import File
from gateway.logs import channel_log
from inbox.accept import Acceptor
from inbox.door import Door
from inbox.errands import Runner
from inbox.hot import HotQueue
from inbox.imports.run import Importer
from inbox.imports.verbs import ImportVerbs
from inbox.process import Processor
from inbox.reading import Reader
from inbox.returns.apply import Applier
from inbox.returns.door import ReturnDoor
from inbox.verbs import InboxVerbs
from model.delivery import Delivery
from model.event import EventType
from model.tools import Clock, Ids, Log
from normalizer.catalog import CATALOG as READERS
from outbox.answers import Answers
from outbox.bundles import Bundles, Gathering
from outbox.carry import Described, DestinationState
from outbox.feeds import Feeds
from outbox.notices import Notices
from outbox.optouts import OptOuts
from outbox.plan import Planner
from outbox.send import Dispatcher
from outbox.settle import Settler
from outbox.slots import Slots
from outbox.targets import Target
from outbox.templates import Templates
from outbox.unseen import Unseen
from outbox.verbs import OutboxVerbs
from outbox.windows import Windows
from store import tickets, views
from store.store import Store
from store.units import Unit, Update

Hook = Callable[[str], None]

#: Hand-overs that bring files along.
_WITH_FILES = frozenset(
    {EventType.REGISTERED.value, EventType.MESSAGE_JOINED.value, EventType.FILE_FETCHED.value}
)


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
    office_trouble: str | None = None
    """What is wrong with the office as it is configured, or None."""
    office_notice: str | None = None
    """What nobody can mend but everybody should know of the office's calendar, or None."""
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
    feeds: Feeds = field(init=False)
    returns: Applier = field(init=False)
    return_door: ReturnDoor = field(init=False)
    bundles: Bundles = field(init=False)
    contacts: ContactVerbs = field(init=False)
    deadlines: Deadlines = field(init=False)
    notices: Notices = field(init=False)
    passing: PassingVerbs = field(init=False)
    recount: Recount = field(init=False)
    care: CareVerbs = field(init=False)
    following: Following = field(init=False)
    rounds: Rounds = field(init=False)
    repeats: Repeats = field(init=False)
    joining: Joining = field(init=False)
    review: Review = field(init=False)
    surges: Surges = field(init=False)
    recognition: Recognition = field(init=False)
    reporting: Reporting = field(init=False)
    users: UserVerbs = field(init=False)
    persons: PersonVerbs = field(init=False)

    def gathering(self) -> Mapping[str, Gathering]:
        """The channels that print, and when what they printed is bundled."""
        printing = {
            name: channel.settings.print.bundle
            for name, channel in self.channels.items()
            if isinstance(channel.settings, LetterSettings) and channel.settings.print is not None
        }
        return {name: Gathering(when.at, when.letters) for name, when in printing.items()}

    async def describe(self, delivery: Delivery) -> Described:
        """What destinations are handed: the canonical record as it is now, its ticket there, and the files."""
        record, target, told = delivery.record or "", delivery.target, delivery.body.get("update") or {}

        def query(connection: Connection) -> Described:
            found = views.canonical_by_id(connection, record, self.links)
            ticket = tickets.state_of(connection, target, record)
            files = []
            if delivery.body["type"] in _WITH_FILES:
                envelope, n = told.get("envelope") or delivery.envelope, told.get("n")
                files = [File(**one) for one in tickets.files(connection, record, envelope, n)]
            return Described(
                found.model_dump(mode="json", by_alias=True), ticket.remote_id, ticket.gone, files
            )

        return await self.store.read(query)

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
    house.hot = HotQueue(settings.inbox.hot_queue, settings.inbox.hot_bytes)
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
        behind=lambda: house.hot.waited(clock.now()),
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
        optouts=OptOuts(store, house.channels, house.settler, house.windows),
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
    house.deadlines = Deadlines(lambda: house.loaded.settings.office)
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
        child=house.acceptor.child,
        deadlines=house.deadlines.at_registration,
        errand=house.errands.wake,
        hook=hook,
        count=lambda channel, outcome: counters.envelope(channel, outcome),
        nothing_rides=house.slots.nothing,
        pressure=lambda: store.writer.crowd() > settings.database.batch // 4,
    )
    house.answers = Answers(house.channels, clock, ids, store.secret, links.sent)
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
    house.notices = Notices(
        store,
        house.channels,
        settings.outbox.budget,
        clock=clock,
        ids=ids,
        templates=lambda: house.templates,
        language=settings.language,
        status_url=links.status,
        wake=house.dispatcher.wake,
    )
    house.passing = PassingVerbs(
        store,
        house.deadlines,
        lambda: house.loaded.settings.office,
        lambda: house.loaded.settings.rules.natures,
        clock=clock,
        ids=ids,
        courier=house.notices,
        because=lambda: {one.name: one.because for one in house.loaded.settings.rules.rules if one.because},
    )
    house.recount = Recount(
        store, house.deadlines, lambda: house.loaded.settings.office, clock=clock, ids=ids
    )
    house.reporting = Reporting(store, house.deadlines, lambda: house.loaded.settings.office, clock=clock)
    house.persons = PersonVerbs(
        store,
        lambda: house.loaded.settings.retention,
        links,
        clock=clock,
        ids=ids,
        log=log,
    )
    house.users = UserVerbs(
        store,
        lambda: house.loaded.settings.office.departments,
        lambda: [one.name for one in house.loaded.settings.api.tokens],
        clock=clock,
        ids=ids,
    )
    house.care = CareVerbs(
        store,
        house.deadlines,
        lambda: house.loaded.settings.office,
        house.notices,
        clock=clock,
        ids=ids,
    )
    house.following = Following(
        store,
        house.deadlines,
        lambda: house.loaded.settings.office,
        clock=clock,
        ids=ids,
        prefix=settings.inbox.reference_prefix,
    )
    house.rounds = Rounds(
        store,
        house.deadlines,
        lambda: house.loaded.settings.office,
        house.notices,
        house.following,
        clock=clock,
        ids=ids,
        log=log,
        question_url=links.question,
    )
    house.inbox = InboxVerbs(
        store, house.channels, house.reader, clock=clock, ids=ids, wake=house.hot.wake, outbox=house.planner
    )
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
        update=house.planner.update,
    )
    house.repeats = Repeats(store, lambda: house.loaded.settings.office, clock=clock, ids=ids)
    house.joining = Joining(store, house.deadlines, clock=clock, ids=ids)
    house.review = Review(
        store, lambda: house.loaded.settings.office, house.outbox, clock=clock, ids=ids, log=log
    )
    house.surges = Surges(
        store, house.deadlines, lambda: house.loaded.settings.office, house.review, clock=clock, ids=ids
    )
    house.recognition = Recognition(
        store,
        lambda: house.loaded.settings.office,
        house.repeats,
        house.surges,
        clock=clock,
        log=log,
    )
    house.feeds = Feeds(
        store,
        house.targets,
        lambda name: house.destinations[name].spec.replays,
        clock=clock,
        ids=ids,
        wake=house.dispatcher.wake,
    )
    house.bundles = Bundles(
        store,
        house.channels,
        house.settler,
        store.load_blob,
        house.gathering,
        settings.leases.ttl,
        clock=clock,
        ids=ids,
        log=log,
        hook=hook,
    )
    house.returns = Applier(store, house.outbox, clock=clock, ids=ids, log=log, hook=hook)
    house.return_door = ReturnDoor(
        house.destinations,
        house.returns,
        clock=clock,
        log=log,
        count=lambda destination, outcome: counters.envelope(destination, outcome),
    )
    return house


async def wait_for_commit(store: Store, seconds: float) -> None:
    """Return when this process committed something, after a second at the latest for replicas' commits."""
    before = store.writer.units
    waited = 0.0
    while waited < min(seconds, 1.0) and store.writer.units == before:
        await asyncio.sleep(0.05)
        waited += 0.05
