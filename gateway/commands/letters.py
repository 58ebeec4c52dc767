"""letter: what is printed for the scanner."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from gateway import terminal
from gateway.commands import shared
from gateway.commands.shared import Config
from gateway.trouble import Exit, Trouble

app = typer.Typer(help="Letters on paper: the sheets that part them in a scanner.", no_args_is_help=True)


@app.callback()
def _letters() -> None:
    """Keeps the name of its one command."""


@app.command()
def separators(
    sheets: Annotated[int, typer.Option("--sheets", "-n", min=1, max=500, help="How many sheets.")] = 10,
    channel: Annotated[
        str | None,
        typer.Option(
            "--channel", help="Channel of letters whose code they bear; default: the code of all by default."
        ),
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The PDF.")] = Path(
        "separators.pdf"
    ),
    config: Config = None,
) -> None:
    """Make a PDF of separator sheets: laid between letters, they cut a batch where it is scanned.

    It is printed on both sides of the paper, so that either may lie upwards.
    """
    code = _code(channel, config)
    try:
        from connectors.letter import separators as sheet
    except ImportError:
        raise Trouble("it needs: pip install 'forebay[letter]'", Exit.CONFIG) from None
    try:
        output.write_bytes(sheet.typeset(code, sheets, datetime.now(UTC)))
    except OSError as error:
        raise Trouble(f"{output}: {error.strerror}", Exit.NO_PERMISSION) from None
    terminal.say(str(output))


def _code(channel: str | None, config: Path | None) -> str:
    from connectors.letter import LetterSettings, Recognition

    if channel is None:
        return Recognition().separator_codes[0]
    found = shared.load(config).settings.channels.get(channel)
    if not isinstance(found, LetterSettings):
        raise Trouble(f"{channel} is no channel of letters", Exit.NO_INPUT)
    if not found.recognition.separators or not found.recognition.separator_codes:
        raise Trouble(f"channel {channel} cuts at no sheets: see recognition.separators", Exit.NO_INPUT)
    return found.recognition.separator_codes[0]
