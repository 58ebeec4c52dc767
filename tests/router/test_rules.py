"""Rules decide in their order, explain themselves, and survive what they cannot evaluate."""

from __future__ import annotations

import time
from typing import Any

import pytest
from pydantic import ValidationError

from model.decision import Decision, Reason, Urgency
from router.rules import Outcome
from router.settings import RulesSettings
from tests.router.house import compiled, seen, settings


def rule(name: str, when: str | None = None, goes_on: bool = False, **set_: Any) -> dict[str, Any]:
    return {"name": name, "set": set_, "continue": goes_on} | ({} if when is None else {"when": when})


def test_the_first_match_ends_the_search() -> None:
    rules = compiled(
        rule("no", 'record.subject == "x"', department="a"),
        rule("yes", 'record.domain == "example.com"', department="b"),
        rule("later", department="c"),
    )
    decision = rules.decide(seen("hello"))
    assert (decision.department, decision.rules) == ("b", ("yes",))


def test_after_continue_lists_add_up_and_first_values_stay() -> None:
    rules = compiled(
        rule("one", goes_on=True, nature=["complaint"], urgency="urgent", destinations=["crm"]),
        rule("two", goes_on=True, nature=["product", "complaint"], urgency="important", department="product"),
        rule("three", department="service", destinations=["crm", "archive"], missing=["contact"]),
        default={"nature": ["other"], "department": "front", "hold": "look", "in_scope": False},
    )
    assert rules.decide(seen()) == Decision(
        nature=("complaint", "product"),
        urgency=Urgency.URGENT,
        department="product",
        destinations=("crm", "archive"),
        missing=("contact",),
        hold="look",
        in_scope=False,
        rules=("one", "two", "three"),
    )


def test_a_decision_says_which_rule_set_what_and_by_which_words() -> None:
    rules = compiled(
        rule("fire", 'has_any(record.text, ["起火", "on fire"])', goes_on=True, urgency="urgent"),
        rule("grief", goes_on=True, urgency="important", nature=["complaint"]),
        rule("lamp", 'has_any(record.text, ["lamp"])', nature=["product"]),
        default={"nature": ["other"], "department": "front", "urgency": "normal"},
    )
    assert rules.decide(seen("the lamp 起火了")).reasons == (
        Reason("fire", {"urgency": "urgent"}, ("起火",)),
        Reason("grief", {"nature": ["complaint"]}),
        Reason("lamp", {"nature": ["product"]}, ("lamp",)),
        Reason("", {"department": "front"}),
    )


def test_the_default_fills_what_no_rule_has_set() -> None:
    rules = compiled(default={"nature": ["other"], "urgency": "important", "acknowledgement": "thanks"})
    decision = rules.decide(seen())
    assert (decision.nature, decision.urgency, decision.acknowledgement) == (
        ("other",),
        "important",
        "thanks",
    )
    assert (decision.rules, decision.in_scope, decision.deadlines) == ((), True, {})


def test_false_means_no_acknowledgement_and_beats_the_default() -> None:
    rules = compiled(rule("quiet", acknowledgement=False), default={"acknowledgement": "thanks"})
    assert rules.decide(seen()).acknowledgement is None


def test_a_condition_that_fails_counts_as_not_matched_and_is_told() -> None:
    rules = compiled(
        rule("gold", 'record.extra.plan == "gold"', department="a"),
        rule("odd", 'record.text == "" || 10 / size(record.subject) > 1', department="b"),
        rule("rest", department="c"),
    )
    decision = rules.decide(seen("hello"))
    assert (decision.department, decision.rules) == ("c", ("gold:error", "odd:error", "rest"))
    verdicts = rules.explain(seen("hello")).verdicts
    assert [one.outcome for one in verdicts] == [Outcome.ERROR, Outcome.ERROR, Outcome.MATCHED]
    assert "has(record.extra.NAME)" in verdicts[0].why
    assert rules.decide(seen("hello", extra={"plan": "gold"})).department == "a"


@pytest.mark.parametrize(
    "when",
    [
        "record.length * 9223372036854775807 > 0",
        "record.length % (record.length - 5) == 0",
        'record.identities[record.length].kind == ""',
        "int(double(record.length) * 1e300) > 0",
        '{"a": 1}[record.text] == 1',
    ],
)
def test_no_arithmetic_and_no_index_stops_a_decision(when: str) -> None:
    rules = compiled(rule("odd", when), rule("rest", department="c"))
    assert rules.decide(seen("hello")).rules == ("odd:error", "rest")


