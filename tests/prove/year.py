"""What happens in a year of an office, drawn by chance from a seed, and what a report must say of it.

The truth is computed here from the plan alone: nothing of it comes from the program. Deadlines are counted over a
list of the working days of 2026 written down from the State Council's notice, not over a calendar.
A matter is handled clearly within its days or clearly after them, since what the last minute is, other tests show.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from random import Random
from zoneinfo import ZoneInfo

ZONE = ZoneInfo("Asia/Shanghai")
#: Working days allowed, by urgency: those of the configuration.
ALLOWED = {"urgent": 1, "important": 3, "normal": 8}
NATURES = ("product", "service", "price", "content")
DEPARTMENTS = ("product", "service", "marketing")
CAUSES = ("defect", "handling", "delay", "")
OUTCOMES = ("solved", "explained", "unfounded", "")
_JANUARY, _DECEMBER = date(2026, 1, 1), date(2026, 12, 31)


def _days(*spans: tuple[tuple[int, int], tuple[int, int]]) -> set[date]:
    found: set[date] = set()
    for (month, first), (until, last) in spans:
        day = date(2026, month, first)
        while day <= date(2026, until, last):
            found.add(day)
            day += timedelta(days=1)
    return found


_HOLIDAYS = _days(
    ((1, 1), (1, 3)), ((2, 15), (2, 23)), ((4, 4), (4, 6)), ((5, 1), (5, 5)), ((6, 19), (6, 21)),
    ((9, 25), (9, 27)), ((10, 1), (10, 7)),
)  # fmt: skip
_MADE_UP = {date(2026, *day) for day in ((1, 4), (2, 14), (2, 28), (5, 9), (9, 20), (10, 10))}


def works(day: date) -> bool:
    """Whether the office works on a day of 2026."""
    return day in _MADE_UP or (day.weekday() < 5 and day not in _HOLIDAYS)


def working_day_after(day: date, n: int) -> date:
    """The n-th working day after a day."""
    while n:
        day += timedelta(days=1)
        n -= works(day)
    return day


@dataclass(kw_only=True)
class Matter:
    """One item of the year: what is brought, what is done with it, and what it counts as in the end."""

    n: int
    way: str
    at: datetime
    natures: tuple[str, ...]
    urgency: str
    department: str = ""
    """Whose it is in the end; empty while nobody was given it."""
    judged: str = ""
    """The urgency that the rules propose, where a clerk overrules it."""
    cause: str = ""
    outcome: str = ""
    handled: date | None = None
    in_time: bool | None = None
    returned: bool = False
    extended: bool = False
    again: date | None = None
    """When it is opened once more by its customer: `handled` is the second time then."""
    first_handled: date | None = None
    in_scope: bool = True
    repeat_of: int | None = None
    mark: int | None = None
    marked: date | None = None
    linked: Matter | None = None
    """What a dissatisfied customer's mark made."""
    reference: str = field(default="", compare=False)

    @property
    def day(self) -> date:
        return self.at.astimezone(ZONE).date()

    @property
    def result(self) -> str:
        if not self.in_scope:
            return "out_of_scope"
        return (self.outcome or "handled") if self.handled else "open"


def plan(seed: int, items: int, others: Mapping[str, int]) -> list[Matter]:
    """The matters of a year in the order of their receipt. `others`: how many come by each rarer way."""
    chance = Random(seed)
    ways = [name for name, n in others.items() for _ in range(n)]
    ways += [chance.choice(("form", "form", "hook")) for _ in range(items - len(ways))]
    chance.shuffle(ways)
    moments = sorted(
        datetime.combine(
            _JANUARY + timedelta(days=chance.randrange(365)), time(chance.randrange(1, 9), 0), ZONE
        )
        for _ in ways
    )
    matters = [_matter(chance, n, way, at) for n, (way, at) in enumerate(zip(ways, moments, strict=True), 1)]
    _repeats(chance, matters)
    return matters


