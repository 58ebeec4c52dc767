"""Whether the file of a scan is whole, told by its structure: a cut file opens as well as a whole one.

Only headers and tables are read, nothing is decompressed, so that a hostile file costs nothing here.
"""

from __future__ import annotations

import os
import re
import struct
from dataclasses import dataclass
from typing import BinaryIO

PDF, TIFF, JPEG, PNG = "application/pdf", "image/tiff", "image/jpeg", "image/png"

#: How far from the start and the end of a file its marks may lie, bytes (PDF 32000-1:2008 annex H, notes 13 and 18).
_EDGE = 1024
_START = re.compile(rb"startxref\s+(\d{1,12})\s+%%EOF")
_OBJECT = re.compile(rb"\s*\d+\s+\d+\s+obj\b")
#: The most of a PDF's table of contents that is read, bytes, and image files inside one TIFF.
_TABLE, _FRAMES = 4_194_304, 10_000


@dataclass(frozen=True, slots=True)
class Look:
    """What a look at a file's structure told."""

    media_type: str | None = None
    incomplete: str | None = None
    """Why it is not whole yet, or was cut off."""
    unfit: str | None = None
    """Why it will never be taken."""

    @property
    def whole(self) -> bool:
        return self.incomplete is None and self.unfit is None


def media_type(head: bytes) -> str | None:
    """What a file is, by its first bytes; None for what is no scan."""
    if head.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")):
        return TIFF
    if head.startswith(b"\xff\xd8\xff"):
        return JPEG
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return PNG
    return PDF if b"%PDF-" in head[:_EDGE] else None


def look(file: BinaryIO, *, pixels: int, pages: int) -> Look:
    """Look at an open file. `pixels` and `pages` are the most that one page and one file may have."""
    size = os.fstat(file.fileno()).st_size
    head = file.read(_EDGE)
    if not head:
        return Look(incomplete="it is empty")
    found = media_type(head)
    if found is None:
        return Look(unfit="it is neither a PDF nor a TIFF, JPEG or PNG image")
    try:
        if found == PDF:
            trouble = _pdf(file, size, head)
        elif found == TIFF:
            trouble = _tiff(file, size, pixels, pages)
        else:
            trouble = (_jpeg if found == JPEG else _png)(file, size, pixels)
    except _Incomplete as error:
        return Look(found, incomplete=str(error))
    except struct.error:
        return Look(found, incomplete="it ends in the middle of its tables")
    return Look(found, unfit=trouble)


class _Incomplete(Exception):
    """The file ends before it is complete."""


def _at(file: BinaryIO, offset: int, size: int) -> bytes:
    if offset > os.fstat(file.fileno()).st_size:
        return b""
    file.seek(offset)
    return file.read(size)


def _too_large(width: int, height: int, pixels: int) -> str | None:
    if width * height > pixels:
        return f"a page of {width} x {height} pixels is more than limits.pixels ({pixels})"
    return None


def _pdf(file: BinaryIO, size: int, head: bytes) -> str | None:
    """The end mark, and the table that it points to."""
    end = _at(file, max(0, size - _EDGE), _EDGE)
    starts = _START.findall(end)
    if not starts or b"%%EOF" not in end:
        raise _Incomplete("the PDF has no end (%%EOF)")
    base = head.find(b"%PDF-")
    for offset in (int(starts[-1]), int(starts[-1]) + base):
        table = _at(file, offset, 32)
        if table.lstrip().startswith(b"xref"):
            whole = _at(file, offset, _TABLE)
            trailer = whole.find(b"trailer")
            if trailer < 0:
                raise _Incomplete("the PDF's table of contents has no trailer")
            entries = whole[trailer : whole.find(b"startxref", trailer)]
            break
        if _OBJECT.match(table):
            whole = _at(file, offset, 65_536)
            entries = whole[: whole.find(b"stream")]
            if b"/XRef" not in entries:
                raise _Incomplete("the PDF's end points to no table of contents")
            break
    else:
        raise _Incomplete("the PDF's end points to no table of contents")
    return "the PDF is encrypted" if b"/Encrypt" in entries else None


def _tiff(file: BinaryIO, size: int, pixels: int, pages: int) -> str | None:
    """The chain of image directories, and that every strip or tile lies inside the file (TIFF 6.0, BigTIFF)."""
    head = _at(file, 0, 16)
    order = "<" if head[:2] == b"II" else ">"
    big = struct.unpack(order + "H", head[2:4])[0] == 43
    offset = struct.unpack(order + ("Q" if big else "I"), head[8:16] if big else head[4:8])[0]
    seen: set[int] = set()
    while offset:
        if offset in seen or len(seen) >= _FRAMES:
            return "the TIFF's image directories go in a circle"
        if len(seen) >= pages:
            return f"it has more than limits.pages ({pages}) pages"
        seen.add(offset)
        offset, trouble = _directory(file, size, offset, order, big, pixels)
        if trouble:
            return trouble
    return None if seen else "the TIFF has no image"


