"""Identity of a mail: the same however it travelled, never empty, for any bytes."""

from __future__ import annotations

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.email import identity

MAIL = (
    b"Received: from a by b;\r\n\tSun, 22 Nov 2026 00:00:00 +0000\r\nReturn-Path: <a@example.com>\r\n"
    b"X-Spam: no\r\nAuthentication-Results: mx; dmarc=pass\r\nFrom: a@example.com\r\n"
    b"Subject: a long\r\n subject\r\nMessage-ID: <one@example.com>\r\n\r\nHello\r\nthere\r\n"
)


def test_the_message_id_is_the_source_id() -> None:
    assert identity.envelope("us", MAIL).source_id == "<one@example.com>"


def test_transport_traces_folding_and_line_ends_change_nothing() -> None:
    travelled = (
        b"Delivered-To: us\nX-Virus: none\nARC-Seal: i=1\nFrom: a@example.com\nSubject: a long subject\n"
        b"Message-ID: <one@example.com>\n\nHello\nthere\n\n"
    )
    assert identity.envelope("us", travelled).fingerprint == identity.envelope("us", MAIL).fingerprint


def test_another_word_in_the_body_is_another_mail_under_the_same_id() -> None:
    other = identity.envelope("us", MAIL.replace(b"there", b"There"))
    assert other.source_id == "<one@example.com>"
    assert other.fingerprint != identity.envelope("us", MAIL).fingerprint


def test_without_a_message_id_or_with_rubbish_the_fingerprint_identifies() -> None:
    for line in (b"", b"Message-ID: (comment) <a b@c>\r\n", b"Message-ID: none\r\n"):
        found = identity.envelope("us", re.sub(rb"Message-ID:.*\r\n", line, MAIL))
        assert found.source_id == found.fingerprint


def test_replies_in_one_thread_share_an_order_key_and_a_first_mail_has_none() -> None:
    first = b"References: <root@x> <b@x>\r\n" + MAIL
    second = b"References: <root@x>\r\n <c@x>\r\n" + MAIL
    assert identity.envelope("us", MAIL).order_key is None
    assert identity.envelope("us", first).order_key == identity.envelope("us", second).order_key is not None


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=2000), st.lists(st.integers(1, 50), min_size=1, max_size=20))
def test_any_bytes_in_any_pieces_give_one_identity(raw: bytes, sizes: list[int]) -> None:
    whole = identity.envelope("us", raw)
    taken, position, turn = identity.Fingerprint(), 0, 0
    while position < len(raw):
        size = sizes[turn % len(sizes)]
        taken.feed(raw[position : position + size])
        position, turn = position + size, turn + 1
    assert taken.finish()[1] == whole.fingerprint
    assert whole.source_id
    assert "\0" not in whole.source_id
