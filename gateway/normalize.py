"""Reads files as if they had come in by a channel, and stores nothing: `forebay normalize` and `forebay route`."""

from __future__ import annotations

import hashlib
import re
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from importlib import import_module
from importlib.util import find_spec
from types import FrameType
from typing import Any, cast

import orjson
from pydantic import ValidationError

from connectors.catalog import CATALOG as CONNECTORS
from connectors.contract import ChannelSettings, Receiver, Request
from inbox.settings import InboxSettings
from model import ids
from model import record as canon
from model.draft import Draft, Part
from model.envelope import Envelope
from model.failures import Failure, Malformed
from model.tools import Tools
from normalizer.catalog import CATALOG as READERS
from normalizer.contract import Read, Source

#: Longest texts that the register keeps in a row.
_SUBJECT, _NAME = 998, 300
_MAIL = "message/rfc822"
#: A mail of before is not believed when it says so: its clock was never set.
_OLDEST = datetime(1990, 1, 1, tzinfo=UTC)
_ARRIVED = re.compile(rb"^received:((?:[^\n]*\n[ \t])*[^\n]*)", re.I | re.M)
_DATED = re.compile(rb"^date:([^\n]*)", re.I | re.M)


@dataclass(frozen=True, slots=True)
class Reading:
    """What one envelope gave: a draft, or the reason for which it would be quarantined."""

    envelope: Envelope
    draft: Draft | None
    received_at: datetime
    error: str | None = None


@dataclass(slots=True)
class Files:
    """Reads files of one kind, with the options of a channel where there is one."""

    kind: str
    channel: str
    """Name that the records bear; the kind's own without a channel."""
    settings: ChannelSettings | None = None
    media_type: str | None = None
    """What the files are; guessed from their bytes when it is not given."""
    deadline: float = field(default_factory=lambda: InboxSettings().reader_deadline.total_seconds())
    """Seconds for one file."""
    _read: Read | None = None

    def record(self, raw: bytes) -> list[dict[str, Any]]:
        """The canonical records of one file's bytes: one, or where the channel's settings find several, each.

        {"error": reason} stands for what would be quarantined. Nothing is registered: id, reference and
        contact.id are null, and so is the time of acceptance.
        """
        return [self._told(one) for one in self.readings(raw)]

    def readings(self, raw: bytes) -> list[Reading]:
        """What the reader makes of one file's bytes."""
        arrived = datetime.now(UTC)
        media_type = self.media_type or _guess(self.kind, raw)
        try:
            envelopes = self._envelopes(raw, media_type, arrived)
        except Failure as error:
            plain = Envelope(
                account="", source_id="", fingerprint=_digest(raw), raw=raw, media_type=media_type
            )
            return [Reading(plain, None, arrived, str(error))]
        except RecursionError:
            plain = Envelope(
                account="", source_id="", fingerprint=_digest(raw), raw=raw, media_type=media_type
            )
            return [Reading(plain, None, arrived, "too deep to read")]
        return [self._reading(one, raw, arrived) for one in envelopes]

    def _reading(self, envelope: Envelope, raw: bytes, arrived: datetime) -> Reading:
        if envelope.media_type == _MAIL:
            arrived = _arrival(raw, arrived)
        source = Source(
            raw=raw,
            media_type=envelope.media_type,
            received_at=arrived,
            sent_at=envelope.sent_at,
            meta=envelope.meta,
            options=self.settings.reading() if self.settings else {},
        )
        if self._read is None:
            self._read = READERS[self.kind].load()
        try:
            with _within(self.deadline):
                return Reading(envelope, self._read(source), arrived)
        except Malformed as error:
            return Reading(envelope, None, arrived, error.detail)
        except TimeoutError:
            return Reading(envelope, None, arrived, f"reading it took longer than {self.deadline:g} s")
        except (MemoryError, RecursionError) as error:
            why = f"too deep or too large to read ({type(error).__name__})"
            return Reading(envelope, None, arrived, why)
        except Exception as error:  # a reader's own fault quarantines its envelope; the daemon does the same
            return Reading(envelope, None, arrived, f"its reader failed: {type(error).__name__}")

    def _envelopes(self, raw: bytes, media_type: str, at: datetime) -> Sequence[Envelope]:
        """The envelopes that the kind's connector would make, with the identities it would give them."""
        module = f"connectors.{self.kind}.identity"
        if find_spec(module) is not None:
            identity: Any = import_module(module)
            if not hasattr(identity, "envelopes"):  # kinds whose sources are files: mail, letters
                return [cast(Envelope, identity.envelope(self.channel, raw))]
            found: Sequence[Envelope] = identity.envelopes(self.channel, raw)  # kinds that post batches
            if found:
                return found
            raise Malformed("there is no message in it")
        settings = self.settings or _defaults(self.kind)
        if settings is not None:
            connector = CONNECTORS[self.kind].build(settings, _tools(self.channel, raw, at))
            if isinstance(connector, Receiver):
                headers = {"content-type": media_type}
                request = Request(
                    method="POST", path=f"/in/{self.channel}", headers=headers, body=raw, received_at=at
                )
                batch = connector.receive(request)
                if batch.envelopes:
                    return [one for one in batch.envelopes if isinstance(one.raw, bytes)]
                raise Malformed("there is no message in it")
        return [self._plain(raw, media_type)]

    def _plain(self, raw: bytes, media_type: str) -> Envelope:
        """An envelope that is known by its bytes alone."""
        digest = _digest(raw)
        return Envelope(
            account=self.channel, source_id=digest, fingerprint=digest, raw=raw, media_type=media_type
        )

    def _told(self, reading: Reading) -> dict[str, Any]:
        if reading.draft is None:
            return {"error": reading.error}
        told = self._canonical(reading.envelope, reading.draft).model_dump(by_alias=True)
        try:
            orjson.dumps(told)
        except TypeError:  # half a character: no database and no JSON can hold it
            return {"error": "its reader gave a text that is not Unicode"}
        return told

    def _canonical(self, envelope: Envelope, draft: Draft) -> canon.Record:
        raw = cast(bytes, envelope.raw)
        talk = ids.derived("conversation", self.channel, draft.conversation) if draft.conversation else None
        return canon.Record(
            channel=canon.Channel(name=self.channel, kind=self.kind),
            source_id=envelope.source_id,
            sent_at=draft.sent_at or envelope.sent_at,
            contact=canon.Contact(
                name=draft.name[:_NAME],
                company=draft.company[:_NAME],
                language=draft.language,
                identities=[canon.ContactIdentity(kind=i.kind, value=i.value) for i in draft.identities],
            ),
            conversation=canon.Conversation(id=talk),
            subject=draft.subject[:_SUBJECT],
            text=draft.text,
            full_text=draft.full_text,
            html=draft.html,
            attachments=[_attachment(part) for part in draft.parts],
            automatic=draft.automatic is not None,
            bounce=draft.bounce,
            raw=canon.RawMessage(sha256=_digest(raw), size=len(raw)),
            omissions=list(draft.omissions),
            extra=dict(draft.extra),
        )


