"""A mailbox in the running house: from now on, back in time by an operator's wish, and by tokens."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from tests.flows.conftest import Make
from tests.rigs.daemon import MovedClock
from tests.rigs.email import bring, mail
from tests.rigs.oauth import TokenServer
from tests.rigs.office import Office


async def subjects(house: Any) -> list[str]:
    return sorted(one["subject"] for one in await house.records())


async def test_older_mail_is_left_until_an_operator_wants_it_and_comes_once(
    make: Make, office: Office
) -> None:
    for n in range(1, 6):
        office.imap.put("INBOX", mail(n), came=date(2026, 11, n))
    async with make(channels={"box": {"imap": {"start": "now"}}}, leases={"renew": 0.1}) as house:
        await house.until(lambda: office.imap.idling.is_set())
        assert await house.records() == []
        _, told = await house.api("POST", "/v1/channels/box/probe")
        assert told["detail"].startswith("INBOX: 5 mails there")
        status, told = await house.api(
            "POST", "/v1/channels/box/backfill", {"since": "2026-11-03", "dry_run": True}
        )
        assert (status, told["found"]) == (200, {"INBOX": 3})
        await house.ask("POST", "/v1/channels/box/backfill", {"since": "2026-11-03"})
        await house.until(lambda: _many(house, 3))
        await house.ask("POST", "/v1/channels/box/backfill", {"since": "2026-11-02"})
        await house.until(lambda: _many(house, 4))
        await house.idle()
        assert await subjects(house) == [f"Matter {n} 投诉" for n in (2, 3, 4, 5)]
        assert (await house.api("POST", "/v1/channels/box/backfill", {}))[0] == 422
        assert (await house.api("POST", "/v1/channels/hook/backfill", {"since": "2026-11-03"}))[0] == 422


async def _many(house: Any, count: int) -> bool:
    return len(await house.records()) == count


async def test_a_folder_that_is_gone_shows_in_health_and_the_others_go_on(make: Make, office: Office) -> None:
    folders = {"folders": ["INBOX", "Gone"], "poll_seconds": 0.1}
    async with make(channels={"box": {"imap": folders}}, inbox={"fetch_wait": 0.2}) as house:
        office.imap.put("INBOX", mail(1))
        await house.until(lambda: _many(house, 1))

        async def failing() -> bool:
            return (await house.health("box"))["state"] == "failing"

        await house.until(failing)
        told = await house.health("box")
        assert "Gone" in told["detail"] and "imap.folders" in told["repair"]
        office.imap.put("Gone", mail(2))
        await house.until(lambda: _many(house, 2))

        async def well() -> bool:
            return not await failing()

        await house.until(well)


async def test_a_person_consents_and_the_mailbox_is_read_by_tokens_and_its_end_is_warned_of(
    make: Make, office: Office, moved: MovedClock
) -> None:
    async with TokenServer() as tokens:
        tokens.more |= {"refresh_token_expires_in": 30 * 86_400}
        office.imap.tokens = {"access-1"}
        oauth = tokens.settings(refresh_token=None)
        box = {"oauth": oauth, "imap": {"password": None}}
        alerts = {"every": 0.1, "email": {"channel": "mail", "to": ["ops@office.example"]}}
        async with make(channels={"box": box}, alerts=alerts) as house:

            async def state() -> Any:
                return (await house.health("box"))["state"]

            async def failing() -> bool:
                return await state() == "failing"

            await house.until(failing)
            assert "forebay channel authorise box" in (await house.health("box"))["repair"]
            url = (await house.ask("POST", "/v1/channels/box/authorise"))["url"]
            status, told = await house.api(
                "POST", "/v1/channels/box/authorise", {"answer": "http://localhost/?code=x&state=y"}
            )
            assert status == 422 and "another attempt" in str(told)
            await house.ask("POST", "/v1/channels/box/authorise", {"answer": tokens.consent(url)})
            office.imap.put("INBOX", mail(1))
            await house.until(lambda: _many(house, 1))
            assert (await house.health("box"))["authorised_until"]

            def warned() -> bool:
                return any(b"authorisation" in one.data for one in office.smtp.accepted)

            assert not warned()
            moved.by = timedelta(days=25)
            await house.until(warned)
            assert "access-" not in house.log.getvalue() and "refresh-" not in house.log.getvalue()


async def test_a_nearly_full_disk_leaves_mail_with_its_sender(make: Make) -> None:
    async with make() as house:
        house.store._low = True
        assert (await bring(house.port("mail"), mail(1))).startswith("452 4.3.1")
        said = await bring(house.port("mail"), mail(1) + b"x\r\n" * 900_000)
        assert said.startswith("452 4.3.1")
        assert await house.envelopes() == []


async def test_a_mailbox_in_trouble_leaves_the_door_of_its_channel_open(make: Make, office: Office) -> None:
    async with make(channels={"box": {"door": {"port": 0}}}) as house:
        await office.to_imap.cut()

        async def failing() -> bool:
            return (await house.health("box"))["state"] == "failing"

        await house.until(failing)
        where = house.port("box")
        assert (await bring(where, mail(1), recipients=("box@office.example",))).startswith("250")
        await house.until(lambda: _many(house, 1))
        await office.to_imap.mend()
        office.imap.put("INBOX", mail(2))
        await house.until(lambda: _many(house, 2))
        assert (await bring(where, mail(3), recipients=("box@office.example",))).startswith("250")


async def test_what_an_operator_mended_is_tried_at_once(make: Make, office: Office) -> None:
    async with make(inbox={"backoff_first": 600, "backoff_last": 600}) as house:
        office.imap.put("INBOX", mail(1))
        await house.until(lambda: _many(house, 1))
        await office.to_imap.cut()

        async def failing() -> bool:
            return (await house.health("box"))["state"] == "failing"

        await house.until(failing)
        await office.to_imap.mend()
        office.imap.put("INBOX", mail(2))
        await house.ask("POST", "/v1/channels/box/resume")
        await house.until(lambda: _many(house, 2))
