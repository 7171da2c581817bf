"""The board: places where the same photos tell classifiers apart, no winner within noise, and no place for who knew."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.classroom.conftest import MakePupil, with_photos
from tl_engine.base.errors import RunError
from tl_engine.base.settings import Settings
from tl_engine.classroom import hidden
from tl_engine.classroom.board import Board, Entry, measure, places
from tl_engine.classroom.pupils import pupil_of
from tl_engine.evaluation.figures import interval
from tl_engine.runs import queue
from tl_engine.runs.config import TrainConfig
from tl_engine.workspaces.workspace import Workspace

PHOTOS = 60


def answers(accuracy: float, seed: int) -> str:
    right = np.random.default_rng(seed).random(PHOTOS) < accuracy
    return "".join("1" if one else "0" for one in right)


def board(*right: str, seen: tuple[int, ...] = ()) -> Board:
    entries = tuple(
        Entry(seat=str(n), run=f"run{n}", saved=n, right=row, seen=5 if n in seen else 0) for n, row in enumerate(right)
    )
    return Board(test="x", at=0.0, entries=entries)


@pytest.mark.slow
def test_thirty_alike_have_no_winner() -> None:
    """Each is right with the same chance: what the best has more is luck, which 5 in 100 lessons may miss."""
    boards = [board(*(answers(0.8, 100 * lesson + n) for n in range(30))) for lesson in range(8)]
    without = [alike for alike in boards if max(alike.places().values()) == 1]
    assert len(without) >= 7
    assert all("No winner within noise" in alike.sentence() for alike in without)
    assert all("better than all" not in alike.sentence() for alike in boards)


def test_one_that_is_far_better_is_told() -> None:
    far = board("1" * 58 + "00", *(answers(0.5, n) for n in range(4)))
    assert far.places()["run0"] == 1
    assert sorted(far.places().values())[1] > 1
    assert "better than all 4 others" in far.sentence()


def test_two_in_front_of_one_share_the_first_place() -> None:
    both = board("1" * 55 + "0" * 5, "1" * 54 + "0" * 6, "0" * 40 + "1" * 20)
    assert both.places() == {"run0": 1, "run1": 1, "run2": 3}
    assert "2 share the first place" in both.sentence()


def test_the_same_answers_never_have_different_places() -> None:
    assert places({"a": "1100", "b": "1100"}) == {"a": 1, "b": 1}
    assert places({"a": "1100"}) == {"a": 1}
    assert places({}) == {}


def test_who_learnt_from_the_test_has_no_place() -> None:
    knew = board("1" * PHOTOS, answers(0.5, 1), answers(0.5, 2), seen=(0,))
    assert set(knew.places()) == {"run1", "run2"}
    assert knew.entries[0].interval == interval(PHOTOS, PHOTOS)


def test_a_board_needs_a_test_and_classifiers(
    room: Settings, teacher: Workspace, pupil: MakePupil, tmp_path: Path
) -> None:
    with pytest.raises(RunError, match="no hidden test set"):
        measure(room, lambda _event: None)
    with_photos(room, teacher.token, {"cat": range(50, 56), "dog": range(56, 62)}, tmp_path)
    hidden.choose_test(teacher, teacher.own_data()[0])
    pupil("a", "Ana", cat=range(3), dog=range(3, 6))
    with pytest.raises(RunError, match="Nobody in the class has a classifier"):
        measure(room, lambda _event: None)


@pytest.mark.slow
def test_real_classifiers_are_measured_once_in_a_process_of_its_own(
    room: Settings, teacher: Workspace, pupil: MakePupil, tmp_path: Path
) -> None:
    with_photos(room, teacher.token, {"Cat": range(50, 57), "dog": range(57, 64)}, tmp_path)
    hidden.choose_test(teacher, teacher.own_data()[0])
    ana = pupil("a", "Ana", cat=range(4), dog=range(4, 8))
    ben = pupil("b", "Ben", cat=range(50, 54), dog=range(54, 58))  # photos of the test
    for visitor in (ana, ben):
        own = visitor.data(visitor.own_data()[0]).data
        config = TrainConfig.from_options({"data": own, "epochs": 3})
        run = queue.start(config, room, visitor.token, visitor.token)
        list(queue.follow(run))
        assert run.state() == "finished", run.events()[0][-1]
    found = measure(room, lambda _event: None)
    by_seat = {entry.seat: entry for entry in found.entries}
    one, other = pupil_of(ana), pupil_of(ben)
    assert one
    assert other
    assert len(by_seat[one.seat].right) == 14  # capitals of a class's name do not matter
    assert (by_seat[one.seat].seen, by_seat[other.seat].seen) == (0, 8)
    assert set(found.places()) == {by_seat[one.seat].run}
    kept = json.loads((room.class_folder / "board.json").read_text())
    kept["entries"][0]["trouble"] = "kept"
    (room.class_folder / "board.json").write_text(json.dumps(kept))
    again = measure(room, lambda _event: None)
    assert "kept" in [entry.trouble for entry in again.entries]  # what was measured is not asked again
    (room.class_folder / "test.json").unlink()
    assert Board.read(room) is None
