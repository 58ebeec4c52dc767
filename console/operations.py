"""The operator's verbs under /v1: the inbox, the outbox, the channels, and the rest of the command line."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import date, datetime
from typing import Any

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from console.api import SMALL_BODY, Gate, json, parse_object, read_body, whole_number
from console.problems import Problem, invalid, not_found, verbs_spoken
from console.services import Facts, Principal, Scope, Services
from model.states import DeliveryState, EnvelopeState

Verb = Callable[["Selection", str], Awaitable[Facts]]


class Selection(BaseModel):
    """What a verb is applied to, and how."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid", hide_input_in_errors=True)

    ids: list[str] = Field(min_length=1, max_length=1000, description="Ids of envelopes or deliveries.")
    dry_run: bool = Field(default=False, description="Show what a replay would change, and change nothing.")
    reason: str = Field(default="", max_length=500, description="Why an envelope is ignored.")
    delivered: bool | None = Field(default=None, description="How an uncertain delivery is resolved.")


class ChannelArguments(BaseModel):
    """What a verb on a channel is told beside its name."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid", hide_input_in_errors=True)

    since: date | None = Field(
        default=None, description="Day from which older messages are wanted (backfill)."
    )
    dry_run: bool = Field(default=False, description="Count what is there, and fetch nothing (backfill).")
    answer: str | None = Field(
        default=None,
        max_length=8192,
        description="The address that the browser was sent to after the consent, or the code in it (authorise).",
    )


ChannelVerb = Callable[[str, ChannelArguments, str], Awaitable[Facts]]


async def _backfill(services: Services, name: str, told: ChannelArguments, actor: str) -> Facts:
    if told.since is None:
        raise Problem(422, "say from which day on, such as 2026-11-01", field="since")
    return await services.channels.backfill(name, since=told.since, dry_run=told.dry_run, actor=actor)


class Linking(BaseModel):
    """Which contacts are one person, or a proposal or link that says so; or whose messages are set aside, and why."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid", hide_input_in_errors=True)

    link: str | None = Field(default=None, max_length=100, description="Id of a proposal or a link.")
    contact: str | None = Field(default=None, max_length=400, description="A contact, by id or identity.")
    other: str | None = Field(default=None, max_length=400, description="The one that is the same person.")
    evidence: str = Field(default="", max_length=300, description="By what that is known, or why.")


async def _ignore(services: Services, chosen: Selection, actor: str) -> Facts:
    if not chosen.reason.strip():
        raise Problem(422, "say why: nothing is dropped without a reason", field="reason")
    return await services.inbox.ignore(chosen.ids, reason=chosen.reason.strip(), actor=actor)


async def _resolve(services: Services, chosen: Selection, actor: str) -> Facts:
    if chosen.delivered is None:
        raise Problem(422, "say whether it was delivered: true or false", field="delivered")
    return await services.outbox.resolve(chosen.ids, delivered=chosen.delivered, actor=actor)


def inbox_verbs(services: Services) -> Mapping[str, Verb]:
    """What can be done with envelopes."""
    inbox = services.inbox
    return {
        "replay": lambda s, actor: inbox.replay(s.ids, dry_run=s.dry_run, actor=actor),
        "release": lambda s, actor: inbox.release(s.ids, actor=actor),
        "ignore": lambda s, actor: _ignore(services, s, actor),
    }


def outbox_verbs(services: Services) -> Mapping[str, Verb]:
    """What can be done with deliveries."""
    outbox = services.outbox
    return {
        "redrive": lambda s, actor: outbox.redrive(s.ids, actor=actor),
        "cancel": lambda s, actor: outbox.cancel(s.ids, actor=actor),
        "hold": lambda s, actor: outbox.hold(s.ids, actor=actor),
        "release": lambda s, actor: outbox.release(s.ids, actor=actor),
        "resolve": lambda s, actor: _resolve(services, s, actor),
    }


def channel_verbs(services: Services) -> Mapping[str, ChannelVerb]:
    """What can be done with a channel, by name."""
    channels = services.channels
    return {
        "probe": lambda name, told, actor: channels.probe(name, actor=actor),
        "pause": lambda name, told, actor: channels.pause(name, actor=actor),
        "resume": lambda name, told, actor: channels.resume(name, actor=actor),
        "backfill": lambda name, told, actor: _backfill(services, name, told, actor),
        "authorise": lambda name, told, actor: channels.authorise(name, answer=told.answer, actor=actor),
    }


