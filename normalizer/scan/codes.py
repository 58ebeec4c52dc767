"""Bar codes on pages: separator sheets, and the codes of our own letters and forms."""

from __future__ import annotations

import cv2
import numpy as np
import zxingcpp

from normalizer.scan.pages import Pixels

_FORMATS = zxingcpp.BarcodeFormats((zxingcpp.BarcodeFormat.QRCode, zxingcpp.BarcodeFormat.Code128))


def read(image: Pixels) -> tuple[str, ...]:
    """The texts of all QR codes and Code 128 bars on a page, whichever way it lies."""
    found = _read(image)
    # Noise breaks the small modules of a code: once more with it smoothed away.
    return found or _read(np.asarray(cv2.GaussianBlur(image, (3, 3), 0), dtype=np.uint8))


def _read(image: Pixels) -> tuple[str, ...]:
    found = zxingcpp.read_barcodes(image, formats=_FORMATS, try_rotate=True, try_downscale=True)
    return tuple(dict.fromkeys(one.text for one in found if one.text))
