"""The dispatcher: claims what is due, sends it, and settles what came of it.

An attempt is written before its I/O. Failure before the far side can have accepted is definite; no answer
after that is uncertain, and resolved by look-up or by the channel's policy (law 9).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from model.delivery import Delivery, Receipt
from model.failures import (
    PAUSING,
    PermanentFailure,
    Reason,
    SendFailure,
    TemporaryFailure,
    Uncertain,
)
from model.tools import Clock, Ids, Log
from outbox import settle
from outbox.optouts import OptOuts
from outbox.settings import OutboxSettings
from outbox.targets import RIDDEN, Target
from store import deliveries
from store.errors import StoreBusy
from store.store import Store
from store.units import Guard, Insert, Unit, Update

if TYPE_CHECKING:
    from outbox.windows import Windows
    from store.windows import Opening

#: How often uncertain deliveries are resolved, and how long one look-up may take, seconds.
_RESOLVE_EVERY, _LOOK_UP = 2.0, 30.0
#: How soon the outcome of a try is written again when the store could not take it, seconds.
_SETTLE_AGAIN = 1.0

#: How soon a part is tried again whose predecessor is not out, and the states in which it is not.
_PART_AGAIN = timedelta(seconds=5)
_NOT_YET = ("waiting", "claimed", "uncertain", "held")
#: Pause after a look that found nothing due, seconds: many messages that end together cause one look.
_BREATH = 0.02


@dataclass(slots=True)
class _Tried:
    """One try: the attempt with this number, the reply window that it needs, and what came of it."""

    n: int
    opening: Opening | None
    rides: bool
    """It went with an answer at the door, which no window limits."""
    spent: bool
    """One message of the window was counted with the attempt."""
    receipt: Receipt | None = None
    failure: SendFailure | None = None


class Dispatcher:
    """Sends deliveries to all targets, each within its own room."""

    def __init__(
        self,
        store: Store,
        targets: Mapping[str, Target],
        settings: OutboxSettings,
        settler: settle.Settler,
        *,
        clock: Clock,
        ids: Ids,
        log: Log,
        windows: Windows | None = None,
        optouts: OptOuts | None = None,
        hook: Callable[[str], None] | None = None,
        count: Callable[[str, str, str], None] | None = None,
    ) -> None:
        self._windows = windows
        self._optouts = optouts
        self._store = store
        self._targets = targets
        self._settings = settings
        self._settler = settler
        self._clock = clock
        self._ids = ids
        self._log = log
        self._hook = hook or (lambda name: None)
        self._count = count
        self._queues: dict[str, deque[Delivery]] = {}
        self._running: dict[str, int] = {}
        self._reserved = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._wake = asyncio.Event()
        self._stopping = False

    # ---- places for deliveries that are born claimed

    def reserve(self, target: str) -> bool:
        """A place in memory for a new delivery to a target that can send now."""
        found = self._targets.get(target)
        if found is None or not self._ready(found) or self._stopping:
            return False
        if sum(map(len, self._queues.values())) + self._reserved >= self._settings.hot_queue:
            return False
        self._reserved += 1
        return True

    def publish(self, target: str, key: str, at: datetime) -> Receipt | None:
        """The receipt of a message that its row alone publishes; None when it must go the way of all others."""
        found = self._targets.get(target)
        if found is None or found.published is None or found.rate is not None or not self._ready(found):
            return None
        return found.published(key, at)

    def published(self, target: str, purpose: str) -> None:
        """Learn that the row of a published message is committed."""
        if (found := self._targets.get(target)) is not None:
            found.told(None)
        if self._count:
            self._count(target, purpose, "delivered")

    def give_back(self) -> None:
        self._reserved -= 1

    def put(self, delivery: Delivery) -> None:
        """Send a committed delivery that has a reserved place."""
        self._reserved -= 1
        self._enqueue(delivery)

    def wake(self) -> None:
        """Look for what is due at once."""
        self._wake.set()

    @property
    def working(self) -> set[str]:
        """Deliveries that this process has in hand; recovery leaves them alone."""
        queued = {one.id for queue in self._queues.values() for one in queue}
        return queued | {task.get_name() for task in self._tasks}

    def busy_with(self, target: str) -> bool:
        """Whether something is being sent to a target right now."""
        return self._running.get(target, 0) > 0

    # ---- the loop

    async def run(self) -> None:
        """Send until stopped; ends when everything under way has ended."""
        resolver = asyncio.create_task(self._resolve_on())
        try:
            while not self._stopping:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._settings.poll.total_seconds()):
                        await self._wake.wait()
                self._wake.clear()
                self._drop_removed()
                if not await self._claim():
                    await asyncio.sleep(_BREATH)
            while self._tasks:
                await asyncio.wait(self._tasks)
        except asyncio.CancelledError:
            # Only when told to: should the loop itself fall over, what is under way still ends well.
            under_way = list(self._tasks)
            for task in under_way:
                task.cancel()
            await asyncio.gather(*under_way, return_exceptions=True)
            raise
        finally:
            resolver.cancel()
            await asyncio.wait({resolver})

    def stop(self) -> None:
        """Claim nothing more and finish what is under way; queued ones go back by recovery."""
        self._stopping = True
        for queue in self._queues.values():
            queue.clear()
        self._wake.set()

    def _ready(self, target: Target) -> bool:
        return not self._store.on_hold and target.open() and target.circuit.closed(self._clock.now())

    def _room(self) -> dict[str, int]:
        """For each target that can send, how many more deliveries it may be given."""
        room = {}
        for name, target in self._targets.items():
            if not self._ready(target):
                continue
            in_hand = self._running.get(name, 0) + len(self._queues.get(name, ()))
            limit = 1 if target.circuit.until else target.places * 2
            if in_hand < limit:
                room[name] = min(limit - in_hand, self._settings.claim_batch)
        return room

    def _drop_removed(self) -> None:
        """Keep nothing in hand for a target that a reload took out: recovery puts it back into the line."""
        for name in [name for name in self._queues if name not in self._targets]:
            del self._queues[name]

    async def _claim(self) -> bool:
        """Take over what is due; False when there was nothing, or no room for it."""
        room = self._room()
        if not room:
            return False
        now = self._clock.now()
        try:
            due = await self._store.read(lambda c: deliveries.due_targets(c, room, now))
            room = {name: n for name, n in room.items() if name in due}
            if not room:
                return False
            token = self._ids.new()
            found = await self._store.run(
                lambda c: deliveries.claim(
                    c,
                    owner=self._store.owner,
                    token=token,
                    room=room,
                    now=now,
                    head_wait=self._settings.head_wait,
                ),
                "claim.deliveries",
            )
        except StoreBusy as error:
            self._log.warning("sending.waits", why=str(error))
            return False
        for one in found:
            self._enqueue(one)
        return bool(found)

    def _enqueue(self, delivery: Delivery) -> None:
        self._queues.setdefault(delivery.target, deque()).append(delivery)
        self._fill(delivery.target)

    def _fill(self, name: str) -> None:
        """Start as many tries of a target as it has places for."""
        target, queue = self._targets.get(name), self._queues.get(name)
        if target is None or not queue:
            return
        while queue and self._running.get(name, 0) < target.places and not self._stopping:
            delivery = queue.popleft()
            self._running[name] = self._running.get(name, 0) + 1
            task = asyncio.create_task(self._work(delivery, target), name=delivery.id)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _work(self, delivery: Delivery, target: Target) -> None:
        try:
            try:
                tried = await self._tried(delivery, target)
            finally:
                # Its place is free: the next goes out while this one's outcome is written.
                self._running[target.name] -= 1
                self._fill(target.name)
            if tried is not None:
                await self._end(delivery, target, tried)
        except StoreBusy as error:
            # Claimed still; recovery frees it, as uncertain if the try had begun.
            self._log.warning("sending.waits", delivery=delivery.id, why=str(error))
        except Exception as error:
            self._log.error("delivery.failed", delivery=delivery.id, target=target.name, exc_info=error)
        finally:
            if not self._queues.get(target.name):
                self._wake.set()

    # ---- one delivery

    async def _tried(self, delivery: Delivery, target: Target) -> _Tried | None:
        """What came of one try; None when there was none."""
        if not await self._may_go(delivery, target):
            return None
        wait = target.wait_for_rate(self._clock.now())
        if wait:
            await self._clock.sleep(wait)
            # Meanwhile it may have expired, or somebody paused the target.
            if not await self._may_go(delivery, target):
                return None
        target.circuit.lets_through(self._clock.now())
        probing = target.circuit.trying
        try:
            return await self._attempt(delivery, target)
        finally:
            if probing:  # however it ended: else nothing would ever go to this target again
                target.circuit.trying = False

    async def _may_go(self, delivery: Delivery, target: Target) -> bool:
        """Whether it can be sent now; if not, it was put back, or ended when its time is over."""
        now = self._clock.now()
        if delivery.expires_at is not None and now >= delivery.expires_at:
            await self._settler.expired(delivery)
        elif not self._ready(target):
            await self._settler.postponed(delivery, target.circuit.until or now)
        elif not await self._has_its_turn(delivery):
            await self._settler.postponed(delivery, now + _PART_AGAIN)
        else:
            return True
        return False

    async def _has_its_turn(self, delivery: Delivery) -> bool:
        """A part goes out after the one before it, however long that one is stuck."""
        before = (delivery.body.get("part") or {}).get("before")
        if before is None:
            return True
        state = await self._store.read(lambda c: deliveries.state_of(c, before))
        return state not in _NOT_YET

    async def _attempt(self, delivery: Delivery, target: Target) -> _Tried | None:
        """One try, after the row that announces it; None when it was not made."""
        if self._optouts is not None and await self._optouts.stops(delivery):
            optouts = self._optouts
            await self._settle(lambda: optouts.end(delivery))
            self._tell(delivery, target, "stopped")
            self._wake.set()
            return None
        opening, rides = None, target.rides(delivery)
        if self._windows is not None and self._windows.asks(delivery):
            opening = await self._windows.opening(delivery)
            if opening is None and not rides:
                windows = self._windows
                await self._settle(lambda: windows.closed(delivery, "the customer's reply window is closed"))
                self._tell(delivery, target, Reason.WINDOW.value)
                self._wake.set()
                return None
        spent = opening.spend() if opening is not None and not rides else ()
        tried = _Tried(delivery.attempts + 1, opening, rides, bool(spent))
        if not await self._begin(delivery, tried.n, spent):
            return None
        try:
            async with target.sending:
                tried.receipt = await self._try(delivery, target)
        except SendFailure as error:
            tried.failure = error
        self._learn(target, tried.failure)
        return tried

    async def _end(self, delivery: Delivery, target: Target, tried: _Tried) -> None:
        """Write how a try ended."""
        opening, failure, receipt = tried.opening, tried.failure, tried.receipt
        if failure is not None:
            if self._windows is not None and tried.spent and opening and not isinstance(failure, Uncertain):
                await self._windows.apply(opening.refund())
            await self._settle(lambda: self._failed(delivery, tried.n, failure, target))
            self._tell(delivery, target, _outcome(failure))
        elif receipt is not None:
            went = receipt.data.get("way") != RIDDEN
            if self._windows is not None and opening is not None and tried.rides and went:
                # The door answered without it, and it went the ordinary way: that one counts.
                await self._windows.apply(opening.spend())
            await self._settle(lambda: self._settler.delivered(delivery, tried.n, receipt, target))
            self._tell(delivery, target, "delivered" if receipt.final else "entrusted")

    async def _failed(self, delivery: Delivery, n: int, failure: SendFailure, target: Target) -> bool:
        """A window that the far side says is closed goes the same way as one that we know to be."""
        refused = isinstance(failure, PermanentFailure) and failure.reason is Reason.WINDOW
        if refused and self._windows is not None and isinstance(failure, PermanentFailure):
            ended = self._settler.refused(delivery, n, failure)
            self._wake.set()
            return await self._windows.closed(delivery, failure.detail, ended)
        return await self._settler.failed(delivery, n, failure, target)

    async def _settle(self, step: Callable[[], Awaitable[bool]]) -> None:
        """Write the outcome, however long the store cannot take it: forgotten, it would be sent once more."""
        while True:
            try:
                await step()
                return
            except StoreBusy as error:
                self._log.warning("settling.waits", why=str(error))
                await self._clock.sleep(_SETTLE_AGAIN)

    async def _begin(self, delivery: Delivery, n: int, spent: tuple[Update, ...] = ()) -> bool:
        """Write the attempt, and count it in its window; False when the claim is lost."""
        guard = Guard("delivery", {"id": delivery.id, "claim": delivery.claim}, {"attempts": n})
        attempt = {
            "delivery": delivery.id,
            "n": n,
            "claim": delivery.claim,
            "phase": "started",
            "started_at": self._clock.now(),
        }
        return await self._store.submit(Unit(guard, (Insert("attempt", attempt),), spent, label="attempt"))

    async def _try(self, delivery: Delivery, target: Target) -> Receipt:
        """One try; whatever is not one of our failures counts as temporary and keeps its traceback."""
        self._hook("send.before")
        try:
            async with asyncio.timeout(self._settings.attempt_timeout.total_seconds()):
                receipt = await target.send(delivery)
        except SendFailure:
            raise
        except TimeoutError:
            raise Uncertain(f"no answer within {self._settings.attempt_timeout}") from None
        except Exception as error:
            self._log.error("send.error", delivery=delivery.id, target=target.name, exc_info=error)
            raise TemporaryFailure(Reason.SERVER, f"{type(error).__name__} in the connector") from error
        self._hook("send.after")
        return receipt

    def _learn(self, target: Target, failure: SendFailure | None) -> None:
        target.circuit.record(failure, self._clock.now())
        target.told(failure)
        if failure is not None and getattr(failure, "reason", None) in PAUSING:
            self._log.error("target.paused", target=target.name, why=str(failure))

    def _tell(self, delivery: Delivery, target: Target, outcome: str) -> None:
        if self._count:
            self._count(target.name, delivery.purpose.value, outcome)

    # ---- uncertain ones

    async def _resolve_on(self) -> None:
        while True:
            try:
                await self._resolve_some()
            except StoreBusy as error:
                self._log.warning("resolving.waits", why=str(error))
            except Exception as error:
                self._log.error("resolving.failed", exc_info=error)
            await asyncio.sleep(_RESOLVE_EVERY)

    async def _resolve_some(self) -> None:
        """Resolve what can be; one that cannot holds none of the others up."""
        names = [name for name, target in self._targets.items() if self._resolvable(target)]
        for one in await self._store.read(lambda c: deliveries.uncertain(c, names, 100)):
            try:
                await self._resolve(one)
            except StoreBusy:
                raise
            except Exception as error:
                self._log.error("resolving.failed", delivery=one.id, target=one.target, exc_info=error)

    def _resolvable(self, target: Target) -> bool:
        return not self._store.on_hold and (target.resolve is None or self._ready(target))

    async def _resolve(self, delivery: Delivery) -> None:
        """By look-up where the far side can tell, else by the channel's policy."""
        target = self._targets.get(delivery.target)
        if target is None or not self._resolvable(target):
            return
        if target.resolve is None:
            await self._settler.by_policy(delivery, target)
            return
        try:
            async with asyncio.timeout(_LOOK_UP):
                receipt = await target.resolve(delivery)
        except Uncertain:
            await self._settler.by_policy(delivery, target)
        except (TemporaryFailure, PermanentFailure) as failure:
            self._log.warning("resolving.failed", target=target.name, why=str(failure))
            if target.downstream:
                self._learn(target, failure)  # a store that cannot be asked is one that is down
        else:
            await self._settler.resolved(delivery, receipt, target)
        self._wake.set()


def _outcome(failure: SendFailure) -> str:
    if isinstance(failure, Uncertain):
        return "uncertain"
    reason: Any = getattr(failure, "reason", Reason.SERVER)
    return str(reason.value)
