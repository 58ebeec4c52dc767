"""Whole files and files that were cut: what a look at the structure tells."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import pytest
from fpdf import FPDF
from fpdf.enums import EncryptionMethod

from connectors.letter import formats
from connectors.letter.formats import Look
from tests.rigs import scans

THREE = [scans.page(shade=shade) for shade in (255, 128, 0)]
FILES = {
    "pdf": scans.image("PDF", THREE),
    "tiff": scans.image("TIFF", THREE),
    "tiff, deflate": scans.image("TIFF", THREE, compression="tiff_adobe_deflate"),
    "tiff, group 4": scans.image("TIFF", [scans.page(mode="1")], compression="group4"),
    "big tiff": scans.image("TIFF", [scans.page()], big_tiff=True),
    "jpeg": scans.image("JPEG"),
    "png": scans.image("PNG"),
}


def look(data: bytes, tmp_path: Path, *, pixels: int = 10_000_000, pages: int = 100) -> Look:
    path = tmp_path / "scan"
    path.write_bytes(data)
    with path.open("rb") as file:
        return formats.look(file, pixels=pixels, pages=pages)


@pytest.mark.parametrize("name", FILES)
def test_a_whole_file_is_whole(name: str, tmp_path: Path) -> None:
    found = look(FILES[name], tmp_path)
    assert found.whole, found
    assert found.media_type == formats.media_type(FILES[name][:1024])


@pytest.mark.parametrize("missing", [10, 100, 400])
@pytest.mark.parametrize("name", FILES)
def test_a_file_that_lacks_its_end_is_not(name: str, missing: int, tmp_path: Path) -> None:
    data = FILES[name]
    found = look(data[: max(20, len(data) - missing)], tmp_path)
    assert found.incomplete and not found.whole


def test_what_is_no_scan_is_said_to_be_none(tmp_path: Path) -> None:
    for data in (b"PK\x03\x04 a document", b"GIF89a", b"Dear Sir or Madam"):
        assert look(data, tmp_path).unfit == "it is neither a PDF nor a TIFF, JPEG or PNG image"
    assert look(b"", tmp_path).incomplete == "it is empty"


def test_an_encrypted_pdf_is_told_before_it_is_taken(tmp_path: Path) -> None:
    pdf = FPDF()
    pdf.add_page()
    pdf.set_encryption("owner", "user", encryption_method=EncryptionMethod.RC4)
    assert look(bytes(pdf.output()), tmp_path).unfit == "the PDF is encrypted"


def test_an_image_of_20_000_pixels_a_side_is_told_by_its_head_alone(tmp_path: Path) -> None:
    large = scans.page(20_000, 20_000)
    for kind, options in (("PNG", {}), ("JPEG", {"quality": 1}), ("TIFF", {"compression": "group4"})):
        out = io.BytesIO()
        (large.convert("1") if kind == "TIFF" else large).save(out, kind, **options)  # type: ignore[arg-type]
        found = look(out.getvalue(), tmp_path, pixels=120_000_000)
        assert found.unfit == ("a page of 20000 x 20000 pixels is more than limits.pixels (120000000)"), kind


def test_a_tiff_whose_pages_lead_back_to_one_another_ends(tmp_path: Path) -> None:
    data = bytearray(scans.image("TIFF", [scans.page()]))
    (start,) = struct.unpack("<I", data[4:8])
    (count,) = struct.unpack("<H", data[start : start + 2])
    data[start + 2 + 12 * count : start + 6 + 12 * count] = struct.pack("<I", start)
    assert look(bytes(data), tmp_path).unfit == "the TIFF's image directories go in a circle"
    assert "limits.pages (2)" in (look(FILES["tiff"], tmp_path, pages=2).unfit or "")


def test_noise_behind_a_known_beginning_breaks_nothing(tmp_path: Path) -> None:
    for head in (b"II*\0", b"MM\0*", b"II+\0", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"%PDF-1.7\n"):
        for n in range(40):
            look(head + bytes((n * i * 37) % 256 for i in range(n * 11)), tmp_path)
