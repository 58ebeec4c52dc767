"""The archive answers alike on both databases, and as a person would who reads every record."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from model import searching
from store import search
from store.search import Wanted
from store.store import Store
from store.units import Found, Insert, Unit
from tests import databases
from tests.rigs.tools import CountingIds, FixedClock
from tests.store.rows import Maker

_SAID = (
    "客户投诉产品质量问题，要求退款",
    "投訴：貨品損壞",
    "The invoice of October is wrong: 100% too high",
    "我的iPhone手机坏了，客服热线打不通",
    "RE: refund for order A-10086",
    "ご意見：カメラのレンズが曇る",
    "배송이 너무 늦어요",
    "Café Zürich, Straße 12 — naïve question",
    "สินค้าชำรุด ขอเงินคืน",
    "ПРЕТЕНЗИЯ по счёту",
    "投\n诉无门",
    "諮詢合作流程 B2B partner",
    "１００％ 满意 👍",
    "𠮷野家的牛肉饭",
)
_ASKED = (
    "投诉", "诉", "投", "退款", "投诉 退款", "质量问", "invoice", "inv", "in", "100%", "100", "iphone", "手机",
    "iphone手机", "手机坏了 热线", "refund", "fund", "re", "10086", "a-10086", "カメラ", "カ", "배송", "배송이",
    "café", "cafe", "straße", "12", "naïv", "ชำรุด", "претенз", "счёт", "b2b", "合作流程", "满意", "👍", "𠮷", "𠮷野",
    "品質", "货", "貨", "x", "投诉 invoice", "的", "'", '"', "投诉:*", "a & b", "refund OR 手机", "NEAR(投 诉)",
    "%", "\\",
)  # fmt: skip


@pytest.fixture
async def both(tmp_path: Path) -> AsyncIterator[list[Store]]:
    stores = [
        await databases.open_store(databases.settings(kind), tmp_path / kind, FixedClock(), CountingIds())
        for kind in databases.KINDS
    ]
    yield stores
    for one in stores:
        await one.close()


async def test_both_databases_and_a_reader_find_the_same(both: list[Store]) -> None:
    chance = random.Random(7)
    pieces = [word for said in _SAID for word in (*said.split(), said[:3], said[2:5])]
    corpus = [
        *_SAID,
        *("".join(chance.choices([*pieces, " ", "，"], k=chance.randint(1, 9))) for _ in range(250)),
    ]
    for store in both:
        make = Maker(store, CountingIds("m"), FixedClock())
        for said in corpus:
            row = make.record("e", subject="", full_text=said)
            words = Found(row["id"], tuple(searching.terms(said)), new=True)
            assert await store.submit(Unit(inserts=(Insert("record", row),), found=(words,)))
    asked = [*_ASKED, *chance.sample(pieces, 60), *(" ".join(chance.sample(pieces, 2)) for _ in range(40))]
    hits = 0
    for typed in asked:
        answers = []
        for store in both:
            page = await store.read(lambda c, typed=typed: search.page(c, Wanted(text=typed), limit=1_000))  # type: ignore[misc]
            answers.append([row["full_text"] for row in page.rows])
        assert answers[0] == answers[1], typed
        query = searching.parse(typed)
        wanted = [said for said in reversed(corpus) if query.words and query.holds([searching.folded(said)])]
        assert answers[0] == wanted, typed
        hits += bool(wanted)
    assert hits > len(asked) // 2
