"""What answering machines do to a subject: prefixes and tags that grow with every round. Pure."""

from __future__ import annotations

import re

#: What programs and robots put before a subject, in the languages met most, and the tags of ticket systems.
_PREFIX = re.compile(
    r"\s*(?:(?:re|aw|sv|vs|antw|rif|ref|res|odp|ynt|fwd?|wg|tr|回复|回覆|答复|答覆|转发|轉寄)\s*(?:\[\d{1,4}\]|\(\d{1,4}\))?\s*[:：]"
    r"|auto(?:matic|mated|matische)?[\s_-]{0,3}(?:reply|response|responder|antwort|answer)\s*[:：]"
    r"|(?:out of (?:the )?office|abwesenheitsnotiz|réponse automatique|respuesta automática)\s*[:：]"
    r"|自动(?:回复|答复)\s*[:：]|自動(?:回覆|返信)\s*[:：]"
    r"|[\[【(][^\]】)\s]{2,40}[\]】)])",
    re.IGNORECASE,
)
#: Characters of a subject that are looked at.
_LOOKED_AT = 600


def stacked(subject: str) -> tuple[int, str]:
    """How many prefixes and tags stand before a subject, a repeated `Re:` counted once, and what is left of it."""
    rest, n, last = subject[:_LOOKED_AT], 0, ""
    while (found := _PREFIX.match(rest)) is not None:
        said = found[0].strip().casefold()
        n += said != last
        last, rest = said, rest[found.end() :]
    return n, " ".join(rest.split()).casefold()


def matter(subject: str) -> str:
    """What a subject is about: the same for a mail, its answers, and their answers; "" when it says nothing."""
    return stacked(subject)[1]
