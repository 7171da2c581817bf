"""Corrections that need no judgement, and the corrected copy: the originals are only read."""

import dataclasses
import hashlib
from pathlib import Path

import pytest

from tests.conftest import Inspected, MakeImages
from tests.data.test_manifest import changed
from tests.inspection.test_duplicates import A, nearly, photo
from tests.inspection.test_report import report_of
from tl_engine.base.errors import DataError
from tl_engine.base.events import Progress
from tl_engine.base.settings import Limits
from tl_engine.data.dataset import ImageFolder
from tl_engine.data.mends import DROP, KEEP, RELABEL, Located, Mend
from tl_engine.data.scan import scan
from tl_engine.inspection.duplicates import find_duplicates
from tl_engine.inspection.findings import Duplicates, Report
from tl_engine.inspection.remedies import keep_one_of_each, relabel_surest, write_folder

LIMITS = Limits()
NONE = Located(root=Path())


def contents(folder: Path) -> dict[str, str]:
    """The hash of every file below."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def written(data: ImageFolder, folder: Path, source: Path | None = None) -> dict[str, str]:
    """Write the copy and return what is in it."""
    list(write_folder(data, source or data.root, folder))
    return contents(folder)


def report_with(*duplicates: Duplicates) -> Report:
    return Report(
        classes={}, left_out=[], junk=0, converted=[], tiny=[], odd=[], duplicates=list(duplicates),
        suspicious_labels=[], separability={}, advice=[],
    )  # fmt: skip


# --- keep one of each ------------------------------------------------------------------------------------------------


def test_all_but_the_kept_one_of_each_group_are_dropped() -> None:
    one = Duplicates(files=("a", "b", "c"), kind="exact", across_splits=True, across_classes=False, kept="b")
    other = Duplicates(files=("d", "e"), kind="near", across_splits=False, across_classes=False, kept="d")
    assert keep_one_of_each(report_with(one, other), NONE) == [
        Mend(file="a", action=DROP, reason="the same photo as b"),
        Mend(file="c", action=DROP, reason="the same photo as b"),
        Mend(file="e", action=DROP, reason="the same photo as d"),
    ]
    assert keep_one_of_each(report_with(), NONE) == []


def test_one_photo_is_left_of_twins_and_their_near_copies() -> None:
    groups = find_duplicates(
        [photo("copy", nearly(A)), photo("one", content="x"), photo("twin", content="x", split="val")]
    )
    # The report prefers what lies in val.
    kept = [
        Duplicates(files=g.files, kind=g.kind, across_splits=True, across_classes=False, kept="twin") for g in groups
    ]
    assert {mend.file for mend in keep_one_of_each(report_with(*kept), NONE)} == {"copy", "one"}


def test_what_was_dropped_by_hand_is_not_the_one_that_stays() -> None:
    group = Duplicates(files=("a", "b", "c"), kind="exact", across_splits=True, across_classes=False, kept="b")
    by_hand = Located(root=Path(), mends=(Mend(file="b", action=DROP), Mend(file="c", action=RELABEL, name="red")))
    assert keep_one_of_each(report_with(group), by_hand) == [Mend(file="c", action=DROP, reason="the same photo as a")]
    nobody = by_hand.adding([Mend(file="a", action=DROP), Mend(file="c", action=DROP)])
    assert keep_one_of_each(report_with(group), nobody) == []


@pytest.mark.parametrize(("number", "kind", "dropped"), [(5, "near", 4), (6, "near", 0), (6, "exact", 5)])
def test_a_burst_of_one_scene_is_for_a_person_to_thin_out(number: int, kind: str, dropped: int) -> None:
    files = tuple(f"{index}" for index in range(number))
    group = Duplicates(files=files, kind=kind, across_splits=False, across_classes=False, kept="0")
    assert len(keep_one_of_each(report_with(group), NONE)) == dropped


def test_only_surely_wrong_labels_that_nobody_judged_are_changed() -> None:
    doubts = [
        {"file": file, "label": "a", "suggested": "b", "score": score}
        for file, score in (("sure.png", 0.8), ("judged.png", 0.7), ("edge.png", 0.3), ("doubt.png", 0.29))
    ]
    report = dataclasses.replace(report_with(), suspicious_labels=doubts)
    judged = Located(root=Path(), mends=(Mend(file="judged.png", action=KEEP),))
    found = relabel_surest(report, judged)
    assert [(mend.file, mend.action, mend.name) for mend in found] == [
        ("sure.png", RELABEL, "b"),
        ("edge.png", RELABEL, "b"),
    ]


def test_what_was_kept_has_no_duplicates_left(inspected: Inspected) -> None:
    mends = keep_one_of_each(inspected.report, NONE)
    assert {mend.file for mend in mends} == {"train/flower/00.jpg", "train/flower/twin.jpg", "train/temple/copy.jpg"}
    report, embedded = report_of(inspected.folder, inspected.settings, *mends)
    assert report.duplicates == []
    assert embedded == 0
    assert not [sentence for sentence in report.advice if "more than once" in sentence or "at once" in sentence]


# --- the corrected copy ----------------------------------------------------------------------------------------------


def test_a_copy_holds_the_same_bytes_in_class_folders(make_images: MakeImages, tmp_path: Path) -> None:
    folder = make_images()
    before = contents(folder)
    assert written(scan(folder, LIMITS), tmp_path / "deep" / "out") == before
    assert contents(folder) == before


def test_a_copy_keeps_split_folders(inspected: Inspected, tmp_path: Path) -> None:
    before = contents(inspected.folder)
    copied = written(scan(inspected.folder, LIMITS), tmp_path / "out")
    assert copied == {file: content for file, content in before.items() if file != "train/temple/notes.txt"}
    assert contents(inspected.folder) == before


def test_a_copy_is_corrected(make_images: MakeImages, tmp_path: Path) -> None:
    folder = make_images()
    before = contents(folder)
    mends = Located(
        root=folder,
        mends=(Mend(file="red/1.png", action=DROP), Mend(file="red/2.png", action=RELABEL, name="blue")),
    )
    copied = written(mends.applied(scan(folder, LIMITS)), tmp_path / "out")
    assert len(copied) == 11
    assert "red/1.png" not in copied
    assert "red/2.png" not in copied
    # There is a blue/2.png already: both are there, the relabelled one under a name of its own.
    assert copied["blue/2.png"] == before["blue/2.png"]
    assert copied["blue/2-2.png"] == before["red/2.png"]
    assert contents(folder) == before


def test_files_of_the_same_name_from_folders_inside_a_class_are_all_there(
    make_images: MakeImages, tmp_path: Path
) -> None:
    folder = make_images(each=1)
    for place in ("a", "b", "c"):
        (folder / "red" / place).mkdir()
        changed(folder / "red" / place / "0.png")
    changed(folder / "blue" / "1.png")
    copied = written(scan(folder, LIMITS), tmp_path / "out")
    assert {file for file in copied if file.startswith("red/")} == {
        "red/0.png", "red/0-2.png", "red/0-3.png", "red/0-4.png",
    }  # fmt: skip


def test_progress_is_told_up_to_the_last_copy(make_images: MakeImages, tmp_path: Path) -> None:
    folder = make_images()
    last = list(write_folder(scan(folder, LIMITS), folder, tmp_path / "out"))[-1]
    assert isinstance(last, Progress)
    assert (last.stage, last.done, last.total) == ("copying photos", 12, 12)


@pytest.mark.parametrize("out", ["out", "out/file"])
def test_a_folder_that_holds_something_is_refused_and_left_alone(
    out: str, make_images: MakeImages, tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "file").write_text("mine")
    folder = make_images()
    with pytest.raises(DataError, match="is not empty: name a new one"):
        written(scan(folder, LIMITS), tmp_path / out)
    assert list(contents(tmp_path / "out")) == ["file"]
    assert (tmp_path / "out" / "file").read_text() == "mine"


def test_an_empty_folder_is_taken(make_images: MakeImages, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    folder = make_images()
    assert written(scan(folder, LIMITS), tmp_path / "out") == contents(folder)


@pytest.mark.parametrize("out", ["", "red", "red/out", "out", "wrapped/out", "wrapped/../other"])
def test_a_copy_into_the_data_set_itself_is_refused(out: str, make_images: MakeImages) -> None:
    named = make_images("photos/wrapped").parent  # what a person names is a folder around the data set
    before = contents(named)
    data = scan(named, LIMITS)
    assert data.root == named / "wrapped"
    target = named / out
    with pytest.raises(DataError):
        written(data, target, source=named)
    assert contents(named) == before
    assert {path.name for path in named.iterdir()} == {"wrapped"}


def test_a_folder_that_cannot_be_made_says_so_without_a_path(make_images: MakeImages, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    folder = make_images()
    with pytest.raises(DataError, match="out could not be written") as caught:
        written(scan(folder, LIMITS), tmp_path / "file" / "out")
    assert str(tmp_path) not in str(caught.value)


def test_a_copy_that_fails_midway_leaves_nothing(make_images: MakeImages, tmp_path: Path) -> None:
    folder = make_images()
    data = scan(folder, LIMITS)
    (folder / "red" / "5.png").unlink()  # the last one: eleven are copied by then
    with pytest.raises(DataError, match="out could not be written"):
        written(data, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_class_whose_invisible_letter_hides_a_path_is_refused(make_images: MakeImages, tmp_path: Path) -> None:
    folder = make_images("inner/photos")
    (folder / "red").rename(folder / "\u200d..")
    with pytest.raises(DataError, match="not begin with a dot"):
        written(scan(folder, LIMITS), tmp_path / "out")
    assert not (tmp_path / "out").exists()
