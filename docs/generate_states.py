"""Writes docs/reference/states.md: the state tables of `model.states` as diagrams and lists.

python docs/generate_states.py            write the page
python docs/generate_states.py --check    exit 1 when the page is out of date
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "reference" / "states.md"

#: From each state, those that may follow.
Table = Mapping[Any, frozenset[Any]]

_INTRODUCTION = """# States

Three things have a state: the envelope that arrived, the delivery that goes out, and the record between them.
The diagrams are drawn from the tables in `model/states.py`, which are what the program goes by. Final means that
no step of the program leaves it.
"""


def page() -> str:
    """The whole page."""
    from model import states

    parts = [
        _INTRODUCTION,
        _section("Envelope", "An arrival on its way to a record.", "waiting", states.ENVELOPE_TRANSITIONS),
        _section(
            "Delivery",
            "The intent to send one message to one target.",
            "waiting",
            states.DELIVERY_TRANSITIONS,
        ),
        _section("Record", "A registered record in the office.", "registered", states.RECORD_TRANSITIONS),
    ]
    return "\n".join(parts)


def _section(name: str, summary: str, first: str, table: Table) -> str:
    lines = [f"## {name}", "", summary, "", "```mermaid", "stateDiagram-v2", f"    [*] --> {first}"]
    lines += [f"    {old} --> {new}" for old in table for new in _in_order(table, old)]
    final = [old for old in table if not table[old]]
    lines += [f"    {old} --> [*]" for old in final]
    lines += ["```", "", "| from | to |", "|---|---|"]
    lines += [
        f"| `{old}` | {', '.join(f'`{new}`' for new in _in_order(table, old)) or 'final'} |" for old in table
    ]
    return "\n".join([*lines, ""])


def _in_order(table: Table, old: str) -> list[str]:
    """What may follow, in the order of the table, so that the page does not change by itself."""
    return [new for new in table if new in table[old]]


def main() -> int:
    sys.path.insert(0, str(ROOT))
    if "--check" in sys.argv[1:]:
        return int(not PAGE.exists() or PAGE.read_text(encoding="utf-8") != page())
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
