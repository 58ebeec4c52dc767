"""WhatsApp's rig against an independent library: pywa's models read what it posts, pywa's client sends to it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
from pywa.errors import RateLimitHit, ReEngagementMessage, WhatsAppError
from pywa.types import MessageType
from pywa.types.message_status import MessageStatusType
from pywa_async import WhatsApp
from pywa_async.types import Message, MessageStatus

from tests.rigs import graph
from tests.rigs.tools import NOW


@pytest.fixture
async def far() -> AsyncIterator[graph.Graph]:
    async with graph.Graph() as far:
        yield far


@pytest.fixture
async def client(far: graph.Graph) -> AsyncIterator[WhatsApp]:
    async with httpx.AsyncClient() as session:
        client = WhatsApp(graph.ACCOUNTS["whatsapp"], graph.TOKEN, session=session, filter_updates=False)
        session.base_url = f"{far.url}/v26.0"
        yield client


async def test_pywas_models_read_a_message_as_the_rig_means_it(client: WhatsApp) -> None:
    posted = graph.body("whatsapp", graph.message("whatsapp", 1, context={"id": "wamid.0", "from": "86"}))
    read = Message.from_update(client, posted)
    assert (read.type, read.id, read.timestamp) == (MessageType.TEXT, "wamid.1", NOW)
    assert read.text == "The lift in house 1 has stood still since Monday. 电梯坏了。"
    assert (read.from_user.wa_id, read.from_user.bsuid) == (graph.person("whatsapp", 1), graph.user(1))
    assert read.from_user.name == "顾客 1"
    assert read.metadata.phone_number_id == graph.ACCOUNTS["whatsapp"]
    assert read.reply_to_message is not None and read.reply_to_message.id == "wamid.0"


async def test_pywas_models_read_a_status_as_the_rig_means_it(client: WhatsApp) -> None:
    posted = graph.body("whatsapp", graph.status("wamid.7", "failed", code=131047, key="reply:1"))
    read = MessageStatus.from_update(client, posted)
    assert (read.status, read.id, read.tracker) == (MessageStatusType.FAILED, "wamid.7", "reply:1")
    assert isinstance(read.error, ReEngagementMessage)
    assert read.from_user.wa_id == graph.person("whatsapp", 1)


async def test_pywas_client_sends_to_the_rig(client: WhatsApp, far: graph.Graph) -> None:
    who = graph.person("whatsapp", 1)
    far.wrote("whatsapp", who)
    sent = await client.send_message(who, "It runs again. 已修好。", tracker="reply:1")
    assert sent.id == far.events[0]["id"]
    assert far.got[who] == [graph.Got("It runs again. 已修好。", "reply:1", "text")]


async def test_pywas_client_meets_the_limits_and_refusals(client: WhatsApp, far: graph.Graph) -> None:
    with pytest.raises(WhatsAppError) as refused:
        await client.send_message(graph.person("whatsapp", 1), "x" * 4_097)
    assert refused.value.code == 100
    far.next(graph.Error(130429))
    with pytest.raises(RateLimitHit):
        await client.send_message(graph.person("whatsapp", 1), "soon again")
    far.token = "another"
    with pytest.raises(WhatsAppError) as refused:
        await client.send_message(graph.person("whatsapp", 1), "with the old one")
    assert refused.value.code == 190
