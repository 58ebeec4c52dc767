"""The floor to measure against: aiohttp on uvloop that reads a JSON form and sends it back. Listens at a free port."""

from __future__ import annotations

import asyncio

import orjson
import uvloop
from aiohttp import web


async def _echo(request: web.Request) -> web.Response:
    form = orjson.loads(await request.read())
    return web.Response(status=202, body=orjson.dumps(form), content_type="application/json")


async def _serve() -> None:
    app = web.Application()
    app.router.add_post("/in/form", _echo)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
    print(f"http://127.0.0.1:{runner.addresses[0][1]}", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(_serve())
