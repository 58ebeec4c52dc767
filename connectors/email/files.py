"""Outgoing mail as .eml files, for demonstrations and tests: whole and synced under its name, or not there."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from connectors.email import FileSettings
from connectors.email.compose import Sender, compose
from model import health
from model.delivery import Message, Receipt
from model.failures import Reason, TemporaryFailure
from model.health import Health, HealthState
from model.tools import Clock, Tools


@dataclass(frozen=True, slots=True)
class _File:
    """A mail on its way to the disk."""

    path: Path
    data: bytes
    done: asyncio.Future[None]


class FileOutgoing:
    """Writes each mail to an .eml file; a second try of the same message replaces the first.

    Mails that come while others are being written are written together, with one sync of the folder: the
    store's own syncs share the disk with these.
    """

    def __init__(self, settings: FileSettings, sender: Sender, tools: Tools) -> None:
        self._folder = Path(settings.folder)
        self._sender = sender
        self._clock: Clock = tools.clock
        self._waiting: list[_File] = []
        self._writing: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Make the folder."""
        with contextlib.suppress(OSError):  # what is wrong is told by probe and send
            await asyncio.to_thread(self._folder.mkdir, parents=True, exist_ok=True)

    async def close(self) -> None:
        """Finish what is being written."""
        if self._writing is not None:
            await self._writing

    async def probe(self) -> Health:
        """Whether the folder can be written to."""
        if await asyncio.to_thread(os.access, self._folder, os.W_OK | os.X_OK):
            return health.OK
        repair = "make the folder, or give the daemon's user write access"
        return Health(HealthState.FAILING, f"cannot write to {self._folder}", repair)

    async def send(self, message: Message) -> Receipt:
        """Write the file; it is synced when this returns."""
        mail = compose(message, self._sender, self._clock.now())
        data = f"Return-Path: <{mail.sender}>\r\n".encode() + mail.data
        file = _File(self._folder / file_name(message), data, asyncio.get_running_loop().create_future())
        self._waiting.append(file)
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write())
        try:
            await file.done
        except OSError as error:
            raise TemporaryFailure(
                Reason.SERVER, f"cannot write {file.path.name}: {error.strerror}"
            ) from None
        return Receipt(mail.message_id, self._clock.now(), {"file": file.path.name})

    async def _write(self) -> None:
        while self._waiting:
            files, self._waiting = self._waiting, []
            outcomes = await asyncio.to_thread(write_all, self._folder, [(f.path, f.data) for f in files])
            for file, error in zip(files, outcomes, strict=True):
                if file.done.done():
                    continue
                if error is None:
                    file.done.set_result(None)
                else:
                    file.done.set_exception(error)


def file_name(message: Message) -> str:
    """Name of a message's file: told by its key, so that it is the same on every try."""
    mark = hashlib.sha256(message.key.encode()).hexdigest()[:16]
    reference = re.sub(r"[^A-Za-z0-9-]", "", message.reference)[:40] or "message"
    return f"{reference}-{message.purpose.value}-{mark}.eml"


def write_all(folder: Path, files: Sequence[tuple[Path, bytes]]) -> list[OSError | None]:
    """Write files so that each is there whole and synced, or as it was; what went wrong with each.

    Temporary name, fsync, rename, and at the end one fsync of the folder for all.
    """
    outcomes: list[OSError | None] = [_write_one(path, data) for path, data in files]
    if None in outcomes:
        try:
            _sync(folder)
        except OSError as error:
            return [outcome or error for outcome in outcomes]
    return outcomes


def _write_one(path: Path, data: bytes) -> OSError | None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        return error
    return None


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
