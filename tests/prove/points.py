"""Every crash point, by what makes the daemon pass it; docs/reference/crash-points.md says the same in words."""

from __future__ import annotations

#: Steps of the writer that traffic brings about; each has a point before and one after its commit.
BY_TRAFFIC = (
    "accept.form",
    "accept.webhook",
    "accept.email",
    "process.registered",
    "process.joined",
    "process.held",
    "process.quarantined",
    "blob",
    "claim.envelopes",
    "claim.deliveries",
    "attempt",
    "settle",
    "reply",
    "idempotency",
    "response",
    "confirm",
    "verb",
)
#: Steps of every start.
BY_START = ("lease", "recover", "cursor")
#: The step that settles what nobody knows the end of: it comes after a life that died while it was sending.
BY_DOUBT = ("resolve",)
#: The step of a stop in good order.
BY_STOP = ("release",)
#: Steps that come by themselves with time, and by an operator's hand.
BY_TIME = ("purge.answers", "purge.leases", "paused")
#: Steps at which no daemon is killed here, and why a death there costs nothing.
APART = {
    # The same step as that of the kinds above, which the campaign brings about; shown for each by law 1.
    "accept.chat": "the same step as accept.webhook",
    "accept.instagram": "the same step as accept.webhook",
    "accept.line": "the same step as accept.webhook",
    "accept.messenger": "the same step as accept.webhook",
    "accept.telegram": "the same step as accept.webhook",
    "accept.wechat": "the same step as accept.webhook",
    "accept.wecom": "the same step as accept.webhook",
    "accept.weibo": "the same step as accept.webhook",
    "accept.whatsapp": "the same step as accept.webhook",
    "accept.call": "the same step as accept.webhook",
    "accept.visit": "the same step as accept.webhook",
    "accept.partner": "the same step as accept.webhook",
    "call": "what a colleague says of a call, one row that is left as it is if it is there",
    "told": "what a person says came of an answer in hand: one transaction, and the page shows whether it was taken",
    "seen": "a copy that need not go any more goes once at the worst",
    "purge.calls": "the same as the others that are purged",
    "purge.": "rows that are kept long enough go in one transaction with their tally; the next run finds the rest",
    "sweep.mark": "a note since when a blob is unused; made again by the next run",
    "sweep.delete": "the row goes before the file: a death between leaves a file, which a later run removes",
    "mark": "a mark that tells copies of the database apart; the old one is still good",
    "alerts": "when an alert was last told; told once more at the worst",
    "alert": "a delivery with a key of its own, like any other",
    "claim.errands": "a claim on an errand ends by itself, and is run again; tested with a kind that has errands",
    "errand": "the errand stays due until its end is committed with what it changed; tested in the contracts",
    "errand.before": "before a file or a profile is fetched: it is fetched by the next life",
    "errand.after": "after it was fetched: it is fetched once more",
    "errand.again": "the errand's claim ends by itself",
    "errand.free": "errands of an earlier life are due again; done by every start",
    "contact": "a link, or its end, in one transaction; a person sees what stands",
    "window": "one message more or less in a window's count, or a warning told once more",
    "accept.import": "killed by a proof of its own: rows, and how far the import is, go in one transaction",
    "import.claim": "killed by the same proof: the next life takes the import over",
    "import.end": "an import that was read to its end and not marked so is read on from there, and nothing is left",
    "import.before_end": "the same",
    "import.rehearse": "only counts; they move with the place in the file",
    "import.create": "an upload that was not answered; the same file again is a new one",
    "import.layout": "how a file is read, as a person chose; shown before it is begun",
    "import.start": "an operator's verb on one row",
    "import.cancel": "the same",
    "import.discard": "the same",
    "imports": "files of imports that ended long ago are let go; the next run finds the rest",
    "process.ignored": "a signal that belongs to no record is set aside as a held message is",
    "process.waiting": "a report is put back as an envelope whose owner died is; the next look finds it",
    "vault": "a death between a provider's answer and its commit loses what nobody used; the token before is good",
    "backfill": "a wish for older mail, granted with the cursor in one transaction; until then it is found again",
}
#: Points around what is done outside the database.
AROUND = ("process.before_read", "send.before", "send.after", "confirm.before", "confirm.after")


def both(steps: tuple[str, ...]) -> list[str]:
    """The two points of each step."""
    return [f"{step}.{when}" for step in steps for when in ("before_commit", "after_commit")]


EVERY = [*both(BY_TRAFFIC), *both(BY_TIME), *both(BY_START), *both(BY_DOUBT), *both(BY_STOP), *AROUND]
