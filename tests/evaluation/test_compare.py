"""Does one classifier beat another? Counted by the photos that only one of them has right."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tl_engine.base.errors import RunError
from tl_engine.evaluation.compare import compare
from tl_engine.evaluation.figures import interval
from tl_engine.evaluation.judged import FOLDS, VAL, Judged
from tl_engine.evaluation.run_photos import RunPhotos
from tl_engine.runs.run import Run

CLASSES = ("ants", "bees")


def trained(
    place: Path, name: str, right: list[bool], *, judge: str = FOLDS, labels: list[int] | None = None,
    contents: list[str] | None = None, classes: tuple[str, ...] = CLASSES, sub: str = "",
) -> tuple[Run, RunPhotos]:  # fmt: skip
    """A run that has these photos right; a photo is known by its content, which by default is its number."""
    run = Run(place / name)
    run.report.mkdir(parents=True)
    known = np.array(labels or [0] * len(right), np.int64)
    said = np.where(right, known, 1 - known)
    logits = np.eye(len(classes), dtype=np.float32)[said]
    files = tuple(f"{sub}{classes[label]}/{row}.jpg" for row, label in enumerate(known))
    Judged(judge=judge, files=files, labels=known, logits=logits, epoch=1, epochs=1, chosen=False).write(run.report)
    shas = contents or [f"{row:064d}" for row in range(len(right))]
    listed = {file: {"file": file, "sha256": sha} for file, sha in zip(files, shas, strict=True)}
    return run, RunPhotos(run, None, listed, classes)


def compared(first: tuple[Run, RunPhotos], second: tuple[Run, RunPhotos]) -> dict[str, Any]:
    return compare(first[0], second[0], (first[1], second[1]))


def differing(place: Path, only_a: int, only_b: int, both: int = 20) -> dict[str, Any]:
    """Two runs of which so many photos are right in one alone."""
    one = [True] * (both + only_a) + [False] * only_b
    other = [True] * both + [False] * only_a + [True] * only_b
    return compared(trained(place, "one", one), trained(place, "other", other))


def test_the_same_answers_are_no_difference(tmp_path: Path) -> None:
    found = differing(tmp_path, 0, 0)
    assert (found["verdict"], found["p_value"]) == ("same answers", 1.0)
    assert (found["photos"], found["right_a"], found["right_b"]) == (20, 20, 20)
    assert found["sentence"] == "Both are right on the same of 20 photos."


def test_nine_against_two_is_no_evidence(tmp_path: Path) -> None:
    found = differing(tmp_path, 9, 2)
    assert found["p_value"] == pytest.approx(0.0654, abs=5e-5)
    assert (found["verdict"], found["only_a"], found["only_b"]) == ("no evidence", 9, 2)
    assert "No evidence" in found["sentence"]
    assert "11 of 31 photos" in found["sentence"]


@pytest.mark.parametrize(("only", "verdict", "who"), [((9, 0), "better", "first"), ((0, 9), "worse", "second")])
def test_nine_against_none_is_a_difference(tmp_path: Path, only: tuple[int, int], verdict: str, who: str) -> None:
    found = differing(tmp_path, *only)
    assert found["p_value"] == pytest.approx(2 / 2**9)
    assert found["verdict"] == verdict
    assert found["sentence"].startswith(f"The {who} is better")


def test_different_photos_cannot_be_compared(tmp_path: Path) -> None:
    one = trained(tmp_path, "one", [True] * 4)
    other = trained(tmp_path, "other", [True] * 4, contents=[f"other {row}" for row in range(4)])
    with pytest.raises(RunError, match="different photos"):
        compared(one, other)


def test_photos_that_judged_only_one_do_not_count(tmp_path: Path) -> None:
    one = trained(tmp_path, "one", [True, False, True, True])
    other = trained(tmp_path, "other", [True, True, False], contents=[f"{0:064d}", f"{1:064d}", "a new one"])
    found = compared(one, other)
    assert (found["photos"], found["right_a"], found["right_b"], found["only_b"]) == (2, 1, 2, 1)


def test_a_photo_is_known_by_its_content_whatever_it_is_called_now(tmp_path: Path) -> None:
    one, other = trained(tmp_path, "one", [True] * 4), trained(tmp_path, "other", [True] * 4, sub="moved/")
    assert compared(one, other)["photos"] == 4


def test_a_label_that_changed_is_counted_with_the_new_one(tmp_path: Path) -> None:
    # Both call photo 0 bees. It was an ant when the first was trained, and is a bee since.
    one = trained(tmp_path, "one", [False, True, True], labels=[0, 0, 1])
    other = trained(tmp_path, "other", [True, True, True], labels=[1, 0, 1])
    found = compared(one, other)
    assert (found["relabelled"], found["right_a"], found["right_b"], found["verdict"]) == (1, 3, 3, "same answers")
    assert "1 label changed in between" in found["sentence"]
    back = compared(other, one)
    assert (back["relabelled"], back["right_a"], back["right_b"]) == (1, 2, 2)


def test_classes_are_known_by_their_names_and_not_by_their_places(tmp_path: Path) -> None:
    one = trained(tmp_path, "one", [True, True, False], labels=[0, 1, 1])
    other = trained(tmp_path, "other", [True, True, False], labels=[1, 0, 0], classes=("bees", "ants"))
    found = compared(one, other)
    assert (found["relabelled"], found["right_a"], found["right_b"], found["verdict"]) == (0, 2, 2, "same answers")


def test_runs_without_a_judge_in_common_are_told_why(tmp_path: Path) -> None:
    folds, val = trained(tmp_path, "folds", [True]), trained(tmp_path, "val", [True], judge=VAL)
    with pytest.raises(RunError, match="in folds, the other by photos held out"):
        compared(folds, val)
    with pytest.raises(RunError, match="The first of these trainings has judged no photos yet"):
        compared((Run(tmp_path / "bare"), val[1]), folds)


def test_a_run_that_ended_without_judging_is_told_from_one_that_goes_on(tmp_path: Path) -> None:
    folds = trained(tmp_path, "folds", [True])
    bare = Run(tmp_path / "bare")
    bare.folder.mkdir()
    bare.ask_to_stop()
    with pytest.raises(RunError, match="The second of these trainings left no judged photos behind"):
        compared(folds, (bare, folds[1]))


def test_the_paired_numbers_add_up(tmp_path: Path) -> None:
    found = differing(tmp_path, 9, 2)
    assert (found["both"], found["neither"]) == (20, 0)
    assert found["both"] + found["only_a"] == found["right_a"]
    assert found["both"] + found["only_b"] == found["right_b"]
    assert (found["judged_a"], found["judged_b"]) == (31, 31)
    assert found["interval_a"] == list(interval(29, 31))
    assert found["interval_b"] == list(interval(22, 31))
