"""inbox: what came in and stands aside, and the verbs that mend it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway import terminal
from gateway.commands import shared
from gateway.commands.shared import MOST, Config, Json, Limit, Yes
from gateway.terminal import Column, one_line, when

if TYPE_CHECKING:
    from gateway.control import Control

app = typer.Typer(no_args_is_help=True, help="Envelopes: what came in, and what stands aside.")

Ids = Annotated[list[str] | None, typer.Argument(metavar="ID...", help="Ids or references of envelopes.")]
State = Annotated[list[str] | None, typer.Option("--state", "-s", help="State; may be given again.")]
Channel = Annotated[str | None, typer.Option("--channel", help="Only of this channel.")]
Since = Annotated[
    str | None, typer.Option("--since", help="Only received since: a time, or a span such as 2h or 7d.")
]
Choose = Callable[["Control"], Awaitable[list[str]]]

_COLUMNS = [
    Column("REFERENCE", lambda row: str(row["reference"])),
    Column("CHANNEL", lambda row: str(row["channel"])),
    Column("STATE", lambda row: str(row["state"])),
    Column("RECEIVED", lambda row: when(row["received_at"])),
    Column("WHY", lambda row: one_line(row["reason"]), grow=True),
]


@app.command("list")
def list_(
    state: State = None,
    channel: Channel = None,
    since: Since = None,
    limit: Limit = 50,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """List envelopes, newest first; without --state those of every state."""
    found = shared.get(
        config, "/v1/inbox", state=state or [], channel=channel, since=shared.moment(since), limit=limit
    )
    if as_json:
        terminal.dump(found)
        return
    terminal.table(found["envelopes"], _COLUMNS, "No envelopes match.")


@app.command()
def show(
    envelope: Annotated[str, typer.Argument(metavar="ID", help="Id or reference.")],
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Show one envelope."""
    found = shared.get(config, f"/v1/inbox/{shared.quoted(envelope)}")
    if as_json:
        terminal.dump(found)
        return
    row = dict(found)
    for name in ("received_at", "sent_at"):
        row[name] = when(row.get(name))
    row["sightings"] = [when(at) for at in row.get("sightings", [])]
    row["size"] = terminal.size(row.get("size"))
    terminal.facts(str(row.pop("reference", envelope)), list(row.items()))


@app.command()
def replay(
    ids: Ids = None,
    state: State = None,
    channel: Channel = None,
    since: Since = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show which fields would change; change nothing.")
    ] = False,
    yes: Yes = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Read envelopes again; an acknowledgement or hand-over is never repeated."""
    result = shared.apply(
        config, "/v1/inbox/replay", ids or [], _chosen(state, channel, since), {"dry_run": dry_run},
        question="Read again", noun="envelope", yes=yes, ask=not dry_run,
    )  # fmt: skip
    if as_json:
        terminal.dump(result)
        return
    columns = [
        Column("REFERENCE", lambda row: str(row["reference"])),
        Column("RESULT", lambda row: _outcome(row, dry_run), grow=True),
    ]
    terminal.table(result.get("replayed", []), columns, "Nothing matches.")


@app.command()
def release(
    ids: Ids = None,
    channel: Channel = None,
    since: Since = None,
    every: Annotated[bool, typer.Option("--all", help="All that are held.")] = False,
    yes: Yes = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Let held envelopes go on to be registered."""
    chosen = _chosen(["held"], channel, since) if every or channel or since else None
    result = shared.apply(
        config, "/v1/inbox/release", ids or [], chosen, {}, question="Let go on", noun="envelope", yes=yes
    )
    shared.told(result, as_json, {"released": "released {n}"})


@app.command()
def ignore(
    reason: Annotated[str, typer.Option("--reason", "-r", help="Why; it is kept with the envelope.")],
    ids: Ids = None,
    state: State = None,
    channel: Channel = None,
    since: Since = None,
    yes: Yes = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Set held or quarantined envelopes aside for good; the row stays and says why."""
    chosen = _chosen(state or ["held", "quarantined"], channel, since) if state or channel or since else None
    result = shared.apply(
        config, "/v1/inbox/ignore", ids or [], chosen, {"reason": reason},
        question="Set aside for good", noun="envelope", yes=yes,
    )  # fmt: skip
    shared.told(result, as_json, {"ignored": "set {n} aside"})


def _chosen(state: list[str] | None, channel: str | None, since: str | None) -> Choose | None:
    if not (state or channel or since):
        return None
    moment = shared.moment(since)

    async def find(house: Control) -> list[str]:
        found = await house.get("/v1/inbox", state=state or [], channel=channel, since=moment, limit=MOST)
        return [str(one["id"]) for one in found["envelopes"]]

    return find


def _outcome(row: Mapping[str, Any], dry_run: bool) -> str:
    if "error" in row:
        return f"cannot be read: {row['error']}"
    if "left" in row:
        return f"left alone: {row['left']}"
    if "back" in row:
        return "back in the line" if row["back"] else "left alone: somebody else moved it meanwhile"
    changes: Mapping[str, Any] = row.get("changes", {})
    if not changes:
        return "reads the same"
    will = "would change" if dry_run else "changed"
    lines = [f"{will}: {', '.join(sorted(changes))}"]
    if dry_run:
        lines += [f"  {name}: {_short(old)} → {_short(new)}" for name, (old, new) in sorted(changes.items())]
    return "\n".join(lines)


def _short(value: Any) -> str:
    return "nothing" if value in (None, "") else one_line(str(value), 60)
