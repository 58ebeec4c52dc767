"""A case in words: what its PDF and its workbook tell alike, in one language. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from console.languages import translate, word
from console.story import Chapter
from console.whole import Whole
from model import record as canon

When = Callable[[datetime | None], str]
Facts = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that was said or happened."""

    at: str
    side: str
    head: str
    text: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CaseView:
    """A case as it is set."""

    language: str
    reference: str
    subject: str
    made: str
    made_at: datetime
    facts: Sequence[tuple[str, str]]
    entries: Sequence[Entry]
    files: Sequence[tuple[str, int]]
    """Names and sizes in bytes of what the customer sent along."""

    def t(self, key: str, **values: Any) -> str:
        """A text in the case's language."""
        return translate(self.language, key, **values)


def view(whole: Whole, language: str, *, choices: Facts, when: When, now: datetime) -> CaseView:
    """A record, as it was loaded for somebody, in words."""
    record = whole.record
    return CaseView(
        language=language,
        reference=record.reference or "",
        subject=record.subject or translate(language, "records.no_subject"),
        made=when(now),
        made_at=now,
        facts=[(name, text) for name, text in _facts(record, language, choices, when) if text],
        entries=[_entry(one, record, language, when) for one in whole.story],
        files=[(one.filename, one.size) for one in record.attachments],
    )


def _facts(record: canon.Record, language: str, choices: Facts, when: When) -> list[tuple[str, str]]:
    def t(key: str) -> str:
        return translate(language, key)

    def named(group: str, values: Sequence[str]) -> str:
        return ", ".join(word(language, group, one) for one in values)

    title = choices["departments"].get(record.department or "", {}).get("title", {})
    due = [f"{word(language, 'stage', name)} {when(at)}" for name, at in record.deadlines.items()]
    return [
        (t("records.state"), word(language, "state", record.state)),
        (t("record.received"), when(record.received_at)),
        (t("record.sent"), when(record.sent_at)),
        (t("record.channel"), record.channel.name),
        (t("record.contact"), record.contact.name),
        (t("record.company"), record.contact.company),
        (t("record.identities"), ", ".join(one.value for one in record.contact.identities)),
        (t("record.nature"), named("nature", record.nature)),
        (t("records.urgency"), word(language, "urgency", record.urgency)),
        (t("record.department"), title.get(language[:2]) or record.department or ""),
        (t("record.deadlines"), "; ".join(due)),
        (t("record.repeat_of"), record.repeat_of or ""),
        (t("record.in_reply_to"), record.in_reply_to or ""),
        (t("record.missing"), ", ".join(record.missing)),
        (t("record.omissions"), "; ".join(record.omissions)),
    ]


def _entry(one: Chapter, record: canon.Record, language: str, when: When) -> Entry:
    notes = []
    if one.side == "house":
        head = word(language, "purpose" if one.delivery else "event", one.what)
    elif one.side == "customer":
        head = one.who or record.contact.name or translate(language, "record.customer")
    else:
        head = word(language, "purpose", one.what)
    if one.delivery:
        notes.append(translate(language, "record.via", channel=one.who))
        if one.delivery["address"]:
            notes.append(translate(language, "record.to", address=one.delivery["address"]))
        notes.append(word(language, "delivery_state", one.delivery["state"]))
        notes += [file["filename"] for file in one.delivery["body"].get("files", ())]
    elif one.side == "house" and one.who:
        notes.append(one.who)
    text = word(language, "state", one.text) if one.side == "house" else one.text
    changed = [
        f"{word(language, 'judged', name)}: {_value(step['from'])} → {_value(step['to'])}"
        for name, step in one.changed.items()
    ]
    return Entry(when(one.at), one.side, head, text, (*notes, *changed))


def _value(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "–"
    return "–" if value is None else str(value)
