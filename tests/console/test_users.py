"""Roles at the desk: what each may see and do, in pages and posts, and who did what."""

from __future__ import annotations

import re
from pathlib import Path

import aiohttp
import pytest
from argon2 import PasswordHasher

import console
from casework import users as room
from console import rights
from console.app import served
from console.chat import Chat
from console.links import Links
from model.roles import EVERYTHING, RIGHTS, Right, Role
from tests.console.house import ADMIN, READER, House
from tests.console.test_desk import Client, clerk, client, hidden
from tests.rigs.tools import SECRET

__all__ = ["clerk", "client"]

PASSWORD = "four words make sense"
REFERENCE, OTHER = "FB-261122-AAAA2", "FB-261122-BBBB2"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        room, "PasswordHasher", lambda: PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    )


async def log_in(
    client: Client, name: str, password: str = PASSWORD, remote: str = "198.51.100.7"
) -> aiohttp.ClientResponse:
    page = await (await client.get("/desk/login")).text()
    form = {"name": name, "token": password, "csrf": hidden(page, "csrf"), "next": ""}
    headers = {"X-Test-Remote": remote}
    answer: aiohttp.ClientResponse = await client.post(
        "/desk/login", data=form, headers=headers, allow_redirects=False
    )
    return answer


async def seated(client: Client, house: House, role: str, *departments: str) -> Client:
    """Somebody of a role, logged in."""
    await house.users.add(role, role=role, departments=departments, password=PASSWORD, actor="admin")
    assert (await log_in(client, role)).status == 303
    return client


def test_every_address_of_the_desk_stands_in_the_table(house: House) -> None:
    services = house.services()
    routes = served(services, Chat(services, Links("", SECRET)))
    desk = {
        (one.method, _canonical(one.path))
        for one in routes
        if one.path.startswith("/desk") and "login" not in one.path
    }
    assert desk == set(rights.NEEDS)
    assert set(filter(None, rights.NEEDS.values())) <= set(Right)


def _canonical(path: str) -> str:
    return re.sub(r"\{(\w+):(?:[^{}]|\{[^{}]*\})*\}", r"{\1}", path)


def test_what_is_unknown_needs_every_right() -> None:
    assert rights.allowed(EVERYTHING, "GET", "/desk/new") and not rights.allowed(
        RIGHTS[Role.OPERATOR], "GET", "/desk/new"
    )


@pytest.mark.parametrize("role", list(Role))
async def test_a_role_sees_the_pages_it_may_and_no_way_to_others(
    client: Client, house: House, role: Role
) -> None:
    await house.record(REFERENCE, department="product")
    await seated(client, house, role, *(["product"] if role is Role.DEPARTMENT else []))
    pages = [
        path for method, path in rights.NEEDS if method == "GET" and "{" not in path and "print" not in path
    ]
    shown = await (await client.get("/desk/records")).text()
    for path in pages:
        may = rights.allowed(RIGHTS[role], "GET", path)
        answer = await client.get(path)
        assert (answer.status == 200) == may, (path, answer.status)
        if not may:
            assert answer.status == 403 and f'href="{path}"' not in shown
    one = await (await client.get(f"/desk/records/{REFERENCE}")).text()
    assert ('name="text"' in one) == (Right.ANSWER in RIGHTS[role])
    assert ('value="judge"' in one) == (Right.ACT in RIGHTS[role])


async def test_a_post_that_a_role_may_not_is_refused_and_does_nothing(client: Client, house: House) -> None:
    await house.record(REFERENCE)
    await seated(client, house, "auditor")
    page = await (await client.get("/desk/report")).text()
    form = {"csrf": hidden(page, "csrf"), "verb": "close", "text": "hello"}
    for path in ("case", "replies", "contact"):
        assert (await client.post(f"/desk/records/{REFERENCE}/{path}", data=form)).status == 403
    assert (await client.post("/desk/users", data=form)).status == 403
    assert house.outbox.calls == [] and house.passing.calls == []


async def test_a_department_speaks_for_itself_alone(client: Client, house: House) -> None:
    await house.record(REFERENCE, department="product")
    await seated(client, house, "department", "product", "desk")
    page = await (await client.get(f"/desk/records/{REFERENCE}")).text()
    form = {"csrf": hidden(page, "csrf"), "words": "done"}
    path = f"/desk/records/{REFERENCE}/case"
    for verb in ("take", "return", "solve"):
        for other in ("service", ""):
            refused = await client.post(path, data={**form, "verb": verb, "department": other})
            assert refused.status == 403 and "your own departments" in await refused.text()
    assert house.passing.calls == []
    await client.post(path, data={**form, "verb": "take", "department": "desk"})
    assert [one["department"] for _, one in house.passing.calls] == ["desk"]


def test_templates_ask_for_rights_that_there_are() -> None:
    """A right that is misspelt in a page would hide a part from everybody."""
    asked = set()
    for page in (Path(console.__file__).parent / "templates").glob("*.html"):
        asked |= set(re.findall(r"\bmay\('([^']*)'\)", page.read_text()))
    assert asked and asked <= {one.value for one in Right}