def line(record: Mapping[str, Any]) -> bytes:
    """A record as one line of JSON, times in UTC as the API writes them."""
    return orjson.dumps(record, default=str, option=orjson.OPT_APPEND_NEWLINE)


def _attachment(part: Part) -> canon.Attachment:
    data = part.data if isinstance(part.data, bytes) else None
    return canon.Attachment(
        filename=part.filename,
        media_type=part.media_type,
        size=len(data or b""),
        sha256=None if data is None else _digest(data),
    )


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _guess(kind: str, raw: bytes) -> str:
    """What a file without a content type is."""
    if kind == "email":
        return _MAIL
    start = raw.lstrip()[:200]
    if start.startswith(b"--"):
        boundary = start.split(b"\n", 1)[0].strip()[2:].decode("latin-1").replace('"', "")
        return f'multipart/form-data; boundary="{boundary}"'
    if start[:1] in (b"{", b"["):
        return "application/json"
    if start[:1] == b"<":
        return "text/xml"
    if re.match(rb"[\w.%+\[\]-]+=", start):
        return "application/x-www-form-urlencoded"
    return "application/json"


def _arrival(raw: bytes, otherwise: datetime) -> datetime:
    """When a mail arrived, as its last server wrote, else as it says itself; archives are older than now."""
    head = raw[:65_536].replace(b"\r\n", b"\n").split(b"\n\n", 1)[0]
    received, dated = _ARRIVED.search(head), _DATED.search(head)
    for text in (received[1].rpartition(b";")[2] if received else b"", dated[1] if dated else b""):
        try:
            at = parsedate_to_datetime(text.decode("latin-1").strip())
        except (ValueError, TypeError, IndexError, OverflowError):
            continue
        at = at.replace(tzinfo=UTC) if at.tzinfo is None else at
        if _OLDEST <= at <= otherwise + timedelta(days=1):
            return at.astimezone(UTC)
    return otherwise


def _defaults(kind: str) -> ChannelSettings | None:
    """The kind's settings with nothing set, where it can do with that."""
    try:
        return CONNECTORS[kind].settings.model_validate({"kind": kind})
    except ValidationError:
        return None


class _Bench:
    """The tools of a connector that only looks at bytes: time passes, so that no rate limit holds a file back,
    and an identity that would be fresh is the digest of the file, so that the same file gives the same."""

    def __init__(self, raw: bytes, at: datetime) -> None:
        self._raw = raw
        self._at = at
        self._passed = 0.0

    def now(self) -> datetime:
        return self._at

    def monotonic(self) -> float:
        self._passed += 86_400.0
        return self._passed

    def new(self) -> str:
        return _digest(self._raw)

    def draw(self, size: int) -> bytes:
        return bytes(size)


def _tools(name: str, raw: bytes, at: datetime) -> Tools:
    bench: Any = _Bench(raw, at)
    # `receive` is pure by contract: whatever reaches for more fails at once.
    nothing: Any = None
    return Tools(
        name=name, clock=bench, ids=bench, http=nothing, spool=nothing, vault=nothing, log=nothing, secret=b""
    )


@contextmanager
def _within(seconds: float) -> Iterator[None]:
    """Raise TimeoutError in the main thread when the block takes longer."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
