"""Reads one event of an Instagram account."""

from __future__ import annotations

from model.draft import Draft
from normalizer import meta_pages
from normalizer.contract import Source


def read(source: Source) -> Draft:
    """An event as a draft. Messages and comments know a person by the same number."""
    return meta_pages.read(source, "igsid", "igsid")
