"""records and reply: what is registered, and answers to customers."""

from __future__ import annotations

import base64
import mimetypes
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway import terminal
from gateway.commands import shared
from gateway.commands.shared import Config, Json
from gateway.terminal import Column, one_line, when
from gateway.trouble import Exit, Trouble

if TYPE_CHECKING:
    from gateway.control import Control

app = typer.Typer(no_args_is_help=True, help="Records: what is registered.")

Reference = Annotated[str, typer.Argument(metavar="REFERENCE", help="The number the customer has.")]

#: The API gives so many at once.
_PAGE = 200
_COLUMNS = [
    Column("REFERENCE", lambda row: str(row["reference"])),
    Column("RECEIVED", lambda row: when(row["received_at"])[5:]),
    Column("CHANNEL", lambda row: str(row["channel"]["name"])),
    Column("STATE", lambda row: str(row["state"])),
    Column("SUBJECT", lambda row: one_line(row["subject"] or row["text"], 60), grow=True),
]


@app.command("list")
def list_(
    text: Annotated[
        str | None, typer.Argument(metavar="[TEXT]", help="A reference, an address, or words of the message.")
    ] = None,
    state: Annotated[str | None, typer.Option("--state", "-s", help="Only in this state.")] = None,
    channel: Annotated[str | None, typer.Option("--channel", help="Only of this channel.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="How many at the most.")] = 50,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """List records, newest first."""

    async def pages(house: Control) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        cursor: str | None = None
        while True:
            page = await house.get(
                "/v1/records",
                limit=min(limit - len(found), _PAGE),
                cursor=cursor,
                state=state,
                channel=channel,
                q=text,
            )
            found += page["records"]
            cursor = page["next"]
            if cursor is None or len(found) >= limit:
                return found

    found = shared.with_house(config, pages)
    if as_json:
        terminal.dump({"records": found})
        return
    terminal.table(found, _COLUMNS, "No records match.")


@app.command()
def show(reference: Reference, config: Config = None, as_json: Json = False) -> None:
    """Show one record with its timeline; --json gives the canonical record."""
    path = f"/v1/records/{shared.quoted(reference)}"

    async def both(house: Control) -> tuple[dict[str, Any], dict[str, Any]]:
        return await house.get(path), ({} if as_json else await house.get(f"{path}/timeline"))

    record, timeline = shared.with_house(config, both)
    if as_json:
        terminal.dump(record)
        return
    _print(record)
    columns = [
        Column("AT", lambda one: when(one["at"])),
        Column("WHAT", lambda one: str(one["type"])),
        Column("BY", lambda one: str(one["actor"]), grow=True),
    ]
    terminal.say("")
    terminal.table(timeline["events"], columns, "Nothing happened to it yet.")
    if timeline["deliveries"]:
        sent = [
            Column("SENT", lambda one: when(one["created_at"])),
            Column("PURPOSE", lambda one: str(one["purpose"])),
            Column("TO", lambda one: str(one["target"])),
            Column("STATE", lambda one: str(one["state"])),
            Column(
                "DETAIL", lambda one: one_line(one["detail"] or one["reason"] or one["address"]), grow=True
            ),
        ]
        terminal.say("")
        terminal.table(timeline["deliveries"], sent, "")


def _print(record: dict[str, Any]) -> None:
    who = record["contact"]
    known = [f"{one['kind']} {one['value']}" for one in who["identities"]]
    terminal.facts(
        f"{record['reference']}  {one_line(record['subject'], 60)}",
        [
            ("state", record["state"]),
            ("channel", record["channel"]["name"]),
            ("received", when(record["received_at"])),
            ("from", ", ".join(filter(None, (who["name"], who["company"], *known)))),
            ("nature", record["nature"]),
            ("urgency", record["urgency"]),
            ("department", record["department"]),
            ("missing", record["missing"]),
            ("repeat of", record["repeat_of"]),
            ("attachments", [f"{a['filename']} ({terminal.size(a['size'])})" for a in record["attachments"]]),
            ("omissions", record["omissions"]),
        ],
    )
    terminal.say("")
    terminal.say(record["text"] or record["full_text"])


def reply(
    reference: Reference,
    stdin: Annotated[str | None, typer.Argument(metavar="[-]", help="- reads the text from input.")] = None,
    text: Annotated[str | None, typer.Option("--text", "-t", help="The answer.")] = None,
    file: Annotated[str | None, typer.Option("--file", "-f", help="File with the answer.")] = None,
    attach: Annotated[list[Path] | None, typer.Option("--attach", "-a", help="File to go with it.")] = None,
    channel: Annotated[
        str | None, typer.Option("--channel", help="Another channel than the one it came in by.")
    ] = None,
    cc: Annotated[list[str] | None, typer.Option("--cc", help="Address that gets a copy.")] = None,
    expects_answer: Annotated[
        bool, typer.Option("--expects-answer", help="The customer is asked for something.")
    ] = False,
    key: Annotated[
        str | None, typer.Option("--key", help="Idempotency key: the same key twice is one answer.")
    ] = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Answer a customer: by the channel they used, in their thread. The text: --text, --file, or - for input."""
    if stdin not in (None, "-") or sum(one is not None for one in (stdin, text, file)) != 1:
        raise Trouble("give the text once: --text TEXT, --file FILE, or - for standard input", Exit.USAGE)
    body = {
        "text": text if text is not None else shared.read_text(file or "-"),
        "attachments": [_attachment(path) for path in attach or []],
        "channel": channel,
        "cc": cc or [],
        "expects_answer": expects_answer,
    }
    headers = {"Idempotency-Key": key or uuid.uuid4().hex}
    path = f"/v1/records/{shared.quoted(reference)}/replies"
    found = shared.with_house(config, lambda house: house.post(path, body, headers))
    if as_json:
        terminal.dump(found)
        return
    terminal.say(f"The answer to {found.get('reference', reference)} is in the outbox ({found['id']}).")


def _attachment(path: Path) -> dict[str, str]:
    return {
        "filename": path.name,
        "media_type": mimetypes.guess_type(path.name)[0] or "application/octet-stream",
        "data": base64.b64encode(shared.read_input(str(path))).decode(),
    }
