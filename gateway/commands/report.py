"""report: the figures of a month, a quarter or a year."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from gateway import terminal
from gateway.commands import shared
from gateway.commands.shared import Config
from gateway.trouble import Trouble

Format = Literal["text", "json", "pdf", "xlsx"]


def report(
    period: Annotated[
        str | None,
        typer.Option("--period", "-p", help="2026-10, 2026-Q3 or 2026; default: the running month."),
    ] = None,
    format_: Annotated[Format, typer.Option("--format", "-f", help="As what.")] = "text",
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="File; default for pdf and xlsx: report-PERIOD.pdf or .xlsx."),
    ] = None,
    language: Annotated[
        Literal["en", "zh-CN"], typer.Option("--language", "-l", help="Of the report.")
    ] = "en",
    config: Config = None,
) -> None:
    """The report on what customers said: counts, timeliness, satisfaction, repeats, trend, recurring issues."""
    asked = {"period": period, "language": language}
    if format_ in ("pdf", "xlsx"):
        named, data = shared.with_house(
            config,
            lambda house: house.download("/v1/report", period=period, language=language, format=format_),
        )
        path = out or Path(named)
        try:
            path.write_bytes(data)
        except OSError as error:
            raise Trouble(f"cannot write {path}: {error.strerror}") from error
        terminal.say(f"{path} ({len(data):,} bytes)")
        return
    found: dict[str, Any] = shared.with_house(config, lambda house: house.get("/v1/report", **asked))
    if format_ == "json":
        terminal.dump(found)
        return
    _print(found)


def _print(found: dict[str, Any]) -> None:
    running = ", not over yet" if found["running"] else ""
    terminal.say(f"{found['period']} ({found['first']} to {found['last']}{running})")
    terminal.say(
        f"received {found['received']} (period before: {found['received_before']}), handled {found['handled']}"
    )
    for name, one in found["rates"].items():
        share = "–" if one["share"] is None else f"{100 * one['share']:.1f} %"
        terminal.say(f"{name:<13} {share:>8}  ({one['part']} / {one['whole']})")
    for name, counts in found["counts"].items():
        told = ", ".join(f"{value or 'not stated'} {n}" for value, n in counts.items())
        terminal.say(f"by {name}: {told or 'none'}")
    for issue in found["issues"]:
        terminal.say(
            f"recurring: {issue['nature']} / {issue['cause']}: {issue['n']} (before: {issue['before']})"
        )
    if found["not_counted"]:
        terminal.say(f"{found['not_counted']} recent events are not counted yet")
