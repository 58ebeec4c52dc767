"""A console over a real store, with the rest of the house played by small stand-ins that keep what they were asked."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from aiohttp import web
from sqlalchemy import Connection, insert

from casework.deadlines import Deadlines
from casework.joining import Joining
from casework.persons import PersonVerbs
from casework.repeats import Repeats
from casework.reporting import Reporting
from casework.review import Review
from casework.settings import OfficeSettings
from casework.surges import Surges
from casework.users import UserVerbs
from console.app import install
from console.links import Links
from console.services import ChatPage, FormPage, NotePage, Principal, Scope, Services, Throttle
from gateway.reports.service import Reports
from model.ids import same_token
from model.record import Record
from store import archive, schema
from store.settings import RetentionSettings
from store.store import Store
from tests.rigs.tools import SECRET, CountingIds, FixedClock, RecordingLog

ADMIN = "the-administrator-s-token"
READER = "a-token-that-only-reads"
WRITER = "a-token-that-writes-replies"


class KnownTokens:
    """Three tokens: of the administrator, a reader, and a program that answers."""

    def check(self, token: str) -> Principal | None:
        known = {
            ADMIN: Principal("admin", frozenset({Scope.ADMIN})),
            READER: Principal("warehouse", frozenset({Scope.RECORDS_READ, Scope.EVENTS_READ})),
            WRITER: Principal("crm", frozenset({Scope.REPLIES_WRITE})),
        }
        return next((who for given, who in known.items() if same_token(token, given)), None)


class Verbs:
    """Keeps every call as (verb, arguments); `refuse` is raised instead, once set."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.refuse: Exception | None = None
        self.wait: Callable[[], Any] | None = None

    async def _called(self, name: str, /, **given: Any) -> dict[str, Any]:
        if self.wait is not None:
            await self.wait()
        if self.refuse is not None:
            raise self.refuse
        self.calls.append((name, given))
        return {"verb": name, "changed": given.get("ids", [])}


class Inbox(Verbs):
    held: Mapping[str, Any] | None = None
    """What `show` tells of a held letter, once a test has put one there."""
    page = b"\xff\xd8\xff a page"
    """The picture of each of its pages."""

    async def list(self, **given: Any) -> Sequence[Mapping[str, Any]]:
        return [await self._called("list", **given)]

    async def show(self, envelope: str) -> Mapping[str, Any]:
        if self.held is not None:
            return self.held
        return await self._called("show", id=envelope)

    async def replay(self, ids: Sequence[str], *, dry_run: bool, actor: str) -> Mapping[str, Any]:
        return await self._called("replay", ids=ids, dry_run=dry_run, actor=actor)

    async def release(self, ids: Sequence[str], *, actor: str) -> Mapping[str, Any]:
        return await self._called("release", ids=ids, actor=actor)

    async def ignore(self, ids: Sequence[str], *, reason: str, actor: str) -> Mapping[str, Any]:
        return await self._called("ignore", ids=ids, reason=reason, actor=actor)

    async def correct(self, envelope: str, values: Mapping[str, Any], *, actor: str) -> Mapping[str, Any]:
        await self._called("correct", id=envelope, values=dict(values), actor=actor)
        return {"corrected": self.held is not None, "changes": sorted(values)}

    async def picture(self, envelope: str, page: int) -> bytes:
        await self._called("picture", id=envelope, page=page)
        if page > 1:
            raise LookupError(f"there is no page {page + 1}")
        return self.page


