"""Which folders are classes and which are splits: decided from names and contents, asked where it could be both."""

from pathlib import Path

import pytest

from tl_engine.base.errors import Question
from tl_engine.data.layout import Layout, decide
from tl_engine.data.reading import CLASSES, SPLITS
from tl_engine.data.tree import Folder

Counts = dict[str, dict[str, int]]  # class -> split -> files


def tree(*folders: str, path: Path = Path("photos")) -> Folder:
    """A tree of which each of these folders holds three photos; nothing is on a disk."""
    tops = sorted({name.split("/", 1)[0] for name in folders if name})
    inside = [tree(*_below(name, folders), path=path / name) for name in tops]
    files = tuple(path / f"{number}.png" for number in range(3)) if "" in folders else ()
    return Folder(path=path, folders=tuple(inside), files=files)


def _below(top: str, folders: tuple[str, ...]) -> list[str]:
    return [name.partition("/")[2] for name in folders if name.split("/", 1)[0] == top]


def counts(layout: Layout) -> Counts:
    found: Counts = {}
    for folder, place in layout.placed():
        if place and folder.files:
            splits = found.setdefault(place.class_name, {})
            splits[place.split] = splits.get(place.split, 0) + len(folder.files)
    return found


def left_out(layout: Layout) -> set[str]:
    return {f.path.relative_to("photos").as_posix() for f, place in layout.placed() if f.files and place is None}


def both(*splits: str, inside: str = "") -> list[str]:
    return [f"{split}/{inside}{name}" for split in splits for name in ("cats", "dogs")]


def question(*folders: str) -> dict[str, str]:
    """The readings offered; the text names the folder and the option for each."""
    with pytest.raises(Question) as caught:
        decide(tree(*folders))
    assert caught.value.option == "layout"
    text = str(caught.value)
    assert "photos" in text
    assert text.endswith(".")
    assert all(f"--layout {reading}" in text for reading in caught.value.readings)
    return caught.value.readings


# --- sure of it ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("train", "other", "split"),
    [
        ("train", "val", "val"),
        ("Training", "Validation", "val"),
        ("TRAIN", "valid", "val"),
        ("train", "dev", "val"),
        ("train", "eval", "val"),
        ("training", "testing", "test"),
        ("train_set", "test_set", "test"),
        ("train-data", "test-data", "test"),
        ("train_images", "val_images", "val"),
        ("trainset", "testset", "test"),
        ("train2017", "val2017", "val"),
        ("Training", "PublicTest", "test"),
        ("seg_train", "seg_test", "test"),
        ("flowers-train", "flowers-valid", "val"),
        ("训练集", "测试集", "test"),
    ],
)
def test_splits_are_known_by_their_usual_names_with_another_folder_beside_them(
    train: str, other: str, split: str
) -> None:
    found = decide(tree(*both(train, other), "to predict"))
    assert counts(found) == {name: {"train": 3, split: 3} for name in ("cats", "dogs")}
    assert left_out(found) == {"to predict"}


@pytest.mark.parametrize(
    ("folders", "apart"),
    [
        (both("train", "val", inside="images/"), set()),
        ([*both("train", inside="train/"), *both("val", inside="val/"), "test/test"], {"test/test"}),
        ([*both("train"), *both("val"), "test/images"], {"test/images"}),
        ([*both("train", "val", inside="images/"), "train/annotations", "val/annotations"],
         {"train/annotations", "val/annotations"}),
        ([*both("images/train"), *both("images/val"), "labels/train", "labels/val"], {"labels/train", "labels/val"}),
        (["cats/train", "cats/val", "dogs/train", "dogs/val"], set()),
        (["cats", "dogs", *both("val")], set()),
        (both("images", "val"), set()),
    ],
    ids=["images inside", "own name inside", "unlabelled test", "annotations inside", "images around",
         "inside classes", "beside classes", "images are for training"],
)  # fmt: skip
def test_what_wraps_or_stands_beside_splits_is_seen_through(folders: list[str], apart: set[str]) -> None:
    found = decide(tree(*folders))
    assert counts(found) == {name: {"train": 3, "val": 3} for name in ("cats", "dogs")}
    assert left_out(found) == apart


@pytest.mark.parametrize("flat", ["val", "test1", "test"])
def test_a_split_without_class_folders_is_left_out(flat: str) -> None:
    found = decide(tree(*both("train"), flat))
    assert counts(found) == {"cats": {"train": 3}, "dogs": {"train": 3}}
    assert left_out(found) == {flat}


def test_annotations_beside_images_are_no_class() -> None:
    found = decide(tree("images/beagle", "images/boxer", "annotations/trimaps"))
    assert found.classes() == ("beagle", "boxer")
    assert left_out(found) == {"annotations/trimaps"}


