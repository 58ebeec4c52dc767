"""The contract between the house and a kind of channel: the page to read before writing one.

A connector is an asynchronous context manager that can be probed. It plays further roles by having their
methods; there are no flags, and no method that only refuses:

    Fetcher      fetch(cursor, wait) -> Batch      polls or waits for what is new; never parses
                 confirm(handles)                  tells the source what we have; only after commit
    Backfiller   survey(since), rewind(cursor, …)  a Fetcher that can go back for what came before
    Authorised   authorised_until(), authorise()   has a right that ends, and that a person may have to give again
    Receiver     verify(request)                   pure; raises Unverified
                 receive(request) -> Batch         pure; a handshake is a Batch with a response, no envelopes
    Answerer     answer(request, accepted)         pure; the door's own words once the batch is stored
    Responder    respond(request, message)         pure; a message that rides on the source's own request
    Listener     listen(accept)                    has a door that is not HTTP (SMTP); answers after accept
    Sender       send(message) -> Receipt          one try; message.key is the idempotency key
    Publisher    published(key, at) -> Receipt     pure; a Sender whose messages are sent by being stored
    Resolver     resolve(message) -> Receipt|None  after Uncertain: looks up whether it was taken
    Splitter     parts(message) -> messages        pure; what needs several calls at the far side, one each
    Downloader   download(reference) -> Media      files that a source only names, and that expire there
    Profiler     profile(identity) -> Profile      who somebody is, as far as the platform tells
    RowImporter  import_row(row) -> Envelope       pure; takes the rows of an imported table
    MailImporter import_mail(raw) -> Envelope      takes the mails of an imported archive
    Printer      bind(bundle, message) -> pages    a Sender whose messages lie in a folder until somebody posts them
                 whole(name), put_away(name), tidy(wanted, before)
    Noter        noted(note, key, by) -> Batch     pure; a note that a person of ours typed, at the desk or by the API
    Previewer    preview(message) -> Preview       pure; how a text would go: as how many messages, or why not at all

Rules for all of them (the contract suite runs them over every kind):

* Connectors never sleep, retry, or log and go on: they raise one of `model.failures` and the house decides.
* `source_id` and `fingerprint` of an envelope are pure functions of what arrived.
* Opening and closing are safe to repeat. Cancelling any call leaves the connector usable or closed, never stuck.
* Nothing that an exception, a log line or a Health says holds a secret or a customer's text.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from types import TracebackType
from typing import Any, Protocol, Self, runtime_checkable

from pydantic import BaseModel, ConfigDict, Field

from model.delivery import Message, OnUncertain, Receipt
from model.draft import Identity
from model.envelope import Accepted, Envelope
from model.health import Health
from model.imported import Row
from model.outbound import CaFile, Proxy
from model.tools import Raw, Tools
from model.window import Window


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """An HTTP request as it reached a door; header names in lower case, of repeated ones the last.

    `remote` is the client's address after trusted proxies; `body` has been read up to the channel's limit.
    """

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    query_string: str = ""
    """The query as it was written, for signatures over the whole address."""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    remote: str = ""
    received_at: datetime
    peer_subject: str | None = None
    """Subject of a verified client certificate, where the door speaks TLS."""

    @property
    def media_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """An HTTP answer."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What one look at a source gave. Envelopes, cursor and handles are stored in one transaction."""

    envelopes: Sequence[Envelope] = ()
    cursor: Mapping[str, Any] | None = None
    """Where to go on from; None leaves the stored cursor as it is."""
    handles: Sequence[Any] = ()
    """JSON values that name, at the source, what `confirm` is to flag, move or delete."""
    response: Response | None = None
    """The answer to a handshake; None lets the door answer in its own words."""
    health: Health | None = None
    """What the source showed when not all of it was well (one folder of several); None: it was."""
    wake: bool = False
    """The source only said that there is something: let the channel's own `fetch` look at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a door may tell about one stored envelope."""

    reference: str
    status_url: str | None
    repeat: bool


#: Stores a batch; returns when it is durable. Raises Busy when the house cannot take it now.
Accept = Callable[[Batch], Awaitable[Sequence[Accepted]]]


