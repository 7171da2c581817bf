"""Nobody but the teacher gets an answer from the Class tab, whatever a browser sends; nobody sees what is another's."""

import html
from pathlib import Path

import pytest

from tests.classroom.conftest import waiting_run, with_photos
from tests.ui.classroom.conftest import Asked
from tl_engine.classroom import hidden
from tl_engine.classroom.lesson import Lesson
from tl_engine.classroom.pupils import at_seat, name_pupil, pupils
from tl_engine.classroom.stage import Stage
from tl_engine.runs import open_runs
from tl_engine.workspaces.workspace import Workspace
from ui.classroom.door import REFUSAL

ANA, BEN, TEACHER = "a" * 32, "b" * 32, "f" * 32
SECRET = "Anastasia Secretova"
WANTED = {"save_lesson", "end_lesson", "watch_class", "stop_pupil", "move_first", "move_last", "show_result",
          "show_none", "toggle_frozen", "pool_photos", "hide_test", "put_test_away", "measure_all", "show_board",
          "pack_class", "ask_to_delete", "delete_class", "closed", "read_class"}  # fmt: skip


def a_class(asked: Asked, tmp_path: Path) -> None:
    """Two pupils with photos, one with a training; a lesson, and a hidden test of the teacher's."""
    for token, first in ((ANA, 0), (BEN, 20)):
        visitor = with_photos(
            asked.settings, token, {"cat": range(first, first + 3), "dog": range(first + 3, first + 6)}, tmp_path
        )
        name_pupil(visitor, SECRET if token == ANA else "Ben")
    waiting_run(Workspace(asked.settings, ANA), "hers")
    Lesson(title="Pets", classes=("cat", "dog")).write(asked.settings)
    with_photos(asked.settings, TEACHER, {"cat": range(50, 57), "dog": range(57, 64)}, tmp_path)
    teacher = Workspace(asked.settings, TEACHER)
    hidden.choose_test(teacher, teacher.own_data()[0])


def all_files(asked: Asked) -> dict[str, bytes]:
    roots = (asked.settings.uploads, asked.settings.runs)
    return {str(p): p.read_bytes() for root in roots for p in root.rglob("*") if p.is_file() and p.suffix != ".lock"}


def test_the_tab_has_the_handlers_that_this_file_knows_of(asked: Asked) -> None:
    assert {function.name for function in asked.of_teacher()} == WANTED


@pytest.mark.parametrize("role", ["pupil", "", "Teacher", "nobody"])
def test_every_handler_of_the_teacher_is_refused_to_everybody_else(role: str, asked: Asked, tmp_path: Path) -> None:
    a_class(asked, tmp_path)
    before = all_files(asked)
    for function in asked.of_teacher():
        values = dict.fromkeys(function.inputs, BEN)  # as good as anything
        _, answer = asked.call(function, role, values)
        assert REFUSAL in html.unescape(answer), function.name
        assert SECRET not in answer
        assert "Ben" not in answer
    assert all_files(asked) == before
    assert not open_runs.frozen(asked.settings.runs)


def test_the_teacher_is_let_in(asked: Asked, tmp_path: Path) -> None:
    a_class(asked, tmp_path)
    _, table = asked.call(asked.named("watch_class"), "teacher", {asked.page.classroom.overview.seen: ""})  # type: ignore[union-attr]
    assert SECRET in table
    for function in asked.of_teacher():
        if function.name not in ("delete_class", "end_lesson", "measure_all"):
            _, answer = asked.call(function, "teacher", dict.fromkeys(function.inputs, ""))
            assert REFUSAL not in html.unescape(answer), function.name


def test_a_pupils_page_has_no_name_test_set_or_secret_of_others(asked: Asked, tmp_path: Path) -> None:
    a_class(asked, tmp_path)
    assert asked.page.classroom
    box = asked.page.classroom.pupil
    Stage(run="hers", named=False, board=True).write(asked.settings)
    told = [asked.client.get("/config").text]
    workspace = asked.page.workspace
    told.append(asked.call(asked.named("open_class"), "pupil", {workspace: BEN}, "?lesson=x")[1])
    told.append(asked.call(asked.named("follow_class"), "pupil", {workspace: BEN, box.seen: "", box.opened: ""})[1])
    told.append(asked.call(asked.named("restore"), "pupil", {workspace: BEN, asked.page.kept: {}})[1])
    assert "hers" in told[2]  # it is shown, without the name
    for answer in told:
        assert SECRET not in answer
        assert ANA not in answer
        assert TEACHER not in answer
        assert ".classroom" not in answer
        assert str(asked.settings.uploads) not in answer
    Stage(run="hers", named=True).write(asked.settings)
    named = asked.call(asked.named("follow_class"), "pupil", {workspace: BEN, box.seen: "", box.opened: ""})[1]
    assert SECRET in named  # the teacher ticked it


def test_only_a_pupils_page_makes_a_pupil(asked: Asked) -> None:
    workspace = asked.page.workspace
    asked.call(asked.named("open_class"), "teacher", {workspace: TEACHER})
    asked.call(asked.named("open_class"), "", {workspace: ANA})
    assert pupils(asked.settings) == []
    asked.call(asked.named("open_class"), "pupil", {workspace: BEN})
    assert [pupil.workspace.token for pupil in pupils(asked.settings)] == [BEN]


def test_a_seat_opens_nothing_that_a_workspace_opens(asked: Asked, tmp_path: Path) -> None:
    a_class(asked, tmp_path)
    pupil = next(pupil for pupil in pupils(asked.settings) if pupil.name == SECRET)
    assert at_seat(pupil.seat, asked.settings) == pupil
    _, answer = asked.call(asked.named("take_name"), "pupil", {asked.page.workspace: pupil.seat})
    assert "lost its workspace" in answer


def test_a_pupils_training_over_the_wire_is_held_to_the_lesson(asked: Asked) -> None:
    Lesson(title="Digits", data="digits", epochs=4).write(asked.settings)
    open_runs.freeze(asked.settings.runs, frozen=True)
    start = next(f for f in asked.page.blocks.fns.values() if f.api_name == "start_training")
    sent = {start.inputs[0]: {"data": "digits", "epochs": 400}}
    _, answer = asked.call(start, "pupil", sent)
    assert "In the lesson Digits" in answer
    status, answer = asked.call(start, "teacher", sent)
    assert (status, '"run"' in answer) == (200, True)
    pressed = asked.page.train
    values = {pressed.choice: "digits", pressed.workspace: ANA, pressed.form.epochs: 9}
    started = asked.named("start_training")
    _, answer = asked.call(started, "pupil", values)
    assert "In the lesson Digits" in answer
