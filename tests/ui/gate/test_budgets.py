"""Requests a minute and bytes an hour: refused with when to come back, filled again with time, fair to others."""

import dataclasses

import pytest

from tl_engine.base.settings import GIGABYTE, HOME, SHARED
from ui.gate import budgets
from ui.gate.budgets import Budgets, Resting


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def small(clock: Clock) -> Budgets:
    return Budgets(dataclasses.replace(SHARED, minute_requests=60, hour_bytes=3600), clock)


def test_more_requests_than_a_minute_allows_are_refused_until_some_time_has_passed(clock: Clock) -> None:
    kept = small(clock)
    assert [kept.request("a", "1.2.3.4") for _ in range(60)] == [None] * 60
    refusal = kept.request("a", "1.2.3.4")
    assert refusal is not None
    assert (refusal.status, refusal.wait) == (429, 1)
    assert refusal.sentence.startswith("More than 60 requests a minute")
    clock.now = 2.0
    assert [kept.request("a", "1.2.3.4") is None for _ in range(3)] == [True, True, False]


def test_one_persons_flood_takes_nothing_from_another_of_the_same_address(clock: Clock) -> None:
    kept = small(clock)
    for _ in range(200):
        kept.request("flood", "1.2.3.4")
    assert kept.request("other", "1.2.3.4") is None


def test_an_address_that_says_it_is_many_has_no_more_than_a_household(clock: Clock) -> None:
    kept = small(clock)
    taken = sum(kept.request(f"p{number}", "1.2.3.4") is None for number in range(2000))
    assert taken == 60 * budgets.HOUSEHOLD
    assert kept.request("p0", "5.6.7.8") is None


def test_bytes_of_an_hour_are_told_with_when_there_are_some_again(clock: Clock) -> None:
    kept = small(clock)
    assert kept.bytes("a", "1.2.3.4", 3000) is None
    refusal = kept.bytes("a", "1.2.3.4", 700)
    assert refusal is not None
    assert (refusal.status, refusal.wait) == (429, 100)
    assert "1 min 40 s" in refusal.sentence
    kept.give_back("a", "1.2.3.4", 500)
    assert kept.bytes("a", "1.2.3.4", 700) is None
    clock.now = 3600.0
    assert kept.bytes("a", "1.2.3.4", 3600) is None


def test_budgets_do_not_grow_with_the_number_of_strangers(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budgets, "MOST_KEPT", 50)
    kept = small(clock)
    for number in range(500):
        kept.request(f"p{number}", f"a{number}")
    assert len(vars(kept)["_kept"]) <= 51


@pytest.mark.parametrize("limits", [HOME, SHARED])
def test_the_limits_leave_room_for_a_class_and_its_zips(limits: object) -> None:
    """Thirty tabs that ask once a second, three photos dropped at once each in three requests, thirty zips of 20 MB."""
    assert isinstance(limits, type(HOME))
    assert limits.minute_requests * budgets.HOUSEHOLD >= 30 * 60 + 30 * 200 * 3
    assert limits.minute_requests >= 60 + 200 * 3
    assert limits.hour_bytes >= 30 * 20_000_000
    assert limits.request_bytes > limits.archive_bytes
    assert limits.hour_bytes >= GIGABYTE


def test_a_flood_is_told_to_come_back_for_a_second_at_that_address_only(clock: Clock) -> None:
    told = Resting(clock)
    for _ in range(budgets.FLOOD):
        assert told.still("a", "/join") is None  # through one path go calls of all kinds
        told.note("a", "/join", 7)
    clock.now = 0.9
    again = told.still("a", "/join")
    assert again is not None
    assert (again.status, again.wait) == (429, pytest.approx(6.1))
    assert told.still("b", "/join") is None
    assert told.still("a", "/other") is None
    clock.now = 1.1
    assert told.still("a", "/join") is None  # now the queue is asked again
    told.note("a", "/join", 7)
    assert told.still("a", "/join") is None  # and may refuse a few before it is spared


def test_refusals_far_apart_are_no_flood(clock: Clock) -> None:
    told = Resting(clock)
    for second in range(20):
        clock.now = second * 0.5
        told.note("a", "/join", 7)
        assert told.still("a", "/join") is None
