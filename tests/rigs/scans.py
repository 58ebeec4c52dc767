"""Files as scanners write them, made without the code under test: PDF, TIFF, JPEG, PNG, whole and broken."""

from __future__ import annotations

import io
from collections.abc import Sequence

from PIL import Image


def page(width: int = 200, height: int = 280, shade: int = 255, mode: str = "L") -> Image.Image:
    """A page of one shade."""
    return Image.new(mode, (width, height), shade if mode == "L" else bool(shade))


def image(kind: str, pages: Sequence[Image.Image] = (), **options: object) -> bytes:
    """Pages as one file; only TIFF and PDF take more than one."""
    # Copies: an image remembers how it was encoded before.
    first, *more = [one.copy() for one in pages or [page()]]
    out = io.BytesIO()
    several: dict[str, object] = {"save_all": True, "append_images": more} if more else {}
    first.save(out, kind, **several, **options)  # type: ignore[arg-type]
    return out.getvalue()
