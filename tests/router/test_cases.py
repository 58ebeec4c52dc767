"""The shipped rules do what their cases say, and a case that fails says how."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import pytest
import yaml

import config
from router import cases
from router.rules import Rules, compile_rules
from router.settings import CaseSettings, CasesSettings, RulesSettings
from tests.router.house import compiled

EXAMPLES = files(config) / "examples"


def shipped(name: str) -> Any:
    return yaml.safe_load((EXAMPLES / name).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def rules() -> Rules:
    return compile_rules(RulesSettings.model_validate(shipped("rules.yaml")))


SHIPPED = CasesSettings.model_validate(shipped("rule-cases.yaml")).cases


@pytest.mark.parametrize("case", SHIPPED, ids=lambda case: case.name)
def test_a_shipped_case_passes(case: CaseSettings, rules: Rules) -> None:
    assert cases.run([case], rules)[0].differences == ()


def test_every_shipped_rule_is_shown_by_a_case(rules: Rules) -> None:
    shown = {name for result in cases.run(SHIPPED, rules) for name in result.rules}
    assert {rule["name"] for rule in shipped("rules.yaml")["rules"]} - shown == set()
    assert len(SHIPPED) >= 20


def test_a_case_that_fails_tells_expected_and_got() -> None:
    case = CaseSettings.model_validate(
        {
            "name": "wrong",
            "message": {"text": "x"},
            "expect": {
                "nature": ["product", "price"],
                "acknowledgement": False,
                "in_scope": True,
                "department": "a",
            },
        }
    )
    (result,) = cases.run([case], compiled({"name": "r", "set": {"nature": ["price"], "department": "a"}}))
    assert not result.passed
    assert result.differences == (
        "acknowledgement: expected nothing, got acknowledgement",
        "nature: expected product, price, got price",
    )


def test_a_rule_that_fails_on_a_case_fails_the_case() -> None:
    case = CaseSettings.model_validate({"name": "c", "message": {}, "expect": {}})
    (result,) = cases.run([case], compiled({"name": "r", "when": "record.extra.x == 1"}))
    assert result.differences == ("rule r:error",)
