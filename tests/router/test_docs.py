"""What docs/how-to/rules.md says is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from router.facts import FIELDS
from router.rules import compile_rules
from router.settings import NATURES, Actions, CasesSettings, RulesSettings

PAGE = Path(__file__).parents[2].joinpath("docs/how-to/rules.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r'```yaml title="([^"]+)"\n(.*?)```', PAGE, re.DOTALL)


def test_there_are_examples() -> None:
    assert [title for title, _ in BLOCKS] == [
        "in the configuration",
        "rules.yaml",
        "more conditions",
        "rule-cases.yaml",
    ]


@pytest.mark.parametrize(
    "text", [text for title, text in BLOCKS if title in ("rules.yaml", "more conditions")]
)
def test_the_examples_compile(text: str) -> None:
    compile_rules(RulesSettings.model_validate(yaml.safe_load(text)))


def test_the_cases_are_cases() -> None:
    (text,) = [text for title, text in BLOCKS if title == "rule-cases.yaml"]
    assert CasesSettings.model_validate(yaml.safe_load(text)).cases


def test_every_field_and_action_has_its_line() -> None:
    assert set(re.findall(r"^\| `record\.(\w+)` \|", PAGE, re.MULTILINE)) == FIELDS
    lines = set(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE))
    assert lines - {"set"} == set(Actions.model_fields)
    assert ", ".join(NATURES) in PAGE
