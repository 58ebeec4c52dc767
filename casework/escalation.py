"""Who is told when a deadline comes near or passed: the department, then the coordinator too, then the supervision.

What is told, and that it was, is one commit: mails are deliveries of it, and what is posted to web hooks and robots
stands in a table until the far side took it. A record is told of once for each stage, level and deadline.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from casework import digests, lines
from casework.deadlines import Deadlines, next_due
from casework.digests import Item, Level, Paper
from casework.settings import EscalationSettings, OfficeSettings, TellSettings
from model.event import EventType
from model.failures import Failure
from model.tools import Clock, Http, Ids, Log
from router.worktime import NoWorkingDay
from store import escalations, leases
from store.store import Store
from store.units import Guard, Insert, Unit

Row = Mapping[str, Any]

#: Stands for the supervision among the places that are told; departments are called by their names.
SUPERVISION = ""
_AT_ONCE = 500
#: How many records one round tells of; what is left is told by the next.
_A_ROUND = 500
_LEASE = timedelta(seconds=120)
#: What a far side did not take is posted again after this, doubled up to the last; then it is given up.
_FIRST, _LAST = timedelta(minutes=1), timedelta(hours=1)
_TRIES = 24
_KEPT = timedelta(days=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """A digest on its way to one person, or to a department's box."""

    key: str
    channel: str
    to: str
    subject: str
    text: str
    language: str


class Escalation:
    """Tells of deadlines, in rounds; of several processes, one does."""

    def __init__(
        self,
        store: Store,
        deadlines: Deadlines,
        settings: Callable[[], OfficeSettings],
        http: Http,
        mail: Callable[[Mail], Insert],
        wake: Callable[[], None],
        *,
        clock: Clock,
        ids: Ids,
        log: Log,
        desk: str,
    ) -> None:
        self._store = store
        self._deadlines = deadlines
        self._settings = settings
        self._http = http
        self._mail = mail
        self._wake = wake
        self._clock = clock
        self._ids = ids
        self._log = log
        self._desk = desk
        self._last: datetime | None = None

    async def run(self) -> None:
        """Post what waits, and make a round where one is due."""
        office = self._settings()
        settings = office.escalation
        if settings is None or not office.departments:
            return
        if not self._store.embedded and not await self._ours():
            return
        now = self._clock.now()
        if self._last is None or now - self._last >= settings.every:
            await self._round(office, settings, now)
            self._last = now
        for one in await self._store.read(lambda c: escalations.digests_due(c, now, _AT_ONCE)):
            await self._post(office, settings, one)

    async def _ours(self) -> bool:
        owner, now = self._store.owner, self._clock.now()
        taken = await self._store.run(lambda c: leases.take(c, "escalation", owner, _LEASE, now), "lease")
        return taken is not None

    # ---- a round

    async def _round(self, office: OfficeSettings, settings: EscalationSettings, now: datetime) -> None:
        try:
            found = await self._found(office, settings, now)
        except NoWorkingDay:
            return  # told in health; nothing is due while nobody works
        if found:
            await self._store.submit(self._telling(office, settings, found, now))
            self._wake()
        await self._store.run(lambda c: escalations.forget(c, now - _KEPT), "case.digests_purged")

    async def _found(self, office: OfficeSettings, settings: EscalationSettings, now: datetime) -> list[Item]:
        """What is to be told of now and was not yet."""
        worktime, found, after = self._deadlines.worktime, list[Item](), ""
        soon = worktime.deadline(now, settings.before)
        while len(found) < _A_ROUND and (
            page := await self._store.read(lambda c: escalations.open_records(c, after, _AT_ONCE))  # noqa: B023
        ):
            after = page[-1]["id"]
            due: dict[str, tuple[Row, str, datetime, Level]] = {}
            for row in page:
                if (stage := next_due(row["state"], row["deadlines"])) is None:
                    continue
                name, at = stage
                if at > now:
                    if at <= soon:
                        due[row["id"]] = row, name, at, Level.BEFORE
                elif worktime.deadline(at, settings.long_after) <= now:
                    due[row["id"]] = row, name, at, Level.LONG
                else:
                    due[row["id"]] = row, name, at, Level.OVER
            if due:
                found += await self._new(office, due)
        return found[:_A_ROUND]

    async def _new(
        self, office: OfficeSettings, due: Mapping[str, tuple[Row, str, datetime, Level]]
    ) -> list[Item]:
        told = await self._store.read(lambda c: escalations.told(c, list(due)))
        held = await self._store.read(lambda c: escalations.holders(c, list(due)))
        return [
            Item(
                record=id_,
                reference=row["reference"],
                urgency=row["urgency"],
                stage=stage,
                level=level,
                due_at=at,
                departments=tuple(held.get(id_, [str(office.coordinator)])),
            )
            for id_, (row, stage, at, level) in due.items()
            if (id_, stage, level.value, at) not in told
        ]

    def _telling(
        self, office: OfficeSettings, settings: EscalationSettings, items: Sequence[Item], now: datetime
    ) -> Unit:
        """One commit: that it was told, a line in each timeline, and the digests."""
        inserts = []
        for one in items:
            inserts.append(
                Insert(
                    "escalation",
                    {
                        "id": self._ids.new(),
                        "record": one.record,
                        "stage": one.stage,
                        "level": one.level.value,
                        "due_at": one.due_at,
                        "at": now,
                    },
                )
            )
            told = ", ".join(name or "supervision" for name in places(one, office))
            data = {"stage": one.stage, "level": one.level.value, "due_at": one.due_at.isoformat()}
            data["target"] = told
            row = {"id": one.record, "reference": one.reference}
            inserts.append(lines.event(self._ids, row, EventType.ESCALATED, now, data))
        paper = self._paper(office, settings)
        for (way, where), chosen in grouped(items, office, settings).items():
            key = _key(way, where, chosen)
            if way == "email":
                mail = Mail(
                    key=key,
                    channel=str(settings.channel),
                    to=where,
                    subject=digests.subject(chosen, paper),
                    text=digests.text(chosen, paper),
                    language=settings.language,
                )
                inserts.append(self._mail(mail))
            else:
                body = digests.hook(chosen, paper) if way == "webhook" else digests.robot(chosen, paper)
                waiting: dict[str, Any] = {
                    "id": key,
                    "place": where,
                    "way": way,
                    "state": "waiting",
                    "body": body,
                    "created_at": now,
                    "next_at": now,
                    "attempts": 0,
                }
                inserts.append(Insert("digest", waiting))
        return Unit(None, tuple(inserts), label="case.escalated")

    def _paper(self, office: OfficeSettings, settings: EscalationSettings) -> Paper:
        short = settings.language.partition("-")[0]
        titles = {name: one.title.get(short, name) for name, one in office.departments.items()}
        zone = self._deadlines.worktime.zone
        return Paper(settings.language, zone, self._desk, titles, settings.lines)

    # ---- what is posted

    async def _post(self, office: OfficeSettings, settings: EscalationSettings, one: Row) -> None:
        """Post one digest, and note what came of it; its id lets a web hook know it again."""
        tell = telling(office, settings, one["place"])
        address = None
        if tell is not None:
            address = tell.webhook if one["way"] == "webhook" else tell.wecom
        now, attempts = self._clock.now(), one["attempts"] + 1
        if address is None:
            values = {"state": "given_up"}  # nobody wants it any more
        elif await self._took(address.get_secret_value(), one):
            values = {"state": "posted"}
        elif attempts >= _TRIES:
            self._log.error("escalation.given_up", place=one["place"] or "supervision", way=one["way"])
            values = {"state": "given_up"}
        else:
            wait = min(_FIRST * 2 ** (attempts - 1), _LAST)
            guard = Guard("digest", {"id": one["id"]}, {"attempts": attempts, "next_at": now + wait})
            await self._store.submit(Unit(guard, label="case.digest"))
            return
        guard = Guard("digest", {"id": one["id"]}, {"attempts": attempts, **values})
        await self._store.submit(Unit(guard, label="case.digest"))

    async def _took(self, address: str, one: Row) -> bool:
        body = json.dumps(one["body"], ensure_ascii=False).encode()
        headers = {"Content-Type": "application/json; charset=utf-8", "Webhook-Id": one["id"]}
        try:
            answer = await self._http.request("POST", address, headers=headers, body=body)
            if 200 <= answer.status < 300 and (one["way"] != "wecom" or _robot_took(answer.body)):
                return True
            why = f"status {answer.status}"
        except Failure as failure:
            why = type(failure).__name__
        # Not the address: group robots hide their key in it.
        self._log.warning(
            "escalation.not_posted", place=one["place"] or "supervision", way=one["way"], why=why
        )
        return False


