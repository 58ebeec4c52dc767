"""Configuration that the how-to pages show can be used as it stands."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from config.load import load
from config.problems import ConfigError
from tests.docs.pages import DOCS, blocks

PAGES = ("behind-a-proxy", "embed-the-form", "office", "postgresql", "surveys", "windows")
#: What an example refers to and a test has not: certificates, and other channels.
ELSEWHERE = re.compile(r"there is no such file|names no channel")

#: Secrets that must have a form.
FILLED = {"WECHAT_AES_KEY": "a" * 43, "WECHAT_TOKEN": "token123", "WECHAT_SECRET": "s" * 32}


def examples() -> Iterator[Any]:
    for name in PAGES:
        page = (DOCS / "how-to" / f"{name}.md").read_text(encoding="utf-8")
        for n, block in enumerate(one for one in blocks(page) if one.language == "yaml"):
            yield pytest.param(block.text, id=f"{name} {n}")


@pytest.mark.parametrize("example", list(examples()))
def test_an_example_is_a_good_configuration(
    example: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in re.findall(r"\{env: (\w+)\}", example):
        monkeypatch.setenv(variable, FILLED.get(variable, "postgresql://forebay:x@db.example.org/forebay"))
    file = tmp_path / "forebay.yaml"
    file.write_text(example, encoding="utf-8")
    try:
        load(file)
    except ConfigError as error:
        assert [
            one.message for one in error.problems if not ELSEWHERE.search(f"{one.message} {one.remedy}")
        ] == []
    assert yaml.safe_load(example)


def test_the_ports_of_the_quickstart_are_those_of_the_demonstration() -> None:
    demo = (DOCS.parent / "config" / "examples" / "demo.yaml").read_text(encoding="utf-8")
    page = (DOCS / "quickstart.md").read_text(encoding="utf-8")
    for variable, port in re.findall(r"\$\{(FOREBAY_(?:SMTP_)?PORT):-(\d+)\}", demo):
        assert f":{port}" in page and variable in page
