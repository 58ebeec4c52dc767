"""Looks into a JSON Schema: which keys may stand at a path, and what they mean."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from config.problems import Path

Schema = Mapping[str, Any]


def forms(schema: Schema, root: Schema) -> Iterator[Schema]:
    """The schema itself, or every form of the choice that it is, references followed."""
    if "$ref" in schema:
        yield from forms(root["$defs"][schema["$ref"].rpartition("/")[2]], root)
    for word in ("anyOf", "oneOf", "allOf"):
        for form in schema.get(word, ()):
            yield from forms(form, root)
    if "$ref" not in schema and "anyOf" not in schema and "oneOf" not in schema:
        yield schema


def at(schema: Schema, path: Path) -> list[Schema]:
    """The schemas that hold at a path; none when the path is not foreseen."""
    here: list[Schema] = [schema]
    for step in path:
        children: list[Schema] = []
        for one in (form for outer in here for form in forms(outer, schema)):
            if isinstance(step, int):
                children += [one["items"]] if "items" in one else []
            elif step in one.get("properties", {}):
                children.append(one["properties"][step])
            elif isinstance(one.get("additionalProperties"), Mapping):
                children.append(one["additionalProperties"])
            else:
                children += one.get("patternProperties", {}).values()
        here = children
    return here


def names(schema: Schema, path: Path) -> list[str]:
    """The keys that may stand in the mapping at a path."""
    return sorted(
        {
            name
            for one in at(schema, path)
            for form in forms(one, schema)
            for name in form.get("properties", {})
        }
    )


def description(schema: Schema, path: Path) -> str:
    """The first sentence about what stands at a path."""
    for one in at(schema, path):
        if text := one.get("description"):
            return str(text).split("\n")[0].split(". ")[0].rstrip(".")
    return ""
