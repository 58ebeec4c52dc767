"""Good configurations: placeholders, secrets, own catalogues, the shipped examples, and noise."""

from __future__ import annotations

import base64
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import Field

from config import check, diff, show
from config.load import Loaded, load
from config.problems import ConfigError
from config.settings import Settings
from connectors.contract import ChannelSettings, ConnectorSpec
from connectors.email import EmailSettings
from model.delivery import OnUncertain
from model.secret import Secret
from outbox.templates import SAMPLE

EXAMPLES = Path(__file__).parents[2] / "config" / "examples"
SECRET = "hunter2-correct-horse"
OFFICE = {
    "FOREBAY_DATABASE_URL": f"postgresql://forebay:{SECRET}@db/forebay",
    "FOREBAY_TOKEN": f"token-{SECRET}",
    "TICKET_STORE_TOKEN": f"store-{SECRET}",
    "MAIL_PASSWORD": SECRET,
    "SHOP_SECRET": "whsec_" + base64.b64encode(b"k" * 24).decode(),
    "TICKETS_SECRET": "whsec_" + base64.b64encode(b"j" * 24).decode(),
}


class PostSettings(ChannelSettings):
    password: Secret | None = Field(default=None, description="Password.")
    note: str = Field(default="", description="A note.")
    wait: timedelta = Field(default=timedelta(seconds=1), description="Wait.")
    shy: bool = Field(default=False, description="Shy.")


def _never(settings: Any, tools: Any) -> Any:
    raise AssertionError("loading builds nothing")


POST = ConnectorSpec(
    kind="post",
    settings=PostSettings,
    build=_never,
    on_uncertain=OnUncertain.HOLD,
    summary="A kind of a test.",
)


def loaded(tmp_path: Path, text: str, **environ: str) -> Loaded:
    path = tmp_path / "forebay.yaml"
    path.write_text(text, encoding="utf-8")
    return load(path, connectors={"post": POST}, destinations={}, environ=environ)


def post(tmp_path: Path, fields: str, **environ: str) -> PostSettings:
    text = f"channels: {{a: {{kind: post, {fields}}}}}\n"
    found = loaded(tmp_path, text, **environ).settings.channels["a"]
    assert isinstance(found, PostSettings)
    return found


# Values


def test_an_empty_mapping_is_a_whole_configuration(tmp_path: Path) -> None:
    settings = loaded(tmp_path, "{}").settings
    assert settings == Settings()
    assert settings.address == "http://127.0.0.1:8080"


def test_words_of_older_yaml_are_texts(tmp_path: Path) -> None:
    assert post(tmp_path, "note: no").note == "no"
    assert post(tmp_path, "note: 12:30").note == "12:30"
    assert post(tmp_path, "note: 0086").note == "0086"
    assert post(tmp_path, "note: 2026-10-01").note == "2026-10-01"


@pytest.mark.parametrize(
    ("text", "seconds"), [("300", 300), ('"00:05:00"', 300), ("PT5M", 300), ("P2D", 172800)]
)
def test_durations_have_three_forms(tmp_path: Path, text: str, seconds: int) -> None:
    assert post(tmp_path, f"wait: {text}").wait == timedelta(seconds=seconds)


def test_an_alias_stands_for_a_whole_value(tmp_path: Path) -> None:
    text = "channels:\n  a: &it {kind: post, note: x}\n  b: *it\n"
    channels = loaded(tmp_path, text).settings.channels
    assert channels["a"] == channels["b"]


# Placeholders


def test_a_placeholder_is_filled_in_and_becomes_what_the_setting_wants(tmp_path: Path) -> None:
    assert loaded(tmp_path, "listen: {port: '${P}'}", P="99").settings.listen.port == 99
    assert loaded(tmp_path, "listen: {port: '${P:-98}'}").settings.listen.port == 98
    assert loaded(tmp_path, "listen: {port: '${P:-98}'}", P="").settings.listen.port == 98
    assert post(tmp_path, "shy: '${S}'", S="true").shy is True
    assert post(tmp_path, "note: 'a ${X} b ${Y:-c}'", X="1").note == "a 1 b c"


def test_a_literal_placeholder_can_be_written(tmp_path: Path) -> None:
    assert post(tmp_path, "note: '$${X} costs $5'").note == "${X} costs $5"


