"""What the web hook's door makes of a verified request."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import pytest

from connectors.contract import Answer, Answerer, Connector, Receiver, Request, Responder, Sender
from connectors.webhook import SPEC
from connectors.webhook.connector import WebhookConnector
from model.delivery import Message, Purpose
from model.envelope import Envelope
from model.failures import Malformed, PermanentFailure, Unverified
from tests.rigs import webhook as rig
from tests.rigs.tools import NOW, Workbench

Make = Callable[..., Any]


@pytest.fixture
async def bench() -> Any:
    async with Workbench() as opened:
        yield opened


@pytest.fixture
def make(bench: Workbench) -> Make:
    def build(**more: Any) -> Any:
        return SPEC.build(SPEC.settings.model_validate(rig.settings(**more)), bench.tools("hook"))

    return build


def post(event: Any, **headers: str) -> Request:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    body = event if isinstance(event, bytes) else json.dumps(event).encode()
    return Request(
        method="POST",
        path="/in/hook",
        headers={"content-type": "application/json", **named},
        body=body,
        remote="203.0.113.9",
        received_at=NOW,
    )


def envelopes(connector: WebhookConnector, request: Request) -> Sequence[Envelope]:
    return connector.receive(request).envelopes


def test_roles_follow_the_settings(make: Make) -> None:
    bare = make()
    assert isinstance(bare, Connector)
    assert isinstance(bare, Receiver)
    assert not isinstance(bare, Sender | Responder | Answerer)
    full = make(
        reply={"url": "https://chat.example/send"},
        respond={"body": {"text": "{{ message.text }}"}},
        answer_within=3,
        answer={"body": "success"},
    )
    for role in (Connector, Receiver, Sender, Responder, Answerer):
        assert isinstance(full, role)


def test_a_signed_event_is_one_envelope_with_the_providers_number(make: Make) -> None:
    connector, request = make(), rig.request(1)
    connector.verify(request)
    (envelope,) = envelopes(connector, request)
    assert envelope.source_id == "msg_1"
    assert envelope.account == "hook"
    assert envelope.raw == request.body
    assert envelope.meta == {"remote": "203.0.113.9"}


def test_a_redelivery_has_the_same_identity_and_another_event_under_its_number_has_not(make: Make) -> None:
    connector = make()
    (first,), (again,) = (envelopes(connector, one) for one in (rig.request(1), rig.request(1)))
    assert (first.source_id, first.fingerprint) == (again.source_id, again.fingerprint)
    spaced = rig.signed(json.dumps(rig.event(1), indent=2).encode(), "msg_1")
    (same,) = envelopes(connector, spaced)
    assert same.fingerprint == first.fingerprint
    (other,) = envelopes(connector, rig.signed(json.dumps(rig.event(2)).encode(), "msg_1"))
    assert other.source_id == first.source_id
    assert other.fingerprint != first.fingerprint


@pytest.mark.parametrize(
    ("scheme", "headers", "source_id"),
    [
        ({"scheme": "github", "secrets": ["s"]}, {"x_github_delivery": "72d3162e"}, "72d3162e"),
        ({"scheme": "shopify", "secrets": ["s"]}, {"x_shopify_webhook_id": "b54557e4"}, "b54557e4"),
        ({"scheme": "stripe", "secrets": ["s"]}, {}, "evt_1"),
    ],
)
def test_each_provider_has_its_own_number(
    make: Make, scheme: Any, headers: dict[str, str], source_id: str
) -> None:
    (envelope,) = envelopes(make(verify=scheme), post({"id": "evt_1"}, **headers))
    assert envelope.source_id == source_id


def test_the_identity_setting_comes_first_and_a_fresh_one_last(make: Make) -> None:
    none = {"scheme": "none"}
    event = {"uid": 7, "text": "a"}
    (named,) = envelopes(make(verify=none, identity="uid"), post(event))
    assert named.source_id == "7"
    (header,) = envelopes(make(verify=none, identity_header="X-Id"), post(event, x_id="h1"))
    assert header.source_id == "h1"
    connector = make(verify=none, identity="missing")
    (one,), (two,) = envelopes(connector, post(event)), envelopes(connector, post(event))
    assert one.source_id != two.source_id
    assert one.fingerprint == two.fingerprint
    (long,) = envelopes(make(verify=none, identity="uid"), post({"uid": "x" * 10_000}))
    assert len(long.source_id) == 71


def test_a_list_in_the_body_gives_an_envelope_for_each_event(make: Make) -> None:
    connector = make(events="entry[].messages[]", order="chat")
    body = {
        "entry": [
            {"messages": [{"id": "a", "chat": 1}, {"id": "b", "chat": 2}]},
            {"messages": [{"id": "c", "chat": 1}]},
        ]
    }
    found = envelopes(connector, post(body, webhook_id="msg_9"))
    assert [one.meta["part"] for one in found] == [0, 1, 2]
    assert [one.source_id for one in found] == ["msg_9#0", "msg_9#1", "msg_9#2"]
    assert [one.order_key for one in found] == ["hook:1", "hook:2", "hook:1"]
    assert len({one.fingerprint for one in found}) == 3
    assert all(one.raw == post(body).body for one in found)
    (alone,) = envelopes(connector, post({"entry": [{"messages": [{"id": "a", "chat": 1}]}]}))
    assert alone.fingerprint == found[0].fingerprint, "the single event, not the body around it"


def test_an_empty_list_is_answered_and_a_missing_one_is_malformed(make: Make) -> None:
    connector = make(events="entry", answer={"body": "success"})
    batch = connector.receive(post({"entry": []}))
    assert batch.envelopes == ()
    assert batch.response is not None
    assert batch.response.body == b"success"
    with pytest.raises(Malformed, match="events"):
        connector.receive(post({"other": 1}))


def test_a_form_is_an_event_too(make: Make) -> None:
    connector = make(verify={"scheme": "none"}, identity="id", member="payload")
    body = urlencode({"payload": '{"id": "p1"}'}).encode()
    (envelope,) = envelopes(connector, post(body, content_type="application/x-www-form-urlencoded"))
    assert envelope.source_id == "p1"
    assert envelope.media_type == "application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    "body",
    [
        b'{"a": "cut o',
        b"",
        b'{"a": NaN}',
        b'{"a": 1, "a": 2}',
        b"[" * 100_000,
        b'{"a": 1e999}',
        b'{"n": ' + b"9" * 5_000 + b"}",
        '{"a": "你"}'.encode("gb18030"),
    ],
)
def test_what_cannot_be_read_is_malformed(make: Make, body: bytes) -> None:
    with pytest.raises(Malformed):
        make().receive(post(body))


def test_ten_thousand_form_fields_are_malformed(make: Make) -> None:
    body = b"&".join(b"f%d=1" % n for n in range(10_000))
    with pytest.raises(Malformed, match="1000 fields"):
        make().receive(post(body, content_type="application/x-www-form-urlencoded"))


def test_a_question_by_get_is_echoed_when_its_token_is_ours(make: Make) -> None:
    connector = make(challenge={"query": "hub.challenge", "token": "a shared word"})
    ask = replace(
        post(b""), method="GET", query={"hub.challenge": "<b>42</b>", "hub.verify_token": "a shared word"}
    )
    connector.verify(ask)
    batch = connector.receive(ask)
    assert batch.envelopes == ()
    assert batch.response is not None
    assert batch.response.body == b"<b>42</b>"
    assert batch.response.headers["content-type"].startswith("text/plain")
    assert batch.response.headers["x-content-type-options"] == "nosniff"
    with pytest.raises(Unverified) as refused:
        connector.verify(replace(ask, query={"hub.challenge": "1", "hub.verify_token": "guess"}))
    assert "shared word" not in str(refused.value) + repr(connector._settings)


def test_a_question_in_the_body_is_echoed_only_when_verified(make: Make) -> None:
    connector = make(challenge={"body": "challenge"})
    ask = rig.signed(b'{"type": "url_verification", "challenge": "3eZb"}', "msg_0")
    connector.verify(ask)
    batch = connector.receive(ask)
    assert batch.response is not None
    assert batch.response.body == b"3eZb"
    assert batch.envelopes == ()
    assert len(envelopes(connector, rig.request(1))) == 1


def test_get_and_head_store_nothing(make: Make) -> None:
    for method, status in (("GET", 405), ("HEAD", 200)):
        ask = replace(post(b""), method=method)
        make().verify(ask)
        batch = make().receive(ask)
        assert batch.envelopes == ()
        assert batch.response is not None
        assert batch.response.status == status


def test_a_fixed_answer_is_given_once_the_event_is_stored(make: Make) -> None:
    connector = make(answer={"body": "success", "status": 200})
    response = connector.answer(rig.request(1), [Answer(reference="FB-1", status_url=None, repeat=False)])
    assert (response.status, response.body) == (200, b"success")


def acknowledgement(**more: Any) -> Message:
    values: dict[str, Any] = {"key": "k", "purpose": Purpose.ACKNOWLEDGEMENT, "reference": "FB-1", "to": None}
    return Message(**{**values, "text": "Received <1>.", **more})


def test_an_acknowledgement_rides_on_the_answer(make: Make) -> None:
    connector = make(respond={"body": {"msg": "{{ message.text }}", "n": 1}}, answer_within=3)
    response = connector.respond(rig.request(1), acknowledgement(text='He said "hi"\n'))
    assert json.loads(response.body) == {"msg": 'He said "hi"\n', "n": 1}
    assert response.headers["content-type"] == "application/json"
    xml = make(
        respond={
            "body": "<xml><To>{{ thread.user }}</To><C>{{ message.text }}</C></xml>",
            "media_type": "text/xml",
        },
        answer_within=3,
    )
    response = xml.respond(rig.request(1), acknowledgement(thread={"user": "</To>"}))
    assert response.body == b"<xml><To>&lt;/To&gt;</To><C>Received &lt;1&gt;.</C></xml>"


def test_a_template_that_lacks_a_value_fails_by_name_and_shows_none(make: Make) -> None:
    connector = make(respond={"body": "{{ thread.user }}"}, answer_within=3)
    with pytest.raises(PermanentFailure, match=r"respond\.body") as failed:
        connector.respond(rig.request(1), acknowledgement())
    assert "Received" not in str(failed.value)
