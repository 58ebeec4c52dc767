"""YAML text into a tree that remembers lines: no tags, no duplicate keys, no bombs.

Scalars follow the core schema of YAML 1.2, because the older rules surprise: here `no` and `on` are texts,
`12:30` is not a number of seconds, and `0086` keeps its zeros.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple, NoReturn

import yaml

from config.problems import ConfigError, Path, Problem, dotted

#: Bounds of one file. A real configuration is far below; beyond them somebody plays.
MAX_BYTES = 1_048_576
MAX_DEPTH = 40
MAX_NODES = 50_000

Scalar = str | int | float | bool | None

_WORDS: dict[str, Scalar] = {"": None, "~": None}
_WORDS |= dict.fromkeys(("null", "Null", "NULL"))
_WORDS |= dict.fromkeys(("true", "True", "TRUE"), True)
_WORDS |= dict.fromkeys(("false", "False", "FALSE"), False)
_INT = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})")
_FLOAT = re.compile(r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))([eE][-+]?[0-9]{1,3})?")
# The parser quotes what it found; only its own words and single characters are fit to be shown.
_QUOTED = re.compile(r"'([^']*)'")


class Entry(NamedTuple):
    """A key of a mapping with its place, and the value under it."""

    line: int
    column: int
    node: Node


@dataclass(frozen=True, slots=True)
class Node:
    """A scalar, a list of nodes, or a mapping of keys to entries, and where it begins (from 1)."""

    value: Scalar | list[Node] | dict[str, Entry] = field(repr=False)
    line: int
    column: int
    size: int = 1
    """How many nodes there are in it, aliases written out."""
    depth: int = 1


def parse(data: bytes, file: str) -> Node:
    """The tree of a YAML file; raises ConfigError with every duplicate, tag and bad alias, or the syntax error."""
    if len(data) > MAX_BYTES:
        raise ConfigError([Problem(file=file, message=f"the file is larger than {MAX_BYTES} bytes")])
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(
            [Problem(file=file, line=line, column=1, message="is not UTF-8", remedy="save the file as UTF-8")]
        ) from None
    builder = _Builder(file)
    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            builder.take(event)
    except yaml.MarkedYAMLError as error:
        builder.fail(error.problem_mark, f"is not valid YAML: {_QUOTED.sub(_own, error.problem or '')}")
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        builder.problems.append(
            Problem(file=file, line=line, column=1, message="holds a character that YAML forbids")
        )
    except (ValueError, OverflowError):  # an escape such as "\UFFFFFFFF" that names no character
        builder.problems.append(Problem(file=file, message="holds an escape that names no character"))
    if builder.problems:
        raise ConfigError(builder.problems)
    if builder.root is None or builder.root.value is None:
        raise ConfigError([Problem(file=file, message="the file is empty")])
    return builder.root


def walk(root: Node) -> Iterator[tuple[Path, Node]]:
    """Every node with its path, parents first; aliased ones at each place where they stand."""
    todo: list[tuple[Path, Node]] = [((), root)]
    while todo:
        path, node = todo.pop()
        yield path, node
        if isinstance(node.value, dict):
            todo += [((*path, key), entry.node) for key, entry in reversed(node.value.items())]
        elif isinstance(node.value, list):
            todo += reversed([((*path, i), item) for i, item in enumerate(node.value)])


def _resolve(text: str) -> Scalar:
    """What a plain scalar means."""
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text) and math.isfinite(number := float(text)):
        return number
    return text


def _own(quoted: re.Match[str]) -> str:
    """What the parser quotes, when it is its own word or one character; a longer piece may be a secret."""
    text = quoted[1].removeprefix("\\")  # an escaped character is one character too
    return quoted[0] if len(text) < 2 or text.startswith("<") else "something"


@dataclass(slots=True)
class _Open:
    """A collection that is still being read."""

    value: list[Node] | dict[str, Entry]
    line: int
    column: int
    anchor: str | None
    key: tuple[str, int, int] | None = None
    size: int = 1
    depth: int = 0


class _Builder:
    """Builds the tree from parse events, without recursion, so that no nesting can exhaust the stack."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.root: Node | None = None
        self.problems: list[Problem] = []
        self._stack: list[_Open] = []
        self._anchors: dict[str, Node | None] = {}  # None: still open

    def fail(self, mark: Any, message: str, remedy: str = "") -> None:
        """Note a mistake at a mark of the parser."""
        line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        steps = (len(o.value) if isinstance(o.value, list) else o.key and o.key[0] for o in self._stack)
        key = dotted(tuple(step for step in steps if step is not None))
        self.problems.append(
            Problem(file=self.file, line=line, column=column, key=key, message=message, remedy=remedy)
        )

    def take(self, event: Any) -> None:
        """Use one event of the parser."""
        mark = event.start_mark
        if getattr(event, "tag", None) is not None:
            self.fail(mark, "tags are not allowed", "leave the tag out; put a text in quotes")
        match event:
            case yaml.ScalarEvent():
                value = _resolve(event.value) if event.style is None else event.value
                node = Node(value, mark.line + 1, mark.column + 1)
                self._remember(event.anchor, node)
                self._place(node, mark, key=event.value)
            case yaml.AliasEvent():
                self._alias(event, mark)
            case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                self._begin({} if isinstance(event, yaml.MappingStartEvent) else [], event.anchor, mark)
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                done = self._stack.pop()
                node = Node(done.value, done.line, done.column, done.size, done.depth + 1)
                self._remember(done.anchor, node)
                self._place(node, mark)
            case yaml.DocumentStartEvent() if self.root is not None:
                self.fail(mark, "holds a second document", "keep one document in a file")
                self._stop()

    def _begin(self, value: list[Node] | dict[str, Entry], anchor: str | None, mark: Any) -> None:
        if len(self._stack) >= MAX_DEPTH:
            self.fail(mark, f"is nested deeper than {MAX_DEPTH} levels")
            self._stop()
        if self._stack and isinstance(self._stack[-1].value, dict) and self._stack[-1].key is None:
            self.fail(mark, "a key must be a text")
            self._stop()
        if anchor:
            self._anchors[anchor] = None
        self._stack.append(_Open(value, mark.line + 1, mark.column + 1, anchor))

    def _remember(self, anchor: str | None, node: Node) -> None:
        if anchor:
            self._anchors[anchor] = node

    def _alias(self, event: Any, mark: Any) -> None:
        if event.anchor not in self._anchors:
            self.fail(
                mark, "an alias names no anchor above it", "put the text in quotes if no alias is meant"
            )
            self._stop()
        node = self._anchors[event.anchor]
        if node is None:
            self.fail(mark, "an alias stands inside of what it names")
            self._stop()
        if len(self._stack) + node.depth > MAX_DEPTH:
            self.fail(mark, f"is nested deeper than {MAX_DEPTH} levels")
            self._stop()
        self._place(node, mark, key=node.value if isinstance(node.value, str) else None)

    def _place(self, node: Node, mark: Any, key: str | None = None) -> None:
        """Put a finished node where it belongs: the root, a list, a key, or a key's value."""
        if not self._stack:
            self.root = node
            return
        parent = self._stack[-1]
        if isinstance(parent.value, list):
            parent.value.append(node)
        elif parent.key is None:
            parent.key = self._key(parent.value, mark, key)
            return
        else:
            name, line, column = parent.key
            parent.value.setdefault(name, Entry(line, column, node))
            parent.key = None
        parent.size += node.size
        parent.depth = max(parent.depth, node.depth)
        if parent.size > MAX_NODES:
            self.fail(mark, f"holds more than {MAX_NODES} values", "write fewer aliases")
            self._stop()

    def _key(self, mapping: dict[str, Entry], mark: Any, key: str | None) -> tuple[str, int, int]:
        if key is None:
            self.fail(mark, "a key must be a text")
            self._stop()
        if key == "<<":
            self.fail(mark, "merge keys are not supported", "write the keys out, or alias a whole value")
        if key in mapping:
            self.fail(mark, f'"{key}" is given twice', f"the first is in line {mapping[key].line}; keep one")
        return key, mark.line + 1, mark.column + 1

    def _stop(self) -> NoReturn:
        """What follows could not be understood."""
        raise ConfigError(self.problems)
