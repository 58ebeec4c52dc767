"""Answers that a second person looks at before they leave [复核], where a rule of the office says so."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

from casework import lines
from casework.passing import Overtaken
from casework.settings import OfficeSettings
from model.event import EventType
from model.tools import Clock, Ids, Log
from store import reviews, views
from store.errors import StoreBusy
from store.store import Store
from store.units import Guard, Insert, Unit

Facts = Mapping[str, Any]
Row = Mapping[str, Any]

_LONGEST = 10_000


class Outbox(Protocol):
    """Where answers leave."""

    async def reply(
        self,
        reference: str,
        *,
        text: str,
        html: str | None,
        files: Sequence[Facts],
        channel: str | None,
        cc: Sequence[str],
        expects_answer: bool,
        actor: str,
        key: str,
        wait: timedelta = timedelta(),
    ) -> Facts:
        """Put an answer in the outbox, once a key. ValueError when there is no way."""

    async def way(self, reference: str, channel: str | None, text: str | None = None) -> Facts:
        """How an answer would go now. ValueError when there is no way."""


class Review:
    """The way of answers to the outbox, by a second person where the rule says so."""

    def __init__(
        self,
        store: Store,
        settings: Callable[[], OfficeSettings],
        outbox: Outbox,
        *,
        clock: Clock,
        ids: Ids,
        log: Log,
    ) -> None:
        self._store = store
        self._settings = settings
        self._outbox = outbox
        self._clock = clock
        self._ids = ids
        self._log = log

    def wanted(self) -> bool:
        """Whether there are answers that a second person looks at."""
        return self._settings().review is not None

    def needed(self, row: Row) -> bool:
        """Whether an answer to a record is looked at by a second person."""
        rule = self._settings().review
        if rule is None:
            return False
        asked = (rule.urgencies, rule.natures, rule.departments)
        if not any(asked):
            return True  # a rule that names nothing means every answer
        return bool(
            row["urgency"] in rule.urgencies
            or set(row["nature"]) & set(rule.natures)
            or row["department"] in rule.departments
        )

    async def reply(
        self,
        reference: str,
        *,
        text: str,
        html: str | None,
        files: Sequence[Facts],
        channel: str | None,
        cc: Sequence[str],
        expects_answer: bool,
        actor: str,
        key: str,
        wait: timedelta = timedelta(),
    ) -> Facts:
        """Answer a record; or, where it is to be looked at, keep the answer until somebody else approved it: then
        `state` is `review`, and `id` that of the review. The same `key` twice is one answer.

        Raises LookupError for an unknown reference, ValueError when there is nothing to say, no way, or another answer
        waits already.
        """
        row = await self._store.read(lambda c: views.record(c, reference))
        if row is None or not self.needed(row):
            return await self._outbox.reply(
                reference, text=text, html=html, files=files, channel=channel, cc=cc,
                expects_answer=expects_answer, actor=actor, key=key, wait=wait,
            )  # fmt: skip
        if not text.strip():
            raise ValueError("an answer needs a text")
        await self._outbox.way(reference, channel)  # no way: told now, not when it was approved
        known = await self._store.read(lambda c: reviews.of_record(c, row["id"]))
        if same := [one for one in known if one["key"] == key]:
            return self._told(row, same[0]["id"], repeat=True)
        if [one for one in known if one["state"] in (reviews.WAITING, reviews.APPROVED)]:
            raise ValueError("an answer to this record waits for its review already")
        kept = [await self._keep(file) for file in files]
        now, id_ = self._clock.now(), self._ids.new()
        asked = {
            "id": id_, "record": row["id"], "key": key, "state": reviews.WAITING, "at": now, "by": actor,
            "text": text, "html": html, "files": kept, "channel": channel, "cc": list(cc),
            "expects_answer": expects_answer,
        }  # fmt: skip
        event = lines.event(self._ids, row, EventType.REVIEW_ASKED, now, {"review": id_}, actor)
        unit = lines.change(row, now, {}, [Insert("review", asked), event], label="case.review")
        if not await self._store.submit(unit):
            raise Overtaken("somebody acted on it at the same time, so nothing was changed; look again")
        return self._told(row, id_)

    async def way(self, reference: str, channel: str | None, text: str | None = None) -> Facts:
        """How an answer would go now, whoever looks at it before."""
        return await self._outbox.way(reference, channel, text)

    @staticmethod
    def _told(row: Row, id_: str, *, repeat: bool = False) -> Facts:
        return {"id": id_, "reference": row["reference"], "state": "review", "repeat": repeat}

    async def _keep(self, file: Facts) -> Facts:
        sha256, size = await self._store.put_blob(file["data"])
        return {
            "filename": file["filename"],
            "media_type": file["media_type"],
            "size": size,
            "sha256": sha256,
        }

    # ---- the second person

    async def list(self) -> Sequence[Facts]:
        """What waits, the oldest first."""
        return await self._store.read(reviews.waiting)

    async def of(self, record_id: str) -> Facts | None:
        """The latest answer to a record that is or was looked at; None for none."""
        found = await self._store.read(lambda c: reviews.of_record(c, record_id))
        return found[0] if found else None

    async def approve(self, id_: str, *, text: str | None = None, actor: str) -> Facts:
        """Let an answer leave, as it is or with another text. LookupError for none; ValueError for one's own, or one
        that was decided already."""
        one = await self._waiting(id_, actor)
        now = self._clock.now()
        changed = {"text": text} if text is not None and text.strip() and text != one["text"] else {}
        values = {"state": reviews.APPROVED, "decided_at": now, "decided_by": actor, **changed}
        data = {"review": id_, "changed_text": bool(changed)}
        await self._decide(one, values, EventType.REVIEW_APPROVED, now, data, actor)
        # From here on it leaves by itself, whatever becomes of this process.
        return await self._send({**one, **values})

    async def give_back(self, id_: str, *, reason: str, actor: str) -> Facts:
        """Return an answer to who wrote it, with the reason; nothing leaves."""
        if not reason.strip():
            raise ValueError("say why it is returned")
        one = await self._waiting(id_, actor)
        now, why = self._clock.now(), reason.strip()[:_LONGEST]
        values = {"state": reviews.RETURNED, "decided_at": now, "decided_by": actor, "reason": why}
        await self._decide(one, values, EventType.REVIEW_RETURNED, now, {"review": id_, "reason": why}, actor)
        return {"id": id_, "reference": one["reference"], "state": reviews.RETURNED}

    async def withdraw(self, id_: str, *, actor: str) -> Facts:
        """Take one's own answer back while it waits."""
        one = await self._store.read(lambda c: reviews.by_id(c, id_))
        if one is None:
            raise LookupError(f"there is no answer {id_} to look at")
        if one["by"] != actor or one["state"] != reviews.WAITING:
            raise ValueError("only who wrote it can take it back, and only while it waits")
        now = self._clock.now()
        values = {"state": reviews.RETURNED, "decided_at": now, "decided_by": actor, "reason": ""}
        await self._decide(one, values, EventType.REVIEW_RETURNED, now, {"review": id_}, actor)
        return {"id": id_, "reference": one["reference"], "state": reviews.RETURNED}

    async def go_on(self) -> None:
        """Let those leave that were approved when a process died."""
        for one in await self._store.read(lambda c: reviews.waiting(c, (reviews.APPROVED,))):
            try:
                await self._send(one)
            except StoreBusy:
                raise
            except (LookupError, ValueError) as error:
                self._log.warning("review.not_sent", review=one["id"], error=str(error))

    async def _send(self, one: Row) -> Facts:
        files = []
        for file in one["files"]:
            data = await self._store.load_blob(file["sha256"])
            if data is not None:
                files.append({**file, "data": data})
        try:
            told = await self._outbox.reply(
                one["reference"], text=one["text"], html=one["html"] if one["html"] else None, files=files,
                channel=one["channel"], cc=one["cc"], expects_answer=one["expects_answer"], actor=one["by"],
                key=f"review:{one['id']}",
            )  # fmt: skip
        except ValueError as error:
            back = {"state": reviews.RETURNED, "reason": str(error)[:_LONGEST]}
            await self._store.submit(Unit(self._guard(one, reviews.APPROVED, back), label="case.review"))
            raise
        sent = {"state": reviews.SENT}
        await self._store.submit(Unit(self._guard(one, reviews.APPROVED, sent), label="case.review"))
        return told

    async def _waiting(self, id_: str, actor: str) -> Row:
        one = await self._store.read(lambda c: reviews.by_id(c, id_))
        if one is None:
            raise LookupError(f"there is no answer {id_} to look at")
        if one["state"] != reviews.WAITING:
            raise Overtaken("somebody looked at this answer already")
        if one["by"] == actor:
            raise ValueError("somebody else must look at an answer than who wrote it")
        return one

    async def _decide(
        self, one: Row, values: Facts, type_: EventType, now: datetime, data: Facts, actor: str
    ) -> None:
        row = {"id": one["record"], "reference": one["reference"]}
        event = lines.event(self._ids, row, type_, now, data, actor)
        if not await self._store.submit(
            Unit(self._guard(one, reviews.WAITING, values), (event,), label="case.review")
        ):
            raise Overtaken("somebody looked at this answer already")

    @staticmethod
    def _guard(one: Row, state: str, values: Facts) -> Guard:
        return Guard("review", {"id": one["id"], "state": state}, values)
