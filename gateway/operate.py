"""The operator's verbs on the whole house: channels, health, audit, reload, release; and who may ask."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from connectors.channel import Channel
from connectors.contract import Authorised, Backfiller, Fetcher, Listener, Receiver
from console.services import Facts, Principal, Scope
from gateway.house import House
from gateway.openings import Openings
from model.failures import SendFailure
from model.health import Health
from outbox.carry import DestinationState, sends
from store import backfill, balance, boxes, facts, figures

Reload = Callable[[str], Awaitable[Facts]]


class Tokens:
    """The bearer tokens of the configuration, and the administrator's."""

    def __init__(self, house: House, admin: str) -> None:
        self._house = house
        self._admin = admin

    def check(self, token: str) -> Principal | None:
        """Who holds a token; every known one is compared, each in constant time."""
        given = token.encode(errors="surrogateescape")
        found: Principal | None = None
        if hmac.compare_digest(given, self._admin.encode()):
            found = Principal("admin", frozenset({Scope.ADMIN.value}))
        for one in self._house.loaded.settings.api.tokens:
            if hmac.compare_digest(given, one.token.get_secret_value().encode()):
                found = Principal(one.name, frozenset(scope.value for scope in one.scopes))
        return found


def health(house: House) -> list[Facts]:
    """How every channel and destination is."""
    channels = [
        {
            "name": channel.name,
            "role": "channel",
            "kind": channel.kind,
            "state": _state(channel.settings.enabled, channel.paused, channel.health),
            "paused": channel.paused,
            "detail": channel.health.detail,
            "repair": channel.health.repair,
            "last_ok_at": _iso(channel.last_ok_at),
            "last_in_at": _iso(channel.last_in_at),
            "authorised_until": _iso(authorised_until(channel)),
        }
        for channel in house.channels.values()
    ]
    destinations = [
        {
            "name": state.name,
            "role": "destination",
            "kind": state.spec.kind,
            "state": _state(state.settings.enabled, state.paused, state.health),
            "paused": state.paused,
            "detail": state.health.detail,
            "repair": state.health.repair,
            "last_ok_at": None,
            "last_in_at": None,
            "authorised_until": None,
        }
        for state in house.destinations.values()
    ]
    troubles = []
    if house.reload_trouble:
        repair = "mend the file and reload; the old configuration is still at work"
        troubles.append(_trouble("configuration", "yaml", house.reload_trouble, repair))
    if house.office_trouble:
        troubles.append(
            _trouble("office", "office", house.office_trouble, "see `office` in the configuration")
        )
    elif house.office_notice:
        repair = "update Forebay when they are; the deadlines of open records are counted anew then"
        troubles.append(_trouble("office", "office", house.office_notice, repair, state="unknown"))
    return [*channels, *destinations, *troubles]


def _trouble(name: str, kind: str, detail: str, repair: str, *, state: str = "failing") -> Facts:
    return {
        "name": name,
        "role": "gateway",
        "kind": kind,
        "state": state,
        "paused": None,
        "detail": detail,
        "repair": repair,
        "last_ok_at": None,
        "last_in_at": None,
        "authorised_until": None,
    }


def authorised_until(channel: Channel) -> datetime | None:
    """When the channel's right to log in ends unless somebody does something, where it is known."""
    connector = channel.connector
    return connector.authorised_until() if isinstance(connector, Authorised) else None


def _state(enabled: bool, paused: str | None, found: Health) -> str:
    if not enabled:
        return "disabled"
    return "paused" if paused else found.state.value


def _iso(at: Any) -> str | None:
    return at.isoformat() if at else None


