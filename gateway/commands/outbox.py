"""outbox: what is to be sent, what could not be, and the verbs that mend it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway import terminal
from gateway.commands import shared
from gateway.commands.shared import MOST, Config, Json, Limit, Yes
from gateway.terminal import Column, one_line, when
from gateway.trouble import Exit, Trouble

if TYPE_CHECKING:
    from gateway.control import Control

app = typer.Typer(no_args_is_help=True, help="Deliveries: what is to be sent, and what could not be.")

Ids = Annotated[list[str] | None, typer.Argument(metavar="ID...", help="Ids of deliveries.")]
State = Annotated[list[str] | None, typer.Option("--state", "-s", help="State; may be given again.")]
Target = Annotated[str | None, typer.Option("--target", "-t", help="Only to this channel or destination.")]
Purpose = Annotated[
    str | None, typer.Option("--purpose", help="Only of this purpose: reply, acknowledgement, hand_over, …")
]
Choose = Callable[["Control"], Awaitable[list[str]]]


def _why(row: Mapping[str, Any]) -> str:
    """What is known of its way, short: the second line below the id."""
    said = ": ".join(one_line(row.get(name)) for name in ("reason", "detail") if row.get(name))
    to = one_line(row.get("address"))
    return f"{said} ({to})" if said and to and row["state"] == "cancelled" else said or to


_COLUMNS = [
    Column("ID", lambda row: "\n".join(one for one in (str(row["id"]), _why(row)) if one), grow=True),
    Column("STATE", lambda row: f"{row['state']}\n{row['purpose']}"),
    Column("TO", lambda row: f"{row['target']}\n{row.get('reference') or ''}"),
    Column("SINCE", lambda row: when(row["created_at"])[5:].replace(" ", "\n")),
]


@app.command("list")
def list_(
    state: State = None,
    target: Target = None,
    purpose: Purpose = None,
    suppressed: Annotated[
        bool, typer.Option("--suppressed", help="Acknowledgements that were not sent, and why.")
    ] = False,
    limit: Limit = 50,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """List deliveries, newest first; without --state those of every state."""
    found = shared.get(
        config,
        "/v1/outbox",
        state=state or [],
        target=target,
        purpose=purpose,
        suppressed="1" if suppressed else None,
        limit=limit,
    )
    if as_json:
        terminal.dump(found)
        return
    terminal.table(found["deliveries"], _COLUMNS, "No deliveries match.")


@app.command()
def show(
    delivery: Annotated[str, typer.Argument(metavar="ID", help="Id of the delivery.")],
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Show one delivery with its attempts."""
    found = shared.get(config, f"/v1/outbox/{shared.quoted(delivery)}")
    if as_json:
        terminal.dump(found)
        return
    row = dict(found)
    tries, body = row.pop("tries", []), row.pop("body", {})
    for name in ("created_at", "next_at", "expires_at", "settled_at"):
        row[name] = when(row.get(name))
    if isinstance(body, Mapping):
        row["subject"], row["text"] = body.get("subject"), body.get("text")
    terminal.facts(str(row.pop("id")), list(row.items()))
    columns = [
        Column("TRY", lambda one: str(one["n"]), right=True),
        Column("BEGAN", lambda one: when(one["started_at"])),
        Column("OUTCOME", lambda one: str(one["outcome"] or one["phase"])),
        Column("DETAIL", lambda one: " ".join(filter(None, (one["code"], one["detail"]))), grow=True),
    ]
    terminal.say("")
    terminal.table(tries, columns, "It was never tried.")


@app.command()
def redrive(
    ids: Ids = None,
    state: State = None,
    target: Target = None,
    purpose: Purpose = None,
    yes: Yes = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Try dead, expired or held deliveries again, now: the same message with the same key."""
    result = shared.apply(
        config, "/v1/outbox/redrive", ids or [], _chosen(state, target, purpose, ["dead"]), {},
        question="Try again", noun="delivery", yes=yes,
    )  # fmt: skip
    shared.told(result, as_json, {"redriven": "redriven {n}"})


@app.command()
def cancel(
    ids: Ids = None,
    state: State = None,
    target: Target = None,
    purpose: Purpose = None,
    yes: Yes = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Never send them."""
    result = shared.apply(
        config, "/v1/outbox/cancel", ids or [], _chosen(state, target, purpose, _UNSENT), {},
        question="Never send", noun="delivery", yes=yes,
    )  # fmt: skip
    shared.told(result, as_json, {"cancelled": "cancelled {n}"})


@app.command()
def hold(
    ids: Ids = None,
    state: State = None,
    target: Target = None,
    purpose: Purpose = None,
    yes: Yes = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Keep them back until they are released."""
    result = shared.apply(
        config, "/v1/outbox/hold", ids or [], _chosen(state, target, purpose, ["waiting"]), {},
        question="Keep back", noun="delivery", yes=yes,
    )  # fmt: skip
    shared.told(result, as_json, {"held": "kept {n} back"})


@app.command()
def release(
    ids: Ids = None,
    target: Target = None,
    purpose: Purpose = None,
    every: Annotated[bool, typer.Option("--all", help="All that are held.")] = False,
    yes: Yes = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Let held deliveries go."""
    chosen = _chosen(["held"] if every else None, target, purpose, ["held"])
    result = shared.apply(
        config, "/v1/outbox/release", ids or [], chosen, {}, question="Let go", noun="delivery", yes=yes
    )
    shared.told(result, as_json, {"released": "released {n}"})


@app.command()
def resolve(
    ids: Annotated[list[str], typer.Argument(metavar="ID...", help="Ids of uncertain deliveries.")],
    delivered: Annotated[
        bool | None, typer.Option("--delivered/--not-delivered", help="What the far side says.")
    ] = None,
    yes: Yes = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Say whether uncertain deliveries arrived; those that did not are sent again."""
    if delivered is None:
        raise Trouble("say what the far side says: --delivered or --not-delivered", Exit.USAGE)
    result = shared.apply(
        config, "/v1/outbox/resolve", ids, None, {"delivered": delivered},
        question="Count as delivered" if delivered else "Send again", noun="delivery", yes=yes,
    )  # fmt: skip
    shared.told(result, as_json, {"resolved": "resolved {n}"})


#: What a selection without --state cancels: that which the far side has not got.
_UNSENT = ["waiting", "held", "dead"]


def _chosen(
    state: list[str] | None, target: str | None, purpose: str | None, otherwise: list[str]
) -> Choose | None:
    if not (state or target or purpose):
        return None

    async def find(house: Control) -> list[str]:
        found = await house.get(
            "/v1/outbox", state=state or otherwise, target=target, purpose=purpose, limit=MOST
        )
        return [str(one["id"]) for one in found["deliveries"]]

    return find
