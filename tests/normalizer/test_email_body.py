"""What of a mail is read, what is a file, and what is said about the rest: nothing goes missing in between."""

from __future__ import annotations

import base64
import binascii

import pytest

from normalizer import invitation, rtf, unpack
from tests.normalizer.mails import (
    HEAD,
    draft,
    encrypted,
    mail,
    mixed,
    multipart,
    part,
    signed,
    winmail,
)

B64 = "Content-Transfer-Encoding: base64\r\n"
PICTURE = part(b"GIF89a", "image/gif; name=a.gif")
INVITE = (
    "BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\nSUMMARY:Visit\\, at last\r\n"
    "DTSTART;TZID=Asia/Shanghai:20261122T090000\r\nDTEND:20261122T020000Z\r\nLOCATION:3 Main\r\n  Street\r\n"
    "ORGANIZER;CN=Li:mailto:li@example.com\r\nATTENDEE;PARTSTAT=ACCEPTED:mailto:wang@example.com\r\n"
    "BEGIN:VALARM\r\nDESCRIPTION:Wake up\r\nEND:VALARM\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
)


def encode(data: bytes) -> bytes:
    return base64.encodebytes(data).replace(b"\n", b"\r\n")


def names(raw: bytes) -> list[str]:
    return [one.filename for one in draft(raw).parts]


def test_text_appended_by_a_list_is_a_file_and_no_words_of_the_customer() -> None:
    found = draft(mixed(part("My fridge."), part("_____\r\nThis list is run by robots.")))
    assert (found.text, found.full_text) == ("My fridge.", "My fridge.")
    assert [(one.filename, one.data) for one in found.parts] == [
        ("attachment-1.txt", b"_____\nThis list is run by robots.")
    ]


def test_text_goes_on_after_a_picture() -> None:
    assert draft(mixed(part("See here:"), PICTURE, part("And here."))).full_text == "See here:\nAnd here."


def test_a_text_without_name_can_be_read_as_a_file_whatever_its_charset() -> None:
    found = draft(mixed(part("您好"), part("第二段".encode("gbk"), "text/plain; charset=gbk")))
    assert found.parts[0].data == "第二段".encode()


def test_an_empty_first_text_gives_way_to_the_next() -> None:
    assert draft(mixed(part("\r\n"), part("<p>Hello</p>", "text/html"))).full_text == "Hello"


def test_a_uuencoded_file_in_the_text_is_a_file_and_prose_is_not() -> None:
    data = bytes(range(200))
    lines = b"".join(binascii.b2a_uu(data[i : i + 45]) for i in range(0, 200, 45)).decode()
    found = draft(mail(f"Please begin 644 things.\n\nbegin 644 a.pdf\n{lines}`\nend\nThank you\n".encode()))
    assert [(one.filename, one.media_type, one.data) for one in found.parts] == [
        ("a.pdf", "application/pdf", data)
    ]
    assert found.text.split() == ["Please", "begin", "644", "things.", "Thank", "you"]
    assert names(mail(b"begin 644 nothing\nof the kind\nend\n")) == []


def test_an_outlook_container_is_unpacked() -> None:
    packed = winmail("我的冰箱", ("订单.pdf", b"%PDF-1\0\0"), ("b.jpg", b"\xff\xd8"))
    kind = 'application/ms-tnef; name="winmail.dat"'
    found = draft(mixed(part(""), part(encode(packed), kind, B64)))
    assert [(one.filename, one.media_type, one.data) for one in found.parts] == [
        ("订单.pdf", "application/pdf", b"%PDF-1\0\0"),
        ("b.jpg", "image/jpeg", b"\xff\xd8"),
    ]
    assert found.full_text == "我的冰箱"
    assert found.omissions == ()


def test_text_beside_an_outlook_container_is_read_once() -> None:
    packed = winmail("The same.", ("a.pdf", b"%PDF"))
    assert (
        draft(mixed(part("The same."), part(encode(packed), "application/ms-tnef", B64))).full_text
        == "The same."
    )


@pytest.mark.parametrize(
    "packed", [b"", b"x" * 100, winmail("", ("a", b"1"))[:40], b"\x78\x9f\x3e\x22" + b"\1\0" * 40_000]
)
def test_a_broken_outlook_container_is_kept(packed: bytes) -> None:
    found = draft(mixed(part("Hello"), part(encode(packed), 'application/ms-tnef; name="winmail.dat"', B64)))
    assert [one.filename for one in found.parts] == ["winmail.dat"]
    assert "an Outlook container (winmail.dat) is kept unopened" in found.omissions


def test_packed_rich_text_is_read() -> None:
    # The example of MS-OXRTFCP §3.1.
    packed = bytes.fromhex(
        "2d0000002b0000004c5a4675f1c5c7a703000a007263706731323542320af32068656c090020627705b06c647d0a800fa0"
    )
    assert rtf.unpack(packed) == b"{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n"
    assert rtf.to_text(rtf.unpack(packed) or b"") == "hello world"
    chinese = (
        rb"{\rtf1\ansicpg936{\fonttbl{\f0 Arial;}}{\*\generator x;}\f0 \'c4\'fa\'ba\'c3\par \u20320? two}"
    )
    assert rtf.to_text(chinese) == "您好\n你 two"
    assert rtf.unpack(b"short") is None


def test_a_mail_signed_in_one_piece_is_opened() -> None:
    inner = b"Content-Type: text/plain; charset=utf-8\r\n\r\n" + "我的冰箱".encode()
    kind = "application/pkcs7-mime; smime-type=signed-data; name=smime.p7m"
    found = draft(mail(encode(signed(inner)), kind, B64))
    assert (found.full_text, found.extra["signed"], found.omissions) == ("我的冰箱", "S/MIME", ())
    assert [one.filename for one in found.parts] == ["smime.p7m"]


