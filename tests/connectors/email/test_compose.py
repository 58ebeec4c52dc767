"""Mail that we write: identity, threads that survive, marks of machines, and nothing slipped into headers."""

from __future__ import annotations

from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.email import compose
from connectors.email.format import line
from model.delivery import Message, OutgoingFile, Purpose, Quoted
from model.draft import Identity
from model.failures import PermanentFailure, Reason
from normalizer import quotes

AT = datetime(2026, 11, 22, tzinfo=UTC)
SENDER = compose.Sender(
    address="feedback@office.example",
    name="反馈办",
    own=frozenset({"info@office.example"}),
    plus_addressing=True,
)
LONG = "<DB9PR08MB7431" + "A" * 60 + "@DB9PR08MB7431.eurprd08.prod.outlook.com>"
THREAD = {
    "message_id": LONG,
    "references": ["<root@example.com>", "rubbish"],
    "subject": "Re: 回复: 投诉：冰箱",
}


def message(**more: Any) -> Message:
    values: dict[str, Any] = {
        "key": "reply-1",
        "purpose": Purpose.REPLY,
        "reference": "FB-261122-7K3FQ",
        "to": Identity("email", "li@example.com"),
        "name": "李雷",
        "text": "您好。\nWe are on it.",
        "thread": THREAD,
        "token": "abcdefgh2345",
    }
    return Message(**{**values, **more})


def composed(**more: Any) -> EmailMessage:
    data = compose.compose(message(**more), SENDER, AT).data
    return message_from_bytes(data, policy=policy.default)  # type: ignore[return-value]


def test_every_try_of_a_message_is_the_same_mail() -> None:
    first, second = (compose.compose(message(html="<p>x</p>"), SENDER, AT) for _ in range(2))
    assert first == second
    assert first.message_id.endswith(".abcdefgh2345@office.example>")
    assert compose.message_id("reply-2", "abcdefgh2345", "office.example") != first.message_id


def test_ids_that_do_not_fit_into_a_line_are_never_encoded() -> None:
    head = compose.compose(message(), SENDER, AT).data.partition(b"\r\n\r\n")[0]
    assert b"In-Reply-To: " + LONG.encode() + b"\r\n" in head + b"\r\n"
    assert b"References: <root@example.com>\r\n " + LONG.encode() + b"\r\n" in head + b"\r\n"
    assert max(map(len, head.replace(LONG.encode(), b"").split(b"\r\n"))) <= 78


def test_a_long_thread_keeps_its_root_and_its_end_within_bounds() -> None:
    chain = compose.references([f"<{n}-{'x' * 40}@example.com>" for n in range(60)], "<last@example.com>")
    assert chain[0].startswith("<0-")
    assert chain[-1] == "<last@example.com>"
    assert sum(len(one) + 3 for one in chain) <= compose.THREAD_BYTES


def test_the_subject_is_kept_with_one_re_before_it() -> None:
    assert composed()["Subject"] == "Re: 投诉：冰箱"
    assert composed(thread={}, subject="受理通知")["Subject"] == "受理通知"


def test_the_token_is_in_the_reply_address_and_in_the_id() -> None:
    mail = composed()
    assert "feedback+abcdefgh2345@office.example" in mail["Reply-To"]
    assert "abcdefgh2345" in mail["Message-ID"]


def test_automatic_mail_says_so_and_cannot_bounce() -> None:
    mail = composed(purpose=Purpose.ACKNOWLEDGEMENT, cc=("chef@example.com",))
    assert mail["Auto-Submitted"] == "auto-replied"
    assert mail["X-Auto-Response-Suppress"] == "All"
    assert mail["X-Forebay-Loop"] == "feedback@office.example"
    assert mail["Cc"] is None
    made = compose.compose(message(purpose=Purpose.ACKNOWLEDGEMENT), SENDER, AT)
    assert made.sender == ""
    kept = compose.Sender(address="feedback@office.example", null_sender=False)
    assert (
        compose.compose(message(purpose=Purpose.ACKNOWLEDGEMENT), kept, AT).sender
        == "feedback@office.example"
    )


def test_a_persons_answer_bears_no_mark_of_machines() -> None:
    mail = composed()
    assert not [name for name in mail if name.lower() in ("auto-submitted", "x-forebay-loop", "precedence")]
    assert compose.compose(message(), SENDER, AT).sender == "feedback@office.example"


def test_our_own_addresses_and_repeats_are_never_copied() -> None:
    made = compose.compose(
        message(
            cc=(
                "info@office.example",
                "Feedback@Office.example",
                "info+abc@office.example",
                "li@example.com",
                "wang@example.com",
                "bad",
            )
        ),
        SENDER,
        AT,
    )
    assert made.recipients == ("li@example.com", "wang@example.com")


QUOTED = Quoted(text="电梯坏了。\nIt has <stood> still.", name="李雷\r\nBcc: x", at=AT)


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_an_answer_quotes_what_it_answers_so_that_it_can_be_cut_off_again(language: str) -> None:
    mail = composed(quoted=QUOTED, html="<html><body><p>x</p></body></html>", language=language)
    text = mail.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    assert "> 电梯坏了。\r\n> It has <stood> still." in text
    assert quotes.trim(text).split() == ["您好。", "We", "are", "on", "it."]
    rich = mail.get_body(("html",)).get_content()  # type: ignore[union-attr]
    assert "<blockquote" in rich
    assert "&lt;stood&gt;" in rich
    assert rich.index("</blockquote>") < rich.index("</body>")


def test_automatic_mail_quotes_nothing() -> None:
    assert ">" not in composed(quoted=QUOTED, purpose=Purpose.ACKNOWLEDGEMENT).get_content()


