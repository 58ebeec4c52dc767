"""user and trail: who may log in at the desk, and who did what."""

from __future__ import annotations

import getpass
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway import terminal
from gateway.commands import shared
from gateway.commands.shared import Config, Json, Limit
from gateway.terminal import Column, when
from gateway.trouble import Trouble

app = typer.Typer(no_args_is_help=True, help="Who may log in at the desk.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="Who.")]
Role = Annotated[
    str,
    typer.Option("--role", "-r", help="clerk, department, coordinator, supervisor, auditor or operator."),
]
Departments = Annotated[
    list[str] | None, typer.Option("--department", "-d", help="Whose records; may be given again.")
]
PasswordFile = Annotated[
    Path | None,
    typer.Option(
        "--password-file", help="File with the password, `-` for standard input; default: ask for it."
    ),
]

_COLUMNS = [
    Column("NAME", lambda row: str(row["name"])),
    Column("ROLE", lambda row: str(row["role"])),
    Column("DEPARTMENTS", lambda row: ", ".join(row["departments"]), grow=True),
    Column("LOGS IN", lambda row: "yes" if row["enabled"] else "no"),
    Column("SINCE", lambda row: when(row["created_at"])),
]
_ACTS = [
    Column("AT", lambda row: when(row["at"])),
    Column("WHO", lambda row: str(row["actor"])),
    Column("WHAT", lambda row: str(row["verb"])),
    Column("ON", lambda row: str(row["target"] or ""), grow=True),
]


@app.command("list")
def list_(config: Config = None, as_json: Json = False) -> None:
    """List users, by name."""
    found = shared.get(config, "/v1/users")
    if as_json:
        terminal.dump(found)
        return
    terminal.table(found["users"], _COLUMNS, "There is no user; the administrator's token opens the desk.")


@app.command()
def add(
    name: Name,
    role: Role,
    departments: Departments = None,
    password_file: PasswordFile = None,
    config: Config = None,
) -> None:
    """Add a user. The password is asked for, or read from a file: it stands in no command line."""
    body = {
        "name": name,
        "role": role,
        "departments": departments or [],
        "password": _password(password_file),
    }
    _post(config, "/v1/users", body)
    terminal.say(f"{name} may log in as {role}")


@app.command()
def role(name: Name, role: Role, departments: Departments = None, config: Config = None) -> None:
    """Give a user another role, or other departments; their sessions end."""
    _post(config, f"/v1/users/{shared.quoted(name)}/change", {"role": role, "departments": departments or []})
    terminal.say(f"{name} is {role} now")


@app.command()
def password(name: Name, password_file: PasswordFile = None, config: Config = None) -> None:
    """Set a user's password; their sessions end."""
    _post(config, f"/v1/users/{shared.quoted(name)}/password", {"password": _password(password_file)})
    terminal.say(f"{name} has a new password")


@app.command()
def disable(name: Name, config: Config = None) -> None:
    """Let a user log in no more; their sessions end at once, and what they did stays."""
    _post(config, f"/v1/users/{shared.quoted(name)}/disable", {})
    terminal.say(f"{name} is disabled")


@app.command()
def enable(name: Name, config: Config = None) -> None:
    """Let a user log in again."""
    _post(config, f"/v1/users/{shared.quoted(name)}/enable", {})
    terminal.say(f"{name} may log in again")


def trail(
    actor: Annotated[str | None, typer.Option("--actor", help="Only by this user or token.")] = None,
    before: Annotated[
        str | None, typer.Option("--before", help="Only before this time, as 2026-11-22T08:30:00Z.")
    ] = None,
    limit: Limit = 50,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Who did what: the verbs of users and tokens, on records and on the house, the latest first."""
    found = shared.get(config, "/v1/trail", actor=actor, before=before, limit=limit)
    if as_json:
        terminal.dump(found)
        return
    terminal.table(found["acts"], _ACTS, "Nobody did anything.")


def _post(config: Config, path: str, body: dict[str, Any]) -> dict[str, Any]:
    return shared.with_house(config, lambda house: house.post(path, body))


def _password(file: Path | None) -> str:
    """The password, without the end of its line."""
    if file is None:
        given = getpass.getpass("Password: ")
        if given != getpass.getpass("Once more: "):
            raise Trouble("the two are not the same")
        return given
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Trouble(f"cannot read {file}: {error}") from error
    return text.rstrip("\r\n")
