"""The pages of a scan as images, one at a time, whatever the file: PDF, TIFF, JPEG or PNG."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pypdfium2 as pdfium
from PIL import Image, ImageOps, UnidentifiedImageError

from model.failures import Malformed

Pixels = npt.NDArray[np.uint8]

#: A4 upright, inches: what a page without a resolution is taken for.
_LONG_SIDE = 11.69
_POINTS = 72.0
#: Resolutions that a file may claim; others are rubbish and not believed.
_RESOLUTIONS = range(60, 1300)
#: The longest side of an image that is looked at, pixels: larger sheets are looked at coarser.
_LONGEST = 4_000
#: Characters from which on a page counts as one that was written, not scanned.
_WRITTEN = 20
#: A picture that covers this share of a page is the page.
_COVERS = 0.5


@dataclass(frozen=True, slots=True)
class Limits:
    """The most that one file may have."""

    pages: int
    pixels: int
    """Of one page."""


@dataclass(frozen=True, slots=True)
class Page:
    """One page. `image` has three channels (BGR) where there is colour, else one."""

    image: Pixels
    written: tuple[str, ...] | None = None
    """Its lines, where the page was written by a program and never was paper."""


class Document:
    """An open file. Raises Malformed for whatever cannot be a scan."""

    def __init__(self, raw: bytes, media_type: str, resolution: int, limits: Limits) -> None:
        self.media_type = media_type
        self._raw = raw
        self._resolution = resolution
        self._limits = limits
        self._pdf: Any = None
        self._image: Any = None
        if media_type == "application/pdf":
            self._pdf = _pdf(raw)
            self.pages = len(self._pdf)
        else:
            self._image = _image(raw)
            self.pages = _frames(self._image)
        if self.pages == 0:
            raise Malformed("the file has no page")
        if self.pages > limits.pages:
            raise Malformed(f"{self.pages} pages are more than limits.pages ({limits.pages})")

    def page(self, n: int) -> Page:
        """The n-th page, at the resolution that was asked for or as near as its pixels allow."""
        try:
            return self._pdf_page(n) if self._pdf is not None else Page(self._frame(n))
        except pdfium.PdfiumError as error:
            raise Malformed(f"page {n + 1} cannot be drawn: {error}") from None

    def only(self, pages: Sequence[int]) -> bytes:
        """A file of the same type with these pages alone, each as it is."""
        if self._pdf is None:
            return self._only_frames(pages)
        made = pdfium.PdfDocument.new()
        made.import_pages(self._pdf, list(pages))
        out = io.BytesIO()
        made.save(out)
        made.close()
        return out.getvalue()

    def close(self) -> None:
        """Let go of the file."""
        if self._pdf is not None:
            self._pdf.close()

    # ---- PDF

    def _pdf_page(self, n: int) -> Page:
        page = self._pdf[n]
        try:
            width, height = page.get_size()
            scale = min(self._resolution / _POINTS, _LONGEST / max(width, height, 1.0))
            pictures = self._pictures(page, width * height)
            written = None if pictures else _lines(page)
            bitmap = page.render(scale=scale, rev_byteorder=False, fill_color=(255, 255, 255, 255))
            return Page(_plain(bitmap.to_numpy()), written)
        finally:
            page.close()

    def _pictures(self, page: Any, area: float) -> bool:
        """Whether pictures make up the page. Malformed when one of them is too large to be drawn."""
        covered = 0.0
        for one in page.get_objects(filter=(pdfium.raw.FPDF_PAGEOBJ_IMAGE,), max_depth=3):
            width, height = one.get_px_size()
            if width * height > self._limits.pixels:
                raise Malformed(
                    f"a picture of {width} x {height} pixels is more than limits.pixels ({self._limits.pixels})"
                )
            left, bottom, right, top = one.get_bounds()
            covered += max(0.0, right - left) * max(0.0, top - bottom)
        return covered > _COVERS * max(area, 1.0)

    # ---- images

    def _frame(self, n: int) -> Pixels:
        with _no_bombs():
            try:
                if self.pages > 1:
                    self._image.seek(n)
                width, height = self._image.size
                if width * height > self._limits.pixels:
                    raise Malformed(
                        f"a page of {width} x {height} pixels is more than limits.pixels ({self._limits.pixels})"
                    )
                frame = ImageOps.exif_transpose(self._image)
                frame = frame.convert("RGB" if _coloured(frame) else "L")
            except (OSError, SyntaxError, ValueError, EOFError, KeyError, TypeError) as error:
                raise Malformed(f"page {n + 1} cannot be drawn: {type(error).__name__}") from None
        image = np.asarray(frame)
        if image.ndim == 3:
            image = np.ascontiguousarray(image[:, :, ::-1])
        return self._scaled(image, _resolution(self._image))

    def _scaled(self, image: Pixels, resolution: float | None) -> Pixels:
        longest = max(image.shape[:2])
        factor = self._resolution / (resolution or longest / _LONG_SIDE)
        factor = min(factor, _LONGEST / longest)
        if 0.95 < factor < 1.05:
            return image
        way = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
        size = (max(1, round(image.shape[1] * factor)), max(1, round(image.shape[0] * factor)))
        return _plain(cv2.resize(image, size, interpolation=way))

    def _only_frames(self, pages: Sequence[int]) -> bytes:
        frames = []
        with _no_bombs():
            for n in pages:
                self._image.seek(n)
                frames.append(self._image.copy())
        out = io.BytesIO()
        first, *more = frames
        two = all(frame.mode == "1" for frame in frames)
        options: dict[str, Any] = {"save_all": True, "append_images": more} if more else {}
        if dpi := self._image.info.get("dpi"):
            options["dpi"] = dpi
        first.save(out, "TIFF", compression="group4" if two else "tiff_adobe_deflate", **options)
        return out.getvalue()


def _pdf(raw: bytes) -> Any:
    try:
        return pdfium.PdfDocument(raw)
    except pdfium.PdfiumError as error:
        if "password" in str(error).lower() or b"/Encrypt" in raw[-65_536:]:
            raise Malformed("the PDF is encrypted") from None
        raise Malformed("the PDF cannot be opened") from None


def _image(raw: bytes) -> Any:
    with _no_bombs():
        try:
            return Image.open(io.BytesIO(raw), formats=("TIFF", "JPEG", "PNG"))
        except (UnidentifiedImageError, OSError, SyntaxError, ValueError, KeyError, TypeError) as error:
            raise Malformed(f"the image cannot be opened: {type(error).__name__}") from None


def _frames(image: Any) -> int:
    """How many pages there are; of a file that was cut this cannot be told."""
    with _no_bombs():
        try:
            return int(getattr(image, "n_frames", 1))
        except (OSError, SyntaxError, ValueError, EOFError, KeyError, TypeError) as error:
            raise Malformed(f"its pages cannot be counted: {type(error).__name__}") from None


@contextmanager
def _no_bombs() -> Iterator[None]:
    """Our own limit of pixels is looked at instead of the library's, before anything is decompressed."""
    before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what is odd about a stranger's file is no news
            yield
    finally:
        Image.MAX_IMAGE_PIXELS = before


