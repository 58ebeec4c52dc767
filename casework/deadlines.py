"""When the stages of a record are due. Pure: settings and moments in, moments out.

A record's deadlines are those of the stages that lie before it: `hand_over` and `solve` from its registration,
`analyse` from its hand-over, `answer` from its solution. A stage that is done keeps
its deadline, so that the figures can tell whether it was met.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from casework.settings import OfficeSettings
from model.decision import Decision, Urgency
from router.worktime import NoWorkingDay, Worktime

#: Stages in the order in which they are due.
STAGES = ("hand_over", "analyse", "solve", "answer")


#: When the clock stood still: from, to.
Pauses = Sequence[tuple[datetime, datetime]]


class Deadlines:
    """The office's deadlines; `settings` gives them as they are now, since a reload may change them."""

    def __init__(self, settings: Callable[[], OfficeSettings]) -> None:
        self._settings = settings
        self._known: tuple[OfficeSettings, Worktime] | None = None

    @property
    def worktime(self) -> Worktime:
        """The working-day calendar of now."""
        settings = self._settings()
        if self._known is None or self._known[0] is not settings:
            self._known = settings, Worktime(settings.worktime)
        return self._known[1]

    def at_registration(self, decision: Decision, at: datetime) -> Mapping[str, datetime]:
        """What a new record's deadlines are; none where the office has no departments or does not handle it."""
        if not self._settings().departments or not decision.in_scope:
            return {}
        try:
            return {"hand_over": self.hand_over(at), "solve": self.solve(decision.urgency, at)}
        except NoWorkingDay:
            return {}  # a calendar without end is told in health; it keeps nothing from being registered

    def hand_over(self, received_at: datetime, pauses: Pauses = ()) -> datetime:
        """When a department must have the record."""
        return self.worktime.deadline(received_at, self._settings().stages.hand_over, pauses)

    def solve(self, urgency: Urgency, received_at: datetime, pauses: Pauses = ()) -> datetime:
        """When a record of this urgency must be solved."""
        return self.worktime.deadline(received_at, self._settings().stages.solve.of(urgency), pauses)

    def weighed_anew(self, row: Mapping[str, Any], urgency: Urgency) -> tuple[dict[str, Any], dict[str, Any]]:
        """What changes of a record that becomes as urgent as this: its values, and the trace of what was and is."""
        told: dict[str, Any] = {"urgency": {"from": row["urgency"], "to": urgency.value}}
        deadlines = dict(row["deadlines"])
        if deadlines.get("solve"):
            old = deadlines["solve"]
            deadlines["solve"] = self.solve(urgency, row["received_at"]).isoformat()
            told["solve"] = {"from": old, "to": deadlines["solve"]}
        return {"urgency": urgency.value, "deadlines": deadlines}, told

    def analyse(self, given_at: datetime, pauses: Pauses = ()) -> datetime:
        """When a department that was handed a record must have looked into it."""
        return self.worktime.deadline(given_at, self._settings().stages.analyse, pauses)

    def answer(self, solved_at: datetime, pauses: Pauses = ()) -> datetime:
        """When the customer must be answered."""
        return self.worktime.deadline(solved_at, self._settings().stages.answer, pauses)


#: In which states the work of a stage is still to be done.
_OPEN = {
    "hand_over": frozenset({"registered", "returned", "reopened"}),
    "analyse": frozenset({"handed_over"}),
    "solve": frozenset({"registered", "handed_over", "taken", "returned", "reopened"}),
    "answer": frozenset({"resolved"}),
}


def next_due(state: str, deadlines: Mapping[str, Any]) -> tuple[str, datetime] | None:
    """The stage that a record is in and when it is due; the earliest where there are several."""
    due = [(name, moment(at)) for name, at in deadlines.items() if is_open(name, state)]
    return min(due, key=lambda one: one[1], default=None)


def is_open(stage: str, state: str) -> bool:
    """Whether the work of a stage is still to be done in a state."""
    return state in _OPEN.get(stage, ())


def moment(value: Any) -> datetime:
    """A deadline as a moment: the store keeps it as text."""
    return value if isinstance(value, datetime) else datetime.fromisoformat(value)
