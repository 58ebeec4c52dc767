"""Checks a configuration as a whole: settings, rules, templates, and the rule cases tried on the rules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from config.load import Loaded, load
from config.problems import ConfigError, Problem
from connectors.catalog import CATALOG as CONNECTORS
from connectors.contract import ConnectorSpec
from destinations.catalog import CATALOG as DESTINATIONS
from destinations.contract import DestinationSpec
from router import cases


@dataclass(frozen=True, slots=True)
class Report:
    """What a check found. Without problems there is a configuration that can be used."""

    problems: tuple[Problem, ...]
    loaded: Loaded | None = None
    cases: int = 0
    """Rule cases that were tried."""

    @property
    def ok(self) -> bool:
        return not self.problems


def check(
    path: Path,
    *,
    connectors: Mapping[str, ConnectorSpec] = CONNECTORS,
    destinations: Mapping[str, DestinationSpec] = DESTINATIONS,
    environ: Mapping[str, str] | None = None,
) -> Report:
    """Everything that is wrong with a configuration; nothing is opened, bound or sent."""
    try:
        loaded = load(path, connectors=connectors, destinations=destinations, environ=environ)
    except ConfigError as error:
        return Report(error.problems)
    return Report(tuple(_failed_cases(loaded)), loaded, len(loaded.cases))


def _failed_cases(loaded: Loaded) -> Iterator[Problem]:
    if loaded.cases_source is None:
        return
    for n, result in enumerate(cases.run(loaded.cases, loaded.rules)):
        if not result.passed:
            message = f'the case "{result.name}" fails: {"; ".join(result.differences)}'
            rules = f"rules that took part: {', '.join(result.rules) or 'none'}"
            yield loaded.cases_source.problem(("cases", n), message, rules)
