"""import: files of history into a channel, and the imports that there are."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO

import typer
from typer.core import TyperGroup

from gateway import terminal
from gateway.commands import shared
from gateway.commands.shared import Config, Json, Limit
from gateway.terminal import Column, one_line, when
from gateway.trouble import Exit, Trouble

if TYPE_CHECKING:
    from gateway.control import Control

#: How often it is asked how far an import is, seconds.
_ASK = 0.3
#: The command that a file's name stands for.
_FILE = "file"


class _FileFirst(TyperGroup):
    """`forebay import FILE …` is `forebay import file FILE …`: what is no verb is a file."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = [_FILE, *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_FileFirst,
    no_args_is_help=True,
    help="Files of history into a channel: `forebay import FILE --channel C`; list, show and cancel imports.",
)

Id = Annotated[str, typer.Argument(metavar="ID", help="Id of an import.")]


@app.command(_FILE)
def file(
    path: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="xlsx, CSV, JSON Lines, mbox, EML, zip or folder of EML, Maildir."
        ),
    ],
    channel: Annotated[str, typer.Option("--channel", help="The channel that it goes to.")],
    preview: Annotated[
        bool,
        typer.Option("--preview", help="Show the first rows as the records they would be; import nothing."),
    ] = False,
    map_: Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            metavar="COLUMN=FIELD",
            help="What a column holds; `-` leaves it out.",
        ),
    ] = None,
    mapping: Annotated[
        Path | None, typer.Option("--mapping", metavar="FILE", help="YAML file of columns and fields.")
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(
            "--preset", help="Whose export it is: zendesk, freshdesk, zammad, wechat, hotline12345."
        ),
    ] = None,
    sheet: Annotated[
        str | None, typer.Option("--sheet", help="Sheet of a workbook; default: the first.")
    ] = None,
    header: Annotated[
        int | None, typer.Option("--header", help="Line of the headings, where it is not found.")
    ] = None,
    encoding: Annotated[
        str | None, typer.Option("--encoding", help="Encoding, where it is not found.")
    ] = None,
    delimiter: Annotated[
        str | None, typer.Option("--delimiter", help="What parts columns: , ; | or tab.")
    ] = None,
    format_: Annotated[
        str | None,
        typer.Option("--format", help="csv, xlsx, jsonl, mbox, eml, zip; default: told by the file."),
    ] = None,
    dates: Annotated[str | None, typer.Option("--dates", help="dmy or mdy: what 3/4/2026 means.")] = None,
    timezone: Annotated[
        str | None, typer.Option("--timezone", help="Zone of times without one, such as Asia/Shanghai.")
    ] = None,
    region: Annotated[
        str | None,
        typer.Option("--region", help="Country of telephone numbers without one; default: the channel's."),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse rows whose e-mail address or telephone number is none.")
    ] = False,
    mbox: Annotated[
        str | None, typer.Option("--mbox", help="rd or o: how the mbox hides lines that begin with From.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Read and check every row; import nothing.")
    ] = False,
    acknowledge: Annotated[
        bool,
        typer.Option("--acknowledge/--no-acknowledge", help="Send acknowledgements for what is imported."),
    ] = False,
    errors: Annotated[
        Path | None,
        typer.Option("--errors", metavar="FILE", help="Where bad rows go; default: FILE.errors.csv."),
    ] = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Import a file of history into a channel; run again, it goes on where it was and doubles nothing.

    Bad rows are written beside the file with the reason, to be corrected and imported.
    """
    columns = _columns(map_, mapping)
    options = {
        "preset": preset, "sheet": sheet, "header": header, "encoding": encoding, "format": format_, "dates": dates,
        "delimiter": {"tab": "\t", "\\t": "\t"}.get(delimiter or "", delimiter), "timezone": timezone, "region": region,
        "strict": strict or None, "mbox": mbox, "mapping": columns or None,
    }  # fmt: skip
    said = {"acknowledge": acknowledge, "dry_run": dry_run}

    async def do(house: Control) -> dict[str, Any]:
        with _opened(path) as (stream, name):
            begun = await house.upload("/v1/imports", stream, channel=channel, name=name)
        where = f"/v1/imports/{begun['id']}"
        if begun["state"] in ("draft", "failed", "cancelled"):
            told = {key: value for key, value in options.items() if value is not None}
            try:
                looked = await house.post(f"{where}/preview", told)
                if preview:
                    return looked
                await house.post(f"{where}/start", said)
            finally:
                if preview or (await house.get(where))["state"] == "draft":
                    await _discard(house, where)
        elif preview:
            return await house.post(f"{where}/preview", {})
        if not house.running:
            await house.post(f"{where}/work")
        return await _watched(house, where, begun["id"], quiet=as_json)

    async def whole(house: Control) -> tuple[dict[str, Any], Path | None]:
        ended = await do(house)
        kept = None
        if not preview and ended["errors"]:
            name, data = await house.download(f"/v1/imports/{ended['id']}/errors")
            kept = errors or path.resolve().with_name(f"{path.resolve().name}.errors{Path(name).suffix}")
            _write(kept, data)
        return ended, kept

    ended, kept = shared.with_house(config, whole)
    if preview:
        terminal.dump(ended) if as_json else _show_preview(ended)
        return
    if as_json:
        terminal.dump(ended | {"errors_file": str(kept) if kept else None})
    else:
        _show_end(ended, kept)
    if ended["state"] == "failed":
        raise Trouble(ended["reason"] or "the import failed", Exit.DATA)
    if ended["errors"]:
        raise typer.Exit(Exit.UNBALANCED)


async def _discard(house: Control, where: str) -> None:
    """Let go of a file that was only looked at."""
    with contextlib.suppress(Trouble):
        await house.post(f"{where}/cancel")


@app.command("list")
def list_(limit: Limit = 50, config: Config = None, as_json: Json = False) -> None:
    """List imports, newest first."""
    found = shared.get(config, "/v1/imports", limit=limit)
    if as_json:
        terminal.dump(found)
        return
    columns = [
        Column("ID", lambda row: str(row["id"])),
        Column("CHANNEL", lambda row: str(row["channel"])),
        Column("STATE", lambda row: str(row["state"])),
        Column("READ", lambda row: f"{row['share']:.0%}", right=True),
        Column("ROWS", lambda row: f"{row['rows']:,}", right=True),
        Column("TAKEN", lambda row: f"{row['taken']:,}", right=True),
        Column("KNOWN", lambda row: f"{row['known']:,}", right=True),
        Column("ERRORS", lambda row: f"{row['errors']:,}", right=True),
        Column("CREATED", lambda row: when(row["created_at"])),
        Column(
            "FILE",
            lambda row: "\n".join(one_line(row[key]) for key in ("name", "reason") if row[key]),
            grow=True,
        ),
    ]
    terminal.table(found["imports"], columns, "Nothing was imported.")


@app.command()
def show(id_: Id, config: Config = None, as_json: Json = False) -> None:
    """Show one import: how the file is read, how far it is, and what became of its rows."""
    found = shared.get(config, f"/v1/imports/{shared.quoted(id_)}")
    if as_json:
        terminal.dump(found)
        return
    row = {**found, "share": f"{found['share']:.0%}", "size": terminal.size(found["size"])}
    layout = row.pop("layout")
    row.pop("options")
    for name in ("created_at", "started_at", "ended_at", "updated_at"):
        row[name] = when(row[name])
    row |= {name: value for name, value in layout.items() if name not in ("columns", "sheets")}
    row["columns"] = {one["name"]: one["field"] or "kept" for one in layout.get("columns", ())}
    terminal.facts(str(row.pop("id")), list(row.items()))


@app.command()
def cancel(id_: Id, config: Config = None, as_json: Json = False) -> None:
    """Import no more of a file; what was imported stays. The same file, imported again, goes on."""
    found = shared.post(config, f"/v1/imports/{shared.quoted(id_)}/cancel")
    if as_json:
        terminal.dump(found)
    else:
        terminal.say(f"{id_}: cancelled after {found['rows']:,} rows.")


# ---- the file


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[tuple[BinaryIO, str]]:
    """The file as it is sent, and its name; of a folder its mails, packed."""
    try:
        if path.is_dir():
            with tempfile.TemporaryFile() as packed:
                _pack(path, packed)
                packed.seek(0)
                yield packed, f"{path.resolve().name}.zip"
        else:
            with path.open("rb") as stream:
                yield stream, path.name
    except OSError as error:
        raise Trouble(f"{path}: {error.strerror}", Exit.NO_INPUT) from None


def _pack(folder: Path, packed: BinaryIO) -> None:
    """All mails of a folder, the same bytes for the same mails, so that the import is known again."""
    from inbox.imports import mails

    names = {one.relative_to(folder).as_posix(): one for one in folder.rglob("*") if one.is_file()}
    chosen = sorted((name for name in names if mails.is_mail(name)), key=mails.order)
    if not chosen:
        raise Trouble(
            f"{folder}: there are no mails in it: no .eml, and no Maildir's cur and new", Exit.NO_INPUT
        )
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for name in chosen:
            with (
                names[name].open("rb") as source,
                archive.open(zipfile.ZipInfo(_unflagged(name)), "w") as member,
            ):
                while piece := source.read(1 << 20):
                    member.write(piece)


def _unflagged(name: str) -> str:
    """A Maildir's flags change whenever somebody reads a mail; the mail is the same."""
    from inbox.imports import mails

    folder, _, _ = name.rpartition("/")
    if folder.rpartition("/")[2] not in ("cur", "new"):
        return name
    return f"{folder.rpartition('/')[0]}/cur/{mails.order(name)[1]}".lstrip("/")