class ChannelVerbs:
    """The operator's verbs on channels and destinations."""

    def __init__(self, house: House, openings: Openings) -> None:
        self._house = house
        self._openings = openings

    async def list(self) -> Sequence[Facts]:
        """Every channel and destination with its health and what it can do."""
        waiting = await self._house.store.read(figures.waiting_by_target)
        return [
            {**one, "roles": self._roles(str(one["name"])), "waiting": waiting.get(str(one["name"]), 0)}
            for one in health(self._house)
            if one["role"] != "gateway"
        ]

    async def probe(self, name: str, *, actor: str) -> Facts:
        """A real round trip now."""
        one = self._find(name)
        try:
            thing = one.connector if isinstance(one, Channel) else one.destination
            found = await thing.probe()
        except Exception as error:
            self._house.log.error("probe.failed", channel=name, exc_info=error)
            raise ValueError(f"the probe itself failed: {type(error).__name__}") from error
        one.health = found
        if isinstance(one, Channel) and found.ok:
            one.last_ok_at = self._house.clock.now()
        return {"name": name, "state": found.state.value, "detail": found.detail, "repair": found.repair}

    async def pause(self, name: str, *, actor: str) -> Facts:
        """Fetch nothing and send nothing through it; its door answers 503."""
        await self._openings.pause(name, f"paused by {actor}")
        return {"name": name, "state": "paused"}

    async def resume(self, name: str, *, actor: str) -> Facts:
        """Go on, and try at once what waits."""
        await self._openings.pause(name, None)
        one = self._find(name)
        if isinstance(one, Channel):
            one.mended.set()
        return {"name": name, "state": one.health.state.value}

    async def backfill(self, name: str, *, since: date, dry_run: bool, actor: str) -> Facts:
        """Count what came since a day, and unless it is a rehearsal, have it fetched by whoever polls the channel."""
        connector = self._channel(name).connector
        if not isinstance(connector, Backfiller):
            raise ValueError(
                f"the channel {name} cannot go back: it polls no source that keeps what was there"
            )
        try:
            found = dict(await connector.survey(since))
        except SendFailure as error:
            repair = f"; {error.repair}" if error.repair else ""
            raise ValueError(f"{name} cannot be asked now: {error.detail}{repair}") from error
        if not dry_run:
            await self._house.store.run(lambda c: backfill.put(c, name, since), "backfill")
            self._house.log.warning("channel.backfill", channel=name, since=since.isoformat(), actor=actor)
        return {"name": name, "since": since.isoformat(), "found": found, "dry_run": dry_run}

    async def authorise(self, name: str, *, answer: str | None, actor: str) -> Facts:
        """Without an answer, where a person consents; with what the browser brought back, the consent itself."""
        channel = self._channel(name)
        connector = channel.connector
        if not isinstance(connector, Authorised):
            raise ValueError(f"the channel {name} logs in without tokens; there is nothing to consent to")
        if answer is None:
            return {"name": name, "url": connector.authorise()}
        try:
            await connector.authorised(answer)
        except SendFailure as error:
            raise ValueError(f"{error.detail}{f'; {error.repair}' if error.repair else ''}") from error
        channel.mended.set()
        self._house.log.warning("channel.authorised", channel=name, actor=actor)
        return {"name": name, "authorised_until": _iso(connector.authorised_until())}

    def _channel(self, name: str) -> Channel:
        one = self._find(name)
        if not isinstance(one, Channel):
            raise LookupError(f"there is no channel {name}")
        return one

    def _find(self, name: str) -> Channel | DestinationState:
        found = self._house.channels.get(name) or self._house.destinations.get(name)
        if found is None:
            raise LookupError(f"there is no channel or destination {name}")
        return found

    def _roles(self, name: str) -> Sequence[str]:
        channel = self._house.channels.get(name)
        if channel is None:
            return ["delivers"]
        has = {
            "fetches": isinstance(channel.connector, Fetcher),
            "receives": isinstance(channel.connector, Receiver),
            "listens": isinstance(channel.connector, Listener),
            "sends": sends(channel),
        }
        return [role for role, true in has.items() if true]


def _span(arguments: Facts) -> tuple[str, datetime, datetime]:
    """The destination and the two times of a verb; ValueError in words for the caller."""
    name = arguments.get("destination")
    if not isinstance(name, str) or not name:
        raise ValueError("name the destination")
    times = []
    for which in ("from", "to"):
        said = arguments.get(which)
        try:
            at = datetime.fromisoformat(said) if isinstance(said, str) else None
        except ValueError:
            at = None
        if at is None or at.tzinfo is None:
            raise ValueError(f"{which} must be a time with a zone, such as 2026-11-22T08:00:00Z")
        times.append(at)
    if times[0] >= times[1]:
        raise ValueError("from must be before to")
    return name, times[0], times[1]


class Admin:
    """The command line's other verbs, by name."""

    def __init__(self, house: House, reload: Reload) -> None:
        self._house = house
        self._verbs: Mapping[str, Callable[[Facts, str], Awaitable[Facts]]] = {
            "audit": self._audit,
            "waiting": self._waiting,
            "release": self._release,
            "replay": self._replay,
            "backfill": self._backfill,
            "reload": lambda arguments, actor: reload(actor),
        }

    async def __call__(self, verb: str, arguments: Facts, actor: str) -> Facts:
        """Raises LookupError for a verb that there is not."""
        found = self._verbs.get(verb)
        if found is None:
            raise LookupError(f"there is no verb {verb}; these there are: {', '.join(sorted(self._verbs))}")
        return await found(arguments, actor)

    async def _audit(self, arguments: Facts, actor: str) -> Facts:
        """Whether the counts balance (law 4), and whether everything refers to something that is there."""
        store = self._house.store
        lines = await store.read(balance.balance)
        findings = await store.read(lambda c: balance.check(c, store.blobs))
        return {
            "balanced": not findings and all(line.difference == 0 for line in lines),
            "lines": [
                {
                    "day": line.day,
                    "channel": line.channel,
                    "received": line.received,
                    "by_state": dict(line.by_state),
                    "children": line.children,
                    "difference": line.difference,
                }
                for line in lines
            ],
            "findings": [{"check": one.check, "id": one.id, "detail": one.detail} for one in findings],
        }

    async def _replay(self, arguments: Facts, actor: str) -> Facts:
        """Tell a destination again what it was told between two times."""
        name, since, until = _span(arguments)
        return {"queued": await self._house.feeds.replay(name, since, until)}

    async def _backfill(self, arguments: Facts, actor: str) -> Facts:
        """Hand over what was registered before a destination was there."""
        name, since, until = _span(arguments)
        channel = arguments.get("channel")
        if channel is not None and not isinstance(channel, str):
            raise ValueError("channel must be the name of one")
        return {"queued": await self._house.feeds.backfill(name, since, until, channel)}

    async def _waiting(self, arguments: Facts, actor: str) -> Facts:
        """What a release would let go."""
        store = self._house.store
        counts = await store.read(boxes.counts)
        why = await store.read(lambda c: facts.get(c, "hold"))
        by_target = await store.read(figures.waiting_by_target)
        return {"on_hold": store.on_hold, "why": why, "counts": counts, "deliveries": dict(by_target)}

    async def _release(self, arguments: Facts, actor: str) -> Facts:
        """Let messages go out and sources be touched again (law 16)."""
        store = self._house.store
        was = store.on_hold
        await store.run(facts.release, "release")
        store.on_hold = False
        self._house.dispatcher.wake()
        self._house.log.warning("store.released", actor=actor)
        return {"released": was}
