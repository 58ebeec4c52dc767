"""How many messages a text is: GSM-7 with its extension table, UCS-2, and their pieces. Pure.

Facts from 3GPP TS 23.038 (the alphabet) and 23.040 (a piece of several has a header of 6 octets less to say in).
The mainland of China counts characters instead: 70 in one message, 67 in each of several, whatever the letters.
"""

from __future__ import annotations

from dataclasses import dataclass

#: The default alphabet of GSM 03.38, each sign one septet.
_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
#: Its extension table, each sign two septets: an escape and the sign.
_EXTENDED = frozenset("\f^{}\\[~]|€")


@dataclass(frozen=True, slots=True)
class Count:
    """A text as the networks count it."""

    size: int
    """Septets of GSM-7, UTF-16 units of UCS-2, or characters."""
    messages: int
    alphabet: str
    single: int
    """How long one message may be."""
    several: int
    """How long each of several may be."""

    @property
    def unit(self) -> str:
        return f"{self.alphabet}, {self.single} ({self.several} in several)"


def count(text: str) -> Count:
    """A text in the smaller alphabet that holds all of it."""
    widths = [1 if sign in _BASIC else 2 if sign in _EXTENDED else 0 for sign in text]
    if all(widths):
        return _counted(widths, "GSM-7", 160, 153)
    return _counted([1 if sign <= "\uffff" else 2 for sign in text], "UCS-2", 70, 67)


def characters(text: str) -> Count:
    """A text as the carriers of the mainland count it."""
    return _counted([1] * len(text), "characters", 70, 67)


def _counted(widths: list[int], alphabet: str, single: int, several: int) -> Count:
    size = sum(widths)
    return Count(size, 1 if size <= single else _pieces(widths, several), alphabet, single, several)


def _pieces(widths: list[int], room: int) -> int:
    """Pieces of at most so many units; a sign of two is never parted between two of them."""
    pieces, left = 1, room
    for width in widths:
        if width > left:
            pieces, left = pieces + 1, room
        left -= width
    return pieces
