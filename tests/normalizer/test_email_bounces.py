"""Reports on mail of ours: who was not reached, why, and which mail it was; standard ones and the wild ones."""

from __future__ import annotations

from typing import Any

import pytest

from model.draft import Draft, Fate, Identity
from model.failures import Reason
from normalizer import bounces
from tests.normalizer.mails import draft, multipart, part

OURS = f"<fb.{'a' * 26}.t0ken@office.example>"
COPY = f"Received: by mx\r\nMessage-ID: {OURS}\r\nFrom: feedback@office.example\r\nTo: li@example.com\r\n"

QMAIL = f"""Hi. This is the qmail-send program at yahoo.example.
I'm afraid I wasn't able to deliver your message to the following addresses.
This is a permanent error; I've given up. Sorry it didn't work out.

<li@example.com>:
203.0.113.9 does not like recipient.
Remote host said: 550 5.1.1 <li@example.com>: Recipient address rejected: User unknown
Giving up on 203.0.113.9.

--- Below this line is a copy of the message.

Return-Path: <feedback@office.example>
{COPY}
text
"""
EXIM = f"""This message was created automatically by mail delivery software.

A message that you sent could not be delivered to one or more of its
recipients. This is a permanent error. The following address(es) failed:

  li@example.com
    host mx.example.com [203.0.113.9]
    SMTP error from remote mail server after RCPT TO:<li@example.com>:
    550 5.2.2 mailbox full

------ This is a copy of the message, including all the headers. ------

{COPY}
text
"""
EXCHANGE = f"""Your message did not reach some or all of the intended recipients.

      Subject:  Fridge
      Sent:     22/11/2026 08:00

The following recipient(s) could not be reached:

      'li@example.com' on 22/11/2026 08:01
            The e-mail account does not exist at the organization this message was sent to.
            <mx.example.com #5.1.1>

Original message headers:

{COPY}
"""
SENDMAIL = f"""   ----- The following addresses had permanent fatal errors -----
<li@example.com>
    (reason: 550 5.7.1 Message rejected as spam)

   ----- Transcript of session follows -----
... while talking to mx.example.com.:
>>> DATA

   ----- Original message follows -----
{COPY}
"""
GMAIL = f"""Delivery to the following recipient failed permanently:

     li@example.com

Technical details of permanent failure:
The email account that you tried to reach does not exist. 550-5.1.1

----- Original message -----

{COPY}
"""
QQ = f"""很抱歉您发送的邮件被退回，以下是该邮件的相关信息：

被退回邮件
主题：回复：冰箱
时间：2026-11-22 08:00:00

无法发送到 li@example.com
退信原因 收件人邮件地址（li@example.com）不存在，邮件无法送达。
host mx.example.com[203.0.113.9] said: 550 Mailbox not found

原邮件
{COPY}
"""
NETEASE = f"""抱歉，您的邮件被退回来了……

原邮件信息：
时　间：2026-11-22 08:00:00
主　题：回复：冰箱
收件人：li@example.com

退信原因：
收件人邮箱不存在。
英文说明：550 User not found: li@example.com
建议解决方案：请核对收件人地址。如有疑问请联系 feedback@office.example

{COPY}
"""
POSTFIX = f"""This is the mail system at host mx.office.example.

I'm sorry to have to inform you that your message could not
be delivered to one or more recipients. It's attached below.

For further assistance, please send mail to postmaster.

<li@example.com>: host mx.example.com[203.0.113.9] said: 550 5.1.1
    <li@example.com>: User doesn't exist (in reply to RCPT TO command)

{COPY}
"""
WILD = {
    "qmail": (QMAIL, "MAILER-DAEMON@yahoo.example", "failure notice", "5.1.1", Reason.RECIPIENT),
    "exim": (
        EXIM,
        "Mailer-Daemon@mx.example",
        "Mail delivery failed: returning message",
        "5.2.2",
        Reason.SERVER,
    ),
    "exchange": (EXCHANGE, "postmaster@example.com", "Undeliverable: Fridge", "5.1.1", Reason.RECIPIENT),
    "sendmail": (
        SENDMAIL,
        "MAILER-DAEMON@mx.example",
        "Returned mail: see transcript",
        "5.7.1",
        Reason.REQUEST,
    ),
    "gmail": (
        GMAIL,
        "mailer-daemon@googlemail.com",
        "Delivery Status Notification (Failure)",
        "5.1.1",
        Reason.RECIPIENT,
    ),
    "qq": (QQ, "PostMaster@qq.com", "来自qq.com的退信", "5.0.0", Reason.RECIPIENT),
    "netease": (NETEASE, "Postmaster@163.com", "系统退信", "5.0.0", Reason.RECIPIENT),
    "postfix": (
        POSTFIX,
        "MAILER-DAEMON@office.example",
        "Undelivered Mail Returned to Sender",
        "5.1.1",
        Reason.RECIPIENT,
    ),
}


