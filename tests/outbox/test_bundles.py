"""Bundles of printed messages, on both engines: made once, laid out once, settled when somebody posted them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from datetime import datetime, time, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from connectors.channel import Channel
from connectors.contract import Bundle
from model.delivery import Message
from model.failures import Reason, TemporaryFailure
from model.states import DeliveryState
from outbox import settle
from outbox.bundles import Bundles, Gathering
from outbox.settings import OutboxSettings
from store.store import Store
from tests.rigs.tools import CountingIds, FixedClock, RecordingLog
from tests.store.rows import Maker

NEVER = Gathering(None, None)


class Died(BaseException):
    """What a hook raises where a process would be killed."""


class Folder:
    """A printer that remembers what it was asked, and may fail."""

    def __init__(self) -> None:
        self.bound: list[Bundle] = []
        self.away: list[str] = []
        self.fails: list[Exception] = []

    async def bind(self, bundle: Bundle, message: Callable[[str], Awaitable[Message]]) -> Mapping[str, int]:
        if self.fails:
            raise self.fails.pop()
        self.bound.append(bundle)
        assert (await message(bundle.letters[0].key)).key == bundle.letters[0].key
        return {one.key: 2 for one in bundle.letters}

    async def whole(self, name: str, *, list_only: bool = False) -> bytes:
        return b"%PDF-list" if list_only else b"%PDF"

    async def put_away(self, name: str) -> None:
        self.away.append(name)

    async def tidy(self, wanted: Collection[str], before: datetime) -> None:
        return None


class Bench:
    """Bundles over a store, with letters that are in hand."""

    def __init__(self, store: Store, ids: CountingIds, clock: FixedClock) -> None:
        self.store, self.ids, self.clock = store, ids, clock
        self.make = Maker(store, ids, clock)
        self.folder, self.log = Folder(), RecordingLog()
        self.when = NEVER
        self.dies_at = ""
        self.records: dict[str, str] = {}
        self.bundles = self.new()

    def new(self) -> Bundles:
        """Another life of the process."""
        channel = cast(Channel, SimpleNamespace(printer=self.folder, open=True))
        settler = settle.Settler(
            self.store,
            OutboxSettings(),
            clock=self.clock,
            ids=self.ids,
            after_delivery=lambda state, _: state,
        )
        return Bundles(
            self.store,
            {"letters": channel},
            settler,
            self.store.load_blob,
            lambda: {"letters": self.when},
            timedelta(seconds=20),
            clock=self.clock,
            ids=self.ids,
            log=self.log,
            hook=self._hook,
        )

    def _hook(self, name: str) -> None:
        if name == self.dies_at:
            self.dies_at = ""
            raise Died

    async def letter(self, name: str) -> str:
        """A letter that was printed; its reference."""
        _, record = await self.make.register(f"m-{name}", name.encode())
        reference = f"FB-{record[-12:]}"
        body = {
            "reference": reference,
            "name": name,
            "text": "Dear customer",
            "to": {"kind": "post", "value": f"{name}\n1 Mill Lane\nExmouth"},
        }
        await self.make.add(
            "delivery",
            self.make.delivery(target="letters", record=record, state="entrusted", attempts=1, body=body),
        )
        self.records[reference] = record
        return reference

    async def states(self) -> dict[str, str]:
        by_record = {record: reference for reference, record in self.records.items()}
        return {by_record[one["record"]]: one["state"] for one in await self.make.all("delivery")}


@pytest.fixture
def bench(store: Store, ids: CountingIds, clock: FixedClock) -> Bench:
    return Bench(store, ids, clock)


async def test_a_bundle_is_made_laid_out_and_its_letters_are_delivered_when_it_was_posted(
    bench: Bench,
) -> None:
    one, other = await bench.letter("Anna"), await bench.letter("王小明")
    waiting = (await bench.bundles.list(channel=None, limit=9))["waiting"]
    assert [(row["reference"], row["name"]) for row in waiting] == [(one, "Anna"), (other, "王小明")]

    made = await bench.bundles.close("letters", actor="wang")
    assert (made["state"], made["letters"], made["pages"]) == ("ready", 2, 4)
    assert [row.reference for row in bench.folder.bound[0].letters] == [one, other]
    with pytest.raises(ValueError, match="no letter waits"):
        await bench.bundles.close("letters", actor="wang")
    assert await bench.states() == {one: "entrusted", other: "entrusted"}, "printed is not posted"

    at = bench.clock.now() - timedelta(hours=1)
    told = await bench.bundles.posted(made["name"], without=[other], at=at, actor="wang")
    assert told["state"] == "posted" and bench.folder.away == [made["name"]]
    assert await bench.states() == {one: "delivered", other: "entrusted"}
    with pytest.raises(ValueError, match="posted already"):
        await bench.bundles.posted(made["id"], without=(), at=None, actor="wang")
    (settled,) = [row for row in await bench.make.all("delivery") if row["state"] == "delivered"]
    assert settled["settled_at"] == at
    verbs = [row["verb"] for row in await bench.make.all("audit")]
    assert verbs == ["bundle.close", "bundle.posted"]

    following = await bench.bundles.close("letters", actor="wang")
    assert [(row["reference"], row["again"]) for row in following["list"]] == [(other, True)]
    assert following["name"].rpartition("-")[2] == "2"


async def test_a_letter_is_printed_again_with_the_next_bundle_and_is_never_in_two(bench: Bench) -> None:
    one, other = await bench.letter("Anna"), await bench.letter("Bert")
    made = await bench.bundles.close("letters", actor="wang")
    assert (await bench.bundles.again(one, actor="wang"))["bundle"] == made["name"]
    with pytest.raises(ValueError, match="the next one has it already"):
        await bench.bundles.again(one, actor="wang")
    following = await bench.bundles.close("letters", actor="wang")
    assert [row["reference"] for row in following["list"]] == [one]
    await bench.bundles.posted(made["id"], without=(), at=None, actor="wang")
    assert await bench.states() == {one: "entrusted", other: "delivered"}
    with pytest.raises(ValueError, match=r"no letter of .* is in hand: it is delivered"):
        await bench.bundles.again(other, actor="wang")
    with pytest.raises(LookupError):
        await bench.bundles.again("FB-261122-NNNNN", actor="wang")


@pytest.mark.parametrize("point", ["bundle.before", "bundle.after"])
async def test_a_death_while_it_is_laid_out_is_made_good_by_the_next_life(bench: Bench, point: str) -> None:
    one = await bench.letter("Anna")
    bench.dies_at = point
    with pytest.raises(Died):
        await bench.bundles.close("letters", actor="wang")
    bench.bundles = bench.new()
    await bench.bundles.look()
    (made,) = (await bench.bundles.list(channel=None, limit=9))["bundles"]
    assert (made["state"], made["letters"]) == ("ready", 1)
    assert {bundle.name for bundle in bench.folder.bound} == {made["name"]}
    await bench.bundles.posted(made["id"], without=(), at=None, actor="wang")
    assert await bench.states() == {one: "delivered"}


async def test_a_folder_that_cannot_be_used_keeps_the_bundle_for_later(bench: Bench) -> None:
    await bench.letter("Anna")
    bench.folder.fails.append(TemporaryFailure(Reason.SERVER, "the print folder cannot be used"))
    made = await bench.bundles.close("letters", actor="wang")
    assert made["state"] == "closed"
    with pytest.raises(ValueError, match="still being put together"):
        await bench.bundles.posted(made["id"], without=(), at=None, actor="wang")
    await bench.bundles.look()
    assert (await bench.bundles.show(made["name"]))["state"] == "ready"


async def test_what_was_taken_back_after_it_was_printed_is_not_delivered(bench: Bench) -> None:
    one, other = await bench.letter("Anna"), await bench.letter("Bert")
    made = await bench.bundles.close("letters", actor="wang")
    (taken,) = [row for row in await bench.make.all("delivery") if row["record"] == bench.records[one]]
    await bench.make.set("delivery", taken["id"], state=DeliveryState.CANCELLED.value)
    await bench.bundles.posted(made["id"], without=(), at=None, actor="wang")
    assert await bench.states() == {one: "cancelled", other: "delivered"}


async def test_a_bundle_is_closed_by_itself_when_there_are_so_many_or_at_its_hour(bench: Bench) -> None:
    bench.when = Gathering(None, 2)
    await bench.letter("Anna")
    await bench.bundles.look()
    assert not bench.folder.bound
    await bench.letter("Bert")
    await bench.bundles.look()
    assert [len(bundle.letters) for bundle in bench.folder.bound] == [2]

    soon = bench.clock.now().astimezone() + timedelta(minutes=5)
    bench.when = Gathering(time(soon.hour, soon.minute), None)
    await bench.letter("Cora")
    await bench.bundles.look()
    assert len(bench.folder.bound) == 1
    bench.clock.advance(360)
    await bench.bundles.look()
    assert [row.name for row in bench.folder.bound[1].letters] == ["Cora"]


async def test_what_lies_in_the_folder_is_not_laid_out_again(bench: Bench) -> None:
    await bench.letter("Anna")
    await bench.bundles.close("letters", actor="wang")
    await bench.new().look()
    assert len(bench.folder.bound) == 1


async def test_files_have_names_and_what_is_not_there_is_told(bench: Bench) -> None:
    await bench.letter("Anna")
    made = await bench.bundles.close("letters", actor="wang")
    assert await bench.bundles.file(made["id"]) == (f"letters-{made['name']}.pdf", b"%PDF")
    assert await bench.bundles.file(made["id"], list_only=True) == (
        f"letters-{made['name']}-list.pdf",
        b"%PDF-list",
    )
    wrong: dict[str, Callable[[], Awaitable[Any]]] = {
        "there is no bundle": lambda: bench.bundles.show("2020-01-01-1"),
        "prints nothing; these do: letters": lambda: bench.bundles.close("form", actor="wang"),
        "there is no letter": lambda: bench.bundles.posted(
            made["id"], without=["FB-0"], at=None, actor="wang"
        ),
    }
    for words, ask in wrong.items():
        with pytest.raises(LookupError, match=words):
            await ask()
