"""Codes: long enough, compared as a whole, guessed slowly, logged without a letter of them."""

import asyncio
import logging

import pytest

from tests.ui.gate.asking import CODES
from tl_engine.base.errors import ConfigError
from ui.gate.answers import Refusal
from ui.gate.codes import AT_ONCE, FROM_ONE, LETTERS, Codes, Guesses, make_code
from ui.gate.persons import PUPIL, TEACHER


@pytest.mark.parametrize(("pupil", "teacher", "option"), [
    ("ants", "", "--access-code"), ("ants-and-bees", "bee", "--teacher-code"), ("1234567", "", "--access-code"),
    ("ants and bees", "", "--access-code"), ("ants-and-bees\n", "", "--access-code"), ("x" * 300, "", "--access-code"),
    ("ants-and-bees", "ants-and-bees", "--teacher-code"),
])  # fmt: skip
def test_a_code_that_is_soon_guessed_is_refused_with_its_option(pupil: str, teacher: str, option: str) -> None:
    with pytest.raises(ConfigError, match=option) as refused:
        Codes.checked(pupil, teacher)
    assert str(refused.value).endswith(".")
    assert pupil not in str(refused.value)


def test_a_short_code_needs_to_be_insisted_on() -> None:
    assert Codes.checked("ants", short=True).role_for("ants") == PUPIL


def test_each_code_gives_its_role_and_nothing_else_gives_any() -> None:
    assert CODES.role_for("ants-and-bees") == PUPIL
    assert CODES.role_for(" beekeeper ") == TEACHER
    for wrong in ("", " ", "ants-and-bee", "ants-and-beess", "Ants-and-bees", "é" * 500, "beekeepe"):
        assert CODES.role_for(wrong) == ""
    alone = Codes.checked("ants-and-bees")
    assert alone.role_for("") == ""
    assert alone.of_role(TEACHER) == ""


def test_codes_that_are_made_are_long_differ_and_can_be_read_from_a_board() -> None:
    made = {make_code() for _ in range(100)}
    assert len(made) == 100
    assert all(set(code) <= {*LETTERS, "-"} and len(code) == 14 for code in made)
    assert not set("il1o0") & set(LETTERS)
    assert Codes.checked(make_code(), make_code())


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def tried(guesses: Guesses, *tries: tuple[str, str, str]) -> list[str | Refusal]:
    async def all_of_them() -> list[str | Refusal]:
        return list(await asyncio.gather(*(guesses.role_for(*values) for values in tries)))

    return asyncio.run(all_of_them())


def test_each_wrong_code_makes_the_next_wait_longer_and_a_right_one_ends_that() -> None:
    clock = Clock()
    guesses = Guesses(CODES, clock, second=0.001)
    waits = []
    for _ in range(25):
        assert tried(guesses, ("wrong", "a", "a")) == [""]
        (refusal,) = tried(guesses, ("ants-and-bees", "a", "a"))
        assert isinstance(refusal, Refusal)
        assert refusal.status == 429
        waits.append(refusal.wait)
        clock.now += refusal.wait
    assert waits == sorted(waits)
    assert waits[:4] == pytest.approx([0.001, 0.001, 0.003, 0.005])
    assert max(waits) == pytest.approx(300.001)
    assert tried(guesses, ("ants-and-bees", "a", "a")) == [PUPIL]
    assert tried(guesses, ("ants-and-bees", "a", "a")) == [PUPIL]


def test_others_with_the_right_code_come_in_while_one_guesses() -> None:
    guesses = Guesses(CODES, second=0.001)
    tried(guesses, *[("wrong", "a", "a")] * 5)
    assert tried(guesses, ("beekeeper", "b", "b"), ("ants-and-bees", "c", "c")) == [TEACHER, PUPIL]


def test_one_persons_tries_at_once_are_one_try() -> None:
    guesses = Guesses(CODES, second=0.01)
    answers = tried(guesses, *[(f"wrong{number}", "a", "a") for number in range(100)])
    assert sum(answer == "" for answer in answers) <= AT_ONCE
    assert all(isinstance(answer, Refusal) for answer in answers if answer != "")


def test_many_addresses_together_are_as_slow_as_the_places_and_nobody_is_locked_out() -> None:
    guesses = Guesses(CODES, second=0.05)
    ended: list[str] = []

    async def one(code: str, who: str) -> None:
        if await guesses.role_for(code, who, who) == PUPIL:
            ended.append("in")
        ended.append(who)

    async def race() -> None:
        crowd = [asyncio.create_task(one("wrong", f"a{number}")) for number in range(AT_ONCE * 3)]
        await asyncio.sleep(0.01)
        await one("ants-and-bees", "late")
        assert ended.count("in") == 1
        await asyncio.gather(*crowd)

    asyncio.run(race())
    assert ended.index("late") >= AT_ONCE  # it waited its turn, and came in


def test_one_address_fills_not_all_places_in_line() -> None:
    guesses = Guesses(CODES, second=0.001)
    answers = tried(guesses, *[("wrong", f"p{number}", "a") for number in range(60)], ("ants-and-bees", "b", "b"))
    crowded = [answer for answer in answers if isinstance(answer, Refusal)]
    assert len(crowded) == 60 - FROM_ONE
    assert answers[-1] == PUPIL


def test_a_wrong_code_is_one_line_of_the_log_without_the_code(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "tl_engine"):
        tried(Guesses(CODES, second=0.001), ("sesame-open", "browser:1", "192.168.1.7"), ("beekeeper", "b", "b"))
    (line,) = caplog.messages
    assert line == "a wrong access code from 192.168.1.7, number 1"
