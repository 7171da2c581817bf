"""What a scan takes, what it names and what it refuses; the sum of it all is what lies in the folder."""

import contextlib
import json
import os
import random
import shutil
import tempfile
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.photo_trees import PICTURE, filled, make, numbered
from tl_engine.base.errors import DataError, EngineError
from tl_engine.base.names import CLASS_NAME_LENGTH, LEFT_OUT_FILE, clean_class_name
from tl_engine.base.settings import MEGABYTE, Limits
from tl_engine.data.dataset import LeftOut, check_trainable, split_validation, without
from tl_engine.data.scan import scan

LIMITS = Limits()


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
    assert data.left_out == ()
    assert data.junk == 8


# --- pictures that take no part --------------------------------------------------------------------------------------


def test_what_is_no_picture_is_named_and_left_out(root: Path) -> None:
    make(root, [*numbered("cats", 2), *numbered("dogs", 2)])
    make(root, ["cats/empty.jpg"], b"")
    make(root, ["cats/readme.txt"], b"hello")
    make(root, ["dogs/page.jpg"], b"<html>")
    data = scan(root, LIMITS)
    assert len(data.records) == 4
    assert [entry.file for entry in data.left_out] == ["cats/empty.jpg", "cats/readme.txt", "dogs/page.jpg"]
    assert "empty (0 bytes)" in data.left_out[0].reason
    assert all("not a picture" in entry.reason for entry in data.left_out[1:])


def test_a_picture_over_the_size_limit_is_named_and_left_out(root: Path) -> None:
    make(root, [*numbered("cats", 2), *numbered("dogs", 2)])
    make(root, ["cats/huge.png"], PICTURE + bytes(MEGABYTE))
    data = scan(root, Limits(image_bytes=MEGABYTE))
    assert data.left_out == (LeftOut("cats/huge.png", "huge.png is larger than 1 MB: save it smaller."),)


def test_without_moves_files_to_the_left_out(root: Path) -> None:
    data = scan(make(root, [*numbered("cats", 3), *numbered("dogs", 2)]), LIMITS)
    bad = root / "cats" / "0001.png"
    rest = without(data, {bad: "cut short"})
    assert bad not in [record.path for record in rest.records]
    assert len(rest.records) == 4
    assert rest.left_out == (LeftOut("cats/0001.png", "cut short"),)


# --- every file is used, named or junk --------------------------------------------------------------------------------


def named(root: Path) -> dict[str, int]:
    """What is left out, with the number of files in it."""
    return {entry.file: entry.files for entry in scan(root, LIMITS).left_out}


def test_a_photo_beside_class_folders_or_in_a_split_without_them_is_named(root: Path) -> None:
    filled(root, "train/cats", "train/dogs", "val")
    make(root, ["train/loose.png", "readme.txt", "data.csv"])
    assert named(root) == {"data.csv": 1, "readme.txt": 1, "train/loose.png": 1, "val": 3}
    assert "no class folder" in scan(root, LIMITS).left_out[0].reason


def test_a_folder_left_out_as_a_whole_says_how_many_files_it_holds(root: Path) -> None:
    filled(root, "train/cats", "train/dogs", "test/cats", "test/dogs", "to predict/a", "to predict/b")
    (entry,) = scan(root, LIMITS).left_out
    assert (entry.file, entry.files) == ("to predict", 6)
    assert "to predict holds 6 files in no class folder" in entry.reason
    assert entry.to_dict() == {"file": "to predict", "reason": entry.reason, "files": 6}


def test_what_lies_beside_a_folder_that_only_wraps_is_named_too(root: Path) -> None:
    filled(root, "photos/cats", "photos/dogs", each=2)
    make(root, ["readme.txt", "photos/notes.txt"])
    assert set(named(root)) == {"readme.txt", "notes.txt"}


