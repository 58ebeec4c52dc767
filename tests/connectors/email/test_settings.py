"""Settings of e-mail, the roles they give, and what loading the catalogue costs."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from connectors import contract
from connectors.email import EmailSettings

IMAP = {"host": "imap.example.com", "user": "u", "password": "hunter2-is-secret"}
DOOR = {"port": 0}
FILES = {"transport": "file", "folder": "/nowhere"}
BASE: dict[str, Any] = {"kind": "email", "address": "feedback@office.example"}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "at least one of imap, door and outgoing"),
        ({"address": "no address", "door": DOOR}, "bare address"),
        ({"imap": {**IMAP, "security": "none"}}, "allow_plaintext"),
        ({"imap": {**IMAP, "after": "move"}}, "move_to"),
        ({"imap": {**IMAP, "after": "move", "move_to": "INBOX"}}, "move_to must not be"),
        ({"imap": {**IMAP, "chunk": 5000}}, "chunk"),
        ({"door": {"port": 25, "networks": ["10.0.0.0/99"]}}, "network"),
        ({"outgoing": {"transport": "smtp", "host": "h", "user": "u"}}, "outgoing.password, or"),
        ({"outgoing": {"transport": "smtp", "host": "h", "password": "p"}}, "needs the user"),
        ({"outgoing": {"transport": "pigeon"}}, "smtp"),
        ({"outgoing": FILES, "colour": "red"}, "colour"),
        ({"outgoing": FILES, "proxy": "https://127.0.0.1:1080"}, "socks5://HOST:PORT"),
        ({"outgoing": FILES, "proxy": "127.0.0.1:1080"}, "http://HOST:PORT"),
    ],
)
def test_wrong_settings_are_refused_with_the_remedy(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words) as refused:
        EmailSettings.model_validate({**BASE, **settings})
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    ("parts", "roles"),
    [
        ({"imap": IMAP}, {"Fetcher"}),
        ({"door": DOOR}, {"Listener"}),
        ({"outgoing": FILES}, {"Sender"}),
        ({"imap": IMAP, "door": DOOR, "outgoing": FILES}, {"Fetcher", "Listener", "Sender"}),
    ],
)
async def test_a_connector_plays_the_roles_of_its_parts_and_no_others(
    make: Callable[[dict[str, Any]], Any], parts: dict[str, Any], roles: set[str]
) -> None:
    connector = make({**BASE, **parts})
    assert isinstance(connector, contract.Connector)
    every = ("Fetcher", "Receiver", "Responder", "Listener", "Sender", "Resolver", "Downloader")
    assert {name for name in every if isinstance(connector, getattr(contract, name))} == roles


def test_the_settings_alone_load_no_library_of_the_kind() -> None:
    code = (
        "import sys, connectors.email; "
        "sys.exit(any(n.split('.')[0] in ('aioimaplib', 'aiosmtpd', 'aiosmtplib') for n in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_readers_options_are_plain_json_with_all_addresses_that_are_ours() -> None:
    settings = EmailSettings.model_validate({**BASE, "aliases": ["Info@Office.example"], "door": DOOR})
    assert json.loads(json.dumps(settings.reading())) == settings.reading()
    assert settings.addresses() == ("feedback@office.example", "info@office.example")
    assert settings.reading()["check_recipient"] is True


def test_a_door_open_to_any_recipient_does_not_ask_whom_the_mail_names() -> None:
    settings = EmailSettings.model_validate({**BASE, "door": {"port": 0, "recipients": ["*"]}})
    assert settings.reading()["check_recipient"] is False
    assert settings.addresses() == ("feedback@office.example",)


def test_secrets_are_not_shown() -> None:
    assert "hunter2" not in repr(EmailSettings.model_validate({**BASE, "imap": IMAP}))


def test_every_setting_is_described() -> None:
    schema = EmailSettings.model_json_schema()
    for model in (schema, *schema["$defs"].values()):
        for name, field in model.get("properties", {}).items():
            assert field.get("description") or "$ref" in field, name
