"""Applies many units of work in one transaction, set by set."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, text
from sqlalchemy.dialects import postgresql, sqlite

from store import sets
from store.schema import TABLES, tally
from store.units import Count, Guard, Insert, Unit, Update

#: Key of the advisory lock under which PostgreSQL gives feed positions: held from the first position to the
#: commit, so that no reader sees a later position before an earlier one.
FEED_LOCK = 0x666F7265


class Mixed(Exception):
    """Some guards of a set held and some did not: the group is applied again, one unit at a time."""


def check(unit: Unit) -> None:
    """Refuse a unit whose guard does not name one row, or could never hold. Raises ValueError."""
    if unit.guard is None:
        return
    where = unit.guard.where
    missing = [c.name for c in TABLES[unit.guard.table].primary_key.columns if c.name not in where]
    if missing:
        raise ValueError(f"a guard on {unit.guard.table} must name {', '.join(missing)}")
    if None in where.values():
        raise ValueError("a guard cannot ask for an empty column: nothing equals NULL")


def clashes() -> Callable[[Unit], bool]:
    """A test for units whose guarded row an earlier unit of the same flush guards too; those must wait."""
    seen: set[tuple[Any, ...]] = set()

    def clash(unit: Unit) -> bool:
        if unit.guard is None:
            return False
        key = (unit.guard.table, *_key(unit.guard.table, unit.guard.where))
        if key in seen:
            return True
        seen.add(key)
        return False

    return clash


def apply(connection: Connection, units: Sequence[Unit], writer: str) -> list[bool]:
    """Apply the units; False where a guard no longer held, and nothing of that unit was applied."""
    held = _guards(connection, units)
    chosen = [unit for unit, ok in zip(units, held, strict=True) if ok]
    insert_all(connection, (row for unit in chosen for row in unit.inserts if row.table != "event"))
    _updates(connection, (change for unit in chosen for change in unit.updates))
    count_all(connection, (count for unit in chosen for count in unit.counts), writer)
    insert_events(connection, [row for unit in chosen for row in unit.inserts if row.table == "event"])
    return held


def _key(table: str, where: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(where[column.name] for column in TABLES[table].primary_key.columns)


def _guards(connection: Connection, units: Sequence[Unit]) -> list[bool]:
    held = [unit.guard is None for unit in units]
    groups: dict[tuple[str, tuple[str, ...], tuple[str, ...]], list[tuple[int, Guard]]] = defaultdict(list)
    for index, unit in enumerate(units):
        if unit.guard:
            g = unit.guard
            groups[g.table, tuple(sorted(g.where)), tuple(sorted(g.values))].append((index, g))
    for (table, where, columns), members in groups.items():
        rows = sorted(
            ([g.where[c] for c in where] + [g.values[c] for c in columns] for _, g in members),
            key=lambda row: str(row[0]),
        )
        changed = sets.change(connection, table, where, columns, rows)
        if 0 < changed < len(members):
            raise Mixed
        for index, _ in members:
            held[index] = changed > 0
    return held


def insert_all(connection: Connection, rows: Iterable[Insert]) -> None:
    """Insert rows of any tables, one statement for each set of columns, sorted by key."""
    groups: dict[tuple[str, tuple[str, ...], bool], list[Insert]] = defaultdict(list)
    for row in rows:
        groups[row.table, tuple(row.values), row.ignore].append(row)
    for (table, columns, ignore), members in sorted(groups.items()):
        values = [[row.values[column] for column in columns] for row in members]
        if len(values) > 1:
            keys = [columns.index(c.name) for c in TABLES[table].primary_key.columns if c.name in columns]
            values.sort(key=lambda row, keys=keys: [str(row[i]) for i in keys])  # type: ignore[misc]
        sets.insert(connection, table, columns, values, ignore=ignore)


def _updates(connection: Connection, changes: Iterable[Update]) -> None:
    groups: dict[tuple[str, tuple[str, ...], tuple[str, ...]], list[Update]] = defaultdict(list)
    for change in changes:
        groups[change.table, tuple(sorted(change.where)), tuple(sorted(change.values))].append(change)
    for (table, where, columns), members in sorted(groups.items()):
        # Of two changes of the same row the later one counts; a set would choose either.
        latest = {tuple(m.where[c] for c in where): [m.values[c] for c in columns] for m in members}
        rows = [[*key, *values] for key, values in sorted(latest.items(), key=lambda item: str(item[0]))]
        sets.change(connection, table, where, columns, rows)


def insert_events(connection: Connection, rows: Sequence[Insert]) -> None:
    """Events go last and, on PostgreSQL, under a lock until the commit: the feed has no gaps to come back to."""
    if not rows:
        return
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": FEED_LOCK})
    columns = tuple(rows[0].values)
    values = [[row.values[column] for column in columns] for row in rows]
    sets.insert(connection, "event", columns, values, ignore=False)


def count_all(connection: Connection, counts: Iterable[Count], writer: str) -> None:
    """Add to the counters of the balance, one row for each day, channel and state."""
    sums: dict[tuple[str, str, str], int] = defaultdict(int)
    for count in counts:
        sums[count.day, count.channel, count.state] += count.n
    rows = [
        {"day": day, "channel": channel, "state": state, "writer": writer, "n": n}
        for (day, channel, state), n in sorted(sums.items())
        if n
    ]
    if rows:
        connection.execute(_ADD[connection.dialect.name], rows)


def _addition(module: Any) -> Any:
    statement = module.insert(tally)
    return statement.on_conflict_do_update(
        index_elements=list(tally.primary_key.columns), set_={"n": tally.c.n + statement.excluded.n}
    )


#: Made once: it is part of every acceptance.
_ADD = {"sqlite": _addition(sqlite), "postgresql": _addition(postgresql)}
