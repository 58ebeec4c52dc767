"""The desk's pages for what is said to us and by us: the note that is typed while talking, and the call-backs."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import phonenumbers
from aiohttp import web

from console import guard, languages, spoken
from console.api import json
from console.problems import Problem, verbs_spoken
from console.seats import Fields, Seats, see_other, word
from console.services import NotePage
from console.sessions import Session
from model import ids
from model.decision import Urgency
from store import calls, people, views

#: What the form posts on to the note, by the names of the note's fields.
_FIELDS = (
    *(
        "phone",
        "name",
        "company",
        "email",
        "address",
        "place",
        "text",
        "subject",
        "urgency",
        "answer_by",
        "language",
    ),
    *("said_at", "call", "key"),
)
_WISHES = ("", "call_back", "sms", "email", "letter", "none")
#: Who may be meant: people, and records of each.
_PEOPLE, _RECORDS = 6, 4
#: A call that nobody made a note of is offered for so long.
_OPEN_CALLS = timedelta(hours=12)
_LONGEST = 100


class Notes:
    """Handlers of the form for notes and of the list of call-backs."""

    def __init__(self, seats: Seats) -> None:
        self._seats = seats
        self._services = seats.services

    def routes(self) -> list[web.RouteDef]:
        needs = self._seats.needs
        return [
            web.get("/desk/note", needs(self.form)),
            web.post("/desk/note", needs(self.save)),
            web.post("/desk/note/people", needs(self.people)),
            web.get("/desk/note/calls", needs(self.calls)),
            web.post("/desk/note/calls", needs(self.dismiss)),
            web.get("/desk/note/{reference}", needs(self.saved)),
            web.get("/desk/callbacks", needs(self.call_backs)),
            web.post("/desk/callbacks/{id}", needs(self.said)),
        ]

    # ---- the note

    async def form(self, request: web.Request, session: Session) -> web.Response:
        """The empty form, filled with what is known of the call that it is opened for."""
        values = {name: request.query.get(name, "")[:_LONGEST] for name in ("channel", "call", "place")}
        if values["call"]:
            values |= await self._of_call(values["channel"], values["call"])
        return await self._form(request, session, values, key=self._services.ids.new())

    async def _of_call(self, channel: str, call: str) -> dict[str, str]:
        found = await self._services.store.read(lambda c: calls.of(c, [(channel, call)]))
        if (channel, call) not in found:
            return {}
        known = merged(channel, call, found[channel, call])
        return {"phone": known["number"], "said_at": known["started_at"] or ""}

    async def _form(
        self,
        request: web.Request,
        session: Session,
        values: Mapping[str, str],
        *,
        key: str,
        problem: str = "",
        status: int = 200,
        found: Sequence[Mapping[str, Any]] = (),
        looked: bool = False,
    ) -> web.Response:
        pages = self._services.notes.pages()
        if not pages:
            raise Problem(404, "no channel takes notes here; the kinds call and visit do")
        chosen = next((page for page in pages if page.channel == values.get("channel")), pages[0])
        page = await self._seats.render(
            request,
            session,
            "note.html",
            pages=pages,
            page=chosen,
            title=_title(request, chosen),
            titles={one.channel: _title(request, one) for one in pages},
            values={name: values.get(name, "") for name in (*_FIELDS, "continues")},
            key=key,
            problem=problem,
            found=found,
            looked=looked,
            calls=await self._open_calls(),
            urgencies=list(Urgency),
            wishes=_WISHES,
            languages_spoken=("zh", "en"),
        )
        page.headers["Content-Security-Policy"] = guard.policy(self._services, connects=True)
        page.set_status(status)
        return page

    async def save(self, request: web.Request, session: Session) -> web.Response:
        posted = await self._seats.fields(request, session)
        values = {name: _words(posted, name) for name in (*_FIELDS, "channel", "continues")}
        key = values["key"] or self._services.ids.new()
        if "look" in posted:  # without the script: the button beside the number
            found = await self._meant(
                values["phone"] or values["name"], self._region(values["channel"]), request
            )
            return await self._form(request, session, values, key=key, found=found, looked=True)
        note = {name: value for name in _FIELDS if (value := values[name]) and name != "key"}
        if values["continues"]:
            asked = values["continues"]
            row = await self._services.store.read(lambda c: views.record(c, asked))
            if row is not None:
                note["token"] = ids.seal(self._services.secret, "thread", row["id"])
        try:
            with verbs_spoken():
                told = await self._services.notes.save(values["channel"], note, key=key, by=session.name)
        except Problem as problem:  # what was typed must not be lost with the refusal
            return await self._form(
                request, session, values, key=key, problem=problem.detail, status=problem.status
            )
        return see_other(f"/desk/note/{told['reference']}?channel={values['channel']}")

    async def saved(self, request: web.Request, session: Session) -> web.Response:
        """The reference, to be read aloud."""
        reference = ids.tidy_reference(request.match_info["reference"])[:50]
        language = languages.of(request)
        return await self._seats.render(
            request,
            session,
            "noted.html",
            reference=reference,
            groups=reference.split("-"),
            aloud=spoken.reference(reference, language),
            channel=request.query.get("channel", "")[:_LONGEST],
        )

    def _region(self, channel: str) -> str:
        pages = self._services.notes.pages()
        return next(
            (page.region for page in pages if page.channel == channel), pages[0].region if pages else "CN"
        )

    # ---- who may be meant

    async def people(self, request: web.Request, session: Session) -> web.Response:
        """What the form's script asks while somebody types."""
        posted = await self._seats.fields(request, session)  # a customer's number stands in no address
        region = self._region(word(posted, "channel"))
        return json({"people": await self._meant(word(posted, "q"), region, request)})

    async def _meant(self, typed: str, region: str, request: web.Request) -> list[dict[str, Any]]:
        plain = "".join(one if one.isprintable() else " " for one in unicodedata.normalize("NFKC", typed))
        words = " ".join(plain.split())[:_LONGEST]
        prefixes = beginnings(words, region)
        if len(words) < 2 or (not prefixes and words.isascii() and len(words) < 3):
            return []
        found = await self._services.store.read(lambda c: people.typed(c, words, prefixes, _PEOPLE, _RECORDS))
        language = languages.of(request)
        return [
            {
                "name": one["name"],
                "company": one["company"],
                "language": one["language"] or "",
                "phone": _first(one["identities"], "phone"),
                "email": _first(one["identities"], "email"),
                "records": [
                    {
                        "reference": row["reference"],
                        "state": languages.word(language, "state", row["state"]),
                        "subject": row["subject"] or row["text"][:80],
                        "at": f"{row['registered_at'].astimezone(self._services.zone):%Y-%m-%d}",
                    }
                    for row in one["records"]
                ],
            }
            for one in found
        ]

    # ---- calls that are going on

    async def calls(self, request: web.Request, session: Session) -> web.Response:
        return json({"calls": await self._open_calls()})

    async def _open_calls(self) -> list[dict[str, Any]]:
        """Calls that nobody made a note of yet; missed ones are records and call-backs already."""
        now = self._services.clock.now()
        known = await self._services.store.read(lambda c: calls.since(c, now - _OPEN_CALLS))
        every = (merged(channel, call, told) for (channel, call), told in known.items())
        return [one for one in every if not one["done"]]

    async def dismiss(self, request: web.Request, session: Session) -> web.Response:
        """No note is to be made of a call: a wrong number, a colleague."""
        posted = await self._seats.fields(request, session)
        channel, call, now = word(posted, "channel"), word(posted, "call"), self._services.clock.now()
        facts = {"by": session.name}
        await self._services.store.run(lambda c: calls.put(c, channel, call, "dismissed", now, facts), "call")
        return see_other("/desk/note")

    # ---- call-backs

    async def call_backs(self, request: web.Request, session: Session) -> web.Response:
        found = await self._services.notes.call_backs(target=None, limit=200)
        times = [{**one, "due": datetime.fromisoformat(one["due"])} for one in found]
        return await self._seats.render(
            request, session, "callbacks.html", found=times, done=request.query.get("done", "")[:30]
        )

    async def said(self, request: web.Request, session: Session) -> web.Response:
        posted = await self._seats.fields(request, session)
        outcome, again = word(posted, "outcome"), word(posted, "again_at")
        try:
            again_at = datetime.fromisoformat(again).replace(tzinfo=self._services.zone) if again else None
        except ValueError:
            raise Problem(422, "the time to try again cannot be read", field="again_at") from None
        with verbs_spoken():
            told = await self._services.notes.said(
                request.match_info["id"],
                outcome,
                note=word(posted, "note"),
                again_at=again_at,
                actor=session.name,
            )
        return see_other(f"/desk/callbacks?done={told['reference']}")


