"""How the office's words reach a customer: which channel, which address, which row."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
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


def find_way(
    channels: Mapping[str, Channel], came_by: str, reply_to: Sequence[Identity], *, automatic: bool = False
) -> Way | None:
    """The way back to a customer: by the first of what they left that a channel serves, be it another one, as the
    channel they used says, or that one itself; else by that one, when it needs no address; None when there is none.

    `automatic`: only by channels that acknowledgements may leave by.
    """
    channel = channels.get(came_by)
    if channel is None:
        return None
    for identity in reply_to:
        via = channels.get(channel.settings.reply_via.get(identity.kind, ""))
        if via is None and identity.kind in channel.spec.reaches:
            via = channel
        if via is not None and _carries(via, identity, automatic):
            return Way(via.name, identity)
    to = _own(channel, reply_to)
    return Way(came_by, to) if _carries(channel, to, automatic) else None


def _carries(channel: Channel, to: Identity | None, automatic: bool) -> bool:
    allowed = not automatic or channel.settings.acknowledges()
    return sends(channel) and allowed and not channel.settings.cannot_reach(to)


def _own(channel: Channel, reply_to: Sequence[Identity]) -> Identity | None:
    """The address that a channel writes to when it answers its own customers."""
    reached = (one for one in reply_to if one.kind in channel.spec.reaches)
    return next(reached, next(iter(reply_to), None))


class Answers:
    """Makes the deliveries of answers that people write."""

    def __init__(
        self,
        channels: Mapping[str, Channel],
        clock: Clock,
        ids: Ids,
        secret: bytes,
        file_url: Callable[[str, int], str],
    ) -> None:
        """`file_url` gives the address of file n of a delivery, for channels that carry no files."""
        self._channels = channels
        self._clock = clock
        self._ids = ids
        self._secret = secret
        self._file_url = file_url

    def way(self, record: Mapping[str, Any], channel: str | None, known: Sequence[Identity] = ()) -> Way:
        """The way for an answer; ValueError, in words for the caller, when there is none.

        `known` are the contact's other identities: a channel that was named may write to those as well.
        """
        reply_to = [Identity(**one) for one in record["reply_to"]]
        if channel is None:
            found = find_way(self._channels, record["channel"], reply_to)
            if found is None:
                raise ValueError(self._no_way(record["channel"], reply_to))
            return found
        chosen = self._channels.get(channel)
        if chosen is None or not sends(chosen):
            able = ", ".join(sorted(name for name, one in self._channels.items() if sends(one)))
            raise ValueError(f"channel {channel} cannot send; these can: {able or 'none'}")
        if channel == record["channel"]:
            to = _own(chosen, reply_to)
        else:
            served = self._channels.get(record["channel"])
            vias = served.settings.reply_via if served else {}
            kinds = {kind for kind, via in vias.items() if via == channel} | {
                chosen.kind,
                *chosen.spec.reaches,
            }
            to = next((one for one in (*reply_to, *known) if one.kind in kinds), None)
            if to is None:
                raise ValueError(f"the customer left no address that channel {channel} serves")
        if why := chosen.settings.cannot_reach(to):
            raise ValueError(f"channel {channel}: {why}")
        return Way(channel, to)

    def kind_of(self, channel: str) -> str:
        """The kind of a channel."""
        return self._channels[channel].kind

    def ways(self, record: Mapping[str, Any], known: Sequence[Identity] = ()) -> list[Way]:
        """Every channel that could carry an answer to a record, for a clerk who chooses."""
        found = []
        for name in self._channels:
            try:
                found.append(self.way(record, name, known))
            except ValueError:
                continue
        return found

    def _no_way(self, came_by: str, reply_to: Sequence[Identity]) -> str:
        channel = self._channels.get(came_by)
        why = channel.settings.cannot_reach(_own(channel, reply_to)) if channel and sends(channel) else ""
        if why:
            return f"{why}; enter one, or name another channel with `channel`"
        return "the customer left no address that a channel of ours serves; name one with `channel`"

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
        last: Mapping[str, Any] | None = None,
    ) -> list[dict[str, Any]]:
        """The deliveries of one answer: one, or one for each part that the channel makes of it.

        `last` is what the timeline has of the customer's latest message: it is that which is answered and, where
        the channel quotes, quoted; without one, the record's own.
        """
        same = way.channel == record["channel"]
        settings = self._channels[way.channel].settings
        thread = _thread(record, way.channel, last)
        own = {one for channel in self._channels.values() for one in channel.settings.addresses()}
        copies = dict.fromkeys((*cc, *(settings.copies(thread) if same else ())))
        quoted = _quoted(record, last, name, settings.quotes())
        body = rows.message_body(
            reference=record["reference"],
            subject=answer_subject(record["subject"], record["reference"]),
            text=text,
            html=html,
            language=record["language"],
            to=way.to,
            name=name,
            thread=thread,
            token=identifiers.seal(self._secret, "thread", record["id"]),
            files=[dict(file) for file in files],
            cc=[one for one in copies if not {one.lower(), _bare(one.lower())} & own],
            conversation=record["conversation"] if same else None,
        )
        row = rows.row(
            self._ids,
            key=f"reply:{record['id']}:{key}",
            purpose=Purpose.REPLY,
            target=way.channel,
            record=record["id"],
            at=self._clock.now(),
            body={**body, "actor": actor, **({"quoted": quoted} if quoted else {})},
            order=record["conversation"] or record["id"],
            to=way.to,
        )
        if files and not self.carries_files(way.channel):
            row["body"] = self._with_links(row)
        return parts.spread(row, self._channels.get(way.channel), self._ids)

    def carries_files(self, channel: str) -> bool:
        """Whether files of an answer go by this channel as files, not as links."""
        return self._channels[channel].spec.carries_files

    def _with_links(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """The body with the addresses of its files below its text; it keeps the files, which we serve."""
        body = row["body"]
        links = [f"{one['filename']}: {self._file_url(row['id'], n)}" for n, one in enumerate(body["files"])]
        return {**body, "text": "\n".join([body["text"].rstrip(), "", *links]), "linked": True}


def _thread(record: Mapping[str, Any], channel: str, last: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """What the message that is answered left for threading, if it came by this channel."""
    if last is not None and last.get("channel") == channel and last.get("thread"):
        found: Mapping[str, Any] = last["thread"]
        return found
    own: Mapping[str, Any] = record["thread"]
    return own if record["channel"] == channel else {}


def _quoted(
    record: Mapping[str, Any], last: Mapping[str, Any] | None, name: str, limit: int
) -> Mapping[str, Any] | None:
    """What an answer quotes, as JSON; None when there is nothing to quote, or it is not wanted."""
    said = last if last is not None and last.get("text") else record
    text = str(said["text"]).strip()
    if not limit or not text:
        return None
    at = said.get("sent_at") or said.get("received_at")
    return {
        "text": text if len(text) <= limit else f"{text[:limit]} …",
        "name": name,
        "at": at.isoformat() if isinstance(at, datetime) else at,
    }


def _bare(address: str) -> str:
    """An address without its plus part."""
    local, _, domain = address.rpartition("@")
    return f"{local.partition('+')[0]}@{domain}"


def answer_subject(subject: str, reference: str) -> str:
    """The subject of an answer: that of the customer, or the reference when there was none."""
    subject = subject.strip()
    if not subject:
        return reference
    return subject if subject[:3].lower() in ("re:", "re：", "回复:") else f"Re: {subject}"
