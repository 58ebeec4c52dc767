"""How the office's words reach a customer: which channel, which address, which row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from connectors.channel import Channel
from model import ids as identifiers
from model.delivery import Purpose
from model.draft import Identity
from model.tools import Clock, Ids
from outbox import parts, rows
from outbox.carry import sends


@dataclass(frozen=True, slots=True)
class Way:
    """A channel that can carry a message, and whom it reaches there."""

    channel: str
    to: Identity | None


def find_way(channels: Mapping[str, Channel], came_by: str, reply_to: Sequence[Identity]) -> Way | None:
    """The way back to a customer: by what they left, where the channel says which other channel serves it;
    else by the channel itself; None when there is none.
    """
    channel = channels.get(came_by)
    if channel is None:
        return None
    for identity in reply_to:
        via = channels.get(channel.settings.reply_via.get(identity.kind, ""))
        if via is not None and sends(via):
            return Way(via.name, identity)
    if sends(channel):
        return Way(came_by, next(iter(reply_to), None))
    return None


class Answers:
    """Makes the deliveries of answers that people write."""

    def __init__(self, channels: Mapping[str, Channel], clock: Clock, ids: Ids, secret: bytes) -> None:
        self._channels = channels
        self._clock = clock
        self._ids = ids
        self._secret = secret

    def way(self, record: Mapping[str, Any], channel: str | None) -> Way:
        """The way for an answer; ValueError, in words for the caller, when there is none."""
        reply_to = [Identity(**one) for one in record["reply_to"]]
        if channel is None:
            found = find_way(self._channels, record["channel"], reply_to)
            if found is None:
                raise ValueError(
                    "the customer left no address that a channel of ours serves; name one with `channel`"
                )
            return found
        chosen = self._channels.get(channel)
        if chosen is None or not sends(chosen):
            known = ", ".join(sorted(name for name, one in self._channels.items() if sends(one)))
            raise ValueError(f"channel {channel} cannot send; these can: {known or 'none'}")
        if channel == record["channel"]:
            return Way(channel, next(iter(reply_to), None))
        served = self._channels.get(record["channel"])
        kinds = (
            {kind for kind, via in served.settings.reply_via.items() if via == channel} if served else set()
        )
        to = next((one for one in reply_to if one.kind in kinds or one.kind == chosen.kind), None)
        if to is None:
            raise ValueError(f"the customer left no address that channel {channel} serves")
        return Way(channel, to)

    def rows(
        self,
        record: Mapping[str, Any],
        way: Way,
        *,
        text: str,
        html: str | None,
        files: Sequence[Mapping[str, Any]],
        cc: Sequence[str],
        name: str,
        actor: str,
        key: str,
    ) -> list[dict[str, Any]]:
        """The deliveries of one answer: one, or one for each part that the channel makes of it."""
        same = way.channel == record["channel"]
        body = rows.message_body(
            reference=record["reference"],
            subject=answer_subject(record["subject"], record["reference"]),
            text=text,
            html=html,
            language=record["language"],
            to=way.to,
            name=name,
            thread=record["thread"] if same else {},
            token=identifiers.seal(self._secret, "thread", record["id"]),
            files=[dict(file) for file in files],
            cc=list(cc),
            conversation=record["conversation"] if same else None,
        )
        row = rows.row(
            self._ids,
            key=f"reply:{record['id']}:{key}",
            purpose=Purpose.REPLY,
            target=way.channel,
            record=record["id"],
            at=self._clock.now(),
            body={**body, "actor": actor},
            order=record["conversation"] or record["id"],
            to=way.to,
        )
        return parts.spread(row, self._channels.get(way.channel), self._ids)


def answer_subject(subject: str, reference: str) -> str:
    """The subject of an answer: that of the customer, or the reference when there was none."""
    subject = subject.strip()
    if not subject:
        return reference
    return subject if subject[:3].lower() in ("re:", "re：", "回复:") else f"Re: {subject}"
