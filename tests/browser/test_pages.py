"""The pages in a real browser: nothing blocked, nothing from elsewhere, nothing sticking out on a phone.

With FOREBAY_SCREENSHOTS set to a folder, a picture of every page is left there.
"""

from __future__ import annotations

import os
from pathlib import Path
from random import Random

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port
from playwright.async_api import Browser, Page

from console.services import FormPage
from tests.browser.watch import Watch
from tests.console import scenes
from tests.console.house import ADMIN, House
from tests.rigs import letters
from tests.rigs.tools import SECRET

pytestmark = pytest.mark.prove

SIZES = {"wide": (1280, 900), "phone": (390, 844)}
LANGUAGES = {"en": "en-US", "zh": "zh-CN"}


POSTED = web.AppKey("posted", list[dict[str, str]])


async def serve(house: House) -> TestServer:
    """The console on a port of its own, with a door that takes the form as the form's own does."""
    posted: list[dict[str, str]] = []

    async def door(request: web.Request) -> web.Response:
        fields = {k: v for k, v in (await request.post()).items() if isinstance(v, str)}
        posted.append(fields)
        await house.envelope("FB-261122-NEW22", state="waiting")
        return web.Response(status=303, headers={"Location": scenes.status_path("FB-261122-NEW22", SECRET)})

    app = house.app()
    app.router.add_post("/in/form", door)
    app[POSTED] = posted
    server = TestServer(app)
    await server.start_server()
    return server


def _page_of_a_letter() -> bytes:
    (page,) = letters.printed(letters.write(2), letters.fonts()[0], dpi=110)
    return letters.scanned(page.image, Random(2), dpi=110, stamp=True)


async def look(page: Page, url: str, name: str) -> None:
    """Open a page, prove that nothing sticks out sideways, and leave a picture where they are wanted."""
    await page.goto(url)
    sideways = await page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    assert sideways <= 0, f"{name} is {sideways} px too wide"
    if folder := os.environ.get("FOREBAY_SCREENSHOTS"):
        await page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("size", SIZES)
async def test_every_page_is_whole_and_asks_nobody_else(
    browser: Browser, house: House, size: str, language: str
) -> None:
    reference = await scenes.fill(house)
    letter = await scenes.hold_letter(house)
    await scenes.count(house)
    await scenes.people(house)
    house.inbox.page = _page_of_a_letter()
    server = await serve(house)
    origin = str(server.make_url("/")).rstrip("/")
    width, height = SIZES[size]
    context = await browser.new_context(
        viewport={"width": width, "height": height}, locale=LANGUAGES[language], color_scheme="light"
    )
    try:
        page = await context.new_page()
        watch = Watch(page, origin)
        public = {
            "start": "/",
            "form": "/form",
            "find-status": "/status",
            "status": scenes.status_path(reference, SECRET),
            "login": "/desk/login",
        }
        for name, path in public.items():
            await look(page, origin + path, f"{name}-{size}-{language}")
        await page.fill("#token", ADMIN)
        await page.click("button.primary")
        assert page.url == origin + "/desk/records"
        desk = {
            "records": "/desk/records",
            "records-none": "/desk/records?q=nothing-like-it",
            "record": f"/desk/records/{reference}",
            "mend": "/desk/mend",
            "correct": f"/desk/held/{letter}",
            "channels": "/desk/channels",
            "users": "/desk/users",
            "trail": "/desk/trail",
            "report": "/desk/report?period=2026-11",
            "report-year": "/desk/report?period=2026",
            "report-empty": "/desk/report?period=2020-01",
            "records-counted": "/desk/records?period=2026-11&figure=nature&value=complaint",
        }
        for name, path in desk.items():
            await look(page, origin + path, f"{name}-{size}-{language}")
        assert watch.faults == []
        await look(page, origin + "/desk/records/FB-000000-NONE2", f"error-{size}-{language}")
    finally:
        await context.close()
        await server.close()


