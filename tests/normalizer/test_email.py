"""The reader of mail: headers, structure and charsets as found in the wild; whatever comes, a draft comes out."""

from __future__ import annotations

import base64
import time
from datetime import UTC, datetime
from email.message import EmailMessage
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.draft import Draft, Identity
from model.failures import Malformed
from normalizer.contract import Source
from normalizer.readers.email import read

AT = datetime(2026, 11, 22, 8, tzinfo=UTC)
ARRIVED = datetime(2026, 11, 22, 7, 30, tzinfo=UTC)
OPTIONS = {"addresses": ["feedback@office.example"], "check_recipient": True}
HEAD = (
    b"From: Li Lei <li@example.com>\r\nTo: feedback@office.example\r\nSubject: Fridge\r\n"
    b"Message-ID: <one@example.com>\r\nDate: Sun, 22 Nov 2026 07:00:00 +0000\r\n"
)


def draft(raw: bytes, **more: Any) -> Draft:
    values: dict[str, Any] = {"media_type": "message/rfc822", "received_at": AT, "options": OPTIONS}
    return read(Source(raw=raw, **{**values, **more}))


def mail(body: bytes = b"Hello\r\n", kind: bytes = b"text/plain; charset=utf-8", extra: bytes = b"") -> bytes:
    return HEAD + extra + b"Content-Type: " + kind + b"\r\n\r\n" + body


def parts(*pieces: bytes, kind: bytes = b"multipart/mixed") -> bytes:
    body = b"".join(b"--b\r\n" + piece + b"\r\n" for piece in pieces) + b"--b--\r\n"
    return mail(body, kind + b'; boundary="b"')


def test_an_ordinary_mail() -> None:
    found = draft(mail("您好，冰箱不制冷。\r\n".encode(), extra=b"Reply-To: boss@example.com\r\n"))
    assert found.identities == (Identity("email", "li@example.com"),)
    assert found.reply_to == (Identity("email", "boss@example.com"), Identity("email", "li@example.com"))
    assert (found.name, found.subject, found.text) == ("Li Lei", "Fridge", "您好，冰箱不制冷。")
    assert found.thread.ids == ("<one@example.com>",)
    assert found.sent_at == datetime(2026, 11, 22, 7, tzinfo=UTC)
    assert found.envelope_to["message_id"] == "<one@example.com>"
    assert found.language == "zh" or found.language == "zh-CN"
    assert (found.automatic, found.bounce, found.mute, found.omissions) == (None, False, (), ())


def test_nothing_at_all_is_malformed() -> None:
    with pytest.raises(Malformed):
        draft(b" \r\n\r\n")


@pytest.mark.parametrize(
    ("label", "codec", "text"),
    [
        ("gb2312", "gb18030", "朱镕基 訂單 ㄅ €"),
        ("gb2312", "utf-8", "冰箱不制冷了"),
        ("GBK", "gb18030", "您好，请问发票何时寄出？"),
        ("utf-8", "gb18030", "投诉：冰箱不制冷，请尽快处理"),
        ("us-ascii", "gb18030", "投诉：冰箱不制冷，请尽快处理"),
        ("x-unknown-8bit", "utf-8", "冰箱"),
        ("no-such-charset", "gb18030", "投诉：冰箱不制冷，请尽快处理"),
        ("", "gb18030", "投诉：冰箱不制冷，请尽快处理"),
        ("big5", "big5hkscs", "冷氣機壞咗喺度"),
        ("big5", "cp950", "訂單編號"),
        ("iso-8859-1", "cp1252", "“Schöne Grüße” – 5 €"),
        ("us-ascii", "cp1252", "Schöne Grüße"),
        ("utf-8", "iso2022_jp", "テスト"),
        ("iso-2022-jp", "iso2022_jp", "テスト"),
        ("shift_jis", "cp932", "①テスト"),
        ("euc-kr", "cp949", "안녕하세요 똠방"),
        ("koi8-r", "koi8-r", "Здравствуйте"),
        ("unicode-1-1-utf-7", "utf-7", "Hi Mom -☺-!"),
        ("utf-8", "utf-16", "冰箱 fridge"),
        ("idna", "utf-8", "冰箱"),
        ("rot13", "ascii", "plain"),
    ],
)
def test_the_charset_chain(label: str, codec: str, text: str) -> None:
    kind = f'text/plain; charset="{label}"'.encode() if label else b"text/plain"
    found = draft(mail(base64.b64encode(text.encode(codec)), kind, b"Content-Transfer-Encoding: base64\r\n"))
    assert found.full_text == text
    assert found.omissions == ()


