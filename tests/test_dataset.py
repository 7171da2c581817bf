"""How folders become records: layouts, names, splits, and what is too little to learn from."""

import io
import os
import unicodedata
from collections.abc import Iterable
from pathlib import Path

import pytest
from PIL import Image

from tl_engine.dataset import CLASS_NAME_LENGTH, ImageFolder, clean_class_name, scan, split_validation, without
from tl_engine.errors import DataError
from tl_engine.settings import MEGABYTE, Limits

LIMITS = Limits()


def png() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), (200, 30, 30)).save(buffer, "PNG")
    return buffer.getvalue()


PICTURE = png()


def make(root: Path, names: Iterable[str], content: bytes = PICTURE) -> Path:
    """Files below root, folders as needed; a name that ends in / is an empty folder."""
    for name in names:
        path = root / name
        if name.endswith("/"):
            path.mkdir(parents=True, exist_ok=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    return root


def numbered(folder: str, count: int) -> list[str]:
    return [f"{folder}/{index:04d}.png" for index in range(count)]


def refusal(root: Path, limits: Limits = LIMITS) -> str:
    """What is said of a folder that cannot be learned from: one sentence without our paths."""
    with pytest.raises(DataError) as caught:
        scan(root, limits)
    text = str(caught.value)
    assert str(root.parent) not in text
    assert "\n" not in text
    assert text.endswith(".")
    assert ": " in text
    return text


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder to fill."""
    folder = tmp_path / "photos"
    folder.mkdir()
    return folder


# --- layouts ---------------------------------------------------------------------------------------------------------


def test_class_folders_are_classes_in_stable_order(root: Path) -> None:
    make(root, [*numbered("dogs", 3), *numbered("cats", 2), *numbered("ants", 2)])
    data = scan(root, LIMITS)
    assert data.classes == ("ants", "cats", "dogs")
    assert data.counts() == {"ants": {"train": 2}, "cats": {"train": 2}, "dogs": {"train": 3}}
    assert {(r.path.parent.name, data.classes[r.label]) for r in data.records} == {(c, c) for c in data.classes}
    assert scan(root, LIMITS) == data


def test_label_order_does_not_depend_on_the_order_of_making(tmp_path: Path) -> None:
    names = ["b", "a", "10", "9", "É", "Z"]
    orders = [names, names[::-1]]
    roots = [
        make(tmp_path / str(i), (f"{n}/{j}.png" for n in order for j in range(2))) for i, order in enumerate(orders)
    ]
    first, second = (scan(root, LIMITS) for root in roots)
    assert first.classes == second.classes == tuple(sorted(names))
    assert [r.path.relative_to(roots[0]) for r in first.records] == [
        r.path.relative_to(roots[1]) for r in second.records
    ]


@pytest.mark.parametrize("wrap", ["", "photos", "photos/all"])
def test_one_or_two_folders_around_it_are_unwrapped(wrap: str, root: Path) -> None:
    make(root / wrap, [*numbered("cats", 2), *numbered("dogs", 2)])
    make(root, ["__MACOSX/._x", ".DS_Store"], b"junk")
    assert scan(root, LIMITS).classes == ("cats", "dogs")


@pytest.mark.parametrize("wrap", ["", "photos", "photos/all"])
@pytest.mark.parametrize(
    "folders",
    [
        {"train": "train", "val": "val"},
        {"train": "train", "valid": "val", "test": "test"},
        {"Training": "train", "Validation": "val", "Testing": "test"},
        {"TRAIN": "train", "test": "test"},
    ],
    ids=["train val", "train valid test", "long names", "train test"],
)
def test_split_folders_are_honoured(folders: dict[str, str], wrap: str, root: Path) -> None:
    make(root / wrap, (name for folder in folders for c in ("cats", "dogs") for name in numbered(f"{folder}/{c}", 2)))
    data = scan(root, LIMITS)
    assert data.classes == ("cats", "dogs")
    assert data.counts() == {name: dict.fromkeys(folders.values(), 2) for name in data.classes}


def test_two_validation_folders_are_one_split_and_lose_nothing(root: Path) -> None:
    folders = ("train", "val", "validation")
    make(root, (name for folder in folders for c in ("cats", "dogs") for name in numbered(f"{folder}/{c}", 2)))
    assert scan(root, LIMITS).counts()["cats"] == {"train": 2, "val": 4}


def test_train_and_val_are_plain_classes_when_something_else_stands_beside_them(root: Path) -> None:
    make(root, [*numbered("train", 2), *numbered("car", 2)])
    assert scan(root, LIMITS).classes == ("car", "train")


def test_images_in_folders_below_a_class_belong_to_it(root: Path) -> None:
    make(root, [*numbered("cats/indoor", 2), *numbered("cats/outdoor/snow", 2), *numbered("dogs", 2)])
    assert scan(root, LIMITS).counts() == {"cats": {"train": 4}, "dogs": {"train": 2}}


@pytest.mark.parametrize("wrap", ["", "photos"])
def test_images_at_the_root_ask_for_folders(wrap: str, root: Path) -> None:
    make(root / wrap, ["1.png", "2.png"])
    assert "folder" in refusal(root)


def test_images_at_the_root_name_the_layout_to_make(root: Path) -> None:
    text = refusal(make(root, ["1.png", "2.png"]))
    assert "holds files but no class folders: make one folder per class" in text
    assert "cats/" in text


def test_an_empty_folder_and_a_missing_one_are_said_to_be_so(root: Path) -> None:
    assert "photos is empty" in refusal(root)
    assert "no folder or zip 'gone'" in refusal(root.parent / "gone")


def test_what_systems_leave_behind_is_no_class_and_no_image(root: Path) -> None:
    make(root, [*numbered("cats", 2), *numbered("dogs", 2)])
    make(root, ["__MACOSX/cats/._1.png", "cats/._1.png", "cats/.DS_Store", ".git/x", "dogs/Thumbs.db"])
    make(root, [".ipynb_checkpoints/1.png", "dogs/.ipynb_checkpoints/1.png", "dogs/desktop.ini"])
    data = scan(root, LIMITS)
    assert data.counts() == {"cats": {"train": 2}, "dogs": {"train": 2}}
    assert data.skipped == ()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_nobody_may_open_is_a_sentence(root: Path) -> None:
    make(root, [*numbered("cats", 2), *numbered("dogs", 2)])
    (root / "cats").chmod(0)
    try:
        assert "Permission denied" in refusal(root)
    finally:
        (root / "cats").chmod(0o755)


# --- pictures that take no part --------------------------------------------------------------------------------------


def test_what_is_no_picture_is_named_and_skipped(root: Path) -> None:
    make(root, [*numbered("cats", 2), *numbered("dogs", 2)])
    make(root, ["cats/empty.jpg"], b"")
    make(root, ["cats/readme.txt"], b"hello")
    make(root, ["dogs/page.jpg"], b"<html>")
    data = scan(root, LIMITS)
    assert len(data.records) == 4
    assert [name for name, _ in data.skipped] == ["cats/empty.jpg", "cats/readme.txt", "dogs/page.jpg"]
    assert "empty (0 bytes)" in data.skipped[0][1]
    assert all("not a picture" in reason for _, reason in data.skipped[1:])


def test_a_picture_over_the_size_limit_is_named_and_skipped(root: Path) -> None:
    make(root, [*numbered("cats", 2), *numbered("dogs", 2)])
    make(root, ["cats/huge.png"], PICTURE + bytes(MEGABYTE))
    data = scan(root, Limits(image_bytes=MEGABYTE))
    assert data.skipped == (("cats/huge.png", "huge.png is larger than 1 MB: save it smaller."),)


def test_without_moves_files_to_the_skipped(root: Path) -> None:
    data = scan(make(root, [*numbered("cats", 3), *numbered("dogs", 2)]), LIMITS)
    bad = root / "cats" / "0001.png"
    rest = without(data, {bad: "cut short"})
    assert bad not in [record.path for record in rest.records]
    assert len(rest.records) == 4
    assert rest.skipped == (("cats/0001.png", "cut short"),)


# --- too little, too much, too uneven --------------------------------------------------------------------------------


def test_one_class_is_refused(root: Path) -> None:
    assert "has one class, 'cats': at least 2 are needed" in refusal(make(root, numbered("cats", 5)))


def test_an_empty_class_folder_is_refused(root: Path) -> None:
    text = refusal(make(root, [*numbered("cats", 5), "dogs/"]))
    assert "'dogs' has 0 readable photos" in text
    assert "add some or delete the folder" in text


def test_a_class_of_unreadable_files_is_refused(root: Path) -> None:
    make(root, numbered("cats", 5))
    assert "'dogs' has 0 readable photos" in refusal(make(root, numbered("dogs", 5), b"nothing"))


def test_a_class_of_one_image_is_refused(root: Path) -> None:
    text = refusal(make(root, [*numbered("cats", 5), *numbered("dogs", 1)]))
    assert "'dogs' has 1 readable photo in training: it needs at least 2 photos" in text


def test_two_images_in_all_are_refused(root: Path) -> None:
    assert "at least 2 photos" in refusal(make(root, [*numbered("cats", 1), *numbered("dogs", 1)]))


def test_four_images_in_all_can_be_learned_from_with_a_warning(root: Path) -> None:
    data = scan(make(root, [*numbered("cats", 2), *numbered("dogs", 2)]), LIMITS)
    assert split_validation(data, 0.2, 0).counts() == {n: {"train": 1, "val": 1} for n in ("cats", "dogs")}
    assert "fewer than 20 training photos: cats, dogs" in data.notes[0]


def test_many_small_classes_are_counted_not_listed(root: Path) -> None:
    data = scan(make(root, (name for c in range(9) for name in numbered(f"class{c}", 2))), LIMITS)
    assert "class0, class1, class2 and 6 more" in data.notes[0]


def test_an_imbalance_of_a_thousand_to_one_is_noted_and_split(root: Path) -> None:
    make(root, [*numbered("cats", 2000), *numbered("dogs", 2)])
    data = scan(root, LIMITS)
    assert [note for note in data.notes if "dogs" in note and "cats" not in note]
    counts = split_validation(data, 0.2, 0).counts()
    assert counts == {"cats": {"train": 1600, "val": 400}, "dogs": {"train": 1, "val": 1}}


def test_enough_of_everything_needs_no_note(root: Path) -> None:
    assert scan(make(root, [*numbered("cats", 20), *numbered("dogs", 20)]), LIMITS).notes == ()


def test_a_class_only_in_validation_is_refused(root: Path) -> None:
    make(root, [*numbered("train/cats", 2), *numbered("train/ants", 2), *numbered("val/cats", 2)])
    make(root, [*numbered("val/ants", 2), *numbered("val/dogs", 2)])
    assert "'dogs' has 0 readable photos in training" in refusal(root)


def test_a_class_missing_from_validation_is_refused(root: Path) -> None:
    make(root, [*numbered("train/cats", 2), *numbered("train/dogs", 2), *numbered("val/cats", 2), "val/dogs/"])
    assert "'dogs' has no photo in the validation folder" in refusal(root)


def test_more_classes_than_the_limit_are_refused(root: Path) -> None:
    make(root, (name for c in range(4) for name in numbered(f"class{c}", 2)))
    assert "has 4 classes: the most taken is 3" in refusal(root, Limits(classes=3))


def test_more_images_than_the_limit_are_refused(root: Path) -> None:
    make(root, [*numbered("cats", 3), *numbered("dogs", 3)])
    assert "more than 5 images" in refusal(root, Limits(images=5))
    assert len(scan(root, Limits(images=6)).records) == 6


# --- names -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("folders", [("Cat", "cat"), ("train/Cat", "train/dog", "val/cat", "val/dog"), ("ß", "SS")])
def test_names_that_differ_in_case_are_refused(folders: tuple[str, ...], root: Path) -> None:
    assert "differ only in case" in refusal(make(root, (name for f in folders for name in numbered(f, 2))))


def test_two_spellings_of_one_name_are_one_class(root: Path) -> None:
    nfc, nfd = (unicodedata.normalize(form, "Äpfel") for form in ("NFC", "NFD"))
    make(root, [*(f"{nfc}/{i}.png" for i in range(2)), *(f"{nfd}/{i}.png" for i in range(3)), *numbered("Birnen", 2)])
    data = scan(root, LIMITS)
    assert data.classes == ("Birnen", nfc)
    assert data.counts()[nfc] == {"train": 5}


def test_a_line_break_in_a_name_becomes_a_space(root: Path) -> None:
    data = scan(make(root, (name for c in ("big\ncat", "big cat", "dog") for name in numbered(c, 2))), LIMITS)
    assert data.classes == ("big cat", "dog")
    assert data.counts()["big cat"] == {"train": 4}


@pytest.mark.parametrize(
    ("folder", "shown"),
    [
        ("a\nb", "a b"),
        ("  a \t b ", "a b"),
        ("a\u202eb\u200bc", "abc"),
        ("e\u0301", "\u00e9"),
        ("a\x1b[31m", "a [31m"),
        ("a\u2028b", "a b"),
        ("<b>x</b>", "<b>x</b>"),
        ("\u200b", ""),
    ],
)
def test_class_names_are_one_clean_line(folder: str, shown: str) -> None:
    assert clean_class_name(folder) == shown


def test_markup_in_a_name_stays_plain_text(root: Path) -> None:
    names = ["<img src=x onerror=alert(1)>", "a & b"]
    assert scan(make(root, (n for c in names for n in numbered(c, 2))), LIMITS).classes == tuple(sorted(names))


@pytest.mark.parametrize("name", ["x" * 240, "\u200b\u200d"])
def test_a_name_too_long_or_invisible_is_refused(name: str, root: Path) -> None:
    text = refusal(make(root, [*numbered("cats", 2), *numbered(name, 2)]))
    assert f"1 to {CLASS_NAME_LENGTH} visible characters" in text
    assert len(text) < 200


# --- splitting -------------------------------------------------------------------------------------------------------


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
