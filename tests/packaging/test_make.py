"""The Makefile and what it calls, as far as can be seen without installing anything."""

from __future__ import annotations

import configparser
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TARGETS = ("setup", "run", "check", "test", "prove", "bench", "docs")
SCRIPTS = ("scripts/venv.sh", "scripts/packages.sh", ".ci/run", "deploy/back-up.sh")


def run(*command: str, cwd: Path = ROOT, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=cwd, env={**os.environ, **env}, capture_output=True, text=True, check=False, timeout=60
    )


@pytest.mark.parametrize("target", TARGETS)
def test_every_promised_target_is_there_and_told_of(target: str) -> None:
    assert run("make", "--dry-run", target).returncode == 0
    assert f"make {target}" in run("make").stdout


def test_running_needs_the_smaller_lock_only(tmp_path: Path) -> None:
    """In a fresh clone, where there is no environment yet."""
    clone = fresh(tmp_path)
    plan = run("make", "--dry-run", "run", cwd=clone).stdout
    assert "scripts/venv.sh .venv" in plan
    assert "requirements/run.lock" in plan
    assert "dev.lock" not in plan


def test_testing_in_a_fresh_clone_makes_the_environment_first(tmp_path: Path) -> None:
    plan = run("make", "--dry-run", "test", cwd=fresh(tmp_path)).stdout.splitlines()
    order = [
        next(n for n, line in enumerate(plan) if word in line) for word in ("venv.sh", "dev.lock", "pytest")
    ]
    assert order == sorted(order)


def fresh(folder: Path) -> Path:
    shutil.copy(ROOT / "Makefile", folder)
    shutil.copy(ROOT / "pyproject.toml", folder)
    for name in ("scripts", "requirements"):
        shutil.copytree(ROOT / name, folder / name)
    return folder


def test_an_old_python_is_told_apart_from_none(tmp_path: Path) -> None:
    old = tmp_path / "python3"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    done = run(str(ROOT / "scripts" / "venv.sh"), str(tmp_path / "venv"), PYTHON=str(old))
    assert done.returncode == 1
    assert "Python 3.11 or newer" in done.stderr
    assert not (tmp_path / "venv").exists()


def test_packages_that_are_there_are_not_installed_again() -> None:
    if shutil.which("dpkg-query") is None:
        pytest.skip("needs dpkg-query")
    done = run("scripts/packages.sh", "dpkg")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_is_strict_and_can_be_run(script: str) -> None:
    path = ROOT / script
    assert os.access(path, os.X_OK)
    assert path.read_text(encoding="utf-8").startswith("#!/usr/bin/env bash\n")
    assert "\nset -euo pipefail\n" in path.read_text(encoding="utf-8")
    assert run("bash", "-n", script).returncode == 0


def test_what_decides_about_a_change_skips_nothing() -> None:
    text = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert re.findall(r"^(export REQUIRE_ALL=1|make \w+)", text, re.MULTILINE) == [
        "export REQUIRE_ALL=1",
        "make test",
        "make prove",
    ]


def test_the_pages_are_built_strictly() -> None:
    (build,) = [
        line for line in run("make", "--dry-run", "docs").stdout.splitlines() if "mkdocs build" in line
    ]
    assert "--strict" in build
    assert "--quiet" not in build, "it hides the warnings from --strict too"


def test_the_service_unit_calls_what_there_is() -> None:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[method-assign,assignment]
    unit.read(ROOT / "deploy" / "forebay.service", encoding="utf-8")
    service = unit["Service"]
    assert service["ExecStart"].split()[1:3] == ["run", "--config"]
    assert "ExecStartPre" not in service, "its exit code would not keep systemd from trying again"
    assert service["RestartPreventExitStatus"] == "78"