def test_a_few_broken_bytes_are_marked_and_do_not_change_the_charset() -> None:
    body = ("冰箱不制冷，请尽快处理。" * 20).encode()[:-1]
    found = draft(mail(body))
    assert found.full_text.startswith("冰箱不制冷")
    assert found.omissions == ("some characters could not be decoded",)


@pytest.mark.parametrize(
    ("raw", "subject"),
    [
        ("投诉：冰箱".encode("gb18030"), "投诉：冰箱"),
        ("投诉：冰箱".encode(), "投诉：冰箱"),
        (b"=?gb2312?B?" + base64.b64encode("镕基：投诉".encode("gb18030")) + b"?=", "镕基：投诉"),
        # Cut in the middle of a character, as many clients do.
        (b"=?utf-8?B?5oqV6K8=?=\r\n =?UTF-8?B?ieWGsOeusQ==?=", "投诉冰箱"),
        (b"=?utf-8?Q?a_b=C3=A9?= plain =?utf-8?q?c?=", "a bé plain c"),
        (b"=?x-nope?Q?abc?=", "abc"),
        (b"=?utf-8?B?not base64!?=", "??"),
        (b"=?utf-8*en?Q?tagged?=", "tagged"),
        (b"folded\r\n into two", "folded into two"),
        (b"with\x00control\x1b", "withcontrol"),
        (b"", ""),
    ],
)
def test_subjects(raw: bytes, subject: str) -> None:
    found = draft(mail().replace(b"Subject: Fridge", b"Subject: " + raw)).subject
    assert found == subject if subject != "??" else "\n" not in found


@pytest.mark.parametrize(
    ("field", "name", "address"),
    [
        ("Li Lei <Li@Example.com>", "Li Lei", "li@example.com"),
        ('"Lei, Li" <li@example.com>', "Lei, Li", "li@example.com"),
        ("li@example.com (Li Lei)", "Li Lei", "li@example.com"),
        ("=?utf-8?B?5p2O6Zu3?= <li@example.com>", "李雷", "li@example.com"),
        ('"=?gbk?B?wO7A1w==?=" <li@example.com>', "李雷", "li@example.com"),
        ("=?utf-8?Q?Lei=2C_Li_=3Cx=40y=3E?= <li@example.com>", "Lei, Li <x@y>", "li@example.com"),
        ("<li@example.com", "", "li@example.com"),
        ("li @ example . com", "", "li@example.com"),
        ("Group: Li <li@example.com>, b@example.com;", "Li", "li@example.com"),
        ("<@relay.example:li@example.com>", "", "li@example.com"),
        ('"a\\"b" <li@example.com>', 'a"b', "li@example.com"),
        ("li@客户.example", "", "li@xn--ubt06m.example"),
        ("root@localhost", "", "root@localhost"),
        ("Nobody", "Nobody", ""),
        ("", "", ""),
    ],
)
def test_senders(field: str, name: str, address: str) -> None:
    found = draft(mail().replace(b"From: Li Lei <li@example.com>", b"From: " + field.encode()))
    assert found.name == name
    assert [one.value for one in found.identities] == ([address] if address else [])


def test_a_raw_gbk_name_is_read_with_the_help_of_the_body() -> None:
    raw = mail("您好".encode("gbk"), b"text/plain; charset=gb2312")
    found = draft(raw.replace(b"Li Lei <", "李雷".encode("gbk") + b" <"))
    assert found.name == "李雷"


def test_without_from_the_sender_stands_in() -> None:
    found = draft(mail().replace(b"From: Li Lei <li@example.com>", b"Sender: wang@example.com"))
    assert found.identities == (Identity("email", "wang@example.com"),)


@pytest.mark.parametrize(
    ("date", "expected"),
    [
        (b"Sun, 22 Nov 2026 15:00:00 +0800", datetime(2026, 11, 22, 7, tzinfo=UTC)),
        (b"Sun, 22 Nov 2099 07:00:00 +0000", ARRIVED),
        (b"Thu, 01 Jan 1970 00:00:00 +0000", ARRIVED),
        (b"yesterday", ARRIVED),
        (b"", ARRIVED),
        (b"Sun, 22 Nov 2026 07:00:00 +9999", ARRIVED),
    ],
)
def test_a_date_that_cannot_be_true_gives_way_to_arrival(date: bytes, expected: datetime) -> None:
    raw = mail().replace(b"Sun, 22 Nov 2026 07:00:00 +0000", date)
    assert draft(raw, sent_at=ARRIVED).sent_at == expected


