"""Deliveries: claiming those that are due, and recovering those whose owner died."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, and_, case, exists, func, not_, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from model import searching
from model.delivery import Delivery, Purpose
from model.states import DeliveryState
from store import archive, flush
from store.conditions import DELIVERIES_IN_LINE, SETTLED_DELIVERIES, among, stands, tried
from store.schema import attempt, contact, delivery, record
from store.units import Found, Insert

#: What the index of unsettled deliveries holds.
_UNSETTLED = not_(among(delivery.c.state, SETTLED_DELIVERIES))


def from_row(row: Row[Any]) -> Delivery:
    """The delivery of a row with all columns of the table."""
    return Delivery(
        id=row.id,
        key=row.key,
        order_key=row.order_key,
        seq=row.seq,
        purpose=Purpose(row.purpose),
        target=row.target,
        record=row.record,
        envelope=row.envelope,
        address=row.address,
        state=DeliveryState(row.state),
        attempts=row.attempts,
        created_at=row.created_at,
        next_at=row.next_at,
        expires_at=row.expires_at,
        claim=row.claim,
        claims=row.claims,
        reason=row.reason,
        detail=row.detail,
        remote_id=row.remote_id,
        body=row.body,
    )


def from_new(values: Mapping[str, Any]) -> Delivery:
    """The delivery of a row that was just inserted."""
    names = (
        "id",
        "key",
        "order_key",
        "seq",
        "target",
        "record",
        "envelope",
        "address",
        "created_at",
        "next_at",
    )
    more = ("expires_at", "claim", "reason", "detail", "body")
    return Delivery(
        **{name: values[name] for name in (*names, *more)},
        purpose=Purpose(values["purpose"]),
        state=DeliveryState(values["state"]),
        attempts=0,
        claims=0,
        remote_id=None,
    )


def claim(
    connection: Connection,
    *,
    owner: str,
    token: str,
    room: Mapping[str, int],
    now: datetime,
    head_wait: timedelta,
) -> list[Delivery]:
    """Claim due deliveries, for each target as many as it has room for.

    Within an order key the earliest goes first and alone; one that has been stuck for longer than
    `head_wait` no longer holds the others up. Recovered ones are claimed one at a time.
    """
    claimed: list[Delivery] = []
    careful = any(_claimed_after_death(connection, owner))
    for target, limit in room.items():
        for recovered in (False, True):
            if recovered and careful:
                continue
            found = _claim(
                connection, owner, token, target, 1 if recovered else limit, now, head_wait, recovered
            )
            careful = careful or (recovered and bool(found))
            claimed += found
    return claimed


def _claimed_after_death(connection: Connection, owner: str) -> list[str]:
    d = delivery.c
    query = (
        select(d.id).where(_UNSETTLED, stands(d.state, "claimed"), d.owner == owner, d.claims > 0).limit(1)
    )
    return list(connection.scalars(query))


def _claim(
    connection: Connection,
    owner: str,
    token: str,
    target: str,
    limit: int,
    now: datetime,
    head_wait: timedelta,
    recovered: bool,
) -> list[Delivery]:
    d, other = delivery, delivery.alias("other")
    earlier = or_(other.c.seq < d.c.seq, and_(other.c.seq == d.c.seq, other.c.id < d.c.id))
    stuck = other.c.created_at < now - head_wait
    blocked = exists().where(
        other.c.order_key == d.c.order_key,
        among(other.c.state, DELIVERIES_IN_LINE),
        other.c.order_key.is_not(None),
        other.c.id != d.c.id,
        or_(
            other.c.state == "claimed",
            # Due as well: the earlier one goes first, however long it was stuck.
            and_(other.c.state == "waiting", other.c.next_at <= now, earlier),
            and_(other.c.state.in_(("waiting", "uncertain")), earlier, ~stuck),
        ),
    )
    chosen = (
        select(d.c.id)
        .where(d.c.target == target, stands(d.c.state, "waiting"), d.c.next_at <= now)
        .where(tried(d.c.claims, recovered))
        .where(or_(d.c.order_key.is_(None), ~blocked))
        .order_by(d.c.next_at, d.c.id)
        .limit(limit)
    )
    if connection.dialect.name == "postgresql":
        # Apart from the UPDATE, or a planner could run it again for each row and lock more than the limit.
        chosen = select(chosen.with_for_update(skip_locked=True).cte("chosen").c.id)
    rows = connection.execute(
        update(d)
        .where(d.c.id.in_(chosen.scalar_subquery()))
        # From here on next_at says since when it is claimed; after a failed try it is the next one's time.
        .values(state="claimed", claim=token, owner=owner, next_at=now)
        .returning(*d.c)
    ).all()
    return sorted((from_row(row) for row in rows), key=lambda one: (one.seq, one.id))


def recover(
    connection: Connection,
    *,
    living: Collection[str],
    me: str,
    working: Collection[str],
    max_claims: int,
    idle_before: datetime,
) -> list[tuple[str, str]]:
    """Free deliveries whose owner died, or that we own but do not work on. Gives (id, new state).

    With a try under way nobody can know whether the far side took it: uncertain. Without one: due again.
    """
    d, a = delivery, attempt
    under_way = exists().where(a.c.delivery == d.c.id, a.c.claim == d.c.claim, a.c.outcome.is_(None))
    lost = or_(
        d.c.owner.is_(None),
        d.c.owner.not_in(set(living) | {me}),
        and_(d.c.owner == me, d.c.next_at < idle_before, d.c.id.not_in(set(working))),
    )
    died = case((d.c.owner == me, d.c.claims), else_=d.c.claims + 1)
    killer = died >= max_claims
    statement = (
        update(d)
        .where(_UNSETTLED, stands(d.c.state, "claimed"), lost)
        .values(
            # The killer first: uncertain ones may be sent again, which would kill for ever.
            state=case((killer, "held"), (under_way, "uncertain"), else_="waiting"),
            detail=case(
                (killer, f"the daemon died {max_claims} times while sending it; it may have been delivered"),
                (under_way, "the daemon stopped while it was being sent"),
                else_=d.c.detail,
            ),
            claims=died,
            claim=None,
            owner=None,
        )
        .returning(d.c.id, d.c.state)
    )
    return [(row.id, row.state) for row in connection.execute(statement)]


def release(connection: Connection, owner: str) -> None:
    """Give back what this process claimed: it stops in good order, which is no death.

    With a try under way nobody can know whether the far side took it: uncertain.
    """
    d, a = delivery, attempt
    under_way = exists().where(a.c.delivery == d.c.id, a.c.claim == d.c.claim, a.c.outcome.is_(None))
    detail = case((under_way, "the daemon stopped while it was being sent"), else_=d.c.detail)
    state = case((under_way, "uncertain"), else_="waiting")
    mine = update(d).where(_UNSETTLED, stands(d.c.state, "claimed"), d.c.owner == owner)
    connection.execute(mine.values(state=state, detail=detail, claim=None, owner=None))


def next_due(connection: Connection) -> datetime | None:
    """When the next waiting delivery is due."""
    found: datetime | None = connection.scalar(
        select(func.min(delivery.c.next_at)).where(stands(delivery.c.state, "waiting"))
    )
    return found


def uncertain(connection: Connection, targets: Collection[str], limit: int) -> list[Delivery]:
    """Uncertain deliveries to these targets, oldest first; each is resolved by look-up or by its target's policy."""
    d = delivery.c
    found = (_UNSETTLED, stands(d.state, "uncertain"), d.target.in_(list(targets)))
    query = select(delivery).where(*found).order_by(d.id).limit(limit)
    return [from_row(row) for row in connection.execute(query)]


