"""A workbook that is open: its sheets by name, and the rows of one of them (xlsx; ECMA-376)."""

from __future__ import annotations

import contextlib
import re
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from inbox.imports import sheet
from inbox.imports.formats import Refused

#: Bytes at the beginning of a sheet in which it says how large it is; good for a bar, and for nothing else.
_BEGINNING = 8_192
_SIZE = re.compile(rb'<(?:\w+:)?dimension ref="[A-Z]+\d+:[A-Z]+(\d+)"')


@dataclass(frozen=True, slots=True)
class Sheet:
    """One sheet of a workbook."""

    name: str
    hidden: bool
    path: str


class Workbook:
    """Texts, styles and names, read by the library; the sheets' rows are read by us. Raises Refused."""

    def __init__(self, path: Path) -> None:
        try:
            from openpyxl.reader import excel
            from openpyxl.styles.stylesheet import apply_stylesheet
        except ModuleNotFoundError:
            raise Refused(
                "reading workbooks needs the extra `tables`: pip install 'forebay[tables]'"
            ) from None
        self._stream = path.open("rb")  # by its name, the library would judge a file
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of styles and extensions that it does not know
            try:
                reader: Any = excel.ExcelReader(
                    self._stream, read_only=True, data_only=True, keep_links=False
                )
                reader.read_manifest()
                reader.read_strings()
                reader.read_workbook()
                apply_stylesheet(reader.archive, reader.wb)
                listed = list(reader.parser.find_sheets())
            except (zipfile.BadZipFile, zlib.error, OSError, LookupError, TypeError, ValueError, SyntaxError,
                    AttributeError) as error:  # fmt: skip
                self._stream.close()
                raise Refused(
                    f"the workbook is damaged ({type(error).__name__}); open and save it again"
                ) from None
        self._reader = reader
        self.sheets = [
            Sheet(one.name, one.state != "visible", rel.target)
            for one, rel in listed
            if rel.target in reader.valid_files and rel.Type.endswith("/worksheet")
        ]

    @property
    def epoch(self) -> datetime:
        """Day 0 of its dates."""
        found: datetime = self._reader.wb.epoch
        return found

    def find(self, wanted: str | None) -> Sheet:
        """The sheet of that name, else the first that is seen."""
        if wanted:
            for one in self.sheets:
                if one.name.strip().casefold() == wanted.strip().casefold():
                    return one
            raise Refused(
                f"there is no sheet {wanted!r}; there are: {', '.join(one.name for one in self.sheets)}"
            )
        seen = [one for one in self.sheets if not one.hidden]
        if not seen:
            raise Refused("the workbook has no sheet that is not hidden; name one with --sheet")
        return seen[0]

    def rows(self, chosen: Sheet) -> Iterator[tuple[float, list[sheet.Row]]]:
        """The rows with something in them, piece by piece with the share that was read. Closes the workbook."""
        book, archive = self._reader.wb, self._reader.archive
        make = sheet.values(book._date_formats, book._timedelta_formats, book.epoch)
        with self._stream, archive:
            try:
                with archive.open(chosen.path) as source:
                    size = _SIZE.search(source.read(_BEGINNING))
                height = int(size[1]) if size else 0
                with archive.open(chosen.path) as source:
                    for passed, rows in sheet.lines(source, self._reader.shared_strings, make):
                        yield (min(passed / height, 1.0) if height else 0.0), rows
            except (zipfile.BadZipFile, zlib.error, EOFError, OSError, sheet.Damaged) as error:
                raise Refused(
                    f"the workbook is damaged from here on ({type(error).__name__}): {error}"
                ) from None

    def close(self) -> None:
        """Let go of the file."""
        with contextlib.suppress(Exception):
            self._stream.close()
