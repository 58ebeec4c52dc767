"""Reads scans: cut into letters, each page put straight and recognised, the fields of the letter found in its text."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from model import sheet_code
from model.draft import Child, Draft, Part
from model.failures import Malformed
from normalizer import letter
from normalizer.contract import Source
from normalizer.scan import codes, lines, recognise, searchable, straighten
from normalizer.scan.lines import Line
from normalizer.scan.pages import Document, Limits, Page, Pixels
from normalizer.scan.recognise import Recognise

#: Pages that are kept as pictures between looking for sheets and recognising.
_KEPT = 6
#: Height of a line of a page that was written by a program, pixels: it has no other measure here.
_WRITTEN_LINE = 30.0


@dataclass(slots=True)
class _Sheet:
    """What a first look at a page told."""

    n: int
    blank: bool
    separator: bool
    returned: tuple[str, ...]
    """Tokens of our own sheets."""
    page: Page | None = None


@dataclass(slots=True)
class _Letter:
    """The pages of one letter, as they were found."""

    sheets: list[_Sheet] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Options:
    """The channel's options, or their defaults for files that are read without a channel."""

    resolution: int
    blank: float
    separators: frozenset[str]
    searchable: bool
    limits: Limits

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> _Options:
        separators = given.get("separator_codes", [SEPARATOR]) if given.get("separators", True) else ()
        return cls(
            int(given.get("resolution", 170)),
            float(given.get("blank", 0.0005)),
            frozenset(str(one).casefold() for one in separators),
            bool(given.get("searchable", True)),
            Limits(int(given.get("pages", 300)), int(given.get("pixels", 120_000_000))),
        )


#: What the codes of our separator sheets say.
SEPARATOR = "FOREBAY-SEPARATOR"


def read(source: Source) -> Draft:
    """One letter as a draft, or a batch as its letters. Raises Malformed for what is no scan."""
    return reader(recognise.recogniser)(source)


def reader(load: Callable[[], Recognise]) -> Callable[[Source], Draft]:
    """A reader that recognises by what `load` gives; it is loaded when there is a page to recognise."""

    def read_with(source: Source) -> Draft:
        options = _Options.of(source.options)
        document = Document(source.raw, source.media_type, options.resolution, options.limits)
        try:
            sheets = _sheets(document, options, source.progress)
            letters = _letters(sheets)
            if not letters:
                raise Malformed("every page is blank" if sheets else "the file has no page")
            if len(letters) > 1:
                return Draft(children=tuple(_child(source, document, one) for one in letters))
            return _draft(source, document, options, letters[0], len(sheets), load)
        finally:
            document.close()

    return read_with


def _sheets(document: Document, options: _Options, progress: Callable[[], None]) -> list[_Sheet]:
    found = []
    kept = 0
    for n in range(document.pages):
        page = document.page(n)
        texts = codes.read(straighten.grey(page.image))
        returned = tuple(code[1] for text in texts if (code := sheet_code.read(text)))
        separator = any(text.casefold() in options.separators for text in texts)
        blank = not (texts or page.written) and straighten.is_blank(
            page.image, options.blank, options.resolution
        )
        keep = not blank and not separator and kept < _KEPT
        kept += keep
        found.append(_Sheet(n, blank, separator, returned, page if keep else None))
        progress()
    return found


def _letters(sheets: Sequence[_Sheet]) -> list[_Letter]:
    """Cut at the separators; these and blank pages are left out."""
    letters = [_Letter()]
    for sheet in sheets:
        if sheet.separator:
            letters.append(_Letter())
        elif not sheet.blank:
            letters[-1].sheets.append(sheet)
    return [one for one in letters if one.sheets]


def _child(source: Source, document: Document, one: _Letter) -> Child:
    """A letter of a batch: a file with its own pages and nobody else's."""
    numbers = [sheet.n for sheet in one.sheets]
    name = f"{hashlib.sha256(source.raw).hexdigest()}#{numbers[0] + 1}-{numbers[-1] + 1}"
    meta = {"pages": [n + 1 for n in numbers]}
    if filename := source.meta.get("filename"):
        meta["filename"] = filename
    data = document.only(numbers)
    source.progress()
    return Child(
        source_id=name,
        fingerprint=hashlib.sha256(name.encode()).hexdigest(),
        data=data,
        media_type=document.media_type,
        meta=meta,
    )


def _draft(
    source: Source,
    document: Document,
    options: _Options,
    one: _Letter,
    pages: int,
    load: Callable[[], Recognise],
) -> Draft:
    straight: list[tuple[Pixels, list[Line]]] = []
    for sheet in one.sheets:
        straight.append(_recognised(sheet.page or document.page(sheet.n), options, load))
        sheet.page = None
        source.progress()
    recognised = any(sheet_lines and sheet_lines[0].score < 1 for _, sheet_lines in straight)
    parts = []
    if options.searchable and recognised:
        data = searchable.write(straight, options.resolution)
        parts.append(Part("searchable.pdf", "application/pdf", data))
    tokens = tuple(dict.fromkeys(token for sheet in one.sheets for token in sheet.returned))
    facts = {"pages": pages, "blank": pages - len(one.sheets)}
    return letter.draft(
        [found for _, found in straight], source, parts=tuple(parts), tokens=tokens, facts=facts
    )


def _recognised(page: Page, options: _Options, load: Callable[[], Recognise]) -> tuple[Pixels, list[Line]]:
    """The page put straight, and its lines in reading order."""
    if page.written is not None:
        return page.image, _written(page)
    plain = straighten.unstamped(page.image, options.resolution)
    up, skew = straighten.direction(plain)
    quarters = 3 if up else 0
    found = load()(straighten.levelled(straighten.turned(plain, quarters), skew))
    picture = straighten.levelled(straighten.turned(page.image, quarters), skew)
    if found.upside_down:
        picture = straighten.turned(picture, 2)
    return np.ascontiguousarray(picture), lines.ordered(found.lines)


def _written(page: Page) -> list[Line]:
    """The lines of a page that was never paper: sure, and set one below the other, as long as they say."""
    return [
        Line(lines.tidy(text), 1.0, 0.0, n * _WRITTEN_LINE, len(text) * 10.0, (n + 0.8) * _WRITTEN_LINE)
        for n, text in enumerate(page.written or ())
    ]