def places(item: Item, office: OfficeSettings) -> list[str]:
    """Who is told of it: the department, then the coordinator too, then the supervision."""
    found = [name for name in item.departments if name in office.departments]
    if (item.level is not Level.BEFORE or not found) and office.coordinator not in found:
        found.append(str(office.coordinator))
    return [*found, SUPERVISION] if item.level is Level.LONG else found


def telling(office: OfficeSettings, settings: EscalationSettings, place: str) -> TellSettings | None:
    """How a place is told; None where it is not there any more."""
    if place == SUPERVISION:
        return settings.supervision
    department = office.departments.get(place)
    return department.tell if department else None


def grouped(
    items: Iterable[Item], office: OfficeSettings, settings: EscalationSettings
) -> dict[tuple[str, str], list[Item]]:
    """What goes where: an address of mail, or a place by web hook or robot, each once with all that it is told of.

    A department that says no way is told of through the coordinator.
    """
    found: dict[tuple[str, str], list[Item]] = {}
    for item in items:
        for place in places(item, office):
            tell = telling(office, settings, place)
            if tell is None or not tell.ways():
                if place == SUPERVISION:
                    continue
                place = str(office.coordinator)
                tell = office.departments[place].tell
            for way in tell.ways() if tell else ():
                where = way[1] if way[0] == "email" else place
                chosen = found.setdefault((way[0], where), [])
                if not chosen or chosen[-1] != item:
                    chosen.append(item)
    return found


def _key(way: str, where: str, items: Sequence[Item]) -> str:
    """The same for the same digest, so that it is made once."""
    told = "\n".join([way, where, *sorted(one.key for one in items)])
    return hashlib.sha256(told.encode()).hexdigest()[:32]


def _robot_took(body: bytes) -> bool:
    """A robot says in its answer whether it took a message; the status is 200 either way."""
    try:
        return bool(json.loads(body)["errcode"] == 0)
    except (ValueError, TypeError, KeyError):
        return False
