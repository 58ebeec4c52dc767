"""Set-based statements: any number of rows as one JSON parameter, so that each statement is compiled once.

A flush of 64 units must not cost 64 statements, nor a new statement text for each number of rows.
SQLite reads the rows with json_each, PostgreSQL with json_array_elements; everything else is the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any

import orjson
from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    Executable,
    Integer,
    LargeBinary,
    Table,
    Text,
    and_,
    bindparam,
    cast,
    func,
    select,
    text,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.types import TypeEngine

from store.schema import TABLES
from store.types import Instant, Json, to_micros

#: What a text of ours may not hold: PostgreSQL cannot store it, and SQLite cuts there.
_NUL = b"\\u0000"
_SURROGATE = re.compile("[\ud800-\udfff]")


def encode(table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """The rows as one JSON text, in the order of `columns`. Raises TypeError for what JSON cannot say."""
    types = [TABLES[table].c[name].type for name in columns]
    given = list(rows)
    try:
        plain = [[_plain(kind, value) for kind, value in zip(types, row, strict=True)] for row in given]
        data = orjson.dumps(plain)
    except TypeError:
        # A stranger's half characters and endless numbers; what is still no JSON is a bug of ours.
        given = [[_sayable(value) for value in row] for row in given]
        plain = [[_plain(kind, value) for kind, value in zip(types, row, strict=True)] for row in given]
        data = orjson.dumps(plain)
    if _NUL in data:
        data = orjson.dumps([[_without_nul(value) for value in row] for row in plain])
    return data.decode()


def _sayable(value: Any) -> Any:
    """Without lone surrogates, which no UTF-8 text can hold, and with numbers beyond 64 bits as text."""
    if isinstance(value, str):
        return _SURROGATE.sub("\ufffd", value)
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        return str(value)
    if isinstance(value, Mapping):
        return {_sayable(key): _sayable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_sayable(item) for item in value]
    return value


def _plain(kind: TypeEngine[Any], value: Any) -> Any:
    if value is None:
        return None
    if isinstance(value, datetime):
        return to_micros(value)
    if isinstance(kind, Json):
        return orjson.dumps(value).decode()
    return value


def _without_nul(value: Any) -> Any:
    return value.replace("\x00", "\ufffd").replace("\\u0000", "\\ufffd") if isinstance(value, str) else value


def _cast_type(kind: TypeEngine[Any]) -> TypeEngine[Any]:
    if isinstance(kind, LargeBinary):
        raise TypeError("bytes do not go through a set; insert them row by row")
    if isinstance(kind, Instant):
        return BigInteger()
    if isinstance(kind, BigInteger | Integer | Boolean):
        return kind
    return Text()


def _source(table: Table, columns: Sequence[str], dialect: str) -> tuple[Any, list[ColumnElement[Any]]]:
    """The rows as a table, and one expression for each column."""
    rows = bindparam("rows", type_=Text())
    if dialect == "sqlite":
        v = func.json_each(rows).table_valued("value", name="v")
        return v, [func.json_extract(v.c.value, f"$[{i}]") for i in range(len(columns))]
    v = func.json_array_elements(cast(rows, postgresql.JSON())).table_valued("value", name="v")
    return v, [
        cast(v.c.value.op("->>")(text(str(i))), _cast_type(table.c[name].type))
        for i, name in enumerate(columns)
    ]


@cache
def insert_set(dialect: str, name: str, columns: tuple[str, ...], ignore: bool) -> Executable:
    """INSERT of all rows; `ignore` leaves rows that conflict out. The row count tells whether there were any."""
    table = TABLES[name]
    v, values = _source(table, columns, dialect)
    # SQLite needs a WHERE here: else it reads ON CONFLICT as a join's ON.
    source = select(*values).select_from(v).where(text("1=1"))
    module = sqlite if dialect == "sqlite" else postgresql
    statement: Any = module.insert(table).from_select(list(columns), source, include_defaults=False)
    if ignore:
        statement = statement.on_conflict_do_nothing()
    return statement  # type: ignore[no-any-return]


@cache
def update_set(dialect: str, name: str, where: tuple[str, ...], columns: tuple[str, ...]) -> Executable:
    """UPDATE of all rows where every `where` column equals; the rows are `where` values, then new values."""
    table = TABLES[name]
    v, values = _source(table, where + columns, dialect)
    source = select(*(value.label(f"v{i}") for i, value in enumerate(values))).select_from(v).subquery("s")
    matches = and_(*(table.c[column] == source.c[f"v{i}"] for i, column in enumerate(where)))
    new = {column: source.c[f"v{len(where) + i}"] for i, column in enumerate(columns)}
    return update(table).where(matches).values(new)
