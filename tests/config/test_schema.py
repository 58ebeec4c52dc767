"""The JSON Schema says what the loader takes, for editors; the pages are made from it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from config.schema import json_schema
from connectors.catalog import CATALOG
from docs import generate_config

EXAMPLES = Path(__file__).parents[2] / "config" / "examples"
Schema = Mapping[str, Any]


def faults(value: Any, schema: Schema, root: Schema, path: str = "") -> Iterator[str]:
    """The part of JSON Schema that ours uses, so that no library is needed."""
    if "$ref" in schema:
        yield from faults(value, root["$defs"][schema["$ref"].rpartition("/")[2]], root, path)
    for word in ("anyOf", "oneOf"):
        if word in schema:
            tries = [list(faults(value, form, root, path)) for form in schema[word]]
            if all(tries):
                yield min(tries, key=len)[0]
    if "const" in schema and value != schema["const"]:
        yield f"{path}: not {schema['const']!r}"
    if "enum" in schema and value not in schema["enum"]:
        yield f"{path}: not in {schema['enum']}"
    if "type" in schema and not _is(value, schema["type"]):
        yield f"{path}: not {schema['type']}"
    if "pattern" in schema and isinstance(value, str) and not re.search(schema["pattern"], value):
        yield f"{path}: does not match"
    if isinstance(value, dict):
        yield from _mapping_faults(value, schema, root, path)
    if isinstance(value, list) and "items" in schema:
        for n, item in enumerate(value):
            yield from faults(item, schema["items"], root, f"{path}[{n}]")


def _mapping_faults(value: dict[str, Any], schema: Schema, root: Schema, path: str) -> Iterator[str]:
    yield from (f"{path}.{key}: missing" for key in schema.get("required", ()) if key not in value)
    patterns = schema.get("patternProperties", {})
    for key, one in value.items():
        matched = [form for pattern, form in patterns.items() if re.search(pattern, key)]
        rest = schema.get("additionalProperties", True)
        if key in schema.get("properties", {}):
            yield from faults(one, schema["properties"][key], root, f"{path}.{key}")
        elif matched:
            yield from faults(one, matched[0], root, f"{path}.{key}")
        elif rest is False and ("properties" in schema or patterns):
            yield f"{path}.{key}: unknown"
        elif isinstance(rest, dict):
            yield from faults(one, rest, root, f"{path}.{key}")


def _is(value: Any, kind: str) -> bool:
    if kind in ("integer", "number") and isinstance(value, bool):
        return False
    types: dict[str, type | tuple[type, ...]] = {
        "string": str, "integer": int, "number": (int, float), "boolean": bool,
        "array": list, "object": dict, "null": type(None),
    }  # fmt: skip
    return isinstance(value, types[kind])


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    return json_schema()


@pytest.mark.parametrize("name", ["demo.yaml", "office.yaml"])
def test_the_shipped_files_satisfy_it(name: str, schema: dict[str, Any]) -> None:
    value = yaml.safe_load((EXAMPLES / name).read_text(encoding="utf-8"))
    assert list(faults(value, schema, schema)) == []


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("lisen: {}", ".lisen: unknown"),
        ("listen: {port: http}", ".listen.port"),
        ("channels: {Mail: {kind: form}}", ".channels.Mail: unknown"),
        ("channels: {a: {kind: form, tite: {}}}", ".channels.a"),
        ("channels: {a: {title: {}}}", ".channels.a"),
        ("api: {tokens: [{name: a}]}", ".api.tokens[0]"),
        ("alerts: {language: fr}", ".alerts.language"),
        ("api: {admin_token: {vault: x}}", ".api.admin_token"),
    ],
)
def test_it_finds_the_plain_mistakes(text: str, fault: str, schema: dict[str, Any]) -> None:
    found = list(faults(yaml.safe_load(text), schema, schema))
    assert found and all(one.startswith(fault) for one in found)


@pytest.mark.parametrize(
    "text",
    [
        "listen: {port: '${PORT:-80}'}",
        "alerts: {repeat_every: PT4H, every: 30}",
        "api: {admin_token: {env: TOKEN}}",
        "api: {admin_token: {file: token.txt}}",
        "rules: {file: rules.yaml}",
        "rules: {default: {urgency: normal}}",
        "log: {level: '${LEVEL:-info}'}",
        "public_url: null",
    ],
)
def test_it_takes_every_form_that_the_loader_takes(text: str, schema: dict[str, Any]) -> None:
    assert list(faults(yaml.safe_load(text), schema, schema)) == []


def test_every_kind_is_a_form_that_is_told_by_its_name(schema: dict[str, Any]) -> None:
    for kind in CATALOG:
        assert schema["$defs"][f"channels.{kind}"]["properties"]["kind"]["const"] == kind


def test_every_setting_is_described(schema: dict[str, Any]) -> None:
    bare = [
        f"{name}.{key}"
        for name, one in schema["$defs"].items()
        for key, child in one.get("properties", {}).items()
        if not generate_config.about(child, schema)
    ]
    assert bare == []


def test_it_names_no_default_that_is_a_secret(schema: dict[str, Any]) -> None:
    assert "SecretStr" not in json.dumps(schema)


def test_the_copy_beside_the_examples_is_current(schema: dict[str, Any]) -> None:
    copy = (EXAMPLES / "config.schema.json").read_text(encoding="utf-8")
    assert copy == generate_config.text_of(schema), "run: python docs/generate_config.py"


def test_the_reference_has_a_section_for_every_group(schema: dict[str, Any]) -> None:
    page = "".join(generate_config.page(schema))
    for heading in ("## Top level", "## `channels.NAME` with `kind: email`", "## `alerts.pattern`"):
        assert heading in page
    assert "| `port` | whole number | `8080` |" in page
    assert "| `admin_token` | secret |" in page
