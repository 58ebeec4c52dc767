"""What other servers say about a mail: authentication (RFC 8601) and spam. It is held for a look, never dropped."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from normalizer.mime import Entity

#: Why a person should look first; the desk has words for each.
DOUBTS = (
    SPAM := "marked as spam",
    INFECTED := "marked as infected",
    DMARC := "DMARC failed",
    STRANGER := "its sender could not be authenticated",
)
_SERVER = re.compile(r"^\s*(?:\([^()]{0,200}\)\s*)?([^\s;]{1,255})")
_DMARC = re.compile(r"\bdmarc\s*=\s*fail\b", re.I)
_COMPOSITE = re.compile(r"\bcompauth\s*=\s*fail\b", re.I)
#: Fields of spam filters, and what they hold when the filter is sure.
_FILTERS: Mapping[str, re.Pattern[str]] = {
    "x-spam-flag": re.compile(r"^yes", re.I),
    "x-spam-status": re.compile(r"^yes", re.I),
    "x-spam": re.compile(r"^(?:yes|true)", re.I),
    "x-barracuda-spam-flag": re.compile(r"^yes", re.I),
    "x-barracuda-spam-status": re.compile(r"^yes", re.I),
    "x-bogosity": re.compile(r"^(?:yes|spam)", re.I),
    "x-mailscanner-spamcheck": re.compile(r"^spam\b", re.I),
    "x-rspamd-action": re.compile(r"^(?:reject|add header|rewrite subject)", re.I),
    # Exchange: five and more is spam; the report names why a mail went to the junk folder.
    "x-ms-exchange-organization-scl": re.compile(r"^[5-9]$"),
    "x-forefront-antispam-report": re.compile(r"\bSFV:(?:SPM|SKB|SKS)\b"),
}
_INFECTED = re.compile(r"^(?:yes|infected)", re.I)


def suspicious(mail: Entity, trusted: Collection[str]) -> str | None:
    """Why a person should look first, or None.

    `trusted` are the names under which our own servers write Authentication-Results. Without any, the topmost
    field counts: those below it came with the mail.
    """
    if any(mail.has(name) and sign.search(mail.header(name)) for name, sign in _FILTERS.items()):
        return SPAM
    if _INFECTED.match(mail.header("x-virus-status")):
        return INFECTED
    for result in _results(mail, {name.lower() for name in trusted}):
        if _DMARC.search(result):
            return DMARC
        if _COMPOSITE.search(result):
            return STRANGER
    return None


def _results(mail: Entity, trusted: Collection[str]) -> list[str]:
    found = mail.all("authentication-results")
    if not trusted:
        return found[:1]
    return [one for one in found if (name := _SERVER.match(one)) and name[1].lower() in trusted]
