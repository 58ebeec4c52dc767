"""Where we stand in a folder: what is new, what is late, what is old and asked for. Pure."""

from __future__ import annotations

from datetime import date

from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.email import places

TODAY = date(2026, 11, 22)


def test_from_now_on_nothing_that_is_there_is_ever_late() -> None:
    place = places.first(7, 501, "now", TODAY)
    assert places.criteria(place) == ["UID", "501:*"]
    assert places.new(place, [400, 499, 500]) == []
    place = places.passed(place, [501, 502])
    assert places.new(place, [499, 500, 501, 502]) == []


def test_a_mail_that_shows_late_is_found_and_then_known() -> None:
    place = places.passed(places.first(7, 1, "all", TODAY), [1, 2, 4, 5])
    assert places.criteria(place) == ["UID", "1:*"]
    assert places.new(place, [1, 2, 3, 4, 5, 6]) == [3, 6]
    place = places.passed(place, [3, 6])
    assert places.new(place, [1, 2, 3, 4, 5, 6]) == []
    assert place["recent"] == "1:6"


def test_only_the_last_hundred_are_remembered() -> None:
    place = places.passed(places.first(7, 1, "all", TODAY), list(range(1, 1001)))
    assert place["recent"] == "901:1000"
    assert places.new(place, [1, 900, 1000, 1001]) == [1001]


def test_a_day_to_begin_with_holds_for_what_was_there_at_the_first_look() -> None:
    place = places.first(7, 100, date(2026, 11, 1), TODAY)
    assert places.criteria(place) == ["UID", "1:*", "SINCE", "1-Nov-2026"]
    place = places.passed(place, [50, 99])
    assert places.criteria(place) == ["UID", "100:*"]
    assert places.settled(places.first(7, 100, date(2026, 11, 1), TODAY), 100)["uid"] == 99


def test_uids_that_begin_anew_are_read_from_the_day_that_was_wanted_with_older_wishes() -> None:
    place = places.passed(places.first(7, 501, "now", TODAY), [501])
    again = places.renumbered(places.rewound(place, date(2026, 10, 1)), 8, 502)
    assert again["uidvalidity"] == 8 and again["back"] is None
    assert places.criteria(again) == ["UID", "1:*", "SINCE", "1-Oct-2026"]


def test_a_wish_for_older_mail_ends_where_the_new_begins() -> None:
    place = places.rewound(places.passed(places.first(7, 501, "now", TODAY), [501]), date(2026, 10, 1))
    assert places.back_criteria(place["back"]) == ["UID", "1:501", "SINCE", "1-Oct-2026"]
    assert places.rewound(place, date(2026, 11, 1))["back"]["since"] == "2026-10-01"


def test_a_wish_before_the_first_connection_is_its_beginning() -> None:
    place = places.renumbered(places.rewound(None, date(2026, 10, 1)), 7, 10)
    assert places.criteria(place) == ["UID", "1:*", "SINCE", "1-Oct-2026"]


@settings(deadline=None)
@given(st.integers(1, 400), st.integers(1, 20), st.lists(st.integers(0, 399), max_size=30))
def test_every_mail_is_given_once_when_some_show_late(count: int, chunk: int, late: list[int]) -> None:
    place = places.first(7, 1, "all", TODAY)
    order = list(range(1, count + 1))
    for at in late:  # each shows up to ninety places later than its UID says
        if at < count:
            order.insert(
                min(order.index(at + 1) + 90 // len(late), count - 1), order.pop(order.index(at + 1))
            )
    seen: list[int] = []
    there: list[int] = []
    for uid in order:
        there.append(uid)
        while found := places.new(place, there):
            seen += found[:chunk]
            place = places.passed(place, found[:chunk])
    assert sorted(seen) == list(range(1, count + 1))
