"""A page of a scan as a picture for a person: put straight as far as its lines tell, in its own colours."""

from __future__ import annotations

import cv2

from model.failures import Malformed
from normalizer.contract import Source
from normalizer.scan import straighten
from normalizer.scan.pages import Document, Limits

#: Resolution and quality: to be read on a screen.
_RESOLUTION, _QUALITY = 110, 70


def draw(source: Source, page: int) -> bytes:
    """The page as a JPEG; Malformed when there is none such or it cannot be drawn."""
    limits = Limits(int(source.options.get("pages", 300)), int(source.options.get("pixels", 120_000_000)))
    document = Document(source.raw, source.media_type, _RESOLUTION, limits)
    try:
        if not 0 <= page < document.pages:
            raise Malformed(f"there is no page {page + 1}")
        image = document.page(page).image
    finally:
        document.close()
    up, skew = straighten.direction(image)
    straight = straighten.levelled(straighten.turned(image, 3 if up else 0), skew)
    return bytes(cv2.imencode(".jpg", straight, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1].tobytes())