def due_targets(connection: Connection, names: Collection[str], now: datetime) -> set[str]:
    """Which of the targets have something due: worth asking the writer for a claim."""
    d = delivery.c
    query = (
        select(d.target)
        .where(d.target.in_(list(names)), stands(d.state, "waiting"), d.next_at <= now)
        .distinct()
    )
    return set(connection.scalars(query))


def counted_tries(connection: Connection, delivery_id: str, free: Collection[str]) -> int:
    """Failed tries that count against a message; those with a `free` code do not."""
    a = attempt.c
    query = select(func.count()).where(
        a.delivery == delivery_id, a.outcome == "temporary", a.code.not_in(list(free))
    )
    return int(connection.scalar(query) or 0)


def uncertain_tries(connection: Connection, delivery_id: str) -> int:
    """Tries of which nobody knows how they ended."""
    a = attempt.c
    unclear = or_(a.outcome == "uncertain", a.outcome.is_(None))
    return int(connection.scalar(select(func.count()).where(a.delivery == delivery_id, unclear)) or 0)


def record_state(connection: Connection, record_id: str) -> str | None:
    """The state of a record."""
    found: str | None = connection.scalar(select(record.c.state).where(record.c.id == record_id))
    return found


def contact_of(connection: Connection, record_id: str) -> tuple[str, list[str]] | None:
    """The contact of a record, and the addresses that refused our messages."""
    query = (
        select(contact.c.id, contact.c.unreachable)
        .join(record, record.c.contact == contact.c.id)
        .where(record.c.id == record_id)
    )
    row = connection.execute(query).first()
    return (row.id, list(row.unreachable)) if row else None


