"""Units of work as values: what one step changes, applied together with others in one commit.

A unit never holds a connection, so that it can be grouped with others, rolled back with them, and applied
again alone. Either all of it is applied, or, when its guard no longer holds, nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

#: Column values of one row.
Values = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Guard:
    """A compare-and-set: the unit is applied only if a row where all of `where` holds could be changed.

    `where` names the primary key and, for claimed rows, the claim: no row changed means the lease is lost.
    """

    table: str
    where: Values
    values: Values


@dataclass(frozen=True, slots=True)
class Insert:
    """A new row. `ignore` leaves an existing row with the same key as it is, instead of failing."""

    table: str
    values: Values
    ignore: bool = False


@dataclass(frozen=True, slots=True)
class Update:
    """A change of rows where all of `where` holds; nothing depends on whether there are any."""

    table: str
    where: Values
    values: Values


@dataclass(frozen=True, slots=True)
class Count:
    """An addition to a counter of the balance."""

    day: str
    channel: str
    state: str
    n: int = 1


@dataclass(frozen=True, slots=True)
class Found:
    """What a record is found by in the archive: of a new record, or added to what it is found by already."""

    record: str
    terms: tuple[str, ...]
    new: bool = False


@dataclass(frozen=True, slots=True)
class Unit:
    """One step with all its consequences."""

    guard: Guard | None = None
    inserts: tuple[Insert, ...] = ()
    updates: tuple[Update, ...] = ()
    counts: tuple[Count, ...] = ()
    found: tuple[Found, ...] = ()
    label: str = field(default="", compare=False)
    """Names the step for logs and crash points."""
