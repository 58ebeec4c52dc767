"""Set-based statements: many rows in one, so that a flush of 64 units does not cost 64 statements.

PostgreSQL gets the rows as one JSON parameter, so that each statement is compiled once for any number of
rows. SQLite binds values several times faster than it reads JSON, so there the rows are bound, in groups of
powers of two: a few statement texts serve all numbers. They go straight to the driver, because the layers
between cost more than the rows. Never row by row: the driver lets go of the interpreter at each row, and a
busy one lets the writer wait each time.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache
from itertools import chain
from typing import Any

import orjson
from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    Connection,
    Executable,
    Integer,
    LargeBinary,
    String,
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
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import DBAPIError
from sqlalchemy.types import TypeEngine

from store.schema import TABLES
from store.types import Instant, Json, to_micros

#: What a text of ours may not hold: PostgreSQL cannot store it, and SQLite cuts there.
_NUL = b"\\u0000"
_UNSAYABLE = re.compile("[\x00\ud800-\udfff]")
#: Rows of one statement at the most; SQLite takes 32,766 values.
_LARGEST = 64


def insert(
    connection: Connection,
    name: str,
    columns: tuple[str, ...],
    rows: Iterable[Sequence[Any]],
    *,
    ignore: bool,
) -> int:
    """Insert all rows; how many went in. `ignore` leaves rows that conflict out instead of failing.

    Raises TypeError for values that are none of ours.
    """
    plain = _plain_rows(name, columns, rows)
    if connection.dialect.name == "sqlite":
        head, tail = _sqlite_insert(name, columns, ignore)
        return bind(connection, head, tail, len(columns), plain)
    statement = _postgres_insert(name, columns, ignore)
    return int(connection.execute(statement, {"rows": as_json(plain)}).rowcount)


def change(
    connection: Connection,
    name: str,
    where: tuple[str, ...],
    columns: tuple[str, ...],
    rows: Iterable[Sequence[Any]],
) -> int:
    """Update where every `where` column equals; a row is its `where` values, then the new ones. How many changed."""
    plain = _plain_rows(name, where + columns, rows)
    if connection.dialect.name == "sqlite":
        head, tail = _sqlite_update(name, where, columns)
        return bind(connection, head, tail, len(where) + len(columns), plain)
    statement = _postgres_update(name, where, columns)
    return int(connection.execute(statement, {"rows": as_json(plain)}).rowcount)


def bind(connection: Connection, head: str, tail: str, width: int, rows: Sequence[Sequence[Any]]) -> int:
    """Run an SQLite statement over all rows, in groups whose sizes are powers of two; how many rows it touched.

    `head` ends before the values and `tail` follows them; the values are such as the driver takes.
    """
    driver: sqlite3.Connection = connection.connection.dbapi_connection  # type: ignore[assignment]
    done, start = 0, 0
    while start < len(rows):
        size = min(_LARGEST, 1 << (len(rows) - start).bit_length() - 1)
        statement = head + _places(width, size) + tail
        try:
            values = tuple(chain.from_iterable(rows[start : start + size]))
            done += driver.execute(statement, values).rowcount
        except sqlite3.Error as error:
            # As it looks coming through the layers, but without the values: a stranger may have sent them.
            raise DBAPIError.instance(statement, None, error, sqlite3.Error) from error
        start += size
    return done


@cache
def _places(width: int, size: int) -> str:
    return ",".join(["(" + ",".join("?" * width) + ")"] * size)


@cache
def _sqlite_insert(name: str, columns: tuple[str, ...], ignore: bool) -> tuple[str, str]:
    head = f"INSERT INTO {_quoted(name)} ({', '.join(map(_quoted, columns))}) VALUES "
    return head, " ON CONFLICT DO NOTHING" if ignore else ""


@cache
def _sqlite_update(name: str, where: tuple[str, ...], columns: tuple[str, ...]) -> tuple[str, str]:
    table, n = _quoted(name), len(where)
    new = ", ".join(f"{_quoted(c)} = s.column{n + i}" for i, c in enumerate(columns, 1))
    same = " AND ".join(f"{table}.{_quoted(c)} = s.column{i}" for i, c in enumerate(where, 1))
    return f"UPDATE {table} SET {new} FROM (VALUES ", f") AS s WHERE {same}"


def _quoted(name: str) -> str:
    return f'"{name}"'


def _plain_rows(
    name: str, columns: tuple[str, ...], rows: Iterable[Sequence[Any]]
) -> Sequence[Sequence[Any]]:
    """The rows in values that both drivers take, made plain column by column."""
    if not (by_column := list(zip(*rows, strict=True))):
        return []
    made = [plain(values) for plain, values in zip(_columns(name, columns), by_column, strict=True)]
    return list(zip(*made, strict=True))


#: Makes all values of one column plain.
_Column = Callable[[Sequence[Any]], Sequence[Any]]


@cache
def _columns(name: str, columns: tuple[str, ...]) -> tuple[_Column, ...]:
    return tuple(_column(TABLES[name].c[column].type) for column in columns)


def _column(kind: TypeEngine[Any]) -> _Column:
    def any_values(values: Sequence[Any]) -> Sequence[Any]:
        return [_plain(kind, value) for value in values]

    def texts(values: Sequence[Any]) -> Sequence[Any]:
        # Most are ASCII and need nothing: all together are looked at as one.
        try:
            every = "".join(filter(None, values))
        except TypeError:
            return any_values(values)
        return values if every.isascii() and "\x00" not in every else any_values(values)

    def instants(values: Sequence[Any]) -> Sequence[Any]:
        return [to_micros(v) if v.__class__ is datetime else _plain(kind, v) for v in values]

    def trees(values: Sequence[Any]) -> Sequence[Any]:
        return [_json_text(v) if v.__class__ in (dict, list) else _plain(kind, v) for v in values]

    if isinstance(kind, String):
        return texts
    return instants if isinstance(kind, Instant) else trees if isinstance(kind, Json) else any_values


def as_json(plain: Sequence[Any]) -> str:
    """Plain values as the one parameter that PostgreSQL, or a list that SQLite, is given."""
    return orjson.dumps(plain).decode()


def _plain(kind: TypeEngine[Any], value: Any) -> Any:
    if value is None or value.__class__ is bool:
        return value
    if value.__class__ is str:
        return value if value.isascii() and "\x00" not in value else _sayable(value)
    if isinstance(value, datetime):
        return to_micros(value)
    if isinstance(kind, Json):
        return _json_text(value)
    if not isinstance(value, str | int | float):
        raise TypeError(f"a column cannot hold a {type(value).__name__}")
    return _sayable(value)


def _json_text(value: Any) -> str:
    try:
        data = orjson.dumps(value)
    except TypeError:
        # A stranger's half characters and endless numbers; what is still no JSON is a bug of ours.
        data = orjson.dumps(_sayable(value))
    return (orjson.dumps(_sayable(orjson.loads(data))) if _NUL in data else data).decode()


def _sayable(value: Any) -> Any:
    """Without NUL and lone surrogates, which no database's text can hold, and with endless numbers as text."""
    if isinstance(value, str):
        return _UNSAYABLE.sub("\ufffd", value)
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return str(value)
    if isinstance(value, Mapping):
        return {_sayable(key): _sayable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_sayable(item) for item in value]
    return value


