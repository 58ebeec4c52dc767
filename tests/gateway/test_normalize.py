"""Reading files as if they had come in: the identities a channel would give, and what would be quarantined."""

from __future__ import annotations

import time
from collections.abc import Callable

import orjson
import pytest

from connectors.email import identity
from connectors.webhook import WebhookSettings
from gateway.normalize import Files, line
from model.draft import Draft
from model.record import Record
from normalizer import catalog
from normalizer.contract import ReaderSpec, Source
from tests.rigs import form as form_rig

MAIL = b"""Received: from a by b; Tue, 3 Mar 2015 10:00:00 +0800\r
Date: Tue, 3 Mar 2015 09:59:00 +0800\r
From: =?utf-8?B?546L5bCP5piO?= <wang@example.com>\r
To: office@example.com\r
Subject: The lift\r
Message-ID: <1@example.com>\r
\r
It stands still.\r
"""


def email() -> Files:
    return Files("email", "email")


def test_a_record_has_the_canonical_shape_and_nothing_of_registration() -> None:
    (told,) = email().record(MAIL)
    read = Record.model_validate(orjson.loads(line(told)))
    assert (read.id, read.reference, read.contact.id, read.received_at) == (None, None, None, None)
    assert read.contact.name == "王小明"
    assert [one.value for one in read.contact.identities] == ["wang@example.com"]
    assert (read.channel.name, read.channel.kind) == ("email", "email")
    assert read.text == "It stands still."


def test_a_line_is_one_line() -> None:
    (told,) = email().record(MAIL.replace(b"stands still", b"stands\r\nstill"))
    assert line(told).count(b"\n") == 1


def test_an_old_mail_keeps_its_date() -> None:
    (told,) = email().record(MAIL)
    assert told["sent_at"].isoformat() == "2015-03-03T01:59:00+00:00"


def test_mail_without_a_message_id_is_known_by_its_fingerprint_as_the_channel_would_know_it() -> None:
    raw = MAIL.replace(b"Message-ID: <1@example.com>\r\n", b"")
    (told,) = email().record(raw)
    assert told["source_id"] == identity.envelope("office", raw).fingerprint
    assert email().record(MAIL)[0]["source_id"] == "<1@example.com>"


def test_the_same_file_gives_the_same_every_time() -> None:
    for files, raw in ((email(), MAIL), (Files("form", "form"), b'{"message": "x"}')):
        assert line(files.record(raw)[0]) == line(files.record(raw)[0])


@pytest.mark.parametrize("manner", ["json", "urlencoded", "multipart"])
def test_a_form_is_told_by_its_bytes(manner: str) -> None:
    (told,) = Files("form", "form").record(form_rig.request(1, manner).body)
    assert told["contact"]["name"] == "顾客 1"
    assert told["text"].startswith("The lift in house 1")
    assert [one["filename"] for one in told["attachments"]] == (
        ["photo-1.txt"] if manner == "multipart" else []
    )


def test_a_given_content_type_goes_before_the_guess() -> None:
    files = Files("form", "form", media_type="text/plain")
    assert "content type" in files.record(b'{"message": "x"}')[0]["error"]


def test_no_rate_limit_holds_files_back() -> None:
    files = Files("form", "form")
    told = [files.record(b'{"message": "%d"}' % n)[0] for n in range(200)]
    assert [one["text"] for one in told] == [str(n) for n in range(200)]


@pytest.mark.parametrize(
    ("kind", "raw"),
    [
        ("form", b"{broken"),
        ("form", b"name=a&message="),
        ("webhook", b"\xff\xfe"),
        ("email", b""),
        ("form", b""),
    ],
)
def test_what_would_be_quarantined_is_an_error_line(kind: str, raw: bytes) -> None:
    (told,) = Files(kind, kind).record(raw)
    assert list(told) == ["error"] and told["error"]


def test_a_deeply_nested_body_is_an_error_line() -> None:
    (told,) = Files("webhook", "webhook").record(b"[" * 200_000)
    assert list(told) == ["error"]


def test_the_channels_reading_options_apply_and_each_event_has_its_line() -> None:
    settings = WebhookSettings.model_validate(
        {
            "kind": "webhook",
            "verify": {"scheme": "none"},
            "events": "items",
            "identity": "no",
            "fields": {"text": "words"},
        }
    )
    files = Files("webhook", "hook", settings)
    told = files.record(b'{"items": [{"no": "1", "words": "a"}, {"no": "2", "words": "b"}]}')
    assert [(one["source_id"], one["text"]) for one in told] == [("1", "a"), ("2", "b")]
    assert told[0]["channel"] == {"name": "hook", "kind": "webhook"}
    assert files.record(b'{"items": []}') == [{"error": "there is no message in it"}]


def _broken(source: Source) -> Draft:
    raise KeyError("a customer's own words")


def _endless(source: Source) -> Draft:
    while True:
        time.monotonic()


def _deep(source: Source) -> Draft:
    return _deep(source)


def _half(source: Source) -> Draft:
    return Draft(text="\ud83d")


@pytest.mark.parametrize(
    ("read", "why"),
    [
        (_broken, "its reader failed: KeyError"),
        (_endless, "reading it took longer than 0.1 s"),
        (_deep, "too deep or too large to read (RecursionError)"),
        (_half, "its reader gave a text that is not Unicode"),
    ],
)
def test_a_reader_that_fails_costs_its_own_line_only(read: Callable[[Source], Draft], why: str) -> None:
    files = Files("form", "form", deadline=0.1)
    files._read = read
    assert files.record(b'{"message": "x"}') == [{"error": why}]
    files._read = None
    assert files.record(b'{"message": "x"}')[0]["text"] == "x"


def test_every_kind_with_a_reader_can_be_normalised() -> None:
    for spec in catalog.SPECS:
        assert isinstance(spec, ReaderSpec)
        assert isinstance(Files(spec.kind, spec.kind).record(b'{"message": "x", "text": "x"}')[0], dict)
