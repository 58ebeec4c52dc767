"""Reading a mailbox: every mail once, whatever the server does, and told only after it is stored."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connectors.contract import Batch
from connectors.email import imap, imap_text
from model.envelope import Envelope
from model.failures import Reason, TemporaryFailure
from model.health import HealthState
from model.tools import Spooled
from tests.rigs.email import mail
from tests.rigs.imap import PASSWORD, Box, FakeImap, Stored, settings

Make = Callable[[dict[str, Any]], Any]
AT_ONCE = timedelta()
AWHILE = timedelta(seconds=5)


async def drain(
    connector: Any, cursor: Mapping[str, Any] | None = None
) -> tuple[list[Envelope], list[Any], Any]:
    """Fetch until nothing is new: envelopes, handles and the last cursor."""
    envelopes: list[Envelope] = []
    handles: list[Any] = []
    while True:
        batch: Batch = await connector.fetch(cursor, AT_ONCE)
        if batch.cursor is not None:
            cursor = batch.cursor
        envelopes += batch.envelopes
        handles += batch.handles
        if not batch.envelopes:
            return envelopes, handles, cursor


def ids(envelopes: list[Envelope]) -> list[str]:
    return [one.source_id for one in envelopes]


def matters(*numbers: int) -> list[str]:
    return [f"<matter-{n}@example.com>" for n in numbers]


async def test_every_mail_once_in_chunks_and_then_only_what_is_new(make: Make) -> None:
    async with FakeImap() as server, make(settings(server, imap={"chunk": 3})) as connector:
        for n in range(10):
            server.put("INBOX", mail(n))
        found, _, cursor = await drain(connector)
        assert ids(found) == matters(*range(10))
        assert found[0].raw == mail(0).replace(b"\n", b"\r\n")
        assert found[0].sent_at == datetime(2026, 11, 1, tzinfo=UTC)
        server.put("INBOX", mail(10))
        assert ids((await drain(connector, cursor))[0]) == matters(10)
        assert server.connections == 1


async def test_the_turn_of_the_last_uid_gives_nothing_twice(make: Make) -> None:
    async with FakeImap() as server, make(settings(server)) as connector:
        server.faults = {"no_uidnext"}
        server.put("INBOX", mail(1))
        _, _, cursor = await drain(connector)
        again = await connector.fetch(cursor, AT_ONCE)
        assert again.envelopes == ()
        assert server.log[-1].startswith("UID SEARCH UID 1:*")


async def test_a_first_connection_reads_from_now_on_unless_told_otherwise(make: Make) -> None:
    async with FakeImap() as server, make(settings(server, imap={"start": "now"})) as connector:
        server.put("INBOX", mail(1))
        first = await connector.fetch(None, AT_ONCE)
        assert first.envelopes == ()
        assert first.cursor is not None
        assert first.cursor["INBOX"]["uid"] == 1
        server.put("INBOX", mail(2))
        assert ids((await drain(connector, first.cursor))[0]) == matters(2)
        assert not any("FETCH 1" in line for line in server.log)


async def test_uids_that_start_anew_are_read_again_from_the_first_day(make: Make) -> None:
    async with FakeImap() as server, make(settings(server, imap={"start": "now"})) as connector:
        _, _, cursor = await drain(connector)
        server.put("INBOX", mail(1))
        _, _, cursor = await drain(connector, cursor)
        server.renumber("INBOX")
        server.put("INBOX", mail(2))
        found, _, cursor = await drain(connector, cursor)
        assert ids(found) == matters(1, 2)
        assert cursor["INBOX"]["uidvalidity"] == 2
        assert any("SINCE 21-Nov-2026" in line for line in server.log)
        server.put("INBOX", mail(3))
        assert ids((await drain(connector, cursor))[0]) == matters(3)
        assert "SINCE" not in next(line for line in reversed(server.log) if "SEARCH" in line)


async def test_several_folders_take_turns_and_keep_their_places(make: Make) -> None:
    folders = ["INBOX", "已发送", "A&B"]
    async with (
        FakeImap() as server,
        make(settings(server, imap={"folders": folders, "chunk": 1})) as connector,
    ):
        for n in range(2):
            server.put("INBOX", mail(n))
            server.put("&XfJT0ZAB-", mail(10 + n))
            server.put("A&-B", mail(20 + n))
        found, _, cursor = await drain(connector)
        assert sorted(ids(found)) == sorted(matters(0, 1, 10, 11, 20, 21))
        assert ids(found)[:3] == matters(0, 10, 20)
        assert set(cursor) == set(folders)
        assert {one.meta["folder"] for one in found} == set(folders)


async def test_idle_wakes_up_for_new_mail(make: Make) -> None:
    async with FakeImap() as server, make(settings(server)) as connector:
        _, _, cursor = await drain(connector)
        waiting = asyncio.create_task(connector.fetch(cursor, AWHILE))
        await server.idling.wait()
        server.put("INBOX", mail(1))
        assert ids(list((await waiting).envelopes)) == matters(1)


async def test_a_missed_word_in_idle_is_made_good_by_looking_after_the_wait(make: Make) -> None:
    async with FakeImap() as server, make(settings(server)) as connector:
        server.faults = {"idle_silent"}
        _, _, cursor = await drain(connector)
        waiting = asyncio.create_task(connector.fetch(cursor, timedelta(seconds=0.2)))
        await server.idling.wait()
        server.put("INBOX", mail(1))
        assert ids(list((await waiting).envelopes)) == matters(1)
        assert server.connections == 1


async def test_a_server_without_idle_is_not_waited_at(make: Make) -> None:
    async with FakeImap() as server, make(settings(server)) as connector:
        server.capabilities = "IMAP4rev1 UIDPLUS"
        _, _, cursor = await drain(connector)
        assert await connector.fetch(cursor, timedelta(hours=1)) == Batch()


async def test_a_connection_cut_in_idle_ends_the_wait_at_once(make: Make) -> None:
    async with FakeImap() as server, make(settings(server)) as connector:
        _, _, cursor = await drain(connector)
        server.faults = {"idle_cut"}
        with pytest.raises(TemporaryFailure) as failed:
            async with asyncio.timeout(3):
                await connector.fetch(cursor, timedelta(hours=1))
        assert failed.value.reason is Reason.UNREACHABLE
        server.put("INBOX", mail(1))
        assert ids((await drain(connector, cursor))[0]) == matters(1)


async def test_cancelling_a_wait_leaves_the_connector_usable(make: Make) -> None:
    async with FakeImap() as server, make(settings(server)) as connector:
        _, _, cursor = await drain(connector)
        waiting = asyncio.create_task(connector.fetch(cursor, timedelta(hours=1)))
        await server.idling.wait()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        server.put("INBOX", mail(1))
        assert ids((await drain(connector, cursor))[0]) == matters(1)


async def test_a_server_that_falls_silent_times_out_and_is_left(make: Make) -> None:
    async with FakeImap() as server, make(settings(server, imap={"timeout": 0.1})) as connector:
        server.put("INBOX", mail(1))
        server.faults = {"hang_fetch"}
        with pytest.raises(TemporaryFailure) as failed:
            await connector.fetch(None, AT_ONCE)
        assert failed.value.reason is Reason.TIMEOUT
        server.faults.clear()
        assert ids((await drain(connector))[0]) == matters(1)
        assert server.connections == 2


async def test_a_flood_of_lines_is_only_read(make: Make) -> None:
    # aioimaplib's own reader recurses once a line: some thousand lines in one read are too many for it.
    async with FakeImap() as server, make(settings(server)) as connector:
        server.put("INBOX", mail(1))
        server.faults = {"flood"}
        async with asyncio.timeout(5):
            assert ids((await drain(connector))[0]) == matters(1)
        assert server.connections == 1


async def test_a_connection_cut_in_the_middle_of_a_fetch_loses_nothing(make: Make) -> None:
    async with FakeImap() as server, make(settings(server)) as connector:
        for n in range(3):
            server.put("INBOX", mail(n))
        server.faults = {"cut_fetch"}
        with pytest.raises(TemporaryFailure):
            await connector.fetch(None, AT_ONCE)
        assert ids((await drain(connector))[0]) == matters(0, 1, 2)


@pytest.mark.parametrize("fault", ["late_uid", "flag_news"])
async def test_items_in_any_order_and_news_between_them_are_understood(make: Make, fault: str) -> None:
    async with FakeImap() as server, make(settings(server)) as connector:
        server.faults = {fault}
        for n in range(3):
            server.put("INBOX", mail(n))
        found, _, _ = await drain(connector)
        assert ids(found) == matters(0, 1, 2)
        assert found[2].raw == mail(2).replace(b"\n", b"\r\n")


async def test_netease_gets_to_know_us_before_select(make: Make) -> None:
    async with FakeImap() as server, make(settings(server)) as connector:
        server.faults = {"needs_id"}
        server.put("INBOX", mail(1))
        assert ids((await drain(connector))[0]) == matters(1)
        assert any(line.startswith('ID ("name" "forebay"') for line in server.log)


async def test_capabilities_are_asked_again_after_login(make: Make) -> None:
    async with (
        FakeImap() as server,
        make(settings(server, imap={"after": "move", "move_to": "Done"})) as connector,
    ):
        server.faults = {"odd_capabilities"}
        server.boxes["Done"] = Box()
        server.put("INBOX", mail(1))
        _, handles, _ = await drain(connector)
        await connector.confirm(handles)
        assert [one for one in server.log if one.startswith("UID MOVE")]


async def test_a_wrong_password_pauses_the_channel_and_is_not_told(make: Make) -> None:
    async with FakeImap() as server, make(settings(server, imap={"password": "wrong-secret"})) as connector:
        with pytest.raises(TemporaryFailure) as failed:
            await connector.fetch(None, AT_ONCE)
        assert failed.value.reason is Reason.AUTH
        found = await connector.probe()
        assert found.state is HealthState.FAILING
        assert "授权码" in found.repair
        assert "wrong-secret" not in failed.value.detail + found.detail + found.repair


async def test_a_login_without_an_answer_is_a_timeout_that_tells_no_password(make: Make) -> None:
    async with FakeImap() as server, make(settings(server, imap={"timeout": 0.1})) as connector:
        server.faults = {"silent_login"}
        with pytest.raises(TemporaryFailure) as failed:
            await connector.fetch(None, AT_ONCE)
        assert failed.value.reason is Reason.TIMEOUT
        assert PASSWORD not in failed.value.detail


async def test_a_folder_that_is_not_there_is_the_operators_to_mend(make: Make) -> None:
    async with FakeImap() as server, make(settings(server, imap={"folders": ["Nowhere"]})) as connector:
        with pytest.raises(TemporaryFailure, match="Nowhere") as failed:
            await connector.fetch(None, AT_ONCE)
        assert failed.value.reason is Reason.CONFIG


async def test_starttls_is_never_left_out(make: Make) -> None:
    async with FakeImap() as server, make(settings(server, imap={"security": "starttls"})) as connector:
        with pytest.raises(TemporaryFailure, match="STARTTLS") as failed:
            await connector.fetch(None, AT_ONCE)
        assert failed.value.reason is Reason.CONFIG
        assert not any("LOGIN" in line for line in server.log)


async def test_nobody_listening_is_unreachable(make: Make) -> None:
    async with FakeImap() as server:
        made = settings(server)
    async with make(made) as connector:
        with pytest.raises(TemporaryFailure) as failed:
            await connector.fetch(None, AT_ONCE)
        assert failed.value.reason is Reason.UNREACHABLE


async def test_the_probe_is_a_round_trip_of_its_own(make: Make) -> None:
    async with FakeImap() as server, make(settings(server)) as connector:
        assert (await connector.probe()).ok
        assert server.log[-2:] == ['STATUS "INBOX" (MESSAGES)', "LOGOUT"]


@pytest.mark.parametrize(
    ("after", "command"),
    [
        ({"after": "flag"}, "UID STORE 1:2 +FLAGS.SILENT (\\Seen)"),
        ({"after": "keyword"}, "UID STORE 1:2 +FLAGS.SILENT ($FbIngested)"),
        ({"after": "move", "move_to": "Done"}, 'UID MOVE 1:2 "Done"'),
        ({"after": "delete"}, "UID EXPUNGE 1:2"),
    ],
)
async def test_the_server_is_told_after_storing_and_may_be_told_again(
    make: Make, after: dict[str, Any], command: str
) -> None:
    async with FakeImap() as server, make(settings(server, imap=after)) as connector:
        server.boxes["Done"] = Box()
        for n in (1, 2):
            server.put("INBOX", mail(n))
        found, handles, cursor = await drain(connector)
        assert len(found) == len(handles) == 2
        assert not [line for line in server.log if "STORE" in line or "MOVE" in line]
        await connector.confirm(handles)
        assert command in server.log
        await connector.confirm(handles)
        assert (await connector.fetch(cursor, AT_ONCE)).envelopes == ()
        assert "EXPUNGE" not in server.log


async def test_moving_without_move_copies_once_and_expunges_only_its_own(make: Make) -> None:
    async with (
        FakeImap() as server,
        make(settings(server, imap={"after": "move", "move_to": "Done"})) as connector,
    ):
        server.capabilities = "IMAP4rev1 UIDPLUS"
        server.boxes["Done"] = Box()
        server.put("INBOX", mail(1))
        _, handles, _ = await drain(connector)
        server.boxes["INBOX"].mails.append(Stored(99, mail(99), {"\\Deleted"}))
        await connector.confirm(handles)
        await connector.confirm(handles)
        assert len(server.boxes["Done"].mails) == 1
        assert [one.uid for one in server.boxes["INBOX"].mails] == [99]


async def test_without_uidplus_nothing_is_ever_expunged(make: Make) -> None:
    async with FakeImap() as server, make(settings(server, imap={"after": "delete"})) as connector:
        server.capabilities = "IMAP4rev1"
        server.put("INBOX", mail(1))
        _, handles, _ = await drain(connector)
        await connector.confirm(handles)
        assert server.boxes["INBOX"].mails[0].flags == {"\\Deleted"}
        assert not [line for line in server.log if "EXPUNGE" in line]


async def test_handles_of_uids_that_are_void_now_touch_nothing(make: Make) -> None:
    async with FakeImap() as server, make(settings(server, imap={"after": "delete"})) as connector:
        server.put("INBOX", mail(1))
        _, handles, _ = await drain(connector)
        server.renumber("INBOX")
        await connector.confirm(handles)
        assert len(server.boxes["INBOX"].mails) == 1


async def test_nothing_after_means_no_handles(make: Make) -> None:
    async with FakeImap() as server, make(settings(server)) as connector:
        server.put("INBOX", mail(1))
        assert (await drain(connector))[1] == []


async def test_a_large_mail_comes_in_pieces_and_is_the_same_mail(make: Make) -> None:
    large = mail(1) + b"x" * 3_000_000 + b"\n"
    async with FakeImap() as server:
        server.put("INBOX", large)
        async with make(settings(server, imap={"chunk_bytes": 100_000, "after": "flag"})) as connector:
            (spooled,), handles, _ = await drain(connector)
        async with make(settings(server)) as connector:
            (whole,), _, _ = await drain(connector)
        assert isinstance(spooled.raw, Spooled)
        assert spooled.raw.path.read_bytes() == whole.raw
        assert (spooled.source_id, spooled.fingerprint) == (whole.source_id, whole.fingerprint)
        assert len(handles) == 1


async def test_of_a_mail_over_the_limit_the_beginning_is_held_and_the_original_left_alone(make: Make) -> None:
    async with FakeImap() as server:
        server.put("INBOX", mail(1) + b"x" * 50_000)
        server.put("INBOX", mail(2))
        more = {"limits": {"body_bytes": 20_000}, "imap": {"chunk_bytes": 10_000, "after": "delete"}}
        async with make(settings(server, **more)) as connector:
            found, handles, _ = await drain(connector)
            assert ids(found) == matters(1, 2)
            assert found[0].hold is not None
            assert "INBOX" in found[0].hold
            assert len(found[0].raw) == 20_000  # type: ignore[arg-type]
            assert found[0].meta["truncated"] is True
            await connector.confirm(handles)
            assert [one.uid for one in server.boxes["INBOX"].mails] == [1]


async def test_a_mail_that_the_server_lists_and_does_not_give_is_shown_and_not_passed_over(
    make: Make,
) -> None:
    async with FakeImap() as server:
        for n in (1, 2, 3):
            server.put("INBOX", mail(n))
        server.faults.add("withhold_2")
        async with make(settings(server, imap={"after": "delete"})) as connector:
            found, handles, _ = await drain(connector)
            assert ids(found)[:2] == matters(1, 3)
            (withheld,) = found[2:]
            assert withheld.hold is not None and "UID 2" in withheld.hold
            await connector.confirm(handles)
            assert [one.uid for one in server.boxes["INBOX"].mails] == [2]


async def test_a_server_that_gives_less_than_asked_for_cuts_no_mail(make: Make) -> None:
    """Taken for the end, a short piece would have the rest deleted at the server unread."""
    async with FakeImap() as server:
        server.put("INBOX", mail(1) + b"x" * 5_000)
        server.faults.add("short_pieces")
        async with make(settings(server, imap={"chunk_bytes": 1_000, "after": "delete"})) as connector:
            (found,), _, _ = await drain(connector)
            raw = found.raw if isinstance(found.raw, bytes) else found.raw.path.read_bytes()
            assert raw == server.boxes["INBOX"].mails[0].data and len(raw) > 5_000


async def test_the_librarys_debug_lines_stay_off(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with FakeImap() as server, make(settings(server)) as connector:
        server.put("INBOX", mail(1))
        await drain(connector)
    assert "lift" not in caplog.text
    assert PASSWORD not in caplog.text


@pytest.mark.parametrize(
    ("name", "wire"),
    [
        ("已发送", "&XfJT0ZAB-"),
        ("草稿箱", "&g0l6P3ux-"),
        ("病毒文件夹", "&dcVr0mWHTvZZOQ-"),
        ("A&B 反馈/已处理", "A&-B &U82ZiA-/&XfJZBHQG-"),
        ("😀", "&2D3eAA-"),
        ("INBOX", "INBOX"),
    ],
)
def test_folder_names_in_modified_utf7(name: str, wire: str) -> None:
    assert imap_text.modified_utf7(name) == wire


def test_a_body_in_quotes_and_one_that_is_gone_are_told_apart() -> None:
    lines = [b'1 FETCH (UID 5 BODY[] "Subject: \\"x\\"")', b"2 FETCH (UID 6 BODY[] NIL)", b"OK done"]
    assert [(one.uid, one.body) for one in imap_text.parse(lines)] == [(5, b'Subject: "x"'), (6, None)]


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (b"[OVERQUOTA] Account exceeded command or bandwidth limits.", Reason.THROTTLED),
        (b"[ALERT] Too many simultaneous connections. (Failure)", Reason.THROTTLED),
        (b"User is authenticated but not connected.", Reason.SERVER),
        (b"SELECT Unsafe Login. Please contact kefu@188.com for help", Reason.AUTH),
        (b"[NONEXISTENT] Unknown mailbox", Reason.CONFIG),
    ],
)
def test_what_a_refusal_says_becomes_a_reason(words: bytes, reason: Reason) -> None:
    assert imap.refusal(imap.Response("NO", [words]), "SELECT INBOX").reason is reason
