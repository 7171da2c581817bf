"""What an export is compared on, and when it counts as the same."""

import shutil
from pathlib import Path

import pytest

from tests.exported import Exported
from tl_engine.base.progress import watched
from tl_engine.runs.run import Run
from tl_engine.sharing.export import Destinations, export
from tl_engine.sharing.verify import (
    MADE,
    MOST_PHOTOS,
    Agreement,
    DisagreementError,
    check_whole,
    compared,
    photos_of,
    why_left_out,
)

PLACES = [Path(f"{n}.jpg") for n in range(4)]


def answers(*shares: float, verdict: str = "ok") -> list[dict[str, object]]:
    return [{"probabilities": {"a": share, "b": 1 - share}, "verdict": verdict} for share in shares]


def test_the_same_answers_agree() -> None:
    found = compared(answers(0.9, 0.2, 0.6, 0.4), answers(0.9, 0.2, 0.6, 0.4), PLACES)
    assert (found.same_class, found.same_verdict, found.largest_difference) == (4, 4, 0)
    check_whole(found)


def test_another_class_is_refused_with_the_first_photo() -> None:
    found = compared(answers(0.9, 0.2, 0.6, 0.4), answers(0.9, 0.2, 0.4, 0.6), PLACES)
    assert (found.same_class, found.first) == (2, "2.jpg")
    with pytest.raises(DisagreementError, match=r"2\.jpg"):
        check_whole(found)


def test_the_same_class_with_another_probability_is_refused_too() -> None:
    with pytest.raises(DisagreementError):
        check_whole(compared(answers(0.9, 0.2, 0.6, 0.4), answers(0.9, 0.21, 0.6, 0.4), PLACES))


def test_what_is_no_number_is_as_wrong_as_can_be() -> None:
    found = compared(answers(0.9, 0.2, 0.6, 0.4), answers(float("nan"), 0.2, 0.6, 0.4), PLACES)
    assert found.largest_difference == 1
    with pytest.raises(DisagreementError):
        check_whole(found)


def test_classes_that_are_equally_likely_may_change_places() -> None:
    found = compared(answers(0.5), answers(0.5 - 1e-7), PLACES[:1])
    assert found.same_class == 1


def test_fewer_answers_and_other_classes_are_refused() -> None:
    with pytest.raises(DisagreementError):
        compared(answers(0.9, 0.2), answers(0.9), PLACES[:2])
    with pytest.raises(DisagreementError):
        compared(answers(0.9), [{"probabilities": {"a": 0.9, "c": 0.1}}], PLACES[:1])


@pytest.mark.parametrize(("photos", "missed", "good"), [(153, 1, True), (153, 2, False), (500, 5, True), (8, 1, True)])
def test_a_smaller_copy_may_miss_one_photo_in_a_hundred(photos: int, missed: int, good: bool) -> None:
    found = Agreement(photos=photos, same_class=photos - missed, largest_difference=0.1)
    assert (why_left_out(found) is None) == good


def test_many_photos_are_thinned_evenly(exported: Exported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tl_engine.sharing.verify.MOST_PHOTOS", 3)
    paths, called = photos_of(exported.run, tmp_path)
    assert len(paths) == 3 < MOST_PHOTOS
    assert "judged" in called


def test_without_the_photos_their_small_copies_do_and_without_those_made_ones(
    exported: Exported, tmp_path: Path
) -> None:
    copy = Run(tmp_path / "runs" / "copy")
    shutil.copytree(exported.run.folder, copy.folder)
    (copy.manifest).write_text(copy.manifest.read_text().replace(str(exported.photos.parent), "/nowhere"))
    paths, called = photos_of(copy, tmp_path)
    assert "small copies" in called
    assert all(path.is_relative_to(copy.report) for path in paths)
    shutil.rmtree(copy.report / "photos")
    paths, called = photos_of(copy, tmp_path)
    assert (len(paths), "made" in called) == (MADE, True)


@pytest.mark.slow
def test_photos_that_can_no_longer_be_read_are_no_proof(exported: Exported, tmp_path: Path) -> None:
    """Nothing compared is nothing agreed on: pictures are made instead."""
    copy = Run(tmp_path / "runs" / "copy")
    shutil.copytree(exported.run.folder, copy.folder)
    photos = tmp_path / "photos"
    shutil.copytree(exported.photos, photos)
    copy.manifest.write_text(copy.manifest.read_text().replace(str(exported.photos), str(photos)))
    for photo in photos.rglob("*.jpg"):
        photo.write_bytes(photo.read_bytes()[:300])
    told = watched(export(copy.best, exported.settings, Destinations(zip=tmp_path / "out.zip")), id)
    assert told["verified"]["photos"] == MADE
    assert "made" in told["verified"]["on"]
