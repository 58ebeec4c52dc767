"""A clerk's morning in a real browser with the real daemon behind it, by keyboard alone: log in, take three records,
return one, answer one, extend one, enter a call, find a record by two words of its text, read the report. Nothing is
blocked or logged as an error, and axe finds no serious fault on any page on the way."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from aiohttp.test_utils import unused_port
from playwright.async_api import Browser

from tests.browser.keys import Keys
from tests.browser.watch import Watch
from tests.flows.test_care import CARING
from tests.rigs.daemon import House
from tests.rigs.office import Office, merge
from tests.rigs.ways import Form, mails

pytestmark = pytest.mark.prove

PASSWORD = "four words make sense"
SIZES = {"wide": (1280, 900), "phone": (390, 844)}


@pytest.mark.parametrize("size", SIZES)
async def test_a_morning_by_keyboard_alone(browser: Browser, tmp_path: Path, size: str) -> None:
    office_settings = merge(CARING, {"ask": None, "follow_up": None})
    width, height = SIZES[size]
    async with Office() as office:
        config = office.config(
            tmp_path / "data",
            listen={"port": unused_port()},
            office=office_settings,
            rules={"default": {"destinations": []}},
        )
        config["public_url"] = f"http://127.0.0.1:{config['listen']['port']}"
        async with House(config, tmp_path) as house:
            person = {"name": "wang", "role": "coordinator", "password": PASSWORD}
            await house.ask("POST", "/v1/users", person)
            references = []
            for n in (1, 2, 3, 4):
                text = f"The lift in house {n} hums at night and sounds like thunder" if n == 4 else None
                references.append((await Form().bring(house, n, text=text, office=office)).reference)
            await house.idle()
            for one in references[:3]:
                await house.ask("POST", f"/v1/records/{one}/hand-over", {"departments": ["product"]})
            context = await browser.new_context(viewport={"width": width, "height": height}, locale="en-US")
            page = await context.new_page()
            watch, keys = Watch(page, house.url), Keys(page)
            faults: dict[str, list[str]] = {}

            async def look(name: str) -> None:
                if found := await keys.faults():
                    faults[name] = found
                if folder := os.environ.get("FOREBAY_SCREENSHOTS"):
                    await page.screenshot(path=Path(folder) / f"morning-{name}-{size}.png", full_page=True)

            await page.goto(f"{house.url}/desk")
            await look("login")
            await keys.type(page.get_by_label("Name"), "wang")
            await keys.type(page.get_by_label("Password, or access token"), PASSWORD)
            await keys.go(page.get_by_role("button", name="Log in"))
            await look("records")
            # Take three.
            for one in references[:3]:
                await page.goto(f"{house.url}/desk/records/{one}")
                await keys.go(page.get_by_role("button", name="We take it"))
            await look("taken")
            # Return one.
            await page.goto(f"{house.url}/desk/records/{references[0]}")
            await keys.type(page.get_by_label("What was found and done, or why it is returned"), "not ours")
            await keys.go(page.get_by_role("button", name="Return it"))
            # Answer one.
            await page.goto(f"{house.url}/desk/records/{references[1]}")
            await keys.type(page.get_by_label("Your answer"), "It goes again. Thank you.")
            await keys.go(page.get_by_role("button", name="Send the answer"))
            assert await page.get_by_role("status").first.inner_text() != ""
            await look("answered")
            # Extend one.
            await page.goto(f"{house.url}/desk/records/{references[2]}")
            await keys.press(page.locator("summary", has_text="Extend the deadline"))
            due = page.locator("#extended")
            await keys.to(due)
            later = house.now().replace(year=house.now().year + 1)
            await page.keyboard.type(f"{later:%m%d%Y}")
            await page.keyboard.press("Tab")
            await page.keyboard.type("0230PM")
            await keys.type(page.locator("#extension"), "The motor comes from abroad.")
            await keys.go(page.locator("button[value=extend]"))
            # Enter a call.
            await keys.go(page.get_by_role("link", name="New note"))
            await look("note")
            await keys.type(page.locator("#phone"), "13812345678")
            await keys.type(page.locator("#text"), "The door of house nine is loose.")
            await page.keyboard.press("Control+Enter")
            await page.wait_for_url("**/desk/note/*")
            await look("noted")
            # Find a record by two words.
            await keys.go(page.get_by_role("link", name="Records"))
            await keys.type(page.get_by_role("searchbox"), "thunder hums")
            await page.keyboard.press("Enter")
            await page.wait_for_url("**q=thunder*")
            assert await page.locator("li.row").count() == 1
            await keys.go(page.locator("li.row a").first)
            assert references[3] in page.url
            await look("found")
            # Read the report, and what is behind a number.
            await keys.go(page.get_by_role("link", name="Report"))
            await look("report")
            assert await page.get_by_role("link", name="Received: 5", exact=True).count() == 1
            await keys.go(page.get_by_role("link", name="Received: 5", exact=True))
            assert await page.locator("li.row").count() == 5
            await context.close()
            assert faults == {} and watch.faults == []
            await house.idle()
            states = {}
            for one in references:
                states[one] = (await house.ask("GET", f"/v1/records/{one}"))["state"]
            assert list(states.values()) == ["returned", "answered", "taken", "registered"]
            assert any("It goes again." in one.text for one in mails(office, 2))
            assert any("The motor comes from abroad." in one.text for one in mails(office, 3))
            told = await house.ask("GET", f"/v1/records/{references[2]}")
            assert told["deadlines"]["solve"].startswith(f"{later:%Y-%m-%d}")
            acts = (await house.ask("GET", "/v1/trail?actor=wang&limit=100"))["acts"]
            done = {one["verb"] for one in acts}
            assert {"login", "record.taken", "record.returned", "record.extended", "reply.queued"} <= done


async def test_what_axe_finds_is_told(browser: Browser) -> None:
    page = await browser.new_page()
    await page.set_content('<html lang="en"><title>x</title><main><h1>x</h1><img src="data:,"><input></main>')
    assert [one.partition(":")[0] for one in await Keys(page).faults()] == ["image-alt", "label"]