class Notes(Verbs):
    """A hotline and a counter; notes are kept, and call-backs are those that a test puts there."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting: list[dict[str, Any]] = []

    def pages(self) -> Sequence[NotePage]:
        return [
            NotePage(channel="hotline", kind="call", titles={"en": "Hotline", "zh": "客服热线"}),
            NotePage(
                channel="counter", kind="visit", titles={"en": "Counter", "zh": "服务台"}, places=("Hall 2",)
            ),
        ]

    async def save(
        self, channel: str, note: Mapping[str, str], *, key: str | None, by: str
    ) -> Mapping[str, Any]:
        await self._called("save", channel=channel, note=dict(note), key=key, by=by)
        return {"reference": "FB-261122-7K3FQ", "status_url": None, "repeat": False}

    async def call_backs(self, *, target: str | None, limit: int) -> Sequence[Mapping[str, Any]]:
        return self.waiting

    async def said(self, delivery: str, outcome: str, **given: Any) -> Mapping[str, Any]:
        await self._called("said", id=delivery, outcome=outcome, **given)
        return {"id": delivery, "reference": "FB-261122-7K3FQ", "state": "delivered", "tries": 1, "due": None}


class Partners:
    def reader(self, token: str) -> str | timedelta | None:
        return "acme" if token == "a-partner-that-reads" else None


class Bundles(Verbs):
    """Bundles of printed letters, as told."""

    printing: Sequence[str] = ("letters",)
    refuse_verb: Exception | None = None
    """How `close` is refused."""
    waiting: Sequence[Mapping[str, Any]] = ()
    known: Mapping[str, Mapping[str, Any]] = {}
    """Bundles by id, as `show` tells them."""

    def channels(self) -> Sequence[str]:
        return self.printing

    async def list(self, **given: Any) -> Mapping[str, Any]:
        await self._called("list", **given)
        return {
            "waiting": self.waiting,
            "bundles": list(self.known.values()),
            "channels": list(self.printing),
        }

    async def show(self, named: str) -> Mapping[str, Any]:
        await self._called("show", named=named)
        if named not in self.known:
            raise LookupError(f"there is no bundle {named}")
        return self.known[named]

    async def file(self, named: str, *, list_only: bool = False) -> tuple[str, bytes]:
        await self._called("file", named=named, list_only=list_only)
        return "letters-2026-11-26-1.pdf", b"%PDF-1.4"

    async def close(self, channel: str, *, actor: str) -> Mapping[str, Any]:
        if self.refuse_verb is not None:
            raise self.refuse_verb
        return await self._called("close", channel=channel, actor=actor)

    async def posted(
        self, named: str, *, without: Sequence[str], at: datetime | None, actor: str
    ) -> Mapping[str, Any]:
        return await self._called("posted", named=named, without=list(without), at=at, actor=actor)

    async def again(self, named: str, *, actor: str) -> Mapping[str, Any]:
        return await self._called("again", named=named, actor=actor)


class Posters(Verbs):
    """Posters, as asked for."""

    def choices(self) -> Mapping[str, Any]:
        return {
            "url": "https://feedback.example",
            "reachable": True,
            "forms": [{"channel": "form", "languages": ["en", "zh"]}],
            "counters": [{"channel": "counter", "places": ["Hall 1", "Hall 2"]}],
        }

    async def make(self, form: str, **given: Any) -> tuple[str, bytes]:
        await self._called("make", form=form, **given)
        return f"poster-{form}.pdf", b"%PDF-1.4"


class Outbox(Verbs):
    window: Mapping[str, Any] | None = None
    """What `way` tells of the customer's reply window."""

    async def list(self, **given: Any) -> Sequence[Mapping[str, Any]]:
        return [await self._called("list", **given)]

    async def show(self, delivery: str) -> Mapping[str, Any]:
        return await self._called("show", id=delivery)

    async def redrive(self, ids: Sequence[str], *, actor: str) -> Mapping[str, Any]:
        return await self._called("redrive", ids=ids, actor=actor)

    async def cancel(self, ids: Sequence[str], *, actor: str) -> Mapping[str, Any]:
        return await self._called("cancel", ids=ids, actor=actor)

    async def hold(self, ids: Sequence[str], *, actor: str) -> Mapping[str, Any]:
        return await self._called("hold", ids=ids, actor=actor)

    async def release(self, ids: Sequence[str], *, actor: str) -> Mapping[str, Any]:
        return await self._called("release", ids=ids, actor=actor)

    async def resolve(self, ids: Sequence[str], *, delivered: bool, actor: str) -> Mapping[str, Any]:
        return await self._called("resolve", ids=ids, delivered=delivered, actor=actor)

    async def way(self, reference: str, channel: str | None, text: str | None = None) -> Mapping[str, Any]:
        if self.window is None:
            raise ValueError("there is no way")
        return {"reference": reference, "channel": "talk", "to": None, **self.window}

    async def reply(self, reference: str, **given: Any) -> Mapping[str, Any]:
        await self._called("reply", reference=reference, **given)
        return {"id": f"delivery-{len(self.calls)}", "state": "waiting"}


