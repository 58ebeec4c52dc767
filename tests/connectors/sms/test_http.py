"""Any other provider: requests and answers as the settings describe them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs

import pytest
from pydantic import ValidationError

from connectors.contract import Receiver
from connectors.sms import SPEC
from model.delivery import Message, Purpose
from model.draft import Draft, Fate, Identity
from model.failures import (
    Malformed,
    PermanentFailure,
    Reason,
    TemporaryFailure,
    Uncertain,
    Unverified,
)
from model.health import HealthState
from normalizer.contract import Source
from normalizer.readers.sms import read
from tests.rigs import sms
from tests.rigs.http import Drop, Refuse
from tests.rigs.tools import NOW, Workbench

PERSON = Identity("phone", sms.number(1))


@pytest.fixture
async def bench() -> AsyncIterator[Workbench]:
    async with Workbench() as bench:
        yield bench


@pytest.fixture
async def far() -> AsyncIterator[sms.Carrier]:
    async with sms.Carrier() as far:
        yield far


def connector(bench: Workbench, far: sms.Carrier, **more: Any) -> Any:
    return SPEC.build(SPEC.settings.model_validate(sms.carrier(far, **more)), bench.tools("sms"))


def answer(text: str = "We mended it.") -> Message:
    return Message(key="reply:1", purpose=Purpose.REPLY, reference="FB-261122-1", to=PERSON, text=text)


def reading(bench: Workbench, far: sms.Carrier, event: dict[str, Any]) -> Draft:
    settings = SPEC.settings.model_validate(sms.carrier(far))
    (envelope,) = connector(bench, far).receive(sms.carried(event)).envelopes
    options = json.loads(json.dumps(settings.reading()))
    return read(Source(raw=envelope.raw, media_type=envelope.media_type, received_at=NOW, options=options))


async def test_an_answer_goes_as_the_body_says(bench: Workbench, far: sms.Carrier) -> None:
    receipt = await connector(bench, far).send(answer())
    (sent,) = far.sent
    assert (sent.to, sent.text, sent.key) == (sms.number(1), "We mended it.", "reply:1")
    assert receipt.remote_id == "m-1"
    assert (await connector(bench, far).probe()).state is HealthState.OK


async def test_a_form_and_an_address_with_parameters(bench: Workbench, far: sms.Carrier) -> None:
    own = {"body": {"to": "{{ digits }}", "text": "{{ text }}"}}
    far.next(Refuse(200, {}, '{"status": "ok", "message": {"id": "a"}}'))
    form = {**own, "media_type": "application/x-www-form-urlencoded"}
    await connector(bench, far, provider=form).send(answer("电梯 & 灯"))
    got = far.requests[-1]
    assert parse_qs(got.body.decode()) == {"to": [sms.number(1)[1:]], "text": ["电梯 & 灯"]}
    far.next(Refuse(200, {}, '{"status": "ok", "message": {"id": "b"}}'))
    await connector(bench, far, provider={**own, "method": "GET"}).send(answer())
    assert far.requests[-1].path == f"/send?to={sms.number(1)[1:]}&text=We+mended+it."


@pytest.mark.parametrize(
    ("code", "kind", "reason"),
    [
        ("LIMIT", TemporaryFailure, Reason.THROTTLED),
        ("NUMBER", PermanentFailure, Reason.RECIPIENT),
        ("OTHER", PermanentFailure, Reason.REQUEST),
    ],
)
async def test_codes_mean_what_the_settings_say(
    bench: Workbench, far: sms.Carrier, code: str, kind: type[Any], reason: Reason
) -> None:
    far.code = code
    with pytest.raises(kind) as failed:
        await connector(bench, far).send(answer())
    assert failed.value.reason is reason


async def test_a_refused_log_in_and_no_answer(bench: Workbench, far: sms.Carrier) -> None:
    wrong = connector(bench, far, provider={"headers": {"Authorization": "Bearer no"}})
    with pytest.raises(TemporaryFailure) as failed:
        await wrong.send(answer())
    assert failed.value.reason is Reason.AUTH
    for behaviour in (Drop(), Refuse(502), Refuse(200, {}, "<html>")):
        far.next(behaviour)
        with pytest.raises(Uncertain):
            await connector(bench, far).send(answer())


async def test_messages_and_reports_come_in_together(bench: Workbench, far: sms.Carrier) -> None:
    one = connector(bench, far)
    message = {"from": sms.number(1), "text": "电梯坏了", "id": 7, "at": "2026-11-22T08:00:00"}
    report = {"message": "m-1", "status": "DELIVRD"}
    request = sms.carried(message, report, {"nothing": "known"})
    one.verify(request)
    batch = one.receive(request)
    assert [e.source_id for e in batch.envelopes][:2] == ["7", "report:m-1:DELIVRD"]
    draft = reading(bench, far, message)
    assert (draft.text, draft.identities, draft.sent_at) == ("电梯坏了", (PERSON,), NOW)
    (told,) = reading(bench, far, report).reports
    assert (told.fate, told.remote_id) == (Fate.DELIVERED, "m-1")
    (told,) = reading(bench, far, {"message": "m-1", "status": "UNDELIV", "code": "NUMBER"}).reports
    assert (told.fate, told.reason) == (Fate.FAILED, Reason.RECIPIENT)
    with pytest.raises(Malformed):
        reading(bench, far, {"nothing": "known"})
    with pytest.raises(Unverified):
        one.verify(sms.carried(message, word="guessed"))
    assert one.answer(request, []).body == b"OK"


async def test_without_a_proof_there_is_no_door(bench: Workbench, far: sms.Carrier) -> None:
    own = {"verify": None, "incoming": None, "reports": None}
    assert not isinstance(connector(bench, far, provider=own), Receiver)
    with pytest.raises(ValidationError, match="verify"):
        connector(bench, far, provider={"verify": None})
