"""Recognition by RapidOCR (PP-OCRv6, small models inside its wheel): a straight page in, lines with scores out.

One thread, and the models loaded once a process: it runs in a worker of its own. The detector looks at the whole page;
the direction of lines is asked for a few of them only, because a page has one direction.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import cv2
import numpy as np

from normalizer.scan.lines import Line
from normalizer.scan.pages import Pixels

#: Lines whose direction is asked for, the share of their scores that decides, how many are read both ways where
#: none has it, and the width of what the classifier looks at, in heights.
_ASKED, _MOSTLY, _READ_TWICE, _SHAPE = 8, 0.7, 3, 4
#: Lines are looked for in a smaller picture, in which a letter's are still ten pixels high, and read in the whole one:
#: its longest side, pixels, and the least that it is made smaller by.
_LOOKED_AT, _SMALLEST = 1_300, 0.62
#: Lines less sure than this are dust and edges more often than text.
_WORTH = 0.5


@dataclass(frozen=True, slots=True)
class Found:
    """What is on a page."""

    lines: tuple[Line, ...]
    upside_down: bool = False
    """The page lies on its head; the lines are given as if it were turned already."""


#: Recognises a straightened page. Tests hand in their own.
Recognise = Callable[[Pixels], Found]


@cache
def recogniser() -> Recognise:
    """The one of this process; loads libraries and models, which takes seconds."""
    engine = _engine()

    def recognise(image: Pixels) -> Found:
        return _recognised(engine, image)

    return recognise


def _engine() -> Any:
    from rapidocr import RapidOCR

    engine = RapidOCR(
        params={
            "Global.log_level": "critical",
            "EngineConfig.onnxruntime.intra_op_num_threads": 1,
            "EngineConfig.onnxruntime.inter_op_num_threads": 1,
        }
    )
    # The parts are loaded by the first use of each.
    speck = np.full((64, 320, 3), 255, np.uint8)
    engine(speck, use_det=True, use_cls=False, use_rec=False)
    engine(speck, use_det=False, use_cls=True, use_rec=True)
    return engine


def _recognised(engine: Any, image: Pixels) -> Found:
    page = _three(image)
    boxes = _boxes(engine, page)
    if boxes is None:
        return Found(())
    crops = engine.crop_text_regions(page, boxes)
    upside_down = _upside_down(engine, crops)
    if upside_down:
        crops = [np.ascontiguousarray(np.rot90(crop, 2)) for crop in crops]
    texts = _read(engine, crops)
    height, width = image.shape[:2]
    lines = []
    for box, (text, score) in zip(boxes, texts, strict=True):
        if score < _WORTH or not text.strip():
            continue
        (left, top), (right, bottom) = box.min(axis=0), box.max(axis=0)
        if upside_down:
            left, top, right, bottom = width - right, height - bottom, width - left, height - top
        lines.append(Line(text, float(score), float(left), float(top), float(right), float(bottom)))
    return Found(tuple(lines), upside_down)


def _boxes(engine: Any, page: Pixels) -> Any:
    """The corners of each piece of text on the page; None when there is none."""
    factor = min(1.0, max(_SMALLEST, _LOOKED_AT / max(page.shape[:2])))
    small = (
        page if factor == 1 else cv2.resize(page, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    )
    boxes = engine.text_det(small).boxes
    if boxes is None or len(boxes) == 0:
        return None
    return np.asarray(boxes, dtype=np.float32) / np.float32(factor)


def _three(image: Pixels) -> Pixels:
    return image if image.ndim == 3 else np.ascontiguousarray(np.repeat(image[:, :, None], 3, axis=2))


def _upside_down(engine: Any, crops: Sequence[Any]) -> bool:
    """Whether the longest lines say that they stand on their heads; where these do not agree, what reads better."""
    longest = sorted(crops, key=lambda crop: crop.shape[1] / max(1, crop.shape[0]), reverse=True)[:_ASKED]
    # Pieces of the shape that the classifier is made for, which would squeeze a whole line; it turns them in place.
    told = engine.text_cls([crop[:, : _SHAPE * crop.shape[0]].copy() for crop in longest]).cls_res
    turned = sum(float(score) for label, score in told if label == "180")
    share = turned / (sum(float(score) for _, score in told) or 1.0)
    if not 1 - _MOSTLY < share < _MOSTLY:
        return share > 0.5
    some = longest[:_READ_TWICE]
    ways = (some, [np.ascontiguousarray(np.rot90(crop, 2)) for crop in some])
    upright, on_head = (sum(score for _, score in _read(engine, way)) for way in ways)
    return on_head > upright


def _read(engine: Any, crops: Sequence[Any]) -> list[tuple[str, float]]:
    from rapidocr.ch_ppocr_rec import TextRecInput

    found = engine.text_rec(TextRecInput(img=list(crops), return_word_box=False))
    return list(zip(found.txts, found.scores, strict=True))