def test_signatures_around_signatures_are_bounded() -> None:
    inner = b"Content-Type: text/plain\r\n\r\nHello"
    kind = b"Content-Type: application/pkcs7-mime\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    for _ in range(8):
        inner = kind + encode(signed(inner))
    found = draft(HEAD + inner)
    assert "S/MIME content is kept unopened" in found.omissions


def test_encrypted_mail_is_kept_and_marked() -> None:
    found = draft(mail(encode(encrypted()), "application/pkcs7-mime; name=smime.p7m", B64))
    assert (found.extra["encrypted"], found.omissions) == ("S/MIME", ("S/MIME content is kept unopened",))
    assert unpack.cms(b"\x30\x80" * 2000).kind == "unknown"
    raw = mixed(part("Version: 1", "application/pgp-encrypted"), part("x", "application/octet-stream"),
                kind='multipart/encrypted; protocol="application/pgp-encrypted"')  # fmt: skip
    assert draft(raw).extra["encrypted"] == "PGP"


def test_text_signed_by_pgp_is_read_without_its_armour() -> None:
    body = (
        b"-----BEGIN PGP SIGNED MESSAGE-----\r\nHash: SHA256\r\n\r\nMy fridge.\r\n- -- \r\nLi\r\n"
        b"-----BEGIN PGP SIGNATURE-----\r\nabc\r\n-----END PGP SIGNATURE-----\r\n"
    )
    found = draft(mail(body))
    assert (found.text, found.extra["signed"]) == ("My fridge.", "PGP")


def test_an_invitation_is_told_in_words() -> None:
    found = draft(mail(INVITE.encode(), "text/calendar; method=REQUEST; charset=utf-8"))
    assert found.full_text.split("\n") == [
        "Invitation: Visit, at last",
        "2026-11-22 09:00 (Asia/Shanghai) – 2026-11-22 02:00 UTC",
        "3 Main Street",
        "li@example.com",
    ]
    assert found.extra["calendar"][0]["attendees"] == ["wang@example.com (accepted)"]
    assert [one.filename for one in found.parts] == ["attachment-1.ics"]


def test_an_invitation_beside_text_is_a_file_and_a_field() -> None:
    found = draft(mixed(part("Please come"), part(INVITE, "text/calendar"), kind="multipart/alternative"))
    assert (found.full_text, found.extra["calendar"][0]["summary"]) == ("Please come", "Visit, at last")
    assert invitation.read("BEGIN:VEVENT\n" + "A" + ";" * 5000 + "\n") == {}


def test_a_forwarded_mail_is_told_of_and_read_where_nothing_else_is_said() -> None:
    inner = b"From: Wang <wang@example.com>\r\nSubject: =?utf-8?B?5Yaw566x?=\r\n\r\nIt is broken."
    found = draft(mixed(part("See below."), part(inner, "message/rfc822")))
    assert found.full_text == "See below."
    assert found.extra["forwarded"] == [
        {"from": "wang@example.com", "name": "Wang", "subject": "冰箱", "text": "It is broken."}
    ]
    assert draft(mixed(part(inner, "message/rfc822"))).full_text == "It is broken."


@pytest.mark.parametrize(
    ("encoding", "body", "note"),
    [
        ("base64", b"SGVsbG8sIHRoaXMgaXMgY3V0IG9", "a.bin: its end is missing"),
        ("base64", b"\xff\xff", "a.bin: its transfer encoding cannot be undone; it is kept as it came"),
        ("x-zip", b"abc", "a.bin: its transfer encoding is not known; it is kept as it came"),
    ],
)
def test_what_cannot_be_undone_is_kept_and_said(encoding: str, body: bytes, note: str) -> None:
    extra = f"Content-Transfer-Encoding: {encoding}\r\n"
    found = draft(mixed(part("Hello"), part(body, "application/octet-stream; name=a.bin", extra)))
    assert found.parts[0].data
    assert found.omissions == (note,)


def test_joined_base64_is_read_on_after_its_padding() -> None:
    found = draft(mail(b"SGVsbG8=\r\nIHdvcmxk\r\n", extra=B64))
    assert (found.full_text, found.omissions) == ("Hello world", ())


def test_a_text_beyond_all_measure_is_cut_and_kept_whole() -> None:
    found = draft(mail(b"word " * 500_000))
    assert len(found.full_text) <= 2_000_000
    assert isinstance(found.parts[0].data, bytes) and len(found.parts[0].data) == 2_500_000
    assert "only the first 2000000 characters" in found.omissions[0]


def test_a_stray_line_of_the_header_is_said() -> None:
    found = draft(b"From: li@example.com\r\nwhat is this\r\nSubject: x\r\n\r\nbody")
    assert (found.subject, found.full_text) == ("x", "body")
    assert found.omissions == ("a line of the header that is no field was passed over",)


def test_a_thousand_nested_parts_are_read_without_end() -> None:
    body, kind = b"the core", "text/plain"
    for i in range(1000):
        body, kind = multipart(part(body, kind), mark=f"m{i}x")
    found = draft(mail(body, kind))
    assert "the core" in found.full_text
    assert "parts nested too deeply" in found.omissions


def test_a_file_left_at_its_sender_is_said() -> None:
    found = draft(mixed(part("Hello"), part("Content-Type: image/gif\r\n\r\n", "message/external-body")))
    assert "a file was left at its sender" in found.omissions[0]