class Contacts(Verbs):
    async def show(self, named: str) -> Mapping[str, Any]:
        return await self._called("show", named=named)

    async def link(self, **given: Any) -> Mapping[str, Any]:
        return await self._called("link", **given)

    async def unlink(self, link: str, **given: Any) -> Mapping[str, Any]:
        return await self._called("unlink", link=link, **given)

    async def block(self, named: str, **given: Any) -> Mapping[str, Any]:
        return await self._called("block", named=named, **given)

    async def unblock(self, named: str, **given: Any) -> Mapping[str, Any]:
        return await self._called("unblock", named=named, **given)

    async def blocked(self) -> Mapping[str, Any]:
        return await self._called("blocked")


class Care(Verbs):
    """Customers who are told and asked, and of whom nothing is waited for."""

    async def show(self, reference: str) -> Mapping[str, Any]:
        may = ["contact", "subject", "content", "attachment"]
        told = {"pauses": [], "follow_ups": [], "waits": False, "may_ask_for": may}
        return {"reference": reference, **told}

    async def ask(self, reference: str, **given: Any) -> Mapping[str, Any]:
        return await self._called("ask", reference=reference, **given)

    async def progress(self, reference: str, **given: Any) -> Mapping[str, Any]:
        return await self._called("progress", reference=reference, **given)

    async def extend(self, reference: str, **given: Any) -> Mapping[str, Any]:
        return await self._called("extend", reference=reference, **given)

    async def resume(self, reference: str, **given: Any) -> Mapping[str, Any]:
        return await self._called("resume", reference=reference, **given)


class Following(Verbs):
    """No question was ever asked."""

    async def question(self, id_: str) -> Mapping[str, Any] | None:
        return None

    async def mark(self, id_: str, **given: Any) -> Mapping[str, Any]:
        return await self._called("mark", id_=id_, **given)

    async def mark_record(self, reference: str, **given: Any) -> Mapping[str, Any]:
        return await self._called("mark_record", reference=reference, **given)


class ReadyMade:
    """One answer that is written already."""

    def titles(self, language: str) -> list[tuple[str, str]]:
        return [("answer-thanks", "谢谢" if language == "zh-CN" else "Thanks")]

    def text(self, name: str, record: Record) -> str:
        if name != "answer-thanks":
            raise LookupError(f"there is no ready-made answer {name!r}")
        return f"Thank you for {record.reference}."


class Passing(Verbs):
    """An office with two departments, of which nobody has anything."""

    def choices(self) -> Mapping[str, Any]:
        return {
            "departments": {
                "product": {"title": {"en": "Product", "zh": "产品部"}, "natures": ["product"]},
                "desk": {"title": {}, "natures": []},
            },
            "coordinator": "desk",
            "natures": ["product", "service"],
            "causes": ["defect"],
            "outcomes": ["solved"],
            "titles": {"defect": {"en": "fault of the goods", "zh": "商品瑕疵"}},
            "because": {"danger": {"en": "danger to persons", "zh": "涉及人身安全"}},
        }

    def due(self, state: str, stages: Mapping[str, Any]) -> Mapping[str, Any] | None:
        return None

    async def show(self, reference: str) -> Mapping[str, Any]:
        return {"reference": reference, "state": "registered", "returns": 0, "assignments": []}

    async def judge(self, reference: str, **given: Any) -> Mapping[str, Any]:
        return await self._called("judge", reference=reference, **given)

    async def hand_over(self, reference: str, **given: Any) -> Mapping[str, Any]:
        return await self._called("hand_over", reference=reference, **given)

    async def take(self, reference: str, **given: Any) -> Mapping[str, Any]:
        return await self._called("take", reference=reference, **given)

    async def give_back(self, reference: str, **given: Any) -> Mapping[str, Any]:
        return await self._called("give_back", reference=reference, **given)

    async def solve(self, reference: str, **given: Any) -> Mapping[str, Any]:
        return await self._called("solve", reference=reference, **given)

    async def close(self, reference: str, **given: Any) -> Mapping[str, Any]:
        return await self._called("close", reference=reference, **given)

    async def note(self, reference: str, **given: Any) -> Mapping[str, Any]:
        return await self._called("note", reference=reference, **given)


