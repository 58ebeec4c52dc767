"""Looks into a JSON Schema: which keys may stand at a path, and what they mean."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from config.problems import Path

Schema = Mapping[str, Any]


def at(schema: Schema, path: Path, value: Any) -> list[Schema]:
    """The schemas that hold at a path; none when it is not foreseen.

    Of a choice, only the forms that `value` may have: one whose `kind` or `scheme` differs is left out.
    """
    here: list[Schema] = list(_forms(schema, schema, value))
    for step in path:
        value = _child(value, step)
        here = [form for one in here for child in _below(one, step) for form in _forms(child, schema, value)]
    return here


def names(schema: Schema, path: Path, value: Any) -> list[str]:
    """The keys that may stand in the mapping at a path."""
    return sorted({name for one in at(schema, path, value) for name in one.get("properties", {})})


def description(schema: Schema, path: Path, value: Any) -> str:
    """The first sentence about what stands at a path."""
    *parent, last = path
    for one in at(schema, tuple(parent), value):
        if text := one.get("properties", {}).get(last, {}).get("description"):
            return str(text).split("\n")[0].split(". ")[0].rstrip(".")
    return ""


def _forms(schema: Schema, root: Schema, value: Any) -> Iterator[Schema]:
    """The schema itself, or every form of the choice that it is, references followed."""
    choices = [form for word in ("anyOf", "oneOf", "allOf") for form in schema.get(word, ())]
    if "$ref" in schema:
        choices.append(root["$defs"][schema["$ref"].rpartition("/")[2]])
    for form in choices:
        yield from _forms(form, root, value)
    if not choices and _fits(schema, value):
        yield schema


def _fits(schema: Schema, value: Any) -> bool:
    """Whether no fixed word of the schema (`scheme: hmac`) contradicts the value."""
    if not isinstance(value, dict):
        return True
    fixed = {key: one["const"] for key, one in schema.get("properties", {}).items() if "const" in one}
    return all(value[key] == const for key, const in fixed.items() if key in value)


def _below(one: Schema, step: str | int) -> list[Schema]:
    if isinstance(step, int):
        return [one["items"]] if "items" in one else []
    if step in one.get("properties", {}):
        return [one["properties"][step]]
    if isinstance(one.get("additionalProperties"), Mapping):
        return [one["additionalProperties"]]
    return list(one.get("patternProperties", {}).values())


def _child(value: Any, step: str | int) -> Any:
    if isinstance(value, dict):
        return value.get(step)
    if isinstance(value, list) and isinstance(step, int) and step < len(value):
        return value[step]
    return None
