"""What operators are told, when, how often, and in which words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from config.settings import AlertSettings, AlertWebhook, PatternSettings
from gateway import alert_texts, alerts, notifier
from gateway.alerts import Alert, AlertKind, Observations, Observed, evaluate
from model.health import OK, Health, HealthState
from model.tools import HttpAnswer

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)  # a Monday
SETTINGS = AlertSettings()
HOURS = timedelta(hours=1)
FAILING = Health(HealthState.FAILING, "the server refused the log-in", "renew the password")


def keys(*observed: Observed, **house: Any) -> set[str]:
    return set(evaluate(Observations(observed=observed, **house), NOW, SETTINGS))


def steady(weeks: int = 5, each_hour: int = 4) -> dict[datetime, int]:
    return {NOW - HOURS * n: each_hour for n in range(1, weeks * 7 * 24 + 1)}


# Judgement


def test_all_well_is_no_alert() -> None:
    assert keys(Observed(name="mail", health=OK, last_in=NOW), disk_free=10**12) == set()


def test_a_failing_channel_is_told_after_its_time_with_the_repair_step() -> None:
    young = Observed(name="mail", health=FAILING, failing_since=NOW - timedelta(minutes=4))
    old = Observed(name="mail", health=FAILING, failing_since=NOW - timedelta(minutes=5))
    assert keys(young) == set()
    found = evaluate(Observations(observed=[old]), NOW, SETTINGS)["failing:mail"]
    assert found.facts == {"detail": FAILING.detail, "repair": FAILING.repair}


def test_silence_counts_from_the_last_envelope_or_from_the_first_watch() -> None:
    limit = timedelta(hours=2)
    spoke = Observed(name="a", health=OK, last_in=NOW - limit, silent_after=limit)
    silent = Observed(name="b", health=OK, last_in=NOW - limit - HOURS, silent_after=limit)
    never = Observed(name="c", health=OK, watched_since=NOW - limit - HOURS, silent_after=limit)
    fresh = Observed(name="d", health=OK, watched_since=NOW, silent_after=limit)
    assert keys(spoke, silent, never, fresh) == {"silent:b", "silent:c"}


def test_a_failing_channel_is_not_told_as_silent_too() -> None:
    one = Observed(
        name="a",
        health=FAILING,
        failing_since=NOW - HOURS,
        last_in=NOW - HOURS * 9,
        silent_after=HOURS,
    )
    assert keys(one) == {"failing:a"}


def test_silence_against_the_pattern_of_the_same_hours_is_told() -> None:
    history = steady()  # 4 an hour: ten are expected after two and a half hours
    almost = Observed(name="a", health=OK, last_in=NOW - timedelta(minutes=149), history=history)
    enough = Observed(name="a", health=OK, last_in=NOW - timedelta(minutes=151), history=history)
    assert keys(almost) == set()
    assert keys(enough) == {"quiet:a"}


def test_a_channel_that_rests_at_night_is_not_held_against_its_days() -> None:
    busy = {at: n for at, n in steady(each_hour=50).items() if 8 <= at.hour < 20}
    at_night = datetime(2026, 11, 23, 7, 0, tzinfo=UTC)
    seen = Observed(name="a", health=OK, last_in=at_night - HOURS * 11, history=busy)
    assert evaluate(Observations(observed=[seen]), at_night, SETTINGS) == {}
    later = at_night + HOURS * 2
    assert set(evaluate(Observations(observed=[seen]), later, SETTINGS)) == {"quiet:a"}


def test_one_past_week_with_the_same_silence_excuses_this_one() -> None:
    history = {
        at: n for at, n in steady().items() if not NOW - timedelta(days=8) < at < NOW - timedelta(days=6)
    }
    assert keys(Observed(name="a", health=OK, last_in=NOW - HOURS * 5, history=history)) == set()


def test_a_channel_younger_than_the_weeks_to_learn_from_is_not_judged() -> None:
    history = steady(weeks=3)
    assert keys(Observed(name="a", health=OK, last_in=NOW - HOURS * 5, history=history)) == set()


def test_the_pattern_can_be_switched_off() -> None:
    settings = AlertSettings(pattern=PatternSettings(enabled=False))
    seen = Observed(name="a", health=OK, last_in=NOW - HOURS * 50, history=steady())
    assert evaluate(Observations(observed=[seen]), NOW, settings) == {}


def test_a_clock_that_jumped_back_makes_no_alert() -> None:
    ahead = NOW + timedelta(days=400)
    seen = Observed(name="a", health=OK, last_in=ahead, silent_after=HOURS, history=steady())
    assert keys(seen, oldest_waiting=ahead) == set()


def test_an_authorisation_is_told_before_it_ends_also_while_failing() -> None:
    far = Observed(name="a", health=OK, authorised_until=NOW + timedelta(days=8))
    near = Observed(name="b", health=FAILING, authorised_until=NOW + timedelta(days=6))
    assert keys(far, near) == {"authorisation:b"}


def test_the_house_is_judged_too() -> None:
    assert keys(dead=1) == {"dead:"}
    assert keys(quarantined=2) == {"quarantined:"}
    assert keys(disk_free=1000) == {"disk:"}
    assert keys(oldest_waiting=NOW - timedelta(minutes=16)) == {"backlog:"}
    assert keys(oldest_waiting=NOW - timedelta(minutes=14)) == set()


async def test_the_pattern_is_asked_for_once_an_hour() -> None:
    asked: list[tuple[str, datetime, datetime]] = []

    async def history(channel: str, start: datetime, end: datetime) -> Mapping[datetime, int]:
        asked.append((channel, start, end))
        return {}

    pattern = alerts.Pattern(history, weeks=4)
    for minute in (0, 20, 59, 61):
        await pattern.of("mail", NOW + timedelta(minutes=minute))
    assert asked == [
        ("mail", NOW - timedelta(weeks=5), NOW),
        ("mail", NOW + HOURS - timedelta(weeks=5), NOW + HOURS),
    ]


# Telling


class Desk:
    """Collects bulletins; refuses them while `down`."""

    def __init__(self) -> None:
        self.bulletins: list[notifier.Bulletin] = []
        self.down = False

    async def __call__(self, bulletin: notifier.Bulletin) -> None:
        if self.down:
            raise ConnectionError("https://hooks.example/secret-token refused")
        self.bulletins.append(bulletin)


class Memory:
    """Keeps the state as the JSON text that a store would."""

    def __init__(self) -> None:
        self.text = "null"
        self.saves = 0

    async def load(self) -> Any:
        return json.loads(self.text)

    async def save(self, value: Any) -> None:
        self.text = json.dumps(value)
        self.saves += 1


class Log:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def warning(self, event: str, **facts: Any) -> None:
        self.lines.append(f"{event} {facts}")

    debug = info = error = warning


@pytest.fixture
def memory() -> Memory:
    return Memory()


def make(memory: Memory, settings: AlertSettings = SETTINGS, **ways: Desk) -> notifier.Notifier:
    return notifier.Notifier(settings, ways, memory.load, memory.save, Log())


def active(*names: str) -> dict[str, Alert]:
    made = [Alert(AlertKind.FAILING, name, {"detail": "refused", "repair": "mend it"}) for name in names]
    return {alert.key: alert for alert in made}


def names(alerts: Any) -> list[str]:
    return [one.subject for one in alerts]


async def test_several_alerts_make_one_message_and_no_second_one(memory: Memory) -> None:
    desk = Desk()
    told = make(memory, desk=desk)
    await told.tick(active("b", "a"), NOW)
    await told.tick(active("a", "b"), NOW + timedelta(minutes=1))
    (bulletin,) = desk.bulletins
    assert names(bulletin.new) == ["a", "b"]
    assert memory.saves == 1


async def test_a_later_alert_comes_with_those_that_stand(memory: Memory) -> None:
    desk = Desk()
    told = make(memory, desk=desk)
    await told.tick(active("a"), NOW)
    await told.tick(active("a", "b"), NOW + HOURS)
    assert names(desk.bulletins[1].new) == ["b"] and names(desk.bulletins[1].standing) == ["a"]


async def test_what_stays_is_repeated_after_its_time_and_not_before(memory: Memory) -> None:
    desk = Desk()
    told = make(memory, desk=desk)
    await told.tick(active("a"), NOW)
    await told.tick(active("a"), NOW + HOURS * 4 - timedelta(seconds=1))
    assert len(desk.bulletins) == 1
    await told.tick(active("a"), NOW + HOURS * 4)
    assert names(desk.bulletins[1].standing) == ["a"]
    assert desk.bulletins[0].key != desk.bulletins[1].key


async def test_what_is_gone_for_a_while_is_called_off_once(memory: Memory) -> None:
    desk = Desk()
    told = make(memory, desk=desk)
    await told.tick(active("a"), NOW)
    for minute in (1, 5, 6, 7, 20):
        await told.tick({}, NOW + timedelta(minutes=minute))
    assert [names(b.resolved) for b in desk.bulletins] == [[], ["a"]]
    assert not desk.bulletins[1].firing
    assert json.loads(memory.text)["known"] == []


async def test_flapping_is_told_once(memory: Memory) -> None:
    desk = Desk()
    told = make(memory, desk=desk)
    for minute in range(20):
        await told.tick(active("a") if minute % 2 else {}, NOW + timedelta(minutes=minute))
    assert len(desk.bulletins) == 1


async def test_a_restart_neither_repeats_nor_forgets(memory: Memory) -> None:
    desk = Desk()
    await make(memory, desk=desk).tick(active("a"), NOW)
    await make(memory, desk=desk).tick(active("a"), NOW + timedelta(minutes=1))
    assert len(desk.bulletins) == 1
    await make(memory, desk=desk).tick({}, NOW + timedelta(minutes=2))
    await make(memory, desk=desk).tick({}, NOW + timedelta(minutes=8))
    assert names(desk.bulletins[1].resolved) == ["a"]


async def test_a_crash_before_the_state_is_saved_sends_the_same_key_again(memory: Memory) -> None:
    desk = Desk()

    async def lost(value: Any) -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        await notifier.Notifier(SETTINGS, {"desk": desk}, memory.load, lost, Log()).tick(active("a"), NOW)
    await make(memory, desk=desk).tick(active("a"), NOW)
    first, second = desk.bulletins
    assert first.key == second.key


async def test_a_way_that_fails_is_tried_again_and_hinders_no_other(memory: Memory) -> None:
    desk, hook = Desk(), Desk()
    hook.down = True
    log = Log()
    told = notifier.Notifier(SETTINGS, {"hook": hook, "desk": desk}, memory.load, memory.save, log)
    await told.tick(active("a"), NOW)
    assert len(desk.bulletins) == 1 and hook.bulletins == []
    assert "secret-token" not in "".join(log.lines) and "ConnectionError" in log.lines[0]
    hook.down = False
    await told.tick(active("a"), NOW + timedelta(minutes=1))
    assert len(desk.bulletins) == 1 and names(hook.bulletins[0].new) == ["a"]


async def test_what_was_resolved_while_a_way_was_down_is_called_off_there_later(memory: Memory) -> None:
    hook = Desk()
    told = make(memory, hook=hook)
    await told.tick(active("a"), NOW)
    hook.down = True
    await told.tick({}, NOW + timedelta(minutes=1))
    await told.tick({}, NOW + timedelta(minutes=7))
    hook.down = False
    await told.tick({}, NOW + timedelta(minutes=8))
    assert [names(b.resolved) for b in hook.bulletins] == [[], ["a"]]


async def test_what_came_and_went_untold_is_dropped(memory: Memory) -> None:
    hook = Desk()
    hook.down = True
    told = make(memory, hook=hook)
    await told.tick(active("a"), NOW)
    await told.tick({}, NOW + timedelta(minutes=1))
    hook.down = False
    await told.tick({}, NOW + timedelta(minutes=10))
    assert hook.bulletins == [] and json.loads(memory.text)["known"] == []


@pytest.mark.parametrize(
    "state", [None, 5, [], {}, {"known": [{}], "told": 3}, {"known": [], "told": {"x": 1}}]
)
async def test_a_state_that_cannot_be_read_is_begun_anew(memory: Memory, state: Any) -> None:
    memory.text = json.dumps(state)
    desk = Desk()
    await make(memory, desk=desk).tick(active("a"), NOW)
    assert len(desk.bulletins) == 1


# Words


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_every_kind_has_its_words(language: str) -> None:
    facts: dict[str, str | int | float] = {
        "detail": "d", "repair": "r", "since": "s", "why": "w", "with": "x", "hours": 3, "expected": 4,
        "until": "u", "n": 5, "free_mb": 6, "minutes": 7,
    }  # fmt: skip
    for kind in AlertKind:
        text = alert_texts.sentence(language, kind, "mail", facts)
        assert text and "{" not in text
        assert alert_texts.title(language, [(kind, "mail")], firing=True)


async def test_a_message_reads_well_in_both_languages(memory: Memory) -> None:
    desk = Desk()
    await make(memory, desk=desk).tick(active("mail"), NOW)
    assert desk.bulletins[0].subject == "[Forebay] 1 to look at: mail failing"
    assert desk.bulletins[0].text == ("New\n- mail is failing: refused. mend it (since 2026-11-23 12:00 UTC)")
    chinese = Desk()
    await make(Memory(), AlertSettings(language="zh-CN"), desk=chinese).tick(active("mail"), NOW)
    assert chinese.bulletins[0].text == (
        "新告警\n- mail 出现故障：refused。mend it (自 2026-11-23 12:00 UTC)"
    )


# The two ways


async def test_by_email_every_operator_gets_a_delivery_with_a_lasting_key(memory: Memory) -> None:
    mails: list[notifier.AlertMail] = []

    async def enqueue(mail: notifier.AlertMail) -> None:
        mails.append(mail)

    way = notifier.by_email(enqueue, "mail", ["a@office.example", "b@office.example"])
    told = notifier.Notifier(SETTINGS, {"email": way}, memory.load, memory.save, Log())
    await told.tick(active("hook"), NOW)
    assert [mail.to for mail in mails] == ["a@office.example", "b@office.example"]
    assert len({mail.key for mail in mails}) == 2
    assert all(mail.channel == "mail" and "hook is failing" in mail.text for mail in mails)


class Http:
    def __init__(self, status: int) -> None:
        self.status = status
        self.requests: list[tuple[str, str, Mapping[str, str], bytes]] = []

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        timeout: float = 30.0,
        public_only: bool = False,
        limit: int = 1_048_576,
    ) -> HttpAnswer:
        self.requests.append((method, url, headers or {}, body or b""))
        return HttpAnswer(self.status, {}, b"")


@pytest.mark.parametrize(("status", "told"), [(204, 1), (500, 2), (302, 2)])
async def test_by_webhook_a_post_that_is_not_taken_is_made_again(
    memory: Memory, status: int, told: int
) -> None:
    http = Http(status)
    settings = AlertWebhook(url=SecretStr("https://chat.example/hook/abc"), headers={"X-Key": SecretStr("k")})
    way = notifier.by_webhook(http, settings)
    teller = notifier.Notifier(SETTINGS, {"webhook": way}, memory.load, memory.save, Log())
    await teller.tick(active("mail"), NOW)
    await teller.tick(active("mail"), NOW + timedelta(minutes=1))
    assert len(http.requests) == told
    method, url, headers, body = http.requests[0]
    assert (method, url, headers["x-key"]) == ("POST", "https://chat.example/hook/abc", "k")
    sent = json.loads(body)
    assert sent["status"] == "firing"
    assert sent["alerts"][0]["kind"] == "failing" and sent["alerts"][0]["state"] == "new"
