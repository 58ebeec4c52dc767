"""No step of the writer escapes the proofs: each label in the code is a crash point, or said to need none."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from connectors.catalog import SPECS
from tests.prove import points

ROOT = Path(__file__).parents[2]
#: What stands for a variable part of a label.
PARTS = {
    "accept.{channel.kind}": [f"accept.{spec.kind}" for spec in SPECS],
    "process.{state.value}": ["process.held", "process.quarantined", "process.ignored"],
    "purge.{name}": ["purge."],
}


def _text(node: ast.expr) -> str:
    if isinstance(node, ast.JoinedStr):
        return "".join(
            "{" + ast.unparse(one.value) + "}" if isinstance(one, ast.FormattedValue) else str(one.value)  # type: ignore[attr-defined]
            for one in node.values
        )
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _labels(tree: ast.AST) -> Iterator[str]:
    """Labels of units, acceptances and steps, and points that are called by name."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        yield from (_text(one.value) for one in node.keywords if one.arg == "label")
        if (name == "run" and len(node.args) == 2) or (name == "Acceptance" and len(node.args) == 3):
            yield _text(node.args[-1])
        if name in ("hook", "_hook") and len(node.args) == 1:
            yield _text(node.args[0])


def labels() -> set[str]:
    found: set[str] = set()
    for room in ("store", "inbox", "outbox", "console", "gateway", "casework"):
        for path in (ROOT / room).rglob("*.py"):
            for label in _labels(ast.parse(path.read_text(encoding="utf-8"))):
                found.update(PARTS.get(label, [label]))
    return found - {"", "{label}.{point}"}


def test_every_step_of_the_code_is_a_crash_point_or_said_to_need_none() -> None:
    steps = {point.removesuffix(".before_commit").removesuffix(".after_commit") for point in points.EVERY}
    assert labels() - steps - set(points.APART) == set()
    assert steps - labels() == set(), "a point that the code does not have"


def test_the_page_on_crash_points_names_each() -> None:
    page = (ROOT / "docs" / "reference" / "crash-points.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([a-z_.]+)`", page))
    steps = {point.removesuffix(".before_commit").removesuffix(".after_commit") for point in points.EVERY}
    assert steps | set(points.APART) <= named
