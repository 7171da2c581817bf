"""One number makes probabilities honest: found again where it is known, held back where little can be learnt."""

import math

import numpy as np
import pytest

from tl_engine.evaluation.calibration import (
    BOUND,
    PARTS,
    calibration_error,
    cross_fitted,
    fit_temperature,
    losses,
    perfect_error,
    reliability,
    softmax,
)
from tl_engine.evaluation.judged import Labels, Logits


def simulated(temperature: float, photos: int = 2_000, seed: int = 0) -> tuple[Logits, Labels]:
    """Logits that are honest once they are divided by the temperature, and labels drawn so."""
    random = np.random.default_rng(seed)
    honest = random.normal(0, 2, (photos, 4))
    shares = np.cumsum(softmax(honest.astype(np.float32)), axis=1)
    labels = np.minimum((random.random((photos, 1)) > shares).sum(1), 3).astype(np.int64)
    return (honest * temperature).astype(np.float32), labels


def margins(right: int, wrong: int, by: float, wrong_by: float) -> tuple[Logits, Labels]:
    """Two classes: so many photos right by a margin, and so many wrong by another."""
    logits = np.zeros((right + wrong, 2), np.float32)
    logits[:right, 0], logits[right:, 1] = by, wrong_by
    return logits, np.zeros(right + wrong, np.int64)


@pytest.mark.parametrize("temperature", [0.4, 1.0, 2.5])
def test_a_known_temperature_is_found_again(temperature: float) -> None:
    assert fit_temperature(*simulated(temperature)) == pytest.approx(temperature, rel=0.15)


def test_photos_that_are_all_right_teach_nothing_and_one_wrong_neither() -> None:
    assert fit_temperature(*margins(40, 0, 3, 0)) == 1.0
    assert fit_temperature(*margins(40, 1, 3, 1)) == 1.0
    assert fit_temperature(*margins(40, 2, 3, 1)) != 1.0


def test_thirty_photos_with_two_hardly_wrong_do_not_drive_it_to_its_bound() -> None:
    logits, labels = margins(28, 2, 3, 0.001)
    bound, found = math.exp(-BOUND), fit_temperature(logits, labels)
    assert (
        losses(logits, labels, bound).sum() < losses(logits, labels, found).sum()
    )  # without a prior it would go there
    assert found > 5 * bound


def test_a_loss_is_that_of_the_labels_probability_whatever_its_size() -> None:
    logits, labels = np.array([[2, 0, 1], [1e4, 0, 0]], np.float32), np.array([2, 1])
    expected = -math.log(math.exp(0.5) / (math.exp(1) + 1 + math.exp(0.5)))
    assert losses(logits, labels, 2.0) == pytest.approx([expected, 5e3])
    assert softmax(logits).sum(1) == pytest.approx([1, 1])


def test_no_photo_has_a_part_in_its_own_temperature() -> None:
    logits, labels = simulated(2.5, photos=60)
    before = cross_fitted(logits, labels)
    for photo in range(0, 60, 7):
        changed = labels.copy()
        changed[photo] = (changed[photo] + 1) % 4
        after = cross_fitted(logits, changed)
        same = (after == before).all(1)
        assert same[photo]
        assert same.sum() == 60 / PARTS  # the part that it is in; it taught all others


def test_cross_fitted_logits_keep_their_shape_and_their_answers() -> None:
    logits, labels = simulated(2.5, photos=101)
    untouched = logits.copy()
    divided = cross_fitted(logits, labels)
    assert divided.shape == logits.shape
    assert divided.dtype == np.float32
    assert np.array_equal(divided.argmax(1), logits.argmax(1))
    assert np.array_equal(logits, untouched)


@pytest.mark.parametrize("photos", [1, 2, 4, 7])
def test_fewer_photos_than_parts_are_cross_fitted_too(photos: int) -> None:
    logits, labels = simulated(2.5, photos=photos)
    assert np.isfinite(cross_fitted(logits, labels)).all()


@pytest.mark.parametrize("temperature", [0.4, 2.5])
def test_the_log_loss_of_photos_that_did_not_fit_it_improves(temperature: float) -> None:
    logits, labels = simulated(temperature, photos=300)
    assert losses(cross_fitted(logits, labels), labels).mean() < losses(logits, labels).mean() - 0.03


def test_honest_probabilities_are_hardly_off_and_surer_ones_are() -> None:
    logits, labels = simulated(2.5)
    right = logits.argmax(1) == labels
    honest, surer = softmax(logits, 2.5), softmax(logits)
    assert 0 < calibration_error(honest, right) < perfect_error(honest) < 0.1
    assert calibration_error(surer, right) > 2 * perfect_error(surer)


def test_a_perfect_classifier_is_off_too_and_less_with_more_photos() -> None:
    few, many = (perfect_error(softmax(simulated(1.0, photos=photos)[0])) for photos in (40, 2_000))
    assert many > 0
    assert few > 2 * many


def test_an_error_is_the_gap_between_sureness_and_what_is_right() -> None:
    sure = np.tile([0.9, 0.1], (100, 1))
    assert calibration_error(sure, np.arange(100) < 0) == pytest.approx(0.9)
    assert calibration_error(sure, np.arange(100) >= 0) == pytest.approx(0.1)


def test_reliability_groups_all_photos_evenly_the_least_sure_first() -> None:
    logits, labels = simulated(1.0, photos=62)
    groups = reliability(softmax(logits), logits.argmax(1) == labels, 6)
    assert [photos for _, _, photos in groups] == [11, 11, 10, 10, 10, 10]
    assert [sure for sure, _, _ in groups] == sorted(sure for sure, _, _ in groups)
    assert sum(right for _, right, _ in groups) == (logits.argmax(1) == labels).sum()
    assert len(reliability(softmax(logits[:2]), labels[:2] == 0, 6)) == 2  # no group without a photo
