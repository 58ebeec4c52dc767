"""`${NAME}` and `${NAME:-default}` in the texts of a configuration, after parsing only.

Because the file is parsed first, no value of a variable can change its structure. `$${` stands for a
literal `${`; values of variables are not searched again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_TOKEN = re.compile(r"\$\$\{|\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^{}]*))?\}|\$\{")


class BadPlaceholder(ValueError):
    """A placeholder cannot be filled in: the message says why, `remedy` what to do."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.remedy = remedy


def is_whole(text: str) -> bool:
    """Whether the text is one placeholder and nothing else."""
    found = _TOKEN.fullmatch(text)
    return bool(found and found["name"])


def fill(text: str, environ: Mapping[str, str]) -> str:
    """The text with its placeholders filled in; raises BadPlaceholder.

    As in a shell, the default is used when the variable is missing or empty.
    """

    def value(found: re.Match[str]) -> str:
        name, default = found["name"], found["default"]
        if name is None:
            if found[0] == "$${":
                return "${"
            raise BadPlaceholder("a placeholder is not written as ${NAME}", "write $${ for a literal ${")
        if default is not None:
            return environ.get(name) or default
        if name not in environ:
            raise BadPlaceholder(
                f"the environment variable {name} is not set",
                f"set it, or give a default: ${{{name}:-…}}",
            )
        return environ[name]

    return _TOKEN.sub(value, text)