def _matter(chance: Random, n: int, way: str, at: datetime) -> Matter:
    """Received early in the morning; handled at two in the afternoon of a working day."""
    found = Matter(
        n=n,
        way=way,
        at=at,
        natures=tuple(sorted(chance.sample(NATURES, chance.choice((0, 1, 1, 1, 2))))),
        urgency=chance.choice(("urgent", "important", "normal", "normal", "normal")),
    )
    fate = chance.random()
    if fate < 0.05:
        found.in_scope = False
        return found
    if chance.random() < 0.1:
        found.judged, found.urgency = found.urgency, chance.choice(tuple(ALLOWED))
    if fate < 0.15:
        return found
    found.department = chance.choice(DEPARTMENTS)
    found.returned = chance.random() < 0.1
    allowed = ALLOWED[found.urgency]
    if chance.random() < 0.8:
        wait, found.in_time = chance.randrange(allowed), True
    else:
        wait, found.in_time = allowed + 2 + chance.randrange(6), False
    found.extended = not found.in_time and chance.random() < 0.3
    handled = working_day_after(found.day - timedelta(days=1), 1 + wait)
    if found.extended:
        found.in_time = True
    if found.way == "hook" and chance.random() < 0.08:
        found.first_handled = handled
        found.again = working_day_after(handled, 2)
        handled = working_day_after(found.again, 12)  # later than whatever was allowed
        found.in_time = False
    if handled > _DECEMBER or (found.again or handled) > _DECEMBER:
        return _open(found)
    found.handled = handled
    found.cause, found.outcome = chance.choice(CAUSES), chance.choice(OUTCOMES)
    marked = working_day_after(handled, 3)
    if chance.random() < 0.4 and marked <= _DECEMBER:
        found.mark, found.marked = chance.randrange(1, 6), marked
        if found.mark < 4:
            found.linked = Matter(
                n=-found.n,
                way=found.way,
                at=datetime.combine(marked, time(15), ZONE),
                natures=tuple(sorted({*found.natures, "complaint"})),
                urgency=found.urgency,
                department=found.department,
            )
    return found


def _open(found: Matter) -> Matter:
    """One that the year ends before: given to nobody, so that it counts as open."""
    return Matter(
        n=found.n, way=found.way, at=found.at, natures=found.natures, urgency=found.judged or found.urgency
    )


def _repeats(chance: Random, matters: Sequence[Matter]) -> None:
    """Some forms are sent again within a week, word for word."""
    forms = [one for one in matters if one.way == "form"]
    for earlier, later in zip(forms, forms[5:], strict=False):
        soon = timedelta() < later.at - earlier.at < timedelta(days=20)
        if soon and earlier.repeat_of is None and later.repeat_of is None and chance.random() < 0.06:
            later.repeat_of = earlier.n
            # The same words have the same rules; what a clerk makes of them may differ.
            later.natures = earlier.natures
            proposed = earlier.judged or earlier.urgency
            if not later.in_scope:
                later.urgency = proposed  # nobody judges how urgent it is
            later.judged = "" if proposed == later.urgency else proposed
            if later.linked is not None:
                later.linked.natures = tuple(sorted({*later.natures, "complaint"}))


def counted(matters: Sequence[Matter]) -> Iterator[Matter]:
    """All that is a record: the matters, and what dissatisfied customers' marks made."""
    for one in matters:
        yield one
        if one.linked is not None:
            yield one.linked


def truth(
    matters: Sequence[Matter], first: date, last: date, channel_of: Mapping[str, str]
) -> dict[str, object]:
    """What the report of some days must say, as its JSON does; a rate as part and whole."""
    everything = list(counted(matters))
    received = [one for one in everything if first <= one.day <= last]
    handled = [one for one in everything if one.handled and first <= one.handled <= last]
    marked = [one for one in everything if one.marked and first <= one.marked <= last]
    counts = {
        "channel": Counter(channel_of.get(one.way, one.way) for one in received),
        "nature": Counter(nature for one in received for nature in one.natures or ("",)),
        "cause": Counter(one.cause for one in received),
        "department": Counter(one.department for one in received),
        "urgency": Counter(one.urgency for one in received),
        "result": Counter(one.result for one in received),
    }
    return {
        "received": len(received),
        "handled": len(handled),
        "timeliness": (sum(bool(one.in_time) for one in handled), len(handled)),
        "satisfaction": (sum((one.mark or 0) >= 4 for one in marked), len(marked)),
        "repeats": (sum(one.repeat_of is not None for one in received), len(received)),
        **{f"by {name}": dict(values) for name, values in counts.items()},
        "issues": {
            pair: n
            for pair, n in Counter(
                (nature, one.cause) for one in received if one.cause for nature in one.natures
            ).items()
            if n >= 3
        },
    }
