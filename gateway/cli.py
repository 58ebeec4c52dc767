"""`forebay`: the command line, put together, and the one place where failures become exit codes."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import typer

from gateway import terminal
from gateway.commands import (
    bundles,
    channels,
    contacts,
    feed,
    house,
    imports,
    inbox,
    letters,
    moving,
    outbox,
    persons,
    posters,
    reading,
    records,
    report,
    reviews,
    settings,
    surges,
    users,
)
from gateway.trouble import Exit, Trouble

#: Set to anything, it makes an error of ours show its traceback.
DEBUG = "FOREBAY_DEBUG"

_EPILOG = (
    "Exit codes: 0 done; 1 unbalanced, or something was left alone; 64 usage; 65 refused; 66 not found; "
    "69 unavailable; 70 an error of ours; 74 disk; 75 busy, try again; 77 not allowed; 78 configuration."
)

app = typer.Typer(
    name="forebay",
    help="One gate for everything customers say: registered, acknowledged, answered.",
    epilog=_EPILOG,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
app.command()(house.run)
app.command()(settings.check)
app.command()(settings.schema)
app.command()(reading.normalize)
app.command()(reading.route)
app.add_typer(inbox.app, name="inbox")
app.add_typer(outbox.app, name="outbox")
app.add_typer(bundles.app, name="bundle")
app.add_typer(letters.app, name="letter")
app.add_typer(channels.app, name="channel")
app.command()(channels.probe)
app.command()(channels.backfill)
app.add_typer(imports.app, name="import")
app.add_typer(records.app, name="records")
app.command()(records.reply)
app.add_typer(feed.app, name="feed")
app.add_typer(contacts.app, name="contact")
app.command()(report.report)
app.command()(posters.poster)
app.add_typer(reviews.app, name="review")
app.add_typer(surges.app, name="surge")
app.add_typer(users.app, name="user")
app.add_typer(persons.app, name="person")
app.command()(users.trail)
app.command()(moving.backup)
app.command()(moving.restore)
app.command()(moving.migrate)
app.command()(house.audit)
app.command()(house.reload)
app.command()(house.release)
app.command()(settings.version)


def run(arguments: Sequence[str]) -> int:
    """Run one command; its exit code. Whatever goes wrong is told in one line, never with a secret."""
    try:
        app(list(arguments), prog_name="forebay")
    except SystemExit as ending:
        code = ending.code if isinstance(ending.code, int) else int(ending.code is not None)
        return Exit.USAGE if code == 2 else code  # what the library exits with on wrong usage
    except Trouble as trouble:
        terminal.warn("\n".join(f"forebay: {one}" for one in str(trouble).splitlines()))
        return trouble.code
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has enough; what is left must not be tried again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.OK
    except Exception as error:
        if os.environ.get(DEBUG):
            raise
        # Its own words may hold anything, so only its name is told.
        terminal.warn(f"forebay: an error of ours, {type(error).__name__}; {DEBUG}=1 shows where")
        return Exit.SOFTWARE
    return Exit.OK


def main() -> None:
    """Entry point of the command `forebay`."""
    sys.exit(run(sys.argv[1:]))