def bounced(body: str, sender: str, subject: str, fields: str = "") -> Draft:
    head = f"From: Mail System <{sender}>\r\nTo: feedback@office.example\r\nSubject: {subject}\r\n{fields}"
    text = "Content-Type: text/plain; charset=utf-8\r\n\r\n" if "Content-Type" not in fields else "\r\n"
    return draft(f"{head}{text}{body}".encode(), meta={"mail_from": "<>"})


@pytest.mark.parametrize("server", WILD)
def test_the_wild_ones_tell_who_why_and_which_mail(server: str) -> None:
    body, sender, subject, status, reason = WILD[server]
    found = bounced(body, sender, subject)
    assert (found.bounce, found.automatic) == (True, "bounce")
    assert [(one["address"], one["action"], one["status"]) for one in found.extra["undelivered"]] == [
        ("li@example.com", "failed", status)
    ]
    [report] = found.reports
    assert (report.fate, report.remote_id, report.token) == (Fate.FAILED, OURS, "t0ken")
    assert (report.to, report.reason) == (Identity("email", "li@example.com"), reason)
    assert OURS in found.thread.replies_to and "t0ken" in found.thread.tokens


def test_a_subject_that_says_nothing_is_helped_by_the_text() -> None:
    assert bounced(QMAIL, "x@example.com", "Hello").bounce
    assert not bounced("I wasn't able to come.", "x@example.com", "Hello").bounce


def test_a_warning_of_delay_is_no_failure() -> None:
    body = (
        "The following message to <li@example.com> was delayed; delivery will be retried for 4 days.\r\n\r\n"
        + COPY
    )
    found = bounced(body, "MAILER-DAEMON@mx.example", "Warning: message 1abc delayed 24 hours")
    assert [one.fate for one in found.reports] == [Fate.DELAYED]
    assert found.reports[0].reason is None


def test_the_servers_field_names_the_recipient() -> None:
    found = bounced(
        "No.", "Mailer-Daemon@mx.example", "Mail delivery failed", "X-Failed-Recipients: li@example.com\r\n"
    )
    assert [one["address"] for one in found.extra["undelivered"]] == ["li@example.com"]


def standard(*recipients: str, third: bytes = b"", receipt: str = "") -> Draft:
    status = "Reporting-MTA: dns; mx\r\n\r\n" + "\r\n\r\n".join(recipients)
    kind = "message/disposition-notification" if receipt else "message/delivery-status"
    pieces = [part("Sorry."), part(receipt or status, kind)]
    pieces += [third] if third else []
    body, media_type = multipart(*pieces, kind="multipart/report; report-type=delivery-status")
    return bounced(body.decode(), "MAILER-DAEMON@mx.example", "x", f"Content-Type: {media_type}\r\n")


LI = (
    "Final-Recipient: rfc822; Li@example.com\r\nAction: failed\r\nStatus: 5.1.1\r\n"
    "Diagnostic-Code: smtp; 550 5.1.1 no such user"
)


