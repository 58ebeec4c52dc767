"""What docs/how-to/acknowledgements.md says is so."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from outbox.mute import Mute
from outbox.settings import BudgetSettings
from outbox.templates import SAMPLE, Templates

PAGE = Path(__file__).parents[2].joinpath("docs/how-to/acknowledgements.md").read_text(encoding="utf-8")


def test_every_reason_and_value_has_its_line() -> None:
    rows = set(re.findall(r"^\| `([^`]+)` \|", PAGE, re.MULTILINE))
    assert rows == {mute.value for mute in Mute} | set(SAMPLE)


def test_the_example_is_a_template(tmp_path: Path) -> None:
    (text,) = re.findall(r'```text title="templates/acknowledgement.en.txt"\n(.*?)```', PAGE, re.DOTALL)
    (tmp_path / "acknowledgement.en.txt").write_text(text, encoding="utf-8")
    templates = Templates([tmp_path])
    assert templates.check() == []
    assert "FB-261122-7K3FQ" in templates.render("acknowledgement", "en", SAMPLE).text


def test_the_budget_shown_is_the_one_that_holds() -> None:
    (text,) = re.findall(r"```yaml\n(outbox:.*?)```", PAGE, re.DOTALL)
    assert BudgetSettings.model_validate(yaml.safe_load(text)["outbox"]["budget"]) == BudgetSettings()
