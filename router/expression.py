"""A condition in CEL: compiled, and refused where it could run away or can never be right.

The language has no loops but the comprehensions (all, exists, exists_one, map, filter), so a condition
is bounded by its length, by how deep comprehensions nest or follow one another, and by its texts.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from math import prod

from router.cel_library import cel
from router.facts import CHANNEL_FIELDS, FIELDS

#: Comprehensions within or upon one another.
MAX_HEIGHT = 2
#: Product of the counted repeats, {n}, in one regular expression: they multiply its compiled size.
MAX_REPEATS = 100
_MACROS = frozenset({"all", "exists", "exists_one", "existsOne", "map", "filter"})
#: Functions that our CEL library has or that the rules lend it; operators start with a mark.
FUNCTIONS = frozenset(
    (
        *("mentions", "has_any", "contains", "startsWith", "endsWith", "matches", "size"),
        *("int", "double", "string", "timestamp", "duration"),
        *("getFullYear", "getMonth", "getDate", "getDayOfWeek", "getHours", "getMinutes"),
    )
)
_TOKEN = re.compile(
    r"(?P<space>\s+|//[^\n]*)"
    r"|(?P<text>[bB]?[rR][bB]?(?:\"[^\"]*\"|'[^']*')|[bB]?(?:\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'))"
    r"|(?P<name>[A-Za-z_]\w*)|(?P<number>\d[\w.]*)|(?P<mark>.)",
    re.DOTALL,
)
_REPEAT = re.compile(r"\{(\d+)(?:,(\d*))?\}")


class BadExpression(Exception):
    """A condition that is refused; `problems` says why, each with its remedy."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled condition, and the fields of `record` that it reads."""

    program: cel.Program
    fields: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str


@dataclass(slots=True)
class _Bracket:
    """An open bracket. Heights count comprehensions: `inner` inside it, `target` in what it is applied to."""

    macro: str | None
    target: int
    inner: int = 0

    @property
    def height(self) -> int:
        below = max(self.inner, self.target)
        return below + 1 if self.macro else below


def compile_expression(source: str, *, limit: int, word_lists: Collection[str]) -> Expression:
    """Compile a condition; BadExpression when it is too long, could run away, or names what is not there."""
    if len(source) > limit:
        raise BadExpression([f"is {len(source)} characters long, more than {limit}: split the rule"])
    if '"""' in source or "'''" in source:
        raise BadExpression(["has a text in triple quotes: use simple quotes"])
    tokens = [
        _Token(match.lastgroup or "mark", match[0])
        for match in _TOKEN.finditer(source)
        if match.lastgroup != "space"
    ]
    try:
        program = cel.compile(source)
    except ValueError as error:
        raise BadExpression([f"does not compile: {_where(str(error))}"]) from None
    problems = [*_runaway(tokens), *_unknown(program, tokens), *_arguments(tokens, word_lists)]
    if problems:
        raise BadExpression(problems)
    return Expression(program, frozenset(_fields(tokens)))


def _where(error: str) -> str:
    """The library's message without the source it repeats."""
    return error.partition("ERROR: ")[2].partition("\n")[0] or "syntax error"


def _runaway(tokens: Sequence[_Token]) -> Iterator[str]:
    open_brackets = [_Bracket(None, 0)]
    carried = 0  # height of the value to the left, as long as `.name` or a bracket follows it
    for at, token in enumerate(tokens):
        if token.text in ("(", "["):
            called = at >= 2 and tokens[at - 2].text == "." and tokens[at - 1].text in _MACROS
            macro = tokens[at - 1].text if called and token.text == "(" else None
            open_brackets.append(_Bracket(macro, carried))
            carried = 0
        elif token.text in (")", "]") and len(open_brackets) > 1:
            carried = open_brackets.pop().height
            open_brackets[-1].inner = max(open_brackets[-1].inner, carried)
        elif token.text == "+" and any(one.macro == "map" for one in open_brackets):
            yield "adds inside map(), which could grow without bound: compare instead"
        elif token.kind != "name" and token.text != ".":
            carried = 0
    if open_brackets[0].inner > MAX_HEIGHT:
        yield f"has comprehensions more than {MAX_HEIGHT} deep (all, exists, map, filter): split the rule"


def _unknown(program: cel.Program, tokens: Sequence[_Token]) -> Iterator[str]:
    bound = {
        tokens[at + 2].text
        for at, token in enumerate(tokens[:-2])
        if token.text in _MACROS and tokens[at + 1].text == "("
    }
    for name in program.variables():
        if name != "record" and name not in bound:
            yield f"knows no `{name}`: a condition reads record.NAME{_near('record.', name, FIELDS)}"
    for name in program.functions():
        if name[0].isalpha() and name not in FUNCTIONS:
            yield f"knows no function {name}(){_near('', name, FUNCTIONS)}"
    for field in _fields(tokens):
        if field not in FIELDS:
            yield f"knows no field record.{field}{_near('record.', field, FIELDS)}"
    for at, token in enumerate(tokens):
        if token.text == "record" and not _dotted(tokens, at):
            if [one.text for one in tokens[at + 1 : at + 2]] != ["."]:
                yield "uses `record` without a field: write record.NAME"
            elif [one.text for one in tokens[at + 2 : at + 4]] == ["channel", "."]:
                name = tokens[at + 4].text
                if name not in CHANNEL_FIELDS:
                    yield f"knows no field record.channel.{name}: it has name and kind"


def _arguments(tokens: Sequence[_Token], word_lists: Collection[str]) -> Iterator[str]:
    """Word lists and patterns are written out, so that they can be looked at before any message is."""
    for at, token in enumerate(tokens[:-1]):
        if token.text not in ("mentions", "matches") or tokens[at + 1].text != "(":
            continue
        literal = tokens[at + 2]
        if literal.kind != "text" or tokens[at + 3].text != ")":
            yield f"{token.text}() takes one text in quotes"
            continue
        value = str(cel.evaluate(literal.text))
        if token.text == "mentions" and value not in word_lists:
            yield f"names no list of words: {value!r}{_near('', value, word_lists)}"
        if token.text == "matches":
            yield from _pattern(literal.text, value)


def _pattern(literal: str, value: str) -> Iterator[str]:
    if prod(int(most or least or 1) for least, most in _REPEAT.findall(value)) > MAX_REPEATS:
        yield f"repeats more than {MAX_REPEATS} times in a regular expression: use * or +"
        return
    try:
        cel.evaluate(f'"".matches({literal})')
    except RuntimeError:
        yield f"has a regular expression that is not valid (RE2 manner, no look-around): {value!r}"


def _fields(tokens: Sequence[_Token]) -> Iterable[str]:
    return dict.fromkeys(
        tokens[at + 2].text
        for at, token in enumerate(tokens[:-2])
        if token.text == "record" and tokens[at + 1].text == "." and not _dotted(tokens, at)
    )


def _dotted(tokens: Sequence[_Token], at: int) -> bool:
    """Whether the name is itself the field of something."""
    return at > 0 and tokens[at - 1].text == "."


def _near(prefix: str, name: str, known: Iterable[str]) -> str:
    close = get_close_matches(name, sorted(known), 1)
    return f"; did you mean {prefix}{close[0]}?" if close else ""
