"""normalize and route: what would become of a file, without storing it."""

from __future__ import annotations

import sys
from datetime import timedelta
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway import terminal
from gateway.commands import shared
from gateway.commands.shared import Config, Json
from gateway.trouble import Exit, Trouble

if TYPE_CHECKING:
    from config.load import Loaded
    from gateway.normalize import Files, Reading

Kind = Annotated[str, typer.Option("--kind", "-k", help="Kind of the files: email, form, webhook, …")]
Channel = Annotated[
    str | None, typer.Option("--channel", help="Channel of the configuration whose reading options apply.")
]
MediaType = Annotated[
    str | None, typer.Option("--media-type", help="Content type of the files; default: told by their bytes.")
]


def normalize(
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="Raw messages; - is standard input.")],
    kind: Kind,
    config: Config = None,
    channel: Channel = None,
    media_type: MediaType = None,
) -> None:
    """Print the canonical record of each file as one line of JSON, in order; store nothing.

    {"error": …} stands for what would be quarantined. Works without a configuration; with -c, the reading
    options of a channel apply, and one whose settings split a body gives a line for each message in it.
    A file that cannot be read gives an error line too, and the exit code 66.
    """
    from gateway.normalize import line

    reader = _files(kind, shared.load(config) if config or channel else None, channel, media_type)
    out, missing = sys.stdout.buffer, False
    for name in files:
        try:
            raw = shared.read_input(name)
        except Trouble as error:
            missing = True
            out.write(line({"error": str(error)}))
            continue
        out.writelines(line(one) for one in reader.record(raw))
    out.flush()
    if missing:
        raise typer.Exit(Exit.NO_INPUT)


def route(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A raw message; - is standard input.")],
    kind: Kind,
    config: Config = None,
    channel: Channel = None,
    media_type: MediaType = None,
    as_json: Json = False,
) -> None:
    """Explain which rules take a message, and why; store nothing."""
    from router.facts import facts

    loaded = shared.load(config)
    reader = _files(kind, loaded, channel, media_type)
    answers = []
    for reading in reader.readings(shared.read_input(file)):
        if reading.draft is None:
            raise Trouble(f"{file} would be quarantined: {reading.error}")
        seen = facts(
            reading.draft,
            channel=reader.channel,
            kind=kind,
            received_at=reading.received_at,
            limit=loaded.rules.text_limit,
        )
        answers.append(_explained(reading, loaded.rules.explain(seen)))
    if as_json:
        terminal.dump(answers[0] if len(answers) == 1 else answers)
        return
    for answer in answers:
        _print(answer)


def _files(kind: str, loaded: Loaded | None, channel: str | None, media_type: str | None) -> Files:
    from gateway.normalize import Files
    from normalizer.catalog import CATALOG

    if kind not in CATALOG:
        raise Trouble(f"--kind: {kind} is not a kind; one of: {', '.join(sorted(CATALOG))}", Exit.USAGE)
    name, settings = kind, None
    if loaded is not None:
        known = {n: s for n, s in loaded.settings.channels.items() if s.kind == kind}
        if channel is not None and channel not in known:
            there = ", ".join(sorted(known)) or "none"
            raise Trouble(
                f"--channel: {channel} is not a channel of kind {kind}; these are: {there}", Exit.USAGE
            )
        if channel is None and len(known) > 1:
            raise Trouble(f"choose one with --channel: {', '.join(sorted(known))}", Exit.USAGE)
        name = channel or next(iter(known), kind)
        settings = known.get(name)
    return Files(kind, name, settings, media_type)


def _explained(reading: Reading, explanation: Any) -> dict[str, Any]:
    decision = explanation.decision
    return {
        "subject": reading.draft.subject if reading.draft else "",
        "decision": {
            name: _plain(getattr(decision, name))
            for name in (
                "in_scope", "nature", "urgency", "department", "destinations", "acknowledgement", "hold",
                "deadlines", "missing", "rules",
            )
        },
        "verdicts": [{"rule": v.rule, "outcome": str(v.outcome), "why": v.why} for v in explanation.verdicts],
    }  # fmt: skip


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, timedelta):
        return value.total_seconds()
    return dict(value) if hasattr(value, "items") else value


def _print(answer: dict[str, Any]) -> None:
    columns = [
        terminal.Column("RULE", lambda row: str(row["rule"])),
        terminal.Column("OUTCOME", lambda row: str(row["outcome"])),
        terminal.Column("WHY", lambda row: str(row["why"]), grow=True),
    ]
    terminal.table(answer["verdicts"], columns, "There are no rules; the default decides.")
    taken = ", ".join(answer["decision"]["rules"]) or "none: the default decides"
    decision = {k: v for k, v in answer["decision"].items() if k != "rules"}
    terminal.say("")
    terminal.facts(
        terminal.one_line(answer["subject"], 70), [("rules that took it", taken), *decision.items()]
    )
