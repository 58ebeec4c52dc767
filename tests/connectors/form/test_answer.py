"""What the customer's program hears, and how an answer is published."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from connectors.contract import Answer
from connectors.form import SPEC
from connectors.form.connector import FormConnector
from model.delivery import Message, Purpose
from tests.rigs import form as rig
from tests.rigs.tools import NOW, Workbench

STORED = Answer(reference="FB-261122-7K3FQ", status_url="https://gate.example/s/abc", repeat=False)


@pytest.fixture
async def connector() -> Any:
    async with Workbench() as bench:
        settings = SPEC.settings.model_validate(rig.settings(origins=["https://shop.example"]))
        async with SPEC.build(settings, bench.tools("form")) as opened:
            yield opened


def test_a_script_gets_the_reference_as_json(connector: FormConnector) -> None:
    response = connector.answer(rig.request(1), [replace(STORED, repeat=True)])
    assert response.status == 202
    assert json.loads(response.body) == {
        "reference": "FB-261122-7K3FQ",
        "status_url": "https://gate.example/s/abc",
        "repeat": True,
    }


def test_a_browser_goes_on_to_the_status_page(connector: FormConnector) -> None:
    request = rig.post(b"", "application/x-www-form-urlencoded", accept="text/html,*/*;q=0.8")
    response = connector.answer(request, [STORED])
    assert (response.status, response.headers["location"]) == (303, STORED.status_url)
    plain = connector.answer(request, [replace(STORED, status_url=None)])
    assert b"FB-261122-7K3FQ" in plain.body


@pytest.mark.parametrize(
    ("origin", "leave"), [("https://shop.example", True), ("https://evil.example", False)]
)
def test_only_a_listed_page_may_read_the_answer(connector: FormConnector, origin: str, leave: bool) -> None:
    response = connector.answer(rig.post(b"", "application/json", origin=origin), [STORED])
    assert ("access-control-allow-origin" in response.headers) is leave


async def test_an_answer_is_published_at_once_and_twice_is_as_once(connector: FormConnector) -> None:
    message = Message(key="k1", purpose=Purpose.REPLY, reference="FB-261122-7K3FQ", to=None, text="Done.")
    first, second = await connector.send(message), await connector.send(message)
    assert first == second
    assert (first.remote_id, first.accepted_at) == ("k1", NOW)


async def test_the_probe_needs_no_far_side(connector: FormConnector) -> None:
    assert (await connector.probe()).ok
