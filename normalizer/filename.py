"""File names from strangers, made safe to show, to save and to put into a header."""

from __future__ import annotations

import re

from normalizer import text

#: Octets that every file system of ours takes, with room for what a download adds.
LONGEST = 200
#: Signs that end a name or mean something to a shell, a file system or a header, and the marks that
#: make `gpj.exe` look like `exe.jpg` (Unicode bidirectional controls).
_UNSAFE = re.compile('[<>:"|?*\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]')


def safe(name: str, default: str = "file") -> str:
    """The last component of a path as plain text: no folders, no controls, not hidden, at most 200 octets.

    The ending is kept when the name is cut. A name of which nothing is left becomes `default`.
    """
    base = re.split(r"[/\\]", name)[-1]
    base = _UNSAFE.sub("", text.one_line(base, 1_000)).strip(" .")
    if len(base.encode()) > LONGEST:
        stem, dot, ending = base.rpartition(".")
        if not dot or len(ending.encode()) > 20:
            stem, dot, ending = base, "", ""
        room = LONGEST - len((dot + ending).encode())
        base = stem.encode()[:room].decode("utf-8", "ignore").rstrip(" .") + dot + ending
    return base or default
