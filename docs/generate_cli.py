"""Writes docs/reference/cli.md: every command of the command line, from the commands themselves.

python docs/generate_cli.py            write the page
python docs/generate_cli.py --check    exit 1 when the page is out of date
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "reference" / "cli.md"

_INTRODUCTION = """# Command line

`forebay` is the command; `python -m gateway` is the same. `forebay COMMAND --help` tells what stands here.

The configuration is the file that `-c` names, else `forebay.yaml` in this folder, else the file that the
variable `FOREBAY_CONFIG` names.

Commands that touch the store ask the running daemon over its API; when none runs they take its lock and open
the store themselves. They print the same both ways.

{epilog}
"""


def page() -> str:
    """The whole page."""
    import typer

    from gateway import cli

    root = typer.main.get_command(cli.app)
    introduction = _INTRODUCTION.format(epilog=_prose(root.epilog))
    return introduction + "".join(_section(path, one) for path, one in commands(root, ("forebay",)))


def commands(group: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command at or below a group that is not itself a group, with the words that call it."""
    for name, one in group.commands.items():
        if hasattr(one, "commands"):
            yield from commands(one, (*path, name))
        elif not one.hidden:
            yield (*path, name), one


def _section(path: tuple[str, ...], one: Any) -> str:
    lines = [f"\n## {' '.join(path[1:])}\n", _prose(one.help), "", "```text", usage(path, one), "```", ""]
    rows = [_row(each) for each in one.params if not getattr(each, "hidden", False)]
    if rows:
        lines += ["| | |", "|---|---|", *rows]
    return "\n".join(lines).rstrip("\n") + "\n"


def usage(path: tuple[str, ...], one: Any) -> str:
    """How a command is called, in one line."""
    words = []
    for each in one.params:
        if each.param_type_name == "argument":
            word = _name(each)
            words.append(word if each.required else f"[{word}]")
    return " ".join((*path, "[OPTIONS]", *words))


def _row(each: Any) -> str:
    told = _prose(getattr(each, "help", "") or "")
    if each.param_type_name == "argument":
        return f"| `{_name(each)}` | {told} |"
    spelled = ", ".join(f"`{word}`" for word in sorted(each.opts, key=len))
    value = "" if each.is_flag else f" {_name(each)}"
    notes = ["Required." if each.required else "", "May be given again." if each.multiple else ""]
    return f"| {spelled}{value} | {' '.join(part for part in (told, *notes) if part)} |"


def _name(each: Any) -> str:
    if each.metavar:
        return str(each.metavar).strip("[]{}").upper().replace("...", "…")
    return str(each.name).rstrip("_").upper().replace("_", "-")


def _prose(text: str | None) -> str:
    """Help as a cell or a paragraph of a page."""
    return " ".join((text or "").split()).replace("|", "\\|").replace("<", "&lt;")


def main() -> int:
    sys.path.insert(0, str(ROOT))
    text = page()
    if "--check" in sys.argv[1:]:
        return int(not PAGE.exists() or PAGE.read_text(encoding="utf-8") != text)
    PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
