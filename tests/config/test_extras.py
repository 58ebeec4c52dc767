"""Libraries that a configuration needs and that are not installed: told at load, with the line and the remedy."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from config.load import load
from config.problems import ConfigError
from connectors.catalog import CATALOG as CONNECTORS
from connectors.contract import ConnectorSpec
from destinations.catalog import CATALOG as DESTINATIONS
from destinations.contract import DestinationSpec

ROOT = Path(__file__).parents[2]
SECRET = "hunter2-correct-horse"


def test_a_kind_whose_extra_is_not_installed_is_told_with_its_line_and_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "aiosmtpd", None)
    path = tmp_path / "x.yaml"
    path.write_text(
        "channels:\n  mail:\n    address: a@example.org\n    kind: email\n    door: {port: 0}\n"
        "  form: {kind: form}\n"
    )
    with pytest.raises(ConfigError) as caught:
        load(path, environ={})
    assert str(caught.value) == (
        f"{path}:4:11: channels.mail.kind: the kind email needs the extra `email`, which is not installed "
        "(no aiosmtpd); pip install 'forebay[email]'"
    )


@pytest.mark.parametrize(
    "text",
    [
        "channels: {a: {kind: form, proxy: 'socks5://u:%s@h:1'}}\n",
        "channels: {a: {kind: form}}\n"
        "destinations: {a: {kind: http, url: 'https://h/', proxy: 'SOCKS5://u:%s@h:1'}}\n",
    ],
)
def test_a_socks_proxy_whose_library_is_not_installed_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(text % SECRET)
    assert load(path, environ={})
    monkeypatch.setitem(sys.modules, "python_socks", None)
    with pytest.raises(ConfigError, match=r"a\.proxy: .*; pip install 'forebay\[socks\]'") as caught:
        load(path, environ={})
    assert len(caught.value.problems) == 1
    assert SECRET not in str(caught.value)


def test_looking_for_extras_imports_none(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(
        "channels: {a: {kind: email, address: a@example.org, door: {port: 0}, proxy: 'socks5://h:1'}}\n"
    )
    code = (
        "import pathlib, sys; from config.load import load; load(pathlib.Path(sys.argv[1])); "
        "heavy = {'aioimaplib', 'aiosmtpd', 'aiosmtplib', 'python_socks'}; "
        "sys.exit(bool(heavy & sys.modules.keys()))"
    )
    assert subprocess.run([sys.executable, "-c", code, str(path)], check=False).returncode == 0


SPECS: list[ConnectorSpec | DestinationSpec] = [*CONNECTORS.values(), *DESTINATIONS.values()]


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.kind)
def test_an_extra_that_a_kind_names_brings_the_modules_that_it_requires(
    spec: ConnectorSpec | DestinationSpec,
) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = project["optional-dependencies"][spec.extra] if spec.extra else []
    names = {re.match(r"[\w-]+", one)[0].lower() for one in wanted}  # type: ignore[index]
    brought = {
        module: {one.lower() for one in distributions}
        for module, distributions in packages_distributions().items()
    }
    assert {name for module in spec.requires for name in brought[module]} == names


def test_the_extra_for_socks_proxies_brings_the_module_that_is_looked_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert [one.partition("[")[0] for one in project["optional-dependencies"]["socks"]] == ["python-socks"]