def test_what_a_variable_holds_cannot_change_the_structure(tmp_path: Path) -> None:
    evil = "x, kind: other}\nlisten: {port: 1}\n*a &b !!c ${HOME} ${"
    assert post(tmp_path, "note: '${X}'", X=evil).note == evil


def test_keys_and_comments_are_not_searched(tmp_path: Path) -> None:
    assert loaded(tmp_path, "# ${NOT_SET}\nretention: {channels: {}}").settings
    with pytest.raises(ConfigError, match=r"\$\{X\}: unknown key"):
        loaded(tmp_path, "'${X}': 1", X="data")


def test_a_value_that_is_wholly_an_empty_placeholder_counts_as_left_out(tmp_path: Path) -> None:
    assert post(tmp_path, "password: '${X:-}'").password is None
    assert post(tmp_path, "proxy: '${X}'", X="").proxy is None
    assert post(tmp_path, "note: 'a${X:-}'").note == "a"
    with pytest.raises(ConfigError, match="kind: is missing"):
        loaded(tmp_path, "channels: {a: {kind: '${X:-}'}}")


# Secrets


@pytest.mark.parametrize("form", ["{value}", "{{env: PASSWORD}}", "{{file: secret.txt}}", "'${{PASSWORD}}'"])
def test_a_secret_has_four_forms_and_is_shown_by_none(tmp_path: Path, form: str) -> None:
    (tmp_path / "secret.txt").write_text(SECRET + "\n")
    text = f"channels: {{a: {{kind: post, password: {form.format(value=SECRET)}}}}}\n"
    found = loaded(tmp_path, text, PASSWORD=SECRET)
    channel = found.settings.channels["a"]
    assert isinstance(channel, PostSettings) and channel.password is not None
    assert channel.password.get_secret_value() == SECRET
    for shown in (repr(found), str(found.settings), show.show(found.settings)):
        assert SECRET not in shown


def test_a_password_in_an_address_is_not_shown(tmp_path: Path) -> None:
    text = f"channels: {{a: {{kind: post, proxy: 'http://me:{SECRET}@proxy:3128'}}}}\n"
    assert SECRET not in show.show(loaded(tmp_path, text).settings)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "is empty"),
        (b"\xff\xfe", "is not UTF-8"),
        (b"x" * 65_537, "is larger than 65536 bytes"),
    ],
)
def test_a_secret_file_that_cannot_be_meant_is_refused(tmp_path: Path, data: bytes, why: str) -> None:
    (tmp_path / "s").write_bytes(data)
    with pytest.raises(ConfigError, match=why):
        post(tmp_path, "password: {file: s}")


class _Talkative(ChannelSettings):
    password: Secret = Field(description="Password.")
    code: int = Field(description="A number.")

    def model_post_init(self, context: Any) -> None:
        raise ValueError(f"cannot use {self.password.get_secret_value()}; try another")


@pytest.mark.parametrize("form", [SECRET, "{env: PASSWORD}", "{file: secret.txt}"])
@pytest.mark.parametrize("rest", ["code: 1", f"code: {SECRET}", f"code: 1, passwort: {SECRET}"])
def test_no_mistake_repeats_a_secret_even_when_a_kind_s_own_check_does(
    tmp_path: Path, form: str, rest: str
) -> None:
    (tmp_path / "secret.txt").write_text(SECRET)
    spec = ConnectorSpec(
        kind="post", settings=_Talkative, build=_never, on_uncertain=OnUncertain.HOLD, summary="x"
    )
    path = tmp_path / "x.yaml"
    path.write_text(f"channels: {{a: {{kind: post, password: {form}, {rest}}}}}\n")
    with pytest.raises(ConfigError) as caught:
        load(path, connectors={"post": spec}, destinations={}, environ={"PASSWORD": SECRET})
    for shown in (str(caught.value), repr(caught.value), repr(caught.value.problems)):
        assert SECRET not in shown
    assert caught.value.__cause__ is None and caught.value.__context__ is None


@pytest.mark.parametrize(
    "text",
    [
        f"password: *{SECRET}",
        f"password: !{SECRET} x",
        f"password: !{SECRET}!x y",
        f"password: '{SECRET}",
        f"password: [{SECRET}",
        f"password: %{SECRET}",
        f"password: |{SECRET}",
        f"password: {SECRET}: x",
    ],
)
def test_a_slip_in_the_yaml_around_a_secret_does_not_repeat_it(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, text)
    assert SECRET not in str(caught.value)


