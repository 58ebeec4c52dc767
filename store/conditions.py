"""Conditions with their values in the statement's own text, so that partial indexes apply.

SQLite uses a partial index only where the query repeats the index's condition; a bound parameter proves nothing.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Text,
    and_,
    bindparam,
    func,
    literal_column,
    select,
    tuple_,
)
from sqlalchemy.sql.expression import ColumnClause


def _word(state: str) -> ColumnClause[str]:
    assert state.replace("_", "").isalpha()  # our own words only, never a stranger's
    return literal_column(f"'{state}'")


def stands(column: ColumnElement[str], state: str) -> ColumnElement[bool]:
    """The column holds this state."""
    return column == _word(state)


def among(column: ColumnElement[str], states: tuple[str, ...]) -> ColumnElement[bool]:
    """The column holds one of these states; name them in the order in which the index does."""
    return column.in_([_word(state) for state in states])


def any_of(
    connection: Connection, column: ColumnElement[str], values: Collection[str]
) -> ColumnElement[bool]:
    """The column holds one of these values.

    On SQLite they go over as one: a statement with a place for each is written anew every time, which costs
    more than the search.
    """
    if connection.dialect.name != "sqlite":
        return column.in_(values)
    listed = bindparam(None, json.dumps(list(values)), type_=Text(), unique=True)
    return column.in_(select(func.json_each(listed).table_valued("value").c.value))


def one_of(columns: Sequence[ColumnElement[Any]], rows: Collection[Sequence[Any]]) -> ColumnElement[bool]:
    """The columns hold one of these rows of values.

    The first column is asked for by itself, too: SQLite looks at the whole table for more than one row of values.
    """
    return and_(columns[0].in_({row[0] for row in rows}), tuple_(*columns).in_(rows))


def tried(claims: ColumnElement[int], before: bool) -> ColumnElement[bool]:
    """Whether somebody claimed it before."""
    return claims > literal_column("0") if before else claims == literal_column("0")


#: The conditions of the indexes in `store.schema`.
UNSETTLED_ENVELOPES = ("waiting", "claimed", "held", "quarantined")
ENVELOPES_AT_WORK = ("waiting", "claimed")
DELIVERIES_IN_LINE = ("waiting", "claimed", "uncertain")
#: Deliveries of which something is still to be heard.
DELIVERIES_AT_WORK = (*DELIVERIES_IN_LINE, "entrusted")
#: States of a record whose customer waits for an answer.
UNSETTLED_WINDOWS = ("registered", "handed_over", "taken", "returned", "resolved", "reopened")
SETTLED_DELIVERIES = ("delivered", "cancelled")
