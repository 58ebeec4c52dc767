"""What a telephone exchange told of a call, and the note or missed call that it belongs to. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from connectors.contract import ChannelSettings
from inbox.placing import File, Reading
from model.draft import Call
from normalizer.readers import call as reader
from store.lookups import Findings, Questions
from store.units import Insert


def ask(reading: Reading, asked: Questions) -> None:
    """Add to the questions what else is known of the call."""
    if reading.draft.call is not None:
        asked.calls.add((reading.envelope.channel, reading.draft.call.id))


def heard(reading: Reading) -> list[Insert]:
    """The row that keeps what this message tells; a repeat leaves the first."""
    call = reading.draft.call
    if call is None:
        return []
    row = {
        "channel": reading.envelope.channel,
        "call": call.id,
        "event": call.event,
        "at": reading.envelope.received_at,
        "facts": _facts(call),
    }
    return [Insert("call_event", row, ignore=True)]


def settled(reading: Reading, found: Findings, settings: ChannelSettings | None) -> Reading:
    """The reading in the light of what came before it, in whatever order that was.

    A call that somebody is known to have spoken in was not missed. What makes a record gets the recordings that
    were told of before.
    """
    draft = reading.draft
    if draft.call is None:
        return reading
    known = found.calls.get((reading.envelope.channel, draft.call.id), [])
    if draft.call.missed and any(one.get("answered") for one in known):
        quiet = replace(
            draft,
            subject="",
            text="",
            full_text="",
            signal="call ended",
            call=replace(draft.call, missed=False),
        )
        return replace(reading, draft=quiet)
    if draft.signal and not draft.text:
        return reading
    fetched = settings is not None and bool(settings.reading().get("recordings"))
    return replace(reading, files=(*reading.files, *_recordings(reading, known, fetched)))


def _recordings(reading: Reading, known: Sequence[Mapping[str, Any]], fetched: bool) -> list[File]:
    have = {file.reference or file.omitted for file in reading.files}
    files = []
    for named in dict.fromkeys(one["recording"] for one in known if one.get("recording")):
        part = reader.recording(str(named), fetched)
        if (part.reference or part.omitted) not in have:
            omitted = part.omitted or "not fetched yet"
            files.append(File(part.filename, part.media_type, 0, None, None, omitted, part.reference))
    return files


def _facts(call: Call) -> dict[str, Any]:
    names = (
        "number",
        "line",
        "agent",
        "started_at",
        "answered",
        "answered_at",
        "ended_at",
        "missed",
        "recording",
    )
    values = {name: getattr(call, name) for name in names}
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in values.items()
        if value
    }
