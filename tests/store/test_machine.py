"""Laws 5, 8 and 11 against a small model: whatever is claimed, settled, lost and recovered, in any order."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from store import deliveries, envelopes
from store.schema import TABLES
from store.store import Store
from store.units import Guard, Insert, Unit
from tests import databases
from tests.rigs.tools import CountingIds, FixedClock
from tests.store.rows import Maker

MAX_CLAIMS = 3
HEAD_WAIT = timedelta(seconds=120)
PROCESSES = ("p1", "p2")
KEYS = st.sampled_from([None, "chat-1", "chat-2"])
SMALL = settings(
    max_examples=20,
    stateful_step_count=25,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)


@dataclass
class House:
    """One store for all examples of a test, emptied between them."""

    runner: asyncio.Runner
    store: Store
    clock: FixedClock
    ids: CountingIds

    def run(self, work: Any) -> Any:
        async def await_it() -> Any:
            return await work

        return self.runner.run(await_it())

    def step(self, step: Any) -> Any:
        return self.run(self.store.run(step))

    def empty(self) -> None:
        self.step(
            lambda c: [c.execute(TABLES[name].delete()) for name in ("envelope", "delivery", "attempt")]
        )


@pytest.fixture(params=databases.KINDS)
def house(request: pytest.FixtureRequest) -> Iterator[House]:
    clock, ids = FixedClock(), CountingIds()
    with asyncio.Runner() as runner, tempfile.TemporaryDirectory() as folder:
        store = runner.run(databases.open_store(databases.settings(request.param), Path(folder), clock, ids))
        yield House(runner, store, clock, ids)
        runner.run(store.close())


@dataclass
class Piece:
    """What the model knows of an envelope or a delivery."""

    id: str
    key: str | None
    state: str
    created_at: datetime
    next_at: datetime
    claim: str | None = None
    owner: str | None = None
    claims: int = 0
    tries: int = 0
    under_way: bool = False


@dataclass
class Model:
    pieces: list[Piece] = field(default_factory=list)
    stale: list[tuple[str, str]] = field(default_factory=list)
    """Claims that somebody lost, by id."""

    def like(self, *states: str) -> list[Piece]:
        return [piece for piece in self.pieces if piece.state in states]

    def before(self, piece: Piece) -> list[Piece]:
        """Earlier ones of the same order key."""
        same = [other for other in self.pieces if other.key == piece.key and piece.key is not None]
        return same[: same.index(piece)] if same else []

    def flying(self, piece: Piece) -> bool:
        return piece.key is not None and any(p.key == piece.key for p in self.like("claimed"))

    def lose(self, piece: Piece, state: str) -> None:
        if piece.claim:
            self.stale.append((piece.id, piece.claim))
        piece.claim = piece.owner = None
        piece.under_way = False
        piece.state = state


class _Machine(RuleBasedStateMachine):
    house: House
    table: str

    def __init__(self) -> None:
        super().__init__()
        self.house.empty()
        self.model = Model()
        self.maker = Maker(self.house.store, self.house.ids, self.house.clock)

    @property
    def now(self) -> datetime:
        return self.house.clock.now()

    def submit(self, unit: Unit) -> bool:
        return bool(self.house.run(self.house.store.submit(unit)))

    def guard(self, id_: str, held: str | None, /, **values: Any) -> Guard:
        return Guard(self.table, {"id": id_, "state": "claimed", "claim": held}, values)

    @precondition(lambda self: self.model.stale)
    @rule(data=st.data())
    def whoever_lost_a_claim_changes_nothing(self, data: Any) -> None:
        id_, claim = data.draw(st.sampled_from(self.model.stale))
        attempt = Insert("attempt", self.maker.attempt(id_, 99, claim), ignore=True)
        assert not self.submit(Unit(self.guard(id_, claim, state="held"), (attempt,)))

    @invariant()
    def database_and_model_agree(self) -> None:
        rows = {row["id"]: row for row in self.house.run(self.maker.all(self.table))}
        assert {id_: (row["state"], row["claim"], row["claims"]) for id_, row in rows.items()} == {
            piece.id: (piece.state, piece.claim, piece.claims) for piece in self.model.pieces
        }

    @invariant()
    def no_key_has_two_in_flight(self) -> None:
        flying = [piece.key for piece in self.model.like("claimed") if piece.key]
        assert len(flying) == len(set(flying))


class Envelopes(_Machine):
    table = "envelope"

    @rule(key=KEYS, owner=st.sampled_from([None, *PROCESSES]))
    def accept(self, key: str | None, owner: str | None) -> None:
        piece = Piece("", key, "waiting", self.now, self.now)
        free = key is None or not any(p.key == key for p in self.model.like("waiting", "claimed"))
        n = len(self.model.pieces)
        stored = self.house.run(self.maker.accept(f"m{n}", bytes([n]), order_key=key, owner=owner))
        assert stored.claimed == (owner is not None and free)
        piece.id = stored.id
        if stored.claimed:
            (row,) = [row for row in self.house.run(self.maker.all("envelope")) if row["id"] == stored.id]
            piece.state, piece.claim, piece.owner = "claimed", row["claim"], owner
        self.model.pieces.append(piece)

    @rule(owner=st.sampled_from(PROCESSES), limit=st.integers(1, 3), recovered=st.booleans())
    def claim(self, owner: str, limit: int, recovered: bool) -> None:
        wanted: list[Piece] = []
        for piece in self.model.like("waiting"):
            blocked = self.model.flying(piece) or any(p.state == "waiting" for p in self.model.before(piece))
            if not blocked and (piece.claims > 0) == recovered:
                wanted.append(piece)
        wanted = wanted[: 1 if recovered else limit]
        token = self.house.ids.new()
        found = self.house.step(
            lambda c: envelopes.claim(
                c, owner=owner, token=token, limit=limit, recovered=recovered, now=self.now
            )
        )
        assert [one.id for one in found] == [piece.id for piece in wanted]
        for piece in wanted:
            piece.state, piece.claim, piece.owner = "claimed", token, owner

    @precondition(lambda self: self.model.like("claimed"))
    @rule(data=st.data(), state=st.sampled_from(["registered", "held", "quarantined", "waiting"]))
    def settle(self, data: Any, state: str) -> None:
        piece = data.draw(st.sampled_from(self.model.like("claimed")))
        assert piece.claim
        assert self.submit(Unit(self.guard(piece.id, piece.claim, state=state, claim=None, owner=None)))
        self.model.lose(piece, state)

    @rule(dead=st.sampled_from(PROCESSES), me=st.sampled_from(PROCESSES), working=st.booleans())
    def recover(self, dead: str, me: str, working: bool) -> None:
        """One process died; the one that looks forgot about its own, unless it works on them."""
        self.house.clock.advance(60)
        mine = {piece.id for piece in self.model.like("claimed") if piece.owner == me}
        at_work = mine if working else set()
        found = self.house.step(
            lambda c: envelopes.recover(
                c,
                living=set(PROCESSES) - {dead},
                me=me,
                working=at_work,
                max_claims=MAX_CLAIMS,
                now=self.now,
                idle_before=self.now,
            )
        )
        expected = {}
        for piece in self.model.like("claimed"):
            if piece.id in at_work or (piece.owner != me and piece.owner != dead):
                continue
            piece.claims += piece.owner != me
            self.model.lose(piece, "quarantined" if piece.claims >= MAX_CLAIMS else "waiting")
            expected[piece.id] = piece.state
        assert dict(found) == expected


class Deliveries(_Machine):
    table = "delivery"

    @rule(key=KEYS, later=st.sampled_from([0, 30, 300]))
    def enqueue(self, key: str | None, later: int) -> None:
        row = self.maker.delivery(
            order_key=key, seq=len(self.model.pieces), next_at=self.now + timedelta(seconds=later)
        )
        assert self.submit(Unit(inserts=(Insert("delivery", row),)))
        self.model.pieces.append(Piece(row["id"], key, "waiting", self.now, row["next_at"]))

    @rule(seconds=st.sampled_from([1, 40, 200]))
    def time_passes(self, seconds: int) -> None:
        self.house.clock.advance(seconds)

    def _blocked(self, piece: Piece) -> bool:
        if self.model.flying(piece):
            return True
        for other in self.model.before(piece):
            stuck = other.created_at < self.now - HEAD_WAIT
            if other.state == "waiting" and (other.next_at <= self.now or not stuck):
                return True
            if other.state == "uncertain" and not stuck:
                return True
        return False

    @rule(owner=st.sampled_from(PROCESSES), limit=st.integers(1, 3))
    def claim(self, owner: str, limit: int) -> None:
        due = [p for p in self.model.like("waiting") if p.next_at <= self.now and not self._blocked(p)]
        due.sort(key=lambda piece: (piece.next_at, piece.id))
        wanted = [piece for piece in due if piece.claims == 0][:limit]
        careful = any(p.claims > 0 and p.owner == owner for p in self.model.like("claimed"))
        if not careful:
            wanted += [piece for piece in due if piece.claims > 0][:1]
        token = self.house.ids.new()
        found = self.house.step(
            lambda c: deliveries.claim(
                c, owner=owner, token=token, room={"mail": limit}, now=self.now, head_wait=HEAD_WAIT
            )
        )
        assert sorted(one.id for one in found) == sorted(piece.id for piece in wanted)
        for piece in wanted:
            piece.state, piece.claim, piece.owner, piece.next_at = "claimed", token, owner, self.now

    @precondition(lambda self: any(not p.under_way for p in self.model.like("claimed")))
    @rule(data=st.data())
    def begin(self, data: Any) -> None:
        piece = data.draw(st.sampled_from([p for p in self.model.like("claimed") if not p.under_way]))
        attempt = self.maker.attempt(piece.id, piece.tries + 1, piece.claim)
        assert self.submit(
            Unit(self.guard(piece.id, piece.claim, owner=piece.owner), (Insert("attempt", attempt),))
        )
        piece.tries, piece.under_way = piece.tries + 1, True

    @precondition(lambda self: any(p.under_way for p in self.model.like("claimed")))
    @rule(data=st.data(), state=st.sampled_from(["delivered", "waiting", "uncertain", "dead"]))
    def settle(self, data: Any, state: str) -> None:
        piece = data.draw(st.sampled_from([p for p in self.model.like("claimed") if p.under_way]))
        next_at = self.now + timedelta(seconds=30)
        values = {"state": state, "claim": None, "owner": None, "next_at": next_at}
        assert self.submit(Unit(self.guard(piece.id, piece.claim, **values)))
        piece.next_at = next_at
        self.model.lose(piece, state)

    @precondition(lambda self: self.model.like("uncertain"))
    @rule(data=st.data(), state=st.sampled_from(["delivered", "waiting", "held"]))
    def resolve(self, data: Any, state: str) -> None:
        piece = data.draw(st.sampled_from(self.model.like("uncertain")))
        found = self.house.run(self.house.store.read(lambda c: deliveries.uncertain(c, ["mail"], 100)))
        assert [one.id for one in found] == [p.id for p in self.model.like("uncertain")]
        assert self.submit(Unit(Guard("delivery", {"id": piece.id, "state": "uncertain"}, {"state": state})))
        piece.state = state

    @rule(dead=st.sampled_from(PROCESSES), me=st.sampled_from(PROCESSES), working=st.booleans())
    def recover(self, dead: str, me: str, working: bool) -> None:
        self.house.clock.advance(1)
        mine = {piece.id for piece in self.model.like("claimed") if piece.owner == me}
        at_work = mine if working else set()
        idle_before = self.now - timedelta(seconds=20)
        found = self.house.step(
            lambda c: deliveries.recover(
                c,
                living=set(PROCESSES) - {dead},
                me=me,
                working=at_work,
                max_claims=MAX_CLAIMS,
                idle_before=idle_before,
            )
        )
        expected = {}
        for piece in self.model.like("claimed"):
            forgotten = piece.owner == me and piece.id not in at_work and piece.next_at < idle_before
            died = piece.owner == dead != me
            if not (forgotten or died):
                continue
            piece.claims += died
            killer = piece.claims >= MAX_CLAIMS
            self.model.lose(piece, "held" if killer else "uncertain" if piece.under_way else "waiting")
            expected[piece.id] = piece.state
        assert dict(found) == expected


@pytest.mark.parametrize("machine", [Envelopes, Deliveries])
def test_claims_keep_to_the_model(house: House, machine: type[_Machine]) -> None:
    run_state_machine_as_test(type(machine.__name__, (machine,), {"house": house}), settings=SMALL)
