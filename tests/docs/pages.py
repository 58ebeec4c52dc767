"""The pages of the documentation, as tests read them."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"

_FENCE = re.compile(r"^```(\w*)([^\n]*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: its language, what else stands on its first line, and what is in it."""

    language: str
    title: str
    text: str


def blocks(page: str) -> list[Block]:
    """The fenced blocks of a page, in order."""
    return [Block(language, title.strip(), text) for language, title, text in _FENCE.findall(page)]


def without_blocks(page: str) -> str:
    """The prose of a page."""
    return _FENCE.sub("", page)


@cache
def tracked() -> tuple[str, ...]:
    """The files under version control, and those about to come there."""
    done = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    )
    return tuple(sorted({name for name in done.stdout.split("\0") if name and (ROOT / name).is_file()}))
