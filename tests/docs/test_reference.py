"""The reference is what the program says of itself; every command that a page shows is there."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from config.schema import json_schema
from docs import generate_cli, generate_config
from gateway import cli
from tests.docs.pages import DOCS, ROOT, blocks, tracked

#: The configuration's writer compares the schema beside the examples only.
GENERATORS = sorted(path.name for path in DOCS.glob("generate_*.py") if path.name != "generate_config.py")
COMMANDS = {" ".join(path): one for path, one in generate_cli.commands(typer.main.get_command(cli.app), ())}


@pytest.mark.parametrize("generator", GENERATORS)
def test_a_page_of_the_reference_is_up_to_date(generator: str) -> None:
    done = subprocess.run([sys.executable, f"docs/{generator}", "--check"], cwd=ROOT, check=False)
    assert done.returncode == 0, "run: make docs"


def test_the_reference_of_the_configuration_is_up_to_date() -> None:
    assert generate_config.PAGE.read_text(encoding="utf-8") == "".join(generate_config.page(json_schema())), (
        "run: make docs"
    )


def shown() -> Iterator[Any]:
    """Every call of `forebay` in a block or in back quotes, on every page."""
    for name in tracked():
        if not name.endswith((".md", ".yml", ".yaml", ".service", "Makefile")) or name == "CHANGELOG.md":
            continue
        text = (ROOT / name).read_text(encoding="utf-8")
        for line in lines(text) if name.endswith(".md") else text.splitlines():
            for call in re.findall(r"(?:^|[\s/`(\"'])forebay ([a-z][^`|;&<>()\n]*)", line):
                yield pytest.param(call.strip(), id=f"{name}: {call.strip()[:60]}")


def lines(page: str) -> list[str]:
    inside = [
        line
        for block in blocks(page)
        if block.language in ("bash", "console")
        for line in block.text.splitlines()
    ]
    return inside + re.findall(r"`(forebay [a-z][^`\n]*)`", page)


def called(call: str) -> tuple[str, list[str]]:
    """The command that a call names, and what follows."""
    words = call.replace('"', "").replace("'", "").split()
    for n in (2, 1):
        if " ".join(words[:n]) in COMMANDS:
            return " ".join(words[:n]), words[n:]
    return "", words


@pytest.mark.parametrize("call", list(shown()))
def test_a_command_on_a_page_is_one_that_there_is(call: str) -> None:
    # `forebay inbox list|show|…` and `forebay inbox …` name a group.
    if call.split()[0] in {name.split()[0] for name in COMMANDS if " " in name} and len(call.split()) == 1:
        return
    name, rest = called(call)
    assert name, f"there is no command: forebay {call}"
    known = {word for each in COMMANDS[name].params for word in (*each.opts, *each.secondary_opts)} | {
        "--help"
    }
    assert {word.split("=")[0] for word in rest if re.match(r"--?[a-z]", word)} <= known
