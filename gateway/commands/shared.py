"""What commands share: their options, the configuration, and the way to the house."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from gateway import terminal
from gateway.trouble import Exit, Trouble

if TYPE_CHECKING:
    from config.load import Loaded
    from gateway.control import Control

T = TypeVar("T")

VARIABLE = "FOREBAY_CONFIG"
#: Things that one verb is applied to at the most.
MOST = 1000

Config = Annotated[
    Path | None,
    typer.Option(
        "--config", "-c", metavar="FILE", help=f"Configuration; default ./forebay.yaml, else ${VARIABLE}."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Limit = Annotated[int, typer.Option("--limit", "-n", min=1, max=MOST, help="How many at the most.")]


def find_config(given: Path | None) -> Path:
    """The configuration's file; Trouble that says where it was looked for."""
    if given is not None:
        return given
    if Path("forebay.yaml").is_file():
        return Path("forebay.yaml")
    named = os.environ.get(VARIABLE)
    if named:
        return Path(named)
    raise Trouble(
        f"there is no ./forebay.yaml and {VARIABLE} is not set; name a configuration with -c FILE",
        Exit.CONFIG,
    )


def load(given: Path | None) -> Loaded:
    """The configuration; Trouble with every problem when it cannot be used."""
    from config.load import load as read
    from config.problems import ConfigError

    try:
        return read(find_config(given))
    except ConfigError as error:
        raise Trouble("\n".join(map(str, error.problems)), Exit.CONFIG) from None


def with_house(config: Path | None, do: Callable[[Control], Awaitable[T]]) -> T:
    """Do something with the house of a configuration, whether its daemon runs or not."""
    loaded = load(config)
    from gateway import control

    quiet_log()

    async def run() -> T:
        async with control.connect(loaded) as house:
            return await do(house)

    return asyncio.run(run())


def quiet_log() -> None:
    """Send what the rooms log to standard error, and only when it is bad: standard output is the answer's."""
    from config.settings import LogSettings
    from gateway import logs

    logs.set_up(LogSettings(level="error"))


def get(config: Path | None, path: str, **query: Any) -> dict[str, Any]:
    """What the API says at an address."""
    return with_house(config, lambda house: house.get(path, **query))


def post(config: Path | None, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """What the API answers to a verb."""
    return with_house(config, lambda house: house.post(path, body))


def read_input(path: str) -> bytes:
    """The bytes of a file, or of standard input for `-`."""
    import sys

    if path == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise Trouble(f"{path}: {error.strerror}", Exit.NO_INPUT) from None


def read_text(path: str) -> str:
    """The same as text."""
    try:
        return read_input(path).decode()
    except UnicodeDecodeError:
        raise Trouble(f"{path}: is not UTF-8 text") from None


def quoted(text: str) -> str:
    """A name as one segment of an address."""
    from urllib.parse import quote

    return quote(text, safe="")


def moment(text: str | None, option: str = "--since") -> str | None:
    """A time as the API takes it: a date or time with or without zone, or a span back such as 2h or 7d."""
    from datetime import datetime, timedelta

    if text is None:
        return None
    units = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
    if text[:-1].isdigit() and text[-1] in units and len(text) < 8:
        return (datetime.now().astimezone() - timedelta(**{units[text[-1]]: int(text[:-1])})).isoformat()
    try:
        return datetime.fromisoformat(text).astimezone().isoformat()
    except ValueError:
        raise Trouble(
            f"{option}: {text} is no time; write 2026-11-22, 2026-11-22T08:00 or a span such as 2h or 7d",
            Exit.USAGE,
        ) from None


def apply(
    config: Path | None,
    path: str,
    ids: Sequence[str],
    chosen: Callable[[Control], Awaitable[list[str]]] | None,
    body: dict[str, Any],
    *,
    question: str,
    noun: str,
    yes: bool,
    ask: bool = True,
) -> dict[str, Any]:
    """Apply a verb to the named things, or to those that a selection finds; more than one only after a yes.

    `question` says what happens to them, such as `Read again`; `noun` what they are.
    """
    if not ids and chosen is None:
        raise Trouble("name ids, or choose with --state and the other options", Exit.USAGE)
    if ids and chosen is not None:
        raise Trouble("name ids or choose with options, not both", Exit.USAGE)

    async def do(house: Control) -> dict[str, Any]:
        wanted = list(dict.fromkeys(ids)) if chosen is None else await chosen(house)
        if not wanted:
            return {}
        if ask and (chosen is not None or len(wanted) > 1):
            more = f" (the newest {MOST}; run it again for the rest)" if len(wanted) == MOST else ""
            terminal.confirm(f"{question}: {terminal.count(len(wanted), noun)}{more}.", yes)
        return await house.post(path, {"ids": wanted, **body})

    return with_house(config, do)


def told(result: dict[str, Any], as_json: bool, words: dict[str, str]) -> None:
    """Say what a verb did; exit 1 when it left something alone."""
    if as_json:
        terminal.dump(result)
    elif not result:
        terminal.say("Nothing matches.")
    else:
        done = [text.format(n=result[name]) for name, text in words.items() if name in result]
        left = result.get("left")
        if left:
            done.append(f"left {left} alone, whose state does not allow it")
        terminal.say("; ".join(done).capitalize() + ".")
    if result.get("left"):
        raise typer.Exit(Exit.UNBALANCED)
