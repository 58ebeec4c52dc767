"""What the command line tells when it cannot do its work: one line, and a number for scripts (sysexits.h)."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes of `forebay`."""

    OK = 0
    UNBALANCED = 1
    """The audit found that the counts do not balance, or some of the verb's targets were left alone."""
    USAGE = 64
    DATA = 65
    """What was given cannot be taken: the answer says why."""
    NO_INPUT = 66
    """A file, record, envelope or delivery that was named is not there."""
    UNAVAILABLE = 69
    """The daemon does not answer, or the data folder or the port is taken."""
    SOFTWARE = 70
    IO = 74
    """The disk broke; the daemon stops at once."""
    TEMPORARY = 75
    """Busy; try again."""
    NO_PERMISSION = 77
    CONFIG = 78
    INTERRUPTED = 130


class Trouble(Exception):
    """Ends a command with one clear line; it is shown, so it never holds a secret."""

    def __init__(self, message: str, code: Exit = Exit.DATA) -> None:
        super().__init__(message)
        self.code = code
