"""Texts of the settings with {reference}, {subject}, {text} and {name} in them, filled in from a message."""

from __future__ import annotations

import re

from model.delivery import Message

_PLACE = re.compile(r"\{(reference|subject|text|name)\}")
_SPACES = re.compile(r"\s+")


def fill(pattern: str, message: Message, longest: int) -> str:
    """The text on one line, at most so many characters long; an empty one is a dash, since values must not be."""
    found = {
        "reference": message.reference,
        "subject": message.subject,
        "text": message.text,
        "name": message.name,
    }
    text = _SPACES.sub(" ", _PLACE.sub(lambda place: found[place[1]], pattern)).strip() or "-"
    return text if len(text) <= longest else text[: longest - 1].rstrip() + "…"