@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        (b'attachment; filename="a.pdf"', "a.pdf"),
        (b"attachment; filename*=utf-8''%E5%8F%91%E7%A5%A8.pdf", "发票.pdf"),
        (b"attachment; filename*=gb2312''%B7%A2%C6%B1.pdf", "发票.pdf"),
        (b"attachment; filename*0*=utf-8''%E5%8F%91; filename*1*=%E7%A5%A8; filename*2=.pdf", "发票.pdf"),
        (b'attachment; filename="=?gb2312?B?t6LGsS5wZGY=?="', "发票.pdf"),
        (b"attachment; filename==?UTF-8?B?5Y+R56WoLnBkZg==?=", "发票.pdf"),
        (b'attachment; filename="' + "发票.pdf".encode("gbk") + b'"', "发票.pdf"),
        (b'attachment; filename="../../etc/passwd\x00.pdf"', "passwd.pdf"),
        (b'attachment; filename="C:\\\\temp\\\\a.pdf"', "a.pdf"),
        (b"attachment; filename=two words.pdf; size=3", "two words.pdf"),
        (b"attachment", "attachment-1.pdf"),
    ],
)
def test_file_names(disposition: bytes, name: str) -> None:
    piece = b"Content-Type: application/pdf\r\nContent-Disposition: " + disposition + b"\r\n\r\nabc"
    (part,) = draft(parts(b"\r\ntext", piece)).parts
    assert part.filename == name
    assert part.data == b"abc"


@pytest.mark.parametrize(
    ("encoding", "body", "content"),
    [
        (b"base64", b"YWJj\r\n", b"abc"),
        (b"BASE64", b"YW\r\nJj!!", b"abc"),
        (b"base64", b"YWJjZ", b"abc"),
        (b"quoted-printable", b"a=3Db=\r\nc=zz", b"a=bc=zz"),
        (b"x-uuencode", b"begin 644 a\r\n#86)C\r\n`\r\nend\r\n", b"abc"),
        (b"8bit", b"a\xffb", b"a\xffb"),
        (b"nonsense", b"abc", b"abc"),
    ],
)
def test_transfer_encodings(encoding: bytes, body: bytes, content: bytes) -> None:
    piece = b"Content-Type: application/x\r\nContent-Transfer-Encoding: " + encoding + b"\r\n\r\n" + body
    assert draft(parts(b"\r\ntext", piece)).parts[0].data == content


def test_plain_text_is_preferred_unless_it_says_nothing() -> None:
    plain = b"Content-Type: text/plain\r\n\r\n%b"
    rich = b"Content-Type: text/html; charset=utf-8\r\n\r\n<p>The <b>whole</b> story and more of it, all told here</p>"
    kind = b"multipart/alternative"
    assert draft(parts(plain % b"Short story", rich, kind=kind)).text == "Short story"
    assert draft(parts(plain % b"  ", rich, kind=kind)).text.startswith("The whole story")
    dumb = plain % b"Your mail client does not support HTML."
    assert draft(parts(dumb, rich * 2, kind=kind)).text.startswith("The whole story")


def test_text_between_pictures_is_all_read() -> None:
    found = draft(
        parts(b"\r\nfirst", b"Content-Type: image/png\r\nContent-Disposition: inline\r\n\r\nP", b"\r\nsecond")
    )
    assert found.full_text.split() == ["first", "second"]
    assert len(found.parts) == 1


def test_html_is_made_readable_and_safe() -> None:
    html = (
        b"<html><head><style>p{}</style><title>t</title></head><body onload=x()><p>Dear &amp; all,</p>"
        b"<p>line<br>two</p><script>alert(1)</script><img src=cid:a@b alt=logo><img src=https://t.example/pixel.gif>"
        b'<a href="javascript:x()">bad</a><a href="https://ok.example">ok</a><form><input></form>'
        b'<div style="background:url(https://t.example/)">shown</div><iframe src=x></iframe></body></html>'
    )
    found = draft(mail(html, b"text/html"))
    assert found.text.split("\n") == ["Dear & all,", "", "line", "two", "", "badok", "shown"]
    assert found.html is not None
    assert 'src="cid:a@b"' in found.html
    for bad in ("script", "alert", "t.example", "javascript", "onload", "style", "form", "iframe"):
        assert bad not in found.html


