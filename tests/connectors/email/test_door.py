"""The door: 250 only once a mail is stored, and an answer that makes the sender keep it otherwise."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from connectors.contract import Batch, Busy
from model.envelope import Accepted
from model.failures import PermanentFailure, Reason
from model.health import HealthState
from tests.rigs.email import ADDRESS, bring, mail, port, settings
from tests.rigs.tools import Workbench

Make = Callable[[dict[str, Any]], Any]


class Store:
    """Stands for the house behind the door."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []
        self.failure: Exception | None = None
        self.release = asyncio.Event()
        self.release.set()
        self.asked = asyncio.Event()

    async def accept(self, batch: Batch) -> Sequence[Accepted]:
        self.asked.set()
        await self.release.wait()
        if self.failure is not None:
            raise self.failure
        self.batches.append(batch)
        return [Accepted(f"id-{len(self.batches)}", f"FB-{len(self.batches)}") for _ in batch.envelopes]


def door(**more: Any) -> dict[str, Any]:
    return settings(door={"port": 0, **more})


async def test_a_stored_mail_is_answered_with_its_reference(make: Make) -> None:
    store = Store()
    async with make(door()) as connector:
        await connector.listen(store.accept)
        answer = await bring(port(connector), mail(1), sender="bounce@example.com")
    assert answer == "250 2.0.0 stored as FB-1"
    (envelope,) = store.batches[0].envelopes
    assert envelope.account == ADDRESS
    assert envelope.source_id == "<matter-1@example.com>"
    assert envelope.raw == mail(1).replace(b"\n", b"\r\n")
    assert envelope.meta == {
        "mail_from": "bounce@example.com", "rcpt_to": [ADDRESS], "remote": "127.0.0.1", "helo": "rig.example",
    }  # fmt: skip


async def test_no_answer_leaves_before_the_store_has_it(make: Make) -> None:
    store = Store()
    store.release.clear()
    async with make(door()) as connector:
        await connector.listen(store.accept)
        bringing = asyncio.create_task(bring(port(connector), mail(1)))
        await store.asked.wait()
        done, _ = await asyncio.wait({bringing}, timeout=0.05)
        assert not done
        store.release.set()
        assert (await bringing).startswith("250")


@pytest.mark.parametrize(
    ("failure", "answer"),
    [
        (Busy("full"), "452 4.3.1"),
        (RuntimeError("a customer's words"), "451 4.3.0"),
        (PermanentFailure(Reason.SERVER, "x"), "451 4.3.0"),
    ],
)
async def test_what_is_not_stored_stays_with_the_sender(
    make: Make, bench: Workbench, failure: Exception, answer: str
) -> None:
    store = Store()
    store.failure = failure
    async with make(door()) as connector:
        await connector.listen(store.accept)
        said = await bring(port(connector), mail(1))
        assert said.startswith(answer)
        assert "words" not in said + str(bench.log.events)
        store.failure = None
        assert (await bring(port(connector), mail(1))).startswith("250")


async def test_the_null_sender_is_kept(make: Make) -> None:
    store = Store()
    async with make(door()) as connector:
        await connector.listen(store.accept)
        await bring(port(connector), mail(1), sender="")
    assert store.batches[0].envelopes[0].meta["mail_from"] == "<>"


@pytest.mark.parametrize(
    ("recipient", "answer"),
    [
        ("info@office.example", "250"),
        ("FEEDBACK@Office.Example", "250"),
        ("feedback+t0k3n@office.example", "250"),
        ("boss@office.example", "550 5.1.1"),
        ("victim@elsewhere.example", "550 5.7.1"),
    ],
)
async def test_only_our_recipients_are_taken(make: Make, recipient: str, answer: str) -> None:
    store = Store()
    async with make({**door(), "aliases": ["info@office.example"]}) as connector:
        await connector.listen(store.accept)
        said = await bring(port(connector), mail(1), recipients=(recipient,))
    assert said.startswith(answer)
    assert len(store.batches) == (answer == "250")


async def test_any_recipient_is_taken_where_the_settings_say_so(make: Make) -> None:
    store = Store()
    async with make(door(recipients=["*"])) as connector:
        await connector.listen(store.accept)
        assert (await bring(port(connector), mail(1), recipients=("x@y.example",))).startswith("250")


async def test_lmtp_answers_for_each_recipient(make: Make) -> None:
    store = Store()
    async with make(door(protocol="lmtp", recipients=["*"])) as connector:
        await connector.listen(store.accept)
        answers = await bring(
            port(connector), mail(1), recipients=("a@x.example", "b@x.example"), hello="LHLO"
        )
    assert [one[:3] for one in answers.split("\n")] == ["250", "250"]
    assert len(store.batches) == 1
    assert store.batches[0].envelopes[0].meta["rcpt_to"] == ["a@x.example", "b@x.example"]


