"""People's data made unreadable for those who need it not: names, addresses, and what looks like either in a text."""

from __future__ import annotations

import re

_EMAIL = re.compile(
    r"[^\s@<>()\[\]\"',;:，。；：、（）《》]+@[^\s@<>()\[\]\"',;:，。；：、（）《》]+\.[^\s@<>()\[\]\"',;:，。；：、（）《》]+"
)
#: Telephone, account, identity and card numbers: seven digits or more, with the signs that people put between them.
#: A day is none of them.
_NUMBER = re.compile(
    r"(?<![A-Za-z0-9.])(?!\d{4}-\d\d-\d\d(?!\d))\+?\d(?:[ \-./()]?\d){6,}[Xx]?(?![A-Za-z0-9])"
)
_HIDDEN = "***"


def name(whole: str) -> str:
    """The first character of a name."""
    return whole[:1] + _HIDDEN if whole else ""


def value(kind: str, whole: str) -> str:
    """An address or number of somebody, so that two may still be told apart."""
    if kind == "email" and "@" in whole:
        local, _, domain = whole.rpartition("@")
        return f"{local[:1]}{_HIDDEN}@{domain[:1]}{_HIDDEN}"
    return _HIDDEN + whole[-2:] if len(whole) > 6 else _HIDDEN


def text(whole: str, *known: str) -> str:
    """A text without addresses and numbers, and without the names that are known."""
    for one in sorted({one for one in known if len(one) > 1}, key=len, reverse=True):
        whole = whole.replace(one, name(one))
    whole = _EMAIL.sub(lambda found: value("email", found[0]), whole)
    return _NUMBER.sub(lambda found: value("number", found[0]), whole)
