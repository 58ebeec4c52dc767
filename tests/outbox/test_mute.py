"""Every reason for not answering on our own, each by the name that the operator reads."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from model.draft import Draft, Identity
from model.registration import Sent
from outbox.mute import Mute, why_not
from outbox.settings import BudgetSettings

AT, HOUR, SECOND = datetime(2026, 11, 22, tzinfo=UTC), timedelta(hours=1), timedelta(seconds=1)
LI = Identity("email", "li@example.com")
BUDGET = BudgetSettings(per_address_hour=3, per_address_day=10, per_domain_hour=60, total_hour=1000)


def reason(draft: Draft | None = None, **more: Any) -> str | None:
    facts: dict[str, Any] = {
        "sender": LI,
        "own_addresses": {"Feedback@GW.example.org"},
        "counts": Sent(),
        "budget": BUDGET,
        "acknowledged_before": False,
        "repeat_within_quiet": False,
        "at": AT,
    }
    return why_not(draft or Draft(identities=(LI,), reply_to=(LI,)), **(facts | more))


def test_an_ordinary_message_may_be_answered() -> None:
    assert reason() is None


@pytest.mark.parametrize(
    ("draft", "more", "expected"),
    [
        (Draft(bounce=True, automatic="auto-submitted"), {}, Mute.BOUNCE),
        (Draft(automatic="out of office"), {}, Mute.AUTOMATIC),
        (Draft(mute=("list", "spam")), {}, "list"),
        (Draft(identities=(Identity("email", "feedback@gw.example.org"),)), {}, Mute.OWN_ADDRESS),
        (Draft(reply_to=(Identity("email", "Feedback+t42.abc@gw.example.org"),)), {}, Mute.OWN_ADDRESS),
        (None, {"sender": Identity("email", "feedback@gw.example.org")}, Mute.OWN_ADDRESS),
        (None, {"sender": Identity("email", "no-reply@example.com")}, Mute.ROBOT),
        (None, {"acknowledged_before": True}, Mute.ACKNOWLEDGED),
        (None, {"repeat_within_quiet": True}, Mute.REPEAT),
        (None, {"sender": None}, Mute.NO_RECIPIENT),
        (None, {"counts": Sent(address_hour=3)}, Mute.ADDRESS_HOUR),
        (None, {"counts": Sent(address_day=10)}, Mute.ADDRESS_DAY),
        (None, {"counts": Sent(domain_hour=60)}, Mute.DOMAIN_HOUR),
        (None, {"counts": Sent(total_hour=1000)}, Mute.TOTAL_HOUR),
        (None, {"counts": Sent(matter=(AT - HOUR * 9, AT - HOUR * 5, AT - HOUR * 3))}, Mute.THREAD_DAY),
        (None, {"counts": Sent(matter=(AT - SECOND * 50, AT - SECOND * 9))}, Mute.TWO_ROBOTS),
        (None, {"counts": Sent(domain_loops=20)}, Mute.BREAKER),
        (Draft(subject="Re: Automated Response: " * 3 + "Hi", reply_to=(LI,)), {}, Mute.SUBJECT),
        (Draft(subject="[#1] Re: [FB-1] Re: [#2] AW: hello", reply_to=(LI,)), {}, Mute.SUBJECT),
    ],
)
def test_each_rule_by_its_name(draft: Draft | None, more: dict[str, Any], expected: str) -> None:
    assert reason(draft, **more) == expected


def test_budgets_are_reached_not_passed() -> None:
    assert reason(counts=Sent(address_hour=2, address_day=9, domain_hour=59, total_hour=999)) is None


def test_a_provider_of_many_people_has_no_domain_budget() -> None:
    many = Sent(domain_hour=10_000)
    assert reason(sender=Identity("email", "li@QQ.com"), counts=many) is None
    assert reason(sender=Identity("phone", "+8613800138000"), counts=many) is None
    own = BudgetSettings(shared_domains=())
    assert reason(sender=Identity("email", "li@qq.com"), counts=many, budget=own) == Mute.DOMAIN_HOUR


def test_a_conversation_needs_no_address() -> None:
    assert reason(Draft(conversation="chat-1"), sender=None) is None


def test_a_budget_of_nothing_sends_nothing() -> None:
    assert reason(budget=BudgetSettings(per_address_hour=0)) == Mute.ADDRESS_HOUR


@pytest.mark.parametrize(
    "local",
    [
        "mailer-daemon",
        "MAILER-DAEMON",
        "postmaster",
        "root",
        "noreply",
        "no-reply",
        "no_reply",
        "do-not-reply",
        "donotreply",
        "noreply+123",
        "listserv",
        "majordomo",
        "owner-news",
        "news-request",
        "news-bounces",
        "bounce",
        "bounces+li=example.com",
        "prvs=1234=li",
    ],
)
def test_robots_are_known_by_their_local_part(local: str) -> None:
    assert reason(sender=Identity("email", f"{local}@example.com")) == Mute.ROBOT


@pytest.mark.parametrize("local", ["li", "rooted", "owner", "reply", "noreplica", "bouncer", "request"])
def test_people_are_not_taken_for_robots(local: str) -> None:
    assert reason(sender=Identity("email", f"{local}@example.com")) is None


def test_a_person_who_writes_again_soon_is_no_robot() -> None:
    """One quick answer may be an afterthought; and a quick one long ago says nothing of now."""
    assert reason(counts=Sent(matter=(AT - SECOND * 20,))) is None
    assert reason(counts=Sent(matter=(AT - HOUR * 2 - SECOND * 9, AT - HOUR * 2))) is None


def test_a_house_without_a_domain_of_its_own_trips_no_breaker() -> None:
    assert reason(sender=Identity("email", "li@qq.com"), counts=Sent(domain_loops=999)) is None


@pytest.mark.parametrize(
    "subject", ["Re: Re: Re: Re: Re: Re: Re: x", "[EXT] Re: 回复：电梯", "", "【投诉】电梯"]
)
def test_what_people_and_their_programs_write_is_no_growing_subject(subject: str) -> None:
    assert reason(Draft(subject=subject, identities=(LI,), reply_to=(LI,))) is None
