"""Reading settings of these kinds loads no library of theirs: the catalogue is read at every start."""

from __future__ import annotations

import subprocess
import sys

import pytest

LIBRARIES = ("aiohttp", "cryptography", "jinja2", "jmespath", "lxml", "nh3")


@pytest.mark.parametrize(
    ("module", "settings"),
    [
        ("connectors.form", "{}"),
        ("connectors.webhook", "{'verify': {'scheme': 'token', 'secrets': ['t']}}"),
        ("destinations.http", "{'url': 'https://tickets.example/'}"),
    ],
)
def test_settings_load_no_library(module: str, settings: str) -> None:
    code = f"""
import sys, importlib
spec = importlib.import_module({module!r}).SPEC
spec.settings.model_validate({settings})
spec.settings.model_json_schema()
print([name for name in {LIBRARIES!r} if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"