def contact_name(connection: Connection, record_id: str) -> str:
    """The name of the person behind a record, or ""."""
    query = (
        select(contact.c.name).join(record, record.c.contact == contact.c.id).where(record.c.id == record_id)
    )
    return str(connection.scalar(query) or "")


def search(
    connection: Connection,
    *,
    states: Collection[str],
    target: str | None,
    purpose: str | None,
    suppressed: bool,
    limit: int,
) -> list[dict[str, Any]]:
    """Deliveries, newest first, with the reference of their record.

    `suppressed`: automatic answers that were never sent, by rule or budget.
    """
    d = delivery.c
    query = (
        select(delivery, record.c.reference)
        .join_from(delivery, record, record.c.id == d.record, isouter=True)
        .order_by(d.id.desc())
        .limit(limit)
    )
    if states:
        query = query.where(d.state.in_(list(states)))
    if target:
        query = query.where(d.target == target)
    if purpose:
        query = query.where(d.purpose == purpose)
    if suppressed:
        query = query.where(d.purpose == "acknowledgement", d.state == "cancelled", d.attempts == 0)
    return [dict(row._mapping) for row in connection.execute(query)]


def by_ids(connection: Connection, ids: Collection[str]) -> list[Delivery]:
    """Deliveries by id."""
    return [from_row(row) for row in connection.execute(select(delivery).where(delivery.c.id.in_(list(ids))))]


def rows_by_id(connection: Connection, ids: Collection[str]) -> list[dict[str, Any]]:
    """All columns of deliveries by id."""
    query = select(delivery).where(delivery.c.id.in_(list(ids)))
    return [dict(row._mapping) for row in connection.execute(query)]


def by_key(connection: Connection, key: str) -> Delivery | None:
    """The delivery with an idempotency key."""
    row = connection.execute(select(delivery).where(delivery.c.key == key)).first()
    return from_row(row) if row else None


#: Ends the key of the copy of an answer, which waits for the answer to be seen.
UNSEEN = ":unseen"


def unseen_copies(connection: Connection, delivery_id: str, conversation: str) -> list[str]:
    """Waiting copies of an answer in a conversation and of the answers before it, by id."""
    d = delivery.c
    of_conversation = (record.c.id == d.record) & (record.c.conversation == conversation)
    at = select(d.created_at).join_from(delivery, record, of_conversation).where(d.id == delivery_id)
    seen_at = connection.execute(at).scalar()
    if seen_at is None:
        return []
    query = (
        select(d.id)
        .join_from(delivery, record, of_conversation)
        .where(d.state == "waiting", d.created_at <= seen_at, d.key.like(f"%{UNSEEN}"))
    )
    return [row.id for row in connection.execute(query)]


def state_of(connection: Connection, key: str) -> str | None:
    """The state of the delivery with a key."""
    found: str | None = connection.scalar(select(delivery.c.state).where(delivery.c.key == key))
    return found


def by_keys(connection: Connection, keys: Collection[str]) -> list[Delivery]:
    """Deliveries by key."""
    return [
        from_row(row) for row in connection.execute(select(delivery).where(delivery.c.key.in_(list(keys))))
    ]


def _words(rows: Sequence[Mapping[str, Any]]) -> Iterator[Found]:
    """Answers are found in the archive, too."""
    for row in rows:
        if row["record"] and row["purpose"] == Purpose.REPLY.value:
            yield Found(row["record"], tuple(searching.terms(str(row["body"].get("text") or ""))))


def insert_once(
    connection: Connection,
    rows: Sequence[Mapping[str, Any]],
    told: Mapping[str, Any],
    copy: Mapping[str, Any] | None = None,
) -> bool:
    """Insert a message's deliveries with their event and their copy; False when the first one's key exists, and
    nothing was done.
    """
    module = sqlite if connection.dialect.name == "sqlite" else postgresql
    first, *rest = rows
    statement: Any = module.insert(delivery).values(**first)
    statement = statement.on_conflict_do_nothing(index_elements=[delivery.c.key]).returning(delivery.c.id)
    if connection.execute(statement).first() is None:
        return False
    archive.write(connection, _words(rows))
    flush.insert_all(connection, [Insert("delivery", row) for row in rest])
    if copy is not None:
        connection.execute(module.insert(delivery).values(**copy))
    flush.insert_events(connection, [Insert("event", told)])
    return True
