"""The words of a letter around its answer: a template whose lines say where their text stands on the sheet.

A line `@subject Re lift 4` is a row of the sheet; a line without a mark goes on with the row before it. Values come in
as one line each, so that no customer's words can make a row.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from jinja2 import StrictUndefined, TemplateError, TemplateSyntaxError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from connectors.letter.printing import Mark

#: The templates that come along.
SHIPPED = Path(__file__).with_name("templates")
#: Languages that letters are written in; others get the first.
LANGUAGES = ("en", "zh")
_MARKS: Sequence[str] = get_args(Mark)
#: Longest template, characters.
_LONGEST = 20_000
_SAMPLE: Mapping[str, Any] = {
    "reference": "FB-261122-7K3FQ",
    "date": "22 November 2026",
    "name": "Anna Schmidt",
    "subject": "The lift",
    "office": "Customer Feedback Office",
    "phone": "400-800-0000",
    "email": "feedback@example.com",
    "web": "example.com",
    "enclosures": ["plan.pdf"],
    "greeted": False,
    "closed": False,
}
#: How the first line of an answer greets, and how one of its last lines takes leave, when its writer did that.
_GREETS = re.compile(
    r"(?:dear|hello|hi|good (?:morning|afternoon|evening|day))\b.{0,80}|to whom it may concern.?"
    r"|尊敬的.{1,30}|(?:.{1,20}[，,]?)?[您你]好.?|[^，。]{1,20}(?:先生|女士|小姐|老师|同学|客户|用户)[：:，,]?",
    re.IGNORECASE,
)
_LEAVES = re.compile(
    r"yours (?:sincerely|faithfully|truly)\b|(?:kind|best|warm|many) regards\b|regards,?$|sincerely,?$"
    r"|此致|敬礼|谨上|敬上|顺祝|祝好",
    re.IGNORECASE,
)
#: Lines at the end of an answer among which leave is taken: it, a name, an office.
_LAST = 4


@dataclass(frozen=True, slots=True)
class Row:
    """One row: what it is, and its text."""

    mark: str
    text: str


class BadTemplate(ValueError):
    """A template that cannot be used; it names file, line and why."""


def language_of(tag: str | None) -> str:
    """The language that a letter to somebody is written in."""
    return next((one for one in LANGUAGES if (tag or "").lower().startswith(one)), LANGUAGES[0])


def check(folder: Path | None) -> None:
    """Read and try all templates; BadTemplate when one cannot be used."""
    for language in LANGUAGES:
        rows(folder, language, _SAMPLE)


def rows(folder: Path | None, language: str, values: Mapping[str, Any]) -> list[Row]:
    """A letter's rows; BadTemplate for a template that is none."""
    path = (folder or SHIPPED) / f"letter.{language}.txt"
    try:
        source = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadTemplate(f"{path}: {getattr(error, 'strerror', None) or 'not UTF-8'}") from None
    if len(source) > _LONGEST:
        raise BadTemplate(f"{path}: longer than {_LONGEST} characters")
    # Nothing is escaped: what comes out is set on paper, and is no markup.
    sandbox = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False)
    flat = {name: _flat(value) for name, value in values.items()}
    try:
        text = sandbox.from_string(source).render(flat)
    except TemplateSyntaxError as error:
        raise BadTemplate(f"{path}:{error.lineno}: {error.message}") from None
    except (TemplateError, ArithmeticError, TypeError, ValueError) as error:
        raise BadTemplate(
            f"{path}: {type(error).__name__}: it names a value that letters do not have"
        ) from None
    return _parsed(path, text)


def _parsed(path: Path, text: str) -> list[Row]:
    found: list[Row] = []
    for line in text.split("\n"):
        if line.startswith("@"):
            mark, _, rest = line[1:].partition(" ")
            if mark not in _MARKS:
                raise BadTemplate(f"{path}: @{mark} is none of {', '.join(f'@{one}' for one in _MARKS)}")
            found.append(Row(mark, rest.strip()))
        elif line.strip():
            if not found:
                raise BadTemplate(f"{path}: the first line has no mark such as @left")
            found[-1] = Row(found[-1].mark, f"{found[-1].text} {line.strip()}".strip())
    if sum(row.mark == "body" for row in found) != 1:
        raise BadTemplate(f"{path}: there must be one @body, where the answer stands")
    return found


def greets(text: str) -> bool:
    """Whether an answer begins with a salutation of its own."""
    first = next((line.strip() for line in text.splitlines() if line.strip()), "")
    return _GREETS.fullmatch(first) is not None


def takes_leave(text: str) -> bool:
    """Whether an answer ends with a complimentary close of its own."""
    last = [line.strip() for line in text.splitlines() if line.strip()][-_LAST:]
    return any(_LEAVES.match(line) for line in last)


def date_in(language: str, day: datetime.date) -> str:
    """A day as letters write it."""
    if language == "zh":
        return f"{day.year}年{day.month}月{day.day}日"
    return f"{day.day} {day:%B} {day.year}"


def _flat(value: Any) -> Any:
    if isinstance(value, str):
        return " ".join(value.split())
    return [_flat(one) for one in value] if isinstance(value, list | tuple) else value
