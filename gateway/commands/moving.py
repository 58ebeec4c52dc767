"""backup, restore, migrate: whole stores, counted at both sides."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway import terminal
from gateway.commands import shared
from gateway.commands.shared import Config, Json
from gateway.terminal import Column
from gateway.trouble import Exit, Trouble

if TYPE_CHECKING:
    from config.load import Loaded

#: What a backup consists of.
_DATABASE, _BLOBS, _MANIFEST, _TOKEN = "forebay.db", "blobs", "manifest.json", "admin-token"

_COUNTS = [
    Column("TABLE", lambda row: str(row["table"]), grow=True),
    Column("SOURCE", lambda row: str(row["source"]), right=True),
    Column("TARGET", lambda row: str(row["target"]), right=True),
]


def backup(
    target: Annotated[
        Path, typer.Argument(help="Folder of the backup; one that is there is brought up to date.")
    ],
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Copy the store while the daemon runs: the database in one snapshot first, then the bytes it names.

    The copy is a database of SQLite with its files, whichever database the store has. No daemon deletes any meanwhile.
    """
    from store import blobs, moving

    loaded = shared.load(config)
    folder = loaded.settings.data
    with _spoken(), blobs.holding(_blobs(loaded)) as goes_on:
        (target / _BLOBS).mkdir(parents=True, exist_ok=True, mode=0o700)
        copy = target / _DATABASE
        if loaded.settings.database.url is None:
            if not (folder / _DATABASE).exists():
                raise Trouble(f"there is no store in {folder}", Exit.NO_INPUT)
            moving.snapshot_of_file(folder / _DATABASE, copy)
        else:
            copy.unlink(missing_ok=True)
            with moving.opened(_url(loaded)) as source, moving.opened(_file(target)) as goal:
                moving.copy(source, goal)
        with moving.opened(_file(target)) as database:
            files, there = moving.copy_blobs(database, _blobs(loaded), target / _BLOBS, goes_on)
            counted = moving.counts(database)
        if (folder / _TOKEN).exists():
            shutil.copy(folder / _TOKEN, target / _TOKEN)
        told = {"at": datetime.now(UTC).isoformat(), "rows": counted, "files": files + there}
        (target / _MANIFEST).write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    if as_json:
        terminal.dump(told)
    else:
        terminal.say(f"{sum(counted.values())} rows and {files + there} files ({files} new) are in {target}.")


def restore(
    source: Annotated[Path, typer.Argument(help="Folder of a backup.")],
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Put a backup into the empty store that the configuration names. It starts on hold: see `forebay release`."""
    from store import moving

    loaded = shared.load(config)
    if not (source / _DATABASE).exists():
        raise Trouble(f"{source} is no backup: there is no {_DATABASE}", Exit.NO_INPUT)
    with _spoken(), _alone(loaded):
        with moving.opened(_file(source)) as database:
            _expect(source, moving.counts(database))
            with moving.opened(_url(loaded)) as goal:
                done = moving.copy(database, goal)
            moving.copy_blobs(database, source / _BLOBS, _blobs(loaded))
        with moving.opened(_url(loaded)) as goal:
            wrong = moving.audited(goal, _blobs(loaded))
        if (source / _TOKEN).exists():
            shutil.copy(source / _TOKEN, loaded.settings.data / _TOKEN)
    _tell(
        done, wrong, as_json, "The store is restored, and starts on hold: `forebay release` shows what waits."
    )


def migrate(
    to: Annotated[
        Path, typer.Option("--to", metavar="FILE", help="Configuration that names the new database.")
    ],
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Move a stopped store to another database, such as from SQLite to PostgreSQL, while both sides are counted.

    The old one is left as it is. The new one starts on hold: see `forebay release`.
    """
    from store import moving

    old, new = shared.load(config), shared.load(to)
    if _url(old) == _url(new):
        raise Trouble("both configurations name the same database", Exit.USAGE)
    with _spoken(), _alone(old):
        if old.settings.data.resolve() != new.settings.data.resolve():
            new.settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        with moving.opened(_url(old)) as source, moving.opened(_url(new)) as goal:
            done = moving.copy(source, goal)
            if _blobs(old).resolve() != _blobs(new).resolve():
                moving.copy_blobs(goal, _blobs(old), _blobs(new))
            wrong = moving.audited(goal, _blobs(new))
    _tell(
        done,
        wrong,
        as_json,
        "All of it is there. The new store starts on hold: `forebay release` shows what waits.",
    )


def _tell(done: list[Any], wrong: list[str], as_json: bool, last: str) -> None:
    """The counts of both sides, and what the audit of the new one says; the exit code is 1 when it finds something."""
    found = [{"table": one.table, "source": one.source, "target": one.target} for one in done]
    if as_json:
        terminal.dump({"tables": found, "balanced": not wrong, "findings": wrong})
    else:
        terminal.table(found, _COUNTS, "")
        for one in wrong:
            terminal.say(one)
        terminal.say("THE COUNTS DO NOT BALANCE." if wrong else "The counts balance.")
        terminal.say(last)
    if wrong:
        raise typer.Exit(Exit.UNBALANCED)


def _expect(source: Path, counted: dict[str, int]) -> None:
    """The backup is still what it was when it was made."""
    manifest = source / _MANIFEST
    if manifest.exists() and json.loads(manifest.read_text(encoding="utf-8"))["rows"] != counted:
        raise Trouble(f"{source} has not the rows that its {manifest.name} tells of", Exit.DATA)


def _url(loaded: Loaded) -> str:
    from store import engine

    given = loaded.settings.database.url
    return given.get_secret_value() if given is not None else engine.sqlite_url(loaded.settings.data)


def _blobs(loaded: Loaded) -> Path:
    return loaded.settings.database.blob_folder(loaded.settings.data)


def _file(folder: Path) -> str:
    from store import engine

    return engine.sqlite_url(folder)


@contextlib.contextmanager
def _alone(loaded: Loaded) -> Iterator[None]:
    """No daemon works with the store: by the lock of its folder, on PostgreSQL by the leases that are held."""
    from store import moving
    from store.errors import FolderInUse
    from store.lock import FolderLock

    loaded.settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = FolderLock(loaded.settings.data)
    try:
        lock.take()
    except FolderInUse as error:
        raise Trouble(f"stop the daemon first: {error}", Exit.UNAVAILABLE) from None
    try:
        if loaded.settings.database.url is not None:
            with moving.opened(_url(loaded)) as database:
                running = moving.daemons(database)
            if running:
                raise Trouble(f"stop the daemons first: {running} work with this database", Exit.UNAVAILABLE)
        yield
    finally:
        lock.close()


@contextlib.contextmanager
def _spoken() -> Iterator[None]:
    """What goes wrong in words, with the exit code that it has."""
    from sqlalchemy.exc import DBAPIError

    from store.errors import StoreError
    from store.moving import MovingError

    shared.quiet_log()
    try:
        yield
    except MovingError as error:
        raise Trouble(str(error), Exit.DATA) from None
    except StoreError as error:
        raise Trouble(str(error), Exit.UNAVAILABLE) from None
    except DBAPIError as error:
        raise Trouble(f"the database refuses: {type(error.orig).__name__}", Exit.UNAVAILABLE) from None
    except OSError as error:
        raise Trouble(f"{error.filename}: {error.strerror}", Exit.IO) from None
