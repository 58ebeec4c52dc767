"""What a file is, whatever its name says: a table, JSON Lines, an archive of mail, or nothing that can be imported."""

from __future__ import annotations

import codecs
import csv
import io
import zipfile
from collections import Counter
from pathlib import Path

from inbox.imports.limits import Limits

#: Formats, and what they hold.
HOLDS = {"csv": "rows", "xlsx": "rows", "jsonl": "rows", "mbox": "mails", "eml": "mails", "zip": "mails"}
_HEAD = 65_536
_OLE = bytes.fromhex("d0cf11e0a1b11ae1")
_OTHERS = {
    b"%PDF": "a PDF",
    b"\x89PNG": "an image",
    b"\xff\xd8\xff": "an image",
    b"\x1f\x8b": "a gzip file; unpack it",
    b"7z\xbc\xaf": "a 7z archive; unpack it",
    b"Rar!": "a RAR archive; unpack it",
    b"!BDN": "an Outlook PST file; export its mails as EML",
}
#: What may part the columns of a CSV file.
DELIMITERS = ",;\t|"
_ENCODINGS = ("utf-8", "gb18030", "big5hkscs", "cp1252")


class Refused(ValueError):
    """The file cannot be imported; the words say what to do about it."""


def format_of(path: Path, name: str, limits: Limits) -> str:
    """The format of a file, told by its bytes before its name. Raises Refused."""
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if not head.strip():
        raise Refused("the file is empty")
    ending = Path(name).suffix.lower()
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _zipped(path, limits)
    if head.startswith(_OLE):
        raise Refused(_ole(path))
    for magic, what in _OTHERS.items():
        if head.startswith(magic):
            raise Refused(f"the file is no table and no mail but {what}")
    if head.startswith(b"From ") or ending in (".mbox", ".mbx"):
        return "mbox"
    if ending == ".eml":
        return "eml"
    if ending in (".jsonl", ".ndjson") or head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
        return "jsonl"
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"[") and ending == ".json":
        raise Refused("the file is one JSON list; write one object a line (`jq -c '.[]'`) and import that")
    return "csv"


def _ole(path: Path) -> str:
    """An old container of Microsoft's: of an encrypted workbook, or of a workbook before 2007."""
    mark = "EncryptedPackage".encode("utf-16-le")
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            if mark in piece:
                return "the workbook is encrypted with a password; save it without one, and import that"
            file.seek(-min(len(mark), len(piece) - 1), io.SEEK_CUR) if len(piece) == 1 << 20 else None
    return "the file is a workbook in the format before 2007 (.xls, .et); save it as .xlsx or CSV"


def _zipped(path: Path, limits: Limits) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            check_zip(members, limits)
            names = {one.filename for one in members}
            if "[Content_Types].xml" in names:
                if any(name.startswith("xl/") for name in names):
                    return "xlsx"
                raise Refused("the file is an Office document that is no workbook")
            if "mimetype" in names:
                raise Refused("the file is an OpenDocument file; save it as .xlsx or CSV")
    except (zipfile.BadZipFile, NotImplementedError, OSError, ValueError) as error:
        if isinstance(error, Refused):
            raise
        raise Refused(f"the packed file is damaged or cut short ({type(error).__name__})") from None
    return "zip"


def check_zip(members: list[zipfile.ZipInfo], limits: Limits) -> None:
    """Bounds of a packed file, told by its directory, which unpacking holds it to. Raises Refused."""
    if len(members) > limits.members:
        raise Refused(f"the packed file holds more than {limits.members} files (imports.members)")
    whole = sum(one.file_size for one in members)
    if whole > limits.unpacked_bytes:
        raise Refused(
            f"unpacked, the file would have {whole} bytes; imports.unpacked_bytes allows {limits.unpacked_bytes}"
        )
    for one in members:
        if one.file_size > 10_000_000 and one.file_size > one.compress_size * limits.unpacked_ratio:
            raise Refused(
                "a part of the packed file swells to more than "
                f"{limits.unpacked_ratio} times its size (imports.unpacked_ratio): perhaps a bomb"
            )


def encoding_of(path: Path) -> str:
    """The encoding of a text: its mark, else what reads all of it, else GB 18030 with loss."""
    with path.open("rb") as file:
        head = file.read(_HEAD)
    for mark, name in (
        (codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):  # fmt: skip
        if head.startswith(mark):
            return name
    if zeros := head.count(0):
        even = head[::2].count(0)
        if zeros > len(head) // 5:
            return "utf-16-be" if even > zeros - even else "utf-16-le"
        raise Refused("the file is no text: it holds NUL bytes")
    return next((one for one in _ENCODINGS if _reads(path, one)), "gb18030")


def _reads(path: Path, encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        with path.open("rb") as file:
            while piece := file.read(1 << 20):
                decoder.decode(piece)
        decoder.decode(b"", True)
    except UnicodeDecodeError:
        return False
    return True


def known_encoding(given: str) -> str:
    """A person's word for an encoding as a codec; Refused when there is none."""
    usual = {
        "gbk": "gb18030",
        "gb2312": "gb18030",
        "big5": "big5hkscs",
        "utf8": "utf-8-sig",
        "utf-8": "utf-8-sig",
    }
    try:
        return codecs.lookup(usual.get(given.strip().lower(), given.strip())).name
    except LookupError:
        raise Refused(
            f"there is no encoding {given!r}; usual ones are utf-8, gb18030, utf-16, big5, cp1252"
        ) from None


def delimiter_of(sample: str) -> str:
    """What parts the columns: said in the first line (`sep=;`), else what parts the most lines alike."""
    if sample[:4].lower() == "sep=" and sample[4:5] in DELIMITERS:
        return sample[4]
    best, score = ",", (0.0, 0)
    for one in DELIMITERS:
        try:
            rows = [row for row in csv.reader(io.StringIO(sample, newline=""), delimiter=one) if any(row)][
                :200
            ]
        except csv.Error:
            continue
        # The last line may be cut.
        widths = Counter(len(row) for row in (rows[:-1] or rows))
        width, times = max(widths.items(), key=lambda item: (item[0] > 1, item[1], item[0]), default=(1, 0))
        found = (times / max(len(rows[:-1] or rows), 1), width) if width > 1 else (0.0, 0)
        if found > score:
            best, score = one, found
    return best
