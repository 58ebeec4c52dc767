"""A PDF of straightened pages whose text can be searched and copied: the picture, and invisible text over it.

Written here and not by a library: the text needs no font to be seen, so none is embedded but one without a single
shape, and the same pages give the same bytes.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterable, Sequence
from functools import cache

import cv2

from normalizer.scan.lines import Line
from normalizer.scan.pages import Pixels

_POINTS = 72.0
#: Quality of the pictures (JPEG).
_QUALITY = 60
#: Every character is as wide as the font is high; lines are stretched to their own width.
_EM = 1000


def write(pages: Iterable[tuple[Pixels, Sequence[Line]]], resolution: int) -> bytes:
    """The PDF; `resolution` is that of the pictures, dots per inch."""
    objects: dict[int, bytes] = {}
    kids: list[int] = []
    font = _font(objects)
    number = max(objects) + 1
    for image, lines in pages:
        height, width = image.shape[:2]
        scale = _POINTS / resolution
        encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1].tobytes()
        colours = b"/DeviceRGB" if image.ndim == 3 else b"/DeviceGray"
        size = b"/Width %d /Height %d" % (width, height)
        objects[number] = _stream(
            encoded,
            b"/Type /XObject /Subtype /Image %s /ColorSpace %s /BitsPerComponent 8 /Filter /DCTDecode"
            % (size, colours),
        )
        content = b"q %.2f 0 0 %.2f 0 0 cm /I Do Q\n" % (width * scale, height * scale)
        content += _text(lines, height, scale)
        objects[number + 1] = _stream(zlib.compress(content), b"/Filter /FlateDecode")
        objects[number + 2] = (
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 %.2f %.2f] /Contents %d 0 R "
            b"/Resources << /XObject << /I %d 0 R >> /Font << /F %d 0 R >> >> >>"
            % (width * scale, height * scale, number + 1, number, font)
        )
        kids.append(number + 2)
        number += 3
    objects[1] = b"<< /Type /Catalog /Pages 2 0 R >>"
    listed = b" ".join(b"%d 0 R" % one for one in kids)
    objects[2] = b"<< /Type /Pages /Kids [%s] /Count %d >>" % (listed, len(kids))
    return _file(objects)


def _text(lines: Sequence[Line], height: int, scale: float) -> bytes:
    """Each line over its picture, invisible (text rendering mode 3)."""
    out = [b"BT 3 Tr"]
    for line in lines:
        codes = line.text.encode("utf-16-be", "replace")
        size = max(1.0, line.height * scale)
        units = len(codes) / 2
        if not units:
            continue
        stretch = 100.0 * (line.right - line.left) * scale / (units * size)
        place = (line.left * scale, (height - line.bottom) * scale + size * 0.15)
        out.append(
            b"/F %.2f Tf %.2f Tz 1 0 0 1 %.2f %.2f Tm <%s> Tj" % (size, stretch, *place, codes.hex().encode())
        )
    return b"\n".join([*out, b"ET"])


def _font(objects: dict[int, bytes]) -> int:
    """A composite font whose codes are UTF-16 units and whose glyphs are all the same empty one."""
    head = (
        b"/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /Adobe-Identity-UCS def "
        b"/CMapType 2 def 1 begincodespacerange <0000> <FFFF> endcodespacerange\n"
    )
    tail = b"\nendcmap CMapName currentdict /CMap defineresource pop end end"
    # A range must not run over the last byte (PDF 32000-1:2008, 9.10.3), and a block holds at most a hundred.
    ranges = [b"<%02x00> <%02xff> <%02x00>" % (high, high, high) for high in range(256)]
    blocks = b"\n".join(
        b"%d beginbfrange\n%s\nendbfrange" % (len(part), b"\n".join(part))
        for part in (ranges[n : n + 100] for n in range(0, 256, 100))
    )
    data = _glyphless()
    objects[3] = b"<< /Type /Font /Subtype /Type0 /BaseFont /Glyphless /Encoding /Identity-H " + (
        b"/DescendantFonts [4 0 R] /ToUnicode 7 0 R >>"
    )
    objects[4] = b"<< /Type /Font /Subtype /CIDFontType2 /BaseFont /Glyphless /CIDToGIDMap 6 0 R " + (
        b"/CIDSystemInfo << /Registry (Adobe) /Ordering (Identity) /Supplement 0 >> /FontDescriptor 5 0 R "
        b"/DW %d >>" % _EM
    )
    objects[5] = b"<< /Type /FontDescriptor /FontName /Glyphless /Flags 5 /FontBBox [0 0 1000 1000] " + (
        b"/Ascent 1000 /CapHeight 1000 /Descent -1 /ItalicAngle 0 /StemV 80 /FontFile2 8 0 R >>"
    )
    objects[6] = _stream(zlib.compress(bytes(131_072)), b"/Filter /FlateDecode")
    objects[7] = _stream(zlib.compress(head + blocks + tail), b"/Filter /FlateDecode")
    objects[8] = _stream(zlib.compress(data), b"/Filter /FlateDecode /Length1 %d" % len(data))
    return 3


@cache
def _glyphless() -> bytes:
    """A TrueType font with one glyph that has no shape."""
    from fontTools.fontBuilder import FontBuilder
    from fontTools.ttLib.tables._g_l_y_f import Glyph

    font = FontBuilder(_EM, isTTF=True)
    font.setupGlyphOrder([".notdef"])
    font.setupCharacterMap({})
    font.setupGlyf({".notdef": Glyph()})
    font.setupHorizontalMetrics({".notdef": (_EM, 0)})
    font.setupHorizontalHeader(ascent=_EM, descent=-1)
    font.setupNameTable({"familyName": "Glyphless", "styleName": "Regular", "psName": "Glyphless"})
    font.setupOS2(sTypoAscender=_EM)
    font.setupPost()
    font.updateHead(created=0, modified=0)
    font.font.recalcTimestamp = False
    out = io.BytesIO()
    font.save(out)
    return out.getvalue()


def _stream(data: bytes, entries: bytes) -> bytes:
    return b"<< %s /Length %d >>\nstream\n%s\nendstream" % (entries, len(data), data)


def _file(objects: dict[int, bytes]) -> bytes:
    """The objects one after another, with the table of their places (PDF 32000-1:2008, 7.5)."""
    out = bytearray(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n")
    places = {}
    for number in sorted(objects):
        places[number] = len(out)
        out += b"%d 0 obj\n%s\nendobj\n" % (number, objects[number])
    start, count = len(out), max(objects) + 1
    rows = b"".join(b"%010d 00000 n \n" % places[number] for number in range(1, count))
    out += b"xref\n0 %d\n0000000000 65535 f \n%s" % (count, rows)
    out += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (count, start)
    return bytes(out)
