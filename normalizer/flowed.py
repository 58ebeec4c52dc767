"""Text in format=flowed put back into paragraphs (RFC 3676)."""

from __future__ import annotations

import re

QUOTE = re.compile(r"^(>+)")


def unflow(text: str, delsp: bool = False) -> str:
    """Join the lines that a flowing client broke; `delsp` as the parameter DelSp=yes says (§4.1)."""
    paragraphs: list[tuple[int, str]] = []
    open_depth: int | None = None
    for line in text.replace("\r\n", "\n").split("\n"):
        match = QUOTE.match(line)
        depth = len(match[1]) if match else 0
        content = line[depth:]
        if content.startswith(" "):
            content = content[1:]  # space-stuffing, §4.4
        signature = content == "-- "
        flows = content.endswith(" ") and not signature
        piece = content[:-1] if flows and delsp else content
        if open_depth == depth and not signature:
            paragraphs[-1] = (depth, paragraphs[-1][1] + piece)
        else:
            paragraphs.append((depth, piece))
        open_depth = depth if flows else None
    return "\n".join(">" * depth + (" " if depth else "") + content for depth, content in paragraphs)
