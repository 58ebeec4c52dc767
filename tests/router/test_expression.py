"""A condition that could run away, or can never be right, is refused when it is read."""

from __future__ import annotations

from typing import Any

import pytest

from router.rules import RulesError, compile_rules
from tests.router.house import problems, settings


def refusal(when: str, **more: Any) -> str:
    return "\n".join(problems({"name": "mine", "when": when}, **more))


@pytest.mark.parametrize(
    ("when", "says"),
    [
        ("record.text ==", "does not compile: <input>:1"),
        ('record.text == "a', "does not compile"),
        ("true && " * 300 + "true", "characters long, more than 2000"),
        ("[1].all(a, [1].all(b, [1].all(c, a == c)))", "comprehensions more than 2 deep"),
        ("[1].map(a, [a]).map(b, [b]).exists(c, c == [[1]])", "comprehensions more than 2 deep"),
        ("[[1].filter(a, [1].exists(b, a == b))].exists(c, c == [])", "comprehensions more than 2 deep"),
        ("[record.text].map(t, t + t).exists(t, t == '')", "adds inside map()"),
        ("record.txt == ''", "knows no field record.txt; did you mean record.text?"),
        ("record.channel.nam == ''", "knows no field record.channel.nam: it has name and kind"),
        ('record["text"] == ""', "write record.NAME"),
        ("text == ''", "knows no `text`: a condition reads record.NAME; did you mean record.text?"),
        ('contain(record.text, "a")', "knows no function contain(); did you mean contains?"),
        ("record.text.matches(record.subject)", "matches() takes one text in quotes"),
        ('record.bounce && record.text.matches("(")', "regular expression that is not valid"),
        ('record.text.matches("(\\\\w{20}){20}")', "repeats more than 100 times"),
        ('record.bounce && mentions("greif")', "names no list of words: 'greif'; did you mean grief?"),
        ("record.text", "gives str instead of true or false"),
        ("record.length + 1 == '2'.size() + 'a'", "fails on a sample message"),
        ('has_any(record.text, "word")', "fails on a sample message"),
        ('record.text == """a"""', "triple quotes"),
        ("(" * 100 + "true" + ")" * 100, "does not compile"),
    ],
)
def test_it_says_what_is_wrong_and_where(when: str, says: str) -> None:
    message = refusal(when, words={"grief": ["a"]})
    assert message.startswith("rule 'mine', when: ")
    assert says in message


def test_two_comprehensions_deep_are_allowed_and_texts_are_not_code() -> None:
    assert refusal("record.attachments.exists(a, record.identities.all(i, i.value != a.filename))") == ""
    assert refusal("""record.text == "x.all(a, y.all(b, z.all(c, d)))" // [1].all(a, [1].all(""") == ""


def test_the_limit_of_length_is_a_setting() -> None:
    assert "more than 10" in refusal("record.length > 100", expression_limit=10)


def test_all_problems_are_told_at_once_with_rule_and_field() -> None:
    found = problems(
        {"name": "a", "when": "recrd.text == '' && record.nme == ''"},
        {"name": "a", "set": {"nature": ["grumble"]}},
        words={"w": ["**"]},
        default={"nature": ["noise"]},
    )
    assert [one.partition(": ")[0] for one in found] == [
        "list of words, w",
        "rule 'a', when",
        "rule 'a', when",
        "rule 'a', name",
        "rule 'a', set.nature",
        "default, nature",
    ]


def test_a_problem_knows_its_path_in_the_settings() -> None:
    with pytest.raises(RulesError) as caught:
        compile_rules(settings({"name": "fine"}, {"name": "bad", "when": "nope"}))
    assert [one.path for one in caught.value.problems] == [("rules", 1, "when")]


def test_natures_are_a_list_of_ones_own() -> None:
    own = {"natures": ["grumble"], "default": {"nature": ["grumble"]}}
    assert problems({"name": "r", "set": {"nature": ["grumble"]}}, **own) == []
