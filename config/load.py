"""Reads a configuration file into settings, or says everything that is wrong with it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path as FilePath
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from config import explain, references, source
from config.problems import ConfigError, Path, Problem, suggest
from config.secrets import KEYS, Resolver
from config.settings import NAME, Settings
from config.source import Source
from connectors.catalog import CATALOG as CONNECTORS
from connectors.contract import ChannelSettings, ConnectorSpec
from destinations.catalog import CATALOG as DESTINATIONS
from destinations.contract import DestinationSettings, DestinationSpec
from outbox.templates import Templates
from router.rules import Rules, RulesError, compile_rules
from router.settings import CaseSettings, CasesSettings, RulesSettings

#: Package data: what customers get where an installation has no templates of its own.
SHIPPED_TEMPLATES = FilePath(__file__).parent / "examples" / "templates"

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration that can be used."""

    settings: Settings
    path: FilePath
    rules: Rules = field(repr=False)
    """The rules of the settings, compiled."""
    templates: Templates = field(repr=False)
    """The shipped templates and, before them, the installation's own."""
    texts: Mapping[str, str] = field(repr=False)
    """The texts of its own templates, by file name; by them a change is seen."""
    cases: Sequence[CaseSettings] = ()
    """Messages and the decisions expected for them."""
    cases_source: Source | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class _Ruling:
    """The rules and the place of the file where they stand."""

    settings: RulesSettings
    source: Source
    base: Path

    def problem(self, path: Path, message: str, remedy: str = "") -> Problem:
        return self.source.problem((*self.base, *path), message, remedy)


def load(
    path: FilePath,
    *,
    connectors: Mapping[str, ConnectorSpec] = CONNECTORS,
    destinations: Mapping[str, DestinationSpec] = DESTINATIONS,
    environ: Mapping[str, str] | None = None,
) -> Loaded:
    """The settings of a file; raises ConfigError with all of its problems.

    Paths of what is read with the configuration (rules, templates, secrets, certificates) are relative to
    the file's folder; `data` is relative to the working folder.
    """
    return _Load(path, os.environ if environ is None else environ).run(connectors, destinations)