def test_flowed_text_is_put_back_into_paragraphs() -> None:
    kind = b"text/plain; charset=utf-8; format=flowed; delsp=yes"
    assert draft(mail("您的冰箱 \r\n不制冷\r\n".encode(), kind)).text == "您的冰箱不制冷"
    kind = b"text/plain; format=flowed"
    body = b"one \r\ntwo\r\n stuffed\r\n> quoted \r\n> too\r\n-- \r\nLi\r\n"
    assert draft(mail(body, kind)).full_text == "one two\nstuffed\n> quoted too\n-- \nLi"


def test_a_forwarded_mail_is_a_file_and_speaks_where_the_outer_one_is_silent() -> None:
    inner = b"Content-Type: message/rfc822\r\n\r\nFrom: x@y.example\r\nSubject: inner/one\r\n\r\nInner words"
    spoken = draft(parts(b"\r\nLook at this", inner))
    assert (spoken.text, spoken.parts[0].filename) == ("Look at this", "inner one.eml")
    silent = draft(parts(b"\r\n", inner))
    assert silent.text == "Inner words"
    assert silent.identities == (Identity("email", "li@example.com"),)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (b"application/ms-tnef", "winmail.dat"),
        (b"application/pkcs7-mime; smime-type=enveloped-data", "S/MIME"),
    ],
)
def test_what_stays_shut_is_kept_and_said(kind: bytes, words: str) -> None:
    found = draft(parts(b"\r\ntext", b"Content-Type: " + kind + b"\r\n\r\nsealed"))
    assert found.parts[0].data == b"sealed"
    assert words in found.omissions[0]


def test_encrypted_mail_is_kept_and_said() -> None:
    found = draft(
        parts(
            b"Content-Type: application/pgp-encrypted\r\n\r\nVersion: 1",
            b"Content-Type: application/octet-stream\r\n\r\n-----BEGIN PGP MESSAGE-----",
            kind=b"multipart/encrypted",
        )
    )
    assert len(found.parts) == 2
    assert "encrypted" in found.omissions[0]
    assert "encrypted" in draft(mail(b"-----BEGIN PGP MESSAGE-----\r\nxx")).omissions[0]


def test_signed_mail_is_read_and_its_signature_is_a_file() -> None:
    found = draft(
        parts(
            b"\r\nsigned words", b"Content-Type: application/pgp-signature\r\n\r\nS", kind=b"multipart/signed"
        )
    )
    assert (found.text, found.parts[0].media_type) == ("signed words", "application/pgp-signature")


def test_ids_are_taken_from_among_rubbish() -> None:
    raw = mail(
        extra=b"In-Reply-To: your mail <b@x> of today\r\nReferences: <a@x>\r\n\t<a@x> junk <c d@x> <b@x>\r\n"
    )
    found = draft(raw.replace(b"<one@example.com>", b"(comment) <a b@c>"))
    assert found.thread.ids == ()
    assert found.thread.replies_to == ("<a@x>", "<b@x>")


def test_our_tokens_are_found_in_the_address_and_in_the_ids_we_made() -> None:
    mark = "a" * 26
    raw = mail(extra=f"In-Reply-To: <fb.{mark}.tok2en@office.example>\r\nReferences: <x@y>\r\n".encode())
    raw = raw.replace(b"To: feedback@", b"To: Feedback+TOK1EN@")
    assert draft(raw).thread.tokens == ("tok1en", "tok2en")


def test_references_of_ours_in_the_text_are_noted() -> None:
    found = draft(mail(b"About fb-261122-7K3FQ and FB-261122-7K3FQ, order AB-123456-9.\r\n"))
    assert found.thread.mentioned == ("FB-261122-7K3FQ",)
    narrow = draft(mail(b"About FB-261122-7K3FQ and XY-261122-7K3FQ\r\n"), options={"reference_prefix": "XY"})
    assert narrow.thread.mentioned == ("XY-261122-7K3FQ",)


def test_a_mail_that_was_cut_says_so() -> None:
    found = draft(mail(), meta={"truncated": True, "size": 99_000_000})
    assert "99000000" in found.omissions[0]


def test_reading_again_gives_the_same() -> None:
    raw = parts(b"\r\ntext", b"Content-Type: text/html\r\n\r\n<b>x</b>", b"Content-Type: image/png\r\n\r\nP")
    assert draft(raw) == draft(raw)


# What strangers do on purpose.


def nested(depth: int, kind: bytes = b"multipart/mixed") -> bytes:
    raw = b"Content-Type: text/plain\r\n\r\ndeep"
    for n in range(depth):
        raw = b"Content-Type: %b; boundary=b%d\r\n\r\n--b%d\r\n%b\r\n--b%d--" % (kind, n, n, raw, n)
    return HEAD + raw


