"""How texts are made ready to be sought, and what of a query must stand in them. Pure, so that every database
finds the same.

A text is folded (NFKC, lower case) and cut into terms. Scripts without spaces between their words give each
character and each pair of neighbours: so 投诉 is found within 客户投诉产品, and one character alone is, too. Other
scripts give whole words, found by their beginning from three letters on. An index of terms only proposes:
what was proposed is looked through with `Query.holds`, which knows the order of the words.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

#: Characters of a text that are indexed; what follows is kept and shown, but not found.
LONGEST = 200_000
#: Terms of one text at the most, and their characters all together.
_TERMS, _ROOM = 20_000, 150_000
#: Letters of a word that count; and from how many letters on its beginning is enough.
_WORD, _BEGINNING = 40, 3
#: Words of a query that count.
_ASKED = 12
_LONGEST_QUERY = 200

#: Scripts that put no spaces between words: Thai, Lao, Myanmar, Khmer; kana; Han with its extensions.
_CLOSE = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"
)
#: Marks that belong to the letter before them: a word goes on over them.
_MARKS = "\u0300-\u036f\u0483-\u0487\u0591-\u05bd\u0610-\u061a\u064b-\u065f\u0900-\u0dff"
_LETTER = f"(?:(?![{_CLOSE}])[^\\W_]|[{_MARKS}])"
_PIECES = re.compile(f"([{_CLOSE}]+)|({_LETTER}+)")
_ASCII_WORDS = re.compile("[a-z0-9]+")
#: A line that ends within a word of such a script: mails and scans break where the page does.
_BROKEN = re.compile(f"(?<=[{_CLOSE}])[ \\t\\u3000]*\\r?\\n[ \\t\\u3000]*(?=[{_CLOSE}])")


def folded(text: str) -> str:
    """The text as it is compared: NFKC, lower case, without the line breaks that divide words."""
    if text.isascii():
        return text.lower()
    return _BROKEN.sub("", unicodedata.normalize("NFKC", text).lower())


def pieces_of(text: str) -> list[tuple[str, str]]:
    """The pieces of a folded text: characters that stand close, or else one word; the other of the two is empty."""
    return _PIECES.findall(text)


def terms(*texts: str) -> list[str]:
    """What the texts are found by, each term once; bounded, whatever a stranger wrote."""
    found: dict[str, None] = {}
    for text in texts:
        if text:
            found.update(dict.fromkeys(_terms(folded(text[:LONGEST]))))
    return _bounded(found)


def _terms(text: str) -> list[str]:
    if text.isascii():
        return [word[:_WORD] for word in _ASCII_WORDS.findall(text)]
    found: list[str] = []
    for close, word in pieces_of(text):
        if close:
            found += close
            found += [close[i : i + 2] for i in range(len(close) - 1)]
        else:
            found.append(word[:_WORD])
    return found


def _bounded(found: Iterable[str]) -> list[str]:
    kept = list(found)[:_TERMS]
    if sum(map(len, kept)) <= _ROOM:
        return kept
    room = _ROOM
    return [term for term in kept if (room := room - len(term)) >= 0]


@dataclass(frozen=True, slots=True)
class Term:
    """What an index must have: a term, or one that begins so."""

    text: str
    begins: bool = False


@dataclass(frozen=True)
class Query:
    """What somebody typed into the search box: words, each of which must be there."""

    words: tuple[str, ...]

    @cached_property
    def terms(self) -> tuple[Term, ...]:
        """What is asked of the index; empty when nothing can be found by it."""
        found: dict[Term, None] = {}
        for word in self.words:
            found.update(dict.fromkeys(_asked(word)))
        return tuple(found)

    def holds(self, texts: Iterable[str]) -> bool:
        """Whether every word stands in one of these folded texts, as it was typed."""
        some = list(texts)
        return bool(self.words) and all(any(one.search(text) for text in some) for one in self._patterns)

    @cached_property
    def _patterns(self) -> list[re.Pattern[str]]:
        return [_pattern(word) for word in self.words]


def parse(typed: str) -> Query:
    """Read what was typed. Words without a letter or digit say nothing and are left out."""
    words = dict.fromkeys(folded(typed[:_LONGEST_QUERY]).split())
    return Query(tuple(word for word in words if _PIECES.search(word))[:_ASKED])


def _asked(word: str) -> Iterator[Term]:
    pieces = list(_PIECES.finditer(word))
    for piece in pieces:
        text = piece.group()
        if piece.group(1):
            yield from (Term(a + b) for a, b in itertools.pairwise(text))
            if len(text) == 1:
                yield Term(text)
        else:
            last = piece is pieces[-1] and piece.end() == len(word)
            # Of a word that is longer than the index has them, only its beginning is known there.
            yield Term(text[:_WORD], begins=last and len(text) >= _BEGINNING)


def _pattern(word: str) -> re.Pattern[str]:
    """The word as typed, beginning where a word begins and, unless its beginning is enough, ending where one ends."""
    pieces = list(_PIECES.finditer(word))
    before = f"(?<!{_LETTER})" if pieces[0].start() == 0 and not pieces[0].group(1) else ""
    last = pieces[-1]
    short = last.end() == len(word) and not last.group(1) and len(last.group()) < _BEGINNING
    return re.compile(before + re.escape(word) + (f"(?!{_LETTER})" if short else ""))