class Busy(Exception):
    """The house cannot store anything now; the source should try again in `retry_after`."""

    def __init__(self, why: str = "busy", retry_after: timedelta = timedelta(seconds=5)) -> None:
        super().__init__(why)
        self.retry_after = retry_after


@runtime_checkable
class Connector(Protocol):
    """Life and health; every connector has these."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    async def probe(self) -> Health:
        """The cheapest real round trip to the far side, with the repair step when it fails."""


@runtime_checkable
class Fetcher(Protocol):
    """Polls a source, or waits at it."""

    async def fetch(self, cursor: Mapping[str, Any] | None, wait: timedelta) -> Batch:
        """What came after `cursor`, waiting up to `wait` for it; an empty batch when nothing came."""

    async def confirm(self, handles: Sequence[Any]) -> None:
        """Tell the source that these are stored. Safe to repeat; called again after a crash."""


@runtime_checkable
class Backfiller(Protocol):
    """A Fetcher that can go back for what came before its first connection."""

    async def survey(self, since: date) -> Mapping[str, int]:
        """How much came since a day, by place (a folder); counted only, nothing is taken."""

    def rewind(self, cursor: Mapping[str, Any] | None, since: date) -> Mapping[str, Any]:
        """The cursor from which `fetch` gives that as well; pure. What is known already comes as a repeat."""


@runtime_checkable
class Authorised(Protocol):
    """Works by a right that ends some day, and that a person may have to give anew."""

    def authorised_until(self) -> datetime | None:
        """When it ends unless somebody does something; None when not known, or never."""

    def authorise(self) -> str:
        """The address where a person consents; ValueError when none has to."""

    async def authorised(self, answer: str) -> None:
        """Use what the browser brought back: an address, or the code in it. ValueError when it is not ours."""


@runtime_checkable
class Receiver(Protocol):
    """Reads what a source posts to our HTTP door."""

    def verify(self, request: Request) -> None:
        """Prove on the raw bytes that the source sent it, or raise Unverified."""

    def receive(self, request: Request) -> Batch:
        """The envelopes of a verified request; Malformed when it cannot be read."""


@runtime_checkable
class Answerer(Protocol):
    """Has its own words for the door's answer; else it is 202 with the references as JSON."""

    def answer(self, request: Request, accepted: Sequence[Answer]) -> Response: ...


@runtime_checkable
class Responder(Protocol):
    """Can carry a message on the answer to the source's own request."""

    def respond(self, request: Request, message: Message) -> Response: ...


@runtime_checkable
class Listener(Protocol):
    """Has a door of its own that does not speak HTTP."""

    async def listen(self, accept: Accept) -> None:
        """Open the door, and return when it is open; closing the connector closes it.

        What comes in is given to `accept`, and the source is answered only after that returned.
        """


@runtime_checkable
class Sender(Protocol):
    """Sends to customers."""

    async def send(self, message: Message) -> Receipt:
        """One try. Raises TemporaryFailure, PermanentFailure or Uncertain."""


@runtime_checkable
class Publisher(Protocol):
    """A Sender whose far side is a page of ours: a message is there as soon as its row is stored.

    There is no I/O to announce and none that could fail, so an acknowledgement is published in the same
    commit as its record. What was not planned as published (a reply, a paused channel) goes through `send`.
    """

    def published(self, key: str, at: datetime) -> Receipt:
        """The receipt of a message with this key that is stored at that time; pure."""


@runtime_checkable
class Resolver(Protocol):
    """Can find out whether an uncertain message was taken."""

    async def resolve(self, message: Message) -> Receipt | None:
        """The receipt when the far side has it, None when it surely has not; Uncertain when it cannot tell."""


