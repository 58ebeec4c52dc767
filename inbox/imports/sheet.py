"""The lines of a worksheet, one after another, in a memory that does not grow with the sheet (ECMA-376, part 1, §18.3).

The library's own reading keeps an element for every row that it has passed, 500 MB for a million empty ones, and takes
four times as long. What a workbook holds beside its sheets (texts, styles, names) is read by the library.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import datetime
from typing import Any, BinaryIO
from xml.parsers import expat

_PIECE = 262_144
#: Columns that a sheet can have.
_COLUMNS = 16_384

Row = tuple[int, list[Any]]


class Damaged(Exception):
    """The sheet cannot be read from here on."""


class _Lines:
    """Handlers of the parser. Formulas are passed over: what counts is the value that the file keeps for them."""

    def __init__(self, texts: Sequence[Any], value: Callable[[str, str, int], Any]) -> None:
        self._texts = texts
        self._value = value
        self._row, self._column, self._kind, self._style = 0, 0, "", 0
        self._place = ""
        self._cells: list[Any] = []
        self._words: list[str] = []
        self._takes = False
        self._aside = 0
        self.found: list[Row] = []
        self.passed = 0
        """The last row's number."""

    def start(self, name: str, attributes: dict[str, str]) -> None:
        name = name[name.find(":") + 1 :]
        if name == "c":
            self._column, self._place = self._column + 1, attributes.get("r", "")
            self._kind, self._style = attributes.get("t", "n"), int(attributes.get("s") or 0)
            self._words = []
        elif name == "row":
            self._row = max(int(attributes.get("r") or 0), self._row + 1)
            self._column, self._cells = 0, []
        elif name == "rPh":  # how an East Asian word is spoken, no part of it
            self._aside += 1
        elif name in ("v", "t"):
            self._takes = not self._aside

    def text(self, words: str) -> None:
        if self._takes:
            self._words.append(words)

    def end(self, name: str) -> None:
        name = name[name.find(":") + 1 :]
        if name in ("v", "t"):
            self._takes = False
        elif name == "c":
            if self._words and self._at():
                value = self._of("".join(self._words))
                if value is not None:
                    self._cells += [None] * (self._column - 1 - len(self._cells))
                    self._cells.append(value)
        elif name == "row":
            self.passed = self._row
            if self._cells:
                self.found.append((self._row, self._cells))
        elif name == "rPh":
            self._aside -= 1

    def _at(self) -> bool:
        """Find the cell's column, where the file names it; whether a sheet can have it there."""
        if self._place:
            self._column = max(_column(self._place), len(self._cells) + 1)
        return self._column <= _COLUMNS

    def _of(self, words: str) -> Any:
        if self._kind == "s":
            at = int(words)
            return self._texts[at] if at < len(self._texts) else None
        if self._kind in ("str", "inlineStr", "e"):
            return words
        return self._value(self._kind, words, self._style)


def _column(place: str) -> int:
    """The number of a column by its letters: 28 of AB17."""
    number = 0
    for letter in place:
        if not letter.isalpha():
            break
        number = number * 26 + ord(letter) - 64
    return number


def lines(
    source: BinaryIO, texts: Sequence[Any], value: Callable[[str, str, int], Any]
) -> Iterator[tuple[int, list[Row]]]:
    """The rows with something in them, piece by piece, with the number of the last row that was passed. Raises Damaged.

    `value` makes a value of a kind (`n`, `b`, `d`), the text in the file, and the number of a style.
    """
    parser = expat.ParserCreate()
    parser.buffer_text = True
    handlers = _Lines(texts, value)
    parser.StartElementHandler = handlers.start
    parser.EndElementHandler = handlers.end
    parser.CharacterDataHandler = handlers.text
    parser.EntityDeclHandler = _no_entities
    try:
        while piece := source.read(_PIECE):
            parser.Parse(piece, False)
            found, handlers.found = handlers.found, []
            yield handlers.passed, found
        parser.Parse(b"", True)
    except (expat.ExpatError, ValueError, KeyError) as error:
        raise Damaged(type(error).__name__) from None
    yield handlers.passed, handlers.found


def _no_entities(*_: Any) -> None:
    raise Damaged("it declares entities, as only bombs do")


def values(dates: Collection[int], spans: Collection[int], epoch: datetime) -> Callable[[str, str, int], Any]:
    """Makes values: numbers, and the dates and spans of time that numbers with certain styles are."""
    from openpyxl.utils.datetime import from_excel, from_ISO8601

    def value(kind: str, words: str, style: int) -> Any:
        if kind == "b":
            return words.strip() in ("1", "true")
        if kind == "d":
            return from_ISO8601(words)  # type: ignore[no-untyped-call]
        number: Any = float(words) if "." in words or "E" in words or "e" in words else int(words)
        if style in dates or style in spans:
            try:
                return from_excel(number, epoch, timedelta=style in spans)
            except (OverflowError, ValueError):
                return number
        return number

    return value
