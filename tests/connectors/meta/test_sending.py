"""Answers, files, comments and templates by the Graph API, against a fake that keeps its limits."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from model.delivery import Message, OutgoingFile, Purpose
from model.draft import Identity
from model.failures import PermanentFailure, Reason, SendFailure, TemporaryFailure, Uncertain
from model.health import HealthState
from tests.connectors.meta.test_door import KINDS, SPECS
from tests.rigs import graph
from tests.rigs.graph import Error, Graph
from tests.rigs.http import Drop, Hang, Refuse
from tests.rigs.tools import Workbench

PAGES = ("messenger", "instagram")
TEMPLATE = {"name": "answer_ready", "language": "zh_CN", "parameters": ["{reference}", "{text}"]}


@pytest.fixture
async def bench() -> AsyncIterator[Workbench]:
    async with Workbench() as bench:
        yield bench


@pytest.fixture
async def far(bench: Workbench) -> AsyncIterator[Graph]:
    async with Graph(bench.clock.now) as far:
        for kind in KINDS:
            far.wrote(kind, graph.person(kind, 1))
        yield far


def writer(bench: Workbench, far: Graph, kind: str, **more: Any) -> Any:
    spec = SPECS[kind]
    return spec.build(spec.settings.model_validate(graph.settings(far, kind, **more)), bench.tools(kind))


def thread(kind: str, n: int = 1) -> dict[str, str]:
    """What the reader puts beside a record."""
    who = graph.person(kind, n)
    return {"user": graph.user(n), "number": who} if kind == "whatsapp" else {"person": who}


def answer(kind: str, text: str = "我们修好了。", **more: Any) -> Message:
    made = Message(
        key="reply:1",
        purpose=Purpose.REPLY,
        reference="FB-261122-00001",
        to=None,
        text=text,
        thread=thread(kind),
    )
    return replace(made, **more)


async def failure(connector: Any, message: Message) -> SendFailure:
    with pytest.raises(SendFailure) as caught:
        await connector.send(message)
    assert graph.TOKEN not in str(caught.value) and "客户" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize("kind", KINDS)
async def test_an_answer_arrives_in_its_own_characters(bench: Workbench, far: Graph, kind: str) -> None:
    receipt = await writer(bench, far, kind).send(answer(kind, '你好 😀 "quoted"'))
    (got,) = far.got[graph.person(kind, 1)]
    assert got.text == '你好 😀 "quoted"' and receipt.remote_id.startswith(("m_out", "wamid.out"))
    assert got.key == (None if kind == "instagram" else "reply:1")
    assert all("token" not in str(query) for _, _, query, _ in far.calls)


@pytest.mark.parametrize(
    ("kind", "text", "count"),
    [
        ("messenger", "电梯坏了。" * 900, 3),
        ("instagram", "电梯坏了。" * 100, 2),
        ("whatsapp", "The lift is broken. " * 450, 3),
    ],
)
async def test_a_long_answer_is_cut_within_the_platforms_limit(
    bench: Workbench, far: Graph, kind: str, text: str, count: int
) -> None:
    one = writer(bench, far, kind)
    parts = one.parts(answer(kind, text))
    assert len(parts) == count and parts[0].text.startswith(f"(1/{count}) ")
    for part in parts:
        await one.send(part)
    assert len(far.got[graph.person(kind, 1)]) == count
    assert (await failure(one, answer(kind, text))).reason is Reason.REQUEST  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", KINDS)
async def test_a_file_is_uploaded_and_then_named(bench: Workbench, far: Graph, kind: str) -> None:
    file = OutgoingFile("合同.pdf", "application/pdf", 3, "0" * 64, b"\x00\r\n")
    one = writer(bench, far, kind)
    text, part = one.parts(answer(kind, files=(file,)))
    assert text.text and not text.files and part.files and not part.text
    await one.send(part)
    assert list(far.uploads.values()) == [("application/pdf", b"\x00\r\n")]
    assert far.got[graph.person(kind, 1)][0].type == ("document" if kind == "whatsapp" else "file")
    # Nobody sees an upload: one that went wrong is simply tried again.
    far.next(Hang() if kind == "messenger" else Drop())
    lost = await failure(writer(bench, far, kind, timeout=0.2), part)
    assert isinstance(lost, TemporaryFailure)


@pytest.mark.parametrize("kind", KINDS)
async def test_no_answer_after_the_request_is_uncertain(bench: Workbench, far: Graph, kind: str) -> None:
    one = writer(bench, far, kind, timeout=0.2)
    for behaviour in (Drop(), Hang(), Refuse(504), Refuse(200, body="<html>")):
        far.next(behaviour)
        assert isinstance(await failure(one, answer(kind)), Uncertain)


CASES = [
    (Error(190, 463), TemporaryFailure, Reason.AUTH),
    (Error(190), TemporaryFailure, Reason.AUTH),
    (Error(10), TemporaryFailure, Reason.CONFIG),
    (Error(200), TemporaryFailure, Reason.CONFIG),
    (Error(230), PermanentFailure, Reason.RECIPIENT),
    (Error(368), TemporaryFailure, Reason.CONFIG),
    (Error(551, 1545041), PermanentFailure, Reason.RECIPIENT),
    (Error(200, 1545041), PermanentFailure, Reason.RECIPIENT),
    (Error(100, 2018001), PermanentFailure, Reason.RECIPIENT),
    (Error(10, 2018278), PermanentFailure, Reason.WINDOW),
    (Error(10, 2534022), PermanentFailure, Reason.WINDOW),
    (Error(100, 1893061), PermanentFailure, Reason.REQUEST),
    (Error(10, 1893063), TemporaryFailure, Reason.CONFIG),
    (Error(1, status=500), TemporaryFailure, Reason.SERVER),
    (Error(2), TemporaryFailure, Reason.SERVER),
    (Error(4), TemporaryFailure, Reason.THROTTLED),
    (Error(613), TemporaryFailure, Reason.THROTTLED),
    (Error(100), PermanentFailure, Reason.REQUEST),
    (Error(424242), PermanentFailure, Reason.REQUEST),
    (Error(424242, transient=True), TemporaryFailure, Reason.SERVER),
    (Error(131047), PermanentFailure, Reason.WINDOW),
    (Error(131026), PermanentFailure, Reason.RECIPIENT),
    (Error(131056), TemporaryFailure, Reason.THROTTLED),
    (Error(130429), TemporaryFailure, Reason.THROTTLED),
    (Error(131031), TemporaryFailure, Reason.CONFIG),
    (Error(132001), PermanentFailure, Reason.REQUEST),
    (Refuse(503), TemporaryFailure, Reason.SERVER),
    (Refuse(429, {"retry-after": "7"}), TemporaryFailure, Reason.THROTTLED),
]


@pytest.mark.parametrize(("behaviour", "type_", "reason"), CASES)
async def test_errors_mean_what_the_code_and_the_subcode_say(
    bench: Workbench, far: Graph, behaviour: Any, type_: type[Any], reason: Reason
) -> None:
    far.next(behaviour)
    found = await failure(writer(bench, far, "whatsapp"), answer("whatsapp"))
    assert type(found) is type_ and found.reason is reason  # type: ignore[attr-defined]
    if reason in (Reason.AUTH, Reason.CONFIG):
        assert found.repair


async def test_meta_tells_when_calls_are_allowed_again(bench: Workbench, far: Graph) -> None:
    usage = '{"100200300": [{"type": "messenger", "estimated_time_to_regain_access": 19}]}'
    far.next(Error(80006, headers={"X-Business-Use-Case-Usage": usage}), Error(131056))
    one = writer(bench, far, "messenger")
    assert (await failure(one, answer("messenger"))).retry_after == timedelta(minutes=19)  # type: ignore[attr-defined]
    assert (await failure(one, answer("messenger"))).retry_after == timedelta(seconds=6)  # type: ignore[attr-defined]


# ---- windows


@pytest.mark.parametrize("kind", PAGES)
async def test_after_a_day_only_a_person_may_answer_and_after_a_week_nobody(
    bench: Workbench, far: Graph, kind: str
) -> None:
    bench.clock.advance(25 * 3600)
    plain = writer(bench, far, kind)
    assert not plain._settings.outside_window()
    assert (await failure(plain, answer(kind))).reason is Reason.WINDOW  # type: ignore[attr-defined]
    assert (await failure(plain, answer(kind, outside_window=True))).reason is Reason.WINDOW  # type: ignore[attr-defined]
    human = writer(bench, far, kind, human_agent=True, fallback=["template"])
    assert human._settings.outside_window()
    await human.send(answer(kind, outside_window=True))
    assert far.got[graph.person(kind, 1)][0].tag == "HUMAN_AGENT"
    for purpose in (Purpose.NOTICE, Purpose.ACKNOWLEDGEMENT):
        robot = answer(kind, outside_window=True, purpose=purpose)
        assert (await failure(human, robot)).reason is Reason.WINDOW  # type: ignore[attr-defined]
    bench.clock.advance(7 * 24 * 3600)
    assert (await failure(human, answer(kind, outside_window=True))).reason is Reason.WINDOW  # type: ignore[attr-defined]


async def test_outside_the_window_whatsapp_gets_one_template(bench: Workbench, far: Graph) -> None:
    bench.clock.advance(25 * 3600)
    one = writer(bench, far, "whatsapp", template=TEMPLATE, fallback=["template"])
    file = OutgoingFile("a.pdf", "application/pdf", 1, "0" * 64, b"a")
    long = answer("whatsapp", "第一行\n\n第二行    end " + "x" * 5000, outside_window=True, files=(file,))
    first, second = one.parts(long)
    await one.send(first)
    (got,) = far.got[graph.person("whatsapp", 1)]
    assert got.type == "template" and got.text.startswith("FB-261122-00001 | 第一行 第二行 end xxx")
    assert got.text.endswith("…") and len(got.text) < 1_000 and got.key == "reply:1"
    assert (await failure(one, second)).reason is Reason.WINDOW  # type: ignore[attr-defined]
    plain = writer(bench, far, "whatsapp")
    assert (await failure(plain, long)).reason is Reason.WINDOW  # type: ignore[attr-defined]


async def test_whatsapp_takes_the_call_and_tells_later_that_it_did_not_send(
    bench: Workbench, far: Graph
) -> None:
    bench.clock.advance(25 * 3600)
    receipt = await writer(bench, far, "whatsapp").send(answer("whatsapp"))
    assert not far.got
    (told,) = far.events
    assert told["id"] == receipt.remote_id and told["errors"][0]["code"] == 131047


@pytest.mark.parametrize(
    ("to", "more"),
    [
        (Identity("bsuid", graph.user(1)), {}),
        (Identity("whatsapp", graph.person("whatsapp", 1)), {}),
        (Identity("phone", "+" + graph.person("whatsapp", 1)), {}),
    ],
)
async def test_whatsapp_writes_to_a_user_id_as_recipient_and_to_a_number_as_to(
    bench: Workbench, far: Graph, to: Identity, more: dict[str, Any]
) -> None:
    one = writer(bench, far, "whatsapp")
    await one.send(answer("whatsapp", thread={}, to=to))
    body = far.calls[-1][3]
    assert ("recipient" in body) == (to.kind == "bsuid") and len(far.got[graph.person("whatsapp", 1)]) == 1
    other = answer("whatsapp", thread={}, to=Identity("email", "a@example.com"))
    assert (await failure(one, other)).reason is Reason.REQUEST  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", PAGES)
async def test_who_blocked_us_is_unreachable(bench: Workbench, far: Graph, kind: str) -> None:
    far.blocked.add(graph.person(kind, 1))
    assert (await failure(writer(bench, far, kind), answer(kind))).reason is Reason.RECIPIENT  # type: ignore[attr-defined]


# ---- comments


@pytest.mark.parametrize("kind", PAGES)
async def test_a_comment_is_answered_below_it_or_once_in_private(
    bench: Workbench, far: Graph, kind: str
) -> None:
    below = answer(kind, thread={"comment": "55_1", "post": ""})
    one = writer(bench, far, kind)
    receipt = await one.send(below)
    assert receipt.remote_id.startswith("55_9") and far.got["55_1"][0].type == "comment"
    assert far.calls[-1][1] == ("55_1/comments" if kind == "messenger" else "55_1/replies")
    file = OutgoingFile("a.pdf", "application/pdf", 1, "0" * 64, b"a")
    assert (await failure(one, replace(below, text="", files=(file,)))).reason is Reason.REQUEST  # type: ignore[attr-defined]
    private = writer(bench, far, kind, comments="private")
    assert len(private.parts(replace(below, text="x" * 5_000))) == 1
    await private.send(below)
    assert far.got["55_1"][1].type == "text"
    assert (await failure(private, below)).reason is Reason.REQUEST  # type: ignore[attr-defined]


# ---- files, profiles, health


async def test_a_file_of_whatsapps_is_asked_for_and_fetched_with_the_token(
    bench: Workbench, far: Graph
) -> None:
    far.files["77"] = ("image/jpeg", b"\xff\xd8 a picture")
    one = writer(bench, far, "whatsapp")
    media = await one.download("77")
    assert (media.raw, media.media_type) == (b"\xff\xd8 a picture", "image/jpeg")
    with pytest.raises(PermanentFailure):
        await one.download("78")
    # The token goes to Meta's hosts only, whatever the answer names.
    with pytest.raises(PermanentFailure, match="media_hosts"):
        await writer(bench, far, "whatsapp", media_hosts=[".fbsbx.com"]).download("77")
    with pytest.raises(PermanentFailure, match="larger"):
        await writer(bench, far, "whatsapp", media_bytes=5).download("77")


@pytest.mark.parametrize("kind", PAGES)
async def test_a_file_of_a_page_is_fetched_by_its_address_and_without_the_token(
    bench: Workbench, far: Graph, kind: str
) -> None:
    far.files["77"] = ("image/png", b"a picture")
    one = writer(bench, far, kind)
    assert (await one.download(f"{far.url}/cdn/x/77")).raw == b"a picture"
    with pytest.raises(PermanentFailure, match="ended"):
        await one.download(f"{far.url}/cdn/x/78")
    for url in (
        "http://localhost:1/x",
        "file:///etc/passwd",
        "https://fbcdn.net.evil.example/",
        "http://[",
        "",
    ):
        with pytest.raises(PermanentFailure):
            await one.download(url)
    with pytest.raises(PermanentFailure, match="public"):
        await writer(bench, far, kind, media_hosts=[".0.0.1"]).download(f"{far.url}/cdn/x/77")


@pytest.mark.parametrize("kind", PAGES)
async def test_a_name_is_told_where_the_platform_tells_it(bench: Workbench, far: Graph, kind: str) -> None:
    one = writer(bench, far, kind)
    who = Identity(one._site.person, graph.person(kind, 1))
    far.profiles[who.value] = {"first_name": "Li", "last_name": "Wei", "locale": "zh_CN"}
    profile = await one.profile(who)
    assert (profile.name, profile.language) == ("Li Wei", "zh-CN")
    far.profiles[who.value] = {"username": "liwei"}
    assert (await one.profile(who)).name == "liwei"
    assert (await one.profile(Identity("facebook", "9"))).name == ""
    far.next(Error(200))  # a permission for names only: the channel goes on
    with pytest.raises(PermanentFailure):
        await one.profile(who)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_probe_subscribes_again_and_tells_how_to_renew_the_token(
    bench: Workbench, far: Graph, kind: str
) -> None:
    more = {"business_account": "998877"} if kind == "whatsapp" else {}
    one = writer(bench, far, kind, **more)
    told = await one.probe()
    assert told.state is HealthState.OK and "again" in told.detail
    again = await one.probe()
    assert again.state is HealthState.OK and "again" not in again.detail and again.detail
    far.subscribed.clear()
    quiet = await writer(bench, far, kind, subscribe=False, **more).probe()
    assert quiet.state is HealthState.FAILING and quiet.repair
    far.token = "another"
    ended = await one.probe()
    assert ended.state is HealthState.FAILING and "token" in (ended.repair or "") and "463" in ended.detail


def test_settings_that_would_never_be_used_are_refused() -> None:
    for kind, more in (
        ("messenger", {"human_agent": True}),
        ("whatsapp", {"template": TEMPLATE}),
        ("instagram", {"login": "facebook"}),
    ):
        with pytest.raises(ValueError, match=r"fallback|page"):
            SPECS[kind].settings.model_validate(graph.settings(None, kind, **more))