@runtime_checkable
class Splitter(Protocol):
    """Says how a message must be cut: each part becomes a delivery of its own, in order.

    One delivery is one call that the far side counts, so that a crash between two parts repeats neither.
    """

    def parts(self, message: Message) -> Sequence[Message]:
        """The message as the far side takes it: long text in pieces, each file by itself; usually just one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """A file that was only named, and what the far side told of it on fetching."""

    raw: Raw
    media_type: str | None = None
    filename: str | None = None


@runtime_checkable
class Downloader(Protocol):
    """Fetches media that a source only names (`Part.reference`), after registering, before they expire."""

    async def download(self, reference: str) -> Media:
        """One try. Raises TemporaryFailure, or PermanentFailure when it is gone or larger than the channel takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Who somebody is, as far as the platform tells; empty where it does not."""

    name: str = ""
    language: str | None = None
    identities: tuple[Identity, ...] = ()
    """Further identities of the same person that the platform vouches for (`unionid`)."""


@runtime_checkable
class Profiler(Protocol):
    """Can ask the platform about a person who is new to us or has no name yet."""

    async def profile(self, identity: Identity) -> Profile:
        """One try. Raises TemporaryFailure or PermanentFailure."""


@runtime_checkable
class RowImporter(Protocol):
    """Takes history from tables: each row is what the channel's own door might have brought."""

    def import_row(self, row: Row) -> Envelope:
        """The envelope of a row, with the row's identity; Malformed in words for whoever imports it."""


@runtime_checkable
class MailImporter(Protocol):
    """Takes history from archives of mail."""

    def import_mail(self, raw: Raw) -> Envelope:
        """The envelope of a mail, the same as if it had been fetched."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundled:
    """One message in a bundle."""

    n: int
    key: str
    reference: str
    name: str = ""
    address: str = ""
    again: bool = False
    """It was in a bundle before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """Messages that are printed and posted together."""

    name: str
    at: datetime
    letters: Sequence[Bundled]


@runtime_checkable
class Printer(Protocol):
    """A Sender whose messages are printed: people take them in bundles, and tell when they were posted."""

    async def bind(self, bundle: Bundle, message: Callable[[str], Awaitable[Message]]) -> Mapping[str, int]:
        """Put messages that were sent together, with a list of them; pages of each, by key. Safe to repeat.

        `message` gives one that is not there any more. Raises TemporaryFailure or PermanentFailure.
        """

    async def whole(self, name: str, *, list_only: bool = False) -> bytes:
        """A bundle as one PDF, its list first or alone; LookupError when it is there no more."""

    async def put_away(self, name: str) -> None:
        """A bundle was posted. Safe to repeat."""

    async def tidy(self, wanted: Collection[str], before: datetime) -> None:
        """Forget messages of before a time that are none of the `wanted`, by key, and bundles of long ago."""


@runtime_checkable
class Noter(Protocol):
    """Takes what a clerk wrote down of what somebody said."""

    def noted(self, note: Mapping[str, str], *, key: str | None, by: str) -> Batch:
        """A note as one envelope; the same `key` twice is one note. Malformed when it lacks what is required."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """How a text would reach its customer, told before it is sent."""

    text: str = ""
    """What the customer would read, as far as it is known here; empty where it is not."""
    messages: int = 0
    """As how many messages it would be counted."""
    size: int = 0
    """How long it is, in `unit`."""
    unit: str = ""
    """What a message is measured in, and how long one may be: `UCS-2, 70 (67 in several)`."""
    refused: str = ""
    """Why it cannot go as it is, in words for whoever writes it."""


@runtime_checkable
class Previewer(Protocol):
    """Can tell beforehand how a text would go: as how many messages, in which words, or why not at all."""

    def preview(self, message: Message) -> Preview: ...


class Limits(BaseModel):
    """Bounds that a channel's owner may move."""

    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True, hide_input_in_errors=True)

    body_bytes: int = Field(
        default=26_214_400, gt=0, description="Largest request or message taken in, bytes."
    )
    send_concurrency: int = Field(default=8, gt=0, description="Messages being sent at the same time.")
    send_rate: float | None = Field(default=None, gt=0, description="Messages a second at the most.")


