"""What a condition makes of one record's facts, with the functions that the rules lend it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from functools import lru_cache
from typing import Any

from router.cel_library import cel
from router.expression import Expression
from router.facts import Facts
from router.words import Words, fold


class Outcome(StrEnum):
    """What became of one rule."""

    MATCHED = "matched"
    NOT_MATCHED = "not matched"
    SKIPPED = "skipped"
    ERROR = "error"


class Look:
    """The functions lent to the conditions, over one record's facts, and what they found."""

    def __init__(self, facts: Facts, words: Mapping[str, Words]) -> None:
        self._facts = facts
        self._words = words
        self._folded: dict[str, str] = {}
        self._prose: str | None = None
        self._lists: dict[str, str | None] = {}
        self._found: list[str] = []

    @property
    def found(self) -> tuple[str, ...]:
        """The words that the condition evaluated last has found."""
        return tuple(dict.fromkeys(self._found))

    def functions(self) -> dict[str, Callable[..., Any]]:
        return {"mentions": self._mentions, "has_any": self._has_any}

    def evaluate(self, when: Expression, context: cel.Context) -> tuple[Outcome, str]:
        """What one condition makes of the facts; an error of the library says no customer's text."""
        self._found.clear()
        try:
            value = when.program.execute(context)
        except (ArithmeticError, KeyError, IndexError, TypeError, ValueError, RuntimeError) as error:
            return Outcome.ERROR, f"could not be evaluated: {_named(error)}"
        if value is True:
            told = ", ".join(f"found {word!r}" for word in self._found)
            return Outcome.MATCHED, told or "its condition is true"
        if value is False:
            return Outcome.NOT_MATCHED, "its condition is false"
        return Outcome.ERROR, f"gives {type(value).__name__} instead of true or false"

    def _mentions(self, name: str) -> bool:
        """Whether subject or text has a word of the named list."""
        if name not in self._lists:
            if self._prose is None:
                self._prose = fold(f"{self._facts['subject']}\n{self._facts['text']}")
            self._lists[name] = self._words[name].find(self._prose)
        return self._report(self._lists[name])

    def _has_any(self, text: str, words: Sequence[str]) -> bool:
        """Whether the text has one of the words."""
        if not isinstance(text, str) or not isinstance(words, list):
            raise TypeError("has_any takes a text and a list of words")
        if text not in self._folded:
            self._folded[text] = fold(text)
        return self._report(_written_out(tuple(words)).find(self._folded[text]))

    def _report(self, found: str | None) -> bool:
        if found is not None:
            self._found.append(found)
        return found is not None


@lru_cache(maxsize=512)
def _written_out(words: tuple[str, ...]) -> Words:
    """Lists that conditions write out; they come from the configuration, so there are few."""
    return Words(words)


def _named(error: Exception) -> str:
    """An evaluation error in words that cannot hold a value of the record."""
    match error:
        case KeyError():
            return "the record has no such field; ask has(record.extra.NAME) first"
        case IndexError():
            return "the list has no such item"
        case ArithmeticError():
            return "a division by zero, or a number too large"
        case TypeError():
            return "values of different types were compared or added"
        case _:
            return "a function could not take what it was given"
