"""What the form's door makes of a post."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from connectors.contract import Answerer, Connector, Receiver, Request, Sender
from connectors.form import SPEC
from connectors.form.connector import FormConnector
from model.envelope import Envelope
from model.failures import Malformed, Reason, TemporaryFailure
from tests.rigs import form as rig
from tests.rigs.tools import Workbench

MULTIPART = f"multipart/form-data; boundary={rig.BOUNDARY}"
Make = Callable[..., FormConnector]


@pytest.fixture
async def bench() -> Any:
    async with Workbench() as opened:
        yield opened


@pytest.fixture
def make(bench: Workbench) -> Make:
    def build(**more: Any) -> FormConnector:
        connector = SPEC.build(SPEC.settings.model_validate(rig.settings(**more)), bench.tools("form"))
        assert isinstance(connector, FormConnector)
        return connector

    return build


def only(connector: FormConnector, request: Request) -> Envelope:
    connector.verify(request)
    (envelope,) = connector.receive(request).envelopes
    assert isinstance(envelope, Envelope)
    return envelope


def message(text: str = "hello", **more: str) -> Request:
    return rig.post(json.dumps({"message": text, **more}).encode(), "application/json")


def test_it_has_the_roles_of_a_form(make: Make) -> None:
    connector = make()
    for role in (Connector, Receiver, Answerer, Sender):
        assert isinstance(connector, role)


@pytest.mark.parametrize("manner", ["json", "urlencoded", "multipart"])
def test_the_raw_body_is_kept_unchanged_with_its_whole_content_type(make: Make, manner: str) -> None:
    request = replace(rig.request(1, manner), query={"place": "hall 3"})
    envelope = only(make(), request)
    assert envelope.raw == request.body
    assert envelope.media_type == request.headers["content-type"]
    assert envelope.source_id == "form-1"
    assert envelope.account == "form"
    assert envelope.meta == {"remote": "203.0.113.7", "place": "hall 3"}
    assert envelope.hold is None


def test_the_same_form_gives_the_same_identity_however_it_is_encoded(make: Make) -> None:
    connector = make()
    json_form, urlencoded = only(connector, rig.request(1)), only(connector, rig.request(1, "urlencoded"))
    assert (json_form.source_id, json_form.fingerprint) == (urlencoded.source_id, urlencoded.fingerprint)


def test_a_boundary_is_transport_but_a_files_content_is_not(make: Make) -> None:
    connector = make()
    first = rig.request(1, "multipart")
    other = rig.post(
        first.body.replace(rig.BOUNDARY.encode(), b"another"), "multipart/form-data; boundary=another"
    )
    changed = replace(first, body=first.body.replace(b"pixels", b"Pixels"))
    prints = [only(connector, one).fingerprint for one in (first, other, changed)]
    assert prints[0] == prints[1] != prints[2]


def test_one_key_with_other_content_is_a_new_message(make: Make) -> None:
    connector = make()
    one, two = (only(connector, message(text, key="k")) for text in ("first", "second"))
    assert one.source_id == two.source_id == "k"
    assert one.fingerprint != two.fingerprint


def test_without_a_key_two_equal_forms_have_two_ids(make: Make) -> None:
    connector = make()
    one, two = only(connector, message()), only(connector, message())
    assert one.source_id != two.source_id
    assert one.fingerprint == two.fingerprint


@pytest.mark.parametrize("key", ["x" * 5_000, "a\x00b", "\udcff"])
def test_a_hostile_key_becomes_a_digest(make: Make, key: str) -> None:
    request = message()
    request = replace(request, headers={**request.headers, "idempotency-key": key})
    source_id = only(make(), request).source_id
    assert source_id.startswith("sha256:")
    assert len(source_id) == 71


def test_a_filled_honeypot_is_held_and_never_dropped(make: Make) -> None:
    envelope = only(make(), message(website="https://spam.example"))
    assert envelope.hold is not None
    assert "robot" in envelope.hold
    assert only(make(honeypot=None), message(website="mine")).hold is None


@pytest.mark.parametrize(
    ("request_", "told"),
    [
        (message(""), "the field message is empty"),
        (message(" \n"), "the field message is empty"),
        (rig.post(b'{"message": "hel', "application/json"), "line 1, column 13"),
        (rig.post(b'{"message": "a", "message": "b"}', "application/json"), "twice"),
        (rig.post(b'{"message": NaN}', "application/json"), "NaN"),
        (message("x" * 100_001), "longer than 100000 characters"),
        (rig.post(b"&".join([b"a=1"] * 10_000), "application/x-www-form-urlencoded"), "more than 200 fields"),
        (rig.post(rig.request(1, "multipart").body[:-30], MULTIPART), "cut off"),
        (rig.post(b"hello", "text/plain"), "content type"),
    ],
)
def test_what_cannot_be_read_is_malformed_with_the_place(make: Make, request_: Request, told: str) -> None:
    with pytest.raises(Malformed, match=told):
        make().receive(request_)


@pytest.mark.parametrize(
    ("limits", "files", "told"),
    [
        ({"count": 1}, [("f", "a.pdf", b"1"), ("f", "b.pdf", b"2")], "more than 1 files"),
        ({"bytes": 3}, [("f", "a.pdf", b"1234")], "larger than 3 bytes"),
        ({"types": [".pdf", "image/*"]}, [("f", "a.exe", b"1")], "none of the types"),
    ],
)
def test_files_beyond_the_limits_are_refused(
    make: Make, limits: dict[str, Any], files: list[tuple[str, str, bytes]], told: str
) -> None:
    request = rig.post(rig.multipart([("message", "see file")], files), MULTIPART)
    with pytest.raises(Malformed, match=told):
        make(files=limits).receive(request)


@pytest.mark.parametrize("types", [[], [".txt"], ["text/*"], ["text/plain"], [".pdf", ".TXT"]])
def test_files_within_the_limits_are_taken(make: Make, types: list[str]) -> None:
    request = rig.post(rig.multipart([("message", "see file")], [("f", "A.txt", b"1")]), MULTIPART)
    assert only(make(files={"types": types}), request)


def test_an_address_that_posts_too_often_is_told_when_to_come_back(make: Make, bench: Workbench) -> None:
    connector = make(rate={"per_minute": 6, "burst": 2})
    for _ in range(2):
        connector.receive(message())
    with pytest.raises(TemporaryFailure) as refused:
        connector.receive(message())
    assert refused.value.reason is Reason.THROTTLED
    assert refused.value.retry_after is not None
    connector.receive(replace(message(), remote="198.51.100.1"))
    bench.clock.advance(refused.value.retry_after.total_seconds())
    connector.receive(message())


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
def test_only_a_post_is_taken(make: Make, method: str) -> None:
    batch = make().receive(replace(message(), method=method))
    assert batch.envelopes == ()
    assert batch.response is not None
    assert (batch.response.status, batch.response.headers["allow"]) == (405, "POST, OPTIONS")


def test_a_listed_page_may_ask_and_read_and_others_get_no_leave(make: Make) -> None:
    connector = make(origins=["https://shop.example"])
    ask = replace(message(), method="OPTIONS", headers={"origin": "https://shop.example"})
    connector.verify(ask)
    response = connector.receive(ask).response
    assert response is not None
    assert response.status == 204
    assert response.headers["access-control-allow-origin"] == "https://shop.example"
    assert "idempotency-key" in response.headers["access-control-allow-headers"]
    other = connector.receive(replace(ask, headers={"origin": "https://evil.example"})).response
    assert other is not None
    assert other.headers == {}
