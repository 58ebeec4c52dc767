"""The print folder: letters in hand, bundles of them for whoever prints and posts, and what was posted.

    FOLDER/CHANNEL/open/        letters that no bundle has yet, named by their delivery
    FOLDER/CHANNEL/BUNDLE/       a bundle: its list, and its letters in the order of the list
    FOLDER/CHANNEL/posted/      bundles that were posted, for a while

A file is whole as soon as it has its name, and a bundle as soon as its folder has. A letter is named by its key: a
second try writes the same file, and after a crash the name tells whether the first one did.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import os
import re
import shutil
from collections.abc import Awaitable, Callable, Collection, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from connectors.contract import Bundle, Bundled
from connectors.letter import wording
from connectors.letter.enclosed import joined, page_count
from connectors.letter.press import Press
from connectors.letter.printing import PrintFolder
from model import address, sheet_code
from model.delivery import Message, Receipt
from model.failures import PermanentFailure, Reason, TemporaryFailure
from model.health import OK, Health, HealthState
from model.tools import Tools

_OPEN, _POSTED = "open", "posted"
#: The list goes first, in every order of names.
_LIST = "00 list.pdf"
_SAFE = re.compile(r"[^A-Za-z0-9._-]+")
_REPLY = re.compile(r"^\s*(?:re|aw|回复|答复)\s*[:：]\s*", re.IGNORECASE)
_REPAIR = "make the print folder, or give the daemon's user read and write access to it"


class Post:
    """The part of a letter channel that sends: it prints, and people post."""

    def __init__(self, settings: PrintFolder, language: str | None, tools: Tools) -> None:
        self._settings = settings
        self._language = language
        self._tools = tools
        self._root = Path(settings.folder) / _SAFE.sub("-", tools.name)
        self._press = Press(settings)

    async def open(self) -> None:
        """Make the folder's parts; the folder itself must be there."""
        with contextlib.suppress(OSError):  # what is wrong is told by probe and send
            await asyncio.to_thread(self._make)

    async def close(self) -> None:
        await self._press.close()

    async def probe(self) -> Health:
        """Whether letters can be written, and how many wait for a bundle."""
        return await asyncio.to_thread(self._probe)

    def _probe(self) -> Health:
        for folder in (self._root / _OPEN, self._root / _POSTED):
            if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
                return Health(HealthState.FAILING, f"cannot read and write {folder}", _REPAIR)
        try:
            wording.check(self._settings.templates)
        except wording.BadTemplate as error:
            return Health(HealthState.FAILING, str(error), "mend the template of letters")
        return OK

    # ---- one letter

    async def send(self, message: Message) -> Receipt:
        """Print a letter into the folder; somebody has to post it, so nothing is final."""
        facts, pdf = await self._press.set("letter", self._job(message))
        name = named(message.key)
        try:
            await asyncio.to_thread(self._write, self._root / _OPEN / name, pdf)
        except OSError as error:
            raise _trouble(error) from None
        data = {name: value for name, value in facts.items() if value}
        return Receipt(name, self._tools.clock.now(), data, final=False)

    async def resolve(self, message: Message) -> Receipt | None:
        """Whether it lies in the folder: only a whole letter has its name."""
        name = named(message.key)
        try:
            there = await asyncio.to_thread(self._lies, name)
        except OSError as error:
            raise _trouble(error) from None
        return Receipt(name, self._tools.clock.now(), final=False) if there else None

    def _job(self, message: Message) -> dict[str, Any]:
        to = message.to.value if message.to is not None and message.to.kind == address.KIND else ""
        if why := address.wanting(to):
            raise PermanentFailure(Reason.RECIPIENT, why)
        subject = _REPLY.sub("", message.subject)
        return {
            "reference": message.reference,
            "code": sheet_code.write(message.reference, message.token),
            "address": to,
            "name": message.name,
            "subject": "" if subject == message.reference else subject,
            "text": message.text,
            "language": message.language or self._language or wording.LANGUAGES[0],
            "day": self._tools.clock.now().astimezone().date().isoformat(),
            "files": [
                {
                    "filename": one.filename,
                    "media_type": one.media_type,
                    "data": base64.b64encode(one.data).decode(),
                }
                for one in message.files
            ],
        }

    # ---- bundles

    async def bind(self, bundle: Bundle, message: Callable[[str], Awaitable[Message]]) -> Mapping[str, int]:
        """Put the letters of a bundle together with their list; pages of each, by key.

        Safe to repeat. A letter that lies nowhere is set once more from its `message`.
        """
        try:
            return await self._bind(bundle, message)
        except OSError as error:
            raise _trouble(error) from None

    async def _bind(self, bundle: Bundle, message: Callable[[str], Awaitable[Message]]) -> Mapping[str, int]:
        place = self._root / bundle.name
        names = {one.key: _numbered(one, len(bundle.letters)) for one in bundle.letters}
        if not await asyncio.to_thread(place.is_dir):
            making = self._root / f".{bundle.name}"
            await asyncio.to_thread(_fresh, making)
            pages = {}
            for one in bundle.letters:
                lying = self._root / _OPEN / named(one.key)
                if not await asyncio.to_thread(lying.is_file):
                    _, pdf = await self._press.set("letter", self._job(await message(one.key)))
                    await asyncio.to_thread(self._write, lying, pdf)
                pages[one.key] = await asyncio.to_thread(_copied, lying, making / names[one.key])
            listed = {
                "bundle": bundle.name,
                "channel": self._tools.name,
                "language": self._language or wording.LANGUAGES[0],
                "day": bundle.at.astimezone().date().isoformat(),
                "rows": [
                    {
                        "n": one.n,
                        "reference": one.reference,
                        "name": one.name or next(iter(address.lines(one.address)), ""),
                        "place": ", ".join(address.lines(one.address)[1:]),
                        "pages": pages[one.key],
                        "again": one.again,
                    }
                    for one in bundle.letters
                ],
            }
            _, pdf = await self._press.set("list", listed)
            await asyncio.to_thread(self._write, making / _LIST, pdf)
            await asyncio.to_thread(_named, making, place)
        counted = {key: await asyncio.to_thread(_pages, place / name) for key, name in names.items()}
        for one in bundle.letters:
            await asyncio.to_thread((self._root / _OPEN / named(one.key)).unlink, missing_ok=True)
        return counted

    async def whole(self, name: str, *, list_only: bool = False) -> bytes:
        """A bundle as one PDF: list and letters, or the list. LookupError when it is in the folder no more."""
        return await asyncio.to_thread(self._whole, name, _LIST if list_only else "*.pdf")

    def _whole(self, name: str, wanted: str) -> bytes:
        for place in (self._root / name, self._root / _POSTED / name):
            if found := sorted(place.glob(wanted)):
                return joined([path.read_bytes() for path in found])
        raise LookupError(f"bundle {name} is not in the print folder any more")

    async def put_away(self, name: str) -> None:
        """Move a bundle that was posted out of the way. Safe to repeat."""
        try:
            await asyncio.to_thread(self._put_away, name)
        except OSError as error:
            raise _trouble(error) from None

    def _put_away(self, name: str) -> None:
        place, posted = self._root / name, self._root / _POSTED / name
        if place.is_dir():
            posted.parent.mkdir(exist_ok=True)
            place.rename(posted)
            os.utime(posted)
            _sync(self._root)

    async def tidy(self, wanted: Collection[str], before: datetime) -> None:
        """Remove letters of before a time whose keys are not `wanted` any more, and bundles kept long enough."""
        try:
            await asyncio.to_thread(self._tidy, {named(key) for key in wanted}, before)
        except OSError as error:
            raise _trouble(error) from None

    def _tidy(self, wanted: Collection[str], before: datetime) -> None:
        for path in (self._root / _OPEN).iterdir():
            if path.name not in wanted and path.stat().st_mtime < before.timestamp():
                path.unlink(missing_ok=True)
        oldest = self._tools.clock.now() - self._settings.keep
        for path in (self._root / _POSTED).iterdir():
            if path.stat().st_mtime < oldest.timestamp():
                shutil.rmtree(path)

    # ---- files

    def _make(self) -> None:
        if Path(self._settings.folder).is_dir():
            for name in (_OPEN, _POSTED):
                (self._root / name).mkdir(parents=True, exist_ok=True)

    def _lies(self, name: str) -> bool:
        if not (self._root / _OPEN).is_dir():
            raise FileNotFoundError("the print folder is not there")
        return (self._root / _OPEN / name).is_file()

    def _write(self, path: Path, data: bytes) -> None:
        """A file that has its name only when it is whole, and stays after a power cut."""
        self._make()
        made = path.with_name(f".{path.name}.part")
        with made.open("wb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
        made.replace(path)
        _sync(path.parent)


def named(key: str) -> str:
    """The name of a letter's file."""
    return f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.pdf"


def _numbered(one: Bundled, letters: int) -> str:
    return f"{one.n:0{max(2, len(str(letters)))}d} {_SAFE.sub('-', one.reference)}.pdf"


def _fresh(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()


def _copied(source: Path, target: Path) -> int:
    data = source.read_bytes()
    with target.open("wb") as out:
        out.write(data)
        out.flush()
        os.fsync(out.fileno())
    return page_count(data)


def _named(making: Path, place: Path) -> None:
    _sync(making)
    making.rename(place)
    _sync(place.parent)


def _pages(path: Path) -> int:
    """Pages of a letter in a bundle; 0 when somebody took the file away."""
    return page_count(path.read_bytes()) if path.is_file() else 0


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _trouble(error: OSError) -> TemporaryFailure:
    return TemporaryFailure(
        Reason.SERVER, f"the print folder cannot be used: {error.strerror or type(error).__name__}"
    )
