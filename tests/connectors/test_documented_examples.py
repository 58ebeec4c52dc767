"""Every YAML example on the pages of these kinds is a working configuration."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from connectors import (
    form,
    instagram,
    line,
    messenger,
    sms,
    telegram,
    webhook,
    wechat,
    wecom,
    weibo,
    whatsapp,
)
from destinations import http
from tests.rigs import telegram as telegram_rig
from tests.rigs.http import SECRET
from tests.rigs.tools import Workbench
from tests.rigs.wechat import AES_KEY

DOCS = Path(__file__).parents[2] / "docs"
PAGES = (
    "channels/form.md",
    "channels/line.md",
    "channels/sms.md",
    "channels/telegram.md",
    "channels/webhook.md",
    "channels/wechat.md",
    "channels/wecom.md",
    "channels/weibo.md",
    "channels/messenger.md",
    "channels/instagram.md",
    "channels/whatsapp.md",
    "destinations/http.md",
)
SPECS: Mapping[tuple[str, str], Any] = {
    ("channels", "form"): form.SPEC,
    ("channels", "line"): line.SPEC,
    ("channels", "sms"): sms.SPEC,
    ("channels", "telegram"): telegram.SPEC,
    ("channels", "webhook"): webhook.SPEC,
    ("channels", "wechat"): wechat.SPEC,
    ("channels", "wecom"): wecom.SPEC,
    ("channels", "weibo"): weibo.SPEC,
    ("channels", "messenger"): messenger.SPEC,
    ("channels", "instagram"): instagram.SPEC,
    ("channels", "whatsapp"): whatsapp.SPEC,
    ("destinations", "http"): http.SPEC,
}


def secret(reference: Mapping[str, str]) -> str:
    """What an example's secret holds: one of the kind's own shape where it must have one, else the marked text."""
    shaped = {
        "AES_KEY": AES_KEY,
        "TELEGRAM_TOKEN": telegram_rig.TOKEN,
        "TELEGRAM_SECRET": telegram_rig.SECRET,
    }
    return next((value for name, value in shaped.items() if name in str(reference)), SECRET)


def examples() -> Iterator[Any]:
    for page in PAGES:
        for number, block in enumerate(
            re.findall(r"```yaml\n(.*?)```", (DOCS / page).read_text(), re.DOTALL), 1
        ):
            for section, members in yaml.safe_load(block).items():
                for name, settings in members.items():
                    yield pytest.param(section, settings, id=f"{page} {number} {name}")


@pytest.mark.parametrize(("section", "settings"), list(examples()))
async def test_an_example_is_a_working_configuration(section: str, settings: dict[str, Any]) -> None:
    spec = SPECS[section, settings["kind"]]
    read = spec.settings.model_validate(settings, context={"secrets": secret})
    async with Workbench() as bench, spec.build(read, bench.tools("example")):
        assert SECRET not in repr(read) and AES_KEY not in repr(read)


def test_every_page_has_examples() -> None:
    assert {one.id.split()[0] for one in examples() if one.id} == set(PAGES)
