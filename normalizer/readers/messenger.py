"""Reads one event of a Facebook page."""

from __future__ import annotations

from model.draft import Draft
from normalizer import meta_pages
from normalizer.contract import Source


def read(source: Source) -> Draft:
    """An event as a draft. A comment's author has another number than the same person in Messenger."""
    return meta_pages.read(source, "psid", "facebook")
