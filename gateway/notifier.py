"""Tells operators about alerts: grouped into one message, repeated while they last, and called off."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from config.settings import AlertSettings, AlertWebhook
from gateway import alert_texts
from gateway.alerts import Alert, AlertKind, Facts, stamp
from model import ids
from model.tools import Http, Log


@dataclass(frozen=True, slots=True)
class Standing:
    """An alert with its history."""

    kind: AlertKind
    subject: str
    facts: Facts
    since: datetime
    gone: datetime | None = None
    """Since when it is no longer seen; it counts as resolved only after a while."""

    @property
    def key(self) -> str:
        return f"{self.kind}:{self.subject}"


@dataclass(frozen=True, slots=True)
class Bulletin:
    """One message to the operators. `key` is the same when it is sent again after a crash."""

    key: str
    new: Sequence[Standing]
    standing: Sequence[Standing]
    resolved: Sequence[Standing]
    language: str

    @property
    def firing(self) -> bool:
        return bool(self.new or self.standing)

    @property
    def subject(self) -> str:
        alerts = [*self.new, *self.standing] or self.resolved
        return alert_texts.title(self.language, [(a.kind, a.subject) for a in alerts], firing=self.firing)

    @property
    def text(self) -> str:
        heads = alert_texts.HEADS[self.language]
        parts = []
        for name in ("new", "standing", "resolved"):
            if alerts := getattr(self, name):
                lines = [
                    f"- {self.sentence(a)} ({heads['since'].format(since=stamp(a.since))})" for a in alerts
                ]
                parts.append("\n".join([heads[name], *lines]))
        return "\n\n".join(parts)

    def sentence(self, alert: Standing) -> str:
        return alert_texts.sentence(self.language, alert.kind, alert.subject, alert.facts)


#: Sends one bulletin or raises; a bulletin with a key that was sent before may come again.
Send = Callable[[Bulletin], Awaitable[None]]
Load = Callable[[], Awaitable[Any]]
Save = Callable[[Any], Awaitable[None]]


class Notifier:
    """Remembers what each way of telling has been told, over restarts too."""

    def __init__(
        self, settings: AlertSettings, ways: Mapping[str, Send], load: Load, save: Save, log: Log
    ) -> None:
        self._settings = settings
        self._ways = ways
        self._load = load
        self._save = save
        self._log = log
        self._known: dict[str, Standing] | None = None
        self._told: dict[str, dict[str, datetime]] = {}

    async def tick(self, active: Mapping[str, Alert], now: datetime) -> None:
        """Take note of the alerts that hold now, and tell what is due.

        A way that fails is tried again at the next tick and hinders no other.
        """
        if self._known is None:
            self._known, self._told = _read(await self._load())
        before = _write(self._known, self._told)
        known = self._known = self._note(self._known, active, now)
        wait = self._settings.resolve_after
        over = {key for key, one in known.items() if one.gone and now - one.gone >= wait}
        for way, send in self._ways.items():
            await self._tell(way, send, known, over, now)
        self._told = {way: told for way, told in self._told.items() if way in self._ways}
        awaited = {key for told in self._told.values() for key in told}
        self._known = {key: one for key, one in known.items() if key not in over or key in awaited}
        after = _write(self._known, self._told)
        if after != before:
            await self._save(after)

    def _note(
        self, known: Mapping[str, Standing], active: Mapping[str, Alert], now: datetime
    ) -> dict[str, Standing]:
        noted = {
            key: one
            if key in active
            else Standing(one.kind, one.subject, one.facts, one.since, one.gone or now)
            for key, one in known.items()
        }
        for key, alert in active.items():
            since = known[key].since if key in known else now
            noted[key] = Standing(alert.kind, alert.subject, alert.facts, since)
        return dict(sorted(noted.items()))  # a message follows the names, not the order of discovery

    async def _tell(
        self, way: str, send: Send, known: Mapping[str, Standing], over: set[str], now: datetime
    ) -> None:
        told = self._told.setdefault(way, {})
        new = [one for key, one in known.items() if key not in told and one.gone is None]
        standing = [one for key, one in known.items() if key in told and key not in over]
        resolved = [known[key] for key in sorted(over) if key in told]
        due = any(one.gone is None and now - told[one.key] >= self._settings.repeat_every for one in standing)
        if not (new or resolved or due):
            return
        marks = [*_marks("new", new, told), *_marks("over", resolved, told)]
        marks += _marks("due", standing, told) if due else []
        bulletin = Bulletin(
            ids.derived("alert", way, *marks), new, standing, resolved, self._settings.language
        )
        try:
            await send(bulletin)
        except Exception as error:
            # Not the error's text: it may hold the address, and chat services hide a token in theirs.
            self._log.warning("alert not sent", way=way, error=type(error).__name__)
            return
        self._told[way] = {one.key: now for one in (*new, *standing)}


def _marks(word: str, alerts: Iterable[Standing], told: Mapping[str, datetime]) -> list[str]:
    """What makes a bulletin this one: each alert's beginning, and when it was told last."""
    marks = []
    for one in alerts:
        last = told.get(one.key)
        marks.append(f"{word} {one.key} {one.since.isoformat()} {last.isoformat() if last else ''}")
    return sorted(marks)


