"""A process that reads one file of history: `python -m inbox.imports.worker SPOOL_FOLDER`.

A line of JSON on standard input says what and how. The answers on standard output are frames: two lengths, JSON,
and raw bytes. A damaged or hostile file costs this process and its import, not the daemon.

    {"layout": …}                    what was found: format, encoding, columns with their fields
    {"rows": […]}                    rows of a table
    {"mail": …} and its bytes        one mail; a large one lies in a file of the spool
    {"share": 0.3}                   a sign that reading goes on
    {"refused": "words"}, {"end": true}
"""

from __future__ import annotations

import hashlib
import itertools
import os
import resource
import secrets
import struct
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from inbox.imports import formats, mails, names, tables, values
from inbox.imports.formats import Refused
from inbox.imports.limits import Limits
from inbox.imports.rows import Rows

LENGTHS = struct.Struct("!II")
#: Rows in one frame; mails up to this size go through the pipe, bytes.
_ROWS, _INLINE = 50, 262_144
#: Lines that are looked at for how a column writes its dates.
_DATES = 500
#: Lines passed over between two signs that reading goes on.
_SIGN = 2_000


def frame(head: dict[str, Any], raw: bytes = b"") -> bytes:
    """One answer."""
    data = orjson.dumps(head)
    return LENGTHS.pack(len(data), len(raw)) + data + raw


def answers(asked: dict[str, Any], spool: Path) -> Iterator[bytes]:
    """All frames for one question."""
    path, options = Path(asked["path"]), asked["options"]
    limits = Limits(**asked["limits"])
    try:
        format_ = options.get("format") or formats.format_of(path, asked["name"], limits)
        holds = formats.HOLDS.get(format_)
        if holds is None:
            raise Refused(f"there is no format {format_!r}; there are: {', '.join(formats.HOLDS)}")
        if holds not in asked["takes"]:
            raise Refused(_not_taken(format_, holds, asked["takes"]))
        if holds == "rows":
            yield from _rows(path, format_, options, limits, asked)
        else:
            yield frame({"layout": {"format": format_, "holds": "mails", "columns": []}})
            yield from _mails(path, format_, asked, limits, spool)
        yield frame({"end": True})
    except Refused as error:
        yield frame({"refused": str(error)})


def _not_taken(format_: str, holds: str, takes: list[str]) -> str:
    if not takes:
        return "the channel takes no imports; name a form, a web hook or a mailbox"
    wanted = {"rows": "a form or a web hook", "mails": "a channel of the kind email"}[holds]
    return f"the file ({format_}) holds {holds}, which this channel does not take; name {wanted}"


# ---- tables


def _rows(
    path: Path, format_: str, options: dict[str, Any], limits: Limits, asked: dict[str, Any]
) -> Iterator[bytes]:
    table = tables.open_table(path, format_, options, limits)
    mapping = _mapping(table.columns, options)
    first = list(itertools.islice(table.lines, _DATES))
    found = {
        "dates": options.get("dates") or _dates(table.columns, mapping, first),
        "preset": options.get("preset"),
    }
    zone = options.get("timezone")
    if options.get("preset") in names.PRESETS:
        preset = names.PRESETS[options["preset"]]
        zone, found["dates"] = zone or preset.zone, found["dates"] or preset.dates
    yield frame({"layout": _layout(table, format_, mapping, first, found, zone)})
    rows = Rows(table, mapping, options | {"dates": found["dates"], "timezone": zone})
    most, done = asked.get("preview"), (asked.get("position") or {}).get("n", 0)
    batch: list[dict[str, Any]] = []
    shown = 0
    for passed, one in enumerate(itertools.chain(first, table.lines)):
        if isinstance(one, float):
            yield frame({"share": one})
            continue
        if one.n <= done:
            rows.skip(one)
            if passed % _SIGN == 0:
                yield frame({"share": one.share})
            continue
        batch.append(rows.of(one))
        shown += 1
        if most and shown >= most:
            break
        if len(batch) >= _ROWS:
            yield frame({"rows": batch})
            batch = []
    if batch:
        yield frame({"rows": batch})


