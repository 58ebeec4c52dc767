"""What the desk and the API may do with notes and call-backs, and partners with what they brought in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from connectors.channel import Channel
from connectors.contract import Busy, Request
from connectors.partner.connector import PartnerConnector
from connectors.wire.notes import NoteSettings
from console.services import Facts, NotePage
from gateway.house import House
from model.failures import Malformed, TemporaryFailure, Unverified
from outbox.call_backs import CallBacks, Patience
from store.errors import StoreBusy


class Notes:
    """`console.services.NoteVerbs` of a house."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._call_backs = CallBacks(
            house.store,
            house.settler,
            self._patience,
            clock=house.clock,
            ids=house.ids,
            wake=house.dispatcher.wake,
        )

    def _patience(self) -> Mapping[str, Patience]:
        every = ((name, channel.settings) for name, channel in self._house.channels.items())
        return {
            name: Patience(settings.call_back.tries, settings.call_back.again_after)
            for name, settings in every
            if isinstance(settings, NoteSettings)
        }

    def pages(self) -> Sequence[NotePage]:
        """Those that take part now, in the order of the settings."""
        return [
            NotePage(
                channel=name,
                kind=channel.kind,
                titles=channel.settings.title,
                places=channel.settings.places,
                region=channel.settings.region,
            )
            for name, channel in self._house.channels.items()
            if channel.noter is not None and channel.open and isinstance(channel.settings, NoteSettings)
        ]

    async def save(self, channel: str, note: Mapping[str, str], *, key: str | None, by: str) -> Facts:
        found = self._house.channels.get(channel)
        if found is None or found.noter is None:
            known = ", ".join(page.channel for page in self.pages())
            raise LookupError(f"channel {channel} takes no notes; these do: {known or 'none'}")
        if not found.open:
            raise StoreBusy(f"the channel {channel} is switched off for now")
        try:
            batch = found.noter.noted(note, key=key, by=by)
        except Malformed as error:
            raise ValueError(error.detail) from None
        try:
            (accepted,) = await self._house.acceptor.accept(found, batch)
        except Busy as error:
            raise StoreBusy(str(error)) from None
        self._house.counted(channel, "repeat" if accepted.repeat else "accepted")
        return {
            "reference": accepted.reference,
            "status_url": self._house.links.status(accepted.reference),
            "repeat": accepted.repeat,
        }

    async def call_backs(self, *, target: str | None, limit: int) -> Sequence[Facts]:
        return await self._call_backs.list(target=target, limit=limit)

    async def said(
        self, delivery: str, outcome: str, *, note: str, again_at: datetime | None, actor: str
    ) -> Facts:
        return await self._call_backs.said(delivery, outcome, note=note, again_at=again_at, actor=actor)


class Partners:
    """`console.services.Partners` of a house: the keys of all partners' channels."""

    def __init__(self, house: House) -> None:
        self._house = house

    def reader(self, token: str) -> str | timedelta | None:
        """Every partner is asked, so that time does not tell whose key it is."""
        found: str | timedelta | None = None
        for name, channel in list(self._house.channels.items()):
            if isinstance(channel.connector, PartnerConnector) and channel.open:
                found = self._asked(name, channel, token) or found
        return found

    def _asked(self, name: str, channel: Channel, token: str) -> str | timedelta | None:
        connector: Any = channel.connector
        request = Request(
            method="GET",
            path=f"/in/{name}",
            headers={"authorization": f"Bearer {token}"},
            received_at=self._house.clock.now(),
        )
        try:
            connector.reader(request)
        except Unverified:
            return None
        except TemporaryFailure as error:
            return error.retry_after or timedelta(seconds=60)
        return name
