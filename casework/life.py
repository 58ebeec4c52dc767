"""How a record's state moves when something happens to it; the table is `model.states.RECORD_TRANSITIONS`."""

from __future__ import annotations

from model.delivery import Purpose
from model.states import RECORD_TRANSITIONS, RecordState, may

#: States that end the office's work on a record until its customer writes again.
_DONE = frozenset({RecordState.ANSWERED, RecordState.FOLLOWED_UP, RecordState.CLOSED, RecordState.RESOLVED})

#: What a delivery that the far side took makes of its record.
_AFTER_DELIVERY = {
    Purpose.REPLY: RecordState.ANSWERED,
    Purpose.HAND_OVER: RecordState.HANDED_OVER,
}


def after_message(state: RecordState) -> RecordState:
    """The state of a record that its customer has written to again: work that was done starts anew."""
    return RecordState.REOPENED if state in _DONE else state


def after_delivery(state: RecordState, purpose: Purpose) -> RecordState:
    """The state of a record after a delivery; unchanged where the table does not allow the step."""
    if state is RecordState.TAKEN and purpose is Purpose.HAND_OVER:
        return state  # somebody works on it already, whenever the ticket store was told
    new = _AFTER_DELIVERY.get(purpose)
    return new if new and may(RECORD_TRANSITIONS, state, new) else state