def merged(channel: str, call: str, told: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """One call of all that was told of it, in whatever order that came."""

    def first(name: str) -> str:
        return min((str(one[name]) for one in told if one.get(name)), default="")

    events = {str(one["event"]).partition(":")[0] for one in told}
    answered = any(one.get("answered") for one in told)
    missed = any(one.get("missed") for one in told) and not answered
    state = "missed" if missed else "ended" if first("ended_at") else "answered" if answered else "ringing"
    return {
        "channel": channel,
        "call": call,
        "number": first("number"),
        "line": first("line"),
        "agent": first("agent"),
        "started_at": first("started_at"),
        "answered_at": first("answered_at"),
        "ended_at": first("ended_at"),
        "state": state,
        "recorded": any(one.get("recording") for one in told),
        "done": missed or bool(events & {"noted", "dismissed"}),
    }


def beginnings(words: str, region: str) -> list[str]:
    """How a number that is being typed may begin in canonical form; none when it is no number."""
    digits = "".join(one for one in words if one.isdigit())
    if len(digits) < 3 or any(one.isalpha() for one in words):
        return []
    if words.startswith("+"):
        return [f"+{digits}"]
    if digits.startswith("00"):
        return [f"+{digits[2:]}"]
    country = phonenumbers.country_code_for_region(region)
    national = digits.removeprefix("0")
    found = [f"+{country}{national}"] if country and national else []
    return found + ([f"+{digits}"] if country and digits.startswith(str(country)) else [])


def _first(identities: Sequence[Mapping[str, str]], kind: str) -> str:
    return next((one["value"] for one in identities if one["kind"] == kind), "")


def _words(posted: Fields, name: str) -> str:
    return word(posted, name).replace("\r\n", "\n")


def _title(request: web.Request, page: NotePage) -> str:
    language = languages.of(request)
    by_ours = {languages.match(tag): text for tag, text in page.titles.items()}
    return by_ours.get(language) or page.channel