def _columns(given: list[str] | None, file: Path | None) -> dict[str, str]:
    """The mapping of the file, and what is said on the command line over it."""
    mapping: dict[str, str] = {}
    if file is not None:
        import yaml

        try:
            read = yaml.safe_load(shared.read_text(str(file)))
        except yaml.YAMLError as error:
            raise Trouble(f"{file}: is not YAML: {error}", Exit.DATA) from None
        if not isinstance(read, dict):
            raise Trouble(f"{file}: write one line `column: field` for each column", Exit.DATA)
        mapping = {str(column): str(field or "") for column, field in read.items()}
    for one in given or ():
        column, mark, field = one.rpartition("=")
        if not mark or not column.strip():
            raise Trouble(f"--map {one}: write COLUMN=FIELD, such as '联系电话=phone'", Exit.USAGE)
        mapping[column.strip()] = field.strip()
    return mapping


def _write(path: Path, data: bytes) -> None:
    try:
        path.write_bytes(data)
    except OSError as error:
        raise Trouble(
            f"{path}: {error.strerror}; name another place with --errors", Exit.NO_PERMISSION
        ) from None


# ---- what is shown


async def _watched(house: Control, where: str, id_: str, *, quiet: bool) -> dict[str, Any]:
    """Wait until the import has ended and all of it is processed, with a bar at a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    shown = not quiet and sys.stderr.isatty()
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f}%"),
        TextColumn("{task.fields[told]}"), TimeRemainingColumn(), console=Console(stderr=True), disable=not shown,
    )  # fmt: skip
    with bar:
        task, before, begun = bar.add_task("reading", total=1.0, told=""), None, time.monotonic()
        try:
            while True:
                row = await house.get(where)
                before = row["rows"] if before is None else before
                rate = (row["rows"] - before) / max(time.monotonic() - begun, 0.001)
                told = f"{row['rows']:,} rows, {rate:,.0f}/s, {row['errors']:,} errors"
                bar.update(task, completed=row["share"], told=told)
                at_work = sum(row["became"].get(state, 0) for state in ("waiting", "claimed"))
                ended = row["state"] in ("done", "failed", "cancelled")
                if ended and (not house.running or not at_work):
                    return row
                await asyncio.sleep(_ASK)
        except asyncio.CancelledError:
            terminal.warn(f"The import goes on where a daemon runs; `forebay import cancel {id_}` ends it.")
            raise


def _show_end(row: Mapping[str, Any], kept: Path | None) -> None:
    became = {state: n for state, n in row["became"].items() if state not in ("registered", "joined")}
    pairs = [
        ("rows", f"{row['rows']:,}"),
        ("would be registered" if row["dry_run"] else "registered", f"{row['taken']:,}"),
        ("duplicates", f"{row['known']:,}"),
        ("errors", f"{row['errors']:,}"),
        ("notes", f"{row['notes']:,}" if row["notes"] else ""),
        ("of these", ", ".join(f"{state}: {n:,}" for state, n in became.items())),
        ("bad rows", str(kept) if kept else ""),
        ("import", row["id"]),
        ("state", row["state"]),
    ]
    terminal.facts("", pairs)


def _show_preview(found: Mapping[str, Any]) -> None:
    layout = found["layout"]
    pairs = [
        (name, value)
        for name, value in layout.items()
        if name not in ("columns", "sheets", "holds", "delimiter")
    ]
    if "delimiter" in layout:
        pairs.append(("delimiter", {"\t": "tab"}.get(layout["delimiter"], layout["delimiter"])))
    others = [one["name"] for one in layout.get("sheets", ()) if one["name"] != layout.get("sheet")]
    pairs += [("other sheets", ", ".join(others)), ("unmapped", ", ".join(found["unmapped"]))]
    terminal.facts(found["name"], pairs)
    if layout["columns"]:
        terminal.say("")
        terminal.table(
            layout["columns"],
            [
                Column("COLUMN", lambda one: one_line(one["name"], 40)),
                Column(
                    "FIELD",
                    lambda one: {None: "kept by its name", "": "kept by its name"}.get(
                        one["field"], one["field"]
                    ),
                ),
                Column("FOR EXAMPLE", lambda one: one_line(one["sample"], 80), grow=True),
            ],
            "",
        )
    for one in found["preview"]:
        terminal.say("")
        row = {key: value for key, value in one.items() if key not in ("row", "id")}
        if row.get("sent_at"):
            row["sent_at"] = when(row["sent_at"])
        terminal.facts(
            f"row {one['row']}", [(key, one_line(v) if isinstance(v, str) else v) for key, v in row.items()]
        )
