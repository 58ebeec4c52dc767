"""Lists of words, and finding them in Chinese and in Latin-script texts."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

#: Letters before this one belong to scripts that put spaces between words (Latin, Greek, Cyrillic).
_SPACED = "\u0530"


def fold(text: str) -> str:
    """Text for comparing: full-width and composed forms made plain (NFKC), upper and lower case alike."""
    return text.lower() if text.isascii() else unicodedata.normalize("NFKC", text).casefold()


@dataclass(frozen=True, slots=True)
class _Word:
    text: str
    starts: bool
    """It must not go on to the left."""
    ends: bool
    """It must not go on to the right."""


class Words:
    """A list of words. Those of spaced scripts match whole, or as a beginning when written with a `*`."""

    def __init__(self, words: Iterable[str]) -> None:
        self._words: dict[str, _Word] = {}
        for word in map(_word, words):
            if word.text not in self._words or not word.ends:  # of `fee` and `fee*` the wider one
                self._words[word.text] = word

    def find(self, folded: str) -> str | None:
        """The first word of the list that the folded text has, or None."""
        for text in self._words:
            if text in folded and _stands(self._words[text], folded):
                return text
        return None


def _word(word: str) -> _Word:
    text = fold(word.strip())
    beginning = text.endswith("*")
    text = text.rstrip("*")
    if not text:
        raise ValueError("a word list has an empty word")
    return _Word(text, _spaced(text[0]), _spaced(text[-1]) and not beginning)


def _spaced(character: str) -> bool:
    return character < _SPACED and character.isalnum()


def _stands(word: _Word, folded: str) -> bool:
    """Whether the word stands somewhere in the text as the word it is, not within another."""
    if not (word.starts or word.ends):
        return True
    at = folded.find(word.text)
    while at >= 0:
        end = at + len(word.text)
        left = word.starts and at > 0 and _spaced(folded[at - 1])
        right = word.ends and end < len(folded) and _spaced(folded[end])
        if not (left or right):
            return True
        at = folded.find(word.text, at + 1)
    return False
