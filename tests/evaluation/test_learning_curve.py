"""What more photos would bring: seen on features whose classes overlap, and not told where there are too few."""

import itertools

import numpy as np
import pytest

from tl_engine.evaluation.learning_curve import SHARES, Learnt, _taught, learning_curve
from tl_engine.inspection.findings import Features

pytestmark = pytest.mark.usefixtures("one_thread")

CLASSES = 3


def photos(each: int, seed: int = 0, noise: float = 1.0) -> tuple[Features, np.ndarray[tuple[int], np.dtype[np.int64]]]:
    """Features of three kinds in 30 numbers, three of which tell the kind; the rest and the noise do not."""
    labels = np.repeat(np.arange(CLASSES), each)
    features = np.random.default_rng(seed).normal(0, noise, (len(labels), 30))
    features[np.arange(len(labels)), labels] += 2.5
    return features.astype(np.float32), labels.astype(np.int64)


def learnt(each: int, *, folds: int | None = None, noise: float = 1.0) -> Learnt:
    """Photos that others judge, or that judge themselves in folds."""
    features, labels = photos(each, noise=noise)
    if folds is not None:
        return Learnt(features, labels, features, labels, np.arange(len(labels)) % folds)
    return Learnt(features, labels, *photos(100, seed=1, noise=noise), None)


@pytest.mark.parametrize("folds", [None, 5])
def test_it_rises_where_classes_can_be_told_apart_with_some_noise(folds: int | None) -> None:
    curve = learning_curve(learnt(60, folds=folds), CLASSES)
    assert curve is not None
    first, *_, last = curve["points"]
    assert last["accuracy"] > first["accuracy"] + 0.15
    assert last["log_loss"] < first["log_loss"] - 0.2
    assert curve["fall"] > 0


def test_what_is_learnt_from_few_photos_rises_no_more() -> None:
    curve = learning_curve(learnt(60, noise=0.01), CLASSES)
    assert curve is not None
    assert curve["points"][-1]["accuracy"] == 1.0
    assert curve["fall"] < 0.1


@pytest.mark.slow
def test_it_is_still_rising_where_the_loss_falls_by_more_than_chance() -> None:
    rising = learning_curve(learnt(60), CLASSES)
    assert rising is not None
    assert rising["still_rising"] is True
    features, labels = photos(60)
    few = learning_curve(Learnt(features, labels, *photos(2, seed=1), None), CLASSES)  # six photos judge
    assert few is not None
    assert few["still_rising"] is False
    assert few["error"] > 2 * rising["error"]


def test_points_tell_photos_and_the_spread_of_their_draws() -> None:
    curve = learning_curve(learnt(60), CLASSES)
    assert curve is not None
    assert [point["share"] for point in curve["points"]] == list(SHARES)
    assert [point["photos"] for point in curve["points"]] == [3 * round(60 * share) for share in SHARES]
    assert all(point["low"] <= point["accuracy"] <= point["high"] for point in curve["points"])
    whole = curve["points"][-1]
    assert whole["low"] == whole["high"]  # every draw of all photos is the same


@pytest.mark.slow
def test_photos_of_a_fold_do_not_teach_the_head_that_they_judge() -> None:
    curve = learning_curve(learnt(50, folds=5), CLASSES)
    assert curve is not None
    assert curve["points"][-1]["photos"] == 120  # four fifths
    alone = learning_curve(learnt(50), CLASSES)
    assert alone is not None
    assert alone["points"][-1]["photos"] == 150


def test_a_larger_share_holds_the_smaller_ones() -> None:
    data = learnt(40)
    for draw in range(4):
        masks = [_taught(data, share, draw, seed=0) for share in SHARES]
        assert all((larger | smaller == larger).all() for smaller, larger in itertools.pairwise(masks))
        assert [np.bincount(data.labels[mask]).tolist() for mask in masks] == [[round(40 * s)] * 3 for s in SHARES]
    assert (_taught(data, 0.5, 0, seed=0) != _taught(data, 0.5, 1, seed=0)).any()
    assert (_taught(data, 0.5, 0, seed=0) == _taught(data, 0.5, 0, seed=0)).all()


@pytest.mark.slow
def test_the_same_photos_and_seed_give_the_same_curve() -> None:
    assert learning_curve(learnt(20), CLASSES) == learning_curve(learnt(20), CLASSES)


def test_fewer_than_four_photos_of_a_class_have_no_curve() -> None:
    features, labels = photos(6)
    for left in range(5):
        kept = (labels != 1) | (np.cumsum(labels == 1) <= left)
        curve = learning_curve(Learnt(features[kept], labels[kept], features, labels, None), CLASSES)
        assert (curve is not None) == (left == 4)


def test_a_class_that_is_not_there_and_a_judge_without_photos_have_no_curve() -> None:
    features, labels = photos(6)
    assert learning_curve(Learnt(features, labels, features, labels, None), CLASSES + 1) is None
    assert learning_curve(Learnt(features, labels, features[:0], labels[:0], None), CLASSES) is None
