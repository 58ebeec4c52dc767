"""The mailbox against a real Dovecot: one flow from delivery to the mail being moved away."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from model.failures import Reason, TemporaryFailure
from tests.connectors.email.test_mailbox import drain, ids, matters
from tests.rigs.dovecot import Dovecot, missing, settings
from tests.rigs.email import mail

Make = Callable[[dict[str, Any]], Any]
WHY_NOT = missing()
pytestmark = pytest.mark.skipif(
    WHY_NOT is not None and os.environ.get("REQUIRE_ALL") != "1", reason=WHY_NOT or ""
)


async def test_mail_is_read_once_moved_after_storing_and_survives_a_restart(
    make: Make, tmp_path: Path
) -> None:
    after = {"after": "move", "move_to": "Done", "chunk": 20}
    with Dovecot() as server:
        for n in range(50):
            server.put("INBOX", mail(n))
        server.put("Done", mail(1000))
        async with make(settings(server, imap=after)) as connector:
            assert (await connector.probe()).ok
            found, handles, cursor = await drain(connector)
            assert sorted(ids(found)) == sorted(matters(*range(50)))
            await connector.confirm(handles[:30])
            await asyncio.to_thread(server.stop)
            with pytest.raises(TemporaryFailure) as failed:
                await connector.confirm(handles[30:])
            assert failed.value.reason is Reason.UNREACHABLE
            await asyncio.to_thread(server.start)
            await connector.confirm(handles)
            await connector.confirm(handles)
            assert (server.count("INBOX"), server.count("Done")) == (0, 51)
            waiting = asyncio.create_task(connector.fetch(cursor, timedelta(seconds=20)))
            await asyncio.sleep(0.3)  # until it waits in IDLE: nothing tells from outside
            server.put("INBOX", mail(77))
            batch = await waiting
            assert ids(list(batch.envelopes)) == matters(77)
            server.put("INBOX", mail(78))
            await asyncio.to_thread(server.stop)
            server.renumber("INBOX")
            await asyncio.to_thread(server.start)
            with pytest.raises(TemporaryFailure):  # the old connection
                await connector.fetch(batch.cursor, timedelta())
            found, _, _ = await drain(connector, batch.cursor)
            assert sorted(ids(found)) == sorted(matters(77, 78))


async def test_a_wrong_password_at_a_real_server(make: Make, tmp_path: Path) -> None:
    with Dovecot() as server:
        async with make(settings(server, imap={"password": "wrong"})) as connector:
            with pytest.raises(TemporaryFailure) as failed:
                await connector.fetch(None, timedelta())
            assert failed.value.reason is Reason.AUTH


async def test_a_large_mail_and_strange_names_at_a_real_server(make: Make, tmp_path: Path) -> None:
    with Dovecot() as server:
        server.put("&U82ZiGWHTvY-", mail(1) + b"x" * 2_000_000)
        folder = {"folders": ["反馈文件"], "chunk_bytes": 500_000, "after": "keyword"}
        async with make(settings(server, imap=folder)) as connector:
            found, handles, _ = await drain(connector)
            assert ids(found) == matters(1)
            await connector.confirm(handles)
