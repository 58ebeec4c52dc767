"""What the error codes of Meta's Graph API mean for a message: pages, Instagram and WhatsApp.

Sources: Graph API "Error handling", Messenger Platform "Error codes", WhatsApp Cloud API "Error codes" (2026).
A page's errors are told apart by subcode, WhatsApp's by code alone. What is not listed falls back by its class.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from model.failures import PermanentFailure, Reason, SendFailure, TemporaryFailure

_RENEW = (
    "make a new token in Meta's console and put it in `token`; one of a system user has no end, "
    "others end after 60 days, with a password, or when the app is removed"
)
_RIGHTS = "give the token the permissions that the page of this kind lists, in Meta's app dashboard"
_ACCOUNT = "look at the account's quality and restrictions in Meta Business Suite, and appeal there"


@dataclass(frozen=True, slots=True)
class Meaning:
    """Why, whether a later try may succeed, and what the operator reads."""

    reason: Reason
    words: str
    later: bool = False
    repair: str = ""
    wait: timedelta | None = None
    """How long the platform wants us to wait, where it does not say so itself."""

    def failure(self, detail: str, retry_after: timedelta | None = None) -> SendFailure:
        """What a connector raises."""
        if self.later:
            wait = retry_after if retry_after is not None else self.wait
            return TemporaryFailure(self.reason, detail, retry_after=wait, repair=self.repair)
        return PermanentFailure(self.reason, detail, repair=self.repair)


def _soon(words: str) -> Meaning:
    return Meaning(Reason.SERVER, words, later=True)


def _slower(words: str, **wait: float) -> Meaning:
    return Meaning(Reason.THROTTLED, words, later=True, wait=timedelta(**wait) if wait else None)


def _mend(words: str, repair: str, reason: Reason = Reason.CONFIG) -> Meaning:
    return Meaning(reason, words, later=True, repair=repair)


_WINDOW = Meaning(Reason.WINDOW, "the customer's reply window is closed")
_GONE = Meaning(Reason.RECIPIENT, "the customer cannot be reached: blocked, or gone")
_REQUEST = Meaning(Reason.REQUEST, "the platform does not take such a message")
_DENIED = _mend("a permission is missing", _RIGHTS)
_ENDED = _mend("the token is not valid any more", _RENEW, Reason.AUTH)

#: By code alone, for all three.
_CODES: Mapping[int, Meaning] = {
    0: _mend("the token cannot be used", _RENEW, Reason.AUTH),
    1: _soon("an unknown error at Meta"),
    2: _soon("Meta's service is down for a moment"),
    3: _mend("the app may not do this", _RIGHTS),
    4: _slower("the app calls too often", minutes=5),
    10: _DENIED,
    17: _slower("too many calls for this user", minutes=5),
    32: _slower("too many calls for this page", minutes=5),
    100: _REQUEST,
    102: _ENDED,
    190: _ENDED,
    230: _GONE,
    368: _mend("the account is blocked for a time for breaking Meta's rules", _ACCOUNT),
    551: _GONE,
    613: _slower("too many calls", minutes=1),
    1200: _soon("a fault at Meta that passes"),
    80006: _slower("too many calls for this page", minutes=5),
    80007: _slower("too many calls for this business account", minutes=5),
    # WhatsApp
    130429: _slower("more messages a second than the number may send", seconds=5),
    # The customer may be reached as soon as he or she writes: no fault of the identity.
    130472: Meaning(Reason.WINDOW, "the number is in an experiment of Meta's without marketing templates"),
    130497: _mend("the account may not write to people of this country", _ACCOUNT),
    131000: _soon("an unknown error at WhatsApp"),
    131005: _DENIED,
    131008: _REQUEST,
    131009: _REQUEST,
    131016: _soon("WhatsApp's service is down for a moment"),
    131021: Meaning(Reason.REQUEST, "sender and recipient are the same number"),
    131026: Meaning(Reason.RECIPIENT, "undeliverable: no WhatsApp there, blocked, or too old a version"),
    131030: Meaning(
        Reason.REQUEST,
        "the number is not among those that a test number may write to",
        repair="add the number under WhatsApp > API Setup, or leave the test number for a real one",
    ),
    131031: _mend("the business account is locked", _ACCOUNT),
    131037: _mend("the number's display name is not approved", "have it approved in WhatsApp Manager"),
    131042: _mend("there is no valid means of payment", "set one up in WhatsApp Manager"),
    131044: _mend("there is no valid means of payment", "set one up in WhatsApp Manager"),
    131045: _mend("the number is not registered", "register it: POST /PHONE_NUMBER_ID/register"),
    131047: _WINDOW,
    131048: _mend("the number is limited because people reported its messages", _ACCOUNT),
    131049: Meaning(Reason.WINDOW, "held back to protect the customer from too many templates"),
    131050: Meaning(Reason.WINDOW, "the customer wants no marketing templates"),
    131051: Meaning(Reason.REQUEST, "WhatsApp does not take this type of message"),
    131052: Meaning(Reason.REQUEST, "the customer's file cannot be fetched"),
    131053: Meaning(Reason.REQUEST, "WhatsApp does not take the file: its type or size"),
    131056: _slower("more messages to this customer than WhatsApp allows", seconds=6),
    131057: _soon("the business account is being maintained"),
    131062: Meaning(Reason.REQUEST, "WhatsApp cannot send such a message to a user id"),
    131064: _mend("the business has too many numbers in use", _ACCOUNT),
    132000: Meaning(Reason.REQUEST, "the template takes another number of parameters: see `template`"),
    132001: Meaning(Reason.REQUEST, "there is no such template in that language: see `template`"),
    132005: Meaning(Reason.REQUEST, "the filled template is too long: see `template.longest`"),
    132007: Meaning(Reason.REQUEST, "the template breaks WhatsApp's rules"),
    132008: Meaning(Reason.REQUEST, "a parameter of the template has the wrong form"),
    132012: Meaning(Reason.REQUEST, "a parameter of the template has the wrong form"),
    132015: Meaning(Reason.REQUEST, "the template is paused because people disliked it"),
    132016: Meaning(Reason.REQUEST, "the template was switched off because people disliked it"),
    133004: _soon("WhatsApp's server is down for a moment"),
    133010: _mend("the number is not registered", "register it: POST /PHONE_NUMBER_ID/register"),
    133016: _slower("the number was registered too often", hours=1),
    135000: _soon("an unknown error at WhatsApp"),
}

#: By code and subcode, where they tell more than the code. Most subcodes are known from use, not from a page
#: of Meta's: one that is not listed falls back to its code.
_SUBCODES: Mapping[tuple[int, int], Meaning] = {
    (10, 2018278): _WINDOW,
    (10, 2018065): _WINDOW,
    (10, 2018108): _GONE,
    (10, 2534022): _WINDOW,
    (10, 1893063): _mend("the page is restricted", _ACCOUNT),
    (100, 33): Meaning(Reason.REQUEST, "it does not exist there, or the token may not see it"),
    (100, 2018001): _GONE,
    (100, 1893061): Meaning(Reason.REQUEST, "Meta has taken this message tag away"),
    (190, 458): _mend("the app was removed from the account", _RENEW, Reason.AUTH),
    (190, 460): _mend("the password behind the token was changed", _RENEW, Reason.AUTH),
    (190, 463): _mend("the token has ended", _RENEW, Reason.AUTH),
    (200, 1545041): _GONE,
    (551, 1545041): _GONE,
    (613, 1893016): _slower("too many messages in one conversation", minutes=1),
}


def meaning(code: int, subcode: int | None = None, *, transient: bool = False) -> Meaning:
    """What a code stands for; `transient` is Meta's own word that a later try may succeed."""
    exact = _SUBCODES.get((code, subcode)) if subcode is not None else None
    found = exact or _CODES.get(code)
    if found is None and 200 <= code <= 299:
        found = _DENIED
    if transient and (found is None or not found.later):
        return _soon("Meta says that it passes")
    return found or Meaning(Reason.REQUEST, "an error that is not known here")


def named(code: int, subcode: int | None = None, words: str | None = None) -> str:
    """The code as operators read it, and can look it up."""
    both = f"code {code}" + (f"/{subcode}" if subcode else "")
    return f"{both}: {words or meaning(code, subcode).words}"
