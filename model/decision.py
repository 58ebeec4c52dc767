"""What the rules decided about a draft."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class Urgency(StrEnum):
    """How soon it must be handled [紧急 重要 一般]."""

    URGENT = "urgent"
    IMPORTANT = "important"
    NORMAL = "normal"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a field was decided as it was: the rule, and the words that it found."""

    rule: str
    """Name of the rule; "" for the default."""
    sets: Mapping[str, Any]
    """The fields of the judgement that are as they are because of it, as JSON."""
    found: tuple[str, ...] = ()
    """Words of the rules' lists that the message has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What the rules decided, and which rules took part."""

    in_scope: bool = True
    nature: tuple[str, ...] = ()
    urgency: Urgency = Urgency.NORMAL
    department: str | None = None
    destinations: tuple[str, ...] = ()
    acknowledgement: str | None = "acknowledgement"
    """Name of the template, or None for no acknowledgement."""
    hold: str | None = None
    """A reason to let a person look first."""
    deadlines: Mapping[str, datetime] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    """Names of the rules that matched, in order."""
    reasons: tuple[Reason, ...] = field(default=(), compare=False)
    """Which rule decided what, in the order of the rules."""