def test_a_mail_for_one_copy_alone_is_the_same_mail_for_others() -> None:
    whole = compose.compose(message(cc=("wang@example.com", "zhao@example.com")), SENDER, AT)
    alone = compose.compose(
        message(cc=("wang@example.com", "zhao@example.com"), copy_to="zhao@example.com"), SENDER, AT
    )
    assert alone.recipients == ("zhao@example.com",)
    assert (alone.message_id, alone.data) == (whole.message_id, whole.data)


def test_a_local_part_beyond_ascii_stays_as_it_is() -> None:
    made = compose.compose(message(to=Identity("email", "李雷@example.com")), SENDER, AT)
    assert made.utf8
    assert made.recipients == ("李雷@example.com",)
    assert "<李雷@example.com>".encode() in made.data
    assert not compose.compose(message(cc=("王@example.com",)), SENDER, AT, ascii_only=True).utf8


def test_text_html_and_files_arrive_whole() -> None:
    file = OutgoingFile("../发票\r\n2026.pdf", "application/pdf", 3, "", b"\x00pdf")
    mail = composed(html="<p>您好</p>", files=(file,))
    assert mail.get_body(("plain",)).get_content().split() == ["您好。", "We", "are", "on", "it."]  # type: ignore[union-attr]
    assert mail.get_body(("html",)).get_content().strip() == "<p>您好</p>"  # type: ignore[union-attr]
    (part,) = mail.iter_attachments()
    assert part.get_filename() == "发票 2026.pdf"
    assert part.get_content() == b"\x00pdf"


@pytest.mark.parametrize("media_type", ["multipart/mixed", "message/rfc822", "nonsense", "a/b\r\nBcc: x", ""])
def test_a_file_of_no_plain_media_type_goes_as_bytes(media_type: str) -> None:
    (part,) = composed(files=(OutgoingFile("x", media_type, 1, "", b"1"),)).iter_attachments()
    assert part.get_content_type() == "application/octet-stream"


def test_everything_goes_in_seven_bits_and_short_lines() -> None:
    data = compose.compose(message(text="长" * 5000 + "\n" + "x" * 5000, html="<p>ü</p>"), SENDER, AT).data
    assert data.isascii()
    assert max(map(len, data.split(b"\r\n"))) <= 998


@pytest.mark.parametrize(
    "to",
    [
        None,
        "nobody",
        "a@b@c",
        "a b@example.com",
        "a@example.com\r\nBcc: x@y",
        "李,x@example.com",
        "李,x@example.com",
        "a@-",
    ],
)
def test_an_address_that_no_server_takes_is_a_permanent_failure(to: str | None) -> None:
    with pytest.raises(PermanentFailure) as failed:
        compose.compose(message(to=None if to is None else Identity("email", to)), SENDER, AT)
    assert failed.value.reason is Reason.RECIPIENT


def test_an_international_domain_goes_in_its_ascii_form() -> None:
    made = compose.compose(message(to=Identity("email", "li@客户.example")), SENDER, AT)
    assert made.recipients == ("li@xn--ubt06m.example",)


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=200), st.text(max_size=200), st.text(max_size=60), st.text(max_size=60))
def test_nothing_a_stranger_wrote_becomes_a_header_field(
    name: str, subject: str, file: str, id_: str
) -> None:
    made = compose.compose(
        message(
            name=name,
            thread={
                "subject": f"x\r\nBcc: evil@example.com{subject}",
                "message_id": id_,
                "references": [id_],
            },
            subject=subject,
            token=id_,
            language=id_,
            files=(OutgoingFile(file, "text/plain", 1, "", b"1"),),
        ),
        SENDER,
        AT,
    )
    known = {
        "from", "to", "subject", "date", "message-id", "in-reply-to", "references", "reply-to", "mime-version",
        "content-type", "content-language",
    }  # fmt: skip
    mail = message_from_bytes(made.data, policy=policy.default)
    assert {name.lower() for name in mail.keys()} <= known  # noqa: SIM118
    assert made.recipients == ("li@example.com",)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=120), st.text(max_size=300), st.text(max_size=150), st.text(max_size=600))
def test_an_independent_parser_reads_back_what_was_meant(
    name: str, subject: str, file: str, text: str
) -> None:
    attached = OutgoingFile(file, "text/plain", 1, "", b"1")
    made = compose.compose(
        message(name=name, subject=subject, thread={}, text=text, files=(attached,), html=f"<p>{name}</p>"),
        SENDER,
        AT,
    )
    assert made.data.isascii()
    assert max(map(len, made.data.split(b"\r\n"))) <= 998
    assert b"\n" not in made.data.replace(b"\r\n", b"")
    mail = message_from_bytes(made.data, policy=policy.default)
    assert str(mail["Subject"]).split() == line(subject, compose.SUBJECT_LIMIT).split()
    (to,) = mail["To"].addresses
    assert to.addr_spec == "li@example.com"
    # The parser puts a blank between encoded words of a name, against RFC 2047 §6.2.
    assert "".join(to.display_name.split()) == "".join(line(name, compose.NAME_LIMIT).split())
    plain = mail.get_body(("plain",)).get_payload(decode=True).decode()  # type: ignore[attr-defined]
    want = text.replace("\0", "").replace("\r\n", "\n").replace("\r", "\n")
    assert plain.replace("\r\n", "\n").rstrip("\n") == want.encode("utf-8", "replace").decode().rstrip("\n")
    (part,) = mail.iter_attachments()  # type: ignore[attr-defined]
    assert part.get_filename()
