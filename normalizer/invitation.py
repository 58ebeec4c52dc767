"""Calendar parts (RFC 5545) in words: what is when and where, and what is asked or answered."""

from __future__ import annotations

import re
from typing import Any

from normalizer import text

#: Longest calendar that is looked into, and longest value of it, characters.
LIMIT, VALUE = 200_000, 1000
_LINE = re.compile(r'^([A-Za-z-]{1,40}+)((?:;[^:;"]*+(?:"[^"]*+"[^:;"]*+)*+)*+):(.*)$')
_ESCAPED = re.compile(r"\\([nN,;\\])")
_WANTED = {
    "summary": "summary", "location": "location", "dtstart": "start", "dtend": "end", "due": "end",
    "status": "status", "description": "description", "organizer": "organizer", "uid": "uid", "rrule": "repeats",
}  # fmt: skip
_TIME = re.compile(r"^(\d{4})(\d\d)(\d\d)(?:T(\d\d)(\d\d)\d\d(Z?))?$")
_ZONE = re.compile(r"tzid=\"?([^;:\"]+)", re.I)
_ASKED = {
    "REQUEST": "Invitation", "CANCEL": "Cancelled", "REPLY": "Answer to an invitation", "PUBLISH": "Event",
    "COUNTER": "Another time is proposed", "REFRESH": "Asks for the event anew", "ADD": "Added to an event",
}  # fmt: skip


def read(source: str) -> dict[str, Any]:
    """The first event or task of a calendar: summary, start, end, location …; empty when there is none."""
    found: dict[str, Any] = {}
    attendees: list[str] = []
    within = False
    for line in re.sub(r"\r?\n[ \t]", "", source[:LIMIT]).splitlines():
        match = _LINE.match(line)
        if match is None:
            continue
        name, parameters, value = match[1].lower(), match[2], match[3].strip()
        if name == "method" and not within:
            found["method"] = value.upper()[:20]
        elif name == "begin" and value.upper() in ("VEVENT", "VTODO"):
            within = True
        elif name == "end" and value.upper() in ("VEVENT", "VTODO"):
            break
        elif name == "begin" and within:
            within = False  # an alarm: its description is not the event's
        elif within and name in _WANTED and _WANTED[name] not in found:
            found[_WANTED[name]] = _value(name, parameters, value)
        elif within and name == "attendee" and len(attendees) < 50:
            answer = re.search(r"partstat=([A-Za-z-]+)", parameters, re.I)
            attendees.append(f"{_address(value)} ({answer[1].lower()})" if answer else _address(value))
    if attendees:
        found["attendees"] = attendees
    return {key: one for key, one in found.items() if one} if set(found) - {"method"} else {}


def _value(name: str, parameters: str, value: str) -> str:
    if name in ("dtstart", "dtend", "due"):
        return _time(parameters, value)
    if name == "organizer":
        return _address(value)
    value = _ESCAPED.sub(lambda m: "\n" if m[1] in "nN" else m[1], value)
    return text.clean(value)[:VALUE].strip()


def _address(value: str) -> str:
    return text.one_line(value.removeprefix("mailto:").removeprefix("MAILTO:"), 254)


def _time(parameters: str, value: str) -> str:
    match = _TIME.match(value)
    if match is None:
        return text.one_line(value, 40)
    said = f"{match[1]}-{match[2]}-{match[3]}"
    if match[4] is not None:
        said += f" {match[4]}:{match[5]}"
        zone = _ZONE.search(parameters)
        said += " UTC" if match[6] else (f" ({text.one_line(zone[1], 60)})" if zone else "")
    return said


def words(said: dict[str, Any]) -> str:
    """An event as a few lines of plain text."""
    head = _ASKED.get(str(said.get("method", "")), "Event")
    lines = [f"{head}: {said.get('summary', '')}".rstrip(": ")]
    when = " – ".join(str(said[key]) for key in ("start", "end") if key in said)
    lines += [when] if when else []
    lines += [str(said[key]) for key in ("location", "organizer") if key in said]
    lines += ["", str(said["description"])] if "description" in said else []
    if said.get("method") == "REPLY":
        lines += [str(one) for one in said.get("attendees", ())]
    return "\n".join(lines)
