"""An acknowledgement is planned in the customer's language, or refused with a reason."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

import config
from model.decision import Decision, Urgency
from model.draft import Draft, Identity
from model.registration import Sent
from outbox.acknowledge import ChannelFacts, Planned, Refused, plan, values
from outbox.mute import Mute
from outbox.settings import BudgetSettings
from outbox.templates import Templates

LI = Identity("email", "li@example.com")
SHIPPED = Templates([Path(str(files(config) / "examples" / "templates"))])


def planned(draft: Draft | None = None, decision: Decision | None = None, **more: Any) -> Planned | Refused:
    facts: dict[str, Any] = {
        "reference": "FB-261122-7K3FQ",
        "status_url": "https://gw.example.org/s/abc",
        "channel": ChannelFacts("web", language="zh-CN"),
        "to": LI,
        "templates": SHIPPED,
        "own_addresses": (),
        "counts": Sent(),
        "budget": BudgetSettings(),
    }
    return plan(draft or Draft(name="李伟", language="zh-CN"), decision or Decision(), **(facts | more))


def message(*arguments: Any, **more: Any) -> Planned:
    answer = planned(*arguments, **more)
    assert isinstance(answer, Planned)
    return answer


@pytest.mark.parametrize(
    ("language", "taken", "says"),
    [
        ("zh-CN", "zh-CN", "您反映的事项"),
        ("zh-TW", "zh-CN", "您反映的事项"),
        ("en", "en", "Thank you"),
        ("ja", "en", "Thank you"),
        (None, "zh-CN", "您反映的事项"),
    ],
)
def test_it_speaks_the_customers_language_else_the_channels(
    language: str | None, taken: str, says: str
) -> None:
    answer = message(Draft(language=language))
    assert (answer.language, answer.template, answer.to) == (taken, "acknowledgement", LI)
    assert says in answer.text
    assert answer.html is not None
    assert says in answer.html
    assert "FB-261122-7K3FQ" in answer.subject


def test_the_rules_choose_the_template_and_the_words() -> None:
    outside = message(decision=Decision(in_scope=False, acknowledgement="out_of_scope"))
    assert "不属于客户反馈的受理范围" in outside.text
    assert "紧急事项" in message(decision=Decision(urgency=Urgency.URGENT)).text
    assert "您的联系方式" in message(decision=Decision(missing=("contact",))).text


def test_a_conversation_is_answered_without_an_address() -> None:
    assert message(Draft(conversation="chat-1"), to=None).to is None


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"decision": Decision(acknowledgement=None)}, Mute.DECISION),
        ({"channel": ChannelFacts("web", acknowledge=False)}, Mute.CHANNEL),
        ({"draft": Draft(bounce=True), "decision": Decision(acknowledgement=None)}, Mute.BOUNCE),
        ({"to": None}, Mute.NO_RECIPIENT),
        ({"acknowledged_before": True}, Mute.ACKNOWLEDGED),
        ({"repeat_within_quiet": True}, Mute.REPEAT),
        ({"counts": Sent(address_hour=99)}, Mute.ADDRESS_HOUR),
        ({"own_addresses": {"li@example.com"}}, Mute.OWN_ADDRESS),
    ],
)
def test_it_is_refused_with_the_reason_that_says_most(more: dict[str, Any], reason: str) -> None:
    assert planned(**more) == Refused(reason)


def test_a_template_that_fails_is_a_refusal_that_names_it() -> None:
    answer = planned(decision=Decision(acknowledgement="nope"))
    assert answer == Refused(Mute.TEMPLATE, "nope:0: there is no template of this name")


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("李伟", "李伟"),
        (" J. Smith\r\n", "J. Smith"),
        ("Li\nBcc: x", "Li Bcc: x"),
        ("Win at https://evil.example", ""),
        ("evil.example 大奖", ""),
        ("WWW.evil", ""),
        ("call 13800138000", ""),
        ("a@b.cn", ""),
        ("x" * 41, ""),
        ("\u202e\u200b李", "李"),
    ],
)
def test_a_name_carries_no_advertisement_to_a_stranger(name: str, shown: str) -> None:
    assert values(Draft(name=name), Decision(), "FB", None, "web")["name"] == shown


def test_a_subject_is_one_line_without_links() -> None:
    def subject(text: str) -> str:
        return str(values(Draft(subject=text), Decision(), "FB", None, "web")["subject"])

    assert subject("a\r\nBcc: b") == "a Bcc: b"
    assert subject("see http://evil.example") == ""
    assert len(subject("x" * 500)) == 120
