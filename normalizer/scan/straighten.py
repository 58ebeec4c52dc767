"""Pages put right: which way their lines run, by how much they are skewed, and whether anything is on them."""

from __future__ import annotations

import cv2
import numpy as np

from normalizer.scan.pages import Pixels

#: Skew that is put right, degrees to either side.
_MOST = 7.0
#: Height of the small picture in which lines are looked for, pixels.
_SMALL = 900
#: Share of a page at each edge that scanners spoil with shadows and holes.
_EDGE = 0.03
_INK = 160
#: A mark longer than this on an otherwise empty page, inches, is something that somebody made.
_MARK = 0.08
#: How much redder than anything else the ink of a stamp is, the lightest red channel of black ink under it, and the
#: smaller side of the smallest stamp, inches.
_RED, _LIGHT, _STAMP = 50, 140, 0.4


def grey(image: Pixels) -> Pixels:
    """The page in one channel."""
    if image.ndim == 2:
        return image
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), dtype=np.uint8)


def is_blank(image: Pixels, share: float, resolution: int) -> bool:
    """Whether there is nothing on a page but specks and what shines through from its other side."""
    page = grey(image)
    height, width = page.shape
    page = page[
        round(height * _EDGE) : height - round(height * _EDGE),
        round(width * _EDGE) : width - round(width * _EDGE),
    ]
    if page.size == 0:
        return True
    # Noise of single pixels goes; the light of the sheet decides what counts as dark on it.
    calm = cv2.medianBlur(np.ascontiguousarray(page), 3)
    paper = float(np.percentile(calm[::4, ::4], 90))
    ink = (calm < min(_INK, paper - 60)).astype(np.uint8)
    if float(ink.mean()) <= 0.0:
        return True
    joined = cv2.dilate(ink, np.ones((3, 3), np.uint8))
    count, _, found, _ = cv2.connectedComponentsWithStats(joined, connectivity=8)
    marks = found[1:count]
    larger = marks[np.maximum(marks[:, cv2.CC_STAT_WIDTH], marks[:, cv2.CC_STAT_HEIGHT]) > _MARK * resolution]
    return float(ink.mean()) < share and len(larger) == 0


def direction(image: Pixels) -> tuple[bool, float]:
    """Whether the lines run up and down instead of across, and the skew in degrees (positive: they fall)."""
    page = grey(image)
    factor = min(1.0, _SMALL / max(page.shape))
    small = cv2.resize(page, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    paper = float(np.percentile(small, 90))
    ink = (small < paper - 40).astype(np.uint8) * 255
    margin = max(2, round(min(ink.shape) * _EDGE))
    ink = ink[margin:-margin, margin:-margin]
    if not ink.any():
        return False, 0.0
    across, up = _best(ink), _best(np.ascontiguousarray(np.rot90(ink)))
    if up[0] > across[0] * 1.1:
        return True, up[1]
    return False, across[1]


def _best(ink: Pixels) -> tuple[float, float]:
    """How sharply rows of ink and rows of paper part at the best angle, and that angle."""
    coarse = max((_sharpness(ink, angle), angle) for angle in np.arange(-_MOST, _MOST + 0.1, 0.5))
    fine = max((_sharpness(ink, angle), angle) for angle in np.arange(coarse[1] - 0.4, coarse[1] + 0.41, 0.1))
    return float(fine[0]), float(fine[1])


def _sharpness(ink: Pixels, angle: float) -> float:
    """Rows shifted as a skew of that angle shifts them: fast, and exact enough for small angles."""
    height, width = ink.shape
    matrix = np.array([[1.0, 0.0, 0.0], [np.tan(np.radians(angle)), 1.0, 0.0]])
    sheared = cv2.warpAffine(ink, matrix, (width, height), flags=cv2.INTER_NEAREST)
    rows = sheared.sum(axis=1, dtype=np.float64) / 255.0
    return float(np.square(np.diff(rows)).sum())


def turned(image: Pixels, quarters: int) -> Pixels:
    """The page turned by quarters, counter-clockwise."""
    return np.ascontiguousarray(np.rot90(image, quarters % 4)) if quarters % 4 else image


def levelled(image: Pixels, skew: float) -> Pixels:
    """The page with its skew taken out; nothing of it is cut off."""
    if abs(skew) < 0.15:
        return image
    height, width = image.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), -skew, 1.0)
    cosine, sine = abs(matrix[0, 0]), abs(matrix[0, 1])
    wide, high = round(height * sine + width * cosine), round(height * cosine + width * sine)
    matrix[0, 2] += (wide - width) / 2
    matrix[1, 2] += (high - height) / 2
    white = (255, 255, 255) if image.ndim == 3 else (255,)
    return np.asarray(
        cv2.warpAffine(image, matrix, (wide, high), flags=cv2.INTER_CUBIC, borderValue=white), dtype=np.uint8
    )


def unstamped(image: Pixels, resolution: int) -> Pixels:
    """The page in one channel, without the red of stamps; red letterheads stay: they are wide, stamps are not.

    Under a stamp the red channel is looked at, in which red ink is light and black ink stays dark.
    """
    page = grey(image)
    if image.ndim == 2:
        return page
    blue, green, red = (image[:, :, n].astype(np.int16) for n in range(3))
    mask = ((red - np.maximum(blue, green)) > _RED).astype(np.uint8)
    if not mask.any():
        return page
    reach = max(3, round(resolution * 0.12))
    joined = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((reach, reach), np.uint8))
    count, _labels, found, _ = cv2.connectedComponentsWithStats(joined, connectivity=8)
    page = page.copy()
    for n in range(1, count):
        left, top, width, height, _ = (int(value) for value in found[n])
        if min(width, height) < resolution * _STAMP or max(width, height) > 3 * min(width, height):
            continue
        edge = max(2, resolution // 60)
        rows = slice(max(0, top - edge), top + height + edge)
        columns = slice(max(0, left - edge), left + width + edge)
        stamp = cv2.dilate(mask[rows, columns], np.ones((5, 5), np.uint8)).astype(bool)
        under = image[rows, columns, 2]
        page[rows, columns] = np.where(stamp, np.where(under > _LIGHT, 255, under), page[rows, columns])
    return page
