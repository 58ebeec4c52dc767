"""Rule cases: messages with the decision they must get, tried by `forebay check`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from model.draft import Draft, Identity, Part
from router.facts import facts
from router.rules import Rules
from router.settings import CaseMessage, CaseSettings

#: When every case is received, so that conditions on the time give the same each day: a Monday morning.
RECEIVED_AT = datetime(2026, 1, 5, 2, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class CaseResult:
    """What one case gave; `differences` is empty when it passed."""

    name: str
    differences: tuple[str, ...]
    rules: tuple[str, ...]
    """The rules that took part."""

    @property
    def passed(self) -> bool:
        return not self.differences


def run(cases: Iterable[CaseSettings], rules: Rules) -> list[CaseResult]:
    """Every case's result, in order."""
    return [_result(case, rules) for case in cases]


def _result(case: CaseSettings, rules: Rules) -> CaseResult:
    message = case.message
    seen = facts(
        _draft(message),
        channel=message.channel,
        kind=message.kind,
        received_at=RECEIVED_AT,
        limit=rules.text_limit,
    )
    decision = rules.decide(seen)
    differences = [
        f"{name}: expected {_shown(wanted)}, got {_shown(getattr(decision, name))}"
        for name in sorted(case.expect.model_fields_set)
        if _comparable(wanted := getattr(case.expect, name)) != _comparable(getattr(decision, name))
    ]
    differences += [f"rule {name}" for name in decision.rules if name.endswith(":error")]
    return CaseResult(case.name, tuple(differences), decision.rules)


def _draft(message: CaseMessage) -> Draft:
    identities = [
        Identity(kind, value)
        for kind, value in (("email", message.email), ("phone", message.phone))
        if value is not None
    ]
    return Draft(
        subject=message.subject,
        text=message.text,
        full_text=message.text if message.full_text is None else message.full_text,
        name=message.name,
        company=message.company,
        language=message.language,
        identities=tuple(identities),
        parts=tuple(Part(name, "application/octet-stream", b"") for name in message.attachments),
        automatic=message.automatic,
        bounce=message.bounce,
        extra=message.extra,
    )


def _comparable(value: Any) -> Any:
    if value is False:  # `acknowledgement: false` in YAML is None in a decision
        return None
    return sorted(value) if isinstance(value, (list, tuple)) else value


def _shown(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(value) or "nothing"
    return "nothing" if value is None or value is False else str(value)
