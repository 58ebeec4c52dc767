"""Makers of rules and facts for the router's tests."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from model.draft import Draft, Identity
from router.facts import facts
from router.rules import Rules, RulesError, compile_rules
from router.settings import RulesSettings

RECEIVED_AT = datetime(2026, 11, 22, tzinfo=UTC)


def settings(*rules: dict[str, Any], **more: Any) -> RulesSettings:
    """Settings with these rules and a default that sets nothing."""
    return RulesSettings.model_validate({"rules": list(rules), "default": {}, **more})


def compiled(*rules: dict[str, Any], **more: Any) -> Rules:
    return compile_rules(settings(*rules, **more))


def problems(*rules: dict[str, Any], **more: Any) -> list[str]:
    """What compiling refuses; empty when nothing."""
    try:
        compile_rules(settings(*rules, **more))
    except RulesError as error:
        return [str(problem) for problem in error.problems]
    return []


def seen(text: str = "", *, limit: int = 20_000, **more: Any) -> dict[str, Any]:
    """Facts of a draft by li@example.com on the form."""
    more.setdefault("identities", (Identity("email", "li@example.com"),))
    draft = Draft(text=text, full_text=text, **more)
    return facts(draft, channel="web", kind="form", received_at=RECEIVED_AT, limit=limit)