class _Load:
    """One reading of one file: gathers problems until nothing more can be said."""

    def __init__(self, path: FilePath, environ: Mapping[str, str]) -> None:
        self.path = path
        self.environ = environ
        self.secrets = Resolver(path.parent, environ)
        self.problems: list[Problem] = []

    def run(
        self, connectors: Mapping[str, ConnectorSpec], destinations: Mapping[str, DestinationSpec]
    ) -> Loaded:
        main = self.read(self.path)
        if main is None:
            raise ConfigError(self.problems)
        if not isinstance(main.value, dict):
            raise ConfigError([main.problem((), "must be a mapping of keys to values")])
        rules = self.rules(main)
        value = {
            **main.value,
            **self.named(main, "channels", {k: spec.settings for k, spec in connectors.items()}),
            **self.named(main, "destinations", {k: spec.settings for k, spec in destinations.items()}),
            "rules": rules.settings,
        }
        settings = self.settings(main, value)
        needed = references.extras(settings, connectors, destinations)
        for broken in (*references.check(settings, main.value), *needed):
            self.problems.append(main.problem(broken.path, broken.message, broken.remedy))
        templates, texts = self.templates(main, settings.templates)
        for broken in references.check_rules(rules.settings, main.value, templates.names):
            self.problems.append(rules.problem(broken.path, broken.message, broken.remedy))
        compiled = self.compile(rules)
        cases, cases_source = self.cases(settings)
        if self.problems or compiled is None:
            raise ConfigError(self._once())
        return Loaded(settings, self.path, compiled, templates, texts, cases, cases_source)

    def read(self, path: FilePath) -> Source | None:
        """A file with its placeholders filled in, or None when it cannot be parsed."""
        try:
            found = source.read(path, self.environ)
        except ConfigError as error:
            self.problems += error.problems
            return None
        self.problems += found.problems
        self._remember(found.value)
        return found

    def validate(self, model: type[Model], value: Any, where: Source, base: Path) -> Model | None:
        """The model of a value, or None with its problems noted."""
        context = {"secrets": self.secrets, "folder": self.path.parent}
        try:
            return model.model_validate(value, context=context)
        except ValidationError as error:
            self.problems += explain.problems(error, where, base, lambda: _schema(model), self.secrets)
            return None

    def rules(self, main: Source) -> _Ruling:
        """The rules, inline or from their file; none where they are faulty."""
        value = main.value.get("rules", {})
        if not isinstance(value, dict) or "file" not in value:
            found = self.validate(RulesSettings, value, main, ("rules",) if "rules" in main.value else ())
            return _Ruling(found or RulesSettings(), main, ("rules",))
        for key in value.keys() - {"file"}:
            self.problems.append(
                main.problem(("rules", key), "cannot stand beside `file`", "move it to the file", at_key=True)
            )
        if not isinstance(value["file"], str) or not value["file"]:
            self.problems.append(main.problem(("rules", "file"), "must be the path of a file"))
            return _Ruling(RulesSettings(), main, ("rules",))
        other = self.read(self.path.parent / FilePath(value["file"]).expanduser())
        if other is None:
            return _Ruling(RulesSettings(), main, ("rules",))
        return _Ruling(self.validate(RulesSettings, other.value, other, ()) or RulesSettings(), other, ())

    def compile(self, rules: _Ruling) -> Rules | None:
        """The rules ready for use, or None with what is wrong with them noted."""
        try:
            return compile_rules(rules.settings)
        except RulesError as error:
            self.problems += [
                rules.problem(one.path, f"{one.subject}: {one.message}") for one in error.problems
            ]
            return None

    def cases(self, settings: Settings) -> tuple[Sequence[CaseSettings], Source | None]:
        """The rule cases and where they stand."""
        found = self.read(settings.rule_cases) if settings.rule_cases else None
        if found is None:
            return (), None
        cases = self.validate(CasesSettings, found.value, found, ())
        return (cases.cases if cases else ()), found

    def named(
        self, main: Source, key: str, kinds: Mapping[str, type[ChannelSettings] | type[DestinationSettings]]
    ) -> dict[str, Any]:
        """Each channel or destination read by the settings of its kind; faulty ones are left out."""
        value = main.value.get(key)
        if not isinstance(value, dict):
            return {} if key not in main.value else {key: value}
        found: dict[str, Any] = {}
        for name, one in value.items():
            if not re.fullmatch(NAME, name):
                advice = "a name is of a-z, 0-9, - and _, begins with a letter, and is no longer than 32"
                self.problems.append(main.problem((key, name), "is not a name", advice, at_key=True))
                continue
            kind = one.get("kind") if isinstance(one, dict) else None
            if isinstance(one, dict) and isinstance(kind, str) and kind in kinds:
                model = self.validate(kinds[kind], one, main, (key, name))
                if model is not None:
                    found[name] = model
            elif not isinstance(one, dict):
                self.problems.append(main.problem((key, name), "must be a mapping"))
            elif kind is None:
                offer = suggest("", kinds)
                self.problems.append(main.problem((key, name, "kind"), "is missing", offer))
            else:
                offer = suggest(str(kind), kinds)
                self.problems.append(main.problem((key, name, "kind"), "is not a kind", offer))
        return {key: found}

    def settings(self, main: Source, value: dict[str, Any]) -> Settings:
        """The whole; when parts of it are faulty, what can be read without them, so that the checks go on."""
        context = {"secrets": self.secrets, "folder": self.path.parent}
        try:
            return Settings.model_validate(value, context=context)
        except ValidationError as error:
            self.problems += explain.problems(error, main, (), lambda: _schema(Settings), self.secrets)
            bad = {item["loc"][0] for item in error.errors(include_input=False, include_url=False)}
        return Settings.model_validate({k: v for k, v in value.items() if k not in bad}, context=context)

    def templates(self, main: Source, own: FilePath | None) -> tuple[Templates, Mapping[str, str]]:
        """The shipped templates and before them the installation's own, tried out; and the texts of the latter."""
        templates = Templates([SHIPPED_TEMPLATES, *([own] if own else [])])
        for failure in templates.check():
            self.problems.append(main.problem(("templates",), failure))
        texts = sorted(path for form in ("*.txt", "*.html") for path in (own.glob(form) if own else ()))
        return templates, {path.name: path.read_text(encoding="utf-8", errors="replace") for path in texts}

    def _remember(self, value: Any, key: str = "") -> None:
        """Have texts under keys that sound secret masked in whatever is said later."""
        if isinstance(value, dict):
            for name, one in value.items():
                self._remember(one, name)
        elif isinstance(value, list):
            for one in value:
                self._remember(one, key)
        elif isinstance(value, str) and KEYS.search(key):
            self.secrets.remember(value)

    def _once(self) -> list[Problem]:
        """One problem a place: a placeholder that failed explains why its value is missing."""
        first: dict[tuple[str, str], Problem] = {}
        for problem in self.problems:
            first.setdefault((problem.file, problem.key or str(problem)), problem)
        return list(first.values())


@cache
def _schema(model: type[BaseModel]) -> Mapping[str, Any]:
    return model.model_json_schema()
