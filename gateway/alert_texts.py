"""The words of alerts, in English and Chinese."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gateway.alerts import AlertKind, Facts

Words = Mapping[AlertKind, str]

SENTENCES: Mapping[str, Words] = {
    "en": {
        AlertKind.FAILING: "{subject} is failing: {detail}. {repair}",
        AlertKind.SILENT: "{subject} is silent: nothing came since {since} ({hours} h).",
        AlertKind.QUIET: "{subject} is unusually silent: nothing came since {since} ({hours} h); "
        "in other weeks about {expected} messages come in this time.",
        AlertKind.AUTHORISATION: "{subject}: the authorisation ends at {until}. Renew it before.",
        AlertKind.DEAD: "Deliveries that were given up: {n}. See `forebay outbox list --state dead`.",
        AlertKind.QUARANTINED: "Messages that could not be read: {n}. "
        "See `forebay inbox list --state quarantined`.",
        AlertKind.LOOP: "Automatic messages withheld as rounds of a loop in the last hour: {n}; "
        "the latest: {why}, {with}. See `forebay outbox list --suppressed`.",
        AlertKind.DISK: "The disk is almost full: {free_mb} MB are free.",
        AlertKind.BACKLOG: "Messages wait for {minutes} minutes: the way in or out does not keep up.",
        AlertKind.WINDOW: "{subject}: customers who wait for an answer, and whose reply window closes soon: {n}.",
        AlertKind.SURGE: "Many customers bring the same matter, and nobody answered it: {n}. See `forebay surge list`.",
    },
    "zh-CN": {
        AlertKind.FAILING: "{subject} 出现故障：{detail}。{repair}",
        AlertKind.SILENT: "{subject} 没有消息：自 {since} 起未收到任何内容（{hours} 小时）。",
        AlertKind.QUIET: "{subject} 异常安静：自 {since} 起未收到任何内容（{hours} 小时），"
        "往周同一时段约有 {expected} 条消息。",
        AlertKind.AUTHORISATION: "{subject}：授权将于 {until} 到期，请提前续期。",
        AlertKind.DEAD: "已放弃的投递：{n} 条。请查看 `forebay outbox list --state dead`。",
        AlertKind.QUARANTINED: "无法读取的消息：{n} 条。请查看 `forebay inbox list --state quarantined`。",
        AlertKind.LOOP: "过去一小时内因邮件循环而未发送的自动消息：{n} 条；最近一条：{why}，{with}。"
        "请查看 `forebay outbox list --suppressed`。",
        AlertKind.DISK: "磁盘空间不足：仅剩 {free_mb} MB。",
        AlertKind.BACKLOG: "消息已等待 {minutes} 分钟：收发处理跟不上。",
        AlertKind.WINDOW: "{subject}：有 {n} 位等待答复的顾客，其回复窗口即将关闭。",
        AlertKind.SURGE: "多位客户集中反映同一事项，尚未答复：{n} 起。请查看 `forebay surge list`。",
    },
}
HEADS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "new": "New",
        "standing": "Still so",
        "resolved": "Resolved",
        "firing": "[Forebay] {n} to look at: {first}",
        "all_clear": "[Forebay] Resolved: {first}",
        "since": "since {since}",
    },
    "zh-CN": {
        "new": "新告警",
        "standing": "仍未恢复",
        "resolved": "已恢复",
        "firing": "[Forebay] {n} 项需要处理：{first}",
        "all_clear": "[Forebay] 已恢复：{first}",
        "since": "自 {since}",
    },
}
#: What heads a message about one kind of alert, where the whole sentence is too long.
NAMES: Mapping[str, Words] = {
    "en": {
        AlertKind.FAILING: "failing",
        AlertKind.SILENT: "silent",
        AlertKind.QUIET: "unusually silent",
        AlertKind.AUTHORISATION: "authorisation ends",
        AlertKind.DEAD: "dead deliveries",
        AlertKind.QUARANTINED: "quarantined messages",
        AlertKind.LOOP: "mail loop stopped",
        AlertKind.DISK: "disk almost full",
        AlertKind.BACKLOG: "backlog",
        AlertKind.WINDOW: "reply windows close soon",
        AlertKind.SURGE: "same matter from many customers",
    },
    "zh-CN": {
        AlertKind.FAILING: "故障",
        AlertKind.SILENT: "没有消息",
        AlertKind.QUIET: "异常安静",
        AlertKind.AUTHORISATION: "授权即将到期",
        AlertKind.DEAD: "投递失败",
        AlertKind.QUARANTINED: "消息被隔离",
        AlertKind.LOOP: "邮件循环已停止",
        AlertKind.DISK: "磁盘空间不足",
        AlertKind.BACKLOG: "积压",
        AlertKind.WINDOW: "回复窗口即将关闭",
        AlertKind.SURGE: "集中反馈",
    },
}


def sentence(language: str, kind: AlertKind, subject: str, facts: Facts) -> str:
    """What is wrong, in a sentence."""
    text = SENTENCES[language][kind].format_map({**facts, "subject": subject})
    return " ".join(text.split())  # one line, also when a far side's words had more


def title(language: str, kinds: Sequence[tuple[AlertKind, str]], *, firing: bool) -> str:
    """The subject line: how many, and the first one's name."""
    kind, subject = kinds[0]
    first = f"{subject} {NAMES[language][kind]}".strip()
    return HEADS[language]["firing" if firing else "all_clear"].format(n=len(kinds), first=first)
