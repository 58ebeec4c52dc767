"""Writes the reference of the configuration, and the schema that editors use, from the settings themselves.

python docs/generate_config.py            write docs/reference/configuration.md and the schema
python docs/generate_config.py --check    exit 1 when the schema beside the examples is out of date
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "reference" / "configuration.md"
SCHEMA = ROOT / "config" / "examples" / "config.schema.json"

Schema = Mapping[str, Any]

INTRODUCTION = """# Configuration

One YAML file holds the whole configuration. `forebay check -c FILE` tells everything that is wrong with it,
`forebay check -c FILE --show` what holds in effect, and `forebay schema config` prints the JSON Schema.

- Unknown keys, duplicate keys and tags are refused.
- `${NAME}` and `${NAME:-default}` in a value are filled in from the environment after the file was parsed;
  `$${` is a literal `${`. A value that is nothing but a placeholder, and comes out empty, counts as left out.
- A duration is a number of seconds (`300`), a time (`"00:05:00"`) or ISO 8601 (`PT5M`, `P7D`).
- A secret is a value, `{env: NAME}` or `{file: PATH}`.
- Paths of what is read with the configuration (rules, templates, secrets, certificates of the door) are
  relative to the file's folder; `data` is relative to the working folder.
- `yes`, `no`, `on` and `12:30` are texts, as in YAML 1.2.

"""


def text_of(schema: Mapping[str, Any]) -> str:
    """The schema as the file beside the examples holds it."""
    return json.dumps(schema, indent=1, ensure_ascii=False) + "\n"


def page(schema: Schema) -> Iterator[str]:
    """The reference, section by section."""
    yield INTRODUCTION
    yield "## Top level\n\n"
    yield from table(schema, schema)
    seen: set[str] = set()
    for key, one in schema["properties"].items():
        named = key in ("channels", "destinations")
        yield from sections(one, f"{key}.NAME" if named else key, schema, seen)


def sections(one: Schema, path: str, root: Schema, seen: set[str]) -> Iterator[str]:
    """A section for every mapping with keys of its own at or below a path, each model once."""
    for name in names_of(one):
        target = root["$defs"][name]
        if name in seen:
            continue
        seen.add(name)
        if "properties" not in target:
            yield from sections(target, path, root, seen)
            continue
        fixed = [f"{k}: {v['const']}" for k, v in target["properties"].items() if "const" in v]
        yield f"\n## `{path}`{f' with `{fixed[0]}`' if fixed else ''}\n\n{target.get('description', '')}\n\n"
        yield from table(target, root)
        for key, child in target["properties"].items():
            yield from sections(child, f"{path}.{key}", root, seen)


def names_of(one: Schema) -> Iterator[str]:
    """The definitions that a schema refers to, itself or in its forms, entries and items; path is the same."""
    if "$ref" in one:
        name = one["$ref"].rpartition("/")[2]
        if name != "Placeholder":
            yield name
    for word in ("anyOf", "oneOf", "allOf"):
        for form in one.get(word, ()):
            yield from names_of(form)
    for word in ("items", "additionalProperties"):
        if isinstance(one.get(word), Mapping):
            yield from names_of(one[word])
    for form in (*one.get("patternProperties", {}).values(), *one.get("prefixItems", ())):
        yield from names_of(form)


def table(one: Schema, root: Schema) -> Iterator[str]:
    """The keys of a mapping as a table."""
    yield "| key | value | default | what |\n|---|---|---|---|\n"
    required = one.get("required", ())
    for key, child in one.get("properties", {}).items():
        default = "**required**" if key in required else code(child.get("default", ""))
        cells = (f"`{key}`", form(child, root), default, about(child, root))
        yield "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |\n"


def about(child: Schema, root: Schema) -> str:
    """What it is: its own description, else that of the mapping it refers to."""
    if "description" in child:
        return str(child["description"])
    return next((str(root["$defs"][name].get("description", "")) for name in names_of(child)), "")


def code(default: object) -> str:
    if default in ("", None, {}, []):
        return ""
    return f"`{default if isinstance(default, str) else json.dumps(default, ensure_ascii=False)}`"


def form(one: Schema, root: Schema) -> str:
    """What may stand as a value, in a few words."""
    if "const" in one:
        return f"`{one['const']}`"
    if "enum" in one:
        return " or ".join(f"`{value}`" for value in one["enum"])
    if "$ref" in one:
        target = root["$defs"][one["$ref"].rpartition("/")[2]]
        return form(target, root) if "properties" not in target else "mapping"
    if "anyOf" in one or "oneOf" in one:
        forms = [form(each, root) for each in one.get("anyOf", one.get("oneOf")) if not is_placeholder(each)]
        if any(is_secret(each) for each in one.get("anyOf", ())):
            return "secret"
        return " or ".join(dict.fromkeys(f for f in forms if f != "null"))
    if one.get("type") == "array":
        return f"list of {form(one.get('items', {}), root)}"
    if one.get("type") == "object":
        return "mapping"
    words = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false"}
    return words.get(str(one.get("type")), str(one.get("type", "anything")))


def is_placeholder(one: Schema) -> bool:
    return str(one.get("$ref", "")).endswith("/Placeholder")


def is_secret(one: Schema) -> bool:
    return bool(one.get("writeOnly")) or any(is_secret(each) for each in one.get("anyOf", ()))


def main() -> int:
    sys.path.insert(0, str(ROOT))
    from config.schema import json_schema

    schema = json_schema()
    if "--check" in sys.argv[1:]:
        return int(not SCHEMA.exists() or SCHEMA.read_text(encoding="utf-8") != text_of(schema))
    SCHEMA.write_text(text_of(schema), encoding="utf-8")
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text("".join(page(schema)), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
