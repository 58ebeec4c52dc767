"""A letter set on its sheets: for the window of an envelope, folded at its marks, with the code by which it comes back.

Millimetres from the left and upper edge of A4. DIN 5008 form B: address field at 20/45, 85 x 45; text from 25 to 190;
marks for folding at 105 and 210 and for punching at 148.5. The Chinese layout differs in its letterhead, in where its
envelopes show the address (`printing.Window`), in indent and signature.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from connectors.letter import wording
from connectors.letter.enclosed import Enclosure, Enclosures
from connectors.letter.printing import PrintFolder, Window
from connectors.wire import paper
from connectors.wire.paper import BLACK, FAINT, GREY, Paper, Picture
from connectors.wire.paper_font import MM, face
from connectors.wire.paper_lines import Line, broken, wide
from model import address

LEFT, RIGHT = 25.0, 190.0
#: Lowest baseline of running text (DIN 5008), of a page's foot, and highest on a following page.
BOTTOM, FOOT, NEXT_TOP = 259.0, 284.0, 33.0
_DIN = Window()
#: A sheet moves in its envelope: the address stays off the edges of its field, left and above, and right.
_INSET, _OFF_RIGHT, _RETURNS = 5.0, 5.0, (15.0, 8.0)
_INFO, _CODE = 125.0, 21.0
_FOLDS, _HOLE = (105.0, 210.0), 148.5
#: Largest and smallest size of an address, points.
_ADDRESS = (11.0, 7.0)
#: Height of its lines, of their size, and what is free below the sender's line, millimetres.
_PITCH, _BELOW = 1.22, 2.5
#: A line is stretched to the margin by no more than this between two characters, millimetres.
_STRETCH = 0.45


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """What is to be printed."""

    reference: str
    code: str
    """What the QR code says."""
    address: str
    """Lines of the postal address (`model.address`)."""
    name: str = ""
    subject: str = ""
    text: str
    language: str
    day: datetime.date
    files: tuple[Enclosure, ...] = ()


@dataclass(frozen=True, slots=True)
class Made:
    """A letter as PDF."""

    pdf: bytes
    pages: int
    replaced: int
    """Characters that the font does not have, printed as a box."""


@dataclass(slots=True)
class _Set:
    """A row on its way to a page: lines of one size, or nothing but height."""

    text: str
    size: float
    height: float
    x: float = LEFT
    align: paper.Align = "left"
    stretch: float = 0.0
    tint: paper.Colour = BLACK
    keep: bool = False
    """Stays on the page of the next one."""


def typeset(letter: Letter, settings: PrintFolder) -> Made:
    """The letter as PDF. ValueError, in words for a clerk, when it cannot be printed so."""
    return _Sheets(letter, settings).made()


class _Sheets:
    """One letter while it is set."""

    def __init__(self, letter: Letter, settings: PrintFolder) -> None:
        self._letter = letter
        self._settings = settings
        self._language = wording.language_of(letter.language)
        self._chinese = self._language == "zh"
        chosen = settings.layout
        self._layout = chosen if chosen != "auto" else "chinese" if self._chinese else "din"
        self._window = settings.window if self._layout == "chinese" else _DIN
        self._colour = paper.colour(settings.office.colour)
        self._office = _in(settings.office.name, self._language)
        self._paper = Paper(face(self._chinese))
        self._enclosed = Enclosures(letter.files)
        self._rows = wording.rows(
            settings.templates,
            self._language,
            {
                "reference": letter.reference,
                "date": wording.date_in(self._language, letter.day),
                "name": letter.name,
                "subject": letter.subject or letter.reference,
                "office": self._office,
                "phone": settings.office.phone,
                "email": settings.office.email,
                "web": settings.office.web,
                "enclosures": self._enclosed.names,
                "greeted": wording.greets(letter.text),
                "closed": wording.takes_leave(letter.text),
            },
        )

    def made(self) -> Made:
        page = self._paper.page()
        self._letterhead(page)
        self._address(page)
        y = self._beside(page)
        self._flow(page, y)
        letter_pages = self._paper.pages
        self._feet(letter_pages)
        self._enclosed.pictures_on(self._paper)
        pages = self._paper.pages + self._enclosed.pages
        if pages > self._settings.most_pages:
            raise ValueError(
                f"with what is enclosed it has {pages} pages; most_pages allows {self._settings.most_pages}"
            )
        pdf = self._paper.finish(
            title=self._letter.reference,
            language="zh-CN" if self._chinese else "en",
            at=datetime.datetime.combine(self._letter.day, datetime.time(12), datetime.UTC),
        )
        return Made(self._enclosed.joined_to(pdf), pages, self._paper.replaced)

    # ---- the first page

    def _letterhead(self, page: int) -> None:
        office, sheet = self._settings.office, self._paper
        logo = _logo(office.logo)
        lines = [
            "  ·  ".join(_parts(_in(office.address, self._language))),
            "  ·  ".join(one for one in (office.phone, office.email, office.web) if one),
        ]
        room = RIGHT - LEFT - (46 if logo else 0)
        centred = self._layout == "chinese" and logo is None
        x = (LEFT + RIGHT) / 2 if centred else LEFT
        align: paper.Align = "centre" if centred else "left"
        name = sheet.clean(self._office)
        sheet.text(
            page,
            x,
            19.5,
            name,
            self._fitting(name, 19 if centred else 16, room),
            tint=self._colour,
            align=align,
            strong=True,
        )
        y = 25.5
        for line in filter(None, map(sheet.clean, lines)):
            sheet.text(page, x, y, line, self._fitting(line, 8.5, room), tint=GREY, align=align)
            y += 4.2
        if logo:
            scale = min(44 / logo.width, 18 / logo.height)
            sheet.picture(page, logo, RIGHT - logo.width * scale, 12.5, 44, 18)
        sheet.line(page, LEFT, 34, RIGHT, 34, tint=self._colour, weight=0.5 if not centred else 0.7)
        if centred:
            sheet.line(page, LEFT, 35, RIGHT, 35, tint=self._colour, weight=0.2)

    def _address(self, page: int) -> None:
        """Whom it goes to, where the window shows it, below a line that says who sends it."""
        window, sheet = self._window, self._paper
        x, width = window.left + _INSET, window.width - _INSET - _OFF_RIGHT
        sender = [self._office, *_parts(_in(self._settings.office.address, self._language))]
        back = sheet.clean("，".join(sender) if self._chinese else " · ".join(sender))
        lines = [sheet.clean(one) for one in recipient(self._letter, self._settings)]
        down, size, fitted = self._fitted(lines, width)
        y = window.top + down
        small = self._fitting(back, 7.0, width)
        sheet.text(page, x, y, back, small, tint=GREY)
        sheet.line(page, x, y + 1.1, x + sheet.face.width(back, small), y + 1.1, tint=FAINT, weight=0.15)
        pitch = size * MM * _PITCH
        y += _BELOW + size * MM
        for line in fitted:
            sheet.text(page, x, y, line, size)
            y += pitch

    def _fitted(self, lines: Sequence[str], width: float) -> tuple[float, float, list[str]]:
        """Where the sender's line stands, the largest size in which the address fits below it, and its lines then."""
        size, least = _ADDRESS
        while size >= least:
            fitted = [line.text for one in lines for line in self._broken(one, size, width)]
            for down in _RETURNS:
                if len(fitted) * size * MM * _PITCH <= self._window.height - down - _BELOW:
                    return down, size, fitted
            size -= 0.5
        raise ValueError("the postal address is too long for the window of the envelope; shorten it")

    def _beside(self, page: int) -> float:
        """Reference, date and code, right of the window or below it; where the subject may stand."""
        window, sheet = self._window, self._paper
        right_of = window.left + window.width <= _INFO - 3
        x = _INFO if right_of else LEFT
        y = 51.0 if right_of else window.top + window.height + 8
        top = y
        for row in self._of("info"):
            text = sheet.clean(row.text)
            sheet.text(page, x, y, text, self._fitting(text, 9.5, RIGHT - x))
            y += 5.0
        code_x, code_y = (x, y - 1.0) if right_of else (RIGHT - _CODE, top - 4)
        sheet.code(page, self._letter.code, code_x, code_y, _CODE)
        # Four modules of white are about three millimetres around the code.
        caption = " ".join(row.text for row in self._of("code"))
        if right_of:
            beside, room, at = code_x + _CODE + 3.5, RIGHT - code_x - _CODE - 3.5, code_y + 4.0
            for line in self._broken(sheet.clean(caption), 7.5, room):
                sheet.text(page, beside, at, line.text, 7.5, tint=GREY)
                at += 3.6
        lowest = max(code_y + _CODE, y)
        if self._settings.marks:
            for fold in _FOLDS:
                sheet.line(page, 4, fold, 8.5, fold, tint=GREY, weight=0.15)
            sheet.line(page, 4, _HOLE, 11, _HOLE, tint=GREY, weight=0.15)
        return max(window.top + window.height, lowest) + 12.5

    # ---- running text

    def _flow(self, page: int, y: float) -> None:
        following = self._paper.clean(" ".join(row.text for row in self._of("next")))
        rows = self._set_rows()
        for group in _groups(rows):
            needed = sum(one.height for one in group)
            if y + needed - group[-1].height * 0.25 > BOTTOM and needed < BOTTOM - NEXT_TOP:
                page, y = self._next(following), NEXT_TOP
            for one in group:
                if y > BOTTOM:
                    page, y = self._next(following), NEXT_TOP
                if one.text:
                    self._paper.text(
                        page, one.x, y, one.text, one.size, align=one.align, stretch=one.stretch, tint=one.tint,
                        strong=one.size > self._settings.size,
                    )  # fmt: skip
                elif y == NEXT_TOP:
                    continue  # no page begins with a gap
                y += one.height

    def _next(self, following: str) -> int:
        page = self._paper.page()
        self._paper.text(page, LEFT, 19.5, self._paper.clean(self._office), 9, tint=self._colour)
        self._paper.text(page, RIGHT, 19.5, following, 9, tint=GREY, align="right")
        self._paper.line(page, LEFT, 22, RIGHT, 22, tint=self._colour, weight=0.3)
        return page

    def _set_rows(self) -> list[_Set]:
        size = self._settings.size
        pitch = size * MM * (1.62 if self._chinese else 1.4)
        found: list[_Set] = []
        closing = False
        for row in self._rows:
            match row.mark:
                case "subject":
                    found += self._lines(row.text, size + 1.5, pitch * 1.1, keep=True)
                    found.append(_Set("", size, pitch * 0.9, keep=True))
                case "left" | "para" | "right":
                    indent = 2 * size * MM if row.mark == "para" else 0.0
                    align: paper.Align = "right" if row.mark == "right" else "left"
                    found += self._lines(row.text, size, pitch, indent=indent, align=align, keep=True)
                case "small":
                    small = size - 2
                    found += self._lines(row.text, small, small * MM * 1.45, tint=GREY, keep=True)
                case "gap":
                    found.append(_Set("", size, pitch * (0.9 if not closing else 1.0), keep=True))
                case "body":
                    found += self._body(size, pitch)
                    closing = True
        # What closes the letter stays together, with the last lines of the answer.
        if found:
            found[-1].keep = False
        return found

    def _body(self, size: float, pitch: float) -> list[_Set]:
        found: list[_Set] = []
        indent = 2 * size * MM if self._chinese else 0.0
        for paragraph in self._letter.text.strip().replace("\r\n", "\n").split("\n"):
            text = paragraph.strip().strip("\u3000")
            if not text:
                if found and found[-1].text:
                    found.append(_Set("", size, pitch * (0.45 if self._chinese else 0.8)))
                continue
            greeting = not found and wording.greets(text)
            lines = self._lines(
                text, size, pitch, indent=0.0 if greeting else indent, justified=self._chinese
            )
            if len(lines) > 1:  # neither a paragraph's first line alone below, nor its last alone above
                lines[0].keep = lines[-2].keep = True
            found += lines
        for one in found[-2:]:
            one.keep = True
        return found

    def _lines(
        self,
        text: str,
        size: float,
        pitch: float,
        *,
        indent: float = 0.0,
        align: paper.Align = "left",
        tint: paper.Colour = BLACK,
        justified: bool = False,
        keep: bool = False,
    ) -> list[_Set]:
        found = []
        width = RIGHT - LEFT
        for n, line in enumerate(self._broken(self._paper.clean(text), size, width, indent)):
            shift = indent if n == 0 else 0.0
            spare = width - shift - self._paper.face.width(line.text, size)
            gaps = len(line.text) - 1
            stretched = (
                justified and not line.last and gaps > 0 and wide(line.text) and spare / gaps <= _STRETCH
            )
            found.append(
                _Set(
                    line.text, size, pitch, RIGHT if align == "right" else LEFT + shift, align,
                    spare / gaps if stretched else 0.0, tint, keep,
                )
            )  # fmt: skip
        return found

    # ---- every page

    def _feet(self, pages: int) -> None:
        wanted = next((row.text for row in self._rows if row.mark == "page"), "{page}/{pages}")
        for n in range(pages):
            text = self._paper.clean(wanted.replace("{page}", str(n + 1)).replace("{pages}", str(pages)))
            self._paper.text(n, RIGHT, FOOT, text, 8.5, tint=GREY, align="right")
            if n == 0:
                self._paper.text(n, LEFT, FOOT, self._letter.reference, 8.5, tint=GREY)

    # ----

    def _of(self, mark: str) -> list[wording.Row]:
        return [row for row in self._rows if row.mark == mark]

    def _broken(self, text: str, size: float, width: float, indent: float = 0.0) -> list[Line]:
        return broken(text, lambda one: self._paper.face.width(one, size), width, indent)

    def _fitting(self, text: str, size: float, width: float) -> float:
        """A size in which a line that is not broken fits, not below 5 points."""
        whole = self._paper.face.width(text, size)
        return size if whole <= width else max(5.0, size * width / whole)


