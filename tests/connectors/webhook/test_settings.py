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


_OVER_NUMBER = {
    "scheme": "hash",
    "secrets": ["s"],
    "signature": "field.sign",
    "signed": "{field.id}{secret}",
}
_OVER_BODY = {"scheme": "hmac", "secrets": ["s"], "signature": "header.X-Sign"}
_FROM = {"scheme": "addresses", "networks": ["203.0.113.1"]}


@pytest.mark.parametrize(
    ("verify", "said", "weak"),
    [
        ({"scheme": "none"}, None, True),
        (_OVER_NUMBER, None, True),
        ([_OVER_NUMBER, _FROM], None, True),
        ([_OVER_NUMBER, _OVER_BODY], None, False),
        (_OVER_BODY, None, False),
        ({"scheme": "github", "secrets": ["s"]}, None, False),
        ({"scheme": "token", "secrets": ["s"]}, None, False),
        ({"scheme": "token", "secrets": ["s"]}, True, True),
        ({"scheme": "none"}, False, False),
    ],
)
def test_a_proof_that_leaves_the_body_out_is_weak(verify: Any, said: bool | None, weak: bool) -> None:
    settings = {"kind": "webhook", "verify": verify, "weak": said}
    assert WebhookSettings.model_validate(settings).reading()["weak"] is weak
