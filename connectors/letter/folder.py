"""The folder of scans: what is whole is taken, stored, and then moved; what is not is said so beside it.

Polled and not watched: shares of other machines tell of no change (inotify sees none over SMB and NFS).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, BinaryIO

from connectors.contract import Batch
from connectors.letter import InboxFolder, LetterLimits, formats, identity
from model import health
from model.envelope import Envelope
from model.failures import Reason, TemporaryFailure
from model.health import Health, HealthState
from model.tools import Tools

_CHUNK = 262_144
#: Characters of a name that are kept in reports about it.
_LONGEST_NAME = 200
_REPAIR = (
    "make the folder, or give the daemon's user read and write access to it and to done and failed in it"
)


@dataclass(frozen=True, slots=True)
class _Seen:
    """A file as it was found, and since when it is so."""

    size: int
    changed: int
    """Modification time, nanoseconds."""
    since: float


class Folder:
    """The part of a letter channel that takes scans in."""

    def __init__(self, settings: InboxFolder, limits: LetterLimits, tools: Tools) -> None:
        self._settings = settings
        self._limits = limits
        self._tools = tools
        self._folder = Path(settings.folder)
        self._done = self._folder / settings.done
        self._failed = self._folder / settings.failed
        self._seen: dict[str, _Seen] = {}

    async def open(self) -> None:
        """Make the folders for what was taken; the watched one must be there."""
        with contextlib.suppress(OSError):  # what is wrong is told by probe and fetch
            await asyncio.to_thread(self._make)

    async def close(self) -> None:
        """Forget what was seen: the next look counts from its own time."""
        self._seen.clear()

    async def probe(self) -> Health:
        """Whether the folder can be read and written, and how many files a person should look at."""
        return await asyncio.to_thread(self._probe)

    async def fetch(self, cursor: Mapping[str, Any] | None, wait: timedelta) -> Batch:
        """What is whole by now. It does not wait: between two looks files show whether they still grow."""
        try:
            settled = await asyncio.to_thread(self._look, self._tools.clock.monotonic())
        except OSError as error:
            raise _trouble(f"cannot read {self._folder}", error) from None
        envelopes: list[Envelope] = []
        handles: list[Any] = []
        unreadable = 0
        for name, seen, rested in settled[: self._settings.batch]:
            try:
                await self._take(name, seen, rested, envelopes, handles)
            except FileNotFoundError:
                continue  # taken away since the look
            except OSError:
                unreadable += 1
        told = None
        if unreadable:
            told = Health(HealthState.FAILING, f"{unreadable} files cannot be read", _REPAIR)
        return Batch(envelopes=envelopes, handles=handles, health=told)

    async def confirm(self, handles: Sequence[Any]) -> None:
        """Move what is stored to `done`, and what cannot be taken to `failed`."""
        for name, size, changed, reason in handles:
            try:
                await asyncio.to_thread(self._put_away, name, size, changed, reason)
            except OSError as error:
                raise _trouble(f"cannot move files out of {self._folder}", error) from None

    # ---- one look

    def _make(self) -> None:
        if self._folder.is_dir():
            for folder in (self._done, self._failed):
                folder.mkdir(parents=True, exist_ok=True)

    def _probe(self) -> Health:
        for folder in (self._folder, self._done, self._failed):
            if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
                return Health(HealthState.FAILING, f"cannot read and write {folder}", _REPAIR)
        failed = sum(1 for path in self._failed.iterdir() if not path.name.endswith(".reason.txt"))
        if failed:
            return Health(HealthState.OK, f"{failed} files in {self._failed}")
        return health.OK

    def _look(self, now: float) -> list[tuple[str, _Seen, float]]:
        """Files that have not changed for long enough, oldest first, and for how many seconds."""
        seen: dict[str, _Seen] = {}
        with os.scandir(self._folder) as entries:
            for entry in entries:
                if any(fnmatch(entry.name, pattern) for pattern in self._settings.ignore):
                    continue
                with contextlib.suppress(FileNotFoundError):
                    if not entry.is_file(follow_symlinks=False):
                        continue
                    facts = entry.stat(follow_symlinks=False)
                    before = self._seen.get(entry.name)
                    same = before and (before.size, before.changed) == (facts.st_size, facts.st_mtime_ns)
                    seen[entry.name] = (
                        before if before and same else _Seen(facts.st_size, facts.st_mtime_ns, now)
                    )
        self._seen = seen
        settle = self._settings.settle.total_seconds()
        settled = [(name, one, now - one.since) for name, one in seen.items() if now - one.since >= settle]
        return sorted(settled, key=lambda found: (found[1].changed, found[0]))

    async def _take(
        self, name: str, seen: _Seen, rested: float, envelopes: list[Envelope], handles: list[Any]
    ) -> None:
        """The file as an envelope, with the handle by which it is moved; or only the latter, with a reason."""
        path = self._folder / name
        file = await asyncio.to_thread(path.open, "rb")
        try:
            reason, found = await asyncio.to_thread(self._judge, file, rested)
            if reason is None and found is None:
                return  # not whole yet
            if reason is None:
                try:
                    raw = await self._tools.spool.keep(_chunks(file), self._limits.body_bytes)
                except OverflowError:
                    reason = f"it has more than limits.body_bytes ({self._limits.body_bytes})"
                else:
                    facts = await asyncio.to_thread(os.fstat, file.fileno())
                    size = len(raw) if isinstance(raw, bytes) else raw.size
                    if (facts.st_size, facts.st_mtime_ns, size) != (seen.size, seen.changed, seen.size):
                        return  # written to meanwhile: it begins to rest anew
                    meta = {"filename": name[:_LONGEST_NAME]}
                    envelopes.append(identity.envelope(self._tools.name, raw, meta=meta, type_=found))
        finally:
            await asyncio.to_thread(file.close)
        if reason is not None:
            self._tools.log.warning("scan.refused", why=reason)
        handles.append([name, seen.size, seen.changed, reason])

    def _judge(self, file: BinaryIO, rested: float) -> tuple[str | None, str | None]:
        """Why it goes to `failed`, or its media type; neither while it may still be written."""
        found = formats.look(file, pixels=self._limits.pixels, pages=self._limits.pages)
        file.seek(0)
        if found.unfit:
            return found.unfit, None
        if found.incomplete:
            late = rested >= self._settings.incomplete_after.total_seconds()
            return (f"it was cut off: {found.incomplete}" if late else None), None
        return None, found.media_type

    # ---- afterwards

    def _put_away(self, name: str, size: int, changed: int, reason: str | None) -> None:
        """Move one file, unless it is gone already or another one has its name by now."""
        path = self._folder / name
        try:
            facts = path.stat(follow_symlinks=False)
        except FileNotFoundError:
            return
        if (facts.st_size, facts.st_mtime_ns) != (size, changed):
            return
        if reason is None and self._settings.after == "delete":
            path.unlink(missing_ok=True)
            return
        folder = self._done if reason is None else self._failed
        folder.mkdir(parents=True, exist_ok=True)
        target = _free(folder, name)
        if reason is not None:
            # The reason first: a file in `failed` always has its explanation.
            told = target.with_name(f"{target.name}.reason.txt")
            told.write_text(f"{name}: {reason}\n", encoding="utf-8")
        path.rename(target)


def _free(folder: Path, name: str) -> Path:
    """A path in the folder that no other file has."""
    target, n = folder / name, 1
    while target.exists():
        n += 1
        target = folder / f"{Path(name).stem}-{n}{Path(name).suffix}"
    return target


async def _chunks(file: BinaryIO) -> AsyncIterator[bytes]:
    while chunk := await asyncio.to_thread(file.read, _CHUNK):
        yield chunk


def _trouble(what: str, error: OSError) -> TemporaryFailure:
    reason = Reason.CONFIG if isinstance(error, PermissionError) else Reason.UNREACHABLE
    return TemporaryFailure(reason, f"{what}: {error.strerror or type(error).__name__}")