#: Bytes of a value of each TIFF type.
_SIZES = {
    1: 1,
    2: 1,
    3: 2,
    4: 4,
    5: 8,
    6: 1,
    7: 1,
    8: 2,
    9: 4,
    10: 8,
    11: 4,
    12: 8,
    13: 4,
    16: 8,
    17: 8,
    18: 8,
}
_LETTERS = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}
_WIDTH, _HEIGHT, _STRIPS, _STRIP_SIZES, _TILES, _TILE_SIZES = 256, 257, 273, 279, 324, 325


def _directory(
    file: BinaryIO, size: int, offset: int, order: str, big: bool, pixels: int
) -> tuple[int, str | None]:
    """Where the next directory is, and what is wrong with this one's image."""
    count_format, entry, slot = ("Q", 20, 8) if big else ("H", 12, 4)
    start = offset + struct.calcsize(order + count_format)
    (count,) = struct.unpack(order + count_format, _at(file, offset, start - offset))
    if count > 4096:
        return 0, "the TIFF has a directory of impossible length"
    rows = _at(file, start, count * entry)
    (following,) = struct.unpack(order + ("Q" if big else "I"), _at(file, start + count * entry, slot))
    values: dict[int, tuple[int, ...]] = {}
    for n in range(count):
        row = rows[n * entry : (n + 1) * entry]
        tag, type_ = struct.unpack(order + "HH", row[:4])
        if tag not in (_WIDTH, _HEIGHT, _STRIPS, _STRIP_SIZES, _TILES, _TILE_SIZES) or type_ not in _LETTERS:
            continue
        (many,) = struct.unpack(order + ("Q" if big else "I"), row[4 : 4 + slot])
        length = many * _SIZES[type_]
        if length > size:
            raise _Incomplete("the TIFF's tables lie beyond its end")
        data = row[-slot:][:length]
        if length > slot:
            (where,) = struct.unpack(order + ("Q" if big else "I"), row[-slot:])
            data = _at(file, where, length)
        values[tag] = struct.unpack(f"{order}{many}{_LETTERS[type_]}", data)
    for places, sizes in ((_STRIPS, _STRIP_SIZES), (_TILES, _TILE_SIZES)):
        for at, length in zip(values.get(places, ()), values.get(sizes, ()), strict=False):
            if at + length > size:
                raise _Incomplete("a strip of the TIFF's image lies beyond its end")
    width, height = (values.get(tag, (0,))[0] for tag in (_WIDTH, _HEIGHT))
    return following, _too_large(width, height, pixels)


#: Markers of a JPEG frame header (ITU-T T.81 table B.1), and those that have no length.
_FRAMES_OF_JPEG = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
_BARE = frozenset({0x01, *range(0xD0, 0xD9)})


def _jpeg(file: BinaryIO, size: int, pixels: int) -> str | None:
    """The end mark, and the size in the frame header."""
    if b"\xff\xd9" not in _at(file, max(2, size - _EDGE), _EDGE):
        raise _Incomplete("the JPEG has no end (EOI)")
    offset = 2
    while offset < size:
        mark = _at(file, offset, 9)
        if len(mark) < 9 or mark[0] != 0xFF:
            return "the JPEG has no image"
        if mark[1] in _FRAMES_OF_JPEG:
            height, width = struct.unpack(">HH", mark[5:9])
            return _too_large(width, height, pixels)
        bare = mark[1] in _BARE or mark[1] == 0xFF
        offset += (1 if mark[1] == 0xFF else 2) if bare else 2 + struct.unpack(">H", mark[2:4])[0]
    return "the JPEG has no image"


def _png(file: BinaryIO, size: int, pixels: int) -> str | None:
    """The chain of chunks to the last one (PNG, third edition, 5.3)."""
    offset, trouble = 8, None
    while True:
        chunk = _at(file, offset, 16)
        if len(chunk) < 8:
            raise _Incomplete("the PNG has no end (IEND)")
        length, name = struct.unpack(">I4s", chunk[:8])
        if offset + 12 + length > size:
            raise _Incomplete("a chunk of the PNG lies beyond its end")
        if name == b"IHDR":
            width, height = struct.unpack(">II", chunk[8:16])
            trouble = _too_large(width, height, pixels)
        if name == b"IEND":
            return trouble
        offset += 12 + length
