"""The reader of letters with a recogniser that only looks: cutting, blank pages, codes, and files that are none."""

from __future__ import annotations

import zlib
from datetime import UTC, datetime
from random import Random
from typing import Any

import numpy as np
import pytest
import zxingcpp
from fpdf import FPDF
from fpdf.enums import EncryptionMethod
from PIL import Image

from model import sheet_code
from model.draft import Draft
from model.failures import Malformed
from model.tools import Spooled
from normalizer.contract import Source
from normalizer.readers import letter
from normalizer.scan.lines import Line
from normalizer.scan.pages import Pixels
from normalizer.scan.recognise import Found, Recognise
from tests.rigs import letter as written
from tests.rigs import letters

DPI = 100
TOKEN = "a" * 42
SAID = [
    "Ruth Ashdown",
    "E-mail: ruth@example.com",
    "Dear Sir or Madam,",
    "Re: the lift",
    "It stands still.",
    "Yours faithfully,",
    "Ruth Ashdown",
]


def _recogniser() -> Recognise:
    def recognise(image: Pixels) -> Found:
        return Found(tuple(Line(text, 0.99, 10, n * 30.0, 300, n * 30.0 + 20) for n, text in enumerate(SAID)))

    return recognise


READ = letter.reader(_recogniser)


def _read(data: bytes, media_type: str = "application/pdf", **options: Any) -> Draft:
    received = datetime(2026, 11, 22, 9, tzinfo=UTC)
    return READ(Source(raw=data, media_type=media_type, received_at=received, options=options))


def _page() -> bytes:
    (page,) = letters.printed(letters.brief(3), letters.fonts()[0], dpi=DPI)
    return letters.scanned(page.image, Random(1), dpi=DPI, sigma=3)


def _scan(image: Image.Image) -> bytes:
    return letters.scanned(image, Random(2), dpi=DPI, sigma=3)


def _blank() -> bytes:
    return _scan(letters.blank(Random(3), dpi=DPI))


def _separator(text: str = "FOREBAY-SEPARATOR") -> bytes:
    return _scan(letters.separator(text, dpi=DPI))


def test_a_letter_is_a_draft_with_its_pages_to_be_searched() -> None:
    found = _read(letters.pdf([_page(), _blank()], DPI))
    assert (found.name, found.subject) == ("Ruth Ashdown", "the lift")
    assert [one.value for one in found.reply_to] == ["ruth@example.com"]
    assert (found.extra["pages"], found.extra["blank"]) == (2, 1)
    (part,) = found.parts
    assert isinstance(part.data, bytes) and part.data.startswith(b"%PDF-")
    assert found.suspicious is None


@pytest.mark.parametrize("make", [letters.pdf, letters.tiff])
def test_a_batch_is_cut_at_its_separators_and_no_page_is_in_two_letters(make: Any) -> None:
    sheets = [_separator(), _page(), _page(), _separator(), _blank(), _separator(), _page(), _separator()]
    media_type = "application/pdf" if make is letters.pdf else "image/tiff"
    data = make(sheets, DPI)
    found = _read(data, media_type)
    assert [child.meta["pages"] for child in found.children] == [[2, 3], [7]]
    again = _read(data, media_type)
    assert [one.source_id for one in found.children] == [one.source_id for one in again.children]
    for child, pages in zip(found.children, (2, 1), strict=True):
        assert not isinstance(child.data, Spooled)
        assert _read(child.data, child.media_type).extra["pages"] == pages


def test_a_batch_is_not_cut_where_sheets_are_not_wanted() -> None:
    batch = letters.pdf([_page(), _separator(), _page()], DPI)
    assert _read(batch, separators=False).children == ()
    assert _read(batch, separator_codes=["OTHER"]).children == ()
    assert (
        len(
            _read(
                letters.pdf([_page(), _separator("other"), _page()], DPI), separator_codes=["OTHER"]
            ).children
        )
        == 2
    )


def test_a_code_of_ours_names_the_record_and_needs_no_clerk() -> None:
    code = sheet_code.write("FB-261122-7K3FQ", TOKEN)
    found = _read(_separator(code), "image/jpeg", hold_below=1.0)
    assert found.thread.tokens == (TOKEN,)
    assert found.suspicious is None


