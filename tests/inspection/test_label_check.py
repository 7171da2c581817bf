"""Which labels look wrong, judged by classifiers that never saw the photo: on features whose truth is known."""

import numpy as np
import pytest

from tl_engine.inspection.findings import Features
from tl_engine.inspection.label_check import Doubt, Labels, accuracy, alike, doubts, judge

EACH, NUMBERS = 30, 40  # rows of a class, features of a row


def clouds(classes: int = 3, each: int = EACH, apart: float = 2.0, seed: int = 0) -> tuple[Features, Labels]:
    """A cloud of rows for each class; `apart` is the distance of their centres in units of the clouds' radius."""
    draw = np.random.default_rng(seed)
    centres = draw.normal(size=(classes, NUMBERS)) * apart
    labels = np.repeat(np.arange(classes), each)
    return (centres[labels] + draw.normal(size=(len(labels), NUMBERS))).astype(np.float32), labels


def judged(features: Features, labels: Labels, classes: int, seed: int = 0) -> np.ndarray:
    found = judge(features, labels, classes, seed)
    assert found is not None
    return found


def test_wrong_labels_are_the_first_doubts_and_their_true_class_is_suggested() -> None:
    features, truth = clouds()
    labels = truth.copy()
    wrong = {3: 1, 40: 2, 77: 0}  # row -> the class it is given
    labels[list(wrong)] = list(wrong.values())
    first = doubts(judged(features, labels, 3), labels)[:3]
    assert {doubt.index: (doubt.label, doubt.suggested) for doubt in first} == {
        row: (label, int(truth[row])) for row, label in wrong.items()
    }
    assert all(0 < doubt.score <= 1 for doubt in first)


def test_right_labels_raise_no_doubt() -> None:
    features, labels = clouds()
    found = judged(features, labels, 3)
    assert doubts(found, labels) == []
    assert accuracy(found, labels) == 1.0
    assert alike(found, labels, "abc") == []


def test_labels_that_say_nothing_are_judged_no_better_than_chance() -> None:
    """A classifier that had seen what it judges would know its labels: forty numbers tell sixty rows apart."""
    features, _ = clouds(classes=1, each=60)
    labels = np.random.default_rng(1).permutation(np.repeat([0, 1], 30))
    assert 0.3 < accuracy(judged(features, labels, 2), labels) < 0.7


def test_every_row_has_a_probability_for_every_class() -> None:
    features, labels = clouds(classes=4, each=7)
    found = judged(features, labels, 4)
    assert found.shape == (28, 4)
    np.testing.assert_allclose(found.sum(1), 1)


def test_the_same_photos_are_judged_the_same() -> None:
    features, labels = clouds(apart=0.3)
    np.testing.assert_array_equal(judged(features, labels, 3), judged(features, labels, 3))
    assert not np.array_equal(judged(features, labels, 3), judged(features, labels, 3, seed=1))


def test_a_rare_class_is_not_doubted_for_being_rare() -> None:
    features, truth = clouds(classes=2, each=60, apart=0.4)
    rows = np.r_[0:60, 60:68]
    few, labels = features[rows], truth[rows].copy()
    assert len(doubts(judged(few, labels, 2), labels)) <= 4  # all 8 of the rare class, if each photo counted the same
    labels[0] = 1
    assert doubts(judged(few, labels, 2), labels)[0].index == 0


@pytest.mark.parametrize(
    ("labels", "classes"),
    [([0, 0, 0, 1], 2), ([0, 0, 1, 1], 3), ([0, 0, 0, 0], 1), ([], 2)],
    ids=["one row of a class", "a class without rows", "one class", "nothing"],
)
def test_nobody_can_judge_what_cannot_be_held_out(labels: list[int], classes: int) -> None:
    features = np.random.default_rng(0).normal(size=(len(labels), 5)).astype(np.float32)
    assert judge(features, np.array(labels, dtype=np.int64), classes) is None


def test_two_photos_of_each_class_are_enough_to_begin_with() -> None:
    features, labels = clouds(classes=2, each=2, apart=5)
    assert accuracy(judged(features, labels, 2), labels) == 1.0


def test_photos_that_all_look_the_same_are_judged_without_an_error() -> None:
    labels = np.repeat([0, 1], 5)
    found = judged(np.ones((10, 6), np.float32), labels, 2)
    np.testing.assert_allclose(found, 0.5, atol=0.01)


JUDGED = np.array([[0.9, 0.1, 0.0], [0.3, 0.6, 0.1], [0.1, 0.9, 0.0], [0.8, 0.2, 0.0], [0.0, 0.3, 0.7]])
LABELS = np.array([0, 0, 1, 1, 2])


def test_doubts_are_ordered_by_how_much_likelier_the_other_class_is() -> None:
    assert doubts(JUDGED, LABELS) == [Doubt(3, 1, 0, 0.6), Doubt(1, 0, 1, 0.3)]


def test_accuracy_is_the_mean_over_classes() -> None:
    assert accuracy(JUDGED, LABELS) == pytest.approx((0.5 + 0.5 + 1) / 3)


def test_pairs_that_are_taken_for_each_other_are_named_with_their_share() -> None:
    assert alike(JUDGED, LABELS, ("ant", "bee", "cat")) == [("ant", "bee", 0.5)]
    mixed = np.eye(3)[[1, 0, 0, 0, 2, 2, 0]]  # what each of these rows looks like
    labels = np.array([0, 0, 0, 1, 1, 2, 2])
    pairs = alike(mixed, labels, ("ant", "bee", "cat"))
    assert pairs == [("ant", "bee", 0.4), ("bee", "cat", 0.25), ("ant", "cat", 0.2)]
