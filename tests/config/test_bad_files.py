"""Every way to write a configuration badly is told with its file, line, key and remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.load import load
from config.problems import ConfigError

BAD = sorted((Path(__file__).parent / "bad").glob("*.yaml"))


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_a_bad_file_is_told_as_expected(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    wanted = [line.removeprefix("# expect: ") for line in lines if line.startswith("# expect: ")]
    assert wanted
    with pytest.raises(ConfigError) as caught:
        load(path, environ={})
    told = str(caught.value)
    for message in wanted:
        at_a_line = message[0].isdigit()
        assert (f"{path}:{message}" if at_a_line else message) in told
    placed = sum(message[0].isdigit() for message in wanted)
    if placed == len(wanted):  # nothing beside what was expected
        assert len(caught.value.problems) == placed, told


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "demo.yaml"
    path.write_text(
        "lisen: {}\nlisten: {port: x}\nchannels:\n  a: {kind: b}\n  c: {kind: form, tite: x}\n"
        "rules: {rules: [{name: n, when: '1 +'}], default: {destinations: [x]}}\nleases: {renew: 100}\n"
    )
    with pytest.raises(ConfigError) as caught:
        load(path, environ={})
    keys = [(problem.line, problem.key) for problem in caught.value.problems]
    assert keys == [
        (1, "lisen"),
        (2, "listen.port"),
        (4, "channels.a.kind"),
        (5, "channels.c.tite"),
        (6, "rules.rules[0].when"),
        (6, "rules.default.destinations[0]"),
        (7, "leases.renew"),
    ]


def test_a_mistake_in_the_rules_file_names_that_file(tmp_path: Path) -> None:
    (tmp_path / "main.yaml").write_text("rules: {file: mine/rules.yaml}\n")
    (tmp_path / "mine").mkdir()
    rules = tmp_path / "mine" / "rules.yaml"
    rules.write_text("rules:\n  - name: a\n    wen: 'true'\ndefault: {}\n")
    with pytest.raises(ConfigError) as caught:
        load(tmp_path / "main.yaml", environ={})
    assert str(caught.value) == f'{rules}:3:5: rules[0].wen: unknown key; did you mean "when"?'


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"data: \xff\n", "1:1: is not UTF-8; save the file as UTF-8"),
        (b"data: x\n\x00", "2:1: holds a character that YAML forbids"),
        (b"#" * 1_048_577, "the file is larger than 1048576 bytes"),
        (b"[" * 100_000, "is nested deeper than 40 levels"),
        (b"a: " + b"{b: " * 100, "is nested deeper than 40 levels"),
        (b'data: "\\UFFFFFFFF"', "holds an escape that names no character"),
        (b"listen: {port: " + b"9" * 5000 + b"}", "listen.port: is too large a number"),
    ],
)
def test_bytes_that_are_no_configuration_are_told(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(data)
    with pytest.raises(ConfigError) as caught:
        load(path, environ={})
    assert message in str(caught.value)


@pytest.mark.parametrize("name", ["missing.yaml", ".", "nul\0.yaml"])
def test_a_file_that_cannot_be_read_is_told(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path / name, environ={})


def test_keys_cannot_spoil_the_terminal(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text('"\\e[2J\\u202Edata\\n": 1\n')
    with pytest.raises(ConfigError) as caught:
        load(path, environ={})
    told = str(caught.value)
    assert "\x1b" not in told and "\u202e" not in told and "\n" not in told
