"""What the pages and the API need from the rest of the house, handed in by the composition root.

The verbs take and give JSON-like values. They raise LookupError for what does not exist and ValueError, in
words for the caller, for what cannot be done; both are shown, so neither may hold a secret.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, tzinfo
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from aiohttp import web
from sqlalchemy import Connection

from casework.periods import Period
from casework.report import Report
from casework.users import User
from console.report_view import View
from model.record import Record
from model.tools import Clock, Ids, Log, Raw

if TYPE_CHECKING:
    from console.case_view import CaseView

T = TypeVar("T")
Facts = Mapping[str, Any]


class Scope(StrEnum):
    """What a token may do. `admin` may do everything: the desk and the operator's verbs need it."""

    RECORDS_READ = "records:read"
    RECORDS_WRITE = "records:write"
    REPLIES_WRITE = "replies:write"
    EVENTS_READ = "events:read"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Principal:
    """Who holds a token, and what it allows."""

    name: str
    scopes: frozenset[str]

    def may(self, scope: Scope) -> bool:
        return scope in self.scopes or Scope.ADMIN in self.scopes


class Tokens(Protocol):
    """The bearer tokens of the configuration."""

    def check(self, token: str) -> Principal | None:
        """Who holds this token; compares in constant time."""


class Store(Protocol):
    """The store's face, as far as the console uses it."""

    async def read(self, query: Callable[[Connection], T]) -> T:
        """What a query function returns, run in a reader thread."""

    async def run(self, step: Callable[[Connection], T], label: str = ...) -> T:
        """Run a short step in a transaction of its own; durable when this returns."""


class InboxVerbs(Protocol):
    """The operator's verbs on envelopes."""

    async def list(
        self, *, states: Sequence[str], channel: str | None, since: datetime | None, limit: int
    ) -> Sequence[Facts]: ...

    async def show(self, envelope: str) -> Facts: ...

    async def replay(self, ids: Sequence[str], *, dry_run: bool, actor: str) -> Facts: ...

    async def release(self, ids: Sequence[str], *, actor: str) -> Facts: ...

    async def ignore(self, ids: Sequence[str], *, reason: str, actor: str) -> Facts: ...

    async def correct(self, envelope: str, values: Facts, *, actor: str) -> Facts:
        """Put right what was read of a held one, and let it go on; `corrected` is False when it is held no longer."""

    async def picture(self, envelope: str, page: int) -> bytes:
        """A page of one as a JPEG; page 0 is the first."""


class ImportVerbs(Protocol):
    """The verbs on imported files. An import is told as facts: id, channel, name, state, rows, taken, known, …"""

    @property
    def most_bytes(self) -> int: ...

    def channels(self) -> Sequence[Facts]:
        """The channels that take history: name, takes (`rows`, `mails`)."""

    def choices(self) -> Facts:
        """`fields` that columns may be mapped to, and `presets` with their titles."""

    async def create(self, channel: str, name: str, raw: Raw, *, actor: str) -> Facts: ...

    async def list(self, *, limit: int) -> Sequence[Facts]: ...

    async def show(self, id_: str) -> Facts: ...

    async def preview(self, id_: str, options: Facts) -> Facts: ...

    async def start(self, id_: str, *, acknowledge: bool, dry_run: bool, actor: str) -> Facts: ...

    async def cancel(self, id_: str, *, actor: str) -> Facts: ...

    async def errors(self, id_: str) -> tuple[str, str, bytes]:
        """Name, media type and bytes of the file of bad rows."""

    async def work(self, id_: str) -> Facts:
        """Begin to import it in this process, where no daemon runs."""


