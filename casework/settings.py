"""Settings of the office: when it works, which departments there are, and how long each stage may take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import time, timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)

from model.decision import Urgency
from model.secret import Secret
from router.hours import Span, SpanText, WorktimeSettings

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,31}$")]
Word = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


Address = Annotated[str, StringConstraints(pattern=r"^[^@\s]+@[^@\s]+$", max_length=254)]


class TellSettings(_Settings):
    """How somebody is told of deadlines."""

    email: Sequence[Address] = Field(default=(), description="Addresses of mail.")
    webhook: Secret | None = Field(
        default=None, description="Where to post a JSON object with `text` and `records`."
    )
    wecom: Secret | None = Field(
        default=None, description="Address of a WeCom group robot [企业微信群机器人], with its key."
    )

    def ways(self) -> list[tuple[str, str]]:
        """The ways with, of mail, their addresses."""
        found = [("email", one) for one in self.email]
        return found + [(name, "") for name in ("webhook", "wecom") if getattr(self, name) is not None]


class DepartmentSettings(_Settings):
    """One department."""

    title: Mapping[str, Word] = Field(
        default_factory=dict, description="What it is called, by language (`en`, `zh`); default: its name."
    )
    natures: Sequence[Word] = Field(default=(), description="What it is responsible for.")
    members: Sequence[Word] = Field(default=(), description="Who belongs to it.")
    tell: TellSettings = Field(
        default=TellSettings(),
        description="How it is told of deadlines; without a way the coordinator is told instead.",
    )


class SolveSettings(_Settings):
    """How long a solution may take, by urgency, from the registration."""

    urgent: SpanText = Field(default=Span(1, "working day"), description="Urgent matters [紧急].")
    important: SpanText = Field(default=Span(1, "week"), description="Important matters [重要].")
    normal: SpanText = Field(default=Span(2, "week"), description="All others [一般].")

    def of(self, urgency: Urgency) -> Span:
        """The span of an urgency."""
        span: Span = getattr(self, urgency.value)
        return span


class StageSettings(_Settings):
    """How long each stage may take."""

    hand_over: SpanText = Field(
        default=Span(1, "working day"), description="From registration until a department has it."
    )
    analyse: SpanText = Field(
        default=Span(2, "working day"), description="From hand-over until the department has looked into it."
    )
    solve: SolveSettings = Field(default=SolveSettings(), description="From registration until it is solved.")
    answer: SpanText = Field(
        default=Span(1, "working day"), description="From the solution until the customer is answered."
    )


class AskSettings(_Settings):
    """What happens while a customer is asked for what is missing; the clock stands still meanwhile."""

    remind_after: SpanText = Field(
        default=Span(2, "working day"), description="When they are asked once more."
    )
    go_on_after: SpanText = Field(
        default=Span(5, "working day"), description="When the work goes on without an answer."
    )


class FollowUpSettings(_Settings):
    """Whether customers who were answered are satisfied [回访]."""

    ask_after: SpanText = Field(
        default=Span(1, "working day"), description="How long after the answer they are asked."
    )
    close_after: SpanText = Field(
        default=Span(1, "week"), description="How long after the question the record is closed by itself."
    )
    good_from: int = Field(default=4, ge=2, le=5, description="Marks from this on, of 5, count as satisfied.")


class RepeatSettings(_Settings):
    """When a customer's new record counts as a repeat of an earlier one [重复]."""

    within: timedelta = Field(
        default=timedelta(days=30),
        gt=timedelta(0),
        description="How far back it is looked for the earlier one.",
    )
    likeness: float = Field(
        default=0.5,
        gt=0,
        le=1,
        description="Share of what either text says that both say, from which on they are the same matter.",
    )


class SurgeSettings(_Settings):
    """When like records of many customers are shown as one surge [集中投诉]."""

    within: timedelta = Field(
        default=timedelta(hours=24), gt=timedelta(0), description="Within how much time they come."
    )
    likeness: float = Field(
        default=0.4,
        gt=0,
        le=1,
        description="Share of what either text says that both say, from which on they are the same matter.",
    )
    contacts: int = Field(
        default=10, ge=2, le=10_000, description="From how many customers on it is a surge."
    )
    urgency: Urgency | None = Field(
        default=Urgency.IMPORTANT, description="Its records become at least so urgent; null leaves them."
    )
    most: int = Field(
        default=5_000, ge=100, le=100_000, description="Records that are compared with a new one, the newest."
    )


class ReviewSettings(_Settings):
    """Which answers a second person looks at before they leave [复核]; one that names nothing means all."""

    urgencies: Sequence[Urgency] = Field(default=(), description="Answers to records this urgent.")
    natures: Sequence[Word] = Field(default=(), description="Answers to records of one of these natures.")
    departments: Sequence[Name] = Field(default=(), description="Answers to records of these departments.")


class EscalationSettings(_Settings):
    """Who is told when a deadline comes near or passed: the department, then the coordinator, then the supervision."""

    channel: str | None = Field(
        default=None,
        description="The channel of the kind `email` that sends digests; needed for those by mail.",
    )
    before: SpanText = Field(
        default=Span(4, "working hour"), description="The department is told this long before a deadline."
    )
    long_after: SpanText = Field(
        default=Span(1, "working day"), description="The supervision is told this long after a deadline."
    )
    every: timedelta = Field(
        default=timedelta(minutes=30),
        ge=timedelta(seconds=1),
        description="How often it is looked; what is new by then goes in one message to each.",
    )
    lines: int = Field(
        default=100, ge=1, le=500, description="How many records a digest names; of more it tells the number."
    )
    language: Literal["en", "zh-CN"] = Field(default="en", description="Language of the digests.")
    supervision: TellSettings = Field(default=TellSettings(), description="How the supervision is told.")


