"""poster: sheets with a QR code that lead to a form with the place filled in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlencode

import typer

from gateway import terminal
from gateway.commands import shared
from gateway.commands.shared import Config
from gateway.trouble import Exit, Trouble

if TYPE_CHECKING:
    from gateway.control import Control


def poster(
    form: Annotated[
        str | None, typer.Argument(metavar="[FORM]", help="The form; it may be left out where there is one.")
    ] = None,
    place: Annotated[
        list[str] | None, typer.Option("--place", help="A place; a page for each, given again and again.")
    ] = None,
    counter: Annotated[
        list[str] | None,
        typer.Option("--counter", metavar="CHANNEL", help="All places of a channel that takes notes."),
    ] = None,
    language: Annotated[
        list[str] | None,
        typer.Option(
            "--language", help="zh or en, given twice for both; default: those of the form's title."
        ),
    ] = None,
    size: Annotated[str, typer.Option("--size", help="Paper: a4 or a5.")] = "a4",
    heading: Annotated[
        str, typer.Option("--heading", help="What stands on top; default: the form's title.")
    ] = "",
    colour: Annotated[str, typer.Option("--colour", help="Colour, #rrggbb.")] = "#0b6b74",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="The PDF; default: poster-FORM.pdf.")
    ] = None,
    config: Config = None,
) -> None:
    """Make a PDF of posters whose QR code leads to a form; the form keeps the place with the record."""

    async def do(house: Control) -> tuple[str, bytes]:
        choices = await house.get("/v1/posters")
        if not choices["reachable"]:
            terminal.warn(
                f"No telephone can reach {choices['url']}: set public_url before you print in earnest."
            )
        known = {one["channel"]: one["places"] for one in choices["counters"]}
        places = list(place or ())
        for name in counter or ():
            if name not in known:
                told = ", ".join(known) or "none"
                raise Trouble(f"channel {name} has no places; these have: {told}", Exit.NO_INPUT)
            places += known[name]
        asked = [("place", one) for one in places] + [("language", one) for one in language or ()]
        asked += [("size", size), ("heading", heading), ("colour", colour)]
        chosen = form or _only([one["channel"] for one in choices["forms"]])
        return await house.download(f"/v1/posters/{shared.quoted(chosen)}?{urlencode(asked)}")

    name, data = shared.with_house(config, do)
    target = output or Path(name)
    try:
        target.write_bytes(data)
    except OSError as error:
        raise Trouble(f"{target}: {error.strerror}", Exit.NO_PERMISSION) from None
    terminal.say(str(target))


def _only(forms: list[str]) -> str:
    if len(forms) != 1:
        raise Trouble(
            f"name the form: {', '.join(forms)}" if forms else "no form is set up here: posters lead to one",
            Exit.USAGE,
        )
    return forms[0]
