"""The client in examples/ does what it says, against a real daemon; tokens turn without a gap."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
from pathlib import Path
from typing import Any

from tests.rigs import form
from tests.rigs.daemon import House
from tests.rigs.office import TIMES, TOKEN
from tests.rigs.ways import Form

CLIENT = Path(__file__).parents[2] / "examples" / "client.py"


def load() -> Any:
    spec = importlib.util.spec_from_file_location("example_client", CLIENT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["example_client"] = module
    spec.loader.exec_module(module)
    return module


def config(folder: Path, *tokens: dict[str, Any]) -> dict[str, Any]:
    return {
        "listen": {"port": 0},
        "data": str(folder / "data"),
        "api": {"admin_token": TOKEN, "tokens": list(tokens)},
        "database": {"min_free_bytes": 0},
        "channels": {"form": form.settings()},
        **TIMES,
    }


def token(name: str, value: str, *scopes: str) -> dict[str, Any]:
    return {"name": name, "token": value, "scopes": list(scopes)}


OLD, NEW = "the old token of the program", "the new token of the program"
ALL = ("records:read", "replies:write", "events:read")


async def test_the_client_reads_answers_and_follows(tmp_path: Path) -> None:
    client = load()
    async with House(config(tmp_path, token("crm", OLD, *ALL)), tmp_path) as house:
        for n in range(3):
            await Form().post(house, f'{{"message": "The lift in house {n} is out."}}'.encode())
        await house.idle()
        there = client.Forebay(house.url, OLD)

        def use() -> Any:
            records = list(there.records())
            reference = records[0]["reference"]
            first = there.reply(reference, "We mended it.", key="k-1")
            again = there.reply(reference, "We mended it.", key="k-1")
            try:
                there.reply(reference, "Something else.", key="k-1")
                refused = None
            except client.Refused as error:
                refused = error
            events = there.events(wait=0)
            return records, first, again, refused, [next(events) for _ in range(3)]

        records, first, again, refused, events = await asyncio.to_thread(use)
        assert len(records) == 3 and first == again
        assert refused is not None and refused.status == 422
        assert [one["position"] for one in events] == sorted(one["position"] for one in events)
        assert (await asyncio.to_thread(there.record, records[0]["reference"]))["text"]


async def test_a_token_turns_while_both_are_good_and_then_the_old_one_is_not(tmp_path: Path) -> None:
    async with House(config(tmp_path, token("crm", OLD, "records:read")), tmp_path) as house:

        async def opens(value: str) -> int:
            headers = {"Authorization": f"Bearer {value}"}
            async with house.session.get(f"{house.url}/v1/records", headers=headers) as answer:
                return answer.status

        assert [await opens(OLD), await opens(NEW)] == [200, 401]
        both = [token("crm", OLD, "records:read"), token("crm-2", NEW, "records:read")]
        house.write(config(tmp_path, *both))
        await house.ask("POST", "/v1/admin/reload")
        assert [await opens(OLD), await opens(NEW)] == [200, 200]
        house.write(config(tmp_path, both[1]))
        await house.ask("POST", "/v1/admin/reload")
        assert [await opens(OLD), await opens(NEW)] == [401, 200]
