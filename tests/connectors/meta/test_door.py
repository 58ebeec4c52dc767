"""Meta's web hook: handshake, signature, batches."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from pywa import utils

from connectors import instagram, messenger, whatsapp
from connectors.contract import Request
from connectors.wire import graph as client
from model.failures import Malformed, Unverified
from tests.rigs import graph
from tests.rigs.tools import NOW, Workbench

SPECS = {"messenger": messenger.SPEC, "instagram": instagram.SPEC, "whatsapp": whatsapp.SPEC}
KINDS = tuple(SPECS)


@pytest.fixture
async def bench() -> AsyncIterator[Workbench]:
    async with Workbench() as bench:
        yield bench


def door(bench: Workbench, kind: str, **more: Any) -> Any:
    spec = SPECS[kind]
    return spec.build(spec.settings.model_validate(graph.settings(None, kind, **more)), bench.tools(kind))


def question(token: str = graph.VERIFY) -> Request:
    query = {"hub.mode": "subscribe", "hub.verify_token": token, "hub.challenge": "1158201444"}
    return Request(method="GET", path="/in/x", query=query, received_at=NOW)


@pytest.mark.parametrize("kind", KINDS)
async def test_the_handshake_echoes_the_challenge_to_whoever_knows_the_token(
    bench: Workbench, kind: str
) -> None:
    one = door(bench, kind)
    one.verify(question())
    batch = one.receive(question())
    assert (batch.response.status, batch.response.body, batch.envelopes) == (200, b"1158201444", ())
    with pytest.raises(Unverified):
        one.verify(question("guessed"))
    bare = Request(method="GET", path="/in/x", received_at=NOW)
    one.verify(bare)
    assert one.receive(bare).response.status == 405


async def test_a_signature_of_the_vendors_form_holds_over_the_raw_bytes(bench: Workbench) -> None:
    raw = b'{"object":"whatsapp_business_account","entry":[]}'
    mark = "sha256=5dab83dc79c7c0317844c60de42cb7cfc34c8e7abbe691c45dced64985a29939"
    assert graph.signature(raw) == mark
    assert utils.webhook_updates_validator(app_secret=graph.SECRET, request_body=raw, x_hub_signature=mark)
    one = door(bench, "whatsapp")
    request = graph.request("whatsapp", raw)
    one.verify(request)
    assert one.receive(request).response.status == 200  # a body with nothing in it is taken
    one.verify(replace(request, headers={"x-hub-signature-256": mark.upper().replace("SHA256", "sha256")}))
    for headers in (
        {},
        {"x-hub-signature": "sha1=ab"},
        {"x-hub-signature-256": mark[:-1] + "0"},
        {"x-hub-signature-256": "ä"},
    ):
        with pytest.raises(Unverified):
            one.verify(replace(request, headers=headers))
    # The same words, written in another way, are other bytes.
    escaped = graph.request("whatsapp", graph.body("whatsapp", graph.message("whatsapp", 1, "电梯")))
    one.verify(escaped)
    with pytest.raises(Unverified):
        one.verify(replace(escaped, body=escaped.body.decode("unicode_escape").encode()))


async def test_the_secret_before_the_last_reset_still_holds(bench: Workbench) -> None:
    request = graph.request(
        "messenger", graph.body("messenger", graph.message("messenger", 1)), "the old one"
    )
    with pytest.raises(Unverified):
        door(bench, "messenger").verify(request)
    door(bench, "messenger", earlier_app_secret="the old one").verify(request)


def test_the_proof_of_the_app_secret_is_that_of_the_vector() -> None:
    expected = "9162a68470d802fc1beedc6c15264797e05be8801ee2fbea4e109f38bd82aacc"
    assert client.proof(graph.SECRET, graph.TOKEN) == expected


@pytest.mark.parametrize("kind", KINDS)
async def test_a_batch_is_one_envelope_for_each_event_known_by_itself(bench: Workbench, kind: str) -> None:
    one = door(bench, kind)
    both = graph.body(kind, graph.message(kind, 1), graph.message(kind, 2))
    both["entry"].append(
        graph.body(kind, graph.message(kind, 3), account="42424242", id="42424242")["entry"][0]
    )
    found = one.receive(graph.request(kind, both)).envelopes
    assert [envelope.account for envelope in found] == [graph.ACCOUNTS[kind]] * 2 + ["42424242"]
    assert len({envelope.source_id for envelope in found}) == 3
    assert len({envelope.order_key for envelope in found}) == 3
    assert all(envelope.sent_at == NOW and envelope.raw == graph.written(both) for envelope in found)
    # Delivered again, in other company.
    (again,) = one.receive(graph.request(kind, graph.body(kind, graph.message(kind, 2)))).envelopes
    assert (again.source_id, again.fingerprint) == (found[1].source_id, found[1].fingerprint)
    assert one.answer(graph.request(kind, both), ()).status == 200


async def test_a_signed_address_that_changes_makes_no_new_message(bench: Workbench) -> None:
    one = door(bench, "messenger")

    def picture(url: str) -> Any:
        files = [{"type": "image", "payload": {"url": url}}]
        event = graph.message("messenger", 1, attachments=files)
        return one.receive(graph.request("messenger", graph.body("messenger", event))).envelopes[0]

    assert (
        picture("https://a.fbcdn.net/1?oh=1").fingerprint == picture("https://a.fbcdn.net/1?oh=2").fingerprint
    )


async def test_taking_a_message_back_is_another_event_with_the_same_number(bench: Workbench) -> None:
    one = door(bench, "instagram")
    event = graph.message("instagram", 1)
    gone = graph.happening("instagram", 1, message={"mid": event["message"]["mid"], "is_deleted": True})
    first, second = one.receive(graph.request("instagram", graph.body("instagram", event, gone))).envelopes
    assert first.source_id != second.source_id and first.order_key == second.order_key


async def test_statuses_of_one_message_are_events_of_their_own(bench: Workbench) -> None:
    states = [graph.status("wamid.1", what) for what in ("sent", "delivered", "read")]
    found = (
        door(bench, "whatsapp").receive(graph.request("whatsapp", graph.body("whatsapp", *states))).envelopes
    )
    assert [one.source_id for one in found] == ["wamid.1:sent", "wamid.1:delivered", "wamid.1:read"]


@pytest.mark.parametrize("raw", [b"", b"[]", b'{"entry": 5}', b"{", b'{"entry": []', b'"entry"'])
async def test_what_meta_never_posts_is_malformed(bench: Workbench, raw: bytes) -> None:
    with pytest.raises(Malformed):
        door(bench, "messenger").receive(graph.request("messenger", raw))
