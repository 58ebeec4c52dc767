"""What is wrong with a configuration, said so that the operator can mend it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

#: A step into the configuration: a key of a mapping, or a position in a list.
Step = str | int
#: Where in the configuration: the steps from the top of the file.
Path = tuple[Step, ...]

# Controls, marks that turn the direction of writing, and halves of characters would spoil a terminal.
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One mistake. Neither message nor remedy holds the value that was found: it may be a secret."""

    file: str
    line: int = 0
    """From 1; 0 when the mistake has no line, such as a file that cannot be read."""
    column: int = 0
    key: str = ""
    message: str
    remedy: str = ""

    def __str__(self) -> str:
        """The line that compilers print too, so that editors can jump to it."""
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        text = ": ".join(part for part in (place, self.key, self.message) if part)
        return _UNPRINTABLE.sub("�", f"{text}; {self.remedy}" if self.remedy else text)


class ConfigError(Exception):
    """A configuration cannot be used; it says everything that is wrong with it, not only the first mistake."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda p: (p.file, p.line, p.column)))
        super().__init__("\n".join(str(problem) for problem in self.problems))


def dotted(path: Path) -> str:
    """A path as people write it: `channels.mail.imap.port`, `rules[2].when`."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.removeprefix(".")


def suggest(given: str, known: Iterable[str]) -> str:
    """What the operator may have meant, or what there is; empty when there is nothing to offer."""
    names = sorted(known)
    near = get_close_matches(given, names, n=1, cutoff=0.6)
    if near:
        return f'did you mean "{near[0]}"?'
    if names and len(names) <= 20:
        return f"one of: {', '.join(names)}"
    return ""
