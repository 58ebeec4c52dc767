"""Tokens: one owner, one refresh at a time, the rotated one stored before the new one is used."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from connectors.email import OAuthSettings
from connectors.email.oauth import grant
from connectors.wire.oauth import Tokens
from model.failures import Reason, TemporaryFailure
from tests.rigs.oauth import TokenServer
from tests.rigs.tools import NOW, Workbench


@pytest.fixture
async def bench() -> AsyncIterator[Workbench]:
    async with Workbench() as opened:
        yield opened


@pytest.fixture
async def server() -> AsyncIterator[TokenServer]:
    async with TokenServer() as opened:
        yield opened


def owner(bench: Workbench, server: TokenServer, **more: Any) -> Tokens:
    """One process's owner of the grant."""
    return Tokens(grant(OAuthSettings.model_validate(server.settings(**more))), bench.tools("mail"))


async def test_a_token_serves_until_most_of_its_life_is_over(bench: Workbench, server: TokenServer) -> None:
    tokens = owner(bench, server)
    assert await tokens.get() == await tokens.get() == "access-1"
    bench.clock.advance(0.79 * 3600)
    assert await tokens.get() == "access-1"
    bench.clock.advance(0.02 * 3600)
    assert await tokens.get() == "access-2"
    assert server.forms[1]["refresh_token"] == "refresh-1"


async def test_the_rotated_token_is_durable_before_the_new_access_token_is_used(
    bench: Workbench, server: TokenServer
) -> None:
    tokens = owner(bench, server)
    kept: list[str] = []
    put = bench.vault.put

    async def watched(name: str, value: str) -> None:
        await put(name, value)
        kept.append(value)

    bench.vault.put = watched  # type: ignore[method-assign]
    token = await tokens.get()
    assert token in kept[0] and "refresh-1" in kept[0]


async def test_a_rotated_token_that_could_not_be_stored_is_stored_before_anything_else(
    bench: Workbench, server: TokenServer
) -> None:
    tokens = owner(bench, server)
    put, full = bench.vault.put, [True]

    async def failing(name: str, value: str) -> None:
        if full[0]:
            raise OSError("disk full")
        await put(name, value)

    bench.vault.put = failing  # type: ignore[method-assign]
    with pytest.raises(OSError):
        await tokens.get()
    full[0] = False
    assert await tokens.get() == "access-1"
    assert "refresh-1" in bench.vault.values["oauth"]
    assert len(server.forms) == 1


async def test_after_a_restart_the_rotated_token_counts_and_not_the_one_of_the_settings(
    bench: Workbench, server: TokenServer
) -> None:
    await owner(bench, server).get()
    bench.clock.advance(3600)
    assert await owner(bench, server).get() == "access-2"


async def test_another_token_in_the_settings_starts_anew(bench: Workbench, server: TokenServer) -> None:
    await owner(bench, server).get()
    server.valid.add("refresh-new")
    assert await owner(bench, server, refresh_token="refresh-new").get() == "access-2"
    assert server.forms[-1]["refresh_token"] == "refresh-new"


async def test_many_tasks_and_two_processes_refresh_once(bench: Workbench, server: TokenServer) -> None:
    one, two = owner(bench, server), owner(bench, server)
    server.hold.clear()
    asking = [asyncio.create_task(tokens.get()) for tokens in (one, two, one, two, one)]
    await asyncio.sleep(0.05)
    server.hold.set()
    assert await asyncio.gather(*asking) == ["access-1"] * 5
    assert len(server.forms) == 1


async def test_who_was_refused_takes_what_another_process_got_meanwhile(
    bench: Workbench, server: TokenServer
) -> None:
    one, two = owner(bench, server), owner(bench, server)
    await one.get()
    await two.get()
    assert await one.renew("access-1") == "access-2"
    assert await two.renew("access-1") == "access-2"
    assert len(server.forms) == 2