class Channels(Verbs):
    async def list(self) -> Sequence[Mapping[str, Any]]:
        return [await self._called("list")]

    async def probe(self, name: str, *, actor: str) -> Mapping[str, Any]:
        return await self._called("probe", name=name, actor=actor)

    async def pause(self, name: str, *, actor: str) -> Mapping[str, Any]:
        return await self._called("pause", name=name, actor=actor)

    async def resume(self, name: str, *, actor: str) -> Mapping[str, Any]:
        return await self._called("resume", name=name, actor=actor)


class Imports(Verbs):
    """Imports that are told as they are set; an upload is kept and answered with its size."""

    most_bytes = 1_000_000

    def __init__(self) -> None:
        super().__init__()
        self.row: dict[str, Any] = {}
        self.uploaded: list[tuple[str, str, bytes]] = []

    def channels(self) -> list[dict[str, Any]]:
        return [{"name": "form", "takes": ["rows"]}, {"name": "mail", "takes": ["mails"]}]

    def choices(self) -> dict[str, Any]:
        return {"fields": ["message", "name", "phone"], "presets": {"zendesk": "Zendesk"}}

    async def create(self, channel: str, name: str, raw: Any, *, actor: str) -> Mapping[str, Any]:
        await self._called("create", channel=channel, name=name, actor=actor)
        self.uploaded.append((channel, name, raw if isinstance(raw, bytes) else raw.path.read_bytes()))
        return self.row

    async def list(self, *, limit: int) -> Sequence[Mapping[str, Any]]:
        await self._called("list", limit=limit)
        return [self.row] if self.row else []

    async def show(self, id_: str) -> Mapping[str, Any]:
        if self.row.get("id") != id_:
            raise LookupError(f"there is no import {id_}")
        return self.row

    async def preview(self, id_: str, options: Mapping[str, Any]) -> Mapping[str, Any]:
        await self._called("preview", id=id_, options=options)
        return self.row

    async def start(self, id_: str, *, acknowledge: bool, dry_run: bool, actor: str) -> Mapping[str, Any]:
        await self._called("start", id=id_, acknowledge=acknowledge, dry_run=dry_run, actor=actor)
        return self.row

    async def cancel(self, id_: str, *, actor: str) -> Mapping[str, Any]:
        await self._called("cancel", id=id_, actor=actor)
        return self.row

    async def errors(self, id_: str) -> tuple[str, str, bytes]:
        await self._called("errors", id=id_)
        return "反馈.csv.errors.csv", "text/csv; charset=utf-8", b"bad rows"

    async def work(self, id_: str) -> Mapping[str, Any]:
        return await self._called("work", id=id_)


