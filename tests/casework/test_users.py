"""Who may log in: on both databases, with the password never anywhere but in its hash."""

from __future__ import annotations

from typing import Any

import pytest
from argon2 import PasswordHasher

from casework import users as room
from casework.users import UserVerbs
from model.roles import Role
from store import users
from store.schema import TABLES
from store.store import Store
from tests.rigs.tools import CountingIds, FixedClock

GOOD = "four words make sense"
BY: dict[str, Any] = {"actor": "admin"}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashes that take no time here."""
    monkeypatch.setattr(
        room, "PasswordHasher", lambda: PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    )


@pytest.fixture
def verbs(store: Store, clock: FixedClock, ids: CountingIds) -> UserVerbs:
    return UserVerbs(store, lambda: ["product", "service"], lambda: ["reader"], clock=clock, ids=ids)


async def _trail(store: Store) -> list[tuple[str, str, str]]:
    found = await store.read(lambda c: users.trail(c, before=None, actor=None, limit=50))
    return [(one["actor"], one["verb"], one["target"]) for one in found]


async def test_a_user_logs_in_by_name_and_password_alone(verbs: UserVerbs, store: Store) -> None:
    await verbs.add("li", role="clerk", departments=[], password=GOOD, **BY)
    found = await verbs.check("li", GOOD)
    assert found is not None and found.role is Role.CLERK and found.version == 1
    assert await verbs.of("li", 1) == found
    for name, password in (
        ("li", GOOD + " "),
        ("Li", GOOD),
        ("wang", GOOD),
        ("li", ""),
        ("", GOOD),
        ("li\x00", GOOD),
    ):
        assert await verbs.check(name, password) is None
    (row,) = await store.read(lambda c: c.execute(TABLES["user"].select()).mappings().all())
    assert row["hash"].startswith("$argon2id$") and GOOD not in str(dict(row))
    assert "hash" not in (await verbs.list())[0]


async def test_whatever_changes_a_user_ends_their_sessions(
    verbs: UserVerbs, store: Store, clock: FixedClock
) -> None:
    await verbs.add("li", role="clerk", departments=[], password=GOOD, **BY)
    for n, change in enumerate(
        (
            lambda: verbs.change("li", role="department", departments=["product"], **BY),
            lambda: verbs.set_password("li", GOOD + " twice", **BY),
            lambda: verbs.enable("li", False, **BY),
        ),
        1,
    ):
        assert await verbs.of("li", n) is not None
        clock.advance(1)
        await change()
        assert await verbs.of("li", n) is None
    assert await verbs.check("li", GOOD + " twice") is None  # disabled
    clock.advance(1)
    await verbs.enable("li", True, **BY)
    found = await verbs.check("li", GOOD + " twice")
    assert found is not None and found.departments == ("product",)
    verbs_done = [verb for _, verb, _ in await _trail(store)]
    assert verbs_done == ["user.enable", "user.disable", "user.password", "user.change", "user.add"]


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"name": "admin"}, "taken by the house"),
        ({"name": "reader"}, "token of the API"),
        ({"name": "Li Wei"}, "small letters"),
        ({"name": "l"}, "2 to 32"),
        ({"role": "king"}, "must be one of clerk"),
        ({"role": "department"}, "name at least one"),
        ({"departments": ["moon"]}, "no department 'moon'"),
        ({"password": "short"}, "15 to 200"),
        ({"password": "x" * 201}, "15 to 200"),
    ],
)
async def test_what_is_wrong_is_told_and_nobody_is_added(
    verbs: UserVerbs, given: dict[str, Any], why: str
) -> None:
    with pytest.raises(ValueError, match=why):
        await verbs.add(**{"name": "li", "role": "clerk", "departments": [], "password": GOOD, **BY, **given})
    assert await verbs.list() == []


async def test_nobody_is_added_twice_or_changed_who_is_not_there(verbs: UserVerbs) -> None:
    await verbs.add("li", role="clerk", departments=[], password=GOOD, **BY)
    with pytest.raises(ValueError, match="there is a user li already"):
        await verbs.add("li", role="clerk", departments=[], password=GOOD, **BY)
    with pytest.raises(LookupError, match="no user wang"):
        await verbs.enable("wang", False, **BY)


async def test_a_hash_of_older_parameters_is_made_anew_at_the_log_in(verbs: UserVerbs, store: Store) -> None:
    await verbs.add("li", role="clerk", departments=[], password=GOOD, **BY)
    old = PasswordHasher(time_cost=2, memory_cost=16, parallelism=1).hash(GOOD)
    await store.run(lambda c: c.execute(TABLES["user"].update().values(hash=old)) and None)
    assert await verbs.check("li", GOOD) is not None
    (row,) = await store.read(lambda c: c.execute(TABLES["user"].select()).mappings().all())
    assert row["hash"] != old and await verbs.check("li", GOOD) is not None
