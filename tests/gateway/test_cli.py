"""The command line: what is printed, asked and exited with; the house behind it is played by canned answers."""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway import cli, control, terminal
from gateway.commands import shared
from gateway.trouble import Exit, Trouble
from tests.rigs.tools import NOW

ROOT = str(Path(__file__).parents[2])
SECRET = "a-secret-nobody-may-see-0123"
CONFIG = """
data: data
channels:
  form: {kind: form}
"""
MAIL = """data: data
listen: {port: 0}
channels:
  mail: {kind: email, address: a@example.org, door: {port: 0}}
"""
ENVELOPE = {
    "id": "01a20166-db59-7590-a836-8728af774db5",
    "reference": "FB-261122-7K3FQ",
    "channel": "form",
    "kind": "form",
    "state": "held",
    "reason": "一个看不见的字段被填写了：可能是机器人发送的，请人工检查后再决定是否登记受理",
    "received_at": NOW.isoformat(),
}
DELIVERY = {
    "id": "01a20166-db59-7590-a836-8728af774db5",
    "purpose": "acknowledgement",
    "target": "mail",
    "reference": "FB-261122-7K3FQ",
    "state": "dead",
    "reason": "server",
    "detail": "HTTP 500",
    "address": "wang@example.com",
    "created_at": NOW.isoformat(),
}


class House:
    """Gives canned answers by path, and keeps what it was asked."""

    def __init__(self) -> None:
        self.running = True
        self.answers: dict[str, Any] = {}
        self.asked: list[tuple[str, str, Any]] = []

    async def get(self, path: str, **query: Any) -> Any:
        self.asked.append(("GET", path, {k: v for k, v in query.items() if v not in (None, [])}))
        return self._answer(path)

    async def post(self, path: str, body: Any = None, headers: Any = None) -> Any:
        self.asked.append(("POST", path, body))
        return self._answer(path)

    def _answer(self, path: str) -> Any:
        answer = self.answers[path]
        if isinstance(answer, Exception):
            raise answer
        return answer

    @property
    def posted(self) -> list[tuple[str, Any]]:
        return [(path, body) for method, path, body in self.asked if method == "POST"]