async def test_a_department_has_its_own_records_and_finds_no_others(client: Client, house: House) -> None:
    await house.record(REFERENCE, department="product", subject="ours")
    await house.record(OTHER, department="desk", subject="theirs")
    await seated(client, house, "department", "product")
    shown = await (await client.get("/desk/records")).text()
    assert REFERENCE in shown and OTHER not in shown
    assert (await client.get(f"/desk/records/{OTHER}")).status == 404
    form = {
        "csrf": hidden(await (await client.get(f"/desk/records/{REFERENCE}")).text(), "csrf"),
        "verb": "note",
    }
    assert (await client.post(f"/desk/records/{OTHER}/case", data=form)).status == 404
    for query in ("q=theirs", f"q={OTHER}", "department=desk"):
        assert f"/desk/records/{OTHER}" not in await (await client.get(f"/desk/records?{query}")).text()


async def test_an_auditor_sees_what_happened_and_nobodys_name(client: Client, house: House) -> None:
    await house.record(
        REFERENCE, name="李伟明", company="Acme Works", identities={"email": "li.wei@example.com"},
        subject="call 138 1234 5678", text="我是李伟明, li.wei@example.com, the lift is stuck",
        html="<b>李伟明</b>",
    )  # fmt: skip
    await seated(client, house, "auditor")
    for path in ("/desk/records", f"/desk/records/{REFERENCE}"):
        shown = await (await client.get(path)).text()
        assert "the lift is stuck" in shown and "李***" in shown
        for hidden_ in ("李伟明", "Acme", "li.wei", "1234 5678", "raw bytes", "/files/"):
            assert hidden_ not in shown, (path, hidden_)
    assert (await client.get(f"/desk/records/{REFERENCE}/html")).status == 403


async def test_a_session_ends_with_the_password_the_role_or_the_user(client: Client, house: House) -> None:
    for change in ("password", "role", "disable"):
        await house.users.add(f"li-{change}", role="clerk", departments=[], password=PASSWORD, actor="admin")
        assert (await log_in(client, f"li-{change}")).status == 303
        assert (await client.get("/desk/records", allow_redirects=False)).status == 200
        if change == "password":
            await house.users.set_password(f"li-{change}", PASSWORD + "!", actor="admin")
        elif change == "role":
            await house.users.change(f"li-{change}", role="auditor", departments=[], actor="admin")
        else:
            await house.users.enable(f"li-{change}", False, actor="admin")
        assert (await client.get("/desk/records", allow_redirects=False)).status == 303


async def test_guessing_at_one_name_from_many_addresses_is_slowed_down(client: Client, house: House) -> None:
    await house.users.add("li", role="clerk", departments=[], password=PASSWORD, actor="admin")
    for n in range(3):
        refused = await log_in(client, "li", "guess", f"198.51.100.{n}")
        assert refused.status == 403 and "do not open the desk" in await refused.text()
    assert (await log_in(client, "li", PASSWORD, "198.51.100.9")).status == 429
    assert (await log_in(client, "wang", "guess", "198.51.100.9")).status == 403
    assert not any("guess" in str(event) or PASSWORD in str(event) for event in house.log.events)


async def test_the_administrator_adds_a_user_at_the_desk_who_changes_their_own_password(
    clerk: Client, house: House
) -> None:
    page = await (await clerk.get("/desk/users")).text()
    new = {"csrf": hidden(page, "csrf"), "name": "Li", "role": "coordinator", "password": "short"}
    refused = await clerk.post("/desk/users", data=new)
    assert refused.status == 422 and "15 to 200" in await refused.text()
    assert (await clerk.post("/desk/users", data={**new, "password": PASSWORD})).status == 200
    assert [one["name"] for one in await house.users.list()] == ["li"]
    assert (await log_in(clerk, "li")).status == 303
    page = await (await clerk.get("/desk/password")).text()
    form = {"csrf": hidden(page, "csrf"), "old": "another one", "password": PASSWORD + " now"}
    assert "the old password is another one" in await (await clerk.post("/desk/password", data=form)).text()
    assert (
        await clerk.post("/desk/password", data={**form, "old": PASSWORD}, allow_redirects=False)
    ).status == 303
    assert (await log_in(clerk, "li", PASSWORD)).status == 403
    assert (await log_in(clerk, "li", PASSWORD + " now")).status == 303


async def test_the_trail_tells_who_did_what_and_no_secret(client: Client, house: House) -> None:
    headers = {"Authorization": f"Bearer {ADMIN}"}
    made = {"name": "li", "role": "auditor", "password": PASSWORD}
    assert (await client.post("/v1/users", json=made, headers=headers)).status == 201
    assert (await client.post("/v1/users", json=made, headers=headers)).status == 422
    assert (await client.post("/v1/users/li/disable", headers=headers)).status == 200
    assert (await client.post("/v1/users/li/enable", headers=headers)).status == 200
    changed = await client.post("/v1/users/li/change", json={"role": "supervisor"}, headers=headers)
    assert (await changed.json())["role"] == "supervisor"
    assert (await log_in(client, "li")).status == 303
    shown = await (await client.get("/desk/trail")).text()
    for said in ("added a user", "disabled a user", "changed a role", "logged in", "li"):
        assert said in shown
    found, place = [], ""
    while place is not None:
        page = await client.get("/v1/trail", params={"limit": "2", "before": place}, headers=headers)
        told = await page.json()
        found, place = found + told["acts"], told["next"]
    verbs = sorted(one["verb"] for one in found)
    assert verbs == ["login", "user.add", "user.change", "user.disable", "user.enable"]
    assert PASSWORD not in str(found)
    assert (await client.get("/v1/trail?before=yesterday", headers=headers)).status == 422
    reader = {"Authorization": f"Bearer {READER}"}
    for path in ("/v1/users", "/v1/trail"):
        assert (await client.get(path, headers=reader)).status == 403
