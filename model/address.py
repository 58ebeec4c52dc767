"""Postal addresses: the lines that stand in the window of an envelope, name first, country last. Pure.

The identity of kind `post` holds such an address with line feeds between its lines. The name belongs to it: two
people who live in one house are two people.
"""

from __future__ import annotations

import re
import unicodedata

#: The kind of identity that holds a postal address.
KIND = "post"
#: More lines, or longer ones (characters), are no address.
MOST_LINES, LONGEST = 9, 120

_BREAK = re.compile(r"[\r\n\v\f\u0085\u2028\u2029]+")
_SPACE = re.compile(r"\s+")
#: A Chinese address may stand in one line: what places are called, and a number.
_CHINESE_PLACE = re.compile(r"[省市区县镇乡村路街巷弄号栋室里]")
_HAN = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]")


def tidy(text: str, name: str = "") -> str:
    """An address as it is kept and compared: its lines without controls, marks of direction and idle blanks.

    `name` is put first when no line has it. Lines beyond the limits are left out; "" when nothing is left.
    """
    found = [_line(one) for one in _BREAK.split(text)]
    found = [one for one in found if one]
    named = _line(name)
    if found and named and not any(named.casefold() in one.casefold() for one in found):
        found.insert(0, named)
    return "\n".join(found[:MOST_LINES])


def lines(value: str) -> list[str]:
    """The lines of a kept address."""
    return [one for one in value.split("\n") if one]


def wanting(value: str | None) -> str:
    """Why no letter can go to an address, in words for a clerk; "" when one can."""
    found = lines(value or "")
    if not found:
        return "no postal address is known"
    if not any(character.isalpha() for character in "".join(found)):
        return "the postal address has no words"
    whole = "".join(found)
    if len(found) == 1 and not (_HAN.search(whole) and len(whole) >= 8 and _CHINESE_PLACE.search(whole)):
        return "the postal address has one line only"
    return ""


def _line(text: str) -> str:
    kept = "".join(" " if unicodedata.category(one) in ("Cc", "Zl", "Zp") else one for one in text)
    kept = "".join(one for one in kept if unicodedata.category(one) not in ("Cf", "Cs", "Co", "Cn"))
    return _SPACE.sub(" ", unicodedata.normalize("NFC", kept)).strip(" ,;，；、")[:LONGEST]