def test_links_are_followed_to_photos_only(root: Path) -> None:
    filled(root, "cats", "dogs")
    filled(root.parent / "elsewhere", "more")
    (root / "cats/album").symlink_to(root.parent / "elsewhere/more")
    (root / "birds").symlink_to(root.parent / "elsewhere/more")
    (root / "cats/gone.png").symlink_to("/nowhere/1.png")
    (root / "cats/round.png").symlink_to("round.png")
    (root / "cats/there.png").symlink_to(root.parent / "elsewhere/more/0000.png")
    data = scan(root, LIMITS)
    assert data.counts() == {"cats": {"train": 4}, "dogs": {"train": 3}}
    assert named(root) == {"birds": 0, "cats/album": 0, "cats/gone.png": 1, "cats/round.png": 1}


def test_hidden_folders_are_named_at_every_depth_and_empty_ones_are_not(root: Path) -> None:
    filled(root, "cats", "dogs", ".birds", "cats/.best")
    make(root, [".empty/"])
    assert named(root) == {".birds": 3, "cats/.best": 3}
    assert scan(root, LIMITS).classes == ("cats", "dogs")


def test_folders_without_end_are_counted_and_not_walked_into(root: Path) -> None:
    filled(root, "cats", "dogs", f"cats/{'a/' * 400}b")
    (entry,) = scan(root, LIMITS).left_out
    assert (entry.file, entry.files) == (f"cats/{'a/' * 31}a", 3)


def test_a_pipe_among_the_photos_is_named_and_never_opened(root: Path) -> None:
    filled(root, "cats", "dogs")
    os.mkfifo(root / "cats/pipe.png")
    assert named(root) == {"cats/pipe.png": 1}


@contextlib.contextmanager
def as_nobody() -> Iterator[None]:
    """Without the rights of root, to whom every file is open."""
    was_root = os.geteuid() == 0
    if was_root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if was_root:
            os.seteuid(0)


