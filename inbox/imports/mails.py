"""Archives of mail, one mail after another: mbox, a single EML, and zips of EML files or of a Maildir."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from inbox.imports import formats
from inbox.imports.limits import Limits

#: A separator as programs write it (RFC 4155, and the habits before it): address, day, time, year.
_FROM = re.compile(rb"From \S*.*\b(\d{1,2}:\d{2}(:\d{2})?).*\b(19|20)\d{2}\b|From \S+\s+\S.*\d{4}")
#: The first line of a mail's header.
_FIELD = re.compile(rb"[!-9;-~]+[ \t]*:|>From ")
_QUOTED = re.compile(rb">+From ")
#: A line longer than this is read in pieces, bytes.
_LINE = 65_536
#: Folders of a Maildir that hold mails; what is in `tmp` is not whole.
_BESIDE = ("cur", "new")


@dataclass(slots=True)
class Mail:
    """One mail with its number from 1; `next` is where to go on after it. `error` where it cannot be taken."""

    n: int
    next: Any
    share: float
    place: str = ""
    raw: bytes = b""
    error: str | None = None


def open_mails(
    path: Path, format_: str, options: dict[str, Any], position: Any, limits: Limits
) -> Iterator[Mail]:
    """The mails of a file from a position on. Raises Refused."""
    if format_ == "zip":
        return _zipped(path, position or 0, limits)
    if format_ == "eml":
        return _single(path, position, limits)
    return Mbox(path, str(options.get("mbox") or "rd"), limits).mails(position or {"at": 0, "n": 0})


def _single(path: Path, position: Any, limits: Limits) -> Iterator[Mail]:
    if position:
        return
    if path.stat().st_size > limits.mail_bytes:
        yield Mail(1, 1, 1.0, error=too_large(limits))
        return
    yield _checked(Mail(1, 1, 1.0, raw=path.read_bytes()))


# ---- mbox


class Mbox:
    """Mails of an mbox. `manner` is how its writer hid lines that begin with From: `rd` (>From, >>From …) or `o`."""

    def __init__(self, path: Path, manner: str, limits: Limits) -> None:
        self._path = path
        self._limits = limits
        self._quoted = re.compile(rb">From ") if manner == "o" else _QUOTED

    def mails(self, position: dict[str, int]) -> Iterator[Mail]:
        size = max(self._path.stat().st_size, 1)
        n = position["n"]
        with self._path.open("rb") as file:
            file.seek(position["at"])
            for raw, end in self._parts(file):
                n += 1
                made = Mail(n, {"at": end, "n": n}, min(end / size, 1.0))
                if raw is None:
                    made.error = too_large(self._limits)
                else:
                    made.raw = raw
                yield _checked(made)

    def _parts(self, file: BinaryIO) -> Iterator[tuple[bytes | None, int]]:
        """The bytes of each mail, None for one that is too large, and where the next begins."""
        raw: bytearray | None = bytearray()
        size, begun, blank, fresh = 0, False, True, True
        while True:
            at = file.tell()
            line = file.readline(_LINE)
            if not line:
                break
            starts, fresh = fresh, line.endswith(b"\n")
            if starts and line.startswith(b"From ") and self._separates(file, line, blank):
                if begun:
                    yield _trimmed(raw), at
                raw, size, begun, blank = bytearray(), 0, True, False
                continue
            if not begun and not line.strip():
                continue
            begun = True  # what stands before the first separator is taken all the same
            size += len(line)
            if raw is not None:
                raw = raw if size <= self._limits.mail_bytes else None
            if raw is not None:
                raw += line[1:] if starts and self._quoted.match(line) else line
            blank = starts and not line.strip()
        if begun:
            yield _trimmed(raw), file.tell()

    def _separates(self, file: BinaryIO, line: bytes, blank: bool) -> bool:
        """Whether a line that begins with From parts two mails, and is none that somebody wrote.

        Behind a blank line a header must follow; without one, it must look like what programs write, too.
        """
        at = file.tell()
        following = file.readline(_LINE)
        file.seek(at)
        header = bool(_FIELD.match(following))
        looks = bool(_FROM.match(line.rstrip()))
        return (header and (blank or looks)) or (looks and blank and not following.strip())


def _trimmed(raw: bytearray | None) -> bytes | None:
    """Without the blank line that belongs to the separator."""
    if raw is None:
        return None
    for end in (b"\r\n\r\n", b"\n\n"):
        if raw.endswith(end):
            return bytes(raw[: len(raw) - len(end) // 2])
    return bytes(raw)


# ---- zips


def _zipped(path: Path, done: int, limits: Limits) -> Iterator[Mail]:
    """The mails of a zip in the order of folders and names, each a file of it."""
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        formats.check_zip(members, limits)
        chosen = sorted(
            (one for one in members if is_mail(one.filename)), key=lambda one: order(one.filename)
        )
        if not chosen:
            raise formats.Refused(
                "the zip holds no mails: no files .eml, and no folders cur and new of a Maildir; a packed table is "
                "imported unpacked"
            )
        for n, one in enumerate(chosen, 1):
            if n <= done:
                continue
            made = Mail(n, n, n / len(chosen), place=one.filename)
            if one.file_size > limits.mail_bytes:
                made.error = too_large(limits)
            elif one.flag_bits & 1:
                made.error = "the file is encrypted with a password"
            else:
                try:
                    made.raw = archive.read(one)
                except (zipfile.BadZipFile, NotImplementedError, OSError, EOFError, ValueError) as error:
                    made.error = f"the file is damaged in the zip ({type(error).__name__})"
                except Exception as error:  # zlib.error and its kin of other methods have no common parent
                    made.error = f"the file cannot be unpacked ({type(error).__name__})"
            yield _checked(made)


def is_mail(name: str) -> bool:
    """Whether a file of a folder or zip is a mail: an .eml, or in the `cur` or `new` of a Maildir."""
    path = PurePosixPath(name)
    if name.endswith("/") or path.name.startswith(".") or "__MACOSX" in path.parts:
        return False
    return path.suffix.lower() == ".eml" or path.parent.name in _BESIDE


def order(name: str) -> tuple[str, str]:
    """Folders by name, mails in them by name, `cur` and `new` together; flags (`:2,S`) count for nothing."""
    path = PurePosixPath(name)
    folder = path.parent.parent if path.parent.name in _BESIDE else path.parent
    return str(folder), re.split(r"[:;!]2,", path.name)[0]


# ---- what all share


def _checked(mail: Mail) -> Mail:
    """The mail without what precedes its header; an error when it does not begin like a mail."""
    if mail.error is None:
        raw = mail.raw.removeprefix(b"\xef\xbb\xbf").lstrip(b"\r\n")
        if raw.startswith((b"From ", b">From ")):
            raw = raw.partition(b"\n")[2]
        mail.raw = raw
        if not raw.strip():
            mail.error = "the mail is empty"
        elif not _FIELD.match(raw):
            mail.error = "it does not begin like a mail: no header field stands in its first line"
    if mail.error:
        mail.raw = b""
    return mail


def too_large(limits: Limits) -> str:
    """Why a mail is not taken that is beyond the limit."""
    return f"the mail is larger than {limits.mail_bytes} bytes (imports.mail_bytes)"
