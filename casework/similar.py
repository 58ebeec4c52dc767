"""The matters of the last hours, by what they say: which of them are like another one, found exactly and fast.

Kept in memory, by the process that has the round; it reads them from the store when it begins.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from model import likeness


@dataclass(frozen=True, slots=True)
class Matter:
    """A record, as far as it is compared."""

    record: str
    at: datetime
    terms: frozenset[str]


class Recent:
    """The last matters, `most` of them at the most."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._matters: deque[Matter] = deque()
        self._first = 0  # the number of the first; those before it are forgotten
        self._by_term: dict[str, array[int]] = {}
        self._records: set[str] = set()

    def __len__(self) -> int:
        return len(self._matters)

    def add(self, matter: Matter) -> None:
        """Keep one more, once, and let the oldest go when there are too many."""
        if matter.record in self._records:
            return
        self._records.add(matter.record)
        number = self._first + len(self._matters)
        self._matters.append(matter)
        for term in matter.terms:
            self._by_term.setdefault(term, array("q")).append(number)
        while len(self._matters) > self._most:
            self._drop()

    def forget_before(self, at: datetime) -> None:
        """Let go of what is older; matters are added in the order of time."""
        while self._matters and self._matters[0].at < at:
            self._drop()

    def _drop(self) -> None:
        gone = self._matters.popleft()
        self._first += 1
        self._records.discard(gone.record)
        for term in gone.terms:
            # Numbers grow, so that the oldest stands first.
            numbers = self._by_term[term]
            del numbers[0]
            if not numbers:
                del self._by_term[term]

    def like(self, terms: Collection[str], mark: float) -> list[tuple[Matter, float]]:
        """Those that are as like as the mark, oldest first, with how like they are."""
        asked = frozenset(terms)
        if len(asked) < likeness.FEWEST:
            return []
        # The rarest words first: they name the fewest others.
        rarest = sorted(asked, key=lambda term: len(self._by_term.get(term, ())))
        numbers: set[int] = set()
        for term in rarest[: likeness.enough_to_ask(len(asked), mark)]:
            numbers.update(self._by_term.get(term, ()))
        found = []
        for number in sorted(numbers):
            matter = self._matters[number - self._first]
            share = likeness.likeness(asked, matter.terms)
            if share >= mark:
                found.append((matter, share))
        return found