@pytest.mark.parametrize(
    "third",
    [
        part(COPY, "text/rfc822-headers"),
        part(COPY + "\r\nthe text", "message/rfc822"),
    ],
)
def test_the_standard_tells_each_recipient_and_the_mail(third: bytes) -> None:
    wang = "Final-Recipient: rfc822; wang@example.com\r\nAction: delayed\r\nStatus: 4.4.1"
    zhao = "Original-Recipient: rfc822; zhao@example.com\r\nAction: delivered\r\nStatus: 2.0.0"
    found = standard(LI, wang, zhao, third=third)
    assert [(one.to and one.to.value, one.fate, one.reason) for one in found.reports] == [
        ("li@example.com", Fate.FAILED, Reason.RECIPIENT),
        ("wang@example.com", Fate.DELAYED, None),
        ("zhao@example.com", Fate.DELIVERED, None),
    ]
    assert {one.remote_id for one in found.reports} == {OURS}
    assert found.reports[0].detail == "5.1.1 smtp; 550 5.1.1 no such user"
    assert "forwarded" not in found.extra


def test_a_read_receipt_is_no_bounce_and_tells_that_it_was_read() -> None:
    found = standard(
        receipt=f"Final-Recipient: rfc822;li@example.com\r\nOriginal-Message-ID: {OURS}\r\n"
        "Disposition: manual-action/MDN-sent-manually; displayed\r\n"
    )
    assert (found.bounce, found.automatic) == (False, "read receipt")
    assert [(one.fate, one.remote_id) for one in found.reports] == [(Fate.READ, OURS)]
    assert OURS in found.thread.replies_to


@pytest.mark.parametrize(
    ("status", "diagnostic", "reason"),
    [
        ("5.1.10", "", Reason.RECIPIENT),
        ("5.2.1", "", Reason.RECIPIENT),
        ("5.2.2", "", Reason.SERVER),
        ("5.2.3", "", Reason.REQUEST),
        ("5.4.1", "", Reason.UNREACHABLE),
        ("5.7.1", "", Reason.REQUEST),
        ("", "550 5.1.1 unknown", Reason.RECIPIENT),
        ("5.0.0", "Mailbox not found", Reason.RECIPIENT),
        ("5.0.0", "收件人不存在", Reason.RECIPIENT),
        ("5.0.0", "we do not like you", Reason.SERVER),
    ],
)
def test_why_it_came_back(status: str, diagnostic: str, reason: Reason) -> None:
    assert bounces.reason(status, diagnostic) is reason


def test_a_report_on_mail_that_is_none_of_ours_tells_the_house_nothing_but_is_a_bounce() -> None:
    found = standard(LI, third=part("Message-ID: <x@elsewhere.example>\r\n", "text/rfc822-headers"))
    assert (found.bounce, found.reports) == (True, ())
    assert found.extra["undelivered"][0]["message_id"] == "<x@elsewhere.example>"


def test_a_report_to_an_address_with_a_token_is_tied_by_it() -> None:
    raw = (
        b"From: MAILER-DAEMON@mx.example\r\nTo: feedback+t0ken@office.example\r\nSubject: failure notice\r\n\r\n"
        b"<li@example.com>: user unknown"
    )
    [report] = draft(raw).reports
    assert (report.token, report.remote_id, report.to) == ("t0ken", None, Identity("email", "li@example.com"))


def test_no_mail_without_a_report_reports() -> None:
    found: Any = draft(
        b"From: li@example.com\r\nSubject: delivery failed?\r\n\r\nli@example.com was not reached"
    )
    assert (found.reports, found.bounce) == ((), False)


def test_a_report_of_hostile_length_is_read_in_bounded_time() -> None:
    body = "li@example.com failed\n" * 50_000
    assert len(bounced(body, "MAILER-DAEMON@mx.example", "failure notice").extra["undelivered"]) == 1
