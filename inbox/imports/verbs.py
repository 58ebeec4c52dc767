"""The verbs of imports: take a file, show what it would become, start, list, show, cancel, hand out the bad rows."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

from connectors.channel import Channel
from inbox.imports import errors, items, names, source
from inbox.imports.run import Importer, takes
from inbox.imports.settings import ImportSettings
from inbox.reading import Reader, Slow
from model.draft import Draft
from model.envelope import Envelope, StoredEnvelope
from model.failures import Malformed
from model.imported import FIELDS, META, ImportState
from model.states import EnvelopeState
from model.tools import Clock, Ids, Raw, Spooled
from store import imports
from store.store import Store

#: Rows that are shown before an import starts, and characters of their texts.
PREVIEW, _SHOWN = 5, 500
#: What a person may say of how a file is read.
OPTIONS = (
    "format", "encoding", "delimiter", "sheet", "header", "mapping", "preset", "dates", "timezone", "region", "strict",
    "mbox",
)  # fmt: skip
#: Endings of files of JSON objects.
_OBJECTS = (".jsonl", ".ndjson", ".json")
#: Options, which words they may be.
_WORDS = {"dates": ("dmy", "mdy"), "mbox": ("rd", "o"), "delimiter": (",", ";", "\t", "|")}


#: Rows as the records that they would be.
Shown = list[dict[str, Any]]


class ImportVerbs:
    """Raises LookupError for what does not exist, and ValueError in words for what cannot be done."""

    def __init__(
        self,
        store: Store,
        channels: Mapping[str, Channel],
        reader: Reader,
        importer: Importer,
        settings: ImportSettings,
        *,
        clock: Clock,
        ids: Ids,
    ) -> None:
        self._store = store
        self._channels = channels
        self._reader = reader
        self._importer = importer
        self._settings = settings
        self._clock = clock
        self._ids = ids

    @property
    def most_bytes(self) -> int:
        """Largest file that is taken."""
        return self._settings.file_bytes

    def channels(self) -> list[dict[str, Any]]:
        """The channels that take history, and what of it."""
        every = ((one.name, takes(one)) for one in self._channels.values())
        return [{"name": name, "takes": what} for name, what in every if what]

    def choices(self) -> dict[str, Any]:
        """What columns may be mapped to, and the presets with their titles."""
        return {"fields": list(FIELDS), "presets": {name: one.title for name, one in names.PRESETS.items()}}

    async def create(self, channel: str, name: str, raw: Raw, *, actor: str) -> dict[str, Any]:
        """Keep a file. One that was uploaded before and has not come to its end is gone on with."""
        self._channel(channel)
        sha256, size = await self._store.put_blob(raw)
        if isinstance(raw, Spooled):
            raw.path.unlink(missing_ok=True)
        found = await self._store.read(lambda c: imports.same_file(c, channel, sha256))
        if found is not None:
            return self._told(found) | {"again": True}
        now = self._clock.now()
        id_ = self._ids.new()
        values = {
            "id": id_,
            "channel": channel,
            "name": _file_name(name),
            "actor": actor,
            "state": ImportState.DRAFT.value,
            "blob": sha256,
            "size": size,
            "options": {},
            "layout": {},
            "dry_run": False,
            "acknowledge": False,
            "created_at": now,
            "updated_at": now,
        }
        await self._store.run(lambda c: imports.create(c, values), "import.create")
        return self._told(await self._row(id_)) | {"again": False}

    async def list(self, *, limit: int) -> Sequence[dict[str, Any]]:
        """Imports, newest first."""
        return [self._told(row) for row in await self._store.read(lambda c: imports.newest(c, limit))]

    async def show(self, id_: str) -> dict[str, Any]:
        """One import, with what became of what it brought."""
        row = await self._row(id_)
        became = await self._store.read(lambda c: imports.became(c, row))
        return self._told(row) | {"became": became}

    async def preview(self, id_: str, options: Mapping[str, Any]) -> dict[str, Any]:
        """How the file would be read, and its first rows as the records they would be; nothing is imported.

        What is found is kept: `start` goes by it.
        """
        row = await self._row(id_)
        channel = self._channel(row["channel"])
        wanted = _checked(options)
        wanted.setdefault("region", channel.settings.reading().get("region", "CN"))
        # JSON objects whose members nobody maps go to a web hook as they are.
        wanted["events"] = wanted.get("mapping") is None and row["name"].lower().endswith(_OBJECTS)
        layout, shown = await self._look(row, channel, wanted)
        if (
            wanted.get("mapping") is None
            and not wanted["events"]
            and not wanted.get("preset")
            and layout["holds"] == "rows"
        ):
            columns = [one["name"] for one in layout["columns"]]
            saved = await self._store.read(lambda c: imports.last_mapping(c, row["channel"], columns))
            if saved is not None:
                wanted |= {"mapping": saved, "events": False}
                layout, shown = await self._look(row, channel, wanted)
                layout["saved"] = True
        if row["state"] not in (ImportState.WAITING.value, ImportState.RUNNING.value):
            await self._keep(row, wanted, layout)
        unmapped = [one["name"] for one in layout["columns"] if not one["field"]]
        return self._told(await self._row(id_)) | {"layout": layout, "unmapped": unmapped, "preview": shown}

    async def start(self, id_: str, *, acknowledge: bool, dry_run: bool, actor: str) -> dict[str, Any]:
        """Import the file as the preview showed it, or go on with it where it stopped."""
        row = await self._row(id_)
        if not row["layout"]:
            raise ValueError("look at the preview first")
        if row["blob"] == "":
            raise ValueError("the file is not kept any more; upload it again")
        layout = row["layout"]
        mapped = {one["field"] for one in layout["columns"]}
        if (
            layout["holds"] == "rows"
            and not row["options"].get("events")
            and not mapped & {"message", "subject"}
        ):
            raise ValueError(
                "no column is known to hold the message; name it: --map 'COLUMN=message'. "
                f"The columns are: {', '.join(one['name'] for one in layout['columns'])}"
            )
        now = self._clock.now()
        changed = row["dry_run"] != dry_run
        said = {
            "acknowledge": acknowledge,
            "dry_run": dry_run,
            "actor": actor,
            "reason": None,
            "ended_at": None,
        }

        def step(connection: Any) -> bool:
            if not imports.change(connection, id_, ImportState.WAITING, now, **said):
                return False
            if changed:
                imports.restart(connection, id_)
            return True

        if not await self._store.run(step, "import.start"):
            raise ValueError(f"it is {row['state']} already")
        self._importer.wake()
        return self._told(await self._row(id_))

    async def cancel(self, id_: str, *, actor: str) -> dict[str, Any]:
        """Import no more of it; what was imported stays. Of a file that was only uploaded nothing stays."""
        row = await self._row(id_)
        if await self._store.run(lambda c: imports.discard(c, id_), "import.discard"):
            return self._told(row) | {"state": ImportState.CANCELLED.value}
        now = self._clock.now()
        ended = {"claim": None, "ended_at": now, "reason": f"cancelled by {actor}"}
        if not await self._store.run(
            lambda c: imports.change(c, id_, ImportState.CANCELLED, now, **ended), "import.cancel"
        ):
            raise ValueError(f"it is {row['state']} and cannot be cancelled")
        return self._told(await self._row(id_))

    async def errors(self, id_: str) -> tuple[str, str, bytes]:
        """Name, media type and bytes of the file of bad rows."""
        row = await self._row(id_)
        bad = await self._store.read(lambda c: imports.errors(c, id_, -1, self._settings.errors + 1_000))
        return errors.file_of(row["name"], row["layout"] or {}, bad)

    async def work(self, id_: str) -> dict[str, Any]:
        """Begin to import it in this process, where no daemon runs that would."""
        row = await self._row(id_)
        self._importer.begin(id_)
        return self._told(row)

    # ---- looking

    async def _look(
        self, row: Mapping[str, Any], channel: Channel, options: Mapping[str, Any]
    ) -> tuple[dict[str, Any], Shown]:
        layout: dict[str, Any] = {}
        shown: Shown = []
        async with self._importer.file(row["blob"]) as path:
            frames = source.read(
                path,
                row["name"],
                options,
                takes=takes(channel),
                spool=self._importer.spool,
                settings=self._settings,
                preview=PREVIEW,
            )
            async with contextlib.aclosing(frames):
                async for head, raw in frames:
                    layout = head.get("layout", layout)
                    for told in head.get("rows", ()):
                        made = None if "error" in told else items.row_of(told)
                        shown.append(await self._seen(row, channel, told, made))
                    if "mail" in head:
                        mail = head["mail"]
                        one = None if "error" in mail else items.raw_of(mail, raw)
                        shown.append(await self._seen(row, channel, mail, one))
                        if isinstance(one, Spooled):
                            one.path.unlink(missing_ok=True)
        return layout, shown

    async def _seen(
        self, row: Mapping[str, Any], channel: Channel, told: Mapping[str, Any], one: Any
    ) -> dict[str, Any]:
        """One row or mail as the record that it would be."""
        if one is None:
            return {"row": told["n"], "error": told["error"]}
        try:
            envelope = await items.envelope(channel, one)
            draft = await self._draft(row, channel, envelope)
        except Malformed as error:
            return {"row": told["n"], "error": error.detail}
        except Slow:
            return {"row": told["n"], "error": "it takes long to read; it will be read apart"}
        return {
            "row": told["n"],
            "sent_at": at.isoformat() if (at := draft.sent_at or envelope.sent_at) else None,
            "name": draft.name,
            "company": draft.company,
            "contacts": [f"{one.kind}: {one.value}" for one in draft.identities],
            "subject": draft.subject,
            "text": draft.text[:_SHOWN],
            "extra": {name: str(value)[:_SHOWN] for name, value in draft.extra.items()},
            "id": envelope.source_id,
            "notes": list(told.get("notes", ())),
        }

    async def _draft(self, row: Mapping[str, Any], channel: Channel, envelope: Envelope) -> Draft:
        now = self._clock.now()
        stored = StoredEnvelope(
            id="", account=envelope.account, channel=channel.name, kind=channel.kind, source_id=envelope.source_id,
            fingerprint=envelope.fingerprint, order_key=None, received_at=now, sent_at=envelope.sent_at,
            state=EnvelopeState.CLAIMED, reason=None, claim=None, claims=0, record=None, parent=None, reference="",
            blob="", size=0, media_type=envelope.media_type, meta={**envelope.meta, META: row["id"]},
        )  # fmt: skip
        raw = envelope.raw.path if isinstance(envelope.raw, Spooled) else envelope.raw
        draft = await self._reader.read(stored, raw, channel.settings.reading())
        for part in draft.parts:
            if isinstance(part.data, Spooled):
                part.data.path.unlink(missing_ok=True)
        return draft

    async def _keep(self, row: Mapping[str, Any], options: dict[str, Any], layout: Mapping[str, Any]) -> None:
        """Keep how it is to be read; read otherwise than before, it begins anew."""
        now = self._clock.now()

        def step(connection: Any) -> None:
            imports.change(connection, row["id"], None, now, options=dict(options), layout=dict(layout))
            if row["layout"] and row["layout"] != layout:
                imports.restart(connection, row["id"])

        await self._store.run(step, "import.layout")

    # ---- small things

    def _channel(self, name: str) -> Channel:
        channel = self._channels.get(name)
        if channel is None:
            raise LookupError(f"there is no channel {name}")
        if not takes(channel):
            raise ValueError(
                f"the channel {name} takes no imports; these do: {', '.join(one['name'] for one in self.channels())}"
            )
        return channel

    async def _row(self, id_: str) -> dict[str, Any]:
        row = await self._store.read(lambda c: imports.get(c, id_))
        if row is None:
            raise LookupError(f"there is no import {id_}")
        return row

    def _told(self, row: Mapping[str, Any]) -> dict[str, Any]:
        plain = (
            "id", "channel", "name", "actor", "state", "reason", "size", "dry_run", "acknowledge", "share", "rows",
            "taken", "known", "errors", "notes",
        )  # fmt: skip
        times = ("created_at", "started_at", "ended_at", "updated_at")
        told = {name: row[name] for name in plain}
        told |= {name: row[name].isoformat() if row[name] else None for name in times}
        return told | {"options": row["options"] or {}, "layout": row["layout"] or {}}


def _file_name(name: str) -> str:
    """The last part of a path, of either manner."""
    return name.replace("\\", "/").rpartition("/")[2].replace("\x00", "")[:200] or "file"


def _checked(options: Mapping[str, Any]) -> dict[str, Any]:
    """A person's options; ValueError that names the one that is wrong."""
    for name, value in options.items():
        if name not in OPTIONS:
            raise ValueError(f"there is no option {name}; there are: {', '.join(OPTIONS)}")
        if value and name in _WORDS and value not in _WORDS[name]:
            raise ValueError(f"{name}: choose one of {', '.join(map(repr, _WORDS[name]))}")
    mapping = options.get("mapping")
    if mapping is not None and not (
        isinstance(mapping, Mapping) and all(isinstance(one, str) for one in (*mapping, *mapping.values()))
    ):
        raise ValueError("mapping: write an object of columns and fields")
    if zone := options.get("timezone"):
        from zoneinfo import ZoneInfo

        try:
            ZoneInfo(zone)
        except (KeyError, ValueError, OSError):
            raise ValueError("timezone: write an IANA name such as Asia/Shanghai") from None
    region = options.get("region")
    if region and not (len(region) == 2 and region.isalpha() and region.isupper()):
        raise ValueError("region: write a country in two capitals, such as CN")
    return {name: value for name, value in options.items() if value not in (None, "")}
