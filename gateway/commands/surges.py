"""surge: the same matter from many customers, shown, answered at once, dissolved."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from gateway import terminal
from gateway.commands import shared
from gateway.commands.shared import Config, Json
from gateway.terminal import Column, one_line, when
from gateway.trouble import Trouble

app = typer.Typer(no_args_is_help=True, help="Surges: the same matter from many customers at once.")

Surge = Annotated[str, typer.Argument(metavar="SURGE", help="Id of a surge, from `surge list`.")]

_SURGES = [
    Column("SURGE", lambda row: str(row["id"])),
    Column("LAST", lambda row: when(row["last_at"])[5:]),
    Column("RECORDS", lambda row: str(row["records"])),
    Column("PEOPLE", lambda row: str(row["people"])),
    Column("STATE", lambda row: "answered" if row["answered"] else str(row["state"])),
    Column("SUBJECT", lambda row: one_line(row["subject"], 60), grow=True),
]
_RECORDS = [
    Column("REFERENCE", lambda row: str(row["reference"])),
    Column("RECEIVED", lambda row: when(row["received_at"])[5:]),
    Column("CHANNEL", lambda row: str(row["channel"])),
    Column("STATE", lambda row: str(row["state"])),
    Column("SUBJECT", lambda row: one_line(row["subject"] or row["text"], 60), grow=True),
]


@app.command("list")
def list_(config: Config = None, as_json: Json = False) -> None:
    """List the latest surges."""
    found = shared.get(config, "/v1/surges")
    if as_json:
        terminal.dump(found)
        return
    terminal.table(found["surges"], _SURGES, "No matter came from many customers at once.")


@app.command()
def show(surge: Surge, config: Config = None, as_json: Json = False) -> None:
    """Show a surge: its records, and what was answered to all of it."""
    found = shared.get(config, f"/v1/surges/{shared.quoted(surge)}")
    if as_json:
        terminal.dump(found)
        return
    terminal.table(found["records"], _RECORDS, "No record is left in it.")
    for one in found["answers"]:
        terminal.say("")
        _answered(one)


@app.command()
def answer(
    surge: Surge,
    text: Annotated[str, typer.Option("--text", "-t", help="What all of them are told.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    config: Config = None,
) -> None:
    """Answer all records of a surge that were not answered, each by the channel that its customer used."""
    path = f"/v1/surges/{shared.quoted(surge)}"
    preview = shared.post(config, f"{path}/preview", {"text": text})
    by = ", ".join(f"{name} {n}" for name, n in preview["channels"].items())
    terminal.say(f"{terminal.count(preview['records'], 'record')}: {by or '–'}")
    for no in preview["refused"]:
        terminal.say(f"{no['reference']}: {no['why']}")
    if not yes and not typer.confirm("Send it?"):
        raise Trouble("nothing was sent")
    found = shared.post(config, f"{path}/answer", {"text": text})
    _answered(found["answers"][-1])


@app.command()
def dissolve(surge: Surge, config: Config = None) -> None:
    """Say that they are different matters: all are taken out, and are as urgent as they were."""
    told = shared.post(config, f"/v1/surges/{shared.quoted(surge)}/dissolve")
    terminal.say(f"dissolved; {terminal.count(told['records'], 'record')} taken out")


def _answered(one: dict[str, Any]) -> None:
    how = "went" if one["state"] == "done" else "is on its way"
    terminal.say(f"The answer of {when(one['at'])} {how} to {terminal.count(one['answered'], 'record')}.")
    for no in one["refused"]:
        terminal.say(f"{no['reference']}: {no['why']}")
