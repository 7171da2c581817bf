"""A classifier's folder is there whole or not at all, and says in one sentence what is wrong with it."""

import dataclasses
import errno
import json
import math
import os
import shutil
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from tl_engine.base.errors import RunError, TrainingError
from tl_engine.base.settings import VERSION
from tl_engine.classifiers import saved
from tl_engine.runs.meta import META, BackboneMeta, Figures, Meta
from tl_engine.runs.saved_classifier import TENSORS, read_figures, read_meta, saved_at, saved_folder, sweep


def tensors(value: float = 1.0) -> dict[str, Tensor]:
    return {"head.weight": torch.full((2, 3), value), "head.counter": torch.tensor(7)}


def described(number: int, *classes: str) -> Meta:
    """A meta.json that tells itself from others by its epoch."""
    figures = Figures(epoch=number, val_accuracy=0.75, val_loss=0.5)
    backbone = BackboneMeta(weights="none", hash=None)
    return Meta(
        architecture="small_vgg", backbone=backbone, learned="head", classes=classes, preprocessing={}, figures=figures
    )


@pytest.fixture
def best(tmp_path: Path) -> Path:
    """A saved classifier, version 1."""
    folder = tmp_path / "run" / "best"
    saved.save(folder, tensors(1.0), described(1))
    return folder


def version(folder: Path) -> tuple[int, float]:
    """What both files of a classifier say, which must be the same."""
    meta = read_meta(folder)
    return meta.figures.epoch if meta.figures else 0, saved.read_tensors(folder)["head.weight"][0, 0].item()


def refusal(folder: Path) -> str:
    with pytest.raises(RunError) as refused:
        version(folder)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_what_is_saved_comes_back(best: Path) -> None:
    meta = described(2, "größe", "漢字")
    saved.save(best, tensors(), meta)
    kept = read_meta(best)
    assert dataclasses.replace(kept, created="", versions={}) == meta
    assert kept.versions["tl_engine"] == VERSION
    read = saved.read_tensors(best)
    assert read.keys() == tensors().keys()
    assert all(torch.equal(read[name], tensor) for name, tensor in tensors().items())


def test_channels_last_and_views_are_saved(best: Path) -> None:
    laid_out = torch.randn(4, 3, 5, 5).to(memory_format=torch.channels_last)
    storage = torch.randn(1000)
    saved.save(best, {"conv": laid_out, "view": storage[:2], "same": storage[:2].view(2, 1)}, described(2))
    read = saved.read_tensors(best)
    assert torch.equal(read["conv"], laid_out)
    assert torch.equal(read["view"], storage[:2])
    assert (best / TENSORS).stat().st_size < 2000


def test_a_folder_holds_two_files_and_nothing_lies_beside(best: Path) -> None:
    saved.save(best, tensors(2.0), described(2))
    assert sorted(p.name for p in best.iterdir()) == [META, TENSORS]
    assert [p.name for p in best.parent.iterdir()] == ["best"]
    assert version(best) == (2, 2.0)


def test_a_half_written_successor_changes_nothing(best: Path) -> None:
    new = best.with_name(".best.new")
    new.mkdir()
    (new / TENSORS).write_bytes(b"half")
    assert version(best) == (1, 1.0)
    saved.save(best, tensors(2.0), described(2))
    assert version(best) == (2, 2.0)


def test_a_save_that_fails_leaves_the_old_one(best: Path) -> None:
    with pytest.raises(TypeError):
        saved.save(best, tensors(2.0), dataclasses.replace(described(2), config={"no json": object()}))
    assert version(best) == (1, 1.0)


@pytest.fixture
def between_renames(best: Path) -> Path:
    """As a process leaves it that dies when the old one is aside and the new one not yet in place."""
    shutil.copytree(best, best.with_name(".best.new"))
    best.rename(best.with_name(".best.old"))
    return best


def test_the_predecessor_is_read_when_a_process_died_between_the_renames(between_renames: Path) -> None:
    assert not between_renames.exists()
    assert version(between_renames) == (1, 1.0)


def test_the_next_save_after_such_a_death_cleans_up(between_renames: Path) -> None:
    saved.save(between_renames, tensors(2.0), described(2))
    assert version(between_renames) == (2, 2.0)
    assert [p.name for p in between_renames.parent.iterdir()] == ["best"]


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "The disk is full"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "The disk is full"),
        (
            SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"),
            "The disk is full",
        ),
        (SafetensorError("Error while serializing: I/O error: Permission denied (os error 13)"), "Permission denied"),
        (PermissionError(errno.EACCES, "Permission denied", "/srv/runs/best"), "Permission denied"),
    ],
)
def test_a_save_that_finds_no_room_is_one_sentence_and_the_old_one_stays(
    best: Path, error: Exception, sentence: str
) -> None:
    def fill_up(_tensors: dict[str, Tensor], path: Path) -> None:
        path.write_bytes(b"half of the tensors")
        raise error

    with pytest.raises(TrainingError, match=sentence) as refused:
        saved.save(best, tensors(2.0), described(2), fill_up)
    assert "/srv" not in str(refused.value)
    assert version(best) == (1, 1.0)
    assert [p.name for p in best.parent.iterdir()] == ["best"]  # what was half written takes no room


