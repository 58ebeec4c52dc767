"""The health of a channel or destination, as a real round trip showed it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class HealthState(StrEnum):
    """What the last real round trip said."""

    OK = "ok"
    FAILING = "failing"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Health:
    """Health with a detail for the operator and the step that repairs it; neither holds a secret."""

    state: HealthState
    detail: str = ""
    repair: str = ""

    @property
    def ok(self) -> bool:
        return self.state is HealthState.OK


OK = Health(HealthState.OK)
UNKNOWN = Health(HealthState.UNKNOWN)
