"""Outgoing mail as files: whole under its name or not there, many at once, a second try in place of the first."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from connectors.email import files
from model.failures import TemporaryFailure
from model.health import HealthState
from tests.connectors.email.test_outgoing import Make, message
from tests.rigs.email import settings


def listed(folder: Path) -> set[str]:
    """Names of what stands in a folder."""
    return {path.name for path in folder.iterdir()}


async def test_the_file_transport_writes_whole_files_and_replaces_on_a_second_try(
    make: Make, tmp_path: Path
) -> None:
    folder = tmp_path / "out" / "going"
    made = settings(outgoing={"transport": "file", "folder": str(folder)}, door=None)
    async with make(made) as connector:
        await connector.send(message(1))
        await connector.send(message(1))
        receipt = await connector.send(message(2))
        assert (await connector.probe()).ok
    names = sorted(path.name for path in folder.iterdir())
    assert len(names) == 2
    assert receipt.data["file"] in names
    text = (folder / receipt.data["file"]).read_bytes()
    assert text.startswith(b"Return-Path: <feedback@office.example>\r\nFrom: ")
    assert receipt.remote_id.encode() in text


async def test_a_folder_that_cannot_be_written_is_a_temporary_failure(make: Make, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    made = settings(outgoing={"transport": "file", "folder": str(tmp_path / "file" / "x")}, door=None)
    async with make(made) as connector:
        with pytest.raises(TemporaryFailure):
            await connector.send(message())
        assert (await connector.probe()).state is HealthState.FAILING


async def test_mails_of_many_senders_are_written_together_and_one_bad_one_fails_alone(
    make: Make, tmp_path: Path
) -> None:
    made = settings(outgoing={"transport": "file", "folder": str(tmp_path)}, door=None)
    (tmp_path / files.file_name(message(3))).mkdir()  # in the way of the third
    async with make(made) as connector:
        results = await asyncio.gather(
            *(connector.send(message(n)) for n in range(6)), return_exceptions=True
        )
    assert [n for n, result in enumerate(results) if isinstance(result, TemporaryFailure)] == [3]
    names = listed(tmp_path)
    assert len(names) == 6 and not any(name.endswith(".tmp") for name in names)


def test_a_write_that_fails_leaves_the_old_file_and_no_rubbish(tmp_path: Path, monkeypatch: Any) -> None:
    path = tmp_path / "a.eml"
    assert files.write_all(tmp_path, [(path, b"old")]) == [None]

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    (error,) = files.write_all(tmp_path, [(path, b"new")])
    assert error is not None and error.errno == 28
    assert [one.name for one in tmp_path.iterdir()] == ["a.eml"]
    assert path.read_bytes() == b"old"