@pytest.mark.parametrize(
    ("refusal", "reason", "repair"),
    [
        (
            (400, {"error": "invalid_grant", "error_description": "AADSTS70000 anna"}),
            Reason.AUTH,
            "authorise mail",
        ),
        ((401, {"error": "invalid_client"}), Reason.AUTH, "client_secret"),
        ((400, {"error": "invalid_scope"}), Reason.CONFIG, "oauth.scopes"),
        ((503, {"error": "temporarily_unavailable"}), Reason.SERVER, ""),
        ((429, {}), Reason.THROTTLED, ""),
        ((200, {"no": "token"}), Reason.CONFIG, "token_url"),
    ],
)
async def test_a_refusal_is_told_by_its_code_with_the_repair_step_and_no_name(
    bench: Workbench, server: TokenServer, refusal: Any, reason: Reason, repair: str
) -> None:
    server.refuse = refusal
    with pytest.raises(TemporaryFailure) as failed:
        await owner(bench, server).get()
    assert failed.value.reason is reason
    assert repair in failed.value.repair
    assert "anna" not in failed.value.detail and "secret" not in failed.value.detail
    assert ("AADSTS70000" in failed.value.detail) is ("AADSTS70000" in str(refusal))


async def test_a_server_that_is_away_is_told_apart_from_a_refusal(
    bench: Workbench, server: TokenServer
) -> None:
    tokens = owner(bench, server, token_url="http://127.0.0.1:1/token")
    with pytest.raises(TemporaryFailure) as failed:
        await tokens.get()
    assert failed.value.reason is Reason.UNREACHABLE


async def test_nobody_consented_yet_and_then_somebody_does(bench: Workbench, server: TokenServer) -> None:
    tokens = owner(bench, server, refresh_token=None)
    with pytest.raises(TemporaryFailure, match="consented") as failed:
        await tokens.get()
    assert "forebay channel authorise mail" in failed.value.repair
    await tokens.authorised(server.consent(tokens.authorise()))
    assert await tokens.get() == "access-1"
    bench.clock.advance(3600)
    assert await owner(bench, server, refresh_token=None).get() == "access-2"


async def test_an_answer_that_is_not_ours_is_refused(bench: Workbench, server: TokenServer) -> None:
    tokens = owner(bench, server, refresh_token=None)
    with pytest.raises(ValueError, match="begin again"):
        await tokens.authorised("http://localhost/?code=x&state=y")
    answer = server.consent(tokens.authorise())
    with pytest.raises(ValueError, match="another attempt"):
        await tokens.authorised(answer[:-3])
    with pytest.raises(ValueError, match="refused: access_denied"):
        await tokens.authorised("http://localhost/?error=access_denied")
    with pytest.raises(ValueError, match="paste the whole address"):
        await tokens.authorised("http://localhost/")
    await tokens.authorised(answer)


async def test_the_applications_own_right_needs_nobodys_consent(
    bench: Workbench, server: TokenServer
) -> None:
    tokens = owner(bench, server, grant="client_credentials", refresh_token=None)
    assert await tokens.get() == "access-1"
    assert server.forms[0]["grant_type"] == "client_credentials"
    assert server.forms[0]["scope"] == "mail"
    bench.clock.advance(3600)
    assert await tokens.get() == "access-2"
    with pytest.raises(ValueError, match="no consent"):
        tokens.authorise()


async def test_the_end_of_the_right_is_known_ahead(bench: Workbench, server: TokenServer) -> None:
    server.more |= {"refresh_token_expires_in": "604800"}
    tokens = owner(bench, server)
    assert tokens.authorised_until() is None
    await tokens.get()
    assert tokens.authorised_until() == NOW + timedelta(days=7)
    again = owner(bench, server, secret_expires=date(2026, 11, 25))
    await again.load()
    assert again.authorised_until() == datetime(2026, 11, 25, tzinfo=UTC)


async def test_what_the_providers_are_known_for() -> None:
    base = {"client_id": "x", "client_secret": "y"}
    google = grant(OAuthSettings.model_validate({"provider": "google", **base}))
    assert (
        google.token_url == "https://oauth2.googleapis.com/token"
        and google.scope == "https://mail.google.com/"
    )
    own = {"provider": "microsoft", "grant": "client_credentials", "tenant": "office.example"}
    microsoft = grant(OAuthSettings.model_validate({**own, **base}))
    assert microsoft.token_url == "https://login.microsoftonline.com/office.example/oauth2/v2.0/token"
    assert microsoft.scope == "https://outlook.office365.com/.default"
    assert "'y'" not in repr(microsoft)
