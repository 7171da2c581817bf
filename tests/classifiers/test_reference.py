"""Is a photo unlike anything a classifier was shown? Its own kind is not, a stranger is; few photos say it roughly."""

import itertools
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tl_engine.classifiers.reference import (
    FEW,
    MOST_LIKENESS,
    MOST_ROWS,
    MOST_SURE,
    REFERENCE,
    ROUGHLY,
    SURE_OF_FEW,
    Reference,
)

SIZE = 64  # numbers of a feature
Rows = NDArray[np.float32]


def of_kind(label: int, number: int, seed: int = 0) -> Rows:
    """Features of one kind, spread about its own direction."""
    random = np.random.default_rng(100 * seed + label)
    rows = 0.06 * random.standard_normal((number, SIZE), np.float32)
    rows[:, label] += 1
    return rows * (1 + random.random((number, 1), np.float32))  # lengths tell nothing


def spots(shape: tuple[int, ...]) -> Rows:
    return np.random.default_rng(0).standard_normal(shape, np.float32)


def reference(each: int = 80, *, sure: Rows | None = None, folds: bool = True) -> Reference:
    labels = [0] * each + [1] * each
    return Reference.of(
        np.concatenate([of_kind(0, each), of_kind(1, each)]),
        labels,
        [f"{label}/{row}.jpg" for row, label in enumerate(labels)],
        np.linspace(0, 1, 101, dtype=np.float32) if sure is None else sure,
        [row % 5 for row in range(len(labels))] if folds else None,
    )


def likeness(known: Reference, features: Rows) -> Rows:
    """The mean cosine to the nearest, (B,)."""
    mean: Rows = known.nearest(features)[0].mean(1)
    return mean


@pytest.mark.parametrize("each", [12, 80])
@pytest.mark.parametrize("folds", [True, False])
def test_a_stranger_is_below_the_limit_and_its_own_kind_above(each: int, folds: bool) -> None:
    known = reference(each, folds=folds)
    limit = known.least_likeness()
    own = np.concatenate([of_kind(0, 100, seed=1), of_kind(1, 100, seed=1)])
    assert (likeness(known, own) > limit).mean() > 0.93
    assert (likeness(known, of_kind(9, 100)) < limit).all()


def test_a_limit_lets_about_as_many_of_its_own_kind_in_as_asked() -> None:
    known = reference(400)
    own = likeness(known, np.concatenate([of_kind(0, 400, seed=1), of_kind(1, 400, seed=1)]))
    for kept in (0.98, 0.9):
        limit = float(np.quantile(known.own, 1 - kept))
        assert known.least_likeness(kept) == pytest.approx(min(MOST_LIKENESS, limit))
        assert (own >= limit).mean() == pytest.approx(kept, abs=0.03)


def test_the_nearest_are_of_its_kind_the_nearest_first_and_found_again() -> None:
    known = reference()
    values, indices = known.nearest(np.concatenate([of_kind(1, 3, seed=1), 5 * known.rows[7:8]]))
    assert values.shape == indices.shape == (4, 5)
    assert (values[:, :-1] >= values[:, 1:]).all()
    assert (known.labels[indices[:3]] == 1).all()
    assert known.files[int(indices[3, 0])] == "0/7.jpg"
    assert float(values[3, 0]) == pytest.approx(1)
    assert reference(2).nearest(of_kind(0, 1))[0].shape == (1, 4)  # there are no more


