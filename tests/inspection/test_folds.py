"""Who judges each photo: copies share a judge, classes are spread evenly, and the same photos are spread the same."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tl_engine.data.dataset import Record
from tl_engine.inspection.findings import Features
from tl_engine.inspection.folds import FOLDS, Folds, make_folds

Tones = NDArray[np.float32]
Photo = tuple[str, int, str, int]  # file, label, content, and the number of what it shows


def photos(label: int, number: int, first: int = 0) -> list[Photo]:
    """So many photos of a class, each of something else."""
    return [
        (f"{label}/{n}.jpg", label, f"content {label} {n}", 1_000 * label + n) for n in range(first, first + number)
    ]


def looks(shown: list[int], size: int, seed: int) -> NDArray[np.float32]:
    """Rows that are the same, but for a little noise, where the same is shown."""
    noise = np.random.default_rng(seed)
    rows = [np.random.default_rng([seed, number]).normal(0, 50, size) + noise.normal(0, 1, size) for number in shown]
    return np.array(rows, np.float32)


def folds(taken: list[Photo], seed: int = 0, features: Features | None = None) -> Folds | None:
    shown = [number for *_, number in taken]
    records = [Record(Path(file), label, "train") for file, label, _, _ in taken]
    hashes = {Path(file): content for file, _, content, _ in taken}
    return make_folds(
        records, hashes, looks(shown, 256, 1), looks(shown, 32, 2) if features is None else features, seed
    )


def numbers(taken: list[Photo], seed: int = 0) -> dict[str, int]:
    """The fold of each file."""
    found = folds(taken, seed)
    assert found is not None
    return dict(zip((file for file, *_ in taken), found.number, strict=True))


def test_each_class_is_spread_evenly_within_one() -> None:
    taken = photos(0, 23) + photos(1, 11) + photos(2, 5)
    found = folds(taken)
    assert found is not None
    assert found.alike == []
    for label in range(3):
        filled = Counter(fold for fold, photo in zip(found.number, taken, strict=True) if photo[1] == label)
        assert set(filled) == set(range(FOLDS))
        assert max(filled.values()) - min(filled.values()) <= 1


def test_copies_byte_for_byte_share_a_judge() -> None:
    taken = photos(0, 12) + photos(1, 12)
    twins = [(f"0/twin {n}.jpg", label, content, shown) for n, (_, label, content, shown) in enumerate(taken[:6])]
    found = numbers(taken + twins)
    assert all(found[f"0/twin {n}.jpg"] == found[f"0/{n}.jpg"] for n in range(6))


def test_photos_that_look_alike_share_a_judge() -> None:
    taken = photos(0, 12) + photos(1, 12)
    near = [(f"0/near {n}.jpg", 0, f"saved again {n}", n) for n in range(6)]
    found = numbers(taken + near)
    assert all(found[f"0/near {n}.jpg"] == found[f"0/{n}.jpg"] for n in range(6))
    assert len(set(found.values())) == FOLDS


def test_a_copy_of_a_copy_shares_the_judge_too() -> None:
    taken = photos(0, 12) + photos(1, 12)
    near, twin = ("0/near.jpg", 0, "saved again", 3), ("0/twin of near.jpg", 0, "saved again", 3)
    found = numbers([*taken, near, twin])
    assert found["0/near.jpg"] == found["0/twin of near.jpg"] == found["0/3.jpg"]


def test_a_copy_in_another_class_shares_the_judge() -> None:
    taken = photos(0, 12) + photos(1, 12)
    found = numbers([*taken, ("1/stray.jpg", 1, "content 0 3", 3)])
    assert found["1/stray.jpg"] == found["0/3.jpg"]


def test_the_same_tones_without_the_same_features_are_two_photos() -> None:
    taken = [*photos(0, 12), *photos(1, 12), ("0/other.jpg", 0, "another content", 3)]
    apart = looks(list(range(25)), 32, 3)
    judges = set()
    for seed in range(10):
        found = folds(taken, seed, apart)
        assert found is not None
        judges.add(found.number[-1] == found.number[3])
    assert False in judges


def test_the_same_photos_and_seed_give_the_same_folds_in_any_order() -> None:
    taken = photos(0, 23) + photos(1, 11)
    assert numbers(taken) == numbers(taken) == numbers(taken[::-1])


def test_another_seed_gives_other_folds() -> None:
    taken = photos(0, 23) + photos(1, 11)
    assert numbers(taken, seed=0) != numbers(taken, seed=1)


def test_a_class_that_is_one_burst_is_judged_by_its_copies_and_told() -> None:
    burst = [(f"1/burst {n}.jpg", 1, f"content {n}", 999) for n in range(10)]
    found = folds(photos(0, 10) + burst)
    assert found is not None
    assert found.alike == [1]
    assert Counter(found.number[10:]) == dict.fromkeys(range(FOLDS), 2)


def test_a_class_of_one_photo_copied_byte_for_byte_is_told_too() -> None:
    found = folds(photos(0, 10) + [(f"1/{n}.jpg", 1, "the same", 999) for n in range(3)])
    assert found is not None
    assert found.alike == [1]
    assert len(set(found.number[10:])) == 3


@pytest.mark.parametrize("each", [2, 3, 4])
def test_classes_of_few_photos_have_fewer_folds(each: int) -> None:
    found = folds(photos(0, each) + photos(1, each))
    assert found is not None
    assert sorted(found.number[:each]) == sorted(found.number[each:]) == list(range(each))


def test_single_photos_cannot_judge_each_other() -> None:
    assert folds(photos(0, 1) + photos(1, 1)) is None
    assert folds(photos(0, 2) + photos(1, 1)) is not None
