"""What a mail server's refusal means for us (RFC 5321 §4.2, RFC 3463, and what providers add)."""

from __future__ import annotations

import re
from datetime import timedelta
from enum import StrEnum

from model.failures import PermanentFailure, Reason, SendFailure, TemporaryFailure


class Stage(StrEnum):
    """How far the exchange had come."""

    CONNECT = "connecting"
    LOGIN = "logging in"
    SENDER = "naming the sender"
    RECIPIENT = "naming the recipient"
    CONTENT = "sending the mail"


#: Reason by class-less enhanced code, else by its subject (the middle digit).
DETAILS: dict[str, Reason] = {
    "1.7": Reason.CONFIG, "1.8": Reason.CONFIG,
    "2.3": Reason.REQUEST, "2.4": Reason.CONFIG,
    "3.4": Reason.REQUEST, "3.5": Reason.CONFIG,
    "4.1": Reason.CONFIG, "4.6": Reason.CONFIG, "4.14": Reason.CONFIG, "4.7": Reason.SERVER,
    "5.3": Reason.REQUEST,
    "7.3": Reason.AUTH, "7.8": Reason.AUTH, "7.9": Reason.AUTH, "7.26": Reason.CONFIG, "7.30": Reason.AUTH,
}  # fmt: skip
SUBJECTS: dict[str, Reason] = {
    "1": Reason.RECIPIENT,
    "2": Reason.RECIPIENT,
    "3": Reason.SERVER,
    "4": Reason.UNREACHABLE,
    "5": Reason.REQUEST,
    "6": Reason.REQUEST,
    "7": Reason.CONFIG,
}
#: Reason by basic code where the server gives no enhanced one.
CODES: dict[int, Reason] = {
    421: Reason.THROTTLED, 450: Reason.RECIPIENT, 451: Reason.SERVER, 452: Reason.SERVER, 454: Reason.SERVER,
    500: Reason.REQUEST, 501: Reason.REQUEST, 502: Reason.REQUEST, 503: Reason.REQUEST, 504: Reason.REQUEST,
    521: Reason.RECIPIENT, 530: Reason.AUTH, 534: Reason.AUTH, 535: Reason.AUTH, 538: Reason.CONFIG,
    550: Reason.RECIPIENT, 551: Reason.RECIPIENT, 552: Reason.REQUEST, 553: Reason.RECIPIENT,
    554: Reason.REQUEST, 555: Reason.REQUEST, 556: Reason.RECIPIENT,
}  # fmt: skip
ENHANCED = re.compile(r"\b([245])\.(\d{1,3})\.(\d{1,3})\b")
#: Greylisting wants a wait of minutes; a full mailbox one of hours.
GREYLIST, HANG_UP, FULL = timedelta(minutes=5), timedelta(minutes=1), timedelta(hours=4)
THROTTLE = re.compile(
    r"rate limit|too many|too fast|throttl|exceeded|frequen|try again later|频率|超过", re.I
)


def failure(code: int, text: str, stage: Stage) -> SendFailure:
    """The failure that a refusal stands for; its detail is the server's own words, on one line and short."""
    match = ENHANCED.search(text[:60])
    detail = f"{stage.value}: {code} {tidy(text)}"
    reason = _reason(code, match, stage)
    mailbox_full = match is not None and match.group(2, 3) == ("2", "2")
    if reason in (Reason.AUTH, Reason.CONFIG):
        return TemporaryFailure(reason, detail)  # pauses the channel; the message waits unharmed
    if mailbox_full:
        return TemporaryFailure(Reason.RECIPIENT, detail, retry_after=FULL)
    if code < 500:
        if THROTTLE.search(text):
            reason = Reason.THROTTLED
        wait = HANG_UP if code == 421 else GREYLIST if code in (450, 451) else None
        return TemporaryFailure(reason, detail, retry_after=wait)
    return PermanentFailure(reason, detail)


def _reason(code: int, match: re.Match[str] | None, stage: Stage) -> Reason:
    if stage is Stage.LOGIN and code != 421:
        return Reason.AUTH if code >= 500 else Reason.SERVER
    if match is None:
        reason = CODES.get(code, Reason.SERVER if code < 500 else Reason.REQUEST)
    else:
        subject, detail = match.group(2, 3)
        reason = DETAILS.get(f"{subject}.{detail}") or SUBJECTS.get(subject, CODES.get(code, Reason.SERVER))
    if stage is Stage.SENDER and code >= 500 and reason is Reason.RECIPIENT:
        return Reason.CONFIG  # it is our own address that is refused
    if reason is Reason.CONFIG and code < 500:
        return Reason.SERVER  # greylisting likes X.7.1
    if reason is Reason.CONFIG and stage is Stage.CONTENT and match is not None and match[2] == "7":
        # Policy about this content: other messages will pass. 5.7.26 and its like are about us.
        return Reason.REQUEST if match[3] in ("0", "1") else Reason.CONFIG
    return reason


def tidy(text: str) -> str:
    """A server's words on one line, without control characters, 200 characters at the most."""
    return re.sub(r"[\s\x00-\x1f\x7f]+", " ", text.encode("utf-8", "replace").decode()).strip()[:200]
