"""The two READMEs say the same, and the pages for newcomers name what is there."""

from __future__ import annotations

import re

from connectors.catalog import CATALOG
from tests.docs.pages import ROOT, blocks, without_blocks

ENGLISH = (ROOT / "README.md").read_text(encoding="utf-8")
CHINESE = (ROOT / "README.zh-CN.md").read_text(encoding="utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def shape(page: str) -> list[str]:
    """What a page is made of, apart from its words."""
    kinds = ((r"#+", "heading"), (r"\|[ :-]*-", "rule"), (r"\|", "row"), (r"- ", "item"))
    found = []
    for line in without_blocks(page).splitlines():
        kind = next((kind for start, kind in kinds if re.match(start, line)), None)
        if kind:
            found.append(kind + (re.match(r"#*", line)[0] if kind == "heading" else ""))  # type: ignore[index]
    return found


def test_both_readmes_have_the_same_shape_and_the_same_commands() -> None:
    assert shape(ENGLISH) == shape(CHINESE)
    assert blocks(ENGLISH) == blocks(CHINESE)


def test_both_readmes_link_to_the_same_places() -> None:
    def targets(page: str) -> list[str]:
        found = re.findall(r"\]\(([^)]+)\)|<(http[^>]+)>", page)
        return [one for pair in found for one in pair if one and not one.startswith("README")]

    assert targets(ENGLISH) == targets(CHINESE)


def test_the_readmes_name_every_kind_of_this_release() -> None:
    for page in (ENGLISH, CHINESE):
        (row,) = [line for line in page.splitlines() if "`email`" in line]
        now = row.split("|")[2]
        assert set(re.findall(r"`(\w+)`", now)) == set(CATALOG)


def test_the_reading_path_takes_45_minutes() -> None:
    minutes = [int(n) for n in re.findall(r"^\| (\d+) \|", CONTRIBUTING, re.MULTILINE)]
    assert sum(minutes) == 45


def test_what_the_worked_example_is_said_to_have_is_there() -> None:
    recipe = CONTRIBUTING.partition("## Add a kind")[2].partition("## Tests")[0]
    paths = [one for one in re.findall(r"`([\w./-]+)`", recipe) if "/" in one]
    assert len(paths) >= 10
    assert [one for one in paths if not (ROOT / one).exists()] == []
    for catalog in ("connectors/catalog.py", "normalizer/catalog.py"):
        assert "form" in (ROOT / catalog).read_text(encoding="utf-8")
    assert "connectors.form" in (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def test_the_changelog_has_the_version_that_is_built() -> None:
    (version,) = re.findall(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    newest = re.findall(
        r"^## (\d+\.\d+\.\d+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert newest[0] == version
