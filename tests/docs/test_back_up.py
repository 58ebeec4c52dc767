"""A copy made as the page says, of a daemon that runs, is whole, and starts on hold."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from model.tools import Clock
from store import balance
from tests import databases
from tests.docs.pages import DOCS, ROOT, blocks
from tests.rigs.tools import CountingIds

PAGE = [
    block.text
    for block in blocks((DOCS / "how-to" / "back-up.md").read_text(encoding="utf-8"))
    if block.language == "bash"
]
BACK_UP, RESTORE, *RELEASE = PAGE


def shell(script: str, folder: Path) -> None:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder, env={"PATH": "/usr/bin:/bin", "PYTHON": sys.executable}, capture_output=True, text=True,
        check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("running", [True, False], ids=["running", "stopped"])
async def test_a_copy_of_a_store_is_whole_and_on_hold(tmp_path: Path, clock: Clock, running: bool) -> None:
    (tmp_path / "deploy").symlink_to(ROOT / "deploy")
    store = await databases.open_store(
        databases.settings("sqlite"), tmp_path / "var", clock, CountingIds("first")
    )
    try:
        small, _ = await store.put_blob(b"small")
        large, size = await store.put_blob(b"large" * 100_000)
        if running:
            shell(BACK_UP, tmp_path)
            shell(BACK_UP, tmp_path)  # again, over the first copy
    finally:
        await store.close()
    if not running:
        shell(BACK_UP, tmp_path)
    shell(RESTORE, tmp_path)
    copy = await databases.open_store(
        databases.settings("sqlite"), tmp_path / "restored", clock, CountingIds("second")
    )
    try:
        assert copy.on_hold
        assert await copy.load_blob(small) == b"small"
        assert len(await copy.load_blob(large) or b"") == size
        assert await copy.read(lambda c: balance.check(c, copy.blobs)) == []
    finally:
        await copy.close()


def test_the_page_tells_to_look_before_the_release() -> None:
    assert RELEASE == ["forebay release\n", "forebay release --yes\n"]