class Operations:
    """Handlers of the operator's verbs."""

    def __init__(self, services: Services, gate: Gate) -> None:
        self._services = services
        self._gate = gate
        self._verbs = {"inbox": inbox_verbs(services), "outbox": outbox_verbs(services)}
        self._channel = channel_verbs(services)

    def routes(self) -> list[web.RouteDef]:
        def needs(answer: Any) -> Any:
            return self._gate.needs(Scope.ADMIN, answer)

        return [
            web.get("/v1/inbox", needs(self.envelopes)),
            web.get("/v1/inbox/{id}", needs(self.envelope)),
            web.get("/v1/outbox", needs(self.deliveries)),
            web.get("/v1/outbox/{id}", needs(self.delivery)),
            web.post("/v1/{box:inbox|outbox}/{verb}", needs(self.apply)),
            web.get("/v1/contacts/{named}", needs(self.contact)),
            web.post("/v1/contacts/{verb:link|unlink|block|unblock}", needs(self.link)),
            web.get("/v1/blocked", needs(self.blocked)),
            web.get("/v1/channels", needs(self.channels)),
            web.post("/v1/channels/{name}/{verb}", needs(self.channel)),
            web.get("/v1/health", needs(self.health)),
            web.post("/v1/admin/{verb}", needs(self.admin)),
        ]

    async def envelopes(self, request: web.Request, principal: Principal) -> web.Response:
        found = await self._services.inbox.list(
            states=_states(request, EnvelopeState),
            channel=request.query.get("channel"),
            since=_time(request, "since"),
            limit=whole_number(request, "limit", 50, 1, 1000),
        )
        return json({"envelopes": found})

    async def envelope(self, request: web.Request, principal: Principal) -> web.Response:
        return json(await self._services.inbox.show(request.match_info["id"]))

    async def deliveries(self, request: web.Request, principal: Principal) -> web.Response:
        found = await self._services.outbox.list(
            states=_states(request, DeliveryState),
            target=request.query.get("target"),
            purpose=request.query.get("purpose"),
            suppressed=request.query.get("suppressed") in ("1", "true"),
            limit=whole_number(request, "limit", 50, 1, 1000),
        )
        return json({"deliveries": found})

    async def delivery(self, request: web.Request, principal: Principal) -> web.Response:
        return json(await self._services.outbox.show(request.match_info["id"]))

    async def apply(self, request: web.Request, principal: Principal) -> web.Response:
        verb = self._verbs[request.match_info["box"]].get(request.match_info["verb"])
        if verb is None:
            raise not_found("this verb")
        try:
            chosen = Selection.model_validate(parse_object(await read_body(request, SMALL_BODY)))
        except ValidationError as error:
            raise invalid(error) from None
        return json(await verb(chosen, principal.name))

    async def contact(self, request: web.Request, principal: Principal) -> web.Response:
        with verbs_spoken():
            return json(await self._services.contacts.show(request.match_info["named"]))

    async def link(self, request: web.Request, principal: Principal) -> web.Response:
        try:
            chosen = Linking.model_validate(parse_object(await read_body(request, SMALL_BODY)))
        except ValidationError as error:
            raise invalid(error) from None
        contacts = self._services.contacts
        with verbs_spoken():
            if request.match_info["verb"] in ("block", "unblock"):
                told = await self._hear(request.match_info["verb"], chosen, principal.name)
            elif request.match_info["verb"] == "link":
                told = await contacts.link(**chosen.model_dump(), actor=principal.name)
            elif chosen.link is None:
                raise Problem(422, "name the link to undo", field="link")
            else:
                told = await contacts.unlink(chosen.link, actor=principal.name)
        return json(told)

    async def _hear(self, verb: str, chosen: Linking, actor: str) -> Facts:
        if chosen.contact is None:
            raise Problem(422, "name whom it is about", field="contact")
        contacts = self._services.contacts
        if verb == "unblock":
            return await contacts.unblock(chosen.contact, actor=actor)
        if not chosen.evidence.strip():
            raise Problem(422, "say why: it stands beside their name", field="evidence")
        return await contacts.block(chosen.contact, why=chosen.evidence, actor=actor)

    async def blocked(self, request: web.Request, principal: Principal) -> web.Response:
        """Whose messages are set aside."""
        return json(await self._services.contacts.blocked())

    async def channels(self, request: web.Request, principal: Principal) -> web.Response:
        return json({"channels": await self._services.channels.list()})

    async def channel(self, request: web.Request, principal: Principal) -> web.Response:
        verb = self._channel.get(request.match_info["verb"])
        if verb is None:
            raise not_found("this verb")
        raw = await read_body(request, SMALL_BODY)
        try:
            told = ChannelArguments.model_validate(parse_object(raw) if raw.strip() else {})
        except ValidationError as error:
            raise invalid(error) from None
        return json(await verb(request.match_info["name"], told, principal.name))

    async def health(self, request: web.Request, principal: Principal) -> web.Response:
        return json({"health": list(self._services.health())})

    async def admin(self, request: web.Request, principal: Principal) -> web.Response:
        arguments = parse_object(await read_body(request, SMALL_BODY))
        return json(await self._services.admin(request.match_info["verb"], arguments, principal.name))


def _states(request: web.Request, known: type[EnvelopeState] | type[DeliveryState]) -> list[str]:
    states = request.query.getall("state", [])
    if wrong := [state for state in states if state not in list(known)]:
        raise Problem(422, f"state must be one of {', '.join(known)}", field="state") from ValueError(wrong)
    return states


def _time(request: web.Request, name: str) -> datetime | None:
    given = request.query.get(name)
    if given is None:
        return None
    try:
        at = datetime.fromisoformat(given.replace(" ", "+"))
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise Problem(422, f"{name} must be a time with a zone, such as 2026-11-22T08:00:00Z", field=name)
    return at
