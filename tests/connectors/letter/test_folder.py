"""The watched folder: only what is whole is taken, and nothing stays unexplained."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from connectors.contract import Batch, Fetcher
from connectors.letter import SPEC, LetterSettings
from connectors.letter import folder as folders
from model.failures import TemporaryFailure
from model.health import HealthState
from model.tools import Spooled
from tests.rigs import scans
from tests.rigs.tools import Workbench

PDF = scans.image("PDF")


class Desk:
    """A channel on a folder of its own."""

    def __init__(self, bench: Workbench, path: Path, **settings: object) -> None:
        self.path = path
        self.bench = bench
        given = {
            "kind": "letter",
            "inbox": {"folder": str(path), **settings},
            "limits": {"body_bytes": 400_000},
        }
        connector = SPEC.build(LetterSettings.model_validate(given), bench.tools("letters"))
        assert isinstance(connector, Fetcher)
        self.connector = connector
        self.any: object = connector

    async def look(self, after: float = 0.0) -> Batch:
        self.bench.clock.advance(after)
        return await self.connector.fetch(None, timedelta(0))

    async def taken(self) -> Batch:
        """What two looks with the time to settle between them give."""
        await self.look()
        return await self.look(after=11)

    async def move(self, batch: Batch) -> None:
        await self.connector.confirm(batch.handles)

    def names(self, folder: str = "") -> list[str]:
        return sorted(path.name for path in (self.path / folder).iterdir() if path.is_file())


@pytest.fixture
async def bench() -> AsyncIterator[Workbench]:
    async with Workbench() as bench:
        yield bench


@pytest.fixture
async def desk(bench: Workbench, tmp_path: Path) -> AsyncIterator[Desk]:
    desk = Desk(bench, tmp_path)
    async with desk.any:  # type: ignore[attr-defined]
        yield desk


async def test_a_whole_file_that_rests_is_taken_and_moved_after_the_commit(desk: Desk) -> None:
    (desk.path / "a.pdf").write_bytes(PDF)
    assert not (await desk.look()).envelopes
    batch = await desk.look(after=11)
    (one,) = batch.envelopes
    assert (one.raw, one.media_type, one.meta) == (PDF, "application/pdf", {"filename": "a.pdf"})
    assert one.source_id == one.fingerprint
    assert desk.names() == ["a.pdf"]  # nothing is moved before it is stored
    await desk.move(batch)
    await desk.move(batch)  # told twice after a crash
    assert (desk.names(), desk.names("done")) == ([], ["a.pdf"])


async def test_a_file_that_grows_is_left_until_it_rests(desk: Desk) -> None:
    path = desk.path / "a.pdf"
    for size in (100, 200, len(PDF)):
        path.write_bytes(PDF[:size])
        assert not (await desk.look(after=11)).envelopes
    assert len((await desk.look(after=11)).envelopes) == 1


async def test_a_cut_file_waits_and_then_goes_to_failed_with_its_reason(desk: Desk) -> None:
    (desk.path / "a.pdf").write_bytes(PDF[:-8])
    (desk.path / "b.pdf").write_bytes(b"")
    batch = await desk.taken()
    assert (batch.envelopes, list(batch.handles)) == ([], [])
    batch = await desk.look(after=1000)
    await desk.move(batch)
    assert desk.names("failed") == ["a.pdf", "a.pdf.reason.txt", "b.pdf", "b.pdf.reason.txt"]
    told = (desk.path / "failed" / "a.pdf.reason.txt").read_text()
    assert told == "a.pdf: it was cut off: the PDF has no end (%%EOF)\n"


async def test_what_is_no_scan_or_too_large_goes_to_failed_at_once(desk: Desk) -> None:
    (desk.path / "a.docx").write_bytes(b"PK\x03\x04")
    (desk.path / "b.png").write_bytes(scans.image("PNG", [scans.page(20_000, 20_000)]))
    (desk.path / "c.jpg").write_bytes(scans.image("JPEG") + bytes(500_000) + b"\xff\xd9")
    batch = await desk.taken()
    assert batch.envelopes == []
    await desk.move(batch)
    assert desk.names() == []
    assert len(desk.names("failed")) == 6


async def test_names_that_programs_use_for_unfinished_files_are_left_alone(desk: Desk) -> None:
    for name in (".hidden", "~$a.pdf", "Thumbs.db", "a.tmp", "a.pdf.part"):
        (desk.path / name).write_bytes(b"x")
    (desk.path / "a folder").mkdir()
    (desk.path / "link.pdf").symlink_to("/etc/hostname")
    await desk.taken()
    batch = await desk.look(after=10_000)
    assert (batch.envelopes, list(batch.handles)) == ([], [])


async def test_a_second_file_of_the_same_name_is_another_file(desk: Desk) -> None:
    for n in range(3):
        (desk.path / "a.png").write_bytes(scans.image("PNG", [scans.page(shade=n)]))
        await desk.move(await desk.taken())
    assert desk.names("done") == ["a-2.png", "a-3.png", "a.png"]


async def test_a_file_that_was_replaced_before_it_was_moved_stays(desk: Desk) -> None:
    (desk.path / "a.pdf").write_bytes(PDF)
    batch = await desk.taken()
    (desk.path / "a.pdf").write_bytes(scans.image("PDF", [scans.page(shade=7)]))
    await desk.move(batch)
    assert desk.names() == ["a.pdf"]


async def test_a_file_deleted_before_or_while_it_is_read_breaks_nothing(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    (desk.path / "a.pdf").write_bytes(PDF)
    (desk.path / "b.pdf").write_bytes(PDF)
    await desk.look()
    real = desk.connector.inbox._look  # type: ignore[attr-defined]

    def look(now: float) -> object:
        found = real(now)
        (desk.path / "a.pdf").unlink(missing_ok=True)
        return found

    monkeypatch.setattr(desk.connector.inbox, "_look", look)  # type: ignore[attr-defined]
    batch = await desk.look(after=11)
    assert [one.meta["filename"] for one in batch.envelopes] == ["b.pdf"]
    (desk.path / "b.pdf").unlink()
    await desk.move(batch)


async def test_a_file_written_to_while_it_is_read_is_taken_later(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = desk.path / "a.tif"
    path.write_bytes(scans.image("TIFF"))
    await desk.look()
    real = folders._chunks

    async def chunks(file: object) -> AsyncIterator[bytes]:
        with path.open("ab") as more:
            more.write(b"more")
        async for chunk in real(file):  # type: ignore[arg-type]
            yield chunk

    monkeypatch.setattr(folders, "_chunks", chunks)
    batch = await desk.look(after=11)
    assert (batch.envelopes, list(batch.handles)) == ([], [])


async def test_a_large_scan_goes_through_the_spool(bench: Workbench, tmp_path: Path) -> None:
    desk = Desk(bench, tmp_path)
    import numpy

    noise = numpy.random.default_rng(1).integers(0, 255, (1500, 1500), dtype=numpy.uint8)
    from PIL import Image

    data = scans.image("PNG", [Image.fromarray(noise)])
    desk.connector.inbox._limits = LetterSettings().limits  # type: ignore[attr-defined]
    (tmp_path / "a.png").write_bytes(data)
    (one,) = (await desk.taken()).envelopes
    size = one.raw.size if isinstance(one.raw, Spooled) else len(one.raw)
    assert size == len(data)


async def test_after_delete_nothing_is_left(bench: Workbench, tmp_path: Path) -> None:
    desk = Desk(bench, tmp_path, after="delete")
    (tmp_path / "a.pdf").write_bytes(PDF)
    await desk.move(await desk.taken())
    assert desk.names() == []
    assert not (tmp_path / "done").exists()


async def test_a_folder_that_is_not_there_is_told(bench: Workbench, tmp_path: Path) -> None:
    desk = Desk(bench, tmp_path / "missing")
    health = await desk.connector.probe()  # type: ignore[attr-defined]
    assert health.state is HealthState.FAILING
    with pytest.raises(TemporaryFailure, match="No such file"):
        await desk.look()


@pytest.mark.parametrize("where", ["folder", "done", "file"])
async def test_what_may_not_be_read_or_written_is_told_and_nothing_is_lost(
    bench: Workbench, tmp_path: Path, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(bench, tmp_path)
    (tmp_path / "a.pdf").write_bytes(PDF)

    def refuse(*_args: object, **_more: object) -> None:
        raise PermissionError(13, "Permission denied")

    if where == "folder":
        monkeypatch.setattr(os, "scandir", refuse)
        with pytest.raises(TemporaryFailure, match="Permission denied"):
            await desk.look()
        return
    await desk.look()
    if where == "file":
        monkeypatch.setattr(Path, "open", refuse)
        batch = await desk.look(after=11)
        assert batch.health is not None and batch.health.detail == "1 files cannot be read"
        assert desk.names() == ["a.pdf"]
        return
    batch = await desk.look(after=11)
    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(TemporaryFailure, match="cannot move files"):
        await desk.move(batch)
    monkeypatch.undo()
    await desk.move(batch)
    assert desk.names("done") == ["a.pdf"]


async def test_the_probe_counts_what_lies_in_failed(desk: Desk) -> None:
    assert (await desk.connector.probe()).detail == ""  # type: ignore[attr-defined]
    (desk.path / "a.docx").write_bytes(b"PK\x03\x04")
    await desk.move(await desk.taken())
    health = await desk.connector.probe()  # type: ignore[attr-defined]
    assert health.ok and health.detail.startswith("1 files in ")


def test_done_and_failed_are_folders_of_their_own() -> None:
    for given in ({"done": "."}, {"done": "x", "failed": "x"}):
        with pytest.raises(ValueError, match="folder"):
            LetterSettings.model_validate({"kind": "letter", "inbox": {"folder": "/x", **given}})
