"""Secrets that a configuration only points at: {env: NAME} and {file: PATH}."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

#: A secret is a line, or a PEM key; a larger file was not meant.
MAX_BYTES = 65_536
#: Keys whose values are masked wherever they turn up: messages of other people's checks, logs.
KEYS = re.compile(
    r"pass(word|wd|phrase)?$|secret|token|api[_-]?key|private[_-]?key|authorization|cookie|credential", re.I
)
#: What stands in the place of a secret.
MASK = "********"
#: User and password inside of an address.
CREDENTIALS = re.compile(r"(?<=://)[^/\s:@]*:[^/\s@]+(?=@)")


class Resolver:
    """Reads secrets by reference, and remembers them so that no message repeats one."""

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        self._folder = folder
        self._environ = environ
        self._known: set[str] = set()

    def __call__(self, reference: Mapping[str, Any]) -> str:
        """The secret of {env: NAME} or {file: PATH}; raises ValueError with the remedy."""
        (how, where), *_ = reference.items()
        if not isinstance(where, str) or not where:
            raise ValueError("must name a variable, {env: NAME}, or a file, {file: PATH}")
        secret = self._variable(where) if how == "env" else self._file(where)
        self.remember(secret)
        return secret

    def remember(self, secret: str) -> None:
        """Mask this text from now on; very short ones would mask ordinary words."""
        if len(secret) >= 4:
            self._known.add(secret)

    def mask(self, text: str) -> str:
        """The text without any secret that is known here."""
        for secret in sorted(self._known, key=len, reverse=True):
            text = text.replace(secret, MASK)
        return text

    def _variable(self, name: str) -> str:
        secret = self._environ.get(name, "")
        if not secret:
            raise ValueError(f"the environment variable {name} is not set or empty; set it before the start")
        return secret

    def _file(self, where: str) -> str:
        path = self._folder / Path(where).expanduser()
        try:
            with path.open("rb") as file:
                data = file.read(MAX_BYTES + 1)
            text = data.decode().rstrip("\r\n")
        except UnicodeDecodeError:
            raise ValueError(f"the secret file {path} is not UTF-8 text") from None
        except (OSError, ValueError) as error:  # ValueError: a NUL in the path
            why = getattr(error, "strerror", None) or "not a path"
            raise ValueError(f"the secret file {path} cannot be read ({why})") from None
        if len(data) > MAX_BYTES:
            raise ValueError(f"the secret file {path} is larger than {MAX_BYTES} bytes")
        if not text:
            raise ValueError(f"the secret file {path} is empty")
        return text