def test_a_letter_that_is_not_sure_is_shown_to_a_clerk_and_its_corrections_count() -> None:
    received = datetime(2026, 11, 22, 9, tzinfo=UTC)
    given: dict[str, Any] = {"raw": _page(), "media_type": "image/jpeg", "received_at": received}
    found = READ(Source(**given, options={"hold_below": 0.999}))
    assert found.suspicious is not None
    assert found.shown["values"]["name"] == "Ruth Ashdown"
    right = {"name": "Ruth Ashton", "phone": "01632 960001", "text": "It stands still."}
    found = READ(Source(**given, meta={"corrected": right}, options={"hold_below": 0.999, "region": "GB"}))
    assert (found.suspicious, found.name, found.text) == (None, "Ruth Ashton", "It stands still.")
    assert "+441632960001" in [one.value for one in found.identities]


def test_a_salutation_is_nobody_s_name() -> None:
    said = ["Dear Sir or Madam,", "Re: the lift", "It has stood still since Monday.", "Yours faithfully,"]
    assert _read(written.document([said])).name == ""


# ---- what is no letter


def test_nothing_but_blank_pages_is_no_letter() -> None:
    with pytest.raises(Malformed, match="every page is blank"):
        _read(letters.pdf([_blank(), _blank()], DPI))


def _picture_of(width: int, height: int, data: bytes) -> bytes:
    """A PDF of one page that is a picture of that size, with whatever data."""
    content = b"q 595 0 0 842 0 0 cm /I Do Q"
    return written.assembled(
        [
            b"<< /Type /Catalog /Pages 2 0 R >>",
            b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R "
            b"/Resources << /XObject << /I 5 0 R >> >> >>",
            b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content),
            b"<< /Type /XObject /Subtype /Image /Width %d /Height %d /ColorSpace /DeviceGray "
            b"/BitsPerComponent 8 /Filter /FlateDecode /Length %d >>\nstream\n%s\nendstream"
            % (width, height, len(data), data),
        ]
    )


def _encrypted() -> bytes:
    pdf = FPDF()
    pdf.add_page()
    pdf.set_encryption("owner", "user", encryption_method=EncryptionMethod.RC4)
    return bytes(pdf.output())


def _bomb() -> bytes:
    """A picture of 20,000 pixels a side: 400 MB in 400 kB."""
    packer = zlib.compressobj(9)
    row = bytes(1_000_000)
    packed = b"".join([*(packer.compress(row) for _ in range(400)), packer.flush()])
    return _picture_of(20_000, 20_000, packed)


@pytest.mark.parametrize(
    ("data", "media_type", "why"),
    [
        (b"", "application/pdf", "cannot be opened"),
        (b"", "image/tiff", "cannot be opened"),
        (b"no scan at all", "image/png", "cannot be opened"),
        (b"%PDF-1.7\nrubbish", "application/pdf", "cannot be opened"),
        (written.HOLLOW, "application/pdf", "."),
        (_encrypted(), "application/pdf", "encrypted"),
        (_bomb(), "application/pdf", "20000 x 20000 pixels is more than"),
    ],
    ids=["empty", "empty-tiff", "text", "rubbish", "hollow", "encrypted", "bomb"],
)
def test_what_is_no_scan_is_malformed(data: bytes, media_type: str, why: str) -> None:
    with pytest.raises(Malformed, match=why):
        _read(data, media_type, pixels=120_000_000)


def test_too_many_pages_are_refused() -> None:
    with pytest.raises(Malformed, match=r"limits\.pages"):
        _read(letters.pdf([_blank()] * 3, DPI), pages=2)


@pytest.mark.parametrize("kind", ["pdf", "tiff"])
def test_a_cut_file_gives_what_is_there_or_is_malformed_and_never_anything_else(kind: str) -> None:
    make, media_type = {
        "pdf": (letters.pdf, "application/pdf"),
        "tiff": (letters.tiff, "image/tiff"),
    }[kind]
    whole = make([_page(), _page()], DPI)
    for share in (0.1, 0.5, 0.9, 0.999):
        try:
            _read(whole[: int(len(whole) * share)], media_type)
        except Malformed as error:
            assert error.detail


def test_the_code_reader_reads_code_128_too() -> None:
    made = zxingcpp.create_barcode("FOREBAY-SEPARATOR", zxingcpp.BarcodeFormat.Code128)
    bars = Image.fromarray(np.asarray(made.to_image(scale=3)))
    sheet = Image.new("L", (827, 1169), 255)
    sheet.paste(bars, (60, 300))
    assert len(_read(letters.pdf([_page(), _scan(sheet), _page()], DPI)).children) == 2
