"""The desk's forms for passing a record on; a refused one comes back with its reason, and nothing is lost."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

from aiohttp import web

from console.problems import Problem, verbs_spoken
from console.seats import Fields, Seats, see_other, word
from console.services import Facts
from console.sessions import Session
from model.roles import Right
from store import views

#: Shows the record's page again with why a form was refused.
Again = Callable[[web.Request, Session, Problem], Awaitable[web.Response]]


class Cases:
    """Handler of POST /desk/records/{reference}/case."""

    def __init__(self, seats: Seats, again: Again) -> None:
        self._seats = seats
        self._passing = seats.services.passing
        self._again = again

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/desk/records/{reference}/case", self._seats.needs(self.act))]

    async def act(self, request: web.Request, session: Session) -> web.Response:
        """Do what the pressed button says."""
        posted = await self._seats.fields(request, session)
        reference = request.match_info["reference"]
        try:
            with verbs_spoken():
                await self._do(reference, posted, session)
        except Problem as problem:
            if problem.status == 404:
                raise
            return await self._again(request, session, problem)
        return see_other(f"/desk/records/{reference}#case")

    async def _do(self, reference: str, posted: Fields, session: Session) -> Facts:
        verbs, words, actor = self._passing, word(posted, "words"), session.name
        told: dict[str, Any] = {"actor": actor, "seen": word(posted, "seen") or None}
        match word(posted, "verb"):
            case "hand_over":
                return await verbs.hand_over(
                    reference,
                    departments=_chosen(posted, "departments"),
                    lead=word(posted, "lead") or None,
                    suggestion=words,
                    due=self._moment(word(posted, "due")),
                    **told,
                )
            case "take":
                return await verbs.take(reference, department=_spoken_for(posted, session), **told)
            case "return":
                return await verbs.give_back(
                    reference, department=_spoken_for(posted, session), reason=words, **told
                )
            case "solve":
                return await verbs.solve(
                    reference,
                    department=_spoken_for(posted, session),
                    result=words,
                    cause=word(posted, "cause"),
                    outcome=word(posted, "outcome"),
                    **told,
                )
            case "judge":
                return await verbs.judge(
                    reference,
                    nature=_chosen(posted, "nature"),
                    urgency=word(posted, "urgency") or None,
                    department=None,
                    in_scope=word(posted, "in_scope") == "yes",
                    note=words,
                    **told,
                )
            case "ask" | "progress" | "extend" | "resume" | "mark" as verb:
                return await self._care(verb, reference, posted, told)
            case "repeat":
                return await self._seats.services.repeats.link(reference, word(posted, "of"), actor=actor)
            case "not_repeat":
                return await self._seats.services.repeats.unlink(reference, actor=actor)
            case "merge" | "unmerge" | "move" | "split" as verb:
                return await self._joined(verb, reference, posted, actor)
            case "leave_surge":
                return await self._seats.services.surges.take_out(reference, actor=actor)
            case "spam":
                return await self._spam(reference, posted, told)
            case "note":
                return await verbs.note(reference, text=words, actor=actor)
            case "close":
                return await verbs.close(reference, reason=words, **told)
        raise Problem(422, "there is no such verb", field="verb")

    async def _joined(self, verb: str, reference: str, posted: Fields, actor: str) -> Facts:
        """What belongs together; a message is named by its own reference."""
        joining = self._seats.services.joining
        match verb:
            case "merge":
                return await joining.merge(reference, word(posted, "into"), actor=actor)
            case "unmerge":
                return await joining.unmerge(reference, actor=actor)
            case "move":
                return await joining.move(word(posted, "message"), word(posted, "into"), actor=actor)
        return await joining.split(word(posted, "message"), actor=actor)

    async def _spam(self, reference: str, posted: Fields, told: dict[str, Any]) -> Facts:
        """No customer's matter: closed, and its sender heard no more where that is wanted."""
        row = await self._seats.services.store.read(lambda c: views.record(c, reference))
        why = word(posted, "words") or "spam"
        # First: what cannot be blocked is said while the record is still open.
        if word(posted, "block") == "yes" and row is not None:
            if not row["contact"]:
                raise ValueError("nothing is known by which the sender could be blocked")
            await self._seats.services.contacts.block(row["contact"], why=why, actor=told["actor"])
        return await self._passing.close(reference, reason=f"spam: {why}" if why != "spam" else why, **told)

    async def _care(self, verb: str, reference: str, posted: Fields, told: dict[str, Any]) -> Facts:
        """What the customer is told or asked, or said to a colleague."""
        care, words, due = self._seats.services.care, word(posted, "words"), word(posted, "due")
        match verb:
            case "ask":
                missing = _chosen(posted, "missing")
                return await care.ask(reference, missing=missing, question=words, **told)
            case "progress":
                return await care.progress(reference, text=words, expected=self._moment(due), **told)
            case "resume":
                return await care.resume(reference, **told)
            case "extend":
                until = self._moment(due)
                if until is None:
                    raise Problem(422, "say until when", field="due")
                return await care.extend(reference, until=until, reason=words, **told)
        mark = word(posted, "mark")
        return await self._seats.services.following.mark_record(
            reference, mark=int(mark) if mark.isdecimal() else 0, remarks=words, actor=told["actor"]
        )

    def _moment(self, text: str) -> datetime | None:
        """What a clerk chose, in the time zone of the pages."""
        if not text:
            return None
        try:
            return datetime.fromisoformat(text).replace(tzinfo=self._seats.services.zone)
        except ValueError:
            raise Problem(422, "is not a date and time", field="due") from None


def _spoken_for(posted: Fields, session: Session) -> str | None:
    """The department for which somebody takes, returns or solves; None where the record tells which."""
    department = word(posted, "department") or None
    if session.may(Right.SEE_ALL):
        return department
    own = session.departments
    if department is None and len(own) == 1:
        return own[0]
    if department not in own:
        raise Problem(403, "you may act for your own departments alone", field="department")
    return department


def _chosen(posted: Fields, name: str) -> list[str]:
    return [one for one in posted.getall(name, []) if isinstance(one, str)]
