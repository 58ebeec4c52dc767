"""review: answers that a second person looks at before they leave."""

from __future__ import annotations

from typing import Annotated

import typer

from gateway import terminal
from gateway.commands import shared
from gateway.commands.shared import Config, Json
from gateway.terminal import Column, one_line, when

app = typer.Typer(no_args_is_help=True, help="Answers that a second person looks at before they leave.")

Review = Annotated[str, typer.Argument(metavar="REVIEW", help="Id of an answer, from `review list`.")]

_COLUMNS = [
    Column("REVIEW", lambda row: str(row["id"])),
    Column("REFERENCE", lambda row: str(row["reference"])),
    Column("SINCE", lambda row: when(row["at"])[5:]),
    Column("BY", lambda row: str(row["by"])),
    Column("TEXT", lambda row: one_line(row["text"], 80), grow=True),
]


@app.command("list")
def list_(config: Config = None, as_json: Json = False) -> None:
    """List what waits, the oldest first."""
    found = shared.get(config, "/v1/reviews")
    if as_json:
        terminal.dump(found)
        return
    terminal.table(found["reviews"], _COLUMNS, "No answer waits for its review.")


@app.command()
def approve(
    review: Review,
    text: Annotated[str | None, typer.Option("--text", "-t", help="Another text instead.")] = None,
    config: Config = None,
) -> None:
    """Let an answer leave that somebody else wrote."""
    told = shared.post(config, f"/v1/reviews/{shared.quoted(review)}/approve", {"text": text})
    terminal.say(f"The answer to {told['reference']} is in the outbox ({told['id']}).")


@app.command("return")
def return_(
    review: Review,
    why: Annotated[str, typer.Option("--why", help="What who wrote it reads.")],
    config: Config = None,
) -> None:
    """Return an answer to who wrote it; nothing leaves."""
    told = shared.post(config, f"/v1/reviews/{shared.quoted(review)}/return", {"reason": why})
    terminal.say(f"The answer to {told['reference']} was returned.")
