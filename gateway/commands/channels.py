"""channel: how each channel and destination is, and the verbs on them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway import terminal
from gateway.commands import shared
from gateway.commands.shared import Config, Json, Yes
from gateway.terminal import Column, one_line, when
from gateway.trouble import Exit

if TYPE_CHECKING:
    from gateway.control import Control

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
    """Make a real round trip to the far side now; with the repair step, and exit code 69, when it fails."""
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


@app.command()
def authorise(name: Name, config: Config = None, as_json: Json = False) -> None:
    """Let a person consent, for a channel that logs in by tokens (Gmail, Microsoft 365).

    Open the printed address in any browser and consent as the mailbox. The browser is then sent to an address where
    nothing answers: copy that address, and paste it here.
    """

    async def do(house: Control) -> dict[str, Any]:
        path = f"/v1/channels/{shared.quoted(name)}/authorise"
        begun = await house.post(path)
        terminal.warn(f"Open this in a browser, and consent as the mailbox:\n\n{begun['url']}\n")
        terminal.warn(
            "Then paste the address that the browser was sent to (it begins with http://localhost):"
        )
        return await house.post(path, {"answer": sys.stdin.readline().strip()})

    found = shared.with_house(config, do)
    if as_json:
        terminal.dump(found)
        return
    until = found.get("authorised_until")
    terminal.say(f"{name}: authorised{f' until {when(until)}, renewed with each use' if until else ''}.")


def backfill(
    name: Annotated[str, typer.Argument(metavar="CHANNEL", help="A channel that polls, such as a mailbox.")],
    since: Annotated[str, typer.Option(metavar="DATE", help="First day, such as 2026-11-01, or 7d back.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count what is there.")] = False,
    yes: Yes = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Fetch what came before a channel's first connection, or was passed over: everything since a day.

    What is registered already is recognised and not registered again. New messages go first.
    """
    day = str(shared.moment(since))[:10]

    async def do(house: Control) -> dict[str, Any]:
        path = f"/v1/channels/{shared.quoted(name)}/backfill"
        found = await house.post(path, {"since": day, "dry_run": True})
        total = sum(found["found"].values())
        if dry_run or not total:
            return found
        places = ", ".join(f"{place}: {count:,}" for place, count in found["found"].items())
        terminal.confirm(f"Fetch {terminal.count(total, 'message')} since {day} ({places}).", yes)
        return await house.post(path, {"since": day})

    found = shared.with_house(config, do)
    if as_json:
        terminal.dump(found)
        return
    for place, count in found["found"].items():
        terminal.say(f"{place}: {terminal.count(count, 'message')} since {day}")
    if not found["dry_run"]:
        terminal.say(f"{name}: they will be fetched by whoever polls it, after what is new.")


def _verb(config: Config, name: str, verb: str, as_json: bool) -> None:
    found = shared.post(config, f"/v1/channels/{shared.quoted(name)}/{verb}")
    if as_json:
        terminal.dump(found)
        return
    terminal.say(f"{name}: {'paused' if verb == 'pause' else 'goes on'}.")
