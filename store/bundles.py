"""Bundles of printed messages: which deliveries are in one, and whether it was posted.

`closed` (its messages are named) → `ready` (it lies in the folder) → `posting` (somebody said it was posted) → `posted`
(its deliveries are settled).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Index,
    Integer,
    String,
    Table,
    and_,
    case,
    delete,
    exists,
    func,
    not_,
    select,
    update,
)

from model.delivery import Delivery
from store.conditions import SETTLED_DELIVERIES, among, stands
from store.deliveries import from_row
from store.metadata import metadata
from store.schema import delivery, record
from store.types import Instant

bundle = Table(
    "bundle",
    metadata,
    Column("id", String, primary_key=True),
    Column("channel", String, nullable=False),
    Column("name", String, nullable=False),
    Column("state", String, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("created_by", String, nullable=False),
    Column("ready_at", Instant),
    Column("posted_at", Instant),
    Column("posted_by", String),
    Index("uq_bundle_name", "channel", "name", unique=True),
    Index("ix_bundle_state", "state"),
)
bundled = Table(
    "bundled",
    metadata,
    Column("bundle", String, primary_key=True),
    Column("delivery", String, primary_key=True),
    Column("n", Integer, nullable=False),  # its number on the list
    Column("pages", Integer),
    Column("left_at", Instant),  # when it was taken out, to be printed again
    Index("ix_bundled_delivery", "delivery"),
)

Row = Mapping[str, Any]
_STATES = ("closed", "ready", "posting")
#: Most messages of one bundle.
_MOST = 2_000


def _in_hand(channel: str) -> tuple[Any, ...]:
    """Messages that were printed, and are in no bundle that is not posted yet."""
    d = delivery.c
    standing = exists().where(
        bundled.c.delivery == d.id,
        bundled.c.left_at.is_(None),
        bundled.c.bundle == bundle.c.id,
        bundle.c.state != "posted",
    )
    unsettled = not_(among(d.state, SETTLED_DELIVERIES))
    return unsettled, stands(d.state, "entrusted"), d.target == channel, ~standing


def in_hand(connection: Connection, channel: str) -> list[dict[str, Any]]:
    """Messages that no bundle has yet: delivery, reference, since when they are there, whether printed again."""
    left = (
        select(func.max(bundled.c.left_at))
        .where(bundled.c.delivery == delivery.c.id)
        .correlate(delivery)
        .scalar_subquery()
    )
    query = (
        select(delivery, record.c.reference, left.label("left_at"))
        .join_from(delivery, record, record.c.id == delivery.c.record, isouter=True)
        .where(*_in_hand(channel))
        .order_by(delivery.c.id)
        .limit(_MOST)
    )
    return [
        {
            "delivery": from_row(row),
            "reference": row.reference,
            "since": row.left_at or row.created_at,
            "again": row.left_at is not None,
        }
        for row in connection.execute(query)
    ]


def close(
    connection: Connection, *, id_: str, channel: str, day: str, actor: str, now: datetime
) -> dict[str, Any] | None:
    """Name the messages of a new bundle, all that are in hand; None when there is none."""
    chosen = list(
        connection.scalars(
            select(delivery.c.id).where(*_in_hand(channel)).order_by(delivery.c.id).limit(_MOST)
        )
    )
    if not chosen:
        return None
    of_day = select(func.count()).where(bundle.c.channel == channel, bundle.c.name.like(f"{day}-%"))
    name = f"{day}-{int(connection.scalar(of_day) or 0) + 1}"
    row = {
        "id": id_,
        "channel": channel,
        "name": name,
        "state": "closed",
        "created_at": now,
        "created_by": actor,
    }
    connection.execute(bundle.insert().values(row))
    connection.execute(
        bundled.insert(), [{"bundle": id_, "delivery": one, "n": n} for n, one in enumerate(chosen, 1)]
    )
    return {**row, "letters": len(chosen)}


def show(connection: Connection, id_: str) -> dict[str, Any] | None:
    """One bundle, by id."""
    row = connection.execute(select(bundle).where(bundle.c.id == id_)).mappings().first()
    return dict(row) if row else None


def by_name(connection: Connection, name: str) -> dict[str, Any] | None:
    """The latest bundle with a name."""
    row = (
        connection.execute(select(bundle).where(bundle.c.name == name).order_by(bundle.c.id.desc()))
        .mappings()
        .first()
    )
    return dict(row) if row else None


def of_reference(connection: Connection, reference: str) -> list[Delivery]:
    """All deliveries of a record, oldest first."""
    query = (
        select(delivery)
        .join_from(delivery, record, record.c.id == delivery.c.record)
        .where(record.c.reference == reference)
        .order_by(delivery.c.id)
    )
    return [from_row(row) for row in connection.execute(query)]


def listed(connection: Connection, channels: Collection[str], limit: int) -> list[dict[str, Any]]:
    """Bundles with how many letters and pages they have, those that are not posted first, then the latest."""
    n = func.count(bundled.c.delivery)
    query = (
        select(bundle, n.label("letters"), func.sum(bundled.c.pages).label("pages"))
        .join_from(
            bundle, bundled, and_(bundled.c.bundle == bundle.c.id, bundled.c.left_at.is_(None)), isouter=True
        )
        .where(bundle.c.channel.in_(list(channels)))
        .group_by(*bundle.c)
        .order_by(case((bundle.c.state == "posted", 1), else_=0), bundle.c.id.desc())
        .limit(limit)
    )
    return [dict(row) for row in connection.execute(query).mappings()]


def unfinished(connection: Connection, channel: str) -> list[dict[str, Any]]:
    """Bundles that are to be laid out, or settled, oldest first."""
    states = ("closed", "posting")
    query = (
        select(bundle).where(bundle.c.channel == channel, bundle.c.state.in_(states)).order_by(bundle.c.id)
    )
    return [dict(row) for row in connection.execute(query).mappings()]


def letters(connection: Connection, id_: str) -> list[dict[str, Any]]:
    """The messages of a bundle in the order of its list, with those that were taken out."""
    earlier = bundled.alias("earlier")
    again = exists().where(
        earlier.c.delivery == bundled.c.delivery,
        earlier.c.bundle < bundled.c.bundle,
        earlier.c.left_at.is_not(None),
    )
    query = (
        select(
            delivery,
            bundled.c.n,
            bundled.c.pages,
            bundled.c.left_at,
            record.c.reference,
            again.label("again"),
        )
        .join_from(bundled, delivery, delivery.c.id == bundled.c.delivery)
        .join(record, record.c.id == delivery.c.record, isouter=True)
        .where(bundled.c.bundle == id_)
        .order_by(bundled.c.n)
    )
    names = ("n", "pages", "left_at", "reference", "again")
    return [
        {"delivery": from_row(row), **{name: getattr(row, name) for name in names}}
        for row in connection.execute(query)
    ]


def ready(connection: Connection, id_: str, pages: Mapping[str, int], now: datetime) -> bool:
    """A bundle lies in the folder; `pages` by delivery."""
    step = update(bundle).where(bundle.c.id == id_, bundle.c.state == "closed")
    if not connection.execute(step.values(state="ready", ready_at=now)).rowcount:
        return False
    for one, n in pages.items():
        connection.execute(
            update(bundled).where(bundled.c.bundle == id_, bundled.c.delivery == one).values(pages=n)
        )
    return True


def posting(connection: Connection, id_: str, without: Sequence[str], at: datetime, actor: str) -> bool:
    """Somebody says that a bundle was posted, some of it not; False when it was not ready any more."""
    step = update(bundle).where(bundle.c.id == id_, bundle.c.state == "ready")
    if not connection.execute(step.values(state="posting", posted_at=at, posted_by=actor)).rowcount:
        return False
    for one in without:
        take_out(connection, id_, one, at)
    return True


def take_out(connection: Connection, id_: str, delivery_id: str, at: datetime) -> bool:
    """A message leaves its bundle: the next one has it."""
    step = update(bundled).where(
        bundled.c.bundle == id_, bundled.c.delivery == delivery_id, bundled.c.left_at.is_(None)
    )
    return bool(connection.execute(step.values(left_at=at)).rowcount)


def posted(connection: Connection, id_: str) -> bool:
    """All that was in a bundle is settled."""
    step = update(bundle).where(bundle.c.id == id_, bundle.c.state == "posting")
    return bool(connection.execute(step.values(state="posted")).rowcount)


def standing(connection: Connection, delivery_id: str) -> dict[str, Any] | None:
    """The bundle that has a message and is not posted."""
    query = (
        select(bundle)
        .join(bundled, bundled.c.bundle == bundle.c.id)
        .where(bundled.c.delivery == delivery_id, bundled.c.left_at.is_(None), bundle.c.state.in_(_STATES))
    )
    row = connection.execute(query).mappings().first()
    return dict(row) if row else None


def wanted(connection: Connection, channel: str) -> list[str]:
    """Keys of a channel's messages that are not settled: their files are still needed."""
    d = delivery.c
    query = select(d.key).where(not_(among(d.state, SETTLED_DELIVERIES)), d.target == channel)
    return list(connection.scalars(query))


def purge(connection: Connection, before: datetime) -> int:
    """Forget bundles that were posted before a time; how many."""
    old = select(bundle.c.id).where(bundle.c.state == "posted", bundle.c.posted_at < before)
    connection.execute(delete(bundled).where(bundled.c.bundle.in_(old)))
    return int(
        connection.execute(
            delete(bundle).where(bundle.c.state == "posted", bundle.c.posted_at < before)
        ).rowcount
    )


def as_delivery(row: Row) -> Delivery:
    """The delivery in a row of `letters` or `in_hand`."""
    found: Delivery = row["delivery"]
    return found
