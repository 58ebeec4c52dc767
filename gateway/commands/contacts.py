"""contact: who is who, and what is said to be one person."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from gateway import terminal
from gateway.commands import shared
from gateway.commands.shared import Config, Json
from gateway.terminal import Column, one_line, when
from gateway.trouble import Exit, Trouble

app = typer.Typer(
    no_args_is_help=True, help="Contacts: who is who; link two that are one person, or undo it."
)

Named = Annotated[str, typer.Argument(metavar="CONTACT", help="Id, address, or kind:value of an identity.")]

_IDENTITIES = [
    Column("KIND", lambda row: str(row["kind"])),
    Column("VALUE", lambda row: one_line(row["value"], 60)),
    Column("SINCE", lambda row: when(row["since"])),
    Column("EVIDENCE", lambda row: one_line(row["evidence"], 80), grow=True),
]
_LINKS = [
    Column("LINK", lambda row: str(row["id"])),
    Column("STATE", lambda row: str(row["state"])),
    Column("OTHER", lambda row: str(row["other"])),
    Column("BY", lambda row: str(row["undone_by"] or row["actor"])),
    Column("EVIDENCE", lambda row: one_line(f"{row['kind']}: {row['evidence']}", 80), grow=True),
]
_BLOCKED = [
    Column("KIND", lambda row: str(row["kind"])),
    Column("VALUE", lambda row: one_line(row["value"], 60)),
    Column("SINCE", lambda row: when(row["since"])),
    Column("BY", lambda row: str(row["by"])),
    Column("WHY", lambda row: one_line(row["why"], 80), grow=True),
]
_RECORDS = [
    Column("REFERENCE", lambda row: str(row["reference"])),
    Column("CHANNEL", lambda row: str(row["channel"])),
    Column("STATE", lambda row: str(row["state"])),
    Column("SUBJECT", lambda row: one_line(row["subject"], 60), grow=True),
]


@app.command()
def show(contact: Named, config: Config = None, as_json: Json = False) -> None:
    """Show a person: identities with their evidence, links and proposals, and records."""
    found = shared.get(config, f"/v1/contacts/{shared.quoted(contact)}")
    if as_json:
        terminal.dump(found)
        return
    people = found["contacts"]
    names = ", ".join(dict.fromkeys(filter(None, (one["name"] for one in people))))
    refused = [address for one in people for address in one["unreachable"]]
    terminal.facts(names or found["id"], [("contact", found["id"]), ("refused", refused)])
    terminal.say("")
    terminal.table(found["identities"], _IDENTITIES, "Nothing is known to reach them by.")
    if found["links"]:
        terminal.say("")
        terminal.table(found["links"], _LINKS, "")
    terminal.say("")
    terminal.table(found["records"], _RECORDS, "No records.")


@app.command()
def link(
    contact: Annotated[
        str | None, typer.Argument(metavar="[CONTACT]", help="Id, address, or kind:value of an identity.")
    ] = None,
    other: Annotated[
        str | None, typer.Argument(metavar="[OTHER]", help="The one who is the same person.")
    ] = None,
    evidence: Annotated[str, typer.Option("--evidence", "-e", help="By what that is known.")] = "",
    proposal: Annotated[
        str | None, typer.Option("--proposal", "-p", metavar="LINK", help="Accept what was proposed.")
    ] = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Say that two contacts are one person: CONTACT OTHER --evidence TEXT, or --proposal LINK."""
    if (proposal is None) == (other is None):
        raise Trouble("give two contacts with --evidence, or --proposal LINK", Exit.USAGE)
    body = {"link": proposal, "contact": contact, "other": other, "evidence": evidence}
    _told(shared.post(config, "/v1/contacts/link", body), as_json)


@app.command()
def unlink(
    link: Annotated[
        str, typer.Argument(metavar="LINK", help="Id of a link or a proposal, from `contact show`.")
    ],
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Take a link back, or refuse a proposal. It stays in the list, with who did it."""
    _told(shared.post(config, "/v1/contacts/unlink", {"link": link}), as_json)


def _told(found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        terminal.dump(found)
        return
    terminal.say(f"{found['link']}: {found['state']}.")


@app.command()
def block(
    contact: Named,
    why: Annotated[str, typer.Option("--why", help="It stands beside their name.")],
    config: Config = None,
) -> None:
    """Hear somebody no more: what they send is set aside as ignored, and counted."""
    body = {"contact": contact, "evidence": why}
    told = shared.with_house(config, lambda house: house.post("/v1/contacts/block", body))
    terminal.say(f"blocked: {', '.join(told['blocked'])}")


@app.command()
def unblock(contact: Named, config: Config = None) -> None:
    """Hear somebody again; `forebay inbox replay` takes in what was set aside meanwhile."""
    told = shared.with_house(config, lambda house: house.post("/v1/contacts/unblock", {"contact": contact}))
    terminal.say("heard again" if told["unblocked"] else "they were not blocked")


@app.command()
def blocked(config: Config = None, as_json: Json = False) -> None:
    """List everybody who is heard no more."""
    found = shared.get(config, "/v1/blocked")
    if as_json:
        terminal.dump(found)
        return
    terminal.table(found["blocked"], _BLOCKED, "Nobody is blocked.")
