"""What was said of each photo outlives the run in a file of numbers: read as written, or not at all."""

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tl_engine.evaluation.judged import FOLDS, TEST, VAL, Judged, read_judged

ODD = ("ants/a b.jpg", "ants/ä ✓.jpg", "bees/caf\udce9.jpg", "bees/two\nlines.jpg", "bees/<b>&.jpg", "bees/日本.png")


def judged(judge: str = FOLDS, **other: Any) -> Judged:
    labels = np.array([0, 0, 1, 1, 1, 2], np.int64)
    logits = np.random.default_rng(0).normal(0, 3, (6, 3)).astype(np.float32)
    facts: dict[str, Any] = {"files": ODD, "labels": labels, "logits": logits, "epoch": 7, "epochs": 50, "chosen": True}
    return Judged(judge=judge, **facts | other)


def arrays(**other: Any) -> dict[str, Any]:
    """What lies in a file that is whole, with some of it exchanged."""
    whole = judged()
    names = np.frombuffer("\0".join(f"{n}.jpg" for n in range(6)).encode(), np.uint8)
    return {"files": names, "labels": whole.labels, "logits": whole.logits, "facts": np.array([1, 2, 0])} | other


def test_what_is_read_is_what_was_written_whatever_the_files_are_called(tmp_path: Path) -> None:
    written = judged()
    written.write(tmp_path)
    read = Judged.read(tmp_path, FOLDS)
    assert read is not None
    assert read.files == ODD
    assert np.array_equal(read.labels, written.labels)
    assert np.array_equal(read.logits, written.logits)
    assert (read.judge, read.epoch, read.epochs, read.chosen) == (FOLDS, 7, 50, True)
    assert np.array_equal(read.predicted, written.logits.argmax(1))
    assert [path.name for path in tmp_path.iterdir()] == ["folds.npz"]


def test_a_judge_that_left_nothing_is_none(tmp_path: Path) -> None:
    assert Judged.read(tmp_path, FOLDS) is None
    assert Judged.read(tmp_path / "nowhere", FOLDS) is None
    assert read_judged(tmp_path) == {}


def test_the_most_trustworthy_judge_comes_first(tmp_path: Path) -> None:
    for judge in (FOLDS, VAL, TEST):
        judged(judge).write(tmp_path)
    assert list(read_judged(tmp_path)) == [TEST, VAL, FOLDS]


def test_a_damaged_file_spoils_no_other(tmp_path: Path) -> None:
    judged(FOLDS).write(tmp_path)
    (tmp_path / "val.npz").write_bytes(b"PK\x03\x04 and then nothing")
    assert list(read_judged(tmp_path)) == [FOLDS]


@pytest.mark.parametrize("left", [1, 100, -1, -30])
def test_a_file_cut_short_is_none(tmp_path: Path, left: int) -> None:
    judged().write(tmp_path)
    path = tmp_path / "folds.npz"
    path.write_bytes(path.read_bytes()[:left])
    assert Judged.read(tmp_path, FOLDS) is None


@pytest.mark.parametrize(
    "other",
    [
        {"labels": np.array([0, 1])},
        {"labels": np.array([0, 0, 1, 1, 1, 3])},
        {"labels": np.array([0, 0, 1, 1, 1, -1])},
        {"logits": np.zeros(6, np.float32)},
        {"logits": np.zeros((5, 3), np.float32)},
        {"files": np.frombuffer(b"one.jpg", np.uint8)},
        {"facts": np.array([1, 2])},
    ],
    ids=["few labels", "a label too high", "a label below 0", "no rows", "few rows", "few files", "few facts"],
)
def test_a_file_whose_parts_do_not_fit_is_none(tmp_path: Path, other: dict[str, Any]) -> None:
    np.savez(tmp_path / "folds.npz", **arrays())
    assert Judged.read(tmp_path, FOLDS) is not None
    np.savez(tmp_path / "folds.npz", **arrays(**other))
    assert Judged.read(tmp_path, FOLDS) is None


@pytest.mark.parametrize("part", ["files", "labels", "logits", "facts"])
def test_a_file_that_lacks_a_part_is_none(tmp_path: Path, part: str) -> None:
    np.savez(tmp_path / "folds.npz", **{name: rows for name, rows in arrays().items() if name != part})
    assert Judged.read(tmp_path, FOLDS) is None


class Bomb:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("part", ["files", "labels", "logits", "facts"])
def test_a_pickle_inside_is_refused_and_not_run(tmp_path: Path, part: str) -> None:
    hit = tmp_path / "hit"
    np.savez(tmp_path / "folds.npz", **arrays(**{part: np.array([Bomb(hit)] * 6, object)}))
    assert Judged.read(tmp_path, FOLDS) is None
    assert not hit.exists()
    np.load(tmp_path / "folds.npz", allow_pickle=True)[part]
    assert hit.exists()  # the bomb is a real one


def test_a_bare_pickle_in_its_place_is_none(tmp_path: Path) -> None:
    written = io.BytesIO()
    np.save(written, np.array([Bomb(tmp_path / "hit")], object))
    with zipfile.ZipFile(tmp_path / "folds.npz", "w") as archive:
        for name in ("files", "labels", "logits", "facts"):
            archive.writestr(name, written.getvalue())  # without .npy, as members that numpy gives as bytes
    assert Judged.read(tmp_path, FOLDS) is None
    assert not (tmp_path / "hit").exists()
