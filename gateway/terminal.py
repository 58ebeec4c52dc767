"""What commands print: tables for people, JSON for scripts, questions before many things change."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from gateway.trouble import Exit, Trouble

if TYPE_CHECKING:
    from rich.console import Console

# Customers' words must not steer the terminal, nor turn the direction of writing.
_STEERING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_STATES: Mapping[str, str] = {
    "ok": "green", "delivered": "green", "registered": "green", "joined": "green",
    "waiting": "cyan", "claimed": "cyan", "unknown": "cyan", "pending": "cyan",
    "held": "yellow", "uncertain": "yellow", "paused": "yellow", "expired": "yellow",
    "quarantined": "red", "dead": "red", "failing": "red", "failed": "red",
    "ignored": "dim", "duplicate": "dim", "cancelled": "dim", "disabled": "dim",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its heading and what stands in it; `grow` takes the room that is left."""

    heading: str
    value: Callable[[Mapping[str, Any]], str]
    grow: bool = False
    right: bool = False


def console() -> Console:
    """A console at standard output, as wide as the terminal; in a pipe, wide enough not to cut."""
    from rich.console import Console

    piped = None if sys.stdout.isatty() or "COLUMNS" in os.environ else 160
    return Console(width=piped, highlight=False, soft_wrap=False, emoji=False, markup=False)


def dump(value: Any) -> None:
    """JSON for scripts: indented, keys as the API gave them."""
    import orjson

    sys.stdout.write(orjson.dumps(value, option=orjson.OPT_INDENT_2, default=str).decode() + "\n")


def say(text: str) -> None:
    """A line for people."""
    sys.stdout.write(clean(text) + "\n")
    sys.stdout.flush()  # whoever reads a log file must not wait for more lines to come


def warn(text: str) -> None:
    """A line beside the output."""
    sys.stderr.write(clean(text) + "\n")


def table(rows: Sequence[Mapping[str, Any]], columns: Sequence[Column], nothing: str) -> None:
    """A table, or a line that says that there is nothing."""
    if not rows:
        say(nothing)
        return
    from rich.table import Table

    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold", expand=False)
    for column in columns:
        made.add_column(
            column.heading,
            no_wrap=not column.grow,
            overflow="fold" if column.grow else "ellipsis",
            justify="right" if column.right else "left",
        )
    for row in rows:
        made.add_row(*(_cell(column.value(row)) for column in columns))
    console().print(made)


def facts(title: str, pairs: Sequence[tuple[str, Any]]) -> None:
    """Names and values, one a line; empty values are left out."""
    from rich.table import Table
    from rich.text import Text

    if title:
        console().print(Text(clean(title), style="bold"))
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    made.add_column(no_wrap=True, style="dim")
    made.add_column(overflow="fold")
    for name, value in pairs:
        if value not in (None, "", [], {}, ()):
            made.add_row(Text(name), _cell(value if isinstance(value, str) else _plain(value)))
    console().print(made)


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {_plain(one)}" for key, one in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(_plain(one) for one in value)
    return {True: "yes", False: "no"}.get(value, str(value)) if isinstance(value, bool) else str(value)


def _cell(text: str) -> Any:
    """A cell; a known state at its beginning gets its colour."""
    from rich.text import Text

    cell = Text(clean(text))
    first = text.split("\n", 1)[0]
    if first in _STATES:
        cell.stylize(_STATES[first], 0, len(first))
    return cell


def clean(text: str) -> str:
    """A text that cannot steer the terminal."""
    return _STEERING.sub("�", text)


def one_line(text: str | None, width: int = 200) -> str:
    """The beginning of a text on one line."""
    line = " ".join((text or "").split())
    return line if len(line) <= width else line[: width - 1] + "…"


def when(value: str | None) -> str:
    """A time in the machine's own zone, to the minute."""
    if not value:
        return ""
    return datetime.fromisoformat(value).astimezone().strftime("%Y-%m-%d %H:%M")


def count(number: int, noun: str) -> str:
    """A number with its noun."""
    if number == 1:
        return f"1 {noun}"
    return f"{number} {noun[:-1]}ies" if noun.endswith("y") else f"{number} {noun}s"


def size(number_of_bytes: int | None) -> str:
    """Bytes, short."""
    number = float(number_of_bytes or 0)
    for unit in ("B", "KB", "MB"):
        if number < 1000:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} GB"


def confirm(question: str, yes: bool) -> None:
    """Ask before many things change; without a terminal only `--yes` answers.

    All of it is said beside the output, which may be JSON for a script.
    """
    if yes:
        warn(question)
        return
    if not sys.stdin.isatty():
        raise Trouble(f"{question} Nothing was changed; add --yes to do it", Exit.USAGE)
    sys.stderr.write(clean(question) + " [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes", "是"):
        raise Trouble("nothing was changed", Exit.OK)
