"""The chat widget on a site of the office, in a real browser, with the real daemon behind it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port
from playwright.async_api import Browser, FrameLocator, Page, expect

from tests.browser.watch import Watch
from tests.rigs.daemon import House
from tests.rigs.office import Office

pytestmark = pytest.mark.prove

SIZES = {"wide": (1280, 900), "phone": (390, 844)}


async def site(ours: str, language: str) -> TestServer:
    """A page of the office with the one tag."""

    async def shop(request: web.Request) -> web.Response:
        page = (
            f'<!doctype html><html lang="{language}"><title>Shop</title>'
            '<meta name="viewport" content="width=device-width"><link rel="icon" href="data:,">'
            f'<h1>Lifts</h1><p>We sell lifts.</p><script src="{ours}/chat.js" data-channel="chat" async></script>'
        )
        return web.Response(text=page, content_type="text/html")

    app = web.Application()
    app.router.add_get("/", shop)
    server = TestServer(app)
    await server.start_server()
    return server


async def picture(page: Page, name: str) -> None:
    if folder := os.environ.get("FOREBAY_SCREENSHOTS"):
        await page.screenshot(path=Path(folder) / f"chat-{name}.png")


def frame(page: Page) -> FrameLocator:
    return page.frame_locator("#forebay-chat")


@pytest.mark.parametrize(("size", "language"), [("wide", "en-US"), ("phone", "zh-CN")])
async def test_a_visitor_talks_by_keyboard_leaves_and_comes_back(
    browser: Browser, tmp_path: Path, size: str, language: str
) -> None:
    port = unused_port()
    ours = f"http://127.0.0.1:{port}"
    width, height = SIZES[size]
    async with Office() as office:
        shop = await site(ours, language)
        config = office.config(
            tmp_path / "data",
            listen={"port": port},
            public_url=ours,
            channels={"chat": {"origins": [str(shop.make_url("/")).rstrip("/")]}},
        )
        context = await browser.new_context(viewport={"width": width, "height": height}, locale=language)
        try:
            async with House(config, tmp_path) as house:
                page = await context.new_page()
                watch = Watch(page, (ours, str(shop.make_url("/")).rstrip("/"), f"ws://127.0.0.1:{port}"))
                await page.goto(str(shop.make_url("/")))
                button = page.get_by_role("button")
                await expect(button).to_have_attribute("aria-expanded", "false")
                # By keyboard alone: to the button, open, write, send.
                await page.keyboard.press("Tab")
                await page.keyboard.press("Enter")
                box = frame(page).locator("#message")
                await expect(box).to_be_focused()
                await page.keyboard.type("The lift in house 7 stands still.")
                await page.keyboard.press("Shift+Enter")
                await page.keyboard.type("电梯坏了。")
                await page.keyboard.press("Enter")
                (record,) = await house.until(house.records)
                said = frame(page).locator(".said")
                await expect(said).to_have_count(2)
                await expect(said.nth(0)).to_contain_text(record["reference"])
                await expect(said.nth(1)).to_contain_text(record["reference"])
                assert record["text"] == "The lift in house 7 stands still.\n电梯坏了。"

                # A file goes along.
                await (
                    frame(page)
                    .locator("#files")
                    .set_input_files(
                        {"name": "lift.txt", "mimeType": "text/plain", "buffer": b"a picture of the lift"}
                    )
                )
                await box.fill("This is how it looks.")
                await box.press("Enter")
                await expect(said).to_have_count(3)

                # The answer appears while the page is open, and the visitor is not asked to reload.
                await house.reply(record["reference"], "We come today. 今天来修。", key="r1")
                await expect(said).to_have_count(4)
                await expect(said.nth(3)).to_contain_text("We come today.")
                await picture(page, f"open-{size}-{language}")
                await frame(page).locator("summary").click()
                await picture(page, f"reach-{size}-{language}")

                # Closed, the button tells that something came; the focus is back on it.
                await page.keyboard.press("Escape")
                await expect(page.locator("#forebay-chat")).to_be_hidden()
                await house.reply(record["reference"], "Done. 修好了。", key="r2")
                await expect(button).to_contain_text("(1)")
                await picture(page, f"closed-{size}-{language}")

                # On the same browser the conversation goes on.
                await page.reload()
                await page.get_by_role("button").click()
                await expect(said).to_have_count(5)
                await expect(said.nth(4)).to_contain_text("Done.")
                sideways = await page.evaluate(
                    "document.documentElement.scrollWidth - document.documentElement.clientWidth"
                )
                assert sideways <= 0
                assert watch.faults == []
        finally:
            await context.close()
            await shop.close()