@pytest.mark.parametrize(
    "folders",
    [
        ["train", "car", "bus"],
        ["bullet_train", "steam_train"],
        ["test_tube", "beaker"],
        ["cat/images", "dog/images"],
        ["animals/cat", "animals/dog", "cars/vw", "cars/bmw"],
        ["masks", "hats"],
    ],
)
def test_folders_that_can_only_be_classes_are_taken_as_such(folders: list[str]) -> None:
    assert decide(tree(*folders)).classes() == tuple(sorted({name.split("/")[0] for name in folders}))


# --- asked -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("folders", "as_splits"),
    [
        (both("val", "test"), {"cats": {"train": 3, "test": 3}, "dogs": {"train": 3, "test": 3}}),
        (both("anna", "ben"), {"cats": {"train": 6}, "dogs": {"train": 6}}),
        (both("anna", "ben", inside="photos/"), {"cats": {"train": 6}, "dogs": {"train": 6}}),
        (["anna/cats", "anna/dogs", "ben/dogs", "ben/ants"],
         {"cats": {"train": 3}, "dogs": {"train": 6}, "ants": {"train": 3}}),
        ([*both("anna/train"), *both("anna/test"), *both("ben/train")],
         {"cats": {"train": 6, "test": 3}, "dogs": {"train": 6, "test": 3}}),
        ([*both("train"), "extra"], {"cats": {"train": 3}, "dogs": {"train": 3}}),
        ([*both("train"), "val/ants", "val/bees"], {"cats": {"train": 3}, "dogs": {"train": 3}}),
        (["good", "bad", "test"], {"good": {"train": 3}, "bad": {"train": 3}}),
        (["cats", "cats/test", "dogs", "dogs/test"],
         {"cats": {"train": 3, "test": 3}, "dogs": {"train": 3, "test": 3}}),
        (["cats/train", "cats/test", "dogs"], {"cats": {"train": 3, "test": 3}, "dogs": {"train": 3}}),
        (["images/a", "images/b", "extra"], {"a": {"train": 3}, "b": {"train": 3}}),
        ([*both("data/train"), *both("data/test"), "notes"],
         {"cats": {"train": 3, "test": 3}, "dogs": {"train": 3, "test": 3}}),
    ],
    ids=["no train", "pupils", "pupils wrapped", "pupils with other classes", "pupils with splits", "one split",
         "no class in common", "unlabelled test beside classes", "test inside classes", "one class is split",
         "images beside something", "a data set beside something"],
)  # fmt: skip
def test_two_readings_are_asked_about_and_either_can_be_chosen(folders: list[str], as_splits: Counts) -> None:
    readings = question(*folders)
    assert set(readings) == {CLASSES, SPLITS}
    assert counts(decide(tree(*folders), SPLITS)) == as_splits
    assert decide(tree(*folders), CLASSES).classes() == tuple(sorted({name.split("/")[0] for name in folders}))
    assert all(name in readings[SPLITS] for name in as_splits)


@pytest.mark.parametrize(
    "folders",
    [["train", "test"], ["train", "test1"], ["train", "val", "car"], ["trainA", "trainB", "testA", "testB"],
     ["images", "masks"], ["anna/cats", "ben/cats"]],
)  # fmt: skip
def test_what_does_not_look_like_classes_is_taken_only_when_chosen(folders: list[str]) -> None:
    assert set(question(*folders)) == {CLASSES}
    taken = decide(tree(*folders), CLASSES)
    assert taken.classes() == tuple(sorted({name.split("/")[0] for name in folders}))
    assert not left_out(taken)


@pytest.mark.parametrize("wrap", ["test", "val", "testing"])
def test_a_lone_folder_of_test_photos_is_trained_on_only_when_chosen(wrap: str) -> None:
    assert CLASSES in question(*both(wrap))
    assert decide(tree(*both(wrap)), CLASSES).classes() == ("cats", "dogs")


@pytest.mark.parametrize("splits", [("train", "test"), ("train", "valid", "test")])
def test_classes_that_are_called_like_splits_can_be_chosen(splits: tuple[str, ...]) -> None:
    found = decide(tree(*both(*splits)), CLASSES)
    assert counts(found) == {split: {"train": 6} for split in splits}


def test_a_question_counts_what_each_reading_makes_of_the_photos() -> None:
    readings = question(*both("train"), "extra", "more")
    assert readings[CLASSES] == "3 classes: extra, more, train; files: 12 train"
    assert readings[SPLITS] == "2 classes: cats, dogs; files: 6 train, 6 left out"