@pytest.fixture
def open_to_all() -> Iterator[Path]:
    """A folder that nobody may read too, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def test_what_may_not_be_opened_is_named_and_not_called_damaged(open_to_all: Path) -> None:
    filled(open_to_all, "cats", "dogs", "cats/private")
    for closed in ("cats/private", "dogs/0000.png"):
        (open_to_all / closed).chmod(0)
    with as_nobody():
        data = scan(open_to_all, LIMITS)
    (open_to_all / "cats/private").chmod(0o755)
    assert data.counts() == {"cats": {"train": 3}, "dogs": {"train": 2}}
    assert {entry.file for entry in data.left_out} == {"cats/private", "dogs/0000.png"}
    assert all("may not be read" in entry.reason for entry in data.left_out)


def test_a_class_that_may_not_be_opened_is_told_by_the_refusal(open_to_all: Path) -> None:
    filled(open_to_all, "cats", "dogs")
    (open_to_all / "cats").chmod(0)
    with as_nobody(), pytest.raises(DataError, match=r"one class, 'dogs'.* first: cats may not be read"):
        scan(open_to_all, LIMITS)
    (open_to_all / "cats").chmod(0o755)
    open_to_all.chmod(0)
    with as_nobody(), pytest.raises(DataError, match="may not be read"):
        scan(open_to_all, LIMITS)


def test_what_unpacking_could_not_take_is_told_with_the_rest(root: Path) -> None:
    filled(root, "cats", "dogs")
    told = [{"file": "cats/9.png", "reason": "9.png is damaged."}, {"file": 7}, "nonsense", None]
    (root / LEFT_OUT_FILE).write_text(json.dumps(told))
    assert scan(root, LIMITS).left_out == (LeftOut("cats/9.png", "9.png is damaged."),)
    for damaged in ("{", "{}", "[1]", "[" * 100_000, "\udc00"):
        (root / LEFT_OUT_FILE).write_text(damaged, errors="surrogatepass")
        assert scan(root, LIMITS).left_out == ()


PIECES = ("a", "b", "train", "val", "test", "images", ".hidden", "@eaDir", ".thumbnails", "annotations")
LEAVES = ("1.png", "2.png", "note.txt", "Thumbs.db", "._1.png", "data.csv", ".dot.png", "noend")


def grown(root: Path, seed: int) -> Path:
    """A tree of two classes with whatever chance puts around them: links, junk, texts, folders in folders."""
    chance = random.Random(seed)
    base = root / chance.choice(("", "train", "photos/all"))
    filled(base, "cats", "dogs", each=2)
    for _ in range(chance.randrange(25)):
        inside = base / chance.choice(("cats", "dogs")) if chance.random() < 0.8 else root
        folder = inside.joinpath(*chance.choices(PIECES, k=chance.randrange(4 if inside != root else 2)))
        make(folder, [chance.choice(LEAVES)], chance.choice((PICTURE, b"text", b"")))
        if chance.random() < 0.2:
            with contextlib.suppress(FileExistsError):
                (folder / "link").symlink_to(chance.choice(("/nowhere", "1.png", "..", "link")))
    return root


@pytest.mark.parametrize("layout", ["auto", "classes", "splits"])
def test_files_found_are_used_left_out_or_junk_whatever_the_tree(layout: str, tmp_path: Path) -> None:
    scanned = 0
    for seed in range(30):
        root = grown(tmp_path / str(seed), seed)
        there = sum(len(names) for _, _, names in os.walk(root))
        with contextlib.suppress(EngineError):
            data = scan(root, LIMITS, layout)
            assert there == len(data.records) + sum(entry.files for entry in data.left_out) + data.junk, seed
            assert len({record.path for record in data.records}) == len(data.records)
            scanned += 1
    assert scanned >= 10


# --- refusals say what they follow from -------------------------------------------------------------------------------


def test_a_class_whose_files_were_all_left_out_says_so_with_the_first_reason(root: Path) -> None:
    filled(root, "dogs")
    make(root, [f"cats/{n}.psd" for n in range(6)], b"8BPS")
    text = refusal(root)
    assert "all 6 files of cats were left out, the first: 0.psd is not a picture" in text
    assert "delete" not in text


def test_a_class_that_lost_some_of_its_files_says_how_many(root: Path) -> None:
    filled(root, "train/cats", "train/dogs", "val/dogs")
    make(root, ["val/cats/1.png"], b"")
    assert "no photo in the validation folder: 1 file of cats was left out, the first: 1.png is empty" in refusal(root)


def test_a_class_corrected_away_says_which_photo_went_first_and_why(root: Path) -> None:
    data = scan(filled(root, "cats", "dogs", each=2), LIMITS)
    gone = without(data, {root / "cats/0000.png": "left out by hand"})
    with pytest.raises(DataError, match=r"1 file of cats was left out, the first: cats/0000.png, left out by hand\.$"):
        check_trainable(gone)


def test_a_lone_class_tells_of_the_folder_that_was_left_out(root: Path) -> None:
    filled(root, "cats", ".dogs")
    assert "3 files were left out, the first: .dogs begins with a dot" in refusal(root)


# --- too little, too much, too uneven --------------------------------------------------------------------------------


def test_one_class_is_refused(root: Path) -> None:
    assert "has one class, 'cats': at least 2 are needed" in refusal(make(root, numbered("cats", 5)))


def test_an_empty_class_folder_is_refused(root: Path) -> None:
    text = refusal(make(root, [*numbered("cats", 5), "dogs/"]))
    assert "'dogs' has 0 readable photos" in text
    assert text.endswith("; add some.")


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


@pytest.mark.parametrize("folders", [("Cat", "cat"), ("train/Cat", "train/dog", "val/cat", "val/dog")])
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


def test_folders_that_only_read_the_same_are_not_made_one_class(root: Path) -> None:
    filled(root, "dogs")
    for name in (b"caf\xe9", b"caf\xe8"):
        folder = Path(os.fsdecode(os.fsencode(root) + b"/" + name))
        folder.mkdir()
        (folder / "1.png").write_bytes(PICTURE)
        (folder / "2.png").write_bytes(PICTURE)
    with pytest.raises(DataError, match="no UTF-8"):
        scan(root, LIMITS)


def test_sharp_s_and_double_s_are_two_classes(root: Path) -> None:
    filled(root, "Straße", "Strasse")
    assert scan(root, LIMITS).classes == ("Strasse", "Straße")
