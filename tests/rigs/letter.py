"""Letters that were never paper: PDF files as office programs write them, put into a watched folder as scanners do.

Written here from the file format (PDF 32000-1:2008), with a font that every reader knows and no file brings
(9.7.5.2, table 118): small enough to be made by the hundred.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

#: A PDF in form, whose end and table are where they should be, and that has nothing in it.
HOLLOW = b"%PDF-1.4\nxref\n0 1\n0000000000 65535 f \ntrailer\n<< /Size 1 >>\nstartxref\n9\n%%EOF\n"


def document(pages: Sequence[Sequence[str]]) -> bytes:
    """A PDF with these lines on its pages."""
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"",
        b"<< /Type /Font /Subtype /Type0 /BaseFont /STSong-Light /Encoding /UniGB-UCS2-H /DescendantFonts [4 0 R] >>",
        b"<< /Type /Font /Subtype /CIDFontType0 /BaseFont /STSong-Light /DW 1000 /FontDescriptor 5 0 R "
        b"/CIDSystemInfo << /Registry (Adobe) /Ordering (GB1) /Supplement 2 >> >>",
        b"<< /Type /FontDescriptor /FontName /STSong-Light /Flags 6 /FontBBox [-25 -254 1000 880] /ItalicAngle 0 "
        b"/Ascent 880 /Descent -120 /CapHeight 880 /StemV 93 >>",
    ]
    kids = []
    for lines in pages:
        text = [b"BT /F 10 Tf 18 TL 60 780 Td"]
        text += [b"<%s> Tj T*" % line.encode("utf-16-be").hex().encode() for line in lines]
        content = b"\n".join([*text, b"ET"])
        objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content))
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents %d 0 R "
            b"/Resources << /Font << /F 3 0 R >> >> >>" % len(objects)
        )
        kids.append(b"%d 0 R" % len(objects))
    objects[1] = b"<< /Type /Pages /Kids [%s] /Count %d >>" % (b" ".join(kids), len(kids))
    return assembled(objects)


def assembled(objects: Sequence[bytes]) -> bytes:
    """Objects, the first of them the catalogue, as a file."""
    out = bytearray(b"%PDF-1.7\n")
    rows = [b"0000000000 65535 f \n"]
    for n, one in enumerate(objects, 1):
        rows.append(b"%010d 00000 n \n" % len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (n, one)
    start = len(out)
    out += b"xref\n0 %d\n%s" % (len(rows), b"".join(rows))
    out += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(rows), start)
    return bytes(out)


def lines(n: int, text: str, number: str = "1") -> list[str]:
    """What the n-th customer writes; the number tells letters with the same words apart."""
    return [
        name(n),
        f"{n} Mill Lane",
        "Exmouth EX99 1AA",
        f"E-mail: customer{n}@example.com",
        "Dear Sir or Madam,",
        f"Re: letter {number}",
        *text.splitlines(),
        "Yours faithfully,",
        name(n),
    ]


def name(n: int) -> str:
    """Who the n-th customer is; a number is no name."""
    return "Customer " + "".join(chr(ord("a") + int(digit)) for digit in str(n)).capitalize() + "by"


def put(folder: Path, name: str, data: bytes) -> None:
    """As scanners that know better do: under another name until it is whole."""
    unfinished = folder / f".{name}.tmp"
    unfinished.write_bytes(data)
    unfinished.rename(folder / name)


def settings(folder: Path, **more: Any) -> dict[str, Any]:
    """Settings of a channel on a folder, with short times."""
    inbox = {"folder": str(folder), "settle": 0.05, "incomplete_after": 5}
    return {"kind": "letter", "inbox": inbox, "reply_via": {"email": "mail"}, **more}
