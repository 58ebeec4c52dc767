"""Law 13: no secret, and no customer's text, in log, error, metric, API or repr."""

from __future__ import annotations

import asyncio

import pytest

from config.load import load
from config.problems import ConfigError
from tests.contracts.conftest import Make
from tests.rigs import http, imap, line, telegram
from tests.rigs.daemon import House, Points
from tests.rigs.http import Drop, Refuse
from tests.rigs.office import TOKEN, Office
from tests.rigs.ways import WAYS, Form

#: Every secret of the house under test holds this.
MARK = "marked-Secret-Zq7"
#: The password of a proxy, which stands inside an address.
PROXY = "marked-proxy-Wd3"
WORDS = "the-customers-own-words-Xk9"
PAGES = (
    "/v1/records?limit=200",
    "/v1/inbox?limit=200",
    "/v1/outbox?limit=200",
    "/v1/channels",
    "/v1/health",
    "/v1/events",
    "/metrics",
    "/healthz",
    "/readyz",
    "/",
)


def marked(office: Office) -> dict[str, object]:
    """Settings in which every secret is marked; half of them are wrong, so that something fails over each."""
    return {
        "channels": {
            "hook": {
                "verify": [
                    {"scheme": "standard", "secrets": [http.SECRET]},
                ],
                "reply": {"headers": {"Authorization": f"Bearer {MARK}-reply"}},
            },
            "shop": {
                "kind": "webhook",
                "verify": {"scheme": "token", "secrets": [f"{MARK}-shop"], "place": "header.x-token"},
                "proxy": f"http://user:{PROXY}@127.0.0.1:9",
                "reply": {"url": "http://127.0.0.1:9/x", "headers": {"X-Key": f"{MARK}-header"}},
            },
            "box": {"imap": {"password": f"{MARK}-imap"}},
            "mail": {"outgoing": {"user": "feedback", "password": f"{MARK}-smtp"}},
        },
        "destinations": {"tickets": {"headers": {"Authorization": f"Basic {MARK}-tickets"}}},
        "api": {"tokens": [{"name": "reader", "token": f"{MARK}-reader", "scopes": ["records:read"]}]},
        "metrics": {"token": f"{MARK}-metrics"},
    }


async def test_nothing_that_the_house_says_holds_a_secret(make: Make, office: Office, points: Points) -> None:
    def fail() -> None:
        if points.hits["process.before_read"] == 1:
            raise RuntimeError("an error of ours, with a traceback")

    with points.acting("process.before_read", fail):
        async with make(**marked(office)) as house:
            office.chat.next(Refuse(503), Drop(), Refuse(401))
            office.tickets.next(Refuse(400))
            for n, way in enumerate(WAYS):
                await way.bring(house, n, text=WORDS, office=office)
                await way.bring_unreadable(house, office)
            await _forge(house)
            await Form().post(house, f'{{"message": "{WORDS}", "subject": {{"a": 1}}}}'.encode())
            await house.until(lambda: _hooks(house))
            for record in await house.records():
                await house.reply(record["reference"], "Our answer.")
            for name in ("shop", "box", "mail", "tickets", "hook"):
                await house.api("POST", f"/v1/channels/{name}/probe")
            await house.until(lambda: len(office.chat.requests) >= 3)
            await asyncio.sleep(0.3)
            said = [await _text(house, page) for page in PAGES]
            told = repr(house.loaded) + repr(house.daemon.house.channels) + repr(house.daemon.house)

    assert PROXY not in "".join(said) + house.log.getvalue()
    for text in (*said, told, house.log.getvalue()):
        assert MARK not in text
        assert http.SECRET not in text and imap.PASSWORD not in text
        for secret in (telegram.TOKEN, telegram.SECRET, line.TOKEN, line.SECRET):
            assert secret not in text
    assert TOKEN not in house.log.getvalue() + told
    assert WORDS not in house.log.getvalue()
    assert "an error of ours" in house.log.getvalue(), "the traceback is there"


async def _forge(house: House) -> None:
    """Requests with wrong secrets, which are as secret: they may be yesterday's."""
    for headers in ({"x-token": f"{MARK}-wrong"}, {"Authorization": f"Bearer {MARK}-wrong"}):
        async with house.session.post(house.url + "/in/shop", data=WORDS, headers=headers) as answer:
            assert answer.status == 401
            assert MARK not in await answer.text()
    bad = {"Authorization": f"Bearer {MARK}-wrong"}
    async with house.session.get(house.url + "/v1/records", headers=bad) as answer:
        assert answer.status == 401


async def _hooks(house: House) -> bool:
    return any(one["channel"]["name"] == "hook" for one in await house.records())


async def _text(house: House, page: str) -> str:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with house.session.get(house.url + page, headers=headers) as answer:
        return await answer.text()


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
async def test_a_faulty_configuration_is_explained_without_its_secrets(make: Make, office: Office) -> None:
    house = make(
        channels={
            "box": {
                "imap": {"password": {"wrong": f"{MARK}-a"}, "security": "none", "allow_plaintext": False}
            },
            "hook": {"verify": {"scheme": "standard", "secrets": [f"{MARK}-b"]}},
            "mail": {"outgoing": {"password": f"{MARK}-c", "passwort": f"{MARK}-d"}},
        },
        api={"admin_token": MARK[:9], "tokens": [{"name": "x", "token": MARK[:12], "scopes": ["all"]}]},
    )
    with pytest.raises(ConfigError) as caught:
        load(house.path)
    assert MARK[:9] not in str(caught.value)
    assert len(caught.value.problems) >= 4
