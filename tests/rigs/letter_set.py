"""Sixty letters with known truth, scanned as badly as real ones: the set that recognition is measured by.

Printed Chinese and English in three fonts, 150 to 300 dpi, skew up to three degrees, noise of sigma 12, JPEG of
quality 60, a stamp over up to a twentieth of every third one's text, every sixth of two pages, every tenth on its
head, two thirds in files of their own and the rest in batches between separator sheets, with the empty backs of sheets.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

from PIL import Image

from tests.rigs import letters
from tests.rigs.letters import Font, Letter

COUNT = 60
#: Letters of one batch, and how many letters come in batches.
_BATCH, _BATCHED = 4, 20
_RESOLUTIONS = (150, 200, 240, 300)


@dataclass(frozen=True, slots=True)
class Truth:
    """One letter and every line that is printed on it."""

    letter: Letter
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class File:
    """What the scanner writes, and the letters that are in it."""

    name: str
    media_type: str
    data: bytes
    letters: tuple[Truth, ...]


def files(count: int = COUNT) -> Iterator[File]:
    """The set, or the first so many letters of each of its halves by proportion; the same every time."""
    fonts = letters.fonts()
    batched = count * _BATCHED // COUNT // _BATCH * _BATCH
    for seed in range(count - batched):
        random, dpi = Random(1000 + seed), _RESOLUTIONS[seed % 4]
        truth, scans = _scanned(seed, fonts, dpi, random)
        yield _file(f"letter-{seed:02}", ("pdf", "tiff", "jpeg", "png")[seed % 4], scans, dpi, (truth,))
    for first in range(count - batched, count, _BATCH):
        random, dpi = Random(1000 + first), _RESOLUTIONS[first // _BATCH % 4]
        inside: list[bytes] = []
        truths = []
        for seed in range(first, first + _BATCH):
            if inside:
                inside.append(letters.scanned(letters.separator(dpi=dpi), random, dpi=dpi, skew=1.0))
                inside.append(letters.scanned(letters.blank(random, dpi=dpi), random, dpi=dpi))
            truth, scans = _scanned(seed, fonts, dpi, random)
            truths.append(truth)
            inside += scans
        kind = "pdf" if first // _BATCH % 2 == 0 else "tiff"
        yield _file(f"batch-{first:02}", kind, inside, dpi, tuple(truths))


def _scanned(seed: int, fonts: Sequence[Font], dpi: int, random: Random) -> tuple[Truth, list[bytes]]:
    letter = letters.write(seed, long=seed % 6 == 5)
    pages = letters.printed(letter, fonts[seed % len(fonts)], dpi=dpi)
    scans = [
        letters.scanned(
            page.image,
            random,
            dpi=dpi,
            skew=random.uniform(-3, 3),
            turn=180 if seed % 10 == 7 else 0,
            stamp=seed % 3 == 1 and n == 0,
        )
        for n, page in enumerate(pages)
    ]
    return Truth(letter, tuple(line for page in pages for line in page.lines)), scans


def _file(name: str, kind: str, scans: Sequence[bytes], dpi: int, truths: tuple[Truth, ...]) -> File:
    """As that type; an image of one page holds no more than one, so two pages are a PDF."""
    if kind in ("jpeg", "png") and len(scans) > 1:
        kind = "pdf"
    if kind == "pdf":
        return File(f"{name}.pdf", "application/pdf", letters.pdf(scans, dpi), truths)
    if kind == "tiff":
        return File(f"{name}.tif", "image/tiff", letters.tiff(scans, dpi), truths)
    if kind == "jpeg":
        return File(f"{name}.jpg", "image/jpeg", scans[0], truths)
    out = io.BytesIO()
    Image.open(io.BytesIO(scans[0])).save(out, "PNG", dpi=(dpi, dpi))
    return File(f"{name}.png", "image/png", out.getvalue(), truths)
