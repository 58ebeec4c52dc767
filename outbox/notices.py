"""Notices to the customer that the office's work brings about: from a template, to be committed with that work."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from connectors.channel import Channel
from model import ids as identifiers
from model.delivery import Purpose
from model.draft import Draft, Identity
from model.registration import Sent
from model.states import DeliveryState
from model.tools import Clock, Ids
from outbox import acknowledge, mute, parts, rows
from outbox.answers import Way, find_way
from outbox.mute import Mute
from outbox.sandbox import TemplateFailure
from outbox.settings import BudgetSettings
from outbox.templates import NOTHING, Rendered, Templates
from store import deliveries, views
from store.store import Store
from store.units import Insert

Row = Mapping[str, Any]


class Notices:
    """Makes deliveries of notices: by the channel used, in the customer's language, under the rules against loops."""

    def __init__(
        self,
        store: Store,
        channels: Mapping[str, Channel],
        budget: BudgetSettings,
        *,
        clock: Clock,
        ids: Ids,
        templates: Callable[[], Templates],
        language: str,
        status_url: Callable[[str], str],
        wake: Callable[[], None],
    ) -> None:
        self._store = store
        self._channels = channels
        self._budget = budget
        self._clock = clock
        self._ids = ids
        self._templates = templates
        self._language = language
        self._status_url = status_url
        self.wake = wake
        """To be called when what was composed is committed."""

    async def compose(
        self, record: Row, template: str, more: Mapping[str, Any], *, key: str, by_hand: bool = False
    ) -> list[Insert]:
        """The deliveries of one notice, or the row that says why there is none.

        `record` is a whole row; `more` are further values of the template; `key` tells this notice from every
        other one. `by_hand`: a person wants it sent, so that channels that are too dear for automatic ones carry it.
        """
        reply_to = [Identity(**one) for one in record["reply_to"]]
        way = find_way(self._channels, record["channel"], reply_to, automatic=not by_hand)
        if way is None:
            return [self._refused(record, Way(record["channel"], None), key, template, Mute.NO_WAY)]
        if why := self._why_not(record, way):
            return [self._refused(record, way, key, template, why)]
        name = await self._store.read(lambda c: deliveries.contact_name(c, record["id"]))
        try:
            told = self._render(record, way, template, more, name)
        except TemplateFailure as failure:
            return [self._refused(record, way, key, template, Mute.TEMPLATE, str(failure))]
        last = await self._store.read(lambda c: views.last_message(c, record["id"]))
        same = way.channel == record["channel"]
        thread = (last or {}).get("thread") if last and last.get("channel") == way.channel else None
        body = rows.message_body(
            reference=record["reference"],
            subject=told.subject,
            text=told.text,
            html=told.html,
            language=told.language,
            to=way.to,
            name=name,
            thread=thread or (record["thread"] if same else {}),
            token=identifiers.seal(self._store.secret, "thread", record["id"]),
            conversation=record["conversation"] if same else None,
        )
        row = self._row(record, way, key, {**body, "template": template})
        spread = parts.spread(row, self._channels.get(way.channel), self._ids)
        return [Insert("delivery", one) for one in spread]

    def _render(self, record: Row, way: Way, template: str, more: Mapping[str, Any], name: str) -> Rendered:
        channel = self._channels[way.channel].settings
        values = {
            **NOTHING,
            "reference": record["reference"],
            "status_url": self._status_url(record["reference"]),
            "name": acknowledge.greeted(name),
            "subject": acknowledge.shown_subject(record["subject"]),
            "channel": record["channel"],
            "urgency": record["urgency"],
            "in_scope": record["in_scope"],
            "missing": tuple(record["missing"]),
            **more,
        }
        language = record["language"] or channel.language or self._language
        return self._templates().render(template, language, values)

    def _why_not(self, record: Row, way: Way) -> str | None:
        """What forbids it; how much went out lately is no question, since a record gets each notice once."""
        draft = Draft(
            subject=record["subject"],
            automatic=record["automatic"],
            bounce=record["bounce"],
            conversation=record["conversation"],
            identities=(way.to,) if way.to else (),
            weak=record["extra"].get("proof") == "weak",
        )
        own = {address for one in self._channels.values() for address in one.settings.addresses()}
        return mute.why_not(
            draft,
            sender=way.to,
            own_addresses=own,
            counts=Sent(),
            budget=self._budget,
            acknowledged_before=False,
            repeat_within_quiet=False,
        )

    def _refused(
        self, record: Row, way: Way, key: str, template: str, reason: str, detail: str = ""
    ) -> Insert:
        body = {"reference": record["reference"], "template": template}
        row = self._row(record, way, key, body, DeliveryState.CANCELLED, reason, detail or None)
        return Insert("delivery", row)

    def _row(
        self,
        record: Row,
        way: Way,
        key: str,
        body: Mapping[str, Any],
        state: DeliveryState = DeliveryState.WAITING,
        reason: str | None = None,
        detail: str | None = None,
    ) -> dict[str, Any]:
        return rows.row(
            self._ids,
            key=f"notice:{key}",
            purpose=Purpose.NOTICE,
            target=way.channel,
            record=record["id"],
            at=self._clock.now(),
            body=body,
            order=record["conversation"] or record["id"],
            to=way.to,
            state=state,
            reason=reason,
            detail=detail,
        )
