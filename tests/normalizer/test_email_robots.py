"""Machines: which mail they wrote, which reports a failure, and why none of it is answered."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from model.draft import Draft
from normalizer.contract import Source
from normalizer.readers.email import read

AT = datetime(2026, 11, 22, tzinfo=UTC)
OPTIONS = {"addresses": ["feedback@office.example", "info@office.example"], "check_recipient": True}
MARK = "a" * 26


def draft(fields: str = "", *, sender: str = "li@example.com", meta: Any = None, **more: Any) -> Draft:
    values = {"Subject": "Fridge", "To": "feedback@office.example", **more}
    head = "".join(f"{name}: {value}\r\n" for name, value in values.items())
    raw = f"From: {sender}\r\n{head}{fields}\r\nbody".encode()
    return read(
        Source(raw=raw, media_type="message/rfc822", received_at=AT, meta=meta or {}, options=OPTIONS)
    )


def test_a_persons_mail_may_be_answered() -> None:
    found = draft("Auto-Submitted: no\r\nPrecedence: normal\r\n", meta={"mail_from": "li@example.com"})
    assert (found.automatic, found.mute, found.bounce, found.suspicious) == (None, (), False, None)


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        ("Return-Path: <>\r\n", "null sender"),
        ("Auto-Submitted: auto-generated\r\n", "auto-submitted auto-generated"),
        ("Auto-Submitted: auto-replied (vacation)\r\n", "auto-submitted auto-replied"),
        ("Precedence: bulk\r\n", "precedence bulk"),
        ("Precedence: Junk\r\n", "precedence junk"),
        ("List-Id: <x.example.com>\r\n", "mailing list"),
        ("List-Unsubscribe: <mailto:x@y>\r\n", "mailing list"),
        ("X-Auto-Response-Suppress: DR, OOF, AutoReply\r\n", "x-auto-response-suppress"),
        ("X-Auto-Response-Suppress: All\r\n", "x-auto-response-suppress"),
        ("X-Autoreply: yes\r\n", "x-autoreply"),
        ("X-Autorespond: x\r\n", "x-autorespond"),
        ("X-Failed-Recipients: a@b\r\n", "x-failed-recipients"),
        ("X-Forebay-Loop: someone@elsewhere.example\r\n", "own loop marker"),
        (f"Message-ID: <fb.{MARK}.token@office.example>\r\n", "own loop marker"),
        ("X-Spam-Flag: YES\r\n", "marked as spam"),
        ("Authentication-Results: mx; dkim=pass; dmarc=fail (p=reject)\r\n", "DMARC failed"),
        ("Received: x\r\n" * 31, "too many hops"),
        ("Content-Type: text/calendar; method=REQUEST\r\n", "calendar"),
        ("Content-Type: message/disposition-notification\r\n", "report"),
    ],
)
def test_marks_that_forbid_an_automatic_answer(fields: str, rule: str) -> None:
    assert rule in draft(fields).mute


@pytest.mark.parametrize(
    "local",
    [
        "mailer-daemon",
        "MAILER-DAEMON",
        "postmaster",
        "root",
        "daemon",
        "no-reply",
        "noreply",
        "donotreply",
        "do-not-reply",
        "listserv",
        "majordomo",
        "owner-news",
        "news-request",
        "news-bounce",
        "news-bounces",
        "bounce+li=x",
        "prvs=ab=li",
    ],
)
def test_senders_that_read_nothing(local: str) -> None:
    assert "no-reply sender" in draft(sender=f"{local}@example.com").mute


@pytest.mark.parametrize(
    "local", ["li", "reply", "norely", "customer-service", "rootbeer", "noreen", "bouncer"]
)
def test_senders_that_only_look_like_it(local: str) -> None:
    assert draft(sender=f"{local}@example.com").mute == ()


@pytest.mark.parametrize("path", [None, "", "<>"])
def test_the_null_sender_in_each_form_the_libraries_give_it(path: str | None) -> None:
    assert "null sender" in draft(meta={"mail_from": path}).mute


def test_our_own_mail_and_mail_that_was_not_sent_to_us_is_not_answered() -> None:
    assert "own address" in draft(sender="Info+x@office.example").mute
    assert "not addressed to us" in draft(To="list@example.com").mute
    assert "not addressed to us" not in draft(To="x@y.example", Cc="Feedback+token@office.example").mute
    assert (
        "not addressed to us" not in draft(To="x@y.example", meta={"rcpt_to": ["info@office.example"]}).mute
    )
    assert "no sender" in draft(sender="").mute


@pytest.mark.parametrize(
    ("fields", "subject", "why"),
    [
        ("Auto-Submitted: auto-replied\r\n", "Fridge", "auto-submitted auto-replied"),
        ("", "Automatic reply: Fridge", "out of office"),
        ("", "自动回复：投诉", "out of office"),
        ("", "=?utf-8?B?6Ieq5Yqo5Zue5aSN?=: x", "out of office"),
        ("", "Out of Office: Fridge", "out of office"),
        ("", "Abwesenheitsnotiz", "out of office"),
        ("X-Autoreply: yes\r\n", "Fridge", "x-autoreply"),
        ("Precedence: auto_reply\r\n", "Fridge", "precedence auto_reply"),
        ("", "Re: automatic gearbox fails", None),
        ("", "The automatic reply of your shop is rude", None),
        ("Precedence: bulk\r\nList-Id: <x>\r\n", "Newsletter", None),
    ],
)
def test_what_counts_as_written_by_a_machine(fields: str, subject: str, why: str | None) -> None:
    found = draft(fields, Subject=subject)
    assert found.automatic == why
    assert why is None or why in found.mute


def dsn(*recipients: str) -> Draft:
    blocks = "\r\n\r\n".join(("Reporting-MTA: dns; mx.example.com", *recipients))
    raw = (
        "From: MAILER-DAEMON@mx.example.com\r\nTo: feedback@office.example\r\nSubject: Undelivered Mail\r\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n\r\n'
        f"--b\r\n\r\nSorry.\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n{blocks}\r\n\r\n"
        "--b\r\nContent-Type: text/rfc822-headers\r\n\r\n"
        f"Subject: Re: Fridge\r\nMessage-ID: <fb.{MARK}.t0ken@office.example>\r\n\r\n--b--\r\n"
    )
    return read(
        Source(raw=raw.encode(), media_type="", received_at=AT, options=OPTIONS, meta={"mail_from": "<>"})
    )


LI = (
    "Final-Recipient: rfc822; Li@example.com\r\nAction: failed\r\nStatus: 5.1.1\r\n"
    "Diagnostic-Code: smtp; 550 5.1.1\r\n no such user"
)
WANG = "Final-Recipient: rfc822; wang@example.com\r\nAction: delayed\r\nStatus: 4.4.1"


def test_a_report_of_failure_names_recipients_and_the_mail_it_is_about() -> None:
    found = dsn(LI, WANG)
    assert found.bounce
    assert found.automatic == "bounce"
    assert [(one["address"], one["action"], one["status"]) for one in found.extra["undelivered"]] == [
        ("li@example.com", "failed", "5.1.1"),
        ("wang@example.com", "delayed", "4.4.1"),
    ]
    assert found.extra["undelivered"][0]["diagnostic"] == "smtp; 550 5.1.1 no such user"
    assert found.thread.tokens == ("t0ken",)
    assert found.thread.replies_to == (f"<fb.{MARK}.t0ken@office.example>",)
    assert {"bounce", "null sender", "no-reply sender", "report"} <= set(found.mute)


def test_a_report_of_success_is_no_bounce() -> None:
    found = dsn(LI.replace("failed", "delivered").replace("5.1.1", "2.0.0"))
    assert (found.bounce, found.automatic) == (False, "delivery report")


@pytest.mark.parametrize(
    ("sender", "subject", "bounce"),
    [
        ("MAILER-DAEMON@qq.com", "Undelivered Mail Returned to Sender", True),
        ("postmaster@163.com", "系统退信", True),
        ("PostMaster@qq.com", "来自qq.com的退信", True),
        ("mailer-daemon@yahoo.example", "failure notice", True),
        ("li@example.com", "failure notice", False),
        ("li@example.com", "你们退信了", False),
        ("postmaster@163.com", "Question about our account", False),
    ],
)
def test_bounces_that_follow_no_standard(sender: str, subject: str, bounce: bool) -> None:
    assert draft(sender=sender, Subject=subject).bounce is bounce


def test_only_the_topmost_authentication_result_counts() -> None:
    forged = (
        "Authentication-Results: mx.office.example; dmarc=pass\r\nAuthentication-Results: x; dmarc=fail\r\n"
    )
    assert draft(forged).suspicious is None
