"""Reading in worker processes: what is slow is read apart, and large mail from its file."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest

from inbox.reading import Reader, Slow
from inbox.settings import InboxSettings
from model.envelope import StoredEnvelope
from model.failures import Malformed
from model.states import EnvelopeState
from model.tools import Spooled
from normalizer.catalog import CATALOG

AT = datetime(2026, 11, 22, tzinfo=UTC)
ENVELOPE = StoredEnvelope(
    id="e", account="a", channel="mail", kind="email", source_id="s", fingerprint="f", order_key=None,
    received_at=AT, sent_at=None, state=EnvelopeState.CLAIMED, reason=None, claim=None, claims=0, record=None,
    parent=None, reference="R", blob="b", size=1, media_type="message/rfc822", meta={},
)  # fmt: skip
HEAD = b"From: li@example.com\r\nSubject: x\r\n"
#: Every line looks like the head of a quotation, so that trimming takes a good part of a second.
SLOW = HEAD + b"\r\n" + b"a <b@c.d> 1:\r\n" * 3_900


@pytest.fixture
async def reader(tmp_path: Path) -> AsyncIterator[Reader]:
    settings = InboxSettings.model_validate({"reader_patience": 0.05})
    one = Reader(settings, CATALOG, tmp_path)
    yield one
    await one.close()


async def test_what_is_slow_to_read_is_given_up_and_read_apart(reader: Reader) -> None:
    with pytest.raises(Slow):
        await reader.read(ENVELOPE, SLOW, {})
    assert (await reader.read(ENVELOPE, SLOW, {}, apart=True)).subject == "x"


async def test_what_is_read_apart_holds_up_no_other(reader: Reader) -> None:
    apart = asyncio.create_task(reader.read(ENVELOPE, SLOW, {}, apart=True))
    assert (await reader.read(ENVELOPE, HEAD + b"\r\nHello", {})).text == "Hello"
    assert not apart.done()
    await apart


async def test_apart_too_there_is_a_deadline(tmp_path: Path) -> None:
    one = Reader(InboxSettings.model_validate({"reader_deadline": 8}), CATALOG, tmp_path)
    try:
        await one.read(ENVELOPE, HEAD + b"\r\nHello", {}, apart=True)
        worker = next(child for child in psutil.Process().children() if "inbox.worker" in child.cmdline())
        worker.suspend()
        with pytest.raises(Malformed, match=r"took longer than 8 s"):
            await one.read(ENVELOPE, HEAD + b"\r\nHello", {}, apart=True)
    finally:
        await one.close()


async def test_a_large_mail_is_read_from_its_file_and_its_parts_go_to_files(
    reader: Reader, tmp_path: Path
) -> None:
    raw = tmp_path / "raw"
    raw.write_bytes(HEAD + b"Content-Type: application/pdf; name=a.pdf\r\n\r\n" + b"x" * 1_000_000)
    found = await reader.read(replace(ENVELOPE, size=raw.stat().st_size), raw, {}, apart=True)
    [part] = found.parts
    assert isinstance(part.data, Spooled)
    assert (part.filename, part.data.size) == ("a.pdf", 1_000_000)
    part.data.path.unlink()


async def test_a_file_that_is_gone_is_malformed(reader: Reader, tmp_path: Path) -> None:
    with pytest.raises(Malformed, match="FileNotFoundError"):
        await reader.read(ENVELOPE, tmp_path / "gone", {}, apart=True)
