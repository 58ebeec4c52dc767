"""Who wrote, where lists, groups and other mailboxes of ours passed the mail on; and what other servers think."""

from __future__ import annotations

from typing import Any

import pytest

from model.draft import Draft
from tests.normalizer.mails import OPTIONS, draft, multipart, part

FORWARDERS = {**OPTIONS, "forwarders": ["old@163.example"], "trusted_results": ["mx.office.example"]}
TOP = "Authentication-Results: "


def mail(fields: str, body: str = "Hello", sender: str = "Li Lei <li@example.com>", **more: Any) -> Draft:
    head = f"From: {sender}\r\nTo: feedback@office.example\r\nSubject: {more.pop('subject', 'Fridge')}\r\n{fields}"
    return draft(f"{head}\r\n{body}".encode(), options=FORWARDERS, **more)


def who(found: Draft) -> tuple[str, str]:
    return found.name, found.identities[0].value


def answers(found: Draft) -> list[str]:
    return [one.value for one in found.reply_to]


def test_a_group_that_writes_in_its_own_name_is_seen_through() -> None:
    found = mail(
        "X-Original-Sender: li@example.com\r\nX-Original-From: Li Lei <li@example.com>\r\n"
        "Reply-To: Li Lei <li@example.com>\r\nList-ID: <feedback.office.example>\r\n",
        sender="'Li Lei' via Feedback <feedback@office.example>",
    )
    assert who(found) == ("Li Lei", "li@example.com")
    assert answers(found) == ["li@example.com"]
    assert found.extra["passed_on_by"] == "feedback@office.example"
    assert "own address" not in found.mute


def test_the_name_is_taken_from_before_via() -> None:
    found = mail(
        "X-Original-Sender: li@example.com\r\n", sender="Li Lei via Feedback <feedback@office.example>"
    )
    assert who(found) == ("Li Lei", "li@example.com")


def test_a_web_form_that_writes_from_our_own_address_names_the_customer_in_reply_to() -> None:
    found = mail("Reply-To: li@example.com\r\n", sender="Website <feedback@office.example>")
    assert (who(found)[1], answers(found)) == ("li@example.com", ["li@example.com"])


def test_a_strangers_original_sender_changes_nothing() -> None:
    found = mail("X-Original-Sender: boss@example.com\r\n")
    assert who(found) == ("Li Lei", "li@example.com")


def test_a_mailbox_of_ours_elsewhere_forwards_in_the_text() -> None:
    body = (
        "For you.\r\n\r\n---------- Forwarded message ---------\r\nFrom: Wang Fang <wang@example.com>\r\n"
        "Date: Sun, 22 Nov 2026\r\nSubject: Fridge\r\nTo: old@163.example\r\n\r\nMy fridge is broken.\r\n"
    )
    found = mail("", body, sender="Old <old@163.example>", subject="Fwd: Fridge")
    assert (who(found), found.text) == (("Wang Fang", "wang@example.com"), "My fridge is broken.")
    assert answers(found) == ["wang@example.com"]
    assert "For you." in found.full_text


def test_a_mailbox_of_ours_elsewhere_forwards_as_a_file() -> None:
    inner = b"From: Wang <wang@example.com>\r\nSubject: Fridge\r\n\r\nMy fridge is broken.\r\n\r\n-- \r\nWang"
    body, kind = multipart(part("See the file"), part(inner, "message/rfc822"))
    found = mail(f"Content-Type: {kind}\r\n", body.decode(), sender="old@163.example")
    assert (who(found)[1], found.text) == ("wang@example.com", "My fridge is broken.")


def test_an_answer_of_a_colleague_is_not_taken_for_a_forward() -> None:
    body = "Done.\r\n\r\nFrom: Wang <wang@example.com>\r\nSent: Sunday\r\nTo: us\r\nSubject: x\r\n\r\nBroken."
    found = mail("", body, sender="old@163.example", subject="Re: Fridge")
    assert (who(found)[1], found.text) == ("old@163.example", "Done.")


def test_what_was_redirected_to_us_is_addressed_to_us() -> None:
    raw = b"From: li@example.com\r\nTo: old@163.example\r\nSubject: x\r\n\r\nHello"
    assert "not addressed to us" not in draft(raw, options=FORWARDERS).mute
    assert "not addressed to us" in draft(raw).mute


def test_other_recipients_are_kept_for_the_answer_and_we_are_not_among_them() -> None:
    found = mail("Cc: Wang <wang@example.com>, feedback+abc@office.example, li@example.com\r\n")
    assert found.envelope_to["cc"] == ["wang@example.com"]


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        (f"{TOP}mx.office.example; dmarc=fail\r\n", "DMARC failed"),
        (
            f"{TOP}x.example; dmarc=pass\r\n{TOP}mx.office.example 1; dmarc = fail (p=none)\r\n",
            "DMARC failed",
        ),
        (f"{TOP}elsewhere.example; dmarc=fail\r\n", None),
        (f"{TOP}mx.office.example; compauth=fail reason=001\r\n", "its sender could not be authenticated"),
        ("X-Spam-Status: Yes, score=9\r\n", "marked as spam"),
        ("X-Spam-Status: No, score=1\r\n", None),
        ("X-Spam: Yes\r\n", "marked as spam"),
        ("X-MS-Exchange-Organization-SCL: 6\r\n", "marked as spam"),
        ("X-MS-Exchange-Organization-SCL: -1\r\n", None),
        ("X-Forefront-Antispam-Report: CIP:1.2.3.4;SFV:SPM;\r\n", "marked as spam"),
        ("X-Rspamd-Action: add header\r\n", "marked as spam"),
        ("X-Virus-Status: Infected (Eicar)\r\n", "marked as infected"),
    ],
)
def test_what_other_servers_think_holds_a_mail_for_a_look(fields: str, why: str | None) -> None:
    assert mail(fields).suspicious == why
