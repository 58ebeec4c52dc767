"""The desk: log-in, the list of records, and one record with its story and the box for an answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from datetime import datetime, timedelta

from aiohttp import web
from pydantic import ValidationError
from sqlalchemy import Connection

from console import asking, attending, guard, languages, letters, masks, pages, replies, report_view
from console.links import Links
from console.problems import Problem, invalid, verbs_spoken
from console.seats import Fields, Seats, secret, see_other, word
from console.services import Facts, Scope
from console.sessions import Brake, Session
from console.story import Chapter
from console.whole import load
from model import record as canon
from model.decision import Urgency
from model.roles import Right
from model.states import DeliveryState, RecordState
from store import people, search, views, windows

_PAGE = 50
#: The customer's own HTML: no script, nothing fetched, no way out of the frame.
_MAIL = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'"


class Desk:
    """Handlers of the clerks' pages."""

    def __init__(self, seats: Seats, links: Links) -> None:
        self._seats = seats
        self._services = seats.services
        self._sessions = seats.sessions
        self._links = links
        self._brake = Brake(seats.services.throttle)
        self._names = Brake(seats.services.throttle)

    def routes(self) -> list[web.RouteDef]:
        needs = self._seats.needs
        return [
            web.get("/desk", needs(self.start)),
            web.get("/desk/login", self.login_page),
            web.post("/desk/login", self.login),
            web.post("/desk/logout", needs(self.logout)),
            web.get("/desk/records", needs(self.records)),
            web.get("/desk/records/{reference}", needs(self.record)),
            web.get("/desk/records/{reference}/html", needs(self.html)),
            web.post("/desk/records/{reference}/replies", needs(self.reply)),
            web.post("/desk/records/{reference}/undo", needs(self.undo)),
            web.post("/desk/records/{reference}/contact", needs(self.contact)),
        ]

    async def start(self, request: web.Request, session: Session) -> web.Response:
        return see_other("/desk/records")

    # ---- log-in

    async def login_page(self, request: web.Request) -> web.Response:
        return self._login_page(request, request.query.get("next", ""))

    def _login_page(
        self, request: web.Request, back: str, status: int = 200, failed: str = ""
    ) -> web.Response:
        # The page's token is tied to a fresh nameless session, so the cookie must be made before the page.
        carrier = web.Response()
        session = self._sessions.open(carrier)
        page = pages.render(
            self._services,
            request,
            "login.html",
            status=status,
            csrf=self._sessions.csrf(session),
            next=back,
            failed=failed,
        )
        page.cookies.update(carrier.cookies)
        return page

    async def login(self, request: web.Request) -> web.Response:
        posted = await self._seats.fields(request, self._sessions.of(request))
        address, now = self._services.remote(request), self._services.clock.now()
        back = word(posted, "next")
        if wait := self._brake.wait(address, now):
            page = self._login_page(request, back, 429, "login.wait")
            page.headers["Retry-After"] = str(int(wait.total_seconds()) + 1)
            return page
        name = word(posted, "name").lower()
        # Whoever guesses at one name from many addresses is slowed down, too.
        if name and (wait := self._names.wait(name, now)):
            return self._login_page(request, back, 429, "login.wait")
        who = await self._who(name, secret(posted, "token"))
        if who is None:
            self._brake.failed(address, now)
            if name:
                self._names.failed(name, now)
            self._services.log.warning("log-in refused", remote=address)
            return self._login_page(request, back, 403, "login.refused")
        self._brake.succeeded(address)
        self._names.succeeded(name)
        # Only to the desk: a path given by a stranger must not lead elsewhere.
        response = see_other(back if back.startswith("/desk/") and back.isprintable() else "/desk/records")
        self._sessions.open(response, *who)
        await self._services.users.note(who[0], "login", {"remote": address})
        return response

    async def _who(self, name: str, given: str) -> tuple[str, int] | None:
        """Whose secret it is, with the version of the user; without a name, it is the administrator's token."""
        if name:
            user = await self._services.users.check(name, given)
            return (user.name, user.version) if user else None
        principal = self._services.tokens.check(given.strip())
        return (principal.name, 0) if principal and principal.may(Scope.ADMIN) else None

    async def logout(self, request: web.Request, session: Session) -> web.Response:
        await self._seats.fields(request, session)
        response = see_other("/desk/login")
        self._sessions.close(response)
        return response

    # ---- records

    async def records(self, request: web.Request, session: Session) -> web.Response:
        chosen = asking.chosen(request.query)
        before = request.query.get("before", "").strip() or None
        problem = ""
        try:
            wanted = asking.wanted(chosen, self._services.zone)
        except Problem as error:  # what was typed stays in the boxes
            wanted, problem = (
                asking.wanted({**chosen, "since": "", "until": "", "period": ""}, self._services.zone),
                error.detail,
            )

        if not session.may(Right.SEE_ALL):
            wanted = replace(wanted, departments=session.departments)

        def query(connection: Connection) -> tuple[list[canon.Record], str | None, int]:
            found = search.page(connection, wanted, limit=_PAGE, before=before)
            unread = search.unread(connection) if wanted.text else 0
            return views.canonicals(connection, found.rows, self._links), found.following, unread

        found, following, unread = await self._services.store.read(query)
        if not session.may(Right.SEE_PERSON):
            found = [masks.record(one) for one in found]
        now = self._services.clock.now()
        ids = [one.id for one in found if one.id]
        closing = await self._services.store.read(lambda c: windows.of_records(c, ids, now))
        older = request.rel_url.update_query(before=following).path_qs if following else None
        return await self._seats.render(
            request,
            session,
            "records.html",
            records=found,
            older=older,
            closing={id_: _minutes(until - now) for id_, until in closing.items()},
            chosen=chosen,
            due={one.id: self._services.passing.due(one.state, one.deadlines) for one in found},
            departments=self._services.passing.choices()["departments"],
            problem=problem,
            narrowed=any(chosen.values()),
            counted=report_view.figure_named(languages.of(request), chosen, self._services.passing.choices()),
            more=any(chosen[name] for name in ("department", "urgency", "nature", "since", "until")),
            before=before,
            unread=unread,
            as_file=request.rel_url.with_path("/desk/record-list").with_query(chosen).path_qs,
            surging=await self._services.surges.active(),
            urgencies=list(Urgency),
            channels=[one["name"] for one in self._services.health() if one.get("role") == "channel"],
            states=list(RecordState),
        )

    async def record(self, request: web.Request, session: Session) -> web.Response:
        return await self._record(request, session)

    async def again(self, request: web.Request, session: Session, problem: Problem) -> web.Response:
        """The record's page once more, with why a form about passing it on was refused."""
        return await self._record(request, session, case_problem=problem.detail, status=problem.status)

    async def _record(
        self,
        request: web.Request,
        session: Session,
        *,
        draft: str = "",
        problem: str = "",
        case_problem: str = "",
        undone: bool = False,
        status: int = 200,
    ) -> web.Response:
        reference = request.match_info["reference"]

        found = await load(self._services, self._links, reference, people=session.may(Right.SEE_PERSON))
        if found is None:
            raise Problem(404, "there is no such record")
        review = await self._services.review.of(found.row["id"]) if session.may(Right.SEE_PERSON) else None
        if review and review["state"] == "returned" and review["by"] == session.name:
            draft = draft or review["text"]  # to be written anew
        kept = None
        if session.may(Right.ANSWER) and not draft and not undone:
            kept = await attending.draft(self._services, found.row["id"], session.name)
            draft = kept["text"] if kept else ""
        others = await attending.attend(self._services, found.row["id"], session.name)
        owner = found.row["contact"] if session.may(Right.TAKE_IN) else None
        person = await self._services.store.read(lambda c: people.show(c, owner)) if owner else None
        page = await self._seats.render(
            request,
            session,
            "record.html",
            asked=reference,
            key=self._services.ids.new(),
            draft=draft,
            problem=problem,
            case_problem=case_problem,
            sent="sent" in request.query and not undone,
            undone=undone,
            leaves=_leaves(found.story, request.query.get("sent", ""), self._services.clock.now()),
            links=self._links,
            ready_made=self._services.ready_made.titles(languages.of(request)),
            way=await self._way(reference, draft),
            case=await self._services.passing.show(reference),
            care=await self._services.care.show(reference),
            review=review,
            kept=kept["at"] if kept else None,
            others=others,
            attend_every=int(self._services.presence.total_seconds() / 3),
            review_needed=self._services.review.needed(found.row),
            reviewed="reviewed" in request.query,
            surge=await self._services.surges.of(found.row["id"]),
            choices=self._services.passing.choices(),
            due=self._services.passing.due(found.row["state"], found.record.deadlines),
            blocked=person["blocked"] if person else [],
            ties=[one for one in person["links"] if one["state"] in ("linked", "proposed")] if person else [],
            **{one.name: getattr(found, one.name) for one in fields(found)},
        )
        page.headers["Content-Security-Policy"] = guard.policy(self._services, connects=True)
        page.set_status(status)
        return page

    async def _way(self, reference: str, draft: str = "") -> Facts | None:
        """How an answer would go now; the page tells it before anybody writes, and of a draft before it is sent."""
        try:
            return await self._services.outbox.way(reference, None, draft.strip() or None)
        except (LookupError, ValueError):
            return None

    async def contact(self, request: web.Request, session: Session) -> web.Response:
        """Say that two contacts are one person, or that they are not."""
        posted = await self._seats.fields(request, session)
        contacts, link = self._services.contacts, word(posted, "link")
        with verbs_spoken():
            if word(posted, "verb") == "unblock":
                await contacts.unblock(await self._sender(request), actor=session.name)
            elif word(posted, "verb") == "same":
                await contacts.link(link=link, contact=None, other=None, evidence="", actor=session.name)
            else:
                await contacts.unlink(link, actor=session.name)
        return see_other(f"/desk/records/{request.match_info['reference']}")

    async def _sender(self, request: web.Request) -> str:
        reference = request.match_info["reference"]
        row = await self._services.store.read(lambda c: views.record(c, reference))
        if row is None or row["contact"] is None:
            raise LookupError("this record has no known sender")
        return str(row["contact"])

    async def html(self, request: web.Request, session: Session) -> web.Response:
        """The customer's HTML for the sandboxed frame; sanitised once more, whatever stored it."""
        reference = request.match_info["reference"]
        row = await self._services.store.read(lambda c: views.record(c, reference))
        if row is None or row["html"] is None:
            raise Problem(404, "this record has no HTML")
        shown = await letters.shown(self._services, row["id"], row["html"])
        return web.Response(
            text=f'<!doctype html><meta charset="utf-8"><title>{row["reference"]}</title>{shown}',
            content_type="text/html",
            headers={"Content-Security-Policy": _MAIL},
        )

    async def reply(self, request: web.Request, session: Session) -> web.Response:
        posted = await self._seats.fields(request, session, self._services.reply_bytes)
        reference, draft = request.match_info["reference"], word(posted, "text")
        if word(posted, "verb") == "check":
            return await self._record(request, session, draft=draft)
        if word(posted, "verb") == "keep":
            await self._keep(reference, session, draft)
            return see_other(f"/desk/records/{reference}#answer")
        if word(posted, "verb") == "ready":
            return await self._ready(request, session, draft, word(posted, "ready"))
        try:
            reply = replies.Reply(
                text=draft,
                attachments=_files(posted),
                cc=[one for one in word(posted, "cc").replace(";", ",").replace(" ", ",").split(",") if one],
                expects_answer=word(posted, "expects_answer") == "yes",
            )
        except ValidationError as error:
            return await self._record(
                request, session, draft=draft, problem=invalid(error).detail, status=422
            )
        key = f"desk:{reference}:{word(posted, 'key') or self._services.ids.new()}"
        try:
            with verbs_spoken():
                sent = await replies.send(
                    self._services, reference, reply, actor=session.name, key=key, wait=self._services.undo
                )
        except Problem as problem:  # what was written must not be lost with the refusal
            return await self._record(
                request, session, draft=draft, problem=problem.detail, status=problem.status
            )
        await self._keep(reference, session, "")
        if sent["state"] == "review":
            return see_other(f"/desk/records/{reference}?reviewed#review")
        return see_other(f"/desk/records/{reference}?sent={sent['id']}#answer")

    async def _keep(self, reference: str, session: Session, text: str) -> None:
        """Keep somebody's draft; an empty one forgets it."""
        row = await self._services.store.read(lambda c: views.record(c, reference))
        if row is not None:
            await attending.keep(self._services, row["id"], session.name, text)

    async def _ready(self, request: web.Request, session: Session, draft: str, name: str) -> web.Response:
        """Put a ready-made answer into the box, below what was written there."""
        reference = request.match_info["reference"]

        def query(connection: Connection) -> canon.Record | None:
            row = views.record(connection, reference)
            return views.canonical(connection, row, self._links) if row else None

        found = await self._services.store.read(query)
        if found is None:
            raise Problem(404, "there is no such record")
        try:
            with verbs_spoken():
                text = self._services.ready_made.text(name, found)
        except Problem as problem:
            return await self._record(
                request, session, draft=draft, problem=problem.detail, status=problem.status
            )
        whole = "\n\n".join(one for one in (draft.strip(), text.strip()) if one)
        return await self._record(request, session, draft=whole)

    async def undo(self, request: web.Request, session: Session) -> web.Response:
        """Take the answer back, if it has not left; its text is in the box again."""
        posted = await self._seats.fields(request, session)
        reference = request.match_info["reference"]
        with verbs_spoken():
            told = await self._services.outbox.withdraw(
                reference, word(posted, "delivery"), actor=session.name
            )
        if not told["withdrawn"]:
            gone = languages.translate(languages.of(request), "answer.left")
            return await self._record(request, session, problem=gone, status=409)
        return await self._record(request, session, draft=told["text"], undone=True)


def _leaves(story: Sequence[Chapter], delivery: str, now: datetime) -> Facts | None:
    """The answer that was just sent, while it can be taken back: `id`, and `seconds` until it leaves."""
    for one in story:
        if one.delivery and one.delivery["id"] == delivery and one.delivery["state"] == DeliveryState.WAITING:
            seconds = (one.delivery["next_at"] - now).total_seconds()
            return {"id": delivery, "seconds": int(seconds)} if seconds > 0 else None
    return None


def _minutes(span: timedelta) -> int:
    return int(span.total_seconds() // 60)


def _files(posted: Fields) -> list[replies.File]:
    """The chosen files; a browser that sends none sends an empty one without a name."""
    return [
        replies.File(
            filename=one.filename.replace("\\", "/").rpartition("/")[2],
            media_type=one.content_type.partition(";")[0],
            data=one.file.read(),
        )
        for one in posted.getall("files", [])
        if isinstance(one, web.FileField) and one.filename
    ]
