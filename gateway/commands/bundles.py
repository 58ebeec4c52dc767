"""bundle: printed letters, put together, printed and posted."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway import terminal
from gateway.commands import shared
from gateway.commands.shared import Config, Json, Limit
from gateway.terminal import Column, one_line, when
from gateway.trouble import Exit, Trouble

if TYPE_CHECKING:
    from gateway.control import Control

app = typer.Typer(
    no_args_is_help=True,
    help="Printed letters in bundles: close one, print it, and say that it was posted, which is the receipt.",
)

Named = Annotated[str, typer.Argument(metavar="BUNDLE", help="Name or id of a bundle.")]

_COLUMNS = [
    Column("NAME", lambda row: str(row["name"])),
    Column("CHANNEL", lambda row: str(row["channel"])),
    Column("STATE", lambda row: str(row["state"])),
    Column("LETTERS", lambda row: str(row["letters"]), right=True),
    Column("PAGES", lambda row: str(row["pages"] or ""), right=True),
    Column("CLOSED", lambda row: when(row["created_at"])),
    Column("POSTED", lambda row: when(row["posted_at"])),
    Column("BY", lambda row: str(row["posted_by"] or row["created_by"]), grow=True),
]
_LETTERS = [
    Column("NO", lambda row: str(row["n"]), right=True),
    Column("REFERENCE", lambda row: str(row["reference"] or "")),
    Column("PAGES", lambda row: str(row["pages"] or ""), right=True),
    Column("STATE", lambda row: "in the next" if row["taken_out"] else str(row["state"])),
    Column("NAME", lambda row: one_line(row["name"], 30)),
    Column("ADDRESS", lambda row: one_line(row["address"].replace("\n", ", "), 80), grow=True),
]


@app.command("list")
def list_(
    channel: Annotated[str | None, typer.Option("--channel", help="Only of this channel.")] = None,
    limit: Limit = 50,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """List bundles, those first that are not posted, and how many letters wait for one."""
    found = shared.get(config, "/v1/bundles", channel=channel, limit=limit)
    if as_json:
        terminal.dump(found)
        return
    terminal.table(found["bundles"], _COLUMNS, "There is no bundle.")
    for name in found["channels"]:
        n = sum(one["channel"] == name for one in found["waiting"])
        terminal.say(f"{name}: {terminal.count(n, 'letter')} not in a bundle yet.")


@app.command()
def show(bundle: Named, config: Config = None, as_json: Json = False) -> None:
    """Show one bundle with its letters."""
    found = shared.get(config, f"/v1/bundles/{shared.quoted(bundle)}")
    _shown(found, as_json)


@app.command()
def close(
    channel: Annotated[
        str | None, typer.Argument(metavar="[CHANNEL]", help="It may be left out where one channel prints.")
    ] = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Make a bundle of all letters that wait, now; it then lies in the print folder."""
    found = shared.post(config, "/v1/bundles", {"channel": channel} if channel else {})
    _shown(found, as_json)


@app.command("print")
def print_(
    bundle: Named,
    only_list: Annotated[bool, typer.Option("--list", help="Its list alone.")] = False,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="The PDF; default: CHANNEL-NAME.pdf."),
    ] = None,
    config: Config = None,
) -> None:
    """Write a bundle as one PDF, its list first: what lies in the print folder in single files."""

    async def do(house: Control) -> tuple[str, bytes]:
        return await house.download(
            f"/v1/bundles/{shared.quoted(bundle)}/file{'?list=1' if only_list else ''}"
        )

    name, data = shared.with_house(config, do)
    target = output or Path(name)
    try:
        target.write_bytes(data)
    except OSError as error:
        raise Trouble(f"{target}: {error.strerror}", Exit.NO_PERMISSION) from None
    terminal.say(str(target))


@app.command()
def posted(
    bundle: Named,
    without: Annotated[
        list[str] | None,
        typer.Option(
            "--without",
            metavar="LETTER",
            help="One that was not posted, by reference or delivery; again and again.",
        ),
    ] = None,
    at: Annotated[
        str | None,
        typer.Option("--at", help="When, as 2026-11-22T16:00 or a span back such as 2h; default: now."),
    ] = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Say that a bundle was posted: its letters are delivered from then on, and their records answered."""
    body: dict[str, Any] = {"without": without or [], "at": shared.moment(at, "--at")}
    _shown(shared.post(config, f"/v1/bundles/{shared.quoted(bundle)}/posted", body), as_json)


@app.command()
def again(
    letter: Annotated[str, typer.Argument(metavar="LETTER", help="A letter, by reference or delivery.")],
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Take a letter out of its bundle, to be printed again with the next one."""
    found = shared.post(config, "/v1/bundles/again", {"letter": letter})
    if as_json:
        terminal.dump(found)
    else:
        terminal.say(f"{found['reference'] or letter}: out of {found['bundle']}, and in the next bundle.")


def _shown(found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        terminal.dump(found)
        return
    facts: list[tuple[str, Any]] = [(key, found[key]) for key in ("channel", "state", "letters", "pages")]
    for key, by in (("created_at", "created_by"), ("posted_at", "posted_by")):
        facts.append((key.removesuffix("_at"), " by ".join(filter(None, (when(found[key]), found[by])))))
    terminal.facts(str(found["name"]), facts)
    terminal.say("")
    terminal.table(found["list"], _LETTERS, "No letter is in it any more.")
