"""How good, in figures: each is worked out by hand here, and says nothing where no photo can tell."""

import json

import numpy as np
import pytest
from scipy.stats import binomtest

from tl_engine.evaluation.calibration import softmax
from tl_engine.evaluation.figures import (
    BARS,
    LEAST_FOR_BARS,
    confused,
    figures,
    hardest,
    interval,
    mistakes,
    pairs,
    per_class,
    probabilities_of,
    temperature_is_own,
    top_k,
)
from tl_engine.evaluation.judged import FOLDS, TEST, VAL, Judged

CLASSES = ("ants", "bees", "cats")


def judged(labels: list[int], predicted: list[int], sure: list[float] | None = None, judge: str = FOLDS) -> Judged:
    """Photos named by their row; `sure` is the logit of what each was taken for, beside zeros."""
    logits = np.zeros((len(labels), len(CLASSES)), np.float32)
    logits[np.arange(len(labels)), predicted] = sure or [4.0] * len(labels)
    return Judged(
        judge=judge,
        files=tuple(f"{CLASSES[label]}/{row}.jpg" for row, label in enumerate(labels)),
        labels=np.array(labels, np.int64),
        logits=logits,
        epoch=3,
        epochs=5,
        chosen=False,
    )


@pytest.mark.parametrize(
    ("right", "photos", "low", "high"), [(153, 153, 0.9755, 1.0), (30, 30, 0.886, 1.0), (0, 30, 0.0, 0.114)]
)
def test_an_interval_is_wilsons(right: int, photos: int, low: float, high: float) -> None:
    assert interval(right, photos) == pytest.approx((low, high), abs=5e-4)


@pytest.mark.parametrize(("right", "photos"), [(0, 1), (1, 1), (3, 4), (146, 153), (1, 10_000), (9_999, 10_000)])
def test_an_interval_is_scipys(right: int, photos: int) -> None:
    found = binomtest(right, photos).proportion_ci(0.95, method="wilson")
    assert interval(right, photos) == pytest.approx((found.low, found.high), abs=1e-12)


def test_the_confusion_has_true_classes_as_rows() -> None:
    found = confused(np.array([0, 0, 0, 1]), np.array([0, 1, 1, 2]), 3)
    assert found.tolist() == [[1, 2, 0], [0, 0, 1], [0, 0, 0]]


def test_a_class_is_told_by_what_was_said_and_what_was_shown_of_it() -> None:
    ants, bees, cats = per_class(np.array([[3, 1, 0], [2, 4, 0], [0, 0, 0]]), CLASSES)
    assert ants == pytest.approx({"class": "ants", "precision": 3 / 5, "recall": 3 / 4, "f1": 2 / 3, "support": 4})
    assert bees == pytest.approx({"class": "bees", "precision": 4 / 5, "recall": 4 / 6, "f1": 8 / 11, "support": 6})
    assert cats == {"class": "cats", "precision": None, "recall": None, "f1": None, "support": 0}


def test_a_class_never_said_has_no_precision_and_one_never_shown_no_recall() -> None:
    ants, bees, _ = per_class(np.array([[0, 2, 0], [0, 0, 0], [0, 0, 1]]), CLASSES)
    assert (ants["precision"], ants["recall"], ants["f1"], ants["support"]) == (None, 0.0, 0.0, 2)
    assert (bees["precision"], bees["recall"], bees["f1"], bees["support"]) == (0.0, None, None, 0)


def test_the_likeliest_k_are_told_from_five_classes_on() -> None:
    labels = np.array([0, 1])
    assert top_k(np.full((2, 4), 0.25), labels) is None
    ranked = np.tile(np.linspace(1, 0.5, 5), (2, 1))
    assert top_k(ranked, np.array([2, 3])) == {"k": 3, "accuracy": 0.5}
    many = np.tile(np.linspace(1, 0.5, 11), (4, 1))
    assert top_k(many, np.array([0, 4, 5, 10])) == {"k": 5, "accuracy": 0.5}


def test_pairs_come_with_the_most_photos_first_and_without_what_was_right() -> None:
    found = pairs(np.array([[9, 1, 0], [0, 5, 3], [2, 0, 0]]), CLASSES)
    assert found == [
        {"true": "bees", "predicted": "cats", "photos": 3, "of": 8},
        {"true": "cats", "predicted": "ants", "photos": 2, "of": 2},
        {"true": "ants", "predicted": "bees", "photos": 1, "of": 10},
    ]


