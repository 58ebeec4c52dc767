"""Who may see and do what at the desk: roles and their rights, as one table."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class Right(StrEnum):
    """What somebody may see or do."""

    SEE = "see"
    """Records: of their own departments, unless they see all."""
    SEE_ALL = "see_all"
    """Records of every department."""
    SEE_PERSON = "see_person"
    """Who the customers are, and the files and letters that they sent."""
    ACT = "act"
    """Judge a record, pass it on, take, return, solve and close it; tell and ask its customer."""
    ANSWER = "answer"
    """Answer customers; print, post and call."""
    REVIEW = "review"
    """Look at answers of others before they leave."""
    TAKE_IN = "take_in"
    """Write down what somebody said; put right what a machine read."""
    REPORT = "report"
    """The figures."""
    MEND = "mend"
    """What is held, quarantined, dead or uncertain."""
    OPERATE = "operate"
    """Channels, imports, posters."""
    TRAIL = "trail"
    """Who did what."""
    PERSONS = "persons"
    """Give out or erase everything of one person."""
    USERS = "users"
    """Who may do what."""


class Role(StrEnum):
    """What somebody is in the office."""

    CLERK = "clerk"
    DEPARTMENT = "department"
    COORDINATOR = "coordinator"
    SUPERVISOR = "supervisor"
    AUDITOR = "auditor"
    OPERATOR = "operator"


_R = Right
_DESK = {_R.SEE, _R.SEE_ALL, _R.SEE_PERSON, _R.ACT, _R.ANSWER, _R.REVIEW, _R.TAKE_IN, _R.MEND}

#: The rights of each role. An auditor needs nobody's name: they see records without the people.
RIGHTS: Mapping[Role, frozenset[Right]] = {
    Role.CLERK: frozenset(_DESK),
    Role.DEPARTMENT: frozenset({_R.SEE, _R.SEE_PERSON, _R.ACT, _R.ANSWER}),
    Role.COORDINATOR: frozenset({*_DESK, _R.REPORT, _R.PERSONS}),
    Role.SUPERVISOR: frozenset({_R.SEE, _R.SEE_ALL, _R.SEE_PERSON, _R.REVIEW, _R.REPORT, _R.TRAIL}),
    Role.AUDITOR: frozenset({_R.SEE, _R.SEE_ALL, _R.REPORT, _R.TRAIL}),
    Role.OPERATOR: frozenset(
        {_R.SEE, _R.SEE_ALL, _R.SEE_PERSON, _R.MEND, _R.OPERATE, _R.TRAIL, _R.PERSONS, _R.USERS}
    ),
}
#: Those of the administrator's token.
EVERYTHING = frozenset(Right)