def test_copies_in_one_fold_do_not_speak_for_each_other() -> None:
    twins = spots((6, SIZE))
    twins /= np.linalg.norm(twins, axis=1, keepdims=True)
    features = twins.repeat(2, 0)
    labels, files = [0, 1] * 6, [f"{n}.jpg" for n in range(12)]
    apart = Reference.of(features, labels, files, np.ones(1, np.float32), [n // 2 for n in range(12)])
    beside = Reference.of(features, labels, files, np.ones(1, np.float32), None)
    assert (beside.own > apart.own).all()
    cosines = twins @ twins.T
    np.fill_diagonal(cosines, -1)
    others = np.sort(cosines.repeat(2, 0).repeat(2, 1))
    np.testing.assert_allclose(apart.own, others[:, -5:].mean(1), rtol=1e-5)


def test_it_is_rough_with_few_photos_of_a_class() -> None:
    assert reference(FEW - 1).rough
    assert not reference(FEW).rough
    few = reference(FEW - 1)
    assert few.least_likeness() == few.least_likeness(0.5) == pytest.approx(float(few.own.min()) * ROUGHLY)


def test_photos_of_a_burst_do_not_make_everything_else_a_stranger() -> None:
    burst = 1 + np.float32(0.001) * spots((120, SIZE))
    known = Reference.of(burst, [0, 1] * 60, ["x.jpg"] * 120, np.ones(60, np.float32), [n % 5 for n in range(120)])
    assert float(known.own.min()) > 0.99
    assert known.least_likeness() == MOST_LIKENESS


def test_how_sure_is_sure_is_learnt_from_judged_photos_where_there_are_enough() -> None:
    assert reference(sure=np.linspace(0.5, 0.9, FEW, dtype=np.float32)).least_sure() == pytest.approx(0.508, abs=1e-3)
    assert reference(sure=np.full(FEW, 0.999, np.float32)).least_sure() == pytest.approx(MOST_SURE)
    assert reference(sure=np.full(FEW - 1, 0.999, np.float32)).least_sure() == SURE_OF_FEW
    assert reference(sure=np.zeros(0, np.float32)).least_sure() == SURE_OF_FEW


def test_what_is_loaded_is_what_was_saved(tmp_path: Path) -> None:
    saved = reference()
    saved.save(tmp_path)
    loaded = Reference.load(tmp_path)
    assert loaded is not None
    assert loaded.files == saved.files
    np.testing.assert_allclose(loaded.rows, saved.rows, atol=1e-3, rtol=0)  # kept in half precision
    for name in ("labels", "own", "sure"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(saved, name))
    assert (loaded.least_likeness(), loaded.least_sure()) == (saved.least_likeness(), saved.least_sure())
    assert [path.name for path in tmp_path.iterdir()] == [REFERENCE]


def test_odd_file_names_are_kept(tmp_path: Path) -> None:
    files = ("a b.jpg", "ä ✓.jpg", "caf\udce9.jpg", "<b>&.jpg")
    Reference.of(of_kind(0, 4), [0, 0, 1, 1], files, np.ones(1, np.float32), None).save(tmp_path)
    loaded = Reference.load(tmp_path)
    assert loaded is not None
    assert loaded.files == files


def test_at_most_two_thousand_are_kept_and_of_each_class_alike() -> None:
    labels = [0] * 5_000 + [1] * 900 + [2] * 30
    features = np.eye(3, dtype=np.float32)[labels] + np.arange(len(labels), dtype=np.float32)[:, None] * 1e-6
    known = Reference.of(features, labels, [str(row) for row in range(len(labels))], np.ones(1, np.float32), None)
    kept = np.bincount(known.labels).tolist()
    assert len(known.rows) == len(known.files) == len(known.own) == sum(kept) <= MOST_ROWS
    assert kept[2] == 30
    assert min(kept[:2]) > MOST_ROWS / 3 * 0.6
    rows = [int(file) for file in known.files]
    assert [labels[row] for row in rows] == known.labels.tolist()
    assert rows == sorted(rows)
    firsts = [row for row in rows if row < 5_000]
    assert {after - before for before, after in itertools.pairwise(firsts)} == {firsts[1]}  # evenly thinned


def test_a_damaged_file_is_none(tmp_path: Path) -> None:
    assert Reference.load(tmp_path) is None
    reference().save(tmp_path)
    whole = (tmp_path / REFERENCE).read_bytes()
    for spoilt in (b"", b"hello", whole[:20], whole[:-1], b"\xff" * 8 + whole[8:]):
        (tmp_path / REFERENCE).write_bytes(spoilt)
        assert Reference.load(tmp_path) is None
    (tmp_path / REFERENCE).write_bytes(whole)
    assert Reference.load(tmp_path) is not None