@pytest.fixture
def house(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> House:
    made = House()

    @contextlib.asynccontextmanager
    async def connect(_loaded: Any) -> AsyncIterator[House]:
        yield made

    monkeypatch.setattr(control, "connect", connect)
    monkeypatch.setattr(shared, "quiet_log", lambda: None)  # it would outlive the test
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("FOREBAY_CONFIG", raising=False)
    (tmp_path / "forebay.yaml").write_text(CONFIG)
    return made


def cells(line: str) -> int:
    """The width of a line at a terminal."""
    from rich.cells import cell_len

    return cell_len(line)


# ---- tables and JSON


@pytest.mark.parametrize(
    ("command", "path", "answer"),
    [
        (["inbox", "list"], "/v1/inbox", {"envelopes": [ENVELOPE]}),
        (["outbox", "list"], "/v1/outbox", {"deliveries": [DELIVERY]}),
        (
            ["channel", "list"],
            "/v1/channels",
            {
                "channels": [
                    {
                        "name": "a-name-of-thirty-two-characters-x",
                        "kind": "webhook",
                        "state": "failing",
                        "roles": ["fetches", "receives", "listens", "sends"],
                        "waiting": 1234,
                        "last_in_at": NOW.isoformat(),
                        "detail": "HTTP 401: check the credentials",
                        "repair": "在设置里更新密码",
                    }
                ]
            },
        ),
        (
            ["audit"],
            "/v1/admin/audit",
            {
                "balanced": True,
                "findings": [],
                "lines": [
                    {
                        "day": "2026-11-22",
                        "channel": "form",
                        "received": 12345,
                        "by_state": {"registered": 12000, "joined": 300, "ignored": 45},
                        "children": 0,
                        "difference": 0,
                    }
                ],
            },
        ),
    ],
)
def test_tables_fit_eighty_columns_of_a_terminal_in_chinese_too(
    house: House, capsys: pytest.CaptureFixture[str], command: list[str], path: str, answer: Any
) -> None:
    house.answers[path] = answer
    assert cli.run(command) == 0
    out = capsys.readouterr().out
    assert max(cells(line.rstrip()) for line in out.splitlines()) <= 80
    assert cli.run([*command, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == answer


def test_a_delivery_is_listed_with_its_whole_id_and_why(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    house.answers["/v1/outbox"] = {"deliveries": [DELIVERY]}
    cli.run(["outbox", "list", "--state", "dead", "--suppressed"])
    out = capsys.readouterr().out
    assert DELIVERY["id"] in out and "server: HTTP 500" in out and "FB-261122-7K3FQ" in out
    assert house.asked[0][2] == {"state": ["dead"], "suppressed": "1", "limit": 50}


def test_a_customers_words_cannot_steer_the_terminal(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    house.answers["/v1/inbox"] = {
        "envelopes": [{**ENVELOPE, "reason": "\x1b[2J\x1b]0;owned\x07 \u202e[red]x[/red]"}]
    }
    cli.run(["inbox", "list"])
    out = capsys.readouterr().out
    assert "\x1b" not in out and "\x07" not in out and "\u202e" not in out
    assert "[red]x[/red]" in out  # words, not markup


def test_since_may_be_a_span(house: House) -> None:
    house.answers["/v1/inbox"] = {"envelopes": []}
    assert cli.run(["inbox", "list", "--since", "2h"]) == 0
    assert "T" in house.asked[0][2]["since"]
    assert cli.run(["inbox", "list", "--since", "yesterday-ish"]) == Exit.USAGE


def test_records_are_paged_until_the_limit(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    house.answers["/v1/records"] = {"records": [{"n": 1}] * 200, "next": "x"}
    assert cli.run(["records", "list", "--limit", "250", "--json"]) == 0
    assert [query["limit"] for _, _, query in house.asked] == [200, 50]


# ---- verbs over many things


def test_a_selection_changes_nothing_without_a_yes(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    house.answers = {"/v1/outbox": {"deliveries": [DELIVERY, {**DELIVERY, "id": "other"}]}}
    assert cli.run(["outbox", "redrive", "--state", "dead"]) == Exit.USAGE
    assert "2 deliveries" in capsys.readouterr().err
    assert house.posted == []


def test_with_yes_the_count_is_told_and_the_verb_applied(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    house.answers = {
        "/v1/outbox": {"deliveries": [DELIVERY]},
        "/v1/outbox/redrive": {"redriven": 1, "left": 0},
    }
    assert cli.run(["outbox", "redrive", "--target", "mail", "--yes", "--json"]) == 0
    told = capsys.readouterr()
    assert "Try again: 1 delivery." in told.err
    assert json.loads(told.out)["redriven"] == 1
    assert house.asked[0][2] == {"state": ["dead"], "target": "mail", "limit": 1000}
    assert house.posted == [("/v1/outbox/redrive", {"ids": [DELIVERY["id"]]})]


def test_one_named_thing_needs_no_yes(house: House) -> None:
    house.answers["/v1/inbox/release"] = {"released": 1, "left": 0}
    assert cli.run(["inbox", "release", "FB-261122-7K3FQ"]) == 0
    assert house.posted == [("/v1/inbox/release", {"ids": ["FB-261122-7K3FQ"]})]


def test_what_was_left_alone_shows_in_the_exit_code(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    house.answers["/v1/outbox/hold"] = {"held": 0, "left": 1}
    assert cli.run(["outbox", "hold", "x"]) == 1
    assert "left 1 alone" in capsys.readouterr().out


@pytest.mark.parametrize(
    "command",
    [
        ["inbox", "replay"],
        ["outbox", "cancel"],
        ["outbox", "cancel", "x", "--state", "dead"],
        ["outbox", "resolve", "x"],
        ["inbox", "ignore", "x"],  # nothing is dropped without a reason
        ["inbox", "nonsense"],
        ["reply", "FB-1"],
        ["reply", "FB-1", "-", "--text", "x"],
        ["schema", "nonsense"],
        ["normalize", "--kind", "nonsense", "x"],
    ],
)
def test_wrong_usage_is_64_and_asks_nothing_of_the_house(house: House, command: list[str]) -> None:
    assert cli.run(command) == Exit.USAGE
    assert house.asked == []


def test_a_dry_run_needs_no_yes_and_shows_the_changes(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    house.answers = {
        "/v1/inbox": {"envelopes": [ENVELOPE, ENVELOPE]},
        "/v1/inbox/replay": {
            "replayed": [
                {"reference": "FB-1", "changes": {"subject": ["old", "新的"]}},
                {"reference": "FB-2", "changes": {}},
                {"reference": "FB-3", "error": "cut off"},
                {"reference": "FB-4", "left": "it is joined"},
            ]
        },
    }
    assert cli.run(["inbox", "replay", "--channel", "form", "--dry-run"]) == 0
    out = capsys.readouterr().out
    for said in (
        "subject: old → 新的",
        "reads the same",
        "cannot be read: cut off",
        "left alone: it is joined",
    ):
        assert said in out


def test_release_shows_what_waits_before_it_asks(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    waits = {
        "on_hold": True,
        "why": "the database was restored, copied or moved",
        "counts": {"envelopes": {"waiting": 2}, "deliveries": {"waiting": 7}},
        "deliveries": {"mail": 7},
    }
    house.answers = {"/v1/admin/waiting": waits, "/v1/admin/release": {"released": True}}
    assert cli.run(["release"]) == Exit.USAGE
    shown = capsys.readouterr().out
    assert "copied or moved" in shown and "mail: 7" in shown
    assert [path for path, _ in house.posted] == ["/v1/admin/waiting"]
    assert cli.run(["release", "--yes"]) == 0
    assert "Released." in capsys.readouterr().out


def test_an_unbalanced_audit_is_1(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    finding = {"check": "blob", "id": "x", "detail": "its bytes are gone"}
    house.answers["/v1/admin/audit"] = {"balanced": False, "lines": [], "findings": [finding]}
    assert cli.run(["audit"]) == 1
    assert "its bytes are gone" in capsys.readouterr().out


def test_a_reply_goes_with_its_files(house: House, tmp_path: Path) -> None:
    house.answers["/v1/records/FB-1/replies"] = {"id": "d", "reference": "FB-1"}
    (tmp_path / "answer.txt").write_text("您好")
    (tmp_path / "plan.pdf").write_bytes(b"%PDF")
    command = ["reply", "FB-1", "--file", "answer.txt", "--attach", "plan.pdf", "--cc", "a@example.com"]
    assert cli.run(command) == 0
    (_, body) = house.posted[0]
    assert body["text"] == "您好" and body["cc"] == ["a@example.com"]
    assert body["attachments"] == [
        {"filename": "plan.pdf", "media_type": "application/pdf", "data": "JVBERg=="}
    ]


def test_reload_without_a_daemon_says_so(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    house.running = False
    assert cli.run(["reload"]) == Exit.UNAVAILABLE
    assert "no daemon runs" in capsys.readouterr().err


def test_a_failing_probe_is_69(house: House) -> None:
    house.answers["/v1/channels/mail/probe"] = {"state": "failing", "detail": "x", "repair": "y"}
    assert cli.run(["channel", "probe", "mail"]) == Exit.UNAVAILABLE


# ---- going back, and consenting


def test_a_backfill_counts_first_and_asks(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    house.answers["/v1/channels/mail/backfill"] = {"found": {"INBOX": 1234, "已归档": 1}, "dry_run": True}
    assert cli.run(["backfill", "mail", "--since", "2026-11-01"]) == Exit.USAGE
    assert "Fetch 1235 messages since 2026-11-01 (INBOX: 1,234, 已归档: 1)" in capsys.readouterr().err
    assert house.posted == [("/v1/channels/mail/backfill", {"since": "2026-11-01", "dry_run": True})]
    assert cli.run(["backfill", "mail", "--since", "2026-11-01", "--dry-run"]) == 0
    assert "INBOX: 1234 messages since 2026-11-01" in capsys.readouterr().out
    assert cli.run(["backfill", "mail", "--since", "2026-11-01", "--yes"]) == 0
    assert house.posted[-1] == ("/v1/channels/mail/backfill", {"since": "2026-11-01"})


def test_consenting_takes_what_the_browser_was_sent_to(
    house: House, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    house.answers["/v1/channels/mail/authorise"] = {"url": "https://x.example/?a=b", "authorised_until": None}
    monkeypatch.setattr("sys.stdin", io.StringIO("http://localhost/?code=c&state=s\n"))
    assert cli.run(["channel", "authorise", "mail"]) == 0
    told = capsys.readouterr()
    assert "https://x.example/?a=b" in told.err and "mail: authorised." in told.out
    assert house.posted[-1][1] == {"answer": "http://localhost/?code=c&state=s"}


# ---- failures


def test_the_houses_words_are_one_line_and_its_code_the_exit_code(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    house.answers["/v1/inbox/x%2Fy"] = Trouble("there is no envelope x/y", Exit.NO_INPUT)
    assert cli.run(["inbox", "show", "x/y"]) == Exit.NO_INPUT
    assert capsys.readouterr().err == "forebay: there is no envelope x/y\n"


def test_an_error_of_ours_shows_neither_traceback_nor_its_words(
    house: House, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(cli.DEBUG, raising=False)
    house.answers["/v1/channels"] = RuntimeError(SECRET)
    assert cli.run(["channel", "list"]) == Exit.SOFTWARE
    err = capsys.readouterr().err
    assert "RuntimeError" in err and SECRET not in err and "Traceback" not in err


def test_without_a_configuration_the_places_that_were_looked_at_are_named(
    house: House, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "forebay.yaml").rename(tmp_path / "other.yaml")
    assert cli.run(["check"]) == Exit.CONFIG
    assert "forebay.yaml" in (err := capsys.readouterr().err) and "FOREBAY_CONFIG" in err
    monkeypatch.setenv("FOREBAY_CONFIG", str(tmp_path / "other.yaml"))
    assert cli.run(["check"]) == 0


def test_every_problem_of_a_configuration_is_printed_with_78(
    house: House, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text(f"listen: {{prot: 1}}\nchannels:\n  x: {{kind: fax}}\napi: {{admin_token: [{SECRET}]}}\n")
    assert cli.run(["check", "-c", "bad.yaml"]) == Exit.CONFIG
    err = capsys.readouterr().err
    assert "bad.yaml:1:" in err and "bad.yaml:3:" in err and "3 problems" in err
    assert SECRET not in err
    assert cli.run(["inbox", "list", "-c", "bad.yaml"]) == Exit.CONFIG
    assert capsys.readouterr().err.count("forebay: ") == 3


def test_the_effective_configuration_masks_its_secrets(
    house: House, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "forebay.yaml").write_text(CONFIG + f"api: {{admin_token: {SECRET}}}\n")
    assert cli.run(["check", "--show"]) == 0
    out = capsys.readouterr().out
    assert "admin_token: '********'" in out and SECRET not in out
    assert cli.run(["check", "--show", "--json"]) == 0
    out = capsys.readouterr().out
    assert json.loads(out)["settings"]["api"]["admin_token"] == "********" and SECRET not in out


@pytest.mark.parametrize("what", ["config", "record"])
def test_schemas_are_json_schema(house: House, what: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["schema", what]) == 0
    assert json.loads(capsys.readouterr().out)["$schema"].startswith("https://json-schema.org/")


# ---- normalize and route


def test_normalize_gives_one_line_a_file_in_order_without_a_configuration(
    house: House, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    (tmp_path / "forebay.yaml").unlink()
    (tmp_path / "one.json").write_text('{"message": "第一"}')
    (tmp_path / "two.json").write_text("{broken")
    (tmp_path / "three.json").write_text('{"message": "third"}')
    assert cli.run(["normalize", "--kind", "form", "one.json", "two.json", "three.json"]) == 0
    lines = [json.loads(line) for line in capfdbinary.readouterr().out.splitlines()]
    assert [one.get("text") for one in lines] == ["第一", None, "third"]
    assert list(lines[1]) == ["error"]
    assert list(tmp_path.iterdir()) and not (tmp_path / "var").exists()
    assert house.asked == []


def test_a_missing_file_has_its_line_too_and_the_exit_code_says_so(
    house: House, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    (tmp_path / "one.json").write_text('{"message": "x"}')
    assert cli.run(["normalize", "--kind", "form", "gone.json", "one.json"]) == Exit.NO_INPUT
    first, second = map(json.loads, capfdbinary.readouterr().out.splitlines())
    assert first == {"error": "gone.json: No such file or directory"} and second["text"] == "x"


def test_route_tells_which_rule_took_a_message_and_why(
    house: House, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "forebay.yaml").write_text(
        CONFIG
        + """
rules:
  words: {lifts: [电梯]}
  rules:
    - {name: spam, when: "record.subject == 'buy'", set: {in_scope: false}}
    - {name: lifts, when: "mentions('lifts')", set: {department: engineering, urgency: urgent}}
    - {name: late, when: "true", set: {department: other}}
  default: {department: desk}
"""
    )
    (tmp_path / "one.json").write_text('{"subject": "三号楼", "message": "电梯坏了"}')
    assert cli.run(["route", "one.json", "--kind", "form", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["decision"]["department"] == "engineering" and told["decision"]["rules"] == ["lifts"]
    assert [one["outcome"] for one in told["verdicts"]] == ["not matched", "matched", "skipped"]
    assert cli.run(["route", "one.json", "--kind", "form"]) == 0
    out = capsys.readouterr().out
    assert "found '电梯'" in out and "engineering" in out
    assert max(cells(line.rstrip()) for line in out.splitlines()) <= 80


def test_of_several_channels_of_a_kind_one_must_be_chosen(
    house: House, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "forebay.yaml").write_text(CONFIG + "  second: {kind: form, fields: {message: words}}\n")
    (tmp_path / "one.json").write_text('{"message": "a", "words": "b"}')
    assert cli.run(["route", "one.json", "--kind", "form"]) == Exit.USAGE
    assert "form, second" in capsys.readouterr().err
    assert cli.run(["route", "one.json", "--kind", "form", "--channel", "second"]) == 0


# ---- the process


def test_help_is_there_in_a_moment_and_loads_nothing_heavy() -> None:
    code = (
        "import sys; from gateway import cli; cli.run(['--help']);"
        "heavy = {'aiohttp', 'sqlalchemy', 'pydantic', 'prometheus_client', 'cel', 'structlog'};"
        "sys.exit(', '.join(sorted(heavy & set(sys.modules))) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert "Exit codes:" in done.stdout


def test_python_m_gateway_is_the_same_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "gateway", "version"], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0 and done.stdout.startswith("forebay ")


def test_without_a_daemon_standard_output_is_the_answer_alone(tmp_path: Path) -> None:
    (tmp_path / "forebay.yaml").write_text(CONFIG)

    def forebay(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "gateway", *arguments, "--json"]
        env = {"PATH": "/usr/bin:/bin", "PYTHONPATH": ROOT}
        return subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=60, cwd=tmp_path, env=env
        )

    assert json.loads(forebay("channel", "list").stdout)["channels"][0]["name"] == "form"
    # A copy is on hold; releasing it is something that the house logs.
    data, moved = tmp_path / "data", tmp_path / "copy.db"
    moved.write_bytes((data / "forebay.db").read_bytes())
    moved.replace(data / "forebay.db")
    done = forebay("release", "--yes")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["released"] is True
    assert json.loads(forebay("release", "--yes").stdout)["released"] is False


def test_a_question_takes_only_a_yes(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    for answer, goes_on in (("y\n", True), ("YES\n", True), ("n\n", False), ("\n", False), ("", False)):
        monkeypatch.setattr(sys, "stdin", Terminal(answer))
        with contextlib.nullcontext() if goes_on else pytest.raises(Trouble):
            terminal.confirm("Do it.", yes=False)


@pytest.mark.parametrize("command", ["run", "check"])
def test_a_kind_whose_extra_is_not_installed_is_a_line_and_not_a_traceback(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    path = tmp_path / "forebay.yaml"
    path.write_text(MAIL)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "aioimaplib", None)
    assert cli.run([command, "-c", str(path)]) == Exit.CONFIG
    error = capsys.readouterr().err
    assert f"{path}:4:16: channels.mail.kind: " in error
    assert "pip install 'forebay[email]'" in error
    assert "Traceback" not in error
    assert not (tmp_path / "data").exists()


def test_a_library_that_is_there_and_cannot_be_imported_stops_the_start_as_well(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "forebay.yaml"
    path.write_text(MAIL)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "connectors.email.connector", raising=False)
    monkeypatch.setitem(sys.modules, "connectors.email.mailbox", None)
    assert cli.run(["run", "-c", str(path)]) == Exit.CONFIG
    error = capsys.readouterr().err
    assert "pip install 'forebay[email]'" in error
    assert "Traceback" not in error
