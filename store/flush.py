"""Applies many units of work in one transaction, set by set."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import Connection, text
from sqlalchemy.dialects import postgresql

from store import archive, sets
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
    if not where.keys() >= set(keys := _key_columns(unit.guard.table)):
        missing = ", ".join(name for name in keys if name not in where)
        raise ValueError(f"a guard on {unit.guard.table} must name {missing}")
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
    archive.write(connection, (one for unit in chosen for one in unit.found))
    count_all(connection, (count for unit in chosen for count in unit.counts), writer)
    insert_events(connection, [row for unit in chosen for row in unit.inserts if row.table == "event"])
    return held


def _key(table: str, where: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(where[name] for name in _key_columns(table))


@cache
def _key_columns(table: str) -> tuple[str, ...]:
    return tuple(column.name for column in TABLES[table].primary_key.columns)


def _guards(connection: Connection, units: Sequence[Unit]) -> list[bool]:
    held = [unit.guard is None for unit in units]
    groups: dict[tuple[str, tuple[str, ...], tuple[str, ...]], list[tuple[int, Guard]]] = defaultdict(list)
    for index, unit in enumerate(units):
        if unit.guard:
            g = unit.guard
            groups[g.table, tuple(g.where), tuple(g.values)].append((index, g))
    for (table, where, columns), members in groups.items():
        # Sorted, so that two writers wait for each other's rows in one order and never in a circle.
        rows = sorted(((*g.where.values(), *g.values.values()) for _, g in members), key=_first)
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
        values = [tuple(row.values.values()) for row in members]
        if len(values) > 1:
            keys = [columns.index(name) for name in _key_columns(table) if name in columns]
            values.sort(key=lambda row, keys=keys: [str(row[i]) for i in keys])  # type: ignore[misc]
        sets.insert(connection, table, columns, values, ignore=ignore)


def _first(row: Sequence[Any]) -> str:
    return str(row[0])


def _updates(connection: Connection, changes: Iterable[Update]) -> None:
    groups: dict[tuple[str, tuple[str, ...], tuple[str, ...]], list[Update]] = defaultdict(list)
    for change in changes:
        groups[change.table, tuple(change.where), tuple(change.values)].append(change)
    for (table, where, columns), members in sorted(groups.items()):
        # Of two changes of the same row the later one counts; a set would choose either.
        latest = {tuple(m.where.values()): m.values.values() for m in members}
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
    rows = [(*key, writer, n) for key, n in sorted(sums.items()) if n]
    if not rows:
        return
    if connection.dialect.name == "sqlite":
        sets.bind(connection, _ADD, _TO_WHAT_IS_THERE, len(_TALLY), rows)
    else:
        connection.execute(_ADDITION, [dict(zip(_TALLY, row, strict=True)) for row in rows])


_TALLY = ("day", "channel", "state", "writer", "n")
_ADD = f"INSERT INTO tally ({', '.join(_TALLY)}) VALUES "
_TO_WHAT_IS_THERE = " ON CONFLICT (day, channel, state, writer) DO UPDATE SET n = n + excluded.n"


def _addition() -> Any:
    statement = postgresql.insert(tally)
    return statement.on_conflict_do_update(
        index_elements=list(tally.primary_key.columns), set_={"n": tally.c.n + statement.excluded.n}
    )


_ADDITION = _addition()
