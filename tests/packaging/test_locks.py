"""The lock files: every library with its hashes, the smaller one part of the larger, none named by an address."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LOCKS = ("run", "dev")


def text(lock: str) -> str:
    return (ROOT / "requirements" / f"{lock}.lock").read_text(encoding="utf-8")


def pins(lock: str) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9._-]+)==([^\s;\\]+)", text(lock), re.MULTILINE))


def wanted(requirements: list[str]) -> set[str]:
    names = {re.split(r"[\s\[<>=;~!]", one, maxsplit=1)[0].lower().replace("_", "-") for one in requirements}
    return names - {"forebay"}


@pytest.mark.parametrize("lock", LOCKS)
def test_every_library_has_hashes(lock: str) -> None:
    entries = re.split(r"^(?=[a-z0-9])", text(lock), flags=re.MULTILINE)[1:]
    assert {one.partition("==")[0] for one in entries} == set(pins(lock))
    assert len(entries) > 20
    assert [one.split()[0] for one in entries if "--hash=sha256:" not in one] == []


@pytest.mark.parametrize("lock", LOCKS)
def test_no_address_stands_in_it(lock: str) -> None:
    assert "://" not in text(lock)


def test_the_smaller_lock_is_part_of_the_larger() -> None:
    assert pins("run").items() <= pins("dev").items()


def test_everything_that_the_project_asks_for_is_locked() -> None:
    project = PROJECT["project"]
    extras = [one for group in project["optional-dependencies"].values() for one in group]
    assert wanted(project["dependencies"] + extras) <= set(pins("run"))
    assert wanted(PROJECT["dependency-groups"]["run"]) <= set(pins("run"))
    assert wanted(PROJECT["dependency-groups"]["dev"]) <= set(pins("dev"))
