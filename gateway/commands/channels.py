"""channel: how each channel and destination is, and the verbs on them."""

from __future__ import annotations

from typing import Annotated

import typer

from gateway import terminal
from gateway.commands import shared
from gateway.commands.shared import Config, Json
from gateway.terminal import Column, one_line, when
from gateway.trouble import Exit

app = typer.Typer(no_args_is_help=True, help="Channels and destinations: how they are; probe, pause, resume.")

Name = Annotated[str, typer.Argument(help="Channel or destination.")]

_COLUMNS = [
    Column("NAME", lambda row: str(row["name"])),
    Column("KIND", lambda row: str(row["kind"])),
    Column("STATE", lambda row: str(row["state"])),
    Column("DOES", lambda row: ", ".join(row.get("roles", ()))),
    Column("WAITING", lambda row: str(row.get("waiting") or ""), right=True),
    Column("LAST IN", lambda row: when(row.get("last_in_at"))[5:]),
    Column(
        "DETAIL",
        lambda row: "\n".join(
            one_line(row[name]) for name in ("paused", "detail", "repair") if row.get(name)
        ),
        grow=True,
    ),
]


@app.command("list")
def list_(config: Config = None, as_json: Json = False) -> None:
    """List channels and destinations with their health."""
    found = shared.get(config, "/v1/channels")
    if as_json:
        terminal.dump(found)
        return
    terminal.table(found["channels"], _COLUMNS, "The configuration has no channels.")


@app.command()
def probe(name: Name, config: Config = None, as_json: Json = False) -> None:
    """Make a real round trip now; exits with 69 when it fails."""
    found = shared.post(config, f"/v1/channels/{shared.quoted(name)}/probe")
    if as_json:
        terminal.dump(found)
    else:
        terminal.facts(name, [(key, found.get(key)) for key in ("state", "detail", "repair")])
    if found.get("state") == "failing":
        raise typer.Exit(Exit.UNAVAILABLE)


@app.command()
def pause(name: Name, config: Config = None, as_json: Json = False) -> None:
    """Fetch nothing and send nothing through it; its door answers 503. Kept over restarts."""
    _verb(config, name, "pause", as_json)


@app.command()
def resume(name: Name, config: Config = None, as_json: Json = False) -> None:
    """Let it go on, and try at once what waits."""
    _verb(config, name, "resume", as_json)


def _verb(config: Config, name: str, verb: str, as_json: bool) -> None:
    found = shared.post(config, f"/v1/channels/{shared.quoted(name)}/{verb}")
    if as_json:
        terminal.dump(found)
        return
    terminal.say(f"{name}: {'paused' if verb == 'pause' else 'goes on'}.")
