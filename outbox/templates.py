"""Templates of what goes out on its own: found in folders, overridden, and rendered in a language."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from outbox.sandbox import HTML, PLAIN, Part, TemplateFailure, compile_part

#: Values that every template gets, with samples by which `check` tries it out.
SAMPLE: Mapping[str, Any] = {
    "reference": "FB-261122-7K3FQ",
    "status_url": "https://feedback.example/s/abc",
    "name": "李伟",
    "subject": "Sample",
    "channel": "form",
    "urgency": "normal",
    "in_scope": True,
    "missing": ("contact", "content"),
    "reason": "We wait for a spare part.",
    "due": "2026-12-01",
    "question_url": "https://feedback.example/q/abc",
    "digits": True,
}
#: What templates get where a message has nothing of the kind: only notices of the office's work have more.
NOTHING: Mapping[str, Any] = {"reason": "", "due": "", "question_url": "", "digits": False}
#: Characters of a subject.
MAX_SUBJECT = 200

_FILE = re.compile(
    r"(?P<name>[a-z][a-z0-9_-]*)\.(?P<language>[A-Za-z]{2,3}(?:-[A-Za-z0-9]+)*)\.(?P<form>txt|html)"
)
_BLANK = re.compile(r"\n{3,}")
_UNSEEN = re.compile(r"[\s\x00-\x1f\x7f-\x9f]+")


@dataclass(frozen=True, slots=True)
class Rendered:
    """A message as a template made it; the subject is one line."""

    subject: str
    text: str
    html: str | None
    language: str


@dataclass(frozen=True, slots=True)
class _Entry:
    """A template in one language."""

    subject: Part
    text: Part
    html: Part | None = None


class Templates:
    """The templates of some folders, `NAME.LANGUAGE.txt` and, where wanted, `.html`; later folders go first.

    The text file begins with a line `subject: …` and an empty line. Everything is read and compiled here;
    a template that is wrong is told by `check` and fails only when it is asked for.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        self._entries: dict[str, dict[str, _Entry | TemplateFailure]] = {}
        self._strays: list[TemplateFailure] = []
        for folder in folders:
            self._read(folder)

    @property
    def names(self) -> frozenset[str]:
        """Names of the templates there are, in whatever language."""
        return frozenset(self._entries)

    def render(self, name: str, language: str | None, values: Mapping[str, Any]) -> Rendered:
        """A template with its values, in the nearest language there is: zh-TW takes zh-CN, unknown ones en.

        Raises TemplateFailure.
        """
        languages = self._entries.get(name)
        if not languages:
            raise TemplateFailure(name, 0, "there is no template of this name")
        chosen = _nearest(language, languages)
        entry = languages[chosen]
        if isinstance(entry, TemplateFailure):
            raise entry
        subject = _UNSEEN.sub(" ", entry.subject.render(values)).strip()[:MAX_SUBJECT]
        text = _BLANK.sub("\n\n", entry.text.render(values)).strip() + "\n"
        return Rendered(subject, text, entry.html.render(values) if entry.html else None, chosen)

    def check(self) -> list[str]:
        """What is wrong with the templates, a line each; every one is rendered with and without its values."""
        failures = list(self._strays)
        for name, languages in sorted(self._entries.items()):
            for language in sorted(languages):
                try:
                    self._try(name, language)
                except TemplateFailure as failure:
                    failures.append(failure)
        return [str(failure) for failure in failures]

    def _try(self, name: str, language: str) -> None:
        entry = self._entries[name][language]
        if isinstance(entry, TemplateFailure):
            raise entry
        parts = [part for part in (entry.subject, entry.text, entry.html) if part is not None]
        for part in parts:
            for value, line in part.reads.items():
                if value not in SAMPLE:  # it may stand where the samples do not lead
                    raise TemplateFailure(part.file, line, f"{value!r} is undefined")
        bare: dict[str, Any] = {key: "" if isinstance(value, str) else () for key, value in SAMPLE.items()}
        bare |= {"reference": SAMPLE["reference"], "in_scope": False}
        for values in (SAMPLE, bare):
            self.render(name, language, values)

    def _read(self, folder: Path) -> None:
        for path in sorted(folder.glob("*.*"), key=lambda one: (one.suffix != ".txt", one.name)):
            match = _FILE.fullmatch(path.name)
            if match is None:
                if path.suffix in (".txt", ".html"):
                    self._strays.append(
                        TemplateFailure(path.name, 0, "is not named NAME.LANGUAGE.txt or .html")
                    )
                continue
            languages = self._entries.setdefault(match["name"], {})
            try:
                source = path.read_bytes().decode()
                if match["form"] == "txt":
                    languages[match["language"]] = _entry(path.name, source)
                else:
                    languages[match["language"]] = _with_html(path, languages.get(match["language"]), source)
            except UnicodeDecodeError:
                languages[match["language"]] = TemplateFailure(path.name, 0, "is not UTF-8")
            except TemplateFailure as failure:
                languages[match["language"]] = failure


def _nearest(language: str | None, there: Mapping[str, object]) -> str:
    tag = language or ""
    primary = tag.partition("-")[0].lower()
    for wanted in (tag, primary, "zh-CN" if primary == "zh" else "en", "en"):
        if wanted in there:
            return wanted
    return min(there)


def _entry(file: str, source: str) -> _Entry:
    head, _, body = source.replace("\r\n", "\n").partition("\n")
    key, colon, subject = head.partition(":")
    if key.strip().lower() != "subject" or not colon or not subject.strip():
        raise TemplateFailure(file, 1, "must begin with a line `subject: …`")
    if body and not body.startswith("\n"):
        raise TemplateFailure(file, 2, "must be empty, between the subject and the text")
    return _Entry(compile_part(PLAIN, file, subject.strip(), 0), compile_part(PLAIN, file, body[1:], 2))


def _with_html(path: Path, entry: _Entry | TemplateFailure | None, source: str) -> _Entry | TemplateFailure:
    """The entry with its HTML; a folder that brings HTML brings the text that it goes with."""
    if not path.with_suffix(".txt").exists():
        raise TemplateFailure(path.name, 0, f"has no {path.with_suffix('.txt').name} beside it")
    if not isinstance(entry, _Entry):
        return entry or TemplateFailure(path.name, 0, "has no text")
    return replace(entry, html=compile_part(HTML, path.name, source, 0))
