"""person: everything that is kept of one person, shown, given out, erased."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gateway import terminal
from gateway.commands import shared
from gateway.commands.shared import Config, Json
from gateway.trouble import Trouble

app = typer.Typer(no_args_is_help=True, help="Everything of one person: show it, give it out, erase it.")

Person = Annotated[
    str, typer.Argument(metavar="PERSON", help="A contact's id, an address or number, or KIND:VALUE.")
]


@app.command()
def show(person: Person, config: Config = None, as_json: Json = False) -> None:
    """Tell what there is of a person."""
    found = shared.with_house(config, lambda house: house.post("/v1/persons/show", {"person": person}))
    if as_json:
        terminal.dump(found)
        return
    known = ", ".join(f"{one['kind']}:{one['value']}" for one in found["identities"])
    terminal.say(f"known by {known or 'nothing'}")
    terminal.say(f"{terminal.count(len(found['records']), 'record')}: {', '.join(found['records']) or '–'}")
    _also(found["loose"], found["with_others"])


@app.command()
def export(
    person: Person,
    out: Annotated[Path, typer.Option("--output", "-o", help="The ZIP to write.")],
    config: Config = None,
) -> None:
    """Write everything of a person to a ZIP: who they are, records, timelines, messages and files."""
    _, data = shared.with_house(
        config, lambda house: house.download("/v1/persons/export", body={"person": person})
    )
    try:
        out.touch(mode=0o600)
        out.write_bytes(data)
    except OSError as error:
        raise Trouble(f"cannot write {out}: {error.strerror}") from error
    terminal.say(f"{out} ({len(data):,} bytes)")


@app.command()
def erase(
    person: Person,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would be erased.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    config: Config = None,
) -> None:
    """Erase everything of a person, for good. What has been erased cannot come in again by its source."""
    body = {"person": person, "dry_run": True}
    found = shared.with_house(config, lambda house: house.post("/v1/persons/erase", body))
    terminal.say(f"{terminal.count(len(found['records']), 'record')}: {', '.join(found['records']) or '–'}")
    _also(found["loose"], found["with_others"])
    if dry_run:
        return
    if not yes and not typer.confirm("Erase all of it, for good?"):
        raise Trouble("nothing was erased")
    done = shared.with_house(
        config, lambda house: house.post("/v1/persons/erase", {**body, "dry_run": False})
    )
    terminal.say("erased" if done["erased"] else "begun; a daemon goes on with it until it is done")


def _also(loose: int, with_others: int) -> None:
    if loose:
        terminal.say(f"{terminal.count(loose, 'message')} that became no record")
    if with_others:
        terminal.say(
            f"{terminal.count(with_others, 'scan')} or file of many messages holds theirs beside others', and stays"
            " until those are gone"
        )