@pytest.mark.parametrize(
    "raw",
    [
        nested(1000),
        HEAD + b"Content-Type: message/rfc822\r\n\r\n" * 2000,
        mail(b"--b\r\n\r\nx\r\n" * 5000, b"multipart/mixed; boundary=b"),
        HEAD + b"X: y\r\n" * 50_000 + b"\r\nbody",
        HEAD + b"X-Long: " + b"y" * 5_000_000 + b"\r\n\r\nbody",
        mail(b"<div>" * 100_000 + b"words", b"text/html"),
        mail(b"<table><tr><td>" * 3_000 + b"words", b"text/html"),
        mail(b"<" * 500_000, b"text/html"),
        mail(b"<script>" * 400_000, b"text/html"),
        mail(b"<!--" * 600_000, b"text/html"),
        mail((b" " * 1998 + b"\r\n") * 500),
        HEAD.replace(b"Li Lei <li@example.com>", b"x" * 60_000) + b"\r\nx",
        HEAD.replace(b"Li Lei", b'"\\"' * 30_000) + b"\r\nx",
        HEAD.replace(b"<one@example.com>", b"<" + b"@a" * 30_000) + b"\r\nx",
        HEAD.replace(b"Fridge", b"x\r\n " * 15_000) + b"\r\nx",
        mail(b"> " * 500_000),
        mail(b"-- \r\n" * 100_000),
        mail(b"On 1 Jan 2026 x wrote" * 50_000 + b":"),
        mail(b"From: a\r\nTo: b\r\n" * 50_000),
        mail(b" " * 1_000_000 + b"wrote:"),
        HEAD.replace(b"Li Lei", b"(" * 60_000) + b"\r\nx",
        HEAD.replace(b"Fridge", b"=?utf-8?B?" * 20_000) + b"\r\nx",
        HEAD.replace(b"Fridge", b"=?" * 50_000) + b"\r\nx",
        HEAD.replace(b"To: feedback", b"To: " + b"a@b.example, " * 30_000 + b"feedback") + b"\r\nx",
        mail(b"x", b"multipart/mixed; boundary=" + b"b" * 100_000),
        mail(b"x", b"text/plain; " + b"a*0*=x;" * 20_000),
        mail(b"begin 644 " * 100_000, extra=b"Content-Transfer-Encoding: x-uuencode\r\n"),
        mail(b"\r" * 500_000),
        mail("a\u0301".encode() * 100 + "\u0301".encode() * 200_000),
    ],
    ids=lambda raw: f"{len(raw)}-{raw[-12:]!r}",
)
def test_hostile_mails_are_read_in_bounded_time(raw: bytes) -> None:
    start = time.process_time()
    draft(raw)
    assert time.process_time() - start < 5


def test_parts_left_out_are_listed() -> None:
    assert "parts nested too deeply" in draft(nested(1000)).omissions
    assert (
        "too many parts" in draft(mail(b"--b\r\n\r\nx\r\n" * 5000, b"multipart/mixed; boundary=b")).omissions
    )


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=3000))
def test_any_bytes_are_a_draft(raw: bytes) -> None:
    try:
        draft(raw)
    except Malformed:
        assert not raw.strip()


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A real-looking mail with pieces cut, doubled and overwritten."""
    message = EmailMessage()
    message["From"], message["Subject"] = "李雷 <li@example.com>", "投诉"
    message.set_content("您好\n> quoted\n")
    message.add_alternative("<p>您好</p><blockquote>x</blockquote>", subtype="html")
    message.add_attachment(b"abc", maintype="image", subtype="png", filename="图.png")
    for n, part in enumerate(message.walk()):
        if part.is_multipart():
            part.set_boundary(f"b{n}")
    raw = bytearray(message.as_bytes())
    for _ in range(draw(st.integers(1, 8))):
        at, size = draw(st.integers(0, len(raw))), draw(st.integers(0, 40))
        piece = draw(
            st.sampled_from(
                [b"", b"\xff\xfe", b"\r\n\r\n", b"--", b'"', b"=?gbk?B?", b"<", raw[at : at + size]]
            )
        )
        raw[at : at + draw(st.integers(0, size))] = piece
    return bytes(raw)


@settings(max_examples=150, deadline=None)
@given(mutated())
def test_broken_mails_are_drafts_that_can_be_stored(raw: bytes) -> None:
    found = draft(raw)
    for text in (
        found.text,
        found.full_text,
        found.subject,
        found.name,
        *(part.filename for part in found.parts),
    ):
        text.encode()
        assert "\0" not in text
