"""Sheets of paper as a PDF: text set on them by millimetres, the font embedded with the characters that are used."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

import zxingcpp
from fpdf import FPDF
from PIL import Image, ImageOps, UnidentifiedImageError

from connectors.wire.paper_font import MM, Face

#: Width and height, millimetres (ISO 216).
A4, A5 = (210.0, 297.0), (148.0, 210.0)
Colour = tuple[int, int, int]
BLACK: Colour = (0x1C, 0x1C, 0x1E)
GREY: Colour = (0x6B, 0x6F, 0x76)
FAINT: Colour = (0xC9, 0xCD, 0xD2)
Align = Literal["left", "right", "centre"]
_Step = Callable[[FPDF], None]
_FAMILY = "paper"
#: Larger pictures are made smaller before they are embedded, pixels.
_PICTURE = 2400


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that can be put on paper; sizes in pixels."""

    image: Image.Image
    width: int
    height: int


def picture(data: bytes, most_pixels: int = 60_000_000) -> Picture:
    """A JPEG or PNG, upright and not larger than a page needs; ValueError when it is none, or far too large."""
    try:
        with Image.open(BytesIO(data), formats=("JPEG", "PNG")) as opened:
            if opened.width * opened.height > most_pixels:
                raise ValueError("the picture has too many pixels")
            upright = ImageOps.exif_transpose(opened)
            upright.thumbnail((_PICTURE, _PICTURE))
            plain = upright.convert(
                "RGBA" if "A" in upright.getbands() or "transparency" in upright.info else "RGB"
            )
    except (UnidentifiedImageError, OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError("this is no picture that can be read") from error
    return Picture(plain, plain.width, plain.height)


def colour(written: str) -> Colour:
    """A colour of three hexadecimal pairs, `#0b6b74`."""
    return int(written[1:3], 16), int(written[3:5], 16), int(written[5:7], 16)


class Paper:
    """Pages to be drawn. Nothing is drawn before `finish`: only then is it known which characters are used."""

    def __init__(self, face: Face, size: tuple[float, float] = A4) -> None:
        self.face = face
        self.width, self.height = size
        self.replaced = 0
        """Characters that the font does not have."""
        self._pages: list[list[_Step]] = []
        self._used: list[str] = []

    @property
    def pages(self) -> int:
        return len(self._pages)

    def page(self) -> int:
        """A new page; its number, from 0."""
        self._pages.append([])
        return len(self._pages) - 1

    def clean(self, text: str) -> str:
        """Text as it can be printed, on one line."""
        kept, replaced = self.face.clean(" ".join(text.split("\n")))
        self.replaced += replaced
        return kept

    def text(
        self,
        page: int,
        x: float,
        y: float,
        text: str,
        size: float,
        *,
        tint: Colour = BLACK,
        align: Align = "left",
        stretch: float = 0.0,
        strong: bool = False,
    ) -> float:
        """A line of cleaned text with its baseline at y; its width. `stretch`, mm, is added between characters."""
        wide = self.face.width(text, size)
        left = x - {"left": 0.0, "right": wide, "centre": wide / 2}[align]
        self._used.append(text)

        def step(pdf: FPDF) -> None:
            pdf.set_font(_FAMILY, size=size)
            pdf.set_text_color(*tint)
            pdf.set_char_spacing(stretch / MM)
            if strong:
                # The font has one weight: a thin line around each letter makes a second one.
                with pdf.local_context(text_mode="FILL_STROKE", line_width=size * 0.0085, draw_color=tint):
                    pdf.text(left, y, text)
            else:
                pdf.text(left, y, text)
            pdf.set_char_spacing(0)

        self._pages[page].append(step)
        return wide

    def line(
        self,
        page: int,
        x1: float,
        y1: float,
        x2: float,
        y2: float,
        *,
        tint: Colour = FAINT,
        weight: float = 0.2,
    ) -> None:
        """A line; `weight` in millimetres."""

        def step(pdf: FPDF) -> None:
            pdf.set_draw_color(*tint)
            pdf.set_line_width(weight)
            pdf.line(x1, y1, x2, y2)

        self._pages[page].append(step)

    def box(
        self,
        page: int,
        x: float,
        y: float,
        w: float,
        h: float,
        *,
        fill: Colour | None = None,
        edge: Colour | None = None,
        weight: float = 0.3,
        radius: float = 0.0,
    ) -> None:
        """A rectangle, filled or with an edge, its corners round when there is a radius."""

        def step(pdf: FPDF) -> None:
            if fill:
                pdf.set_fill_color(*fill)
            if edge:
                pdf.set_draw_color(*edge)
                pdf.set_line_width(weight)
            style = ("D" if edge else "") + ("F" if fill else "")
            pdf.rect(x, y, w, h, style=style, round_corners=radius > 0, corner_radius=radius)

        self._pages[page].append(step)

    def picture(self, page: int, picture: Picture, x: float, y: float, w: float, h: float) -> None:
        """A picture as large as fits into a box, at its left and top."""
        scale = min(w / picture.width, h / picture.height)

        def step(pdf: FPDF) -> None:
            pdf.image(picture.image, x, y, picture.width * scale, picture.height * scale)

        self._pages[page].append(step)

    def code(self, page: int, text: str, x: float, y: float, side: float) -> None:
        """A QR code of level M without its quiet zone: leave four modules of white around it (ISO/IEC 18004 §9.1)."""
        made = zxingcpp.create_barcode(text, zxingcpp.BarcodeFormat.QRCode, ec_level="M")
        dark = [[not value for value in row] for row in _modules(made.to_image(add_quiet_zones=False))]
        module = side / len(dark)

        def step(pdf: FPDF) -> None:
            pdf.set_fill_color(0, 0, 0)
            for r, row in enumerate(dark):
                start: int | None = None
                for c, on in enumerate([*row, False]):
                    if on and start is None:
                        start = c
                    elif not on and start is not None:
                        # A little higher than a module, so that no hairline shows between two rows.
                        pdf.rect(
                            x + start * module, y + r * module, (c - start) * module, module * 1.02, style="F"
                        )
                        start = None

        self._pages[page].append(step)

    def finish(self, *, title: str, language: str, at: datetime) -> bytes:
        """The PDF."""
        pdf = FPDF(unit="mm", format=(self.width, self.height))
        pdf.set_auto_page_break(False)
        pdf.set_margin(0)
        pdf.set_title(title)
        pdf.set_lang(language)
        pdf.set_creator("Forebay")
        pdf.set_creation_date(at)
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "paper.otf")
            file.write_bytes(self.face.cut_down(self._used))
            pdf.add_font(_FAMILY, fname=file)
            for steps in self._pages:
                pdf.add_page()
                for step in steps:
                    step(pdf)
            return bytes(pdf.output())


def _modules(image: Any) -> list[list[int]]:
    """The modules of a code as the library gives them, 0 for dark."""
    rows: Any = memoryview(image).tolist()
    return list(rows)
