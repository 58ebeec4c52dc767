"""records and reply: what is registered, and answers to customers."""

from __future__ import annotations

import base64
import mimetypes
import sys
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
    nature: Annotated[str | None, typer.Option("--nature", help="Only of this nature.")] = None,
    department: Annotated[str | None, typer.Option("--department", help="Only of this department.")] = None,
    urgency: Annotated[str | None, typer.Option("--urgency", help="Only this urgent.")] = None,
    since: Annotated[
        str | None, typer.Option("--since", help="Received on this day or later, such as 2026-11-01.")
    ] = None,
    until: Annotated[str | None, typer.Option("--until", help="Received up to the end of this day.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="How many at the most.")] = 50,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """List records, newest first. Every word that is given must stand in a record."""

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
                nature=nature,
                department=department,
                urgency=urgency,
                since=since,
                until=until,
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

    async def all_of_it(house: Control) -> tuple[dict[str, Any], dict[str, Any], str]:
        record = await house.get(path)
        if as_json:
            return record, {}, ""
        return record, await house.get(f"{path}/timeline"), await _way(house, path, None)

    record, timeline, way = shared.with_house(config, all_of_it)
    if as_json:
        terminal.dump(record)
        return
    _print(record, way)
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


async def _way(house: Control, path: str, channel: str | None, text: str | None = None) -> str:
    """How an answer would go now, in a line; told before it is written, and of a text how that would go."""
    try:
        way = await _asked(house, path, channel, text)
    except Trouble as trouble:
        return str(trouble)
    lines = [_goes(way)]
    if way["refused_before"]:
        lines.append(f"{way['to']}: {way['refusal']}")
    if way["preview"]:
        lines.append(_previewed(way["preview"]))
    return "\n".join(lines)


async def _asked(house: Control, path: str, channel: str | None, text: str | None) -> dict[str, Any]:
    if text is None:
        return await house.get(f"{path}/way", channel=channel)
    return await house.post(f"{path}/way", {"text": text, "channel": channel})


def _previewed(told: dict[str, Any]) -> str:
    """How a text would reach the customer, where what carries it counts."""
    if told["refused"]:
        return f"it cannot go as it is: {told['refused']}"
    counted = terminal.count(told["messages"], "message") if told["messages"] else ""
    size = f"{told['size']} of {told['unit']}" if told["size"] else told["unit"]
    reads = f"\nthe customer reads: {one_line(told['text'], 2_000)}" if told["text"] else ""
    return ": ".join(filter(None, (counted, size))) + reads


def _goes(way: dict[str, Any]) -> str:
    window, by = way["window"], way["carried_by"]
    goes = f"by {way['channel']}" + (f" to {way['to']}" if way["to"] else "")
    if window is None:
        return goes
    if window["open"]:
        left = window["messages_left"]
        many = "" if left is None else f", {terminal.count(left, 'message')} left"
        return f"{goes}; the reply window closes in {_span(window['closes_in_minutes'])}{many}"
    closed = f"the reply window of {way['channel']} is closed"
    if by is None:
        return f"{closed}: an answer is held until the customer writes again"
    return f"{closed}: an answer goes by {by}"


def _span(minutes: int) -> str:
    return f"{minutes} minutes" if minutes < 120 else f"{minutes // 60} hours"


def _print(record: dict[str, Any], way: str) -> None:
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
            ("an answer", way),
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
    check: Annotated[
        bool,
        typer.Option(
            "--check",
            help="Only tell how an answer would go now: window, channel, fallback; of a text also its size.",
        ),
    ] = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Answer a customer: by the channel they used, in their thread. The text: --text, --file, or - for input.

    Before a text is read from a terminal, it is told whether the customer's reply window is open, and else what will
    carry the answer.
    """
    path = f"/v1/records/{shared.quoted(reference)}"
    if check:
        said = text if text is not None else shared.read_text(file or "-") if file or stdin else None
        if as_json:
            terminal.dump(shared.with_house(config, lambda house: _asked(house, path, channel, said)))
        else:
            terminal.say(shared.with_house(config, lambda house: _way(house, path, channel, said)))
        return
    if stdin not in (None, "-") or sum(one is not None for one in (stdin, text, file)) != 1:
        raise Trouble("give the text once: --text TEXT, --file FILE, or - for standard input", Exit.USAGE)
    if stdin == "-" and sys.stdin.isatty():
        terminal.warn(shared.with_house(config, lambda house: _way(house, path, channel)))
    body = {
        "text": text if text is not None else shared.read_text(file or "-"),
        "attachments": [_attachment(path) for path in attach or []],
        "channel": channel,
        "cc": cc or [],
        "expects_answer": expects_answer,
    }
    headers = {"Idempotency-Key": key or uuid.uuid4().hex}
    found = shared.with_house(config, lambda house: house.post(f"{path}/replies", body, headers))
    if as_json:
        terminal.dump(found)
        return
    if found.get("state") == "review":
        terminal.say(f"The answer to {found['reference']} waits for its review ({found['id']}).")
        return
    terminal.say(f"The answer to {found.get('reference', reference)} is in the outbox ({found['id']}).")
    if found.get("held"):
        terminal.warn("The customer's reply window is closed: it is held until they write again.")
    elif found.get("carried_by") not in (None, "window"):
        terminal.warn(f"The customer's reply window is closed: it goes by {found['carried_by']}.")


def _attachment(path: Path) -> dict[str, str]:
    return {
        "filename": path.name,
        "media_type": mimetypes.guess_type(path.name)[0] or "application/octet-stream",
        "data": base64.b64encode(shared.read_input(str(path))).decode(),
    }


@app.command()
def merge(
    reference: Reference,
    into: Annotated[str, typer.Argument(metavar="INTO", help="The record that it is a part of.")],
    config: Config = None,
) -> None:
    """Close a record as a part of another of the same customer; what they write to it goes there."""
    told = shared.post(config, f"/v1/records/{shared.quoted(reference)}/merge", {"into": into})
    terminal.say(f"{told['reference']} was merged into {told['into']}")


@app.command()
def unmerge(reference: Reference, config: Config = None) -> None:
    """Undo a merger: the record is as it was before."""
    told = shared.post(config, f"/v1/records/{shared.quoted(reference)}/unmerge")
    terminal.say(f"{told['reference']} is {told['state'].replace('_', ' ')} again")


_Message = Annotated[str, typer.Argument(metavar="MESSAGE", help="The message's own reference.")]


@app.command()
def move(
    message: _Message,
    to: Annotated[str, typer.Argument(metavar="TO", help="The record that it goes to.")],
    config: Config = None,
) -> None:
    """Give a message that joined a record to another one of the same customer."""
    told = shared.post(config, f"/v1/messages/{shared.quoted(message)}/move", {"to": to})
    terminal.say(f"{told['message']} went from {told['from']} to {told['to']}")


@app.command()
def split(message: _Message, config: Config = None) -> None:
    """Make a message that joined a record one of its own."""
    told = shared.post(config, f"/v1/messages/{shared.quoted(message)}/split")
    terminal.say(f"{told['reference']} is a record of its own")


@app.command()
def export(
    reference: Reference,
    format_: Annotated[str, typer.Option("--format", "-f", help="pdf, xlsx or json.")] = "pdf",
    language: Annotated[str | None, typer.Option("--language", help="en or zh-CN.")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Where to; default: its name, here.")
    ] = None,
    config: Config = None,
) -> None:
    """Write a case with its whole story into a file."""
    path = f"/v1/records/{shared.quoted(reference)}/case"
    named, data = shared.with_house(
        config, lambda house: house.download(path, format=format_, language=language)
    )
    out = output or Path(named)
    try:
        out.write_bytes(data)
    except OSError as error:
        raise Trouble(f"cannot write {out}: {error.strerror}") from error
    terminal.say(f"{out} ({len(data):,} bytes)")
