"""Settings of a web hook: wrong ones are refused by name, secrets stay hidden, options are plain."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from connectors.webhook import WebhookSettings

NONE = {"kind": "webhook", "verify": {"scheme": "none"}}


@pytest.mark.parametrize(
    ("settings", "place"),
    [
        ({"events": "a["}, "events"),
        ({"identity": "nothing(a)"}, "identity"),
        ({"fields": {"text": "a b"}}, "fields.text"),
        ({"fields": {"extra": {"plan": "a["}}}, "fields.extra.plan"),
        ({"fields": {"identity": {"kind": "User", "value": "id"}}}, "fields.identity.kind"),
        ({"reply": {"url": "https://x/{{ thread.chat"}}, "reply.url"),
        ({"reply": {"url": "https://x", "body": {"a": ["{% if %}"]}}}, "reply.body"),
        ({"reply": {"url": "https://x", "headers": {"X": "{{"}}}, "reply.headers.X"),
        (
            {"reply": {"url": "https://x", "signature": {"scheme": "standard", "secret": "x"}}},
            "reply.signature",
        ),
        ({"reply": {"url": "https://x", "method": "GET"}}, "reply.method"),
        ({"respond": {"body": "hi"}}, "answer_within"),
        ({"challenge": {}}, "challenge"),
        ({"challenge": {"query": "a", "body": "b"}}, "challenge"),
        ({"timezone": "Mars/Olympus"}, "timezone"),
        ({"timezone": "../etc/passwd"}, "timezone"),
        ({"answer": {"status": 500}}, "answer.status"),
    ],
)
def test_wrong_settings_are_refused_by_name(settings: dict[str, Any], place: str) -> None:
    with pytest.raises(ValidationError) as refused:
        WebhookSettings.model_validate({**NONE, **settings})
    assert place in str(refused.value)


def test_credentials_in_headers_are_shown_to_nobody() -> None:
    settings = WebhookSettings.model_validate(
        {**NONE, "reply": {"url": "https://x", "headers": {"Authorization": "Bearer s3cret"}}}
    )
    assert "s3cret" not in repr(settings) + str(settings) + settings.model_dump_json()
    assert settings.reply is not None
    assert settings.reply.headers["Authorization"].get_secret_value() == "Bearer s3cret"


def test_the_readers_options_are_plain_json() -> None:
    fields = {"text": "a", "identity": {"kind": "user", "value": "id"}, "thread": {"chat": "c"}}
    options = WebhookSettings.model_validate({**NONE, "fields": fields, "events": "list"}).reading()
    assert json.loads(json.dumps(options)) == options
    assert options["fields"]["identity"] == {"kind": "user", "value": "id"}


def test_every_setting_is_described() -> None:
    schema = WebhookSettings.model_json_schema()
    for model in (schema, *schema["$defs"].values()):
        for name, field in model.get("properties", {}).items():
            assert field.get("description") or "$ref" in field, name
