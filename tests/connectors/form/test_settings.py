"""Settings of a form: wrong ones are refused by name."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from connectors.form import FormSettings


@pytest.mark.parametrize(
    ("settings", "place"),
    [
        ({"honeypot": "message"}, "honeypot"),
        ({"required": ["website"]}, "honeypot"),
        ({"region": "china"}, "region"),
        ({"max_fields": 0}, "max_fields"),
        ({"rate": {"per_minute": 0}}, "per_minute"),
        ({"files": {"count": -1}}, "count"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_wrong_settings_are_refused_by_name(settings: dict[str, Any], place: str) -> None:
    with pytest.raises(ValidationError, match=place):
        FormSettings.model_validate({"kind": "form", **settings})


def test_the_readers_options_are_plain_json() -> None:
    options = FormSettings().reading()
    assert json.loads(json.dumps(options)) == options


def test_every_setting_is_described() -> None:
    schema = FormSettings.model_json_schema()
    for model in (schema, *schema["$defs"].values()):
        for name, field in model.get("properties", {}).items():
            assert field.get("description") or "$ref" in field, name