def test_an_error_never_says_the_customers_text() -> None:
    rules = compiled(rule("number", 'record.text.startsWith("no") && int(record.text) > 1'))
    verdict = rules.explain(seen("no secret of mine")).verdicts[0]
    assert verdict.outcome is Outcome.ERROR
    assert "secret" not in verdict.why


def test_an_explanation_tells_of_every_rule() -> None:
    rules = compiled(
        rule("bounce", "record.bounce"),
        rule("words", 'mentions("grief")', goes_on=True, nature=["complaint"]),
        rule("any", 'has_any(record.name, ["李", "王"])'),
        rule("never reached"),
        words={"grief": ["投诉", "refund*"]},
    )
    explanation = rules.explain(seen("We want REFUNDS", name="李伟"))
    assert [(one.rule, one.outcome.value) for one in explanation.verdicts] == [
        ("bounce", "not matched"),
        ("words", "matched"),
        ("any", "matched"),
        ("never reached", "skipped"),
    ]
    assert [one.why for one in explanation.verdicts][1:] == [
        "found 'refund'",
        "found '李'",
        "any matched before and does not continue",
    ]
    assert explanation.decision == rules.decide(seen("We want REFUNDS", name="李伟"))


def test_the_subject_is_mentioned_too_and_quotes_are_not() -> None:
    rules = compiled(rule("r", 'mentions("w")'), words={"w": ["refund"]})
    assert rules.decide(seen("", subject="Refund?")).rules == ("r",)
    quoted = {**seen("thanks"), "full_text": "thanks\n> refund"}
    assert rules.decide(quoted).rules == ()


@pytest.mark.parametrize(
    ("when", "text", "matches"),
    [
        ('record.attachments.exists(a, a.filename.endsWith(".exe"))', "", False),
        ('record.identities.exists(i, i.kind == "email")', "", True),
        ('"email" in record.identities.map(i, i.kind)', "", True),
        ('record.text.matches("\\\\b\\\\d{11}\\\\b")', "call 13800138000 now", True),
        ("record.text.matches(r'^\\d+$')", "abc", False),
        ("timestamp(record.received_at).getHours() == 0", "", True),
        ('record.channel.kind == "form" && record.channel.name in ["web", "app"]', "", True),
        ("has(record.extra.plan)", "", False),
        ('!has_any(record.full_text, ["(", ")"]) // a comment, with ( in it', "x", True),
    ],
)
def test_conditions_of_many_sorts(when: str, text: str, matches: bool) -> None:
    assert bool(compiled(rule("r", when)).decide(seen(text)).rules) is matches


def test_rules_tell_which_templates_and_destinations_they_name() -> None:
    rules = compiled(
        rule("a", acknowledgement="urgent_note", destinations=["crm"]),
        rule("b", acknowledgement=False),
        default={"destinations": ["archive"]},
    )
    assert (rules.templates, rules.destinations) == ({"urgent_note"}, {"crm", "archive"})


def test_ten_rules_over_an_ordinary_message_cost_little() -> None:
    words = {"grief": ["投诉", "退款", "赔偿", "refund*", "complain*"]}
    rules = compiled(
        *(rule(f"r{n}", f'mentions("grief") && record.length > {n * 10_000 + 9_000}') for n in range(10)),
        words=words,
    )
    facts = seen("我的产品坏了，我要投诉。" * 20)
    begun = time.process_time()
    for _ in range(200):
        rules.decide(facts)
    assert (
        time.process_time() - begun
    ) / 200 < 0.02  # some 50 µs on an idle machine: this finds only what runs away


@pytest.mark.parametrize(
    "broken",
    [
        {"rules": [{"name": "a"}]},
        {"rules": [{"name": "a", "sets": {}}], "default": {}},
        {"rules": [{"name": "a:b"}], "default": {}},
        {"rules": [{"name": "a", "set": {"urgency": "soon"}}], "default": {}},
        {"rules": [{"name": "a", "set": {"acknowledgement": "../../etc/passwd"}}], "default": {}},
        {"rules": [{"name": "a", "set": {"acknowledgement": True}}], "default": {}},
        {"rules": [{"name": "a", "set": {"missing": ["shoe size"]}}], "default": {}},
    ],
)
def test_settings_that_say_nothing_known_are_refused(broken: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        RulesSettings.model_validate(broken)


def test_no_rules_need_no_default() -> None:
    assert RulesSettings().rules == ()
    assert settings().default == RulesSettings().default
