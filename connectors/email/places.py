"""Where we stand in each folder of a mailbox: the cursor's arithmetic, pure.

A place is JSON: {uidvalidity, uid, since, until, recent, back}.

    uid     everything up to it was handed over
    since   from which day (ISO) old mail is wanted, None for all of it; holds for UIDs below `until`
    until   the UID that was next when the folder was first seen, or when its UIDs began anew
    recent  of the last UIDs up to `uid` those that were handed over, as an IMAP set: some servers show a mail late,
            with a UID lower than others that were seen already
    back    {since, uid, until}: older mail that an operator asked for, up to where it was handed over
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from connectors.email.imap_text import MONTH_NAMES, uid_set

Place = Mapping[str, Any]
#: How far below the highest UID that was seen a mail may still turn up.
LOOK_BACK = 100
#: UIDs have 32 bits: above all of them.
BEYOND = 2**32


def first(uidvalidity: int, uidnext: int | None, start: str | date, today: date) -> Place:
    """The place of a folder that was never seen. `start`: `now`, `all`, or the day from which mail is wanted."""
    if start == "now":
        # Should the UIDs begin anew, mail of today is read again; servers count days in a zone of their own.
        yesterday = (today - timedelta(days=1)).isoformat()
        return {**_empty(uidvalidity), "since": yesterday, "uid": (uidnext or 1) - 1, "until": uidnext}
    since = start.isoformat() if isinstance(start, date) else None
    return {**_empty(uidvalidity), "since": since, "until": (uidnext or BEYOND) if since else None}


def renumbered(place: Place, uidvalidity: int, uidnext: int | None) -> Place:
    """The same folder after its UIDs began anew: it is read again, from the day on that was wanted."""
    since = place.get("since")
    back = place.get("back")
    if back and since:
        since = min(since, back["since"])
    # Without UIDNEXT nobody knows where the old ones end; then all are looked at.
    return {**_empty(uidvalidity), "since": since, "until": uidnext or BEYOND}


def rewound(place: Place | None, since: date) -> Place:
    """The same place with everything since a day to be read as well; what is known counts as seen again."""
    if place is None:  # UIDVALIDITY is never 0: the first look takes it for a folder whose UIDs began anew
        return {**_empty(0), "since": since.isoformat(), "until": BEYOND}
    back = place.get("back")
    day = min(since.isoformat(), back["since"]) if back else since.isoformat()
    wanted = place.get("since")  # of what is below `until` and was not looked at yet
    return {
        **place,
        "since": min(day, wanted) if wanted else None,
        "back": {"since": day, "uid": 0, "until": int(place["uid"])},
    }


def criteria(place: Place) -> list[str]:
    """What to search for: everything after the place, and a little before it."""
    words = ["UID", f"{_low(place)}:*"]
    if place.get("since") and int(place["uid"]) + 1 < int(place.get("until") or 0):
        words += since_words(place["since"])
    return words


def new(place: Place, found: Sequence[int]) -> list[int]:
    """Of the UIDs found those that were not handed over, the lowest first.

    `n:*` names the last mail even when its UID is lower (RFC 3501 §6.4.8).
    """
    low, known = _low(place), int(place["uid"])
    recent = expand(place.get("recent") or "")
    return sorted(uid for uid in found if uid >= low and (uid > known or uid not in recent))


def passed(place: Place, uids: Sequence[int]) -> Place:
    """The place after these UIDs were handed over."""
    uid = max(int(place["uid"]), *uids)
    recent = expand(place.get("recent") or "") | set(uids)
    return {**place, "uid": uid, "recent": uid_set([one for one in recent if one > uid - LOOK_BACK])}


def settled(place: Place, uidnext: int | None) -> Place:
    """The place after nothing new was found: old mail that was not wanted is behind us."""
    until = min(int(place.get("until") or 0), uidnext or 0)
    return {**place, "uid": until - 1} if until - 1 > int(place["uid"]) else place


def back_criteria(back: Mapping[str, Any]) -> list[str]:
    """What to search for of the older mail that was asked for."""
    return ["UID", f"{int(back['uid']) + 1}:{back['until']}", *since_words(back["since"])]


def since_words(day: str) -> list[str]:
    """Mail that came on a day or later, as SEARCH wants it."""
    on = date.fromisoformat(day)
    return ["SINCE", f"{on.day}-{MONTH_NAMES[on.month - 1]}-{on.year}"]


def expand(uids: str) -> set[int]:
    """The UIDs of a set such as `1:3,7`."""
    found: set[int] = set()
    for run in filter(None, uids.split(",")):
        low, _, high = run.partition(":")
        found.update(range(int(low), int(high or low) + 1))
    return found


def _low(place: Place) -> int:
    """The lowest UID of interest: what was there before the folder was first seen is never late."""
    known, floor = int(place["uid"]), int(place.get("until") or 1) - 1
    if floor > known:
        return known + 1
    return max(floor + 1, known + 1 - LOOK_BACK)


def _empty(uidvalidity: int) -> dict[str, Any]:
    return {"uidvalidity": uidvalidity, "uid": 0, "since": None, "until": None, "recent": "", "back": None}