def _mapping(columns: list[str], options: dict[str, Any]) -> dict[str, str | None]:
    """What a person or a preset said, else a guess. Sets `preset` in the options to the one that was found."""
    given, preset = options.get("mapping"), options.get("preset")
    if preset and preset not in names.PRESETS:
        raise Refused(f"there is no preset {preset!r}; there are: {', '.join(names.PRESETS)}")
    if given is None and not preset:
        options["preset"] = preset = names.preset_of(columns)
    mapping = names.guess(columns, preset)
    if given is None:
        return mapping
    try:
        return (
            names.check(given, columns)
            if options.get("whole")
            else mapping | _changed(mapping, given, columns)
        )
    except ValueError as error:
        raise Refused(str(error)) from None


def _changed(
    guessed: dict[str, str | None], given: dict[str, str], columns: list[str]
) -> dict[str, str | None]:
    """A mapping of some columns: they are as said, and a guess of another column gives way."""
    said = {column: field for column, field in names.check(given, columns).items() if field is not None}
    said |= dict.fromkeys(
        (column for column, field in given.items() if field == "" and column in guessed), ""
    )
    freed = {
        column: None for column, field in guessed.items() if field in said.values() and column not in said
    }
    return {**guessed, **freed, **said}


def _dates(columns: list[str], mapping: dict[str, str | None], first: list[Any]) -> str:
    at = [n for n, one in enumerate(columns) if mapping.get(one) == "sent_at"]
    lines = [one for one in first if not isinstance(one, float)]
    return values.day_order([one.cells[n] for one in lines for n in at if n < len(one.cells)])


def _layout(
    table: tables.Table,
    format_: str,
    mapping: dict[str, str | None],
    first: list[Any],
    found: dict[str, Any],
    zone: str | None,
) -> dict[str, Any]:
    lines = [one for one in first if not isinstance(one, float) and not one.error]
    columns = []
    for n, name in enumerate(table.columns):
        sample = next((one.cells[n] for one in lines if n < len(one.cells) and one.cells[n].strip()), "")
        columns.append({"name": name, "field": mapping.get(name), "sample": sample.strip()[:200]})
    shown = {name: value for name, value in found.items() if value} | ({"timezone": zone} if zone else {})
    return {"format": format_, "holds": "rows", "columns": columns, **table.facts, **shown}


# ---- mails


def _mails(path: Path, format_: str, asked: dict[str, Any], limits: Limits, spool: Path) -> Iterator[bytes]:
    found = mails.open_mails(path, format_, asked["options"], asked.get("position"), limits)
    for shown, one in enumerate(found, 1):
        head: dict[str, Any] = {"n": one.n, "next": one.next, "share": one.share, "place": one.place}
        if one.error is not None:
            yield frame({"mail": head | {"error": one.error, "cells": [one.place]}})
        elif len(one.raw) <= _INLINE:
            yield frame({"mail": head}, one.raw)
        else:
            file = spool / f"import-{os.getpid()}-{secrets.token_hex(8)}"
            file.write_bytes(one.raw)
            digest = hashlib.sha256(one.raw).hexdigest()
            yield frame({"mail": head | {"path": str(file), "size": len(one.raw), "sha256": digest}})
        if asked.get("preview") and shown >= asked["preview"]:
            return


def main() -> None:
    """Answer one question, and end."""
    spool = Path(sys.argv[1])
    os.nice(10)
    asked = orjson.loads(sys.stdin.buffer.readline())
    resource.setrlimit(resource.RLIMIT_AS, (asked["memory"], asked["memory"]))
    out = sys.stdout.buffer
    try:
        for one in answers(asked, spool):
            out.write(one)
            out.flush()
    except BrokenPipeError:
        os._exit(0)  # the daemon has read enough
    except (MemoryError, RecursionError):
        out.write(frame({"refused": "the file is too large or too deep to be read (imports.memory_bytes)"}))
        out.flush()
    except Exception as error:
        # Where it happened and not what it says: an error's own words may quote the customer.
        sys.stderr.write("".join(traceback.format_tb(error.__traceback__)) + f"{type(error).__name__}\n")
        out.write(frame({"refused": f"reading the file failed: {type(error).__name__}"}))
        out.flush()


if __name__ == "__main__":
    main()