class OutboxVerbs(Protocol):
    """The operator's and the clerk's verbs on deliveries."""

    async def list(
        self,
        *,
        states: Sequence[str],
        target: str | None,
        purpose: str | None,
        suppressed: bool,
        limit: int,
    ) -> Sequence[Facts]: ...

    async def show(self, delivery: str) -> Facts: ...

    async def redrive(self, ids: Sequence[str], *, actor: str) -> Facts: ...

    async def cancel(self, ids: Sequence[str], *, actor: str) -> Facts: ...

    async def hold(self, ids: Sequence[str], *, actor: str) -> Facts: ...

    async def release(self, ids: Sequence[str], *, actor: str) -> Facts: ...

    async def resolve(self, ids: Sequence[str], *, delivered: bool, actor: str) -> Facts: ...

    async def reply(
        self,
        reference: str,
        *,
        text: str,
        html: str | None,
        files: Sequence[Facts],
        channel: str | None,
        cc: Sequence[str],
        expects_answer: bool,
        actor: str,
        key: str,
        wait: timedelta = timedelta(),
    ) -> Facts:
        """Put an answer in the outbox; the same `key` twice gives the same delivery. It leaves after `wait`.

        `files` are {filename, media_type, data: bytes}.
        """

    async def withdraw(self, reference: str, delivery: str, *, actor: str) -> Facts:
        """Take an answer to a record back that has not left: `withdrawn`, and its `text`."""

    async def ways(self, reference: str) -> Sequence[Facts]:
        """Every channel that could carry an answer: channel, to, refused_before."""

    async def way(self, reference: str, channel: str | None, text: str | None = None) -> Facts:
        """How an answer would go now: channel, to, files_as_links, refused_before, window, fallback, carried_by, held.

        Raises LookupError for an unknown reference, and ValueError when there is no way at all.
        """


class BundleVerbs(Protocol):
    """The verbs on printed letters: a bundle is put together, printed, posted, and only then are its letters sent."""

    def channels(self) -> Sequence[str]:
        """The channels that print, as they are configured now."""

    async def list(self, *, channel: str | None, limit: int) -> Facts:
        """`waiting` letters that no bundle has, `bundles` with those first that are not posted, and `channels`."""

    async def show(self, named: str) -> Facts:
        """One, by id or name, with its letters as `list`."""

    async def file(self, named: str, *, list_only: bool = False) -> tuple[str, bytes]:
        """File name and PDF of a bundle: its list and its letters, or the list alone."""

    async def close(self, channel: str, *, actor: str) -> Facts:
        """Make a bundle of what waits; ValueError when nothing does."""

    async def posted(self, named: str, *, without: Sequence[str], at: datetime | None, actor: str) -> Facts:
        """Somebody posted a bundle, but for these letters, which the next one has."""

    async def again(self, named: str, *, actor: str) -> Facts:
        """Take a letter (by delivery or reference) out of its bundle, so that the next one has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotePage:
    """What the desk's form shows of one channel that takes notes."""

    channel: str
    kind: str
    titles: Mapping[str, str] = field(default_factory=dict)
    places: Sequence[str] = ()
    region: str = "CN"
    """Country of telephone numbers that are written without one."""


class NoteVerbs(Protocol):
    """What colleagues write down of what somebody said, and what they say to customers."""

    def pages(self) -> Sequence[NotePage]:
        """The channels that take notes, as they are configured now."""

    async def save(self, channel: str, note: Mapping[str, str], *, key: str | None, by: str) -> Facts:
        """Store a note durably: {reference, status_url, repeat}; the same `key` twice is one note.

        Raises LookupError for a channel that takes none, ValueError in words for whoever typed it, and StoreBusy.
        """

    async def call_backs(self, *, target: str | None, limit: int) -> Sequence[Facts]:
        """What colleagues are to say to customers, the earliest due first."""

    async def said(
        self, delivery: str, outcome: str, *, note: str, again_at: datetime | None, actor: str
    ) -> Facts:
        """How a try to say it ended: reached, not_reached, wrong_number or declined."""


class PosterVerbs(Protocol):
    """Posters whose code leads to a form with the place filled in."""

    def choices(self) -> Facts:
        """`forms` with their languages, `counters` with their places, our `url`, and whether phones can reach it."""

    async def make(
        self,
        form: str,
        *,
        places: Sequence[str],
        languages: Sequence[str],
        size: str,
        heading: str,
        colour: str,
    ) -> tuple[str, bytes]:
        """File name and PDF, a page for each place. LookupError for an unknown form, ValueError in words."""


class Partners(Protocol):
    """Who may ask for the state of what a partner brought in."""

    def reader(self, token: str) -> str | timedelta | None:
        """The partner's channel; None for a key that may not read, a time when it asks too often."""


class ContactVerbs(Protocol):
    """The clerk's verbs on who is who."""

    async def show(self, named: str) -> Facts: ...

    async def link(
        self, *, link: str | None, contact: str | None, other: str | None, evidence: str, actor: str
    ) -> Facts: ...

    async def unlink(self, link: str, *, actor: str) -> Facts: ...

    async def block(self, named: str, *, why: str, actor: str) -> Facts:
        """Set aside what somebody sends from now on."""

    async def unblock(self, named: str, *, actor: str) -> Facts: ...

    async def blocked(self) -> Facts: ...