async def test_a_customer_writes_and_a_clerk_answers(browser: Browser, house: House) -> None:
    reference = await scenes.fill(house)
    server = await serve(house)
    origin = str(server.make_url("/")).rstrip("/")
    context = await browser.new_context(locale="zh-CN")
    try:
        page = await context.new_page()
        watch = Watch(page, origin)
        await page.goto(origin + "/form")
        await page.get_by_label("您的姓名").fill("王伟")
        await page.get_by_label("反馈内容").fill("无法登录")
        await page.get_by_role("button", name="提交").click()
        assert await page.locator(".reference").inner_text() == "FB-261122-NEW22"
        posted = server.app[POSTED][0]
        assert posted["name"] == "王伟" and posted["message"] == "无法登录"
        assert posted["website"] == "" and len(posted["key"]) == 36

        await page.goto(origin + f"/desk/records/{reference}")
        await page.get_by_label("密码或访问令牌").fill(ADMIN)
        await page.get_by_role("button", name="登录").click()
        assert page.url == origin + f"/desk/records/{reference}"
        await page.locator("summary", has_text="按原样显示").click()
        caged = page.frame_locator("iframe").locator("b")
        assert await caged.inner_text() == "广告投放服务"
        await page.get_by_label("答复内容").fill("已处理，谢谢。")
        await page.get_by_role("button", name="发送答复").click()
        assert await page.get_by_role("status").inner_text() != ""
        verb, given = house.outbox.calls[-1]
        assert (verb, given["text"], given["actor"]) == ("reply", "已处理，谢谢。", "admin")
        assert watch.faults == []
    finally:
        await context.close()
        await server.close()


async def test_scripts_in_every_field_stay_words(browser: Browser, house: House) -> None:
    evil = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'><svg onload=alert(3)>"
    await house.record(
        "FB-261122-EV222", subject=evil, text=evil, name=evil, company=evil, html=evil, department=evil,
        identities={"email": evil}, nature=[evil], extra={evil: evil}, omissions=[evil],
    )  # fmt: skip
    server = await serve(house)
    origin = str(server.make_url("/")).rstrip("/")
    context = await browser.new_context()
    try:
        page = await context.new_page()
        watch = Watch(page, origin)
        await page.goto(origin + "/desk/records/FB-261122-EV222")
        await page.fill("#token", ADMIN)
        await page.click("button.primary")
        await page.locator("summary", has_text="As it was designed").click()
        await page.goto(origin + "/desk/records")
        await page.goto(origin + "/desk/records/FB-261122-EV222/html")
        assert await page.locator("script").count() == 0
        assert [fault for fault in watch.faults if fault.startswith("dialog")] == []
    finally:
        await context.close()
        await server.close()


async def test_a_named_site_shows_the_form_and_no_other(browser: Browser, house: House) -> None:
    port = unused_port()
    ours = f"http://127.0.0.1:{port}"

    async def shop(request: web.Request) -> web.Response:
        page = f'<!doctype html><title>Shop</title><body><script src="{ours}/form.js" data-channel="form"></script>'
        return web.Response(text=page, content_type="text/html")

    site = web.Application()
    site.router.add_get("/", shop)
    named, other = TestServer(site), TestServer(site)
    for one in (named, other):
        await one.start_server()
    house.forms["form"] = FormPage(channel="form", embed_from=(str(named.make_url("/")).rstrip("/"),))
    console = TestServer(house.app(public_url=ours), port=port)
    await console.start_server()
    context = await browser.new_context(locale="en-US")
    try:
        page = await context.new_page()
        await page.goto(str(named.make_url("/")))
        await page.frame_locator("iframe").get_by_label("Your message").fill("Hello")
        refused: list[str] = []
        page.on("console", lambda message: refused.append(message.text))
        await page.goto(str(other.make_url("/")))
        await page.locator("iframe").wait_for()
        assert await page.frame_locator("iframe").get_by_label("Your message").count() == 0
        assert any("frame-ancestors" in text for text in refused)
    finally:
        await context.close()
        for one in (console, named, other):
            await one.close()
