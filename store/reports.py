"""The figures of reports: brought up to date from the timeline, a portion at a time, and asked for by days.

A record's figures change with everything that happens to it: what it counted as before is taken from the sums, what
it counts as now is added, in one transaction with the place in the timeline up to which that was done. So the sums
are exact up to that place, and a report reads a few rows a day, however many records there are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from enum import StrEnum
from typing import Any

from sqlalchemy import Boolean, ColumnElement, Connection, and_, func, literal, select
from sqlalchemy.dialects import postgresql, sqlite

from model.event import EventType
from model.states import RecordState
from store import facts
from store.care_tables import follow_up
from store.report_tables import conclusion, figure, figure_sum
from store.schema import event, record
from store.views import Row, rows

#: The fact that says up to where the timeline was read.
_PLACE = "figures_position"
#: Stands between the natures of a record, before the first and behind the last.
_BAR = "|"
#: Stands between nature and cause of a recurring issue.
ISSUE = " / "
_HANDLED = frozenset({RecordState.RESOLVED, RecordState.ANSWERED})
_STAYS = frozenset({*_HANDLED, RecordState.FOLLOWED_UP, RecordState.CLOSED})


class What(StrEnum):
    """What is counted: of the day of receipt up to `ISSUE`; of the day of handling, and of the customer's mark."""

    ALL = "all"
    CHANNEL = "channel"
    NATURE = "nature"
    URGENCY = "urgency"
    DEPARTMENT = "department"
    CAUSE = "cause"
    RESULT = "result"
    REPEAT = "repeat"
    ISSUE = "issue"
    HANDLED = "handled"
    FOLLOWED = "followed"


