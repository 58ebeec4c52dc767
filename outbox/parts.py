"""A message in parts: what needs several calls at the far side is several deliveries, in order. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from connectors.channel import Channel
from model.delivery import Delivery, Message, OutgoingFile, Purpose, Quoted
from model.draft import Identity
from model.states import DeliveryState
from model.tools import Ids
from store.units import Update

#: What the whole message says; the first part keeps it, should all of it have to go another way.
_CONTENT = ("text", "html", "files")


def message_of(key: str, purpose: Purpose, body: Mapping[str, Any]) -> Message:
    """The message of a delivery to a customer; its files have no bytes yet."""
    to, quoted = body.get("to"), body.get("quoted")
    return Message(
        key=body.get("same_as") or key,
        purpose=purpose,
        reference=body.get("reference") or "",
        to=Identity(**to) if to else None,
        name=body.get("name", ""),
        subject=body.get("subject", ""),
        text=body.get("text", ""),
        html=body.get("html"),
        language=body.get("language"),
        files=() if body.get("linked") else tuple(OutgoingFile(**file) for file in body.get("files", ())),
        cc=tuple(body.get("cc", ())),
        thread=body.get("thread", {}),
        token=body.get("token", ""),
        outside_window=bool(body.get("outside_window")),
        copy_to=body.get("copy_to", ""),
        quoted=Quoted(text=quoted["text"], name=quoted["name"], at=_time(quoted["at"])) if quoted else None,
    )


def _time(said: str | None) -> datetime | None:
    return datetime.fromisoformat(said) if said else None


def spread(row: Mapping[str, Any], channel: Channel | None, made: Ids) -> list[dict[str, Any]]:
    """A delivery as the deliveries of its parts: keys `…:1`, `…:2`, each after the one before.

    A message that the channel takes as it is stays as it is.
    """
    whole = dict(row)
    if channel is None or channel.splitter is None or whole["state"] == DeliveryState.CANCELLED.value:
        return [whole]
    body = whole["body"]
    message = message_of(whole["key"], Purpose(whole["purpose"]), body)
    cut = channel.splitter.parts(message)
    if len(cut) <= 1:
        return [{**whole, "body": {**body, **_content(cut[0]), **_linked(body)}}] if cut else [whole]
    keys = [f"{whole['key']}:{n}" for n in range(1, len(cut) + 1)]
    found = []
    for i, part in enumerate(cut):
        place = {
            "n": i + 1,
            "of": len(cut),
            "answer": whole["key"],
            "before": keys[i - 1] if i else None,
            "after": keys[i + 1 :],
        }
        more: dict[str, Any] = {"part": place}
        if i == 0:
            more |= {"whole": {name: body.get(name) for name in _CONTENT}, **_linked(body)}
        one = {**whole, "key": keys[i], "seq": whole["seq"] + i, "body": {**body, **_content(part), **more}}
        if i:
            one |= {"id": made.new(), "state": DeliveryState.WAITING.value, "claim": None, "owner": None}
        found.append(one)
    return found


def _content(message: Message) -> dict[str, Any]:
    files = [
        {name: value for name, value in asdict(file).items() if name != "data"} for file in message.files
    ]
    return {"subject": message.subject, "text": message.text, "html": message.html, "files": files}


def _linked(body: Mapping[str, Any]) -> dict[str, Any]:
    """Files to which the text has links: the delivery keeps them, though no message carries them."""
    return {"files": body["files"]} if body.get("linked") else {}


def whole_of(body: Mapping[str, Any]) -> dict[str, Any]:
    """The body of all of the message, of that of its first part."""
    given = {name: value for name, value in body.items() if name not in ("part", "whole")}
    return {**given, **(body.get("whole") or {})}


def is_first(body: Mapping[str, Any]) -> bool:
    """Whether nothing of the message can have gone out before this delivery."""
    part = body.get("part")
    return part is None or part["n"] == 1


#: What becomes of the later parts when one ended so; they are not sent without it.
_FOLLOWS = {
    DeliveryState.DEAD: DeliveryState.DEAD,
    DeliveryState.EXPIRED: DeliveryState.EXPIRED,
    DeliveryState.CANCELLED: DeliveryState.CANCELLED,
    DeliveryState.HELD: DeliveryState.HELD,
}


def stopped(delivery: Delivery, state: DeliveryState, values: Mapping[str, Any]) -> list[Update]:
    """What the end of one part means for the later ones: stopped with the same reason."""
    part = delivery.body.get("part")
    new = _FOLLOWS.get(state)
    if part is None or new is None:
        return []
    told: dict[str, Any] = {
        "state": new.value,
        "reason": values.get("reason"),
        "detail": f"part {part['n']} of {part['of']} was not delivered",
    }
    if "settled_at" in values:
        told["settled_at"] = values["settled_at"]
    return [Update("delivery", {"key": key, "state": "waiting"}, told) for key in part["after"]]


def later_keys(found: Sequence[Delivery]) -> list[str]:
    """Keys of the parts that come after these."""
    return [key for one in found for key in (one.body.get("part") or {}).get("after", ())]