def test_mistakes_come_with_the_surest_first() -> None:
    photos = judged([0, 1, 0, 2], [1, 1, 2, 0], [2.0, 9.0, 3.0, 1.0])
    found = mistakes(photos, softmax(photos.logits), CLASSES)
    assert [row["file"] for row in found] == ["ants/2.jpg", "ants/0.jpg", "cats/3.jpg"]
    assert (found[0]["true"], found[0]["predicted"]) == ("ants", "cats")
    assert found[0]["probability"] == pytest.approx(np.exp(3) / (np.exp(3) + 2), abs=1e-4)
    assert found[0]["probability_of_true"] == pytest.approx(1 / (np.exp(3) + 2), abs=1e-4)


def test_the_hardest_class_comes_first_with_what_it_is_taken_for() -> None:
    found = hardest(judged([0, 0, 0, 1, 1], [0, 0, 1, 0, 0]), CLASSES)
    assert [(row["class"], row["photos"], row["wrong"], row["taken_for"]) for row in found] == [
        ("bees", 2, 2, "ants"),
        ("ants", 3, 1, "bees"),
    ]
    (only,) = hardest(judged([2], [2]), CLASSES)
    assert (only["wrong"], only["taken_for"]) == (0, None)


def test_all_figures_are_those_of_the_photos_and_go_into_a_file() -> None:
    photos = judged([0, 0, 0, 1], [0, 0, 1, 1])
    found = figures(photos, CLASSES, 1.0, own=False)
    assert (found["judged"], found["photos"], found["right"], found["accuracy"]) == (FOLDS, 4, 3, 0.75)
    assert found["interval"] == list(interval(3, 4))
    assert found["majority"] == {"class": "ants", "share": 0.75}
    assert found["chance"] == pytest.approx(1 / 3)
    assert found["balanced_accuracy"] == pytest.approx((2 / 3 + 1) / 2)  # of the classes that were shown
    assert (found["epoch"], found["epochs"], found["chosen"]) == (3, 5, False)
    assert (found["top_k"], found["temperature"]) == (None, 1.0)
    sure = np.exp(4) / (np.exp(4) + 2)
    assert found["log_loss"] == pytest.approx(-(3 * np.log(sure) + np.log((1 - sure) / 2)) / 4)
    assert found["raw_log_loss"] == pytest.approx(found["log_loss"])
    assert json.loads(json.dumps(found)) == found


def test_a_temperature_changes_the_probabilities_and_no_answer() -> None:
    photos = judged([0, 0, 0, 1], [0, 0, 1, 1])
    soft, raw = (figures(photos, CLASSES, temperature, own=False) for temperature in (2.0, 1.0))
    assert soft["accuracy"] == raw["accuracy"]
    assert soft["raw_log_loss"] == raw["raw_log_loss"] != pytest.approx(soft["log_loss"])
    assert soft["mistakes"][0]["probability"] < raw["mistakes"][0]["probability"]


def test_photos_that_taught_the_temperature_are_judged_by_temperatures_of_others() -> None:
    random = np.random.default_rng(0)
    labels, taken = random.integers(0, 3, 100).tolist(), random.integers(0, 3, 100).tolist()
    photos = judged(labels, taken)
    assert np.array_equal(probabilities_of(photos, 7.0, own=False), softmax(photos.logits, 7.0))
    own = probabilities_of(photos, 7.0, own=True)
    assert np.array_equal(own, probabilities_of(photos, 1.0, own=True))  # the one temperature has no part in them
    assert len(np.unique(own.max(1).round(6))) > 1  # there are as many as there are parts


def test_reliability_is_shown_from_fifty_photos_on() -> None:
    def bars(number: int) -> list[dict[str, float]]:
        found: list[dict[str, float]] = figures(judged([0] * number, [0] * number), CLASSES, 1.0, own=False)[
            "reliability"
        ]
        return found

    assert bars(LEAST_FOR_BARS - 1) == []
    assert len(bars(LEAST_FOR_BARS)) == BARS
    assert sum(bar["photos"] for bar in bars(LEAST_FOR_BARS)) == LEAST_FOR_BARS


def test_the_temperature_is_the_folds_own_where_there_are_some_and_else_validations() -> None:
    folds, val, test = (judged([0], [0], judge=judge) for judge in (FOLDS, VAL, TEST))
    assert temperature_is_own(folds, [FOLDS])
    assert temperature_is_own(val, [TEST, VAL])
    assert not temperature_is_own(val, [VAL, FOLDS])
    assert not temperature_is_own(test, [TEST, VAL])
