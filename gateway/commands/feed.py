"""feed: what destinations are told, told again or filled in; and the document that describes it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gateway import terminal
from gateway.commands import shared
from gateway.commands.shared import Config, Json
from gateway.trouble import Exit, Trouble

app = typer.Typer(no_args_is_help=True, help="What destinations are told: replay, backfill, description.")

From = Annotated[
    str,
    typer.Option("--from", metavar="TIME", help="Since when: a date, a time, or a span back such as 2h, 7d."),
]
To = Annotated[str, typer.Option("--to", metavar="TIME", help="Until when; default: now.")]
Destination = Annotated[
    str | None,
    typer.Option("--destination", "-d", help="Which; needed where several could be meant."),
]


@app.command()
def replay(
    since: From,
    until: To = "0m",
    destination: Destination = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Tell a stream or a system of your own again what it was told between two times, with the same ids."""
    name = destination or _only(config)
    _queue(config, "replay", since, until, {"destination": name}, as_json)


@app.command()
def backfill(
    destination: Annotated[str, typer.Argument(help="The destination that was added.")],
    since: From,
    until: To = "0m",
    channel: Annotated[str | None, typer.Option("--channel", help="Only records of this channel.")] = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Hand over the records of the past to a destination that has not had them, each once."""
    more = {"channel": channel} if channel else {}
    _queue(config, "backfill", since, until, {"destination": destination, **more}, as_json)


@app.command()
def asyncapi(
    out: Annotated[Path | None, typer.Option("--out", "-o", help="File; default: standard output.")] = None,
) -> None:
    """Print the AsyncAPI document of the events."""
    import json

    from gateway.asyncapi import document

    text = json.dumps(document(), ensure_ascii=False, indent=1)
    if out is None:
        terminal.say(text)
    else:
        out.write_text(text + "\n", encoding="utf-8")


def _queue(
    config: Path | None, verb: str, since: str, until: str, more: dict[str, str], as_json: bool
) -> None:
    span = {"from": shared.moment(since, "--from"), "to": shared.moment(until, "--to")}
    told = shared.post(config, f"/v1/admin/{verb}", {**more, **span})
    if as_json:
        terminal.dump(told)
    else:
        terminal.say(f"{told['queued']} queued for {more['destination']}.")


def _only(config: Path | None) -> str:
    """The only destination that can be told again."""
    from destinations.catalog import CATALOG

    named = shared.load(config).settings.destinations
    found = [name for name, one in named.items() if CATALOG[one.kind].replays]
    if len(found) == 1:
        return found[0]
    able = ", ".join(sorted(found)) or "none"
    raise Trouble(f"say which with --destination; these can be told again: {able}", Exit.USAGE)