IN_TIME, LATE = "in_time", "late"
SATISFIED, DISSATISFIED = "satisfied", "dissatisfied"
#: Results that follow from where a record stands; others are what departments state.
OPEN, UNSTATED, OUT_OF_SCOPE, CLOSED = "open", "handled", "out_of_scope", "closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """The records that a figure counted: those of some days, both included, and what they count as."""

    first: str
    last: str
    what: What
    value: str = ""


# ---- bringing up to date


def behind(connection: Connection) -> int:
    """How many events were not counted yet."""
    end = connection.scalar(select(func.max(event.c.position))) or 0
    return int(end) - int(facts.get(connection, _PLACE, 0))


def read_on(connection: Connection, zone: tzinfo, limit: int) -> int:
    """Count what happened next, as many events at the most; how many it were. Days are those of `zone`."""
    # Held against other replicas until this transaction ends.
    place = int(facts.locked(connection, _PLACE, 0))
    e = event.c
    query = select(e.position, e.record).where(e.position > place).order_by(e.position).limit(limit)
    found = connection.execute(query).all()
    if not found:
        return 0
    touched = sorted({one.record for one in found if one.record is not None})
    if touched:
        _count_anew(connection, touched, zone)
    facts.put(connection, _PLACE, found[-1].position)
    return len(found)


def _count_anew(connection: Connection, ids: Sequence[str], zone: tzinfo) -> None:
    before = {row["record"]: row for row in rows(connection, select(figure).where(figure.c.record.in_(ids)))}
    now = _figures(connection, ids, zone)
    change: Counter[tuple[str, str, str]] = Counter()
    changed = []
    for id_, row in now.items():
        if row == before.get(id_):
            continue
        changed.append(row)
        change.update(counts_as(row))
        if id_ in before:
            change.subtract(counts_as(before[id_]))
    if changed:
        _upsert(connection, changed)
        add(connection, change)


def _figures(connection: Connection, ids: Sequence[str], zone: tzinfo) -> dict[str, Row]:
    """What each record counts as now; one that is gone keeps what it counted as."""
    r, c, f = record.c, conclusion.c, follow_up.c
    columns = (r.id, r.channel, r.received_at, r.nature, r.urgency, r.department, r.deadlines)
    found = rows(connection, select(*columns, r.state, r.in_scope, r.repeat_of).where(r.id.in_(ids)))
    handled = _handled(connection, [row["id"] for row in found])
    stated = select(c.record, c.cause, c.outcome).where(c.record.in_(ids)).order_by(c.at, c.id)
    concluded = {row.record: row for row in connection.execute(stated)}
    asked = select(f.record, f.answered_at, f.satisfied).where(f.record.in_(ids), f.satisfied.is_not(None))
    marked = {row.record: row for row in connection.execute(asked.order_by(f.answered_at, f.id))}
    made: dict[str, Row] = {}
    for row in found:
        id_ = row["id"]
        word, mark, at = concluded.get(id_), marked.get(id_), handled.get(id_)
        if row["state"] not in _STAYS or not row["in_scope"]:
            at = None
        made[id_] = {
            "record": id_,
            "day": _day(row["received_at"], zone),
            "channel": row["channel"],
            "nature": _BAR + "".join(one + _BAR for one in row["nature"]) if row["nature"] else "",
            "urgency": row["urgency"],
            "department": row["department"] or "",
            "cause": word.cause if word else "",
            "result": _result(row, word.outcome if word else "", at),
            "repeat_of": row["repeat_of"],
            "handled_day": _day(at, zone) if at else None,
            "in_time": _in_time(row["deadlines"], at) if at else None,
            "followed_day": _day(mark.answered_at, zone) if mark else None,
            "satisfied": mark.satisfied if mark else None,
        }
    return made


def _handled(connection: Connection, ids: Collection[str]) -> dict[str, datetime]:
    """When each record was solved or answered: the first time since it was last opened again."""
    e = event.c
    moved = select(e.record, e.at, e.data).where(e.record.in_(ids), e.type == EventType.STATE_CHANGED.value)
    found: dict[str, datetime] = {}
    for row in connection.execute(moved.order_by(e.record, e.position)):
        to = row.data.get("to")
        if to in _HANDLED:
            found.setdefault(row.record, row.at)
        elif to not in _STAYS:
            found.pop(row.record, None)
    return found


def _in_time(deadlines: Mapping[str, str], at: datetime) -> bool:
    """Whether it was handled within its deadline; what has none cannot miss it."""
    due = deadlines.get("solve")
    return due is None or at <= datetime.fromisoformat(due)


def _result(row: Row, outcome: str, handled: datetime | None) -> str:
    if not row["in_scope"]:
        return OUT_OF_SCOPE
    if handled is None:
        return CLOSED if row["state"] == RecordState.CLOSED else OPEN
    return outcome or UNSTATED


def _day(at: datetime, zone: tzinfo) -> str:
    return at.astimezone(zone).date().isoformat()


def natures(row: Mapping[str, Any]) -> list[str]:
    """The natures of a row of figures."""
    return [one for one in row["nature"].split(_BAR) if one]


def counts_as(row: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """The sums that a row of figures is part of: day, what, value."""
    day, kinds = row["day"], natures(row)
    found = [(day, What.ALL.value, "")]
    for what in (What.CHANNEL, What.URGENCY, What.DEPARTMENT, What.CAUSE, What.RESULT):
        found.append((day, what.value, row[what.value]))
    found += [(day, What.NATURE.value, one) for one in kinds or [""]]
    if row["cause"]:
        found += [(day, What.ISSUE.value, one + ISSUE + row["cause"]) for one in kinds]
    if row["repeat_of"]:
        found.append((day, What.REPEAT.value, ""))
    if row["handled_day"]:
        found.append((row["handled_day"], What.HANDLED.value, IN_TIME if row["in_time"] else LATE))
    if row["followed_day"]:
        value = SATISFIED if row["satisfied"] else DISSATISFIED
        found.append((row["followed_day"], What.FOLLOWED.value, value))
    return found


def _upsert(connection: Connection, changed: Sequence[Row]) -> None:
    module: Any = sqlite if connection.dialect.name == "sqlite" else postgresql
    statement = module.insert(figure)
    new = {name: statement.excluded[name] for name in changed[0] if name != "record"}
    connection.execute(statement.on_conflict_do_update(index_elements=["record"], set_=new), list(changed))


def add(connection: Connection, change: Mapping[tuple[str, str, str], int]) -> None:
    """Add to the sums, by day, what and value."""
    module: Any = sqlite if connection.dialect.name == "sqlite" else postgresql
    statement = module.insert(figure_sum)
    grown = {"n": figure_sum.c.n + statement.excluded.n}
    # In one order everywhere, so that two transactions cannot wait for one another.
    given = [
        {"day": day, "what": what, "value": value, "n": n}
        for (day, what, value), n in sorted(change.items())
        if n
    ]
    if given:
        key = ["day", "what", "value"]
        connection.execute(statement.on_conflict_do_update(index_elements=key, set_=grown), given)


# ---- asking


def totals(connection: Connection, first: str, last: str) -> dict[tuple[str, str], int]:
    """The sums of some days, both included, by what and value."""
    s = figure_sum.c
    query = (
        select(s.what, s.value, func.sum(s.n)).where(s.day >= first, s.day <= last).group_by(s.what, s.value)
    )
    return {(row[0], row[1]): int(row[2]) for row in connection.execute(query) if row[2]}


def by_month(
    connection: Connection, first: str, last: str, whats: Iterable[What]
) -> list[tuple[str, str, str, int]]:
    """The sums of each month of some days, both included: month as 2026-11, what, value, n."""
    s = figure_sum.c
    month = func.substr(s.day, 1, 7)
    query = select(month, s.what, s.value, func.sum(s.n)).where(s.day >= first, s.day <= last)
    query = query.where(s.what.in_([one.value for one in whats])).group_by(month, s.what, s.value)
    return [(row[0], row[1], row[2], int(row[3])) for row in connection.execute(query)]


def brought_again(connection: Connection, first: str, last: str, limit: int) -> list[Row]:
    """The matters that customers brought again most often in some days: reference and subject of the first, and n."""
    f = figure.c
    n = func.count().label("n")
    again = select(f.repeat_of, n).where(f.day >= first, f.day <= last, f.repeat_of.is_not(None))
    most = again.group_by(f.repeat_of).order_by(n.desc(), f.repeat_of).limit(limit).subquery()
    query = select(record.c.reference, record.c.subject, most.c.n).join(
        record, record.c.id == most.c.repeat_of
    )
    return rows(connection, query.order_by(most.c.n.desc(), record.c.id))


def counted(wanted: Counted) -> ColumnElement[bool]:
    """The condition that a record of the register was counted by a figure."""
    f = figure.c
    day = {What.HANDLED: f.handled_day, What.FOLLOWED: f.followed_day}.get(wanted.what, f.day)
    where = and_(day >= wanted.first, day <= wanted.last, _as(wanted.what, wanted.value))
    return record.c.id.in_(select(f.record).where(where))


def _as(what: What, value: str) -> ColumnElement[bool]:
    f = figure.c
    yes: ColumnElement[bool] = literal(True, Boolean)
    match what:
        case What.ALL:
            return yes
        case What.REPEAT:
            return f.repeat_of.is_not(None)
        case What.NATURE:
            return f.nature.contains(_BAR + value + _BAR, autoescape=True) if value else f.nature == ""
        case What.ISSUE:
            nature, _, cause = value.partition(ISSUE)
            return and_(f.nature.contains(_BAR + nature + _BAR, autoescape=True), f.cause == cause)
        case What.HANDLED:
            return f.in_time.is_(value == IN_TIME) if value else yes
        case What.FOLLOWED:
            return f.satisfied.is_(value == SATISFIED) if value else yes
    return figure.c[what.value] == value
