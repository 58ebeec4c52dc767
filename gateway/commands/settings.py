"""check, schema, version: what can be said without a store."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from gateway import terminal
from gateway.commands import shared
from gateway.commands.shared import Config, Json
from gateway.trouble import Exit


class Schema(StrEnum):
    """What has a JSON Schema."""

    CONFIG = "config"
    RECORD = "record"


def check(
    config: Config = None,
    show: Annotated[
        bool, typer.Option("--show", help="Print the effective configuration, secrets masked.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Check the configuration, its rules and rule cases; print every problem.

    Exits with 78 when there are problems. Nothing is opened, bound or sent.
    """
    from config.check import check as look

    path = shared.find_config(config)
    report = look(path)
    if as_json:
        problems = [
            {"file": p.file, "line": p.line, "key": p.key, "message": p.message, "remedy": p.remedy}
            for p in report.problems
        ]
        told = {"ok": report.ok, "problems": problems, "cases": report.cases}
        if show and report.loaded is not None:
            from config.show import plain

            told["settings"] = plain(report.loaded.settings)
        terminal.dump(told)
    else:
        for problem in report.problems:
            terminal.warn(str(problem))
    if show and report.loaded is not None and not as_json:
        from config.show import show as shown

        typer.echo(shown(report.loaded.settings), nl=False)
    if report.problems:
        if not as_json:
            terminal.warn(f"{path}: {terminal.count(len(report.problems), 'problem')}")
        raise typer.Exit(Exit.CONFIG)
    if not as_json and not show and report.loaded is not None:
        settings = report.loaded.settings
        terminal.say(
            f"{path} is good: {len(settings.channels)} channels, {len(settings.destinations)} destinations, "
            f"{len(settings.rules.rules)} rules, {report.cases} rule cases passed."
        )


def schema(what: Annotated[Schema, typer.Argument(help="Whose schema.")]) -> None:
    """Print the JSON Schema of the configuration or of the canonical record."""
    if what is Schema.CONFIG:
        from config import schema as settings

        terminal.dump(settings.json_schema())
    else:
        from model import record

        terminal.dump(record.json_schema())


def version() -> None:
    """Print the version."""
    import platform
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as installed

    try:
        found = installed("forebay")
    except PackageNotFoundError:
        found = "unknown"
    terminal.say(f"forebay {found} (Python {platform.python_version()}, {platform.system()})")
