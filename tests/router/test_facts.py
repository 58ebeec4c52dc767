"""Conditions see plain values of bounded size, whatever a reader made."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from model.draft import Draft, Identity, Part
from model.tools import Spooled
from router.facts import FIELDS, facts
from tests.router.house import compiled, seen


def test_the_facts_are_json_and_carry_every_field_by_name() -> None:
    made = seen(
        "hello", subject="s", extra={"plan": "gold", "at": datetime(2026, 1, 1, tzinfo=UTC), "raw": b"x"}
    )
    assert set(made) == FIELDS
    assert json.loads(json.dumps(made)) == made
    assert made["extra"] == {"plan": "gold", "at": None, "raw": None}
    assert (made["email"], made["domain"]) == ("li@example.com", "example.com")
    assert made["channel"] == {"name": "web", "kind": "form"}


def test_what_a_source_lacks_is_empty_not_absent() -> None:
    made = seen(identities=())
    assert (made["email"], made["domain"], made["language"], made["has_contact"]) == ("", "", "", False)
    assert seen(identities=(), conversation="chat-1")["has_contact"] is True
    assert seen(identities=(), reply_to=(Identity("phone", "+8613800138000"),))["has_contact"] is True


def test_long_texts_are_cut_and_say_so() -> None:
    made = seen("x" * 500, limit=100)
    assert (len(made["text"]), len(made["full_text"]), made["length"], made["cut"]) == (100, 100, 500, True)
    assert seen("x" * 100, limit=100)["cut"] is False


def test_extra_is_bounded_in_breadth_depth_and_numbers() -> None:
    deep: object = "bottom"
    for _ in range(50):
        deep = [deep]
    made = seen(
        extra={
            "many": list(range(10_000)),
            "deep": deep,
            "big": 2**200,
            "huge": 10**5000,
            "text": "x" * 10**6,
        }
    )
    assert len(made["extra"]["many"]) == 100
    assert len(json.dumps(made["extra"])) < 5_000
    # The condition language takes them all.
    assert compiled({"name": "big", "when": "record.extra.big > 1.0"}).decide(made).rules == ("big",)


def test_broken_characters_do_not_reach_the_condition_language() -> None:
    made = seen("a\ud800b", subject="\udfff", extra={"k\ud800": "\ud800"})
    assert compiled({"name": "r", "when": 'record.text != "" && size(record.extra) == 1'}).decide(
        made
    ).rules == ("r",)


def test_attachments_tell_name_type_and_size() -> None:
    parts = (
        Part("a.pdf", "application/pdf", b"12345"),
        Part("b.mov", "video/quicktime", Spooled(Path("spool/b"), 9_000_000, "00")),
        Part("c.exe", "application/x-msdownload", None, omitted="too large"),
    )
    made = facts(Draft(parts=parts), channel="m", kind="email", received_at=datetime(2026, 1, 1, tzinfo=UTC))
    assert [(one["filename"], one["size"]) for one in made["attachments"]] == [
        ("a.pdf", 5),
        ("b.mov", 9_000_000),
        ("c.exe", 0),
    ]