class PassingVerbs(Protocol):
    """The office's verbs on one record; `seen` is the state that the caller saw, and a faster one wins."""

    def choices(self) -> Facts:
        """departments ({name: {title by language, natures}}), coordinator, natures, causes, outcomes, and titles
        of the last two by name and language."""

    def due(self, state: str, stages: Facts) -> Facts | None:
        """The stage that a record is in: stage, at, late, and span (the working time left or over)."""

    async def show(self, reference: str) -> Facts:
        """reference, state, returns, and the assignments, oldest first."""

    async def judge(
        self,
        reference: str,
        *,
        nature: Sequence[str] | None,
        urgency: str | None,
        department: str | None,
        in_scope: bool | None,
        note: str,
        actor: str,
        seen: str | None,
    ) -> Facts: ...

    async def hand_over(
        self,
        reference: str,
        *,
        departments: Sequence[str],
        lead: str | None,
        suggestion: str,
        due: datetime | None,
        actor: str,
        seen: str | None,
    ) -> Facts: ...

    async def take(
        self, reference: str, *, department: str | None, actor: str, seen: str | None
    ) -> Facts: ...

    async def give_back(
        self, reference: str, *, reason: str, department: str | None, actor: str, seen: str | None
    ) -> Facts: ...

    async def solve(
        self,
        reference: str,
        *,
        result: str,
        cause: str,
        outcome: str,
        department: str | None,
        actor: str,
        seen: str | None,
    ) -> Facts: ...

    async def close(self, reference: str, *, reason: str, actor: str, seen: str | None) -> Facts: ...

    async def note(self, reference: str, *, text: str, actor: str) -> Facts: ...


class CareVerbs(Protocol):
    """What clerks tell and ask customers while a matter is open."""

    async def show(self, reference: str) -> Facts:
        """`pauses`, `follow_ups`, `waits` (whether the customer is asked for something), `may_ask_for`."""

    async def ask(
        self, reference: str, *, missing: Sequence[str], question: str, actor: str, seen: str | None
    ) -> Facts: ...

    async def progress(
        self, reference: str, *, text: str, expected: datetime | None, actor: str, seen: str | None
    ) -> Facts: ...

    async def extend(
        self, reference: str, *, until: datetime, reason: str, actor: str, seen: str | None
    ) -> Facts: ...

    async def resume(self, reference: str, *, actor: str, seen: str | None) -> Facts: ...


class Following(Protocol):
    """The questions whether customers are satisfied."""

    async def question(self, id_: str) -> Facts | None:
        """`reference`, `subject`, `language`, `open`, `mark`; None for an unknown one."""

    async def mark(self, id_: str, *, mark: int, remarks: str, by: str) -> Facts: ...

    async def mark_record(self, reference: str, *, mark: int, remarks: str, actor: str) -> Facts: ...


class ReadyMade(Protocol):
    """Answers that are written already: templates whose name begins with `answer-`."""

    def titles(self, language: str) -> Sequence[tuple[str, str]]:
        """Name and title of each, in the clerk's language."""

    def text(self, name: str, record: Record) -> str:
        """One for a record, in its customer's language. LookupError for an unknown one, ValueError for a broken one."""


class RepeatVerbs(Protocol):
    """Links between a record and the first one of the same matter by the same customer."""

    async def link(self, reference: str, of: str, *, actor: str) -> Facts: ...

    async def unlink(self, reference: str, *, actor: str) -> Facts: ...


class JoiningVerbs(Protocol):
    """What belongs together: records merged, messages moved or made records of their own."""

    async def merge(self, reference: str, into: str, *, actor: str) -> Facts: ...

    async def unmerge(self, reference: str, *, actor: str) -> Facts: ...

    async def move(self, message: str, to: str, *, actor: str) -> Facts: ...

    async def split(self, message: str, *, actor: str) -> Facts: ...