class House:
    """One console with its store, clock and stand-ins, and a hand to fill the tables."""

    def __init__(self, store: Store, clock: FixedClock, ids: CountingIds) -> None:
        self.store, self.clock, self.ids = store, clock, ids
        self.log = RecordingLog()
        self.inbox, self.outbox, self.channels = Inbox(), Outbox(), Channels()
        self.bundles, self.posters = Bundles(), Posters()
        self.contacts, self.imports = Contacts(), Imports()
        self.notes, self.passing = Notes(), Passing()
        self.care, self.following = Care(), Following()
        office = OfficeSettings()
        deadlines = Deadlines(lambda: office)
        self.reports = Reports(Reporting(store, deadlines, lambda: office, clock=clock))
        self.users = UserVerbs(store, lambda: ["product", "desk"], lambda: ["reader"], clock=clock, ids=ids)
        self.persons = PersonVerbs(
            store,
            RetentionSettings,
            Links("http://feedback.example", SECRET),
            clock=clock,
            ids=ids,
            log=self.log,
        )
        self.office = OfficeSettings()
        self.repeats = Repeats(store, lambda: self.office, clock=clock, ids=ids)
        self.joining = Joining(store, deadlines, clock=clock, ids=ids)
        self.review = Review(store, lambda: self.office, self.outbox, clock=clock, ids=ids, log=self.log)
        self.surges = Surges(store, deadlines, lambda: self.office, self.outbox, clock=clock, ids=ids)
        self.administered: list[tuple[str, Mapping[str, Any], str]] = []
        self.waited: list[tuple[int, float]] = []
        self.on_wait: Callable[[], Any] | None = None
        self.health: list[dict[str, Any]] = [
            {"name": "form", "role": "channel", "kind": "form", "state": "ok", "last_ok_at": clock.now().isoformat()},
            {"name": "mail", "role": "channel", "kind": "email", "state": "failing", "detail": "log-in refused",
             "repair": "give the mailbox a new password", "last_ok_at": (clock.now() - timedelta(hours=3)).isoformat()},
            {"name": "hook", "role": "channel", "kind": "webhook", "state": "paused", "paused": "paused by admin"},
            {"name": "configuration", "role": "gateway", "kind": "yaml", "state": "failing", "detail": "line 3"},
            {"name": "tickets", "role": "destination", "kind": "http", "state": "unknown"},
        ]  # fmt: skip
        self.forms = {"form": FormPage(channel="form", embed_from=("https://shop.example",))}
        self.chats = {"chat": ChatPage(channel="chat", origins=("https://shop.example",))}
        self.seen: list[tuple[str, str]] = []

    def services(self, **changes: Any) -> Services:
        given: dict[str, Any] = {
            "store": self.store,
            "clock": self.clock,
            "ids": self.ids,
            "log": self.log,
            "secret": SECRET,
            "public_url": "http://feedback.example",
            "tokens": KnownTokens(),
            "inbox": self.inbox,
            "imports": self.imports,
            "import_spool": self._spool,
            "outbox": self.outbox,
            "bundles": self.bundles,
            "posters": self.posters,
            "contacts": self.contacts,
            "notes": self.notes,
            "passing": self.passing,
            "care": self.care,
            "following": self.following,
            "repeats": self.repeats,
            "joining": self.joining,
            "review": self.review,
            "surges": self.surges,
            "ready_made": ReadyMade(),
            "reports": self.reports,
            "users": self.users,
            "persons": self.persons,
            "exports": self.store.folder / "spool",
            "partners": Partners(),
            "channels": self.channels,
            "admin": self._admin,
            "health": lambda: self.health,
            "forms": self.forms,
            "chats": self.chats,
            "seen": self._seen,
            "open_blob": self._open_blob,
            "wait_for_event": self._wait,
            "remote": lambda request: request.headers.get("X-Test-Remote", "198.51.100.7"),
            "throttle": Throttle(failures=3),
            "reply_bytes": 100_000,
        }
        return Services(**{**given, **changes})

    def app(self, **changes: Any) -> web.Application:
        app = web.Application()
        install(app, self.services(**changes))
        return app

    async def _admin(self, verb: str, arguments: Mapping[str, Any], actor: str) -> Mapping[str, Any]:
        self.administered.append((verb, arguments, actor))
        return {"done": verb}

    async def _spool(self, chunks: AsyncIterator[bytes], limit: int) -> bytes:
        whole = b"".join([chunk async for chunk in chunks])
        if len(whole) > limit:
            raise OverflowError
        return whole

    async def _seen(self, delivery: str, conversation: str) -> None:
        self.seen.append((delivery, conversation))

    async def _wait(self, after: int, seconds: float) -> None:
        self.waited.append((after, seconds))
        if self.on_wait is not None:
            await self.on_wait()

    async def _open_blob(self, sha256: str) -> AsyncIterator[bytes] | None:
        return await self.store.open_blob(sha256)

    # ---- rows

    async def put(self, table: str, **values: Any) -> None:
        def step(connection: Connection) -> None:
            connection.execute(insert(schema.TABLES[table]).values(**values))

        await self.store.run(step, "test")

    async def blob(self, data: bytes) -> str:
        return (await self.store.put_blob(data))[0]

    async def envelope(self, reference: str, raw: bytes = b"raw bytes", **values: Any) -> str:
        id_ = self.ids.new()
        sha = await self.blob(raw)
        row: dict[str, Any] = {
            "id": id_, "account": "form", "channel": "form", "kind": "form", "source_id": id_,
            "fingerprint": hashlib.sha256(raw).hexdigest(), "received_at": self.clock.now(),
            "state": "registered", "reference": reference, "blob": sha, "size": len(raw),
            "media_type": "text/plain", "meta": {}, "updated_at": self.clock.now(),
        }  # fmt: skip
        await self.put("envelope", **{**row, **values})
        return id_

    async def record(
        self, reference: str, *, raw: bytes = b"raw bytes", name: str = "", company: str = "",
        identities: Mapping[str, str] | None = None, at: datetime | None = None, **values: Any,
    ) -> str:  # fmt: skip
        id_, now = self.ids.new(), at or self.clock.now()
        channel = values.get("channel", "form")
        envelope = await self.envelope(reference, raw, record=id_, channel=channel, received_at=now)
        contact = None
        if name or company or identities:
            contact = self.ids.new()
            await self.put("contact", id=contact, name=name, company=company, language=None, unreachable=[],
                           created_at=now)  # fmt: skip
            for kind, value in (identities or {}).items():
                await self.put(
                    "identity", kind=kind, value=value, contact=contact, evidence="it wrote", since=now
                )
        row: dict[str, Any] = {
            "id": id_, "reference": reference, "envelope": envelope, "channel": "form", "kind": "form",
            "source_id": envelope, "conversation": None, "contact": contact, "sent_at": None,
            "received_at": now, "registered_at": now, "updated_at": now, "in_reply_to": None,
            "subject": "", "text": "", "full_text": values.get("text", ""), "html": None, "language": "en",
            "automatic": None, "bounce": False, "nature": [], "urgency": "normal", "in_scope": True,
            "missing": [], "department": None, "deadlines": {}, "state": "registered", "repeat_of": None,
            "raw_sha256": hashlib.sha256(raw).hexdigest(), "raw_size": len(raw), "reply_to": [], "thread": {},
            "rules": [], "omissions": [], "extra": {},
        }  # fmt: skip
        await self.put("record", **{**row, **values})
        await self.put("archive", record=id_)
        await self.store.run(lambda c: archive.catch_up(c, 1), "test")
        return id_

    async def attachment(
        self, record: str, n: int, filename: str, data: bytes, media_type: str, content_id: str | None = None
    ) -> None:
        row = await self.store.read(
            lambda c: c.execute(schema.record.select().where(schema.record.c.id == record)).mappings().one()
        )
        sha = await self.blob(data)
        await self.put("attachment", record=record, envelope=row["envelope"], n=n, filename=filename,
                       media_type=media_type, size=len(data), sha256=sha, content_id=content_id)  # fmt: skip

    async def delivery(self, record: str | None, purpose: str = "reply", **values: Any) -> str:
        id_, now = self.ids.new(), values.pop("at", None) or self.clock.now()
        row: dict[str, Any] = {
            "id": id_, "key": id_, "order_key": None, "seq": 0, "purpose": purpose, "target": "mail",
            "downstream": purpose in ("hand_over", "update"), "record": record, "envelope": None,
            "address": "li@example.com", "domain": "example.com", "body": {"subject": "", "text": "We looked."},
            "state": "delivered", "attempts": 1, "created_at": now, "next_at": now,
        }  # fmt: skip
        await self.put("delivery", **{**row, **values})
        return id_

    async def attempt(self, delivery: str, n: int, outcome: str | None, **values: Any) -> None:
        row = {"claim": "c", "phase": "sending", "code": None, "detail": None,
               "started_at": self.clock.now(), "ended_at": self.clock.now()}  # fmt: skip
        await self.put("attempt", delivery=delivery, n=n, outcome=outcome, **{**row, **values})

    async def event(self, record: str, reference: str, type_: str, **data: Any) -> None:
        at = data.pop("at", None) or self.clock.now()
        actor = data.pop("actor", "forebay")
        await self.put("event", id=self.ids.new(), type=type_, record=record, reference=reference, at=at,
                       actor=actor, data=data)  # fmt: skip
