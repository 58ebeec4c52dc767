"""The rules: compiled once, then a record's facts in and a decision out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from model.decision import Decision, Reason
from model.draft import Draft
from router.cel_library import cel
from router.conditions import Look, Outcome
from router.expression import BadExpression, Expression, compile_expression
from router.facts import Facts, facts
from router.settings import Actions, RuleSettings, RulesSettings
from router.words import Words


@dataclass(frozen=True, slots=True)
class RuleProblem:
    """Something wrong with the rules; `path` leads to its place in `RulesSettings`."""

    path: tuple[str | int, ...]
    subject: str
    """What it is about: a rule by name, the default, a list of words."""
    message: str

    def __str__(self) -> str:
        fields = ".".join(str(one) for one in self.path[2 if self.path[0] == "rules" else 1 :])
        return f"{self.subject}, {fields}: {self.message}"


class RulesError(ValueError):
    """Rules that cannot be used; `problems` has every reason."""

    def __init__(self, problems: Sequence[RuleProblem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = tuple(problems)


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


#: One rule, what became of it, why, and the words that it found.
_Judged = tuple[_Rule, Outcome, str, tuple[str, ...]]

#: What the first judgement is made of, as people see and overrule it.
_JUDGED = ("in_scope", "nature", "urgency", "department", "missing")


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
        return self._decision(self._judge(facts))

    def explain(self, facts: Facts) -> Explanation:
        """The decision with the verdict on every rule."""
        judged = list(self._judge(facts))
        verdicts = tuple(Verdict(rule.name, outcome, why) for rule, outcome, why, _ in judged)
        return Explanation(self._decision(judged), verdicts)

    def _decision(self, judged: Iterable[_Judged]) -> Decision:
        names: list[str] = []
        matched: list[tuple[str, Mapping[str, Any], tuple[str, ...]]] = []
        for rule, outcome, _, found in judged:
            if outcome is Outcome.MATCHED:
                names.append(rule.name)
                matched.append((rule.name, rule.values, found))
            elif outcome is Outcome.ERROR:
                names.append(f"{rule.name}:error")
        reasons = tuple(_reasons(matched, self._default))
        return _combined([values for _, values, _ in matched], self._default, tuple(names), reasons)

    def _judge(self, facts: Facts) -> Iterator[_Judged]:
        look = Look(facts, self._words)
        # Only what some condition reads is handed over: converting the texts is the dearest step.
        record = {name: facts[name] for name in self._fields}
        context = cel.Context({"record": record}, look.functions())
        last: str | None = None
        for rule in self._rules:
            if last is not None:
                yield rule, Outcome.SKIPPED, f"{last} matched before and does not continue", ()
                continue
            found: tuple[str, ...] = ()
            if rule.when is None:
                outcome, why = Outcome.MATCHED, "has no condition"
            else:
                outcome, why = look.evaluate(rule.when, context)
                found = look.found
            if outcome is Outcome.MATCHED and not rule.goes_on:
                last = rule.name
            yield rule, outcome, why, found


def _values(actions: Actions) -> Mapping[str, Any]:
    """What the actions set, in the form of a decision's fields."""
    values: dict[str, Any] = {}
    for name in actions.model_fields_set:
        value = getattr(actions, name)
        if value is not None:
            values[name] = tuple(value) if isinstance(value, (list, tuple)) else value
    return values


def _reasons(
    matched: Iterable[tuple[str, Mapping[str, Any], tuple[str, ...]]], default: Mapping[str, Any]
) -> Iterator[Reason]:
    """Which rules a field is as it is because of: of a list all that add to it, else the first."""
    settled: set[str] = set()
    for name, values, found in matched:
        sets = {field: values[field] for field in _JUDGED if field in values}
        sets = {
            field: value for field, value in sets.items() if isinstance(value, tuple) or field not in settled
        }
        settled |= sets.keys()
        if sets:
            yield Reason(name, _as_json(sets), found)
    left = {field: default[field] for field in _JUDGED if field in default and field not in settled}
    if left:
        yield Reason("", _as_json(left))


def _as_json(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}


def _combined(
    matched: Sequence[Mapping[str, Any]],
    default: Mapping[str, Any],
    names: tuple[str, ...],
    reasons: tuple[Reason, ...],
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
    return Decision(**values, rules=names, reasons=reasons)


#: An ordinary message: what every condition is tried on before it is accepted.
_SAMPLE = Draft(subject="Sample", text="A sample message.", full_text="A sample message.")


def compile_rules(settings: RulesSettings) -> Rules:
    """Compile the rules. RulesError with everything that is wrong, each problem naming rule and field."""
    problems: list[RuleProblem] = []
    words: dict[str, Words] = {}
    for name, listed in settings.words.items():
        try:
            words[name] = Words(listed)
        except ValueError as error:
            problems.append(RuleProblem(("words", name), "list of words", str(error)))
    rules: list[_Rule] = []
    for at, rule in enumerate(settings.rules):
        problems += _problems(at, rule, settings)
        if rule.when is None:
            rules.append(_Rule(rule.name, None, _values(rule.set), rule.goes_on))
            continue
        try:
            when = compile_expression(
                rule.when, limit=settings.expression_limit, word_lists=settings.words.keys()
            )
        except BadExpression as error:
            problems += [_about(at, rule, "when", problem) for problem in error.problems]
            continue
        rules.append(_Rule(rule.name, when, _values(rule.set), rule.goes_on))
        if not problems and (problem := _trial(when, words)):
            problems.append(_about(at, rule, "when", problem))
    problems += [
        RuleProblem(("default", "nature"), "default", problem)
        for problem in _unknown(settings.default.nature, settings.natures)
    ]
    if problems:
        raise RulesError(problems)
    return Rules(rules, words, settings)


def _about(at: int, rule: RuleSettings, field: str, message: str) -> RuleProblem:
    return RuleProblem(("rules", at, *field.split(".")), f"rule {rule.name!r}", message)


def _problems(at: int, rule: RuleSettings, settings: RulesSettings) -> Iterator[RuleProblem]:
    if rule.name in (other.name for other in settings.rules[:at]):
        yield _about(at, rule, "name", "is the name of an earlier rule too: each needs its own")
    for problem in _unknown(rule.set.nature, settings.natures):
        yield _about(at, rule, "set.nature", problem)


def _unknown(natures: Sequence[str] | None, known: Sequence[str]) -> list[str]:
    return [f"{nature!r} is not in the list `natures`" for nature in natures or () if nature not in known]


def _trial(when: Expression, words: Mapping[str, Words]) -> str | None:
    """Why a condition cannot be right whatever the message, as far as an ordinary one shows it."""
    sample = facts(_SAMPLE, channel="sample", kind="form", received_at=datetime(2026, 1, 1, tzinfo=UTC))
    context = cel.Context({"record": sample}, Look(sample, words).functions())
    try:
        value = when.program.execute(context)
    except (KeyError, IndexError, ArithmeticError):
        return None  # other messages may have what this one lacks
    except (TypeError, ValueError, RuntimeError) as error:
        return f"fails on a sample message: {error}"
    if not isinstance(value, bool):
        return f"gives {type(value).__name__} instead of true or false"
    return None
