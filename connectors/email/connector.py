"""An e-mail channel put together from its parts; it plays the roles of the parts it has, and no others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from types import TracebackType
from typing import Any, Self

from connectors.contract import Accept, Batch, Connector
from connectors.email import EmailSettings, FileSettings, identity
from connectors.email.compose import Sender
from connectors.email.door import Door
from connectors.email.files import FileOutgoing
from connectors.email.mailbox import Mailbox
from connectors.email.oauth import grant
from connectors.email.outgoing import Outgoing, SmtpOutgoing
from connectors.email.tunnel import Tunnel
from connectors.wire.oauth import Tokens
from model import health
from model.delivery import Message, Receipt
from model.envelope import Envelope
from model.health import Health, HealthState
from model.tools import Raw, Tools

#: Bytes of a large mail that are looked at together.
_PIECE = 262_144


class Email:
    """Life and health of all parts together."""

    mailbox: Mailbox
    door: Door
    outgoing: Outgoing

    def __init__(self, parts: Mapping[str, Any], address: str, tokens: Tokens | None = None) -> None:
        self.parts = parts
        self._address = address
        self._tokens = tokens
        for name, part in parts.items():
            setattr(self, name, part)

    async def __aenter__(self) -> Self:
        if self._tokens is not None:
            await self._tokens.load()
        for part in self.parts.values():
            await part.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for part in self.parts.values():
            await part.close()

    async def probe(self) -> Health:
        """The first part that is not well, else OK, and what the parts have to tell."""
        told = []
        for name, part in self.parts.items():
            found: Health = await part.probe()
            if not found.ok:
                return Health(found.state, f"{name}: {found.detail}", found.repair)
            told += [found.detail] if found.detail else []
        return Health(HealthState.OK, "; ".join(told)) if told else health.OK

    def import_mail(self, raw: Raw) -> Envelope:
        """A mail of an archive, as if it had been fetched: what the mailbox brought before is a repeat."""
        taken = identity.Fingerprint()
        if isinstance(raw, bytes):
            taken.feed(raw)
        else:
            with raw.path.open("rb") as file:
                while piece := file.read(_PIECE):
                    taken.feed(piece)
        return identity.envelope(self._address, raw, print_of=taken.finish())


class _Fetches(Email):
    async def fetch(self, cursor: Mapping[str, Any] | None, wait: timedelta) -> Batch:
        return await self.mailbox.fetch(cursor, wait)

    async def confirm(self, handles: Sequence[Any]) -> None:
        await self.mailbox.confirm(handles)

    async def survey(self, since: date) -> Mapping[str, int]:
        return await self.mailbox.survey(since)

    def rewind(self, cursor: Mapping[str, Any] | None, since: date) -> Mapping[str, Any]:
        return self.mailbox.rewind(cursor, since)


class _Listens(Email):
    async def listen(self, accept: Accept) -> None:
        await self.door.listen(accept)


class _Sends(Email):
    async def send(self, message: Message) -> Receipt:
        return await self.outgoing.send(message)


class _Authorised(Email):
    """With tokens that end some day, and that a person may have to consent to."""

    @property
    def _owner(self) -> Tokens:
        assert self._tokens is not None
        return self._tokens

    def authorised_until(self) -> datetime | None:
        return self._owner.authorised_until()

    def authorise(self) -> str:
        return self._owner.authorise()

    async def authorised(self, answer: str) -> None:
        await self._owner.authorised(answer)


#: The role that each part brings.
ROLES: Mapping[str, type[Email]] = {"mailbox": _Fetches, "door": _Listens, "outgoing": _Sends}


def assemble(settings: EmailSettings, tools: Tools) -> Connector:
    """A connector with the roles of the parts that the settings name."""
    parts: dict[str, Any] = {}
    limit = settings.limits.body_bytes
    tunnel = None if settings.proxy is None else Tunnel(settings.proxy)
    tokens = None if settings.oauth is None else Tokens(grant(settings.oauth), tools)
    if settings.imap is not None:
        parts["mailbox"] = Mailbox(
            settings.imap, settings.address, limit, tools, settings.ca_file, tunnel, tokens
        )
    if settings.door is not None:
        own = (settings.address, *settings.aliases)
        parts["door"] = Door(settings.door, settings.address, own, limit, tools)
    if settings.outgoing is not None:
        parts["outgoing"] = _outgoing(settings, tools, tunnel, tokens)
    roles = tuple(ROLES[name] for name in parts) + ((_Authorised,) if tokens is not None else ())
    kind = type("".join(["Email", *(name.title() for name in parts)]), roles, {})
    connector: Connector = kind(parts, settings.address, tokens)
    return connector


def _outgoing(
    settings: EmailSettings, tools: Tools, tunnel: Tunnel | None, tokens: Tokens | None
) -> Outgoing:
    sender = Sender(
        address=settings.address,
        name=settings.name,
        own=frozenset(settings.addresses()),
        plus_addressing=settings.plus_addressing,
        null_sender=settings.null_sender,
    )
    if isinstance(settings.outgoing, FileSettings):
        return FileOutgoing(settings.outgoing, sender, tools)
    assert settings.outgoing is not None
    return SmtpOutgoing(settings.outgoing, sender, tools, settings.ca_file, tunnel, tokens)
