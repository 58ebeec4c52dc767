"""Both languages say everything that the pages and the house's own words need."""

from __future__ import annotations

import re
from importlib import resources
from string import Formatter

import pytest

from console import languages
from model.decision import Urgency
from model.delivery import Outcome, Purpose
from model.event import EventType
from model.health import HealthState
from model.states import DeliveryState, EnvelopeState, RecordState
from normalizer import letter, trust

LANGUAGES = list(languages.LANGUAGES)
#: Groups whose texts pages ask for by the name of a value, a field or a button.
BY_NAME = {
    *(
        "act",
        "cause",
        "certainty",
        "channels",
        "chat",
        "correct",
        "customer",
        "import",
        "figure",
        "figure_value",
        "follow_up",
        "month",
        "outcome",
        "period",
        "persons",
        "report",
        "role",
        "judged",
        "mark",
        "missing",
        "import_field",
        "import_state",
        "delivery_state",
        "error",
        "event",
        "form",
        "health",
        "identity",
    ),
    *("because", "wish", "spoken", "call", "said", "bundle_state"),
    *("assignment", "nature", "stage"),
    *("case", "mend", "outcome", "purpose", "record", "state", "step", "urgency", "verb"),
}


def places(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


@pytest.mark.parametrize("language", ["en", "zh"])
def test_no_text_stands_twice(language: str) -> None:
    """YAML takes the last one, so that a page would say what was meant for another."""
    written = resources.files("console").joinpath(f"texts/{language}.yaml").read_text(encoding="utf-8")
    keys = re.findall(r"^([\w.]+):", written, re.MULTILINE)
    assert sorted(keys) == sorted(set(keys))


def test_the_languages_have_the_same_texts_with_the_same_places() -> None:
    one, other = (languages.texts(tag) for tag in LANGUAGES)
    assert set(one) == set(other)
    assert {key for key in one if places(one[key]) != places(other[key])} == set()
    assert all(text.strip() for text in (*one.values(), *other.values()))


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_word_of_the_house_has_a_word(language: str) -> None:
    needed = {
        "state": RecordState,
        "customer": [*RecordState, *EnvelopeState],
        "delivery_state": DeliveryState,
        "purpose": Purpose,
        "outcome": Outcome,
        "event": EventType,
        "urgency": Urgency,
        "health": [*HealthState, "paused", "disabled"],
        "certainty": ["delivered", "failed", "unknown", "pending"],
    }
    wanted = {f"{group}.{value}" for group, values in needed.items() for value in values}
    assert wanted - set(languages.texts(language)) == set()


def test_pages_ask_only_for_texts_that_are_there_and_none_is_idle() -> None:
    known = set(languages.texts("en"))
    room = resources.files("console")
    sources = [path.read_text("utf-8") for path in room.joinpath("templates").iterdir()]
    sources += [path.read_text("utf-8") for path in room.iterdir() if path.name.endswith(".py")]
    asked = {key for source in sources for key in re.findall(r"\bt\('([\w.]+)'[,)]", source)}
    assert asked - known == set()
    everything = "\n".join(sources)
    idle = {
        key for key in known - asked if key.partition(".")[0] not in BY_NAME and f'"{key}"' not in everything
    }
    assert idle == set()


@pytest.mark.parametrize("tag", ["zh", "zh-Hans-CN", "ZH-sg", "en-US"])
def test_tags_are_matched_by_their_language(tag: str) -> None:
    assert languages.match(tag) in LANGUAGES


def test_an_unknown_value_is_shown_as_it_is() -> None:
    assert languages.word("en", "state", "on_the_moon") == "on the moon"
    with pytest.raises(KeyError):
        languages.translate("en", "no.such.text")


@pytest.mark.parametrize("reason", [*letter.DOUBTS, *trust.DOUBTS])
def test_why_a_person_must_look_is_told_in_the_language_of_the_page(reason: str) -> None:
    assert languages.because("en", reason).lower().startswith(reason.lower()[:9])
    assert re.search(r"[\u4e00-\u9fff]", languages.because("zh-CN", reason))


def test_what_a_reason_names_is_told_in_words_too_and_an_unknown_reason_as_it_is() -> None:
    assert languages.because("zh-CN", "not sure about: name, phone") == "以下各项没有把握: 寄信人姓名, 电话"
    assert languages.because("zh-CN", "a rule of the office: look") == "a rule of the office: look"
