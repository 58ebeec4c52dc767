"""Settings of letters that go out on paper."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import time, timedelta
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

_COLOUR = r"^#[0-9a-fA-F]{6}$"
#: What a line of a letter's template may be.
Mark = Literal["info", "code", "subject", "left", "right", "para", "small", "gap", "body", "page", "next"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Office(_Part):
    """The letterhead."""

    name: Mapping[str, str] = Field(
        default={"en": "Customer Feedback Office", "zh": "客户反馈中心"},
        description="Name of the office, by language of the letter.",
    )
    address: Mapping[str, str] = Field(
        default={},
        description="Postal address of the office, by language, its parts parted by line feeds or commas.",
    )
    phone: str = Field(default="", max_length=60, description="Telephone number in the letterhead.")
    email: str = Field(default="", max_length=120, description="E-mail address in the letterhead.")
    web: str = Field(default="", max_length=120, description="Address on the web in the letterhead.")
    logo: Path | None = Field(
        default=None, description="PNG or JPEG file of a logo, printed 18 mm high at the most."
    )
    colour: str = Field(default="#0b6b74", pattern=_COLOUR, description="Colour of the letterhead, #rrggbb.")


class Window(_Part):
    """Where an envelope shows the address, on the sheet, in millimetres from its left and upper edge."""

    left: float = Field(default=20.0, ge=0, le=150, description="Left edge, mm.")
    top: float = Field(default=45.0, ge=0, le=150, description="Upper edge, mm.")
    width: float = Field(default=85.0, ge=40, le=190, description="Width, mm.")
    height: float = Field(default=45.0, ge=20, le=100, description="Height, mm.")


class Gathering(_Part):
    """When the open bundle is closed by itself."""

    at: time | None = Field(
        default=time(15, 0),
        description="Time of the day, by the machine's clock, at which what was printed is closed; null: never.",
    )
    letters: int | None = Field(
        default=100, gt=0, le=2_000, description="So many letters close a bundle at once; null: any number."
    )


class PrintFolder(_Part):
    """Letters of ours: where they are put for printing, and how they look."""

    folder: str = Field(
        min_length=1, description="The print folder; it must exist, on a disk that all replicas share."
    )
    acknowledgements: bool = Field(
        default=False,
        description="Whether acknowledgements are printed too, where nothing cheaper reaches somebody.",
    )
    keep: timedelta = Field(
        default=timedelta(days=30),
        ge=timedelta(0),
        description="How long a posted bundle stays in the folder.",
    )
    layout: Literal["auto", "din", "chinese"] = Field(
        default="auto",
        description="din: DIN 5008 form B; chinese: salutation, two characters of indent, signature and date at the "
        "right; auto: chinese for letters in Chinese, din for others.",
    )
    window: Window = Field(
        default_factory=Window, description="The window of the envelopes used for the Chinese layout."
    )
    marks: bool = Field(default=True, description="Whether fold and hole marks are printed.")
    size: float = Field(default=11.0, ge=8, le=16, description="Size of the text, points.")
    office: Office = Field(default_factory=Office, description="The letterhead.")
    home: tuple[str, ...] = Field(
        default=("China", "P.R. China", "PR China", "中国", "中华人民共和国"),
        description="Names of the country that letters are posted in: as last line of an address they are not printed.",
    )
    templates: Path | None = Field(
        default=None,
        description="Folder with your own letter.en.txt and letter.zh.txt; null: those that come along.",
    )
    bundle: Gathering = Field(default_factory=Gathering, description="When a bundle is closed.")
    most_pages: int = Field(
        default=60, gt=0, le=500, description="Most pages of one letter with what is enclosed."
    )
    timeout: float = Field(default=60.0, gt=0, description="How long setting one letter may take, seconds.")
