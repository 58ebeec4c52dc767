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
    "accept.letter": "the same step as accept.email: the file is put away after it is stored",
    "process.split": "the letters of a batch are stored as it ends, in one transaction; killed by a proof of its own",
    "accept.sms": "the same step as accept.webhook",
    "call": "what a colleague says of a call, one row that is left as it is if it is there",
    "told": "what a person says came of an answer in hand: one transaction, and the page shows whether it was taken",
    "case.passed": "one verb of a clerk, guarded by what was seen: one transaction, seen in the page",
    "case.note": "the same",
    "case.recount": "one record's deadlines with their line; the next run finds those that are left",
    "case.told": "the same, with its notice to the customer as a delivery like any other",
    "case.asked": "a pause with its notice and its line; the round that was cut short finds the event again",
    "case.filled": "fields that a message brought; the same",
    "case.resumed": "the end of a pause with the deadlines that it moved; the same",
    "case.reminded": "a reminder with its mark that it went; the next round finds those that are left",
    "case.planned": "a question planned, found again by the event before the place is noted",
    "case.question": "a question with its delivery; the next round finds those that are left",
    "case.marked": "a customer's mark with all that follows, guarded by the question: one transaction, taken once",
    "case.ended": "a question that is not asked any more; the next round finds it",
    "case.closed": "a record closed by itself; the next round finds those that are left",
    "case.escalated": "who is told of which deadlines, with all digests: one transaction; the next round tells",
    "case.digest": "what came of one posting; posted again under the same id at the worst",
    "case.digests_purged": "the same as the others that are purged",
    "case.round": "up to where the timeline was read; without it the round looks again, and finds it done",
    "draft": "what a clerk writes, kept again with the next word",
    "presence": "who looks at a record, told again a moment later",
    "case.review": "an answer kept, approved or returned; what was approved leaves in the next life, once",
    "case.merged": "one merger or its undoing with all that follows, guarded by what was seen: one transaction",
    "case.moved": "one message with its files, in one transaction; the record that gains it is opened again before",
    "case.repeat": "one link with its line; the look is repeated until the place in the timeline is noted",
    "case.surge": "a record in or out of a surge with all that follows: one transaction; the same",
    "case.surge_answer": "how far an answer to all has come; goes on in the next life: tests/flows/test_surges.py",
    "case.recognised": "up to where the timeline was read; without it the look is repeated",
    "case.counted": "by which calendar all was counted; without it the next run counts again, in vain",
    "case.report": "the mails of a report under keys of their own; the next look finds those that are missing",
    "figures": "what was counted with the place up to which it was, in one transaction; the next count goes on there",
    "user": "one verb on a user with its line in the trail, guarded by what was seen: one transaction",
    "person": "a line of the trail, before anything is given out or erased",
    "person.begin": "that somebody is to be erased: from then on it goes on by itself; tests/flows/test_persons.py",
    "person.erase": "a portion of it with what is left to go, in one transaction; the next life goes on there",
    "person.index": "a part of the index of words rewritten; without it the next life begins that anew",
    "person.bytes": "bytes that nobody else names, and the end of the erasure; files left over are swept",
    "seen": "a copy that need not go any more goes once at the worst",
    "returned": "what came back from a destination, noted and applied in one transaction; told again it is known",
    "returned.before": "an answer is in the outbox and what brought it is not noted: told again, it has the same key",
    "returns": "how far a destination was looked at; looked at again, all of it is known",
    "ticket": "which ticket a record has by now, said again by the delivery that is sent once more",
    "feed": "deliveries with keys of their own, like any others; a replay that was broken off is asked for again",
    "tell": "deliveries with keys of their own, like any others",
    "purge.returned": "the same as the others that are purged",
    "purge.calls": "the same as the others that are purged",
    "bundle.close": "the names of a bundle's letters, in one transaction; killed by a proof of its own",
    "bundle.ready": "killed by the same proof: a bundle that lies in the folder is not laid out again",
    "bundle.posting": "a person's word, one transaction; killed by the same proof",
    "bundle.posted": "killed by the same proof: what is settled stays so, the rest is settled by the next life",
    "bundle.before": "killed by the same proof: a bundle is a folder with its name, or it is made anew",
    "bundle.after": "the same",
    "bundle.again": "a letter leaves its bundle in one transaction; the page shows whether it did",
    "purge.bundles": "the same as the others that are purged",
    "purge.": "rows that are kept long enough go in one transaction with their tally; the next run finds the rest",
    "sweep.mark": "a note since when a blob is unused; made again by the next run",
    "sweep.delete": "the row goes before the file: a death between leaves a file, which a later run removes",
    "mark": "a mark that tells copies of the database apart; the old one is still good",
    "alerts": "when an alert was last told; told once more at the worst",
    "alert": "a delivery with a key of its own, like any other",
    "claim.errands": "killed by a proof of its own: a claim on an errand ends by itself, and the errand is run again",
    "errand": "killed by the same proof: the errand stays due until its end is committed with what it changed",
    "errand.before": "the same: the file or the profile is fetched by the next life",
    "errand.after": "the same: it is fetched once more, and stored and told of once",
    "errand.again": "the same: the errand's claim ends by itself",
    "errand.free": "the same: errands of an earlier life are due again; done by every start",
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
    "archive": "records read into the index, in one transaction; those that are left are found by their empty row",
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
