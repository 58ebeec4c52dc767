"""Settings of the rules: conditions over a record, and what they set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from model.decision import Urgency

#: What a customer may write about [产品 服务 价格 合作流程 内容 建议 表扬 投诉 咨询 其他].
NATURES = (
    "product",
    "service",
    "price",
    "cooperation",
    "content",
    "suggestion",
    "praise",
    "complaint",
    "enquiry",
    "other",
)
#: What a customer can be asked for.
MISSING = ("contact", "subject", "content", "attachment")

Name = Annotated[str, StringConstraints(pattern=r"^[^\s:][^:\n\r]{0,99}$")]
Word = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]
#: A template's name is part of a file name, hence the narrow alphabet.
TemplateName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,63}$")]


class _Settings(BaseModel):
    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True, hide_input_in_errors=True)


class Actions(_Settings):
    """What a rule sets; what it leaves out is left to later rules and the default."""

    nature: Sequence[Name] | None = Field(default=None, description="What it is about; several rules add up.")
    urgency: Urgency | None = Field(default=None, description="How soon it must be handled.")
    department: Name | None = Field(default=None, description="Who is responsible.")
    in_scope: bool | None = Field(default=None, description="Whether it is ours to handle.")
    destinations: Sequence[Name] | None = Field(
        default=None, description="Where the record is handed over; several rules add up."
    )
    acknowledgement: Literal[False] | TemplateName | None = Field(
        default=None, description="Template of the acknowledgement, or false for none."
    )
    hold: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = Field(
        default=None, description="A reason to let a person look before it is registered."
    )
    missing: Sequence[Literal["contact", "subject", "content", "attachment"]] | None = Field(
        default=None, description="What the customer has to be asked for; several rules add up."
    )


class RuleSettings(_Settings):
    """One rule."""

    name: Name = Field(description="Name in decisions and explanations; no colon.")
    when: str | None = Field(
        default=None, description="Condition in CEL over `record`; a rule without one always matches."
    )
    because: Mapping[str, Word] = Field(
        default_factory=dict,
        description="What it says to those who read the judgement, by language (`en`, `zh`); default: its name.",
    )
    set: Actions = Field(default=Actions(), description="What it sets.")
    goes_on: bool = Field(
        default=False, alias="continue", description="Whether later rules are looked at after a match."
    )


class RulesSettings(_Settings):
    """The office's rules, tried in order: the first match ends the search unless it says `continue`."""

    natures: Sequence[Name] = Field(default=NATURES, description="The natures that rules may name.")
    words: Mapping[Name, Sequence[Word]] = Field(
        default_factory=dict,
        description='Lists of words for mentions("list"). Latin words match whole, with a * at the end as a'
        " beginning; Chinese ones anywhere.",
    )
    rules: Sequence[RuleSettings] = Field(default=(), description="Tried from first to last.")
    default: Actions = Field(
        default=Actions(), description="Sets what no rule has set; must be written when there are rules."
    )
    expression_limit: int = Field(
        default=2_000, ge=1, le=10_000, description="Longest condition, characters."
    )
    text_limit: int = Field(
        default=20_000,
        ge=100,
        le=200_000,
        description="Characters of a message that conditions see; record.cut tells that there were more.",
    )

    @model_validator(mode="after")
    def _default_is_written(self) -> Self:
        if self.rules and "default" not in self.model_fields_set:
            raise ValueError("`default` is missing: say what a message gets that no rule matches")
        return self


class CaseMessage(_Settings):
    """The message of a rule case."""

    channel: str = Field(default="form", description="Name of the channel.")
    kind: str = Field(default="form", description="Kind of the channel.")
    subject: str = Field(default="", description="Subject.")
    text: str = Field(default="", description="What is new.")
    full_text: str | None = Field(default=None, description="All that is readable; the text when left out.")
    name: str = Field(default="", description="Name of who wrote.")
    company: str = Field(default="", description="Company of who wrote.")
    language: str | None = Field(default=None, description="BCP 47 tag.")
    email: str | None = Field(default=None, description="E-mail address of who wrote.")
    phone: str | None = Field(default=None, description="Telephone number of who wrote.")
    automatic: str | None = Field(default=None, description="Why it counts as written by a machine.")
    bounce: bool = Field(default=False, description="A report that a message was not delivered.")
    attachments: Sequence[str] = Field(default=(), description="File names.")
    extra: Mapping[str, object] = Field(default_factory=dict, description="Further fields of the source.")


class Expected(Actions):
    """What a rule case expects; what it leaves out is not looked at."""

    rules: Sequence[str] | None = Field(default=None, description="Names of the rules that took part.")


class CaseSettings(_Settings):
    """A message, and the decision it must get."""

    name: Name = Field(description="What the case shows.")
    message: CaseMessage = Field(description="The message.")
    expect: Expected = Field(description="The decision.")


class CasesSettings(_Settings):
    """A file of rule cases."""

    cases: Sequence[CaseSettings] = Field(description="Tried one by one.")
