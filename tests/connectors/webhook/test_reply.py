"""Replies into the source: against a sink that counts what it took and checks signatures on its own."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import pytest

from connectors.webhook import SPEC
from model.delivery import Message, OutgoingFile, Purpose
from model.draft import Identity
from model.failures import PermanentFailure, Reason, TemporaryFailure, Uncertain
from tests.rigs import webhook as rig
from tests.rigs.http import Drop, Hang, Refuse, Sink
from tests.rigs.tools import NOW, Workbench

Make = Callable[..., Any]


@pytest.fixture
async def bench() -> Any:
    async with Workbench() as opened:
        yield opened


@pytest.fixture
async def sink() -> Any:
    async with Sink() as opened:
        yield opened


@pytest.fixture
def make(bench: Workbench, sink: Sink) -> Make:
    def build(**reply: Any) -> Any:
        settings = rig.settings(sink)
        settings["reply"].update(reply)
        return SPEC.build(SPEC.settings.model_validate(settings), bench.tools("hook"))

    return build


def message(key: str = "k1", **more: Any) -> Message:
    values: dict[str, Any] = {
        "purpose": Purpose.REPLY,
        "reference": "FB-1",
        "to": Identity("user", "u1"),
        "text": '说 "你好"\n</b>',
        "thread": {"conversation": "chat-7"},
    }
    return Message(key=key, **{**values, **more})


async def test_a_reply_reaches_the_same_conversation_signed_and_tells_its_number(
    make: Make, sink: Sink
) -> None:
    receipt = await make().send(message())
    assert (receipt.remote_id, receipt.accepted_at) == ("T-1", NOW)
    (got,) = sink.requests
    assert got.json() == {"chat": "chat-7", "text": '说 "你好"\n</b>'}
    assert got.headers["idempotency-key"] == got.headers["webhook-id"] == "k1"
    assert sink.forged == 0


async def test_a_second_try_is_recognised_at_the_far_side(make: Make, sink: Sink, bench: Workbench) -> None:
    connector = make()
    sink.next(Drop())
    with pytest.raises(Uncertain):
        await connector.send(message())
    bench.clock.advance(60)
    receipt = await connector.send(message())
    assert receipt.remote_id == "T-1"
    assert (len(sink.tickets), sink.tries["k1"]) == (1, 2)


@pytest.mark.parametrize(
    ("behaviour", "failure", "reason"),
    [
        (Refuse(401), TemporaryFailure, Reason.AUTH),
        (Refuse(404), TemporaryFailure, Reason.CONFIG),
        (Refuse(429, {"Retry-After": "7"}), TemporaryFailure, Reason.THROTTLED),
        (Refuse(500), TemporaryFailure, Reason.SERVER),
        (Refuse(302, {"Location": "http://127.0.0.1:1/"}), TemporaryFailure, Reason.CONFIG),
        (Refuse(422), PermanentFailure, Reason.REQUEST),
    ],
)
async def test_a_refusal_is_a_failure_with_its_reason(
    make: Make, sink: Sink, behaviour: Refuse, failure: type[Any], reason: Reason
) -> None:
    sink.next(behaviour)
    with pytest.raises(failure) as failed:
        await make().send(message())
    assert failed.value.reason is reason
    assert "你好" not in str(failed.value)
    if behaviour.status == 429:
        assert failed.value.retry_after.total_seconds() == 7


async def test_silence_after_the_request_is_uncertain_and_a_closed_port_is_not(
    make: Make, sink: Sink
) -> None:
    sink.next(Hang())
    with pytest.raises(Uncertain):
        await make(timeout=0.2).send(message())
    with pytest.raises(TemporaryFailure) as failed:
        await make(url="http://127.0.0.1:1/").send(message())
    assert failed.value.reason is Reason.UNREACHABLE


async def test_an_error_inside_a_2xx_answer_is_no_success(make: Make, sink: Sink) -> None:
    connector = make(success="errcode == `0`", remote_id="msgid")
    sink.next(Refuse(200, body='{"errcode": 40001, "errmsg": "invalid"}'))
    with pytest.raises(TemporaryFailure, match="success"):
        await connector.send(message())
    sink.next(Refuse(200, body="<html>"))
    with pytest.raises(Uncertain):
        await connector.send(message())
    sink.next(Refuse(200, body='{"errcode": 0, "msgid": 99}'))
    assert (await connector.send(message())).remote_id == "99"


async def test_a_taken_reply_without_a_readable_number_stays_taken(make: Make, sink: Sink) -> None:
    sink.next(Refuse(200, body="ok"))
    assert (await make().send(message())).remote_id == "k1"


async def test_values_in_an_address_cannot_change_its_path(make: Make, sink: Sink) -> None:
    connector = make(url=sink.url + "/{{ thread.conversation }}/send", allow_hosts=["127.0.0.1"])
    await connector.send(message(thread={"conversation": "../a?b=c#d/é"}))
    assert [unquote(one) for one in sink.requests[0].path.split("/")] == ["", "hook", "../a?b=c#d/é", "send"]
    assert "?" not in sink.requests[0].path
    with pytest.raises(PermanentFailure):
        await connector.send(message(thread={"conversation": ".."}))
    sink.next(Refuse(404))
    with pytest.raises(PermanentFailure) as failed:
        await connector.send(message())
    assert failed.value.reason is Reason.RECIPIENT, "one missing chat must not stop the channel"


async def test_an_address_that_data_chose_must_be_public_unless_its_host_is_listed(
    make: Make, sink: Sink, bench: Workbench
) -> None:
    connector = make(url="{{ thread.answer_to | safe }}")
    with pytest.raises(PermanentFailure):
        await connector.send(message(thread={"answer_to": sink.url, "conversation": "c"}))
    assert bench.http.public_only_urls == [sink.url]
    assert sink.requests == []
    listed = make(url="{{ thread.answer_to | safe }}", allow_hosts=["127.0.0.1"])
    await listed.send(message(thread={"answer_to": sink.url, "conversation": "c"}))
    for bad in ("file:///etc/passwd", "javascript:1", "", "http://"):
        with pytest.raises(PermanentFailure):
            await listed.send(message(thread={"answer_to": bad, "conversation": "c"}))


async def test_a_value_in_a_header_cannot_bring_a_header(make: Make, sink: Sink) -> None:
    headers = {"X-Name": "{{ message.name }}", "Authorization": "Bearer s3cret"}
    await make(headers=headers).send(message(name="Li\r\nX-Evil: 1\x00"))
    got = sink.requests[0].headers
    assert got["x-name"] == "Li X-Evil: 1"
    assert got["authorization"] == "Bearer s3cret"
    assert "x-evil" not in got


async def test_a_text_in_the_body_is_never_run_as_a_template(make: Make, sink: Sink) -> None:
    await make().send(message(text="{{ 7 * 7 }} {% raw %}"))
    assert sink.requests[0].json()["text"] == "{{ 7 * 7 }} {% raw %}"


@pytest.mark.parametrize(
    "template",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ message.__init__.__globals__ }}",
        "{{ thread.missing }}",
        "{{ 1 / 0 }}",
        "{{ range(10**9) | list }}",
        "{{ thread.update({'a': 1}) }}",
    ],
)
async def test_a_template_that_fails_is_this_messages_failure_and_shows_no_value(
    make: Make, sink: Sink, template: str
) -> None:
    with pytest.raises(PermanentFailure, match=r"reply\.body") as failed:
        await make(body=template).send(message())
    assert "你好" not in str(failed.value)
    assert sink.requests == []


async def test_files_can_ride_along(make: Make, sink: Sink) -> None:
    body = {"files": ["{{ message.files[0].filename }}", "{{ message.files[0].base64 }}"]}
    file = OutgoingFile("a.txt", "text/plain", 3, "0" * 64, b"abc")
    await make(body=body).send(message(files=(file,)))
    assert sink.requests[0].json() == {"files": ["a.txt", "YWJj"]}


async def test_a_plain_hmac_signs_the_body(make: Make, bench: Workbench) -> None:
    signature = {"scheme": "hmac", "secret": "k", "header": "X-Sign", "prefix": "sha256="}
    async with Sink(secret=None) as sink:
        await make(url=sink.url, signature=signature).send(message())
        (got,) = sink.requests
        assert got.headers["x-sign"] == "sha256=" + hmac.new(b"k", got.body, hashlib.sha256).hexdigest()


async def test_a_probe_asks_the_address_it_is_given(make: Make, sink: Sink) -> None:
    connector = make(probe_url=sink.url)
    assert (await connector.probe()).ok
    sink.next(Refuse(403))
    health = await connector.probe()
    assert not health.ok
    assert health.repair
    assert not (await make(probe_url="http://127.0.0.1:1/").probe()).ok
    assert (await make().probe()).state == "unknown"
