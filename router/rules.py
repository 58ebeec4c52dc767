"""The rules: compiled once, then a record's facts in and a decision out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import cel

from model.decision import Decision
from model.draft import Draft
from router.conditions import Look, Outcome
from router.expression import BadExpression, Expression, compile_expression
from router.facts import Facts, facts
from router.settings import Actions, RuleSettings, RulesSettings
from router.words import Words


class RulesError(ValueError):
    """Rules that cannot be used; `errors` has every reason, each naming its rule and field."""

    def __init__(self, errors: Sequence[str]) -> None:
        super().__init__("\n".join(errors))
        self.errors = tuple(errors)


@dataclass(frozen=True, slots=True)
class Verdict:
    """One rule's outcome, and why, in words for whoever wrote it."""

    rule: str
    outcome: Outcome
    why: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """A decision and the verdict on every rule, in order."""

    decision: Decision
    verdicts: tuple[Verdict, ...]


@dataclass(frozen=True, slots=True)
class _Rule:
    name: str
    when: Expression | None
    values: Mapping[str, Any]
    """What it sets, by the names of a decision's fields."""
    goes_on: bool


class Rules:
    """Compiled rules; safe to share, because a decision keeps its state to itself."""

    def __init__(self, rules: Sequence[_Rule], words: Mapping[str, Words], settings: RulesSettings) -> None:
        self._rules = tuple(rules)
        self._words = words
        self._default = _values(settings.default)
        self.text_limit = settings.text_limit
        """What to hand to `facts` as its limit."""
        self._fields = frozenset().union(*(rule.when.fields for rule in rules if rule.when))
        every = [*(rule.values for rule in rules), self._default]
        self.templates = frozenset(one["acknowledgement"] for one in every if one.get("acknowledgement"))
        """Names of the acknowledgement templates that a decision may name beside the standard one."""
        self.destinations = frozenset(name for one in every for name in one.get("destinations", ()))
        """Names of the destinations that a decision may name."""

    def decide(self, facts: Facts) -> Decision:
        """The decision on a record's facts.

        The first rule that matches ends the search unless it says `continue`. Lists add up, every other
        field keeps its first value, and the default fills what no rule has set. A rule whose condition
        fails on these facts counts as not matched, and stands in `Decision.rules` as `NAME:error`.
        """
        return self.explain(facts).decision

    def explain(self, facts: Facts) -> Explanation:
        """The decision with the verdict on every rule."""
        verdicts: list[Verdict] = []
        matched: list[Mapping[str, Any]] = []
        for rule, outcome, why in self._judge(facts):
            verdicts.append(Verdict(rule.name, outcome, why))
            if outcome is Outcome.MATCHED:
                matched.append(rule.values)
        names = tuple(
            one.rule if one.outcome is Outcome.MATCHED else f"{one.rule}:error"
            for one in verdicts
            if one.outcome in (Outcome.MATCHED, Outcome.ERROR)
        )
        return Explanation(_combined(matched, self._default, names), tuple(verdicts))

    def _judge(self, facts: Facts) -> Iterator[tuple[_Rule, Outcome, str]]:
        look = Look(facts, self._words)
        # Only what some condition reads is handed over: converting the texts is the dearest step.
        record = {name: facts[name] for name in self._fields}
        context = cel.Context({"record": record}, look.functions())
        last: str | None = None
        for rule in self._rules:
            if last is not None:
                yield rule, Outcome.SKIPPED, f"{last} matched before and does not continue"
                continue
            if rule.when is None:
                outcome, why = Outcome.MATCHED, "has no condition"
            else:
                outcome, why = look.evaluate(rule.when, context)
            if outcome is Outcome.MATCHED and not rule.goes_on:
                last = rule.name
            yield rule, outcome, why


def _values(actions: Actions) -> Mapping[str, Any]:
    """What the actions set, in the form of a decision's fields."""
    values: dict[str, Any] = {}
    for name in actions.model_fields_set:
        value = getattr(actions, name)
        if value is not None:
            values[name] = tuple(value) if isinstance(value, (list, tuple)) else value
    return values


def _combined(
    matched: Sequence[Mapping[str, Any]], default: Mapping[str, Any], names: tuple[str, ...]
) -> Decision:
    values: dict[str, Any] = {}
    for setting in matched:
        for name, value in setting.items():
            if isinstance(value, tuple) and name in values:
                values[name] = tuple(dict.fromkeys(values[name] + value))
            else:
                values.setdefault(name, value)
    values = {**default, **values}
    if values.get("acknowledgement") is False:
        values["acknowledgement"] = None
    return Decision(**values, rules=names)


#: An ordinary message: what every condition is tried on before it is accepted.
_SAMPLE = Draft(subject="Sample", text="A sample message.", full_text="A sample message.")


def compile_rules(settings: RulesSettings) -> Rules:
    """Compile the rules. RulesError with everything that is wrong, each line naming rule and field."""
    errors: list[str] = []
    words: dict[str, Words] = {}
    for name, listed in settings.words.items():
        try:
            words[name] = Words(listed)
        except ValueError as error:
            errors.append(f"words, {name}: {error}")
    rules: list[_Rule] = []
    seen: set[str] = set()
    for rule in settings.rules:
        where = f"rule {rule.name!r}"
        if rule.name in seen:
            errors.append(f"{where}, name: there are two of that name")
        seen.add(rule.name)
        errors += _unknown_natures(where, rule.set, settings.natures)
        try:
            expression = _expression(rule, settings)
        except BadExpression as error:
            errors += [f"{where}, when: {problem}" for problem in error.problems]
        else:
            rules.append(_Rule(rule.name, expression, _values(rule.set), rule.goes_on))
    errors += _unknown_natures("default", settings.default, settings.natures)
    if not errors:
        errors = _trial(rules, words)
    if errors:
        raise RulesError(errors)
    return Rules(rules, words, settings)


def _expression(rule: RuleSettings, settings: RulesSettings) -> Expression | None:
    if rule.when is None:
        return None
    return compile_expression(rule.when, limit=settings.expression_limit, word_lists=settings.words.keys())


def _unknown_natures(where: str, actions: Actions, known: Sequence[str]) -> list[str]:
    unknown = [nature for nature in actions.nature or () if nature not in known]
    return [f"{where}, set.nature: {one!r} is not in the list `natures`" for one in unknown]


def _trial(rules: Sequence[_Rule], words: Mapping[str, Words]) -> list[str]:
    """Conditions that cannot be right whatever the message: seen on a sample."""
    sample = facts(_SAMPLE, channel="sample", kind="form", received_at=datetime(2026, 1, 1, tzinfo=UTC))
    errors: list[str] = []
    for rule in rules:
        if rule.when is None:
            continue
        look = Look(sample, words)
        context = cel.Context({"record": sample}, look.functions())
        try:
            value = rule.when.program.execute(context)
        except (KeyError, IndexError, ZeroDivisionError):
            continue  # other messages may have what this one lacks
        except (TypeError, ValueError, RuntimeError) as error:
            errors.append(f"rule {rule.name!r}, when: fails on a sample message: {error}")
        else:
            if not isinstance(value, bool):
                errors.append(
                    f"rule {rule.name!r}, when: gives {type(value).__name__} instead of true or false"
                )
    return errors
