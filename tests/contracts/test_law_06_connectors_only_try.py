"""Law 6: connectors and destinations never sleep, retry, or log and go on."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted(
    path
    for folder in ("connectors", "destinations")
    for path in (ROOT / folder).rglob("*.py")
    if "__pycache__" not in path.parts
)


def _calls(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            function = node.func
            yield function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (one.name for one in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_connector_sleeps_or_retries(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert "sleep" not in set(_calls(tree)), "the house decides when something is tried again"
    assert not {"tenacity", "backoff"} & {name.split(".")[0] for name in _imports(tree)}


def test_the_rule_is_looked_at_where_there_is_something_to_find() -> None:
    """The check itself finds what it forbids in the one place that may do it."""
    tree = ast.parse((ROOT / "inbox" / "pull.py").read_text(encoding="utf-8"))
    assert "sleep" in set(_calls(tree)) and "tenacity" in set(_imports(tree))
