"""HTML that agents wrote, as plain text."""

from __future__ import annotations


def plain(html: str) -> str:
    """The words of a piece of HTML, with its paragraphs and lists."""
    if not html.strip():
        return ""
    from inscriptis import get_text  # the catalogue of kinds must load no library

    return str(get_text(html)).strip()