def recipient(letter: Letter, settings: PrintFolder) -> list[str]:
    """The address as it stands in the window: without our own country, and a Chinese one with its name last."""
    lines = address.lines(letter.address)
    home = {one.casefold() for one in settings.home}
    if len(lines) > 1 and lines[-1].casefold() in home:
        lines.pop()
    rest = "".join(lines[1:])
    if len(lines) > 1 and wide(rest) and lines[0].casefold() == " ".join(letter.name.split()).casefold():
        first = lines.pop(0)
        lines.append(first if first.endswith(("收", "启")) else f"{first}　收")
    return lines


def _groups(rows: Sequence[_Set]) -> list[list[_Set]]:
    """Rows that stay on one page, in order."""
    found: list[list[_Set]] = [[]]
    for row in rows:
        found[-1].append(row)
        if not row.keep:
            found.append([])
    return [one for one in found if one]


def _in(texts: object, language: str) -> str:
    known: dict[str, str] = dict(texts) if isinstance(texts, dict) else {}
    return known.get(language) or next(iter(known.values()), "")


def _parts(text: str) -> list[str]:
    """An address in the settings, its parts."""
    return [one.strip() for one in text.replace("\n", ",").split(",") if one.strip()]


def _logo(path: Path | None) -> Picture | None:
    return paper.picture(path.read_bytes()) if path is not None else None
