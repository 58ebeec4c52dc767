"""How like two texts are: what share of all that either says both say. Pure.

A text is taken for the set of its words, and, of scripts without spaces between words, of its pairs of neighbouring
characters, without the words that every text has. Two texts are as like as the sets' common part is beside the whole
(Jaccard index), from 0 to 1: anybody can check it by hand, and the order of the words does not count.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Set

from model.searching import folded, pieces_of

#: Words that say nothing about a matter, of English; characters of Chinese within which no pair is counted.
_ENGLISH = (
    "a about am an and any are as at be been but by can could did do does for from had has have he her here hi his i if"
    " in into is it its just me my no not of on or our please re she so some such than thank thanks that the their them"
    " then there these they this those to us very was we were what when where which who why will with would you your"
    " dear hello regards sincerely"
)
_SAY_NOTHING = frozenset(_ENGLISH.split())
_WEAK = frozenset("的了是我你您他她它们在有和与就都而及着或个这那也很吗呢吧啊请")
#: Terms of one text at the most: what a matter is about stands at its beginning.
_TERMS = 60
_LOOKED_AT = 2_000
#: Texts with fewer terms are like too many others.
FEWEST = 4
_NUMBER = re.compile(r"\d+\Z")


def terms(*texts: str) -> frozenset[str]:
    """What texts say, as far as it tells one matter from others."""
    found: dict[str, None] = {}
    for text in texts:
        for close, word in pieces_of(folded(text[:_LOOKED_AT])):
            if close:
                pairs = (close[n : n + 2] for n in range(len(close) - 1))
                found.update((pair, None) for pair in pairs if not _WEAK.intersection(pair))
            elif len(word) > 1 and word not in _SAY_NOTHING and not _NUMBER.match(word):
                found[_stem(word)] = None
    return frozenset(list(found)[:_TERMS])


def _stem(word: str) -> str:
    """A word without the ending of its number, so that a lift is like lifts."""
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word


def likeness(one: Set[str], other: Set[str]) -> float:
    """From 0 to 1; of texts that say too little, 0."""
    if min(len(one), len(other)) < FEWEST:
        return 0.0
    common = len(one & other)
    return common / (len(one) + len(other) - common)


def enough_to_ask(count: int, mark: float) -> int:
    """Of a set of so many terms, how many must be looked up to find every set that is as like as `mark`.

    Such a set has at least the share `mark` of these terms; so any that leave out fewer hit one of those.
    Source: the prefix filter of Chaudhuri, Ganti, Kaushik: A primitive operator for similarity joins (ICDE 2006).
    """
    return count - math.ceil(mark * count) + 1


def most_like(one: Set[str], others: Iterable[tuple[str, Set[str]]]) -> tuple[str, float] | None:
    """The name of the set that is most like it, the first of those that are equally so; None without any."""
    best: tuple[str, float] | None = None
    for name, other in others:
        share = likeness(one, other)
        if share and (best is None or share > best[1]):
            best = name, share
    return best