def _minutes(value: Any) -> int:
    """Minutes after midnight of a time as `08:00`."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 24 * 60:
        return value
    try:
        at = time.fromisoformat(value if isinstance(value, str) else "")
    except ValueError:
        raise ValueError("write a time of day as `08:00`") from None
    return 60 * at.hour + at.minute


TimeOfDay = Annotated[
    int,
    PlainValidator(_minutes),
    PlainSerializer(lambda value: f"{value // 60:02}:{value % 60:02}", return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^([01]\d|2[0-3]):[0-5]\d$"}),
]


class ReportSettings(_Settings):
    """The report on what came in: which causes and results there are, and to whom it is sent [统计报告]."""

    causes: Sequence[Word] = Field(
        default=("defect", "handling", "delay", "misunderstanding", "outside"),
        description="What departments may name as the cause of a matter; further words may have a title in `titles`.",
    )
    outcomes: Sequence[Word] = Field(
        default=("solved", "partly_solved", "explained", "unfounded", "withdrawn"),
        description="What departments may name as the result.",
    )
    titles: Mapping[Word, Mapping[str, Word]] = Field(
        default_factory=dict, description="What causes and results of your own are called, by language."
    )
    recurring_from: int = Field(
        default=3,
        ge=2,
        le=1000,
        description="From how many on, in one period, the same issue counts as recurring.",
    )
    channel: str | None = Field(
        default=None, description="The channel of the kind `email` that sends the report; needed with `to`."
    )
    to: Sequence[Address] = Field(default=(), description="Who gets it by mail.")
    periods: Sequence[Literal["month", "quarter", "year"]] = Field(
        default=("month", "quarter", "year"), description="Of which periods, when each is over."
    )
    at: TimeOfDay = Field(
        default=8 * 60, description="When on the day after the period, in the office's time zone."
    )
    formats: Sequence[Literal["pdf", "xlsx"]] = Field(
        default=("pdf", "xlsx"), min_length=1, description="As which files."
    )
    language: Literal["en", "zh-CN"] = Field(default="en", description="Language of the report that is sent.")

    @model_validator(mode="after")
    def _sent(self) -> Self:
        if self.to and self.channel is None:
            raise ValueError("channel: name the channel of the kind email that sends the report")
        return self


class OfficeSettings(_Settings):
    """The office that handles what comes in; without departments records are answered at one desk."""

    worktime: WorktimeSettings = Field(
        default_factory=WorktimeSettings, description="When the office works; deadlines count its days."
    )
    departments: Mapping[Name, DepartmentSettings] = Field(
        default_factory=dict, description="Who handles records, by name."
    )
    coordinator: Name | None = Field(
        default=None,
        description="The department that gets what others return again and again; needed with departments.",
    )
    returns: int = Field(
        default=2,
        ge=1,
        le=20,
        description="How often a record may be returned before the coordinator has it.",
    )
    stages: StageSettings = Field(default_factory=StageSettings, description="How long each stage may take.")
    ask: AskSettings | None = Field(
        default=None,
        description="Stop the clock while a customer is asked for what is missing; `{}` takes the defaults.",
    )
    follow_up: FollowUpSettings | None = Field(
        default=None,
        description="Ask customers who were answered whether they are satisfied; `{}` takes the defaults.",
    )
    escalation: EscalationSettings | None = Field(
        default=None, description="Tell of deadlines that come near or passed; `{}` takes the defaults."
    )
    repeats: RepeatSettings | None = Field(
        default=None,
        description="Link what a customer writes again about the same matter; `{}` takes the defaults.",
    )
    surges: SurgeSettings | None = Field(
        default=None,
        description="Show the same matter of many customers as one surge; `{}` takes the defaults.",
    )
    review: ReviewSettings | None = Field(
        default=None,
        description="Answers that a second person looks at before they leave; `{}` means every answer.",
    )
    report: ReportSettings = Field(
        default=ReportSettings(), description="Figures by month, quarter and year, and who gets them."
    )
    look_every: float = Field(
        default=5.0, ge=0.05, le=3600, description="How often it is looked what is to be done, seconds."
    )

    @model_validator(mode="after")
    def _coordinated(self) -> Self:
        if self.escalation is not None and self.departments:
            self._told(self.escalation)
        if self.departments and self.coordinator not in self.departments:
            known = ", ".join(self.departments)
            raise ValueError(f"coordinator: name one of the departments ({known})")
        return self

    def _told(self, escalation: EscalationSettings) -> None:
        coordinator = self.departments.get(self.coordinator or "")
        if coordinator is not None and not coordinator.tell.ways():
            raise ValueError(
                f"departments.{self.coordinator}.tell: say how the coordinator is told of deadlines, or leave"
                " escalation out"
            )
        told = [escalation.supervision, *(one.tell for one in self.departments.values())]
        if escalation.channel is None and any(one.email for one in told):
            raise ValueError("escalation.channel: name the channel of the kind email that sends the digests")
