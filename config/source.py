"""One YAML file of a configuration: its values with placeholders filled in, and where each of them stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

from config import placeholders, tree
from config.problems import ConfigError, Path, Problem, dotted

#: Stands for a value that counts as left out.
_ABSENT = object()


@dataclass(frozen=True, slots=True)
class Source:
    """A parsed file. Its values may be secrets, so that it shows none of them."""

    file: str
    root: tree.Node = field(repr=False)
    value: Any = field(repr=False)
    problems: list[Problem] = field(default_factory=list)

    def problem(self, path: Path, message: str, remedy: str = "", *, at_key: bool = False) -> Problem:
        """A mistake at a path, placed at its value, or at its key; at the nearest parent when it is missing."""
        line, column = self.root.line, self.root.column
        node = self.root
        for n, step in enumerate(path):
            if isinstance(node.value, dict) and isinstance(step, str) and step in node.value:
                entry = node.value[step]
                node = entry.node
                last = n == len(path) - 1
                line, column = (entry.line, entry.column) if at_key and last else (node.line, node.column)
                if not last:  # a missing child is shown at its parent's key
                    line, column = entry.line, entry.column
            elif isinstance(node.value, list) and isinstance(step, int) and step < len(node.value):
                node = node.value[step]
                line, column = node.line, node.column
            else:
                break
        return Problem(
            file=self.file, line=line, column=column, key=dotted(path), message=message, remedy=remedy
        )


def read(path: FilePath, environ: Mapping[str, str]) -> Source:
    """Read and parse a file; raises ConfigError when nothing can be made of it.

    Placeholders that cannot be filled in are noted in the source, so that they are told with all other
    mistakes. A value that is wholly a placeholder and comes out empty counts as left out.
    """
    try:
        with path.open("rb") as file:
            data = file.read(tree.MAX_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        why = getattr(error, "strerror", None) or "not a path"
        raise ConfigError([Problem(file=str(path), message=f"cannot be read ({why})")]) from None
    root = tree.parse(data, str(path))
    source = Source(file=str(path), root=root, value=None)
    value = _plain(source, root, (), environ)
    return Source(file=source.file, root=root, value=value, problems=source.problems)


def _plain(source: Source, node: tree.Node, path: Path, environ: Mapping[str, str]) -> Any:
    if isinstance(node.value, dict):
        pairs = {key: _plain(source, e.node, (*path, key), environ) for key, e in node.value.items()}
        return {key: value for key, value in pairs.items() if value is not _ABSENT}
    if isinstance(node.value, list):
        items = [_plain(source, item, (*path, n), environ) for n, item in enumerate(node.value)]
        return ["" if item is _ABSENT else item for item in items]
    if not isinstance(node.value, str):
        return node.value
    try:
        text = placeholders.fill(node.value, environ)
    except placeholders.BadPlaceholder as bad:
        source.problems.append(source.problem(path, str(bad), bad.remedy))
        return _ABSENT
    return _ABSENT if not text and placeholders.is_whole(node.value) else text