class ChannelSettings(BaseModel):
    """What every kind's settings share; a kind adds its own by inheriting."""

    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True, hide_input_in_errors=True)

    kind: str = Field(description="The kind of the channel.")
    enabled: bool = Field(default=True, description="A disabled channel answers 503 and is not polled.")
    language: str | None = Field(
        default=None, description="Language of answers when the customer's is not known."
    )
    acknowledge: bool = Field(default=True, description="Whether customers get an acknowledgement.")
    reply_via: Mapping[str, str] = Field(
        default_factory=dict,
        description="Which channel answers an identity: {email: mail} sends answers to a left e-mail address.",
    )
    on_uncertain: OnUncertain | None = Field(
        default=None, description="What to do when nobody can know whether a message was taken."
    )
    windows: Mapping[str, Window] = Field(
        default_factory=dict,
        description="What opens a customer's reply window, and how wide; no entry: always open.",
    )
    fallback: Sequence[str] = Field(
        default=(),
        description="What carries an answer when the window is closed, first that can: `template` (this channel, what "
        "the platform allows then) or the name of a channel that reaches another identity of the contact.",
    )
    unseen_after: timedelta | None = Field(
        default=None,
        gt=timedelta(0),
        description="An answer that its customer did not look at for this long goes by the first channel of `fallback` "
        "that reaches an address they left, too; for kinds that can tell. null: never.",
    )
    burst: timedelta = Field(
        default=timedelta(0),
        description="Messages of one conversation that follow each other within this pause are one record with parts.",
    )
    answer_within: float = Field(
        default=0.0,
        ge=0,
        le=30,
        description="Seconds the door waits for an acknowledgement to ride on its answer.",
    )
    malformed_status: int = Field(
        default=400,
        ge=200,
        le=499,
        description="Answer to what cannot be read but is kept: 400 tells a person, 202 ends a provider's retries.",
    )
    silent_after: timedelta | None = Field(default=None, description="Alert when nothing came for this long.")
    proxy: Proxy | None = Field(default=None, repr=False, description="Outbound proxy, http:// or socks5://.")
    ca_file: CaFile | None = Field(default=None, description="PEM file of further authorities to trust.")
    limits: Limits = Field(default_factory=Limits)

    def reading(self) -> Mapping[str, Any]:
        """Plain options that the kind's reader needs; JSON values, no secrets."""
        return {}

    def outside_window(self) -> bool:
        """Whether the kind, as configured, can send something when the window is closed (`Message.outside_window`)."""
        return False

    def acknowledges(self) -> bool:
        """Whether acknowledgements may leave by this channel, whichever the customer used (`acknowledge` is of that
        one). Not by a far side that is slow or dear: a letter, a call.
        """
        return True

    def cannot_reach(self, to: Identity | None) -> str:
        """Why an answer to this identity would be in vain, told before somebody writes it; "" when it can go."""
        return ""

    def addresses(self) -> Sequence[str]:
        """Addresses that are ours: never acknowledged, never copied."""
        return ()

    def copies(self, thread: Mapping[str, Any]) -> Sequence[str]:
        """Who else gets an answer, of those that the customer's message went to (`Draft.envelope_to`)."""
        return ()

    def quotes(self) -> int:
        """How many characters of the customer's message an answer quotes; 0 where answers quote nothing."""
        return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectorSpec:
    """One kind, as the catalogue lists it. `build` imports the kind's libraries; nothing before it may."""

    kind: str
    settings: type[ChannelSettings]
    build: Callable[[Any, Tools], Connector]
    on_uncertain: OnUncertain
    """The policy when the settings name none: RESEND only where a second try is recognised at the far side."""
    summary: str
    stopped_by_word: bool = False
    """Whether its customers end its messages by a word (STOP): those who did are kept in mind for ever."""
    carries_files: bool = True
    """Whether it takes files from us; where not, an answer has links to its files."""
    reaches: tuple[str, ...] = ()
    """Kinds of identity that it can write to first (`email`, `phone`); empty: only whoever wrote by it."""
    extra: str | None = None
    """The extra of this distribution that brings the kind's libraries, where the plain installation has them not."""
    requires: tuple[str, ...] = ()
    """Top-level modules of that extra which `build` imports; looked for, not imported, before anything starts."""
