"""The kind `letter`: scans of letters from a folder, made text by recognition."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from connectors.contract import ChannelSettings, Connector, ConnectorSpec, Limits
from connectors.letter.printing import PrintFolder
from model import address
from model.delivery import OnUncertain
from model.draft import Identity
from model.tools import Tools


class _Part(BaseModel):
    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True, hide_input_in_errors=True)


class InboxFolder(_Part):
    """A folder that scanners write into."""

    folder: str = Field(min_length=1, description="The folder that is watched; it must exist.")
    done: str = Field(
        default="done", min_length=1, description="Where a file goes once it is stored; beside the scans."
    )
    failed: str = Field(
        default="failed",
        min_length=1,
        description="Where a file goes that cannot be taken, with FILE.reason.txt beside it.",
    )
    after: Literal["move", "delete"] = Field(
        default="move", description="What becomes of a file once it is stored here."
    )
    settle: timedelta = Field(
        default=timedelta(seconds=10),
        gt=timedelta(0),
        description="How long size and time of a file must stay the same before it is looked into.",
    )
    incomplete_after: timedelta = Field(
        default=timedelta(minutes=15),
        gt=timedelta(0),
        description="How long a file that has no proper end may rest unchanged before it counts as cut off.",
    )
    ignore: tuple[str, ...] = Field(
        default=(".*", "~$*", "Thumbs.db", "desktop.ini", "*.tmp", "*.part", "*.filepart", "*.crdownload"),
        description="Names that are no scans and stay where they are, as patterns.",
    )
    batch: int = Field(default=20, gt=0, le=200, description="Files taken with one look at the most.")

    @field_validator("done", "failed")
    @classmethod
    def _not_the_folder_itself(cls, value: str) -> str:
        if value.strip("/") in ("", "."):
            raise ValueError("must be another folder than the one that is watched")
        return value

    @model_validator(mode="after")
    def _apart(self) -> Self:
        if self.done == self.failed:
            raise ValueError("done and failed must be two folders")
        return self


class Recognition(_Part):
    """How scans are made into text, and when a clerk must look."""

    hold_below: float = Field(
        default=0.8,
        ge=0,
        le=1,
        description="A letter whose text or sender is known with less confidence than this waits for a clerk.",
    )
    hold_without_sender: bool = Field(
        default=True,
        description="Whether a letter that names neither its sender nor a way to answer waits for a clerk.",
    )
    resolution: int = Field(
        default=170, ge=100, le=400, description="Dots per inch at which pages are recognised."
    )
    searchable: bool = Field(
        default=True, description="Whether a PDF whose text can be searched is kept beside the scan."
    )
    separators: bool = Field(
        default=True, description="Whether separator sheets cut a scan into several letters."
    )
    separator_codes: tuple[str, ...] = Field(
        default=("FOREBAY-SEPARATOR",),
        description="What the QR code or Code 128 of a separator sheet says; those that are printed say the first.",
    )
    blank: float = Field(
        default=0.0005,
        ge=0,
        lt=1,
        description="A page with less ink than this share of its surface, and no larger mark, counts as blank.",
    )


class LetterLimits(Limits):
    """Bounds of scans."""

    body_bytes: int = Field(default=104_857_600, gt=0, description="Largest file taken in, bytes.")
    pages: int = Field(default=300, gt=0, description="Most pages of one file.")
    pixels: int = Field(
        default=120_000_000, gt=0, description="Most pixels of one page; A3 at 600 dpi has 70 million."
    )


class LetterSettings(ChannelSettings):
    """Settings of letters: a folder that is watched, and how what lies in it is read."""

    kind: Literal["letter"] = Field(default="letter", description="The kind of the channel.")
    inbox: InboxFolder | None = Field(
        default=None, description="The folder of scans; without one, letters come as mail from scanners only."
    )
    recognition: Recognition = Field(default_factory=Recognition, description="How scans become text.")
    print: PrintFolder | None = Field(
        default=None,
        description="The print folder for answers by post; without one, letters are answered by other channels only.",
    )
    region: str = Field(
        default="CN",
        pattern="^[A-Z]{2}$",
        description="Country (ISO 3166) of telephone numbers that are written without one.",
    )
    other_regions: tuple[str, ...] = Field(
        default=("GB", "US"),
        description="Further countries that such numbers may be of; one whose postcode a letter bears goes first.",
    )
    own: tuple[str, ...] = Field(
        default=(),
        description="Our own names, addresses and numbers as letters bear them: never taken for the sender's.",
    )
    limits: LetterLimits = Field(default_factory=LetterLimits, description="Bounds of the channel.")

    def acknowledges(self) -> bool:
        return self.print is not None and self.print.acknowledgements

    def cannot_reach(self, to: Identity | None) -> str:
        return address.wanting(to.value if to is not None and to.kind == address.KIND else None)

    def reading(self) -> Mapping[str, Any]:
        return {
            **self.recognition.model_dump(mode="json"),
            "region": self.region,
            "other_regions": list(self.other_regions),
            "own": list(self.own),
            "pages": self.limits.pages,
            "pixels": self.limits.pixels,
        }


def _build(settings: LetterSettings, tools: Tools) -> Connector:
    from connectors.letter.connector import assemble

    return assemble(settings, tools)


SPEC = ConnectorSpec(
    kind="letter",
    settings=LetterSettings,
    build=_build,
    # Paper that may have been printed is looked for by a person, not printed again.
    on_uncertain=OnUncertain.HOLD,
    summary="Scans of letters from a folder, read by recognition; answers as printed letters.",
    reaches=(address.KIND,),
    extra="letter",
    requires=(
        "cv2",
        "cvttf_NotoSansCJK_Regular",
        "fpdf",
        "numpy",
        "onnxruntime",
        "PIL",
        "pypdfium2",
        "rapidocr",
        "zxingcpp",
    ),
)
