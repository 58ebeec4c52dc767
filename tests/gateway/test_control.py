"""The way to the house: a running daemon's API, or the same API over our own locked folder."""

from __future__ import annotations

import contextlib
import json
import os
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from config.load import Loaded, load
from console import app as console
from console.services import Services
from gateway import control
from gateway.control import connect
from gateway.daemon import open_offline
from gateway.trouble import Exit, Trouble
from store.lock import FolderLock
from tests.rigs import far_sides

TOKEN = "the-token-of-the-administrator"


@pytest.fixture
def loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Loaded:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "forebay.yaml").write_text("data: data\nchannels:\n  form: {kind: form}\n")
    return load(tmp_path / "forebay.yaml")


def write_place(folder: Path, url: str, pid: int | None = None) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "daemon.json").write_text(json.dumps({"pid": pid or os.getpid(), "url": url, "started_at": ""}))


def a_dead_pid() -> int:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    return ended.pid


@contextlib.asynccontextmanager
async def serving(loaded: Loaded, *, tls: Any = None) -> AsyncIterator[Services]:
    """A house that answers at a port, as its daemon would."""
    async with open_offline(loaded) as services:
        app = web.Application()
        console.install(app, services)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
        scheme = "https" if tls else "http"
        write_place(loaded.settings.data, f"{scheme}://127.0.0.1:{runner.addresses[0][1]}")
        try:
            yield services
        finally:
            await runner.cleanup()
            (loaded.settings.data / "daemon.json").unlink()


async def answers(loaded: Loaded) -> list[Any]:
    async with connect(loaded) as house:
        return [
            house.running,
            await house.get("/v1/inbox", state=["held", "quarantined"], channel=None, limit=5),
            await house.get("/v1/channels"),
            await house.post("/v1/admin/audit"),
        ]


async def test_both_ways_give_the_same_answers(loaded: Loaded) -> None:
    async with serving(loaded):
        running, *online = await answers(loaded)
    assert running is True
    running, *offline = await answers(loaded)
    assert running is False
    assert online == offline
    assert online[1]["channels"][0]["name"] == "form"


async def test_without_a_daemon_the_folder_is_locked_and_let_go(loaded: Loaded) -> None:
    lock = FolderLock(loaded.settings.data)
    async with connect(loaded):
        with pytest.raises(Exception, match="in use"):
            lock.take()
    lock.take()
    lock.close()


@pytest.mark.parametrize("left", ["dead pid", "nobody listens", "cut off", "not an object"])
async def test_what_a_dead_daemon_left_counts_for_nothing(loaded: Loaded, left: str) -> None:
    folder = loaded.settings.data
    write_place(folder, "http://127.0.0.1:9", a_dead_pid() if left == "dead pid" else None)
    if left == "cut off":
        (folder / "daemon.json").write_text('{"pid": 1')
    if left == "not an object":
        (folder / "daemon.json").write_text("[]")
    async with connect(loaded) as house:
        assert not house.running
        assert (await house.get("/v1/channels"))["channels"]


async def test_a_folder_in_use_by_a_daemon_that_does_not_answer_is_told(loaded: Loaded) -> None:
    async with open_offline(loaded):
        write_place(loaded.settings.data, "http://127.0.0.1:9")
        with pytest.raises(Trouble, match=r"in use by another daemon.*127\.0\.0\.1:9") as caught:
            async with connect(loaded):
                pass
    assert caught.value.code is Exit.UNAVAILABLE


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/v1/inbox/nonsense", Exit.NO_INPUT),
        ("/v1/inbox?state=nonsense", Exit.DATA),
        ("/v1/none", Exit.NO_INPUT),
    ],
)
async def test_a_refusal_has_the_apis_words_and_a_code(loaded: Loaded, path: str, code: Exit) -> None:
    async with connect(loaded) as house:
        with pytest.raises(Trouble) as caught:
            await house.get(path)
    assert caught.value.code is code
    assert str(caught.value) and "\n" not in str(caught.value)


async def test_a_wrong_token_is_not_allowed_and_not_repeated(loaded: Loaded) -> None:
    async with serving(loaded):
        (loaded.settings.data / "admin-token").write_text("not-the-token-at-all")
        async with connect(loaded) as house:
            with pytest.raises(Trouble) as caught:
                await house.get("/v1/channels")
    assert caught.value.code is Exit.NO_PERMISSION
    assert "not-the-token" not in str(caught.value)


async def test_the_configured_token_goes_before_the_file(loaded: Loaded, tmp_path: Path) -> None:
    (tmp_path / "forebay.yaml").write_text(f"data: data\napi: {{admin_token: {TOKEN}}}\n")
    given = load(tmp_path / "forebay.yaml")
    assert control.read_token(given) == TOKEN
    async with connect(given) as house:
        assert await house.get("/v1/channels") == {"channels": []}
    assert not (given.settings.data / "admin-token").exists()


def test_a_missing_token_file_is_named(loaded: Loaded) -> None:
    with pytest.raises(Trouble, match=r"admin-token cannot be read") as caught:
        control.read_token(loaded)
    assert caught.value.code is Exit.NO_PERMISSION


async def test_at_a_door_with_tls_only_the_configured_certificate_is_met(
    loaded: Loaded, tmp_path: Path
) -> None:
    for name in ("ours", "theirs"):
        (tmp_path / name).mkdir()
    ca, tls = far_sides.authority(tmp_path / "ours", "feedback.example.org")
    _, other = far_sides.authority(tmp_path / "theirs", "feedback.example.org")
    (tmp_path / "forebay.yaml").write_text(
        "data: data\nchannels:\n  form: {kind: form}\n"
        f"listen: {{tls: {{cert_file: {ca}, key_file: {tmp_path / 'ours' / 'chain.pem'}}}}}\n"
    )
    given = load(tmp_path / "forebay.yaml")
    async with serving(given, tls=tls), connect(given) as house:
        assert (await house.get("/v1/channels"))["channels"]
    async with serving(given, tls=other), connect(given) as house:
        with pytest.raises(Trouble, match="another certificate"):
            await house.get("/v1/channels")


async def test_nobody_else_can_enter_the_socket(loaded: Loaded, monkeypatch: pytest.MonkeyPatch) -> None:
    modes: list[int] = []
    start = web.UnixSite.start

    async def noted(site: web.UnixSite) -> None:
        await start(site)
        modes.append(stat.S_IMODE(Path(str(site._path)).parent.stat().st_mode))

    monkeypatch.setattr(web.UnixSite, "start", noted)
    async with connect(loaded):
        pass
    assert modes == [0o700]
