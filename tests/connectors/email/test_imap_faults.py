"""What servers, and aioimaplib 2.0.3, do wrong on the wire: each is provoked, and costs no mail and no other mail."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from aioimaplib.aioimaplib import Command

from connectors.email import imap_wire
from model.failures import Reason, TemporaryFailure
from model.health import HealthState
from tests.connectors.email.test_mailbox import AT_ONCE, drain, ids, matters
from tests.rigs.email import mail
from tests.rigs.imap import FakeImap, settings
from tests.rigs.oauth import TokenServer
from tests.rigs.tools import Workbench

Make = Callable[[dict[str, Any]], Any]


class _Wire:
    """A transport that keeps what was written."""

    def __init__(self) -> None:
        self.written = b""
        self.aborted = False

    def write(self, data: bytes) -> None:
        self.written += data

    def abort(self) -> None:
        self.aborted = True


def protocol() -> tuple[imap_wire.Protocol, _Wire]:
    """A protocol that is logged in and has a FETCH under way."""
    made, wire = imap_wire.Protocol(asyncio.get_running_loop()), _Wire()
    made.connection_made(wire)  # type: ignore[arg-type]
    made.state = "SELECTED"
    return made, wire


@pytest.mark.parametrize("size", [1, 7, 64, 100_000])
async def test_a_response_is_read_the_same_in_whatever_pieces_it_comes(size: int) -> None:
    made, wire = protocol()
    fetching = asyncio.ensure_future(made.execute(Command("FETCH", "A1", "1:2", "(BODY[])", prefix="UID")))
    await asyncio.sleep(0)
    said = (
        b"* 1 FETCH (UID 1 BODY[] {23}\r\nSubject: a\r\n\r\n* b {5}\r\n FLAGS (\\Seen))\r\n"
        b'* 2 FETCH (UID 2 X "Big* sale* (now" BODY[] {0}\r\n)\r\n* 7 EXISTS\r\n* 3 EXPUNGE\r\nA1 OK done\r\n'
    )
    for at in range(0, len(said), size):
        made.data_received(said[at : at + size])
    response = await fetching
    assert response.lines == [
        b"1 FETCH (UID 1 BODY[] {23}", bytearray(b"Subject: a\r\n\r\n* b {5}\r\n"), b" FLAGS (\\Seen))",
        b'2 FETCH (UID 2 X "Big* sale* (now" BODY[] {0}', bytearray(), b")", b"done",
    ]  # fmt: skip
    assert not wire.aborted


async def test_a_hundred_thousand_lines_in_one_read_are_only_lines() -> None:
    made, _ = protocol()
    asking = asyncio.ensure_future(made.execute(Command("NOOP", "A1")))
    await asyncio.sleep(0)
    made.data_received(b"* 1 EXPUNGE\r\n" * 100_000 + b"A1 OK done\r\n")
    assert len((await asking).lines) == 100_001


async def test_a_literal_or_a_line_beyond_all_bounds_ends_the_connection() -> None:
    made, wire = protocol()
    made.data_received(b"* 1 FETCH (BODY[] {4000000000}\r\n")
    assert wire.aborted and made.overflowed
    made, wire = protocol()
    for _ in range(20):
        made.data_received(b"x" * 1_000_000)
    assert wire.aborted


async def test_a_server_that_lies_about_sizes_cannot_fill_the_memory(make: Make) -> None:
    async with FakeImap() as server, make(settings(server)) as connector:
        server.put("INBOX", mail(1) + b"x" * 6_000_000)
        server.faults = {"lies"}
        with pytest.raises(TemporaryFailure, match="more than it was asked for") as failed:
            await connector.fetch(None, AT_ONCE)
        assert failed.value.reason is Reason.SERVER
        server.faults = {"huge"}
        with pytest.raises(TemporaryFailure, match="more than it was asked for"):
            await connector.fetch(None, AT_ONCE)


async def test_a_server_that_refuses_at_the_door_is_heard_at_once_and_left_alone(make: Make) -> None:
    async with FakeImap() as server, make(settings(server, imap={"timeout": 30})) as connector:
        server.faults = {"bye"}
        with pytest.raises(TemporaryFailure, match="Too many simultaneous") as failed:
            async with asyncio.timeout(3):
                await connector.fetch(None, AT_ONCE)
        assert failed.value.reason is Reason.THROTTLED
        assert failed.value.retry_after == timedelta(minutes=15)


async def test_a_mail_that_breaks_the_connection_each_time_is_held_and_the_others_are_read(
    make: Make,
) -> None:
    async with FakeImap() as server, make(settings(server, imap={"give_up": 2})) as connector:
        for n in range(1, 9):
            server.put("INBOX", mail(n))
        server.faults = {"kill_2"}
        found: list[Any] = []
        cursor: Any = None
        for _ in range(20):
            try:
                batch = await connector.fetch(cursor, AT_ONCE)
            except TemporaryFailure as failed:
                assert failed.reason is Reason.UNREACHABLE
                continue
            found += batch.envelopes
            cursor = batch.cursor or cursor
        held = [one for one in found if one.hold]
        assert sorted(ids([one for one in found if not one.hold])) == matters(1, 3, 4, 5, 6, 7, 8)
        assert len(held) == 1 and "UID 2" in str(held[0].hold)


async def test_a_mail_that_the_server_refuses_to_give_is_held_and_no_setting_is_blamed(make: Make) -> None:
    async with FakeImap() as server, make(settings(server, imap={"give_up": 1})) as connector:
        for n in range(1, 4):
            server.put("INBOX", mail(n))
        server.faults = {"no_2"}
        found, cursor = [], None
        for _ in range(9):
            try:
                batch = await connector.fetch(cursor, AT_ONCE)
            except TemporaryFailure as failed:
                assert failed.reason is Reason.SERVER
                continue
            found += batch.envelopes
            cursor = batch.cursor or cursor
        assert [bool(one.hold) for one in sorted(found, key=lambda one: bool(one.hold))] == [
            False,
            False,
            True,
        ]


async def test_a_mail_that_shows_late_under_a_lower_uid_is_read(make: Make) -> None:
    async with FakeImap() as server, make(settings(server)) as connector:
        server.put("INBOX", mail(1), uid=5)
        _, _, cursor = await drain(connector)
        server.put("INBOX", mail(2), uid=3)
        found, _, cursor = await drain(connector, cursor)
        assert ids(found) == matters(2)
        assert (await drain(connector, cursor))[0] == []


async def test_a_full_mailbox_is_searched_once_and_not_for_each_chunk(make: Make) -> None:
    async with FakeImap() as server, make(settings(server, imap={"chunk": 2, "start": "all"})) as connector:
        for n in range(20):
            server.put("INBOX", mail(n))
        found, _, cursor = await drain(connector)
        assert ids(found) == matters(*range(20))
        assert sum("SEARCH" in line for line in server.log) == 2
        server.renumber("INBOX")
        server.put("INBOX", mail(20))
        assert ids((await drain(connector, cursor))[0]) == matters(*range(21))


# ---- log-in by tokens


def by_token(server: FakeImap, tokens: TokenServer) -> dict[str, Any]:
    made = settings(server, oauth=tokens.settings())
    del made["imap"]["password"]
    return made


@pytest.mark.parametrize("ir", ["SASL-IR ", ""])
async def test_a_token_logs_in_with_the_command_or_after_it(make: Make, ir: str) -> None:
    async with FakeImap() as server, TokenServer() as tokens, make(by_token(server, tokens)) as connector:
        server.capabilities = f"IMAP4rev1 IDLE {ir}AUTH=XOAUTH2"
        server.tokens = {"access-1"}
        server.put("INBOX", mail(1))
        assert ids((await drain(connector))[0]) == matters(1)
        assert (await connector.probe()).ok
        assert len(tokens.forms) == 1


async def test_a_refused_token_is_renewed_once_at_once(make: Make) -> None:
    async with FakeImap() as server, TokenServer() as tokens, make(by_token(server, tokens)) as connector:
        server.tokens = {"access-2"}
        async with asyncio.timeout(3):
            assert (await connector.fetch(None, AT_ONCE)).envelopes == ()
        assert tokens.given == ["access-1", "access-2"]


async def test_tokens_that_are_all_refused_tell_the_repair_step_and_no_token(make: Make) -> None:
    async with FakeImap() as server, TokenServer() as tokens, make(by_token(server, tokens)) as connector:
        with pytest.raises(TemporaryFailure) as failed:
            await connector.fetch(None, AT_ONCE)
        assert failed.value.reason is Reason.AUTH
        assert "forebay channel authorise mail" in failed.value.repair
        assert "access-" not in failed.value.detail + failed.value.repair
        assert len(tokens.forms) == 2
        tokens.refuse = (400, {"error": "invalid_grant"})
        found = await connector.probe()
        assert found.state is HealthState.FAILING and "authorise mail" in found.repair


# ---- several folders


async def test_a_folder_that_is_gone_is_told_and_the_others_are_read(make: Make) -> None:
    folders = {"folders": ["INBOX", "Gone"]}
    async with FakeImap() as server, make(settings(server, imap=folders)) as connector:
        server.put("INBOX", mail(1))
        found, _, cursor = await drain(connector)
        assert ids(found) == matters(1)
        told = (await connector.fetch(cursor, AT_ONCE)).health
        assert told is not None and "Gone" in told.detail and "imap.folders" in told.repair
        server.put("Gone", mail(2))
        found, _, cursor = await drain(connector, cursor)
        assert ids(found) == matters(2)
        assert (await connector.fetch(cursor, AT_ONCE)).health is None


async def test_mail_in_another_folder_waits_no_longer_than_a_poll(make: Make) -> None:
    more = {"folders": ["INBOX", "Other"], "poll_seconds": 0.1}
    async with FakeImap() as server, make(settings(server, imap=more)) as connector:
        server.put("Other", mail(1))
        _, _, cursor = await drain(connector)
        waiting = asyncio.create_task(connector.fetch(cursor, timedelta(hours=1)))
        await server.idling.wait()
        server.faults = {"idle_silent"}
        server.put("Other", mail(2))
        async with asyncio.timeout(5):
            assert ids(list((await waiting).envelopes)) == matters(2)
        assert server.connections == 1


async def test_a_folder_to_move_to_is_made_when_it_is_missing(make: Make) -> None:
    after = {"after": "move", "move_to": "Done"}
    async with FakeImap() as server, make(settings(server, imap=after)) as connector:
        server.put("INBOX", mail(1))
        _, handles, _ = await drain(connector)
        await connector.confirm(handles)
        assert len(server.boxes["Done"].mails) == 1


# ---- the first connection, and what came before it


@pytest.mark.parametrize(
    ("start", "words"),
    [
        ("now", "a first connection leaves them"),
        ("all", "takes all of them"),
        ("2026-11-01", "since 2026-11-01"),
    ],
)
async def test_a_probe_counts_and_tells_what_a_first_connection_would_do(
    make: Make, start: str, words: str
) -> None:
    async with FakeImap() as server, make(settings(server, imap={"start": start})) as connector:
        for n in range(3):
            server.put("INBOX", mail(n))
        found = await connector.probe()
        assert found.ok and "INBOX: 3 mails there" in found.detail and words in found.detail
        assert ("forebay backfill mail" in found.detail) is (start == "now")
        await connector.fetch(None, AT_ONCE)
        assert (await connector.probe()).detail == "INBOX: 3 mails there"
        assert not any("FETCH" in line for line in server.log) or start != "now"


async def test_a_start_from_a_day_takes_what_came_since(make: Make, bench: Workbench) -> None:
    from datetime import date

    async with FakeImap() as server, make(settings(server, imap={"start": "2026-11-10"})) as connector:
        server.put("INBOX", mail(1), came=date(2026, 11, 9))
        server.put("INBOX", mail(2), came=date(2026, 11, 10))
        found, _, cursor = await drain(connector)
        assert ids(found) == matters(2)
        server.put("INBOX", mail(3), came=date(2026, 11, 1))
        assert ids((await drain(connector, cursor))[0]) == matters(3)
        assert [(level, event) for level, event, _ in bench.log.events] == [("info", "mailbox.first")]


async def test_going_back_gives_older_mail_after_what_is_new_and_only_once(make: Make) -> None:
    from datetime import date

    async with FakeImap() as server, make(settings(server, imap={"start": "now", "chunk": 2})) as connector:
        for n in range(1, 8):
            server.put("INBOX", mail(n), came=date(2026, 11, n))
        _, _, cursor = await drain(connector)
        assert await connector.survey(date(2026, 11, 3)) == {"INBOX": 5}
        cursor = connector.rewind(cursor, date(2026, 11, 3))
        server.put("INBOX", mail(9))
        found, _, cursor = await drain(connector, cursor)
        assert ids(found) == matters(9, 3, 4, 5, 6, 7)
        assert cursor["INBOX"]["back"] is None
        assert (await drain(connector, cursor))[0] == []
