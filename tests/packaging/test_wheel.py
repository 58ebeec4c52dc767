"""The wheel holds the rooms with their data, and nothing else."""

from __future__ import annotations

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
ROOMS = set(PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"])


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stderr
    (wheel,) = folder.glob("*.whl")
    return set(zipfile.ZipFile(wheel).namelist())


def test_it_holds_the_rooms_and_nothing_else(names: set[str]) -> None:
    tops = {name.split("/")[0] for name in names}
    (description,) = [top for top in tops if top.endswith(".dist-info")]
    assert tops == ROOMS | {description}
    assert f"{description}/licenses/LICENSE" in names


def test_no_room_has_the_name_of_a_standard_module() -> None:
    assert ROOMS & sys.stdlib_module_names == set()


def test_every_module_and_every_file_beside_them_is_in_it(names: set[str]) -> None:
    done = subprocess.run(
        ["git", "ls-files", *ROOMS], cwd=ROOT, capture_output=True, text=True, check=True, timeout=30
    )
    kept = {name for name in done.stdout.splitlines() if (ROOT / name).exists()}
    assert kept - names == set()


@pytest.mark.parametrize(
    ("folder", "ending"),
    [
        ("config/examples/", ".yaml"),
        ("config/examples/", "config.schema.json"),
        ("config/examples/templates/", ".txt"),
        ("console/templates/", ".html"),
        ("console/static/", ".css"),
        ("console/texts/", ".yaml"),
        ("store/migrations/versions/", ".py"),
    ],
)
def test_the_data_of_the_rooms_is_in_it(names: set[str], folder: str, ending: str) -> None:
    assert [name for name in names if name.startswith(folder) and name.endswith(ending)]


def test_nothing_of_the_workshop_is_in_it(names: set[str]) -> None:
    unwanted = ("tests", "docs", "benchmarks", "examples", "deploy", "scripts", "requirements", "__pycache__")
    assert [name for name in names if name.split("/")[0] in unwanted or "__pycache__" in name] == []


def test_the_command_leads_somewhere() -> None:
    module, _, function = PROJECT["project"]["scripts"]["forebay"].partition(":")
    code = f"import importlib; assert callable(importlib.import_module({module!r}).{function})"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=60)
