"""A data set split for validation: which photos, and always the same ones."""

from pathlib import Path

import pytest

from tests.photo_trees import make, numbered
from tl_engine.base.settings import Limits
from tl_engine.data.dataset import ImageFolder, split_validation, without
from tl_engine.data.scan import scan

LIMITS = Limits()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder to fill."""
    folder = tmp_path / "photos"
    folder.mkdir()
    return folder


def chosen(data: ImageFolder) -> set[str]:
    return {f"{r.path.parent.name}/{r.path.name}" for r in data.of("val")}


@pytest.mark.parametrize("fraction", [0.01, 0.2, 0.5, 0.99])
def test_every_class_has_photos_on_both_sides_of_the_split(fraction: float, root: Path) -> None:
    make(root, [*numbered("ants", 2), *numbered("bees", 7), *numbered("cats", 100)])
    data = split_validation(scan(root, LIMITS), fraction, 0)
    for counts in data.counts().values():
        assert counts["train"] >= 1
        assert counts["val"] >= 1
    assert data.counts()["cats"]["val"] == round(100 * fraction)
    assert len(data.records) == 109


def test_the_same_seed_gives_the_same_split_anywhere(tmp_path: Path) -> None:
    names = [*numbered("cats", 30), *numbered("dogs", 30)]
    here, there = (scan(make(tmp_path / place, names), LIMITS) for place in ("here", "somewhere/else"))
    assert chosen(split_validation(here, 0.2, 7)) == chosen(split_validation(there, 0.2, 7))


def test_another_seed_gives_another_split(root: Path) -> None:
    data = scan(make(root, [*numbered("cats", 30), *numbered("dogs", 30)]), LIMITS)
    assert chosen(split_validation(data, 0.2, 7)) != chosen(split_validation(data, 0.2, 8))


def test_own_validation_photos_are_kept_as_they_are(root: Path) -> None:
    data = scan(make(root, (n for s in ("train", "val") for c in ("a", "b") for n in numbered(f"{s}/{c}", 3))), LIMITS)
    assert split_validation(data, 0.2, 0) == data


def test_test_photos_are_never_moved_to_validation(root: Path) -> None:
    data = scan(make(root, (n for s in ("train", "test") for c in ("a", "b") for n in numbered(f"{s}/{c}", 5))), LIMITS)
    split = split_validation(data, 0.4, 0)
    assert split.of("test") == data.of("test")
    assert split.counts()["a"] == {"train": 3, "val": 2, "test": 5}


def test_splitting_a_class_that_lost_its_photos_raises_nothing(root: Path) -> None:
    data = scan(make(root, [*numbered("cats", 2), *numbered("dogs", 2)]), LIMITS)
    lost = without(data, {record.path: "gone" for record in data.records if record.label == 0})
    assert split_validation(lost, 0.2, 0).counts()["cats"].get("val", 0) == 0
