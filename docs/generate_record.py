"""Writes docs/reference/record.md: the fields of the canonical record, from its JSON Schema.

python docs/generate_record.py            write the page
python docs/generate_record.py --check    exit 1 when the page is out of date
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "reference" / "record.md"

_INTRODUCTION = """# The record

What `GET /v1/records/{{reference}}`, `forebay normalize`, the feed and every destination give: one piece of
feedback, normalised and registered. `forebay schema record` prints the JSON Schema, and `GET
/v1/schema/record` serves it.

The version is `{schema}`. Fields are only ever added, so a consumer that was written for an older version
reads a newer record; it must ignore what it does not know. All times are UTC (RFC 3339). Texts are empty and
lists are empty where nothing is known; `null` stands only where the table says so.

## Fields
"""


def page() -> str:
    """The whole page."""
    from model import record

    schema = record.json_schema()
    parts = [_INTRODUCTION.format(schema=record.SCHEMA), *_table(schema)]
    for name, one in schema["$defs"].items():
        parts += [f"\n## {name}\n\n{one.get('description', '')}\n", *_table(one)]
    return "\n".join(parts) + "\n"


def _table(schema: Mapping[str, Any]) -> Iterator[str]:
    yield "\n| field | value | what |\n|---|---|---|"
    for name, one in schema["properties"].items():
        yield f"| `{name}` | {_form(one)} | {one.get('description', '')} |"


def _form(one: Mapping[str, Any]) -> str:
    """What may stand as a value, in a few words."""
    if "$ref" in one:
        name = one["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in one:
        return " or ".join(_form(each) for each in one["anyOf"])
    match one.get("type"):
        case "array":
            return f"list of {_form(one['items'])}"
        case "object" if isinstance(one.get("additionalProperties"), Mapping):
            return f"mapping to {_form(one['additionalProperties'])}"
        case "object":
            return "mapping"
        case "string" if one.get("format") == "date-time":
            return "time"
        case "null":
            return "`null`"
        case plain:
            words = {"string": "text", "integer": "whole number", "boolean": "true or false"}
            return words.get(str(plain), str(plain))


def main() -> int:
    sys.path.insert(0, str(ROOT))
    text = page()
    if "--check" in sys.argv[1:]:
        return int(not PAGE.exists() or PAGE.read_text(encoding="utf-8") != text)
    PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
