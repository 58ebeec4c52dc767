"""The image and the compose file, as far as can be told without an engine: whatever they name is there."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from config.load import load
from gateway import cli

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
EXAMPLES = ROOT / "config" / "examples"


def instructions() -> list[tuple[str, str]]:
    """The instructions of the Dockerfile: (word, rest), lines joined, comments left out."""
    lines = [
        line
        for line in (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
        if not line.startswith("#")
    ]
    whole = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in whole.splitlines() if line)]


IMAGE = instructions()
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
GATEWAY = COMPOSE["services"]["gateway"]


def values(word: str) -> list[str]:
    return [rest for found, rest in IMAGE if found == word]


def environment() -> dict[str, str]:
    """What the image sets."""
    return dict(pair.split("=", 1) for rest in values("ENV") for pair in shlex.split(rest))


def filled(value: str) -> str:
    """A value of the compose file with the defaults of its variables."""
    assert not re.search(r"\$\{\w+\}", value), f"{value}: a variable without a default"
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", value)


# ---- the Dockerfile


def test_what_is_copied_is_there_and_not_shut_out() -> None:
    let_in = {
        line[1:]
        for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
        if line.startswith("!")
    }
    sources = [part for rest in values("COPY") if "--from=" not in rest for part in rest.split()[:-1]]
    assert [one for one in sources if not (ROOT / one).exists()] == []
    assert set(sources) == let_in


def test_every_room_is_copied() -> None:
    copied = {part for rest in values("COPY") for part in rest.split()}
    assert set(PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]) <= copied


def test_libraries_are_installed_by_their_hashes() -> None:
    (install,) = [rest for rest in values("RUN") if "run.lock" in rest]
    assert "--require-hashes" in install
    assert [rest for rest in values("RUN") if "pip install" in rest and "--no-build-isolation" in rest]


def test_both_stages_have_the_same_python_by_its_tag() -> None:
    bases = [rest.split()[0] for rest in values("FROM")]
    assert len(bases) == 2 and len(set(bases)) == 1
    name, _, version = bases[0].partition(":")
    assert name == "python"
    least = PROJECT["project"]["requires-python"].removeprefix(">=")
    assert re.fullmatch(rf"{re.escape(least)}-slim", version)


def test_it_runs_as_nobody_of_importance() -> None:
    (user,) = values("USER")
    assert int(user) > 0
    assert any(f"--uid {user}" in rest for rest in values("RUN"))


def test_what_it_starts_is_a_command_of_ours() -> None:
    (entry,), (command,) = values("ENTRYPOINT"), values("CMD")
    assert json.loads(entry) == list(PROJECT["project"]["scripts"])
    assert json.loads(command)[0] in get_command(cli.app).commands  # type: ignore[attr-defined]


def test_its_health_is_asked_at_an_address_that_there_is() -> None:
    (check,) = values("HEALTHCHECK")
    (path,) = re.findall(r"'(/\w+)'", check)
    assert f'web.get("{path}"' in (ROOT / "gateway" / "server.py").read_text(encoding="utf-8")
    (variable,) = re.findall(r"os\.environ\['(\w+)'\]", check)
    port = environment()[variable]
    assert port in " ".join(values("EXPOSE")).split()
    command = check.partition("CMD ")[2]
    compile(shlex.split(command)[2], "HEALTHCHECK", "exec")


def test_it_writes_where_its_volume_is() -> None:
    assert values("VOLUME") == values("WORKDIR")[-1:] == [environment()["FOREBAY_DATA"]]


# ---- the compose file


def test_services_name_what_there_is() -> None:
    assert set(COMPOSE) <= {"name", "services", "volumes"}
    known = {
        "build", "image", "environment", "volumes", "ports", "depends_on", "read_only", "tmpfs", "cap_drop",
        "security_opt", "stop_grace_period", "restart", "healthcheck", "command",
    }  # fmt: skip
    for service in COMPOSE["services"].values():
        assert set(service) <= known
        assert ":" in service["image"] and not service["image"].endswith(":latest")
        assert set(service.get("depends_on", ())) <= set(COMPOSE["services"])
        for volume in service.get("volumes", ()):
            source, target = volume.split(":")[:2]
            assert (ROOT / source).exists() if source.startswith(".") else source in COMPOSE["volumes"]
            assert target.startswith("/")
    for name, needed in GATEWAY["depends_on"].items():
        if needed["condition"] == "service_healthy":
            assert COMPOSE["services"][name]["healthcheck"]["test"]


def test_only_this_machine_reaches_it_and_no_port_is_taken_twice() -> None:
    ports = [port.split(":") for service in COMPOSE["services"].values() for port in service.get("ports", ())]
    assert {host for host, _, _ in ports} == {"127.0.0.1"}
    published = [outer for _, outer, _ in ports]
    assert len(published) == len(set(published))


def test_the_image_is_of_the_version_that_is_built() -> None:
    assert GATEWAY["image"] == f"forebay:{PROJECT['project']['version']}"


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The configuration that the compose file starts, with the variables that it sets."""
    for name, value in {**environment(), **GATEWAY["environment"]}.items():
        if name != "PATH":
            monkeypatch.setenv(name, filled(value))
    return load(config_file()).settings


def config_file() -> Path:
    """The file on this side of the mount."""
    inside = Path(GATEWAY["environment"]["FOREBAY_CONFIG"])
    mounts = [volume.split(":") for volume in GATEWAY["volumes"]]
    (source,) = [mount[0] for mount in mounts if mount[1] == str(inside.parent)]
    return ROOT / str(source) / inside.name


def test_its_configuration_is_a_good_one(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cli.run(["check", "-c", str(config_file())]) == 0


def test_every_variable_that_is_set_is_one_that_is_read() -> None:
    text = config_file().read_text(encoding="utf-8")
    read = set(re.findall(r"\$\{(\w+)", text)) | set(re.findall(r"\{env: (\w+)\}", text))
    given = set(GATEWAY["environment"]) | set(environment())
    assert read <= given
    assert set(GATEWAY["environment"]) - read == {"FOREBAY_CONFIG"}


def test_the_configuration_meets_the_other_services(settings: Any) -> None:
    url = settings.database.url.get_secret_value()
    database = COMPOSE["services"]["database"]["environment"]
    user, password, host, name = re.fullmatch(r"postgresql://(\w+):(\w+)@(\w+):5432/(\w+)", url).groups()  # type: ignore[union-attr]
    assert host in COMPOSE["services"]
    assert (user, password, name) == tuple(
        filled(database[f"POSTGRES_{one}"]) for one in ("USER", "PASSWORD", "DB")
    )
    assert settings.channels["mail"].outgoing.host in COMPOSE["services"]


def test_what_is_published_is_what_listens(settings: Any) -> None:
    inner = {int(port.split(":")[2]) for port in GATEWAY["ports"]}
    assert inner == {settings.listen.port, settings.channels["mail"].door.port}
    assert settings.listen.host == settings.channels["mail"].door.host == "0.0.0.0"
    assert str(settings.data) == environment()["FOREBAY_DATA"]


def test_it_has_longer_to_stop_than_it_takes(settings: Any) -> None:
    assert int(GATEWAY["stop_grace_period"].removesuffix("s")) > settings.inbox.shutdown.total_seconds()
