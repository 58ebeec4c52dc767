"""The quickstart does what it says: every block runs as it stands there, against the demonstration."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from tests.docs.pages import DOCS, ROOT, blocks

PAGE = blocks((DOCS / "quickstart.md").read_text(encoding="utf-8"))
TOKEN = "a-token-for-the-quickstart"
END = "the block ended with"
#: Nothing on the page takes longer, on a slow machine either.
PATIENCE = 60.0
START = ["forebay", "run", "--config", "config/examples/demo.yaml"]


def test_make_run_starts_what_is_tested_here() -> None:
    plan = subprocess.run(
        ["make", "--dry-run", "run"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert plan.splitlines()[-1].split()[-4:] == [".venv/bin/forebay", *START[1:]]


def test_only_the_first_block_belongs_in_the_first_terminal() -> None:
    assert PAGE[0].title == 'title="first terminal"'
    assert PAGE[0].text == "make run\n"
    assert [one.language for one in PAGE if one.title] == ["bash"]


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
@pytest.mark.timeout(180)
async def test_every_block_does_what_the_page_promises(tmp_path: Path) -> None:
    env = environment(tmp_path)
    async with (
        demonstration(tmp_path, env) as base,
        terminal(tmp_path, env) as second,
        aiohttp.ClientSession(base, headers={"Authorization": f"Bearer {TOKEN}"}) as api,
    ):
        for block, promised in zip(PAGE[1:], [*PAGE[2:], None], strict=True):
            if block.language != "bash":
                continue
            output = await second.run(block.text)
            if promised is not None and promised.language == "text":
                assert_like(output, promised.text)
            await stillness(api)


def environment(folder: Path) -> dict[str, str]:
    """Free ports and a folder of its own; links stand in for the folder with the sources."""
    (folder / ".venv").symlink_to(sys.prefix)
    for name in ("config", "examples"):
        (folder / name).symlink_to(ROOT / name)
    web, smtp, chat = free_ports(3)
    keep = {name: os.environ[name] for name in ("PATH", "LANG", "HOME") if name in os.environ}
    return {
        **keep,
        "PYTHONUTF8": "1",
        "COLUMNS": "200",
        "FOREBAY_TOKEN": TOKEN,
        "FOREBAY_PORT": str(web),
        "FOREBAY_SMTP_PORT": str(smtp),
        "FOREBAY_CHAT_PORT": str(chat),
        "FOREBAY_HOOK_REPLY_URL": f"http://127.0.0.1:{chat}/reply",
    }


def free_ports(n: int) -> list[int]:
    """Ports that nobody listens at."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(n)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


@contextlib.asynccontextmanager
async def demonstration(folder: Path, env: dict[str, str]) -> AsyncIterator[str]:
    """The first terminal; the address when it is ready."""
    log = folder / "daemon.log"
    with log.open("wb") as out:
        daemon = await asyncio.create_subprocess_exec(
            str(folder / ".venv" / "bin" / START[0]), *START[1:], cwd=folder, env=env, stdout=out, stderr=out
        )
    base = f"http://127.0.0.1:{env['FOREBAY_PORT']}"
    try:
        async with asyncio.timeout(PATIENCE), aiohttp.ClientSession() as session:
            while True:
                assert daemon.returncode is None, log.read_text(encoding="utf-8")
                with contextlib.suppress(aiohttp.ClientConnectionError):
                    async with session.get(f"{base}/readyz") as answer:
                        if answer.status == 200:
                            break
                await asyncio.sleep(0.05)
        yield base
    finally:
        if daemon.returncode is None:
            daemon.terminate()
        await asyncio.wait_for(daemon.wait(), PATIENCE)
    assert daemon.returncode == 0, log.read_text(encoding="utf-8")


class Terminal:
    """One shell, so that a block sees the variables and functions of those before it."""

    def __init__(self, shell: asyncio.subprocess.Process) -> None:
        self._shell = shell

    async def run(self, block: str) -> str:
        """What a block prints, both streams; it must end well."""
        assert self._shell.stdin is not None and self._shell.stdout is not None
        self._shell.stdin.write(f"{block}\nprintf '\\n{END} %s\\n' $?\n".encode())
        output = ""
        async with asyncio.timeout(PATIENCE):
            while not (found := re.search(rf"\n{END} (\d+)\n", output)):
                line = await self._shell.stdout.readline()
                assert line, f"the shell ended:\n{output}"
                output += line.decode()
        output = output[: found.start()]
        assert found[1] == "0", f"{block}\nended with {found[1]}:\n{output}"
        return output.replace("\r", "")  # a terminal does not show those of the mail files


@contextlib.asynccontextmanager
async def terminal(folder: Path, env: dict[str, str]) -> AsyncIterator[Terminal]:
    """The second terminal."""
    shell = await asyncio.create_subprocess_exec(
        "bash", "--noprofile", "--norc", cwd=folder, env=env, start_new_session=True,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        yield Terminal(shell)
    finally:
        # Whatever a failed block left in the background goes with it.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(shell.pid, 9)
        await shell.communicate()


async def stillness(api: aiohttp.ClientSession) -> None:
    """Wait until nothing is at work, as somebody who reads on does."""
    async with asyncio.timeout(PATIENCE):
        while True:
            async with api.post("/v1/admin/waiting", json={}) as answer:
                assert answer.status == 200, await answer.text()
                counts = (await answer.json())["counts"]
            at_work = [box.get(state, 0) for box in counts.values() for state in ("waiting", "claimed")]
            if not any(at_work):
                return
            await asyncio.sleep(0.05)


def assert_like(output: str, promised: str) -> None:
    """The output is the promised one, where … stands for anything."""
    pattern = ".*".join(re.escape(part) for part in promised.strip().split("…"))
    assert re.fullmatch(pattern, output.strip(), re.DOTALL), f"promised:\n{promised}\nis:\n{output}"
