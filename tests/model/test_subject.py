"""A subject and its answers are about one matter, however often machines put something before it."""

from __future__ import annotations

import time

import pytest

from model.subject import matter, stacked


@pytest.mark.parametrize(
    ("subject", "n"),
    [
        ("The lift", 0),
        ("Re: The lift", 1),
        ("RE: re: AW[2]: The lift", 2),
        ("Re: Automated Response: Re: Automated Response: the  lift", 4),
        ("[#12] Re: [FB-261122-7K3FQ] 回复：The lift", 4),
        ("自动回复: Re：[EXT] THE LIFT", 3),
    ],
)
def test_prefixes_are_counted_and_taken_off(subject: str, n: int) -> None:
    assert stacked(subject) == (n, "the lift")


def test_what_says_nothing_is_about_nothing() -> None:
    assert matter("Re: [#1] ") == ""


def test_a_hostile_subject_takes_no_time() -> None:
    begun = time.perf_counter()
    stacked("auto" + "-" * 100_000)
    stacked("Re " * 100_000)
    stacked("[" * 100_000)
    assert time.perf_counter() - begun < 0.5
