"""What a report means in plain sentences: why a finding matters, what to do, one photo and many."""

from typing import Any

import pytest

from tl_engine.inspection.advice import advice, noise
from tl_engine.inspection.findings import Duplicates, Report

FINE = {"cats": {"train": 40, "val": 10}, "dogs": {"train": 40, "val": 10}}
NOISE = "20 validation photos: differences under 15 points are noise."


def told(**found: Any) -> list[str]:
    """The advice on a data set with these findings and nothing else."""
    nothing: dict[str, Any] = {
        "classes": FINE, "left_out": [], "junk": 0, "converted": [], "tiny": [], "odd": [], "duplicates": [],
        "suspicious_labels": [], "separability": {},
    }  # fmt: skip
    return list(advice(Report(**(nothing | found), advice=[])))


def group(files: int = 2, kind: str = "exact", splits: bool = False, classes: bool = False) -> Duplicates:
    names = tuple(f"{index}.jpg" for index in range(files))
    return Duplicates(files=names, kind=kind, across_splits=splits, across_classes=classes)


def named(*files: str) -> list[dict[str, str]]:
    return [{"file": file, "reason": "some"} for file in files]


@pytest.mark.parametrize(("photos", "points"), [(1, 64), (10, 21), (30, 12), (153, 6), (1_000, 3)])
def test_noise_is_half_a_95_percent_interval_in_points(photos: int, points: int) -> None:
    assert noise(photos) == points


def test_noise_is_largest_where_half_is_right() -> None:
    assert noise(30, 0.5) == 18
    assert noise(30, 1.0) == 0


def test_a_data_set_without_a_fault_is_told_its_noise_only() -> None:
    assert told() == [NOISE]
    in_folds = told(classes={"cats": {"train": 40}, "dogs": {"train": 40}})
    assert in_folds == ["All 80 photos teach and check: differences under 8 points are noise."]


def test_duplicates_are_told_by_what_they_spoil() -> None:
    assert told(duplicates=[group(splits=True), group(splits=True)])[:-1] == [
        "2 photos are in training and in validation at once: the result will look better than it is; keep one of each, "
        "on one side."
    ]
    assert told(duplicates=[group(classes=True)])[:-1] == [
        "1 photo is in two classes at once: one of the labels must be wrong."
    ]
    assert told(duplicates=[group(), group(kind="near")])[:-1] == [
        "2 photos are there more than once: each copy counts again; keep one of each."
    ]
    assert len(told(duplicates=[group(splits=True, classes=True)])) == 3


def test_many_photos_of_one_scene_are_called_a_burst() -> None:
    burst = "1 group of many photos looks like bursts of one scene: "
    assert [s.startswith(burst) for s in told(duplicates=[group(6, "near")])] == [False, True, False]
    assert not [s for s in told(duplicates=[group(5, "near"), group(6, "exact")]) if "burst" in s]


def test_doubts_and_files_left_out_are_counted() -> None:
    doubt = {"file": "a.jpg", "label": "cats", "suggested": "dogs", "score": 0.5}
    assert told(suspicious_labels=[doubt], left_out=named("b.txt")) == [
        "1 photo is labelled unlike the photos around: look at them, the likeliest first.",
        NOISE,
        "1 file takes no part; each is named with the reason.",
    ]
    assert "1,200 photos are labelled unlike the photos around: look at them, the likeliest first." in told(
        suspicious_labels=[doubt] * 1_200
    )


def test_tiny_and_odd_photos_are_named_three_at_most() -> None:
    sentences = told(tiny=named("a", "b", "c", "d", "e"), odd=named("f.gif"), converted=named("g"))
    assert sentences[1:] == [
        "5 photos are tiny: a, b, c and 2 more.",
        "1 photo is odd: f.gif.",
        "1 photo was converted to upright RGB; nothing is to be done.",
    ]
    assert told(tiny=named("a", "b", "c"))[1:] == ["3 photos are tiny: a, b, c."]


@pytest.mark.parametrize(("train", "few"), [(19, True), (20, False)])
def test_classes_with_fewer_than_twenty_photos_to_learn_from_are_named(train: int, few: bool) -> None:
    sentences = told(classes=FINE | {"fish": {"train": train, "val": 5}})
    assert ("Fewer than 20 training photos: fish; more photos would help most there." in sentences) is few


def test_of_many_small_classes_three_are_named() -> None:
    sentences = told(classes={f"c{n}": {"train": 5} for n in range(5)})
    assert sentences[1:] == ["Fewer than 20 training photos: c0, c1, c2 and 2 more; more photos would help most there."]


@pytest.mark.parametrize(("dogs", "uneven"), [(40, "3.0 times as many photos as dogs"), (41, ""), (0, "120.0 times")])
def test_a_class_three_times_as_large_asks_for_class_weights(dogs: int, uneven: str) -> None:
    sentences = [s for s in told(classes={"cats": {"train": 120}, "dogs": {"train": dogs}}) if "class weights" in s]
    assert bool(sentences) is bool(uneven)
    assert uneven in "".join(sentences)


def test_how_separable_the_classes_are_comes_last() -> None:
    alike = [{"classes": ["cats", "dogs"], "share": 0.054}, {"classes": ["cats", "fish"], "share": 0.01}]
    assert told(separability={"accuracy": 0.946, "alike": alike})[-1] == (
        "Before any training, 95% of the photos look most like their own class; the most alike are cats and dogs "
        "(5% look like the other)."
    )
    assert told(separability={"accuracy": 1.0, "alike": []})[-1] == (
        "Before any training, 100% of the photos look most like their own class."
    )
