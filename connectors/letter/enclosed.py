"""What is enclosed with a letter: pictures on pages of their own, and the pages of PDFs."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import pypdfium2

from connectors.wire import paper
from connectors.wire.paper import Paper, Picture

_PICTURES = frozenset({"image/jpeg", "image/png"})
_PDF = "application/pdf"
#: What can be enclosed, in words for a clerk.
CAN = "PDF, JPEG and PNG can be enclosed"
_MARGIN = 18.0


@dataclass(frozen=True, slots=True)
class Enclosure:
    """A file that goes along."""

    filename: str
    media_type: str
    data: bytes


class Enclosures:
    """The files of one letter, read. ValueError, in words for a clerk, for one that cannot be printed."""

    def __init__(self, files: Sequence[Enclosure]) -> None:
        self._pictures: list[tuple[str, Picture]] = []
        self._documents: list[tuple[str, bytes]] = []
        self.pages = 0
        """Pages of the PDFs; pictures are pages of the letter's own."""
        for file in files:
            kind = file.media_type.partition(";")[0].strip().lower()
            if kind in _PICTURES:
                self._pictures.append((file.filename, self._picture(file)))
            elif kind == _PDF:
                self.pages += self._count(file)
                self._documents.append((file.filename, file.data))
            else:
                raise ValueError(f"{file.filename}: {CAN}")

    @property
    def names(self) -> list[str]:
        """In the order in which they follow."""
        return [name for name, _ in (*self._pictures, *self._documents)]

    def pictures_on(self, sheets: Paper) -> None:
        """A page for each picture."""
        for name, picture in self._pictures:
            page = sheets.page()
            sheets.text(page, _MARGIN, _MARGIN - 4, sheets.clean(name)[:100], 8, tint=paper.GREY)
            sheets.picture(
                page, picture, _MARGIN, _MARGIN, sheets.width - 2 * _MARGIN, sheets.height - 2 * _MARGIN
            )

    def joined_to(self, letter: bytes) -> bytes:
        """The letter, and the PDFs behind it."""
        return joined([letter, *(data for _, data in self._documents)]) if self._documents else letter

    @staticmethod
    def _picture(file: Enclosure) -> Picture:
        try:
            return paper.picture(file.data)
        except ValueError as error:
            raise ValueError(f"{file.filename}: {error}") from None

    @staticmethod
    def _count(file: Enclosure) -> int:
        try:
            document = pypdfium2.PdfDocument(file.data)
        except pypdfium2.PdfiumError:
            raise ValueError(f"{file.filename}: this PDF cannot be opened, or asks for a password") from None
        try:
            return len(document)
        finally:
            document.close()


def joined(parts: Sequence[bytes]) -> bytes:
    """Several PDFs as one."""
    whole = pypdfium2.PdfDocument.new()
    try:
        for data in parts:
            part = pypdfium2.PdfDocument(data)
            try:
                whole.import_pages(part)
            finally:
                part.close()
        made = io.BytesIO()
        whole.save(made)
        return made.getvalue()
    finally:
        whole.close()


def page_count(data: bytes) -> int:
    """Pages of a PDF of ours."""
    document = pypdfium2.PdfDocument(data)
    try:
        return len(document)
    finally:
        document.close()
