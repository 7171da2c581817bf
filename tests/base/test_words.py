"""Numbers in words."""

import pytest

from tl_engine.base.words import FEW, about, harmless, percent, score, size_words


@pytest.mark.parametrize(
    ("fraction", "judged", "said"),
    [
        (1.0, 4, "4 of 4 right"),
        (0.75, 4, "3 of 4 right"),
        (0.0, 1, "0 of 1 right"),
        (2 / 3, FEW - 1, f"{round(2 / 3 * (FEW - 1))} of {FEW - 1} right"),
        (2 / 3, FEW, percent(2 / 3)),
        (0.948, 0, "94.8 %"),
    ],
)
def test_few_photos_are_counted_and_many_measured(fraction: float, judged: int, said: str) -> None:
    assert score(fraction, judged) == said


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (0, "0 kB"),
        (310_000, "310 kB"),
        (999_499, "999 kB"),
        (999_999, "1.0 MB"),
        (4_200_000, "4.2 MB"),
        (4_300_000_000, "4,300.0 MB"),
    ],
)
def test_sizes_are_decimal(number: int, said: str) -> None:
    assert size_words(number) == said


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_a_cell_never_begins_as_a_formula_does(start: str) -> None:
    assert harmless(f"{start}1+1") == f"'{start}1+1"
    assert harmless(f"ants{start}") == f"ants{start}"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(10, "10 s"), (60, "1 min"), (70, "1 min 10 s"), (600, "10 min"), (3600, "1 h"), (7500, "2 h 5 min")],
)
def test_a_round_duration_has_no_nothing_at_its_end(seconds: float, said: str) -> None:
    assert about(seconds) == said