class ReviewVerbs(Protocol):
    """The way of answers to the outbox, by a second person where the rule says so."""

    def wanted(self) -> bool:
        """Whether there are answers that a second person looks at."""

    def needed(self, row: Facts) -> bool:
        """Whether an answer to a record (its row) is looked at by a second person."""

    async def reply(
        self,
        reference: str,
        *,
        text: str,
        html: str | None,
        files: Sequence[Facts],
        channel: str | None,
        cc: Sequence[str],
        expects_answer: bool,
        actor: str,
        key: str,
        wait: timedelta = timedelta(),
    ) -> Facts:
        """Answer, or keep the answer until it was looked at: then `state` is `review`."""

    async def list(self) -> Sequence[Facts]:
        """What waits, the oldest first."""

    async def of(self, record_id: str) -> Facts | None:
        """The latest answer to a record that is or was looked at."""

    async def approve(self, id_: str, *, text: str | None = None, actor: str) -> Facts: ...

    async def give_back(self, id_: str, *, reason: str, actor: str) -> Facts: ...

    async def withdraw(self, id_: str, *, actor: str) -> Facts: ...


class SurgeVerbs(Protocol):
    """The same matter from many customers in a short time."""

    def wanted(self) -> bool:
        """Whether surges are looked for."""

    async def active(self) -> int:
        """How many go on, and nobody answered them."""

    async def of(self, record_id: str) -> Facts | None:
        """The surge that a record is in: id and records (how many); None for none."""

    async def list(self, limit: int = 50) -> Sequence[Facts]:
        """The latest: id, state, opened_at, last_at, records, people, subject, answered."""

    async def show(self, surge: str) -> Facts:
        """One, with its records, those that were taken out, and the answers to all of it."""

    async def take_out(self, reference: str, *, actor: str) -> Facts: ...

    async def put_in(self, reference: str, surge: str, *, actor: str) -> Facts: ...

    async def dissolve(self, surge: str, *, actor: str) -> Facts: ...

    async def preview(self, surge: str, text: str) -> Facts:
        """To whom an answer would go: channels (how many by each), refused (reference and why), records and more."""

    async def answer(self, surge: str, *, text: str, actor: str, key: str) -> Facts:
        """Answer all that were not answered; once a key."""


