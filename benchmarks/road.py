"""Measures the road behind the doors: forms that were accepted already are registered and acknowledged, nothing else.

    python benchmarks/road.py [--forms 5000] [--backlog] [--mail] [--profile FILE]

One process, no HTTP. Prints the processor time for one form, by thread: the event loop, the store's writer, its
readers. `--backlog` takes the forms from the database, as after a flood; else they are still in memory.
`--mail` acknowledges by mail, written to files. `--profile` keeps what cProfile saw in the event loop.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import tempfile
import threading
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import programs
import psutil
import uvloop
from load import form

from config.load import load
from connectors.contract import Request
from gateway import tuning
from gateway.house import Counters, House, build
from gateway.logs import set_up
from gateway.openings import Openings
from gateway.tools import SystemClock, SystemIds
from store.store import Store

#: Forms handed to the door at once.
_TOGETHER = 64


def times() -> Counter[str]:
    """Processor seconds of each thread so far, by what it does."""
    names = {one.native_id: one.name for one in threading.enumerate()}
    found: Counter[str] = Counter()
    for one in psutil.Process().threads():
        name = names.get(one.id, "ended").split("-")[0].split("_")[0]
        found[name] += one.user_time + one.system_time
    return found


def request(number: int) -> Request:
    """A form as the server hands it to the door."""
    return Request(
        method="POST",
        path="/in/form",
        headers={"content-type": "application/json"},
        body=form(number),
        remote="127.0.0.1",
        received_at=datetime.now(UTC),
    )


async def accept(house: House, forms: int) -> None:
    """Put so many forms through the door."""
    channel = house.channels["form"]
    for first in range(1, forms + 1, _TOGETHER):
        some = range(first, min(first + _TOGETHER, forms + 1))
        answers = await asyncio.gather(*(house.door.take(channel, request(number)) for number in some))
        if {one.status for one in answers} != {202}:
            raise SystemExit(f"not accepted: {answers}")


async def accept_meanwhile(house: House, forms: int) -> None:
    """The same by customers who each come again when they are answered, while the processing goes on."""
    channel, numbers = house.channels["form"], iter(range(1, forms + 1))

    async def customer() -> None:
        for number in numbers:
            await house.door.take(channel, request(number))

    await asyncio.gather(*(customer() for _ in range(_TOGETHER)))


async def measure(given: argparse.Namespace, folder: Path) -> dict[str, float]:
    """Accept, then drain; microseconds for one form."""
    config = folder / "road.yaml"
    text = programs.configuration(port=0, data=folder / "var", by_mail=given.mail)
    config.write_text(text if given.backlog else f"{text}inbox: {{hot_queue: {given.forms}}}\n")
    loaded = load(config)
    set_up(loaded.settings.log)
    store = await Store(
        loaded.settings.database,
        loaded.settings.data,
        SystemClock(),
        SystemIds(),
        on_fatal=lambda error: print(error),
    ).open()
    sent = 0
    done = asyncio.Event()

    def delivered(_target: str, _purpose: str, outcome: str) -> None:
        nonlocal sent
        sent += outcome == "delivered"
        if sent == given.forms:
            done.set()

    house = build(loaded, store, clock=store.clock, ids=SystemIds(), counters=Counters(delivery=delivered))
    openings = Openings(house, None, lambda channel, outcome: None)
    await openings.start()
    tuning.settle()
    if not given.meanwhile:
        await accept(house, given.forms)
    before, commits, began = times(), store.writer.flushes, time.perf_counter()
    profile = cProfile.Profile()
    if given.profile:
        profile.enable()
    rooms = [asyncio.create_task(house.processor.run()), asyncio.create_task(house.dispatcher.run())]
    if given.meanwhile:
        await accept_meanwhile(house, given.forms)
    await done.wait()
    profile.disable()
    spent, wall = times() - before, time.perf_counter() - began
    found = {name: 1e6 * seconds / given.forms for name, seconds in sorted(spent.items())}
    found |= {"all": sum(found.values()), "wall": 1e6 * wall / given.forms}
    found["commits"] = (store.writer.flushes - commits) / given.forms
    house.processor.stop()
    house.dispatcher.stop()
    await asyncio.gather(*rooms)
    await openings.close()
    await store.close()
    if given.profile:
        profile.dump_stats(given.profile)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--forms", type=int, default=5000)
    parser.add_argument("--backlog", action="store_true", help="take them from the database")
    parser.add_argument(
        "--meanwhile", action="store_true", help="accept during the measurement, which has it too"
    )
    parser.add_argument("--mail", action="store_true", help="acknowledge by mail, written to files")
    parser.add_argument("--profile", metavar="FILE", help="keep what cProfile saw in the event loop")
    parser.add_argument(
        "--folder", type=Path, default=programs.HERE.parent / "var", help="where the data goes"
    )
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="road-", dir=given.folder) as folder:
        found = uvloop.run(measure(given, Path(folder)))
    for name, value in found.items():
        print(f"{name:>10} {value:8.2f}" if name == "commits" else f"{name:>10} {value:8.0f} µs")


if __name__ == "__main__":
    main()