def _coloured(frame: Image.Image) -> bool:
    return frame.mode in ("RGB", "RGBA", "CMYK", "YCbCr", "LAB", "HSV", "P", "PA")


def _resolution(image: Image.Image) -> float | None:
    """What the file says, where it can be true."""
    told = image.info.get("dpi")
    try:
        dpi = float(told[0]) if told else 0.0
    except (TypeError, ValueError, ZeroDivisionError, IndexError):
        return None
    return dpi if int(dpi) in _RESOLUTIONS else None


def _plain(image: Any) -> Pixels:
    """One channel where there is no colour, else three."""
    image = np.asarray(image, dtype=np.uint8)
    if image.ndim == 3 and image.shape[2] == 1:
        return np.ascontiguousarray(image[:, :, 0])
    if image.ndim == 3 and image.shape[2] == 4:
        image = image[:, :, :3]
    if image.ndim == 3:
        coarse = image[::8, ::8].astype(np.int16)
        spread = coarse.max(axis=2) - coarse.min(axis=2)
        if float((spread > 60).mean()) < 0.0005:
            return np.asarray(cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_BGR2GRAY), dtype=np.uint8)
    return np.ascontiguousarray(image)


def _lines(page: Any) -> tuple[str, ...] | None:
    """The text of a page that was written by a program; None when there is hardly any."""
    text = page.get_textpage()
    try:
        lines = tuple(line.strip() for line in text.get_text_range().splitlines() if line.strip())
    finally:
        text.close()
    return lines if sum(map(len, lines)) >= _WRITTEN else None