async def test_too_many_recipients_are_told_to_come_apart(make: Make) -> None:
    store = Store()
    async with make(door(recipients=["*"], max_recipients=2)) as connector:
        await connector.listen(store.accept)
        answer = await bring(port(connector), mail(1), recipients=tuple(f"{n}@x.example" for n in range(3)))
    assert answer.startswith("452 4.5.3")


async def test_strangers_networks_may_not_deliver(make: Make) -> None:
    store = Store()
    async with make(door(networks=["192.0.2.0/24"])) as connector:
        await connector.listen(store.accept)
        assert (await bring(port(connector), mail(1))).startswith("550 5.7.1")
    async with make(door(networks=["192.0.2.0/24", "127.0.0.1"])) as connector:
        await connector.listen(store.accept)
        assert (await bring(port(connector), mail(1))).startswith("250")


async def test_a_mail_over_the_limit_is_refused_for_good_and_the_next_one_taken(make: Make) -> None:
    store = Store()
    async with make({**door(), "limits": {"body_bytes": 5000}}) as connector:
        await connector.listen(store.accept)
        assert (await bring(port(connector), mail(1) + b"x" * 6000)).startswith("552")
        assert (await bring(port(connector), mail(1))).startswith("250")
    assert len(store.batches) == 1


async def test_the_size_limit_is_announced(make: Make) -> None:
    async with make({**door(), "limits": {"body_bytes": 5000}}) as connector:
        await connector.listen(Store().accept)
        reader, writer = await asyncio.open_connection("127.0.0.1", port(connector))
        writer.write(b"EHLO x\r\nMAIL FROM:<a@b.example> SIZE=6000\r\n")
        said = b""
        async with asyncio.timeout(5):
            while b"552" not in said:
                said += await reader.readline()
        writer.close()
    assert b"SIZE 5000" in said


async def test_long_lines_that_real_senders_write_are_taken(make: Make) -> None:
    store = Store()
    async with make(door()) as connector:
        await connector.listen(store.accept)
        assert (await bring(port(connector), mail(1) + b"x" * 20_000)).startswith("250")
    assert b"x" * 20_000 in store.batches[0].envelopes[0].raw


async def test_a_client_that_says_nothing_is_shown_out(make: Make) -> None:
    async with make(door(idle_timeout=0.1)) as connector:
        await connector.listen(Store().accept)
        reader, writer = await asyncio.open_connection("127.0.0.1", port(connector))
        async with asyncio.timeout(5):
            await reader.readline()
            assert await reader.read() == b""
        writer.close()


async def test_one_session_too_many_is_told_to_come_later(make: Make) -> None:
    store = Store()
    async with make(door(max_sessions=1)) as connector:
        await connector.listen(store.accept)
        first, held = await asyncio.open_connection("127.0.0.1", port(connector))
        await first.readline()
        second, writer = await asyncio.open_connection("127.0.0.1", port(connector))
        async with asyncio.timeout(5):
            assert (await second.readline()).startswith(b"421")
        held.close()
        writer.close()


async def test_closing_hangs_up_and_frees_the_port_and_may_be_repeated(make: Make) -> None:
    connector = make(door())
    async with connector:
        await connector.listen(Store().accept)
        where = port(connector)
        reader, writer = await asyncio.open_connection("127.0.0.1", where)
        await reader.readline()
    await connector.door.close()
    async with asyncio.timeout(5):
        assert await reader.read() == b""
    writer.close()
    async with make(door(port=where)) as again:
        await again.listen(Store().accept)
        assert (await again.probe()).ok


async def test_a_port_in_use_is_told_with_the_remedy(make: Make) -> None:
    async with make(door()) as first:
        await first.listen(Store().accept)
        async with make(door(port=port(first))) as second:
            with pytest.raises(PermanentFailure, match=r"door\.port") as failed:
                await second.listen(Store().accept)
            assert failed.value.reason is Reason.CONFIG
            assert (await second.probe()).state is HealthState.UNKNOWN


async def test_bytes_after_a_bare_line_feed_are_no_second_mail(make: Make) -> None:
    store = Store()
    smuggled = (
        b"Subject: one\r\n\r\nhello\n.\nMAIL FROM:<evil@x.example>\nRCPT TO:<%b>\nDATA\nSubject: two\n\n"
        % (ADDRESS.encode())
    )
    async with make(door()) as connector:
        await connector.listen(store.accept)
        reader, writer = await asyncio.open_connection("127.0.0.1", port(connector))
        writer.write(b"EHLO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<%b>\r\nDATA\r\n" % ADDRESS.encode())
        writer.write(smuggled + b"\r\n.\r\nQUIT\r\n")
        async with asyncio.timeout(5):
            await reader.read()
        writer.close()
    assert len(store.batches) == 1