def _cast_type(kind: TypeEngine[Any]) -> TypeEngine[Any]:
    if isinstance(kind, LargeBinary):
        raise TypeError("bytes do not go through a set")
    if isinstance(kind, Instant):
        return BigInteger()
    if isinstance(kind, BigInteger | Integer | Boolean):
        return kind
    return Text()


def _source(table: Table, columns: Sequence[str]) -> tuple[Any, list[ColumnElement[Any]]]:
    """The rows of the JSON parameter as a table, and one expression for each column."""
    v = func.json_array_elements(cast(bindparam("rows", type_=Text()), postgresql.JSON()))
    rows = v.table_valued("value", name="v")
    return rows, [
        cast(rows.c.value.op("->>")(text(str(i))), _cast_type(table.c[name].type))
        for i, name in enumerate(columns)
    ]


@cache
def _postgres_insert(name: str, columns: tuple[str, ...], ignore: bool) -> Executable:
    table = TABLES[name]
    v, values = _source(table, columns)
    source = select(*values).select_from(v)
    statement = postgresql.insert(table).from_select(list(columns), source, include_defaults=False)
    return statement.on_conflict_do_nothing() if ignore else statement


@cache
def _postgres_update(name: str, where: tuple[str, ...], columns: tuple[str, ...]) -> Executable:
    table = TABLES[name]
    v, values = _source(table, where + columns)
    source = select(*(value.label(f"v{i}") for i, value in enumerate(values))).select_from(v).subquery("s")
    matches = and_(*(table.c[column] == source.c[f"v{i}"] for i, column in enumerate(where)))
    new = {column: source.c[f"v{len(where) + i}"] for i, column in enumerate(columns)}
    return update(table).where(matches).values(new)
