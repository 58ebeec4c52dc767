"""run, reload, release, audit: the house as a whole."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import typer

from gateway import terminal, tuning
from gateway.commands import shared
from gateway.commands.shared import Config, Json, Yes
from gateway.terminal import Column
from gateway.trouble import Exit, Trouble

if TYPE_CHECKING:
    from gateway.control import Control


def run(config: Config = None) -> None:
    """Run the daemon until it is told to stop (SIGTERM, SIGINT); SIGHUP reloads the configuration."""
    tuning.hurry()
    loaded = shared.load(config)
    from gateway import daemon
    from store.errors import FolderInUse, StoreError

    def ready(url: str, token: str | None) -> None:
        tuning.settle()
        terminal.say(f"Forebay is open at {url}")
        terminal.say(f"The desk: {url}/desk")
        kept = loaded.settings.data / "admin-token"
        if token is not None:
            terminal.say(f"Token of the administrator, shown this once and kept in {kept}: {token}")
        elif not loaded.settings.api.admin_token:
            terminal.say(f"The token of the administrator is in {kept}")

    try:
        code = _loop(daemon.run(loaded, ready=ready))
    except (FolderInUse, OSError) as error:
        raise Trouble(_said(error), Exit.UNAVAILABLE) from None
    except StoreError as error:
        raise Trouble(str(error), Exit.CONFIG) from None
    except (ImportError, ValueError) as error:
        # A kind whose extra is not installed, a proxy that is none: said for the operator by whoever raised it.
        raise Trouble(str(error), Exit.CONFIG) from error
    raise typer.Exit(code)


def _loop(daemon: Any) -> int:
    """Run on uvloop where there is one: a third faster at the doors."""
    try:
        import uvloop
    except ImportError:
        return int(asyncio.run(daemon))
    return int(uvloop.run(daemon))


def _said(error: BaseException) -> str:
    return str(error.strerror) if isinstance(error, OSError) and error.strerror else str(error)


def reload(config: Config = None, as_json: Json = False) -> None:
    """Have the daemon read its configuration again; a bad file changes nothing."""

    async def do(house: Control) -> dict[str, Any]:
        if not house.running:
            raise Trouble("no daemon runs; the configuration is read when one starts", Exit.UNAVAILABLE)
        return await house.post("/v1/admin/reload")

    found = shared.with_house(config, do)
    if as_json:
        terminal.dump(found)
        return
    parts = [f"{name}: {', '.join(found[name])}" for name in ("channels", "destinations") if found.get(name)]
    parts += [name for name in ("rules", "templates") if found.get(name)]
    terminal.say(f"Reloaded. Changed: {'; '.join(parts) or 'nothing'}.")
    if found.get("needs_restart"):
        terminal.say(f"Only a restart takes up: {', '.join(found['needs_restart'])}.")


def release(yes: Yes = False, config: Config = None, as_json: Json = False) -> None:
    """Let a restored, moved or copied store send and fetch again, after showing what waits."""

    async def do(house: Control) -> dict[str, Any]:
        waits = await house.post("/v1/admin/waiting")
        if not waits["on_hold"]:
            return {"released": False, **waits}
        if not as_json:
            _show(waits)
        terminal.confirm("Messages go out and sources are touched again.", yes)
        return {**(await house.post("/v1/admin/release")), "waiting": waits}

    found = shared.with_house(config, do)
    if as_json:
        terminal.dump(found)
    else:
        terminal.say(
            "Released." if found["released"] else "The store is not on hold; there is nothing to release."
        )


def _show(waits: Mapping[str, Any]) -> None:
    counts: Mapping[str, Mapping[str, int]] = waits["counts"]
    terminal.facts(
        f"On hold: {waits['why']}",
        [
            ("envelopes", dict(counts["envelopes"]) or "none"),
            ("deliveries", dict(counts["deliveries"]) or "none"),
            ("waiting, by target", dict(waits["deliveries"]) or "none"),
        ],
    )


_BALANCE = [
    Column("DAY", lambda row: str(row["day"])),
    Column("CHANNEL", lambda row: str(row["channel"])),
    Column("RECEIVED", lambda row: str(row["received"]), right=True),
    Column(
        "BECAME",
        lambda row: ", ".join(f"{n} {s}" for s, n in sorted(row["by_state"].items()) if n),
        grow=True,
    ),
    Column("DIFFERENCE", lambda row: str(row["difference"]), right=True),
]
_FINDINGS = [
    Column("CHECK", lambda row: str(row["check"])),
    Column("ID", lambda row: str(row["id"])),
    Column("DETAIL", lambda row: str(row["detail"]), grow=True),
]


def audit(config: Config = None, as_json: Json = False) -> None:
    """Prove that everything received is accounted for; exits with 1 when it is not."""
    found = shared.post(config, "/v1/admin/audit")
    if as_json:
        terminal.dump(found)
    else:
        terminal.table(found["lines"], _BALANCE, "Nothing was received yet.")
        if found["findings"]:
            terminal.say("")
            terminal.table(found["findings"], _FINDINGS, "")
        terminal.say("The counts balance." if found["balanced"] else "THE COUNTS DO NOT BALANCE.")
    if not found["balanced"]:
        raise typer.Exit(Exit.UNBALANCED)