def _write(known: Mapping[str, Standing], told: Mapping[str, Mapping[str, datetime]]) -> dict[str, Any]:
    """The state as a JSON value."""
    return {
        "known": [
            {
                "kind": one.kind.value,
                "subject": one.subject,
                "facts": dict(one.facts),
                "since": one.since.isoformat(),
                "gone": one.gone.isoformat() if one.gone else None,
            }
            for one in known.values()
        ],
        "told": {way: {key: at.isoformat() for key, at in keys.items()} for way, keys in told.items()},
    }


def _read(state: Any) -> tuple[dict[str, Standing], dict[str, dict[str, datetime]]]:
    """The state from a JSON value. One that cannot be read is begun anew: then alerts are told once more."""
    try:
        alerts = [
            Standing(
                AlertKind(one["kind"]),
                str(one["subject"]),
                dict(one["facts"]),
                datetime.fromisoformat(one["since"]),
                datetime.fromisoformat(one["gone"]) if one["gone"] else None,
            )
            for one in state["known"]
        ]
        told = {
            way: {key: datetime.fromisoformat(at) for key, at in keys.items()}
            for way, keys in state["told"].items()
        }
    except (TypeError, KeyError, ValueError, AttributeError):
        return {}, {}
    known = {one.key: one for one in alerts}
    return known, {way: {k: at for k, at in keys.items() if k in known} for way, keys in told.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertMail:
    """An alert on its way to one operator; the outbox makes a delivery with purpose `alert` of it."""

    key: str
    channel: str
    to: str
    subject: str
    text: str


def by_email(enqueue: Callable[[AlertMail], Awaitable[None]], channel: str, to: Sequence[str]) -> Send:
    """Tell by e-mail. `enqueue` makes the delivery durable; a key that it has already is no error."""

    async def send(bulletin: Bulletin) -> None:
        for address in to:
            mail = AlertMail(
                key=ids.derived(bulletin.key, address),
                channel=channel,
                to=address,
                subject=bulletin.subject,
                text=bulletin.text,
            )
            await enqueue(mail)

    return send


def by_webhook(http: Http, settings: AlertWebhook) -> Send:
    """Tell by a POST with JSON: `text` for people, `status` and `alerts` for programs."""

    async def send(bulletin: Bulletin) -> None:
        groups = (("new", bulletin.new), ("standing", bulletin.standing), ("resolved", bulletin.resolved))
        body = {
            "text": f"{bulletin.subject}\n{bulletin.text}",
            "status": "firing" if bulletin.firing else "resolved",
            "alerts": [
                {
                    "kind": one.kind.value,
                    "subject": one.subject,
                    "state": state,
                    "since": one.since.isoformat(),
                    "text": bulletin.sentence(one),
                }
                for state, alerts in groups
                for one in alerts
            ],
        }
        headers = {name.lower(): secret.get_secret_value() for name, secret in settings.headers.items()}
        headers |= {"content-type": "application/json", "idempotency-key": bulletin.key}
        answer = await http.request(
            "POST",
            settings.url.get_secret_value(),
            headers=headers,
            body=json.dumps(body, ensure_ascii=False).encode(),
        )
        if not 200 <= answer.status < 300:
            raise Refused(f"the alert was answered with status {answer.status}")

    return send


class Refused(Exception):
    """The receiver of alerts did not take one."""
