"""Conditions with their values in the statement's own text, so that partial indexes apply.

SQLite uses a partial index only where the query repeats the index's condition; a bound parameter proves nothing.
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, literal_column
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


#: The conditions of the indexes in `store.schema`.
UNSETTLED_ENVELOPES = ("waiting", "claimed", "held", "quarantined")
ENVELOPES_AT_WORK = ("waiting", "claimed")
DELIVERIES_IN_LINE = ("waiting", "claimed", "uncertain")
#: States of a record whose customer waits for an answer.
UNSETTLED_WINDOWS = ("registered", "handed_over", "taken", "returned", "resolved", "reopened")
SETTLED_DELIVERIES = ("delivered", "cancelled")