class ReportVerbs(Protocol):
    """The figures of the office."""

    def now(self) -> datetime:
        """Now, in the time zone of the office's calendar."""

    async def report(self, period: Period) -> Report:
        """The report of a period."""

    def file(self, shown: View, format_: str) -> bytes:
        """It as a file, `pdf` or `xlsx`. ValueError, with the remedy, where what it takes is not installed."""

    def case(self, shown: CaseView, format_: str) -> bytes:
        """A case as a file, `pdf` or `xlsx`. ValueError as above."""

    def table(self, title: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> bytes:
        """A list as a workbook. ValueError as above."""


class PersonVerbs(Protocol):
    """What may be done with a person's data; a person is named by a contact's id, an address, or `kind:value`."""

    async def show(self, named: str) -> Facts:
        """contacts, identities, records (references), loose and with_others (numbers)."""

    async def export(self, named: str, folder: Path, *, actor: str) -> Path:
        """A ZIP with everything, which the caller deletes."""

    async def erase(self, named: str, *, dry_run: bool, actor: str) -> Facts: ...


class UserVerbs(Protocol):
    """Who may log in at the desk."""

    async def list(self) -> Sequence[Facts]:
        """name, role, departments, enabled, created_at, changed_at of each."""

    async def add(
        self, name: str, *, role: str, departments: Sequence[str], password: str, actor: str
    ) -> Facts: ...

    async def change(self, name: str, *, role: str, departments: Sequence[str], actor: str) -> Facts: ...

    async def set_password(self, name: str, password: str, *, actor: str) -> Facts: ...

    async def enable(self, name: str, enabled: bool, *, actor: str) -> Facts: ...

    async def check(self, name: str, password: str) -> User | None:
        """Whose name and password these are."""

    async def of(self, name: str, version: int) -> User | None:
        """Somebody whose session says so; None when it ended."""

    async def note(self, actor: str, verb: str, data: Facts) -> None:
        """A line of the trail about a log-in."""


class ChannelVerbs(Protocol):
    """The operator's verbs on channels."""

    async def list(self) -> Sequence[Facts]: ...

    async def probe(self, name: str, *, actor: str) -> Facts: ...

    async def pause(self, name: str, *, actor: str) -> Facts: ...

    async def resume(self, name: str, *, actor: str) -> Facts: ...

    async def backfill(self, name: str, *, since: date, dry_run: bool, actor: str) -> Facts:
        """Have everything since a day fetched too; the answer's `found` tells how much there is, by place."""

    async def authorise(self, name: str, *, answer: str | None, actor: str) -> Facts:
        """Where a person consents (`url`), or, with the answer of the browser, the consent itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FormPage:
    """The hosted page of one form channel. Texts are by language tag (`en`, `zh`)."""

    channel: str
    titles: Mapping[str, str] = field(default_factory=dict)
    introductions: Mapping[str, str] = field(default_factory=dict)
    fields: Mapping[str, str] = field(default_factory=dict)
    """Under which name a field is posted, where it is not our own (name, contact, company, subject, message)."""
    required: Collection[str] = ("message",)
    """Posted names of the fields that must not be empty."""
    honeypot: str | None = "website"
    """Name of the field that only robots fill in."""
    key_field: str = "key"
    """Name of the field with the key by which a form sent twice is one message."""
    max_files: int = 10
    file_bytes: int = 10_485_760
    file_types: Sequence[str] = ()
    """Endings and media types that are taken; empty for all."""
    ways: Sequence[str] = ()
    """How a customer may wish to be answered (email, sms, letter); with letter, the page asks for an address."""
    embed_from: Sequence[str] = ()
    """Origins (`https://www.example.com`) whose pages may show the form in a frame; `*` for every one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatPage:
    """The widget of one chat channel. Texts are by language tag (`en`, `zh`)."""

    channel: str
    titles: Mapping[str, str] = field(default_factory=dict)
    greetings: Mapping[str, str] = field(default_factory=dict)
    origins: Sequence[str] = ()
    """Origins whose pages may show the widget; `*` for every one."""
    max_files: int = 10
    file_bytes: int = 10_485_760
    open_pages: int = 2_000
    """Most pages that wait for answers at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Throttle:
    """How guessing at the log-in is slowed down: `failures` of one address `within` a time, then a `pause`."""

    failures: int = 5
    within: timedelta = timedelta(minutes=15)
    pause: timedelta = timedelta(minutes=15)


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Everything the console is given."""

    store: Store
    clock: Clock
    ids: Ids
    log: Log
    secret: bytes
    """Key of this installation; addresses and sessions are signed with keys derived from it."""
    public_url: str
    """Where customers reach us, without a slash at the end."""
    tokens: Tokens
    inbox: InboxVerbs
    imports: ImportVerbs
    import_spool: Callable[[AsyncIterator[bytes], int], Awaitable[Raw]]
    """Keeps the bytes of an upload; OverflowError beyond a limit."""
    outbox: OutboxVerbs
    bundles: BundleVerbs
    posters: PosterVerbs
    contacts: ContactVerbs
    notes: NoteVerbs
    partners: Partners
    passing: PassingVerbs
    care: CareVerbs
    following: Following
    repeats: RepeatVerbs
    joining: JoiningVerbs
    review: ReviewVerbs
    surges: SurgeVerbs
    ready_made: ReadyMade
    reports: ReportVerbs
    users: UserVerbs
    persons: PersonVerbs
    exports: Path
    """Folder for files on their way to a browser."""
    channels: ChannelVerbs
    admin: Callable[[str, Facts, str], Awaitable[Facts]]
    """The command line's other verbs: admin(verb, arguments, actor)."""
    health: Callable[[], Sequence[Facts]]
    """Of every channel, every destination and the gateway: name, role (channel, destination or gateway), kind,
    state, paused (false, or who paused it), detail, repair, last_ok_at (ISO 8601)."""
    forms: Mapping[str, FormPage]
    """By channel; the mapping may change on reload."""
    chats: Mapping[str, ChatPage]
    """By channel; the mapping may change on reload."""
    seen: Callable[[str, str], Awaitable[None]]
    """A visitor saw a delivery (by id) in a conversation (by id): seen(delivery, conversation)."""
    open_blob: Callable[[str], Awaitable[AsyncIterator[bytes] | None]]
    """The bytes of a blob by digest; None when they are gone."""
    wait_for_event: Callable[[int, float], Awaitable[None]]
    """Returns when there may be an event after a position, after so many seconds at the latest."""
    remote: Callable[[web.Request], str]
    """The client's address after trusted proxies."""
    zone: tzinfo = UTC
    """The time zone that pages show times in."""
    session_hours: float = 10
    undo: timedelta = timedelta(seconds=30)
    """How long an answer of the desk can be taken back."""
    presence: timedelta = timedelta(seconds=60)
    """How long after they were heard of somebody counts as looking at a record."""
    throttle: Throttle = field(default_factory=Throttle)
    version: str = "0"
    """Of this Forebay, for the description of the API."""
    reply_bytes: int = 26_214_400
    """Largest request of an answer with its files, bytes."""
