"""The log: one line an event, libraries included, and nothing secret in it."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError

from config.secrets import MASK
from config.settings import LogSettings
from gateway import logs

SECRET = "hunter2-correct-horse"


@pytest.fixture
def out() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    logs.set_up(LogSettings(format="json", level="debug"), stream)
    yield stream
    structlog.reset_defaults()
    logging.captureWarnings(False)
    root.handlers[:] = handlers
    root.setLevel(level)


def lines(out: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_an_event_is_one_json_line_with_time_level_and_facts(out: io.StringIO) -> None:
    structlog.get_logger("forebay.test").info("envelope stored", channel="表单", size=7)
    (line,) = lines(out)
    assert line["event"] == "envelope stored"
    assert line["level"] == "info"
    assert line["logger"] == "forebay.test"
    assert line["channel"] == "表单" and line["size"] == 7
    assert line["timestamp"].endswith("Z")


def test_lines_of_libraries_have_the_same_form(out: io.StringIO) -> None:
    logging.getLogger("aiohttp.server").warning("bad request from %s", "10.1.1.1", extra={"status": 400})
    (line,) = lines(out)
    assert line["event"] == "bad request from 10.1.1.1"
    assert line["logger"] == "aiohttp.server" and line["level"] == "warning" and line["status"] == 400


def test_chatty_libraries_are_kept_to_warnings(out: io.StringIO) -> None:
    logging.getLogger("aiohttp.access").info("GET /")
    logging.getLogger("mail.log").info("Peer: ...")
    assert out.getvalue() == ""


def test_the_level_holds_for_both(out: io.StringIO) -> None:
    logs.set_up(LogSettings(format="json", level="warning"), out)
    structlog.get_logger("a").info("quiet")
    logging.getLogger("b").info("quiet")
    structlog.get_logger("a").warning("loud")
    assert [line["event"] for line in lines(out)] == ["loud"]


def test_setting_up_again_does_not_double_lines(out: io.StringIO) -> None:
    logs.set_up(LogSettings(format="json"), out)
    structlog.get_logger("a").info("once")
    assert len(lines(out)) == 1


def test_the_reference_is_bound_to_everything_inside(out: io.StringIO) -> None:
    with logs.about("FB-261122-7K3FQ", channel="mail"):
        structlog.get_logger("a").info("sent")
        logging.getLogger("aiosmtplib").info("250 OK")
    structlog.get_logger("a").info("later")
    inside, library, later = lines(out)
    assert inside["reference"] == library["reference"] == "FB-261122-7K3FQ"
    assert inside["channel"] == "mail"
    assert "reference" not in later


@pytest.mark.parametrize(
    "key", ["password", "token", "access_token", "client_secret", "Authorization", "api_key", "Set-Cookie"]
)
def test_what_stands_under_a_secret_key_is_masked_at_any_depth(out: io.StringIO, key: str) -> None:
    log = structlog.get_logger("a")
    log.info("one", **{key: SECRET})
    log.info("two", headers={key: SECRET, "accept": "text/html"}, many=[{key: {"deep": SECRET}}])
    assert SECRET not in out.getvalue()
    assert lines(out)[1]["headers"]["accept"] == "text/html"


@pytest.mark.parametrize(
    "text",
    [
        f"connecting to postgresql://forebay:{SECRET}@db/forebay",
        f"GET https://api.example/x?access_token={SECRET}&y=1",
        f"sent Authorization: Bearer {SECRET}",
    ],
)
def test_secrets_inside_of_texts_are_masked(out: io.StringIO, text: str) -> None:
    structlog.get_logger("a").info(text)
    logging.getLogger("b").info("%s", text)
    assert SECRET not in out.getvalue()
    assert out.getvalue().count(MASK) == 2


def test_a_secret_setting_shows_only_stars(out: io.StringIO) -> None:
    structlog.get_logger("a").info("x", setting=SecretStr(SECRET))
    assert SECRET not in out.getvalue()


class _Chatty(BaseModel):
    model_config = ConfigDict(extra="forbid")  # echoes its input, unlike ours
    port: int


def test_an_exception_keeps_its_traceback_without_pydantic_s_input(out: io.StringIO) -> None:
    def broken() -> None:
        try:
            _Chatty.model_validate({"port": SECRET})
        except ValidationError as error:
            raise RuntimeError("could not start") from error

    try:
        broken()
    except RuntimeError:
        structlog.get_logger("a").exception("start failed")
        logging.getLogger("b").exception("start failed")
    assert SECRET not in out.getvalue()
    for line in lines(out):
        assert "RuntimeError: could not start" in line["exception"]
        assert "ValidationError: _Chatty: port (int_parsing)" in line["exception"]
        assert "in broken" in line["exception"]
        assert "direct cause" in line["exception"]


def test_every_member_of_an_exception_group_is_told(out: io.StringIO) -> None:
    group = ExceptionGroup("two tasks", [ValueError("first"), OSError("second")])
    structlog.get_logger("a").error("tasks failed", exc_info=group)
    (line,) = lines(out)
    assert "ValueError: first" in line["exception"] and "OSError: second" in line["exception"]


def test_a_pydantic_error_given_as_a_fact_does_not_echo(out: io.StringIO) -> None:
    with pytest.raises(ValidationError) as caught:
        _Chatty.model_validate({"port": SECRET})
    structlog.get_logger("a").error("bad", error=caught.value)
    assert SECRET not in out.getvalue()
    assert "port (int_parsing)" in lines(out)[0]["error"]


def test_a_line_break_in_a_fact_does_not_forge_a_line(out: io.StringIO) -> None:
    structlog.get_logger("a").info("name", name='x\n{"event": "forged"}')
    assert len(lines(out)) == 1


def test_at_a_terminal_it_is_made_for_eyes() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = Terminal()
    try:
        logs.set_up(LogSettings(), stream)
        logs.channel_log("mail", "email").info("polled", n=3)
    finally:
        structlog.reset_defaults()
        logging.captureWarnings(False)
        root.handlers[:] = handlers
        root.setLevel(level)
    text = stream.getvalue()
    assert "polled" in text and "mail" in text and not text.startswith("{")