def test_sweeping_leaves_one_whole_classifier_and_nothing_beside(between_renames: Path) -> None:
    sweep(between_renames)
    assert [p.name for p in between_renames.parent.iterdir()] == ["best"]
    assert version(between_renames) == (1, 1.0)
    for suffix in ("old", "new"):
        shutil.copytree(between_renames, between_renames.with_name(f".best.{suffix}"))
    sweep(between_renames)
    assert [p.name for p in between_renames.parent.iterdir()] == ["best"]
    assert version(between_renames) == (1, 1.0)


def test_sweeping_where_no_classifier_is_makes_none(tmp_path: Path) -> None:
    half = tmp_path / ".best.new"
    half.mkdir()
    (half / TENSORS).write_bytes(b"half")
    sweep(tmp_path / "best")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_lost_a_file_gives_way_to_its_whole_predecessor(best: Path) -> None:
    shutil.copytree(best, best.with_name(".best.old"))
    (best / TENSORS).unlink()
    assert version(best) == (1, 1.0)
    saved.save(best, tensors(2.0), described(2))
    assert version(best) == (2, 2.0)
    assert [p.name for p in best.parent.iterdir()] == ["best"]


def test_the_time_of_writing_tells_two_classifiers_apart(best: Path, tmp_path: Path) -> None:
    os.utime(best / META, ns=(5, 5))
    assert saved_at(best) == 5
    saved.save(best, tensors(2.0), described(2))
    assert saved_at(best) > 5
    best.rename(best.with_name(".best.old"))
    assert saved_at(best) > 5
    assert saved_at(tmp_path / "nowhere") == 0


def test_a_classifier_names_its_epoch(best: Path, tmp_path: Path) -> None:
    saved.save(best, tensors(), dataclasses.replace(described(1), figures=None))
    assert read_figures(best) is None  # it does not say
    saved.save(best, tensors(), described(7))
    assert read_figures(best) == Figures(epoch=7, val_accuracy=0.75, val_loss=0.5)
    assert read_figures(tmp_path / "nowhere") is None


def test_the_new_one_is_read_when_a_process_died_before_removing_the_old(best: Path) -> None:
    shutil.copytree(best, best.with_name(".best.old"))
    saved.save(best, tensors(2.0), described(2))
    shutil.copytree(best, best.with_name(".best.old"))
    assert version(best) == (2, 2.0)


def test_a_classifier_is_read_from_inside_its_folder(best: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(best)
    assert version(Path()) == (1, 1.0)


@pytest.mark.parametrize("missing", [META, TENSORS])
def test_a_folder_that_lacks_a_file_holds_no_classifier(best: Path, missing: str) -> None:
    (best / missing).unlink()
    assert saved_folder(best) is None
    assert refusal(best).startswith("best holds no classifier")


def test_an_empty_place_holds_no_classifier(tmp_path: Path) -> None:
    assert refusal(tmp_path).endswith("train one, or name another folder.")
    assert refusal(tmp_path / "nowhere").startswith("nowhere holds no classifier")


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b'{"format": 1'])
def test_a_damaged_meta_is_told(best: Path, content: bytes) -> None:
    (best / META).write_bytes(content)
    assert refusal(best) == "meta.json in best is damaged: use another copy of this classifier."


@pytest.mark.parametrize("content", [[], {}, {"format": 2}, "text", None])
def test_a_meta_of_another_format_is_told(best: Path, content: object) -> None:
    (best / META).write_text(json.dumps(content))
    assert refusal(best) == "meta.json in best is not of format 1: it was made by another version."


@pytest.mark.parametrize("length", [0, 4, 40, 100])
def test_damaged_tensors_are_told(best: Path, length: int) -> None:
    whole = (best / TENSORS).read_bytes()
    assert length < len(whole)
    (best / TENSORS).write_bytes(whole[:length])
    assert refusal(best) == "model.safetensors in best is damaged: use another copy of this classifier."


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_tensors_that_are_not_finite_are_refused(best: Path, number: float) -> None:
    bad = tensors()
    bad["head.weight"][1, 2] = number
    save_file(bad, best / TENSORS)
    assert refusal(best) == "model.safetensors in best holds NaN or infinite numbers: use another copy."
