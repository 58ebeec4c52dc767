"""Law 4: proves that nothing that arrived was lost, and that what refers to one another is there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Select,
    String,
    and_,
    case,
    exists,
    func,
    literal,
    literal_column,
    or_,
    select,
    type_coerce,
    union_all,
)

from store.blobs import Blobs
from store.conditions import SETTLED_DELIVERIES, UNSETTLED_ENVELOPES, among, stands
from store.schema import attachment, attempt, blob, delivery, envelope, record, sighting, tally
from store.types import to_micros

_DAY = 86_400_000_000  # microseconds
_EPOCH = date(1970, 1, 1)

#: Where the tally counts purged children of a split, which nobody received by themselves.
CHILD = "child"
RECEIVED = "received"

#: Findings of one kind that are told at the most.
_ENOUGH = 100


@dataclass(frozen=True, slots=True)
class Line:
    """One channel on one day: what arrived, and where it is now."""

    day: str
    channel: str
    received: int
    by_state: Mapping[str, int]
    """Envelopes by state, purged ones included; repeats count as `duplicate`."""
    children: int
    """Envelopes made from others by splitting them; counted apart."""

    @property
    def difference(self) -> int:
        """Zero when the counts balance; more when something is lost, less when something came from nowhere."""
        return self.received - sum(self.by_state.values())


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that ought not to be."""

    check: str
    id: str
    detail: str = ""


@dataclass(slots=True)
class _Sum:
    received: int = 0
    by_state: dict[str, int] = field(default_factory=dict)
    children: int = 0


def balance(connection: Connection, since: date | None = None) -> list[Line]:
    """The balance by day (UTC) and channel, oldest first, from the day `since` on.

    One statement, so that all of it is seen at the same moment on both engines.
    """
    sums: dict[tuple[str, str], _Sum] = {}
    for day, text, channel, state, found in connection.execute(_counts(since)):
        n = int(found)  # PostgreSQL's sums are decimal
        name = text or (_EPOCH + timedelta(days=day)).isoformat()
        total = sums.setdefault((name, channel), _Sum())
        if state == RECEIVED:
            total.received += n
        elif state == CHILD:
            total.children += n
        else:
            total.by_state[state] = total.by_state.get(state, 0) + n
    return [
        Line(day, channel, total.received, dict(sorted(total.by_state.items())), total.children)
        for (day, channel), total in sorted(sums.items())
    ]


def _counts(since: date | None) -> Any:
    """Rows of (day number, day as text, channel, state, n); a row has one of the two days."""
    start = to_micros(datetime(since.year, since.month, since.day, tzinfo=UTC)) if since else 0
    no_text, no_number = literal(None, String), literal(None, BigInteger)
    # In the text of the statement: PostgreSQL takes two parameters for two different things to group by.
    one_day, child = literal_column(str(_DAY), BigInteger), literal_column(f"'{CHILD}'", String)
    arrived = type_coerce(envelope.c.received_at, BigInteger)
    state = case((envelope.c.parent.is_(None), envelope.c.state), else_=child)
    rows = (
        select(
            (arrived // one_day).label("day"), no_text.label("text"), envelope.c.channel, state, func.count()
        )
        .where(arrived >= start)
        .group_by(arrived // one_day, envelope.c.channel, state)
    )
    seen = type_coerce(sighting.c.at, BigInteger)
    repeats = (
        select(seen // one_day, no_text, sighting.c.channel, literal("duplicate"), func.count())
        .where(seen >= start)
        .group_by(seen // one_day, sighting.c.channel)
    )
    counted = (
        select(no_number, tally.c.day, tally.c.channel, tally.c.state, func.sum(tally.c.n))
        .where(tally.c.day >= (since or _EPOCH).isoformat())
        .group_by(tally.c.day, tally.c.channel, tally.c.state)
    )
    return union_all(rows, repeats, counted)


def check(connection: Connection, blobs: Blobs) -> list[Finding]:
    """Everything that refers to something that is not there; at most a hundred of each kind."""
    return [*_rows(connection), *_files(connection, blobs)]


def _rows(connection: Connection) -> Iterator[Finding]:
    for name, query in _questions().items():
        for row in connection.execute(query.limit(_ENOUGH)):
            yield Finding(name, row[0], row[1])


def _questions() -> dict[str, Select[Any]]:
    e, r, d, a, f = envelope.c, record.c, delivery.c, attempt.c, attachment.c
    unsettled = ~among(d.state, SETTLED_DELIVERIES)
    return {
        "registered or joined without a record": select(e.id, e.state).where(
            e.state.in_(("registered", "joined")), ~exists().where(r.id == e.record)
        ),
        "record without its envelope": select(r.id, r.reference).where(~exists().where(e.id == r.envelope)),
        "delivered without a delivered attempt or a receipt": select(d.id, d.purpose).where(
            d.state == "delivered",
            d.remote_id.is_(None),
            ~exists().where(a.delivery == d.id, a.outcome == "delivered"),
        ),
        "envelope claimed by nobody": select(e.id, e.state).where(
            among(e.state, UNSETTLED_ENVELOPES), stands(e.state, "claimed"), _nobody(e.claim, e.owner)
        ),
        "delivery claimed by nobody": select(d.id, d.state).where(
            unsettled, stands(d.state, "claimed"), _nobody(d.claim, d.owner)
        ),
        "raw bytes missing": select(e.id, e.blob).where(
            e.blob != "", ~exists().where(blob.c.sha256 == e.blob)
        ),
        "attachment's bytes missing": select(f.envelope, f.sha256).where(
            f.sha256.is_not(None), ~exists().where(blob.c.sha256 == f.sha256)
        ),
        "blob of the wrong size": select(blob.c.sha256, blob.c.place).where(
            and_(
                blob.c.place == "row",
                or_(blob.c.data.is_(None), func.length(blob.c.data) != blob.c.size),
            )
        ),
    }


def _nobody(claim: ColumnElement[Any], owner: ColumnElement[Any]) -> ColumnElement[bool]:
    return or_(claim.is_(None), owner.is_(None))


def _files(connection: Connection, blobs: Blobs) -> list[Finding]:
    found: list[Finding] = []
    rows = select(blob.c.sha256, blob.c.size).where(blob.c.place == "file")
    for sha256, size in connection.execute(rows.execution_options(yield_per=1000)):
        there = blobs.size(sha256)
        if there != size:
            found.append(
                Finding("file of a blob missing or cut short", sha256, f"{there} of {size} bytes are there")
            )
    # One that was swept meanwhile is no loss.
    left = set(
        connection.scalars(
            select(blob.c.sha256).where(blob.c.sha256.in_([one.id for one in found[:_ENOUGH]]))
        )
    )
    return [one for one in found[:_ENOUGH] if one.id in left]