def test_authorities_are_looked_for_beside_the_file(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("")
    assert post(tmp_path, "ca_file: ca.pem").ca_file == str(tmp_path / "ca.pem")
    assert post(tmp_path, f"ca_file: {tmp_path / 'ca.pem'}").ca_file == str(tmp_path / "ca.pem")


def test_a_proxy_that_cannot_be_used_is_told_without_its_password(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="must be http://HOST:PORT") as caught:
        post(tmp_path, f"proxy: 'socks9://user:{SECRET}@proxy.example.org:1080'")
    assert SECRET not in str(caught.value)


# The shipped examples


def test_the_demo_needs_nothing_from_the_environment() -> None:
    report = check.check(EXAMPLES / "demo.yaml", environ={})
    assert report.problems == () and report.loaded is not None
    settings = report.loaded.settings
    assert (settings.listen.host, settings.listen.port) == ("127.0.0.1", 8080)
    assert settings.data == Path("var")
    assert settings.api.admin_token is None
    assert {name: one.kind for name, one in settings.channels.items()} == {
        "chat": "chat", "form": "form", "hook": "webhook", "mail": "email",
    }  # fmt: skip
    assert report.cases > 0


def test_the_demo_follows_its_variables() -> None:
    environ = {
        "FOREBAY_PORT": "9090",
        "FOREBAY_SMTP_PORT": "9025",
        "FOREBAY_DATA": "/tmp/elsewhere",
        "FOREBAY_TOKEN": "0123456789abcdef",
    }
    settings = load(EXAMPLES / "demo.yaml", environ=environ).settings
    mail = settings.channels["mail"]
    assert isinstance(mail, EmailSettings) and mail.door is not None
    assert (settings.listen.port, mail.door.port, settings.data) == (9090, 9025, Path("/tmp/elsewhere"))
    assert mail.outgoing is not None
    assert getattr(mail.outgoing, "folder", None) == "/tmp/elsewhere/outgoing"
    assert settings.api.admin_token is not None


def test_the_office_is_a_whole_configuration_and_shows_no_secret() -> None:
    report = check.check(EXAMPLES / "office.yaml", environ=OFFICE)
    assert report.problems == () and report.loaded is not None
    shown = show.show(report.loaded.settings)
    assert not any(secret in shown for secret in OFFICE.values()) and SECRET not in shown
    assert yaml.safe_load(shown)["channels"]["mail"]["imap"]["password"] == "********"
    assert yaml.safe_load(shown)["metrics"]["allow"] == ["127.0.0.0/8", "10.20.0.0/16"]


@pytest.mark.parametrize("missing", sorted(OFFICE))
def test_every_secret_of_the_office_is_needed(missing: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(EXAMPLES / "office.yaml", environ={k: v for k, v in OFFICE.items() if k != missing})
    assert all(missing in problem.message for problem in caught.value.problems)


@pytest.mark.parametrize("name", ["demo.yaml", "office.yaml"])
def test_shipped_files_name_their_schema(name: str) -> None:
    first = (EXAMPLES / name).read_text(encoding="utf-8").splitlines()[0]
    assert first == "# yaml-language-server: $schema=config.schema.json"
    assert (EXAMPLES / "config.schema.json").is_file()


# Check


def test_a_rule_case_that_fails_is_told_at_its_line(tmp_path: Path) -> None:
    (tmp_path / "cases.yaml").write_text(
        "cases:\n"
        "  - {name: right, message: {text: help}, expect: {urgency: urgent}}\n"
        "  - {name: wrong, message: {text: hello}, expect: {urgency: urgent}}\n"
    )
    path = tmp_path / "x.yaml"
    path.write_text(
        "rule_cases: cases.yaml\nrules:\n  rules:\n    - name: help\n"
        "      when: 'record.text.contains(\"help\")'\n      set: {urgency: urgent}\n  default: {}\n"
    )
    report = check.check(path, environ={})
    assert not report.ok and report.cases == 2
    (problem,) = report.problems
    assert (problem.file, problem.line, problem.key) == (str(tmp_path / "cases.yaml"), 3, "cases[1]")
    assert 'the case "wrong" fails: urgency: expected urgent, got normal' in problem.message


def test_own_templates_go_before_the_shipped_ones(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    own = tmp_path / "mine" / "acknowledgement.en.txt"
    own.write_text("subject: Hello\n\nNumber {{ reference }}")
    found = loaded(tmp_path, "templates: mine")
    assert found.templates.render("acknowledgement", "en", SAMPLE).text == "Number FB-261122-7K3FQ\n"
    own.write_text("subject: Hello\n\nThe number {{ reference }}")
    assert diff.changes(found, loaded(tmp_path, "templates: mine")).templates
    own.write_text("subject: Hello\n\n{% if %}")
    with pytest.raises(ConfigError, match=r"forebay\.yaml:1:12: templates: acknowledgement\.en\.txt:3: "):
        loaded(tmp_path, "templates: mine")


def test_a_rule_that_names_no_template_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r'names no template; did you mean "out_of_scope"\?'):
        loaded(tmp_path, "rules: {default: {acknowledgement: out_of_scop}}")


# Differences


def test_nothing_changed_is_no_change(tmp_path: Path) -> None:
    assert not diff.changes(loaded(tmp_path, "{}"), loaded(tmp_path, "{data: var} # said anew"))


def test_changes_are_told_by_channel_and_by_what_waits_for_a_restart(tmp_path: Path) -> None:
    old = loaded(
        tmp_path,
        "listen: {port: 1}\nchannels: {a: {kind: post}, b: {kind: post, password: '${P}'}, c: {kind: post}}",
        P="one",
    )
    new = loaded(
        tmp_path,
        "listen: {port: 2}\nlog: {level: debug}\nrules: {rules: [], natures: [x]}\n"
        "channels: {b: {kind: post, password: '${P}'}, c: {kind: post}, d: {kind: post}}",
        P="two",
    )
    found = diff.changes(old, new)
    assert found
    assert found.channels == diff.Names(frozenset({"d"}), frozenset({"a"}), frozenset({"b"}))
    assert not found.destinations
    assert found.rules and not found.templates
    assert found.settings == ("log",)
    assert found.restart == ("listen",)


def test_every_top_level_setting_is_either_swapped_or_waits_for_a_restart() -> None:
    apart = {"channels", "destinations", "rules", "templates"}
    assert {*diff.RESTART, *diff.SWAP, *apart} == set(Settings.model_fields)


# Noise

_words = st.sampled_from(
    [*Settings.model_fields, "kind", "post", "file", "env", "name", "token", "when", "set", "rules", "default",
     "a", "${A}", "${", "$${", "${A:-b}", "x" * 50, "", "<<", "\x85", "…", "true", "1e9", "-1"]
)  # fmt: skip
_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | _words,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_words, inner, max_size=5),
    max_leaves=12,
)
_quiet = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def _survives(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "noise.yaml"
    path.write_bytes(data)
    try:
        load(path, connectors={"post": POST}, destinations={}, environ={"A": "1"})
    except ConfigError as error:
        assert error.problems
        assert all(problem.message for problem in error.problems)


@_quiet
@given(value=st.dictionaries(_words, _values, max_size=6))
def test_any_mapping_loads_or_is_told_what_is_wrong(tmp_path: Path, value: Any) -> None:
    _survives(tmp_path, yaml.safe_dump(value, allow_unicode=True).encode("utf-8", "surrogatepass"))


@_quiet
@given(
    data=st.binary(max_size=200) | st.text("{}[]&*!|>'\"%@`:-?, \n\tab${}<#\\\r", max_size=80).map(str.encode)
)
def test_any_bytes_load_or_are_told_what_is_wrong(tmp_path: Path, data: bytes) -> None:
    _survives(tmp_path, data)


@_quiet
@given(at=st.integers(0, 3000), put=st.binary(max_size=4), cut=st.integers(0, 40))
def test_a_damaged_office_loads_or_is_told_what_is_wrong(
    tmp_path: Path, at: int, put: bytes, cut: int
) -> None:
    data = (EXAMPLES / "office.yaml").read_bytes()
    path = tmp_path / "office.yaml"
    path.write_bytes(data[:at] + put + data[at + cut :])
    try:
        load(path, environ=OFFICE)
    except ConfigError as error:
        assert error.problems and SECRET not in str(error)
