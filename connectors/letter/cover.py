"""The list that lies on a bundle of letters: what is in it, to be ticked off, and to be signed when it is posted."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass

from connectors.letter.printing import PrintFolder
from connectors.letter.sheet import Made
from connectors.letter.wording import date_in, language_of
from connectors.wire import paper
from connectors.wire.paper import FAINT, GREY, Paper
from connectors.wire.paper_font import face

_LEFT, _RIGHT, _TOP, _BOTTOM = 20.0, 195.0, 52.0, 262.0
#: Height of a letter's two lines, and of the second below the first.
_ROW, _SECOND = 11.4, 4.4
#: Where each column begins, and where the place ends.
_AT, _REFERENCE, _NAME, _PAGES, _TICK = 20.0, 30.0, 74.0, 178.0, 188.0
_WORDS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "title": "Letters to be posted",
        "bundle": "Bundle",
        "count": "{n} letters, {pages} pages",
        "reference": "Reference",
        "name": "To",
        "place": "address",
        "pages": "Pages",
        "again": "printed again",
        "posted": "Posted on",
        "by": "by",
        "page": "Page {page} of {pages}",
    },
    "zh": {
        "title": "待寄信件清单",
        "bundle": "批次",
        "count": "共 {n} 封，{pages} 页",
        "reference": "受理编号",
        "name": "收件人",
        "place": "地址",
        "pages": "页数",
        "again": "重印",
        "posted": "寄出日期",
        "by": "经手人",
        "page": "第 {page} 页　共 {pages} 页",
    },
}


@dataclass(frozen=True, slots=True)
class Row:
    """One letter."""

    n: int
    reference: str
    name: str
    place: str
    pages: int
    again: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class List:
    """The letters of one bundle."""

    bundle: str
    channel: str
    language: str
    day: datetime.date
    rows: tuple[Row, ...]


def typeset(listed: List, settings: PrintFolder) -> Made:
    """The list as PDF."""
    language = language_of(listed.language)
    words = _WORDS[language]
    sheets = Paper(face(language == "zh"))
    colour = paper.colour(settings.office.colour)
    clean = sheets.clean
    per_page = int((_BOTTOM - _TOP) / _ROW)
    parts = [listed.rows[i : i + per_page] for i in range(0, len(listed.rows), per_page)] or [()]
    for part in parts:
        page = sheets.page()
        sheets.text(page, _LEFT, 22, words["title"], 17, tint=colour, strong=True)
        sheets.text(page, _LEFT, 30, clean(f"{words['bundle']} {listed.bundle} · {listed.channel}"), 11)
        total = sum(row.pages for row in listed.rows)
        sheets.text(page, _LEFT, 36, words["count"].format(n=len(listed.rows), pages=total), 9.5, tint=GREY)
        sheets.text(page, _RIGHT, 30, date_in(language, listed.day), 11, align="right")
        y = _TOP - 5
        sheets.text(page, _REFERENCE, y, words["reference"], 8.5, tint=GREY)
        sheets.text(page, _NAME, y, f"{words['name']}, {words['place']}", 8.5, tint=GREY)
        sheets.text(page, _PAGES + 4, y, words["pages"], 8.5, tint=GREY, align="right")
        sheets.line(page, _LEFT, y + 2, _RIGHT, y + 2, tint=colour, weight=0.4)
        y += 6.2 - _ROW
        for row in part:
            y += _ROW
            sheets.text(page, _AT, y, str(row.n), 9.5, tint=GREY)
            sheets.text(page, _REFERENCE, y, clean(row.reference), 9.5)
            if row.again:
                sheets.text(page, _REFERENCE, y + _SECOND, words["again"], 8.0, tint=colour)
            room = _PAGES - _NAME - 10
            sheets.text(page, _NAME, y, _short(sheets, row.name, 9.5, room), 9.5)
            place = _short(sheets, row.place, 8.0, room)
            sheets.text(page, _NAME, y + _SECOND, place, 8.0, tint=GREY)
            sheets.text(page, _PAGES + 4, y, str(row.pages), 9.5, align="right")
            sheets.box(page, _TICK, y - 2.6, 5.2, 5.2, edge=GREY, weight=0.3)
            sheets.line(page, _LEFT, y + 6.2, _RIGHT, y + 6.2, tint=FAINT, weight=0.15)
    last = sheets.pages - 1
    sheets.text(last, _LEFT, 276, words["posted"], 9.5, tint=GREY)
    sheets.line(last, 45, 277, 95, 277, tint=GREY)
    sheets.text(last, 102, 276, words["by"], 9.5, tint=GREY)
    sheets.line(last, 120, 277, _RIGHT, 277, tint=GREY)
    for page in range(sheets.pages):
        text = words["page"].format(page=page + 1, pages=sheets.pages)
        sheets.text(page, _RIGHT, 287, text, 8.5, tint=GREY, align="right")
    at = datetime.datetime.combine(listed.day, datetime.time(12), datetime.UTC)
    pdf = sheets.finish(title=listed.bundle, language="zh-CN" if language == "zh" else "en", at=at)
    return Made(pdf, sheets.pages, sheets.replaced)


def _short(sheets: Paper, text: str, size: float, width: float) -> str:
    """As much of a text as fits into a column."""
    text = sheets.clean(text)
    if sheets.face.width(text, size) <= width:
        return text
    while text and sheets.face.width(text + "…", size) > width:
        text = text[:-1]
    return text + "…"
